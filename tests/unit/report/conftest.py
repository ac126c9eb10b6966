"""The made-up arena folder, loaded by its path: tests are no package."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def write_arena_folder() -> Callable[..., Path]:
    path = Path(__file__).resolve().parents[2] / "fakes" / "arena_folder.py"
    spec = importlib.util.spec_from_file_location("arena_folder", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.write_arena_folder
