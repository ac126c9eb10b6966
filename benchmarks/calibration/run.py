"""A calibration from beginning to end: what is asked for, what comes out, and how an interrupted one goes on."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from cardarena.benchmarks.calibration.fit import FitSettings, Fitted, fit
from cardarena.benchmarks.calibration.free import FreeParameter
from cardarena.benchmarks.calibration.identify import Identification, identify
from cardarena.benchmarks.calibration.moments import Evaluate, Laboratory, Moments, Settings, measure
from cardarena.benchmarks.calibration.objective import Objective, Weights
from cardarena.benchmarks.calibration.targets import Band
from cardarena.benchmarks.storage import folder_lock
from cardarena.benchmarks.validation.findings import Tell
from cardarena.simulator.errors import CardArenaError

#: Seeds on which parameters are fitted; validation judges on others.
SEEDS: Final = (8001, 8002)

#: A target whose standard error is above this many half-widths tells more of luck than of parameters.
TOO_NOISY: Final = 0.5


@dataclass(frozen=True)
class Task:
    """What a calibration is asked for.

    Attributes:
        parameters: what may move.
        bands: what is aimed at.
        base: overrides in force under the candidates: those of a world that it begins with.
        cardholders: people per world.
        seeds: world seeds, the same for every candidate.
        fit: how the fit goes on.
        weights: how the parts of the objective weigh.
    """

    parameters: tuple[FreeParameter, ...]
    bands: tuple[Band, ...]
    base: Mapping[str, Any] = field(default_factory=dict[str, Any])
    cardholders: int = 10_000
    seeds: tuple[int, ...] = SEEDS
    fit: FitSettings = field(default_factory=FitSettings)
    weights: Weights = field(default_factory=Weights)

    def targets_digest(self) -> str:
        """Return a short hash of the bands that are aimed at."""
        text = json.dumps([asdict(band) for band in self.bands], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Outcome:
    """What a calibration found.

    Attributes:
        task: what was asked for.
        fitted: where the fit ended, and its way.
        before: measured targets at the priors.
        after: measured targets at the end.
        identification: what the targets can tell; None where it was not asked for.
        overrides: the scenario overrides at the end.
        evaluations: evaluations that were made, those of an interrupted call left out.
        seconds: time that the evaluations took.
        source: digest of the code that made the moments.
    """

    task: Task
    fitted: Fitted
    before: Moments
    after: Moments
    identification: Identification | None
    overrides: dict[str, Any]
    evaluations: int
    seconds: float
    source: str

    def fit_rows(self) -> list[dict[str, Any]]:
        """Return one row a band: what was aimed at, what was measured before and after, and whether it holds."""
        return [_fit_row(band, self.before, self.after) for band in self.task.bands]


def _fit_row(band: Band, before: Moments, after: Moments) -> dict[str, Any]:
    nothing = (float("nan"), float("nan"))
    value, error = after.get(band.id, nothing)
    was = before.get(band.id, nothing)[0]
    return {
        "target": band.id, "quantity": band.quantity, "unit": band.unit, "hardness": band.hardness,
        "low": band.low, "point": band.point, "high": band.high, "before": was, "after": value,
        "standard_error": error, "residual_before": band.residual(was), "residual_after": band.residual(value),
        "held_before": band.holds(was), "holds": band.holds(value),
        # A fit cannot see what its own luck hides: the error should be a small part of the band.
        "noise": error / band.half_width,
    }  # fmt: skip


def calibrate(
    task: Task,
    folder: Path | None = None,
    *,
    workers: int = 1,
    identifying: bool = True,
    tell: Tell = lambda text: None,
    evaluate: Evaluate = measure,
    source: str = "",
) -> Outcome:
    """Fit the parameters to the bands.

    Args:
        task: what is asked for.
        folder: where evaluations are kept; the same call after an interruption reads them and goes on.
        workers: processes.
        identifying: whether the slopes at the end are measured, which costs an evaluation a parameter.
        tell: takes lines of progress.
        evaluate: what measures a candidate.
        source: digest of the code that makes the moments; another one begins anew.

    Raises:
        CardArenaError: nothing to move, or nothing to aim at.
        ResultsError: another process works in the folder.
    """
    if not task.parameters or not task.bands:
        missing = "parameter that may move" if not task.parameters else "target with a band to aim at"
        raise CardArenaError(f"a calibration needs at least one {missing}")
    if folder is None:
        return _calibrated(task, None, workers, identifying, tell, evaluate, source)
    with folder_lock(folder):
        return _calibrated(task, folder, workers, identifying, tell, evaluate, source)


def _calibrated(
    task: Task,
    folder: Path | None,
    workers: int,
    identifying: bool,
    tell: Tell,
    evaluate: Evaluate,
    source: str,
) -> Outcome:
    targets = tuple(dict.fromkeys(band.target for band in task.bands))
    settings = Settings(targets, task.cardholders, task.seeds, source)
    with Laboratory(settings, folder, workers=workers, evaluate=evaluate, tell=tell) as laboratory:
        objective = Objective(laboratory, task.parameters, task.bands, task.base, task.weights)
        unmeasured = [name for name, value in objective.at_start().items() if math.isnan(value)]
        if unmeasured:
            tell(f"not measured, and left as they are: {', '.join(unmeasured)}")
        noisy = [b.id for b, noise in zip(task.bands, objective.noise, strict=True) if noise > TOO_NOISY]
        if noisy:
            tell(f"mostly luck at this size (more cardholders or seeds would help): {', '.join(noisy)}")
        fitted = fit(objective, task.fit, tell)
        identification = None
        if identifying:
            tell("what pins which parameter: slopes at the end")
            slopes = objective.sensitivities(fitted.u)
            identification = identify(slopes, task.parameters, task.bands, fitted.u)
        return Outcome(
            task=task,
            fitted=fitted,
            before=objective.moments(np.zeros(len(task.parameters))),
            after=objective.moments(fitted.u),
            identification=identification,
            overrides=objective.overrides(fitted.u),
            evaluations=laboratory.n_made,
            seconds=laboratory.seconds,
            source=source,
        )


def held(rows: Sequence[Mapping[str, Any]], key: str = "holds") -> tuple[int, int]:
    """Return how many rows hold, and how many there are."""
    return sum(bool(row[key]) for row in rows), len(rows)
