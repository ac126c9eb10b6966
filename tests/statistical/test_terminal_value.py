"""The value at the horizon is right on average for people, and under a policy, that it was not fitted on."""

import numpy as np
import pytest

from cardarena.agents.environments import make_pool
from cardarena.agents.registry import make_policy
from cardarena.simulator.bank.features import feature_columns
from cardarena.simulator.envs.journeys import DAILY_DISCOUNT
from cardarena.simulator.envs.terminal import MIX, TerminalValue, run_out, terminal_value

OVERRIDES = {
    "horizon.burn_in_days": 60,
    "horizon.days": 60,
    "logged_history": False,
    # The run-out's season is a world's own; the worlds below begin on one date.
    "start_date_jitter_days": 0,
}
#: Seeds on which nothing about the value was ever chosen: of the pool, and of people whom it never met.
POOL_SEED = 2101
OTHER_SEEDS = (2201, 2202, 2203, 2204)
PEOPLE = 2500
POLICY = "rfm"


def value_of(n: int) -> TerminalValue:
    pool = make_pool("baseline", n_cardholders=n, overrides=OVERRIDES, world_seeds=(POOL_SEED,))
    return terminal_value(pool, 60, DAILY_DISCOUNT)


@pytest.mark.slow
@pytest.mark.statistical
def test_two_thousand_people_are_enough_for_three_in_a_hundred() -> None:
    assert POLICY not in MIX
    value = value_of(2000)
    assert value_of(2000) is value
    off, left = [], []
    for seed in OTHER_SEEDS:
        pool = make_pool("baseline", n_cardholders=PEOPLE, overrides=OVERRIDES, world_seeds=(seed,))
        others = pool.worlds[0].fork()
        others.play(make_policy(POLICY), 60)
        true = run_out(others, make_policy, DAILY_DISCOUNT)
        seen = feature_columns(others.state.accounts, np.arange(PEOPLE), others.today(60)).T
        guess = value.of(seen, np.zeros(PEOPLE, dtype=np.int64))
        off.append(guess.mean() / true.mean() - 1.0)
        # It tells people apart, too: better than their mean, closed accounts at nought.
        left.append(((guess - true) ** 2).mean() / true.var())
        closed = others.state.accounts["is_open"] == 0
        assert closed.any()
        assert not guess[closed].any()
        assert not true[closed].any()
    assert abs(np.mean(off)) < 0.03
    assert np.mean(left) < 0.5
    # Two of its standard errors are what it promises; a fifth of the people know about half as much.
    assert abs(np.mean(off)) < 2.0 * value.error < 0.035
    assert 1.5 < value_of(400).error / value.error < 3.5
