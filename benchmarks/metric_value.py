"""Metrics of value: incremental net value and its shades, the permission asset, marketing cost."""

import numpy as np

from cardarena.benchmarks.facts import Facts
from cardarena.benchmarks.metric_registry import DESCRIPTIVE, TOTAL_EFFECT, register
from cardarena.benchmarks.run_tables import MFEN_PER_CNY, PPM, exact_sums, ratio

_EXPECTED = "Total effect, conditional expectation of each day's value given the state; what rankings use."
_SUM = r"$\frac{1}{N_0}\sum_d b^d\,[M_d(\pi) - M_d(\mathrm{silent})]$"


def winsorised_mean(gain: np.ndarray, share: float = 0.01) -> float:
    """Return the mean with the k = floor(share n) lowest and highest values moved to the next within.

    Args:
        gain: shape (people,), integers.
        share: share of people moved on each side.

    Example:
        >>> winsorised_mean(np.array([-1000, 1, 2, 3, 500]), share=0.2)
        2.0
    """
    order = np.sort(gain)
    k = int(share * order.size)
    if k:
        order[:k], order[-k:] = order[k], order[-k - 1]
    # The sum in two halves of 32 bits stays exact where one sum of 64 bits might overflow.
    high, low = order >> 32, order & 0xFFFFFFFF
    return ((int(high.sum()) << 32) + int(low.sum())) / order.size


def top_share(gain: np.ndarray, share: float = 0.01) -> float:
    """Return the share of the total that the top ceil(share n) people make up; NaN where the total is not positive.

    Example:
        >>> top_share(np.array([6, 1, 1, 1, 1]), share=0.2)
        0.6
    """
    order = np.sort(gain)
    total = sum(order.tolist())
    top = sum(order[order.size - int(np.ceil(share * order.size)) :].tolist())
    return top / total if total > 0 else float("nan")


def contact_cost(facts: Facts) -> float:
    """Return what the policy's own contacts cost, fines included, CNY."""
    costs = facts.policy.run.table("contacts")["value_mfen"][facts.policy.own_contacts]
    return -int(exact_sums(np.zeros(costs.size, np.int64), costs, 1)[0]) / MFEN_PER_CNY


def margin_before_contacts(facts: Facts) -> float:
    """Return the margin of the decision days before contact costs, CNY."""
    by_table = facts.policy.value_by_table
    days = slice(0, facts.policy.days)
    return sum(int(v[days].sum()) for name, v in by_table.items() if name != "contacts") / MFEN_PER_CNY


def roi(facts: Facts) -> float:
    """Return incremental value before contact cost over incremental contact cost; NaN where nothing more was spent."""
    gain = facts.policy.value_by_table["contacts"] - facts.silent.value_by_table["contacts"]
    cost = -facts.per_head(gain)
    return ratio(facts.per_head(facts.expected_gain_by_day) + cost, cost) if cost > 0 else float("nan")


def _at_end(facts: Facts, measure: str) -> int:
    return int(facts.policy.state(measure)[facts.policy.days - 1])


register(
    "inv_expected",
    "INV, expected",
    _SUM + " with $M_d$ the day's conditional expectation of net margin, CNY; $b$ = 10 % a year",
    "CNY/head",
    "higher",
    "value",
    lambda f: f.per_head(f.expected_gain_by_day),
    _EXPECTED,
)
register(
    "inv",
    "INV, realised",
    _SUM
    + " with $M_d$ the ledger: contacts, transactions, responses, complaints, late cases, default losses of people alive "
    "on day 0; purchases count whole in both worlds",
    "CNY/head",
    "higher",
    "value",
    lambda f: f.per_head(f.gain_by_day),
    TOTAL_EFFECT,
)
for _percent in (5, 15):
    register(
        f"inv_expected_discount_{_percent:02d}",
        f"INV, expected, discount {_percent} %",
        f"inv_expected with a discount of {_percent} % a year",
        "CNY/head",
        "higher",
        "value",
        lambda f, rate=_percent / 100: f.per_head(f.expected_gain_by_day, rate),
        _EXPECTED,
    )
    register(
        f"inv_discount_{_percent:02d}",
        f"INV, realised, discount {_percent} %",
        f"inv with a discount of {_percent} % a year",
        "CNY/head",
        "higher",
        "value",
        lambda f, rate=_percent / 100: f.per_head(f.gain_by_day, rate),
        TOTAL_EFFECT,
    )
