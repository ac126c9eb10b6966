"""The environments are the same world: for the same actions and the same luck, the same log, row by row."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from tests.fakes.simple_policies import Silent
from tests.fakes.small_pools import small_pool

from cardarena.simulator.bank.features import FEATURE_INDEX, N_FEATURES, feature_columns
from cardarena.simulator.behaviour.neighbours import mean_mood
from cardarena.simulator.contracts import Contacts, View
from cardarena.simulator.envs.journeys import Journeys
from cardarena.simulator.envs.pool import Pool
from cardarena.simulator.envs.rewards import CONTACT_PRICE
from cardarena.simulator.names import CHANNELS, Kind, Rule, Status
from cardarena.simulator.world import World

DAYS = 10
#: A shorter way to a base tired of blasting.
TIRED = [{"policy": "status_quo", "days": 20}, {"policy": "blast", "dial": 8, "days": 20}]
#: One of each kind, beginning inside the days.
SHOCKS: list[dict[str, Any]] = [
    {"kind": "consent_withdrawal", "day": 3, "duration_days": 5, "share": 0.5},
    {"kind": "demand", "day": 2, "duration_days": 6, "category": "daily", "multiplier": 10.0},
    {"kind": "credit_stress", "day": 1, "duration_days": 9, "multiplier": 20.0},
    {"kind": "rival_campaign", "day": 2, "duration_days": 5, "strength": 3.0},
    {"kind": "channel_outage", "day": 4, "duration_days": 3, "channel": "app_push"},
    {"kind": "privacy_news", "day": 2, "duration_days": 4, "trust_drop": 0.3},
]


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
        self.price_mfen = view.contact_price_mfen
        actions = scripted(self.journeys, view.day, view.n)
        offer, channel, depth = self.journeys.codec.decode(actions)
        who = np.flatnonzero((offer >= 0) & (self.world.state.people["alive"] == 1))
        minute = self.journeys.choice.minutes[channel[who]]
        return Contacts.of(self.world.view_id[who], offer[who], channel[who], depth[who], minute)


class Kept:
    """Keeps a world's rows and decisions as they come."""

    def __init__(self) -> None:
        self.rows: list[np.ndarray] = []
        self.decisions: list[np.ndarray] = []

    def append(self, events: Any, decisions: Any, census: Any) -> None:
        self.rows += list(events)
        self.decisions += [] if decisions is None else [decisions]


class Both(NamedTuple):
    """What one script came to in a world and in journeys; rows of the same people and days."""

    mine: np.ndarray  # of the journeys
    theirs: np.ndarray  # of the world, without what its budget refused
    refused: int  # contacts
    prices: np.ndarray  # (DAYS,) of a contact, CNY, as the world's policy saw it


def both_logs(pool: Pool) -> Both:
    """Play the script in the pool's world, and what its budget let pass in journeys of all its people, at its prices.

    A budget is about everybody at once, and a journey knows of nobody else: what was refused for want of money is no action of
    the journey, and its row is in the world's log alone.
    """
    world = pool.worlds[0].fork()
    members = pool.base.members
    journeys = Journeys(pool, members.size)
    journeys.seed(np.arange(members.size))
    journeys.reset(cardholder=members, luck=world.state.luck)
    policy, kept = Scripted(journeys, world), Kept()
    rows: list[np.ndarray] = []
    prices = np.zeros(DAYS)
    closed = np.full(world.n, DAYS)
    refused = 0
    budget = pool.scenario.budget_mfen(world.n, DAYS)
    world.take_over(policy, DAYS, budget_mfen=budget)
    for day in range(DAYS):
        # What the neighbours said of yesterday is replayed as the world has it.
        heard = [mean_mood(world.state.mood, i, world.rules.compliance[0]["word_of_mouth"]) for i in members]
        journeys.slots.journey["heard"] = heard
        world.play(policy, 1, sink=kept, reset=False, budget_mfen=budget)
        prices[day] = policy.price_mfen * 1e-5
        journeys.slots.journey["price"] = prices[day]
        decided = kept.decisions[-1]
        no_money = decided["cardholder"][decided["rule"] == Rule.BUDGET]
        refused += no_money.size
        actions = scripted(journeys, day, world.n)
        actions[no_money, 0] = 0
        was_over = journeys.is_over
        part: list[np.ndarray] = []
        out = journeys.step(actions[members], part)
        ids = members[was_over]
        went = np.isin(members, decided["cardholder"][decided["passed"] == 1]) & ~was_over
        np.testing.assert_array_equal(out.terms[CONTACT_PRICE], -prices[day] * went)
        rows += [chunk[~np.isin(chunk["cardholder"], ids) & (chunk["day"] == day)] for chunk in part]
        closed[members[out.terminated]] = np.minimum(closed[members[out.terminated]], day)
    theirs = np.concatenate(kept.rows)
    keep = np.isin(theirs["cardholder"], members) & (theirs["day"] <= closed[theirs["cardholder"]])
    return Both(in_order(np.concatenate(rows)), in_order(without_refusals(theirs[keep])), refused, prices)


