"""The planning ladder's rules: what a contact leaves behind, what an index is, and that no luck is seen."""

import numpy as np
import pytest
from tests.fakes.small_worlds import small_world, stir

from cardarena.agents.arms import (
    ACCOUNT,
    ANNOYANCE,
    AWARENESS,
    BLINDNESS,
    LOAD,
    NEED,
    PERMISSION,
    SATISFACTION,
    STOCKS,
    WEAR,
    Arms,
    best_arm,
    opportunity,
)
from cardarena.agents.oracle import yuan_price
from cardarena.agents.planning import TERMS, LadderPolicy, Lookout, Outlook, Rule, design, futures
from cardarena.benchmarks.validation.planning.variants import VARIANTS
from cardarena.simulator.behaviour.person import NEED_ON
from cardarena.simulator.contracts import Contacts, View
from cardarena.simulator.names import CATEGORIES
from cardarena.simulator.oracle import Truth
from cardarena.simulator.world import World

#: Every stock is dear: a contact that leaves anything behind shows it.
ALL_DEAR = {stock: tuple(-1.0 for _ in terms) for stock, terms in TERMS.items()}


#: A category whose offers suit somebody who has not bought yet.
INSTALMENT = CATEGORIES.index("instalment")


def world_in_need(n: int = 60, **more: object) -> World:
    """Return a small world in which everybody can be reached and every other person has a need."""
    world = small_world(n, seed=3, **more)  # pyright: ignore[reportArgumentType]
    accounts, people = world.state.accounts, world.state.people
    accounts["marketing_consent"] = 1
    accounts["permitted"][:, ~np.isin(np.arange(10), closed(world))] = 1
    people["need"][::2, INSTALMENT] = NEED_ON
    people["need_left"][::2, INSTALMENT] = 20
    stir(people)
    return world


def closed(world: World) -> np.ndarray:
    return np.flatnonzero(~world.scenario.enabled_channels())


class Spy(LadderPolicy):
    """Keeps the last day's candidates and contacts."""

    def seen(self, view: View, arms: Arms, outlook: Outlook | None, contacts: Contacts) -> None:
        self.arms, self.outlook, self.contacts, self.view = arms, outlook, contacts, view


def played(world: World, rule: Rule, days: int = 1) -> Spy:
    spy = Spy(rule=rule)
    world.fork().play(spy, days)
    return spy


def arms_of(world: World) -> tuple[Arms, LadderPolicy]:
    policy = played(world, Rule())
    truth = Truth(world.state, world.rules, world.order, 0)
    return policy.generator.arms(truth, world.day), policy


def test_a_candidate_is_worth_what_the_truth_says() -> None:
    world = world_in_need()
    arms, policy = arms_of(world)
    truth = Truth(world.state, world.rules, world.order, 0)
    rows, at = np.nonzero(np.isfinite(arms.value))
    assert rows.size > 100
    for i, a in list(zip(rows, at, strict=True))[::7]:
        channel = int(arms.channel[i, a])
        minute = int(policy.market.minute[channel])
        expected = truth.expected_one_step_value(
            int(arms.offer[i, a]), channel, int(arms.depth[i, a]), minute, np.array([i])
        )
        assert arms.one_step[i, a] == pytest.approx(expected[0] * 1e-5, abs=2e-9)


def test_the_best_offer_that_may_go_is_a_candidate() -> None:
    world = world_in_need()
    arms, policy = arms_of(world)
    truth = Truth(world.state, world.rules, world.order, 0)
    view = played(world, Rule()).view
    first = policy.generator.channels[:1]
    minute = int(policy.market.minute[first[0]])
    ok = view.open_arms(policy.generator.offers, first, minute)[:, :, 0]
    best = np.full(world.n, -np.inf)
    for column, offer in enumerate(policy.generator.offers):
        for depth in (0, 1):
            value = truth.expected_one_step_value(int(offer), int(first[0]), depth, minute) * 1e-5
            allowed = ok[:, column] & (depth == arms.depth[:, 0])
            best = np.where(allowed, np.maximum(best, value), best)
    on_first = np.where(np.isfinite(arms.value) & (arms.channel == first[0]), arms.one_step, -np.inf)
    rows = np.flatnonzero(np.isfinite(best))
    assert rows.size > 20
    assert np.mean(on_first.max(axis=1)[rows] >= best[rows] - 1e-8) > 0.9


