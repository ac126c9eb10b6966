"""Targets of what cardholders spend, owe and do with the card in a year of the status quo: A6, E1-E13, F1-F3."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Final

import numpy as np

from cardarena.agents.registry import make_policy
from cardarena.benchmarks.validation import sampling
from cardarena.benchmarks.validation.credit import balance_fen
from cardarena.benchmarks.validation.lab import YEAR, Lab
from cardarena.benchmarks.validation.measures import Measured, measures
from cardarena.benchmarks.validation.observed import MONTHS, ObservedYear, observed_year
from cardarena.benchmarks.validation.sampling import Estimate, over_worlds
from cardarena.simulator.bank.economics import load_economics
from cardarena.simulator.calendar import Calendar, festivals
from cardarena.simulator.names import SPEND_BANDS, SPEND_CONTEXTS

PERCENT: Final = 100.0
SPEND_EDGES_CNY: Final = (5_000.0, 10_000.0, 20_000.0, 30_000.0, 50_000.0)
HALF_YEAR: Final = 182
DORMANT_DAYS: Final = 548
#: Arrears of so many days count as half-year overdue.
LONG_OVERDUE_DAYS: Final = 180
#: Months of the retail index that the evidence takes together; 1 is January.
SEASONS: Final = {
    "jan_feb": (1, 2),
    "mar": (3,),
    "apr_may": (4, 5),
    "jun": (6,),
    "jul_sep": (7, 8, 9),
    "oct": (10,),
}
_BASE_MONTHS: Final = 10
_YEAR_OF_FESTIVALS: Final = 2025
_PEAKS: Final = {
    "Spring Festival": ("before the Spring Festival", "Spring Festival"),
    "618": ("618", "618, the day"),
    "National Day": ("National Day",),
    "11.11": ("11.11", "11.11, the day"),
}


def _over(lab: Lab, mode: str, estimate: Callable[[ObservedYear], Estimate]) -> Estimate:
    """Return an estimate over the worlds of a mode, from their observed years."""
    return over_worlds([estimate(observed_year(lab, seed, mode)) for seed in lab.seeds])


def typical_month(year: ObservedYear) -> np.ndarray:
    """Return each one's mean month over all cards, CNY, shape (some,): what a respondent would name."""
    months = year.monthly_all_cny
    return months[np.isfinite(months)]


@measures("A6")
def spend_bands(lab: Lab) -> Iterator[Measured]:
    """Measure the bands of a usual month's spend over all cards, as a respondent would place it."""
    for band, name in enumerate(SPEND_BANDS):

        def of(year: ObservedYear, band: int = band) -> Estimate:
            return sampling.share(np.digitize(typical_month(year), SPEND_EDGES_CNY) == band, scale=PERCENT)

        yield Measured.of(name, _over(lab, "survey", of), "mean month of a simulated year, all cards")


@measures("E2")
def holder_spend(lab: Lab) -> Iterator[Measured]:
    """Measure median and mean over holders of a usual month's spend over all cards."""
    note = "mean month of a simulated year, all cards"
    yield Measured.of("median", _over(lab, "survey", lambda y: sampling.median(typical_month(y))), note)
    yield Measured.of("mean", _over(lab, "survey", lambda y: sampling.mean(typical_month(y))), note)


@measures("E1")
def active_card_spend(lab: Lab) -> Iterator[Measured]:
    """Measure spend on our card over active cards; active as E6 has it, used within the half-year."""

    def over_active(year: ObservedYear, parts: int) -> Estimate:
        halves = year.own_fen.reshape(year.n, parts, -1)
        spent = halves.sum(axis=2) * 0.01
        months = MONTHS / parts
        return sampling.ratio(spent.sum(axis=1), months * (spent > 0.0).sum(axis=1))

    monthly = _over(lab, "population", lambda year: over_active(year, MONTHS))
    note = f"active: used within the half-year, as in E6; used within the month gives {monthly.value:,.0f}"
    yield Measured.of("", _over(lab, "population", lambda year: over_active(year, 2)), note)


