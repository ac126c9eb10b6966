"""Whatever is done to a valid scenario file, the answer is a scenario or a ScenarioError, never a traceback."""

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cardarena.simulator.errors import ScenarioError
from cardarena.simulator.scenario import Scenario, load_scenario, scenario_digest, scenario_folder
from cardarena.simulator.strict_yaml import parse_document

FULL = """\
extends: baseline
name: mine
title: Mine
description: Everything that a scenario may say.
start_date: 2025-06-02
population: {mode: survey, cardholders: 100, new_share: 0.5}
horizon: {burn_in_days: 10, days: 10, burn_in_phases: [{policy: a, days: 4}, {policy: b, days: 6}]}
offers: {include: [theme_card, grocery_coupon]}
channels: {sms: {cost_cny: 0.05, enabled: true}, email: {p_notice: 0.5}}
compliance:
  mode: audit
  caps: {day: 1, week: null, channel_week: {sms: 2}}
  quiet_hours: {sms: {from_minute: 1320, to_minute: 480}}
  gates: {consent: false}
budget: {cny_per_cardholder_per_30_days: 0.5}
shocks:
  - {kind: demand, day: 3, category: daily, multiplier: 2}
  - {kind: channel_outage, day: 3, channel: sms, duration_days: 2}
parameters: {a: 1, b: [1, 2], c: {daily: 1e-3}}
expect:
  - {policy: rfm, metric: inv, min: 0, relative_to: silent}
limits: {max_breaches: 3}
"""
TEXTS = [FULL, *(path.read_text(encoding="utf-8") for path in sorted(scenario_folder().glob("*.yaml")))]
PIECES = st.sampled_from(
    ["", " ", "\n", "\t", ":", "- ", "[", "]", "{", "}", "#", "&a ", "*a", "!!int ", "'", '"', "|\n", "null", "true",
     "-1", "1e999", ".nan", "0x1F", "999999999999999999999", "x", "é", "\x07", "\ufeff", "? ", "<<: ", "...\n", "---\n",
     "%YAML 1.1\n", "extends: mine\n", "offers: 3\n", "shocks: [3]\n", "parameters: {'#1': x}\n"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def load_text(text: str) -> Scenario | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            scenario = load_scenario(path)
        except ScenarioError:
            return None
        scenario_digest(scenario)
        scenario.channel_records()
        scenario.catalogue()
        return scenario


def test_the_full_file_is_valid() -> None:
    assert load_text(FULL) is not None


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_mutated_text_never_gives_a_traceback(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(TEXTS))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 6))
        text = text[:at] + data.draw(PIECES) + text[at + cut :]
    load_text(text)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(p for key, item in pairs for p in _paths(item, (*path, key)))]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_mutated_values_never_give_a_traceback(data: st.DataObject) -> None:
    document = parse_document(FULL, "mine.yaml").data
    for _ in range(data.draw(st.integers(1, 3))):
        *parents, last = data.draw(st.sampled_from(_paths(document)[1:]))
        holder = document
        for key in parents:
            holder = holder[key]
        holder[last] = data.draw(VALUES)
    load_text(yaml.safe_dump(document, allow_unicode=False, sort_keys=False))


@settings(max_examples=100, deadline=None)
@given(
    overrides=st.dictionaries(
        st.sampled_from([*Scenario.model_fields, "horizon.days", "a.b", "extends"]), VALUES
    )
)
def test_any_override_is_taken_or_refused(overrides: dict[str, Any]) -> None:
    with contextlib.suppress(ScenarioError):
        load_scenario("baseline", overrides)


# Letters, marks, digits and signs: what JSON and YAML both write as it is between double quotes.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(-1e9, 1e9) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=100, deadline=None)
@given(data=st.dictionaries(TEXT, JSON, min_size=1, max_size=4))
def test_json_is_read_as_it_was_written(data: dict[str, Any]) -> None:
    assert parse_document(json.dumps(data, ensure_ascii=False), "x").data == data
