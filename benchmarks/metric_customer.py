"""Metrics of the customer: complaints, refusals, fatigue, satisfaction, activity, attrition, fairness of groups."""

from typing import Final

import numpy as np

from cardarena.benchmarks.facts import Facts, RunFacts
from cardarena.benchmarks.metric_registry import TOTAL_EFFECT, register
from cardarena.benchmarks.run_tables import (
    BINS_PER_UNIT,
    DAYS_PER_YEAR,
    MFEN_PER_CNY,
    N_BINS,
    PPB,
    PPM,
    Bools,
    Floats,
    Ints,
    counts,
    exact_sums,
    ratio,
)
from cardarena.simulator.names import (
    AGE_BANDS,
    CASE_STEPS,
    CITY_TIERS,
    COMPLAINT_KINDS,
    GENDERS,
    INCOME_BANDS,
    SEGMENTS,
)

_PER_1000 = "per 1,000 holders/month"

#: Dimensions by which groups of people are compared: field of TRAITS and names of its levels.
GROUP_DIMENSIONS: Final = {
    "age": ("age_band", AGE_BANDS),
    "gender": ("gender", GENDERS),
    "city_tier": ("city_tier", CITY_TIERS),
    "income": ("income_band", INCOME_BANDS),
    "segment": ("segment", SEGMENTS),
}


def histogram_mean(histogram: Ints, bins_per_unit: int) -> Floats:
    """Return the mean of a histogram by bin midpoints; NaN where it is empty.

    Args:
        histogram: shape (..., bins), counts.
        bins_per_unit: bins that make up one unit of the value.
    """
    middle = (np.arange(histogram.shape[-1]) * 2 + 1).astype(np.int64)  # twice the midpoint, in bins: exact
    n = histogram.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return (histogram @ middle) / np.where(n > 0, n, np.nan) / (2 * bins_per_unit)


def histogram_quantile(histogram: Ints, q: float, bins_per_unit: int) -> Floats:
    """Return a quantile of a histogram, linear within the bin; NaN where it is empty.

    Args:
        histogram: shape (..., bins), counts.
        q: quantile in (0, 1].
        bins_per_unit: bins that make up one unit of the value.

    Example:
        >>> float(histogram_quantile(np.array([0, 80, 20, 0]), 0.9, 1))
        2.5
    """
    running = np.cumsum(histogram, axis=-1)
    total = running[..., -1]
    target = q * total
    at = np.minimum((running < target[..., None]).sum(axis=-1), histogram.shape[-1] - 1)
    inside = np.take_along_axis(histogram, at[..., None], -1)[..., 0]
    before = np.take_along_axis(running, at[..., None], -1)[..., 0] - inside
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, (at + (target - before) / np.maximum(inside, 1)) / bins_per_unit, np.nan)


def net_promoter_score(satisfaction: Ints) -> float:
    """Return the NPS in points of a satisfaction histogram: score floor(11 S); promoters 9-10, detractors 0-6.

    Args:
        satisfaction: shape (64,), counts; S is taken at the middle of its bin.

    Example:
        >>> net_promoter_score(np.bincount([63, 63, 45, 3], minlength=64))
        25.0
    """
    score = 11 * (2 * np.arange(N_BINS) + 1) // (2 * N_BINS)
    promoters, detractors = int(satisfaction[score >= 9].sum()), int(satisfaction[score <= 6].sum())
    return ratio(100 * (promoters - detractors), int(satisfaction.sum()))


def _pooled(facts: RunFacts, measure: str) -> Ints:
    return facts.histogram(measure)[: facts.days].sum(axis=0)


def _pooled_mean(measure: str, facts: Facts) -> float:
    return float(histogram_mean(_pooled(facts.policy, measure), BINS_PER_UNIT[measure]))


def _fatigue_p95(facts: Facts) -> float:
    return float(histogram_quantile(_pooled(facts.policy, "fatigue"), 0.95, BINS_PER_UNIT["fatigue"]))


def _beyond_tolerance(facts: Facts) -> float:
    fatigue = _pooled(facts.policy, "fatigue")
    return ratio(int(fatigue[BINS_PER_UNIT["fatigue"] :].sum()), int(fatigue.sum()))


def _complaints(kind: int, facts: Facts) -> float:
    rows = facts.policy.in_decision_days("complaints") & (
        facts.policy.run.table("complaints")["complaint"] == kind
    )
    return ratio(1000 * int(rows.sum()), facts.policy.holder_months)


def _case_steps(step: str, facts: Facts) -> Bools:
    cases = facts.policy.run.table("cases")
    return facts.policy.in_decision_days("cases") & (cases["step"] == CASE_STEPS.index(step))


def _late_complaints(facts: Facts) -> float:
    return ratio(1000 * int(_case_steps("late", facts).sum()), facts.policy.holder_months)


