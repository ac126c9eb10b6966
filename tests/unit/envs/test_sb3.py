"""The `VecEnv` for Stable-Baselines3 tells what the vector environment tells, and what a learner needs at an end."""

from typing import Any

import numpy as np
import pytest
from tests.fakes.small_pools import drawn_actions, small_pool

from cardarena.agents.sb3 import JourneysVecEnv
from cardarena.simulator.envs.cardholder import CardholderEnv
from cardarena.simulator.envs.slate import SlateVectorEnv
from cardarena.simulator.envs.trigger import TriggerVectorEnv
from cardarena.simulator.envs.vector import CardholderVectorEnv, JourneyVectorEnv

pytest.importorskip("stable_baselines3")
pytestmark = pytest.mark.rl
N = 6


def made(**settings: Any) -> JourneysVecEnv:
    return JourneysVecEnv(small_pool(), N, **settings)


@pytest.mark.parametrize("adds", [True, False])
@pytest.mark.parametrize("vector", [CardholderVectorEnv, TriggerVectorEnv, SlateVectorEnv])
def test_it_is_the_vector_environment_that_resets_in_the_same_step(
    vector: type[JourneyVectorEnv], adds: bool
) -> None:
    mine = made(kind=vector.kind, terminal_value=adds)
    other = vector(small_pool(), N, autoreset_mode="SameStep", terminal_value=adds, offer_features=False)
    mine.seed(5)
    np.testing.assert_array_equal(mine.reset(), other.reset(seed=5)[0])
    other.action_space.seed(3)
    returns, endings = np.zeros(N), 0
    for _ in range(22):
        actions = other.action_space.sample()
        observation, rewards, dones, infos = mine.step(actions)
        theirs = other.step(actions)
        np.testing.assert_array_equal(observation, theirs[0])
        np.testing.assert_array_equal(rewards, theirs[1].astype(np.float32))
        np.testing.assert_array_equal(dones, theirs[2] | theirs[3])
        np.testing.assert_array_equal(np.stack(mine.env_method("action_masks")), other.action_masks())
        returns += theirs[1]
        for i in np.flatnonzero(dones):
            endings += 1
            np.testing.assert_array_equal(infos[i]["terminal_observation"], theirs[4]["final_obs"][i])
            # The end that was paid for is not bootstrapped as well.
            assert infos[i]["TimeLimit.truncated"] is (bool(theirs[3][i]) and not adds)
            assert infos[i]["episode"]["r"] == pytest.approx(returns[i])
            returns[i] = 0.0
        assert all(not infos[i] for i in np.flatnonzero(~dones))
    assert endings >= N


def test_a_flat_action_is_its_factored_one() -> None:
    flat, factored = made(is_flat=True), made()
    for env in (flat, factored):
        env.seed(1)
        env.reset()
    for t in range(5):
        actions = drawn_actions(flat.codec, N, t)
        one, other = flat.step(flat.codec.flatten(actions)), factored.step(actions)
        np.testing.assert_array_equal(one[1], other[1])
    assert flat.action_masks().shape == (N, flat.action_space.n)


def test_the_offers_shown_are_those_of_the_menus() -> None:
    settings: dict[str, Any] = {"difficulty": "hard", "terminal_value": False, "offer_features": True}
    mine = made(**settings)
    other = CardholderVectorEnv(small_pool(), N, autoreset_mode="SameStep", **settings)
    mine.seed(5)
    shown, theirs = mine.reset(), other.reset(seed=5)[0]
    seen = set()
    for t in range(22):
        for name in ("cardholder", "offers"):
            np.testing.assert_array_equal(shown[name], theirs[name])
        assert shown["offers"].flags.writeable
        seen.add(shown["offers"].tobytes())
        actions = drawn_actions(mine.codec, N, t)
        shown, theirs = mine.step(actions)[0], other.step(actions)[0]
    assert len(seen) >= 3


def test_what_is_asked_of_one_journey_is_its_own() -> None:
    env = made()
    env.reset()
    masks = env.action_masks()
    np.testing.assert_array_equal(env.env_method("action_masks", indices=[4, 1]), masks[[4, 1]])
    np.testing.assert_array_equal(np.stack(env.env_method("action_masks")), masks)
    assert env.get_attr("is_flat", indices=2) == [False]


def test_options_are_the_single_environments_each_journeys_own() -> None:
    env = made(terminal_value=False)
    members = env.journeys.pool.base.members
    options: list[dict[str, Any]] = [
        {"cardholder": int(members[4]), "luck": 9},
        {},
        {"luck": 2**64 - 1},
        {"cardholder": int(members[7])},
        {},
        {"cardholder": int(members[4]), "luck": 9},
    ]
    env.seed(5)
    env.set_options(options)
    shown = env.reset()
    actions = np.tile(drawn_actions(env.codec, 1, 1, 1.0), (N, 1))
    told = env.step(actions)
    for i, given in enumerate(options):
        single = CardholderEnv(small_pool(), offer_features=False, terminal_value=False)
        np.testing.assert_array_equal(single.reset(seed=5 + i, options=given)[0], shown[i])
        step = single.step(actions[i])
        np.testing.assert_array_equal(step[0], told[0][i])
        assert np.float32(step[1]) == told[1][i]
    # Options hold for one reset; a dict is for all.
    assert not np.array_equal(env.reset()[0], shown[0])
    env.set_options({"cardholder": int(members[3])})
    env.reset()
    assert set(env.journeys.slots.journey["member"]) == {members[3]}
    env.set_options({"person": 3})
    with pytest.raises(ValueError, match="found \\['person'\\]"):
        env.reset()


def test_infos_are_one_list_emptied_where_something_was_told() -> None:
    env = made(horizon=2, terminal_value=False)
    env.seed(1)
    env.reset()
    still = np.zeros((N, 4), dtype=np.int64)
    first = env.step(still)[3]
    last = env.step(still)[3]
    assert last is first
    kept = list(last)
    assert all("episode" in info for info in kept)
    assert not any(env.step(still)[3])
    # What was told stays what it was.
    assert all("episode" in info for info in kept)


@pytest.mark.parametrize("offer_features", [True, False])
def test_a_learner_learns_on_it(offer_features: bool) -> None:
    from stable_baselines3 import PPO

    env = made(offer_features=offer_features)
    policy = "MultiInputPolicy" if offer_features else "MlpPolicy"
    model = PPO(policy, env, n_steps=8, batch_size=16, n_epochs=1, seed=0, device="cpu")
    model.learn(2 * 8 * N)
    assert model.num_timesteps == 2 * 8 * N
    assert len(model.ep_info_buffer or ()) > 0
