"""The compliance gate: one compiled function that says which rule, if any, stands against a contact.

It is asked three times: by a view's mask, at the decision, and again at delivery.
"""

from typing import NamedTuple

import numpy as np

from cardarena.simulator.bank.records import EVERYBODY, NEVER
from cardarena.simulator.compilation import compiled
from cardarena.simulator.names import Rule
from cardarena.simulator.parallel import even_chunks, in_chunks
from cardarena.simulator.prefetch import prefetch
from cardarena.simulator.rules import Rules

#: The cache lines of an account that a question for open arms reads, and how many people ahead they are fetched.
_READ = (0, 64, 384, 448, 512, 576)
_AHEAD = 4
_NONE = int(Rule.NONE)
_CONSENT = int(Rule.CONSENT)
_PERMISSION = int(Rule.CHANNEL_PERMISSION)
_PERSONALISATION_OFF = int(Rule.PERSONALISATION_OFF)
_PARTNER = int(Rule.PARTNER_CONSENT)
_DO_NOT_CONTACT = int(Rule.DO_NOT_CONTACT)
_QUIET = int(Rule.QUIET_HOURS)
_CAP_DAY = int(Rule.CAP_DAY)
_CAP_WEEK = int(Rule.CAP_WEEK)
_CAP_MONTH = int(Rule.CAP_MONTH)
_CAP_CHANNEL = int(Rule.CAP_CHANNEL)
_SUITABILITY = int(Rule.SUITABILITY)
_EXPLANATION = int(Rule.EXPLANATION)
_UNREACHABLE = int(Rule.UNREACHABLE)
_CLOSED = int(Rule.CLOSED)
_SENSITIVE = int(Rule.SENSITIVE_CONSENT)
#: What an offer or a channel may need of its holder, as bits.
_NEEDS_PARTNER, _NEEDS_SENSITIVE, _NEEDS_PUNCTUAL, _NEEDS_SHALLOW = 1, 2, 4, 8
#: A context bit, beside those of the spending contexts, that everybody's account has.
_ANYWHERE = 256


@compiled()
def is_physical(rule):
    """Say whether a contact cannot happen at all, so that even `audit` cannot let it through."""
    return rule in (_CLOSED, _UNREACHABLE)


@compiled()
def is_stopped(rule, compliance):
    """Say whether a rule stops a contact: always where it is enforced, under `audit` only what cannot happen at all."""
    return rule != _NONE and (compliance.audit == 0 or is_physical(rule))


@compiled()
def in_quiet_hours(minute, quiet_from, quiet_to):
    """Say whether a minute of the day lies in quiet hours, which may span midnight."""
    if quiet_from == quiet_to:
        return False
    if quiet_from < quiet_to:
        return quiet_from <= minute < quiet_to
    return minute >= quiet_from or minute < quiet_to


@compiled()
def _uses_context(account, contexts):
    """Say whether the holder has ever spent on our card in one of these contexts."""
    for k in range(account.context_spend_28d_fen.size):  # noqa: SIM110 - compiled: a loop, no generator
        if (contexts >> k) & 1 and account.context_spend_28d_fen[k] > 0.0:
            return True
    return False


@compiled()
def is_suitable(account, offer, day):
    """Say whether the offer suits what the bank knows of the holder: age, income, tenure, use of the limit, arrears."""
    if account.age < offer.min_age or account.age > offer.max_age:
        return False
    if account.income_band < offer.min_income_band:
        return False
    if account.tenure_days + day < offer.min_tenure_days:
        return False
    if offer.excludes_overdue == 1 and account.overdue == 1:
        return False
    if offer.contexts != EVERYBODY and not _uses_context(account, offer.contexts):
        return False
    used = account.instalment_balance_fen + account.spend_28d_fen
    return used <= offer.max_utilisation * account.limit_fen


