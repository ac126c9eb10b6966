"""Files that are whole or absent: atomic writes, checked reads, names that are safe in a path.

A write goes to a temporary file in the same folder, is flushed to the disk, and takes the final name in one step.
Whoever finds the final name finds the whole content, whenever the process was killed.
"""

import contextlib
import hashlib
import json
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from cardarena.simulator.errors import CardArenaError, ResultsError

if TYPE_CHECKING:
    import pandas as pd

_TEMPORARY_PREFIX = ".unfinished-"
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def write_atomic(path: Path, write: Callable[[BinaryIO], object]) -> Path:
    """Let `write` fill a temporary file beside `path`, then give it the name `path` in one step.

    Args:
        path: the final name; its folder is made if it is missing.
        write: receives the open binary file.

    Returns:
        `path`.

    Raises:
        OSError: no space, no permission; the temporary file is removed and an earlier `path` is left as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=_TEMPORARY_PREFIX, dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    # The rename itself must reach the disk; some file systems cannot sync a folder, and then have no need to.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes) -> Path:
    """Write `content` to `path`, whole or not at all."""
    return write_atomic(path, lambda file: file.write(content))


def write_text(path: Path, content: str) -> Path:
    """Write `content` to `path` as UTF-8, whole or not at all."""
    return write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, content: Any) -> Path:
    """Write `content` to `path` as indented JSON; a number that JSON cannot hold (NaN, infinity) becomes null."""
    text = json.dumps(plain(content), ensure_ascii=False, indent=2, allow_nan=False)
    return write_text(path, text + "\n")


def write_parquet(path: Path, frame: "pd.DataFrame") -> Path:
    """Write `frame` to `path` as Parquet without its index, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    return write_atomic(path, lambda file: pq.write_table(table, file, compression="zstd"))


def plain(value: Any) -> Any:
    """Return `value` made of what JSON knows: NumPy numbers and arrays, tuples and paths are translated.

    Example:
        >>> import numpy as np
        >>> plain({"a": np.float64(1.5), "b": (np.int64(2), float("nan"))})
        {'a': 1.5, 'b': [2, None]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, Path):
        return value.name
    if hasattr(value, "model_dump"):
        return plain(value.model_dump(mode="json"))
    return str(value)


def number(value: float | None) -> float:
    """Return a number from JSON, where null stands for what is not one: the way back from `plain`."""
    return math.nan if value is None else float(value)


def read_json(path: Path) -> Any:
    """Return what the JSON file `path` holds.

    Raises:
        ResultsError: the file is missing, cannot be read or is not JSON; names the file, line and column.
    """
    try:
        return json.loads(_read(path).decode("utf-8"))
    except json.JSONDecodeError as error:
        raise ResultsError(
            f"{path}: not JSON: line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except UnicodeDecodeError as error:
        raise ResultsError(f"{path}: not UTF-8 text at byte {error.start}") from None


def read_parquet(path: Path, columns: list[str] | None = None) -> "pd.DataFrame":
    """Return the Parquet file `path` as a frame.

    Args:
        path: the file.
        columns: the columns that must be there; all that are there are returned.

    Raises:
        ResultsError: the file is missing, damaged, or lacks a column; names the file and the column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = _read(path)
    try:
        frame = pq.read_table(pa.BufferReader(content)).to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise ResultsError(f"{path}: not a readable Parquet file: {str(error).splitlines()[0]}") from None
    missing = [name for name in columns or [] if name not in frame.columns]
    if missing:
        raise ResultsError(
            f"{path}: expected column {missing[0]!r}, found {', '.join(map(str, frame.columns))}"
        )
    return frame


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ResultsError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ResultsError(f"{path}: expected a file, found a folder") from None
    except PermissionError:
        raise ResultsError(f"{path}: no permission to read it") from None


def write_sealed(path: Path, content: Any) -> Path:
    """Write `content` as JSON together with its own digest, so that `read_sealed` notices any later damage."""
    payload = json.dumps(plain(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    seal = hashlib.sha256(payload.encode("utf-8")).hexdigest()
    return write_text(path, f'{{"sha256":"{seal}","content":{payload}}}\n')


def read_sealed(path: Path) -> Any:
    """Return what `write_sealed` wrote.

    Raises:
        ResultsError: the file is missing, not JSON, without a seal, or its content is not what was sealed.
    """
    whole = read_json(path)
    if not isinstance(whole, dict) or set(whole) != {"sha256", "content"}:
        raise ResultsError(f"{path}: expected the keys 'sha256' and 'content'")
    payload = json.dumps(whole["content"], ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    found = hashlib.sha256(payload.encode("utf-8")).hexdigest()
    if found != whole["sha256"]:
        raise ResultsError(
            f"{path}: damaged: its content has the digest {found[:12]}, not {str(whole['sha256'])[:12]}"
        )
    return whole["content"]


def safe_name(name: str) -> str:
    """Return `name` if it can stand in a path as it is, else a readable name that no other `name` is given.

    Example:
        >>> safe_name("tight_budget")
        'tight_budget'
        >>> safe_name("../mine.py:Mine")
        'mine.py_Mine-18e4dc54'
    """
    if _SAFE.fullmatch(name) and not name.endswith("."):
        return name
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")[:60] or "name"
    return f"{readable}-{hashlib.sha256(name.encode('utf-8')).hexdigest()[:8]}"


def inside(folder: Path, *names: str) -> Path:
    """Return the path of `names` below `folder`.

    Raises:
        CardArenaError: the path would lie outside `folder`.
    """
    root = folder.resolve()
    path = root.joinpath(*names).resolve()
    if not path.is_relative_to(root):
        raise CardArenaError(f"{'/'.join(names)!r} leads outside the folder {folder.name!r}")
    return path


def remove_leftovers(folder: Path) -> int:
    """Remove the temporary files of writers that were killed, below `folder`; return how many there were."""
    found = (
        [path for path in folder.rglob(_TEMPORARY_PREFIX + "*") if path.is_file()] if folder.is_dir() else []
    )
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold `folder` for one process; the hold ends with the process, however it ends.

    Raises:
        ResultsError: another process holds it.
    """
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ResultsError(
                f"{folder}: another process is writing here; wait for it, or choose another --out"
            ) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
