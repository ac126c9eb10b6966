"""A trained agent on disk: `agent.json`, `weights.safetensors`, `curve.csv`; or a tuned policy: `agent.json`, `trials.csv`.

Nothing in a folder is ever run or unpickled.

A folder may come from a stranger: sizes are bounded before anything is parsed, every tensor's name, shape and type is
checked against the card, and the card's digest against the weights.
"""

import csv
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cardarena.agents.rl.card import AgentCard, TunedCard
from cardarena.agents.rl.network import Network, tensor_shapes
from cardarena.simulator.errors import PolicyError, ResultsError, ScenarioError, nearest
from cardarena.simulator.strict_yaml import read_document, validated

CARD: Final = "agent.json"
WEIGHTS: Final = "weights.safetensors"
CURVE: Final = "curve.csv"
TRIALS: Final = "trials.csv"
PROGRESS: Final = "checkpoint.json"
#: A training's arrays, which `PROGRESS` speaks of.
CHECKPOINT: Final = "checkpoint.safetensors"
MAX_WEIGHT_BYTES: Final = 64 * 2**20

Array = NDArray[np.float32]


@dataclass(frozen=True)
class TrainedAgent:
    """What a folder holds.

    Attributes:
        card: its card.
        tensors: the network's tensors by name, float32.
    """

    card: AgentCard
    tensors: Mapping[str, Array]

    def network(self) -> Network:
        """Return the network, ready to be asked."""
        return Network(self.card.network, self.tensors)


def is_agent_folder(spec: str) -> bool:
    """Return whether this names a folder with a trained agent in it."""
    try:
        return (Path(spec) / CARD).is_file()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return False


def read_card(folder: Path) -> AgentCard | TunedCard:
    """Return the card of a trained agent or of a tuned policy, which names the policy.

    Raises:
        PolicyError: it is missing or wrong; says file, line, key, what was expected and the nearest right word.
    """
    path = _file(folder, CARD)
    try:
        document = read_document(path, f"{folder.name}/{CARD}")
        return validated(TunedCard if "policy" in document.data else AgentCard, document)
    except ScenarioError as error:
        raise PolicyError(str(error)) from None


def read_agent(folder: Path) -> TrainedAgent:
    """Return a trained agent, checked through and through.

    Raises:
        PolicyError: a file is missing, too big or leads outside; the card is wrong; the weights are not those that the card
            speaks of, or a tensor has another name, shape or type, or holds what is no number.
    """
    card = read_card(folder)
    if isinstance(card, TunedCard):
        raise PolicyError(
            f"{folder.name}/{CARD}: expected a trained agent, found the tuned policy {card.name!r}"
        )
    path = _file(folder, WEIGHTS)
    with path.open("rb") as file:
        content = file.read(MAX_WEIGHT_BYTES + 1)
    shown = f"{folder.name}/{WEIGHTS}"
    if len(content) > MAX_WEIGHT_BYTES:
        raise PolicyError(f"{shown}: expected at most {MAX_WEIGHT_BYTES} bytes, found more")
    digest = hashlib.sha256(content).hexdigest()
    if digest != card.weights_sha256:
        raise PolicyError(
            f"{shown}: expected the digest {card.weights_sha256[:12]} that {CARD} gives, found {digest[:12]}"
        )
    return TrainedAgent(card, _checked(card, tensors_of(content, shown), shown))


