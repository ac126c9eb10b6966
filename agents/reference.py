"""Reference policies: what the others are measured against. `silent`, `status_quo`, `caretaker`, `random`."""

from typing import ClassVar, Final

import numpy as np

from cardarena.agents.base import BasePolicy, Dial
from cardarena.agents.market import (
    RELEVANCE_FEATURES,
    arms_allowed,
    best_offer,
    per_category,
    reach,
    relevance,
)
from cardarena.simulator.contracts import Brief, Contacts, Floats, Ints, View
from cardarena.simulator.names import CATEGORIES

#: Length of the campaign month, four weeks counted from day 0; its last week is the month-end push. Views do not
#: say the day of the calendar month.
MONTH_DAYS: Final = 28


class Silent(BasePolicy):
    """Contacts nobody: the world from which every increment is counted. It has no dial."""

    name, league = "silent", "reference"
    title = "Silence"
    summary = "Contacts nobody; the base of every increment."
    features = ("is_open",)

    def decide(self, view: View) -> Contacts:
        """Return no contacts."""
        return Contacts.none()


class StatusQuo(BasePolicy):
    """What banks do today: an SMS, push and call mix at a fixed monthly rate, weakly targeted, stronger at month-end.

    Each week a slice of the base is held out at random. Of the others, each is contacted with a probability
    that rises with recent use and spend and in the last week of the campaign month; then a channel is drawn
    by its rate, and an offer, half uniformly and half by relevance, among what the rules allow on that
    channel. Every probability is known, so the log of this policy is data from which to learn.

    Dial: contacts a person and campaign month of four weeks.
    """

    name, league = "status_quo", "reference"
    title = "Status quo"
    summary = (
        "A randomised SMS, push and call mix at a fixed monthly rate, weakly targeted, stronger at month-end."
    )
    dial_spec: ClassVar[Dial] = Dial("contacts a reachable person and month", (1.5, 3.0, 4.5), 3.0, 0.0, 30.0)
    features = ("is_open", "recency_days", "spend_28d_cny", *RELEVANCE_FEATURES)
    #: Share of the contacts by channel.
    mix: ClassVar[dict[str, float]] = {"sms": 0.48, "app_push": 0.46, "human_call": 0.03, "ai_call": 0.03}
    #: Share of the base left alone by lot on every decision day, whoever they are.
    slice_share: ClassVar[float] = 0.1
    month_end: ClassVar[tuple[float, float]] = (0.85, 1.6)
    #: Shape (n,), probability with which each cardholder was left alone in the last decision; None before the first.
    held_out: Floats | None = None

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Forget the last decision."""
        super().reset(brief, policy_seed)
        self.held_out = None

    def decide(self, view: View) -> Contacts:
        """Draw whom to contact, by which channel, with which offer."""
        market, n = self.market, view.n
        u_hold, u_contact, u_channel, u_offer = self.luck(view).random((4, n))
        p = self.contact_chance(view)
        channels = self.channel_codes()
        allowed = arms_allowed(view, market, np.arange(market.n_offers), channels)
        share = self.channel_share() * allowed.any(axis=1)
        chosen = (u_hold >= self.slice_share) & (u_contact < p) & (view["is_open"] > 0)
        rows = np.flatnonzero(chosen & (share.sum(axis=1) > 0.0))
        drawn, p_channel = _drawn(share[rows], u_channel[rows])
        self.held_out = np.where(share.sum(axis=1) > 0.0, 1.0 - (1.0 - self.slice_share) * p, 1.0)
        offer, p_offer = _drawn(self.offer_weight(view, rows) * allowed[rows, :, drawn], u_offer[rows])
        chance = (1.0 - self.slice_share) * p[rows] * p_channel * p_offer
        return self.request(
            view,
            rows,
            offer,
            channels[drawn],
            propensity=chance,
            reason="drawn by lot with chance {chance:.4f}; last used the card {recency:.0f} days ago",
            chance=chance,
            recency=view["recency_days"][rows],
        )

    def channel_codes(self) -> Ints:
        """Return the codes of the channels that it draws from, shape (channels,)."""
        return np.array([self.market.channel(name) for name in self.mix])

    def contact_chance(self, view: View) -> Floats:
        """Return the chance of a contact of each who is not held out, shape (n,)."""
        late = view.day % MONTH_DAYS >= MONTH_DAYS - 7
        active = (view["recency_days"] <= 14).astype(np.float64)
        spender = (view["spend_28d_cny"] >= 2_000).astype(np.float64)
        weekly = self.dial * self.every_days / MONTH_DAYS * self.month_end[int(late)]
        return np.clip(weekly * (0.75 + 0.25 * active + 0.2 * spender), 0.0, 0.95)

    def channel_share(self) -> Floats:
        """Return the weight of each channel where it is open, shape (channels,)."""
        return np.array(list(self.mix.values()))

    def offer_weight(self, view: View, rows: Ints) -> Floats:
        """Return the weight of each offer where it is allowed, shape (rows, offers)."""
        taste = np.exp(np.minimum(relevance(view), 4.0))[rows][:, self.market.category]
        return 0.5 + 0.5 * taste / taste.mean(axis=1, keepdims=True)


class Caretaker(BasePolicy):
    """A modest fixed policy under which both worlds run out after the decision days.

    A public offer that creates no credit, by the app's own channels, to people who lately showed a need, and
    never twice within the dial's days.

    Dial: least days between two contacts of one person.
    """

    name, league = "caretaker", "reference"
    title = "Caretaker"
    summary = (
        "At most one push or in-app contact a fortnight, only on a sign of need, public low-risk offers."
    )
    dial_spec: ClassVar[Dial] = Dial("least days between contacts", (7.0, 14.0, 28.0), 14.0, 1.0)
    features = ("is_open", "days_since_contact", *(f"precursor_7d_{name}" for name in CATEGORIES))
    kept = ("last_day",)
    #: Precursors of the last seven days, decayed, below which nothing is seen.
    signal: ClassVar[float] = 0.5

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Forget whom it contacted."""
        super().reset(brief, policy_seed)
        self.last_day = np.full(brief.n_cardholders, -10_000, dtype=np.int64)

    def decide(self, view: View) -> Contacts:
        """Contact those with a sign of need who were left alone long enough."""
        market = self.market
        rested = (view["days_since_contact"] >= self.dial) & (view.day - self.last_day >= self.dial)
        signs = per_category(view, "precursor_7d").astype(np.float64)[:, market.category[market.low_risk]]
        waiting = np.flatnonzero(
            (view["is_open"] > 0) & rested & (signs.max(axis=1, initial=0.0) >= self.signal)
        )
        if not len(waiting):
            return self.request(view, waiting, 0, 0)
        channel = reach(view, market, market.low_risk, market.gentle)[waiting]
        appeal = np.clip(self.brief.offers["appeal"][market.low_risk], -1.0, 1.0)
        seen = signs[waiting] >= self.signal
        best, score = best_offer(signs[waiting] + 0.1 * appeal, seen & (channel >= 0))
        found = np.flatnonzero(np.isfinite(score))
        rows = waiting[found]
        contacts = self.request(
            view,
            rows,
            market.low_risk[best[found]],
            channel[found, best[found]],
            priority=score[found],
            candidates=market.low_risk,
            reason="signs of need {signs:.1f} in the last week; not contacted for {quiet:.0f} days",
            signs=signs[rows, best[found]],
            quiet=view["days_since_contact"][rows],
        )
        self.last_day[contacts.cardholder] = view.day
        return contacts


