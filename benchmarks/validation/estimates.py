"""Means and ratios over people and seeds, with their standard errors."""

from collections.abc import Callable, Sequence

import numpy as np

#: Numerator and denominator of each person of one seed, both of shape (n,).
Parts = tuple[np.ndarray, np.ndarray]


def _of_people(parts: Sequence[Parts]) -> tuple[float, float, float]:
    """Return ratio, its standard error over people, and the same over seeds (0 for one seed)."""
    top = sum(float(num.sum()) for num, _ in parts)
    base = sum(float(den.sum()) for _, den in parts)
    if base == 0.0:
        return float("nan"), float("nan"), float("nan")
    value = top / base
    spread = sum(float(((num - value * den) ** 2).sum()) for num, den in parts)
    seeds = np.array([num.sum() / den.sum() for num, den in parts if den.sum() > 0])
    between = float(seeds.std(ddof=1) / np.sqrt(seeds.size)) if seeds.size > 1 else 0.0
    return value, float(np.sqrt(spread)) / base, between


def ratio(parts: Sequence[Parts]) -> tuple[float, float]:
    """Return the ratio of two sums over all people of all seeds, and its standard error.

    The error is the larger of that over people (linearised) and that over seeds: worlds differ in more than in their people.

    Args:
        parts: one pair a seed.
    """
    value, within, between = _of_people(parts)
    return value, max(within, between)


def ratio_of_ratios(upper: Sequence[Parts], lower: Sequence[Parts]) -> tuple[float, float]:
    """Return one ratio over another and its standard error, the people of a seed being the same in both.

    Args:
        upper: one pair a seed.
        lower: one pair a seed, of the same people in the same order.
    """
    a, _ = ratio(upper)
    b, _ = ratio(lower)
    if not (np.isfinite(a) and np.isfinite(b)) or a == 0.0 or b == 0.0:
        return float("nan"), float("nan")
    tops = [sum(float(part[0].sum()) for part in parts) for parts in (upper, lower)]
    spread = 0.0
    for (num, den), (num_b, den_b) in zip(upper, lower, strict=True):
        spread += float((((num - a * den) / tops[0] - (num_b - b * den_b) / tops[1]) ** 2).sum())
    seeds = np.array(
        [
            (n.sum() / d.sum()) / (m.sum() / e.sum())
            for (n, d), (m, e) in zip(upper, lower, strict=True)
            if d.sum() > 0 and m.sum() > 0
        ]
    )
    between = float(seeds.std(ddof=1) / np.sqrt(seeds.size)) if seeds.size > 1 else 0.0
    value = a / b
    return value, max(value * float(np.sqrt(spread)), between)


def of_mean(
    what: Callable[[np.ndarray], float], curves: Sequence[np.ndarray] | np.ndarray
) -> tuple[float, float]:
    """Return `what` of the mean curve, and its standard error from the same of each seed's curve; NaN without two of those.

    Args:
        what: a number that is read off a curve: its summit, say; NaN where there is none.
        curves: one a seed, all of the same shape.
    """
    each = np.array([what(curve) for curve in curves])
    each = each[np.isfinite(each)]
    error = float(each.std(ddof=1) / np.sqrt(each.size)) if each.size > 1 else float("nan")
    return what(np.mean(curves, axis=0)), error
