"""The other side of `pool`: a process that plays one task at a time and answers in plain values."""

import contextlib
import faulthandler
import importlib
import importlib.util
import os
import re
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, Protocol

from cardarena.benchmarks.arena.plan import Plan, Task
from cardarena.simulator.errors import CardArenaError

_NOTE_SECONDS: Final = 0.25
#: Errors of the machine: retrying another policy would meet them too.
_DISK_ERRORS: Final = {"ENOSPC", "EDQUOT", "EROFS", "EIO"}


#: The folders of an absolute path: where somebody's files lie is not for a published table.
_FOLDERS: Final = re.compile(r"(?<![\w.:/])/(?:[^\s'\":,()/]+/)+")


class Tell(Protocol):
    """How a runner says how far it is."""

    def __call__(self, stage: str, done: int = 0, total: int = 0) -> None:
        """Say the stage, and how many days of how many are done."""
        ...


class Runner(Protocol):
    """What plays tasks; made once in each worker, from the plan and a scratch folder that all workers share."""

    def __init__(self, plan: Plan, folder: Path) -> None: ...

    def warm(self) -> None:
        """Compile what is to be compiled."""
        ...

    def prepare(self, task: Task, tell: Tell) -> dict[str, Any]:
        """Prepare the task's world and leave it in the folder, where any worker finds it."""
        ...

    def run(self, task: Task, tell: Tell) -> dict[str, Any]:
        """Play one run in a prepared world; return its part, plain values only."""
        ...

    def forget(self) -> None:
        """Drop what is kept in memory: a run that failed may have spoilt it."""
        ...


def load(spec: str) -> Any:
    """Return what `module:name` or `FILE.py:name` names."""
    module_name, _, name = spec.rpartition(":")
    if module_name.endswith(".py"):
        found = importlib.util.spec_from_file_location("cardarena_runner", module_name)
        if found is None or found.loader is None:
            raise CardArenaError(f"cannot load {spec!r}")
        module = importlib.util.module_from_spec(found)
        sys.modules[found.name] = module
        found.loader.exec_module(module)
    else:
        module = importlib.import_module(module_name)
    return getattr(module, name)


def reason_of(error: BaseException) -> str:
    """Say in one line what was raised and where: type, message, and the last frame of the user's own code.

    The user's own code is what lies neither in this package nor among installed packages; where there is none, it is
    the last frame of a policy of this package, and else the last one of this package.
    """
    message = _FOLDERS.sub("", " ".join(str(error).split()))
    text = f"{type(error).__name__}: {message[:500]}" if message else type(error).__name__
    place = _place(error)
    return f"{text} ({place})" if place else text


def _place(error: BaseException) -> str:
    frames = []
    seen: BaseException | None = error
    while seen is not None:  # the cause lies deeper than what it was wrapped in
        frames += traceback.extract_tb(seen.__traceback__)
        seen = seen.__cause__
    package = Path(__file__).resolve().parents[2]
    installed = ("site-packages", "dist-packages", f"python{sys.version_info[0]}.{sys.version_info[1]}")
    own, ours, rest = [], [], []
    for frame in frames:
        path = Path(frame.filename)
        if frame.filename.startswith("<") or any(part in installed for part in path.parts[-6:]):
            continue
        resolved = path.resolve()
        if not any(resolved.is_relative_to(package / part) for part in ("simulator", "benchmarks", "agents")):
            own.append(frame)
        else:
            (ours if resolved.is_relative_to(package / "agents") else rest).append(frame)
    chosen = (own or ours or rest)[-1:]
    return f"{Path(chosen[0].filename).name}:{chosen[0].lineno}" if chosen else ""


def _broken_disk(error: BaseException) -> int:
    import errno

    if isinstance(error, OSError) and error.errno and errno.errorcode.get(error.errno) in _DISK_ERRORS:
        return error.errno
    return 0


def _end_with(parent: int) -> None:
    # A parent that was killed cannot end us; a pipe that closed is noticed only between tasks.
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _volunteer_when_memory_runs_out() -> None:
    # The kernel should take the worker whose policy is greedy, never the parent.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("800", encoding="ascii")


def _play(runner: Runner, task: Task, tell: Tell) -> dict[str, Any]:
    if task.is_warm_up:
        runner.warm()
        return {}
    return runner.prepare(task, tell) if task.is_preparation else runner.run(task, tell)


def serve(pipe: Connection) -> None:
    """Answer tasks until the line closes."""
    _, spec, settings, folder = pipe.recv()
    runner: Runner | None = None
    while True:
        try:
            _, task = pipe.recv()
        except EOFError:
            return
        last = 0.0

        def tell(stage: str, done: int = 0, total: int = 0) -> None:
            nonlocal last
            present = time.monotonic()
            if present - last >= _NOTE_SECONDS:
                last = present
                pipe.send(("note", stage, done, total))

        try:
            if runner is None:
                runner = load(spec)(Plan.from_settings(settings), Path(folder))
                assert runner is not None
            result = _play(runner, task, tell)
            answer = ("answer", True, result, "", 0)
        except BaseException as error:  # a policy may raise anything, SystemExit and KeyboardInterrupt too
            if runner is not None:
                runner.forget()
            traceback.print_exc()
            answer = ("answer", False, None, reason_of(error), _broken_disk(error))
        sys.stdout.flush()
        sys.stderr.flush()
        pipe.send(answer)


def main() -> None:
    """Serve on the file descriptor and for the parent named on the command line."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(descriptor, False)
    faulthandler.enable()
    _volunteer_when_memory_runs_out()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        serve(Connection(descriptor))


if __name__ == "__main__":
    main()
