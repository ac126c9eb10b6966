"""The estimators against closed forms: a bandit and a chain whose values are known."""

from typing import NamedTuple

import numpy as np
import pytest

from cardarena.benchmarks.ope.estimators import (
    cross_fitted,
    dr,
    effective_size,
    fit_q,
    fqe,
    ips,
    is_trusted,
    snips,
    summarise,
)
from cardarena.simulator.contracts import Floats, Ints
from cardarena.simulator.errors import CardArenaError

#: Two contexts, three actions: mean rewards, the logging policy's chances, the target's; rows are contexts.
MEAN = np.array([[1.0, 3.0, -2.0], [0.5, -1.0, 4.0]])
LOGGING = np.array([[0.6, 0.3, 0.1], [0.4, 0.4, 0.2]])
TARGET = np.array([[0.1, 0.8, 0.1], [0.2, 0.1, 0.7]])
#: Contexts come with these chances.
CONTEXT = np.array([0.7, 0.3])
TRUTH = float(CONTEXT @ (TARGET * MEAN).sum(axis=1))


class Bandit(NamedTuple):
    """A log: contexts and actions, shape (n,); rewards and weights, shape (n, 1)."""

    context: Ints
    action: Ints
    rewards: Floats
    weights: Floats


def bandit(n: int, seed: int, noise: float = 1.0) -> Bandit:
    luck = np.random.default_rng(seed)
    context = (luck.random(n) >= CONTEXT[0]).astype(np.int64)
    action = (luck.random(n)[:, None] >= np.cumsum(LOGGING[context], axis=1)).sum(axis=1)
    rewards = MEAN[context, action] + noise * luck.standard_normal(n)
    weights = TARGET[context, action] / LOGGING[context, action]
    return Bandit(context, action, rewards[:, None], weights[:, None])


def one_hot(log: Bandit, chances: Floats | None = None) -> Floats:
    """Return an indicator of each context and action, or its mean under `chances`; shape (n, 1, 6)."""
    out = np.zeros((log.context.size, 2, 3))
    rows = np.arange(log.context.size)
    if chances is None:
        out[rows, log.context, log.action] = 1.0
    else:
        out[rows, log.context] = chances[log.context]
    return out.reshape(-1, 1, 6)


def test_ips_is_unbiased() -> None:
    found = summarise(ips(*bandit(200_000, 1)[2:]))
    assert found.value == pytest.approx(TRUTH, abs=4.0 * found.error)
    assert found.error < 0.03
    unweighted = bandit(200_000, 1).rewards.mean()
    assert abs(unweighted - TRUTH) > 0.5, "the log's own mean must be another"


def test_the_logging_policy_is_worth_its_mean() -> None:
    log = bandit(50, 2)
    ones = np.ones_like(log.weights)
    for contributions in (ips(log.rewards, ones), snips(log.rewards, ones)):
        assert summarise(contributions).value == pytest.approx(log.rewards.mean(), abs=1e-12)


def test_snips_moves_with_the_rewards_and_ips_does_not() -> None:
    log = bandit(400, 3)
    shift = 100.0
    moved = summarise(snips(log.rewards + shift, log.weights)).value
    assert moved == pytest.approx(summarise(snips(log.rewards, log.weights)).value + shift, abs=1e-9)
    moved = summarise(ips(log.rewards + shift, log.weights)).value
    assert abs(moved - summarise(ips(log.rewards, log.weights)).value - shift) > 0.1


def test_dr_is_exact_where_the_model_is() -> None:
    log = bandit(300, 4, noise=0.0)
    q = MEAN[log.context, log.action][:, None]
    v = (TARGET * MEAN).sum(axis=1)[log.context][:, None]
    wrong = np.full_like(log.weights, 3.3)
    exact = context_share(log) @ (TARGET * MEAN).sum(axis=1)
    assert summarise(dr(log.rewards, wrong, q, v)).value == pytest.approx(exact, abs=1e-12)


def context_share(log: Bandit) -> Floats:
    return np.bincount(log.context, minlength=2) / log.context.size


def test_dr_is_unbiased_where_the_weights_are_right() -> None:
    log = bandit(200_000, 5)
    # A model that is wrong, but the same for q and v: each action is worth its number.
    worth = np.array([5.0, -4.0, 2.0])
    q, v = worth[log.action][:, None], (TARGET @ worth)[log.context][:, None]
    found = summarise(dr(log.rewards, log.weights, q, v))
    assert found.value == pytest.approx(TRUTH, abs=4.0 * found.error)
    both_wrong = summarise(dr(log.rewards, np.ones_like(log.weights), q, v))
    assert abs(both_wrong.value - TRUTH) > 20.0 * both_wrong.error


