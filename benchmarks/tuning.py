"""Tuning by simulating: of a policy's knobs, of an agent's settings; the same budget for rules, learners and agents.

A trial is one setting of the knobs. It is played in the same worlds as every other one, with the same people and luck, beside
the same silent runs: what differs is the setting alone. Its worth is the mean of the metric by which policies are ranked; a
setting that breaks a scenario's limit is out. The first trial is the policy as it ships, the next half are a Latin hypercube,
and the rest are drawn around the best so far. A trial is left early where it is clearly over a limit, or where its mean falls
below the median of those that came as far within the limits (the median stopping rule), so that most of the budget goes to
settings that are worth it.

Bayesian optimisation was weighed: with two to eight knobs and a hundred trials it gains little, and what its libraries keep
between sittings is a database or a pickle. Here a proposal is a function of the seed and of the rows before it, so that rows
are all that a resumed tuning needs.

References:
    Golovin et al., Google Vizier (KDD 2017): the median stopping rule.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from cardarena.agents.practice import MOST_LOG_DAYS, SimulatedLog
from cardarena.agents.registry import make_policy
from cardarena.agents.rl.card import Making, checked_name
from cardarena.agents.rl.folder import PROGRESS, read_progress, refuse_strangers, write_progress
from cardarena.agents.rl.settings import TrainingSettings, refuse_wrong_seeds
from cardarena.agents.tables import WINDOW_DAYS
from cardarena.benchmarks.arena.entries import checked_scenario, scenario_entry
from cardarena.benchmarks.metrics import RANKING_METRIC, RunFacts, run_metrics
from cardarena.benchmarks.tuning_subjects import CHOSEN_IN, AgentSubject, PolicySubject, Subject, is_agent
from cardarena.simulator.errors import CardArenaError, ResultsError
from cardarena.simulator.world import World

#: Standard deviation of a proposal around the best so far, in shares of a knob's range.
NEAR: Final = 0.15
#: Trials that must have come as far before the median stops one.
FEWEST: Final = 4
#: Share of a limit by which a trial may be over it in its first worlds and still go on: the mean over all worlds is judged.
LEEWAY: Final = 0.1
_PACKAGES: Final = ("numpy", "scikit-learn", "numba")
#: Seed of a run of proposals; another than a training's, so that the two share no draw.
_PURPOSE: Final = 7

#: Names of a row's columns about limits begin so.
_OVER: Final = "over_"

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
        max_cardholder_days: simulated days after which no run begins; None: no limit. An agent's last training comes on top.
        max_seconds: wall-clock time after which no run begins; None: no limit; likewise.
        steps: of the training that an agent's trial is; None: a quarter of its own.
        final_steps: of the training of the best setting; None: the agent's own.
        training: further settings that all trainings of an agent share; for small sizes.
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
    steps: int | None = None
    final_steps: int | None = None
    training: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        refuse_wrong_seeds(self.world_seeds)
        for name in ("trials", "cardholders", "max_cardholder_days", "max_seconds", "steps", "final_steps"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise CardArenaError(f"{name}: expected more than 0, found {value:g}")
        unused = ("log_days",) if is_agent(self.policy) else ("steps", "final_steps", "training")
        for name in unused:
            if value := getattr(self, name):
                raise CardArenaError(
                    f"{name}: expected none for {self.policy!r}, which has no use for it, found {value}"
                )
        if not self.scenarios or len(set(self.scenarios)) < len(self.scenarios):
            raise CardArenaError(
                f"scenarios: expected each once, found {', '.join(self.scenarios) or 'none'}"
            )
        if is_agent(self.policy) and (both := set(self.world_seeds) & set(CHOSEN_IN)):
            raise CardArenaError(
                f"world seeds: expected others than those in which agents are chosen, found {min(both)}"
            )
        if self.log_days and not WINDOW_DAYS <= self.log_days <= MOST_LOG_DAYS:
            raise CardArenaError(
                f"log_days: expected {WINDOW_DAYS} to {MOST_LOG_DAYS}, or 0 for the bank's own history, found {self.log_days}"
            )
        if self.log_days and len(self.scenarios) > 1:
            raise CardArenaError(f"log_days: expected one scenario to log, found {', '.join(self.scenarios)}")

    def subject(self, out: Path, tell: Callable[[str], object] = lambda text: None) -> Subject:
        """Return what is tuned.

        Args:
            out: folder under which an agent's trials are kept.
            tell: receives the lines of an agent's trainings.
        """
        if is_agent(self.policy):
            return AgentSubject(self._trial, self.final_steps or self._own.steps, out, tell)
        practice = None
        if self.log_days:
            practice = SimulatedLog(
                scenario=self.scenarios[0],
                world_seeds=self.world_seeds,
                cardholders=self.cardholders,
                days=self.log_days,
            )
        return PolicySubject(self.policy, self.world_seeds, practice)

    @property
    def _own(self) -> TrainingSettings:
        return TrainingSettings.of(
            self.policy,
            **{
                "scenarios": self.scenarios,
                "world_seeds": self.world_seeds,
                "cardholders": self.cardholders,
                "seed": self.seed,
                **self.training,
            },
        )

    @property
    def _trial(self) -> TrainingSettings:
        own = self._own
        return replace(own, steps=self.steps or max(1, own.steps // 4))


@dataclass(frozen=True)
class Played:
    """What a run came to.

    Attributes:
        inv_cny: the metric that ranks, CNY a head.
        over: how far each limited metric is over its limit, as a share of the limit; at most 0 where it is kept.
        run_days: days of people that the run simulated.
        silent_days: of the world's silent run; told with every run, spent once a world.
        making_days: of making the policy; told with every run, spent once a trial.
    """

    inv_cny: float
    over: Mapping[str, float]
    run_days: int
    silent_days: int = 0
    making_days: int = 0


class Laboratory(Protocol):
    """Where trials are played."""

    def play(self, case: Case, values: Mapping[str, float]) -> Played:
        """Play the policy with these values in a world."""
        ...


@dataclass(frozen=True)
class Tuned:
    """A tuning that came to its end.

    Attributes:
        values: the best setting.
        inv_cny: mean of it over all worlds, CNY a head; the best of many, so too good by luck. Of an agent, after its last
            training.
        shipped_cny: the same of the policy as it ships; of an agent, of the first trial.
        trials: settings tried.
        cardholder_days: days simulated.
        seconds: wall-clock time.
        reason: why it ended.
    """

    values: dict[str, float]
    inv_cny: float
    shipped_cny: float
    trials: int
    cardholder_days: int
    seconds: float
    reason: str


class WorldLaboratory:
    """Plays trials in forks of worlds that are burnt in, and run silently, once."""

    def __init__(self, settings: TuningSettings, subject: Subject) -> None:
        """Check every scenario before anything is simulated."""
        self._settings, self._subject = settings, subject
        self._scenarios = {spec: checked_scenario(spec) for spec in settings.scenarios}
        self._limits = {spec: scenario_entry(spec).about["limits"] for spec in settings.scenarios}
        self._worlds: dict[Case, tuple[World, RunFacts]] = {}

    def play(self, case: Case, values: Mapping[str, float]) -> Played:
        """Play the policy with these values in a world."""
        policy, spent = self._subject.policy(values)
        world, silent = self._worlds.get(case) or self._prepared(case)
        metrics = run_metrics(self._facts(world, policy), silent)
        limits = self._limits[case[0]]
        # A metric that only another scenario limits keeps its column: rows are alike, and nothing is over.
        over = {
            name: (metrics[name] - limits[name]) / max(limits[name], 1e-9) if name in limits else -1.0
            for name in sorted({name for own in self._limits.values() for name in own})
        }
        days = silent.horizon * world.n
        return Played(float(metrics[RANKING_METRIC]), over, days, days, spent)

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
    laboratory: Callable[[Subject], Laboratory] | None = None,
) -> Tuned:
    """Tune a policy into a folder that the arena plays.

    Args:
        settings: everything that its values depend on; with `max_seconds` they depend on the machine's speed, too.
        out: the folder.
        name: what the tuned policy is called; POLICY_tuned by default.
        command: the command line, for the card.
        resume: go on from what an interrupted tuning of the same settings left.
        tell: receives a line after each trial.
        laboratory: gives the place where trials of a subject are played; worlds of the simulator by default.

    Raises:
        CardArenaError: a scenario or a name that cannot be used.
        ResultsError: the folder holds something else, or another tuning; or no trial kept the limits.
    """
    name = checked_name(f"{settings.policy}_tuned" if name is None else name)
    refuse_strangers(out, resume)
    subject = settings.subject(out, tell)
    place = WorldLaboratory(settings, subject) if laboratory is None else laboratory(subject)
    course = _Course(settings, subject, out, name, place)
    if resume:
        course.go_on()
    else:
        course.save()
    reason = course.search(tell)
    return course.finish(reason, command)


class _Course:
    """One course of tuning. Its state is its rows, one a run, and they are on disk: a proposal is a function of them."""

    def __init__(
        self, settings: TuningSettings, subject: Subject, out: Path, name: str, laboratory: Laboratory
    ) -> None:
        self.settings, self.subject, self.out, self.name = settings, subject, out, name
        self.laboratory, self.knobs = laboratory, subject.knobs
        # The worlds in the order in which a trial meets them: every scenario's first seed, then the second.
        self.cases = [(scenario, seed) for seed in subject.judged_in for scenario in settings.scenarios]
        self.rows: list[Row] = []
        self.old: list[Row] = []
        self.reason: str | None = None
        self.cardholder_days = subject.cardholder_days
        self.seconds = 0.0

    def search(self, tell: Callable[[str], object]) -> str:
        """Try settings until a budget is used up; return which one."""
        self._began = time.monotonic()
        for trial, values in self._proposals():
            for place, case in enumerate(self.cases):
                if not self.old and (reason := self.reason or self._used_up()):
                    return self._ended(reason)
                self._run(trial, case, values)
                if self._is_hopeless(trial, place + 1):
                    break
            tell(self._line(trial, values))
        return self._ended("all trials tried")

    def _ended(self, reason: str) -> str:
        """Note why the search is over, so that whoever goes on later does not search further."""
        self.reason = reason
        self.save()
        return reason

    def _proposals(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yield the settings: as shipped, spread over the ranges, then around the best so far."""
        s = self.settings
        yield 0, dict(self.subject.values)
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
                centre = self.subject.values if best is None else self._values(best)
                shares = [knob.share(centre[knob.name]) + NEAR * luck.normal() for knob in self.knobs]
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
            is_new = all((row["scenario"], row["seed"]) != case for row in self.rows)
            days = played.run_days + (played.silent_days if is_new else 0)
            row = {
                "trial": trial,
                "scenario": case[0],
                "seed": case[1],
                **values,
                "inv_cny": played.inv_cny,
                **{f"{_OVER}{metric}": share for metric, share in played.over.items()},
                "cardholder_days": days + (0 if self._of(trial) else played.making_days),
                "seconds": round(time.monotonic() - began, 3),
            }
        self.rows.append(row)
        self.cardholder_days += row["cardholder_days"]
        if not self.old and self.reason is None:
            self.save()

    def save(self) -> None:
        """Write what an interrupted tuning goes on from: the search's rows, and why it ended once it did."""
        self.out.mkdir(parents=True, exist_ok=True)
        searched = {"settings": self._identity(), "rows": self.rows, "reason": self.reason}
        write_progress(self.out, searched)

    def _used_up(self) -> str | None:
        s = self.settings
        self.seconds = time.monotonic() - self._began
        if s.max_cardholder_days is not None and self.cardholder_days >= s.max_cardholder_days:
            return "all cardholder-days simulated"
        if s.max_seconds is not None and self.seconds >= s.max_seconds:
            return "all the time used"
        return None

    def _is_hopeless(self, trial: int, n: int) -> bool:
        """Return whether a trial is left after `n` worlds: over a limit, or below the median of those within that came as far."""
        own = self._mean(trial, n)
        if own is None:
            return False
        if self._over(trial, n) > LEEWAY:
            return True
        means = [self._mean(other, n) for other in range(trial) if self._over(other, n) <= 0.0]
        reached = [mean for mean in means if mean is not None]
        return len(reached) >= FEWEST and own < float(np.median(reached))

    def _of(self, trial: int) -> list[Row]:
        return [row for row in self.rows if row["trial"] == trial]

    def _mean(self, trial: int, n: int) -> float | None:
        """Return the mean over a trial's first `n` worlds, or None if it met fewer."""
        own = self._of(trial)
        return None if len(own) < n else float(np.mean([row["inv_cny"] for row in own[:n]]))

    def _values(self, trial: int) -> dict[str, float]:
        own = self._of(trial)[0]
        return {knob.name: own[knob.name] for knob in self.knobs}

    def _over(self, trial: int, n: int) -> float:
        """Return the most that a metric's mean over the seeds is over its limit, in any scenario, after `n` worlds."""
        own = self._of(trial)[:n]
        means = [
            float(np.mean([row[name] for row in own if row["scenario"] == scenario]))
            for scenario in {row["scenario"] for row in own}
            for name in own[0]
            if name.startswith(_OVER)
        ]
        return max(means, default=-1.0)

    def _best(self) -> int | None:
        """Return the best trial that met every world and kept the limits, the first of equals; None without one."""
        n = len(self.cases)
        whole = [t for t in dict.fromkeys(row["trial"] for row in self.rows) if self._mean(t, n) is not None]
        kept = [t for t in whole if self._over(t, n) <= 0.0]
        return max(kept, key=lambda t: (self._mean(t, n) or 0.0, -t)) if kept else None

    def _line(self, trial: int, values: Mapping[str, float]) -> str:
        own = self._of(trial)
        best = self._best()
        mean = float(np.mean([row["inv_cny"] for row in own]))
        said = " ".join(f"{name}={value:g}" for name, value in values.items())
        kept = "" if self._over(trial, len(own)) <= 0.0 else ", over a limit"
        return (
            f"trial {trial:3}  {mean:+8.3f} CNY a head in {len(own)} of {len(self.cases)} worlds{kept}  {said}"
            + ("  (best)" if best == trial else "")
        )

    def go_on(self) -> None:
        """Take back the rows of an interrupted tuning."""
        progress = read_progress(self.out, self._identity())
        self.old, self.reason = list(progress["rows"]), progress.get("reason")

    def finish(self, reason: str, command: str) -> Tuned:
        """Write the folder and remove the checkpoint.

        Raises:
            ResultsError: no trial met every world and kept the limits.
        """
        best, n, s = self._best(), len(self.cases), self.settings
        trials = len({row["trial"] for row in self.rows})
        if best is None:
            raise ResultsError(
                f"{self.out}: expected a trial that meets all {n} worlds within the limits, found none in {trials} ({reason})"
            )
        values, chosen = self._values(best), best
        if self.subject.complete():
            chosen = trials
            for case in self.cases:
                self._run(chosen, case, values)
        self.seconds = time.monotonic() - self._began
        making = {
            "algorithm": "tuning",
            "command": command or f"cardarena tune {s.policy}",
            "scenario": ", ".join(s.scenarios),
            "world_seeds": list(self.subject.met),
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
        self.subject.write(self.out, self.name, values, Making.model_validate(making), self.rows)
        (self.out / PROGRESS).unlink(missing_ok=True)
        return Tuned(
            values,
            self._mean(chosen, n) or 0.0,
            self._mean(0, n) or 0.0,
            trials,
            self.cardholder_days,
            round(self.seconds, 1),
            reason,
        )

    def _identity(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(self.settings))) | {"name": self.name}
