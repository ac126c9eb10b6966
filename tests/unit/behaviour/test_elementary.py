"""The elementary functions against libm and SciPy."""

import math

import numpy as np
import pytest
from numba import njit
from scipy import special

from cardarena.simulator.behaviour import elementary

RNG = np.random.Generator(np.random.Philox(1))


@njit
def _each(function, x, out):
    for i in range(x.size):
        out[i] = function(x[i])


def _values(function: object, x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    _each(function, x, out)
    return out


def _ulps(ours: np.ndarray, reference: np.ndarray) -> np.ndarray:
    return np.abs(ours - reference) / np.spacing(np.abs(reference))


def test_exp_is_within_one_ulp_of_libm() -> None:
    x = np.concatenate([RNG.uniform(-700, 700, 20_000), RNG.normal(0, 1, 20_000), np.array([0.0, 1.0, -1.0])])
    reference = np.array([math.exp(v) for v in x])
    assert _ulps(_values(elementary.exp, x), reference).max() <= 1.0


def test_exp_at_the_edges() -> None:
    assert elementary.exp(0.0) == 1.0
    assert elementary.exp(-1000.0) == 0.0
    assert elementary.exp(1000.0) == math.inf
    assert elementary.exp(709.7) == pytest.approx(math.exp(709.7), rel=3e-16)


def test_log_is_within_one_ulp_of_libm() -> None:
    x = np.concatenate(
        [
            np.exp(RNG.uniform(-700, 700, 20_000)),
            1.0 + RNG.normal(0, 1e-3, 20_000),
            RNG.uniform(0.5, 2, 20_000),
        ]
    )
    reference = np.array([math.log(v) for v in x])
    assert _ulps(_values(elementary.log, x), reference).max() <= 1.0
    assert elementary.log(1.0) == 0.0
    assert elementary.log(0.0) == -math.inf


def test_power_and_logistic() -> None:
    x, y = RNG.uniform(0.01, 50, 2000), RNG.uniform(-3, 3, 2000)
    ours = np.array([elementary.power(a, b) for a, b in zip(x, y, strict=True)])
    np.testing.assert_allclose(ours, x**y, rtol=5e-15)
    assert elementary.power(0.0, 2.0) == 0.0
    np.testing.assert_allclose(_values(elementary.logistic, y), special.expit(y), rtol=1e-15)


def test_normal_quantile_is_scipys() -> None:
    p = np.concatenate(
        [
            RNG.uniform(0, 1, 20_000),
            10.0 ** RNG.uniform(-300, -1, 5_000),
            1 - 10.0 ** RNG.uniform(-15, -1, 5_000),
        ]
    )
    p = p[(p > 0) & (p < 1)]
    np.testing.assert_allclose(
        _values(elementary.normal_quantile, p), special.ndtri(p), rtol=2e-14, atol=1e-15
    )
    assert elementary.normal_quantile(0.5) == 0.0
