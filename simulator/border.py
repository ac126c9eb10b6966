"""The border between windows: a policy decides, compliance admits, and what was admitted goes on its way.

Everything here is serial, in id order, on a snapshot; what is admitted acts in a later window at the earliest.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit

from cardarena.simulator.bank.gate import gate_contacts, is_stopped, open_channels
from cardarena.simulator.behaviour import randomness
from cardarena.simulator.behaviour.elementary import exp, normal_quantile
from cardarena.simulator.behaviour.events import KIND_CONTACT, write_row
from cardarena.simulator.behaviour.randomness import CARDHOLDER, draw
from cardarena.simulator.compilation import compiled
from cardarena.simulator.contracts import Contacts
from cardarena.simulator.errors import PolicyError
from cardarena.simulator.log import DECISION
from cardarena.simulator.names import Rule, Status
from cardarena.simulator.rules import EVENT, PENDING, Rules
from cardarena.simulator.state import WorldState

_BLOCKED: Final = int(Status.BLOCKED)
_BUDGET: Final = int(Rule.BUDGET)
#: Most contacts to one person in one decision: their ordinals are part of the key of their luck.
MAX_CONTACTS_PER_PERSON: Final = 100
#: A shadow price beyond CNY 100 a contact says no more than that.
HIGHEST_PRICE_MFEN: Final = 10_000_000
#: A marketing budget is released in equal parts, one for so many days.
BUDGET_DAYS: Final = 30


@dataclass(frozen=True)
class Admitted:
    """What came of a decision: rows for the decisions table, event rows of the blocked, and the money asked for."""

    decisions: np.ndarray
    events: np.ndarray
    asked_mfen: int


@njit(cache=True)
def _count_within(group, out):
    """Number the entries of each run of equal values in `group` from 0."""
    for j in range(group.size):
        out[j] = out[j - 1] + 1 if j > 0 and group[j] == group[j - 1] else 0


@compiled()
def arrival(seed, cardholder, day, minute, channel, ordinal):
    """Return the absolute minute at which a contact arrives: its send time and the channel's drawn delay.

    Args:
        seed: world key.
        cardholder: true id.
        day: day of the decision.
        minute: minute of that day at which it is sent.
        channel: CHANNEL record.
        ordinal: of the contact, within (day, cardholder, channel).
    """
    delay = 0.0
    if channel.delay_median_minutes > 0.0 and channel.at_visit == 0:
        _, _, z, _ = draw(
            seed, cardholder, day, CARDHOLDER, randomness.DELIVERY, 0, channel.channel, 0, ordinal, 0
        )
        delay = min(10080.0, channel.delay_median_minutes * exp(channel.delay_sigma * normal_quantile(z)))
    return day * 1440 + minute + int(delay)


@compiled()
def block(person, offer, channel, depth, rule, ordinal, day, minute, cost, rows, n):
    """Write the row of a contact that was blocked at the decision and charge it; return the number of rows."""
    row = write_row(rows, n, person, day, minute, KIND_CONTACT, _BLOCKED, 0)
    row.offer, row.channel, row.depth, row.rule = offer, channel, depth, rule
    row.ref_day, row.ref_ordinal = day, ordinal
    row.value_mfen = -cost
    person.expected_mfen -= cost
    return n + 1


@compiled()
def _arrivals(seed, day, minute, holders, channel, ordinal, channels, out):
    for j in range(holders.size):
        out[j] = arrival(seed, holders[j], day, minute[j], channels[channel[j]], ordinal[j])


@compiled()
def _block_all(people, holders, offer, channel, depth, rule, ordinal, day, minute, cost, rows):
    for j in range(holders.size):
        block(
            people[holders[j]],
            offer[j],
            channel[j],
            depth[j],
            rule[j],
            ordinal[j],
            day,
            minute,
            cost,
            rows,
            j,
        )


@compiled()
def _stopped(rule, compliance, out):
    for j in range(rule.size):
        out[j] = is_stopped(rule[j], compliance[0])


def _count_earlier(before: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return how often each key stands among those of the decisions before, shape (keys,)."""
    if before.size == 0:
        return np.zeros(keys.size, dtype=np.int64)
    before = np.sort(before)
    return np.searchsorted(before, keys, side="right") - np.searchsorted(before, keys, side="left")


