"""Shapes of money: they emerge, and each is lost with the mechanism that makes it; and the section as a whole."""

from typing import Any

import numpy as np
import pytest
from tests.fakes.shape_lab import missed
from tests.fakes.small_worlds import small_world

from cardarena.agents.registry import make_policy
from cardarena.benchmarks.gathering import gathered
from cardarena.benchmarks.validation.findings import Finding, Picture
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.shapes import section
from cardarena.benchmarks.validation.shapes.shape import Shape, finding
from cardarena.benchmarks.validation.shapes.worlds import branch, played


@pytest.mark.parametrize("experiment", ["credit stress", "pull-forward", "wallet"])
def test_emerges(experiment: str) -> None:
    assert missed(experiment) == set()


@pytest.mark.parametrize(
    ("experiment", "parameters", "lost"),
    [
        ("credit stress", {"need_stress": 1.0, "interest_stress": 0.0}, "stress_instalments"),
        ("credit stress", {"default_rate": 0.0}, "stress_default"),
        ("pull-forward", {"purchase_rate": 0.0}, "pull_forward"),
        ("wallet", {"wallet_satisfaction": 0.0}, "wallet_follows"),
        ("wallet", {"wallet_lag_days": 1.0}, "wallet_lag"),
    ],
)
def test_is_lost_without_its_mechanism(experiment: str, parameters: dict[str, Any], lost: str) -> None:
    assert lost in missed(experiment, parameters)


def test_people_keep_their_luck_where_they_are_gathered_in_place() -> None:
    world = small_world(120)
    some = gathered(world, np.arange(60))
    policy = make_policy("silent")
    played_whole, log = played(world, [(policy, 10)])
    played_some, _ = played(some, [(policy, 10)])
    assert np.array_equal(played_whole.state.people[:60], played_some.state.people)
    assert world.day == 0
    assert log.daily("alive").size == 10


def test_lives_of_one_person_begin_alike_and_part() -> None:
    world = small_world(50)
    lives = gathered(world, np.repeat(7, 200))
    assert np.all(lives.state.people["wallet"] == world.state.people["wallet"][7])
    lived, _ = played(lives, [(make_policy("silent"), 30)])
    assert np.unique(lived.state.people["idle_days"]).size > 1


def test_a_branch_keeps_what_an_experiment_made_of_the_rules() -> None:
    world = small_world(20)
    world.rules.compliance["word_of_mouth"] = 1
    assert branch(world).rules.compliance["word_of_mouth"][0] == 1
    assert world.fork().rules.compliance["word_of_mouth"][0] == 0


def _shape(value: float) -> Shape:
    return Shape((finding("toy", "a toy", [value], low=0.0),), Picture("toy", "Toys play", "", "<svg/>"))


@pytest.mark.parametrize(("value", "title"), [(1.0, "Toys play"), (-1.0, "Not in this world: toys play")])
def test_a_picture_claims_only_what_emerges(
    monkeypatch: pytest.MonkeyPatch, value: float, title: str
) -> None:
    def toy(lab: Lab) -> Shape:
        """Toys play."""
        return _shape(value)

    monkeypatch.setattr(section, "EXPERIMENTS", {"toy": toy})
    lines: list[str] = []
    made = section.run(Lab(n_cardholders=10, seeds=(9001,)), lines.append)
    assert made.name == "shapes"
    assert lines == ["shape: toy"]
    assert made.pictures[0].title == title
    assert isinstance(made.findings[0], Finding)
    assert made.tables[0].rows[0][2] == ("emerges" if value > 0.0 else "misses: toy")
