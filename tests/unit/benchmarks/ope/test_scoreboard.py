"""The scoreboard in a small world: weights are what they should be, the truth has a luck of its own."""

from typing import Any

import numpy as np
import pytest
from tests.fakes.small_worlds import NO_CAPS, small_scenario, small_world

from cardarena.agents.reference import StatusQuo
from cardarena.agents.registry import make_policy
from cardarena.benchmarks.ope import scoreboard
from cardarena.benchmarks.ope.estimators import ESTIMATORS, is_trusted
from cardarena.benchmarks.ope.logged import WEEK, Log, record
from cardarena.benchmarks.ope.targets import TARGETS, Tilt, Tilted, make_target
from cardarena.simulator.contracts import Contacts, View
from cardarena.simulator.errors import UnknownNameError
from cardarena.simulator.log import RunLog
from cardarena.simulator.world import World

NAMES = ("quiet", "by_push", "relevant")


@pytest.fixture(scope="module")
def world() -> World:
    made = small_world(300, overrides=NO_CAPS)
    made.play(make_policy("silent"), 14)
    return made


@pytest.fixture(scope="module")
def log(world: World) -> Log:
    return record(world, NAMES, weeks=2, draws=2, seed=0)


class Noting(Tilted):
    """A target that keeps its last view, chances and contacts."""

    def decide(self, view: View) -> Contacts:
        self.sent = super().decide(view)
        self.seen = self.chances(view, self.open_to(view))
        return self.sent


def played(world: World, tilt: Tilt) -> Noting:
    policy = Noting(tilt)
    world.fork().play(policy, 1)
    return policy


def test_without_a_tilt_a_target_is_the_status_quo(world: World) -> None:
    logs = []
    for policy in (StatusQuo(), Tilted(Tilt("none"))):
        logs.append(RunLog())
        world.fork().play(policy, 8, sink=logs[-1])
    assert logs[0].digest() == logs[1].digest()


@pytest.mark.parametrize("name", list(TARGETS))
def test_a_targets_chances_are_those_it_acts_by(world: World, name: str) -> None:
    policy = played(world, TARGETS[name])
    sent, chances = policy.sent, policy.seen
    assert len(sent) > 5
    place = {int(code): j for j, code in enumerate(policy.channel_codes())}
    channel = np.array([place[int(code)] for code in sent.channel])
    assert sent.propensity == pytest.approx(chances.of(sent.cardholder, channel, sent.offer), rel=1e-12)
    assert policy.held_out == pytest.approx(1.0 - chances.contact)
    assert chances.channel.sum(axis=1) == pytest.approx(chances.contact)
    assert chances.offer.sum(axis=1) == pytest.approx(chances.contact)


def test_a_tilt_moves_what_it_says(world: World) -> None:
    plain = played(world, Tilt("none")).seen
    for name, channel in (("by_push", "app_push"), ("by_call", "human_call")):
        at = list(StatusQuo.mix).index(channel)
        assert played(world, TARGETS[name]).seen.channel[:, at].sum() > 1.3 * plain.channel[:, at].sum()
    assert played(world, TARGETS["quiet"]).seen.contact.sum() < 0.5 * plain.contact.sum()
    assert played(world, TARGETS["louder"]).seen.contact.sum() > 1.05 * plain.contact.sum()
    category = world.rules.offers["category"]
    credit = [k for k in range(len(category)) if category[k] == 5]
    fewer = played(world, TARGETS["no_instalments"]).seen.offer[:, credit].sum()
    assert fewer < 0.4 * plain.offer[:, credit].sum()


def test_the_mean_weight_is_one_in_every_decision(log: Log) -> None:
    for name in NAMES:
        weights = log.weights[name][log.known]
        error = weights.std(ddof=1) / np.sqrt(weights.size)
        assert weights.mean() == pytest.approx(1.0, abs=4.0 * error), name
        assert weights.std() > 0.1


def test_the_log_is_the_status_quos(world: World, log: Log) -> None:
    run = RunLog()
    world.fork().play(StatusQuo(), 3 * WEEK, sink=run)
    total = sum(
        float(run.table(name)["value_mfen"].sum())
        for name in ("transactions", "contacts", "responses", "complaints", "consents")
    )
    assert log.margin["realised"].sum() == pytest.approx(total * 1e-5)
    assert log.margin["expected"].shape == log.margin["realised"].shape
    assert not np.array_equal(log.margin["expected"], log.margin["realised"])
    first = log.rewards("realised", WEEK)
    assert first.sum() == pytest.approx(log.margin["realised"][:, : 2 * WEEK].sum())


