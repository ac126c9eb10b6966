"""`CardArena/Campaign-v0` keeps Gymnasium's contract, and is the world: same log, same money, same luck."""

import copy
import pickle
import warnings
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from tests.fakes.simple_policies import Silent
from tests.fakes.small_campaigns import CHANNELS, HORIZON, campaign_worlds, play, settings, small_campaign
from tests.fakes.small_pools import small_pool
from tests.fakes.small_worlds import realised_mfen, small_world

from cardarena.agents.gymnasium_ids import register
from cardarena.simulator.envs.campaign import DAILY_DISCOUNT, REWARD_FORMS, REWARD_TERMS, CampaignEnv
from cardarena.simulator.envs.campaign_ledger import COSTS, REALISED_TERMS, CampaignLedger
from cardarena.simulator.envs.campaign_plan import CampaignPlan, CampaignSettings
from cardarena.simulator.envs.journeys import Journeys
from cardarena.simulator.errors import CardArenaError, UnknownNameError
from cardarena.simulator.log import RunLog
from cardarena.simulator.names import CHANNELS as ALL_CHANNELS
from cardarena.simulator.world import World

BUDGET = {"budget.cny_per_cardholder_per_30_days": 0.02}
#: Few people need no handlers, and wait for none.
REGISTERED = {
    "scenario": "baseline",
    "n_cardholders": 60,
    "world_seeds": (1, 2),
    "overrides": {
        "horizon.burn_in_days": 5,
        "horizon.burn_in_phases": None,
        "logged_history": False,
        "horizon.days": 20,
        "horizon.run_out_days": 7,
    },
}


@pytest.fixture(scope="module")
def worlds():
    return campaign_worlds()


def log_of(world: World) -> RunLog:
    return RunLog(traits=world.traits, days=HORIZON, run_out_days=0, first_day=0)


def encoded(env: CampaignEnv, **given: Any) -> np.ndarray:
    return env.codec.encode(settings(n_channels=len(env.codec.channels), **given))


def random_actions(env: CampaignEnv, seed: int = 3):
    drawn = np.random.default_rng(seed).uniform(-1, 1, (50, env.codec.size)).astype(np.float32)
    return lambda step: drawn[step]


@pytest.mark.parametrize("reward", REWARD_FORMS)
def test_gymnasium_finds_nothing_to_say(reward):
    register()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gym.make("CardArena/Campaign-v0", reward=reward, render_mode="ansi", **REGISTERED)
        check_env(env.unwrapped)
        env.close()


def test_stable_baselines_finds_nothing_to_say(worlds):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checker.check_env(small_campaign(worlds))


def test_the_same_seed_gives_the_same_episode_and_another_seed_another(worlds):
    one, two, other = (small_campaign(worlds) for _ in range(3))
    act = random_actions(one)
    first, again, third = play(one, act, 4), play(two, act, 4), play(other, act, 5)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        assert a[1:] == b[1:]
    assert [step[1] for step in first] != [step[1] for step in third]


def test_further_episodes_take_the_worlds_in_turn(worlds):
    env = small_campaign(worlds)
    seen = [env.reset(seed=0)[0], env.reset()[0], env.reset()[0]]
    assert np.array_equal(seen[0], seen[2])
    assert not np.array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(env.reset(options={"world": 1})[0], seen[1])


@pytest.mark.parametrize("overrides", [{}, BUDGET])
def test_weeks_of_the_same_action_are_one_play_of_the_plan(overrides):
    worlds = campaign_worlds(seeds=(7,), overrides=overrides)
    env = small_campaign(worlds, terminal_value=False)
    env.sink = stepped = log_of(worlds[0].world)
    action = encoded(env)
    play(env, action)
    whole = worlds[0].world.fork()
    plan = CampaignPlan(CHANNELS, env.codec.decode(action))
    at_once = log_of(whole)
    budget = whole.scenario.budget_mfen(whole.n, HORIZON)
    whole.play(plan, HORIZON, sink=at_once, budget_mfen=budget)
    assert at_once.table("decisions")["day"].size > 50
    assert stepped.digest() == at_once.digest()
    assert env.world is not None
    assert np.array_equal(env.world.state.people, whole.state.people)
    assert env.world.state.price_mfen == whole.state.price_mfen


