"""What a bank may believe of the latent state: expectations given its own columns, learnt where the truth was known.

A belief is the conditional expectation of a quantity of the full state (a contact's one-step value, what it does to the
future) given what the bank sees of a person today. It is fitted on training worlds of the simulator, never on the run's.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cardarena.agents.arms import STOCKS, Arms, Generator, best_arm
from cardarena.agents.boosting import boosted, one_thread_learning
from cardarena.agents.effects import ridge, stacked
from cardarena.agents.planning import LadderPolicy, Lookout, Outlook, Rule, futures
from cardarena.agents.tables import LEARNED_FEATURES, PERSON, view_blocks
from cardarena.simulator.contracts import Brief, Contacts, Floats, Ints, View
from cardarena.simulator.names import N_CATEGORIES
from cardarena.simulator.oracle import Truth

#: Categories per person that are considered, best first.
BELIEVED_CATEGORIES: Final = 2
FUTURE_COLUMNS: Final = (
    "1",
    "best value",
    "sum of values",
    "contacts this week",
    "contacts this week x best value",
    "contacts this month",
    "clicks",
    "margin",
    "idle",
)


@dataclass
class Belief:
    """Fitted expectations.

    Attributes:
        worth: regression of a contact's gain by the reference channel, CNY, on person, category block and category.
        offer: shape (categories,), the offer considered in each category, or -1.
        factor: shape (channels,), gain by each channel over the reference's.
        future: shape (channels, `FUTURE_COLUMNS`), what a contact by each channel does to the future, CNY; None: not asked.
    """

    worth: Any
    offer: Ints
    factor: Floats
    future: Floats | None = None


def reference_channel(generator: Generator) -> int:
    """Return the channel by which gains are learnt: the best buy that is sent, not placed."""
    market = generator.market
    sent = [c for c in market.order if c in set(generator.channels.tolist())]
    return sent[-1] if len(sent) == 1 else sent[1]


def gains(generator: Generator, truth: Truth) -> tuple[Ints, Floats]:
    """Return the offer of each category and each contact's true gain before its costs, CNY.

    Returns:
        Shape (categories,), and shape (categories, channels considered, n).
    """
    market = generator.market
    offer = np.full(N_CATEGORIES, -1, dtype=np.int64)
    n = len(truth.people)
    out = np.zeros((N_CATEGORIES, len(generator.channels), n))
    worth, channels = truth.params["permission_value_cny"], truth.rules.channels
    for k in range(N_CATEGORIES):
        best = -np.inf
        for o in generator.offers[generator.category[generator.offers] == k]:
            gain = np.zeros((len(generator.channels), n))
            for j, c in enumerate(generator.channels):
                cost = channels["cost_mfen"][c] + channels["p_notice"][c] * channels["success_cost_mfen"][c]
                minute = int(market.minute[c])
                value = truth.expected_one_step_value(int(o), int(c), 0, minute)
                gain[j] = (value + cost) * 1e-5 + channels["p_opt_out"][c] * worth[c]
            if gain.mean() > best:
                best, offer[k], out[k] = float(gain.mean()), o, gain
    return offer, out


@dataclass
class Lesson:
    """What a training world taught on one day.

    Attributes:
        x: shape (rows, columns), what the bank saw of a person and category.
        gain: shape (rows,), true gain by the reference channel, CNY.
        ratio: shape (channels considered, 2), sums of gain x reference gain, and of reference gain squared.
        offer: shape (categories,), the offer considered.
        channels: shape (channels considered,), their codes.
    """

    x: np.ndarray
    gain: Floats
    ratio: Floats
    offer: Ints
    channels: Ints


def lesson(generator: Generator, truth: Truth, view: View, rows: Ints) -> Lesson:
    """Return what the truth and the bank's sight of the same people teach."""
    offer, gain = gains(generator, truth)
    j0 = int(np.flatnonzero(generator.channels == reference_channel(generator))[0])
    person, category = view_blocks(view)
    sold = np.flatnonzero(offer >= 0)
    x = np.concatenate([stacked(person[rows], category[rows], int(k)) for k in sold])
    reference = gain[:, j0][sold][:, rows]
    ratio = np.stack(
        [
            (gain[sold][:, :, rows] * reference[:, None]).sum(axis=(0, 2)),
            np.full(gain.shape[1], (reference**2).sum()),
        ],
        axis=1,
    )
    return Lesson(x, reference.ravel(), ratio, offer, generator.channels)


def learn_worth(lessons: list[Lesson], most_rows: int = 60_000) -> Belief:
    """Fit the gain of a contact to what the bank sees."""
    x = np.concatenate([part.x for part in lessons])
    y = np.concatenate([part.gain for part in lessons])
    keep = np.linspace(0, len(y) - 1, min(most_rows, len(y))).astype(np.int64)
    with one_thread_learning():
        worth = boosted(False, trees=60, leaves=15, least=40).fit(x[keep], y[keep])
    ratio = np.sum([part.ratio for part in lessons], axis=0)
    channels = lessons[0].channels
    factor = np.zeros(int(channels.max()) + 1)
    factor[channels] = ratio[:, 0] / np.maximum(ratio[:, 1], 1e-12)
    return Belief(worth, lessons[0].offer, factor)


