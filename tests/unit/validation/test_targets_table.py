"""The table of targets is read strictly, and whatever measures it is held to it."""

import math
from collections.abc import Iterable
from pathlib import Path

import pytest

from cardarena.benchmarks.validation import measures as registry
from cardarena.benchmarks.validation import targets
from cardarena.benchmarks.validation.findings import MISSES
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.measures import Measured, measures
from cardarena.benchmarks.validation.targets import (
    COLUMNS,
    load_measurements,
    measure_all,
    measured,
    read_targets,
)
from cardarena.simulator.errors import CardArenaError

HEAD = ",".join(COLUMNS)
ROW = "X1,low,a share,survey,hard,1,2,3,%,a source,"
LAB = Lab(n_cardholders=1024, seeds=(1,))


def _read(tmp_path: Path, *rows: str, head: str = HEAD) -> tuple[targets.Target, ...]:
    path = tmp_path / "table.csv"
    path.write_text("\n".join((head, *rows)) + "\n", encoding="utf-8")
    return read_targets(path)


def _silent(text: str) -> None:
    del text


def test_the_shipped_table_has_every_target_with_a_band() -> None:
    rows = read_targets()
    assert len({row.target for row in rows}) == 49
    assert len(rows) == 111
    assert all(row.low <= row.high for row in rows)


def test_an_empty_number_is_an_open_end(tmp_path: Path) -> None:
    (row,) = _read(tmp_path, "X1,,a share,,soft,,,3,%,a source,a note")
    assert (row.low, row.high, row.id, row.note) == (-math.inf, 3.0, "X1", "a note")
    assert math.isnan(row.point)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (ROW.replace("hard", "firm"), "line 2: hardness"),
        (ROW.replace("survey", "poll"), "line 2: mode"),
        (ROW.replace(",1,2,3,", ",one,2,3,"), "line 2: low: expected a number"),
        (ROW.replace(",1,2,3,", ",nan,2,3,"), "line 2: low: expected a number"),
        (ROW.replace(",1,2,3,", ",3,2,1,"), "low <= point <= high"),
        (ROW.replace(",1,2,3,", ",1,4,3,"), "low <= point <= high"),
        (ROW.replace(",1,2,3,", ",,2,,"), "a band with an end"),
        (ROW.replace("a source", ""), "expected a source"),
        (ROW.rsplit(",", 1)[0], "expected 11 fields, found 10"),
    ],
)
def test_a_wrong_row_is_refused_with_its_line(tmp_path: Path, row: str, says: str) -> None:
    with pytest.raises(CardArenaError, match=says):
        _read(tmp_path, row)


def test_a_wrong_head_and_a_row_that_stands_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CardArenaError, match="expected the columns"):
        _read(tmp_path, ROW, head=HEAD.replace("band", "").replace("low", "least"))
    twice = tmp_path / "twice"
    twice.mkdir()
    with pytest.raises(CardArenaError, match=r"X1\.low stands there twice"):
        _read(twice, ROW, ROW)


def test_every_measurement_is_of_a_target_of_the_table() -> None:
    load_measurements()
    known = {row.target for row in read_targets()}
    assert set(registry._MEASURES) <= known


def _rows(*ids: str) -> list[targets.Target]:
    made = []
    for name in ids:
        target, _, component = name.partition(".")
        made.append(targets.Target(target, component, "q", "survey", "hard", 0.0, 1.0, 2.0, "%", "s", "n"))
    return made


def test_components_of_one_and_of_several_targets_find_their_rows() -> None:
    def several(lab: Lab) -> Iterable[Measured]:
        return [Measured("X1:a", 1.0), Measured("X1:b", 2.0), Measured("X2", 3.0)]

    found = measured(several, ("X1", "X2"), LAB, _rows("X1.a", "X1.b", "X2"))
    assert {name: one.value for name, one in found.items()} == {"X1.a": 1.0, "X1.b": 2.0, "X2": 3.0}
    alone = measured(lambda lab: [Measured("", 4.0)], ("X2",), LAB, _rows("X2"))
    assert alone["X2"].value == 4.0


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["a"], "did not measure X1.b"),
        (["a", "b", "c"], "which the table lacks"),
        (["a", "a", "b"], "twice"),
    ],
)
def test_a_missing_an_unknown_and_a_repeated_component_are_errors(given: list[str], says: str) -> None:
    with pytest.raises(CardArenaError, match=says):
        measured(lambda lab: [Measured(name, 1.0) for name in given], ("X1",), LAB, _rows("X1.a", "X1.b"))


def test_a_measurement_that_fails_costs_its_own_numbers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_MEASURES", {})
    monkeypatch.setattr(targets, "load_measurements", lambda: None)

    @measures("X1")
    def _breaks(lab: Lab) -> Iterable[Measured]:
        raise CardArenaError("the world is flat")

    @measures("X2")
    def _works(lab: Lab) -> Iterable[Measured]:
        return [Measured("", 1.5, 0.1, "counted")]

    said: list[str] = []
    broken, works, absent = measure_all(LAB, said.append, _rows("X1", "X2", "X3"))
    assert math.isnan(broken.value)
    assert broken.verdict == MISSES
    assert "the world is flat" in broken.note
    assert (works.value, works.standard_error, works.note) == (1.5, 0.1, "counted; n")
    assert "not measured yet" in absent.note
    assert any("failed" in text for text in said)


def test_two_measurements_of_one_target_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_MEASURES", {})
    measures("X1")(lambda lab: [])
    with pytest.raises(CardArenaError, match="two measurements"):
        measures("X1")(lambda lab: [])
