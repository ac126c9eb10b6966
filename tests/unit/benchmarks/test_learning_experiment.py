"""The learning experiment at a tiny scale: what is kept, what is compared, and that one thing is changed at a time."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.fakes.agents.fake_bank import make_brief, make_features, make_view
from tests.fakes.agents.small_training import SMALL

from cardarena.benchmarks.learning import COURSES, Sizes, measure
from cardarena.benchmarks.learning.courses import HEURISTICS, REFERENCE, Course
from cardarena.benchmarks.learning.page import picture, table
from cardarena.benchmarks.learning.played import SILENT, play_all
from cardarena.benchmarks.learning.reading import GROUPS, made
from cardarena.benchmarks.learning.results import TrainingLuck, closed_share, gathered
from cardarena.benchmarks.learning.work import train_one
from cardarena.benchmarks.statistics import t_interval
from cardarena.simulator.bank.features import FEATURES
from cardarena.simulator.envs.journeys import COLUMNS
from cardarena.simulator.errors import CardArenaError

pytestmark = pytest.mark.rl
pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

TINY = {
    name: value for name, value in SMALL.items() if name not in ("steps", "evaluate_every", "decision_every")
} | {"choice": "sampled"}
SIZES = Sizes(
    steps=128,
    training_seeds=(0,),
    cardholders=60,
    seeds=(9101, 9102),
    days=6,
    run_out_days=10,
    settings=TINY,
)
BY_NAME = {course.name: course for course in COURSES}


def test_each_course_differs_from_the_reference_in_one_thing() -> None:
    reference = asdict(BY_NAME[REFERENCE].settings(SIZES, 0))
    own = {"difficulty", "lanes", "learning_rate", "reward", "harm_limit"}
    for course in COURSES:
        settings = asdict(course.settings(replace(SIZES, settings={}), 0))
        plain = asdict(BY_NAME[REFERENCE].settings(replace(SIZES, settings={}), 0))
        differs = {name for name in plain if settings[name] != plain[name]}
        if course.section == "agent":
            assert "agent" in differs
            assert differs - {"agent"} <= own
        else:
            assert len(differs) == len(course.changes) == (0 if course.name == REFERENCE else 1)
    assert reference["steps"] == SIZES.steps


def test_commands_are_those_of_the_command_line_and_tell_courses_apart() -> None:
    sizes = Sizes()
    commands = [course.command(sizes, seed) for course in COURSES for seed in sizes.training_seeds]
    assert len(set(commands)) == len(commands)
    assert BY_NAME["priced"].command(sizes, 1) == (
        "cardarena train maskable_ppo --steps 2000000 --seed 1 --evaluate-every 1000000 --patience 1000 --price 0,1"
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("learning")
    courses = [BY_NAME[name] for name in (REFERENCE, "gamma_0", "full_state", "priced")]
    return folder, measure(SIZES, lambda text: None, folder=folder, courses=courses)


def test_what_is_kept_is_taken_again_and_identical_commands_give_identical_results(
    whole: tuple[Path, Any], tmp_path: Path
) -> None:
    folder, results = whole
    courses = [BY_NAME[name] for name in (REFERENCE, "gamma_0", "full_state", "priced")]
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    said: list[str] = []
    again = measure(SIZES, said.append, folder=folder, courses=courses)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before
    assert sum("kept" in line for line in said) == len(courses)
    afresh = measure(SIZES, lambda text: None, folder=tmp_path, courses=courses[:2])
    assert again.to_json() == results.to_json()
    for name in (REFERENCE, "gamma_0", "mpc", "oracle_planner"):
        assert afresh.line(name).inv == results.line(name).inv


def test_another_command_trains_anew(whole: tuple[Path, Any]) -> None:
    folder, _ = whole
    other = replace(SIZES, steps=64)
    assert train_one((BY_NAME[REFERENCE], SIZES, 0, folder))[1] == "kept"
    assert train_one((BY_NAME[REFERENCE], other, 0, folder))[1] != "kept"
    assert train_one((BY_NAME[REFERENCE], SIZES, 0, folder))[1] == "kept"


def test_table_and_picture_hold_everybody(whole: tuple[Path, Any]) -> None:
    _, results = whole
    rows = table(results)
    assert len(rows) == 1 + (4 + 4) + (2 + 4)
    assert all(len(row) == len(rows[0]) for row in rows)
    svg = picture(results).svg
    for text in ("How far it looks ahead", "What it is shown", "Under a tight budget"):
        assert text in svg


def test_what_the_agent_reads_is_told_for_every_group(whole: tuple[Path, Any]) -> None:
    folder, results = whole
    assert set(results.reading) == set(GROUPS)
    # Every observed column but those of the calendar, the market and what is missing belongs to one group.
    for name in COLUMNS:
        own = [group for group, begins in GROUPS.items() if name.startswith(begins)]
        assert len(own) == (
            0
            if name
            in (
                "is_open",
                "weekday",
                "month",
                "is_festival",
                "days_since_payday",
                "contact_price",
                "days_left",
            )
            or name.endswith("_missing")
            else 1
        ), name
    spec = str(next((folder / "agents").glob("reference-*")))
    plain: Any = made(spec)
    dealt: Any = made(f"{spec}|person")
    brief = make_brief(300)
    features = make_features(300)
    for policy in (plain, dealt):
        policy.reset(brief, 5)
        policy.decide(make_view(brief, features=features))
    rows = np.arange(300)
    view: Any = make_view(brief, features=features)
    assert np.array_equal(np.sort(dealt._other), rows)
    assert not np.array_equal(dealt._other, rows)
    # Only the group moves, and it moves together: the outputs are those of a person put together of two.
    mixed = features.copy()
    own = np.array([name.startswith(GROUPS["person"]) for name in FEATURES])
    mixed[own] = features[own][:, dealt._other]
    whole_view: Any = make_view(brief, features=mixed)
    assert np.array_equal(dealt._outputs(view, rows), plain._outputs(whole_view, rows))
    assert not np.array_equal(dealt._outputs(view, rows), plain._outputs(view, rows))


def test_differences_are_of_the_same_people(whole: tuple[Path, Any]) -> None:
    _, results = whole
    line, reference = results.line("gamma_0"), results.line(REFERENCE)
    assert line.over_reference.value == pytest.approx(line.inv.value - reference.inv.value)
    assert reference.over_reference.value == 0.0
    assert results.line("oracle_planner").closed.value == pytest.approx(1.0)
    best = results.heuristic["baseline"]
    assert results.line(best).over_heuristic.value == 0.0
    assert set(results.differences) == {
        "looking a quarter ahead, over the next decision alone",
        "full state over observables",
    }


def test_a_persons_value_adds_up_to_the_value_of_the_arena() -> None:
    found = play_all("baseline", 9101, {"greedy": "greedy_priced"}, 60, days=6, run_out_days=10)
    gain = found["greedy"][0] - found[SILENT][0]
    assert gain.mean() == pytest.approx(found["greedy"][1]["inv_expected"], abs=2e-3)
    assert found[SILENT][1]["inv_expected"] == 0.0


def test_the_share_closed_is_that_of_the_means_and_its_interval_covers_it() -> None:
    rng = np.random.Generator(np.random.Philox(3))
    inside = 0
    for _ in range(200):
        base = rng.normal(10.0, 30.0, 400)
        gap = rng.normal(20.0, 10.0, 400)
        share = closed_share(base + 0.25 * gap + rng.normal(0.0, 15.0, 400), base, base + gap)
        inside += share.low <= 0.25 <= share.high
    assert 180 <= inside <= 200
    nothing = np.zeros(400)
    assert np.isnan(closed_share(nothing, nothing, nothing).value)


def test_intervals_hold_the_luck_of_training_too() -> None:
    """Of 400 experiments with 3 agents of 2 seeds, where nothing differs but luck, about 5 % find a difference."""
    rng = np.random.Generator(np.random.Philox(4))
    wrong = {False: 0, True: 0}
    for _ in range(400):
        people = rng.normal(0.0, 5.0, (6, 200))
        gains = people + rng.normal(0.0, 1.5, 6)[:, None]
        luck = TrainingLuck.of([gains[2 * k : 2 * k + 2].mean(axis=1).tolist() for k in range(3)])
        plain = t_interval(gains[:2].mean(axis=0) - gains[2:4].mean(axis=0))
        for with_luck, found in ((False, plain), (True, luck.widened(plain, 1.0))):
            wrong[with_luck] += not found.low <= 0.0 <= found.high
    assert wrong[True] <= 30
    assert wrong[False] > 100
    one, estimate = TrainingLuck.of([(1.0,), (4.0,)]), t_interval([1.0, 2.0])
    assert one.degrees == 0
    assert one.widened(estimate, 1.0) == estimate


def test_limits_are_those_of_the_scenario() -> None:
    people = np.zeros(4), np.ones(4)
    kept = {
        "contacts_per_head_month": 1.0,
        "marketing_complaints_expected": 0.4,
        "opt_out_share": 0.0,
        "breaches": 0.0,
    }
    world = {
        name: (people[0], {**kept})
        for name in (SILENT, f"{REFERENCE}-0", *HEURISTICS, "oracle_planner", "other-0")
    }
    world["other-0"] = people[1], {**kept, "marketing_complaints_expected": 0.6}
    courses = [BY_NAME[REFERENCE], Course("other", "gamma", "Other")]
    results = gathered(replace(SIZES, seeds=(9101,)), courses, {("baseline", 9101): world})
    assert results.line(REFERENCE).kept
    assert not results.line("other").kept
    assert results.line("other").inv.value == 1.0


def test_a_reference_is_needed(tmp_path: Path) -> None:
    with pytest.raises(CardArenaError, match="expected 'reference' among them"):
        measure(SIZES, lambda text: None, folder=tmp_path, courses=[BY_NAME["gamma_0"]])


def test_a_critic_with_gamma_0_sees_one_step() -> None:
    from cardarena.agents.environments import make_pool
    from cardarena.agents.rl.card import Observation
    from cardarena.agents.rl.sb3.lanes import Lanes, columns_for
    from cardarena.agents.rl.sb3.learners import LEARNERS
    from cardarena.simulator.envs.cardholder import Shell

    for name, is_myopic in (("gamma_0", True), (REFERENCE, False)):
        settings = BY_NAME[name].settings(SIZES, 0)
        pool = make_pool("baseline", n_cardholders=40, world_seeds=(1001,))
        shell = Shell(pool, 16, terminal_value=False, offer_features=False, horizon=10, reward="paired")
        lanes = Lanes(shell, Observation(columns=columns_for(sees_end=False, has_price=False)))
        lanes.warm_up(1, 0.3)
        learner: Any = LEARNERS[settings.agent](settings, lanes)
        learner.teach(16 * 8, 1, 1e-3)
        buffer = learner.algorithm.rollout_buffer
        # The buffer turns returns lane by lane when it hands them out, and leaves rewards as they came.
        rewards = buffer.rewards.swapaxes(0, 1).reshape(buffer.returns.shape)
        assert rewards.any()
        assert np.allclose(buffer.returns, rewards, atol=1e-5) == is_myopic
