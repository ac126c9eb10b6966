"""Money: credit stress, needs that a purchase ends, and a wallet that follows satisfaction."""

from typing import Final

import numpy as np
from matplotlib.axes import Axes

from cardarena.agents.registry import make_policy
from cardarena.benchmarks.gathering import gathered
from cardarena.benchmarks.validation.drawing import GREY, INK, curve_with_band, draw, draw_panels, legend
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.shapes.campaign import SMS, Campaign
from cardarena.benchmarks.validation.shapes.shape import Shape, finding, mean_curve
from cardarena.benchmarks.validation.shapes.worlds import KeptLog, branch, played, uncapped
from cardarena.simulator.names import CATEGORIES, CONSENT_CHANGES, RESPONSES, Kind
from cardarena.simulator.world import World

PEOPLE: Final = 4_000
MONTH: Final = 28
STRESS_MONTHS: Final = 13
#: Days of the wave, and by how much it multiplies the hazard of credit stress.
WAVE_DAYS: Final = 28
WAVE: Final = 60.0
#: Lives, not people: where the lab has fewer, each lives several.
PULL_LIVES: Final = 20_000
PULL_WINDOW: Final = 14
PULL_DAYS: Final = 28
WALLET_WEEKS: Final = 20
#: By how much everybody is held more satisfied.
LIFT: Final = 0.1
_PURCHASED: Final = RESPONSES.index("purchased")
_DEFAULTED: Final = CONSENT_CHANGES.index("closed_default")
_INSTALMENT: Final = CATEGORIES.index("instalment")
_OFFER: Final = 0


def _bought(log: KeptLog, category: int, period: int) -> np.ndarray:
    """Return purchases on our card in a category by period."""
    return log.counts(
        "responses", period, lambda t: (t["action"] >= _PURCHASED) & (t["category"] == category)
    )


def _stressed(world: World, wave: float) -> KeptLog:
    """Play a year under the status quo, in the first four weeks of which credit stress is `wave` times as likely."""
    arm = branch(world)
    log = KeptLog(arm, (Kind.RESPONSE, Kind.CONSENT))
    policy = make_policy("status_quo")
    arm.rules.parameter["stress_rate"] *= wave
    arm.play(policy, WAVE_DAYS, sink=log)
    arm.rules.parameter["stress_rate"] = world.rules.parameter["stress_rate"]
    arm.play(policy, STRESS_MONTHS * MONTH - WAVE_DAYS, sink=log, reset=False)
    return log


def credit_stress(lab: Lab) -> Shape:
    """Credit stress raises both instalment take-up and default half a year later.

    Design: in one twin a wave of credit stress passes over four weeks, in the other not; both live the year under the status
    quo. Estimator: instalments taken and accounts closed by default, by month, the stricken world less the other.
    """
    taken, defaults = [], []
    for seed in lab.seeds:
        world = uncapped(lab, seed, PEOPLE)
        struck, calm = _stressed(world, WAVE), _stressed(world, 1.0)
        taken.append(
            (_bought(struck, _INSTALMENT, MONTH) - _bought(calm, _INSTALMENT, MONTH)) * 1000.0 / world.n
        )
        closed = [
            log.counts("consents", MONTH, lambda t: t["change"] == _DEFAULTED) for log in (struck, calm)
        ]
        defaults.append((closed[0] - closed[1]) * 1000.0 / world.n)
    taken, defaults = np.array(taken), np.array(defaults)
    month = np.arange(1, STRESS_MONTHS + 1)

    def panel(values: np.ndarray, label: str):
        def plot(axes: Axes) -> None:
            axes.axhline(0.0, color=GREY, linewidth=1.0)
            curve_with_band(axes, month, *mean_curve(values))
            axes.axvspan(0.5, 1.5, color="#e7dfcc", alpha=0.75, linewidth=0)
            axes.set_xlim(0.5, STRESS_MONTHS + 0.5)
            axes.set_xticks(month)
            axes.set_xlabel("month, the wave in the first")
            axes.set_ylabel(label)

        return plot

    return Shape(
        (
            finding(
                "stress_instalments",
                "instalments taken in the half year of a wave of credit stress, beyond the twin's",
                taken[:, :6].sum(axis=1),
                low=1.0,
                unit="per 1,000 heads",
            ),
            finding(
                "stress_default",
                "defaults in months seven to thirteen, beyond the twin's",
                defaults[:, 6:].sum(axis=1),
                low=1.0,
                unit="per 1,000 heads",
            ),
            finding(
                "stress_default_lag",
                "share of the wave's defaults that falls into its first five months",
                np.maximum(0.0, defaults[:, :5].sum(axis=1)) / np.maximum(1e-9, np.abs(defaults).sum(axis=1)),
                high=0.2,
                unit="share",
                note="Arrears become a default after half a year.",
            ),
        ),
        draw_panels(
            "shape_credit_stress",
            "Credit stress raises instalments at once, and defaults half a year later",
            "A world that a wave of credit stress passes over in its first month, less its twin without the wave.",
            [
                panel(taken, "instalments per 1,000 heads"),
                panel(defaults, "defaults per 1,000 heads"),
            ],
        ),
    )


