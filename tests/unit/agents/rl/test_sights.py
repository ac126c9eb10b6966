"""What an agent may be shown, and the scenarios side by side in which it learns."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.fakes.agents.small_training import equal, lanes_of, settings_of, weights

from cardarena.agents.registry import make_policy
from cardarena.agents.rl.card import Column, Observation
from cardarena.agents.rl.encoding import default_columns
from cardarena.agents.rl.folder import read_agent
from cardarena.agents.rl.hidden import BELIEVED_COLUMNS, HIDDEN_COLUMNS
from cardarena.agents.rl.sight import SIGHTS, Sight
from cardarena.agents.rl.training import train
from cardarena.simulator.envs.journeys import COLUMNS
from cardarena.simulator.errors import CardArenaError, PolicyError
from cardarena.simulator.world import World

pytestmark = pytest.mark.rl
torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")


@pytest.mark.parametrize("sight", SIGHTS)
def test_every_sight_trains_resumes_exactly_and_is_played_as_it_was_judged(
    tmp_path: Path, sight: str
) -> None:
    settings = settings_of(observe=sight)
    train(settings, tmp_path / "whole")
    train(settings, tmp_path / "parts", stop_after=1)
    train(settings, tmp_path / "parts", resume=True)
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    policy = make_policy(str(tmp_path / "whole"))
    assert (policy.league, policy.oracle) == (
        ("privileged", True) if sight == "full_state" else ("simulator", False)
    )
    names = {column.name for column in read_agent(tmp_path / "whole").card.observation.columns}
    assert bool(names & set(HIDDEN_COLUMNS)) == (sight == "full_state")
    assert bool(names & set(BELIEVED_COLUMNS)) == (sight == "beliefs")
    assert any(name.startswith("contacts_") for name in names) == (sight != "memoryless")
    assert (
        World.create("baseline", 1, n_cardholders=40, threads=1).run(policy, days=3)["contacts"] is not None
    )


def test_the_hidden_record_is_refused_outside_the_privileged_league(tmp_path: Path) -> None:
    train(settings_of(observe="full_state", steps=128), tmp_path)
    policy: Any = make_policy(str(tmp_path))
    policy.league = "simulator"
    with pytest.raises(PolicyError, match="expected league 'privileged'"):
        World.create("baseline", 1, n_cardholders=40, threads=1).run(policy, days=1)


def test_an_agent_on_the_full_state_is_shown_the_same_in_training_and_in_the_arena(tmp_path: Path) -> None:
    from cardarena.agents.environments import make_pool
    from cardarena.agents.rl.hidden import hidden_columns
    from cardarena.simulator.envs.journeys import Journeys

    world = World.create("baseline", 1001, n_cardholders=40, threads=1).burn_in(make_policy)
    pool = make_pool("baseline", n_cardholders=40, world_seeds=(1001,))
    open_accounts = np.flatnonzero(world.state.people["alive"] == 1)
    journeys = Journeys(pool, len(open_accounts), horizon=10)
    journeys.seed(range(len(open_accounts)))
    journeys.reset(cardholder=open_accounts)
    train(settings_of(observe="full_state", steps=128), tmp_path)
    policy: Any = make_policy(str(tmp_path))
    seen = {}

    def outputs(view: Any, rows: Any, people: Any = None) -> Any:
        seen["hidden"] = hidden_columns(people[rows])
        return type(policy)._outputs(policy, view, rows, people)

    policy._outputs = outputs
    order = world.order
    world.fork().play(policy, 1)
    own = hidden_columns(journeys.slots.people[: journeys.n])
    at = {int(i): k for k, i in enumerate(open_accounts)}
    rows = [(k, at[int(i)]) for k, i in enumerate(order) if int(i) in at]
    assert len(rows) == len(open_accounts)
    for view_row, slot in rows:
        assert np.array_equal(seen["hidden"][view_row], own[slot])


def test_a_filter_knows_more_than_the_mean_and_needs_the_past() -> None:
    from cardarena.agents.rl.sb3.filters import learn_filter

    lanes = lanes_of(n=256, cardholders=500, decision_every=1)
    lessons = lanes.lessons(3, 0.3, rounds=4)
    assert lessons.rows.shape[1] == 4 * 256
    assert lessons.counts[0].all()
    # Each round meets other people, or the same ones with other luck.
    assert not np.array_equal(lessons.rows[:, :256], lessons.rows[:, 256:512])
    believer, tensors, explained = learn_filter(lessons, 1)
    assert 0.02 < explained < 1.0
    again = learn_filter(lessons, 1)[1]
    assert equal(tensors, again)
    # The load of a push that went out yesterday is hidden, and follows from what was observed.
    columns = (*default_columns(("age",)), Column(name="believed_annoyance"))
    sight = Sight(Observation(columns=columns, filter=believer), COLUMNS, tensors)
    rows = lessons.rows[5]
    fresh = sight(rows, sight.nothing(len(rows)))[0]
    inputs, kept = fresh, sight.nothing(len(rows))
    for step in range(6):
        inputs, kept = sight(lessons.rows[step], kept)
    assert np.array_equal(inputs[:, 0], fresh[:, 0])
    assert not np.allclose(inputs[:, 1], fresh[:, 1])
    truth = lessons.hidden[5][:, HIDDEN_COLUMNS.index("hidden_annoyance")]
    assert np.corrcoef(inputs[:, 1], truth)[0, 1] > 0.2


def test_a_filter_is_told_by_people_whom_it_was_never_fitted_to() -> None:
    from dataclasses import replace

    from cardarena.agents.rl.sb3.filters import HELD_OUT, learn_filter

    lessons = lanes_of(n=64).lessons(3, 0.3, rounds=2)
    assert lessons.persons.shape == (2 * 64,)
    # A person's journeys begin as the same row, whatever comes of them; 40 people in 128 journeys return.
    first = lessons.rows[0]
    for person in np.unique(lessons.persons):
        own = first[lessons.persons == person]
        assert (own == own[0]).all()
    assert len(np.unique(first, axis=0)) == len(np.unique(lessons.persons)) <= 40
    # What was true of the people held out changes what is told of the filter, and nothing of the filter.
    is_held_out = lessons.persons % HELD_OUT == HELD_OUT - 1
    assert 0 < is_held_out.sum() < len(is_held_out)
    hidden = lessons.hidden.copy()
    hidden[:, is_held_out] *= 2.0
    _, tensors, explained = learn_filter(lessons, 1)
    _, others, otherwise = learn_filter(replace(lessons, hidden=hidden), 1)
    assert otherwise != explained
    assert equal(tensors, others)
    with pytest.raises(CardArenaError, match="expected 8 people or more"):
        learn_filter(replace(lessons, persons=np.zeros_like(lessons.persons)), 1)


def test_the_lessons_of_a_filter_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from cardarena.agents.rl.sb3 import filters

    lanes = lanes_of(n=12)
    assert lanes.decisions == 10
    for most, rounds in ((10_000, filters.ROUNDS), (500, 4), (60, 1)):
        monkeypatch.setattr(filters, "MOST_ROWS", most)
        assert filters.rounds_of(lanes) == rounds
        assert lanes.lessons(3, 0.3, rounds, most).counts.size <= most
    # What is kept of fewer lanes is what those lanes lived.
    whole, half = lanes.lessons(3, 0.3), lanes.lessons(3, 0.3, 1, 60)
    for name in ("rows", "hidden", "counts"):
        np.testing.assert_array_equal(getattr(half, name), getattr(whole, name)[:, ::2])
    np.testing.assert_array_equal(half.persons, whole.persons[::2])


def test_lanes_of_several_scenarios_are_those_of_each(tmp_path: Path) -> None:
    one, two = lanes_of(n=6), lanes_of(n=6, scenario="tight_budget")
    both = type(one)(
        [lanes_of(n=6).shells[0], lanes_of(n=6, scenario="tight_budget").shells[0]], one.observation
    )
    both.warm_up(3)
    assert both.num_envs == 12
    actions = np.zeros((12, 4), dtype=np.int64)
    for g, lanes in enumerate((one, two)):
        for name in lanes.shells[0].journeys.slots._fields:
            source = getattr(both.shells[g].journeys.slots, name)
            getattr(lanes.shells[0].journeys.slots, name)[...] = source
    rewards = both.step(actions)[1] * both.reward_scale
    alone = [lanes.shells[0].journeys.step(actions[:6]).terms.sum(axis=0) for lanes in (one, two)]
    np.testing.assert_allclose(rewards, np.concatenate(alone), rtol=1e-4, atol=1e-6)
    train(settings_of(scenarios=("baseline", "tight_budget"), contact_price_cny=(0.0, 1.0)), tmp_path)
    card = read_agent(tmp_path).card
    assert card.training.scenario == "baseline, tight_budget"
    assert card.training.contact_price_cny == (0.0, 1.0)
    assert "contact_price" in {column.name for column in card.observation.columns}


def test_banks_that_stock_other_things_are_not_trained_in_together() -> None:
    one = lanes_of(n=4)
    with pytest.raises(CardArenaError, match="expected the offers, channels and depths of 'baseline' in all"):
        type(one)([one.shells[0], lanes_of(n=4, difficulty="easy").shells[0]], one.observation)
