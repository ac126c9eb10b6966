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
from cardarena.agents.rl.sb3.learners import Learner, Ppo
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
    threads: int = 1,
    tell: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Return steps per second of PPO on journeys and on nothing, one update each in turns; medians.

    Both of a pair are measured within seconds of each other and in changing order, so that whatever else the machine does
    falls on both; the share is the median of the pairs'.

    Args:
        scenario: the scenario.
        cardholders: people of the pool.
        lanes: journeys at once.
        decision_every: days a step.
        rollout: steps of each lane in an update.
        repeats: pairs, after one for warmth.
        reward: form of the reward.
        threads: of PyTorch. On a busy machine several wait for each other all the time.
        tell: told of each pair.
    """
    pool = make_pool(scenario, n_cardholders=cardholders)
    settings = TrainingSettings.of(
        "ppo", lanes=lanes, rollout=rollout, decision_every=decision_every, reward=reward, steps=1
    )
    kept = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        learners = [_learner(kind, pool, settings) for kind in (Lanes, IdleLanes)]
        pairs = []
        for turn in range(repeats + 1):
            order = learners if turn % 2 else learners[::-1]
            seconds = {learner: _seconds(learner, rollout * lanes, turn) for learner in order}
            pairs.append([rollout * lanes / seconds[learner] for learner in learners])
            tell(
                f"pair {turn} of {repeats}: {pairs[-1][0]:,.0f} steps/s on journeys, {pairs[-1][1]:,.0f} on nothing"
            )
    finally:
        torch.set_num_threads(kept)
    own, nothing = np.array(pairs[1:]).T  # the first is for warmth
    return {
        "lanes": lanes,
        "reward": reward,
        "threads": threads,
        "repeats": repeats,
        "steps_per_second": round(float(np.median(own))),
        "steps_per_second_on_nothing": round(float(np.median(nothing))),
        "share": round(float(np.median(own / nothing)), 3),
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


def _seconds(learner: Learner, steps: int, seed: int) -> float:
    began = time.perf_counter()
    learner.teach(steps, seed, 1e-4)
    return time.perf_counter() - began
