"""The command that asks whether the world is to be believed: `validate`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cardarena.benchmarks.cli import options
from cardarena.benchmarks.cli.output import (
    EXIT_FAILED,
    Interrupted,
    remark,
    say,
    say_json,
    usable_folder,
)

if TYPE_CHECKING:
    from cardarena.benchmarks.validation.findings import Section

_WIDTH: Final = 110
_FIRST_SEED: Final = 9001
_CARDHOLDERS, _SEEDS = 20_000, 3
_QUICK_CARDHOLDERS, _QUICK_SEEDS = 4_096, 2
_QUICK: Final = ("targets", "shapes")


def validate(
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="SECTION", help="A section; may be repeated. [default: all]"),
    ] = None,
    cardholders: Annotated[
        int | None,
        typer.Option(
            "--cardholders",
            min=1024,
            max=options.MAX_CARDHOLDERS,
            help=f"Cardholders per world. [default: {_CARDHOLDERS}]",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", min=1, max=options.MAX_SEEDS, help=f"Worlds. [default: {_SEEDS}]"),
    ] = None,
    world: Annotated[
        str | None,
        typer.Option(
            "--world", metavar="NAME|FILE", help="The parameter set to validate. [default: the shipped one]"
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small worlds, and only the targets and the shapes.")
    ] = False,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where everything is written.")] = Path(
        "out/validation"
    ),
    as_json: options.Json = False,
) -> None:
    """Hold the world against the evidence: published numbers, known shapes, and more.

    A section that is finished is kept; the same command goes on where it stopped. The exit code is 0 if every hard
    finding holds and nine soft ones in ten.
    """
    from cardarena.benchmarks.provenance import available_cores
    from cardarena.benchmarks.storage import folder_lock
    from cardarena.benchmarks.validation.findings import judge
    from cardarena.benchmarks.validation.keeping import check_names, result_json, sections, write_result
    from cardarena.benchmarks.validation.lab import Lab
    from cardarena.benchmarks.validation.page import write_page
    from cardarena.simulator.parameter_sets import world_overrides

    names = check_names(only) if only else _all_names(quick)
    usable_folder(out)
    n_seeds = seeds or (_QUICK_SEEDS if quick else _SEEDS)
    tell = _Progress(quiet=as_json)
    lab = Lab(
        n_cardholders=cardholders or (_QUICK_CARDHOLDERS if quick else _CARDHOLDERS),
        seeds=tuple(range(_FIRST_SEED, _FIRST_SEED + n_seeds)),
        overrides=world_overrides(world),
        threads=available_cores(),
        tell=tell,
    )
    done: list[Section] = []
    try:
        with folder_lock(out):
            done.extend(sections(names, lab, out, tell))
            write_result(done, lab.settings, out)
            page = write_page(done, lab.settings, out)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; finished sections are kept in {out}: give the same command to go on"
        ) from None
    if as_json:
        say_json(result_json(done, lab.settings))
    else:
        _say_findings(done)
        say(f"page: {page}")
    if not judge([finding for section in done for finding in section.findings]).is_passed:
        raise typer.Exit(EXIT_FAILED)


def _all_names(quick: bool) -> tuple[str, ...]:
    from cardarena.benchmarks.validation.keeping import check_names, is_there
    from cardarena.benchmarks.validation.sections import SECTIONS

    wanted = _QUICK if quick else tuple(SECTIONS)
    absent = [name for name in wanted if not is_there(name)]
    if absent:
        remark(f"left out, since this version does not have it: {', '.join(absent)}")
    return check_names([name for name in wanted if name not in absent])


class _Progress:
    """Says each line with the seconds since the start."""

    def __init__(self, *, quiet: bool) -> None:
        from time import monotonic

        self._quiet, self._clock, self._start = quiet, monotonic, monotonic()

    def __call__(self, text: str) -> None:
        if not self._quiet:
            remark(f"{self._clock() - self._start:5.0f} s  {text}")


def _say_findings(done: "Sequence[Section]") -> None:
    from rich.console import Console

    from cardarena.benchmarks.validation.findings import judge
    from cardarena.benchmarks.validation.listing import findings_table, verdict_lines

    findings = [finding for section in done for finding in section.findings]
    # A pipe has no width; a table folded to 80 columns could not be read.
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    console.print(findings_table(findings))
    for line in verdict_lines(judge(findings), findings):
        say(line)