def _days_to_close(facts: Facts) -> float:
    cases, closed = facts.policy.run.table("cases"), _case_steps("closed", facts)
    days = cases["day"][closed] - cases["filed_day"][closed]
    return float(np.median(days)) if days.size else float("nan")


def _expected(measure: str, facts: Facts) -> float:
    total = int(facts.policy.state(measure)[: facts.policy.days].sum())
    return ratio(1000 * total / PPB, facts.policy.holder_months)


def _changes(change: str, facts: Facts) -> float:
    return ratio(1000 * int(facts.policy.changes(change).sum()), facts.policy.holder_months)


def attrition(facts: Facts) -> float:
    """Return the share of accounts open on day 0 that closed within the decision days."""
    mine = facts.policy
    closures = mine.changes("closed_voluntary") | mine.changes("closed_default")
    closed = np.zeros(mine.n_people, np.bool_)
    closed[mine.run.table("consents")["cardholder"][closures]] = True
    return int((closed & mine.alive_at_start).sum()) / mine.n0


def _share_at_end(measure: str, facts: Facts) -> float:
    last = facts.policy.days - 1
    return ratio(int(facts.policy.state(measure)[last]), int(facts.policy.alive[last]))


def _wallet_share(facts: Facts) -> float:
    days = slice(0, facts.policy.days)
    own, everywhere = facts.policy.state("own_spend_fen"), facts.policy.state("all_spend_fen")
    return ratio(int(own[days].sum()), int(everywhere[days].sum()))


def group_levels(facts: RunFacts, dimension: str) -> tuple[Ints, tuple[str, ...]]:
    """Return each person's level of a dimension, shape (people,), and the names of the levels."""
    field, names = GROUP_DIMENSIONS[dimension]
    return np.asarray(facts.run.traits[field]).astype(np.int64), names


def heads_by_group(facts: RunFacts, dimension: str) -> Ints:
    """Return the people alive on day 0 in each group, shape (levels,)."""
    level, names = group_levels(facts, dimension)
    return counts(level[facts.alive_at_start], len(names))


def contacts_by_group(facts: RunFacts, dimension: str) -> Ints:
    """Return the delivered own contacts of each group, shape (levels,)."""
    level, names = group_levels(facts, dimension)
    return counts(level[facts.run.table("contacts")["cardholder"][facts.delivered]], len(names))


def gain_by_group(facts: Facts, dimension: str) -> Floats:
    """Return the realised discounted incremental value of each group, CNY, shape (levels,)."""
    level, names = group_levels(facts.policy, dimension)
    gain = exact_sums(level[facts.policy.alive_at_start], facts.gain_by_person, len(names))
    return gain / (PPM * MFEN_PER_CNY)


def _contact_parity(dimension: str, facts: Facts) -> float:
    heads = heads_by_group(facts.policy, dimension)
    rate = contacts_by_group(facts.policy, dimension)[heads > 0] / heads[heads > 0]
    return ratio(rate.min(), rate.max())


def _value_gap(dimension: str, facts: Facts) -> float:
    heads = heads_by_group(facts.policy, dimension)
    value = gain_by_group(facts, dimension)[heads > 0] / heads[heads > 0]
    return float(value.max() - value.min())


for _kind, _name in enumerate(COMPLAINT_KINDS):
    register(
        f"{_name}_complaints",
        f"{_name.capitalize()} complaints",
        f"complaints of kind {_name} counted on decision days x 1,000 / holder-months",
        _PER_1000,
        "lower",
        "customer",
        lambda f, kind=_kind: _complaints(kind, f),
        "Counted: at ten thousand people a rare count has little power; limits use the expectation.",
    )
    register(
        f"{_name}_complaints_expected",
        f"{_name.capitalize()} complaints, expected",
        f"sum of the conditional probabilities of a complaint of kind {_name} on decision days x 1,000 / holder-months",
        _PER_1000,
        "lower",
        "customer",
        lambda f, measure=f"expected_complaint_{_name}_ppb": _expected(measure, f),
        "Conditional expectation given the state; what limits use.",
    )
