"""A bandit whose arms recover: what a contact brings is a smooth function of the days since the last, and it looks ahead."""

from typing import ClassVar, Final

import numpy as np

from cardarena.agents.base import Dial, Knob
from cardarena.agents.learned import EVERY_DAYS
from cardarena.agents.priced import PRICE
from cardarena.agents.timing import CALL_GAP, Response, TimedPolicy, Today, column
from cardarena.simulator.contracts import Floats, Ints

#: Days since the last contact at which the recovery is estimated; in between it is linear.
KNOTS: Final = np.array([0.0, 1.0, 2.0, 4.0, 7.0, 10.0, 14.0, 21.0, 28.0, 42.0, 60.0])
#: Prior mean: a share of the effect is lost at a contact and comes back with this time constant, in days. Assumed; the log of
#: a bank that decides weekly says nothing of the first days.
PRIOR_LOST: Final = 0.6
PRIOR_DAYS: Final = 7.0
#: Prior standard deviation of the recovery, of what all kinds share and of what is a kind's own; and the scale, in the
#: logarithm of days, over which it is smooth.
PRIOR_SD: Final = (0.25, 0.15)
SMOOTH: Final = 0.8
#: Kinds of people: clicked lately, did not, personalisation off.
N_KINDS: Final = 3
_RECENT_DAYS: Final = 28.0


def kind_of(person: np.ndarray) -> Ints:
    """Return each person's kind: 0 clicked lately, 1 did not, 2 switched personalisation off; shape (n,)."""
    clicked = column(person, "days_since_click") < _RECENT_DAYS
    return np.where(column(person, "personalisation_on") > 0.0, np.where(clicked, 0, 1), 2).astype(np.int64)


def prior_mean(days: Floats) -> Floats:
    """Return the recovery that is expected before any data."""
    return 1.0 - PRIOR_LOST * np.exp(-days / PRIOR_DAYS)


def hats(days: Floats) -> Floats:
    """Return the weights by which linear interpolation mixes the knots, shape (n, knots).

    Example:
        >>> hats(np.array([3.0]))[0, :5]
        array([0. , 0. , 0.5, 0.5, 0. ])
    """
    days = np.clip(days, KNOTS[0], KNOTS[-1])
    at = np.clip(np.searchsorted(KNOTS, days, side="right") - 1, 0, len(KNOTS) - 2)
    share = (days - KNOTS[at]) / (KNOTS[at + 1] - KNOTS[at])
    out = np.zeros((len(days), len(KNOTS)))
    rows = np.arange(len(days))
    out[rows, at], out[rows, at + 1] = 1.0 - share, share
    return out


def recovery(kind: Ints, days: Floats, expected: Floats, found: Floats, noise: Floats) -> Floats:
    """Return the share of a contact's effect that is there by kind and days since the last contact, shape (kinds, knots).

    A Gaussian process at the knots: found = recovery(kind, days) x expected + noise. The posterior mean is made
    nondecreasing in the days, as recovery means, and at most 1 at the end: what a rested person answers is the effect itself.

    Args:
        kind: shape (rows,).
        days: shape (rows,), days since the last contact.
        expected: shape (rows,), purchases that the contact adds to somebody rested.
        found: shape (rows,), purchases beyond those expected without a contact.
        noise: shape (rows,), variance of `found`.
    """
    log_days = np.log1p(KNOTS)
    smooth = np.exp(-0.5 * ((log_days[:, None] - log_days) / SMOOTH) ** 2)
    among = PRIOR_SD[0] ** 2 + PRIOR_SD[1] ** 2 * np.eye(N_KINDS)
    prior = np.kron(among, smooth) + 1e-6 * np.eye(N_KINDS * len(KNOTS))
    mean = np.tile(prior_mean(KNOTS), N_KINDS)
    x = np.zeros((len(days), N_KINDS, len(KNOTS)))
    x[np.arange(len(days)), kind] = hats(days) * expected[:, None]
    x = x.reshape(len(days), -1)
    weighted = x / noise[:, None]
    precision = np.linalg.inv(prior)
    posterior = np.linalg.solve(precision + weighted.T @ x, precision @ mean + weighted.T @ found)
    rising = np.maximum.accumulate(posterior.reshape(N_KINDS, -1), axis=1)
    return np.clip(rising, 0.0, 1.5)


