"""The leaderboard: who is worth how much, how sure that is, and who broke which limit.

A row's way to a rank: *unfinished* (a run is missing: no rank, and the table is not publishable) -> *below_line* (a
limit is broken: no rank) -> *ranked* within its league. The status quo and the other references, and privileged
policies such as the oracle, are shown beside them and never ranked.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from cardarena.benchmarks import statistics
from cardarena.benchmarks.leaderboard_runs import (
    COLUMNS,
    UNRANKED,
    Contender,
    checked,
    contender,
    contenders_overall,
    failures_of,
    leagues_of,
    with_paired_metrics,
)
from cardarena.benchmarks.leaderboard_table import render_leaderboard
from cardarena.benchmarks.metrics import RANKING_METRIC, get_metric
from cardarena.benchmarks.storage import plain
from cardarena.simulator.contracts import LEAGUES

__all__ = ["COLUMNS", "leaderboard", "render_leaderboard", "with_paired_metrics"]

Limits = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class _Settings:
    metric: str
    reference: str
    confidence: float
    n_boot: int
    seed: int


def leaderboard(
    runs: pd.DataFrame,
    limits: Limits | None = None,
    reference: str = "status_quo",
    *,
    metric: str = RANKING_METRIC,
    confidence: float = 0.95,
    n_boot: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the leaderboard per scenario and overall, as plain values that JSON can hold.

    Only the default dial of a policy (`dial` is NaN) takes part. Comparisons are paired by seed; p-values are those of
    the paired t-test against `reference`, Holm-adjusted over the competitors of the section. Overall, a policy's score
    on a seed is its mean over scenarios: scenarios share a seed's people, so the seed stays the unit.

    Args:
        runs: one row per scenario, policy, dial, seed and metric; see `COLUMNS`.
        limits: per scenario, the most that the mean over seeds of a metric may be.
        reference: the policy that the others are compared with.
        metric: the metric that ranks; higher is better.
        confidence: coverage of intervals.
        n_boot: resamples of the bootstraps.
        seed: seed of the bootstraps and of the split halves.

    Raises:
        ResultsError: a column is missing, a row stands twice, or a policy stands in two leagues.
        UnknownNameError: a metric or a league that does not exist.
    """
    get_metric(metric)
    settings = _Settings(metric, reference, confidence, n_boot, seed)
    runs = checked(runs)
    default = runs[runs["dial"].isna()]
    limits = limits or {}
    for name in {name for of_scenario in limits.values() for name in of_scenario}:
        get_metric(name)
    scenarios = [str(name) for name in dict.fromkeys(default["scenario"])]
    seeds = {name: tuple(sorted(set(default.loc[default["scenario"] == name, "seed"]))) for name in scenarios}
    leagues = leagues_of(default)
    values = (
        default[default["finished"]].set_index(["scenario", "policy", "metric", "seed"])["value"].to_dict()
    )
    failures = failures_of(runs)
    by_scenario = {
        name: [
            contender(name, policy, league, seeds[name], values, failures, limits.get(name, {}), metric)
            for policy, league in leagues.items()
            if ((default["scenario"] == name) & (default["policy"] == policy)).any()
        ]
        for name in scenarios
    }
    unfinished = sorted(
        (
            {"scenario": s, "policy": p, "dial": d, "seed": k, "reason": reason}
            for (s, p, d, k), reason in failures.items()
        ),
        key=lambda row: (
            row["scenario"],
            row["policy"],
            row["dial"] is not None,
            row["dial"] or 0.0,
            row["seed"],
        ),
    )
    missing = [
        f"{c.policy} in {name}: {'; '.join(c.missing)}"
        for name, cs in by_scenario.items()
        for c in cs
        if c.missing
    ]
    overall = contenders_overall(by_scenario, leagues)
    board = {
        "metric": metric,
        "unit": get_metric(metric).unit,
        "reference": reference,
        "confidence": confidence,
        "bootstrap": {"resamples": n_boot, "seed": seed, "method": "bca"},
        "correction": f"Holm over the competitors of a section, paired t-tests against {reference}",
        "publishable": not unfinished and not missing,
        "unfinished": unfinished,
        "incomplete": missing,
        "n_dial_runs": int(
            runs.loc[runs["dial"].notna(), ["scenario", "policy", "dial", "seed"]].drop_duplicates().shape[0]
        ),
        "same_logs": _same_logs(default),
        "overall": _section(overall, settings)
        | {"critical_difference": _critical_difference(by_scenario, settings)},
        "scenarios": {name: _section(contenders, settings) for name, contenders in by_scenario.items()},
    }
    return plain(board)


