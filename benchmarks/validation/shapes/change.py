"""A lasting change of volume: cutting costs engagement at first and pays back later, and effects grow over months."""

from functools import partial
from typing import Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from cardarena.benchmarks.validation.drawing import GREY, curve_with_band, draw, draw_panels
from cardarena.benchmarks.validation.expected import expect
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.shapes.campaign import SMS, Steady
from cardarena.benchmarks.validation.shapes.shape import Shape, finding, mean_curve
from cardarena.benchmarks.validation.shapes.worlds import KeptLog, branch, played, uncapped
from cardarena.simulator.names import RESPONSES, Kind
from cardarena.simulator.world import World

PEOPLE: Final = 5_000
#: Days between contacts before and after the cut, and how long the high volume had lasted.
HIGH_INTERVAL: Final = 2
LOW_INTERVAL: Final = 7
WARM_UP_DAYS: Final = 84
MONTH: Final = 28
MONTHS: Final = 12
_OFFER: Final = 0
_CLICKED: Final = RESPONSES.index("clicked")


class Twins(NamedTuple):
    """A year of two worlds of one seed.

    Attributes:
        high: log of the world in which volume stays high.
        low: log of its twin, in which it is cut.
        notice: mean expected notice of a text message in the one and the other at each month's end, shape (2, months);
            of those who can still be reached in both at the year's end.
    """

    high: KeptLog
    low: KeptLog
    notice: np.ndarray


def _twins(lab: Lab) -> list[Twins]:
    return [lab.once(("shapes.change", seed), partial(_lived, lab, seed)) for seed in lab.seeds]


def _lived(lab: Lab, seed: int) -> Twins:
    tired, _ = played(uncapped(lab, seed, PEOPLE), [(Steady(HIGH_INTERVAL), WARM_UP_DAYS)])
    arms = branch(tired), branch(tired)
    policies = Steady(HIGH_INTERVAL), Steady(LOW_INTERVAL)
    logs = [KeptLog(arm, (Kind.VISIT, Kind.RESPONSE)) for arm in arms]
    everybody = np.arange(tired.n)
    chances = np.zeros((2, MONTHS, tired.n))
    for month in range(MONTHS):
        for a, (arm, policy, log) in enumerate(zip(arms, policies, logs, strict=True)):
            arm.play(policy, MONTH, sink=log, reset=month == 0)
            chances[a, month] = expect(arm, everybody, _OFFER, SMS, window=0)["notice"]
    reached = [_reached(arm) for arm in arms]
    return Twins(logs[0], logs[1], chances[:, :, reached[0] & reached[1]].mean(axis=2))


def _reached(world: World) -> np.ndarray:
    """Return who may be sent a text message now, caps aside, shape (n,)."""
    accounts = world.state.accounts
    return (
        (accounts["permitted"][:, SMS] == 1)
        & (accounts["marketing_consent"] == 1)
        & (accounts["is_open"] == 1)
    )


def _engagement(log: KeptLog) -> np.ndarray:
    """Return app visits and clicks a head, by month."""
    visits = log.counts("visits", MONTH, lambda t: t["place"] == 0)
    clicks = log.counts("responses", MONTH, lambda t: t["action"] == _CLICKED)
    return (visits + clicks) / log.n


def cut(lab: Lab) -> Shape:
    """Cutting volume costs engagement at first and pays back later.

    Design: after three months of a contact every second day, one twin goes on and the other gets one a week, for a year.
    Estimator: app visits and clicks a head and month, the cut world less the other, over the other; and the same of
    expected margin. The sign must change: negative in the first month, positive in the last three.
    """
    gaps, values = [], []
    for high, low, _ in _twins(lab):
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

    Design: the twins of the cut. Estimator: at each month's end, the expected notice of one more text message, of those who
    can still be reached in both worlds after the year, so that who refuses plays no part; log ratio, cut over uncut, months
    ten to twelve less the first. What load alone does is there in the first month.
    """
    effect = np.array([np.log(twins.notice[1] / twins.notice[0]) for twins in _twins(lab)])
    month = np.arange(1, MONTHS + 1)
    grown = effect[:, -3:].mean(axis=1) - effect[:, 0]

    def plot(axes: Axes) -> None:
        mean, error = mean_curve(np.expm1(effect) * 100.0)
        curve_with_band(axes, month, mean, error)
        axes.set_xlabel("months since the change")
        axes.set_ylabel("gain in notice of a text message, %")
        axes.set_xticks(month)
        axes.set_ylim(bottom=0.0)

    return Shape(
        (
            finding(
                "effects_grow",
                "growth of the effect of a lasting cut on notice, from month one to months ten to twelve",
                grown,
                low=0.03,
                unit="log ratio",
                note="Expected notice of one more text message, of the same people in both worlds.",
            ),
        ),
        draw(
            "shape_growth",
            "The effect of a lasting change of volume grows over months",
            "Expected notice of one more text message after the cut, against the twin in which volume stays high.",
            plot,
        ),
    )
