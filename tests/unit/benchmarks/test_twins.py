"""Twins: luck of their own, effects that differ by the action alone, and agreement with what is known otherwise."""

from typing import Any

import numpy as np
import pytest
from tests.fakes.simple_policies import Calling, Scattered
from tests.fakes.small_worlds import NO_CAPS, small_world, stir

from cardarena.agents.market import SEND_MINUTE
from cardarena.agents.registry import make_policy
from cardarena.benchmarks.twin_table import cells, effect_rows
from cardarena.benchmarks.twins import Action, TwinOutcomes, expected_outcomes, realised_outcomes
from cardarena.simulator.behaviour.person import NEED_ON
from cardarena.simulator.contracts import Contacts, View
from cardarena.simulator.errors import CardArenaError, UnknownNameError
from cardarena.simulator.oracle import Truth
from cardarena.simulator.setup import luck_key
from cardarena.simulator.world import World

SMS = "double_points:sms"
PUSH = "grocery_coupon:app_push"


def lived_in(n: int = 150, **changes: Any) -> World:
    """Return a world with a past: contacts on their way included."""
    world = small_world(n, overrides=NO_CAPS, **changes)
    world.play(make_policy("status_quo"), 15)
    return world


@pytest.fixture(scope="module")
def world() -> World:
    return lived_in()


@pytest.fixture(scope="module")
def outcomes(world: World) -> TwinOutcomes:
    return expected_outcomes(world, [SMS, PUSH], 6, n_draws=6, seed=5)


# --- another luck


def test_another_luck_changes_tomorrow_and_nothing_that_is_known(world: World) -> None:
    same, other = world.fork(), world.fork(luck=luck_key(world.state.seed, world.day, 0, 0))
    assert np.array_equal(same.order, other.order)
    assert (same.start_date, same.shock_days) == (other.start_date, other.shock_days)
    for name in ("people", "accounts", "pending", "cases", "mood"):
        assert np.array_equal(getattr(same.state, name), getattr(other.state, name)), name
    assert np.array_equal(same.traits, other.traits)
    for fork in (same, other):
        fork.play(make_policy("silent"), 1)
    assert not np.array_equal(same.state.accounts["spend_28d_fen"], other.state.accounts["spend_28d_fen"])


def test_a_fork_keeps_the_luck_that_it_was_given(world: World) -> None:
    key = luck_key(world.state.seed, world.day, 3, 1)
    forks = [world.fork(luck=key).fork(), world.fork(luck=key)]
    for fork in forks:
        fork.play(make_policy("random"), 3)
    first, second = (fork.state.people for fork in forks)
    assert np.array_equal(first, second)


def test_the_luck_of_the_run_is_refused(world: World) -> None:
    for own in (world.state.luck, world.state.seed):
        with pytest.raises(CardArenaError, match="expected another key"):
            world.fork(luck=own)


def test_every_question_has_a_key_of_its_own() -> None:
    asked = {
        (1, 0, 0, 0),
        (2, 0, 0, 0),
        (1, 1, 0, 0),
        (1, -180, 0, 0),
        (1, 0, 1, 0),
        (1, 0, 2**40, 0),
        (1, 0, 0, 1),
    }
    assert len({luck_key(*one) for one in asked}) == len(asked)


def test_a_policy_draws_anew_in_a_fork_with_another_luck(world: World) -> None:
    sent = []
    for fork in (world.fork(), world.fork(), world.fork(luck=77)):
        policy = make_policy("random")
        fork.play(policy, 1)
        sent.append(policy.policy_seed)  # pyright: ignore[reportAttributeAccessIssue]
    assert sent[0] == sent[1] != sent[2]


# --- the twins


def test_the_world_stays_as_it_is(world: World) -> None:
    before = world.state.copy()
    expected_outcomes(world, [SMS], 2, n_draws=2)
    assert np.array_equal(before.people, world.state.people)
    assert (before.day, before.luck) == (world.state.day, world.state.luck)


