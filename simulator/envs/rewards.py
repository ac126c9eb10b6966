"""The reward as a named sum, and the costs that a bank sees: names, forms, and how a day's rows are counted into them."""

from typing import Final

from cardarena.simulator.bank.records import NEVER
from cardarena.simulator.behaviour.events import (
    KIND_COMPLAINT,
    KIND_CONSENT,
    KIND_CONTACT,
    KIND_RESPONSE,
    KIND_TRANSACTION,
)
from cardarena.simulator.compilation import compiled
from cardarena.simulator.errors import UnknownNameError
from cardarena.simulator.names import CONSENT_CHANGES, RESPONSES, Rule, Status

#: Terms of the reward, CNY. Every form has all of them; what a form does not use is zero.
TERMS: Final = (
    "spending",  # interchange and revolving margin on transactions
    "purchases",  # margin of purchases, subsidies taken off
    "contact_cost",  # attempts, talks, blocked requests, fines
    "complaints",
    "defaults",
    "contact_price",  # the shadow price of each contact that went out
    "attributed",  # margin of purchases after a contact, whole
    "expected",  # conditional expectation of the day's margin
    "twin",  # the same of the silent twin, taken off
    "terminal",  # what the account is worth when the horizon cuts the journey
)
#: What a bank sees of what the episode's contacts cost, counted.
COSTS: Final = ("over_cap", "unsubscribes", "off_switches", "complaints", "blocked")

#: gross: the realised margin. attributed: what banks credit a contact with, biased. paired: privileged, the expectation less
#: that of a twin with the same luck whom nobody contacts.
FORMS: Final = ("gross", "attributed", "paired")
GROSS: Final = 0
ATTRIBUTED: Final = 1
PAIRED: Final = 2

#: The terms that each form uses.
USED: Final = {
    "gross": (
        "spending",
        "purchases",
        "contact_cost",
        "complaints",
        "defaults",
        "contact_price",
        "terminal",
    ),
    "attributed": ("contact_cost", "contact_price", "attributed", "terminal"),
    "paired": ("contact_price", "expected", "twin", "terminal"),
}

#: A purchase so many days after a delivered contact is credited to it.
ATTRIBUTION_DAYS: Final = 14

SPENDING: Final = TERMS.index("spending")
PURCHASES: Final = TERMS.index("purchases")
CONTACT_COST: Final = TERMS.index("contact_cost")
COMPLAINTS: Final = TERMS.index("complaints")
DEFAULTS: Final = TERMS.index("defaults")
CONTACT_PRICE: Final = TERMS.index("contact_price")
CREDITED: Final = TERMS.index("attributed")
EXPECTED: Final = TERMS.index("expected")
TWIN: Final = TERMS.index("twin")
TERMINAL: Final = TERMS.index("terminal")

_OVER_CAP: Final = COSTS.index("over_cap")
_UNSUBSCRIBES: Final = COSTS.index("unsubscribes")
_OFF_SWITCHES: Final = COSTS.index("off_switches")
_COMPLAINED: Final = COSTS.index("complaints")
BLOCKED: Final = COSTS.index("blocked")

_CNY: Final = 1e-5  # a milli-fen
_FIRST_CAP: Final = int(Rule.CAP_DAY)
_LAST_CAP: Final = int(Rule.CAP_CHANNEL)
_STATUS_DELIVERED: Final = int(Status.DELIVERED)
_STATUS_BLOCKED: Final = int(Status.BLOCKED)
_BOUGHT: Final = RESPONSES.index("purchased")
_OPT_OUT: Final = CONSENT_CHANGES.index("channel_opt_out")
_OFF: Final = CONSENT_CHANGES.index("personalisation_off")


def form_code(name: str) -> int:
    """Return the code of a form of the reward.

    Raises:
        UnknownNameError: no such form.
    """
    if name not in FORMS:
        raise UnknownNameError("reward form", name, FORMS)
    return FORMS.index(name)


@compiled(forceinline=True)
def tally(rows, first, last, form, weight, touch_day, terms, costs, i):
    """Count the rows of one day into the terms and costs of slot `i`.

    What a contact caused that was decided before the episode is no cost of it.

    Args:
        rows: EVENT records; those from `first` to before `last` are the day's.
        first: first of them.
        last: behind the last of them.
        form: code of the form.
        weight: discount of the day within the step.
        touch_day: day of the episode's last delivered contact before today, or NEVER.
        terms: CNY, shape (terms, slots).
        costs: counts, shape (costs, slots).
        i: slot.

    Returns:
        The day of the episode's last delivered contact.
    """
    scale = weight * _CNY
    for r in range(first, last):
        row = rows[r]
        kind = row.kind
        # Rows that no contact caused refer to day 0.
        is_own = row.ref_day >= 0
        if kind == KIND_TRANSACTION:
            if form == GROSS:
                terms[SPENDING, i] += scale * row.value_mfen
        elif kind == KIND_RESPONSE:
            if row.code < _BOUGHT:
                continue
            if form == GROSS:
                terms[PURCHASES, i] += scale * row.value_mfen
            elif form == ATTRIBUTED and row.day - touch_day <= ATTRIBUTION_DAYS:
                terms[CREDITED, i] += scale * row.value_mfen
        elif kind == KIND_CONTACT:
            if not is_own:
                continue
            if form != PAIRED:
                terms[CONTACT_COST, i] += scale * row.value_mfen
            if row.code == _STATUS_DELIVERED:
                touch_day = row.day
            elif row.code == _STATUS_BLOCKED:
                costs[BLOCKED, i] += 1
                if _FIRST_CAP <= row.rule <= _LAST_CAP:
                    costs[_OVER_CAP, i] += 1
        elif kind == KIND_COMPLAINT:
            if form == GROSS:
                terms[COMPLAINTS, i] += scale * row.value_mfen
            if row.code == 0 and is_own:
                costs[_COMPLAINED, i] += 1
        elif kind == KIND_CONSENT:
            if form == GROSS:
                terms[DEFAULTS, i] += scale * row.value_mfen
            if row.code == _OPT_OUT and is_own:
                costs[_UNSUBSCRIBES, i] += 1
            elif row.code == _OFF and is_own:
                costs[_OFF_SWITCHES, i] += 1
    return touch_day


#: Before any contact of the episode.
NO_TOUCH: Final = NEVER
