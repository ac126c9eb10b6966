"""Each process of a life against mathematics: a mean or share from the formula, a tolerance from its standard error."""

import math
from typing import Any

import numpy as np
import pytest
from numba import njit
from tests.fakes.simple_policies import Scattered, Silent, Uniform
from tests.fakes.small_worlds import ALL_OFF, NO_CAPS, small_world, stir, total

from cardarena.simulator.behaviour.life import busyness, closure_hazard, context_of, poisson, ticket_fen
from cardarena.simulator.behaviour.midnight import exponential_days, wallet_target
from cardarena.simulator.behaviour.purchase import buy
from cardarena.simulator.behaviour.response import (
    attention,
    click_probability,
    complaint_probability,
    notice_probability,
    opt_out_probability,
    over_personalisation,
)
from cardarena.simulator.contracts import Contacts
from cardarena.simulator.names import CHANNELS, Kind, Status
from cardarena.simulator.rules import TODAY
from cardarena.simulator.world import World

pytestmark = pytest.mark.statistical
SMS, PUSH = CHANNELS.index("sms"), CHANNELS.index("app_push")
#: A lucky-number guard: at 4.5 standard errors a true model fails once in 150,000 tests.
Z = 4.5
QUIET = {"parameters.closure_rate": 0.0, "parameters.stress_rate": 0.0, "parameters.complaint_service": 0.0}


def close_to(found: float, expected: float, standard_error: float) -> bool:
    return abs(found - expected) <= Z * standard_error


def _uniforms(n: int) -> np.ndarray:
    return np.random.Generator(np.random.Philox(3)).random(n)


@njit
def _poisson(u, mean, cap, out):
    for i in range(u.size):
        out[i] = poisson(u[i], mean, cap)


@njit
def _exponential(u, mean, out):
    for i in range(u.size):
        out[i] = exponential_days(u[i], mean)


@pytest.mark.parametrize("mean", [0.03, 0.8, 3.9])
def test_poisson_counts(mean: float) -> None:
    u = _uniforms(200_000)
    out = np.zeros(u.size)
    _poisson(u, mean, 50, out)
    assert close_to(out.mean(), mean, math.sqrt(mean / u.size))
    assert out.var() == pytest.approx(mean, rel=0.05)
    assert close_to((out == 0).mean(), math.exp(-mean), 0.5 / math.sqrt(u.size))


@pytest.mark.parametrize("mean", [6.0, 18.0, 210.0])
def test_exponential_days_have_the_mean_that_they_are_given(mean: float) -> None:
    u = _uniforms(200_000)
    out = np.zeros(u.size)
    _exponential(u, mean, out)
    # 1 + floor(Exp(m)), m = mean - 1/2: a geometric, mean 1 + 1 / (e^(1/m) - 1).
    exact = 1.0 + 1.0 / math.expm1(1.0 / (mean - 0.5))
    assert exact == pytest.approx(mean, rel=0.005)
    assert close_to(out.mean(), exact, out.std() / math.sqrt(u.size))
    assert out.min() >= 1


def test_transactions_follow_rate_times_busyness_times_wallet() -> None:
    world = small_world(4000, overrides=QUIET)
    start = world.state.people.copy()
    days = 10
    multipliers = np.array([world.today(d)["spend_multiplier"][0] for d in range(days)])
    busy = (start["context_share"][None] * multipliers[:, None]).sum(axis=2)
    rate = start["transaction_rate"][None] * busy
    # Poisson, at most twelve a day; the wallet moves only by satisfaction, here at home.
    mean = rate.copy()
    table = world.run(Silent(), days).table("transactions")
    expected = (mean * start["wallet"][None]).sum()
    found = table["day"].size
    assert close_to(found, expected, math.sqrt(expected) + 0.001 * expected / Z)
    by_day = np.bincount(table["day"], minlength=days)
    wanted = (mean * start["wallet"][None]).sum(axis=1)
    assert np.all(np.abs(by_day - wanted) < Z * np.sqrt(wanted) + 0.01 * wanted)
    assert np.corrcoef(by_day, wanted)[0, 1] > 0.7, "the calendar must matter"


