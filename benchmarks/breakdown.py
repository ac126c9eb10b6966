"""Metrics by group: who got the contacts and the value, and what each channel, offer and rule did.

Rows are long: (dimension, level, measure, value). `MEASURES` says what each measure is.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cardarena.benchmarks.facts import Facts, RunFacts
from cardarena.benchmarks.metric_customer import (
    GROUP_DIMENSIONS,
    contacts_by_group,
    gain_by_group,
    group_levels,
    heads_by_group,
)
from cardarena.benchmarks.run_tables import MFEN_PER_CNY, PPB, Ints, Run, Table, counts, exact_sums, ratio
from cardarena.simulator.names import CHANNELS, COMPLAINT_KINDS, N_CHANNELS, RULES

#: What each measure is, with its unit.
MEASURES: dict[str, str] = {
    "people_share": "share of the people alive on day 0",
    "contact_share": "share of the delivered own contacts",
    "contacts_per_head": "delivered own contacts per head over the decision days",
    "value_share": "share of inv; undefined unless inv is positive",
    "inv": "realised incremental net value of the group, CNY per head of the group",
    "complaints_per_1000": "marketing complaints on decision days per 1,000 heads of the group",
    "opt_outs_per_1000": "channel opt-outs on decision days per 1,000 heads of the group",
    "attrition": "accounts closed on decision days / heads of the group",
    "attempts": "own contacts, blocked ones included",
    "delivered": "delivered own contacts",
    "notice_rate": "noticed / delivered",
    "click_rate": "clicks / delivered",
    "purchase_rate": "redeemed purchases on decision days / delivered (by channel: the last touch with the offer)",
    "complaints_expected_per_1000": "sum of complaint probabilities per 1,000 delivered",
    "opt_outs_expected_per_1000": "sum of opt-out probabilities per 1,000 delivered",
    "cost_cny": "cost of own contacts, CNY",
    "redeemed_value_cny": "margin of redeemed purchases on decision days, CNY (by channel: likewise)",
    "opt_outs": "channel opt-outs on decision days",
    "permitted_share": "reachable opt-ins at the close of the last decision day / those on day 0",
    "blocked": "own contacts stopped by the rule",
    "breaches": "own contacts delivered in violation of the rule",
}


class Row(NamedTuple):
    """One value of a breakdown."""

    dimension: str
    level: str
    measure: str
    value: float


def _people_rows(facts: Facts, dimension: str) -> Iterator[Row]:
    mine = facts.policy
    level, names = group_levels(mine, dimension)
    complaints, consents = mine.run.table("complaints"), mine.run.table("consents")
    marketing = mine.in_decision_days("complaints") & (
        complaints["complaint"] == COMPLAINT_KINDS.index("marketing")
    )
    closed = mine.changes("closed_voluntary") | mine.changes("closed_default")
    heads, contacts = heads_by_group(mine, dimension), contacts_by_group(mine, dimension)
    gain = gain_by_group(facts, dimension)
    total = float(gain.sum())
    n_complaints = counts(level[complaints["cardholder"][marketing]], len(names))
    n_opt_outs = counts(level[consents["cardholder"][mine.changes("channel_opt_out")]], len(names))
    n_closed = counts(level[consents["cardholder"][closed]], len(names))
    for code, name in enumerate(names):
        values = {
            "people_share": ratio(heads[code], mine.n0),
            "contact_share": ratio(contacts[code], mine.n_delivered),
            "contacts_per_head": ratio(contacts[code], heads[code]),
            "value_share": ratio(gain[code], total) if total > 0 else float("nan"),
            "inv": ratio(gain[code], heads[code]),
            "complaints_per_1000": ratio(1000 * n_complaints[code], heads[code]),
            "opt_outs_per_1000": ratio(1000 * n_opt_outs[code], heads[code]),
            "attrition": ratio(n_closed[code], heads[code]),
        }
        yield from (Row(dimension, name, measure, value) for measure, value in values.items())


def _outcomes(mine: RunFacts, column: str, size: int) -> dict[str, np.ndarray]:
    """Return what became of own contacts by channel or offer, each of shape (size,)."""
    contacts, responses = mine.run.table("contacts"), mine.run.table("responses")
    code, delivered = contacts[column], mine.delivered
    n = counts(code[delivered], size)
    at = np.where(n > 0, n, np.nan)  # an undefined rate is NaN, not zero

    def summed(name: str) -> Ints:
        return exact_sums(code[delivered], contacts[name][delivered], size)

    clicked = mine.responses("clicked")
    through = responses["offer"] if column == "offer" else last_touch_channel(mine)
    bought = mine.redeemed & (through >= 0)
    return {
        "attempts": counts(code[mine.own_contacts], size),
        "delivered": n,
        "notice_rate": summed("noticed") / at,
        "click_rate": counts(responses[column][clicked], size) / at,
        "purchase_rate": counts(through[bought], size) / at,
        "complaints_expected_per_1000": summed("p_complaint_ppb") / (PPB / 1000) / at,
        "opt_outs_expected_per_1000": summed("p_opt_out_ppb") / (PPB / 1000) / at,
        "cost_cny": -exact_sums(code[mine.own_contacts], contacts["value_mfen"][mine.own_contacts], size)
        / MFEN_PER_CNY,
        "redeemed_value_cny": exact_sums(through[bought], responses["value_mfen"][bought], size)
        / MFEN_PER_CNY,
    }


def last_touch_channel(mine: RunFacts) -> Ints:
    """Return the channel of the last own contact with the response's offer before it, -1 for none, shape (rows,).

    A purchase names its offer, not its channel.
    """
    contacts, responses = mine.run.table("contacts"), mine.run.table("responses")
    rows = np.flatnonzero(mine.delivered)
    found = np.full(responses["day"].size, -1, np.int64)
    if rows.size == 0:
        return found
    sent = _moments(contacts)[rows]
    order = np.argsort(sent, kind="stable")
    moment = _moments(responses)
    at = np.searchsorted(sent[order], moment, side="right") - 1
    last = rows[order[np.maximum(at, 0)]]
    # The same person and offer: only the 32 bits of time may differ.
    same = (at >= 0) & (responses["offer"] >= 0) & (_moments(contacts)[last] >> 32 == moment >> 32)
    found[same] = contacts["channel"][last[same]]
    return found


def _moments(table: Table) -> Ints:
    """Return a key that sorts rows by cardholder, offer (fewer than 256) and minute."""
    who = table["cardholder"].astype(np.int64) << 8 | (table["offer"].astype(np.int64) & 255)
    return who << 32 | (table["day"].astype(np.int64) * 1440 + table["minute"])


def _channel_rows(mine: RunFacts) -> Iterator[Row]:
    values = _outcomes(mine, "channel", N_CHANNELS)
    refused = mine.changes("channel_opt_out")
    channel = mine.run.table("consents")["channel"]
    values["opt_outs"] = counts(channel[refused & (channel >= 0)], N_CHANNELS)
    before = np.asarray(mine.run.initially_permitted, np.float64)
    values["permitted_share"] = mine.permitted[mine.days - 1] / np.where(before > 0, before, np.nan)
    for measure, value in values.items():
        yield from (Row("channel", CHANNELS[c], measure, float(value[c])) for c in range(N_CHANNELS))


def _offer_rows(mine: RunFacts) -> Iterator[Row]:
    names = tuple(getattr(mine.run, "offer_names", ()))
    seen = mine.run.table("contacts")["offer"][mine.own_contacts]
    size = max(len(names), int(seen.max(initial=-1)) + 1)
    names = names + tuple(str(code) for code in range(len(names), size))
    for measure, value in _outcomes(mine, "offer", size).items():
        yield from (Row("offer", names[code], measure, float(value[code])) for code in range(size))


def _rule_rows(mine: RunFacts) -> Iterator[Row]:
    for code, rule in enumerate(RULES[1:], start=1):
        yield Row("rule", rule, "blocked", float(mine.blocked_by_rule[code]))
        yield Row("rule", rule, "breaches", float(mine.breaches_by_rule[code]))


def run_breakdown(
    run: Run | RunFacts, silent_run: Run | RunFacts, economics_discount: float = 0.10
) -> list[Row]:
    """Return the rows by age, gender, city tier, income, segment, channel, offer and rule.

    Args:
        run: the run under the policy, or its facts.
        silent_run: the silent arm of the same scenario and seed, or its facts.
        economics_discount: discount a year.

    Raises:
        ResultsError: the two runs do not have the same people and days.
    """
    facts = Facts(run, silent_run, economics_discount)
    rows = [row for dimension in GROUP_DIMENSIONS for row in _people_rows(facts, dimension)]
    return [*rows, *_channel_rows(facts.policy), *_offer_rows(facts.policy), *_rule_rows(facts.policy)]
