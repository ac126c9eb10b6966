"""What models of files are made of: strictness, mappings that do not change, and numbers that say where they come from."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field

from cardarena.simulator.errors import nearest
from cardarena.simulator.strict_yaml import Document, Keys, shown


class Strict(BaseModel):
    """A model that refuses unknown keys, changes, conversions between types, infinity and not-a-number."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class FrozenDict(dict[str, Any]):
    """A dict that refuses changes; equal to, printed and pickled like a dict, and hashable."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a scenario does not change; make another one with overrides")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse  # pyright: ignore[reportAssignmentType]

    def __hash__(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)


Source = Annotated[str, Field(min_length=8, max_length=800)]


class Number(Strict):
    """A number and its source: a publication, a row of the survey, or the word `assumed` with the reasoning."""

    value: float
    source: Source


#: What is left out of an offer or a channel is zero because it has no such part, which needs no reference.
NOT_PART = Number(value=0.0, source="not part of it")


def cite(document: Document) -> Document:
    """Replace each `source` that is one word by the text of that name under `references`, and drop that key.

    A source of several words is its own text. A table may so cite one publication many times and quote it once.

    Raises:
        ScenarioError: a source names no reference, or a reference is never cited; with the nearest valid name.
    """
    references = document.data.get("references", {})
    if not isinstance(references, Mapping):
        raise document.error(
            ("references",), f"expected a mapping of names to texts, found {shown(references)}"
        )
    cited: set[str] = set()
    data = {key: value for key, value in document.data.items() if key != "references"}
    for keys, holder in list(_sources(data)):
        name = holder["source"]
        if not isinstance(name, str) or " " in name:
            continue
        if name not in references:
            raise document.error(
                (*keys, "source"), f"expected a reference, found {name!r}; {nearest(name, references)}"
            )
        cited.add(name)
        holder["source"] = references[name]
    for name in references:
        if name not in cited:
            raise document.error(("references", name), "expected a citation of it, found none")
    return Document(data, document.places)


def _sources(data: Any, keys: Keys = ()) -> Iterator[tuple[Keys, dict[str, Any]]]:
    """Yield every mapping below `data` that has a `source`, with its path."""
    if isinstance(data, dict):
        if "source" in data:
            yield keys, data
        for key, value in data.items():
            yield from _sources(value, (*keys, key))
    elif isinstance(data, list):
        for key, value in enumerate(data):
            yield from _sources(value, (*keys, key))
