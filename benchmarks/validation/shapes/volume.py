"""Volume: complaints grow faster than contacts, and the best rate lies inside the range and differs by segment."""

from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from cardarena.agents.registry import make_policy
from cardarena.benchmarks.gathering import gathered
from cardarena.benchmarks.validation.drawing import (
    GREY,
    INK,
    WORLD,
    curve_with_band,
    draw,
    draw_panels,
    legend,
)
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.shapes.campaign import SMS, Campaign, Steady
from cardarena.benchmarks.validation.shapes.shape import Shape, finding, log_scales, mean_curve
from cardarena.benchmarks.validation.shapes.worlds import played, uncapped
from cardarena.simulator.contracts import Policy
from cardarena.simulator.world import World

PEOPLE: Final = 4_000
#: Days between two contacts of one person; nought is silence.
INTERVALS: Final = (0, 28, 14, 7, 4, 1)
RATES: Final = tuple(28.0 / k if k else 0.0 for k in INTERVALS)
TEXT_DAYS: Final = 112
_OFFER: Final = 0
CONTACT_DAYS: Final = 240
RUN_OUT_DAYS: Final = 125
#: Privacy segments by what they allow: the strict, the middle, the open.
GROUPS: Final = {"S1 and S2, strict": (0, 1), "S3 to S6": (2, 3, 4, 5)}
_COLOURS: Final = ("#a14d8b", "#2a9d8f")


class Sweep(NamedTuple):
    """What each contact rate brought a group of one world.

    Attributes:
        n: people of the group.
        gain_cny: expected margin a head over contact days and run-out, beyond that of the silent twin, shape (rates,).
        outbound_cny: the same of a push or text message a fortnight.
    """

    n: int
    gain_cny: np.ndarray
    outbound_cny: float


def _at(interval: int) -> Policy:
    return make_policy("cadence", interval) if interval else make_policy("silent")


def _sweep(world: World) -> Sweep:
    value = []
    for policy in (*map(_at, INTERVALS), Steady(14)):
        _, log = played(world, [(policy, CONTACT_DAYS), (make_policy("caretaker"), RUN_OUT_DAYS)])
        value.append(log.daily("expected_value_mfen").sum() * 1e-5 / world.n)
    gain = np.array(value) - value[0]
    return Sweep(world.n, gain[:-1], float(gain[-1]))


def sweeps(lab: Lab) -> list[tuple[Sweep, ...]]:
    """Return the sweep of each group of each seed: a year at six contact rates, silent and daily among them."""
    return [lab.once(("shapes.sweep", seed), partial(_swept, lab, seed)) for seed in lab.seeds]


def _swept(lab: Lab, seed: int) -> tuple[Sweep, ...]:
    world = uncapped(lab, seed, PEOPLE)
    segment = world.traits["segment"]
    rows = [np.flatnonzero(np.isin(segment, codes)) for codes in GROUPS.values()]
    return tuple(_sweep(gathered(world, chosen)) for chosen in rows)


def _whole(groups: tuple[Sweep, ...], field: str) -> np.ndarray:
    """Return a mean over all people of a seed from those of its groups, shape (rates,)."""
    n = np.array([group.n for group in groups])
    return np.array([getattr(group, field) for group in groups]).T @ n / n.sum()


def _texted(world: World) -> tuple[list[float], list[float]]:
    """Return text messages delivered a head, and expected marketing complaints a thousand heads, at each rate but silence."""
    delivered, complaints = [], []
    for interval in INTERVALS[1:]:
        sent = range(world.day, world.day + TEXT_DAYS, interval)
        _, log = played(world, [(Campaign(_OFFER, SMS, sent), TEXT_DAYS)])
        delivered.append(log.daily("delivered").sum() / world.n)
        complaints.append(log.daily("expected_complaint_marketing_ppb").sum() * 1e-6 / world.n)
    return delivered, complaints


def complaints(lab: Lab) -> Shape:
    """Complaints grow faster than contact volume.

    Design: twins get the same offer by text message every 28, 14, 7, 4 or 1 days for four months, without the bank's caps: one
    channel, so that the mix plays no part. Estimator: slope of log expected complaints on log delivered contacts, over the
    rates, by least squares.
    """
    seen = np.array([_texted(uncapped(lab, seed, PEOPLE)) for seed in lab.seeds])
    contacts, expected = seen[:, 0], seen[:, 1]
    slopes = [np.polyfit(np.log(x), np.log(y), 1)[0] for x, y in zip(contacts, expected, strict=True)]
    months = TEXT_DAYS / 28.0

    def plot(axes: Axes) -> None:
        x, y = contacts.mean(axis=0) / months, expected.mean(axis=0) / months
        axes.plot(x, y[0] * x / x[0], color=INK, linestyle="--", label="in proportion to contacts")
        curve_with_band(axes, x, y)
        log_scales(axes, x, y)
        axes.set_xlabel("text messages a head and four weeks")
        axes.set_ylabel("complaints, 1,000 heads, four weeks")
        legend(axes)

    return Shape(
        (
            finding(
                "complaint_elasticity",
                "elasticity of marketing complaints to delivered contacts",
                slopes,
                low=1.05,
                unit="elasticity",
                note="Logged expectations: ten thousand people file too few complaints to count.",
            ),
        ),
        draw(
            "shape_complaints",
            "Complaints grow faster than contact volume",
            "Both axes logarithmic; the dashed line is what the same complaint rate at every volume would give.",
            plot,
        ),
    )