class Random(BasePolicy):
    """A contact by lot: person, offer and channel drawn uniformly among what the rules allow.

    Dial: contacts a person and week.
    """

    name, league = "random", "reference"
    title = "By lot"
    summary = "Person, offer and channel drawn uniformly among what the rules allow."
    dial_spec: ClassVar[Dial] = Dial("contacts a person and week", (0.1, 0.25, 0.5, 1.0), 0.25, 0.0, 1.0)
    features = ("is_open",)
    #: Channels drawn from, of the best buys.
    n_channels: ClassVar[int] = 4

    def decide(self, view: View) -> Contacts:
        """Draw whom, what and how."""
        market = self.market
        u_contact, u_action = self.luck(view).random((2, view.n))
        rows = np.flatnonzero((view["is_open"] > 0) & (u_contact < self.dial))
        channels = market.order[: self.n_channels]
        offers = np.arange(market.n_offers)
        open_to = [reach(view, market, offers, (channel,))[rows] >= 0 for channel in channels]
        ok = np.concatenate(open_to, axis=1) if open_to else np.zeros((len(rows), 0), dtype=bool)
        count = ok.sum(axis=1)
        rows, ok, count = rows[count > 0], ok[count > 0], count[count > 0]
        wanted = np.minimum((u_action[rows] * count).astype(np.int64), count - 1)
        action = (np.cumsum(ok, axis=1) <= wanted[:, None]).sum(axis=1)
        return self.request(
            view,
            rows,
            action % market.n_offers,
            np.asarray(channels, dtype=np.int64)[action // market.n_offers] if len(rows) else 0,
            propensity=self.dial / count,
            reason="drawn by lot among {count} allowed actions",
            count=count,
        )


def _drawn(weight: Floats, u: Floats) -> tuple[Ints, Floats]:
    """Draw a column in each row by its weight from a uniform number; return it and the probability that it had.

    Args:
        weight: shape (rows, columns), not negative, with a positive sum in each row.
        u: shape (rows,), in (0, 1).
    """
    p = weight / weight.sum(axis=1, keepdims=True)
    pick = np.minimum((u[:, None] >= np.cumsum(p, axis=1)).sum(axis=1), p.shape[1] - 1)
    rows = np.arange(len(p))
    # Rounding of the cumulated sum must not land on a column of weight nought.
    pick = np.where(p[rows, pick] > 0.0, pick, p.argmax(axis=1))
    return pick, p[rows, pick]
