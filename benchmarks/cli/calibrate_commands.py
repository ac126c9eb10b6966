"""The command that fits the model to figures: `calibrate`."""

import signal
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardarena.benchmarks.cli import options
from cardarena.benchmarks.cli.output import Interrupted, remark, say, say_json, say_table, usable_file

if TYPE_CHECKING:
    from cardarena.benchmarks.calibration.own_survey import Met
    from cardarena.benchmarks.calibration.run import Outcome, Task
    from cardarena.benchmarks.validation.findings import Tell
    from cardarena.simulator.population.rake import Figures


class Method(StrEnum):
    """How the optimiser moves."""

    trf = "trf"
    dogbox = "dogbox"
    powell = "powell"


class Split(StrEnum):
    """What a world is for."""

    train = "train"
    validation = "validation"
    test = "test"
    reference = "reference"


def calibrate(
    out: Annotated[Path, typer.Option("--out", metavar="FILE.yaml", help="The parameter file to write.")],
    targets: Annotated[
        Path | None,
        typer.Option("--targets", metavar="FILE.csv", help="Your own figures, put over the shipped ones."),
    ] = None,
    survey: Annotated[
        Path | None,
        typer.Option(
            "--survey",
            metavar="FILE.csv",
            help="Your own survey: who your cardholders are. Alone, nothing is fitted.",
        ),
    ] = None,
    free: Annotated[
        Path | None,
        typer.Option("--free", metavar="FILE.csv", help="The parameters that may move. [default: shipped]"),
    ] = None,
    world: Annotated[
        str | None,
        typer.Option(
            "--world", metavar="NAME|FILE", help="Begin with this world. [default: shipped parameters]"
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="TARGET",
            help="Aim at this target or component alone; may be repeated. [default: those that the free "
            "parameters are expected to move]",
        ),
    ] = None,
    move: Annotated[
        list[str] | None,
        typer.Option("--move", metavar="NAME", help="Move this free parameter alone; may be repeated."),
    ] = None,
    cardholders: Annotated[
        int,
        typer.Option("--cardholders", min=100, max=options.MAX_CARDHOLDERS, help="Cardholders per world."),
    ] = 10_000,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, max=100, help="Seeds, the same for every candidate.")
    ] = 2,
    steps: Annotated[
        int, typer.Option("--steps", min=1, max=10_000, help="The most steps of the optimiser.")
    ] = 12,
    refresh: Annotated[
        int, typer.Option("--refresh", min=1, max=1000, help="Slopes are measured every so many steps.")
    ] = 3,
    method: Annotated[Method, typer.Option("--method", help="How the optimiser moves.")] = Method.trf,
    ridge: Annotated[
        float,
        typer.Option("--ridge", min=0.0, max=100.0, help="How strongly parameters stay at their prior."),
    ] = 0.3,
    hard: Annotated[
        float, typer.Option("--hard", min=1.0, max=100.0, help="Weight of hard targets over soft ones.")
    ] = 2.0,
    identifying: Annotated[
        bool, typer.Option("--identify/--no-identify", help="Also measure what pins which parameter.")
    ] = True,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=256, help="Worker processes. [default: one a core]")
    ] = None,
    title: Annotated[str, typer.Option("--title", help="Title of the world.")] = "",
    split: Annotated[Split, typer.Option("--split", help="What the world is for.")] = Split.reference,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    as_json: options.Json = False,
) -> None:
    """Fit the model's parameters to targets; write them as a world, and what the targets can tell about them.

    A calibration that was interrupted continues when the same command is given again.
    """
    from cardarena.benchmarks.calibration.fit import FitSettings
    from cardarena.benchmarks.calibration.moments import source_digest
    from cardarena.benchmarks.calibration.objective import Weights
    from cardarena.benchmarks.calibration.outcome import (
        about_fit,
        beside,
        world_document,
        write_record,
        write_world,
    )
    from cardarena.benchmarks.calibration.request import make_task, world_name
    from cardarena.benchmarks.calibration.run import SEEDS
    from cardarena.benchmarks.calibration.run import calibrate as run
    from cardarena.benchmarks.provenance import available_cores
    from cardarena.simulator.compilation import use_own_cache
    from cardarena.simulator.parameter_sets import world_overrides

    usable_file(out, force=force)
    name, folder = world_name(out), beside(out, "evaluations")
    tell: Tell = (lambda text: None) if as_json else remark
    base, figures = world_overrides(world), _figures(survey)

    def task_on(overrides: dict[str, Any]) -> "Task":
        return make_task(
            targets=targets,
            free=free,
            only=only,
            move=move,
            base=overrides,
            cardholders=cardholders,
            seeds=tuple(SEEDS[0] + i for i in range(seeds)),
            fit=FitSettings(method.value, steps, refresh),
            weights=Weights(hard, ridge),
        )

    is_fitting = survey is None or bool(targets or free or only or move)
    if is_fitting:  # every mistake in the tables is said before anything runs
        task_on(base)
    use_own_cache()
    signal.signal(signal.SIGTERM, _as_interrupt)
    source, outcome = source_digest(), None
    met: list[Met] = []
    try:
        if figures is not None:
            base, met = _with_survey(base, figures, folder, source, tell)
        if is_fitting:
            task = task_on(base)
            tell(f"{len(task.parameters)} parameters, {len(task.bands)} components of targets")
            cores = workers or available_cores()
            outcome = run(task, folder, workers=cores, identifying=identifying, tell=tell, source=source)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; what was evaluated is kept in {folder}: give the same command to go on"
        ) from None
    about = {"source_digest": source} if outcome is None else about_fit(outcome)
    overrides = base if outcome is None else outcome.overrides
    document = world_document(
        name, title or name.replace("_", " ").capitalize(), split.value, overrides, about
    )
    paths = [write_world(out, document), *(write_record(outcome, out) if outcome else [])]
    _say(outcome, met, paths, as_json)