def _section(contenders: list[Contender], settings: _Settings) -> dict[str, Any]:
    reference = next((c for c in contenders if c.policy == settings.reference), None)
    ranks = _ranks(contenders, settings.reference)
    best = {c.league: c for c in reversed(_ordered(contenders)) if ranks.get(c.policy) == 1}
    rows = []
    for c in sorted(contenders, key=lambda c: _place(c, ranks, settings.reference)):
        rows.append(_row(c, reference, best.get(c.league), ranks.get(c.policy), settings))
    _correct(rows)
    competitors = [c for c in contenders if c.status(settings.reference) in ("ranked", "below_line")]
    detectable = [
        row["smallest_detectable_difference"] for row in rows if row["smallest_detectable_difference"]
    ]
    reductions = [row["variance_reduction"] for row in rows if row["status"] in ("ranked", "below_line")]
    seeds = sorted({seed for c in contenders for seed in c.seeds})
    return {
        "seeds": seeds,
        "rows": rows,
        "leads": _leads(contenders, ranks, settings),
        "rank_stability": {
            "all": _stability(competitors, settings),
            **{
                lg: _stability([c for c in competitors if c.league == lg], settings)
                for lg in LEAGUES
                if lg not in UNRANKED
            },
        },
        "smallest_detectable_difference": {
            kind: _median([each[kind] for each in detectable]) for kind in ("paired", "unpaired")
        },
        "variance_reduction": _median(reductions),
        "notes": _notes(reference, seeds, settings.reference),
    }


def _notes(reference: Contender | None, seeds: Sequence[int], name: str) -> list[str]:
    notes = []
    if reference is None or not reference.seeds:
        notes.append(f"{name} has no finished run here: nothing is compared with it")
    if len(seeds) == 1:
        notes.append(statistics.NO_INTERVAL)
    return notes


def _ordered(contenders: Sequence[Contender]) -> list[Contender]:
    """Return contenders by falling score, ties by name."""
    return sorted(contenders, key=lambda c: (-c.mean if c.seeds else math.inf, c.policy))


def _ranks(contenders: Sequence[Contender], reference: str) -> dict[str, int]:
    ranks: dict[str, int] = {}
    for league in LEAGUES:
        ranked = _ordered([c for c in contenders if c.league == league and c.status(reference) == "ranked"])
        for place, c in enumerate(ranked, start=1):
            tied = place > 1 and c.mean == ranked[place - 2].mean
            ranks[c.policy] = ranks[ranked[place - 2].policy] if tied else place
    return ranks


def _place(c: Contender, ranks: Mapping[str, int], reference: str) -> tuple[int, int, int, float, str]:
    order = ("ranked", "below_line", "unfinished", "privileged", "reference")
    status = c.status(reference)
    shown = c.league not in UNRANKED and c.policy != reference
    league = LEAGUES.index(c.league) if shown else len(LEAGUES) + (c.league != "privileged")
    return league, order.index(status), ranks.get(c.policy, 0), -c.mean if c.seeds else math.inf, c.policy


def _compared(a: Contender, b: Contender, settings: _Settings) -> dict[str, Any] | None:
    """Return a - b on the seeds that both have, None where there are none."""
    x, y = _aligned(a, b)
    if not x.size:
        return None
    difference = statistics.paired_difference(
        x, y, seed=settings.seed, confidence=settings.confidence, n_boot=settings.n_boot
    )
    names = ("n", "mean", "sd", "low", "high", "p", "boot_low", "boot_high", "note")
    return {"policy": b.policy} | {name: getattr(difference, name) for name in names}


def _aligned(a: Contender, b: Contender) -> tuple[np.ndarray, np.ndarray]:
    both = [seed for seed in a.seeds if seed in b.seeds]
    return (
        a.scores[[a.seeds.index(seed) for seed in both]],
        b.scores[[b.seeds.index(seed) for seed in both]],
    )