def test_dr_is_surer_than_ips() -> None:
    log = bandit(4_000, 6, noise=0.2)
    q, v = cross_fitted(log.rewards, one_hot(log), one_hot(log, TARGET), folds=np.arange(4_000) % 3)
    better = summarise(dr(log.rewards, log.weights, q, v))
    assert better.error < 0.7 * summarise(ips(log.rewards, log.weights)).error
    assert better.value == pytest.approx(TRUTH, abs=4.0 * better.error)


def test_a_fold_is_not_judged_by_what_it_taught() -> None:
    log = bandit(90, 7)
    folds = np.arange(90) % 3
    before, _ = cross_fitted(log.rewards, one_hot(log), one_hot(log, TARGET), folds=folds)
    moved = log.rewards.copy()
    moved[folds == 1] += 10.0
    after, _ = cross_fitted(moved, one_hot(log), one_hot(log, TARGET), folds=folds)
    assert np.array_equal(before[folds == 1], after[folds == 1])
    assert not np.array_equal(before[folds == 0], after[folds == 0])


@pytest.mark.parametrize("estimator", ["ips", "snips", "dr", "fqe"])
def test_intervals_hold_the_truth_as_often_as_they_say(estimator: str) -> None:
    runs, held = 300, 0
    for seed in range(runs):
        log = bandit(400, 100 + seed)
        taken, target = one_hot(log), one_hot(log, TARGET)
        if estimator == "fqe":
            contributions = fqe(log.rewards, taken, target)
        elif estimator == "dr":
            q, v = cross_fitted(log.rewards, taken, target, folds=np.arange(400) % 3)
            contributions = dr(log.rewards, log.weights, q, v)
        else:
            contributions = {"ips": ips, "snips": snips}[estimator](log.rewards, log.weights)
        found = summarise(contributions)
        held += found.low <= TRUTH <= found.high
    # 95 % of 300, give or take four standard deviations of a binomial.
    assert 0.90 <= held / runs <= 1.0 - 1e-9


def test_rows_of_one_person_hang_together() -> None:
    values = np.random.default_rng(8).standard_normal(500)
    twice, who = np.repeat(values, 2), np.repeat(np.arange(500), 2)
    assert summarise(twice, who).error == pytest.approx(summarise(values).error, rel=1e-9)
    assert summarise(twice).error < 0.75 * summarise(values).error


# --- a chain of two states


P_MOVE = np.array([0.2, 0.7])  # chance to be in state 1 tomorrow after action 0, 1
REWARD = np.array([[1.0, 0.0], [3.0, -1.0]])  # by state and action
GAMMA = 0.8
STEPS = 4


def chain_value(chance: float) -> float:
    """Return the value from state 0 of choosing action 1 with this chance, by backward induction."""
    p = np.array([1.0 - chance, chance])
    value = np.zeros(2)
    for _ in range(STEPS):
        value = REWARD @ p + GAMMA * (p @ np.stack([1.0 - P_MOVE, P_MOVE], axis=1)) @ value
    return float(value[0])


