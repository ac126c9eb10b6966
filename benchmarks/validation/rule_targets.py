"""The target of the rules: G1, what any policy gets past the compliance layer."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from cardarena.agents.base import BasePolicy
from cardarena.agents.registry import make_policy, policy_names
from cardarena.benchmarks.validation.breaches import breaches
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.measures import Measured, measures
from cardarena.simulator.contracts import Contacts, Policy, View
from cardarena.simulator.names import CHANNELS, DEPTHS
from cardarena.simulator.world import World

#: Rules are either kept or not: few people and days show it, and every policy is tried.
PEOPLE: Final = 2_048
DAYS: Final = 60
_BLOCK: Final = 1_024


class Unruly(BasePolicy):
    """Asks every day for a contact with everybody, by lot and without a look at what is allowed, day and night."""

    name = "unruly"
    every_days = 1
    features = ()

    def decide(self, view: View) -> Contacts:
        """Return a contact for everybody; offer, channel, depth and minute by lot, keyed by day and block of ids."""
        parts = []
        for first in range(0, view.n, _BLOCK):
            lot = np.random.Generator(np.random.Philox(key=[7, (view.day + 4096) << 32 | first // _BLOCK]))
            most = [self.brief.offers.size, len(CHANNELS), len(DEPTHS), 1440]
            drawn = lot.integers(0, most, (_BLOCK, len(most)))[: view.n - first]
            parts.append(np.column_stack([np.arange(first, first + len(drawn)), drawn]))
        return Contacts.of(*np.concatenate(parts).T)


def let_through(world: World, policy: Policy, days: int = DAYS) -> dict[str, int]:
    """Return the breaches of a policy's run on a fork of the world, by kind; only kinds that were found."""
    log = world.fork().run(policy, days)
    found = breaches(log, world.rules.channels, world.state.accounts)
    return {kind: count for kind, count in found.items() if count}


@measures("G1")
def breaches_of_policies(lab: Lab) -> Iterator[Measured]:
    """Count delivered contacts against a rule, in a run of every registered policy and of one that minds no rule."""
    world = World.create(lab.scenario(), lab.seeds[0], min(PEOPLE, lab.n_cardholders)).burn_in(make_policy)
    policies = [*map(make_policy, policy_names()), Unruly()]
    count = 0
    notes = [
        f"{len(policies) - 1} policies and one that minds no rule, {world.n:,} people, {DAYS} days",
        "as the log says, and again from its times, refusals and off-switches",
    ]
    for policy in policies:
        found = let_through(world, policy)
        count += sum(found.values())
        notes += [f"{policy.name}: {kind} {n}" for kind, n in found.items()]
    yield Measured("", float(count), note="; ".join(notes))