def test_twins_do_not_know_the_luck_of_the_run(world: World, outcomes: TwinOutcomes) -> None:
    # The same people on the same day, and another future altogether.
    other = world.fork()
    other.state.luck = 12345
    again = expected_outcomes(other, [SMS, PUSH], 6, n_draws=6, seed=5)
    assert np.array_equal(outcomes.lives, again.lives)
    realised = [realised_outcomes(one, [SMS], 6).margin[:, 0] for one in (world, other)]
    assert not np.array_equal(realised[0], realised[1])


def test_a_seed_is_a_luck(world: World, outcomes: TwinOutcomes) -> None:
    same = expected_outcomes(world, [SMS, PUSH], 6, n_draws=6, seed=5)
    assert np.array_equal(same.lives, outcomes.lives)
    other = expected_outcomes(world, [SMS, PUSH], 6, n_draws=6, seed=6)
    assert not np.array_equal(other.lives, outcomes.lives)


def test_who_may_not_be_contacted_has_an_effect_of_exactly_nothing(outcomes: TwinOutcomes) -> None:
    a = outcomes.code(SMS)
    left_alone = ~outcomes.allowed[:, a]
    assert 0 < left_alone.sum() < left_alone.size
    assert np.all(outcomes.lives[left_alone, :, a] == outcomes.lives[left_alone, :, 0])
    assert np.all(outcomes.cate(SMS)[~left_alone] != 0.0)
    assert np.all(outcomes.cate("nothing") == 0.0)


def test_a_question_more_does_not_change_the_answers(world: World, outcomes: TwinOutcomes) -> None:
    alone = expected_outcomes(world, [PUSH], 6, n_draws=6, seed=5)
    assert np.array_equal(alone.cate(PUSH), outcomes.cate(PUSH))
    assert np.allclose(outcomes.cate(SMS, PUSH), outcomes.cate(SMS) - outcomes.cate(PUSH), atol=1e-12)


def test_the_four_types_share_out_every_life(outcomes: TwinOutcomes) -> None:
    shares = outcomes.shares(SMS)
    assert np.allclose(sum(vars(shares).values()), 1.0)
    left_alone = ~outcomes.allowed[:, outcomes.code(SMS)]
    assert np.all(shares.persuadables[left_alone] == 0.0)
    with pytest.raises(CardArenaError, match="expected a contact"):
        outcomes.shares("nothing")


def test_the_error_says_how_far_other_lucks_lie() -> None:
    world = lived_in(60)
    found = [expected_outcomes(world, [SMS], 4, "silent", 8, seed) for seed in range(12)]
    means, errors = np.array([one.ate(SMS) for one in found]).T
    # A standard deviation from 12 means lies within a factor of two, barring one chance in several hundred.
    assert 0.5 < means.std(ddof=1) / errors.mean() < 2.0


def test_contacts_on_their_way_reach_the_twins() -> None:
    sent = small_world(150, overrides={"channels.sms.delay_median_minutes": 1440.0})
    sent.play(Scattered(2, 0.9, channels=(3, 4)), 1)
    assert sent.state.pending.size > 0
    lost = sent.fork()
    lost.state.pending = lost.state.pending[:0]
    waiting = np.unique(sent.state.pending["cardholder"])
    with_them, without = (expected_outcomes(one, [], 2, "silent", 2).lives for one in (sent, lost))
    differs = np.flatnonzero((with_them != without).any(axis=(1, 2)))
    assert differs.size > 0
    assert set(differs) <= set(waiting)


def test_people_may_be_chosen(world: World) -> None:
    chosen = np.array([90, 3, 41])
    some = expected_outcomes(world, [SMS], 5, n_draws=3, cardholders=chosen)
    everybody = expected_outcomes(world, [SMS], 5, n_draws=3)
    assert np.array_equal(some.cardholders, chosen)
    assert np.array_equal(some.allowed, everybody.allowed[chosen])
    assert some.lives.shape == (3, 3, 2)


