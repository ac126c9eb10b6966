"""Estimators of a policy's value from a log that another policy made, and what they are sure of.

A log is n trajectories of T decisions. For trajectory i and decision t: the reward r, the weight w = pi(a|x) / mu(a|x) of the
target pi over the logging policy mu, and W_t = w_0 ... w_t. With one decision this is a contextual bandit. The value is

    V(pi) = E_pi sum_t g^t r_t

and each estimator hands back *contributions*, one a trajectory, whose mean is the estimate and whose scatter is its error:

    IPS     sum_t g^t W_t r_t
    SNIPS   the same, weights normalised at each decision; its contributions are linearised
    DR      sum_t g^t (W_t (r_t - q_t) + W_{t-1} v_t), with q_t = Q_t(x_t, a_t), v_t = E_{a ~ pi} Q_t(x_t, a) and W_{-1} = 1
    FQE     v_0, with Q fitted backwards: Q_t(x, a) = E[r_t + g v_{t+1} | x, a]; linear in the features

IPS and DR are unbiased, DR as soon as either the weights or Q are right; FQE is as good as its features.

References:
    Dudík, Langford, Li: Doubly robust policy evaluation and learning (ICML 2011). Jiang, Li: Doubly robust off-policy value
    evaluation for reinforcement learning (ICML 2016). Swaminathan, Joachims: The self-normalized estimator for counterfactual
    learning (NeurIPS 2015). Le, Voloshin, Yue: Batch policy learning under constraints (ICML 2019).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cardarena.agents.fitted_q import LeastSquares
from cardarena.simulator.contracts import Bools, Floats, Ints
from cardarena.simulator.errors import CardArenaError

ESTIMATORS: Final = ("ips", "snips", "dr", "fqe")
#: Half the width of a 95 % interval, in standard errors.
_Z: Final = 1.959963984540054
#: An estimate that rests on fewer trajectories than this, or of which one has more than this share of the weight, is not trusted.
LEAST_ESS: Final = 200.0
MOST_SHARE: Final = 0.05


@dataclass(frozen=True)
class Estimate:
    """An estimate and how sure it is.

    Attributes:
        value: the estimate.
        error: its standard error, over clusters.
        low: lower end of the 95 % interval.
        high: upper end of it.
    """

    value: float
    error: float
    low: float
    high: float


def summarise(contributions: Any, clusters: Ints | None = None) -> Estimate:
    """Return the mean of the contributions, with a standard error over clusters.

    Args:
        contributions: shape (n,).
        clusters: shape (n,), whose rows hang together; each its own by default.
    """
    values = np.asarray(contributions, dtype=np.float64)
    mean = float(values.mean())
    off = values - mean
    if clusters is not None:
        off = np.bincount(np.unique(clusters, return_inverse=True)[1], off)
    m = off.size
    error = float(np.sqrt((off**2).sum() * m / max(1, m - 1)) / values.size)
    return Estimate(mean, error, mean - _Z * error, mean + _Z * error)


def effective_size(weights: Floats) -> Floats:
    """Return how many trajectories the weights are worth at each decision, (sum W)^2 / sum W^2, shape (T,).

    Args:
        weights: shape (n, T), of one decision each; they are multiplied up.
    """
    total = np.cumprod(weights, axis=1)
    squares = np.maximum((total**2).sum(axis=0), 1e-300)
    return np.asarray(total.sum(axis=0) ** 2 / squares, dtype=np.float64)


def is_trusted(weights: Floats) -> bool:
    """Return whether the weights leave enough to rest on: effective size, and no trajectory that outweighs the rest."""
    total = np.cumprod(weights, axis=1)[:, -1]
    sum_ = float(total.sum())
    return bool(sum_ > 0.0 and effective_size(weights)[-1] >= LEAST_ESS and total.max() <= MOST_SHARE * sum_)


def _discounts(n: int, discount: float) -> Floats:
    return np.power(discount, np.arange(n, dtype=np.float64))


def ips(rewards: Floats, weights: Floats, discount: float = 1.0) -> Floats:
    """Return the contributions of importance sampling, per decision, shape (n,).

    Args:
        rewards: shape (n, T).
        weights: shape (n, T), of one decision each.
        discount: per decision.
    """
    _check(rewards, weights)
    return (np.cumprod(weights, axis=1) * rewards) @ _discounts(rewards.shape[1], discount)


def snips(rewards: Floats, weights: Floats, discount: float = 1.0) -> Floats:
    """Return the linearised contributions of self-normalised importance sampling, per decision, shape (n,).

    Args:
        rewards: shape (n, T).
        weights: shape (n, T).
        discount: per decision.
    """
    _check(rewards, weights)
    total = np.cumprod(weights, axis=1)
    mean = np.maximum(total.mean(axis=0), 1e-300)
    value = (total * rewards).mean(axis=0) / mean
    return (value + total * (rewards - value) / mean) @ _discounts(rewards.shape[1], discount)


def dr(rewards: Floats, weights: Floats, q: Floats, v: Floats, discount: float = 1.0) -> Floats:
    """Return the contributions of the doubly robust estimator, shape (n,).

    Args:
        rewards: shape (n, T).
        weights: shape (n, T).
        q: shape (n, T), Q of the action taken.
        v: shape (n, T), mean of Q over the target's actions.
        discount: per decision.
    """
    _check(rewards, weights)
    total = np.cumprod(weights, axis=1)
    before = np.concatenate([np.ones((len(total), 1)), total[:, :-1]], axis=1)
    return (total * (rewards - q) + before * v) @ _discounts(rewards.shape[1], discount)


def _check(rewards: Floats, weights: Floats) -> None:
    if rewards.shape != weights.shape or rewards.ndim != 2:
        raise CardArenaError(
            f"off-policy estimate: expected rewards and weights of one shape (n, T), "
            f"found {rewards.shape} and {weights.shape}"
        )


@dataclass(frozen=True)
class FittedQ:
    """Q functions fitted backwards, linear in the features: one vector of coefficients a decision.

    Attributes:
        coefficients: shape (T, features).
        inverses: shape (T, features, features), of each decision's normal equations.
    """

    coefficients: Floats
    inverses: Floats

    def q(self, taken: Floats) -> Floats:
        """Return Q of the actions taken, shape (n, T), from their features, shape (n, T, features)."""
        return np.einsum("ntp,tp->nt", taken, self.coefficients)


def fit_q(
    rewards: Floats,
    taken: Floats,
    target: Floats,
    discount: float = 1.0,
    *,
    penalty: float = 1e-6,
    rows: Bools | None = None,
) -> FittedQ:
    """Fit Q backwards by least squares.

    Args:
        rewards: shape (n, T).
        taken: shape (n, T, features), of the state and the action taken.
        target: shape (n, T, features), the mean of the same over the target's actions.
        discount: per decision.
        penalty: ridge penalty, in rows of features of unit variance.
        rows: shape (n,), whom to learn from; everybody by default.
    """
    n_steps, p = taken.shape[1:]
    keep = np.ones(len(rewards), dtype=np.bool_) if rows is None else rows
    coefficients, inverses = np.zeros((n_steps, p)), np.zeros((n_steps, p, p))
    after = np.zeros(int(keep.sum()))
    for t in range(n_steps - 1, -1, -1):
        x = taken[keep, t]
        regression = LeastSquares.of(x, penalty)
        inverses[t] = regression.inverse
        coefficients[t] = regression.fit(x.T @ (rewards[keep, t] + discount * after))
        after = target[keep, t] @ coefficients[t]
    return FittedQ(coefficients, inverses)


def fqe(
    rewards: Floats, taken: Floats, target: Floats, discount: float = 1.0, *, penalty: float = 1e-6
) -> Floats:
    """Return the linearised contributions of fitted Q evaluation, shape (n,).

    The scatter of v_0 alone would leave out that Q was fitted: the fit's own error is carried along, decision by decision.

    Args:
        rewards: shape (n, T).
        taken: as in `fit_q`.
        target: likewise.
        discount: per decision.
        penalty: likewise.
    """
    fitted = fit_q(rewards, taken, target, discount, penalty=penalty)
    q, v = fitted.q(taken), fitted.q(target)
    n, n_steps = rewards.shape
    out = v[:, 0].copy()
    pull = target[:, 0].mean(axis=0)
    for t in range(n_steps):
        leverage = n * (taken[:, t] @ (fitted.inverses[t] @ pull))
        after = v[:, t + 1] if t + 1 < n_steps else np.zeros(n)
        out += discount**t * leverage * (rewards[:, t] + discount * after - q[:, t])
        if t + 1 < n_steps:
            pull = (leverage[:, None] * target[:, t + 1]).mean(axis=0)
    return out


def cross_fitted(
    rewards: Floats,
    taken: Floats,
    target: Floats,
    discount: float = 1.0,
    *,
    folds: Ints,
    penalty: float = 1e-6,
) -> tuple[Floats, Floats]:
    """Return q and v of everybody, shape (n, T) each, from a Q that was fitted on the other folds.

    Args:
        rewards: as in `fit_q`.
        taken: likewise.
        target: likewise.
        discount: per decision.
        folds: shape (n,), the fold of each trajectory.
        penalty: as in `fit_q`.
    """
    q, v = np.zeros(rewards.shape), np.zeros(rewards.shape)
    for fold in np.unique(folds):
        own = folds == fold
        fitted = fit_q(rewards, taken, target, discount, penalty=penalty, rows=~own)
        q[own], v[own] = fitted.q(taken[own]), fitted.q(target[own])
    return q, v
