"""Policies of fixed designs, for experiments: they hand on what was prepared, keep a rhythm, or react to an event.

They respect the masks: what a rule forbids is not sent.
"""

from typing import Any

import numpy as np

from cardarena.benchmarks.validation.designs import MINUTE, lots, nth_open
from cardarena.simulator.contracts import Brief, Contacts, Feedback, View
from cardarena.simulator.names import CATEGORIES
from cardarena.simulator.triggers import Events


class Probe:
    """What the policies of an experiment share: a card, and nothing to learn or to keep.

    Attributes:
        features: the columns of the view that it reads.
    """

    name = "probe"
    league = "reference"
    oracle = False
    every_days = 1
    decide_minute = 0
    wants_feedback = False
    features: tuple[str, ...] = ("is_open",)
    brief: Brief

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Prepare for a run."""
        self.brief = brief

    def decide(self, view: View) -> Contacts:
        """Return today's contacts."""
        return Contacts.none()

    def learn(self, feedback: Feedback) -> None:
        """Take in nothing: a design is fixed."""

    def explain(self, contacts: Contacts) -> list[str]:
        """Return one plain reason a contact."""
        return ["by the design of an experiment"] * len(contacts)

    def state(self) -> dict[str, Any]:
        """Return nothing: there is nothing to keep."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back nothing."""


class Quiet(Probe):
    """Contacts nobody, and looks at nobody: what a world does when it is left alone."""

    name = "probe_quiet"
    every_days = 2**31


class Given(Probe):
    """Hands on contacts that the experimenter prepared, once."""

    name = "probe_given"

    def __init__(self, contacts: Contacts) -> None:
        self.contacts = contacts

    def decide(self, view: View) -> Contacts:
        """Return the contacts."""
        given, self.contacts = self.contacts, Contacts.none()
        return given


class Rhythm(Probe):
    """The same kind of contact to each person again and again, at a fixed interval, from a day that is drawn per person.

    Attributes:
        channel: channel code.
        interval_days: shape (n,), days between two contacts of each person, by view id; infinite: none at all.
        offers: offer codes to rotate through, in the order drawn per person.
    """

    name = "probe_rhythm"

    def __init__(self, channel: int, interval_days: np.ndarray, offers: np.ndarray) -> None:
        self.channel, self.interval_days, self.offers = channel, interval_days, offers

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Draw each person's first day and first offer."""
        super().reset(brief, policy_seed)
        self._phase, self._turn = lots(11, brief.n_cardholders, 2)
        self._first_day: int | None = None

    def decide(self, view: View) -> Contacts:
        """Contact those for whom one more contact has come due, with the next offer that they may be sent."""
        if self._first_day is None:
            self._first_day = view.day
        day = view.day - self._first_day
        count = np.floor(self._phase + (day + 1) / self.interval_days).astype(np.int64)
        before = np.floor(self._phase + day / self.interval_days).astype(np.int64)
        due = np.flatnonzero((count > before) & (view["is_open"] > 0))
        if not due.size:
            return Contacts.none()
        minute = int(MINUTE[self.channel])
        ok = view.open_arms(self.offers, [self.channel], minute, 0, due)[:, :, 0]
        turn = (self._turn[due] * self.offers.size).astype(np.int64) + count[due]
        chosen = nth_open(ok, turn)
        may = chosen >= 0
        times = (count - before)[due][may]
        return Contacts.of(
            np.repeat(due[may], times), np.repeat(self.offers[chosen[may]], times), self.channel, 0, minute
        )


class Triggered(Probe):
    """Answers each person's first own event with one contact in a matching category, within the hour.

    The category is that of the spending; after a visit of the app, that of the strongest trace of a need which the bank has
    seen in the last days, if there is one.

    Attributes:
        channel: channel code.
    """

    name = "probe_triggered"
    triggers = ("app_visit", "large_purchase", "travel_abroad")
    features = ("is_open", *(f"precursor_7d_{name}" for name in CATEGORIES))
    #: Decayed traces of the last seven days below which nothing is seen, as the `caretaker` has it.
    least_trace = 0.5
    #: Minutes between the border at which the bank reacts and the message.
    delay = 1

    def __init__(self, channel: int) -> None:
        self.channel = channel

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Forget who was contacted."""
        super().reset(brief, policy_seed)
        self._answered = np.zeros(brief.n_cardholders, dtype=np.bool_)

    def decide(self, view: View) -> Contacts:
        """Look at the traces and at what may be sent today; contact nobody yet."""
        offers = np.arange(self.brief.offers.size)
        ok = view.open_arms(offers, [self.channel], int(MINUTE[self.channel]))[:, :, 0]
        traces = view.matrix([f"precursor_7d_{name}" for name in CATEGORIES])
        self._sign = np.where(traces.max(axis=1) >= self.least_trace, traces.argmax(axis=1), -1)
        self._offer = np.full((view.n, len(CATEGORIES)), -1, dtype=np.int64)
        (lot,) = lots(12, view.n, 1)
        for k in range(len(CATEGORIES)):
            own = np.flatnonzero(self.brief.offers["category"] == k)
            if own.size:
                place = nth_open(ok[:, own], (lot * 1000.0).astype(np.int64))
                self._offer[:, k] = np.where(place >= 0, own[place], -1)
        return Contacts.none()

    def react(self, events: Events) -> Contacts:
        """Send one contact to whoever did something for the first time."""
        category = np.where(events.category >= 0, events.category, self._sign[events.cardholder])
        offer = np.where(category >= 0, self._offer[events.cardholder, category], -1)
        rows = np.flatnonzero((offer >= 0) & ~self._answered[events.cardholder])
        who, first = np.unique(events.cardholder[rows], return_index=True)
        self._answered[who] = True
        minute = min(1439, events.minute + self.delay)
        return Contacts.of(who, offer[rows][first], self.channel, 0, minute)
