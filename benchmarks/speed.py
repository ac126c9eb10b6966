"""How fast the simulator is: cardholder-days and environment steps per second, where the time goes, memory, start-up.

A figure is the median of several runs. Each heavy measurement is made in a process of its own, so that its peak memory
is its own and nothing that ran before it helps or hurts.
"""

import json
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from cardarena.benchmarks import environment_speed, provenance
from cardarena.simulator.errors import CardArenaError

SCENARIO: Final = "baseline"
POLICY: Final = "rfm"
AGENT_CARDHOLDERS: Final = 2000
_SMALL: Final = 64
_SETTLING_DAYS: Final = 14
_WRITTEN_DAYS: Final = 5


def measure(
    *,
    n_cardholders: int = 1_000_000,
    days: int = 30,
    repeats: int = 3,
    threads: int | None = None,
    compile_time: bool = True,
    sizes: Sequence[int] = (),
    tell: Callable[[str], object] = lambda text: None,
) -> dict[str, Any]:
    """Measure and return the figures as plain values.

    Args:
        n_cardholders: cardholders under the cohort scheduler.
        days: days, all of them decision days.
        repeats: runs of each measurement; medians are reported.
        threads: threads of the cohort scheduler; one a core by default.
        compile_time: whether first compile and warm start are measured too.
        sizes: cardholders of further measurements of the cohort scheduler, to see how the cost of one grows with all.
        tell: receives remarks on progress.
    """
    threads = threads or provenance.available_cores()
    result: dict[str, Any] = {"cardarena": provenance.package_version(), "machine": provenance.machine()}
    if compile_time:
        result["start_up"] = _start_up(repeats, tell)
    for scheduler, people in (("cohort", n_cardholders), ("agent", AGENT_CARDHOLDERS)):
        tell(f"{scheduler} scheduler: {people:,} cardholders, {days} days, {repeats} times")
        result[scheduler] = _in_own_process(
            {"scheduler": scheduler, "n": people, "days": days, "repeats": repeats, "threads": threads}
        )
    cohort, agent = (result[name]["cardholder_days_per_second"] for name in ("cohort", "agent"))
    result["ratio"] = round(cohort / agent, 1) if agent else None
    tell("environments")
    result["environments"] = _in_own_process({"environments": True, "threads": threads, "repeats": repeats})
    if sizes:
        result["sizes"] = _sizes(sizes, days=days, repeats=repeats, threads=threads, tell=tell)
    return result


def shown(result: dict[str, Any]) -> str:
    """Return the figures as lines for a reader."""
    machine = result["machine"]
    lines = [f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['python']}"]
    if "start_up" in result:
        start = result["start_up"]
        lines.append(
            f"first compile {start['first_compile_seconds']:.1f} s, warm start {start['warm_start_seconds']:.2f} s"
        )
    for name in ("cohort", "agent"):
        figures = result[name]
        lines += [
            "",
            f"{name}: {figures['cardholder_days_per_second']:,} cardholder-days/s "
            f"({figures['cardholders']:,} cardholders, {figures['days']} days, {figures['threads']} threads, "
            f"median of {len(figures['runs_seconds'])})",
            f"  scenario {figures['scenario']}, {figures['policy']} deciding {figures['cadence']}, log to Parquet",
            f"  {figures['rows_per_cardholder_day']:.3f} rows per cardholder-day in {', '.join(figures['tables'])}",
            f"  {figures['cardholder_days_per_second_without_policy']:,} cardholder-days/s without the policy's own "
            f"{figures['breakdown_seconds']['decide']:.2f} s",
            f"  {figures['log_rows_per_second']:,} log rows/s to Parquet, the writer alone",
            f"  peak memory {figures['peak_memory_gb']:.2f} GB, {figures['bytes_per_cardholder']:,} bytes a cardholder",
        ]
        total = sum(figures["breakdown_seconds"].values()) or 1.0
        for stage, seconds in figures["breakdown_seconds"].items():
            lines.append(f"  {stage:<12}{seconds:8.2f} s {seconds / total:6.0%}")
    lines += [
        "",
        f"cohort : agent = {result['ratio']} : 1",
        "",
        *environment_speed.shown(result["environments"]),
    ]
    if "sizes" in result:
        lines += ["", *_shown_sizes(result["sizes"])]
    return "\n".join(lines)


