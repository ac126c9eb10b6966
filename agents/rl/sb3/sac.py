# pyright: reportMissingImports=false
"""Soft actor-critic on the campaign as a learner."""

from typing import Any

import numpy as np
import torch
from stable_baselines3 import SAC

from cardarena.agents.rl.sb3.bases import Bases
from cardarena.agents.rl.sb3.heads import dense_tensors
from cardarena.agents.rl.sb3.online import Arrays, Learner, buffer_arrays, restore_buffer
from cardarena.simulator.envs.campaign_plan import N_SEGMENTS, CampaignCodec, CampaignSettings


class Sac(Learner):
    """Stable-Baselines3's SAC. It learns by whole episodes, and begins as a modest plan that is the same for everybody."""

    BUFFER = 50_000
    #: The plan with which an agent begins, beside the intensity that is the settings' `prior`.
    CAP, THRESHOLD, PRICE_CNY = 2, 0.25, 0.1
    #: Scatter of the first actions, as a logarithm, before their hyperbolic tangent.
    LOG_SCATTER = -1.0
    activation = "relu"
    lanes: Bases

    def made(self) -> Any:
        """Return the algorithm."""
        s, lanes = self.settings, self.lanes
        algorithm = SAC(
            "MlpPolicy",
            lanes,
            learning_rate=s.learning_rate,
            buffer_size=min(self.BUFFER, max(s.steps, s.lanes)),
            # The first episodes are played by lot.
            learning_starts=s.lanes * lanes.episode,
            batch_size=256,
            gamma=s.gamma_per_day**s.decision_every,
            train_freq=(1, "step"),
            gradient_steps=s.lanes,
            seed=s.seed,
            device="cpu",
            policy_kwargs={"net_arch": list(s.layers), "activation_fn": torch.nn.ReLU},
            replay_buffer_kwargs={"handle_timeout_termination": lanes.bootstraps},
        )
        actor: Any = algorithm.actor
        with torch.no_grad():
            for layer in (actor.mu, actor.log_std):
                layer.weight.mul_(0.01)
            actor.mu.bias.copy_(torch.as_tensor(np.arctanh(self.first_action()), dtype=torch.float32))
            actor.log_std.bias.fill_(self.LOG_SCATTER)
        return algorithm

    def first_action(self) -> np.ndarray:
        """Return the action with which an agent begins, shape (entries,), inside (-1, 1)."""
        codec: CampaignCodec = self.lanes.envs[0].codec
        n = len(codec.channels)
        plan = CampaignSettings(
            np.full((N_SEGMENTS, n), self.settings.prior),
            np.full(n, self.CAP),
            self.THRESHOLD,
            self.PRICE_CNY,
        )
        return np.clip(codec.encode(plan), -0.99, 0.99)

    def optimizers(self) -> dict[str, Any]:
        """Return those of actor, critics and entropy."""
        algorithm = self.algorithm
        return {
            "optimizer.actor": algorithm.actor.optimizer,
            "optimizer.critic": algorithm.critic.optimizer,
            "optimizer.entropy": algorithm.ent_coef_optimizer,
        }

    def teach(self, steps: int, seed: int, learning_rate: float) -> None:
        """Learn for at least `steps` environment steps, whole episodes, from new ones on."""
        # Only now: what restores a checkpoint resets the lanes too.
        self.algorithm._last_obs = self.lanes.begin(seed)
        whole = self.lanes.num_envs * self.lanes.episode
        super().teach(-(-steps // whole) * whole, seed, learning_rate)

    def tensors(self) -> Arrays:
        """Return the mean action's network."""
        actor: Any = self.algorithm.actor
        return dense_tensors(actor.latent_pi, actor.mu)

    def arrays(self) -> Arrays:
        """Return the entropy's weight and the buffer too."""
        weight = self.algorithm.log_ent_coef.detach().numpy()
        return super().arrays() | buffer_arrays(self.algorithm) | {"log_ent_coef": weight}

    def restore(self, arrays: Arrays) -> None:
        """Take them back."""
        super().restore(arrays)
        restore_buffer(self.algorithm, arrays)
        with torch.no_grad():
            self.algorithm.log_ent_coef.copy_(torch.from_numpy(arrays["log_ent_coef"].copy()))
