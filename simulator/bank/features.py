"""The one feature function: an account becomes the row that every view and every environment observes.

It receives the account alone, so no latent field can reach a policy. Where the cardholder switched personalisation off,
withdrew the consent to sensitive data, or blocks tracking, the columns that these would feed are zero and the flags say so.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from cardarena.simulator.bank.feature_table import FEATURE_TABLE
from cardarena.simulator.bank.records import ACCOUNT
from cardarena.simulator.cache_lines import LINE
from cardarena.simulator.compilation import compiled
from cardarena.simulator.errors import UnknownNameError
from cardarena.simulator.names import N_CATEGORIES, N_CHANNELS, N_CONTEXTS
from cardarena.simulator.parallel import even_chunks, in_chunks
from cardarena.simulator.prefetch import prefetch

#: Names of the columns, in order. `days_since_*` are capped at 400, by channel at 7; money is in CNY.
FEATURES: Final = tuple(column.name for column in FEATURE_TABLE)
N_FEATURES: Final = len(FEATURES)
FEATURE_INDEX: Final = {name: j for j, name in enumerate(FEATURES)}
_AT = FEATURE_INDEX
_PERMITTED = _AT["permitted_app_push"]
_CONSENT = _AT["marketing_consent"]
_TODAY = _AT["contacts_today"]
_WEEK = _AT["contacts_7d"]
_MONTH = _AT["contacts_28d"]
_SINCE_BY_CHANNEL = _AT["days_since_contact_app_push"]
_CATEGORY_CONTACTS = _AT["category_contacts_28d_daily"]
_OPENS = _AT["opens_28d"]
_CATEGORY_CLICKS = _AT["category_clicks_28d_daily"]
_SINCE_CLICK = _AT["days_since_click"]
_BEHAVIOUR = _AT["behaviour_missing"]
_CONTEXT = _AT["context_spend_28d_daily_cny"]
_VISITS = _AT["visits_missing"]
_PURCHASES = _AT["category_purchases_112d_daily"]
_SINCE_PURCHASE = _AT["days_since_purchase_daily"]
_PRECURSOR = _AT["precursor_7d_daily"]
_BALANCE = _AT["instalment_balance_cny"]
_WEEKDAY = _AT["weekday"]
_LONG_AGO = 400.0

# Parts of a row, as bits: a view computes those in which its policy wants a column.
(
    _OPEN,
    _WHO,
    _PERMISSIONS,
    _RECENT_CONTACTS,
    _LONGER_CONTACTS,
    _SINCE_CONTACT,
    _SINCE_CHANNEL,
    _BY_CATEGORY,
    _CLICKS,
    _SPENDING,
    _BY_CONTEXT,
    _VISITING,
    _BUYING,
    _MONEY,
    _CALENDAR,
) = (1 << part for part in range(15))
_EVERYTHING: Final = (1 << 15) - 1
#: Which fields of an account each part reads; flags, which lie together, are read by most.
_FLAGS: Final = ("is_open", "personalisation_on", "sensitive_consent", "tracked")
_FIELDS: Final = {
    _OPEN: _FLAGS,
    _WHO: ("age", "gender", "city_tier", "income_band", "tenure_days", "limit_fen"),
    _PERMISSIONS: (*_FLAGS, "permitted", "marketing_consent", "partner_consent"),
    _RECENT_CONTACTS: ("contacts_today", "week_ring"),
    _LONGER_CONTACTS: ("contacts_28d",),
    _SINCE_CONTACT: ("last_contact_day",),
    _SINCE_CHANNEL: ("week_ring",),
    _BY_CATEGORY: ("category_contacts_28d", "category_clicks_28d"),
    _CLICKS: ("opens_28d", "clicks_28d", "last_click_day"),
    _SPENDING: (*_FLAGS, "last_transaction_day", "transactions_28d", "spend_28d_fen", "spend_112d_fen"),
    _BY_CONTEXT: (*_FLAGS, "context_spend_28d_fen"),
    _VISITING: (*_FLAGS, "visits_28d", "last_visit_day", "precursor_7d"),
    _BUYING: (*_FLAGS, "category_purchases_112d", "last_purchase_day"),
    _MONEY: (*_FLAGS, "instalment_balance_fen", "overdue", "complaints", "spend_28d_fen", "margin_28d_fen"),
    _CALENDAR: (),
}
#: Accounts whose lines are on their way while one is filled in.
_AHEAD: Final = 16
#: Where each part's columns begin; a part ends where the next begins.
_BEGINS: Final = (
    (0, _OPEN),
    (1, _WHO),
    (_PERMITTED, _PERMISSIONS),
    (_TODAY, _RECENT_CONTACTS),
    (_MONTH, _LONGER_CONTACTS),
    (_MONTH + 1, _SINCE_CONTACT),
    (_SINCE_BY_CHANNEL, _SINCE_CHANNEL),
    (_CATEGORY_CONTACTS, _BY_CATEGORY),
    (_OPENS, _CLICKS),
    (_CATEGORY_CLICKS, _BY_CATEGORY),
    (_SINCE_CLICK, _CLICKS),
    (_BEHAVIOUR, _SPENDING),
    (_CONTEXT, _BY_CONTEXT),
    (_VISITS, _VISITING),
    (_PURCHASES, _BUYING),
    (_PRECURSOR, _VISITING),
    (_BALANCE, _MONEY),
    (_WEEKDAY, _CALENDAR),
)


def _parts_of(columns: np.ndarray) -> int:
    """Return the bits of the parts in which these columns lie."""
    begins = np.array([first for first, _ in _BEGINS])
    parts = np.array([part for _, part in _BEGINS])
    return int(np.bitwise_or.reduce(parts[np.searchsorted(begins, columns, side="right") - 1], initial=0))


def _lines_of(parts: int) -> np.ndarray:
    """Return at which bytes the cache lines of an account begin that these parts read."""
    lines: set[int] = set()
    for part, names in _FIELDS.items():
        if parts & part:
            for name in names:
                dtype, first = (ACCOUNT.fields or {})[name][:2]
                lines.update(range(first // LINE, (first + dtype.itemsize - 1) // LINE + 1))
    return np.array(sorted(lines), dtype=np.int64) * LINE


@compiled()
def _since(day, then):
    return min(_LONG_AGO, float(day - then))


@compiled()
def _recent_contacts(account, out):
    """Fill the contacts of today and of the week."""
    out[_TODAY] = account.contacts_today
    week = 0
    for c in range(N_CHANNELS):
        count = 0
        for d in range(7):
            count += account.week_ring[d, c]
        out[_WEEK + 1 + c] = count
        week += count
    out[_WEEK] = week


@compiled()
def _since_by_channel(account, day, out):
    """Fill how long ago the last contact by each channel was, from today back to the ring's oldest day."""
    for c in range(N_CHANNELS):
        ago = 0
        while ago < 7 and account.week_ring[(day - ago) % 7, c] == 0:
            ago += 1
        out[_SINCE_BY_CHANNEL + c] = ago


