"""Small campaigns for tests of the environment: two worlds, four weeks, a short run-out."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from tests.fakes.small_worlds import small_world

from cardarena.agents.registry import make_policy
from cardarena.simulator.envs.campaign import CampaignEnv, CampaignWorld
from cardarena.simulator.envs.campaign_plan import N_SEGMENTS, CampaignSettings

CHANNELS = ("app_push", "sms", "email")
HORIZON = 24


def campaign_worlds(n: int = 150, seeds: tuple[int, ...] = (7, 8), **world: Any) -> list[CampaignWorld]:
    """Return worlds at day 0 that run out under the caretaker."""
    return [CampaignWorld(small_world(n, seed, **world), partial(make_policy, "caretaker")) for seed in seeds]


def small_campaign(worlds: list[CampaignWorld] | None = None, **arguments: Any) -> CampaignEnv:
    """Return an environment over small worlds."""
    given = {"channels": CHANNELS, "horizon": HORIZON, "run_out_days": 14, **arguments}
    return CampaignEnv(campaign_worlds() if worlds is None else worlds, **given)


def settings(
    intensity: float = 0.5, cap: int = 2, threshold: float = 0.0, price: float = 0.001, n_channels: int = 3
) -> CampaignSettings:
    """Return the same settings for every segment and channel."""
    return CampaignSettings(
        np.full((N_SEGMENTS, n_channels), intensity), np.full(n_channels, cap), threshold, price
    )


def play(env: CampaignEnv, action: Any, seed: int = 0) -> list[tuple[Any, ...]]:
    """Return every step of an episode under one action, or under `action(step)`."""
    env.reset(seed=seed)
    choose: Callable[[int], Any] = action if callable(action) else lambda _: action
    steps = []
    while not steps or not steps[-1][3]:
        steps.append(env.step(choose(len(steps))))
    return steps
