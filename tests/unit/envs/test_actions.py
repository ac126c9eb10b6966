"""Actions are written and read as exact inverses; the wrappers say the same in other forms."""

from typing import Any, cast

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from tests.fakes.small_pools import ARGUMENTS, drawn_actions, small_pool

from cardarena.agents.gymnasium_ids import ENTRY_POINTS, register
from cardarena.simulator.envs.actions import ActionCodec
from cardarena.simulator.envs.wrappers import Constrained, FlatAction, FlatVectorAction, VectorReward
from cardarena.simulator.errors import UnknownNameError
from cardarena.simulator.names import CHANNELS

register()
ID = "CardArena/Cardholder-v0"


def codec_of(difficulty: str) -> ActionCodec:
    pool = small_pool()
    return ActionCodec.of(pool.rules, pool.stocked_channels(), difficulty)


@pytest.mark.parametrize("difficulty", ["easy", "standard"])
def test_flat_and_factored_are_inverses(difficulty: str) -> None:
    codec = codec_of(difficulty)
    everything = np.arange(codec.n_flat)
    factored = codec.unflatten(everything)
    np.testing.assert_array_equal(codec.flatten(factored), everything)
    assert len({tuple(row) for row in factored}) == codec.n_flat
    np.testing.assert_array_equal(codec.encode(*codec.decode(factored)), factored)


def test_difficulties_say_what_may_be_chosen() -> None:
    easy, standard, hard = (codec_of(name) for name in ("easy", "standard", "hard"))
    rules = small_pool().rules
    assert len(set(rules.offers["category"][easy.offers])) == easy.offers.size == 6
    assert [CHANNELS[c] for c in easy.channels] == ["app_push", "sms", "human_call"]
    assert (easy.n_depths, standard.n_depths) == (1, 3)
    assert standard.sizes == hard.sizes == (2, rules.offers.size, len(CHANNELS), 3)
    assert (standard.is_halved, hard.is_halved) == (False, True)
    with pytest.raises(UnknownNameError, match="did you mean 'easy'"):
        codec_of("eazy")


def test_codes_that_may_not_be_chosen_are_refused() -> None:
    easy = codec_of("easy")
    with pytest.raises(ValueError, match="expected codes among"):
        easy.encode(np.array([0]), np.array([CHANNELS.index("email")]), np.array([0]))


@pytest.mark.parametrize("p", [0.05, 0.4])
def test_priors_are_distributions_that_contact_with_their_chance(p: float) -> None:
    codec = codec_of("standard")
    flat = np.exp(codec.flat_prior(p))
    assert flat.sum() == pytest.approx(1.0)
    assert flat[1:].sum() == pytest.approx(p)
    at = 0
    for size, first in zip(codec.sizes, (1.0 - p, None, None, None), strict=True):
        part = np.exp(codec.prior(p)[at : at + size])
        assert part.sum() == pytest.approx(1.0)
        assert first is None or part[0] == pytest.approx(first)
        at += size


def wrapped(*wrappers: Any, **settings: Any) -> Any:
    env = gymnasium.make(ID, **ARGUMENTS, **settings)
    for wrapper in wrappers:
        env = wrapper(env)
    return env


def test_a_flat_action_is_its_factored_one() -> None:
    flat, factored = wrapped(FlatAction), wrapped()
    flat.reset(seed=3)
    factored.reset(seed=3)
    codec = flat.codec
    for t, actions in enumerate(drawn_actions(codec, 8, 1)):
        one = flat.step(int(codec.flatten(actions)))
        other = factored.step(actions)
        np.testing.assert_array_equal(one[0]["cardholder"], other[0]["cardholder"])
        assert one[1:4] == other[1:4], t
        mask = codec.flat_mask(other[4]["action_mask"])
        np.testing.assert_array_equal(one[4]["action_mask"], mask)
        np.testing.assert_array_equal(flat.action_masks(), mask)
        assert flat.action_space.contains(int(mask.argmax()))
    assert flat.action_prior(0.1).shape == (flat.action_space.n,)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("name", [ID, "CardArena/Trigger-v0"])