@compiled()
def _behaviour(account, day, parts, out):
    """Fill what profiles a person, which is behind the switch: off means off the same minute."""
    if account.personalisation_on == 0:
        out[_BEHAVIOUR] = 1.0
        out[_VISITS] = 1.0
        return
    if parts & _SPENDING:
        out[_BEHAVIOUR + 1] = _since(day, account.last_transaction_day)
        out[_BEHAVIOUR + 2] = account.transactions_28d
        out[_BEHAVIOUR + 3] = account.spend_28d_fen * 0.01
        out[_BEHAVIOUR + 4] = account.spend_112d_fen * 0.01
        out[_BEHAVIOUR + 5] = 4.0 * account.spend_28d_fen / max(1.0, account.spend_112d_fen)
    if parts & _BY_CONTEXT and account.sensitive_consent == 1:
        for k in range(N_CONTEXTS):
            out[_CONTEXT + k] = account.context_spend_28d_fen[k] * 0.01
    if parts & _MONEY:
        out[_BALANCE + 1] = account.spend_28d_fen / max(1.0, float(account.limit_fen))
        out[_BALANCE + 4] = account.margin_28d_fen * 0.01
    if parts & _BUYING:
        for k in range(N_CATEGORIES):
            out[_PURCHASES + k] = account.category_purchases_112d[k]
            out[_SINCE_PURCHASE + k] = _since(day, account.last_purchase_day[k])
    if account.tracked == 0:
        out[_VISITS] = 1.0
    elif parts & _VISITING:
        out[_VISITS + 1] = account.visits_28d
        out[_VISITS + 2] = _since(day, account.last_visit_day)
        for k in range(N_CATEGORIES):
            out[_PRECURSOR + k] = account.precursor_7d[k]


