import json
import platform
import socket
import sys
from pathlib import Path

import pytest

from cardarena.benchmarks import provenance


def _manifest() -> dict[str, object]:
    return provenance.manifest(
        kind="arena", parameters={"days": 3}, seeds=range(1, 3), scenario_digests={"baseline": "ab"}
    )


def test_a_manifest_says_what_made_the_result() -> None:
    manifest = _manifest()
    assert manifest["schema_version"] == provenance.SCHEMA_VERSION
    assert manifest["seeds"] == [1, 2]
    assert manifest["finished"] is False
    versions = manifest["versions"]
    assert isinstance(versions, dict)
    assert {"cardarena", "python", "numpy", "numba"} <= set(versions)
    assert set(provenance.machine()) == {"cpu", "cores", "memory_gb", "os", "python", "architecture"}


def test_a_manifest_holds_no_host_name_and_no_absolute_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        sys,
        "argv",
        ["/usr/bin/cardarena", "arena", "--out", str(tmp_path / "o"), f"--scenario={tmp_path}/s.yaml"],
    )
    text = json.dumps(_manifest())
    assert str(tmp_path) not in text
    assert str(Path.home()) not in text or str(Path.home()) == "/"
    for name in {socket.gethostname(), platform.node()} - {"", "localhost"}:
        assert name not in text


def test_paths_below_the_present_folder_become_relative(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["x", "arena", "--out", str(tmp_path / "out" / "a"), "--policy", "/elsewhere/mine.py:Mine"]
    assert provenance.shown_command(words) == "cardarena arena --out out/a --policy mine.py:Mine"


def test_the_code_digest_is_stable() -> None:
    assert provenance.code_digest() == provenance.code_digest()
