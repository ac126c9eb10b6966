"""The environments are the same world: for the same actions and the same luck, the same log, row by row."""

from typing import Any

import numpy as np
import pytest
from tests.fakes.simple_policies import Silent
from tests.fakes.small_pools import small_pool

from cardarena.simulator.bank.features import FEATURE_INDEX, N_FEATURES, feature_columns
from cardarena.simulator.behaviour.neighbours import mean_mood
from cardarena.simulator.contracts import Contacts, View
from cardarena.simulator.envs.journeys import Journeys
from cardarena.simulator.envs.pool import Pool
from cardarena.simulator.names import CHANNELS, Kind, Status
from cardarena.simulator.world import World

DAYS = 10


def scripted(journeys: Journeys, day: int, n: int) -> np.ndarray:
    """Return everybody's factored action on a day, shape (people, 4)."""
    rng = np.random.Generator(np.random.Philox(key=[8, day]))
    actions = np.stack([rng.integers(0, size, n) for size in journeys.codec.sizes], axis=1)
    actions[:, 0] = rng.random(n) < 0.6
    return actions


class Scripted(Silent):
    """Sends what the script says, by true id."""

    name = "fake_scripted"

    def __init__(self, journeys: Journeys, world: World) -> None:
        super().__init__(1, 0)
        self.journeys, self.world = journeys, world

    def decide(self, view: View) -> Contacts:
        actions = scripted(self.journeys, view.day, view.n)
        offer, channel, depth = self.journeys.codec.decode(actions)
        who = np.flatnonzero((offer >= 0) & (self.world.state.people["alive"] == 1))
        minute = self.journeys.choice.minutes[channel[who]]
        return Contacts.of(self.world.view_id[who], offer[who], channel[who], depth[who], minute)


class Kept:
    """Keeps a world's rows as they come."""

    def __init__(self) -> None:
        self.rows: list[np.ndarray] = []

    def append(self, events: Any, decisions: Any, census: Any) -> None:
        self.rows += list(events)


def both_logs(pool: Pool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Play the script in the pool's world and in journeys of all its people; return the rows and who was asked."""
    world = pool.worlds[0].fork()
    members = pool.base.members
    journeys = Journeys(pool, members.size)
    journeys.seed(np.arange(members.size))
    journeys.reset(cardholder=members, luck=world.state.luck)
    policy, kept = Scripted(journeys, world), Kept()
    rows: list[np.ndarray] = []
    closed = np.full(world.n, DAYS)
    for day in range(DAYS):
        # What the neighbours said of yesterday is replayed as the world has it.
        heard = [mean_mood(world.state.mood, i, world.rules.compliance[0]["word_of_mouth"]) for i in members]
        journeys.slots.journey["heard"] = heard
        world.play(policy, 1, sink=kept, reset=day == 0)
        was_over = journeys.is_over
        part: list[np.ndarray] = []
        out = journeys.step(scripted(journeys, day, world.n)[members], part)
        ids = members[was_over]
        rows += [chunk[~np.isin(chunk["cardholder"], ids) & (chunk["day"] == day)] for chunk in part]
        closed[members[out.terminated]] = np.minimum(closed[members[out.terminated]], day)
    theirs = np.concatenate(kept.rows)
    keep = np.isin(theirs["cardholder"], members) & (theirs["day"] <= closed[theirs["cardholder"]])
    return in_order(np.concatenate(rows)), in_order(theirs[keep]), members


def in_order(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort((rows["ordinal"], rows["cardholder"], rows["day"]))]


@pytest.mark.parametrize(
    "changes",
    [{}, {"word_of_mouth": True}, {"compliance__mode": "audit"}, {"collisions": True}],
    ids=["baseline", "neighbours", "audit", "collisions"],
)
def test_the_log_is_the_worlds(changes: dict[str, Any]) -> None:
    mine, theirs, _ = both_logs(small_pool(**changes))
    assert mine.size > 2000
    assert mine.tobytes() == theirs.tobytes()
    contacts = mine[mine["kind"] == Kind.CONTACT]
    for status in (Status.DELIVERED, Status.BLOCKED, Status.FAILED):
        assert (contacts["code"] == status).any(), status


def test_another_luck_gives_another_log() -> None:
    pool = small_pool()
    logs = []
    for luck in (1, 2):
        journeys = Journeys(pool, 20)
        journeys.seed(range(20))
        journeys.reset(cardholder=pool.base.members[:20], luck=luck)
        rows: list[np.ndarray] = []
        for _ in range(DAYS):
            journeys.step(np.zeros((20, 4)), rows)
        logs.append(np.concatenate(rows))
    assert logs[0].tobytes() != logs[1].tobytes()


def test_what_is_observed_is_the_worlds_view() -> None:
    pool = small_pool()
    world, members = pool.worlds[0].fork(), pool.base.members
    journeys = Journeys(pool, members.size)
    journeys.seed(np.arange(members.size))
    out = journeys.reset(cardholder=members, luck=world.state.luck)
    policy = Scripted(journeys, world)
    by_channel = [FEATURE_INDEX[f"days_since_contact_{name}"] for name in CHANNELS]
    ages = set()
    for day in range(DAYS):
        view = feature_columns(world.state.accounts, members, world.today(world.day)).T
        is_open = ~journeys.is_over
        assert is_open.sum() > 100
        np.testing.assert_array_equal(out.observation[is_open, :N_FEATURES], view[is_open])
        ages |= set(view[is_open][:, by_channel].ravel().tolist())
        world.play(policy, 1, reset=day == 0)
        out = journeys.step(scripted(journeys, day, world.n)[members])
    # At midnight nothing was delivered today.
    assert ages == {1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0}