@compiled()
def gate(account, offer, channel, compliance, depth, day, minute):
    """Return the `names.Rule` that stands against this contact, 0 if none.

    Args:
        account: the holder's account record.
        offer: OFFER record.
        channel: CHANNEL record.
        compliance: COMPLIANCE record.
        depth: 0 generic, 1 segment, 2 individual.
        day: day of the world.
        minute: minute of the day.
    """
    rule = _reach_rule(account, channel, compliance, day)
    if rule == _NONE:
        partner = offer.needs_partner_consent == 1 or channel.needs_partner_consent == 1
        rule = _consent_rule(account, compliance, partner, offer.needs_sensitive_consent == 1, depth)
    if rule == _NONE:
        rule = _timing_rule(account, channel, compliance, minute)
    if rule == _NONE:
        rule = _offer_rule(account, offer, compliance, depth, day)
    return rule


@compiled()
def _reach_rule(account, channel, compliance, day):
    """Return the rule against any marketing on this channel: closed, out of reach, refused, no consent."""
    if account.is_open == 0:
        return _CLOSED
    rule = _permission_rule(account, channel.channel, channel.is_voice, compliance, day)
    if rule != _NONE:
        return rule
    if compliance.is_on[_CONSENT] and account.marketing_consent == 0:
        return _CONSENT
    return _NONE


@compiled()
def _permission_rule(account, c, is_voice, compliance, day):
    """Return the rule against channel `c` where the holder is out of its reach or refused it."""
    if account.permitted[c] != 0:
        return _NONE
    on = compliance.is_on
    refused = account.refused_day[c]
    if refused == NEVER:
        return _UNREACHABLE
    # A refused channel stays refused; after a refused call the law asks for so many days without calls.
    if is_voice == 0:
        return _PERMISSION if on[_PERMISSION] else _NONE
    if on[_DO_NOT_CONTACT] and day - refused < compliance.dnc_days:
        return _DO_NOT_CONTACT
    return _NONE


@compiled()
def _consent_rule(account, compliance, needs_partner, needs_sensitive, depth):
    """Return the consent that is missing for what the contact is built on."""
    on = compliance.is_on
    if on[_PARTNER] and needs_partner and account.partner_consent == 0:
        return _PARTNER
    if on[_PERSONALISATION_OFF] and depth > 0 and account.personalisation_on == 0:
        return _PERSONALISATION_OFF
    if on[_SENSITIVE] and account.sensitive_consent == 0 and (depth == 2 or needs_sensitive):
        return _SENSITIVE
    return _NONE


@compiled()
def _timing_rule(account, channel, compliance, minute):
    """Return the rule against one more contact now: quiet hours, frequency caps."""
    quiet = in_quiet_hours(minute, channel.quiet_from_minute, channel.quiet_to_minute)
    if compliance.is_on[_QUIET] and quiet:
        return _QUIET
    return _over_cap(
        compliance, channel.channel, account.contacts_today, *_contacts(account, channel.channel)
    )


@compiled()
def _offer_rule(account, offer, compliance, depth, day):
    """Return the rule against the offer itself: suitability, explanation."""
    on = compliance.is_on
    if on[_SUITABILITY] and not is_suitable(account, offer, day):
        return _SUITABILITY
    if depth == 2 and is_never_deepest(offer, compliance):
        # An individually scored credit decision has no plain reason to give; by segment it has.
        return _EXPLANATION
    return _NONE


@compiled()
def _month_of(account):
    """Return the contacts of the month."""
    month = 0
    for d in range(30):
        month += account.month_ring[d]
    return month


@compiled()
def _contacts(account, c):
    """Return the contacts of the week, of the month, and of the week on channel `c`."""
    week, own = 0, 0
    for d in range(7):
        own += account.week_ring[d, c]
        for k in range(account.week_ring.shape[1]):
            week += account.week_ring[d, k]
    return week, _month_of(account), own


@compiled()
def _over_cap(compliance, c, today, week, month, own):
    """Return the first frequency cap in force that one more contact on channel `c` would break, 0 if none."""
    rule = _over_common_cap(compliance, today, week, month)
    if rule == _NONE and _is_over_own_cap(compliance, c, own):
        return _CAP_CHANNEL
    return rule


