"""The registry of measurements: which function measures which target, as its source measured it."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.sampling import Estimate
from cardarena.simulator.errors import CardArenaError


@dataclass(frozen=True)
class Measured:
    """A value for one component of a target; `component` as in `data/targets.csv`, "" where it has only one."""

    component: str
    value: float
    standard_error: float = math.nan
    note: str = ""

    @classmethod
    def of(cls, component: str, estimate: Estimate, note: str = "") -> "Measured":
        """Return an estimate as the value of a component."""
        return cls(component, estimate.value, estimate.error, note)


Measure = Callable[[Lab], Iterable[Measured]]
_MEASURES: dict[str, Measure] = {}


def measures(*targets: str) -> Callable[[Measure], Measure]:
    """Register a function for one target, or for several that it measures together.

    A function for several targets yields components named `C4:generic`, that is with the target before a colon.
    """

    def register(function: Measure) -> Measure:
        for target in targets:
            if target in _MEASURES:
                raise CardArenaError(f"target {target!r} has two measurements")
            _MEASURES[target] = function
        return function

    return register


def measure_of(target: str) -> Measure:
    """Return the measurement of a target.

    Raises:
        CardArenaError: nobody measures it.
    """
    if target not in _MEASURES:
        raise CardArenaError(f"target {target!r} has no measurement; known: {', '.join(sorted(_MEASURES))}")
    return _MEASURES[target]
