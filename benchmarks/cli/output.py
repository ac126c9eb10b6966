"""What commands print: results to stdout, remarks to stderr, JSON where a program reads."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

EXIT_FAILED: Final = 1
EXIT_BAD_INPUT: Final = 2
EXIT_INTERRUPTED: Final = 130


class Interrupted(Exception):
    """The user stopped a command that can be continued; the message says how."""


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
