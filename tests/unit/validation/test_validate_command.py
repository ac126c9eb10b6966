"""`cardarena validate`: exit codes, what it prints and writes, and that it goes on where it stopped."""

import io
import json
import math
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

from cardarena.benchmarks import cli
from cardarena.benchmarks.validation import keeping, sections
from cardarena.benchmarks.validation.findings import Finding, Section, Tell
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.listing import findings_table
from cardarena.benchmarks.validation.targets import read_targets


class _Fakes:
    """Two sections that count their runs; `value` decides whether the first one's hard finding holds."""

    def __init__(self) -> None:
        self.value, self.calls, self.stops = 2.0, {"first": 0, "second": 0}, False

    def run(self, name: str) -> object:
        def run(lab: Lab, tell: Tell) -> Section:
            self.calls[name] += 1
            if self.stops and name == "second":
                raise KeyboardInterrupt
            tell(f"at work on {name}")
            found = Finding(
                f"{name}.hard", "q", self.value, 0.1, 1.0, 3.0, 2.0, "%", "hard", source="a source"
            )
            silent = Finding(f"{name}.context", "q", math.nan, hardness="context", source="s")
            return Section(name, f"The {name}", "Summary.", (found, silent), settings=lab.settings)

        return run


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> _Fakes:
    made = _Fakes()
    for name in ("first", "second"):
        module = ModuleType(f"fake_{name}")
        module.run = made.run(name)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, f"fake_{name}", module)
    known = {"first": "fake_first", "second": "fake_second"}
    monkeypatch.setattr(sections, "SECTIONS", known)
    monkeypatch.setattr(keeping, "SECTIONS", known)
    monkeypatch.setattr(keeping, "is_there", lambda name: True)
    return made


def _run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        cli.main(["validate", "--cardholders", "1024", "--seeds", "2", *map(str, words)])
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def test_all_well_is_exit_0_with_a_table_and_two_files(
    fakes: _Fakes, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = _run(capsys, "--out", tmp_path)
    assert code == 0
    assert "hard: 2 of 2 hold" in out
    assert "2 ± 0.1" in out
    assert "PASSED" in out
    assert max(map(len, out.splitlines()[:-1])) <= 110
    assert "at work on first" in err
    assert (tmp_path / "validation.html").is_file()
    data = json.loads((tmp_path / "validation.json").read_text(encoding="utf-8"))
    assert data["verdict"] == {
        "hard": 2, "hard_held": 2, "soft": 0, "soft_held": 0, "missed": [], "is_passed": True,
    }  # fmt: skip
    assert data["settings"]["seeds"] == [9001, 9002]
    finding = data["sections"][0]["findings"][1]
    assert (finding["value"], finding["verdict"]) == (None, "context")


def test_a_hard_miss_is_exit_1_and_comes_first(
    fakes: _Fakes, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert _run(capsys, "--out", tmp_path / "well", "--only", "first")[0] == 0
    fakes.value = 3.5
    code, out, _ = _run(capsys, "--out", tmp_path / "ill", "--only", "second")
    assert code == 1
    assert "second.hard" in out.splitlines()[1]
    assert "misses, hard" in out
    assert "NOT PASSED" in out


def test_json_is_all_that_is_printed(
    fakes: _Fakes, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = _run(capsys, "--out", tmp_path, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == json.loads((tmp_path / "validation.json").read_text(encoding="utf-8"))


def test_it_goes_on_where_it_stopped(
    fakes: _Fakes, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    fakes.stops = True
    code, _, err = _run(capsys, "--out", tmp_path)
    assert code == 130
    assert "same command to go on" in err
    fakes.stops = False
    assert _run(capsys, "--out", tmp_path)[0] == 0
    assert fakes.calls == {"first": 1, "second": 2}
    page = (tmp_path / "validation.html").read_bytes()
    assert _run(capsys, "--out", tmp_path)[0] == 0
    assert fakes.calls == {"first": 1, "second": 2}
    assert (tmp_path / "validation.html").read_bytes() == page


def test_other_settings_and_a_damaged_file_are_measured_again(
    fakes: _Fakes, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _run(capsys, "--out", tmp_path, "--only", "first")
    _run(capsys, "--out", tmp_path, "--only", "first", "--cardholders", "2048")
    assert fakes.calls["first"] == 2
    path = tmp_path / "sections" / "first.json"
    path.write_text(path.read_text(encoding="utf-8").replace("first.hard", "first.soft"), encoding="utf-8")
    _run(capsys, "--out", tmp_path, "--only", "first", "--cardholders", "2048")
    assert fakes.calls["first"] == 3


def test_an_unknown_section_and_a_file_as_folder_are_bad_input(
    fakes: _Fakes, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = _run(capsys, "--only", "firs", "--out", tmp_path)
    assert code == 2
    assert "did you mean 'first'?" in err
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert _run(capsys, "--out", tmp_path / "file")[0] == 2
    assert sum(fakes.calls.values()) == 0


def test_every_row_of_the_shipped_targets_shows_its_verdict_in_110_columns() -> None:
    findings = [row.finding(1.98e-5, 1.54e-7) for row in read_targets()]
    findings += [row.finding(12_345.6, 123.4) for row in read_targets()]
    text = io.StringIO()
    Console(width=110, file=text).print(findings_table(findings))
    lines = text.getvalue().splitlines()
    assert len(lines) == 1 + len(findings)
    assert max(len(line.rstrip()) for line in lines) <= 110
    assert all(re.search(r" (holds|misses|context)\b", line) for line in lines[1:])
