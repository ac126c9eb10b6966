"""YAML as data: read strictly and safely, merged, and validated into models with errors that name file, line and key.

A file becomes plain mappings, lists, texts, numbers and truth values; nothing in it can run, refer or grow. Every key
remembers where it was written, so that an error found by a model three steps later still points at the line.

Only the JSON-like core of YAML is read. YAML 1.1 would turn `no` into false, `21:00` into 1260 and `1e-5` into a text;
here these are a text, a text and a number.
"""

import re
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from cardarena.simulator.errors import ScenarioError, nearest

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 12
MAX_NODES: Final = 50_000
MAX_DIGITS: Final = 30
#: How many errors of one file are reported at once; the rest are usually echoes of these.
MAX_ERRORS: Final = 12

Keys = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)

_WHOLE: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_REAL: Final = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][-+]?[0-9]+)?")
_WORDS: Final = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass(frozen=True)
class Place:
    """Where a key was written: a file and a line counted from 1, or no line if it did not come from a file."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Document:
    """Plain data, and for each path of keys the place where it was written; `()` is the document itself."""

    data: dict[str, Any]
    places: dict[Keys, Place]

    def place(self, keys: Keys) -> Place:
        """Return where `keys`, or its nearest ancestor that was written down, stands."""
        while keys not in self.places:
            keys = keys[:-1]
        return self.places[keys]

    def error(self, keys: Keys, problem: str) -> ScenarioError:
        """Compose the error about the value at `keys`, to be raised by the caller."""
        return ScenarioError(f"{self.place(keys)}: key '{dotted(keys)}': {problem}")


def dotted(keys: Iterable[str | int]) -> str:
    """Write a path of keys as a reader would: `shocks[0].day`."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def shown(value: Any) -> str:
    """Return a value as an error message shows it: short, on one line."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def at_key(key: str, problem: str) -> PydanticCustomError:
    """Return an error that a model's own check raises about one of its keys, whose line is reported.

    Args:
        key: the path below the model, dotted; an item of a list is `#3`.
        problem: what was expected and what was found.
    """
    return PydanticCustomError("at_key", "{problem}", {"problem": problem, "key": key})


def problem(text: str) -> PydanticCustomError:
    """Return an error that a field's own check raises about its value."""
    return PydanticCustomError("at_key", "{problem}", {"problem": text, "key": ""})


def is_path(name_or_path: str | Path) -> bool:
    """Say whether a file is meant, and not a registry name: a `Path`, or text that ends in `.yaml` or holds a slash."""
    text = str(name_or_path)
    return isinstance(name_or_path, Path) or text.endswith((".yaml", ".yml")) or "/" in text or "\\" in text


def read_text(path: Path, shown_as: str | None = None) -> str:
    """Return the text of a file of at most `MAX_BYTES`.

    Raises:
        ScenarioError: no such file, not a file, too large, or not UTF-8.
    """
    name = shown_as or str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ScenarioError(f"{name}: expected a readable file, found: {reason}") from None
    if len(raw) > MAX_BYTES:
        raise ScenarioError(f"{name}: expected at most {MAX_BYTES} bytes, found more")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ScenarioError(
            f"{name}:{line}: expected UTF-8 text, found byte 0x{raw[error.start]:02x}"
        ) from None


def read_document(path: Path, shown_as: str | None = None) -> Document:
    """Read one YAML file; `shown_as` is its name in error messages.

    Raises:
        ScenarioError: unreadable or too large, not YAML, an alias, an anchor, a tag, a repeated key, more than one
            document, nesting deeper than `MAX_DEPTH`, more than `MAX_NODES` values, or no mapping at the top.
    """
    return parse_document(read_text(path, shown_as), shown_as or str(path))


def parse_document(text: str, file: str) -> Document:
    """Parse YAML text as `read_document` does; `file` is its name in error messages."""
    composer = _Composer(text, file)
    try:
        data = composer.document()
    except yaml.YAMLError as error:
        raise ScenarioError(_syntax(error, text, file)) from None
    if not isinstance(data, dict):
        raise ScenarioError(f"{file}:1: expected a mapping of keys to values, found {shown(data)}")
    return Document(data, composer.places)


def _syntax(error: yaml.YAMLError, text: str, file: str) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        return f"{file}:{mark.line + 1}: expected YAML, found: {getattr(error, 'problem', None) or 'a broken line'}"
    line = text.count("\n", 0, getattr(error, "position", 0)) + 1
    return f"{file}:{line}: expected YAML, found: {getattr(error, 'reason', error)}"


