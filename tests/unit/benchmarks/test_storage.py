import errno
import math
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pytest

from cardarena.benchmarks import storage
from cardarena.simulator.errors import CardArenaError, ResultsError


def test_what_was_written_is_read(tmp_path: Path) -> None:
    content = {"a": [1, 2.5, None], "名": "值"}
    assert storage.read_json(storage.write_json(tmp_path / "deep" / "a.json", content)) == content
    frame = pd.DataFrame({"x": [1, 2], "y": [0.1, math.nan]})
    read = storage.read_parquet(storage.write_parquet(tmp_path / "a.parquet", frame), ["x", "y"])
    pd.testing.assert_frame_equal(read, frame)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_writer_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = storage.write_text(tmp_path / "a.txt", "old")

    def full(file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        storage.write_atomic(path, full)
    assert path.read_text(encoding="utf-8") == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["a.txt"]


def test_the_name_appears_only_when_the_content_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    seen = []

    def watch(file: BinaryIO) -> None:
        file.write(b"x" * 100_000)
        file.flush()
        seen.append(path.exists())

    storage.write_atomic(path, watch)
    assert seen == [False]
    assert path.exists()


def test_content_reaches_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real_sync, real_replace = storage.os.fsync, Path.replace

    def sync(descriptor: int) -> None:
        order.append("sync")
        real_sync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        order.append("rename")
        return real_replace(self, target)

    monkeypatch.setattr(storage.os, "fsync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    storage.write_text(tmp_path / "a.txt", "a")
    assert order == ["sync", "rename", "sync"]


def test_leftovers_of_killed_writers_are_removed(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / ".unfinished-abc").write_text("half", encoding="utf-8")
    storage.write_text(tmp_path / "deep" / "whole.txt", "whole")
    assert storage.remove_leftovers(tmp_path) == 1
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["whole.txt"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b'{"a": ', "line 1, column 7"), (b"\xff\xfe", "not UTF-8"), (None, "no such file")],
    ids=["cut", "binary", "missing"],
)
def test_a_file_that_is_not_json_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ResultsError, match=message) as caught:
        storage.read_json(path)
    assert str(path) in str(caught.value)


def test_a_damaged_parquet_file_is_named(tmp_path: Path) -> None:
    path = storage.write_parquet(tmp_path / "a.parquet", pd.DataFrame({"x": range(100)}))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ResultsError, match=r"a\.parquet"):
        storage.read_parquet(path)
    path.write_bytes(whole)
    with pytest.raises(ResultsError, match="expected column 'y', found x"):
        storage.read_parquet(path, ["y"])


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
def test_a_sealed_file_notices_a_changed_digit(tmp_path: Path, at: float) -> None:
    path = storage.write_sealed(tmp_path / "a.json", {"values": [i / 7 for i in range(200)]})
    assert storage.read_sealed(path) == {"values": [i / 7 for i in range(200)]}
    text = path.read_text(encoding="utf-8")
    place = next(i for i in range(int(len(text) * at), len(text)) if text[i] in "123456789")
    path.write_text(text[:place] + str(int(text[place]) % 9 + 1) + text[place + 1 :], encoding="utf-8")
    with pytest.raises(ResultsError, match=r"a\.json"):
        storage.read_sealed(path)


@pytest.mark.parametrize("value", [np.float64(1.5), np.int32(3), np.bool_(True), "x", None, 2, False])
def test_plain_keeps_values(value: Any) -> None:
    assert storage.plain(value) == value


def test_plain_drops_what_json_cannot_hold() -> None:
    assert storage.plain([math.nan, math.inf, np.array([1, 2]), Path("/secret/place/file")]) == [
        None,
        None,
        [1, 2],
        "file",
    ]


@pytest.mark.parametrize(
    "name", ["..", ".", "", "../x", "/etc/passwd", "a/b", "con tab\t", "名字", "x" * 300, "-rf"]
)
def test_every_name_becomes_one_safe_part_of_a_path(tmp_path: Path, name: str) -> None:
    safe = storage.safe_name(name)
    assert (tmp_path / safe).parent == tmp_path
    assert len(safe) <= 100
    assert storage.inside(tmp_path, safe) == (tmp_path / safe).resolve()


def test_names_stay_apart() -> None:
    names = ["a b", "a_b", "a/b", "a?b"]
    assert len({storage.safe_name(name) for name in names}) == len(names)


def test_a_path_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CardArenaError, match="outside"):
        storage.inside(tmp_path, "..", "x")


def test_a_folder_is_held_by_one(tmp_path: Path) -> None:
    with (
        storage.folder_lock(tmp_path),
        pytest.raises(ResultsError, match="another process"),
        storage.folder_lock(tmp_path),
    ):
        pass
    with storage.folder_lock(tmp_path):
        pass
