"""An arena from its first task to its report: what is left to do, what is kept, when it is over."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cardarena.benchmarks import provenance
from cardarena.benchmarks.arena import conclusion, parts
from cardarena.benchmarks.arena.plan import Plan, Task
from cardarena.benchmarks.arena.pool import Answer, Note, Pool
from cardarena.benchmarks.arena.progress import Quiet, Show
from cardarena.benchmarks.arena.schedule import Schedule
from cardarena.benchmarks.storage import (
    folder_lock,
    inside,
    plain,
    read_json,
    remove_leftovers,
    safe_name,
    write_json,
)
from cardarena.simulator.errors import CardArenaError, ResultsError

MANIFEST: Final = "manifest.json"
WORK: Final = "work"
#: What an arena writes; `fresh` removes these and nothing else.
_OURS: Final = (
    MANIFEST,
    conclusion.LEADERBOARD,
    conclusion.REPORT,
    *(f"{name}.parquet" for name in parts.TABLES),
    parts.PARTS,
    WORK,
    "figures",
)
#: A world is burnt in and run silently: a few runs' worth of time.
_PREPARATION_RUNS: Final = 4
_WARM_UP_SECONDS: Final = 900.0
#: The manifest's entries that must be the same for an interrupted arena to go on.
_MUST_MATCH: Final = (
    "schema_version",
    "kind",
    "cardarena",
    "code_digest",
    "parameters",
    "seeds",
    "scenario_digests",
)


@dataclass
class Outcome:
    """What an arena came to.

    Attributes:
        folder: where everything stands.
        n_runs: runs in all.
        failed: the failed runs and their reasons.
        leaderboard: what `benchmarks.leaderboard.leaderboard` returned.
        report: the report, or None where none could be made.
        seconds: wall-clock time of this sitting.
        notes: what a reader should know, such as a damaged part that was run again.
    """

    folder: Path
    n_runs: int
    failed: list[tuple[Task, str]]
    leaderboard: Any
    report: Path | None
    seconds: float
    notes: list[str] = field(default_factory=list)


def play(
    plan: Plan,
    folder: Path,
    *,
    workers: int = 2,
    run_limit_seconds: float = 600.0,
    fresh: bool = False,
    command: str | None = None,
    show: Show | None = None,
) -> Outcome:
    """Play `plan` into `folder`, going on where an interrupted arena of the same plan stopped.

    Runs that failed are tried again when the same command is given again.

    Args:
        plan: the run matrix.
        folder: the arena's own folder; made if it is missing.
        workers: worker processes; values do not depend on it.
        run_limit_seconds: wall-clock limit of one run, after which it is killed and fails.
        fresh: remove what an earlier arena left here, and begin anew.
        command: the command line for the manifest; the running one by default.
        show: receives progress.

    Returns:
        The outcome; failed runs are in it, not raised.

    Raises:
        ResultsError: the folder holds something else, or an arena of other parameters; says what differs.
        OSError: the disk is full or not writable; what was finished is kept.
    """
    began = time.monotonic()
    show = show or Quiet()
    try:
        with folder_lock(folder):
            manifest = _open_manifest(folder, plan, command, fresh)
            remove_leftovers(folder)
            sitting = _Sitting(plan, folder, show)
            if not manifest["finished"]:
                sitting.play(workers, run_limit_seconds)
            show.stage("merging the parts")
            frames = sitting.frames(finished=manifest["finished"])
            failed = sitting.failed(frames)
            manifest |= {"failed_runs": len(failed), "finished": True, "finished_at": provenance.now()}
            show.stage("making the leaderboard and the report")
            write_json(folder / MANIFEST, manifest)
            board, report, notes = conclusion.conclude(folder, plan, frames, manifest)
            shutil.rmtree(folder / WORK, ignore_errors=True)
            if not failed:
                parts.remove_parts(folder)
    finally:
        show.close()
    seconds = time.monotonic() - began
    return Outcome(folder, manifest["n_runs"], failed, board, report, seconds, sitting.notes + notes)


class _Sitting:
    """One sitting at an arena: from what is on disk to what is left, and through it."""

    def __init__(self, plan: Plan, folder: Path, show: Show) -> None:
        self._plan, self._folder, self._show = plan, folder, show
        self._runs = list(plan.runs())
        self.notes: list[str] = []

    def play(self, workers: int, limit: float) -> None:
        """Play every run that has no part, or whose part says that it failed."""
        left = [task for task in self._runs if not self._is_done(task)]
        self._show.begin(len(self._runs), len(self._runs) - len(left))
        if not left:
            return
        self._schedule = Schedule(left)
        work = self._folder / WORK
        settings, runner = self._plan.settings(), self._plan.runner
        # Compiled by one before there are several: two that compile the same kernels at once only take turns.
        with Pool(1, settings, runner, work) as pool:
            self._warm_up(pool)
            pool.grow(max(1, min(workers, len(left))))
            while self._hand_out(pool, limit):
                for event in pool.events():
                    if isinstance(event, Note):
                        self._show.note(event)
                    else:
                        self._take(event)

    def frames(self, *, finished: bool) -> Any:
        """Return the merged tables, from the parts, or from the tables of a finished arena."""
        if finished:
            return parts.read_tables(self._folder)
        worlds = [Task(*group) for group in self._plan.groups()]
        return parts.merge(self._folder, self._plan, [*worlds, *self._runs])

    def failed(self, frames: Any) -> list[tuple[Task, str]]:
        """Return the failed runs and their reasons."""
        rows = frames["runs"]
        rows = rows[~rows["finished"]]
        return [
            (
                Task(row.scenario, int(row.seed), row.policy, None if row.dial != row.dial else row.dial),
                row.reason,
            )
            for row in rows.itertuples()
        ]

    def _is_done(self, task: Task) -> bool:
        try:
            part = parts.read_part(self._folder, task)
        except ResultsError as error:
            self.notes.append(f"{error}; this run was played again")
            return False
        return part is not None and part["finished"]

    def _warm_up(self, pool: Pool) -> None:
        self._show.stage("compiling (once per version; kept for the next time)")
        pool.give(0, Task("", 0), _WARM_UP_SECONDS)
        while True:
            for event in pool.events():
                if isinstance(event, Answer):
                    if not event.ok:
                        raise CardArenaError(f"the simulator could not be started: {event.reason}")
                    self._show.stage("")
                    return

    def _hand_out(self, pool: Pool, limit: float) -> bool:
        """Give every idle worker its next task; return whether anybody works."""
        for number, last in pool.idle:
            task = self._schedule.next_for(last)
            if task is None:
                continue
            pool.give(number, task, limit * _PREPARATION_RUNS if task.is_preparation else limit)
            self._show.note(Note(number, task, "begins"))
        return pool.is_busy

    def _take(self, answer: Answer) -> None:
        task = answer.task
        if answer.broken_disk:
            # No policy's fault, and the next run would meet it too.
            raise OSError(answer.broken_disk, os.strerror(answer.broken_disk), str(self._folder / WORK))
        if task.is_preparation:
            self._take_world(answer)
        elif answer.ok:
            self._keep(task, {"finished": True, "reason": "", **answer.result})
        else:
            self._fail(task, answer.reason)
        if not task.is_preparation and self._schedule.ended(task):
            shutil.rmtree(world_folder(self._folder / WORK, task), ignore_errors=True)

    def _take_world(self, answer: Answer) -> None:
        if answer.ok:
            self._schedule.prepared(answer.task)
            if not answer.result.get("reused") or parts.read_part(self._folder, answer.task) is None:
                parts.write_part(self._folder, answer.task, {"finished": True, **answer.result})
            return
        parts.write_part(self._folder, answer.task, {"finished": False, "reason": answer.reason})
        for run in self._schedule.lost(answer.task):
            self._fail(run, f"its world could not be prepared: {answer.reason}")

    def _fail(self, task: Task, reason: str) -> None:
        self._keep(task, {"finished": False, "reason": reason})

    def _keep(self, task: Task, part: dict[str, Any]) -> None:
        parts.write_part(self._folder, task, part)
        self._show.ended(task, part["reason"])


def world_folder(work: Path, task: Task) -> Path:
    """Return the scratch folder of the task's world."""
    return inside(work, safe_name(task.scenario), str(task.seed))