def test_the_world_that_is_given_stays_as_it_is(worlds):
    before = worlds[0].world.state.copy()
    play(small_campaign(worlds, reward="paired"), random_actions(small_campaign(worlds)))
    assert worlds[0].world.day == 0
    assert np.array_equal(before.people, worlds[0].world.state.people)
    assert np.array_equal(before.accounts, worlds[0].world.state.accounts)


def test_gross_terms_are_the_margin_in_the_log():
    world = campaign_worlds(seeds=(7,))
    env = small_campaign(world, daily_discount=1.0, run_out_days=10)
    env.sink = log = log_of(world[0].world)
    steps = play(env, encoded(env, intensity=1.0, cap=4))
    terms = sum(step[4]["reward_terms"][name] for step in steps for name in REALISED_TERMS)
    assert terms == pytest.approx(realised_mfen(log, HORIZON).sum() * 1e-5 / 150)
    assert env.world is not None
    # The run-out, too, is what the log of such a world says.
    ended, tail = env.world.fork(), RunLog(traits=world[0].world.traits)
    ended.play(world[0].make_run_out(), 10, sink=tail)
    expected = realised_mfen(tail, HORIZON + 10).sum() * 1e-5 / 150
    assert steps[-1][4]["reward_terms"]["terminal"] == pytest.approx(expected)
    assert all(step[1] == pytest.approx(sum(step[4]["reward_terms"].values())) for step in steps)


def test_days_inside_a_step_are_discounted():
    worlds = campaign_worlds(seeds=(7,))
    plain = small_campaign(worlds, daily_discount=1.0)
    cheap = small_campaign(worlds, daily_discount=0.9)
    daily = small_campaign(worlds, daily_discount=0.9, decision_every=1)
    still = -np.ones(plain.codec.size, dtype=np.float32)
    rows = play(daily, still)
    for week, step in enumerate(play(cheap, still)[:3]):
        days = [rows[7 * week + j][4]["reward_terms"]["spending"] for j in range(7)]
        assert step[4]["reward_terms"]["spending"] == pytest.approx(
            sum(0.9**j * day for j, day in enumerate(days))
        )
    last = play(cheap, still)[-1][4]
    assert last["dt"] == HORIZON % 7
    assert last["terminal_value"] < play(plain, still)[-1][4]["terminal_value"]
    assert round(DAILY_DISCOUNT**365, 12) == 0.9


def test_silence_is_worth_nothing_in_pairs_and_leaves_the_silent_world(worlds):
    env = small_campaign(worlds[:1], reward="paired")
    steps = play(env, -np.ones(env.codec.size, dtype=np.float32))
    assert [step[1] for step in steps] == pytest.approx([0.0] * len(steps), abs=1e-12)
    assert steps[0][4]["reward_terms"]["expected"] > 0.0
    silent = worlds[0].world.fork()
    silent.play(Silent(), HORIZON)
    assert env.world is not None
    assert np.array_equal(env.world.state.people, silent.state.people)


def test_pairs_are_the_expected_margin_less_the_twins():
    worlds = campaign_worlds(seeds=(7,))
    env = small_campaign(worlds, reward="paired", daily_discount=1.0)
    action = encoded(env, intensity=1.0, cap=4)
    total = sum(step[1] for step in play(env, action))
    sums = []
    for chosen in (env.codec.decode(action), CampaignSettings.silent(len(CHANNELS))):
        world, ledger = worlds[0].world.fork(), CampaignLedger(150)
        world.play(CampaignPlan(CHANNELS, chosen), HORIZON, sink=ledger)
        world.play(worlds[0].make_run_out(), 14, sink=ledger)
        sums.append(sum(ledger.expected))
    assert total == pytest.approx((sums[0] - sums[1]) * 1e-5 / 150)
    assert total != 0.0