def _first_days(log: KeptLog, category: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return who bought in a category on which day, and everybody's first day of doing so, shape (n,)."""
    table = log.table("responses")
    own = (table["action"] >= _PURCHASED) & (table["category"] == category)
    who, day = table["cardholder"][own], table["day"][own] - log.first_day
    first = np.full(log.n, 10**6)
    np.minimum.at(first, who, day)
    return who, day, first


def _since(who: np.ndarray, day: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return how many purchases fell on each day after each person's start, shape (PULL_DAYS,); `start` -1: not counted."""
    age = day - start[who]
    counted = (start[who] >= 0) & (age >= 1) & (age <= PULL_DAYS)
    return np.bincount(age[counted] - 1, minlength=PULL_DAYS)


def pull_forward(lab: Lab) -> Shape:
    """A purchase ends the need: what a campaign sells now would in part have been sold later.

    Design: everybody gets one text message; the twin is silent. A purchase is the campaign's if the person buys within two weeks
    and the twin has not bought by that day. Estimator: purchases in the four weeks after that day, of the twins less of the
    buyers themselves, per purchase that the campaign made.
    """
    curves = []
    for seed in lab.seeds:
        some = uncapped(lab, seed, PULL_LIVES)
        world = gathered(some, np.arange(PULL_LIVES) % some.n)
        k = int(world.rules.offers["category"][_OFFER])
        arms = []
        for policy in (Campaign(_OFFER, SMS, [world.day]), make_policy("silent")):
            _, log = played(world, [(policy, PULL_WINDOW + PULL_DAYS)], [Kind.RESPONSE])
            arms.append(_first_days(log, k))
        first, twin_first = arms[0][2], arms[1][2]
        made = (first < PULL_WINDOW) & (twin_first > first)
        start = np.where(made, first, -1)
        curves.append([np.cumsum(_since(who, day, start)) / max(1, made.sum()) for who, day, _ in arms])
    curves = np.array(curves) * 100.0
    days = np.arange(1, PULL_DAYS + 1)

    def plot(axes: Axes) -> None:
        curve_with_band(
            axes, days, *mean_curve(curves[:, 1]), label="their twins, not contacted", colour="#8c969d"
        )
        curve_with_band(axes, days, *mean_curve(curves[:, 0]), label="buyers, after that purchase")
        axes.set_xlabel("days since the purchase that the campaign made")
        axes.set_ylabel("purchases per 100 buyers")
        axes.set_ylim(bottom=0.0)
        legend(axes)

    return Shape(
        (
            finding(
                "pull_forward",
                "of purchases that a campaign makes, those that would have come within four weeks anyway",
                (curves[:, 1, -1] - curves[:, 0, -1]) / 100.0,
                low=0.03,
                high=1.0,
                unit="share",
                note="Later purchases of the twins less those of the buyers themselves.",
            ),
        ),
        draw(
            "shape_pull_forward",
            "Part of what a campaign sells now would have been sold later",
            "Purchases in the offer's category after one that the campaign made: the uncontacted twins still buy, "
            "the buyers' need is met.",
            plot,
        ),
    )


def wallet(lab: Lab) -> Shape:
    """Wallet share follows satisfaction with a lag of weeks, while total demand does not move.

    Design: in one twin everybody is held 0.1 more satisfied than in the other from the first day on; both worlds are silent.
    Estimator: the mean wallet share, the lifted world less the other, by week: the week in which half of the final rise is
    reached, by interpolation. Total demand: spending over all cards per open account and day, lifted over the other.
    """
    curves, demand, halves = [], [], []
    for seed in lab.seeds:
        world = uncapped(lab, seed, PEOPLE)
        arms = [branch(world), branch(world)]
        logs, policies = [KeptLog(arm) for arm in arms], [make_policy("silent") for _ in arms]
        gap = np.zeros(WALLET_WEEKS)
        for week in range(WALLET_WEEKS):
            plain = arms[1].state.people["satisfaction"]
            arms[0].state.people["satisfaction"] = np.minimum(1.0, plain + LIFT)
            for arm, log, policy in zip(arms, logs, policies, strict=True):
                arm.play(policy, 7, sink=log, reset=week == 0)
            both = (arms[0].state.people["alive"] == 1) & (arms[1].state.people["alive"] == 1)
            gap[week] = np.subtract(*(arm.state.people["wallet"][both].mean() for arm in arms)) * 100.0
        spent = [log.daily("all_spend_fen").sum() / log.daily("alive").sum() for log in logs]
        curves.append(gap)
        demand.append((spent[0] / spent[1] - 1.0) * 100.0)
        halves.append(np.interp(0.5 * gap[-1], gap, 7.0 * np.arange(1, WALLET_WEEKS + 1)))
    week = np.arange(1, WALLET_WEEKS + 1)

    def plot(axes: Axes) -> None:
        mean, error = mean_curve(curves)
        curve_with_band(axes, week, mean, error, label="wallet share")
        axes.axhline(mean[-1] / 2.0, color=INK, linewidth=0.8, linestyle=":", label="half of the final rise")
        axes.set_xticks(week[3::4])
        axes.set_xlabel("weeks since satisfaction rose by 0.1")
        axes.set_ylabel("rise of wallet share, points")
        axes.set_ylim(bottom=0.0)
        legend(axes)

    return Shape(
        (
            finding(
                "wallet_follows",
                "rise of wallet share within 20 weeks of a rise of satisfaction by 0.1",
                np.array(curves)[:, -1],
                low=0.5,
                unit="points",
            ),
            finding(
                "wallet_lag",
                "days until half of that rise",
                halves,
                low=10.0,
                high=60.0,
                unit="days",
                note="Weeks, neither at once nor a year.",
            ),
            finding(
                "demand_unmoved",
                "change of spending over all cards, per open account, by the same rise of satisfaction",
                demand,
                low=-0.5,
                high=0.5,
                unit="%",
                note="Spending moves between cards; total demand stays.",
            ),
        ),
        draw(
            "shape_wallet",
            "Wallet share follows satisfaction with a lag of weeks",
            "The world in which everybody is more satisfied from day nought, less its twin.",
            plot,
        ),
    )
