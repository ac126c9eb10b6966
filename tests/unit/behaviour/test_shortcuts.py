"""What the kernels skip changes nothing: each shortcut against the long way, bit for bit."""

from pathlib import Path

import numpy as np
from tests.fakes.simple_policies import Scattered
from tests.fakes.small_worlds import small_world

from cardarena.simulator.bank.features import FEATURES, N_FEATURES, feature_columns, feature_row
from cardarena.simulator.behaviour.elementary import exp
from cardarena.simulator.behaviour.life import busyness, context_of, poisson
from cardarena.simulator.behaviour.midnight import beginning_need, lowest, may_begin_need
from cardarena.simulator.behaviour.parameters import parameter_record
from cardarena.simulator.behaviour.person import new_people
from cardarena.simulator.behaviour.randomness import PLAN_COUNT, TRANSACTION, draw, draw_many, lanes_of
from cardarena.simulator.cache_lines import LINE
from cardarena.simulator.names import N_CATEGORIES, N_CONTEXTS
from cardarena.simulator.rules import PENDING, TODAY
from cardarena.simulator.state import inbox_starts
from cardarena.simulator.world import World


def _long_poisson(u: float, mean: float, cap: int) -> int:
    p = total = exp(-mean)
    count = 0
    while u > total and count < cap:
        count += 1
        p *= mean / count
        total += p
    return count


def test_a_poisson_count_needs_no_exponential_when_the_uniform_is_low() -> None:
    generator = np.random.default_rng(5)
    means = [0.0, 1e-12, 1e-9, 3e-8, 1e-4, *generator.exponential(1.0, 200)]
    for mean in means:
        edge = 1.0 - mean * (1.0 - mean * (0.5 - mean * (1.0 / 6.0)))
        words = generator.integers(0, 2**32, 50)
        near = [
            edge,
            np.nextafter(edge, 0.0),
            edge - 1e-12,
            edge - 2e-12,
            exp(-mean),
            np.nextafter(exp(-mean), 1.0),
        ]
        for u in [*((words + 0.5) / 2**32), *near]:
            assert poisson(float(u), float(mean), 12) == _long_poisson(float(u), float(mean), 12)


def test_the_lowest_bit_is_found() -> None:
    for bits in range(1, 256):
        assert lowest(np.int64(bits)) == (bits & -bits).bit_length() - 1


def test_no_need_begins_where_none_may() -> None:
    generator = np.random.default_rng(6)
    person, today, q = new_people(1), np.zeros(1, dtype=TODAY), parameter_record()[0]
    asked = spared = 0
    for turn in range(300):
        person["need_scale"][0] = generator.lognormal(0.0, 1.5, N_CATEGORIES)
        today["need_hazard"][0] = generator.exponential(0.01, N_CATEGORIES) * (
            generator.random(N_CATEGORIES) < 0.7
        )
        person["stress_left"][0] = turn % 3 == 0
        hazards = today["need_hazard"][0] * person["need_scale"][0].astype(np.float64)
        edge = float(np.cumsum(hazards)[-1])
        near = edge * (1.0 + np.arange(-6, 7) * 2.0**-52)
        for u in [*generator.random(20), *near, *(edge * generator.uniform(0.5, 4.0, 20))]:
            begins = beginning_need(person[0], q, today[0], float(u)) >= 0
            may = may_begin_need(person[0], today[0], float(u))
            assert may or not begins
            asked += begins
            spared += not may
    assert asked > 500 < spared


def _searched_context(person: np.void, today: np.void, target: float) -> int:
    total, last = 0.0, 0
    for k in range(N_CONTEXTS):
        if person["context_share"][k] > 0.0:
            total += float(person["context_share"][k]) * float(today["spend_multiplier"][k])
            last = k
            if target < total:
                return k
    return last


def test_a_context_is_counted_as_it_would_be_searched() -> None:
    generator = np.random.default_rng(8)
    person, today = new_people(1), np.zeros(1, dtype=TODAY)
    found = set()
    for _ in range(400):
        used = generator.random(N_CONTEXTS) < 0.6
        share = generator.dirichlet(np.ones(N_CONTEXTS)) * used
        person["context_share"][0] = share / max(share.sum(), 1e-9)
        today["spend_multiplier"][0] = generator.choice([0.0, 0.7, 1.0, 1.3], N_CONTEXTS)
        busy = busyness(person[0], today[0])
        sums = np.cumsum(person["context_share"][0].astype(np.float64) * today["spend_multiplier"][0])
        edges = sums / busy if busy > 0.0 else sums
        for u in [*generator.random(10), *edges, *np.nextafter(edges, 0.0), 0.0, 1.0]:
            expected = _searched_context(person[0], today[0], float(u) * busy)
            assert context_of(person[0], today[0], busy, float(u)) == expected
            found.add((expected, bool(float(u) * busy < sums[-1])))
    assert found == {(k, within) for k in range(N_CONTEXTS) for within in (True, False)}


