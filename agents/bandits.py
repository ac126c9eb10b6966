"""Bandits that start from nothing and learn from their own contacts: `linucb`, `thompson`."""

from typing import Any, ClassVar, Final

import numpy as np

from cardarena.agents.base import BasePolicy, Dial, one_thread
from cardarena.agents.effects import EFFECT_NAMES, effect_design
from cardarena.agents.market import OPT_OUT_CNY, arms_allowed, worth_offering
from cardarena.agents.tables import LEARNED_FEATURES, view_blocks
from cardarena.simulator.contracts import Bools, Brief, Contacts, Feedback, Floats, Ints, View
from cardarena.simulator.names import CATEGORIES, N_CATEGORIES

#: Days after a contact in which a purchase in its category counts as its outcome.
WINDOW_DAYS: Final = 7
#: Cardholders whose outcomes are learned from on one decision day, at most.
SAMPLE: Final = 20_000
_N_SHARED: Final = len(EFFECT_NAMES)
#: Prior of the effect's slopes, purchases added by a contact of strength 1 (about one click): few without a sign of
#: need, more with each; assumed.
PRIOR_ONE: Final = 0.03
PRIOR_PRECURSOR: Final = 0.3
#: Prior standard deviations of slopes, and of what one offer or one channel does beyond its lift and strength.
PRIOR_SLOPE_SD: Final = 0.2
PRIOR_ARM_SD: Final = 0.3


