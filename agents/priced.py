"""Increment against a price: the decision that `uplift` and `greedy_priced` share, and how each estimates it."""

from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from cardarena.agents.base import Dial, Knob
from cardarena.agents.boosting import one_thread_learning
from cardarena.agents.effects import (
    REFERENCE,
    EffectModel,
    NeedModel,
    beyond_need,
    dose_power,
    orthogonal,
    ridge,
    saturated,
    stacked,
    treatment,
)
from cardarena.agents.learned import EVERY_DAYS, LEAST_ROWS, LoggedPolicy
from cardarena.agents.market import Market, arm_values, arms_allowed, worth_offering
from cardarena.agents.tables import Table, thinned, view_blocks
from cardarena.simulator.contracts import Brief, Contacts, Floats, Ints, View
from cardarena.simulator.names import CATEGORIES, N_CATEGORIES

PRICE: Final = Knob("dial", 0.0, 4.0, "price of a contact, CNY")


class IncrementPolicy(LoggedPolicy):
    """Contacts with the best arm (offer, channel) where what it adds after its cost exceeds a price.

    What an arm adds: purchases, more by a stronger channel and a more appealing offer, times the offer's margin; and
    the change of terms for those who would have bought anyway. A kind of it fits the slopes of the `EffectModel`.

    It weighs all messages against each other, each by its own value and cost: what ranks channels for a policy without data,
    one value of a click, would leave the text message and the push out, by which most people can be reached. Calls are not
    for it: what they take from later contacts, in attention, refusals and complaints, is more than one price can stand for.
    By how much a stronger channel adds more is read from the log (`effects.dose_power`).
    """

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Choose the arms, and fit to the history, if there is one."""
        self._effect: EffectModel | None = None
        super().reset(brief, policy_seed)

    def fit(self, table: Table) -> None:
        """Fit the need, and then what a contact adds to it."""
        self.market = Market(self.brief)
        treated, _ = treatment(table, self.market)
        effect = EffectModel(NeedModel(table, treated))
        sent = np.flatnonzero(treated >= 0)
        part, k = table.rows(sent), treated[sent]
        need = effect.need.predict(part.person, part.category)[np.arange(len(sent)), k]
        power = dose_power(
            self.market.strength[part.channel] / self.market.strength[self.market.channel(REFERENCE)],
            need * self.market.lift[part.offer],
            beyond_need(part, k, need),
            np.maximum(need, 0.2 * effect.need.rate[k]),
        )
        saturated(self.market, power)
        _, dose = treatment(table, self.market)
        self.fit_slopes(effect, table, treated, dose)
        self._effect = effect

    def fit_slopes(self, effect: EffectModel, table: Table, treated: Ints, dose: Floats) -> None:
        """Give `effect` its slopes.

        Args:
            effect: changed in place; its need is fitted.
            table: the history.
            treated: shape (rows,), category of the contact, -1 without one.
            dose: shape (rows,), lift of the offer times strength of the channel, 0 without a contact.
        """
        raise NotImplementedError

    def exploit(self, view: View, free: NDArray[np.bool_]) -> Contacts:
        """Contact with the best arm where it is worth its price."""
        market, effect = self.market, self._effect
        assert effect is not None
        channels, offers = market.messages, worth_offering(market)
        person, category = view_blocks(view)
        with one_thread_learning():
            need = effect.need.predict(person, category)
            value = arm_values(market, channels, effect.added(person, category, need), need)
        ok = arms_allowed(view, market, offers, channels) & (free & (view["is_open"] > 0))[:, None, None]
        value = np.where(ok, np.round(value, 9), -np.inf).reshape(view.n, -1)
        arm = value.argmax(axis=1)
        score = value[np.arange(view.n), arm]
        price = self.dial + view.contact_price_mfen * 1e-5
        rows = np.flatnonzero(score > price)
        offer = arm[rows] // len(channels)
        k = market.category[offer]
        return self.request(
            view,
            rows,
            offer,
            channels[arm[rows] % len(channels)],
            wanted_depth=1,
            priority=market.per_yuan(score[rows], channels[arm[rows] % len(channels)]),
            candidates=offers,
            reason="need for {category} {need:.3f}; the contact should add {score:.2f} CNY (price {price:.2f})",
            category=np.array(CATEGORIES)[k],
            need=need[rows, k],
            score=score[rows],
            price=price,
        )


class Uplift(IncrementPolicy):
    """Contacts where a contact *changes* the expected margin by more than its price: a doubly robust learner.

    Per category, the contacted are compared with the held out, at most three to one. What two predictions leave over
    (purchases by cross-fitted boosting, the dose by a logistic chance of contact) is regressed on each other, with need
    and columns whose slopes all categories share: right if either prediction is. Purchases, not money, are compared:
    the luck of large tickets stays out, margins come from the catalogue.
    In a cold start it explores on a slice and fits twice, from day 21 on.

    Dial: price of a contact in CNY, on top of its costs and the arena's price.
    """

    name = "uplift"
    title = "Doubly robust uplift"
    summary = (
        "Contacts where the estimated change in margin, not the chance of a purchase, exceeds the price."
    )
    dial_spec: ClassVar[Dial] = Dial("contact price, CNY", (0.0, 0.1, 1.0, 2.0, 4.0), 0.1, 0.0)
    knobs = (PRICE, EVERY_DAYS)

    def fit_slopes(self, effect: EffectModel, table: Table, treated: Ints, dose: Floats) -> None:
        """Fit the effect to what the predictions of outcome and dose leave over."""
        need = effect.need
        anyway = need.predict(table.person, table.category)
        held_out = np.flatnonzero(treated < 0)
        columns, outcomes, weights = [], [], []
        for k in np.unique(self.market.category):
            own = np.flatnonzero(treated == k)
            rows = np.sort(np.concatenate([own, thinned(held_out, 3 * len(own))]))
            if len(own) < LEAST_ROWS or len(rows) < 2 * len(own):
                continue
            part, own_dose = table.rows(rows), np.where(treated[rows] == k, dose[rows], 0.0)
            bought = np.minimum(part.bought[:, k], 1.0)
            left, moved = orthogonal(stacked(part.person, part.category, int(k)), own_dose, bought)
            every = effect.columns(part.person, part.category, int(k), anyway[rows, k])
            columns.append(every * moved[:, None])
            outcomes.append(left)
            # Purchases scatter like their chance.
            weights.append(1.0 / np.maximum(anyway[rows, k], 0.2 * need.rate[k]))
        if columns:
            x, y, w = np.concatenate(columns), np.concatenate(outcomes), np.concatenate(weights)
            # A penalty in rows means rows with a contact; beside each stand three without.
            effect.slopes = ridge(x, y, w / w.mean(), 4.0 * effect.penalty, effect.prior)


class GreedyPriced(IncrementPolicy):
    """The expected increment of the next two weeks against one tuned price of a contact.

    One ridge regression, over all categories, of purchases beyond the need model on the same columns twice: once for
    everybody, and once times the dose of a contact (strength of its channel, appeal of its offer); the second half
    is the increment. The price stands in for all that a greedy policy does not see: wear, annoyance, permissions,
    the next contact's attention.
    In a cold start it explores on a slice and fits twice, from day 21 on.

    Dial: price of a contact in CNY, on top of its cost and the arena's price.
    """

    name = "greedy_priced"
    title = "Greedy with a contact price"
    summary = "Expected incremental value of the next two weeks against one tuned contact price."
    dial_spec: ClassVar[Dial] = Dial("contact price, CNY", (0.0, 0.1, 1.0, 2.0, 4.0), 0.1, 0.0)
    knobs = (PRICE, EVERY_DAYS)

    def fit_slopes(self, effect: EffectModel, table: Table, treated: Ints, dose: Floats) -> None:
        """Fit base and increment together, over all stocked categories."""
        need = effect.need
        anyway = need.predict(table.person, table.category)
        designs, outcomes, weights = [], [], []
        for k in np.unique(self.market.category):
            columns = effect.columns(table.person, table.category, int(k), anyway[:, k])
            designs.append(np.concatenate([columns, columns * (dose * (treated == k))[:, None]], axis=1))
            outcomes.append(np.minimum(table.bought[:, k], 1.0) - anyway[:, k])
            weights.append(1.0 / np.maximum(anyway[:, k], 0.2 * need.rate[k]))
        x, y, w = np.concatenate(designs), np.concatenate(outcomes), np.concatenate(weights)
        half = x.shape[1] // 2
        # Rows without a contact say nothing of its effect; a penalty in rows means rows with one.
        share = float((treated >= 0).mean()) / N_CATEGORIES
        penalty = np.concatenate([np.full(half, 200.0), effect.penalty / max(share, 1e-6)])
        prior = np.concatenate([np.zeros(half), effect.prior])
        effect.slopes = ridge(x, y, w / w.mean(), penalty, prior)[half:]
