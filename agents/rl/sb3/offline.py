# pyright: reportMissingImports=false
"""Learning from a log alone: conservative Q-learning, and fitted Q iteration."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from stable_baselines3.common.utils import polyak_update

from cardarena.agents.base import one_thread
from cardarena.agents.fitted_q import FittedQIteration, Transitions
from cardarena.agents.rl.sb3.lanes import Lanes, prior_actions
from cardarena.agents.rl.sb3.online import Arrays, Dqn, MaskedDqn, Remembered
from cardarena.agents.rl.settings import TrainingSettings
from cardarena.simulator.envs.actions import ActionCodec


class ConservativeDqn(MaskedDqn):
    """DQN that learns from a log alone: what the log does not show is valued lower, as conservative Q-learning has it.

    The actions over which values are held down are weighed by the chances with which the log drew them. Held down evenly,
    whatever the log seldom did would lose, whatever came of it: here that is every contact.
    """

    #: Weight of the conservative part beside the squared error.
    ALPHA = 0.1
    log_chances: Any = 0.0

    def loss(self, rows: Remembered) -> torch.Tensor:
        """Return the squared error of a minibatch and the conservative part."""
        values = self.q_net(rows.observations)
        own = values.gather(1, rows.actions.long())
        beyond = torch.logsumexp(values + self.log_chances, dim=1, keepdim=True) - own
        return 0.5 * (own - self.targets(rows)).square().mean() + self.ALPHA * beyond.mean()

    def after_step(self) -> None:
        """Let the target network follow: there are no steps of the environment."""
        polyak_update(self.q_net.parameters(), self.q_net_target.parameters(), 0.005)


class Cql(Dqn):
    """Conservative Q-learning on a log of the prior's own days; a step is a logged decision that was looked at."""

    algorithm_class = ConservativeDqn
    BATCH = 512

    @property
    def lived(self) -> int:
        """Decisions in the log."""
        buffer = self.algorithm.replay_buffer
        return buffer.size() * buffer.n_envs

    def teach(self, steps: int, seed: int, learning_rate: float) -> None:
        """Look at `steps` logged decisions; the log is written first, and never added to."""
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - the trainer's own generator
        algorithm = self.algorithm
        algorithm.lr_schedule = lambda _: learning_rate
        self.note_chances()
        if algorithm.replay_buffer.size() == 0:
            self.write_log(seed)
        batch = min(self.BATCH, steps)
        gradient_steps = -(-steps // batch)
        algorithm.train(gradient_steps, batch)
        algorithm.num_timesteps += gradient_steps * batch

    def note_chances(self) -> None:
        """Tell the algorithm with which chances the log is drawn."""
        n, p = self.lanes.codec.n_flat, self.settings.prior
        chances = np.full(n, p / (n - 1))
        chances[0] = 1.0 - p
        self.algorithm.log_chances = torch.as_tensor(np.log(np.maximum(chances, 1e-12)), dtype=torch.float32)

    def write_log(self, seed: int) -> None:
        """Fill the buffer with what the prior does and what comes of it."""
        buffer = self.algorithm.replay_buffer
        for step in logged(self.lanes, self.settings.prior, seed):
            buffer.note_open(step.is_open)
            buffer.add(step.inputs, step.following, step.actions, step.rewards, step.ends, step.infos)
            if buffer.full:
                return


class Fqi:
    """Fitted Q iteration, linear, on a log of the prior's own days; a step is a logged decision that was looked at.

    The log has as many decisions as lie between two evaluations, at most `LOG_ROWS`; an iteration looks at all of them. What the
    horizon cut off is left out: what came next is not known.

    Attributes:
        lanes: what wrote the log.
        steps: logged decisions looked at.
        lived: decisions simulated for the log, what the horizon cut off included.
        memory: none.
        activation: of hidden layers, of which there are none.
        layers: none: the values are linear in the inputs.
    """

    LOG_ROWS = 262_144
    #: Ridge penalty, in rows: what a contact does is small beside what people differ by.
    PENALTY = 20_000.0
    memory: dict[str, Any] | None = None
    activation = "relu"
    layers: tuple[int, ...] = ()

    def __init__(self, settings: TrainingSettings, lanes: Lanes) -> None:
        """Write the log, by a luck that is a function of the settings' seed, and solve the regression."""
        self.settings, self.lanes, self.steps, self.lived = settings, lanes, 0, 0
        log = self.write_log(min(self.LOG_ROWS, settings.evaluate_every))
        # What was lived for the log is no part of the training; a resumed one lives it again.
        lanes.take_counts()
        gamma = settings.gamma_per_day**settings.decision_every
        with one_thread():
            parts = arm_parts(lanes.codec)
            self.iteration = FittedQIteration(log, parts, gamma, self.PENALTY)

    def write_log(self, rows: int) -> Transitions:
        """Return at least so many decisions of the prior, less what the horizon cut off."""
        parts: list[tuple[np.ndarray, ...]] = []
        count = 0
        for step in logged(self.lanes, self.settings.prior, self.settings.seed):
            cut = np.array([info.get("TimeLimit.truncated", False) for info in step.infos])
            keep = ~cut
            self.lived += len(keep)
            whole = (step.inputs, step.actions, step.rewards, step.following, ~step.ends, step.is_open)
            parts.append(tuple(part[keep] for part in whole))
            count += int(keep.sum())
            if count >= rows:
                break
        return Transitions(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def teach(self, steps: int, seed: int, learning_rate: float) -> None:
        """Look at `steps` logged decisions, whole iterations; nothing is drawn, and no rate is needed."""
        rows = min(self.LOG_ROWS, self.settings.evaluate_every)
        for _ in range(max(1, -(-steps // rows))):
            with one_thread():
                self.iteration.iterate()
            self.steps += rows

    def tensors(self) -> Arrays:
        """Return the one layer, its values in CNY."""
        scaled = (self.iteration.coefficients * self.lanes.reward_scale).astype(np.float32)
        return {"output.weight": scaled[:, 1:].copy(), "output.bias": scaled[:, 0].copy()}

    def arrays(self) -> Arrays:
        """Return the coefficients; the log is written again."""
        return {"coefficients": self.iteration.coefficients, "steps": np.array([self.steps])}

    def restore(self, arrays: Arrays) -> None:
        """Take back what `arrays` returned."""
        self.iteration.coefficients, self.steps = arrays["coefficients"].copy(), int(arrays["steps"][0])


def arm_parts(codec: ActionCodec) -> np.ndarray:
    """Return the parts of every flat arm, shape (arms, parts).

    Every arm has the first part, the state's own worth; who is contacted has those of a contact, of its offer, of its channel
    and of its depth.
    """
    arms = codec.unflatten(np.arange(codec.n_flat))
    is_contact = arms[:, 0] == 1
    chosen = [
        (arms[:, part, None] == np.arange(size)) & is_contact[:, None]
        for part, size in enumerate(codec.sizes[1:], start=1)
    ]
    return np.column_stack([np.ones(len(arms)), is_contact, *chosen]).astype(np.float64)


class Logged(NamedTuple):
    """A step of a log, one row a lane.

    Attributes:
        inputs: encoded.
        actions: flat.
        rewards: scaled.
        following: the inputs after it; of the same person, where the episode ended.
        ends: whether it ended.
        infos: what Stable-Baselines3 is told.
        is_open: shape (lanes, actions), what was open after it, to the same person.
    """

    inputs: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    following: np.ndarray
    ends: np.ndarray
    infos: list[dict[str, Any]]
    is_open: np.ndarray


def logged(lanes: Lanes, prior: float, seed: int) -> Iterator[Logged]:
    """Yield what the quiet prior does and what comes of it, step by step, without end.

    Args:
        lanes: with flat actions.
        prior: chance of a contact.
        seed: of the prior's luck.
    """
    codec, luck = lanes.codec, np.random.Generator(np.random.Philox(seed))
    inputs: Any = lanes.reset()
    while True:
        drawn = luck.random((lanes.num_envs, 4))
        actions = codec.flatten(prior_actions(codec, lanes._masks, drawn, prior))
        begun, rewards, ends, infos = lanes.step(actions)
        following = np.array(begun)
        for i in np.flatnonzero(ends):
            following[i] = infos[i]["terminal_observation"]
        yield Logged(
            inputs, actions, rewards, following, ends, [dict(info) for info in infos], lanes.open_after(infos)
        )
        inputs = np.array(begun)
