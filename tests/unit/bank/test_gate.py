"""Every rule of the gate, one by one, in its order; quiet hours over midnight; caps exact to the day."""

from typing import Any

import numpy as np
import pytest
from tests.fakes.simple_policies import Scattered
from tests.fakes.small_worlds import small_world

from cardarena.simulator.bank.gate import gate, gate_column, in_quiet_hours, is_physical, open_arms
from cardarena.simulator.bank.records import ACCOUNT, CHANNEL, NEVER, OFFER
from cardarena.simulator.names import CHANNELS, Rule
from cardarena.simulator.rules import COMPLIANCE

SMS, CALL = CHANNELS.index("sms"), CHANNELS.index("human_call")
DAY, NOON = 100, 720

#: What breaks each rule, from a contact that breaks none: record -> fields. In the order in which the gate asks.
BREACHES: dict[Rule, dict[str, dict[str, Any]]] = {
    Rule.CLOSED: {"account": {"is_open": 0}},
    Rule.UNREACHABLE: {"account": {"permitted": 0}},
    Rule.DO_NOT_CONTACT: {
        "account": {"permitted": 0, "refused_day": DAY - 3},
        "channel": {"is_voice": 1},
    },
    Rule.CHANNEL_PERMISSION: {
        "account": {"permitted": 0, "refused_day": DAY - 400},
        "channel": {"is_voice": 0},
    },
    Rule.CONSENT: {"account": {"marketing_consent": 0}},
    Rule.PARTNER_CONSENT: {"account": {"partner_consent": 0}, "offer": {"needs_partner_consent": 1}},
    Rule.PERSONALISATION_OFF: {"account": {"personalisation_on": 0}, "depth": {"depth": 1}},
    Rule.SENSITIVE_CONSENT: {"account": {"sensitive_consent": 0}, "offer": {"needs_sensitive_consent": 1}},
    Rule.QUIET_HOURS: {"channel": {"quiet_from_minute": 700, "quiet_to_minute": 721}},
    Rule.CAP_DAY: {"account": {"contacts_today": 2}, "compliance": {"cap_day": 2}},
    Rule.CAP_WEEK: {"account": {"week_ring": 1}, "compliance": {"cap_week": 70}},
    Rule.CAP_MONTH: {"account": {"month_ring": 1}, "compliance": {"cap_month": 30}},
    Rule.CAP_CHANNEL: {"account": {"week_ring": 1}, "compliance": {"cap_channel_week": 7}},
    Rule.SUITABILITY: {"offer": {"min_age": 60}},
    Rule.EXPLANATION: {"offer": {"needs_explanation": 1}, "depth": {"depth": 2}},
}
ORDER = list(BREACHES)


def _ask(*changes: dict[str, dict[str, Any]], minute: int = NOON, off: tuple[Rule, ...] = ()) -> Rule:
    account, offer, channel = np.zeros(1, ACCOUNT), np.zeros(1, OFFER), np.zeros(1, CHANNEL)
    compliance = np.zeros(1, COMPLIANCE)
    depth = {"depth": 0}
    for field in ("is_open", "permitted", "marketing_consent", "partner_consent", "personalisation_on"):
        account[field] = 1
    account["sensitive_consent"], account["age"], account["limit_fen"] = 1, 40, 1_000_000
    account["refused_day"] = NEVER
    offer["max_age"], offer["contexts"], offer["max_utilisation"], offer["min_income_band"] = (
        120,
        255,
        10.0,
        -1,
    )
    channel["channel"] = SMS
    for field in ("cap_day", "cap_week", "cap_month", "cap_channel_week"):
        compliance[field] = -1
    compliance["is_on"], compliance["dnc_days"] = 1, 180
    records = {"account": account, "offer": offer, "channel": channel, "compliance": compliance}
    for change in changes:
        for name, fields in change.items():
            for field, value in fields.items():
                (depth if name == "depth" else records[name])[field] = value
    for rule in off:
        compliance["is_on"][0, rule] = 0
    return Rule(gate(account[0], offer[0], channel[0], compliance[0], depth["depth"], DAY, minute))


