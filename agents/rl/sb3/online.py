# pyright: reportMissingImports=false
"""On-policy and Q-learning algorithms as learners: made for some lanes, taught for a while, written as tensors and read back."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from sb3_contrib import MaskablePPO, RecurrentPPO
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from cardarena.agents.rl.sb3.heads import (
    ContactPolicy,
    MaskableContactPolicy,
    RecurrentContactPolicy,
    actor_tensors,
    begin_quietly,
    value_tensors,
)
from cardarena.agents.rl.sb3.lanes import prior_actions
from cardarena.agents.rl.settings import TrainingSettings

Arrays = dict[str, np.ndarray]
#: Units of a recurrent agent's state.
MEMORY_UNITS = 64


class Learner:
    """An algorithm on some lanes.

    Attributes:
        lanes: the environment.
        algorithm: Stable-Baselines3's.
        memory: what the card says of a recurrent cell, or None.
        activation: of the hidden layers.
    """

    memory: dict[str, Any] | None = None
    activation = "tanh"

    def __init__(self, settings: TrainingSettings, lanes: Any) -> None:
        """Make it, deterministically from the settings' seed."""
        self.settings, self.lanes = settings, lanes
        self.algorithm = self.made()
        self.algorithm.set_logger(Logger(None, []))
        self.algorithm._last_obs = lanes.reset()
        self.algorithm._last_episode_starts = np.ones(lanes.num_envs, dtype=np.bool_)

    def made(self) -> Any:
        """Return the algorithm."""
        raise NotImplementedError

    @property
    def steps(self) -> int:
        """Environment steps so far."""
        return int(self.algorithm.num_timesteps)

    @property
    def lived(self) -> int:
        """Environment steps that were simulated for them."""
        return self.steps

    @property
    def layers(self) -> tuple[int, ...]:
        """Units of each hidden layer."""
        return self.settings.layers

    def optimizers(self) -> dict[str, Any]:
        """Return the optimisers by the names that a checkpoint has for them."""
        return {"optimizer": self.algorithm.policy.optimizer}

    def tensors(self) -> Arrays:
        """Return the network's tensors as a folder holds them."""
        return actor_tensors(self.algorithm.policy)

    def teach(self, steps: int, seed: int, learning_rate: float) -> None:
        """Learn for about `steps` environment steps, all luck being a function of `seed`."""
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - the trainer's own generator
        self.algorithm.action_space.seed(seed)
        self.algorithm.lr_schedule = lambda _: learning_rate
        self.algorithm.learn(steps, callback=self.callback(), reset_num_timesteps=False)

    def callback(self) -> Any:
        """Return what watches the training, or None."""
        return None

    def arrays(self) -> Arrays:
        """Return everything that changes: network, optimiser, lanes, and what the next step begins from."""
        policy, algorithm = self.algorithm.policy, self.algorithm
        found: Arrays = {f"policy.{name}": _plain(tensor) for name, tensor in policy.state_dict().items()}
        for whose, optimizer in self.optimizers().items():
            for i, state in optimizer.state_dict()["state"].items():
                found |= {f"{whose}.{i}.{name}": _plain(value) for name, value in state.items()}
        found |= {f"lanes.{name}": array for name, array in self.lanes.arrays().items()}
        found["counters"] = np.array(
            [algorithm.num_timesteps, algorithm._n_updates, algorithm._episode_num], dtype=np.int64
        )
        found["starts"] = np.asarray(algorithm._last_episode_starts, dtype=np.bool_)
        found["harm_price"] = np.array([self.lanes.harm_price])
        return found

    def restore(self, arrays: Arrays) -> None:
        """Take back what `arrays` returned; the learner was made with the same settings."""
        policy, algorithm = self.algorithm.policy, self.algorithm
        policy.load_state_dict(
            {name: torch.from_numpy(arrays[f"policy.{name}"].copy()) for name in policy.state_dict()}
        )
        for whose, optimizer in self.optimizers().items():
            _restore_optimizer(optimizer, arrays, f"{whose}.")
        prefix = "lanes."
        self.lanes.restore({k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)})
        algorithm.num_timesteps, algorithm._n_updates, algorithm._episode_num = map(int, arrays["counters"])
        algorithm._last_obs = self.lanes.reset()
        algorithm._last_episode_starts = arrays["starts"].copy()
        self.lanes.harm_price = float(arrays["harm_price"][0])


class Ppo(Learner):
    """PPO without masks."""

    algorithm_class: Callable[..., Any] = PPO
    policy_class: type = ContactPolicy

    def made(self) -> Any:
        """Return the algorithm, its actor beginning as the quiet prior."""
        s = self.settings
        algorithm = self.algorithm_class(
            self.policy_class,
            self.lanes,
            n_steps=s.rollout,
            batch_size=s.lanes * s.rollout // s.batches,
            n_epochs=s.epochs,
            gamma=s.gamma_per_day**s.decision_every,
            learning_rate=s.learning_rate,
            ent_coef=s.entropy,
            seed=s.seed,
            device="cpu",
            policy_kwargs={
                "net_arch": {"pi": list(s.layers), "vf": list(s.layers)},
                "activation_fn": torch.nn.Tanh,
                **self.policy_settings(),
            },
        )
        begin_quietly(algorithm.policy, self.lanes.codec.prior(s.prior))
        return algorithm

    def policy_settings(self) -> dict[str, Any]:
        """Return further arguments of the policy."""
        return {}