class LinearBandit(BasePolicy):
    """One Bayesian linear model for all arms: what a person's category would bring anyway, and what a contact adds.

    An arm is (offer, channel). The outcome of a person on a decision day is the margin of purchases in one category
    within a week: the category contacted with, or, of those not contacted, the one that looked best. It is
    explained by base columns (the same for contacted and not) and, for the contacted, by effect columns: the
    person's signs of need, and one column an offer and one a channel, all times the arm's *gain* (the offer's margin
    and lift, the channel's strength). So the arms share what there is to learn, the effect is an increment, and a sure
    thing earns nothing.

    A row is *open* for a week, while feedback adds its purchases; then it is *ripe* and enters the model, once.

    Attributes:
        precision: shape (d, d), the posterior's precision.
        moment: shape (d,), precision times posterior mean.
        open_rows: decisions of the last week, with the outcomes so far.
        n_learned: contacts in the model.
    """

    league = "cold"
    every_days = 7
    features = LEARNED_FEATURES
    wants_feedback = True
    kept = ("precision", "moment", "open_rows", "n_learned")
    #: Channels weighed against each other: so many best buys.
    n_channels: ClassVar[int] = 4
    #: Before anything is known, at most this share of the base is contacted on a decision day.
    first_share: ClassVar[float] = 0.25
    #: Share of the base left alone by lot on a decision day: where everybody is contacted, nobody shows what would
    #: have been bought anyway.
    slice_share: ClassVar[float] = 0.1
    #: Width of the exploration, in posterior standard deviations.
    width: ClassVar[float] = 0.5

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Forget all that was learned."""
        super().reset(brief, policy_seed)
        market = self.market
        self._channels: Ints = market.channels(self.n_channels)
        self._offers: Ints = worth_offering(market)
        worth = [
            market.take_cny[self._offers[market.category[self._offers] == k]] for k in range(N_CATEGORIES)
        ]
        self._worth: Floats = np.array([max(5.0, *w) if len(w) else 5.0 for w in worth])
        m, c = len(self._offers), len(self._channels)
        self._category: Ints = market.category[self._offers]
        dose = market.lift[self._offers, None] * market.strength[self._channels]
        self._gain: Floats = dose * market.take_cny[self._offers, None]
        self._cost: Floats = market.contact_mfen[self._channels] * 1e-5
        # Purchases are rare; one more likely by the dose makes the outcome scatter more.
        self._noise: Floats = (self._worth[self._category] ** 2)[:, None] * (0.01 + 0.1 * dose) + 0.1
        self._base_noise: Floats = self._worth**2 * 0.01 + 0.1
        mean = np.zeros(2 * _N_SHARED + N_CATEGORIES + m + c)
        self._effects = slice(_N_SHARED + N_CATEGORIES, len(mean))
        mean[self._effects.start] = PRIOR_ONE
        mean[self._effects.start + EFFECT_NAMES.index("precursor")] = PRIOR_PRECURSOR
        spread = np.full(len(mean), PRIOR_SLOPE_SD)
        spread[-(m + c) :] = PRIOR_ARM_SD
        self.precision: Floats = np.diag(spread**-2.0)
        self.moment: Floats = self.precision @ mean
        self.open_rows: list[dict[str, Any]] = []
        self.n_learned = 0

    def decide(self, view: View) -> Contacts:
        """Choose an arm for everybody and contact where it is worth its price; open a row for each."""
        c = len(self._channels)
        if not view.n or not c or not len(self._offers):
            return self.request(view, np.zeros(0, dtype=np.int64), 0, 0)
        self._ripen(view.day)
        person, category = view_blocks(view)
        shared = np.stack([effect_design(person, category, k) for k in range(N_CATEGORIES)])
        ok = arms_allowed(view, self.market, self._offers, self._channels)[:, self._offers]
        ok = (ok & (view["is_open"] > 0)[:, None, None]).reshape(view.n, -1)
        with one_thread():
            arm, score, propensity = self.choose(view, shared, ok)
        price = self.price(view)
        reachable = np.asarray(ok.any(axis=1))
        wanted = reachable & (score > price)
        if self.n_learned == 0:
            first = np.zeros(view.n, dtype=bool)
            first[
                np.argsort(np.where(wanted, -score, np.inf), kind="stable")[: int(self.first_share * view.n)]
            ] = True
            wanted &= first
        wanted &= self.luck(view, 1).random(view.n) >= self.slice_share
        rows = np.flatnonzero(wanted)
        contacts = self.request(
            view,
            rows,
            self._offers[arm[rows] // c],
            self._channels[arm[rows] % c],
            wanted_depth=1,
            priority=self.market.per_yuan(score[rows], self._channels[arm[rows] % c]),
            propensity=propensity[rows] * (1.0 - self.slice_share),
            candidates=self._offers,
            reason="a contact for {category} is thought to add up to {score:.2f} CNY (price {price:.2f})",
            category=np.array(CATEGORIES)[self._category[arm[rows] // c]],
            score=score[rows],
            price=price,
        )
        self._open(view, shared, arm, reachable, contacts)
        return contacts

    def choose(self, view: View, shared: Floats, ok: Bools) -> tuple[Ints, Floats, Floats]:
        """Return each person's arm, what it is thought to add in CNY after its cost, and its propensity.

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
            at, ok = _found(rows["cardholder"], feedback.purchase_cardholder)
            ok &= (since >= 0) & (since < WINDOW_DAYS) & (rows["category"][at] == feedback.purchase_category)
            np.add.at(rows["outcome_cny"], at[ok], feedback.purchase_value_fen[ok] * 0.01)
            at, ok = _found(rows["cardholder"], feedback.cardholder)
            ok &= feedback.decided_day == rows["day"]
            harm = OPT_OUT_CNY * feedback.opted_out + complaint * feedback.complained
            np.add.at(rows["harm_cny"], at[ok], harm[ok])

    def price(self, view: View) -> float:
        """Return what a contact must add to be made, CNY."""
        return self.dial + view.contact_price_mfen * 1e-5

    def posterior(self) -> tuple[Floats, Floats]:
        """Return mean and covariance of the effect columns' coefficients."""
        covariance = np.asarray(np.linalg.inv(self.precision), dtype=np.float64)
        mean: Floats = covariance @ self.moment
        return mean[self._effects], covariance[self._effects, self._effects]

    def means(self, shared: Floats, theta: Floats) -> Floats:
        """Return what each arm adds after its cost under the coefficients `theta`, CNY, shape (n, arms)."""
        m = len(self._offers)
        slopes = np.einsum("knj,j->nk", shared, theta[:_N_SHARED])
        by_offer = slopes[:, self._category] + theta[_N_SHARED : _N_SHARED + m]
        value = (by_offer[:, :, None] + theta[_N_SHARED + m :]) * self._gain - self._cost
        return value.reshape(len(value), -1)

    def effect_rows(self, shared: Floats, arm: Ints) -> Floats:
        """Return the effect columns of people with the signs `shared` under their arms, shape (rows, columns)."""
        m, c = len(self._offers), len(self._channels)
        x = np.zeros((len(arm), _N_SHARED + m + c))
        x[:, :_N_SHARED] = shared
        x[np.arange(len(arm)), _N_SHARED + arm // c] = 1.0
        x[np.arange(len(arm)), _N_SHARED + m + arm % c] = 1.0
        return x * self._gain[arm // c, arm % c][:, None]

    def _open(self, view: View, shared: Floats, arm: Ints, reachable: Bools, contacts: Contacts) -> None:
        """Open a row for each reachable cardholder of a fixed slice."""
        rows = np.flatnonzero(reachable)[:: max(1, view.n // SAMPLE)]
        if not len(rows):
            return
        contacted = np.zeros(view.n, dtype=bool)
        contacted[contacts.cardholder] = True
        category = self._category[arm[rows] // len(self._channels)]
        self.open_rows.append(
            {
                "day": view.day,
                "cardholder": rows,
                "category": category,
                "arm": np.where(contacted[rows], arm[rows], -1),
                "shared": shared[category, rows].astype(np.float32),
                "outcome_cny": np.zeros(len(rows)),
                "harm_cny": np.zeros(len(rows)),
            }
        )

    def _ripen(self, today: int) -> None:
        """Move the ripe rows into the model."""
        ripe = [rows for rows in self.open_rows if rows["day"] + WINDOW_DAYS <= today]
        self.open_rows = [rows for rows in self.open_rows if rows["day"] + WINDOW_DAYS > today]
        c = len(self._channels)
        for rows in ripe:
            k, sent = rows["category"], rows["arm"] >= 0
            shared, arm = rows["shared"].astype(np.float64), rows["arm"][sent]
            x = np.zeros((len(k), len(self.moment)))
            x[:, :_N_SHARED] = shared * self._worth[k][:, None]
            x[np.arange(len(k)), _N_SHARED + k] = self._worth[k]
            x[sent, self._effects.start :] = self.effect_rows(shared[sent], arm)
            # One large ticket is worth no more than the offer's expected margin.
            y = np.clip(rows["outcome_cny"], -self._worth[k], self._worth[k]) - rows["harm_cny"]
            noise = self._base_noise[k]
            noise[sent] = self._noise[arm // c, arm % c]
            weighted = x / noise[:, None]
            with one_thread():
                self.precision = self.precision + x.T @ weighted
                self.moment = self.moment + weighted.T @ y
            self.n_learned += int(sent.sum())


class LinUcb(LinearBandit):
    """Optimism: the arm whose mean plus `width` standard deviations is best, if that exceeds the price.

    A decision concerns thousands of people before any feedback, so the base is decided in a few slices, and after each
    the precision grows as if its contacts had been seen: not everybody is sent to try the same uncertain arm.

    Dial: price of a contact in CNY, on top of its cost and the arena's price.
    """

    name = "linucb"
    title = "LinUCB"
    summary = (
        "A linear model shared over arms, with optimism where it is unsure; learns from its own contacts."
    )
    dial_spec: ClassVar[Dial] = Dial("contact price, CNY", (0.0, 0.1, 1.0, 2.0, 4.0), 0.1, 0.0)
    slices: ClassVar[int] = 8

    def choose(self, view: View, shared: Floats, ok: Bools) -> tuple[Ints, Floats, Floats]:
        """Score slice by slice, counting earlier slices' contacts as seen."""
        arm = np.zeros(view.n, dtype=np.int64)
        score = np.full(view.n, -np.inf)
        precision = self.precision.copy()
        theta = self.posterior()[0]
        c = len(self._channels)
        for part in np.array_split(np.arange(view.n), min(self.slices, view.n)):
            covariance = np.asarray(np.linalg.inv(precision), dtype=np.float64)
            spread = self._spread(shared[:, part], covariance[self._effects, self._effects])
            upper = np.round(self.means(shared[:, part], theta) + self.width * spread, 9)
            upper[~ok[part]] = -np.inf
            arm[part] = upper.argmax(axis=1)
            score[part] = upper[np.arange(len(part)), arm[part]]
            sent = part[score[part] > self.price(view)]
            x = self.effect_rows(shared[self._category[arm[sent] // c], sent], arm[sent])
            noise = self._noise[arm[sent] // c, arm[sent] % c]
            precision[self._effects, self._effects] += x.T @ (x / noise[:, None])
        return arm, score, np.ones(view.n)

    def _spread(self, shared: Floats, covariance: Floats) -> Floats:
        """Return the posterior standard deviation of each person's arms, CNY, shape (n, arms), block by block."""
        m, category = len(self._offers), self._category
        s, o, c = slice(_N_SHARED), slice(_N_SHARED, _N_SHARED + m), slice(_N_SHARED + m, None)
        own = np.einsum("knj,knj->nk", shared @ covariance[s, s], shared)
        with_offer = np.stack([shared[category[j]] @ covariance[s, o][:, j] for j in range(m)], axis=1)
        by_offer = own[:, category] + 2.0 * with_offer + np.diag(covariance[o, o])
        with_channel = (shared @ covariance[s, c]).transpose(1, 0, 2)[:, category]
        constant = 2.0 * covariance[o, c] + np.diag(covariance[c, c])
        variance = by_offer[:, :, None] + 2.0 * with_channel + constant
        return (np.sqrt(np.maximum(variance, 0.0)) * self._gain).reshape(len(variance), -1)


class Thompson(LinearBandit):
    """Posterior sampling: each person gets the arm that is best under a draw of the coefficients.

    A handful of draws is shared by the base, each person taking one of them by lot; so the propensity of what a person
    gets is known: the share of the draws that would have chosen the same.

    Dial: price of a contact in CNY, on top of its cost and the arena's price.
    """

    name = "thompson"
    title = "Thompson sampling"
    summary = (
        "A linear model shared over arms, decided by draws from the posterior; learns from its own contacts."
    )
    dial_spec: ClassVar[Dial] = Dial("contact price, CNY", (0.0, 0.5, 1.0, 2.0, 4.0), 0.5, 0.0)
    draws: ClassVar[int] = 8

    def choose(self, view: View, shared: Floats, ok: Bools) -> tuple[Ints, Floats, Floats]:
        """Score under every draw; give each person one draw's choice."""
        luck = self.luck(view)
        mean, covariance = self.posterior()
        root = np.linalg.cholesky(covariance + 1e-12 * np.eye(len(mean)))
        thetas = mean + self.width * luck.standard_normal((self.draws, len(mean))) @ root.T
        mine = luck.integers(0, self.draws, size=view.n)
        everybody = np.arange(view.n)
        arms = np.empty((self.draws, view.n), dtype=np.int64)
        scores = np.empty((self.draws, view.n))
        for d, theta in enumerate(thetas):
            value = np.round(self.means(shared, theta), 9)
            value[~ok] = -np.inf
            arms[d] = value.argmax(axis=1)
            scores[d] = value[everybody, arms[d]]
        action = np.where(scores > self.price(view), arms, -1)
        same = (action == action[mine, everybody]).mean(axis=0)
        return arms[mine, everybody], scores[mine, everybody], same


def _found(sorted_ids: Ints, wanted: Ints) -> tuple[Ints, Bools]:
    """Return the position of each wanted id, and whether it is there."""
    at = np.minimum(np.searchsorted(sorted_ids, wanted), len(sorted_ids) - 1)
    return at, sorted_ids[at] == wanted
