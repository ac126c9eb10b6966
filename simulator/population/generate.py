"""Cardholders on demand: any range of ids of any seed, the same whatever the range asked for."""

from typing import Final

import numpy as np

from cardarena.simulator.errors import CardArenaError
from cardarena.simulator.population.kernel import fill, fill_parallel
from cardarena.simulator.population.schema import TRAITS
from cardarena.simulator.population.tables import tables

_PARALLEL_FROM: Final = 50_000  # below it, starting the threads costs more than they save


def traits(
    seed: int, count: int, mode: str = "survey", first: int = 0, table: np.ndarray | None = None
) -> np.ndarray:
    """Return the traits of `count` cardholders, from id `first` on.

    A cardholder is a pure function of (seed, id): a population of N is the beginning of one of 2N, and a shard is a
    slice. The privacy segments hold exactly in every block of 1,024 ids; all other marginals hold in expectation.

    Args:
        seed: world seed, 64 bits.
        count: number of cardholders, at least one.
        mode: `survey` (urban, active, as interviewed) or `population` (the Chinese card base).
        first: id of the first cardholder.
        table: record of `TABLES`, shape (1,), in place of the shipped one of the mode: see `survey.Survey.record`.

    Returns:
        Array of `TRAITS`, shape (count,).

    Raises:
        UnknownNameError: there is no such mode.
        CardArenaError: seed, count or ids outside what the random keys can tell apart.

    Example:
        >>> from cardarena.simulator.population.generate import traits
        >>> people = traits(seed=7, count=2048)
        >>> bool((traits(seed=7, count=24, first=1000) == people[1000:1024]).all())
        True

    References:
        Mastercard and Forrester Consulting, survey of 524 cardholders (March 2022); sources stand in `data/`.
    """
    table = tables(mode) if table is None else table
    if not 0 <= seed < 2**64:
        raise CardArenaError(f"a seed is a whole number from 0 to 2^64 - 1, found {seed}")
    if count < 1:
        raise CardArenaError(f"a population has at least one cardholder, found count {count}")
    if first < 0 or first + count > 2**32:
        raise CardArenaError(f"cardholder ids lie in 0 .. 2^32 - 1, found {first} .. {first + count - 1}")
    people = np.zeros(count, TRAITS)
    run = fill_parallel if count >= _PARALLEL_FROM else fill
    run(np.uint64(seed), np.int64(first), people, table)
    return people
