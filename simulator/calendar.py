"""The calendar: what day it is, counted from a scenario's start, and how strongly people spend and need on it.

Time is whole minutes since midnight of the start date; day 0 is the first decision day and days before it are negative.

A month's total spending follows the retail index of that month (target E12). Weekdays, pay day and festivals only
move spending between the days of the month. Need multipliers have a mean of 1 over each year.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardarena.simulator.errors import ScenarioError
from cardarena.simulator.names import CATEGORIES, N_CATEGORIES, N_CONTEXTS

#: Salaries are paid on this day of the month (assumed; the 10th and 15th are the common days).
PAY_DAY: Final = 15
FIRST_YEAR: Final = 2020
LAST_YEAR: Final = 2035

#: One day of the calendar.
DAY = np.dtype(
    [
        ("day", np.int32),  # days since the start date
        ("weekday", np.int8),  # 0 is Monday
        ("month", np.int8),  # 1-12
        ("day_of_month", np.int8),  # 1-31
        ("days_since_payday", np.int8),  # 0 on pay day
        ("is_festival", np.int8),
        ("spend_multiplier", np.float64, (N_CONTEXTS,)),  # by names.SPEND_CONTEXTS
        ("need_multiplier", np.float64, (N_CATEGORIES,)),  # by names.CATEGORIES
    ]
)

#: First day of the Chinese New Year. Source: the lunar calendar, as published in the yearly holiday notices.
LUNAR_NEW_YEAR: Final = {
    2020: date(2020, 1, 25),
    2021: date(2021, 2, 12),
    2022: date(2022, 2, 1),
    2023: date(2023, 1, 22),
    2024: date(2024, 2, 10),
    2025: date(2025, 1, 29),
    2026: date(2026, 2, 17),
    2027: date(2027, 2, 6),
    2028: date(2028, 1, 26),
    2029: date(2029, 2, 13),
    2030: date(2030, 2, 3),
    2031: date(2031, 1, 23),
    2032: date(2032, 2, 11),
    2033: date(2033, 1, 31),
    2034: date(2034, 2, 19),
    2035: date(2035, 2, 8),
}

#: Retail sales index by month; January to October have a mean of 1. NBS 2024, target E12 (November, December recalled).
RETAIL_INDEX: Final = (1.02, 1.02, 0.98, 0.94, 0.94, 1.02, 0.98, 0.98, 0.98, 1.14, 1.10, 1.14)

#: Spending by weekday, Monday first, by names.SPEND_CONTEXTS. Assumed: leisure on the weekend, business in the week.
WEEKDAY: Final = np.array(
    [
        (0.94, 0.92, 0.94, 0.95, 1.04, 1.12, 1.09),
        (0.92, 0.92, 0.93, 0.94, 1.04, 1.14, 1.11),
        (0.88, 0.88, 0.90, 0.92, 0.98, 1.24, 1.20),
        (0.98, 0.98, 0.98, 0.99, 1.02, 1.03, 1.02),
        (1.16, 1.18, 1.18, 1.16, 1.08, 0.64, 0.60),
    ]
)
#: Spending in the three days from pay day on. Assumed: a small release of postponed purchases.
PAY_DAY_SPEND: Final = 1.06


@dataclass(frozen=True)
class Festival:
    """A stretch of days that moves spending inside its month, and raises needs before it.

    Attributes:
        name: the festival.
        spend: multipliers by `names.SPEND_CONTEXTS` on its days.
        need: multipliers by category over `lead_days` before it and on its days; the others are 1.
        lead_days: how long before it people plan.
        is_holiday: whether the days count as festival days (`is_festival`); a shopping warm-up does not.
        source: where the numbers come from.
    """

    name: str
    spend: tuple[float, ...]
    need: dict[str, float]
    lead_days: int
    is_holiday: bool
    source: str


SPRING_RUSH: Final = Festival(
    "before the Spring Festival",
    (1.45, 1.40, 1.20, 1.10, 0.95),
    {"daily": 1.2, "personal_high_value": 1.3, "cross_border": 1.3, "instalment": 1.2},
    7,
    False,
    "UnionPay's single-day records fall in the week before the eve (2015); size assumed, target E13 1.2-5",
)
SPRING_FESTIVAL: Final = Festival(
    "Spring Festival",
    (1.20, 0.90, 0.50, 2.00, 0.25),
    {},
    0,
    True,
    "Spring Festival 2025 +15 % in amount over the year before (PBoC); split over the contexts assumed, target E13",
)
GOLDEN_WEEK: Final = Festival(
    "National Day",
    (1.30, 1.25, 0.90, 2.20, 0.35),
    {"cross_border": 1.6, "household_large": 1.1},
    21,
    True,
    "National Day 2021: shopping +31, dining +28, scenic tickets +24 % (People's Daily); level assumed, target E13",
)
MID_YEAR_SALE: Final = Festival(
    "618",
    (1.10, 1.50, 1.30, 1.00, 1.00),
    {"personal_high_value": 1.4, "household_large": 1.3, "instalment": 1.3},
    10,
    False,
    "618 in 2024: 742.8 bn CNY (Syntun), three quarters of an average online month; daily size assumed, target E13",
)
MID_YEAR_DAY: Final = Festival(
    "618, the day", (1.30, 2.60, 1.80, 1.00, 1.00), {}, 0, True, "assumed peak of 618, target E13 (1.2-5)"
)
SINGLES_SALE: Final = Festival(
    "11.11",
    (1.12, 1.50, 1.30, 1.05, 1.00),
    {"personal_high_value": 1.5, "household_large": 1.3, "instalment": 1.4},
    10,
    False,
    "11.11 in 2024: 1,441.8 bn CNY over the promotion (recalled, unconfirmed); daily size assumed, target E13",
)
SINGLES_DAY: Final = Festival(
    "11.11, the day", (1.40, 3.00, 2.00, 1.10, 1.00), {}, 0, True, "assumed peak of 11.11, target E13 (1.2-5)"
)

#: Needs by month where a category has a season beside its festivals (1 elsewhere). Assumed.
NEED_SEASON: Final = {
    "cross_border": {7: 1.4, 8: 1.4},  # summer holidays
    "household_large": {3: 1.15, 4: 1.15, 9: 1.1, 10: 1.1},  # renovation in the dry seasons
    "business": {2: 0.8, 3: 1.1, 11: 1.1},  # the year's first contracts; the year's end
    "wealth_advice": {1: 1.25, 2: 1.15, 12: 1.1},  # year-end bonus
    "instalment": {1: 1.1},
}
#: Wealth needs in the week from pay day on. Assumed: money looks for a place when it arrives.
PAY_DAY_WEALTH_NEED: Final = 1.3


def festivals(year: int) -> list[tuple[Festival, date, date]]:
    """Return the festivals of a year with first and last day; on a shared day the later entry rules."""
    new_year = LUNAR_NEW_YEAR[year]
    eve = new_year - timedelta(days=1)
    return [
        (SPRING_RUSH, eve - timedelta(days=7), eve - timedelta(days=1)),
        (SPRING_FESTIVAL, eve, eve + timedelta(days=7)),
        (MID_YEAR_SALE, date(year, 6, 1), date(year, 6, 18)),
        (MID_YEAR_DAY, date(year, 6, 18), date(year, 6, 18)),
        (GOLDEN_WEEK, date(year, 10, 1), date(year, 10, 7)),
        (SINGLES_SALE, date(year, 11, 1), date(year, 11, 11)),
        (SINGLES_DAY, date(year, 11, 11), date(year, 11, 11)),
    ]


def days_since_payday(today: date) -> int:
    """Return the days since the last pay day, 0 on it."""
    if today.day >= PAY_DAY:
        return today.day - PAY_DAY
    last_month = today.replace(day=1) - timedelta(days=1)
    return (today - last_month.replace(day=PAY_DAY)).days


@lru_cache(maxsize=32)
def _year(year: int) -> NDArray[np.void]:
    """Return the days of a year, shape (365 or 366,), dtype DAY; `day` counts from 1 January. Read-only."""
    first = date(year, 1, 1)
    n_days = (date(year + 1, 1, 1) - first).days
    days = np.zeros(n_days, dtype=DAY)
    for d in range(n_days):
        today = first + timedelta(days=d)
        row = days[d]
        row["day"], row["weekday"] = d, today.weekday()
        row["month"], row["day_of_month"] = today.month, today.day
        row["days_since_payday"] = days_since_payday(today)
    _spread_spending(days, first, year)
    _spread_needs(days, first, year)
    days.flags.writeable = False
    return days


def _spread_spending(days: np.ndarray, first: date, year: int) -> None:
    """Fill `spend_multiplier` and `is_festival`, then bring each month's total to its retail index."""
    spend = days["spend_multiplier"]
    spend[:] = WEEKDAY.T[days["weekday"]]
    spend[days["days_since_payday"] < 3] *= PAY_DAY_SPEND
    factor = np.ones_like(spend)
    for festival, begin, end in festivals(year):
        span = slice((begin - first).days, (end - first).days + 1)
        factor[span] = festival.spend
        days["is_festival"][span] = festival.is_holiday
    spend *= factor
    for month, index in enumerate(RETAIL_INDEX, start=1):
        here = days["month"] == month
        # The index compares months' totals, and months differ in length.
        spend[here] *= index * len(days) / 12.0 / spend[here].sum(axis=0)


