"""Law 3: no view, brief or observation reaches a latent field, the seed or the world's key; nor can a policy write back."""

import gc
import types
from typing import Any

import numpy as np
import pytest
from numba.core.errors import NumbaError
from tests.fakes.simple_policies import Calling, Scattered, Silent
from tests.fakes.small_worlds import small_world

from cardarena.simulator.bank.features import N_FEATURES, feature_row
from cardarena.simulator.bank.records import ACCOUNT
from cardarena.simulator.behaviour.person import PERSON
from cardarena.simulator.contracts import Brief, Contacts, View
from cardarena.simulator.errors import PolicyError
from cardarena.simulator.rules import TODAY
from cardarena.simulator.setup import policy_seed, world_key
from cardarena.simulator.state import WorldState
from cardarena.simulator.world import World

SEED = 987_654_321


def test_the_feature_function_takes_an_account_and_a_day_alone() -> None:
    out = np.zeros(N_FEATURES)
    feature_row(np.zeros(1, ACCOUNT)[0], np.zeros(1, TODAY)[0], out)
    for signature in feature_row.signatures:
        records = [repr(argument) for argument in signature]
        assert len(records) == 3
    with pytest.raises((NumbaError, KeyError)):
        feature_row(np.zeros(1, PERSON)[0], np.zeros(1, TODAY)[0], out)


def test_no_account_field_bears_a_latent_name() -> None:
    latent = set(PERSON.names or ()) - {"cardholder"}
    assert not latent & set(ACCOUNT.names or ())


def _reachable(root: Any, depth: int = 12) -> list[Any]:
    """Return every object that can be reached from `root` without passing through a module, a class or a global."""
    seen: dict[int, Any] = {}
    layer = [root]
    for _ in range(depth):
        following = []
        for thing in layer:
            if id(thing) in seen or isinstance(thing, types.ModuleType | type):
                continue
            seen[id(thing)] = thing
            if isinstance(thing, types.FunctionType):
                # What a function holds of its own: its closure. Its globals are the module's.
                following += [cell.cell_contents for cell in thing.__closure__ or ()]
                following += list(thing.__defaults__ or ())
                continue
            following += gc.get_referents(thing)
            if isinstance(thing, np.ndarray) and thing.base is not None:
                following.append(thing.base)
        layer = following
    return list(seen.values())


class Hostile(Scattered):
    """Walks whatever can be walked from what it is given."""

    def __init__(self) -> None:
        super().__init__(1, 0.5)
        self.found: list[Any] = []

    def reset(self, brief: Brief, policy_seed: int) -> None:
        super().reset(brief, policy_seed)
        self.found += _reachable(brief)

    def decide(self, view: View) -> Contacts:
        self.found += _reachable(view)
        return super().decide(view)

    def learn(self, feedback: Any) -> None:
        self.found += _reachable(feedback)


def _truths(things: list[Any], world: World) -> list[str]:
    key = world.state.seed
    out = []
    for thing in things:
        if isinstance(thing, World | WorldState):
            out.append(type(thing).__name__)
        elif isinstance(thing, np.ndarray) and thing.dtype.names:
            latent = set(thing.dtype.names) & {
                "theta",
                "tolerance",
                "privacy_limit",
                "need",
                "response_frailty",
            }
            if latent:
                out.append(f"array with {sorted(latent)}")
        elif isinstance(thing, int | np.integer) and int(thing) in (SEED, key):
            out.append("the seed")
    return out


def test_a_hostile_policy_finds_no_truth() -> None:
    world = small_world(60, SEED)
    policy = Hostile()
    world.play(policy, 3)
    assert len(policy.found) > 200
    assert _truths(policy.found, world) == []


def test_the_search_would_find_a_leak() -> None:
    world = small_world(60, SEED)
    policy = Hostile()
    policy.oracle, policy.league = True, "privileged"
    world.play(policy, 1)
    assert {"WorldState"} <= set(_truths(policy.found, world))


