"""What can be tuned, and how a setting of its knobs becomes a policy: a policy is turned, an agent is trained.

An agent's knobs are settings of its training. A trial of it is a whole training of `steps`, so it costs days and time before
it is played; the best setting is then trained to its full length. Where a policy is chosen in the worlds that it is tuned in,
an agent is chosen in worlds that it was not trained in: a network remembers people.
"""

import csv
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from cardarena.agents.base import Knob
from cardarena.agents.practice import SimulatedLog
from cardarena.agents.registry import make_policy, tunable_names, tunable_policy
from cardarena.agents.rl.card import Making
from cardarena.agents.rl.folder import (
    CHECKPOINT,
    CURVE,
    is_agent_folder,
    read_agent,
    write_agent,
    write_trials,
    write_tuned,
)
from cardarena.agents.rl.settings import AGENTS, TrainingSettings
from cardarena.simulator.contracts import Policy
from cardarena.simulator.errors import UnknownNameError

#: Seeds of the worlds in which settings of a training are compared: nobody trains or is ranked there, and no checkpoint is
#: chosen there.
CHOSEN_IN: Final[tuple[int, ...]] = (9002, 9003, 9004)
TRIALS_FOLDER: Final = "trials"
_FINAL: Final = "final"
Row = Mapping[str, Any]


class Subject(Protocol):
    """What is tuned.

    Attributes:
        title: a short title.
        knobs: what may be set.
        values: as it ships.
        judged_in: seeds of the worlds in which settings are compared.
        met: seeds of all worlds whose people it learns from or is chosen on.
        cardholder_days: simulated before the first trial.
    """

    title: str
    knobs: tuple[Knob, ...]
    values: dict[str, float]
    judged_in: tuple[int, ...]
    met: tuple[int, ...]
    cardholder_days: int

    def policy(self, values: Mapping[str, float]) -> tuple[Policy, int]:
        """Return a policy with these values, and the cardholder-days that it took to make."""
        ...

    def complete(self) -> bool:
        """End the search; return whether the best values then make another policy than the trial's."""
        ...

    def write(
        self, out: Path, name: str, values: Mapping[str, float], making: Making, rows: Sequence[Row]
    ) -> None:
        """Write the folder."""
        ...


def tunable() -> dict[str, tuple[Knob, ...]]:
    """Return what can be tuned, and its knobs: policies, then agents."""
    policies = {name: tunable_policy(name).knobs for name in tunable_names()}
    return policies | {name: kind.knobs for name, kind in AGENTS.items() if kind.knobs}


def is_agent(name: str) -> bool:
    """Return whether it is an agent, whose knobs are settings of its training.

    Raises:
        UnknownNameError: nothing of that name can be tuned.
    """
    known = tunable()
    if name not in known:
        raise UnknownNameError("policy that can be tuned", name, known)
    return name in AGENTS


class PolicySubject:
    """A policy that declares knobs."""

    def __init__(self, name: str, world_seeds: tuple[int, ...], practice: SimulatedLog | None) -> None:
        """Take a policy's name, the worlds in which it is tuned, and the simulated log that it is fitted to, if any."""
        self._name, self._practice = name, practice
        policy = tunable_policy(name, None, practice)
        self.title, self.knobs, self.values = policy.title, policy.knobs, policy.values
        self.judged_in = self.met = world_seeds
        self.cardholder_days = 0 if practice is None else practice.cardholder_days

    def policy(self, values: Mapping[str, float]) -> tuple[Policy, int]:
        """Turn the knobs."""
        return tunable_policy(self._name, values, self._practice), 0

    def complete(self) -> bool:
        """Do nothing: the trial's policy is the one."""
        return False

    def write(
        self, out: Path, name: str, values: Mapping[str, float], making: Making, rows: Sequence[Row]
    ) -> None:
        """Write the policy's name, values and trials."""
        practice = self._practice
        card = {
            "name": name,
            "title": f"{self.title}, tuned"[:80],
            "summary": f"`{self._name}` with its knobs tuned in simulated worlds"
            + ("." if practice is None else ", fitted to a simulated randomised log."),
            "policy": self._name,
            "values": dict(values),
            "practice": None if practice is None else practice.model_dump(mode="json"),
            "training": making.model_dump(mode="json"),
        }
        write_tuned(out, card, rows)


class AgentSubject:
    """An agent, trained anew for every setting; what was trained lies under `trials` until the tuning is over."""

    cardholder_days = 0

    def __init__(
        self, settings: TrainingSettings, final_steps: int, out: Path, tell: Callable[[str], object]
    ) -> None:
        """Take the settings that all trials share, the steps of the last training, and where to keep what is trained."""
        from cardarena.agents.rl.training import require_extra

        require_extra()
        kind = AGENTS[settings.agent]
        self.title, self.knobs = kind.title, kind.knobs
        self.values = {knob.name: float(getattr(settings, knob.name)) for knob in kind.knobs}
        self.judged_in: tuple[int, ...] = CHOSEN_IN
        self.met = tuple(sorted({*settings.world_seeds, *settings.evaluation_seeds, *CHOSEN_IN}))
        self._settings, self._final_steps, self._tell = settings, final_steps, tell
        self._folder = out / TRIALS_FOLDER
        self._is_complete = False

    def policy(self, values: Mapping[str, float]) -> tuple[Policy, int]:
        """Train it, unless that was done, and return what plays the folder."""
        folder = self._trained(values)
        policy: Any = make_policy(str(folder))
        return policy, policy.card.training.cardholder_days

    def complete(self) -> bool:
        """Let what follows be trained to its full length."""
        self._is_complete = True
        return True

    def write(
        self, out: Path, name: str, values: Mapping[str, float], making: Making, rows: Sequence[Row]
    ) -> None:
        """Write the trained agent, with what the whole tuning took; remove the trials' folders."""
        folder = self._trained(values)
        agent = read_agent(folder)
        with (folder / CURVE).open(encoding="utf-8", newline="") as file:
            curve = list(csv.DictReader(file))
        card = agent.card.model_dump(mode="json", exclude={"format", "weights_sha256"})
        told = making.model_dump(
            mode="json", include={"command", "world_seeds", "cardholder_days", "trials", "seconds"}
        )
        training = card["training"]
        training |= told | {"settings": training["settings"] | {"trial_steps": str(self._settings.steps)}}
        write_trials(out, rows)
        write_agent(out, {**card, "name": name, "title": f"{self.title}, tuned"[:80]}, agent.tensors, curve)
        shutil.rmtree(self._folder)

    def _trained(self, values: Mapping[str, float]) -> Path:
        from cardarena.agents.rl.training import train

        settings = self._with(values)
        words = json.dumps([dict(values), settings.steps])
        folder = self._folder / (
            _FINAL if self._is_complete else hashlib.sha256(words.encode()).hexdigest()[:12]
        )
        is_begun = (folder / CHECKPOINT).exists()
        if is_begun or not is_agent_folder(str(folder)):
            train(settings, folder, resume=is_begun, tell=self._tell)
        return folder

    def _with(self, values: Mapping[str, float]) -> TrainingSettings:
        chosen = {
            knob.name: int(values[knob.name]) if knob.whole else values[knob.name] for knob in self.knobs
        }
        steps = self._final_steps if self._is_complete else self._settings.steps
        return TrainingSettings(**{**vars(self._settings), **chosen, "steps": steps})
