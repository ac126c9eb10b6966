"""Who stands where, as the leaderboard ranks it, in the form that sentences, tables and figures need."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardarena.benchmarks.leaderboard import leaderboard
from cardarena.benchmarks.report.folder import ArenaFolder
from cardarena.benchmarks.statistics import t_interval
from cardarena.benchmarks.storage import number

REFERENCE = "status_quo"
SILENT = "silent"
PRIVILEGED = "privileged"
UNRANKED = ("reference", PRIVILEGED)
#: Bootstraps stand in `leaderboard.json`; the page shows Student-t intervals and needs none.
N_BOOT = 50
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its 95 % interval; the interval is NaN where fewer than two seeds allow none."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def has_interval(self) -> bool:
        """Whether there were seeds enough for an interval."""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.has_interval and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Breach:
    """A limit that a policy broke in one scenario."""

    scenario: str
    metric: str
    value: float
    limit: float


@dataclass
class Standing:
    """One policy over all scenarios.

    Attributes:
        policy: its name.
        league: where it competes.
        is_reference: it is privileged or the silent world, and has no rank.
        inv: incremental net value, CNY per head, mean of the scenarios.
        gain: paired difference to the status quo, CNY per head; None where there is nothing to compare.
        metrics: mean of each metric over scenarios and seeds.
        breaches: the limits that it broke.
        failures: scenario, seed and reason of each run that did not finish.
        missing: what keeps it from a score, in words; empty where nothing does.
        rank: place in its league; None where it has none.
    """

    policy: str
    league: str
    is_reference: bool
    inv: Estimate
    gain: Estimate | None
    metrics: dict[str, float]
    breaches: list[Breach] = field(default_factory=list)
    failures: list[tuple[str, int, str]] = field(default_factory=list)
    missing: str = ""
    rank: int | None = None

    @property
    def keeps_limits(self) -> bool:
        """Whether no limit was broken."""
        return not self.breaches


class Standings:
    """The standing of every policy, and the estimates that the figures draw."""

    def __init__(self, arena: ArenaFolder) -> None:
        """Rank the runs of `arena`, and index their values.

        Raises:
            ResultsError: a row of the runs stands twice, or a policy stands in two leagues.
            UnknownNameError: a league or a limit's metric that does not exist.
        """
        self.arena = arena
        runs = arena.runs
        limits = {name: found for name in arena.scenarios if (found := arena.limits(name))}
        self.board = leaderboard(runs, limits, REFERENCE, n_boot=N_BOOT)
        self.metric = str(self.board["metric"])
        default = runs[runs["finished"] & runs["dial"].isna() & np.isfinite(runs["value"])]
        self._values: dict[tuple[str, str, str], dict[int, float]] = {}
        columns = (default[name].tolist() for name in ("metric", "scenario", "policy", "seed", "value"))
        for metric, scenario, policy, seed, value in zip(*columns, strict=True):
            self._values.setdefault((metric, scenario, policy), {})[int(seed)] = float(value)

    def by_seed(self, metric: str, scenario: str, policy: str) -> dict[int, float]:
        """Return the value of each finished seed."""
        return self._values.get((metric, scenario, policy), {})

    def mean(self, metric: str, scenario: str, policy: str) -> float:
        """Return the mean over seeds, or NaN where no run finished."""
        found = self.by_seed(metric, scenario, policy)
        return float(np.mean(list(found.values()))) if found else float("nan")

    def estimate(self, scenario: str, policy: str) -> Estimate:
        """Return the head metric of one policy in one scenario."""
        return interval(
            np.array(list(self.by_seed(self.metric, scenario, policy).values()), dtype=np.float64)
        )

    def difference(self, scenario: str, policy: str, other: str, metric: str = "") -> Estimate:
        """Return the paired difference of a metric, by default the head metric, in one scenario, over shared seeds."""
        mine, base = (self.by_seed(metric or self.metric, scenario, name) for name in (policy, other))
        return interval(_paired(mine, base))

    def pairs(self, policy: str, other: str) -> Values:
        """Return the paired differences of the head metric, one per scenario and seed."""
        found = [
            _paired(self.by_seed(self.metric, name, policy), self.by_seed(self.metric, name, other))
            for name in self.arena.scenarios
        ]
        return np.concatenate(found) if found else np.empty(0)

    def overall(self, policy: str, other: str | None = None) -> Estimate:
        """Return the mean over scenarios, of the value or of the paired difference; seeds are the sample."""
        per_seed: dict[int, list[float]] = {}
        for scenario in self.arena.scenarios:
            mine = self.by_seed(self.metric, scenario, policy)
            base = self.by_seed(self.metric, scenario, other) if other else dict.fromkeys(mine, 0.0)
            for seed in mine.keys() & base.keys():
                per_seed.setdefault(seed, []).append(mine[seed] - base[seed])
        full = max((len(values) for values in per_seed.values()), default=0)
        means = [float(np.mean(values)) for _, values in sorted(per_seed.items()) if len(values) == full]
        return interval(np.array(means, dtype=np.float64))

    def is_surely_ahead(self, policy: str, other: str, scenario: str | None = None) -> bool:
        """Return whether the paired lead of `policy` over `other`, overall or in one scenario, leaves out zero."""
        found = self.difference(scenario, policy, other) if scenario else self.overall(policy, other)
        return found.is_clear and found.mean > 0

    @property
    def n_seeds(self) -> int:
        """Seeds of the whole arena."""
        return len(set(self.arena.runs["seed"]))

    @cached_property
    def tied(self) -> list[str]:
        """The ranked policies that cannot be told apart from the first, in their order."""
        return [
            one.policy
            for one in self.ranked[1:]
            if not self.is_surely_ahead(self.ranked[0].policy, one.policy)
        ]

    def detectable(self, scenario: str) -> float:
        """Return the smallest difference to the status quo that these seeds find in 80 of 100 cases, CNY per head."""
        section = self.board["scenarios"].get(scenario)
        found = section["smallest_detectable_difference"]["paired"] if section else None
        return float("nan") if found is None else float(found)

    @property
    def has_limits(self) -> bool:
        """Whether any scenario states a limit."""
        return any(self.arena.limits(name) for name in self.arena.scenarios)

    @cached_property
    def all(self) -> list[Standing]:
        """Every policy: the ranked by value, then the references, those below the line, and those without a value."""
        standings = [self._standing(row) for row in self.board["overall"]["rows"]]
        return sorted(
            standings, key=lambda one: (_group(one), -np.nan_to_num(one.inv.mean, nan=-np.inf), one.policy)
        )

    def _standing(self, row: dict[str, Any]) -> Standing:
        policy = str(row["policy"])
        metrics = {}
        for metric in dict.fromkeys(self.arena.runs["metric"]):
            values = [self.mean(metric, scenario, policy) for scenario in self.arena.scenarios]
            kept = [value for value in values if np.isfinite(value)]
            if kept:
                metrics[metric] = float(np.mean(kept))
        unfinished = [
            one for one in self.board["unfinished"] if one["policy"] == policy and one["dial"] is None
        ]
        finished = row["mean"] is not None
        return Standing(
            policy=policy,
            league=str(row["league"]),
            is_reference=row["league"] in UNRANKED,
            inv=_estimate(row),
            gain=_estimate(row["versus_reference"]) if row["versus_reference"] else None,
            metrics=metrics,
            breaches=[
                Breach(one["scenario"], one["metric"], number(one["value"]), float(one["limit"]))
                for one in row["broken"]
                if finished or one["value"] is not None
            ],
            failures=[(str(one["scenario"]), int(one["seed"]), str(one["reason"])) for one in unfinished],
            missing=str(row["reason"]),
            rank=row["rank"],
        )

    @cached_property
    def ranked(self) -> list[Standing]:
        """The policies that have a rank, by value over all leagues."""
        return [one for one in self.all if one.rank is not None]

    @property
    def oracle(self) -> Standing | None:
        """The privileged reference with the highest value, if one ran."""
        found = [one for one in self.all if one.league == PRIVILEGED and np.isfinite(one.inv.mean)]
        return max(found, key=lambda one: one.inv.mean, default=None)

    def of(self, policy: str) -> Standing | None:
        """Return the standing of a policy, if it ran."""
        return next((one for one in self.all if one.policy == policy), None)

    @cached_property
    def highlighted(self) -> list[str]:
        """Policies that every figure shows in colour: the best three, the status quo, the oracle, the worst burner."""
        chosen = [one.policy for one in self.ranked if one.policy != REFERENCE][:3]
        if self.of(REFERENCE):
            chosen.append(REFERENCE)
        if self.oracle:
            chosen.append(self.oracle.policy)
        rest = [one for one in self.all if one.policy not in chosen and np.isfinite(one.inv.mean)]
        broken = [one for one in rest if one.breaches and not one.is_reference]
        worst = min(
            broken or [one for one in rest if not one.is_reference],
            key=lambda one: one.inv.mean,
            default=None,
        )
        return [*chosen, worst.policy] if worst else chosen

    @cached_property
    def main_scenario(self) -> str:
        """The scenario that single figures show: `baseline`, or the first that ran."""
        names = self.arena.scenarios
        return "baseline" if "baseline" in names else names[0]


def _group(one: Standing) -> int:
    if one.rank is not None:
        return 0
    if not np.isfinite(one.inv.mean) or one.missing:
        return 3
    return 1 if one.is_reference else 2


def _estimate(row: Mapping[str, Any]) -> Estimate:
    return Estimate(number(row["mean"]), number(row["low"]), number(row["high"]), int(row["n"]))


def _paired(mine: Mapping[int, float], other: Mapping[int, float]) -> Values:
    return np.array([mine[seed] - other[seed] for seed in sorted(mine.keys() & other.keys())])


def interval(values: Values) -> Estimate:
    """Return the mean of `values` with its 95 % Student-t interval: a bootstrap of so few seeds would be too narrow.

    Example:
        >>> interval(np.array([1.0])).has_interval
        False
    """
    found = t_interval(values[np.isfinite(values)])
    return Estimate(found.value, found.low, found.high, found.n)
