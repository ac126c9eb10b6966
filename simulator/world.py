"""The world: one SimPy clock, windows between borders, and a state that can be copied, saved and sent."""

from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import simpy

from cardarena.simulator.bank.catalogue import Catalogue
from cardarena.simulator.bank.complaint_desk import ComplaintDesk
from cardarena.simulator.bank.economics import Economics, load_economics
from cardarena.simulator.bank.features import FEATURES
from cardarena.simulator.behaviour import randomness as purposes
from cardarena.simulator.behaviour.parameters import parameter_names
from cardarena.simulator.calendar import Calendar
from cardarena.simulator.contracts import Brief, History, Policy
from cardarena.simulator.errors import CardArenaError
from cardarena.simulator.history import HistoryRecorder
from cardarena.simulator.log import RunLog
from cardarena.simulator.names import CATEGORIES, CHANNELS
from cardarena.simulator.play import HISTORY_DAYS, Play, Sink
from cardarena.simulator.population.generate import traits as make_traits
from cardarena.simulator.rules import TODAY, Rules
from cardarena.simulator.scenario import Scenario, drawn_day, load_scenario
from cardarena.simulator.schedulers import make_scheduler
from cardarena.simulator.setup import (
    make_accounts,
    make_people,
    make_rules,
    policy_seed,
    scenario_uniform,
    view_order,
    world_key,
)
from cardarena.simulator.state import WorldState

STAGES: Final = ("view", "decide", "compliance", "kernel", "log")