def test_a_days_multipliers_tilt_the_contexts() -> None:
    world = small_world(1)
    person = world.state.people[0]
    person["context_share"] = (0.5, 0.2, 0.1, 0.1, 0.1)
    today = np.zeros(1, TODAY)[0]
    today["spend_multiplier"] = (1.0, 3.0, 1.0, 0.0, 2.0)
    weights = person["context_share"] * today["spend_multiplier"]
    assert busyness(person, today) == pytest.approx(weights.sum())
    u = _uniforms(20_000)
    seen = np.bincount([context_of(person, today, weights.sum(), x) for x in u], minlength=5) / u.size
    share = weights / weights.sum()
    assert np.all(np.abs(seen - share) <= Z * np.sqrt(share * (1 - share) / u.size))


def test_tickets_are_log_normal() -> None:
    world = small_world(1)
    person, q = world.state.people[0], world.rules.parameter[0]
    values = np.array([ticket_fen(person, q, 1, u) for u in _uniforms(20_000)], dtype=float)
    median = 100 * q["ticket_median_cny"][1] * person["ticket_scale"]
    sigma = q["ticket_sigma"]
    logs = np.log(values)
    assert close_to(logs.mean(), math.log(median), sigma / math.sqrt(values.size))
    assert logs.std() == pytest.approx(sigma, rel=0.03)


def test_monthly_spend_is_the_trait() -> None:
    world = small_world(6000, overrides=QUIET)
    people, q = world.state.people, world.rules.parameter[0]
    mean = (
        people["transaction_rate"]
        * (people["context_share"] @ q["ticket_median_cny"])
        * people["mean_ticket_scale"]
        * 30.4
    )
    np.testing.assert_allclose(mean, world.traits["monthly_spend_fen"], rtol=1e-6)  # the shares are float32


def test_need_spells() -> None:
    world = small_world(3000, overrides={**QUIET, "parameters.purchase_rate": 0.0})
    world.state.people["need_scale"] = 1.0
    q = world.rules.parameter[0]
    n, days = world.n, 60
    began = np.zeros((8, 3))
    lengths: dict[int, list[float]] = {1: [], 2: [], 3: []}
    since = np.zeros((n, 8))
    hazard = np.zeros(8)
    exposed = np.zeros(8)
    last = world.state.people["need"].copy()
    for day in range(days):
        today = world.today(day)[0]
        off = (last == 0).sum(axis=0)
        hazard += off * q["need_rate"] * today["need_multiplier"] / (1 - q["false_share"])
        exposed += off
        world.play(Silent(), 1)
        need = world.state.people["need"]
        for k in range(8):
            fresh = (last[:, k] == 0) & (need[:, k] > 0)
            began[k, 0] += fresh.sum()
            began[k, 1] += (fresh & (need[:, k] == 2)).sum()
        ended = (last > 0) & (need != last)
        for state in (1, 2, 3):
            lengths[state] += (day - since[ended & (last == state)]).tolist() if day < days else []
        since[need != last] = day
        last = need.copy()
    for k in range(8):
        assert close_to(began[k, 0], hazard[k], math.sqrt(hazard[k])), k
    false = began[:, 1].sum() / began[:, 0].sum()
    assert close_to(false, q["false_share"], 0.5 / math.sqrt(began[:, 0].sum()))
    # Short spells are seen whole; long ones may be cut at the end, so a bound and not the mean.
    precursor = np.array(lengths[1] + lengths[2])
    assert q["precursor_days"] * 0.85 < precursor.mean() < q["precursor_days"] * 1.1
    on = np.array(lengths[3])
    assert on.min() >= 7
    assert on.max() <= 30


def _rest(world: World) -> Any:
    """Everybody alike and at rest."""
    people = world.state.people
    for field, value in (
        ("theta", 1.0),
        ("tolerance", 4.0),
        ("liking", 1.0),
        ("service_liking", 1.0),
        ("trust", 0.5),
        ("satisfaction", 0.6),
        ("deal_proneness", 0.0),
        ("personalisation_need", 0.0),
        ("privacy_limit", 2.0),
    ):
        people[field] = value
    return people


