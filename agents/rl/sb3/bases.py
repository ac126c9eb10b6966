# pyright: reportMissingImports=false
"""Whole bases as a Stable-Baselines3 `VecEnv` made for learning: encoded inputs, scaled rewards, episodes in step.

An episode has a fixed length, so that all lanes end together. Training goes by whole episodes, and a checkpoint between two
of them needs nothing of the worlds.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from cardarena.agents.rl.card import DAYS_LEFT, Column, Observation
from cardarena.agents.rl.encoding import Encoder, scaled
from cardarena.simulator.envs.campaign import CampaignEnv

_LONG_END = ("_per_1000", "_cny", "_cny_per_head")


def campaign_columns(names: Sequence[str], *, sees_end: bool) -> tuple[Column, ...]:
    """Return the inputs of an agent before they are scaled: counts and money by `log1p`, the rest as it is.

    Args:
        names: of the observation's entries.
        sees_end: whether the share of the horizon that is left is an input.
    """
    return tuple(
        Column(name=name, transform="log1p" if name.endswith(_LONG_END) else "identity")
        for name in names
        if sees_end or name != DAYS_LEFT
    )


class Bases(VecEnv):
    """Some campaigns in step, seen and rewarded as a trainer wants it.

    States: made -> `warm_up` (freezes the scaling) -> `begin` -> in training, episode by episode.

    Attributes:
        envs: the environments.
        observation: what the network is given, scaling included once warm.
        bootstraps: whether an episode cut by the horizon says so, for the critic to value what comes after.
        reward_scale: CNY a head that count as 1.
        harm_price: nothing is charged for harm here.
        episode: steps of an episode.
    """

    harm_price = 0.0

    def __init__(self, envs: Sequence[CampaignEnv], observation: Observation, *, bootstraps: bool) -> None:
        """Take environments that are alike."""
        self.envs, self.observation, self.bootstraps = list(envs), observation, bootstraps
        self.reward_scale = 1.0
        self.episode = -(-envs[0].horizon // envs[0].decision_every)
        self.render_mode = None
        self._set(observation)
        self.take_counts()
        super().__init__(
            len(self.envs),
            spaces.Box(-observation.clip, observation.clip, (self._encoder.width,), np.float32),
            envs[0].action_space,
        )

    def warm_up(self, seed: int) -> None:
        """Play one episode in every lane by lot: measure what is observed and paid."""
        luck = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 1])))
        seen, paid = [], []
        for i, env in enumerate(self.envs):
            rows, over = [env.reset(seed=seed + i)[0]], False
            while not over:
                row, reward, _, over, _ = env.step(luck.uniform(-1.0, 1.0, env.codec.size))
                rows.append(row)
                paid.append(float(reward))
            seen += rows
        moved = self._encoder.transformed(np.stack(seen)).astype(np.float64)
        columns = scaled(self.observation.columns, moved.mean(axis=0), moved.std(axis=0))
        self._set(self.observation.model_copy(update={"columns": columns}))
        self.reward_scale = max(1e-3, float(np.sqrt(np.mean(np.square(paid)))))

    def begin(self, seed: int) -> NDArray[np.float32]:
        """Begin an episode in every lane, the worlds being a function of `seed`; return the inputs."""
        self.take_counts()
        return self._encoded([env.reset(seed=seed + i)[0] for i, env in enumerate(self.envs)])

    def reset(self) -> NDArray[np.float32]:
        """Begin an episode in every lane, from the first world on."""
        return self.begin(0)

    def step_async(self, actions: np.ndarray) -> None:
        """Note the actions."""
        self._actions = actions

    def step_wait(self) -> Any:
        """Live a period in every lane; return inputs, scaled rewards, ends and infos."""
        rows, rewards, infos = [], np.zeros(self.num_envs, dtype=np.float32), []
        ends = np.zeros(self.num_envs, dtype=np.bool_)
        for i, (env, action) in enumerate(zip(self.envs, self._actions, strict=True)):
            row, reward, _, over, told = env.step(action)
            self.paid += float(reward)
            self.days += int(told["dt"])
            info: dict[str, Any] = {}
            if over:
                info = {
                    "terminal_observation": self._encoded([row])[0],
                    "TimeLimit.truncated": self.bootstraps,
                }
                row = env.reset()[0]
            rows.append(row)
            infos.append(info)
            rewards[i], ends[i] = float(reward) / self.reward_scale, over
        return self._encoded(rows), rewards, ends, infos

    def take_counts(self) -> dict[str, float]:
        """Return days and CNY a head since the last call."""
        counts = {"days": getattr(self, "days", 0), "paid": getattr(self, "paid", 0.0)}
        self.days, self.paid = 0, 0.0
        return counts

    def arrays(self) -> dict[str, np.ndarray]:
        """Return nothing: between two episodes there is nothing to keep."""
        return {}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take back nothing."""

    def _encoded(self, rows: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        return self._encoder(np.stack(rows))

    def _set(self, observation: Observation) -> None:
        self.observation = observation
        self._encoder = Encoder(observation, self.envs[0].feature_names)

    # What `VecEnv` also asks for.

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute of some environments."""
        return [getattr(self.envs[i], attr_name) for i in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of some environments."""
        for i in self._get_indices(indices):
            setattr(self.envs[i], attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> Any:
        """Call a method of some environments."""
        return [
            getattr(self.envs[i], method_name)(*method_args, **method_kwargs)
            for i in self._get_indices(indices)
        ]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Return that no environment is wrapped."""
        return [False] * len(list(self._get_indices(indices)))
