"""Decisions at events: the log of an arena policy that reacts, what the bank may not use is not seen, the same money."""

from typing import Any

import numpy as np
import pytest
from tests.contract.envs.test_same_world import Kept, in_order
from tests.fakes.simple_policies import Silent
from tests.fakes.small_pools import small_pool

from cardarena.simulator.bank.gate import open_arms
from cardarena.simulator.contracts import Contacts
from cardarena.simulator.envs.journeys import Journeys
from cardarena.simulator.envs.pool import Pool
from cardarena.simulator.envs.trigger import TRIGGER_TABLE, TriggerJourneys
from cardarena.simulator.errors import UnknownNameError
from cardarena.simulator.names import CATEGORIES, Kind, Status
from cardarena.simulator.rules import EVENT
from cardarena.simulator.triggers import LARGE_FEN, TRIGGERS, WINDOW_MINUTES, Events, matching
from cardarena.simulator.world import World

DAYS = 10
AT = {column.name: j for j, column in enumerate(TRIGGER_TABLE)}


def scripted(journeys: Journeys, day: int, minute: int, n: int) -> np.ndarray:
    """Return everybody's answer at a border, shape (people, 4)."""
    rng = np.random.Generator(np.random.Philox(key=[minute, day]))
    actions = np.stack([rng.integers(0, size, n) for size in journeys.sizes], axis=1)
    actions[:, 0] = rng.random(n) < 0.8
    return actions


class Reacting(Silent):
    """Answers events as the script says, by true id, while the account is open."""

    name = "fake_reacting"

    def __init__(self, journeys: TriggerJourneys, world: World) -> None:
        super().__init__(1, 0)
        self.journeys, self.world, self.triggers = journeys, world, journeys.triggers

    def react(self, events: Events) -> Contacts:
        who = self.world.order[np.unique(events.cardholder)]
        offer, channel, depth = self.journeys.codec.decode(
            scripted(self.journeys, events.day, events.minute, self.world.n)
        )
        who = who[(offer[who] >= 0) & (self.world.state.people["alive"][who] == 1)]
        minute = np.full(who.size, events.minute)
        return Contacts.of(self.world.view_id[who], offer[who], channel[who], depth[who], minute)


def lived(journeys: TriggerJourneys, pool: Pool, luck: Any) -> tuple[np.ndarray, np.ndarray]:
    """Play the script in the journeys of all members; return the rows, and the day on which each came to an end."""
    rows: list[np.ndarray] = []
    last = np.full(pool.n, -1)
    for member in pool.base.members:
        journeys.seed([0])
        journeys.reset(cardholder=int(member), luck=luck)
        while not journeys.is_over[0]:
            here = journeys.slots.journey[0]
            action = scripted(journeys, int(here["day"]), int(here["minute"]), pool.n)[member]
            # At midnight of day 0 nothing has happened that an arena policy could have reacted to.
            action[0] *= int(here["minute"] > 0)
            journeys.step(action[None], rows)
        last[member] = journeys.slots.journey["day"][0] - 1
    return in_order(np.concatenate(rows)), last


@pytest.mark.parametrize(
    ("changes", "triggers"),
    [
        ({}, tuple(TRIGGERS)),
        ({}, ("click", "large_purchase")),
        ({"compliance__mode": "audit"}, tuple(TRIGGERS)),
        ({"collisions": True}, tuple(TRIGGERS)),
    ],
    ids=["baseline", "two triggers", "audit", "collisions"],
)
def test_the_log_is_that_of_a_policy_that_reacts(changes: dict[str, Any], triggers: tuple[str, ...]) -> None:
    pool = small_pool(**changes)
    world, kept = pool.worlds[0].fork(), Kept()
    journeys = TriggerJourneys(pool, 1, triggers=triggers)
    world.play(Reacting(journeys, world), DAYS, sink=kept, reset=True)
    mine, last = lived(journeys, pool, pool.worlds[0].state.luck)
    theirs = np.concatenate(kept.rows)
    theirs = in_order(theirs[theirs["day"] <= last[theirs["cardholder"]]])
    assert mine.tobytes() == theirs.tobytes()
    contacts = mine[(mine["kind"] == Kind.CONTACT) & (mine["ref_day"] >= 0)]
    assert (contacts["code"] == Status.DELIVERED).sum() > (5 if len(triggers) < 3 else 40)


