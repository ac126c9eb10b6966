# pyright: reportMissingImports=false
"""Where an agent is trained and judged: on cardholders' journeys, or on whole bases."""

from typing import Any, Final

from cardarena.agents.campaign_environment import campaign_worlds
from cardarena.agents.environments import make_pool
from cardarena.agents.rl.card import Observation
from cardarena.agents.rl.evaluation import Worth, campaign_worth, worth_of
from cardarena.agents.rl.folder import TrainedAgent
from cardarena.agents.rl.sb3.bases import Bases, campaign_columns
from cardarena.agents.rl.sb3.lanes import Lanes, columns_for
from cardarena.agents.rl.settings import AGENTS, TrainingSettings
from cardarena.simulator.envs.campaign import CampaignEnv
from cardarena.simulator.envs.shell import Shell
from cardarena.simulator.names import CHANNELS, DEPTHS
from cardarena.simulator.scenario import Scenario

#: Seed of the journeys on which agents in training are judged; the same for all, so that they are compared on equal luck.
FIRST_EVALUATION: Final = 77


class Ground:
    """Lanes to learn in, warm, and people of other worlds to be judged on.

    Attributes:
        settings: of the training.
        scenario: of all worlds.
        lanes: the environment of the trainer.
    """

    settings: TrainingSettings
    scenario: Scenario
    lanes: Any

    @staticmethod
    def of(settings: TrainingSettings) -> "Ground":
        """Return the ground that an agent of these settings is trained on."""
        return CampaignGround(settings) if AGENTS[settings.agent].is_campaign else JourneyGround(settings)

    @property
    def choices(self) -> tuple[str, ...]:
        """How an agent that was learned may be played."""
        raise NotImplementedError

    def worth(self, agent: TrainedAgent) -> Worth:
        """Return what an agent is worth to people whom it never met."""
        raise NotImplementedError

    def actions(self, choice: str) -> dict[str, Any]:
        """Return what the card says of the network's outputs."""
        raise NotImplementedError

    def cardholder_days(self, steps: int, evaluations: int) -> int:
        """Return the days of simulated people of so many steps and evaluations, run-outs and twins included."""
        raise NotImplementedError


class JourneyGround(Ground):
    """Journeys of single cardholders, thousands at once."""

    def __init__(self, settings: TrainingSettings) -> None:
        """Burn people in, and warm the lanes up."""
        self.settings = settings
        pool = self._pool(settings.world_seeds)
        self.scenario = pool.scenario
        self.days = settings.horizon or pool.scenario.horizon.days
        is_cared_for = settings.terminal == "caretaker"
        shell = Shell(
            pool,
            settings.lanes,
            terminal_value=is_cared_for,
            offer_features=False,
            horizon=self.days,
            decision_every=settings.decision_every,
            reward=settings.reward,
            difficulty=settings.difficulty,
            contact_price=settings.contact_price_cny,
        )
        kind = AGENTS[settings.agent]
        columns = columns_for(sees_end=is_cared_for, has_price=settings.contact_price_cny[1] > 0.0)
        self.lanes: Lanes = Lanes(
            shell,
            Observation(columns=columns, frames=kind.frames),
            is_flat=kind.is_flat,
            bootstraps=not is_cared_for,
        )
        self.lanes.warm_up(settings.seed, settings.prior)
        self.held_out = self._pool(settings.evaluation_seeds, self.days + self.run_out_days)

    @property
    def run_out_days(self) -> int:
        """Days after the decisions that count too."""
        return self.scenario.horizon.run_out_days

    @property
    def choices(self) -> tuple[str, ...]:
        """Greedy or sampled, as the settings want it; values are greedy."""
        if AGENTS[self.settings.agent].is_flat:
            return ("greedy",)
        return ("greedy", "sampled") if self.settings.choice == "better" else (self.settings.choice,)

    def worth(self, agent: TrainedAgent) -> Worth:
        """Play the agent on journeys of other worlds' people."""
        return worth_of(
            agent,
            self.held_out,
            n=self.settings.evaluated,
            seed=FIRST_EVALUATION,
            days=self.days,
            run_out_days=self.run_out_days,
            difficulty=self.settings.difficulty,
        )

    def actions(self, choice: str) -> dict[str, Any]:
        """Return the offers, channels and depths of the environment."""
        is_flat = AGENTS[self.settings.agent].is_flat
        codec = self.lanes.shell.journeys.codec
        names = self.scenario.catalogue().names
        return {
            "form": "flat" if is_flat else "factored",
            "scores": "values" if is_flat else "logits",
            "choice": choice,
            "offers": [names[code] for code in codec.offers],
            "channels": [CHANNELS[code] for code in codec.channels],
            "depths": list(DEPTHS[: codec.n_depths]),
        }

    def cardholder_days(self, steps: int, evaluations: int) -> int:
        """Return those of learning, with a twin beside each in the paired form, and of evaluations, which are paired."""
        s = self.settings
        each = 2 if s.reward == "paired" else 1
        judged = evaluations * len(self.choices) * s.evaluated * (self.days + self.run_out_days)
        return steps * s.decision_every * each + 2 * judged

    def _pool(self, seeds: tuple[int, ...], days: int | None = None) -> Any:
        s = self.settings
        return make_pool(
            s.scenario,
            n_cardholders=s.cardholders,
            world_seeds=seeds,
            overrides=None if s.world is None else {"world": s.world},
            days=days or s.horizon,
        )