def test_what_is_left_of_a_contact_is_what_many_lives_leave_on_average() -> None:
    world = world_in_need(120)
    arms, _ = arms_of(world)
    sent = played(world, Rule(price=-100.0))
    contacts = sent.contacts
    mine = world.rules.channels["at_visit"][contacts.channel] == 0
    who, channel = contacts.cardholder[mine], contacts.channel[mine]
    assert who.size > 20
    # The arm that was sent, for each person.
    arm = [
        int(np.flatnonzero((arms.offer[i] == o) & (arms.channel[i] == c) & np.isfinite(arms.value[i]))[0])
        for i, o, c in zip(who, contacts.offer[mine], channel, strict=True)
    ]
    expected = arms.change[who, arm]
    lives = 60
    total = np.zeros((lives, 4))
    rows = world.order[who]
    for life in range(lives):
        after = []
        for rule in (Rule(price=-100.0), Rule(price=1e9)):
            fork = world.fork(luck=1_000 + life)
            fork.play(LadderPolicy(rule=rule), 1, reset=True)
            people = fork.state.people[rows]
            after.append(
                np.array(
                    [
                        people["load"].sum(),
                        people["annoyance"].sum(),
                        people["wear"].sum(),
                        people["blindness"].sum(),
                    ]
                )
            )
        total[life] = after[0] - after[1]
    error = total.std(axis=0, ddof=1) / np.sqrt(lives)
    want = expected[:, [LOAD, ANNOYANCE, WEAR, BLINDNESS]].sum(axis=0)
    assert np.all(np.abs(total.mean(axis=0) - want) < 4.0 * error + 0.04 * np.abs(want))
    # The test can fail: a night forgotten is seen.
    assert abs(total.mean(axis=0)[0] - want[0] / 0.85) > 4.0 * error[0]


def test_nothing_is_left_where_nothing_is_carried_over_a_night() -> None:
    identity = VARIANTS["identity"]
    world = world_in_need(overrides=identity.overrides)
    arms, _ = arms_of(world)
    carried = [LOAD, ANNOYANCE, BLINDNESS, WEAR, AWARENESS, SATISFACTION, PERMISSION, ACCOUNT]
    assert np.isfinite(arms.value).any()
    assert np.all(arms.change[:, :, carried] == 0.0)
    base, _ = arms_of(world_in_need())
    for stock in carried:
        if stock != ACCOUNT:
            assert np.any(base.change[:, :, stock] != 0.0), STOCKS[stock]


def test_without_couplings_the_index_is_the_one_step_value() -> None:
    world = world_in_need(overrides=VARIANTS["identity"].overrides)
    dear = {stock: slopes for stock, slopes in ALL_DEAR.items() if stock != "need"}
    planned = played(world, Rule(weight=1.0, shadow=dear))
    greedy = played(world, Rule())
    assert np.array_equal(planned.arms.value, planned.arms.one_step)
    for name in ("cardholder", "offer", "channel", "depth"):
        assert np.array_equal(getattr(planned.contacts, name), getattr(greedy.contacts, name))
    with_couplings = world_in_need()
    assert len(played(with_couplings, Rule(weight=1.0, shadow=dear)).contacts) < len(
        played(with_couplings, Rule()).contacts
    )


def test_a_price_is_what_the_index_must_exceed() -> None:
    world = world_in_need()
    cheap, dear = played(world, Rule(price=0.0)), played(world, Rule(price=5.0))
    assert 0 < len(dear.contacts) < len(cheap.contacts)
    _, best = best_arm(dear.arms.one_step)
    assert np.array_equal(np.sort(dear.contacts.cardholder), np.flatnonzero(best > 5.0))


def test_a_price_by_segment_is_that_of_the_segment() -> None:
    world = world_in_need(200)
    segment = world.state.people["segment"][world.order]
    prices = tuple(0.0 if s == segment[0] else 1e9 for s in range(6))
    contacted = played(world, Rule(segment_prices=prices)).contacts.cardholder
    assert contacted.size > 0
    assert set(segment[contacted]) == {segment[0]}


