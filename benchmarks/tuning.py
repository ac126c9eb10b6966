"""Tuning a policy's knobs by simulating: the budget that a trained agent has, for rules and for what learns from a log.

A trial is one setting of the knobs. It is played in the same worlds as every other one, with the same people and luck, beside
the same silent runs: what differs is the setting alone. Its worth is the mean of the metric by which policies are ranked; a
setting that breaks a scenario's limit is out. The first trial is the policy as it ships, the next half are a Latin hypercube,
and the rest are drawn around the best so far. A trial whose mean falls below the median of those that came as far is left
(the median stopping rule), so that most of the budget goes to settings that are worth it.

Bayesian optimisation was weighed: with two to eight knobs and a hundred trials it gains little, and what its libraries keep
between sittings is a database or a pickle. Here a proposal is a function of the seed and of the rows before it, so that rows
are all that a resumed tuning needs.

References:
    Golovin et al., Google Vizier (KDD 2017): the median stopping rule.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from cardarena.agents.base import BasePolicy, Knob
from cardarena.agents.practice import SimulatedLog
from cardarena.agents.registry import make_policy, tunable_policy
from cardarena.agents.rl.card import Making, TunedCard
from cardarena.agents.rl.folder import (
    PROGRESS,
    read_progress,
    refuse_strangers,
    write_progress,
    write_tuned,
)
from cardarena.agents.rl.settings import refuse_arena_seeds
from cardarena.benchmarks.arena.entries import checked_scenario, scenario_entry
from cardarena.benchmarks.metrics import RANKING_METRIC, RunFacts, run_metrics
from cardarena.simulator.errors import CardArenaError, ResultsError
from cardarena.simulator.world import World

#: Standard deviation of a proposal around the best so far, in shares of a knob's range.
NEAR: Final = 0.15
#: Trials that must have come as far before the median stops one.
FEWEST: Final = 4
_PACKAGES: Final = ("numpy", "scikit-learn", "numba")
#: Seed of a run of proposals; another than a training's, so that the two share no draw.
_PURPOSE: Final = 7

Case = tuple[str, int]
Row = dict[str, Any]


@dataclass(frozen=True)
class TuningSettings:
    """The arguments of a tuning: everything that its values depend on.

    Attributes:
        policy: which one, of `tunable_names`.
        scenarios: names or files.
        trials: settings tried, at most.
        seed: of the proposals.
        world_seeds: of the worlds in which trials are played.
        cardholders: people of each world.
        log_days: days of the simulated randomised log of each world that the policy is fitted to; 0: its bank's own history.
        max_cardholder_days: simulated days after which no run begins; None: no limit.
        max_seconds: wall-clock time after which no run begins; None: no limit.
    """

    policy: str
    scenarios: tuple[str, ...] = ("baseline",)
    trials: int = 64
    seed: int = 0
    world_seeds: tuple[int, ...] = (1001, 1002, 1003)
    cardholders: int = 4000
    log_days: int = 0
    max_cardholder_days: int | None = None
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        refuse_arena_seeds(self.world_seeds)
        tunable_policy(self.policy)
        for name in ("trials", "cardholders", "max_cardholder_days", "max_seconds"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise CardArenaError(f"{name}: expected more than 0, found {value:g}")
        if not self.scenarios or len(set(self.scenarios)) < len(self.scenarios):
            raise CardArenaError(
                f"scenarios: expected each once, found {', '.join(self.scenarios) or 'none'}"
            )

    @property
    def cases(self) -> list[Case]:
        """The worlds, in the order in which a trial meets them: every scenario's first seed, then the second."""
        return [(scenario, seed) for seed in self.world_seeds for scenario in self.scenarios]

    @property
    def practice(self) -> SimulatedLog | None:
        """The simulated log that the policy is fitted to, or None."""
        if not self.log_days:
            return None
        return SimulatedLog(
            scenario=self.scenarios[0],
            world_seeds=self.world_seeds,
            cardholders=self.cardholders,
            days=self.log_days,
        )


