"""Policies for tests of the world: no learning, no dependence on the number of cardholders."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cardarena.simulator.contracts import Brief, Contacts, Feedback, View

BLOCK = 1024
N_CHANNELS = 10


class Silent:
    """Contacts nobody."""

    name = "fake_silent"
    league = "reference"
    oracle = False

    def __init__(self, every_days: int = 1, decide_minute: int = 600) -> None:
        self.every_days, self.decide_minute = every_days, decide_minute
        self.brief: Brief | None = None

    def reset(self, brief: Brief, policy_seed: int) -> None:
        self.brief = brief

    def decide(self, view: View) -> Contacts:
        return Contacts.none()

    def learn(self, feedback: Feedback) -> None:
        pass

    def explain(self, contacts: Contacts) -> list[str]:
        return ["a test"] * len(contacts)

    def state(self) -> dict[str, Any]:
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        pass


class Scattered(Silent):
    """Contacts at random over offers, channels, depths and minutes.

    What it sends to a view id is a function of (seed, day, id) alone, so neither the number of cardholders nor what
    happened before moves it.
    """

    name = "fake_scattered"

    def __init__(
        self,
        seed: int = 0,
        share: float = 0.5,
        *,
        channels: Sequence[int] = tuple(range(N_CHANNELS)),
        depths: Sequence[int] = (0, 1, 2),
        rounds: int = 1,
        every_days: int = 1,
        decide_minute: int = 600,
        skip: Sequence[int] = (),
    ) -> None:
        super().__init__(every_days, decide_minute)
        self.seed, self.share, self.rounds = seed, share, rounds
        self.channels, self.depths, self.skip = (
            np.array(channels),
            np.array(depths),
            np.array(skip, dtype=int),
        )

    def decide(self, view: View) -> Contacts:
        assert self.brief is not None
        parts = []
        for block in range(0, view.n, BLOCK):
            rng = np.random.Generator(np.random.Philox(key=[self.seed, (view.day + 4096) << 32 | block]))
            for _ in range(self.rounds):
                chosen = rng.random(BLOCK) < self.share
                offer = rng.integers(0, self.brief.offers.size, BLOCK)
                channel = self.channels[rng.integers(0, self.channels.size, BLOCK)]
                depth = self.depths[rng.integers(0, self.depths.size, BLOCK)]
                minute = rng.integers(self.decide_minute, 1440, BLOCK)
                ids = block + np.arange(BLOCK)
                keep = chosen & (ids < view.n) & ~np.isin(ids, self.skip)
                parts.append(np.stack([ids, offer, channel, depth, minute])[:, keep])
        return Contacts.of(*np.concatenate(parts, axis=1))


class Reactive(Scattered):
    """Scattered, and answers what it is subscribed to: a push to whoever just did something."""

    name = "fake_reactive"
    triggers = ("app_visit", "click", "large_purchase")

    def react(self, events: Any) -> Contacts:
        return Contacts.of(events.cardholder, 3, 0, 1, np.minimum(1439, events.minute + 5))


class Uniform(Silent):
    """The same contact to everybody on every decision day, or on those that `on_days` names."""

    name = "fake_uniform"

    def __init__(
        self,
        offer: int,
        channel: int,
        depth: int = 0,
        minute: int = 660,
        *,
        times: int = 1,
        every_days: int = 1,
        decide_minute: int = 600,
        on_days: Sequence[int] | None = None,
    ) -> None:
        super().__init__(every_days, decide_minute)
        self.what = (offer, channel, depth, minute)
        self.times = times
        self.on_days = on_days

    def decide(self, view: View) -> Contacts:
        if self.on_days is not None and view.day not in self.on_days:
            return Contacts.none()
        return Contacts.of(np.repeat(np.arange(view.n), self.times), *self.what)


class Calling(Silent):
    """Decides by a function of the view; whatever it returns is handed on unchecked."""

    name = "fake_calling"

    def __init__(self, decide: Callable[[View], Any], every_days: int = 1, decide_minute: int = 600) -> None:
        super().__init__(every_days, decide_minute)
        self._decide = decide

    def decide(self, view: View) -> Contacts:
        return self._decide(view)
