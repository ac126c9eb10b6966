"""What a user sees while an arena runs: bars on a terminal, plain lines elsewhere, nothing where a program reads."""

import sys
import time
from typing import Any, Final, Protocol, TextIO

from cardarena.benchmarks.arena.plan import Task
from cardarena.benchmarks.arena.pool import Note

_LINE_SECONDS: Final = 5.0


class Show(Protocol):
    """Receives what happens."""

    def begin(self, total: int, done: int) -> None:
        """Runs in all, and those that were finished in an earlier sitting."""
        ...

    def stage(self, text: str) -> None:
        """The arena as a whole does this now; empty when it is over."""
        ...

    def note(self, note: Note) -> None:
        """A worker says what it does."""
        ...

    def ended(self, task: Task, reason: str) -> None:
        """A run ended, for a reason if it failed."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


class Quiet:
    """Shows nothing."""

    def begin(self, total: int, done: int) -> None:
        """Ignore it."""

    def stage(self, text: str) -> None:
        """Ignore it."""

    def note(self, note: Note) -> None:
        """Ignore it."""

    def ended(self, task: Task, reason: str) -> None:
        """Ignore it."""

    def close(self) -> None:
        """Ignore it."""


class Lines(Quiet):
    """Plain lines, few of them: each stage, each failure, and the state every few seconds."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._total = self._done = self._failed = 0
        self._last = time.monotonic()

    def begin(self, total: int, done: int) -> None:
        """Say how much there is to do."""
        self._total, self._done = total, done
        earlier = f", {done} of them finished earlier" if done else ""
        self._write(f"{total} runs{earlier}")

    def stage(self, text: str) -> None:
        """Say the stage."""
        if text:
            self._write(text)

    def ended(self, task: Task, reason: str) -> None:
        """Count it; say a failure at once, a success only now and then."""
        self._done += 1
        if reason:
            self._failed += 1
            self._write(f"failed: {task}: {reason}")
        if time.monotonic() - self._last > _LINE_SECONDS or self._done == self._total:
            self._last = time.monotonic()
            failed = f", {self._failed} failed" if self._failed else ""
            self._write(f"{self._done} of {self._total} runs{failed}")

    def _write(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class Bars(Quiet):
    """One bar for the arena and one line per worker, on a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._progress.start()
        self._stage = self._progress.add_task("starting", total=None)
        self._runs: Any = None
        self._workers: dict[int, Any] = {}

    def begin(self, total: int, done: int) -> None:
        """Open the arena's bar."""
        self._runs = self._progress.add_task("runs", total=total, completed=done)

    def stage(self, text: str) -> None:
        """Show the stage, hide it when it is over."""
        self._progress.update(self._stage, description=text, visible=bool(text))

    def note(self, note: Note) -> None:
        """Move the worker's own line."""
        if note.worker not in self._workers:
            self._workers[note.worker] = self._progress.add_task("", total=None)
        text = f"  {note.task}" + (f" ({note.stage})" if note.stage not in ("begins", "run") else "")
        self._progress.update(
            self._workers[note.worker], description=text, completed=note.done, total=note.total or None
        )

    def ended(self, task: Task, reason: str) -> None:
        """Move the arena's bar; print a failure above it."""
        if reason:
            from rich.text import Text

            self._progress.console.print(Text(f"failed: {task}: {reason}"))
        if self._runs is not None:
            self._progress.advance(self._runs)

    def close(self) -> None:
        """Take the bars away."""
        self._progress.stop()


def choose(*, quiet: bool) -> Show:
    """Return what suits the place: nothing if `quiet`, bars on a terminal, lines elsewhere."""
    if quiet:
        return Quiet()
    return Bars() if sys.stderr.isatty() else Lines()
