"""What a step means: rewards and costs are the rows', masks are the gate's, and nothing latent is seen."""

from typing import Any

import numpy as np
import pytest
from tests.fakes.small_pools import drawn_actions, small_pool

from cardarena.agents.registry import make_policy
from cardarena.simulator.bank.gate import gate_column
from cardarena.simulator.behaviour.person import PERSON
from cardarena.simulator.envs.cardholder import CardholderEnv
from cardarena.simulator.envs.journeys import Journeys
from cardarena.simulator.envs.pool import Pool
from cardarena.simulator.envs.rewards import ATTRIBUTION_DAYS, BLOCKED, COSTS, CREDITED, TERMS
from cardarena.simulator.envs.shell import Shell
from cardarena.simulator.envs.slots import Outcome
from cardarena.simulator.names import CHANNELS, Kind, Rule, Status

N = 120
DAYS = 10


def journeys_of(n: int = N, seed: int = 0, **settings: Any) -> Journeys:
    made = Journeys(settings.pop("pool", None) or small_pool(), n, **settings)
    made.seed(range(seed, seed + n))
    made.reset()
    return made


def lived(made: Journeys, share: float = 0.5) -> tuple[list[Outcome], np.ndarray]:
    """Play an episode under actions drawn by lot; return outcomes and rows."""
    outcomes: list[Outcome] = []
    rows: list[np.ndarray] = []
    for t in range(DAYS):
        # A closed account's slot would begin another episode.
        was_over = made.is_over
        out = made.step(drawn_actions(made.codec, made.n, t, share), rows)
        assert not out.days[was_over].any()
        outcomes.append(out)
    return outcomes, np.concatenate(rows)


def test_gross_is_the_sum_of_the_rows_and_costs_count_them() -> None:
    outcomes, rows = lived(journeys_of(800))
    terms = np.sum([out.terms for out in outcomes], axis=0)
    assert terms.sum() == pytest.approx(rows["value_mfen"].sum() * 1e-5, rel=1e-9)
    costs = dict(zip(COSTS, np.sum([out.costs for out in outcomes], axis=(0, 2)), strict=True))
    contacts, consents = rows[rows["kind"] == Kind.CONTACT], rows[rows["kind"] == Kind.CONSENT]
    assert rows["ref_day"].min() >= 0
    blocked = contacts["code"] == Status.BLOCKED
    capped = np.isin(contacts["rule"], [Rule.CAP_DAY, Rule.CAP_WEEK, Rule.CAP_MONTH, Rule.CAP_CHANNEL])
    assert costs["blocked"] == blocked.sum() > 100
    assert costs["over_cap"] == (blocked & capped).sum() > 5
    assert costs["unsubscribes"] == (consents["code"] == 0).sum() > 0
    assert costs["off_switches"] == (consents["code"] == 2).sum()
    complaints = rows[rows["kind"] == Kind.COMPLAINT]
    assert costs["complaints"] == (complaints["code"] == 0).sum()
    by_kind = {
        name: rows["value_mfen"][rows["kind"] == kind].sum() * 1e-5
        for name, kind in (
            ("spending", Kind.TRANSACTION),
            ("purchases", Kind.RESPONSE),
            ("contact_cost", Kind.CONTACT),
            ("complaints", Kind.COMPLAINT),
            ("defaults", Kind.CONSENT),
        )
    }
    for name, value in by_kind.items():
        assert terms[TERMS.index(name)].sum() == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_costs_leave_out_what_contacts_of_the_burn_in_cause() -> None:
    pool = Pool(small_pool().worlds, make_policy)
    pool.rules.channels["p_complaint"] = pool.rules.channels["p_opt_out"] = 0.5
    counts = {}
    for decided in (0, -1):
        made = journeys_of(400, pool=pool)
        # A text is on its way to everybody, and every other one has refused texts.
        contact = np.zeros(1, dtype=made.slots.inbox.dtype)
        contact["due"], contact["decided_day"] = 600, decided
        contact["channel"] = CHANNELS.index("sms")
        made.slots.accounts["permitted"][::2, CHANNELS.index("sms")] = 0
        width = int(made.setting["width"][0])
        for i in range(made.n):
            contact["cardholder"] = made.slots.people["cardholder"][i]
            made.slots.inbox[i * width] = contact[0]
        made.slots.waiting[: made.n] = 1
        rows: list[np.ndarray] = []
        out = made.step(np.zeros((made.n, 4)), rows)
        told = np.concatenate(rows)
        assert (told["code"][told["kind"] == Kind.CONTACT] == Status.BLOCKED).sum() > 100
        counts[decided] = out.costs.sum(axis=1), out.terms[TERMS.index("contact_cost")].sum()
    for name in ("blocked", "unsubscribes", "complaints"):
        assert counts[0][0][COSTS.index(name)] > 20, name
    assert counts[0][1] < 0.0
    assert not counts[-1][0].any()
    assert counts[-1][1] == 0.0


