"""The records of what a bank has: offers, channels, and the account, which is all that it may know of a cardholder."""

import numpy as np

from cardarena.simulator.cache_lines import in_lines
from cardarena.simulator.names import N_CATEGORIES, N_CHANNELS, N_CONTEXTS

#: One offer of the catalogue (`offers.yaml`), as the kernels read it.
OFFER = np.dtype(
    [
        ("offer", np.int16),  # code: position in the catalogue
        ("category", np.int8),
        ("service", np.int8),
        ("dimension", np.int8),
        ("is_public", np.int8),  # 1: every buyer in the category gets it; 0: only who was contacted
        ("is_credit", np.int8),  # 1: creates credit (instalments), so it may move total demand
        (
            "needs_explanation",
            np.int8,
        ),  # 1: the decision must be explainable (depth < individual, or explained)
        ("needs_partner_consent", np.int8),  # 1: built on partner data
        ("needs_sensitive_consent", np.int8),  # 1: built on transaction-level or location data
        ("incentive_fen", np.int64),  # subsidy to every taker
        ("merchant_share_ppm", np.int64),  # share of the subsidy that the merchant pays
        ("margin_fen", np.int64),  # fixed margin per take, before subsidy
        (
            "margin_ppm",
            np.int64,
        ),  # margin on the amount, net of funding (interchange comes on top, from economics)
        ("credit_loss_ppm", np.int64),  # expected credit loss on the amount
        ("amount_fen", np.int64),  # median amount of a take
        ("amount_sigma", np.float64),  # sd of its log
        ("mean_amount_fen", np.float64),  # median x exp(sigma^2 / 2)
        ("appeal", np.float64),  # attractiveness of the content, logit units; 0 is an average offer
        ("relevance_off", np.float64),  # in [0, 1]: how relevant it is to somebody without the need
        ("wallet_benefit", np.float64),  # utility added to our card while the benefit is live (30 days)
        ("satisfaction_gain", np.float64),  # added to satisfaction when noticed (care) or taken
        ("min_age", np.int16),
        ("max_age", np.int16),
        ("min_income_band", np.int8),  # of the declared income; -1: none
        ("min_tenure_days", np.int32),
        ("max_utilisation", np.float64),  # suitability: refuse above this use of the limit
        ("excludes_overdue", np.int8),  # 1: not to somebody overdue
        ("contexts", np.uint8),  # bits of the spending contexts it is eligible for; 255: everybody
    ]
)

#: One contact channel (`channels.yaml`), as the kernels read it.
CHANNEL = np.dtype(
    [
        ("channel", np.int8),
        ("cost_mfen", np.int64),  # per attempt
        ("success_cost_mfen", np.int64),  # added when it was noticed (a call that was answered)
        ("p_fail", np.float64),  # technical failure per attempt
        ("delay_median_minutes", np.float64),  # log-normal delivery delay; 0: at once
        ("delay_sigma", np.float64),
        ("p_notice", np.float64),  # noticed (opened, answered) given delivered, at average liking, no load
        ("p_click", np.float64),  # clicked (said yes to hearing more) given noticed, average offer, no need
        ("intrusiveness", np.float64),  # annoyance per irrelevant contact, 1 is an SMS
        ("load", np.float64),  # load per contact, 1 is an SMS
        ("p_opt_out", np.float64),  # per delivered contact, at rest
        ("p_complaint", np.float64),  # per delivered contact, at rest
        ("interest", np.float64),  # purchase interest from a click through this channel, 1 is an app push
        ("quiet_from_minute", np.int16),  # no marketing from here ..
        ("quiet_to_minute", np.int16),  # .. to here (over midnight)
        ("at_visit", np.int8),  # 0: pushed; 1: seen at the next app visit; 2: at the next branch visit
        ("expires_days", np.int16),  # an at-visit contact that was not seen by then lapses
        ("liking", np.int8),  # survey column that its liking follows (see channels.yaml)
        ("is_voice", np.int8),
        ("needs_partner_consent", np.int8),
        ("tracks_open", np.int8),  # 1: the bank sees that it was opened
    ]
)

#: All that a bank may know of one cardholder. Views, observations and `info` are computed from this record alone. What
#: every day reads fills the first four cache lines, what contacts move the next, then what only contacts and purchases
#: read: the caches see only what moves.
ACCOUNT = in_lines(
    [
        # every day
        ("cardholder", np.int32),
        ("last_transaction_day", np.int32),
        ("last_visit_day", np.int32),
        ("last_contact_day", np.int32),
        ("contacts_today", np.int16),
        ("age", np.int16),
        ("is_open", np.int8),
        ("marketing_consent", np.int8),
        ("personalisation_on", np.int8),
        ("partner_consent", np.int8),
        ("sensitive_consent", np.int8),
        ("tracked", np.int8),  # 0: blocks tracking, so app behaviour is not seen; 2: fully seen
        ("overdue", np.int8),
        ("permitted", np.int8, (N_CHANNELS,)),  # reachable and allowed on this channel
        ("gender", np.int8),
        ("city_tier", np.int8),
        ("income_band", np.int8),  # declared
        # behaviour on our card
        ("transactions_28d", np.float64),
        ("spend_28d_fen", np.float64),
        ("spend_112d_fen", np.float64),
        ("margin_28d_fen", np.float64),
        ("context_spend_28d_fen", np.float64, (N_CONTEXTS,)),
        ("visits_28d", np.float64),
        ("instalment_balance_fen", np.float64),
        ("category_purchases_112d", np.float64, (N_CATEGORIES,)),
        (
            "precursor_7d",
            np.float64,
            (N_CATEGORIES,),
        ),  # observable precursors of a need (searches, small related tickets)
        # contact history (marketing)
        ("contacts_28d", np.float64),
        ("opens_28d", np.float64),
        ("clicks_28d", np.float64),
        ("category_contacts_28d", np.float64, (N_CATEGORIES,)),
        ("category_clicks_28d", np.float64, (N_CATEGORIES,)),
        # seldom
        ("limit_fen", np.int64),
        ("last_click_day", np.int32),
        ("tenure_days", np.int32),  # at day 0
        ("refused_day", np.int32, (N_CHANNELS,)),  # day of the refusal, or NEVER
        ("last_purchase_day", np.int32, (N_CATEGORIES,)),
        ("complaints", np.int16),
        ("week_ring", np.int8, (7, N_CHANNELS)),  # contacts delivered by day modulo 7: the exact rolling week
        ("month_ring", np.int8, (30,)),  # contacts delivered by day modulo 30: the exact rolling month
    ]
)

#: Bits of OFFER's `contexts` that mean everybody.
EVERYBODY = 255
#: Day number of something that has not happened.
NEVER = -100_000
