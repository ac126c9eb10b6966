"""MaskablePPO of Stable-Baselines3 on thousands of journeys: the `VecEnv` is the environment's own kernel.

Covers: `JourneysVecEnv`, action masks, a start from doing nothing, evaluation against doing nothing.

    python docs/examples/sb3_ppo.py --steps 200000
"""

import argparse

import numpy as np
import torch
from sb3_contrib import MaskablePPO

from cardarena.agents.environments import make_pool
from cardarena.agents.sb3 import JourneysVecEnv


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--envs", type=int, default=512)
    parser.add_argument("--cardholders", type=int, default=2000)
    args = parser.parse_args()
    settings = {"reward": "paired", "decision_every": 7}
    people = make_pool("baseline", n_cardholders=args.cardholders, world_seeds=(1001,))
    others = make_pool("baseline", n_cardholders=args.cardholders, world_seeds=(9001,))

    env = JourneysVecEnv(people, args.envs, **settings)
    env.seed(1)
    model = MaskablePPO(
        "MlpPolicy",
        env,
        n_steps=13,
        batch_size=args.envs * 13 // 4,
        n_epochs=4,
        gamma=0.99**7,
        learning_rate=1e-3,
        seed=1,
        device="cpu",
    )
    with torch.no_grad():
        model.policy.action_net.bias.copy_(torch.as_tensor(env.codec.prior(0.3)))
    model.learn(args.steps)

    # People whom it never met: what a journey is worth beyond the twin's who is left alone.
    judged = JourneysVecEnv(others, args.envs, **settings)
    judged.seed(2)
    obs, total = judged.reset(), np.zeros(args.envs)
    alive = np.ones(args.envs, dtype=bool)
    while alive.any():
        actions, _ = model.predict(obs, action_masks=np.stack(judged.env_method("action_masks")))
        obs, rewards, ends, _ = judged.step(actions)
        total += np.where(alive, rewards, 0.0)
        alive &= ~ends
    print(
        f"{total.mean():+.2f} CNY a person beyond doing nothing (standard error {total.std() / len(total) ** 0.5:.2f})"
    )


if __name__ == "__main__":
    main()
