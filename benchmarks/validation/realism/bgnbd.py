"""The BG/NBD model of repeat buying: negative binomial while alive, and after each purchase a chance of never another.

A person buys at a rate that is gamma(r, alpha) over people, and drops out after a purchase with a probability that is
beta(a, b) over people. Data are x repeat purchases, the last at t_x, in a time T since the first one.

The maintained library for it brings a probabilistic programming system along; these few formulas are tested against the
published worked example.

References:
    Fader, Hardie and Lee (2005), "Counting your customers" the easy way, Marketing Science 24.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from cardarena.simulator.errors import CardArenaError

Floats = NDArray[np.float64]

_START: Final = (0.0, 0.0, 0.0, 1.0)
#: Logarithms of the parameters stay within this: few drop-outs leave a and b free to run off together.
_MOST_LOG: Final = 9.0


@dataclass(frozen=True)
class History:
    """What a base did in the calibration time.

    Attributes:
        x: shape (people,), purchases after the clock began (at the first purchase, which is not counted).
        t_x: shape (people,), time of the last of them; 0 without any.
        t: shape (people,), time at the end of the calibration.
    """

    x: Floats
    t_x: Floats
    t: Floats


@dataclass(frozen=True)
class BgNbd:
    """The model with its four parameters; times in the unit in which it was fitted."""

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, history: History) -> Floats:
        """Return each person's log-likelihood, shape (people,)."""
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        x = history.x
        buys = special.gammaln(r + x) - special.gammaln(r) + r * np.log(alpha)
        stays = special.betaln(a, b + x) - special.betaln(a, b)
        alive = -(r + x) * np.log(alpha + history.t)
        return buys + stays + alive + np.log1p(self._dropped(history))

    def _dropped(self, history: History) -> Floats:
        """Return the odds of having dropped out after the last purchase."""
        x = history.x
        # Without a repeat purchase nobody can have dropped out.
        odds = (np.log(self.a) - np.log(np.maximum(self.b + x - 1.0, 1e-12))) + (self.r + x) * (
            np.log(self.alpha + history.t) - np.log(self.alpha + history.t_x)
        )
        return np.where(x > 0, np.exp(np.minimum(odds, 700.0)), 0.0)

    def p_alive(self, history: History) -> Floats:
        """Return the probability that a person has not dropped out, shape (people,)."""
        return 1.0 / (1.0 + self._dropped(history))

    def expected_repeats(self, days: ArrayLike) -> Floats:
        """Return a newcomer's expected repeat purchases in so much time, E[X(t)]."""
        t = np.asarray(days, np.float64)
        z = t / (self.alpha + t)
        lost = np.power(1.0 - z, self.r) * special.hyp2f1(self.r, self.b, self.a + self.b - 1.0, z)
        return (self.a + self.b - 1.0) / (self.a - 1.0) * (1.0 - lost)

    def conditional_expectation(self, history: History, days: float) -> Floats:
        """Return the expected purchases in the `days` after the calibration, given the history, shape (people,).

        Euler's transformation of the published formula: its hypergeometric function overflows where x is in the hundreds.
        """
        r, alpha, b, x = self.r, self.alpha, self.b, history.x
        a = self.a if abs(self.a - 1.0) > 1e-6 else 1.0 + 1e-6
        z = days / (alpha + history.t + days)
        c = a + b + x - 1.0
        lost = np.power(1.0 - z, a - 1.0) * special.hyp2f1(a + b - 1.0 - r, a - 1.0, c, z)
        return c / (a - 1.0) * (1.0 - lost) * self.p_alive(history)


def fit_bgnbd(history: History) -> BgNbd:
    """Return the parameters of greatest likelihood.

    Raises:
        CardArenaError: nobody has a repeat purchase.
    """
    if not np.any(history.x > 0):
        raise CardArenaError("BG/NBD: expected somebody with a repeat purchase, found nobody")
    # In units of a typical time alpha is of the size of r.
    scale = float(np.mean(history.t)) / max(1.0, float(np.mean(history.x)))
    scaled = History(history.x, history.t_x / scale, history.t / scale)

    def loss(logs: Floats) -> float:
        r, alpha, a, b = np.exp(logs)
        return -float(BgNbd(r, alpha, a, b).log_likelihood(scaled).mean())

    found = optimize.minimize(
        loss, np.asarray(_START), method="L-BFGS-B", bounds=[(-_MOST_LOG, _MOST_LOG)] * 4, tol=1e-12
    )
    r, alpha, a, b = (float(value) for value in np.exp(found.x))
    return BgNbd(r, alpha * scale, a, b)


def history_of(n: int, who: ArrayLike, time: ArrayLike, end: float) -> History:
    """Return the history of a base that was there before: the clock begins on day 0 for everybody.

    The model counts from a customer's first purchase; rates have no memory, so any day on which all are alive will do, and
    nobody is chosen by what happened in the calibration.

    Args:
        n: people.
        who: shape (events,), rows of people.
        time: shape (events,), in days from 0 on.
        end: end of the calibration, days.
    """
    rows, when = np.asarray(who, np.int64), np.asarray(time, np.float64)
    kept = when < end
    last = np.zeros(n)
    np.maximum.at(last, rows[kept], when[kept])
    x = np.bincount(rows[kept], minlength=n).astype(np.float64)
    return History(x, last, np.full(n, float(end)))
