"""What is owed, spent by season, and festival peaks: by closed forms, and by orders that must hold in any world."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from tests.fakes.small_worlds import small_world

from cardarena.benchmarks.validation import population_targets, spending_targets
from cardarena.benchmarks.validation.credit import balance_fen, owed_days
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.observed import ObservedYear, watch
from cardarena.simulator.bank.economics import load_economics
from cardarena.simulator.bank.records import ACCOUNT
from cardarena.simulator.behaviour.person import new_people


@pytest.fixture(scope="module")
def year() -> ObservedYear:
    return watch(small_world(256), 365)


class _Lab(Lab):
    """A laboratory whose only year is at hand."""

    def __init__(self, year: ObservedYear) -> None:
        super().__init__(n_cardholders=256, seeds=(7,))
        self._year = year

    def once(self, key: tuple[Any, ...], make: Any) -> Any:
        return self._year


def test_a_purchase_is_owed_until_its_statement_is_due() -> None:
    revolving = load_economics().revolving_share_ppm * 1e-6
    # A transactor's 35 days, and a month more for the share that revolves, and so on.
    assert owed_days() == pytest.approx(35.0 + 30.0 * sum(revolving**k for k in range(1, 60)))
    accounts = np.zeros(1, dtype=ACCOUNT)
    accounts["spend_28d_fen"], accounts["instalment_balance_fen"] = 2800.0, 50.0
    people = new_people(1)
    assert balance_fen(accounts, people)[0] == pytest.approx(100.0 * owed_days() + 50.0)


def test_arrears_pile_up_to_the_limit() -> None:
    accounts, people = np.zeros(3, dtype=ACCOUNT), new_people(3)
    accounts["spend_28d_fen"], accounts["limit_fen"] = 2800.0, (1_000_000, 6_000, 100)
    people["stress_days"] = 200
    usual = 100.0 * owed_days()
    assert balance_fen(accounts, people) == pytest.approx([usual] * 3)  # stressed, and still paying
    accounts["overdue"] = 1
    assert balance_fen(accounts, people) == pytest.approx([usual + 20_000.0, 6_000.0, usual])


def test_even_spending_gives_each_month_its_days(year: ObservedYear) -> None:
    even = replace(year, calendar_all_fen=1000 * year.calendar_open_days)
    first = year.world.calendar.date_of(year.world.day - 365)
    february = date(first.year + 1, 3, 1) - date(first.year + 1, 2, 1)
    totals = spending_targets.month_totals(even, np.arange(256))
    assert totals[1] == 1000 * february.days
    assert totals.sum() == pytest.approx(365_000)
    index = spending_targets.season_index(even, np.arange(256))
    assert index["jan_feb"] == pytest.approx((31 + february.days) / 2 / (304 / 10))
    assert index["oct"] == pytest.approx(31 / 30.4)


def test_who_left_does_not_lower_the_season(year: ObservedYear) -> None:
    half = replace(
        year, calendar_all_fen=year.calendar_all_fen // 2, calendar_open_days=year.calendar_open_days / 2
    )
    everybody = np.arange(256)
    assert spending_targets.season_index(half, everybody) == pytest.approx(
        spending_targets.season_index(year, everybody), rel=1e-6
    )


def test_every_festival_peaks_above_its_year() -> None:
    peaks = spending_targets.festival_peaks()
    assert set(peaks) == {"Spring Festival", "618", "National Day", "11.11"}
    assert all(peak > 1.2 for peak in peaks.values())


def test_bands_of_a_usual_month_are_those_of_the_people(year: ObservedYear) -> None:
    found = {one.component: one.value for one in spending_targets.spend_bands(_Lab(year))}
    months = year.monthly_all_cny[np.isfinite(year.monthly_all_cny)]
    assert sum(found.values()) == pytest.approx(100.0)
    assert found["lt_5000"] == pytest.approx(100.0 * (months < 5000).mean())
    assert found["ge_50000"] == pytest.approx(100.0 * (months >= 50000).mean())


def test_a_card_active_in_a_month_is_active_in_its_half_year(year: ObservedYear) -> None:
    (one,) = spending_targets.active_card_spend(_Lab(year))
    own = year.own_fen * 0.01
    halves = (own[:, :6].sum(axis=1) > 0).sum() + (own[:, 6:].sum(axis=1) > 0).sum()
    assert one.value == pytest.approx(own.sum() / 6 / halves)
    (count,) = spending_targets.transactions(_Lab(year))
    assert count.value == pytest.approx(year.tickets.sum() / (year.tickets > 0).sum())


def test_attrition_counts_choice_and_default(year: ObservedYear) -> None:
    closed = np.zeros((256, 2), dtype=bool)
    closed[:8, 0] = closed[8:12, 1] = True
    some = replace(year, closed=closed, was_open=np.arange(256) < 200)
    total, voluntary = spending_targets.attrition(_Lab(some))
    assert (total.value, voluntary.value) == (pytest.approx(6.0), pytest.approx(4.0))


def test_complaints_to_the_regulator_are_a_share_of_those_to_the_bank(year: ObservedYear) -> None:
    (bank,) = spending_targets.bank_complaints(_Lab(year))
    (regulator,) = spending_targets.regulator_complaints(_Lab(year))
    assert regulator.value == pytest.approx(bank.value * load_economics().regulator_complaint_ppm * 1e-6)
    assert bank.value == pytest.approx(year.complaints_ppb.sum() * 1e-9 / (year.open_days.sum() * 12 / 365))


def test_long_overdue_needs_arrears_and_time(year: ObservedYear) -> None:
    world = year.world.fork()
    people, accounts = world.state.people, world.state.accounts
    accounts["overdue"] = people["stress_days"] = 0
    some = replace(year, world=world)
    assert next(iter(spending_targets.overdue(_Lab(some)))).value == 0.0
    accounts["overdue"] = 1
    assert next(iter(spending_targets.overdue(_Lab(some)))).value == 0.0
    people["stress_days"] = 180
    assert next(iter(spending_targets.overdue(_Lab(some)))).value == pytest.approx(100.0)


def test_the_smallest_lead_is_that_over_the_nearest() -> None:
    segment = np.repeat(np.arange(6), 2)
    means = np.array([5.0, 1.0, 4.0, 3.0, 2.0, 6.0])
    values = np.repeat(means, 2)
    low = population_targets._lead("x", values, segment, "S2", -1.0, "")
    assert (low.value, low.note) == (pytest.approx(1.0 / 3.5), "; nearest is S5")
    assert population_targets._lead("x", values, segment, "S6", 1.0, "").value == pytest.approx(1.0 / 3.5)
    assert population_targets._lead("x", values, segment, "S3", 1.0, "").value < 0.0
