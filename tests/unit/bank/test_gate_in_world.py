"""The gate where it stands: at the decision, at delivery, in audit, before the budget; and law G1 from the log alone."""

from typing import Any

import numpy as np
import pytest
from tests.fakes.simple_policies import Calling, Scattered, Uniform
from tests.fakes.small_worlds import ALL_OFF, NO_CAPS, small_world

from cardarena.simulator.bank.catalogue import load_offers
from cardarena.simulator.contracts import Contacts, View
from cardarena.simulator.names import CHANNELS, Rule, Status
from cardarena.simulator.world import World

SMS, PUSH = CHANNELS.index("sms"), CHANNELS.index("app_push")
#: An offer that suits everybody.
GREETING = load_offers().code("birthday_greeting")
AT_ONCE = {f"channels.{name}.delay_median_minutes": 0.0 for name in CHANNELS} | {
    f"channels.{name}.p_fail": 0.0 for name in CHANNELS
}


def _open(n: int = 60, **more: Any) -> World:
    """A world in which nothing stands against an SMS."""
    overrides = {**AT_ONCE, "channels.sms.p_opt_out": 0.0, **more}
    world = small_world(n, overrides=overrides)
    accounts = world.state.accounts
    for field in (
        "permitted",
        "marketing_consent",
        "partner_consent",
        "personalisation_on",
        "sensitive_consent",
    ):
        accounts[field] = 1
    return world


def _statuses(world: World, policy: Any, days: int = 1) -> dict[str, np.ndarray]:
    return world.run(policy, days).table("contacts")


@pytest.mark.parametrize(
    ("cap", "value", "expected"),
    [
        ("week", 3, lambda sent: [sum(sent[max(0, d - 6) : d + 1]) for d in range(len(sent))]),
        ("month", 4, lambda sent: [sum(sent[max(0, d - 29) : d + 1]) for d in range(len(sent))]),
    ],
)
def test_caps_roll_exactly(cap: str, value: int, expected: Any) -> None:
    world = _open(20, **{**NO_CAPS, f"compliance.caps.{cap}": value, "compliance.caps.channel_week": {}})
    for channel in CHANNELS:
        world.rules.compliance["cap_channel_week"][0, CHANNELS.index(channel)] = -1
    contacts = _statuses(world, Uniform(GREETING, SMS), 45)
    for person in range(world.n):
        mine = (contacts["cardholder"] == person) & (contacts["status"] == Status.DELIVERED)
        sent = np.bincount(contacts["day"][mine], minlength=45).tolist()
        if world.state.accounts["is_open"][person] == 0:
            continue
        rolling = expected(sent)
        assert max(rolling) == value
        # Never a day later than the rule allows: the pattern is `value` days on, then off until the first rolls out.
        length = 7 if cap == "week" else 30
        assert sent == [1 if d % length < value else 0 for d in range(45)]


def test_the_off_switch_acts_the_same_minute() -> None:
    # Decided at 10:00 for 11:00; personalisation goes off in between, so that what was allowed is blocked at delivery.
    world = _open(30, **NO_CAPS)

    def decide(view: View) -> Contacts:
        assert np.all(view.allowed(GREETING, SMS, 1, 660))
        contacts = Contacts.of(np.arange(view.n), GREETING, SMS, 1, 660)
        return contacts

    policy = Calling(decide)
    learn_off = world.scheduler.window

    def window(clock: Any, state: Any, rules: Any, today: Any, start: int, end: int) -> Any:
        if start == 600:
            state.accounts["personalisation_on"][:10] = 0
        return learn_off(clock, state, rules, today, start, end)

    world.scheduler.window = window
    log = world.run(policy, 1)
    assert np.all(log.table("decisions")["passed"] == 1)
    contacts = log.table("contacts")
    blocked = contacts["rule"] == Rule.PERSONALISATION_OFF
    assert sorted(contacts["cardholder"][blocked]) == list(range(10))
    assert np.all(contacts["status"][blocked] == Status.BLOCKED)
    assert np.all(contacts["status"][~blocked] == Status.DELIVERED)


