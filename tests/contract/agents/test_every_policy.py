"""What every registered policy keeps, whatever it decides."""

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from tests.fakes.agents.fake_bank import AT, make_brief, make_features, make_feedback, make_history, make_view

from cardarena.agents.registry import make_policy, policy_names, policy_table
from cardarena.simulator.contracts import LEAGUES, Brief, Contacts, History, Policy

NAMES = policy_names()
STOCHASTIC = ("status_quo", "random", "linucb", "thompson")
N = 300
#: Long enough for a month-end, for the outcomes of a cold start to ripen and for two fits.
DAYS = 56


@lru_cache
def logged() -> History:
    return make_history(make_brief(N), rows=3_000)


def brief_for(name: str, n: int = N, cold: bool = False) -> Brief:
    is_logged = {row["name"]: row["league"] for row in policy_table()}[name] == "logged"
    return make_brief(n, history=logged() if is_logged and not cold else None)


def columns(policy: Policy) -> Any:
    return getattr(policy, "features", None)


def check(policy: Policy, contacts: Contacts, brief: Brief, minute: int = 0) -> Contacts:
    checked = contacts.checked(
        policy=policy.name,
        n_cardholders=brief.n_cardholders,
        n_offers=len(brief.offers),
        n_channels=len(brief.channels),
        minute=minute,
    )
    assert len(np.unique(checked.cardholder)) == len(checked), "one contact a person a decision"
    assert ((checked.minute >= 540) & (checked.minute < 1260)).all()
    return checked


def play(
    policy: Policy, brief: Brief, first: int = 0, last: int = DAYS, before: Contacts | None = None
) -> list[Contacts]:
    """Decide on every decision day from `first` to `last`, with feedback between."""
    decided, previous = [], before
    for day in range(first, last, policy.every_days):
        if previous is not None:
            policy.learn(make_feedback(day - policy.every_days, previous, brief.n_cardholders))
        view = make_view(brief, day, names=columns(policy), oracle=policy.oracle)
        previous = check(policy, policy.decide(view), brief)
        decided.append(previous)
    return decided


def same(a: list[Contacts], b: list[Contacts]) -> bool:
    return len(a) == len(b) and all(
        np.array_equal(getattr(x, name), getattr(y, name))
        for x, y in zip(a, b, strict=True)
        for name in (
            "cardholder",
            "offer",
            "channel",
            "depth",
            "minute",
            "priority",
            "propensity",
            "candidates",
        )
    )


@pytest.mark.parametrize("name", NAMES)
def test_card(name: str) -> None:
    policy = make_policy(name)
    card = {row["name"]: row for row in policy_table()}[name]
    assert isinstance(policy, Policy)
    assert policy.name == name
    assert policy.league in LEAGUES
    assert card["title"]
    assert card["description"].endswith(".")
    assert card["dial"]
    assert card["dial_default"] in card["dial_values"]
    assert name == "silent" or 3 <= len(card["dial_values"]) <= 5
    assert name in ("silent",) or "Dial:" in (type(policy).__doc__ or "")


@pytest.mark.parametrize("name", NAMES)
def test_two_instances_decide_alike(name: str) -> None:
    brief = brief_for(name)
    runs = []
    for _ in range(2):
        policy = make_policy(name)
        policy.reset(brief, 7)
        runs.append(play(policy, brief))
    assert same(*runs)
    assert (sum(map(len, runs[0])) > 0) == (name != "silent")


@pytest.mark.parametrize("name", NAMES)
def test_reset_forgets(name: str) -> None:
    brief = brief_for(name)
    policy = make_policy(name)
    policy.reset(brief, 7)
    first = play(policy, brief)
    policy.reset(brief, 7)
    assert same(first, play(policy, brief))


@pytest.mark.parametrize("name", STOCHASTIC)
def test_another_seed_decides_otherwise(name: str) -> None:
    brief = brief_for(name)
    runs = []
    for seed in (7, 8):
        policy = make_policy(name)
        policy.reset(brief, seed)
        runs.append(play(policy, brief))
    assert not same(*runs)


@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_state_goes_on_equally(name: str, cold: bool) -> None:
    brief = brief_for(name, cold=cold)
    one = make_policy(name)
    one.reset(brief, 7)
    middle = 28
    last = play(one, brief, 0, middle)[-1]
    state = one.state()
    assert_plain(state)
    two = make_policy(name)
    two.reset(brief, 7)
    two.load_state(state)
    assert same(play(one, brief, middle, DAYS, last), play(two, brief, middle, DAYS, last))


