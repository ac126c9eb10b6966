"""How one task is played in the real world: prepare a world once, fork it for each policy, measure what happened."""

import contextlib
import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from cardarena.benchmarks.arena.plan import Entry, Plan, Task
from cardarena.benchmarks.arena.worker import Tell
from cardarena.benchmarks.storage import inside, read_sealed, safe_name, write_atomic, write_sealed

SILENT: Final = "silent"
#: A world of this size meets every kernel; it is played to compile, and thrown away.
_WARM_UP_CARDHOLDERS: Final = 64
_READY: Final = "ready.json"
_WORLD: Final = "world.bin"
_SILENT: Final = "silent.npz"
_SILENT_ARRAYS: Final = ("traits", "alive_at_start", "initially_permitted")


@dataclass
class _Silent:
    """The silent run of a world: what every metric is measured against.

    Attributes:
        run: its tables, as metrics read them.
        log_digest: digest of its log.
    """

    run: Any
    log_digest: str


class ArenaRunner:
    """Plays tasks; keeps the last world and its silent run in memory, since the next task usually needs them."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan, self._folder = plan, folder
        self._group: tuple[str, int] | None = None
        self._world: Any = None
        self._silent: _Silent | None = None
        self._facts: Any = None

    def warm(self) -> None:
        """Compile every kernel by playing a world of a few cardholders."""
        from cardarena.agents.registry import make_policy

        entry = self._plan.scenarios[0]
        world = self._create(entry, seed=1, n_cardholders=_WARM_UP_CARDHOLDERS)
        self._play(world, make_policy(SILENT), None, days=2)

    def forget(self) -> None:
        """Drop the world in memory; it is read again from the folder."""
        self._group = self._world = self._silent = self._facts = None

    def prepare(self, task: Task, tell: Tell) -> dict[str, Any]:
        """Create the world, play its burn-in and its silent run, and leave both in the folder."""
        from cardarena.agents.registry import make_policy

        folder = self._folder_of(task)
        if (folder / _READY).exists() and read_sealed(folder / _READY) == list(task.group):
            return {"reused": True, "timing": {}}
        self.forget()
        tell("world: burn-in")
        timing: dict[str, float] = {}
        with _timed(timing, "burn_in"):
            entry = self._plan.scenario(task.scenario)
            world = self._create(entry, task.seed, self._plan.cardholders, _telling(tell, "world: burn-in"))
        with _timed(timing, "save"):
            folder.mkdir(parents=True, exist_ok=True)
            world.save(folder / _WORLD)
        with _timed(timing, "silent_run"):
            on_day = _telling(tell, "world: silent run")
            log = self._play(world.fork(), make_policy(SILENT), on_day)
            silent = _Silent(_tables(log), log.digest())
        with _timed(timing, "save"):
            _write_silent(folder / _SILENT, silent)
            write_sealed(folder / _READY, list(task.group))
        self._keep(task, world, silent)
        return {"timing": timing}

    def run(self, task: Task, tell: Tell) -> dict[str, Any]:
        """Play one policy in a fork of the task's world; return its part."""
        from cardarena.agents.registry import make_policy
        from cardarena.benchmarks.metrics import run_breakdown, run_metrics, run_series

        timing: dict[str, float] = {}
        with _timed(timing, "load"):
            self._load(task)
        assert self._silent is not None
        entry = self._plan.policy(task.policy)
        if entry.spec == SILENT and task.dial is None:
            # Played when the world was prepared, and timed there.
            league, digest, facts = make_policy(SILENT).league, self._silent.log_digest, self._facts
        else:
            # A policy that draws from the global generators must not see what ran before it in this process.
            random.seed(f"{task.key}")
            np.random.seed(task.seed)  # noqa: NPY002 - not a draw of ours: it is the policy's
            with _timed(timing, "fork"):
                world = self._world.fork()
            began = time.perf_counter()
            policy = make_policy(entry.spec, task.dial)
            league = policy.league
            inner: dict[str, float] = {}
            _time_methods(policy, inner)
            log = self._play(world, policy, _telling(tell, "run"))
            timing |= _with_rest({**world.timing, **inner}, time.perf_counter() - began)
            with _timed(timing, "digest"):
                digest = log.digest()
            facts = _facts(_tables(log))
        part: dict[str, Any] = {"league": league, "log_digest": digest}
        with _timed(timing, "metrics"):
            part["metrics"] = run_metrics(facts, self._facts)
            if task.dial is None:
                part["series"] = run_series(facts, self._facts)
                part["breakdown"] = [list(row) for row in run_breakdown(facts, self._facts)]
        return {**part, "timing": timing}

    def _create(
        self,
        entry: Entry,
        seed: int,
        n_cardholders: int | None,
        on_day: Callable[[int, int], None] | None = None,
    ) -> Any:
        from cardarena.agents.registry import make_policy
        from cardarena.simulator.scenario import load_scenario
        from cardarena.simulator.world import World

        world = self._plan.world
        scenario = load_scenario(entry.spec, None if world is None else {"world": world})
        return World.create(
            scenario, seed, n_cardholders=n_cardholders, scheduler=self._plan.scheduler, threads=1
        ).burn_in(make_policy, on_day)

    def _play(
        self, world: Any, policy: Any, on_day: Callable[[int, int], None] | None, days: int | None = None
    ) -> Any:
        from cardarena.agents.registry import make_policy

        run_out_policy = make_policy(world.scenario.horizon.run_out_policy)
        return world.run(policy, days=days or self._plan.days, run_out_policy=run_out_policy, on_day=on_day)

    def _folder_of(self, task: Task) -> Path:
        return inside(self._folder, safe_name(task.scenario), str(task.seed))

    def _load(self, task: Task) -> None:
        if self._group == task.group:
            return
        from cardarena.simulator.world import World

        self.forget()
        folder = self._folder_of(task)
        world = World.load(folder / _WORLD, scheduler=self._plan.scheduler, threads=1)
        self._keep(task, world, _read_silent(folder / _SILENT))

    def _keep(self, task: Task, world: Any, silent: _Silent) -> None:
        self._group, self._world, self._silent, self._facts = task.group, world, silent, _facts(silent.run)