def chain(n: int, seed: int, chance: float, target: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Return rewards, weights and features (state by action, taken and under the target) of `n` trajectories."""
    luck = np.random.default_rng(seed)
    state = np.zeros(n, dtype=np.int64)
    rewards, weights = np.zeros((2, n, STEPS))
    taken, meant = np.zeros((2, n, STEPS, 2, 2))
    for t in range(STEPS):
        action = (luck.random(n) < chance).astype(np.int64)
        rewards[:, t] = REWARD[state, action]
        weights[:, t] = np.where(action == 1, target / chance, (1.0 - target) / (1.0 - chance))
        taken[np.arange(n), t, state, action] = 1.0
        meant[np.arange(n), t, state] = 1.0 - target, target
        state = (luck.random(n) < P_MOVE[action]).astype(np.int64)
    return rewards, weights, taken.reshape(n, STEPS, 4), meant.reshape(n, STEPS, 4)


def test_fitted_q_is_exact_on_a_chain_whose_moves_are_in_the_log() -> None:
    """Every state and action is met, rewards have no noise: what is left is that the log's moves are frequencies."""
    rewards, _, taken, meant = chain(40_000, 11, 0.5, 0.9)
    found = summarise(fqe(rewards, taken, meant, GAMMA))
    assert found.value == pytest.approx(chain_value(0.9), abs=4.0 * found.error)
    assert found.error < 0.02
    fitted = fit_q(rewards, taken, meant, GAMMA)
    # The last decision has no future: Q is the reward itself.
    assert np.allclose(fitted.coefficients[-1].reshape(2, 2), REWARD, atol=1e-6)
    assert abs(chain_value(0.9) - chain_value(0.5)) > 0.5


@pytest.mark.parametrize("estimator", [ips, snips])
def test_weights_over_several_decisions_find_the_value_of_the_chain(estimator: object) -> None:
    rewards, weights, _, _ = chain(100_000, 12, 0.5, 0.8)
    found = summarise(estimator(rewards, weights, GAMMA))  # pyright: ignore[reportCallIssue]
    assert found.value == pytest.approx(chain_value(0.8), abs=4.0 * found.error)
    assert found.error < 0.03


def test_dr_finds_the_value_of_the_chain_with_a_q_that_is_wrong() -> None:
    rewards, weights, taken, meant = chain(100_000, 13, 0.5, 0.8)
    wrong = np.array([4.0, -3.0, 0.5, 2.0])
    found = summarise(dr(rewards, weights, taken @ wrong, meant @ wrong, GAMMA))
    assert found.value == pytest.approx(chain_value(0.8), abs=4.0 * found.error)
    q, v = cross_fitted(rewards, taken, meant, GAMMA, folds=np.arange(len(rewards)) % 2)
    better = summarise(dr(rewards, weights, q, v, GAMMA))
    assert better.error < found.error
    assert better.value == pytest.approx(chain_value(0.8), abs=4.0 * better.error)


def test_the_error_of_fitted_q_is_that_of_other_logs() -> None:
    found = [
        summarise(fqe(rewards, taken, meant, GAMMA))
        for rewards, _, taken, meant in (chain(500, 1000 + seed, 0.5, 0.9) for seed in range(150))
    ]
    spread = float(np.std([one.value for one in found], ddof=1))
    assert np.mean([one.error for one in found]) == pytest.approx(spread, rel=0.2)


# --- overlap


def test_the_effective_size_falls_with_every_decision() -> None:
    even = np.ones((100, 3))
    assert effective_size(even) == pytest.approx([100.0, 100.0, 100.0])
    half = np.where(np.arange(100) < 50, 2.0, 0.0)[:, None] * np.ones((1, 3))
    assert effective_size(half) == pytest.approx([50.0, 50.0, 50.0])
    _, weights, _, _ = chain(5_000, 14, 0.5, 0.9)
    sizes = effective_size(weights)
    assert np.all(np.diff(sizes) < 0.0)


def test_an_estimate_on_few_shoulders_is_not_trusted() -> None:
    assert is_trusted(np.ones((300, 1)))
    assert not is_trusted(np.ones((150, 1)))
    heavy = np.ones((3_000, 1))
    heavy[0] = 200.0
    assert not is_trusted(heavy)
    assert not is_trusted(np.zeros((300, 1)))


def test_shapes_must_agree() -> None:
    with pytest.raises(CardArenaError, match=r"one shape \(n, T\)"):
        ips(np.zeros((5, 2)), np.zeros((5, 3)))


def test_a_constant_more_is_a_constant_more_however_the_fit_is_shrunk() -> None:
    """A penalty on the constant would make a bias of the size of the whole margin, not of the effects."""
    rewards, weights, taken, meant = chain(600, 15, 0.5, 0.9)
    taken, meant = (np.concatenate([np.ones((600, STEPS, 1)), x], axis=2) for x in (taken, meant))
    shift, expected = 50.0, 50.0 * sum(GAMMA**t for t in range(STEPS))
    values = []
    for more in (0.0, shift):
        q, v = cross_fitted(rewards + more, taken, meant, GAMMA, folds=np.arange(600) % 3, penalty=30.0)
        contributions = (
            fqe(rewards + more, taken, meant, GAMMA, penalty=30.0),
            dr(rewards + more, weights, q, v, GAMMA),
        )
        values.append([summarise(x) for x in contributions])
    for before, after in zip(*values, strict=True):
        assert after.value - before.value == pytest.approx(expected, abs=1e-6)
        assert after.error == pytest.approx(before.error, rel=1e-6)
