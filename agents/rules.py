"""Rules that a person could write down: `blast`, `cadence`, `rfm`, `segment`."""

from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from cardarena.agents.base import BasePolicy, Dial
from cardarena.agents.market import RELEVANCE_FEATURES, best_offer, per_category, reach, relevance
from cardarena.agents.reference import MONTH_DAYS
from cardarena.simulator.contracts import Bools, Brief, Contacts, Floats, Ints, View
from cardarena.simulator.names import CATEGORIES, DIMENSIONS

#: Days of the campaign month on which `blast` may send, the most wanted first; all in the month's last third.
BLAST_DAYS: Final = (27, 25, 23, 21, 26, 24, 22, 20, 19, 18)


class Blast(BasePolicy):
    """The month-end batch: everybody, the same offer, by SMS, or by push where SMS is closed.

    The offer of a batch is the catalogue's next in the order of incentive; what the rules forbid a person is
    not sent.

    Dial: batches a month.
    """

    name, league = "blast", "cold"
    title = "Month-end blast"
    summary = "Everybody, the same offer, by SMS or push, in the last days of the campaign month."
    every_days = 1
    dial_spec: ClassVar[Dial] = Dial(
        "batches a month", (1.0, 2.0, 4.0, 8.0), 2.0, 0.0, float(len(BLAST_DAYS))
    )
    features = ("is_open",)

    def decide(self, view: View) -> Contacts:
        """Send today's batch, if today has one."""
        month, today = divmod(view.day, MONTH_DAYS)
        days = sorted(BLAST_DAYS[: round(self.dial)])
        if today not in days:
            return self.request(view, np.zeros(0, dtype=np.int64), 0, 0)
        offers = self.brief.offers
        plain = np.flatnonzero(
            (offers["needs_partner_consent"] == 0) & (offers["needs_sensitive_consent"] == 0)
        )
        ranked = plain[np.argsort(-offers["incentive_fen"][plain], kind="stable")]
        offer = int(ranked[(month * len(days) + days.index(today)) % len(ranked)])
        channels = self.market.channel("sms"), self.market.channel("app_push")
        found = reach(view, self.market, np.array([offer]), channels)[:, 0]
        rows = np.flatnonzero(found >= 0)
        return self.request(
            view,
            rows,
            offer,
            found[rows],
            candidates=np.array([offer]),
            reason="month-end batch to everybody, day {today} of the campaign month",
            today=today,
        )


