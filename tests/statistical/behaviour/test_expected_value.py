"""The expected margin that rankings use has the mean of the realised one, component by component."""

import math
from typing import Any

import numpy as np
import pytest
from tests.fakes.simple_policies import Scattered, Silent, Uniform
from tests.fakes.small_worlds import ALL_OFF, NO_CAPS, realised_mfen, small_world, stir

from cardarena.simulator.bank.catalogue import load_offers
from cardarena.simulator.behaviour.census import STATE_MEASURES
from cardarena.simulator.names import CHANNELS

pytestmark = pytest.mark.statistical
SMS = CHANNELS.index("sms")
CALM = {"parameters.complaint_service": 0.0, "parameters.stress_rate": 0.0}
NO_NEEDS = {"parameters.need_rate": 0.0}
SURE_SMS = {
    **ALL_OFF,
    **NO_CAPS,
    "compliance.mode": "audit",
    "channels.sms.p_fail": 0.0,
    "channels.sms.p_notice": 0.9,
    "channels.sms.p_click": 0.9,
    "channels.sms.p_complaint": 0.0,
    "channels.sms.delay_median_minutes": 0.0,
}


def _gap(world: Any, policy: Any, days: int) -> tuple[np.ndarray, np.ndarray]:
    """Return realised minus expected margin of each day, and the expected one, in CNY."""
    log = world.run(policy, days)
    table = log.table("state_daily")
    mine = table["measure"] == STATE_MEASURES.index("expected_value_mfen")
    expected = np.zeros(days)
    expected[table["day"][mine]] = table["count"][mine]
    return (realised_mfen(log, days) - expected) * 1e-5, expected * 1e-5


def _is_fair(gap: np.ndarray) -> bool:
    # Given the past a day's gap has mean zero, so the sum's standard error is the root of the sum of squares.
    return abs(gap.sum()) <= 4 * math.sqrt((gap**2).sum())


@pytest.mark.parametrize("start_date", ["2025-01-20", "2025-10-25"])
def test_transactions(start_date: str) -> None:
    # Around Spring Festival and 11.11 the contexts' multipliers differ: the mix must follow them as the count does.
    world = small_world(
        6000, overrides={**CALM, **NO_NEEDS, "parameters.ticket_sigma": 0.05, "start_date": start_date}
    )
    people, q = world.state.people, world.rules.parameter[0]
    people["transaction_rate"] = 1.5
    gap, expected = _gap(world, Silent(), 25)
    # The variance is known: compound Poisson with mean ticket by context. So each day can be judged alone.
    for day in range(25):
        weights = people["context_share"] * world.today(day)["spend_multiplier"][0]
        value = (
            q["ticket_median_cny"]
            * people["mean_ticket_scale"][:, None]
            * world.rules.money["spend_ppm"][0]
            * 1e-8
        )
        spread = math.sqrt((people["wallet"] * 1.5 * (weights * value**2).sum(axis=1)).sum())
        assert abs(gap[day]) < 4.5 * spread, day
    assert expected.sum() > 0


def test_purchases_without_contacts() -> None:
    world = small_world(20_000, overrides={**CALM, "parameters.purchase_rate": 0.3})
    world.rules.money["spend_ppm"] = 0
    gap, _ = _gap(world, Silent(), 25)
    assert _is_fair(gap)


def _on_the_day(offer: str, minute: int, **more: float) -> tuple[float, float]:
    """Return the gap of one day on which everybody needs everything and gets one message, and its standard error."""
    gaps = []
    for seed in range(8):
        world = small_world(
            6000, seed, overrides={**CALM, **NO_NEEDS, **SURE_SMS, "parameters.purchase_rate": 0.5, **more}
        )
        for field in ("spend_ppm", "fine_mfen"):
            world.rules.money[field] = 0
        people = world.state.people
        people["need"], people["need_left"], people["stress_left"] = 3, 20, 0
        stir(people)
        gap, expected = _gap(world, Uniform(load_offers().code(offer), SMS, 0, minute, decide_minute=0), 1)
        gaps.append(gap[0] / abs(expected[0]))
    return float(np.mean(gaps)), float(np.std(gaps, ddof=1) / math.sqrt(len(gaps)))


@pytest.mark.parametrize("offer", ["dining_half_price", "renovation_package"])
@pytest.mark.parametrize("minute", [480, 800, 1200])
def test_a_contact_that_changes_the_terms_of_the_day(offer: str, minute: int) -> None:
    # Sure things redeem the offer that reached them before they bought: the expectation must follow, and be no larger.
    mean, error = _on_the_day(offer, minute)
    assert abs(mean) < max(4.5 * error, 0.01)
    assert abs(mean) < 0.03


def test_a_purchase_at_once_is_not_expected_of_who_has_bought() -> None:
    # By 20:00 most have bought; given that somebody has not, the chance of a purchase at once is larger than p_after - p_before.
    mean, error = _on_the_day(
        "renovation_package", 1200, **{"parameters.contact_rate": 0.5, "parameters.purchase_rate": 1.5}
    )
    assert abs(mean) < max(4.5 * error, 0.01)
    assert abs(mean) < 0.03


def test_yesterdays_plans_do_not_count_today() -> None:
    # On the second day no need is on, so nothing is planned, and interest alone drives purchases at once.
    gaps = []
    for seed in range(6):
        world = small_world(
            4000,
            seed,
            overrides={
                **CALM,
                **NO_NEEDS,
                **SURE_SMS,
                "parameters.purchase_rate": 3.0,
                "parameters.interest_off": 1.0,
            },
        )
        for field in ("spend_ppm", "fine_mfen"):
            world.rules.money[field] = 0
        people = world.state.people
        people["need"], people["need_left"], people["stress_left"] = 3, 1, 0
        people["need_left"] = 2
        stir(people)
        contacts = Uniform(
            load_offers().code("renovation_package"), SMS, 0, 1200, decide_minute=0, on_days=[2]
        )
        gap, expected = _gap(world, contacts, 3)
        gaps.append(gap[2] / abs(expected[2]))
    assert abs(np.mean(gaps)) < max(4.5 * np.std(gaps, ddof=1) / math.sqrt(len(gaps)), 0.01)
    assert abs(np.mean(gaps)) < 0.05


def test_contacts_complaints_and_all_of_it() -> None:
    world = small_world(
        8000,
        overrides={
            **SURE_SMS,
            "compliance.mode": "audit",
            "channels.sms.p_complaint": 0.002,
            "parameters.complaint_service": 0.001,
        },
    )
    gap, _ = _gap(world, Scattered(1, 0.5), 20)
    assert _is_fair(gap)


def test_complaints_alone() -> None:
    world = small_world(6000, overrides={**SURE_SMS, **NO_NEEDS, "channels.sms.p_complaint": 0.01})
    for field in ("spend_ppm", "fine_mfen"):
        world.rules.money[field] = 0
    gap, expected = _gap(world, Uniform(1, SMS), 10)
    assert _is_fair(gap)
    assert expected.sum() < 0


def test_contact_costs_are_exact_where_nothing_is_left_to_luck() -> None:
    world = small_world(2000, overrides={**CALM, **NO_NEEDS, "channels.human_call.success_cost_cny": 0.0})
    world.rules.money["spend_ppm"] = 0
    world.rules.money["complaint_mfen"] = 0
    world.rules.parameter["contact_rate"] = 0.0
    world.rules.channels["success_cost_mfen"] = 0
    gap, expected = _gap(world, Scattered(1, 0.5), 6)
    assert expected.sum() < 0
    np.testing.assert_allclose(gap, 0.0, atol=1e-9)
