"""Two schedulers of one behaviour model: `cohort` runs the whole population in compiled loops, `agent` one process a person."""

from typing import Protocol

import numpy as np
import simpy

from cardarena.simulator.errors import UnknownNameError
from cardarena.simulator.rules import Rules
from cardarena.simulator.state import WorldState

SCHEDULERS = ("cohort", "agent")


class Scheduler(Protocol):
    """What the world asks of a scheduler: advance everybody through one window, and hand back the rows."""

    def window(
        self,
        clock: simpy.Environment,
        state: WorldState,
        rules: Rules,
        today: np.ndarray,
        start: int,
        end: int,
    ) -> simpy.Event:
        """Advance to minute `end` of today; the event's value is the list of EVENT arrays."""
        ...


def make_scheduler(name: str, *, threads: int = 1, cardholder_kind: str = "standard") -> Scheduler:
    """Return the scheduler called `name`.

    Raises:
        UnknownNameError: neither `cohort` nor `agent`.
        SchedulerError: `cohort` was asked to run a kind of cardholder written in plain Python.
    """
    if name == "cohort":
        from cardarena.simulator.schedulers.cohort import CohortScheduler

        return CohortScheduler(threads=threads, cardholder_kind=cardholder_kind)
    if name == "agent":
        from cardarena.simulator.schedulers.agent import AgentScheduler

        return AgentScheduler(cardholder_kind=cardholder_kind)
    raise UnknownNameError("scheduler", name, SCHEDULERS)
