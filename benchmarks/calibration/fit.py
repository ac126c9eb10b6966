"""Least squares over simulated moments: bounded, robust against targets that cannot be met, with few evaluations.

The slopes cost one evaluation a parameter. They are measured anew every few steps and updated between (Broyden), which a
smooth objective forgives and the next measurement mends.

References:
    McFadden, A method of simulated moments for estimation of discrete response models (1989).
    Broyden, A class of methods for solving nonlinear simultaneous equations (1965).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from scipy.optimize import least_squares, minimize

from cardarena.benchmarks.calibration.objective import Objective
from cardarena.benchmarks.validation.findings import Tell
from cardarena.simulator.errors import UnknownNameError

METHODS: Final = ("trf", "dogbox", "powell")
#: Residuals beyond it count by their size, not by their square: a target that no parameter can reach shall not drag
#: along those that can be met.
ROBUST_FROM: Final = 3.0


@dataclass(frozen=True)
class FitSettings:
    """How a fit goes on.

    Attributes:
        method: `trf` or `dogbox`, which follow slopes, or `powell`, which needs none.
        steps: the most steps, each an evaluation and, now and then, the slopes.
        refresh: the slopes are measured at every so many steps.
    """

    method: str = "trf"
    steps: int = 12
    refresh: int = 3


@dataclass
class Step:
    """One evaluation on the way: where, how good, and what missed most."""

    u: np.ndarray
    loss: float
    worst: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])


@dataclass(frozen=True)
class Fitted:
    """Where a fit ended.

    Attributes:
        u: the best point seen, shape (parameters,).
        loss: its loss.
        start_loss: the loss at the priors.
        steps: every evaluation of the objective on the way, in order.
        message: why it stopped.
    """

    u: np.ndarray
    loss: float
    start_loss: float
    steps: tuple[Step, ...]
    message: str


def robust_loss(residuals: np.ndarray) -> float:
    """Return what a fit makes small: half the sum of squares, softened beyond `ROBUST_FROM`."""
    z = (residuals / ROBUST_FROM) ** 2
    return float(ROBUST_FROM**2 * np.sum(np.sqrt(1.0 + z) - 1.0))


class _Path:
    """Counts what the optimiser asks for, remembers the best point, and saves slopes."""

    def __init__(self, objective: Objective, settings: FitSettings, tell: Tell) -> None:
        self.objective, self.settings, self.tell = objective, settings, tell
        self.steps: list[Step] = []
        self._slopes: np.ndarray | None = None
        self._at: tuple[np.ndarray, np.ndarray] | None = None
        self._n_slopes = 0

    def residuals(self, u: np.ndarray) -> np.ndarray:
        found = self.objective.residuals(u)
        misses = found[: len(self.objective.bands)] / self.objective.factors
        order = np.argsort(-np.abs(misses))[:4]
        worst = [(self.objective.bands[i].id, float(misses[i])) for i in order]
        self.steps.append(Step(np.array(u), robust_loss(found), worst))
        self._say()
        return found

    def jacobian(self, u: np.ndarray) -> np.ndarray:
        residuals = self.objective.residuals(u)
        if self._slopes is None or self._at is None or self._n_slopes % self.settings.refresh == 0:
            self.tell(f"slopes of {u.size} parameters")
            self._slopes = self.objective.jacobian(u)
        else:
            step, change = u - self._at[0], residuals - self._at[1]
            self._slopes = self._slopes + np.outer(change - self._slopes @ step, step) / (step @ step)
        self._n_slopes += 1
        self._at = np.array(u), residuals
        return self._slopes

    def loss(self, u: np.ndarray) -> float:
        return robust_loss(self.residuals(u))

    def best(self) -> Step:
        return min(self.steps, key=lambda step: step.loss)

    def _say(self) -> None:
        step = self.steps[-1]
        worst = ", ".join(f"{name} {miss:+.1f}" for name, miss in step.worst)
        self.tell(
            f"step {len(self.steps)}: loss {step.loss:.3f}, best {self.best().loss:.3f}; farthest: {worst}"
        )


def fit(objective: Objective, settings: FitSettings | None = None, tell: Tell = lambda text: None) -> Fitted:
    """Move the parameters from their priors to where the targets are met best.

    Args:
        objective: what is made small.
        settings: how.
        tell: takes a line about every step.

    Raises:
        UnknownNameError: no such method.
    """
    settings = settings or FitSettings()
    if settings.method not in METHODS:
        raise UnknownNameError("method", settings.method, METHODS)
    path = _Path(objective, settings, tell)
    start = np.zeros(len(objective.parameters))
    run: Callable[..., str] = _without_slopes if settings.method == "powell" else _with_slopes
    message = run(path, start, settings)
    best = path.best()
    return Fitted(best.u, best.loss, path.steps[0].loss, tuple(path.steps), message)


def _with_slopes(path: _Path, start: np.ndarray, settings: FitSettings) -> str:
    found: Any = least_squares(
        path.residuals,
        start,
        jac=path.jacobian,  # pyright: ignore[reportArgumentType]
        bounds=(path.objective.lower, path.objective.upper),
        method=settings.method,
        loss="soft_l1",
        f_scale=ROBUST_FROM,
        max_nfev=settings.steps,
        # Luck moves the loss by more than this; to go on would fit the seeds.
        ftol=2e-3,
        xtol=5e-3,
        gtol=1e-4,
    )
    return str(found.message)


def _without_slopes(path: _Path, start: np.ndarray, settings: FitSettings) -> str:
    bounds = list(zip(path.objective.lower, path.objective.upper, strict=True))
    found: Any = minimize(
        path.loss,
        start,
        method="Powell",
        bounds=bounds,
        options={"maxfev": settings.steps, "xtol": 1e-2, "ftol": 2e-3},
    )
    return str(found.message)
