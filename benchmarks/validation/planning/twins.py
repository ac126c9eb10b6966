"""What a unit of each stock is worth: paired twins on training seeds, and the shadow prices fitted to them.

At a fork day the world is copied twice. In one copy every person has one stock pushed by a known amount, a random stock for
each, so that one pair of copies asks about all of them; people do not interact, so a person's difference is the push's own.
Both copies go on under the same policy with the same luck, a luck that is independent of the run's, and the difference of
their *expected* daily margins, discounted over the look-ahead and divided by the push, is a noisy reading of the stock's shadow
price. Closures by choice are not drawn in the twins, since one of them would drown all else: their hazard is charged instead. Readings are regressed on what the state says (`agents.planning.TERMS`), each weighed by how much the person is worth.
"""

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit

from cardarena.agents.arms import BY_CATEGORY, BY_CHANNEL, STOCKS
from cardarena.agents.effects import ridge
from cardarena.agents.planning import TERMS, LadderPolicy, Lookout, Outlook, Rule, design
from cardarena.benchmarks.run_tables import MFEN_PER_CNY, PPM, discount_ppm
from cardarena.benchmarks.validation.planning.worlds import DISCOUNT, could_reach, deal_stocks, hooked
from cardarena.simulator.behaviour.life import closure_hazard
from cardarena.simulator.behaviour.person import NEED_OFF, NEED_ON
from cardarena.simulator.contracts import Floats, Ints
from cardarena.simulator.names import N_CATEGORIES
from cardarena.simulator.oracle import Truth
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
#: Share of people whose stocks are left alone.
ALONE: Final = 0.1
#: A stock's prices are believed by the share 1 - DOUBT / F, F the ratio of what they explain to what luck would: none at 3.
DOUBT: Final = 3.0
#: What is lost for good is missed for so long: half of a year's horizon, and part of the run-out.
LASTING_DAYS: Final = 240
#: Penalty of each slope, in rows; prior 0.
PENALTY: Final = 30.0


@dataclass
class Readings:
    """Twin differences, one row a pushed person.

    Attributes:
        stock: shape (rows,), index of `STOCKS`.
        price: shape (rows,), difference over push, CNY per unit of the stock.
        scale: shape (rows,), how much the person is worth, for the weight of the row.
        terms: shape (rows, most terms), the columns of `TERMS`, zero-padded.
        chosen: shape (rows,), category or channel that was pushed, or -1.
    """

    stock: Ints
    price: Floats
    scale: Floats
    terms: Floats
    chosen: Ints

    @classmethod
    def joined(cls, parts: Sequence["Readings"]) -> "Readings":
        """Return several readings as one."""
        return cls(*(np.concatenate([getattr(p, f) for p in parts]) for f in cls.__dataclass_fields__))


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
    is_placebo: bool = False,
) -> Readings:
    """Play a policy through a world and take readings on the fork days.

    Args:
        world: at day 0; forked, not changed.
        policy: plays, and goes on in the twins.
        fork_days: days after whose midnight twins are made, ascending.
        look_ahead: days that the twins live.
        is_placebo: whether stocks are dealt anew every midnight.
    """
    run = hooked(world.fork(), is_placebo=is_placebo)
    parts = []
    done = 0
    for number, day in enumerate(fork_days):
        run.play(policy, day - done, reset=done == 0, budget_mfen=-1)
        done = day
        parts.append(_read(run, policy, number, look_ahead, is_placebo))
    return Readings.joined(parts)


