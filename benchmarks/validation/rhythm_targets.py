"""What a rhythm of contacts does over quarters: repurchase, and push users lost (D6, D10)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from cardarena.benchmarks.validation.designs import lots
from cardarena.benchmarks.validation.estimates import of_mean
from cardarena.benchmarks.validation.expected import closing
from cardarena.benchmarks.validation.lab import Lab, over_seeds
from cardarena.benchmarks.validation.measures import Measured, measures
from cardarena.benchmarks.validation.probes import Quiet, Rhythm
from cardarena.benchmarks.validation.response_targets import PER_CENT, PUSH
from cardarena.benchmarks.validation.trial import UNCAPPED, only, variant
from cardarena.simulator.log import RunLog
from cardarena.simulator.names import CHANNELS
from cardarena.simulator.world import World

WEEK: Final = 7
QUARTER_DAYS: Final = 91
#: Contacts a quarter of the arms of D6. Every arm is played by the same people with the same luck.
RATES: Final = (0, 1, 3, 5, 8, 12)
#: Names of the targets' components and the channel of each.
CHANNEL_OF: Final = {"calls": "human_call", "email": "email"}
#: Arms of D10, pushes a week: 1, the middle of 2-5, the middle of 6-10.
PUSHES: Final = {"1_a_week": 1.0, "2_to_5_a_week": 3.5, "6_to_10_a_week": 8.0}
WEEKS: Final = 52
#: These experiments are long; so many cardholders a seed are enough.
PEOPLE: Final = 4_000
PEOPLE_AN_ARM: Final = 2_000


class Rhythmic:
    """A world under one rhythm: days pass in weeks, and what happened in each can be read."""

    def __init__(self, world: World, policy: Rhythm | Quiet) -> None:
        self.world, self.policy = world, policy
        self._begun = False

    def week(self) -> RunLog:
        """Let a week pass; return its log."""
        log = RunLog()
        self.world.play(self.policy, WEEK, sink=log, reset=not self._begun)
        self._begun = True
        return log


# --- D10


def push_users_lost(lab: Lab, seed: int) -> np.ndarray:
    """Return the expected share of push users who have refused push after 0, 1, ... 52 weeks, shape (rates, 53).

    Three groups by lot, each at its own rate. The hazard of a week is the log's expectation over those who had not refused yet;
    shares are its product over the weeks, so that luck does not blur them. Who comes back later has refused all the same.
    """
    return lab.once(("pushes", seed), lambda: _push_users_lost(lab, seed))


def _push_users_lost(lab: Lab, seed: int) -> np.ndarray:
    world = variant(lab, seed, UNCAPPED, people=PEOPLE)
    rates = np.array(list(PUSHES.values()))
    only(world, _reached(world, PUSH))
    (lot,) = lots(41, world.n, 1)
    arm = (lot * rates.size).astype(np.int64)
    run = Rhythmic(world, Rhythm(PUSH, (WEEK / rates[arm])[world.order], np.arange(world.rules.offers.size)))
    refused = np.zeros(world.n, dtype=np.bool_)
    left = np.ones((rates.size, WEEKS + 1))
    for week in range(1, WEEKS + 1):
        accounts = world.state.accounts
        users = (accounts["permitted"][:, PUSH] == 1) & (accounts["marketing_consent"] == 1)
        users &= (accounts["is_open"] == 1) & ~refused
        log = run.week()
        contacts, consents = log.table("contacts"), log.table("consents")
        mine = (contacts["status"] == 0) & users[contacts["cardholder"]]
        group = arm[contacts["cardholder"][mine]]
        hazard = np.bincount(group, contacts["p_opt_out_ppb"][mine] * 1e-9, minlength=rates.size)
        at_risk = np.maximum(np.bincount(arm[users], minlength=rates.size), 1)
        left[:, week] = left[:, week - 1] * np.exp(-hazard / at_risk)
        refused[consents["cardholder"][(consents["change"] == 0) & (consents["channel"] == PUSH)]] = True
    return 1.0 - left


@measures("D10")
def push_disabled(lab: Lab) -> Iterable[Measured]:
    """D10: push users who refused push within twelve months at 1, 3.5 and 8 pushes a week, offers in rotation, no caps."""
    lost = np.array([push_users_lost(lab, seed)[:, -1] for seed in lab.seeds])
    for column, name in enumerate(PUSHES):
        value, error = over_seeds(lost[:, column])
        yield Measured(name, PER_CENT * value, PER_CENT * error, f"{PUSHES[name]:g} a week")


# --- D6


@dataclass(frozen=True)
class Repurchase:
    """Repurchase by arm in one world.

    Attributes:
        share: shape (rates, people), our share of a person's purchases in the half year after the quarter, times the chance
            that the account is still open.
        liking: shape (people,), how the person likes the channel.
    """

    share: np.ndarray
    liking: np.ndarray

    def curve(self, third: int | None = None) -> np.ndarray:
        """Return mean repurchase by rate, shape (rates,); among the third that likes the channel least (0) .. best (2)."""
        if third is None:
            return self.share.mean(axis=1)
        rank = np.argsort(np.argsort(self.liking, kind="stable"), kind="stable")
        return self.share[:, rank * 3 // self.liking.size == third].mean(axis=1)


def repurchase(lab: Lab, seed: int, channel: str) -> Repurchase:
    """Return repurchase after a quarter of 0, 1, ... 12 contacts by one channel, for those whom the channel may reach.

    Repurchase is the chance that somebody's next purchase is made with us and not elsewhere: our share of the wallet, while the
    account is open. It is read weekly in the half year that follows the quarter, in which nobody is contacted.
    """
    return lab.once(("repurchase", seed, channel), lambda: _repurchase(lab, seed, CHANNELS.index(channel)))


def _repurchase(lab: Lab, seed: int, channel: int) -> Repurchase:
    start = variant(lab, seed, UNCAPPED, people=PEOPLE_AN_ARM)
    # What the bank sent before is forgotten first: the study's customers heard from the firm at the rate of their arm alone.
    rest = Rhythmic(start, Quiet())
    for _ in range(QUARTER_DAYS // WEEK):
        rest.week()
    people = _reached(start, channel)
    only(start, people)
    shares = [_arm(start.fork(), channel, rate, people) for rate in RATES]
    return Repurchase(np.array(shares), start.state.people["liking"][people, channel].astype(np.float64))


def _reached(world: World, channel: int) -> np.ndarray:
    accounts = world.state.accounts
    may = (accounts["permitted"][:, channel] == 1) & (accounts["marketing_consent"] == 1)
    return np.flatnonzero(may & (accounts["is_open"] == 1))


def _arm(world: World, channel: int, rate: int, people: np.ndarray) -> np.ndarray:
    """Return each person's repurchase at one rate, shape (people,)."""
    interval = np.full(world.n, QUARTER_DAYS / rate if rate else np.inf)
    policy = Rhythm(channel, interval, np.arange(world.rules.offers.size))
    run = Rhythmic(world, policy)
    is_open, total = np.ones(people.size), np.zeros(people.size)
    quarter = QUARTER_DAYS // WEEK
    for week in range(3 * quarter):
        if week == quarter:
            run = Rhythmic(world, Quiet())
        run.week()
        # Expected, so that the few who close by luck do not decide.
        is_open *= np.exp(-WEEK * closing(world, people))
        if week >= quarter:
            total += is_open * world.state.people["wallet"][people]
    return total / (2 * quarter)


