# pyright: reportMissingImports=false
"""How much of PPO's speed the environment leaves it: PPO on journeys beside PPO on an environment that does nothing."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from cardarena.agents.environments import make_pool
from cardarena.agents.rl.card import Observation
from cardarena.agents.rl.sb3.lanes import Lanes, columns_for
from cardarena.agents.rl.sb3.online import Learner, Ppo
from cardarena.agents.rl.settings import TrainingSettings
from cardarena.simulator.envs.pool import Pool
from cardarena.simulator.envs.shell import Shell


class IdleLanes(Lanes):
    """Lanes of the same spaces on which nothing happens: the same inputs every time, no reward and no end."""

    def step_wait(self) -> Any:
        """Return what was there."""
        n = self.num_envs
        return self._inputs, np.zeros(n, dtype=np.float32), np.zeros(n, dtype=np.bool_), [{}] * n


def measure(
    *,
    scenario: str = "baseline",
    cardholders: int = 2000,
    lanes: int = 2048,
    decision_every: int = 1,
    rollout: int = 16,
    repeats: int = 3,
    reward: str = "gross",
    tell: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Measure PPO on journeys and on nothing, one update each in turns.

    The share that is left is that of CPU time, which other work on the machine stretches far less than the clock's; both of a
    pair come right after each other and in changing order, so that what it does stretch falls on both. One thread of PyTorch:
    several wait for each other, and where other work takes the cores, all the time.

    Args:
        scenario: the scenario.
        cardholders: people of the pool.
        lanes: journeys at once.
        decision_every: days a step.
        rollout: steps of each lane in an update.
        repeats: pairs, after one for warmth.
        reward: form of the reward.
        tell: told of each pair.

    Returns:
        Medians over the pairs: `steps_per_second` by the clock and `cpu_microseconds` a step, each also `..._on_nothing`, and
        `share`, CPU time on nothing over that on journeys.
    """
    pool = make_pool(scenario, n_cardholders=cardholders)
    settings = TrainingSettings.of(
        "ppo", lanes=lanes, rollout=rollout, decision_every=decision_every, reward=reward, steps=1
    )
    kept = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        learners = [_learner(kind, pool, settings) for kind in (Lanes, IdleLanes)]
        pairs = []
        for turn in range(repeats + 1):
            order = learners if turn % 2 else learners[::-1]
            took = {learner: _seconds(learner, rollout * lanes, turn) for learner in order}
            pairs.append([took[learner] for learner in learners])
            rates = [rollout * lanes / clock for clock, _ in pairs[-1]]
            tell(f"pair {turn} of {repeats}: {rates[0]:,.0f} steps/s on journeys, {rates[1]:,.0f} on nothing")
    finally:
        torch.set_num_threads(kept)
    seconds = np.array(pairs[1:])  # the first is for warmth
    clock, cpu = np.median(seconds, axis=0).T
    steps = rollout * lanes
    return {
        "lanes": lanes,
        "reward": reward,
        "decision_every": decision_every,
        "repeats": repeats,
        "steps_per_second": round(steps / clock[0]),
        "steps_per_second_on_nothing": round(steps / clock[1]),
        "cpu_microseconds": round(cpu[0] / steps * 1e6, 2),
        "cpu_microseconds_on_nothing": round(cpu[1] / steps * 1e6, 2),
        "share": round(float(np.median(seconds[:, 1, 1] / seconds[:, 0, 1])), 3),
    }


def _learner(kind: type[Lanes], pool: Pool, settings: TrainingSettings) -> Learner:
    shell = Shell(
        pool,
        settings.lanes,
        terminal_value=False,
        offer_features=False,
        reward=settings.reward,
        decision_every=settings.decision_every,
    )
    lanes = kind(shell, Observation(columns=columns_for(sees_end=False, has_price=False)))
    lanes.warm_up(0)
    return Ppo(settings, lanes)


def _seconds(learner: Learner, steps: int, seed: int) -> tuple[float, float]:
    """Return the seconds that some steps of learning took, by the clock and of CPU."""
    began, cpu = time.perf_counter(), time.process_time()
    learner.teach(steps, seed, 1e-4)
    return time.perf_counter() - began, time.process_time() - cpu
