"""What the policies that time their contacts share: what a contact is worth today, and a forecast of later days.

`greedy_priced` asks what a contact adds, and pays one price for all that comes after it. The policies built on this ask what a
contact takes from those that could follow: each has a model of how a person recovers from being contacted, fitted to the
same log, and plans with it (`recovering_bandit`, `whittle`, `mpc`). They know of a person what the bank's columns say.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from cardarena.agents.base import Knob
from cardarena.agents.boosting import one_thread_learning
from cardarena.agents.effects import REFERENCE, beyond_need, treatment
from cardarena.agents.market import MOST_ADDED, arm_values, arms_allowed, worth_offering
from cardarena.agents.priced import GreedyPriced
from cardarena.agents.tables import PERSON, Table, view_blocks
from cardarena.simulator.contracts import Bools, Brief, Contacts, Floats, Ints, View
from cardarena.simulator.names import CATEGORIES

#: The day of a call that never was.
NEVER: Final = -(10**6)
#: How long a need lasts, days; a forecast goes home to a person's usual value at this pace. Assumed.
NEED_DAYS: Final = 14.0
#: Decisions over which a person's usual value is averaged, at most.
USUAL_DECISIONS: Final = 8
#: Days in which the bank's count of contacts in 28 days falls to 1/e.
MEMORY_DAYS: Final = 28.0
_AT: Final = {name: j for j, name in enumerate(PERSON)}


def column(person: np.ndarray, name: str) -> Floats:
    """Return a column of the person block, shape (n,)."""
    return person[:, _AT[name]].astype(np.float64)


@dataclass(frozen=True)
class Today:
    """What a decision starts from.

    Attributes:
        person: shape (n, `PERSON`), the person block.
        category: shape (n, categories, `CATEGORY`), the category block.
        need: shape (n, categories), chance of a purchase within 14 days by somebody who is not contacted.
        best: shape (n, c), category of the best offer by each channel.
        worth: shape (n, c), what that contact would bring a rested person before its costs, CNY, at least 0.
    """

    person: np.ndarray
    category: np.ndarray
    need: Floats
    best: Ints
    worth: Floats

    def column(self, name: str) -> Floats:
        """Return a column of the person block, shape (n,)."""
        return column(self.person, name)


@dataclass(frozen=True)
class Response:
    """Logged contacts beside what the fitted increment expects of them; one row a contact.

    Attributes:
        person: shape (rows, `PERSON`).
        expected: shape (rows,), purchases that the contact should add.
        found: shape (rows,), purchases beyond those expected without a contact.
        noise: shape (rows,), variance of `found`.
        opted_out: shape (rows,), refused a channel within 14 days.
        channel: shape (rows,).
    """

    person: np.ndarray
    expected: Floats
    found: Floats
    noise: Floats
    opted_out: Bools
    channel: Ints


CALL_GAP: Final = Knob("call_gap_days", 28, 180, "days in which nobody is called again", whole=True)


class TimedPolicy(GreedyPriced):
    """Contacts where the fitted increment exceeds what the contact takes from those that could follow, and the price.

    A kind of it says how much of the increment is left for somebody contacted lately (`attention`), and what a contact
    forgoes (`forgone`).

    Attributes:
        usual: shape (n,), each person's mean worth of the best contact so far, CNY.
        n_seen: decisions in it.
        called_day: shape (n,), day of each person's last call.
    """

    league = "logged"
    kept = ("usual", "n_seen", "called_day")
    #: Nobody is called again within so many days: the seat and the goodwill are the bank's, and a log of few calls may mislead.
    call_gap_days: ClassVar[int] = 28

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Forget whom it saw, and fit to the history, if there is one."""
        self.usual: Floats = np.zeros(brief.n_cardholders)
        self.n_seen = 0
        self.called_day: Ints = np.full(brief.n_cardholders, NEVER, dtype=np.int64)
        super().reset(brief, policy_seed)

    def fit(self, table: Table) -> None:
        """Fit the increment, and then how people recover."""
        super().fit(table)
        channels = np.union1d(self.market.messages, np.flatnonzero(self.market.voice))
        load = self.brief.channels["load"].astype(np.float64)
        self.channels = channels
        #: Shape (c,): how much a contact weighs on a person, over the reference's.
        self.burden: Floats = np.sqrt(load[channels] / load[self.market.channel(REFERENCE)])
        self.fit_recovery(self._response(table))

    def _response(self, table: Table) -> Response:
        effect = self._effect
        assert effect is not None
        treated, dose = treatment(table, self.market)
        sent = np.flatnonzero(treated >= 0)
        part, k = table.rows(sent), treated[sent]
        need = effect.need.predict(part.person, part.category)
        own = np.arange(len(sent)), k
        expected = np.clip(effect.added(part.person, part.category, need)[own] * dose[sent], 0.0, MOST_ADDED)
        noise = np.maximum(need[own] + expected, 0.2 * effect.need.rate[k])
        found = beyond_need(part, k, need[own])
        return Response(part.person, expected, found, noise, part.opted_out, part.channel)

    def fit_recovery(self, log: Response) -> None:
        """Fit how people recover from being contacted."""
        raise NotImplementedError

    def attention(self, person: np.ndarray) -> Floats:
        """Return the share of the increment that is left today, shape (n,); `person` is the person block."""
        raise NotImplementedError

    def forgone(self, today: Today) -> Floats:
        """Return what a contact by each channel takes from later ones, CNY, shape (n, c)."""
        raise NotImplementedError

    def forecast(self, worth: Floats, steps: int) -> Floats:
        """Return the worth of the best contact of a rested person at the next decisions, CNY, shape (n, steps).

        Args:
            worth: shape (n,), today's.
            steps: decisions ahead, today's being the first.
        """
        home = np.exp(-self.every_days / NEED_DAYS) ** np.arange(steps)
        return self.usual[:, None] + (worth - self.usual)[:, None] * home

    def exploit(self, view: View, free: NDArray[np.bool_]) -> Contacts:
        """Contact with the best arm where it is worth more than what it forgoes and its price."""
        market, effect, channels = self.market, self._effect, self.channels
        assert effect is not None
        offers = worth_offering(market)
        person, category = view_blocks(view)
        with one_thread_learning():
            need = effect.need.predict(person, category)
            value = arm_values(market, channels, effect.added(person, category, need), need)
        ok = arms_allowed(view, market, offers, channels) & (free & (view["is_open"] > 0))[:, None, None]
        rests = view.day - self.called_day < self.call_gap_days
        ok &= ~(rests[:, None] & market.voice[channels])[:, None]
        cost = market.contact_mfen[channels] * 1e-5
        gross = np.where(ok, value + cost, -np.inf)
        offer = gross.argmax(axis=1)
        gross = gross.max(axis=1)
        today = Today(person, category, need, market.category[offer], np.maximum(gross, 0.0))
        self._see(today.worth.max(axis=1))
        left = self.attention(person)[:, None] * gross
        score = np.where(np.isfinite(gross), left - cost - self.forgone(today), -np.inf)
        score = np.asarray(np.round(score, 9), dtype=np.float64)
        at = score.argmax(axis=1)
        best = score[np.arange(view.n), at]
        price = self.dial + view.contact_price_mfen * 1e-5
        rows = np.flatnonzero(best > price)
        at = at[rows]
        k = market.category[offer[rows, at]]
        contacts = self.request(
            view,
            rows,
            offer[rows, at],
            channels[at],
            wanted_depth=1,
            priority=market.per_yuan(best[rows], channels[at]),
            candidates=offers,
            reason="in {category} it adds {adds:.2f} CNY and forgoes {forgoes:.2f} (price {price:.2f})",
            category=np.array(CATEGORIES)[k],
            adds=left[rows, at] - cost[at],
            forgoes=left[rows, at] - cost[at] - best[rows],
            price=price,
        )
        self.called_day[contacts.cardholder[market.voice[contacts.channel]]] = view.day
        return contacts

    def _see(self, worth: Floats) -> None:
        """Let today's worth into each person's usual one; before the first decision it is the population's mean."""
        if self.n_seen == 0:
            self.usual = np.full(len(worth), worth.mean() if len(worth) else 0.0)
        self.n_seen = min(self.n_seen + 1, USUAL_DECISIONS)
        self.usual = self.usual + (worth - self.usual) / (self.n_seen + 1)
