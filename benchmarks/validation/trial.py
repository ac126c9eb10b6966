"""An experiment on a world: a fork of a burned-in world that is driven by hand, day by day."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from cardarena.benchmarks.validation.designs import MINUTE
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.probes import Given
from cardarena.simulator.bank.features import FEATURES, feature_columns
from cardarena.simulator.bank.gate import open_arms
from cardarena.simulator.behaviour.parameters import parameter_names
from cardarena.simulator.contracts import Contacts, View
from cardarena.simulator.errors import CardArenaError
from cardarena.simulator.log import split_events
from cardarena.simulator.scenario import load_scenario
from cardarena.simulator.world import World

#: The bank's own frequency caps are assumed; an experiment that is to find out why one would have them goes without.
UNCAPPED: Final = {
    f"compliance.gates.{name}": False for name in ("cap_day", "cap_week", "cap_month", "cap_channel")
}


def variant(lab: Lab, seed: int, changes: Mapping[str, Any] | None = None, *, people: int = 0) -> World:
    """Return a fork of the burned-in world, under the lab's scenario with `changes` from now on.

    Args:
        lab: the laboratory.
        seed: world seed.
        changes: overrides of the scenario in dotted keys, put over the lab's own.
        people: keep so many cardholders only (0: all); what happens to those is the same.
    """
    world = lab.world(seed)
    scenario = world.scenario
    if changes:
        overrides = {**lab.overrides, **changes, "population.mode": "survey"}
        scenario = load_scenario("baseline", overrides, known_parameters=parameter_names())
    state, traits = world.state, world.traits
    if 0 < people < world.n:
        traits = traits[:people]
        for name in ("people", "accounts", "agenda", "agenda_length", "agenda_next", "mood"):
            setattr(state, name, getattr(state, name)[:people].copy())
        state.pending = state.pending[state.pending["cardholder"] < people]
        state.unread = state.unread[:0]
    return World(scenario, seed, traits, state, threads=world.threads, history=world.history)


def _not_asked(offer: int, channel: int, depth: int, minute: int, rows: Any) -> np.ndarray:
    raise CardArenaError("a trial's view has no masks: ask the trial's open_arms")


class _Rows:
    """Keeps the event rows of the days played last."""

    def __init__(self) -> None:
        self.rows: list[np.ndarray] = []

    def append(
        self, events: Sequence[np.ndarray], decisions: np.ndarray | None, census: np.ndarray | None
    ) -> None:
        """Take the rows of one day."""
        self.rows += list(events)


def only(world: World, people: np.ndarray) -> World:
    """Let everybody but `people`, true rows, rest, so that they cost no time: nobody else is moved by it.

    The others' accounts are closed in this fork; nothing is to be read of them.
    """
    resting = np.ones(world.n, dtype=np.bool_)
    resting[people] = False
    world.state.people["alive"][resting] = 0
    world.state.accounts["is_open"][resting] = 0
    return world


class Trial:
    """A world driven by hand.

    States: at midnight -> `send` (contacts wait for the day) -> `play` (days pass) -> at midnight. All ids are true rows.

    Attributes:
        world: the world; read its state, and leave it alone.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self._sent: list[Contacts] = []
        self._begun = False

    @property
    def n(self) -> int:
        """Number of cardholders."""
        return self.world.n

    def open_arms(self, offers: Any, channels: Any, depth: int = 0, rows: Any = None) -> np.ndarray:
        """Return which offers may go by which channels today, shape (n or rows, offers, channels)."""
        world, channels = self.world, np.asarray(channels, dtype=np.int64)
        who = np.arange(world.n) if rows is None else np.asarray(rows, dtype=np.int64)
        offers = np.asarray(offers, dtype=np.int64)
        return open_arms(
            world.state.accounts, who, world.rules, offers, channels, MINUTE[channels], depth, world.day
        )

    def view(self) -> View:
        """Return what a policy would see at this midnight; its rows are true rows."""
        world = self.world
        columns = feature_columns(
            world.state.accounts, np.arange(world.n), world.today(world.day), FEATURES, world.threads
        )
        return View(day=world.day, minute=0, names=FEATURES, columns=columns, allowed=_not_asked)

    def send(self, holders: np.ndarray, offers: Any, channels: Any, depths: Any = 0) -> None:
        """Send contacts today, each at its channel's minute; shapes as in `expected.expect`."""
        channels = np.broadcast_to(np.asarray(channels, dtype=np.int64), holders.shape)
        ids = self.world.view_id[holders]
        self._sent.append(Contacts.of(ids, offers, channels, depths, MINUTE[channels]))

    def play(self, days: int = 1) -> dict[str, dict[str, np.ndarray]]:
        """Let days pass; return what happened as the tables of a log."""
        parts, self._sent = self._sent, []
        names = ("cardholder", "offer", "channel", "depth", "minute")
        together = (
            Contacts(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
            if parts
            else Contacts.none()
        )
        sink = _Rows()
        self.world.play(Given(together), days, sink=sink, reset=not self._begun)
        self._begun = True
        return split_events(sink.rows)
