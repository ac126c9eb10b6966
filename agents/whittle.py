"""An index per person: the Whittle index of a small restless process of need, believed, and of contacts in mind, counted.

The process of one person, a step being the days between decisions. A state is (need, contacts): need is off, precursor or
on; contacts, 0 to `MOST_IN_MIND`, are those still in mind. Need moves by itself: off -> precursor -> on or off -> off.
Contacts in mind fade by a share a step, and a contact adds one. A contact brings

    gain * act(need) * attention(contacts) - goodwill * (1 + contacts),   attention(contacts) = 1 / (1 + contacts / tolerance),

and leaving alone brings 0. Were every step without a contact paid a subsidy, a person would be left alone where the subsidy
is high enough; the Whittle index of a state is the subsidy at which both are worth the same. It is the price of a contact at
which somebody in that state should just be contacted, so it is compared with what a contact costs. The process is indexable
if the states left alone only grow with the subsidy; a test asks that of the one played here.
"""

from typing import ClassVar, Final

import numpy as np

from cardarena.agents.base import Dial, Knob
from cardarena.agents.learned import EVERY_DAYS
from cardarena.agents.priced import PRICE
from cardarena.agents.tables import CATEGORY
from cardarena.agents.timing import CALL_GAP, MEMORY_DAYS, NEED_DAYS, Response, TimedPolicy, Today, column
from cardarena.simulator.contracts import Bools, Floats

OFF, PRECURSOR, ON = range(3)
#: How much of a contact's gain is there by need. Assumed: interest acts little where there is no need.
ACTS: Final = np.array([0.06, 0.4, 1.0])
#: Length of a precursor in days, and how many of them lead to a need. Assumed.
PRECURSOR_DAYS: Final = 7.0
TRUE_SHARE: Final = 0.5
#: Chance of a purchase within 14 days by somebody in need who is not contacted. Assumed.
P_BOUGHT: Final = 0.35
MOST_IN_MIND: Final = 12
#: Gains for which indices are computed, CNY; in between they are linear, and beyond they grow in proportion.
GAINS: Final = np.array([0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0])
#: Discount of a step; a person stays, and is contacted, for about two years.
DISCOUNT: Final = 0.99
#: Tolerances tried, contacts in 28 days that halve attention; and how strongly the middle one is believed beforehand.
TOLERANCES: Final = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 64.0])
_SWEEPS: Final = 20
_BISECTIONS: Final = 28


def values(
    move: Floats, reward: Floats, discount: float, subsidy: Floats, start: Floats, sweeps: int
) -> Floats:
    """Return the relative values after so many sweeps of value iteration under a subsidy, shape (problems, states).

    Relative to each problem's first state: only differences matter to a choice, and they settle long before the values.

    Args:
        move: shape (2, states, states), chances by action (0: leave alone) from state to state.
        reward: shape (problems, 2, states).
        discount: of a step.
        subsidy: shape (problems,), paid for leaving alone.
        start: shape (problems, states).
        sweeps: how many.
    """
    value = start
    for _ in range(sweeps):
        passive = reward[:, 0] + subsidy[:, None] + discount * (value @ move[0].T)
        active = reward[:, 1] + discount * (value @ move[1].T)
        value = np.maximum(passive, active)
        value = value - value[:, :1]
    return value


def advantage(move: Floats, reward: Floats, discount: float, subsidy: Floats, value: Floats) -> Floats:
    """Return by how much a contact is better than leaving alone, shape (problems, states); see `values`."""
    later = discount * (value @ (move[1] - move[0]).T)
    return reward[:, 1] - reward[:, 0] - subsidy[:, None] + later


def left_alone(move: Floats, reward: Floats, discount: float, subsidy: float, sweeps: int = 600) -> Bools:
    """Return the states in which leaving alone is the best action under a subsidy, shape (states,).

    Args:
        move: shape (2, states, states).
        reward: shape (2, states).
        discount: of a step.
        subsidy: paid for leaving alone.
        sweeps: of value iteration.
    """
    paid, one = np.array([subsidy]), reward[None]
    value = values(move, one, discount, paid, np.zeros((1, reward.shape[1])), sweeps)
    return advantage(move, one, discount, paid, value)[0] <= 1e-9


