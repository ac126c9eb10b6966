"""Model predictive control: plan the next weeks with a fitted model as if it were certain, and do the first step."""

from typing import ClassVar, Final

import numpy as np

from cardarena.agents.base import Dial, Knob
from cardarena.agents.effects import ridge
from cardarena.agents.learned import EVERY_DAYS
from cardarena.agents.priced import PRICE
from cardarena.agents.timing import CALL_GAP, MEMORY_DAYS, Response, TimedPolicy, Today, column
from cardarena.simulator.contracts import Floats

#: Attention lost per log(1 + contacts) of the week and of 28 days: prior, and its weight in rows of the log. Assumed.
PRIOR_LOST: Final = np.array([0.10, 0.05])
PRIOR_ROWS: Final = 20_000.0
LEAST_ATTENTION: Final = 0.1
#: Log hazard of refusing a channel per contact of 28 days: prior mean and standard deviation. Assumed.
PRIOR_REFUSAL: Final = (0.1, 0.1)
#: Contacts of 28 days for which the plan is made; in between it is linear.
MEMORY: Final = np.arange(0.0, 13.0)


def lost_attention(log: Response) -> Floats:
    """Return how much of the increment is lost per log(1 + contacts) of the week and of 28 days, shape (2,), at least 0.

    found = (1 - lost . log(1 + contacts)) x expected + noise, a ridge regression towards the prior.
    """
    x = -contact_logs(log.person) * log.expected[:, None]
    y = log.found - log.expected
    weight = 1.0 / log.noise
    return np.clip(ridge(x, y, weight / weight.mean(), PRIOR_ROWS, PRIOR_LOST), 0.0, None)


def contact_logs(person: np.ndarray) -> Floats:
    """Return log(1 + contacts) of the week and of 28 days, shape (n, 2)."""
    return np.log1p(np.stack([column(person, "contacts_7d"), column(person, "contacts_28d")], axis=1))


def refusal_slope(contacts: Floats, refused: Floats, p_rest: Floats) -> Floats:
    """Return (log of a factor, slope) of P(refusal) = p_rest exp(log factor + slope x contacts), shape (2,).

    Poisson regression with a normal prior of the slope, by Newton's steps.

    Args:
        contacts: shape (rows,), contacts of 28 days.
        refused: shape (rows,), 0 or 1.
        p_rest: shape (rows,), the channel's published chance.
    """
    x = np.stack([np.ones_like(contacts), contacts], axis=1)
    mean, precision = np.array([0.0, PRIOR_REFUSAL[0]]), np.array([1.0, PRIOR_REFUSAL[1] ** -2])
    beta = mean.copy()
    for _ in range(12):
        rate = p_rest * np.exp(np.clip(x @ beta, -10.0, 10.0))
        hessian = (x * rate[:, None]).T @ x + np.diag(precision)
        beta = beta + np.linalg.solve(hessian, x.T @ (refused - rate) - precision * (beta - mean))
    return np.asarray(np.clip(beta, -3.0, 3.0), dtype=np.float64)


def plan(reward: Floats, share: Floats, cost: Floats, keep: float) -> Floats:
    """Return the value of the best plan from the next decision on, CNY, shape (n, lags, memories).

    Dynamic programming backwards over the decisions ahead; the worth of a contact at each is taken as certain.

    Args:
        reward: shape (n, steps), worth of a contact of a rested person, the first being today's, which is not in the plan.
        share: shape (lags, memories), attention left by lag (1: contacted at the decision before) and contacts of 28 days.
        cost: shape (n, memories), what a contact costs beside.
        keep: share of the contacts of 28 days that is left a decision later.
    """
    to_go = np.zeros((len(reward), *share.shape))
    for t in range(reward.shape[1] - 1, 0, -1):
        rests = at_memory(to_go[:, 0], keep * MEMORY)
        goes_on = at_memory(to_go[:, 1], keep * (MEMORY + 1.0))
        contact = reward[:, t, None, None] * share - cost[:, None] + goes_on[:, None]
        to_go = np.maximum(rests[:, None], contact)
    return to_go


def at_memory(table: Floats, contacts: Floats) -> Floats:
    """Return a table over `MEMORY` at other counts, linear in between.

    Args:
        table: shape (n, memories).
        contacts: shape (m,), the same for all rows, or (n, m).

    Returns:
        Shape (n, m).
    """
    contacts = np.clip(contacts, MEMORY[0], MEMORY[-1])
    low = np.minimum(contacts.astype(np.int64), len(MEMORY) - 2)
    if contacts.ndim == 1:
        few, many = table[:, low], table[:, low + 1]
    else:
        few, many = np.take_along_axis(table, low, axis=1), np.take_along_axis(table, low + 1, axis=1)
    return few + (contacts - low) * (many - few)