class _Composer:
    """Builds plain data from YAML's events; refuses what a data file has no need of."""

    def __init__(self, text: str, file: str) -> None:
        self.places: dict[Keys, Place] = {(): Place(file, 1)}
        self._file = file
        self._nodes = 0
        # The safe loader's scanner and parser; its composer and constructor, which resolve tags, are never called.
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)

    def document(self) -> Any:
        """Return the only document's value, or None where the stream is empty."""
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        value = self._value(next(self._events), ())
        next(self._events)
        rest = next(self._events)
        if not isinstance(rest, yaml.StreamEndEvent):
            raise self._refusal(rest, "one document", "a second one")
        return value

    def _refusal(self, event: yaml.Event, expected: str, found: str) -> ScenarioError:
        return ScenarioError(f"{self._file}:{_line(event)}: expected {expected}, found {found}")

    def _value(self, event: yaml.Event, keys: Keys) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._refusal(event, f"at most {MAX_NODES} values", "more")
        if len(keys) > MAX_DEPTH:
            raise self._refusal(event, f"at most {MAX_DEPTH} levels", "deeper nesting")
        if isinstance(event, yaml.AliasEvent):
            raise self._refusal(event, "a value", f"the alias *{event.anchor} (write the value out)")
        self._plain(event)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(keys)
        return self._mapping(keys)

    def _plain(self, event: yaml.Event) -> None:
        if getattr(event, "anchor", None) is not None:
            raise self._refusal(event, "a value", f"the anchor &{getattr(event, 'anchor', '')}")
        if getattr(event, "tag", None) is not None:
            raise self._refusal(event, "a value without a tag", f"the tag {getattr(event, 'tag', '')}")

    def _sequence(self, keys: Keys) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            here = (*keys, len(items))
            self.places[here] = Place(self._file, _line(event))
            items.append(self._value(event, here))
        return items

    def _mapping(self, keys: Keys) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._refusal(event, "a word as key", "something composed")
            self._plain(event)
            key = event.value
            here = (*keys, key)
            if key in items:
                first = self.places[here].line
                raise self._refusal(event, f"key '{dotted(here)}' once", f"it again (first in line {first})")
            self.places[here] = Place(self._file, _line(event))
            items[key] = self._value(next(self._events), here)
        return items

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        text = event.value
        if not event.implicit[0]:  # quoted: a text, whatever it looks like
            return text
        if text in _WORDS:
            return _WORDS[text]
        if not _REAL.fullmatch(text):
            return text
        if len(text) > MAX_DIGITS:
            raise self._refusal(event, f"a number of at most {MAX_DIGITS} digits", f"{len(text)}")
        return int(text) if _WHOLE.fullmatch(text) else float(text)


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return 1 if mark is None else mark.line + 1


def overrides_document(overrides: Mapping[str, Any], shown_as: str = "overrides") -> Document:
    """Return a program's overrides as a document; a dotted key at the top, `horizon.days`, is a path of keys."""
    data: dict[str, Any] = {}
    for key, value in overrides.items():
        *parents, last = str(key).split(".")
        inner = data
        for parent in parents:
            inner = inner.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise ScenarioError(
                    f"{shown_as}: key '{key}': expected a mapping above it, found {shown(inner)}"
                )
        merged = isinstance(inner.get(last), dict) and isinstance(value, Mapping)
        inner[last] = inner[last] | plain(value) if merged else plain(value)
    places: dict[Keys, Place] = {(): Place(shown_as)}
    for keys in paths(data):
        places[keys] = Place(shown_as)
    return Document(data, places)


def plain(value: Any) -> Any:
    """Return mappings as dicts and sequences as lists, all the way down."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def paths(data: Any, keys: Keys = ()) -> Iterator[Keys]:
    """Yield the path of every key and item below `data`."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs:
        yield (*keys, key)
        yield from paths(value, (*keys, key))


def merge(base: Document, child: Document) -> Document:
    """Return `base` with what `child` says put over it: mappings merge key by key, everything else is replaced."""
    data: dict[str, Any] = {}
    places = {(): child.places[()]}
    _merge_into(data, places, base, child, ())
    return Document(data, places)


def _merge_into(
    data: dict[str, Any], places: dict[Keys, Place], base: Document, child: Document, keys: Keys
) -> None:
    old, new = value_at(base.data, keys), value_at(child.data, keys)
    for key in [*old, *(key for key in new if key not in old)]:
        here = (*keys, key)
        if key in old and key in new and isinstance(old[key], dict) and isinstance(new[key], dict):
            places[here] = child.place(here)
            data[key] = {}
            _merge_into(data[key], places, base, child, here)
            continue
        source = child if key in new else base
        data[key] = (new if key in new else old)[key]
        places[here] = source.place(here)
        for inner in paths(data[key], here):
            places[inner] = source.place(inner)


def has_key(data: Any, key: str | int) -> bool:
    """Return whether a mapping has this key, or a list this item."""
    if isinstance(data, list):
        return isinstance(key, int) and 0 <= key < len(data)
    return isinstance(data, dict) and key in data


def value_at(data: Any, keys: Keys) -> Any:
    """Return the value at a path of keys, or None where there is none."""
    for key in keys:
        if not has_key(data, key):
            return None
        data = data[key]
    return data


