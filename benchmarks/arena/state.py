"""How far an arena is, and where its time goes."""

import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Final

from cardarena.benchmarks.arena import parts
from cardarena.benchmarks.arena.match import read_manifest

#: What each timed stage is part of; a stage that is not listed is `other`.
_AREAS: Final = {
    "view": "decisions",
    "decide": "decisions",
    "reset": "decisions",
    "learn": "decisions",
    "compliance": "world",
    "kernel": "world",
    "burn_in": "world",
    "silent_run": "world",
    "load": "world",
    "fork": "world",
    "log": "writing",
    "save": "writing",
    "metrics": "metrics",
}


def area_of(stage: str) -> str:
    """Return what a timed stage is part of: `decisions`, `world`, `writing`, `metrics` or `other`."""
    return _AREAS.get(stage, "other")


def arena_status(folder: Path) -> dict[str, Any]:
    """Return the state of the arena in `folder`, running or finished, as plain values.

    Raises:
        ResultsError: there is no arena, or one of its files is damaged.
    """
    manifest = read_manifest(folder)
    seconds: dict[str, float] = defaultdict(float)
    policies: dict[str, float] = defaultdict(float)
    counts: Counter[str] = Counter()
    reasons: list[dict[str, Any]] = []
    for part in _all(folder):
        for stage, value in part["timing"].items():
            seconds[stage] += value
            if part["policy"] and area_of(stage) == "decisions":
                policies[part["policy"]] += value
        if not part["policy"]:
            continue
        counts["finished" if part["finished"] else "failed"] += 1
        if not part["finished"]:
            reasons.append({name: part[name] for name in ("scenario", "policy", "dial", "seed", "reason")})
    areas: dict[str, float] = defaultdict(float)
    for stage, value in seconds.items():
        areas[area_of(stage)] += value
    return {
        "folder": folder.name,
        "is_finished": manifest["finished"],
        "n_runs": manifest["n_runs"],
        "n_finished": counts["finished"],
        "n_failed": counts["failed"],
        "started": manifest["started"],
        "finished_at": manifest["finished_at"],
        "area_seconds": _rounded(areas),
        "stage_seconds": _rounded(seconds),
        "decision_seconds_by_policy": _rounded(policies),
        "failed": reasons,
    }


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {
        name: round(value, 3) for name, value in sorted(values.items(), key=lambda item: (-item[1], item[0]))
    }


def _all(folder: Path) -> list[dict[str, Any]]:
    if (folder / parts.PARTS).is_dir():
        return [{"timing": {}, "reason": "", **part} for part in parts.all_parts(folder)]
    tables = parts.read_tables(folder)
    runs: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in tables["runs"].drop_duplicates(["scenario", "policy", "dial", "seed"]).itertuples():
        key = (row.scenario, row.policy, str(row.dial), row.seed)
        dial = None if math.isnan(float(str(row.dial))) else float(str(row.dial))
        runs[key] = {
            "scenario": row.scenario,
            "policy": row.policy,
            "dial": dial,
            "seed": row.seed,
            "finished": bool(row.finished),
            "reason": row.reason,
            "timing": {},
        }
    for row in tables["timing"].itertuples():
        key = (row.scenario, row.policy, str(row.dial), row.seed)
        world = {
            "scenario": row.scenario,
            "policy": "",
            "dial": None,
            "seed": row.seed,
            "finished": True,
            "timing": {},
        }
        runs.setdefault(key, world)["timing"][row.stage] = float(row.seconds)  # pyright: ignore[reportArgumentType]
    return list(runs.values())
