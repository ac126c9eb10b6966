"""A cardholder is a function of (seed, id): sizes, shards and threads cannot be seen in it."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cardarena.simulator.population.generate import traits
from cardarena.simulator.population.tables import MODES

_seeds = st.integers(0, 2**64 - 1)
_modes = st.sampled_from(MODES)


@settings(max_examples=25, deadline=None)
@given(seed=_seeds, mode=_modes, count=st.integers(1, 1500))
def test_a_population_is_the_beginning_of_one_twice_its_size(seed, mode, count):
    assert (traits(seed, 2 * count, mode)[:count] == traits(seed, count, mode)).all()


@settings(max_examples=25, deadline=None)
@given(seed=_seeds, mode=_modes, first=st.integers(0, 2500), count=st.integers(1, 500))
def test_a_shard_is_a_slice(seed, mode, first, count):
    assert (
        traits(seed, 3000, mode)[first : first + count] == traits(seed, count, mode, first)[: 3000 - first]
    ).all()


@settings(max_examples=25, deadline=None)
@given(seed=_seeds, other=_seeds)
def test_seeds_matter_and_nothing_else_does(seed, other):
    a, b = traits(seed, 64), traits(other, 64)
    assert (traits(seed, 64) == a).all()
    same = (a["privacy_concern"] == b["privacy_concern"]).all() and (
        a["response_frailty"] == b["response_frailty"]
    ).all()
    assert same == (seed == other)


def test_a_large_population_begins_like_a_small_one():
    # The large one runs on all threads, the small one does not.
    assert (traits(3, 60_000)[:2000] == traits(3, 2000)).all()


def test_neighbouring_ids_and_seeds_are_uncorrelated():
    a, b = traits(1, 20_000), traits(2, 20_000)
    bound = 4.5 / np.sqrt(20_000)
    for name in ("response_frailty", "trust_home", "privacy_limit", "channel_liking"):
        x, y = (p[name].reshape(len(p), -1)[:, 0] for p in (a, b))
        assert abs(np.corrcoef(x, y)[0, 1]) < bound, name
        assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < bound, name
