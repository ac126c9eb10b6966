"""From what a user gives to a task: every name and number is checked before anything runs."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cardarena.benchmarks.calibration.fit import FitSettings
from cardarena.benchmarks.calibration.free import SHIPPED, read_free
from cardarena.benchmarks.calibration.objective import Weights
from cardarena.benchmarks.calibration.run import Task
from cardarena.benchmarks.calibration.targets import chosen_bands, own_bands, read_bands
from cardarena.simulator.errors import CardArenaError, UnknownNameError


def make_task(
    *,
    targets: Path | None = None,
    free: Path | None = None,
    only: Sequence[str] | None = None,
    move: Sequence[str] | None = None,
    base: Mapping[str, Any] | None = None,
    cardholders: int,
    seeds: tuple[int, ...],
    fit: FitSettings,
    weights: Weights,
) -> Task:
    """Return the task of a calibration.

    Args:
        targets: a user's own figures.
        free: the parameters that may move; the shipped ones by default.
        only: targets or components to aim at; by default those that the parameters should move, and the user's own.
        move: names of the free parameters that move; all by default.
        base: overrides in force.
        cardholders: people per world.
        seeds: world seeds.
        fit: how the fit goes on.
        weights: how the parts of the objective weigh.

    Raises:
        CardArenaError: a file that cannot be used, or a name that is not known.
    """
    bands = read_bands(targets)
    parameters = read_free(free or SHIPPED, base)
    if move:
        known = [p.name for p in parameters]
        for name in move:
            if name not in known:
                raise UnknownNameError("free parameter", name, known)
        parameters = tuple(p for p in parameters if p.name in move)
    wanted = set(only or ())
    if not wanted:
        wanted = {name for p in parameters for name in p.targets}
        wanted |= set(own_bands(targets)) if targets else set()
    return Task(
        parameters=parameters,
        bands=chosen_bands(bands, wanted),
        base=dict(base or {}),
        cardholders=cardholders,
        seeds=seeds,
        fit=fit,
        weights=weights,
    )


def world_name(out: Path) -> str:
    """Return the name of the world that a file will hold.

    Raises:
        CardArenaError: the file's name is no name of a world.
    """
    if out.suffix not in (".yaml", ".yml") or not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", out.stem):
        raise CardArenaError(
            f"--out {out}: expected a file such as my_bank.yaml (lower-case letters, digits, underscores), "
            f"found {out.name!r}"
        )
    return out.stem
