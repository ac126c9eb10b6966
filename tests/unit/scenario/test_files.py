"""Scenario files of one's own: extending, refusing, and pointing at the line."""

from pathlib import Path
from typing import Any

import pytest

from cardarena.simulator.errors import ScenarioError
from cardarena.simulator.scenario import load_scenario, scenario_digest

HEAD = "extends: baseline\nname: mine\ntitle: Mine\ndescription: A test.\n"


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path, overrides: dict[str, Any] | None = None) -> str:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path, overrides)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "rest"),
    [
        (
            "horizon:\n  dayz: 3\n",
            6,
            "key 'horizon.dayz': expected a known key, found 'dayz'; did you mean 'days'?",
        ),
        ("horizon:\n  days: ninety\n", 6, "key 'horizon.days': expected a whole number, found 'ninety'"),
        ("horizon:\n  days: 0\n", 6, "key 'horizon.days': expected at least 1, found 0"),
        ("horizon:\n  days: 1.5\n", 6, "key 'horizon.days': expected a whole number, found 1.5"),
        ("collisions: yes\n", 5, "key 'collisions': expected true or false, found 'yes'"),
        (
            "\n\nbudgets: 3\n",
            7,
            "key 'budgets': expected a known key, found 'budgets'; did you mean 'budget'?",
        ),
        ("budget:\n  cny_per_cardholder_per_30_days: -1\n", 6, "expected at least 0, found -1"),
        (
            "population:\n  mode: surve\n",
            6,
            "expected one of survey, population, found 'surve'; did you mean 'survey'?",
        ),
        (
            "start_date: 2025-02-30\n",
            5,
            "key 'start_date': expected a date such as 2025-03-03, found '2025-02-30'",
        ),
        (
            "shocks:\n  - {kind: demand, day: 3, category: daily, multiplier: 2}\n  - kind: demnd\n    day: 1\n",
            7,
            "key 'shocks[1].kind': expected one of",
        ),
        ("shocks:\n  - {kind: demand, day: 3, category: dayly, multiplier: 2}\n", 6, "did you mean 'daily'?"),
        (
            "shocks:\n  - kind: channel_outage\n    day: 3\n    chan_nel: sms\n",
            8,
            "found 'chan_nel'; did you mean 'channel'?",
        ),
        (
            "shocks:\n  - kind: channel_outage\n    day: 3\n",
            6,
            "key 'shocks[0].channel': expected a value, found nothing",
        ),
        ("shocks:\n  - 3\n", 6, "key 'shocks[0]': expected"),
        (
            "shocks:\n  - kind: channel_outage\n    channel: sms\n    day: 260\n    day_jitter_days: 10\n",
            8,
            "key 'shocks[0].day': expected days -180 to 269 of the horizon, found 250 to 270 (day and jitter)",
        ),
        ("channels:\n  sms:\n    p_notise: 1\n", 7, "found 'p_notise'; did you mean 'p_notice'?"),
        (
            "channels:\n  smss: {}\n",
            6,
            "key 'channels.smss': expected a channel, found 'smss'; did you mean 'sms'?",
        ),
        (
            "compliance:\n  gates:\n    budget: false\n",
            7,
            "expected a rule that can be switched off, found 'budget'",
        ),
        ("offers:\n  include:\n    - theme_card\n    - teme_card\n", 8, "did you mean 'theme_card'"),
        (
            "expect:\n  - policy: rfm\n    metric: inv\n",
            6,
            "key 'expect[0].min': expected min, max or both, found neither",
        ),
        ("horizon:\n  burn_in_days: 0\n", 6, "key 'horizon.burn_in_days': expected above 0 where logged"),
        (
            "horizon:\n  burn_in_phases:\n    - {policy: a, days: 2}\n",
            6,
            "that add up to burn_in_days 180, found 2",
        ),
        ("parameters:\n  theta: {daily: much}\n", 6, "key 'parameters.theta.daily': expected a number"),
        ("title: Again\n", 5, "expected key 'title' once, found it again (first in line 3)"),
        ("shocks: *all\n", 5, "expected a value, found the alias *all (write the value out)"),
        ("shocks: &all []\n", 5, "expected a value, found the anchor &all"),
        ("title2: !!python/object/apply:os.system [ls]\n", 5, "expected a value without a tag"),
        ("shocks: [\n", 6, "expected YAML, found"),
        ("a: b: c\n", 5, "expected YAML, found"),
        ("? [a]\n: 1\n", 5, "expected a word as key, found something composed"),
        ("---\nname: two\n", 5, "expected one document, found a second one"),
        (f"horizon:\n  days: {'9' * 40}\n", 6, "expected a number of at most 30 digits, found 40"),
        ("<<: {}\n", 5, "key '<<': expected a known key"),
    ],
)
def test_refused_at_the_line(tmp_path: Path, text: str, line: int, rest: str) -> None:
    path = write(tmp_path, HEAD + text)
    message = refusal(path)
    assert [one for one in message.splitlines() if one.startswith(f"{path}:{line}: ") and rest in one], (
        message
    )


