"""The one feature function: an account becomes the row that every view and every environment observes.

It receives the account alone, so no latent field can reach a policy. Where the cardholder switched personalisation off,
withdrew the consent to sensitive data, or blocks tracking, the columns that these would feed are zero and the flags say so.
"""

from typing import Final

from cardarena.simulator.names import CATEGORIES, CHANNELS, SPEND_CONTEXTS

#: Names of the columns, in order. `days_since_*` are capped at 400; money is in CNY.
FEATURES: Final = (
    # who
    "is_open",
    "age",
    "is_male",
    "city_tier",
    "income_band",
    "tenure_days",
    "limit_cny",
    # permissions
    *(f"permitted_{name}" for name in CHANNELS),
    "marketing_consent",
    "personalisation_on",
    "partner_consent",
    "sensitive_consent",
    "tracked",
    # contact history
    "contacts_today",
    "contacts_7d",
    *(f"contacts_7d_{name}" for name in CHANNELS),
    "contacts_28d",
    "days_since_contact",
    *(f"category_contacts_28d_{name}" for name in CATEGORIES),
    "opens_28d",
    "clicks_28d",
    *(f"category_clicks_28d_{name}" for name in CATEGORIES),
    "days_since_click",
    # behaviour on our card (zero and flagged where it may not be used)
    "behaviour_missing",
    "recency_days",
    "transactions_28d",
    "spend_28d_cny",
    "spend_112d_cny",
    "spend_trend",
    *(f"context_spend_28d_{name}_cny" for name in SPEND_CONTEXTS),
    "visits_missing",
    "visits_28d",
    "days_since_visit",
    *(f"category_purchases_112d_{name}" for name in CATEGORIES),
    *(f"days_since_purchase_{name}" for name in CATEGORIES),
    *(f"precursor_7d_{name}" for name in CATEGORIES),
    "instalment_balance_cny",
    "utilisation",
    "overdue",
    "complaints",
    "margin_28d_cny",
    # calendar (the same for everybody)
    "weekday",
    "month",
    "is_festival",
    "days_since_payday",
)
N_FEATURES: Final = len(FEATURES)
FEATURE_INDEX: Final = {name: j for j, name in enumerate(FEATURES)}
