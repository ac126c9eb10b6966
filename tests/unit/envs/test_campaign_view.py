"""What the campaign's agent hears of its own contacts goes to the right place, and means are over the right people."""

from typing import Any

import numpy as np
import pytest
from tests.fakes.agents.fake_bank import make_brief

from cardarena.simulator.contracts import Feedback
from cardarena.simulator.envs.campaign_plan import CAMPAIGN_SEGMENTS
from cardarena.simulator.envs.campaign_view import CampaignView, nothing_told, take_in
from cardarena.simulator.market import Market
from cardarena.simulator.names import CHANNELS, RULES

VIEW = CampaignView(("app_push", "sms"))
#: Five cardholders: two of low value, one inactive, one closed, one of high value.
SEGMENT = np.array([2, 2, 0, -1, 4])
MARKET = Market(make_brief(n=5))


def columns(**given: Any) -> Any:
    table = {name: np.zeros(5, dtype=np.float32) for name in VIEW.features}
    table["is_open"][:] = 1, 1, 1, 0, 1
    table["recency_days"][:] = 0, 0, 90, 0, 0
    table["spend_112d_cny"][:] = 5, 5, 5, 5, 90_000
    return (
        table | {name: np.asarray(values, dtype=np.float32) for name, values in given.items()}
    ).__getitem__


def seen(told: np.ndarray, column: Any = None, **given: Any) -> dict[str, float]:
    facts = {
        "n_start": 4,
        "days_left": 0.5,
        "budget_mfen": -1,
        "budget_left_mfen": -1,
        "price_mfen": 0,
        **given,
    }
    row, segment = VIEW.look(column or columns(), told, **facts)
    assert segment.tolist() == SEGMENT.tolist()
    return dict(zip(VIEW.names, row.tolist(), strict=True))


def heard(**rows: Any) -> Feedback:
    n = len(rows["cardholder"])
    nothing = np.zeros(n, dtype=np.int64)
    of_contacts = {
        name: np.asarray(rows.get(name, nothing))
        for name in ("decided_day", "cardholder", "offer", "channel", "depth", "rule")
    }
    flags = {
        name: np.asarray(rows.get(name, nothing)) > 0
        for name in ("delivered", "clicked", "opted_out", "complained")
    }
    none = {f"purchase_{name}": nothing[:0] for name in ("cardholder", "day", "category", "offer")}
    columns: dict[str, Any] = of_contacts | flags | none
    return Feedback(**columns, purchase_value_fen=np.zeros(0))


def test_counts_go_to_the_segment_of_the_step_and_to_the_base() -> None:
    told = nothing_told()
    cap = RULES.index("cap_week")
    sms = CHANNELS.index("sms")
    take_in(
        told,
        heard(
            cardholder=[0, 1, 2, 3, 4], channel=[sms] * 5, delivered=[1, 1, 0, 1, 0], opted_out=[0, 1, 0, 1, 0],
            complained=[1, 0, 0, 0, 0], rule=[0, 0, cap, 0, RULES.index("budget")],
        ),
        SEGMENT, MARKET,
    )  # fmt: skip
    take_in(told, heard(cardholder=[4], channel=[sms], delivered=[1]), SEGMENT, MARKET)
    row = seen(told)
    # Two of low value were reached, one of them refused, one complained; per 1,000 of the two.
    assert row["low_value.last_delivered_per_1000"] == 1000.0
    assert row["low_value.last_unsubscribes_per_1000"] == 500.0
    assert row["low_value.last_complaints_per_1000"] == 500.0
    assert row["high_value.last_delivered_per_1000"] == 1000.0
    assert row["inactive.last_delivered_per_1000"] == 0.0
    # The closed account has no segment, and counts in the base of four.
    assert row["unsubscribes_per_1000"] == 500.0
    assert row["complaints_per_1000"] == 250.0
    assert row["over_cap_per_1000"] == 250.0
    assert row["blocked_per_1000"] == 500.0
    assert row["spent_cny_per_head"] == pytest.approx(4 * MARKET.budget_cny[sms] / 4)


def test_means_are_over_open_accounts_of_the_segment() -> None:
    row = seen(
        nothing_told(),
        columns(
            contacts_7d=[2, 4, 7, 100, 1], marketing_consent=[1, 0, 1, 1, 1], permitted_sms=[1, 1, 0, 1, 1]
        ),
    )
    assert row["low_value.contacts_7d"] == 3.0
    assert row["inactive.contacts_7d"] == 7.0
    assert row["low_value.permitted_sms"] == 0.5
    assert [row[f"{name}.share"] for name in CAMPAIGN_SEGMENTS] == [0.25, 0.0, 0.5, 0.0, 0.25]


def test_money_is_what_a_view_says() -> None:
    row = seen(nothing_told(), budget_mfen=800_000, budget_left_mfen=200_000, price_mfen=50_000)
    assert row["budget_left"] == 0.25
    assert row["budget_left_cny_per_head"] == 0.5
    assert row["contact_price_cny"] == 0.5
    assert row["has_budget"] == 1.0
    free = seen(nothing_told())
    assert (free["budget_left"], free["has_budget"], free["budget_left_cny_per_head"]) == (1.0, 0.0, 0.0)
