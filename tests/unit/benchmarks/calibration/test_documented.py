"""The worked example of the documents, at a tiny size: from two tables to a world that a scenario is played with."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from cardarena.benchmarks.calibration import own_survey
from cardarena.benchmarks.cli import main
from cardarena.simulator.behaviour.parameters import parameter_names
from cardarena.simulator.parameter_sets import load_world
from cardarena.simulator.scenario import load_scenario

DOCS = Path(__file__).resolve().parents[4] / "docs"
#: Without slopes, which would cost an evaluation a parameter.
TINY = (
    "--cardholders",
    "200",
    "--seeds",
    "1",
    "--method",
    "powell",
    "--steps",
    "1",
    "--no-identify",
    "--workers",
    "1",
)


def command():
    page = (DOCS / "calibrate.md").read_text(encoding="utf-8")
    block = re.search(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert block
    first = block[1].replace("\\\n", " ").splitlines()[0]
    return shlex.split(first)


def test_the_worked_example_makes_a_world(tmp_path, monkeypatch, capsys):
    shutil.copytree(DOCS / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own_survey, "PEOPLE", 4_096)
    program, *words = command()
    assert program == "cardarena"
    with pytest.raises(SystemExit) as done:
        main([*words, *TINY])
    said = capsys.readouterr()
    assert done.value.code == 0, said.err
    assert "push_permitted" in said.out
    world = load_world("my_bank.yaml")
    assert set(world.channels) == {"app_push", "sms"}
    assert world.survey is not None
    assert world.provenance["targets"] == ["C4", "C7", "E3", "E4", "E10"]
    scenario = load_scenario("baseline", {"world": "my_bank.yaml"}, known_parameters=parameter_names())
    assert scenario.parameters == world.parameters
    assert (tmp_path / "my_bank.calibration.json").is_file()
    assert str(tmp_path) not in (tmp_path / "my_bank.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--targets", "nowhere.csv"), "nowhere.csv: expected a readable file"),
        (("--survey", "nowhere.csv"), "nowhere.csv: expected a readable file"),
        (("--world", "nowhere"), "unknown world 'nowhere'"),
        (("--move", "parameters.need_notise"), "did you mean 'parameters.need_notice'"),
        (("--only", "C44"), "unknown target 'C44'"),
    ],
)
def test_bad_input_is_said_at_once(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as done:
        main(["calibrate", "--out", "x.yaml", *words])
    assert done.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