def assert_plain(value: Any) -> None:
    if isinstance(value, dict):
        assert all(isinstance(key, str) for key in value)
        for inner in value.values():
            assert_plain(inner)
    elif isinstance(value, list):
        for inner in value:
            assert_plain(inner)
    elif isinstance(value, np.ndarray):
        assert value.dtype.kind in "biuf"
    else:
        assert isinstance(value, (bool, int, float, str))


@pytest.mark.parametrize("name", NAMES)
def test_one_cardholder(name: str) -> None:
    brief = brief_for(name, n=1)
    policy = make_policy(name)
    policy.reset(brief, 7)
    play(policy, brief)


@pytest.mark.parametrize("name", NAMES)
def test_nobody_permitted(name: str) -> None:
    brief = brief_for(name)
    policy = make_policy(name)
    policy.reset(brief, 7)
    for day in range(0, 35, policy.every_days):
        view = make_view(brief, day, names=columns(policy), permitted=False, oracle=policy.oracle)
        assert len(policy.decide(view)) == 0


@pytest.mark.parametrize("name", NAMES)
def test_all_closed(name: str) -> None:
    brief = brief_for(name)
    policy = make_policy(name)
    policy.reset(brief, 7)
    closed = make_features(N, is_open=0.0)
    for day in range(0, 35, policy.every_days):
        view = make_view(brief, day, names=columns(policy), features=closed, oracle=policy.oracle)
        assert len(policy.decide(view)) == 0


@pytest.mark.parametrize("name", NAMES)
def test_no_budget_no_contacts(name: str) -> None:
    brief = brief_for(name)
    policy = make_policy(name)
    policy.reset(brief, 7)
    for day in range(0, 35, policy.every_days):
        view = make_view(brief, day, names=columns(policy), budget_left_mfen=0, oracle=policy.oracle)
        assert len(policy.decide(view)) == 0


@pytest.mark.parametrize("name", NAMES)
def test_asks_only_what_is_allowed(name: str) -> None:
    brief = brief_for(name)
    policy = make_policy(name)
    policy.reset(brief, 7)
    rng = np.random.Generator(np.random.Philox(3))
    for day in range(0, 35, policy.every_days):
        x = make_features(N, seed=day + 1)
        for column in (
            "is_open",
            "permitted_sms",
            "permitted_app_push",
            "personalisation_on",
            "sensitive_consent",
        ):
            x[AT[column]] = rng.random(N) < 0.6
        view = make_view(brief, day, names=columns(policy), features=x, oracle=policy.oracle)
        contacts = check(policy, policy.decide(view), brief)
        for row in range(len(contacts)):
            offer, channel, depth = (int(getattr(contacts, c)[row]) for c in ("offer", "channel", "depth"))
            minute, who = int(contacts.minute[row]), contacts.cardholder[row]
            assert view.allowed(offer, channel, depth, minute)[who]
            assert contacts.candidates is not None
            assert contacts.candidates[row] >> offer & 1


@pytest.mark.parametrize("name", NAMES)
def test_every_contact_has_a_reason(name: str) -> None:
    brief = brief_for(name)
    policy = make_policy(name)
    policy.reset(brief, 7)
    for day in range(0, 35, policy.every_days):
        contacts = policy.decide(make_view(brief, day, names=columns(policy), oracle=policy.oracle))
        reasons = policy.explain(contacts)
        assert len(reasons) == len(contacts)
        for reason, offer in zip(reasons, contacts.offer, strict=True):
            assert brief.offer_names[int(offer)] in reason
            assert "{" not in reason


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("silent",)])
def test_the_dial_acts(name: str) -> None:
    card = {row["name"]: row for row in policy_table()}[name]
    brief = brief_for(name)
    volumes = []
    # The made-up people buy so much that a price must be high to keep contacts away.
    most = max(card["dial_values"]) * (50.0 if "price" in card["dial"] else 1.0)
    for dial in (min(card["dial_values"]), most):
        policy = make_policy(name, dial=dial)
        policy.reset(brief, 7)
        volumes.append(sum(map(len, play(policy, brief))))
    assert volumes[0] != volumes[1]
