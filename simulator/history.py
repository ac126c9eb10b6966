"""The logged history: what a bank's data team has of the randomised burn-in, one row per sampled person and decision day."""

import numpy as np
from numba import njit

from cardarena.simulator.bank.features import FEATURE_INDEX
from cardarena.simulator.behaviour import randomness
from cardarena.simulator.behaviour.randomness import CARDHOLDER, draw
from cardarena.simulator.contracts import History
from cardarena.simulator.log import RunLog
from cardarena.simulator.names import N_CATEGORIES

#: Outcomes are counted over so many days after the decision.
OUTCOME_DAYS = 14
#: Rows that the history aims at; more teaches little and costs every learner its time.
TARGET_ROWS = 40_000


@njit(cache=True)
def _sampled(seed, day, n, share, out):
    for i in range(n):
        u, _, _, _ = draw(seed, i, day, CARDHOLDER, randomness.EXPERIMENT, 0, 0, 0, 0, 0)
        out[i] = u < share


@njit(cache=True)
def _pseudonym_keys(seed, day, out):
    for i in range(out.size):
        _, out[i], _, _ = draw(seed, i, day, CARDHOLDER, randomness.EXPERIMENT, 0, 0, 0, 0, 0)


class HistoryRecorder:
    """Collects feature rows on decision days of the burn-in; `build` joins the outcomes. States: recording -> built."""

    def __init__(self, seed: int, n: int, decision_days: int) -> None:
        """Sample so many people a decision day that about `TARGET_ROWS` come together."""
        self.seed, self.n = seed, n
        self.share = min(1.0, TARGET_ROWS / max(1, n * decision_days))
        self._rows: list[np.ndarray] = []
        self._features: list[np.ndarray] = []
        self._days: list[int] = []
        self._propensities: list[np.ndarray] = []

    def record(self, day: int, matrix: np.ndarray, order: np.ndarray, held_out: np.ndarray | None) -> None:
        """Keep the view's rows of a sample of people.

        Args:
            day: the decision day.
            matrix: the view, shape (features, n), in view order.
            order: true row of each view id.
            held_out: probability with which each view id was left alone, shape (n,), or None if the policy does not say.
        """
        chosen = np.zeros(self.n, dtype=np.bool_)
        _sampled(np.uint64(self.seed), day, self.n, self.share, chosen)
        # Whoever switched personalisation off is not learnt from.
        positions = np.flatnonzero(chosen[order] & (matrix[FEATURE_INDEX["behaviour_missing"]] == 0.0))
        self._rows.append(order[positions])
        self._features.append(np.ascontiguousarray(matrix[:, positions].T))
        self._propensities.append(np.ones(positions.size) if held_out is None else held_out[positions])
        self._days.append(day)

    def build(self, log: RunLog) -> History | None:
        """Join actions and outcomes from the burn-in's log; None if nothing was recorded."""
        if not self._rows:
            return None
        holder = np.concatenate(self._rows).astype(np.int64)
        day = np.concatenate(
            [np.full(r.size, d, dtype=np.int64) for r, d in zip(self._rows, self._days, strict=True)]
        )
        left_alone = np.concatenate(self._propensities)
        action = self._actions(log, holder, day)
        bought, value, opted_out = self._outcomes(log, holder, day)
        clicked, delivered = self._reactions(log, holder, day)
        offer = action["offer"]
        category = np.where(offer >= 0, log.facts["offer_category"][np.maximum(offer, 0)], 0)
        converted = (offer >= 0) & (bought[np.arange(holder.size), category] > 0)
        return History(
            cardholder=self._pseudonyms(holder),
            features=np.concatenate(self._features).astype(np.float32),
            day=day,
            offer=offer,
            channel=action["channel"],
            depth=action["depth"],
            propensity=np.where(offer >= 0, action["propensity"], left_alone),
            delivered=delivered & (offer >= 0),
            clicked=clicked & (offer >= 0),
            converted=converted,
            bought=bought,
            value_fen=value,
            opted_out=opted_out,
        )

    def _pseudonyms(self, holder: np.ndarray) -> np.ndarray:
        """Return a number for each row's cardholder, the cardholders counted in an order by lot that says nothing of them."""
        keys = np.empty(self.n)
        _pseudonym_keys(np.uint64(self.seed), self._days[0], keys)
        met, at = np.unique(holder, return_inverse=True)
        number = np.empty(met.size, dtype=np.int64)
        number[np.lexsort((met, keys[met]))] = np.arange(met.size)
        return number[at]

    def _actions(self, log: RunLog, holder: np.ndarray, day: np.ndarray) -> dict[str, np.ndarray]:
        """Return the first contact that passed on that day, or -1."""
        table = log.table("decisions")
        keep = (table["passed"] == 1) & (table["ordinal"] == 0)
        if not keep.any():
            nothing = np.full(holder.size, -1)
            return {
                "offer": nothing,
                "channel": nothing,
                "depth": nothing,
                "propensity": np.ones(holder.size),
            }
        keys = table["day"][keep].astype(np.int64) * self.n + table["cardholder"][keep]
        at = _lookup(keys, day * self.n + holder)
        out = {}
        for name in ("offer", "channel", "depth"):
            out[name] = np.where(at >= 0, table[name][keep].astype(np.int64)[at], -1)
        out["propensity"] = np.where(at >= 0, table["propensity_ppm"][keep][at] * 1e-6, 1.0)
        return out

    def _reactions(self, log: RunLog, holder: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        contacts, responses = log.table("contacts"), log.table("responses")
        wanted = day * self.n + holder
        arrived = contacts["status"] == 0
        delivered = np.isin(
            wanted,
            contacts["decided_day"][arrived].astype(np.int64) * self.n + contacts["cardholder"][arrived],
        )
        click = responses["action"] == 1
        clicked = np.isin(
            wanted, responses["decided_day"][click].astype(np.int64) * self.n + responses["cardholder"][click]
        )
        return clicked, delivered

    def _outcomes(
        self, log: RunLog, holder: np.ndarray, day: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return purchases per category, margin, and refusals within `OUTCOME_DAYS`, by cumulated daily sums."""
        first = int(day.min())
        days = int(day.max()) - first + OUTCOME_DAYS + 1
        shape = (days + 1) * self.n

        def within(rows: dict[str, np.ndarray], keep: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
            d = rows["day"][keep].astype(np.int64) - first
            ok = (d >= 0) & (d < days)
            cell = (d[ok] + 1) * self.n + rows["cardholder"][keep][ok]
            total = np.bincount(cell, None if weight is None else weight[keep][ok], minlength=shape)
            total = np.cumsum(total.reshape(days + 1, self.n), axis=0)
            start = day - first
            return total[start + OUTCOME_DAYS, holder] - total[start, holder]

        responses = log.table("responses")
        bought = np.zeros((holder.size, N_CATEGORIES), dtype=np.int16)
        for k in range(N_CATEGORIES):
            keep = (responses["action"] >= 2) & (responses["category"] == k)
            bought[:, k] = within(responses, keep, None)
        value = np.zeros(holder.size)
        for name in ("transactions", "contacts", "responses", "complaints", "consents"):
            table = log.table(name)
            everything = np.ones(table["day"].size, dtype=np.bool_)
            value += within(table, everything, table["value_mfen"] / 1000.0)
        consents = log.table("consents")
        refused = within(consents, consents["change"] == 0, None) > 0
        return bought, value, refused


def _lookup(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the position of each wanted key, or -1."""
    if keys.size == 0:
        return np.full(wanted.size, -1)
    order = np.argsort(keys, kind="stable")
    at = np.minimum(np.searchsorted(keys, wanted, sorter=order), keys.size - 1)
    found = order[at]
    return np.where(keys[found] == wanted, found, -1)
