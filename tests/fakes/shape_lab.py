"""Shapes at small size, and with parameters in which a mechanism is missing."""

from collections.abc import Mapping
from typing import Any

from cardarena.benchmarks.validation.findings import MISSES, Finding
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.shapes import EXPERIMENTS

_FOUND: dict[str, dict[str, Finding]] = {}


def found(
    experiment: str, parameters: Mapping[str, Any] | None = None, people: int = 1500
) -> dict[str, Finding]:
    """Return the findings of one experiment by short name, of one seed, under a parameter set."""
    key = f"{experiment} {parameters} {people}"
    if key not in _FOUND:
        overrides = {"parameters": dict(parameters)} if parameters else {}
        shape = EXPERIMENTS[experiment](Lab(n_cardholders=people, seeds=(9001,), overrides=overrides))
        _FOUND[key] = {finding.id.removeprefix("shape."): finding for finding in shape.findings}
        assert shape.picture.svg.startswith("<svg") or "<svg" in shape.picture.svg
    return _FOUND[key]


def missed(experiment: str, parameters: Mapping[str, Any] | None = None, people: int = 1500) -> set[str]:
    """Return the short names of the findings that miss."""
    findings = found(experiment, parameters, people)
    return {name for name, finding in findings.items() if finding.verdict == MISSES}
