"""The shipped tables are complete, sourced and in the ranges that the calibration files give."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from cardarena.simulator.bank.catalogue import fen, load_channel_table, load_channels, load_offers, mfen, ppm
from cardarena.simulator.bank.desk_terms import load_desk_terms
from cardarena.simulator.bank.economics import legal_rules, load_economics, load_rules
from cardarena.simulator.bank.records import CHANNEL, OFFER
from cardarena.simulator.bank.sourced import NOT_PART, Number
from cardarena.simulator.errors import UnknownNameError
from cardarena.simulator.names import CATEGORIES, CHANNELS, COMPLAINT_KINDS, DIMENSIONS, RULES, SERVICES

# What a source must name: a publication, a row of the calibration files, a law, a convention, or the honest word.
SOURCE = re.compile(
    r"assumed|survey|seed|target [A-G]\d|PBoC|Batch|Burst|GDMA|Mailchimp|Klaviyo|UCI|CIRC|circular|Law|Provisions"
    r"|external_magnitudes|yunthe|yunzhuji|guideline|发改价格|convention|as the 12-month|suitability duty"
    r"|SMS unsubscribe|disable hazard|Complaint Measures|FCA"
)


def numbers(value: Any) -> Iterator[Number]:
    """Every sourced number below a model."""
    if isinstance(value, Number):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from numbers(getattr(value, name))


def test_offers_cover_services_dimensions_categories_and_both_kinds_of_reach() -> None:
    catalogue = load_offers()
    records = catalogue.records
    assert len(catalogue) >= 20
    assert records.dtype == OFFER
    assert set(records["service"]) == set(range(len(SERVICES)))
    assert set(records["dimension"]) == set(range(len(DIMENSIONS)))
    assert set(records["category"]) == set(range(len(CATEGORIES)))
    assert set(records["is_public"]) == {0, 1}
    assert len(catalogue.titles) == len(catalogue.descriptions) == len(set(catalogue.names)) == len(records)
    assert list(records["offer"]) == list(range(len(records)))


def test_every_number_has_a_source() -> None:
    tables = [
        *load_offers().offers,
        *load_channel_table().values(),
        *load_economics().entries.values(),
        *load_desk_terms().entries.values(),
    ]
    found = [number for table in tables for number in numbers(table) if number is not NOT_PART]
    assert len(found) > 300
    assert [number for number in found if not SOURCE.search(number.source)] == []
    hours = [channel.quiet_hours.source for channel in load_channel_table().values()]
    suitability = [offer.eligibility.source for offer in load_offers().offers]
    assert all(SOURCE.search(source) for source in (*hours, *suitability))


def test_offers_keep_the_magnitudes_of_the_calibration_files() -> None:
    catalogue = load_offers()
    records = catalogue.records
    instalments = records[records["category"] == CATEGORIES.index("instalment")]
    assert np.all((instalments["amount_fen"] >= 300_000) & (instalments["amount_fen"] <= 1_500_000))
    # Net of funding and displaced interest, a fee of 0.6-1.0 % a month over at most 12 months stays below 12 %.
    assert np.all((instalments["margin_ppm"] > 0) & (instalments["margin_ppm"] < 120_000))
    assert np.all(instalments["margin_ppm"] > instalments["credit_loss_ppm"])
    # A spend coupon seldom pays by interchange: the bank's part of it exceeds what the purchase earns.
    coupon = records[catalogue.code("grocery_coupon")]
    bank_part = coupon["incentive_fen"] * (1_000_000 - coupon["merchant_share_ppm"]) // 1_000_000
    assert coupon["amount_fen"] * load_economics().interchange_ppm // 1_000_000 < bank_part
    assert records["needs_explanation"][catalogue.code("limit_increase")] == 1
    care = records[catalogue.code("birthday_greeting")]
    assert (care["incentive_fen"], care["margin_fen"], care["margin_ppm"]) == (0, 0, 0)
    assert care["satisfaction_gain"] > 0


def test_selection_of_offers_renumbers_in_catalogue_order() -> None:
    catalogue = load_offers()
    chosen = catalogue.only(["theme_card", "grocery_coupon"])
    assert chosen.names == ("grocery_coupon", "theme_card")
    assert list(chosen.records["offer"]) == [0, 1]
    assert chosen.records["margin_fen"][1] == catalogue.records["margin_fen"][catalogue.code("theme_card")]
    with pytest.raises(UnknownNameError, match="did you mean 'theme_card'"):
        catalogue.code("teme_card")


def test_channels_meet_their_targets() -> None:
    channels = load_channels()
    assert channels.dtype == CHANNEL
    assert list(channels["channel"]) == list(range(len(CHANNELS)))
    row = {name: channels[code] for code, name in enumerate(CHANNELS)}
    # The table holds rates without need, load or an own event; what the targets band comes out of it, see `cardarena validate`.
    assert 0.02 <= row["app_push"]["p_notice"] <= 0.042  # C4, generic
    assert 0.005 <= row["sms"]["p_notice"] * row["sms"]["p_click"] <= 0.05  # C6
    assert 0.20 <= row["email"]["p_notice"] <= 0.36  # C8
    assert 0.18 <= row["human_call"]["p_notice"] <= 0.45  # C10
    assert row["sms"]["p_fail"] == pytest.approx(0.05)
    # Annoyance only adds to what is refused and complained of at rest.
    assert row["sms"]["p_opt_out"] < 0.005  # C7
    assert row["email"]["p_opt_out"] < 0.0015  # C9
    assert row["email"]["p_complaint"] < 1e-4  # C9
    assert row["sms"]["cost_mfen"] == 4_000
    # 8-12 CNY per reached customer by a human, 1.5-3 by a machine: dialling until somebody answers, and the talk.
    for name, low, high in (("human_call", 8.0, 12.0), ("ai_call", 1.5, 3.0)):
        reached = row[name]["cost_mfen"] / (row[name]["p_notice"] * (1 - row[name]["p_fail"]))
        assert low <= (reached + row[name]["success_cost_mfen"]) / 100_000 <= high


def test_quiet_hours_are_strict_for_calls_and_night_for_messages() -> None:
    channels = load_channels()
    for name in ("human_call", "ai_call"):
        row = channels[CHANNELS.index(name)]
        assert (row["quiet_from_minute"], row["quiet_to_minute"], row["is_voice"]) == (21 * 60, 9 * 60, 1)
    for name in ("app_push", "sms"):
        row = channels[CHANNELS.index(name)]
        assert (row["quiet_from_minute"], row["quiet_to_minute"], row["is_voice"]) == (22 * 60, 8 * 60, 0)
    waits = channels["at_visit"] > 0
    assert np.array_equal(waits, channels["expires_days"] > 0)
    assert [
        name for name, needs in zip(CHANNELS, channels["needs_partner_consent"], strict=True) if needs
    ] == ["third_party"]


def test_economics_in_the_kernels_units() -> None:
    economics = load_economics()
    assert economics.interchange_ppm == 4_500
    assert economics.rewards_ppm + economics.network_fee_ppm < economics.interchange_ppm
    assert economics.run_out_days == 180
    assert economics.discount_per_day**365 == pytest.approx(1 / 1.1, rel=1e-12)
    assert len(economics.complaint_mfen) == len(COMPLAINT_KINDS)
    # Both levels: 100 CNY, and 3,000 CNY for one in thirty.
    assert economics.expected_complaint_mfen[0] == pytest.approx(mfen(200), rel=1e-4)
    for field in economics.record.dtype.names or ():
        assert np.array_equal(economics.record[field][0], getattr(economics, field))
    with pytest.raises(ValueError, match="read-only"):
        economics.record["run_out_days"] = 1


def test_rules_have_a_law_where_they_are_law() -> None:
    rules = load_rules()
    assert tuple(rules) == RULES
    for name, rule in rules.items():
        assert rule.legal == (name in legal_rules())
        assert (rule.law != "-" and rule.statutory_fine_cny > 0) == rule.legal
        assert (re.search("[一-龥]{4}", rule.law_zh) is not None) == rule.legal
    # 0.2 % of CNY 10,000.
    assert load_economics().fine_mfen[RULES.index("consent")] == mfen(20)
    assert load_economics().fine_mfen[RULES.index("closed")] == 0


def test_tables_are_read_only() -> None:
    for table in (load_offers().records, load_channels()):
        with pytest.raises(ValueError, match="read-only"):
            table[:] = table


@pytest.mark.parametrize(
    ("cny", "expected"), [(0.145, 15), (0.144, 14), (1.005, 101), (-0.015, -1), (0.0, 0)]
)
def test_half_a_fen_is_rounded_up(cny: float, expected: int) -> None:
    assert fen(cny) == expected


def test_units() -> None:
    assert (fen(1), mfen(1), ppm(1)) == (100, 100_000, 1_000_000)
