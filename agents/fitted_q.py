"""Fitted Q: one least-squares regression, used again and again; evaluation (FQE) and iteration (FQI) both rest on it.

    Q_{k+1}(x, a) = E[r + g V_k(x') | x, a],    linear in features of x and a

In evaluation V is the mean of Q over the target's actions, in iteration its maximum over the actions that are open. The
features of a log do not change from one fit to the next, so their normal equations are solved once.

References:
    Ernst, Geurts, Wehenkel: Tree-based batch mode reinforcement learning (JMLR 2005). Le, Voloshin, Yue: Batch policy learning
    under constraints (ICML 2019).
"""

from dataclasses import dataclass

import numpy as np

from cardarena.simulator.contracts import Bools, Floats, Ints


class LeastSquares:
    """Ridge regression on fixed features, solved once for any number of targets.

    Attributes:
        inverse: shape (features, features), of the normal equations.
    """

    def __init__(self, gram: Floats, variance: Floats, penalty: float) -> None:
        """Solve the normal equations.

        Args:
            gram: shape (features, features), sum over rows of the features' products.
            variance: shape (features,), of each feature. A constant has none: it is not shrunk, so that residuals keep a mean
                of nought.
            penalty: ridge penalty, in rows of features of unit variance.
        """
        inverse = np.linalg.pinv(gram + penalty * np.diag(variance), hermitian=True)
        self.inverse: Floats = np.asarray(inverse, dtype=np.float64)

    @classmethod
    def of(cls, features: Floats, penalty: float) -> "LeastSquares":
        """Return the regression on these rows, shape (n, features)."""
        return cls(features.T @ features, features.var(axis=0), penalty)

    def fit(self, moments: Floats) -> Floats:
        """Return the coefficients, shape (features,), from the sum over rows of feature times target."""
        return self.inverse @ moments


@dataclass(frozen=True)
class Transitions:
    """A log of decisions, one row each.

    Attributes:
        states: shape (n, columns), of the state.
        actions: shape (n,), what was done.
        rewards: shape (n,).
        following: shape (n, columns), the next state.
        goes_on: shape (n,), whether there is a next state.
        is_open: shape (n, actions), what may be done in it.
    """

    states: Floats
    actions: Ints
    rewards: Floats
    following: Floats
    goes_on: Bools
    is_open: Bools

    def __len__(self) -> int:
        return len(self.actions)


class FittedQIteration:
    """Q(x, a) = sum over the parts p of action a of (1, x) . w_p, fitted backwards, one decision further at a time.

    Actions share what their parts share: with a part for being a contact, one an offer and one a channel, a rare pair is
    known by its offer and its channel. Parts that are an identity give every action coefficients of its own.

    Attributes:
        coefficients: shape (actions, 1 + columns), the constant first, of each action's value; 0 before the first iteration.
    """

    def __init__(self, log: Transitions, parts: Floats, discount: float, penalty: float) -> None:
        """Solve the regression's normal equations.

        Args:
            log: what was done, and what came of it.
            parts: shape (actions, parts), how much of each part an action has.
            discount: per decision.
            penalty: ridge penalty, in rows of features of unit variance.
        """
        self.log, self.parts, self.discount = log, np.asarray(parts, dtype=np.float64), discount
        self._rows = [np.flatnonzero(log.actions == a) for a in range(len(parts))]
        width, n_parts = log.states.shape[1] + 1, self.parts.shape[1]
        gram = np.zeros((n_parts, width, n_parts, width))
        total, squares = np.zeros((2, n_parts, width))
        for own, rows in zip(self.parts, self._rows, strict=True):
            x = _with_one(log.states[rows])
            moments = x.T @ x
            for p in np.flatnonzero(own):
                for q in np.flatnonzero(own):
                    gram[p, :, q] += own[p] * own[q] * moments
            total += np.outer(own, x.sum(axis=0))
            squares += np.outer(own**2, (x**2).sum(axis=0))
        n = max(1, len(log))
        variance = np.maximum(squares / n - (total / n) ** 2, 0.0).ravel()
        size = n_parts * width
        self._regression = LeastSquares(gram.reshape(size, size), variance, penalty)
        self.coefficients: Floats = np.zeros((len(parts), width))

    def iterate(self) -> None:
        """Look one decision further ahead."""
        log = self.log
        targets = log.rewards + self.discount * np.where(
            log.goes_on, self.best(log.following, log.is_open), 0.0
        )
        moments = np.zeros((self.parts.shape[1], self.coefficients.shape[1]))
        for own, rows in zip(self.parts, self._rows, strict=True):
            moments += np.outer(own, targets[rows] @ _with_one(log.states[rows]))
        fitted = self._regression.fit(moments.ravel()).reshape(moments.shape)
        self.coefficients = self.parts @ fitted

    def best(self, states: Floats, is_open: Bools) -> Floats:
        """Return the greatest value over the open actions, shape (n,); 0 where none is open.

        Args:
            states: shape (n, columns).
            is_open: shape (n, actions).
        """
        values = states @ self.coefficients[:, 1:].T + self.coefficients[:, 0]
        best = np.where(is_open, values, -np.inf).max(axis=1)
        return np.where(is_open.any(axis=1), best, 0.0)


def _with_one(x: Floats) -> Floats:
    return np.concatenate([np.ones((len(x), 1)), x], axis=1)
