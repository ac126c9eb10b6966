"""What a trained agent reads: its value when a group of columns is dealt out anew among people at every decision.

Each column keeps its values of the day, and tells nothing of the person any more; within a group they move together. What is
lost says how much the agent uses the group, given all else that it sees, not what it could have learned without it: that is
what training without it says.

References:
    Fisher, Rudin and Dominici, All models are wrong, but many are useful (JMLR 20, 2019): permutation reliance.
"""

from typing import Any, Final

import numpy as np

from cardarena.agents.registry import make_policy
from cardarena.agents.rl.policy import TrainedPolicy
from cardarena.agents.rl.sight import ANSWERS, CONTACTS
from cardarena.simulator.contracts import Ints, Policy

#: Of the luck by which rows are dealt; 0 is the agent's own.
_PURPOSE: Final = 1
#: Groups of columns, by the beginnings of their names.
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "contacts": CONTACTS,
    "answers": ANSWERS,
    "needs": ("precursor_",),
    "purchases": ("category_purchases_", "days_since_purchase_"),
    "spending": ("recency_", "transactions_", "spend_", "context_spend_", "margin_", "utilisation", "instalment_balance_",
                 "overdue", "visits_28d", "days_since_visit"),
    "person": ("age", "is_male", "city_tier", "income_band", "tenure_", "limit_"),
    "permissions": ("permitted_", "marketing_consent", "personalisation_on", "partner_consent", "sensitive_consent", "tracked"),
}  # fmt: skip
TITLES: Final = {
    "contacts": "Contacts so far",
    "answers": "Answers to contacts",
    "needs": "Signs of a need",
    "purchases": "Purchases by category",
    "spending": "Spending, visits, balances",
    "person": "Who it is",
    "permissions": "Permissions and consents",
}


def made(spec: str) -> Policy:
    """Make a policy of the registry, of a folder, or of a folder with a group dealt out anew: FOLDER|GROUP."""
    folder, _, group = spec.partition("|")
    return DealtPolicy(folder, group) if group else make_policy(spec)


class _Dealt:
    """A view whose columns of a group are another person's."""

    def __init__(self, view: Any, begins: tuple[str, ...], other: Ints) -> None:
        self._view, self._begins, self._other = view, begins, other

    def __getitem__(self, name: str) -> np.ndarray:
        column = self._view[name]
        return column[self._other] if name.startswith(self._begins) else column

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)


class DealtPolicy(TrainedPolicy):
    """A trained agent that sees, in one group of columns, another open account's."""

    def __init__(self, folder: str, group: str) -> None:
        """Read the folder; `group` is one of `GROUPS`."""
        super().__init__(folder)
        self._begins = GROUPS[group]

    def decide(self, view: Any) -> Any:
        """Deal the group's rows out anew, once a decision; what may be sent is still the person's own."""
        self._other = np.arange(view.n)
        is_open = np.flatnonzero(view["is_open"] > 0)
        self._other[is_open] = self.luck(view, _PURPOSE).permutation(is_open)
        return super().decide(view)

    def _outputs(self, view: Any, rows: Ints, people: np.ndarray | None = None) -> np.ndarray:
        dealt: Any = _Dealt(view, self._begins, self._other)
        return super()._outputs(dealt, rows, people)