def _sizes(
    sizes: Sequence[int], *, days: int, repeats: int, threads: int, tell: Callable[[str], object]
) -> list[dict[str, Any]]:
    """Measure each number of cardholders in a process of its own; return one row each, smallest first.

    A cost is nanoseconds of the whole loop for one cardholder-day, by the clock and of CPU; `ratio` is the cost over that of
    the smallest. The clock falls with size as far as the threads find more to do at once, CPU tells what there is to do.
    """
    rows: list[dict[str, Any]] = []
    for n in sorted(sizes):
        tell(f"cohort scheduler: {n:,} cardholders, {days} days, {repeats} times")
        figures = _in_own_process(
            {"scheduler": "cohort", "n": n, "days": days, "repeats": repeats, "threads": threads}
        )
        cost, cpu = (
            statistics.median(figures[name]) / (n * days) * 1e9
            for name in ("runs_seconds", "runs_cpu_seconds")
        )
        rows.append(
            {
                "cardholders": n,
                "nanoseconds": round(cost, 1),
                "ratio": round(cost / rows[0]["nanoseconds"], 2) if rows else 1.0,
                "cpu_nanoseconds": round(cpu, 1),
                "cpu_ratio": round(cpu / rows[0]["cpu_nanoseconds"], 2) if rows else 1.0,
                **{name: figures[name] for name in ("peak_memory_gb", "bytes_per_cardholder")},
            }
        )
    return rows


def _shown_sizes(rows: list[dict[str, Any]]) -> list[str]:
    """Return the table of sizes as lines."""
    lines = [
        f"{'cardholders':>12}{'ns each a day':>15}{'ratio':>8}{'CPU ns':>9}{'ratio':>8}{'peak GB':>10}{'bytes each':>12}"
    ]
    for row in rows:
        lines.append(
            f"{row['cardholders']:>12,}{row['nanoseconds']:>15.1f}{row['ratio']:>8.2f}"
            f"{row['cpu_nanoseconds']:>9.1f}{row['cpu_ratio']:>8.2f}"
            f"{row['peak_memory_gb']:>10.2f}{row['bytes_per_cardholder']:>12,}"
        )
    return lines


def play(*, scheduler: str, n: int, days: int, repeats: int, threads: int) -> dict[str, Any]:
    """Play one configuration `repeats` times in this process; return its figures.

    One world lives on through all of them, so that a base with a history is measured and its people are kept once.
    """
    from cardarena.agents.registry import make_policy
    from cardarena.simulator.scenario import load_scenario
    from cardarena.simulator.world import STAGES, World

    policy = make_policy(POLICY)
    policy.every_days = 1
    scenario = load_scenario(SCENARIO)
    # The same code once on a few people: what is timed below is compiled.
    _once(World.create(scenario, 1, n_cardholders=_SMALL, scheduler=scheduler, threads=threads), policy, 2)
    before = _resident_bytes()
    with _PeakMemory() as memory:
        world = World.create(scenario, 1, n_cardholders=n, scheduler=scheduler, threads=threads)
        # A base that nobody ever contacted is not what a bank has.
        world.play(policy, _SETTLING_DAYS)
        runs = [_once(world, policy, days) for _ in range(repeats)]
    writing = _rows_per_second(world, policy, repeats)
    median = statistics.median(run.seconds for run in runs)
    stages = [{**run.timing, "rest": max(0.0, run.seconds - sum(run.timing.values()))} for run in runs]
    names = list(dict.fromkeys([*STAGES, "writer", *stages[0]]))
    rows = runs[-1].rows
    deciding = statistics.median(timing["decide"] for timing in stages)
    return {
        "scheduler": scheduler,
        "scenario": SCENARIO,
        "policy": POLICY,
        "cadence": "daily",
        "cardholders": n,
        "days": days,
        "threads": threads,
        "tables": sorted(name for name, count in rows.items() if count),
        "rows_per_cardholder_day": round(sum(rows.values()) / (n * days), 4),
        "runs_seconds": [round(run.seconds, 3) for run in runs],
        "runs_cpu_seconds": [round(run.cpu_seconds, 3) for run in runs],
        "cardholder_days_per_second": round(n * days / median),
        "cardholder_days_per_second_without_policy": round(n * days / max(1e-9, median - deciding)),
        "log_rows_per_second": writing,
        "breakdown_seconds": {
            name: round(statistics.median(one.get(name, 0.0) for one in stages), 3) for name in names
        },
        "peak_memory_gb": round(memory.gigabytes, 2),
        "bytes_per_cardholder": round(max(0.0, memory.gigabytes * 2**30 - before) / n),
    }