@compiled()
def _is_over_own_cap(compliance, c, own):
    """Say whether one more contact in the week would break the cap of channel `c`."""
    return compliance.is_on[_CAP_CHANNEL] != 0 and 0 <= compliance.cap_channel_week[c] <= own


@compiled()
def _over_common_cap(compliance, today, week, month):
    """Return the first frequency cap over all channels in force that one more contact would break, 0 if none."""
    on = compliance.is_on
    if on[_CAP_DAY] and 0 <= compliance.cap_day <= today:
        return _CAP_DAY
    if on[_CAP_WEEK] and 0 <= compliance.cap_week <= week:
        return _CAP_WEEK
    if on[_CAP_MONTH] and 0 <= compliance.cap_month <= month:
        return _CAP_MONTH
    return _NONE


@compiled(nogil=True)
def _gate_rows(
    accounts, order, offers, channels, compliance, offer, channel, depth, day, minute, out, first, last
):
    for position in range(first, last):
        out[position] = gate(
            accounts[order[position]], offers[offer], channels[channel], compliance[0], depth, day, minute
        )


def gate_column(
    accounts: np.ndarray,
    order: np.ndarray,
    rules: Rules,
    contact: tuple[int, int, int],
    day: int,
    minute: int,
    threads: int = 1,
) -> np.ndarray:
    """Return the rule against one kind of contact for every cardholder in view order, shape (n,), int8.

    Args:
        accounts: ACCOUNT records, shape (n,).
        order: true row of each view id, shape (n,).
        rules: the scenario's rules.
        contact: offer, channel and depth.
        day: day of the world.
        minute: minute at which it would be sent.
        threads: compiled threads; a million people are worth two.
    """
    out = np.zeros(order.size, dtype=np.int8)
    fixed = (accounts, order, rules.offers, rules.channels, rules.compliance, *contact, day, minute, out)

    def work(_: int, first: int, last: int) -> None:
        _gate_rows(*fixed, first, last)

    in_chunks(order.size, *even_chunks(order.size, threads), work)
    return out


@compiled(nogil=True)
def _arms_rows(
    accounts,
    order,
    offers,
    channels,
    compliance,
    offer,
    channel,
    minute,
    depth,
    day,
    out,
    first,
    last,
    by_channel,
):
    rule = compliance[0]
    for position in range(first, last):
        after = order[min(position + _AHEAD, last - 1)]
        for byte in _READ:
            prefetch(accounts, after, byte)
        account = accounts[order[position]]
        is_reached = False
        for j in range(channel.size):
            c = channels[channel[j]]
            by_channel[j] = (
                _reach_rule(account, c, rule, day) == _NONE
                and _timing_rule(account, c, rule, minute[j]) == _NONE
                and _consent_rule(account, rule, c.needs_partner_consent == 1, False, depth) == _NONE
            )
            is_reached |= by_channel[j]
        for i in range(offer.size):
            is_open = False
            if is_reached:
                o = offers[offer[i]]
                partner, sensitive = o.needs_partner_consent == 1, o.needs_sensitive_consent == 1
                is_open = (
                    _consent_rule(account, rule, partner, sensitive, depth) == _NONE
                    and _offer_rule(account, o, rule, depth, day) == _NONE
                )
            for j in range(channel.size):
                out[position, i, j] = is_open and by_channel[j]


