"""Paired twins, which check the shadow prices: push a stock, and see what happens.

At a fork day the world is copied twice. In one copy every person has one stock pushed by a known amount, a random stock for
each, so that one pair of copies asks about all of them; people do not interact, so a person's difference is the push's own.
Both copies go on under the same policy with the same luck, a luck that is independent of the run's. The difference of their
*expected* daily margins, discounted over the look-ahead and divided by the push, is a reading of the stock's shadow price:
without any approximation, and noisy, since now and then a twin takes another life altogether. Closures by choice are not
drawn in the twins, since one of them would drown all else: their hazard is charged instead.
"""

import copy
import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numba import njit

from cardarena.agents.arms import STOCKS
from cardarena.agents.planning import LadderPolicy
from cardarena.benchmarks.run_tables import MFEN_PER_CNY, PPM, discount_ppm
from cardarena.benchmarks.validation.planning.worlds import (
    DISCOUNT,
    at_forks,
    could_reach,
    deal_stocks,
    hooked,
    kept_over_night,
)
from cardarena.simulator.behaviour.life import closure_hazard
from cardarena.simulator.behaviour.person import NEED_OFF, NEED_ON
from cardarena.simulator.contracts import Floats, Ints
from cardarena.simulator.names import N_CATEGORIES
from cardarena.simulator.state import WorldState
from cardarena.simulator.world import World

#: How far a stock is pushed: several contacts' worth, so that the answer stands out of the luck.
PUSH: Final = {
    "load": 2.0,
    "annoyance": 0.4,
    "blindness": 0.25,
    "wear": 3.0,
    "awareness": 0.3,
    "satisfaction": -0.1,
    "permission": 1.0,
    "account": 1.0,
    "need": 1.0,
}
#: Shares of people by stock; the stocks that a contact surely moves are asked about more often.
SHARE: Final = {
    "load": 0.2,
    "annoyance": 0.14,
    "blindness": 0.1,
    "wear": 0.14,
    "awareness": 0.08,
    "satisfaction": 0.1,
    "permission": 0.12,
    "account": 0.02,
    "need": 0.1,
}


def independent_key(seed: int, day: int, number: int) -> int:
    """Return a world key for the luck of a twin: a one-way function that no run's key is."""
    text = f"cardarena twin {seed} {day} {number}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def read_world(
    world: World,
    policy: LadderPolicy,
    fork_days: Sequence[int],
    *,
    look_ahead: int,
    lasting_days: float,
    is_placebo: bool = False,
) -> dict[str, Floats]:
    """Play a policy through a world and take twin readings on the fork days.

    Args:
        world: at day 0; forked, not changed.
        policy: plays, and goes on in the twins.
        fork_days: days after whose midnight twins are made, ascending.
        look_ahead: days that the twins live.
        lasting_days: for how long what is lost for good is missed.
        is_placebo: whether stocks are drawn anew every midnight.

    Returns:
        By stock: shape (people pushed,), CNY per unit of the stock.
    """
    parts = [
        _read(run, world, policy, number, look_ahead, lasting_days, is_placebo)
        for number, run in at_forks(world, policy, fork_days, is_placebo=is_placebo)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in STOCKS}


def _read(
    run: World,
    first: World,
    policy: LadderPolicy,
    number: int,
    look_ahead: int,
    lasting_days: float,
    is_placebo: bool,
) -> dict[str, Floats]:
    key = independent_key(run.seed, run.day, number)
    luck = np.random.Generator(np.random.Philox(key))
    stock = luck.choice(len(STOCKS), run.n, p=np.array([SHARE[name] for name in STOCKS]))
    twin, plain = run.fork(), run.fork()
    ok = _push(twin, stock, policy.generator.channels, luck)
    if is_placebo:
        # What a contact leaves is gone before it can act; so is the push.
        reach = could_reach(first.state)
        deal_stocks(twin.state, first.state, reach)
        deal_stocks(plain.state, first.state, reach)
    rest = first.state
    base, base_hazard = _future(plain, policy, key, look_ahead, is_placebo, rest)
    pushed, pushed_hazard = _future(twin, policy, key, look_ahead, is_placebo, rest)
    worth = np.maximum(base, 0.0) / look_ahead * lasting_days
    moved = pushed - base - (pushed_hazard - base_hazard) * worth
    seen = _seen_share(run, look_ahead, lasting_days)
    asked = ok & (run.state.people["alive"] == 1)
    return {name: moved[asked & (stock == s)] / PUSH[name] / seen[s] for s, name in enumerate(STOCKS)}


