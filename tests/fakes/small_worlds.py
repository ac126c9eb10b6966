"""Small worlds for tests of the simulator: quick to make, silent burn-in or none."""

from typing import Any

import numpy as np

from cardarena.simulator.behaviour.parameters import parameter_names
from cardarena.simulator.log import RunLog
from cardarena.simulator.names import RULES
from cardarena.simulator.scenario import Scenario, load_scenario
from cardarena.simulator.world import World

#: Every rule that a scenario may switch off.
ALL_OFF = {
    f"compliance.gates.{name}": False
    for name in RULES
    if name not in ("none", "budget", "unreachable", "closed")
}
NO_CAPS = {f"compliance.caps.{name}": None for name in ("day", "week", "month")}


def small_scenario(
    name: str = "baseline", overrides: dict[str, Any] | None = None, **dotted: Any
) -> Scenario:
    """Return a scenario without burn-in and without jitter; `dotted` keys use two underscores for a dot."""
    changes: dict[str, Any] = {
        "horizon.burn_in_days": 0,
        "horizon.burn_in_phases": None,
        "logged_history": False,
        "start_date_jitter_days": 0,
        **{key.replace("__", "."): value for key, value in dotted.items()},
        **(overrides or {}),
    }
    return load_scenario(name, changes, known_parameters=parameter_names())


def small_world(
    n: int = 200,
    seed: int = 7,
    *,
    name: str = "baseline",
    scheduler: str = "cohort",
    threads: int = 1,
    overrides: dict[str, Any] | None = None,
    **dotted: Any,
) -> World:
    """Return a world at day 0."""
    return World.create(
        small_scenario(name, overrides, **dotted), seed, n, scheduler=scheduler, threads=threads
    )


def stir(people: np.ndarray) -> None:
    """Tell the kernels that needs or interest were set by hand: no category rests."""
    people["stirred"] = 255


def rows_of(log: RunLog, keep: Any) -> dict[str, np.ndarray]:
    """Return every event and decision column restricted to the cardholders that `keep` (a mask by id) names."""
    out = {}
    for name in ("transactions", "visits", "contacts", "responses", "complaints", "consents", "decisions"):
        table = log.table(name)
        chosen = keep[table["cardholder"]]
        for column, values in table.items():
            out[f"{name}.{column}"] = values[chosen]
    return out


def same_rows(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    """Say whether two restrictions of logs are equal, value for value."""
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def total(log: RunLog, measure: str) -> int:
    """Return the sum of a census measure over the run."""
    from cardarena.simulator.behaviour.census import STATE_MEASURES

    table = log.table("state_daily")
    return int(table["count"][table["measure"] == STATE_MEASURES.index(measure)].sum())


def realised_mfen(log: RunLog, days: int) -> np.ndarray:
    """Return the realised margin of each day, milli-fen."""
    sums = np.zeros(days)
    for name in ("transactions", "contacts", "responses", "complaints", "consents", "cases"):
        table = log.table(name)
        sums += np.bincount(table["day"], table["value_mfen"], minlength=days)
    return sums
