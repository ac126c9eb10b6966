"""The table of runs as the leaderboard takes it: checked, and gathered into one `Contender` a policy."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

from cardarena.benchmarks.metrics import RANKING_METRIC
from cardarena.simulator.contracts import LEAGUES
from cardarena.simulator.errors import ResultsError, UnknownNameError

#: Columns that a table of runs must have; `dial`, `reason` and `log_digest` may be missing.
COLUMNS: Final = ("scenario", "policy", "league", "seed", "metric", "value", "finished")
#: Leagues that are shown and not ranked.
UNRANKED: Final = ("privileged", "reference")
#: Scores are rounded before ranking, and a limit is kept up to this much.
DECIMALS: Final = 9


@dataclass
class Contender:
    """One policy in one section: its scores by stratum (a scenario), all on the same seeds in the same order."""

    policy: str
    league: str
    strata: list[np.ndarray]
    seeds: tuple[int, ...]
    missing: list[str] = field(default_factory=list)
    limits: list[dict[str, Any]] = field(default_factory=list)

    @property
    def scores(self) -> np.ndarray:
        """Scores per seed, averaged over the strata, shape (seeds,)."""
        return np.mean(self.strata, axis=0) if self.strata else np.zeros(0)

    @property
    def mean(self) -> float:
        """Mean over seeds, rounded as for ranking; NaN without seeds."""
        return round(float(self.scores.mean()), DECIMALS) if self.seeds else float("nan")

    def status(self, reference: str) -> str:
        """Return which of the states that `leaderboard` names this row is in."""
        if self.missing:
            return "unfinished"
        if self.policy == reference:
            return "reference"
        if self.league in UNRANKED:
            return self.league
        return "ranked" if all(limit["kept"] for limit in self.limits) else "below_line"


def with_paired_metrics(runs: pd.DataFrame, reference: str = "status_quo") -> pd.DataFrame:
    """Return the runs with the metric `inv_over_status_quo` added for every run whose reference run finished.

    Args:
        runs: one row per scenario, policy, dial, seed and metric.
        reference: the policy that stands for what banks do today.
    """
    runs = checked(runs)
    runs = runs[runs["metric"] != "inv_over_status_quo"]
    base = runs[(runs["metric"] == RANKING_METRIC) & runs["finished"]]
    of_reference = base[(base["policy"] == reference) & base["dial"].isna()]
    values = of_reference.set_index(["scenario", "seed"])["value"].to_dict()
    keys = list(zip(base["scenario"], base["seed"], strict=True))
    # Typed, since an empty list would choose columns: where every run failed there is no base.
    known = np.array([key in values for key in keys], dtype=np.bool_)
    added = base[known].assign(metric="inv_over_status_quo")
    added["value"] = added["value"] - [values[key] for key in keys if key in values]
    return pd.concat([runs, added], ignore_index=True) if len(added) else runs.reset_index(drop=True)


def checked(runs: pd.DataFrame) -> pd.DataFrame:
    """Return a copy with every column there, of the right type.

    Raises:
        ResultsError: a column is missing, or a row stands twice.
    """
    missing = [column for column in COLUMNS if column not in runs.columns]
    if missing:
        raise ResultsError(f"runs: expected columns {', '.join(COLUMNS)}; {', '.join(missing)} missing")
    defaults = {
        name: value
        for name, value in {"dial": np.nan, "reason": "", "log_digest": ""}.items()
        if name not in runs
    }
    runs = runs.assign(**defaults) if defaults else runs.copy()
    runs["dial"], runs["finished"] = runs["dial"].astype(float), runs["finished"].astype(bool)
    key = ["scenario", "policy", "dial", "seed", "metric"]
    twice = runs[runs.duplicated(key)]
    if len(twice):
        raise ResultsError(
            "runs: expected one row each, found twice: " + ", ".join(f"{k}={twice.iloc[0][k]}" for k in key)
        )
    return runs


def leagues_of(runs: pd.DataFrame) -> dict[str, str]:
    """Return the league of each policy, by name of the policy.

    Raises:
        UnknownNameError: no such league.
        ResultsError: a policy stands in two leagues.
    """
    leagues: dict[str, str] = {}
    for policy, league in sorted(set(zip(runs["policy"], runs["league"], strict=True))):
        if league not in LEAGUES:
            raise UnknownNameError("league", str(league), LEAGUES)
        if policy in leagues:
            raise ResultsError(
                f"runs: expected one league of policy {policy!r}, found {leagues[policy]} and {league}"
            )
        leagues[str(policy)] = str(league)
    return leagues


def failures_of(runs: pd.DataFrame) -> dict[tuple[str, str, float | None, int], str]:
    """Return why each unfinished run did not finish, by scenario, policy, dial (None: default) and seed."""
    failed = runs[~runs["finished"]]
    return {
        (str(s), str(p), None if math.isnan(d) else float(d), int(k)): str(reason or "no reason given")
        for s, p, d, k, reason in zip(
            *(failed[name] for name in ("scenario", "policy", "dial", "seed", "reason")), strict=True
        )
    }


def contender(
    scenario: str,
    policy: str,
    league: str,
    seeds: Sequence[int],
    values: Mapping[Any, float],
    failures: Mapping[tuple[str, str, float | None, int], str],
    limits: Mapping[str, float],
    metric: str,
) -> Contender:
    """Return a policy in one scenario.

    Args:
        scenario: the scenario.
        policy: the policy.
        league: its league.
        seeds: the seeds that every policy of the scenario should have.
        values: values of finished runs by scenario, policy, metric and seed.
        failures: what `failures_of` returned.
        limits: the most that the mean over seeds of a metric may be.
        metric: the metric that ranks.
    """
    scores, missing = {}, []
    for seed in seeds:
        value = values.get((scenario, policy, metric, seed), float("nan"))
        if (scenario, policy, None, seed) in failures:
            missing.append(f"seed {seed}: {failures[scenario, policy, None, seed]}")
        elif not math.isfinite(value):
            missing.append(f"seed {seed}: no {metric}")
        else:
            scores[seed] = value
    kept = []
    for name, most in limits.items():
        found = [values.get((scenario, policy, name, seed), float("nan")) for seed in scores]
        mean = float(np.mean(found)) if found else float("nan")
        # What was not measured was not shown to be kept: NaN compares as broken.
        kept.append(
            {
                "scenario": scenario,
                "metric": name,
                "limit": float(most),
                "value": mean,
                "kept": round(mean, DECIMALS) <= most if math.isfinite(mean) else False,
            }
        )
    return Contender(policy, league, [np.array(list(scores.values()))], tuple(scores), missing, kept)


def contenders_overall(
    by_scenario: Mapping[str, list[Contender]], leagues: Mapping[str, str]
) -> list[Contender]:
    """Return each policy over all scenarios, on the seeds that every scenario has."""
    common = [set[int]().union(*(c.seeds for c in contenders)) for contenders in by_scenario.values()]
    shared = set.intersection(*common) if common else set()
    found = []
    for policy, league in leagues.items():
        parts = {
            name: c for name, contenders in by_scenario.items() for c in contenders if c.policy == policy
        }
        missing = [f"not run in {name}" for name in by_scenario if name not in parts]
        missing += [f"{name}, {text}" for name, part in parts.items() for text in part.missing]
        seeds = (
            tuple(sorted(shared.intersection(*(part.seeds for part in parts.values()))))
            if not missing
            else ()
        )
        strata = [np.array([part.strata[0][part.seeds.index(k)] for k in seeds]) for part in parts.values()]
        if not missing and not seeds:
            missing.append("the scenarios have no seed in common")
        limits = [limit for part in parts.values() for limit in part.limits]
        found.append(Contender(policy, league, strata if seeds else [], seeds, missing, limits))
    return found
