"""Laws 1 and 2: threads, shards, sizes, observers and others change nobody's life; the seed changes everybody's."""

import numpy as np
import pytest
from tests.fakes.simple_policies import Calling, Scattered, Silent
from tests.fakes.small_worlds import rows_of, same_rows, small_world, stir

from cardarena.simulator.behaviour.neighbours import BLOCK
from cardarena.simulator.contracts import Contacts, View
from cardarena.simulator.log import RunLog
from cardarena.simulator.world import World


@pytest.mark.slow
def test_threads_change_nothing() -> None:
    digests = set()
    for threads in (1, 2):
        world = small_world(50_500, threads=threads)
        digests.add(world.run(Scattered(1, 0.3), 2).digest())
        assert world.scheduler.threads == threads  # pyright: ignore[reportAttributeAccessIssue]
    assert len(digests) == 1


@pytest.mark.parametrize("word_of_mouth", [False, True])
def test_a_block_of_people_lives_the_same_in_a_larger_world(word_of_mouth: bool) -> None:
    logs = [small_world(n, word_of_mouth=word_of_mouth).run(Scattered(4, 0.5), 4) for n in (BLOCK, 2 * BLOCK)]
    small = rows_of(logs[0], np.ones(BLOCK, dtype=np.bool_))
    large = rows_of(logs[1], np.arange(2 * BLOCK) < BLOCK)
    assert same_rows(small, large)


def test_a_world_is_a_prefix_of_a_larger_one() -> None:
    small, large = small_world(300), small_world(1000)
    for name in ("people", "accounts"):
        assert getattr(small.state, name).tobytes() == getattr(large.state, name)[:300].tobytes()
    logs = [world.run(Silent(), 5) for world in (small, large)]
    assert same_rows(rows_of(logs[0], np.ones(300, dtype=np.bool_)), rows_of(logs[1], np.arange(1000) < 300))


def test_the_view_order_is_a_permutation_inside_blocks() -> None:
    world = small_world(2 * BLOCK + 100)
    np.testing.assert_array_equal(np.sort(world.order), np.arange(world.n))
    np.testing.assert_array_equal(world.order // BLOCK, np.arange(world.n) // BLOCK)
    assert (world.order != np.arange(world.n)).mean() > 0.9
    np.testing.assert_array_equal(world.view_id[world.order], np.arange(world.n))


class _Nosy(Scattered):
    """Reads everything that it is shown, and asks the gate about everything."""

    def decide(self, view: View) -> Contacts:
        assert self.brief is not None
        view.matrix()
        for channel in range(self.brief.channels.size):
            for offer in range(self.brief.offers.size):
                view.blocked_by(offer, channel, 2, 700)
        return super().decide(view)


def test_observers_change_nothing() -> None:
    def final(policy: Scattered, **watch: object) -> bytes:
        world = small_world(150)
        world.play(policy, 6, **watch)  # pyright: ignore[reportArgumentType]
        return world.state.people.tobytes() + world.state.accounts.tobytes()

    plain = final(Scattered(1, 0.5))
    seen: list[tuple[int, int]] = []
    assert final(Scattered(1, 0.5), on_day=lambda *day: seen.append(day)) == plain
    assert seen == [(day, 6) for day in range(1, 7)]
    assert final(Scattered(1, 0.5), sink=RunLog()) == plain
    assert final(_Nosy(1, 0.5), sink=RunLog()) == plain
    blind = Scattered(1, 0.5)
    blind.wants_feedback = False  # pyright: ignore[reportAttributeAccessIssue]
    assert final(blind) == plain


def test_the_log_does_not_care_in_how_many_parts_a_run_was_played() -> None:
    whole, parts = RunLog(), RunLog()
    small_world(120).play(Scattered(1, 0.5), 6, sink=whole)
    world = small_world(120)
    policy = Scattered(1, 0.5)
    for days in (1, 2, 3):
        world.play(policy, days, sink=parts, reset=days == 1)
    assert whole.digest() == parts.digest()


def test_seed_equality_and_inequality() -> None:
    def digest(seed: int) -> str:
        return small_world(100, seed).run(Scattered(1, 0.5), 3).digest()

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)


def test_the_salt_joins_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = small_world(50).run(Silent(), 2).digest()
    monkeypatch.setenv("CARDARENA_SALT", "a host's secret")
    assert small_world(50).run(Silent(), 2).digest() != plain


def _some(share: float, seed: int) -> Calling:
    """Contact view ids from 100 on, never those below."""
    inner = Scattered(seed, share, rounds=2, skip=range(100))
    policy = Calling(inner.decide)
    reset = policy.reset

    def both(brief: object, policy_seed: int) -> None:
        reset(brief, policy_seed)  # pyright: ignore[reportArgumentType]
        inner.reset(brief, policy_seed)  # pyright: ignore[reportArgumentType]

    policy.reset = both
    return policy


def test_two_policies_meet_the_same_people_with_the_same_luck() -> None:
    world = small_world(400)
    untouched = np.zeros(world.n, dtype=np.bool_)
    untouched[world.order[:100]] = True
    logs = [world.fork().run(policy, 12) for policy in (_some(0.3, 1), _some(0.9, 2), Silent())]
    rows = [rows_of(log, untouched) for log in logs]
    assert rows[0]["transactions.day"].size > 100
    assert same_rows(rows[0], rows[1])
    assert same_rows(rows[0], rows[2])
    assert len({log.digest() for log in logs}) == 3


def test_an_extra_contact_never_takes_an_organic_purchase_away_on_the_same_day() -> None:
    # One uniform a day and category: a contact adds a hazard behind the organic ones.
    world = small_world(4000, overrides={"parameters.purchase_rate": 0.3})
    world.state.people["need"], world.state.people["need_left"] = 3, 20
    stir(world.state.people)

    def buyers(log: RunLog) -> set[tuple[int, int]]:
        rows = log.table("responses")
        bought = rows["action"] >= 2
        return set(zip(rows["cardholder"][bought].tolist(), rows["category"][bought].tolist(), strict=True))

    alone, contacted = (
        buyers(world.fork().run(policy, 1)) for policy in (Silent(), Scattered(1, 1.0, rounds=3, depths=(0,)))
    )
    assert alone < contacted


def test_world_of_one() -> None:
    world = World.create(small_world(1).scenario, 3, 1)
    assert world.run(Scattered(1, 1.0), 3).table("decisions")["day"].size > 0