@measures("E3")
def tickets(lab: Lab) -> Iterator[Measured]:
    """Measure mean and spread of the tickets on our card, transactions and purchases."""

    def mean_ticket(year: ObservedYear) -> Estimate:
        return sampling.ratio(year.own_fen.sum(axis=1) * 0.01, year.tickets.sum(axis=1))

    def spread(year: ObservedYear) -> Estimate:
        counts = year.tickets.sum(axis=1)

        def sd(who: np.ndarray) -> float:
            total, (first, second) = counts[who].sum(), year.ticket_logs[who].sum(axis=0)
            return float(np.sqrt(second / total - (first / total) ** 2))

        return sampling.jackknife(year.n, sd)

    yield Measured.of(
        "mean_ticket", _over(lab, "population", mean_ticket), "transactions and purchases on our card"
    )
    yield Measured.of("sd_log_ticket", _over(lab, "population", spread), "over all tickets of a year")


@measures("E4")
def transactions(lab: Lab) -> Iterator[Measured]:
    """Measure transactions a month on our card, over the holders who made any in that month."""

    def per_active(year: ObservedYear) -> Estimate:
        return sampling.ratio(year.tickets.sum(axis=1), (year.tickets > 0).sum(axis=1))

    yield Measured.of("", _over(lab, "survey", per_active), "active: used within the month")


@measures("E6")
def inactive(lab: Lab) -> Iterator[Measured]:
    """Measure the open cards that were not used for half a year, at the end of the year."""

    def idle(year: ObservedYear) -> Estimate:
        idle_days = year.world.state.people["idle_days"][year.is_open]
        return sampling.share(idle_days >= HALF_YEAR, scale=PERCENT)

    yield Measured.of("", _over(lab, "population", idle), "open cards after a year of status_quo")


@measures("E7")
def dormant(lab: Lab) -> Iterator[Measured]:
    """Measure the open cards that were not used for 18 months, after 18 months of the world's own history."""

    def idle(year: ObservedYear) -> Estimate:
        world = year.world.fork()
        world.play(make_policy("status_quo"), DORMANT_DAYS - YEAR)
        people = world.state.people
        return sampling.share(people["idle_days"][people["alive"] == 1] >= DORMANT_DAYS, scale=PERCENT)

    yield Measured.of("", _over(lab, "population", idle), "open cards after 18 months of status_quo")


def _open_cards(year: ObservedYear) -> tuple[np.ndarray, np.ndarray]:
    """Return the records of accounts and people whose account is open at the end of the year."""
    return year.world.state.accounts[year.is_open], year.world.state.people[year.is_open]


@measures("E8")
def credit(lab: Lab) -> Iterator[Measured]:
    """Measure the mean limit of an open card, and what is owed over what is granted, at the end of the year."""

    def limit(year: ObservedYear) -> Estimate:
        return sampling.mean(year.world.state.accounts["limit_fen"][year.is_open] * 0.01)

    def used(year: ObservedYear) -> Estimate:
        accounts, people = _open_cards(year)
        return sampling.ratio(balance_fen(accounts, people), accounts["limit_fen"])

    yield Measured.of("limit", _over(lab, "population", limit), "open cards")
    note = "purchases not yet paid, the share that revolves, arrears and instalments, over limits; open cards"
    yield Measured.of("utilisation", _over(lab, "population", used), note)


@measures("E9")
def overdue(lab: Lab) -> Iterator[Measured]:
    """Measure the part of the balance that belongs to cards half a year in arrears, at the end of the year."""

    def long_overdue(year: ObservedYear) -> Estimate:
        accounts, people = _open_cards(year)
        owed = balance_fen(accounts, people)
        late = (accounts["overdue"] == 1) & (people["stress_days"] >= LONG_OVERDUE_DAYS)
        return sampling.ratio(np.where(late, owed, 0.0), owed, scale=PERCENT)

    note = f"in arrears and under credit stress for {LONG_OVERDUE_DAYS} days, not yet written off"
    yield Measured.of("", _over(lab, "population", long_overdue), note)


@measures("E10")
def attrition(lab: Lab) -> Iterator[Measured]:
    """Measure the accounts that closed within a year, by choice and in all."""
    for component, columns in (("total", [0, 1]), ("voluntary", [0])):

        def left(year: ObservedYear, columns: list[int] = columns) -> Estimate:
            closed = year.closed[year.was_open][:, columns]
            return sampling.share(closed.sum(axis=1) > 0, scale=PERCENT)

        note = "by choice or by default" if component == "total" else "by choice, woken ones included"
        yield Measured.of(component, _over(lab, "population", left), note)