def test_an_opted_out_channel_stays_closed_and_the_others_open() -> None:
    world = _open(200, **{**NO_CAPS, "channels.sms.p_opt_out": 0.4, "parameters.opt_in_rate": 0.0})
    log = world.run(Uniform(GREETING, SMS, times=1), 12)
    out, contacts = log.table("consents"), log.table("contacts")
    refused = out["change"] == 0
    assert refused.sum() > 50
    refused_day = dict(zip(out["cardholder"][refused].tolist(), out["day"][refused].tolist(), strict=True))
    for person, day, status, rule in zip(
        contacts["cardholder"].tolist(), contacts["day"], contacts["status"], contacts["rule"], strict=True
    ):
        if person in refused_day and day > refused_day[person]:
            assert status == Status.BLOCKED
            assert rule in (Rule.CHANNEL_PERMISSION, Rule.CLOSED)
    assert set(np.unique(world.state.accounts["permitted"][:, PUSH])) == {1}


def test_blocked_contacts_are_charged_and_reach_nobody() -> None:
    world = _open(40, **NO_CAPS)
    world.state.accounts["marketing_consent"] = 0
    world.state.people["willing_consent"] = 0
    contacts = _statuses(world, Uniform(GREETING, SMS))
    assert np.all(contacts["rule"] == Rule.CONSENT)
    assert np.all(contacts["value_mfen"] == -world.rules.money["blocked_mfen"][0])
    assert world.rules.money["blocked_mfen"][0] > 0
    assert np.all(world.state.accounts["contacts_28d"] == 0)


def test_audit_lets_a_breach_through_and_fines_it() -> None:
    world = _open(40, **{**NO_CAPS, "compliance.mode": "audit"})
    world.state.accounts["marketing_consent"] = 0
    world.state.people["willing_consent"] = 0
    contacts = _statuses(world, Uniform(GREETING, SMS))
    assert np.all(contacts["status"] == Status.DELIVERED)
    assert np.all(contacts["rule"] == Rule.CONSENT)
    fine = int(world.rules.money["fine_mfen"][0, Rule.CONSENT])
    cost = int(world.rules.channels["cost_mfen"][SMS])
    assert fine > 0
    assert np.all(contacts["value_mfen"] == -(fine + cost))


def test_not_even_audit_reaches_a_closed_or_unreachable_cardholder() -> None:
    world = _open(40, **{**NO_CAPS, "compliance.mode": "audit"})
    world.state.accounts["permitted"][:20, SMS] = 0
    world.state.accounts["is_open"][20:30] = 0
    world.state.people["alive"][20:30] = 0
    contacts = _statuses(world, Uniform(GREETING, SMS))
    order = np.argsort(contacts["cardholder"])
    assert contacts["rule"][order].tolist() == [Rule.UNREACHABLE] * 20 + [Rule.CLOSED] * 10 + [0] * 10
    assert contacts["status"][order].tolist() == [Status.BLOCKED] * 30 + [Status.DELIVERED] * 10


def test_the_budget_goes_by_priority_and_ties_by_id() -> None:
    world = _open(100, **NO_CAPS)
    cost = int(world.rules.channels["cost_mfen"][SMS])

    def decide(view: View) -> Contacts:
        ids = np.arange(view.n)
        return Contacts.of(ids, GREETING, SMS, 0, 660, priority=np.where(ids % 2 == 0, 1.0, 0.0))

    log_rows = []

    class Sink:
        def append(self, events: Any, decisions: Any, census: Any) -> None:
            log_rows.append(decisions)

    world.play(Calling(decide), 1, sink=Sink(), budget_mfen=60 * cost)
    decisions = log_rows[0]
    view_ids = world.view_id[decisions["cardholder"]]
    passed = decisions["passed"] == 1
    assert passed.sum() == 60
    assert np.all(passed[view_ids % 2 == 0]), "higher priority first"
    assert np.all(decisions["rule"][~passed] == Rule.BUDGET)
    holders = decisions["cardholder"][view_ids % 2 == 1]
    assert set(holders[passed[view_ids % 2 == 1]]) == set(np.sort(holders)[:10]), "ties go by id"


def test_a_disabled_channel_is_not_won_back_by_a_consent() -> None:
    world = small_world(
        300,
        overrides={
            "channels.sms.enabled": False,
            "population.new_share": 1.0,
            "population.new_consents_off": True,
            "parameters.consent_rate": 1.0,
            "parameters.visit_rate": 2.0,
        },
    )
    log = world.run(Scattered(1, 0.1), 10)
    assert np.sum(log.table("consents")["change"] == 8) > 20
    assert world.state.accounts["permitted"][:, SMS].sum() == 0


