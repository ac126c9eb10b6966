"""Slates: the world's own contacts in another frame, a position bias of the right size, and what may not be shown is dropped."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from tests.contract.envs.test_same_world import Kept, in_order
from tests.fakes.simple_policies import Silent
from tests.fakes.small_pools import ARGUMENTS, small_pool

from cardarena.agents.environments import slate as make_slate
from cardarena.simulator.bank.sending import SEND_MINUTE
from cardarena.simulator.contracts import Contacts, View
from cardarena.simulator.envs.rewards import COSTS, TERMS
from cardarena.simulator.envs.slate import SlateJourneys
from cardarena.simulator.envs.wrappers import Constrained, FlatAction, VectorReward
from cardarena.simulator.errors import CardArenaError
from cardarena.simulator.names import CHANNELS, Kind, Status
from cardarena.simulator.world import World

DAYS = 10
IN_APP = CHANNELS.index("in_app")
BLOCKED = COSTS.index("blocked")
PRICE = TERMS.index("contact_price")


class Placing(Silent):
    """Puts into the app what it is told to, by day and true id."""

    name = "fake_placing"

    def __init__(self, world: World, placed: dict[int, list[tuple[int, int]]]) -> None:
        super().__init__(1, 0)
        self.world, self.placed = world, placed

    def decide(self, view: View) -> Contacts:
        who, offer = np.array(self.placed.get(view.day, [])).reshape(-1, 2).T
        fixed = (np.full(who.size, value) for value in (IN_APP, 0, SEND_MINUTE["in_app"]))
        return Contacts.of(self.world.view_id[who], offer, *fixed)


def test_a_slate_of_one_is_a_placement_in_the_arena() -> None:
    """Who knew at midnight who will visit could place the same offers by an ordinary policy, and the log would be the same."""
    pool = small_pool()
    world, kept = pool.worlds[0].fork(), Kept()
    journeys = SlateJourneys(pool, 1, slate_size=1, capped=True)
    placed: dict[int, list[tuple[int, int]]] = {}
    rows: list[np.ndarray] = []
    last = np.full(pool.n, -1)
    for member in pool.base.members:
        journeys.seed([0])
        out = journeys.reset(cardholder=int(member), luck=world.state.luck)
        while not journeys.is_over[0]:
            here = journeys.slots.journey[0]
            asked = (int(member) + 7 * int(here["day"])) % journeys.sizes[0]
            if out.mask[0, asked]:
                offer = int(journeys.codec.offers[asked])
                placed.setdefault(int(here["day"]), []).append((int(member), offer))
            out = journeys.step(np.array([[asked]]), rows)
        last[member] = journeys.slots.journey["day"][0] - 1
    world.play(Placing(world, placed), DAYS, sink=kept, reset=True)
    mine, theirs = np.concatenate(rows), np.concatenate(kept.rows)
    # The arena asks the rules at midnight too: who was closed to the offer then and open to it at the visit is left out.
    early = (theirs["kind"] == Kind.CONTACT) & (theirs["code"] == Status.BLOCKED) & (theirs["minute"] == 0)
    moved = np.unique(theirs["cardholder"][early])
    assert moved.size < 10
    mine = in_order(mine[~np.isin(mine["cardholder"], moved)])
    theirs = theirs[theirs["day"] <= last[theirs["cardholder"]]]
    theirs = in_order(theirs[~np.isin(theirs["cardholder"], moved)])
    assert mine.tobytes() == theirs.tobytes()
    shown = mine[(mine["kind"] == Kind.CONTACT) & (mine["channel"] == IN_APP)]
    assert (shown["code"] == Status.DELIVERED).sum() > 60
    # Nothing that the burn-in's policy had placed is shown.
    assert (shown["ref_day"] >= 0).all()


def shown_slates(journeys: SlateJourneys, lucks: int) -> Iterator[tuple[np.ndarray, Any, np.ndarray]]:
    """Show everybody slates of offers drawn by lot among the open ones; yield each, what came of it and its contacts."""
    rng = np.random.Generator(np.random.Philox(4))
    k, n_offers = journeys.slate_size, journeys.codec.offers.size
    for luck in range(lucks):
        for member in journeys.pool.base.members:
            journeys.seed([0])
            out = journeys.reset(cardholder=int(member), luck=luck)
            while not journeys.is_over[0]:
                is_open = np.flatnonzero(out.mask[0, :n_offers])
                slate = np.zeros(k, dtype=np.int64)
                if is_open.size >= k:
                    slate = rng.choice(is_open, k, replace=False)
                day, minute = (int(journeys.slots.journey[name][0]) for name in ("day", "minute"))
                rows: list[np.ndarray] = []
                out = journeys.step(slate[None], rows)
                if is_open.size >= k:
                    told = np.concatenate(rows)
                    at = (told["kind"] == Kind.CONTACT) & (told["channel"] == IN_APP) & (told["day"] == day)
                    yield slate, out, told[at & (told["minute"] == minute) & (told["ref_day"] == day)]


@cache
def looked_and_clicked(bias: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return by position: slates without a click above, how often it was looked at, and how often clicked."""
    # Clicks are made frequent: their shares by position are what is looked at.
    pool = small_pool(parameters__click_shift=3.0)
    journeys = SlateJourneys(pool, 1, slate_size=4, position_bias=bias)
    reached, looked, clicked = np.zeros((3, 4))
    for slate, out, contacts in shown_slates(journeys, 12):
        click = int(out.told[4, 0])
        reached[: click or 4] += 1
        at = np.isin(journeys.codec.offers[slate], contacts["offer"])
        assert at.sum() == out.told[3, 0]
        assert not at[click or 4 :].any()
        looked += at
        if click:
            clicked[click - 1] += 1
    return reached, looked, clicked


