"""The arena over the real world: bad policies fail their own rows; stopped and divided, it comes to the same."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from cardarena.benchmarks import cli

SCENARIO = """
extends: baseline
name: short
title: Short
description: A few days, for tests.
horizon: {burn_in_days: 40, days: 6, run_out_days: 5}
"""
POLICIES = """
import os, time
import numpy as np
from cardarena.agents.reference import Random
from cardarena.simulator.contracts import Contacts

class Good(Random):
    name = "good"

class Raises(Random):
    def decide(self, view):
        return {}["who"]  # line 11

class Hangs(Random):
    def decide(self, view):
        while True:
            time.sleep(0.01)

class Exits(Random):
    def decide(self, view):
        os._exit(7)

class Nonsense(Random):
    def decide(self, view):
        return Contacts.of([0, 10**9], 0, 3, minute=700)

class Words(Random):
    def decide(self, view):
        return "everybody"

class Vandal(Random):
    def decide(self, view):
        view["age" if "age" in view.names else view.names[0]][:] = 0
        return Contacts.none()
"""
REASONS = {
    "Raises": "KeyError: 'who' (mine.py:11)",
    "Hangs": "exceeded the limit of 8 s",
    "Exits": "exit code 7",
    "Nonsense": "contacts row 1, column 'cardholder'",
    "Words": "expected Contacts",
    "Vandal": "read-only",
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "short.yaml").write_text(SCENARIO, encoding="utf-8")
    (tmp_path / "mine.py").write_text(POLICIES.lstrip(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _words(out: str, *policies: str, seeds: int = 2, workers: int = 2) -> list[str]:
    words = ["arena", "--scenario", "short.yaml", "--seeds", str(seeds), "--cardholders", "120"]
    words += [word for name in policies for word in ("--policy", name)]
    return [*words, "--workers", str(workers), "--no-curves", "--out", out, "--json"]


def _arena(*words: str) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main(list(words))
    return int(left.value.code or 0)


def _unharmed(capture: pytest.CaptureFixture[str], *words: str) -> bool:
    """Run an arena; return whether no run failed, whatever became of the report."""
    _arena(*words)
    return json.loads(capture.readouterr().out)["n_failed"] == 0


def _same(a: Path, b: Path) -> None:
    for name in ("runs", "series", "breakdown"):
        pd.testing.assert_frame_equal(
            pd.read_parquet(a / f"{name}.parquet"), pd.read_parquet(b / f"{name}.parquet")
        )


def test_bad_policies_fail_their_own_rows(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policies = ["silent", "mine.py:Good", *(f"mine.py:{name}" for name in REASONS)]
    assert _arena(*_words("bad", *policies, seeds=1), "--run-limit", "8") == 1
    said = json.loads(capsys.readouterr().out)
    reasons = {row["policy"].partition(":")[2]: row["reason"] for row in said["failed"]}
    assert set(reasons) == set(REASONS)
    for name, reason in REASONS.items():
        assert reason in reasons[name], reasons[name]
        assert str(place) not in reasons[name]
    assert _unharmed(capsys, *_words("alone", "silent", "mine.py:Good", seeds=1, workers=1))
    runs = pd.read_parquet("bad/runs.parquet")
    pd.testing.assert_frame_equal(
        runs[runs["finished"]].reset_index(drop=True), pd.read_parquet("alone/runs.parquet")
    )
    left = {path.name for path in Path("alone").iterdir()}
    tables = {"breakdown.parquet", "runs.parquet", "series.parquet", "timing.parquet"}
    assert left >= tables | {"leaderboard.json", "manifest.json"}
    assert not left & {"parts", "work", ".lock"}
    for path in (Path("alone/manifest.json"), Path("alone/leaderboard.json")):
        assert str(place) not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=["kill", "ctrl-c", "term"]
)
def test_a_stopped_arena_goes_on_and_comes_to_the_same(
    place: Path, capfd: pytest.CaptureFixture[str], how: signal.Signals
) -> None:
    words = _words("stopped", "silent", "status_quo", "mine.py:Good", "rfm", seeds=3)
    process = subprocess.Popen(
        [sys.executable, "-c", "from cardarena.benchmarks.cli import main; main()", *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and len(list(Path("stopped").glob("parts/short/*/[a-z]*.json"))) < 2:
        time.sleep(0.01)
    process.send_signal(how)
    code = process.wait(timeout=30)
    assert code == (130 if how != signal.SIGKILL else -signal.SIGKILL)
    assert not Path("stopped/runs.parquet").exists()
    err = capfd.readouterr().err
    assert "Traceback" not in err
    if how != signal.SIGKILL:
        assert "give the same command to go on" in err
    # A killed parent's lock goes with it, and its workers within a second.
    time.sleep(1.0)
    assert _unharmed(capfd, *words)
    assert _unharmed(
        capfd, *_words("whole", "silent", "status_quo", "mine.py:Good", "rfm", seeds=3, workers=1)
    )
    _same(Path("stopped"), Path("whole"))


def test_both_schedulers_come_to_the_same(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = _words("cohort", "silent", "status_quo", seeds=1)
    assert _unharmed(capsys, *words)
    assert _unharmed(capsys, *_words("agent", "silent", "status_quo", seeds=1), "--scheduler", "agent")
    _same(Path("cohort"), Path("agent"))


def test_a_world_is_written_whole_with_its_truth_apart(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "generate",
        "--scenario",
        "short.yaml",
        "--policy",
        "status_quo",
        "--cardholders",
        "120",
        "--days",
        "5",
    ]
    assert _arena(*words, "--out", "world", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    tables = {
        "cardholders",
        "transactions",
        "visits",
        "contacts",
        "responses",
        "complaints",
        "consents",
        "cases",
    }
    assert tables <= set(said["tables"])
    assert said["tables"]["cardholders"] == 120
    manifest = json.loads(Path("world/manifest.json").read_text(encoding="utf-8"))
    assert manifest["finished"]
    assert manifest["tables"] == said["tables"]
    page = Path("world/schema.md").read_text(encoding="utf-8")
    hidden = {"p_notice_ppb", "p_complaint_ppb", "p_opt_out_ppb", "noticed", "trust_home", "privacy_limit"}
    for path in Path("world").rglob("*.parquet"):
        frame = pd.read_parquet(path)
        assert all(f"`{column}`" in page for column in frame.columns)
        assert path.parent.name == "truth" or not hidden & set(frame.columns)
    assert pd.read_parquet("world/transactions.parquet")["day"].between(0, 4).all()
    first = said["log_digest"]
    assert _arena(*words, "--out", "again", "--json") == 0
    assert json.loads(capsys.readouterr().out)["log_digest"] == first
    assert _arena(*words, "--seed", "2", "--out", "other", "--json") == 0
    assert json.loads(capsys.readouterr().out)["log_digest"] != first


def test_a_world_that_cannot_be_played_leaves_nothing(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "generate",
        "--scenario",
        "short.yaml",
        "--policy",
        "mine.py:Raises",
        "--cardholders",
        "50",
        "--out",
        "w",
    ]
    assert _arena(*words) == 1
    assert "KeyError: 'who' (mine.py:11)" in capsys.readouterr().err
    assert sorted(path.name for path in place.iterdir()) == ["mine.py", "short.yaml"]
