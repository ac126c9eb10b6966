"""What a unit of each stock is worth, read along the path of a policy: costates, by the envelope theorem.

At a good policy a small change of a stock acts through what happens anyway: the contacts that will be made are worth a little
more or less, and so are the spending on our card and the chance that the account closes. So from a fork day on, a copy of a
training world goes on under the policy with a luck of its own, and at every contact the slope of its one-step value in each
stock is added up, weighed by what is left of the stock by then (`keep` to the power of the days) and discounted. A permission is
worth what each contact by its channel earns beyond the next best one; a need, the contacts made while it lasts; an account, its
whole margin. Sums are regressed on what the state says (`agents.planning.TERMS`). What a stock does without contacts is
known from the model in closed form, and not learnt. Nobody's life is drawn twice, so the readings are far less noisy than
differences of twins, which check them (`twins`).
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cardarena.agents.arms import BY_CATEGORY, BY_CHANNEL, STOCKS, Arms
from cardarena.agents.effects import ridge
from cardarena.agents.planning import (
    ANALYTIC,
    TERMS,
    LadderPolicy,
    Lookout,
    Outlook,
    design,
)
from cardarena.benchmarks.run_tables import MFEN_PER_CNY, PPM, discount_ppm
from cardarena.benchmarks.validation.planning.twins import independent_key
from cardarena.benchmarks.validation.planning.worlds import DISCOUNT, at_forks, hooked, kept_over_night
from cardarena.simulator.behaviour.person import NEED_ON
from cardarena.simulator.contracts import Contacts, Floats, View
from cardarena.simulator.oracle import Truth
from cardarena.simulator.state import WorldState
from cardarena.simulator.world import World

#: Penalty of each slope, in rows; prior 0.
PENALTY: Final = 30.0
#: A stock's prices are believed by the share 1 - DOUBT / F, F the ratio of what they explain to what luck would: none at 3.
DOUBT: Final = 3.0
_SLOPES: Final = ("load", "annoyance", "blindness", "wear", "awareness", "satisfaction")


@dataclass
class Readings:
    """Readings of one stock in one world, one row a person (and category, or channel).

    Attributes:
        price: shape (rows,), CNY per unit of the stock, by contacts alone.
        terms: shape (rows, terms), the columns of `TERMS`.
        known: shape (rows,), CNY per unit, what the stock does without contacts.
    """

    price: Floats
    terms: Floats
    known: Floats


def recorder(policy: LadderPolicy) -> "LadderPolicy":
    """Return a copy of a policy that keeps the slopes of its contacts in `sums`; it sees the truth, and decides as before."""
    kind = type(policy)
    recording: Any = type(f"Recording{kind.__name__}", (_Recorder, kind), {})
    twin = copy.deepcopy(policy)
    twin.__class__ = recording
    twin.oracle, twin.league = True, "privileged"
    return twin


class _Recorder(LadderPolicy):
    """A policy that adds up the slopes of its contacts. States: begun on a day -> adding."""

    def begin(self, world: World, keep: dict[str, float]) -> None:
        """Start from nothing on this day."""
        n, q = world.n, world.rules
        self.day0, self.keep = world.day, np.array([keep[name] for name in _SLOPES])
        people = Truth(world.state, q, world.order, 0).people
        self.need_until = np.where(people["need"] == NEED_ON, people["need_left"], 0)
        self.sums = {
            name: np.zeros((n, 8) if name in BY_CATEGORY else (n, 10) if name in BY_CHANNEL else n)
            for name in STOCKS
        }
        self.keep_permission, self.keep_need = keep["permission"], keep["need"]

    def seen(self, view: View, arms: Arms, outlook: Outlook | None, contacts: Contacts) -> None:
        """Add today's contacts."""
        rows, offer, channel = contacts.cardholder, contacts.offer, contacts.channel
        if not len(rows):
            return
        since = view.day - self.day0
        discount = (1.0 + DISCOUNT) ** (-since / 365.0)
        slope = self.generator.gradient(view.truth, view.day, rows, offer, channel, contacts.depth)
        k = self.generator.category[offer]
        # A stock as it stands at the fork has decayed for so many nights; what happens on the fork day itself counts whole.
        left = discount * self.keep**since
        for s, name in enumerate(_SLOPES):
            at: Any = (rows, k) if name in BY_CATEGORY else rows
            np.add.at(self.sums[name], at, slope[:, s] * left[s])
        index = np.where(np.isfinite(arms.value), arms.one_step, -np.inf)
        own = np.where(arms.channel[rows] == channel[:, None], index[rows], -np.inf).max(axis=1)
        other = np.where(arms.channel[rows] != channel[:, None], index[rows], -np.inf).max(axis=1)
        more = np.maximum(0.0, own - np.maximum(other, 0.0))
        np.add.at(
            self.sums["permission"],
            (rows, channel),
            -discount * self.keep_permission * np.where(np.isfinite(more), more, 0.0),
        )
        lasts = since < self.need_until[rows, k]
        gain = np.where(lasts & np.isfinite(own), np.maximum(own, 0.0), 0.0)
        np.add.at(self.sums["need"], (rows, k), -discount * self.keep_need * gain)


