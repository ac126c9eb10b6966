"""What metrics share: the exact sums over one run (`RunFacts`), and a run beside its silent arm (`Facts`)."""

from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np

from cardarena.benchmarks.run_tables import (
    DAYS_PER_MONTH,
    MFEN_PER_CNY,
    N_BINS,
    PPM,
    Bools,
    Ints,
    Run,
    Table,
    counts,
    discount_ppm,
    exact_sums,
)
from cardarena.simulator.errors import ResultsError
from cardarena.simulator.names import CONSENT_CHANGES, N_CHANNELS, RESPONSES, RULES, Status

#: The tables whose `value_mfen` makes up the bank's net margin.
VALUE_TABLES: Final = ("contacts", "transactions", "responses", "complaints", "consents", "cases")


class RunFacts:
    """The exact sums over one run that metrics share; each is computed once, when first asked for.

    `own` contacts are those decided on a decision day, whenever they arrive: what was still under way from the burn-in
    and what the caretaker sends later is in the ledger, but not the policy's doing.

    Args:
        run: the run; its tables are read, never changed.
    """

    def __init__(self, run: Run) -> None:
        """Take the run's sizes."""
        self.run = run
        self.days, self.run_out_days = int(run.days), int(run.run_out_days)
        self.horizon = self.days + self.run_out_days
        self.alive_at_start = np.asarray(run.alive_at_start, np.bool_)
        self.n_people = self.alive_at_start.size
        self.n0 = int(self.alive_at_start.sum())
        if self.n0 == 0:
            raise ResultsError("run: expected at least one account open on day 0, found none")

    @classmethod
    def of(cls, run: "Run | RunFacts") -> "RunFacts":
        """Return the facts of a run, or the facts themselves: many runs share one silent arm."""
        return run if isinstance(run, RunFacts) else cls(run)

    def value_rows(self, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (day, cardholder, value_mfen) of a table, people alive on day 0 only.

        Raises:
            ResultsError: a row lies outside the run's days or people.
        """
        table = self.run.table(name)
        day, cardholder, value = table["day"], table["cardholder"], table["value_mfen"]
        if day.size and (day.min() < 0 or day.max() >= self.horizon):
            raise ResultsError(
                f"{name}: expected days 0 to {self.horizon - 1}, found {day.min()} to {day.max()}"
            )
        if cardholder.size and (cardholder.min() < 0 or cardholder.max() >= self.n_people):
            raise ResultsError(
                f"{name}: expected cardholders 0 to {self.n_people - 1}, found {cardholder.min()} to {cardholder.max()}"
            )
        if self.n0 < self.n_people:
            keep = self.alive_at_start[cardholder]
            day, cardholder, value = day[keep], cardholder[keep], value[keep]
        return day, cardholder, value

    @cached_property
    def value_by_table(self) -> dict[str, Ints]:
        """Net margin a day in milli-fen, by table, each of shape (horizon,)."""
        sums = {}
        for name in VALUE_TABLES:
            day, _, value = self.value_rows(name)
            sums[name] = exact_sums(day, value, self.horizon)
        return sums

    @cached_property
    def value_by_day(self) -> Ints:
        """Net margin a day in milli-fen over people alive on day 0, shape (horizon,)."""
        return sum(self.value_by_table.values(), np.zeros(self.horizon, np.int64))

    def value_by_person(self, weights_ppm: Ints) -> Ints:
        """Return each person's discounted net margin in milli-fen x millionths, shape (people,)."""
        total = np.zeros(self.n_people, np.int64)
        for name in VALUE_TABLES:
            day, cardholder, value = self.value_rows(name)
            total += exact_sums(cardholder, value.astype(np.int64) * weights_ppm[day], self.n_people)
        return total

    @cached_property
    def _state(self) -> Table:
        return self.run.table("state_daily")

    @cached_property
    def _state_rows(self) -> dict[str, np.ndarray]:
        """Rows of `state_daily` by measure: one sort in place of a search a measure."""
        measure = self._state["measure"]
        order = np.argsort(measure, kind="stable")
        names = _state_measures(self.run)
        edges = np.searchsorted(measure[order], np.arange(len(names) + 1))
        return {name: order[edges[code] : edges[code + 1]] for code, name in enumerate(names)}

    def state(self, measure: str, bins: int = 1) -> Ints:
        """Return a state measure, shape (horizon,) for a sum and (horizon, bins) for a histogram or a vector.

        Rows of the same day and bin add up, so the rows of shards may simply be concatenated.

        Raises:
            ResultsError: the log has no such measure.
        """
        try:
            rows = self._state_rows[measure]
        except KeyError:
            raise ResultsError(f"state_daily: expected a measure {measure!r}, found none") from None
        day, at = self._state["day"][rows].astype(np.int64), self._state["bin"][rows].astype(np.int64)
        if rows.size and (day.min() < 0 or day.max() >= self.horizon or at.min() < 0 or at.max() >= bins):
            raise ResultsError(
                f"state_daily: {measure}: expected days below {self.horizon} and bins below {bins}"
            )
        sums = exact_sums(day * bins + at, self._state["count"][rows], self.horizon * bins)
        return sums if bins == 1 else sums.reshape(self.horizon, bins)

    @cached_property
    def expected_value_by_day(self) -> Ints:
        """Conditional expectation of the net margin a day, milli-fen, shape (horizon,)."""
        return self.state("expected_value_mfen")

    @cached_property
    def alive(self) -> Ints:
        """Open accounts a day, shape (horizon,)."""
        return self.state("alive")

    @cached_property
    def holder_months(self) -> float:
        """Months of 30 days lived by open accounts over the decision days."""
        return int(self.alive[: self.days].sum()) / DAYS_PER_MONTH

    def histogram(self, measure: str) -> Ints:
        """Return a histogram a day, shape (horizon, 64)."""
        return self.state(measure, N_BINS)

    def own(self, name: str) -> Bools:
        """Return which rows of a table belong to contacts that the policy decided, shape (rows,)."""
        decided = self.run.table(name)["decided_day"]
        return (decided >= 0) & (decided < self.days) & (self.run.table(name)["offer"] >= 0)

    @cached_property
    def own_contacts(self) -> Bools:
        """Which rows of `contacts` the policy decided, shape (rows,)."""
        return self.own("contacts")

    @cached_property
    def delivered(self) -> Bools:
        """Which rows of `contacts` the policy decided and the cardholder received, shape (rows,)."""
        return self.own_contacts & (self.run.table("contacts")["status"] == Status.DELIVERED)

    @cached_property
    def n_delivered(self) -> int:
        """Delivered own contacts."""
        return int(self.delivered.sum())

    def responses(self, action: str) -> Bools:
        """Return which rows of `responses` are `action` to an own contact, shape (rows,)."""
        return self.own("responses") & (self.run.table("responses")["action"] == RESPONSES.index(action))

    @cached_property
    def redeemed(self) -> Bools:
        """Which rows of `responses` are purchases made through a contact, on a decision day, shape (rows,).

        A purchase that follows days after its contact names no decision, so the day of the purchase decides.
        """
        is_purchase = self.run.table("responses")["action"] == RESPONSES.index("purchased")
        return is_purchase & self.in_decision_days("responses")

    @cached_property
    def n_purchases(self) -> int:
        """Purchases within the decision days, redeemed and organic together."""
        table = self.run.table("responses")
        bought = np.isin(table["action"], [RESPONSES.index("purchased"), RESPONSES.index("organic_purchase")])
        return int((bought & (table["day"] < self.days)).sum())

    def in_decision_days(self, name: str) -> Bools:
        """Return which rows of a table happened on a decision day, shape (rows,)."""
        return self.run.table(name)["day"] < self.days

    def changes(self, change: str) -> Bools:
        """Return which rows of `consents` are `change` on a decision day, shape (rows,)."""
        return self.in_decision_days("consents") & (
            self.run.table("consents")["change"] == CONSENT_CHANGES.index(change)
        )

    @cached_property
    def permitted(self) -> Ints:
        """Reachable opt-ins a day and channel, shape (horizon, channels)."""
        return self.state("permitted", N_CHANNELS)

    @cached_property
    def n_permitted_base(self) -> int:
        """What shares of permissions are taken of: those of day 0, or the most ever held where none was given yet."""
        start = self.n_permitted_at_start
        return start if start > 0 else max(1, int(self.permitted.sum(axis=1).max(initial=0)))

    @cached_property
    def n_permitted_at_start(self) -> int:
        """Reachable opt-ins on day 0, all channels."""
        return int(np.sum(self.run.initially_permitted))

    @cached_property
    def breach_rule(self) -> Ints:
        """The rule that each row of `contacts` broke when it was delivered, 0 for none, shape (rows,).

        A breach seen at the decision and one seen at delivery are the same breach: the contact's own rule counts, else
        that of the decision which let it pass.
        """
        contacts = self.run.table("contacts")
        rule = np.where(self.delivered, contacts["rule"], 0).astype(np.int64)
        decisions = self.run.table("decisions")
        passed = np.flatnonzero((decisions["passed"] == 1) & (decisions["rule"] > 0))
        if passed.size:
            keys = _decision_keys(decisions["day"], decisions["cardholder"], decisions["ordinal"])[passed]
            keys, first = np.unique(keys, return_index=True)
            mine = _decision_keys(
                contacts["decided_day"], contacts["cardholder"], contacts["decided_ordinal"]
            )
            at = np.minimum(np.searchsorted(keys, mine), keys.size - 1)
            earlier = np.where(keys[at] == mine, decisions["rule"][passed][first][at], 0)
            rule = np.where(self.delivered & (rule == 0), earlier, rule)
        return rule

    @cached_property
    def breaches_by_rule(self) -> Ints:
        """Delivered own contacts that broke a rule, by rule, shape (rules,); entry 0 is empty."""
        return counts(self.breach_rule[self.breach_rule > 0], len(RULES))

    @cached_property
    def blocked_by_rule(self) -> Ints:
        """Own contacts stopped at the decision or at delivery, by rule, shape (rules,)."""
        # A contact refused at the decision has its row in `contacts` too: `decisions` would count it twice.
        contacts = self.run.table("contacts")
        stopped = self.own_contacts & (contacts["status"] == Status.BLOCKED)
        return counts(contacts["rule"][stopped], len(RULES))


def _decision_keys(day: np.ndarray, cardholder: np.ndarray, ordinal: np.ndarray) -> Ints:
    # Days may be negative (burn-in); ordinals are below 2^16 and ids below 2^31.
    return (
        ((day.astype(np.int64) + 4096) << 47) | (cardholder.astype(np.int64) << 16) | ordinal.astype(np.int64)
    )


def _state_measures(run: Run) -> Sequence[str]:
    names = getattr(run, "state_measures", ())
    if not names:
        from cardarena.simulator import log  # a run of tests brings its own names and needs no world

        names = log.STATE_MEASURES
    return names


class Facts:
    """A run beside the silent arm of the same scenario and seed.

    Args:
        run: the run under the policy.
        silent: the run of the same people without marketing, under the same caretaker after the decision days.
        discount: discount a year of the head metric.

    Raises:
        ResultsError: the two runs do not have the same people and days.
    """

    def __init__(self, run: "Run | RunFacts", silent: "Run | RunFacts", discount: float = 0.10) -> None:
        """Check that the two runs are twins."""
        self.policy, self.silent, self.discount = RunFacts.of(run), RunFacts.of(silent), discount
        mine, other = self.policy, self.silent
        for what in ("days", "run_out_days", "n_people"):
            if getattr(mine, what) != getattr(other, what):
                raise ResultsError(
                    f"silent arm: expected {what} {getattr(mine, what)} as in the run, found {getattr(other, what)}"
                )
        if not np.array_equal(mine.alive_at_start, other.alive_at_start):
            raise ResultsError("silent arm: expected the same accounts open on day 0, found others")

    @cached_property
    def gain_by_day(self) -> Ints:
        """Incremental net margin a day, realised, milli-fen, shape (horizon,)."""
        return self.policy.value_by_day - self.silent.value_by_day

    @cached_property
    def expected_gain_by_day(self) -> Ints:
        """Incremental net margin a day, conditional expectation, milli-fen, shape (horizon,)."""
        return self.policy.expected_value_by_day - self.silent.expected_value_by_day

    def per_head(
        self, by_day: Ints, discount: float | None = None, first: int = 0, last: int | None = None
    ) -> float:
        """Return the discounted sum over days first .. last-1, CNY per head alive on day 0.

        Args:
            by_day: shape (horizon,), milli-fen a day.
            discount: discount a year; that of the head metric where None.
            first: first day.
            last: day after the last; the horizon where None.
        """
        weights = discount_ppm(self.policy.horizon, self.discount if discount is None else discount)
        # Python integers: a sum over millions of people times a weight may leave 64 bits.
        total = sum(int(w) * int(v) for w, v in zip(weights[first:last], by_day[first:last], strict=True))
        return total / (PPM * MFEN_PER_CNY * self.policy.n0)

    @cached_property
    def gain_by_person(self) -> Ints:
        """Incremental discounted net margin a person, milli-fen x millionths, people alive on day 0, in id order."""
        weights = discount_ppm(self.policy.horizon, self.discount)
        gain = self.policy.value_by_person(weights) - self.silent.value_by_person(weights)
        return gain[self.policy.alive_at_start]