def test_the_plain_contact_passes() -> None:
    assert _ask() == Rule.NONE


def test_every_rule_but_the_budget_is_tested_here() -> None:
    assert set(BREACHES) == set(Rule) - {Rule.NONE, Rule.BUDGET}


@pytest.mark.parametrize("rule", BREACHES)
def test_each_rule_fires(rule: Rule) -> None:
    assert _ask(BREACHES[rule]) == rule


@pytest.mark.parametrize("rule", [r for r in BREACHES if r not in (Rule.CLOSED, Rule.UNREACHABLE)])
def test_each_rule_can_be_switched_off(rule: Rule) -> None:
    assert _ask(BREACHES[rule], off=(rule,)) == Rule.NONE


@pytest.mark.parametrize("rule", [Rule.CLOSED, Rule.UNREACHABLE])
def test_physics_cannot_be_switched_off(rule: Rule) -> None:
    assert _ask(BREACHES[rule], off=(rule,)) == rule


def test_only_closed_and_unreachable_are_physical() -> None:
    assert {rule for rule in Rule if is_physical(int(rule))} == {Rule.CLOSED, Rule.UNREACHABLE}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (a, b)
        for i, a in enumerate(ORDER)
        for b in ORDER[i + 1 :]
        # These write the same fields with other values, so they cannot stand together.
        if not {a, b} <= {Rule.UNREACHABLE, Rule.DO_NOT_CONTACT, Rule.CHANNEL_PERMISSION}
        and not {a, b} <= {Rule.PERSONALISATION_OFF, Rule.EXPLANATION}
    ],
)
def test_the_earlier_rule_is_named(first: Rule, second: Rule) -> None:
    assert _ask(BREACHES[second], BREACHES[first]) == first


def test_a_cap_that_is_off_does_not_hide_the_next() -> None:
    for first, second in (
        (Rule.CAP_DAY, Rule.CAP_WEEK),
        (Rule.CAP_WEEK, Rule.CAP_MONTH),
        (Rule.CAP_MONTH, Rule.CAP_CHANNEL),
    ):
        assert _ask(BREACHES[first], BREACHES[second], off=(first,)) == second


@pytest.mark.parametrize(
    ("minute", "is_quiet"), [(1319, False), (1320, True), (1439, True), (0, True), (479, True), (480, False)]
)
def test_quiet_hours_over_midnight(minute: int, is_quiet: bool) -> None:
    assert in_quiet_hours(minute, 1320, 480) == is_quiet


def test_quiet_hours_within_a_day_and_never() -> None:
    assert [in_quiet_hours(m, 600, 700) for m in (599, 600, 699, 700)] == [False, True, True, False]
    assert not any(in_quiet_hours(m, 600, 600) for m in range(1440))


def test_a_refused_call_binds_for_a_while_any_other_channel_for_good() -> None:
    def refused(days_ago: int, is_voice: int) -> Rule:
        return _ask(
            {"account": {"permitted": 0, "refused_day": DAY - days_ago}, "channel": {"is_voice": is_voice}}
        )

    assert refused(179, 1) == Rule.DO_NOT_CONTACT
    assert refused(180, 1) == Rule.NONE
    assert refused(179, 0) == refused(180, 0) == refused(99_000, 0) == Rule.CHANNEL_PERMISSION


def test_individual_depth_needs_consent_to_sensitive_data() -> None:
    change = {"account": {"sensitive_consent": 0}}
    assert [_ask(change, {"depth": {"depth": d}}) for d in (0, 1, 2)] == [
        Rule.NONE,
        Rule.NONE,
        Rule.SENSITIVE_CONSENT,
    ]


def test_the_channel_too_may_need_partner_consent() -> None:
    assert (
        _ask({"account": {"partner_consent": 0}, "channel": {"needs_partner_consent": 1}})
        == Rule.PARTNER_CONSENT
    )


