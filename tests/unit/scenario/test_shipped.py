"""The shipped scenarios load, say what they are, and differ in what they claim to."""

import json
import pickle
import re

import numpy as np
import pytest
from pydantic import ValidationError

from cardarena.simulator import scenario_schema
from cardarena.simulator.errors import ScenarioError, UnknownNameError
from cardarena.simulator.names import CHANNELS, RULES, Rule
from cardarena.simulator.scenario import (
    Scenario,
    drawn_day,
    load_scenario,
    main_scenario_names,
    scenario_digest,
    scenario_folder,
    scenario_names,
)

NAMES = scenario_names()


def test_names() -> None:
    assert NAMES[0] == "baseline"
    assert set(NAMES) == {
        "baseline",
        "cold_start",
        "collisions",
        "fatigued_base",
        "full_year",
        "mass_market",
        "privacy_tightening",
        "rival_campaign",
        "tight_budget",
    }
    assert set(NAMES) - set(main_scenario_names()) == {"collisions", "full_year", "mass_market"}


@pytest.mark.parametrize("name", NAMES)
def test_scenario_is_named_as_its_file_and_survives_a_round_trip(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.name == name
    assert Scenario.model_validate(scenario.model_dump(mode="json")) == scenario
    assert Scenario.model_validate(json.loads(scenario.model_dump_json())) == scenario
    assert pickle.loads(pickle.dumps(scenario)) == scenario
    assert hash(scenario) == hash(load_scenario(name))
    assert scenario_digest(scenario) == scenario_digest(load_scenario(name))
    assert load_scenario(scenario_folder() / f"{name}.yaml") == scenario
    first = (scenario_folder() / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=schema.json"


def test_digests_differ() -> None:
    digests = {scenario_digest(load_scenario(name)) for name in NAMES}
    digests.add(scenario_digest(load_scenario("baseline", {"horizon.days": 30})))
    assert len(digests) == len(NAMES) + 1
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)


def test_what_each_scenario_changes() -> None:
    base = load_scenario("baseline")
    assert (base.horizon.burn_in_days, base.horizon.days, base.horizon.run_out_days) == (180, 90, 180)
    assert [(p.policy, p.days) for p in base.horizon.phases()] == [("status_quo", 180)]
    assert base.horizon.run_out_policy == "caretaker"
    assert base.budget_mfen(1000, 90) == -1
    assert not base.word_of_mouth
    tired = load_scenario("fatigued_base")
    assert [(p.policy, p.days) for p in tired.horizon.phases()] == [("status_quo", 120), ("blast", 60)]
    assert load_scenario("tight_budget").budget_mfen(1000, 90) == 1000 * 3 * 1_000
    cold = load_scenario("cold_start")
    assert (cold.population.new_share, cold.logged_history, cold.horizon.phases()) == (1.0, False, ())
    assert load_scenario("mass_market").population.mode == "population"
    assert load_scenario("collisions").collisions
    assert [shock.kind for shock in load_scenario("privacy_tightening").shocks] == [
        "privacy_news",
        "consent_withdrawal",
    ]
    assert [shock.kind for shock in load_scenario("rival_campaign").shocks] == ["rival_campaign"]


def test_every_run_stays_in_the_known_calendar() -> None:
    # A whole year is left at each end for burn-in and run-out.
    with pytest.raises(ScenarioError, match="expected a date from 2021 to 2034, found 2035-01-01"):
        load_scenario("baseline", {"start_date": "2035-01-01"})


def test_published_schema_is_current() -> None:
    published = (scenario_folder() / "schema.json").read_text(encoding="utf-8")
    assert published == scenario_schema.schema_text(), "run python -m cardarena.simulator.scenario_schema"


def test_schema_knows_the_directives_and_the_words() -> None:
    schema = scenario_schema.scenario_schema()
    assert "extends" in schema["properties"]
    assert "catalogue_file" in schema["$defs"]["Offers"]["properties"]
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["ChannelOutage"]["properties"]["channel"]["enum"] == list(CHANNELS)


def test_unknown_scenario() -> None:
    with pytest.raises(UnknownNameError, match="unknown scenario 'base_lin'; did you mean 'baseline'"):
        load_scenario("base_lin")


def test_scenario_does_not_change() -> None:
    scenario = load_scenario("baseline", {"parameters": {"a": 1, "b": {"daily": 2}}})
    with pytest.raises(ValidationError):
        scenario.title = "x"
    caps = scenario.compliance.caps.channel_week
    for change in (
        lambda: caps.update(sms=9),
        lambda: caps.clear(),
        lambda: caps.__setitem__("sms", 9),
        lambda: scenario.parameters["b"].pop("daily"),
    ):
        with pytest.raises(TypeError, match="does not change"):
            change()
    assert caps["sms"] == 2


def test_tables_for_the_world() -> None:
    scenario = load_scenario(
        "baseline",
        {
            "channels": {"sms": {"cost_cny": 0.05, "p_notice": 0.5}, "wecom": {"enabled": False}},
            "compliance": {
                "quiet_hours": {"app_push": {"from_minute": 0, "to_minute": 0}},
                "caps": {"day": None, "channel_week": {"email": 0}},
                "gates": {"quiet_hours": False},
            },
            "offers.include": ["theme_card", "bill_instalment"],
        },
    )
    plain, channels = load_scenario("baseline").channel_records(), scenario.channel_records()
    sms, push = CHANNELS.index("sms"), CHANNELS.index("app_push")
    assert (channels["cost_mfen"][sms], channels["p_notice"][sms]) == (5_000, 0.5)
    assert (channels["quiet_from_minute"][push], channels["quiet_to_minute"][push]) == (0, 0)
    untouched = [code for code in range(len(CHANNELS)) if code not in (sms, push)]
    assert np.array_equal(channels[untouched], plain[untouched])
    assert list(np.flatnonzero(~scenario.enabled_channels())) == [CHANNELS.index("wecom")]
    caps = scenario.caps()
    assert (caps["day"], caps["week"], caps["month"]) == (-1, 4, 12)
    assert dict(zip(CHANNELS, caps["channel_week"], strict=True)) == {
        **dict.fromkeys(CHANNELS, -1),
        "sms": 2,
        "human_call": 1,
        "ai_call": 1,
        "wecom": 2,
        "email": 0,
    }
    assert [RULES[code] for code in np.flatnonzero(~scenario.gates())] == ["quiet_hours"]
    assert scenario.gates()[Rule.CONSENT]
    # Catalogue order, whatever the order in the file.
    assert scenario.catalogue().names == ("bill_instalment", "theme_card")


def test_known_names_are_checked_where_they_are_given() -> None:
    with pytest.raises(ScenarioError, match=r"key 'parameters.theta': expected a parameter, found 'theta'"):
        load_scenario("baseline", {"parameters.theta": 1}, known_parameters=["thetas"])
    with pytest.raises(
        ScenarioError, match=r"fatigued_base.yaml:11: key 'horizon.burn_in_phases\[1\].policy'.*'last'"
    ):
        load_scenario("fatigued_base", known_policies=["status_quo", "caretaker", "last"])
    load_scenario("fatigued_base", known_parameters=[], known_policies=["status_quo", "caretaker", "blast"])


@pytest.mark.parametrize("jitter", [0, 1, 30])
def test_drawn_days_are_equally_likely(jitter: int) -> None:
    n = 2 * jitter + 1
    days = [drawn_day(5, jitter, (k + 0.5) / (10 * n)) for k in range(10 * n)]
    assert sorted(set(days)) == list(range(5 - jitter, 5 + jitter + 1))
    assert {days.count(day) for day in set(days)} == {10}
