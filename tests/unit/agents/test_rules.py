"""What the rules do: whom they choose, when, and how often."""

import numpy as np
import pytest
from tests.fakes.agents.fake_bank import AT, make_brief, make_features, make_view

from cardarena.agents.reference import MONTH_DAYS, Caretaker, Random, StatusQuo
from cardarena.agents.rules import Blast, Cadence, Rfm, Segment
from cardarena.simulator.names import CHANNELS

N = 400


def test_rfm_scores_are_quintiles() -> None:
    brief = make_brief(N)
    policy = Rfm()
    policy.reset(brief, 1)
    order = np.arange(N, dtype=np.float32)
    x = make_features(N, recency_days=N - order, transactions_28d=order, spend_28d_cny=order)
    cell = policy.scores(make_view(brief, names=policy.features, features=x))
    assert (np.diff(cell.astype(int)) >= 0).all()
    assert (cell.min(), cell.max()) == (3, 15)
    assert np.allclose(np.bincount(cell)[[3, 6, 9, 12, 15]], N / 5, atol=2)


@pytest.mark.parametrize(
    ("column", "better"), [("recency_days", -1.0), ("transactions_28d", 1.0), ("spend_28d_cny", 1.0)]
)
def test_rfm_prefers_recent_frequent_large(column: str, better: float) -> None:
    brief = make_brief(N)
    policy = Rfm()
    policy.reset(brief, 1)
    x = make_features(N)
    contacts = policy.decide(make_view(brief, names=policy.features, features=x))
    chosen = np.zeros(N, dtype=bool)
    chosen[contacts.cardholder] = True
    assert 0 < chosen.sum() < N
    assert better * (x[AT[column]][chosen].mean() - x[AT[column]][~chosen].mean()) > 0


def test_rfm_waits_between_contacts() -> None:
    brief = make_brief(N)
    policy = Rfm(dial=14)
    policy.reset(brief, 1)
    x = make_features(N)
    first = policy.decide(make_view(brief, 0, names=policy.features, features=x))
    later = [policy.decide(make_view(brief, d, names=policy.features, features=x)) for d in range(1, 14)]
    again = policy.decide(make_view(brief, 14, names=policy.features, features=x))
    assert len(first) > 0
    assert not any(np.isin(first.cardholder, c.cardholder).any() for c in later)
    assert np.isin(again.cardholder, first.cardholder).all()


def test_rfm_offers_no_worse_terms_than_stand_anyway() -> None:
    brief = make_brief(N)
    policy = Rfm(dial=7)
    policy.reset(brief, 1)
    x = make_features(N)
    offers = set()
    for day in range(0, 70, 7):
        offers |= set(policy.decide(make_view(brief, day, names=policy.features, features=x)).offer)
    chosen = np.array(sorted(offers))
    market = policy.market
    assert len(chosen) == policy.n_offers
    assert len(np.unique(market.category[chosen])) == policy.n_offers
    assert (market.take_cny[chosen] >= market.standing_cny[market.category[chosen]]).all()


