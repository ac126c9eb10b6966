"""The one registry of metrics: what each is called, what it means, and the function that computes it.

Documentation, report and leaderboard are generated from these entries; nothing is said about a metric elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from cardarena.benchmarks.facts import Facts

Direction = Literal["higher", "lower", "neither"]

#: Groups in the order in which they are shown.
GROUPS: Final = ("value", "contact", "customer", "compliance", "fairness")

TOTAL_EFFECT: Final = (
    "Total effect: the world under the policy against the silent world, both under the caretaker later."
)
DESCRIPTIVE: Final = "Descriptive of the run; not an effect."


@dataclass(frozen=True)
class Metric:
    """One number of a run.

    Attributes:
        name: the registry name.
        title: a short title for a table or an axis.
        formula: how it is computed, in words and symbols.
        unit: unit of the number.
        direction: whether higher or lower is better, or neither.
        group: one of `GROUPS`.
        estimand: what quantity it stands for.
        compute: the function of a run beside its silent arm; None for what only pairing of runs can give.
    """

    name: str
    title: str
    formula: str
    unit: str
    direction: Direction
    group: str
    estimand: str
    compute: Callable[[Facts], float] | None


#: What the modules of formulas registered, by name; `cardarena.benchmarks.metrics.METRICS` has them all, in order.
REGISTERED: Final[dict[str, Metric]] = {}


def register(
    name: str,
    title: str,
    formula: str,
    unit: str,
    direction: Direction,
    group: str,
    compute: Callable[[Facts], float] | None,
    estimand: str = DESCRIPTIVE,
) -> None:
    """Add a metric; see `Metric` for the arguments.

    Raises:
        ValueError: the name is taken or the group does not exist.
    """
    if name in REGISTERED or group not in GROUPS:
        raise ValueError(
            f"metric {name!r}: expected a new name and a group of {GROUPS}, found group {group!r}"
        )
    REGISTERED[name] = Metric(name, title, formula, unit, direction, group, estimand, compute)
