"""The page: figures drawn and written, sentences and tables gathered, all of it rendered into one file."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from cardarena.benchmarks.arena.state import area_of
from cardarena.benchmarks.leaderboard_table import same_logs_sentence
from cardarena.benchmarks.metrics import METRICS
from cardarena.benchmarks.report import wording
from cardarena.benchmarks.report.canvas import Drawing, colour_of, inline_svg, png_of, settings, svg_of
from cardarena.benchmarks.report.figures import cuts, forest, ranks, timeline, tradeoff
from cardarena.benchmarks.report.folder import ArenaFolder, read_folder
from cardarena.benchmarks.report.formula import html_of
from cardarena.benchmarks.report.standings import REFERENCE, SILENT, Standing, Standings
from cardarena.benchmarks.storage import write_bytes, write_text
from cardarena.simulator.bank.economics import load_rules

TEMPLATES = Path(__file__).parent / "templates"
LEAGUE_ORDER = ("cold", "logged", "simulator", "reference", "privileged")
#: Columns of the leaderboard after the value: metric, heading, decimals, whether it is a share.
COLUMNS = (
    ("marketing_complaints_expected", "Complaints", 2, False),
    ("late_complaints", "Late complaints", 2, False),
    ("opt_outs_expected", "Unsubscribes", 2, False),
    ("permissions_kept", "Permissions kept", 1, True),
    ("fatigue_mean", "Fatigue", 2, False),
    ("contacts_per_head_month", "Contacts", 1, False),
)

FAILURE = ("scenario", "seed", "reason")
#: Units as a narrow column shows them.
UNITS = {
    "per 1,000 holders/month": "per 1,000 a month",
    "contacts/head/month": "a head and month",
    "share": "",
    "ratio": "",
}
#: Metrics that only split others by rule, group or discount rate; the list of definitions would drown in them.
DETAILS = ("breaches_", "blocked_", "inv_expected_discount", "inv_discount", "contact_parity_", "value_gap_")


@dataclass(frozen=True)
class Figure:
    """A figure as the page shows it."""

    name: str
    reading: str
    svg: Markup
    label: str = ""


def write_report(folder: Path) -> Path:
    """Write `report.html` and `figures/` into an arena's folder, from what is on disk; return the page's path.

    The same folder gives the same bytes. Nothing in the page loads anything from elsewhere.

    Args:
        folder: an arena's folder; see `read_folder` for what it must hold.

    Raises:
        ResultsError: a required file is missing or damaged; names the file.
    """
    arena = read_folder(Path(folder))
    standings = Standings(arena)
    with settings():
        figures = {slot: list(_drawn(arena, slot, draw)) for slot, draw in _figures(standings)}
    template = template_of(
        TEMPLATES / "report.html",
        number=wording.number,
        share=wording.share,
        formula=html_of,
        unbroken=wording.unbroken,
    )
    page = template.render(
        **_content(arena, standings),
        figures=figures,
        style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
    )
    return write_text(arena.path / "report.html", page)


def template_of(path: Path, **filters: Callable[..., Any]) -> Template:
    """Return the template in a file, with `filters` by their names; a value it names must be there, and is escaped."""
    environment = Environment(
        loader=FileSystemLoader(path.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template(path.name)


def _figures(standings: Standings) -> Iterator[tuple[str, Callable[[], list[tuple[str, Drawing | None]]]]]:
    """Yield each place of the page with what draws its figures, each under a label for its tab."""
    scenarios = standings.arena.scenarios
    main_first = sorted(scenarios, key=lambda name: (name != standings.main_scenario, scenarios.index(name)))
    titles = {name: standings.arena.title(name) for name in scenarios}
    yield "forest", lambda: [("", forest.draw(standings))]
    yield "tradeoff", lambda: [("", tradeoff.draw(standings))]
    yield "value", lambda: [(titles[name], timeline.draw_value(standings, name)) for name in main_first]
    yield "ranks", lambda: [("", ranks.draw(standings))]
    yield "fatigue", lambda: [("", timeline.draw_fatigue(standings))]
    yield "funnel", lambda: [("", cuts.draw_funnel(standings))]
    yield "segments", lambda: [("", cuts.draw_segments(standings))]
    yield "channels", lambda: [("", cuts.draw_channels(standings))]
    yield "fairness", lambda: [("", cuts.draw_fairness(standings))]


def _drawn(
    arena: ArenaFolder, slot: str, draw: Callable[[], list[tuple[str, Drawing | None]]]
) -> Iterator[Figure]:
    for label, drawing in draw():
        if drawing is None:
            continue
        svg = svg_of(drawing)
        write_text(arena.path / "figures" / f"{drawing.name}.svg", svg)
        write_bytes(arena.path / "figures" / f"{drawing.name}.png", png_of(drawing))
        spoken = str(escape(f"{drawing.title}. {drawing.reading}"))
        yield Figure(drawing.name, drawing.reading, Markup(inline_svg(svg, drawing.name, spoken)), label)


def _content(arena: ArenaFolder, standings: Standings) -> dict[str, Any]:
    """Return everything that the template shows beside the figures."""
    base = standings.of(REFERENCE)
    reasons = [(one.policy, text) for one in standings.ranked[:3] if (text := wording.why(one, base))]
    titles = {name: metric.title for name, metric in METRICS.items()}
    broken = [one for one in standings.all if one.breaches and not one.is_reference]
    board = standings.board
    failures = [
        (
            one["policy"] + ("" if one["dial"] is None else f" at {one['dial']:g}"),
            *(one[key] for key in FAILURE),
        )
        for one in board["unfinished"]
    ]
    n_seeds, recorded = len(set(arena.runs["seed"])), set(arena.runs["metric"])
    return {
        "manifest": arena.manifest,
        "verdicts": [
            ("Who wins", wording.winner_sentence(standings)),
            ("By how much", wording.margin_sentence(standings)),
            ("Other leagues", wording.leagues_sentence(standings)),
            ("How sure", wording.certainty_sentence(standings)),
            ("Who broke a limit", wording.limits_sentence(standings, titles)),
        ],
        "size": _size(arena, n_seeds),
        "one_seed": n_seeds == 1,
        "failures": failures,
        "n_failed_policies": len({one["policy"] for one in board["unfinished"]}),
        "is_publishable": bool(board["publishable"]),
        "incomplete": board["incomplete"],
        "same_logs": [same_logs_sentence(names) for names in board["same_logs"]],
        "budgets": _budgets(standings),
        "reasons": reasons,
        "burners": [(one.policy, text) for one in broken[:2] if (text := wording.why(one, base))],
        "leagues": _leagues(standings),
        "columns": [(heading, _unit(metric)) for metric, heading, _, _ in COLUMNS],
        "breaches": [
            (one.policy, arena.title(breach.scenario), titles.get(breach.metric, breach.metric),
             wording.number(breach.value, 2), wording.number(breach.limit, 2))
            for one in broken for breach in one.breaches
        ],
        "scenarios": [
            {"name": name, "title": arena.title(name), "about": arena.scenario(name).get("description", ""),
             "days": arena.days(name), "run_out": arena.scenario(name).get("run_out_days"),
             "digest": arena.scenario(name).get("digest", "")}
            for name in arena.scenarios
        ],
        "shocks": [
            (arena.title(name), label, f"{start:.0f}" if start == end else f"{start:.0f} to {end:.0f}")
            for name in arena.scenarios for label, start, _, end in arena.shocks(name)
        ],
        "rules": _rules(arena, standings),
        "timing": _timing(arena),
        "metrics": [metric for name, metric in METRICS.items() if name in recorded and not _is_detail(name)],
        "n_details": sum(_is_detail(name) for name in recorded),
        "policies": [
            {"name": name, "league": arena.leagues[name], "colour": colour_of(name, arena.policies),
             "title": arena.policy(name).get("title", ""), "about": arena.policy(name).get("description", ""),
             "dial": arena.policy(name).get("dial") or ""}
            for name in arena.policies
        ],
        "provenance": _provenance(arena),
    }  # fmt: skip


def _size(arena: ArenaFolder, n_seeds: int) -> str:
    people = (arena.manifest.get("parameters") or {}).get("cardholders")
    days = sorted({days for name in arena.scenarios if (days := arena.days(name)) is not None})
    parts = [
        wording.count(len(arena.scenarios), "scenario"),
        wording.count(len(arena.policies), "policy"),
        wording.count(n_seeds, "seed"),
    ]
    if isinstance(people, int):
        parts.append(f"{people:,} cardholders")
    if days:
        parts.append(f"{wording.listed([str(day) for day in days])} decision days and the run-out")
    return " · ".join(parts)


def _leagues(standings: Standings) -> list[dict[str, Any]]:
    """Return one table per league, each row ready to print."""
    found: dict[str, list[Standing]] = {}
    for one in standings.all:
        found.setdefault(one.league, []).append(one)
    order = [name for name in LEAGUE_ORDER if name in found] + sorted(set(found) - set(LEAGUE_ORDER))
    contenders = [name for name in order if name not in ("reference", "privileged")]
    best = {
        name: max((one.inv.mean for one in found[name] if one.rank), default=float("-inf"))
        for name in contenders
    }
    contenders.sort(key=lambda name: -best[name])
    order = contenders + [name for name in order if name not in contenders]
    return [
        {
            "name": name,
            "note": wording.league_note(name),
            "rows": [_row(standings, one) for one in found[name]],
        }
        for name in order
    ]


def _row(standings: Standings, one: Standing) -> dict[str, Any]:
    digits = wording.digits_for(*(other.inv.mean for other in standings.ranked))
    where = len({breach.scenario for breach in one.breaches})
    n = len(standings.arena.scenarios)
    limits = "kept" if not one.breaches else f"broken, {where} of {n}" if n > 1 else "broken"
    if not standings.has_limits:
        limits = "none stated"
    if one.policy == SILENT:
        limits = "–"
    return {
        "policy": one.policy,
        "title": standings.arena.policy(one.policy).get("title", ""),
        "colour": colour_of(one.policy, standings.arena.policies),
        "rank": one.rank,
        "below": not one.is_reference and one.rank is None,
        "inv": wording.number(one.inv.mean, digits),
        "inv_span": "–" if one.policy == SILENT else wording.span(one.inv, digits),
        "gain": wording.number(one.gain.mean, digits, sign=True) if one.gain and one.gain.n else "–",
        "gain_span": wording.span(one.gain, digits),
        "is_clear": one.gain is not None and one.gain.is_clear,
        "cells": [
            (wording.share if is_share else wording.number)(one.metrics.get(metric, float("nan")), digits)
            for metric, _, digits, is_share in COLUMNS
        ],
        "limits": f"{wording.count(len(one.failures), 'run')} failed"
        if one.failures
        else "incomplete"
        if one.missing
        else limits,
    }


def _unit(metric: str) -> str:
    unit = METRICS[metric].unit if metric in METRICS else ""
    return UNITS.get(unit, unit)


def _is_detail(name: str) -> bool:
    return name.startswith(DETAILS)


def _rules(arena: ArenaFolder, standings: Standings) -> dict[str, Any] | None:
    """Return blocked contacts by rule and policy, per 1,000 intended, with the source of each rule."""
    blocked = arena.cut("rule", "blocked")
    if blocked.empty:
        return None
    breaches = arena.cut("rule", "breaches")
    names = [one.policy for one in standings.all if one.policy in blocked.index and one.policy != SILENT]
    intended = {one.policy: one.metrics.get("intended", float("nan")) for one in standings.all}
    law = load_rules()
    counts = {
        str(rule): dict(zip(blocked.index, blocked[rule].tolist(), strict=True)) for rule in blocked.columns
    }
    let = {str(rule): max(breaches[rule].tolist(), default=0.0) for rule in breaches.columns}
    used = [rule for rule, found in counts.items() if max(found.values()) > 0 or let.get(rule, 0.0) > 0]
    rows = [
        {
            "policy": name,
            "cells": [
                wording.number(
                    1000 * counts[rule][name] / intended[name] if intended.get(name) else float("nan")
                )
                for rule in used
            ],
            "breaches": wording.number(one.metrics.get("breaches"), 0)
            if (one := standings.of(name))
            else "–",
        }
        for name in names
    ]
    sources = [
        {
            "rule": rule.replace("_", " "),
            "says": law[rule].title if rule in law else "",
            "places": law_places(law[rule].law, law[rule].article) if rule in law else [("not stated", "")],
        }
        for rule in used
    ]
    recalled = any(article.endswith("*") for one in sources for _, article in one["places"])
    return {
        "recalled": recalled,
        "rules": [rule.replace("_", " ") for rule in used],
        "rows": rows,
        "sources": sources,
    }


def law_places(law: str, article: str) -> list[tuple[str, str]]:
    """Return each law with its article, an asterisk behind what was recalled and not checked.

    Example:
        >>> law_places("Consumer measures; Advertising Law", "29 or near (number recalled); 43, 62")
        [('Consumer measures', 'Art. 29*'), ('Advertising Law', 'Art. 43, 62')]
        >>> law_places("-", "-")
        [("the bank's own, or a fact", '')]
    """
    laws, articles = ([part.strip() for part in text.split(";")] for text in (law, article))
    if len(laws) != len(articles):
        laws, articles = [law], [article]
    return [
        (one if one not in ("", "-") else "the bank's own, or a fact", _article(place))
        for one, place in zip(laws, articles, strict=True)
    ]


def _article(text: str) -> str:
    found = re.sub(r"\s*(or near)?\s*\([^)]*recalled[^)]*\)", "", text)
    mark = "*" if found != text else ""
    found = found.strip().strip("-")
    return f"{'Art. ' if found[:1].isdigit() else ''}{found}{mark}"


def _budgets(standings: Standings) -> list[str]:
    """Return a line for each scenario with a budget: how much of it the first three and the status quo used."""
    names = [one.policy for one in standings.ranked[:3]]
    if REFERENCE not in names and standings.of(REFERENCE):
        names.append(REFERENCE)
    lines = []
    for scenario in standings.arena.scenarios:
        budget = standings.arena.budget(scenario)
        used = [
            (name, cost)
            for name in names
            if np.isfinite(cost := standings.mean("marketing_cost", scenario, name))
        ]
        if not budget or not used:
            continue
        blocked = standings.arena.cut("rule", "blocked", scenario)
        stopped = None
        if "budget" in blocked.columns:
            counts = dict(zip(blocked.index, blocked["budget"].tolist(), strict=True))
            stopped = [name for name, _ in used if counts.get(name, 0.0) > 0]
        lines.append(wording.budget_sentence(standings.arena.title(scenario), budget, used, stopped))
    return lines


def _timing(arena: ArenaFolder) -> dict[str, Any] | None:
    """Return mean seconds a run by kind of work and policy; worlds are prepared without one."""
    timing = arena.timing
    if timing is None or timing.empty or not {"policy", "stage", "seconds"} <= set(timing.columns):
        return None
    named = timing.assign(policy=timing["policy"].astype(object).where(timing["policy"].notna(), ""))
    if "dial" in named.columns:
        named = named[pd.to_numeric(named["dial"], errors="coerce").isna()]
    table = named.pivot_table(index="policy", columns="stage", values="seconds", aggfunc="mean", sort=True)
    # Twenty stages are too wide for a page; they stand in `timing.parquet`.
    table = table.T.groupby([_area(str(stage)) for stage in table.columns]).sum(min_count=1).T
    stages = [str(stage) for stage in table.columns]
    seconds = table.to_numpy(dtype=float)
    rows = [
        (
            str(name) or "preparing a world",
            [wording.number(value, 2) for value in line],
            wording.number(np.nansum(line), 2),
        )
        for name, line in zip(table.index, seconds.tolist(), strict=True)
    ]
    return {"stages": stages, "rows": rows}


def _area(stage: str) -> str:
    """Return the kind of work of a stage; a stage may go by the kind's own name."""
    return stage if stage in ("decisions", "world", "writing", "metrics") else area_of(stage)


def _provenance(arena: ArenaFolder) -> list[tuple[str, str]]:
    """Return what the manifest says of how the arena was made, flattened to lines."""
    shown = []
    for name, value in arena.manifest.items():
        if name in ("scenarios", "policies", "command", "scenario_digests"):
            continue
        if isinstance(value, dict):
            text = ", ".join(f"{key} {_flat(item)}" for key, item in value.items())
        else:
            text = _flat(value)
        shown.append((str(name).replace("_", " "), text))
    return shown


def _flat(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(_flat(item) for item in value)
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {_flat(item)}" for key, item in value.items()) + ")"
    if value is None:
        return "not stated"
    return str(value) if not isinstance(value, bool) else "yes" if value else "no"
