"""The hard targets that behaviour can move: what every world must meet, cheapest first."""

import math
from collections.abc import Sequence
from typing import Final

from cardarena.benchmarks.validation.findings import Finding, Tell
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.targets import Target, measure_all, read_targets

#: Targets measured together, the cheapest first: one day of a world at rest, a campaign, a year, the whole card base.
STAGES: Final[tuple[tuple[str, ...], ...]] = (
    ("C1", "C9", "B1", "B2"),
    ("C2", "D1"),
    ("D10", "E2"),
    ("E1", "E7", "E8", "F1", "G2"),
)
#: What behaviour cannot move: who the cardholders are, and what the rules let through.
UNMOVED: Final = ("A", "G1")


def hard_rows(targets: Sequence[str] | None = None) -> tuple[Target, ...]:
    """Return the hard rows of the table of targets that behaviour can move.

    Args:
        targets: only rows of these targets; all by default.
    """
    rows = (row for row in read_targets() if row.hardness == "hard" and not row.target.startswith(UNMOVED))
    return tuple(row for row in rows if targets is None or row.target in targets)


def measure_hard(
    lab: Lab, tell: Tell, stages: Sequence[Sequence[str]] = STAGES, *, errors: float | None = None
) -> tuple[Finding, ...]:
    """Measure the hard targets in a world.

    Args:
        lab: the world.
        tell: takes a line a measurement.
        stages: targets that are measured together, in their order.
        errors: stop after the first stage with a finding that does not clear its band by so many standard errors; never
            by default.
    """
    found: list[Finding] = []
    for stage in stages:
        # A measurement gives all components of its targets, the soft ones too.
        measured = measure_all(lab, tell, [row for row in read_targets() if row.target in _together(stage)])
        found += [one for one in measured if one.hardness == "hard"]
        if errors is not None and any(clearance(one) < errors for one in found):
            break
    return tuple(found)


def _together(stage: Sequence[str]) -> set[str]:
    return {*stage, *(("C8",) if "C9" in stage else ())}


def clearance(finding: Finding) -> float:
    """Return by how many standard errors a value clears the nearest edge of its band, negative outside.

    Without a standard error it is infinite inside the band and at its edge, and minus infinite outside. A value that could
    not be measured is outside.
    """
    inside = min(finding.value - finding.low, finding.high - finding.value)
    if math.isnan(inside):
        return -math.inf
    if not finding.standard_error > 0.0:
        return math.inf if inside >= 0.0 else -math.inf
    return inside / finding.standard_error


def margin(finding: Finding) -> float:
    """Return how far a value lies inside its band: 1 in the middle, 0 at an edge, negative outside.

    In a band with an open end it is the distance from the edge as a share of the edge.
    """
    if math.isfinite(finding.low) and math.isfinite(finding.high):
        half = 0.5 * (finding.high - finding.low)
        inside = min(finding.value - finding.low, finding.high - finding.value)
        # A band of one number is met or not.
        return inside / half if half > 0.0 else (1.0 if inside == 0.0 else -1.0)
    edge = finding.low if math.isfinite(finding.low) else finding.high
    inside = finding.value - edge if edge == finding.low else edge - finding.value
    return inside / (abs(edge) or 1.0)
