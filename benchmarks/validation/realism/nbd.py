"""The negative binomial distribution of counts: Poisson events whose rates differ between people like a gamma variable.

References:
    Ehrenberg (1959), The pattern of consumer purchases, Applied Statistics 8.
    Goodhardt and Ehrenberg (1967), Conditional trend analysis, Journal of Marketing Research 4.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from cardarena.simulator.errors import CardArenaError

Floats = NDArray[np.float64]

#: log k is sought in this range; at its upper end the distribution is a Poisson one for every purpose.
_LOG_K: Final = (-7.0, 7.0)
#: Counts are compared in so many cells of about equal expected share.
CELLS: Final = 20


@dataclass(frozen=True)
class CountFit:
    """What maximum likelihood says of counts, one a person.

    Attributes:
        mean: mean count; the estimate of both families.
        k: shape of the gamma distribution of rates; small where people differ much, large for Poisson.
        gain: log-likelihood of the negative binomial above the Poisson, a person.
        distance: total variation distance between the counts and the fitted negative binomial, in `CELLS` cells.
        poisson_distance: the same for the Poisson.
    """

    mean: float
    k: float
    gain: float
    distance: float
    poisson_distance: float

    @property
    def repeat_slope(self) -> float:
        """Slope of the next period's expected count on this period's count, m / (m + k) for equal periods."""
        return self.mean / (self.mean + self.k)


def nbd(mean: float, k: float) -> Any:
    """Return the negative binomial distribution of this mean and shape."""
    return stats.nbinom(k, k / (k + mean))


def fit_counts(counts: ArrayLike) -> CountFit:
    """Fit both families by maximum likelihood.

    The sample mean is the estimate of the mean in both, so that only log k is sought.

    Args:
        counts: shape (people,), whole numbers.

    Raises:
        CardArenaError: nobody has a count above zero.
    """
    x = np.asarray(counts, np.int64)
    mean = float(x.mean()) if x.size else 0.0
    if mean <= 0.0:
        raise CardArenaError("counts: expected at least one event, found none")
    values, people = np.unique(x, return_counts=True)

    def loss(log_k: float) -> float:
        return -float(people @ nbd(mean, float(np.exp(log_k))).logpmf(values))

    found = optimize.minimize_scalar(loss, bounds=_LOG_K, method="bounded", options={"xatol": 1e-6})
    k = float(np.exp(found.x))
    poisson: Any = stats.poisson(mean)
    gain = -float(found.fun) - float(people @ poisson.logpmf(values))
    return CountFit(mean, k, gain / x.size, distance(x, nbd(mean, k)), distance(x, poisson))


def distance(counts: ArrayLike, distribution: Any, cells: int = CELLS) -> float:
    """Return half the summed difference between observed and expected shares of cells: 0 the same, 1 disjoint.

    Cells of about equal expected share, since the sum over single counts would mostly add up sampling noise.

    Args:
        counts: shape (people,), whole numbers.
        distribution: a frozen distribution of SciPy.
        cells: how many, at most.
    """
    x = np.asarray(counts, np.int64)
    edges = np.unique(distribution.ppf(np.arange(1, cells) / cells))
    expected = np.diff(np.concatenate([[0.0], distribution.cdf(edges), [1.0]]))
    observed = np.bincount(np.searchsorted(edges, x), minlength=expected.size) / x.size
    return float(0.5 * np.abs(observed - expected).sum())
