"""The leaderboard as a table for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

SILENT: Final = "silent"
#: Fewer pairs say nothing of a probability: of three that all fall one way, it would read as certain.
MIN_SEEDS: Final = 5
_STATUS = {
    "below_line": "below the line",
    "unfinished": "unfinished",
    "reference": "reference",
    "privileged": "privileged",
}


def render_leaderboard(board: Mapping[str, Any]) -> Group:
    """Return the leaderboard as a rich renderable: what is wrong with it first, then overall, then each scenario.

    Args:
        board: what `cardarena.benchmarks.leaderboard.leaderboard` returned.
    """
    parts: list[Any] = []
    if not board["publishable"]:
        n = len(board["unfinished"]) or len(board["incomplete"])
        parts.append(Text(f"NOT PUBLISHABLE: {n} unfinished run{'s' if n > 1 else ''}", style="bold red"))
        parts += [
            Text(f"  {row['scenario']} · {row['policy']} · seed {row['seed']}: {row['reason']}", style="red")
            for row in board["unfinished"][:10]
        ]
    parts += [Text(same_logs_sentence(names), style="yellow") for names in board["same_logs"]]
    sections = dict(board["scenarios"])
    if len(sections) != 1:
        sections = {f"all {len(sections)} scenarios": board["overall"]} | sections
    parts += [_table(name, section, board) for name, section in sections.items()]
    return Group(*parts)


def same_logs_sentence(names: Sequence[str]) -> str:
    """Say of policies whose logs are equal that they did the same, and what that means.

    Example:
        >>> same_logs_sentence(["blast", "silent"])
        'blast, silent did the same, their logs are equal: no contact was sent by blast in the days played'
    """
    others = [name for name in names if name != SILENT]
    what = "they sent the same contacts at the same minutes"
    if SILENT in names:
        what = f"no contact was sent by {', '.join(others)} in the days played"
    return f"{', '.join(names)} did the same, their logs are equal: {what}"


def _table(name: str, section: Mapping[str, Any], board: Mapping[str, Any]) -> Table:
    percent = f"{100 * board['confidence']:.0f} %"
    table = Table(
        title=f"{escape(name)} · {board['metric']}, {board['unit']}",
        caption=escape(_caption(section)),
        title_justify="left",
    )
    table.add_column("rank", justify="right")
    table.add_column("policy")
    table.add_column("league")
    table.add_column("mean", justify="right")
    table.add_column(percent, justify="right")
    table.add_column(f"over {board['reference']}", justify="right")
    table.add_column(percent, justify="right")
    table.add_column("p (Holm)", justify="right")
    table.add_column("P(better)", justify="right")
    table.add_column("remark")
    before = None
    for row in section["rows"]:
        kind = (row["league"], row["status"])
        if before is not None and kind != before:
            table.add_section()
        before = kind
        table.add_row(
            *(escape(cell) for cell in _cells(row)), style=None if row["status"] == "ranked" else "dim"
        )
    return table


def _cells(row: Mapping[str, Any]) -> list[str]:
    versus, better = row["versus_reference"] or {}, row["probability_of_improvement"] or {}
    return [
        "–" if row["rank"] is None else str(row["rank"]),
        row["policy"],
        row["league"],
        _number(row["mean"]),
        _span(row["low"], row["high"]),
        _number(versus.get("mean"), "+.2f"),
        _span(versus.get("low"), versus.get("high")),
        _p_value(versus.get("p_holm")),
        _number(better.get("value"), ".2f")
        if versus.get("n", 0) >= MIN_SEEDS
        else ""
        if not better
        else "n/a",
        _remark(row),
    ]


def _remark(row: Mapping[str, Any]) -> str:
    parts = [_STATUS[row["status"]]] if row["status"] in _STATUS and row["status"] != row["league"] else []
    parts += [f"{b['metric']} {_measured(b)} ({b['scenario']})" for b in row["broken"]]
    return "; ".join([*parts, *(text for text in (row["reason"], row["note"]) if text)])


def _caption(section: Mapping[str, Any]) -> str:
    detectable, stability = section["smallest_detectable_difference"], section["rank_stability"]["all"]
    parts = [f"{len(section['seeds'])} seeds"]
    if detectable["paired"] is not None:
        parts.append(f"smallest detectable difference {_number(detectable['paired'])}")
    if section["variance_reduction"] is not None:
        parts.append(f"pairing cut the variance {section['variance_reduction']:.1f}-fold")
    if stability is not None:
        parts.append(f"rank stability over seed halves {stability:.2f}")
    return " · ".join([*parts, *section["notes"]])


def _number(value: float | None, form: str = ".2f") -> str:
    return "" if value is None else format(value, form)


def _span(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.2f} to {high:.2f}"


def _measured(broken: Mapping[str, Any]) -> str:
    return "not measured" if broken["value"] is None else f"{broken['value']:.3g} > {broken['limit']:g}"


def _p_value(p: float | None) -> str:
    return "" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"
