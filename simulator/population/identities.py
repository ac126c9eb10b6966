"""Names, telephones and card numbers for reports and exports: synthetic by construction, never an input of a policy.

An identity is a function of (seed, id, locale): each person reseeds the same Faker by a Philox draw, so a slice of ids
gets what the whole would. Faker's word lists change between its releases, and identities with them; nothing else does.
"""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from cardarena.simulator.behaviour.randomness import CARDHOLDER, IDENTITY, SCENARIO, draw
from cardarena.simulator.errors import CardArenaError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd
    from faker import Faker

COLUMNS: Final = ("cardholder", "name", "city", "phone", "email", "card_number")

#: First digits of the card numbers: the range in which payment processors publish their UnionPay test cards.
TEST_BIN: Final = "620000"
#: First digits of the telephone numbers: nobody's anywhere, since 00 is the prefix of calls abroad and no country's code
#: begins with 0. The usual 100 of synthetic Chinese numbers would ring: 10000, 10010 and 10086 are the carriers' own.
PHONE_PREFIX: Final = "000"
_N_BODIES: Final = 10**9
_WORD: Final = 2.0**32


def identities(seed: int, ids: Iterable[int], locale: str = "zh_CN") -> "pd.DataFrame":
    """Return who the cardholders are to the eye: one row per id, in the order asked for.

    Args:
        seed: world seed, 64 bits.
        ids: cardholder ids, each below 10^9; within a seed, card numbers are unique up to there.
        locale: a locale of Faker.

    Returns:
        Frame of text with the columns `COLUMNS`; `cardholder` is int64.

    Raises:
        UnknownNameError: Faker has no such locale.
        CardArenaError: an id or the seed is out of range.

    Example:
        >>> from cardarena.simulator.population.identities import identities
        >>> identities(seed=7, ids=[3, 4]).equals(identities(seed=7, ids=range(5)).iloc[3:].reset_index(drop=True))
        True
    """
    import pandas as pd

    if not 0 <= seed < 2**64:
        raise CardArenaError(f"a seed is a whole number from 0 to 2^64 - 1, found {seed}")
    faker = _faker(locale)
    rows = [_identity(faker, seed, int(cardholder)) for cardholder in ids]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"cardholder": np.int64})


def luhn_digit(digits: str) -> str:
    """Return the check digit that makes `digits` followed by it pass Luhn's test.

    Example:
        >>> luhn_digit("7992739871")
        '3'
    """
    total = 0
    # Counted from the right, every other digit doubles, beginning with the one beside the check digit.
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def card_number(seed: int, cardholder: int) -> str:
    """Return a 16-digit card number of the test BIN that passes Luhn; within a seed none repeats."""
    a, b, _, _ = draw(np.uint64(seed), 0, 0, SCENARIO, IDENTITY, 0, 0, 0, 0, 0)
    # A factor that shares no divisor with 10^9 makes the map one to one.
    factor = 10 * int(a * (_N_BODIES // 10)) + 3
    body = (factor * cardholder + int(b * _N_BODIES)) % _N_BODIES
    digits = f"{TEST_BIN}{body:09d}"
    return digits + luhn_digit(digits)


def _identity(faker: "Faker", seed: int, cardholder: int) -> tuple[int, str, str, str, str, str]:
    if not 0 <= cardholder < _N_BODIES:
        raise CardArenaError(f"identities exist for ids from 0 to 10^9 - 1, found {cardholder}")
    high, low, line, _ = draw(np.uint64(seed), cardholder, 0, CARDHOLDER, IDENTITY, 0, 0, 0, 0, 0)
    faker.seed_instance((int(high * _WORD) << 32) | int(low * _WORD))
    return (
        cardholder,
        faker.name(),
        faker.city(),
        _phone(line),
        faker.ascii_safe_email(),  # example.com and its like, which nobody owns
        card_number(seed, cardholder),
    )


def _phone(u: float) -> str:
    """Return a number of eleven digits in the fictional block; hyphens keep a CSV's reader from making it a number."""
    digits = f"{int(u * 10**8):08d}"
    return f"{PHONE_PREFIX}-{digits[:4]}-{digits[4:]}"


@cache
def _faker(locale: str) -> "Faker":
    # Imported on first use: Faker takes longer to import than a small population takes to make.
    from faker import Faker
    from faker.config import AVAILABLE_LOCALES

    if locale not in AVAILABLE_LOCALES:
        raise UnknownNameError("locale", locale, AVAILABLE_LOCALES)
    return Faker(locale)
