"""The same environment in other forms: a flat action, a reward of several objectives, a cost beside the reward."""

from typing import Any, Final, SupportsFloat, cast

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from cardarena.simulator.contracts import Bools, Floats
from cardarena.simulator.envs.cardholder import CardholderEnv, JourneyEnv
from cardarena.simulator.envs.rewards import COSTS, USED
from cardarena.simulator.envs.vector import CardholderVectorEnv
from cardarena.simulator.errors import UnknownNameError

_MOST: Final = 1e9


def _bare(env: gymnasium.Env[Any, Any]) -> JourneyEnv:
    return cast(JourneyEnv, env.unwrapped)


class FlatAction(gymnasium.Wrapper[Any, Any, Any, Any]):
    """One discrete action: 0 is nothing, the others are every offer by every channel at every depth.

    `info["action_mask"]` and `action_masks()` are exact: what they leave open passes the gate at the decision.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        """Wrap an environment whose action is factored.

        Raises:
            TypeError: its action is not: Slate's and Campaign's are of another shape.
        """
        super().__init__(env)
        bare = env.unwrapped
        if not isinstance(bare, CardholderEnv):
            raise TypeError(f"FlatAction: expected a factored action, found {type(bare).__name__}")
        self.codec = bare.codec
        self.action_space = spaces.Discrete(self.codec.n_flat)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin the next episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, self._flat(info)

    def step(self, action: int) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take the decision of that number.

        Raises:
            ValueError: no such action.
        """
        observation, reward, terminated, truncated, info = self.env.step(self.codec.unflatten(action))
        return observation, reward, terminated, truncated, self._flat(info)

    def action_masks(self) -> Bools:
        """Return which actions pass the gate now, shape (actions,), bool."""
        return self.codec.flat_mask(_bare(self.env).action_masks())

    def action_prior(self, p: float = 0.05) -> Floats:
        """Return log-probabilities of a policy that contacts with chance `p`, else by lot, shape (actions,)."""
        return self.codec.flat_prior(p)

    def _flat(self, info: dict[str, Any]) -> dict[str, Any]:
        return {**info, "action_mask": self.codec.flat_mask(info["action_mask"]).astype(np.int8)}


class FlatVectorAction(VectorWrapper[Any, Any, Any, Any, Any]):
    """`FlatAction` for a native vector environment: an action is one number a journey, shape (num_envs,)."""

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        """Wrap a vector environment whose action is factored.

        Raises:
            TypeError: its action is not, or it is no native one; `FlatAction` goes inside those that step single environments.
        """
        super().__init__(env)
        core = env.unwrapped
        if not isinstance(core, CardholderVectorEnv):
            raise TypeError(
                f"FlatVectorAction: expected a native vector environment with a factored action, "
                f"found {type(core).__name__}"
            )
        self._core = core
        self.codec = core.codec
        self.single_action_space = spaces.Discrete(self.codec.n_flat)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin the next episode everywhere, or where `options["reset_mask"]` says."""
        observations, infos = self.env.reset(seed=seed, options=options)  # pyright: ignore[reportArgumentType]
        return observations, self._flat(infos)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Take the decisions of those numbers, shape (num_envs,).

        Raises:
            ValueError: actions of another shape, or no such action.
        """
        *told, infos = self.env.step(self.codec.unflatten(actions))
        return *told, self._flat(infos)

    def action_masks(self) -> Bools:
        """Return which actions pass the gate now, shape (num_envs, actions), bool."""
        return self.codec.flat_mask(self._core.action_masks())

    def action_prior(self, p: float = 0.05) -> Floats:
        """Return log-probabilities of a policy that contacts with chance `p`, else by lot, shape (actions,)."""
        return self.codec.flat_prior(p)

    def _flat(self, infos: dict[str, Any]) -> dict[str, Any]:
        infos = {**infos, "action_mask": self.codec.flat_mask(infos["action_mask"]).astype(np.int8)}
        return {**infos, "final_info": self._flat(infos["final_info"])} if "final_info" in infos else infos


class VectorReward(gymnasium.Wrapper[Any, Any, Any, Any]):
    """The terms of the reward side by side, as MO-Gymnasium has it: `reward_space`, and an array for a reward.

    MO-Gymnasium's own wrappers, such as `LinearReward`, go around this one: they read `env.unwrapped.reward_space`, which is
    there once an environment is wrapped.

    Attributes:
        terms: names of the objectives, those that the environment's form uses; they sum to the scalar reward.
        reward_space: their space; `env.unwrapped.reward_space` too.
        reward_dim: how many there are; `env.unwrapped.reward_dim` too.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        """Wrap any of our environments."""
        super().__init__(env)
        core: Any = env.unwrapped
        self.terms = USED[core.reward_form]
        self.reward_dim = core.reward_dim = len(self.terms)
        self.reward_space = core.reward_space = spaces.Box(-_MOST, _MOST, (self.reward_dim,), np.float64)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a decision; the reward has shape (terms,), CNY."""
        observation, _, terminated, truncated, info = self.env.step(action)
        reward = np.array([info["reward_terms"][name] for name in self.terms])
        return observation, reward, terminated, truncated, info


class Constrained(gymnasium.Wrapper[Any, Any, Any, Any]):
    """A cost beside the reward, as Safety-Gymnasium has it: `step` returns six values, the cost the third."""

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        costs: tuple[str, ...] = ("over_cap", "unsubscribes", "off_switches", "complaints"),
    ) -> None:
        """Wrap an environment.

        Args:
            env: an environment.
            costs: which of `rewards.COSTS` are summed.

        Raises:
            UnknownNameError: an unknown cost.
        """
        super().__init__(env)
        for name in costs:
            if name not in COSTS:
                raise UnknownNameError("cost", name, COSTS)
        self.costs = costs

    def step(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, action: Any
    ) -> tuple[Any, SupportsFloat, float, bool, bool, dict[str, Any]]:
        """Take a decision; return observation, reward, cost, terminated, truncated, info."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        cost = float(sum(info["costs"][name] for name in self.costs))
        return observation, reward, cost, terminated, truncated, {**info, "cost": cost}