def open_arms(
    accounts: np.ndarray,
    order: np.ndarray,
    rules: Rules,
    offers: np.ndarray,
    channels: np.ndarray,
    minutes: np.ndarray,
    depth: int,
    day: int,
    threads: int = 1,
) -> np.ndarray:
    """Return which offers may go by which channels, shape (n, offers, channels), bool; what `gate` says, at once.

    The channel's rules are asked once for all offers, the offer's once for all channels.

    Args:
        accounts: ACCOUNT records, shape (n,).
        order: true row of each view id asked for, shape (n,).
        rules: the scenario's rules.
        offers: offer codes.
        channels: channel codes.
        minutes: minute of the day by channel, shape (channels,).
        depth: depth of personalisation.
        day: day of the world.
        threads: compiled threads; a million people are worth two.
    """
    out = np.zeros((order.size, offers.size, channels.size), dtype=np.bool_)
    tables = rules.offers, rules.channels, rules.compliance
    fixed = (accounts, order, *tables, offers, channels, minutes, depth, day, out)

    def work(_: int, first: int, last: int) -> None:
        _arms_rows(*fixed, first, last, np.zeros(channels.size, dtype=np.bool_))

    in_chunks(order.size, *even_chunks(order.size, threads), work)
    return out


@compiled()
def gate_contacts(accounts, offers, channels, compliance, holders, offer, channel, depth, day, minute, out):
    """Fill `out`, shape (contacts,), with the rule against each contact of a batch."""
    for row in range(holders.size):
        out[row] = gate(
            accounts[holders[row]],
            offers[offer[row]],
            channels[channel[row]],
            compliance[0],
            depth[row],
            day,
            minute[row],
        )


@compiled()
def open_channels(accounts, holders, out):
    """Fill `out` with the bitmask of channels on which each holder may be reached, shape (contacts,)."""
    for row in range(holders.size):
        mask = np.int64(0)
        permitted = accounts[holders[row]].permitted
        for c in range(permitted.size):
            if permitted[c] != 0:
                mask |= np.int64(1) << c
        out[row] = mask


class Parts(NamedTuple):
    """What `open_parts` reads of the offers and channels to choose from, side by side: the records would fill the cache."""

    offers: (
        np.ndarray
    )  # (6, offers) int32: least and most age, least income band, least tenure, contexts, what it needs
    max_utilisation: np.ndarray  # (offers,)
    channels: (
        np.ndarray
    )  # (4, channels) int64: code, what it needs, whether it sends in quiet hours, whether by voice


def make_parts(rules: Rules, offers: np.ndarray, channels: np.ndarray, minutes: np.ndarray) -> Parts:
    """Return what `open_parts` asks for.

    Args:
        rules: the scenario's rules.
        offers: codes of the offers to choose from, shape (offers,).
        channels: codes of the channels to choose from, shape (channels,).
        minutes: minute of the day at which each channel of the scenario sends.
    """
    compliance = rules.compliance[0]
    o, c = rules.offers[offers], rules.channels[channels]
    contexts = o["contexts"].astype(np.int32)
    needs = (
        _NEEDS_PARTNER * (o["needs_partner_consent"] == 1)
        + _NEEDS_SENSITIVE * (o["needs_sensitive_consent"] == 1)
        + _NEEDS_PUNCTUAL * (o["excludes_overdue"] == 1)
        + _NEEDS_SHALLOW * np.array([bool(is_never_deepest(offer, compliance)) for offer in o])
    )
    quiet = [
        bool(compliance["is_on"][_QUIET])
        and bool(in_quiet_hours(minutes[k], record["quiet_from_minute"], record["quiet_to_minute"]))
        for k, record in zip(channels, c, strict=True)
    ]
    return Parts(
        offers=np.array(
            [
                o["min_age"],
                o["max_age"],
                o["min_income_band"],
                o["min_tenure_days"],
                np.where(contexts == EVERYBODY, contexts | _ANYWHERE, contexts),
                needs,
            ],
            dtype=np.int32,
        ),
        max_utilisation=o["max_utilisation"].copy(),
        channels=np.array(
            [channels, _NEEDS_PARTNER * (c["needs_partner_consent"] == 1), quiet, c["is_voice"]],
            dtype=np.int64,
        ),
    )


