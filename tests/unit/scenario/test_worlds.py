"""Worlds: what lies over what, which file is meant, and which worlds may not be evaluated in."""

from pathlib import Path

import pytest

from cardarena.simulator.behaviour.parameters import parameter_names
from cardarena.simulator.errors import ScenarioError, UnknownNameError
from cardarena.simulator.names import CHANNELS
from cardarena.simulator.parameter_sets import load_world, refuse_training, world_folder, world_names
from cardarena.simulator.scenario import load_scenario, scenario_digest, scenario_names

SCENARIO = "extends: baseline\nname: mine\ntitle: Mine\ndescription: A test.\n"
WORLD = "name: shy\ntitle: Shy people\nsplit: test\n"
FIGURES = (
    "parameters: {need_notice: 3.0, load_keep: 0.8}\nchannels:\n  sms: {p_click: 0.05, cost_cny: 0.07}\n"
)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def sms(scenario, field="p_click"):
    return scenario.channel_records()[CHANNELS.index("sms")][field]


def test_shipped_worlds_load_and_are_no_scenarios():
    for name in world_names():
        world = load_world(name)
        assert world.name == name
        load_scenario("baseline", {"world": name}, known_parameters=parameter_names())
    assert "reference" in world_names()
    assert not set(world_names()) & set(scenario_names())


def test_a_world_lies_under_what_the_scenario_writes(tmp_path):
    write(tmp_path, "shy.yaml", WORLD + FIGURES)
    own = "world: shy\nparameters: {need_notice: 1.0}\nchannels:\n  sms: {p_click: 0.2}\n"
    scenario = load_scenario(write(tmp_path, "mine.yaml", SCENARIO + own))
    assert scenario.parameters == {"need_notice": 1.0, "load_keep": 0.8}
    assert (sms(scenario), sms(scenario, "cost_mfen")) == (0.2, 7_000)
    assert scenario.world is not None
    assert (scenario.world.name, scenario.world.split) == ("shy", "test")


def test_overrides_lie_over_both(tmp_path):
    write(tmp_path, "shy.yaml", WORLD + FIGURES)
    path = write(tmp_path, "mine.yaml", SCENARIO + "world: shy\n")
    assert load_scenario(path, {"parameters.load_keep": 0.5}).parameters["load_keep"] == 0.5


def test_a_world_given_from_outside_takes_the_place_of_the_files(tmp_path):
    write(tmp_path, "shy.yaml", WORLD + FIGURES)
    other = write(tmp_path, "bold.yaml", WORLD.replace("shy", "bold") + "parameters: {need_notice: 5.0}\n")
    path = write(tmp_path, "mine.yaml", SCENARIO + "world: shy\nparameters: {wear_exponent: 0.4}\n")
    scenario = load_scenario(path, {"world": str(other)})
    assert scenario.parameters == {"need_notice": 5.0, "wear_exponent": 0.4}
    assert scenario.world is not None
    assert scenario.world.name == "bold"
    assert scenario_digest(scenario) != scenario_digest(load_scenario(path))


def test_the_world_of_a_base_is_found_beside_the_base_and_can_be_replaced(tmp_path):
    (tmp_path / "sub").mkdir()
    write(tmp_path, "shy.yaml", WORLD + FIGURES)
    write(tmp_path, "base.yaml", SCENARIO.replace("mine", "base") + "world: shy\n")
    child = SCENARIO.replace("extends: baseline", "extends: base")
    assert load_scenario(write(tmp_path, "a.yaml", child)).parameters["load_keep"] == 0.8
    replaced = load_scenario(write(tmp_path, "b.yaml", child + "world: reference\n"))
    assert replaced.parameters == {}


def test_without_a_world_nothing_changes():
    assert load_scenario("baseline").world is None
    with_reference = load_scenario("baseline", {"world": "reference"})
    assert with_reference.parameters == load_scenario("baseline").parameters


@pytest.mark.parametrize(
    ("world", "message"),
    [
        ("world: ../shy\n", "mine.yaml:5: key 'world': expected the plain name of a world"),
        ("world: /etc/passwd\n", "mine.yaml:5: key 'world': expected the plain name of a world"),
        ("world: {name: shy}\n", "mine.yaml:5: key 'world': expected the plain name of a world"),
        ("world:\n", "mine.yaml:5: key 'world': expected the plain name of a world"),
        ("world: shj\n", "mine.yaml:5: key 'world': expected a world, found 'shj'; did you mean 'shy'"),
        ("world: link\n", "found a link out of it"),
        ("world: mine\n", "expected a known key"),
    ],
)
def test_a_world_that_cannot_be_meant_is_refused(tmp_path, world, message):
    (tmp_path / "in").mkdir()
    write(tmp_path / "in", "shy.yaml", WORLD)
    (tmp_path / "in" / "link.yaml").symlink_to(write(tmp_path, "out.yaml", WORLD))
    with pytest.raises(ScenarioError) as error:
        load_scenario(write(tmp_path / "in", "mine.yaml", SCENARIO + world))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour: red\n", "shy.yaml:4: key 'colour': expected a known key"),
        ("horizon: {days: 3}\n", "shy.yaml:4: key 'horizon': expected a known key"),
        ("channels:\n  smss: {p_click: 0.1}\n", "shy.yaml:5: key 'channels.smss'"),
        ("channels:\n  sms: {p_click: 2}\n", "shy.yaml:5: key 'channels.sms.p_click'"),
        ("parameters: {need_notize: 3}\n", "shy.yaml:4: key 'parameters.need_notize': expected a parameter"),
        ("parameters: {need_notice: [x]}\n", "shy.yaml:4: key 'parameters.need_notice"),
    ],
)
def test_a_mistake_in_a_world_is_named_by_its_own_file_and_line(tmp_path, text, message):
    write(tmp_path, "shy.yaml", WORLD + text)
    path = write(tmp_path, "mine.yaml", SCENARIO + "world: shy\n")
    with pytest.raises(ScenarioError) as error:
        load_scenario(path, known_parameters=parameter_names())
    assert message in str(error.value)


def test_an_unknown_split_and_an_unknown_name_are_refused(tmp_path):
    with pytest.raises(ScenarioError, match=r"shy\.yaml:3: key 'split': expected one of train"):
        load_world(write(tmp_path, "shy.yaml", WORLD.replace("test", "tset")))
    with pytest.raises(ScenarioError, match="expected a world, found 'referense'; did you mean 'reference'"):
        load_scenario("baseline", {"world": "referense"})
    with pytest.raises(UnknownNameError, match="reference"):
        load_world("referense")
    with pytest.raises(ScenarioError, match="expected the name or the file of a world, found 3"):
        load_scenario("baseline", {"world": 3})


def test_only_training_worlds_are_refused(tmp_path):
    for split in ("validation", "test", "reference"):
        path = write(tmp_path, "shy.yaml", WORLD.replace("test", split))
        refuse_training(load_scenario("baseline", {"world": path}).world)
    refuse_training(None)
    path = write(tmp_path, "shy.yaml", WORLD.replace("test", "train"))
    with pytest.raises(ScenarioError, match=r"'shy'.*training"):
        refuse_training(load_scenario("baseline", {"world": path}).world)


def test_the_folder_is_part_of_the_package():
    assert world_folder().parent.name == "scenarios"
