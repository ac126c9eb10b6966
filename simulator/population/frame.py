"""A population as a table for people: codes become words, vectors become columns."""

from typing import TYPE_CHECKING, Final

import numpy as np

from cardarena.simulator import names
from cardarena.simulator.errors import CardArenaError
from cardarena.simulator.population.schema import TRAITS

if TYPE_CHECKING:
    import pandas as pd

#: Traits that are codes, and the words that the codes stand for.
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "age_band": names.AGE_BANDS,
    "gender": names.GENDERS,
    "city_tier": names.CITY_TIERS,
    "income_band": names.INCOME_BANDS,
    "segment": names.SEGMENTS,
    "blocks_tracking": names.TRACKING,
}
_VECTORS: Final[dict[str, tuple[str, ...]]] = {
    "channel_liking": names.CHANNELS,
    "service_liking": names.SERVICES,
}
_NUMBERS: Final = frozenset(("cards_held",))  # one-byte traits that are counts, not flags


def to_frame(
    traits: np.ndarray, identities: bool = False, seed: int | None = None, locale: str = "zh_CN"
) -> "pd.DataFrame":
    """Return a population as a frame, ready for Parquet or CSV.

    Codes are ordered categories, flags are booleans, the spending contexts are one boolean column each
    (`context_daily`, ...), vectors are one column per entry (`channel_liking_sms`, ...). Amounts stay in fen.

    Args:
        traits: array of `TRAITS`, shape (n,).
        identities: add name, city, phone, e-mail and card number beside the id.
        seed: world seed of the traits, for the identities.
        locale: a locale of Faker, for the identities.

    Returns:
        Frame of n rows.

    Raises:
        CardArenaError: the array holds other records, or identities are wanted without a seed.
        UnknownNameError: Faker has no such locale.
    """
    import pandas as pd

    if traits.dtype != TRAITS:
        raise CardArenaError(f"expected records of TRAITS, found {traits.dtype}")
    columns: dict[str, object] = {}
    for name in TRAITS.names or ():
        values = traits[name]
        if name in _WORDS:
            columns[name] = pd.Categorical.from_codes(
                values, dtype=pd.CategoricalDtype(list(_WORDS[name]), ordered=True)
            )
        elif name in _VECTORS:
            columns |= {f"{name}_{word}": values[:, k].copy() for k, word in enumerate(_VECTORS[name])}
        elif name == "contexts":
            columns |= {
                f"context_{word}": (values >> k & 1).astype(bool)
                for k, word in enumerate(names.SPEND_CONTEXTS)
            }
        elif values.dtype == np.int8 and name not in _NUMBERS:
            columns[name] = values.astype(bool)
        else:
            columns[name] = values.copy()
    frame = pd.DataFrame(columns)
    return _with_identities(frame, seed, locale) if identities else frame


def _with_identities(frame: "pd.DataFrame", seed: int | None, locale: str) -> "pd.DataFrame":
    from cardarena.simulator.population.identities import identities

    if seed is None:
        raise CardArenaError("identities belong to a seed: give the seed that made the traits")
    who = identities(seed, frame["cardholder"].tolist(), locale)
    for place, column in enumerate(who.columns.drop("cardholder"), start=1):
        frame.insert(place, str(column), who[column])
    return frame
