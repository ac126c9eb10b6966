"""The world: one SimPy clock, windows between borders, and a state that can be copied, saved and sent."""

from collections.abc import Callable, Generator, Sequence
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, Final, Protocol

import numpy as np
import simpy

from cardarena.simulator.bank.catalogue import Catalogue
from cardarena.simulator.bank.economics import Economics, load_economics
from cardarena.simulator.bank.features import FEATURES, feature_columns
from cardarena.simulator.bank.gate import gate_column
from cardarena.simulator.behaviour import randomness as purposes
from cardarena.simulator.behaviour.parameters import parameter_names
from cardarena.simulator.border import Admitted, ContactPrice, admit, drop_done
from cardarena.simulator.calendar import Calendar
from cardarena.simulator.contracts import Brief, History, Policy, View
from cardarena.simulator.errors import CardArenaError, PolicyError
from cardarena.simulator.feedback import make_feedback
from cardarena.simulator.history import HistoryRecorder
from cardarena.simulator.log import RunLog, census_rows
from cardarena.simulator.names import CATEGORIES, CHANNELS
from cardarena.simulator.oracle import Truth
from cardarena.simulator.population.generate import traits as make_traits
from cardarena.simulator.rules import EVENT, TODAY, Rules
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

#: Days before day 0 from which the burn-in's decisions join the logged history (their outcomes need 14 days).
HISTORY_DAYS: Final = 150
#: Version of a saved world's layout.
SAVE_VERSION: Final = 1
STAGES: Final = ("view", "decide", "compliance", "kernel", "log")


