"""What a contact is expected to do, given the latent state and over all luck: notice, click, and the sale after a click.

The kernels ask the world's own formulas; nothing of the model is written a second time but the days after a click.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from cardarena.simulator.behaviour.events import AWAKE, WAKES
from cardarena.simulator.behaviour.life import closure_hazard
from cardarena.simulator.behaviour.person import NEED_ON, NEED_PRECURSOR
from cardarena.simulator.behaviour.purchase import interest_hazard, organic_hazards
from cardarena.simulator.behaviour.response import (
    click_probability,
    interest_effect,
    moment_edge,
    notice_probability,
)
from cardarena.simulator.rules import Rules
from cardarena.simulator.world import World

#: A purchase within so many days of a click counts as the message's, as a last-click report counts it. Assumed: no source
#: of the targets states its window; Klaviyo's default is five days for e-mail, shops use seven.
ATTRIBUTION_DAYS: Final = 7

EXPECTED: Final = np.dtype([("notice", np.float64), ("click", np.float64), ("sale", np.float64)])


@njit(cache=True)
def _sale(person, offer, channel, q, minute, days):
    """Return the probability of a purchase on our card within `days` of a click at `minute` of today.

    The hazards are the world's: organic while the need is on, and driven by interest, which fades. How long a need lasts is
    known of the state; needs that would begin within the window are left out.
    """
    k = offer.category
    interest = q.interest_click * channel.interest * interest_effect(person, offer, q)
    need, left = person.need[k], person.need_left[k]
    bought, waiting = 0.0, 1.0
    for day in range(days):
        ahead = left - 1 - day
        # A true precursor turns into a need when its days are over.
        is_on = (need == NEED_ON and ahead > 0) or (need == NEED_PRECURSOR and ahead <= 0)
        person.need[k] = NEED_ON if is_on else 0
        ours, elsewhere = organic_hazards(person, q, k)
        if day == 0:
            # What was going to be bought before the message arrived is not its sale.
            rest = min(1.0, max(0.0, 1.0 - (minute - WAKES) / AWAKE))
            ours, elsewhere = ours * rest, elsewhere * rest
        else:
            interest *= q.interest_keep
        driven = interest_hazard(person, q, k, interest)
        stay = np.exp(-(ours + elsewhere + driven))
        # As on the day's uniform: own, then elsewhere, then driven.
        bought += waiting * (1.0 - np.exp(-ours) + np.exp(-(ours + elsewhere)) - stay)
        waiting *= stay
    person.need[k] = need
    return bought


@njit(cache=True)
def _expect(people, accounts, rules, holders, offers, channels, depths, minutes, day, window, out):
    q = rules.parameter[0]
    for j in range(holders.size):
        person, account = people[holders[j]], accounts[holders[j]]
        offer, channel = rules.offers[offers[j]], rules.channels[channels[j]]
        edge = moment_edge(person, q, day * 1440 + minutes[j])
        context = person.last_event_context
        if channel.at_visit > 0:
            # Seen during a visit: the visit itself is the event of one's own.
            edge, person.last_event_context = 1.0, -1
        out[j].notice = notice_probability(person, offer, channel, q, edge)
        out[j].click = click_probability(person, account, offer, channel, q, depths[j], edge)
        person.last_event_context = context
        out[j].sale = _sale(person, offer, channel, q, minutes[j], window) if window > 0 else 0.0


def expect(
    world: World,
    holders: np.ndarray,
    offers: Any,
    channels: Any,
    depths: Any = 0,
    minutes: Any = 600,
    window: int = ATTRIBUTION_DAYS,
    rules: Rules | None = None,
) -> np.ndarray:
    """Return what contacts are expected to do if they were delivered now, shape (rows,), dtype EXPECTED.

    Each row stands for itself: it is asked as if it were the only contact.

    Args:
        world: at a midnight; it is left as it was.
        holders: shape (rows,), true rows of the cardholders; one may stand several times.
        offers: offer codes, scalar or shape (rows,).
        channels: channel codes, scalar or shape (rows,).
        depths: 0 generic, 1 segment, 2 individual, scalar or shape (rows,).
        minutes: minute of today at which it arrives, scalar or shape (rows,).
        window: days after a click within which a purchase is its sale; 0 leaves the sale out.
        rules: in place of the world's own.

    Returns:
        notice: probability of being noticed (opened, answered) once delivered.
        click: probability of a click (a yes on the phone), once noticed.
        sale: probability of a purchase on our card in the offer's category within the window, once clicked.
    """
    shape = np.shape(holders)

    def full(codes: Any) -> np.ndarray:
        return np.ascontiguousarray(np.broadcast_to(np.asarray(codes, dtype=np.int64), shape))

    out = np.zeros(shape, dtype=EXPECTED)
    state = world.state
    _expect(
        state.people,
        state.accounts,
        world.rules if rules is None else rules,
        full(holders),
        full(offers),
        full(channels),
        full(depths),
        full(minutes),
        state.day,
        window,
        out,
    )
    return out


@njit(cache=True)
def _closing(people, holders, q, out):
    for j in range(holders.size):
        out[j] = closure_hazard(people[holders[j]], q)


def closing(world: World, holders: np.ndarray) -> np.ndarray:
    """Return each person's hazard a day of closing the account by choice, shape (rows,)."""
    out = np.zeros(holders.size)
    _closing(world.state.people, holders, world.rules.parameter[0], out)
    return out
