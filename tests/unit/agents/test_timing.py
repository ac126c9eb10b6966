"""The planners' fair rivals: recovery, Whittle indices and plans, against closed forms, brute force and known worlds."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from tests.fakes.agents.fake_bank import make_brief, make_features, make_history, make_view
from tests.fakes.small_worlds import small_world

from cardarena.agents import mpc
from cardarena.agents.effects import dose_power, saturated
from cardarena.agents.market import Market
from cardarena.agents.mpc import MEMORY, Mpc, at_memory, lost_attention, plan, refusal_slope
from cardarena.agents.planning import RULE_FILE, LadderPolicy, OraclePlanner, read_rule
from cardarena.agents.recovering import (
    KNOTS,
    N_KINDS,
    RecoveringBandit,
    hats,
    prior_mean,
    recovery,
    waiting_value,
)
from cardarena.agents.tables import PERSON
from cardarena.agents.timing import Response, TimedPolicy
from cardarena.agents.whittle import (
    DISCOUNT,
    MOST_IN_MIND,
    ON,
    Whittle,
    left_alone,
    process,
    rewards,
    whittle_index,
)

LUCK = np.random.Generator(np.random.Philox(11))


# --- recovery and waiting


def logged_recovery(rows: int, true: Any) -> list[Any]:
    kind = LUCK.integers(0, N_KINDS, rows)
    days = np.floor(LUCK.uniform(0.0, 50.0, rows))
    expected = LUCK.uniform(0.1, 0.4, rows)
    noise = np.full(rows, 0.02)
    return [kind, days, expected, true(days) * expected + LUCK.normal(0.0, 0.14, rows), noise]


def test_recovery_is_found_and_luck_is_not_believed() -> None:
    # Slower, and from lower, than believed beforehand.
    true = lambda days: 1.0 - 0.9 * np.exp(-days / 25.0)  # noqa: E731
    share = recovery(*logged_recovery(60_000, true))
    assert np.allclose(share, true(KNOTS), atol=0.07)
    assert abs(prior_mean(KNOTS) - true(KNOTS)).max() > 0.25
    assert np.all(np.diff(share, axis=1) >= 0.0)
    *few, noise = logged_recovery(50, true)
    assert np.allclose(recovery(*few, noise=100.0 * noise), prior_mean(KNOTS), atol=0.05)


def test_kinds_recover_apart() -> None:
    kind, days, expected, _, noise = logged_recovery(60_000, lambda days: days)
    own = np.array([1.2, 0.8, 0.5])[kind]
    share = recovery(kind, days, expected, own * expected + LUCK.normal(0.0, 0.14, len(kind)), noise)
    assert np.allclose(share[:, -2], [1.2, 0.8, 0.5], atol=0.08)


def test_hats_mix_neighbours() -> None:
    days = LUCK.uniform(0.0, 70.0, 200)
    assert np.allclose(hats(days).sum(axis=1), 1.0)
    assert np.allclose(hats(days) @ KNOTS, np.minimum(days, KNOTS[-1]))


def test_waiting_is_worth_the_best_sequence() -> None:
    share = np.array([[0.1, 0.3, 0.8, 1.0]])
    reward = LUCK.uniform(0.0, 4.0, (20, 6))
    goodwill = 0.7
    wait, contact = waiting_value(reward, np.repeat(share, 20, axis=0), goodwill)

    def best(i: int, age: int) -> float:
        values = []
        for sequence in product((0, 1), repeat=5):
            now, total = age, 0.0
            for t, act in enumerate(sequence, start=1):
                if act:
                    total += reward[i, t] * share[0, now] - goodwill
                now = 1 if act else min(now + 1, 3)
            values.append(total)
        return max(values)

    for i in range(20):
        assert contact[i] == pytest.approx(best(i, 1))
        for age in range(4):
            assert wait[i, age] == pytest.approx(best(i, min(age + 1, 3)))


# --- the Whittle index


def tiring(p_rest: float, gain: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    leave = np.array([[1.0, 0.0], [p_rest, 1.0 - p_rest]])
    play = np.array([[0.0, 1.0], [0.0, 1.0]])
    return np.stack([leave, play]), np.array([[[0.0, 0.0], [gain, 0.0]]])


@pytest.mark.parametrize("discount", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("p_rest", [0.2, 1.0])
def test_indices_of_an_arm_that_tires(p_rest: float, discount: float) -> None:
    # Rested: at subsidy w nobody plays, and one step's gain is set against it. Tired: whoever never rests is worth nothing, so
    # the subsidy must take back what a rest brings, which is one gain a step later.
    index = whittle_index(*tiring(p_rest, 3.0), discount)
    assert index[0] == pytest.approx([3.0, -discount * p_rest * 3.0], abs=1e-6)


def test_without_motion_an_index_is_the_reward() -> None:
    stay = np.stack([np.eye(3), np.eye(3)])
    reward = np.stack([np.zeros((1, 3)), np.array([[0.5, -0.2, 2.0]])], axis=1)
    assert whittle_index(stay, reward, 0.9)[0] == pytest.approx([0.5, -0.2, 2.0], abs=1e-6)


@pytest.mark.parametrize("gain", [1.0, 32.0])
def test_the_process_played_is_indexable(gain: float) -> None:
    move = process(7.0, 0.1)
    reward = rewards(np.array([gain]), 10.0, Whittle.goodwill)[0]
    index = whittle_index(move, reward[None], DISCOUNT)[0]
    grid = np.quantile(index, np.linspace(0.0, 1.0, 6)) + 1e-4 * gain
    passive = np.stack([left_alone(move, reward, DISCOUNT, subsidy) for subsidy in grid])
    assert np.all(passive[1:] >= passive[:-1])
    assert not passive[0].all()
    assert passive[-1].all()
    # And the index says which: left alone where the subsidy exceeds it.
    clear = np.abs(grid[:, None] - index) > 1e-3 * gain
    assert np.array_equal(passive[clear], (grid[:, None] > index)[clear])


def test_an_index_rises_with_need_and_falls_with_contacts_in_mind() -> None:
    reward = rewards(np.array([20.0]), 5.0, 0.2)
    index = whittle_index(process(7.0, 0.1), reward, DISCOUNT).reshape(3, -1)
    now = reward[0, 1].reshape(3, -1)
    assert np.all(np.diff(index, axis=0) > 0.0)
    # At the end of the scale a contact adds nothing to those in mind.
    assert np.all(np.diff(index[:, :-1], axis=1) < 0.0)
    # The best state is as good as its moment; elsewhere a contact is worth less than that: what could follow suffers.
    assert index[ON, 0] == pytest.approx(now[ON, 0], abs=1e-5)
    assert np.all(index[:ON, :3] < now[:ON, :3] - 0.05)


def test_the_process_is_a_process_with_the_need_it_was_given() -> None:
    move = process(7.0, 0.15)
    assert np.allclose(move.sum(axis=2), 1.0)
    assert np.all(move >= 0.0)
    left = np.linalg.matrix_power(move[0], 4_000)[0].reshape(3, MOST_IN_MIND + 1)
    off, _, on = left.sum(axis=1)
    assert on / (on + off) == pytest.approx(0.15, abs=1e-6)
    assert left[:, 0].sum() == pytest.approx(1.0)


# --- the plan


def response(rows: int, lost: tuple[float, float], slope: float) -> Response:
    person = np.zeros((rows, len(PERSON)))
    week, month = LUCK.poisson(1.0, rows), LUCK.poisson(3.0, rows)
    person[:, PERSON.index("contacts_7d")], person[:, PERSON.index("contacts_28d")] = week, month
    expected = LUCK.uniform(0.1, 0.4, rows)
    share = 1.0 - lost[0] * np.log1p(week) - lost[1] * np.log1p(month)
    found = share * expected + LUCK.normal(0.0, 0.1, rows)
    refused = LUCK.random(rows) < 0.01 * np.exp(slope * month)
    return Response(person, expected, found, np.full(rows, 0.01), refused, np.zeros(rows, dtype=np.int64))


def test_attention_and_refusal_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mpc, "PRIOR_ROWS", 100.0)
    log = response(200_000, (0.05, 0.3), 0.25)
    assert lost_attention(log) == pytest.approx([0.05, 0.3], abs=0.03)
    contacts = log.person[:, PERSON.index("contacts_28d")]
    found = refusal_slope(contacts, log.opted_out.astype(float), np.full(200_000, 0.01))
    assert found == pytest.approx([0.0, 0.25], abs=0.08)


def test_a_plan_is_the_best_sequence() -> None:
    share = np.array([[1.0], [0.6]]) - 0.05 * MEMORY
    cost = np.repeat((0.2 + 0.1 * MEMORY)[None], 6, axis=0)
    reward, keep = LUCK.uniform(0.0, 3.0, (6, 5)), 1.0
    to_go = plan(reward, share, cost, keep)

    def best(i: int, lag: int, memory: int) -> float:
        values = []
        for sequence in product((0, 1), repeat=4):
            now, contacts, total = lag, memory, 0.0
            for t, act in enumerate(sequence, start=1):
                if act:
                    total += reward[i, t] * share[now, contacts] - cost[i, contacts]
                now, contacts = act, contacts + act
            values.append(total)
        return max(values)

    for i, lag, memory in product(range(6), range(2), (0, 3, 7)):
        assert to_go[i, lag, memory] == pytest.approx(best(i, lag, memory))


def test_memory_is_linear_between_counts() -> None:
    table = np.stack([MEMORY**2, 3.0 * MEMORY])
    assert at_memory(table, np.array([2.5, 99.0])) == pytest.approx(np.array([[6.5, 144.0], [7.5, 36.0]]))
    assert at_memory(table, np.array([[2.5], [4.0]])) == pytest.approx(np.array([[6.5], [12.0]]))


# --- the policies


def contacted(policy: TimedPolicy, history: Any, **columns: Any) -> int:
    brief = make_brief(400, history=history)
    policy.reset(brief, 1)
    x = make_features(400, seed=9, **columns)
    return len(policy.decide(make_view(brief, names=policy.features, features=x)))


# The made-up people buy so much that a price must be high to keep contacts away.
@pytest.mark.parametrize(("make", "price"), [(RecoveringBandit, 12.0), (Whittle, 12.0), (Mpc, 1.0)])
def test_who_was_contacted_lately_is_contacted_less(make: type[TimedPolicy], price: float) -> None:
    history = make_history(make_brief(400), rows=6_000)
    lately = {"days_since_contact": 2.0, "contacts_7d": 2.0, "contacts_28d": 5.0}
    long_ago = {"days_since_contact": 90.0, "contacts_7d": 0.0, "contacts_28d": 0.0}
    few, many = (contacted(make(dial=price), history, **columns) for columns in (lately, long_ago))
    assert few < 0.9 * many


def test_a_call_is_not_ten_text_messages() -> None:
    brief = make_brief(5)
    plain, flat = Market(brief), saturated(Market(brief), 0.4)
    sms, call = plain.channel("sms"), plain.channel("human_call")
    assert flat.strength[sms] == pytest.approx(plain.strength[sms])
    assert flat.strength[call] / flat.strength[sms] == pytest.approx(
        (plain.strength[call] / plain.strength[sms]) ** 0.4
    )
    assert flat.strength[call] < 5.0 * flat.strength[sms] < plain.strength[call]
    assert flat.order == plain.order


@pytest.mark.parametrize("true", [0.2, 0.5, 0.9])
def test_how_strength_saturates_is_read_from_the_log(true: float) -> None:
    rows = 40_000
    strength = LUCK.choice([0.4, 1.0, 5.0, 11.0], rows, p=[0.3, 0.5, 0.1, 0.1])
    need = LUCK.uniform(0.01, 0.08, rows)
    found = 0.3 * need * strength**true + LUCK.normal(0.0, np.sqrt(need))
    assert dose_power(strength, need, found, need) == pytest.approx(true, abs=0.15)


def test_a_log_without_an_effect_leaves_the_power_open() -> None:
    strength, need = LUCK.choice([1.0, 11.0], 200), np.full(200, 0.05)
    assert 0.1 < dose_power(strength, need, LUCK.normal(0.0, 0.22, 200), need) < 0.9


@pytest.mark.parametrize("make", [RecoveringBandit, Whittle, Mpc])
def test_nobody_is_called_twice_within_the_gap(
    make: type[TimedPolicy], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Believed to be very strong, calls would go to everybody each week.
    monkeypatch.setattr("cardarena.agents.priced.dose_power", lambda *_: 1.0)
    monkeypatch.setattr(make, "attention", lambda self, person: np.ones(len(person)))
    monkeypatch.setattr(make, "forgone", lambda self, today: np.full_like(today.worth, -50.0))
    brief = make_brief(300, history=make_history(make_brief(400), rows=6_000))
    policy = make()
    policy.reset(brief, 3)
    last = np.full(300, -100)
    calls = 0
    for day in range(0, 70, 7):
        sent = policy.decide(make_view(brief, day, features=make_features(300)))
        who = sent.cardholder[policy.market.voice[sent.channel]]
        assert (day - last[who] >= make.call_gap_days).all()
        last[who] = day
        calls += len(who)
    assert calls > 300


def test_the_planning_oracle_is_the_rung_with_its_rule() -> None:
    rule = read_rule(RULE_FILE)
    assert rule.plans
    world = small_world(150, seed=3)
    found = []
    for policy in (OraclePlanner(), LadderPolicy(rule=rule), OraclePlanner(dial=5.0)):
        log = world.fork().run(policy, days=4)
        found.append(log["contacts"][["day", "cardholder", "offer", "channel"]].to_numpy().tolist())
    assert found[0] == found[1]
    assert len(found[2]) < len(found[0])
    assert OraclePlanner(dial=5.0).rule.price == rule.price + 5.0
