"""Estimates with their sampling errors, over people and over seeds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Estimate:
    """A number and its standard error; the error is NaN where it cannot be known."""

    value: float
    error: float = math.nan


def share(mask: ArrayLike, *, scale: float = 1.0) -> Estimate:
    """Return a share of people with its binomial error.

    Args:
        mask: shape (people,), who counts.
        scale: 100 for per cent.
    """
    mask = np.asarray(mask, dtype=bool)
    if mask.size == 0:
        return Estimate(math.nan)
    p = float(mask.mean())
    return Estimate(scale * p, scale * math.sqrt(p * (1.0 - p) / mask.size))


def ratio(above: ArrayLike, below: ArrayLike, *, scale: float = 1.0) -> Estimate:
    """Return a ratio of sums over people, with the error of the linearised ratio: people are independent.

    Args:
        above: shape (people,), each one's part of the numerator.
        below: shape (people,), each one's part of the denominator.
        scale: multiplies the ratio.
    """
    above, below = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    total = float(below.sum())
    if above.size == 0 or total == 0.0:
        return Estimate(math.nan)
    value = float(above.sum()) / total
    spread = float(np.sum((above - value * below) ** 2)) * above.size / max(above.size - 1, 1)
    return Estimate(scale * value, scale * math.sqrt(spread) / abs(total))


def mean(values: ArrayLike) -> Estimate:
    """Return the mean of one value a person, shape (people,), with its error."""
    values = np.asarray(values, dtype=np.float64)
    return ratio(values, np.ones(values.size))


def median(values: ArrayLike) -> Estimate:
    """Return the median of one value a person, shape (people,); the error comes from the order statistics about it."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if ordered.size == 0:
        return Estimate(math.nan)
    half = 0.5 * math.sqrt(ordered.size)
    centre = 0.5 * (ordered.size - 1)
    low = int(max(math.floor(centre - half), 0))
    high = int(min(math.ceil(centre + half), ordered.size - 1))
    return Estimate(float(np.median(ordered)), float(ordered[high] - ordered[low]) / 2.0)


def jackknife(n: int, statistic: Callable[[np.ndarray], float], groups: int = 25) -> Estimate:
    """Return a statistic of all people, and its error by leaving out one group of people after the other.

    Args:
        n: number of people.
        statistic: takes the indices of the people to be counted, shape (some,).
        groups: how many; person i belongs to group i modulo `groups`.
    """
    everybody = np.arange(n)
    value = statistic(everybody)
    groups = min(groups, n)
    if groups < 2:
        return Estimate(value)
    left = np.array([statistic(everybody[everybody % groups != group]) for group in range(groups)])
    return Estimate(value, math.sqrt((groups - 1) / groups * float(np.sum((left - left.mean()) ** 2))))


def over_worlds(estimates: Sequence[Estimate]) -> Estimate:
    """Return the mean of one estimate a seed.

    Its error is the larger of two: what the people's sampling explains, and what the seeds in fact differ by, which
    holds what people of a seed share (start date, festivals). With few seeds the second alone would be a lottery.
    """
    values = np.array([one.value for one in estimates])
    within = float(np.sqrt(np.sum([one.error**2 for one in estimates]))) / values.size
    if values.size < 2:
        return Estimate(float(values[0]), within)
    between = float(values.std(ddof=1)) / math.sqrt(values.size)
    return Estimate(float(values.mean()), between if math.isnan(within) else max(within, between))