class Mpc(TimedPolicy):
    """Plans each person's next weeks with a fitted model taken as certain, and does the first step.

    The model: the fitted increment; attention that falls with the contacts of the week and of 28 days; a chance of refusing the
    channel that grows with them; both from the log. The worth of a contact goes home to the person's usual. A contact is weighed
    against the best plan that follows each choice; what it costs in goodwill grows with the contacts in mind and with the
    margin that the person brings anyway.
    In a cold start it explores on a slice and fits twice, from day 21 on.

    Dial: price of a contact in CNY, on top of its cost and the arena's price.

    References:
        Bertsekas, Dynamic Programming and Optimal Control (2017), chapter 6: certainty-equivalent and rolling-horizon control.
    """

    name = "mpc"
    title = "Model predictive control"
    summary = "A fitted model of response, recovery and refusal; plans eight weeks as if certain, plays the first step."
    dial_spec: ClassVar[Dial] = Dial("contact price, CNY", (0.0, 0.1, 0.5, 1.0, 2.0), 0.0, 0.0)
    knobs = (
        PRICE,
        EVERY_DAYS,
        Knob("steps", 2, 16, "decisions looked ahead", whole=True),
        Knob("goodwill", 0.0, 1.5, "goodwill that a contact costs at rest, CNY"),
        Knob("goodwill_each", 0.0, 1.5, "goodwill that each contact of 28 days adds to it, CNY"),
        Knob("margin_share", 0.0, 1.0, "share of the goodwill that grows with a person's margin"),
        Knob("permission_steps", 0.0, 40.0, "decisions that a lost permission costs"),
        CALL_GAP,
    )
    #: Decisions looked ahead, today's included.
    steps: ClassVar[int] = 8
    #: What a contact of the reference channel costs in goodwill at rest, CNY, and what each contact of 28 days adds; tuned.
    goodwill: ClassVar[float] = 0.0
    goodwill_each: ClassVar[float] = 0.1
    #: How much of the goodwill grows with the margin that the person brings anyway; the rest is the same for all. Tuned.
    margin_share: ClassVar[float] = 0.5
    #: A lost permission costs so many decisions of the person's usual worth; tuned.
    permission_steps: ClassVar[float] = 10.0

    def fit_recovery(self, log: Response) -> None:
        """Fit attention and refusal."""
        self.lost = lost_attention(log)
        p_rest = self.brief.channels["p_opt_out"].astype(np.float64)
        contacts = column(log.person, "contacts_28d")
        self.refusal = refusal_slope(contacts, log.opted_out.astype(np.float64), p_rest[log.channel])

    def attention(self, person: np.ndarray) -> Floats:
        """Return the share left after the contacts of the week and of 28 days."""
        return np.clip(1.0 - contact_logs(person) @ self.lost, LEAST_ATTENTION, 1.0)

    def forgone(self, today: Today) -> Floats:
        """Return the goodwill, the permission at risk, and by how much the best plan after a contact is worse."""
        channels = self.channels
        keep = float(np.exp(-self.every_days / MEMORY_DAYS))
        # Contacted at the decision before: as many of the week's contacts are still in it.
        week = np.log1p(np.array([0.0, 1.0]) * min(1.0, 7.0 / self.every_days))
        month = np.log1p(MEMORY)
        share = 1.0 - self.lost[0] * week[:, None] - self.lost[1] * month
        margin = np.maximum(today.column("margin_28d_cny"), 0.0)
        scale = 1.0 + self.margin_share * (np.minimum(margin / max(margin.mean(), 1e-9), 5.0) - 1.0)
        goodwill = scale[:, None] * (self.goodwill + self.goodwill_each * MEMORY)
        reward = self.forecast(today.worth.max(axis=1), self.steps)
        to_go = plan(reward, np.clip(share, LEAST_ATTENTION, 1.0), goodwill, keep)
        contacts = today.column("contacts_28d")[:, None]
        wait = at_memory(to_go[:, 0], keep * contacts)
        after = at_memory(to_go[:, 1], keep * (contacts + self.burden))
        now = at_memory(goodwill, contacts) * self.burden
        p_rest = self.brief.channels["p_opt_out"].astype(np.float64)[channels]
        p_refused = p_rest * np.exp(self.refusal[0] + self.refusal[1] * np.minimum(contacts, MEMORY[-1]))
        at_risk = self.permission_steps * self.usual[:, None]
        return np.maximum(wait - after, 0.0) + now + p_refused * at_risk
