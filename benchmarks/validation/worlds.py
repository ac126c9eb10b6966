"""Worlds: do all shipped parameter sets meet the hard targets, and does the ranking of policies hold in each of them?"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from cardarena.benchmarks.validation.findings import Finding, Section, Tell
from cardarena.benchmarks.validation.hard import clearance
from cardarena.benchmarks.validation.lab import Lab, over_seeds
from cardarena.benchmarks.validation.worlds_page import (
    bump_chart,
    hard_table,
    pair_shares,
    pair_table,
    rank_table,
)
from cardarena.benchmarks.validation.worlds_runs import REFERENCE, TEST, Standing, plans, play

#: Agreement of ranks below which a ranking would say more of the parameters than of the policies.
LEAST_TAU: Final = 0.7
#: A value this many standard errors outside its band is a miss; the people of a small world are not those of the fit.
SURE: Final = 2.0
_SOURCE: Final = "model: worlds are parameter sets that all meet the hard targets; a rank is claimed where it is stable over them"


def run(lab: Lab, tell: Tell) -> Section:
    """Measure the hard targets of every world, and play the same policies in each.

    Args:
        lab: its overrides are the parameters that the worlds are compared with; its size says how thorough to be.
        tell: takes lines of progress.
    """
    standings = play(plans(lab), lab.threads, tell)
    findings = judge(standings)
    first = standings[0].plan
    return Section(
        name="worlds",
        title="Other worlds: does the ranking hang on the parameters?",
        summary=_summary(standings, findings),
        findings=findings,
        pictures=(bump_chart(standings),),
        tables=(hard_table(standings), rank_table(standings), pair_table(standings)),
        settings={
            **lab.settings,
            "cardholders": first.people,
            "cardholders_of_hard_targets": max(one.plan.checked for one in standings),
            "seeds": list(first.seeds),
            "policies": list(first.policies),
            "worlds": [one.name for one in standings],
            "hard_targets": [target for stage in first.stages for target in stage],
        },
    )


def judge(standings: Sequence[Standing]) -> tuple[Finding, ...]:
    """Return the findings."""
    test = [one for one in standings if one.plan.split == TEST]
    return _missing(standings), _stability(standings, test), _claimed(test), _luck(standings)


def missed(one: Standing) -> tuple[Finding, ...]:
    """Return the hard targets that a world misses, by more than its own luck may explain."""
    return tuple(finding for finding in one.hard if clearance(finding) < -SURE)


def _missing(standings: Sequence[Standing]) -> Finding:
    checked = [one for one in standings if one.hard]
    wrong = {one.name: [finding.id for finding in missed(one)] for one in checked if missed(one)}
    total = len(checked[0].hard) if checked else 0
    note = f"{total} hard targets in {len(checked)} worlds, missed by more than {SURE:g} standard errors"
    if wrong:
        note += "; " + ", ".join(f"{name}: {' '.join(ids)}" for name, ids in wrong.items())
    return Finding(
        "worlds.hard_targets",
        "worlds that miss a hard target",
        float(len(wrong)) if checked else float("nan"),
        low=0.0,
        high=0.0,
        unit="worlds",
        hardness="hard",
        source=_SOURCE,
        note=note,
    )


def tau(a: Standing, b: Standing) -> float:
    """Return Kendall's tau between the values of the policies in two worlds."""
    return kendall(a.means, b.means)


def kendall(a: ArrayLike, b: ArrayLike) -> float:
    """Return Kendall's tau of two rows of values, each of shape (policies,)."""
    found: Any = stats.kendalltau(np.asarray(a), np.asarray(b))
    return float(found.statistic)


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Return Spearman's rho of two rows of values, each of shape (policies,)."""
    found: Any = stats.spearmanr(np.asarray(a), np.asarray(b))
    return float(found.statistic)


def _stability(standings: Sequence[Standing], test: Sequence[Standing]) -> Finding:
    shipped = next(one for one in standings if one.name == REFERENCE)
    taus = {one.name: tau(shipped, one) for one in test}
    value, error = over_seeds(list(taus.values())) if taus else (float("nan"), float("nan"))
    rho = [spearman(shipped.means, one.means) for one in test]
    listed = ", ".join(f"{name} {each:.2f}" for name, each in taus.items())
    return Finding(
        "worlds.rank_stability",
        f"Kendall's tau between the ranks of {len(shipped.plan.policies)} policies in the shipped and in a test world, mean",
        value,
        error,
        low=LEAST_TAU,
        high=1.0,
        unit="tau",
        source=_SOURCE + "; the edge is assumed",
        note=f"{listed}; Spearman's rho {np.mean(rho) if rho else float('nan'):.2f}",
    )


def _claimed(test: Sequence[Standing]) -> Finding:
    """Return the share of pairs whose order is the same in all test worlds."""
    value, note = float("nan"), "no test world"
    if test:
        shares, policies = pair_shares(test), test[0].plan.policies
        pairs = list(combinations(range(len(policies)), 2))
        open_pairs = [(a, b) for a, b in pairs if 0.0 < shares[a, b] < 1.0 or shares[a, b] == shares[b, a]]
        value = 100.0 * (1.0 - len(open_pairs) / len(pairs))
        listed = ", ".join(f"{policies[a]} and {policies[b]}" for a, b in open_pairs)
        note = f"left open: {listed}" if listed else "none left open"
    return Finding(
        "worlds.claimed_pairs",
        "pairs of policies in the same order in all test worlds, the structural variant among them",
        value,
        unit="% of pairs",
        hardness="context",
        source=_SOURCE,
        note=note,
    )


def _luck(standings: Sequence[Standing]) -> Finding:
    """Return how far ranks agree between seeds of the same world: what luck alone takes from the agreement."""
    taus = [
        kendall(*([one.inv[policy][seed] for policy in one.plan.policies] for seed in pair))
        for one in standings
        for pair in combinations(range(len(one.plan.seeds)), 2)
    ]
    value, error = over_seeds(taus) if taus else (float("nan"), float("nan"))
    return Finding(
        "worlds.rank_luck",
        "Kendall's tau between the ranks on two seeds of the same world, mean",
        value,
        error,
        unit="tau",
        hardness="context",
        note="other people and other luck, the same parameters: what agreement there can be at this size",
    )


def _summary(standings: Sequence[Standing], findings: Sequence[Finding]) -> str:
    value = {finding.id: finding.value for finding in findings}
    test = [one for one in standings if one.plan.split == TEST]
    checked = sum(bool(one.hard) for one in standings)
    leaders = dict.fromkeys(one.plan.policies[int(np.argmin(one.ranks))] for one in (standings[0], *test))
    return (
        f"{checked - value['worlds.hard_targets']:.0f} of {checked} worlds meet the hard targets. In {len(test)} test worlds "
        f"the policies rank as in the shipped one with a mean tau of {value['worlds.rank_stability']:.2f}; "
        f"{value['worlds.claimed_pairs']:.0f} % of pairs are in the same order in all of them. "
        f"First in a world: {', '.join(leaders)}."
    )
