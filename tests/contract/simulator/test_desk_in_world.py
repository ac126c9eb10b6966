"""The desk in a world: the same under either scheduler, in parts, saved and forked amid its queue; and nobody feels it."""

from pathlib import Path

import numpy as np
import pytest
from tests.fakes.simple_policies import Scattered, Silent
from tests.fakes.small_worlds import realised_mfen, small_world, total

from cardarena.simulator.log import RunLog
from cardarena.simulator.names import CASE_STEPS
from cardarena.simulator.world import World

POLICY = Scattered(2, 0.4)
#: Many complaints, and a desk that cannot keep up.
BUSY = {
    "parameters.complaint_service": 0.04,
    "channels.sms.p_complaint": 0.05,
    "capacity.complaint_hours_a_day": 1.0,
}


def busy(n: int = 100, more: dict[str, float] | None = None) -> World:
    return small_world(n, overrides={**BUSY, **(more or {})})


def test_the_schedulers_agree_on_a_long_queue() -> None:
    def digest(scheduler: str) -> str:
        world = small_world(60, scheduler=scheduler, overrides=BUSY)
        log = world.run(POLICY, 12)
        assert {0, 3} <= set(log.table("cases")["step"])
        assert world.state.cases.size > 5
        return log.digest()

    assert digest("agent") == digest("cohort")


def test_a_world_goes_on_amid_its_queue_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    whole = RunLog()
    busy().play(POLICY, 40, sink=whole)
    world, parts = busy(), RunLog()
    for days in (3, 14, 23):
        world.play(POLICY, days, sink=parts, reset=days == 3)
        half_done = world.state.cases["left_minutes"].copy()
        assert half_done.size > 3
        loaded = World.load(world.save(tmp_path / f"{days}.world"))
        assert loaded.state.cases.tobytes() == world.state.cases.tobytes()
        fork = world.fork()
        fork.play(Silent(), 5)
        np.testing.assert_array_equal(world.state.cases["left_minutes"], half_done)
        world = loaded
    assert parts.digest() == whole.digest()
    assert set(whole.table("cases")["step"]) == set(range(len(CASE_STEPS)))


def test_the_queue_is_part_of_the_state() -> None:
    world = busy()
    world.play(POLICY, 10)
    assert world.state.cases.size > 5
    with_them, without = world.fork(), world.fork()
    without.state.cases = without.state.cases[:0]
    logs = [w.run(Silent(), 5).table("cases") for w in (with_them, without)]
    assert logs[0]["day"].size > logs[1]["day"].size


def test_nobody_feels_the_desk() -> None:
    worlds = [busy(), busy(more={"capacity.complaint_hours_a_day": 12.0})]
    logs = [world.run(POLICY, 40) for world in worlds]
    for name in ("people", "accounts"):
        assert len({getattr(world.state, name).tobytes() for world in worlds}) == 1
    for name in ("transactions", "contacts", "responses", "complaints", "consents", "decisions"):
        mine, other = (log.table(name) for log in logs)
        assert all(np.array_equal(mine[column], other[column]) for column in mine)
    late = [int((log.table("cases")["step"] == CASE_STEPS.index("late")).sum()) for log in logs]
    assert late[0] > 20
    assert late[1] == 0


def test_every_complaint_is_opened_and_closed_at_most_once() -> None:
    world = busy()
    log = world.run(POLICY, 60)
    complaints, cases = log.table("complaints"), log.table("cases")

    def keys(rows: np.ndarray) -> list[tuple[int, ...]]:
        columns = (cases[name][rows].tolist() for name in ("filed_day", "cardholder", "filed_ordinal"))
        return list(zip(*columns, strict=True))

    opened = keys(cases["step"] == CASE_STEPS.index("opened"))
    closed = keys(cases["step"] == CASE_STEPS.index("closed"))
    still = [tuple(row) for row in world.state.cases[["filed_day", "cardholder", "filed_ordinal"]].tolist()]
    filed = zip(*(complaints[name].tolist() for name in ("day", "cardholder", "ordinal")), strict=True)
    assert opened == list(filed)
    assert sorted(closed + still) == sorted(opened)
    assert len(closed) > 20
    assert len(still) > 5


@pytest.mark.statistical
def test_the_ledger_and_the_expectation_of_late_cases_agree() -> None:
    staffed = {"capacity.complaint_handlers_per_100000": 10_000, "capacity.complaint_hours_a_day": 12.0}
    worlds = [busy(800), busy(800, staffed)]
    logs = [world.run(Silent(), 60) for world in worlds]
    paid = [int(realised_mfen(log, 60).sum()) for log in logs]
    expected_in = [total(log, "expected_value_mfen") for log in logs]
    ledger, expected = paid[0] - paid[1], expected_in[0] - expected_in[1]
    late = logs[0].table("cases")["step"] == CASE_STEPS.index("late")
    n, desk = int(late.sum()), worlds[0].desk
    assert n > 200
    assert expected == -n * desk._late_mfen
    p, each = desk._p_escalation, desk._escalated_mfen
    assert abs(ledger - expected) < 4 * each * np.sqrt(n * p * (1 - p))
