"""The end of a day, looked at: a scheduler that stops a minute before midnight, and again just after it."""

from collections.abc import Callable, Generator
from typing import Any, Final

import numpy as np
import simpy

from cardarena.simulator.rules import Rules
from cardarena.simulator.schedulers import Scheduler
from cardarena.simulator.state import WorldState

#: Midnight clears the day's expectations, so a day is read one minute before; nothing but a default happens then, and that
#: is expected at midnight.
EVENING: Final = 1439
MIDNIGHT: Final = 1440

Look = Callable[[WorldState], None]


class Evening:
    """A scheduler that lets somebody look at the state in the evening, or change it after midnight.

    Each part of a day takes its own time on the clock, so that what runs beside the cardholders is not hurried.
    """

    def __init__(self, scheduler: Scheduler, look: Look | None = None, after: Look | None = None) -> None:
        """Stand before a scheduler.

        Args:
            scheduler: runs the people.
            look: gets the state of every evening, and may not change it.
            after: gets the state after every midnight, and may.
        """
        self._scheduler, self._look, self._after = scheduler, look, after

    def window(
        self,
        clock: simpy.Environment,
        state: WorldState,
        rules: Rules,
        today: np.ndarray,
        start: int,
        end: int,
    ) -> simpy.Event:
        """Advance everybody to minute `end`; see `schedulers.Scheduler`."""
        if end < MIDNIGHT:
            return self._scheduler.window(clock, state, rules, today, start, end)
        return clock.process(self._last(clock, state, rules, today, start))

    def _last(
        self, clock: simpy.Environment, state: WorldState, rules: Rules, today: np.ndarray, start: int
    ) -> Generator[simpy.Event, Any, list[np.ndarray]]:
        rows: list[np.ndarray] = []
        if self._look is not None:
            rows += yield self._scheduler.window(clock, state, rules, today, start, EVENING)
            self._look(state)
            start = EVENING
        rows += yield self._scheduler.window(clock, state, rules, today, start, MIDNIGHT)
        if self._after is not None:
            self._after(state)
        return rows