def test_what_matched_is_what_is_told() -> None:
    pool = small_pool()
    journeys = TriggerJourneys(pool, 1)
    seen: set[str] = set()
    for member in pool.base.members:
        journeys.seed([1])
        journeys.reset(cardholder=int(member), luck=5)
        while not journeys.is_over[0]:
            rows: list[np.ndarray] = []
            out = journeys.step(np.zeros((1, 4)), rows)
            told = out.observation[0]
            matched = [name for name in TRIGGERS if told[AT[f"trigger_{name}"]] == 1.0]
            assert bool(matched) == (not journeys.is_over[0])
            if not matched:
                assert not told[AT["minutes_since_event"] :].any()
                continue
            border = int(told[AT["minute_of_day"]])
            last = np.concatenate(rows)
            last = last[(last["day"] == out.day[0]) & (last["minute"] >= border - WINDOW_MINUTES)]
            since = int(told[AT["minutes_since_event"]])
            event = last[last["minute"] == border - since]
            assert event.size
            if "large_purchase" in matched and len(matched) == 1:
                assert told[AT["event_amount_cny"]] >= LARGE_FEN / 100
                assert told[[AT[f"event_{name}"] for name in CATEGORIES]].sum() == 1.0
            if matched == ["app_visit"]:
                assert (event["kind"] == Kind.VISIT).any()
                assert told[AT["event_amount_cny"]] == 0.0
            seen |= set(matched)
    assert seen >= {"large_purchase", "travel_abroad", "app_visit"}


@pytest.mark.parametrize(
    ("field", "hidden"),
    [
        ("personalisation_on", tuple(TRIGGERS)),
        ("tracked", ("app_visit", "click")),
        ("sensitive_consent", ("large_purchase", "travel_abroad")),
    ],
)
def test_what_the_bank_may_not_use_is_not_seen(field: str, hidden: tuple[str, ...]) -> None:
    pool = small_pool()
    n = pool.base.members.size
    stopped = {}
    for value in (0, 1):
        journeys = TriggerJourneys(pool, n, triggers=hidden)
        journeys.seed(np.arange(n))
        journeys.reset(cardholder=pool.base.members, luck=3)
        for other in ("personalisation_on", "tracked", "sensitive_consent"):
            journeys.slots.accounts[other] = value if other == field else 1
        out = journeys.step(np.zeros((n, 4)))
        stopped[value] = int((~journeys.is_over).sum())
        assert (out.mask[:, 1:].any(axis=1) <= ~journeys.is_over).all()
    assert stopped[0] == 0
    assert stopped[1] > 20


def test_the_arena_hides_the_same() -> None:
    pool = small_pool()
    accounts = pool.base.accounts[:8].copy()
    flags = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
    accounts["personalisation_on"], accounts["tracked"], accounts["sensitive_consent"] = flags.T
    rows = np.zeros(16, dtype=EVENT)
    rows["cardholder"] = np.repeat(np.arange(8), 2)
    rows["kind"][::2], rows["kind"][1::2] = Kind.VISIT, Kind.TRANSACTION
    rows["amount_fen"][1::2] = LARGE_FEN
    events = matching(rows, ("large_purchase", "app_visit"), 0, 600, np.arange(8), accounts)
    assert list(events.cardholder[events.trigger == "app_visit"]) == [6, 7]
    assert list(events.cardholder[events.trigger == "large_purchase"]) == [5, 7]
    rows["amount_fen"] -= 1
    assert "large_purchase" not in matching(rows, ("large_purchase",), 0, 600, np.arange(8), accounts).trigger


