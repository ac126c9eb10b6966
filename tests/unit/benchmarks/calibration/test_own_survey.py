"""A bank's own survey: what is said about mistakes, and that the raked people are as it says."""

import pickle

import numpy as np
import pytest
import yaml

from cardarena.benchmarks.calibration.own_survey import VARIABLES, levels_of, met, raked, read_survey
from cardarena.simulator.errors import CardArenaError, ScenarioError
from cardarena.simulator.names import CHANNELS, SEGMENTS
from cardarena.simulator.parameter_sets import load_world, world_overrides
from cardarena.simulator.population.generate import traits
from cardarena.simulator.population.survey import Survey
from cardarena.simulator.population.tables import (
    BLOCK,
    FITTED_SCALARS,
    LEVELS,
    fitted,
    likings,
    segment_shares,
    tables,
)
from cardarena.simulator.scenario import Scenario, load_scenario, scenario_digest
from cardarena.simulator.world import World

HEAD = "variable,level,value\n"
COUNT = 8_192
OWN = """\
age_band,18-29,40
age_band,30-39,35
age_band,40-54,25
segment,S1,10
segment,S2,30
segment,S3,15
segment,S4,15
segment,S5,15
segment,S6,15
blocks_tracking,does_not_block,30
blocks_tracking,partly_blocks,40
blocks_tracking,actively_blocks,30
context_cross_border,1,15
context_daily,1,85
has_app,,60
push_permitted,,30
trust_mean,,0.5
channel_liking,sms,5
"""


def written(folder, text, name="mine.csv"):
    path = folder / name
    path.write_text(HEAD + text, encoding="utf-8")
    return path


def shipped_survey():
    """The shipped figures as a survey of one's own, without raking."""
    cells, scalars, flags = fitted("survey")
    scores = likings()
    return {
        "mode": "survey",
        "segments": segment_shares().tolist(),
        "cells": {
            name: {s: list(map(float, table[i])) for i, s in enumerate(SEGMENTS)}
            for name, table in cells.items()
        },
        "scalars": {name: scalars[name] for name in FITTED_SCALARS},
        "flags": flags,
        "channel_likings": {name: score for (kind, name), score in scores.items() if kind == "channel"},
        "service_likings": {name: score for (kind, name), score in scores.items() if kind == "service"},
    }


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("survey")
    figures = read_survey(written(folder, OWN))
    return raked(figures, folder, "x", lambda text: None, COUNT), folder, figures


def test_the_raked_people_are_as_the_survey_says(own):
    (_, rows), _, _ = own
    # A share of 8,192 people has a standard error of at most 0.55 points.
    for row in rows:
        slack = 0.01 if row.variable == "trust_mean" else 0.1 if row.variable == "segment" else 2.0
        assert row.found == pytest.approx(row.wanted, abs=slack), row
    assert {row.variable for row in rows} >= {
        "age_band",
        "segment",
        "has_app",
        "push_permitted",
        "trust_mean",
    }


def test_people_of_another_seed_are_as_the_survey_says_too(own):
    (survey, _), _, figures = own
    people = traits(77, 32 * BLOCK, table=survey.record())
    for row in met(figures, people):
        assert row.found == pytest.approx(row.wanted, abs=0.02 if row.variable == "trust_mean" else 2.0), row
    assert np.bincount(people["segment"][:BLOCK])[1] == pytest.approx(0.3 * BLOCK, abs=1)


def test_what_was_not_given_stays_as_published(own):
    (survey, _), _, _ = own
    people = traits(77, 32 * BLOCK, table=survey.record())
    assert people["gender"].mean() == pytest.approx(0.60, abs=0.015)
    assert people["sms_permitted"].mean() == pytest.approx(0.85, abs=0.015)
    shipped = tables("survey")[0]["channel_log_mean"]
    moved = survey.record()[0]["channel_log_mean"] != shipped
    assert [name for name, is_moved in zip(CHANNELS, moved, strict=True) if is_moved] == ["sms"]


def test_a_raked_survey_is_kept_and_another_one_is_not_taken_for_it(own):
    (survey, rows), folder, figures = own
    again = raked(figures, folder, "x", lambda text: pytest.fail("raked again"), COUNT)
    assert again == (survey, rows)
    with pytest.raises(pytest.fail.Exception):
        raked(figures, folder, "y", lambda text: pytest.fail("raked again"), COUNT)


def test_the_shipped_figures_given_back_make_the_shipped_people():
    survey = Survey.model_validate(shipped_survey())
    assert (survey.record() == tables("survey")).all()
    assert (traits(5, 2000, table=survey.record()) == traits(5, 2000)).all()


