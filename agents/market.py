"""How a policy turns what it reads in the brief into choices: which channel is open, how deep, what an arm adds."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cardarena.simulator.contracts import Bools, Floats, Ints, View
from cardarena.simulator.market import LATEST_MINUTE as LATEST_MINUTE
from cardarena.simulator.market import OPT_OUT_CNY as OPT_OUT_CNY
from cardarena.simulator.market import RELEVANCE_FEATURES as RELEVANCE_FEATURES
from cardarena.simulator.market import SEND_MINUTE as SEND_MINUTE
from cardarena.simulator.market import Market as Market
from cardarena.simulator.market import per_category as per_category
from cardarena.simulator.market import relevance as relevance
from cardarena.simulator.market import worth_offering as worth_offering

#: No contact is believed to add more than this many purchases.
MOST_ADDED: Final = 0.5


def reach(
    view: View, market: Market, offers: Ints, channels: tuple[int, ...], rows: Ints | None = None
) -> NDArray[np.int8]:
    """Return the first channel by which each offer may go to each cardholder now.

    Args:
        view: the bank's sight.
        market: the catalogue.
        offers: shape (m,), offer codes.
        channels: channel codes, most wanted first.
        rows: view ids to ask for, in place of everybody.

    Returns:
        Shape (n, m), or (rows, m): channel code, or -1 where every channel is closed to the offer.
    """
    wanted, minutes = sendable(view, market, channels)
    if not len(wanted):
        return np.full((view.n if rows is None else len(rows), len(offers)), -1, dtype=np.int8)
    ok = view.open_arms(offers, wanted, minutes, 0, rows)
    return np.where(ok.any(axis=2), wanted.astype(np.int8)[ok.argmax(axis=2)], np.int8(-1))


def sendable(view: View, market: Market, channels: Any) -> tuple[Ints, Ints]:
    """Return those of the channels by which something can still be sent today, and the minutes to send at."""
    codes = np.asarray(channels, dtype=np.int64)
    minutes = np.maximum(np.asarray(market.minute, dtype=np.int64)[codes], view.minute)
    return codes[minutes <= LATEST_MINUTE], minutes[minutes <= LATEST_MINUTE]


def raised_depth(view: View, market: Market, rows: Ints, offer: Ints, channel: Ints, wanted: Ints) -> Ints:
    """Return the deepest personalisation up to `wanted` that passes every rule, per contact; shape (rows,)."""
    depth = np.zeros(len(rows), dtype=np.int64)
    code = offer * market.n_channels + channel
    for level in (1, 2):
        deep = wanted >= level
        for pair in np.unique(code[deep]):
            here = np.flatnonzero(deep & (code == pair))
            o, c = divmod(int(pair), market.n_channels)
            ok = view.allowed(o, c, level, max(int(market.minute[c]), view.minute), rows[here])
            depth[here[ok]] = level
    return depth


def best_offer(scores: Floats, ok: Bools) -> tuple[Ints, Floats]:
    """Return each row's best column among those that are `ok`, and its score (-inf where there is none).

    Scores are rounded to 1e-9 first; ties go to the lower column.

    Example:
        >>> best_offer(np.array([[1.0, 1.0], [3.0, 2.0]]), np.array([[True, True], [False, True]]))
        (array([0, 1]), array([1., 2.]))
    """
    masked = np.where(ok, np.round(scores, 9), -np.inf)
    best = masked.argmax(axis=1)
    return best, masked[np.arange(len(best)), best]


def arm_values(market: Market, channels: Ints, added: Floats, anyway: Floats) -> Floats:
    """Return what a contact with each offer by each channel adds after its cost, CNY, shape (n, offers, channels).

    Two things change: more purchases, each worth the offer's margin; and those who would have bought anyway redeem the
    offer, if they noticed it, in place of the standing terms.

    Args:
        market: the catalogue.
        channels: shape (c,), channel codes.
        added: shape (n, categories), purchases added by a contact of strength 1 with an offer of lift 1.
        anyway: shape (n, categories), purchases expected without a contact while an offer lives.
    """
    k = market.category
    dose = market.lift[:, None] * market.strength[channels]
    more = np.minimum(added[:, k, None] * dose, MOST_ADDED)
    swing = anyway[:, k] * (market.take_cny - market.standing_cny[k])
    value = more * market.take_cny[:, None] + swing[:, :, None] * market.notice[channels]
    return value - market.contact_mfen[channels] * 1e-5


def arms_allowed(view: View, market: Market, offers: Ints, channels: Ints) -> Bools:
    """Return which arms pass every rule now, shape (n, offers of the catalogue, channels); only `offers` are asked."""
    ok = np.zeros((view.n, market.n_offers, len(channels)), dtype=np.bool_)
    open_now, minutes = sendable(view, market, channels)
    at = np.flatnonzero(np.isin(channels, open_now))
    if len(at) and len(offers):
        ok[:, np.asarray(offers)[:, None], at] = view.open_arms(offers, open_now, minutes)
    return ok
