"""What an arena runs: a plan is a few constants from which every task, its name and its order are derived."""

import ast
import hashlib
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from cardarena.benchmarks.storage import safe_name
from cardarena.simulator.contracts import LEAGUES
from cardarena.simulator.errors import CardArenaError, PolicyError, UnknownNameError

#: Seeds of the arena for each seed of a curve: enough to see its shape, few enough not to dominate the arena.
SEEDS_PER_CURVE_SEED: Final = 4
#: What an entry's `about` says of a trained agent: the world seeds and the world that it learned from.
TRAINED_SEEDS: Final = "trained_on_seeds"
TRAINED_WORLD: Final = "trained_in_world"
REAL_RUNNER: Final = "cardarena.benchmarks.arena.runner:ArenaRunner"


@dataclass(frozen=True)
class Entry:
    """A scenario or a policy of the arena.

    Attributes:
        label: the name in every table.
        spec: what loads it: a registry name, a YAML file, `FILE.py:Class`, or the folder of a trained agent.
        digest: hash of what stands behind the name, so that a resume notices a change.
        league: the league of a policy, where it is known before it is loaded.
        dials: values of the policy's dial, to draw its curve over.
        about: what the manifest tells a reader of it: title, description and so on.
    """

    label: str
    spec: str
    digest: str = ""
    league: str = ""
    dials: tuple[float, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """One unit of work: one run, or, where `policy` is empty, the preparation of one world.

    Attributes:
        scenario: the scenario's label; empty for the warm-up, which only compiles.
        seed: the world seed.
        policy: the policy's label, or empty.
        dial: value of the policy's dial, or None for the policy as it is.
    """

    scenario: str
    seed: int
    policy: str = ""
    dial: float | None = None

    @property
    def group(self) -> tuple[str, int]:
        """The world that the task needs."""
        return self.scenario, self.seed

    @property
    def is_preparation(self) -> bool:
        """Whether this prepares a world rather than running a policy in it."""
        return not self.policy

    @property
    def is_warm_up(self) -> bool:
        """Whether this only compiles."""
        return not self.scenario

    @property
    def key(self) -> str:
        """A name that is safe in a path and that no other task of a plan has."""
        if self.is_preparation:
            return f"{safe_name(self.scenario)}/{self.seed}/_world"
        dial = "" if self.dial is None else f"@{self.dial!r}"
        return f"{safe_name(self.scenario)}/{self.seed}/{safe_name(self.policy + dial)}"

    def __str__(self) -> str:
        if self.is_warm_up:
            return "compiling"
        if self.is_preparation:
            return f"{self.scenario}, seed {self.seed}: world"
        dial = "" if self.dial is None else f" at {self.dial:g}"
        return f"{self.scenario}, seed {self.seed}: {self.policy}{dial}"


@dataclass(frozen=True)
class Plan:
    """The run matrix, and every argument that its values depend on.

    Attributes:
        scenarios: the scenarios, in the order in which they are run.
        policies: the policies, likewise.
        n_seeds: world seeds 1 .. n_seeds.
        cardholders: cardholders per world, or None for what each scenario says.
        days: decision days, or None for what each scenario says.
        scheduler: `cohort` or `agent`.
        curves: whether each policy's dial values are run too, on the first scenario.
        world: name or file of the parameter set that every scenario is played with; None for what each scenario says.
        runner: `module:name` or `FILE.py:name` of the class that plays a task.
    """

    scenarios: tuple[Entry, ...]
    policies: tuple[Entry, ...]
    n_seeds: int = 3
    cardholders: int | None = None
    days: int | None = None
    scheduler: str = "cohort"
    curves: bool = True
    world: str | None = None
    runner: str = REAL_RUNNER

    def __post_init__(self) -> None:
        for kind, entries in (("scenario", self.scenarios), ("policy", self.policies)):
            if not entries:
                raise CardArenaError(f"an arena needs at least one {kind}")
            labels = [entry.label for entry in entries]
            twice = sorted({label for label in labels if labels.count(label) > 1})
            if twice:
                raise CardArenaError(f"{kind} {twice[0]!r} is given twice")
        for policy in self.policies:
            self._refuse_known(policy)

    def _refuse_known(self, policy: Entry) -> None:
        """Refuse a trained agent where it has been before: what it learned there proves nothing there."""
        met = [seed for seed in policy.about.get(TRAINED_SEEDS, ()) if 1 <= seed <= self.n_seeds]
        if met:
            raise PolicyError(
                f"policy {policy.label!r}: expected training seeds other than the arena's 1 to {self.n_seeds}, "
                f"found {', '.join(map(str, met[:5]))}"
            )
        for scenario in self.scenarios:
            world = scenario.about.get("world")
            # A bank's own world is what it trains for; the other worlds are there to be new.
            if world and world["split"] != "reference" and world["name"] == policy.about.get(TRAINED_WORLD):
                raise PolicyError(
                    f"policy {policy.label!r}: scenario {scenario.label!r}: expected a world that it was not trained in, "
                    f"found {world['name']!r}"
                )

    def groups(self) -> list[tuple[str, int]]:
        """Return the worlds, the first scenario's first."""
        return [(scenario.label, seed) for scenario in self.scenarios for seed in range(1, self.n_seeds + 1)]

    @property
    def curve_seeds(self) -> int:
        """How many seeds each dial value is played with: a quarter of all, at least one."""
        return -(-self.n_seeds // SEEDS_PER_CURVE_SEED)

    def runs(self) -> Iterator[Task]:
        """Yield every run, world by world; within a world the policies in order, then the curves."""
        for scenario, seed in self.groups():
            for policy in self.policies:
                yield Task(scenario, seed, policy.label)
            if self.curves and scenario == self.scenarios[0].label and seed <= self.curve_seeds:
                for policy in self.policies:
                    for dial in policy.dials:
                        yield Task(scenario, seed, policy.label, dial)

    def scenario(self, label: str) -> Entry:
        """Return the scenario of this label."""
        return next(entry for entry in self.scenarios if entry.label == label)

    def policy(self, label: str) -> Entry:
        """Return the policy of this label."""
        return next(entry for entry in self.policies if entry.label == label)

    def parameters(self) -> dict[str, Any]:
        """Return what a resumed arena must share with the interrupted one, as plain values without paths."""
        return {
            "scenarios": [entry.label for entry in self.scenarios],
            "policies": [entry.label for entry in self.policies],
            "policy_digests": {entry.label: entry.digest for entry in self.policies if entry.digest},
            "dials": {
                entry.label: list(entry.dials) for entry in self.policies if self.curves and entry.dials
            },
            "n_seeds": self.n_seeds,
            "cardholders": self.cardholders,
            "days": self.days,
            "scheduler": self.scheduler,
            "curves": self.curves,
            "salt": _salt_digest(),
            # What it holds is part of every scenario's digest.
            **({} if self.world is None else {"world": Path(self.world).stem}),
        }

    def settings(self) -> dict[str, Any]:
        """Return the whole plan as plain values, for the workers."""
        return asdict(self)

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> "Plan":
        """Take back what `settings` returned."""
        entries = {
            name: tuple(Entry(**{**entry, "dials": tuple(entry["dials"])}) for entry in settings[name])
            for name in ("scenarios", "policies")
        }
        return cls(**{**settings, **entries})


def _salt_digest() -> str | None:
    """Return a hash of the environment's salt of worlds, which the values depend on and which stays secret."""
    salt = os.environ.get("CARDARENA_SALT", "")
    return hashlib.sha256(f"cardarena salt {salt}".encode()).hexdigest()[:8] if salt else None


def policy_file(spec: str) -> Entry | None:
    """Return the entry of a policy given as `FILE.py:Class`, or None where `spec` is not of that form.

    The file is parsed, never run: what a user's file does when it is run must not touch the arena's own process.

    Raises:
        PolicyError: the file is missing or is not Python.
        UnknownNameError: it defines no such class.
    """
    name, colon, class_name = spec.rpartition(":")
    if not colon or not name.endswith(".py"):
        if spec.endswith(".py"):
            raise PolicyError(f"policy {spec!r}: expected FILE.py:Class, found no class name")
        return None
    path = Path(name)
    try:
        source = path.read_bytes()
        tree = ast.parse(source, filename=path.name)
    except FileNotFoundError:
        raise PolicyError(f"policy {spec!r}: no such file {name!r}") from None
    except (OSError, SyntaxError, ValueError) as error:
        where = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        raise PolicyError(f"policy {spec!r}: {path.name}{where}: {what}") from None
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    names = set(classes) | {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    if class_name not in names:
        raise UnknownNameError(
            f"class of {path.name}", class_name, classes or ["(the file defines no class)"]
        )
    league = _literal(classes.get(class_name), "league")
    if league not in LEAGUES:  # its own run says so
        league = "cold"
    digest = hashlib.sha256(source).hexdigest()[:16]
    return Entry(f"{path.name}:{class_name}", f"{path.resolve()}:{class_name}", digest, league)


def _literal(node: ast.ClassDef | None, name: str) -> str | None:
    for line in node.body if node else ():
        targets = (
            line.targets
            if isinstance(line, ast.Assign)
            else [line.target]
            if isinstance(line, ast.AnnAssign)
            else []
        )
        value = getattr(line, "value", None)
        if any(isinstance(t, ast.Name) and t.id == name for t in targets) and isinstance(value, ast.Constant):
            return value.value if isinstance(value.value, str) else None
    return None


def known(kind: str, name: str, names: list[str]) -> str:
    """Return `name` if it is one of `names`.

    Raises:
        UnknownNameError: it is not; the message carries the nearest.
    """
    if name not in names:
        raise UnknownNameError(kind, name, names)
    return name


__all__ = ["REAL_RUNNER", "SEEDS_PER_CURVE_SEED", "Entry", "Plan", "Task", "known", "policy_file"]