class Cadence(BasePolicy):
    """A fixed rhythm: every k days a contact for each person, its offer rotating through what is relevant to them.

    The base is spread over the days by id, so that volume is even. The j-th contact takes the offer of the
    person's (j mod 3)-th most relevant category.

    Dial: k, days between two contacts of one person.
    """

    name, league = "cadence", "cold"
    title = "Fixed cadence"
    summary = "Every k days one contact each, the offer rotating through the three most relevant categories."
    every_days = 1
    dial_spec: ClassVar[Dial] = Dial("days between contacts", (3.0, 7.0, 14.0, 28.0), 7.0, 1.0)
    features = ("is_open", *RELEVANCE_FEATURES)
    rotation: ClassVar[int] = 3
    n_channels: ClassVar[int] = 3

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Choose each category's offer: of those that need no special consent, the one that pays best."""
        super().reset(brief, policy_seed)
        market, offers = self.market, brief.offers
        special = (offers["needs_partner_consent"] == 1) | (offers["needs_sensitive_consent"] == 1)
        worth = np.where(special, -np.inf, np.round(market.take_cny, 9))
        self._stocked: Ints = np.unique(market.category)
        pools = [market.of_category(int(k)) for k in self._stocked]
        self._offers: Ints = np.array([pool[worth[pool].argmax()] for pool in pools], dtype=np.int64)

    def decide(self, view: View) -> Contacts:
        """Contact those whose day it is."""
        market, k = self.market, max(1, round(self.dial))
        due = np.flatnonzero((view["is_open"] > 0) & (np.arange(view.n) % k == view.day % k))
        if not len(due):
            return self.request(view, due, 0, 0)
        ranked = np.argsort(-relevance(view)[due][:, self._stocked], axis=1, kind="stable")
        turn = (view.day // k) % min(self.rotation, len(self._stocked))
        place = ranked[:, turn]
        channel = reach(view, market, self._offers, market.order[: self.n_channels])[due, place]
        found = np.flatnonzero(channel >= 0)
        return self.request(
            view,
            due[found],
            self._offers[place[found]],
            channel[found],
            wanted_depth=1,
            candidates=self._offers,
            reason="due every {k} days; {category} is number {place} in relevance",
            k=k,
            category=np.array(CATEGORIES)[self._stocked[place[found]]],
            place=turn + 1,
        )


class Rfm(BasePolicy):
    """Recency, frequency, monetary: the direct marketer's quintiles, scored daily.

    The cuts of the quintiles are those of a fixed slice of at most 20,000 open accounts, so that a million
    people cost a few comparisons each. The sum of the three scores (3 to 15) decides who is contacted, and at
    what rhythm: the best third of the range at the dial's interval, the next at twice, the rest never.

    Dial: least days between two contacts of one of the best customers.
    """

    name, league = "rfm", "cold"
    title = "Recency, frequency, monetary"
    summary = "Quintiles of recency, frequency and spend; the best cells are contacted at a fixed interval."
    every_days = 1
    dial_spec: ClassVar[Dial] = Dial("least days between contacts", (7.0, 14.0, 21.0, 28.0, 56.0), 21.0, 1.0)
    features = ("is_open", "recency_days", "transactions_28d", "spend_28d_cny", "days_since_contact")
    kept = ("last_day",)
    slice_size: ClassVar[int] = 20_000
    best_cell: ClassVar[int] = 11
    good_cell: ClassVar[int] = 8
    #: How many offers are in rotation.
    n_offers: ClassVar[int] = 3

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Choose the offers in rotation: the public ones that pay best, one a category."""
        super().reset(brief, policy_seed)
        self.last_day = np.full(brief.n_cardholders, -10_000, dtype=np.int16)
        pool = np.flatnonzero((brief.offers["is_public"] == 1) & (brief.offers["needs_explanation"] == 0))
        worth = np.round(self.market.take_cny[pool], 9)
        ranked = pool[np.argsort(-worth, kind="stable")]
        # A category's second best would only take the place of better terms that stand anyway.
        first = np.sort(np.unique(self.market.category[ranked], return_index=True)[1])
        self._offers = ranked[first][: self.n_offers]

    def scores(self, view: View) -> NDArray[np.int8]:
        """Return each person's cell as the sum of three quintiles, 3 to 15; shape (n,), int8."""
        step = max(1, view.n // self.slice_size)
        is_open = view["is_open"][::step] > 0
        total = np.zeros(view.n, dtype=np.int8)
        for name, sign in (("recency_days", -1), ("transactions_28d", 1), ("spend_28d_cny", 1)):
            column = view[name]
            sample = column[::step][is_open]
            total += 1
            if len(sample):
                for cut in np.quantile(sample, (0.2, 0.4, 0.6, 0.8)).astype(np.float32):
                    total += (column < cut) if sign < 0 else (column > cut)
        return total

    def decide(self, view: View) -> Contacts:
        """Contact the best cells that were left alone long enough."""
        cell = self.scores(view)
        quiet = np.minimum(view["days_since_contact"], (view.day - self.last_day).astype(np.float32))
        due = (cell >= self.good_cell) & (quiet >= self.dial) & (view["is_open"] > 0)
        due &= (cell >= self.best_cell) | (quiet >= 2.0 * self.dial)
        if not len(self._offers) or not due.any():
            return self.request(view, np.zeros(0, dtype=np.int64), 0, 0)
        turn = (view.day // max(1, round(self.dial))) % len(self._offers)
        offer = int(self._offers[turn])
        channels = self.market.order[:3]
        rows = np.flatnonzero(due)
        channel = reach(view, self.market, self._offers[turn : turn + 1], channels, rows)[:, 0]
        rows, channel = rows[channel >= 0], channel[channel >= 0]
        contacts = self.request(
            view,
            rows,
            offer,
            channel,
            priority=cell[rows],
            candidates=self._offers,
            reason="recency {recency:.0f} days; recency, frequency and spend add up to {cell} of 15",
            recency=view["recency_days"][rows],
            cell=cell[rows],
        )
        self.last_day[contacts.cardholder] = view.day
        return contacts


class Segment(BasePolicy):
    """The survey's advice by privacy segment, the segment estimated from what the bank may see.

    Signs of privacy: tracking blocked, personalisation off, consents withheld. Signs of need: clicks, visits,
    precursors.
    - Group one (much privacy, little need): contact rarely, by the app's own channels, plain public content, generic.
    - Group two (some privacy, high need, higher income): invest; information, guidance and advice, in individual depth.
    - Group three (little privacy, high need): screened by spend, and only by cheap channels, by segment.
    - Everybody else: now and then, by segment.

    Dial: multiplies every group's contact frequency.
    """

    name, league = "segment", "cold"
    title = "Advice by privacy segment"
    summary = "The survey's advice for three groups, estimated from tracking, consents, reactions and spend."
    every_days = 7
    dial_spec: ClassVar[Dial] = Dial("frequency, times the advice's", (0.5, 1.0, 2.0, 4.0, 8.0), 4.0, 0.0)
    features = (
        "is_open",
        "income_band",
        "marketing_consent",
        "personalisation_on",
        "partner_consent",
        "sensitive_consent",
        "tracked",
        "clicks_28d",
        "visits_28d",
        "spend_112d_cny",
        "days_since_contact",
        *RELEVANCE_FEATURES,
    )
    kept = ("last_day",)
    #: Least days between contacts at dial 1, by group: everybody else, one, two, three.
    interval_days: ClassVar[tuple[float, ...]] = (28.0, 56.0, 10.0, 28.0)
    #: The lowest share of group three, by spend, is not worth a contact.
    screened: ClassVar[float] = 0.4

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Forget whom it contacted."""
        super().reset(brief, policy_seed)
        self.last_day = np.full(brief.n_cardholders, -10_000, dtype=np.int64)

    def groups(self, view: View) -> Ints:
        """Return each person's estimated group: 1, 2, 3, or 0 for everybody else; shape (n,)."""
        off = view["personalisation_on"] <= 0
        withheld = (view["partner_consent"] <= 0).astype(int) + (view["sensitive_consent"] <= 0)
        strict = (view["tracked"] <= 0).astype(int) + off + (withheld == 2)
        interest = (
            view["clicks_28d"]
            + 0.2 * view["visits_28d"]
            + 0.5 * per_category(view, "precursor_7d").sum(axis=1)
        )
        keen = interest >= np.quantile(interest, 0.5)
        one = (strict >= 2) & ~((interest >= np.quantile(interest, 0.8)) & ~off)
        three = (
            ~one
            & (strict == 0)
            & (withheld == 0)
            & (view["tracked"] >= 2)
            & keen
            & (view["income_band"] <= 2)
        )
        two = ~one & ~three & ~off & keen & (view["income_band"] >= 2)
        return np.select([one, two, three], [1, 2, 3], 0).astype(np.int64)

    def decide(self, view: View) -> Contacts:
        """Give each group what the survey advises."""
        market, offers = self.market, self.brief.offers
        if self.dial == 0.0 or not view.n:
            return self.request(view, np.zeros(0, dtype=np.int64), 0, 0)
        group = self.groups(view)
        quiet = np.minimum(view["days_since_contact"], view.day - self.last_day)
        due = (view["is_open"] > 0) & (quiet >= np.array(self.interval_days)[group] / self.dial)
        spend = view["spend_112d_cny"]
        third = group == 3
        if third.any():
            due &= ~third | (spend >= np.quantile(spend[third], self.screened))
        score, content = self._content(view, group)
        codes = np.arange(market.n_offers)
        cheap = reach(view, market, codes, market.gentle)
        any_channel = reach(view, market, codes, market.order)
        channel = np.where(np.isin(group, (1, 3))[:, None], cheap, any_channel)
        best, top = best_offer(score, content & (channel >= 0) & due[:, None])
        rows = np.flatnonzero(np.isfinite(top))
        contacts = self.request(
            view,
            rows,
            best[rows],
            channel[rows, best[rows]],
            wanted_depth=np.array([1, 0, 2, 1])[group[rows]],
            priority=offers["appeal"][best[rows]] + (group[rows] == 2),
            reason="estimated {group}; last contact {quiet:.0f} days ago",
            group=np.array(["no special group", "group one", "group two", "group three"])[group[rows]],
            quiet=quiet[rows],
        )
        self.last_day[contacts.cardholder] = view.day
        return contacts

    def _content(self, view: View, group: Ints) -> tuple[Floats, Bools]:
        """Return offer scores and which offers suit each person's group, both of shape (n, offers)."""
        market, offers = self.market, self.brief.offers
        need = relevance(view)[:, market.category]
        pays = 0.3 * np.log1p(np.maximum(market.take_cny, 0.0))
        score = np.round(need + pays + 0.3 * offers["appeal"], 9)
        simple = np.isin(np.arange(market.n_offers), market.low_risk)
        told = np.isin(
            offers["dimension"], [DIMENSIONS.index(d) for d in ("information", "guidance", "advice")]
        )
        suits = np.ones((view.n, market.n_offers), dtype=bool)
        suits[group == 1] = simple
        suits[group == 2] = told
        return score, suits
