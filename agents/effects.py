"""Estimating what a contact changes: priced outcomes, doubly robust pseudo-outcomes, ridge regression."""

from typing import Final

import numpy as np

from cardarena.agents.boosting import boosted
from cardarena.agents.tables import CATEGORY, PERSON, Table
from cardarena.simulator.contracts import Bools, Floats, Ints
from cardarena.simulator.names import N_CATEGORIES

#: Columns on which the effect of a contact may depend.
EFFECT_NAMES: Final = (
    "one",
    "precursor",
    "bought lately",
    "purchases",
    "clicks in the category",
    "contacts in the category",
    "contacts this week",
    "contacts this month",
    "clicks",
    "personalisation on",
    "idle",
)


def effect_design(person: np.ndarray, category: np.ndarray, k: int) -> Floats:
    """Return the columns `EFFECT_NAMES` for category `k`, shape (n, columns), each of order one."""
    p = {name: person[:, j].astype(np.float64) for j, name in enumerate(PERSON)}
    c = {name: category[:, k, j].astype(np.float64) for j, name in enumerate(CATEGORY)}
    columns = (
        np.ones(len(person)),
        np.minimum(c["precursor_7d"], 3.0),
        # Behind the personalisation switch every column is zero, which must not read as "today".
        (c["days_since_purchase"] < 28.0) * p["personalisation_on"],
        np.log1p(c["category_purchases_112d"]),
        np.log1p(c["category_clicks_28d"]),
        np.log1p(c["category_contacts_28d"]),
        np.log1p(p["contacts_7d"]),
        np.log1p(p["contacts_28d"]),
        np.log1p(p["clicks_28d"]),
        p["personalisation_on"],
        (p["recency_days"] > 28.0).astype(np.float64),
    )
    return np.stack(columns, axis=1)


def purchase_worth(table: Table, category_of: Ints, take_fen: Floats) -> Floats:
    """Return what a purchase of each category is worth in CNY, shape (categories,).

    The logged margin is regressed on purchases, and shrunk to the mean take of the catalogue's offers, since
    large tickets are rare and their margins noisy.
    """
    prior = np.zeros(N_CATEGORIES)
    for k in np.unique(category_of):
        prior[k] = take_fen[category_of == k].mean() * 0.01
    low, high = np.quantile(table.value_fen, (0.001, 0.999))
    y = np.clip(table.value_fen, low, high) * 0.01
    x = np.concatenate([table.bought, np.ones((len(table), 1))], axis=1)
    gram = x.T @ x
    penalty = np.diag([*np.full(N_CATEGORIES, 50.0), 1e-6])
    worth = np.linalg.solve(gram + penalty, x.T @ y + penalty @ np.append(prior, 0.0))
    return np.maximum(np.round(worth[:N_CATEGORIES], 9), 0.0)


def ridge(x: Floats, y: Floats, weight: Floats, penalty: float) -> Floats:
    """Return the weighted ridge regression of y on x; the penalty counts in rows of a column's mean square.

    Example:
        >>> x = np.array([[1.0], [1.0], [1.0], [1.0]])
        >>> ridge(x, np.array([1.0, 2.0, 3.0, 2.0]), np.ones(4), penalty=4.0)
        array([1.])
    """
    weighted = x * weight[:, None]
    gram = x.T @ weighted
    scale = np.diag(gram) / weight.sum()
    gram[np.diag_indices_from(gram)] += penalty * scale + 1e-9
    return np.asarray(np.linalg.solve(gram, weighted.T @ y), dtype=np.float64)


def logistic(x: Floats, y: Bools, penalty: float = 10.0, steps: int = 8) -> Floats:
    """Return P(y) of a ridge-penalised logistic regression on standardised `x`, by Newton's steps, shape (rows,)."""
    spread = x.std(axis=0)
    z = np.concatenate(
        [np.ones((len(x), 1)), (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)], axis=1
    )
    beta = np.zeros(z.shape[1])
    ridge_diagonal = np.full(z.shape[1], penalty)
    ridge_diagonal[0] = 1e-6
    p = np.full(len(x), 0.5)
    for _ in range(steps):
        p = 1.0 / (1.0 + np.exp(-np.clip(z @ beta, -30.0, 30.0)))
        hessian = (z * (p * (1.0 - p))[:, None]).T @ z + np.diag(ridge_diagonal)
        beta += np.linalg.solve(hessian, z.T @ (y - p) - ridge_diagonal * beta)
    return p


def doubly_robust(x: np.ndarray, contacted: Bools, outcome: Floats) -> tuple[Floats, Floats]:
    """Return doubly robust pseudo-effects of a contact and their overlap weights, both of shape (rows,).

    The outcome models are boosted trees, cross-fitted on two interleaved folds; the chance of contact is
    logistic.

    Args:
        x: shape (rows, columns).
        contacted: shape (rows,).
        outcome: shape (rows,).
    """
    p = np.clip(logistic(x.astype(np.float64), contacted), 0.02, 0.98)
    fold = np.arange(len(x)) % 2 == 0
    with_contact, without = np.empty(len(x)), np.empty(len(x))
    for half in (fold, ~fold):
        for arm, filled in ((contacted, with_contact), (~contacted, without)):
            train = ~half & arm
            if train.sum() < 200 or np.ptp(outcome[train]) == 0.0:
                filled[half] = outcome[train].mean() if train.any() else 0.0
                continue
            model = boosted(False, trees=15, leaves=6, least=80).fit(x[train], outcome[train])
            filled[half] = model.predict(x[half])
    own = np.where(contacted, with_contact, without)
    sign = np.where(contacted, 1.0 / p, -1.0 / (1.0 - p))
    return with_contact - without + sign * (outcome - own), p * (1.0 - p)
