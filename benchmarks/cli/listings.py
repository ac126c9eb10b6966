"""What `cardarena list` shows: rows of plain values from the registries."""

from typing import Any, Final

from cardarena.simulator.errors import UnknownNameError

#: Columns of the plain table; JSON has all.
_COLUMNS: Final = {
    "scenarios": ["name", "is_main", "days", "run_out_days", "cardholders", "title"],
    "worlds": ["name", "split", "moved", "title"],
    "policies": ["name", "league", "every_days", "dial", "title"],
    "offers": ["name", "category", "service", "dimension", "reach", "title"],
    "channels": ["name", "cost_cny", "p_fail", "quiet_hours", "shown"],
    "metrics": ["name", "unit", "direction", "group", "title"],
    "parameters": ["name", "value", "unit", "source"],
}
_WIDEST: Final = 60


def rows_of(what: str) -> list[dict[str, Any]]:
    """Return one row of plain values for each thing of the kind `what`.

    Raises:
        UnknownNameError: there is no such kind.
    """
    kinds = {
        "scenarios": _scenarios,
        "worlds": _worlds,
        "policies": _policies,
        "offers": _offers,
        "channels": _channels,
        "metrics": _metrics,
        "parameters": _parameters,
    }
    if what not in kinds:
        raise UnknownNameError("list", what, kinds)
    return kinds[what]()


def shown_columns(what: str, rows: list[dict[str, Any]]) -> list[str]:
    """Return the columns of the plain table that any row has a value for."""
    return [name for name in _COLUMNS[what] if any(row.get(name) not in (None, "") for row in rows)]


def shown(value: Any) -> str:
    """Return a value as a cell of the plain table: short, one line."""
    if value is None:
        return "-"
    if isinstance(value, dict):
        text = _shown_dict(value)
    elif isinstance(value, list | tuple):
        text = " ".join(f"{item:g}" if isinstance(item, float) else str(item) for item in value)
    elif isinstance(value, float):
        text = f"{value:g}"
    else:
        text = " ".join(str(value).split())
    return text if len(text) <= _WIDEST else text[: _WIDEST - 3] + "..."


def _shown_dict(value: dict[str, Any]) -> str:
    if "value" in value:
        return f"{value['value']:g}"
    if {"from_minute", "to_minute"} <= set(value):
        begin, end = value["from_minute"], value["to_minute"]
        if begin == end:
            return "never"
        return f"{begin // 60:02d}:{begin % 60:02d}-{end // 60:02d}:{end % 60:02d}"
    return ", ".join(f"{name} {item}" for name, item in value.items())


def _scenarios() -> list[dict[str, Any]]:
    from cardarena.simulator.scenario import load_scenario, scenario_names

    return [
        {
            "name": name,
            "title": scenario.title,
            "is_main": scenario.is_main,
            "days": scenario.horizon.days,
            "run_out_days": scenario.horizon.run_out_days,
            "cardholders": scenario.population.cardholders,
            "description": scenario.description,
        }
        for name, scenario in ((name, load_scenario(name)) for name in scenario_names())
    ]


def _worlds() -> list[dict[str, Any]]:
    from cardarena.simulator.parameter_sets import load_world, world_names

    return [
        {
            "name": world.name,
            "title": world.title,
            "split": world.split,
            "moved": len(world.parameters)
            + sum(len(fields.model_dump(exclude_unset=True)) for fields in world.channels.values()),
        }
        for world in map(load_world, world_names())
    ]


def _policies() -> list[dict[str, Any]]:
    from cardarena.agents.registry import policy_table

    return [dict(card) for card in policy_table()]


def policy_card(spec: str) -> dict[str, Any]:
    """Return the card of a policy given by name or as `FILE.py:Class`: plain values, its docstring as `text`.

    Raises:
        UnknownNameError: no policy has this name.
        PolicyError: a file that cannot be used.
    """
    from inspect import getdoc

    from cardarena.agents.registry import make_policy, policy_table

    policy = make_policy(spec)
    registered = {card["name"]: card for card in policy_table()}.get(spec, {})
    values = tuple(registered.get("dial_values") or ())
    dialled = len(values) > 1
    return {
        "name": policy.name,
        "title": registered.get("title") or getattr(policy, "title", ""),
        "league": policy.league,
        "every_days": policy.every_days,
        "decide_minute": policy.decide_minute,
        "oracle": "yes" if policy.oracle else "",
        "dial": registered["dial"] if dialled else "none" if registered else None,
        "dial_default": f"{registered['dial_default']:g}" if dialled else None,
        "dial_values": values if dialled else None,
        "summary": registered.get("description") or getattr(policy, "summary", ""),
        "text": getdoc(type(policy)) or "It has no docstring.",
    }


def _offers() -> list[dict[str, Any]]:
    from cardarena.simulator.bank.catalogue import load_offers

    catalogue = load_offers()
    return [
        {"name": name, **offer.model_dump(mode="json")}
        for name, offer in zip(catalogue.names, catalogue.offers, strict=True)
    ]


def _channels() -> list[dict[str, Any]]:
    from cardarena.simulator.bank.catalogue import load_channel_table

    return [
        {"name": name, **channel.model_dump(mode="json")} for name, channel in load_channel_table().items()
    ]


def _metrics() -> list[dict[str, Any]]:
    from cardarena.benchmarks.metrics import METRICS

    names = ("name", "title", "formula", "unit", "direction", "group", "estimand")
    return [{name: getattr(metric, name) for name in names} for metric in METRICS.values()]


def _parameters() -> list[dict[str, Any]]:
    from dataclasses import asdict

    from cardarena.simulator.behaviour.parameters import PARAMETERS

    return [asdict(parameter) for parameter in PARAMETERS]