class Everybody(Calling):
    """Sends one contact to everybody who may get it on the first day, and nothing later."""

    def __init__(self, world: World, action: Action | None) -> None:
        self._day, self._codes = world.day, action and action.codes(world)
        self._minute = 0 if action is None else SEND_MINUTE[action.channel]
        super().__init__(self._once)

    def _once(self, view: View) -> Contacts:
        if view.day != self._day or self._codes is None:
            return Contacts.none()
        rows = np.flatnonzero(view.allowed(*self._codes, self._minute))
        return Contacts.of(rows, *self._codes, self._minute)


def test_effects_add_up_to_the_total_effect_on_the_population(world: World) -> None:
    days, lives = 5, 40
    action = Action.parse(SMS)
    outcomes = expected_outcomes(world, [action], days, "silent", lives, discount=0.0)
    total = np.zeros(lives)
    for life in range(lives):
        values = []
        for sent in (action, None):
            fork = world.fork(luck=luck_key(world.state.seed, world.day, 99, life))
            log = fork.run(Everybody(fork, sent), days)
            table = log.table("state_daily")
            values.append(float(table["count"][table["measure"] == _expected_value()].sum()) * 1e-5)
        total[life] = values[0] - values[1]
    mine = outcomes.lives[:, :, 1] - outcomes.lives[:, :, 0]
    error = np.hypot(total.std(ddof=1), mine.sum(axis=0).std(ddof=1)) / np.sqrt(lives)
    assert mine.sum(axis=0).mean() == pytest.approx(total.mean(), abs=4.0 * error)
    assert abs(total.mean()) > 4.0 * error, "an effect of nothing would agree with anything"


def _expected_value() -> int:
    from cardarena.simulator.behaviour.census import STATE_MEASURES

    return STATE_MEASURES.index("expected_value_mfen")


def test_one_day_agrees_with_the_closed_form() -> None:
    """Where interest dies overnight, no purchase comes by itself and every message arrives, one day is all there is."""
    overrides = {
        **NO_CAPS,
        "parameters.interest_keep": 1e-9,
        "parameters.purchase_rate": [1e-9] * 8,
        "channels.sms.p_fail": 0.0,
        "channels.sms.delay_median_minutes": 0.0,
    }
    world = small_world(100, overrides=overrides)
    # A card must have been used before the offer suits.
    world.play(make_policy("silent"), 10)
    action = Action.parse("brand_search_placement:sms")
    offer, channel, depth = action.codes(world)
    assert world.rules.offers["wallet_benefit"][offer] == 0.0, "its benefit would act later"
    category = world.rules.offers["category"][offer]
    world.state.people["need"][:, category] = NEED_ON
    world.state.people["need_left"][:, category] = 20
    stir(world.state.people)
    truth = Truth(world.state, world.rules, np.arange(world.n), 0)
    known = truth.expected_one_step_value(offer, channel, depth, SEND_MINUTE["sms"]) * 1e-5
    outcomes = expected_outcomes(world, [action], 1, "silent", 300, discount=0.0)
    a = outcomes.code(action)
    price = world.rules.parameter["permission_value_cny"][0, channel]
    value = outcomes.cate(action) - price * (outcomes.opt_outs[:, a] - outcomes.opt_outs[:, 0])
    who = outcomes.allowed[:, a]
    mean, error = value[who].mean(), outcomes.ate(action)[1]
    assert mean == pytest.approx(known[who].mean(), abs=4.0 * error)
    assert abs(known[who].mean()) > 20.0 * error
    assert np.corrcoef(value[who], known[who])[0, 1] > 0.9


def test_word_of_mouth_is_frozen_as_the_world_would_hear_it_tomorrow() -> None:
    world = lived_in(100, word_of_mouth=True, **{"parameters.word_of_mouth": 0.3})
    luck = luck_key(world.state.seed, world.day, 0, 0)
    outcomes = expected_outcomes(world, [SMS], 3, "silent", 2)
    assert outcomes.is_frozen
    # On the first day nobody has moved yet, so frozen and live are the same; with the run's luck, value for value.
    live = world.fork()
    live.play(make_policy("silent"), 1)
    frozen = _one_frozen_day(world)
    assert np.array_equal(live.state.people["satisfaction"], frozen.state.people["satisfaction"])
    deaf = world.fork()
    deaf.rules.compliance["word_of_mouth"] = 0
    deaf.play(make_policy("silent"), 1)
    assert not np.array_equal(live.state.people["satisfaction"], deaf.state.people["satisfaction"])
    # And what one does leaves the others alone.
    left_alone = ~outcomes.allowed[:, 1]
    assert np.all(outcomes.lives[left_alone, :, 1] == outcomes.lives[left_alone, :, 0])
    assert luck != world.state.luck


