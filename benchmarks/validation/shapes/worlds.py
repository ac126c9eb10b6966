"""Worlds to experiment on, made out of a burned-in one: without caps, played in parts."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from cardarena.benchmarks.gathering import gathered
from cardarena.benchmarks.validation.lab import Lab
from cardarena.simulator.behaviour.census import STATE_MEASURES
from cardarena.simulator.contracts import Policy
from cardarena.simulator.log import RunLog
from cardarena.simulator.names import N_CHANNELS, Kind
from cardarena.simulator.world import World


class KeptLog(RunLog):
    """A run's log that keeps the census, and the events of a few kinds only: small enough for many runs at once."""

    def __init__(self, world: World, kinds: Iterable[Kind] = ()) -> None:
        """Take the world to be logged, as it is before the first day, and the kinds of events to keep."""
        super().__init__(traits=world.traits)
        self._kinds = [int(kind) for kind in kinds]
        self.n, self.first_day = world.n, world.day

    def append(
        self, events: Iterable[np.ndarray], decisions: np.ndarray | None, census: np.ndarray | None
    ) -> None:
        """Keep what was asked for of a day's rows."""
        super().append([rows[np.isin(rows["kind"], self._kinds)] for rows in events], None, census)

    def daily(self, measure: str) -> np.ndarray:
        """Return a summed measure of the census by day, shape (days,)."""
        days, table, own = self._measure(measure)
        return np.bincount(days, table["count"][own])

    def level(self, measure: str, bins: float) -> np.ndarray:
        """Return the mean of a measure that the census keeps as a histogram, by day, shape (days,).

        Args:
            measure: `annoyance`, `satisfaction`, `trust`, `wallet`.
            bins: bins to one unit of the measure; the mean is that of the bins' middles.
        """
        days, table, own = self._measure(measure)
        count = table["count"][own]
        return np.bincount(days, count * (table["bin"][own] + 0.5) / bins) / np.bincount(days, count)

    def counts(self, name: str, period: int, keep: Any = None, weight: str = "") -> np.ndarray:
        """Return how many rows of a table fall into each period of so many days, shape (whole periods,).

        Args:
            name: table whose kind was kept.
            period: days.
            keep: takes the table, returns a mask; all rows by default.
            weight: a column to be summed in place of counting.
        """
        table = self.table(name)
        chosen = np.ones(table["day"].size, dtype=bool) if keep is None else keep(table)
        at = (table["day"][chosen] - self.first_day) // period
        weights = table[weight][chosen] if weight else None
        return np.bincount(at, weights, minlength=self.n_days // period)

    @property
    def n_days(self) -> int:
        """Days logged so far."""
        return int(self.table("state_daily")["day"].max()) - self.first_day + 1

    def _measure(self, measure: str) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
        table = self.table("state_daily")
        own = table["measure"] == STATE_MEASURES.index(measure)
        return table["day"][own] - self.first_day, table, own


def branch(world: World) -> World:
    """Return an independent world in the same state and under the same rules, whatever an experiment made of them."""
    made = world.fork()
    made.rules.compliance[:], made.rules.parameter[:] = world.rules.compliance, world.rules.parameter
    return made


def uncapped(lab: Lab, seed: int, n_people: int) -> World:
    """Return a fork of the burned-in world, its first people only, in which the bank has lifted its own frequency caps."""
    world = lab.world(seed)
    made = gathered(world, np.arange(min(n_people, world.n)))
    compliance = made.rules.compliance
    for name in ("cap_day", "cap_week", "cap_month"):
        compliance[name] = -1
    compliance["cap_channel_week"] = np.full(N_CHANNELS, -1)
    return made


def played(
    world: World, parts: Sequence[tuple[Policy, int]], kinds: Iterable[Kind] = ()
) -> tuple[World, KeptLog]:
    """Play policies one after the other in a branch of the world; return the branch and its log.

    Args:
        world: it stays as it is.
        parts: policies, and the days of each.
        kinds: events to keep.
    """
    made = branch(world)
    log = KeptLog(made, kinds)
    for policy, days in parts:
        made.play(policy, days, sink=log)
    return made, log