class CampaignGround(Ground):
    """Whole bases, a few at once, each under one budget."""

    def __init__(self, settings: TrainingSettings) -> None:
        """Burn worlds in, and warm the lanes up."""
        self.settings = settings
        worlds = self._worlds(settings.world_seeds)
        self.scenario = worlds[0].world.scenario
        is_cared_for = settings.terminal == "caretaker"
        envs = [
            CampaignEnv(
                worlds,
                decision_every=settings.decision_every,
                horizon=settings.horizon,
                reward=settings.reward,
                terminal_value="run_out" if is_cared_for else False,
            )
            for _ in range(settings.lanes)
        ]
        self.days, self._codec = envs[0].horizon, envs[0].codec
        columns = campaign_columns(envs[0].feature_names, sees_end=is_cared_for)
        self.lanes: Bases = Bases(envs, Observation(columns=columns), bootstraps=not is_cared_for)
        self.lanes.warm_up(settings.seed)
        self.held_out = self._worlds(settings.evaluation_seeds)

    @property
    def choices(self) -> tuple[str, ...]:
        """The mean action."""
        return (self.settings.choice,)

    def worth(self, agent: TrainedAgent) -> Worth:
        """Play the agent in other worlds."""
        return campaign_worth(
            agent, self.held_out, days=self.days, run_out_days=self.scenario.horizon.run_out_days
        )

    def actions(self, choice: str) -> dict[str, Any]:
        """Return the channels of the environment."""
        return {"form": "campaign", "choice": choice, "channels": list(self._codec.channels)}

    def cardholder_days(self, steps: int, evaluations: int) -> int:
        """Return those of learning and of evaluations, and of the silent twin of each world, which lives once."""
        s = self.settings
        after = self.scenario.horizon.run_out_days
        whole = self.days + after
        is_cared_for = s.terminal == "caretaker"
        episodes = steps // self.lanes.episode
        lived = steps * s.decision_every + (episodes * after if is_cared_for else 0)
        twins = len(s.evaluation_seeds) * whole
        if s.reward == "paired":
            twins += len(s.world_seeds) * (whole if is_cared_for else self.days)
        return s.cardholders * (lived + evaluations * len(s.evaluation_seeds) * whole + twins)

    def _worlds(self, seeds: tuple[int, ...]) -> list[Any]:
        s = self.settings
        overrides = None if s.world is None else {"world": s.world}
        return campaign_worlds(s.scenario, s.cardholders, seeds, overrides)
