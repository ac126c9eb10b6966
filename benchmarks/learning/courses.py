"""What is trained: the reference agent, and every agent that differs from it in one thing."""

import hashlib
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cardarena.agents.rl.settings import TrainingSettings

#: Seeds of the worlds in which agents are compared: nobody trains in them, is judged in them while training, or ranked.
HELD_OUT: Final = 9101


@dataclass(frozen=True)
class Sizes:
    """How large the experiment is.

    Attributes:
        steps: environment steps of each training.
        training_seeds: seeds with which each agent is trained.
        cardholders: people of each world that is played.
        seeds: worlds that are played.
        days: decision days; None: the scenario's.
        run_out_days: days under the caretaker after them; None: the scenario's.
        settings: further settings that all trainings share; for small sizes.
    """

    steps: int = 2_000_000
    training_seeds: tuple[int, ...] = (0, 1)
    cardholders: int = 3_000
    seeds: tuple[int, ...] = tuple(range(HELD_OUT, HELD_OUT + 4))
    days: int | None = None
    run_out_days: int | None = None
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Course:
    """One agent to train.

    Attributes:
        name: what it is called here.
        section: what it belongs to: `gamma`, `sight`, `reward`, `agent` or `price`; the reference belongs to all.
        title: for tables and pictures.
        agent: which agent.
        changes: settings in which it differs from the reference, by the options of `cardarena train`.
    """

    name: str
    section: str
    title: str
    agent: str = "maskable_ppo"
    changes: dict[str, Any] = field(default_factory=dict[str, Any])

    def settings(self, sizes: Sizes, seed: int) -> "TrainingSettings":
        """Return the settings of its training."""
        from cardarena.agents.rl.settings import TrainingSettings

        # Judged twice: at half of the steps and at the end; nothing ends early, so that steps are equal.
        given = {
            "steps": sizes.steps,
            "seed": seed,
            "evaluate_every": -(-sizes.steps // 2),
            "patience": 1_000,
        }
        own = {_SETTINGS[option]: value for option, value in self.changes.items()}
        return TrainingSettings.of(self.agent, **{**given, **own, **sizes.settings})

    def command(self, sizes: Sizes, seed: int) -> str:
        """Return the command that trains it; who finds an agent of the same command need not train it again."""
        words = ["cardarena", "train", self.agent, "--steps", str(sizes.steps), "--seed", str(seed)]
        words += ["--evaluate-every", str(-(-sizes.steps // 2)), "--patience", "1000"]
        for option, value in self.changes.items():
            shown = ",".join(f"{x:g}" for x in value) if isinstance(value, tuple) else str(value)
            words += [f"--{option}", shown]
        for name, value in sizes.settings.items():
            words += [f"{name}={value}"]
        return shlex.join(words)

    def folder(self, sizes: Sizes, seed: int) -> str:
        """Return the name of its folder: another command has another folder."""
        return f"{self.name}-{seed}-{hashlib.sha256(self.command(sizes, seed).encode()).hexdigest()[:8]}"


#: Options of `cardarena train` and the settings that they are.
_SETTINGS: Final = {
    "gamma": "gamma_per_day",
    "observe": "observe",
    "reward": "reward",
    "price": "contact_price_cny",
    "harm-limit": "harm_limit",
}
REFERENCE: Final = "reference"
COURSES: Final = (
    Course(REFERENCE, "", "Reference: 0.99 a day, observables, paired"),
    Course("gamma_0", "gamma", "gamma 0: the next decision alone", changes={"gamma": 0.0}),
    Course("gamma_09", "gamma", "gamma 0.9: ten days", changes={"gamma": 0.9}),
    Course("gamma_0997", "gamma", "gamma 0.997: a year", changes={"gamma": 0.997}),
    Course("full_state", "sight", "Full state (privileged)", changes={"observe": "full_state"}),
    Course("beliefs", "sight", "Observables and beliefs", changes={"observe": "beliefs"}),
    Course("memoryless", "sight", "No history of contacts", changes={"observe": "memoryless"}),
    Course("gross", "reward", "Gross: realised margin", changes={"reward": "gross"}),
    Course("attributed", "reward", "Attributed: what banks credit", changes={"reward": "attributed"}),
    Course("priced", "price", "A price of contacts, 0 to 1 CNY", changes={"price": (0.0, 1.0)}),
    Course(
        "ppo_lagrangian",
        "agent",
        "PPO under a limit of harm, 5 in 1,000 and month",
        agent="ppo_lagrangian",
        changes={"harm-limit": 5.0},
    ),
    *(
        Course(agent, "agent", title, agent=agent)
        for agent, title in (
            ("ppo", "PPO without masks"),
            ("ppo_stacked", "PPO on four frames"),
            ("ppo_recurrent", "PPO with an LSTM"),
            ("dqn", "Deep Q-network, fewer arms"),
            ("cql", "Conservative Q-learning from a log, fewer arms"),
            ("fqi", "Fitted Q iteration on a log, fewer arms"),
        )
    ),
)
#: What agents are held against: the best of the logged heuristics, and who knows the hidden state.
HEURISTICS: Final = ("whittle", "mpc", "greedy_priced")
ORACLE: Final = "oracle_planner"
#: Where all are played, and where money is short.
SCENARIO: Final = "baseline"
BUDGET_SCENARIO: Final = "tight_budget"
