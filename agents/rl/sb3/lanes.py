# pyright: reportMissingImports=false
"""Journeys as a Stable-Baselines3 `VecEnv` made for learning: encoded inputs, scaled rewards, masks, episodes out of step.

It is the same kernel as `CardArena/Cardholder-v0`. Per step there is no Python per lane: infos are one list of empty dicts,
but where an episode ended.
"""

from typing import Any, Final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from cardarena.agents.rl.card import CONTACT_PRICE, DAYS_LEFT, Column, Observation
from cardarena.agents.rl.encoding import Encoder, default_columns, scaled
from cardarena.agents.sb3 import JointVecEnv
from cardarena.simulator.envs.actions import ActionCodec
from cardarena.simulator.envs.journeys import COLUMNS
from cardarena.simulator.envs.rewards import COSTS
from cardarena.simulator.envs.shell import Shell
from cardarena.simulator.envs.slots import Outcome

#: What a bank must not cause too often: the constraint of a constrained agent counts these.
HARM: Final = np.array([name in ("unsubscribes", "off_switches", "complaints") for name in COSTS])


def columns_for(*, sees_end: bool, has_price: bool) -> tuple[Column, ...]:
    """Return the inputs of an agent before they are scaled.

    Args:
        sees_end: whether the share of the horizon that is left is one.
        has_price: whether the price of a contact is one.
    """
    # Who sees an end that nobody pays for learns to burn what comes after.
    left_out = (() if sees_end else (DAYS_LEFT,)) + (() if has_price else (CONTACT_PRICE,))
    return default_columns([name for name in COLUMNS if name not in left_out])


def prior_actions(
    codec: ActionCodec, masks: NDArray[np.int8], luck: NDArray[np.float64], p: float
) -> NDArray[np.int64]:
    """Return factored actions of the quiet prior: a contact with chance `p`, the rest by lot among what is open.

    Args:
        codec: how actions are written.
        masks: shape (n, n_mask).
        luck: shape (n, 4), uniform draws.
        p: chance of a contact where one is open.
    """
    actions = np.zeros((len(masks), 4), dtype=np.int64)
    actions[:, 0] = (luck[:, 0] < p) & (masks[:, 1] > 0)
    first = 2
    for part, size in enumerate(codec.sizes[1:], start=1):
        is_open = masks[:, first : first + size] > 0
        count = is_open.sum(axis=1)
        wanted = np.minimum((luck[:, part] * count).astype(np.int64), np.maximum(count - 1, 0))
        actions[:, part] = np.where(count > 0, (np.cumsum(is_open, axis=1) <= wanted[:, None]).sum(axis=1), 0)
        first += size
    return actions


