"""Options that several commands share, with their bounds."""

from pathlib import Path
from typing import Annotated, Final

import typer

MAX_CARDHOLDERS: Final = 20_000_000
MAX_SEEDS: Final = 1000
MAX_DAYS: Final = 1825
MAX_SEED: Final = 2**63 - 1

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read, and nothing else.")]
Cardholders = Annotated[
    int | None,
    typer.Option(
        "--cardholders", min=1, max=MAX_CARDHOLDERS, help="Cardholders per world. [default: the scenario's]"
    ),
]
Days = Annotated[
    int | None,
    typer.Option("--days", min=1, max=MAX_DAYS, help="Decision days. [default: the scenario's]"),
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=MAX_SEED, help="Seed of the world.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of an arena.")]
