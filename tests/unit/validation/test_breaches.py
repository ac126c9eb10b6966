"""Breaches are found from the log alone: each kind in a log made for it, none behind the gate, many in an audit."""

from typing import Any

import numpy as np
import pytest
from tests.fakes.small_worlds import small_world

from cardarena.benchmarks.validation.breaches import AFTER, breaches
from cardarena.benchmarks.validation.rule_targets import Unruly, let_through
from cardarena.simulator.bank.records import ACCOUNT, CHANNEL, NEVER
from cardarena.simulator.names import CONSENT_CHANGES, Rule

PUSH, CALL = 0, 5
CONTACT = ("day", "ordinal", "minute", "channel", "depth", "status", "rule", "cardholder")
CHANGE = ("day", "ordinal", "change", "channel", "cardholder")


class _Log:
    """A log of a few rows of one person or more."""

    def __init__(self, contacts: list[dict[str, int]], changes: list[tuple[int, int, str, int]] = []) -> None:  # noqa: B006
        usual = {"day": 0, "ordinal": 5, "minute": 700, "channel": PUSH}
        rows = [{**dict.fromkeys(CONTACT, 0), **usual, **one} for one in contacts]
        told = [
            {
                "day": day,
                "ordinal": ordinal,
                "change": CONSENT_CHANGES.index(what),
                "channel": channel,
                "cardholder": 0,
            }
            for day, ordinal, what, channel in changes
        ]
        self._tables = {
            "contacts": {name: np.array([row[name] for row in rows], dtype=np.int64) for name in CONTACT},
            "consents": {name: np.array([row[name] for row in told], dtype=np.int64) for name in CHANGE},
        }

    def table(self, name: str) -> dict[str, np.ndarray]:
        return self._tables[name]


@pytest.fixture
def channels() -> np.ndarray:
    made = np.zeros(10, dtype=CHANNEL)
    made["channel"] = np.arange(10)
    made["is_voice"][CALL] = 1
    made["quiet_from_minute"], made["quiet_to_minute"] = 1260, 540
    made["quiet_from_minute"][2] = made["quiet_to_minute"][2] = 0
    return made


def _found(log: Any, channels: np.ndarray, accounts: np.ndarray | None = None) -> dict[str, int]:
    return {kind: n for kind, n in breaches(log, channels, accounts).items() if n}


@pytest.mark.parametrize(
    ("minute", "channel", "is_quiet"),
    [(539, 0, True), (540, 0, False), (1259, 0, False), (1260, 0, True), (0, 0, True), (0, 2, False)],
)
def test_quiet_hours_span_midnight_and_end_where_they_say(
    channels: np.ndarray, minute: int, channel: int, is_quiet: bool
) -> None:
    found = _found(_Log([{"minute": minute, "channel": channel}]), channels)
    assert found == ({"quiet hours": 1} if is_quiet else {})


@pytest.mark.parametrize(
    ("changes", "contact", "expected"),
    [
        ([(0, 4, "channel_opt_out", PUSH)], {}, "after refusal"),
        ([(0, 6, "channel_opt_out", PUSH)], {}, None),
        ([(0, 4, "channel_opt_out", 3)], {}, None),
        ([(0, 3, "channel_opt_out", PUSH), (0, 4, "channel_opt_in", PUSH)], {}, None),
        ([(0, 4, "personalisation_off", -1)], {"depth": 1}, "after off-switch"),
        ([(0, 4, "personalisation_off", -1)], {"depth": 0}, None),
        ([(0, 4, "marketing_withdrawn", -1)], {}, "after withdrawal"),
        ([(0, 3, "marketing_withdrawn", -1), (0, 4, "marketing_given", -1)], {}, None),
        ([(0, 4, "closed_voluntary", -1)], {}, "after closure"),
        ([(0, 4, "closed_default", -1)], {"day": 3, "ordinal": 0}, "after closure"),
        ([(0, 4, "channel_opt_out", PUSH)], {"cardholder": 1}, None),
        ([(0, 4, "channel_opt_out", PUSH)], {"status": 2}, None),
    ],
)
def test_what_a_person_said_binds_from_its_own_row_on(
    channels: np.ndarray,
    changes: list[tuple[int, int, str, int]],
    contact: dict[str, int],
    expected: str | None,
) -> None:
    assert _found(_Log([contact], changes), channels) == ({expected: 1} if expected else {})


def test_what_was_said_before_the_run_binds_too(channels: np.ndarray) -> None:
    accounts = np.zeros(2, dtype=ACCOUNT)
    accounts["cardholder"] = (0, 1)
    accounts["is_open"] = accounts["personalisation_on"] = accounts["marketing_consent"] = 1
    accounts["permitted"] = 1
    accounts["refused_day"] = NEVER
    assert _found(_Log([{}]), channels, accounts) == {}
    accounts["permitted"][0, [PUSH, CALL]] = 0
    accounts["refused_day"][0, [PUSH, CALL]] = -20
    accounts["permitted"][1, PUSH] = 0  # never had it: out of reach, not refused
    log = _Log([{}, {"channel": CALL}, {"cardholder": 1}])
    assert _found(log, channels, accounts) == {"after refusal": 1}
    accounts["personalisation_on"] = 0
    assert _found(_Log([{"channel": 3, "depth": 2}]), channels, accounts) == {"after off-switch": 1}


def test_the_rule_that_the_log_tells_is_counted(channels: np.ndarray) -> None:
    assert _found(_Log([{"rule": int(Rule.CAP_WEEK)}]), channels) == {"told": 1}


def test_nothing_gets_past_the_gate_and_much_does_in_an_audit() -> None:
    assert let_through(small_world(1500), Unruly(), days=30) == {}
    world = small_world(1500, compliance__mode="audit", parameters__personal_off_rate=0.5)
    found = let_through(world, Unruly(), days=30)
    assert {"told", "quiet hours", "after refusal", "after off-switch", "after withdrawal"} <= set(found)
    assert "after closure" in AFTER
    assert "after closure" not in found  # a closed account cannot be reached even in an audit
