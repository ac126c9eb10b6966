"""What the pages for scientists take from the code: where numbers come from, and how each target is measured.

Pages stand in `reference/`, like those of `registries`. Fragments (`reference/*.inc`) are included by pages that are written
by hand.
"""

import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from importlib.util import find_spec
from math import isnan
from typing import TYPE_CHECKING, Any, Final

from registries import code, number, page, table, text, write_made
from sphinx.application import Sphinx

if TYPE_CHECKING:
    from cardarena.benchmarks.validation.targets import Target

FRAGMENTS: Final[dict[str, Callable[[], list[str]]]] = {}
KINDS: Final = ("assumed", "fitted", "sourced")


def fragment(function: Callable[[], list[str]]) -> Callable[[], list[str]]:
    """Write what `function` returns to the fragment of its name."""
    FRAGMENTS[function.__name__.replace("_", "-")] = function
    return function


def write_fragments(app: Sphinx) -> None:
    """Write every fragment that differs from what is on disk."""
    write_made(app, FRAGMENTS, ".inc")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the fragments before Sphinx reads the pages that include them."""
    app.connect("builder-inited", write_fragments)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


# --- where numbers come from


def kind_of(source: str) -> str:
    """Return what a source says of itself: `assumed` wins over `fitted` (a target or a shape), the rest is `sourced`."""
    if "assumed" in source:
        return "assumed"
    return "fitted" if re.search(r"\bfitted\b|\btargets?\b|\bshape:", source) else "sourced"


def _population_sources() -> Iterable[str]:
    from cardarena.simulator.population.tables import rows

    files = ("marginals", "segments", "tendencies", "correlations", "parameters", "flags", "likings")
    return [row["source"] for file in files for row in rows(f"{file}.csv")]


def _sources_within(said: Any) -> Iterable[str]:
    """Yield the sources of the numbers below `said`, a model as plain data, where they are not zero."""
    if isinstance(said, dict):
        if "source" in said and "value" in said:
            if said["value"] != 0.0:
                yield said["source"]
            return
        for below in said.values():
            yield from _sources_within(below)


def all_sources() -> dict[str, list[str]]:
    """Return the source of every number, by the table that it stands in."""
    from cardarena.simulator.bank.catalogue import load_channel_table, load_offers
    from cardarena.simulator.bank.desk_terms import load_desk_terms
    from cardarena.simulator.bank.economics import load_economics
    from cardarena.simulator.behaviour.parameters import PARAMETERS

    channels = [channel.model_dump(mode="json") for channel in load_channel_table().values()]
    offers = [offer.model_dump(mode="json") for offer in load_offers().offers]
    return {
        "behaviour, below": [p.source for p in PARAMETERS],
        "population, {doc}`reference/population`": list(_population_sources()),
        "channels, {doc}`reference/channels`": list(
            _sources_within({str(i): c for i, c in enumerate(channels)})
        ),
        "offers, {doc}`reference/offers`": list(_sources_within({str(i): o for i, o in enumerate(offers)})),
        "economics, {doc}`reference/economics`": [e.source for e in load_economics().entries.values()],
        "complaint desk, {doc}`reference/complaint-desk`": [
            e.source for e in load_desk_terms().entries.values()
        ],
    }


@fragment
def source_counts() -> list[str]:
    """How many numbers of each table are assumed."""
    counts = {name: Counter(map(kind_of, sources)) for name, sources in all_sources().items()}
    counts["**all**"] = sum(counts.values(), Counter())
    return table(
        ["Table", "Entries", "Say *assumed*", "Name a target or shape", "Other source"],
        [[name, str(own.total()), *(str(own[kind]) for kind in KINDS)] for name, own in counts.items()],
    )


@fragment
def assumed_share() -> list[str]:
    """How much of it all is assumed, in a sentence."""
    counts = {name: Counter(map(kind_of, sources)) for name, sources in all_sources().items()}
    behaviour, every = next(iter(counts.values())), sum(counts.values(), Counter())
    return [
        f"Of the {behaviour.total()} behavioural parameters {behaviour['assumed']} say `assumed` in their source, "
        f"{behaviour['fitted']} more name a target or a shape that they were fitted to, and {behaviour['sourced']} another "
        f"source. Of all {every.total():,} entries with a source, the bank's and the population's included, {every['assumed']} "
        "say `assumed`."
    ]


def _groups() -> list[tuple[str, list[str]]]:
    """Return the groups of the table of parameters and the names in each, as its source has them."""
    from cardarena.simulator.behaviour import parameters

    groups: list[tuple[str, list[str]]] = []
    for line in inspect.getsource(parameters).splitlines():
        if found := re.match(r"\s+# --- (.+)", line):
            groups.append((found[1], []))
        elif (found := re.match(r'\s+_P\("(\w+)"', line)) and groups:
            groups[-1][1].append(found[1])
    return groups


@fragment
def parameters() -> list[str]:
    """Every parameter of the behavioural model, group by group."""
    from cardarena.benchmarks.calibration.free import read_free
    from cardarena.simulator.behaviour.parameters import PARAMETERS
    from cardarena.simulator.names import CATEGORIES, CHANNELS, SPEND_CONTEXTS

    axes = {len(words): words for words in (CATEGORIES, CHANNELS, SPEND_CONTEXTS)}
    moved: dict[str, list[str]] = {}
    for free in read_free():
        path = free.name.split(".")
        if path[0] == "parameters":
            moved.setdefault(path[1], []).extend(free.targets)

    def value(p: Any) -> str:
        if not isinstance(p.value, tuple):
            return number(p.value)
        named = zip(axes[len(p.value)], p.value, strict=True)
        return ", ".join(f"{name} {number(item)}" for name, item in named)

    by_name = {p.name: p for p in PARAMETERS}
    groups = _groups()
    missing = set(by_name) - {name for _, names in groups for name in names}
    assert not missing, missing
    lines: list[str] = []
    for title, names in groups:
        own = [by_name[name] for name in names]
        lines += [f"### {title.capitalize()}", ""]
        lines += table(
            ["Parameter", "Value", "Unit", "Meaning", "Source", "Calibrated to"],
            [
                [
                    code(p.name),
                    value(p),
                    text(p.unit),
                    text(p.meaning),
                    text(p.source),
                    " ".join(dict.fromkeys(moved.get(p.name, []))),
                ]
                for p in own
            ],
        )
    return lines


_POPULATION_TABLES: Final = {
    "parameters": ("Single numbers", "Fields without a mode hold in both."),
    "segments": ("Privacy segments", "Shares, and how far a segment's mean lies from the whole's, in the units of `latents`."),
    "correlations": ("Correlations of the latent normals", "Inside a segment. Pairs that are not named are 0."),
    "tendencies": ("Lean of each variable by segment", "Log-linear, per level: where raking starts."),
    "flags": ("Permissions and other 0/1 traits", "Share, and the slopes on concern, need − ½ and the wallet's latent."),
    "likings": ("Scores of liking", "1 to 5; 1 and 5 become the multipliers `liking_of_score_1` and `liking_of_score_5`."),
    "marginals": ("Marginals", "Per cent as published, or assumed."),
}  # fmt: skip


@page
def population() -> list[str]:
    """The tables from which cardholders are drawn."""
    from cardarena.simulator.population.tables import rows

    lines = [
        "# Population tables",
        "",
        "What cardholders are drawn from ({doc}`../odd`, submodel 7.1). What raking found on top of these stands in",
        "`simulator/population/data/fitted.csv`.",
        "",
    ]
    for name, (title, about) in _POPULATION_TABLES.items():
        own = rows(f"{name}.csv")
        lines += [f"## {title}", "", about, ""]
        lines += table(
            [head.replace("_", " ") for head in own[0]], [[text(v) for v in row.values()] for row in own]
        )
    return lines


@page
def calendar() -> list[str]:
    """How spending and needs follow the date."""
    from cardarena.simulator import calendar as c
    from cardarena.simulator.names import SPEND_CONTEXTS

    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    found = {f.name: (f, first, last) for f, first, last in c.festivals(2025)}
    return [
        "# Calendar",
        "",
        "How it is put together: {doc}`../odd`, submodel 7.3. Months' totals follow the index (NBS 2024, target E12;",
        "November and December recalled); all else moves spending inside a month. Weekdays, pay day and seasons are assumed.",
        "",
        "## Months",
        "",
        *table([str(m) for m in range(1, 13)], [[number(x) for x in c.RETAIL_INDEX]]),
        "## Weekdays",
        "",
        *table(
            ["Context", *days],
            [
                [code(k), *(number(float(x)) for x in row)]
                for k, row in zip(SPEND_CONTEXTS, c.WEEKDAY, strict=True)
            ],
        ),
        f"Spending in the three days from pay day, the {c.PAY_DAY}th, on: × {c.PAY_DAY_SPEND}. "
        f"Wealth needs in the week from it on: × {c.PAY_DAY_WEALTH_NEED}.",
        "",
        "## Festivals",
        "",
        *table(
            ["Festival", "Days in 2025", "Spending by context", "Needs", "Lead, days", "Source"],
            [
                [
                    text(name),
                    f"{first:%d %b} – {last:%d %b}",
                    " · ".join(number(x) for x in f.spend),
                    ", ".join(f"{k} {v}" for k, v in f.need.items()) or "—",
                    str(f.lead_days),
                    text(f.source),
                ]
                for name, (f, first, last) in found.items()
            ],
        ),
        "## Seasons of needs",
        "",
        *table(
            ["Category", "Month: multiplier"],
            [
                [code(k), ", ".join(f"{m}: {v}" for m, v in season.items())]
                for k, season in c.NEED_SEASON.items()
            ],
        ),
    ]


# --- how the world is validated


def _sentences(function: Any) -> str:
    """Return a docstring on one line, without the targets' names in front."""
    return re.sub(r"^(?:[A-G]\d+(?:, | and )?)+: ", "", " ".join((inspect.getdoc(function) or "").split()))


