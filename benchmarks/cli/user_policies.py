"""A user's policies before an arena begins: loaded once in a process of their own, so that what cannot work is said at once.

What a user's file does when it is run must not touch the arena's own process; its workers load it again.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cardarena.simulator.errors import PolicyError, UnknownNameError

if TYPE_CHECKING:
    from cardarena.benchmarks.arena.plan import Entry

#: Libraries such as PyTorch take their time; what takes longer hangs.
LOAD_SECONDS: Final = 120.0
_SCRIPT: Final = "from cardarena.benchmarks.cli.user_policies import answer; answer()"


def entries_of(specs: Sequence[str] | None) -> "tuple[Entry, ...] | None":
    """Return the entries of an arena's policies, each user's file having been loaded; None for every shipped policy.

    Raises:
        UnknownNameError: no policy has this name.
        PolicyError: a file that cannot be read or run, or that makes what is no policy.
    """
    if not specs:
        return None
    from cardarena.benchmarks.arena.entries import policy_entries
    from cardarena.benchmarks.arena.plan import policy_file

    found: list[Entry] = []
    for spec in specs:
        try:
            entry = policy_file(spec)
        except UnknownNameError:
            # Read without being run, the file has no such class: a factory may still make one.
            entry = _entry(spec)
        if entry is None:
            found += policy_entries([spec])
        elif entry.spec in {one.spec for one in found}:
            raise PolicyError(f"policy {entry.label!r} is given twice")
        else:
            found.append(replace(entry, league=loaded_league(spec)))
    labels = [entry.label for entry in found]
    return tuple(
        replace(entry, label=f"{entry.label}#{hashlib.sha256(entry.spec.encode()).hexdigest()[:4]}")
        if labels.count(entry.label) > 1 and entry.digest
        else entry
        for entry in found
    )


def _entry(spec: str) -> "Entry":
    from cardarena.benchmarks.arena.plan import Entry

    name, _, attribute = spec.rpartition(":")
    path = Path(name)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return Entry(f"{path.name}:{attribute}", f"{path.resolve()}:{attribute}", digest)


def loaded_league(spec: str, seconds: float = LOAD_SECONDS) -> str:
    """Make the policy of a user's file in another process; return its league.

    Args:
        spec: `FILE.py:NAME`.
        seconds: the time that loading may take.

    Raises:
        PolicyError: it cannot be made, or is not a policy; says what was expected and what was found.
    """
    with tempfile.TemporaryDirectory(prefix="cardarena-") as folder:
        said = Path(folder) / "answer.json"
        # What the file prints is nobody's result.
        try:
            done = subprocess.run(
                [sys.executable, "-c", _SCRIPT, spec, str(said)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise PolicyError(f"policy {spec!r}: loading it took more than {seconds:g} s") from None
        if not said.is_file():
            raise PolicyError(
                f"policy {spec!r}: its process ended with exit code {done.returncode} on loading"
            )
        answered = json.loads(said.read_text(encoding="utf-8"))
    if "error" in answered:
        raise PolicyError(answered["error"])
    return str(answered["league"])


def answer() -> None:
    """Load the policy that the command line names and write its league, or what is wrong with it, to a file."""
    from cardarena.agents.registry import make_policy

    spec, path = sys.argv[1:3]
    try:
        said = {"league": make_policy(spec).league}
    except PolicyError as error:
        said = {"error": str(error)}
    Path(path).write_text(json.dumps(said), encoding="utf-8")
