"""Policies that learn from a randomised log: what they share, `propensity` and `capped_propensity`.

With a log (`brief.history`) a policy fits once, at reset. Without one (cold start) it opens an experiment of
its own: on a small random slice it contacts by lot or holds out, and fits when the outcomes are ripe, twice
at most.
"""

from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from cardarena.agents.base import BasePolicy, Dial, Knob
from cardarena.agents.boosting import boosted, one_thread_learning
from cardarena.agents.effects import stacked
from cardarena.agents.market import best_offer, reach
from cardarena.agents.practice import SimulatedLog, practice_table
from cardarena.agents.tables import LEARNED_FEATURES, ExplorationLog, Table, history_table, view_blocks
from cardarena.simulator.contracts import Brief, Contacts, Feedback, Floats, Ints, View
from cardarena.simulator.names import CATEGORIES, N_CATEGORIES

#: A model needs so many contacted and so many held-out rows to be fitted at all.
LEAST_ROWS: Final = 50
LEAST_PURCHASES: Final = 20
#: In a cold start, the first fit is made on this day at the earliest and the second after twice as many: when the
#: outcomes of the first weeks' experiment are ripe and there are enough of them.
FIRST_FIT_DAY: Final = 21
MOST_FITS: Final = 2


#: How often a policy that is fitted to a log decides.
EVERY_DAYS: Final = Knob("every_days", 1, 14, "days between decisions", whole=True)


