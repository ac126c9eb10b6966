"""Processes beside this one, for work that is spread over cores."""

import multiprocessing
import signal
from concurrent.futures import ProcessPoolExecutor


def spawned(workers: int) -> ProcessPoolExecutor:
    """Return a pool of fresh processes that leave Ctrl-C to this one."""
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_ignore_interrupts)


def _ignore_interrupts() -> None:
    # Ctrl-C is the parent's to answer; a worker that also printed a traceback would only add noise.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