@compiled(forceinline=True)
def open_parts(account, compliance, parts, n_depths, on_menu, week, day, out):
    """Fill the mask of a factored action: which parts occur in some contact that `gate` lets pass.

    Args:
        account: the holder's account record.
        compliance: COMPLIANCE record.
        parts: what there is to choose from, as `make_parts` wrote it.
        n_depths: depths to choose from, the generic one first.
        on_menu: whether each offer to choose from may be chosen, shape (offers,).
        week: contacts of the last seven days, in all and by channel, shape (1 + channels of the scenario,).
        day: day of the world.
        out: int8, shape (2 + offers + channels + depths,): nothing or a contact, then the parts of a contact.
    """
    on = compliance.is_on
    n_offers, n_channels = parts.offers.shape[1], parts.channels.shape[1]
    first_channel = 2 + n_offers
    first_depth = first_channel + n_channels
    out[:] = 0
    out[0] = 1
    if account.is_open == 0 or (on[_CONSENT] and account.marketing_consent == 0):
        return
    if _over_common_cap(compliance, account.contacts_today, week[0], _month_of(account)) != _NONE:
        return
    lacks = np.int64(0)
    if on[_PARTNER] and account.partner_consent == 0:
        lacks |= _NEEDS_PARTNER
    if on[_SENSITIVE] and account.sensitive_consent == 0:
        lacks |= _NEEDS_SENSITIVE
    is_reached = False
    for j in range(n_channels):
        c = parts.channels[0, j]
        is_open = (
            parts.channels[1, j] & lacks == 0
            and parts.channels[2, j] == 0
            and not _is_over_own_cap(compliance, c, week[1 + c])
            and _permission_rule(account, c, parts.channels[3, j], compliance, day) == _NONE
        )
        out[first_channel + j] = is_open
        is_reached |= is_open
    if not is_reached:
        return
    some, is_plain = _open_offers(account, parts, on_menu, lacks, on[_SUITABILITY] != 0, day, out)
    if not some:
        out[first_channel:first_depth] = 0
        return
    out[1] = 1
    for depth in range(n_depths):
        out[first_depth + depth] = _consent_rule(account, compliance, False, False, depth) == _NONE and (
            depth < 2 or is_plain
        )


@compiled(forceinline=True)
def _open_offers(account, parts, on_menu, lacks, must_suit, day, out):
    """Fill the offers' part of a mask: consents, and what `is_suitable` asks.

    Returns:
        Whether any offer is open, and whether one that may be as deep as the individual is.
    """
    if account.overdue == 1 and must_suit:
        lacks |= _NEEDS_PUNCTUAL
    uses = np.int64(_ANYWHERE)
    for k in range(account.context_spend_28d_fen.size):
        uses |= np.int64(account.context_spend_28d_fen[k] > 0.0) << k
    # A person's own, once for all offers, and as wide as what it meets: the compiler takes many offers at a time.
    age, band = np.int32(account.age), np.int32(account.income_band)
    tenure = np.int32(account.tenure_days + day)
    lacking, used_in = np.int32(lacks), np.int32(uses)
    used = account.instalment_balance_fen + account.spend_28d_fen
    limit = np.float64(account.limit_fen)
    suits_anyhow = not must_suit
    some, plain = np.int32(0), np.int32(0)
    for i in range(parts.max_utilisation.size):
        needs = parts.offers[5, i]
        suits = (
            (age >= parts.offers[0, i])
            & (age <= parts.offers[1, i])
            & (band >= parts.offers[2, i])
            & (tenure >= parts.offers[3, i])
            & (parts.offers[4, i] & used_in != 0)
            & (used <= parts.max_utilisation[i] * limit)
        )
        is_open = (on_menu[i] != 0) & (needs & lacking == 0) & (suits | suits_anyhow)
        out[2 + i] = is_open
        some |= np.int32(is_open)
        plain |= np.int32(is_open & (needs & _NEEDS_SHALLOW == 0))
    return some != 0, plain != 0


@compiled()
def is_never_deepest(offer, compliance):
    """Say whether no contact with this offer may be as deep as the individual: it could not be explained."""
    return compliance.is_on[_EXPLANATION] != 0 and offer.needs_explanation == 1
