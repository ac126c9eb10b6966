"""Sampling errors against the formulas of the textbook, and against samples that are drawn again."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from cardarena.benchmarks.validation import sampling
from cardarena.benchmarks.validation.sampling import Estimate, jackknife, over_worlds


def _draws(key: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=key)).lognormal(0.0, 0.7, shape)


def test_a_share_has_the_binomial_error() -> None:
    one = sampling.share(np.arange(400) < 100, scale=100.0)
    assert one.value == 25.0
    assert one.error == pytest.approx(100.0 * math.sqrt(0.25 * 0.75 / 400))
    assert math.isnan(sampling.share([]).value)


def test_a_mean_has_the_error_of_a_mean() -> None:
    values = _draws(1, (500,))
    one = sampling.mean(values)
    assert one.value == pytest.approx(values.mean())
    assert one.error == pytest.approx(values.std(ddof=1) / math.sqrt(500))


def test_a_ratio_is_one_of_sums_and_knows_what_hangs_together() -> None:
    below = _draws(2, (300,))
    assert sampling.ratio(3.0 * below, below).error == pytest.approx(0.0, abs=1e-12)
    assert sampling.ratio(3.0 * below, below, scale=2.0).value == pytest.approx(6.0)
    assert math.isnan(sampling.ratio([1.0], [0.0]).value)


@pytest.mark.statistical
@pytest.mark.parametrize("statistic", [sampling.median, sampling.mean])
def test_errors_are_those_of_samples_drawn_again(statistic: Callable[[np.ndarray], Estimate]) -> None:
    many = [statistic(row) for row in _draws(3, (400, 200))]
    spread = np.std([one.value for one in many], ddof=1)
    # The sd of 400 values is known to 3.5 %; the errors themselves vary from sample to sample.
    assert np.mean([one.error for one in many]) == pytest.approx(spread, rel=0.15)


def test_the_jackknife_of_a_mean_is_the_error_of_the_mean() -> None:
    values = _draws(4, (100,))
    one = jackknife(100, lambda who: float(values[who].mean()), groups=100)
    assert one.value == pytest.approx(values.mean())
    assert one.error == pytest.approx(values.std(ddof=1) / 10.0)
    assert math.isnan(jackknife(1, lambda who: 1.0).error)


def test_worlds_that_differ_more_than_their_people_say_so() -> None:
    alike = over_worlds([Estimate(1.0, 0.3), Estimate(1.0, 0.4)])
    assert (alike.value, alike.error) == (1.0, pytest.approx(0.25))
    apart = over_worlds([Estimate(1.0, 0.01), Estimate(3.0, 0.01)])
    assert (apart.value, apart.error) == (2.0, pytest.approx(1.0))
    assert over_worlds([Estimate(1.0, 0.3)]) == Estimate(1.0, 0.3)
