"""The campaign's codec and inner rule: units, segments, quotas, and who comes first."""

import numpy as np
import pytest
from tests.fakes.simple_policies import Silent
from tests.fakes.small_campaigns import CHANNELS, settings
from tests.fakes.small_worlds import small_world

from cardarena.simulator.envs.campaign_plan import (
    CAMPAIGN_SEGMENTS,
    N_SEGMENTS,
    CampaignCodec,
    CampaignPlan,
    CampaignSettings,
    campaign_segments,
)
from cardarena.simulator.errors import CardArenaError, PolicyError
from cardarena.simulator.log import RunLog
from cardarena.simulator.names import CHANNELS as ALL_CHANNELS

CODEC = CampaignCodec(CHANNELS)


def decisions(plan: CampaignPlan, days: int = 7, n: int = 300, **world) -> dict[str, np.ndarray]:
    return small_world(n, **world).run(plan, days).table("decisions")


def test_the_ends_and_the_middle_mean_what_the_table_says():
    low, mid, high = (CODEC.decode(np.full(CODEC.size, a)) for a in (-1.0, 0.0, 1.0))
    assert np.all(low.intensity == 0.0)
    assert np.all(mid.intensity == 0.25)
    assert np.all(high.intensity == 1.0)
    assert [int(s.cap_a_week[0]) for s in (low, mid, high)] == [0, 2, 4]
    assert [s.threshold for s in (low, mid, high)] == [0.0, 0.5, 1.0]
    assert [s.price_cny for s in (low, mid, high)] == pytest.approx([0.001, 10**-0.5, 100.0])


def test_each_entry_moves_what_its_name_says():
    for at, name in enumerate(CODEC.names):
        action = np.zeros(CODEC.size)
        action[at] = 1.0
        moved, still = CODEC.decode(action), CODEC.decode(np.zeros(CODEC.size))
        changed = {
            f"intensity_{CAMPAIGN_SEGMENTS[s]}_{CHANNELS[c]}"
            for s, c in np.argwhere(moved.intensity != still.intensity)
        }
        changed |= {f"cap_{CHANNELS[c]}" for c in np.flatnonzero(moved.cap_a_week != still.cap_a_week)}
        changed |= {"threshold"} if moved.threshold != still.threshold else set()
        changed |= {"price"} if moved.price_cny != still.price_cny else set()
        assert changed == {name}


def test_encode_and_decode_are_inverse():
    rng = np.random.default_rng(1)
    given = CampaignSettings(rng.random((N_SEGMENTS, 3)), rng.integers(0, 5, 3), 0.37, 2.5)
    back = CODEC.decode(CODEC.encode(given))
    np.testing.assert_allclose(back.intensity, given.intensity, atol=1e-6)
    assert np.array_equal(back.cap_a_week, given.cap_a_week)
    assert back.threshold == pytest.approx(0.37, abs=1e-6)
    assert back.price_cny == pytest.approx(2.5, rel=1e-5)


def test_segments_follow_the_documented_order():
    columns = {
        "is_open": [0, 1, 1, 1, 1, 1, 1, 1],
        "behaviour_missing": [0, 1, 0, 0, 0, 0, 0, 0],
        "recency_days": [0, 0, 28, 27, 0, 0, 0, 40],
        "spend_112d_cny": [0, 0, 9e9, 0, 9_999, 10_000, 40_000, 0],
        "instalment_balance_cny": [0, 5, 5, 5, 0, 0, 0, 0],
    }
    codes = campaign_segments(lambda name: np.array(columns[name], dtype=np.float32))
    assert codes.tolist() == [-1, 0, 0, 1, 2, 3, 4, 0]


def test_a_period_reaches_the_share_asked_for_and_spreads_it_over_its_days():
    """Push to 40 % of those whom it may reach, in seven days: a seventh each, to within one a segment and day."""
    plan = CampaignPlan(("app_push",), settings(0.4, cap=4, n_channels=1))
    world = small_world(600)
    reachable = (
        (world.state.accounts["permitted"][:, 0] > 0) & (world.state.accounts["marketing_consent"] > 0)
    ).sum()
    log = RunLog()
    world.play(plan, 7, sink=log)
    days = np.bincount(log.table("decisions")["day"], minlength=7)
    assert days.sum() == pytest.approx(0.4 * reachable, abs=2 * N_SEGMENTS)
    assert days.max() - days.min() <= 2 * N_SEGMENTS
    assert days.min() > 0


