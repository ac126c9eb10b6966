"""What an agent of the campaign observes: means over public segments of the one feature function's columns."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardarena.simulator.bank.features import FEATURE_INDEX, feature_columns
from cardarena.simulator.envs.campaign_ledger import COSTS, SEGMENT_COUNTS, CampaignLedger
from cardarena.simulator.envs.campaign_plan import CAMPAIGN_SEGMENTS, N_SEGMENTS, campaign_segments
from cardarena.simulator.names import CATEGORIES
from cardarena.simulator.world import World

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
#: About the whole base: the column and its range. What the last step cost stands per 1,000 cardholders.
_BASE: Final = (
    *((f"{name}_per_1000", (0.0, 100_000.0)) for name in COSTS),
    ("spent_cny_per_head", (0.0, 10_000.0)),
    ("has_budget", (0.0, 1.0)),
    ("budget_left", (0.0, 1.0)),
    ("budget_left_cny_per_head", (0.0, 10_000.0)),
    ("contact_price_cny", (0.0, 100.0)),
    ("days_left", (0.0, 1.0)),
    ("weekday", (0.0, 1.0)),
    ("month", (0.0, 1.0)),
    ("is_festival", (0.0, 1.0)),
    ("days_since_payday", (0.0, 1.0)),
)


class CampaignView:
    """Names, bounds and values of the observation vector.

    Attributes:
        names: a name for each entry.
        low: shape (size,), float32, least value; what falls below is brought up to it.
        high: shape (size,), float32, greatest value.
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

    def look(
        self, world: World, ledger: CampaignLedger, budget_mfen: int, n_start: int, days_left: float
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the observation of a world at midnight, and each cardholder's segment by true row.

        Args:
            world: at midnight.
            ledger: of the last step.
            budget_mfen: of the whole campaign, or -1 for none.
            n_start: accounts open on day 0.
            days_left: share of the horizon that is left.
        """
        today = world.today(world.day)
        columns = feature_columns(world.state.accounts, np.arange(world.n), today, None, world.threads)
        segment = campaign_segments(lambda name: columns[FEATURE_INDEX[name]])
        own = self._by_segment(columns, segment, ledger, n_start)
        base = self._of_base(world, ledger, budget_mfen, n_start, days_left, today[0])
        seen = np.concatenate([own.ravel(), base]).astype(np.float32)
        return np.clip(seen, self.low, self.high), segment

    def _by_segment(
        self, columns: NDArray[np.float32], segment: NDArray[np.int64], ledger: CampaignLedger, n_start: int
    ) -> NDArray[np.float64]:
        """Return one row a segment; an empty segment has zeros."""
        is_open = segment >= 0
        inside = segment[is_open]
        count = np.bincount(inside, minlength=N_SEGMENTS)
        heads = np.maximum(count, 1)

        def mean(*names: str) -> NDArray[np.float64]:
            values = columns[[FEATURE_INDEX[name] for name in names]][:, is_open].astype(np.float64)
            return np.bincount(inside, values.sum(axis=0), minlength=N_SEGMENTS) / heads

        consents = columns[FEATURE_INDEX["marketing_consent"]][is_open]
        permitted = [
            np.bincount(
                inside,
                (consents * columns[FEATURE_INDEX[f"permitted_{name}"]][is_open]).astype(np.float64),
                minlength=N_SEGMENTS,
            )
            / heads
            for name in self.channels
        ]
        return np.stack(
            [
                count / n_start,
                *(mean(*features) / scale for _, features, scale, _ in _MEANS),
                *permitted,
                *(mean(f"contacts_7d_{name}") for name in self.channels),
                *(1000.0 * ledger.by_segment / heads),
            ],
            axis=1,
        )

    def _of_base(
        self,
        world: World,
        ledger: CampaignLedger,
        budget_mfen: int,
        n_start: int,
        days_left: float,
        today: np.void,
    ) -> list[float]:
        left = max(0, budget_mfen - world.state.spent_mfen) if budget_mfen >= 0 else 0
        return [
            *(1000.0 * ledger.costs[name] / n_start for name in COSTS),
            ledger.spent_mfen * 1e-5 / n_start,
            float(budget_mfen >= 0),
            left / budget_mfen if budget_mfen > 0 else float(budget_mfen < 0),
            left * 1e-5 / n_start,
            world.state.price_mfen * 1e-5,
            days_left,
            float(today["weekday"]) / 6.0,
            float(today["month"]) / 12.0,
            float(today["is_festival"]),
            min(1.0, float(today["days_since_payday"]) / 31.0),
        ]
