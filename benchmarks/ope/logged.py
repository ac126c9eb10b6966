"""The log of the randomised status quo, prepared for estimation, and what the targets truly come to in the same world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cardarena.agents.market import per_category, relevance
from cardarena.benchmarks.ope.targets import Chances, Tilt, Tilted, make_target
from cardarena.benchmarks.run_tables import MFEN_PER_CNY
from cardarena.simulator.contracts import Bools, Brief, Contacts, Floats, Ints, View
from cardarena.simulator.names import N_CHANNELS
from cardarena.simulator.schedulers.evening import Evening
from cardarena.simulator.setup import luck_key
from cardarena.simulator.state import WorldState
from cardarena.simulator.world import World

WEEK: Final = 7
#: Days after a decision over which the one-decision estimand counts.
WINDOW_DAYS: Final = 14
#: Discount a year, as in incremental net value.
DISCOUNT: Final = 0.10
WEEKLY_DISCOUNT: Final = float((1.0 + DISCOUNT) ** (-WEEK / 365.0))
OUTCOMES: Final = ("realised", "expected")
STATUS_QUO: Final = Tilt("the status quo")
#: What is known of a cardholder before the decision: money and counts by their logarithm.
_SIZES: Final = (
    "spend_28d_cny",
    "spend_112d_cny",
    "transactions_28d",
    "margin_28d_cny",
    "instalment_balance_cny",
    "contacts_28d",
    "clicks_28d",
    "visits_28d",
    "limit_cny",
)
_LEVELS: Final = ("recency_days", "utilisation", "tenure_days", "age", "overdue")


@dataclass(frozen=True)
class Log:
    """What the status quo's log says, and the weights that each target gives it.

    Attributes:
        margin: by outcome, shape (people, days), the margin of each day, CNY: `realised`, which a bank has, and `expected`,
            which it has not: the day's luck is taken out of it.
        known: shape (people, weeks), open, and may be learnt from, at the decision.
        taken: shape (people, weeks, features), of the state and of the action taken.
        weights: by target, shape (people, weeks), chance of the action under the target over that under the status quo.
        target: by target, shape (people, weeks, features): mean features over the target's actions.
        n_state: how many of the features, the first, tell the state alone.
        truth: by estimand and target, shape (people, weeks) and (people, 1): true lift of each person, CNY.
        truth_error: by estimand and target: Monte-Carlo standard error of the mean lift over the known.
    """

    margin: Mapping[str, Floats]
    known: Bools
    taken: Floats
    weights: Mapping[str, Floats]
    target: Mapping[str, Floats]
    n_state: int
    truth: Mapping[str, Mapping[str, Floats]]
    truth_error: Mapping[str, Mapping[str, float]]

    def rewards(self, outcome: str, days: int) -> Floats:
        """Return the margin of so many days from each decision on, shape (people, weeks)."""
        margin, starts = self.margin[outcome], range(0, self.known.shape[1] * WEEK, WEEK)
        return np.stack([margin[:, start : start + days].sum(axis=1) for start in starts], axis=1)


class _Recorder(Tilted):
    """The status quo, which notes what it and every target would do with each cardholder, and what it did."""

    name = "recorder"
    features = tuple(dict.fromkeys((*(Tilted.features or ()), "behaviour_missing", *_SIZES, *_LEVELS)))

    def __init__(self, targets: Mapping[str, Tilted]) -> None:
        super().__init__(STATUS_QUO)
        self.targets = targets
        self.weeks: list[tuple[Bools, Floats, dict[str, Floats], dict[str, Floats]]] = []

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Reset the targets too."""
        super().reset(brief, policy_seed)
        for target in self.targets.values():
            target.reset(brief, policy_seed)

    def decide(self, view: View) -> Contacts:
        """Decide as the status quo does, and note."""
        contacts = super().decide(view)
        allowed, state = self.open_to(view), _state(view)
        self.n_state = state.shape[1]
        made = self._taken(view, contacts)
        mine = self.chances(view, allowed)
        chance = _chance(mine, contacts, self.channel_codes())
        weights, target = {}, {}
        for name, policy in self.targets.items():
            would = policy.chances(view, allowed)
            weights[name] = _chance(would, contacts, self.channel_codes()) / chance
            target[name] = self._features(view, state, would.contact, would.channel, would.offer)
        known = (view["is_open"] > 0) & (view["behaviour_missing"] == 0.0)
        self.weeks.append((known, self._features(view, state, *made), weights, target))
        return contacts

    def _taken(self, view: View, contacts: Contacts) -> tuple[Floats, Floats, Floats]:
        """Return contact, channel and offer as chances of nought and one."""
        contact, channel = np.zeros(view.n), np.zeros((view.n, len(self.mix)))
        offer = np.zeros((view.n, self.market.n_offers))
        contact[contacts.cardholder] = 1.0
        channel[contacts.cardholder, _place(contacts.channel, self.channel_codes())] = 1.0
        offer[contacts.cardholder, contacts.offer] = 1.0
        return contact, channel, offer

    def _features(self, view: View, state: Floats, contact: Floats, channel: Floats, offer: Floats) -> Floats:
        """Return the features of state and action, linear in the chances of the action, shape (n, features)."""
        market = self.market
        by_category = offer @ np.eye(int(market.category.max()) + 1)[market.category]
        taste = relevance(view)[:, : by_category.shape[1]]
        fit = (by_category * taste).sum(axis=1)
        worth = offer @ market.take_cny
        # What a contact does differs with who gets it.
        with_state = contact[:, None] * state[:, 1:]
        return np.column_stack(
            [state, channel, by_category[:, 1:], fit, worth, worth * taste.max(axis=1), with_state]
        )


