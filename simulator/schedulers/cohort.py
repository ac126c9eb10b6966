"""The cohort scheduler: the same functions as the agent scheduler, over the whole population, in parallel chunks.

A chunk of people is run serially by one compiled call into a buffer of its own; threads share nothing else. Rows come
out in the order of people, whatever the number of threads. Several threads are plain ones: see `simulator.parallel`.
"""

import numba
import numpy as np
import simpy

from cardarena.simulator.bank.records import NEVER
from cardarena.simulator.behaviour import events, randomness
from cardarena.simulator.behaviour.census import N_BINS, N_MEASURES, count_person
from cardarena.simulator.behaviour.events import (
    AGENDA_SIZE,
    MAX_TRANSACTIONS,
    ROWS_PER_CONTACT,
    ROWS_PER_ITEM,
)
from cardarena.simulator.behaviour.life import happen, plan_drawn, transact_drawn
from cardarena.simulator.behaviour.midnight import begin_drawn, close_day
from cardarena.simulator.behaviour.neighbours import mean_mood
from cardarena.simulator.behaviour.randomness import draw_many, lanes_of
from cardarena.simulator.behaviour.response import deliver, expire, waiting_contact
from cardarena.simulator.cache_lines import LINE
from cardarena.simulator.compilation import compiled
from cardarena.simulator.errors import SchedulerError
from cardarena.simulator.parallel import even_chunks, in_chunks
from cardarena.simulator.prefetch import prefetch
from cardarena.simulator.rules import EVENT, Rules
from cardarena.simulator.state import WorldState, inbox_starts

#: As many as the machine, or NUMBA_NUM_THREADS, allows.
MOST_THREADS = numba.get_num_threads()
_FAR = 1 << 40
#: The bytes of a person and of an account that most days read; they are fetched while others live through it.
_HOT_PERSON = 448
_HOT_ACCOUNT = 256
_AHEAD = 4
#: The draws with which everybody begins each day; made for so many people at once, whose ids are their places.
_DRAWS = (randomness.NEED_SPELL, randomness.PLAN_COUNT, randomness.CLOSURE, randomness.TRANSACTION)
_TOGETHER = 64
#: The bytes that a category which is stirred writes to; they are fetched while the person before lives through the day.
_STIRRED_PERSON = (448, 640)
#: The bytes that a night moves of whom a contact ever reached; they are fetched while that person lives through the day.
_REACHED_PERSON = (640, 832)
_REACHED_ACCOUNT = (256, 640)


@compiled()
def live_through(
    person, account, agenda, at, length, contacts, low, high, rules, today, seed, start, end, rows, n
):
    """Live through a window with contacts in the inbox: own events and contacts by (minute, rank).

    Args:
        person: PERSON record.
        account: ACCOUNT record.
        agenda: packed agenda of the day, shape (AGENDA_SIZE,).
        at: its next entry.
        length: its number of entries.
        contacts: PENDING records; the person's are those from `low` to before `high`, by when they are due.
        low: first of them.
        high: behind the last of them.
        rules: the scenario's rules.
        today: TODAY record.
        seed: world key.
        start: first minute of the window.
        end: minute at which it ends.
        rows: EVENT buffer.
        n: rows already in it.

    Returns:
        The next entry of the agenda, and the number of rows.
    """
    day_start = today.day * 1440
    j = low
    while True:
        while j < high and (contacts[j].state == 1 or rules.channels[contacts[j].channel].at_visit > 0):
            j += 1
        own = np.int64(agenda[at]) if at < length else np.int64(_FAR)
        sent = np.int64(_FAR)
        minute = 0
        if j < high and contacts[j].due < day_start + end:
            minute = max(contacts[j].due - day_start, start)
            sent = np.int64(events.agenda_item(minute, events.CONTACT, 0))
        if min(own, sent) >> 16 >= end:
            return at, n
        if sent < own:
            n = deliver(person, account, rules, today, seed, contacts[j], minute, rows, n)
            j += 1
        else:
            at += 1
            n = happen(person, account, rules, today, seed, own, rows, n)
            if (own >> 12) & 15 == events.VISIT and person.alive == 1:
                w = waiting_contact(contacts, low, high, own & 4095, rules.channels)
                if w >= 0:
                    n = deliver(person, account, rules, today, seed, contacts[w], own >> 16, rows, n)