def _figures(survey: Path | None) -> "Figures | None":
    from cardarena.benchmarks.calibration.own_survey import read_survey

    return None if survey is None else read_survey(survey)


def _with_survey(
    base: dict[str, Any], figures: "Figures", folder: Path, source: str, tell: "Tell"
) -> "tuple[dict[str, Any], list[Met]]":
    """Return the overrides with the raked survey among them, and what became of its figures."""
    from cardarena.benchmarks.calibration.own_survey import raked

    survey, met = raked(figures, folder, source, tell)
    return base | {"population": {"survey": survey.model_dump(mode="json")}}, met


def _as_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _say(outcome: "Outcome | None", met: "Sequence[Met]", paths: Sequence[Path], as_json: bool) -> None:
    from dataclasses import asdict

    from cardarena.benchmarks.calibration.outcome import record

    if as_json:
        content = {} if outcome is None else record(outcome)
        say_json(content | {"survey": [asdict(row) for row in met], "files": [str(path) for path in paths]})
        return
    if met:
        rows = [(r.variable, r.level or "-", f"{r.wanted:.6g}", f"{r.found:.6g}") for r in met]
        say_table(["survey", "level", "wanted", "raked"], rows)
        say("")
    if outcome is not None:
        _say_outcome(outcome)
    for path in paths:
        say(f"written: {path}")


def _say_outcome(outcome: "Outcome") -> None:
    from cardarena.benchmarks.calibration.outcome import fit_table, parameter_table
    from cardarena.benchmarks.calibration.run import held

    rows = outcome.fit_rows()
    say_table(*fit_table(rows))
    say("")
    say_table(*parameter_table(outcome))
    say("")
    before, after = held(rows, "held_before"), held(rows)
    say(f"held: {before[0]} of {before[1]} before, {after[0]} of {after[1]} after")
    say(f"objective: {outcome.fitted.start_loss:.3f} before, {outcome.fitted.loss:.3f} after")
    found = outcome.identification
    if found is not None:
        say(f"condition number of the slopes: {found.condition:.3g}")
        say(f"weakly identified: {', '.join(found.weak) or 'none'}")
        for group in found.collinear:
            say(f"move the targets alike: {', '.join(group)}")
        for direction in found.weak_directions:
            say("hardly move any: " + " ".join(f"{loading:+.2f} {name}" for name, loading in direction))
    say(f"{outcome.evaluations} evaluations made, {outcome.seconds:.0f} s of computing in all")
