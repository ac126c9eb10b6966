"""PPO in one file, in the manner of CleanRL: PyTorch, `gymnasium.make_vec`, and an agent that plays in the arena.

Covers: the vector environment, action masks, scaling what is observed, writing a trained agent's folder.

    python docs/examples/cleanrl_ppo.py --out out/mine
    cardarena arena --policy out/mine --policy greedy_priced --scenario baseline
"""

import argparse
import itertools
import shlex
import sys
from pathlib import Path

import gymnasium
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

import cardarena.envs  # noqa: F401 - makes the ids known to Gymnasium
from cardarena.agents.rl.card import Observation
from cardarena.agents.rl.encoding import Encoder, default_columns, scaled
from cardarena.agents.rl.folder import write_agent
from cardarena.benchmarks.provenance import shown_path
from cardarena.simulator.names import CHANNELS, DEPTHS

HIDDEN = (128, 128)
PRIOR = 0.3  # chance of a contact with which the agent begins
NEVER = -1e8


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path("out/cleanrl_ppo"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=1_000_000, help="decisions about one cardholder")
    parser.add_argument("--envs", type=int, default=1024)
    parser.add_argument("--cardholders", type=int, default=2000)
    parser.add_argument("--every", type=int, default=7, help="days between decisions")
    parser.add_argument(
        "--rollout", type=int, default=13, help="decisions of each environment between two updates"
    )
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--gamma", type=float, default=0.99, help="a day")
    parser.add_argument("--entropy", type=float, default=0.01)
    return parser.parse_args()


def layers(inputs: int, outputs: int) -> nn.Sequential:
    sizes = (inputs, *HIDDEN)
    hidden = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), nn.Tanh())]
    return nn.Sequential(*hidden, nn.Linear(sizes[-1], outputs))


class Agent(nn.Module):
    """Actor and critic; offer, channel and depth count only where there is a contact."""

    def __init__(self, inputs: int, codec) -> None:
        super().__init__()
        self.sizes = list(codec.sizes)
        self.actor, self.critic = layers(inputs, sum(self.sizes)), layers(inputs, 1)
        with torch.no_grad():
            self.actor[-1].weight.mul_(0.01)
            self.actor[-1].bias.copy_(torch.as_tensor(codec.prior(PRIOR)))

    def act(self, x, mask, action=None):
        logits = torch.where(mask, self.actor(x), NEVER)
        parts = [Categorical(logits=part) for part in logits.split(self.sizes, dim=1)]
        if action is None:
            action = torch.stack([part.sample() for part in parts], dim=1)
        log_probs = [part.log_prob(action[:, j]) for j, part in enumerate(parts)]
        entropies = [part.entropy() for part in parts]
        log_prob = log_probs[0] + action[:, 0] * sum(log_probs[1:])
        entropy = entropies[0] + parts[0].probs[:, 1] * sum(entropies[1:])
        return action, log_prob, entropy, self.critic(x).squeeze(1)