def whittle_index(
    move: Floats, reward: Floats, discount: float, sweeps: int = _SWEEPS, bisections: int = _BISECTIONS
) -> Floats:
    """Return the Whittle index of every state, by bisection on the subsidy over value iteration, shape (problems, states).

    Args:
        move: shape (2, states, states), chances by action (0: leave alone) from state to state.
        reward: shape (problems, 2, states).
        discount: of a step, below 1.
        sweeps: of value iteration after each bisection; they start from the last one's values.
        bisections: of the subsidy.

    Example:
        An arm that pays 1 when rested, is tired afterwards, and rests in one step with chance 0.5. Its indices are
        1 and -0.5 times the discount:

        >>> leave = np.array([[1.0, 0.0], [0.5, 0.5]])
        >>> play = np.array([[0.0, 1.0], [0.0, 1.0]])
        >>> reward = np.array([[[0.0, 0.0], [1.0, 0.0]]])
        >>> whittle_index(np.stack([leave, play]), reward, 0.9).round(4)
        array([[ 1.  , -0.45]])
    """
    problems, _, states = reward.shape
    each = np.repeat(reward, states, axis=0)
    target = np.tile(np.arange(states), problems)
    bound = 4.0 * (np.abs(each).max(axis=(1, 2)) + 1e-9)
    low, high = -bound, bound.copy()
    value = np.zeros((problems * states, states))
    rows = np.arange(len(target))
    for _ in range(bisections):
        middle = 0.5 * (low + high)
        value = values(move, each, discount, middle, value, sweeps)
        better = advantage(move, each, discount, middle, value)[rows, target] > 0.0
        low, high = np.where(better, middle, low), np.where(better, high, middle)
    return (0.5 * (low + high)).reshape(problems, states)


def process(step_days: float, on_share: float) -> Floats:
    """Return the chances of the person's process, shape (2, states, states); a state's code is need * levels + contacts.

    Args:
        step_days: days of a step.
        on_share: share of the time in which the need is on.
    """
    p_end = 1.0 - np.exp(-step_days / NEED_DAYS)
    p_ripe = 1.0 - np.exp(-step_days / PRECURSOR_DAYS)
    p_sign = min(0.9, on_share / max(1e-6, 1.0 - on_share) * p_end / TRUE_SHARE)
    need = np.array(
        [
            [1.0 - p_sign, p_sign, 0.0],
            [p_ripe * (1.0 - TRUE_SHARE), 1.0 - p_ripe, p_ripe * TRUE_SHARE],
            [p_end, 0.0, 1.0 - p_end],
        ]
    )
    levels = MOST_IN_MIND + 1
    keep = np.exp(-step_days / MEMORY_DAYS)
    moves = []
    for added in (0, 1):
        mean = np.minimum(np.arange(levels) + added, MOST_IN_MIND) * keep
        below = np.floor(mean).astype(np.int64)
        above = np.minimum(below + 1, MOST_IN_MIND)
        memory = np.zeros((levels, levels))
        memory[np.arange(levels), below] += 1.0 - (mean - below)
        memory[np.arange(levels), above] += mean - below
        moves.append(np.kron(need, memory))
    return np.stack(moves)


def rewards(gains: Floats, tolerance: float, goodwill: float) -> Floats:
    """Return what each action brings by state for each gain, CNY, shape (gains, 2, states)."""
    contacts = np.arange(MOST_IN_MIND + 1.0)
    act = ACTS[:, None] / (1.0 + contacts / tolerance)
    cost = goodwill * (1.0 + contacts)
    active = (gains[:, None, None] * act - cost).reshape(len(gains), -1)
    return np.stack([np.zeros_like(active), active], axis=1)


