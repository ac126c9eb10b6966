"""From the names that a user gives to a plan: every name is checked before anything runs."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cardarena.benchmarks.arena.plan import Entry, Plan, policy_file
from cardarena.benchmarks.storage import plain
from cardarena.simulator.errors import UnknownNameError


def make_plan(
    *,
    scenarios: Sequence[str] | None = None,
    policies: Sequence[str] | None = None,
    n_seeds: int = 3,
    cardholders: int | None = None,
    days: int | None = None,
    scheduler: str = "cohort",
    curves: bool = True,
) -> Plan:
    """Return the plan of an arena.

    Args:
        scenarios: names or YAML files; every main scenario by default.
        policies: names or `FILE.py:Class`; every shipped policy by default.
        n_seeds: seeds 1 .. n_seeds.
        cardholders: cardholders per world; the scenario's by default.
        days: decision days; the scenario's by default.
        scheduler: `cohort` or `agent`.
        curves: whether dials are run too.

    Raises:
        UnknownNameError: a name that no registry knows.
        ScenarioError: a scenario file that cannot be used.
        PolicyError: a policy file that cannot be used.
    """
    return Plan(
        scenarios=tuple(scenario_entry(name, days, n_seeds) for name in scenarios or main_scenarios()),
        policies=policy_entries(policies),
        n_seeds=n_seeds,
        cardholders=cardholders,
        days=days,
        scheduler=scheduler,
        curves=curves,
    )


def main_scenarios() -> list[str]:
    """Return the scenarios that an arena runs by default: those that are not only for tests."""
    from cardarena.simulator import scenario as scenarios

    chosen = getattr(scenarios, "main_scenario_names", scenarios.scenario_names)
    return [name for name in chosen() if name != "collisions"]


def scenario_entry(spec: str, days: int | None = None, n_seeds: int = 0) -> Entry:
    """Return the entry of a scenario given by name or file."""
    from cardarena.simulator.scenario import load_scenario, scenario_digest

    scenario = load_scenario(spec)
    is_file = Path(spec).suffix in {".yaml", ".yml"}
    return Entry(
        label=scenario.name,
        spec=str(Path(spec).resolve()) if is_file else spec,
        digest=scenario_digest(scenario),
        about=_about_scenario(scenario, days, n_seeds),
    )


def _about_scenario(scenario: Any, days: int | None, n_seeds: int) -> dict[str, Any]:
    about: dict[str, Any] = {}
    for name in ("title", "description", "limits", "run_out_days"):
        value = getattr(scenario, name, None)
        if value is not None:
            about[name] = plain(value)
    about["days"] = days or getattr(scenario, "days", None)
    shocks = getattr(scenario, "shocks", None)
    if shocks:
        about["shocks"] = [_shock(shock, n_seeds) for shock in shocks]
    return about


def _shock(shock: Any, n_seeds: int) -> dict[str, Any]:
    words = plain(shock)
    if not isinstance(words, dict):
        return {"label": str(shock)}
    drawn = getattr(shock, "day_of", None)
    if callable(drawn):
        words["days"] = {str(seed): plain(drawn(seed)) for seed in range(1, n_seeds + 1)}
    elif "day" in words:
        words["days"] = [words["day"]]
    return words


def policy_entries(specs: Sequence[str] | None) -> tuple[Entry, ...]:
    """Return the entries of policies given by name or as `FILE.py:Class`, or of every shipped one."""
    from cardarena.agents.registry import policy_table

    table = {card["name"]: card for card in policy_table()}
    entries = []
    for spec in specs or table:
        entry = policy_file(spec)
        if entry is None:
            if spec not in table:
                raise UnknownNameError("policy", spec, table)
            entry = _registered(table[spec])
        entries.append(entry)
    return tuple(_told_apart(entries))


def _registered(card: dict[str, Any]) -> Entry:
    values = tuple(float(value) for value in card.get("dial_values") or ())
    about = {name: card[name] for name in ("title", "description", "dial") if card.get(name)}
    return Entry(
        label=card["name"],
        spec=card["name"],
        league=card["league"],
        dials=values if len(values) > 1 else (),
        about=about if len(values) > 1 else {**about, "dial": None},
    )


def _told_apart(entries: list[Entry]) -> list[Entry]:
    """Give files of the same name and class in different folders labels that differ."""
    labels = [entry.label for entry in entries]
    specs = {entry.spec for entry in entries}
    if len(specs) < len(entries):  # the same one twice: the plan says so
        return entries
    return [
        Entry(f"{entry.label}#{hashlib.sha256(entry.spec.encode()).hexdigest()[:4]}", entry.spec, entry.digest,
              entry.league, entry.dials, entry.about)
        if labels.count(entry.label) > 1
        else entry
        for entry in entries
    ]  # fmt: skip