def _read(run: World, policy: LadderPolicy, number: int, look_ahead: int, is_placebo: bool) -> Readings:
    key = independent_key(run.seed, run.day, number)
    luck = np.random.Generator(np.random.Philox(key))
    generator = policy.generator
    truth = Truth(run.state, run.rules, run.order, 0)
    arms = generator.arms(truth, run.day, taken=policy.waiting, with_change=True)
    outlook = Lookout(generator).outlook(truth, arms, run.day)
    shares = np.array([*(SHARE[name] * (1.0 - ALONE) for name in STOCKS), ALONE])
    stock = luck.choice(len(STOCKS) + 1, run.n, p=shares)
    twin, plain = run.fork(), run.fork()
    chosen, ok = _push(twin, stock, generator.channels, luck)
    if is_placebo:
        # What a contact leaves is dealt away before it can act; so is the push, by the same cards.
        reach = could_reach(plain.state)
        deal_stocks(twin.state, reach)
        deal_stocks(plain.state, reach)
    # From here on both live with a luck of their own, which is nobody else's.
    base, base_hazard = _future(plain, policy, key, look_ahead, is_placebo)
    pushed, pushed_hazard = _future(twin, policy, key, look_ahead, is_placebo)
    view = run.order
    worth = np.maximum(base, 0.0) / look_ahead * LASTING_DAYS
    moved = pushed - base - (pushed_hazard - base_hazard) * worth
    # Where stocks are dealt, everybody's pushes reach everybody: that is no effect of one's own.
    moved -= moved[stock == len(STOCKS)].mean() if np.any(stock == len(STOCKS)) else 0.0
    step = np.array([*(PUSH[name] for name in STOCKS), 1.0])
    seen = np.append(_seen_share(run, look_ahead), 1.0)
    price = (moved / step[stock] / seen[stock])[view]
    asked = ok & (stock < len(STOCKS)) & (run.state.people["alive"] == 1)
    rows = np.flatnonzero(asked[view])
    return Readings(
        stock[view][rows],
        price[rows],
        (outlook.potential + 0.1 * outlook.chance + outlook.card)[rows],
        _terms(outlook, stock[view], chosen[view])[rows],
        chosen[view][rows],
    )


def _seen_share(world: World, days: int) -> Floats:
    """Return which share of each stock's whole effect falls into the look-ahead, shape (stocks,).

    A stock that decays by `keep` a night has left 1 - keep^days of its effect; what is lost for good is lost until the end.
    """
    q = world.rules.parameter[0]
    keep = {
        "load": q["load_keep"],
        "annoyance": q["annoyance_keep"],
        "blindness": q["blindness_keep"],
        "wear": q["wear_keep"],
        "awareness": q["awareness_keep"],
        "satisfaction": 1.0 - q["satisfaction_return"],
    }
    for_good = days / LASTING_DAYS
    return np.array([1.0 - keep[name] ** days if name in keep else for_good for name in STOCKS]) ** np.array(
        [0.0 if name == "need" else 1.0 for name in STOCKS]
    )


def _push(twin: World, stock: Ints, channels: Ints, luck: np.random.Generator) -> tuple[Ints, Any]:
    """Push each person's stock; return the category or channel that was pushed, and who could be pushed."""
    people, accounts = twin.state.people, twin.state.accounts
    n = twin.n
    chosen = np.full(n, -1, dtype=np.int64)
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
        chosen[rows] = category[rows]
        people[name][rows, category[rows]] += PUSH[name]
    rows = who("permission")
    chosen[rows] = channel[rows]
    ok[rows] = accounts["permitted"][rows, channel[rows]] == 1
    rows = rows[ok[rows]]
    accounts["permitted"][rows, channel[rows]] = 0
    accounts["refused_day"][rows, channel[rows]] = twin.day
    rows = who("account")
    people["alive"][rows] = 0
    accounts["is_open"][rows] = 0
    rows = who("need")
    ok[rows] = on[rows].max(axis=1) > 0.0
    chosen[rows] = in_need[rows]
    rows = rows[ok[rows]]
    people["need"][rows, in_need[rows]] = NEED_OFF
    people["need_left"][rows, in_need[rows]] = 0
    people["interest"][rows, in_need[rows]] = 0.0
    return chosen, ok


@njit(cache=True)
def _add_hazards(people, q, weight, out):
    for i in range(people.size):
        if people[i].alive == 1:
            out[i] += weight * closure_hazard(people[i], q)