def test_flat_actions_of_a_vector_are_those_of_each(name: str, mode: str) -> None:
    settings: dict[str, Any] = {**ARGUMENTS, "horizon": 4, "terminal_value": False}
    native = FlatVectorAction(gymnasium.make_vec(name, num_envs=3, autoreset_mode=mode, **settings))
    single = gymnasium.vector.SyncVectorEnv(
        [lambda: FlatAction(gymnasium.make(name, **settings)) for _ in range(3)], autoreset_mode=mode
    )
    assert native.single_action_space == single.single_action_space
    assert native.action_space == single.action_space
    assert data_equivalence(native.reset(seed=7), single.reset(seed=7), exact=True)
    native.action_space.seed(2)
    endings = 0
    for _ in range(9):
        actions = native.action_space.sample()
        mine, theirs = native.step(actions), single.step(actions)
        assert data_equivalence(mine, theirs, exact=True)
        np.testing.assert_array_equal(native.action_masks(), mine[4]["action_mask"])
        endings += int((mine[2] | mine[3]).sum())
    assert endings >= 3
    assert native.action_prior(0.1).shape == (native.codec.n_flat,)


def test_a_flat_action_out_of_range_is_refused() -> None:
    flat = wrapped(FlatAction)
    flat.reset(seed=3)
    for wrong in (-1, flat.codec.n_flat):
        with pytest.raises(ValueError, match=f"flat actions: expected 0 to below .*, found {wrong}"):
            flat.step(wrong)
    flat.step(flat.codec.n_flat - 1)
    many = FlatVectorAction(gymnasium.make_vec(ID, num_envs=3, **ARGUMENTS))
    many.reset(seed=3)
    with pytest.raises(ValueError, match=r"flat actions, row 1: expected 0 to below .*, found -2"):
        many.step(np.array([0, -2, 1]))
    with pytest.raises(ValueError, match="expected shape"):
        many.step(np.array([0, 1]))
    for refused in ("CardArena/Slate-v0", "CardArena/Campaign-v0"):
        with pytest.raises(TypeError, match="expected a native vector environment with a factored action"):
            FlatVectorAction(gymnasium.make_vec(refused, num_envs=1, **ARGUMENTS))


@pytest.mark.parametrize("reward", ["gross", "attributed", "paired"])
def test_a_vector_reward_sums_to_the_scalar_one(reward: str) -> None:
    vector, scalar = wrapped(VectorReward, reward=reward), wrapped(reward=reward)
    vector.reset(seed=4)
    scalar.reset(seed=4)
    for actions in drawn_actions(cast(Any, scalar.unwrapped).codec, 8, 2):
        many, one = vector.step(actions)[1], scalar.step(actions)[1]
        assert many in vector.reward_space
        assert many.sum() == pytest.approx(one, abs=1e-12)


@pytest.mark.parametrize("name", sorted(ENTRY_POINTS))
def test_every_environment_serves_what_multi_objective_and_constrained_learners_ask_for(name: str) -> None:
    scalar: Any = gymnasium.make(name, **ARGUMENTS)
    assert not hasattr(scalar.unwrapped, "reward_space")
    env: Any = VectorReward(gymnasium.make(name, **ARGUMENTS))
    # What MO-Gymnasium's LinearReward and MORecordEpisodeStatistics do.
    weight = np.ones(shape=env.unwrapped.reward_space.shape)
    assert env.unwrapped.reward_space.shape[0] == env.unwrapped.reward_dim == len(env.terms)
    safe: Any = Constrained(gymnasium.make(name, **ARGUMENTS))
    for one in (env, scalar, safe):
        one.reset(seed=2)
    env.action_space.seed(2)
    for _ in range(2):
        action = env.action_space.sample()
        many, one, six = env.step(action), scalar.step(action), safe.step(action)
        assert many[1] in env.reward_space
        assert np.dot(many[1], weight) == pytest.approx(one[1], abs=1e-12)
        assert six[2] == pytest.approx(sum(one[4]["costs"][cost] for cost in safe.costs))
        assert six[1] == one[1]
    for reward in ("gross", "attributed", "paired"):
        core: Any = gymnasium.make(name, **ARGUMENTS, reward=reward).unwrapped
        assert core.reward_form == reward


def test_a_constrained_step_has_six_values() -> None:
    env = wrapped(lambda inner: Constrained(inner, costs=("blocked",)))
    env.reset(seed=0)
    total = 0.0
    for actions in drawn_actions(env.unwrapped.codec, 8, 3, share=1.0):
        _, _, cost, _, _, info = env.step(actions)
        assert cost == info["costs"]["blocked"] == info["cost"]
        total += cost
    assert total > 0.0
    with pytest.raises(UnknownNameError, match="unknown cost 'blocks'"):
        Constrained(wrapped(), costs=("blocks",))
