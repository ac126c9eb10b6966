"""A trained campaign plays in the arena as it played in its environment, to the last row of the log."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.fakes.agents.small_campaign_agent import campaign_agent, campaign_card
from tests.fakes.small_campaigns import HORIZON, campaign_worlds, small_campaign

from cardarena.agents.registry import make_policy, trained_folders
from cardarena.agents.rl.campaign import Actor, TrainedCampaign
from cardarena.agents.rl.folder import CARD, WEIGHTS, read_agent
from cardarena.agents.rl.policy import TrainedPolicy
from cardarena.benchmarks.arena.entries import make_plan
from cardarena.simulator.contracts import Policy
from cardarena.simulator.errors import PolicyError
from cardarena.simulator.log import RunLog

BUDGET = {"budget.cny_per_cardholder_per_30_days": 0.05}


class Noted(TrainedCampaign):
    """Notes what it observed and chose."""

    def reset(self, brief: Any, policy_seed: int) -> None:
        super().reset(brief, policy_seed)
        self.noted: list[tuple[np.ndarray, np.ndarray]] = []

    def _observe(self, view: Any) -> Any:
        seen = super()._observe(view)
        self.noted.append((seen, self._actor(seen)))
        return seen


def log_of(world: Any) -> RunLog:
    return RunLog(traits=world.traits, days=HORIZON, run_out_days=0, first_day=0)


@pytest.mark.parametrize("overrides", [{}, BUDGET])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_arenas_log_is_the_environments(tmp_path: Path, overrides: dict[str, Any], seed: int) -> None:
    agent = campaign_agent(tmp_path / "a", seed)
    worlds = campaign_worlds(n=400, seeds=(7,), overrides=overrides)
    # As in the arena: the policy, its views, its feedback.
    arena = worlds[0].world.fork()
    policy, played = Noted(tmp_path / "a"), log_of(arena)
    arena.play(policy, HORIZON, sink=played, budget_mfen=arena.scenario.budget_mfen(arena.n, HORIZON))
    # In the environment: the network asked with its observations.
    env, actor = small_campaign(worlds, terminal_value=False), Actor(agent)
    env.sink = stepped = log_of(arena)
    observation, over, steps = env.reset(seed=0)[0], False, []
    while not over:
        steps.append((observation, actor(observation)))
        observation, _, _, over, _ = env.step(steps[-1][1])
    assert len(steps) == len(policy.noted) == 4
    for (mine, own), (its, other) in zip(steps, policy.noted, strict=True):
        np.testing.assert_array_equal(mine, its)
        np.testing.assert_array_equal(own, other)
    assert played.digest() == stepped.digest()
    assert played.table("decisions")["day"].size > 50
    names = env.feature_names
    assert max(row[names.index("low_value.last_delivered_per_1000")] for row, _ in steps) > 0.0
    assert not np.array_equal(steps[0][1], steps[1][1]), "the agent must look at what it observes"
    assert env.world is not None
    assert np.array_equal(env.world.state.people, arena.state.people)


def test_what_is_stopped_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    campaign_agent(tmp_path / "a")
    world = campaign_worlds(n=300, seeds=(7,))[0].world
    whole, parts = world.fork(), world.fork()
    one, two = log_of(whole), log_of(parts)
    whole.play(make_policy(str(tmp_path / "a")), HORIZON, sink=one)
    first = make_policy(str(tmp_path / "a"))
    parts.take_over(first, HORIZON)
    parts.play(first, 10, sink=two, reset=False)
    second = make_policy(str(tmp_path / "a"))
    assert isinstance(first, TrainedCampaign)
    second.reset(first.brief, 0)
    second.load_state(first.state())
    parts.play(second, HORIZON - 10, sink=two, reset=False)
    assert one.digest() == two.digest()


def test_the_dial_turns_the_volume(tmp_path: Path) -> None:
    campaign_agent(tmp_path / "a")
    counts = []
    for dial in (0.0, 0.25, 1.0, 4.0):
        world = campaign_worlds(n=300, seeds=(7,))[0].world
        log = log_of(world)
        world.play(make_policy(str(tmp_path / "a"), dial), HORIZON, sink=log)
        counts.append(log.table("decisions")["day"].size)
    assert counts[0] == 0
    assert counts[0] < counts[1] < counts[2] < counts[3]
    with pytest.raises(PolicyError, match="factor on every intensity"):
        make_policy(str(tmp_path / "a"), -1.0)


def test_the_registry_tells_the_two_kinds_apart(tmp_path: Path) -> None:
    campaign_agent(tmp_path / "a")
    policy = make_policy(str(tmp_path / "a"))
    assert isinstance(policy, TrainedCampaign)
    assert isinstance(policy, Policy)
    assert (policy.league, policy.every_days, policy.period_days) == ("simulator", 1, 7)
    with pytest.raises(PolicyError, match="expected an agent of a campaign"):
        TrainedCampaign(trained_folders()["maskable_ppo"])
    plan = make_plan(scenarios=["baseline"], policies=[str(tmp_path / "a")], n_seeds=2)
    assert plan.policies[0].league == "simulator"
    with pytest.raises(PolicyError, match="found 1001"):
        make_plan(scenarios=["baseline"], policies=[str(tmp_path / "a")], n_seeds=1001)
    assert isinstance(make_policy("maskable_ppo"), TrainedPolicy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actions__offers": ["grocery_coupon"]}, "expected none of a campaign, found grocery_coupon"),
        ({"actions__depths": ["generic"]}, "expected none of a campaign, found generic"),
        ({"actions__choice": "sampled"}, "expected greedy logits of a campaign"),
        (
            {"observation__columns": [{"name": "age"}]},
            "expected a column of a campaign of these channels, found 'age'",
        ),
        ({"observation__columns": [{"name": "inactive.shares"}]}, "did you mean 'inactive.share'"),
        (
            {"observation__columns": [{"name": "inactive.permitted_wecom"}]},
            "found 'inactive.permitted_wecom'",
        ),
        ({"observation__frames": 2}, "expected no memory and one frame of a campaign"),
        ({"actions__channels": ["app_push", "app_push"]}, "expected each name once"),
    ],
)
def test_a_wrong_card_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    campaign_agent(tmp_path / "a")
    card = {"format": 1, **campaign_card(**changes)}
    card["weights_sha256"] = hashlib.sha256((tmp_path / "a" / WEIGHTS).read_bytes()).hexdigest()
    (tmp_path / "a" / CARD).write_text(json.dumps(card))
    with pytest.raises(PolicyError, match=r"a/agent\.json") as caught:
        read_agent(tmp_path / "a")
    assert message in str(caught.value)
