"""Loyalty: the satisfied complain less and stay longer, moods spread among neighbours, idle cards are closed."""

from functools import partial
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from numba import njit

from cardarena.agents.registry import make_policy
from cardarena.benchmarks.validation.drawing import INK, WORLD, curve_with_band, draw, draw_panels, legend
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.shapes.campaign import SMS, Campaign
from cardarena.benchmarks.validation.shapes.shape import Shape, finding, mean_curve
from cardarena.benchmarks.validation.shapes.worlds import KeptLog, branch, uncapped
from cardarena.simulator.behaviour.life import closure_hazard
from cardarena.simulator.names import Kind
from cardarena.simulator.world import World

PEOPLE: Final = 5_000
#: Half a year, looked at every fortnight: hazards move slowly.
LOOKS: Final = 13
LOOK_DAYS: Final = 14
QUARTERS: Final = ("lowest", "second", "third", "highest")
IDLE_FROM: Final = (0, 7, 30, 90, 180)
IDLE_NAMES: Final = ("0-6", "7-29", "30-89", "90-179", "180 on")
WEEKS: Final = 16
#: One person in so many is treated; on the ring of neighbours two to either side hear of it.
ONE_IN: Final = 8
#: Bill instalments: for most people of no interest, and nothing that would please.
_UNWANTED: Final = 15


@njit(cache=True)
def _hazards(people, rules, out):
    for i in range(people.size):
        out[i] = closure_hazard(people[i], rules.parameter[0]) if people[i].alive == 1 else np.nan


def closures_a_year(world: World) -> np.ndarray:
    """Return everybody's hazard of closing by choice, per year, shape (n,); NaN for closed accounts."""
    out = np.empty(world.n)
    _hazards(world.state.people, world.rules, out)
    return out * 365.0


def _followed(lab: Lab, seed: int) -> dict[str, np.ndarray]:
    """Live half a year under the status quo, and look every fortnight.

    Returns:
        `contacts` and `complaints`, shape (n,): delivered, and expected of them; `closures` (a year), `idle` (days) and
        `satisfaction`, shape (looks, n), NaN once an account is closed.
    """
    world, policy = uncapped(lab, seed, PEOPLE), make_policy("status_quo")
    arm = branch(world)
    contacts, complaints = np.zeros(world.n), np.zeros(world.n)
    looks: dict[str, list[np.ndarray]] = {"closures": [], "idle": [], "satisfaction": []}
    for look in range(LOOKS):
        people = arm.state.people
        gone = people["alive"] == 0
        looks["closures"].append(closures_a_year(arm))
        looks["idle"].append(np.where(gone, np.nan, people["idle_days"]))
        looks["satisfaction"].append(np.where(gone, np.nan, people["satisfaction"]))
        log = KeptLog(arm, [Kind.CONTACT])
        arm.play(policy, LOOK_DAYS, sink=log, reset=look == 0)
        table = log.table("contacts")
        delivered = table["status"] == 0
        who = table["cardholder"][delivered]
        contacts += np.bincount(who, minlength=world.n)
        complaints += np.bincount(who, table["p_complaint_ppb"][delivered] * 1e-9, minlength=world.n)
    return {
        "contacts": contacts,
        "complaints": complaints,
        **{name: np.array(rows) for name, rows in looks.items()},
    }


