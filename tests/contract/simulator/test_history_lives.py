"""The logged history tells which rows are one cardholder's, and not which cardholder that is."""

import numpy as np
import pytest
from tests.fakes.small_worlds import small_world

from cardarena.agents.registry import make_policy
from cardarena.simulator.bank.features import FEATURE_INDEX, feature_columns
from cardarena.simulator.contracts import History
from cardarena.simulator.world import World

N = 250
#: What of a cardholder does not change in a burn-in; with the limit nobody is like another.
FIXED = ("age", "is_male", "city_tier", "income_band", "limit_cny")


def burned_in(seed: int = 7) -> World:
    return small_world(N, seed, overrides={"logged_history": True, "horizon.burn_in_days": 70}).burn_in(
        make_policy
    )


@pytest.fixture(scope="module")
def world() -> World:
    return burned_in()


def history_of(world: World) -> History:
    assert world.history is not None
    return world.history


def test_rows_of_a_pseudonym_are_one_cardholders(world: World) -> None:
    history = history_of(world)
    fixed = history.features[:, [FEATURE_INDEX[name] for name in FIXED]]
    born = history.features[:, FEATURE_INDEX["tenure_days"]] - history.day
    who = np.column_stack([fixed, born])
    people = np.unique(who, axis=0, return_inverse=True)[1].ravel()
    met = np.unique(history.cardholder)
    assert met.tolist() == list(range(met.size)), "numbered without gaps"
    pairs = np.unique(np.column_stack([history.cardholder, people]), axis=0)
    assert len(pairs) == met.size == np.unique(people).size
    assert len(np.unique(np.column_stack([history.cardholder, history.day]), axis=0)) == history.day.size


def test_the_next_row_is_the_next_state(world: World) -> None:
    """Of a small base everybody is sampled: rows a week apart tell of the contact between them."""
    history = history_of(world)
    order = np.lexsort((history.day, history.cardholder))
    one, other = order[:-1], order[1:]
    steps = (history.cardholder[one] == history.cardholder[other]) & (
        history.day[other] == history.day[one] + 7
    )
    assert steps.sum() > 0.8 * history.day.size
    week = history.features[other[steps], FEATURE_INDEX["days_since_contact"]]
    reached = history.delivered[one[steps]]
    assert (week[reached] <= 7).all()
    assert (week[~reached] > 7).mean() > 0.8


def test_a_pseudonym_is_no_view_id(world: World) -> None:
    history = history_of(world)
    names = ("limit_cny", "tenure_days", "age")
    now = feature_columns(world.state.accounts, world.order, world.today(0), names)
    born = {(limit, tenure, age): i for i, (limit, tenure, age) in enumerate(now.T.tolist())}
    at = [FEATURE_INDEX[name] for name in names]
    rows = history.features[:, at].copy()
    rows[:, 1] -= history.day
    view_id = np.array([born.get(tuple(row), -1) for row in rows.tolist()])
    assert (view_id >= 0).mean() > 0.95
    known = view_id >= 0
    assert (history.cardholder[known] == view_id[known]).mean() < 0.05
    order = np.corrcoef(history.cardholder[known], view_id[known])[0, 1]
    # Four standard errors of people in an order by lot.
    assert abs(order) < 4.0 / np.sqrt(np.unique(history.cardholder).size)


def test_it_is_a_function_of_the_seed(world: World) -> None:
    assert np.array_equal(history_of(burned_in()).cardholder, history_of(world).cardholder)
    other = history_of(burned_in(8)).cardholder
    assert not np.array_equal(other[:100], history_of(world).cardholder[:100])