@pytest.mark.parametrize("bias", [1.0, 0.5, 0.0])
def test_positions_are_looked_at_as_often_as_the_bias_says(bias: float) -> None:
    reached, looked, _ = looked_and_clicked(bias)
    p = (1.0 + np.arange(4)) ** -bias
    error = np.sqrt(p * (1.0 - p) / reached)
    # What a refusal within the slate takes away is seldom.
    assert (np.abs(looked / reached - p) <= 3.5 * error + 0.004).all(), looked / reached
    assert reached[0] > 2000


def test_clicks_fall_with_the_position_as_looks_do() -> None:
    reached, _, clicked = looked_and_clicked(1.0)
    assert (np.diff(clicked) < 0).all()
    rate = clicked / reached
    expected = 1.0 / (1.0 + np.arange(4))
    error = np.sqrt(rate * (1.0 - rate) / reached) / rate[0] + rate / rate[0] ** 2 * np.sqrt(
        rate[0] * (1.0 - rate[0]) / reached[0]
    )
    assert (np.abs(rate / rate[0] - expected)[1:] < 3.5 * error[1:] + 0.03).all(), rate / rate[0]
    # Without the bias only those who click less are left below.
    reached, _, clicked = looked_and_clicked(0.0)
    flat = clicked / reached
    assert flat[-1] / flat[0] > 2.0 * rate[-1] / rate[0]


def at_a_visit(journeys: SlateJourneys) -> np.ndarray:
    """Bring everybody to the first visit; return which slots are at one where all positions can be filled."""
    n = journeys.n
    journeys.seed(np.arange(n))
    journeys.reset(cardholder=journeys.pool.base.members[:n], luck=2)
    out = journeys.step(np.zeros((n, journeys.slate_size)))
    assert not out.costs[BLOCKED].any()
    assert not out.told[3].any()
    return out.mask[:, : journeys.codec.offers.size]


def test_what_is_repeated_or_closed_is_dropped_and_counted() -> None:
    pool = small_pool()
    journeys = SlateJourneys(pool, 100)
    is_open = at_a_visit(journeys)
    actions, dropped = np.zeros((100, 5), dtype=np.int64), np.zeros(100, dtype=np.int64)
    for i in range(100):
        some, others = np.flatnonzero(is_open[i]), np.flatnonzero(is_open[i] == 0)
        if some.size >= 5 and others.size:
            actions[i], dropped[i] = [some[0], some[1], some[0], others[0], some[2]], 2
        elif some.size >= 2:
            # Here no slate can be full.
            actions[i] = (
                np.concatenate([some, np.full(5 - some.size, some[0])]) if some.size < 5 else some[:5]
            )
    out = journeys.step(actions)
    np.testing.assert_array_equal(out.costs[BLOCKED], dropped)
    assert (dropped == 2).sum() > 10
    assert (out.told[3] <= 5 - dropped).all()


def test_the_price_is_paid_for_what_is_looked_at() -> None:
    journeys = SlateJourneys(small_pool(), 100, contact_price=0.25, position_bias=0.0)
    at_a_visit(journeys)
    out = journeys.step(np.tile(np.arange(5), (100, 1)))
    np.testing.assert_allclose(out.terms[PRICE], -0.25 * out.told[3])
    assert out.told[3].max() > 1


@pytest.mark.parametrize("capped", [False, True])
def test_caps_hold_where_they_are_asked_for(capped: bool) -> None:
    """The baseline allows one contact a day."""
    journeys = SlateJourneys(small_pool(), 150, capped=capped, position_bias=0.0)
    at_a_visit(journeys)
    out = journeys.step(np.tile(np.arange(5), (150, 1)))
    assert (out.told[3].max() <= 1) == capped
    assert out.told[3].max() >= 1


def test_slates_are_told_in_a_line_and_in_other_forms() -> None:
    env = make_slate(render_mode="ansi", **ARGUMENTS)
    vector, constrained = VectorReward(env), Constrained(env, costs=("blocked",))
    action = np.arange(5)
    lines = []
    env.reset(seed=1)
    for step in range(40):
        answer: Any = (constrained if step % 2 else vector).step(action)
        info = answer[-1]
        assert (answer[2] if step % 2 else answer[1].sum()) == pytest.approx(
            info["costs"]["blocked"] if step % 2 else sum(info["reward_terms"].values())
        )
        lines.append(env.render() or "")
        if answer[-3] or answer[-2]:
            env.reset()
    assert any("slate 0 1 2 3 4: 1 looked at" in line for line in lines)
    assert "horizon" in "".join(lines)
    with pytest.raises(TypeError, match="SlateEnv"):
        FlatAction(env)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"slate_size": 0}, "slate_size: expected 1 to"),
        ({"slate_size": 7, "difficulty": "easy"}, "slate_size: expected 1 to 6"),
        ({"position_bias": -0.1}, "position_bias"),
        ({"send_minute": 600}, "send_minute"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SlateJourneys(small_pool(), 1, **settings)


def test_a_bank_without_the_channel_has_no_slates() -> None:
    pool = small_pool(channels__in_app={"enabled": False})
    with pytest.raises(CardArenaError, match="in_app"):
        SlateJourneys(pool, 1)