@pytest.mark.parametrize("channel", range(len(CHANNELS)))
def test_notice_at_rest_is_the_channels_own(channel: int) -> None:
    world = small_world(1)
    person = _rest(world)[0]
    offer, record = world.rules.offers[0], world.rules.channels[channel]
    q = world.rules.parameter[0]
    assert notice_probability(person, offer, record, q, 0.0) == pytest.approx(min(0.95, record["p_notice"]))
    person["need"] = 3
    p = min(0.95, record["p_notice"])
    # Who picks up a telephone does not know what it is about.
    gain = 0.0 if record["is_voice"] else q["need_notice"] + q["moment_notice"]
    odds = p / (1 - p) * (1 + gain)
    assert notice_probability(person, offer, record, q, 1.0) == pytest.approx(odds / (1 + odds))
    person["need"], person["blindness"] = 0, 0.7
    assert notice_probability(person, offer, record, q, 0.0) == pytest.approx(
        min(0.95, record["p_notice"] * math.exp(-0.7))
    )


def test_attention_is_half_at_the_tolerance_and_spills_over() -> None:
    world = small_world(1)
    person, q = _rest(world)[0], world.rules.parameter[0]
    assert attention(person, q, SMS) == 1.0
    person["load"][SMS] = person["tolerance"]
    assert attention(person, q, SMS) == pytest.approx(0.5)
    spilled = 1 / (1 + q["load_spill"] ** q["attention_power"])
    assert attention(person, q, PUSH) == pytest.approx(spilled)


def test_the_structural_variant_agrees_at_rest_and_at_the_tolerance_and_nowhere_else() -> None:
    hill, variant = (
        small_world(1, overrides={"parameters.attention_form": form}).rules.parameter[0]
        for form in (0.0, 1.0)
    )
    person = _rest(small_world(1))[0]

    def left(q: Any, strain: float) -> float:
        person["load"][SMS] = person["tolerance"] * strain
        return attention(person, q, SMS)

    for strain in (0.0, 1.0):
        assert left(variant, strain) == pytest.approx(left(hill, strain))
    assert left(variant, 3.0) == pytest.approx(2.0 ** -(3.0 ** variant["attention_power"]))
    assert left(variant, 0.5) > left(hill, 0.5)
    assert left(variant, 3.0) < 0.6 * left(hill, 3.0)


def test_click_is_a_logistic_worn_by_repetition() -> None:
    world = small_world(1)
    person, account = _rest(world)[0], world.state.accounts[0]
    q, channel = world.rules.parameter[0], world.rules.channels[SMS]
    offer = world.rules.offers[0].copy()
    offer["incentive_fen"] = 0
    k = offer["category"]

    def logit(**at: Any) -> float:
        for field, value in at.items():
            person[field] = value
        p = click_probability(person, account, offer, channel, q, 0, 0.0)
        return math.log(p / (1 - p))

    base = math.log(channel["p_click"] / (1 - channel["p_click"])) + q["click_shift"] + offer["appeal"]
    assert logit() == pytest.approx(base)
    assert logit(theta=2.0) == pytest.approx(base + math.log(2.0))
    assert logit(theta=1.0, need=3) == pytest.approx(base + q["click_need_on"])
    assert logit(need=1) == logit(need=2) == pytest.approx(base + q["click_need_precursor"])
    assert logit(need=0, annoyance=0.5) == pytest.approx(base - 0.5 * q["click_annoyance"])
    assert logit(annoyance=0.0, trust=0.9) == pytest.approx(base + 0.4 * q["click_trust"])
    person["trust"] = 0.5
    fresh = click_probability(person, account, offer, channel, q, 0, 0.0)
    for n in (1, 3, 9):
        person["wear"][k] = n
        worn = click_probability(person, account, offer, channel, q, 0, 0.0)
        assert worn == pytest.approx(fresh * (n + 1) ** -0.43, rel=1e-12)


def test_closure_complaint_and_opt_out_formulas() -> None:
    world = small_world(1)
    person, q = _rest(world)[0], world.rules.parameter[0]
    channel = world.rules.channels[SMS]
    person["idle_days"], person["annoyance"], person["satisfaction"] = 180, 0.4, 0.8
    expected = (
        q["closure_rate"]
        * (1 + 2 * q["closure_idle"])
        * math.exp(0.4 * q["closure_annoyance"] - 0.2 * q["closure_satisfaction"])
    )
    assert closure_hazard(person, q) == pytest.approx(expected)
    p = channel["p_complaint"] * (1 + q["complaint_annoyance"] * 0.4) ** q["complaint_power"] * (1.6 - 0.8)
    assert complaint_probability(person, channel, q, False) == pytest.approx(p)
    assert complaint_probability(person, channel, q, True) == pytest.approx(q["complaint_refused"] * p)
    out = channel["p_opt_out"] * math.exp(0.4 * q["opt_out_annoyance"] + 0.3 * q["opt_out_irrelevance"])
    assert opt_out_probability(person, channel, q, 0.2) == pytest.approx(out)


