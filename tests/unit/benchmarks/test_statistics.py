"""The formulas of `benchmarks.statistics` against numbers worked out by hand or published."""

import math

import numpy as np
import pytest
from scipy import stats

from cardarena.benchmarks.statistics import (
    NO_INTERVAL,
    bootstrap_interval,
    friedman,
    holm,
    interquartile_mean,
    kendall_tau,
    paired_difference,
    probability_of_improvement,
    rank_stability,
    smallest_detectable_difference,
    t_interval,
    variance_reduction_from_pairing,
)

A = np.array([10.0, 12.0, 9.0, 15.0])
B = np.array([8.0, 11.0, 9.0, 12.0])


def test_paired_t_by_hand():
    # Differences 2, 1, 0, 3: mean 1.5, squares 0.25 + 0.25 + 2.25 + 2.25 = 5, sd = sqrt(5/3); t(0.975, 3) = 3.182446.
    got = paired_difference(A, B, seed=0)
    se = math.sqrt(5 / 3) / 2
    assert (got.n, got.mean) == (4, 1.5)
    assert got.sd == pytest.approx(math.sqrt(5 / 3))
    assert got.low == pytest.approx(1.5 - 3.182446 * se, abs=1e-6)
    assert got.high == pytest.approx(1.5 + 3.182446 * se, abs=1e-6)
    assert got.p == pytest.approx(stats.ttest_rel(A, B).pvalue)
    # The wrong variants: the normal quantile, n in the denominator, no pairing.
    unpaired = math.sqrt((A.var(ddof=1) + B.var(ddof=1)) / 4)
    for half in (1.959964 * se, 3.182446 * A.std() / 2, 2.446912 * unpaired):
        assert abs(got.high - 1.5 - half) > 0.01


def test_the_bootstrap_is_seeded():
    one, again, other = (paired_difference(A, B, seed=s, n_boot=500) for s in (1, 1, 2))
    assert one == again
    rng = np.random.default_rng(5)
    x = rng.normal(size=9)
    assert bootstrap_interval(x, seed=1) == bootstrap_interval(x, seed=1) != bootstrap_interval(x, seed=2)
    assert one.seed != other.seed


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_bootstrap_agrees_with_scipy(method):
    x = np.random.default_rng(3).exponential(size=40)
    got = bootstrap_interval(x, seed=1, n_boot=20_000, method=method)
    theirs = stats.bootstrap(
        (x,), np.mean, n_resamples=20_000, method=method, rng=np.random.default_rng(0)
    ).confidence_interval
    assert got == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_bca_of_a_short_skewed_sample_by_hand():
    x = np.array([0.1, 0.2, 0.3, 0.4, 0.9, 6.0])
    means = np.random.Generator(np.random.Philox(1)).choice(x, (20_000, 6)).mean(axis=1)
    z0 = stats.norm.ppf(((means < x.mean()).sum() + 0.5 * (means == x.mean()).sum()) / 20_000)
    left_out = np.array([np.delete(x, i).mean() for i in range(6)])
    d = left_out.mean() - left_out
    a = (d**3).sum() / (6 * (d**2).sum() ** 1.5)
    z = stats.norm.ppf([0.025, 0.975])
    expected = np.quantile(means, stats.norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z))))
    got = bootstrap_interval(x, seed=2, n_boot=20_000)
    assert got == pytest.approx(expected, abs=0.05)
    # The wrong variant, with the bias turned around, is far from it.
    turned = np.quantile(means, stats.norm.cdf(z0 + (z - z0) / (1 - a * (z - z0))))
    assert np.abs(np.array(got) - turned).max() > 0.1


def test_bca_moves_towards_the_long_tail():
    x = np.random.default_rng(3).exponential(size=40)
    plain, moved = (bootstrap_interval(x, seed=1, n_boot=20_000, method=m) for m in ("percentile", "bca"))
    assert moved[0] > plain[0]
    assert moved[1] > plain[1]


def test_one_seed_has_no_interval_and_says_so():
    got = paired_difference([3.0], [1.0], seed=0)
    assert (got.n, got.mean, got.note) == (1, 2.0, NO_INTERVAL)
    assert all(math.isnan(v) for v in (got.sd, got.low, got.high, got.p, got.boot_low, got.boot_high))
    assert t_interval([3.0]).note == NO_INTERVAL
    assert interquartile_mean([[1.0], [2.0]], seed=0).note == NO_INTERVAL
    assert math.isnan(smallest_detectable_difference([1.0], [2.0]))
    assert math.isnan(variance_reduction_from_pairing([1.0], [2.0]))
    assert math.isnan(rank_stability([[1.0], [2.0]], seed=0))
    assert paired_difference([], [], seed=0).note == "no pairs"


