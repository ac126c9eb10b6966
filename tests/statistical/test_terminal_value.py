"""The value at the horizon is right on average for people, and under a policy, that it was not fitted on."""

import numpy as np
import pytest

from cardarena.agents.environments import make_pool
from cardarena.agents.registry import make_policy
from cardarena.simulator.bank.features import feature_columns
from cardarena.simulator.envs.journeys import DAILY_DISCOUNT
from cardarena.simulator.envs.terminal import MIX, run_out, terminal_value

OVERRIDES = {
    "horizon.burn_in_days": 60,
    "horizon.days": 60,
    "logged_history": False,
    # The run-out's season is a world's own; the two worlds below begin on one date.
    "start_date_jitter_days": 0,
}
PEOPLE = 3000
POLICY = "rfm"


@pytest.mark.slow
@pytest.mark.statistical
def test_the_mean_is_right_within_three_in_a_hundred() -> None:
    assert POLICY not in MIX
    fitted = make_pool("baseline", n_cardholders=2000, overrides=OVERRIDES)
    value = terminal_value(fitted, 60, DAILY_DISCOUNT)
    assert terminal_value(fitted, 60, DAILY_DISCOUNT) is value
    others = (
        make_pool("baseline", n_cardholders=PEOPLE, overrides=OVERRIDES, world_seeds=(77,)).worlds[0].fork()
    )
    others.play(make_policy(POLICY), 60)
    true = run_out(others, make_policy, DAILY_DISCOUNT)
    seen = feature_columns(others.state.accounts, np.arange(PEOPLE), others.today(60)).T
    guess = value.of(seen, np.zeros(PEOPLE, dtype=np.int64))
    assert abs(guess.mean() / true.mean() - 1.0) < 0.03
    # And it tells people apart: better than their mean, closed accounts at nought.
    assert ((guess - true) ** 2).mean() < 0.5 * true.var()
    closed = others.state.accounts["is_open"] == 0
    assert closed.any()
    assert not guess[closed].any()
    assert not true[closed].any()
