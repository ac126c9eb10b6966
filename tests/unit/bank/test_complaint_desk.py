"""The complaint desk: closing days known in advance, the order of work, what is late and what it costs."""

import heapq
import itertools
from datetime import date
from typing import Any

import numpy as np
import pytest
import simpy
from tests.fakes.small_worlds import small_world

from cardarena.simulator.bank.complaint_desk import CLOSED, EXTENDED, LATE, OPENED, OPENS, ComplaintDesk
from cardarena.simulator.bank.desk_terms import DeskTerms, load_desk_terms
from cardarena.simulator.bank.economics import load_economics
from cardarena.simulator.behaviour.person import new_people
from cardarena.simulator.calendar import Calendar
from cardarena.simulator.names import COMPLAINT_KINDS, Kind
from cardarena.simulator.rules import EVENT, OPEN_CASE
from cardarena.simulator.state import WorldState

MONDAY = date(2025, 6, 2)
MINUTES = 360


def a_desk(handlers: int = 1, start: date = MONDAY, terms: DeskTerms | None = None) -> ComplaintDesk:
    """Return a desk of so many handlers, six hours a day."""
    terms = (terms or load_desk_terms()).staffed(1.0, MINUTES / 60)
    return ComplaintDesk(terms, 100_000 * handlers, Calendar(start), load_economics())


def a_state(cases: list[dict[str, int]], day: int = 0) -> WorldState:
    """Return a state with these open cases; filed the day before, ready, simple and due in a fortnight if not said."""
    state = WorldState.fresh(5, day, new_people(1), np.zeros(0))
    state.cases = np.zeros(len(cases), dtype=OPEN_CASE)
    for i, given in enumerate(cases):
        case = {"cardholder": i, "filed_day": day - 1, "ready_day": day, "is_simple": 1, "left_minutes": 100}
        case |= {"due_day": case["filed_day"] + 15} | given
        for field, value in case.items():
            state.cases[field][i] = value
    return state


def work(
    desk: ComplaintDesk, state: WorldState, days: int, filed: dict[int, np.ndarray] | None = None
) -> np.ndarray:
    """Let the desk work some days, on a clock of its own; return the rows that it wrote."""
    rows = []
    for _ in range(days):
        clock = simpy.Environment()
        shift = desk.begin(clock, state)
        clock.run(until=1440)
        rows.append(desk.settle(state, shift, [(filed or {}).get(state.day, np.zeros(0, dtype=EVENT))]))
        state.day += 1
    return np.concatenate(rows)


def complaint(day: int, cardholder: int, kind: int = 0, ordinal: int = 3) -> np.ndarray:
    row = np.zeros(1, dtype=EVENT)
    row["kind"], row["day"], row["cardholder"], row["code"] = Kind.COMPLAINT, day, cardholder, kind
    row["ordinal"], row["minute"] = ordinal, 700
    return row


def closings(rows: np.ndarray) -> dict[int, tuple[int, int]]:
    """Return (day, minute) of closing by cardholder."""
    closed = rows[rows["step"] == CLOSED]
    return {int(r["cardholder"]): (int(r["day"]), int(r["minute"])) for r in closed}


