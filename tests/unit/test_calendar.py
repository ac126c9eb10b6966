"""The calendar keeps each month's total, and knows weekdays, pay days and festivals."""

from datetime import date, timedelta

import numpy as np
import pytest

from cardarena.simulator.calendar import (
    DAY,
    LUNAR_NEW_YEAR,
    RETAIL_INDEX,
    Calendar,
    days_since_payday,
    festivals,
)
from cardarena.simulator.errors import ScenarioError
from cardarena.simulator.names import CATEGORIES, SPEND_CONTEXTS


@pytest.mark.parametrize("year", [2024, 2025, 2030])
def test_monthly_totals_are_the_retail_index(year: int) -> None:
    days = Calendar(date(year, 1, 1)).day_table(0, 366 if year == 2024 else 365)
    for month in range(1, 13):
        total = days["spend_multiplier"][days["month"] == month].sum(axis=0) / (len(days) / 12.0)
        assert total == pytest.approx(np.full(len(SPEND_CONTEXTS), RETAIL_INDEX[month - 1]), rel=1e-12)
    assert days["need_multiplier"].mean(axis=0) == pytest.approx(np.ones(len(CATEGORIES)), rel=1e-12)
    assert np.all(days["spend_multiplier"] > 0.1)
    # Target E13: the strongest festival day is some 1.2-5 times an ordinary day.
    assert 1.2 < days["spend_multiplier"].max() < 5


def test_index_is_target_e12() -> None:
    assert RETAIL_INDEX == (1.02, 1.02, 0.98, 0.94, 0.94, 1.02, 0.98, 0.98, 0.98, 1.14, 1.10, 1.14)


def test_festival_days_stand_out_in_the_right_context() -> None:
    calendar = Calendar(date(2025, 1, 1))
    days = calendar.day_table(0, 365)
    high, abroad, business = (
        SPEND_CONTEXTS.index(k) for k in ("personal_high_value", "cross_border", "business")
    )
    singles = calendar.day_of(date(2025, 11, 11))
    assert days["spend_multiplier"][:, high].argmax() == singles
    golden = calendar.day_of(date(2025, 10, 3))
    assert days["spend_multiplier"][golden, abroad] > 1.5 * days["spend_multiplier"][golden + 10, abroad]
    assert days["spend_multiplier"][golden, business] < 0.6 * days["spend_multiplier"][golden + 11, business]
    eve = calendar.day_of(LUNAR_NEW_YEAR[2025]) - 1
    assert days["is_festival"][[eve, singles, golden, calendar.day_of(date(2025, 6, 18))]].tolist() == [
        1,
        1,
        1,
        1,
    ]
    assert days["is_festival"].sum() == 8 + 7 + 2
    # Trips are planned before the holiday, so the need leads the spending.
    travel = CATEGORIES.index("cross_border")
    assert days["need_multiplier"][golden - 14, travel] > days["need_multiplier"][golden + 14, travel]


def test_lunar_new_year_is_a_new_moon_from_21_january_to_20_february() -> None:
    synodic, known = 29.530588853, date(2000, 1, 6)  # the new moon of 6 January 2000, 18:14 UT
    for year, day in LUNAR_NEW_YEAR.items():
        assert date(year, 1, 21) <= day <= date(year, 2, 20)
        phase = ((day - known).days - 0.43) % synodic  # 02:14 on the 7th in China, at the day's middle
        assert min(phase, synodic - phase) < 1.3


def test_days_may_be_negative_and_cross_years() -> None:
    calendar = Calendar(date(2025, 1, 10))
    whole = calendar.day_table(-200, 400)
    assert whole.dtype == DAY
    assert whole["day"].tolist() == list(range(-200, 200))
    for k in (0, 189, 190, 199, 399):
        today = calendar.date_of(k - 200)
        assert (whole["weekday"][k], whole["month"][k], whole["day_of_month"][k]) == (
            today.weekday(),
            today.month,
            today.day,
        )
    assert np.array_equal(calendar.day_table(-3, 6), whole[197:203])
    assert len(calendar.day_table(0, 0)) == 0
    shifted = Calendar(calendar.date_of(-200)).day_table(0, 400)
    assert np.array_equal(shifted["spend_multiplier"], whole["spend_multiplier"])


def test_days_since_payday() -> None:
    assert [days_since_payday(date(2025, 3, d)) for d in (14, 15, 16)] == [27, 0, 1]
    assert days_since_payday(date(2025, 1, 1)) == 17
    table = Calendar(date(2025, 3, 1)).day_table(0, 31)
    assert table["days_since_payday"].tolist() == [days_since_payday(date(2025, 3, d + 1)) for d in range(31)]


def test_festivals_lie_inside_their_year_with_their_lead() -> None:
    for year in LUNAR_NEW_YEAR:
        for festival, begin, end in festivals(year):
            assert begin <= end
            assert (begin - timedelta(days=festival.lead_days)).year == end.year == year
            assert festival.source


def test_unknown_years_are_refused() -> None:
    with pytest.raises(ScenarioError, match="from 2020 to 2035, found 2036-01-01"):
        Calendar(date(2035, 12, 31)).day_table(0, 2)
