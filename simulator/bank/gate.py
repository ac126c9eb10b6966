"""The compliance gate: one compiled function that says which rule, if any, stands against a contact.

It is asked three times: by a view's mask, at the decision, and again at delivery.
"""

import numpy as np
from numba import njit

from cardarena.simulator.bank.records import EVERYBODY, NEVER
from cardarena.simulator.compilation import compiled
from cardarena.simulator.names import Rule
from cardarena.simulator.parallel import in_chunks
from cardarena.simulator.rules import CHUNK, PARALLEL_FROM, Rules

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
    c = channel.channel
    on = compliance.is_on
    if account.is_open == 0:
        return _CLOSED
    refused = account.refused_day[c]
    if account.permitted[c] == 0:
        if refused == NEVER:
            return _UNREACHABLE
        # A refused channel stays refused; after a refused call the law asks for so many days without calls.
        if channel.is_voice == 0:
            if on[_PERMISSION]:
                return _PERMISSION
        elif on[_DO_NOT_CONTACT] and day - refused < compliance.dnc_days:
            return _DO_NOT_CONTACT
    if on[_CONSENT] and account.marketing_consent == 0:
        return _CONSENT
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
    on = compliance.is_on
    if on[_CAP_DAY] and 0 <= compliance.cap_day <= today:
        return _CAP_DAY
    if on[_CAP_WEEK] and 0 <= compliance.cap_week <= week:
        return _CAP_WEEK
    if on[_CAP_MONTH] and 0 <= compliance.cap_month <= month:
        return _CAP_MONTH
    if on[_CAP_CHANNEL] and 0 <= compliance.cap_channel_week[c] <= own:
        return _CAP_CHANNEL
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

    in_chunks(order.size, CHUNK, threads if order.size >= PARALLEL_FROM else 1, work)
    return out


@njit(cache=True)
def _arms_rows(
    accounts, order, offers, channels, compliance, offer, channel, minute, depth, day, out, first, last
):
    rule = compliance[0]
    by_channel = np.zeros(channel.size, dtype=np.bool_)
    for position in range(first, last):
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
    """
    out = np.zeros((order.size, offers.size, channels.size), dtype=np.bool_)
    _arms_rows(
        accounts,
        order,
        rules.offers,
        rules.channels,
        rules.compliance,
        offers,
        channels,
        minutes,
        depth,
        day,
        out,
        0,
        order.size,
    )
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


@compiled(forceinline=True)
def open_parts(account, rules, offers, channels, minutes, n_depths, on_menu, week, day, out):
    """Fill the mask of a factored action: which parts occur in some contact that `gate` lets pass.

    Args:
        account: the holder's account record.
        rules: the scenario's rules.
        offers: codes of the offers to choose from, shape (offers,).
        channels: codes of the channels to choose from, shape (channels,).
        minutes: minute of the day at which each channel of the scenario sends.
        n_depths: depths to choose from, the generic one first.
        on_menu: whether each offer to choose from may be chosen, shape (offers,).
        week: contacts of the last seven days, in all and by channel, shape (1 + channels of the scenario,).
        day: day of the world.
        out: int8, shape (2 + offers + channels + depths,): nothing or a contact, then the parts of a contact.
    """
    rule = rules.compliance[0]
    first_channel = 2 + offers.size
    first_depth = first_channel + channels.size
    out[:] = 0
    out[0] = 1
    if account.is_open == 0:
        return
    month = _month_of(account)
    is_reached = False
    for j in range(channels.size):
        c = rules.channels[channels[j]]
        quiet = in_quiet_hours(minutes[c.channel], c.quiet_from_minute, c.quiet_to_minute)
        is_open = (
            _reach_rule(account, c, rule, day) == _NONE
            and not (quiet and rule.is_on[_QUIET])
            and _over_cap(rule, c.channel, account.contacts_today, week[0], month, week[1 + c.channel])
            == _NONE
            and _consent_rule(account, rule, c.needs_partner_consent == 1, False, 0) == _NONE
        )
        out[first_channel + j] = is_open
        is_reached |= is_open
    if not is_reached:
        return
    some, plain = False, False
    for i in range(offers.size):
        o = rules.offers[offers[i]]
        if (
            on_menu[i]
            and _consent_rule(account, rule, o.needs_partner_consent == 1, o.needs_sensitive_consent == 1, 0)
            == _NONE
            and _offer_rule(account, o, rule, 0, day) == _NONE
        ):
            out[2 + i] = 1
            some = True
            plain |= not is_never_deepest(o, rule)
    if not some:
        out[first_channel:first_depth] = 0
        return
    out[1] = 1
    for depth in range(n_depths):
        out[first_depth + depth] = _consent_rule(account, rule, False, False, depth) == _NONE and (
            depth < 2 or plain
        )


@compiled()
def is_never_deepest(offer, compliance):
    """Say whether no contact with this offer may be as deep as the individual: it could not be explained."""
    return compliance.is_on[_EXPLANATION] != 0 and offer.needs_explanation == 1
