"""When people use the card, and for how much: gaps between transactions, the week, the year, tickets."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from scipy import stats

from cardarena.benchmarks.validation.drawing import BAND, GREY, PUBLISHED, WORLD, draw_panels, legend
from cardarena.benchmarks.validation.findings import Finding, Picture, Table
from cardarena.benchmarks.validation.lab import YEAR, Lab, over_seeds
from cardarena.benchmarks.validation.realism.parts import Events, Floats, Part, transactions
from cardarena.simulator.behaviour.census import STATE_MEASURES
from cardarena.simulator.calendar import RETAIL_INDEX
from cardarena.simulator.names import SPEND_CONTEXTS

#: Gaps of a person with fewer say little of their spread.
LEAST_GAPS: Final = 20
_NBS: Final = "NBS 2024 monthly retail sales, target E12"
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("J", "F", "M", "A", "M", "J", "J", "A", "S", "O", "N", "D")
_TICKETS: Final = "target E3: pooled sd of the log ticket 1.0-1.4, assumed with PBoC's means"
#: Days from which gaps are taken: seasons of a year would add to everybody's spread.
_GAP_DAYS: Final = 182


def measure(lab: Lab) -> Part:
    """Measure gaps, the week, the year and tickets on the lab's years."""
    streams = [transactions(lab.year(seed)) for seed in lab.seeds]
    weeks = [_week(lab, seed, events) for seed, events in zip(lab.seeds, streams, strict=True)]
    months = np.array([_months(lab, seed, events) for seed, events in zip(lab.seeds, streams, strict=True)])
    findings = (
        *_gap_findings(streams),
        _week_finding(weeks),
        _year_finding(months),
        *_ticket_findings(streams),
    )
    pictures = (
        _rhythm_picture(streams[0], np.mean([observed for observed, _ in weeks], axis=0), months),
        _ticket_picture(streams[0]),
    )
    return Part(findings, pictures, (_ticket_table(streams[0]),))


def gaps(events: Events) -> tuple[np.ndarray, Floats]:
    """Return the person and the length in days of each gap between two successive events of a person."""
    order = np.lexsort((events.time, events.who))
    who, time = events.who[order], events.time[order]
    same = who[1:] == who[:-1]
    return who[1:][same], np.diff(time)[same]


def variation(who: np.ndarray, gap: Floats) -> tuple[float, float]:
    """Return the coefficient of variation of all gaps pooled, and its median over people with enough gaps.

    An exponential gap has 1; a mixture of exponentials has more. NaN where nobody has enough gaps.
    """
    n = np.bincount(who)
    enough = n >= LEAST_GAPS
    if not enough.any():
        return float(gap.std() / gap.mean()), float("nan")
    mean = np.bincount(who, gap)[enough] / n[enough]
    square = np.bincount(who, gap**2)[enough] / n[enough]
    # n - 1 in the denominator of the variance.
    own = np.sqrt((square - mean**2) * n[enough] / (n[enough] - 1)) / mean
    return float(gap.std() / gap.mean()), float(np.median(own))


def _gap_findings(streams: list[Events]) -> tuple[Finding, Finding]:
    pairs = [variation(*gaps(events.within(0, _GAP_DAYS))) for events in streams]
    pooled, pooled_error = over_seeds([pair[0] for pair in pairs])
    own, own_error = over_seeds([pair[1] for pair in pairs])
    return (
        Finding(
            "realism.gaps.pooled",
            "coefficient of variation of the time between transactions, all people together",
            pooled,
            pooled_error,
            1.2,
            5.0,
            unit="ratio",
            source="gamma mixture of exponentials (negative binomial counts): above 1",
            note="who uses the card often and who seldom together make many short and some very long gaps",
        ),
        Finding(
            "realism.gaps.own",
            "the same for one person: median over people with twenty gaps and more",
            own,
            own_error,
            0.85,
            1.2,
            1.0,
            "ratio",
            source="Fader, Hardie & Lee 2005: a person's purchases are a Poisson process (exponential gaps: 1)",
            note="nights and seasons hardly show; a person with few gaps lies a little below 1",
        ),
    )


def _week(lab: Lab, seed: int, events: Events) -> tuple[Floats, Floats]:
    """Return transactions by context and weekday over the context's mean, as made and as the calendar has it.

    Returns:
        Two arrays of shape (contexts, 7).
    """
    days = lab.world(seed).calendar.day_table(0, YEAR)
    weekday = days["weekday"].astype(np.int64)
    made, planned = np.empty((len(SPEND_CONTEXTS), 7)), np.empty((len(SPEND_CONTEXTS), 7))
    n_days = np.bincount(weekday, minlength=7)
    for k in range(len(SPEND_CONTEXTS)):
        own = events.within(0, YEAR, k)
        per_day = np.bincount(own.time.astype(np.int64), minlength=YEAR)
        for row, daily in ((made, per_day), (planned, days["spend_multiplier"][:, k])):
            row[k] = np.bincount(weekday, daily, 7) / n_days
            row[k] /= max(row[k].mean(), 1e-12)
    return made, planned


