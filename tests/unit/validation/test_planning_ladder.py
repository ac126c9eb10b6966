"""The planning experiment: nights, placebo, twins, tuning and jobs; and the whole of it, very small."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.fakes.small_worlds import small_world

from cardarena.agents.arms import STOCKS
from cardarena.agents.planning import TERMS, LadderPolicy, Rule
from cardarena.agents.registry import make_policy
from cardarena.benchmarks.metrics import run_metrics
from cardarena.benchmarks.validation.findings import Section
from cardarena.benchmarks.validation.planning import Sizes, measure, paths, section, twins, variants
from cardarena.benchmarks.validation.planning.jobs import Jobs, digest
from cardarena.benchmarks.validation.planning.ladder import (
    Rung,
    _between,
)
from cardarena.benchmarks.validation.planning.page import burst, compare, relative
from cardarena.benchmarks.validation.planning.variants import VARIANTS
from cardarena.benchmarks.validation.planning.worlds import (
    N_SEGMENTS,
    Tally,
    could_reach,
    deal_stocks,
    hooked,
    kept_over_night,
    play,
    under_variant,
    variant_scenario,
)

PRICE = Rule(price=1.0)


def test_inv_is_that_of_the_arena() -> None:
    world = small_world(120, seed=5, horizon__run_out_days=20)
    silent = play(world, LadderPolicy(rule=Rule(price=1e9)), [12], run_out_days=20)
    mine = play(world, LadderPolicy(rule=PRICE), [5, 12], run_out_days=20)
    caretaker = make_policy("caretaker")
    logs = [
        world.fork().run(policy, 12, run_out_policy=caretaker, run_out_days=20)
        for policy in (LadderPolicy(rule=PRICE), make_policy("silent"))
    ]
    metrics = run_metrics(logs[0], logs[1])
    assert mine.value[-1] - silent.value[-1] == pytest.approx(metrics["inv_expected"], abs=1e-9)
    assert mine.cost[-1] == pytest.approx(metrics["marketing_cost"], rel=1e-6)
    # A horizon inside a longer run is the run of that horizon.
    short = play(world, LadderPolicy(rule=PRICE), [5], run_out_days=20)
    assert short.value[0] == mine.value[0]
    assert short.value[0] != mine.value[1]
    assert sum(mine.by_segment[-1]) == pytest.approx(mine.value[-1], rel=1e-3)
    assert len(mine.by_segment[-1]) == N_SEGMENTS


def test_a_meter_changes_nothing_and_reads_the_day() -> None:
    world = small_world(150, seed=6)
    plain, metered = Tally(), Tally()
    read = []
    world.fork().play(LadderPolicy(rule=PRICE), 4, sink=plain)
    run = hooked(world.fork(), meter=lambda state: read.append(int(state.people["expected_mfen"].sum())))
    run.play(LadderPolicy(rule=PRICE), 4, sink=metered)
    assert plain == metered
    assert np.allclose(read, plain.expected_mfen, rtol=1e-3)
    assert sum(plain.delivered) > 0


def test_the_placebo_keeps_marginals_and_nothing_else() -> None:
    world = small_world(300, seed=8)
    state = world.state
    state.people["annoyance"] = np.arange(300) / 300.0
    state.people["load"][:, 3] = np.arange(300)
    state.people["satisfaction"] = np.clip(state.people["satisfaction_home"] + 0.05, 0.0, 1.0)
    state.accounts["permitted"][:40, 3], state.accounts["refused_day"][:40, 3] = 0, 0
    state.accounts["permitted"][40:, 3] = 1
    before, again = state.copy(), state.copy()
    rest = state.copy()
    reach = could_reach(rest)
    # What happened since the first day is forgotten over night.
    state.people["annoyance"][:100] += 5.0
    deal_stocks(state, rest, reach)
    deal_stocks(again, rest, reach)
    for name in ("annoyance", "load", "satisfaction"):
        assert np.array_equal(state.people[name], again.people[name])
    for name in ("annoyance", "load"):
        assert np.array_equal(np.sort(state.people[name], axis=0), np.sort(before.people[name], axis=0))
    assert abs(np.corrcoef(state.people["annoyance"], before.people["annoyance"])[0, 1]) < 0.2
    assert np.all(state.people["satisfaction"] >= state.people["satisfaction_home"] - 1e-12)
    refused = state.accounts["refused_day"][:, 3] == 0
    assert refused.sum() == 40
    assert refused[:40].sum() < 20
    assert np.array_equal(state.accounts["permitted"][refused, 3], np.zeros(40))
    for kept in ("theta", "tolerance", "need", "wallet_home"):
        assert np.array_equal(state.people[kept], before.people[kept])
    there = state.people["annoyance"].copy()
    state.day += 1
    deal_stocks(state, rest, reach)
    assert not np.array_equal(there, state.people["annoyance"])


@pytest.mark.parametrize("name", list(VARIANTS))
def test_every_variant_is_a_world(name: str) -> None:
    world = small_world(50, seed=4)
    other = under_variant(world, VARIANTS[name], {})
    assert other.day == world.day
    assert other.n == world.n
    assert np.array_equal(other.state.people["theta"], world.state.people["theta"])
    if VARIANTS[name].overrides or VARIANTS[name].scaled:
        bare = variant_scenario(variants.Variant("bare", "bare"), {})
        assert variant_scenario(VARIANTS[name], {}) != bare


def test_a_candidate_parameter_set_lies_beneath_a_variant() -> None:
    overrides = {"parameters": {"contact_rate": [1.0] * 8, "load_keep": 0.5}}
    scenario = variant_scenario(VARIANTS["identity"], overrides)
    assert scenario.parameters["contact_rate"] == tuple([3.5] * 8)
    assert scenario.parameters["load_keep"] == 0.0
    assert variant_scenario(VARIANTS["no_wear"], overrides).parameters["load_keep"] == 0.5


def test_twins_live_the_same_life_where_nothing_was_pushed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twins, "_push", lambda twin, stock, channels, luck: np.ones(twin.n, dtype=bool))
    readings = twins.read_world(
        small_world(200, seed=9), LadderPolicy(rule=PRICE), (3,), look_ahead=5, lasting_days=100
    )
    assert sum(len(price) for price in readings.values()) > 150
    assert all(np.all(price == 0.0) for price in readings.values())


def test_in_the_placebo_a_push_is_gone_by_the_morning() -> None:
    readings = twins.read_world(
        small_world(300, seed=9),
        LadderPolicy(rule=PRICE),
        (3,),
        look_ahead=5,
        lasting_days=100,
        is_placebo=True,
    )
    for name in ("load", "annoyance", "blindness", "wear", "awareness", "satisfaction", "permission"):
        assert np.all(readings[name] == 0.0), name
    stays = twins.read_world(
        small_world(300, seed=9), LadderPolicy(rule=PRICE), (3,), look_ahead=5, lasting_days=100
    )
    assert np.any(stays["annoyance"] != 0.0)
    assert np.any(stays["satisfaction"] != 0.0)


def test_a_lost_account_is_worth_its_margin() -> None:
    readings = twins.read_world(
        small_world(300, seed=9), LadderPolicy(rule=PRICE), (3,), look_ahead=10, lasting_days=100
    )
    lost = readings["account"]
    assert lost.size > 0
    assert np.all(lost <= 0.0)
    assert lost.mean() < -1.0


@pytest.mark.parametrize("read", [twins.read_world, paths.read_world])
def test_readings_do_not_know_the_luck_of_the_run(read: Any) -> None:
    world = small_world(120, seed=9)
    found = []
    for key in (world.state.luck, 4242):
        # The same people on the same day, and another future altogether.
        world.state.luck = key
        readings = read(world, LadderPolicy(rule=PRICE), (0,), look_ahead=6, lasting_days=100)
        prices = {name: getattr(part, "price", part) for name, part in readings.items()}
        found.append({name: np.sort(np.asarray(price)) for name, price in prices.items()})
    for name, price in found[0].items():
        assert np.array_equal(price, found[1][name]), name


def test_every_reading_has_a_luck_of_its_own() -> None:
    assert twins.independent_key(1, 2, 0) != twins.independent_key(1, 2, 1)
    assert twins.independent_key(1, 2, 0) == twins.independent_key(1, 2, 0)


@pytest.mark.statistical
def test_what_the_model_knows_of_satisfaction_is_what_twins_find() -> None:
    # Nobody is contacted, so that only the wallet and the hazard of closing answer.
    world = small_world(500, seed=12)
    nobody = LadderPolicy(rule=Rule(price=1e9))
    by_twins = twins.read_world(world, nobody, (5,), look_ahead=150, lasting_days=100)["satisfaction"]
    read = paths.read_world(world, nobody, (5,), look_ahead=150, lasting_days=100)["satisfaction"]
    assert np.all(read.price == 0.0)
    error = by_twins.std(ddof=1) / np.sqrt(by_twins.size)
    assert abs(by_twins.mean() - read.known.mean()) < 4.0 * error + 0.1 * abs(read.known.mean())
    assert read.known.mean() > 4.0 * error


def test_a_recorder_decides_as_the_policy_does() -> None:
    world = small_world(150, seed=3)
    policy = LadderPolicy(rule=PRICE)
    one, other = world.fork(), world.fork()
    one.play(policy, 2)
    plain, recorded = Tally(), Tally()
    copied = one.fork()
    follower: Any = paths.recorder(policy)
    follower.begin(one, kept_over_night(one))
    copied.play(follower, 4, reset=False, sink=recorded)
    other.play(LadderPolicy(rule=PRICE), 2)
    one.play(policy, 4, reset=False, sink=plain)
    assert plain == recorded
    assert np.all(follower.sums["load"] <= 0.0)
    assert follower.sums["load"].min() < 0.0
    assert np.all(follower.sums["permission"] <= 0.0)


def _readings(price: np.ndarray, terms: np.ndarray) -> dict[str, paths.Readings]:
    nothing = {
        name: paths.Readings(np.zeros(0), np.zeros((0, len(TERMS[name]))), np.zeros(0)) for name in STOCKS
    }
    return nothing | {"blindness": paths.Readings(price, terms, np.zeros(len(price)))}


def test_shadow_prices_are_found_and_luck_is_not_believed() -> None:
    luck = np.random.default_rng(4)
    terms = np.stack([luck.uniform(0, 1, 4000), luck.uniform(0, 5, 4000), np.ones(4000)], axis=1)
    noise = luck.normal(0.0, 1.0, 4000)
    found = paths.fit(_readings(terms @ np.array([-6.0, -2.0, -1.0]) + noise, terms), {})
    assert np.allclose(found.shadow["blindness"], [-6.0, -2.0, -1.0], rtol=0.15)
    assert found.constant["blindness"][-1] == pytest.approx(-3.0 - 5.0 - 1.0, rel=0.05)
    nothing = paths.fit(_readings(noise, terms), {})
    assert np.abs(nothing.shadow["blindness"]).max() < 0.05
    assert nothing.shadow["load"] == (0.0,) * len(TERMS["load"])


def test_what_is_known_is_added_to_what_is_learnt() -> None:
    known = {"satisfaction": {"at stake": 100.0, "exit": 2.0}}
    nothing = _readings(np.zeros(0), np.zeros((0, 3)))
    assert paths.fit(nothing, known).shadow["satisfaction"] == (0.0, 0.0, 100.0, 2.0, 0.0)


def test_jobs_are_done_once_and_again_for_other_settings(tmp_path: Path) -> None:
    calls: list[Any] = []

    def double(settings: dict[str, Any], scratch: Path) -> dict[str, Any]:
        calls.append(settings["x"])
        return {"y": 2 * settings["x"]}

    for _ in range(2):
        jobs = Jobs(tmp_path, {"double": double})
        answers = jobs.run("doubling", [("double", {"x": x}) for x in (1, 2, 1)])
        assert [a["y"] for a in answers] == [2, 4, 2]
    assert sorted(calls) == [1, 2]
    Jobs(tmp_path, {"double": double}).run("doubling", [("double", {"x": 3})])
    assert sorted(calls) == [1, 2, 3]
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 2, "b": 1})


@pytest.mark.parametrize(("best", "low", "high"), [(0.0, 0.0, 0.5), (2.0, 0.5, 5.0), (12.0, 5.0, 30.0)])
def test_two_prices_are_tried_about_the_best(best: float, low: float, high: float) -> None:
    known = {price: (1.0 if price == best else 0.0, 1.0) for price in (0.0, 0.5, 2.0, 5.0, 12.0)}
    tried = _between(known)
    assert len(tried) == 2
    assert all(low < price < high and price not in known for price in tried)


def test_nothing_is_tuned_on_an_evaluation_seed() -> None:
    with pytest.raises(ValueError, match=r"train_seeds: expected none of the evaluation seeds, found \[3\]"):
        Sizes(seeds=(1, 2, 3), train_seeds=(3, 4))


def _rung(values: list[float], daily: list[float] | None = None) -> Rung:
    return Rung(Rule(), "full", inv=[[v] for v in values], daily=[daily or []])


def test_a_gap_is_a_paired_share() -> None:
    a, b = _rung([11.0, 23.0]), _rung([10.0, 20.0])
    assert compare(a, b).mean == pytest.approx(2.0)
    assert relative(a, b)[0] == pytest.approx(2.0 / 15.0)


def test_a_burst_is_seen() -> None:
    assert burst(_rung([1.0], [1.0] * 60)) == pytest.approx(1.0)
    assert burst(_rung([1.0], [1.0] * 46 + [3.0] * 14)) == pytest.approx(3.0)


@pytest.mark.slow
def test_the_whole_experiment_very_small(tmp_path: Path) -> None:
    sizes = Sizes(
        cardholders=60,
        seeds=(9001, 9002),
        train_seeds=(19001,),
        days=20,
        control_days=10,
        control_seeds=1,
        run_out_days=10,
        fork_every=10,
        look_ahead=6,
        rounds=1,
        with_beliefs=True,
        variants=("identity",),
        overrides={"horizon.burn_in_days": 20, "logged_history": False},
    )
    told: list[str] = []
    results = measure(sizes, told.append, folder=tmp_path, workers=1)
    page = section(results)
    assert Section.from_json(page.to_json()).findings == page.findings
    ids = {finding.id for finding in page.findings}
    assert {"planning.gap", "planning.identity", "planning.threshold_load", "planning.gap_on_beliefs"} <= ids
    assert all("<svg" in picture.svg for picture in page.pictures)
    trials = {len(results.rungs[name].trials) for name in ("price", "segment_price", "index", "planner")}
    assert trials == {7}
    worked = len(told)
    # Asked again, nothing is played again.
    again = section(measure(sizes, told.append, folder=tmp_path, workers=1))
    assert repr(again.to_json()) == repr(page.to_json())
    assert len(told) == worked
