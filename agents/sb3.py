"""The environments for Stable-Baselines3: a `VecEnv` over the same kernel, without a Python object a journey."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from cardarena.simulator.contracts import Bools
from cardarena.simulator.envs.journeys import Journeys
from cardarena.simulator.envs.pool import Pool
from cardarena.simulator.envs.shell import Shell, wanted_options
from cardarena.simulator.envs.slots import Outcome
from cardarena.simulator.errors import CardArenaError

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv
else:
    try:
        from stable_baselines3.common.vec_env import VecEnv
    except ImportError:  # the rl extra is not installed: the module can be read, not used
        VecEnv = None

_HAS_SB3 = isinstance(VecEnv, type)
_BASE: Any = VecEnv if _HAS_SB3 else object


class JointVecEnv(_BASE):
    """Journeys that step together: what Stable-Baselines3 asks of single environments is answered for all at once.

    A subclass resets and steps, and keeps the masks.

    Attributes:
        codec: how actions are written.
        is_flat: whether an action is one number; see `FlatAction`.
    """

    def __init__(self, like: Journeys, n: int, shown: spaces.Space[Any], *, is_flat: bool) -> None:
        """Take the spaces.

        Args:
            like: journeys that choose as all of these do.
            n: how many there are.
            shown: space of what is shown of each.
            is_flat: whether an action is one number.

        Raises:
            CardArenaError: Stable-Baselines3 is not installed.
        """
        if not _HAS_SB3:
            raise CardArenaError("expected Stable-Baselines3, found none; install cardarena[rl]")
        self.codec, self.is_flat = like.codec, is_flat
        self.render_mode = None
        chosen = spaces.Discrete(like.codec.n_flat) if is_flat else spaces.MultiDiscrete(like.sizes)
        super().__init__(n, shown, chosen)
        self._actions = np.zeros((n, like.sizes.size), dtype=np.int64)
        self._masks = np.zeros((n, like.n_mask), dtype=np.int8)

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = self.codec.unflatten(actions) if self.is_flat else actions

    def action_masks(self) -> Bools:
        """Return what may be chosen now, shape (num_envs, parts) or, flat, (num_envs, actions)."""
        return self.codec.flat_mask(self._masks) if self.is_flat else self._masks.astype(np.bool_)

    def close(self) -> None:
        """Nothing is held."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute, the same for every journey."""
        return [getattr(self, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refuse: journeys share their settings.

        Raises:
            CardArenaError: always.
        """
        raise CardArenaError(f"expected no attribute to be set on single journeys, found {attr_name!r}")

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> Any:
        """Call a method once; `action_masks` answers with a row for each journey, another's value is told to each."""
        value = getattr(self, method_name)(*method_args, **method_kwargs)
        if method_name == "action_masks" and indices is None:
            return value
        rows = list(self._get_indices(indices))
        return value[rows] if method_name == "action_masks" else [value] * len(rows)

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Say that nothing is wrapped."""
        return [False] * len(list(self._get_indices(indices)))

    def get_images(self) -> Sequence[np.ndarray | None]:
        """Return no pictures."""
        return [None] * self.num_envs


class JourneysVecEnv(JointVecEnv):
    """Many journeys as a `VecEnv`: an episode that is over begins anew in the same step.

    Where the terminal value joined the reward, `TimeLimit.truncated` is not set: the end is paid for, and nothing is to be
    bootstrapped. `info["episode"]` carries return and length, so that no monitor is needed; what else a step told stands in
    `outcome`, as arrays. The list of infos is the same at every step: whoever keeps one copies it.

    Attributes:
        shell: the journeys, and what all forms of them share.
        journeys: the shell's.
        outcome: what the last step or reset gave, before the next episode began.
    """

    def __init__(
        self,
        pool: Pool,
        num_envs: int,
        *,
        is_flat: bool = False,
        offer_features: bool = False,
        threads: int = 2,
        **settings: Any,
    ) -> None:
        """Make journeys over a pool; `settings` are those of `Shell`, the `kind` of journeys among them, and of that kind.

        Raises:
            CardArenaError: Stable-Baselines3 is not installed.
        """
        self.shell = Shell(pool, num_envs, offer_features=offer_features, threads=threads, **settings)
        self.journeys = self.shell.journeys
        super().__init__(self.journeys, num_envs, self.shell.observation_space, is_flat=is_flat)
        self._returns, self._lengths = np.zeros(num_envs), np.zeros(num_envs, dtype=np.int64)
        self._began = time.time()
        self._is_seeded = False
        self._menus = self._offers = np.zeros(0)
        self._infos: list[dict[str, Any]] = [{} for _ in range(num_envs)]
        self._told: list[int] = []
        self.outcome: Outcome | None = None

    def reset(self) -> Any:
        """Begin an episode everywhere, with the seeds and options that were set for it.

        Options are the single environment's, the same for all journeys or a dict each: `cardholder`, `luck`.

        Raises:
            ValueError: an unknown option, no such person, or one whose account is closed.
        """
        if not self._is_seeded and self._seeds[0] is None:
            self.seed()
        if self._seeds[0] is not None:
            self.journeys.seed(self._seeds)
            self._is_seeded = True
        self.outcome = self._begun()
        self._masks = self.outcome.mask
        self._returns[:], self._lengths[:] = 0.0, 0
        self._reset_seeds()
        self._reset_options()
        return self._shown(self.outcome, True)

    def step_wait(self) -> tuple[Any, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Take a decision everywhere; return observations, rewards, whether an episode ended, infos."""
        self.outcome = out = self.journeys.step(self._actions)
        rewards, _ = self.shell.close_books(out)
        over = out.terminated | out.truncated
        self._returns += rewards
        self._lengths += 1
        for i in self._told:
            self._infos[i] = {}
        self._told = np.flatnonzero(over).tolist()
        if self._told:
            shown = self._shown(out, False)
            for i in self._told:
                self._infos[i] = self._ending(out, shown, i)
            self._returns[over], self._lengths[over] = 0.0, 0
            # `outcome` stays as it was.
            out = out._replace(observation=out.observation.copy(), mask=out.mask.copy(), day=out.day.copy())
            self.journeys.reset(over, into=out)
        self._masks = out.mask
        return self._shown(out, bool(over.any())), rewards.astype(np.float32), over, self._infos

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Say that nothing is wrapped, but that episodes are monitored."""
        return [wrapper_class.__name__ == "Monitor"] * len(list(self._get_indices(indices)))

    def _begun(self) -> Outcome:
        """Begin everywhere, each journey with its own options; those with the same ones together."""
        asked = [wanted_options(options) for options in self._options] or [{}] * self.num_envs
        alike: dict[tuple[str, ...], list[int]] = {}
        for i, options in enumerate(asked):
            alike.setdefault(tuple(sorted(options)), []).append(i)
        out: Outcome | None = None
        for names, rows in alike.items():
            which = np.zeros(self.num_envs, dtype=np.bool_)
            which[rows] = True
            # The others' places hold what somebody here asked for; nothing there is read.
            given = {
                name: [asked[i if which[i] else rows[0]][name] for i in range(self.num_envs)]
                for name in names
            }
            out = self.journeys.reset(which, **given, into=out)  # pyright: ignore[reportArgumentType]
        assert out is not None
        return out

    def _shown(self, out: Outcome, is_renewed: bool) -> Any:
        shown = self.shell.shown(out, is_renewed)
        if not isinstance(shown, dict):
            return shown
        if shown["offers"] is not self._menus:
            # Torch wants memory that it may write to; menus seldom change.
            self._menus = shown["offers"]
            self._offers = np.array(self._menus)
        return {**shown, "offers": self._offers}

    def _ending(self, out: Outcome, shown: Any, i: int) -> dict[str, Any]:
        last = {name: part[i] for name, part in shown.items()} if isinstance(shown, dict) else shown[i]
        return {
            "terminal_observation": last,
            "TimeLimit.truncated": bool(out.truncated[i]) and not self.shell.adds_terminal,
            "episode": {
                "r": float(self._returns[i]),
                "l": int(self._lengths[i]),
                "t": round(time.time() - self._began, 6),
            },
        }
