"""Metrics over time: one array a series, one entry a day, decision days first and the run-out after them."""

import numpy as np

from cardarena.benchmarks.facts import Facts, RunFacts
from cardarena.benchmarks.metric_customer import histogram_mean, histogram_quantile
from cardarena.benchmarks.run_tables import (
    BINS_PER_UNIT,
    MFEN_PER_CNY,
    PPB,
    PPM,
    Floats,
    Ints,
    Run,
    counts,
    discount_ppm,
)
from cardarena.simulator.names import Status

#: What each series is, with its unit.
SERIES: dict[str, str] = {
    "inv_expected_cumulative": "expected incremental value to date, discounted, CNY per head alive on day 0",
    "inv_cumulative": "realised incremental value to date, discounted, CNY per head alive on day 0",
    "permitted_share": "reachable opt-ins / those on day 0",
    "fatigue_mean": "mean of load / tolerance over open accounts",
    "fatigue_p95": "95th percentile of load / tolerance over open accounts",
    "contacts_per_head": "delivered contacts (the caretaker's too) / open accounts, a day",
    "complaints_expected_cumulative": "expected marketing complaints to date per 1,000 heads alive on day 0",
    "alive_share": "open accounts / those on day 0",
    "wallet_share": "spend on our card / spend on all cards, a day",
}


def _divided(numerator: Ints, denominator: Ints | int) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(denominator) > 0, numerator / np.asarray(denominator, np.float64), np.nan)


def _cumulative_per_head(facts: Facts, gain_by_day: Ints) -> Floats:
    weights = discount_ppm(facts.policy.horizon, facts.discount)
    running, total = np.empty(facts.policy.horizon), 0
    for day, (weight, gain) in enumerate(zip(weights.tolist(), gain_by_day.tolist(), strict=True)):
        total += weight * gain  # Python integers: exact, so the last entry equals the metric
        running[day] = total / (PPM * MFEN_PER_CNY * facts.policy.n0)
    return running


def run_series(
    run: Run | RunFacts, silent_run: Run | RunFacts, economics_discount: float = 0.10
) -> dict[str, Floats]:
    """Return the series named in `SERIES`, each of shape (decision days + run-out days,).

    Args:
        run: the run under the policy, or its facts.
        silent_run: the silent arm of the same scenario and seed, or its facts.
        economics_discount: discount a year.

    Raises:
        ResultsError: the two runs do not have the same people and days.
    """
    facts = Facts(run, silent_run, economics_discount)
    mine = facts.policy
    contacts, fatigue, unit = mine.run.table("contacts"), mine.histogram("fatigue"), BINS_PER_UNIT["fatigue"]
    arrived = counts(contacts["day"][contacts["status"] == Status.DELIVERED], mine.horizon)
    complaints = np.cumsum(mine.state("expected_complaint_marketing_ppb"))
    return {
        "inv_expected_cumulative": _cumulative_per_head(facts, facts.expected_gain_by_day),
        "inv_cumulative": _cumulative_per_head(facts, facts.gain_by_day),
        "permitted_share": _divided(mine.permitted.sum(axis=1), mine.n_permitted_base),
        "fatigue_mean": histogram_mean(fatigue, unit),
        "fatigue_p95": histogram_quantile(fatigue, 0.95, unit),
        "contacts_per_head": _divided(arrived, mine.alive),
        "complaints_expected_cumulative": (complaints * (1000 / PPB / mine.n0)).astype(np.float64),
        "alive_share": (mine.alive / mine.n0).astype(np.float64),
        "wallet_share": _divided(mine.state("own_spend_fen"), mine.state("all_spend_fen")),
    }
