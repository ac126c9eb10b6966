"""Scenarios by name or file: what the market and the bank are like, for how long, under which rules.

A file may build on another one with `extends`; mappings merge key by key, everything else is replaced. `name`, `title`,
`description`, `is_main` and `expect` say what a file itself is, and are not inherited. A file may name a `world`, whose
parameters and channels lie under those that the scenario writes itself.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import cardarena.scenarios
from cardarena.simulator.bank.catalogue import read_offers
from cardarena.simulator.errors import UnknownNameError, nearest
from cardarena.simulator.parameter_sets import read_world, under, world_folder, world_names, world_path
from cardarena.simulator.scenario_model import Scenario, drawn_day
from cardarena.simulator.strict_yaml import (
    Document,
    Keys,
    is_path,
    merge,
    overrides_document,
    paths,
    read_document,
    shown,
    validated,
    value_at,
)

__all__ = [
    "Scenario",
    "drawn_day",
    "load_scenario",
    "main_scenario_names",
    "scenario_digest",
    "scenario_folder",
    "scenario_names",
]

#: What a scenario file says of itself and does not hand on.
OWN_KEYS: Final = ("name", "title", "description", "is_main", "expect")
#: Keys that a file may hold, and that are followed before the model is made.
DIRECTIVES: Final[dict[Keys, tuple[str, ...]]] = {(): ("extends", "world"), ("offers",): ("catalogue_file",)}
MAX_EXTENDS: Final = 8

_FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}(\.ya?ml)?")


def scenario_folder() -> Path:
    """Return the folder of the shipped scenarios."""
    return Path(cardarena.scenarios.__file__).resolve().parent


def scenario_names() -> tuple[str, ...]:
    """Return the names of the shipped scenarios; `baseline` first, the others sorted."""
    names = sorted(path.stem for path in scenario_folder().glob("*.yaml"))
    return tuple(sorted(names, key=lambda name: name != "baseline"))


@lru_cache(maxsize=1)
def main_scenario_names() -> tuple[str, ...]:
    """Return the shipped scenarios that the published arena runs; the others test the machinery."""
    return tuple(name for name in scenario_names() if load_scenario(name).is_main)


def load_scenario(
    name_or_path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    known_parameters: Iterable[str] | None = None,
    known_policies: Iterable[str] | None = None,
) -> Scenario:
    """Read a shipped scenario by its name, or any scenario file.

    Args:
        name_or_path: a name; or a path, if it is a `Path`, ends in `.yaml` or holds a slash.
        overrides: values put over the file's, nested or with dotted keys (`{"horizon.days": 30}`); `world`, a name or a
            path, takes the place of the file's and like it lies under everything that is written in the scenario.
        known_parameters: names that `parameters` may hold; unchecked without.
        known_policies: names that the horizon and `expect` may hold; unchecked without.

    Raises:
        UnknownNameError: no shipped scenario of that name.
        ScenarioError: a file that cannot be used; says file, line, key, what was expected and what was found.

    Example:
        >>> load_scenario("baseline", {"horizon.days": 30}).horizon.days
        30
    """
    path, is_shipped = _locate(name_or_path)
    document = _with_bases(path, _shown_name(path) if is_shipped else str(path), ())
    document = _with_catalogue(document, path.parent)
    document = _with_world_found(document, path.parent)
    world = document.data.pop("world", None)
    if overrides:
        written = overrides_document(overrides)
        given = written.data.pop("world", None)
        world = world if given is None else _world_given(written, given)
        document = merge(document, written)
    if world is not None:
        document = merge(under(read_world(world)), document)
    scenario = validated(Scenario, document, DIRECTIVES)
    if known_parameters is not None:
        _check_names(
            document,
            "parameter",
            known_parameters,
            [(("parameters", name), name) for name in scenario.parameters],
        )
    if known_policies is not None:
        _check_names(document, "policy", known_policies, _policies(scenario))
    return scenario


def scenario_digest(scenario: Scenario) -> str:
    """Return the SHA-256 of a scenario's canonical JSON, as hexadecimal text."""
    text = json.dumps(
        scenario.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=True
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _locate(name_or_path: str | Path) -> tuple[Path, bool]:
    if is_path(name_or_path):
        return Path(name_or_path), False
    if name_or_path not in scenario_names():
        raise UnknownNameError("scenario", str(name_or_path), scenario_names())
    return scenario_folder() / f"{name_or_path}.yaml", True


def _shown_name(path: Path) -> str:
    return f"scenarios/{path.name}"


def _with_world_found(document: Document, folder: Path) -> Document:
    """Replace the name of a world by its file: the scenario that builds on this one may stand elsewhere."""
    name = document.data.get("world")
    if "world" not in document.data or isinstance(name, Path):
        return document
    found = (world_folder(), world_names())
    path = _beside_or_shipped(document, ("world",), name, folder, "a world", found)
    return Document(document.data | {"world": path}, document.places)


def _world_given(document: Document, given: Any) -> Path:
    if not isinstance(given, str | Path):
        raise document.error(("world",), f"expected the name or the file of a world, found {shown(given)}")
    try:
        return world_path(given)
    except UnknownNameError as error:
        raise document.error(
            ("world",), f"expected a world, found {given!r}; {nearest(error.name, error.known)}"
        ) from None


def _with_bases(path: Path, shown_as: str, chain: tuple[Path, ...]) -> Document:
    """Read a file and put it over the one that it extends."""
    document = read_document(path, shown_as)
    if "extends" not in document.data:
        return document
    base_name = document.data["extends"]
    chain = (*chain, _resolved(path))
    base_path = _beside_or_shipped(document, ("extends",), base_name, path.parent, "a scenario")
    if _resolved(base_path) in chain:
        raise document.error(
            ("extends",), f"expected a scenario that does not lead back here, found {base_name!r}"
        )
    if len(chain) > MAX_EXTENDS:
        raise document.error(("extends",), f"expected a chain of at most {MAX_EXTENDS} files, found more")
    is_shipped = _resolved(base_path).parent == scenario_folder()
    base = _with_bases(base_path, _shown_name(base_path) if is_shipped else str(base_path), chain)
    own = Document({key: value for key, value in document.data.items() if key != "extends"}, document.places)
    # Its catalogue and its world stand beside the base, so they are followed there.
    base = _with_catalogue(base, base_path.parent)
    base = _with_world_found(base, base_path.parent)
    handed_on = {key: value for key, value in base.data.items() if key not in OWN_KEYS}
    return merge(Document(handed_on, base.places), own)


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, or a name that no file can have
        return path.absolute()


def _beside_or_shipped(
    document: Document,
    keys: Keys,
    name: Any,
    folder: Path,
    kind: str,
    shipped: tuple[Path, tuple[str, ...]] | None = None,
) -> Path:
    """Return the file of that plain name beside the file that names it, or else among the shipped ones.

    Args:
        document: the file that names it.
        keys: under which key.
        name: what stands there.
        folder: of the file that names it.
        kind: what is named, with its article.
        shipped: folder and names of the shipped ones; the scenarios' by default.
    """
    shipped_folder, shipped_names = shipped or (scenario_folder(), scenario_names())
    if not isinstance(name, str) or not _FILE_NAME.fullmatch(name):
        raise document.error(
            keys, f"expected the plain name of {kind} beside this file or shipped, found {shown(name)}"
        )
    file_name = name if name.endswith((".yaml", ".yml")) else f"{name}.yaml"
    for place in (_resolved(folder), shipped_folder):
        candidate = place / file_name
        if candidate.is_file():
            if _resolved(candidate).parent != place:
                raise document.error(
                    keys, f"expected {kind} inside its folder, found a link out of it: {name!r}"
                )
            return candidate
    itself = Path(document.place(()).file).stem
    known = ({path.stem for path in folder.glob("*.yaml")} | set(shipped_names)) - {itself}
    raise document.error(keys, f"expected {kind}, found {name!r}; {nearest(name, known)}")


def _with_catalogue(document: Document, folder: Path) -> Document:
    """Replace `offers.catalogue_file` by the offers of that file, each still knowing its line."""
    keys: Keys = ("offers", "catalogue_file")
    name = value_at(document.data, keys)
    offers = document.data.get("offers")
    if not isinstance(offers, dict) or "catalogue_file" not in offers:
        return document
    if name is None:
        raise document.error(keys, "expected a file name, found nothing")
    if "catalogue" in offers:
        raise document.error(keys, "expected one catalogue, found a file and offers written here")
    path = _beside_or_shipped(document, keys, name, folder, "a catalogue file")
    table = read_offers(path)
    rest = {key: value for key, value in offers.items() if key != "catalogue_file"}
    unknown = [key for key in table.data if key != "offers"]
    if unknown or not isinstance(table.data.get("offers"), dict):
        raise table.error(
            tuple(unknown[:1]) or ("offers",), "expected a catalogue: 'references' and a mapping 'offers'"
        )
    data = {**document.data, "offers": {**rest, "catalogue": table.data["offers"]}}
    places = {place: where for place, where in document.places.items() if place != keys}
    places[("offers", "catalogue")] = table.place(("offers",))
    for inner in paths(table.data["offers"]):
        places[("offers", "catalogue", *inner)] = table.place(("offers", *inner))
    return Document(data, places)


def _policies(scenario: Scenario) -> list[tuple[Keys, str]]:
    named: list[tuple[Keys, str]] = [
        (("horizon", "burn_in_policy"), scenario.horizon.burn_in_policy),
        (("horizon", "run_out_policy"), scenario.horizon.run_out_policy),
    ]
    for position, phase in enumerate(scenario.horizon.burn_in_phases or ()):
        named.append((("horizon", "burn_in_phases", position, "policy"), phase.policy))
    for position, expected in enumerate(scenario.expect):
        named.append((("expect", position, "policy"), expected.policy))
        if expected.relative_to is not None:
            named.append((("expect", position, "relative_to"), expected.relative_to))
    return named


def _check_names(
    document: Document, kind: str, known: Iterable[str], named: Iterable[tuple[Keys, str]]
) -> None:
    known = tuple(known)
    for keys, name in named:
        if name not in known:
            raise document.error(keys, f"expected a {kind}, found {name!r}; {nearest(name, known)}")
