"""The native vector environments: many journeys a step, as Gymnasium's vector interface has it."""

from typing import Any, ClassVar

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from cardarena.simulator.contracts import Bools, Floats, Ints
from cardarena.simulator.envs.actions import ActionCodec
from cardarena.simulator.envs.journeys import Journeys
from cardarena.simulator.envs.pool import Pool
from cardarena.simulator.envs.rewards import COSTS, TERMS
from cardarena.simulator.envs.shell import METADATA, OFFER_COLUMNS, Shell, wanted_options
from cardarena.simulator.envs.slots import Outcome


class JourneyVectorEnv(VectorEnv[Any, np.ndarray, np.ndarray]):
    """Many journeys a step, by one compiled kernel; slot i is the single environment with seed + i."""

    kind: ClassVar[type[Journeys]] = Journeys

    def __init__(
        self,
        pool: Pool,
        num_envs: int = 1,
        *,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        threads: int = 2,
        render_mode: str | None = None,
        **settings: Any,
    ) -> None:
        """Make environments over a pool; `settings` are those of `Shell`. The kind of journeys has more.

        Args:
            pool: whom episodes are about.
            num_envs: journeys.
            autoreset_mode: when an episode that is over begins anew, as Gymnasium has it: `NextStep`, `SameStep`, `Disabled`.
            threads: compiled threads; results do not depend on it.
            render_mode: None.
            **settings: see above.

        Raises:
            ValueError: an argument out of range.
            UnknownNameError: an unknown form of the reward, or difficulty.
        """
        if render_mode is not None:
            raise ValueError(f"render_mode: expected None of a vector environment, found {render_mode!r}")
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.num_envs = num_envs
        self.shell = Shell(pool, num_envs, kind=self.kind, threads=threads, **settings)
        self.journeys = self.shell.journeys
        self.metadata = {
            **METADATA,
            "render_modes": [],
            "autoreset_mode": self.autoreset_mode,
            "is_privileged": self.journeys.form == "paired",
        }
        self.single_action_space = self.shell.action_space
        self.single_observation_space = self.shell.observation_space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.feature_names = self.journeys.columns
        self.offer_feature_names = OFFER_COLUMNS
        self._is_seeded = False
        self._masks = np.zeros((num_envs, self.journeys.n_mask), dtype=np.int8)
        self._everybody = np.ones(num_envs, dtype=np.bool_)
        self._everybody.flags.writeable = False

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin the next episode everywhere, or where `options["reset_mask"]` says.

        Args:
            seed: of the first slot, the others' follow it; or one a slot, None leaving its sequence as it is.
            options: `reset_mask`, shape (num_envs,), bool; `cardholder` and `luck` as in the single environment.

        Raises:
            ValueError: a list of seeds or a mask of another shape, or an empty mask.
            TypeError: a mask that is no array of bools.
        """
        options = dict(options or {})
        which = _reset_mask(options.pop("reset_mask", None), self.num_envs)
        self._seed(seed, which)
        out = self.journeys.reset(which, **wanted_options(options))
        self._masks = out.mask
        value = np.zeros(self.num_envs)
        if which is None:
            infos = self._infos(out, value, self._everybody)
        else:
            infos = self._infos(_of(out, np.flatnonzero(which)), value, which)
        return self.shell.shown(out, True), infos

    def step(self, actions: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take a decision in every slot.

        Raises:
            ResetNeeded: an episode is over and nothing resets it by itself.
            ValueError: actions of another shape or out of range.
        """
        is_renewed = False
        if self.autoreset_mode != AutoresetMode.SAME_STEP:
            rows = np.flatnonzero(self.journeys.is_over).tolist()
            if rows and self.autoreset_mode == AutoresetMode.DISABLED:
                raise ResetNeeded(
                    f"episodes are over: reset(options={{'reset_mask': ...}}) slots {rows[:10]}"
                )
            is_renewed = len(rows) > 0
        out = self.journeys.step(actions)
        rewards, value = self.shell.close_books(out)
        over = out.terminated | out.truncated
        final: dict[str, Any] = {}
        terminated, truncated = out.terminated, out.truncated
        if self.autoreset_mode == AutoresetMode.SAME_STEP and over.any():
            final = self._renew(out, value, over)
            is_renewed = True
        self._masks = out.mask
        infos = {**self._infos(out, value, self._everybody), **final}
        return self.shell.shown(out, is_renewed), rewards, terminated, truncated, infos

    def action_masks(self) -> Bools:
        """Return what may be chosen now, shape (num_envs, n_mask), bool."""
        return self._masks.astype(np.bool_)

    def truth(self) -> np.ndarray:
        """Return a copy of the latent records, shape (num_envs,); for scoring and study, never for a policy."""
        return self.journeys.slots.people[: self.num_envs].copy()

    def _seed(self, seed: int | list[int | None] | None, which: Bools | None) -> None:
        n = self.num_envs
        chosen = self._everybody if which is None else which
        if isinstance(seed, list):
            if len(seed) != n:
                raise ValueError(f"seed: expected {n} seeds, found {len(seed)}")
            given = np.array([s is not None for s in seed])
            self.journeys.seed([s or 0 for s in seed], chosen & given)
            seed = None if self._is_seeded or given[chosen].all() else self._drawn_seed()
            chosen = chosen & ~given
        elif seed is None and not self._is_seeded:
            seed = self._drawn_seed()
        if isinstance(seed, int):
            self._np_random, self._np_random_seed = seeding.np_random(seed)
            self.journeys.seed([seed + i for i in range(n)], chosen)
        self._is_seeded = True

    def _drawn_seed(self) -> int:
        seed = self.np_random_seed
        assert isinstance(seed, int)
        return seed

    def _renew(self, out: Outcome, value: Floats, over: Bools) -> dict[str, Any]:
        """Begin the next episode where one is over, in `out` and `value` too; return what the old one's infos were."""
        rows = np.flatnonzero(over)
        final_obs = np.empty(self.num_envs, dtype=object)  # of None
        shown = self.shell.shown(out, False)
        for i in rows:
            if isinstance(shown, dict):
                final_obs[i] = {name: part[i].copy() for name, part in shown.items()}
            else:
                final_obs[i] = shown[i].copy()
        final = {
            "final_obs": final_obs,
            "_final_obs": over,
            "final_info": self._infos(_of(out, rows), _only(value, rows), over),
            "_final_info": over,
        }
        # Nobody else has seen the outcome: the new episodes are written over it.
        out.terms[:, rows] = 0.0
        out.costs[:, rows] = 0
        out.days[rows] = 0
        out.told[:, rows] = 0.0
        value[rows] = 0.0
        self.journeys.reset(over, into=out)
        return final

    def _infos(self, out: Outcome, value: Floats, which: Bools) -> dict[str, Any]:
        """Return the infos of these slots as arrays, each with its mask."""
        told = {
            "reward_terms": _paired({name: out.terms[j] for j, name in enumerate(TERMS)}, which),
            "costs": _paired({name: out.costs[j] for j, name in enumerate(COSTS)}, which),
            "action_mask": out.mask,
            **self.journeys.info_of(out),
            "day": out.day,
        }
        if self.shell.adds_terminal:
            told["terminal_value"] = value
        return _paired(told, which)