@pytest.mark.parametrize("reward", ["gross", "attributed", "paired"])
def test_who_never_reacts_earns_what_a_silent_cardholder_brings(reward: str) -> None:
    """Days add up, whatever cuts them: the discounted sum is that of daily decisions."""
    pool, discount = small_pool(), 0.9
    members = pool.base.members[:60]
    sums = []
    for kind in (TriggerJourneys, Journeys):
        journeys = kind(pool, 1, reward=reward, daily_discount=discount)
        totals = np.zeros(members.size)
        for j, member in enumerate(members):
            journeys.seed([0])
            journeys.reset(cardholder=int(member), luck=9)
            days = 0
            while not journeys.is_over[0]:
                out = journeys.step(np.zeros((1, 4)))
                totals[j] += discount**days * out.terms.sum()
                days += int(out.days[0])
        sums.append(totals)
    np.testing.assert_allclose(sums[0], sums[1], atol=1e-9)
    assert (np.abs(sums[0]).sum() > 0.0) == (reward == "gross")


def test_a_step_lasts_from_border_to_border() -> None:
    pool = small_pool()
    n = pool.base.members.size
    journeys = TriggerJourneys(pool, n)
    journeys.seed(np.arange(n))
    journeys.reset(cardholder=pool.base.members)
    clock = np.zeros(n)
    for _ in range(8):
        was_over = journeys.is_over
        out = journeys.step(np.zeros((n, 4)))
        clock = np.where(was_over, 0.0, clock + out.told[0])
        here = journeys.slots.journey
        np.testing.assert_allclose(clock, here["day"] + here["minute"] / 1440)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"triggers": ()}, ValueError, "at least one"),
        ({"triggers": ("app_visits",)}, UnknownNameError, "app_visit"),
        ({"decision_every": 2}, ValueError, "decision_every"),
        ({"send_minute": 600}, ValueError, "send_minute"),
    ],
)
def test_settings_that_say_nothing_are_refused(
    settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        TriggerJourneys(small_pool(), 1, **settings)


def test_the_mask_asks_the_rules_about_the_present_minute() -> None:
    pool = small_pool()
    n = pool.base.members.size
    journeys = TriggerJourneys(pool, n)
    journeys.seed(np.arange(n))
    journeys.reset(cardholder=pool.base.members, luck=4)
    offers, channels = journeys.codec.offers, journeys.codec.channels
    told: list[tuple[int, np.ndarray]] = []
    for _ in range(4):
        out = journeys.step(np.zeros((n, 4)))
        for i in np.flatnonzero(journeys.slots.journey["minute"] > 0):
            day, minute = (int(journeys.slots.journey[name][i]) for name in ("day", "minute"))
            account = journeys.slots.accounts[i : i + 1]
            minutes = np.full(channels.size, minute)
            arms = open_arms(account, np.zeros(1, np.int64), pool.rules, offers, channels, minutes, 0, day)[0]
            parts = out.mask[i, 2 : 2 + offers.size + channels.size]
            np.testing.assert_array_equal(parts[: offers.size], arms.any(axis=1))
            np.testing.assert_array_equal(parts[offers.size :], arms.any(axis=0))
            told.append((minute, arms.any(axis=0)))
    # Some channel is quiet at some of these minutes and not at others.
    some = np.flatnonzero(np.ptp(journeys.moments.quiet, axis=0))[0]
    quiet = [bool(journeys.moments.quiet[(minute - 480) // 60, some]) for minute, _ in told]
    assert not any(is_open[some] for (_, is_open), q in zip(told, quiet, strict=True) if q)
    assert any(is_open[some] for (_, is_open), q in zip(told, quiet, strict=True) if not q)
    assert any(quiet)