def test_every_error_is_reported_once_and_in_order(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, HEAD + "horizon:\n  days: x\npopulation:\n  cardholders: y\n"))
    assert [line.split(": ")[1] for line in sorted(message.splitlines())] == [
        "key 'horizon.days'",
        "key 'population.cardholders'",
    ]
    many = refusal(write(tmp_path, HEAD + "".join(f"wrong_{k}: 1\n" for k in range(20))))
    assert many.splitlines()[-1] == "... and 8 more"


def test_error_inherited_from_the_base_points_into_the_base(tmp_path: Path) -> None:
    base = write(
        tmp_path, HEAD.replace("mine", "base") + "horizon:\n  days: 100\n  burn_in_days: -3\n", "base.yaml"
    )
    child = write(tmp_path, HEAD.replace("baseline", "base") + "horizon:\n  days: 30\n")
    message = refusal(child)
    assert f"{base.resolve()}:7: key 'horizon.burn_in_days': expected at least 0, found -3" in message


def test_numbers_and_words_are_read_as_written(tmp_path: Path) -> None:
    text = HEAD + 'cardholder_kind: "1"\nparameters: {a: 1e-5, b: 2, c: [1, 2.5], d: {daily: -.5}}\n'
    scenario = load_scenario(write(tmp_path, text))
    assert scenario.cardholder_kind == "1"
    assert scenario.parameters == {"a": 1e-5, "b": 2.0, "c": (1.0, 2.5), "d": {"daily": -0.5}}


def test_extends_a_file_beside_it_and_merges_key_by_key(tmp_path: Path) -> None:
    write(
        tmp_path,
        HEAD.replace("mine", "middle")
        + "horizon: {days: 30}\nshocks:\n  - {kind: channel_outage, channel: sms, day: 1}\n"
        + "expect:\n  - {policy: rfm, metric: inv, min: 0}\n",
        "middle.yaml",
    )
    child = write(
        tmp_path,
        "extends: middle\nname: child\ntitle: Child\ndescription: A test.\n"
        "compliance: {caps: {channel_week: {email: 3}}}\n",
    )
    scenario = load_scenario(child)
    assert scenario.horizon.days == 30
    assert scenario.horizon.burn_in_days == 180
    assert len(scenario.shocks) == 1
    assert scenario.expect == ()  # what CI demands of the base is the base's
    assert scenario.compliance.caps.channel_week == {
        "sms": 2,
        "human_call": 1,
        "ai_call": 1,
        "wecom": 2,
        "email": 3,
    }
    assert load_scenario(child, {"shocks": []}).shocks == ()


def test_name_is_not_inherited(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, "extends: baseline\n"))
    assert [line.split("'")[1] for line in message.splitlines()] == ["name", "title", "description"]


def test_cycles_are_refused(tmp_path: Path) -> None:
    for name, base in (("a", "b"), ("b", "c"), ("c", "a")):
        write(tmp_path, HEAD.replace("baseline", base), f"{name}.yaml")
    message = refusal(tmp_path / "a.yaml")
    assert "c.yaml:1: key 'extends': expected a scenario that does not lead back here, found 'a'" in message
    itself = refusal(write(tmp_path, HEAD.replace("baseline", "mine")))
    assert "mine.yaml:1: key 'extends'" in itself


def test_long_chains_are_refused(tmp_path: Path) -> None:
    for k in range(12):
        write(tmp_path, HEAD.replace("baseline", f"s{k + 1}"), f"s{k}.yaml")
    write(tmp_path, HEAD, "s12.yaml")
    assert "expected a chain of at most 8 files" in refusal(tmp_path / "s0.yaml")


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "sub/other", "..", ".hidden", "a\\b", "~/x", "", "[a]"]
)
def test_extends_does_not_leave_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    write(tmp_path, HEAD, "secret.yaml")
    message = refusal(write(folder, HEAD.replace("baseline", f"'{name}'")))
    assert "mine.yaml:1: key 'extends': expected the plain name of a scenario" in message


