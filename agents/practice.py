"""A randomised log from simulated worlds: what a policy of the simulator's league may learn from in place of its bank's history.

In each world everybody whom the rules leave open is contacted by lot or held out once a week: each open pair of a paying
offer and a channel is as likely as any other. Outcomes are those that any bank would see. A folder
keeps the worlds' seeds, not the rows: they are a function of them, so a policy simulates its log again when it is made.
"""

from functools import lru_cache
from typing import Annotated, Any, Final

import numpy as np
from pydantic import Field

from cardarena.agents.base import BasePolicy
from cardarena.agents.market import arms_allowed, worth_offering
from cardarena.agents.tables import LEARNED_FEATURES, WINDOW_DAYS, ExplorationLog, Table, thinned
from cardarena.simulator.bank.sourced import Strict
from cardarena.simulator.contracts import Brief, Contacts, Feedback, View

#: Rows of a simulated log, at most; half of them contacted.
MOST_ROWS: Final = 40_000
MOST_LOG_DAYS: Final = 365
#: Chance of a contact in a week. With more, the log would tell of tired people, whom nobody is going to meet.
CONTACTED: Final = 0.25


class SimulatedLog(Strict):
    """The worlds of a simulated log.

    Attributes:
        scenario: name of the scenario.
        world_seeds: seeds of its worlds.
        cardholders: people of each.
        days: days in which people are contacted by lot.
    """

    scenario: Annotated[str, Field(min_length=1, max_length=200)]
    world_seeds: Annotated[
        tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False, min_length=1, max_length=20)
    ]
    cardholders: Annotated[int, Field(ge=1, le=50_000)]
    days: Annotated[int, Field(ge=WINDOW_DAYS, le=MOST_LOG_DAYS)]

    @property
    def cardholder_days(self) -> int:
        """What it takes to simulate, burn-in left out."""
        return len(self.world_seeds) * self.cardholders * self.days


class ByLot(BasePolicy):
    """Contacts by lot once a week, and notes who was contacted, who was held out, and what followed."""

    name, league, title = "by_lot", "simulator", "By lot"
    features = LEARNED_FEATURES
    wants_feedback = True

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Begin an empty log."""
        super().reset(brief, policy_seed)
        self.log = ExplorationLog(
            brief.n_cardholders, most=brief.n_cardholders * (brief.days // self.every_days + 1)
        )

    def decide(self, view: View) -> Contacts:
        """Contact a random part of those who can be reached."""
        market = self.market
        offers, channels = worth_offering(market), np.union1d(market.messages, np.flatnonzero(market.voice))
        ok = arms_allowed(view, market, offers, channels) & (view["is_open"] > 0)[:, None, None]
        ok = ok.reshape(view.n, -1)
        count = ok.sum(axis=1)
        u_contact, u_arm = self.luck(view).random((2, view.n))
        within = np.flatnonzero(count > 0)
        rows = within[u_contact[within] < CONTACTED]
        wanted = np.minimum((u_arm[rows] * count[rows]).astype(np.int64), count[rows] - 1)
        arm = (np.cumsum(ok[rows], axis=1) <= wanted[:, None]).sum(axis=1)
        contacts = self.request(
            view,
            rows,
            arm // len(channels),
            channels[arm % len(channels)],
            wanted_depth=1,
            propensity=CONTACTED / np.maximum(count[rows], 1),
            candidates=offers,
        )
        self.log.add(view, within, contacts)
        return contacts

    def learn(self, feedback: Feedback) -> None:
        """Add outcomes."""
        self.log.learn(feedback)


def practice_table(log: SimulatedLog, brief: Brief) -> Table:
    """Return the simulated log in the codes of the brief's offers; contacts with offers that the bank lacks are left out."""
    table, names = _simulated(log.scenario, log.world_seeds, log.cardholders, log.days)
    codes = {name: code for code, name in enumerate(brief.offer_names)}
    known = np.array([*(codes.get(name, -2) for name in names), -1])
    offer = known[table.offer]
    table = table.rows(offer != -2)
    table.offer = offer[offer != -2]
    return table


@lru_cache(maxsize=2)
def _simulated(
    name: str, seeds: tuple[int, ...], cardholders: int, days: int
) -> tuple[Table, tuple[str, ...]]:
    """Return the log, thinned, beside the names of its offers."""
    from cardarena.agents.registry import make_policy
    from cardarena.simulator.scenario import load_scenario
    from cardarena.simulator.world import World

    scenario = load_scenario(name)
    parts: list[Table] = []
    names: tuple[str, ...] = ()
    for seed in seeds:
        world = World.create(scenario, seed, cardholders, threads=1).burn_in(make_policy)
        policy = ByLot()
        world.play(policy, days)
        parts.append(policy.log.table(days))
        names = policy.brief.offer_names
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])
    }
    table = Table(**columns)
    half = MOST_ROWS // 2
    contacted, held_out = np.flatnonzero(table.offer >= 0), np.flatnonzero(table.offer < 0)
    return table.rows(np.sort(np.concatenate([thinned(contacted, half), thinned(held_out, half)]))), names
