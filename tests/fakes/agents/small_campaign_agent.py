"""A small agent of the campaign with random weights, written to a folder."""

from pathlib import Path
from typing import Any

from tests.fakes.agents.small_agent import random_tensors, small_card
from tests.fakes.small_campaigns import CHANNELS

from cardarena.agents.rl.folder import TrainedAgent, write_agent
from cardarena.simulator.envs.campaign_view import CampaignView


def campaign_card(channels: tuple[str, ...] = CHANNELS, **changes: Any) -> dict[str, Any]:
    """Return a card as plain values; `changes` by dotted key."""
    names = CampaignView(channels).names
    return small_card(
        **{
            "observation__columns": [{"name": name, "mean": 0.5, "scale": 2.0} for name in names],
            "actions": {"form": "campaign", "choice": "greedy", "channels": list(channels)},
            "training__decision_every": 7,
            **changes,
        }
    )


def campaign_agent(folder: Path, seed: int = 0, **changes: Any) -> TrainedAgent:
    """Write a small agent and return it."""
    card = campaign_card(**changes)
    return write_agent(folder, card, random_tensors(card, seed), [{"steps": 0, "value_cny": 0.0}])
