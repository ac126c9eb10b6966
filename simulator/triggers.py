"""Triggers: what a policy may react to within the day. A declared predicate over what the bank has just seen.

A policy that names some in its attribute `triggers` gets its day cut into windows of `WINDOW_MINUTES`; a window in which
nothing matched is skipped. Its answer acts from the next window on.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from cardarena.simulator.errors import UnknownNameError
from cardarena.simulator.names import SPEND_CONTEXTS, Kind

#: A reaction comes at most so many minutes after its event.
WINDOW_MINUTES: Final = 60
#: Reactions are made between these minutes of the day.
FIRST_MINUTE: Final = 480
LAST_MINUTE: Final = 1260
#: A transaction from here on is large, fen (assumed: about five times the mean bank-card ticket).
LARGE_FEN: Final = 200_000

Predicate = Callable[[np.ndarray], np.ndarray]


def _spent(rows: np.ndarray) -> np.ndarray:
    return rows["kind"] == Kind.TRANSACTION


#: Name -> predicate over EVENT rows of kinds that a bank sees.
TRIGGERS: Final[dict[str, Predicate]] = {
    "large_purchase": lambda rows: _spent(rows) & (rows["amount_fen"] >= LARGE_FEN),
    "travel_abroad": lambda rows: _spent(rows) & (rows["item"] == SPEND_CONTEXTS.index("cross_border")),
    "app_visit": lambda rows: (rows["kind"] == Kind.VISIT) & (rows["item"] == 0),
    "click": lambda rows: (rows["kind"] == Kind.RESPONSE) & (rows["code"] == 1),
}


@dataclass(frozen=True)
class Events:
    """What just happened, one row an event, in the order of (cardholder, minute).

    Attributes:
        day: the day of the world.
        minute: minute of the border at which the policy reacts.
        trigger: shape (rows,), names of the triggers.
        cardholder: shape (rows,), view ids.
        event_minute: shape (rows,), minute of the day at which it happened.
        category: shape (rows,), spending context or offer category, -1 where there is none.
        amount_fen: shape (rows,), amount of a transaction, else 0.
    """

    day: int
    minute: int
    trigger: np.ndarray
    cardholder: np.ndarray
    event_minute: np.ndarray
    category: np.ndarray
    amount_fen: np.ndarray

    def __len__(self) -> int:
        return self.cardholder.size


def checked_triggers(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names as a tuple.

    Raises:
        UnknownNameError: a name that is no trigger.
    """
    for name in names:
        if name not in TRIGGERS:
            raise UnknownNameError("trigger", name, TRIGGERS)
    return tuple(names)


def matching(
    rows: np.ndarray,
    names: tuple[str, ...],
    day: int,
    minute: int,
    view_id: np.ndarray,
    tracked: np.ndarray,
    sensitive: np.ndarray,
) -> Events:
    """Return the events of a window that match one of the triggers and that the bank may use.

    Not seen are visits of those who block tracking, and transactions of those without the consent to sensitive data.

    Args:
        rows: EVENT rows of the window.
        names: triggers that the policy declared.
        day: the day of the world.
        minute: minute of the border.
        view_id: view id of each true row, shape (n,).
        tracked: whether the bank may use a cardholder's behaviour, shape (n,).
        sensitive: whether it may use single transactions, shape (n,).
    """
    rows = rows[np.where(_spent(rows), sensitive[rows["cardholder"]], tracked[rows["cardholder"]])]
    found = [np.flatnonzero(TRIGGERS[name](rows)) for name in names]
    at = np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
    trigger = np.repeat(np.array(names, dtype=object), [f.size for f in found])
    holder = view_id[rows["cardholder"][at]]
    order = np.lexsort((trigger.astype(str), rows["minute"][at], holder))
    at, trigger, holder = at[order], trigger[order], holder[order]
    return Events(
        day=day,
        minute=minute,
        trigger=trigger,
        cardholder=holder,
        event_minute=rows["minute"][at].astype(np.int64),
        category=np.where(rows["kind"][at] == Kind.VISIT, -1, rows["item"][at]).astype(np.int64),
        amount_fen=rows["amount_fen"][at].copy(),
    )