def marketing_cost_mfen(events: np.ndarray) -> int:
    """Return what the contacts in these EVENT rows have cost, blocked ones too."""
    return -int(events["value_mfen"][events["kind"] == KIND_CONTACT].sum())


def committed_mfen(state: WorldState, rules: Rules) -> int:
    """Return what the contacts on their way are expected to cost."""
    return int(_costs(rules, state.pending["channel"]).sum()) if state.pending.size else 0


def budget_left(state: WorldState, rules: Rules, budget_mfen: int, spent_today_mfen: int = 0) -> int:
    """Return the budget released so far, less what contacts have cost and what those on their way will cost.

    Args:
        state: of the world.
        rules: of the world.
        budget_mfen: of all days since the reset, or -1 for none; then the answer is -1.
        spent_today_mfen: what today has cost so far.
    """
    if budget_mfen < 0:
        return -1
    months = (state.day - state.reset_day) // BUDGET_DAYS + 1
    released = budget_mfen * min(months * BUDGET_DAYS, state.reset_days) // state.reset_days
    return max(0, released - state.spent_mfen - spent_today_mfen - committed_mfen(state, rules))


def _costs(rules: Rules, channel: np.ndarray) -> np.ndarray:
    """Return what each contact commits of the budget: the attempt, and the talk if it is expected to take place."""
    table = rules.channels
    expected = table["cost_mfen"] + np.floor(table["p_notice"] * table["success_cost_mfen"]).astype(np.int64)
    return expected[channel]


def _over_budget(cost: np.ndarray, priority: np.ndarray, open_rows: np.ndarray, left_mfen: int) -> np.ndarray:
    """Return which rows no longer fit: by priority, ties by row, as long as the sum fits."""
    order = open_rows[np.argsort(-np.round(priority[open_rows], 9), kind="stable")]
    fits = np.cumsum(cost[order]) <= left_mfen
    return order[~fits]


def admit(
    state: WorldState,
    rules: Rules,
    contacts: Contacts,
    order: np.ndarray,
    minute: int,
    *,
    policy: str,
    budget_left_mfen: int,
    earlier: np.ndarray,
) -> Admitted:
    """Check a decision against every rule and put what passes on its way.

    Args:
        state: changed in place: pending contacts, rows and expectations of the blocked.
        rules: the scenario's rules.
        contacts: as returned by `Contacts.checked`.
        order: true row of each view id.
        minute: minute of the decision.
        policy: its name, for messages.
        budget_left_mfen: what may still be spent, or -1.
        earlier: today's decisions so far; ordinals go on behind theirs.

    Raises:
        PolicyError: more than `MAX_CONTACTS_PER_PERSON` contacts to one person.
    """
    day = state.day
    holders = order[contacts.cardholder]
    sort = np.lexsort((contacts.minute, holders))  # stable: ties keep the policy's order
    holders = holders[sort]
    offer, channel, depth, send = (
        x[sort] for x in (contacts.offer, contacts.channel, contacts.depth, contacts.minute)
    )
    assert contacts.priority is not None
    assert contacts.propensity is not None
    assert contacts.candidates is not None
    n = holders.size
    ordinal = np.zeros(n, dtype=np.int64)
    _count_within(holders, ordinal)
    ordinal += _count_earlier(earlier["cardholder"].astype(np.int64), holders)
    if n and ordinal.max() >= MAX_CONTACTS_PER_PERSON:
        row = int(sort[ordinal.argmax()])
        raise PolicyError(
            f"policy {policy!r}: contacts row {row}, column 'cardholder': expected at most "
            f"{MAX_CONTACTS_PER_PERSON} contacts to one cardholder in one decision"
        )
    if rules.compliance["collide_minute"][0] >= 0:
        send = np.full(n, rules.compliance["collide_minute"][0], dtype=np.int64)
    rule = np.zeros(n, dtype=np.int64)
    gate_contacts(
        state.accounts,
        rules.offers,
        rules.channels,
        rules.compliance,
        holders,
        offer,
        channel,
        depth,
        day,
        send,
        rule,
    )
    blocked = np.zeros(n, dtype=np.bool_)
    _stopped(rule, rules.compliance, blocked)
    cost = _costs(rules, channel)
    asked = int(cost[~blocked].sum())
    if 0 <= budget_left_mfen < asked:
        out = _over_budget(cost, contacts.priority[sort], np.flatnonzero(~blocked), budget_left_mfen)
        rule[out] = _BUDGET
        blocked[out] = True
    channels_open = np.zeros(n, dtype=np.int64)
    open_channels(state.accounts, holders, channels_open)
    decisions = np.zeros(n, dtype=DECISION)
    for field, values in (
        ("day", day),
        ("cardholder", holders),
        ("ordinal", ordinal),
        ("minute", send),
        ("offer", offer),
        ("channel", channel),
        ("depth", depth),
        ("propensity_ppm", np.maximum(1, np.floor(contacts.propensity[sort] * 1e6 + 0.5))),
        ("candidates", contacts.candidates[sort]),
        ("open_channels", channels_open),
        ("rule", rule),
        ("passed", ~blocked),
    ):
        decisions[field] = values
    _send(state, rules, decisions[~blocked], earlier[earlier["passed"] == 1])
    return Admitted(
        decisions=decisions,
        events=_write_blocked(state, rules, decisions[blocked], minute),
        asked_mfen=asked,
    )


