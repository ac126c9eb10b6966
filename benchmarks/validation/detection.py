"""How small a difference can be told: variances of runs by cardholders, and the size of a difference that a test finds.

The value of a run varies over seeds by v(n) = s + p / n: s is what all people of a seed share (when it starts, its shocks,
what a policy learned), p what each has alone. A comparison over G seeds finds a difference of (t_{1-level/2} + t_{power}) x se.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]

POWER: Final = 0.8
LEVEL: Final = 0.05


@dataclass(frozen=True)
class Components:
    """Variance of one run's value (or of the difference of two) by cardholders.

    Attributes:
        shared: s, of what all people of a seed share.
        person: p, of what each person has alone.
    """

    shared: float
    person: float

    def at(self, cardholders: ArrayLike) -> Floats:
        """Return the variance at so many cardholders."""
        return self.shared + self.person / np.asarray(cardholders, np.float64)


def components(sizes: tuple[int, int], variances: tuple[float, float]) -> Components:
    """Return the components that give these variances at two sizes; none is below zero.

    Args:
        sizes: cardholders, the smaller first.
        variances: at the smaller and at the larger size.

    Example:
        >>> components((100, 400), (3.0, 1.5))
        Components(shared=1.0, person=200.0)
    """
    (few, many), (noisy, calm) = sizes, variances
    person = max(0.0, (noisy - calm) / (1.0 / few - 1.0 / many))
    person = min(person, calm * many)
    return Components(calm - person / many, person)


def unpaired_variance(a: ArrayLike, b: ArrayLike) -> float:
    """Return the variance of a - b where both come from seeds of their own, one number a seed each."""
    return float(np.var(np.asarray(a), ddof=1) + np.var(np.asarray(b), ddof=1))


def paired_variance(a: ArrayLike, b: ArrayLike) -> float:
    """Return the variance of a - b seed by seed."""
    return float(np.var(np.asarray(a) - np.asarray(b), ddof=1))


def detectable(variance: ArrayLike, n_seeds: ArrayLike, *, paired: bool) -> Floats:
    """Return the difference that a two-sided t-test at `LEVEL` finds with `POWER`.

    Args:
        variance: of the difference between two runs.
        n_seeds: seeds of each policy, two or more.
        paired: whether both policies meet the same seeds; it sets the degrees of freedom.

    Example:
        >>> round(float(detectable(1.0, 8, paired=True)), 3)
        1.153
    """
    seeds = np.asarray(n_seeds, np.float64)
    freedom = seeds - 1.0 if paired else 2.0 * seeds - 2.0
    factor = stats.t.ppf(1.0 - LEVEL / 2.0, freedom) + stats.t.ppf(POWER, freedom)
    return factor * np.sqrt(np.asarray(variance, np.float64) / seeds)


def bootstrap_ratio(
    a: ArrayLike, b: ArrayLike, *, key: int, confidence: float = 0.95, n_boot: int = 2000
) -> tuple[float, float]:
    """Return a percentile interval of unpaired over paired variance, seeds drawn anew.

    Args:
        a: shape (seeds,).
        b: shape (seeds,), of the same seeds.
        key: of the resampling.
        confidence: coverage.
        n_boot: resamples.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    rng = np.random.Generator(np.random.Philox(key=key))
    drawn = rng.integers(0, first.size, (n_boot, first.size))
    x, y = first[drawn], second[drawn]
    ratio = (x.var(axis=1, ddof=1) + y.var(axis=1, ddof=1)) / np.maximum((x - y).var(axis=1, ddof=1), 1e-300)
    low, high = np.quantile(ratio, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def false_alarms(null: ArrayLike, n_seeds: int, *, key: int, n_tests: int = 4000) -> float:
    """Return how often a paired t-test at `LEVEL` finds a difference between a policy and itself.

    Seeds are drawn without repetition, and which of the two arms is called first by lot, as no difference allows.

    Args:
        null: shape (seeds,), differences between two runs of one policy on a seed.
        n_seeds: seeds of a test.
        key: of the draws.
        n_tests: tests.
    """
    x = np.asarray(null, np.float64)
    rng = np.random.Generator(np.random.Philox(key=key))
    drawn = np.argsort(rng.random((n_tests, x.size)), axis=1)[:, :n_seeds]
    sample = x[drawn] * rng.choice([-1.0, 1.0], (n_tests, n_seeds))
    spread = sample.std(axis=1, ddof=1) / np.sqrt(n_seeds)
    t = np.abs(sample.mean(axis=1)) / np.maximum(spread, 1e-300)
    return float(np.mean(t > stats.t.ppf(1.0 - LEVEL / 2.0, n_seeds - 1)))
