"""The targets of `data/targets.csv`, each measured as its source measured it and held against its band."""

import csv
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Final, get_args

from cardarena.benchmarks.validation.findings import HOLDS, Finding, Hardness, Section, Tell
from cardarena.benchmarks.validation.lab import MODES, Lab
from cardarena.benchmarks.validation.measures import Measure, Measured, measure_of
from cardarena.simulator.errors import CardArenaError

#: What the letter of a target stands for.
GROUPS: Final = {
    "A": "who the cardholders are",
    "B": "what they like",
    "C": "how they respond",
    "D": "how they tire",
    "E": "what they spend, owe and leave",
    "F": "what they complain of",
    "G": "what the rules hold back",
}
TABLE: Final = Path(__file__).parent / "data" / "targets.csv"
COLUMNS: Final = (
    "target",
    "component",
    "quantity",
    "mode",
    "hardness",
    "low",
    "point",
    "high",
    "unit",
    "source",
    "note",
)
#: Modules of this package whose name ends like this hold measurements; importing them fills the registry.
_SUFFIX: Final = "_targets"


@dataclass(frozen=True)
class Target:
    """One row of the table: a component of a target, the band, and where it comes from."""

    target: str
    component: str
    quantity: str
    mode: str
    hardness: Hardness
    low: float
    point: float
    high: float
    unit: str
    source: str
    note: str

    @property
    def id(self) -> str:
        """Name of its finding: `C4.generic`, or `A2` where the target has one component."""
        return f"{self.target}.{self.component}" if self.component else self.target

    def finding(self, value: float, standard_error: float = math.nan, note: str = "") -> Finding:
        """Return what was found, with the band and the source of this row."""
        return Finding(
            id=self.id,
            quantity=self.quantity,
            value=value,
            standard_error=standard_error,
            low=self.low,
            high=self.high,
            point=self.point,
            unit=self.unit,
            hardness=self.hardness,
            mode=self.mode,
            source=self.source,
            note="; ".join(part for part in (note, self.note) if part),
        )


