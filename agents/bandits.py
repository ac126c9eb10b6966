"""Bandits that start from nothing and learn from their own contacts: `linucb`, `thompson`."""

from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from cardarena.agents.base import BasePolicy, Dial, one_thread
from cardarena.agents.effects import EFFECT_NAMES, effect_design
from cardarena.agents.market import reach
from cardarena.agents.tables import LEARNED_FEATURES, view_blocks
from cardarena.simulator.contracts import Bools, Brief, Contacts, Feedback, Floats, Ints, View
from cardarena.simulator.names import CATEGORIES, N_CATEGORIES

#: Days after a contact in which a purchase in its category counts as its outcome.
WINDOW_DAYS: Final = 7
#: Cost of a lost permission in CNY; assumed.
OPT_OUT_CNY: Final = 3.0
#: Cardholders whose outcomes are learned from on one decision day, at most.
SAMPLE: Final = 20_000
_N_SHARED: Final = len(EFFECT_NAMES)


class LinearBandit(BasePolicy):
    """One Bayesian linear model for all arms: what a person's category would bring anyway, and what a contact adds.

    An arm is (offer, channel). The outcome of a person on a decision day is the margin of purchases in one
    category within a week: the category contacted with, or, of those not contacted, the one that looked best.
    It is explained by base columns (the same for contacted and not) and, for the contacted, by effect
    columns: slopes on the person's signs, shared over all arms and scaled by the category's worth, and one
    number an offer and one a channel. So the effect is an increment, and a sure thing earns nothing.

    A row is *open* for a week, while feedback adds its purchases; then it is *ripe* and enters the model,
    once.

    Attributes:
        precision: shape (d, d), the posterior's precision.
        moment: shape (d,), precision times posterior mean.
        open_rows: decisions of the last week, with the outcomes so far.
    """

    league = "cold"
    every_days = 7
    features = LEARNED_FEATURES
    wants_feedback = True
    kept = ("precision", "moment", "open_rows", "n_learned")
    n_channels: ClassVar[int] = 3
    #: Before anything is known, at most this share of the base is contacted on a decision day.
    first_share: ClassVar[float] = 0.25
    #: Share of the base left alone by lot on a decision day: where everybody is contacted, nobody shows what would have
    #: been bought anyway.
    slice_share: ClassVar[float] = 0.1
    #: Width of the exploration, in posterior standard deviations.
    width: ClassVar[float] = 1.0
    #: Prior standard deviation of an offer's and of a channel's number, CNY.
    prior_cny: ClassVar[float] = 0.3

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Forget all that was learned."""
        super().reset(brief, policy_seed)
        market = self.market
        self._channels: Ints = np.array(market.order[: self.n_channels], dtype=np.int64)
        worth = np.array([_mean(market.take_fen[market.category == k]) for k in range(N_CATEGORIES)]) * 0.01
        worth = np.maximum(worth, 5.0)
        # A contact adds about a hundredth of a purchase; outcomes scatter like rare purchases.
        self._slope_scale: Floats = worth * 0.01
        self._clip_cny: Floats = worth * 5.0
        self._noise: Floats = 0.02 * worth**2 + 0.1
        m, c = market.n_offers, len(self._channels)
        prior = np.concatenate(
            [
                np.full(_N_SHARED, 1.0),
                np.full(N_CATEGORIES, 1.0),
                np.full(_N_SHARED, 1.0),
                np.full(m + c, self.prior_cny),
            ]
        )
        self._effects = slice(_N_SHARED + N_CATEGORIES, len(prior))
        self.precision: Floats = np.diag(prior**-2.0)
        self.moment: Floats = np.zeros(len(prior))
        self.open_rows: list[dict[str, Any]] = []
        self.n_learned = 0

    def decide(self, view: View) -> Contacts:
        """Choose an arm for everybody and contact where it is worth its price; open a row for each."""
        market = self.market
        if not view.n or not len(self._channels):
            return self.request(view, np.zeros(0, dtype=np.int64), 0, 0)
        self._ripen(view.day)
        person, category = view_blocks(view)
        shared = np.stack([effect_design(person, category, k) for k in range(N_CATEGORIES)])
        codes = np.arange(market.n_offers)
        ok = np.stack([reach(view, market, codes, (int(c),)) >= 0 for c in self._channels], axis=2)
        ok = (ok & (view["is_open"] > 0)[:, None, None]).reshape(view.n, -1)
        with one_thread():
            arm, score, propensity = self.choose(view, shared, ok)
        price = self.dial + view.contact_price_mfen * 1e-5
        wanted = ok.any(axis=1) & (score > price)
        if self.n_learned == 0:
            most = int(self.first_share * view.n)
            ranked = np.argsort(np.where(wanted, -score, np.inf), kind="stable")[:most]
            first = np.zeros(view.n, dtype=bool)
            first[ranked] = True
            wanted &= first
        wanted &= self.luck(view, 1).random(view.n) >= self.slice_share
        rows = np.flatnonzero(wanted)
        offer, channel = arm // len(self._channels), self._channels[arm % len(self._channels)]
        contacts = self.request(
            view,
            rows,
            offer[rows],
            channel[rows],
            wanted_depth=1,
            priority=score[rows],
            propensity=propensity[rows] * (1.0 - self.slice_share),
            reason="a contact for {category} is thought to add up to {score:.2f} CNY (price {price:.2f})",
            category=np.array(CATEGORIES)[market.category[offer[rows]]],
            score=score[rows],
            price=price,
        )
        self._open(view, shared, arm, np.asarray(ok.any(axis=1)), contacts)
        return contacts

    def choose(self, view: View, shared: Floats, ok: Bools) -> tuple[Ints, Floats, Floats]:
        """Return each person's arm, what it is thought to add in CNY after costs, and its propensity.

        Args:
            view: the bank's sight.
            shared: shape (categories, n, effect columns).
            ok: shape (n, arms), what is allowed; an arm is offer x channels + channel.
        """
        raise NotImplementedError

    def learn(self, feedback: Feedback) -> None:
        """Add purchases, refusals and complaints to the open rows."""
        complaint = self.brief.complaint_cost_mfen * 1e-5
        for rows in self.open_rows:
            since = feedback.purchase_day - rows["day"]
            who = np.searchsorted(rows["cardholder"], feedback.purchase_cardholder)
            who = np.minimum(who, len(rows["cardholder"]) - 1)
            ok = (
                (rows["cardholder"][who] == feedback.purchase_cardholder)
                & (since >= 0)
                & (since < WINDOW_DAYS)
            )
            ok &= rows["category"][who] == feedback.purchase_category
            np.add.at(rows["outcome_cny"], who[ok], feedback.purchase_value_fen[ok] * 0.01)
            own = np.searchsorted(rows["cardholder"], feedback.cardholder)
            own = np.minimum(own, len(rows["cardholder"]) - 1)
            ok = (rows["cardholder"][own] == feedback.cardholder) & (feedback.decided_day == rows["day"])
            harm = OPT_OUT_CNY * feedback.opted_out + complaint * feedback.complained
            np.add.at(rows["harm_cny"], own[ok], harm[ok])

    def posterior(self) -> tuple[Floats, Floats]:
        """Return mean and covariance of the effect columns' coefficients."""
        covariance = np.asarray(np.linalg.inv(self.precision), dtype=np.float64)
        mean: Floats = covariance @ self.moment
        return mean[self._effects], covariance[self._effects, self._effects]

    def means(self, shared: Floats, theta: Floats) -> Floats:
        """Return what each arm adds after its contact's cost under the coefficients `theta`, CNY, shape (n, arms)."""
        market, m = self.market, self.market.n_offers
        slopes = np.einsum("knj,j->nk", shared, theta[:_N_SHARED]) * self._slope_scale
        by_offer = slopes[:, market.category] + theta[_N_SHARED : _N_SHARED + m]
        by_channel = theta[_N_SHARED + m :] - market.contact_mfen[self._channels] * 1e-5
        return (by_offer[:, :, None] + by_channel).reshape(len(by_offer), -1)

    def effect_rows(self, shared: Floats, rows: Ints, arm: Ints) -> Floats:
        """Return the effect columns of people `rows` under their arms, shape (rows, columns)."""
        m, c = self.market.n_offers, len(self._channels)
        offer, channel = arm // c, arm % c
        k = self.market.category[offer]
        x = np.zeros((len(rows), _N_SHARED + m + c))
        x[:, :_N_SHARED] = shared[k, rows] * self._slope_scale[k][:, None]
        x[np.arange(len(rows)), _N_SHARED + offer] = 1.0
        x[np.arange(len(rows)), _N_SHARED + m + channel] = 1.0
        return x

    def _open(self, view: View, shared: Floats, arm: Ints, reachable: Bools, contacts: Contacts) -> None:
        """Open a row for each reachable cardholder of a fixed slice."""
        rows = np.flatnonzero(reachable)[:: max(1, view.n // SAMPLE)]
        if not len(rows):
            return
        contacted = np.zeros(view.n, dtype=bool)
        contacted[contacts.cardholder] = True
        category = self.market.category[arm // len(self._channels)]
        self.open_rows.append(
            {
                "day": view.day,
                "cardholder": rows,
                "category": category[rows],
                "arm": np.where(contacted[rows], arm[rows], -1),
                "shared": shared[category[rows], rows].astype(np.float32),
                "outcome_cny": np.zeros(len(rows)),
                "harm_cny": np.zeros(len(rows)),
            }
        )

    def _ripen(self, today: int) -> None:
        """Move the ripe rows into the model."""
        ripe = [rows for rows in self.open_rows if rows["day"] + WINDOW_DAYS <= today]
        self.open_rows = [rows for rows in self.open_rows if rows["day"] + WINDOW_DAYS > today]
        for rows in ripe:
            k, contacted = rows["category"], rows["arm"] >= 0
            shared = rows["shared"].astype(np.float64)
            x = np.zeros((len(k), len(self.moment)))
            x[:, :_N_SHARED] = shared * self._slope_scale[k][:, None]
            x[np.arange(len(k)), _N_SHARED + k] = 1.0
            arm, c = rows["arm"][contacted], len(self._channels)
            effects = np.zeros((len(arm), len(self.moment) - self._effects.start))
            effects[:, :_N_SHARED] = x[contacted, :_N_SHARED]
            effects[np.arange(len(arm)), _N_SHARED + arm // c] = 1.0
            effects[np.arange(len(arm)), _N_SHARED + self.market.n_offers + arm % c] = 1.0
            x[contacted, self._effects.start :] = effects
            y = np.clip(rows["outcome_cny"], -self._clip_cny[k], self._clip_cny[k]) - rows["harm_cny"]
            weighted = x / self._noise[k][:, None]
            with one_thread():
                self.precision = self.precision + x.T @ weighted
                self.moment = self.moment + weighted.T @ y
            self.n_learned += int(contacted.sum())


class LinUcb(LinearBandit):
    """Optimism: the arm whose mean plus `width` standard deviations is best, if that exceeds the price.

    A decision concerns thousands of people before any feedback, so the base is decided in a few slices, and
    after each the precision grows as if its contacts had been seen: not everybody is sent to try the same
    uncertain arm.

    Dial: price of a contact in CNY, on top of its cost and the arena's price.
    """

    name = "linucb"
    title = "LinUCB"
    summary = (
        "A linear model shared over arms, with optimism where it is unsure; learns from its own contacts."
    )
    dial_spec: ClassVar[Dial] = Dial("contact price, CNY", (0.0, 0.5, 1.0, 2.0), 0.5, 0.0)
    slices: ClassVar[int] = 8

    def choose(self, view: View, shared: Floats, ok: Bools) -> tuple[Ints, Floats, Floats]:
        """Score slice by slice, counting earlier slices' contacts as seen."""
        arm = np.zeros(view.n, dtype=np.int64)
        score = np.full(view.n, -np.inf)
        precision = self.precision.copy()
        theta = self.posterior()[0]
        price = self.dial + view.contact_price_mfen * 1e-5
        for part in np.array_split(np.arange(view.n), min(self.slices, view.n)):
            covariance = np.asarray(np.linalg.inv(precision), dtype=np.float64)
            spread = self._spread(shared[:, part], covariance[self._effects, self._effects])
            upper = np.round(self.means(shared[:, part], theta) + self.width * spread, 9)
            upper[~ok[part]] = -np.inf
            arm[part] = upper.argmax(axis=1)
            score[part] = upper[np.arange(len(part)), arm[part]]
            sent = part[score[part] > price]
            x = self.effect_rows(shared, sent, arm[sent])
            noise = self._noise[self.market.category[arm[sent] // len(self._channels)]]
            precision[self._effects, self._effects] += x.T @ (x / noise[:, None])
        return arm, score, np.ones(view.n)

    def _spread(self, shared: Floats, covariance: Floats) -> Floats:
        """Return the posterior standard deviation of each person's arms, shape (n, arms), block by block."""
        m, category = self.market.n_offers, self.market.category
        s, o, c = slice(_N_SHARED), slice(_N_SHARED, _N_SHARED + m), slice(_N_SHARED + m, None)
        z = shared * self._slope_scale[:, None, None]
        own = np.einsum("knj,knj->nk", z @ covariance[s, s], z)
        with_offer = np.stack([z[category[j]] @ covariance[s, o][:, j] for j in range(m)], axis=1)
        by_offer = own[:, category] + 2.0 * with_offer + np.diag(covariance[o, o])
        with_channel = (z @ covariance[s, c]).transpose(1, 0, 2)[:, category]
        constant = 2.0 * covariance[o, c] + np.diag(covariance[c, c])
        variance = by_offer[:, :, None] + 2.0 * with_channel + constant
        return np.sqrt(np.maximum(variance, 0.0)).reshape(len(variance), -1)


class Thompson(LinearBandit):
    """Posterior sampling: each person gets the arm that is best under a draw of the coefficients.

    A handful of draws is shared by the base, each person taking one of them by lot; so the propensity of what
    a person gets is known: the share of the draws that would have chosen the same.

    Dial: price of a contact in CNY, on top of its cost and the arena's price.
    """

    name = "thompson"
    title = "Thompson sampling"
    summary = (
        "A linear model shared over arms, decided by draws from the posterior; learns from its own contacts."
    )
    dial_spec: ClassVar[Dial] = Dial("contact price, CNY", (0.0, 0.5, 1.0, 2.0), 0.5, 0.0)
    draws: ClassVar[int] = 16

    def choose(self, view: View, shared: Floats, ok: Bools) -> tuple[Ints, Floats, Floats]:
        """Score under every draw; give each person one draw's choice."""
        luck = self.luck(view)
        mean, covariance = self.posterior()
        root = np.linalg.cholesky(covariance + 1e-12 * np.eye(len(mean)))
        thetas = mean + self.width * luck.standard_normal((self.draws, len(mean))) @ root.T
        mine = luck.integers(0, self.draws, size=view.n)
        price = self.dial + view.contact_price_mfen * 1e-5
        everybody = np.arange(view.n)
        arms = np.empty((self.draws, view.n), dtype=np.int64)
        scores = np.empty((self.draws, view.n))
        for d, theta in enumerate(thetas):
            value = np.round(self.means(shared, theta), 9)
            value[~ok] = -np.inf
            arms[d] = value.argmax(axis=1)
            scores[d] = value[everybody, arms[d]]
        action = np.where(scores > price, arms, -1)
        same = (action == action[mine, everybody]).mean(axis=0)
        return arms[mine, everybody], scores[mine, everybody], same


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else 0.0