class _Run(NamedTuple):
    """Some days played: seconds by the clock and of CPU, seconds by stage, rows by table."""

    seconds: float
    cpu_seconds: float
    timing: dict[str, float]
    rows: dict[str, int]


def _once(world: Any, policy: Any, days: int) -> _Run:
    """Play some days of a world with its log streamed to Parquet."""
    before = dict(world.timing)
    with tempfile.TemporaryDirectory() as folder:
        began, cpu = time.perf_counter(), time.process_time()
        sink = StreamedLog(Path(folder))
        world.play(policy, days, sink=sink)
        sink.close()
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    timing = {name: float(value) - before[name] for name, value in world.timing.items()}
    # What the world waits for is the log's part of `log`; closing the files comes after.
    timing["writer"] = sink.closing_seconds
    return _Run(seconds, cpu, timing, sink.rows)


class _Kept:
    """Keeps the rows that it is handed; takes the place of a `RunLog`."""

    def __init__(self) -> None:
        self.days: list[Any] = []

    def append(self, events: Any, decisions: Any, census: Any) -> None:
        self.days.append((list(events), decisions, census))


def _rows_per_second(world: Any, policy: Any, repeats: int) -> int:
    """Write one day's rows some times over with nothing else to do; return the median of log rows a second."""
    kept = _Kept()
    world.play(policy, 1, sink=kept)
    rates: list[float] = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            sink = StreamedLog(Path(folder))
            for _ in range(_WRITTEN_DAYS):
                sink.append(*kept.days[0])
            sink.close()
            rates.append(sum(sink.rows.values()) / (time.perf_counter() - began))
    return round(statistics.median(rates))


