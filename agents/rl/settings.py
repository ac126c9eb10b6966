"""What a training run is made of: every argument that its values depend on, and which agents can be trained."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cardarena.agents.base import Knob
from cardarena.agents.rl.sight import SIGHTS
from cardarena.simulator.envs.actions import DIFFICULTIES
from cardarena.simulator.envs.rewards import FORMS
from cardarena.simulator.errors import CardArenaError, UnknownNameError

#: Seeds below are the arena's; what was learned in their worlds proves nothing there.
FIRST_TRAINING_SEED: Final = 1001
#: Worlds in which agents in training are judged: nobody trains or is ranked in them.
EVALUATION_SEEDS: Final = (9001,)


def refuse_wrong_seeds(seeds: Sequence[int]) -> None:
    """Refuse world seeds that belong to the arena, or stand twice.

    Raises:
        CardArenaError: one does, or there is none.
    """
    if not seeds or min(seeds) < FIRST_TRAINING_SEED:
        raise CardArenaError(
            f"world seeds of a training: expected {FIRST_TRAINING_SEED} or more (the arena's come before), "
            f"found {', '.join(map(str, seeds)) or 'none'}"
        )
    if len(set(seeds)) < len(seeds):
        raise CardArenaError(f"world seeds: expected each once, found {', '.join(map(str, seeds))}")


@dataclass(frozen=True)
class Kind:
    """One agent that can be trained.

    Attributes:
        title: a short title.
        summary: one sentence for tables.
        is_flat: whether its actions are flat.
        frames: decisions that it sees at once.
        lanes: journeys, or whole bases, at once, unless told otherwise.
        settings: what of `TrainingSettings` it has otherwise.
        unused: what of `TrainingSettings` would do nothing.
        is_campaign: whether it sets the plan of a whole base, in place of deciding about one cardholder.
        reads_log: whether it learns from a log alone, so that its reward is one that a bank's log has.
        knobs: settings that `cardarena tune` may choose.
    """

    title: str
    summary: str
    is_flat: bool = False
    frames: int = 1
    lanes: int = 2048
    settings: dict[str, Any] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    is_campaign: bool = False
    reads_log: bool = False
    knobs: tuple[Knob, ...] = ()


_KNOBS: Final = (
    Knob("gamma_per_day", 0.8, 0.999, "discount of a day"),
    Knob("decision_every", 1, 7, "days between decisions", whole=True),
    Knob("learning_rate", 2e-4, 4e-3, "learning rate at the beginning", by_ratio=True),
    Knob("entropy", 5e-4, 2e-2, "weight of the entropy bonus", by_ratio=True),
    Knob("prior", 0.05, 0.4, "chance of a contact with which it begins"),
)

#: What only the constrained agent uses, and what only those do that improve a policy roll-out by roll-out.
_HARM: Final = ("harm_limit",)
_ON_POLICY: Final = ("rollout", "epochs", "batches", "entropy", "choice", *_HARM)

AGENTS: Final = {
    "ppo": Kind(
        "PPO",
        "Proximal policy optimisation on one cardholder's journey; trained without masks, charged for what is blocked.",
        unused=_HARM, knobs=_KNOBS,
    ),
    "maskable_ppo": Kind(
        "PPO with masks", "Proximal policy optimisation on one cardholder's journey, among what the rules leave open.",
        unused=_HARM, knobs=_KNOBS,
    ),
    "ppo_lagrangian": Kind(
        "PPO under a limit of harm",
        "PPO with masks whose price of a refusal, an off-switch or a complaint rises until a limit of them is kept.",
        knobs=_KNOBS,
    ),
    "ppo_stacked": Kind(
        "PPO on stacked frames", "PPO with masks that sees its last four decisions' observations at once.", frames=4,
        unused=_HARM, knobs=_KNOBS,
    ),
    "ppo_recurrent": Kind(
        "PPO with an LSTM", "Proximal policy optimisation with a recurrent network, one state a cardholder.", lanes=512,
        unused=_HARM, knobs=_KNOBS,
    ),
    "dqn": Kind(
        "Deep Q-network", "Q-learning over flat actions, greedy among what the rules leave open.", is_flat=True, lanes=256,
        settings={"difficulty": "easy", "learning_rate": 1e-3}, unused=_ON_POLICY,
    ),
    "cql": Kind(
        "Conservative Q-learning", "Q-learning from a randomised log alone, careful about what the log does not show.",
        is_flat=True, lanes=256, reads_log=True,
        settings={"difficulty": "easy", "learning_rate": 3e-4, "reward": "attributed"}, unused=_ON_POLICY,
    ),
    "fqi": Kind(
        "Fitted Q iteration", "A linear value of every arm, fitted again and again to a randomised log alone.",
        is_flat=True, lanes=256, reads_log=True,
        settings={"difficulty": "easy", "reward": "attributed"}, unused=("layers", "learning_rate", *_ON_POLICY),
    ),
    "sac": Kind(
        "SAC on the campaign", "Soft actor-critic that sets volumes, caps, a threshold and a price for the whole base, weekly.",
        lanes=4, is_campaign=True,
        settings={
            "steps": 20_000, "cardholders": 2000, "world_seeds": tuple(range(1001, 1009)), "evaluation_seeds": (9001, 9002, 9003),
            "decision_every": 7, "evaluate_every": 520, "learning_rate": 1e-3, "choice": "greedy",
        },
        unused=(
            "difficulty", "contact_price_cny", "rollout", "epochs", "batches", "entropy", "harm_limit", "evaluated", "observe",
        ),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class TrainingSettings:
    """The arguments of a training run.

    Attributes:
        agent: which one, of `AGENTS`.
        scenarios: names or files; lanes are dealt evenly among several, whose banks must stock the same.
        steps: environment steps, one a lane and decision.
        seed: of everything that is drawn in training.
        world: parameter set in place of the scenario's own.
        world_seeds: of the worlds whose people are met.
        evaluation_seeds: of the worlds in which the agent is judged.
        cardholders: people of each world.
        lanes: journeys, or whole bases, at once.
        horizon: days of an episode; None: the scenario's.
        decision_every: days between decisions.
        reward: form of the reward.
        observe: what it is shown, one of `SIGHTS`.
        terminal: what comes after the horizon: `bootstrap`, the critic's own estimate, the horizon being hidden from the
            agent; or `caretaker`, the fitted value, the horizon being seen.
        difficulty: of the environment.
        contact_price_cny: range from which each episode draws the price of a contact.
        gamma_per_day: discount of a day.
        layers: hidden units of actor and critic.
        learning_rate: at the beginning; it falls to a tenth.
        rollout: decisions of each lane between two updates.
        epochs: passes over a rollout.
        batches: minibatches in a pass.
        entropy: weight of the entropy bonus.
        prior: chance of a contact with which an agent begins, its inputs are scaled and a log is drawn, between 0 and 1; of a
            campaign, the intensity with which it begins, 0 to 1.
        harm_limit: refusals, off-switches and complaints in 1,000 people and 30 days that `ppo_lagrangian` keeps to.
        choice: whether the finished agent is `greedy`, `sampled`, drawing what it does, or the `better` of the two.
        evaluate_every: steps between two evaluations.
        patience: evaluations without a better one after which training ends.
        evaluated: people met in an evaluation.
        threads: of PyTorch; values depend on it.
    """

    agent: str
    scenarios: tuple[str, ...] = ("baseline",)
    steps: int = 6_000_000
    seed: int = 0
    world: str | None = None
    world_seeds: tuple[int, ...] = (1001, 1002)
    evaluation_seeds: tuple[int, ...] = EVALUATION_SEEDS
    cardholders: int = 4000
    lanes: int = 2048
    horizon: int | None = None
    decision_every: int = 3
    reward: str = "paired"
    observe: str = "observables"
    terminal: str = "bootstrap"
    difficulty: str = "standard"
    contact_price_cny: tuple[float, float] = (0.0, 0.0)
    gamma_per_day: float = 0.99
    layers: tuple[int, ...] = (128, 128)
    learning_rate: float = 1e-3
    rollout: int = 15
    epochs: int = 4
    batches: int = 8
    entropy: float = 0.005
    prior: float = 0.2
    harm_limit: float = 20.0
    choice: str = "better"
    evaluate_every: int = 262_144
    patience: int = 12
    evaluated: int = 4000
    threads: int = 1

    def __post_init__(self) -> None:
        if self.agent not in AGENTS:
            raise UnknownNameError("agent", self.agent, AGENTS)
        for seeds in (self.world_seeds, self.evaluation_seeds):
            refuse_wrong_seeds(seeds)
        if both := set(self.world_seeds) & set(self.evaluation_seeds):
            raise CardArenaError(
                f"world seeds: expected others for training and for evaluation, found {min(both)} in both"
            )
        for name, known in (
            ("terminal", ("bootstrap", "caretaker")),
            ("choice", ("greedy", "sampled", "better")),
            ("observe", tuple(SIGHTS)),
            ("reward", FORMS),
            ("difficulty", DIFFICULTIES),
        ):
            if getattr(self, name) not in known:
                raise UnknownNameError(name, getattr(self, name), known)
        for name in ("steps", "lanes", "cardholders", "rollout", "epochs", "batches", "evaluate_every", "patience",
                     "evaluated", "threads", "decision_every"):  # fmt: skip
            if getattr(self, name) < 1:
                raise CardArenaError(f"{name}: expected 1 or more, found {getattr(self, name)}")
        kind = AGENTS[self.agent]
        # The twin who was left alone is in no bank's log.
        if kind.reads_log and self.reward == "paired":
            raise CardArenaError(
                f"reward: expected 'gross' or 'attributed' of {self.agent!r}, which learns from a bank's log, found 'paired'"
            )
        if kind.is_campaign:
            if self.choice != "greedy":
                raise CardArenaError(f"choice: expected 'greedy' of a campaign, found {self.choice!r}")
            if self.observe != "observables":
                raise CardArenaError(f"observe: expected 'observables' of a campaign, found {self.observe!r}")
            if len(self.scenarios) > 1:
                raise CardArenaError(
                    f"scenarios: expected one for a campaign, found {', '.join(self.scenarios)}"
                )
        if not self.scenarios or len(set(self.scenarios)) < len(self.scenarios):
            raise CardArenaError(
                f"scenarios: expected at least one, each once, found {', '.join(self.scenarios) or 'none'}"
            )
        if self.lanes < len(self.scenarios):
            raise CardArenaError(
                f"lanes: expected {len(self.scenarios)} or more, one a scenario, found {self.lanes}"
            )
        low, high = self.contact_price_cny
        if not 0.0 <= low <= high:
            raise CardArenaError(f"price: expected CNY from 0 on, the lower first, found {low:g},{high:g}")
        if not 0.0 <= self.gamma_per_day <= 1.0:
            raise CardArenaError(f"gamma: expected 0 to 1, found {self.gamma_per_day}")
        if not 0.0 < self.learning_rate < math.inf:
            raise CardArenaError(f"learning_rate: expected more than 0, found {self.learning_rate:g}")
        for name in ("entropy", "harm_limit"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise CardArenaError(f"{name}: expected 0 or more, found {getattr(self, name):g}")
        # A chance is begun with as its logarithm, which 0 and 1 have none of; an intensity is cut off short of its ends.
        if not (0.0 <= self.prior <= 1.0 if kind.is_campaign else 0.0 < self.prior < 1.0):
            expected = "0 to 1" if kind.is_campaign else "a chance above 0 and below 1"
            raise CardArenaError(f"prior: expected {expected}, found {self.prior:g}")

    @classmethod
    def of(cls, agent: str, **given: Any) -> "TrainingSettings":
        """Return the settings of an agent: what is given, then what the agent has otherwise, then the defaults.

        Raises:
            UnknownNameError: no such agent, or a word that is none of the known ones.
            CardArenaError: a number out of range, or seeds that belong to the arena.
        """
        if agent not in AGENTS:
            raise UnknownNameError("agent", agent, AGENTS)
        kind = AGENTS[agent]
        for name in kind.unused:
            if name in given:
                raise CardArenaError(
                    f"{name}: expected none for {agent!r}, which has no use for it, found {given[name]}"
                )
        return cls(agent=agent, **{"lanes": kind.lanes, **kind.settings, **given})
