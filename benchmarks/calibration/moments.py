"""One evaluation of the model: overrides in, measured targets out; kept on disk, and spread over processes.

The same seeds serve every evaluation, so that two candidates meet the same people with the same luck and the objective
is smooth where the model is.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import cardarena
from cardarena.benchmarks.processes import spawned
from cardarena.benchmarks.provenance import digest_of, files_below
from cardarena.benchmarks.storage import number, read_sealed, write_sealed
from cardarena.benchmarks.validation.findings import Tell
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.measures import Measure, measure_of
from cardarena.simulator.errors import CardArenaError, ResultsError

_PACKAGE: Final = Path(cardarena.__file__).parent

#: A measured component: its value and standard error, by id (`C4.generic`).
Moments = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Settings:
    """How an evaluation is made; two evaluations with the same settings and overrides are the same.

    Attributes:
        targets: ids of the targets that are measured.
        cardholders: people per world.
        seeds: world seeds, the same for every candidate.
        source: digest of the code and tables that make the moments.
    """

    targets: tuple[str, ...]
    cardholders: int
    seeds: tuple[int, ...]
    source: str = ""


Evaluate = Callable[[Settings, Mapping[str, Any]], Moments]


def source_digest() -> str:
    """Return a short hash of everything that the moments depend on: the world, its policies, the measurements."""
    files = files_below(("simulator", "agents", "benchmarks/validation"), {".py", ".yaml", ".csv"})
    # Bands are read by the fit, not by a measurement: a narrower band needs no new runs.
    files = [path for path in files if path.name != "targets.csv"]
    files += sorted((_PACKAGE / "scenarios").resolve().glob("*.yaml"))
    return digest_of(files)


def measure(settings: Settings, overrides: Mapping[str, Any]) -> Moments:
    """Measure the targets in worlds with these overrides; what cannot be measured is NaN."""
    from cardarena.benchmarks.validation.targets import load_measurements, measure_all, read_targets

    load_measurements()
    lab = Lab(n_cardholders=settings.cardholders, seeds=settings.seeds, overrides=overrides)
    # A measurement of several targets gives them all, or it is taken for broken.
    wanted = {_measure_or_none(target) for target in settings.targets} - {None}
    rows = [row for row in read_targets() if _measure_or_none(row.target) in wanted]
    found = measure_all(lab, lambda text: None, rows)
    return {one.id: (float(one.value), float(one.standard_error)) for one in found}


def _measure_or_none(target: str) -> Measure | None:
    try:
        return measure_of(target)
    except CardArenaError:
        return None


class Laboratory:
    """Evaluates candidates, each once: what was evaluated before is read from the folder.

    States: idle -> with processes (the first evaluation) -> closed (`close`, or the end of a `with` block).

    Attributes:
        settings: how an evaluation is made.
        n_made: evaluations made since it was opened; those that were read do not count.
        seconds: time that the evaluations took, those read included.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path | None = None,
        *,
        workers: int = 1,
        evaluate: Evaluate = measure,
        tell: Tell = lambda text: None,
    ) -> None:
        """Open a laboratory.

        Args:
            settings: how an evaluation is made.
            folder: where evaluations are kept; nowhere without.
            workers: processes; 1 evaluates in this one.
            evaluate: what evaluates; picklable where there are workers.
            tell: takes a line about each evaluation that is made.
        """
        self.settings, self.folder, self.workers, self.tell = settings, folder, workers, tell
        self.n_made, self.seconds = 0, 0.0
        self._evaluate = evaluate
        self._pool: ProcessPoolExecutor | None = None
        self._known: dict[str, Moments] = {}

    def __enter__(self) -> "Laboratory":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the processes; evaluations under way are lost."""
        if self._pool is not None:
            processes = list((self._pool._processes or {}).values())
            self._pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()
            self._pool = None

    def moments(self, candidates: Sequence[Mapping[str, Any]]) -> list[Moments]:
        """Return the moments of several candidates, in their order; what is not known is evaluated side by side."""
        keys = [self._key(candidate) for candidate in candidates]
        missing = {
            key: candidate
            for key, candidate in zip(keys, candidates, strict=True)
            if key not in self._known and not self._read(key)
        }
        for key, candidate, moments, seconds in self._made(missing):
            self._keep(key, candidate, moments, seconds)
        return [self._known[key] for key in keys]

    def _made(
        self, missing: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[tuple[str, Mapping[str, Any], Moments, float]]:
        """Yield (key, candidate, moments, seconds) as they come."""
        if self.workers == 1 or len(missing) == 0:
            for key, candidate in missing.items():
                yield key, candidate, *_timed(self._evaluate, self.settings, candidate)
            return
        if self._pool is None:
            self._pool = spawned(self.workers)
        waiting: dict[Future[tuple[Moments, float]], tuple[str, Mapping[str, Any]]] = {
            self._pool.submit(_timed, self._evaluate, self.settings, candidate): (key, candidate)
            for key, candidate in missing.items()
        }
        for future in as_completed(waiting):
            yield *waiting[future], *future.result()

    def _keep(self, key: str, candidate: Mapping[str, Any], moments: Moments, seconds: float) -> None:
        self.n_made += 1
        self.seconds += seconds
        self._known[key] = moments
        self.tell(f"evaluation {self.n_made}: {seconds:.0f} s")
        if self.folder is not None:
            content = {"overrides": candidate, "settings": asdict(self.settings), "seconds": seconds}
            write_sealed(self.folder / f"{key}.json", content | {"moments": moments})

    def _read(self, key: str) -> bool:
        if self.folder is None or not (path := self.folder / f"{key}.json").exists():
            return False
        try:
            content = read_sealed(path)
            found = {name: (number(pair[0]), number(pair[1])) for name, pair in content["moments"].items()}
        except (ResultsError, LookupError, TypeError):
            return False  # damaged: it is evaluated again
        self._known[key] = found
        self.seconds += float(content["seconds"])
        return True

    def _key(self, candidate: Mapping[str, Any]) -> str:
        text = json.dumps([asdict(self.settings), candidate], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:24]


def _timed(evaluate: Evaluate, settings: Settings, candidate: Mapping[str, Any]) -> tuple[Moments, float]:
    began = time.perf_counter()
    return evaluate(settings, candidate), time.perf_counter() - began
