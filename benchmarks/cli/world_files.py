"""The files that `population` and `generate` write."""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cardarena.benchmarks import provenance
from cardarena.benchmarks.cli.output import usable_file, usable_folder
from cardarena.benchmarks.cli.schema_page import schema_page
from cardarena.benchmarks.storage import write_atomic, write_json, write_parquet, write_text
from cardarena.simulator.errors import CardArenaError, ResultsError

if TYPE_CHECKING:
    import pandas as pd

_SUFFIXES: Final = (".parquet", ".csv")


def usable_table(out: Path, *, force: bool) -> None:
    """Check that `out` is a Parquet or CSV file that can be written.

    Raises:
        CardArenaError: another kind of file.
        ResultsError: the file is there, or cannot be.
    """
    if out.suffix not in _SUFFIXES:
        raise CardArenaError(f"--out {out.name!r}: expected a name that ends in {' or '.join(_SUFFIXES)}")
    usable_file(out, force=force)


def write_table(out: Path, frame: "pd.DataFrame") -> None:
    """Write a frame as what the file's name ends in, Parquet or CSV."""
    if out.suffix == ".parquet":
        write_parquet(out, frame)
    else:
        write_atomic(out, lambda file: frame.to_csv(file, index=False, encoding="utf-8"))


def write_population(
    out: Path,
    *,
    cardholders: int,
    mode: str,
    seed: int,
    identities: bool,
    force: bool = False,
    world: str | None = None,
) -> tuple[Path, int, list[str]]:
    """Write a population to `out`; return the file, its rows and its columns.

    Args:
        out: a Parquet or CSV file.
        cardholders: how many.
        mode: `survey` or `population`.
        seed: world seed.
        identities: whether names, phones and card numbers are added.
        force: replace an earlier file.
        world: name or file of the world whose survey is meant; the shipped one by default.

    Raises:
        CardArenaError: another kind of file.
        ResultsError: the file is there, or cannot be.
    """
    usable_table(out, force=force)
    from cardarena.simulator.parameter_sets import load_world
    from cardarena.simulator.population.frame import to_frame
    from cardarena.simulator.population.generate import traits
    from cardarena.simulator.setup import world_key

    # The people of the worlds of this seed, which go by the seed's key.
    key = world_key(seed)
    survey = None if world is None else load_world(world).survey
    table = survey.record() if survey is not None and survey.mode == mode else None
    frame = to_frame(traits(key, cardholders, mode, table=table), identities=identities, seed=key)
    write_table(out, frame)
    return out, len(frame), [str(name) for name in frame.columns]


def write_world(
    out: Path,
    *,
    scenario: str,
    policy: str,
    n_cardholders: int | None,
    days: int | None,
    seed: int,
    tell: Callable[[str], object],
) -> dict[str, Any]:
    """Play one world and write it to the new folder `out`; return a summary of plain values.

    The folder takes its name when everything in it is written: it is whole or absent.

    Args:
        out: the folder; it must not exist, or be empty.
        scenario: a name or a YAML file.
        policy: a name or `FILE.py:Class`.
        n_cardholders: cardholders, or None for what the scenario says.
        days: decision days, or None likewise.
        seed: world seed.
        tell: receives remarks on progress.

    Raises:
        ResultsError: the folder holds something, or cannot be made.
    """
    if out.is_dir() and any(out.iterdir()):
        raise ResultsError(f"{out}: expected a new or an empty folder; choose another --out")
    from cardarena.agents.registry import make_policy
    from cardarena.benchmarks.arena.entries import checked_scenario
    from cardarena.simulator.population.frame import to_frame
    from cardarena.simulator.scenario import scenario_digest
    from cardarena.simulator.world import World

    loaded = checked_scenario(scenario)
    player = make_policy(policy)
    usable_folder(out)
    manifest = provenance.manifest(
        kind="world",
        parameters={
            "scenario": loaded.name,
            "policy": provenance.shown_path(policy),
            "cardholders": n_cardholders,
            "days": days,
        },
        seeds=[seed],
        scenario_digests={loaded.name: scenario_digest(loaded)},
    )
    began = time.monotonic()
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=out.parent))
    try:
        tell("making the world: burn-in")
        world = World.create(loaded, seed, n_cardholders=n_cardholders, threads=provenance.available_cores())
        world.burn_in(make_policy)
        tell("playing")
        known = cardholder_file(world)
        log = world.run(player, days=days)
        tell("writing")
        log.write(unfinished)
        write_parquet(unfinished / "cardholders.parquet", known)
        write_parquet(unfinished / "truth" / "cardholders.parquet", to_frame(world.traits))
        _write_offers(unfinished / "offers.csv", world)
        tables = _tables_of(unfinished)
        write_text(unfinished / "schema.md", schema_page(unfinished, loaded.name))
        manifest |= {
            "tables": tables,
            "log_digest": log.digest(),
            "finished": True,
            "finished_at": provenance.now(),
        }
        write_json(unfinished / "manifest.json", manifest)
        unfinished.chmod(0o755)
        if out.exists():
            out.rmdir()
        unfinished.rename(out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    seconds = round(time.monotonic() - began, 1)
    return {"folder": str(out), "tables": tables, "log_digest": manifest["log_digest"], "seconds": seconds}


def cardholder_file(world: Any) -> "pd.DataFrame":
    """Return what the bank has on file of each cardholder now: demographics, limit, consents, permissions."""
    import pandas as pd

    from cardarena.simulator import names

    accounts = world.state.accounts
    columns: dict[str, Any] = {"cardholder": accounts["cardholder"].astype("int64"), "age": accounts["age"]}
    for name, words in (
        ("gender", names.GENDERS),
        ("city_tier", names.CITY_TIERS),
        ("income_band", names.INCOME_BANDS),
    ):
        columns[name] = pd.Categorical.from_codes(
            accounts[name].astype("int64"), dtype=pd.CategoricalDtype(list(words), ordered=True)
        )
    columns |= {name: accounts[name] for name in ("tenure_days", "limit_fen")}
    flags = ("is_open", "marketing_consent", "personalisation_on", "partner_consent", "sensitive_consent")
    columns |= {name: accounts[name] == 1 for name in flags if name in accounts.dtype.names}
    for code, channel in enumerate(names.CHANNELS):
        columns[f"permitted_{channel}"] = accounts["permitted"][:, code] == 1
    return pd.DataFrame(columns)


def _write_offers(path: Path, world: Any) -> None:
    import pandas as pd

    catalogue = world.catalogue
    frame = pd.DataFrame(
        {"offer": range(len(catalogue.names)), "name": catalogue.names, "title": catalogue.titles}
    )
    write_atomic(path, lambda file: frame.to_csv(file, index=False, encoding="utf-8"))


def _tables_of(folder: Path) -> dict[str, int]:
    import pyarrow.parquet as pq

    return {
        str(path.relative_to(folder).with_suffix("")): pq.read_metadata(path).num_rows
        for path in sorted(folder.rglob("*.parquet"))
    }
