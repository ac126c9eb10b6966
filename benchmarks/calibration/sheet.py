"""Small CSV tables that a person writes: read strictly, every complaint with file and line."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cardarena.simulator.errors import CardArenaError, nearest
from cardarena.simulator.strict_yaml import read_text, shown

MAX_ROWS: Final = 5_000


@dataclass(frozen=True)
class Row:
    """One row of a table, and where it stands; cells are stripped texts, "" where a column is left out."""

    place: str
    cells: dict[str, str]

    def error(self, problem: str) -> CardArenaError:
        """Compose the error about this row, to be raised by the caller."""
        return CardArenaError(f"{self.place}: {problem}")

    def number(self, column: str, default: float) -> float:
        """Return the cell as a number, or `default` where it is empty.

        Raises:
            CardArenaError: not a finite number.
        """
        text = self.cells.get(column, "")
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(f"column '{column}': expected a number, found {shown(text)}")
        return value


def read_sheet(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> list[Row]:
    """Return the rows of a CSV file with a head line.

    Args:
        path: the file.
        required: columns that it must have.
        optional: columns that it may have besides.

    Raises:
        CardArenaError: unreadable or too large, no head line, a missing, repeated or unknown column, a row with more
            cells than columns, or no row at all.
    """
    lines = csv.reader(io.StringIO(read_text(path).removeprefix("\ufeff"), newline=""), strict=True)
    rows: list[Row] = []
    head: list[str] = []
    try:
        for cells in lines:
            stripped = [cell.strip() for cell in cells]
            if not any(stripped):
                continue
            if not head:
                head = _checked_head(path, lines.line_num, stripped, required, optional)
                continue
            place = f"{path}:{lines.line_num}"
            if len(stripped) > len(head):
                raise CardArenaError(f"{place}: expected at most {len(head)} cells, found {len(stripped)}")
            if len(rows) >= MAX_ROWS:
                raise CardArenaError(f"{place}: expected at most {MAX_ROWS} rows, found more")
            stripped += [""] * (len(head) - len(stripped))
            rows.append(Row(place, dict(zip(head, stripped, strict=True))))
    except csv.Error as error:
        raise CardArenaError(f"{path}:{lines.line_num}: expected CSV, found: {error}") from None
    if not rows:
        raise CardArenaError(f"{path}: expected a head line and rows, found no row")
    return rows


def _checked_head(
    path: Path, line: int, head: list[str], required: Sequence[str], optional: Sequence[str]
) -> list[str]:
    known = {*required, *optional}
    for name in head:
        if name not in known:
            raise CardArenaError(
                f"{path}:{line}: expected a known column, found {name!r}; {nearest(name, known)}"
            )
        if head.count(name) > 1:
            raise CardArenaError(f"{path}:{line}: expected column {name!r} once, found it again")
    missing = [name for name in required if name not in head]
    if missing:
        raise CardArenaError(f"{path}:{line}: expected the column {missing[0]!r}, found {', '.join(head)}")
    return head