def tensors_of(content: bytes, shown: str) -> dict[str, NDArray[Any]]:
    """Return the tensors of a safetensors file.

    Args:
        content: the whole file.
        shown: what messages call it.

    Raises:
        PolicyError: it is no such file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(content)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise PolicyError(
            f"{shown}: expected a safetensors file, found one that cannot be read: {error}"
        ) from None


def _file(folder: Path, name: str) -> Path:
    """Return the path of a file of the folder, which must be one of its own."""
    path = folder / name
    if not path.is_file():
        raise PolicyError(f"policy {str(folder)!r}: expected a trained agent, found no {name} in it")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise PolicyError(
            f"{folder.name}/{name}: expected a file of the folder, found a link that leads outside"
        )
    return path


def _checked(card: AgentCard, tensors: Mapping[str, NDArray[Any]], shown: str) -> dict[str, Array]:
    wanted = tensor_shapes(card)
    for name in tensors:
        if name not in wanted:
            raise PolicyError(f"{shown}: unknown tensor {name!r}; {nearest(name, wanted)}")
    for name, shape in wanted.items():
        found = tensors.get(name)
        if found is None:
            raise PolicyError(f"{shown}: tensor {name!r}: expected shape {shape}, found none")
        if found.dtype != np.float32 or found.shape != shape:
            raise PolicyError(
                f"{shown}: tensor {name!r}: expected float32 of shape {shape}, "
                f"found {found.dtype} of shape {found.shape}"
            )
        if not np.isfinite(found).all():
            raise PolicyError(f"{shown}: tensor {name!r}: expected finite numbers, found others")
    return {name: tensors[name] for name in wanted}


def write_agent(
    folder: Path,
    card: Mapping[str, Any],
    tensors: Mapping[str, Array],
    curve: Sequence[Mapping[str, Any]] = (),
) -> TrainedAgent:
    """Write a trained agent and return it as it will be read.

    The weights come first and the card, which names their digest, last: a folder that was not finished is no agent.

    Args:
        folder: where; made if it is missing.
        card: the card without `format` and `weights_sha256`.
        tensors: the network's tensors by name.
        curve: rows of the learning curve, all with the same columns.

    Raises:
        PolicyError: the card or a tensor is wrong.
        OSError: no space, no permission.
    """
    from safetensors.numpy import save

    plain = {name: np.ascontiguousarray(tensor, dtype=np.float32) for name, tensor in sorted(tensors.items())}
    content = save(plain)
    whole = {"format": 1, **card, "weights_sha256": hashlib.sha256(content).hexdigest()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    replace_file(folder / WEIGHTS, content)
    replace_file(folder / CURVE, _table(curve).encode())
    replace_file(folder / CARD, (json.dumps(whole, ensure_ascii=False, indent=1) + "\n").encode())
    return read_agent(folder)


def write_tuned(folder: Path, card: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> TunedCard:
    """Write a tuned policy and return its card as it will be read; the card comes last.

    Args:
        folder: where; made if it is missing.
        card: the card without `format`.
        trials: rows of the table of trials, all with the same columns.

    Raises:
        PolicyError: the card is wrong.
        OSError: no space, no permission.
    """
    (folder / CARD).unlink(missing_ok=True)
    write_trials(folder, trials)
    replace_file(
        folder / CARD, (json.dumps({"format": 1, **card}, ensure_ascii=False, indent=1) + "\n").encode()
    )
    written = read_card(folder)
    assert isinstance(written, TunedCard)
    return written


def write_trials(folder: Path, trials: Sequence[Mapping[str, Any]]) -> None:
    """Write the table of trials."""
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / TRIALS, _table(trials).encode())


def refuse_strangers(out: Path, resume: bool) -> None:
    """Refuse to begin in a folder that holds something.

    Raises:
        ResultsError: it does.
    """
    if resume or not out.exists():
        return
    strangers = [item.name for item in out.iterdir() if not item.name.startswith(".")]
    if strangers:
        raise ResultsError(
            f"{out}: expected a new or empty folder, found {strangers[0]!r}; give --resume to go on, or another --out"
        )


def read_progress(out: Path, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an interrupted run of the same settings left.

    Raises:
        ResultsError: it is missing, damaged, or of other settings.
    """
    try:
        progress = json.loads((out / PROGRESS).read_text(encoding="utf-8"))
        found = progress["settings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{out}: expected a checkpoint to go on from, found none: {error}") from None
    if found != wanted:
        differs = [key for key in wanted if found.get(key) != wanted[key]]
        raise ResultsError(
            f"{out}: this was begun with other settings: "
            + "; ".join(f"{key}: it has {found.get(key)}, this command {wanted[key]}" for key in differs[:3])
        )
    return progress


def write_progress(out: Path, progress: Mapping[str, Any]) -> None:
    """Write what `read_progress` reads, whole or not at all."""
    replace_file(out / PROGRESS, (json.dumps(progress, indent=1) + "\n").encode())


def _table(rows: Iterable[Mapping[str, Any]]) -> str:
    rows = list(rows)
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=".unfinished-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
