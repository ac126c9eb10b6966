"""What learned policies train on: decisions and outcomes, from the logged history or from own exploration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cardarena.simulator.bank.features import FEATURES
from cardarena.simulator.contracts import Bools, Brief, Contacts, Feedback, Floats, Ints, View
from cardarena.simulator.names import CATEGORIES, CHANNELS, N_CATEGORIES

#: Columns about the cardholder.
PERSON: Final = (
    "age",
    "income_band",
    "contacts_7d",
    "contacts_28d",
    "days_since_contact",
    "clicks_28d",
    "days_since_click",
    "recency_days",
    "transactions_28d",
    "spend_28d_cny",
    "visits_28d",
    "days_since_visit",
    "utilisation",
    "complaints",
    "personalisation_on",
    "tracked",
    "margin_28d_cny",
)
#: Columns about the cardholder and one category, by their prefix.
CATEGORY: Final = (
    "precursor_7d",
    "category_purchases_112d",
    "days_since_purchase",
    "category_contacts_28d",
    "category_clicks_28d",
)
#: All columns that a learned policy reads.
LEARNED_FEATURES: Final = (
    "is_open",
    *PERSON,
    *(f"{prefix}_{name}" for prefix in CATEGORY for name in CATEGORIES),
)
#: Days after a contact in which a purchase counts as its outcome.
WINDOW_DAYS: Final = 14
#: Rows that a model is fitted to, at most.
MAX_ROWS: Final = 20_000

Matrix = NDArray[np.float32]


@dataclass
class Table:
    """Decisions and what came of them, one row each.

    Attributes:
        person: shape (rows, `PERSON`).
        category: shape (rows, categories, `CATEGORY`).
        offer: shape (rows,), the offer contacted with, or -1.
        channel: shape (rows,), the channel contacted by, or -1.
        bought: shape (rows, categories), purchases within 14 days.
        value_fen: shape (rows,), margin within 14 days.
        opted_out: shape (rows,), refused a channel within 14 days.
    """

    person: Matrix
    category: Matrix
    offer: Ints
    channel: Ints
    bought: Floats
    value_fen: Floats
    opted_out: Bools

    def __len__(self) -> int:
        return len(self.offer)

    def rows(self, index: Any) -> "Table":
        """Return the table of the rows `index`."""
        return Table(
            self.person[index],
            self.category[index],
            self.offer[index],
            self.channel[index],
            self.bought[index],
            self.value_fen[index],
            self.opted_out[index],
        )


def blocks(column: Callable[[str], np.ndarray]) -> tuple[Matrix, Matrix]:
    """Return the person block, shape (n, `PERSON`), and the category block, shape (n, categories, `CATEGORY`)."""
    person = np.stack([column(name) for name in PERSON], axis=1).astype(np.float32)
    category = [[column(f"{prefix}_{name}") for prefix in CATEGORY] for name in CATEGORIES]
    return person, np.moveaxis(np.asarray(category, dtype=np.float32), 2, 0)


def view_blocks(view: View) -> tuple[Matrix, Matrix]:
    """Return the two blocks of a view."""
    return blocks(lambda name: view[name])


def history_table(brief: Brief) -> Table | None:
    """Return the logged history as a table of at most 20,000 rows, or None in a cold start.

    Who could not be contacted at all (closed, no consent, no channel) is no held-out person and is left out. Contacted
    and held-out rows are thinned evenly, each to at most half of the rows.
    """
    log = brief.history
    if log is None or len(log.day) == 0:
        return None
    # The log keeps every column; a brief names those that its policy asked for.
    names = FEATURES if log.features.shape[1] == len(FEATURES) else brief.features
    index = {name: j for j, name in enumerate(names)}
    permitted = log.features[:, [index[f"permitted_{name}"] for name in CHANNELS]].any(axis=1)
    reachable = (
        permitted
        & (log.features[:, index["is_open"]] > 0)
        & (log.features[:, index["marketing_consent"]] > 0)
    )
    contacted = np.flatnonzero(log.channel >= 0)
    held_out = np.flatnonzero((log.channel < 0) & reachable)
    half = MAX_ROWS // 2
    keep = np.sort(np.concatenate([thinned(contacted, half), thinned(held_out, half)]))
    features = log.features[keep]
    person, category = blocks(lambda name: features[:, index[name]])
    return Table(
        person,
        category,
        np.where(log.channel[keep] >= 0, log.offer[keep], -1).astype(np.int64),
        log.channel[keep].astype(np.int64),
        log.bought[keep].astype(np.float64),
        log.value_fen[keep].astype(np.float64),
        log.opted_out[keep].astype(bool),
    )


def thinned(rows: Ints, most: int) -> Ints:
    """Return at most `most` of the rows, evenly spaced."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


