"""A policy that misbehaves fails its own row; an arena that is stopped goes on and comes to the same values."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cardarena.benchmarks.arena import Entry, Plan, arena_status, play
from cardarena.benchmarks.arena.parts import path_of, read_part
from cardarena.benchmarks.arena.plan import Task
from cardarena.simulator.errors import ResultsError

ROOT = Path(__file__).resolve().parents[3]
RUNNER = f"{ROOT / 'tests' / 'fakes' / 'arena_runner.py'}:FakeRunner"
REASONS = {
    "raises": "ZeroDivisionError: one contact too many (arena_runner.py:",
    "exits": "its process ended itself with exit code 3",
    "crashes": "SIGSEGV",
    "hangs": "exceeded the limit of 1 s",
    "leaves": "SystemExit: 5",
}


def _plan(*policies: str, scenarios: tuple[str, ...] = ("alpha", "beta"), n_seeds: int = 2) -> Plan:
    return Plan(
        tuple(Entry(name, name, digest="1") for name in scenarios),
        tuple(Entry(name, name, dials=(0.5, 2.0) if name == "good" else ()) for name in policies),
        n_seeds=n_seeds,
        runner=RUNNER,
    )


def _runs(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "runs.parquet")


def _same(a: Path, b: Path) -> None:
    for name in ("runs", "series", "breakdown"):
        pd.testing.assert_frame_equal(
            pd.read_parquet(a / f"{name}.parquet"), pd.read_parquet(b / f"{name}.parquet")
        )


def test_each_misbehaviour_fails_its_own_row_and_nothing_else(tmp_path: Path) -> None:
    outcome = play(_plan("good", *REASONS, n_seeds=1), tmp_path / "all", workers=2, run_limit_seconds=1)
    assert {task.policy for task, _ in outcome.failed} == set(REASONS)
    assert len(outcome.failed) == 2 * len(REASONS)
    for task, reason in outcome.failed:
        assert REASONS[task.policy] in reason
        assert str(ROOT) not in reason
    play(_plan("good", n_seeds=1), tmp_path / "alone", workers=1)
    together, alone = _runs(tmp_path / "all"), _runs(tmp_path / "alone")
    together = together[together["finished"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(together, alone)


def test_a_world_that_cannot_be_made_fails_its_runs_only(tmp_path: Path) -> None:
    outcome = play(_plan("good", scenarios=("alpha", "broken"), n_seeds=1), tmp_path, workers=1)
    assert [(task.scenario, reason) for task, reason in outcome.failed] == [("broken", outcome.failed[0][1])]
    assert outcome.failed[0][1].startswith("its world could not be prepared: ValueError: no such world")


@pytest.mark.parametrize("workers", [2, 3])
def test_values_do_not_depend_on_the_number_of_workers(tmp_path: Path, workers: int) -> None:
    plan = _plan("good", "other", "third")
    play(plan, tmp_path / "one", workers=1)
    play(plan, tmp_path / "many", workers=workers)
    _same(tmp_path / "one", tmp_path / "many")


def test_a_full_disk_stops_the_arena_and_keeps_what_was_finished(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        play(_plan("good", "full", n_seeds=1), tmp_path, workers=1)
    assert not (tmp_path / "runs.parquet").exists()
    part = read_part(tmp_path, Task("alpha", 1, "good"))
    assert part is not None
    assert part["finished"]


_SCRIPT = """
import sys
from pathlib import Path
from cardarena.benchmarks.arena import Entry, Plan, play
names = ("alpha", "beta")
policies = (Entry("good", "good", dials=(0.5, 2.0)), Entry("slow", "slow"))
plan = Plan(tuple(Entry(n, n, digest="1") for n in names), policies, n_seeds=2, runner=sys.argv[2])
play(plan, Path(sys.argv[1]), workers=2)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
def test_a_stopped_arena_goes_on_without_repeating_and_comes_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    monkeypatch.setenv("FAKE_SLOW_SECONDS", "0.5")
    counts = tmp_path / "counts"
    monkeypatch.setenv("FAKE_COUNTS", str(counts))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    stopped = tmp_path / "stopped"
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(stopped), RUNNER], env=environment, stderr=subprocess.DEVNULL
    )
    parts = stopped / "parts"
    deadline = time.monotonic() + 60
    while (
        time.monotonic() < deadline and len([p for p in parts.rglob("*.json") if p.name != "_world.json"]) < 3
    ):
        time.sleep(0.02)
    process.send_signal(how)
    process.wait(timeout=30)
    time.sleep(1.0)  # orphaned workers notice within half a second
    finished = [path for path in parts.rglob("*.json") if path.name != "_world.json"]
    assert 3 <= len(finished) < 12
    assert not (stopped / "runs.parquet").exists()
    assert json.loads((stopped / "manifest.json").read_text(encoding="utf-8"))["finished"] is False
    assert arena_status(stopped)["n_finished"] == len(finished)

    before = counts.read_text(encoding="utf-8").count("played")
    plan = _plan("good", "slow")
    outcome = play(plan, stopped, workers=2)
    after = counts.read_text(encoding="utf-8").count("played")
    assert after - before == outcome.n_runs - len(finished)
    play(plan, tmp_path / "whole", workers=2)
    _same(stopped, tmp_path / "whole")
    assert arena_status(stopped)["is_finished"]


