"""The order of a cardholder's day and the rows that it leaves in the log.

The agenda holds what a person means to do, as sorted integers (minute << 16 | rank << 12 | payload): own candidates are
drawn at midnight; they may be dropped later, never moved and never joined by others.
"""

from typing import Final

from numba import njit

from cardarena.simulator.compilation import compiled
from cardarena.simulator.names import Kind

#: Ranks: who goes first within a minute. Append only.
PERMISSION_CHANGE: Final = 0
SERVICE_MESSAGE: Final = 1
CONTACT: Final = 2
VISIT: Final = 3
TRANSACTION: Final = 4
PURCHASE: Final = 5
CLOSURE: Final = 6
BACKGROUND_COMPLAINT: Final = 7

#: Longest agenda of one day: 12 transactions, 3 app visits, 1 branch visit, 8 purchases, a statement, and 5 that are rare.
AGENDA_SIZE: Final = 30
MAX_TRANSACTIONS: Final = 12
#: Rows that one agenda item, and one contact, can leave at most.
ROWS_PER_ITEM: Final = 3
ROWS_PER_CONTACT: Final = 8

#: Own events fall into so many minutes of the day, from this one on.
WAKES: Final = 450
AWAKE: Final = 900

KIND_TRANSACTION: Final = int(Kind.TRANSACTION)
KIND_VISIT: Final = int(Kind.VISIT)
KIND_CONTACT: Final = int(Kind.CONTACT)
KIND_RESPONSE: Final = int(Kind.RESPONSE)
KIND_COMPLAINT: Final = int(Kind.COMPLAINT)
KIND_CONSENT: Final = int(Kind.CONSENT)


@njit(inline="always")
def agenda_item(minute, rank, payload):
    """Pack an agenda entry; sorting the integers sorts by (minute, rank, payload)."""
    return (minute << 16) | (rank << 12) | payload


@compiled(forceinline=True)
def sort_agenda(agenda, n):
    """Sort the first `n` entries in place (insertion sort: they are few and nearly in order)."""
    for i in range(1, n):
        item = agenda[i]
        j = i - 1
        while j >= 0 and agenda[j] > item:
            agenda[j + 1] = agenda[j]
            j -= 1
        agenda[j + 1] = item


@compiled(forceinline=True)
def write_row(rows, n, person, day, minute, kind, code, item):
    """Begin a row for this person and return it; the caller fills what else it has to say."""
    row = rows[n]
    row.day = day
    row.cardholder = person.cardholder
    row.minute = minute
    row.ordinal = person.rows_today
    row.kind = kind
    row.code = code
    row.item = item
    row.channel = -1
    row.offer = -1
    row.depth = -1
    row.rule = 0
    row.noticed = 0
    row.bank = 0
    row.ref_ordinal = -1
    row.ref_day = 0
    row.amount_fen = 0
    row.value_mfen = 0
    row.p_notice_ppb = 0
    row.p_complaint_ppb = 0
    row.p_opt_out_ppb = 0
    person.rows_today += 1
    return row
