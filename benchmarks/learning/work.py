"""The two kinds of work: train an agent, and play everybody in one world; both kept, so that nothing is done twice."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from cardarena.benchmarks import provenance
from cardarena.benchmarks.learning.courses import (
    BUDGET_SCENARIO,
    COURSES,
    HEURISTICS,
    ORACLE,
    REFERENCE,
    SCENARIO,
    Course,
    Sizes,
)
from cardarena.benchmarks.learning.played import SILENT, play_all
from cardarena.benchmarks.learning.reading import GROUPS
from cardarena.benchmarks.learning.results import Results, dealt_name, gathered
from cardarena.benchmarks.processes import spawned
from cardarena.benchmarks.storage import read_json, write_json
from cardarena.benchmarks.validation.findings import Tell
from cardarena.simulator.errors import CardArenaError

AGENTS: Final = "agents"
PLAYS: Final = "plays"


def measure(
    sizes: Sizes,
    tell: Tell,
    *,
    folder: Path,
    courses: Sequence[Course] = COURSES,
    workers: int = 1,
) -> Results:
    """Train what is not trained yet, play what is not played yet, and compare.

    Args:
        sizes: of the experiment.
        tell: takes lines of progress.
        folder: where agents and plays are kept.
        courses: what is trained; the reference is among them.
        workers: processes; no result depends on it.

    Raises:
        CardArenaError: the reference is not among the courses, or what trains is not installed.
    """
    from cardarena.agents.rl.training import require_extra

    require_extra()
    if REFERENCE not in {course.name for course in courses}:
        raise CardArenaError(f"courses: expected {REFERENCE!r} among them: all others are held against it")
    tasks = [(course, sizes, seed, folder) for seed in sizes.training_seeds for course in courses]
    for n, (label, said) in enumerate(_worked(train_one, tasks, workers), start=1):
        tell(f"trained {n} of {len(tasks)}: {label}: {said}")
    specs = _specs(courses, sizes, folder)
    plays = [
        (scenario, seed, specs[scenario], sizes, folder)
        for scenario in (SCENARIO, BUDGET_SCENARIO)
        for seed in sizes.seeds
        if specs[scenario]
    ]
    for n, (scenario, seed) in enumerate(_worked(play_one, plays, workers), start=1):
        tell(f"played {n} of {len(plays)}: {scenario}, seed {seed}")
    return gathered(sizes, courses, {task[:2]: _plays_of(task) for task in plays})


def train_one(task: tuple[Course, Sizes, int, Path]) -> tuple[str, str]:
    """Train an agent, unless the same command has trained it; return its folder's name and what was done."""
    from cardarena.agents.rl.folder import CHECKPOINT, is_agent_folder, read_card
    from cardarena.agents.rl.training import train

    course, sizes, seed, folder = task
    label, command = course.folder(sizes, seed), course.command(sizes, seed)
    out = folder / AGENTS / label
    is_begun = (out / CHECKPOINT).exists()
    if is_agent_folder(str(out)) and not is_begun:
        if read_card(out).training.command == command:
            return label, "kept"
        shutil.rmtree(out)
    finished = train(course.settings(sizes, seed), out, name=course.name, command=command, resume=is_begun)
    made = provenance.manifest(
        kind="agent",
        parameters=json.loads(json.dumps(asdict(course.settings(sizes, seed)))),
        seeds=course.settings(sizes, seed).world_seeds,
        scenario_digests={},
        command=command,
    )
    write_json(out / "provenance.json", made | {"finished": True, "finished_at": provenance.now()})
    return label, f"{finished.worth.value_cny:+.2f} CNY a person on the people it was judged by"


def play_one(task: tuple[str, int, dict[str, str], Sizes, Path]) -> tuple[str, int]:
    """Play everybody in one world, but those whose play is kept."""
    scenario, seed, specs, sizes, _ = task
    places = {name: _place(task, name) for name in (SILENT, *specs)}
    left = {name: spec for name, spec in specs.items() if not places[name].exists()}
    if left or not places[SILENT].exists():
        found = play_all(
            scenario, seed, left, sizes.cardholders, days=sizes.days, run_out_days=sizes.run_out_days
        )
        for name, (value, metrics) in found.items():
            content = {"value_cny": [round(float(x), 6) for x in value], "metrics": metrics}
            write_json(places[name], content)
    return scenario, seed


def _plays_of(
    task: tuple[str, int, dict[str, str], Sizes, Path],
) -> dict[str, tuple[np.ndarray, dict[str, float]]]:
    found = {}
    for name in (SILENT, *task[2]):
        content = read_json(_place(task, name))
        found[name] = np.array(content["value_cny"]), content["metrics"]
    return found


def _specs(courses: Sequence[Course], sizes: Sizes, folder: Path) -> dict[str, dict[str, str]]:
    """Return who is played in each scenario: the folder or name of each policy."""
    agents = {
        f"{course.name}-{seed}": str(folder / AGENTS / course.folder(sizes, seed))
        for course in courses
        for seed in sizes.training_seeds
    }
    rivals = {name: name for name in (*HEURISTICS, ORACLE)}
    priced = [course.name for course in courses if course.section == "price"]
    under_budget = {
        name: spec for name, spec in agents.items() if name.rpartition("-")[0] in (REFERENCE, *priced)
    }
    dealt = {
        dealt_name(group, seed): f"{agents[f'{REFERENCE}-{seed}']}|{group}"
        for group in GROUPS
        for seed in sizes.training_seeds
    }
    return {SCENARIO: agents | dealt | rivals, BUDGET_SCENARIO: under_budget | rivals if priced else {}}


def _place(task: tuple[str, int, dict[str, str], Sizes, Path], name: str) -> Path:
    """Return where a play is kept: named by everything that it depends on."""
    scenario, seed, specs, sizes, folder = task
    key: list[Any] = [
        scenario,
        seed,
        sizes.cardholders,
        sizes.days,
        sizes.run_out_days,
        provenance.code_digest(),
    ]
    spec = specs.get(name, name)
    if spec != name:
        agent = Path(spec.partition("|")[0])
        key.append(hashlib.sha256((agent / "agent.json").read_bytes()).hexdigest())
    digest = hashlib.sha256(json.dumps([name, *key]).encode()).hexdigest()[:12]
    return folder / PLAYS / f"{scenario}-{seed}-{name}-{digest}.json"


def _worked(function: Callable[[Any], Any], tasks: Sequence[Any], workers: int) -> Iterable[Any]:
    if workers <= 1 or len(tasks) <= 1:
        yield from map(function, tasks)
        return
    with spawned(workers) as pool:
        for future in as_completed([pool.submit(function, task) for task in tasks]):
            yield future.result()
