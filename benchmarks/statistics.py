"""The statistics of comparisons: pure functions of scores, each tested against a closed form.

A *seed* is the unit: it draws people and luck, and every policy meets the same. So policies are compared by their
paired differences over seeds. Bootstraps are seeded by the caller; they report, and never touch the world.

With three to eight seeds the Student-t interval is the one to read: a bootstrap of so few numbers is too narrow. One
seed gives no interval at all, and says so.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

Floats = NDArray[np.float64]

NAN: Final = float("nan")
NO_INTERVAL: Final = "one seed: no interval"
#: A spread below this share of the values' size is rounding, not luck.
_ROUNDING: Final = 1e-12


@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    Attributes:
        value: the estimate; NaN where there are no data.
        low: lower end of the interval; NaN where there is none.
        high: upper end of the interval; NaN where there is none.
        n: number of observations.
        note: why there is no interval or how to read it; empty where there is nothing to say.
    """

    value: float
    low: float
    high: float
    n: int
    note: str = ""


@dataclass(frozen=True)
class Paired:
    """What a paired comparison says of a - b.

    Attributes:
        n: pairs.
        mean: mean difference.
        sd: standard deviation of the differences, n - 1 in the denominator.
        se: standard error of the mean.
        low: lower end of the Student-t interval.
        high: upper end of the Student-t interval.
        p: two-sided p-value of the paired t-test.
        boot_low: lower end of the bootstrap interval.
        boot_high: upper end of the bootstrap interval.
        confidence: coverage aimed at.
        method: the kind of bootstrap interval.
        seed: seed of the bootstrap.
        note: why something is missing; empty where nothing is.
    """

    n: int
    mean: float
    sd: float
    se: float
    low: float
    high: float
    p: float
    boot_low: float
    boot_high: float
    confidence: float
    method: str
    seed: int
    note: str = ""


def _scores(values: ArrayLike, what: str) -> Floats:
    array = np.asarray(values, np.float64)
    if array.ndim != 1:
        raise ValueError(f"{what}: expected one number a seed, found shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{what}: expected finite numbers, found {array[~np.isfinite(array)][0]}")
    return array


def _pairs(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    first, second = _scores(a, "a"), _scores(b, "b")
    if first.shape != second.shape:
        raise ValueError(f"expected pairs, found {first.size} and {second.size} numbers")
    return first, second


def _generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def _is_constant(values: Floats, scale: float) -> bool:
    return bool(np.ptp(values) <= _ROUNDING * max(scale, abs(float(values[0]))))


def t_interval(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Return the mean with its Student-t interval: m ± t_{n-1} s / √n.

    Args:
        values: shape (seeds,), finite.
        confidence: coverage.
    """
    x = _scores(values, "values")
    if x.size == 0:
        return Estimate(NAN, NAN, NAN, 0, "no data")
    if x.size == 1:
        return Estimate(float(x[0]), NAN, NAN, 1, NO_INTERVAL)
    half = stats.t.ppf((1 + confidence) / 2, x.size - 1) * x.std(ddof=1) / math.sqrt(x.size)
    return Estimate(float(x.mean()), float(x.mean() - half), float(x.mean() + half), x.size)


def bootstrap_interval(
    values: ArrayLike,
    *,
    seed: int,
    confidence: float = 0.95,
    n_boot: int = 2000,
    method: Literal["bca", "percentile"] = "bca",
) -> tuple[float, float]:
    """Return a bootstrap interval of the mean; NaN where there are fewer than two values.

    BCa shifts the percentiles by the bias z0 (half of the ties counted) and the acceleration of the jackknife.

    Args:
        values: shape (seeds,), finite.
        seed: seed of the resampling.
        confidence: coverage.
        n_boot: resamples.
        method: BCa, or plain percentiles.

    References:
        Efron (1987), Better bootstrap confidence intervals, JASA 82.
    """
    x = _scores(values, "values")
    n = x.size
    if n < 2:
        return NAN, NAN
    means = np.sort(x[_generator(seed).integers(0, n, (n_boot, n))].mean(axis=1))
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    if method == "bca" and np.ptp(x) > 0:
        below = ((means < x.mean()).sum() + 0.5 * (means == x.mean()).sum()) / n_boot
        z0 = stats.norm.ppf(np.clip(below, 0.5 / n_boot, 1 - 0.5 / n_boot))
        # Leaving x_i out moves the mean by (x_i - mean) / (n - 1): the factor cancels in the skewness.
        d = x - x.mean()
        acceleration = float((d**3).sum() / (6 * (d**2).sum() ** 1.5))
        z = z0 + stats.norm.ppf(tails)
        tails = stats.norm.cdf(z0 + z / (1 - acceleration * z))
    low, high = np.quantile(means, tails)
    return float(low), float(high)


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    *,
    seed: int,
    confidence: float = 0.95,
    n_boot: int = 2000,
    method: Literal["bca", "percentile"] = "bca",
) -> Paired:
    """Return mean, spread, intervals and p-value of a - b, pair by pair.

    Args:
        a: shape (seeds,), scores of one policy.
        b: shape (seeds,), scores of the other on the same seeds, in the same order.
        seed: seed of the bootstrap.
        confidence: coverage.
        n_boot: resamples.
        method: kind of bootstrap interval.

    Raises:
        ValueError: the two have different lengths, or a score is not finite.

    Example:
        >>> result = paired_difference([3.0, 5.0, 7.0], [2.0, 3.0, 4.0], seed=1)
        >>> result.mean, result.sd, round(result.low, 3), round(result.high, 3)
        (2.0, 1.0, -0.484, 4.484)
    """
    first, second = _pairs(a, b)
    d = first - second
    n = d.size
    rest = {"confidence": confidence, "method": method, "seed": seed}
    if n < 2:
        mean = float(d[0]) if n else NAN
        note = NO_INTERVAL if n else "no pairs"
        return Paired(n, mean, NAN, NAN, NAN, NAN, NAN, NAN, NAN, note=note, **rest)
    mean = float(d.mean())
    if _is_constant(d, float(np.abs(first).max() + np.abs(second).max())):
        note = "all differences are zero" if mean == 0 else "all differences are equal: no spread to judge by"
        p = 1.0 if mean == 0 else NAN
        return Paired(n, mean, 0.0, 0.0, mean, mean, p, mean, mean, note=note, **rest)
    sd = float(d.std(ddof=1))
    se = sd / math.sqrt(n)
    p = 2 * float(stats.t.sf(abs(mean) / se, n - 1))
    interval = t_interval(d, confidence)
    boot_low, boot_high = bootstrap_interval(
        d, seed=seed, confidence=confidence, n_boot=n_boot, method=method
    )
    return Paired(n, mean, sd, se, interval.low, interval.high, p, boot_low, boot_high, **rest)


def probability_of_improvement(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Return the share of pairs in which a beats b, ties counted half, with Wilson's interval.

    Wilson's interval stays honest where every pair agrees; a bootstrap would shrink to a point there.

    Args:
        a: shape (seeds,), scores of one policy.
        b: shape (seeds,), scores of the other on the same seeds, in the same order.
        confidence: coverage.

    Example:
        >>> round(probability_of_improvement([2, 2, 2, 2], [1, 1, 1, 1]).low, 3)
        0.51
    """
    first, second = _pairs(a, b)
    n = first.size
    if n == 0:
        return Estimate(NAN, NAN, NAN, 0, "no pairs")
    share = float(((first > second).sum() + 0.5 * (first == second).sum()) / n)
    z2 = float(stats.norm.ppf((1 + confidence) / 2)) ** 2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half), n, NO_INTERVAL if n == 1 else "")