def test_draws_made_together_are_those_made_one_by_one() -> None:
    seed = np.uint64(0x9E3779B97F4A7C15)
    for first, n in ((0, 64), (8128, 64), (999_999, 7), (5, 1)):
        lanes = np.zeros((4, n))
        for day, purpose in ((0, PLAN_COUNT), (731, TRANSACTION)):
            draw_many(seed, first, day, purpose, lanes)
            for j in range(n):
                assert lanes_of(lanes, j) == draw(seed, first + j, day, 0, purpose, 0, 0, 0, 0, 0)


def test_whom_no_contact_reached_has_nothing_that_a_night_would_wear_off() -> None:
    world = small_world(300)
    policy, reached_at_all = Scattered(1, 0.1), 0
    for day in range(6):
        world.play(policy, 1, reset=day == 0)
        people, accounts = world.state.people, world.state.accounts
        untouched = accounts["contacts_28d"] == 0.0
        reached_at_all = int((~untouched).sum())
        for field in ("wear", "awareness", "blindness"):
            assert not people[field][untouched].any(), field
        for field in (
            "category_contacts_28d",
            "category_clicks_28d",
            "opens_28d",
            "clicks_28d",
            "week_ring",
            "month_ring",
        ):
            assert not accounts[field][untouched].any(), field
        assert untouched.any()
    assert reached_at_all


def test_a_category_at_rest_has_neither_need_nor_interest_nor_hazard() -> None:
    world = small_world(300)
    world.play(Scattered(1, 0.9, rounds=2), 8)
    people = world.state.people
    rests = (people["stirred"][:, None] >> np.arange(people["need"].shape[1])) & 1 == 0
    assert 0 < rests.mean() < 1
    for field in ("need", "interest", "hazard_today", "planned_today", "bought_today"):
        assert not people[field][rests].any(), field


def _row_by_row(world: World) -> np.ndarray:
    out = np.zeros((N_FEATURES, world.n), dtype=np.float32)
    row = np.zeros(N_FEATURES)
    for position in range(world.n):
        feature_row(world.state.accounts[world.order[position]], world.today(world.day)[0], row)
        out[:, position] = row
    return out


def test_a_column_is_the_same_whatever_is_asked_for_beside_it() -> None:
    world = small_world(1500)  # one whole block of the view's order and a part of one
    world.play(Scattered(1, 0.5), 3)
    accounts, today = world.state.accounts, world.today(world.day)
    whole = _row_by_row(world)
    np.testing.assert_array_equal(feature_columns(accounts, world.order, today), whole)
    for j, name in enumerate(FEATURES):
        np.testing.assert_array_equal(
            feature_columns(accounts, world.order, today, [name])[0], whole[j], name
        )
    some = world.order[[1400, 3, 700]]
    np.testing.assert_array_equal(feature_columns(accounts, some, today), whole[:, [1400, 3, 700]])


def test_a_record_begins_on_a_cache_line_and_fills_whole_ones(tmp_path: Path) -> None:
    world = small_world(100)
    world.play(Scattered(1, 0.5), 2)
    loaded = World.load(world.save(tmp_path / "world.npz"))
    for other in (world, world.fork(), loaded):
        for field in ("people", "accounts"):
            records = getattr(other.state, field)
            assert records.dtype == getattr(world.state, field).dtype
            assert records.itemsize % LINE == 0
            assert records.ctypes.data % LINE == 0
            assert records.tobytes() == getattr(world.state, field).tobytes()


def test_an_inbox_begins_where_its_rows_do() -> None:
    generator = np.random.default_rng(3)
    for holders in ([], [0], [6], [0, 0, 3, 6, 6], np.sort(generator.integers(0, 7, 40))):
        pending = np.zeros(len(holders), dtype=PENDING)
        pending["cardholder"] = holders
        np.testing.assert_array_equal(
            inbox_starts(pending, 7), np.searchsorted(pending["cardholder"], np.arange(8))
        )
