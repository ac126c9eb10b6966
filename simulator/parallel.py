"""Chunks of people on several threads: plain threads around compiled calls that let go of the interpreter's lock.

No OpenMP: its idle workers burn a core while they wait, and the log's writer wants that core. Threads take the next
chunk as they get free, so a thread that was held up costs its neighbours nothing.
"""

import itertools
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from cardarena.simulator.behaviour.neighbours import BLOCK

Result = TypeVar("Result")

#: The most people that one compiled call runs serially.
CHUNK: Final = 8192
#: Below this many people a second thread costs more than it brings.
PARALLEL_FROM: Final = 50_000


def even_chunks(n: int, threads: int) -> tuple[int, int]:
    """Return how many people make a chunk, and how many threads to use, for `in_chunks`.

    Chunks are alike, so that no thread waits for another's last one, and of whole blocks, in which views are shuffled.

    Args:
        n: how many people.
        threads: threads that there are.
    """
    threads = threads if n >= PARALLEL_FROM else 1
    rounds = max(1, -(-n // (CHUNK * threads)))
    each = -(-n // (rounds * threads))
    return max(1, min(CHUNK, n, -(-each // BLOCK) * BLOCK)), threads


def in_chunks(n: int, step: int, threads: int, work: Callable[[int, int, int], Result]) -> list[Result]:
    """Call `work(slot, first, last)` for consecutive ranges that cover [0, n); return the results in their order.

    Args:
        n: how many people.
        step: people in one chunk.
        threads: threads to use, the caller's included.
        work: does one chunk; `slot`, below `threads`, names scratch space that no other call uses at the same time.

    Raises:
        BaseException: whatever a call raised first; no further chunk is begun then.
    """
    firsts = range(0, n, step)
    threads = max(1, min(threads, len(firsts)))
    results: list[Result | None] = [None] * len(firsts)
    following = itertools.count()  # its next() is atomic
    failures: list[BaseException] = []

    def run(slot: int) -> None:
        try:
            while not failures and (t := next(following)) < len(firsts):
                results[t] = work(slot, firsts[t], min(n, firsts[t] + step))
        except BaseException as error:
            failures.append(error)

    others = [threading.Thread(target=run, args=(slot,), daemon=True) for slot in range(1, threads)]
    for other in others:
        other.start()
    run(0)
    for other in others:
        other.join()
    if failures:
        raise failures[0]
    return results  # pyright: ignore[reportReturnType]
