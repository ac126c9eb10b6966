"""The contacts of an experiment: to chosen people, on chosen days, the same whatever the people do."""

from collections.abc import Callable, Container
from typing import Final

import numpy as np

from cardarena.agents.rules import Cadence
from cardarena.benchmarks.validation.probes import Probe
from cardarena.simulator.contracts import Brief, Contacts, View
from cardarena.simulator.names import CHANNELS
from cardarena.simulator.triggers import Events

ALWAYS: Final[Container[int]] = range(-100_000, 100_000)
SMS: Final = CHANNELS.index("sms")
APP_PUSH: Final = CHANNELS.index("app_push")
#: Nothing leaves after this minute of the day: quiet hours begin.
_LAST_MINUTE: Final = 1319


class Campaign(Probe):
    """Sends one offer by one channel to chosen people on chosen days.

    It sees nothing and remembers nothing, so two arms of an experiment differ in the contacts and in nothing else.
    """

    name = "campaign"

    def __init__(
        self,
        offer: int,
        channel: int,
        days: Container[int] = ALWAYS,
        *,
        depth: int = 0,
        minute: int = 600,
        whom: Callable[[int, np.ndarray], np.ndarray] | None = None,
    ) -> None:
        """Take what is sent.

        Args:
            offer: offer code.
            channel: channel code.
            days: days of the world on which it is sent.
            depth: depth of personalisation.
            minute: minute of the day.
            whom: from the day and the view ids of all who are open, to those who get it; all by default.
        """
        self._what = (offer, channel, depth, minute)
        self._days, self._whom = days, whom

    def decide(self, view: View) -> Contacts:
        """Send what is due."""
        if view.day not in self._days:
            return Contacts.none()
        ids = np.flatnonzero(view["is_open"] > 0)
        return Contacts.of(ids if self._whom is None else self._whom(view.day, ids), *self._what)


class AfterVisit(Probe):
    """Sends one offer by one channel a fixed time after an app visit, to each person on one day in so many.

    The bank hears of a visit at the next full hour at the latest, so a delay of nought is one of about half an hour.
    """

    name = "after_visit"
    triggers = ("app_visit",)

    def __init__(self, offer: int, channel: int, delay_minutes: int, every: int = 7) -> None:
        """Take what is sent, the delay, and how rare a person's days are."""
        self._offer, self._channel, self._delay, self._every = offer, channel, delay_minutes, every

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Forget who got it when."""
        super().reset(brief, policy_seed)
        self._last_day = np.full(brief.n_cardholders, -(10**6), dtype=np.int64)

    def react(self, events: Events) -> Contacts:
        """Send to those whose first visit of their day this is."""
        ids, first = np.unique(events.cardholder, return_index=True)
        due = (ids % self._every == events.day % self._every) & (self._last_day[ids] < events.day)
        ids, minute = ids[due], events.event_minute[first][due]
        self._last_day[ids] = events.day
        at = np.maximum(minute + self._delay, events.minute)
        ids, at = ids[at <= _LAST_MINUTE], at[at <= _LAST_MINUTE]
        return Contacts.of(ids, self._offer, self._channel, 0, at)


class Steady(Cadence):
    """The fixed cadence by text message and push in turn: what goes out is not placed somewhere, it arrives.

    Dial: days between two contacts of one person.
    """

    name = "steady"

    def decide(self, view: View) -> Contacts:
        """Contact those whose day it is, by the channel whose turn it is where that is allowed."""
        turn = (view.day // max(1, round(self.dial))) % 2
        self.market.order = (SMS, APP_PUSH) if turn else (APP_PUSH, SMS)
        return super().decide(view)
