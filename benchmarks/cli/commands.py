"""Every command of `cardarena`, in the order of the help page."""

from functools import cache

import typer

from cardarena.benchmarks.cli import (
    arena_commands,
    calibrate_commands,
    effect_commands,
    measure_commands,
    train_commands,
    tune_commands,
    validate_commands,
    world_commands,
)


@cache
def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("arena")(arena_commands.arena)
    app.command("list")(world_commands.list_names)
    show = typer.Typer(help="Show one thing in full.", no_args_is_help=True)
    show.command("scenario")(world_commands.show_scenario)
    show.command("world")(world_commands.show_world)
    show.command("policy")(world_commands.show_policy)
    app.add_typer(show, name="show")
    app.command("population")(world_commands.population)
    app.command("generate")(world_commands.generate)
    app.command("report")(arena_commands.report)
    app.command("status")(arena_commands.status)
    app.command("train")(train_commands.train)
    app.command("tune")(tune_commands.tune)
    app.command("speed")(measure_commands.speed)
    app.command("validate")(validate_commands.validate)
    app.command("calibrate")(calibrate_commands.calibrate)
    app.command("twins")(effect_commands.twins)
    app.command("ope")(effect_commands.ope)
