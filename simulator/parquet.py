"""Parquet files that are whole or not there: written beside, synced, renamed."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def _table(columns: Mapping[str, np.ndarray]) -> pa.Table:
    return pa.table({name: pa.array(values) for name, values in columns.items()})


class ColumnWriter:
    """Appends blocks of columns to one Parquet file. States: open -> closed (renamed into place) or abandoned."""

    def __init__(self, path: Path) -> None:
        """Prepare to write `path`; nothing appears under that name before `close`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.rows = 0
        self._partial = path.with_name(f".{path.name}.partial")
        self._writer: pq.ParquetWriter | None = None

    def append(self, columns: Mapping[str, np.ndarray]) -> None:
        """Add a block of rows; every block has the same columns."""
        table = _table(columns)
        if self._writer is None:
            # Ids, days and amounts lie close to the row before: their differences, packed, are smaller than what LZ4 makes
            # of them, and cost less. Dictionaries cost more than they save here.
            wide = [f.name for f in table.schema if pa.types.is_integer(f.type) and f.type.bit_width > 8]
            coding: dict[str, Any] = {
                "compression": {f.name: "none" if f.name in wide else "lz4" for f in table.schema},
                "column_encoding": dict.fromkeys(wide, "DELTA_BINARY_PACKED"),
            }
            self._writer = pq.ParquetWriter(
                self._partial, table.schema, **coding, use_dictionary=False, write_statistics=False
            )
        self._writer.write_table(table, row_group_size=1 << 20)
        self.rows += table.num_rows

    def close(self) -> Path:
        """Finish the file and give it its name."""
        if self._writer is not None:
            self._writer.close()
            with open(self._partial, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(self._partial, self.path)
        return self.path

    def abandon(self) -> None:
        """Leave nothing behind."""
        if self._writer is not None:
            self._writer.close()
        self._partial.unlink(missing_ok=True)

    def __enter__(self) -> "ColumnWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


def write_columns(path: Path, columns: Mapping[str, np.ndarray]) -> Path:
    """Write one table to `path` atomically and return the path."""
    with ColumnWriter(path) as writer:
        writer.append(columns)
    return path