class Whittle(TimedPolicy):
    """Contacts whoever's Whittle index, of a process of need and contacts in mind, exceeds what the contact costs.

    The bank sees neither need nor memory. Only the need is believed: from the fitted chance of a purchase and the signs of the
    week; the index is the mean over that belief. The load of contacts in mind is observed: the bank's own count of 28 days.
    Annoyance is neither: the tolerance, which is fitted to the log by how much the fitted increment is overdone for people
    contacted lately, and the goodwill, which is a constant, are the same for everybody.
    In a cold start it explores on a slice and fits twice, from day 21 on.

    Dial: price of a contact in CNY, on top of its cost and the arena's price.

    References:
        Whittle, Restless bandits (Journal of Applied Probability 1988).
    """

    name = "whittle"
    title = "Whittle index"
    summary = "A Whittle index of a believed need and of the counted contacts of 28 days, against what a contact costs."
    dial_spec: ClassVar[Dial] = Dial("contact price, CNY", (0.0, 0.1, 0.5, 1.0, 2.0), 0.0, 0.0)
    knobs = (
        PRICE,
        EVERY_DAYS,
        Knob("goodwill", 0.0, 2.0, "goodwill that the first contact costs and each one in mind adds, CNY"),
        CALL_GAP,
    )
    #: What the first contact of the reference channel costs in goodwill, and each one in mind adds, CNY; tuned.
    goodwill: ClassVar[float] = 0.05

    def fit_recovery(self, log: Response) -> None:
        """Fit the tolerance, and compute the indices for every state and gain."""
        effect = self._effect
        assert effect is not None
        contacts = column(log.person, "contacts_28d")
        miss = [
            (((log.found - log.expected / (1.0 + contacts / tolerance)) ** 2) / log.noise).sum()
            for tolerance in TOLERANCES
        ]
        # Evenly believed beforehand; the mean of the share lost keeps one lucky log from calling people tireless.
        weight = np.exp(-0.5 * (np.array(miss) - min(miss)))
        self.tolerance = float(weight.sum() / (weight / TOLERANCES).sum())
        on_share = float(np.clip(effect.need.rate.max() / P_BOUGHT, 0.01, 0.5))
        move = process(self.every_days, on_share)
        reward = rewards(GAINS, self.tolerance, self.goodwill)
        index = whittle_index(move, reward, DISCOUNT)
        #: Shape (gains, needs, contacts in mind).
        self.index: Floats = index.reshape(len(GAINS), len(ACTS), -1)

    def attention(self, person: np.ndarray) -> Floats:
        """Return the share left after the contacts in mind."""
        return 1.0 / (1.0 + column(person, "contacts_28d") / self.tolerance)

    def belief(self, today: Today) -> Floats:
        """Return how likely the need of each channel's best category is off, a precursor and on, shape (n, c, needs)."""
        rows = np.arange(len(today.person))[:, None]
        on = np.clip(today.need[rows, today.best] / P_BOUGHT, 0.0, 1.0)
        signs = today.category[rows, today.best, CATEGORY.index("precursor_7d")]
        precursor = (1.0 - on) * np.where(signs > 0.5, TRUE_SHARE, 0.05)
        return np.stack([1.0 - on - precursor, precursor, on], axis=2)

    def forgone(self, today: Today) -> Floats:
        """Return by how much the index is below what the contact brings today."""
        belief = self.belief(today)
        act = belief @ ACTS
        gain = today.worth / (act * self.burden)
        contacts = today.column("contacts_28d")
        index = (belief * self.index_of(gain, contacts)).sum(axis=2) * self.burden
        return self.attention(today.person)[:, None] * today.worth - index

    def index_of(self, gain: Floats, contacts: Floats) -> Floats:
        """Return the index by need, linear between the gains and counts computed, shape (n, c, needs).

        Args:
            gain: shape (n, c), what a contact brings a rested person in need, CNY.
            contacts: shape (n,), contacts in mind.
        """
        at = np.clip(np.searchsorted(GAINS, gain, side="right") - 1, 0, len(GAINS) - 2)
        high = ((gain - GAINS[at]) / (GAINS[at + 1] - GAINS[at]))[:, :, None]
        contacts = np.clip(contacts, 0.0, MOST_IN_MIND)
        level = np.minimum(np.floor(contacts), MOST_IN_MIND - 1).astype(np.int64)
        more = (contacts - level)[:, None, None]
        level = level[:, None]

        def of(position: np.ndarray) -> Floats:
            table = self.index[position]
            rows = np.arange(len(level))[:, None]
            columns = np.arange(gain.shape[1])[None]
            few, many = table[rows, columns, :, level], table[rows, columns, :, level + 1]
            return few + more * (many - few)

        low = of(at)
        return low + high * (of(at + 1) - low)
