"""A campaign over the whole base as a few numbers, and the fixed rule that turns them into contacts.

The numbers say how much goes to which public segment by which channel; whom inside the segment, and with which offer, is the
rule's. A plan is an ordinary policy: what an agent chose week by week plays in the arena as it played in the environment.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cardarena.simulator.compilation import compiled
from cardarena.simulator.contracts import Brief, Contacts, Feedback, Floats, Ints, View
from cardarena.simulator.errors import CardArenaError, PolicyError, UnknownNameError
from cardarena.simulator.market import RELEVANCE_FEATURES, Market, affordable, relevance, worth_offering
from cardarena.simulator.names import CHANNELS, DEPTHS, N_CHANNELS

#: The public segments, by columns of the view alone; the first that fits.
CAMPAIGN_SEGMENTS: Final = ("inactive", "instalment_user", "low_value", "mid_value", "high_value")
N_SEGMENTS: Final = len(CAMPAIGN_SEGMENTS)
#: Days without a purchase on our card from which a holder counts as inactive.
INACTIVE_DAYS: Final = 28
#: Spend on our card in 112 days below which a holder counts as of low, and of middle, value, CNY; about the quartiles.
VALUE_CUTS_CNY: Final = (10_000.0, 40_000.0)
SEGMENT_FEATURES: Final = (
    "is_open",
    "behaviour_missing",
    "recency_days",
    "spend_112d_cny",
    "instalment_balance_cny",
)

#: Most contacts a person and week that a cap of the action can mean.
MOST_A_WEEK: Final = 4
#: The contact price runs over these powers of ten, CNY.
PRICE_POWERS: Final = (-3.0, 2.0)
#: Chance that a person without any sign of need takes up an offer that was clicked; assumed.
FLOOR: Final = 0.02
_WEEK: Final = 7
#: A quota is a sum of fractions: what is a whole number but for rounding is one.
_ROUNDING: Final = 1e-9


def campaign_segments(column: Callable[[str], NDArray[Any]]) -> Ints:
    """Return each cardholder's code in `CAMPAIGN_SEGMENTS`, or -1 where the account is closed; shape (n,).

    A holder whose behaviour may not be used, or who has not bought for `INACTIVE_DAYS`, is inactive; of the others, who
    owes instalments is an instalment user; the rest goes by spend.

    Args:
        column: gives a column of the view by its name: a view's `[...]`.
    """
    is_quiet = (column("behaviour_missing") > 0) | (column("recency_days") >= INACTIVE_DAYS)
    value = 2 + np.digitize(column("spend_112d_cny"), VALUE_CUTS_CNY)
    owes = column("instalment_balance_cny") > 0
    segment = np.where(is_quiet, 0, np.where(owes, 1, value))
    return np.where(column("is_open") > 0, segment, -1).astype(np.int64)


@dataclass(frozen=True)
class CampaignSettings:
    """What a campaign does for one period, in units.

    Attributes:
        intensity: shape (segments, channels): the share of the segment's reachable people to whom the channel goes in
            one period, spread evenly over its days.
        cap_a_week: shape (channels,), most contacts by the channel a person and seven days; whole numbers.
        threshold: the score of need below which nobody is contacted, 0 to 1.
        price_cny: what a contact must be worth beyond its own cost; the view's price comes on top.
    """

    intensity: Floats
    cap_a_week: Ints
    threshold: float
    price_cny: float

    @classmethod
    def silent(cls, n_channels: int) -> "CampaignSettings":
        """Return the settings that contact nobody."""
        return cls(np.zeros((N_SEGMENTS, n_channels)), np.zeros(n_channels, dtype=np.int64), 1.0, 1.0)


class CampaignCodec:
    """The one translation between an action vector in [-1, 1] and settings in units.

    With u = (a + 1) / 2, in the order of the vector: intensity = u² for each segment and channel (segment by segment), cap =
    u times `MOST_A_WEEK`, rounded, for each channel, threshold = u, and price = 10^(-3 + 5u) CNY.

    Attributes:
        channels: channel names, in the action's order.
        names: a name for each entry of the vector.
        size: length of the vector.
    """

    def __init__(self, channels: Sequence[str]) -> None:
        """Lay the vector out.

        Raises:
            UnknownNameError: no such channel.
            CardArenaError: no channel, or one twice.
        """
        for name in channels:
            if name not in CHANNELS:
                raise UnknownNameError("channel", name, CHANNELS)
        if not channels or len(set(channels)) < len(channels):
            raise CardArenaError(f"channels: expected one or more different names, found {list(channels)}")
        self.channels = tuple(channels)
        self.names = (
            *(f"intensity_{segment}_{channel}" for segment in CAMPAIGN_SEGMENTS for channel in self.channels),
            *(f"cap_{channel}" for channel in self.channels),
            "threshold",
            "price",
        )
        self.size = len(self.names)

    def decode(self, action: Any) -> CampaignSettings:
        """Return the settings that an action means; entries beyond [-1, 1] count as the nearest end.

        Raises:
            CardArenaError: not a vector of this length, or not finite.
        """
        vector = np.asarray(action, dtype=np.float64)
        if vector.shape != (self.size,) or not np.isfinite(vector).all():
            raise CardArenaError(
                f"action: expected {self.size} finite numbers, found shape {vector.shape}: {np.round(vector, 3)}"
            )
        u = 0.5 * (np.clip(vector, -1.0, 1.0) + 1.0)
        cells = N_SEGMENTS * len(self.channels)
        low, high = PRICE_POWERS
        return CampaignSettings(
            intensity=u[:cells].reshape(N_SEGMENTS, -1) ** 2,
            cap_a_week=np.floor(u[cells:-2] * MOST_A_WEEK + 0.5).astype(np.int64),
            threshold=float(u[-2]),
            price_cny=float(10.0 ** (low + (high - low) * u[-1])),
        )

    def encode(self, settings: CampaignSettings) -> NDArray[np.float32]:
        """Return the action that means these settings, shape (size,); what lies outside the range is brought inside."""
        low, high = PRICE_POWERS
        power = np.log10(max(settings.price_cny, 10.0**low))
        u = np.concatenate(
            [
                np.sqrt(np.clip(settings.intensity, 0.0, 1.0)).ravel(),
                np.asarray(settings.cap_a_week) / MOST_A_WEEK,
                [settings.threshold, (power - low) / (high - low)],
            ]
        )
        return (2.0 * np.clip(u, 0.0, 1.0) - 1.0).astype(np.float32)


class CampaignPlan:
    """Plays settings: each day it fills every segment's and channel's quota with the people most worth it.

    The rule. A person's *signs* of a category are 1 - exp(-r), r the relevance of precursors and purchases
    (`market.relevance`); the *score* is the strongest of them. An offer by a channel is *worth* the chance of its category
    (`FLOOR` where there is no sign) times its lift, its margin and the channel's strength, less the contact's cost. Each
    person gets, by each channel, the offer worth most of those that every rule allows (`view.open_arms`). Who is below
    the threshold, the price or the cap is left alone. The strongest channel fills its quotas first, each with the
    persons worth most, ties going to who was left alone longest; nobody gets two contacts a day. Depth is by segment of
    customers where the rules allow it, else generic; money goes where a yuan of it brings most.

    States: made -> `reset` -> decides daily; `settings` may be changed between two days.

    Attributes:
        settings: what to do now.
        channels: names of the channels that its columns mean.
        period_days: days over which an intensity is spread.
        offers: codes of the offers that may be sent, or None for all.
        n_depths: depths of personalisation that may be used, the generic one first.
    """

    name = "campaign_plan"
    league = "simulator"
    every_days = 1
    decide_minute = 0
    oracle = False
    wants_feedback = False
    features: tuple[str, ...] = tuple(
        dict.fromkeys(
            (
                *SEGMENT_FEATURES,
                "marketing_consent",
                *(f"permitted_{name}" for name in CHANNELS),
                *(f"contacts_7d_{name}" for name in CHANNELS),
                "days_since_contact",
                *(name for name in RELEVANCE_FEATURES if not name.startswith("context_")),
            )
        )
    )
    #: What changes from day to day.
    kept = ("carry", "asked", "asked_7d", "last_day", "today")

    def __init__(
        self,
        channels: Sequence[str],
        settings: CampaignSettings,
        period_days: int = 7,
        *,
        offers: Ints | None = None,
        n_depths: int = len(DEPTHS),
    ) -> None:
        """Take the settings; see the class.

        Raises:
            CardArenaError: settings for another number of channels.
        """
        self.channels, self.period_days = tuple(channels), period_days
        self.offers, self.n_depths = offers, n_depths
        self.codes: Ints = np.array([CHANNELS.index(name) for name in self.channels], dtype=np.int64)
        if settings.intensity.shape != (N_SEGMENTS, len(self.channels)):
            raise CardArenaError(
                f"settings: expected intensities of shape {(N_SEGMENTS, len(self.channels))}, "
                f"found {settings.intensity.shape}"
            )
        self.settings = settings

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Forget whom it contacted."""
        self.brief, self.market = brief, Market(brief)
        self._offers = worth_offering(self.market)
        if self.offers is not None:
            self._offers = np.intersect1d(self._offers, self.offers)
        self._order = np.lexsort((self.codes, -np.round(self.market.strength[self.codes], 9)))
        self.carry = np.zeros((N_SEGMENTS, len(self.codes)))
        self.asked = np.zeros((_WEEK, len(self.codes), brief.n_cardholders), dtype=np.int8)
        self.asked_7d = np.zeros((len(self.codes), brief.n_cardholders), dtype=np.int64)
        self.last_day = np.full(brief.n_cardholders, -10_000, dtype=np.int64)
        self.today = -10_000

    def decide(self, view: View) -> Contacts:
        """Fill today's quotas."""
        self._forget(view.day)
        segment = campaign_segments(view.__getitem__)
        quota = self._quotas(view, segment)
        wanted = [int(j) for j in self._order if quota[:, j].any() and self.settings.cap_a_week[j] > 0]
        if not wanted or not len(self._offers):
            return Contacts.none()
        rows, offer, at, value = self._fill(view, segment, quota, wanted)
        return self._contacts(view, rows, offer, at, value)

    def _forget(self, day: int) -> None:
        """Empty the days of the rolling week that have passed since the last decision."""
        for passed in range(max(self.today + 1, day - _WEEK + 1), day + 1):
            self.asked_7d -= self.asked[passed % _WEEK]
            self.asked[passed % _WEEK] = 0
        self.today = day

    def _quotas(self, view: View, segment: Ints) -> Ints:
        """Return how many of each segment each channel may reach today, shape (segments, channels)."""
        reach = np.zeros(self.carry.shape)
        consents = view["marketing_consent"] > 0
        for j, name in enumerate(self.channels):
            inside = segment[consents & (view[f"permitted_{name}"] > 0) & (segment >= 0)]
            reach[:, j] = np.bincount(inside, minlength=N_SEGMENTS)
        self.carry += self.settings.intensity * reach / self.period_days
        quota = np.floor(self.carry + _ROUNDING)
        self.carry -= quota
        return quota.astype(np.int64)

    def _fill(
        self, view: View, segment: Ints, quota: Ints, wanted: list[int]
    ) -> tuple[Ints, Ints, Ints, Floats]:
        """Return the chosen rows, and each one's offer, place in `channels` and worth in CNY."""
        settings, market, offers = self.settings, self.market, self._offers
        signs = 1.0 - np.exp(-relevance(view, spend=False))
        people = np.flatnonzero((segment >= 0) & (np.round(signs.max(axis=1), 9) >= settings.threshold))
        quiet = np.minimum(view["days_since_contact"][people], view.day - self.last_day[people])
        price = settings.price_cny + view.contact_price_mfen * 1e-5
        codes = self.codes[wanted]
        is_open = view.open_arms(offers, codes, market.minute[codes], rows=people)
        best = np.empty((len(wanted), len(people)), dtype=np.int64)
        taken = np.zeros(best.shape)
        gain = market.take_cny[offers] * market.lift[offers]
        _best_offers(is_open, people, signs, market.category[offers], gain, best, taken)
        free = np.ones(len(people), dtype=np.bool_)
        chosen: list[tuple[Ints, Ints, Ints, Floats]] = []
        for i, (j, code) in enumerate(zip(wanted, codes, strict=True)):
            value = np.round(taken[i] * market.strength[code] - market.contact_mfen[code] * 1e-5, 9)
            count = np.maximum(view[f"contacts_7d_{self.channels[j]}"], self.asked_7d[j])[people]
            ready = free & (best[i] >= 0) & (value >= price) & (count < settings.cap_a_week[j])
            rows = _most_worth(np.flatnonzero(ready), value, quiet, segment[people], quota[:, j])
            free[rows] = False
            chosen.append((people[rows], offers[best[i, rows]], np.full(len(rows), j), value[rows]))
        rows, offer, at, value = (np.concatenate(parts) for parts in zip(*chosen, strict=True))
        order = np.argsort(rows)
        return rows[order], offer[order], at[order], value[order]

    def _contacts(self, view: View, rows: Ints, offer: Ints, at: Ints, value: Floats) -> Contacts:
        market, code = self.market, self.codes[at]
        priority = market.per_yuan(value, code)
        keep = affordable(view, market.contact_mfen[code], priority)
        rows, offer, at, code, priority = rows[keep], offer[keep], at[keep], code[keep], priority[keep]
        self.asked[view.day % _WEEK, at, rows] = 1
        self.asked_7d[at, rows] += 1
        self.last_day[rows] = view.day
        return Contacts.of(
            rows,
            offer,
            code,
            self._depth(view, rows, offer, code),
            market.minute[code],
            priority=priority,
            candidates=market.bits(self._offers),
        )

    def _depth(self, view: View, rows: Ints, offer: Ints, code: Ints) -> Ints:
        """Return 1 where personalisation by segment may be used and passes every rule, else 0; shape (rows,)."""
        if not len(rows) or self.n_depths == 1:
            return np.zeros_like(rows)
        at_offer, at_channel = np.searchsorted(self._offers, offer), np.zeros(N_CHANNELS, dtype=np.int64)
        at_channel[self.codes] = np.arange(len(self.codes))
        minutes = self.market.minute[self.codes]
        deeper = view.open_arms(self._offers, self.codes, minutes, depth=1, rows=rows)
        return deeper[np.arange(len(rows)), at_offer, at_channel[code]].astype(np.int64)

    def learn(self, feedback: Feedback) -> None:
        """Learn nothing: what it knows stands in the view."""

    def explain(self, contacts: Contacts) -> list[str]:
        """Return one plain reason a contact."""
        price = self.settings.price_cny
        return [
            f"{self.brief.offer_names[int(offer)]} by {CHANNELS[int(channel)]}: among those of the segment's quota "
            f"whom a contact is worth most to, above a price of {price:.3f} CNY"
            for offer, channel in zip(contacts.offer, contacts.channel, strict=True)
        ]

    def state(self) -> dict[str, Any]:
        """Return what must be kept to go on later."""
        return {name: np.copy(getattr(self, name)) for name in self.kept}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned; call it after `reset` with the same brief.

        Raises:
            PolicyError: the state is another policy's.
        """
        if set(state) != set(self.kept):
            raise PolicyError(
                f"policy {self.name!r}: state: expected {sorted(self.kept)}, found {sorted(state)}"
            )
        for name in self.kept:
            setattr(self, name, np.copy(state[name]))
        self.today = int(self.today)


@compiled()
def _best_offers(is_open, people, signs, category, gain, best, taken):
    """Find, for each person and channel, the open offer on which a click is worth most; ties go to the lower place.

    Args:
        is_open: shape (people, offers, channels), what the rules allow.
        people: shape (people,), their rows.
        signs: shape (n, categories), signs of need.
        category: shape (offers,), category codes.
        gain: shape (offers,), what a sure taker is worth.
        best: shape (channels, people), filled with the offer's place, or -1.
        taken: shape (channels, people), filled with what the click is worth; left alone where there is none.
    """
    for i in range(people.size):
        for o in range(gain.size):
            worth = (FLOOR + (1.0 - FLOOR) * signs[people[i], category[o]]) * gain[o]
            for j in range(best.shape[0]):
                if o == 0:
                    best[j, i] = -1
                if is_open[i, o, j] and (best[j, i] < 0 or worth > taken[j, i]):
                    best[j, i], taken[j, i] = o, worth


def _most_worth(rows: Ints, value: Floats, quiet: Floats, segment: Ints, quota: Ints) -> Ints:
    """Return those of `rows` that fill the quotas of their segments: by worth, then longest left alone, then by row.

    Args:
        rows: shape (r,), candidates, ascending.
        value: shape (n,), what a contact is worth.
        quiet: shape (n,), days since the last contact.
        segment: shape (n,), segment codes.
        quota: shape (segments,).
    """
    ranked = rows[np.lexsort((-quiet[rows], -value[rows]))]
    own = segment[ranked]
    return np.concatenate([ranked[own == s][: quota[s]] for s in range(N_SEGMENTS)])
