"""A world as one file: arrays and a line of JSON in a zip of `.npy` members; no pickle is ever written or read."""

import json
import os
import zipfile
import zlib
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cardarena.simulator.cache_lines import copied
from cardarena.simulator.contracts import History
from cardarena.simulator.errors import ResultsError
from cardarena.simulator.scenario import Scenario
from cardarena.simulator.state import WorldState

if TYPE_CHECKING:
    from cardarena.simulator.world import World

SAVE_VERSION: Final = 6


def save_world(world: "World", path: Path) -> Path:
    """Write `world` to `path` atomically; see `World.save`."""
    arrays: dict[str, Any] = {"traits": world.traits}
    scalars: dict[str, int] = {}
    for field in fields(WorldState):
        value = getattr(world.state, field.name)
        if isinstance(value, np.ndarray):
            arrays[f"state.{field.name}"] = value
        else:
            scalars[field.name] = int(value)
    if world.history is not None:
        for field in fields(History):
            arrays[f"history.{field.name}"] = getattr(world.history, field.name)
    meta = {
        "version": SAVE_VERSION,
        "seed": world.seed,
        "state": scalars,
        "scenario": world.scenario.model_dump(mode="json"),
    }
    arrays["meta"] = np.frombuffer(json.dumps(meta, sort_keys=True).encode(), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def load_world(path: Path, *, scheduler: str, threads: int) -> "World":
    """Read a world; see `World.load`."""
    from cardarena.simulator.world import World

    try:
        # np.load leaves a damaged file open that it opened itself.
        with open(path, "rb") as raw:
            # Checksums first: NumPy parses a member's header before it meets the damage behind it.
            with zipfile.ZipFile(raw) as members:
                if (damaged := members.testzip()) is not None:
                    raise ValueError(f"a damaged member {damaged}")
            raw.seek(0)
            file = np.load(raw, allow_pickle=False)
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(arrays.pop("meta").tobytes())
        version = meta["version"]
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ResultsError(f"{path.name}: expected a saved world, found {error}") from None
    if version != SAVE_VERSION:
        raise ResultsError(f"{path.name}: expected a world of version {SAVE_VERSION}, found {version}")
    scenario = Scenario.model_validate_json(json.dumps(meta["scenario"]))
    state = WorldState(
        **{name[6:]: copied(values) for name, values in arrays.items() if name.startswith("state.")},
        **meta["state"],
    )
    history = {name[8:]: values for name, values in arrays.items() if name.startswith("history.")}
    return World(
        scenario,
        meta["seed"],
        arrays["traits"],
        state,
        scheduler=scheduler,
        threads=threads,
        history=History(**history) if history else None,
    )