def without_refusals(rows: np.ndarray) -> np.ndarray:
    """Return the rows but those of contacts for which there was no money, the others of their day counted without them."""
    is_refused = rows["rule"] == Rule.BUDGET
    whose = rows["day"].astype(np.int64) << 32 | rows["cardholder"]
    rows = rows.copy()
    # A refusal comes at midnight, so before everything else that happens to the person on that day.
    assert not rows["ordinal"][is_refused].any()
    rows["ordinal"] -= np.isin(whose, whose[is_refused])
    return rows[~is_refused]


def in_order(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort((rows["ordinal"], rows["cardholder"], rows["day"]))]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"word_of_mouth": True},
        {"compliance__mode": "audit"},
        {"collisions": True},
        {"scenario": "mass_market"},
        {"scenario": "cold_start", "horizon__burn_in_days": 0},
        {"scenario": "fatigued_base", "horizon__burn_in_phases": TIRED},
        {"world": "structural_variant"},
        {"world": "test_02"},
    ],
    ids=["baseline", "neighbours", "audit", "collisions", "mass", "new", "tired", "variant", "other world"],
)
def test_the_log_is_the_worlds(changes: dict[str, Any]) -> None:
    both = both_logs(small_pool(**changes))
    assert both.mine.size > (500 if changes.get("scenario") in ("mass_market", "cold_start") else 2000)
    assert both.mine.tobytes() == both.theirs.tobytes()
    assert not both.refused
    assert not both.prices.any()
    contacts = both.mine[both.mine["kind"] == Kind.CONTACT]
    # Hardly anybody who is new may be contacted at all.
    others = () if changes.get("scenario") == "cold_start" else (Status.DELIVERED, Status.FAILED)
    for status in (Status.BLOCKED, *others):
        assert (contacts["code"] == status).any(), status


@pytest.mark.parametrize("shock", SHOCKS, ids=[shock["kind"] for shock in SHOCKS])
def test_the_log_is_the_worlds_under_a_shock(shock: dict[str, Any]) -> None:
    shocked, calm = both_logs(small_pool(shocks=[shock])), both_logs(small_pool())
    assert shocked.mine.size > 500
    assert shocked.mine.tobytes() == shocked.theirs.tobytes()
    # It does something on these days, and nothing before.
    assert shocked.mine.tobytes() != calm.mine.tobytes()
    early = [both.mine[both.mine["day"] < shock["day"]] for both in (shocked, calm)]
    assert early[0].tobytes() == early[1].tobytes()


def test_the_log_is_that_of_what_a_budget_let_pass_at_the_price_it_set() -> None:
    """Money is the only thing that people share in a decision: there are no seats, `docs/limits.md` says."""
    both = both_logs(small_pool(scenario="tight_budget", budget__cny_per_cardholder_per_30_days=0.4))
    assert both.mine.tobytes() == both.theirs.tobytes()
    contacts = both.mine[both.mine["kind"] == Kind.CONTACT]
    assert (contacts["code"] == Status.DELIVERED).sum() > 20
    assert both.refused > 100
    assert np.unique(both.prices).size > 3


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
