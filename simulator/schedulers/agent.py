"""The agent scheduler: one SimPy process per cardholder and window, event by event; the readable reference.

A new kind of cardholder is a subclass of `Cardholder` registered with `register_kind`; the scenario names it.
"""

from collections.abc import Callable, Generator

import numpy as np
import simpy

from cardarena.simulator.behaviour import events
from cardarena.simulator.behaviour.census import count_person
from cardarena.simulator.behaviour.life import happen, plan_day
from cardarena.simulator.behaviour.midnight import begin_day, close_day
from cardarena.simulator.behaviour.neighbours import mean_mood
from cardarena.simulator.behaviour.response import deliver, expire, waiting_contact
from cardarena.simulator.compilation import compiled
from cardarena.simulator.errors import UnknownNameError
from cardarena.simulator.rules import EVENT, Rules
from cardarena.simulator.state import WorldState, inbox_starts


@compiled()
def _begin(people, accounts, mood, agenda, length, contacts, low, high, i, rules, today, seed, rows):
    heard = mean_mood(mood, i, rules.compliance[0].word_of_mouth)
    begin_day(people[i], accounts[i], rules, today, seed, heard)
    length[i] = plan_day(people[i], accounts[i], rules, today, seed, agenda[i])
    return expire(people[i], rules, today, contacts, low, high, rows, 0)


@compiled()
def _happen(people, accounts, i, rules, today, seed, item, rows):
    return happen(people[i], accounts[i], rules, today, seed, item, rows, 0)


@compiled()
def _deliver(people, accounts, i, rules, today, seed, contacts, j, minute, rows):
    return deliver(people[i], accounts[i], rules, today, seed, contacts[j], minute, rows, 0)


@compiled()
def _close(people, accounts, i, rules, tomorrow, census):
    count_person(people[i], accounts[i], census)
    close_day(people[i], accounts[i], rules.parameter[0], tomorrow)


class Cardholder:
    """One cardholder as a SimPy process. States: planning (midnight) -> waiting for the next event -> asleep (window's end).

    Subclass and override `begin`, `live` or `receive` to write another kind in plain Python; each hands back its rows.
    """

    def __init__(self, i: int, state: WorldState, rules: Rules, today: np.ndarray, contacts: slice) -> None:
        """Attach to cardholder `i`; `contacts` are its rows of the pending table."""
        self.i, self.state, self.rules, self.today = i, state, rules, today[0]
        self.low, self.high = contacts.start, contacts.stop
        self.seed = np.uint64(state.luck)
        self._buffer = np.zeros(events.AGENDA_SIZE * events.ROWS_PER_ITEM, dtype=EVENT)
        self.rows: list[np.ndarray] = []

    def _keep(self, n: int) -> None:
        if n:
            self.rows.append(self._buffer[:n].copy())

    def begin(self) -> None:
        """Begin and plan today."""
        s = self.state
        self._keep(
            _begin(
                s.people,
                s.accounts,
                s.mood,
                s.agenda,
                s.agenda_length,
                s.pending,
                self.low,
                self.high,
                self.i,
                self.rules,
                self.today,
                self.seed,
                self._grown(self.high - self.low),
            )
        )
        s.agenda_next[self.i] = 0

    def _grown(self, n: int) -> np.ndarray:
        if n > self._buffer.size:
            self._buffer = np.zeros(n, dtype=EVENT)
        return self._buffer

    def live(self, item: int) -> None:
        """Let one own event happen."""
        s = self.state
        self._keep(
            _happen(s.people, s.accounts, self.i, self.rules, self.today, self.seed, item, self._buffer)
        )

    def receive(self, j: int, minute: int) -> None:
        """Receive contact `j` of the pending table."""
        s = self.state
        self._keep(
            _deliver(
                s.people,
                s.accounts,
                self.i,
                self.rules,
                self.today,
                self.seed,
                s.pending,
                j,
                minute,
                self._buffer,
            )
        )

    def process(self, clock: simpy.Environment, start: int, end: int) -> Generator[simpy.Event, None, None]:
        """Live through the window from minute `start` to `end` of today."""
        s, i = self.state, self.i
        if start == 0:
            self.begin()
        now = start
        while True:
            own = int(s.agenda[i, s.agenda_next[i]]) if s.agenda_next[i] < s.agenda_length[i] else None
            j, minute = self._next_contact(start, end)
            sent = events.agenda_item(minute, events.CONTACT, 0) if j is not None else None
            upcoming = [x for x in (own, sent) if x is not None]
            if not upcoming or min(upcoming) >> 16 >= end:
                break
            item = min(upcoming)
            if item >> 16 > now:
                yield clock.timeout((item >> 16) - now)
                now = item >> 16
            if item == sent and item != own:
                assert j is not None
                self.receive(j, minute)
            else:
                s.agenda_next[i] += 1
                self.live(item)
                if (item >> 12) & 15 == events.VISIT and s.people["alive"][i]:
                    w = waiting_contact(s.pending, self.low, self.high, item & 4095, self.rules.channels)
                    if w >= 0:
                        self.receive(w, item >> 16)
        if end > now:
            yield clock.timeout(end - now)
        if end == 1440:
            _close(s.people, s.accounts, i, self.rules, int(self.today["day"]) + 1, s.census)

    def _next_contact(self, start: int, end: int) -> tuple[int | None, int]:
        """Return the inbox's next contact that is due before the window ends, and its minute."""
        day_start = int(self.today["day"]) * 1440
        pending, at_visit = self.state.pending, self.rules.channels["at_visit"]
        for j in range(self.low, self.high):
            if pending["state"][j] == 0 and at_visit[pending["channel"][j]] == 0:
                due = int(pending["due"][j])
                if due >= day_start + end:
                    return None, 0
                return j, max(due - day_start, start)
        return None, 0


Kind = Callable[[int, WorldState, Rules, np.ndarray, slice], Cardholder]
_KINDS: dict[str, Kind] = {"standard": Cardholder}


def register_kind(name: str, kind: Kind) -> None:
    """Make a kind of cardholder known under `name`, so that a scenario may ask for it."""
    _KINDS[name] = kind


class AgentScheduler:
    """Runs a window as one SimPy process per cardholder, rebuilt from the arrays each time."""

    def __init__(self, *, cardholder_kind: str = "standard") -> None:
        """Look up the kind of cardholder.

        Raises:
            UnknownNameError: no such kind is registered.
        """
        if cardholder_kind not in _KINDS:
            raise UnknownNameError("cardholder kind", cardholder_kind, _KINDS)
        self.kind = _KINDS[cardholder_kind]

    def window(
        self,
        clock: simpy.Environment,
        state: WorldState,
        rules: Rules,
        today: np.ndarray,
        start: int,
        end: int,
    ) -> simpy.Event:
        """Advance everybody to minute `end`; see `schedulers.Scheduler`."""
        n = state.people.size
        starts = inbox_starts(state.pending, n)
        holders = [
            self.kind(i, state, rules, today, slice(int(starts[i]), int(starts[i + 1]))) for i in range(n)
        ]

        def gather() -> Generator[simpy.Event, None, list[np.ndarray]]:
            yield simpy.AllOf(clock, [clock.process(h.process(clock, start, end)) for h in holders])
            return [rows for holder in holders for rows in holder.rows]

        return clock.process(gather())
