"""Are counts per person negative binomial, as marketing has found them since Ehrenberg, and do repeats follow from it?"""

from collections.abc import Callable
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from scipy import stats

from cardarena.benchmarks.validation.drawing import GREY, PUBLISHED, WORLD, draw_panels, legend
from cardarena.benchmarks.validation.findings import Finding, Picture, Table
from cardarena.benchmarks.validation.lab import Lab, over_seeds
from cardarena.benchmarks.validation.realism.nbd import CountFit, fit_counts, nbd
from cardarena.benchmarks.validation.realism.parts import (
    HALF_YEAR,
    QUARTER,
    Events,
    Ints,
    Part,
    purchases,
    transactions,
    years,
)
from cardarena.simulator.names import CATEGORIES, SPEND_CONTEXTS

_EHRENBERG: Final = "Ehrenberg 1959: counts of frequently bought goods are negative binomial"
_TREND: Final = "Goodhardt & Ehrenberg 1967: conditional trend analysis"
#: Published shape of yearly transactions per card: mean 64.86 and sd 23.47 give k = m^2 / (v - m) = 8.7.
_CHURNERS: Final = "packaged goods: k below 1 (Ehrenberg); BankChurners, 10,127 active cards: 8.7"
_MONTH: Final = 30
#: Counts of so few people are too few to fit.
_LEAST_EVENTS: Final = 30


def measure(lab: Lab) -> Part:
    """Fit counts of transactions and purchases, and hold the repeats of the next quarter against the fit."""
    spends, buys = [transactions(log) for log in years(lab)], [purchases(log) for log in years(lab)]
    fits = [fit_counts(events.within(0, QUARTER).counts()) for events in spends]
    bought = [fit_counts(events.within(0, HALF_YEAR).counts()) for events in buys]
    findings = (
        *_shape_findings("transactions", "transactions per person and quarter", fits),
        *_shape_findings("purchases", "purchases per person and half-year", bought),
        _k_finding(fits),
        _stability(spends),
        _trend("transactions", spends, QUARTER),
        _trend("purchases", buys, HALF_YEAR),
    )
    return Part(findings, (_picture(spends[0], buys[0]),), (_table(spends[0], buys[0]),))


def _shape_findings(name: str, quantity: str, fits: list[CountFit]) -> tuple[Finding, Finding]:
    distance, error = over_seeds([fit.distance for fit in fits])
    ratio, ratio_error = over_seeds([fit.poisson_distance / fit.distance for fit in fits])
    gain = float(np.mean([fit.gain for fit in fits]))
    poisson = float(np.mean([fit.poisson_distance for fit in fits]))
    return (
        Finding(
            f"realism.{name}.nbd",
            f"{quantity}: distance to the fitted negative binomial",
            distance,
            error,
            0.0,
            0.12,
            unit="total variation",
            source=_EHRENBERG,
            note=f"twenty cells of equal expected share; log-likelihood above Poisson {gain:.2f} a person",
        ),
        Finding(
            f"realism.{name}.over_poisson",
            f"{quantity}: distance to the Poisson over that to the negative binomial",
            ratio,
            ratio_error,
            2.0,
            unit="ratio",
            source=_EHRENBERG,
            note=f"people differ: the Poisson's distance is {poisson:.2f}",
        ),
    )


def _k_finding(fits: list[CountFit]) -> Finding:
    value, error = over_seeds([fit.k for fit in fits])
    return Finding(
        "realism.transactions.k",
        "shape k of the negative binomial of transactions per quarter",
        value,
        error,
        0.5,
        9.0,
        unit="shape",
        source=_CHURNERS,
        note="small: people differ much. A base holds second and third cards that are used little",
    )


def _stability(spends: list[Events]) -> Finding:
    month = [fit_counts(events.within(0, _MONTH).counts()).k for events in spends]
    half = [fit_counts(events.within(0, HALF_YEAR).counts()).k for events in spends]
    value, error = over_seeds(np.asarray(half) / np.asarray(month))
    return Finding(
        "realism.transactions.stable_k",
        "k of half-year counts over k of monthly counts",
        value,
        error,
        0.8,
        1.25,
        1.0,
        "ratio",
        source=_EHRENBERG + "; k does not depend on the length of the period",
        note="below 1 where people's rates drift apart, above 1 where they wander",
    )


def repeat_slope(first: Ints, second: Ints) -> float:
    """Return the slope of the second period's counts on the first's, over what the negative binomial says of it.

    For gamma rates E[X2 | X1 = x] = (m2 / m1) (k + x) m1 / (m1 + k): people with few events come up to the mean, people with
    many fall back to it.

    Args:
        first: shape (people,), counts of a period.
        second: shape (people,), counts of the next, equally long.
    """
    fit = fit_counts(first)
    slope = float(np.cov(first, second)[0, 1] / np.var(first, ddof=1))
    return slope / (fit.repeat_slope * float(np.mean(second)) / fit.mean)


