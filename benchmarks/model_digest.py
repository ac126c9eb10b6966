"""A short hash of the model itself, world and policies, by which a parameter set knows what it was made for."""

import hashlib
from pathlib import Path

import cardarena

_PACKAGE = Path(cardarena.__file__).parent


def model_digest() -> str:
    """Return a hash of the simulator and the policies: their code and tables, and no scenario or world."""
    digest = hashlib.sha256()
    for folder in ("simulator", "agents"):
        for path in sorted((_PACKAGE / folder).resolve().rglob("*")):
            if path.suffix in {".py", ".yaml", ".csv"} and "__pycache__" not in path.parts:
                digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
