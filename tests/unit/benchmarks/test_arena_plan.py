from pathlib import Path
from typing import Any

import pytest

from cardarena.benchmarks.arena.plan import Entry, Plan, Task, policy_file
from cardarena.benchmarks.arena.schedule import Schedule
from cardarena.simulator.errors import CardArenaError, PolicyError, UnknownNameError


def _plan(**changes: Any) -> Plan:
    settings: dict[str, Any] = {
        "scenarios": (Entry("a", "a"), Entry("b", "b")),
        "policies": (Entry("p", "p", dials=(1.0, 2.0)), Entry("q", "q")),
        "n_seeds": 3,
    }
    return Plan(**{**settings, **changes})


def test_the_matrix_has_every_run_once_and_curves_only_on_the_first_scenario() -> None:
    runs = list(_plan().runs())
    assert len(runs) == len(set(runs)) == 2 * 2 * 3 + 2 * 1
    curves = [task for task in runs if task.dial is not None]
    assert {task.scenario for task in curves} == {"a"}
    assert {task.seed for task in curves} == {1}
    assert len(list(_plan(curves=False).runs())) == 2 * 2 * 3
    assert [_plan(n_seeds=n).curve_seeds for n in (1, 4, 5, 8)] == [1, 1, 2, 2]


def test_a_plan_survives_the_way_to_a_worker() -> None:
    plan = _plan()
    assert Plan.from_settings(plan.settings()) == plan


def test_every_task_has_a_key_of_its_own() -> None:
    tasks = [*_plan().runs(), *(Task(*group) for group in _plan().groups())]
    assert len({task.key for task in tasks}) == len(tasks)


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(CardArenaError, match="'a' is given twice"):
        _plan(scenarios=(Entry("a", "a"), Entry("a", "a")))
    with pytest.raises(CardArenaError, match="at least one policy"):
        _plan(policies=())


def test_a_policy_file_is_parsed_and_never_run(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("raise SystemExit('it was run')\nclass Mine:\n    league = 'logged'\n", encoding="utf-8")
    entry = policy_file(f"{path}:Mine")
    assert entry is not None
    assert (entry.label, entry.league) == ("mine.py:Mine", "logged")
    before = entry.digest
    path.write_text("class Mine:\n    pass\n", encoding="utf-8")
    entry = policy_file(f"{path}:Mine")
    assert entry is not None
    assert entry.digest != before
    assert policy_file("rfm") is None


def test_a_policy_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    with pytest.raises(PolicyError, match="no such file"):
        policy_file(f"{path}:Mine")
    path.write_text("class Mine\n", encoding="utf-8")
    with pytest.raises(PolicyError, match=r"mine\.py, line 1"):
        policy_file(f"{path}:Mine")
    path.write_text("class Mine:\n    pass\n", encoding="utf-8")
    with pytest.raises(UnknownNameError, match="did you mean 'Mine'"):
        policy_file(f"{path}:Mime")
    with pytest.raises(PolicyError, match="found no class name"):
        policy_file(str(path))


def test_two_workers_prepare_two_worlds_stay_in_them_and_then_help_each_other() -> None:
    tasks = [Task("a", 1, name) for name in "xyz"] + [Task("b", 1, "x")]
    schedule = Schedule(tasks)
    a, b = schedule.next_for(None), schedule.next_for(None)
    assert a is not None
    assert b is not None
    assert (a.group, b.group) == (("a", 1), ("b", 1))
    assert schedule.next_for(None) is None
    schedule.prepared(a)
    schedule.prepared(b)
    own = schedule.next_for(b.group)
    assert own is not None
    assert own == Task("b", 1, "x")
    assert schedule.next_for(b.group) == Task("a", 1, "x")
    assert schedule.ended(own)
    assert schedule.next_for(a.group) == Task("a", 1, "y")
    assert schedule.next_for(a.group) == Task("a", 1, "z")
    assert schedule.next_for(a.group) is None
    assert [schedule.ended(Task("a", 1, name)) for name in "xyz"] == [False, False, True]


def test_a_world_that_is_lost_takes_its_runs_with_it() -> None:
    schedule = Schedule([Task("a", 1, "x"), Task("b", 1, "x")])
    first = schedule.next_for(None)
    assert first is not None
    assert schedule.lost(first) == [Task("a", 1, "x")]
    second = schedule.next_for(("a", 1))
    assert second is not None
    assert second.group == ("b", 1)
