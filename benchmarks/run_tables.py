"""A run as tables (`RunTables`), and exact sums over them.

Everything is an exact integer until the last division. A day's discount is a whole number of millionths, so that a
discounted total is the same integer whether it is added up by day, by person, by shard or in any order of the rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from cardarena.simulator.errors import ResultsError
from cardarena.simulator.names import N_CHANNELS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Table = Mapping[str, np.ndarray]

#: Milli-fen in a yuan.
MFEN_PER_CNY: Final = 100_000
#: Discounts are whole millionths, probabilities whole parts of a thousand million.
PPM: Final = 1_000_000
PPB: Final = 1_000_000_000
DAYS_PER_YEAR: Final = 365
DAYS_PER_MONTH: Final = 30
#: Bins of a `state_daily` histogram.
N_BINS: Final = 64
#: Bins per unit of a `state_daily` histogram: a ratio of 1 begins at bin 16 of the fatigue histogram.
BINS_PER_UNIT: Final = {"fatigue": 16, "annoyance": 32, "satisfaction": 64, "trust": 64, "wallet": 64}

_EXACT_IN_FLOAT = 2**53
_EXACT_IN_INT = 2**63


class Run(Protocol):
    """What a metric reads of a run; `RunTables` is one, and so is anything of this shape."""

    @property
    def traits(self) -> np.ndarray:
        """Traits of all cardholders, shape (people,), dtype `TRAITS`."""
        ...

    @property
    def alive_at_start(self) -> Bools:
        """Whether the account was open on day 0, shape (people,)."""
        ...

    @property
    def days(self) -> int:
        """Number of decision days; they are numbered from 0."""
        ...

    @property
    def run_out_days(self) -> int:
        """Number of days that follow under the caretaker."""
        ...

    @property
    def initially_permitted(self) -> Any:
        """Reachable opt-ins on day 0 per channel, shape (channels,)."""
        ...

    def table(self, name: str) -> Table:
        """Return the columns of the log table `name`."""
        ...


@dataclass(frozen=True)
class RunTables:
    """A run as plain tables.

    Attributes:
        tables: the log's tables by name, each a mapping from column to an integer array.
        traits: shape (people,), dtype `cardarena.simulator.population.schema.TRAITS`.
        alive_at_start: shape (people,), account open on day 0.
        days: decision days.
        run_out_days: days under the caretaker after them.
        initially_permitted: shape (channels,), reachable opt-ins on day 0.
        offer_names: the catalogue's names in code order; empty where unknown.
        state_measures: names behind the codes of `state_daily`; empty for those of `cardarena.simulator.log`.
    """

    tables: Mapping[str, Table]
    traits: np.ndarray
    alive_at_start: Bools
    days: int
    run_out_days: int
    initially_permitted: Any = field(default_factory=lambda: np.zeros(N_CHANNELS, np.int64))
    offer_names: Sequence[str] = ()
    state_measures: Sequence[str] = ()

    def table(self, name: str) -> Table:
        """Return the columns of the log table `name`.

        Raises:
            ResultsError: the run has no such table.
        """
        try:
            return self.tables[name]
        except KeyError:
            raise ResultsError(f"log: expected a table {name!r}, found {', '.join(self.tables)}") from None


def discount_ppm(n_days: int, yearly: float) -> Ints:
    """Return the weight of each day in whole millionths: w_d = round(10^6 (1 + yearly)^(-d/365)), shape (n_days,).

    Args:
        n_days: number of days, from day 0.
        yearly: discount a year, 0.10 for 10 %.

    Example:
        >>> discount_ppm(366, 0.10)[[0, 1, 365]].tolist()
        [1000000, 999739, 909091]
    """
    days = np.arange(n_days, dtype=np.float64)
    return np.rint(PPM * (1.0 + yearly) ** (-days / DAYS_PER_YEAR)).astype(np.int64)


def exact_sums(index: np.ndarray, values: np.ndarray, size: int) -> Ints:
    """Return the integer sums of `values` by `index`, exact and independent of the order of the rows.

    Args:
        index: shape (rows,), group of each row, 0 .. size-1.
        values: shape (rows,), integers.
        size: number of groups.

    Raises:
        ResultsError: a sum leaves 64 bits.
    """
    if index.size == 0:
        return np.zeros(size, np.int64)
    largest = max(abs(int(values.max())), abs(int(values.min())))
    if largest * values.size < _EXACT_IN_FLOAT:  # every partial sum is a whole number that a float64 holds
        return np.bincount(index, weights=values, minlength=size).astype(np.int64)
    if largest * values.size >= _EXACT_IN_INT:
        bound = np.bincount(index, weights=np.abs(values.astype(np.float64)), minlength=size).max()
        if bound >= 0.99 * _EXACT_IN_INT:
            raise ResultsError(f"a sum of absolute values near {bound:.3g} does not fit 64 bits")
    sums = np.zeros(size, np.int64)
    np.add.at(sums, index, values.astype(np.int64))
    return sums


def counts(index: np.ndarray, size: int) -> Ints:
    """Return how many rows fall into each group 0 .. size-1, shape (size,)."""
    return np.bincount(index, minlength=size).astype(np.int64)


def ratio(numerator: float, denominator: float) -> float:
    """Return the quotient, or NaN where the denominator is zero: an undefined rate is not a rate of zero."""
    return float(numerator) / float(denominator) if denominator else float("nan")
