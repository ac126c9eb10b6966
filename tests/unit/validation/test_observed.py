"""Looking at every evening changes nothing, and what is seen is what the log and the census add up to."""

import numpy as np
import pytest
from tests.fakes.small_worlds import small_world, total

from cardarena.agents.registry import make_policy
from cardarena.benchmarks.validation.observed import ObservedYear, watch
from cardarena.simulator.log import RunLog

DAYS = 48


@pytest.fixture(scope="module")
def both() -> tuple[ObservedYear, RunLog]:
    """The same days, watched and run."""
    year = watch(small_world(300).fork(), DAYS)
    return year, small_world(300).run(make_policy("status_quo"), DAYS)


def test_the_watched_world_ends_where_the_other_ends() -> None:
    plain, seen = small_world(300), small_world(300)
    plain.play(make_policy("status_quo"), DAYS)
    watch(seen, DAYS)
    assert np.array_equal(plain.state.people, seen.state.people)
    assert np.array_equal(plain.state.accounts, seen.state.accounts)
    assert type(seen.scheduler) is type(plain.scheduler)


def test_spend_is_what_census_and_log_say(both: tuple[ObservedYear, RunLog]) -> None:
    year, log = both
    assert year.all_fen.sum() == total(log, "all_spend_fen")
    assert year.own_fen.sum() == total(log, "own_spend_fen")
    assert np.array_equal(year.all_fen.sum(axis=1), year.calendar_all_fen.sum(axis=1))
    paid = log.table("transactions")
    bought = log.table("responses")
    is_card = np.isin(bought["action"], (2, 3)) & (bought["category"] < 5) & (bought["amount_fen"] > 0)
    who = np.concatenate([paid["cardholder"], bought["cardholder"][is_card]])
    assert np.array_equal(year.tickets.sum(axis=1), np.bincount(who, minlength=300))
    logs = np.log(np.concatenate([paid["amount_fen"], bought["amount_fen"][is_card]]) * 0.01)
    assert year.ticket_logs[:, 0].sum() == pytest.approx(logs.sum())
    assert year.ticket_logs[:, 1].sum() == pytest.approx((logs**2).sum())


def test_expected_complaints_are_those_of_the_census(both: tuple[ObservedYear, RunLog]) -> None:
    year, log = both
    kinds = ("marketing", "service", "collection")
    assert year.complaints_ppb.sum(axis=0).tolist() == [
        total(log, f"expected_complaint_{kind}_ppb") for kind in kinds
    ]


def test_closed_accounts_are_counted_once_and_stop_their_days() -> None:
    year = watch(small_world(400, parameters__closure_rate=0.02), DAYS)
    closed = year.closed.any(axis=1)
    assert 20 < closed.sum() < 390
    assert np.array_equal(closed, ~year.is_open)
    assert np.all(year.open_days[~closed].sum(axis=1) == DAYS)
    assert np.all(year.open_days[closed].sum(axis=1) <= DAYS)