class MaskedPpo(Ppo):
    """PPO among what is open."""

    algorithm_class = MaskablePPO
    policy_class = MaskableContactPolicy


class LagrangianPpo(MaskedPpo):
    """PPO whose price of harm rises while there is more of it than the limit, and falls while there is less."""

    #: CNY by which the price moves in an update, for each harm in 1,000 people and 30 days beyond the limit.
    RATE = 0.02

    def callback(self) -> Any:
        """Return what moves the price after each rollout."""
        learner = self

        class Moves(BaseCallback):
            def _on_step(self) -> bool:
                return True

            def _on_rollout_end(self) -> None:
                learner.move_price()

        return Moves()

    def move_price(self) -> None:
        """Move the price by how far the last rollout was from the limit."""
        harm, days = self.lanes.take_harm()
        rate = 30_000.0 * harm / max(1, days)
        self.lanes.harm_price = max(
            0.0, self.lanes.harm_price + self.RATE * (rate - self.settings.harm_limit)
        )


class RecurrentAgent(Ppo):
    """PPO with an LSTM, without masks."""

    algorithm_class = RecurrentPPO
    policy_class = RecurrentContactPolicy

    @property
    def memory(self) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What the card says of the recurrent cell."""
        return {"cell": "lstm", "units": MEMORY_UNITS}

    def policy_settings(self) -> dict[str, Any]:
        """Return the size of the recurrent state."""
        return {"lstm_hidden_size": MEMORY_UNITS}

    def arrays(self) -> Arrays:
        """Return the state of the lanes' memories too."""
        states = self.algorithm._last_lstm_states
        return super().arrays() | {
            f"memory.{who}.{i}": _plain(tensor)
            for who in ("pi", "vf")
            for i, tensor in enumerate(getattr(states, who))
        }

    def restore(self, arrays: Arrays) -> None:
        """Take back the memories too."""
        super().restore(arrays)
        states = self.algorithm._last_lstm_states
        self.algorithm._last_lstm_states = type(states)(
            *(
                tuple(torch.from_numpy(arrays[f"memory.{who}.{i}"].copy()) for i in range(2))
                for who in ("pi", "vf")
            )
        )


class Remembered(NamedTuple):
    """A minibatch of `MaskedBuffer`; `is_open` has shape (n, actions), of the next observation, and the rest (n, ...)."""

    observations: torch.Tensor
    actions: torch.Tensor
    next_observations: torch.Tensor
    dones: torch.Tensor
    rewards: torch.Tensor
    is_open: torch.Tensor


class MaskedBuffer(ReplayBuffer):
    """A replay buffer that keeps what was open after each step, so that a target promises nothing that is blocked.

    Attributes:
        next_open: shape (rows, lanes, bytes), the masks as bits.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        space: Any = self.action_space
        self._n_actions = int(space.n)
        self.next_open = np.zeros((self.buffer_size, self.n_envs, -(-self._n_actions // 8)), dtype=np.uint8)

    def note_open(self, is_open: np.ndarray) -> None:
        """Keep what is open after the step that is added next, shape (lanes, actions)."""
        self.next_open[self.pos] = np.packbits(is_open, axis=1)

    def _get_samples(self, batch_inds: np.ndarray, env: Any = None) -> Any:
        at = batch_inds, np.random.randint(0, self.n_envs, len(batch_inds))  # noqa: NPY002 - the trainer's own generator
        bits = np.unpackbits(self.next_open[at], axis=1, count=self._n_actions)
        ends = self.dones[at] * (1.0 - self.timeouts[at])
        parts = (
            self.observations[at],
            self.actions[at],
            self.next_observations[at],
            ends[:, None],
            self.rewards[at][:, None],
        )
        return Remembered(*map(self.to_torch, (*parts, bits.astype(np.bool_))))


class MaskedDqn(DQN):
    """DQN that draws and maximises among what is open, its targets too, each lane with a luck of its own."""

    def _store_transition(
        self, replay_buffer: Any, buffer_action: Any, new_obs: Any, reward: Any, dones: Any, infos: Any
    ) -> None:
        lanes: Any = self.env
        replay_buffer.note_open(lanes.open_after(infos))
        super()._store_transition(replay_buffer, buffer_action, new_obs, reward, dones, infos)

    def targets(self, rows: Remembered) -> torch.Tensor:
        """Return what the steps of a minibatch are worth, shape (n, 1): the reward and the best open action after it."""
        with torch.no_grad():
            values = self.q_net_target(rows.next_observations).masked_fill(~rows.is_open, -torch.inf)
            return rows.rewards + (1.0 - rows.dones) * self.gamma * values.max(dim=1, keepdim=True).values

    def loss(self, rows: Remembered) -> torch.Tensor:
        """Return the error of a minibatch, Huber's, as Stable-Baselines3 has it."""
        own = self.q_net(rows.observations).gather(1, rows.actions.long())
        return torch.nn.functional.smooth_l1_loss(own, self.targets(rows))

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """Take gradient steps on minibatches of the buffer."""
        self._update_learning_rate(self.policy.optimizer)
        buffer: Any = self.replay_buffer
        for _ in range(gradient_steps):
            loss = self.loss(buffer.sample(batch_size))
            self.policy.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
            self.policy.optimizer.step()
            self.after_step()
        self._n_updates += gradient_steps

    def after_step(self) -> None:
        """Do nothing: the target network is renewed between steps of the environment."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> Any:
        """Return flat actions: the best open one, or now and then one of the prior's."""
        lanes: Any = self.env
        with torch.no_grad():
            values = self.q_net(torch.as_tensor(np.asarray(observation))).numpy()
        actions = np.where(lanes.action_masks(), values, -np.inf).argmax(axis=1)
        if not deterministic:
            luck = np.random.random_sample((len(actions), 5))  # noqa: NPY002 - the trainer's own generator
            codec = lanes.codec
            drawn = codec.flatten(prior_actions(codec, lanes._masks, luck[:, 1:], 0.25))
            actions = np.where(luck[:, 0] < self.exploration_rate, drawn, actions)
        return actions, state


