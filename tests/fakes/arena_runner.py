"""A made-up runner for tests of the arena: values follow from the task, and some policies misbehave on purpose."""

import ctypes
import os
import time
from pathlib import Path
from typing import Any

from cardarena.benchmarks.arena.plan import Plan, Task
from cardarena.benchmarks.arena.worker import Tell


class FakeRunner:
    """Plays a task in no time; `raises`, `hangs`, `exits` and `crashes` do what their names say."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan, self._folder = plan, folder

    def warm(self) -> None:
        pass

    def forget(self) -> None:
        pass

    def prepare(self, task: Task, tell: Tell) -> dict[str, Any]:
        tell("world")
        if task.scenario == "broken":
            raise ValueError("no such world")
        self._count("prepared", task)
        return {"timing": {"burn_in": 0.5}}

    def run(self, task: Task, tell: Tell) -> dict[str, Any]:
        tell("run", 1, 2)
        self._count("played", task)
        if task.policy == "raises":
            raise ZeroDivisionError("one contact too many")
        if task.policy == "hangs":
            time.sleep(3600)
        if task.policy == "exits":
            os._exit(3)
        if task.policy == "crashes":
            ctypes.string_at(0)
        if task.policy == "slow":
            time.sleep(float(os.environ.get("FAKE_SLOW_SECONDS", "0.2")))
        if task.policy == "full":
            raise OSError(28, "No space left on device")
        if task.policy == "leaves":
            raise SystemExit(5)
        value = len(task.scenario) + task.seed / 7 + len(task.policy) * 0.1 + (task.dial or 0.0) / 3
        return {
            "league": "cold",
            "log_digest": f"{task.key}",
            "metrics": {"inv_expected": value, "undefined": float("nan")},
            "timing": {"decide": 0.25, "kernel": 0.125, "log": 0.0625},
            "series": {"fatigue_mean": [value, None, 0.5]},
            "breakdown": [["age", "18-29", "contacts", value]],
        }

    def _count(self, what: str, task: Task) -> None:
        if path := os.environ.get("FAKE_COUNTS"):
            with open(path, "a", encoding="utf-8") as file:
                file.write(f"{what} {task.key}\n")
