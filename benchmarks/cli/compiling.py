"""What is shown of an arena's first minutes: that it compiles is worth a line only when it does."""

from pathlib import Path
from typing import Final

from cardarena.benchmarks.arena.plan import Task
from cardarena.benchmarks.arena.pool import Note
from cardarena.benchmarks.arena.progress import Show

_STAMP: Final = "arena-compiled"
#: A cache that an arena has filled holds more kernels than this; one that was begun holds fewer.
_KERNELS: Final = 80


def is_warm(folder: Path) -> bool:
    """Return whether the kernels of this version are compiled already."""
    if not folder.is_dir():
        return False
    return (folder / _STAMP).exists() or sum(1 for _ in folder.rglob("*.nbi")) >= _KERNELS


class SaysColdOnly:
    """Hands everything on to another `Show`, but the stage `compiling` only where the cache is cold."""

    def __init__(self, show: Show, folder: Path) -> None:
        self._show, self._folder = show, folder
        self._compiles = False

    def begin(self, total: int, done: int) -> None:
        """Hand it on."""
        self._show.begin(total, done)

    def stage(self, text: str) -> None:
        """Hand it on, unless it says that something is compiled which is there."""
        if self._compiles and not text and self._folder.is_dir():
            (self._folder / _STAMP).touch()
        self._compiles = text.startswith("compiling")
        if self._compiles and is_warm(self._folder):
            return
        self._show.stage(text)

    def note(self, note: Note) -> None:
        """Hand it on."""
        self._show.note(note)

    def ended(self, task: Task, reason: str) -> None:
        """Hand it on."""
        self._show.ended(task, reason)

    def close(self) -> None:
        """Hand it on."""
        self._show.close()
