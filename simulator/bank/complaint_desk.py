"""The complaint desk: handlers close complaints by the day that the law sets, the most urgent first.

Nobody in the world feels it. A late case costs money and is counted, and that is all.
"""

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

import numpy as np
import simpy

from cardarena.simulator.bank.desk_terms import DeskTerms
from cardarena.simulator.bank.economics import Economics
from cardarena.simulator.behaviour.census import STATE_MEASURES
from cardarena.simulator.behaviour.elementary import exp, normal_quantile
from cardarena.simulator.behaviour.randomness import CARDHOLDER, COMPLAINT_CASE, draw
from cardarena.simulator.calendar import Calendar
from cardarena.simulator.log import CASE
from cardarena.simulator.names import CASE_STEPS, Kind
from cardarena.simulator.rules import EVENT, OPEN_CASE

if TYPE_CHECKING:
    from cardarena.simulator.state import WorldState

OPENED, EXTENDED, LATE, CLOSED = range(len(CASE_STEPS))
#: Handlers begin at nine.
OPENS: Final = 540
_LAST_MINUTE: Final = 1439
_EXPECTED: Final = STATE_MEASURES.index("expected_value_mfen")
#: What a row of the log repeats of the case.
_REPEATED: Final = (
    "cardholder",
    "filed_day",
    "filed_ordinal",
    "complaint",
    "is_simple",
    "due_day",
    "is_late",
)


@dataclass(frozen=True)
class Shift:
    """One day's work, filled in as the clock runs.

    Attributes:
        left: minutes of work left of each open case, shape (cases,).
        closed_at: minute of the day at which each was closed, or -1, shape (cases,).
    """

    left: np.ndarray
    closed_at: np.ndarray


