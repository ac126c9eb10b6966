"""What the targets can tell about the parameters: from the slopes of standardised moments at the optimum.

One half-width of a band counts as one standard deviation of the evidence, one quarter of a parameter's range as one
of its prior; slopes come shrunk by the luck of the simulation. Then `J'J` is the information of the targets, and
`(J'J + I)^-1` the variance that prior and targets leave together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cardarena.benchmarks.calibration.free import FreeParameter
from cardarena.benchmarks.calibration.targets import Band

#: A parameter whose standard deviation the targets cut by less than this share is weakly identified.
WEAK_CUT: Final = 0.3
#: Two parameters whose slopes point the same way to within this cosine cannot be told apart.
COLLINEAR: Final = 0.95
#: A direction is weak whose singular value is below this share of the largest.
WEAK_DIRECTION: Final = 0.03
_LOADING: Final = 0.35
_TOP: Final = 4


@dataclass(frozen=True)
class ParameterReport:
    """What is known about one parameter after the fit.

    Attributes:
        name: its name.
        value: where it ended.
        prior: where it began.
        low: its value one standard error below, on its own scale and inside its bounds.
        high: its value one standard error above.
        cut: by which share the targets cut the prior's standard deviation, 0 to 1.
        pinned_by: the targets that carry most of the information on it, with their shares.
        at_bound: whether it ended at a bound, so that the range and not the targets decided.
    """

    name: str
    value: float
    prior: float
    low: float
    high: float
    cut: float
    pinned_by: tuple[tuple[str, float], ...]
    at_bound: bool

    @property
    def is_weak(self) -> bool:
        """Whether the targets say little about it."""
        return self.cut < WEAK_CUT


@dataclass(frozen=True)
class Identification:
    """What the targets can tell.

    Attributes:
        slopes: half-widths that each target moves per prior standard deviation, shape (bands, parameters).
        singular_values: of the slopes, falling, shape (min(bands, parameters),).
        condition: largest over smallest singular value; infinite where a direction moves nothing.
        parameters: one report each.
        collinear: groups of parameters that move the targets in the same proportions.
        weak_directions: combinations of parameters that hardly move any target, with their loadings.
    """

    slopes: np.ndarray
    singular_values: np.ndarray
    condition: float
    parameters: tuple[ParameterReport, ...]
    collinear: tuple[tuple[str, ...], ...]
    weak_directions: tuple[tuple[tuple[str, float], ...], ...]

    @property
    def weak(self) -> tuple[str, ...]:
        """Names of the weakly identified parameters."""
        return tuple(report.name for report in self.parameters if report.is_weak)


def identify(
    slopes: np.ndarray, parameters: Sequence[FreeParameter], bands: Sequence[Band], u: np.ndarray
) -> Identification:
    """Return what the targets can tell about the parameters.

    Args:
        slopes: from `Objective.sensitivities`, shape (bands, parameters).
        parameters: the free parameters.
        bands: the targets.
        u: where the parameters ended, shape (parameters,).
    """
    _, singular, directions = np.linalg.svd(slopes, full_matrices=True)
    values = np.zeros(len(parameters))
    values[: singular.size] = singular
    condition = float(values[0] / values[-1]) if values[-1] > 1e-12 * max(values[0], 1e-300) else float("inf")
    variance = np.linalg.inv(slopes.T @ slopes + np.eye(len(parameters)))
    errors = np.sqrt(np.diag(variance))
    reports = tuple(
        _report(p, float(u[j]), float(errors[j]), slopes[:, j], bands) for j, p in enumerate(parameters)
    )
    names = [p.name for p in parameters]
    weak = tuple(
        _loadings(directions[i], names)
        for i in range(len(parameters))
        if values[i] <= WEAK_DIRECTION * max(values[0], 1e-300)
    )
    return Identification(slopes, singular, condition, reports, collinear_groups(slopes, names), weak)


def _report(
    parameter: FreeParameter, u: float, error: float, slopes: np.ndarray, bands: Sequence[Band]
) -> ParameterReport:
    information = slopes**2
    total = float(information.sum())
    order = np.argsort(-information, kind="stable")[:_TOP]
    pinned = tuple(
        (bands[i].id, float(information[i]) / total) for i in order if total > 0.0 and information[i] > 0.0
    )
    low, high = parameter.bounds
    return ParameterReport(
        name=parameter.name,
        value=parameter.value_of(u),
        prior=parameter.prior,
        low=parameter.value_of(max(low, u - error)),
        high=parameter.value_of(min(high, u + error)),
        cut=1.0 - error,
        pinned_by=pinned,
        at_bound=min(u - low, high - u) < 0.02 * (high - low),
    )


def _loadings(direction: np.ndarray, names: Sequence[str]) -> tuple[tuple[str, float], ...]:
    loadings = (direction * np.sign(direction[np.argmax(np.abs(direction))])).tolist()
    found = [(name, x) for name, x in zip(names, loadings, strict=True) if abs(x) >= _LOADING]
    return tuple(sorted(found, key=lambda pair: -abs(pair[1])))


def collinear_groups(slopes: np.ndarray, names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return the groups of parameters whose slopes are proportional, those that move nothing left out.

    Args:
        slopes: shape (bands, parameters).
        names: of the parameters.
    """
    lengths = np.linalg.norm(slopes, axis=0)
    moving = [j for j in range(len(names)) if lengths[j] > 1e-9]
    group = list(range(len(names)))
    for a in moving:
        for b in moving:
            cosine = abs(slopes[:, a] @ slopes[:, b]) / (lengths[a] * lengths[b])
            if a < b and cosine > COLLINEAR:
                joined, kept = group[b], group[a]
                group = [kept if g == joined else g for g in group]
    found = [tuple(names[j] for j in moving if group[j] == g) for g in sorted(set(group))]
    return tuple(members for members in found if len(members) > 1)