@measures("E12")
def seasons(lab: Lab) -> Iterator[Measured]:
    """Measure each season's monthly total over the mean of January to October, of holders whose account is open.

    Totals of whole months, as the retail statistics have them, so that a short February counts as such; over open
    accounts, since nobody replaces in the world who left.
    """
    for name in SEASONS:

        def of(year: ObservedYear, name: str = name) -> Estimate:
            return sampling.jackknife(year.n, lambda who: season_index(year, who)[name])

        yield Measured.of(name, _over(lab, "survey", of), "month totals over all cards, over open accounts")


def season_index(year: ObservedYear, who: np.ndarray) -> dict[str, float]:
    """Return each season's mean month over the mean month of January to October.

    Args:
        year: a year.
        who: indices of the people counted.
    """
    return {
        name: float(np.mean([months[m - 1] for m in wanted]) / months[:_BASE_MONTHS].mean())
        for months in [month_totals(year, who)]
        for name, wanted in SEASONS.items()
    }


def month_totals(year: ObservedYear, who: np.ndarray) -> np.ndarray:
    """Return spend per open account by month of the calendar, fen, shape (12,)."""
    days = range(year.world.day - YEAR, year.world.day)
    lengths = np.bincount([year.world.calendar.date_of(day).month - 1 for day in days], minlength=MONTHS)
    daily = year.calendar_all_fen[who].sum(axis=0) / year.calendar_open_days[who].sum(axis=0)
    return np.asarray(daily * lengths)


def festival_peaks() -> dict[str, float]:
    """Return, for each festival, the highest multiplier of a day and a spending context over the year's mean."""
    calendar = Calendar(date(_YEAR_OF_FESTIVALS, 1, 1))
    spend = calendar.day_table(0, YEAR)["spend_multiplier"]
    usual = spend.mean(axis=0)
    peaks = dict.fromkeys(_PEAKS, 0.0)
    for festival, begin, end in festivals(_YEAR_OF_FESTIVALS):
        span = slice(calendar.day_of(begin), calendar.day_of(end) + 1)
        for name, parts in _PEAKS.items():
            if festival.name in parts:
                peaks[name] = max(peaks[name], float((spend[span] / usual).max()))
    return peaks


@measures("E13")
def festival_days(lab: Lab) -> Iterator[Measured]:
    """Measure the peak of the festival that lies farthest from the evidence's point, so that all others lie nearer."""
    del lab
    peaks = festival_peaks()
    farthest = max(peaks, key=lambda name: abs(np.log(peaks[name] / 2.0)))
    listed = ", ".join(f"{name} {peak:.2f}" for name, peak in peaks.items())
    yield Measured("", peaks[farthest], note=f"by the calendar, of {len(SPEND_CONTEXTS)} contexts; {listed}")


def _complaints(year: ObservedYear) -> tuple[np.ndarray, np.ndarray]:
    """Return expected complaints and months with an open account, both of shape (people,)."""
    return year.complaints_ppb.sum(axis=1) * 1e-9, year.open_days.sum(axis=1) * (MONTHS / YEAR)


@measures("F1")
def regulator_complaints(lab: Lab) -> Iterator[Measured]:
    """Measure the complaints that the regulator forwards: those to the bank times the share that goes on."""
    goes_on = load_economics().regulator_complaint_ppm * 1e-6

    def forwarded(year: ObservedYear) -> Estimate:
        return sampling.ratio(*_complaints(year), scale=goes_on)

    note = f"logged expectations of all kinds, of which one in {1 / goes_on:.0f} goes on to the regulator (assumed)"
    yield Measured.of("", _over(lab, "population", forwarded), note)


@measures("F2")
def bank_complaints(lab: Lab) -> Iterator[Measured]:
    """Measure the complaints to the bank, of all kinds."""
    estimate = _over(lab, "survey", lambda year: sampling.ratio(*_complaints(year)))
    yield Measured.of("", estimate, "logged expectations: marketing, service and collection")


@measures("F3")
def card_share(lab: Lab) -> Iterator[Measured]:
    """Measure nothing: the world has no other product to complain about."""
    del lab
    yield Measured("", float("nan"), note="not simulated")
