"""Does a model of repeat buying, fitted to half a year, foresee the next one: how much, whose, and who has gone silent?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from sklearn.metrics import roc_auc_score

from cardarena.benchmarks.validation.drawing import PUBLISHED, WORLD, draw_panels, legend
from cardarena.benchmarks.validation.findings import Finding, Picture, Table
from cardarena.benchmarks.validation.lab import Lab, over_seeds
from cardarena.benchmarks.validation.realism.bgnbd import BgNbd, History, fit_bgnbd, history_of
from cardarena.benchmarks.validation.realism.parts import (
    HALF_YEAR,
    Events,
    Floats,
    Part,
    purchases,
    transactions,
    years,
)

_BGNBD: Final = "Fader, Hardie & Lee 2005: BG/NBD, fitted to 39 weeks, holdout of 39 weeks"
_CELLS: Final = 10
_CALIBRATION_NOTE: Final = (
    "the model knows no seasons, and the second half-year holds other months than the first"
)


@dataclass(frozen=True)
class Holdout:
    """A fitted model beside what the same people did in the half-year after.

    Attributes:
        model: fitted to the first half-year; times in days.
        history: what each person did in it.
        expected: shape (people,), conditional expectation of the second half-year's count.
        actual: shape (people,), that count.
    """

    model: BgNbd
    history: History
    expected: Floats
    actual: Floats

    @property
    def silent_days(self) -> Floats:
        """Days from a person's last event to the end of the calibration, all of them without any, shape (people,)."""
        return self.history.t - self.history.t_x


def hold_out(events: Events, days: int = HALF_YEAR) -> Holdout:
    """Fit to the first `days` of the events and predict the `days` after."""
    history = history_of(events.n, events.who, events.time, days)
    model = fit_bgnbd(history)
    actual = events.within(days, 2 * days).counts().astype(np.float64)
    return Holdout(model, history, model.conditional_expectation(history, days), actual)


def measure(lab: Lab) -> Part:
    """Predict the second half-year of transactions, and of purchases, from the first."""
    logs = years(lab)
    spends = [hold_out(transactions(log)) for log in logs]
    buys = [hold_out(purchases(log)) for log in logs]
    findings = (
        *_foresight("transactions", spends),
        *_foresight("purchases", buys),
        *_monotone(spends),
        _aliveness(spends),
    )
    return Part(findings, (_picture(spends[0], buys[0]),), (_table(spends[0], buys[0]),))


def _foresight(name: str, runs: list[Holdout]) -> tuple[Finding, ...]:
    total, total_error = over_seeds([run.expected.sum() / run.actual.sum() for run in runs])
    slope, slope_error = over_seeds([calibration_slope(run.expected, run.actual) for run in runs])
    alike, alike_error = over_seeds([np.corrcoef(run.expected, run.actual)[0, 1] for run in runs])
    return (
        Finding(
            f"realism.holdout.{name}.total",
            f"{name} that BG/NBD predicts for the next half-year over those made",
            total,
            total_error,
            0.8,
            1.25,
            1.0,
            "ratio",
            source=_BGNBD,
            note=_CALIBRATION_NOTE,
        ),
        Finding(
            f"realism.holdout.{name}.slope",
            f"{name}: slope of a person's actual on predicted count, totals made equal",
            slope,
            slope_error,
            0.85,
            1.15,
            1.0,
            "ratio",
            source=_BGNBD,
            note="below 1: people return to the mean faster than the model says",
        ),
        Finding(
            f"realism.holdout.{name}.correlation",
            f"{name}: correlation of predicted and actual counts over people",
            alike,
            alike_error,
            hardness="context",
            source=_BGNBD,
            note="higher the more events a person has",
        ),
    )


def calibration_slope(expected: Floats, actual: Floats) -> float:
    """Return the slope of actual on expected counts, both divided by their mean; 1 where the model tells people apart well."""
    x, y = expected / expected.mean(), actual / actual.mean()
    return float(np.cov(x, y)[0, 1] / np.var(x, ddof=1))


def cells(by: Floats, values: Floats, n: int = _CELLS) -> tuple[Floats, Floats]:
    """Return the mean of `by` and of `values` in cells of about equal size, in the order of `by`; ties share a cell."""
    edges = np.unique(np.quantile(by, np.arange(1, n) / n))
    cell = np.searchsorted(edges, by, side="left")
    size = np.bincount(cell)
    kept = size > 0
    return np.bincount(cell, by)[kept] / size[kept], np.bincount(cell, values)[kept] / size[kept]