def _state(view: View) -> Floats:
    sizes = np.sign(view.matrix(_SIZES)) * np.log1p(np.abs(view.matrix(_SIZES).astype(np.float64)))
    levels = view.matrix(_LEVELS) / np.array([30.0, 1.0, 1000.0, 50.0, 1.0])
    need = np.log1p(per_category(view, "precursor_7d").astype(np.float64))
    return np.column_stack(
        [
            np.ones(view.n),
            sizes,
            levels,
            need.sum(axis=1),
            (view["recency_days"] <= WINDOW_DAYS).astype(np.float64),
        ]
    )


def _place(channel: Ints, codes: Ints) -> Ints:
    """Return the place of each channel among the codes."""
    place = np.full(N_CHANNELS, -1)
    place[codes] = np.arange(codes.size)
    return place[channel]


def _chance(chances: Chances, contacts: Contacts, codes: Ints) -> Floats:
    """Return the chance of what was done with each cardholder, shape (n,)."""
    out = 1.0 - chances.contact
    rows = contacts.cardholder
    out[rows] = chances.of(rows, _place(contacts.channel, codes), contacts.offer)
    return out


class _DailyMargin:
    """Keeps each person's margin of each day, the realised one as a sink, the expected one in the evening."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.days: list[Floats] = []
        self.expected: list[Floats] = []

    def evening(self, state: WorldState) -> None:
        """Keep the day's expectations, before midnight clears them."""
        self.expected.append(state.people["expected_mfen"] / MFEN_PER_CNY)

    def append(
        self, events: Sequence[np.ndarray], decisions: np.ndarray | None, census: np.ndarray | None
    ) -> None:
        """Add up the rows of one day."""
        total = np.zeros(self.n)
        for rows in events:
            total += np.bincount(rows["cardholder"], rows["value_mfen"], minlength=self.n)
        self.days.append(total / MFEN_PER_CNY)