def _slow_rules(world: World, log: Any) -> list[str]:
    """Return the breaches among delivered contacts, from the log and the first day's accounts; written for reading."""
    accounts = world.state.accounts.copy()
    offers, channels, caps = world.rules.offers, world.rules.channels, world.rules.compliance[0]
    rows = []
    for name in ("contacts", "consents"):
        table = log.table(name)
        for at in range(table["day"].size):
            row = {column: values[at] for column, values in table.items()}
            rows.append((int(row["day"]), int(row["cardholder"]), int(row["ordinal"]), name, row))
    delivered: dict[int, list[tuple[int, int]]] = {}
    refused: set[tuple[int, int]] = set()
    breaches = []
    for day, person, _, name, row in sorted(rows, key=lambda r: r[:3]):
        account = accounts[person]
        if name == "consents":
            change, c = int(row["change"]), int(row["channel"])
            if change == 0:
                refused.add((person, c))
            elif change == 1:
                refused.discard((person, c))
            elif change == 2:
                account["personalisation_on"] = 0
            elif change == 4:
                account["marketing_consent"] = 0
            elif change in (6, 7):
                account["is_open"] = 0
            elif change == 8:
                account["marketing_consent"] = 1
                account["permitted"] = np.maximum(account["permitted"], world.state.people["willing"][person])
            continue
        if row["status"] != Status.DELIVERED:
            continue
        c, depth, minute = int(row["channel"]), int(row["depth"]), int(row["minute"])
        offer, channel = offers[row["offer"]], channels[c]
        sent = delivered.setdefault(person, [])
        start, end = int(channel["quiet_from_minute"]), int(channel["quiet_to_minute"])
        quiet = start <= minute < end if start <= end else minute >= start or minute < end
        wrong = {
            "closed": account["is_open"] == 0,
            "unreachable": account["permitted"][c] == 0,
            "refused": (person, c) in refused,
            "consent": account["marketing_consent"] == 0,
            "partner": (offer["needs_partner_consent"] or channel["needs_partner_consent"])
            and account["partner_consent"] == 0,
            "personalisation": depth > 0 and account["personalisation_on"] == 0,
            "sensitive": (depth == 2 or offer["needs_sensitive_consent"])
            and account["sensitive_consent"] == 0,
            "quiet": quiet,
            "day": 0 <= caps["cap_day"] <= sum(d == day for d, _ in sent),
            "week": 0 <= caps["cap_week"] <= sum(d > day - 7 for d, _ in sent),
            "month": 0 <= caps["cap_month"] <= sum(d > day - 30 for d, _ in sent),
            "channel": 0 <= caps["cap_channel_week"][c] <= sum(d > day - 7 and e == c for d, e in sent),
            "age": not offer["min_age"] <= account["age"] <= offer["max_age"],
            "income": account["income_band"] < offer["min_income_band"],
            "tenure": account["tenure_days"] + day < offer["min_tenure_days"],
            "explanation": offer["needs_explanation"] == 1 and depth == 2,
        }
        breaches += [f"day {day} person {person}: {rule}" for rule, broken in wrong.items() if broken]
        sent.append((day, c))
    return breaches


def test_g1_no_delivered_contact_breaks_a_rule() -> None:
    world = small_world(
        150,
        name="privacy_tightening",
        overrides={"shocks": [{"kind": "consent_withdrawal", "day": 5, "duration_days": 3, "share": 0.3}]},
    )
    start = world.fork()
    log = world.run(Scattered(9, 0.9, rounds=3, decide_minute=0), 40)
    contacts = log.table("contacts")
    assert (contacts["status"] == Status.DELIVERED).sum() > 300
    assert len(np.unique(contacts["rule"])) >= 12
    assert _slow_rules(start, log) == []


def test_g1_can_fail() -> None:
    world = small_world(150, overrides={**ALL_OFF, "compliance.mode": "audit"})
    start = world.fork()
    breaches = _slow_rules(start, world.run(Scattered(9, 0.9, rounds=3, decide_minute=0), 10))
    kinds = {breach.split(": ")[1] for breach in breaches}
    assert kinds >= {"consent", "sensitive", "quiet", "day", "week", "channel", "explanation"}
