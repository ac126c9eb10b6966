"""Identities: deterministic per id, syntactically right, and nobody's."""

import re

import numpy as np
import pytest

from cardarena.simulator.errors import CardArenaError, UnknownNameError
from cardarena.simulator.population.identities import (
    COLUMNS,
    PHONE_PREFIX,
    TEST_BIN,
    card_number,
    identities,
    luhn_digit,
)


def _passes_luhn(number):
    doubled = [int(d) * (2 if i % 2 else 1) for i, d in enumerate(reversed(number))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def test_the_same_whatever_slice_is_asked_for_and_in_any_order():
    whole = identities(7, range(40))
    part = identities(7, [31, 5, 18])
    expected = whole.iloc[[31, 5, 18]].reset_index(drop=True)
    assert part.equals(expected)


def test_another_seed_is_another_crowd():
    a, b = identities(7, range(20)), identities(8, range(20))
    assert (a["name"] != b["name"]).sum() > 15
    assert (a["card_number"] != b["card_number"]).all()


def test_card_numbers_pass_luhn_and_none_repeats():
    numbers = [card_number(3, i) for i in range(3000)]
    assert all(len(n) == 16 and n.startswith(TEST_BIN) and _passes_luhn(n) for n in numbers)
    assert len(set(numbers)) == 3000


def test_luhn_refuses_a_wrong_digit():
    number = card_number(3, 1)
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert not _passes_luhn(wrong)
    assert luhn_digit("411111111111111") == "1"  # a published test number


def test_columns_and_mail_domains():
    frame = identities(7, range(30))
    assert tuple(frame.columns) == COLUMNS
    assert frame["cardholder"].dtype == np.int64
    assert all(re.fullmatch(r".+@example\.(com|org|net)", mail) for mail in frame["email"].tolist())
    assert identities(7, []).empty


@pytest.mark.parametrize("locale", ["zh_CN", "en_US"])
def test_phones_are_nobodys(locale):
    phones = identities(7, range(60), locale)["phone"].tolist()
    assert all(re.fullmatch(rf"{PHONE_PREFIX}-\d{{4}}-\d{{4}}", phone) for phone in phones)
    assert PHONE_PREFIX.startswith("000")  # calls abroad, to a country that no plan of numbers has
    assert len(set(phones)) > 55


def test_locales():
    assert identities(7, [1], "en_US")["name"][0].isascii()
    with pytest.raises(UnknownNameError, match="zh_CN"):
        identities(7, [1], "zh_CH")


@pytest.mark.parametrize(("seed", "ids"), [(-1, [0]), (1, [-1]), (1, [10**9])])
def test_what_cannot_be_keyed_is_refused(seed, ids):
    with pytest.raises(CardArenaError, match="found"):
        identities(seed, ids)
