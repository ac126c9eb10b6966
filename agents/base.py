"""`BasePolicy`: what every policy of the registry shares: its card, its dial, its luck, its reasons and its state."""

import math
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from cardarena.agents.market import LATEST_MINUTE, Market, raised_depth
from cardarena.simulator.contracts import Brief, Contacts, Feedback, Ints, View
from cardarena.simulator.errors import PolicyError, UnknownNameError
from cardarena.simulator.market import affordable
from cardarena.simulator.names import CHANNELS

#: The league of who sees the hidden record.
PRIVILEGED: Final = "privileged"


@dataclass(frozen=True)
class Dial:
    """The one knob of a policy, turned for the curve of value against complaints.

    Attributes:
        name: what the knob is, with its unit.
        values: the values of the curve, from few contacts to many or the reverse.
        default: the value at which the policy competes.
        low: the least value allowed.
        high: the greatest value allowed.
    """

    name: str
    values: tuple[float, ...]
    default: float
    low: float = 0.0
    high: float = math.inf

    def checked(self, policy: str, value: float | None) -> float:
        """Return the value of a policy's dial, its default if none is given.

        Raises:
            PolicyError: it is not a number within the range.
        """
        value = self.default if value is None else float(value)
        if not (self.low <= value <= self.high) or math.isinf(value):
            raise PolicyError(
                f"policy {policy!r}: dial ({self.name}): expected {self.low:g} to {self.high:g}, found {value:g}"
            )
        return value


@dataclass(frozen=True)
class Knob:
    """A value of a policy that `cardarena tune` may set, and the range in which it is sought.

    Attributes:
        name: the policy's attribute, or `dial`.
        low: least value.
        high: greatest value.
        about: what it is, with its unit.
        whole: whether it is a whole number.
        by_ratio: whether equal steps are equal ratios, not differences.
    """

    name: str
    low: float
    high: float
    about: str
    whole: bool = False
    by_ratio: bool = False

    def at(self, share: float) -> float:
        """Return the value at a share of the range, 0 to 1, in four digits: what a folder's text gives back exactly."""
        share = min(max(share, 0.0), 1.0)
        if self.by_ratio:
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + share * (self.high - self.low)
        return float(round(value)) if self.whole else float(f"{value:.4g}")

    def share(self, value: float) -> float:
        """Return at which share of the range a value lies: what `at` takes."""
        if self.by_ratio:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def one_thread() -> AbstractContextManager[Any]:
    """Return a context in which BLAS and OpenMP use one thread, so that sums do not depend on the machine's cores."""
    from threadpoolctl import ThreadpoolController

    key = "sklearn" in sys.modules  # its OpenMP library is seen only by a controller made after the import
    if key not in _CONTROLLERS:
        _CONTROLLERS[key] = ThreadpoolController()
    return _CONTROLLERS[key].limit(limits=1)


_CONTROLLERS: dict[bool, Any] = {}


