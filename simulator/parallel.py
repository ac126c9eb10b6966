"""Chunks of people on several threads: plain threads around compiled calls that let go of the interpreter's lock.

No OpenMP: its idle workers burn a core while they wait, and the log's writer wants that core. Threads take the next
chunk as they get free, so a thread that was held up costs its neighbours nothing.
"""

import itertools
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


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