def _seen_share(world: World, days: int, lasting_days: float) -> Floats:
    """Return which share of each stock's whole effect falls into the look-ahead, shape (stocks,).

    A stock that decays by `keep` a night has left 1 - keep^days of its effect; what is lost for good is lost until the end.
    """
    keep = kept_over_night(world)
    share = {name: 1.0 - keep[name] ** days for name in STOCKS}
    share |= {"permission": days / lasting_days, "account": days / lasting_days, "need": 1.0}
    return np.array([share[name] for name in STOCKS])


def _push(twin: World, stock: Ints, channels: Ints, luck: np.random.Generator) -> Any:
    """Push each person's stock; return who could be pushed, shape (n,)."""
    people, accounts = twin.state.people, twin.state.accounts
    n = twin.n
    ok = np.ones(n, dtype=np.bool_)
    category = luck.integers(0, N_CATEGORIES, n)
    channel = channels[luck.integers(0, len(channels), n)]
    on = (people["need"] == NEED_ON) * luck.random((n, N_CATEGORIES))
    in_need = on.argmax(axis=1)

    def who(name: str) -> Ints:
        return np.flatnonzero(stock == STOCKS.index(name))

    rows = who("load")
    people["load"][rows, channel[rows]] += PUSH["load"]
    for name in ("annoyance", "blindness"):
        people[name][who(name)] += PUSH[name]
    rows = who("satisfaction")
    people["satisfaction"][rows] = np.maximum(0.0, people["satisfaction"][rows] + PUSH["satisfaction"])
    for name in ("wear", "awareness"):
        rows = who(name)
        people[name][rows, category[rows]] += PUSH[name]
    rows = who("permission")
    ok[rows] = accounts["permitted"][rows, channel[rows]] == 1
    rows = rows[ok[rows]]
    accounts["permitted"][rows, channel[rows]] = 0
    accounts["refused_day"][rows, channel[rows]] = twin.day
    rows = who("account")
    people["alive"][rows] = 0
    accounts["is_open"][rows] = 0
    rows = who("need")
    ok[rows] = on[rows].max(axis=1) > 0.0
    rows = rows[ok[rows]]
    people["need"][rows, in_need[rows]] = NEED_OFF
    people["need_left"][rows, in_need[rows]] = 0
    people["interest"][rows, in_need[rows]] = 0.0
    return ok


@njit(cache=True)
def _add_hazards(people, q, weight, out):
    for i in range(people.size):
        if people[i].alive == 1:
            out[i] += weight * closure_hazard(people[i], q)


def _future(
    world: World, policy: LadderPolicy, key: int, days: int, is_placebo: bool, at_rest: WorldState
) -> tuple[Floats, Floats]:
    """Return each person's discounted expected margin of the coming days, CNY, and chance to close; by true row.

    The account does not close by choice meanwhile; the chance is what its hazards add up to.
    """
    # From here on they live with a luck of their own, which is nobody else's.
    world = world.fork(luck=key)
    weights = discount_ppm(days, DISCOUNT) / PPM
    total, hazard = np.zeros((2, world.n))
    step = [0]
    q = world.rules.parameter.copy()
    world.rules.parameter["closure_rate"] = 0.0

    def meter(state: WorldState) -> None:
        total[:] += state.people["expected_mfen"] * weights[step[0]]
        _add_hazards(state.people, q[0], weights[step[0]], hazard)
        step[0] += 1

    run = hooked(world, is_placebo=is_placebo, meter=meter, at_rest=at_rest)
    run.play(copy.deepcopy(policy), days, reset=False)
    return total / MFEN_PER_CNY, hazard