def _one_frozen_day(world: World) -> World:
    from cardarena.benchmarks.twins import _heard, _Hearing

    frozen = world.fork()
    frozen.rules.compliance["word_of_mouth"] = 0
    frozen.scheduler = _Hearing(frozen.scheduler, _heard(world))
    frozen.play(make_policy("silent"), 1)
    return frozen


def test_realised_twins_come_true_as_the_log_has_it(world: World) -> None:
    realised = realised_outcomes(world, [SMS], 4, "silent", discount=0.0)
    run = world.fork()
    log = run.run(make_policy("silent"), 4)
    value = np.zeros(world.n)
    for name in ("transactions", "contacts", "responses", "complaints", "consents"):
        table = log.table(name)
        value += np.bincount(table["cardholder"], table["value_mfen"], minlength=world.n)
    assert np.allclose(realised.margin[:, 0], value * 1e-5)
    assert realised.seed is None
    assert realised.n_draws == 1
    assert np.isnan(realised.margin_error).all()


def test_the_policy_after_decides_from_the_second_day_on(world: World) -> None:
    first, silent, busy = (
        expected_outcomes(world, [SMS], days, policy, 2).lives[:, :, 0]
        for days, policy in ((1, "blast"), (7, "silent"), (7, "random"))
    )
    alone = expected_outcomes(world, [SMS], 1, "silent", 2).lives[:, :, 0]
    assert np.array_equal(first, alone)
    assert not np.array_equal(silent, busy)


# --- what is refused, and the table


def test_what_makes_no_sense_is_refused(world: World) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'double_points'"):
        expected_outcomes(world, ["duoble_points:sms"], 5)
    with pytest.raises(UnknownNameError, match="channel"):
        expected_outcomes(world, ["double_points:pigeon"], 5)
    with pytest.raises(CardArenaError, match="OFFER:CHANNEL"):
        expected_outcomes(world, ["double_points"], 5)
    with pytest.raises(CardArenaError, match="from 0 to 149, found 150"):
        expected_outcomes(world, [SMS], 5, cardholders=[0, 150])
    with pytest.raises(CardArenaError, match="at least 1, found 0"):
        expected_outcomes(world, [SMS], 0)
    with pytest.raises(CardArenaError, match="at least 1, found 0"):
        expected_outcomes(world, [SMS], 5, n_draws=0)
    with pytest.raises(UnknownNameError):
        expected_outcomes(world, [SMS], 1, n_draws=1).cate("theme_card:sms")
    with pytest.raises(CardArenaError, match="at least one contact"):
        expected_outcomes(world, [], 1, n_draws=1).frame()


def test_the_table_says_what_the_individual_effects_come_to(outcomes: TwinOutcomes) -> None:
    rows = effect_rows(outcomes)
    frame = outcomes.frame()
    assert [row["action"] for row in rows] == [SMS, PUSH]
    for row in rows:
        own = frame[frame["action"] == row["action"]]
        assert len(own) == row["people"]
        assert row["effect_cny"] == pytest.approx(own["effect_cny"].mean())
        assert row["p10_cny"] <= row["p50_cny"] <= row["p90_cny"]
        assert 0.0 <= row["reliability"] <= 1.0
    assert len(cells(rows[0])) == len(cells({"action": "x:y", "people": 0}))
    kinds = ["sure_things", "persuadables", "sleeping_dogs", "lost_causes"]
    assert np.allclose(frame[kinds].sum(axis=1), 1.0)