def test_no_worker_outlives_a_killed_arena(tmp_path: Path) -> None:
    script = _SCRIPT.replace('"slow", "slow"', '"hangs", "hangs"')
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path), RUNNER], env=environment)
    import psutil

    workers: list[psutil.Process] = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(workers) < 2:
        time.sleep(0.05)
        workers = psutil.Process(process.pid).children()
    time.sleep(0.5)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive


def test_an_arena_of_other_parameters_is_refused_and_says_what_differs(tmp_path: Path) -> None:
    play(_plan("good"), tmp_path, workers=1)
    with pytest.raises(ResultsError, match=r"policies: it has good, this command good, other") as caught:
        play(_plan("good", "other"), tmp_path, workers=1)
    assert "--fresh" in str(caught.value)
    outcome = play(_plan("good", "other"), tmp_path, workers=1, fresh=True)
    assert set(_runs(tmp_path)["policy"]) == {"good", "other"}
    assert not outcome.failed


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    for fresh in (False, True):
        with pytest.raises(ResultsError, match=r"thesis\.txt"):
            play(_plan("good"), tmp_path, workers=1, fresh=fresh)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_failed_runs_are_tried_again_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SLOW_SECONDS", "30")
    plan = _plan("good", "slow", scenarios=("alpha",), n_seeds=1)
    assert len(play(plan, tmp_path, workers=1, run_limit_seconds=1).failed) == 1
    counts = tmp_path.parent / f"{tmp_path.name}-counts"
    monkeypatch.setenv("FAKE_COUNTS", str(counts))
    monkeypatch.setenv("FAKE_SLOW_SECONDS", "0")
    assert play(plan, tmp_path, workers=1, run_limit_seconds=60).failed == []
    assert counts.read_text(encoding="utf-8").split() == [
        "prepared",
        "alpha/1/_world",
        "played",
        "alpha/1/slow",
    ]
    assert not (tmp_path / "parts").exists()
    assert _runs(tmp_path)["finished"].all()
    # And once all is well, nothing is played any more.
    counts.unlink()
    play(plan, tmp_path, workers=1)
    assert not counts.exists()


@pytest.mark.parametrize("damage", ["cut", "digit", "swapped"])
def test_a_damaged_part_is_noticed_and_played_again(tmp_path: Path, damage: str) -> None:
    plan = _plan("good", "full", scenarios=("alpha",), n_seeds=1)
    with pytest.raises(OSError, match="No space"):
        play(plan, tmp_path, workers=1)
    path = path_of(tmp_path, Task("alpha", 1, "good"))
    text = path.read_text(encoding="utf-8")
    if damage == "cut":
        path.write_text(text[: len(text) // 2], encoding="utf-8")
    elif damage == "digit":
        path.write_text(text.replace("alpha/1/good", "alpha/1/hood"), encoding="utf-8")
    else:
        path.write_bytes(path_of(tmp_path, Task("alpha", 1)).read_bytes())
    with pytest.raises(ResultsError, match=path.name):
        read_part(tmp_path, Task("alpha", 1, "good"))
    notes: list[str] = []
    with pytest.raises(OSError, match="No space"):
        play(plan, tmp_path, workers=1, show=_Listening(notes))
    part = read_part(tmp_path, Task("alpha", 1, "good"))
    assert part is not None
    assert part["finished"]


class _Listening:
    def __init__(self, heard: list[str]) -> None:
        self._heard = heard

    def begin(self, total: int, done: int) -> None:
        self._heard.append(f"{done} of {total}")

    def stage(self, text: str) -> None:
        self._heard.append(text)

    def note(self, note: Any) -> None:
        self._heard.append(str(note.task))

    def ended(self, task: Any, reason: str) -> None:
        self._heard.append(reason)

    def close(self) -> None:
        self._heard.append("closed")


def test_progress_hears_everything_and_changes_nothing(tmp_path: Path) -> None:
    heard: list[str] = []
    plan = _plan("good", "raises")
    play(plan, tmp_path / "heard", workers=2, show=_Listening(heard))
    play(plan, tmp_path / "quiet", workers=2)
    _same(tmp_path / "heard", tmp_path / "quiet")
    assert heard[-1] == "closed"
    assert any("ZeroDivisionError" in text for text in heard)


def test_runs_are_in_canonical_order_and_hold_no_timing(tmp_path: Path) -> None:
    play(_plan("good", "other"), tmp_path, workers=2)
    runs = _runs(tmp_path)
    key = ["scenario", "policy", "dial", "seed", "metric"]
    columns = [
        "scenario",
        "policy",
        "league",
        "dial",
        "seed",
        "metric",
        "value",
        "finished",
        "reason",
        "log_digest",
    ]
    assert list(runs.columns) == columns
    pd.testing.assert_frame_equal(runs, runs.sort_values(key, na_position="first", ignore_index=True))
    assert not runs.duplicated(key).any()
    timing = pd.read_parquet(tmp_path / "timing.parquet")
    assert set(timing["stage"]) == {"burn_in", "decide", "kernel", "log"}
    state = arena_status(tmp_path)
    seconds = {"world": 4 * 0.5 + 10 * 0.125, "decisions": 10 * 0.25, "writing": 10 * 0.0625}
    assert state["area_seconds"] == pytest.approx(seconds)
