"""Worlds by name or file: parameter sets with which a scenario is played, and what each is for.

A world says how people behave; a scenario says what the market and the bank are like. A scenario's own `parameters` and
`channels` lie over its world's.
"""

from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, WithJsonSchema

import cardarena.scenarios
from cardarena.simulator.bank.catalogue import ChannelName
from cardarena.simulator.bank.sourced import Strict
from cardarena.simulator.errors import ScenarioError, UnknownNameError
from cardarena.simulator.population.survey import Survey
from cardarena.simulator.scenario_model import (
    ChannelOverride,
    FrozenDict,
    Name,
    ParameterValue,
    Split,
    WorldLabel,
)
from cardarena.simulator.strict_yaml import Document, Keys, is_path, paths, read_document, validated

TRAIN: Final = "train"

_frozen = AfterValidator(FrozenDict)


class ParameterSet(Strict):
    """A world: behavioural parameters that go together, and where they come from.

    Attributes:
        name: registry name; of a shipped world also the file's.
        title: what a table shows.
        split: what it is for: policies are trained on `train`, chosen on `validation`, ranked on `test`; `reference` is
            none of these, such as a bank's own.
        parameters: behavioural parameters that differ from the shipped ones, by name.
        channels: what differs from the shipped channels, by name.
        survey: a bank's own survey, raked: who the cardholders of the `survey` mode are.
        provenance: how it was made; told, never read.
    """

    name: Name
    title: Annotated[str, Field(min_length=1, max_length=80)]
    split: Split
    parameters: Annotated[dict[str, ParameterValue], _frozen] = Field(default_factory=FrozenDict)
    channels: Annotated[dict[ChannelName, ChannelOverride], _frozen] = Field(default_factory=FrozenDict)
    survey: Survey | None = None
    provenance: Annotated[dict[str, Any], _frozen, WithJsonSchema({"type": "object"})] = Field(
        default_factory=FrozenDict
    )


def world_folder() -> Path:
    """Return the folder of the shipped worlds."""
    return Path(cardarena.scenarios.__file__).resolve().parent / "worlds"


def world_names() -> tuple[str, ...]:
    """Return the names of the shipped worlds, sorted."""
    return tuple(sorted(path.stem for path in world_folder().glob("*.yaml")))


def world_path(name_or_path: str | Path) -> Path:
    """Return the file of a shipped world by its name, or of any world by its path.

    Args:
        name_or_path: a name; or a path, if it is a `Path`, ends in `.yaml` or holds a slash.

    Raises:
        UnknownNameError: no shipped world of that name.
    """
    if is_path(name_or_path):
        return Path(name_or_path)
    if name_or_path not in world_names():
        raise UnknownNameError("world", str(name_or_path), world_names())
    return world_folder() / f"{name_or_path}.yaml"


def load_world(name_or_path: str | Path) -> ParameterSet:
    """Read a shipped world by its name, or any world file.

    Raises:
        UnknownNameError: no shipped world of that name.
        ScenarioError: a file that cannot be used; says file, line, key, what was expected and what was found.
    """
    return validated(ParameterSet, read_world(world_path(name_or_path)))


def read_world(path: Path) -> Document:
    """Return a world file as a document that makes a `ParameterSet`.

    Raises:
        ScenarioError: it does not; says file, line, key, what was expected and what was found.
    """
    shown_as = f"worlds/{path.name}" if path.parent == world_folder() else str(path)
    document = read_document(path, shown_as)
    validated(ParameterSet, document)
    return document


def under(world: Document) -> Document:
    """Return what a world puts under a scenario, and its label."""
    data: dict[str, Any] = {key: world.data[key] for key in ("parameters", "channels") if key in world.data}
    if "survey" in world.data:
        data["population"] = {"survey": world.data["survey"]}
    label = WorldLabel(name=world.data["name"], split=world.data["split"])
    places: dict[Keys, Any] = {(): world.place(()), ("world",): world.place(())}
    for keys in paths(data):
        places[keys] = world.place(keys[1:] if keys[0] == "population" else keys)
    return Document(data | {"world": label.model_dump()}, places)


def world_overrides(name_or_path: str | Path | None) -> dict[str, Any]:
    """Return the overrides that put a scenario into a world: its name or path, and what it says, for the record.

    Raises:
        UnknownNameError: no shipped world of that name.
        ScenarioError: a file that cannot be used.
    """
    if name_or_path is None:
        return {}
    world = load_world(name_or_path)
    said = world.model_dump(mode="json", exclude_unset=True, include={"parameters", "channels"})
    if world.survey is not None:
        said["population"] = {"survey": world.survey.model_dump(mode="json")}
    return {"world": str(name_or_path), **said}


def refuse_training(world: WorldLabel | None) -> None:
    """Refuse a world that policies are trained on: what was learned in it proves nothing in it.

    Args:
        world: the label of a scenario's world; None for the shipped parameters, which are nobody's training world.

    Raises:
        ScenarioError: it is a training world.
    """
    if world is not None and world.split == TRAIN:
        raise ScenarioError(
            f"world {world.name!r}: expected one to evaluate in (validation, test or reference), found a training "
            "world; policies may have learned in it"
        )