def test_over_personalisation_begins_at_the_limit() -> None:
    world = small_world(1)
    person, account, q = _rest(world)[0], world.state.accounts[0], world.rules.parameter[0]
    person["privacy_limit"], account["sensitive_consent"] = 0.3, 0
    assert [over_personalisation(person, account, q, d) for d in (0, 1, 2)] == pytest.approx([0.0, 0.2, 0.7])
    account["sensitive_consent"], person["trust"] = 1, 0.9
    limit = 0.3 + q["privacy_consent"] + 0.4 * q["privacy_trust"]
    assert over_personalisation(person, account, q, 2) == pytest.approx(1 - limit)


def test_purchases_are_competing_hazards_on_one_uniform() -> None:
    rate, wallet, interest = 0.4, 0.6, 0.5
    world = small_world(
        20_000, overrides={**QUIET, "parameters.purchase_rate": rate, "parameters.interest_keep": 1.0}
    )
    people, q = world.state.people, world.rules.parameter[0]
    k = 4
    people["need"][:, k], people["need_left"][:, k] = 3, 9
    people["need_scale"] = 0.0
    people["wallet"] = people["wallet_home"] = wallet
    people["stress_left"] = 0
    people["interest"][:, k] = interest
    stir(people)
    rows = world.run(Silent(), 1).table("responses")
    bought = rows["category"] == k
    organic = (bought & (rows["action"] == 3)).sum()
    driven = (bought & (rows["action"] == 2)).sum()
    met = (world.state.people["need"][:, k] == 0).sum()
    n = world.n
    p_own = 1 - math.exp(-rate * wallet)
    p_else = math.exp(-rate * wallet) - math.exp(-rate)
    p_driven = math.exp(-rate) * (1 - math.exp(-q["contact_rate"][k] * interest))
    for found, p in ((organic, p_own), (driven, p_driven), (met - organic - driven, p_else)):
        assert close_to(found, n * p, math.sqrt(n * p * (1 - p)))


def test_amounts_have_the_offers_mean() -> None:
    world = small_world(20_000, overrides={**QUIET, "parameters.purchase_rate": 3.0})
    people = world.state.people
    people["need"][:, 5], people["need_left"][:, 5], people["stress_left"] = 3, 9, 0
    stir(people)
    rows = world.run(Silent(), 1).table("responses")
    amounts = rows["amount_fen"][rows["category"] == 5].astype(float)
    offer = world.rules.standing[5]
    assert offer["amount_sigma"] > 0
    assert close_to(amounts.mean(), offer["mean_amount_fen"], amounts.std() / math.sqrt(amounts.size))
    assert callable(buy)


def test_refusals_and_complaints_meet_their_own_expectation() -> None:
    world = small_world(
        5000,
        overrides={
            **QUIET,
            **ALL_OFF,
            **NO_CAPS,
            "compliance.mode": "audit",
            "channels.sms.p_complaint": 0.004,
            "channels.sms.p_opt_out": 0.01,
        },
    )
    contacts_log = world.run(Uniform(1, SMS), 20)
    contacts, complaints = contacts_log.table("contacts"), contacts_log.table("complaints")
    p = contacts["p_complaint_ppb"] * 1e-9
    assert close_to((complaints["complaint"] == 0).sum(), p.sum(), math.sqrt((p * (1 - p)).sum()))
    assert p.sum() > 100
    assert abs(total(contacts_log, "expected_complaint_marketing_ppb") * 1e-9 - p.sum()) < 1e-3
    # With the gate of permissions off, a channel that was refused is used again and can be refused again.
    refused = contacts_log.table("consents")["change"] == 0
    arrived = contacts["status"] == Status.DELIVERED
    q = contacts["p_opt_out_ppb"][arrived] * 1e-9
    assert close_to(refused.sum(), q.sum(), math.sqrt((q * (1 - q)).sum()) + 0.01 * q.sum())
    assert refused.sum() > 100