def record(world: World, names: Sequence[str], *, weeks: int, draws: int, seed: int) -> Log:
    """Let the status quo log some weeks of a world, and find out what each target comes to in the same states.

    Two true lifts over the status quo are found, both expected margins over `draws` lucks that are not the log's. For
    `one_decision`, the target decides once, on each day on which the log has a decision, and the status quo decides again from
    the next one on. For `sequence`, the target decides all weeks from the first day on. Life for life, target and status quo
    have the same luck.

    Args:
        world: at day 0; it stays as it is.
        names: targets.
        weeks: decisions of the log, one a week.
        draws: lucks to average the truth over.
        seed: of these lucks.
    """
    targets = {name: make_target(name) for name in names}
    run, policy = world.fork(), _Recorder(targets)
    sink = _DailyMargin(run.n)
    run.scheduler = Evening(run.scheduler, sink.evening)
    order = run.order
    once: dict[str, list[Floats]] = {name: [] for name in names}
    for week in range(weeks):
        found = _true_lifts(run, names, (1, WINDOW_DAYS // WEEK - 1), draws, seed)
        for name in names:
            once[name].append(found[name][:, order])
        run.play(policy, WEEK, sink=sink, reset=week == 0)
    run.play(policy, WINDOW_DAYS - WEEK, sink=sink, reset=False)
    noted = policy.weeks[:weeks]
    known = np.stack([one[0] for one in noted], axis=1)
    always = {
        name: lifts[:, order] for name, lifts in _true_lifts(world, names, (weeks, 0), draws, seed).items()
    }
    single = {name: np.stack(parts, axis=2) for name, parts in once.items()}
    start = {name: lifts[:, :, None] for name, lifts in always.items()}
    return Log(
        margin={
            "realised": np.stack(sink.days, axis=1)[order],
            "expected": np.stack(sink.expected, axis=1)[order],
        },
        known=known,
        taken=np.stack([one[1] for one in noted], axis=1),
        weights={name: np.stack([one[2][name] for one in noted], axis=1) for name in names},
        target={name: np.stack([one[3][name] for one in noted], axis=1) for name in names},
        n_state=policy.n_state,
        truth={
            "one_decision": {name: lifts.mean(axis=0) for name, lifts in single.items()},
            "sequence": {name: lifts.mean(axis=0) for name, lifts in start.items()},
        },
        truth_error={
            "one_decision": {name: _draw_error(lifts, known) for name, lifts in single.items()},
            "sequence": {name: _draw_error(lifts, known[:, :1]) for name, lifts in start.items()},
        },
    )


def _draw_error(lifts: Floats, known: Bools) -> float:
    """Return the standard error of the mean lift of the known, over people's lucks.

    Args:
        lifts: shape (draws, people, decisions).
        known: shape (people, decisions).
    """
    if len(lifts) < 2:
        return float("nan")
    by_person = lifts.var(axis=0, ddof=1) / len(lifts)
    return float(np.sqrt(by_person[known].sum()) / known.sum())


def _true_lifts(
    world: World, names: Sequence[str], weeks: tuple[int, int], draws: int, seed: int
) -> dict[str, Floats]:
    """Return each person's true lift of each target over the status quo, shape (draws, people), by true row.

    Args:
        world: at a midnight before a decision.
        names: targets.
        weeks: for how many the target decides, and for how many the status quo follows.
        draws: lucks.
        seed: of the lucks.
    """
    out = {name: np.zeros((draws, world.n)) for name in names}
    for number in range(draws):
        key = luck_key(world.state.seed, world.day, seed, number)
        base = _lived(world, Tilted(STATUS_QUO), weeks, key)
        for name in names:
            out[name][number] = _lived(world, make_target(name), weeks, key) - base
    return out


def _lived(world: World, policy: Tilted, weeks: tuple[int, int], key: int) -> Floats:
    """Return each person's expected margin, discounted by week, CNY, shape (people,)."""
    fork = world.fork(luck=key)
    total = np.zeros(fork.n)
    day = [0]

    def evening(state: WorldState) -> None:
        # A single decision's window is not discounted: that is how its outcome is defined.
        weight = 1.0 if weeks[1] else WEEKLY_DISCOUNT ** (day[0] // WEEK)
        total[:] += state.people["expected_mfen"] * (weight / MFEN_PER_CNY)
        day[0] += 1

    fork.scheduler = Evening(fork.scheduler, evening)
    fork.play(policy, weeks[0] * WEEK)
    if weeks[1]:
        fork.play(Tilted(STATUS_QUO), weeks[1] * WEEK)
    return total