def summit(curve: np.ndarray) -> float:
    """Return the rate at which a parabola through the curve is highest, within the rates that were tried.

    Args:
        curve: shape (rates,).
    """
    a, b, _ = np.polyfit(RATES, curve, 2)
    if a >= 0.0:
        return float(RATES[0] if np.polyval((a, b), RATES[-1]) <= 0.0 else RATES[-1])
    return float(np.clip(-b / (2.0 * a), RATES[0], RATES[-1]))


def is_inner(rate: float) -> bool:
    """Say whether a summit lies between the rates that were tried: at an edge there is none."""
    return RATES[0] < rate < RATES[-1]


def fall(curve: np.ndarray) -> float:
    """Return repurchase at three times the summit's rate less that at the summit, in points, by the parabola; NaN without one."""
    top = summit(curve)
    if not is_inner(top):
        return float("nan")
    fit = np.polyfit(RATES, curve, 2)
    return PER_CENT * float(np.polyval(fit, min(3.0 * top, RATES[-1])) - np.polyval(fit, top))


@measures("D6")
def fine_line(lab: Lab) -> Iterable[Measured]:
    """D6: the rate of contacts at which repurchase is highest, what is lost beyond it, and whether liking moves it.

    The summit is that of a parabola through six rates from 0 to 12 a quarter, every rate lived through by the same people with
    the same luck. At the lowest and the highest rate there is no summit, hence no fall and no shift: these are not numbers then.
    """
    shifts = []
    for name, channel in CHANNEL_OF.items():
        runs = [repurchase(lab, seed, channel) for seed in lab.seeds]
        curves = [run.curve() for run in runs]
        value, error = of_mean(summit, curves)
        yield Measured(f"peak_{name}", value, error, _shown(curves))
        value, error = of_mean(fall, curves)
        yield Measured(f"fall_{name}", value, error)
        shifts.append(np.array([[run.curve(0), run.curve(2)] for run in runs]))
    value, error = of_mean(_mean_shift, np.stack(shifts, axis=1))
    yield Measured(
        "preference_shifts_right", value, error, "best-liking less least-liking third, mean of the channels"
    )


def _mean_shift(curves: np.ndarray) -> float:
    """Return by how much liking moves the summit, mean over channels, NaN where one has none; of shape (channels, 2, rates)."""
    return float(np.mean([_shift(least, best) for least, best in curves]))


def _shift(least: np.ndarray, best: np.ndarray) -> float:
    low, high = summit(least), summit(best)
    return high - low if is_inner(low) or is_inner(high) else float("nan")


def _shown(curves: list[np.ndarray]) -> str:
    mean = np.mean(curves, axis=0)
    points = ", ".join(
        f"{rate}: {PER_CENT * (x - mean[0]):+.2f}" for rate, x in zip(RATES, mean, strict=True)
    )
    return f"points of repurchase over none, by contacts a quarter: {points}"
