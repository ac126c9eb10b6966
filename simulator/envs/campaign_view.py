"""What an agent of the campaign observes, the same in the environment and in the arena.

Means over public segments of the view's columns, what came of the last step's own contacts, money and calendar: all of it a
policy can know from its views, its feedback and its brief.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardarena.simulator.contracts import Feedback, Floats, Ints
from cardarena.simulator.envs.campaign_plan import (
    CAMPAIGN_SEGMENTS,
    N_SEGMENTS,
    SEGMENT_FEATURES,
    campaign_segments,
)
from cardarena.simulator.market import Market
from cardarena.simulator.names import CATEGORIES, CHANNELS, RULES

_PRECURSORS: Final = tuple(f"precursor_7d_{name}" for name in CATEGORIES)
#: Per segment: the column, the features whose sum's mean it is, what that is divided by, and its range.
_MEANS: Final = (
    ("contacts_7d", ("contacts_7d",), 1.0, (0.0, 70.0)),
    ("contacts_28d", ("contacts_28d",), 1.0, (0.0, 280.0)),
    ("opens_28d", ("opens_28d",), 1.0, (0.0, 280.0)),
    ("clicks_28d", ("clicks_28d",), 1.0, (0.0, 280.0)),
    ("days_since_contact_100", ("days_since_contact",), 100.0, (0.0, 4.0)),
    ("precursors", _PRECURSORS, 1.0, (0.0, 100.0)),
    ("spend_28d_10000_cny", ("spend_28d_cny",), 10_000.0, (0.0, 1000.0)),
    ("margin_28d_100_cny", ("margin_28d_cny",), 100.0, (-1000.0, 1000.0)),
    ("complaints", ("complaints",), 1.0, (0.0, 100.0)),
    ("personalised", ("personalisation_on",), 1.0, (0.0, 1.0)),
)
_CALENDAR: Final = (("weekday", 6.0), ("month", 12.0), ("is_festival", 1.0), ("days_since_payday", 31.0))
#: What of the last step's contacts is counted by segment.
SEGMENT_COUNTS: Final = ("delivered", "unsubscribes", "complaints")
#: And over the whole base.
BASE_COUNTS: Final = ("over_cap", "unsubscribes", "complaints", "blocked")
#: Rules that a frequency cap is.
CAP_RULES: Final = tuple(RULES.index(name) for name in ("cap_day", "cap_week", "cap_month", "cap_channel"))
_OF_SEGMENTS: Final = len(SEGMENT_COUNTS) * N_SEGMENTS
#: About the whole base: the column and its range. Counts of the last step stand per 1,000 cardholders.
_BASE: Final = (
    *((f"{name}_per_1000", (0.0, 100_000.0)) for name in BASE_COUNTS),
    ("spent_cny_per_head", (0.0, 10_000.0)),
    ("has_budget", (0.0, 1.0)),
    ("budget_left", (0.0, 1.0)),
    ("budget_left_cny_per_head", (0.0, 10_000.0)),
    ("contact_price_cny", (0.0, 100.0)),
    ("days_left", (0.0, 1.0)),
    *((name, (0.0, 1.0)) for name, _ in _CALENDAR),
)


def nothing_told() -> Floats:
    """Return the counts of a step in which nothing was heard of: by segment, over the base, and money spent, CNY."""
    return np.zeros(_OF_SEGMENTS + len(BASE_COUNTS) + 1)


def take_in(told: Floats, feedback: Feedback, segment: Ints, market: Market) -> None:
    """Add what the bank hears of its contacts to the counts of a step.

    Args:
        told: the counts, as `nothing_told` makes them; changed.
        feedback: what was heard.
        segment: shape (n,), each cardholder's segment when the step began, or -1, by view id.
        market: what a contact is expected to cost.
    """
    own = segment[feedback.cardholder]
    counted = (feedback.delivered, feedback.opted_out, feedback.complained)
    for i, which in enumerate(counted):
        part = told[i * N_SEGMENTS : (i + 1) * N_SEGMENTS]
        part += np.bincount(own[which & (own >= 0)], minlength=N_SEGMENTS)
    told[_OF_SEGMENTS:] += (
        np.isin(feedback.rule, CAP_RULES).sum(),
        feedback.opted_out.sum(),
        feedback.complained.sum(),
        (feedback.rule > 0).sum(),
        market.budget_cny[feedback.channel[feedback.delivered]].sum(),
    )


class CampaignView:
    """Names, bounds and values of the observation vector.

    Attributes:
        names: a name for each entry.
        low: shape (size,), float32, least value; what falls below is brought up to it.
        high: shape (size,), float32, greatest value.
        features: the view's columns that it is made from.
    """

    def __init__(self, channels: Sequence[str]) -> None:
        """Lay the vector out for these channels."""
        self.channels = tuple(channels)
        columns = [
            ("share", (0.0, 1.0)),
            *((name, bounds) for name, _, _, bounds in _MEANS),
            *((f"permitted_{name}", (0.0, 1.0)) for name in self.channels),
            *((f"contacts_7d_{name}", (0.0, 70.0)) for name in self.channels),
            *((f"last_{name}_per_1000", (0.0, 100_000.0)) for name in SEGMENT_COUNTS),
        ]
        laid_out = [
            (f"{segment}.{name}", bounds) for segment in CAMPAIGN_SEGMENTS for name, bounds in columns
        ]
        laid_out += list(_BASE)
        self.names = tuple(name for name, _ in laid_out)
        self.low, self.high = np.array([bounds for _, bounds in laid_out], dtype=np.float32).T.copy()
        self.features = tuple(
            dict.fromkeys(
                (
                    *SEGMENT_FEATURES,
                    *(name for _, names, _, _ in _MEANS for name in names),
                    "marketing_consent",
                    *(f"permitted_{name}" for name in self.channels),
                    *(f"contacts_7d_{name}" for name in self.channels),
                    *(name for name, _ in _CALENDAR),
                )
            )
        )

    def look(
        self,
        column: Callable[[str], NDArray[np.float32]],
        told: Floats,
        *,
        n_start: int,
        days_left: float,
        budget_mfen: int,
        budget_left_mfen: int,
        price_mfen: int,
    ) -> tuple[NDArray[np.float32], Ints]:
        """Return the observation at midnight, and each cardholder's segment by view id.

        Args:
            column: gives one of `features` by its name, shape (n,), in view order: a view's `[...]`.
            told: what was heard in the last step; see `take_in`.
            n_start: accounts open on day 0.
            days_left: share of the horizon that is left.
            budget_mfen: of the whole campaign, or -1 for none.
            budget_left_mfen: what of it may be spent now: a view's `budget_left_mfen`.
            price_mfen: the shadow price of a contact: a view's `contact_price_mfen`.
        """
        segment = campaign_segments(column)
        left = max(0, budget_left_mfen)
        base = [
            *(1000.0 * told[_OF_SEGMENTS:-1] / n_start),
            told[-1] / n_start,
            float(budget_mfen >= 0),
            left / budget_mfen if budget_mfen > 0 else float(budget_mfen < 0),
            left * 1e-5 / n_start,
            price_mfen * 1e-5,
            days_left,
            *(min(1.0, float(column(name)[0]) / most) for name, most in _CALENDAR),
        ]
        own = self._by_segment(column, segment, told, n_start)
        seen = np.concatenate([own.ravel(), base]).astype(np.float32)
        return np.clip(seen, self.low, self.high), segment

    def _by_segment(
        self, column: Callable[[str], NDArray[np.float32]], segment: Ints, told: Floats, n_start: int
    ) -> Floats:
        """Return one row a segment; an empty segment has zeros."""
        is_open = segment >= 0
        inside = segment[is_open]
        count = np.bincount(inside, minlength=N_SEGMENTS)
        heads = np.maximum(count, 1)

        def mean(values: Floats) -> Floats:
            return np.bincount(inside, values[is_open], minlength=N_SEGMENTS) / heads

        def of(*names: str) -> Floats:
            return mean(np.stack([column(name) for name in names]).astype(np.float64).sum(axis=0))

        consents = column("marketing_consent").astype(np.float64)
        last = told[:_OF_SEGMENTS].reshape(len(SEGMENT_COUNTS), N_SEGMENTS)
        return np.stack(
            [
                count / n_start,
                *(of(*features) / scale for _, features, scale, _ in _MEANS),
                *(mean(consents * column(f"permitted_{name}")) for name in self.channels),
                *(of(f"contacts_7d_{name}") for name in self.channels),
                *(1000.0 * last / heads),
            ],
            axis=1,
        )


#: Names of every entry that an observation of any channels has.
CAMPAIGN_OBSERVED: Final = CampaignView(CHANNELS).names
