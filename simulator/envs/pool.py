"""The people whom an environment may draw: everybody of some burned-in worlds, as they stand at day 0."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from cardarena.simulator.behaviour.neighbours import mean_mood
from cardarena.simulator.cache_lines import zeros
from cardarena.simulator.compilation import compiled
from cardarena.simulator.contracts import Bools, Policy
from cardarena.simulator.errors import CardArenaError
from cardarena.simulator.rules import PENDING, TODAY, Rules
from cardarena.simulator.scenario import Scenario
from cardarena.simulator.world import World

#: Days behind the horizon that the calendar reaches: the run-out, and the first day after it.
BEYOND: Final = 186


class Base(NamedTuple):
    """The arrays of a pool, for compiled code."""

    people: np.ndarray  # (n,) PERSON
    accounts: np.ndarray  # (n,) ACCOUNT
    world: np.ndarray  # (n,) position of the person's world
    heard: np.ndarray  # (n,) mean satisfaction of the neighbours at day 0, -1 without word of mouth
    inbox: np.ndarray  # (n x width,) PENDING: contacts on their way at day 0
    waiting: np.ndarray  # (n,) how many of them
    members: np.ndarray  # (m,) people whose account is open: who is drawn
    today: np.ndarray  # (worlds, days) TODAY


@compiled()
def _hear(mood, is_on, out):
    for i in range(out.size):
        out[i] = mean_mood(mood, i, is_on)


class Pool:
    """Burned-in people at day 0, of one world or of several with the same rules. Nothing in it changes.

    Attributes:
        scenario: what the worlds were made from.
        rules: its rules.
        base: the arrays, read-only.
        days: the longest horizon that the calendar covers.
        worlds: copies of the worlds at day 0, for whoever plays them as they are.
        make_policy: makes a policy from its name.
        values: terminal values that were fitted on it, by horizon and discount.
    """

    def __init__(
        self, worlds: Sequence[World], make_policy: Callable[[str], Policy], days: int | None = None
    ) -> None:
        """Copy the people of worlds that stand at day 0.

        Args:
            worlds: at day 0, all of one scenario.
            make_policy: makes a policy from its name.
            days: the longest horizon; the scenario's by default.

        Raises:
            CardArenaError: no world, a world that is not at day 0, or of another scenario; or nobody's account is open.
        """
        if not worlds:
            raise CardArenaError("a pool: expected at least one world, found none")
        for world in worlds:
            if world.day != 0 or world.scenario != worlds[0].scenario:
                raise CardArenaError(
                    f"a pool: expected worlds of scenario {worlds[0].scenario.name!r} at day 0, found "
                    f"{world.scenario.name!r} at day {world.day}"
                )
        self.worlds = tuple(world.fork() for world in worlds)
        self.make_policy = make_policy
        self.scenario: Scenario = worlds[0].scenario
        # Copies that may be written to: a pickled pool's are, and compiled code takes read-only arrays for another type.
        self.rules = Rules(*(records.copy() for records in worlds[0].rules))
        self.days = max(self.scenario.horizon.days, days or 0)
        self.base = _based(self.worlds, self.days)
        if self.base.members.size == 0:
            raise CardArenaError("a pool: expected somebody with an open account at day 0, found nobody")
        self.values: dict[Any, Any] = {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take back a pickled pool; its arrays come unsealed, which compiled code takes for another type."""
        self.__dict__.update(state)
        _sealed(self.base)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Pool":
        """Return itself: a pool does not change, and copies of an environment share it."""
        return self

    @property
    def n(self) -> int:
        """People, closed accounts included."""
        return self.base.people.size

    def stocked_channels(self) -> Bools:
        """Return which channels the scenario has, shape (channels,)."""
        return np.asarray(self.scenario.enabled_channels(), dtype=np.bool_)


def _based(worlds: Sequence[World], days: int) -> Base:
    heard = []
    for world in worlds:
        out = np.zeros(world.n)
        _hear(world.state.mood, world.rules.compliance["word_of_mouth"][0], out)
        heard.append(out)
    people = _joined([world.state.people for world in worlds])
    inbox, waiting = _inboxes(worlds)
    today = np.zeros((len(worlds), days + BEYOND), dtype=TODAY)
    for w, world in enumerate(worlds):
        for day in range(days + BEYOND):
            today[w, day] = world.today(day)[0]
    return _sealed(
        Base(
            people=people,
            accounts=_joined([world.state.accounts for world in worlds]),
            world=np.repeat(np.arange(len(worlds), dtype=np.int64), [world.n for world in worlds]),
            heard=np.concatenate(heard),
            inbox=inbox,
            waiting=waiting,
            members=np.flatnonzero(people["alive"] == 1).astype(np.int64),
            today=today,
        )
    )


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return records one behind the other; NumPy's own way of joining them would drop their padding."""
    whole = zeros(sum(part.size for part in parts), parts[0].dtype)
    first = 0
    for part in parts:
        whole[first : first + part.size] = part
        first += part.size
    return whole


def _inboxes(worlds: Sequence[World]) -> tuple[np.ndarray, np.ndarray]:
    """Return everybody's contacts on their way, side by side and padded, and how many there are.

    Whoever takes over takes the last one's placements down; what was sent arrives.
    """
    sent, holders, first = [], [], 0
    for world in worlds:
        pending = world.state.pending
        pending = pending[world.rules.channels["at_visit"][pending["channel"]] == 0]
        sent.append(pending)
        holders.append(first + pending["cardholder"])
        first += world.n
    rows, holder = np.concatenate(sent), np.concatenate(holders)
    waiting = np.bincount(holder, minlength=first).astype(np.int64)
    width = max(1, int(waiting.max(initial=0)))
    inbox = np.zeros((first, width), dtype=PENDING)
    starts = np.cumsum(waiting) - waiting
    inbox[holder, np.arange(holder.size) - starts[holder]] = rows
    return inbox.reshape(-1), waiting


def _sealed(base: Base) -> Base:
    for values in base:
        values.flags.writeable = False
    return base
