"""Chunks on threads: every chunk once, results in order, and the first failure comes out."""

import threading

import pytest

from cardarena.simulator.behaviour.neighbours import BLOCK
from cardarena.simulator.parallel import CHUNK, even_chunks, in_chunks


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("n", [1, 7, 64, 1000])
def test_every_chunk_is_done_once_and_in_order(n: int, threads: int) -> None:
    ranges = in_chunks(n, 64, threads, lambda slot, first, last: (first, last))
    assert [first for first, _ in ranges] == list(range(0, n, 64))
    assert [last for _, last in ranges] == [*range(64, n, 64), n]


def test_nobody_means_no_chunk() -> None:
    assert in_chunks(0, 64, 2, lambda slot, first, last: 1) == []


@pytest.mark.parametrize("threads", [1, 2, 3, 16])
@pytest.mark.parametrize("n", [0, 1, 1000, 1025, 49_999, 50_000, 100_000, 131_073, 1_000_000])
def test_chunks_are_alike_and_of_whole_blocks(n: int, threads: int) -> None:
    each, used = even_chunks(n, threads)
    sizes = [last - first for first, last in in_chunks(n, each, 1, lambda _, first, last: (first, last))]
    assert sum(sizes) == n
    assert 1 <= each <= CHUNK
    assert all(size % BLOCK == 0 for size in sizes[:-1])
    assert used == (threads if n >= 50_000 else 1)
    # A thread has at most one chunk more than another, and so the work of a block more for every round before.
    rounds = -(-len(sizes) // used)
    assert each * rounds <= -(-n // used) + rounds * BLOCK


def test_no_two_calls_share_a_slot_at_a_time() -> None:
    busy: set[int] = set()
    guard = threading.Lock()

    def work(slot: int, first: int, last: int) -> int:
        with guard:
            assert slot not in busy
            busy.add(slot)
        threading.Event().wait(0.001)
        with guard:
            busy.remove(slot)
        return slot

    assert set(in_chunks(64, 1, 3, work)) <= {0, 1, 2}


@pytest.mark.parametrize("threads", [1, 3])
def test_a_failure_comes_out_and_ends_the_work(threads: int) -> None:
    begun: list[int] = []

    def work(_: int, first: int, last: int) -> None:
        begun.append(first)
        if first == 2:
            raise ValueError("third chunk")

    with pytest.raises(ValueError, match="third chunk"):
        in_chunks(1000, 1, threads, work)
    assert len(begun) < 1000
