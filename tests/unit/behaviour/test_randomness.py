"""Philox against its published known answers; lanes are uniform; every argument of a draw moves the luck."""

import math
from typing import Any

import numpy as np
import pytest
from numba import njit
from scipy import stats

from cardarena.simulator.behaviour import randomness
from cardarena.simulator.behaviour.randomness import draw, philox4x32, unit

# Random123, kat_vectors: philox4x32 10 rounds.
ONES = 0xFFFFFFFF
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((ONES, ONES, ONES, ONES), (ONES, ONES), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_known_answers(counter: tuple[int, ...], key: tuple[int, ...], answer: str) -> None:
    words = philox4x32(*counter, *key)
    assert " ".join(f"{int(word):08x}" for word in words) == answer


@njit
def _lanes(seed, n, out):
    for i in range(n):
        out[0, i], out[1, i], out[2, i], out[3, i] = draw(seed, i, 3, 0, 12, 0, 1, 2, 3, 4)


@pytest.fixture(scope="module")
def lanes() -> np.ndarray:
    out = np.zeros((4, 50_000))
    _lanes(np.uint64(2**63 + 11), out.shape[1], out)
    return out


def test_lanes_are_uniform_and_independent(lanes: np.ndarray) -> None:
    for lane in lanes:
        assert stats.kstest(lane, "uniform").pvalue > 1e-4
    correlations = np.corrcoef(lanes)[np.triu_indices(4, 1)]
    assert np.all(np.abs(correlations) < 5 / math.sqrt(lanes.shape[1]))


def test_neighbouring_subjects_are_independent(lanes: np.ndarray) -> None:
    lagged = np.corrcoef(lanes[0, 1:], lanes[0, :-1])[0, 1]
    assert abs(lagged) < 5 / math.sqrt(lanes.shape[1])


BASE: dict[str, Any] = {
    "seed": np.uint64(99),
    "subject": 5,
    "day": 7,
    "domain": 0,
    "purpose": 12,
    "bank": 0,
    "channel": 3,
    "item": 4,
    "ordinal": 1,
    "index": 0,
}
EDGES = {
    "seed": (np.uint64(0), np.uint64(1), np.uint64(1 << 32), np.uint64(2**64 - 1)),
    "subject": (0, 1, 2**32 - 1),
    "day": (-4096, -1, 0, 61_439),
    "domain": (1, 2, 15),
    "purpose": (0, 1, 4095),
    "bank": (1, 15),
    "channel": (0, 1, 255),
    "item": (0, 1, 4095),
    "ordinal": (0, 2, 255),
    "index": (1, 2**32 - 1),
}


@pytest.mark.parametrize("argument", list(EDGES))
def test_every_argument_has_its_own_bits(argument: str) -> None:
    # One argument after the other runs through its edges: a field that overlapped another would repeat a draw.
    seen = {draw(*BASE.values())}
    for value in EDGES[argument]:
        seen.add(draw(*{**BASE, argument: value}.values()))
    assert len(seen) == 1 + len(EDGES[argument])


def test_no_two_edges_meet() -> None:
    seen = set()
    count = 0
    for argument, values in EDGES.items():
        for value in values:
            seen.add(draw(*{**BASE, argument: value}.values()))
            count += 1
    assert len(seen) == count


def test_units_stay_inside_the_open_interval() -> None:
    assert 0.0 < unit(np.uint32(0)) < unit(np.uint32(ONES)) < 1.0
    assert unit(np.uint32(0)) == 0.5 / 2**32


def test_purposes_are_never_reused() -> None:
    domains = {"CARDHOLDER", "SCENARIO"}
    purposes = {
        name: value
        for name, value in vars(randomness).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, int) and name not in domains
    }
    assert len(set(purposes.values())) == len(purposes) >= 15
    assert max(purposes.values()) < 2**12
