"""Fixed designs: lots from generators with fixed keys, and who gets what by them.

Lots are drawn block by block of 1,024 ids, so that neither the number of cardholders nor what happened before moves
anybody's lot.
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from cardarena.simulator.bank.sending import SEND_MINUTE
from cardarena.simulator.behaviour.neighbours import BLOCK
from cardarena.simulator.names import CHANNELS

#: Minute at which each channel sends, shape (channels,), as the policies have it.
MINUTE: Final = np.array([SEND_MINUTE[name] for name in CHANNELS])


def lots(purpose: int, n: int, columns: int, turn: int = 0) -> np.ndarray:
    """Return uniform numbers in (0, 1), shape (columns, n), a function of (purpose, turn, id, column) alone."""
    blocks = []
    for block in range(-(-n // BLOCK)):
        key = np.array([purpose, (turn << 32) | block], dtype=np.uint64)
        blocks.append(np.random.Generator(np.random.Philox(key=key)).random((columns, BLOCK)))
    return np.concatenate(blocks, axis=1)[:, :n] if blocks else np.zeros((columns, 0))


def nth_open(ok: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Return, per row, the column that is number `turn` among the open ones, round and round; -1 where none is open.

    Args:
        ok: shape (rows, columns).
        turn: shape (rows,), whole numbers from 0.
    """
    count = ok.sum(axis=1)
    wanted = turn % np.maximum(count, 1)
    column = (np.cumsum(ok, axis=1) <= wanted[:, None]).sum(axis=1)
    return np.where(count > 0, column, -1)


def mixed_channel(
    mix: Mapping[str, float],
    open_arms: Callable[[np.ndarray, list[int]], np.ndarray],
    offers: np.ndarray,
    lot: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a channel per person, drawn by the mix among those open to any of the offers, and what is open by it.

    Args:
        mix: weight by channel name.
        open_arms: says which offers may go by which channels, shape (n, offers, channels).
        offers: offer codes.
        lot: shape (n,), uniform numbers.

    Returns:
        Channel codes, shape (n,), -1 where none is open; and which offers may go by the channel drawn, shape (n, offers).
    """
    codes = [CHANNELS.index(name) for name in mix]
    is_open = open_arms(offers, codes)
    weight = np.array(list(mix.values())) * is_open.any(axis=1)
    total = weight.sum(axis=1)
    at = (np.cumsum(weight, axis=1) <= (lot * total)[:, None]).sum(axis=1)
    at = np.minimum(at, len(codes) - 1)
    return np.where(total > 0.0, np.array(codes)[at], -1), is_open[np.arange(lot.size), :, at]


def chosen_offer(is_open: np.ndarray, lot: np.ndarray) -> np.ndarray:
    """Return an offer per person, drawn evenly among the open ones, shape (n,); -1 where none is open."""
    count = is_open.sum(axis=1)
    return nth_open(is_open, np.minimum((lot * count).astype(np.int64), np.maximum(count - 1, 0)))
