"""What the parts of the section share: what a part hands back, and the events of a year as plain columns."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardarena.benchmarks.validation.findings import Finding, Picture, Table
from cardarena.benchmarks.validation.lab import Lab
from cardarena.simulator.log import RunLog
from cardarena.simulator.names import RESPONSES

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

QUARTER = 91
HALF_YEAR = 182
MINUTES = 1440.0
#: Codes of the responses that are purchases, with and without a redeemed offer.
BOUGHT = (RESPONSES.index("purchased"), RESPONSES.index("organic_purchase"))


@dataclass(frozen=True)
class Part:
    """One part of the section."""

    findings: tuple[Finding, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Events:
    """Events of a year, one a row, of people whose account was open on day 0.

    Attributes:
        n: people.
        who: shape (events,), rows of people, 0 to n - 1.
        time: shape (events,), days since day 0, with the minute as a fraction.
        kind: shape (events,), spending context of a transaction, category of a purchase.
        amount_cny: shape (events,).
    """

    n: int
    who: Ints
    time: Floats
    kind: Ints
    amount_cny: Floats

    def within(self, first: float, end: float, kind: int | None = None) -> "Events":
        """Return the events of days [first, end), of one kind or of all."""
        keep = (self.time >= first) & (self.time < end)
        if kind is not None:
            keep &= self.kind == kind
        return Events(self.n, self.who[keep], self.time[keep], self.kind[keep], self.amount_cny[keep])

    def counts(self) -> Ints:
        """Return the number of events of each person, shape (n,)."""
        return np.bincount(self.who, minlength=self.n).astype(np.int64)

    def spend(self) -> Floats:
        """Return the amount of each person, CNY, shape (n,)."""
        return np.bincount(self.who, self.amount_cny, self.n).astype(np.float64)


def transactions(log: RunLog) -> Events:
    """Return the card transactions of a log."""
    table = log.table("transactions")
    return _events(log, table, table["context"], np.ones(table["day"].size, np.bool_))


def purchases(log: RunLog) -> Events:
    """Return the purchases of what the bank offers, with and without a redeemed offer, of a log."""
    table = log.table("responses")
    return _events(log, table, table["category"], np.isin(table["action"], BOUGHT))


def _events(log: RunLog, table: dict[str, np.ndarray], kind: np.ndarray, wanted: np.ndarray) -> Events:
    is_here = log.alive_at_start
    row = np.cumsum(is_here) - 1
    keep = wanted & is_here[table["cardholder"]]
    return Events(
        n=int(is_here.sum()),
        who=row[table["cardholder"][keep]].astype(np.int64),
        time=table["day"][keep] + table["minute"][keep] / MINUTES,
        kind=kind[keep].astype(np.int64),
        amount_cny=table["amount_fen"][keep] * 0.01,
    )


def years(lab: Lab, which: Iterable[int] | None = None) -> list[RunLog]:
    """Return the logged years of the lab's seeds."""
    return [lab.year(seed) for seed in (lab.seeds if which is None else which)]