def _trend(name: str, streams: list[Events], days: int) -> Finding:
    value, error = over_seeds(
        [
            repeat_slope(events.within(0, days).counts(), events.within(days, 2 * days).counts())
            for events in streams
        ]
    )
    return Finding(
        f"realism.{name}.repeat",
        f"{name}: slope of a person's next {days} days on the last, over the negative binomial's",
        value,
        error,
        0.8,
        1.15,
        1.0,
        "ratio",
        source=_TREND,
        note="1: differences between people last, and the rest is chance",
    )


def _picture(spends: Events, buys: Events) -> Picture:
    panels = [
        _panel("Card transactions, a quarter", spends.within(0, QUARTER).counts(), 160),
        _panel("Purchases, half a year", buys.within(0, HALF_YEAR).counts(), 8),
        _repeats("The next quarter, by this one", spends),
    ]
    return draw_panels(
        "realism_counts",
        "Counts per person are negative binomial, and repeats follow from it",
        "Left and middle: people by their count, with the two families fitted by maximum likelihood. Right: mean "
        "transactions of the next quarter by those of this one; the line is the fitted negative binomial's conditional "
        "expectation, with the seasons' difference in the mean. First seed.",
        panels,
    )


def _panel(title: str, counts: Ints, most: int) -> Callable[[Axes], None]:
    fit = fit_counts(counts)
    width = max(1, most // 32)
    edges = np.arange(0, most + width, width) - 0.5

    def plot(axes: Axes) -> None:
        share = np.histogram(counts, edges)[0] / counts.size
        at = edges[:-1] + width / 2
        axes.bar(at, share, width * 0.85, color=WORLD, alpha=0.6, label="simulated")
        for distribution, colour, label in (
            (nbd(fit.mean, fit.k), PUBLISHED, f"negative binomial, k = {fit.k:.2f}"),
            (stats.poisson(fit.mean), GREY, "Poisson"),
        ):
            axes.plot(at, np.diff(distribution.cdf(edges)), color=colour, linewidth=2.0, label=label)
        axes.set_ylim(0.0, 1.25 * float(share.max()))
        axes.set_title(title)
        axes.set_xlabel("count")
        axes.set_ylabel("share of people")
        legend(axes, loc="upper right")

    return plot


def _repeats(title: str, events: Events) -> Callable[[Axes], None]:
    first, second = events.within(0, QUARTER).counts(), events.within(QUARTER, 2 * QUARTER).counts()
    fit = fit_counts(first)

    def plot(axes: Axes) -> None:
        edges = np.unique(np.quantile(first, np.linspace(0, 1, 13)))
        cell = np.searchsorted(edges[1:-1], first, side="right")
        size = np.bincount(cell)
        x, y = np.bincount(cell, first) / size, np.bincount(cell, second) / size
        line = np.linspace(0.0, float(x.max()), 50)
        season = float(second.mean()) / fit.mean
        axes.plot(
            line,
            season * fit.repeat_slope * (fit.k + line),
            color=PUBLISHED,
            linewidth=2.0,
            label="negative binomial",
        )
        axes.plot(x, y, "o", color=WORLD, markersize=6, label="simulated")
        axes.set_title(title)
        axes.set_xlabel("transactions in this quarter")
        axes.set_ylabel("in the next")
        legend(axes, loc="upper left")

    return plot


def _table(spends: Events, buys: Events) -> Table:
    rows = []
    for what, events, names, days in (
        ("transactions", spends, SPEND_CONTEXTS, QUARTER),
        ("purchases", buys, CATEGORIES, HALF_YEAR),
    ):
        for kind, name in enumerate((*names, "all")):
            counts = events.within(0, days, None if name == "all" else kind).counts()
            if counts.sum() < _LEAST_EVENTS:
                continue
            fit = fit_counts(counts)
            rows.append(
                (
                    f"{what}, {name}",
                    days,
                    round(fit.mean, 3),
                    round(float((counts == 0).mean()), 3),
                    round(fit.k, 2) if fit.k < 100.0 else "Poisson",
                    round(fit.distance, 3),
                    round(fit.poisson_distance, 3),
                )
            )
    return Table(
        "Counts per person, by context and category",
        ("events", "days", "mean", "share without", "k", "distance to NBD", "to Poisson"),
        tuple(rows),
        "Distances are total variation in twenty cells. A context's counts have more people without than a gamma allows: "
        "who does not use the card in a context never spends there. First seed.",
    )
