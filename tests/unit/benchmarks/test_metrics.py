"""Metrics on hand-made runs: a few people, a few days, every number chosen so that the answer is known."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from cardarena.benchmarks.facts import Facts, RunFacts
from cardarena.benchmarks.metric_customer import histogram_mean, histogram_quantile, net_promoter_score
from cardarena.benchmarks.metric_value import top_share, winsorised_mean
from cardarena.benchmarks.metrics import GROUPS, METRICS, get_metric, run_breakdown, run_metrics, run_series
from cardarena.benchmarks.run_tables import PPM, RunTables, discount_ppm, exact_sums
from cardarena.simulator.errors import ResultsError, UnknownNameError
from cardarena.simulator.names import CASE_STEPS, N_CHANNELS, RESPONSES, RULES, Rule, Status
from cardarena.simulator.population.schema import TRAITS

MEASURES = (
    "fatigue",
    "annoyance",
    "satisfaction",
    "trust",
    "wallet",
    "alive",
    "active_30d",
    "expected_value_mfen",
    "expected_complaint_marketing_ppb",
    "expected_complaint_service_ppb",
    "expected_complaint_collection_ppb",
    "expected_opt_out_ppb",
    "marketing_consented",
    "personalised",
    "permission_value_mfen",
    "own_spend_fen",
    "all_spend_fen",
    "permitted",
    "delivered",
)
COMMON = ("day", "cardholder", "bank", "ordinal", "minute")
DECIDED = ("decided_day", "decided_ordinal")
COLUMNS = {
    "decisions": (
        *COMMON,
        "offer",
        "channel",
        "depth",
        "propensity_ppm",
        "candidates",
        "open_channels",
        "rule",
        "passed",
    ),
    "contacts": (
        *(*COMMON, *DECIDED, "offer", "channel", "depth", "status", "rule", "value_mfen"),
        *("p_notice_ppb", "p_complaint_ppb", "p_opt_out_ppb", "noticed"),
    ),
    "transactions": (*COMMON, "context", "amount_fen", "value_mfen"),
    "visits": (*COMMON, "place"),
    "responses": (*COMMON, "action", "category", "offer", "channel", *DECIDED, "amount_fen", "value_mfen"),
    "complaints": (*COMMON, "complaint", "channel", *DECIDED, "value_mfen"),
    "cases": (
        *(*COMMON, "step", "filed_day", "filed_ordinal", "complaint", "is_simple", "due_day"),
        *("is_late", "is_escalated", "value_mfen"),
    ),
    "consents": (*COMMON, "change", "channel", *DECIDED, "value_mfen"),
    "state_daily": ("day", "measure", "bin", "count"),
}


def table(name: str, rows: list[dict[str, int]]) -> dict[str, np.ndarray]:
    """Return a table from rows that name only what matters; every other column is zero."""
    return {column: np.array([row.get(column, 0) for row in rows], np.int64) for column in COLUMNS[name]}


def state(measure: str, day: int, count: int, at: int = 0) -> dict[str, int]:
    return {"day": day, "measure": MEASURES.index(measure), "bin": at, "count": count}


def run(
    *,
    days: int,
    run_out: int,
    alive: list[bool],
    permitted: int = 0,
    traits: dict[str, list[int]] | None = None,
    **rows: Any,
) -> RunTables:
    """Return a run of hand-made rows; `permitted` opt-ins on channel 0 at the start."""
    who = np.zeros(len(alive), TRAITS)
    who["cardholder"] = np.arange(len(alive))
    for name, values in (traits or {}).items():
        who[name] = values
    initially = np.zeros(N_CHANNELS, np.int64)
    initially[0] = permitted
    tables = {name: table(name, rows.get(name, [])) for name in COLUMNS}
    return RunTables(tables, who, np.array(alive), days, run_out, initially, state_measures=MEASURES)


def random_run(seed: int, *, n: int = 60, days: int = 6, run_out: int = 4, rows: int = 400) -> RunTables:
    """Return a run of random rows that keep to the schema."""
    rng = np.random.default_rng(seed)
    horizon = days + run_out
    bounds = {
        "bank": 1,
        "ordinal": 250,
        "minute": 1440,
        "offer": 5,
        "channel": N_CHANNELS,
        "depth": 3,
        "status": 4,
        "rule": 3,
        "context": 5,
        "action": 5,
        "category": 8,
        "complaint": 3,
        "change": 8,
        "step": 4,
        "is_simple": 2,
        "is_late": 2,
        "passed": 2,
        "noticed": 2,
        "p_notice_ppb": 10**9,
        "p_complaint_ppb": 10**7,
        "p_opt_out_ppb": 10**7,
        "amount_fen": 10**5,
        "place": 2,
    }
    tables: dict[str, dict[str, np.ndarray]] = {}
    for name, columns in COLUMNS.items():
        if name == "state_daily":
            continue
        table = {column: rng.integers(0, bounds.get(column, 1), rows) for column in columns}
        table["cardholder"] = rng.integers(0, n, rows)
        table["day"] = rng.integers(0, days if name == "decisions" else horizon, rows)
        if "decided_day" in table:
            table["decided_day"] = table["day"] - rng.integers(0, 2, rows)
        if "status" in table:  # whatever is blocked was blocked by a rule
            table["rule"] = np.where(table["status"] == Status.BLOCKED, table["rule"] + 1, table["rule"])
        if "value_mfen" in table:
            table["value_mfen"] = rng.integers(-(10**7), 10**8, rows)
        tables[name] = table
    wide = {"permitted": N_CHANNELS, "delivered": N_CHANNELS}
    daily = [
        state(measure, day, int(rng.integers(1, 50)), at)
        for code, measure in enumerate(MEASURES)
        for day in range(horizon)
        for at in range(64 if code < 5 else wide.get(measure, 1))
    ]
    tables["state_daily"] = table_of(daily)
    who = np.zeros(n, TRAITS)
    for field, levels in (
        ("age_band", 3),
        ("gender", 2),
        ("city_tier", 4),
        ("income_band", 6),
        ("segment", 6),
    ):
        who[field] = rng.integers(0, levels, n)
    alive = np.arange(n) % 7 != 3
    return RunTables(tables, who, alive, days, run_out, np.full(N_CHANNELS, 30), state_measures=MEASURES)


def table_of(rows: list[dict[str, int]]) -> dict[str, np.ndarray]:
    return {column: np.array([row[column] for row in rows], np.int64) for column in rows[0]}


PURCHASED, ORGANIC = RESPONSES.index("purchased"), RESPONSES.index("organic_purchase")
CNY = 100_000


def twins() -> tuple[RunTables, RunTables]:
    """Four people, the last one closed before day 0; two decision days, two days of run-out; in CNY:

    policy: day 0: contact -2 and purchase +30 (person 0); day 1: transaction +5 (person 1);
            day 3 (run-out): organic purchase +7 (person 2), complaint -20 (person 0), and +1000 of the closed person 3;
            person 1 defaults: -40.
    silent: day 1: organic purchase +10 (person 0), which under the policy came earlier; day 3: +7 (person 2).
    """
    alive = [True, True, True, False]
    policy = run(
        days=2,
        run_out=2,
        alive=alive,
        contacts=[{"day": 0, "cardholder": 0, "value_mfen": -2 * CNY}],
        responses=[
            {"day": 0, "cardholder": 0, "action": PURCHASED, "value_mfen": 30 * CNY},
            {"day": 3, "cardholder": 2, "action": ORGANIC, "offer": -1, "value_mfen": 7 * CNY},
        ],
        transactions=[
            {"day": 1, "cardholder": 1, "value_mfen": 5 * CNY},
            {"day": 3, "cardholder": 3, "value_mfen": 1000 * CNY},
        ],
        complaints=[{"day": 3, "cardholder": 0, "value_mfen": -20 * CNY}],
        consents=[{"day": 3, "cardholder": 1, "change": 7, "value_mfen": -40 * CNY}],
        state_daily=[
            state("expected_value_mfen", day, value * CNY) for day, value in enumerate((20, 6, 1, -3))
        ],
    )
    silent = run(
        days=2,
        run_out=2,
        alive=alive,
        responses=[
            {"day": 1, "cardholder": 0, "action": ORGANIC, "offer": -1, "value_mfen": 10 * CNY},
            {"day": 3, "cardholder": 2, "action": ORGANIC, "offer": -1, "value_mfen": 7 * CNY},
        ],
        state_daily=[
            state("expected_value_mfen", day, value * CNY) for day, value in enumerate((4, 4, 4, 4))
        ],
    )
    return policy, silent


def test_inv_by_hand():
    got = run_metrics(*twins())
    b = [1.0, 1.1 ** (-1 / 365), 1.1 ** (-2 / 365), 1.1 ** (-3 / 365)]
    # Day 0: 30 - 2; day 1: 5 - 10; day 3: 7 - 20 - 40 - 7. Three people were there on day 0.
    assert got["inv"] == pytest.approx((28 * b[0] - 5 * b[1] - 60 * b[3]) / 3, abs=1e-5)
    assert got["inv_decision_days"] == pytest.approx((28 - 5 * b[1]) / 3, abs=1e-5)
    assert got["inv_run_out"] == pytest.approx(-60 * b[3] / 3, abs=1e-5)
    assert got["inv_expected"] == pytest.approx((16 + 2 * b[1] - 3 * b[2] - 7 * b[3]) / 3, abs=1e-5)
    assert got["inv_expected_run_out"] == pytest.approx((-3 * b[2] - 7 * b[3]) / 3, abs=1e-5)
    b15 = [1.15 ** (-d / 365) for d in range(4)]
    assert got["inv_discount_15"] == pytest.approx((28 - 5 * b15[1] - 60 * b15[3]) / 3, abs=1e-5)
    assert got["inv_discount_15"] != got["inv"] != got["inv_discount_05"]


def test_inv_is_the_exact_quotient_of_integers():
    w = [round(1e6 * 1.1 ** (-d / 365)) for d in range(4)]
    assert run_metrics(*twins())["inv"] == (28 * w[0] - 5 * w[1] - 60 * w[3]) * CNY / (PPM * CNY * 3)


@pytest.mark.parametrize(
    "wrong", ["no run-out", "head count", "no discount", "no organic", "days", "no default"]
)
def test_wrong_variants_of_inv_differ(wrong):
    policy, silent = twins()
    right = run_metrics(policy, silent)["inv"]
    w = 1.1 ** (-1 / 365), 1.1 ** (-3 / 365)
    other = {
        "no run-out": (28 - 5 * w[0]) / 3,
        "head count": (28 - 5 * w[0] - 60 * w[1]) / 4,
        "no discount": (28 - 5 - 60) / 3,
        "no default": (28 - 5 * w[0] - 20 * w[1]) / 3,
        "no organic": (28 + 5 * w[0] - 60 * w[1]) / 3,
        "days": (28 * w[0] - 5 * 1.1 ** (-2 / 365) - 60 * 1.1 ** (-4 / 365)) / 3,
    }[wrong]
    assert abs(right - other) > 1e-4


def test_organic_purchases_count_whole_in_both_worlds():
    policy, silent = twins()
    got = run_metrics(policy, silent)
    assert got["conversion_gross"] == 1.0
    # One purchase a world within the decision days: the contact moved it, and made none.
    assert got["conversion_incremental"] == 0.0


def test_a_policy_against_itself_is_worth_nothing():
    one = random_run(3)
    got = run_metrics(one, one)
    assert [got[name] for name in ("inv", "inv_expected", "inv_winsorised", "conversion_incremental")] == [
        0,
        0,
        0,
        0,
    ]
    assert math.isnan(got["roi"])


def test_persons_and_days_add_up_to_the_same_integer():
    facts = Facts(random_run(1), random_run(2))
    weights = discount_ppm(10, 0.10).tolist()
    assert int(facts.gain_by_person.sum()) == sum(
        w * v for w, v in zip(weights, facts.gain_by_day.tolist(), strict=True)
    )


def shuffled(one: RunTables, seed: int) -> RunTables:
    rng = np.random.default_rng(seed)
    tables = {}
    for name, columns in one.tables.items():
        order = rng.permutation(len(columns["day"]))
        tables[name] = {column: values[order] for column, values in columns.items()}
    return dataclasses.replace(one, tables=tables)


def resharded(one: RunTables, cut: int) -> RunTables:
    """Split every table by person, write the second shard first, and let each shard have its own part of the state."""
    tables = {}
    for name, columns in one.tables.items():
        if name == "state_daily":
            half = columns["count"] // 3
            parts = {column: np.concatenate([values, values]) for column, values in columns.items()}
            parts["count"] = np.concatenate([half, columns["count"] - half])
            tables[name] = parts
            continue
        first = columns["cardholder"] < cut
        tables[name] = {c: np.concatenate([values[~first], values[first]]) for c, values in columns.items()}
    return dataclasses.replace(one, tables=tables)


def same(a: dict[str, float], b: dict[str, float]) -> bool:
    return a.keys() == b.keys() and all(a[k] == b[k] or (math.isnan(a[k]) and math.isnan(b[k])) for k in a)


@pytest.mark.parametrize(
    "change", [lambda r: shuffled(r, 9), lambda r: resharded(r, 17)], ids=["shuffled", "sharded"]
)
def test_order_and_shards_change_nothing(change):
    one, silent = random_run(1), random_run(2)
    other, other_silent = change(one), change(silent)
    assert same(run_metrics(one, silent), run_metrics(other, other_silent))
    series, other_series = run_series(one, silent), run_series(other, other_silent)
    assert all(np.array_equal(series[k], other_series[k], equal_nan=True) for k in series)
    rows, other_rows = run_breakdown(one, silent), run_breakdown(other, other_silent)
    assert [row[:3] for row in rows] == [row[:3] for row in other_rows]
    assert np.array_equal([row.value for row in rows], [row.value for row in other_rows], equal_nan=True)


def test_another_run_has_other_metrics():
    silent = random_run(2)
    assert not same(run_metrics(random_run(1), silent), run_metrics(random_run(4), silent))


def test_series_end_where_the_metrics_are():
    one, silent = random_run(1), random_run(2)
    metrics, series = run_metrics(one, silent), run_series(one, silent)
    assert series["inv_expected_cumulative"][-1] == metrics["inv_expected"]
    assert series["inv_cumulative"][-1] == metrics["inv"]
    assert series["inv_cumulative"][5] == metrics["inv_decision_days"]
    assert {values.shape for values in series.values()} == {(10,)}


def test_breakdown_adds_up():
    one, silent = random_run(1), random_run(2)
    metrics = run_metrics(one, silent)
    value = {row[:3]: row.value for row in run_breakdown(one, silent)}
    for dimension in ("age", "gender", "city_tier", "income", "segment"):
        levels = {level for d, level, _ in value if d == dimension}
        assert sum(value[dimension, level, "contact_share"] for level in levels) == pytest.approx(1)
        heads = {level: value[dimension, level, "people_share"] for level in levels}
        assert sum(heads[level] * value[dimension, level, "inv"] for level in levels) == pytest.approx(
            metrics["inv"]
        )
    for dimension in ("channel", "offer"):
        levels = {level for d, level, _ in value if d == dimension}
        assert sum(value[dimension, level, "delivered"] for level in levels) == metrics["delivered"]
        cost = sum(value[dimension, level, "cost_cny"] for level in levels)
        assert cost == pytest.approx(metrics["marketing_cost"] * RunFacts.of(one).n0)
    assert sum(value["rule", rule, "blocked"] for rule in RULES[1:]) == metrics["blocked"]


def test_contacts_and_customers_by_hand():
    """Two people, three decision days of 30 open account-days / 30 = one holder-month in all, by a stretched count."""
    policy = run(
        days=3,
        run_out=1,
        alive=[True, True],
        permitted=4,
        traits={"gender": [0, 1]},
        decisions=[{"passed": 1}, {"passed": 1}, {"rule": Rule.CAP_DAY}, {"day": 2, "passed": 1}],
        contacts=[
            {"cardholder": 0, "noticed": 1, "value_mfen": -CNY},
            {"cardholder": 0, "value_mfen": -CNY},
            {
                "cardholder": 1,
                "day": 3,
                "decided_day": 2,
                "value_mfen": -CNY,
            },  # decided by the policy, arrives later
            {"cardholder": 1, "day": 3, "decided_day": 3, "value_mfen": -CNY},  # the caretaker's
            {"cardholder": 1, "decided_day": -1, "value_mfen": -CNY},  # from the burn-in
            {"cardholder": 1, "status": Status.BLOCKED, "rule": Rule.QUIET_HOURS},
            {"cardholder": 0, "status": Status.BLOCKED, "rule": Rule.CAP_DAY},  # that of the third decision
            {"cardholder": 1, "status": Status.FAILED},
        ],
        responses=[
            {"action": RESPONSES.index("clicked")},
            {
                "action": PURCHASED,
                "day": 2,
                "decided_ordinal": -1,
                "channel": -1,
                "value_mfen": 10 * CNY,
            },  # days later
            {"action": PURCHASED, "day": 3, "decided_ordinal": -1, "channel": -1},  # in the run-out
            {"action": ORGANIC, "offer": -1},
        ],
        complaints=[{"complaint": 0}, {"complaint": 1}, {"complaint": 1, "day": 3}],
        cases=[
            {"step": CASE_STEPS.index("opened")},
            {"step": CASE_STEPS.index("late"), "day": 1, "filed_day": -14},
            {"step": CASE_STEPS.index("late"), "day": 3},  # in the run-out
            {"step": CASE_STEPS.index("closed"), "day": 2, "filed_day": -14},
            {"step": CASE_STEPS.index("closed"), "day": 2, "filed_day": 1},
            {"step": CASE_STEPS.index("closed"), "day": 2, "filed_day": 2},
            {"step": CASE_STEPS.index("closed"), "day": 3, "filed_day": -20},
        ],
        consents=[{"change": 0}, {"change": 0, "day": 3}, {"change": 1}, {"change": 6, "day": 2}],
        transactions=[{"day": 1, "value_mfen": 30 * CNY}],
        state_daily=[
            *(state("alive", day, n) for day, n in enumerate((10, 10, 10, 5))),
            *(
                state("expected_complaint_marketing_ppb", day, n)
                for day, n in enumerate((2_000_000, 1_000_000, 0, 9))
            ),
            *(state("active_30d", day, n) for day, n in enumerate((10, 10, 4, 5))),
            *(state("personalised", day, n) for day, n in enumerate((10, 10, 7, 5))),
            *(state("permitted", day, n, at) for day, n, at in ((2, 2, 0), (2, 1, 3), (3, 9, 0))),
            *(state("permission_value_mfen", day, n * CNY) for day, n in enumerate((9, 9, 6, 1))),
            *(state("own_spend_fen", day, 25) for day in range(4)),
            *(state("all_spend_fen", day, 100) for day in range(3)),
            state("fatigue", 0, 90, 3),
            state("fatigue", 1, 10, 16),
            state("fatigue", 3, 1000, 60),
        ],
    )
    silent = run(days=3, run_out=1, alive=[True, True])
    got = run_metrics(policy, silent)
    expected = {
        "intended": 4,
        "accepted": 3,
        "delivered": 3,
        "noticed": 1,
        "clicked": 1,
        "purchased": 1,
        "contacts_per_head_month": 3,
        "conversion_gross": 1 / 3,
        "conversion_incremental": 2 / 3,
        "click_rate": 1 / 3,
        "marketing_complaints": 1000,
        "service_complaints": 1000,
        "collection_complaints": 0,
        "marketing_complaints_expected": 3,
        "late_complaints": 1000,
        "median_days_to_close": 1,
        "opt_outs": 1000,
        "opt_out_share": 1 / 4,
        "permissions_kept": 3 / 4,
        "attrition": 1 / 2,
        "attrition_annual": 1 - 0.5 ** (365 / 3),
        "activity": 0.4,
        "wallet_share": 0.25,
        "personalisation_off_share": 0.3,
        "permission_asset": 1.5,
        "permission_asset_value": 3,
        "marketing_cost": 1.5,
        "marketing_cost_ratio": 3 / 40,
        "blocked": 2,
        "blocked_cap_day": 1,
        "blocked_quiet_hours": 1,
        "breaches": 0,
        "beyond_tolerance_share": 0.1,
        "contact_parity_gender": 0.5,
        "fatigue_mean": (90 * 3.5 + 10 * 16.5) / 100 / 16,
        "fatigue_p95": 16.5 / 16,
    }
    assert {name: got[name] for name in expected} == pytest.approx(expected)


def test_a_purchase_goes_to_the_last_channel_that_brought_its_offer():
    policy = run(
        days=5,
        run_out=1,
        alive=[True, True],
        contacts=[
            {"cardholder": 0, "day": 0, "offer": 4, "channel": 1},
            {"cardholder": 0, "day": 1, "minute": 600, "decided_day": 1, "offer": 4, "channel": 3},
            {
                "cardholder": 0,
                "day": 1,
                "minute": 601,
                "decided_day": 1,
                "offer": 5,
                "channel": 2,
            },  # another offer
            {"cardholder": 0, "day": 3, "decided_day": 3, "offer": 4, "channel": 6},  # after the purchase
            {"cardholder": 1, "day": 1, "decided_day": 1, "offer": 4, "channel": 7},  # another person
            {"cardholder": 0, "day": 2, "decided_day": 1, "offer": 4, "channel": 8, "status": Status.FAILED},
        ],
        responses=[
            {
                "cardholder": 0,
                "day": 1,
                "minute": 600,
                "action": PURCHASED,
                "offer": 4,
                "value_mfen": 2 * CNY,
            },
            {
                "cardholder": 0,
                "day": 2,
                "action": PURCHASED,
                "offer": 4,
                "channel": -1,
                "value_mfen": 7 * CNY,
            },
            {"cardholder": 1, "day": 2, "action": PURCHASED, "offer": -1, "channel": -1, "value_mfen": CNY},
            {"cardholder": 1, "day": 0, "action": PURCHASED, "offer": 4, "channel": -1, "value_mfen": CNY},
        ],
        state_daily=[state("alive", 0, 2)],
    )
    value = {row[:3]: row.value for row in run_breakdown(policy, policy)}
    redeemed = {level: v for (_, level, measure), v in value.items() if measure == "redeemed_value_cny" and v}
    assert redeemed == {"sms": 9, "4": 10}
    assert value["channel", "sms", "purchase_rate"] == 2


def test_a_breach_is_counted_once_wherever_it_was_seen():
    policy = run(
        days=2,
        run_out=0,
        alive=[True],
        decisions=[
            {"ordinal": 1, "rule": Rule.CAP_DAY, "passed": 1},  # delivered, seen again at delivery
            {"ordinal": 2, "rule": Rule.CAP_WEEK, "passed": 1},  # delivered, seen at the decision only
            {"ordinal": 3, "rule": Rule.CONSENT, "passed": 1},  # let through, then failed: nobody was reached
            {"ordinal": 4, "passed": 1},  # became a breach only at delivery
        ],
        contacts=[
            {"decided_ordinal": 1, "rule": Rule.CAP_DAY},
            {"decided_ordinal": 2},
            {"decided_ordinal": 3, "status": Status.FAILED},
            {"decided_ordinal": 4, "rule": Rule.QUIET_HOURS},
            {"decided_ordinal": 5},
        ],
    )
    got = run_metrics(policy, policy)
    assert got["breaches"] == 3
    broken = {rule for rule in RULES[1:] if got[f"breaches_{rule}"]}
    assert broken == {"cap_day", "cap_week", "quiet_hours"}
    assert got["blocked"] == 0


def test_roi_is_value_before_contact_cost_over_contact_cost():
    expected = [state("expected_value_mfen", 0, 3 * CNY)]
    policy = run(days=1, run_out=0, alive=[True], contacts=[{"value_mfen": -2 * CNY}], state_daily=expected)
    silent = run(days=1, run_out=0, alive=[True])
    assert run_metrics(policy, silent)["roi"] == pytest.approx((3 + 2) / 2)


def test_winsorised_mean_and_top_share():
    gain = np.arange(1, 201)  # 1 % of 200 is two people a side
    skewed = gain**2
    assert winsorised_mean(skewed) == (sum(v * v for v in range(3, 199)) + 2 * 3**2 + 2 * 198**2) / 200
    assert winsorised_mean(np.array([-(2**62), 2**62, 2**62, 2**62])) == 2**61
    assert top_share(gain) == (200 + 199) / sum(range(1, 201))
    assert math.isnan(top_share(-gain))


def test_histograms_against_closed_forms():
    uniform = np.full(64, 10)
    assert histogram_mean(uniform, 64) == 0.5
    assert histogram_quantile(uniform, 0.95, 64) == pytest.approx(0.95)
    assert math.isnan(histogram_mean(uniform * 0, 64))
    assert math.isnan(histogram_quantile(uniform * 0, 0.5, 64))
    # The middle of bin k is (k + 0.5) / 64; 11 times that reaches 9 at bin 52 and 7 at bin 41.
    each = {k: net_promoter_score(np.bincount([k], minlength=64)) for k in (0, 40, 41, 51, 52, 63)}
    assert each == {0: -100, 40: -100, 41: 0, 51: 0, 52: 100, 63: 100}
    assert net_promoter_score(np.bincount([0, 63], minlength=64)) == 0


def test_sums_are_exact_beyond_what_a_float_holds():
    values = np.array([2**60, 1, -(2**60), 2**53 + 1], np.int64)
    assert exact_sums(np.array([0, 0, 0, 1]), values, 2).tolist() == [1, 2**53 + 1]
    with pytest.raises(ResultsError, match="64 bits"):
        exact_sums(np.zeros(4, int), np.full(4, 2**62), 1)


def test_runs_that_are_no_twins_are_refused():
    one, silent = random_run(1), random_run(2)
    with pytest.raises(ResultsError, match="days 6"):
        run_metrics(one, dataclasses.replace(silent, days=5, run_out_days=5))
    with pytest.raises(ResultsError, match="open on day 0"):
        run_metrics(one, dataclasses.replace(silent, alive_at_start=~silent.alive_at_start))
    late = {**one.tables, "complaints": table("complaints", [{"day": 10}])}
    with pytest.raises(ResultsError, match="complaints: expected days 0 to 9"):
        run_metrics(dataclasses.replace(one, tables=late), silent)


def test_the_registry_says_all_there_is_to_say():
    for metric in METRICS.values():
        assert metric.group in GROUPS
        assert metric.direction in ("higher", "lower", "neither")
        assert all((metric.title, metric.formula, metric.unit, metric.estimand))
    assert len({metric.title for metric in METRICS.values()}) == len(METRICS)
    assert METRICS["inv_over_status_quo"].compute is None
    with pytest.raises(UnknownNameError, match="did you mean 'opt_out_share'"):
        get_metric("optout_share")


def test_metrics_leave_the_log_alone():
    one = random_run(1)
    before = {name: {c: v.copy() for c, v in columns.items()} for name, columns in one.tables.items()}
    run_metrics(one, random_run(2))
    assert all(np.array_equal(before[t][c], one.tables[t][c]) for t in before for c in before[t])
