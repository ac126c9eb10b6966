"""What anybody who reads the brief makes of it: what a take is worth, what a contact costs, which channel first."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardarena.simulator.bank.sending import LATEST_MINUTE as LATEST_MINUTE
from cardarena.simulator.bank.sending import SEND_MINUTE as SEND_MINUTE
from cardarena.simulator.bank.sending import send_minutes
from cardarena.simulator.contracts import Brief, Floats, Ints, View
from cardarena.simulator.names import CATEGORIES, CHANNELS, N_CATEGORIES, N_CONTEXTS

#: What a policy without data takes a click to be worth when it ranks channels; assumed.
CLICK_VALUE_MFEN: Final = 300_000
#: Interchange less points and fees on a purchase in a spending category, plus what revolves of it, ppm; assumed.
SPENDING_PPM: Final = 5_700
#: What a lost permission costs, CNY; assumed.
OPT_OUT_CNY: Final = 2.0
#: Code of a channel that shows its contacts at a visit to a branch.
BRANCH_VISIT: Final = 2
#: Bits of an int64 that can name a candidate offer.
CANDIDATE_BITS: Final = 63


class Market:
    """The brief's offers and channels in the units in which a policy thinks.

    Attributes:
        n_offers: number of offers.
        n_channels: number of channels.
        category: shape (offers,), category code of each offer.
        take_cny: shape (offers,), expected margin of one take, subsidy and credit loss taken off.
        standing_cny: shape (categories,), margin of a purchase by somebody who was not contacted.
        lift: shape (offers,), how much the offer's appeal multiplies a contact's effect; 1 is an average offer.
        notice: shape (channels,), probability that a contact is delivered and noticed.
        strength: shape (channels,), expected clicks of a generic contact, weighed by what such a click is worth.
        budget_cny: shape (channels,), what a contact is expected to take of the budget.
        contact_mfen: shape (channels,), expected cost of a contact, complaints and lost permissions included.
        minute: shape (channels,), minute of the day at which the channel sends.
        order: channel codes from the best buy to the worst; those that need partner data are left out.
        gentle: the app's own channels (push, in-app, mini-program), best first.
        messages: the bank's own channels without calls and without those that wait for a visit to a branch, ascending.
        voice: shape (channels,), whether a channel is a call.
        low_risk: codes of public offers that create no credit and need no explanation or special consent.
    """

    def __init__(self, brief: Brief) -> None:
        """Read the public fields of the catalogue."""
        offers, channels = brief.offers, brief.channels
        self.names = brief.offer_names
        self.n_offers, self.n_channels = len(offers), len(channels)
        self.category: Ints = offers["category"].astype(np.int64)
        subsidy = offers["incentive_fen"] * (1.0 - offers["merchant_share_ppm"] / 1e6)
        rate = (offers["margin_ppm"] - offers["credit_loss_ppm"]) / 1e6
        spending = offers["category"] < N_CONTEXTS
        # The catalogue gives the median of a log-normal amount; money is made on its mean.
        amount = offers["amount_fen"] * np.exp(0.5 * offers["amount_sigma"] ** 2)
        gross = offers["margin_fen"] + amount * (rate + spending * SPENDING_PPM * 1e-6)
        self.take_cny: Floats = (gross - subsidy) * 0.01
        self.standing_cny: Floats = self._standing(offers, gross * 0.01)
        self.lift: Floats = np.exp(0.5 * offers["appeal"])
        spent = channels["cost_mfen"] + channels["p_notice"] * channels["success_cost_mfen"]
        self.budget_cny: Floats = spent * 1e-5
        self.contact_mfen: Floats = (
            spent
            + channels["p_complaint"] * brief.complaint_cost_mfen
            + channels["p_opt_out"] * OPT_OUT_CNY * 1e5
        ).astype(np.float64)
        self.minute: Ints = send_minutes(channels)
        self.notice: Floats = (1.0 - channels["p_fail"]) * channels["p_notice"]
        self.strength: Floats = self.notice * channels["p_click"] * channels["interest"]
        merit = np.round(self.strength * CLICK_VALUE_MFEN - self.contact_mfen, 9)
        own = np.flatnonzero(channels["needs_partner_consent"] == 0)
        self.order: tuple[int, ...] = tuple(int(c) for c in own[np.argsort(-merit[own], kind="stable")])
        app = {CHANNELS.index(name) for name in ("app_push", "in_app", "mini_program")}
        self.gentle: tuple[int, ...] = tuple(c for c in self.order if c in app)
        self.voice: NDArray[np.bool_] = channels["is_voice"] > 0
        self.messages: Ints = np.sort(own[~self.voice[own] & (channels["at_visit"][own] != BRANCH_VISIT)])
        plain = (
            (offers["is_public"] == 1)
            & (offers["is_credit"] == 0)
            & (offers["needs_explanation"] == 0)
            & (offers["needs_partner_consent"] == 0)
            & (offers["needs_sensitive_consent"] == 0)
        )
        self.low_risk: Ints = np.flatnonzero(plain)

    def _standing(self, offers: np.ndarray, gross_cny: Floats) -> Floats:
        """Return the terms without a contact: a category's first public offer, or its first offer without the gift."""
        standing = np.zeros(N_CATEGORIES)
        for k in np.unique(self.category):
            own = self.of_category(k)
            sold = own[offers["amount_fen"][own] > 0]
            own = sold if len(sold) else own
            public = own[offers["is_public"][own] == 1]
            standing[k] = self.take_cny[public[0]] if len(public) else gross_cny[own[0]]
        return standing

    def channel(self, name: str) -> int:
        """Return the code of the channel `name`."""
        return CHANNELS.index(name)

    def channels(self, best_buys: int, strongest: int = 0) -> Ints:
        """Return so many best buys and so many of the strongest channels, ascending; partner data are not used."""
        ranked = sorted(self.order, key=lambda c: (-round(float(self.strength[c]), 9), c))
        return np.unique(np.array([*self.order[:best_buys], *ranked[:strongest]], dtype=np.int64))

    def per_yuan(self, value_cny: Floats, channel: Ints) -> Floats:
        """Return each contact's value per yuan of the budget that it takes: who goes first when money is short.

        Args:
            value_cny: shape (rows,), value of each contact.
            channel: shape (rows,), its channel.
        """
        return np.round(value_cny / np.maximum(self.budget_cny[channel], 1e-4), 9)

    def of_category(self, category: int) -> Ints:
        """Return the codes of the offers in `category`."""
        return np.flatnonzero(self.category == category)

    def bits(self, offers: Ints) -> int:
        """Return the candidate bit mask that names `offers`."""
        return sum(1 << int(o) for o in np.unique(offers) if o < CANDIDATE_BITS)