@pytest.fixture
def world_file(tmp_path):
    survey = shipped_survey()
    survey["cells"]["gender"] = {segment: [1.0, 0.0] for segment in SEGMENTS}
    text = yaml.safe_dump({"name": "mine", "title": "Mine", "split": "test", "survey": survey})
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_world_carries_its_survey_into_the_people(world_file, tmp_path):
    scenario = load_scenario(
        "baseline", {"world": world_file, "horizon.burn_in_days": 0, "logged_history": False}
    )
    world = World.create(scenario, 1, 300)
    assert not world.traits["gender"].any()
    assert World.create("baseline", 1, 300).traits["gender"].any()
    again = World.load(world.save(tmp_path / "saved.bin"))
    assert again.scenario == scenario


def test_a_survey_stands_for_the_survey_mode_alone(world_file):
    scenario = load_scenario("mass_market", {"world": world_file})
    assert scenario.population.survey is not None
    assert scenario.population.record() is None


def test_a_scenario_with_a_survey_is_as_solid_as_any(world_file):
    scenario = load_scenario("baseline", {"world": world_file})
    assert hash(scenario) == hash(load_scenario("baseline", {"world": world_file}))
    assert pickle.loads(pickle.dumps(scenario)) == scenario
    assert Scenario.model_validate(scenario.model_dump(mode="json")) == scenario
    assert scenario_digest(scenario) != scenario_digest(load_scenario("baseline"))
    given = load_scenario("baseline", world_overrides(world_file))
    assert given.population == scenario.population
    assert load_world(world_file).survey == scenario.population.survey


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "      S1:\n      - 1.0\n      - 0.0",
            "      S1:\n      - 1.0\n      - 0.5",
            "2 shares that sum to 1",
        ),
        ("    gender:", "    gendre:", "did you mean 'gender'"),
        ("mode: survey", "mode: population", "key 'survey.mode'"),
        ("    sms: 1.0", "    sms: 9.0", "key 'survey.channel_likings.sms'"),
        ("    has_app:", "    has_ap:", "did you mean 'has_app'"),
    ],
)
def test_a_damaged_survey_in_a_world_is_refused(world_file, old, new, message):
    text = world_file.read_text(encoding="utf-8")
    assert old in text
    world_file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ScenarioError) as error:
        load_world(world_file)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("agebnd,18-29,40", "mine.csv:2: expected a variable, found 'agebnd'; did you mean"),
        ("age_band,18-30,40", "mine.csv:2: variable 'age_band': expected a level of it, found '18-30'"),
        (
            "has_app,1,40",
            "mine.csv:2: variable 'has_app': expected a level of it, found '1'; expected no level",
        ),
        ("gender,male,60", "mine.csv:2: variable 'gender': expected all its levels, found none for 'female'"),
        (
            "gender,male,60\ngender,female,60",
            "mine.csv:2: variable 'gender': expected shares that add up to 100",
        ),
        ("gender,male,60\ngender,male,40", "mine.csv:3: expected gender male once, found it again"),
        ("has_app,,140", "mine.csv:2: column 'value': expected a number from 0 to 100, found 140"),
        ("has_app,,", "mine.csv:2: column 'value': expected a number, found nothing"),
        ("has_app,,most", "mine.csv:2: column 'value': expected a number, found 'most'"),
        ("channel_liking,sms,6", "mine.csv:2: column 'value': expected a number from 1 to 5"),
        ("satisfaction_mean,,0.1", "mine.csv:2: expected a mean from"),
        ("is_dormant,,10", "mine.csv:2: expected a variable, found 'is_dormant'"),
    ],
)
def test_a_mistake_in_a_survey_is_named_by_file_and_line(tmp_path, text, message):
    with pytest.raises(CardArenaError) as error:
        read_survey(written(tmp_path, text + "\n"))
    assert message in str(error.value)


def test_rounded_shares_are_rescaled(tmp_path):
    figures = read_survey(written(tmp_path, "gender,male,61\ngender,female,40\n"))
    assert figures.marginals["gender"] == pytest.approx([40 / 101, 61 / 101])


def test_every_variable_has_levels_and_every_level_of_the_model_can_be_given():
    assert set(LEVELS) < set(VARIABLES)
    assert all(levels_of(variable) for variable in VARIABLES)


def test_figures_out_of_reach_are_refused_with_what_is_within(tmp_path):
    figures = read_survey(written(tmp_path, "spend_mean_cny,,5000\n"))
    with pytest.raises(CardArenaError, match=r"spend: expected a figure from .* found 5000"):
        raked(figures, tmp_path, "x", lambda text: None, 1_024)