def best_rate(lab: Lab) -> Shape:
    """The best contact rate is inside the range, not at an end, and differs by segment.

    Design: twins of two groups of privacy segments are under the cadence policy, a contact every 28, 14, 7, 4 or 1 days for eight
    months without the bank's caps; then the caretaker takes over for four.
    Estimator: expected margin of the year a head, less that of the silent twin. Inside: the best rate's margin over the
    better end's. By segment: the best rate of each group is the top of a parabola through its margins over the logarithm
    of the rate; how many doublings the others' lies above that of the strict.
    """
    by_seed = sweeps(lab)
    overall = np.array([_whole(groups, "gain_cny") for groups in by_seed])
    gain = np.array([[group.gain_cny for group in groups] for groups in by_seed])
    best = overall.mean(axis=0).argmax()
    inside = overall[:, best] - np.maximum(overall[:, 0], overall[:, -1])
    outbound = [_whole(groups, "outbound_cny") for groups in by_seed]
    tops = np.array([[top_rate(margins) for margins in groups] for groups in gain])

    def plot(axes: Axes) -> None:
        for label, colour, g in zip(GROUPS, _COLOURS, range(len(GROUPS)), strict=True):
            mean, error = mean_curve(gain[:, g])
            curve_with_band(axes, _place(RATES), mean, error, label=label, colour=colour)
            axes.axvline(np.log2(1.0 + 2.0 ** top_rate(mean)), color=colour, linewidth=1.2, linestyle="--")
        axes.axhline(0.0, color=GREY, linewidth=1.0)
        axes.set_xticks(_place(RATES), [f"{rate:g}" for rate in RATES])
        axes.set_xlabel("contacts a person and four weeks")
        axes.set_ylabel("margin over silence, CNY a head")
        legend(axes)

    def whole(axes: Axes) -> None:
        curve_with_band(axes, _place(RATES), *mean_curve(overall), colour=WORLD)
        axes.axhline(0.0, color=GREY, linewidth=1.0)
        axes.set_xticks(_place(RATES), [f"{rate:g}" for rate in RATES])
        axes.set_xlabel("contacts a person and four weeks")
        axes.set_ylabel("margin over silence, CNY a head")

    return Shape(
        (
            finding(
                "best_rate_inside",
                "yearly margin at the best contact rate less that at the better end of the range",
                inside,
                low=0.1,
                unit="CNY/head",
                note=f"Ends: silence and daily; best of all: {RATES[best]:g} a person and four weeks.",
            ),
            finding(
                "best_rate_by_segment",
                "doublings by which the best rate of segments S3 to S6 lies above that of the strict S1 and S2",
                tops[:, 1] - tops[:, 0],
                low=0.1,
                unit="log2 of the rate",
                note="Best rates: "
                + ", ".join(f"{2.0**top:.1f}" for top in tops.mean(axis=0))
                + " a person and four weeks.",
            ),
            replace(
                finding(
                    "outbound_value",
                    "yearly margin of a push or text message every fortnight, by relevance, over silence",
                    outbound,
                    unit="CNY/head",
                    note="Binds nothing: whether what is pushed pays is the economics' business, and worth knowing beside it.",
                ),
                hardness="context",
            ),
        ),
        draw_panels(
            "shape_best_rate",
            "The best contact rate lies inside the range, and is lower where privacy is guarded",
            "Expected margin of a year a head, less that of the silent twin. Left: everybody. Right: by privacy segment; the "
            "dashed lines mark each group's best rate.",
            [whole, plot],
        ),
    )


def _place(rates: tuple[float, ...]) -> np.ndarray:
    """Return where rates stand on an axis that has room for silence beside doublings."""
    return np.log2(1.0 + np.array(rates))


def top_rate(margins: np.ndarray) -> float:
    """Return log2 of the best rate: the top of a parabola through the margins over log2 of the rate, silence left out.

    Args:
        margins: shape (rates,); where the parabola has no top inside the range, the better end of the range.
    """
    x = np.log2(RATES[1:])
    curvature, slope, _ = np.polyfit(x, margins[1:], 2)
    if curvature >= 0.0:
        return float(x[0] if margins[1] > margins[-1] else x[-1])
    return float(np.clip(-0.5 * slope / curvature, x[0], x[-1]))
