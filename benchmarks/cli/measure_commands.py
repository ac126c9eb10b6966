"""The command that measures: `speed`."""

from typing import Annotated

import typer

from cardarena.benchmarks.cli import options
from cardarena.benchmarks.cli.output import remark, say, say_json


def speed(
    cardholders: Annotated[
        int,
        typer.Option(
            "--cardholders", min=1000, max=options.MAX_CARDHOLDERS, help="Cardholders under `cohort`."
        ),
    ] = 1_000_000,
    days: Annotated[int, typer.Option("--days", min=1, max=options.MAX_DAYS, help="Days.")] = 30,
    repeats: Annotated[
        int, typer.Option("--repeats", min=1, max=100, help="Runs; the median is reported.")
    ] = 3,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Threads. [default: one a core]")
    ] = None,
    compile_time: Annotated[
        bool, typer.Option("--compile/--no-compile", help="Also measure first compile and warm start.")
    ] = True,
    as_json: options.Json = False,
) -> None:
    """Measure cardholder-days per second, where they go, memory, and start-up."""
    from cardarena.benchmarks.speed import measure, shown

    result = measure(
        n_cardholders=cardholders,
        days=days,
        repeats=repeats,
        threads=threads,
        compile_time=compile_time,
        tell=(lambda text: None) if as_json else remark,
    )
    if as_json:
        say_json(result)
    else:
        say(shown(result))
