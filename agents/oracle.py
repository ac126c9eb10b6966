"""The privileged reference: `oracle_myopic` sees the latent truth, and takes the best expected next step."""

from typing import ClassVar

import numpy as np

from cardarena.agents.base import BasePolicy, Dial
from cardarena.agents.market import worth_offering
from cardarena.simulator.contracts import Contacts, View


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
    dial_spec: ClassVar[Dial] = Dial("contact price, CNY", (0.0, 0.1, 0.5, 2.0), 0.1, 0.0)
    features = ("is_open",)
    #: Channels considered: so many best buys and so many of the strongest; and the depth beside the generic one.
    best_buys: ClassVar[int] = 2
    strongest: ClassVar[int] = 2
    depth: ClassVar[int] = 1

    def decide(self, view: View) -> Contacts:
        """Search offers times channels for everybody."""
        market, price = self.market, self.dial * 100_000.0 + view.contact_price_mfen
        best = np.full(view.n, -np.inf)
        offer_of = np.zeros(view.n, dtype=np.int64)
        channel_of = np.zeros(view.n, dtype=np.int64)
        depth_of = np.zeros(view.n, dtype=np.int64)
        for channel in market.channels(self.best_buys, self.strongest):
            minute = max(int(market.minute[channel]), view.minute)
            offers = worth_offering(market)
            for depth in (0, self.depth):
                ok = view.open_arms(offers, [channel], minute, depth)[:, :, 0]
                for column, offer in enumerate(offers):
                    rows = np.flatnonzero(ok[:, column])
                    if not rows.size:
                        continue
                    mfen = view.truth.expected_one_step_value(offer, channel, depth, minute, rows)
                    value = np.round(mfen * 1e-5, 9)
                    is_better = value > best[rows]
                    better = rows[is_better]
                    best[better], depth_of[better] = value[is_better], depth
                    offer_of[better], channel_of[better] = offer, channel
        rows = np.flatnonzero(best > max(price, 0.0) * 1e-5)
        return self.request(
            view,
            rows,
            offer_of[rows],
            channel_of[rows],
            wanted_depth=depth_of[rows],
            priority=best[rows],
            reason="expected one-step value {value:.2f} CNY",
            value=best[rows],
        )