def test_one_handler_and_equal_work_close_on_known_days() -> None:
    k, each = 20, 100
    rows = work(a_desk(), a_state([{}] * k), 14)
    for i, (day, minute) in closings(rows).items():
        done = each * (i + 1)  # working minutes after which case i is closed
        nth, within = (done - 1) // MINUTES, (done - 1) % MINUTES + 1
        assert (day, minute) == (
            nth + 2 * (nth // 5),
            OPENS + within,
        )  # two days of weekend after five of work
    assert len(closings(rows)) == k
    assert not rows["is_late"].any()


@pytest.mark.parametrize("handlers", [1, 2, 5])
def test_days_are_those_of_a_list_schedule(handlers: int) -> None:
    # SimPy does what a heap of handlers does who take the first of the list; who waits too far behind is left out.
    n, rng = 80, np.random.Generator(np.random.Philox(key=7))
    left = rng.integers(1, 600, n)
    due = rng.integers(5, 60, n)
    state = a_state([{"left_minutes": int(left[i]), "due_day": int(due[i])} for i in range(n)])
    expected: dict[int, tuple[int, int]] = {}
    remaining = left.astype(np.int64)
    day = 0
    while remaining.any():
        if day % 7 < 5:
            free = [0] * handlers
            for i in sorted(np.flatnonzero(remaining), key=lambda i: (due[i], i)):
                at = heapq.heappop(free)
                spent = min(int(remaining[i]), MINUTES - at)
                remaining[i] -= spent
                heapq.heappush(free, at + spent)
                if remaining[i] == 0:
                    expected[int(i)] = (day, OPENS + at + spent)
        day += 1
    desk = a_desk(handlers)
    reached = [desk._queue(state.cases, 0).size]
    assert closings(work(desk, state, day)) == expected
    assert reached[0] < n, "nobody was left out: this tests nothing"


def test_the_first_due_goes_first_and_ties_go_by_filing() -> None:
    urgent = [{"due_day": 14}, {"due_day": 3}, {"due_day": 9}, {"due_day": 9, "filed_day": -4}]
    when = closings(work(a_desk(), a_state([{**case, "left_minutes": 90} for case in urgent]), 1))
    assert sorted(when, key=lambda holder: when[holder]) == [1, 3, 2, 0]
    patient = closings(work(a_desk(), a_state([{"left_minutes": 90}] * 4), 1))
    assert sorted(patient, key=lambda holder: patient[holder]) == [0, 1, 2, 3]


def test_what_comes_in_today_is_worked_on_from_the_next_working_day() -> None:
    terms = load_desk_terms()
    simple = DeskTerms(**{**vars(terms), "simple_share": (1.0, 1.0, 1.0), "work_sigma": 0.0})
    for filed, expected in ((0, 1), (3, 4), (4, 7), (5, 7), (6, 7)):  # Monday, Thursday, Friday, the weekend
        rows = work(a_desk(terms=simple), a_state([]), 9, {filed: complaint(filed, 8)})
        opened, closed = rows[rows["step"] == OPENED], rows[rows["step"] == CLOSED]
        assert opened[["day", "filed_day", "filed_ordinal", "minute", "due_day"]].tolist() == [
            (filed, filed, 3, 700, filed + 15)
        ]
        assert closed[["day", "minute"]].tolist() == [(expected, OPENS + 35)]


def test_nobody_works_in_golden_week() -> None:
    start = date(2025, 9, 30)  # a Tuesday; the first working day after the week is Wednesday 8 October
    rows = work(a_desk(start=start), a_state([{}, {"ready_day": 1}]), 12)
    assert {holder: day for holder, (day, _) in closings(rows).items()} == {0: 0, 1: 8}


def test_spring_festival_and_weekends_are_no_working_days() -> None:
    calendar = Calendar(date(2025, 1, 1))
    off = [date(2025, 1, 28), date(2025, 2, 4), date(2025, 10, 3), date(2025, 6, 7), date(2025, 6, 8)]
    on = [date(2025, 1, 27), date(2025, 2, 5), date(2025, 6, 18), date(2025, 11, 11), date(2025, 10, 8)]
    assert [calendar.is_working_day(calendar.day_of(when)) for when in off + on] == [False] * 5 + [True] * 5


def test_a_complex_case_is_extended_once_and_then_late() -> None:
    busy = [{"left_minutes": 10**6, "due_day": 0, "is_late": 1}]  # keeps the one handler for ever
    slow = [{"filed_day": 0, "due_day": 15}, {"filed_day": 0, "due_day": 30, "is_simple": 0}]
    rows = work(a_desk(), a_state(busy + slow), 70)
    assert rows[["day", "cardholder", "step", "due_day", "is_late"]].tolist() == [
        (15, 1, LATE, 15, 1),
        (30, 2, EXTENDED, 60, 0),
        (60, 2, LATE, 60, 1),
    ]


def test_the_day_of_the_limit_is_in_time() -> None:
    for due, late in ((2, False), (1, True)):
        rows = work(a_desk(), a_state([{"ready_day": 2, "due_day": due}]), 4)
        assert (LATE in rows["step"]) == late
        assert rows[rows["step"] == CLOSED][["day", "is_late"]].tolist() == [(2, int(late))]


def test_only_what_is_late_costs_and_only_once() -> None:
    mfen = load_economics().regulator_complaint_mfen
    late = {"ready_day": 99, "due_day": 0}
    state = a_state([{**late, "would_escalate": 1}, late, {"would_escalate": 1}])
    rows = work(a_desk(), state, 5)
    assert rows["value_mfen"].sum() == -mfen
    paid = rows[rows["value_mfen"] != 0]
    assert paid[["cardholder", "step", "is_escalated"]].tolist() == [(0, LATE, 1)]
    economics = load_economics()
    excess = load_desk_terms().late_escalation_ppm - economics.regulator_complaint_ppm
    assert state.census.sum() == -2 * (
        mfen * excess // 1_000_000
    )  # in expectation both late ones, whoever goes on
    closed = rows[rows["step"] == CLOSED]
    assert closed[["cardholder", "is_escalated"]].tolist() == [(2, 0)]


def test_cases_are_as_the_terms_say() -> None:
    n, terms = 3000, load_desk_terms()
    for kind in range(len(COMPLAINT_KINDS)):
        state = a_state([])
        work(a_desk(), state, 1, {0: np.concatenate([complaint(0, i, kind) for i in range(n)])})
        cases = state.cases
        p = terms.simple_share[kind]
        assert abs((cases["is_simple"] == 1).mean() - p) < 4 * np.sqrt(p * (1 - p) / n)
        for is_simple in (0, 1):
            own = cases[cases["is_simple"] == is_simple]
            logs = np.log(own["left_minutes"])
            # The median of a log-normal is the mean of its logarithm; rounding to minutes moves a short one a little.
            assert logs.mean() == pytest.approx(
                np.log(terms.work_minutes[is_simple]), abs=4 * terms.work_sigma / np.sqrt(own.size) + 0.01
            )
            assert set(own["due_day"]) == {terms.limit_days[is_simple]}
        waits = cases["ready_day"] - 1
        assert not waits[cases["is_simple"] == 1].any()
        assert np.median(waits[cases["is_simple"] == 0]) == pytest.approx(terms.enquiry_days - 0.5, abs=1.0)
        assert waits.max() <= terms.enquiry_most_days
        goes_on = (terms.late_escalation_ppm - load_economics().regulator_complaint_ppm) / 1e6
        assert abs(cases["would_escalate"].mean() - goes_on) < 4 * np.sqrt(goes_on * (1 - goes_on) / n)


def test_the_luck_of_a_case_does_not_hang_on_what_else_happened_that_day() -> None:
    def drawn(*filed: np.ndarray) -> list[Any]:
        state = a_state([])
        work(a_desk(), state, 1, {0: np.concatenate(filed)})
        mine = state.cases[(state.cases["cardholder"] == 4) & (state.cases["complaint"] == 1)]
        return mine[["is_simple", "left_minutes", "ready_day", "would_escalate"]].tolist()

    alone = drawn(complaint(0, 4, 1, ordinal=2))
    assert drawn(complaint(0, 4, 1, ordinal=9), complaint(0, 3), complaint(0, 4, 0, ordinal=1)) == alone
    twice = drawn(complaint(0, 4, 1, ordinal=2), complaint(0, 4, 1, ordinal=5))
    assert twice[0] == alone[0] != twice[1]


def test_rows_are_numbered_within_a_cardholder() -> None:
    cases = [{"cardholder": 4, "filed_day": -2}, {"cardholder": 4}, {"cardholder": 2}]
    rows = work(a_desk(), a_state(cases), 1, {0: complaint(0, 4)})
    assert rows[["cardholder", "ordinal", "step"]].tolist() == [
        (2, 0, CLOSED),
        (4, 0, CLOSED),
        (4, 1, CLOSED),
        (4, 2, OPENED),
    ]


@pytest.mark.parametrize(("n", "handlers"), [(1, 1), (50_000, 1), (50_001, 2), (1_000_000, 20)])
def test_handlers_are_whole_and_in_proportion(n: int, handlers: int) -> None:
    assert ComplaintDesk(load_desk_terms(), n, Calendar(MONDAY), load_economics()).handlers == handlers


def test_a_scenario_staffs_the_desk() -> None:
    changes = {"capacity.complaint_handlers_per_100000": 10_000, "capacity.complaint_hours_a_day": 0.25}
    world = small_world(25, overrides=changes)
    assert (world.desk.handlers, world.desk.terms.minutes_a_day) == (3, 15)


def test_fewer_hours_are_never_faster() -> None:
    days = []
    for hours in (6.0, 2.0, 0.5):
        desk = a_desk()
        desk.terms = desk.terms.staffed(None, hours)
        when = closings(work(desk, a_state([{}] * 12), 80))
        days.append([when[i][0] for i in range(12)])
    assert all(
        a <= b for slow, fast in itertools.pairwise(days[::-1]) for a, b in zip(fast, slow, strict=True)
    )
    assert days[0] != days[1] != days[2]
