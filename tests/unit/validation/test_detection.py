"""The arithmetic of telling policies apart, and that it notices when runs are not paired."""

import numpy as np
import pytest

from cardarena.benchmarks.statistics import smallest_detectable_difference, variance_reduction_from_pairing
from cardarena.benchmarks.validation import discrimination
from cardarena.benchmarks.validation.detection import (
    bootstrap_ratio,
    components,
    detectable,
    false_alarms,
    paired_variance,
    unpaired_variance,
)
from cardarena.benchmarks.validation.discrimination_runs import NULL, Design, Scores, play
from cardarena.benchmarks.validation.findings import MISSES
from cardarena.benchmarks.validation.lab import Lab

A = np.array([10.0, 12.0, 9.0, 15.0])
B = np.array([8.0, 11.0, 9.0, 12.0])
PAIR = ("rfm", "segment")


def test_it_agrees_with_the_leaderboard_s_statistics():
    assert detectable(paired_variance(A, B), 4, paired=True) == pytest.approx(
        smallest_detectable_difference(A, B)
    )
    apart = detectable(unpaired_variance(A, B), 4, paired=False)
    assert apart == pytest.approx(smallest_detectable_difference(A, B, paired=False))
    assert discrimination.ratio(A, B) == pytest.approx(variance_reduction_from_pairing(A, B))


def test_components_are_exact_and_never_negative():
    found = components((500, 2_000), (0.25 + 40 / 500, 0.25 + 40 / 2_000))
    assert (found.shared, found.person) == (pytest.approx(0.25), pytest.approx(40.0))
    assert found.at([1_000, 4_000]) == pytest.approx([0.29, 0.26])
    # More spread with more people: all of it is shared. Less than a quarter of it: all of it is the people's.
    rising, falling = components((500, 2_000), (0.1, 0.2)), components((500, 2_000), (1.0, 0.1))
    assert (rising.shared, rising.person) == (0.2, 0.0)
    assert (falling.shared, falling.person) == (0.0, pytest.approx(200.0))


def test_four_times_the_variance_needs_four_times_the_seeds_when_seeds_are_many():
    assert detectable(4.0, 400, paired=True) == pytest.approx(detectable(1.0, 100, paired=True), rel=0.01)


def test_the_bootstrap_brackets_the_ratio_and_is_a_function_of_its_key():
    rng = np.random.Generator(np.random.Philox(key=5))
    shared = rng.normal(0, 3, 30)
    a, b = shared + rng.normal(size=30), shared + rng.normal(size=30)
    low, high = bootstrap_ratio(a, b, key=1)
    assert low < discrimination.ratio(a, b) < high
    assert (low, high) == bootstrap_ratio(a, b, key=1) != bootstrap_ratio(a, b, key=2)


def test_false_alarms_come_at_the_level_and_where_luck_is_one_sided_seldom():
    rng = np.random.Generator(np.random.Philox(key=6))
    assert false_alarms(rng.normal(size=300), 8, key=1) == pytest.approx(0.05, abs=0.015)
    # One huge difference among equal ones swells its own standard error.
    assert false_alarms(np.r_[100.0, np.full(7, 1e-3)], 8, key=1) < 0.02


@pytest.fixture(scope="module")
def scores() -> Scores:
    lab = Lab(n_cardholders=128, seeds=(9001,))
    return play(lab, Design(n_seeds=5, sizes=(64, 128), first_seed=700, pairs=(PAIR,)), lambda text: None)


def test_the_arena_s_pairing_holds_and_its_loss_is_noticed(scores: Scores):
    findings = {finding.id: finding for finding in discrimination.judge(scores)}
    assert findings["discrimination.pairing"].value > 4.0
    size = scores.design.sizes[1]
    broken = Scores(scores.design, dict(scores.values), scores.people)
    for measure in ("margin", "expected margin"):
        # Each policy on another seed than its rival.
        broken.values[size, measure, PAIR[1]] = list(np.roll(scores.of(size, measure, PAIR[1]), 1))
    for finding in discrimination.judge(broken):
        if finding.id in ("discrimination.pairing", "discrimination.pairing_expected"):
            assert finding.verdict == MISSES


def test_a_policy_with_other_draws_is_another_run_of_the_same_policy(scores: Scores):
    size = scores.design.sizes[1]
    one, other = scores.of(size, "margin", "status_quo"), scores.of(size, "margin", NULL)
    assert not np.array_equal(one, other)
    assert np.corrcoef(one, other)[0, 1] > 0.9
    assert np.all(scores.of(size, "INV", "silent") == 0.0)


def test_people_add_up_to_the_value_a_head(scores: Scores):
    for size in scores.design.sizes:
        for name in PAIR:
            heads = [people.mean() for people in scores.people[size, name]]
            assert heads == pytest.approx(scores.of(size, "margin", name))


def test_realised_components_are_those_of_the_people(scores: Scores):
    parts = scores.components(PAIR, "margin", paired=True)
    size = scores.design.sizes[1]
    within = [
        np.var(a - b, ddof=1) for a, b in zip(*(scores.people[size, name] for name in PAIR), strict=True)
    ]
    assert parts.person == pytest.approx(np.mean(within))
    # The silent arm cancels in a paired difference.
    assert scores.components(PAIR, "INV", paired=True).person == pytest.approx(parts.person)
    assert (
        scores.components(PAIR, "INV", paired=False).person
        < scores.components(PAIR, "margin", paired=False).person
    )