def read_world(
    world: World,
    policy: LadderPolicy,
    fork_days: Sequence[int],
    *,
    look_ahead: int,
    lasting_days: float,
    is_placebo: bool = False,
) -> dict[str, Readings]:
    """Play a policy through a world and read the prices of every stock on the fork days.

    Args:
        world: at day 0; forked, not changed.
        policy: plays, and goes on in the copies.
        fork_days: days after whose midnight a copy is made, ascending.
        look_ahead: days that a copy lives.
        lasting_days: for how long what is lost for good is missed.
        is_placebo: whether stocks are drawn anew every midnight.
    """
    parts = [
        _read(run, world, policy, number, look_ahead, lasting_days, is_placebo)
        for number, run in at_forks(world, policy, fork_days, is_placebo=is_placebo)
    ]
    return joined(parts)


def joined(parts: Sequence[dict[str, Readings]]) -> dict[str, Readings]:
    """Return several readings of the same stocks as one."""
    return {
        name: Readings(
            *(np.concatenate([getattr(p[name], f) for p in parts]) for f in Readings.__dataclass_fields__)
        )
        for name in parts[0]
    }


def _read(
    run: World,
    first: World,
    policy: LadderPolicy,
    number: int,
    look_ahead: int,
    lasting_days: float,
    is_placebo: bool,
) -> dict[str, Readings]:
    generator = policy.generator
    truth = Truth(run.state, run.rules, run.order, 0)
    arms = generator.arms(truth, run.day, taken=policy.waiting)
    outlook = Lookout(generator).outlook(truth, arms, run.day)
    keep = kept_over_night(run)
    # From here on the copy lives with a luck that is nobody else's.
    path = run.fork(luck=independent_key(run.seed, run.day, number))
    margin = np.zeros(run.n)
    weights = discount_ppm(look_ahead, DISCOUNT) / PPM
    step = [0]

    def meter(state: WorldState) -> None:
        margin[:] += state.people["expected_mfen"] * weights[step[0]]
        step[0] += 1

    follower: Any = recorder(policy)
    follower.begin(run, keep)
    live = hooked(path, is_placebo=is_placebo, meter=meter, at_rest=first.state)
    live.play(follower, look_ahead, reset=False)
    sums = follower.sums
    sums["permission"] *= lasting_days / look_ahead
    sums["account"] = -margin[run.order] / MFEN_PER_CNY * lasting_days / look_ahead * keep["account"]
    alive = np.flatnonzero(truth.people["alive"] == 1)
    slopes = analytic(run, keep, lasting_days)
    if is_placebo:
        # A stock that is drawn anew at midnight takes nothing along of what a contact did to it; the twins agree.
        slopes = {}
        for name in set(STOCKS) - {"account", "need"}:
            sums[name][...] = 0.0
    return {name: _rows(name, sums[name], outlook, alive, slopes.get(name, {}), truth) for name in STOCKS}


def _rows(
    name: str, price: Floats, outlook: Outlook, alive: Any, known: dict[str, float], truth: Truth
) -> Readings:
    terms = design(name, outlook)
    fixed = np.zeros(price.shape)
    for term, slope in known.items():
        fixed = fixed + slope * terms[..., TERMS[name].index(term)]
    rows: Any = alive
    if name in BY_CATEGORY:
        # A need can only be ended while it is on; the others belong to every category.
        keep = np.zeros(price.shape, dtype=np.bool_)
        keep[alive] = truth.people["need"][alive] == NEED_ON if name == "need" else True
        rows = np.nonzero(keep)
    elif name in BY_CHANNEL:
        keep = np.zeros(price.shape, dtype=np.bool_)
        keep[alive] = truth.accounts["permitted"][alive] == 1
        keep[:, np.setdiff1d(np.arange(price.shape[1]), np.flatnonzero(outlook.potential_by.any(axis=0)))] = (
            False
        )
        rows = np.nonzero(keep)
    return Readings(price[rows], terms[rows], fixed[rows])