def validated(
    model: type[Model], document: Document, also_known: Mapping[Keys, tuple[str, ...]] | None = None
) -> Model:
    """Turn a document into a model.

    Args:
        model: the class to make.
        document: what was read.
        also_known: keys that a reader may write, and that somebody took out before this call, by the path of the
            mapping that they stand in; they only improve the advice.

    Raises:
        ScenarioError: one line an error: `file:line: key 'a.b': expected X, found Y; did you mean 'z'?`.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        details = error.errors(include_url=False)
    lines = [_explained(model, document, detail, also_known or {}) for detail in details[:MAX_ERRORS]]
    if len(details) > MAX_ERRORS:
        lines.append(f"... and {len(details) - MAX_ERRORS} more")
    raise ScenarioError("\n".join(lines))


def _explained(
    model: type[BaseModel],
    document: Document,
    detail: ErrorDetails,
    also_known: Mapping[Keys, tuple[str, ...]],
) -> str:
    keys = _written_path(document.data, detail)
    kind, found = detail["type"], shown(detail["input"])
    context = detail.get("ctx", {})
    if kind == "extra_forbidden":
        wrong = str(keys[-1])
        known = {*_keys_at(model, detail["loc"][:-1]), *also_known.get(keys[:-1], ())} - {wrong}
        text = f"expected a known key, found {wrong!r}; {nearest(wrong, known)}"
    elif kind == "missing":
        text = "expected a value, found nothing"
    elif kind == "at_key":
        keys += tuple(_step(part) for part in context["key"].split(".") if part)
        text = context["problem"]
    elif kind in ("literal_error", "union_tag_invalid"):
        known = re.findall(r"'([^']*)'", context.get("expected") or context.get("expected_tags", ""))
        value = detail["input"]
        if kind == "union_tag_invalid":
            tag = context["discriminator"].strip("'")
            keys, value = (*keys, tag), value[tag]
        text = f"expected one of {', '.join(known)}, found {shown(value)}"
        if isinstance(value, str) and nearest(value, known).startswith("did"):
            text += f"; {nearest(value, known)}"
    elif kind == "union_tag_not_found":
        keys = (*keys, context["discriminator"].strip("'"))
        text = "expected a value, found nothing"
    else:
        text = f"expected {_expectation(detail['msg'])}, found {found}"
    return str(document.error(keys, text))


def _step(part: str) -> str | int:
    return int(part[1:]) if re.fullmatch("#[0-9]{1,6}", part) else part


def _expectation(message: str) -> str:
    """Turn the validator's sentence into what was expected."""
    message = message.removeprefix("Input should be ")
    for prefix, plainer in (
        ("a valid integer", "a whole number"),
        ("a valid number", "a number"),
        ("a valid boolean", "true or false"),
        ("a valid string", "a text"),
        ("a valid tuple", "a list"),
        ("a valid dictionary", "a mapping of keys to values"),
        ("greater than or equal to ", "at least "),
        ("less than or equal to ", "at most "),
    ):
        if message.startswith(prefix):
            return plainer + (message.removeprefix(prefix) if plainer.endswith(" ") else "")
    return message[:1].lower() + message[1:]


def _written_path(data: Any, detail: ErrorDetails) -> Keys:
    """Return the part of the validator's location that a file's author would recognise (without tags of unions)."""
    keys: Keys = ()
    location = detail["loc"]
    for position, key in enumerate(location):
        if has_key(data, key):
            keys, data = (*keys, key), data[key]
        elif detail["type"] == "missing" and position == len(location) - 1:
            keys = (*keys, key)
    return keys


def _keys_at(annotation: Any, location: tuple[str | int, ...]) -> list[str]:
    """Return the keys that the model at `location` knows; nothing where it is no model."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _keys_at(inner[0], location)
    if origin in (Union, types.UnionType):
        return [key for choice in inner for key in _keys_at_choice(choice, location)]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields
        if not location:
            return list(fields)
        field = fields.get(str(location[0]))
        return _keys_at(field.annotation, location[1:]) if field else []
    if inner and location:  # an item of a list or of a mapping
        return _keys_at(inner[-1] if inner[-1] is not Ellipsis else inner[0], location[1:])
    return []


def _keys_at_choice(choice: Any, location: tuple[str | int, ...]) -> list[str]:
    """Follow one member of a union; a tagged member is passed only where the location carries its tag."""
    tag = _tag(choice)
    if tag is not None and location:
        return _keys_at(choice, location[1:]) if location[0] == tag else []
    return _keys_at(choice, location)


def _tag(choice: Any) -> str | None:
    if not (isinstance(choice, type) and issubclass(choice, BaseModel)):
        return None
    kind = choice.model_fields.get("kind")
    if kind is None or get_origin(kind.annotation) is not Literal:
        return None
    return get_args(kind.annotation)[0]
