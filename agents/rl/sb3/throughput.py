# pyright: reportMissingImports=false
"""How much of PPO's speed the environment leaves it: PPO on journeys beside PPO on an environment that does nothing."""

import statistics
import time
from typing import Any

import numpy as np

from cardarena.agents.environments import make_pool
from cardarena.agents.rl.card import Observation
from cardarena.agents.rl.sb3.lanes import Lanes, columns_for
from cardarena.agents.rl.sb3.learners import Ppo
from cardarena.agents.rl.settings import TrainingSettings
from cardarena.simulator.envs.shell import Shell


class IdleLanes(Lanes):
    """Lanes of the same spaces on which nothing happens: the same inputs every time, no reward and no end."""

    def step_wait(self) -> Any:
        """Return what was there."""
        nothing = np.zeros(self.num_envs, dtype=np.float32)
        return self._inputs, nothing, np.zeros(self.num_envs, dtype=np.bool_), self._infos


def measure(
    *,
    scenario: str = "baseline",
    cardholders: int = 2000,
    lanes: int = 2048,
    decision_every: int = 1,
    rollout: int = 16,
    updates: int = 1,
    repeats: int = 3,
    reward: str = "gross",
) -> dict[str, Any]:
    """Return steps per second of PPO on journeys and on nothing, taken in turns; medians.

    Args:
        scenario: the scenario.
        cardholders: people of the pool.
        lanes: journeys at once.
        decision_every: days a step.
        rollout: steps of each lane between two updates.
        updates: rollouts in a measurement.
        repeats: measurements.
        reward: form of the reward.
    """
    pool = make_pool(scenario, n_cardholders=cardholders)
    settings = TrainingSettings.of(
        "ppo", lanes=lanes, rollout=rollout, decision_every=decision_every, reward=reward, steps=1
    )
    learners = {}
    for name, kind in (("journeys", Lanes), ("nothing", IdleLanes)):
        shell = Shell(
            pool,
            lanes,
            terminal_value=False,
            offer_features=False,
            reward=reward,
            decision_every=decision_every,
        )
        own = kind(shell, Observation(columns=columns_for(sees_end=False, has_price=False)))
        own.warm_up(0)
        learners[name] = Ppo(settings, own)
    rates: dict[str, list[float]] = {name: [] for name in learners}
    for turn in range(repeats + 1):
        for name, learner in learners.items():
            began = time.perf_counter()
            learner.teach(updates * rollout * lanes, turn, 1e-4)
            if turn:  # the first is for warmth
                rates[name].append(updates * rollout * lanes / (time.perf_counter() - began))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "lanes": lanes,
        "reward": reward,
        "steps_per_second": round(medians["journeys"]),
        "steps_per_second_on_nothing": round(medians["nothing"]),
        "share": round(
            statistics.median(a / b for a, b in zip(rates["journeys"], rates["nothing"], strict=True)), 3
        ),
    }
