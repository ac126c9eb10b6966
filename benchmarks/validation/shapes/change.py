"""A lasting change of volume: cutting costs engagement at first and pays back later, and effects grow over months."""

from functools import lru_cache
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from cardarena.benchmarks.validation.drawing import GREY, curve_with_band, draw_panels
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.shapes.campaign import Steady
from cardarena.benchmarks.validation.shapes.shape import Shape, finding, mean_curve
from cardarena.benchmarks.validation.shapes.worlds import KeptLog, played, uncapped
from cardarena.simulator.names import RESPONSES, Kind

PEOPLE: Final = 5_000
#: Days between contacts before and after the cut, and how long the high volume had lasted.
HIGH_INTERVAL: Final = 2
LOW_INTERVAL: Final = 7
WARM_UP_DAYS: Final = 84
MONTH: Final = 28
MONTHS: Final = 12
_CLICKED: Final = RESPONSES.index("clicked")


@lru_cache(maxsize=2)
def _twins(lab: Lab) -> tuple[tuple[KeptLog, KeptLog], ...]:
    """Return per seed the logs of a year: the world in which volume stays high, and its twin in which it is cut."""
    out = []
    for seed in lab.seeds:
        tired, _ = played(uncapped(lab, seed, PEOPLE), [(Steady(HIGH_INTERVAL), WARM_UP_DAYS)])
        kinds = (Kind.VISIT, Kind.RESPONSE, Kind.CONTACT)
        _, high = played(tired, [(Steady(HIGH_INTERVAL), MONTH * MONTHS)], kinds)
        _, low = played(tired, [(Steady(LOW_INTERVAL), MONTH * MONTHS)], kinds)
        out.append((high, low))
    return tuple(out)


def _engagement(log: KeptLog) -> np.ndarray:
    """Return app visits and clicks a head, by month."""
    visits = log.counts("visits", MONTH, lambda t: t["place"] == 0)
    clicks = log.counts("responses", MONTH, lambda t: t["action"] == _CLICKED)
    return (visits + clicks) / log.n


def _notice(log: KeptLog) -> np.ndarray:
    """Return the mean logged probability of notice per delivered contact, by month."""
    chance = log.counts("contacts", MONTH, lambda t: t["status"] == 0, "p_notice_ppb")
    return chance * 1e-9 / log.counts("contacts", MONTH, lambda t: t["status"] == 0)


def cut(lab: Lab) -> Shape:
    """Cutting volume costs engagement at first and pays back later.

    Design: after three months of a contact every second day, one twin goes on and the other gets one a week, for a year.
    Estimator: app visits and clicks a head and month, the cut world less the other, over the other; and the same of
    expected margin. The sign must change: negative in the first month, positive in the last three.
    """
    gaps, values = [], []
    for high, low in _twins(lab):
        gaps.append((_engagement(low) - _engagement(high)) / _engagement(high) * 100.0)
        value = [log.daily("expected_value_mfen").reshape(MONTHS, MONTH).sum(axis=1) for log in (high, low)]
        values.append((value[1] - value[0]) * 1e-5 / high.n)
    gaps, values = np.array(gaps), np.array(values)
    month = np.arange(1, MONTHS + 1)

    def panel(curves: np.ndarray, label: str):
        def plot(axes: Axes) -> None:
            axes.axhline(0.0, color=GREY, linewidth=1.0)
            curve_with_band(axes, month, *mean_curve(curves))
            axes.set_xlabel("months since the cut")
            axes.set_ylabel(label)
            axes.set_xticks(month)

        return plot

    return Shape(
        (
            finding(
                "cut_costs_first",
                "engagement lost in the first month after volume is cut from every second day to weekly",
                -gaps[:, 0],
                low=0.1,
                unit="%",
                note="App visits and clicks, against the twin in which volume stays high.",
            ),
            finding(
                "cut_pays_later",
                "engagement gained in months ten to twelve after the cut",
                gaps[:, -3:].mean(axis=1),
                low=0.1,
                unit="%",
                note="The same twins.",
            ),
            finding(
                "cut_value_turns",
                "monthly margin gained in months ten to twelve, less that in the first three",
                values[:, -3:].mean(axis=1) - values[:, :3].mean(axis=1),
                low=0.1,
                unit="CNY/head",
            ),
        ),
        draw_panels(
            "shape_cut",
            "Cutting volume costs engagement at first and pays back later",
            "The world in which contacts fall from one every second day to one a week, less its twin in which they do not. "
            "Left: app visits and clicks. Right: expected margin, contact costs included.",
            [panel(gaps, "engagement, % of the twin's"), panel(values, "margin, CNY a head and month")],
        ),
    )


def growth(lab: Lab) -> Shape:
    """Effects of a lasting volume change grow over months.

    Design: the twins of the cut. Estimator: log ratio of the mean logged probability of notice per delivered contact, the cut
    world over the other, by month; months ten to twelve less the first. What load alone does is there in the first month.
    """
    effect = np.array([np.log(_notice(low) / _notice(high)) for high, low in _twins(lab)])
    month = np.arange(1, MONTHS + 1)
    grown = effect[:, -3:].mean(axis=1) - effect[:, 0]

    def plot(axes: Axes) -> None:
        mean, error = mean_curve(np.expm1(effect) * 100.0)
        curve_with_band(axes, month, mean, error)
        axes.set_xlabel("months since the change")
        axes.set_ylabel("gain in notice per contact, %")
        axes.set_xticks(month)
        axes.set_ylim(bottom=0.0)

    return Shape(
        (
            finding(
                "effects_grow",
                "growth of the effect of a lasting cut on notice per contact, month one to months ten to twelve",
                grown,
                low=0.02,
                unit="log ratio",
                note="Logged probabilities of notice of what was delivered in each world.",
            ),
        ),
        draw_panels(
            "shape_growth",
            "The effect of a lasting change of volume grows over months",
            "Notice per delivered contact after the cut, against the twin in which volume stays high.",
            [plot],
            size=(6.0, 3.6),
        ),
    )