class StreamedLog:
    """A world's log written to Parquet day by day, by a thread of its own; takes the place of a `RunLog`.

    Args:
        folder: where the tables go.
    """

    #: Days that may wait for the disk before the world does: what bounds memory.
    _WAITING_DAYS: Final = 1

    def __init__(self, folder: Path) -> None:
        from cardarena.simulator.parquet import ColumnWriter

        self._folder, self._make = folder, ColumnWriter
        self._writers: dict[str, Any] = {}
        self._queue: queue.Queue[Any] = queue.Queue(self._WAITING_DAYS)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()
        self._cases: list[Any] = []
        self.rows: dict[str, int] = {}
        self.closing_seconds = 0.0

    def append(self, events: Any, decisions: Any, census: Any) -> None:
        """Take the rows of one day.

        Raises:
            OSError: an earlier day could not be written.
        """
        if self._failure is not None:
            raise self._failure
        self._queue.put((list(events), decisions, census))

    def append_cases(self, cases: Any) -> None:
        """Take the steps of complaint cases of one day; they are few, and written at the end."""
        if cases.size:
            self._cases.append(cases)

    def close(self) -> None:
        """Wait for the last day and finish the files.

        Raises:
            OSError: a day could not be written.
        """
        began = time.perf_counter()
        self._queue.put(None)
        self._thread.join()
        if self._failure is not None:
            for writer in self._writers.values():
                writer.abandon()
            raise self._failure
        for rows in self._cases:
            self._append("cases", {column: rows[column].copy() for column in rows.dtype.names})
        for name, writer in self._writers.items():
            writer.close()
            self.rows[name] = writer.rows
        self.closing_seconds = time.perf_counter() - began

    def _write(self) -> None:
        while (day := self._queue.get()) is not None:
            if self._failure is None:
                try:
                    self._write_day(*day)
                except BaseException as error:
                    self._failure = error

    def _write_day(self, events: list[Any], decisions: Any, census: Any) -> None:
        import numpy as np

        from cardarena.simulator.log import in_order, split_events

        if parts := in_order(events):
            for name, columns in split_events(parts).items():
                self._append(name, columns)
        for name, rows in (("decisions", decisions), ("state_daily", census)):
            if rows is not None and rows.size:
                self._append(
                    name, {column: np.ascontiguousarray(rows[column]) for column in rows.dtype.names}
                )

    def _append(self, name: str, columns: dict[str, Any]) -> None:
        if name not in self._writers:
            self._writers[name] = self._make(self._folder / f"{name}.parquet")
        self._writers[name].append(columns)


def _resident_bytes() -> int:
    import psutil

    return psutil.Process().memory_info().rss


class _PeakMemory:
    """Watches the resident memory of this process while it is entered."""

    def __init__(self) -> None:
        self._bytes = 0
        self._over = threading.Event()

    @property
    def gigabytes(self) -> float:
        """The most that was seen, in 2^30 bytes."""
        return self._bytes / 2**30

    def __enter__(self) -> "_PeakMemory":
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        # Looks before the first wait and after the last, so that the shortest run is seen too.
        over = False
        while not over:
            self._bytes = max(self._bytes, _resident_bytes())
            over = self._over.wait(0.02)
        self._bytes = max(self._bytes, _resident_bytes())


def _start_up(repeats: int, tell: Callable[[str], object]) -> dict[str, Any]:
    """Measure a small world in fresh processes: once with an empty cache folder, then with the one it left."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {"CARDARENA_CACHE": cache}
        tell("first compile, with an empty cache")
        first = _seconds_of_small(environment)
        tell("warm start")
        warm = [_seconds_of_small(environment) for _ in range(repeats)]
    return {
        "first_compile_seconds": round(first, 2),
        "warm_start_seconds": round(statistics.median(warm), 2),
        "what": f"a process that plays {_SMALL} cardholders for 2 days, from its start to its end",
    }


def _seconds_of_small(environment: dict[str, str]) -> float:
    began = time.perf_counter()
    _in_own_process({"small": True}, environment)
    return time.perf_counter() - began


def _small() -> dict[str, Any]:
    from cardarena.agents.registry import make_policy
    from cardarena.simulator.scenario import load_scenario
    from cardarena.simulator.world import World

    world = World.create(load_scenario(SCENARIO), 1, n_cardholders=_SMALL, threads=1)
    policy = make_policy(POLICY)
    world.play(policy, 2)
    return {}


def _in_own_process(task: dict[str, Any], environment: dict[str, str] | None = None) -> dict[str, Any]:
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    done = subprocess.run(
        [sys.executable, "-m", "cardarena.benchmarks.speed", json.dumps(task)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths, **(environment or {})},
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise CardArenaError(f"the measurement {task} failed with exit code {done.returncode}: {last}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def _main() -> None:
    task = json.loads(sys.argv[1])
    if task.pop("small", False):
        result = _small()
    elif task.pop("environments", False):
        result = environment_speed.measure(**task)
    else:
        result = play(**task)
    sys.stdout.write("\n" + json.dumps(result) + "\n")


if __name__ == "__main__":
    _main()
