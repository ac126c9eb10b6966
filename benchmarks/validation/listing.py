"""Findings on a terminal: what misses first, then the rest in the order of the page, then how it stands in all."""

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from rich.markup import escape
from rich.table import Table

from cardarena.benchmarks.validation.findings import CONTEXT, MISSES, Finding, Verdict
from cardarena.benchmarks.validation.wording import band_text, value_text

_ORDER: Final = {"hard": 0, "soft": 1, "context": 2}
#: Letters of the columns that may be cut, so that the whole fits into 110.
_TARGET, _SOURCE = 34, 21
_STYLE: Final = {"misses": "bold red", "holds": "", CONTEXT: "dim"}


def by_urgency(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings with hard misses first, then soft ones; the rest keeps its order."""
    return sorted(findings, key=lambda one: _ORDER[one.hardness] if one.verdict == MISSES else len(_ORDER))


def findings_table(findings: Sequence[Finding]) -> Table:
    """Return the findings as a table of at most 110 columns."""
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for name in ("target", "band", "simulated", "verdict", "source"):
        table.add_column(name, no_wrap=True, justify="right" if name == "simulated" else "left")
    for one in by_urgency(findings):
        # Of the units only the per cent sign fits into a line.
        short = replace(one, unit="%" if one.unit.startswith("%") else "")
        verdict = f"{one.verdict}{'?' if one.is_close else ''}"
        verdict += f", {one.hardness}" if one.verdict == MISSES else ""
        cells = (_cut(one.id, _TARGET), band_text(short), value_text(one), verdict, _cut(one.source, _SOURCE))
        table.add_row(*(escape(cell) for cell in cells), style=_STYLE[one.verdict])
    return table


def _cut(text: str, length: int) -> str:
    # By hand: a table that is too wide takes from every column, the verdicts too.
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def verdict_lines(verdict: Verdict, findings: Sequence[Finding]) -> list[str]:
    """Return the totals, and what misses."""
    lines = [
        "",
        f"hard: {verdict.hard_held} of {verdict.hard} hold; soft: {verdict.soft_held} of {verdict.soft} hold "
        f"(nine in ten are asked)",
    ]
    if any(one.is_close for one in findings):
        lines.append("?: within two standard errors of an edge, so that other seeds may judge otherwise")
    for hardness in ("hard", "soft"):
        missed = [one.id for one in findings if one.verdict == MISSES and one.hardness == hardness]
        if missed:
            lines += textwrap.wrap(f"{hardness} misses: {', '.join(missed)}", 110, subsequent_indent="  ")
    lines.append("PASSED" if verdict.is_passed else "NOT PASSED")
    return lines
