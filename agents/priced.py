"""Value against a price: `greedy_priced`."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cardarena.agents.base import Dial, one_thread
from cardarena.agents.effects import effect_design, purchase_worth, ridge
from cardarena.agents.learned import LoggedPolicy, priced_contacts
from cardarena.agents.tables import Table, view_blocks
from cardarena.simulator.contracts import Contacts, Floats, View
from cardarena.simulator.names import N_CATEGORIES


class GreedyPriced(LoggedPolicy):
    """The expected increment of the next two weeks against one tuned price of a contact.

    One ridge regression of purchases, relative to each category's rate, on the same columns twice: once for
    everybody, and once for the contacted; the second half is the increment. Its price stands in for all that
    a greedy policy does not see: wear, annoyance, permissions, the next contact's attention. In a cold start
    it explores on a slice and fits on days 21 and 42.

    Dial: price of a contact in CNY, on top of its cost and the arena's price.
    """

    name = "greedy_priced"
    title = "Greedy with a contact price"
    summary = "Expected incremental value of the next two weeks against one tuned contact price."
    dial_spec: ClassVar[Dial] = Dial("contact price, CNY", (0.0, 0.25, 0.5, 1.0, 2.0), 0.5, 0.0)
    penalty: ClassVar[float] = 100.0

    def fit(self, table: Table) -> None:
        """Fit base and increment together, over all stocked categories."""
        market = self.market
        self._worth = purchase_worth(table, market.category, market.take_fen)
        treated = np.where(table.offer >= 0, market.category[table.offer], -1)
        bought = np.minimum(table.bought, 2.0)
        self._rate: Floats = (bought.sum(axis=0) + 5.0 * bought.mean()) / (len(table) + 5.0) + 1e-6
        designs, outcomes, weights = [], [], []
        for k in np.unique(market.category):
            base = self._columns(table.person, table.category, int(k))
            designs.append(np.concatenate([base, base * (treated == k)[:, None]], axis=1))
            outcomes.append(bought[:, k] / self._rate[k])
            # Rare purchases scatter like their rate.
            weights.append(np.full(len(table), self._rate[k]))
        x, y, w = np.concatenate(designs), np.concatenate(outcomes), np.concatenate(weights)
        slopes = ridge(x, y, w / w.mean(), self.penalty)
        self._increment: Floats = slopes[x.shape[1] // 2 :]

    def effects(self, view: View) -> Floats:
        """Return the expected increment by a contact of each category, CNY, shape (n, categories)."""
        person, category = view_blocks(view)
        with one_thread():
            columns = [
                self._columns(person, category, k) @ self._increment * self._rate[k] * self._worth[k]
                for k in range(N_CATEGORIES)
            ]
        return np.stack(columns, axis=1)

    def exploit(self, view: View, free: NDArray[np.bool_]) -> Contacts:
        """Contact where the increment exceeds cost and price."""
        effect = self.effects(view)[:, self.market.category]
        return priced_contacts(self, view, free, effect, self.dial, self.n_channels)

    @staticmethod
    def _columns(person: np.ndarray, category: np.ndarray, k: int) -> Floats:
        """Return the shared columns and the category's dummies, shape (n, columns)."""
        dummies = np.zeros((len(person), N_CATEGORIES))
        dummies[:, k] = 1.0
        return np.concatenate([effect_design(person, category, k), dummies], axis=1)
