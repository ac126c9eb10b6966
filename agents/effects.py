"""What a contact changes: who would buy anyway, and a doubly robust regression that shares slopes."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardarena.agents.boosting import boosted
from cardarena.agents.market import Market
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
#: Rows that the model of need is fitted to, at most: one a person and category.
NEED_ROWS: Final = 40_000
#: Penalty in rows of the slope on need, and of every other slope of the effect.
NEED_PENALTY: Final = 3_000.0
OTHER_PENALTY: Final = 50_000.0
#: Prior of the slope on need: purchases that a contact of strength 1 adds, over those expected anyway; assumed. A text
#: message, of strength 0.017, is thought to add a sixth.
PRIOR_GAIN: Final = 10.0

#: The channel by which strength and burden are measured; most logged contacts go by it.
REFERENCE: Final = "sms"
#: Powers of a channel's strength that are tried, evenly believed beforehand: from a contact is a contact to strength alone.
POWERS: Final = np.linspace(0.0, 1.0, 11)


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


def stacked(person: np.ndarray, category: np.ndarray, k: Ints | int) -> NDArray[np.float32]:
    """Return model rows: person columns, the columns of category `k` (one code, or one a row), and k itself."""
    n = len(person)
    codes = np.broadcast_to(np.asarray(k, dtype=np.int64), (n,))
    block = category[np.arange(n), codes]
    return np.concatenate([person, block, codes[:, None].astype(np.float32)], axis=1, dtype=np.float32)


class NeedModel:
    """P(purchase in a category within 14 days) of people who were not contacted for it: who would buy anyway.

    Attributes:
        rate: shape (categories,), mean of the same, shrunk to the mean of all.
    """

    def __init__(self, table: Table, treated: Ints) -> None:
        """Fit to `table`; `treated` is the category of each row's contact, or -1, shape (rows,)."""
        bought = table.bought > 0
        self.rate: Floats = (bought.sum(axis=0) + 20.0 * bought.mean()) / (len(table) + 20.0) + 1e-5
        every = max(1, -(-len(table) * N_CATEGORIES // NEED_ROWS))
        rows, k = np.divmod(np.arange(0, len(table) * N_CATEGORIES, every), N_CATEGORIES)
        free = treated[rows] != k
        rows, k = rows[free], k[free]
        y = bought[rows, k]
        self._model = None
        if y.any() and not y.all():
            x = stacked(table.person[rows], table.category[rows], k)
            self._model = boosted(True, trees=40, leaves=12, least=60).fit(x, y)

    def predict(self, person: np.ndarray, category: np.ndarray) -> Floats:
        """Return P(purchase) for everybody and each category, shape (n, categories)."""
        if self._model is None or not len(person):
            return np.broadcast_to(self.rate, (len(person), N_CATEGORIES)).copy()
        rows = np.concatenate([stacked(person, category, k) for k in range(N_CATEGORIES)])
        return self._model.predict_proba(rows)[:, 1].reshape(N_CATEGORIES, -1).T


class EffectModel:
    """Purchases that a contact adds: proportional to need, corrected by slopes that all categories share.

    added(x, k) = need(x, k) * a + rate(k) * (slopes . columns(x, k) + own(k)), for a contact of strength 1.

    Attributes:
        need: who would buy anyway.
        slopes: shape (1 + effect columns + categories,).
    """

    def __init__(self, need: NeedModel) -> None:
        """Start without an effect; `fit` gives it one."""
        self.need = need
        self.slopes: Floats = np.zeros(1 + len(EFFECT_NAMES) + N_CATEGORIES)

    @property
    def penalty(self) -> Floats:
        """Return the penalty of each slope, in rows."""
        return np.array([NEED_PENALTY, *np.full(len(self.slopes) - 1, OTHER_PENALTY)])

    @property
    def prior(self) -> Floats:
        """Return what each slope is shrunk to."""
        return np.array([PRIOR_GAIN, *np.zeros(len(self.slopes) - 1)])

    def columns(self, person: np.ndarray, category: np.ndarray, k: int, need: Floats) -> Floats:
        """Return the columns of category `k`, shape (n, slopes); `need` is P(purchase anyway), shape (n,)."""
        own = np.zeros((len(person), N_CATEGORIES))
        own[:, k] = 1.0
        shared = np.concatenate([effect_design(person, category, k), own], axis=1) * self.need.rate[k]
        return np.concatenate([need[:, None], shared], axis=1)

    def added(self, person: np.ndarray, category: np.ndarray, need: Floats) -> Floats:
        """Return purchases added by a contact of strength 1, shape (n, categories); `need` has the same shape."""
        each = [self.columns(person, category, k, need[:, k]) @ self.slopes for k in range(N_CATEGORIES)]
        return np.stack(each, axis=1)


def saturated(market: Market, power: float) -> Market:
    """Return the market with its channels' strengths saturated: a power of them, the reference's kept; changed in place."""
    strength = market.strength
    at = strength[market.channel(REFERENCE)]
    market.strength = at * (strength / at) ** power
    return market


def treatment(table: Table, market: Market) -> tuple[Ints, Floats]:
    """Return each row's category of contact (-1: held out) and its dose: lift times strength, both of shape (rows,)."""
    sent = table.offer >= 0
    treated = np.where(sent, market.category[table.offer], -1)
    return treated, np.where(sent, market.lift[table.offer] * market.strength[table.channel], 0.0)


def beyond_need(contacts: Table, category: Ints, need: Floats) -> Floats:
    """Return what was bought after contacts, in the categories of their offers, beyond the need, shape (rows,).

    Args:
        contacts: rows of a table that were contacted.
        category: shape (rows,), of each contact's offer.
        need: shape (rows,), chance of a purchase in it without the contact.
    """
    return np.minimum(contacts.bought[np.arange(len(contacts)), category], 1.0) - need


def dose_power(strength: Floats, need: Floats, found: Floats, noise: Floats) -> float:
    """Return the power of a channel's strength with which its contacts add purchases: the posterior mean over `POWERS`.

    found = gain x need x strength ** power + noise. With 1, a channel ten times as strong adds ten times as much; but who answers
    a call buys at most once, so calls add less than that. Taken for 1, a few calls of a log decide the slope of all messages.

    Args:
        strength: shape (rows,), of each contact's channel, over that of the reference.
        need: shape (rows,), chance of a purchase without the contact, times the offer's lift.
        found: shape (rows,), purchases beyond those expected without a contact.
        noise: shape (rows,), variance of `found`.
    """
    fit = np.zeros(len(POWERS))
    for i, power in enumerate(POWERS):
        x = need * strength**power
        precision = float((x * x / noise).sum()) + 1e-12
        pull = float((x * found / noise).sum())
        # Twice the logarithm of the evidence, the gain integrated out of a flat prior of the same width for all.
        fit[i] = pull * pull / precision - np.log(precision)
    weight = np.exp(0.5 * (fit - fit.max()))
    return float((weight * POWERS).sum() / weight.sum())


def ridge(
    x: Floats, y: Floats, weight: Floats, penalty: Floats | float, prior: Floats | float = 0.0
) -> Floats:
    """Return the weighted ridge regression of y on x, shrunk to `prior`; a penalty counts in rows of its column.

    Example:
        >>> x = np.array([[1.0], [1.0], [1.0], [1.0]])
        >>> ridge(x, np.array([1.0, 2.0, 3.0, 2.0]), np.ones(4), penalty=4.0)
        array([1.])
    """
    weighted = x * weight[:, None]
    gram = x.T @ weighted
    extra = penalty * np.diag(gram) / weight.sum() + 1e-12
    right = weighted.T @ y + extra * prior
    gram[np.diag_indices_from(gram)] += extra
    return np.asarray(np.linalg.solve(gram, right), dtype=np.float64)


def logistic(x: Floats, y: Bools, penalty: float = 10.0, steps: int = 8) -> Floats:
    """Return P(y) of a ridge-penalised logistic regression on standardised `x`, by Newton's steps, shape (rows,)."""
    spread = x.std(axis=0)
    z = np.concatenate(
        [np.ones((len(x), 1)), (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)], axis=1
    )
    beta = np.zeros(z.shape[1])
    diagonal = np.full(z.shape[1], penalty)
    diagonal[0] = 1e-6
    p = np.full(len(x), 0.5)
    for _ in range(steps):
        p = 1.0 / (1.0 + np.exp(-np.clip(z @ beta, -30.0, 30.0)))
        hessian = (z * (p * (1.0 - p))[:, None]).T @ z + np.diag(diagonal)
        beta += np.linalg.solve(hessian, z.T @ (y - p) - diagonal * beta)
    return p


def orthogonal(x: np.ndarray, dose: Floats, outcome: Floats) -> tuple[Floats, Floats]:
    """Return what of the outcome and of the dose their predictions from `x` leave over, both of shape (rows,).

    A regression of the one on the other gives the effect of the dose, and gives it as long as either prediction is right:
    it is doubly robust. The outcome's is two-fold cross-fitted boosting; the dose's is a logistic chance of any contact
    times the mean dose of a contact.

    Args:
        x: shape (rows, columns).
        dose: shape (rows,), 0 for the held out.
        outcome: shape (rows,).

    References:
        Robinson, Root-N-consistent semiparametric regression (Econometrica 1988); Nie and Wager, Quasi-oracle
        estimation of heterogeneous treatment effects (Biometrika 2021).
    """
    contacted = dose > 0.0
    expected = logistic(x.astype(np.float64), contacted) * dose[contacted].mean()
    fold = np.arange(len(x)) % 2 == 0
    predicted = np.full(len(x), outcome.mean())
    for half in (fold, ~fold):
        if np.ptp(outcome[~half]) > 0.0:
            model = boosted(False, trees=25, leaves=8, least=60).fit(x[~half], outcome[~half])
            predicted[half] = model.predict(x[half])
    return outcome - predicted, dose - expected