class BeliefPolicy(LadderPolicy):
    """A rung that sees what a bank sees: candidates valued by belief, the future, if it plans, by belief too.

    Dial: price of a contact in CNY, in place of the rule's.
    """

    name, league = "ladder_belief", "simulator"
    title = "A rung of the planning ladder, on beliefs"
    summary = "As the rungs on the full state, with every quantity replaced by its expectation given the bank's columns."
    oracle = False
    features = LEARNED_FEATURES

    def __init__(self, belief: Belief, dial: float | None = None, rule: Rule | None = None) -> None:
        """Take what was learnt, and the rule."""
        super().__init__(dial, rule)
        self.belief = belief

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Forget what was placed."""
        super().reset(brief, policy_seed)
        self._cost = self.market.contact_mfen * 1e-5

    def decide(self, view: View) -> Contacts:
        """Contact with the best candidate where its believed index exceeds the price."""
        arms, person, values = self.believed(view)
        index = arms.value
        if self.rule.weight > 0.0 and self.belief.future is not None:
            columns = future_columns(person, values)
            future = np.einsum("nf,naf->na", columns, self.belief.future[arms.channel])
            index = np.round(arms.value + self.rule.weight * future, 9)
        arm, best = best_arm(index)
        price = self.rule.price + view.contact_price_mfen * 1e-5
        rows = np.flatnonzero(best > price)
        chosen = arm[rows]
        contacts = self.request(
            view,
            rows,
            arms.offer[rows, chosen],
            arms.channel[rows, chosen],
            wanted_depth=1,
            priority=self.market.per_yuan(best[rows], arms.channel[rows, chosen]),
            reason="believed index {index:.2f} CNY (price {price:.2f})",
            index=best[rows],
            price=np.full(len(rows), price),
        )
        return self.noted(view, arms, None, contacts)

    def believed(self, view: View) -> tuple[Arms, np.ndarray, Floats]:
        """Return candidates with believed values, the person block, and the values by category, shape (n, categories)."""
        generator, belief = self.generator, self.belief
        channels, minutes = (
            generator.channels,
            np.maximum(self.market.minute[generator.channels], view.minute),
        )
        person, category = view_blocks(view)
        sold = np.flatnonzero(belief.offer >= 0)
        free = ~self.waiting[:, channels]
        ok = view.open_arms(belief.offer[sold], channels, minutes) & free[:, None, :]
        asked = np.flatnonzero(ok.any(axis=(1, 2)) & (view["is_open"] > 0))
        gain = np.zeros((view.n, N_CATEGORIES))
        if asked.size:
            x = np.concatenate([stacked(person[asked], category[asked], int(k)) for k in sold])
            with one_thread_learning():
                gain[np.ix_(asked, sold)] = belief.worth.predict(x).reshape(len(sold), -1).T
        width = BELIEVED_CATEGORIES * len(channels)
        offer, channel = np.zeros((2, view.n, width), dtype=np.int64)
        value = np.full((view.n, width), -np.inf)
        rank = np.argsort(-gain[:, sold], axis=1, kind="stable")
        rows = np.arange(view.n)
        for r in range(min(BELIEVED_CATEGORIES, len(sold))):
            at = rank[:, r]
            for j, c in enumerate(channels):
                a = r * len(channels) + j
                offer[:, a], channel[:, a] = belief.offer[sold[at]], c
                worth = belief.factor[c] * gain[rows, sold[at]] - self._cost[c]
                value[:, a] = np.where(ok[rows, at, j], np.round(worth, 9), -np.inf)
        change = np.zeros((view.n, width, len(STOCKS)))
        return Arms(offer, channel, np.zeros_like(offer), value, np.zeros_like(value), change), person, gain


def future_columns(person: np.ndarray, gain: Floats) -> Floats:
    """Return `FUTURE_COLUMNS` of what the bank sees, shape (n, columns)."""
    at = {name: j for j, name in enumerate(PERSON)}
    best = gain.max(axis=1)
    week = person[:, at["contacts_7d"]].astype(np.float64)
    columns = (
        np.ones(len(person)),
        best,
        gain.sum(axis=1),
        week,
        week * best,
        np.log1p(person[:, at["contacts_28d"]]),
        np.log1p(person[:, at["clicks_28d"]]),
        np.log1p(np.maximum(person[:, at["margin_28d_cny"]], 0.0)),
        (person[:, at["recency_days"]] > 28.0).astype(np.float64),
    )
    return np.stack(columns, axis=1)


@dataclass
class FutureLesson:
    """What contacts do to the future, by truth and shadow prices, beside what the bank sees.

    Attributes:
        columns: shape (rows, `FUTURE_COLUMNS`).
        channel: shape (rows,).
        future: shape (rows,), CNY.
    """

    columns: Floats
    channel: Ints
    future: Floats


def future_lesson(policy: BeliefPolicy, rule: Rule, truth: Truth, view: View) -> FutureLesson:
    """Return the true future term of the candidates that the policy would think of, with the shadow prices of `rule`."""
    _, person, gain = policy.believed(view)
    generator = policy.generator
    arms = generator.arms(truth, view.day, view=view, taken=policy.waiting, with_change=True)
    outlook: Outlook = Lookout(generator).outlook(truth, arms, view.day)
    future = futures(rule, arms, outlook, generator.category).sum(axis=2)
    rows, at = np.nonzero(np.isfinite(arms.value))
    columns = future_columns(person, gain)
    return FutureLesson(columns[rows], arms.channel[rows, at], future[rows, at])


def learn_future(belief: Belief, lessons: list[FutureLesson], n_channels: int) -> Belief:
    """Fit the future term to what the bank sees, channel by channel; ridge towards nothing."""
    out = np.zeros((n_channels, len(FUTURE_COLUMNS)))
    columns = np.concatenate([part.columns for part in lessons])
    channel = np.concatenate([part.channel for part in lessons])
    future = np.concatenate([part.future for part in lessons])
    for c in np.unique(channel):
        mine = np.flatnonzero(channel == c)
        out[c] = ridge(columns[mine], future[mine], np.ones(len(mine)), 10.0)
    return Belief(belief.worth, belief.offer, belief.factor, out)
