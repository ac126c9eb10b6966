"""The privileged view: latent truth for policies marked `oracle`, expectations only, never realised luck."""

import numpy as np

from cardarena.simulator.behaviour.response import expected_one_step
from cardarena.simulator.compilation import compiled
from cardarena.simulator.rules import Rules
from cardarena.simulator.state import WorldState


@compiled()
def _expected(people, accounts, order, rules, day, minute, offer, channel, depth, out):
    for position in range(order.size):
        i = order[position]
        if people[i].alive == 1:
            out[position] = expected_one_step(
                people[i], accounts[i], rules, day, minute, offer, channel, depth
            )
        else:
            out[position] = 0.0


class Truth:
    """What an oracle may look at: records and expectations in view order.

    Attributes:
        people: PERSON records in view order (a copy).
        accounts: ACCOUNT records in view order (a copy).
        rules: the scenario's rules; they hold no key, so no luck can be computed from them.
        offers: OFFER records.
        params: the behavioural parameters, a record.
    """

    def __init__(self, state: WorldState, rules: Rules, order: np.ndarray, minute: int) -> None:
        """Look at a state; nothing is computed before it is asked for."""
        self._state, self._rules, self._order, self._minute = state, rules, order, minute
        self.rules = rules
        self.offers = rules.offers
        self.params = rules.parameter[0]

    @property
    def people(self) -> np.ndarray:
        """Return the latent records in view order."""
        return self._state.people[self._order]

    @property
    def accounts(self) -> np.ndarray:
        """Return what the bank knows of them, in view order."""
        return self._state.accounts[self._order]

    def expected_one_step_value(
        self,
        offer: int,
        channel: int,
        depth: int,
        minute: int | None = None,
        rows: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the expected incremental margin of one contact, milli-fen, net of its costs; shape (n,) or (rows,).

        Args:
            offer: offer code.
            channel: channel code.
            depth: 0 generic, 1 segment, 2 individual.
            minute: minute of today at which it arrives; the decision's by default.
            rows: view ids to ask for, in place of everybody.
        """
        order = self._order if rows is None else self._order[rows]
        out = np.empty(order.size)
        _expected(
            self._state.people,
            self._state.accounts,
            order,
            self._rules,
            self._state.day,
            self._minute if minute is None else minute,
            offer,
            channel,
            depth,
            out,
        )
        return out