def _row(
    c: Contender,
    reference: Contender | None,
    best: Contender | None,
    rank: int | None,
    settings: _Settings,
) -> dict[str, Any]:
    interval = statistics.t_interval(c.scores, settings.confidence)
    boot = statistics.bootstrap_interval(
        c.scores, seed=settings.seed, confidence=settings.confidence, n_boot=settings.n_boot
    )
    row: dict[str, Any] = {
        "rank": rank,
        "policy": c.policy,
        "league": c.league,
        "status": c.status(settings.reference),
        "n": interval.n,
        "mean": interval.value,
        "low": interval.low,
        "high": interval.high,
        "boot_low": boot[0],
        "boot_high": boot[1],
        "iqm": asdict(
            statistics.interquartile_mean(
                c.strata, seed=settings.seed, confidence=settings.confidence, n_boot=settings.n_boot
            )
        ),
        "versus_reference": None,
        "versus_best": None,
        "probability_of_improvement": None,
        "variance_reduction": float("nan"),
        "smallest_detectable_difference": None,
        "limits": c.limits,
        "broken": [limit for limit in c.limits if not limit["kept"]],
        "reason": "; ".join(c.missing),
        "note": interval.note,
    }
    if (
        reference is not None
        and c.policy != reference.policy
        and (compared := _compared(c, reference, settings))
    ):
        x, y = _aligned(c, reference)
        row["versus_reference"] = compared
        row["probability_of_improvement"] = asdict(
            statistics.probability_of_improvement(x, y, settings.confidence)
        )
        row["variance_reduction"] = statistics.variance_reduction_from_pairing(x, y)
        row["smallest_detectable_difference"] = {
            "paired": statistics.smallest_detectable_difference(x, y),
            "unpaired": statistics.smallest_detectable_difference(x, y, paired=False),
        }
    if (
        best is not None
        and best.policy != c.policy
        and row["status"] in ("ranked", "below_line", "unfinished")
    ):
        row["versus_best"] = _compared(c, best, settings)
    return row


def _correct(rows: Sequence[dict[str, Any]]) -> None:
    """Add Holm's p-values over the competitors; references are no hypotheses."""
    compared = [row["versus_reference"] for row in rows if row["versus_reference"]]
    for each in compared:
        each["p_holm"] = float("nan")
    tested = [
        row["versus_reference"]
        for row in rows
        if row["versus_reference"] and row["status"] in ("ranked", "below_line")
    ]
    for each, adjusted in zip(tested, statistics.holm([each["p"] for each in tested]), strict=True):
        each["p_holm"] = float(adjusted)


def _leads(contenders: Sequence[Contender], ranks: Mapping[str, int], settings: _Settings) -> dict[str, Any]:
    """Return, per league, by how much the first leads the second; the pair was chosen by looking at the scores."""
    leads = {}
    for league in LEAGUES:
        ranked = _ordered([c for c in contenders if c.league == league and c.policy in ranks])
        if len(ranked) > 1 and (lead := _compared(ranked[0], ranked[1], settings)):
            lead["second"] = lead.pop("policy")
            leads[league] = {"first": ranked[0].policy} | lead
    return leads


def _stability(contenders: Sequence[Contender], settings: _Settings) -> float:
    shared = set.intersection(*(set(c.seeds) for c in contenders)) if contenders else set()
    scores = [[c.scores[c.seeds.index(seed)] for seed in sorted(shared)] for c in contenders]
    return (
        statistics.rank_stability(scores, seed=settings.seed)
        if len(contenders) > 1 and shared
        else float("nan")
    )


def _critical_difference(
    by_scenario: Mapping[str, list[Contender]], settings: _Settings
) -> dict[str, Any] | None:
    """Return the mean ranks over scenarios of all who finished everywhere, leagues and references together."""
    finished = [
        {
            c.policy: c.mean
            for c in contenders
            if c.status(settings.reference) in ("ranked", "below_line", "reference")
        }
        for contenders in by_scenario.values()
    ]
    policies = [
        name for name in (finished[0] if finished else {}) if all(name in scores for scores in finished)
    ]
    if len(finished) < 2 or len(policies) < 2:
        return None
    result = statistics.friedman([[scores[name] for name in policies] for scores in finished])
    return {
        "policies": policies,
        "mean_ranks": list(result.mean_ranks),
        "n_scenarios": result.n_blocks,
        "chi2": result.chi2,
        "p": result.p,
        "critical_difference": result.critical_difference,
        "alpha": result.alpha,
    }


def _same_logs(runs: pd.DataFrame) -> list[list[str]]:
    """Return groups of policies whose logs are the same in every scenario and seed: they did the same."""
    marked = runs[(runs["log_digest"].fillna("") != "") & runs["finished"]]
    prints: dict[tuple[Any, ...], list[str]] = {}
    for policy, rows in marked.groupby("policy", sort=True):
        key = tuple(sorted(set(zip(rows["scenario"], rows["seed"], rows["log_digest"], strict=True))))
        prints.setdefault(key, []).append(str(policy))
    return [names for names in prints.values() if len(names) > 1]


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return float(np.median(known)) if known else float("nan")
