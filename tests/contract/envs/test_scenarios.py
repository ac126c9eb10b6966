"""Every shipped scenario makes every environment: it is made, reset, and lives a step."""

from typing import Any

import gymnasium
import numpy as np
import pytest

from cardarena.agents.gymnasium_ids import ENTRY_POINTS, register
from cardarena.simulator.scenario import scenario_names

register()
#: Few people, little history: what is asked for is that everything fits together.
OVERRIDES: dict[str, Any] = {
    "horizon.burn_in_days": 10,
    "horizon.burn_in_phases": None,
    "horizon.run_out_days": 3,
    "logged_history": False,
}


@pytest.mark.parametrize("scenario", scenario_names())
def test_every_environment_can_be_made_reset_and_stepped(scenario: str) -> None:
    for name in sorted(ENTRY_POINTS):
        env: Any = gymnasium.make(
            name, scenario=scenario, n_cardholders=40, world_seeds=(1001,), overrides=OVERRIDES
        )
        observation, info = env.reset(seed=1)
        assert observation in env.observation_space
        env.action_space.seed(1)
        observation, reward, _, _, info = env.step(env.action_space.sample())
        assert observation in env.observation_space
        assert np.isfinite(reward)
        assert reward == pytest.approx(sum(info["reward_terms"].values()))
        assert info["dt"] > 0
