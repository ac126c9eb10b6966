"""What was finished, on disk: one sealed file a run, and the tables that they are merged into.

A part exists whole or not at all, so a folder of parts is at every moment the exact state of the arena. The merged
tables are sorted, so they do not depend on who ran what, when.
"""

import math
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cardarena.benchmarks.arena.plan import Plan, Task
from cardarena.benchmarks.storage import (
    inside,
    number,
    read_parquet,
    read_sealed,
    write_parquet,
    write_sealed,
)
from cardarena.simulator.errors import ResultsError

if TYPE_CHECKING:
    import pandas as pd

PARTS: Final = "parts"
_VERSION: Final = 1
_KEY: Final = ["scenario", "policy", "dial", "seed"]
#: Columns of each merged table after the key.
_TABLES: Final = {
    "runs": ["metric", "value", "finished", "reason", "log_digest"],
    "series": ["measure", "day", "value"],
    "breakdown": ["dimension", "level", "measure", "value"],
    "timing": ["stage", "seconds"],
}
TABLES: Final = tuple(_TABLES)
#: The metric of the one row that a failed run has.
FAILED: Final = "failed"


def path_of(folder: Path, task: Task) -> Path:
    """Return where the part of `task` stands."""
    return inside(folder, PARTS, *f"{task.key}.json".split("/"))


def write_part(folder: Path, task: Task, part: dict[str, Any]) -> None:
    """Keep the part of `task` durably."""
    body = {
        "version": _VERSION,
        "scenario": task.scenario,
        "seed": task.seed,
        "policy": task.policy,
        "dial": task.dial,
    }
    write_sealed(path_of(folder, task), {**body, **part})


def read_part(folder: Path, task: Task) -> dict[str, Any] | None:
    """Return the part of `task`, or None where there is none.

    Raises:
        ResultsError: it is damaged, or belongs to another task.
    """
    path = path_of(folder, task)
    if not path.exists():
        return None
    part = read_sealed(path)
    found = tuple(part.get(name) for name in ("version", "scenario", "seed", "policy", "dial"))
    if found != (_VERSION, task.scenario, task.seed, task.policy, task.dial):
        raise ResultsError(f"{path}: expected the part of {task}, found {found}")
    return part


def merge(folder: Path, plan: Plan, tasks: Iterable[Task]) -> dict[str, "pd.DataFrame"]:
    """Merge the parts of `tasks` into the tables of `folder`; return the tables by name.

    Raises:
        ResultsError: a part is missing or damaged.
    """
    import pandas as pd

    pieces: dict[str, list[pd.DataFrame]] = {name: [pd.DataFrame(columns=_columns(name))] for name in TABLES}
    leagues = {policy.label: policy.league or "cold" for policy in plan.policies}
    # Parts in the order of their keys, rows sorted within each: the tables are sorted without a sort of the whole.
    for task in sorted(tasks, key=_order):
        part = read_part(folder, task)
        if part is None:
            raise ResultsError(f"{path_of(folder, task)}: no such part; give the arena command again")
        if league := part.get("league"):
            leagues[task.policy] = league
        for name, columns in _pieces(task, part).items():
            key = {
                "scenario": task.scenario,
                "policy": task.policy,
                "dial": number(task.dial),
                "seed": task.seed,
            }
            if name == "runs":
                key["league"] = leagues[task.policy]
            n_rows = max((len(values) for values in columns.values()), default=0)
            if n_rows:
                whole = {**{column: [value] * n_rows for column, value in key.items()}, **columns}
                pieces[name].append(pd.DataFrame(whole)[_columns(name)])
    frames = {}
    for name, found in pieces.items():
        frames[name] = _typed(pd.concat(found[1:] or found, ignore_index=True))
        if name == "runs":
            frames[name] = _completed(frames[name], leagues)
        write_parquet(folder / f"{name}.parquet", frames[name])
    return frames


def _completed(runs: "pd.DataFrame", leagues: dict[str, str]) -> "pd.DataFrame":
    """Return the runs with one league a policy (a failed run may not have known its own) and the paired metrics."""
    from cardarena.benchmarks.leaderboard_runs import with_paired_metrics

    runs["league"] = runs["policy"].map(leagues)
    order = [*_KEY, "metric"]
    return _typed(with_paired_metrics(runs).sort_values(order, na_position="first", ignore_index=True))


def _columns(name: str) -> list[str]:
    key = ["scenario", "policy", "league", "dial", "seed"] if name == "runs" else _KEY
    return [*key, *_TABLES[name]]


def _order(task: Task) -> tuple[str, str, bool, float, int]:
    return task.scenario, task.policy, task.dial is not None, task.dial or 0.0, task.seed


def _pieces(task: Task, part: dict[str, Any]) -> dict[str, dict[str, list[Any]]]:
    """Return the columns that one part adds to each table, without the key, sorted."""
    timing = sorted(part.get("timing", {}).items())
    pieces = {"timing": {"stage": [a for a, _ in timing], "seconds": [float(b) for _, b in timing]}}
    if task.is_preparation:
        return pieces
    if not part["finished"]:
        failed = {"metric": [FAILED], "value": [math.nan], "finished": [False], "reason": [part["reason"]]}
        return {**pieces, "runs": {**failed, "log_digest": [""]}}
    metrics = sorted(part["metrics"].items())
    n = len(metrics)
    pieces["runs"] = {
        "metric": [name for name, _ in metrics],
        "value": [number(value) for _, value in metrics],
        "finished": [True] * n,
        "reason": [""] * n,
        "log_digest": [part.get("log_digest", "")] * n,
    }
    series = sorted(part.get("series", {}).items())
    pieces["series"] = {
        "measure": [name for name, points in series for _ in points],
        "day": [day for _, points in series for day in range(len(points))],
        "value": [number(value) for _, points in series for value in points],
    }
    cuts = sorted((a, b, c, number(value)) for a, b, c, value in part.get("breakdown", []))
    names = _TABLES["breakdown"]
    pieces["breakdown"] = {name: [row[i] for row in cuts] for i, name in enumerate(names)}
    return pieces


def read_tables(folder: Path) -> dict[str, "pd.DataFrame"]:
    """Return the merged tables of `folder`, by name.

    Raises:
        ResultsError: one is missing, damaged, or lacks a column.
    """
    return {
        name: read_parquet(folder / f"{name}.parquet", [*_KEY, *columns]) for name, columns in _TABLES.items()
    }


def _typed(frame: "pd.DataFrame") -> "pd.DataFrame":
    kinds = {
        "dial": "float64",
        "seed": "int64",
        "value": "float64",
        "finished": "bool",
        "day": "int64",
        "seconds": "float64",
    }
    texts = dict.fromkeys(frame.columns, "str")
    return frame.astype({**texts, **{name: kind for name, kind in kinds.items() if name in frame.columns}})


def all_parts(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield every part that `folder` holds, in the order of their names.

    Raises:
        ResultsError: one is damaged.
    """
    for path in sorted((folder / PARTS).rglob("*.json")):
        yield read_sealed(path)


def remove_parts(folder: Path) -> None:
    """Remove the parts, once they are merged."""
    shutil.rmtree(folder / PARTS, ignore_errors=True)