def test_more_intensity_makes_more_contacts_and_more_harm(worlds):
    env = small_campaign(worlds, terminal_value=False)
    contacts, cost = [], []
    for intensity in (0.0, 0.2, 0.5, 1.0):
        steps = play(env, encoded(env, intensity=intensity, cap=4))
        contacts.append(sum(step[4]["contacts"] for step in steps))
        cost.append(sum(step[4]["spent_cny"] for step in steps))
    assert contacts[0] == 0
    assert all(low < high for low, high in pairwise(contacts))
    assert all(low < high for low, high in pairwise(cost))


@pytest.mark.parametrize(
    ("knob", "values"),
    [("price", (0.001, 0.3, 3.0, 100.0)), ("threshold", (0.0, 0.3, 0.7, 1.0))],
)
def test_a_higher_bar_makes_fewer_contacts(worlds, knob, values):
    env = small_campaign(worlds, terminal_value=False)
    counts = [
        sum(step[4]["contacts"] for step in play(env, encoded(env, intensity=1.0, cap=4, **{knob: value})))
        for value in values
    ]
    assert all(low > high for low, high in pairwise(counts)), counts
    assert counts[-1] < 0.05 * counts[0]


def sent(worlds, **given) -> tuple[CampaignEnv, list[Any]]:
    """Play two episodes with all force; return the environment, and each one's menu and decided contacts."""
    env = CampaignEnv(worlds, horizon=HORIZON, terminal_value=False, **given)
    act, told = encoded(env, intensity=1.0, cap=4), []
    for episode in range(2):
        env.reset(seed=3 if episode == 0 else None, options={"world": 0})
        env.sink = log = log_of(worlds[0].world)
        while not env.step(act)[3]:
            pass
        told.append((env.menu.copy(), log.table("decisions")))
    return env, told


def test_difficulties_say_what_may_be_sent():
    worlds = campaign_worlds(n=400, seeds=(7,))
    env, [(menu, plain), _] = sent(worlds)
    easy_env, [(easy_menu, easy), _] = sent(worlds, difficulty="easy")
    assert easy_env.codec.channels == ("app_push", "sms", "human_call")
    assert easy_env.codec.size < env.codec.size
    assert (menu.size, easy_menu.size) == (len(worlds[0].world.rules.offers), 6)
    assert menu.all()
    assert easy_menu.all()
    assert set(easy["offer"]) <= set(easy_env.stocked.offers)
    assert not easy["depth"].any()
    assert {ALL_CHANNELS[code] for code in set(easy["channel"])} <= set(easy_env.codec.channels)
    assert plain["depth"].any()
    assert not set(plain["offer"]) <= set(easy_env.stocked.offers)
    hard_env, told = sent(worlds, difficulty="hard")
    assert hard_env.codec.size == env.codec.size
    for on, decided in told:
        assert on.sum() == menu.size - menu.size // 2
        assert on[decided["offer"]].all()
        assert decided["offer"].size > 50
        # What the plain one sends most of is not always on a menu.
        assert set(decided["offer"]) != set(plain["offer"])
    assert not np.array_equal(told[0][0], told[1][0])
    with pytest.raises(UnknownNameError, match="did you mean 'easy'"):
        sent(worlds, difficulty="eazy")


def test_a_hard_menu_is_that_of_a_journey_of_the_same_seed():
    _, told = sent(campaign_worlds(n=40, seeds=(7,)), difficulty="hard")
    journeys = Journeys(small_pool(), 1, difficulty="hard")
    journeys.seed([3])
    for menu, _ in told:
        journeys.reset()
        np.testing.assert_array_equal(menu, journeys.slots.menu[0])


def test_offers_held_out_are_never_sent():
    worlds = campaign_worlds(n=400, seeds=(7,))
    names = worlds[0].world.scenario.catalogue().names
    _, [(_, plain), _] = sent(worlds)
    held = sorted({names[code] for code in plain["offer"]})[:2]
    _, told = sent(worlds, held_out_offers=held)
    for menu, decided in told:
        assert menu.sum() == len(names) - len(held)
        assert not {names[code] for code in decided["offer"]} & set(held)
        assert decided["offer"].size > 50
    with pytest.raises(UnknownNameError, match="unknown offer 'travel_gide'; did you mean 'travel_guide'"):
        sent(worlds, held_out_offers=("travel_gide",))


