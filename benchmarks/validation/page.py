"""The page of the validation: how the world stands, then each section with its findings, pictures and tables, in one file."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup, escape

from cardarena.benchmarks.provenance import code_digest, package_version
from cardarena.benchmarks.report.canvas import inline_svg
from cardarena.benchmarks.report.page import TEMPLATES as REPORT_TEMPLATES
from cardarena.benchmarks.report.page import template_of
from cardarena.benchmarks.storage import write_text
from cardarena.benchmarks.validation.drawing import HALF
from cardarena.benchmarks.validation.findings import MISSES, Finding, Picture, Section, Verdict, judge
from cardarena.benchmarks.validation.strip import strip
from cardarena.benchmarks.validation.wording import band_text, cell_text, value_text
from cardarena.simulator.errors import CardArenaError

TEMPLATES: Final = Path(__file__).parent / "templates"
_SAFE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_BOX = re.compile(r'viewBox="0 0 ([0-9.]+) ')


def write_page(sections: Sequence[Section], settings: Mapping[str, Any], out: Path) -> Path:
    """Write `validation.html`; return its path. The same sections give the same bytes.

    Args:
        sections: in the order of the page.
        settings: what they were measured with.
        out: the folder.

    Raises:
        CardArenaError: two pictures of a section share a name, or one has a name that cannot stand in a page.
    """
    findings = [finding for section in sections for finding in section.findings]
    verdict = judge(findings)
    styles = (REPORT_TEMPLATES / "report.css", TEMPLATES / "validation.css")
    page = template_of(TEMPLATES / "validation.html", cell=cell_text).render(
        headline=headline(verdict),
        verdicts=_verdicts(verdict, findings),
        is_passed=verdict.is_passed,
        size=_size(settings),
        sections=[_section(section) for section in sections],
        settings=_settings(settings),
        style=Markup("\n".join(path.read_text(encoding="utf-8") for path in styles)),
    )
    return write_text(out / "validation.html", page)


def headline(verdict: Verdict) -> str:
    """Return the finding of the whole in one sentence."""
    if not verdict.hard + verdict.soft:
        return "Nothing was held against the evidence"
    hard = f"{verdict.hard_held} of {verdict.hard} hard numbers hold"
    soft = f"{verdict.soft_held} of {verdict.soft} soft ones"
    return f"{hard}, and {soft}"


def _verdicts(verdict: Verdict, findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Return the questions of the first screen and their answers."""
    rule = "Passed means that every hard number holds, and nine soft ones in ten."
    lines = [("Passed", f"{'Yes' if verdict.is_passed else 'No'}. {rule}")]
    for hardness in ("hard", "soft"):
        missed = [one for one in findings if one.verdict == MISSES and one.hardness == hardness]
        if told := "; ".join(_miss(one) for one in missed if math.isfinite(one.value)):
            lines.append((f"Misses, {hardness}", told))
        if silent := ", ".join(one.id for one in missed if not math.isfinite(one.value)):
            lines.append((f"No number, {hardness}", silent))
    close = [one.id for one in findings if one.is_close]
    if close:
        text = f"{', '.join(close)}: an edge of the band lies within two standard errors."
        lines.append(("Close", text))
    return lines


def _miss(finding: Finding) -> str:
    return f"{finding.id} {value_text(finding)} (band {band_text(finding)})"


def _section(section: Section) -> dict[str, Any]:
    names = [picture.name for picture in section.pictures]
    for name in names:
        if not _SAFE.fullmatch(name) or names.count(name) > 1:
            raise CardArenaError(
                f"section {section.name!r}: expected pictures with names of letters, digits and underscores, "
                f"each once, found {name!r}"
            )
    verdict = judge(section.findings)
    return {
        "name": section.name,
        "title": section.title,
        "summary": section.summary,
        "standing": headline(verdict) if verdict.hard + verdict.soft else "",
        "findings": _grouped([_finding(one) for one in section.findings]),
        "pictures": [_picture(section.name, one) for one in section.pictures],
        "tables": section.tables,
        "settings": _settings(section.settings),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": Markup(str(escape(finding.id)).replace("_", "_<wbr>")),
        "quantity": finding.quantity + (f", {finding.mode} mode" if finding.mode == "population" else ""),
        "value": value_text(finding),
        "strip": strip(finding),
        "band": band_text(finding),
        "verdict": finding.verdict + ("?" if finding.is_close else ""),
        "is_missed": finding.verdict == MISSES,
        "hardness": finding.hardness,
        "source": finding.source,
        "note": finding.note,
    }


def _grouped(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each row the number of rows that its source spans: those that follow with the same text; 0 where it is told."""
    first = None
    for row in rows:
        if first is not None and (row["source"], row["note"]) == (first["source"], first["note"]):
            first["rows"] += 1
            row["rows"] = 0
        else:
            first, row["rows"] = row, 1
    return rows


def _picture(section: str, picture: Picture) -> dict[str, Any]:
    box = _BOX.search(picture.svg)
    # Matplotlib counts 72 points an inch.
    is_half = box is not None and float(box.group(1)) <= HALF[0] * 72.0 + 1.0
    spoken = str(escape(f"{picture.title}. {picture.caption}"))
    svg = inline_svg(picture.svg, f"{section}_{picture.name}", spoken)
    return {
        "title": picture.title,
        "caption": picture.caption,
        "svg": Markup(svg),
        "shape": "half" if is_half else "whole",
    }


def _size(settings: Mapping[str, Any]) -> str:
    seeds = settings.get("seeds") or []
    people = settings.get("cardholders")
    parts = [f"{people:,} cardholders a world"] if isinstance(people, int) else []
    if seeds:
        parts.append(
            f"{len(seeds)} {'world' if len(seeds) == 1 else 'worlds'}, seeds {seeds[0]} to {seeds[-1]}"
        )
    if settings.get("overrides"):
        parts.append("with a parameter set of its own")
    return " · ".join(parts)


def _settings(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [(str(key).replace("_", " "), str(value)) for key, value in settings.items()]
    return [*rows, ("cardarena", package_version()), ("digest of the code", code_digest())]
