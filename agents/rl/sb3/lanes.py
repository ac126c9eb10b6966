# pyright: reportMissingImports=false
"""Journeys as a Stable-Baselines3 `VecEnv` made for learning: encoded inputs, scaled rewards, masks, episodes out of step.

It is the same kernel as `CardArena/Cardholder-v0`. Per step there is no Python per lane: infos are one list of empty dicts,
but where an episode ended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from cardarena.agents.rl.card import CONTACT_PRICE, DAYS_LEFT, Column, Observation
from cardarena.agents.rl.encoding import default_columns, scaled
from cardarena.agents.rl.hidden import BELIEVED, HIDDEN_COLUMNS, hidden_columns
from cardarena.agents.rl.sight import Sight, shown_columns
from cardarena.agents.sb3 import JointVecEnv
from cardarena.simulator.envs.actions import ActionCodec
from cardarena.simulator.envs.journeys import COLUMNS
from cardarena.simulator.envs.rewards import COSTS
from cardarena.simulator.envs.shell import Shell
from cardarena.simulator.envs.slots import Outcome
from cardarena.simulator.errors import CardArenaError

#: What a bank must not cause too often: the constraint of a constrained agent counts these.
HARM: Final = np.array([name in ("unsubscribes", "off_switches", "complaints") for name in COSTS])


def columns_for(*, sees_end: bool, has_price: bool, sight: str = "observables") -> tuple[Column, ...]:
    """Return the inputs of an agent before they are scaled.

    Args:
        sees_end: whether the share of the horizon that is left is one.
        has_price: whether the price of a contact is one.
        sight: one of `SIGHTS`.
    """
    # Who sees an end that nobody pays for learns to burn what comes after.
    left_out = (() if sees_end else (DAYS_LEFT,)) + (() if has_price else (CONTACT_PRICE,))
    return default_columns(shown_columns(sight, [name for name in COLUMNS if name not in left_out]))


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


@dataclass(frozen=True)
class Lessons:
    """What a filter learns from: whole journeys under the quiet prior, seen by the bank and in truth.

    Attributes:
        rows: shape (steps, journeys, columns), the observables.
        hidden: shape (steps, journeys, hidden columns), the hidden record.
        counts: shape (steps, journeys), bool, whether the journey had not come to its end.
        persons: shape (journeys,), whose journey it is: the place among the people of the pool.
    """

    rows: NDArray[np.float32]
    hidden: NDArray[np.float32]
    counts: NDArray[np.bool_]
    persons: NDArray[np.int64]


class Lanes(JointVecEnv):
    """Many journeys, each on a day of its own, seen and rewarded as a trainer wants it.

    Lanes may run in several scenarios side by side, so many lanes in each, as long as their banks stock the same.

    States: made -> `warm_up` (freezes the scaling and sets the lanes on different days) -> in training.

    Attributes:
        shells: the environments, one a scenario.
        observation: what the network is given, scaling included once warm.
        reward_scale: CNY that count as 1.
        harm_price: CNY taken off for each refusal, off-switch or complaint: the multiplier of a constrained agent.
        harm: refusals, off-switches and complaints since the last `take_harm`.
        harm_days: days lived since.
        paid: CNY since the last `take_counts`.
        days: days lived since.
    """

    def __init__(
        self,
        shells: Shell | Sequence[Shell],
        observation: Observation,
        *,
        tensors: Mapping[str, NDArray[np.float32]] | None = None,
        is_flat: bool = False,
        bootstraps: bool = True,
    ) -> None:
        """Take environments.

        Args:
            shells: one environment or several, without offer features.
            observation: what the network is given.
            tensors: those of the observation's filter, if it has one.
            is_flat: whether actions are flat.
            bootstraps: whether an episode cut by the horizon says so, for the critic to value what comes after.

        Raises:
            CardArenaError: environments whose offers, channels or depths differ.
        """
        self.shells = (shells,) if isinstance(shells, Shell) else tuple(shells)
        _refuse_other_stock(self.shells)
        ends = np.cumsum([shell.journeys.n for shell in self.shells]).tolist()
        self._parts = [
            slice(end - shell.journeys.n, end) for shell, end in zip(self.shells, ends, strict=True)
        ]
        self._n = ends[-1]
        self.reward_scale, self.harm_price = 1.0, 0.0
        self._bootstraps, self._tensors = bootstraps, tensors
        self._infos: list[dict[str, Any]] = [{} for _ in range(self._n)]
        self._told: list[int] = []
        self._set(observation)
        self.harm, self.harm_days, self.days, self.paid = 0, 0, 0, 0.0
        shown = spaces.Box(-observation.clip, observation.clip, (self._sight.inputs,), np.float32)
        super().__init__(self.shells[0].journeys, self._n, shown, is_flat=is_flat)

    @property
    def decisions(self) -> int:
        """Decisions of the longest episode."""
        return max(self._steps())

    def lessons(self, seed: int, p: float, rounds: int = 1, most: int | None = None) -> Lessons:
        """Play the prior through whole journeys; keep what was observed and what was true.

        Args:
            seed: of journeys and luck.
            p: chance of a contact.
            rounds: journeys of each lane.
            most: people's decisions to keep of a round: where there are more, those of every second lane, or every third.
        """
        luck = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 3])))
        steps = self.decisions
        kept = np.arange(0, self._n, 1 if most is None else -(-self._n * steps // most))
        rows = np.zeros((steps, rounds, len(kept), len(COLUMNS)), dtype=np.float32)
        hidden = np.zeros((steps, rounds, len(kept), len(HIDDEN_COLUMNS)), dtype=np.float32)
        counts = np.zeros((steps, rounds, len(kept)), dtype=np.bool_)
        persons = np.zeros((rounds, len(kept)), dtype=np.int64)
        for k in range(rounds):
            outs = self._begun(seed + 1_000_003 + k)
            persons[k] = np.concatenate([shell.journeys.slots.journey["member"] for shell in self.shells])[
                kept
            ]
            alive = np.ones(self._n, dtype=np.bool_)
            for step in range(steps):
                rows[step, k], hidden[step, k] = _joined(outs, "observation")[kept], self._hidden()[kept]
                counts[step, k] = alive[kept]
                masks = _joined(outs, "mask")
                outs = self._stepped(prior_actions(self.codec, masks, luck.random((self._n, 4)), p))
                alive &= ~(_joined(outs, "terminated") | _joined(outs, "truncated"))
        whole = steps, rounds * len(kept)
        return Lessons(
            rows.reshape(*whole, len(COLUMNS)),
            hidden.reshape(*whole, len(HIDDEN_COLUMNS)),
            counts.reshape(whole),
            persons.reshape(-1),
        )

    def warm_up(self, seed: int, p: float = 0.05) -> None:
        """Play the prior for one horizon: measure what is observed and paid, and leave the lanes on different days."""
        steps = self._steps()
        luck = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 1])))
        outs = self._begun(seed)
        begins = np.concatenate(
            [luck.integers(0, own, shell.journeys.n) for own, shell in zip(steps, self.shells, strict=True)]
        )
        count, paid = 0, []
        encoder, kept = self._sight.encoder, self._sight.nothing(self._n)
        total, squares = np.zeros((2, encoder.width))
        for step in range(max(steps)):
            seen = self._rows(outs)
            rows = encoder.transformed(self._sight.completed(seen, kept)[0]).astype(np.float64)
            kept = self._sight(seen, kept)[1]
            count, total, squares = (
                count + len(rows),
                total + rows.sum(axis=0),
                squares + (rows**2).sum(axis=0),
            )
            masks = _joined(outs, "mask")
            outs = self._stepped(prior_actions(self.codec, masks, luck.random((self._n, 4)), p))
            paid.append(self._rewards(outs))
            renewed = _joined(outs, "terminated") | _joined(outs, "truncated") | (begins == step)
            if step < max(steps) - 1 and renewed.any():
                kept[renewed] = 0.0
                self._renew(outs, renewed)
        self._renew(outs, self._is_over())
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
        # Beliefs are scaled by what they are about: of what nobody can know they would be noise, made as large as the rest.
        is_belief = [column.name.startswith(BELIEVED) for column in self.observation.columns]
        mean[is_belief], deviation[is_belief] = 0.0, 1.0
        self._set(
            self.observation.model_copy(update={"columns": scaled(self.observation.columns, mean, deviation)})
        )
        # Most days nothing happens; the scale is that of the days that count.
        self.reward_scale = max(1e-3, float(np.sqrt(np.mean(np.square(paid)))) * 4.0)
        self._take(outs)

    def reset(self) -> NDArray[np.float32]:
        """Return the inputs as they stand: lanes are warm already, and begin new episodes by themselves."""
        return self._inputs.copy()

    def step_wait(self) -> Any:
        """Live a step in every lane; return inputs, scaled rewards, ends and infos."""
        for i in self._told:
            self._infos[i] = {}
        outs = self._stepped(self._actions)
        rewards = self._rewards(outs)
        harm = _joined(outs, "costs")[HARM].sum(axis=0)
        days = int(_joined(outs, "days").sum())
        self.harm += int(harm.sum())
        self.harm_days += days
        self.days += days
        self.paid += float(rewards.sum())
        if self.harm_price:
            rewards = rewards - self.harm_price * harm
        truncated = _joined(outs, "truncated")
        ends = _joined(outs, "terminated") | truncated
        self._told = np.flatnonzero(ends).tolist()
        if self._told:
            last = self._sight(self._rows(outs)[ends], self._kept[ends])[0]
            for i, inputs, mask in zip(self._told, last, _joined(outs, "mask")[ends], strict=True):
                self._infos[i] = {
                    "terminal_observation": inputs.copy(),
                    "terminal_mask": mask.copy(),
                    "TimeLimit.truncated": bool(self._bootstraps and truncated[i]),
                }
            self._kept[ends] = 0.0
            self._renew(outs, self._is_over())
        self._take(outs)
        return self._inputs, (rewards / self.reward_scale).astype(np.float32), ends, self._infos

    def open_after(self, infos: Sequence[Mapping[str, Any]]) -> NDArray[np.bool_]:
        """Return what the last step left open to the same people, shape as of `action_masks`; `infos` are that step's."""
        masks = self._masks.copy()
        for i in self._told:
            masks[i] = infos[i]["terminal_mask"]
        return self.codec.flat_mask(masks) if self.is_flat else masks.astype(np.bool_)

    def take_counts(self) -> dict[str, float]:
        """Return days and CNY since the last call."""
        counts = {"days": self.days, "paid": self.paid}
        self.days, self.paid = 0, 0.0
        return counts

    def take_harm(self) -> tuple[int, int]:
        """Return harm, and the days in which it came, since the last call; what `take_counts` counts is left alone."""
        counts = self.harm, self.harm_days
        self.harm, self.harm_days = 0, 0
        return counts

    def arrays(self) -> dict[str, np.ndarray]:
        """Return everything that changes, as arrays: what a checkpoint holds."""
        return {
            **{
                f"slots{g}.{name}": getattr(shell.journeys.slots, name)
                for g, shell in enumerate(self.shells)
                for name in shell.journeys.slots._fields
            },
            "kept": self._kept,
            "inputs": self._inputs,
            "masks": self._masks,
        }

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take back what `arrays` returned."""
        for name, own in self.arrays().items():
            own[...] = arrays[name]

    def _begun(self, seed: int) -> list[Outcome]:
        """Begin everywhere, the lanes' sequences of episodes following from a seed."""
        outs = []
        for shell, part in zip(self.shells, self._parts, strict=True):
            shell.journeys.seed([seed * self._n + i for i in range(part.start, part.stop)])
            outs.append(shell.journeys.reset())
        return outs

    def _stepped(self, actions: np.ndarray) -> list[Outcome]:
        return [
            shell.journeys.step(actions[part]) for shell, part in zip(self.shells, self._parts, strict=True)
        ]

    def _rewards(self, outs: list[Outcome]) -> Any:
        """Return rewards in CNY; where the critic values what comes after, the fitted value is not even asked for."""
        if self._bootstraps:
            return _joined(outs, "terms").sum(axis=0)
        return np.concatenate(
            [shell.close_books(out)[0] for shell, out in zip(self.shells, outs, strict=True)]
        )

    def _is_over(self) -> NDArray[np.bool_]:
        return np.concatenate([shell.journeys.is_over for shell in self.shells])

    def _renew(self, outs: list[Outcome], which: NDArray[np.bool_]) -> None:
        """Begin the next episode in these lanes, and write it into the outcomes."""
        for shell, part, out in zip(self.shells, self._parts, outs, strict=True):
            if which[part].any():
                shell.journeys.reset(which[part], into=out)

    def _take(self, outs: list[Outcome]) -> None:
        inputs, kept = self._sight(self._rows(outs), self._kept)
        self._inputs, self._kept = np.ascontiguousarray(inputs), np.ascontiguousarray(kept)
        self._masks = _joined(outs, "mask")

    def _rows(self, outs: list[Outcome]) -> NDArray[np.float32]:
        """Return what may be shown of every lane now, shape (lanes, columns)."""
        rows = _joined(outs, "observation")
        return np.concatenate([rows, self._hidden()], axis=1) if self._is_privileged else rows

    def _hidden(self) -> NDArray[np.float32]:
        parts = [hidden_columns(shell.journeys.slots.people[: shell.journeys.n]) for shell in self.shells]
        return np.concatenate(parts)

    def _set(self, observation: Observation) -> None:
        self.observation = observation
        self._is_privileged = any(column.name in HIDDEN_COLUMNS for column in observation.columns)
        names = (*COLUMNS, *HIDDEN_COLUMNS) if self._is_privileged else COLUMNS
        self._sight = Sight(observation, names, self._tensors)
        self._kept = self._sight.nothing(self._n)
        self._inputs = np.zeros((self._n, self._sight.inputs), dtype=np.float32)

    def _steps(self) -> list[int]:
        """Return how many decisions an episode of each environment has."""
        return [
            max(1, -(-shell.journeys.horizon // int(shell.journeys.setting["every"][0])))
            for shell in self.shells
        ]


def _joined(outs: Sequence[Outcome], name: str) -> Any:
    """Return a part of several outcomes as one array, a lane a row, or a column where the part has its lanes there."""
    parts = [getattr(out, name) for out in outs]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1 if name in ("terms", "costs") else 0)


def _refuse_other_stock(shells: Sequence[Shell]) -> None:
    """Raise unless all banks have the same to offer: an output of the network stands for one thing."""

    def stock(shell: Shell) -> tuple[Any, ...]:
        codec = shell.journeys.codec
        names = shell.journeys.pool.scenario.catalogue().names
        return (
            [names[code] for code in codec.offers],
            codec.channels.tolist(),
            codec.n_depths,
            codec.is_halved,
        )

    first, *others = shells
    for other in others:
        if stock(other) != stock(first):
            raise CardArenaError(
                f"scenarios to train in: expected the offers, channels and depths of "
                f"{first.journeys.pool.scenario.name!r} in all, found others in {other.journeys.pool.scenario.name!r}"
            )