def _band(low: float, high: float) -> str:
    if low == high:
        return number(low)
    if low == float("-inf"):
        return f"≤ {number(high)}"
    return f"≥ {number(low)}" if high == float("inf") else f"{number(low)}–{number(high)}"


@fragment
def validation_sections() -> list[str]:
    """The sections, with what each says of itself."""
    from cardarena.benchmarks.validation.sections import SECTIONS

    said = []
    for name, module in SECTIONS.items():
        about = inspect.getdoc(import_module(module)) if find_spec(module) else "Not in this version."
        said.append([code(name), text((about or "").split("\n\n")[0])])
    return table(["Section", "What it asks"], said)


@fragment
def validation_targets() -> list[str]:
    """Every target: band, hardness, source, and how it is measured."""
    from cardarena.benchmarks.validation.measures import measure_of
    from cardarena.benchmarks.validation.targets import GROUPS, load_measurements, read_targets

    load_measurements()
    targets = read_targets()
    count = Counter(target.hardness for target in targets)
    lines = [
        f"{len({t.target for t in targets})} targets in {len(targets)} components: {count['hard']} hard, {count['soft']} soft, "
        f"{count['context']} context. Bands are closed; the units are those of the source.",
        "",
    ]
    for letter, title in GROUPS.items():
        own = [target for target in targets if target.target.startswith(letter)]
        lines += [f"### {letter}: {title}", ""]
        lines += table(
            ["Target", "Quantity", "Band", "Point", "Unit", "Hardness", "Mode"],
            [
                [
                    code(t.id),
                    text(t.quantity),
                    _band(t.low, t.high),
                    "" if isnan(t.point) else number(t.point),
                    text(t.unit),
                    t.hardness,
                    t.mode,
                ]
                for t in own
            ],
        )
        by_measure: dict[Any, list[Target]] = {}
        for target in own:
            by_measure.setdefault(measure_of(target.target), []).append(target)
        lines += ["How measured, and the source:", ""]
        lines += [_measured(function, rows) for function, rows in by_measure.items()]
        lines += [""]
    return lines


def _measured(function: Any, rows: Sequence["Target"]) -> str:
    """Return how some rows of the table are measured, and where their bands come from."""
    names = ", ".join(dict.fromkeys(row.target for row in rows))
    said = dict.fromkeys(part for row in rows for part in (row.source, row.note) if part)
    return f"- **{names}**: {text(_sentences(function))} *{text('; '.join(said))}.*"


@fragment
def validation_shapes() -> list[str]:
    """Every phenomenon that must emerge: claim, design, estimator."""
    from cardarena.benchmarks.validation.shapes.section import EXPERIMENTS

    return [f"- **{name}.** {text(_sentences(made))}" for name, made in EXPERIMENTS.items()]


@fragment
def validation_realism() -> list[str]:
    """The parts of the section on realism, with the question that each asks."""
    from cardarena.benchmarks.validation.realism import counts, forecast, holdout, money, rhythm

    return [
        f"- {text((inspect.getdoc(part) or '').split(chr(10))[0])}"
        for part in (counts, holdout, rhythm, money, forecast)
    ]
