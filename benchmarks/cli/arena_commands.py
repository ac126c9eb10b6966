"""The commands around an arena: `arena`, `report`, `status`."""

import signal
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cardarena.benchmarks.cli import options
from cardarena.benchmarks.cli.output import (
    EXIT_FAILED,
    Interrupted,
    remark,
    say,
    say_json,
    say_table,
    usable_folder,
)

if TYPE_CHECKING:
    from cardarena.benchmarks.arena import Outcome

_PIPE_WIDTH: Final = 140


class Scheduler(StrEnum):
    """The two schedulers; they play the same world."""

    cohort = "cohort"
    agent = "agent"


def arena(
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario",
            metavar="NAME|FILE",
            help="A scenario; may be repeated. [default: every main scenario]",
        ),
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            metavar="NAME|FILE.py:Class|DIR",
            help="A policy, a class or factory of a file, or a folder of `train` or `tune`; may be repeated. "
            "[default: every shipped policy]",
        ),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option("--seeds", min=1, max=options.MAX_SEEDS, help="Seeds per scenario and policy: 1 to N."),
    ] = 3,
    cardholders: options.Cardholders = None,
    days: options.Days = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=256, help="Worker processes. [default: one a core]")
    ] = None,
    scheduler: Annotated[
        Scheduler, typer.Option("--scheduler", help="Who plays the world.")
    ] = Scheduler.cohort,
    curves: Annotated[
        bool,
        typer.Option(
            "--curves/--no-curves", help="Also run each policy over its dial, on the first scenario."
        ),
    ] = True,
    world: Annotated[
        str | None,
        typer.Option(
            "--world",
            metavar="NAME|FILE",
            help="The parameter set that every scenario is played with. [default: what each scenario says]",
        ),
    ] = None,
    allow_training_world: Annotated[
        bool,
        typer.Option(
            "--allow-training-world", help="For development: play in a world that policies learn in."
        ),
    ] = False,
    run_limit: Annotated[
        float, typer.Option("--run-limit", min=1, help="Seconds after which one run is killed and fails.")
    ] = 600.0,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start over instead of continuing what is in the folder.")
    ] = False,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where everything is written.")] = Path(
        "out/arena"
    ),
    as_json: options.Json = False,
) -> None:
    """Run scenarios x policies x seeds, rank the policies, write the report.

    An arena that was interrupted continues when the same command is given again.
    """
    from cardarena.benchmarks.arena import play
    from cardarena.benchmarks.arena.entries import make_plan
    from cardarena.benchmarks.arena.parts import PARTS
    from cardarena.benchmarks.arena.progress import choose
    from cardarena.benchmarks.cli.compiling import SaysColdOnly
    from cardarena.benchmarks.cli.user_policies import entries_of
    from cardarena.benchmarks.provenance import available_cores
    from cardarena.simulator.compilation import use_own_cache

    entries = entries_of(policy)
    plan = make_plan(
        scenarios=scenario,
        n_seeds=seeds,
        cardholders=cardholders,
        days=days,
        scheduler=scheduler.value,
        curves=curves,
        world=world,
        allow_training=allow_training_world,
    )
    plan = plan if entries is None else replace(plan, policies=entries)
    usable_folder(out)
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        outcome = play(
            plan,
            out,
            workers=workers or available_cores(),
            run_limit_seconds=run_limit,
            fresh=fresh,
            show=SaysColdOnly(choose(quiet=as_json), use_own_cache()),
        )
    except OSError as error:
        if any((out / PARTS).rglob("*.json")):
            error.add_note("what was finished before is kept")
        raise
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; what was finished is kept in {out}: give the same command to go on"
        ) from None
    _say_outcome(outcome, as_json)
    if outcome.failed or outcome.report is None:
        raise typer.Exit(EXIT_FAILED)


def _as_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _say_outcome(outcome: "Outcome", as_json: bool) -> None:
    failed = [
        {"scenario": t.scenario, "policy": t.policy, "dial": t.dial, "seed": t.seed, "reason": reason}
        for t, reason in outcome.failed
    ]
    if as_json:
        say_json(
            {
                "folder": str(outcome.folder),
                "report": str(outcome.report) if outcome.report else None,
                "n_runs": outcome.n_runs,
                "n_failed": len(failed),
                "failed": failed,
                "notes": outcome.notes,
                "seconds": round(outcome.seconds, 1),
                "leaderboard": outcome.leaderboard,
            }
        )
        return
    for note in outcome.notes:
        remark(f"note: {note}")
    _say_leaderboard(outcome.leaderboard)
    if failed:
        remark(f"{len(failed)} of {outcome.n_runs} runs failed:")
        for row in failed[:20]:
            dial = "" if row["dial"] is None else f" at {row['dial']:g}"
            remark(f"  {row['scenario']}, seed {row['seed']}, {row['policy']}{dial}: {row['reason']}")
        if len(failed) > 20:
            remark(
                f"  and {len(failed) - 20} more; see the column `reason` of {outcome.folder / 'runs.parquet'}"
            )
    say(f"{outcome.n_runs} runs in {outcome.seconds:.0f} s")
    if outcome.report:
        say(f"report: {outcome.report}")


def _say_leaderboard(board: Any) -> None:
    from rich.console import Console

    from cardarena.benchmarks.leaderboard import render_leaderboard

    shown = render_leaderboard(board)
    if isinstance(shown, str):
        say(shown)
    else:
        # A pipe has no width; a table folded to 80 columns could not be read.
        console = Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH)
        console.print(shown)


def report(folder: options.Folder, as_json: options.Json = False) -> None:
    """Make the report again from what is on disk."""
    from cardarena.benchmarks.arena.match import read_manifest
    from cardarena.benchmarks.report import write_report
    from cardarena.simulator.errors import ResultsError

    if not read_manifest(folder)["finished"]:
        raise ResultsError(f"{folder}: this arena is not finished; give its command again to go on")
    path = write_report(folder)
    if as_json:
        say_json({"report": str(path)})
    else:
        say(f"report: {path}")


def status(folder: options.Folder, as_json: options.Json = False) -> None:
    """Show how far an arena is and where its time goes."""
    from cardarena.benchmarks.arena import arena_status

    state = arena_status(folder)
    if as_json:
        say_json(state)
        return
    done = state["n_finished"] + state["n_failed"]
    word = "finished" if state["is_finished"] else "not finished"
    say(f"{folder}: {word}, {done} of {state['n_runs']} runs, {state['n_failed']} of them failed")
    total = sum(state["area_seconds"].values())
    if total:
        say("")
        rows = [
            (name, f"{value:.1f}", f"{value / total:.0%}", ", ".join(_stages_of(state, name)))
            for name, value in state["area_seconds"].items()
        ]
        say_table(["time goes to", "seconds", "share", "stages"], rows)
    if state["decision_seconds_by_policy"]:
        say("")
        rows = [(name, f"{value:.1f}") for name, value in state["decision_seconds_by_policy"].items()]
        say_table(["policy", "decision seconds"], rows)
    for row in state["failed"][:20]:
        say(f"failed: {row['scenario']}, seed {row['seed']}, {row['policy']}: {row['reason']}")


def _stages_of(state: dict[str, Any], area: str) -> list[str]:
    from cardarena.benchmarks.arena.state import area_of

    return [f"{name} {value:.1f}" for name, value in state["stage_seconds"].items() if area_of(name) == area]
