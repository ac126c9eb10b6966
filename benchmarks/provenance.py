"""Where a result comes from: command, parameters, versions, commit, machine; no host names, no absolute paths."""

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Final

import cardarena

#: Raised when a reader of an older manifest would misread a newer one.
SCHEMA_VERSION: Final = 1
_PACKAGE: Final = Path(cardarena.__file__).parent


def package_version() -> str:
    """Return the version of cardarena."""
    return str(cardarena.__version__)


def dependency_versions() -> dict[str, str]:
    """Return the installed version of every core dependency, by name."""
    import re

    try:
        lines = requires("cardarena") or []
    except PackageNotFoundError:
        lines = ["numpy", "numba", "scipy", "pandas", "simpy", "faker", "pyarrow", "scikit-learn", "pydantic"]
    found = {}
    for line in lines:
        if "extra ==" in line:
            continue
        name = re.split(r"[^A-Za-z0-9_-]", line, maxsplit=1)[0]
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return dict(sorted(found.items()))


def code_digest() -> str:
    """Return a short hash of the sources that a run's values depend on: the world, the policies and the metrics."""
    kept = {".py", ".yaml", ".yml", ".csv", ".json", ".safetensors"}
    files = files_below(("simulator", "agents", "scenarios"), kept)
    measures = _PACKAGE.joinpath("benchmarks").resolve()
    files += sorted(
        path for name in ("metric*", "facts", "breakdown", "series") for path in measures.glob(name + ".py")
    )
    return digest_of(files)


def files_below(folders: Iterable[str], suffixes: Collection[str]) -> list[Path]:
    """Return the files of these suffixes in folders of the package, such as `benchmarks/validation`, folder by folder."""
    return [
        path
        for folder in folders
        for path in sorted((_PACKAGE / folder).resolve().rglob("*"))
        if path.suffix in suffixes and "__pycache__" not in path.parts
    ]


def digest_of(files: Iterable[Path]) -> str:
    """Return a short hash of files in this order: their names, without the folders, and what is in them."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def git_commit() -> str | None:
    """Return the commit of the source tree, with `+` where tracked files were changed since, or None outside a tree."""
    here = _PACKAGE.joinpath("benchmarks").resolve().parent
    if not (here / ".git").exists():
        return None
    try:
        head = _git(here, "rev-parse", "HEAD")
        changed = _git(here, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ("+" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()


def machine() -> dict[str, Any]:
    """Return what a reader needs to judge a timing: processor, cores, memory, system, Python; no host name."""
    import psutil

    return {
        "cpu": _cpu_model(),
        "cores": available_cores(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "os": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "architecture": platform.machine(),
    }


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # pragma: no cover - not on Linux
        return os.cpu_count() or 1


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def shown_command(arguments: Iterable[str] | None = None) -> str:
    """Return the command line as it may be published: paths become relative to here, or bare file names."""
    import shlex

    words = list(sys.argv if arguments is None else arguments)
    if not words:
        return "cardarena"
    return shlex.join(["cardarena", *(shown_path(word) for word in words[1:])])


def shown_path(word: str) -> str:
    """Return `word`, or, where it holds an absolute path, that path relative to here or its last part."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    if not os.path.isabs(value):
        return word
    path = Path(value)
    try:
        value = str(path.relative_to(Path.cwd()))
    except ValueError:
        value = path.name
    return f"{option}{equals}{value}"


def now() -> str:
    """Return the present time in UTC to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def manifest(
    *,
    kind: str,
    parameters: Mapping[str, Any],
    seeds: Iterable[int],
    scenario_digests: Mapping[str, str],
    command: str | None = None,
) -> dict[str, Any]:
    """Return the manifest of a result that begins now and is not finished.

    Args:
        kind: what the folder holds, such as `arena` or `world`.
        parameters: every argument that the values depend on.
        seeds: the world seeds.
        scenario_digests: digest of each scenario by its name.
        command: the command line; the running one by default.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "command": shown_command() if command is None else command,
        "parameters": dict(parameters),
        "seeds": list(seeds),
        "scenario_digests": dict(scenario_digests),
        "cardarena": package_version(),
        "code_digest": code_digest(),
        "git_commit": git_commit(),
        "versions": {
            "cardarena": package_version(),
            "python": platform.python_version(),
            **dependency_versions(),
        },
        "machine": machine(),
        "started": now(),
        "finished_at": None,
        "finished": False,
    }