def test_nobody_hears_more_by_a_channel_than_the_cap():
    worlds = campaign_worlds(seeds=(7,), compliance__caps__channel_week={}, compliance__caps__week=None)
    for cap in (0, 1, 2):
        env = small_campaign(worlds, terminal_value=False)
        env.sink = log = log_of(worlds[0].world)
        play(env, encoded(env, intensity=1.0, cap=cap))
        table = log.table("decisions")
        most = 0
        for day in range(HORIZON - 6):
            week = (table["day"] >= day) & (table["day"] < day + 7)
            pairs = table["cardholder"][week].astype(np.int64) * 16 + table["channel"][week]
            most = max(most, np.unique(pairs, return_counts=True)[1].max(initial=0))
        assert most == cap
        # A week later there is room again.
        pairs = table["cardholder"].astype(np.int64) * 16 + table["channel"]
        assert np.unique(pairs, return_counts=True)[1].max(initial=0) >= 3 * cap


def test_the_budget_holds_and_its_price_rises():
    worlds = campaign_worlds(seeds=(7,), overrides=BUDGET)
    env = small_campaign(worlds, terminal_value=False)
    steps = play(env, encoded(env, intensity=1.0, cap=4))
    budget = 0.02 * 150 * HORIZON / 30
    spent = sum(step[4]["spent_cny"] for step in steps)
    assert 0.3 * budget < spent <= budget + 1e-9
    names = env.feature_names
    left = [step[0][names.index("budget_left")] for step in steps]
    assert left[-1] == pytest.approx(1.0 - spent / budget, abs=1e-3)
    assert steps[0][0][names.index("has_budget")] == 1.0
    assert max(step[0][names.index("contact_price_cny")] for step in steps) > 0.0


def test_info_says_the_same_things_in_every_form(worlds):
    for form in REWARD_FORMS:
        env = small_campaign(worlds, reward=form)
        _, start = env.reset(seed=0)
        steps = play(env, encoded(env))
        for info in (start, *(step[4] for step in steps)):
            assert tuple(info["reward_terms"]) == REWARD_TERMS
            assert tuple(info["costs"]) == COSTS
            assert set(info) == set(start)
        used = {name for step in steps for name, value in step[4]["reward_terms"].items() if value != 0.0}
        assert (used >= {"expected", "twin"}) == (form == "paired")
        assert ("spending" in used) == (form == "gross")
        assert ("attributed" in used) == (form == "attributed")
        assert env.metadata["is_privileged"] == (form == "paired")
        assert [step[4]["terminal_value"] for step in steps[:-1]] == [0.0] * (len(steps) - 1)
        last = steps[-1][4]
        paid = last["terminal_value"] * DAILY_DISCOUNT ** last["dt"]
        assert last["reward_terms"]["terminal"] == pytest.approx(paid) != 0.0
        assert [step[3] for step in steps] == [False] * (len(steps) - 1) + [True]
        assert not any(step[2] for step in steps)


def test_the_terminal_value_is_that_of_the_horizon_however_long_the_last_step_was(worlds):
    still = -np.ones(small_campaign(worlds).codec.size, dtype=np.float32)
    for form in REWARD_FORMS:
        long, short = (
            play(small_campaign(worlds, reward=form, daily_discount=0.9, decision_every=days), still)[-1][4]
            for days in (8, 3)
        )
        assert (long["dt"], short["dt"]) == (8, 3)
        assert long["terminal_value"] == pytest.approx(short["terminal_value"])
        for info in (long, short):
            paid = info["terminal_value"] * 0.9 ** info["dt"]
            assert info["reward_terms"]["terminal"] == pytest.approx(paid)