def _trimmed_mean(ordered: Floats) -> Floats:
    n = ordered.shape[-1]
    cut = n // 4
    return ordered[..., cut : n - cut].mean(axis=-1)


def interquartile_mean(
    strata: Sequence[ArrayLike], *, seed: int, confidence: float = 0.95, n_boot: int = 2000
) -> Estimate:
    """Return the mean of the middle half of all scores: floor(n/4) are cut at each end.

    The interval is a percentile bootstrap that resamples seeds within each stratum (a scenario).

    Args:
        strata: one array of scores a stratum, each of shape (seeds,).
        seed: seed of the resampling.
        confidence: coverage.
        n_boot: resamples.

    Example:
        >>> interquartile_mean([[1, 2, 3, 4], [5, 6, 7, 100]], seed=1).value
        4.5

    References:
        Agarwal et al. (2021), Deep reinforcement learning at the edge of the statistical precipice.
    """
    arrays = [_scores(stratum, "stratum") for stratum in strata]
    pooled = np.sort(np.concatenate(arrays)) if arrays else np.zeros(0)
    if pooled.size == 0:
        return Estimate(NAN, NAN, NAN, 0, "no data")
    value = float(_trimmed_mean(pooled))
    if max(array.size for array in arrays) < 2:
        return Estimate(value, NAN, NAN, pooled.size, NO_INTERVAL)
    rng = _generator(seed)
    drawn = [array[rng.integers(0, array.size, (n_boot, array.size))] for array in arrays if array.size]
    means = _trimmed_mean(np.sort(np.concatenate(drawn, axis=1), axis=1))
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, float(low), float(high), pooled.size)