def test_attributed_credits_purchases_after_a_contact_of_the_episode() -> None:
    made = journeys_of(reward="attributed")
    made.reset(cardholder=made.pool.base.members[:N])
    outcomes, rows = lived(made)
    credited = 0
    for who in np.unique(rows["cardholder"]):
        touch = -1000
        for row in rows[rows["cardholder"] == who]:
            if row["kind"] == Kind.CONTACT and row["code"] == Status.DELIVERED and row["ref_day"] >= 0:
                touch = row["day"]
            if row["kind"] == Kind.RESPONSE and row["code"] >= 2 and row["day"] - touch <= ATTRIBUTION_DAYS:
                credited += row["value_mfen"]
    found = sum(out.terms[CREDITED].sum() for out in outcomes)
    bought = rows[(rows["kind"] == Kind.RESPONSE) & (rows["code"] >= 2)]
    assert found == pytest.approx(credited * 1e-5, rel=1e-9)
    assert 0 < credited < bought["value_mfen"].sum()
    cost = sum(out.terms[TERMS.index("contact_cost")].sum() for out in outcomes)
    sent = rows[(rows["kind"] == Kind.CONTACT) & (rows["ref_day"] >= 0)]
    assert cost == pytest.approx(sent["value_mfen"].sum() * 1e-5, rel=1e-9)


@pytest.mark.parametrize("reward", ["paired", "attributed"])
def test_nothing_done_is_worth_nothing(reward: str) -> None:
    made = journeys_of(reward=reward, contact_price=1.0)
    for _ in range(DAYS):
        out = made.step(np.zeros((N, 4)))
        assert not out.terms.sum(axis=0).any()
        assert not out.costs[BLOCKED].any()


def test_paired_is_mine_less_a_twins_who_has_the_same_luck() -> None:
    made = journeys_of(reward="paired")
    silent = Journeys(small_pool(), N, reward="paired")
    silent.seed(range(N))
    silent.reset()
    moved = 0.0
    for t in range(DAYS - 1):
        out = made.step(drawn_actions(made.codec, N, t, 0.3))
        still = silent.step(np.zeros((N, 4)))
        np.testing.assert_array_equal(out.terms[TERMS.index("twin")], still.terms[TERMS.index("twin")])
        moved += abs(out.terms.sum())
    assert moved > 0.0


def test_masks_are_the_gate_at_every_pair_and_depth() -> None:
    made = journeys_of()
    out = [made.step(drawn_actions(made.codec, N, t, 0.4)) for t in range(DAYS - 2)][-1]
    flat = made.codec.flat_mask(out.mask)
    assert flat[:, 0].all()
    day, accounts = int(out.day[0]), made.slots.accounts
    expected = np.zeros_like(flat)
    expected[:, 0] = True
    for index in range(1, made.codec.n_flat):
        offer, channel, depth = (
            int(x[0]) for x in made.codec.decode(made.codec.unflatten(np.array([index])))
        )
        minute = int(made.choice.minutes[channel])
        contact = (offer, channel, depth)
        expected[:, index] = gate_column(accounts, np.arange(N), made.pool.rules, contact, day, minute) == 0
    np.testing.assert_array_equal(flat, expected)
    assert 0.02 < flat[:, 1:].mean() < 0.98
    # The parts are open where some contact with them is.
    _, n_offers, n_channels, n_depths = made.codec.sizes
    joint = expected[:, 1:].reshape(N, n_offers, n_channels, n_depths)
    parts = [joint.any(axis=axes) for axes in ((1, 2, 3), (2, 3), (1, 3), (1, 2))]
    parts[0] = np.stack([np.ones(N, dtype=bool), parts[0]], axis=1)
    np.testing.assert_array_equal(out.mask.astype(bool), np.concatenate(parts, axis=1))


def test_what_the_mask_leaves_open_is_not_blocked_at_the_decision() -> None:
    made = journeys_of(contact_price=0.5)
    mask = made.codec.flat_mask(made.observed(np.arange(N))[1])
    rng = np.random.Generator(np.random.Philox(4))
    flat = np.array([rng.choice(np.flatnonzero(row)) for row in mask])
    out = made.step(made.codec.unflatten(flat))
    np.testing.assert_allclose(out.terms[TERMS.index("contact_price")], -0.5 * (flat > 0))


def test_nothing_latent_is_observed() -> None:
    made = journeys_of()
    everybody = np.arange(N)
    before = made.observed(everybody)
    raw = made.slots.people.view(np.uint8).reshape(N, PERSON.itemsize)
    raw[:] = np.random.Generator(np.random.Philox(1)).integers(0, 256, raw.shape)
    made.slots.journey["luck"] += 1
    made.slots.journey["heard"] = 0.1
    after = made.observed(everybody)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)
    made.slots.accounts["contacts_28d"] += 1.0
    assert not np.array_equal(made.observed(everybody)[0], before[0])


def leaving_pool() -> Pool:
    """Return a pool whose people close their accounts at the highest hazard there is."""
    pool = Pool(small_pool().worlds, make_policy)
    pool.rules.parameter["closure_rate"] = 1e6
    return pool


