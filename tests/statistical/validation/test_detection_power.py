"""What the section on discrimination promises, over many simulated arenas."""

import numpy as np
import pytest
from scipy import stats

from cardarena.benchmarks.validation.detection import (
    components,
    detectable,
    paired_variance,
    unpaired_variance,
)
from cardarena.benchmarks.validation.realism.bgnbd import BgNbd, fit_bgnbd, history_of

pytestmark = pytest.mark.statistical


def luck(key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=key))


def arena(rng: np.random.Generator, n_seeds: int, n: int, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Play two policies: the seed's and the people's luck is shared, each policy has a little of its own."""
    common = rng.normal(0, 5, n_seeds) + rng.normal(0, 200 / np.sqrt(n), n_seeds)
    own = rng.normal(0, 30 / np.sqrt(n), (2, n_seeds))
    return common + own[0], common + gap + own[1]


def test_components_of_a_known_arena_are_found():
    rng, sizes = luck(11), (500, 2_000)
    apart, together = [], []
    for _ in range(300):
        runs = [arena(rng, 24, n, 1.0) for n in sizes]
        apart.append([unpaired_variance(*run) for run in runs])
        together.append([paired_variance(*run) for run in runs])
    unpaired = components(sizes, tuple(np.mean(apart, axis=0)))
    paired = components(sizes, tuple(np.mean(together, axis=0)))
    # Twice 25 and twice (200^2 + 30^2); nothing shared and twice 30^2.
    assert unpaired.shared == pytest.approx(50.0, rel=0.08)
    assert unpaired.person == pytest.approx(2 * (200**2 + 30**2), rel=0.08)
    assert paired.shared < 0.05
    assert paired.person == pytest.approx(2 * 30**2, rel=0.05)


@pytest.mark.parametrize("n_seeds", [8, 24])
def test_a_detectable_difference_is_found_four_times_in_five(n_seeds: int):
    rng, n = luck(12), 1_000
    gap = float(detectable(2 * 30**2 / n, n_seeds, paired=True))
    a, b = np.moveaxis(np.array([arena(rng, n_seeds, n, gap) for _ in range(2_000)]), 1, 0)
    found = np.mean(np.asarray(stats.ttest_rel(b, a, axis=1)[1]) < 0.05)
    assert found == pytest.approx(0.8, abs=0.04)
    # The same runs without their pairing.
    assert np.mean(np.asarray(stats.ttest_ind(b, a, axis=1)[1]) < 0.05) < 0.1


def test_bgnbd_recovers_its_parameters_and_foresees_the_holdout():
    rng, n, true = luck(13), 4_000, BgNbd(r=2.0, alpha=4.0, a=0.8, b=2.5)
    rate, drop = rng.gamma(true.r, 1 / true.alpha, n), rng.beta(true.a, true.b, n)
    gap = rng.exponential(1.0, (n, 80)) / rate[:, None]
    stays = np.cumprod(rng.random((n, 80)) >= drop[:, None], axis=1)
    alive = np.concatenate([np.ones((n, 1), bool), stays[:, :-1] == 1], axis=1)
    time = np.where(alive, np.cumsum(gap, axis=1), np.inf)
    who = np.repeat(np.arange(n), 80)
    history = history_of(n, who, time.ravel(), 30.0)
    fit = fit_bgnbd(history)
    assert (fit.r, fit.alpha) == (pytest.approx(2.0, rel=0.15), pytest.approx(4.0, rel=0.15))
    assert fit.a / (fit.a + fit.b) == pytest.approx(0.8 / 3.3, rel=0.1)
    came = ((time >= 30.0) & (time < 40.0)).sum(axis=1)
    assert fit.conditional_expectation(history, 10.0).sum() == pytest.approx(came.sum(), rel=0.05)
