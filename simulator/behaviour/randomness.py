"""Randomness as a function: every draw is Philox4x32-10 of a key that says what the draw is for.

Layout of the counter (c0, c1, c2, c3), 32 bits each:
    c0  subject id (cardholder)
    c1  day + 4096 (16 bits) | domain (4 bits) | purpose (12 bits)
    c2  bank (4 bits) | channel (8 bits) | offer or category (12 bits) | ordinal within the day (8 bits)
    c3  loop index (transaction j, attempt r)
The key is the world's 64-bit luck, in a run the world seed: never scenario, policy or bank. The four words of a
draw are named lanes.

References:
    Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011); known answers of the Random123 distribution.
"""

from typing import Final

import numpy as np
from numba import njit, uint32, uint64

from cardarena.simulator.compilation import compiled

_M0: Final = np.uint64(0xD2511F53)
_M1: Final = np.uint64(0xCD9E8D57)
_W0: Final = np.uint32(0x9E3779B9)
_W1: Final = np.uint32(0xBB67AE85)
_LOW: Final = np.uint64(0xFFFFFFFF)

# Domains: who the subject is.
CARDHOLDER: Final = 0
SCENARIO: Final = 2

# Purposes. Append only: a number once used keeps its meaning for ever.
POPULATION_TRAIT: Final = 1  # population: `channel` = block of four normals, see population/generate.py
IDENTITY: Final = 2
VIEW_ORDER: Final = 3
START_DATE: Final = 5
SHOCK_DAY: Final = 6
PLAN_COUNT: Final = 10
PLAN_VISIT: Final = 11
TRANSACTION: Final = 12
NEED_SPELL: Final = 14
PURCHASE: Final = 15
PURCHASE_AMOUNT: Final = 16
PRECURSOR: Final = 17
DELIVERY: Final = 20  # lanes: failure, notice, delay
CLICK: Final = 22
REACTION: Final = 23
CLOSURE: Final = 25  # four lanes: service complaint, closure, credit, default
CREDIT: Final = 26
CONSENT_CHANGE: Final = 27
EXPERIMENT: Final = 41
NEW_ACCOUNT: Final = 42
COMPLAINT_CASE: Final = 43  # four lanes: simple, work, enquiry, escalation if late
OTHER_LUCK: Final = 44  # two words make a key, see setup.luck_key
EPISODE: Final = 45  # environments: who is met, which luck and price; then the order of offers
EXAMINATION: Final = 46  # of a position of a slate: `ordinal` = visit of the day, `index` = position


@njit(inline="always")
def _round(c0, c1, c2, c3, k0, k1):
    p0 = uint64(c0) * _M0
    p1 = uint64(c2) * _M1
    return (
        uint32((p1 >> uint64(32)) ^ uint64(c1) ^ uint64(k0)),
        uint32(p1 & _LOW),
        uint32((p0 >> uint64(32)) ^ uint64(c3) ^ uint64(k1)),
        uint32(p0 & _LOW),
    )


@compiled(forceinline=True)
def philox4x32(c0, c1, c2, c3, k0, k1):
    """Return the four 32-bit words of Philox4x32-10 for counter (c0, c1, c2, c3) and key (k0, k1)."""
    c0, c1, c2, c3 = uint32(c0), uint32(c1), uint32(c2), uint32(c3)
    k0, k1 = uint32(k0), uint32(k1)
    for _ in range(10):
        c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
        k0 = uint32(k0 + _W0)
        k1 = uint32(k1 + _W1)
    return c0, c1, c2, c3


@njit(inline="always")
def unit(word):
    """Map a word to (0, 1): (word + 0.5) / 2^32."""
    return (np.float64(word) + 0.5) * 2.3283064365386963e-10


@compiled(forceinline=True)
def draw(seed, subject, day, domain, purpose, bank, channel, item, ordinal, index):
    """Return four uniform lanes in (0, 1) for what the arguments name.

    Args:
        seed: 64-bit world seed.
        subject: id of the subject, 32 bits.
        day: day number, from -4096 to 61439.
        domain: who the subject is, 4 bits.
        purpose: what the draw is for, 12 bits.
        bank: 4 bits.
        channel: 8 bits.
        item: offer or category, 12 bits.
        ordinal: ordinal within the day, 8 bits.
        index: loop index, 32 bits.
    """
    c1 = (uint32(day + 4096) << uint32(16)) | (uint32(domain) << uint32(12)) | uint32(purpose)
    c2 = (
        (uint32(bank) << uint32(28))
        | (uint32(channel) << uint32(20))
        | (uint32(item) << uint32(8))
        | uint32(ordinal & 255)
    )
    key = uint64(seed)
    a, b, c, d = philox4x32(
        uint32(subject), c1, c2, uint32(index), uint32(key & _LOW), uint32(key >> uint64(32))
    )
    return unit(a), unit(b), unit(c), unit(d)


@compiled()
def draw_many(seed, first, day, purpose, lanes):
    """Write what `draw` returns for cardholders `first`, `first` + 1, ... and a purpose of their day; their bits are the same.

    Args:
        seed: 64-bit world seed.
        first: id of the first cardholder.
        day: day number.
        purpose: what the draws are for.
        lanes: shape (4, cardholders), written.
    """
    # Nothing but the number differs from one turn to the next: the compiler makes several draws at a time.
    for j in range(lanes.shape[1]):
        a, b, c, d = draw(seed, first + j, day, CARDHOLDER, purpose, 0, 0, 0, 0, 0)
        lanes[0, j] = a
        lanes[1, j] = b
        lanes[2, j] = c
        lanes[3, j] = d


@compiled(forceinline=True)
def lanes_of(lanes, j):
    """Return the four lanes of the cardholder at position `j` of what `draw_many` wrote."""
    return lanes[0, j], lanes[1, j], lanes[2, j], lanes[3, j]