def test_a_closed_account_terminates_and_the_horizon_truncates() -> None:
    made = journeys_of(pool=leaving_pool())
    seen = np.zeros(N, dtype=bool)
    for day in range(DAYS):
        was_over = made.is_over
        out = made.step(np.zeros((N, 4)))
        closed = made.slots.people["alive"] == 0
        np.testing.assert_array_equal(out.terminated & ~was_over, closed & ~was_over)
        assert not out.mask[out.terminated, 1:].any()
        seen |= out.terminated
        first = ~seen & (day == DAYS - 1)
        assert out.truncated[first].all()
        assert not (out.truncated & out.terminated).any()
    assert 5 < seen.sum() < N


def test_paired_ends_when_both_are_closed() -> None:
    made = journeys_of(pool=leaving_pool(), reward="paired")
    for t in range(DAYS):
        out = made.step(drawn_actions(made.codec, N, t))
        both = (made.slots.people["alive"][:N] == 0) & (made.slots.people["alive"][N:] == 0)
        fresh = out.days == 0
        np.testing.assert_array_equal(out.terminated[~fresh], both[~fresh])


def test_a_step_of_some_days_is_its_days_discounted() -> None:
    daily, weekly = journeys_of(), journeys_of(decision_every=4)
    discount = float(daily.setting["discount"][0])
    actions = drawn_actions(daily.codec, N, 1)
    total = np.zeros((len(TERMS), N))
    alive = np.ones(N, dtype=bool)
    for d in range(4):
        out = daily.step(actions if d == 0 else np.zeros((N, 4)))
        total += discount**d * out.terms * alive
        alive &= ~out.terminated
    out = weekly.step(actions)
    np.testing.assert_allclose(out.terms, total, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(out.days[alive], 4)
    assert [int(weekly.step(np.zeros((N, 4))).days[alive].max()) for _ in range(2)] == [4, 2]


def test_threads_and_the_number_of_slots_change_nothing() -> None:
    alone, many = journeys_of(3, 500), journeys_of(1100, 500, threads=2)
    assert many.threads == 2 or many.n < 1024
    for t in range(4):
        actions = drawn_actions(many.codec, many.n, t)
        a, b = alone.step(actions[:3]), many.step(actions)
        np.testing.assert_array_equal(a.observation, b.observation[:3])
        np.testing.assert_array_equal(a.terms, b.terms[:, :3])


def test_half_of_the_offers_are_off_a_hard_menu() -> None:
    made = journeys_of(difficulty="hard")
    menu, n_offers = made.slots.menu, made.codec.offers.size
    np.testing.assert_array_equal(menu.sum(axis=1), n_offers - n_offers // 2)
    assert np.unique(menu, axis=0).shape[0] > N // 2
    assert menu.mean(axis=0).min() > 0.25
    _, mask = made.observed(np.arange(N))
    assert not mask[:, 2 : 2 + n_offers][menu == 0].any()
    actions = np.zeros((N, 4), dtype=np.int64)
    actions[:, 0], actions[:, 1] = 1, menu.argmin(axis=1)
    out = made.step(actions)
    np.testing.assert_array_equal(out.costs[BLOCKED], 1)
    shown = Shell(small_pool(), 1, difficulty="hard").offers
    assert shown is not None
    assert shown.shape[0] == n_offers


def test_prices_are_drawn_in_their_range_and_seen() -> None:
    made = journeys_of(contact_price=(0.2, 0.8))
    price = made.slots.journey["price"]
    assert 0.2 <= price.min() < 0.3 < 0.7 < price.max() <= 0.8
    np.testing.assert_array_equal(made.observed(np.arange(N))[0][:, -2], price.astype(np.float32))


def test_chosen_person_and_luck_are_met_and_truth_is_a_copy() -> None:
    env = CardholderEnv(small_pool())
    who = int(env.journeys.pool.base.members[5])
    env.reset(seed=1, options={"cardholder": who, "luck": 99})
    assert env.truth()["cardholder"] == who
    env.truth()["trust"] = -5.0
    assert env.truth()["trust"] >= 0.0
    with pytest.raises(ValueError, match="expected 0 to 199"):
        env.reset(options={"cardholder": 200})
    with pytest.raises(ValueError, match="found \\['person'\\]"):
        env.reset(options={"person": 3})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"horizon": 11}, "expected 1 to 10, found 11"),
        ({"decision_every": 0}, "decision_every: expected 1 on"),
        ({"contact_price": (0.5, 0.1)}, "the lower first"),
        ({"daily_discount": 1.5}, "daily_discount"),
        ({"send_minute": 1440}, "send_minute"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Journeys(small_pool(), 1, **settings)


def test_a_terminal_value_of_another_name_is_refused() -> None:
    with pytest.raises(ValueError, match="terminal_value: expected True or False, found 'run_out'"):
        Shell(small_pool(), 1, terminal_value="run_out")  # pyright: ignore[reportArgumentType]


def test_actions_out_of_range_are_refused() -> None:
    made = journeys_of(2)
    with pytest.raises(ValueError, match="row 1: expected parts from 0"):
        made.step(np.array([[0, 0, 0, 0], [1, 99, 0, 0]]))
    with pytest.raises(ValueError, match=r"expected shape \(2, 4\)"):
        made.step(np.zeros((3, 4)))