def waiting_value(reward: Floats, share: Floats, goodwill: Floats | float) -> tuple[Floats, Floats]:
    """Return what the next decisions are worth after waiting and after a contact today, CNY, both of shape (n,) or (n, ages).

    The best sequence of contacts over the decisions ahead, by dynamic programming over the decisions since the last contact.

    Args:
        reward: shape (n, steps), what a contact of a rested person would bring at the next decisions, today's first.
        share: shape (n, ages), share of it that is there so many decisions after a contact; the last age stands for all later.
        goodwill: shape (n,) or a number, what each contact costs beside, CNY.

    Returns:
        Shape (n, ages), value from the next decision on by age today, if it waits; and shape (n,), if it contacts.

    Example:
        A contact brings 3 once rested, and nothing sooner than after two decisions:

        >>> wait, contact = waiting_value(np.full((1, 3), 3.0), np.array([[0.0, 0.0, 1.0]]), 0.0)
        >>> wait, contact
        (array([[3., 3., 3.]]), array([3.]))
    """
    n, steps = reward.shape
    later = np.minimum(np.arange(share.shape[1]) + 1, share.shape[1] - 1)
    goodwill = np.broadcast_to(goodwill, (n,))[:, None]
    to_go = np.zeros_like(share)
    for t in range(steps - 1, 0, -1):
        contact = reward[:, t, None] * share - goodwill + to_go[:, later[0], None]
        to_go = np.maximum(to_go[:, later], contact)
    return to_go[:, later], to_go[:, later[0]]


class RecoveringBandit(TimedPolicy):
    """Effects that recover with the time since the last contact, and a look ahead over when to contact.

    How much of a contact's increment is there is a Gaussian process over the days since the last contact, by kind of person,
    estimated from the log on top of the fitted increment. At each decision the best sequence over the next decisions is
    found exactly, rewards going home to the person's usual; it contacts now if that is how the best sequence begins.
    In a cold start it explores on a slice and fits twice, from day 21 on.

    Dial: price of a contact in CNY, on top of its cost and the arena's price.

    References:
        Pike-Burke and Grünewälder, Recovering Bandits (NeurIPS 2019): d-step lookahead with Gaussian processes.
    """

    name = "recovering_bandit"
    title = "Recovering bandit"
    summary = (
        "Effects that recover with the days since the last contact, and the best sequence of the next weeks."
    )
    dial_spec: ClassVar[Dial] = Dial("contact price, CNY", (0.0, 0.1, 0.5, 1.0, 2.0), 0.0, 0.0)
    knobs = (
        PRICE,
        EVERY_DAYS,
        Knob("steps", 2, 16, "decisions looked ahead", whole=True),
        Knob("goodwill", 0.0, 3.0, "goodwill that a contact costs, CNY"),
        CALL_GAP,
    )
    #: Decisions looked ahead, today's included.
    steps: ClassVar[int] = 6
    #: What a contact of the reference channel costs in goodwill, CNY; tuned.
    goodwill: ClassVar[float] = 0.4

    def fit_recovery(self, log: Response) -> None:
        """Estimate the recovery from purchases beyond those expected anyway."""
        days = column(log.person, "days_since_contact")
        self.share = recovery(kind_of(log.person), days, log.expected, log.found, log.noise)

    def attention(self, person: np.ndarray) -> Floats:
        """Return the recovery of everybody's kind at the days since the last contact."""
        days = hats(column(person, "days_since_contact"))
        return (days * self.share[kind_of(person)]).sum(axis=1)

    def forgone(self, today: Today) -> Floats:
        """Return what is lost of the best sequence, and goodwill; heavier channels set people back by more."""
        ages = np.arange(0.0, KNOTS[-1] + self.every_days, self.every_days, dtype=np.float64)
        share = (hats(ages) @ self.share.T).T[kind_of(today.person)]
        reward = self.forecast(today.worth.max(axis=1), self.steps)
        wait, contact = waiting_value(reward, share, self.goodwill)
        now = np.floor(today.column("days_since_contact") / self.every_days)
        at = np.clip(now, 0, len(ages) - 1).astype(np.int64)
        lost = np.maximum(wait[np.arange(len(at)), at] - contact, 0.0)
        return (lost + self.goodwill)[:, None] * self.burden
