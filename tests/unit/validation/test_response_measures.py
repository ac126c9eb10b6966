"""Measurements of responses: each answers to the mechanism that it is meant to see, and falls silent without it."""

from collections.abc import Iterable
from functools import cache

import numpy as np
import pytest

from cardarena.benchmarks.validation.call_targets import campaign, connect_rate, hazard_ratio
from cardarena.benchmarks.validation.choice_targets import choice
from cardarena.benchmarks.validation.estimates import ratio, ratio_of_ratios
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.liking_targets import channels_by_liking, services_by_liking
from cardarena.benchmarks.validation.measures import Measured
from cardarena.benchmarks.validation.repeat_targets import (
    attitude_curve,
    inverted_u,
    peak_of,
    wear_curve,
)
from cardarena.benchmarks.validation.response_targets import (
    email,
    feed,
    instalment_acceptance,
    push_opens,
    response_to_a_batch,
    sms,
)
from cardarena.benchmarks.validation.rhythm_targets import RATES, fall, push_users_lost, repurchase, summit

SHORT = {"horizon.burn_in_days": 28, "logged_history": False}
SEED = 9001


@cache
def lab(*changes: tuple[str, float], n: int = 2500, **more: float) -> Lab:
    overrides = {**SHORT, **{f"parameters.{name}": value for name, value in (*changes, *more.items())}}
    return Lab(n_cardholders=n, seeds=(SEED,), overrides=overrides)


def values(found: Iterable[Measured]) -> dict[str, float]:
    return {measured.component: measured.value for measured in found}


def test_every_share_is_a_share_and_the_same_each_time() -> None:
    again = Lab(n_cardholders=2500, seeds=(SEED,), overrides=SHORT)
    for measure in (response_to_a_batch, sms, email, push_opens, connect_rate, instalment_acceptance):
        first = values(measure(lab()))
        assert all(0.0 < value < 100.0 for value in first.values())
        assert first == values(measure(again))


def test_clicks_do_not_wear_out_without_wear() -> None:
    worn, _ = wear_curve(lab())
    fresh, _ = wear_curve(lab(wear_exponent=0.0))
    assert 0.65 < worn[1] < 0.85
    assert worn[7] < 0.55
    # Needs begin and end meanwhile, in the same way in both.
    assert fresh[7] / fresh[0] == pytest.approx(1.0, abs=0.15)
    assert np.all(np.diff(worn[[0, 1, 3, 7]] / fresh[[0, 1, 3, 7]]) < 0.0)


def test_without_annoyance_attitude_does_not_fall() -> None:
    fond = lab(annoyance_irrelevance=0.0, annoyance_overload=0.0, annoyance_overpersonal=0.0)
    assert values(inverted_u(lab()))["fall"] < 0.97
    assert peak_of(attitude_curve(fond)[0]) > 20.0


def test_without_fatigue_the_hazard_of_calls_hardly_falls() -> None:
    tired = lab(n=6000)
    fresh = lab(n=6000, wear_exponent=0.0, click_annoyance=0.0, blindness_gain=0.0)
    with_fatigue = values(hazard_ratio(tired))[""]
    without = values(hazard_ratio(fresh))[""]
    assert with_fatigue < 0.8
    # What is left is selection: who buys early is not called again.
    assert without > with_fatigue + 0.15


def test_a_campaign_loses_contacts_from_number_to_number() -> None:
    run = campaign(lab(n=6000), SEED)
    assert np.all(np.diff(run.contacts.sum(axis=0)) < 0.0)
    assert np.all(run.sales <= run.contacts)
    sales, contacts = run.whole
    assert 1.0 < contacts.sum() / run.contacts[:, 0].sum() < run.contacts.shape[1]
    assert ratio([(sales, contacts)])[0] > 0.0


def test_a_trigger_without_an_edge_opens_no_better() -> None:
    flat = lab(moment_notice=0.0, need_notice=0.0)
    assert values(push_opens(flat))["C5:"] == pytest.approx(1.0, abs=0.12)
    assert values(push_opens(lab()))["C5:"] > 1.5


def test_depth_alone_does_nothing_without_gain_and_loss() -> None:
    plain = feed(lab(click_personal_gain=0.0, click_personal_loss=0.0), SEED)
    np.testing.assert_allclose(plain.deep, plain.off)
    assert plain.chosen.mean() > plain.off.mean()
    keen = feed(lab(click_personal_gain=2.0), SEED)
    assert keen.deep.mean() > 1.2 * keen.off.mean()


def test_acceptance_grows_with_what_interest_sells() -> None:
    timid, eager = (values(instalment_acceptance(lab(contact_rate=rate)))[""] for rate in (0.02, 0.2))
    assert eager > 1.3 * timid


def test_liking_orders_channels_and_services_until_it_does_not_count() -> None:
    assert all(value > 1.0 for value in values(channels_by_liking(lab())).values())
    assert all(value > 1.0 for value in values(services_by_liking(lab())).values())
    deaf = services_by_liking(lab(click_service_liking=0.0))
    assert all(value == pytest.approx(1.0) for value in values(deaf).values())


def test_who_knows_more_chooses_better() -> None:
    full = Lab(n_cardholders=4000, seeds=(SEED,))
    run = choice(full, SEED)
    learned, _ = ratio([(run.learned, run.dealt)])
    oracle, _ = ratio([(run.oracle, run.oracle_dealt)])
    assert 1.0 < learned < oracle
    assert run.lot.mean() < run.dealt.mean() < run.oracle.mean()


def test_more_pushes_lose_more_users() -> None:
    lost = push_users_lost(lab(), SEED)
    assert np.all(np.diff(lost, axis=1) >= 0.0)
    assert np.all(np.diff(lost[:, -1]) > 0.0)
    assert 0.0 < lost[0, -1] < lost[-1, -1] < 1.0


def test_annoyance_is_what_calls_cost_in_repurchase() -> None:
    kind = lab(annoyance_irrelevance=0.0, annoyance_overload=0.0, annoyance_overpersonal=0.0)
    with_annoyance, without = (repurchase(world, SEED, "human_call").curve() for world in (lab(), kind))
    assert with_annoyance[-1] < with_annoyance[0]
    assert without[-1] >= without[0]


def test_the_summit_of_a_parabola_is_found_and_none_at_an_edge() -> None:
    rates = np.array(RATES, dtype=np.float64)
    curve = 0.6 - 0.001 * (rates - 3.0) ** 2
    assert summit(curve) == pytest.approx(3.0)
    assert fall(curve) == pytest.approx(-3.6)
    assert summit(-rates) == 0.0
    assert np.isnan(fall(-rates))
    assert summit(rates) == RATES[-1]


def test_the_ratio_of_two_contacts_is_over_the_same_clients() -> None:
    run = campaign(lab(n=6000), SEED)
    value, error = ratio_of_ratios([run.at(2)], [run.at(1)])
    assert 0.3 < value < 1.2
    assert 0.0 < error < 0.5
