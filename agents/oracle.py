"""The privileged reference: `oracle_myopic` sees the latent truth, and takes the best expected next step."""

from typing import ClassVar

import numpy as np

from cardarena.agents.base import BasePolicy, Dial
from cardarena.agents.market import worth_offering
from cardarena.simulator.border import BUDGET_DAYS
from cardarena.simulator.contracts import Contacts, Floats, View


class OracleMyopic(BasePolicy):
    """Contacts where the expected one-step value, the latent state known, is above a price.

    It knows needs, trust and annoyance, and not the luck: `truth.expected_one_step_value` integrates over it.
    It does not plan: what today's contact does to attention, goodwill and permissions next month is not in
    its sum, so a policy that plans may beat it.

    Dial: price of a contact in CNY, on top of its cost and of the arena's price.
    """

    name, league = "oracle_myopic", "privileged"
    title = "Myopic oracle"
    summary = "Knows the latent state and takes the best expected next step above a price."
    oracle = True
    every_days = 7
    dial_spec: ClassVar[Dial] = Dial("contact price, CNY", (0.0, 0.5, 1.0, 2.0, 4.0), 1.0, 0.0)
    features = ("is_open",)
    #: Channels considered: so many best buys and so many of the strongest; and the depth beside the generic one.
    best_buys: ClassVar[int] = 2
    strongest: ClassVar[int] = 2
    depth: ClassVar[int] = 1

    def decide(self, view: View) -> Contacts:
        """Search offers times channels for everybody; where money is short, a yuan gets a price too."""
        market, price = self.market, max(0.0, self.dial + view.contact_price_mfen * 1e-5)
        arms: list[tuple[int, int, int]] = []
        values: list[Floats] = []
        for channel in market.channels(self.best_buys, self.strongest):
            minute = max(int(market.minute[channel]), view.minute)
            offers = worth_offering(market)
            for depth in (0, self.depth):
                ok = view.open_arms(offers, [channel], minute, depth)[:, :, 0]
                for column, offer in enumerate(offers):
                    rows = np.flatnonzero(ok[:, column])
                    if rows.size:
                        mfen = view.truth.expected_one_step_value(offer, channel, depth, minute, rows)
                        value = np.full(view.n, -np.inf)
                        value[rows] = np.round(mfen * 1e-5, 9)
                        arms.append((int(offer), int(channel), depth))
                        values.append(value)
        if not arms:
            return self.request(view, np.zeros(0, dtype=np.int64), 0, 0)
        value = np.stack(values, axis=1)
        offer_of, channel_of, depth_of = (np.array(part, dtype=np.int64) for part in zip(*arms, strict=True))
        cost = market.budget_cny[channel_of]
        share = view.budget_left_mfen * 1e-5 * self.every_days / BUDGET_DAYS
        rate = yuan_price(value, cost, price, share)
        arm = (value - rate * cost).argmax(axis=1)
        best = value[np.arange(view.n), arm]
        rows = np.flatnonzero(best - rate * cost[arm] > price)
        offer_of, channel_of, depth_of = offer_of[arm], channel_of[arm], depth_of[arm]
        return self.request(
            view,
            rows,
            offer_of[rows],
            channel_of[rows],
            wanted_depth=depth_of[rows],
            priority=market.per_yuan(best[rows], channel_of[rows]),
            reason="expected one-step value {value:.2f} CNY",
            value=best[rows],
        )


def yuan_price(value: Floats, cost: Floats, price: float | Floats, share_cny: float) -> float:
    """Return the lowest price of a yuan at which a share of the budget suffices; 0 where it does anyway.

    Args:
        value: shape (n, arms), value of each contact, CNY.
        cost: shape (arms,) or (n, arms), what it takes of the budget, CNY.
        price: what a contact must be worth beyond its cost, one for all or shape (n,).
        share_cny: what may be spent now; below 0 where there is no budget.
    """
    if share_cny < 0.0:
        return 0.0
    cost = np.broadcast_to(cost, value.shape)
    rows = np.arange(len(value))
    low, high = 0.0, 10_000.0
    for _ in range(24):
        rate = 0.5 * (low + high)
        net = value - rate * cost
        arm = net.argmax(axis=1)
        wanted = net[rows, arm] > price
        low, high = (rate, high) if cost[rows, arm][wanted].sum() > share_cny else (low, rate)
    return high