register(
    "inv_expected_decision_days",
    "INV, expected, decision days",
    "the part of inv_expected that falls on decision days",
    "CNY/head",
    "higher",
    "value",
    lambda f: f.per_head(f.expected_gain_by_day, last=f.policy.days),
    _EXPECTED,
)
register(
    "inv_expected_run_out",
    "INV, expected, run-out",
    "the part of inv_expected that falls on the run-out under the caretaker",
    "CNY/head",
    "higher",
    "value",
    lambda f: f.per_head(f.expected_gain_by_day, first=f.policy.days),
    _EXPECTED,
)
register(
    "inv_decision_days",
    "INV, realised, decision days",
    "the part of inv that falls on decision days",
    "CNY/head",
    "higher",
    "value",
    lambda f: f.per_head(f.gain_by_day, last=f.policy.days),
    TOTAL_EFFECT,
)
register(
    "inv_run_out",
    "INV, realised, run-out",
    "the part of inv that falls on the run-out under the caretaker",
    "CNY/head",
    "higher",
    "value",
    lambda f: f.per_head(f.gain_by_day, first=f.policy.days),
    TOTAL_EFFECT,
)
register(
    "inv_over_status_quo",
    "INV, expected, over status quo",
    "inv_expected of the policy minus inv_expected of status_quo, same scenario and seed",
    "CNY/head",
    "higher",
    "value",
    None,
    "Total effect of the policy against what banks do today; the silent arm cancels.",
)
register(
    "inv_winsorised",
    "INV, realised, winsorised",
    "mean of each person's inv with the lowest and highest 1 % moved to the next within",
    "CNY/head",
    "higher",
    "value",
    lambda f: winsorised_mean(f.gain_by_person) / (PPM * MFEN_PER_CNY),
    TOTAL_EFFECT,
)
register(
    "inv_top_1pct_share",
    "INV share of the top 1 % of people",
    "sum of inv over the 1 % of people with the highest / sum over all; undefined unless that is positive",
    "share",
    "neither",
    "value",
    lambda f: top_share(f.gain_by_person),
    TOTAL_EFFECT + " Realised luck makes the top: read it beside the winsorised mean.",
)
register(
    "permission_asset",
    "Permission asset",
    "reachable opt-ins over all channels at the close of the last decision day, divided by $N_0$",
    "opt-ins/head",
    "higher",
    "value",
    lambda f: int(f.policy.permitted[f.policy.days - 1].sum()) / f.policy.n0,
)
register(
    "permission_asset_value",
    "Permission asset, value",
    "value of the reachable opt-ins at the close of the last decision day, divided by $N_0$",
    "CNY/head",
    "higher",
    "value",
    lambda f: _at_end(f, "permission_value_mfen") / MFEN_PER_CNY / f.policy.n0,
)
register(
    "marketing_cost",
    "Marketing cost",
    "cost of the policy's own contacts, fines and blocked ones included, undiscounted, divided by $N_0$",
    "CNY/head",
    "lower",
    "value",
    lambda f: contact_cost(f) / f.policy.n0,
)
register(
    "marketing_cost_ratio",
    "Marketing-cost ratio",
    "cost of the policy's own contacts divided by the margin of the decision days before contact costs",
    "share",
    "lower",
    "value",
    lambda f: ratio(contact_cost(f), margin_before_contacts(f)),
)
register(
    "roi",
    "Return on contact cost",
    "(inv_expected + c) / c, c the discounted contact cost beyond that of the silent arm; undefined where c is not "
    "positive; 1 pays back the contacts exactly",
    "ratio",
    "higher",
    "value",
    roi,
    _EXPECTED + " " + DESCRIPTIVE,
)
