"""The JSON Schema of a scenario file, for editors and other languages.

`python -m cardarena.simulator.scenario_schema` writes it to `scenarios/schema.json`, the published copy.
"""

import json
from typing import Any

from cardarena.simulator.scenario import Scenario, scenario_folder


def scenario_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a scenario file, with the keys that are followed before validation."""
    schema = Scenario.model_json_schema()
    schema["properties"]["extends"] = {
        "description": "A scenario beside this file, or a shipped one, that this file changes.",
        "type": "string",
    }
    schema["properties"]["world"] = {
        "description": "A world beside this file, or a shipped one: parameters and channels under those written here.",
        "type": "string",
    }
    del schema["$defs"]["WorldLabel"]
    schema["$defs"]["Offers"]["properties"]["catalogue_file"] = {
        "description": "A catalogue beside this file, in place of the shipped one.",
        "type": "string",
    }
    for definition in schema["$defs"].values():
        _without_titles(definition)
    _without_titles(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "CardArena scenario",
    }


def _without_titles(definition: dict[str, Any]) -> None:
    """Drop the generated titles, which repeat the keys."""
    for value in definition.get("properties", {}).values():
        value.pop("title", None)


def schema_text() -> str:
    """Return the schema as the published file holds it."""
    return json.dumps(scenario_schema(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> None:
    """Write the published copy."""
    (scenario_folder() / "schema.json").write_text(schema_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