def holm(p_values: ArrayLike) -> Floats:
    """Return Holm's adjusted p-values; NaN stays NaN and is not counted as a comparison.

    Args:
        p_values: shape (comparisons,).

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
        [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, np.float64)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    factors = np.arange(order.size, 0, -1)
    adjusted = np.full(p.shape, NAN)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * p[order]))
    return adjusted


def variance_reduction_from_pairing(a: ArrayLike, b: ArrayLike) -> float:
    """Return (var a + var b) / var(a - b): how many times the seeds an unpaired comparison would need.

    NaN with fewer than two pairs, or where the differences do not vary at all.
    """
    first, second = _pairs(a, b)
    if first.size < 2 or _is_constant(first - second, float(np.abs(first).max() + np.abs(second).max())):
        return NAN
    return float((first.var(ddof=1) + second.var(ddof=1)) / (first - second).var(ddof=1))


def smallest_detectable_difference(
    a: ArrayLike, b: ArrayLike, *, paired: bool = True, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Return the difference that a two-sided t-test finds with the given power: (t_{1-alpha/2} + t_{power}) x se.

    Paired: se = sd(a - b) / √n with n - 1 degrees of freedom. Unpaired: se = √((var a + var b) / n) with 2n - 2.
    NaN with fewer than two seeds.

    Args:
        a: shape (seeds,), scores of one policy.
        b: shape (seeds,), scores of the other on the same seeds, in the same order.
        paired: whether the comparison uses the pairing.
        alpha: two-sided level of the test.
        power: probability of finding the difference.
    """
    first, second = _pairs(a, b)
    n = first.size
    if n < 2:
        return NAN
    if paired:
        se, freedom = math.sqrt((first - second).var(ddof=1) / n), n - 1
    else:
        se, freedom = math.sqrt((first.var(ddof=1) + second.var(ddof=1)) / n), 2 * n - 2
    return float((stats.t.ppf(1 - alpha / 2, freedom) + stats.t.ppf(power, freedom)) * se)


def kendall_tau(a: ArrayLike, b: ArrayLike) -> float:
    """Return Kendall's tau-b, which allows for ties; NaN where one side is all ties.

    Args:
        a: shape (policies,), scores.
        b: shape (policies,), other scores of the same policies.
    """
    first, second = _pairs(a, b)
    upper = np.triu_indices(first.size, 1)
    x = np.sign(first[:, None] - first[None, :])[upper]
    y = np.sign(second[:, None] - second[None, :])[upper]
    size = math.sqrt(float((x != 0).sum()) * float((y != 0).sum()))
    return float((x * y).sum() / size) if size else NAN


def rank_stability(scores: ArrayLike, *, seed: int, n_splits: int = 200) -> float:
    """Return the mean Kendall tau between the orders that two random halves of the seeds give.

    1: any half tells the same order; 0: no better than chance. An odd seed is left out anew at each split. NaN with
    fewer than two seeds or two policies, or where everything ties.

    Args:
        scores: shape (policies, seeds), finite.
        seed: seed of the splits.
        n_splits: random splits.
    """
    x = np.asarray(scores, np.float64)
    if x.ndim != 2 or not np.isfinite(x).all():
        raise ValueError(f"scores: expected finite numbers of shape (policies, seeds), found shape {x.shape}")
    n_policies, n_seeds = x.shape
    if n_policies < 2 or n_seeds < 2:
        return NAN
    rng, half = _generator(seed), n_seeds // 2
    taus = []
    for _ in range(n_splits):
        order = rng.permutation(n_seeds)
        # Rounded as ranks are, so that equal policies tie in spite of the order of their sums.
        one, other = (x[:, part].mean(axis=1).round(9) for part in (order[:half], order[half : 2 * half]))
        taus.append(kendall_tau(one, other))
    known = [tau for tau in taus if not math.isnan(tau)]
    return float(np.mean(known)) if known else NAN


@dataclass(frozen=True)
class Friedman:
    """Whether ranks differ over blocks, and by how much mean ranks must differ to tell two policies apart.

    Attributes:
        mean_ranks: shape (policies,), 1 is best.
        n_blocks: blocks (scenarios).
        chi2: Friedman's statistic, corrected for ties; NaN where everything ties.
        p: its p-value by the chi-square approximation.
        critical_difference: Nemenyi's, of mean ranks.
        alpha: level of the critical difference.
    """

    mean_ranks: tuple[float, ...]
    n_blocks: int
    chi2: float
    p: float
    critical_difference: float
    alpha: float


def friedman(scores: ArrayLike, alpha: float = 0.05) -> Friedman:
    """Rank policies within each block and compare the mean ranks; the highest score has rank 1, ties share.

    Args:
        scores: shape (blocks, policies), finite; higher is better.
        alpha: level of Nemenyi's critical difference q √(k (k + 1) / (6 N)).

    References:
        Demsar (2006), Statistical comparisons of classifiers over multiple data sets, JMLR 7.
    """
    x = np.asarray(scores, np.float64)
    if x.ndim != 2 or x.shape[0] < 1 or x.shape[1] < 2 or not np.isfinite(x).all():
        raise ValueError(
            f"scores: expected finite numbers of shape (blocks, policies >= 2), found shape {x.shape}"
        )
    n, k = x.shape
    ranks = stats.rankdata(-x.round(9), axis=1)
    mean_ranks = ranks.mean(axis=0)
    # With ties the variance of a block's ranks is what they are, not that of 1 .. k.
    spread = float(((ranks - (k + 1) / 2) ** 2).sum()) / (k - 1)
    chi2 = float(n * n * ((mean_ranks - (k + 1) / 2) ** 2).sum() / spread) if spread else NAN
    p = float(special.chdtrc(k - 1, chi2)) if spread else NAN
    q = float(stats.studentized_range.ppf(1 - alpha, k, np.inf)) / math.sqrt(2)
    difference = q * math.sqrt(k * (k + 1) / (6 * n))
    return Friedman(tuple(float(rank) for rank in mean_ranks), n, chi2, p, difference, alpha)
