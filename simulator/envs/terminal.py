"""What an account is worth when the horizon cuts the journey: its run-out under the caretaker, from what a bank sees.

Without it the end of an episode would invite burning: goodwill, permissions and people that the horizon hides. The value is
a ridge regression of the discounted expected margin of the run-out days on the columns of the observation, no latent field
among them, fitted on copies of the pool's worlds that lived under a mix of policies until the horizon. The ridge is chosen by
cross-validation over people, which also says how precise the value is.

An agent will live otherwise than the mix: it puts contacts where nobody there put them. So the value reads how many contacts
there were and how long ago, not by which channel and about what, whose slopes are noise that such a policy would multiply.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cardarena.simulator.bank.features import FEATURE_INDEX, FEATURES, feature_columns
from cardarena.simulator.contracts import Bools, Floats, Ints
from cardarena.simulator.envs.pool import Pool
from cardarena.simulator.schedulers.evening import Evening
from cardarena.simulator.state import WorldState
from cardarena.simulator.world import World

#: Under which policies the worlds of the fit live until the horizon: from nothing to far too much.
MIX: Final = ("silent", "status_quo", "blast", "random")
_CNY: Final = 1e-5
_OPEN: Final = FEATURE_INDEX["is_open"]
#: The calendar's columns, the last ones, are the same for everybody.
_OWN: Final = slice(0, FEATURE_INDEX["weekday"])
#: Weights of the squared coefficients to choose from, as shares of the rows, the columns in their standard deviations.
RIDGES: Final = tuple(10.0 ** (k / 2) for k in range(-8, 1))
_FOLDS: Final = 5
#: Beginnings of the names of columns that split contacts by channel and category; the value does not read them.
_SPLIT: Final = ("contacts_7d_", "days_since_contact_", "category_contacts_")
_READ: Final = np.array([not name.startswith(_SPLIT) for name in FEATURES[_OWN]])


@dataclass(frozen=True)
class TerminalValue:
    """A linear form of the columns, zero for a closed account.

    Attributes:
        centre: shape (columns,), means of the columns.
        slope: shape (columns,), CNY per unit of a column.
        level: shape (worlds,), CNY at the means; the calendar of the run-out differs by world.
        ridge: weight of the squared coefficients, of `RIDGES`.
        error: standard error of the mean value of an account as a share of it, from people left out of the fit; infinite
            for a pool of one person. It falls with the root of the number of people.
    """

    centre: Floats
    slope: Floats
    level: Floats
    ridge: float
    error: float

    def of(self, observations: np.ndarray, world: Ints) -> Floats:
        """Return the value of each account at the horizon, CNY, shape (m,).

        Args:
            observations: shape (m, columns), the feature function's columns first.
            world: shape (m,), position of each person's world in the pool.
        """
        value = _values(self.centre, self.slope, self.level, observations[:, _OWN].astype(np.float64), world)
        return np.where(observations[:, _OPEN] > 0.0, value, 0.0)


def terminal_value(pool: Pool, horizon: int, daily_discount: float) -> TerminalValue:
    """Return the pool's terminal value at a horizon, fitted when first asked for."""
    key = (horizon, daily_discount)
    if key not in pool.values:
        pool.values[key] = _fitted(pool, horizon, daily_discount)
    return pool.values[key]


def run_out(world: World, make_policy: Any, daily_discount: float) -> Floats:
    """Return each person's discounted expected margin of the run-out under its policy, CNY, shape (n,).

    Args:
        world: at the end of its decision days; forked, not changed.
        make_policy: makes a policy from its name.
        daily_discount: weight of a day over that of the day before; the first day weighs 1.
    """
    run = world.fork()
    total = np.zeros(run.n)
    first = run.day

    def look(state: WorldState) -> None:
        total[:] += state.people["expected_mfen"] * (_CNY * daily_discount ** (state.day - first))

    run.scheduler = Evening(run.scheduler, look)
    horizon = run.scenario.horizon
    run.play(make_policy(horizon.run_out_policy), horizon.run_out_days)
    return total


def fitted(x: Floats, y: Floats, world: Ints, person: Ints, reads: Bools | None = None) -> TerminalValue:
    """Return the linear form that fits best to people whom it was not fitted on.

    Args:
        x: shape (m, columns), of open accounts.
        y: shape (m,), what each was worth, CNY.
        world: shape (m,), position of each row's world in the pool.
        person: shape (m,), number of each row's person; copies of one are never told apart by the folds.
        reads: shape (columns,), which columns it may read; all by default.
    """
    reads = np.ones(x.shape[1], dtype=np.bool_) if reads is None else reads
    _, who = np.unique(person, return_inverse=True)
    n = int(who.max()) + 1
    ridge, error = RIDGES[-1], np.inf
    if n > 1:
        fold = who % min(_FOLDS, n)
        misses = np.zeros((len(RIDGES), y.size))
        for k in range(fold.max() + 1):
            out = fold == k
            for j, form in enumerate(_forms(x[~out], y[~out], world[~out], world.max() + 1, RIDGES, reads)):
                misses[j, out] = y[out] - _values(*form, x[out], world[out])
        best = int((misses**2).sum(axis=1).argmin())
        ridge = RIDGES[best]
        own = np.bincount(who, misses[best]) / np.bincount(who)
        error = float(own.std() / np.sqrt(n) / abs(y.mean()))
    return TerminalValue(*_forms(x, y, world, world.max() + 1, (ridge,), reads)[0], ridge, error)


def _fitted(pool: Pool, horizon: int, daily_discount: float) -> TerminalValue:
    columns, values, worlds, people = [], [], [], []
    for w, world in enumerate(pool.worlds):
        for name in MIX:
            run = world.fork()
            run.play(pool.make_policy(name), horizon)
            x = feature_columns(run.state.accounts, np.arange(run.n), run.today(run.day)).T
            is_open = x[:, _OPEN] > 0.0
            columns.append(x[is_open, _OWN].astype(np.float64))
            values.append(run_out(run, pool.make_policy, daily_discount)[is_open])
            worlds.append(np.full(values[-1].size, w))
            people.append(w * pool.n + np.flatnonzero(is_open))
    x, y, world, person = (np.concatenate(part) for part in (columns, values, worlds, people))
    return fitted(x, y, world, person, _READ)


def _forms(
    x: Floats, y: Floats, world: Ints, n_worlds: int, ridges: Sequence[float], reads: Bools
) -> list[tuple[Floats, Floats, Floats]]:
    """Return centre, slope and level of the ridge regression within worlds, for each ridge."""
    centre, spread = x.mean(axis=0), x.std(axis=0)
    moves = (spread > 0.0) & reads
    z = (x[:, moves] - centre[moves]) / spread[moves]
    count = np.maximum(1, np.bincount(world, minlength=n_worlds)).astype(np.float64)
    level = np.bincount(world, y, n_worlds) / count
    # Within worlds: what differs between their means is the calendar's.
    z_level = np.stack([np.bincount(world, column, n_worlds) / count for column in z.T], axis=1)
    z = z - z_level[world]
    squares, products = z.T @ z, z.T @ (y - level[world])
    forms = []
    for ridge in ridges:
        solved = np.linalg.solve(squares + ridge * y.size * np.eye(products.size), products)
        slope = np.zeros(centre.size)
        slope[moves] = solved / spread[moves]
        forms.append((centre, slope, level - z_level @ solved))
    return forms


def _values(centre: Floats, slope: Floats, level: Floats, x: Floats, world: Ints) -> Floats:
    # No matrix product: its last digits depend on how many rows are asked for at once.
    return level[world] + ((x - centre) * slope).sum(axis=1)