class CardholderVectorEnv(JourneyVectorEnv):
    """Many cardholders' journeys at once; see `CardholderEnv`."""

    @property
    def codec(self) -> ActionCodec:
        """How actions are written."""
        return self.journeys.codec

    def action_prior(self, p: float = 0.05) -> Floats:
        """Return log-probabilities of a policy that contacts with chance `p`; see `ActionCodec.prior`."""
        return self.codec.prior(p)


def _paired(values: dict[str, Any], which: Bools) -> dict[str, Any]:
    return {
        key: value for name, array in values.items() for key, value in ((name, array), (f"_{name}", which))
    }


def _only(values: np.ndarray, rows: Ints) -> np.ndarray:
    """Return a copy of an array that is zero but in some slots, the last axis."""
    only = np.zeros_like(values)
    only[..., rows] = values[..., rows]
    return only


def _of(out: Outcome, rows: Ints) -> Outcome:
    """Return what an outcome says of some slots, zero in the others; for infos, so with their parts only."""
    return out._replace(
        mask=_only(out.mask.T, rows).T,
        terms=_only(out.terms, rows),
        costs=_only(out.costs, rows),
        days=_only(out.days, rows),
        day=_only(out.day, rows),
        told=_only(out.told, rows),
    )


def _reset_mask(mask: Any, n: int) -> Bools | None:
    if mask is None:
        return None
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        raise TypeError(f"options['reset_mask']: expected an array of bools, found {mask!r}")
    if mask.shape != (n,):
        raise ValueError(f"options['reset_mask']: expected shape ({n},), found {mask.shape}")
    if not mask.any():
        raise ValueError("options['reset_mask']: expected at least one slot to reset, found none")
    return mask
