"""Worlds by design: parameter sets about the shipped one, all of which meet the hard targets.

A Sobol sequence fills the space of factors evenly. A candidate that misses a hard target which one number plainly
sets is mended by that number, once. One that still misses is tried once more halfway between itself and the shipped
set, and rejected after that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.stats import qmc

from cardarena.benchmarks.calibration.free import FreeParameter, overrides_of, value_in_force
from cardarena.benchmarks.calibration.moments import Moments, Settings
from cardarena.benchmarks.calibration.sheet import read_sheet
from cardarena.benchmarks.validation.findings import Finding
from cardarena.benchmarks.validation.hard import clearance, hard_rows, measure_hard
from cardarena.benchmarks.validation.lab import Lab

TABLE: Final = Path(__file__).parent / "data" / "worlds.csv"
#: Key of the Sobol sequence's scrambling.
KEY: Final = 20_251_103
#: What one cycle of accepted worlds is for: of twenty, twelve to train on, four to choose on, four to rank on.
SPLITS: Final = ("train", "train", "train", "validation", "test")
N_WORLDS: Final = 20
#: Standard errors by which a candidate must clear each hard band: the luck of its seeds must not be what lets it pass.
CLEAR_BY: Final = 0.5
VARIANT: Final[Mapping[str, Any]] = {"parameters": {"attention_form": 1.0}}
#: The numbers that plainly set a target, and the power of the target to which they go.
_SETS: Final[Mapping[str, tuple[tuple[str, ...], float]]] = {
    "C9.unsubscribe": (("channels.email.p_opt_out",), 1.0),
    "C9.complaint": (("channels.email.p_complaint",), 1.0),
    "D10.1_a_week": (("channels.app_push.p_opt_out",), 1.0),
    "D10.2_to_5_a_week": (("channels.app_push.p_opt_out",), 1.0),
    "D10.6_to_10_a_week": (("channels.app_push.p_opt_out",), 1.0),
    "E8.utilisation": (("parameters.need_rate.instalment",), 4.0),
    "F1": (
        ("channels.sms.p_complaint", "channels.app_push.p_complaint", "channels.human_call.p_complaint"),
        1.0,
    ),
}
#: How far a candidate is drawn back that cannot be corrected.
_HALFWAY: Final = 0.5
#: A correction aims so far inside the edge that was missed, as a share of the band.
_INSIDE: Final = 0.25


@dataclass(frozen=True)
class Candidate:
    """A parameter set under test.

    Attributes:
        index: place in the Sobol sequence; -1 for the structural variant.
        overrides: parameters and channels.
        at: where each number of the design stands, -2 and 2 at its bounds; empty for the structural variant.
        reach: share of the drawn distance from the shipped set.
        mended: numbers that a correction set, by name.
    """

    index: int
    overrides: Mapping[str, Any]
    at: tuple[float, ...] = ()
    reach: float = 1.0
    mended: Mapping[str, float] = field(default_factory=dict[str, float])


def read_design(path: Path = TABLE) -> tuple[FreeParameter, ...]:
    """Return the numbers that worlds differ in, with their bounds: the shipped value over and times the factor.

    Args:
        path: a CSV with the columns `name`, `factor`, `transform`, `meaning`.

    Raises:
        CardArenaError: a name that is no parameter, or a factor that is no number.
    """
    design = []
    for row in read_sheet(path, ("name", "factor", "transform"), ("meaning",)):
        name, transform = row.cells["name"], row.cells["transform"]
        scale = FreeParameter("", 0.5, 0.25, 0.75, transform)
        prior, step = value_in_force(name, {}), float(np.log(row.number("factor", 1.0)))
        lower, upper = (scale.from_z(scale.to_z(prior) + side * step) for side in (-1.0, 1.0))
        design.append(FreeParameter(name, prior, lower, upper, transform, (), row.cells.get("meaning", "")))
    return tuple(design)


def drawn(design: Sequence[FreeParameter], count: int, key: int = KEY) -> list[Candidate]:
    """Return the first candidates of the design; how many are drawn does not change the earlier ones.

    Args:
        design: what moves, and how far.
        count: number of candidates; rounded up to a power of two inside, as Sobol sequences want it.
        key: of the scrambling.
    """
    sobol = qmc.Sobol(len(design), scramble=True, rng=np.random.Generator(np.random.Philox(key)))
    points = sobol.random_base2(max(1, int(np.ceil(np.log2(count)))))[:count]
    return [placed(design, index, [4.0 * x - 2.0 for x in point]) for index, point in enumerate(points)]


def placed(design: Sequence[FreeParameter], index: int, at: Sequence[float], reach: float = 1.0) -> Candidate:
    """Return the candidate at a place of the design, or on the way to it from the shipped set.

    Args:
        design: what moves.
        index: place in the sequence.
        at: where each number stands when it is drawn, shape (numbers,), -2 and 2 at its bounds.
        reach: share of the way.
    """
    overrides = _rounded(overrides_of(design, [reach * u for u in at]))
    return Candidate(index, overrides, tuple(float(u) for u in at), reach)


def factors(design: Sequence[FreeParameter], candidate: Candidate) -> dict[str, float]:
    """Return by what each number was multiplied (its odds, on the scale of odds) before any correction."""
    return {
        parameter.name: float(f"{np.exp(parameter.spread * candidate.reach * u):.4g}")
        for parameter, u in zip(design, candidate.at, strict=True)
    }


def _rounded(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the overrides with four digits, as they stand in the file; nothing finer is claimed."""

    def short(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: short(entry) for name, entry in value.items()}
        return [short(entry) for entry in value] if isinstance(value, list) else float(f"{value:.4g}")

    return {name: short(entries) for name, entries in overrides.items() if entries}


