"""Small trained agents with random weights, written to a folder."""

from pathlib import Path
from typing import Any

import numpy as np

from cardarena.agents.rl.card import AgentCard
from cardarena.agents.rl.encoding import OBSERVED, default_columns
from cardarena.agents.rl.folder import TrainedAgent, write_agent
from cardarena.agents.rl.network import tensor_shapes

OFFERS = ("grocery_coupon", "bill_instalment", "wealth_introduction")


def small_card(**changes: Any) -> dict[str, Any]:
    """Return a card as plain values; `changes` by dotted key."""
    card: dict[str, Any] = {
        "name": "small",
        "title": "A small agent",
        "summary": "Random weights.",
        "observation": {
            "columns": [{**c.model_dump(), "mean": 0.1, "scale": 2.0} for c in default_columns(OBSERVED)],
            "clip": 10.0,
            "frames": 1,
        },
        "network": {"layers": [8, 6], "activation": "tanh", "memory": None},
        "actions": {
            "form": "factored",
            "scores": "logits",
            "choice": "sampled",
            "offers": list(OFFERS),
            "channels": ["app_push", "sms"],
            "depths": ["generic", "segment"],
        },
        "training": {
            "algorithm": "none",
            "command": "none",
            "scenario": "baseline",
            "world_seeds": [1001],
            "seed": 0,
            "steps": 0,
            "gamma_per_day": 0.99,
            "reward": "paired",
            "contact_price_cny": [0.0, 2.0],
        },
    }
    for key, value in changes.items():
        *parents, last = key.split("__")
        inner = card
        for parent in parents:
            inner = inner[parent]
        inner[last] = value
    return card


def random_tensors(card: dict[str, Any], seed: int = 0) -> dict[str, np.ndarray]:
    """Return random float32 tensors for a card."""
    rng = np.random.Generator(np.random.Philox(seed))
    shapes = tensor_shapes(AgentCard.model_validate({"format": 1, **card, "weights_sha256": "0" * 64}))
    return {name: rng.normal(0.0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def small_agent(folder: Path, seed: int = 0, **changes: Any) -> TrainedAgent:
    """Write a small agent and return it."""
    card = small_card(**changes)
    return write_agent(folder, card, random_tensors(card, seed), [{"steps": 0, "value_cny": 0.0}])
