"""Small pieces of work that are done once: each a pure function of its settings, its answer kept in a file named by them."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from cardarena.benchmarks import provenance
from cardarena.benchmarks.storage import read_json, write_json
from cardarena.benchmarks.validation.findings import Tell

Settings = dict[str, Any]
Answer = dict[str, Any]
Task = tuple[str, Settings]


def digest(settings: Any) -> str:
    """Return a short hash of plain settings, the same for every order of keys."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _own_digest() -> str:
    """Return a short hash of the sources that decide what a job answers."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    kept = [
        path.read_bytes() for path in files if path.stem in ("variants", "worlds", "paths", "twins", "work")
    ]
    return hashlib.sha256(b"\0".join(kept)).hexdigest()[:8]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"expected plain data, found {type(value).__name__}")


class Jobs:
    """A desk for work that can be interrupted: asked for the same answers again, it goes on where it stopped.

    Attributes:
        folder: where answers are kept; made if it is missing.
        functions: the kinds of work by name; each takes settings and the scratch folder, and returns plain data. They must
            be module-level functions, since workers import them.
        workers: processes; 1 works in this one. No answer depends on it.
        tell: takes lines of progress.
    """

    def __init__(
        self,
        folder: Path,
        functions: Mapping[str, Callable[[Settings, Path], Answer]],
        *,
        workers: int = 1,
        tell: Tell = lambda text: None,
    ) -> None:
        # An answer holds for the code that gave it.
        self._folder = folder / f"code-{provenance.code_digest()}-{_own_digest()}"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._functions, self._workers, self._tell = dict(functions), workers, tell
        self._pool: ProcessPoolExecutor | None = None

    @contextmanager
    def open(self) -> Iterator["Jobs"]:
        """Keep the workers alive for several rounds."""
        if self._workers > 1:
            self._pool = ProcessPoolExecutor(self._workers, mp_context=get_context("spawn"))
        try:
            yield self
        finally:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
                self._pool = None

    @property
    def scratch(self) -> Path:
        """Where jobs may keep what is dear to make, such as burned-in worlds."""
        return self._folder / "scratch"

    def run(self, what: str, tasks: Sequence[Task]) -> list[Answer]:
        """Return the answer of each task, in order; only what is not kept yet is worked on.

        Args:
            what: words for the line of progress.
            tasks: kind and settings of each.
        """
        places = [self._place(task) for task in tasks]
        left = [n for n, place in enumerate(places) if not place.exists() and place not in places[:n]]
        done = len(tasks) - len(left)
        if left:
            self._tell(f"{what}: {done} of {len(tasks)} known")
        for n, answer in self._work([(n, tasks[n]) for n in left]):
            write_json(places[n], {"kind": tasks[n][0], "settings": tasks[n][1], "answer": answer})
            done += 1
            self._tell(f"{what}: {done} of {len(tasks)}")
        return [read_json(place)["answer"] for place in places]

    def _place(self, task: Task) -> Path:
        return self._folder / f"{task[0]}-{digest(task[1])}.json"

    def _work(self, tasks: Sequence[tuple[int, Task]]) -> Iterator[tuple[int, Answer]]:
        if self._pool is None:
            for n, (kind, settings) in tasks:
                yield n, self._functions[kind](settings, self.scratch)
            return
        waiting = {
            self._pool.submit(self._functions[kind], settings, self.scratch): n
            for n, (kind, settings) in tasks
        }
        for future in as_completed(waiting):
            yield waiting[future], future.result()
