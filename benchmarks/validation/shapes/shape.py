"""A shape: what must emerge, as findings about a sign and a picture."""

import math
from typing import Any, Final, NamedTuple

import numpy as np

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