class Lanes(JointVecEnv):
    """Many journeys, each on a day of its own, seen and rewarded as a trainer wants it.

    States: made -> `warm_up` (freezes the scaling and sets the lanes on different days) -> in training.

    Attributes:
        shell: the environment.
        observation: what the network is given, scaling included once warm.
        reward_scale: CNY that count as 1.
        harm_price: CNY taken off for each refusal, off-switch or complaint: the multiplier of a constrained agent.
        harm: refusals, off-switches and complaints since the last `take_counts`.
        days: days lived since.
    """

    def __init__(
        self, shell: Shell, observation: Observation, *, is_flat: bool = False, bootstraps: bool = True
    ) -> None:
        """Take an environment.

        Args:
            shell: the environment, without offer features.
            observation: what the network is given.
            is_flat: whether actions are flat.
            bootstraps: whether an episode cut by the horizon says so, for the critic to value what comes after.
        """
        self.shell, self.observation = shell, observation
        self.reward_scale, self.harm_price = 1.0, 0.0
        self._n, self._bootstraps = shell.journeys.n, bootstraps
        self._infos: list[dict[str, Any]] = [{} for _ in range(self._n)]
        self._told: list[int] = []
        self._set(observation)
        self.take_counts()
        size = self._encoder.width * self._encoder.frames
        shown = spaces.Box(-observation.clip, observation.clip, (size,), np.float32)
        super().__init__(shell.journeys, self._n, shown, is_flat=is_flat)

    def warm_up(self, seed: int, p: float = 0.05) -> None:
        """Play the prior for one horizon: measure what is observed and paid, and leave the lanes on different days."""
        journeys, steps = self.shell.journeys, self._steps()
        luck = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 1])))
        journeys.seed([seed * self._n + i for i in range(self._n)])
        out = journeys.reset()
        begins = luck.integers(0, steps, self._n)
        count, paid = 0, []
        total, squares = np.zeros((2, self._encoder.width))
        for step in range(steps):
            rows = self._encoder.transformed(out.observation).astype(np.float64)
            count, total, squares = (
                count + len(rows),
                total + rows.sum(axis=0),
                squares + (rows**2).sum(axis=0),
            )
            out = journeys.step(prior_actions(self.codec, out.mask, luck.random((self._n, 4)), p))
            paid.append(self._rewards(out))
            renewed = out.terminated | out.truncated | (begins == step)
            if step < steps - 1 and renewed.any():
                journeys.reset(renewed, into=out)
        self._renew(out)
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
        self._set(
            self.observation.model_copy(update={"columns": scaled(self.observation.columns, mean, deviation)})
        )
        # Most days nothing happens; the scale is that of the days that count.
        self.reward_scale = max(1e-3, float(np.sqrt(np.mean(np.square(paid)))) * 4.0)
        self._take(out)

    def reset(self) -> NDArray[np.float32]:
        """Return the inputs as they stand: lanes are warm already, and begin new episodes by themselves."""
        return self._inputs.copy()

    def step_wait(self) -> Any:
        """Live a step in every lane; return inputs, scaled rewards, ends and infos."""
        for i in self._told:
            self._infos[i] = {}
        out = self.shell.journeys.step(self._actions)
        rewards = self._rewards(out)
        harm = out.costs[HARM].sum(axis=0)
        self.harm += int(harm.sum())
        self.days += int(out.days.sum())
        self.paid += float(rewards.sum())
        if self.harm_price:
            rewards = rewards - self.harm_price * harm
        ends = out.terminated | out.truncated
        self._told = np.flatnonzero(ends).tolist()
        if self._told:
            last = self._stack(out.observation[ends], self._past[ends])[0]
            for i, inputs in zip(self._told, last, strict=True):
                self._infos[i] = {
                    "terminal_observation": inputs.copy(),
                    "TimeLimit.truncated": bool(self._bootstraps and out.truncated[i]),
                }
            self._past[ends] = 0.0
            self._renew(out)
        self._take(out)
        return self._inputs, (rewards / self.reward_scale).astype(np.float32), ends, self._infos

    def take_counts(self) -> dict[str, float]:
        """Return harm, days and CNY since the last call."""
        counts = {
            "harm": getattr(self, "harm", 0),
            "days": getattr(self, "days", 0),
            "paid": getattr(self, "paid", 0.0),
        }
        self.harm, self.days, self.paid = 0, 0, 0.0
        return counts

    def arrays(self) -> dict[str, np.ndarray]:
        """Return everything that changes, as arrays: what a checkpoint holds."""
        slots = self.shell.journeys.slots
        return {
            **{f"slots.{name}": getattr(slots, name) for name in slots._fields},
            "past": self._past,
            "inputs": self._inputs,
            "masks": self._masks,
        }

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take back what `arrays` returned."""
        for name, own in self.arrays().items():
            own[...] = arrays[name]

    def _rewards(self, out: Outcome) -> Any:
        """Return rewards in CNY; where the critic values what comes after, the fitted value is not even asked for."""
        return out.terms.sum(axis=0) if self._bootstraps else self.shell.close_books(out)[0]

    def _renew(self, out: Outcome) -> None:
        over = self.shell.journeys.is_over
        if over.any():
            self.shell.journeys.reset(over, into=out)

    def _take(self, out: Outcome) -> None:
        self._inputs, self._past = self._stack(out.observation, self._past)
        self._masks = out.mask

    def _stack(
        self, rows: NDArray[np.float32], past: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        inputs, past = self._encoder.stacked(self._encoder(rows), past)
        return np.ascontiguousarray(inputs), np.ascontiguousarray(past)

    def _set(self, observation: Observation) -> None:
        self.observation = observation
        self._encoder = Encoder(observation, COLUMNS)
        self._past = np.zeros((self._n, (self._encoder.frames - 1) * self._encoder.width), dtype=np.float32)
        self._inputs = np.zeros((self._n, self._encoder.width * self._encoder.frames), dtype=np.float32)

    def _steps(self) -> int:
        journeys = self.shell.journeys
        return max(1, -(-journeys.horizon // int(journeys.setting["every"][0])))