class ExplorationLog:
    """A small randomised experiment of a policy's own, for a cold start: who was in it, and what followed.

    Life of a row: *open* from its decision until 14 days later, while feedback adds purchases to it; then
    *ripe*, and part of `table`.
    """

    def __init__(self, n_cardholders: int, most: int = MAX_ROWS) -> None:
        """Start with no rows; the oldest go when there are more than `most`."""
        self.n_cardholders, self.most = n_cardholders, most
        self._rows: dict[str, np.ndarray] = {
            "day": np.zeros(0, dtype=np.int64),
            "cardholder": np.zeros(0, dtype=np.int64),
            "offer": np.zeros(0, dtype=np.int64),
            "channel": np.zeros(0, dtype=np.int64),
            "person": np.zeros((0, len(PERSON)), dtype=np.float32),
            "category": np.zeros((0, N_CATEGORIES, len(CATEGORY)), dtype=np.float32),
            "bought": np.zeros((0, N_CATEGORIES)),
            "value_fen": np.zeros(0),
            "opted_out": np.zeros(0, dtype=bool),
        }

    def __len__(self) -> int:
        return len(self._rows["day"])

    def add(self, view: View, slice_ids: Ints, contacts: Contacts) -> None:
        """Open a row for everybody in the slice; contacted or, where `contacts` leaves them out, held out."""
        person, category = view_blocks(view)
        offer, channel = np.full((2, view.n), -1, dtype=np.int64)
        offer[contacts.cardholder], channel[contacts.cardholder] = contacts.offer, contacts.channel
        rows, n = self._rows, len(slice_ids)
        new = {
            "day": np.full(n, view.day, dtype=np.int64),
            "cardholder": slice_ids,
            "offer": offer[slice_ids],
            "channel": channel[slice_ids],
            "person": person[slice_ids],
            "category": category[slice_ids],
            "bought": np.zeros((n, N_CATEGORIES)),
            "value_fen": np.zeros(n),
            "opted_out": np.zeros(n, dtype=bool),
        }
        self._rows = {name: np.concatenate([rows[name], new[name]])[-self.most :] for name in rows}

    def learn(self, feedback: Feedback) -> None:
        """Add purchases and refusals to the rows in whose 14 days they fall."""
        rows = self._rows
        if not len(self):
            return
        for day in np.unique(rows["day"]):
            at = np.full(self.n_cardholders, -1, dtype=np.int64)
            here = np.flatnonzero(rows["day"] == day)
            at[rows["cardholder"][here]] = here
            when = feedback.purchase_day - day
            hit = at[feedback.purchase_cardholder]
            ok = (hit >= 0) & (when >= 0) & (when < WINDOW_DAYS)
            np.add.at(rows["bought"], (hit[ok], feedback.purchase_category[ok]), 1.0)
            np.add.at(rows["value_fen"], hit[ok], feedback.purchase_value_fen[ok].astype(np.float64))
            own = at[feedback.cardholder]
            ok = (own >= 0) & (feedback.decided_day == day) & feedback.opted_out.astype(bool)
            rows["opted_out"][own[ok]] = True

    def table(self, today: int) -> Table:
        """Return the ripe rows."""
        rows = self._rows
        ripe = rows["day"] <= today - WINDOW_DAYS
        return Table(
            rows["person"][ripe],
            rows["category"][ripe],
            rows["offer"][ripe],
            rows["channel"][ripe],
            rows["bought"][ripe],
            rows["value_fen"][ripe],
            rows["opted_out"][ripe],
        )

    def state(self) -> dict[str, np.ndarray]:
        """Return the rows, as plain arrays."""
        return {name: values.copy() for name, values in self._rows.items()}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Take back what `state` returned."""
        self._rows = {name: values.copy() for name, values in state.items()}