def test_an_oracle_in_a_ranked_league_is_refused() -> None:
    policy = Scattered(1, 0.5)
    policy.oracle = True
    with pytest.raises(PolicyError, match="privileged"):
        small_world(20).run(policy, 1)


def test_only_an_oracle_gets_the_truth() -> None:
    seen = []
    small_world(20).play(Calling(lambda view: seen.append(view.truth) or Contacts.none()), 1)
    assert seen == [None]


def test_the_policy_seed_does_not_give_the_key_away() -> None:
    keys = [world_key(seed) for seed in range(200)]
    seeds = [policy_seed(key) for key in keys]
    assert len(set(seeds)) == len(set(keys)) == 200
    assert not set(seeds) & set(keys)
    assert max(seeds) < 2**48


def test_ids_in_a_view_are_not_the_true_ones() -> None:
    world = small_world(400)
    ages = []
    world.play(Calling(lambda view: ages.append(view["age"].copy()) or Contacts.none()), 1)
    true = world.state.accounts["age"]
    assert not np.array_equal(ages[0], true)
    np.testing.assert_array_equal(ages[0], true[world.order])


def test_views_and_briefs_cannot_be_written() -> None:
    world = small_world(40)

    def decide(view: View) -> Contacts:
        for array in (view["age"], view.matrix()):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0
        return Contacts.none()

    policy = Calling(decide)
    world.play(policy, 1)
    assert policy.brief is not None
    for array in (policy.brief.offers, policy.brief.channels, policy.brief.caps["channel_week"]):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = np.zeros(1, array.dtype)[0]
    with pytest.raises(AttributeError):
        policy.brief.days = 3  # pyright: ignore[reportAttributeAccessIssue]


def test_what_a_policy_does_to_its_own_copies_changes_nothing() -> None:
    class Vandal(Scattered):
        def decide(self, view: View) -> Contacts:
            view.matrix(["age", "is_open"])[...] = 7
            view.blocked_by(0, 3)[...] = 1
            contacts = super().decide(view)
            return contacts

    digests = {small_world(60).run(policy, 3).digest() for policy in (Vandal(1, 0.5), Scattered(1, 0.5))}
    assert len(digests) == 1


def test_the_logged_history_is_sealed_because_forks_share_it() -> None:
    world = small_world(80, overrides={"logged_history": True, "horizon.burn_in_days": 30})
    world.burn_in(lambda _: Silent())
    assert world.history is not None
    assert world.fork().history is world.history
    with pytest.raises(ValueError, match="read-only"):
        world.history.features[0, 0] = 1.0


def test_what_is_switched_off_or_not_consented_to_is_masked() -> None:
    world = small_world(300)
    world.play(Silent(), 20)
    accounts = world.state.accounts
    views = []
    accounts["personalisation_on"][:100] = 0
    accounts["sensitive_consent"][100:200] = 0
    accounts["personalisation_on"][100:] = 1
    accounts["sensitive_consent"][200:] = 1
    accounts["tracked"][200:250] = 0
    accounts["tracked"][250:] = 2
    world.play(Calling(lambda view: views.append(view) or Contacts.none()), 1)
    view = views[0]

    def of(name: str, rows: slice) -> np.ndarray:
        return view[name][world.view_id][rows]

    assert np.all(of("behaviour_missing", slice(0, 100)) == 1)
    for name in (
        "spend_28d_cny",
        "recency_days",
        "visits_28d",
        "precursor_7d_daily",
        "context_spend_28d_daily_cny",
    ):
        assert np.all(of(name, slice(0, 100)) == 0), name
    assert np.all(of("context_spend_28d_daily_cny", slice(100, 200)) == 0)
    assert np.any(of("spend_28d_cny", slice(100, 200)) > 0)
    assert np.all(of("visits_28d", slice(200, 250)) == 0)
    assert np.all(of("visits_missing", slice(200, 250)) == 1)
    assert np.any(of("visits_28d", slice(250, 300)) > 0)
    assert np.any(of("context_spend_28d_daily_cny", slice(250, 300)) > 0)
