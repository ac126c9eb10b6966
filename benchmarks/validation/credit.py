"""What is owed on a card, as a bank would report it from what its account record holds."""

from typing import Final

import numpy as np

from cardarena.simulator.bank.economics import load_economics

#: A statement cycle, and the days from the statement to the day it is due (Chinese issuers: 18-25).
CYCLE_DAYS: Final = 30.0
GRACE_DAYS: Final = 20.0
_MEAN_DAYS: Final = 28.0


def owed_days() -> float:
    """Return for how many days a purchase is owed in the mean.

    Half a cycle until the statement, `GRACE_DAYS` until it is due; the share that revolves waits another cycle, of that
    the same share another, and so on.
    """
    revolving = load_economics().revolving_share_ppm * 1e-6
    return 0.5 * CYCLE_DAYS + GRACE_DAYS + CYCLE_DAYS * revolving / (1.0 - revolving)


def balance_fen(accounts: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Return what is outstanding on each card: purchases not yet paid, and instalments, shape (people,), fen.

    The account keeps its spending as 28 days' worth of a moving mean; the daily rate times `owed_days` is the first part.
    Who is in arrears pays nothing: what was spent since they began is still owed, up to the limit.

    Args:
        accounts: shape (people,), dtype ACCOUNT.
        people: shape (people,), dtype PERSON, for the days that the arrears have lasted.
    """
    daily = accounts["spend_28d_fen"] / _MEAN_DAYS
    balance = daily * owed_days() + accounts["instalment_balance_fen"]
    unpaid = np.where(accounts["overdue"] == 1, daily * people["stress_days"], 0.0)
    return np.minimum(balance + unpaid, np.maximum(accounts["limit_fen"], balance))