def _open_manifest(folder: Path, plan: Plan, command: str | None, fresh: bool) -> dict[str, Any]:
    """Return the manifest of the arena in `folder`, made now if there is none.

    Raises:
        ResultsError: the folder holds something else, or an arena that differs.
    """
    path = folder / MANIFEST
    if fresh:
        _remove_ours(folder)
    wanted = provenance.manifest(
        kind="arena",
        parameters=plan.parameters(),
        seeds=range(1, plan.n_seeds + 1),
        scenario_digests={entry.label: entry.digest for entry in plan.scenarios},
        command=command,
    )
    wanted |= {
        "n_runs": len(list(plan.runs())),
        "failed_runs": 0,
        "scenarios": {entry.label: {"digest": entry.digest, **entry.about} for entry in plan.scenarios},
        "policies": {entry.label: {"league": entry.league, **entry.about} for entry in plan.policies},
    }
    if not path.exists():
        strangers = [item.name for item in folder.iterdir() if not item.name.startswith(".")]
        if strangers:
            raise ResultsError(
                f"{folder}: expected an empty folder or an arena, found {strangers[0]!r} and no {MANIFEST}; "
                "choose another --out"
            )
        write_json(path, wanted)
        return wanted
    found = read_manifest(folder)
    differences = list(_differences(found, plain(wanted)))
    if differences:
        raise ResultsError(
            f"{folder}: this arena was begun with other parameters:\n  "
            + "\n  ".join(differences)
            + "\ngive the same command to continue it, --fresh to start over, or another --out"
        )
    if found["finished"] and found["failed_runs"]:
        found |= {"finished": False, "finished_at": None}
        write_json(path, found)
    return found


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of the arena in `folder`.

    Raises:
        ResultsError: there is none, or it is not an arena's, or another version wrote it.
    """
    if not folder.is_dir():
        raise ResultsError(f"{folder}: no such folder")
    found = read_json(folder / MANIFEST)
    if not isinstance(found, dict) or found.get("kind") != "arena":
        raise ResultsError(f"{folder / MANIFEST}: expected the manifest of an arena")
    if found.get("schema_version") != provenance.SCHEMA_VERSION:
        raise ResultsError(
            f"{folder / MANIFEST}: expected schema version {provenance.SCHEMA_VERSION}, "
            f"found {found.get('schema_version')}"
        )
    return found


def _differences(found: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    for name in _MUST_MATCH:
        old, new = found.get(name), wanted.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            for key in sorted(set(old) | set(new)):
                if old.get(key) != new.get(key):
                    yield f"{key}: it has {_short(old.get(key))}, this command {_short(new.get(key))}"
        elif old != new:
            said = {"code_digest": "code of cardarena"}.get(name, name)
            yield f"{said}: it has {_short(old)}, this command {_short(new)}"


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _remove_ours(folder: Path) -> None:
    if any(folder.iterdir()) and not (folder / MANIFEST).exists():
        return
    for name in _OURS:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