def per_category(view: View, prefix: str) -> NDArray[np.float32]:
    """Return the view's columns `prefix_<category>` side by side, shape (n, categories)."""
    return view.matrix([f"{prefix}_{name}" for name in CATEGORIES])


def relevance(view: View, spend: bool = True) -> Floats:
    """Return how relevant each category looks from precursors, purchases and spending, shape (n, categories)."""
    score = 2.0 * np.log1p(per_category(view, "precursor_7d").astype(np.float64))
    score += 0.5 * np.log1p(per_category(view, "category_purchases_112d"))
    if spend:
        contexts = [f"context_spend_28d_{name}_cny" for name in CATEGORIES[:5]]
        amount = view.matrix(contexts).astype(np.float64)
        score[:, :5] += amount / (amount.sum(axis=1, keepdims=True) + 1.0)
    return np.round(score, 9)


#: The columns that `relevance` reads.
RELEVANCE_FEATURES: Final = (
    *(f"precursor_7d_{name}" for name in CATEGORIES),
    *(f"category_purchases_112d_{name}" for name in CATEGORIES),
    *(f"context_spend_28d_{name}_cny" for name in CATEGORIES[:5]),
)


def worth_offering(market: Market) -> Ints:
    """Return the two best-paying offers of each category that pay at all: what a value-minded policy considers."""
    chosen = []
    for k in np.unique(market.category):
        own = market.of_category(k)
        own = own[market.take_cny[own] > 1.0]
        worth = np.round(market.take_cny[own] * market.lift[own], 9)
        chosen.extend(own[np.argsort(-worth, kind="stable")][:2])
    return np.sort(np.array(chosen, dtype=np.int64))


def affordable(view: View, cost_mfen: Floats, priority: Floats) -> NDArray[np.bool_]:
    """Return which rows the budget still pays for, first by priority, then by id."""
    if view.budget_left_mfen < 0:
        return np.ones(len(cost_mfen), dtype=bool)
    keep = np.zeros(len(cost_mfen), dtype=bool)
    order = np.argsort(-priority, kind="stable")
    # An empty purse pays for nothing, not even for a channel that costs nothing.
    keep[order] = (np.cumsum(cost_mfen[order]) <= view.budget_left_mfen) & (view.budget_left_mfen > 0)
    return keep
