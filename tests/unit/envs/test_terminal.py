"""The fit of the terminal value: right where there is a line, shrunk where there is none, honest about its precision."""

import numpy as np
import pytest
from tests.fakes.small_pools import small_pool

from cardarena.simulator.envs.cardholder import CardholderEnv
from cardarena.simulator.envs.terminal import RIDGES, fitted

# Not a multiple of the folds: copies taken for people fall into different ones.
N, COPIES = 301, 4


def people(seed: int = 0) -> tuple[np.random.Generator, np.ndarray, np.ndarray]:
    """Return a generator, columns of people whose copies are alike, and whose rows they are."""
    rng = np.random.Generator(np.random.Philox(seed))
    person = np.tile(np.arange(N), COPIES)
    return rng, rng.normal(size=(N, 40))[person], person


def test_a_line_is_found_in_every_world_at_its_own_level() -> None:
    rng, x, person = people()
    slope, world = rng.normal(size=40), person % 2
    y = 500.0 + 30.0 * world + x @ slope
    value = fitted(x, y, world, person)
    assert value.ridge == RIDGES[0]
    np.testing.assert_allclose(value.slope, slope, atol=0.01)
    np.testing.assert_allclose(np.diff(value.level), 30.0, atol=0.1)
    assert value.error < 1e-3


def test_copies_of_a_person_do_not_vouch_for_each_other() -> None:
    rng, x, person = people()
    # The same luck in all copies and no line behind it: a fold that shared people would take luck for a line.
    y = 500.0 + 100.0 * rng.normal(size=N)[person]
    value = fitted(x, y, np.zeros_like(person), person)
    assert value.ridge == RIDGES[-1]
    leaky = fitted(x, y, np.zeros_like(person), np.arange(person.size))
    assert leaky.ridge < 0.1 * value.ridge


def test_the_error_is_the_standard_error_of_a_mean_over_people() -> None:
    rng, x, person = people()
    y = 500.0 + 100.0 * rng.normal(size=N)[person]
    value = fitted(x, y, np.zeros_like(person), person)
    assert value.error == pytest.approx(100.0 / 500.0 / np.sqrt(N), rel=0.15)


def test_one_person_promises_nothing() -> None:
    rng = np.random.Generator(np.random.Philox(1))
    alone = np.zeros(4, dtype=np.int64)
    value = fitted(rng.normal(size=(4, 3)), rng.normal(size=4), alone, alone)
    assert value.error == np.inf
    assert np.isfinite(value.slope).all()


def test_it_is_fitted_where_it_is_paid_or_asked_for_and_nowhere_else() -> None:
    made = {}
    for paid in (False, True):
        # A horizon of its own: the pool keeps what it has fitted.
        env = CardholderEnv(small_pool(), horizon=3 + paid, terminal_value=paid)
        _, info = env.reset(seed=1)
        assert ("terminal_value" in info) is paid
        before, terminated, truncated = len(env.journeys.pool.values), False, False
        for _ in range(3 + paid):
            _, _, terminated, truncated, info = env.step(np.zeros(4, dtype=np.int64))
        assert truncated
        assert not terminated
        assert len(env.journeys.pool.values) == before + paid
        made[paid] = env, info
    env, info = made[True]
    assert info["terminal_value"] > 0.0
    discount = float(env.journeys.setting["discount"][0])
    assert info["reward_terms"]["terminal"] == pytest.approx(discount * info["terminal_value"])
    assert "terminal_value" not in made[False][1]
    assert made[False][1]["reward_terms"]["terminal"] == 0.0
    assert 0.0 < made[False][0].shell.terminal_value.error < 0.5
