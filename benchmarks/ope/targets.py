"""Target policies: the randomised status quo, tilted.

Each factor of the status quo's chances is tilted and normalised again: the odds of a contact, the shares of the channels, the
weights of the offers. A tilted policy can do nothing that the status quo could not, so that its value can be estimated from the
status quo's log at all; and every chance is known, so that nothing about the weights is estimated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from cardarena.agents.market import arms_allowed, per_category, relevance
from cardarena.agents.reference import StatusQuo
from cardarena.simulator.contracts import Bools, Floats, Ints, View
from cardarena.simulator.errors import UnknownNameError
from cardarena.simulator.names import CATEGORIES

#: Precursors of the last seven days, decayed, above which somebody shows a need, as for the caretaker.
_SIGNAL: Final = 0.5


@dataclass(frozen=True)
class Tilt:
    """How a target differs from the status quo.

    Attributes:
        title: what it does.
        contact_odds: factor on the odds of a contact.
        needed_odds: a further factor for who shows a need; its inverse for who does not.
        channels: factor on the share of a channel.
        relevance: the weight of an offer is multiplied by the exponential of this times its relevance.
        categories: factor on the weight of the offers of a category.
    """

    title: str
    contact_odds: float = 1.0
    needed_odds: float = 1.0
    channels: Mapping[str, float] = field(default_factory=dict[str, float])
    relevance: float = 0.0
    categories: Mapping[str, float] = field(default_factory=dict[str, float])


TARGETS: Final[dict[str, Tilt]] = {
    "quiet": Tilt("few are contacted", contact_odds=0.1),
    "quieter": Tilt("fewer are contacted", contact_odds=0.4),
    "louder": Tilt("more are contacted", contact_odds=2.5),
    "when_needed": Tilt("who shows a need is contacted, others seldom", needed_odds=4.0),
    "by_push": Tilt("by push where that is open", channels={"app_push": 4.0}),
    "by_call": Tilt("by people's calls more often", channels={"human_call": 8.0}),
    "relevant": Tilt("the offers that look relevant", relevance=0.7),
    "no_instalments": Tilt("hardly an offer of instalments", categories={"instalment": 0.15}),
}


@dataclass(frozen=True)
class Chances:
    """What a policy does with each cardholder in one decision.

    Attributes:
        contact: shape (n,), chance of a contact.
        channel: shape (n, channels), chance of a contact by each channel.
        offer: shape (n, offers), chance of a contact with each offer.
    """

    contact: Floats
    channel: Floats
    offer: Floats
    _weight: Floats
    _total: Floats

    def of(self, rows: Ints, channel: Ints, offer: Ints) -> Floats:
        """Return the chance of these contacts, shape (rows,); `channel` counts the policy's channels."""
        return (
            self.channel[rows, channel]
            * self._weight[rows, offer]
            / np.maximum(self._total[rows, channel], 1e-300)
        )


class Tilted(StatusQuo):
    """The status quo with its chances tilted. It draws as the status quo does, with the same luck."""

    name = "tilted"

    def __init__(self, tilt: Tilt, dial: float | None = None) -> None:
        """Take the tilt.

        Raises:
            UnknownNameError: a channel that the status quo does not use, or an unknown category.
        """
        super().__init__(dial)
        self.tilt = tilt
        for name in tilt.channels:
            if name not in self.mix:
                raise UnknownNameError("channel of the status quo", name, self.mix)
        for name in tilt.categories:
            if name not in CATEGORIES:
                raise UnknownNameError("category", name, CATEGORIES)

    def contact_chance(self, view: View) -> Floats:
        """Return the chance of a contact, its odds tilted, shape (n,)."""
        p = super().contact_chance(view)
        odds = np.full(view.n, self.tilt.contact_odds)
        if self.tilt.needed_odds != 1.0:
            shows = per_category(view, "precursor_7d").max(axis=1) >= _SIGNAL
            odds *= np.where(shows, self.tilt.needed_odds, 1.0 / self.tilt.needed_odds)
        return odds * p / (1.0 - p + odds * p)

    def channel_share(self) -> Floats:
        """Return the weight of each channel, tilted, shape (channels,)."""
        return super().channel_share() * np.array([self.tilt.channels.get(name, 1.0) for name in self.mix])

    def offer_weight(self, view: View, rows: Ints) -> Floats:
        """Return the weight of each offer, tilted, shape (rows, offers)."""
        category = self.market.category
        weight = super().offer_weight(view, rows)
        if self.tilt.relevance:
            weight = (
                weight * np.exp(self.tilt.relevance * np.minimum(relevance(view), 4.0))[rows][:, category]
            )
        factor = np.array([self.tilt.categories.get(name, 1.0) for name in CATEGORIES])
        return weight * factor[category]

    def chances(self, view: View, allowed: Bools) -> Chances:
        """Return what it does with each cardholder.

        Args:
            view: the bank's sight.
            allowed: shape (n, offers, channels), which arms pass every rule now; see `open_to`.
        """
        share = self.channel_share() * allowed.any(axis=1)
        total = share.sum(axis=1, keepdims=True)
        contact = (1.0 - self.slice_share) * self.contact_chance(view) * (total[:, 0] > 0.0)
        channel = contact[:, None] * share / np.maximum(total, 1e-300)
        weight = self.offer_weight(view, np.arange(view.n))
        weights = np.einsum("no,noc->nc", weight, allowed)
        per_weight = channel / np.maximum(weights, 1e-300)
        offer = weight * np.einsum("nc,noc->no", per_weight, allowed)
        return Chances(contact, channel, offer, weight, weights)

    def open_to(self, view: View) -> Bools:
        """Return which arms pass every rule now, shape (n, offers, channels)."""
        return arms_allowed(view, self.market, np.arange(self.market.n_offers), self.channel_codes())


def make_target(name: str) -> Tilted:
    """Return the target policy called `name`.

    Raises:
        UnknownNameError: no such target.
    """
    if name not in TARGETS:
        raise UnknownNameError("target", name, TARGETS)
    return Tilted(TARGETS[name])
