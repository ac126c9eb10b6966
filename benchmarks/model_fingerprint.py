"""A short fingerprint of what the model does, by which a parameter set knows the behaviour that it was made for.

It is taken from one small fixed run: its log, and what contacts would be worth on the morning after. So it moves with behaviour,
and not with a comment, a name or a faster kernel. What such a run never comes to it cannot see, nor a few per cent more or less
of something rare, such as closures.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import numpy as np

from cardarena.agents.base import BasePolicy
from cardarena.agents.registry import make_policy
from cardarena.simulator.behaviour.parameters import parameter_names
from cardarena.simulator.contracts import DEPTHS, Contacts, View
from cardarena.simulator.names import N_CHANNELS
from cardarena.simulator.oracle import Truth
from cardarena.simulator.scenario import load_scenario
from cardarena.simulator.world import World

_SEED: Final = 1
_CARDHOLDERS: Final = 1_024
_BURN_IN_DAYS: Final = 60
_DAYS: Final = 90
#: Chance a day that somebody is written to.
_SHARE: Final = 0.5
#: Minute at which the contacts of the morning after would arrive.
_MINUTE: Final = 600
#: What the rules forbid is let through, so that people live to see it; and neighbours talk.
_RUN: Final[Mapping[str, Any]] = {
    "horizon.burn_in_days": _BURN_IN_DAYS,
    "logged_history": False,
    "compliance.mode": "audit",
    "word_of_mouth": True,
}


class _Scattered(BasePolicy):
    """Contacts by lot, whatever the rules say: any offer, channel and depth, at any minute."""

    name = "scattered"
    every_days = 1

    def decide(self, view: View) -> Contacts:
        """Draw today's contacts."""
        luck, n_offers = self.luck(view), self.market.n_offers
        rows = np.flatnonzero(luck.random(view.n) < _SHARE)
        offer, channel, depth, minute = (
            luck.integers(0, n, len(rows)) for n in (n_offers, N_CHANNELS, len(DEPTHS), 24 * 60)
        )
        # Every second person sees one thing again and again, which wears.
        same = rows % 2 == 0
        offer = np.where(same, rows % n_offers, offer)
        channel = np.where(same, rows // 2 % N_CHANNELS, channel)
        return Contacts.of(rows, offer, channel, depth, minute)


@cache
def model_fingerprint() -> str:
    """Return the fingerprint of the shipped model: kernels, tables and parameters, and the policy of the burn-in."""
    return fingerprint_of({})


def fingerprint_of(overrides: Mapping[str, Any]) -> str:
    """Return the fingerprint of the model under scenario overrides, 16 hexadecimal digits.

    Raises:
        ScenarioError: an override that the baseline does not take.
    """
    scenario = load_scenario("baseline", {**_RUN, **overrides}, known_parameters=parameter_names())
    world = World.create(scenario, _SEED, _CARDHOLDERS).burn_in(make_policy)
    log = world.run(_Scattered(), _DAYS)
    digest = hashlib.sha256(log.digest().encode())
    truth = Truth(world.state, world.rules, world.order, _MINUTE)
    for offer in range(len(world.rules.offers)):
        worth = truth.expected_one_step_value(offer, offer % N_CHANNELS, offer % len(DEPTHS))
        # In whole milli-fen, so that the last bit of a float decides nothing.
        digest.update(np.rint(worth).astype("<i8").tobytes())
    return digest.hexdigest()[:16]
