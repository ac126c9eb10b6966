# pyright: reportMissingImports=false
"""Where an agent is trained and judged: on cardholders' journeys, or on whole bases."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from cardarena.agents.campaign_environment import campaign_worlds
from cardarena.agents.environments import make_pool
from cardarena.agents.rl.card import Observation
from cardarena.agents.rl.evaluation import Worth, campaign_worth, worth_of
from cardarena.agents.rl.folder import TrainedAgent
from cardarena.agents.rl.sb3.bases import Bases, campaign_columns
from cardarena.agents.rl.sb3.filters import MOST_ROWS, learn_filter, rounds_of
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
        scenarios: of the worlds.
        lanes: the environment of the trainer.
        tensors: of what lies before the agent's own network, if anything.
        remarks: what else a card says of the training.
    """

    settings: TrainingSettings
    scenarios: tuple[Scenario, ...]
    lanes: Any
    tensors: Mapping[str, np.ndarray] = MappingProxyType({})
    remarks: Mapping[str, str] = MappingProxyType({})

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

    def cardholder_days(self, lived: int, evaluations: int) -> int:
        """Return the days of simulated people of so many environment steps lived and evaluations, run-outs and twins included."""
        raise NotImplementedError


class JourneyGround(Ground):
    """Journeys of single cardholders, thousands at once; the scenarios share the lanes evenly."""

    def __init__(self, settings: TrainingSettings) -> None:
        """Burn people in, and warm the lanes up."""
        self.settings = settings
        pools = [self._pool(name, settings.world_seeds) for name in settings.scenarios]
        self.scenarios = tuple(pool.scenario for pool in pools)
        is_cared_for = settings.terminal == "caretaker"
        dealt = [len(part) for part in np.array_split(np.arange(settings.lanes), len(pools))]
        shells = [
            Shell(
                pool,
                lanes,
                terminal_value=is_cared_for,
                offer_features=False,
                horizon=self._days(pool.scenario),
                decision_every=settings.decision_every,
                reward=settings.reward,
                difficulty=settings.difficulty,
                contact_price=settings.contact_price_cny,
            )
            for pool, lanes in zip(pools, dealt, strict=True)
        ]
        kind = AGENTS[settings.agent]
        has_price = settings.contact_price_cny[1] > 0.0
        believer, self._rounds = None, 0
        if settings.observe == "beliefs":
            observables = Observation(columns=columns_for(sees_end=is_cared_for, has_price=has_price))
            lanes = Lanes(shells, observables)
            self._rounds = rounds_of(lanes)
            lessons = lanes.lessons(settings.seed, settings.prior, self._rounds, MOST_ROWS)
            believer, self.tensors, explained = learn_filter(lessons, settings.seed)
            self.remarks = {"filter_explains": f"{explained:.4f}"}
        columns = columns_for(sees_end=is_cared_for, has_price=has_price, sight=settings.observe)
        self.lanes: Lanes = Lanes(
            shells,
            Observation(columns=columns, frames=kind.frames, filter=believer),
            tensors=self.tensors,
            is_flat=kind.is_flat,
            bootstraps=not is_cared_for,
        )
        self.lanes.warm_up(settings.seed, settings.prior)
        self.held_out = [
            self._pool(name, settings.evaluation_seeds, self._whole(own))
            for name, own in zip(settings.scenarios, self.scenarios, strict=True)
        ]

    @property
    def choices(self) -> tuple[str, ...]:
        """Greedy or sampled, as the settings want it; values are greedy."""
        if AGENTS[self.settings.agent].is_flat:
            return ("greedy",)
        return ("greedy", "sampled") if self.settings.choice == "better" else (self.settings.choice,)

    def worth(self, agent: TrainedAgent) -> Worth:
        """Play the agent on journeys of other worlds' people; return the mean over the scenarios."""
        return Worth.mean(
            [
                worth_of(
                    agent,
                    pool,
                    n=self.settings.evaluated,
                    seed=FIRST_EVALUATION,
                    days=self._days(pool.scenario),
                    run_out_days=pool.scenario.horizon.run_out_days,
                    difficulty=self.settings.difficulty,
                )
                for pool in self.held_out
            ]
        )

    def actions(self, choice: str) -> dict[str, Any]:
        """Return the offers, channels and depths of the environment."""
        is_flat = AGENTS[self.settings.agent].is_flat
        codec = self.lanes.codec
        names = self.scenarios[0].catalogue().names
        return {
            "form": "flat" if is_flat else "factored",
            "scores": "values" if is_flat else "logits",
            "choice": choice,
            "offers": [names[code] for code in codec.offers],
            "channels": [CHANNELS[code] for code in codec.channels],
            "depths": list(DEPTHS[: codec.n_depths]),
        }

    def cardholder_days(self, lived: int, evaluations: int) -> int:
        """Return those of warming up and learning, with a twin beside each in the paired form, and of evaluations, which are paired."""
        s = self.settings
        each = 2 if s.reward == "paired" else 1
        # Before it learns, every lane warms up for an episode, and plays what its filter is fitted to.
        begun = (1 + self._rounds) * s.lanes * max(map(self._days, self.scenarios))
        judged = evaluations * len(self.choices) * s.evaluated * sum(map(self._whole, self.scenarios))
        return (begun + lived * s.decision_every) * each + 2 * judged

    def _days(self, scenario: Scenario) -> int:
        return self.settings.horizon or scenario.horizon.days

    def _whole(self, scenario: Scenario) -> int:
        return self._days(scenario) + scenario.horizon.run_out_days

    def _pool(self, scenario: str, seeds: tuple[int, ...], days: int | None = None) -> Any:
        s = self.settings
        return make_pool(
            scenario,
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
        self.scenarios = (worlds[0].world.scenario,)
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
            agent, self.held_out, days=self.days, run_out_days=self.scenarios[0].horizon.run_out_days
        )

    def actions(self, choice: str) -> dict[str, Any]:
        """Return the channels of the environment."""
        return {"form": "campaign", "choice": choice, "channels": list(self._codec.channels)}

    def cardholder_days(self, lived: int, evaluations: int) -> int:
        """Return those of learning and of evaluations, and of the silent twin of each world, which lives once."""
        s = self.settings
        after = self.scenarios[0].horizon.run_out_days
        whole = self.days + after
        is_cared_for = s.terminal == "caretaker"
        learned = lived * s.decision_every + (lived // self.lanes.episode * after if is_cared_for else 0)
        twins = len(s.evaluation_seeds) * whole
        if s.reward == "paired":
            twins += len(s.world_seeds) * (whole if is_cared_for else self.days)
        return s.cardholders * (learned + evaluations * len(s.evaluation_seeds) * whole + twins)

    def _worlds(self, seeds: tuple[int, ...]) -> list[Any]:
        s = self.settings
        overrides = None if s.world is None else {"world": s.world}
        return campaign_worlds(s.scenarios[0], s.cardholders, seeds, overrides)
