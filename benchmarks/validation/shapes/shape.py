"""A shape: what must emerge, as findings about a sign and a picture."""

import math
from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from cardarena.benchmarks.validation.findings import Finding, Picture
from cardarena.benchmarks.validation.lab import over_seeds

_SOURCE: Final = "must emerge: CardArena's own list of phenomena"


class Shape(NamedTuple):
    """What one experiment found, and its picture."""

    findings: tuple[Finding, ...]
    picture: Picture


def finding(
    name: str,
    quantity: str,
    by_seed: Any,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    unit: str = "",
    note: str = "",
) -> Finding:
    """Return a hard finding `shape.<name>` from one value a seed.

    Args:
        name: of the shape.
        quantity: what was measured, in words, its sign said.
        by_seed: shape (seeds,).
        low: lower end of the band.
        high: upper end.
        unit: of the value.
        note: design and estimator, in a sentence.
    """
    value, error = over_seeds(by_seed)
    return Finding(
        id=f"shape.{name}",
        quantity=quantity,
        value=value,
        standard_error=error,
        low=low,
        high=high,
        unit=unit,
        hardness="hard",
        mode="survey",
        source=_SOURCE,
        note=note,
    )


def mean_curve(by_seed: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the mean over seeds, and its standard error or None for a single seed; the first axis is the seed's."""
    values = np.asarray(by_seed, dtype=np.float64)
    if values.shape[0] < 2:
        return values[0], None
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(values.shape[0])


def log_scales(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Make both axes logarithmic, with ticks at 1, 2 and 5 times the powers of ten written as plain numbers."""
    for axis, values, scale in ((axes.xaxis, x, axes.set_xscale), (axes.yaxis, y, axes.set_yscale)):
        scale("log")
        low, high = math.floor(math.log10(values.min())), math.ceil(math.log10(values.max()))
        ticks = [digit * 10.0**power for power in range(low, high + 1) for digit in (1, 2, 5)]
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlim(0.8 * x.min(), 1.25 * x.max())
    axes.set_ylim(0.7 * y.min(), 1.5 * y.max())