def by_quarter(satisfaction: np.ndarray, top: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Return the ratio of two sums in each quarter of satisfaction, lowest first, shape (4,).

    Args:
        satisfaction: shape (people,).
        top: summed above the line, shape (people,).
        base: summed below it, shape (people,).
    """
    quarter = np.searchsorted(np.quantile(satisfaction, (0.25, 0.5, 0.75)), satisfaction)
    return np.bincount(quarter, top, 4) / np.bincount(quarter, base, 4)


def satisfied(lab: Lab) -> Shape:
    """Satisfied people complain less and stay longer.

    Design: half a year under the status quo; people in quarters by satisfaction on the first day. Estimator: expected complaints
    per delivered contact, and expected closures per account and year (the hazard, looked at every fortnight), of the lowest
    quarter over the highest; logarithms.
    """
    complaints, closures = [], []
    for seed in lab.seeds:
        seen = lab.once(("shapes.followed", seed), partial(_followed, lab, seed))
        at_first = seen["satisfaction"][0]
        open_first = ~np.isnan(at_first)
        mood = at_first[open_first]
        told = seen["complaints"][open_first], seen["contacts"][open_first]
        complaints.append(by_quarter(mood, *told) * 1e5)
        hazard = seen["closures"][:, open_first]
        alive = ~np.isnan(hazard)
        closures.append(by_quarter(mood, np.nansum(hazard, axis=0), alive.sum(axis=0)) * 100.0)
    complaints, closures = np.array(complaints), np.array(closures)

    def panel(values: np.ndarray, label: str):
        def plot(axes: Axes) -> None:
            mean, error = mean_curve(values)
            axes.bar(QUARTERS, mean, width=0.55, color=WORLD, alpha=0.75)
            if error is not None:
                axes.errorbar(QUARTERS, mean, yerr=2.0 * error, fmt="none", ecolor=INK, elinewidth=1.2)
            axes.set_xlabel("quarter by satisfaction on the first day")
            axes.set_ylabel(label)

        return plot

    return Shape(
        (
            finding(
                "satisfied_complain_less",
                "complaints per contact, least satisfied quarter over most satisfied",
                np.log(complaints[:, 0] / complaints[:, 3]),
                low=0.1,
                unit="log ratio",
                note="Logged expectations of half a year under the status quo.",
            ),
            finding(
                "satisfied_stay",
                "closures by choice, least satisfied quarter over most satisfied",
                np.log(closures[:, 0] / closures[:, 3]),
                low=0.1,
                unit="log ratio",
                note="Expected closures: the hazard of each account, looked at every fortnight.",
            ),
        ),
        draw_panels(
            "shape_satisfied",
            "Satisfied people complain less and stay longer",
            "Half a year under the status quo, people in quarters by their satisfaction on the first day.",
            [
                panel(complaints, "complaints per 100,000 contacts"),
                panel(closures, "closures a year per 100 accounts"),
            ],
        ),
    )


def inactive(lab: Lab) -> Shape:
    """An inactive card is likelier to be closed.

    Design: half a year under the status quo, everybody looked at every fortnight. Estimator: mean hazard of closing by choice, a
    year, by days since the card was last used; idle for 90 days and more over used within a month; logarithm.
    """
    curves, ratios = [], []
    for seed in lab.seeds:
        seen = lab.once(("shapes.followed", seed), partial(_followed, lab, seed))
        ok = ~np.isnan(seen["closures"])
        idle, hazard = seen["idle"][ok], seen["closures"][ok]
        place = np.searchsorted(IDLE_FROM, idle, side="right") - 1
        n = np.bincount(place, minlength=len(IDLE_FROM))
        curves.append(np.bincount(place, hazard, len(IDLE_FROM)) / np.maximum(1, n) * 100.0)
        ratios.append(np.log(hazard[idle >= 90].mean() / hazard[idle < 30].mean()))

    def plot(axes: Axes) -> None:
        mean, error = mean_curve(curves)
        axes.bar(IDLE_NAMES, mean, width=0.55, color=WORLD, alpha=0.75)
        if error is not None:
            axes.errorbar(IDLE_NAMES, mean, yerr=2.0 * error, fmt="none", ecolor=INK, elinewidth=1.2)
        axes.set_xlabel("days since the card was last used")
        axes.set_ylabel("closures a year per 100")

    return Shape(
        (
            finding(
                "inactive_close",
                "closures by choice, cards idle for 90 days and more over cards used within a month",
                ratios,
                low=0.2,
                unit="log ratio",
                note="Expected closures by choice; those that a message wakes come on top.",
            ),
        ),
        draw(
            "shape_inactive",
            "An inactive card is likelier to be closed",
            "Hazard of closing by choice, by days since the card was last used, half a year under the status quo.",
            plot,
        ),
    )


def word_of_mouth(lab: Lab) -> Shape:
    """Moods spread between connected cardholders, where the scenario says so.

    Design: one person in eight gets an unwanted text message a day for 16 weeks, the others nothing; the twin world is silent;
    both once with the scenario's switch `word_of_mouth` and once without. Estimator: satisfaction of those who were left
    alone and have a treated neighbour, less that of their twins, over the same of the treated themselves.
    """
    switched, direct = [], []
    for seed in lab.seeds:
        both = [_told(uncapped(lab, seed, PEOPLE), is_on) for is_on in (1, 0)]
        switched.append([heard for heard, _ in both])
        direct.append(both[0][1])
    paths, direct = np.array(switched), np.array(direct)
    week = np.arange(1, WEEKS + 1)

    def plot(axes: Axes) -> None:
        curve_with_band(axes, week, *mean_curve(direct), label="contacted", colour="#c8102e")
        curve_with_band(axes, week, *mean_curve(paths[:, 0]), label="their neighbours")
        curve_with_band(axes, week, *mean_curve(paths[:, 1]), label="the same, switch off", colour="#8c969d")
        axes.set_xlabel("weeks of unwanted daily messages to one in eight")
        axes.set_ylabel("satisfaction, less the silent twin's")
        legend(axes)

    return Shape(
        (
            finding(
                "word_of_mouth",
                "what reaches the neighbours' satisfaction of what is done to the contacted",
                paths[:, 0, -1] / direct[:, -1],
                low=0.02,
                high=1.0,
                unit="share",
                note="With the scenario's switch on.",
            ),
            finding(
                "word_of_mouth_off",
                "the same with the switch off",
                paths[:, 1, -1] / direct[:, -1],
                low=0.0,
                high=0.0,
                unit="share",
                note="People who are not connected share nothing: exactly nought.",
            ),
        ),
        draw(
            "shape_word_of_mouth",
            "Displeasure spreads to the neighbours of those who are pestered",
            "Satisfaction of the contacted, and of people left alone with a contacted neighbour, each less that of the same "
            "people in the silent twin.",
            plot,
        ),
    )


def _told(world: World, is_on: int) -> tuple[np.ndarray, np.ndarray]:
    """Return by week the satisfaction lost by the neighbours of the contacted, and by the contacted; shape (weeks,)."""
    world.rules.compliance["word_of_mouth"] = is_on
    world.state.mood = np.floor(world.state.people["satisfaction"] * 1e6).astype(np.int64)
    account = world.state.accounts
    reached = (account["permitted"][:, SMS] == 1) & (account["marketing_consent"] == 1)
    ids = np.arange(world.n)
    treated = ids % ONE_IN == 0
    beside = np.isin(ids % ONE_IN, (1, 2, ONE_IN - 2, ONE_IN - 1))
    views = np.sort(world.view_id[treated])
    pestered, quiet = branch(world), branch(world)
    policies = (
        Campaign(_UNWANTED, SMS, whom=lambda day, open_ids: np.intersect1d(open_ids, views)),
        make_policy("silent"),
    )
    heard, felt = [], []
    for week in range(WEEKS):
        for arm, policy in zip((pestered, quiet), policies, strict=True):
            arm.play(policy, 7, reset=week == 0)
        lost = pestered.state.people["satisfaction"] - quiet.state.people["satisfaction"]
        felt.append(lost[treated & reached].mean())
        heard.append(lost[beside].mean())
    return np.array(heard), np.array(felt)