class ComplaintDesk:
    """Handlers as one SimPy resource, taken by the case that is due first.

    States of a case: filed by a cardholder -> opened (the midnight after) -> waiting for enquiries, if it is complex ->
    waiting for a handler -> in work -> closed. A complex case that is open when its first limit has passed is extended,
    once. Any other that is open when its limit has passed is late, and still to be closed.

    Cases live in the world's state. The processes are made from it each morning (`begin`), run on the world's clock in
    working hours beside the cardholders, with whom they share nothing, and are over in the evening; at midnight
    (`settle`) what they did goes back to the state. A case that is put down in the evening is taken up again in the
    order of the next working day.

    Attributes:
        terms: how much work there is, how many handlers, which limits.
        handlers: how many there are: whole ones, at least one.
    """

    def __init__(
        self, terms: DeskTerms, n_cardholders: int, calendar: Calendar, economics: Economics
    ) -> None:
        """Staff the desk of a bank with so many cardholders."""
        self.terms, self.calendar = terms, calendar
        self.handlers = max(1, ceil(terms.handlers_per_100000 * n_cardholders / 100_000))
        # Every complaint is already charged with the average share that goes on to the regulator.
        excess_ppm = max(0, terms.late_escalation_ppm - economics.regulator_complaint_ppm)
        self._p_escalation = excess_ppm / 1_000_000
        self._escalated_mfen = economics.regulator_complaint_mfen
        self._late_mfen = economics.regulator_complaint_mfen * excess_ppm // 1_000_000

    # --- the day

    def begin(self, clock: simpy.Environment, state: "WorldState") -> Shift:
        """Let today's work begin, on a clock that stands at midnight; the shift is whole in the evening."""
        cases = state.cases
        shift = Shift(cases["left_minutes"].astype(np.int64), np.full(cases.size, -1))
        if cases.size and self.calendar.is_working_day(state.day):
            handlers = simpy.PriorityResource(clock, self.handlers)
            for rank, case in enumerate(self._queue(cases, state.day)):
                clock.process(self._handle(clock, handlers, rank, shift, int(case)))
        return shift

    def _queue(self, cases: np.ndarray, day: int) -> np.ndarray:
        """Return the cases that can be taken up today, the first due first; ties go by the order of filing."""
        ready = np.flatnonzero(cases["ready_day"] <= day)
        waiting = cases[ready]
        by = ("filed_ordinal", "cardholder", "filed_day", "due_day")
        order = ready[np.lexsort([waiting[field] for field in by])]
        # While a case waits all handlers work, on those before it: behind so much work nobody comes to it today.
        minutes = self.terms.minutes_a_day
        work = np.minimum(cases["left_minutes"][order], minutes).astype(np.int64)
        return order[np.cumsum(work) - work < (2 * self.handlers - 1) * minutes]

    def _handle(
        self, clock: simpy.Environment, handlers: simpy.PriorityResource, rank: int, shift: Shift, case: int
    ) -> Generator[simpy.Event, None, None]:
        midnight = clock.now
        yield clock.timeout(OPENS)
        with handlers.request(priority=rank) as turn:
            yield turn
            evening = midnight + OPENS + self.terms.minutes_a_day
            spent = min(int(shift.left[case]), int(evening - clock.now))
            yield clock.timeout(spent)
            shift.left[case] -= spent
            if shift.left[case] == 0:
                shift.closed_at[case] = clock.now - midnight

    # --- midnight

    def settle(self, state: "WorldState", shift: Shift, events: Iterable[np.ndarray]) -> np.ndarray:
        """Close the day: what was closed leaves the state, limits pass, today's complaints come in.

        Args:
            state: its cases are replaced, and what late cases cost is taken from the census's expected value.
            shift: today's work.
            events: EVENT rows of today, in any order.

        Returns:
            Rows for the table of cases, CASE, in the order of (cardholder, ordinal).
        """
        cases, done = state.cases.copy(), shift.closed_at >= 0
        cases["left_minutes"] = shift.left
        closed = _rows(state.day, cases[done], CLOSED, shift.closed_at[done])
        cases = cases[~done]
        extended, late = self._pass_limits(cases, state.day)
        state.census[_EXPECTED, 0] -= self._late_mfen * late.size
        fresh, minutes = self._opened(state, events)
        state.cases = _join([cases, fresh], OPEN_CASE)
        return _in_order(_join([closed, extended, late, _rows(state.day, fresh, OPENED, minutes)], CASE))

    def _pass_limits(self, cases: np.ndarray, day: int) -> tuple[np.ndarray, np.ndarray]:
        """Mark what is open when its limit passes; return the rows of the extended and of the late."""
        over = (cases["due_day"] <= day) & (cases["is_late"] == 0)
        longest = cases["filed_day"] + self.terms.extended_limit_days
        is_extended = over & (cases["is_simple"] == 0) & (cases["due_day"] < longest)
        cases["due_day"][is_extended] = longest[is_extended]
        is_late = over & ~is_extended
        cases["is_late"][is_late] = 1
        late = _rows(day, cases[is_late], LATE, _LAST_MINUTE)
        late["value_mfen"] = -self._escalated_mfen * late["is_escalated"].astype(np.int64)
        return _rows(day, cases[is_extended], EXTENDED, _LAST_MINUTE), late

    def _opened(self, state: "WorldState", events: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return today's complaints as cases, OPEN_CASE, and the minutes at which they were filed, in order."""
        filed = _join([rows[rows["kind"] == Kind.COMPLAINT] for rows in events], EVENT)
        filed = filed[np.lexsort((filed["ordinal"], filed["cardholder"]))]
        cases = np.zeros(filed.size, dtype=OPEN_CASE)
        for field, source in (
            ("cardholder", "cardholder"),
            ("filed_day", "day"),
            ("filed_ordinal", "ordinal"),
            ("complaint", "code"),
        ):
            cases[field] = filed[source]
        count: dict[tuple[int, int], int] = {}
        for case in cases:
            # By its place among complaints of its kind: the ordinal would shift with every contact more.
            which = (int(case["cardholder"]), int(case["complaint"]))
            count[which] = count.get(which, -1) + 1
            self._draw(state.luck, case, count[which])
        return cases, filed["minute"]

    def _draw(self, seed: int, case: np.void, nth: int) -> None:
        """Draw what a case is like: simple or complex, how much work, how long the enquiries, whether it goes on."""
        terms, filed_day, kind = self.terms, int(case["filed_day"]), int(case["complaint"])
        u, work, wait, v = draw(
            np.uint64(seed),
            int(case["cardholder"]),
            filed_day,
            CARDHOLDER,
            COMPLAINT_CASE,
            0,
            0,
            kind,
            nth,
            0,
        )
        is_simple = int(u < terms.simple_share[kind])
        minutes = terms.work_minutes[is_simple] * exp(terms.work_sigma * normal_quantile(work))
        enquiry = 0.0 if is_simple else terms.enquiry_days * exp(terms.enquiry_sigma * normal_quantile(wait))
        case["is_simple"] = is_simple
        case["left_minutes"] = max(1, int(minutes + 0.5))
        case["ready_day"] = filed_day + 1 + int(min(enquiry, terms.enquiry_most_days))
        case["due_day"] = filed_day + terms.limit_days[is_simple]
        case["would_escalate"] = v < self._p_escalation


def _join(parts: list[np.ndarray], dtype: np.dtype) -> np.ndarray:
    """Return the parts one behind the other; the empty ones, which are most, would cost as much as the others."""
    parts = [part for part in parts if part.size]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=dtype)


def _rows(day: int, cases: np.ndarray, step: int, minute: int | np.ndarray) -> np.ndarray:
    """Return one row of the log for each of these cases; the late among them may have gone on to the regulator."""
    rows = np.zeros(cases.size, dtype=CASE)
    for field in _REPEATED:
        rows[field] = cases[field]
    rows["day"], rows["step"], rows["minute"] = day, step, minute
    rows["is_escalated"] = cases["is_late"] & cases["would_escalate"]
    return rows


def _in_order(rows: np.ndarray) -> np.ndarray:
    """Return a day's rows by (cardholder, filing), numbered within each cardholder."""
    rows = rows[np.lexsort((rows["step"], rows["filed_ordinal"], rows["filed_day"], rows["cardholder"]))]
    rows["ordinal"] = np.arange(rows.size) - np.searchsorted(rows["cardholder"], rows["cardholder"])
    return rows