class LoggedPolicy(BasePolicy):
    """A policy fitted to a `Table`; a kind of it says how to fit and how to score.

    States: *exploring* (no model: contacts by lot on a slice) -> *fitted*. With a log it is fitted from the
    start.

    Attributes:
        explored: share of the base in the experiment on a decision day of a cold start.
        contact_share: share of that slice which is contacted, the rest being held out.
        n_channels: how many channels, of the best buys, it uses.
    """

    league = "logged"
    every_days = 7
    features = LEARNED_FEATURES
    # Asked before `reset` has shown whether there is a log.
    wants_feedback = True
    explored: ClassVar[float] = 0.5
    contact_share: ClassVar[float] = 0.5
    n_channels: ClassVar[int] = 4
    #: The log that it is fitted to in place of the bank's own history, or None.
    practice: SimulatedLog | None = None

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Fit to the history, if there is one."""
        super().reset(brief, policy_seed)
        self._log = ExplorationLog(brief.n_cardholders)
        self._fit_days: list[int] = []
        self._fitted = False
        table = history_table(brief) if self.practice is None else practice_table(self.practice, brief)
        if table is not None:
            self._refit(table)
        # A log too short to be fitted to is no log.
        self._cold = not self._fitted

    def decide(self, view: View) -> Contacts:
        """Contact where the model says so; in a cold start, explore."""
        if not self._cold:
            return self.exploit(view, np.ones(view.n, dtype=bool))
        if len(self._fit_days) < MOST_FITS and view.day >= FIRST_FIT_DAY * (len(self._fit_days) + 1):
            self._refit(self._log.table(view.day), view.day)
        if len(self._fit_days) == MOST_FITS:
            return self.exploit(view, np.ones(view.n, dtype=bool))
        return self._explore(view)

    def learn(self, feedback: Feedback) -> None:
        """In a cold start, add outcomes to the experiment."""
        if self._cold:
            self._log.learn(feedback)

    def fit(self, table: Table) -> None:
        """Fit the models to `table`, which has enough rows."""
        raise NotImplementedError

    def exploit(self, view: View, free: NDArray[np.bool_]) -> Contacts:
        """Return the contacts of the fitted model among those who are `free`."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Return the experiment; models are fitted again from it, or from the brief's history."""
        return {**super().state(), "log": self._log.state(), "fit_days": list(self._fit_days)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back the experiment and fit as of the last fit."""
        super().load_state({name: value for name, value in state.items() if name not in ("log", "fit_days")})
        self._log.load_state(state["log"])
        self._fit_days = list(state["fit_days"])
        if self._fit_days:
            self._refit(self._log.table(self._fit_days[-1]))

    def _refit(self, table: Table, day: int | None = None) -> None:
        """Fit if there are rows enough; note the day of a fit in a cold start."""
        contacted = int((table.offer >= 0).sum())
        if min(contacted, len(table) - contacted) < LEAST_ROWS or table.bought.sum() < LEAST_PURCHASES:
            return
        with one_thread_learning():
            self.fit(table)
        self._fitted = True
        if day is not None:
            self._fit_days = [*self._fit_days, day]

    def _explore(self, view: View) -> Contacts:
        """Contact by lot in a random slice, hold out the rest of it, and leave everybody else to the model."""
        u_slice, u_contact, u_offer = self.luck(view).random((3, view.n))
        in_slice = (u_slice < self.explored) & (view["is_open"] > 0)
        offers = np.arange(self.market.n_offers)
        channel = reach(view, self.market, offers, self.market.order[: self.n_channels])
        # Somebody out of every channel's reach is neither contacted nor held out.
        in_slice &= (channel >= 0).any(axis=1)
        draw = np.flatnonzero(in_slice & (u_contact < self.contact_share))
        channel = channel[draw]
        ok = channel >= 0
        count = ok.sum(axis=1)
        wanted = np.minimum((u_offer[draw] * count).astype(np.int64), count - 1)
        offer = (np.cumsum(ok, axis=1) <= wanted[:, None]).sum(axis=1)
        lot = self.request(
            view,
            draw,
            offer,
            channel[np.arange(len(draw)), offer],
            propensity=self.explored * self.contact_share / np.maximum(count, 1),
            reason="drawn by lot, to learn",
        )
        self._log.add(view, np.flatnonzero(in_slice), lot)
        if not self._fitted:
            return lot
        reasons = self._reasons, self._noted
        model = self.exploit(view, ~in_slice)
        if not len(model):
            self._reasons, self._noted = reasons
            return lot
        return _merged(lot, model)


def _merged(a: Contacts, b: Contacts) -> Contacts:
    """Return two requests about different people as one, in id order."""
    if not len(a):
        return b
    order = np.argsort(np.concatenate([a.cardholder, b.cardholder]), kind="stable")
    names = ("cardholder", "offer", "channel", "depth", "minute", "priority", "propensity", "candidates")
    return Contacts(**{name: np.concatenate([getattr(a, name), getattr(b, name)])[order] for name in names})


def shrunk_ratio(found: Floats, expected: Floats) -> Floats:
    """Return found over expected counts, shrunk to 1: by empirical Bayes, with a gamma prior of the ratios.

    The prior's variance is what the counts scatter beyond a Poisson's luck; where they do not, ratios are 1. Without it, a
    lucky offer would be sent to everybody in place of a better one.

    Args:
        found: shape (m,), counts.
        expected: shape (m,), what they would be if all ratios were 1.

    Example:
        >>> shrunk_ratio(np.array([12.0, 8.0]), np.array([10.0, 10.0]))
        array([1., 1.])
        >>> shrunk_ratio(np.array([150.0, 50.0]), np.array([100.0, 100.0])).round(2)
        array([1.48, 0.52])
    """
    beyond = float(((found - expected) ** 2 - expected).sum())
    if beyond <= 0.0:
        return np.ones_like(expected)
    weight = float((expected**2).sum()) / beyond
    return (found + weight) / (expected + weight)


class ConversionModel:
    """P(purchase in the offer's category within 14 days | contacted, features, category), and how offers differ.

    Attributes:
        tilt: shape (offers,), conversion of each offer over its category's, shrunk to 1 as far as it is luck.
        rate: shape (categories,), logged conversion by category, shrunk to the mean.
    """

    def __init__(self, table: Table, category_of: Ints) -> None:
        """Fit to the contacted rows of `table`; offers are of the categories `category_of`, shape (offers,)."""
        sent = table.rows(np.flatnonzero(table.offer >= 0))
        k = category_of[sent.offer]
        converted = sent.bought[np.arange(len(sent)), k] > 0
        mean = float(converted.mean())
        taken = np.bincount(k, weights=converted, minlength=N_CATEGORIES)
        self.rate: Floats = (taken + 50 * mean) / (np.bincount(k, minlength=N_CATEGORIES) + 50)
        by_offer = np.bincount(sent.offer, weights=converted, minlength=len(category_of))
        expected = np.bincount(sent.offer, minlength=len(category_of)) * self.rate[category_of]
        self.tilt = shrunk_ratio(by_offer.astype(np.float64), expected)
        self._model = None
        if converted.any() and not converted.all():
            model = boosted(True, trees=40, leaves=12, least=40)
            self._model = model.fit(stacked(sent.person, sent.category, k), converted)
        self._constant = mean

    def predict(self, person: np.ndarray, category: np.ndarray, codes: Ints) -> Floats:
        """Return P(conversion) for everybody and each category of `codes`, shape (n, len(codes))."""
        n = len(person)
        if self._model is None or not n:
            return np.full((n, len(codes)), self._constant)
        rows = np.concatenate([stacked(person, category, k) for k in codes])
        return self._model.predict_proba(rows)[:, 1].reshape(len(codes), n).T


class Propensity(LoggedPolicy):
    """The foil: contacts whoever is likely to buy, again and again.

    Gradient boosting on logged contacts gives P(purchase | contact); each week everybody above a
    threshold gets the offer with the greatest P. It does not ask who would have bought anyway, what a contact
    costs, or how many there were. In a cold start it explores on a slice and fits twice, from day 21 on.

    Dial: least P at which to contact.
    """

    name = "propensity"
    title = "Greedy propensity"
    summary = "Gradient boosting of P(purchase | contact); contacts everybody above a threshold each week."
    dial_spec: ClassVar[Dial] = Dial("least P(purchase)", (0.0, 0.03, 0.1, 0.2), 0.1, 0.0, 1.0)

    def fit(self, table: Table) -> None:
        """Fit P(purchase | contact)."""
        self._model = ConversionModel(table, self.market.category)

    def exploit(self, view: View, free: NDArray[np.bool_]) -> Contacts:
        """Contact everybody above the threshold with the likeliest offer."""
        chance = self.chances(view)
        channel = reach(
            view, self.market, np.arange(self.market.n_offers), self.market.order[: self.n_channels]
        )
        best, score = best_offer(chance, channel >= 0)
        rows = np.flatnonzero(free & (view["is_open"] > 0) & (score >= self.dial))
        return self._contacts(view, rows, best, channel, score, score)

    def chances(self, view: View) -> Floats:
        """Return P(purchase | contact) of every person and offer, shape (n, offers)."""
        stocked = np.unique(self.market.category)
        with one_thread_learning():
            p = self._model.predict(*view_blocks(view), stocked)
        return np.clip(p[:, np.searchsorted(stocked, self.market.category)] * self._model.tilt, 0.0, 1.0)

    def _contacts(
        self, view: View, rows: Ints, best: Ints, channel: np.ndarray, score: Floats, chance: Floats
    ) -> Contacts:
        offer = best[rows]
        return self.request(
            view,
            rows,
            offer,
            channel[rows, offer],
            wanted_depth=1,
            priority=score[rows],
            reason="likely to buy in {category} within two weeks (P {chance:.3f})",
            category=np.array(CATEGORIES)[self.market.category[offer]],
            chance=chance[rows],
        )


class CappedPropensity(Propensity):
    """What banks run: propensity times the offer's margin, above a threshold, under a frequency cap.

    The cap counts this policy's own requests of the last 28 days and is never exceeded.
    In a cold start it explores on a slice, under the same cap, and fits twice, from day 21 on.

    Dial: contacts a person in 28 days.
    """

    name = "capped_propensity"
    title = "Capped propensity"
    summary = "Propensity times margin, above a value threshold and under a frequency cap: what banks run."
    dial_spec: ClassVar[Dial] = Dial("contacts in 28 days", (1.0, 2.0, 3.0, 4.0), 4.0, 0.0, 28.0)
    knobs = (
        Knob("dial", 1, 12, "contacts in 28 days", whole=True),
        Knob("threshold_cny", 0.0, 3.0, "least expected margin of a contact, CNY"),
        Knob("n_channels", 1, 6, "channels, of the best buys", whole=True),
        EVERY_DAYS,
    )
    kept = ("sent",)
    #: Expected margin below which a contact is not worth a person's attention, in CNY; tuned.
    threshold_cny: ClassVar[float] = 0.5

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Forget whom it contacted."""
        self.sent = np.zeros((28, brief.n_cardholders), dtype=np.int16)
        super().reset(brief, policy_seed)

    def decide(self, view: View) -> Contacts:
        """Contact within the cap, and count it."""
        self.sent[view.day % 28] = 0
        contacts = super().decide(view)
        below = self.sent.sum(axis=0)[contacts.cardholder] < round(self.dial)
        kept = _kept(contacts, below)
        self.sent[view.day % 28, kept.cardholder] += 1  # a person has one contact a decision
        return kept

    def exploit(self, view: View, free: NDArray[np.bool_]) -> Contacts:
        """Contact where P times margin exceeds cost, price and threshold."""
        free = free & (self.sent.sum(axis=0) < round(self.dial))
        chance = self.chances(view)
        channel = reach(
            view, self.market, np.arange(self.market.n_offers), self.market.order[: self.n_channels]
        )
        cost = np.where(channel >= 0, self.market.contact_mfen[channel], 0.0) + view.contact_price_mfen
        worth = chance * self.market.take_cny - cost * 1e-5
        best, score = best_offer(worth, channel >= 0)
        rows = np.flatnonzero(free & (view["is_open"] > 0) & (score > self.threshold_cny))
        return self._contacts(view, rows, best, channel, score, chance[np.arange(view.n), best])


def _kept(contacts: Contacts, keep: NDArray[np.bool_]) -> Contacts:
    """Return the contacts that are kept."""
    if keep.all():
        return contacts
    pick: dict[str, Any] = {n: None if v is None else v[keep] for n, v in vars(contacts).items()}
    return Contacts(**pick)