def test_blast_falls_back_on_push() -> None:
    brief = make_brief(N)
    x = make_features(N)
    x[AT["permitted_sms"], : N // 2] = 0.0
    policy = Blast(dial=1)
    policy.reset(brief, 1)
    contacts = policy.decide(make_view(brief, 27, names=policy.features, features=x))
    assert (contacts.channel[: N // 2] == CHANNELS.index("app_push")).all()
    assert (contacts.channel[N // 2 :] == CHANNELS.index("sms")).all()


@pytest.mark.parametrize("dial", [1, 2, 4, 8])
def test_blast_sends_at_month_end_only(dial: int) -> None:
    brief = make_brief(N)
    policy = Blast(dial=dial)
    policy.reset(brief, 1)
    sent = []
    for day in range(2 * MONTH_DAYS):
        contacts = policy.decide(make_view(brief, day, names=policy.features))
        if len(contacts):
            assert day % MONTH_DAYS >= 18
            assert len(contacts) == N
            assert len(np.unique(contacts.offer)) == 1
            assert set(contacts.channel) == {CHANNELS.index("sms")}
            sent.append(day)
    assert len(sent) == 2 * dial


@pytest.mark.parametrize("k", [3, 7, 14])
def test_cadence_contacts_each_once_in_k_days_and_rotates(k: int) -> None:
    brief = make_brief(N)
    policy = Cadence(dial=k)
    policy.reset(brief, 1)
    x = make_features(N)
    rounds = []
    for start in (0, k):
        offers = np.full(N, -1)
        for day in range(start, start + k):
            contacts = policy.decide(make_view(brief, day, names=policy.features, features=x))
            assert (offers[contacts.cardholder] == -1).all()
            offers[contacts.cardholder] = contacts.offer
        rounds.append(offers)
    reached = (rounds[0] >= 0) & (rounds[1] >= 0)
    assert reached.mean() > 0.9
    category = brief.offers["category"]
    assert (category[rounds[0][reached]] != category[rounds[1][reached]]).all()


def test_segment_treats_groups_as_the_survey_advises() -> None:
    brief = make_brief(N)
    x = make_features(
        N, spend_112d_cny=20_000.0, clicks_28d=2.0, visits_28d=8.0, income_band=4.0, tracked=1.0
    )
    x[[j for name, j in AT.items() if name.startswith("precursor_7d")]] = 1.0
    strict, poor = slice(0, 100), slice(100, 200)
    for column in (
        "tracked",
        "personalisation_on",
        "partner_consent",
        "sensitive_consent",
        "clicks_28d",
        "visits_28d",
    ):
        x[AT[column], strict] = 0.0
    x[AT["income_band"], poor], x[AT["tracked"], poor] = 0.0, 2.0
    x[AT["spend_112d_cny"], poor] = np.arange(100)
    policy = Segment()
    policy.reset(brief, 1)
    view = make_view(brief, names=policy.features, features=x)
    group = policy.groups(view)
    assert (group[strict] == 1).all()
    assert (group[poor] == 3).all()
    assert (group[200:] == 2).all()
    contacts = policy.decide(view)
    depth, channel = np.full(N, -1), np.full(N, -1)
    depth[contacts.cardholder], channel[contacts.cardholder] = contacts.depth, contacts.channel
    assert set(depth[strict]) <= {-1, 0}
    assert 2 in depth[200:]
    assert set(channel[poor]) - {-1} <= {CHANNELS.index(c) for c in ("app_push", "in_app", "mini_program")}
    assert (channel[poor] >= 0).sum() == pytest.approx(60, abs=2)  # the lowest 40 % by spend are screened out
    assert policy.interval_days[1] > policy.interval_days[0] > policy.interval_days[2]


@pytest.mark.parametrize("dial", [7.0, 14.0])
def test_caretaker_keeps_its_distance(dial: float) -> None:
    brief = make_brief(N)
    policy = Caretaker(dial=dial)
    policy.reset(brief, 1)
    last = np.full(N, -1_000)
    total = 0
    for day in range(0, 84, 7):
        view = make_view(brief, day, names=policy.features)
        contacts = policy.decide(view)
        assert (day - last[contacts.cardholder] >= dial).all()
        last[contacts.cardholder] = day
        total += len(contacts)
        offers = brief.offers[contacts.offer]
        assert (offers["is_public"] == 1).all()
        assert (offers["is_credit"] == 0).all()
        gentle = {CHANNELS.index(c) for c in ("app_push", "in_app", "mini_program")}
        assert set(contacts.channel) <= gentle
    assert total > 0


def test_caretaker_needs_a_sign_of_need() -> None:
    brief = make_brief(N)
    policy = Caretaker()
    policy.reset(brief, 1)
    x = make_features(N)
    x[[j for name, j in AT.items() if name.startswith("precursor_7d")]] = 0.0
    x[AT["precursor_7d_daily"], :50] = 1.0
    contacts = policy.decide(make_view(brief, names=policy.features, features=x))
    assert set(contacts.cardholder) <= set(range(50))
    assert len(contacts) > 0


def test_status_quo_meets_its_rate_and_holds_out() -> None:
    n = 4_000
    brief = make_brief(n)
    policy = StatusQuo()
    policy.reset(brief, 1)
    per_week = []
    for day in range(0, 28, 7):
        contacts = policy.decide(make_view(brief, day, names=policy.features))
        per_week.append(len(contacts) / n)
        assert contacts.propensity is not None
        assert (contacts.propensity < 0.9 * 0.95).all()
        assert 1.0 - per_week[-1] > policy.slice_share
    assert 2.0 <= sum(per_week) <= 3.2
    assert per_week[3] > 1.3 * np.mean(per_week[:3])


def test_status_quo_reports_the_probability_with_which_it_draws() -> None:
    """Over many seeds, the sum of 1/propensity over contacts estimates the number of possible actions."""
    brief = make_brief(60)
    policy = StatusQuo()
    x = make_features(60, seed=3)
    total, runs = 0.0, 200
    actions = 0
    for seed in range(runs):
        policy.reset(brief, seed)
        contacts = policy.decide(make_view(brief, names=policy.features, features=x))
        assert contacts.propensity is not None
        total += float((1.0 / contacts.propensity).sum())
    view = make_view(brief, features=x)
    for offer in range(len(brief.offers)):
        for channel in StatusQuo.mix:
            actions += int(view.allowed(offer, CHANNELS.index(channel), 0, 600).sum())
    assert total / runs == pytest.approx(actions, rel=0.1)


def test_random_reports_the_probability_with_which_it_draws() -> None:
    brief = make_brief(60)
    policy = Random()
    x = make_features(60, seed=3)
    counts = []
    for seed in range(200):
        policy.reset(brief, seed)
        contacts = policy.decide(make_view(brief, names=policy.features, features=x))
        counts.append(len(contacts))
        assert contacts.propensity is not None
        assert (contacts.propensity <= 0.25 / 2).all()
    assert np.mean(counts) / 60 == pytest.approx(0.25, abs=0.02)


def test_budget_is_spent_on_the_first_by_priority() -> None:
    brief = make_brief(N)
    policy = Rfm()
    x = make_features(N)
    policy.reset(brief, 1)
    free = policy.decide(make_view(brief, names=policy.features, features=x))
    policy.reset(brief, 1)
    cost = int(policy.market.contact_mfen[free.channel].sum() * 0.4)
    tight = policy.decide(make_view(brief, names=policy.features, features=x, budget_left_mfen=cost))
    assert 0 < len(tight) < len(free)
    assert free.priority is not None
    assert tight.priority is not None
    assert tight.priority.min() >= np.sort(free.priority)[::-1][len(tight) - 1]
