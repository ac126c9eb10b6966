"""Foresight, in short: a policy greedy for the next conversion loses to one that thinks further."""

from typing import Final

import numpy as np
from matplotlib.axes import Axes

from cardarena.agents.registry import make_policy
from cardarena.benchmarks.gathering import gathered
from cardarena.benchmarks.report.canvas import colour_of
from cardarena.benchmarks.validation.drawing import GREY, INK, draw
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.shapes.shape import Shape, finding, mean_curve
from cardarena.benchmarks.validation.shapes.worlds import played

PEOPLE: Final = 4_000
DAYS: Final = 90
RUN_OUT_DAYS: Final = 180
#: The first is greedy for the next conversion; the others spare people, or price what a contact costs later.
POLICIES: Final = ("propensity", "capped_propensity", "greedy_priced")
NAMES: Final = ("next conversion", "the same, capped", "priced")


def greedy_loses(lab: Lab) -> Shape:
    """A policy that is greedy about the next conversion loses to one that looks further.

    Design: a quarter under each policy and half a year under the caretaker, twins of one world, all of the bank's rules in
    force. Estimator: expected incremental net value a head over the silent twin, discounted; the better of the policies that
    cap or price contacts, less the one that follows the propensity to convert.
    """
    values = []
    for seed in lab.seeds:
        whole = lab.world(seed)
        world = gathered(whole, np.arange(min(PEOPLE, whole.n)))
        fade = world.economics.discount_per_day ** np.arange(DAYS + RUN_OUT_DAYS)
        worth = []
        for name in ("silent", *POLICIES):
            _, log = played(world, [(make_policy(name), DAYS), (make_policy("caretaker"), RUN_OUT_DAYS)])
            worth.append(float((log.daily("expected_value_mfen") * fade).sum()) * 1e-5 / world.n)
        values.append(np.array(worth[1:]) - worth[0])
    values = np.array(values)

    def plot(axes: Axes) -> None:
        mean, error = mean_curve(values)
        axes.axhline(0.0, color=GREY, linewidth=1.0)
        axes.bar(NAMES, mean, width=0.55, color=[colour_of(name) for name in POLICIES], alpha=0.85)
        if error is not None:
            axes.errorbar(NAMES, mean, yerr=2.0 * error, fmt="none", ecolor=INK, elinewidth=1.2)
        axes.set_ylabel("net value over silence, CNY a head")

    best = 1 + values[:, 1:].mean(axis=0).argmax()
    return Shape(
        (
            finding(
                "greedy_loses",
                f"incremental net value of {POLICIES[best]} less that of {POLICIES[0]}",
                values[:, best] - values[:, 0],
                low=0.0,
                unit="CNY/head",
                note="A first look; the planning section climbs the whole ladder.",
            ),
        ),
        draw(
            "shape_greedy",
            "Who goes for the next conversion loses to who looks further",
            "Expected incremental net value of a quarter under each policy and half a year under the caretaker.",
            plot,
        ),
    )