class Sink(Protocol):
    """Whatever takes a day's rows: a `RunLog`, or a writer that streams them to disk."""

    def append(
        self, events: Sequence[np.ndarray], decisions: np.ndarray | None, census: np.ndarray | None
    ) -> None:
        """Take the rows of one day."""
        ...


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
        self.shock_days = tuple(
            drawn_day(shock.day, shock.day_jitter_days, scenario_uniform(key, purposes.SHOCK_DAY, index))
            for index, shock in enumerate(scenario.shocks)
        )
        self.order = view_order(key, traits.size)
        self.view_id = np.argsort(self.order)
        self.history = history
        self.timing = dict.fromkeys(STAGES, 0.0)
        self._price = ContactPrice(0)

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
        traits = make_traits(key, n, scenario.population.mode)
        rules = make_rules(scenario, scenario.catalogue(), load_economics())
        state = WorldState.fresh(
            key,
            -scenario.horizon.burn_in_days,
            make_people(traits, rules),
            make_accounts(traits, scenario, key),
        )
        return cls(scenario, seed, traits, state, scheduler=scheduler, threads=threads)

    @property
    def n(self) -> int:
        """Number of cardholders, closed accounts included."""
        return self.traits.size

    @property
    def day(self) -> int:
        """The day that comes next."""
        return self.state.day

    # --- copies

    def fork(self) -> "World":
        """Return an independent world in the same state."""
        return World(
            self.scenario,
            self.seed,
            self.traits,
            self.state.copy(),
            scheduler=self.scheduler_name,
            threads=self.threads,
            history=self.history,
        )

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
        self, make_policy: Callable[[str], Policy], on_day: Callable[[int, int], None] | None = None
    ) -> "World":
        """Play the scenario's burn-in up to day 0, and keep its randomised log as `history`.

        Args:
            make_policy: turns the scenario's policy names into policies.
            on_day: called with (days done, days in all).
        """
        horizon = self.scenario.horizon
        done = 0
        recorder = None
        log = RunLog(offer_category=self.rules.offers["category"])
        phases = horizon.phases()
        for index, phase in enumerate(phases):
            policy = make_policy(phase.policy)
            is_logged = self.scenario.logged_history and index == 0
            if is_logged:
                recorder = HistoryRecorder(
                    self.state.seed, self.n, min(HISTORY_DAYS, phase.days) // max(1, policy.every_days)
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
        self.state.spent_mfen = 0
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
            budget_mfen: marketing budget of these days, or -1.
            recorder: collects the logged history.
            reset: False lets the policy go on with what it knows.

        Raises:
            PolicyError: the policy returned contacts that make no sense.
        """
        if reset:
            policy.reset(self._brief(policy, days, budget_mfen), policy_seed(self.state.seed))
        clock = simpy.Environment()
        done = clock.process(self._clock(clock, policy, days, sink, on_day, budget_mfen, recorder))
        clock.run(until=done)

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
            offers=self.rules.offers.copy(),
            channels=self.rules.channels.copy(),
            offer_names=tuple(self.catalogue.names),
            features=tuple(getattr(policy, "features", None) or FEATURES),
            caps={
                "day": int(compliance["cap_day"]),
                "week": int(compliance["cap_week"]),
                "month": int(compliance["cap_month"]),
                "channel_week": compliance["cap_channel_week"].copy(),
            },
            budget_mfen=budget_mfen,
            complaint_cost_mfen=int(self.rules.money["complaint_mfen"][0, 0]),
            history=self.history if policy.league in ("logged", "simulator") else None,
        )

    # --- the clock

    def _today(self, day: int) -> np.ndarray:
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
        return today

    def _clock(
        self,
        clock: simpy.Environment,
        policy: Policy,
        days: int,
        sink: Sink | None,
        on_day: Callable[[int, int], None] | None,
        budget_mfen: int,
        recorder: HistoryRecorder | None,
    ) -> Generator[simpy.Event, Any, None]:
        """Advance border by border: midnight, the policy's minute, midnight."""
        state = self.state
        self._price = ContactPrice(int(self.rules.channels["cost_mfen"].max()))
        spent = 0
        wants_feedback = bool(getattr(policy, "wants_feedback", True))
        unread: list[np.ndarray] = []
        minute = policy.decide_minute
        for step in range(days):
            today = self._today(state.day)
            state.census[:] = 0
            decides = step % max(1, policy.every_days) == 0
            events: list[np.ndarray] = []
            decisions = None
            borders = (minute,) if decides else ()
            at = 0
            for border in (*borders, 1440):
                if border > at:
                    events += yield from self._window(clock, today, at, border)
                    at = border
                if border == 1440:
                    break
                left = -1 if budget_mfen < 0 else max(0, budget_mfen - spent)
                if wants_feedback and step > 0:
                    policy.learn(
                        make_feedback(np.concatenate(unread) if unread else np.zeros(0, EVENT), self.view_id)
                    )
                    unread = []
                admitted = self._decide(policy, today, border, left, days - step, recorder)
                spent += admitted.spent_mfen
                decisions = admitted.decisions
                if admitted.events.size:
                    events.append(admitted.events)
            started = perf_counter()
            drop_done(state)
            if sink is not None:
                sink.append(events, decisions, census_rows(state.day, state.census))
            if wants_feedback:
                unread += events
            self.timing["log"] += perf_counter() - started
            if self.rules.compliance["word_of_mouth"][0]:
                state.mood = np.floor(state.people["satisfaction"] * 1e6).astype(np.int64)
            state.day += 1
            if on_day is not None:
                on_day(step + 1, days)
        state.spent_mfen += spent

    def _window(
        self, clock: simpy.Environment, today: np.ndarray, start: int, end: int
    ) -> Generator[simpy.Event, Any, list[np.ndarray]]:
        started = perf_counter()
        rows = yield self.scheduler.window(clock, self.state, self.rules, today, start, end)
        self.timing["kernel"] += perf_counter() - started
        return rows

    def _decide(
        self,
        policy: Policy,
        today: np.ndarray,
        minute: int,
        budget_left_mfen: int,
        days_left: int,
        recorder: HistoryRecorder | None,
    ) -> Admitted:
        started = perf_counter()
        view = self._view(policy, today, minute, budget_left_mfen, recorder)
        seen = perf_counter()
        contacts = policy.decide(view)
        decided = perf_counter()
        if not hasattr(contacts, "checked"):
            raise PolicyError(
                f"policy {policy.name!r}: decide() returned {type(contacts).__name__}, expected Contacts"
            )
        checked = contacts.checked(
            policy=policy.name,
            n_cardholders=self.n,
            n_offers=self.rules.offers.size,
            n_channels=self.rules.channels.size,
            minute=minute,
        )
        admitted = admit(
            self.state,
            self.rules,
            checked,
            self.order,
            minute,
            policy=policy.name,
            budget_left_mfen=budget_left_mfen,
        )
        if budget_left_mfen >= 0:
            pace = budget_left_mfen * max(1, policy.every_days) // max(1, days_left)
            self._price.follow(admitted.asked_mfen, pace)
        self.timing["view"] += seen - started
        self.timing["decide"] += decided - seen
        self.timing["compliance"] += perf_counter() - decided
        return admitted

    def _view(
        self,
        policy: Policy,
        today: np.ndarray,
        minute: int,
        budget_left_mfen: int,
        recorder: HistoryRecorder | None,
    ) -> View:
        state, rules, order = self.state, self.rules, self.order
        names = getattr(policy, "features", None) or FEATURES
        columns = feature_columns(state.accounts, order, today, names, self.threads)
        if recorder is not None and state.day >= -HISTORY_DAYS and state.day < -14:
            whole = (
                columns
                if names is FEATURES
                else feature_columns(state.accounts, order, today, None, self.threads)
            )
            recorder.record(state.day, whole, order, getattr(policy, "held_out", None))

        def allowed(offer: int, channel: int, depth: int, at: int) -> np.ndarray:
            out = np.zeros(order.size, dtype=np.int8)
            gate_column(
                state.accounts,
                order,
                rules.offers,
                rules.channels,
                rules.compliance,
                offer,
                channel,
                depth,
                state.day,
                at,
                out,
            )
            return out

        return View(
            day=state.day,
            minute=minute,
            names=names,
            columns=columns,
            allowed=allowed,
            budget_left_mfen=budget_left_mfen,
            contact_price_mfen=self._price.price_mfen,
            truth=Truth(state, rules, order, minute) if policy.oracle else None,
        )