def test_the_terminal_value_has_the_words_of_the_other_environments(worlds):
    act = encoded(small_campaign(worlds))
    named, plain, default = (
        play(small_campaign(worlds[:1], **given), act)
        for given in ({"terminal_value": "run_out"}, {"terminal_value": True}, {})
    )
    assert [step[1] for step in named] == [step[1] for step in plain] == [step[1] for step in default]
    env = small_campaign(worlds, terminal_value=False)
    _, start = env.reset(seed=0)
    steps = play(env, act)
    for info in (start, *(step[4] for step in steps)):
        assert "terminal_value" not in info
        assert info["reward_terms"]["terminal"] == 0.0


def test_attribution_gives_the_campaign_every_purchase_after_a_contact(worlds):
    env = small_campaign(worlds, reward="attributed", terminal_value=False)
    env.sink = log = log_of(worlds[0].world)
    env.daily_discount = 1.0
    total = sum(step[4]["reward_terms"]["attributed"] for step in play(env, encoded(env, intensity=1.0)))
    contacts, responses = log.table("contacts"), log.table("responses")
    reached = contacts["status"] == 0
    moment = contacts["day"].astype(np.int64) * 1440 + contacts["minute"]
    expected = 0
    for j in np.flatnonzero(responses["action"] >= 2):
        day, now = responses["day"][j], int(responses["day"][j]) * 1440 + int(responses["minute"][j])
        own = reached & (contacts["cardholder"] == responses["cardholder"][j])
        before = (contacts["day"] < day) | (
            (contacts["day"] == day) & (contacts["ordinal"] < responses["ordinal"][j])
        )
        if (own & before & (now - moment <= 14 * 1440)).any():
            expected += int(responses["value_mfen"][j])
    assert expected > 0
    assert total == pytest.approx(expected * 1e-5 / 150)


def test_costs_are_what_the_log_counts():
    worlds = campaign_worlds(n=400, seeds=(7,))
    env = small_campaign(worlds, terminal_value=False)
    env.sink = log = log_of(worlds[0].world)
    steps = play(env, encoded(env, intensity=1.0, cap=4))
    total = {name: sum(step[4]["costs"][name] for step in steps) * 0.4 for name in COSTS}
    consents, contacts, complaints = log["consents"], log["contacts"], log["complaints"]
    assert total["unsubscribes"] == pytest.approx((consents["change"] == 0).sum())
    assert total["off_switches"] == pytest.approx((consents["change"] == 2).sum())
    assert total["complaints"] == pytest.approx((complaints["complaint"] == 0).sum())
    assert total["blocked"] == pytest.approx((contacts["status"] == 2).sum())
    assert total["over_cap"] == pytest.approx(contacts["rule"].isin([7, 8, 9, 10]).sum())
    assert total["unsubscribes"] > 0


def test_copies_go_on_alike(worlds):
    env = small_campaign(worlds)
    act = random_actions(env)
    env.reset(seed=1)
    env.step(act(0))
    copies = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    want = [env.step(act(1)), env.step(act(2)), env.step(act(3)), env.reset()]
    for other in copies:
        for mine, theirs in zip(
            want, [other.step(act(1)), other.step(act(2)), other.step(act(3)), other.reset()], strict=True
        ):
            np.testing.assert_array_equal(mine[0], theirs[0])
            assert mine[1:] == theirs[1:]