def test_notices_meet_their_own_expectation() -> None:
    world = small_world(4000, overrides={**ALL_OFF, **NO_CAPS, "compliance.mode": "audit"})
    contacts = world.run(Scattered(1, 0.7, rounds=2), 5).table("contacts")
    p = contacts["p_notice_ppb"] * 1e-9
    noticed = contacts["noticed"]
    for channel in range(len(CHANNELS)):
        mine = contacts["channel"] == channel
        assert close_to(noticed[mine].sum(), p[mine].sum(), math.sqrt((p * (1 - p))[mine].sum()) + 1e-9)


def test_the_wallet_goes_to_its_softmax_share() -> None:
    world = small_world(50, overrides=QUIET)
    people, q = world.state.people, world.rules.parameter[0]
    held = people["wallet_home"] < 1
    people["satisfaction_home"] = people["satisfaction"] = 0.6
    people["annoyance"], people["benefit"] = 0.0, 0.0
    world.rules.parameter["benefit_keep"] = 1.0
    people["need_scale"] = 0.0
    people["benefit"] = 0.5
    home = people["wallet_home"].copy()
    target = home * math.exp(0.5) / (home * math.exp(0.5) + 1 - home)
    start = people["wallet"].copy()
    assert wallet_target(people[0], q, 0.0) == pytest.approx(target[0])
    days = 56
    world.play(Silent(), days)
    left = (1 - 1 / q["wallet_lag_days"]) ** days
    still = held & (world.state.people["alive"] == 1) & (world.state.people["benefit"] == 0.5)
    assert still.sum() > 20
    np.testing.assert_allclose(
        world.state.people["wallet"][still], (target + (start - target) * left)[still], rtol=1e-9
    )


def test_satisfaction_and_trust_go_home_geometrically() -> None:
    world = small_world(40, overrides=QUIET)
    people, q = world.state.people, world.rules.parameter[0]
    people["need_scale"] = 0.0
    people["satisfaction"], people["trust"] = 0.1, 0.9
    world.play(Silent(), 30)
    for stock, start in (("satisfaction", 0.1), ("trust", 0.9)):
        home = people[f"{stock}_home"]
        expected = home + (start - home) * (1 - q[f"{stock}_return"]) ** 30
        np.testing.assert_allclose(world.state.people[stock], expected, rtol=1e-12)


def test_stocks_decay_by_their_keep() -> None:
    world = small_world(30, overrides=QUIET)
    people, q = world.state.people, world.rules.parameter[0]
    people["need_scale"] = 0.0
    for stock in ("load", "wear", "awareness", "annoyance", "blindness", "benefit"):
        people[stock] = 0.5
    # Wear, awareness and blindness are of those whom a contact has ever reached.
    world.state.accounts["last_contact_day"] = 0
    before = people["load"][:, SMS].copy()
    world.rules.parameter["service_message_load"] = 0.0
    world.play(Silent(), 4)
    for stock in ("load", "wear", "awareness", "annoyance", "blindness", "benefit"):
        np.testing.assert_allclose(world.state.people[stock], 0.5 * q[f"{stock}_keep"] ** 4, rtol=1e-12)
    assert np.all(before == 0.5)


def test_a_withdrawal_wave_reaches_its_share() -> None:
    shock = {"kind": "consent_withdrawal", "day": 2, "duration_days": 5, "share": 0.3}
    world = small_world(6000, overrides={**QUIET, "shocks": [shock], "parameters.consent_rate": 0.0})
    world.state.people["concern"] = 0.25  # exp(0.5 x 0.25 - 0.125) = 1
    consented = world.state.accounts["marketing_consent"].sum()
    consents = world.run(Silent(), 10).table("consents")
    left = (consents["change"] == 4).sum()
    assert close_to(left, 0.3 * consented, math.sqrt(0.21 * consented))
    days = np.unique(consents["day"][consents["change"] == 4])
    assert days.tolist() == [2, 3, 4, 5, 6]


def test_failures_meet_the_channels_share() -> None:
    world = small_world(
        4000, overrides={**ALL_OFF, **NO_CAPS, "compliance.mode": "audit", "channels.sms.p_fail": 0.2}
    )
    contacts = world.run(Uniform(1, SMS, minute=600), 2).table("contacts")
    sent = np.isin(contacts["status"], (Status.DELIVERED, Status.FAILED))
    failed = contacts["status"] == Status.FAILED
    assert close_to(failed.sum(), 0.2 * sent.sum(), math.sqrt(0.16 * sent.sum()))
    assert Contacts.none().cardholder.size == 0
    assert Kind.CONTACT == 2
