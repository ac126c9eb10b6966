"""A year watched from the evening of every day: what each cardholder spent over all cards, and what was expected of them.

The log holds only our card, and the day's own counters reset at midnight. So a scheduler is put before the world's
that stops a minute before midnight and looks; a window cut in two gives the same world.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cardarena.agents.registry import make_policy
from cardarena.benchmarks.validation.lab import YEAR, Lab
from cardarena.simulator.names import COMPLAINT_KINDS, CONSENT_CHANGES, N_CONTEXTS, RESPONSES, Kind
from cardarena.simulator.schedulers.evening import Evening
from cardarena.simulator.state import WorldState
from cardarena.simulator.world import World

#: A year is cut into so many parts of about equal length; a part stands for a month.
MONTHS: Final = 12
MONTH_DAYS: Final = YEAR / MONTHS
_BOUGHT: Final = [RESPONSES.index("purchased"), RESPONSES.index("organic_purchase")]


@dataclass(frozen=True)
class ObservedYear:
    """What a year under `status_quo` showed of every cardholder of a world.

    Attributes:
        world: at the end of the year; to be forked, not played.
        was_open: shape (people,), whether the account was open at the start.
        open_days: shape (people, 12), days on which the account was open, by twelfth of the year.
        own_fen: shape (people, 12), spend on our card, by twelfth.
        all_fen: shape (people, 12), spend over all cards, by twelfth.
        calendar_open_days: shape (people, 12), as `open_days`, by month of the calendar.
        calendar_all_fen: shape (people, 12), as `all_fen`, by month of the calendar.
        complaints_ppb: shape (people, 3), expected complaints in parts per billion, by kind.
        tickets: shape (people, 12), transactions and purchases on our card, by twelfth.
        ticket_logs: shape (people, 2), sum of the log tickets (CNY) and of their squares.
        closed: shape (people, 2), whether the account closed in the year: by choice, by default.
    """

    world: World
    was_open: np.ndarray
    open_days: np.ndarray
    own_fen: np.ndarray
    all_fen: np.ndarray
    calendar_open_days: np.ndarray
    calendar_all_fen: np.ndarray
    complaints_ppb: np.ndarray
    tickets: np.ndarray
    ticket_logs: np.ndarray
    closed: np.ndarray

    @property
    def n(self) -> int:
        """Number of cardholders."""
        return self.was_open.size

    @property
    def segment(self) -> np.ndarray:
        """Code of each one's privacy segment, shape (people,)."""
        return self.world.traits["segment"]

    @property
    def is_open(self) -> np.ndarray:
        """Whose account is open at the end, shape (people,)."""
        return self.world.state.people["alive"] == 1

    @property
    def monthly_all_cny(self) -> np.ndarray:
        """Mean spend a month over all cards while the account was open, CNY, shape (people,); NaN below a month."""
        days = self.open_days.sum(axis=1).astype(np.float64)
        days[days < MONTH_DAYS] = np.nan
        return self.all_fen.sum(axis=1) * 0.01 / days * MONTH_DAYS


class _Books:
    """Adds up what the evenings and the rows of the log say, person by person; rows are not kept."""

    def __init__(self, world: World, days: int) -> None:
        self.world, self.days, self.first = world, days, world.day
        n = world.n
        self.was_open = world.state.people["alive"] == 1
        self.by_twelfth = {
            name: np.zeros((n, MONTHS), dtype=np.int64) for name in ("open", "own", "all", "tickets")
        }
        self.by_month = {name: np.zeros((n, MONTHS), dtype=np.int64) for name in ("open", "all")}
        self.complaints = np.zeros((n, len(COMPLAINT_KINDS)), dtype=np.int64)
        self.logs = np.zeros((n, 2))
        self.closed = np.zeros((n, 2), dtype=bool)

    def look(self, state: WorldState) -> None:
        """Add the counters of a day that is about to end."""
        people = state.people
        twelfth = self._twelfth(state.day)
        month = self.world.calendar.date_of(state.day).month - 1
        spent = people["all_spend_fen"]
        # An account that closed today lived through most of the day.
        is_open = (people["alive"] == 1) | (spent > 0)
        self.by_twelfth["open"][:, twelfth] += is_open
        self.by_twelfth["own"][:, twelfth] += people["own_spend_fen"]
        self.by_twelfth["all"][:, twelfth] += spent
        self.by_month["open"][:, month] += is_open
        self.by_month["all"][:, month] += spent
        self.complaints += people["expected_complaint_ppb"]

    def append(
        self, events: Sequence[np.ndarray], decisions: np.ndarray | None, census: np.ndarray | None
    ) -> None:
        """Add a day's rows: tickets and closures."""
        del decisions, census
        for rows in events:
            kind = rows["kind"]
            bought = (kind == Kind.RESPONSE) & np.isin(rows["code"], _BOUGHT) & (rows["item"] < N_CONTEXTS)
            paid = rows[((kind == Kind.TRANSACTION) | bought) & (rows["amount_fen"] > 0)]
            if paid.size:
                self._pay(paid)
            for column, change in enumerate(("closed_voluntary", "closed_default")):
                left = (kind == Kind.CONSENT) & (rows["code"] == CONSENT_CHANGES.index(change))
                self.closed[rows["cardholder"][left], column] = True

    def _pay(self, paid: np.ndarray) -> None:
        n, who = self.was_open.size, paid["cardholder"]
        self.by_twelfth["tickets"][:, self._twelfth(int(paid["day"][0]))] += np.bincount(who, minlength=n)
        logs = np.log(paid["amount_fen"] * 0.01)
        self.logs[:, 0] += np.bincount(who, logs, minlength=n)
        self.logs[:, 1] += np.bincount(who, logs**2, minlength=n)

    def _twelfth(self, day: int) -> int:
        return (day - self.first) * MONTHS // self.days


def observed_year(lab: Lab, seed: int, mode: str = "survey") -> ObservedYear:
    """Return a year of this world as its evenings show it; played once a lab."""

    def play() -> ObservedYear:
        world = lab.world(seed, mode)
        lab.tell(f"a year, evening by evening: {mode} mode, seed {seed}")
        return watch(world)

    year: ObservedYear = lab.once(("observed year", mode, seed), play)
    return year


def watch(world: World, days: int = YEAR, policy: str = "status_quo") -> ObservedYear:
    """Play a world in place for `days` days, and return what its evenings showed; twelfths are those of `days`."""
    books = _Books(world, days)
    scheduler = world.scheduler
    world.scheduler = Evening(scheduler, books.look)
    world.play(make_policy(policy), days, sink=books)
    world.scheduler = scheduler
    return ObservedYear(
        world=world,
        was_open=books.was_open,
        open_days=books.by_twelfth["open"],
        own_fen=books.by_twelfth["own"],
        all_fen=books.by_twelfth["all"],
        calendar_open_days=books.by_month["open"],
        calendar_all_fen=books.by_month["all"],
        complaints_ppb=books.complaints,
        tickets=books.by_twelfth["tickets"],
        ticket_logs=books.logs,
        closed=books.closed,
    )
