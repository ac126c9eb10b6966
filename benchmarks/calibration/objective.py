"""What a fit makes small: residuals of the targets, and a weak pull of every parameter to its prior."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from cardarena.benchmarks.calibration.free import FreeParameter, overrides_of
from cardarena.benchmarks.calibration.moments import Laboratory, Moments
from cardarena.benchmarks.calibration.targets import Band

#: Residual of what could not be measured: it can neither be ignored nor differentiated.
UNMEASURED: Final = 5.0
#: Step of the finite differences, in prior standard deviations. Events are whole: a smaller step would measure which
#: single purchases flip, not how the rate moves.
STEP: Final = 0.4


@dataclass(frozen=True)
class Weights:
    """How the parts of the objective weigh.

    Attributes:
        hard: residuals of hard targets are multiplied by it; those of soft ones by 1.
        ridge: residual of a parameter that is one prior standard deviation from its prior.
    """

    hard: float = 2.0
    ridge: float = 0.3


class Objective:
    """Residuals of the targets at `u`, shape (parameters,), and their slopes; the last entries are the pull."""

    def __init__(
        self,
        laboratory: Laboratory,
        parameters: Sequence[FreeParameter],
        bands: Sequence[Band],
        base: Mapping[str, Any] | None = None,
        weights: Weights | None = None,
    ) -> None:
        """Put an objective together.

        Args:
            laboratory: evaluates candidates.
            parameters: what moves.
            bands: what is aimed at.
            base: overrides in force under the candidates.
            weights: how the parts weigh.
        """
        self.laboratory, self.parameters, self.bands = laboratory, tuple(parameters), tuple(bands)
        self.base, self.weights = dict(base or {}), weights or Weights()
        self.widths = np.array([band.half_width for band in self.bands])

    @cached_property
    def noise(self) -> np.ndarray:
        """Standard error of each measured target at the priors, in half-widths, shape (bands,); 0 where it has none."""
        moments = self.moments(np.zeros(len(self.parameters)))
        errors = [moments.get(band.id, (math.nan, math.nan))[1] for band in self.bands]
        return np.nan_to_num(np.array(errors) / self.widths)

    @cached_property
    def factors(self) -> np.ndarray:
        """Weight of each residual, shape (bands,): hard targets count more, and what is mostly luck counts less.

        The variance of a residual is that of the evidence, 1, and that of the simulation; kept as it is at the priors, so
        that no candidate can make a target count less.
        """
        hard = np.array([self.weights.hard if band.hardness == "hard" else 1.0 for band in self.bands])
        return hard / np.sqrt(1.0 + self.noise**2)

    @property
    def lower(self) -> np.ndarray:
        """Lower bounds of `u`, shape (parameters,)."""
        return np.array([p.bounds[0] for p in self.parameters])

    @property
    def upper(self) -> np.ndarray:
        """Upper bounds of `u`, shape (parameters,)."""
        return np.array([p.bounds[1] for p in self.parameters])

    def overrides(self, u: np.ndarray) -> dict[str, Any]:
        """Return the scenario overrides at `u`."""
        return overrides_of(self.parameters, u, self.base)

    def moments(self, u: np.ndarray) -> Moments:
        """Return the measured targets at `u`."""
        return self.laboratory.moments([self.overrides(u)])[0]

    def at_start(self) -> dict[str, float]:
        """Return the measured value of each band at the priors, by id; NaN where there is none."""
        values = self.values(self.moments(np.zeros(len(self.parameters)))).tolist()
        return {band.id: value for band, value in zip(self.bands, values, strict=True)}

    def residuals(self, u: np.ndarray) -> np.ndarray:
        """Return weighted residuals, targets first, then the pull, shape (bands + parameters,)."""
        return self._with_pull(self.factors * self.misses(self.moments(u)), u)

    def misses(self, moments: Moments) -> np.ndarray:
        """Return the residual of each band in half-widths, shape (bands,)."""
        values = self.values(moments)
        return np.array(
            [
                UNMEASURED if math.isnan(value) else band.residual(value)
                for band, value in zip(self.bands, values, strict=True)
            ]
        )

    def values(self, moments: Moments) -> np.ndarray:
        """Return the measured value of each band, NaN where there is none, shape (bands,)."""
        return np.array([moments.get(band.id, (math.nan, math.nan))[0] for band in self.bands])

    def _with_pull(self, residuals: np.ndarray, u: np.ndarray) -> np.ndarray:
        return np.concatenate([residuals, self.weights.ridge * np.asarray(u, dtype=np.float64)])

    def stencil(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the points of one-sided differences, shape (parameters, parameters), and their steps, one each.

        A step goes up, or down where up leads out of the bounds.
        """
        steps = np.where(u + STEP <= self.upper, STEP, -STEP)
        return u[None, :] + np.diag(steps), steps

    def jacobian(self, u: np.ndarray) -> np.ndarray:
        """Return the slopes of `residuals` by one-sided differences, shape (bands + parameters, parameters)."""
        at, around, steps = self._differences(u)
        misses = self.misses(at)
        slopes = [(self.misses(m) - misses) / h for m, h in zip(around, steps, strict=True)]
        targets = self.factors[:, None] * np.array(slopes).T
        return np.vstack([targets, self.weights.ridge * np.eye(u.size)])

    def sensitivities(self, u: np.ndarray) -> np.ndarray:
        """Return how many half-widths each target moves per prior standard deviation, shape (bands, parameters).

        Unlike the residuals', these slopes know no inactive side: what lies well inside a band moves all the same. An end
        that is open, though, says nothing while it is far: such a band counts near its edge alone. Each slope is shrunk
        by the luck that a difference of two simulations may hold; the seeds are shared, so that is at most it.
        """
        at, around, steps = self._differences(u)
        luck = math.sqrt(2.0) * self.noise / STEP
        widths = self.widths * np.sqrt(1.0 + luck**2)
        values = self.values(at)
        slopes = np.array([(self.values(m) - values) / h for m, h in zip(around, steps, strict=True)]).T
        is_far = np.array([band.is_one_sided for band in self.bands]) & (self.misses(at) == 0.0)
        slopes[is_far] = 0.0
        return np.nan_to_num(slopes / widths[:, None])

    def _differences(self, u: np.ndarray) -> tuple[Moments, list[Moments], np.ndarray]:
        points, steps = self.stencil(u)
        at, *around = self.laboratory.moments([self.overrides(u), *(self.overrides(p) for p in points)])
        return at, around, steps
