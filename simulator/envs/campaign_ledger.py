"""What a few days brought, summed from the rows of the log: the reward's terms and its costs."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from cardarena.simulator.behaviour.census import STATE_MEASURES
from cardarena.simulator.envs.campaign_view import CAP_RULES
from cardarena.simulator.log import CENSUS
from cardarena.simulator.names import COMPLAINT_KINDS, CONSENT_CHANGES, RESPONSES, Kind, Status
from cardarena.simulator.play import CaseSink, Sink
from cardarena.simulator.rules import EVENT

#: Days after a delivered contact within which last-touch attribution gives it a purchase.
ATTRIBUTION_DAYS: Final = 14
#: The term that each kind of row goes to.
_TERM_OF_KIND: Final = {
    Kind.TRANSACTION: "spending",
    Kind.RESPONSE: "purchases",
    Kind.CONTACT: "contact_cost",
    Kind.COMPLAINT: "complaints",
    Kind.CONSENT: "defaults",
}
#: Terms of realised margin: they add up to the log's.
REALISED_TERMS: Final = tuple(_TERM_OF_KIND.values())
COSTS: Final = ("over_cap", "unsubscribes", "off_switches", "complaints", "blocked")

_PURCHASED: Final = RESPONSES.index("purchased")
_OPT_OUT: Final = CONSENT_CHANGES.index("channel_opt_out")
_SWITCHED_OFF: Final = CONSENT_CHANGES.index("personalisation_off")
_MARKETING: Final = COMPLAINT_KINDS.index("marketing")
_EXPECTED: Final = STATE_MEASURES.index("expected_value_mfen")
_NEVER: Final = -(1 << 40)


class CampaignLedger:
    """A sink that keeps sums, and hands the rows on to another one, if there is one.

    States: a step begins (`begin`) -> one `append` a day -> read. Who was last reached, and when, is kept over steps.

    Attributes:
        terms: per realised term, its sum of each day of the step, milli-fen.
        attributed: per day, margin of purchases within `ATTRIBUTION_DAYS` of a contact of this campaign, milli-fen.
        expected: per day, conditional expectation of the margin, milli-fen.
        costs: counts of the step, by `COSTS`; what a contact caused that was decided before day 0 is none of them.
        spent_mfen: what contacts cost in the step, as the budget counts it.
        delivered: contacts delivered in the step.
    """

    def __init__(
        self,
        n_cardholders: int,
        sink: Sink | None = None,
        hear: Callable[[np.ndarray], None] | None = None,
    ) -> None:
        """Begin with nobody reached; rows go on to `sink`, and the EVENT rows of each day to `hear`."""
        self.sink, self.hear = sink, hear
        self._reached = np.full(n_cardholders, _NEVER, dtype=np.int64)
        self.begin()

    def begin(self) -> None:
        """Begin a step."""
        self.terms: dict[str, list[int]] = {name: [] for name in REALISED_TERMS}
        self.attributed: list[int] = []
        self.expected: list[int] = []
        self.costs = dict.fromkeys(COSTS, 0)
        self.delivered = 0

    @property
    def spent_mfen(self) -> int:
        """What contacts cost in the step."""
        return -sum(self.terms["contact_cost"])

    def append(
        self, events: Sequence[np.ndarray], decisions: np.ndarray | None, census: np.ndarray | None
    ) -> None:
        """Add a day."""
        rows = np.concatenate(events) if events else np.zeros(0, dtype=EVENT)
        value = np.zeros(len(Kind), dtype=np.int64)
        np.add.at(value, rows["kind"], rows["value_mfen"])
        for kind, name in _TERM_OF_KIND.items():
            self.terms[name].append(int(value[kind]))
        census = np.zeros(0, dtype=CENSUS) if census is None else census
        self.expected.append(int(census["count"][census["measure"] == _EXPECTED].sum()))
        self.attributed.append(self._attribute(rows))
        self._count(rows)
        if self.hear is not None:
            self.hear(rows)
        if self.sink is not None:
            self.sink.append(events, decisions, census)

    def append_cases(self, cases: np.ndarray) -> None:
        """Add what complaints that came too late cost on the day appended last."""
        self.terms["complaints"][-1] += int(cases["value_mfen"].sum())
        if isinstance(self.sink, CaseSink):
            self.sink.append_cases(cases)

    def _attribute(self, rows: np.ndarray) -> int:
        """Return the margin of today's purchases by those whom the campaign reached shortly before."""
        touch = (rows["kind"] == Kind.CONTACT) & (rows["code"] == Status.DELIVERED) & (rows["ref_day"] >= 0)
        bought = (rows["kind"] == Kind.RESPONSE) & (rows["code"] >= _PURCHASED)
        touched, purchases = rows[touch], rows[bought]
        before = self._reached[purchases["cardholder"]]
        if touched.size:
            key, at = _moments(touched)
            key.sort()
            wanted, when = _moments(purchases)
            place = np.searchsorted(key, wanted) - 1
            found = key[np.maximum(place, 0)]
            is_today = (place >= 0) & (found >> 32 == purchases["cardholder"])
            # A contact of today comes first only where it came before the purchase.
            before = np.where(is_today, when, before)
            np.maximum.at(self._reached, touched["cardholder"], at)
        age = purchases["day"].astype(np.int64) * 1440 + purchases["minute"] - before
        return int(purchases["value_mfen"][age <= ATTRIBUTION_DAYS * 1440].sum())

    def _count(self, rows: np.ndarray) -> None:
        delivered = (rows["kind"] == Kind.CONTACT) & (rows["code"] == Status.DELIVERED)
        self.delivered += int(delivered.sum())
        # Rows that no contact caused refer to day 0.
        rows = rows[rows["ref_day"] >= 0]
        kind, code = rows["kind"], rows["code"]
        is_contact = kind == Kind.CONTACT
        blocked = is_contact & (code == Status.BLOCKED)
        refused = (kind == Kind.CONSENT) & (code == _OPT_OUT)
        complained = (kind == Kind.COMPLAINT) & (code == _MARKETING)
        self.costs["over_cap"] += int((blocked & np.isin(rows["rule"], CAP_RULES)).sum())
        self.costs["blocked"] += int(blocked.sum())
        self.costs["unsubscribes"] += int(refused.sum())
        self.costs["off_switches"] += int(((kind == Kind.CONSENT) & (code == _SWITCHED_OFF)).sum())
        self.costs["complaints"] += int(complained.sum())


def _moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a key that sorts rows of one day by cardholder and ordinal, and the absolute minute of each."""
    at = rows["day"].astype(np.int64) * 1440 + rows["minute"]
    return (rows["cardholder"].astype(np.int64) << 32) | rows["ordinal"], at


def discounted(daily: Sequence[int], daily_discount: float) -> float:
    """Return the sum of daily amounts, each discounted by the days before it."""
    return float(np.asarray(daily, dtype=np.float64) @ daily_discount ** np.arange(len(daily)))
