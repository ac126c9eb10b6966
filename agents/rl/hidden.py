"""The hidden record as columns: what a privileged agent is shown, and what a filter believes of it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardarena.simulator.bank.feature_table import Column
from cardarena.simulator.behaviour.person import NEED_FALSE_PRECURSOR, NEED_ON, NEED_PRECURSOR
from cardarena.simulator.names import CATEGORIES, CHANNELS

#: Names of a column of the hidden record, and of what is believed of it, begin so.
HIDDEN: Final = "hidden_"
BELIEVED: Final = "believed_"

#: Fields of the record that are one number, with their meaning; see `simulator.behaviour.person`.
_NUMBERS: Final = {
    "satisfaction": ("", "how satisfied the person is, 0 to 1"),
    "trust": ("", "trust in the bank, 0 to 1"),
    "wallet": ("", "share of all spending that is on our card"),
    "benefit": ("", "live benefit of our card, utility units"),
    "annoyance": ("", "annoyance with the bank's contacts"),
    "blindness": ("", "how blind to the bank's contacts the person has become"),
    "tolerance": ("", "load at which attention halves"),
    "theta": ("", "how readily the person responds; 1 on average"),
    "vulnerability": ("", "financial vulnerability"),
    "privacy_limit": ("", "depth of personalisation that is still welcome"),
    "personalisation_need": ("", "how much a personal contact is wanted"),
    "deal_proneness": ("", "how much a subsidy moves the person"),
    "concern": ("", "concern about privacy"),
    "transaction_rate": ("", "transactions a day, on all cards"),
    "visit_rate": ("", "visits to the app a day"),
    "stress_left": ("days", "of credit stress left"),
    "idle_days": ("days", "since the last use of our card"),
}
#: Fields by category and by channel.
_BY_CATEGORY: Final = {
    "need_left": ("days", "left in the present state of the need of {}"),
    "interest": ("", "interest in {} without a need"),
    "wear": ("", "how worn offers of {} are"),
    "awareness": ("", "how well known our offers of {} are"),
    "need_scale": ("", "how often a need of {} comes, against the average"),
}
_BY_CHANNEL: Final = {
    "load": ("", "contacts by {} that still weigh on attention"),
    "liking": ("", "how well {} is liked"),
}
#: States of a need, each as a flag.
_STATES: Final = {
    "need": (NEED_ON, "has a need of {}"),
    "need_coming": (NEED_PRECURSOR, "a need of {} is coming"),
    "need_feigned": (NEED_FALSE_PRECURSOR, "looks as if a need of {} were coming, and none is"),
}

HIDDEN_TABLE: Final = (
    *(Column(f"{HIDDEN}{name}", unit, said) for name, (unit, said) in _NUMBERS.items()),
    *(
        Column(f"{HIDDEN}{name}_{category}", "flag", said.format(category))
        for name, (_, said) in _STATES.items()
        for category in CATEGORIES
    ),
    *(
        Column(f"{HIDDEN}{name}_{category}", unit, said.format(category))
        for name, (unit, said) in _BY_CATEGORY.items()
        for category in CATEGORIES
    ),
    *(
        Column(f"{HIDDEN}{name}_{channel}", unit, said.format(channel))
        for name, (unit, said) in _BY_CHANNEL.items()
        for channel in CHANNELS
    ),
)
HIDDEN_COLUMNS: Final = tuple(column.name for column in HIDDEN_TABLE)
BELIEVED_COLUMNS: Final = tuple(BELIEVED + name.removeprefix(HIDDEN) for name in HIDDEN_COLUMNS)


def hidden_columns(people: np.ndarray) -> NDArray[np.float32]:
    """Return `HIDDEN_TABLE` of these people, shape (n, columns), float32.

    Args:
        people: shape (n,), PERSON records.
    """
    parts = [
        *(people[name][:, None] for name in _NUMBERS),
        *(people["need"] == state for state, _ in _STATES.values()),
        *(people[name] for name in (*_BY_CATEGORY, *_BY_CHANNEL)),
    ]
    return np.concatenate(parts, axis=1, dtype=np.float32, casting="unsafe")
