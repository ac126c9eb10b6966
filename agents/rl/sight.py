"""What an agent is shown: which columns by which name of a sight, and how rows of them become its network's inputs.

States of what is kept of a person: zeros before the first decision -> carried from decision to decision -> zeros where
another person's journey begins.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardarena.agents.rl.card import Observation
from cardarena.agents.rl.encoding import Encoder
from cardarena.agents.rl.hidden import BELIEVED_COLUMNS, HIDDEN_COLUMNS
from cardarena.agents.rl.network import FILTER, Network

Array = NDArray[np.float32]

#: What an agent may be shown, and what that means.
SIGHTS: Final = {
    "observables": "every column that a bank has",
    "memoryless": "those without the history of contacts and of the answers to them",
    "beliefs": "the observables, and what a filter expects the hidden record to be given all that was observed",
    "full_state": "the observables and the hidden record itself; privileged",
}
#: Beginnings of the names of columns about past contacts, and about the answers to them.
CONTACTS: Final = ("contacts_", "days_since_contact", "category_contacts_")
ANSWERS: Final = ("opens_", "clicks_", "category_clicks_", "days_since_click", "complaints")


def shown_columns(sight: str, observables: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the columns that a sight shows.

    Args:
        sight: one of `SIGHTS`.
        observables: names of what there is to observe.

    Example:
        >>> shown_columns("memoryless", ("age", "contacts_7d", "days_since_contact", "spend_28d_cny"))
        ('age', 'spend_28d_cny')
    """
    if sight == "memoryless":
        return tuple(name for name in observables if not name.startswith((*CONTACTS, *ANSWERS)))
    more = {"beliefs": BELIEVED_COLUMNS, "full_state": HIDDEN_COLUMNS}.get(sight, ())
    return (*observables, *more)


class Sight:
    """From rows of columns to a network's inputs, with what must be kept of a person: a filter's state, a stack's frames.

    Attributes:
        encoder: what transforms and scales.
        width: inputs of one frame.
        inputs: inputs in all.
        kept: numbers kept of a person from one decision to the next.
    """

    def __init__(
        self, observation: Observation, names: Sequence[str], tensors: Mapping[str, Array] | None = None
    ) -> None:
        """Find the observation's columns among `names`, the columns of the rows that will come.

        Args:
            observation: what the network is given.
            names: columns of the rows.
            tensors: with a filter, the tensors among which are its own.

        Raises:
            UnknownNameError: the rows lack a column.
        """
        self._filter, self._believer = None, observation.filter
        self._state = 0
        if self._believer is not None:
            looks = Observation(columns=self._believer.columns, clip=self._believer.clip)
            self._looks = Encoder(looks, names)
            self._filter = Network(self._believer.network, tensors or {}, FILTER)
            self._state = self._filter.state_size
            names = (*names, *self._believer.believes)
        self.encoder = Encoder(observation, names)
        self.width = self.encoder.width
        self.inputs = self.width * self.encoder.frames
        self.kept = self._state + (self.encoder.frames - 1) * self.width

    def nothing(self, n: int) -> Array:
        """Return what is kept of people before their first decision, shape (n, kept)."""
        return np.zeros((n, self.kept), dtype=np.float32)

    def completed(self, rows: Array, kept: Array) -> tuple[Array, Array]:
        """Return the rows with the beliefs beside them, and the filter's new state, shape (n, state).

        Args:
            rows: shape (n, names), float32.
            kept: shape (n, kept), of these people.
        """
        if self._filter is None:
            return rows, kept[:, :0]
        believed, state = self._filter(self._looks(rows), kept[:, : self._state])
        return np.concatenate([rows, believed], axis=1), state

    def __call__(self, rows: Array, kept: Array) -> tuple[Array, Array]:
        """Return the network's inputs, shape (n, inputs), and what to keep, shape (n, kept).

        Args:
            rows: shape (n, names), float32.
            kept: shape (n, kept), of these people.
        """
        rows, state = self.completed(rows, kept)
        inputs, past = self.encoder.stacked(self.encoder(rows), kept[:, self._state :])
        return inputs, np.concatenate([state, past], axis=1) if self._state else past