register(
    "late_complaints",
    "Late complaints",
    "complaints whose legal limit (15 days simple, 30 complex, 60 extended) passed on a decision day before the desk closed them "
    "x 1,000 / holder-months",
    _PER_1000,
    "lower",
    "customer",
    _late_complaints,
    "Counted; the desk has at least one handler, so that a small bank is seldom late.",
)
register(
    "median_days_to_close",
    "Days to close a complaint",
    "median of day closed - day filed over the complaints that the desk closed on decision days",
    "days",
    "lower",
    "customer",
    _days_to_close,
)
register(
    "opt_outs",
    "Unsubscribes",
    "channel opt-outs counted on decision days x 1,000 / holder-months",
    _PER_1000,
    "lower",
    "customer",
    lambda f: _changes("channel_opt_out", f),
)
register(
    "opt_outs_expected",
    "Unsubscribes, expected",
    "sum of the conditional probabilities of a channel opt-out on decision days x 1,000 / holder-months",
    _PER_1000,
    "lower",
    "customer",
    lambda f: _expected("expected_opt_out_ppb", f),
    "Conditional expectation given the state; what limits use.",
)
register(
    "opt_out_share",
    "Opt-out share of permissions",
    "channel opt-outs on decision days / reachable opt-ins on day 0 (the most ever held, where there were none); "
    "what was won back does not count against it",
    "share",
    "lower",
    "customer",
    lambda f: ratio(int(f.policy.changes("channel_opt_out").sum()), f.policy.n_permitted_base),
)
register(
    "permissions_kept",
    "Permissions kept",
    "reachable opt-ins at the close of the last decision day / reachable opt-ins on day 0 (net of won back and closed)",
    "share",
    "higher",
    "customer",
    lambda f: ratio(int(f.policy.permitted[f.policy.days - 1].sum()), f.policy.n_permitted_base),
)
register(
    "marketing_withdrawals",
    "Marketing consent withdrawn",
    "withdrawals of the consent to marketing on decision days x 1,000 / holder-months",
    _PER_1000,
    "lower",
    "customer",
    lambda f: _changes("marketing_withdrawn", f),
)
register(
    "personalisation_off_share",
    "Personalisation off",
    "1 - personalised / open accounts, at the close of the last decision day",
    "share",
    "lower",
    "customer",
    lambda f: 1.0 - _share_at_end("personalised", f),
)
register(
    "fatigue_mean",
    "Fatigue, mean",
    "mean of load / tolerance over open account-days of the decision days, by bin midpoints of 1/16, clipped at 4",
    "ratio",
    "lower",
    "customer",
    lambda f: _pooled_mean("fatigue", f),
)
register(
    "fatigue_p95",
    "Fatigue, 95th percentile",
    "95th percentile of load / tolerance over open account-days of the decision days, linear within bins of 1/16",
    "ratio",
    "lower",
    "customer",
    _fatigue_p95,
)
register(
    "beyond_tolerance_share",
    "Beyond tolerance",
    "share of open account-days of the decision days with load at or above the person's tolerance",
    "share",
    "lower",
    "customer",
    _beyond_tolerance,
)
for _name in ("annoyance", "satisfaction", "trust"):
    register(
        f"{_name}_mean",
        f"{_name.capitalize()}, mean",
        f"mean of {_name} over open account-days of the decision days, by bin midpoints",
        "index",
        "lower" if _name == "annoyance" else "higher",
        "customer",
        lambda f, measure=_name: _pooled_mean(measure, f),
        "Latent; for the harness only.",
    )
register(
    "nps",
    "Net promoter score",
    "100 x (share scoring 9-10 - share scoring 0-6) with score = floor(11 S), at the close of the last decision day",
    "points",
    "higher",
    "customer",
    lambda f: net_promoter_score(f.policy.histogram("satisfaction")[f.policy.days - 1]),
    "Latent satisfaction of all holders, not a survey's answers.",
)
register(
    "activity",
    "Active holders",
    "holders active within 30 days / open accounts, at the close of the last decision day",
    "share",
    "higher",
    "customer",
    lambda f: _share_at_end("active_30d", f),
)
register(
    "attrition",
    "Attrition",
    "accounts closed on decision days, voluntarily or by default / $N_0$",
    "share",
    "lower",
    "customer",
    attrition,
)
register(
    "attrition_annual",
    "Attrition, a year",
    r"$1 - (1 - a)^{365/T}$ with $a$ the attrition over the $T$ decision days",
    "share/year",
    "lower",
    "customer",
    lambda f: 1.0 - (1.0 - attrition(f)) ** (DAYS_PER_YEAR / f.policy.days),
)
register(
    "wallet_share",
    "Wallet share",
    "spend on our card / spend on all cards, decision days",
    "share",
    "higher",
    "customer",
    _wallet_share,
)
for _dimension in GROUP_DIMENSIONS:
    _words = _dimension.replace("_", " ")
    register(
        f"contact_parity_{_dimension}",
        f"Contact parity by {_words}",
        f"lowest / highest delivered own contacts per head over the groups of {_words}; 1 is equal, 0 leaves one out",
        "ratio",
        "neither",
        "fairness",
        lambda f, dimension=_dimension: _contact_parity(dimension, f),
    )
    register(
        f"value_gap_{_dimension}",
        f"Value gap by {_words}",
        f"highest - lowest inv per head over the groups of {_words} (no ratio: values have signs)",
        "CNY/head",
        "lower",
        "fairness",
        lambda f, dimension=_dimension: _value_gap(dimension, f),
        TOTAL_EFFECT,
    )
