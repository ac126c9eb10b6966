"""The record of who a cardholder is. The dtype is the schema: a population is an array of these records."""

import numpy as np

from cardarena.simulator.names import N_CHANNELS

#: One cardholder's fixed traits. Demographics are codes into the tuples of `cardarena.simulator.names`.
TRAITS = np.dtype(
    [
        ("cardholder", np.int64),  # id, 0 .. N-1; with the seed it determines every other field
        ("age", np.int16),  # years, 18-54 in both modes: the survey has no band above
        ("age_band", np.int8),
        ("gender", np.int8),
        ("city_tier", np.int8),
        ("income_band", np.int8),  # household income a month
        ("income_fen", np.int64),  # household income a month, fen
        ("cards_held", np.int8),  # credit cards over all banks, 1-6
        ("monthly_spend_fen", np.int64),  # expected spend a month over all cards, fen
        ("contexts", np.uint8),  # bit k set: uses spending context k (names.SPEND_CONTEXTS)
        ("segment", np.int8),  # privacy segment S1..S6 as 0..5
        ("blocks_tracking", np.int8),  # names.TRACKING
        ("refuses_secondary_use", np.int8),  # 0/1
        ("shares_no_preferences", np.int8),  # 0/1
        ("privacy_concern", np.float64),  # latent, standard normal; high = concerned
        ("personalisation_need", np.float64),  # in (0, 1)
        ("privacy_limit", np.float64),  # depth in (0, 1) beyond which personalisation repels
        (
            "channel_liking",
            np.float64,
            (N_CHANNELS,),
        ),  # multipliers; means 0.6 .. 1.4 in the survey's order
        ("service_liking", np.float64, (5,)),  # multipliers by names.SERVICES
        ("response_frailty", np.float64),  # gamma, mean 1: how readily this person responds and buys
        (
            "frequency_tolerance",
            np.float64,
        ),  # log-normal; load (SMS-equivalents a week) that halves attention
        ("deal_proneness", np.float64),  # in (0, 1)
        ("activity_frailty", np.float64),  # gamma, mean 1: over-dispersion of transactions and visits
        ("credit_vulnerability", np.float64),  # gamma, mean 1: hazard of credit stress
        (
            "satisfaction_home",
            np.float64,
        ),  # in (0, 1): where satisfaction drifts back to; very satisfied above 0.75
        ("trust_home", np.float64),  # in (0, 1)
        (
            "wallet_home",
            np.float64,
        ),  # in (0, 1]: our card's share of this person's spend at rest; 1 if one card
        ("tenure_days", np.int32),  # days since the account was opened at the start date
        ("credit_limit_fen", np.int64),
        ("is_dormant", np.int8),  # 0/1: inactive at the start (population mode; never in survey mode)
        ("has_app", np.int8),  # 0/1 flags from here on: reachability and initial permissions
        ("push_permitted", np.int8),
        ("sms_permitted", np.int8),
        ("email_permitted", np.int8),
        ("call_permitted", np.int8),
        ("wecom_friend", np.int8),
        ("third_party_linked", np.int8),
        ("mini_program_user", np.int8),
        ("marketing_consent", np.int8),
        ("personalisation_on", np.int8),
        ("partner_consent", np.int8),
        ("sensitive_consent", np.int8),
    ]
)
