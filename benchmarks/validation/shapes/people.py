"""People differ: personalisation helps some and backfires with others, and all four types of uplift exist."""

from typing import Final

import numpy as np
from matplotlib.axes import Axes

from cardarena.benchmarks.validation.drawing import GREY, curve_with_band, draw, legend
from cardarena.benchmarks.validation.expected import expect
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.shapes.campaign import SMS, Campaign
from cardarena.benchmarks.validation.shapes.shape import Shape, finding, mean_curve
from cardarena.benchmarks.validation.shapes.worlds import played, uncapped
from cardarena.simulator.names import RULES
from cardarena.simulator.world import World

PEOPLE: Final = 4_000
#: Individual depth, on the scale of privacy limits.
DEPTH: Final = 2
DEPTH_LIMIT: Final = 1.0
_OFFER: Final = 0
ROOM: Final = np.linspace(-0.9, 0.1, 6)
REPEATS: Final = 8
WEEK: Final = 7


def _privacy_limit(world: World) -> np.ndarray:
    """Return how deep a contact may be for each before it offends, trust and consent included, shape (n,)."""
    people, q = world.state.people, world.rules.parameter[0]
    consent = world.state.accounts["sensitive_consent"] == 1
    return (
        people["privacy_limit"]
        + q["privacy_trust"] * (people["trust"] - 0.5)
        + q["privacy_consent"] * consent
    )


def personalisation(lab: Lab) -> Shape:
    """Personalisation helps those who want it and consented, and backfires beyond consent or a person's privacy tolerance.

    Design: the rules about personalisation are lifted, and everybody gets the same offer by text message once a week for
    eight weeks, in one twin generic, in the other in individual depth. Groups by truth: who wants it (need above the median),
    consented to the use of sensitive data, and has a limit near the depth; and who did not consent and whose limit lies far
    below. Estimator: expected click once noticed, individual over generic, at the first contact; and trust after eight weeks.
    """
    curves, wanted, refused, trust = [], [], [], []
    for seed in lab.seeds:
        world = uncapped(lab, seed, PEOPLE)
        for rule in ("personalisation_off", "sensitive_consent"):
            world.rules.compliance["is_on"][0, RULES.index(rule)] = 0
        everybody = np.arange(world.n)
        plain, deep = (
            expect(world, everybody, _OFFER, SMS, depth, window=0)["click"] for depth in (0, DEPTH)
        )
        people, accounts = world.state.people, world.state.accounts
        room = _privacy_limit(world) - DEPTH_LIMIT
        consented = (accounts["sensitive_consent"] == 1) & (accounts["personalisation_on"] == 1)
        wants = people["personalisation_need"] > np.median(people["personalisation_need"])
        keen = wants & consented & (room >= -0.2)
        private = ~consented & (room < -0.4)
        wanted.append(deep[keen].sum() / plain[keen].sum() - 1.0)
        refused.append(1.0 - deep[private].sum() / plain[private].sum())
        place = np.clip(np.searchsorted(ROOM, room) - 1, 0, ROOM.size - 2)
        curves.append(
            [
                [
                    _relative(deep, plain, (place == b) & (wants == is_keen)) * 100.0
                    for b in range(ROOM.size - 1)
                ]
                for is_keen in (True, False)
            ]
        )
        sent = range(world.day, world.day + REPEATS * WEEK, WEEK)
        arms = [
            played(world, [(Campaign(_OFFER, SMS, sent, depth=d), REPEATS * WEEK)])[0] for d in (0, DEPTH)
        ]
        lost = arms[0].state.people["trust"] - arms[1].state.people["trust"]
        trust.append([lost[private].mean(), lost[keen].mean()])
    curves, trust = np.array(curves), np.array(trust)
    middle = 0.5 * (ROOM[1:] + ROOM[:-1])

    def plot(axes: Axes) -> None:
        axes.axhline(0.0, color=GREY, linewidth=1.0)
        curve_with_band(
            axes, middle, *mean_curve(curves[:, 0]), label="want personalisation", colour="#2a9d8f"
        )
        curve_with_band(axes, middle, *mean_curve(curves[:, 1]), label="want it less", colour="#a14d8b")
        axes.set_xlabel("privacy limit less the depth of the contact")
        axes.set_ylabel("clicks gained by individual depth, %")
        legend(axes)

    return Shape(
        (
            finding(
                "personalisation_helps",
                "clicks gained by individual depth among those who want it, consented and tolerate it",
                wanted,
                low=0.03,
                unit="share",
                note="Expected clicks of the same people at the same moment, individual over generic.",
            ),
            finding(
                "personalisation_backfires",
                "clicks lost by individual depth among those without consent whose limit lies far below",
                refused,
                low=0.03,
                unit="share",
                note="The rules that forbid it are lifted for the experiment.",
            ),
            finding(
                "personalisation_costs_trust",
                "trust lost in eight weeks by those beyond their limit, less that lost by those who want it",
                trust[:, 0] - trust[:, 1],
                low=0.0005,
                unit="trust",
            ),
        ),
        draw(
            "shape_personalisation",
            "Personalisation helps who wants and allows it, and backfires beyond a person's limit",
            "Expected clicks of an individual-depth message against a generic one, by how far the person's privacy limit lies "
            "above or below that depth.",
            plot,
        ),
    )


def _relative(deep: np.ndarray, plain: np.ndarray, group: np.ndarray) -> float:
    return float(deep[group].sum() / plain[group].sum() - 1.0) if group.any() else float("nan")
