"""What `gymnasium.make` builds, and the pools of burned-in people that environments share.

Importing this module makes the ids known to Gymnasium, too.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from cardarena.agents.gymnasium_ids import register
from cardarena.agents.registry import make_policy, policy_names
from cardarena.simulator.behaviour.parameters import parameter_names
from cardarena.simulator.envs.cardholder import CardholderEnv
from cardarena.simulator.envs.pool import Pool
from cardarena.simulator.envs.slate import SlateEnv, SlateVectorEnv
from cardarena.simulator.envs.trigger import TriggerEnv, TriggerVectorEnv
from cardarena.simulator.envs.vector import CardholderVectorEnv
from cardarena.simulator.scenario import Scenario, load_scenario, scenario_digest
from cardarena.simulator.world import World

#: Seeds of the worlds that an environment trains on, if no others are named.
TRAINING_SEEDS: Final = (1001,)
N_CARDHOLDERS: Final = 2000
#: Pools kept in memory.
_KEPT: Final = 4


def make_pool(
    scenario: str | Path | Scenario = "baseline",
    *,
    n_cardholders: int = N_CARDHOLDERS,
    world_seeds: Sequence[int] = TRAINING_SEEDS,
    overrides: Mapping[str, Any] | None = None,
    days: int | None = None,
) -> Pool:
    """Return the burned-in people of some worlds; asked for again, the same pool.

    Args:
        scenario: a name, a path, or a scenario.
        n_cardholders: people of each world.
        world_seeds: seeds of the worlds.
        overrides: values put over the scenario's, nested or with dotted keys.
        days: the longest horizon; the scenario's by default.

    Raises:
        UnknownNameError: no shipped scenario of that name.
        ScenarioError: a scenario that cannot be used.
    """
    if not isinstance(scenario, Scenario):
        scenario = load_scenario(
            scenario, overrides, known_parameters=parameter_names(), known_policies=policy_names()
        )
    elif overrides:
        raise ValueError("overrides: expected none beside a scenario that is loaded already")
    key = scenario_digest(scenario), int(n_cardholders), tuple(int(seed) for seed in world_seeds), days
    return _kept_pool(_Named(key, scenario))


class _Named:
    """A scenario beside what identifies a pool of it: equal where that is equal."""

    def __init__(self, key: tuple[str, int, tuple[int, ...], int | None], scenario: Scenario) -> None:
        self.key, self.scenario = key, scenario

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Named) and other.key == self.key


@lru_cache(maxsize=_KEPT)
def _kept_pool(named: _Named) -> Pool:
    _, n, seeds, days = named.key
    worlds = [World.create(named.scenario, seed, n).burn_in(make_policy) for seed in seeds]
    return Pool(worlds, make_policy, days)


def _pool_of(arguments: dict[str, Any]) -> Pool:
    """Take the pool's arguments out of an environment's and return the pool."""
    names = ("scenario", "n_cardholders", "world_seeds", "overrides")
    return make_pool(
        **{name: arguments.pop(name) for name in names if name in arguments}, days=arguments.get("horizon")
    )


def cardholder(**arguments: Any) -> CardholderEnv:
    """Return the environment `CardArena/Cardholder-v0`; `arguments` are those of `make_pool` and `CardholderEnv`."""
    return CardholderEnv(_pool_of(arguments), **arguments)


def cardholder_vector(num_envs: int = 1, **arguments: Any) -> CardholderVectorEnv:
    """Return its native vector version; `arguments` are those of `make_pool` and `CardholderVectorEnv`."""
    return CardholderVectorEnv(_pool_of(arguments), num_envs, **arguments)


def trigger(**arguments: Any) -> TriggerEnv:
    """Return the environment `CardArena/Trigger-v0`; `arguments` are those of `make_pool` and `TriggerEnv`."""
    return TriggerEnv(_pool_of(arguments), **arguments)


def trigger_vector(num_envs: int = 1, **arguments: Any) -> TriggerVectorEnv:
    """Return its native vector version; `arguments` are those of `make_pool` and `TriggerVectorEnv`."""
    return TriggerVectorEnv(_pool_of(arguments), num_envs, **arguments)


def slate(**arguments: Any) -> SlateEnv:
    """Return the environment `CardArena/Slate-v0`; `arguments` are those of `make_pool` and `SlateEnv`."""
    return SlateEnv(_pool_of(arguments), **arguments)


def slate_vector(num_envs: int = 1, **arguments: Any) -> SlateVectorEnv:
    """Return its native vector version; `arguments` are those of `make_pool` and `SlateVectorEnv`."""
    return SlateVectorEnv(_pool_of(arguments), num_envs, **arguments)


register()
