"""No traceback reaches a user: one message on stderr, and the exit code that says whose fault it was."""

import errno
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cardarena.benchmarks import cli
from cardarena.benchmarks.cli import world_commands

COMMANDS = [
    "arena",
    "list",
    "show",
    "show scenario",
    "show policy",
    "population",
    "generate",
    "report",
    "status",
    "speed",
    "validate",
    "twins",
    "ope",
]


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        cli.main(list(words))
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = _run(capsys, *command.split(), "--help")
    assert code == 0
    assert f"Usage: cardarena {command}".strip() in out


def test_help_imports_nothing_heavy_and_answers_at_once() -> None:
    script = (
        "import sys\nfrom cardarena.benchmarks.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'numba', 'pandas', 'pyarrow', 'matplotlib', 'sklearn', 'pydantic', 'scipy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert time.perf_counter() - began < 30  # the figure itself is the benchmark's; this only catches a hang


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    import cardarena

    assert _run(capsys, "--version")[:2] == (0, f"cardarena {cardarena.__version__}\n")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["arnea"], "'arena'"),
        (["list", "ofers"], "'offers'"),
        (["arena", "--policy", "rmf"], "'rfm'"),
        (["arena", "--scenario", "base_line"], "'baseline'"),
        (["show", "scenario", "base_line"], "'baseline'"),
        (["show", "policy", "rmf"], "'rfm'"),
        (["arena", "--out", "/dev/null/x"], "/dev/null is a file"),
        (["arena", "--out", "/dev/null"], "expected a folder, found a file"),
        (["arena", "--out", "x" * 300], "File name too long"),
        (["generate", "--out", "/dev/null/x"], "/dev/null is a file"),
        (["population", "--out", "/dev/null/p.csv"], "/dev/null is a file"),
        (["generate", "--out", "/dev/null/x", "--scenario", "base_line"], "'baseline'"),
        (["generate", "--out", "never", "--policy", "rmf"], "'rfm'"),
        (["arena", "--policy", "missing.py:Mine"], "no such file"),
        (["arena", "--scenario", "missing.yaml"], "missing.yaml"),
        (["arena", "--policy", "rfm", "--policy", "rfm"], "given twice"),
        (["status", "nowhere"], "no such folder"),
        (["report", "nowhere"], "no such folder"),
        (["population", "--out", "people.xls"], ".parquet or .csv"),
        (["population", "--out", "p.csv", "--mode", "servey"], "survey"),
        (["arena", "--seeds", "0"], "--seeds"),
        (["arena", "--seeds", "1001"], "--seeds"),
        (["arena", "--cardholders", "20000001"], "--cardholders"),
        (["arena", "--days", "1826"], "--days"),
        (["arena", "--days", "ten"], "--days"),
        (["arena", "--scheduler", "chort"], "cohort"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_bad_input_exits_2_and_says_what_is_right(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    hint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = _run(capsys, *words)
    assert code == 2
    assert hint in err
    assert "Traceback" not in err
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_broken_scenario_file_is_named_with_its_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "extends: baseline\nname: mine\ntitle: Mine\ndescription: x\nhorizn:\n  days: 3\n", encoding="utf-8"
    )
    code, _, err = _run(capsys, "arena", "--scenario", str(path), "--out", str(tmp_path / "out"))
    assert code == 2
    assert "mine.yaml" in err
    assert "5" in err
    assert "'horizon'" in err


def _raising(error: BaseException) -> Any:
    def rows(what: str) -> list[dict[str, Any]]:
        raise error

    return rows


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "out/x"), 1, "No space left on device: out/x"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1, "Permission denied: /x"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("division by zero"), 1, "unexpected ZeroDivisionError: division by zero"),
        (MemoryError(), 1, "unexpected MemoryError"),
    ],
    ids=["disk full", "no permission", "ctrl-c", "a fault", "memory"],
)
def test_what_goes_wrong_is_one_message(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    message: str,
) -> None:
    from cardarena.benchmarks.cli import listings

    monkeypatch.setattr(listings, "rows_of", _raising(error))
    found, _, err = _run(capsys, "list", "policies")
    assert found == code
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [["--debug", "list", "x"], ["list", "x", "--debug"]], ids=["first", "last"])
def test_debug_shows_where(words: list[str]) -> None:
    from cardarena.simulator.errors import UnknownNameError

    with pytest.raises(UnknownNameError):
        cli.main(words)


@pytest.mark.parametrize("what", ["scenarios", "policies", "offers", "channels", "metrics", "parameters"])
def test_every_list_is_a_table_and_json(capsys: pytest.CaptureFixture[str], what: str) -> None:
    code, out, _ = _run(capsys, "list", what, "--json")
    rows = json.loads(out)
    assert code == 0
    assert len(rows) > 5
    names = [row["name"] for row in rows]
    assert len(set(names)) == len(names)
    _, table, _ = _run(capsys, "list", what)
    lines = table.splitlines()
    assert [line.split()[0] for line in lines] == ["name", *names]