def test_fractions_of_a_person_add_up():
    """A base of which a day's share is less than one person is reached all the same."""
    plan = CampaignPlan(("app_push",), settings(0.02, cap=4, n_channels=1))
    n_contacts = decisions(plan, days=70, n=100)["day"].size
    permitted = small_world(100).state.accounts
    reachable = ((permitted["permitted"][:, 0] > 0) & (permitted["marketing_consent"] > 0)).sum()
    assert n_contacts == pytest.approx(10 * 0.02 * reachable, abs=N_SEGMENTS)
    assert 0.02 * reachable / 7 < 1


def test_only_the_segment_and_channel_asked_for_are_contacted():
    intensity = np.zeros((N_SEGMENTS, 3))
    intensity[4, 1] = 1.0
    plan = CampaignPlan(CHANNELS, CampaignSettings(intensity, np.full(3, 4), 0.0, 0.001))
    world = small_world(400)
    world.play(Silent(), 30)  # nobody has spent before
    chosen: list[np.ndarray] = []
    decide = plan.decide

    def watched(view):
        contacts = decide(view)
        chosen.append(campaign_segments(view.__getitem__)[contacts.cardholder])
        return contacts

    plan.decide = watched
    log = RunLog()
    world.play(plan, 7, sink=log)
    assert set(log.table("decisions")["channel"]) == {ALL_CHANNELS.index("sms")}
    assert set(np.concatenate(chosen)) == {4}


def test_those_with_signs_of_need_come_first():
    """With a small quota the chosen have more signs than the base; a rule that ranks the other way round fails."""
    world = small_world(800)
    world.play(Silent(), 14)
    plan = CampaignPlan(("sms",), settings(0.05, cap=4, n_channels=1))
    means: list[tuple[float, float]] = []
    decide = plan.decide

    def watched(view):
        contacts = decide(view)
        signs = view.matrix([name for name in view.names if name.startswith("precursor_7d")]).max(axis=1)
        if len(contacts):
            means.append((float(signs[contacts.cardholder].mean()), float(signs.mean())))
        return contacts

    plan.decide = watched
    world.play(plan, 7)
    assert len(means) >= 5
    assert all(own > 2.0 * base for own, base in means)


def test_nothing_that_it_asks_for_is_blocked_at_once():
    """The view's gate is obeyed, budget included."""
    plan = CampaignPlan(CHANNELS, settings(1.0, cap=4))
    table = decisions(plan, days=14, overrides={"budget.cny_per_cardholder_per_30_days": 0.005})
    assert table["day"].size > 10
    assert table["passed"].all()


def test_a_plan_goes_on_from_its_state():
    plan = CampaignPlan(CHANNELS, settings(0.5))
    world = small_world(200)
    world.play(plan, 9)
    other = CampaignPlan(CHANNELS, settings(0.5))
    copy = world.fork()
    other.reset(world._brief(other, 9, -1), 0)
    other.load_state(plan.state())
    logs = [RunLog(), RunLog()]
    world.play(plan, 9, sink=logs[0], reset=False)
    copy.play(other, 9, sink=logs[1], reset=False)
    assert logs[0].digest() == logs[1].digest()
    assert logs[0].table("decisions")["day"].size > 50
    with pytest.raises(PolicyError, match="expected"):
        other.load_state({})


def test_every_contact_has_a_reason():
    plan = CampaignPlan(CHANNELS, settings(0.5))
    world = small_world(100)
    asked = []
    decide = plan.decide

    def watched(view):
        asked.append(decide(view))
        return asked[-1]

    plan.decide = watched
    world.play(plan, 1)
    reasons = plan.explain(asked[0])
    assert len(reasons) == len(asked[0]) > 0
    assert all(" by " in reason for reason in reasons)


def test_settings_of_another_shape_are_refused():
    with pytest.raises(CardArenaError, match=r"expected intensities of shape \(5, 3\)"):
        CampaignPlan(CHANNELS, settings(n_channels=2))
