"""From the names that a user gives to a plan: every name is checked before anything runs."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cardarena.benchmarks.arena.plan import TRAINED_SEEDS, TRAINED_WORLD, Entry, Plan, policy_file
from cardarena.benchmarks.storage import plain
from cardarena.simulator.errors import UnknownNameError
from cardarena.simulator.strict_yaml import is_path

if TYPE_CHECKING:
    from cardarena.simulator.scenario import Scenario

#: The metric that each limit of a scenario bounds.
_LIMIT_METRICS: Final = {
    "max_marketing_complaints_per_1000_month": "marketing_complaints_expected",
    "max_opt_out_share": "opt_out_share",
    "max_breaches": "breaches",
}


def make_plan(
    *,
    scenarios: Sequence[str] | None = None,
    policies: Sequence[str] | None = None,
    n_seeds: int = 3,
    cardholders: int | None = None,
    days: int | None = None,
    scheduler: str = "cohort",
    curves: bool = True,
    world: str | None = None,
    allow_training: bool = False,
) -> Plan:
    """Return the plan of an arena.

    Args:
        scenarios: names or YAML files; every main scenario by default.
        policies: names, `FILE.py:Class` or folders of trained agents; every shipped policy by default.
        n_seeds: seeds 1 .. n_seeds.
        cardholders: cardholders per world; the scenario's by default.
        days: decision days; the scenario's by default.
        scheduler: `cohort` or `agent`.
        curves: whether dials are run too.
        world: name or file of a parameter set, in place of those that the scenarios name.
        allow_training: whether a training world may be played in, which no ranking may.

    Raises:
        UnknownNameError: a name that no registry knows.
        ScenarioError: a scenario file that cannot be used.
        PolicyError: a policy file that cannot be used.
    """
    return Plan(
        scenarios=tuple(
            scenario_entry(name, days, n_seeds, world, allow_training)
            for name in scenarios or main_scenarios()
        ),
        policies=policy_entries(policies),
        n_seeds=n_seeds,
        cardholders=cardholders,
        days=days,
        scheduler=scheduler,
        curves=curves,
        world=world if world is None else _found_anywhere(world),
    )


def _found_anywhere(name_or_path: str) -> str:
    """Return a name as it is, and a file by its whole path."""
    return str(Path(name_or_path).resolve()) if is_path(name_or_path) else name_or_path


def main_scenarios() -> tuple[str, ...]:
    """Return the scenarios that an arena runs by default; the others test the machinery."""
    from cardarena.simulator.scenario import main_scenario_names

    return main_scenario_names()


def scenario_entry(
    spec: str,
    days: int | None = None,
    n_seeds: int = 0,
    world: str | None = None,
    allow_training: bool = False,
) -> Entry:
    """Return the entry of a scenario given by name or file, in the world that is given or that it names.

    Raises:
        UnknownNameError: no shipped scenario of that name.
        ScenarioError: a file that cannot be used, or a training world.
    """
    from cardarena.simulator.parameter_sets import refuse_training
    from cardarena.simulator.scenario import scenario_digest

    scenario = checked_scenario(spec, world)
    if not allow_training:
        refuse_training(scenario.world)
    return Entry(
        label=scenario.name,
        spec=_found_anywhere(spec),
        digest=scenario_digest(scenario),
        about={
            "title": scenario.title,
            "description": scenario.description,
            "days": days or scenario.horizon.days,
            "run_out_days": scenario.horizon.run_out_days,
            "limits": _limits(scenario),
            **({} if scenario.world is None else {"world": plain(scenario.world)}),
            "shocks": [_shock(scenario, i, n_seeds) for i in range(len(scenario.shocks))],
        },
    )


def checked_scenario(spec: str, world: str | None = None) -> "Scenario":
    """Return a scenario whose parameters and policies all exist, in a world other than its own if one is given.

    Raises:
        UnknownNameError: no shipped scenario of that name.
        ScenarioError: a file that cannot be used; says file, line, key, what was expected and what was found.
    """
    from cardarena.agents.registry import policy_names
    from cardarena.simulator.behaviour.parameters import parameter_names
    from cardarena.simulator.scenario import load_scenario

    overrides = {} if world is None else {"world": world}
    scenario = load_scenario(spec, overrides, known_parameters=parameter_names())
    horizon = scenario.horizon
    named = [horizon.run_out_policy, *(phase.policy for phase in horizon.phases())]
    named += [expected.policy for expected in scenario.expect]
    # A file as a policy is known only when it is loaded.
    if any(".py:" in name for name in named):
        return scenario
    return load_scenario(spec, overrides, known_parameters=parameter_names(), known_policies=policy_names())


def _limits(scenario: "Scenario") -> dict[str, float]:
    """Return the scenario's limits as the most that a metric may be."""
    limits = {name: getattr(scenario.limits, key) for key, name in _LIMIT_METRICS.items()}
    return {name: float(value) for name, value in limits.items() if value is not None}


def _shock(scenario: "Scenario", index: int, n_seeds: int) -> dict[str, Any]:
    """Return a shock, and the day on which it begins in each seed."""
    from cardarena.simulator.behaviour.randomness import SHOCK_DAY
    from cardarena.simulator.scenario import drawn_day
    from cardarena.simulator.setup import scenario_uniform, world_key

    shock = scenario.shocks[index]
    days = {
        str(seed): drawn_day(
            shock.day, shock.day_jitter_days, scenario_uniform(world_key(seed), SHOCK_DAY, index)
        )
        for seed in range(1, n_seeds + 1)
    }
    return {**plain(shock), "label": shock.kind.replace("_", " "), "days": days}


def policy_entries(specs: Sequence[str] | None) -> tuple[Entry, ...]:
    """Return the entries of policies given by name, by `FILE.py:Class` or by a trained agent's folder; or all shipped ones.

    Raises:
        UnknownNameError: no policy has this name.
        PolicyError: a file or a folder that cannot be used.
    """
    from cardarena.agents.registry import policy_table, trained_folders
    from cardarena.agents.rl.folder import is_agent_folder

    table = {card["name"]: card for card in policy_table()}
    entries = []
    for spec in specs or table:
        entry = policy_file(spec)
        if entry is None:
            if spec in table:
                entry = _registered(table[spec])
                entry = _trained(trained_folders()[spec], entry) if spec in trained_folders() else entry
            elif is_agent_folder(spec):
                entry = _trained(Path(spec))
            else:
                raise UnknownNameError("policy", spec, table)
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


def _trained(folder: Path, shipped: Entry | None = None) -> Entry:
    """Return the entry of a folder, which tells what it was trained or tuned on; of a shipped one, by its name."""
    from cardarena.agents.registry import make_policy, policy_names
    from cardarena.agents.rl.folder import read_card

    policy = make_policy(str(folder))  # checks the folder through and through
    card = read_card(folder)
    digest = hashlib.sha256(card.model_dump_json().encode()).hexdigest()[:16]
    about = {
        "title": card.title,
        "description": card.summary,
        TRAINED_SEEDS: list(card.training.world_seeds),
        TRAINED_WORLD: card.training.world,
        "budget": {
            "cardholder_days": card.training.cardholder_days,
            "trials": card.training.trials,
            "seconds": card.training.seconds,
        },
    }
    if shipped is not None:
        return replace(shipped, digest=digest, about={**shipped.about, **about})
    # A table must not take it for the registered policy of that name.
    label = f"{card.name}#{digest[:4]}" if card.name in policy_names() else card.name
    return Entry(label, str(folder.resolve()), digest, policy.league, about={**about, "dial": None})


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