@cache
def read_targets(path: Path = TABLE) -> tuple[Target, ...]:
    """Return the rows of the table of targets, in its order.

    Raises:
        CardArenaError: a column, a number, a word or a band that cannot be right; names file and line.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, strict=True)
        head = tuple(next(reader, []))
        if head != COLUMNS:
            raise CardArenaError(f"{path.name}: expected the columns {', '.join(COLUMNS)}, found {head}")
        targets = tuple(_target(f"{path.name}, line {reader.line_num}", row) for row in reader)
    ids = [one.id for one in targets]
    twice = sorted({one for one in ids if ids.count(one) > 1})
    if twice:
        raise CardArenaError(f"{path.name}: {twice[0]} stands there twice")
    return targets


def _target(where: str, row: Sequence[str]) -> Target:
    if len(row) != len(COLUMNS):
        raise CardArenaError(f"{where}: expected {len(COLUMNS)} fields, found {len(row)}")
    cells: dict[str, str] = dict(zip(COLUMNS, row, strict=True))
    for name in ("target", "quantity", "unit", "source"):
        if not cells[name].strip():
            raise CardArenaError(f"{where}: expected a {name}, found none")
    if cells["mode"] not in ("", *MODES):
        raise CardArenaError(f"{where}: mode: expected one of {', '.join(MODES)}, found {cells['mode']!r}")
    if cells["hardness"] not in get_args(Hardness):
        known = ", ".join(get_args(Hardness))
        raise CardArenaError(f"{where}: hardness: expected one of {known}, found {cells['hardness']!r}")
    low, point, high = (
        _number(where, name, cells[name], empty)
        for name, empty in (("low", -math.inf), ("point", math.nan), ("high", math.inf))
    )
    if not low <= high or point < low or point > high:
        raise CardArenaError(f"{where}: expected low <= point <= high, found {low}, {point}, {high}")
    if math.isinf(low) and math.isinf(high):
        raise CardArenaError(f"{where}: expected a band with an end, found none")
    return Target(
        target=cells["target"],
        component=cells["component"],
        quantity=cells["quantity"],
        mode=cells["mode"],
        hardness=cells["hardness"],  # type: ignore[arg-type]
        low=low,
        point=point,
        high=high,
        unit=cells["unit"],
        source=cells["source"],
        note=cells["note"],
    )


def _number(where: str, name: str, text: str, empty: float) -> float:
    if not text:
        return empty
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise CardArenaError(f"{where}: {name}: expected a number or nothing, found {text!r}")
    return value


def load_measurements() -> None:
    """Import every module of measurements, so that the registry is full."""
    package = __package__ or ""
    for module in iter_modules([str(Path(__file__).parent)]):
        if module.name.endswith(_SUFFIX):
            import_module(f"{package}.{module.name}")


def measured(
    function: Measure, names: Sequence[str], lab: Lab, rows: Iterable[Target]
) -> dict[str, Measured]:
    """Return what a measurement gave, by the id of the row that it belongs to.

    Args:
        function: the measurement.
        names: the targets that it is registered for.
        lab: what it measures in.
        rows: the rows of these targets.

    Raises:
        CardArenaError: it gave a component that the table lacks, one twice, or not all.
    """
    wanted = {row.id for row in rows}
    found: dict[str, Measured] = {}
    for one in function(lab):
        key = _id_of(one.component, names)
        if key not in wanted:
            raise CardArenaError(
                f"measured {key!r}, which the table lacks; expected {', '.join(sorted(wanted))}"
            )
        if key in found:
            raise CardArenaError(f"measured {key!r} twice")
        found[key] = one
    missing = sorted(wanted - found.keys())
    if missing:
        raise CardArenaError(f"did not measure {', '.join(missing)}")
    return found


def _id_of(component: str, names: Sequence[str]) -> str:
    """Return the id for a component as a measurement names it: `generic`, or `C4:generic` of several targets."""
    target, colon, rest = component.partition(":")
    if target in names and (colon or len(names) > 1):
        return f"{target}.{rest}" if rest else target
    if len(names) > 1:
        raise CardArenaError(
            f"component {component!r}: expected TARGET:COMPONENT, with one of {', '.join(names)}"
        )
    return f"{names[0]}.{component}" if component else names[0]


def measure_all(lab: Lab, tell: Tell, rows: Sequence[Target] | None = None) -> tuple[Finding, ...]:
    """Measure every row; what cannot be measured becomes a finding without a value, and the rest goes on.

    Args:
        lab: what is measured in.
        tell: takes a line a measurement.
        rows: rows of the table; all of them by default.
    """
    rows = read_targets() if rows is None else rows
    load_measurements()
    functions: dict[Callable[..., object], list[str]] = {}
    notes: dict[str, str] = {}
    for target in dict.fromkeys(row.target for row in rows):
        try:
            functions.setdefault(measure_of(target), []).append(target)
        except CardArenaError:
            notes[target] = "not measured yet"
    found: dict[str, Measured] = {}
    for function, names in functions.items():
        tell(f"measuring {', '.join(names)}")
        own = [row for row in rows if row.target in names]
        try:
            found |= measured(function, names, lab, own)  # type: ignore[arg-type]
        except Exception as error:  # one broken measurement must not cost the others
            reason = str(error) if isinstance(error, CardArenaError) else f"{type(error).__name__}: {error}"
            tell(f"measuring {', '.join(names)} failed: {reason}")
            notes |= dict.fromkeys(names, f"could not be measured: {reason}")
    return tuple(
        row.finding(found[row.id].value, found[row.id].standard_error, found[row.id].note)
        if row.id in found
        else row.finding(math.nan, note=notes.get(row.target, ""))
        for row in rows
    )


def run(lab: Lab, tell: Tell) -> Section:
    """Measure every target."""
    from cardarena.benchmarks.validation.target_pictures import pictures

    findings = measure_all(lab, tell)
    return Section(
        name="targets",
        title="The targets: does the world have the published numbers?",
        summary=_summary(findings),
        findings=findings,
        pictures=pictures(lab, findings),
        settings=lab.settings,
    )


def _summary(findings: Sequence[Finding]) -> str:
    """Return how each group of targets stands, in the order of the table."""
    groups: dict[str, list[Finding]] = {}
    for one in findings:
        if one.hardness != "context":
            groups.setdefault(one.id[0], []).append(one)
    parts = []
    for letter, own in groups.items():
        held = sum(one.verdict == HOLDS for one in own)
        parts.append(f"{GROUPS.get(letter, letter)} {held} of {len(own)}")
    if not parts:
        return "Nothing was measured."
    return f"Numbers inside their bands: {', '.join(parts)}. {_by_row(findings)}"


def _by_row(findings: Sequence[Finding]) -> str:
    """Say how many rows of the table hold: a target does when all its components do."""
    told = []
    for hardness in ("hard", "soft"):
        rows: dict[str, bool] = {}
        for one in findings:
            if one.hardness == hardness:
                name = one.id.partition(".")[0]
                rows[name] = rows.get(name, True) and one.verdict == HOLDS
        told.append(f"{sum(rows.values())} of {len(rows)} {hardness}")
    return f"A row holds when all its numbers do: {' and '.join(told)} rows hold."
