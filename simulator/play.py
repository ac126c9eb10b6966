"""Playing days under a policy: midnight, the policy's minute, its triggers, midnight; each border settled in order."""

from collections.abc import Callable, Generator, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import simpy

from cardarena.simulator.bank.complaint_desk import Shift
from cardarena.simulator.bank.features import FEATURES, feature_columns
from cardarena.simulator.bank.gate import gate_column, open_arms
from cardarena.simulator.behaviour.census import value_permissions
from cardarena.simulator.border import (
    BUDGET_DAYS,
    admit,
    budget_left,
    drop_done,
    marketing_cost_mfen,
    next_price,
)
from cardarena.simulator.contracts import Contacts, Policy, View
from cardarena.simulator.errors import PolicyError
from cardarena.simulator.feedback import make_feedback
from cardarena.simulator.history import OUTCOME_DAYS, HistoryRecorder
from cardarena.simulator.log import DECISION, census_rows
from cardarena.simulator.oracle import Truth
from cardarena.simulator.rules import EVENT
from cardarena.simulator.triggers import (
    FIRST_MINUTE,
    LAST_MINUTE,
    WINDOW_MINUTES,
    checked_triggers,
    matching,
)

if TYPE_CHECKING:
    from cardarena.simulator.world import World

#: Days before day 0 from which the burn-in's decisions join the logged history.
HISTORY_DAYS = 150


class Sink(Protocol):
    """Whatever takes a day's rows: a `RunLog`, or a writer that streams them to disk."""

    def append(
        self, events: Sequence[np.ndarray], decisions: np.ndarray | None, census: np.ndarray | None
    ) -> None:
        """Take the rows of one day."""
        ...


@runtime_checkable
class CaseSink(Protocol):
    """A sink that takes the steps of complaint cases too; one that has no such method is not given them."""

    def append_cases(self, cases: np.ndarray) -> None:
        """Take the CASE rows of one day."""
        ...


