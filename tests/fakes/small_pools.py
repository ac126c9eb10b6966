"""A small pool of burned-in people for tests of the environments; made once a process."""

from typing import Any

import numpy as np

from cardarena.agents.environments import make_pool
from cardarena.simulator.envs.actions import ActionCodec
from cardarena.simulator.envs.pool import Pool

OVERRIDES: dict[str, Any] = {
    "horizon.burn_in_days": 40,
    "horizon.days": 10,
    "horizon.run_out_days": 12,
    "logged_history": False,
    "start_date_jitter_days": 0,
}
ARGUMENTS: dict[str, Any] = {"scenario": "baseline", "n_cardholders": 200, "overrides": OVERRIDES}


def small_pool(
    days: int | None = None, *, scenario: str = "baseline", n: int = 200, **overrides: Any
) -> Pool:
    """Return the pool, with the scenario's dotted keys (two underscores for a dot) put over it."""
    changes = {name.replace("__", "."): value for name, value in overrides.items()}
    return make_pool(scenario, n_cardholders=n, overrides={**OVERRIDES, **changes}, days=days)


def drawn_actions(codec: ActionCodec, n: int, seed: int, share: float = 0.5) -> np.ndarray:
    """Return factored actions drawn by lot, shape (n, 4), a contact with chance `share`."""
    rng = np.random.Generator(np.random.Philox(seed))
    actions = np.stack([rng.integers(0, size, n) for size in codec.sizes], axis=1)
    actions[:, 0] = rng.random(n) < share
    return actions