@dataclass(frozen=True)
class Played:
    """What a run came to.

    Attributes:
        inv_cny: the metric that ranks, CNY a head.
        over: the most that a limited metric is over its limit, as a share of the limit; at most 0 if all are kept.
        cardholder_days: days of people that were simulated.
    """

    inv_cny: float
    over: float
    cardholder_days: int


class Laboratory(Protocol):
    """Where trials are played."""

    def play(self, case: Case, values: Mapping[str, float]) -> Played:
        """Play the policy with these values in a world."""
        ...


@dataclass(frozen=True)
class Tuned:
    """A tuning that came to its end.

    Attributes:
        card: of the folder.
        inv_cny: mean of the best setting over all worlds, CNY a head; the best of many, so too good by luck.
        shipped_cny: the same of the policy as it ships.
        trials: settings tried.
        cardholder_days: days simulated.
        seconds: wall-clock time.
        reason: why it ended.
    """

    card: TunedCard
    inv_cny: float
    shipped_cny: float
    trials: int
    cardholder_days: int
    seconds: float
    reason: str


class WorldLaboratory:
    """Plays trials in forks of worlds that are burnt in, and run silently, once."""

    def __init__(self, settings: TuningSettings) -> None:
        """Check every scenario before anything is simulated."""
        self._settings = settings
        self._scenarios = {spec: checked_scenario(spec) for spec in settings.scenarios}
        self._limits = {spec: scenario_entry(spec).about["limits"] for spec in settings.scenarios}
        self._worlds: dict[Case, tuple[World, RunFacts]] = {}

    def play(self, case: Case, values: Mapping[str, float]) -> Played:
        """Play the policy with these values in a world."""
        new = case not in self._worlds
        world, silent = self._worlds.get(case) or self._prepared(case)
        policy = tunable_policy(self._settings.policy, values, self._settings.practice)
        metrics = run_metrics(self._facts(world, policy), silent)
        over = [(metrics[name] - most) / max(most, 1e-9) for name, most in self._limits[case[0]].items()]
        days = silent.horizon * world.n
        return Played(float(metrics[RANKING_METRIC]), max(over, default=-1.0), days * (2 if new else 1))

    def _prepared(self, case: Case) -> tuple[World, RunFacts]:
        spec, seed = case
        world = World.create(self._scenarios[spec], seed, self._settings.cardholders, threads=1)
        world.burn_in(make_policy)
        self._worlds[case] = world, self._facts(world, make_policy("silent"))
        return self._worlds[case]

    @staticmethod
    def _facts(world: World, policy: Any) -> RunFacts:
        run_out = make_policy(world.scenario.horizon.run_out_policy)
        return RunFacts(world.fork().run(policy, run_out_policy=run_out))


def tune(
    settings: TuningSettings,
    out: Path,
    *,
    name: str | None = None,
    command: str = "",
    resume: bool = False,
    tell: Callable[[str], object] = lambda text: None,
    laboratory: Laboratory | None = None,
) -> Tuned:
    """Tune a policy into a folder that the arena plays.

    Args:
        settings: everything that its values depend on; with `max_seconds` they depend on the machine's speed, too.
        out: the folder.
        name: what the tuned policy is called; POLICY_tuned by default.
        command: the command line, for the card.
        resume: go on from what an interrupted tuning of the same settings left.
        tell: receives a line after each trial.
        laboratory: where trials are played; worlds of the simulator by default.

    Raises:
        CardArenaError: a scenario that cannot be used.
        ResultsError: the folder holds something else, or another tuning; or no trial kept the limits.
    """
    refuse_strangers(out, resume)
    laboratory = laboratory or WorldLaboratory(settings)
    course = _Course(settings, out, name or f"{settings.policy}_tuned", laboratory)
    if resume:
        course.go_on()
    reason = course.search(tell)
    return course.finish(reason, command)