def evaluate(settings: Settings, overrides: Mapping[str, Any]) -> Moments:
    """Measure the hard targets, cheapest first, until one is missed; what comes after it is left out."""
    lab = Lab(n_cardholders=settings.cardholders, seeds=settings.seeds, overrides=overrides)
    found = measure_hard(lab, lambda text: None, errors=CLEAR_BY)
    return {one.id: (float(one.value), float(one.standard_error)) for one in found}


def missed(moments: Moments) -> tuple[Finding, ...]:
    """Return the hard targets that the moments miss or clear too narrowly."""
    found = (row.finding(*moments[row.id]) for row in hard_rows() if row.id in moments)
    return tuple(one for one in found if clearance(one) < CLEAR_BY)


def is_whole(moments: Moments) -> bool:
    """Return whether every hard target was measured."""
    return {row.id for row in hard_rows()} <= set(moments)


def mend(design: Sequence[FreeParameter], candidate: Candidate, moments: Moments) -> Candidate | None:
    """Return what to try next in place of a candidate that missed; None where nothing is left to try.

    Args:
        design: what moves.
        candidate: the candidate.
        moments: its hard targets, as far as they were measured.
    """
    wrong = missed(moments)
    if not candidate.mended and all(one.id in _SETS and one.value > 0.0 for one in wrong):
        return _corrected(candidate, wrong)
    if candidate.at and candidate.reach == 1.0:
        return placed(design, candidate.index, candidate.at, _HALFWAY)
    return None


def _corrected(candidate: Candidate, wrong: Sequence[Finding]) -> Candidate:
    corrections: dict[str, float] = {}
    for finding in wrong:
        names, power = _SETS[finding.id]
        for name in names:
            ratio = (_aim(finding) / finding.value) ** power
            then = float(f"{value_in_force(name, candidate.overrides) * ratio:.4g}")
            # Of two corrections of one number, both downward, the stronger counts.
            corrections[name] = min(then, corrections.get(name, then))
    fixed = [FreeParameter(name, value, 0.5 * value, 2.0 * value) for name, value in corrections.items()]
    overrides = _rounded(overrides_of(fixed, [0.0] * len(fixed), candidate.overrides))
    return replace(candidate, overrides=overrides, mended=corrections)


def _aim(finding: Finding) -> float:
    """Return the value that a correction aims at: a little inside the edge that was missed."""
    low = finding.low if np.isfinite(finding.low) else 0.0
    inside = _INSIDE * (finding.high - low)
    return low + inside if finding.value - low < finding.high - finding.value else finding.high - inside


def split_of(place: int) -> tuple[str, str]:
    """Return name and split of the accepted world in this place, counted from 0.

    Example:
        >>> split_of(0), split_of(3), split_of(9)
        (('train_01', 'train'), ('validation_01', 'validation'), ('test_02', 'test'))
    """
    cycle, step = divmod(place, len(SPLITS))
    split = SPLITS[step]
    number = cycle * SPLITS.count(split) + SPLITS[:step].count(split) + 1
    return f"{split}_{number:02d}", split