def test_constant_data():
    zero = paired_difference(A, A, seed=0)
    assert (zero.mean, zero.p, zero.low, zero.high) == (0, 1, 0, 0)
    shifted = paired_difference(A + 0.1, A, seed=0)  # differences equal but for rounding
    assert shifted.sd == 0
    assert math.isnan(shifted.p)
    assert "no spread" in shifted.note
    assert math.isnan(variance_reduction_from_pairing(A + 0.1, A))
    assert probability_of_improvement(A, A).value == 0.5
    assert bootstrap_interval(np.ones(5), seed=0) == (1, 1)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="finite"):
        paired_difference([1.0, math.nan], [1.0, 2.0], seed=0)
    with pytest.raises(ValueError, match="expected pairs, found 2 and 1"):
        paired_difference([1.0, 2.0], [1.0], seed=0)


def test_probability_of_improvement_and_wilson():
    assert probability_of_improvement(A, B).value == 3.5 / 4
    # All of n win: Wilson's lower end is n / (n + z^2).
    got = probability_of_improvement(np.ones(8), np.zeros(8))
    assert got.low == pytest.approx(8 / (8 + 1.959964**2), abs=1e-6)
    assert got.high == pytest.approx(1)


def test_interquartile_mean_by_hand():
    # Eight pooled scores: two are cut at each end, 3, 4, 5, 6 stay.
    got = interquartile_mean([[1, 2, 3, 4], [5, 6, 7, 1000]], seed=1)
    assert got.value == 4.5
    assert got.low <= 4.5 <= got.high
    assert interquartile_mean([[1, 2, 3, 4], [5, 6, 7, 1000]], seed=1) == got
    x = np.random.default_rng(0).normal(size=37)
    assert interquartile_mean([x], seed=1).value == pytest.approx(stats.trim_mean(x, 0.25))


def test_the_bootstrap_of_the_iqm_keeps_strata():
    # Within strata nothing varies, so a stratified resample cannot vary; a pooled one would.
    got = interquartile_mean([[1.0] * 4, [9.0] * 4], seed=1)
    assert (got.low, got.value, got.high) == (5, 5, 5)


def test_holm_known_example():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 = 0.02, 0.03, 0.06, 0.04, made monotone.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]).tolist() == [1, 1]
    assert holm([0.02, math.nan, 0.5])[[0, 2]].tolist() == [0.04, 0.5]
    assert holm([]).size == 0
    assert holm([0.03, 0.03]).tolist() != [0.03, 0.03]


def test_variance_reduction_by_hand():
    assert variance_reduction_from_pairing(A, B) == pytest.approx((7.0 + 10 / 3) / (5 / 3))
    x, y = np.random.default_rng(0).normal(size=(2, 20_000))
    shared = np.random.default_rng(1).normal(size=20_000) * 3
    assert variance_reduction_from_pairing(x, y) == pytest.approx(1, abs=0.05)
    assert variance_reduction_from_pairing(x + shared, y + shared) == pytest.approx((10 + 10) / 2, rel=0.05)


def test_smallest_detectable_difference_by_hand():
    # Four pairs: t(0.975, 3) = 3.182446, t(0.8, 3) = 0.978472; unpaired 6 df: 2.446912, 0.905703.
    assert smallest_detectable_difference(A, B) == pytest.approx(
        (3.182446 + 0.978472) * math.sqrt(5 / 3 / 4), abs=1e-5
    )
    unpaired = (2.446912 + 0.905703) * math.sqrt((7 + 10 / 3) / 4)
    assert smallest_detectable_difference(A, B, paired=False) == pytest.approx(unpaired, abs=1e-5)


def test_kendall_tau_with_ties():
    assert kendall_tau([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(4 / 6)
    assert kendall_tau([1, 2, 3], [3, 2, 1]) == -1
    assert math.isnan(kendall_tau([1, 1, 1], [1, 2, 3]))
    x, y = np.random.default_rng(0).integers(0, 4, (2, 12))
    assert kendall_tau(x, y) == pytest.approx(stats.kendalltau(x, y)[0])


def test_rank_stability():
    clear = np.arange(5)[:, None] * 10 + np.random.default_rng(0).normal(size=(5, 8))
    assert rank_stability(clear, seed=1) == 1
    noise = np.random.default_rng(0).normal(size=(6, 8))
    assert abs(rank_stability(noise, seed=1)) < 0.6
    assert rank_stability(noise, seed=1) == rank_stability(noise, seed=1) != rank_stability(noise, seed=2)
    assert math.isnan(rank_stability(np.ones((3, 4)), seed=1))


def test_friedman_and_critical_difference():
    x = np.random.default_rng(0).normal(size=(7, 4))
    got = friedman(x)
    theirs = stats.friedmanchisquare(*x.T)
    assert (got.chi2, got.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    tied = np.round(x)
    assert friedman(tied).chi2 == pytest.approx(stats.friedmanchisquare(*tied.T).statistic)
    assert friedman([[3.0, 2.0, 1.0], [3.0, 1.0, 2.0]]).mean_ranks == (1, 2.5, 2.5)
    # Demsar (2006), table 5: q(0.05) is 1.960 for two and 2.728 for five classifiers.
    for k, q in ((2, 1.960), (5, 2.728)):
        assert friedman(np.random.default_rng(0).normal(size=(10, k))).critical_difference == pytest.approx(
            q * math.sqrt(k * (k + 1) / 60), abs=1e-3
        )
    assert math.isnan(friedman(np.ones((3, 3))).chi2)