def _send(state: WorldState, rules: Rules, sent: np.ndarray, earlier: np.ndarray) -> None:
    """Join the admitted decisions to the contacts on their way."""
    n = sent.size
    if n == 0:
        return
    holders, channel = sent["cardholder"].astype(np.int64), sent["channel"].astype(np.int64)
    by_channel = np.lexsort((channel, holders))  # stable
    run = holders[by_channel] * 256 + channel[by_channel]
    counted = np.zeros(n, dtype=np.int64)
    _count_within(run, counted)
    counted += _count_earlier(earlier["cardholder"].astype(np.int64) * 256 + earlier["channel"], run)
    channel_ordinal = np.empty(n, dtype=np.int64)
    channel_ordinal[by_channel] = counted
    due = np.zeros(n, dtype=np.int64)
    _arrivals(
        np.uint64(state.luck),
        state.day,
        sent["minute"].astype(np.int64),
        holders,
        channel,
        channel_ordinal,
        rules.channels,
        due,
    )
    fresh = np.zeros(n, dtype=PENDING)
    for field, values in (
        ("cardholder", holders),
        ("due", due),
        ("ordinal", sent["ordinal"]),
        ("decided_day", sent["day"]),
        ("channel_ordinal", channel_ordinal),
        ("offer", sent["offer"]),
        ("channel", channel),
        ("depth", sent["depth"]),
    ):
        fresh[field] = values
    pending = np.concatenate([state.pending, fresh]) if state.pending.size else fresh
    key = np.lexsort((pending["ordinal"], pending["decided_day"], pending["due"], pending["cardholder"]))
    state.pending = pending[key]


def _write_blocked(state: WorldState, rules: Rules, blocked: np.ndarray, minute: int) -> np.ndarray:
    rows = np.zeros(blocked.size, dtype=EVENT)
    _block_all(
        state.people,
        blocked["cardholder"].astype(np.int64),
        blocked["offer"],
        blocked["channel"],
        blocked["depth"],
        blocked["rule"],
        blocked["ordinal"],
        state.day,
        minute,
        int(rules.money["blocked_mfen"][0]),
        rows,
    )
    return rows


def drop_done(state: WorldState) -> None:
    """Forget the contacts that arrived, were blocked, failed or lapsed."""
    if state.pending.size:
        state.pending = state.pending[state.pending["state"] == 0]


def next_price(price_mfen: int, step_mfen: int, asked_mfen: int, pace_mfen: int) -> int:
    """Return the next shadow price of a contact, in milli-fen: up when more was asked for than the pace allows.

    The same for every policy that scores; it makes demand meet the budget.

    Args:
        price_mfen: today's price.
        step_mfen: the first step up from zero.
        asked_mfen: what the last decision asked for.
        pace_mfen: what an even pace of the budget left would allow it.
    """
    if pace_mfen <= 0:
        return min(HIGHEST_PRICE_MFEN, 2 * price_mfen + step_mfen)
    excess = min(2.0, max(-0.5, asked_mfen / pace_mfen - 1.0))
    price = int(price_mfen * (1.0 + 0.25 * excess) + step_mfen * 0.25 * excess)
    return min(HIGHEST_PRICE_MFEN, max(0, price))