def _spread_needs(days: np.ndarray, first: date, year: int) -> None:
    """Fill `need_multiplier`: seasons and festivals' lead times, with a mean of 1 over the year."""
    need = days["need_multiplier"]
    need[:] = 1.0
    for category, season in NEED_SEASON.items():
        for month, level in season.items():
            need[days["month"] == month, CATEGORIES.index(category)] = level
    need[days["days_since_payday"] < 7, CATEGORIES.index("wealth_advice")] *= PAY_DAY_WEALTH_NEED
    for festival, begin, end in festivals(year):
        # A festival early in January is planned in a year that has its own mean; the few days over the edge are cut.
        span = slice(max((begin - first).days - festival.lead_days, 0), (end - first).days + 1)
        for category, level in festival.need.items():
            need[span, CATEGORIES.index(category)] *= level
    need /= need.mean(axis=0)


class Calendar:
    """The days around a start date.

    Attributes:
        start_date: the date of day 0.

    Example:
        >>> calendar = Calendar(date(2025, 3, 3))
        >>> int(calendar.day_table(0, 1)["weekday"][0])
        0
        >>> calendar.date_of(-1).isoformat()
        '2025-03-02'
    """

    def __init__(self, start_date: date) -> None:
        self.start_date = start_date

    def date_of(self, day: int) -> date:
        """Return the date of a day; negative days lie before the start."""
        return self.start_date + timedelta(days=day)

    def day_of(self, when: date) -> int:
        """Return the day number of a date."""
        return (when - self.start_date).days

    def is_working_day(self, day: int) -> bool:
        """Return whether banks work on a day: not on weekends, nor in the weeks of Spring Festival and National Day.

        Shorter public holidays are not in this calendar, nor the weekends on which long ones are made up for.
        """
        today = self.date_of(day)
        return today.weekday() < 5 and not any(
            first <= today <= last
            for festival, first, last in festivals(today.year)
            if festival in (SPRING_FESTIVAL, GOLDEN_WEEK)
        )

    def day_table(self, first_day: int, n_days: int) -> np.ndarray:
        """Return `n_days` days from `first_day` on, shape (n_days,), dtype DAY.

        Raises:
            ScenarioError: a day outside the years whose festivals are known.
        """
        table = np.zeros(n_days, dtype=DAY)
        position = 0
        while position < n_days:
            today = self.date_of(first_day + position)
            if not FIRST_YEAR <= today.year <= LAST_YEAR:
                raise ScenarioError(
                    f"calendar: expected a day from {FIRST_YEAR} to {LAST_YEAR}, found {today}"
                )
            rest = _year(today.year)[today.timetuple().tm_yday - 1 :][: n_days - position]
            table[position : position + len(rest)] = rest
            position += len(rest)
        table["day"] = np.arange(first_day, first_day + n_days)
        return table
