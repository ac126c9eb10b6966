"""The command that measures: `speed`."""

from typing import Annotated

import typer

from cardarena.benchmarks.cli import options
from cardarena.benchmarks.cli.output import remark, say, say_json
from cardarena.simulator.errors import CardArenaError


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
    sizes: Annotated[
        str,
        typer.Option(
            "--sizes", help="Further numbers of cardholders, comma-separated: a table of the cost of one."
        ),
    ] = "",
    rl: Annotated[
        bool,
        typer.Option("--rl", help="Only this: PPO on journeys beside PPO on nothing; needs the extra rl."),
    ] = False,
    lanes: Annotated[
        int, typer.Option("--lanes", min=1, max=65_536, help="Journeys at once, with `--rl`.")
    ] = 2048,
    reward: Annotated[
        str, typer.Option("--reward", help="gross, attributed, or paired, with `--rl`.")
    ] = "gross",
    every: Annotated[
        int, typer.Option("--every", min=1, max=90, help="Days between decisions, with `--rl`.")
    ] = 1,
    as_json: options.Json = False,
) -> None:
    """Measure cardholder-days and environment steps per second, where the time goes, memory, and start-up."""
    from cardarena.benchmarks.speed import measure, shown

    if rl:
        _say_rl(lanes, repeats, reward, every, as_json)
        return
    result = measure(
        n_cardholders=cardholders,
        days=days,
        repeats=repeats,
        threads=threads,
        compile_time=compile_time,
        sizes=_numbers(sizes),
        tell=(lambda text: None) if as_json else remark,
    )
    if as_json:
        say_json(result)
    else:
        say(shown(result))


def _say_rl(lanes: int, repeats: int, reward: str, every: int, as_json: bool) -> None:
    """Measure what the environment leaves of PPO's speed, and say it."""
    from cardarena.agents.rl.training import require_extra

    require_extra()
    from cardarena.agents.rl.sb3.throughput import measure

    result = measure(
        lanes=lanes,
        repeats=repeats,
        reward=reward,
        decision_every=every,
        tell=(lambda text: None) if as_json else remark,
    )
    if as_json:
        say_json(result)
        return
    say(
        f"PPO on {result['lanes']:,} journeys, {result['reward']} reward, {result['decision_every']} days a step: "
        f"{result['steps_per_second']:,} steps/s, "
        f"{result['cpu_microseconds']} us of CPU a step; {result['share']:.0%} of its speed on an environment that does "
        f"nothing ({result['steps_per_second_on_nothing']:,} steps/s, {result['cpu_microseconds_on_nothing']} us)"
    )


def _numbers(text: str) -> list[int]:
    """Return comma-separated numbers of cardholders.

    Raises:
        CardArenaError: not such numbers.
    """
    try:
        numbers = [int(part.replace("_", "")) for part in text.split(",") if part.strip()]
    except ValueError:
        numbers = [0]
    if any(not 1 <= n <= options.MAX_CARDHOLDERS for n in numbers):
        raise CardArenaError(
            f"--sizes: expected numbers from 1 to {options.MAX_CARDHOLDERS:,} with commas between, found {text!r}"
        )
    return numbers
