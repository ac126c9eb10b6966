# pyright: reportMissingImports=false
"""Stable-Baselines3 policies whose actions are what a contact is, and whose first thought is to do nothing.

Offer, channel and depth count only where there is a contact: their luck on the many days without one would be noise in
every gradient.
"""

from typing import Any

import numpy as np
import torch
from sb3_contrib.common.maskable.distributions import MaskableMultiCategoricalDistribution
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3.common.distributions import MultiCategoricalDistribution
from stable_baselines3.common.policies import ActorCriticPolicy


class _Hierarchical:
    """A contact or not, and then what: probabilities of the parts, weighed by whether there is a contact."""

    distributions: Any

    def log_prob(self, actions: torch.Tensor) -> torch.Tensor:
        """Return log-probabilities, shape (n,), of factored actions, shape (n, 4)."""
        contact, *rest = torch.unbind(actions.view(len(actions), -1), dim=1)
        first, *others = self.distributions
        inner = sum(dist.log_prob(part) for dist, part in zip(others, rest, strict=True))
        return first.log_prob(contact) + contact * inner

    def entropy(self) -> torch.Tensor:
        """Return the entropy of what is done, shape (n,)."""
        first, *others = self.distributions
        return first.entropy() + first.probs[:, 1] * sum(dist.entropy() for dist in others)


class Hierarchical(_Hierarchical, MultiCategoricalDistribution):
    """Without masks."""

    @property
    def distributions(self) -> Any:
        """The parts, by the name that the masked kind has for them."""
        return self.distribution


class MaskableHierarchical(_Hierarchical, MaskableMultiCategoricalDistribution):
    """With masks."""


def _sizes(space: Any) -> list[int]:
    return [int(size) for size in space.nvec]


class ContactPolicy(ActorCriticPolicy):
    """Plain actor and critic."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.action_dist = Hierarchical(_sizes(self.action_space))


class MaskableContactPolicy(MaskableActorCriticPolicy):
    """With masks."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.action_dist = MaskableHierarchical(_sizes(self.action_space))


class RecurrentContactPolicy(RecurrentActorCriticPolicy):
    """With an LSTM."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.action_dist = Hierarchical(_sizes(self.action_space))


def begin_quietly(policy: Any, prior: np.ndarray) -> None:
    """Let an actor begin as the prior: log-probabilities as biases, weights so small that nothing else matters yet.

    Args:
        policy: with an `action_net`.
        prior: shape (outputs,).
    """
    with torch.no_grad():
        policy.action_net.weight.mul_(0.01)
        policy.action_net.bias.copy_(torch.as_tensor(prior, dtype=torch.float32))


def actor_tensors(policy: Any) -> dict[str, np.ndarray]:
    """Return the actor's tensors under the names that `agents.rl.network` gives them."""
    named: dict[str, torch.Tensor] = {}
    if hasattr(policy, "lstm_actor"):
        named |= {
            f"memory.{name}": getattr(policy.lstm_actor, f"{name}_l0")
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
    return _plain(named | _dense(policy.mlp_extractor.policy_net, policy.action_net))


def value_tensors(network: torch.nn.Sequential) -> dict[str, np.ndarray]:
    """Return a Q-network's tensors likewise; its last layer is the output."""
    dense = [module for module in network if isinstance(module, torch.nn.Linear)]
    return dense_tensors(dense[:-1], dense[-1])


def dense_tensors(layers: Any, output: torch.nn.Linear) -> dict[str, np.ndarray]:
    """Return the tensors of hidden layers, whatever stands between them, and of an output layer likewise."""
    return _plain(_dense(layers, output))


def _dense(layers: Any, output: torch.nn.Linear) -> dict[str, torch.Tensor]:
    named: dict[str, torch.Tensor] = {}
    for i, layer in enumerate(layer for layer in layers if isinstance(layer, torch.nn.Linear)):
        named |= {f"layers.{i}.weight": layer.weight, f"layers.{i}.bias": layer.bias}
    return named | {"output.weight": output.weight, "output.bias": output.bias}


def _plain(named: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.detach().cpu().numpy().astype(np.float32) for name, tensor in named.items()}