def test_a_day_is_decided_without_its_luck_or_any_later_one() -> None:
    world = world_in_need()
    rule = Rule(weight=1.0, shadow={"load": ALL_DEAR["load"]})
    decided = []
    for key in (world.state.luck, 12345):
        fork = world.fork()
        spy = Spy(rule=rule)
        fork.play(spy, 3)
        # Everybody's luck from here on is another; the day's decision comes before it.
        fork.state.luck = key
        fork.play(spy, 1, reset=False)
        today = spy.contacts
        fork.play(spy, 5, reset=False)
        decided.append((today, spy.contacts))
    (first, later), (second, other) = decided
    assert len(first) > 0
    for name in ("cardholder", "offer", "channel", "depth"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
    assert not np.array_equal(later.cardholder, other.cardholder)


def test_a_placement_is_not_sent_again_before_it_was_seen() -> None:
    world = world_in_need(60)
    # Nobody opens the app, so every placement waits.
    world.state.people["visit_rate"] = 0.0
    spy = Spy(rule=Rule())
    fork = world.fork()
    placed = set()
    for day in range(5):
        fork.play(spy, 1, reset=day == 0)
        at_visit = world.rules.channels["at_visit"][spy.contacts.channel] > 0
        pairs = set(
            zip(
                spy.contacts.cardholder[at_visit].tolist(),
                spy.contacts.channel[at_visit].tolist(),
                strict=True,
            )
        )
        assert not placed & pairs
        placed |= pairs
    assert placed


def test_futures_are_prices_times_changes() -> None:
    world = world_in_need()
    arms, policy = arms_of(world)
    truth = Truth(world.state, world.rules, world.order, 0)
    outlook = Lookout(policy.generator).outlook(truth, arms, 0)
    rule = Rule(weight=1.0, shadow={"load": (0.0, 0.0, 0.0, 0.0, -2.0), "permission": (-3.0, 0.0, 0.0)})
    out = futures(rule, arms, outlook, policy.generator.category)
    assert np.allclose(out[:, :, LOAD], -2.0 * arms.change[:, :, LOAD])
    without = outlook.potential_without[np.arange(world.n)[:, None], arms.channel]
    assert np.allclose(out[:, :, PERMISSION], -3.0 * without * arms.change[:, :, PERMISSION])
    assert np.all(out[:, :, [ANNOYANCE, WEAR, NEED]] == 0.0)


@pytest.mark.parametrize("stock", STOCKS)
def test_terms_and_design_agree(stock: str) -> None:
    world = world_in_need()
    arms, policy = arms_of(world)
    outlook = Lookout(policy.generator).outlook(Truth(world.state, world.rules, world.order, 0), arms, 0)
    assert design(stock, outlook).shape[-1] == len(TERMS[stock])


def test_a_spell_is_never_worth_more_than_its_days_nor_than_one_sure_contact() -> None:
    world = world_in_need()
    arms, policy = arms_of(world)
    outlook = Lookout(policy.generator).outlook(Truth(world.state, world.rules, world.order, 0), arms, 0)
    _, p_end = opportunity(arms, policy.generator.category)
    left = np.maximum(world.state.people["need_left"][world.order], 1)
    assert np.all(outlook.spell_of <= outlook.chance_of * left + 1e-9)
    on = p_end > 1e-3
    assert on.any()
    # So a contact's own chance to end the need never outweighs its value: no planner puts off for ever.
    assert np.all((outlook.spell_of * p_end)[on] <= outlook.chance_of[on] + 1e-9)


def test_a_gradient_is_the_slope_of_the_one_step_value() -> None:
    world = world_in_need()
    arms, policy = arms_of(world)
    rows = np.flatnonzero(np.isfinite(arms.value[:, 0]))[:20]
    at = (arms.offer[rows, 0], arms.channel[rows, 0], arms.depth[rows, 0])
    truth = Truth(world.state, world.rules, world.order, 0)
    slope = policy.generator.gradient(truth, 0, rows, *at)

    def value(j: int) -> float:
        now = Truth(world.state, world.rules, world.order, 0)
        minute = int(policy.market.minute[at[1][j]])
        one = now.expected_one_step_value(
            int(at[0][j]), int(at[1][j]), int(at[2][j]), minute, rows[j : j + 1]
        )
        return float(one[0]) * 1e-5

    for j, row in enumerate(world.order[rows]):
        before = value(j)
        world.state.people["annoyance"][row] += 0.02
        assert (value(j) - before) / 0.02 == pytest.approx(slope[j, 1], rel=1e-6, abs=1e-9)
        world.state.people["annoyance"][row] -= 0.02
    assert np.all(slope[:, 0] <= 0.0)
    assert slope[:, 0].min() < 0.0


def test_rules_survive_writing() -> None:
    rule = Rule("planner", 0.5, (1.0, 2.0), 1.0, ALL_DEAR)
    assert Rule.from_json(rule.to_json()) == rule


def test_a_yuan_costs_what_makes_the_share_suffice() -> None:
    value, cost = np.array([[3.0], [2.0], [1.0]]), np.array([1.0])
    rate = yuan_price(value, cost, 0.0, 2.0)
    assert int((value - rate * cost > 0.0).sum()) == 2
    assert yuan_price(value, cost, 0.0, 10.0) < 1e-2
    assert yuan_price(value, cost, 0.0, -1.0) == 0.0
