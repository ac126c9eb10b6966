"""A trained folder as a policy: what it keeps, and that it chooses what its outputs say."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.fakes.agents.fake_bank import AT, make_brief, make_features, make_view
from tests.fakes.agents.small_agent import small_agent

from cardarena.agents.registry import make_policy
from cardarena.agents.rl import policy as policies
from cardarena.agents.rl.arms import choice_of
from cardarena.agents.rl.card import Actions
from cardarena.agents.rl.policy import TrainedPolicy
from cardarena.benchmarks.arena.entries import make_plan
from cardarena.simulator.contracts import Contacts, Policy
from cardarena.simulator.errors import PolicyError, UnknownNameError
from cardarena.simulator.names import CHANNELS
from cardarena.simulator.world import World

N = 200
FORMS = {
    "factored": {},
    "greedy": {"actions__choice": "greedy"},
    "flat": {"actions__form": "flat"},
    "values": {"actions__form": "flat", "actions__scores": "values", "actions__choice": "greedy"},
    "lstm": {"network__memory": {"cell": "lstm", "units": 4}},
    "gru": {"network__memory": {"cell": "gru", "units": 4}},
    "stacked": {"observation__frames": 3},
}


def actions_of(**changes: Any) -> Actions:
    plain = {
        "form": "flat",
        "choice": "sampled",
        "offers": ("grocery_coupon", "bill_instalment"),
        "channels": ("app_push", "sms"),
        "depths": ("generic", "segment"),
    }
    return Actions.model_validate(plain | changes)


def everything_open(shape: tuple[int, int]) -> Any:
    return lambda who, depth: np.ones((len(who), *shape), dtype=bool)


def play(policy: Policy, days: range, brief: Any, **how: Any) -> list[Contacts]:
    return [
        policy.decide(make_view(brief, day, names=getattr(policy, "features", None), **how)) for day in days
    ]


def same(a: list[Contacts], b: list[Contacts]) -> bool:
    names = ("cardholder", "offer", "channel", "depth", "minute", "priority", "propensity")
    return all(np.array_equal(getattr(x, c), getattr(y, c)) for x, y in zip(a, b, strict=True) for c in names)


@pytest.mark.parametrize("form", FORMS)
def test_a_folder_plays_within_the_rules(tmp_path: Path, form: str) -> None:
    small_agent(tmp_path / "mine", **FORMS[form])
    policy = make_policy(str(tmp_path / "mine"))
    assert isinstance(policy, TrainedPolicy)
    assert (policy.name, policy.league) == ("small", "simulator")
    brief = make_brief(N)
    policy.reset(brief, 3)
    rng = np.random.Generator(np.random.Philox(3))
    total = 0
    for day in range(4):
        x = make_features(N, seed=day)
        for column in ("is_open", "permitted_sms", "permitted_app_push", "personalisation_on"):
            x[AT[column]] = rng.random(N) < 0.6
        view = make_view(brief, day, names=policy.features, features=x)
        contacts = policy.decide(view).checked(
            policy="small", n_cardholders=N, n_offers=len(brief.offers), n_channels=len(CHANNELS), minute=0
        )
        total += len(contacts)
        assert (np.diff(contacts.cardholder) > 0).all()
        for who, offer, channel, depth, minute in zip(
            *(getattr(contacts, c) for c in ("cardholder", "offer", "channel", "depth", "minute")),
            strict=True,
        ):
            assert view.allowed(int(offer), int(channel), int(depth), int(minute))[who]
            assert brief.offer_names[offer] in policy.card.actions.offers
            assert CHANNELS[channel] in policy.card.actions.channels
        assert all("prefers it to nothing" in reason for reason in policy.explain(contacts))
    assert total > 0


@pytest.mark.parametrize("form", FORMS)
def test_state_goes_on_equally_and_reset_forgets(tmp_path: Path, form: str) -> None:
    small_agent(tmp_path, **FORMS[form])
    one, two = TrainedPolicy(tmp_path), TrainedPolicy(tmp_path)
    brief = make_brief(N)
    one.reset(brief, 3)
    first = play(one, range(3), brief)
    two.reset(brief, 3)
    two.load_state(one.state())
    assert same(play(one, range(3, 6), brief), play(two, range(3, 6), brief))
    one.reset(brief, 3)
    assert same(play(one, range(3), brief), first)


@pytest.mark.parametrize("form", ["lstm", "stacked"])
def test_memory_matters(tmp_path: Path, form: str) -> None:
    small_agent(tmp_path, **FORMS[form])
    one, two = TrainedPolicy(tmp_path), TrainedPolicy(tmp_path)
    brief = make_brief(N)
    for policy in (one, two):
        policy.reset(brief, 3)
    play(one, range(3), brief)
    assert not same(play(one, range(3, 4), brief), play(two, range(3, 4), brief))


@pytest.mark.parametrize("form", ["factored", "greedy"])
def test_only_a_sampled_choice_has_luck(tmp_path: Path, form: str) -> None:
    small_agent(tmp_path, **FORMS[form])
    brief = make_brief(N)
    runs = []
    for seed in (3, 4):
        policy = TrainedPolicy(tmp_path)
        policy.reset(brief, seed)
        runs.append(play(policy, range(2), brief))
    assert same(*runs) == (form == "greedy")


@pytest.mark.parametrize("form", ["factored", "lstm"])
def test_blocks_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    small_agent(tmp_path, **FORMS[form])
    brief = make_brief(N)
    runs = []
    for block in (4096, 64):
        monkeypatch.setattr(policies, "BLOCK", block)
        policy = TrainedPolicy(tmp_path)
        policy.reset(brief, 3)
        runs.append(play(policy, range(3), brief))
    for name in ("cardholder", "offer", "channel", "depth"):
        assert all(np.array_equal(getattr(a, name), getattr(b, name)) for a, b in zip(*runs, strict=True))


def test_offers_that_the_bank_does_not_stock_are_never_chosen(tmp_path: Path) -> None:
    small_agent(tmp_path)
    policy = TrainedPolicy(tmp_path)
    policy.reset(make_brief(N, offers=["bill_instalment", "limit_increase"]), 3)
    (contacts,) = play(policy, range(1), policy.brief)
    assert len(contacts)
    assert set(contacts.offer.tolist()) == {policy.brief.offer_names.index("bill_instalment")}


@pytest.mark.parametrize("form", ["factored", "greedy", "flat", "values"])
def test_the_dial_acts(tmp_path: Path, form: str) -> None:
    small_agent(tmp_path, **FORMS[form])
    brief, volumes = make_brief(N), []
    for dial in (-6.0, 0.0, 6.0):
        policy = make_policy(str(tmp_path), dial)
        policy.reset(brief, 3)
        volumes.append(sum(map(len, play(policy, range(4), brief))))
    assert volumes[0] < volumes[1] <= volumes[2]
    assert volumes[2] > volumes[0] + N


def test_the_price_is_seen_within_the_range_of_training(tmp_path: Path) -> None:
    columns = [{"name": "contact_price"}]
    small_agent(
        tmp_path,
        observation__columns=columns,
        actions__choice="greedy",
        training__contact_price_cny=[0.0, 2.0],
    )
    policy = TrainedPolicy(tmp_path)
    brief = make_brief(N)
    outputs = []
    for price in (0, 150_000, 200_000, 900_000):
        policy.reset(brief, 3)
        view = make_view(brief, 0, names=policy.features, contact_price_mfen=price)
        outputs.append(policy._outputs(view, np.arange(1))[0])
    assert not np.allclose(outputs[0], outputs[1])
    assert not np.allclose(outputs[1], outputs[2])
    assert np.array_equal(outputs[2], outputs[3])


def test_drawn_arms_have_the_softmax_shares() -> None:
    actions = actions_of()
    rng = np.random.Generator(np.random.Philox(5))
    n = 40_000
    logits = rng.normal(size=(1, actions.outputs))
    open_pairs = np.array([[True, False], [True, True]])
    luck = rng.random((3, n))
    choice = choice_of(
        actions,
        np.repeat(logits, n, axis=0),
        np.arange(n),
        luck,
        0.0,
        lambda who, depth: np.broadcast_to(open_pairs, (len(who), 2, 2)),
    )
    kept = np.concatenate([[True], np.repeat(open_pairs.ravel(), 2)])
    share = np.where(kept, np.exp(logits[0]), 0.0)
    share /= share.sum()
    found = np.bincount(1 + choice.offer * 4 + choice.channel * 2 + choice.depth, minlength=9) / n
    error = 4.0 * np.sqrt(share[1:] * (1 - share[1:]) / n) + 1e-12
    assert (np.abs(found[1:] - share[1:]) <= error).all()
    np.testing.assert_allclose(
        choice.propensity, share[1 + choice.offer * 4 + choice.channel * 2 + choice.depth], atol=1e-5
    )


def test_factored_draws_are_independent_where_everything_is_open() -> None:
    actions = actions_of(form="factored")
    rng = np.random.Generator(np.random.Philox(6))
    n = 40_000
    logits = rng.normal(size=(1, actions.outputs))
    choice = choice_of(
        actions, np.repeat(logits, n, axis=0), np.arange(n), rng.random((3, n)), 0.0, everything_open((2, 2))
    )
    parts = [np.exp(part) / np.exp(part).sum() for part in np.split(logits[0], [2, 4, 6])]
    contact, offer, channel, depth = parts
    for o in range(2):
        for c in range(2):
            for d in range(2):
                p = contact[1] * offer[o] * channel[c] * depth[d]
                found = ((choice.offer == o) & (choice.channel == c) & (choice.depth == d)).sum() / n
                assert abs(found - p) < 4.0 * np.sqrt(p * (1 - p) / n)


def test_greedy_values_take_the_best_open_arm_or_nothing() -> None:
    actions = actions_of(scores="values", choice="greedy")
    rng = np.random.Generator(np.random.Philox(7))
    values = rng.normal(size=(300, actions.outputs))
    values[:, 0] += 1.0
    is_open = rng.random((300, 2, 2, 2)) < 0.5
    choice = choice_of(
        actions, values, np.arange(300), None, 0.0, lambda who, depth: is_open[who, :, :, depth]
    )
    masked = np.where(is_open.reshape(300, -1), values[:, 1:], -np.inf)
    wanted = np.flatnonzero(masked.max(axis=1) > values[:, 0])
    assert 0 < len(wanted) < 300
    assert np.array_equal(choice.who, wanted)
    assert np.array_equal(choice.offer * 4 + choice.channel * 2 + choice.depth, masked[wanted].argmax(axis=1))
    np.testing.assert_allclose(choice.score, masked[wanted].max(axis=1) - values[wanted, 0], atol=1e-5)


def test_it_plays_in_a_world_without_torch(tmp_path: Path) -> None:
    small_agent(tmp_path)
    script = (
        "import sys; from cardarena.agents.registry import make_policy; from cardarena.simulator.world import World\n"
        "sys.modules['torch'] = None\n"
        f"log = World.create('baseline', 1, n_cardholders=64, threads=1).run(make_policy({str(tmp_path)!r}), days=3)\n"
        "print(len(log['contacts']), 'torch' in [m for m in sys.modules if sys.modules[m]])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    contacts, has_torch = done.stdout.split()
    assert int(contacts) > 0
    assert has_torch == "False"


def test_schedulers_agree_on_its_contacts(tmp_path: Path) -> None:
    small_agent(tmp_path, **FORMS["lstm"])
    digests = {
        World.create("baseline", 2, n_cardholders=40, threads=1, scheduler=scheduler)
        .run(TrainedPolicy(tmp_path), days=4)
        .digest()
        for scheduler in ("cohort", "agent")
    }
    assert len(digests) == 1


def test_the_arena_takes_a_folder_and_refuses_what_it_was_trained_on(tmp_path: Path) -> None:
    small_agent(tmp_path / "good")
    small_agent(tmp_path / "seen", training__world_seeds=[2, 1001])
    small_agent(tmp_path / "world", training__world="test_01")
    plan = make_plan(scenarios=["baseline"], policies=["silent", str(tmp_path / "good")])
    entry = plan.policies[1]
    assert (entry.label, entry.league) == ("small", "simulator")
    assert entry.digest
    with pytest.raises(PolicyError, match="expected training seeds other than the arena's 1 to 3, found 2"):
        make_plan(scenarios=["baseline"], policies=[str(tmp_path / "seen")])
    assert make_plan(scenarios=["baseline"], policies=[str(tmp_path / "seen")], n_seeds=1)
    with pytest.raises(PolicyError, match="expected a world that it was not trained in, found 'test_01'"):
        make_plan(scenarios=["baseline"], policies=[str(tmp_path / "world")], world="test_01")


def test_other_weights_are_another_entry(tmp_path: Path) -> None:
    entries = []
    for seed in (0, 1):
        small_agent(tmp_path / "a", seed=seed)
        entries.append(make_plan(scenarios=["baseline"], policies=[str(tmp_path / "a")]).policies[0])
    assert entries[0].digest != entries[1].digest


def test_a_folder_without_an_agent_and_an_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"expected a trained agent, found no agent\.json"):
        make_policy(str(tmp_path))
    with pytest.raises(UnknownNameError, match="did you mean 'silent'"):
        make_policy("silen")
