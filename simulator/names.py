"""The words of the world: every code that a table, a record or a file may hold, and its stable name.

Codes are positions in these tuples. The tuples are append-only: a log written today must read the same next year.
"""

from enum import IntEnum
from typing import Final

CHANNELS: Final = (
    "app_push",
    "in_app",
    "mini_program",
    "sms",
    "email",
    "human_call",
    "ai_call",
    "branch_atm",
    "wecom",
    "third_party",
)
N_CHANNELS: Final = len(CHANNELS)

# The first five are the survey's spending contexts; the others are what a bank sells beside spending.
CATEGORIES: Final = (
    "daily",
    "personal_high_value",
    "household_large",
    "cross_border",
    "business",
    "instalment",
    "card_product",
    "wealth_advice",
)
N_CATEGORIES: Final = len(CATEGORIES)
N_CONTEXTS: Final = 5
SPEND_CONTEXTS: Final = CATEGORIES[:N_CONTEXTS]

SERVICES: Final = (
    "product_recommendation",
    "marketing_communication_style",
    "offer_push",
    "financial_mgmt_spending_advice",
    "search_results_page_ranking",
)
DIMENSIONS: Final = ("information", "guidance", "advice", "care")
DEPTHS: Final = ("generic", "segment", "individual")
SEGMENTS: Final = ("S1", "S2", "S3", "S4", "S5", "S6")
AGE_BANDS: Final = ("18-29", "30-39", "40-54")
GENDERS: Final = ("female", "male")
CITY_TIERS: Final = ("tier1", "new_tier1", "tier2", "tier3_and_below")
INCOME_BANDS: Final = ("lt_10000", "10000_19999", "20000_29999", "30000_49999", "50000_99999", "ge_100000")
SPEND_BANDS: Final = ("lt_5000", "5000_9999", "10000_19999", "20000_29999", "30000_49999", "ge_50000")
TRACKING: Final = ("does_not_block", "partly_blocks", "actively_blocks")

STATUSES: Final = ("delivered", "failed", "blocked", "expired")
RULES: Final = (
    "none",
    "consent",
    "channel_permission",
    "personalisation_off",
    "partner_consent",
    "do_not_contact",
    "quiet_hours",
    "cap_day",
    "cap_week",
    "cap_month",
    "cap_channel",
    "suitability",
    "explanation",
    "budget",
    "unreachable",
    "closed",
    "sensitive_consent",
)
RESPONSES: Final = ("opened", "clicked", "purchased", "organic_purchase")
COMPLAINT_KINDS: Final = ("marketing", "service", "collection")
CONSENT_CHANGES: Final = (
    "channel_opt_out",
    "channel_opt_in",
    "personalisation_off",
    "personalisation_on",
    "marketing_withdrawn",
    "partner_withdrawn",
    "closed_voluntary",
    "closed_default",
    "marketing_given",
)
#: What becomes of a complaint at the desk.
CASE_STEPS: Final = ("opened", "extended", "late", "closed")


class Kind(IntEnum):
    """What a row of the unified event stream is; each kind goes to one table."""

    TRANSACTION = 0
    VISIT = 1
    CONTACT = 2
    RESPONSE = 3
    COMPLAINT = 4
    CONSENT = 5


class Status(IntEnum):
    """What became of an intended contact."""

    DELIVERED = 0
    FAILED = 1
    BLOCKED = 2
    EXPIRED = 3


class Rule(IntEnum):
    """Why a contact was blocked; `NONE` means that it was not."""

    NONE = 0
    CONSENT = 1
    CHANNEL_PERMISSION = 2
    PERSONALISATION_OFF = 3
    PARTNER_CONSENT = 4
    DO_NOT_CONTACT = 5
    QUIET_HOURS = 6
    CAP_DAY = 7
    CAP_WEEK = 8
    CAP_MONTH = 9
    CAP_CHANNEL = 10
    SUITABILITY = 11
    EXPLANATION = 12
    BUDGET = 13
    UNREACHABLE = 14
    CLOSED = 15
    SENSITIVE_CONSENT = 16
