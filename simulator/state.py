"""The state of a world: arrays and tables only, so that it can be copied, saved and sent.

Nothing lives across midnight in a generator. Between windows of a day the agenda carries what people still mean to do.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from cardarena.simulator.behaviour.census import N_BINS, N_MEASURES
from cardarena.simulator.behaviour.events import AGENDA_SIZE
from cardarena.simulator.cache_lines import copied
from cardarena.simulator.compilation import compiled
from cardarena.simulator.rules import EVENT, OPEN_CASE, PENDING

_SCALARS = ("seed", "luck", "day", "spent_mfen", "price_mfen", "reset_day", "reset_days")


@dataclass
class WorldState:
    """Everything that changes.

    Attributes:
        seed: the 64-bit world seed: who there is, and when.
        luck: the 64-bit key of all that is drawn day by day; the seed, but in a fork with another luck.
        day: day that comes next (0 is the first decision day; negative during the burn-in).
        people: PERSON records, shape (n,).
        accounts: ACCOUNT records, shape (n,).
        pending: contacts on their way, sorted by (cardholder, due, ordinal).
        agenda: packed agenda of the day, shape (n, AGENDA_SIZE), int32.
        agenda_length: entries of each agenda, shape (n,).
        agenda_next: the next entry to happen, shape (n,).
        mood: yesterday's satisfaction in ppm, shape (n,), for word of mouth.
        census: today's census, shape (measures, 64), int64.
        unread: EVENT rows that the playing policy has not been told of yet.
        cases: complaints that the desk has not closed, OPEN_CASE rows in the order of filing.
        spent_mfen: marketing money spent since the playing policy was reset.
        price_mfen: the contact price that it sees.
        reset_day: the day on which it was reset.
        reset_days: the days that it was then given.
    """

    seed: int
    luck: int
    day: int
    people: np.ndarray
    accounts: np.ndarray
    pending: np.ndarray
    agenda: np.ndarray
    agenda_length: np.ndarray
    agenda_next: np.ndarray
    mood: np.ndarray
    census: np.ndarray
    unread: np.ndarray
    cases: np.ndarray
    spent_mfen: int = 0
    price_mfen: int = 0
    reset_day: int = 0
    reset_days: int = 1

    @classmethod
    def fresh(cls, seed: int, day: int, people: np.ndarray, accounts: np.ndarray) -> "WorldState":
        """Return the state in which nobody has planned anything and nothing is on its way."""
        n = people.size
        return cls(
            seed=seed,
            luck=seed,
            day=day,
            people=people,
            accounts=accounts,
            pending=np.zeros(0, dtype=PENDING),
            agenda=np.zeros((n, AGENDA_SIZE), dtype=np.int32),
            agenda_length=np.zeros(n, dtype=np.int16),
            agenda_next=np.zeros(n, dtype=np.int16),
            mood=np.floor(people["satisfaction"] * 1e6).astype(np.int64),
            census=np.zeros((N_MEASURES, N_BINS), dtype=np.int64),
            unread=np.zeros(0, dtype=EVENT),
            cases=np.zeros(0, dtype=OPEN_CASE),
        )

    def copy(self) -> "WorldState":
        """Return an independent copy."""
        arrays = {f.name: copied(getattr(self, f.name)) for f in fields(self) if f.name not in _SCALARS}
        return replace(self, **arrays)


@compiled()
def _find_starts(pending, starts):
    j = 0
    for i in range(starts.size - 1):
        starts[i] = j
        while j < pending.size and pending[j].cardholder == i:
            j += 1
    starts[starts.size - 1] = j


def inbox_starts(pending: np.ndarray, n: int) -> np.ndarray:
    """Return where each person's rows of the pending table begin, and behind the last where they end, shape (n + 1,).

    Args:
        pending: PENDING rows in the order of cardholders.
        n: how many cardholders.
    """
    starts = np.zeros(n + 1, dtype=np.int64)
    if pending.size:
        _find_starts(pending, starts)
    return starts