@pytest.mark.parametrize("mode", [None, "sync", "async"])
@pytest.mark.parametrize("autoreset", ["NextStep", "SameStep"])
def test_a_vector_of_them_steps_like_each(mode, autoreset):
    """`make_vec` as Gymnasium does it: one after the other, or one process each."""
    register()
    if mode == "async":
        # Workers are not forked: whoever runs tests may have threads.
        given = {"vectorization_mode": mode, "vector_kwargs": {"context": "spawn"}}
    else:
        given = {} if mode is None else {"vectorization_mode": mode}
    if autoreset == "SameStep":
        given["vector_kwargs"] = {**given.get("vector_kwargs", {}), "autoreset_mode": autoreset}
    vector = gym.make_vec("CardArena/Campaign-v0", num_envs=2, **given, **REGISTERED)
    try:
        singles: list[Any] = [gym.make("CardArena/Campaign-v0", **REGISTERED).unwrapped for _ in range(2)]
        assert vector.single_action_space == singles[0].action_space
        assert vector.single_observation_space == singles[0].observation_space
        assert vector.metadata["autoreset_mode"].value == autoreset
        seen, _ = vector.reset(seed=3)
        for i, env in enumerate(singles):
            np.testing.assert_array_equal(seen[i], env.reset(seed=3 + i)[0])
        act = random_actions(singles[0])
        ended = [False] * 2
        for step in range(5):
            seen, reward, _, over, info = vector.step(np.stack([act(step), act(step + 10)]))
            for i, env in enumerate(singles):
                if ended[i]:
                    ended[i] = False
                    np.testing.assert_array_equal(seen[i], env.reset()[0])
                    continue
                own = env.step(act(step + 10 * i))
                assert reward[i] == own[1]
                assert over[i] == own[3]
                last = seen[i]
                if over[i] and autoreset == "SameStep":
                    last = info["final_obs"][i]
                    np.testing.assert_array_equal(seen[i], env.reset()[0])
                elif over[i]:
                    ended[i] = True
                np.testing.assert_array_equal(last, own[0])
            assert (step == 2) == bool(over.any())
    finally:
        vector.close()


def test_the_docstring_names_every_column(worlds):
    env = small_campaign(worlds)
    text = CampaignEnv.__doc__ or ""
    for name in env.feature_names:
        stem = name.split(".")[-1]
        for channel in CHANNELS:
            stem = stem.removesuffix(channel) + "<channel>" if stem.endswith(f"_{channel}") else stem
        assert f"`{stem}`" in text, name
    for name in (*REWARD_TERMS, *COSTS):
        assert f"`{name}`" in text
    assert env.observation_space.shape == (len(env.feature_names),)
    assert env.action_space.shape == (len(env.action_names),)


def test_truth_is_a_copy(worlds):
    env = small_campaign(worlds)
    env.reset(seed=0)
    env.truth()["trust"] = -1.0
    assert env.truth()["trust"].min() >= 0.0


def test_render_is_one_line(worlds):
    env = small_campaign(worlds, render_mode="ansi")
    env.reset(seed=0)
    env.step(encoded(env))
    line = env.render()
    assert line is not None
    assert f"day 7 of {HORIZON}" in line
    assert "\n" not in line
    assert small_campaign(worlds).render() is None


def test_what_makes_no_sense_is_refused(worlds):
    with pytest.raises(UnknownNameError, match="did you mean 'paired'"):
        small_campaign(worlds, reward="pared")
    with pytest.raises(UnknownNameError, match="unknown channel 'fax'"):
        small_campaign(worlds, channels=("fax",))
    for wrong, words in (
        ({"decision_every": 0}, "decision_every: expected a whole number from 1"),
        ({"horizon": 0}, "horizon: expected"),
        ({"terminal_value": "fitted"}, "terminal_value: expected True, 'run_out' or False, found 'fitted'"),
        ({"daily_discount": 1.1}, "daily_discount: expected"),
        ({"channels": ("sms", "sms")}, "different names"),
    ):
        with pytest.raises(CardArenaError, match=words):
            small_campaign(worlds, **wrong)
    with pytest.raises(CardArenaError, match="worlds: expected one or more"):
        small_campaign([])
    env = small_campaign(worlds)
    with pytest.raises(CardArenaError, match="expected a reset first"):
        env.step(np.zeros(env.codec.size))
    env.reset(seed=0)
    with pytest.raises(CardArenaError, match="action: expected 20 finite numbers"):
        env.step(np.zeros(3))
    with pytest.raises(CardArenaError, match="option 'world'"):
        env.reset(options={"cardholder": 3})
    with pytest.raises(CardArenaError, match="expected 0 to 1, found 2"):
        env.reset(options={"world": 2})
    played = small_world(20)
    played.play(Silent(), 1)
    with pytest.raises(CardArenaError, match="at day 0, found day 1"):
        type(worlds[0])(played, worlds[0].make_run_out)