class _Course:
    """One course of tuning. Its state is its rows, one a run, and they are on disk: a proposal is a function of them."""

    def __init__(self, settings: TuningSettings, out: Path, name: str, laboratory: Laboratory) -> None:
        self.settings, self.out, self.name, self.laboratory = settings, out, name, laboratory
        self.policy: BasePolicy = tunable_policy(settings.policy)
        self.rows: list[Row] = []
        self.old: list[Row] = []
        practice = settings.practice
        self.cardholder_days = 0 if practice is None else practice.cardholder_days
        self.seconds = 0.0

    @property
    def knobs(self) -> Sequence[Knob]:
        """What is tuned."""
        return self.policy.knobs

    def search(self, tell: Callable[[str], object]) -> str:
        """Try settings until a budget is used up; return which one."""
        self._began = time.monotonic()
        for trial, values in self._proposals():
            for place, case in enumerate(self.settings.cases):
                if reason := self._used_up():
                    return reason
                self._run(trial, case, values)
                if self._is_hopeless(trial, place + 1):
                    break
            tell(self._line(trial, values))
        return "all trials tried"

    def _proposals(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield the settings: as shipped, spread over the ranges, then around the best so far."""
        s = self.settings
        yield 0, self.policy.values
        spread = s.trials // 2
        luck = self._luck(0)
        # A Latin hypercube: each of `spread` slices of a knob's range is met once.
        slices = np.stack([luck.permutation(spread) for _ in self.knobs], axis=1)
        points = (slices + luck.random(slices.shape)) / max(1, spread)
        for trial in range(1, s.trials):
            if trial <= spread:
                shares = points[trial - 1]
            else:
                luck = self._luck(trial)
                best = self._best()
                centre = self.policy.values if best is None else self._values(best)
                shares = [
                    (centre[knob.name] - knob.low) / (knob.high - knob.low) + NEAR * luck.normal()
                    for knob in self.knobs
                ]
            yield (
                trial,
                {knob.name: knob.at(float(share)) for knob, share in zip(self.knobs, shares, strict=True)},
            )

    def _luck(self, trial: int) -> np.random.Generator:
        words = [self.settings.seed, _PURPOSE, trial]
        return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))

    def _run(self, trial: int, case: Case, values: dict[str, float]) -> None:
        """Play a run, or take it from what an interrupted tuning left."""
        if self.old:
            row = self.old.pop(0)
            if (row["trial"], row["scenario"], row["seed"]) != (trial, *case):
                raise ResultsError(f"{self.out}: expected trial {trial} next, found trial {row['trial']}")
            self._began -= row["seconds"]
        else:
            began = time.monotonic()
            played = self.laboratory.play(case, values)
            row = {
                "trial": trial,
                "scenario": case[0],
                "seed": case[1],
                **values,
                **asdict(played),
                "seconds": round(time.monotonic() - began, 3),
            }
        self.rows.append(row)
        self.cardholder_days += row["cardholder_days"]
        if not self.old:
            self.out.mkdir(parents=True, exist_ok=True)
            write_progress(self.out, {"settings": self._identity(), "rows": self.rows})

    def _used_up(self) -> str | None:
        s = self.settings
        self.seconds = time.monotonic() - self._began
        if s.max_cardholder_days is not None and self.cardholder_days >= s.max_cardholder_days:
            return "all cardholder-days simulated"
        if s.max_seconds is not None and self.seconds >= s.max_seconds:
            return "all the time used"
        return None

    def _is_hopeless(self, trial: int, n: int) -> bool:
        """Return whether a trial is left after `n` worlds: below the median of those that came as far."""
        means = [self._mean(other, n) for other in range(trial)]
        reached = [mean for mean in means if mean is not None]
        own = self._mean(trial, n)
        return own is not None and len(reached) >= FEWEST and own < float(np.median(reached))

    def _of(self, trial: int) -> list[Row]:
        return [row for row in self.rows if row["trial"] == trial]

    def _mean(self, trial: int, n: int) -> float | None:
        """Return the mean over a trial's first `n` worlds, or None if it met fewer."""
        own = self._of(trial)
        return None if len(own) < n else float(np.mean([row["inv_cny"] for row in own[:n]]))

    def _values(self, trial: int) -> dict[str, float]:
        own = self._of(trial)[0]
        return {knob.name: own[knob.name] for knob in self.knobs}

    def _keeps_limits(self, trial: int) -> bool:
        """Return whether the mean over the seeds is within the limits in every scenario, as the arena judges it."""
        own = self._of(trial)
        return all(
            float(np.mean([row["over"] for row in own if row["scenario"] == scenario])) <= 0.0
            for scenario in self.settings.scenarios
        )

    def _best(self) -> int | None:
        """Return the best trial that met every world and kept the limits, the first of equals; None without one."""
        n = len(self.settings.cases)
        whole = [t for t in dict.fromkeys(row["trial"] for row in self.rows) if self._mean(t, n) is not None]
        kept = [t for t in whole if self._keeps_limits(t)]
        return max(kept, key=lambda t: (self._mean(t, n) or 0.0, -t)) if kept else None

    def _line(self, trial: int, values: Mapping[str, float]) -> str:
        own = self._of(trial)
        best = self._best()
        mean = float(np.mean([row["inv_cny"] for row in own]))
        said = " ".join(f"{name}={value:g}" for name, value in values.items())
        kept = "" if max(row["over"] for row in own) <= 0.0 else ", over a limit"
        return (
            f"trial {trial:3}  {mean:+8.3f} CNY a head in {len(own)} of {len(self.settings.cases)} worlds{kept}  {said}"
            + ("  (best)" if best == trial else "")
        )

    def go_on(self) -> None:
        """Take back the rows of an interrupted tuning."""
        self.old = list(read_progress(self.out, self._identity())["rows"])

    def finish(self, reason: str, command: str) -> Tuned:
        """Write the folder and remove the checkpoint.

        Raises:
            ResultsError: no trial met every world and kept the limits.
        """
        best, n, s = self._best(), len(self.settings.cases), self.settings
        trials = len({row["trial"] for row in self.rows})
        if best is None:
            raise ResultsError(
                f"{self.out}: expected a trial that meets all {n} worlds within the limits, found none in {trials} ({reason})"
            )
        making = {
            "algorithm": "tuning",
            "command": command or f"cardarena tune {s.policy}",
            "scenario": ", ".join(s.scenarios),
            "world_seeds": list(s.world_seeds),
            "seed": s.seed,
            "cardholder_days": self.cardholder_days,
            "trials": trials,
            "seconds": round(self.seconds, 1),
            "versions": {package: version(package) for package in _PACKAGES},
            "settings": {
                "cardholders": str(s.cardholders),
                "max_trials": str(s.trials),
                "max_cardholder_days": str(s.max_cardholder_days),
                "max_seconds": str(s.max_seconds),
            },
        }
        practice = s.practice
        card = write_tuned(
            self.out,
            {
                "name": self.name,
                "title": f"{self.policy.title}, tuned"[:80],
                "summary": f"`{s.policy}` with its knobs tuned in simulated worlds"
                + ("." if practice is None else ", fitted to a simulated randomised log."),
                "policy": s.policy,
                "values": self._values(best),
                "practice": None if practice is None else practice.model_dump(mode="json"),
                "training": Making.model_validate(making).model_dump(mode="json"),
            },
            self.rows,
        )
        (self.out / PROGRESS).unlink(missing_ok=True)
        return Tuned(
            card,
            self._mean(best, n) or 0.0,
            self._mean(0, n) or 0.0,
            trials,
            self.cardholder_days,
            round(self.seconds, 1),
            reason,
        )

    def _identity(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(self.settings))) | {"name": self.name}