BUFFER_ARRAYS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def buffer_arrays(algorithm: Any) -> Arrays:
    """Return what an algorithm's replay buffer holds, and how far it is filled."""
    buffer = algorithm.replay_buffer
    place = np.array([buffer.pos, buffer.full], dtype=np.int64)
    return {f"buffer.{name}": getattr(buffer, name) for name in _kept(buffer)} | {"buffer.place": place}


def restore_buffer(algorithm: Any, arrays: Arrays) -> None:
    """Take back what `buffer_arrays` returned."""
    buffer = algorithm.replay_buffer
    for name in _kept(buffer):
        getattr(buffer, name)[...] = arrays[f"buffer.{name}"]
    buffer.pos, buffer.full = int(arrays["buffer.place"][0]), bool(arrays["buffer.place"][1])


def _kept(buffer: ReplayBuffer) -> tuple[str, ...]:
    return (*BUFFER_ARRAYS, "next_open") if isinstance(buffer, MaskedBuffer) else BUFFER_ARRAYS


class Dqn(Learner):
    """Q-learning over flat actions."""

    activation = "relu"
    BUFFER = 200_000
    algorithm_class: Callable[..., Any] = MaskedDqn

    def made(self) -> Any:
        """Return the algorithm; its values begin at nothing's being best by a little."""
        s = self.settings
        algorithm = self.algorithm_class(
            "MlpPolicy",
            self.lanes,
            learning_rate=s.learning_rate,
            buffer_size=self.BUFFER,
            replay_buffer_class=MaskedBuffer,
            learning_starts=20 * s.lanes,
            batch_size=1024,
            gamma=s.gamma_per_day**s.decision_every,
            train_freq=(1, "step"),
            gradient_steps=2,
            target_update_interval=100 * s.lanes,
            exploration_initial_eps=0.2,
            exploration_final_eps=0.2,
            seed=s.seed,
            device="cpu",
            policy_kwargs={"net_arch": list(s.layers), "activation_fn": torch.nn.ReLU},
        )
        with torch.no_grad():
            output = [m for m in algorithm.q_net.q_net if isinstance(m, torch.nn.Linear)][-1]
            output.weight.mul_(0.01)
            output.bias.zero_()
            output.bias[0] = 0.1
        algorithm.q_net_target.load_state_dict(algorithm.q_net.state_dict())
        return algorithm

    def tensors(self) -> Arrays:
        """Return the Q-network, its values in CNY."""
        tensors = value_tensors(self.algorithm.q_net.q_net)
        for name in ("output.weight", "output.bias"):
            tensors[name] = (tensors[name] * np.float32(self.lanes.reward_scale)).astype(np.float32)
        return tensors

    def arrays(self) -> Arrays:
        """Return the buffer too."""
        calls = np.array([self.algorithm._n_calls], dtype=np.int64)
        return super().arrays() | buffer_arrays(self.algorithm) | {"calls": calls}

    def restore(self, arrays: Arrays) -> None:
        """Take back the buffer too."""
        super().restore(arrays)
        restore_buffer(self.algorithm, arrays)
        self.algorithm._n_calls = int(arrays["calls"][0])


def _restore_optimizer(optimizer: Any, arrays: Arrays, prefix: str) -> None:
    state = optimizer.state_dict()
    for i in range(sum(len(group["params"]) for group in state["param_groups"])):
        begins = f"{prefix}{i}."
        own = {
            name.removeprefix(begins): torch.from_numpy(array.copy())
            for name, array in arrays.items()
            if name.startswith(begins)
        }
        if own:
            state["state"][i] = own
    optimizer.load_state_dict(state)


def _plain(value: Any) -> np.ndarray:
    return np.asarray(value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value)