class World:
    """A population, a bank and a calendar, advancing day by day under a policy.

    States: before the burn-in (`day` < 0) -> at day 0 (`burn_in` was called or there is none) -> played (`run`). A world
    at midnight can be copied (`fork`), written (`save`) and read (`load`); what is played in a copy leaves the original
    as it was.

    Attributes:
        scenario: what it was made from.
        seed: the user's seed.
        state: the arrays that change.
        traits: who the cardholders are, shape (n,).
        rules: the scenario as records.
        history: the logged history of the burn-in, or None.
        timing: seconds spent by stage since the world was made.
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        traits: np.ndarray,
        state: WorldState,
        *,
        scheduler: str = "cohort",
        threads: int = 1,
        history: History | None = None,
    ) -> None:
        """Put a world together from its parts; users call `create`, `load` or `fork`."""
        self.scenario, self.seed, self.traits, self.state = scenario, seed, traits, state
        self.scheduler_name, self.threads = scheduler, threads
        self.scheduler = make_scheduler(scheduler, threads=threads, cardholder_kind=scenario.cardholder_kind)
        self.catalogue: Catalogue = scenario.catalogue()
        self.economics: Economics = load_economics()
        self.rules: Rules = make_rules(scenario, self.catalogue, self.economics)
        key = state.seed
        jitter = scenario.start_date_jitter_days
        self.start_date = scenario.start_date + timedelta(
            days=drawn_day(0, jitter, scenario_uniform(key, purposes.START_DATE))
        )
        self.calendar = Calendar(self.start_date)
        self.desk = ComplaintDesk(scenario.desk_terms(), traits.size, self.calendar, self.economics)
        self.shock_days = tuple(
            drawn_day(shock.day, shock.day_jitter_days, scenario_uniform(key, purposes.SHOCK_DAY, index))
            for index, shock in enumerate(scenario.shocks)
        )
        self.order = view_order(key, traits.size)
        self.history = history
        self.timing = dict.fromkeys(STAGES, 0.0)

    @classmethod
    def create(
        cls,
        scenario: Scenario | str,
        seed: int,
        n_cardholders: int | None = None,
        *,
        scheduler: str = "cohort",
        threads: int = 1,
    ) -> "World":
        """Return a new world at the first day of its burn-in.

        Args:
            scenario: a scenario, or the name of one.
            seed: any whole number from 0 on.
            n_cardholders: in place of the scenario's.
            scheduler: `cohort` or `agent`; the log is the same.
            threads: compiled threads of the cohort scheduler; the log is the same.

        Raises:
            UnknownNameError: an unknown scenario, scheduler or parameter.
        """
        if isinstance(scenario, str):
            scenario = load_scenario(scenario, known_parameters=parameter_names())
        n = scenario.population.cardholders if n_cardholders is None else n_cardholders
        if n < 1:
            raise CardArenaError(f"expected at least one cardholder, found {n}")
        key = world_key(seed)
        traits = make_traits(key, n, scenario.population.mode, table=scenario.population.record())
        rules = make_rules(scenario, scenario.catalogue(), load_economics())
        state = WorldState.fresh(
            key,
            -scenario.horizon.burn_in_days,
            make_people(traits, rules),
            make_accounts(traits, scenario, key),
        )
        # A channel that the scenario switched off is not won back by a consent.
        state.people["willing"][:, ~scenario.enabled_channels()] = 0
        return cls(scenario, seed, traits, state, scheduler=scheduler, threads=threads)

    @cached_property
    def view_id(self) -> np.ndarray:
        """Return the view id of each true row, shape (n,); made when a policy first learns or reacts."""
        return np.argsort(self.order)

    @property
    def n(self) -> int:
        """Number of cardholders, closed accounts included."""
        return self.traits.size

    @property
    def day(self) -> int:
        """The day that comes next."""
        return self.state.day

    # --- copies

    def fork(self, *, luck: int | None = None) -> "World":
        """Return an independent world in the same state.

        Args:
            luck: key of another luck, such as `setup.luck_key` gives: the people, the dates and all that has happened stay,
                and what is still to be drawn is drawn anew. Without it the fork has the same luck.

        Raises:
            CardArenaError: the luck is this world's own: whoever asks for another must not foresee this one.
        """
        state = self.state.copy()
        if luck is not None:
            if luck in (self.state.luck, self.state.seed):
                raise CardArenaError("luck of a fork: expected another key, found the world's own")
            state.luck = luck
        return _made(*self._parts(state))

    def __reduce__(self) -> tuple[Callable[..., "World"], tuple[Any, ...]]:
        # Made again from its parts: an array that was read-only would come back writable, which is another type to the
        # kernels, and the scheduler's buffers are larger than the world.
        return _made, self._parts(self.state)

    def _parts(self, state: WorldState) -> tuple[Any, ...]:
        return self.scenario, self.seed, self.traits, state, self.scheduler_name, self.threads, self.history

    def save(self, path: str | Path) -> Path:
        """Write the world to one file, whole or not at all."""
        from cardarena.simulator.saving import save_world

        return save_world(self, Path(path))

    @classmethod
    def load(cls, path: str | Path, *, scheduler: str = "cohort", threads: int = 1) -> "World":
        """Read a world that `save` wrote; it goes on exactly as the saved one would have.

        Raises:
            ResultsError: not such a file, or of another version.
        """
        from cardarena.simulator.saving import load_world

        return load_world(Path(path), scheduler=scheduler, threads=threads)

    # --- playing

    def burn_in(
        self, make_policy: Callable[..., Policy], on_day: Callable[[int, int], None] | None = None
    ) -> "World":
        """Play the scenario's burn-in up to day 0, and keep its randomised log as `history`.

        Args:
            make_policy: turns the scenario's policy names into policies; takes a phase's dial as second argument.
            on_day: called with (days done, days in all).
        """
        horizon = self.scenario.horizon
        done = 0
        recorder = None
        log = RunLog(offer_category=self.rules.offers["category"])
        phases = horizon.phases()
        for index, phase in enumerate(phases):
            policy = make_policy(phase.policy, *(() if phase.dial is None else (phase.dial,)))
            is_logged = self.scenario.logged_history and index == 0
            if is_logged:
                recorder = HistoryRecorder(
                    self.state.luck, self.n, min(HISTORY_DAYS, phase.days) // max(1, policy.every_days)
                )
            before = done

            def tick(day: int, _: int, before: int = before) -> None:
                if on_day is not None:
                    on_day(before + day, horizon.burn_in_days)

            self.play(
                policy,
                phase.days,
                sink=log if recorder is not None else None,
                on_day=tick,
                recorder=recorder if is_logged else None,
            )
            done += phase.days
        if recorder is not None:
            self.history = recorder.build(log)
        return self

    def play(
        self,
        policy: Policy,
        days: int,
        *,
        sink: Sink | None = None,
        on_day: Callable[[int, int], None] | None = None,
        budget_mfen: int = -1,
        recorder: HistoryRecorder | None = None,
        reset: bool = True,
    ) -> None:
        """Advance `days` days under `policy`, handing each day's rows to `sink`.

        Args:
            policy: who decides; reset first unless `reset` is False.
            days: how many.
            sink: takes the rows; None throws them away.
            on_day: called with (days done, days in all).
            budget_mfen: marketing budget of the days since the reset, released month by month, or -1.
            recorder: collects the logged history.
            reset: False lets the policy go on with what it knows: days played in two parts are the days played at once.

        Raises:
            PolicyError: the policy returned contacts that make no sense.
        """
        play = Play(
            self,
            policy,
            sink=sink,
            on_day=on_day,
            budget_mfen=budget_mfen,
            recorder=recorder,
            has_decided=not reset,
        )
        if reset:
            self.take_over(policy, days, budget_mfen=budget_mfen)
        clock = simpy.Environment()
        clock.run(until=clock.process(play.days(clock, days)))

    def take_over(self, policy: Policy, days: int, *, budget_mfen: int = -1) -> None:
        """Let `policy` begin today: reset it, and begin its budget; `play(reset=False)` then plays the days in parts.

        Args:
            policy: who decides from now on.
            days: decision days in all, over which the budget is released.
            budget_mfen: their marketing budget, or -1 for none; give the same to `play`.
        """
        self.state.spent_mfen = self.state.price_mfen = 0
        self.state.reset_day, self.state.reset_days = self.state.day, days
        self.state.unread = self.state.unread[:0]
        # Whoever takes over takes the last one's placements down; what was sent arrives.
        placed = self.rules.channels["at_visit"][self.state.pending["channel"]] > 0
        self.state.pending = self.state.pending[~placed]
        policy.reset(self._brief(policy, days, budget_mfen), policy_seed(self.state.luck))

    def run(
        self,
        policy: Policy,
        days: int | None = None,
        *,
        run_out_policy: Policy | None = None,
        run_out_days: int | None = None,
        on_day: Callable[[int, int], None] | None = None,
    ) -> RunLog:
        """Play the decision days under `policy` and the run-out under `run_out_policy`; return the log.

        Args:
            policy: who decides.
            days: decision days, in place of the scenario's.
            run_out_policy: the fixed policy of the run-out; without it there is none.
            run_out_days: in place of the scenario's.
            on_day: called with (days done, days in all).
        """
        horizon = self.scenario.horizon
        days = horizon.days if days is None else days
        after = (
            0 if run_out_policy is None else (horizon.run_out_days if run_out_days is None else run_out_days)
        )
        log = RunLog(
            traits=self.traits,
            alive_at_start=self.state.people["alive"] == 1,
            days=days,
            run_out_days=after,
            initially_permitted=self._reachable(),
            offer_category=self.rules.offers["category"],
            offer_names=tuple(self.catalogue.names),
            first_day=self.state.day,
        )

        def tick(before: int) -> Callable[[int, int], None]:
            def tell(day: int, _: int) -> None:
                if on_day is not None:
                    on_day(before + day, days + after)

            return tell

        budget = self.scenario.budget_mfen(self.n, days)
        self.play(policy, days, sink=log, on_day=tick(0), budget_mfen=budget)
        if run_out_policy is not None and after:
            self.play(run_out_policy, after, sink=log, on_day=tick(days))
        return log

    def _reachable(self) -> np.ndarray:
        """Return how many may be reached per channel now, shape (channels,)."""
        consented = self.state.accounts["marketing_consent"] == 1
        is_open = self.state.accounts["is_open"] == 1
        return (self.state.accounts["permitted"][consented & is_open] == 1).sum(axis=0).astype(np.int64)

    def _brief(self, policy: Policy, days: int, budget_mfen: int) -> Brief:
        compliance = self.rules.compliance[0]
        return Brief(
            scenario=self.scenario.name,
            days=days,
            n_cardholders=self.n,
            offers=_sealed(self.rules.offers),
            channels=_sealed(self.rules.channels),
            offer_names=tuple(self.catalogue.names),
            features=tuple(getattr(policy, "features", None) or FEATURES),
            caps={
                "day": int(compliance["cap_day"]),
                "week": int(compliance["cap_week"]),
                "month": int(compliance["cap_month"]),
                "channel_week": _sealed(compliance["cap_channel_week"]),
            },
            budget_mfen=budget_mfen,
            complaint_cost_mfen=int(self.rules.money["complaint_mfen"][0, 0]),
            history=self.history if policy.league in ("logged", "simulator") else None,
        )

    def today(self, day: int) -> np.ndarray:
        """Return the record of a day: the calendar's, and what shocks do to it."""
        today = np.zeros(1, dtype=TODAY)
        record = self.calendar.day_table(day, 1)[0]
        for field in record.dtype.names:
            today[field] = record[field]
        today["stress_multiplier"] = 1.0
        for shock, first in zip(self.scenario.shocks, self.shock_days, strict=True):
            if not first <= day < first + shock.duration_days:
                continue
            if shock.kind == "consent_withdrawal":
                today["p_withdraw"] = 1.0 - (1.0 - shock.share) ** (1.0 / shock.duration_days)
            elif shock.kind == "demand":
                today["need_multiplier"][0, CATEGORIES.index(shock.category)] *= shock.multiplier
            elif shock.kind == "credit_stress":
                today["stress_multiplier"] *= shock.multiplier
            elif shock.kind == "rival_campaign":
                today["rival"] += shock.strength
            elif shock.kind == "channel_outage":
                today["outage"] |= 1 << CHANNELS.index(shock.channel)
            else:
                today["trust_drop"] += shock.trust_drop
        q = self.rules.parameter
        today["need_hazard"] = q["need_rate"] * today["need_multiplier"] / (1.0 - q["false_share"][0])
        return today


def _made(
    scenario: Scenario,
    seed: int,
    traits: np.ndarray,
    state: WorldState,
    scheduler: str,
    threads: int,
    history: History | None,
) -> World:
    """Return a world made from its parts, all of them by place."""
    return World(scenario, seed, traits, state, scheduler=scheduler, threads=threads, history=history)


def _sealed(values: np.ndarray) -> np.ndarray:
    """Return a read-only copy."""
    values = values.copy()
    values.flags.writeable = False
    return values