def _week_finding(weeks: list[tuple[Floats, Floats]]) -> Finding:
    value, error = over_seeds([np.abs(made - planned).max() for made, planned in weeks])
    return Finding(
        "realism.week",
        "largest deviation of a context's weekday profile from the calendar's",
        value,
        error,
        0.0,
        0.08,
        unit="share of the mean day",
        source="the calendar's weekday profile, assumed: leisure at the weekend, business in the week",
        note="what the calendar sets arrives at the tills; the rest is chance, most in the rarest context",
    )


def _months(lab: Lab, seed: int, events: Events) -> Floats:
    """Return spend an open account by calendar month, over the mean of January to October, shape (12,).

    Totals of months, as the index has them: February is short.
    """
    world = lab.world(seed)
    month = np.array([(world.start_date + timedelta(days=day)).month - 1 for day in range(YEAR)])
    spend = np.bincount(events.time.astype(np.int64), events.amount_cny, YEAR) / _alive(lab, seed)
    total = np.bincount(month, spend, 12)
    return total / total[:10].mean()


def _alive(lab: Lab, seed: int) -> Floats:
    table = lab.year(seed).table("state_daily")
    own = table["measure"] == STATE_MEASURES.index("alive")
    return np.bincount(table["day"][own], table["count"][own], YEAR).astype(np.float64)


def _year_finding(months: Floats) -> Finding:
    index = np.asarray(RETAIL_INDEX)
    value, error = over_seeds(np.abs(months - index).max(axis=1))
    return Finding(
        "realism.year",
        "largest deviation of a month's spend per open account from the retail index",
        value,
        error,
        0.0,
        0.06,
        unit="share of the mean month",
        source=_NBS,
        note="per open account, so that closures over the year do not look like a season; E12 judges the totals",
    )


def _ticket_findings(streams: list[Events]) -> tuple[Finding, Finding]:
    logs = [np.log(np.maximum(events.amount_cny, 0.01)) for events in streams]
    spread, spread_error = over_seeds([log.std() for log in logs])
    skew, skew_error = over_seeds([stats.skew(log) for log in logs])
    return (
        Finding(
            "realism.tickets.spread",
            "pooled standard deviation of the log ticket",
            spread,
            spread_error,
            1.0,
            1.4,
            1.2,
            "log",
            mode="survey",
            source=_TICKETS,
            note="spread between contexts and people included; people buy often or dear, and both add to it",
        ),
        Finding(
            "realism.tickets.skew",
            "skewness of the log ticket",
            skew,
            skew_error,
            -0.4,
            0.4,
            0.0,
            "",
            mode="survey",
            source="log-normal tickets: 0; band assumed",
        ),
    )


def _rhythm_picture(events: Events, week: Floats, months: Floats) -> Picture:
    return draw_panels(
        "realism_rhythm",
        "Gaps are exponential for one person and far from it for all; week and year are where they should be",
        "Left: share of gaps longer than so many mean gaps, all people pooled and each person by the own mean. Middle: "
        "transactions by weekday. Right: spend per open account by month, each seed a thin line; the box is E12's "
        "tolerance about the retail index.",
        [_gap_panel(events), _week_panel(week), _year_panel(months)],
    )


def _gap_panel(events: Events) -> Callable[[Axes], None]:
    who, gap = gaps(events.within(0, _GAP_DAYS))
    n = np.bincount(who)
    mean = np.bincount(who, gap) / np.maximum(n, 1)
    regular = n[who] >= LEAST_GAPS
    scales = np.linspace(0.02, 8.0, 200)

    def longer(values: Floats) -> Floats:
        return 1.0 - np.searchsorted(np.sort(values), scales, side="right") / max(1, values.size)

    def plot(axes: Axes) -> None:
        axes.plot(scales, longer(gap / gap.mean()), color=GREY, linewidth=2.5, label="all people pooled")
        if regular.any():
            own = gap[regular] / mean[who[regular]]
            axes.plot(scales, longer(own), color=WORLD, linewidth=2.5, label="each by the own mean")
        axes.plot(
            scales, np.exp(-scales), color=PUBLISHED, linewidth=1.2, linestyle="--", label="exponential"
        )
        axes.set_yscale("log")
        axes.set_ylim(1e-3, 1.0)
        axes.minorticks_off()
        axes.set_yticks([0.001, 0.01, 0.1, 1.0], ["0.1 %", "1 %", "10 %", "100 %"])
        axes.set_title("Time between transactions")
        axes.set_xlabel("gap over the mean gap")
        axes.set_ylabel("share of longer gaps")
        legend(axes, loc="upper right")

    return plot


