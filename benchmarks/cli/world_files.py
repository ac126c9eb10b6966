"""The files that `population` and `generate` write."""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cardarena.benchmarks import provenance
from cardarena.benchmarks.storage import write_atomic, write_json, write_parquet, write_text
from cardarena.simulator.errors import CardArenaError, ResultsError

_SUFFIXES: Final = (".parquet", ".csv")


def write_population(
    out: Path, *, cardholders: int, mode: str, seed: int, identities: bool
) -> tuple[Path, int, list[str]]:
    """Write a population to `out`; return the file, its rows and its columns.

    Args:
        out: a Parquet or CSV file; an earlier one is replaced.
        cardholders: how many.
        mode: `survey` or `population`.
        seed: world seed.
        identities: whether names, phones and card numbers are added.

    Raises:
        CardArenaError: another kind of file.
    """
    if out.suffix not in _SUFFIXES:
        raise CardArenaError(f"--out {out.name!r}: expected a name that ends in {' or '.join(_SUFFIXES)}")
    import cardarena.simulator.population as people

    records = people.traits(seed, cardholders, mode)
    frame = people.to_frame(records)
    if identities:
        import pandas as pd

        more = people.identities(seed, records)
        more = more if isinstance(more, pd.DataFrame) else pd.DataFrame(more)
        new = [name for name in more.columns if name not in frame.columns]
        frame = pd.concat([frame, more[new].set_axis(frame.index)], axis=1)
    if out.suffix == ".parquet":
        write_parquet(out, frame)
    else:
        write_atomic(out, lambda file: frame.to_csv(file, index=False, encoding="utf-8"))
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
        ResultsError: the folder holds something.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ResultsError(f"{out}: expected a new or an empty folder; choose another --out")
    from cardarena.agents.registry import make_policy
    from cardarena.simulator.scenario import load_scenario, scenario_digest
    from cardarena.simulator.world import World

    loaded = load_scenario(scenario)
    player, caretaker = make_policy(policy), make_policy("caretaker")
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
        log = world.run(player, days=days, run_out_policy=caretaker)
        tell("writing")
        log.write(unfinished)
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


def _tables_of(folder: Path) -> dict[str, int]:
    import pyarrow.parquet as pq

    return {
        str(path.relative_to(folder).with_suffix("")): pq.read_metadata(path).num_rows
        for path in sorted(folder.rglob("*.parquet"))
    }


def schema_page(folder: Path, scenario: str) -> str:
    """Return the schema of the Parquet files below `folder` as a Markdown page: table, column, type, unit, meaning."""
    import pyarrow.parquet as pq

    lines = [
        f"# The tables of this world ({scenario})",
        "",
        "Days count from the first decision day, minutes from midnight. Money is in milli-fen (`_mfen`, 1/100,000 CNY)",
        "or fen (`_fen`, 1/100 CNY), rates in millionths (`_ppm`) or thousand-millionths (`_ppb`). What lies in `truth/`",
        "no bank can see: do not train on it.",
        "",
    ]
    for path in sorted(folder.rglob("*.parquet"), key=lambda item: (item.parent != folder, item.name)):
        name = str(path.relative_to(folder).with_suffix(""))
        schema = pq.read_schema(path)
        lines += [f"## {name}", "", "| column | type | unit | meaning |", "| --- | --- | --- | --- |"]
        for field in schema:
            known = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
            unit = known.get("unit") or _unit(field.name)
            lines.append(
                f"| `{field.name}` | {field.type} | {unit} | {known.get('meaning') or _meaning(name, field.name)} |"
            )
        lines.append("")
    return "\n".join(lines)


def _meaning(table: str, column: str) -> str:
    return column.replace("_", " ")


def _unit(column: str) -> str:
    for ending, unit in {"_mfen": "milli-fen", "_fen": "fen", "_ppm": "millionths", "_ppb": "thousand-millionths",
                         "_days": "days", "_cny": "CNY", "_minutes": "minutes"}.items():  # fmt: skip
        if column.endswith(ending):
            return unit
    return {"day": "days", "minute": "minutes"}.get(column, "")
