"""Law 1: the agent and the cohort scheduler produce the same log, value for value, on every shipped scenario."""

import numpy as np
import pytest
from tests.fakes.simple_policies import Reactive, Scattered
from tests.fakes.small_worlds import NO_CAPS, small_world

from cardarena.simulator.behaviour.parameters import parameter_names
from cardarena.simulator.scenario import load_scenario, scenario_names
from cardarena.simulator.world import World

N = 80


def _short(name: str, **more: object) -> World:
    # Shocks are drawn to the first days, so that what a scenario is about does happen.
    scenario = load_scenario(name)
    shocks = [{**shock.model_dump(), "day": 1, "day_jitter_days": 0} for shock in scenario.shocks]
    overrides = {
        "horizon.burn_in_days": 4,
        "horizon.burn_in_phases": None,
        "horizon.run_out_days": 4,
        "shocks": shocks,
        **NO_CAPS,
        **more,
    }
    return World.create(
        load_scenario(name, overrides, known_parameters=parameter_names()), 11, N, scheduler="cohort"
    )


def _log_digest(name: str, scheduler: str, decide_minute: int, every_days: int, **more: object) -> str:
    world = _short(name, **more)
    if scheduler == "agent":
        world = World(world.scenario, world.seed, world.traits, world.state, scheduler="agent")
    policy = lambda *_: Scattered(  # noqa: E731
        3, 0.5, rounds=2, every_days=every_days, decide_minute=decide_minute
    )
    world.burn_in(policy)
    log = world.run(policy(), 7, run_out_policy=policy(), run_out_days=3)
    assert log.table("contacts")["day"].size > 100
    return log.digest()


@pytest.mark.parametrize("name", scenario_names())
@pytest.mark.parametrize(("decide_minute", "every_days"), [(0, 1), (600, 7)])
def test_schedulers_agree(name: str, decide_minute: int, every_days: int) -> None:
    cohort = _log_digest(name, "cohort", decide_minute, every_days)
    assert cohort == _log_digest(name, "agent", decide_minute, every_days)


@pytest.mark.parametrize(("decide_minute", "every_days"), [(0, 7), (600, 1), (601, 1)])
def test_schedulers_agree_on_the_other_cadences(decide_minute: int, every_days: int) -> None:
    more = {"word_of_mouth": True, "compliance.mode": "audit"}
    cohort = _log_digest("collisions", "cohort", decide_minute, every_days, **more)
    assert cohort == _log_digest("collisions", "agent", decide_minute, every_days, **more)


@pytest.mark.parametrize("name", ["baseline", "collisions"])
def test_schedulers_agree_on_reactions_within_the_day(name: str) -> None:
    logs = []
    for scheduler in ("cohort", "agent"):
        world = small_world(N, 3, name=name, scheduler=scheduler, overrides=NO_CAPS)
        logs.append(world.run(Reactive(3, 0.3), 4))
    reacted = (logs[0].table("decisions")["minute"] % 60 == 5).sum()
    assert name == "collisions" or reacted > 5
    assert logs[0].digest() == logs[1].digest()


def test_in_collisions_contacts_and_own_events_share_their_minute() -> None:
    log = _short("collisions").run(Scattered(3, 0.9, rounds=3, decide_minute=0), 14)
    shared = 0
    contacts, transactions = log.table("contacts"), log.table("transactions")
    assert np.all(transactions["minute"] == 600)
    key = lambda t: t["day"].astype(np.int64) << 40 | t["cardholder"].astype(np.int64) << 16 | t["minute"]  # noqa: E731
    shared = np.isin(key(contacts)[contacts["status"] == 0], key(transactions)).sum()
    assert shared > 50


def test_a_custom_kind_is_refused_by_the_cohort_scheduler_by_name() -> None:
    from cardarena.simulator.errors import SchedulerError

    scenario = load_scenario("collisions", {"cardholder_kind": "loyal"})
    with pytest.raises(SchedulerError, match=r"loyal.*--scheduler agent"):
        World.create(scenario, 1, 10)