class BasePolicy:
    """A policy's card and habits; a new policy writes `decide`, and what else it needs.

    A policy is *made* with a dial, *reset* with a brief and a policy seed, and then decides. Only the
    attributes named in `kept` change after `reset`, so they are its state. Its luck is a function of (policy
    seed, day, minute, purpose): no generator lives from one decision to the next.

    Attributes:
        name: the registry name.
        league: one of `contracts.LEAGUES`.
        title: a short title.
        summary: one sentence for tables.
        every_days: decide every so many days.
        decide_minute: minute of the day of the decision.
        oracle: whether views carry the latent truth.
        features: the view's columns that the policy reads; None: all of them.
        wants_feedback: whether `learn` does anything; if not, the world need not prepare feedback.
        dial_spec: the knob that is turned for the curve.
        dial: its value.
        knobs: what tuning may set, the dial included.
        kept: names of the attributes that `state` carries: numbers, arrays and lists or dicts of them.
    """

    name: str = ""
    league: str = "reference"
    title: str = ""
    summary: str = ""
    every_days: int = 7
    decide_minute: int = 0
    oracle: bool = False
    features: tuple[str, ...] | None = None
    wants_feedback: bool = False
    dial_spec: ClassVar[Dial] = Dial("none", (0.0,), 0.0)
    knobs: ClassVar[tuple[Knob, ...]] = ()
    kept: ClassVar[tuple[str, ...]] = ()
    brief: Brief
    market: Market

    def __init__(self, dial: float | None = None) -> None:
        """Set the dial, or leave it at its default.

        Raises:
            PolicyError: the dial is not a number within its range.
        """
        self.dial = self.dial_spec.checked(self.name, dial)

    @property
    def values(self) -> dict[str, float]:
        """The value of each knob."""
        return {knob.name: float(getattr(self, knob.name)) for knob in self.knobs}

    def turn(self, values: Mapping[str, float]) -> None:
        """Set knobs; call it before `reset`.

        Raises:
            UnknownNameError: the policy has no such knob.
            PolicyError: a value is out of the knob's range, or is no whole number where one is expected.
        """
        knobs = {knob.name: knob for knob in self.knobs}
        for name, value in values.items():
            if name not in knobs:
                raise UnknownNameError(f"knob of {self.name}", name, knobs or ["(it has none)"])
            knob = knobs[name]
            if not knob.low <= value <= knob.high or (knob.whole and value != round(value)):
                raise PolicyError(
                    f"policy {self.name!r}: {name}: expected {'a whole number, ' if knob.whole else ''}"
                    f"{knob.low:g} to {knob.high:g}, found {value:g}"
                )
            setattr(self, name, int(value) if knob.whole else float(value))

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Forget everything and prepare for a run."""
        self.brief, self.market = brief, Market(brief)
        self.policy_seed = int(policy_seed)
        self._noted: Ints = np.zeros(0, dtype=np.int64)
        self._reasons: tuple[str, dict[str, Any]] = ("", {})

    def decide(self, view: View) -> Contacts:
        """Return today's contacts."""
        raise NotImplementedError

    def learn(self, feedback: Feedback) -> None:
        """Take in what happened to earlier contacts; a rule learns nothing."""

    def explain(self, contacts: Contacts) -> list[str]:
        """Return one plain reason a contact; in full for the contacts of the last decision."""
        template, facts = self._reasons
        reasons = []
        for who, offer, channel in zip(contacts.cardholder, contacts.offer, contacts.channel, strict=True):
            words = f"{self.brief.offer_names[int(offer)]} by {CHANNELS[int(channel)]}"
            at = int(np.searchsorted(self._noted, who))
            if template and at < len(self._noted) and self._noted[at] == who:
                words += ": " + template.format(**{name: values[at] for name, values in facts.items()})
            else:
                words += f": {self.title.lower()}"
            reasons.append(words)
        return reasons

    def state(self) -> dict[str, Any]:
        """Return what must be kept to go on later: plain numbers, strings and arrays."""
        return {name: _copied(getattr(self, name)) for name in self.kept}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned; call it after `reset` with the same brief and seed.

        Raises:
            PolicyError: the state is another policy's.
        """
        if set(state) != set(self.kept):
            raise PolicyError(
                f"policy {self.name!r}: state: expected {sorted(self.kept)}, found {sorted(state)}"
            )
        for name, value in state.items():
            setattr(self, name, _copied(value))

    def luck(self, view: View, purpose: int = 0) -> np.random.Generator:
        """Return the generator for one purpose of this decision."""
        words = [self.policy_seed & (2**64 - 1), view.day + 4096, view.minute, purpose]
        return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))

    def request(
        self,
        view: View,
        rows: Ints,
        offer: Any,
        channel: Any,
        *,
        wanted_depth: Any = 0,
        priority: Any = 0.0,
        propensity: Any = 1.0,
        candidates: Ints | None = None,
        reason: str = "",
        **facts: Any,
    ) -> Contacts:
        """Turn choices into contacts: depth as deep as the rules allow, the channel's minute, the budget not overdrawn.

        Args:
            view: the bank's sight.
            rows: shape (r,), cardholders, ascending.
            offer: offer codes, scalar or shape (r,).
            channel: channel codes, scalar or shape (r,).
            wanted_depth: depth wished for; lowered where a rule forbids it.
            priority: who goes first; also who stays when the budget ends.
            propensity: probability of each choice.
            candidates: codes of the offers considered; all offers by default.
            reason: a format string over `facts`, for `explain`.
            **facts: one value a row.
        """
        if not len(rows):
            self._noted, self._reasons = rows, ("", {})
            return Contacts.none()
        market, shape = self.market, rows.shape
        offer = np.broadcast_to(np.asarray(offer, dtype=np.int64), shape)
        channel = np.broadcast_to(np.asarray(channel, dtype=np.int64), shape)
        wanted = np.broadcast_to(np.asarray(wanted_depth, dtype=np.int64), shape)
        priority = np.round(np.broadcast_to(np.asarray(priority, dtype=np.float64), shape), 9)
        minute = np.maximum(market.minute[channel], view.minute)
        keep = minute <= LATEST_MINUTE
        keep &= affordable(view, market.contact_mfen[channel], priority)
        depth = raised_depth(view, market, rows, offer, channel, wanted)
        considered = market.bits(np.arange(market.n_offers) if candidates is None else candidates)
        self._noted = rows[keep]
        full = {name: np.broadcast_to(np.asarray(values), shape)[keep] for name, values in facts.items()}
        self._reasons = (reason, full)
        return Contacts.of(
            rows[keep],
            offer[keep],
            channel[keep],
            depth[keep],
            minute[keep],
            priority=priority[keep],
            propensity=np.broadcast_to(np.asarray(propensity, dtype=np.float64), shape)[keep],
            candidates=considered,
        )


def _copied(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_copied(inner) for inner in value]
    return value