def test_show_scenario_prints_yaml_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    import yaml

    _, out, _ = _run(capsys, "show", "scenario", "baseline", "--json")
    shown = json.loads(out)
    assert shown["name"] == "baseline"
    _, out, _ = _run(capsys, "show", "scenario", "baseline")
    assert yaml.safe_load(out) == shown


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_population_is_written_and_is_the_beginning_of_a_larger_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, suffix: str
) -> None:
    import pandas as pd

    frames = []
    for count in (40, 80):
        path = tmp_path / f"{count}.{suffix}"
        code, out, _ = _run(
            capsys, "population", "--cardholders", str(count), "--out", str(path), "--identities", "--json"
        )
        assert code == 0
        assert json.loads(out)["rows"] == count
        frames.append(pd.read_parquet(path) if suffix == "parquet" else pd.read_csv(path))
    pd.testing.assert_frame_equal(frames[0], frames[1].iloc[:40])
    assert "card_number" in frames[0].columns


def test_a_population_is_not_written_over_without_force(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "p.csv"
    path.write_text("years of work", encoding="utf-8")
    words = ["population", "--cardholders", "5", "--out", str(path)]
    code, _, err = _run(capsys, *words)
    assert code == 2
    assert "--force" in err
    assert path.read_text(encoding="utf-8") == "years of work"
    assert _run(capsys, *words, "--force")[0] == 0
    assert len(path.read_text(encoding="utf-8").splitlines()) == 6


def test_what_is_kept_is_said_only_where_something_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cardarena.benchmarks import arena

    def play(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "x")

    monkeypatch.setattr(arena, "play", play)
    words = ["arena", "--policy", "rfm", "--scenario", "baseline", "--out", str(tmp_path)]
    code, _, err = _run(capsys, *words)
    assert (code, "is kept" in err) == (1, False)
    (tmp_path / "parts" / "baseline").mkdir(parents=True)
    (tmp_path / "parts" / "baseline" / "rfm.json").write_text("{}", encoding="utf-8")
    code, _, err = _run(capsys, *words)
    assert (code, "is kept" in err) == (1, True)


def test_show_policy_prints_its_card(capsys: pytest.CaptureFixture[str]) -> None:
    from cardarena.agents.bandits import LinUcb

    _, out, _ = _run(capsys, "show", "policy", "linucb")
    assert LinUcb.__doc__ is not None
    for text in (
        LinUcb.title,
        "league: cold",
        f"dial: {LinUcb.dial_spec.name}",
        LinUcb.__doc__.splitlines()[0],
    ):
        assert text in out
    _, out, _ = _run(capsys, "show", "policy", "silent", "--json")
    assert json.loads(out)["dial"] == "none"


USER = """
print("noise")
class Base:
    name, league, every_days, decide_minute, oracle = "mine", "logged", 7, 0, False
    def reset(self, brief, policy_seed): pass
    def decide(self, view): pass
    def learn(self, feedback): pass
    def explain(self, contacts): return []
    def state(self): return {}
    def load_state(self, state): pass

Made = type("Made", (Base,), {})
def factory(): return Base()
class Never(Base): every_days = 0
class Peeks(Base): oracle = True
class Lost(Base): league = "colder"
class Lazy: pass
class Leaves(Base):
    def __init__(self):
        import os
        os._exit(5)
class Hangs(Base):
    def __init__(self):
        import time
        time.sleep(60)
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Never", "every_days: expected 1 or more, found 0"),
        ("Peeks", "expected 'privileged' of a policy marked oracle, found 'logged'"),
        ("Lost", "expected one of reference, cold, "),
        ("Lazy", "it lacks reset"),
        ("Leaves", "exit code 5"),
        ("Mad", "did you mean 'Made'"),
    ],
)
def test_a_policy_that_cannot_work_is_refused_before_any_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, message: str
) -> None:
    path, out = tmp_path / "mine.py", tmp_path / "out"
    path.write_text(USER, encoding="utf-8")
    code, _, err = _run(capsys, "arena", "--policy", f"{path}:{name}", "--out", str(out))
    assert code == 2
    assert message in err
    assert not out.exists()


def test_a_users_policies_are_planned_as_they_are(tmp_path: Path) -> None:
    from cardarena.benchmarks.cli.user_policies import entries_of, loaded_league
    from cardarena.simulator.errors import PolicyError

    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(USER, encoding="utf-8")
    specs = [
        "rfm",
        f"{tmp_path}/a/mine.py:factory",
        f"{tmp_path}/b/mine.py:factory",
        f"{tmp_path}/a/mine.py:Made",
    ]
    entries = entries_of(specs)
    assert entries is not None
    assert [entry.league for entry in entries[1:]] == ["logged"] * 3
    assert entries[1].label.startswith("mine.py:factory#")
    assert len({entry.label for entry in entries}) == 4
    assert entries[3].label == "mine.py:Made"
    assert entries_of(None) is None
    with pytest.raises(PolicyError, match="given twice"):
        entries_of([specs[3], specs[3]])
    with pytest.raises(PolicyError, match="more than 1 s"):
        loaded_league(f"{tmp_path}/a/mine.py:Hangs", seconds=1)


def test_compiling_is_said_only_when_the_cache_is_cold(tmp_path: Path) -> None:
    import io

    from cardarena.benchmarks.arena.progress import Lines
    from cardarena.benchmarks.cli.compiling import SaysColdOnly

    said = []
    for _ in range(2):
        stream = io.StringIO()
        show = SaysColdOnly(Lines(stream), tmp_path)
        show.stage("compiling (once)")
        show.stage("")
        show.stage("merging")
        said.append(stream.getvalue().splitlines())
    assert said == [["compiling (once)", "merging"], ["merging"]]


def test_a_world_is_not_written_over_something(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    code, _, err = _run(capsys, "generate", "--out", str(tmp_path))
    assert code == 2
    assert "empty folder" in err
    assert world_commands.generate.__doc__
