"""Everybody in one world: what each person came to, and the numbers of the run that limits are about."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from cardarena.agents.registry import make_policy
from cardarena.benchmarks.learning.reading import made
from cardarena.benchmarks.metrics import RunFacts, run_metrics
from cardarena.benchmarks.run_tables import MFEN_PER_CNY, PPM, discount_ppm
from cardarena.benchmarks.validation.planning.worlds import DISCOUNT, hooked
from cardarena.simulator.contracts import Policy
from cardarena.simulator.state import WorldState
from cardarena.simulator.world import World

SILENT: Final = "silent"
KEPT: Final = (
    "inv_expected",
    "contacts_per_head_month",
    "marketing_complaints_expected",
    "opt_out_share",
    "breaches",
)


def play_all(
    scenario: str,
    seed: int,
    specs: Mapping[str, str],
    n_cardholders: int,
    *,
    days: int | None = None,
    run_out_days: int | None = None,
) -> dict[str, tuple[np.ndarray, dict[str, float]]]:
    """Play policies in one world, each from the same day 0 with the same luck; and nobody, before them.

    Args:
        scenario: name of the scenario.
        seed: of the world.
        specs: what each policy is made of (`reading.made`), by what it is called here.
        n_cardholders: people.
        days: decision days; the scenario's by default.
        run_out_days: days under the caretaker after them; the scenario's by default.

    Returns:
        For each, and for `silent`: discounted expected margin of each person open on day 0, CNY, shape (people,), and the
        metrics `KEPT`.
    """
    world = World.create(scenario, seed, n_cardholders, threads=1).burn_in(make_policy)
    sizes = days, run_out_days
    value, silent = _play(world, make_policy(SILENT), *sizes)
    found = {SILENT: (value, _metrics(silent, silent))}
    for name, spec in specs.items():
        value, facts = _play(world, made(spec), *sizes)
        found[name] = value, _metrics(facts, silent)
    return found


def _metrics(facts: RunFacts, silent: RunFacts) -> dict[str, float]:
    every = run_metrics(facts, silent)
    return {name: every[name] for name in KEPT}


def _play(
    world: World, policy: Policy, days: int | None, run_out_days: int | None
) -> tuple[np.ndarray, RunFacts]:
    horizon = world.scenario.horizon
    days = horizon.days if days is None else days
    run_out_days = horizon.run_out_days if run_out_days is None else run_out_days
    weights = discount_ppm(days + run_out_days, DISCOUNT)
    person, lived = np.zeros(world.n), [0]

    def meter(state: WorldState) -> None:
        person[:] += state.people["expected_mfen"] * (weights[lived[0]] / PPM)
        lived[0] += 1

    run = hooked(world.fork(), meter=meter)
    was_open = run.state.people["alive"] == 1
    log: Any = run.run(
        policy, days, run_out_policy=make_policy(horizon.run_out_policy), run_out_days=run_out_days
    )
    return person[was_open] / MFEN_PER_CNY, RunFacts(log)
