"""A page for each id that Gymnasium knows of ours, from the docstring of its class and the signatures of what builds it.

The docstring's sections become the page's. Under `Observation space` the tables of the columns are added, those of the class's
kind of journeys and those of the offers; before `Version history` come the arguments, found by following sentences of the form
"`settings` are those of `Journeys`" from docstring to docstring.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from enum import Enum
from importlib import import_module
from typing import Any, Final, get_type_hints

from registries import code, feature_rows, number, table, text, write_made
from sphinx.application import Sphinx

#: What an entry point puts in itself, and what is decided on the way to where it is handed on.
_SUPPLIED: Final = frozenset({"self", "pool", "worlds", "n", "days", "kind"})
_DECIDED: Final = frozenset({"threads"})
_FOLLOWED: Final = re.compile(r"`\w+` are those of ([^.]+)\.")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for documents."""
    app.connect("builder-inited", lambda app: write_made(app, pages(), ".md"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def pages() -> dict[str, Callable[[], list[str]]]:
    """Return what writes each id's page, by the page's name."""
    from cardarena.agents.gymnasium_ids import ENTRY_POINTS

    return {page_of(name): lambda name=name: page(name) for name in ENTRY_POINTS}


def page_of(name: str) -> str:
    """Return the name of an id's page."""
    return f"environment-{name.split('/')[-1].lower()}"


def page(name: str) -> list[str]:
    """Return the page of an id."""
    from cardarena.agents.gymnasium_ids import ENTRY_POINTS

    single, vector = (found(entry) if entry else None for entry in ENTRY_POINTS[name])
    made = get_type_hints(single)["return"]
    head, sections = sections_of(made)
    if kind := getattr(made, "kind", None):
        for columns in (kind.observation_table, made.offer_observation_table):
            sections["Observation space"] += ["", *observation(columns)]
    version = sections.pop("Version history", [])
    sections["Arguments"] = argument_table(arguments(single))
    if vector is not None:
        known = {row[0] for row in arguments(single)}
        sections["Vector version"] = [
            f'`gymnasium.make_vec("{name}", num_envs)` steps all of them in one compiled kernel.',
            "It takes the same arguments, and",
            "",
            *argument_table(row for row in arguments(vector) if row[0] not in known),
        ]
    sections["Version history"] = version
    lines = [
        f"# {name.split('/')[-1]}",
        "",
        *head,
        "",
        "```python",
        *_USAGE.format(name).splitlines(),
        "```",
        "",
    ]
    for title, body in sections.items():
        lines += [f"## {title}", "", *body, ""]
    return lines


_USAGE: Final = """import gymnasium
import cardarena.envs

env = gymnasium.make("{}")"""


def found(entry: str) -> Any:
    """Return what an entry point names."""
    module, _, name = entry.partition(":")
    return getattr(import_module(module), name)


def sections_of(made: type) -> tuple[list[str], dict[str, list[str]]]:
    """Return the first lines of a class's docstring, and its sections; what is no section (Attributes) is left out."""
    doc = re.split(r"^Attributes:$", inspect.getdoc(made) or "", flags=re.MULTILINE)[0]
    head, *parts = re.split(r"^## (.+)\n", doc, flags=re.MULTILINE)
    titles, bodies = parts[::2], parts[1::2]
    return head.strip().splitlines(), {
        title: body.strip().splitlines() for title, body in zip(titles, bodies, strict=True)
    }


def observation(columns: Iterable[Any]) -> list[str]:
    """Return the table of an observation's columns: those of the feature function, and what else the environment says."""
    missing = {
        "personalisation_on": "`behaviour_missing`",
        "tracked": "`visits_missing`",
        "sensitive_consent": "no `sensitive_consent`",
    }
    known = {row[1]: row for row in feature_rows()}
    rows = []
    for j, column in enumerate(columns):
        hangs_on = known[column.name][4] if column.name in known else ()
        flags = ", ".join(missing[name] for name in hangs_on)
        rows.append([str(j), code(column.name), text(column.meaning), column.unit, flags])
    return table(["", "Column", "Meaning", "Unit", "Missing where"], rows)


def arguments(taker: Any) -> list[tuple[str, str, str]]:
    """Return name, default and meaning of each argument that a callable takes, and of those that it hands on."""
    maker = taker.__init__ if inspect.isclass(taker) else taker
    docs = [inspect.getdoc(taker) or "", inspect.getdoc(maker) or ""]
    meanings = _described(docs[-1])
    rows = {}
    for parameter in inspect.signature(maker).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD or parameter.name in _SUPPLIED:
            continue
        rows[parameter.name] = (_default(parameter.default), meanings.get(parameter.name, ""))
    for names in _FOLLOWED.findall(" ".join(" ".join(dict.fromkeys(docs)).split())):
        for name in re.findall(r"`(\w+)`", names):
            for known, default, meaning in arguments(getattr(sys.modules[maker.__module__], name)):
                if known in rows:
                    rows[known] = rows[known][0], rows[known][1] or meaning
                elif known not in _DECIDED:
                    rows[known] = default, meaning
    if kind := getattr(taker, "kind", None):
        for known, default, meaning in arguments(kind):
            if known not in _DECIDED:
                rows.setdefault(known, (default, meaning))
    return [(name, *rest) for name, rest in rows.items() if name not in getattr(taker, "without", ())]


def argument_table(rows: Iterable[tuple[str, str, str]]) -> list[str]:
    """Return arguments as a table."""
    return table(["Argument", "Default", "Meaning"], [[code(a), b, c] for a, b, c in rows])


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return "—"
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, float):
        return code(number(value))
    return code(repr(value))


def _described(doc: str) -> dict[str, str]:
    """Return the meanings under `Args:` in a docstring of Google's style."""
    section = re.search(r"^Args:\n((?:    .*\n?|\n)+)", doc, re.MULTILINE)
    parts = re.split(r"^    \*{0,2}(\w+): ", section[1] if section else "", flags=re.MULTILINE)
    # Docstrings write code in backticks, which a table takes as they are.
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return {name: " ".join(said.split()).rstrip(".").replace("|", "\\|") for name, said in pairs}