def _week_panel(week: Floats) -> Callable[[Axes], None]:
    def plot(axes: Axes) -> None:
        shades = (WORLD, "#2a9d8f", "#a14d8b", "#c58b1b", GREY)
        for k, name in enumerate(SPEND_CONTEXTS):
            axes.plot(week[k], color=shades[k], linewidth=2.0, marker="o", markersize=4, label=name)
        axes.set_xticks(range(7), _WEEKDAYS)
        axes.set_ylim(bottom=0.0)
        axes.set_title("The week")
        axes.set_ylabel("transactions over the mean day")
        legend(axes, loc="lower left", fontsize=9)

    return plot


def _year_panel(months: Floats) -> Callable[[Axes], None]:
    def plot(axes: Axes) -> None:
        at = np.arange(12)
        axes.grid(False, axis="x")
        axes.bar(
            at, 0.06, bottom=np.asarray(RETAIL_INDEX) - 0.03, width=0.8, color=BAND, label="E12's tolerance"
        )
        axes.hlines(RETAIL_INDEX, at - 0.4, at + 0.4, color=PUBLISHED, linewidth=2.0, label="retail index")
        axes.plot(at, months.T, color=WORLD, linewidth=0.8, alpha=0.5)
        axes.plot(
            at, months.mean(axis=0), color=WORLD, linewidth=2.0, marker="o", markersize=4, label="simulated"
        )
        axes.set_xticks(at, _MONTHS)
        axes.set_ylim(0.85, 1.25)
        axes.set_title("The year")
        axes.set_ylabel("spend over the mean of Jan-Oct")
        legend(axes, loc="upper left", fontsize=9)

    return plot


def _ticket_picture(events: Events) -> Picture:
    def density(axes: Axes) -> None:
        edges = np.linspace(0.0, 6.0, 61)
        middle = edges[:-1] + 0.05
        shades = (WORLD, "#2a9d8f", "#a14d8b", "#c58b1b", GREY)
        for k, name in enumerate(SPEND_CONTEXTS):
            log = np.log10(np.maximum(events.amount_cny[events.kind == k], 0.01))
            axes.plot(
                middle, np.histogram(log, edges)[0] / events.amount_cny.size, color=shades[k], label=name
            )
        axes.set_xticks(range(7), ["1", "10", "100", "1,000", "10,000", "100,000", "1 m"])
        axes.set_title("Tickets by context")
        axes.set_xlabel("CNY")
        axes.set_ylabel("share of all transactions")
        legend(axes, loc="upper right", fontsize=9)

    def normal(axes: Axes) -> None:
        log = np.log(np.maximum(events.amount_cny, 0.01))
        share = np.linspace(0.001, 0.999, 199)
        axes.plot([-4, 4], [-4, 4], color=PUBLISHED, linewidth=1.2, linestyle="--", label="log-normal")
        axes.plot(
            stats.norm.ppf(share),
            (np.quantile(log, share) - log.mean()) / log.std(),
            color=WORLD,
            linewidth=2.5,
            label="simulated",
        )
        axes.set_title("All tickets pooled, against a log-normal")
        axes.set_xlabel("quantile of a standard normal")
        axes.set_ylabel("of the log ticket, standardised")
        legend(axes, loc="upper left")

    return draw_panels(
        "realism_tickets",
        "Tickets are log-normal in every context, and nearly so all together",
        "Left: density on a logarithmic axis, each context by its share of the transactions. Right: quantiles of all log "
        "tickets against a normal's. First seed.",
        [density, normal],
        columns=2,
    )


def _ticket_table(events: Events) -> Table:
    rows = []
    for kind, name in enumerate((*SPEND_CONTEXTS, "all")):
        own = events.amount_cny if name == "all" else events.amount_cny[events.kind == kind]
        if own.size == 0:
            continue
        log = np.log(np.maximum(own, 0.01))
        rows.append(
            (
                name,
                round(own.size / events.amount_cny.size, 3),
                round(float(own.sum() / events.amount_cny.sum()), 3),
                round(float(np.median(own))),
                round(float(own.mean())),
                round(float(log.std()), 2),
                round(float(stats.skew(log)), 2),
            )
        )
    return Table(
        "Tickets by spending context",
        (
            "context",
            "share of transactions",
            "share of spend",
            "median, CNY",
            "mean, CNY",
            "sd of log",
            "skew of log",
        ),
        tuple(rows),
        "First seed, a year under status_quo.",
    )
