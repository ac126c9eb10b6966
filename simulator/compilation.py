"""Where compiled kernels are kept: a folder named by a hash of the sources, since Numba misses changes in imported functions."""

import hashlib
import os
import platform
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def source_digest() -> str:
    """Return a short hash of the simulator's sources, of the compiler's version and of the processor."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).resolve().parent.rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    for package in ("numba", "llvmlite", "numpy"):
        try:
            digest.update(version(package).encode())
        except PackageNotFoundError:  # pragma: no cover - the import that follows says it better
            digest.update(b"?")
    digest.update(f"{sys.version_info[:2]}{platform.machine()}".encode())
    return digest.hexdigest()[:16]


def _cache_root() -> Path:
    if root := os.environ.get("CARDARENA_CACHE"):
        return Path(root)
    home = os.environ.get("XDG_CACHE_HOME")
    if home:
        return Path(home) / "cardarena"
    try:
        return Path.home() / ".cache" / "cardarena"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / "cardarena"


def use_own_cache() -> Path:
    """Point Numba's cache at this version's own folder; must run before Numba is imported. `CARDARENA_CACHE` moves it."""
    folder = _cache_root() / f"numba-{source_digest()}"
    if "numba" in sys.modules:
        from numba import config

        config.CACHE_DIR = str(folder)  # pyright: ignore[reportAttributeAccessIssue]
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    return folder


def compiled(**options: Any) -> Any:
    """Return a decorator that compiles a kernel function, cached, without reference counts.

    Numba counts references to every array that a function is handed, with an atomic addition each; a person's day
    passes through dozens of such functions, and that was a quarter of its time. What is compiled this way may neither
    create nor return arrays; use `numba.njit` where it must.

    Args:
        options: further options of `numba.njit`.
    """
    from numba import njit

    return njit(cache=True, _nrt=False, **options)  # pyright: ignore[reportCallIssue]