def _monotone(runs: list[Holdout]) -> tuple[Finding, Finding]:
    """Judge the steps from cell to cell of the actual counts, the smallest as a share of the mean."""
    frequency, recency = [], []
    for run in runs:
        mean = run.actual.mean()
        frequency.append(float(np.diff(cells(run.history.x, run.actual)[1]).min()) / mean)
        recency.append(float(-np.diff(cells(run.silent_days, run.actual, 5)[1]).max()) / mean)
    by_frequency, frequency_error = over_seeds(frequency)
    by_recency, recency_error = over_seeds(recency)
    return (
        Finding(
            "realism.holdout.frequency",
            "transactions of the next half-year rise with those of the last: smallest step between tenths of the people",
            by_frequency,
            frequency_error,
            0.0,
            unit="share of the mean",
            source=_BGNBD + ", Figure 5: conditional expectation by frequency",
        ),
        Finding(
            "realism.holdout.recency",
            "transactions of the next half-year fall with the days since the last: smallest step between fifths",
            by_recency,
            recency_error,
            0.0,
            unit="share of the mean",
            source=_BGNBD,
        ),
    )


def _aliveness(runs: list[Holdout]) -> Finding:
    value, error = over_seeds([roc_auc_score(run.actual > 0, run.model.p_alive(run.history)) for run in runs])
    gone = float(np.mean([np.mean(run.actual == 0) for run in runs]))
    return Finding(
        "realism.holdout.alive",
        "area under the curve of P(alive) for another transaction in the next half-year",
        value,
        error,
        0.55,
        0.98,
        unit="AUC",
        source=_BGNBD + "; band assumed: better than chance, not certain",
        note=f"{100 * gone:.1f} % make none; closures are drawn by lot, annoyance and idleness, so much is not foreseen",
    )


def _picture(spends: Holdout, buys: Holdout) -> Picture:
    return draw_panels(
        "realism_holdout",
        "Half a year of history foresees the next half-year, person by person",
        "BG/NBD fitted to the first half-year. Left and middle: people in tenths by the count that it predicts for the "
        "second; dots on the line are foreseen. Right: actual and predicted transactions by the days since the last one. "
        "First seed.",
        [
            _against("Transactions", spends),
            _against("Purchases", buys),
            _by_silence("By silence", spends),
        ],
    )


def _against(title: str, run: Holdout) -> Callable[[Axes], None]:
    def plot(axes: Axes) -> None:
        x, y = cells(run.expected, run.actual)
        edge = 1.05 * float(max(x.max(), y.max()))
        axes.plot([0.0, edge], [0.0, edge], color=PUBLISHED, linewidth=1.5, label="as predicted")
        axes.plot(x, y, "o", color=WORLD, markersize=6, label="simulated")
        axes.set_title(title)
        axes.set_xlabel("predicted for the next half-year")
        axes.set_ylabel("made in it")
        legend(axes, loc="upper left")

    return plot


def _by_silence(title: str, run: Holdout) -> Callable[[Axes], None]:
    def plot(axes: Axes) -> None:
        x, y = cells(run.silent_days, run.actual, 12)
        _, model = cells(run.silent_days, run.expected, 12)
        axes.plot(x, model, color=PUBLISHED, linewidth=2.0, label="predicted")
        axes.plot(x, y, "o", color=WORLD, markersize=6, label="simulated")
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
        axes.set_title(title)
        axes.set_xlabel("days since the last transaction")
        axes.set_ylabel("transactions in the next half-year")
        legend(axes, loc="upper right")

    return plot


def _table(spends: Holdout, buys: Holdout) -> Table:
    rows = tuple(
        (
            name,
            run.actual.size,
            *(round(value, 3) for value in (run.model.r, run.model.alpha, run.model.a, run.model.b)),
            round(run.model.a / (run.model.a + run.model.b), 4),
            round(float(run.model.p_alive(run.history).mean()), 3),
            round(float(run.actual.mean()), 2),
            round(float(run.expected.mean()), 2),
        )
        for name, run in (("transactions", spends), ("purchases", buys))
    )
    return Table(
        "BG/NBD fitted to half a year",
        (
            "events",
            "people",
            "r",
            "alpha, days",
            "a",
            "b",
            "mean drop-out",
            "mean P(alive)",
            "made",
            "predicted",
        ),
        rows,
        "Drop-out per event; made and predicted are counts a person of the half-year after. First seed.",
    )
