"""What `traits` promises of one cardholder and of any range of them."""

import numpy as np
import pytest

from cardarena.simulator import names
from cardarena.simulator.errors import CardArenaError, UnknownNameError
from cardarena.simulator.population.generate import traits
from cardarena.simulator.population.kernel import fill, fill_parallel, level, log_amount, shuffled_segments
from cardarena.simulator.population.latents import cholesky, correlate, gamma_mean_one
from cardarena.simulator.population.schema import TRAITS
from cardarena.simulator.population.tables import AGE_EDGES, BLOCK, FLAGS, MODES, quotas, tables

_FLAGS = (*FLAGS, "gender", "refuses_secondary_use", "shares_no_preferences")
_OPEN_UNIT = ("personalisation_need", "privacy_limit", "deal_proneness", "satisfaction_home", "trust_home")
_POSITIVE = ("response_frailty", "frequency_tolerance", "activity_frailty", "credit_vulnerability")


@pytest.fixture(scope="module", params=MODES)
def people(request):
    return traits(11, 4096, request.param)


def test_one_cardholder_works():
    one = traits(3, 1)
    assert one.shape == (1,)
    assert one.dtype == TRAITS
    assert one["cardholder"][0] == 0


def test_every_field_is_filled_and_varies(people):
    for name in TRAITS.names or ():
        if name == "is_dormant":
            continue  # nobody is, in survey mode
        values = people[name].reshape(len(people), -1)
        assert (values.max(axis=0) > values.min(axis=0)).all(), name


def test_no_field_is_nan_or_infinite(people):
    for name in TRAITS.names or ():
        assert np.isfinite(people[name].astype(np.float64)).all(), name


def test_values_lie_in_the_range_that_the_schema_states(people):
    for name in _FLAGS:
        assert set(np.unique(people[name])) <= {0, 1}, name
    for name in _OPEN_UNIT:
        assert ((people[name] > 0.0) & (people[name] < 1.0)).all(), name
    for name in _POSITIVE:
        assert (people[name] > 0.0).all(), name
    assert ((people["cards_held"] >= 1) & (people["cards_held"] <= 6)).all()
    assert ((people["contexts"] >= 1) & (people["contexts"] < 1 << names.N_CONTEXTS)).all()
    assert (people["channel_liking"] > 0.0).all()
    assert (people["service_liking"] > 0.0).all()
    assert (people["tenure_days"] >= 30).all()


def test_traits_agree_with_one_another(people):
    band = np.digitize(people["age"], AGE_EDGES[1:-1])
    assert (band == people["age_band"]).all()
    income = np.digitize(people["income_fen"], 100 * np.array([10_000, 20_000, 30_000, 50_000, 100_000]))
    assert (income == people["income_band"]).all()
    assert ((people["wallet_home"] == 1.0) == (people["cards_held"] == 1)).all()
    assert (people["wallet_home"] > 0.0).all()
    assert (people["push_permitted"] <= people["has_app"]).all()
    assert (people["tenure_days"] <= (people["age"] - 18) * 365 + 182).all()


def test_survey_mode_has_nobody_dormant():
    assert traits(2, 5000)["is_dormant"].sum() == 0


def test_limits_are_granted_in_thousands_and_cover_the_spend(people):
    limit = people["credit_limit_fen"]
    assert (limit % 100_000 == 0).all()
    below = limit < 1.2 * people["monthly_spend_fen"] * people["wallet_home"]
    assert (limit[below] == 100_000_000).all()  # only where the largest limit binds


def test_every_block_holds_the_segment_quotas_in_its_own_order():
    blocks = traits(5, 3 * BLOCK)["segment"].reshape(3, BLOCK)
    for block in blocks:
        assert (np.bincount(block) == quotas()).all()
    assert (blocks[0] != blocks[1]).any()
    assert (traits(6, BLOCK)["segment"] != blocks[0]).any()


def test_quotas_are_within_one_cardholder_of_the_published_shares():
    published = np.array([17.6667, 12, 17.6667, 17.6667, 20, 16]) / 101.0001
    assert quotas().sum() == BLOCK
    assert np.abs(quotas() - published * BLOCK).max() < 1.0


def test_threads_change_nothing():
    serial, parallel = np.zeros(9000, TRAITS), np.zeros(9000, TRAITS)
    fill(np.uint64(9), np.int64(700), serial, tables("survey"))
    fill_parallel(np.uint64(9), np.int64(700), parallel, tables("survey"))
    assert (serial == parallel).all()


def test_the_highest_seed_and_id_are_accepted():
    assert traits(2**64 - 1, 1, first=2**32 - 1)["cardholder"][0] == 2**32 - 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"seed": -1, "count": 1}, "seed"),
        ({"seed": 2**64, "count": 1}, "seed"),
        ({"seed": 1, "count": 0}, "at least one"),
        ({"seed": 1, "count": 1, "first": -1}, "ids"),
        ({"seed": 1, "count": 2, "first": 2**32 - 1}, "ids"),
    ],
)
def test_what_cannot_be_keyed_is_refused(arguments, words):
    with pytest.raises(CardArenaError, match=words):
        traits(**arguments)


def test_an_unknown_mode_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'survey'"):
        traits(1, 1, "surveys")


def test_compiled_helpers_equal_their_plain_form():
    cuts, knots = np.array([-1.0, 0.0, 1.5]), np.array([1.0, 2.0, 4.0])
    for z in (-3.0, -1.0, -0.5, 0.0, 0.7, 1.5, 3.0):
        assert level(cuts, z) == level.py_func(cuts, z)
        assert log_amount(cuts, knots, 0.5, 0.8, z) == log_amount.py_func(cuts, knots, 0.5, 0.8, z)
    seed, quota = np.uint64(4), quotas()
    a, b = np.empty(BLOCK, np.int8), np.empty(BLOCK, np.int8)
    shuffled_segments(seed, 2, quota, a)
    shuffled_segments.py_func(seed, 2, quota, b)
    assert (a == b).all()
    for normal, uniform in ((0.3, 0.5), (-2.5, 0.9), (2.0, 0.9999999), (-9.0, 0.5)):
        arguments = (seed, 17, 20, 1.5, normal, uniform)
        assert gamma_mean_one(*arguments) == gamma_mean_one.py_func(*arguments)


def test_amounts_follow_the_knots_and_never_fall():
    cuts, knots = np.array([-1.0, 0.0, 1.5]), np.array([1.0, 2.0, 4.0])
    for cut, knot in zip(cuts, knots, strict=True):
        assert log_amount(cuts, knots, 0.5, 0.8, cut) == pytest.approx(knot, abs=1e-12)
    grid = [log_amount(cuts, knots, 0.5, 0.8, z) for z in np.linspace(-4.0, 4.0, 200)]
    assert (np.diff(grid) > 0.0).all()


def test_cholesky_agrees_with_lapack_and_correlates():
    pairs = [("privacy", "need", -0.3), ("income", "spend", 0.6), ("need", "income", 0.2)]
    lower = cholesky(pairs)
    matrix = lower @ lower.T
    assert np.allclose(lower, np.linalg.cholesky(matrix), atol=1e-12)
    assert matrix[2, 3] == pytest.approx(0.6)
    z = np.arange(24.0)
    expected = lower @ z
    correlate(lower, z)
    assert np.allclose(z, expected, atol=1e-12)


def test_correlations_that_contradict_are_refused():
    with pytest.raises(CardArenaError, match="contradict"):
        cholesky([("privacy", "need", 0.9), ("need", "income", 0.9), ("privacy", "income", -0.9)])