def main() -> None:
    args = arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    envs = gymnasium.make_vec(
        "CardArena/Cardholder-v0",
        num_envs=args.envs,
        vectorization_mode="vector_entry_point",
        scenario="baseline",
        n_cardholders=args.cardholders,
        world_seeds=(1001,),  # the arena's seeds are below
        decision_every=args.every,
        reward="paired",  # privileged: it knows the twin who was left alone
        offer_features=False,
        autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP,
    )
    gamma = args.gamma**args.every

    # What is observed, transformed and scaled: by what the prior meets in one horizon, and then frozen.
    columns = default_columns([name for name in envs.feature_names if name != "contact_price"])
    encoder = Encoder(Observation(columns=columns), envs.feature_names)
    rng = np.random.default_rng(args.seed)
    obs, info = envs.reset(seed=args.seed)
    seen, paid = [], []
    for _ in range(-(-90 // args.every)):
        seen.append(encoder.transformed(obs))
        actions = np.stack([rng.integers(0, size, args.envs) for size in envs.codec.sizes], axis=1)
        actions[:, 0] = rng.random(args.envs) < PRIOR
        obs, rewards, _, _, info = envs.step(actions)
        paid.append(rewards)
    rows = np.concatenate(seen)
    observation = Observation(columns=scaled(columns, rows.mean(axis=0), rows.std(axis=0)))
    encoder = Encoder(observation, envs.feature_names)
    unit = 4.0 * float(np.std(paid))  # CNY that count as 1

    agent = Agent(encoder.width, envs.codec)
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)
    size, steps = args.envs * args.rollout, 0
    curve = []
    while steps < args.steps:
        optimizer.param_groups[0]["lr"] = args.learning_rate * (1.0 - 0.9 * steps / args.steps)
        kept = {name: [] for name in ("x", "mask", "action", "log_prob", "value", "reward", "end")}
        for _ in range(args.rollout):
            x = torch.as_tensor(encoder(obs))
            mask = torch.as_tensor(info["action_mask"] > 0)
            with torch.no_grad():
                action, log_prob, _, value = agent.act(x, mask)
            obs, reward, terminated, truncated, info = envs.step(action.numpy())
            # The terminal value joined the reward where the horizon cut: both ends are ends.
            end = torch.as_tensor(terminated | truncated)
            reward = torch.as_tensor(reward / unit, dtype=torch.float32)
            for name, part in zip(kept, (x, mask, action, log_prob, value, reward, end), strict=True):
                kept[name].append(part)
        steps += size

        # Generalised advantage estimation.
        with torch.no_grad():
            following = agent.critic(torch.as_tensor(encoder(obs))).squeeze(1)
        advantages, advantage = [], torch.zeros(args.envs)
        for t in reversed(range(args.rollout)):
            goes_on = 1.0 - kept["end"][t].float()
            delta = kept["reward"][t] + gamma * following * goes_on - kept["value"][t]
            advantage = delta + gamma * 0.95 * goes_on * advantage
            advantages.insert(0, advantage)
            following = kept["value"][t]
        flat = {name: torch.cat(parts) for name, parts in kept.items()}
        advantage = torch.cat(advantages)
        returns = advantage + flat["value"]

        for _ in range(args.epochs):
            for rows in torch.randperm(size).split(size // args.batches):
                _, log_prob, entropy, value = agent.act(
                    flat["x"][rows], flat["mask"][rows], flat["action"][rows]
                )
                ratio = (log_prob - flat["log_prob"][rows]).exp()
                a = advantage[rows]
                a = (a - a.mean()) / (a.std() + 1e-8)
                policy_loss = -torch.min(a * ratio, a * ratio.clamp(0.8, 1.2)).mean()
                value_loss = 0.5 * (value - returns[rows]).square().mean()
                loss = policy_loss + value_loss - args.entropy * entropy.mean()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
                optimizer.step()

        day = unit * float(flat["reward"].mean()) / args.every
        share = float(flat["action"][:, 0].float().mean())
        curve.append({"steps": steps, "cny_a_day": round(day, 5), "contact_share": round(share, 4)})
        print(f"{steps:>10,} steps: {day:+.4f} CNY a person and day, {share:.0%} contacted")

    codec, scenario = envs.codec, envs.journeys.pool.scenario
    names = scenario.catalogue().names
    dense = [part for part in agent.actor if isinstance(part, nn.Linear)]
    tensors = {}
    for name, part in zip((*(f"layers.{i}" for i in range(len(HIDDEN))), "output"), dense, strict=True):
        tensors |= {
            f"{name}.weight": part.weight.detach().numpy(),
            f"{name}.bias": part.bias.detach().numpy(),
        }
    card = {
        "name": "cleanrl_ppo",
        "title": "PPO in one file",
        "summary": "The example of a trained agent.",
        "observation": observation.model_dump(mode="json"),
        "network": {"layers": list(HIDDEN), "activation": "tanh"},
        "actions": {
            "form": "factored",
            "choice": "sampled",
            "offers": [names[code] for code in codec.offers],
            "channels": [CHANNELS[code] for code in codec.channels],
            "depths": list(DEPTHS[: codec.n_depths]),
        },
        "training": {
            "algorithm": "ppo",
            "command": shlex.join(["python", "docs/examples/cleanrl_ppo.py", *map(shown_path, sys.argv[1:])]),
            "scenario": scenario.name,
            "world_seeds": [1001],
            "seed": args.seed,
            "steps": steps,
            "gamma_per_day": args.gamma,
            "reward": "paired",
            "decision_every": args.every,
        },
    }
    write_agent(args.out, card, tensors, curve)
    print(f"cardarena arena --policy {args.out} --policy greedy_priced --scenario baseline")


if __name__ == "__main__":
    main()