@compiled(nogil=True)
def _chunk(
    first, last, state, contacts, starts, rules, today, seed, start, end, rows, census, plan, tickets, lanes
):
    """Run people [first, last) through a window; return the number of rows written.

    `today` holds one record; scratch is `plan`, shape (AGENDA_SIZE,), `tickets`, shape (MAX_TRANSACTIONS, 2), and `lanes`,
    shape (draws, 4, people at once).
    """
    people, accounts, agenda, length, position, mood = state
    day = today[0]
    heard_on = rules.compliance[0].word_of_mouth
    # A day of one window leaves nothing to do later: each person's agenda is written over the last one's.
    is_whole = start == 0 and end == 1440
    n = 0
    for i in range(first, last):
        for byte in range(0, _HOT_PERSON, LINE):
            prefetch(people, i + _AHEAD, byte)
        for byte in range(0, _HOT_ACCOUNT, LINE):
            prefetch(accounts, i + _AHEAD, byte)
        after = min(i + 1, last - 1)
        if people[after].stirred != 0:
            for byte in range(_STIRRED_PERSON[0], _STIRRED_PERSON[1], LINE):
                prefetch(people, after, byte)
        person, account = people[i], accounts[i]
        if account.last_contact_day > NEVER:
            for byte in range(_REACHED_PERSON[0], _REACHED_PERSON[1], LINE):
                prefetch(people, i, byte)
            for byte in range(_REACHED_ACCOUNT[0], _REACHED_ACCOUNT[1], LINE):
                prefetch(accounts, i, byte)
        low, high = starts[i], starts[i + 1]
        own = plan if is_whole else agenda[i]
        at, count = 0, 0
        if start == 0:
            j = (i - first) % _TOGETHER
            if j == 0:
                for k in range(len(_DRAWS)):
                    draw_many(seed, i, day.day, _DRAWS[k], lanes[k])
            heard = mean_mood(mood, i, heard_on)
            begin_drawn(person, account, rules, day, seed, heard, lanes_of(lanes[0], j))
            counts, seldom = lanes_of(lanes[1], j), lanes_of(lanes[2], j)
            bought = lanes_of(lanes[3], j)
            count = plan_drawn(person, account, rules, day, seed, own, counts, seldom, bought, tickets)
            if not is_whole:
                length[i] = count
        else:
            at, count = position[i], length[i]
        if low == high:
            while at < count and own[at] >> 16 < end:
                item = np.int64(own[at])
                if is_whole and (item >> 12) & 15 == events.TRANSACTION and person.alive == 1:
                    # Planning has just drawn it.
                    where, size = tickets[item & 4095, 0], tickets[item & 4095, 1]
                    n = transact_drawn(person, account, rules, day, item >> 16, where, size, rows, n)
                else:
                    n = happen(person, account, rules, day, seed, item, rows, n)
                at += 1
        else:
            if start == 0:
                n = expire(person, rules, day, contacts, low, high, rows, n)
            at, n = live_through(
                person,
                account,
                own,
                at,
                count,
                contacts,
                low,
                high,
                rules,
                day,
                seed,
                start,
                end,
                rows,
                n,
            )
        if end == 1440:
            count_person(person, account, census)
            close_day(person, account, rules.parameter[0], day.day + 1)
        else:
            position[i] = at
    return n


class CohortScheduler:
    """Runs a window for everybody at once.

    Args of the constructor:
        threads: compiled threads to use; results do not depend on it.
        cardholder_kind: must be `standard`; other kinds are plain Python and belong to the agent scheduler.
    """

    def __init__(self, *, threads: int = 1, cardholder_kind: str = "standard") -> None:
        """Check the kind and keep the thread count within what the machine has."""
        if cardholder_kind != "standard":
            raise SchedulerError(
                f"the cohort scheduler runs compiled cardholders only; "
                f"kind {cardholder_kind!r} needs `--scheduler agent`"
            )
        self.threads = max(1, min(threads, MOST_THREADS))
        self._rows = np.zeros((0, 0), dtype=EVENT)

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
        return clock.timeout(end - start, value=self._advance(state, rules, today, start, end))

    def _buffer(self, threads: int, step: int, busiest: int) -> np.ndarray:
        need = step * (AGENDA_SIZE * ROWS_PER_ITEM + 2) + busiest * ROWS_PER_CONTACT
        if self._rows.shape[0] < threads or self._rows.shape[1] < need:
            self._rows = np.empty((threads, need), dtype=EVENT)  # untouched pages cost nothing
        return self._rows

    def _advance(
        self, state: WorldState, rules: Rules, today: np.ndarray, start: int, end: int
    ) -> list[np.ndarray]:
        n = state.people.size
        contacts = state.pending
        starts = inbox_starts(contacts, n)
        step, threads = even_chunks(n, self.threads)
        arrays = (
            state.people,
            state.accounts,
            state.agenda,
            state.agenda_length,
            state.agenda_next,
            state.mood,
        )
        busiest = int(np.max(np.diff(starts[::step], append=starts[-1]), initial=0))
        rows = self._buffer(threads, step, busiest)
        census = np.zeros((threads, N_MEASURES, N_BINS), dtype=np.int64)
        plans = np.zeros((threads, AGENDA_SIZE), dtype=np.int32)
        tickets = np.zeros((threads, MAX_TRANSACTIONS, 2))
        lanes = np.zeros((threads, len(_DRAWS), 4, _TOGETHER))
        seed = np.uint64(state.luck)

        def work(slot: int, first: int, last: int) -> np.ndarray:
            scratch = rows[slot], census[slot], plans[slot], tickets[slot], lanes[slot]
            count = _chunk(first, last, arrays, contacts, starts, rules, today, seed, start, end, *scratch)
            return rows[slot, :count].copy()

        out = in_chunks(n, step, threads, work)
        state.census += census.sum(axis=0)
        return [part for part in out if part.size]
