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
_STYLE: Final = {"misses": "bold red", "holds": "", CONTEXT: "dim"}


def by_urgency(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings with hard misses first, then soft ones; the rest keeps its order."""
    return sorted(findings, key=lambda one: _ORDER[one.hardness] if one.verdict == MISSES else len(_ORDER))


def findings_table(findings: Sequence[Finding]) -> Table:
    """Return the findings as a table of at most 110 columns."""
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    # Widths of their own, or the sources would squeeze the numbers.
    table.add_column("target", no_wrap=True, overflow="ellipsis", min_width=34, max_width=34)
    table.add_column("band", no_wrap=True, min_width=17)
    table.add_column("simulated", no_wrap=True, justify="right", min_width=20)
    table.add_column("verdict", no_wrap=True, min_width=13)
    table.add_column("source", no_wrap=True, overflow="ellipsis")
    for one in by_urgency(findings):
        # Of the units only the per cent sign fits into a line.
        short = replace(one, unit="%" if one.unit.startswith("%") else "")
        verdict = f"{one.verdict}{'?' if one.is_close else ''}"
        verdict += f", {one.hardness}" if one.verdict == MISSES else ""
        cells = (one.id, band_text(short), value_text(one), verdict, one.source)
        table.add_row(*(escape(cell) for cell in cells), style=_STYLE[one.verdict])
    return table


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
