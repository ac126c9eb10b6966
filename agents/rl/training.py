"""From settings to a trained folder: chunks of learning, an evaluation and a checkpoint after each, the best agent kept.

Nothing of a chunk's luck outlives it: every generator is seeded by (seed, chunk). So a run that was interrupted goes on from
its last checkpoint to the same weights, and a checkpoint is arrays and plain text; no pickle is written or read.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from cardarena.agents.rl.card import Actions, AgentCard, NetworkShape, Training
from cardarena.agents.rl.evaluation import Worth
from cardarena.agents.rl.folder import (
    CHECKPOINT,
    PROGRESS,
    TrainedAgent,
    read_agent,
    read_progress,
    refuse_strangers,
    replace_file,
    tensors_of,
    write_agent,
    write_progress,
)
from cardarena.agents.rl.settings import AGENTS, TrainingSettings
from cardarena.simulator.errors import CardArenaError, ResultsError
from cardarena.simulator.parameter_sets import load_world

_EXTRA: Final = ("torch", "stable_baselines3", "sb3_contrib")
_PACKAGES: Final = ("numpy", "torch", "stable-baselines3", "sb3-contrib", "gymnasium", "safetensors")
#: A learning rate falls to this share of itself.
_LAST_RATE: Final = 0.1


@dataclass(frozen=True)
class Finished:
    """A training that came to its end.

    Attributes:
        agent: the best agent, as its folder holds it.
        worth: what it is worth.
        steps: environment steps in all.
        reason: why it ended.
    """

    agent: TrainedAgent
    worth: Worth
    steps: int
    reason: str


def require_extra() -> None:
    """Raise unless what trains is installed.

    Raises:
        CardArenaError: it is not; says what to install.
    """
    missing = [name for name in _EXTRA if find_spec(name) is None]
    if missing:
        raise CardArenaError(
            f"training needs the extra 'rl', found no {', '.join(missing)}: pip install 'cardarena[rl]'"
        )


def train(
    settings: TrainingSettings,
    out: Path,
    *,
    name: str | None = None,
    command: str = "",
    resume: bool = False,
    tell: Callable[[str], object] = lambda text: None,
    watch: Callable[[int, dict[str, float]], object] = lambda steps, row: None,
    stop_after: int | None = None,
) -> Finished:
    """Train an agent into a folder.

    Args:
        settings: everything that its values depend on.
        out: the folder.
        name: what the agent is called; the kind of agent by default.
        command: the command line, for the card.
        resume: go on from the checkpoint that an interrupted training of the same settings left.
        tell: receives a line after each evaluation.
        watch: receives steps and a row of the learning curve after each evaluation.
        stop_after: leave after so many chunks, as an interruption would; for tests.

    Raises:
        CardArenaError: what trains is not installed, or a scenario or world that cannot be used.
        ResultsError: the folder holds something else, or a checkpoint of other settings.
    """
    require_extra()
    _refuse_ranked(settings)
    began = time.monotonic()
    refuse_strangers(out, resume)
    course = _Course(settings, out, name or settings.agent, command)
    if resume:
        course.go_on()
    chunks = 0
    while course.reason is None:
        course.chunk()
        chunks += 1
        row = course.judge(began)
        watch(course.steps, row)
        tell(
            f"{course.steps:>10,} steps  {row['value_cny']:+8.3f} CNY a person (±{row['error_cny']:.3f})  "
            f"{row['contacts']:.2f} contacts and {row['harm']:.1f} harm per 1,000 in 30 days"
        )
        course.save()
        if chunks == stop_after:
            break
    reason = course.reason or "stopped"
    if course.reason is not None:
        course.finish()
    return Finished(read_agent(out), course.best_worth, course.steps, reason)


class _Course:
    """One course of training: learner, lanes, curve, and the best agent so far.

    States: made -> (`go_on`) -> `chunk`, `judge`, `save`, again and again -> over (`reason` says why).
    """

    def __init__(self, settings: TrainingSettings, out: Path, name: str, command: str) -> None:
        import torch

        from cardarena.agents.rl.sb3.grounds import Ground
        from cardarena.agents.rl.sb3.learners import LEARNERS

        self.settings, self.out, self.name, self.command = settings, out, name, command
        torch.set_num_threads(settings.threads)
        self.ground = Ground.of(settings)
        self.lanes = self.ground.lanes
        self.learner = LEARNERS[settings.agent](settings, self.lanes)
        self.steps, self.chunks, self.seconds = 0, 0, 0.0
        self.curve: list[dict[str, float]] = []
        self.best = -np.inf
        self.since_best = 0

    @property
    def cardholder_days(self) -> int:
        """Days of simulated people so far: of learning, and of the evaluations with their run-outs; with a twin beside each."""
        return self.ground.cardholder_days(self.learner.lived, len(self.curve))

    @property
    def reason(self) -> str | None:
        """Why the training is over, or None."""
        if self.steps >= self.settings.steps:
            return "all steps taken"
        if self.since_best >= self.settings.patience:
            return f"no better in {self.settings.patience} evaluations"
        return None

    @property
    def best_worth(self) -> Worth:
        """What the best agent is worth."""
        row = max(self.curve, key=lambda row: row["value_cny"])
        return Worth(*(row[name] for name in ("value_cny", "error_cny", "contacts", "harm", "blocked")))

    def chunk(self) -> None:
        """Learn until the next evaluation."""
        s = self.settings
        share = min(1.0, self.steps / s.steps)
        rate = s.learning_rate * (1.0 - (1.0 - _LAST_RATE) * share)
        words = np.random.SeedSequence([s.seed, self.chunks]).generate_state(1)
        self.learner.teach(min(s.evaluate_every, s.steps - self.steps), int(words[0]) & 0x7FFFFFFF, rate)
        self.steps = self.learner.steps
        self.chunks += 1

    def judge(self, began: float) -> dict[str, float]:
        """Evaluate what was learned; write it to the folder if it is the best so far. Return a row of the curve."""
        counts = self.lanes.take_counts()
        judged = [(self.ground.worth(agent := self._agent(choice)), agent) for choice in self.ground.choices]
        # The first of equals, so the greedy one.
        worth, agent = max(judged, key=lambda pair: pair[0].value_cny)
        row = {
            "steps": self.steps,
            "seconds": round(time.monotonic() - began + self.seconds, 1),
            **{key: round(value, 6) for key, value in asdict(worth).items()},
            "is_greedy": float(agent.card.actions.choice == "greedy"),
            "training_cny_a_day": round(counts["paid"] / max(1, counts["days"]), 6),
            "harm_price_cny": round(self.lanes.harm_price, 6),
        }
        self.curve.append(row)
        if worth.value_cny > self.best:
            self.best, self.since_best = worth.value_cny, 0
            write_agent(self.out, self._card(agent.card.actions.choice), agent.tensors, self.curve)
        else:
            self.since_best += 1
        return row

    def save(self) -> None:
        """Write the checkpoint: the arrays first, then the text that names their digest."""
        from safetensors.numpy import save

        arrays = {name: _flat(array) for name, array in self.learner.arrays().items()}
        content = save(arrays)
        progress = {
            "settings": self._identity(),
            "name": self.name,
            "steps": self.steps,
            "chunks": self.chunks,
            "seconds": self.curve[-1]["seconds"],
            "best": self.best,
            "since_best": self.since_best,
            "curve": self.curve,
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        replace_file(self.out / CHECKPOINT, content)
        write_progress(self.out, progress)

    def go_on(self) -> None:
        """Take back the checkpoint.

        Raises:
            ResultsError: it is missing, damaged, or of other settings.
        """
        progress = read_progress(self.out, self._identity())
        try:
            content = (self.out / CHECKPOINT).read_bytes()
        except OSError as error:
            raise ResultsError(
                f"{self.out}: expected a checkpoint to go on from, found none: {error}"
            ) from None
        if hashlib.sha256(content).hexdigest() != progress["sha256"]:
            raise ResultsError(
                f"{self.out}: expected the checkpoint that {PROGRESS} speaks of, found another"
            )
        stored = tensors_of(content, f"{self.out.name}/{CHECKPOINT}")
        self.learner.restore(_shaped(stored, self.learner.arrays()))
        self.steps, self.chunks, self.seconds = progress["steps"], progress["chunks"], progress["seconds"]
        self.best, self.since_best, self.curve = progress["best"], progress["since_best"], progress["curve"]

    def finish(self) -> None:
        """Write the whole curve beside the best agent, and remove the checkpoint."""
        best = read_agent(self.out)
        card = best.card.model_dump(mode="json", exclude={"format", "weights_sha256"})
        # What was spent after the best agent was found is spent, too.
        card["training"] |= {
            "cardholder_days": self.cardholder_days,
            "seconds": float(self.curve[-1]["seconds"]),
        }
        write_agent(self.out, card, best.tensors, self.curve)
        for name in (CHECKPOINT, PROGRESS):
            (self.out / name).unlink(missing_ok=True)

    def _identity(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(self.settings))) | {"agent_name": self.name}

    def _agent(self, choice: str) -> TrainedAgent:
        card = AgentCard.model_validate({"format": 1, **self._card(choice), "weights_sha256": "0" * 64})
        return TrainedAgent(card, {**self.learner.tensors(), **self.ground.tensors})

    def _card(self, choice: str) -> dict[str, Any]:
        kind = AGENTS[self.settings.agent]
        return {
            "name": self.name,
            "title": kind.title,
            "summary": kind.summary,
            "observation": self.lanes.observation.model_dump(mode="json"),
            "network": NetworkShape.model_validate(
                {
                    "layers": list(self.learner.layers),
                    "activation": self.learner.activation,
                    "memory": self.learner.memory,
                }
            ).model_dump(mode="json"),
            "actions": Actions.model_validate(self.ground.actions(choice)).model_dump(mode="json"),
            "training": Training.model_validate(self._training()).model_dump(mode="json"),
        }

    def _training(self) -> dict[str, Any]:
        s = self.settings
        shown = ("observe", "terminal", "difficulty", "lanes", "learning_rate", "rollout", "epochs", "batches", "entropy",
                 "prior", "harm_limit", "evaluate_every", "evaluated", "patience", "cardholders", "threads")  # fmt: skip
        return {
            "algorithm": s.agent,
            "command": self.command or f"cardarena train {s.agent}",
            "scenario": ", ".join(scenario.name for scenario in self.ground.scenarios),
            "world": s.world and load_world(s.world).name,
            "world_seeds": sorted({*s.world_seeds, *s.evaluation_seeds}),
            "seed": s.seed,
            "steps": self.steps,
            "cardholder_days": self.cardholder_days,
            "seconds": float(self.curve[-1]["seconds"]) if self.curve else 0.0,
            "gamma_per_day": s.gamma_per_day,
            "reward": s.reward,
            "decision_every": s.decision_every,
            "contact_price_cny": list(s.contact_price_cny),
            "versions": _versions(),
            "settings": {name: str(getattr(s, name)) for name in shown if name not in AGENTS[s.agent].unused}
            | dict(self.ground.remarks),
        }


def _refuse_ranked(settings: TrainingSettings) -> None:
    """Refuse to train in a world that is there to choose or to rank agents in."""
    if settings.world is not None and (split := load_world(settings.world).split) in ("validation", "test"):
        raise CardArenaError(
            f"world {settings.world!r}: expected a training or reference world, found one of the {split} worlds"
        )


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # pragma: no cover - they are required above
            found[name] = "missing"
    return found


def _flat(array: np.ndarray) -> np.ndarray:
    """Return an array as safetensors holds it: records, which it has no type for, as bytes."""
    if array.dtype.kind == "V":
        return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return np.array(array, order="C")


def _shaped(stored: dict[str, Any], own: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return stored arrays in the types and shapes of the learner's own.

    Raises:
        ResultsError: one is missing, or of another size.
    """
    shaped = {}
    for name, array in stored.items():
        if name in own:
            target = own[name]
            whole = array.view(target.dtype) if target.dtype.kind == "V" else array
            if whole.size != target.size or whole.dtype != target.dtype:
                raise ResultsError(
                    f"checkpoint: {name}: expected {target.size} of {target.dtype}, found {whole.size}"
                )
            shaped[name] = whole.reshape(target.shape)
        else:
            shaped[name] = array
    missing = [name for name in own if name not in shaped]
    if missing:
        raise ResultsError(f"checkpoint: expected {missing[0]!r}, found none")
    return shaped
