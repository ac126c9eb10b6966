"""The commands around one world: `list`, `show scenario`, `show world`, `show policy`, `population`, `generate`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cardarena.benchmarks.cli import options
from cardarena.benchmarks.cli.output import remark, say, say_json, say_table


class Mode(StrEnum):
    """Whom the population is like."""

    survey = "survey"
    population = "population"


def list_names(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT", help="scenarios, worlds, policies, offers, channels, metrics or parameters."
        ),
    ],
    as_json: options.Json = False,
) -> None:
    """List scenarios, worlds, policies, offers, channels, metrics or parameters."""
    from cardarena.benchmarks.cli import listings

    rows = listings.rows_of(what)
    if as_json:
        say_json(rows)
        return
    columns = listings.shown_columns(what, rows)
    say_table(columns, [[listings.shown(row.get(name)) for name in columns] for row in rows])


def show_scenario(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A scenario's name, or a YAML file.")],
    as_json: options.Json = False,
) -> None:
    """Show a scenario in full, everything that it extends included."""
    from cardarena.benchmarks.storage import plain
    from cardarena.simulator.scenario import load_scenario, scenario_digest

    scenario = load_scenario(name)
    content = {**scenario.model_dump(mode="json"), "digest": scenario_digest(scenario)}
    if as_json:
        say_json(content)
        return
    import yaml

    say(yaml.safe_dump(plain(content), allow_unicode=True, sort_keys=False, width=110).rstrip())


def show_world(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A world's name, or a YAML file.")],
    as_json: options.Json = False,
) -> None:
    """Show a world: the parameters and channels that it changes, and how it was made."""
    from cardarena.benchmarks.storage import plain
    from cardarena.simulator.parameter_sets import load_world

    content = load_world(name).model_dump(mode="json", exclude_unset=True)
    if as_json:
        say_json(content)
        return
    import yaml

    say(yaml.safe_dump(plain(content), allow_unicode=True, sort_keys=False, width=110).rstrip())


def show_policy(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FILE.py:Class", help="A policy's name, or a class of a file.")
    ],
    as_json: options.Json = False,
) -> None:
    """Show a policy: its title, league, dial and what it does."""
    from cardarena.benchmarks.cli.listings import policy_card

    content = policy_card(name)
    if as_json:
        say_json(content)
        return
    text = content.pop("text")
    for key, value in content.items():
        if value not in (None, ""):
            shown = ", ".join(f"{one:g}" for one in value) if isinstance(value, tuple) else value
            say(f"{key.replace('_', ' ')}: {shown}")
    say(f"\n{text}")


def population(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="FILE.parquet or FILE.csv.")],
    cardholders: Annotated[
        int, typer.Option("--cardholders", min=1, max=options.MAX_CARDHOLDERS, help="How many.")
    ] = 10_000,
    mode: Annotated[
        Mode, typer.Option("--mode", help="Urban and active as surveyed, or the whole card base.")
    ] = Mode.survey,
    seed: options.Seed = 1,
    world: Annotated[
        str | None,
        typer.Option(
            "--world", metavar="NAME|FILE", help="The world whose survey is meant. [default: shipped]"
        ),
    ] = None,
    identities: Annotated[
        bool, typer.Option("--identities", help="Add synthetic names, phones, card numbers.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    as_json: options.Json = False,
) -> None:
    """Write a population of synthetic cardholders, latent traits included."""
    from cardarena.benchmarks.cli.world_files import write_population

    path, rows, columns = write_population(
        out,
        cardholders=cardholders,
        mode=mode.value,
        seed=seed,
        identities=identities,
        force=force,
        world=world,
    )
    if as_json:
        say_json({"file": str(path), "rows": rows, "columns": columns, "mode": mode.value, "seed": seed})
    else:
        say(f"{path}: {rows:,} cardholders, {len(columns)} columns")


def generate(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder for the tables.")],
    scenario: Annotated[
        str, typer.Option("--scenario", metavar="NAME|FILE", help="The scenario.")
    ] = "baseline",
    policy: Annotated[
        str, typer.Option("--policy", metavar="NAME|FILE.py:Class", help="The policy that decides.")
    ] = "status_quo",
    cardholders: options.Cardholders = None,
    days: options.Days = None,
    seed: options.Seed = 1,
    as_json: options.Json = False,
) -> None:
    """Write a whole world as Parquet tables, with a manifest and a schema page; hidden truth in its own folder."""
    from cardarena.benchmarks.cli.world_files import write_world

    summary = write_world(
        out,
        scenario=scenario,
        policy=policy,
        n_cardholders=cardholders,
        days=days,
        seed=seed,
        tell=(lambda text: None) if as_json else remark,
    )
    if as_json:
        say_json(summary)
        return
    say_table(["table", "rows"], [(name, f"{rows:,}") for name, rows in summary["tables"].items()])
    say(f"written: {out} (read schema.md first)")