def _facts(run: Any) -> Any:
    from cardarena.benchmarks.metrics import RunFacts

    return RunFacts(run)


def _tables(log: Any) -> Any:
    """Return the log as metrics read it: plain tables, which can be kept in a file."""
    from cardarena.benchmarks.metrics import RunTables
    from cardarena.simulator.log import TABLES

    known = {field.name for field in fields(RunTables)} - {"tables"}
    facts = {name: value for name, value in log.facts.items() if name in known}
    return RunTables(tables={name: log.table(name) for name in TABLES}, **facts)


def _write_silent(path: Path, silent: _Silent) -> None:
    run = silent.run
    arrays = {
        f"{name}/{column}": values for name, table in run.tables.items() for column, values in table.items()
    }
    about = {
        "log_digest": silent.log_digest,
        "days": run.days,
        "run_out_days": run.run_out_days,
        "offer_names": list(run.offer_names),
    }
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    for name in _SILENT_ARRAYS:
        arrays[name] = np.asarray(getattr(run, name))
    write_atomic(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def _read_silent(path: Path) -> _Silent:
    from cardarena.benchmarks.metrics import RunTables

    tables: dict[str, dict[str, np.ndarray]] = {}
    with np.load(path, allow_pickle=False) as file:
        about = json.loads(file["about"].tobytes())
        facts = {name: file[name] for name in _SILENT_ARRAYS}
        for key in file.files:
            name, _, column = key.partition("/")
            if column:
                tables.setdefault(name, {})[column] = file[key]
    run = RunTables(
        tables=tables,
        days=about["days"],
        run_out_days=about["run_out_days"],
        offer_names=tuple(about["offer_names"]),
        **facts,
    )
    return _Silent(run, about["log_digest"])


def _telling(tell: Tell, stage: str) -> Callable[[int, int], None]:
    return lambda day, total: tell(stage, day, total)


@contextmanager
def _timed(timing: dict[str, float], stage: str) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        timing[stage] = timing.get(stage, 0.0) + time.perf_counter() - began


def _time_methods(policy: Any, timing: dict[str, float]) -> None:
    """Time what the world does not: the policy's own learning, before the run (`reset`) and in it (`learn`)."""
    for name in ("reset", "learn"):
        method = getattr(policy, name)

        def timed(*arguments: Any, method: Callable[..., Any] = method, name: str = name) -> Any:
            with _timed(timing, name):
                return method(*arguments)

        with contextlib.suppress(AttributeError):  # a class with slots is not timed
            setattr(policy, name, timed)


def _with_rest(timing: Any, seconds: float) -> dict[str, float]:
    """Return the stages that the world timed, and as `rest` what it did not."""
    stages = {name: float(value) for name, value in dict(timing).items()}
    return {**stages, "rest": max(0.0, seconds - sum(stages.values()))}
