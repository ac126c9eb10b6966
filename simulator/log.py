"""What happened: typed event tables, in one order, exact and digestible. Every metric is a pure function of them.

Rows are ordered by (day, cardholder, ordinal); a scheduler may return them in any order. Ledger amounts are int64
milli-fen (`_mfen`), ticket amounts whole fen, probabilities integer parts per billion (`_ppb`).
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cardarena.simulator.behaviour.census import STATE_MEASURES as STATE_MEASURES
from cardarena.simulator.compilation import compiled
from cardarena.simulator.errors import UnknownNameError
from cardarena.simulator.names import Kind
from cardarena.simulator.rules import EVENT

if TYPE_CHECKING:
    import pandas as pd

#: Version of each table's columns; columns are append-only.
SCHEMA_VERSION: Final = 1

_KEYS: Final = {
    "day": "day",
    "cardholder": "cardholder",
    "bank": "bank",
    "ordinal": "ordinal",
    "minute": "minute",
}
_REFERENCE: Final = {"decided_day": "ref_day", "decided_ordinal": "ref_ordinal"}

#: Per table: its kind, and its columns with the field of the event row that each comes from.
EVENT_TABLES: Final[dict[str, tuple[Kind, dict[str, str]]]] = {
    "transactions": (
        Kind.TRANSACTION,
        {**_KEYS, "context": "item", "amount_fen": "amount_fen", "value_mfen": "value_mfen"},
    ),
    "visits": (Kind.VISIT, {**_KEYS, "place": "item"}),
    "contacts": (
        Kind.CONTACT,
        {
            **_KEYS,
            **_REFERENCE,
            "offer": "offer",
            "channel": "channel",
            "depth": "depth",
            "status": "code",
            "rule": "rule",
            "value_mfen": "value_mfen",
            "p_notice_ppb": "p_notice_ppb",
            "p_complaint_ppb": "p_complaint_ppb",
            "p_opt_out_ppb": "p_opt_out_ppb",
            "noticed": "noticed",
        },
    ),
    "responses": (
        Kind.RESPONSE,
        {
            **_KEYS,
            "action": "code",
            "category": "item",
            "offer": "offer",
            "channel": "channel",
            **_REFERENCE,
            "amount_fen": "amount_fen",
            "value_mfen": "value_mfen",
        },
    ),
    "complaints": (
        Kind.COMPLAINT,
        {**_KEYS, "complaint": "code", "channel": "channel", **_REFERENCE, "value_mfen": "value_mfen"},
    ),
    "consents": (
        Kind.CONSENT,
        {**_KEYS, "change": "code", "channel": "channel", **_REFERENCE, "value_mfen": "value_mfen"},
    ),
}

#: Columns that only the harness may read; `write` puts them into the folder `truth/`.
TRUTH_COLUMNS: Final = {"contacts": ("p_notice_ppb", "p_complaint_ppb", "p_opt_out_ppb", "noticed")}

DECISION: Final = np.dtype(
    [
        ("day", np.int32),
        ("cardholder", np.int32),
        ("bank", np.int8),
        ("ordinal", np.int16),
        ("minute", np.int16),
        ("offer", np.int16),
        ("channel", np.int8),
        ("depth", np.int8),
        ("propensity_ppm", np.int32),
        ("candidates", np.int64),
        ("open_channels", np.int64),
        ("rule", np.int8),
        ("passed", np.int8),
    ]
)
CENSUS: Final = np.dtype([("day", np.int32), ("measure", np.int16), ("bin", np.int16), ("count", np.int64)])
#: One step of a complaint at the desk (see `bank.complaint_desk`).
CASE: Final = np.dtype(
    [
        ("day", np.int32),
        ("cardholder", np.int32),
        ("bank", np.int8),
        ("ordinal", np.int16),
        ("minute", np.int16),
        ("step", np.int8),
        ("filed_day", np.int32),
        ("filed_ordinal", np.int16),
        ("complaint", np.int8),
        ("is_simple", np.int8),
        ("due_day", np.int32),
        ("is_late", np.int8),
        ("is_escalated", np.int8),
        ("value_mfen", np.int64),
    ]
)
_PLAIN_TABLES: Final = {"decisions": DECISION, "state_daily": CENSUS, "cases": CASE}
TABLES: Final = (*EVENT_TABLES, *_PLAIN_TABLES)
_N_KINDS: Final = len(EVENT_TABLES)
#: Where each field lies in an event row, bytes.
_OFFSET: Final = {name: place[1] for name, place in (EVENT.fields or {}).items()}


def columns_of(name: str) -> dict[str, np.dtype]:
    """Return the columns of a table and their types.

    Raises:
        UnknownNameError: no such table.
    """
    if name in EVENT_TABLES:
        return {column: EVENT[field] for column, field in EVENT_TABLES[name][1].items()}
    if name in _PLAIN_TABLES:
        dtype = _PLAIN_TABLES[name]
        return {column: dtype[column] for column in dtype.names or ()}
    raise UnknownNameError("table", name, TABLES)


@compiled(nogil=True)
def _count_kinds(kinds, counts):
    """Add the number of rows of each kind to `counts`, shape (kinds,)."""
    for kind in kinds:
        counts[kind] += 1


@compiled(nogil=True)
def _split(kinds, rows, fields, columns, firsts, places, done):
    """Copy the rows into their tables' columns in one pass, each in the column's width of 1, 2, 4 or 8 bytes.

    Args:
        kinds: kind of each row; a kind is the number of its table.
        rows: per width, the rows as a matrix of integers.
        fields: per width, the position in a row that each column comes from, table by table.
        columns: per width, the values of all columns, one column behind the other.
        firsts: per width, the number of each table's first column, and behind the last the number of all.
        places: per width, where in `columns` each column begins.
        done: rows of each kind that are there already, shape (kinds,); counted up.
    """
    by_1, by_2, by_4, by_8 = rows
    field_1, field_2, field_4, field_8 = fields
    out_1, out_2, out_4, out_8 = columns
    first_1, first_2, first_4, first_8 = firsts
    at_1, at_2, at_4, at_8 = places
    for i in range(kinds.size):
        kind = kinds[i]
        j = done[kind]
        done[kind] += 1
        for c in range(first_1[kind], first_1[kind + 1]):
            out_1[at_1[c] + j] = by_1[i, field_1[c]]
        for c in range(first_2[kind], first_2[kind + 1]):
            out_2[at_2[c] + j] = by_2[i, field_2[c]]
        for c in range(first_4[kind], first_4[kind + 1]):
            out_4[at_4[c] + j] = by_4[i, field_4[c]]
        for c in range(first_8[kind], first_8[kind + 1]):
            out_8[at_8[c] + j] = by_8[i, field_8[c]]


def _kinds(rows: np.ndarray) -> np.ndarray:
    return rows.view(np.int8).reshape(rows.size, EVENT.itemsize)[:, _OFFSET["kind"]]


def split_events(parts: Sequence[np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Return event rows, in one or more parts, as tables of contiguous columns."""
    parts = [np.ascontiguousarray(part, dtype=EVENT) for part in parts if part.size]
    counts = np.zeros(_N_KINDS, dtype=np.int64)
    for part in parts:
        _count_kinds(_kinds(part), counts)
    fields, buffers, firsts, places = [], [], [], []
    found: dict[tuple[str, str], np.ndarray] = {}
    for width in (1, 2, 4, 8):
        own = [
            (name, column, field, counts[kind])
            for name, (kind, columns) in EVENT_TABLES.items()
            for column, field in columns.items()
            if EVENT[field].itemsize == width
        ]
        ends = np.cumsum([0, *(n for *_, n in own)])
        buffer = np.empty(ends[-1], dtype=f"i{width}")
        for (name, column, *_), first, end in zip(own, ends[:-1], ends[1:], strict=True):
            found[name, column] = buffer[first:end]
        per_table = [sum(name == other for other, *_ in own) for name in EVENT_TABLES]
        fields.append(np.array([_OFFSET[field] // width for _, _, field, _ in own], dtype=np.int64))
        buffers.append(buffer)
        firsts.append(np.cumsum([0, *per_table]))
        places.append(ends)
    done = np.zeros(_N_KINDS, dtype=np.int64)
    for part in parts:
        matrices = tuple(part.view(f"i{width}").reshape(part.size, -1) for width in (1, 2, 4, 8))
        _split(_kinds(part), matrices, *map(tuple, (fields, buffers, firsts, places)), done)
    return {
        name: {column: found[name, column] for column in columns}
        for name, (_, columns) in EVENT_TABLES.items()
    }


@compiled(nogil=True)
def _last_key(rows, before):
    """Return the last row's key by (day, cardholder, ordinal); -1 if any row does not stand behind the one before."""
    for i in range(rows.size):
        row = rows[i]
        key = ((np.int64(row.day) + 4096) << 47) | (np.int64(row.cardholder) << 16) | np.int64(row.ordinal)
        if key <= before:
            return np.int64(-1)
        before = key
    return before


def in_order(parts: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Return parts of event rows in the log's order, by part and row; the very parts when they already are."""
    parts = [part for part in parts if part.size]
    before = np.int64(0)
    for part in parts:
        before = _last_key(part, before)
        if before < 0:
            rows = np.concatenate(parts)
            return [rows[np.lexsort((rows["ordinal"], rows["cardholder"], rows["day"]))]]
    return parts


class RunLog:
    """The log of one run. States: open (the world appends) -> read (tables are built on first use)."""

    def __init__(self, **facts: Any) -> None:
        """Keep `facts` (traits, days and the like) beside the tables; see `World.run`."""
        self.facts = facts
        self._events: list[np.ndarray] = []
        self._decisions: list[np.ndarray] = []
        self._census: list[np.ndarray] = []
        self._cases: list[np.ndarray] = []
        self._tables: dict[str, dict[str, np.ndarray]] = {}

    @property
    def traits(self) -> np.ndarray:
        """Who the cardholders are, shape (n,), dtype TRAITS."""
        return self.facts["traits"]

    @property
    def alive_at_start(self) -> np.ndarray:
        """Whether the account was open on day 0, shape (n,)."""
        return self.facts["alive_at_start"]

    @property
    def days(self) -> int:
        """Number of decision days, counted from 0."""
        return self.facts["days"]

    @property
    def run_out_days(self) -> int:
        """Number of days that followed under the run-out policy."""
        return self.facts["run_out_days"]

    @property
    def initially_permitted(self) -> np.ndarray:
        """Reachable opt-ins on day 0 per channel, shape (channels,)."""
        return self.facts["initially_permitted"]

    def append(
        self, events: Iterable[np.ndarray], decisions: np.ndarray | None, census: np.ndarray | None
    ) -> None:
        """Add a day's events (any order), decisions, and census rows."""
        self._events += in_order(events)
        if decisions is not None and decisions.size:
            self._decisions.append(decisions)
        if census is not None:
            self._census.append(census)
        self._tables = {}

    def append_cases(self, cases: np.ndarray) -> None:
        """Add a day's steps of complaint cases."""
        if cases.size:
            self._cases.append(cases)
            self._tables = {}

    def table(self, name: str) -> dict[str, np.ndarray]:
        """Return a table as columns.

        Raises:
            UnknownNameError: no such table.
        """
        columns_of(name)
        if not self._tables:
            self._tables = split_events(self._events)
            plain = {"decisions": self._decisions, "state_daily": self._census, "cases": self._cases}
            for other, dtype in _PLAIN_TABLES.items():
                rows = _join(plain[other], dtype)
                self._tables[other] = {
                    column: np.ascontiguousarray(rows[column]) for column in dtype.names or ()
                }
        return self._tables[name]

    def __getitem__(self, name: str) -> "pd.DataFrame":
        """Return a table as a pandas frame."""
        import pandas as pd

        return pd.DataFrame(self.table(name))

    def digest(self) -> str:
        """Return a hash of every column's values, in canonical order and byte order; independent of file formats."""
        digest = hashlib.sha256()
        for name in TABLES:
            for column, values in self.table(name).items():
                little = values.astype(values.dtype.newbyteorder("<"), copy=False)
                digest.update(f"{name}.{column}:{little.dtype.str}:{little.size};".encode())
                digest.update(little.tobytes())
        return digest.hexdigest()

    def write(self, folder: Path) -> list[Path]:
        """Write every table to `folder` as Parquet, the columns that only the harness may see to `folder/truth`."""
        from cardarena.simulator.parquet import write_columns

        paths = []
        for name in TABLES:
            table = self.table(name)
            hidden = TRUTH_COLUMNS.get(name, ())
            if name == "state_daily":
                paths.append(write_columns(folder / "truth" / f"{name}.parquet", table))
                continue
            paths.append(
                write_columns(folder / f"{name}.parquet", {c: v for c, v in table.items() if c not in hidden})
            )
            if hidden:
                keys = (*_KEYS, *hidden)
                paths.append(write_columns(folder / "truth" / f"{name}.parquet", {c: table[c] for c in keys}))
        return paths


def _join(parts: list[np.ndarray], dtype: np.dtype) -> np.ndarray:
    if not parts:
        return np.zeros(0, dtype=dtype)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def census_rows(day: int, census: np.ndarray) -> np.ndarray:
    """Return the nightly census, shape (measures, 64), as rows of `state_daily`; sums always, empty bins never."""
    histograms = 5
    keep = census != 0
    keep[histograms:, 0] = True
    measures, bins = np.nonzero(keep)
    rows = np.zeros(measures.size, dtype=CENSUS)
    rows["day"], rows["measure"], rows["bin"], rows["count"] = day, measures, bins, census[measures, bins]
    return rows
