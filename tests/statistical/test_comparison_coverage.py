"""What the intervals promise, over many simulated arenas."""

import numpy as np
import pytest
from scipy import stats

from cardarena.benchmarks.statistics import (
    bootstrap_interval,
    friedman,
    holm,
    probability_of_improvement,
    smallest_detectable_difference,
    t_interval,
)

pytestmark = pytest.mark.statistical


def within(share: float, expected: float, n: int) -> bool:
    """Four standard errors: a true formula fails once in 16,000 such tests."""
    return abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / n)


def p_values(samples: np.ndarray) -> np.ndarray:
    return np.asarray(stats.ttest_1samp(samples, 0, axis=1)[1], np.float64)


def test_the_t_interval_covers_and_the_bootstrap_of_few_seeds_does_not():
    x = np.random.default_rng(1).normal(size=(1000, 5))
    covered = float(np.mean([t.low <= 0 <= t.high for t in (t_interval(row) for row in x)]))
    assert within(covered, 0.95, 1000)
    boots = [bootstrap_interval(row, seed=i, n_boot=300) for i, row in enumerate(x[:400])]
    # The reason why the leaderboard's interval is Student's.
    assert not within(float(np.mean([low <= 0 <= high for low, high in boots])), 0.95, 400)


def test_a_difference_of_the_detectable_size_is_found_at_the_promised_rate():
    rng = np.random.default_rng(2)
    n, trials = 8, 4000
    reference = np.random.default_rng(0).normal(size=n)
    scaled = (reference - reference.mean()) / reference.std(ddof=1)  # exactly one standard deviation
    size = smallest_detectable_difference(scaled, np.zeros(n))
    found = p_values(rng.normal(size, 1, (trials, n))) < 0.05
    assert abs(found.mean() - 0.8) < 0.04  # the two-quantile formula is an approximation at eight seeds
    too_small = p_values(rng.normal(size / 2, 1, (trials, n))) < 0.05
    assert too_small.mean() < 0.5


def test_holm_keeps_the_chance_of_any_false_alarm():
    p = np.random.default_rng(3).uniform(size=(4000, 10))
    any_raw = (p.min(axis=1) < 0.05).mean()
    any_holm = np.mean([(holm(row) < 0.05).any() for row in p])
    assert within(float(any_holm), 1 - (1 - 0.005) ** 10, 4000)
    assert any_raw > 0.3


def test_wilson_covers_for_few_seeds():
    rng = np.random.default_rng(4)
    wins = rng.uniform(size=(2000, 8)) < 0.8
    got = [probability_of_improvement(row.astype(float), np.full(8, 0.5)) for row in wins]
    assert np.mean([e.low <= 0.8 <= e.high for e in got]) > 0.93


def test_the_critical_difference_is_exceeded_by_chance_at_its_level():
    scores = np.random.default_rng(5).normal(size=(800, 30, 4))
    limit = friedman(scores[0]).critical_difference
    ranks = stats.rankdata(-scores, axis=2).mean(axis=1)
    assert (np.ptp(ranks, axis=1) > limit).mean() == pytest.approx(0.05, abs=0.03)
