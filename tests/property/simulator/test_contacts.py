"""Contacts from a policy: whatever is wrong is refused by row and column, whatever is right is accepted."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.simple_policies import Calling
from tests.fakes.small_worlds import small_world

from cardarena.simulator.contracts import Contacts
from cardarena.simulator.errors import PolicyError

LIMITS = {"n_cardholders": 50, "n_offers": 29, "n_channels": 10, "minute": 600}
TOP = {"cardholder": 49, "offer": 28, "channel": 9, "depth": 2, "minute": 1439}
BOTTOM = {"cardholder": 0, "offer": 0, "channel": 0, "depth": 0, "minute": 600}


def _check(contacts: Contacts) -> Contacts:
    return contacts.checked(policy="probe", **LIMITS)


@st.composite
def valid_contacts(draw: Any) -> Contacts:
    n = draw(st.integers(0, 12))

    def column(name: str) -> np.ndarray:
        values = draw(st.lists(st.integers(BOTTOM[name], TOP[name]), min_size=n, max_size=n))
        dtypes = ["i8", "i4", "f8", "u2"] if TOP[name] > 255 else ["i8", "i2", "f4", "u1"]
        return np.array(values, dtype=draw(st.sampled_from(dtypes)))

    real = st.floats(-1e300, 1e300) | st.sampled_from([float("inf"), float("-inf")])
    share = st.floats(0.0, 1.0, exclude_min=True)
    optional = lambda strategy: draw(  # noqa: E731
        st.none() | st.lists(strategy, min_size=n, max_size=n).map(lambda v: np.array(v, dtype=float))
    )
    return Contacts(
        **{name: column(name) for name in TOP}, priority=optional(real), propensity=optional(share)
    )


@given(valid_contacts())
def test_any_valid_contacts_are_accepted_unchanged(contacts: Contacts) -> None:
    checked = _check(contacts)
    for name in TOP:
        np.testing.assert_array_equal(getattr(checked, name), getattr(contacts, name))
        assert getattr(checked, name).dtype == np.int64
    assert checked.priority is not None
    assert checked.propensity is not None
    assert checked.priority.shape == checked.propensity.shape == (len(contacts),)


@given(
    name=st.sampled_from(list(TOP)),
    n=st.integers(1, 8),
    row=st.integers(0, 7),
    wrong=st.sampled_from(["below", "above", "nan", "half", "inf"]),
)
def test_a_wrong_value_is_named_by_row_and_column(name: str, n: int, row: int, wrong: str) -> None:
    row %= n
    columns = {column: np.full(n, BOTTOM[column], dtype=float) for column in TOP}
    columns[name][row] = {
        "below": BOTTOM[name] - 1,
        "above": TOP[name] + 1,
        "nan": np.nan,
        "half": BOTTOM[name] + 0.5,
        "inf": np.inf,
    }[wrong]
    with pytest.raises(PolicyError, match=re.escape(f"'probe': contacts row {row}, column {name!r}")):
        _check(Contacts(**columns))


@given(
    name=st.sampled_from([*TOP, "priority", "propensity", "candidates"]),
    n=st.integers(1, 5),
    extra=st.sampled_from([-1, 1]),
)
def test_a_wrong_length_is_named_by_column(name: str, n: int, extra: int) -> None:
    columns: dict[str, Any] = {column: np.full(n, BOTTOM[column]) for column in TOP}
    columns[name] = np.ones(n + extra, dtype=np.int64)
    if name == "cardholder":
        columns["cardholder"] = np.zeros(n + extra, dtype=np.int64)
        name = "offer"  # the length of `cardholder` is the measure of the others
    with pytest.raises(PolicyError, match=f"column {name!r}: expected"):
        _check(Contacts(**columns))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("cardholder", np.array(["a"])),
        ("cardholder", np.array([None])),
        ("cardholder", [[1, 2], [3]]),
        ("offer", np.array([[1]])),
        ("channel", np.array([1 + 2j])),
        ("minute", np.array([2**70])),
        ("priority", np.array([np.nan])),
        ("propensity", np.array([0.0])),
        ("propensity", np.array([1.01])),
        ("propensity", np.array([-0.1])),
        ("candidates", np.array([0.5])),
    ],
)
def test_other_nonsense(column: str, value: Any) -> None:
    columns: dict[str, Any] = {name: np.full(1, BOTTOM[name]) for name in TOP}
    columns[column] = value
    with pytest.raises(PolicyError, match=f"column {column!r}"):
        _check(Contacts(**columns))


def test_a_time_in_the_past_is_said_to_be_one() -> None:
    with pytest.raises(PolicyError, match=r"column 'minute'.*a time in the past"):
        _check(Contacts.of([1, 2], 0, 0, 0, [700, 599]))


@pytest.mark.parametrize("answer", [None, [1, 2], np.zeros(3), {"cardholder": [1]}])
def test_something_else_than_contacts_is_refused(answer: Any) -> None:
    with pytest.raises(PolicyError, match="expected Contacts"):
        small_world(20).run(Calling(lambda _: answer), 1)


def test_too_many_contacts_to_one_person() -> None:
    with pytest.raises(PolicyError, match="at most 100 contacts"):
        small_world(20).run(Calling(lambda _: Contacts.of(np.full(101, 3), 0, 0, 0, 700)), 1)


@settings(max_examples=15, deadline=None)
@given(valid_contacts())
def test_a_world_takes_any_valid_contacts_in_any_order(contacts: Contacts) -> None:
    # The order of the rows decides nothing but the ordinals of contacts to one person at one minute.
    keys = np.stack([getattr(contacts, name).astype(np.int64) for name in ("cardholder", "minute")])
    world = small_world(50)
    once = world.fork().run(Calling(lambda _: contacts), 1)
    assert once.table("decisions")["day"].size == len(contacts)
    if np.unique(keys, axis=1).shape[1] < len(contacts):
        return
    columns: dict[str, Any] = {
        name: None if (values := getattr(contacts, name)) is None else values[::-1]
        for name in (*TOP, "priority", "propensity")
    }
    turned = Contacts(**columns)
    assert world.fork().run(Calling(lambda _: turned), 1).digest() == once.digest()
