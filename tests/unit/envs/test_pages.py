"""The environments' pages say what the environments are: every column, term, cost and argument."""

import ast
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import gymnasium
import pytest
from tests.fakes.small_pools import ARGUMENTS

from cardarena.agents.gymnasium_ids import ENTRY_POINTS

pytest.importorskip("sphinx")
EXTENSIONS = str(Path(__file__).resolve().parents[3] / "docs" / "_ext")
SECTIONS = [
    "Description", "Action space", "Observation space", "Rewards", "Costs", "Starting state", "Episode end", "Info",
    "Arguments", "Version history",
]  # fmt: skip


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(EXTENSIONS)
    yield import_module("environments")
    for name in ("environments", "registries"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", sorted(ENTRY_POINTS))
def test_a_page_has_every_section_and_names_what_the_environment_tells(name: str, made: Any) -> None:
    lines = made.page(name)
    titles = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert [title for title in titles if title in SECTIONS] == SECTIONS
    env = gymnasium.make(name, **ARGUMENTS)
    _, info = env.reset(seed=1)
    text = "\n".join(lines)
    for key in (*info, *info["reward_terms"], *info["costs"]):
        assert f"`{key}`" in text or f'info["{key}"]' in text, key


@pytest.mark.parametrize("name", sorted(name for name, (_, vector) in ENTRY_POINTS.items() if vector))
def test_the_observation_tables_are_the_environments_columns(name: str, made: Any) -> None:
    env: Any = gymnasium.make(name, **ARGUMENTS).unwrapped
    text = "\n".join(made.page(name))
    spaces = env.observation_space.spaces.values()
    sizes = [len(env.feature_names), len(env.offer_feature_names) * len(env.journeys.codec.offers)]
    assert [space.shape for space in spaces] == [(size,) for size in sizes]
    last = 0
    for names in (env.feature_names, env.offer_feature_names):
        for j, column in enumerate(names):
            last = text.index(f"| {j} | `{column}` |", last)
        assert f"| {len(names)} | `" not in text[last:].split("\n\n")[0]


def test_a_table_says_what_is_missing_where(made: Any) -> None:
    text = "\n".join(made.page("CardArena/Cardholder-v0"))
    rows = {
        row.split("`")[1]: row for row in text.splitlines() if row.startswith("| ") and row.count("`") >= 2
    }
    assert "`behaviour_missing`" in rows["spend_28d_cny"]
    assert "`visits_missing`" in rows["visits_28d"]
    assert "no `sensitive_consent`" in rows["context_spend_28d_daily_cny"]
    assert rows["opens_28d"].endswith("|  |  |")


@pytest.mark.parametrize("name", sorted(ENTRY_POINTS))
def test_every_argument_has_a_meaning_and_is_taken_with_its_default(name: str, made: Any) -> None:
    shown = made.arguments(made.found(ENTRY_POINTS[name][0]))
    assert all(meaning for _, _, meaning in shown)
    defaults = {argument: default for argument, default, _ in shown if argument not in ARGUMENTS}
    assert {"reward", "horizon", "terminal_value", "difficulty", "held_out_offers"} <= set(defaults)
    # The issue's: "Scenario, population size, horizon, reward form and difficulty are arguments".
    assert {"scenario", "n_cardholders"} <= {argument for argument, _, _ in shown}
    given = {key: ast.literal_eval(value.strip("`")) for key, value in defaults.items()}
    env = gymnasium.make(name, **ARGUMENTS, **given)
    assert env.reset(seed=1)[0] is not None


def test_an_argument_without_meaning_would_be_seen(made: Any) -> None:
    def maker(*, known: int = 1, unknown: float = 0.5) -> None:
        """Make.

        Args:
            known: of the two.
        """

    assert made.arguments(maker) == [("known", "`1`", "of the two"), ("unknown", "`0.5`", "")]