def analytic(world: World, keep: dict[str, float], lasting_days: float) -> dict[str, dict[str, float]]:
    """Return what annoyance and satisfaction do without contacts: slopes of `ANALYTIC` terms, per unit of the stock.

    A unit of utility that decays by `keep` a night and moves the wallet with a lag L is worth, in days of full effect,
    sum_t b^t sum_{j<=t} (1/L) (1-1/L)^(t-j) keep^j = (1/L) / ((1 - (1-1/L) b) (1 - keep b)).
    An account that closes is missed for `lasting_days`.
    """
    q = world.rules.parameter[0]
    b = (1.0 + DISCOUNT) ** (-1.0 / 365.0)
    lag = 1.0 / float(q["wallet_lag_days"])
    follows = lag / (1.0 - (1.0 - lag) * b)

    def lasts(name: str) -> float:
        return 1.0 / (1.0 - keep[name] * b)

    return {
        "annoyance": {
            "at stake": -float(q["wallet_annoyance"]) * follows * lasts("annoyance"),
            "exit": -float(q["closure_annoyance"]) * lasts("annoyance") * lasting_days,
        },
        "satisfaction": {
            "at stake": float(q["wallet_satisfaction"]) * follows * lasts("satisfaction"),
            "exit": float(q["closure_satisfaction"]) * lasts("satisfaction") * lasting_days,
        },
    }


@dataclass(frozen=True)
class Fit:
    """Shadow prices and how sure they are.

    Attributes:
        shadow: coefficients by stock, for `agents.planning.Rule`.
        constant: one price a stock, for the index policy.
        mean: mean price of each stock over people.
        error: standard error of that mean, of the learnt part.
        rows: readings by stock.
    """

    shadow: dict[str, tuple[float, ...]]
    constant: dict[str, tuple[float, ...]]
    mean: dict[str, float]
    error: dict[str, float]
    rows: dict[str, int]


def fit(readings: dict[str, Readings], known: dict[str, dict[str, float]]) -> Fit:
    """Regress the readings of each stock on its terms, ridge towards nothing; what is known in closed form is added.

    Args:
        readings: by stock.
        known: slopes of the analytic terms, by stock.
    """
    shadow, constant, mean, error, rows = {}, {}, {}, {}, {}
    for name in STOCKS:
        part, terms = readings[name], TERMS[name]
        rows[name] = len(part.price)
        learnt = np.array([j for j, term in enumerate(terms) if term not in ANALYTIC])
        slopes = np.zeros(len(terms))
        fixed = np.array([known.get(name, {}).get(term, 0.0) for term in terms])
        mean[name], error[name] = 0.0, 0.0
        if rows[name] >= 5 * len(terms):
            x, y = part.terms[:, learnt], part.price
            # Money scatters like itself.
            size = np.abs(x[:, :-1]).sum(axis=1) if len(learnt) > 1 else np.abs(x[:, 0])
            weight = 1.0 / np.maximum(size, max(float(size.mean()), 1e-9))
            weight = weight / weight.mean()
            learnt_slopes = ridge(x, y, weight, PENALTY)
            slopes[learnt] = learnt_slopes * _belief(x, y, weight, learnt_slopes)
            mean[name] = float((part.price + part.known).mean())
            error[name] = float(y.std(ddof=1) / np.sqrt(len(y)))
        shadow[name] = tuple(float(v) for v in slopes + fixed)
        if terms[-1] == "1":
            constant[name] = (*(0.0,) * (len(terms) - 1), mean[name])
    return Fit(shadow, constant, mean, error, rows)


def _belief(x: Floats, y: Floats, weight: Floats, slopes: Floats) -> float:
    """Return the share of the fitted prices that is believed: nothing where luck alone would explain as much."""
    k = x.shape[1]
    explained = float((weight * (x @ slopes) ** 2).sum()) / k
    left = float((weight * (y - x @ slopes) ** 2).sum()) / max(1, len(y) - k)
    return max(0.0, 1.0 - DOUBT * left / max(explained, 1e-12))
