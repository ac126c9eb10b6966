"""Workers that live long and die alone: one task at a time each, under a wall-clock limit kept by the parent.

The life of a worker: *idle* -> *busy* (a task was sent) -> *idle* (its answer came), or -> *gone* (it died, or was
killed at its limit), and then another takes its place. Starting one costs seconds (imports, compiled kernels), so it
is kept; a task that hangs or crashes costs its worker and nothing else.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Final

from cardarena.benchmarks.arena.plan import Task

#: One core a worker: nested threads would fight for cores and, in BLAS, change the order of sums.
ONE_THREAD: Final = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "NUMBA_NUM_THREADS",
    ),
    "1",
)
#: How often the parent looks whether a worker died without closing its pipe.
_LOOK_SECONDS: Final = 0.5


@dataclass
class Answer:
    """What became of a task.

    Attributes:
        task: the task.
        ok: whether it returned a result.
        result: its result, or None.
        reason: why it failed, in words for a reader; empty if it did not.
        broken_disk: the failure was the machine's (no space, no permission), not the policy's.
    """

    task: Task
    ok: bool
    result: Any = None
    reason: str = ""
    broken_disk: int = 0


@dataclass
class Note:
    """What a worker says while it works: `stage`, and how far it is.

    Attributes:
        worker: number of the worker.
        task: what it works on.
        stage: such as `world`, `run`.
        done: days done.
        total: days in all, or 0 where that is unknown.
    """

    worker: int
    task: Task
    stage: str
    done: int = 0
    total: int = 0


@dataclass
class _Worker:
    number: int
    process: subprocess.Popen[bytes]
    pipe: Connection
    task: Task | None = None
    deadline: float = 0.0
    limit: float = 0.0
    group: tuple[str, int] | None = None


class Pool:
    """A fixed number of workers.

    Args:
        n_workers: how many.
        settings: plain values that each worker's runner is made from.
        runner: `module:name` or `FILE.py:name` of the runner class.
        folder: where workers keep their scratch files and what they print.
    """

    def __init__(self, n_workers: int, settings: dict[str, Any], runner: str, folder: Path) -> None:
        self._settings, self._runner, self._folder = settings, runner, folder
        folder.mkdir(parents=True, exist_ok=True)
        self._workers = [self._start(number) for number in range(n_workers)]

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def idle(self) -> list[tuple[int, tuple[str, int] | None]]:
        """Number of each idle worker, and the world that it last worked in."""
        return [(worker.number, worker.group) for worker in self._workers if worker.task is None]

    @property
    def is_busy(self) -> bool:
        """Whether any worker works."""
        return any(worker.task is not None for worker in self._workers)

    def grow(self, n_workers: int) -> None:
        """Start workers until there are `n_workers`."""
        while len(self._workers) < n_workers:
            self._workers.append(self._start(len(self._workers)))

    def give(self, number: int, task: Task, limit_seconds: float) -> None:
        """Let the idle worker `number` begin `task`, and kill it when `limit_seconds` have passed."""
        worker = self._workers[number]
        worker.task, worker.limit = task, limit_seconds
        worker.group = task.group
        worker.deadline = time.monotonic() + limit_seconds
        # A worker that died while idle is noticed when its answer is waited for.
        with contextlib.suppress(OSError):
            worker.pipe.send(("task", task))

    def events(self) -> Iterator[Note | Answer]:
        """Wait until something happens; yield what workers said, and an answer for each task that ended."""
        busy = {worker.pipe: worker for worker in self._workers if worker.task is not None}
        if not busy:
            return
        now = time.monotonic()
        nearest = min(worker.deadline for worker in busy.values())
        ready = wait(list(busy), timeout=max(0.0, min(_LOOK_SECONDS, nearest - now)))
        for pipe, worker in busy.items():
            if pipe in ready:
                yield from self._hear(worker)
            elif worker.process.poll() is not None and not pipe.poll():
                yield self._lost(worker)
            elif time.monotonic() >= worker.deadline:
                yield self._overdue(worker)

    def close(self) -> None:
        """End every worker, busy or not."""
        for worker in self._workers:
            self._kill(worker)

    def _start(self, number: int) -> _Worker:
        ours, theirs = socket.socketpair()
        environment = {
            **os.environ,
            **ONE_THREAD,
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        }
        with (self._folder / f"worker-{number}.txt").open("ab") as printed:
            # Its own session: a Ctrl-C in the terminal is the parent's to handle, and a kill reaches its children too.
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "cardarena.benchmarks.arena.worker",
                    str(theirs.fileno()),
                    str(os.getpid()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env=environment,
            )
        theirs.close()
        pipe = Connection(ours.detach())
        with contextlib.suppress(OSError):
            pipe.send(("begin", self._runner, self._settings, str(self._folder)))
        return _Worker(number, process, pipe)

    def _hear(self, worker: _Worker) -> Iterator[Note | Answer]:
        task = worker.task
        assert task is not None
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            yield self._lost(worker)
            return
        except Exception as error:  # what came could not be read: the worker is not to be trusted further
            self._replace(worker)
            yield Answer(
                task, ok=False, reason=f"its worker sent what cannot be read ({type(error).__name__})"
            )
            return
        if message[0] == "note":
            yield Note(worker.number, task, *message[1:])
            return
        worker.task = None
        _, ok, result, reason, broken_disk = message
        yield Answer(task, ok, result, reason, broken_disk)

    def _lost(self, worker: _Worker) -> Answer:
        task = worker.task
        assert task is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.process.wait(timeout=5)
        code = worker.process.returncode
        self._replace(worker)
        return Answer(task, ok=False, reason=_how_it_died(code))

    def _overdue(self, worker: _Worker) -> Answer:
        task, limit = worker.task, worker.limit
        assert task is not None
        self._replace(worker)
        return Answer(task, ok=False, reason=f"exceeded the limit of {limit:g} s for one run and was killed")

    def _replace(self, worker: _Worker) -> None:
        self._kill(worker)
        self._workers[worker.number] = self._start(worker.number)

    def _kill(self, worker: _Worker) -> None:
        with contextlib.suppress(OSError):
            os.killpg(worker.process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.process.wait(timeout=10)
        worker.pipe.close()


def _how_it_died(code: int | None) -> str:
    if code is None:
        return "its process closed the line and went silent"
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = {
            "SIGKILL": " (out of memory, or killed by hand)",
            "SIGSEGV": " (a crash in compiled code)",
        }.get(name, "")
        return f"its process was ended by {name}{hint}"
    return f"its process ended itself with exit code {code}"
