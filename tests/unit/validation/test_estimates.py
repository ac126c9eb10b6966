"""Ratios over people and seeds: against closed forms, and what a seed adds to the error."""

import numpy as np
import pytest

from cardarena.benchmarks.validation.designs import chosen_offer, lots, nth_open
from cardarena.benchmarks.validation.estimates import of_mean, ratio, ratio_of_ratios


def test_the_error_of_a_mean_is_the_textbook_one() -> None:
    values = np.random.default_rng(1).normal(5.0, 2.0, 10_000)
    mean, error = ratio([(values, np.ones(values.size))])
    assert mean == pytest.approx(values.mean())
    assert error == pytest.approx(values.std() / 100.0, rel=1e-6)


def test_seeds_that_differ_raise_the_error() -> None:
    ones = np.ones(100_000)
    noise = np.random.default_rng(2).normal(0.0, 0.1, ones.size)
    _, alike = ratio([(1.0 + noise, ones), (1.0 - noise, ones)])
    _, unlike = ratio([(1.1 + noise, ones), (0.9 - noise, ones)])
    assert alike < 0.001
    assert unlike == pytest.approx(0.1, rel=0.05)


def test_people_in_common_cancel_in_a_ratio_of_ratios() -> None:
    base = np.random.default_rng(3).gamma(1.0, 1.0, 20_000)
    ones = np.ones(base.size)
    value, error = ratio_of_ratios([(0.5 * base, ones)], [(base, ones)])
    assert value == pytest.approx(0.5)
    assert error < 1e-12
    shuffled = np.random.default_rng(4).permutation(base)
    _, apart = ratio_of_ratios([(0.5 * shuffled, ones)], [(base, ones)])
    assert apart == pytest.approx(0.5 * np.sqrt(2.0 / base.size), rel=0.1)


def test_nothing_over_nothing_is_no_number() -> None:
    nothing = np.zeros(5)
    assert np.isnan(ratio([(nothing, nothing)])[0])
    assert np.isnan(ratio_of_ratios([(nothing, nothing)], [(nothing, nothing)])[0])


def test_what_is_read_off_the_mean_curve() -> None:
    curves = [np.array([0.0, 1.0, 3.0]), np.array([0.0, 3.0, 1.0])]
    value, error = of_mean(lambda curve: float(curve.argmax()), curves)
    assert value == 1.0
    assert error == pytest.approx(0.5)


def test_lots_do_not_depend_on_the_number_of_people() -> None:
    few, many = lots(7, 1500, 2), lots(7, 4000, 2)
    np.testing.assert_array_equal(few, many[:, :1500])
    assert not np.array_equal(lots(7, 1500, 2, turn=1), few)
    assert not np.array_equal(lots(8, 1500, 2), few)


def test_turns_go_round_what_is_open() -> None:
    is_open = np.array([[False, True, True, False, True]] * 5 + [[False] * 5])
    np.testing.assert_array_equal(nth_open(is_open, np.array([0, 1, 2, 3, 4, 0])), [1, 2, 4, 1, 2, -1])
    lot = np.linspace(0.001, 0.999, 5)
    np.testing.assert_array_equal(chosen_offer(is_open[:5], lot), [1, 1, 2, 4, 4])
