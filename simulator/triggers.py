"""Triggers: what a policy may react to within the day. A declared predicate over what the bank has just seen.

A policy that names some in its attribute `triggers` gets its day cut into windows of `WINDOW_MINUTES`; a window in which
nothing matched is skipped. Its answer acts from the next window on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from cardarena.simulator.behaviour.events import KIND_RESPONSE, KIND_TRANSACTION, KIND_VISIT
from cardarena.simulator.compilation import compiled
from cardarena.simulator.errors import UnknownNameError
from cardarena.simulator.names import RESPONSES, SPEND_CONTEXTS

#: A reaction comes at most so many minutes after its event.
WINDOW_MINUTES: Final = 60
#: Reactions are made between these minutes of the day.
FIRST_MINUTE: Final = 480
LAST_MINUTE: Final = 1260
#: A transaction from here on is large, fen (assumed: about five times the mean bank-card ticket).
LARGE_FEN: Final = 200_000

#: Name -> what matches. A trigger's position here is its bit in `matched`.
TRIGGERS: Final = {
    "large_purchase": f"a transaction of CNY {LARGE_FEN // 100:,} or more",
    "travel_abroad": "a transaction in the context `cross_border`",
    "app_visit": "a visit to the app",
    "click": "a click on a contact",
}
_NAMES: Final = tuple(TRIGGERS)
_LARGE: Final = 1 << _NAMES.index("large_purchase")
_ABROAD: Final = 1 << _NAMES.index("travel_abroad")
_VISITED: Final = 1 << _NAMES.index("app_visit")
_CLICKED: Final = 1 << _NAMES.index("click")
_CROSS_BORDER: Final = SPEND_CONTEXTS.index("cross_border")
_CLICK: Final = RESPONSES.index("clicked")
_APP: Final = 0


@compiled()
def matched(row, account):
    """Return the triggers that an event matches and that the bank may use, bit by bit; 0 if none.

    Not seen are visits and clicks of those who block tracking, transactions of those without the consent to sensitive data,
    and anything of those who switched personalisation off.

    Args:
        row: EVENT record.
        account: ACCOUNT record of its cardholder.
    """
    if account.personalisation_on == 0:
        return 0
    if row.kind == KIND_TRANSACTION:
        if account.sensitive_consent == 0:
            return 0
        large = _LARGE if row.amount_fen >= LARGE_FEN else 0
        return large | (_ABROAD if row.item == _CROSS_BORDER else 0)
    if account.tracked == 0:
        return 0
    if row.kind == KIND_VISIT and row.item == _APP:
        return _VISITED
    if row.kind == KIND_RESPONSE and row.code == _CLICK:
        return _CLICKED
    return 0


@compiled()
def _match_all(rows, accounts, out):
    for j in range(rows.size):
        out[j] = matched(rows[j], accounts[rows[j].cardholder])


def trigger_bits(names: Iterable[str]) -> int:
    """Return the bits of these triggers, as `matched` has them."""
    return sum(1 << _NAMES.index(name) for name in set(names))


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
    accounts: np.ndarray,
) -> Events:
    """Return the events of a window that match one of the triggers and that the bank may use; see `matched`.

    Args:
        rows: EVENT rows of the window.
        names: triggers that the policy declared.
        day: the day of the world.
        minute: minute of the border.
        view_id: view id of each true row, shape (n,).
        accounts: ACCOUNT records at the border, shape (n,).
    """
    bits = np.zeros(rows.size, dtype=np.int64)
    _match_all(rows, accounts, bits)
    found = [np.flatnonzero(bits & trigger_bits([name])) for name in names]
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
        category=np.where(rows["kind"][at] == KIND_VISIT, -1, rows["item"][at]).astype(np.int64),
        amount_fen=rows["amount_fen"][at].copy(),
    )