SUITABILITY = [
    ({"account": {"age": 24}, "offer": {"min_age": 25}}, {"account": {"age": 25}, "offer": {"min_age": 25}}),
    ({"account": {"age": 56}, "offer": {"max_age": 55}}, {"account": {"age": 55}, "offer": {"max_age": 55}}),
    (
        {"account": {"income_band": 1}, "offer": {"min_income_band": 2}},
        {"account": {"income_band": 2}, "offer": {"min_income_band": 2}},
    ),
    (
        {"account": {"tenure_days": 79}, "offer": {"min_tenure_days": 180}},
        {"account": {"tenure_days": 80}, "offer": {"min_tenure_days": 180}},
    ),
    ({"account": {"overdue": 1}, "offer": {"excludes_overdue": 1}}, {"account": {"overdue": 1}}),
    ({"offer": {"contexts": 1}}, {"offer": {"contexts": 1}, "account": {"context_spend_28d_fen": 1.0}}),
    (
        {"account": {"spend_28d_fen": 500_001.0}, "offer": {"max_utilisation": 0.5}},
        {"account": {"spend_28d_fen": 500_000.0}, "offer": {"max_utilisation": 0.5}},
    ),
    (
        {"account": {"instalment_balance_fen": 500_001.0}, "offer": {"max_utilisation": 0.5}},
        {"account": {"instalment_balance_fen": 500_000.0}, "offer": {"max_utilisation": 0.5}},
    ),
]


@pytest.mark.parametrize(("unsuitable", "suitable"), SUITABILITY)
def test_suitability_to_the_edge(unsuitable: dict[str, Any], suitable: dict[str, Any]) -> None:
    assert _ask(unsuitable) == Rule.SUITABILITY
    assert _ask(suitable) == Rule.NONE


@pytest.mark.parametrize("cap", [0, 1, 3])
def test_caps_count_to_the_contact(cap: int) -> None:
    for rule, field, counted in (
        (Rule.CAP_DAY, "cap_day", "contacts_today"),
        (Rule.CAP_WEEK, "cap_week", "week_ring"),
        (Rule.CAP_MONTH, "cap_month", "month_ring"),
        (Rule.CAP_CHANNEL, "cap_channel_week", "week_ring"),
    ):
        for n in (cap - 1, cap):
            value: Any = n
            if counted == "week_ring":
                value = np.zeros((7, len(CHANNELS)), np.int8)
                value[3, SMS] = max(0, n)
            elif counted == "month_ring":
                value = np.zeros(30, np.int8)
                value[29] = max(0, n)
            if n >= 0:
                change = {"account": {counted: value}, "compliance": {field: cap}}
                assert _ask(change) == (rule if n >= cap else Rule.NONE), (rule, n)


def test_the_channel_cap_counts_its_own_channel_alone() -> None:
    ring = np.zeros((7, len(CHANNELS)), np.int8)
    ring[0, CALL] = 5
    assert _ask({"account": {"week_ring": ring}, "compliance": {"cap_channel_week": 1}}) == Rule.NONE


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_open_arms_say_what_the_gate_says(depth: int) -> None:
    world = small_world(200, overrides={"compliance.mode": "enforce"})
    world.play(Scattered(3, 0.9, rounds=2), 9)
    rules, state = world.rules, world.state
    offers, channels = np.arange(rules.offers.size), np.arange(rules.channels.size)
    minutes = np.where(channels % 3 == 0, 1290, 600)
    arms = open_arms(state.accounts, world.order, rules, offers, channels, minutes, depth, world.day)
    for offer in offers:
        for channel in channels:
            contact = (int(offer), int(channel), depth)
            one = gate_column(state.accounts, world.order, rules, contact, world.day, int(minutes[channel]))
            assert np.array_equal(arms[:, offer, channel], one == 0)
    assert arms.any()
    assert not arms.all()