class Play:
    """One policy's turn over some days of a world.

    States: at midnight -> in a window -> at a border (the policy decides or reacts) -> ... -> at midnight. Nothing of it
    is needed to go on from a midnight but the world's state and the policy.
    """

    def __init__(
        self,
        world: "World",
        policy: Policy,
        *,
        sink: Sink | None,
        on_day: Callable[[int, int], None] | None,
        budget_mfen: int,
        recorder: HistoryRecorder | None,
        has_decided: bool,
    ) -> None:
        """Attach a policy to a world; see `World.play` for the arguments.

        Raises:
            UnknownNameError: the policy names a trigger that does not exist.
            PolicyError: the policy asks for the truth and is not in the privileged league.
        """
        self.world, self.policy, self.sink, self.on_day = world, policy, sink, on_day
        self.budget_mfen, self.recorder = budget_mfen, recorder
        self.triggers = checked_triggers(getattr(policy, "triggers", ()))
        if policy.oracle and policy.league != "privileged":
            raise PolicyError(
                f"policy {policy.name!r}: expected league 'privileged' of a policy marked oracle, found {policy.league!r}"
            )
        # A policy reacts only once it has seen a view.
        self._has_decided = has_decided
        self._wants_feedback = bool(getattr(policy, "wants_feedback", True))
        self._unread = [world.state.unread] if world.state.unread.size else []
        self._whole: np.ndarray | None = None
        self._events: list[np.ndarray] = []
        self._decisions: list[np.ndarray] = []

    def days(self, clock: simpy.Environment, n: int) -> Generator[simpy.Event, Any, None]:
        """Advance `n` days, border by border."""
        state = self.world.state
        for step in range(n):
            today = self.world.today(state.day)
            state.census[:] = 0
            self._events, self._decisions = [], []
            shift = self.world.desk.begin(clock, state)
            # By the calendar, so that a world saved in between keeps the rhythm.
            decides = state.day % max(1, self.policy.every_days) == 0
            at = 0
            for border in self._borders(decides):
                if border > at:
                    rows = yield from self._window(clock, today, at, border)
                    at = border
                    if self.triggers and self._has_decided and FIRST_MINUTE <= border <= LAST_MINUTE:
                        self._react(rows, border)
                if decides and border == self.policy.decide_minute:
                    if self._wants_feedback and self._unread:
                        self._teach()
                    self._decide(today, border)
                    self._has_decided = True
            self._close(shift)
            if self.on_day is not None:
                self.on_day(step + 1, n)
        state.unread = np.concatenate(self._unread) if self._unread else np.zeros(0, EVENT)

    def _borders(self, decides: bool) -> list[int]:
        """Return the minutes at which today's windows end, midnight last; minute 0 only to decide there."""
        borders = {1440}
        if decides:
            borders.add(self.policy.decide_minute)
        if self.triggers:
            borders.update(range(FIRST_MINUTE, LAST_MINUTE + 1, WINDOW_MINUTES))
        return sorted(borders)

    def _window(
        self, clock: simpy.Environment, today: np.ndarray, start: int, end: int
    ) -> Generator[simpy.Event, Any, list[np.ndarray]]:
        world = self.world
        started = perf_counter()
        rows = yield world.scheduler.window(clock, world.state, world.rules, today, start, end)
        world.timing["kernel"] += perf_counter() - started
        self._events += rows
        return rows

    def _close(self, shift: Shift) -> None:
        """Hand the day's rows on and step over midnight."""
        world, state = self.world, self.world.state
        started = perf_counter()
        drop_done(state)
        cases = world.desk.settle(state, shift, self._events)
        if self.budget_mfen >= 0:
            state.spent_mfen += sum(marketing_cost_mfen(rows) for rows in self._events)
        if self.sink is not None:
            value_permissions(state.census, world.rules.parameter["permission_value_cny"][0])
            decisions = np.concatenate(self._decisions) if self._decisions else None
            self.sink.append(self._events, decisions, census_rows(state.day, state.census))
            if isinstance(self.sink, CaseSink):
                self.sink.append_cases(cases)
        if self._wants_feedback:
            self._unread += self._events
        if world.rules.compliance["word_of_mouth"][0]:
            state.mood = np.floor(state.people["satisfaction"] * 1e6).astype(np.int64)
        state.day += 1
        world.timing["log"] += perf_counter() - started

    def _teach(self) -> None:
        rows, self._unread = np.concatenate(self._unread), []
        is_personal = self.world.state.accounts["personalisation_on"] == 1
        self.policy.learn(make_feedback(rows, self.world.view_id, is_personal))

    def _budget_left(self) -> int:
        """Return what of the budget may be spent now, or -1; see `border.budget_left`."""
        today = sum(marketing_cost_mfen(rows) for rows in self._events)
        return budget_left(self.world.state, self.world.rules, self.budget_mfen, today)

    def _decide(self, today: np.ndarray, minute: int) -> None:
        """Let the policy decide on today's view, and admit what it asks for."""
        timing = self.world.timing
        started = perf_counter()
        view = self._view(today, minute)
        seen = perf_counter()
        contacts = self.policy.decide(view)
        decided = perf_counter()
        if self._whole is not None and self.recorder is not None:
            # After the decision: only now the policy knows whom it has left alone, and with which probability.
            held_out = getattr(self.policy, "held_out", None)
            self.recorder.record(self.world.state.day, self._whole, self.world.order, held_out)
            self._whole = None
        left = self._budget_left()
        asked = self._admit(contacts, minute, "decide()")
        if left >= 0:
            state, step = self.world.state, int(self.world.rules.channels["cost_mfen"].max())
            # The released money is to last to the end of its month.
            days_left = BUDGET_DAYS - (state.day - state.reset_day) % BUDGET_DAYS
            pace = left * min(days_left, max(1, self.policy.every_days)) // days_left
            state.price_mfen = next_price(state.price_mfen, max(1, step), asked, pace)
        timing["view"] += seen - started
        timing["decide"] += decided - seen
        timing["compliance"] += perf_counter() - decided

    def _react(self, rows: list[np.ndarray], minute: int) -> None:
        """Let the policy react to what matched its triggers in the window just passed."""
        world = self.world
        if not rows:
            return
        events = matching(
            np.concatenate(rows),
            self.triggers,
            world.state.day,
            minute,
            world.view_id,
            world.state.accounts,
        )
        if len(events) == 0:
            return
        started = perf_counter()
        contacts = self.policy.react(events)  # pyright: ignore[reportAttributeAccessIssue]
        world.timing["decide"] += perf_counter() - started
        self._admit(contacts, minute, "react()")

    def _admit(self, contacts: Any, minute: int, call: str) -> int:
        """Check contacts, put on their way what passes; return the money asked for."""
        world = self.world
        if not isinstance(contacts, Contacts):
            raise PolicyError(
                f"policy {self.policy.name!r}: {call} returned {type(contacts).__name__}, expected Contacts"
            )
        checked = contacts.checked(
            policy=self.policy.name,
            n_cardholders=world.n,
            n_offers=world.rules.offers.size,
            n_channels=world.rules.channels.size,
            minute=minute,
        )
        admitted = admit(
            world.state,
            world.rules,
            checked,
            world.order,
            minute,
            policy=self.policy.name,
            budget_left_mfen=self._budget_left(),
            earlier=np.concatenate(self._decisions) if self._decisions else np.zeros(0, DECISION),
        )
        self._decisions.append(admitted.decisions)
        if admitted.events.size:
            self._events.append(admitted.events)
        return admitted.asked_mfen

    def _view(self, today: np.ndarray, minute: int) -> View:
        world, policy = self.world, self.policy
        accounts, rules, order, day = world.state.accounts, world.rules, world.order, world.state.day
        threads = world.threads  # the closure below must not hold the world
        names = getattr(policy, "features", None) or FEATURES
        columns = feature_columns(accounts, order, today, names, world.threads)
        if self.recorder is not None and -HISTORY_DAYS <= day < -OUTCOME_DAYS:
            whole = (
                columns if names is FEATURES else feature_columns(accounts, order, today, None, world.threads)
            )
            self._whole = whole

        def allowed(offer: int, channel: int, depth: int, at: int, rows: np.ndarray | None) -> np.ndarray:
            who = order if rows is None else order[rows]
            return gate_column(accounts, who, rules, (offer, channel, depth), day, at, threads)

        def arms(
            offers: np.ndarray, channels: np.ndarray, at: np.ndarray, depth: int, rows: np.ndarray | None
        ) -> np.ndarray:
            who = order if rows is None else order[rows]
            return open_arms(accounts, who, rules, offers, channels, at, depth, day, threads)

        return View(
            day=day,
            minute=minute,
            names=names,
            columns=columns,
            allowed=allowed,
            arms=arms,
            budget_left_mfen=self._budget_left(),
            contact_price_mfen=world.state.price_mfen,
            truth=Truth(world.state, rules, order, minute) if policy.oracle else None,
        )
