"""The latent record of a cardholder: traits that matter every day, and stocks that move. No view ever receives it.

States of a person: open (`alive` 1) -> closed (`alive` 0), once and for ever.
States of a need, per category: off -> precursor (true or false) -> on -> off; see `behaviour.needs`.
"""

from typing import Final

import numpy as np

from cardarena.simulator.bank.records import NEVER
from cardarena.simulator.cache_lines import in_lines, zeros
from cardarena.simulator.names import CATEGORIES, N_CATEGORIES, N_CHANNELS, N_CONTEXTS

#: The category whose need and purchases credit stress raises.
CREDIT_CATEGORY: Final = CATEGORIES.index("instalment")

NEED_OFF: Final = 0
NEED_PRECURSOR: Final = 1
NEED_FALSE_PRECURSOR: Final = 2
NEED_ON: Final = 3

#: One cardholder's latent truth. Stocks are in their own units; see docs of `behaviour.parameters`. What every day reads
#: fills the first five cache lines, what a use of the card, a need or interest brings the next ones, and what only a
#: contact reads the last: the caches see only what moves.
PERSON = in_lines(
    [
        # every day: counters
        ("cardholder", np.int32),
        ("idle_days", np.int32),  # since the last own use of our card
        (
            "stirred",
            np.int16,
        ),  # bit k set: category k has a need, interest, or a hazard today; the others rest
        ("stress_left", np.int16),  # days of credit stress left; 0: none
        ("stress_days", np.int16),  # days under stress so far
        ("rows_today", np.int16),
        ("alive", np.int8),
        ("last_event_context", np.int8),
        ("willing_consent", np.int8),  # would consent to marketing when asked
        ("segment", np.int8),
        # every day: traits (vectors of traits in float32: they never change, and a million people are to fit into
        # little memory)
        ("context_share", np.float32, (N_CONTEXTS,)),  # share of transactions by context, sums to 1
        ("need_scale", np.float32, (N_CATEGORIES,)),  # multiplies the hazard of a need
        ("transaction_rate", np.float64),  # a day, all cards, an average day
        ("mean_ticket_scale", np.float64),  # mean ticket in fen over the context's median in CNY
        ("visit_rate", np.float64),  # app visits a day
        ("branch_rate", np.float64),  # branch visits a day
        ("vulnerability", np.float64),
        # every day: stocks and the traits that move them
        ("satisfaction", np.float64),
        ("satisfaction_home", np.float64),
        ("trust", np.float64),
        ("trust_home", np.float64),
        ("wallet", np.float64),
        ("wallet_home", np.float64),
        ("benefit", np.float64),  # live benefit of our card, utility units
        ("annoyance", np.float64),
        ("tolerance", np.float64),  # load at which attention halves
        ("load", np.float64, (N_CHANNELS,)),
        # every day: sums of the day; reset at midnight
        ("expected_mfen", np.int64),  # conditional expectation of the day's margin
        ("expected_complaint_ppb", np.int64, (3,)),
        ("expected_opt_out_ppb", np.int64),
        ("own_spend_fen", np.int64),
        ("all_spend_fen", np.int64),
        # on a use of the card
        ("last_event_minute", np.int64),  # absolute minute of the last own event
        ("ticket_scale", np.float64),  # multiplies the median ticket of every context
        # while a category is stirred
        ("need", np.int8, (N_CATEGORIES,)),
        ("bought_today", np.int8, (N_CATEGORIES,)),
        ("need_left", np.int16, (N_CATEGORIES,)),  # days left in the present state of the need
        ("live_offer", np.int16, (N_CATEGORIES,)),  # contact-only offer that may be redeemed, or -1
        ("interest", np.float64, (N_CATEGORIES,)),
        # while it may be bought in
        ("hazard_today", np.float64, (N_CATEGORIES,)),  # purchase hazard already on the day's uniform
        (
            "planned_today",
            np.float64,
            (N_CATEGORIES,),
        ),  # probability of the purchase that was drawn at midnight
        ("planned_margin_mfen", np.float64, (N_CATEGORIES,)),  # its expected margin, on midnight's terms
        ("live_until", np.int32, (N_CATEGORIES,)),
        # on a contact
        ("blindness", np.float64),
        ("wear", np.float64, (N_CATEGORIES,)),
        ("awareness", np.float64, (N_CATEGORIES,)),
        ("theta", np.float64),  # response frailty, mean 1
        ("privacy_limit", np.float64),
        ("personalisation_need", np.float64),
        ("deal_proneness", np.float64),
        ("concern", np.float64),
        ("liking", np.float32, (N_CHANNELS,)),
        ("service_liking", np.float32, (5,)),
        ("delivered_today", np.int16, (N_CHANNELS,)),
        ("willing", np.int8, (N_CHANNELS,)),  # would permit these channels when asked at a satisfied visit
        ("cards", np.int8),
    ]
)


def new_people(n: int) -> np.ndarray:
    """Return `n` zeroed person records with nothing yet in their past."""
    people = zeros(n, PERSON)
    people["live_offer"] = -1
    people["last_event_minute"] = NEVER * 1440
    people["last_event_context"] = -1
    return people
