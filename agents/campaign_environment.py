"""Composition root of `CardArena/Campaign-v0`: worlds that were burned in, and the policy of their run-out."""

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

from cardarena.agents.registry import make_policy
from cardarena.simulator.behaviour.parameters import parameter_names
from cardarena.simulator.envs.campaign import CampaignEnv, CampaignWorld
from cardarena.simulator.scenario import Scenario, load_scenario
from cardarena.simulator.world import World

#: Training worlds: the arena's seeds begin at 1.
CAMPAIGN_SEEDS: Final = (1001, 1002, 1003, 1004)


def make_campaign(
    scenario: Scenario | str | Path = "baseline",
    n_cardholders: int = 2000,
    world_seeds: Sequence[int] = CAMPAIGN_SEEDS,
    overrides: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> CampaignEnv:
    """Return the environment `CardArena/Campaign-v0` over worlds of a scenario, which are burned in once a process.

    `arguments` are those of `CampaignEnv`.

    Args:
        scenario: a scenario, its name or its file.
        n_cardholders: people of each world.
        world_seeds: one world each.
        overrides: values put over the scenario's, nested or with dotted keys.
        **arguments: as `CampaignEnv` takes them.
    """
    return CampaignEnv(campaign_worlds(scenario, n_cardholders, world_seeds, overrides), **arguments)


def campaign_worlds(
    scenario: Scenario | str | Path,
    n_cardholders: int,
    world_seeds: Sequence[int],
    overrides: Mapping[str, Any] | None = None,
) -> list[CampaignWorld]:
    """Return worlds of a scenario at day 0, which are burned in once a process; see `make_campaign` for the arguments."""
    if not isinstance(scenario, Scenario):
        scenario = load_scenario(scenario, overrides, known_parameters=parameter_names())
    text = scenario.model_dump_json()
    return [_campaign_world(text, seed, n_cardholders) for seed in world_seeds]


@lru_cache(maxsize=16)
def _campaign_world(scenario: str, seed: int, n_cardholders: int) -> CampaignWorld:
    world = World.create(Scenario.model_validate_json(scenario), seed, n_cardholders).burn_in(make_policy)
    return CampaignWorld(world, partial(make_policy, world.scenario.horizon.run_out_policy))
