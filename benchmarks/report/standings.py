"""Who stands where: estimates with intervals, paired differences, kept limits and ranks, from the runs alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardarena.benchmarks.report.folder import ArenaFolder
from cardarena.benchmarks.statistics import smallest_detectable_difference, t_interval

REFERENCE = "status_quo"
SILENT = "silent"
PRIVILEGED = "privileged"
UNRANKED = ("reference", PRIVILEGED)
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
        gain: paired difference to the status quo, CNY per head; None for the status quo itself.
        metrics: mean of each metric over scenarios and seeds.
        breaches: the limits that it broke.
        failures: scenario, seed and reason of each run that did not finish.
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
    rank: int | None = None

    @property
    def keeps_limits(self) -> bool:
        """Whether no limit was broken."""
        return not self.breaches


class Standings:
    """The standing of every policy, and the estimates that the figures draw."""

    def __init__(self, arena: ArenaFolder) -> None:
        """Index the finished runs of `arena`."""
        self.arena = arena
        runs = arena.runs
        self.metric = "inv_expected" if (runs["metric"] == "inv_expected").any() else "inv"
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
        return interval(np.array(list(self.by_seed(self.metric, scenario, policy).values())))

    def difference(self, scenario: str, policy: str, other: str) -> Estimate:
        """Return the paired difference of the head metric in one scenario, over the seeds that both finished."""
        mine, base = (self.by_seed(self.metric, scenario, name) for name in (policy, other))
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
        return interval(np.array([np.mean(v) for _, v in sorted(per_seed.items()) if len(v) == full]))

    def detectable(self, scenario: str) -> float:
        """Return the smallest difference to the status quo that these seeds find in 80 of 100 cases, CNY per head."""
        sizes = []
        for policy in self.arena.policies:
            if policy in (REFERENCE, SILENT) or self.arena.leagues[policy] == PRIVILEGED:
                continue
            mine = self.by_seed(self.metric, scenario, policy)
            base = self.by_seed(self.metric, scenario, REFERENCE)
            seeds = sorted(mine.keys() & base.keys())
            size = smallest_detectable_difference(
                [mine[seed] for seed in seeds], [base[seed] for seed in seeds]
            )
            if np.isfinite(size):
                sizes.append(size)
        return float(np.median(sizes)) if sizes else float("nan")

    def breaches(self, scenario: str, policy: str) -> list[Breach]:
        """Return the limits of a scenario that a policy broke, by its mean over seeds."""
        found = []
        for metric, (low, high) in limits_of(self.arena.scenario(scenario).get("limits")).items():
            value = self.mean(metric, scenario, policy)
            # A millionth of slack: the limit is a decimal number, the mean a sum of binary ones.
            slack = 1e-6 * max(1.0, abs(value)) if np.isfinite(value) else 0.0
            if value > high + slack:
                found.append(Breach(scenario, metric, value, high))
            elif value < low - slack:
                found.append(Breach(scenario, metric, value, low))
        return found

    @cached_property
    def all(self) -> list[Standing]:
        """Every policy: the ranked by value, then the references, those below the line, and those without a value."""
        standings = [self._standing(policy) for policy in self.arena.policies]
        standings.sort(key=lambda one: (_group(one), -np.nan_to_num(one.inv.mean, nan=-np.inf), one.policy))
        places: dict[str, int] = {}
        for one in standings:
            if _group(one) == 0:
                places[one.league] = places.get(one.league, 0) + 1
                one.rank = places[one.league]
        return standings

    def _standing(self, policy: str) -> Standing:
        arena = self.arena
        runs = arena.runs[(arena.runs["policy"] == policy) & arena.runs["dial"].isna()]
        failed = runs[~runs["finished"]].drop_duplicates(["scenario", "seed"])
        metrics = {}
        for metric in dict.fromkeys(arena.runs["metric"]):
            values = [self.mean(metric, scenario, policy) for scenario in arena.scenarios]
            kept = [value for value in values if np.isfinite(value)]
            if kept:
                metrics[metric] = float(np.mean(kept))
        return Standing(
            policy=policy,
            league=arena.leagues[policy],
            is_reference=policy == SILENT or arena.leagues[policy] in UNRANKED,
            inv=self.overall(policy),
            gain=self.overall(policy, REFERENCE)
            if policy != REFERENCE and REFERENCE in arena.policies
            else None,
            metrics=metrics,
            breaches=[breach for scenario in arena.scenarios for breach in self.breaches(scenario, policy)],
            failures=[
                (str(row.scenario), int(row.seed), str(row.reason)) for row in failed.itertuples(index=False)
            ],
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
    if not np.isfinite(one.inv.mean):
        return 3
    if one.is_reference:
        return 1
    return 2 if one.breaches or one.failures else 0


def _paired(mine: Mapping[int, float], other: Mapping[int, float]) -> Values:
    return np.array([mine[seed] - other[seed] for seed in sorted(mine.keys() & other.keys())])


def limits_of(stated: Any) -> dict[str, tuple[float, float]]:
    """Return lowest and highest allowed value by metric, from a number (the highest) or `{min, max}` each.

    Example:
        >>> limits_of({"breaches": 0, "nps": {"min": 10}})
        {'breaches': (-inf, 0.0), 'nps': (10.0, inf)}
    """
    found = {}
    for metric, limit in (stated or {}).items() if isinstance(stated, dict) else ():
        if isinstance(limit, dict):
            low, high = limit.get("min"), limit.get("max")
        else:
            low, high = None, limit
        name = str(metric)
        if high is None and low is None:
            continue
        found[name] = (-np.inf if low is None else float(low), np.inf if high is None else float(high))
    return found


def interval(values: Values) -> Estimate:
    """Return the mean of `values` with its 95 % Student-t interval: a bootstrap of so few seeds would be too narrow.

    Example:
        >>> interval(np.array([1.0])).has_interval
        False
    """
    found = t_interval(values[np.isfinite(values)])
    return Estimate(found.value, found.low, found.high, found.n)
