"""The candidate generator of the planning ladder: per person, the contacts worth a thought, and what each would leave behind.

All rungs choose among the same candidates. A candidate carries its expected one-step value, and the expected change of
every stock that outlives the day; what such a change is worth is the planner's to know (`agents.planning`).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cardarena.agents.market import Market, sendable, worth_offering
from cardarena.simulator.bank.gate import gate, is_suitable
from cardarena.simulator.behaviour.life import closure_hazard
from cardarena.simulator.behaviour.person import NEED_ON
from cardarena.simulator.behaviour.purchase import daily_card_margin_mfen, mean_margin_mfen
from cardarena.simulator.behaviour.response import (
    annoyance_added,
    expected_one_step,
    notice_probability,
    opt_out_probability,
    over_personalisation,
    relevance,
)
from cardarena.simulator.contracts import Bools, Floats, Ints, View
from cardarena.simulator.names import N_CATEGORIES, N_CHANNELS
from cardarena.simulator.oracle import Truth

#: What a contact leaves behind, in the order of `Arms.change`. Load, annoyance, blindness, satisfaction and the account
#: belong to the person; wear, awareness and the need to one category; a permission to one channel.
STOCKS: Final = (
    "load",
    "annoyance",
    "blindness",
    "wear",
    "awareness",
    "satisfaction",
    "permission",
    "account",
    "need",
)
BY_CATEGORY: Final = ("wear", "awareness", "need")
BY_CHANNEL: Final = ("permission",)
LOAD, ANNOYANCE, BLINDNESS, WEAR, AWARENESS, SATISFACTION, PERMISSION, ACCOUNT, NEED = range(len(STOCKS))
#: Categories per person that go on to the other channels, best first.
KEPT_CATEGORIES: Final = 3
#: Channels considered: so many best buys and so many of the strongest, as `oracle_myopic` does.
BEST_BUYS: Final = 2
STRONGEST: Final = 2
_IDLE_DAYS: Final = 90
_TYPICAL_NEED_DAYS: Final = 12


@dataclass
class Arms:
    """Candidate contacts, up to `width` a person; empty places have the value -inf.

    Attributes:
        offer: shape (n, width), offer codes.
        channel: shape (n, width), channel codes.
        depth: shape (n, width), depth codes.
        value: shape (n, width), expected one-step value, CNY, net of costs and without the price of a permission.
        assumed: shape (n, width), the assumed price of the permission that the contact may lose, CNY.
        change: shape (n, width, stocks), expected change of each of `STOCKS`.
    """

    offer: Ints
    channel: Ints
    depth: Ints
    value: Floats
    assumed: Floats
    change: Floats

    @property
    def one_step(self) -> Floats:
        """Return the one-step value as the truth states it, the assumed price of a permission taken off."""
        return self.value - self.assumed


@njit(cache=True)
def _depth(person, account, rules, offer, channel, day, minute):
    """Return segment depth where no rule and no privacy limit forbids it, else generic."""
    if over_personalisation(person, account, rules.parameter[0], 1) > 0.0:
        return 0
    if gate(account, offer, channel, rules.compliance[0], 1, day, minute) != 0:
        return 0
    return 1


@njit(cache=True)
def _change(person, account, rules, offer, channel, depth, day, minute, value_mfen, out):
    """Fill `out`, shape (stocks,), with what is expected to be left of one contact after the night.

    What acts on the day itself is in the one-step value; a stock that a night wipes out leaves nothing.
    """
    q, money = rules.parameter[0], rules.money[0]
    k = offer.category
    arrives = 1.0 - channel.p_fail
    p_notice = notice_probability(person, offer, channel, q, 0.0)
    noticed = arrives * p_notice
    relevant = relevance(person, offer)
    # Overload is felt with this contact's own load on top, as at delivery.
    person.load[channel.channel] += channel.load
    annoyed = annoyance_added(person, account, channel, q, depth, relevant)
    person.load[channel.channel] -= channel.load
    felt = (noticed + (arrives - noticed) * q.annoyance_unnoticed) * annoyed
    out[LOAD] = q.load_keep * arrives * channel.load
    out[ANNOYANCE] = q.annoyance_keep * felt
    out[BLINDNESS] = (
        q.blindness_keep
        * noticed
        * (q.blindness_gain * (1.0 - relevant) - q.blindness_relief * relevant * person.blindness)
    )
    out[WEAR] = q.wear_keep * noticed
    out[AWARENESS] = q.awareness_keep * noticed * q.awareness_gain * (1.0 - person.awareness[k])
    # To be heard from pleases by 1 - n / ideal. Another contact raises n for all that come while it is remembered, which are
    # about as many as came lately: as with any quadratic, the margin falls twice as fast as the mean.
    ideal = q.ideal_contacts * person.liking[channel.channel] * person.tolerance
    pleased = q.gratitude * max(-2.0, 1.0 - 2.0 * account.contacts_28d / ideal)
    gain = noticed * (q.satisfaction_relevant * relevant + offer.satisfaction_gain + pleased)
    swing = min(gain, 1.0 - person.satisfaction) - q.satisfaction_annoyed * felt
    out[SATISFACTION] = (1.0 - q.satisfaction_return) * swing
    out[PERMISSION] = arrives * opt_out_probability(person, channel, q, relevant)
    out[ACCOUNT] = noticed * q.closure_wake if person.idle_days > _IDLE_DAYS else 0.0
    margin = mean_margin_mfen(person, offer, q, money)
    bought = (value_mfen + channel.cost_mfen) / margin if margin > 1000.0 else 0.0
    out[NEED] = min(noticed, max(0.0, bought)) if person.need[k] == NEED_ON else 0.0


@njit(cache=True)
def _candidates(
    people, accounts, rules, day, minutes, offers, channels, taken, kept, with_change, codes, value, change
):
    """Fill the candidates of everybody.

    Args:
        people: PERSON records; load is moved and moved back.
        accounts: ACCOUNT records, in the same order.
        rules: the scenario's rules.
        day: day of the world.
        minutes: shape (channels,), minute of today by channel considered.
        offers: shape (m,), offer codes, those of a category side by side.
        channels: shape (c,), channel codes.
        taken: shape (n, channels of the world), whether a placement by that channel still waits to be seen.
        kept: categories that go on to the other channels.
        with_change: whether to fill `change`.
        codes: shape (n, kept * c, 3), filled with offer, channel, depth.
        value: shape (n, kept * c), filled with CNY; -inf where there is no candidate.
        change: shape (n, kept * c, stocks).
    """
    compliance = rules.compliance[0]
    best_value = np.empty(N_CATEGORIES)
    best_offer = np.empty(N_CATEGORIES, dtype=np.int64)
    best_first = np.empty(N_CATEGORIES, dtype=np.int64)
    for i in range(people.size):
        person, account = people[i], accounts[i]
        for a in range(value.shape[1]):
            value[i, a] = -np.inf
        if person.alive == 0 or account.is_open == 0:
            continue
        best_value[:] = -np.inf
        # The best offer of a category hardly hangs on the channel: it is found on the first that is open.
        for o in offers:
            offer = rules.offers[o]
            for j in range(channels.size):
                c = channels[j]
                channel = rules.channels[c]
                if taken[i, c] or gate(account, offer, channel, compliance, 0, day, minutes[j]) != 0:
                    continue
                depth = _depth(person, account, rules, offer, channel, day, minutes[j])
                x = expected_one_step(person, account, rules, day, minutes[j], o, c, depth)
                if x > best_value[offer.category]:
                    best_value[offer.category] = x
                    best_offer[offer.category] = o
                    best_first[offer.category] = j
                break
        a = 0
        for _ in range(kept):
            k = np.argmax(best_value)
            if best_value[k] == -np.inf:
                break
            o, first = best_offer[k], best_first[k]
            offer = rules.offers[o]
            for j in range(first, channels.size):
                c = channels[j]
                channel = rules.channels[c]
                if j > first and (
                    taken[i, c] or gate(account, offer, channel, compliance, 0, day, minutes[j]) != 0
                ):
                    continue
                depth = _depth(person, account, rules, offer, channel, day, minutes[j])
                x = best_value[k]
                if j > first:
                    x = expected_one_step(person, account, rules, day, minutes[j], o, c, depth)
                codes[i, a, 0], codes[i, a, 1], codes[i, a, 2] = o, c, depth
                value[i, a] = x * 1e-5
                if with_change:
                    _change(person, account, rules, offer, channel, depth, day, minutes[j], x, change[i, a])
                a += 1
            best_value[k] = -np.inf


@njit(cache=True)
def _potential(people, accounts, rules, day, minutes, offers, channels, out, card, hazard):
    """Fill `out`, shape (n, categories, channels considered), with the one-step value of a rested person in need, CNY.

    And `card`, shape (n,), with the margin a day of all spending if it were on our card, CNY, and `hazard` with the chance a day
    of closing by choice. The records are spoilt.
    """
    q, money = rules.parameter[0], rules.money[0]
    for i in range(people.size):
        person, account = people[i], accounts[i]
        out[i] = 0.0
        card[i] = hazard[i] = 0.0
        if person.alive == 0:
            continue
        card[i] = daily_card_margin_mfen(person, q, money) * 1e-5
        hazard[i] = closure_hazard(person, q)
        for c in range(N_CHANNELS):
            person.load[c] = 0.0
        person.annoyance = 0.0
        person.blindness = 0.0
        person.last_event_minute = -1_000_000_000
        for o in offers:
            offer = rules.offers[o]
            k = offer.category
            person.need[k] = NEED_ON
            person.need_left[k] = _TYPICAL_NEED_DAYS
            person.wear[k] = 0.0
            if not is_suitable(account, offer, day):
                continue
            for j in range(channels.size):
                c = channels[j]
                if account.permitted[c] == 0 or account.marketing_consent == 0:
                    continue
                x = expected_one_step(person, account, rules, day, minutes[j], o, c, 0)
                out[i, k, j] = max(out[i, k, j], x * 1e-5)


#: Steps of the differences that make a gradient: load, annoyance, blindness, wear, awareness, satisfaction.
_STEPS: Final = np.array([0.1, 0.02, 0.02, 0.1, 0.05, 0.02])


@njit(cache=True)
def _gradient(people, accounts, rules, day, minutes, offers, channels, depths, steps, out):
    """Fill `out`, shape (rows, 6), with the slope of each contact's one-step value in six stocks, CNY per unit.

    A load is taken to lie half on the contact's own channel, half on another.
    """
    for i in range(people.size):
        person, account = people[i], accounts[i]
        o, c, d, at = offers[i], channels[i], depths[i], minutes[i]
        k = rules.offers[o].category
        other = (c + 1) % N_CHANNELS
        base = expected_one_step(person, account, rules, day, at, o, c, d)
        for s in range(6):
            step = steps[s]
            for sign in (1.0, -1.0):
                x = sign * step
                if s == 0:
                    person.load[c] += 0.5 * x
                    person.load[other] += 0.5 * x
                elif s == 1:
                    person.annoyance += x
                elif s == 2:
                    person.blindness += x
                elif s == 3:
                    person.wear[k] += x
                elif s == 4:
                    person.awareness[k] += x
                else:
                    person.satisfaction += x
                if sign > 0.0:
                    out[i, s] = (
                        (expected_one_step(person, account, rules, day, at, o, c, d) - base) / step * 1e-5
                    )


class Generator:
    """Makes the candidates of a day. It knows the catalogue and nothing of anybody's luck.

    Attributes:
        channels: shape (c,), channel codes considered, ascending.
        offers: shape (m,), offer codes considered, those of a category side by side.
        category: shape (offers of the catalogue,), category of each offer.
        width: candidates a person at most.
    """

    def __init__(self, market: Market) -> None:
        """Choose the channels and the offers that are worth a thought."""
        self.market = market
        self.channels = market.channels(BEST_BUYS, STRONGEST)
        offers = worth_offering(market)
        self.category = market.category
        self.offers = offers[np.argsort(market.category[offers], kind="stable")]
        self.width = KEPT_CATEGORIES * len(self.channels)

    def _open_channels(self, view_minute: int, view: View | None) -> tuple[Ints, Ints]:
        if view is not None:
            return sendable(view, self.market, self.channels)
        return self.channels, np.maximum(self.market.minute[self.channels], view_minute)

    def arms(
        self,
        truth: Truth,
        day: int,
        *,
        view: View | None = None,
        taken: Bools | None = None,
        with_change: bool = True,
        people: np.ndarray | None = None,
    ) -> Arms:
        """Return the candidates of everybody, from the latent state.

        Args:
            truth: the privileged view.
            day: day of the world.
            view: the day's view; None: at midnight.
            taken: shape (n, channels), whether a placement still waits; nobody's without.
            with_change: whether to say what a contact would leave behind.
            people: PERSON records in view order, in place of the truth's: to ask what if.
        """
        channels, minutes = self._open_channels(0, view)
        people = truth.people if people is None else people
        n = len(people)
        codes = np.zeros((n, self.width, 3), dtype=np.int64)
        value = np.empty((n, self.width))
        change = np.zeros((n, self.width, len(STOCKS)))
        taken = np.zeros((n, N_CHANNELS), dtype=np.bool_) if taken is None else taken
        _candidates(
            people,
            truth.accounts,
            truth.rules,
            day,
            minutes,
            self.offers,
            channels,
            taken,
            KEPT_CATEGORIES,
            with_change,
            codes,
            value,
            change,
        )
        worth = truth.params["permission_value_cny"]
        arrives = 1.0 - truth.rules.channels["p_fail"]
        # The truth's one-step value charges the drawn refusal, whether the contact arrives or not.
        channel = codes[:, :, 1]
        assumed = change[:, :, PERMISSION] / arrives[channel] * worth[channel]
        value = np.round(value, 9)
        return Arms(codes[:, :, 0], channel, codes[:, :, 2], value + assumed, assumed, change)

    def potential(self, truth: Truth, day: int) -> tuple[Floats, Floats, Floats]:
        """Return how much a rested person in need is worth a contact, the margin of all its spending, its hazard to close.

        Returns:
            CNY a day, shape (n, categories, channels considered): one contact's value in a need times how often needs
            come; CNY a day, shape (n,); and a chance a day, shape (n,).
        """
        people = truth.people
        value = np.zeros((len(people), N_CATEGORIES, len(self.channels)))
        card, hazard = np.zeros((2, len(people)))
        minutes = self.market.minute[self.channels]
        rate = truth.params["need_rate"] * people["need_scale"]
        _potential(
            people,
            truth.accounts,
            truth.rules,
            day,
            minutes,
            self.offers,
            self.channels,
            value,
            card,
            hazard,
        )
        return value * rate[:, :, None], card, hazard

    def gradient(self, truth: Truth, day: int, rows: Ints, offer: Ints, channel: Ints, depth: Ints) -> Floats:
        """Return the slope of the one-step value of these contacts in six stocks, CNY per unit, shape (rows, 6).

        The stocks are load, annoyance, blindness, wear and awareness of the offer's category, and satisfaction.

        Args:
            truth: the privileged view.
            day: day of the world.
            rows: shape (r,), view ids.
            offer: shape (r,), offer codes.
            channel: shape (r,), channel codes.
            depth: shape (r,), depth codes.
        """
        out = np.zeros((len(rows), len(_STEPS)))
        people, accounts = truth.people[rows], truth.accounts[rows]
        minutes = self.market.minute[channel]
        _gradient(people, accounts, truth.rules, day, minutes, offer, channel, depth, _STEPS, out)
        return out


def best_arm(index: Any) -> tuple[Ints, Floats]:
    """Return each person's best candidate and its index, both of shape (n,); ties go to the first.

    Example:
        >>> best_arm(np.array([[1.0, 2.0, 2.0]]))
        (array([1]), array([2.]))
    """
    index = np.asarray(index, dtype=np.float64)
    arm = index.argmax(axis=1)
    return arm, index[np.arange(len(index)), arm]


def opportunity(arms: Arms, category: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what the best contact in each category would be worth today, and its chance to end the need.

    Returns:
        CNY, at least 0, shape (n, categories); and probabilities of the same shape.
    """
    out, p_end = np.zeros((2, len(arms.value), N_CATEGORIES))
    gain = np.maximum(np.where(np.isfinite(arms.value), arms.value, 0.0), 0.0)
    k = category[arms.offer]
    for a in range(gain.shape[1]):
        rows = np.flatnonzero(gain[:, a] > out[np.arange(len(gain)), k[:, a]])
        out[rows, k[rows, a]] = gain[rows, a]
        p_end[rows, k[rows, a]] = arms.change[rows, a, NEED]
    return out, p_end
