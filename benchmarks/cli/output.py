"""What commands print: results to stdout, remarks to stderr, JSON where a program reads."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from cardarena.simulator.errors import ResultsError

EXIT_FAILED: Final = 1
EXIT_BAD_INPUT: Final = 2
EXIT_INTERRUPTED: Final = 130


class Interrupted(Exception):
    """The user stopped a command that can be continued; the message says how."""


def usable_folder(out: Path) -> None:
    """Check that `out` is a folder that can be written to, or can become one.

    Raises:
        ResultsError: it cannot; says what stands in the way.
    """
    _check_place(out, "a folder")
    if out.exists() and not out.is_dir():
        raise ResultsError(f"--out {out}: expected a folder, found a file; choose another --out")


def usable_file(out: Path, *, force: bool) -> None:
    """Check that the file `out` can be written and, unless `force`, that none is there.

    Raises:
        ResultsError: it cannot; says what stands in the way.
    """
    _check_place(out, "a file")
    if out.is_dir():
        raise ResultsError(f"--out {out}: expected a file, found a folder; choose another --out")
    if out.exists() and not force:
        raise ResultsError(
            f"--out {out}: expected a new file, found one; choose another --out, or give --force"
        )


def _check_place(out: Path, what: str) -> None:
    """Raise unless the nearest folder above `out`, or `out` itself, exists and may be written to."""
    try:
        there = next(path for path in (out, *out.absolute().parents) if path.exists())
    except (OSError, ValueError) as error:  # a name too long, a loop of links
        reason = getattr(error, "strerror", None) or error
        raise ResultsError(f"--out {out}: cannot be used as {what}: {reason}") from None
    if there == out and not out.is_dir():
        return  # the callers say it better
    if not there.is_dir():
        raise ResultsError(f"--out {out}: cannot be used as {what}: {there} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ResultsError(f"--out {out}: cannot be used as {what}: no permission to write in {there}")


def complain(message: str) -> None:
    """Say what went wrong, to stderr."""
    print(f"cardarena: {message}", file=sys.stderr)  # noqa: T201


def remark(message: str) -> None:
    """Say something that is not the result, to stderr."""
    print(message, file=sys.stderr)  # noqa: T201


def say(message: str) -> None:
    """Say the result, to stdout."""
    print(message)  # noqa: T201


def say_json(content: Any) -> None:
    """Print `content` as JSON."""
    from cardarena.benchmarks.storage import plain

    print(json.dumps(plain(content), ensure_ascii=False, indent=2))  # noqa: T201


def say_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a plain aligned table: it is read by people, and by `grep`."""
    cells = [[str(value) for value in row] for row in rows]
    widths = [max([_width(name), *(_width(row[i]) for row in cells)]) for i, name in enumerate(columns)]
    for row in [list(columns), *cells]:
        line = "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        print(line.rstrip())  # noqa: T201


def _width(text: str) -> int:
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
