"""What an account is worth when the horizon cuts the journey: its run-out under the caretaker, from what a bank sees.

Without it the end of an episode would invite burning: goodwill, permissions and people that the horizon hides. The value is
a regression of the discounted expected margin of the run-out days on the columns of the observation, no latent field
among them, fitted on copies of the pool's worlds that lived under a mix of policies until the horizon.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cardarena.simulator.bank.features import FEATURE_INDEX, feature_columns
from cardarena.simulator.contracts import Floats, Ints
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
#: Weight of the squared coefficients as a share of the rows, the columns in their standard deviations.
_RIDGE: Final = 0.03


@dataclass(frozen=True)
class TerminalValue:
    """A linear form of the columns, zero for a closed account.

    Attributes:
        centre: shape (columns,), means of the columns.
        slope: shape (columns,), CNY per unit of a column.
        level: shape (worlds,), CNY at the means; the calendar of the run-out differs by world.
    """

    centre: Floats
    slope: Floats
    level: Floats

    def of(self, observations: np.ndarray, world: Ints) -> Floats:
        """Return the value of each account at the horizon, CNY, shape (m,).

        Args:
            observations: shape (m, columns), the feature function's columns first.
            world: shape (m,), position of each person's world in the pool.
        """
        x = observations[:, _OWN].astype(np.float64)
        # No matrix product: its last digits depend on how many rows are asked for at once.
        value = self.level[world] + ((x - self.centre) * self.slope).sum(axis=1)
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


def _fitted(pool: Pool, horizon: int, daily_discount: float) -> TerminalValue:
    columns, values, worlds = [], [], []
    for w, world in enumerate(pool.worlds):
        for name in MIX:
            run = world.fork()
            run.play(pool.make_policy(name), horizon)
            x = feature_columns(run.state.accounts, np.arange(run.n), run.today(run.day)).T
            is_open = x[:, _OPEN] > 0.0
            columns.append(x[is_open, _OWN].astype(np.float64))
            values.append(run_out(run, pool.make_policy, daily_discount)[is_open])
            worlds.append(np.full(values[-1].size, w))
    x, y, of_world = np.concatenate(columns), np.concatenate(values), np.concatenate(worlds)
    centre, spread = x.mean(axis=0), x.std(axis=0)
    moves = spread > 0.0
    z = (x[:, moves] - centre[moves]) / spread[moves]
    count = np.bincount(of_world).astype(np.float64)
    level = np.bincount(of_world, y) / count
    # Within worlds: what differs between their means is the calendar's.
    z_level = np.stack([np.bincount(of_world, column) / count for column in z.T], axis=1)
    z = z - z_level[of_world]
    solved = np.linalg.solve(z.T @ z + _RIDGE * y.size * np.eye(z.shape[1]), z.T @ (y - level[of_world]))
    slope = np.zeros(centre.size)
    slope[moves] = solved / spread[moves]
    return TerminalValue(centre, slope, level - z_level @ solved)