def test_the_truth_does_not_know_the_luck_of_the_log(world: World, log: Log) -> None:
    other = world.fork()
    other.state.luck = 4242
    again = record(other, NAMES, weeks=1, draws=2, seed=0)
    assert np.array_equal(
        again.truth["one_decision"]["quiet"][:, 0], log.truth["one_decision"]["quiet"][:, 0]
    )
    assert not np.array_equal(again.margin["realised"][:, :WEEK], log.margin["realised"][:, :WEEK])
    reseeded = record(world, NAMES, weeks=1, draws=2, seed=1)
    assert not np.array_equal(
        reseeded.truth["one_decision"]["quiet"][:, 0], log.truth["one_decision"]["quiet"][:, 0]
    )


def test_a_target_like_the_status_quo_has_no_lift(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGETS, "same", Tilt("the same"))
    log = record(world, ["same"], weeks=2, draws=2, seed=0)
    for truth in log.truth.values():
        assert np.all(truth["same"] == 0.0)
    assert np.allclose(log.weights["same"], 1.0)
    for row in scoreboard.evaluated(log, "linear", "realised"):
        if row["estimator"] in ("ips", "snips"):
            assert row["lift_cny"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("model", scoreboard.MODELS)
def test_every_estimator_is_scored_on_every_estimand(log: Log, model: str) -> None:
    rows = [{"seed": seed, **row} for seed in (1, 2) for row in scoreboard.evaluated(log, model, "expected")]
    assert len(rows) == 2 * len(scoreboard.ESTIMANDS) * len(NAMES) * len(ESTIMATORS)
    scores = scoreboard.scores(rows)
    assert [(one["estimand"], one["estimator"]) for one in scores] == [
        (estimand, estimator) for estimand in scoreboard.ESTIMANDS for estimator in ESTIMATORS
    ]
    for one in scores:
        own = [r for r in rows if (r["estimand"], r["estimator"]) == (one["estimand"], one["estimator"])]
        off = np.array([r["lift_cny"] - r["truth_cny"] for r in own])
        assert one["rmse_cny"] == pytest.approx(np.sqrt(np.mean(off**2)))
        assert one["bias_cny"] <= one["rmse_cny"] + 1e-12
        assert len(scoreboard.score_cells(one)) == len(scoreboard.SCORE_COLUMNS)
    for row in scoreboard.by_target(rows):
        assert len(scoreboard.target_cells(row)) == len(scoreboard.TARGET_COLUMNS)
    for row in rows:
        assert row["low_cny"] < row["lift_cny"] < row["high_cny"]


def test_a_forecast_does_not_see_its_own_fold() -> None:
    luck = np.random.default_rng(3)
    state, clusters = luck.standard_normal((600, 1, 4)), np.arange(600)
    rewards = state[:, :, 0] + 0.1 * luck.standard_normal((600, 1))
    before = scoreboard.forecast(rewards, state, clusters, 1.0)
    assert np.corrcoef(before[:, 0], rewards[:, 0])[0, 1] > 0.8
    own = clusters % scoreboard.FOLDS == 0
    moved = rewards.copy()
    moved[own] += 5.0
    after = scoreboard.forecast(moved, state, clusters, 1.0)
    assert np.array_equal(before[own], after[own])
    assert not np.array_equal(before[~own], after[~own])


def test_a_small_log_is_not_trusted(log: Log) -> None:
    assert not is_trusted(log.weights["quiet"])
    marked = scoreboard.target_cells(
        scoreboard.by_target([{"seed": 1, **r} for r in scoreboard.evaluated(log, "linear", "realised")])[-1]
    )
    assert any(cell.endswith("*") for cell in marked) or is_trusted(log.weights["relevant"])


def test_several_worlds_are_run_from_a_scenario() -> None:
    said: list[str] = []
    arguments: dict[str, Any] = {
        "n_cardholders": 120,
        "weeks": 1,
        "targets": ["quiet"],
        "draws": 2,
        "model": "linear",
        "outcome": "realised",
        "tell": said.append,
    }
    rows = scoreboard.run(small_scenario(), make_policy, seeds=(3, 4), **arguments)
    assert [r["seed"] for r in rows] == [3] * 8 + [4] * 8
    again = scoreboard.run(small_scenario(), make_policy, seeds=(3,), **arguments)
    assert rows[:8] == again
    assert rows[0]["lift_cny"] != rows[8]["lift_cny"]
    assert len(said) == 3


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'quiet"):
        make_target("quite")
    with pytest.raises(UnknownNameError, match="channel of the status quo"):
        Tilted(Tilt("x", channels={"email": 2.0}))
    with pytest.raises(UnknownNameError, match="category"):
        Tilted(Tilt("x", categories={"nothing": 2.0}))