def test_extends_does_not_follow_a_link_out_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    write(tmp_path, HEAD, "secret.yaml")
    (folder / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    message = refusal(write(folder, HEAD.replace("baseline", "link")))
    assert "found a link out of it" in message


def test_unknown_base_is_answered_with_the_nearest(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, HEAD.replace("baseline", "base_lin")))
    assert (
        "mine.yaml:1: key 'extends': expected a scenario, found 'base_lin'; did you mean 'baseline'?"
        in message
    )


def test_bombs_are_refused(tmp_path: Path) -> None:
    laughs = "a: &a [x, x, x]\n" + "".join(
        f"{c}: &{c} [*{b}, *{b}]\n" for b, c in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert ":1: expected a value, found the anchor &a" in refusal(write(tmp_path, laughs))
    assert "levels, found deeper nesting" in refusal(write(tmp_path, HEAD + "x: " + "[" * 5000 + "\n"))
    assert "levels, found deeper nesting" in refusal(write(tmp_path, HEAD + "x: " + "{a: " * 5000 + "\n"))
    assert "values, found more" in refusal(write(tmp_path, "x: [" + "1," * 60_000 + "]\n"))
    assert "expected at most 1000000 bytes, found more" in refusal(write(tmp_path, "#" * 1_000_001))


def test_unreadable_files(tmp_path: Path) -> None:
    assert "expected a readable file, found: No such file" in refusal(tmp_path / "none.yaml")
    assert "expected a readable file" in refusal(tmp_path)
    (tmp_path / "bytes.yaml").write_bytes(b"name: a\ntitle: \xff\n")
    assert "bytes.yaml:2: expected UTF-8 text, found byte 0xff" in refusal(tmp_path / "bytes.yaml")
    assert ":2: expected YAML, found" in refusal(write(tmp_path, "name: a\ntitle: \x00\n"))
    for empty in ("", "# nothing\n", "---\n"):
        assert "expected a mapping of keys to values, found nothing" in refusal(write(tmp_path, empty))
    assert "expected a mapping of keys to values, found ['a']" in refusal(write(tmp_path, "- a\n"))


CATALOGUE = """\
offers:
  tea:
    title: Tea
    description: A cup of tea.
    category: daily
    service: offer_push
    dimension: care
    reach: public
    appeal: {value: 0.1, source: "assumed: people like tea"}
    relevance_off: {value: 0.5, source: "assumed: most people do"}
    eligibility: {source: "assumed: everybody"}
"""


def test_own_catalogue(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "offers:\n  catalogue_file: shop.yaml\n")
    write(tmp_path, CATALOGUE, "shop.yaml")
    scenario = load_scenario(path)
    assert scenario.catalogue().names == ("tea",)
    digest = scenario_digest(scenario)
    write(tmp_path, CATALOGUE.replace("value: 0.1", "value: 0.2"), "shop.yaml")
    assert scenario_digest(load_scenario(path)) != digest
    # A scenario elsewhere that extends it still finds the catalogue beside the base.
    write(tmp_path, HEAD.replace("baseline", "mine").replace("name: mine", "name: child"), "child.yaml")
    assert load_scenario(tmp_path / "child.yaml").catalogue().names == ("tea",)
    write(tmp_path, CATALOGUE.replace("daily", "dayly"), "shop.yaml")
    message = refusal(path)
    assert "shop.yaml:5: key 'offers.catalogue.tea.category'" in message
    assert "did you mean 'daily'?" in message


@pytest.mark.parametrize("name", ["../shop.yaml", "/shop.yaml", "3"])
def test_own_catalogue_stays_beside_the_scenario(tmp_path: Path, name: str) -> None:
    message = refusal(write(tmp_path, HEAD + f"offers:\n  catalogue_file: {name}\n"))
    assert "mine.yaml:6: key 'offers.catalogue_file': expected the plain name of a catalogue file" in message


def test_overrides_say_so(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD)
    assert refusal(path, {"horizon.dayz": 1}).startswith(
        "overrides: key 'horizon.dayz': expected a known key"
    )
    assert refusal(path, {"horizon": 1, "horizon.days": 2}).startswith(
        "overrides: key 'horizon.days': expected a mapping"
    )
    assert load_scenario(path, {"horizon": {"days": 7}, "horizon.run_out_days": 0}).horizon.days == 7
