"""Trainings small enough for a test."""

from pathlib import Path
from typing import Any

import numpy as np

from cardarena.agents.rl.card import Observation
from cardarena.agents.rl.folder import read_agent
from cardarena.agents.rl.settings import AGENTS, TrainingSettings

SMALL: dict[str, Any] = {
    "steps": 384,
    "evaluate_every": 128,
    "lanes": 16,
    "rollout": 8,
    "epochs": 2,
    "batches": 2,
    "cardholders": 40,
    "world_seeds": (1001,),
    "evaluated": 8,
    "horizon": 10,
    "layers": (8, 8),
    "prior": 0.3,
    "decision_every": 1,
}


#: What an agent has otherwise.
OWN: dict[str, dict[str, Any]] = {"sac": {"lanes": 4}}


def settings_of(agent: str = "maskable_ppo", **changes: Any) -> TrainingSettings:
    used = {name: value for name, value in SMALL.items() if name not in AGENTS[agent].unused}
    return TrainingSettings.of(agent, **{**used, **OWN.get(agent, {}), **changes})


def weights(folder: Path) -> dict[str, np.ndarray]:
    return dict(read_agent(folder).tensors)


def equal(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return set(a) == set(b) and all(np.array_equal(a[name], b[name]) for name in a)


def lanes_of(
    frames: int = 1,
    is_flat: bool = False,
    n: int = 12,
    scenario: str = "baseline",
    cardholders: int = 40,
    **settings: Any,
) -> Any:
    from cardarena.agents.environments import make_pool
    from cardarena.agents.rl.sb3.lanes import Lanes, columns_for
    from cardarena.simulator.envs.shell import Shell

    pool = make_pool(scenario, n_cardholders=cardholders, world_seeds=(1001,))
    shell = Shell(pool, n, terminal_value=False, offer_features=False, horizon=10, **settings)
    columns = columns_for(sees_end=False, has_price=False)
    return Lanes(shell, Observation(columns=columns, frames=frames), is_flat=is_flat)
