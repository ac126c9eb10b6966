"""The commands `twins` and `ope`: what they print, what they write, what they refuse."""

import json
from pathlib import Path

import pandas as pd
import pytest

from cardarena.benchmarks import cli

SCENARIO = """\
extends: baseline
name: short
title: Short
description: A fortnight of burn-in.
logged_history: false
horizon:
  burn_in_days: 14
  burn_in_phases: null
"""


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    path = tmp_path / "short.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return str(path)


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        cli.main(list(words))
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def test_twins_write_the_individual_effects_that_the_table_sums_up(
    capsys: pytest.CaptureFixture[str], scenario: str, tmp_path: Path
) -> None:
    words = ["twins", "--scenario", scenario, "--cardholders", "120", "--days", "5", "--draws", "4"]
    words += ["--offer", "double_points", "--offer", "grocery_coupon", "--channel", "sms"]
    out = tmp_path / "effects.parquet"
    code, said, _ = _run(capsys, *words, "--out", str(out), "--json")
    assert code == 0
    content = json.loads(said)
    frame = pd.read_parquet(out)
    assert [row["action"] for row in content["actions"]] == ["double_points:sms", "grocery_coupon:sms"]
    for row in content["actions"]:
        own = frame[frame["action"] == row["action"]]
        assert row["people"] == len(own) > 10
        assert row["effect_cny"] == pytest.approx(own["effect_cny"].mean())
    code, said, error = _run(capsys, *words, "--out", str(out))
    assert (code, said) == (2, "")
    assert "give --force" in error
    code, said, _ = _run(capsys, *words, "--out", str(tmp_path / "effects.csv"))
    assert code == 0
    assert said.splitlines()[0].split()[:3] == ["action", "people", "effect"]
    assert len(pd.read_csv(tmp_path / "effects.csv")) == len(frame)


def test_twins_refuse_what_does_not_exist_before_they_begin(
    capsys: pytest.CaptureFixture[str], scenario: str, tmp_path: Path
) -> None:
    for words, message in (
        (["--offer", "duoble_points"], "did you mean 'double_points'"),
        (["--channel", "pigeon"], "unknown channel 'pigeon'"),
        (["--depth", "deep"], "unknown depth 'deep'"),
        (["--policy-after", "caretakr"], "did you mean 'caretaker'"),
        (["--out", str(tmp_path / "effects.txt")], "ends in .parquet or .csv"),
    ):
        code, said, error = _run(capsys, "twins", "--scenario", scenario, "--cardholders", "50", *words)
        assert (code, said) == (2, ""), words
        assert message in error
        assert "burn-in" not in error


def test_ope_prints_the_scores_and_the_targets(capsys: pytest.CaptureFixture[str], scenario: str) -> None:
    words = ["ope", "--scenario", scenario, "--cardholders", "120", "--weeks", "1", "--seeds", "2"]
    words += ["--target", "quiet", "--target", "by_push", "--target", "louder"]
    code, said, _ = _run(capsys, *words, "--json")
    assert code == 0
    content = json.loads(said)
    assert content["seeds"] == [1, 2]
    assert len(content["scores"]) == 8
    assert len(content["estimates"]) == 2 * 2 * 3 * 4
    assert list(content["targets"]) == ["quiet", "by_push", "louder"]
    code, said, error = _run(capsys, *words)
    assert code == 0
    assert "one_decision" in said
    assert "quiet" in said
    assert "seed 2" in error


def test_ope_refuses_an_unknown_target(capsys: pytest.CaptureFixture[str]) -> None:
    code, said, error = _run(capsys, "ope", "--target", "quite")
    assert (code, said) == (2, "")
    assert "unknown target 'quite'; did you mean 'quiet" in error
