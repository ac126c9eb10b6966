"""What validation says: a finding is one number against its band, a section a set of them with pictures and tables."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

#: How much a finding binds: all `hard` ones must hold, nine in ten of the `soft`, `context` ones bind nothing.
Hardness = Literal["hard", "soft", "context"]
Tell = Callable[[str], None]

HOLDS: Final = "holds"
MISSES: Final = "misses"
CONTEXT: Final = "context"


@dataclass(frozen=True)
class Finding:
    """One number that the world gave, and the band in which the evidence puts it.

    Attributes:
        id: stable name, dotted: `C1`, `C4.triggered`, `shape.wear`.
        quantity: what was measured, in words.
        value: what the world gave; NaN where it could not be measured, which misses.
        standard_error: of `value`, over people and seeds; NaN if it has none (a count of breaches).
        low: lower end of the band; -inf if open.
        high: upper end of the band; inf if open.
        point: what the source says, or NaN.
        unit: unit of all four numbers.
        hardness: how much it binds.
        mode: population mode, `survey` or `population`; "" where it does not matter.
        source: where the band comes from.
        note: how it was measured, and what to bear in mind.
    """

    id: str
    quantity: str
    value: float
    standard_error: float = math.nan
    low: float = -math.inf
    high: float = math.inf
    point: float = math.nan
    unit: str = ""
    hardness: Hardness = "soft"
    mode: str = ""
    source: str = ""
    note: str = ""

    @property
    def verdict(self) -> str:
        """`holds` inside the closed band, `misses` outside it; `context` for what binds nothing."""
        if self.hardness == "context":
            return CONTEXT
        return HOLDS if self.low <= self.value <= self.high else MISSES

    @property
    def is_close(self) -> bool:
        """Whether an edge of the band lies within two standard errors, so that another seed might judge otherwise."""
        if not math.isfinite(self.standard_error):
            return False
        return min(abs(self.value - self.low), abs(self.value - self.high)) < 2.0 * self.standard_error


@dataclass(frozen=True)
class Picture:
    """One figure: its name (a file name), a title that states what it shows, a caption, and the SVG text."""

    name: str
    title: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Table:
    """A table for the page: column heads, and rows of text or numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """One part of the validation, whole.

    Attributes:
        name: module name: `targets`, `shapes`, ...
        title: heading of the page.
        summary: two or three sentences on what was found, made from the numbers.
        findings: in the order of the page.
        pictures: in the order of the page.
        tables: in the order of the page.
        settings: what it was measured with: cardholders, seeds, days, parameter set.
    """

    name: str
    title: str
    summary: str
    findings: tuple[Finding, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_json(self) -> dict[str, Any]:
        """Return the section as plain data; `from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Section":
        """Return the section that `to_json` described."""
        return cls(
            name=data["name"],
            title=data["title"],
            summary=data["summary"],
            findings=tuple(Finding(**entry) for entry in data["findings"]),
            pictures=tuple(Picture(**entry) for entry in data["pictures"]),
            tables=tuple(
                Table(
                    entry["title"],
                    tuple(entry["columns"]),
                    tuple(tuple(row) for row in entry["rows"]),
                    entry["caption"],
                )
                for entry in data["tables"]
            ),
            settings=data["settings"],
        )


@dataclass(frozen=True)
class Verdict:
    """How a set of findings stands as a whole."""

    hard: int
    hard_held: int
    soft: int
    soft_held: int
    missed: tuple[str, ...]

    @property
    def is_passed(self) -> bool:
        """Whether every hard finding holds, and at least nine soft ones in ten."""
        return self.hard_held == self.hard and 10 * self.soft_held >= 9 * self.soft


def judge(findings: Sequence[Finding]) -> Verdict:
    """Return how many findings hold, by hardness, and the ids of those that miss."""
    held = {
        hardness: [f.verdict == HOLDS for f in findings if f.hardness == hardness]
        for hardness in ("hard", "soft")
    }
    return Verdict(
        hard=len(held["hard"]),
        hard_held=sum(held["hard"]),
        soft=len(held["soft"]),
        soft_held=sum(held["soft"]),
        missed=tuple(f.id for f in findings if f.verdict == MISSES),
    )
