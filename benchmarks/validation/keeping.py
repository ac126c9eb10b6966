"""Sections on disk: each is kept when it is finished, and used again as long as nothing that it depends on has changed."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cardarena.benchmarks.provenance import code_digest, package_version
from cardarena.benchmarks.storage import plain, read_sealed, safe_name, write_json, write_sealed
from cardarena.benchmarks.validation.findings import Finding, Section, Tell, Verdict, judge
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.sections import SECTIONS, run_section
from cardarena.simulator.errors import ResultsError, UnknownNameError

FOLDER: Final = "sections"
_HERE: Final = Path(__file__).parent
#: JSON has no infinity and no NaN; what null stands for in each field of a finding.
_EMPTY: Final = {
    "value": math.nan,
    "standard_error": math.nan,
    "low": -math.inf,
    "high": math.inf,
    "point": math.nan,
}


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return section names in the order of the page, each once.

    Raises:
        UnknownNameError: no such section.
    """
    for name in names:
        if name not in SECTIONS:
            raise UnknownNameError("section", name, SECTIONS)
    return tuple(name for name in SECTIONS if name in names)


def is_there(name: str) -> bool:
    """Say whether the module of a section exists."""
    return (_HERE / f"{name}.py").is_file() or (_HERE / name / "__init__.py").is_file()


def section_digest(name: str, lab: Lab) -> str:
    """Return a hash of all that a section's numbers depend on: settings, world, policies, and how it is measured."""
    digest = hashlib.sha256()
    digest.update(json.dumps(plain(lab.settings), sort_keys=True).encode())
    digest.update(code_digest().encode())
    own = [path for path in (_HERE / name).rglob("*") if path.suffix in (".py", ".csv", ".json")]
    shared = [path for path in (*_HERE.glob("*.py"), *(_HERE / "data").iterdir()) if path.is_file()]
    for path in sorted([*shared, *own]):
        digest.update(str(path.relative_to(_HERE)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def sections(names: Sequence[str], lab: Lab, out: Path, tell: Tell) -> Iterator[Section]:
    """Yield sections in the order of `names`, each from disk where it is still good, else measured and kept.

    Args:
        names: section names.
        lab: what they are measured in.
        out: folder of the validation.
        tell: takes lines of progress.
    """
    for name in names:
        path = out / FOLDER / f"{safe_name(name)}.json"
        digest = section_digest(name, lab)
        section = _kept(path, digest)
        if section is not None:
            tell(f"{name}: kept from before")
        else:
            tell(f"{name}: measuring")
            content = {"digest": digest, "section": run_section(name, lab, tell).to_json()}
            write_sealed(path, content)
            # Read back, so that a page made at once and one made later are the same.
            section = section_of(plain(content)["section"])
        yield section


def _kept(path: Path, digest: str) -> Section | None:
    try:
        content = read_sealed(path)
    except ResultsError:
        return None
    return section_of(content["section"]) if content.get("digest") == digest else None


def section_of(data: Mapping[str, Any]) -> Section:
    """Return a section from JSON, its missing numbers back in place."""
    findings = [
        {key: _EMPTY[key] if value is None and key in _EMPTY else value for key, value in entry.items()}
        for entry in data["findings"]
    ]
    return Section.from_json({**data, "findings": findings})


def finding_json(finding: Finding) -> dict[str, Any]:
    """Return a finding with its verdict, as a program reads it; null stands for no number and for an open end."""
    return {**vars(finding), "verdict": finding.verdict, "is_close": finding.is_close}


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as a program reads it."""
    return {**vars(verdict), "is_passed": verdict.is_passed}


def result_json(done: Sequence[Section], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that was found, without the pictures.

    Args:
        done: the sections.
        settings: what they were measured with.
    """
    return {
        "cardarena": package_version(),
        "settings": dict(settings),
        "verdict": verdict_json(judge([finding for section in done for finding in section.findings])),
        "sections": [
            {
                "name": section.name,
                "title": section.title,
                "summary": section.summary,
                "verdict": verdict_json(judge(section.findings)),
                "findings": [finding_json(finding) for finding in section.findings],
                "tables": [vars(table) for table in section.tables],
                "settings": dict(section.settings),
            }
            for section in done
        ],
    }


def write_result(done: Sequence[Section], settings: Mapping[str, Any], out: Path) -> Path:
    """Write `validation.json`; return its path."""
    return write_json(out / "validation.json", result_json(done, settings))
