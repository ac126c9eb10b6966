"""Fitted Q iteration against closed forms: a chain of two states written down as a log."""

import numpy as np
import pytest

from cardarena.agents.fitted_q import FittedQIteration, LeastSquares, Transitions

#: Chance to be in state 1 next, by state and action; reward by state and action.
P_ONE = np.array([[0.2, 0.7], [0.5, 0.9]])
REWARD = np.array([[1.0, 0.0], [3.0, -1.0]])
GAMMA = 0.8
#: Rows of each state and action in the log: the moves are in it in exactly the right shares.
ROWS = 10


def closed_form(iterations: int, is_open: np.ndarray | None = None) -> np.ndarray:
    """Return Q, shape (states, actions), after so many steps of value iteration."""
    open_ = np.ones((2, 2), dtype=bool) if is_open is None else is_open
    q = np.zeros((2, 2))
    for _ in range(iterations):
        value = np.where(open_, q, -np.inf).max(axis=1)
        q = REWARD + GAMMA * ((1.0 - P_ONE) * value[0] + P_ONE * value[1])
    return q


def chain(ends: bool = False, is_open: np.ndarray | None = None, extra: int = 0) -> Transitions:
    """Return the chain as a log. One column tells the state; the constant stands for state 0."""
    state, action, following = [], [], []
    for s in (0, 1):
        for a in (0, 1):
            ones = round(ROWS * P_ONE[s, a])
            times = 1 + extra * (s == 1 and a == 0)
            state += [s] * ROWS * times
            action += [a] * ROWS * times
            following += ([1] * ones + [0] * (ROWS - ones)) * times
    s, a, f = np.array(state), np.array(action), np.array(following)
    open_ = np.ones((2, 2), dtype=bool) if is_open is None else is_open
    return Transitions(
        s[:, None].astype(float),
        a,
        REWARD[s, a],
        f[:, None].astype(float),
        np.full(len(s), not ends),
        open_[f],
    )


def q_of(fitted: FittedQIteration) -> np.ndarray:
    states = np.array([[1.0, 0.0], [1.0, 1.0]])
    return states @ fitted.coefficients.T


def iterated(log: Transitions, n: int, parts: np.ndarray | None = None, penalty: float = 0.0) -> np.ndarray:
    fitted = FittedQIteration(log, np.eye(2) if parts is None else parts, GAMMA, penalty)
    for _ in range(n):
        fitted.iterate()
    return q_of(fitted)


@pytest.mark.parametrize("n", [0, 1, 2, 5, 200])
def test_every_iteration_is_a_step_of_value_iteration(n: int) -> None:
    np.testing.assert_allclose(iterated(chain(), n), closed_form(n), atol=1e-9)


def test_the_end_of_it_is_bellmans_optimum_and_not_the_greedy_reward() -> None:
    q = iterated(chain(), 300)
    value = q.max(axis=1)
    np.testing.assert_allclose(q, REWARD + GAMMA * ((1.0 - P_ONE) * value[0] + P_ONE * value[1]), atol=1e-9)
    # In state 0 a greedy agent stays, and one that looks ahead moves on.
    assert iterated(chain(), 1)[0].argmax() == 0
    assert q[0].argmax() == 1


def test_how_often_the_log_shows_something_does_not_matter() -> None:
    np.testing.assert_allclose(iterated(chain(extra=5), 50), closed_form(50), atol=1e-9)


def test_after_an_end_there_is_nothing() -> None:
    np.testing.assert_allclose(iterated(chain(ends=True), 9), REWARD, atol=1e-9)


def test_only_what_is_open_counts() -> None:
    closed = np.array([[True, True], [False, True]])
    np.testing.assert_allclose(iterated(chain(is_open=closed), 60), closed_form(60, closed), atol=1e-9)
    assert np.abs(closed_form(60, closed) - closed_form(60)).max() > 0.5


def test_shared_parts_are_the_same_values_written_otherwise() -> None:
    """The state's worth and what the second action adds: as many numbers as an action each."""
    shared = np.array([[1.0, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(iterated(chain(), 40, shared), closed_form(40), atol=1e-9)


def test_a_penalty_takes_away_what_an_action_adds_and_leaves_the_mean() -> None:
    shared = np.array([[1.0, 0.0], [1.0, 1.0]])
    log = chain(ends=True)
    loose, tight = (iterated(log, 1, shared, penalty) for penalty in (0.0, 1e9))
    assert np.abs(loose[:, 1] - loose[:, 0]).max() > 0.9
    np.testing.assert_allclose(tight, log.rewards.mean(), atol=1e-4)


def test_the_regression_is_ridge_that_leaves_the_constant_alone() -> None:
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(50), rng.normal(3.0, 2.0, (50, 2))])
    y = 10.0 + x[:, 1] - x[:, 2] + rng.normal(size=50)
    for penalty in (0.0, 7.0):
        found = LeastSquares.of(x, penalty).fit(x.T @ y)
        # Where the gradient of the penalised squares is nought.
        slope = -2.0 * x.T @ (y - x @ found) + 2.0 * penalty * x.var(axis=0) * found
        np.testing.assert_allclose(slope, 0.0, atol=1e-8)
        assert (y - x @ found).mean() == pytest.approx(0.0, abs=1e-10)