@compiled()
def _fill_parts(account, today, parts, out):
    """Write the columns of some parts into `out`, shape (N_FEATURES,), which is zero."""
    day = today.day
    if parts & _OPEN:
        out[0] = account.is_open
    if parts & _WHO:
        out[1] = account.age
        out[2] = account.gender
        out[3] = account.city_tier
        out[4] = account.income_band
        out[5] = account.tenure_days + day
        out[6] = account.limit_fen * 0.01
    if parts & _PERMISSIONS:
        for c in range(N_CHANNELS):
            out[_PERMITTED + c] = account.permitted[c]
        out[_CONSENT] = account.marketing_consent
        out[_CONSENT + 1] = account.personalisation_on
        out[_CONSENT + 2] = account.partner_consent
        out[_CONSENT + 3] = account.sensitive_consent
        out[_CONSENT + 4] = account.tracked
    if parts & _RECENT_CONTACTS:
        _recent_contacts(account, out)
    if parts & _LONGER_CONTACTS:
        out[_MONTH] = account.contacts_28d
    if parts & _SINCE_CONTACT:
        out[_MONTH + 1] = _since(day, account.last_contact_day)
    if parts & _SINCE_CHANNEL:
        _since_by_channel(account, day, out)
    if parts & _CLICKS:
        out[_OPENS] = account.opens_28d
        out[_OPENS + 1] = account.clicks_28d
        out[_SINCE_CLICK] = _since(day, account.last_click_day)
    if parts & _BY_CATEGORY:
        for k in range(N_CATEGORIES):
            out[_CATEGORY_CONTACTS + k] = account.category_contacts_28d[k]
            out[_CATEGORY_CLICKS + k] = account.category_clicks_28d[k]
    if parts & _MONEY:
        out[_BALANCE] = account.instalment_balance_fen * 0.01
        out[_BALANCE + 2] = account.overdue
        out[_BALANCE + 3] = account.complaints
    if parts & (_SPENDING | _BY_CONTEXT | _VISITING | _BUYING | _MONEY):
        _behaviour(account, day, parts, out)
    if parts & _CALENDAR:
        out[_WEEKDAY] = today.weekday
        out[_WEEKDAY + 1] = today.month
        out[_WEEKDAY + 2] = today.is_festival
        out[_WEEKDAY + 3] = today.days_since_payday


@compiled()
def feature_row(account, today, out):
    """Write the observation of one account at the start of `today` into `out`, shape (N_FEATURES,)."""
    out[:] = 0.0
    _fill_parts(account, today, _EVERYTHING, out)


@compiled(nogil=True)
def _fill(accounts, order, today, wanted, parts, lines, out, first, last, row, place):
    """Fill `out`, shape (columns, n), at positions [first, last); `row` and `place` are scratch.

    The view's order stays inside blocks: where a chunk is made of whole ones, its accounts are read in the order in
    which they lie in memory, and their places in the view are looked up.
    """
    place[:] = -1
    found = 0
    for position in range(first, last):
        at = order[position] - first
        if 0 <= at < last - first:
            found += place[at] < 0
            place[at] = position
    is_whole = found == last - first
    for j in range(last - first):
        if is_whole:
            for byte in lines:
                prefetch(accounts, first + j + _AHEAD, byte)
        position = place[j] if is_whole else first + j
        account = accounts[first + j if is_whole else order[position]]
        for column in wanted:
            row[column] = 0.0
        _fill_parts(account, today[0], parts, row)
        for column in range(wanted.size):
            out[column, position] = row[wanted[column]]


def feature_columns(
    accounts: np.ndarray,
    order: np.ndarray,
    today: np.ndarray,
    names: Sequence[str] | None = None,
    threads: int = 1,
) -> np.ndarray:
    """Return the columns `names` (all by default) of every account in view order, shape (columns, n), float32.

    Raises:
        UnknownNameError: a name that is no feature.
    """
    wanted_names = FEATURES if names is None else tuple(names)
    for name in wanted_names:
        if name not in FEATURE_INDEX:
            raise UnknownNameError("feature", name, FEATURES)
    wanted = np.array([FEATURE_INDEX[name] for name in wanted_names], dtype=np.int64)
    parts = _parts_of(wanted)
    lines = _lines_of(parts)
    out = np.empty((wanted.size, order.size), dtype=np.float32)

    def work(_: int, first: int, last: int) -> None:
        row, place = np.zeros(N_FEATURES), np.empty(last - first, dtype=np.int64)
        _fill(accounts, order, today, wanted, parts, lines, out, first, last, row, place)

    in_chunks(order.size, *even_chunks(order.size, threads), work)
    return out
