"""Every registered id keeps Gymnasium's and Stable-Baselines3's contracts, and is a function of its seed."""

import copy
import pickle
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from tests.fakes.small_pools import ARGUMENTS

from cardarena.agents.gymnasium_ids import ENTRY_POINTS, register
from cardarena.simulator.envs.rewards import COSTS, FORMS, TERMS
from cardarena.simulator.envs.wrappers import FlatAction

register()
#: Campaign-v0 takes other arguments and has no native vector version: tests of its own.
IDS = sorted(name for name, (_, vector) in ENTRY_POINTS.items() if vector)
CHECKED = [{}, {"reward": "paired"}, {"difficulty": "hard"}, {"offer_features": False, "difficulty": "easy"}]


def fitting(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings without a rhythm of decisions, where events time them."""
    if name != "CardArena/Cardholder-v0":
        return {key: value for key, value in settings.items() if key != "decision_every"}
    return settings


def made(name: str, **settings: Any) -> gymnasium.Env[Any, Any]:
    return gymnasium.make(name, **ARGUMENTS, **fitting(name, settings))


def test_every_id_is_known_to_gymnasium() -> None:
    for name in ENTRY_POINTS:
        assert gymnasium.spec(name).id == name


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("settings", CHECKED)
def test_gymnasium_finds_nothing_to_complain_of(name: str, settings: dict[str, Any]) -> None:
    check_env(made(name, **settings).unwrapped)


#: What keeps Stable-Baselines3's interface: `VectorReward` and `Constrained` give other things back than it takes. Campaign-v0's
#: check stands beside its other tests.
WRAPPED = [
    *((name, None) for name in IDS),
    ("CardArena/Cardholder-v0", FlatAction),
    ("CardArena/Trigger-v0", FlatAction),
]


@pytest.mark.rl
@pytest.mark.parametrize(("name", "wrapper"), WRAPPED)
@pytest.mark.parametrize("settings", [{}, {"offer_features": False, "difficulty": "easy"}])
def test_stable_baselines3_finds_nothing_to_complain_of(
    name: str, wrapper: Any, settings: dict[str, Any]
) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    env = made(name, **settings)
    checker.check_env(env if wrapper is None else wrapper(env), warn=True)


def trajectory(env: gymnasium.Env[Any, Any], seed: int | None, steps: int = 25) -> list[Any]:
    """Return everything that an environment tells under actions drawn by lot."""
    env.action_space.seed(5)
    told: list[Any] = [env.reset(seed=seed)]
    for _ in range(steps):
        told.append(env.step(env.action_space.sample()))
        if told[-1][2] or told[-1][3]:
            told.append(env.reset())
    return told


def equal(a: list[Any], b: list[Any]) -> bool:
    return all(data_equivalence(x, y, exact=True) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("reward", FORMS)
def test_two_instances_of_a_seed_are_equal_and_another_seed_differs(name: str, reward: str) -> None:
    a, b, other = (trajectory(made(name, reward=reward), seed) for seed in (11, 11, 12))
    assert equal(a, b)
    assert not equal(a[:2], other[:2])


@pytest.mark.parametrize("name", IDS)
def test_a_copy_goes_on_as_the_original_would(name: str) -> None:
    env = made(name, difficulty="hard", contact_price=(0.0, 1.0))
    trajectory(env, 3, steps=4)
    for twin in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        space = copy.deepcopy(env.action_space)
        original = copy.deepcopy(env)
        for _ in range(15):
            action = space.sample()
            mine, its = original.step(action), twin.step(action)
            assert data_equivalence(mine, its, exact=True)
            if mine[2] or mine[3]:
                assert data_equivalence(original.reset(), twin.reset(), exact=True)


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_a_copy_of_a_vector_goes_on_as_the_original_would(name: str, mode: str) -> None:
    env: Any = gymnasium.make_vec(
        name, num_envs=6, autoreset_mode=mode, **ARGUMENTS, difficulty="hard", contact_price=(0.0, 1.0)
    )
    env.action_space.seed(4)
    env.reset(seed=3)
    for _ in range(4):
        env.step(env.action_space.sample())
    copies = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    before = [twin.truth() for twin in copies]
    endings = 0
    told = []
    for _ in range(15):
        actions = env.action_space.sample()
        told.append((actions, env.step(actions), env.action_masks()))
        endings += int((told[-1][1][2] | told[-1][1][3]).sum())
    # Into the next episodes, which are drawn; and the copies stayed where they were.
    assert endings >= 6
    for twin, then in zip(copies, before, strict=True):
        np.testing.assert_array_equal(twin.truth(), then)
        for actions, its, masks in told:
            assert data_equivalence(twin.step(actions), its, exact=True)
            np.testing.assert_array_equal(twin.action_masks(), masks)


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize(
    "settings",
    [
        {"reward": "gross", "difficulty": "hard", "contact_price": (0.1, 0.9)},
        {"reward": "attributed", "decision_every": 3, "offer_features": False},
        {"reward": "paired", "difficulty": "easy"},
    ],
)
def test_the_vector_version_is_the_single_one_many_times(
    name: str, mode: str, settings: dict[str, Any]
) -> None:
    native = gymnasium.make_vec(name, num_envs=4, autoreset_mode=mode, **ARGUMENTS, **fitting(name, settings))
    single = gymnasium.vector.SyncVectorEnv(
        [lambda: made(name, **settings) for _ in range(4)], autoreset_mode=mode
    )
    assert native.metadata["autoreset_mode"] is single.metadata["autoreset_mode"]
    assert native.observation_space == single.observation_space
    assert native.action_space == single.action_space
    native.action_space.seed(2)
    assert data_equivalence(native.reset(seed=7), single.reset(seed=7), exact=True)
    endings = 0
    for _ in range(26):
        actions = native.action_space.sample()
        mine, theirs = native.step(actions), single.step(actions)
        assert data_equivalence(mine, theirs, exact=True)
        endings += int((mine[2] | mine[3]).sum())
        assert mine[0] in native.observation_space
    assert endings >= 8


@pytest.mark.parametrize("name", IDS)
def test_without_autoreset_chosen_slots_are_reset(name: str) -> None:
    native = gymnasium.make_vec(name, num_envs=3, autoreset_mode="Disabled", **ARGUMENTS)
    single = gymnasium.vector.SyncVectorEnv([lambda: made(name)] * 3, autoreset_mode="Disabled")
    native.action_space.seed(2)
    native.reset(seed=1)
    single.reset(seed=1)
    for turn in range(9):
        actions = native.action_space.sample()
        mine, its = native.step(actions), single.step(actions)
        assert data_equivalence(mine, its, exact=True)
        # Whoever has come to an end, and now and then others too.
        which = mine[2] | mine[3]
        if turn % 3 == 2:
            which = which | np.array([turn != 5, turn >= 5, turn != 5])
        if which.any():
            options = {"reset_mask": which}
            mine, its = native.reset(options=dict(options)), single.reset(options=dict(options))
            assert data_equivalence(mine, its, exact=True)
    for _ in range(10):
        _, _, terminated, truncated, _ = native.step(native.action_space.sample())
        if (terminated | truncated).any():
            break
    with pytest.raises(gymnasium.error.ResetNeeded, match="reset_mask"):
        native.step(native.action_space.sample())


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("reward", FORMS)
def test_terms_have_constant_keys_and_sum_to_the_reward(name: str, reward: str) -> None:
    env = made(name, reward=reward, contact_price=0.2)
    told = trajectory(env, 4, steps=30)
    for answer in told:
        info = answer[-1]
        assert tuple(info["reward_terms"]) == TERMS
        assert tuple(info["costs"]) == COSTS
        if len(answer) == 5:
            assert sum(info["reward_terms"].values()) == answer[1]