def _future(
    world: World, policy: LadderPolicy, key: int, days: int, is_placebo: bool
) -> tuple[Floats, Floats]:
    """Return each person's discounted expected margin of the coming days, CNY, and chance to close; by true row.

    The account does not close by choice meanwhile; the chance is what its hazards add up to.
    """
    weights = discount_ppm(days, DISCOUNT) / PPM
    total, hazard = np.zeros((2, world.n))
    step = [0]
    q = world.rules.parameter.copy()
    world.rules.parameter["closure_rate"] = 0.0

    def meter(state: WorldState) -> None:
        total[:] += state.people["expected_mfen"] * weights[step[0]]
        _add_hazards(state.people, q[0], weights[step[0]], hazard)
        step[0] += 1

    world.state.seed = key
    hooked(world, is_placebo=is_placebo, meter=meter).play(copy.deepcopy(policy), days, reset=False)
    return total / MFEN_PER_CNY, hazard


def _terms(outlook: Outlook, stock: Ints, chosen: Ints) -> Floats:
    width = max(len(terms) for terms in TERMS.values())
    out = np.zeros((len(stock), width))
    for s, name in enumerate(STOCKS):
        rows = np.flatnonzero(stock == s)
        columns = design(name, outlook)
        one = columns[rows, chosen[rows]] if name in (*BY_CATEGORY, *BY_CHANNEL) else columns[rows]
        out[rows, : one.shape[1]] = one
    return out


@dataclass(frozen=True)
class Fit:
    """Shadow prices and how sure they are.

    Attributes:
        shadow: coefficients by stock, for `agents.planning.Rule`.
        constant: one price a stock, for the index policy.
        error: standard error of that one price.
        rows: readings by stock.
    """

    shadow: dict[str, tuple[float, ...]]
    constant: dict[str, tuple[float, ...]]
    error: dict[str, float]
    rows: dict[str, int]


def fit(readings: Readings) -> Fit:
    """Regress the readings of each stock on its terms; ridge towards nothing, rows weighed by the person's worth."""
    shadow, constant, error, rows = {}, {}, {}, {}
    for s, name in enumerate(STOCKS):
        mine = np.flatnonzero(readings.stock == s)
        rows[name] = len(mine)
        n_terms = len(TERMS[name])
        if len(mine) < 5 * n_terms:
            shadow[name], error[name] = (0.0,) * n_terms, 0.0
            continue
        y = _tamed(readings.price[mine])
        x = readings.terms[mine, :n_terms]
        # Readings scatter like what the person is worth.
        weight = 1.0 / np.maximum(readings.scale[mine], np.median(readings.scale[mine]))
        weight = weight / weight.mean()
        slopes = ridge(x, y, weight, PENALTY)
        slopes *= _belief(x, y, weight, slopes)
        shadow[name] = tuple(float(b) for b in slopes)
        spread = float(y.std(ddof=1))
        mean = float(y.mean())
        mean *= max(0.0, 1.0 - DOUBT * spread**2 / max(len(mine) * mean**2, 1e-12))
        if TERMS[name][-1] == "1":
            constant[name] = (*(0.0,) * (n_terms - 1), mean)
        error[name] = spread / np.sqrt(len(mine))
    return Fit(shadow, constant, error, rows)


def _belief(x: Floats, y: Floats, weight: Floats, slopes: Floats) -> float:
    """Return the share of the fitted prices that is believed: nothing where luck alone would explain as much."""
    k = x.shape[1]
    explained = float((weight * (x @ slopes) ** 2).sum()) / k
    left = float((weight * (y - x @ slopes) ** 2).sum()) / max(1, len(y) - k)
    return max(0.0, 1.0 - DOUBT * left / max(explained, 1e-12))


def _tamed(y: Floats, share: float = 0.001) -> Floats:
    """Return the readings with the outermost moved in: a twin now and then takes another life altogether."""
    low, high = np.quantile(y, [share, 1.0 - share])
    return np.clip(y, low, high)


def rule_of(
    name: str, shadow: dict[str, tuple[float, ...]], *, weight: float = 1.0, price: float = 0.0
) -> Rule:
    """Return the rule that plans with these shadow prices."""
    return Rule(name=name, price=price, weight=weight, shadow=shadow)
