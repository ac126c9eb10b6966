"""What the columns of the feature function are: names, units and meanings, in their order."""

from typing import Final, NamedTuple

from cardarena.simulator.names import CATEGORIES, CHANNELS, SPEND_CONTEXTS


class Column(NamedTuple):
    """One column of an observation or a view."""

    name: str
    unit: str  # empty for counts, codes and shares; "flag" is 0 or 1
    meaning: str


FEATURE_TABLE: Final = (
    # who
    Column("is_open", "flag", "the account is open"),
    Column("age", "years", "age"),
    Column("is_male", "flag", "male"),
    Column("city_tier", "", "tier of the city, 0 (first) to 3 (third and below)"),
    Column("income_band", "", "band of the household's declared income, 0 (lowest) to 5"),
    Column("tenure_days", "days", "since the account was opened"),
    Column("limit_cny", "CNY", "credit limit"),
    # permissions
    *(Column(f"permitted_{name}", "flag", f"may be contacted by {name}") for name in CHANNELS),
    Column("marketing_consent", "flag", "consents to marketing"),
    Column("personalisation_on", "flag", "has not switched personalisation off"),
    Column("partner_consent", "flag", "consents to the use of partners' data"),
    Column("sensitive_consent", "flag", "consents to the use of sensitive data: spending by context"),
    Column("tracked", "", "tracking in the app: 0 blocked, 1 partly seen, 2 seen"),
    # contact history
    Column("contacts_today", "", "contacts delivered today"),
    Column("contacts_7d", "", "contacts in the last seven days"),
    *(Column(f"contacts_7d_{name}", "", f"of them by {name}") for name in CHANNELS),
    Column("contacts_28d", "", "contacts, fading by 1/28 a day"),
    Column("days_since_contact", "days", "since the last contact"),
    *(
        Column(
            f"days_since_contact_{name}",
            "days",
            f"since the last contact by {name}; 7: none in the last seven days, as far back as a channel's cap looks",
        )
        for name in CHANNELS
    ),
    *(
        Column(f"category_contacts_28d_{name}", "", f"contacts about {name}, fading by 1/28 a day")
        for name in CATEGORIES
    ),
    Column("opens_28d", "", "contacts opened, fading by 1/28 a day"),
    Column("clicks_28d", "", "contacts clicked, fading by 1/28 a day"),
    *(
        Column(f"category_clicks_28d_{name}", "", f"clicks about {name}, fading by 1/28 a day")
        for name in CATEGORIES
    ),
    Column("days_since_click", "days", "since the last click"),
    # behaviour on our card (zero and flagged where it may not be used)
    Column("behaviour_missing", "flag", "behaviour may not be used: personalisation is off"),
    Column("recency_days", "days", "since the last transaction"),
    Column("transactions_28d", "", "transactions, fading by 1/28 a day"),
    Column("spend_28d_cny", "CNY", "spending, fading by 1/28 a day"),
    Column("spend_112d_cny", "CNY", "spending, fading by 1/112 a day"),
    Column("spend_trend", "", "four times the former over the latter: about 1 where spending is steady"),
    *(
        Column(f"context_spend_28d_{name}_cny", "CNY", f"spending on {name}, fading by 1/28 a day")
        for name in SPEND_CONTEXTS
    ),
    Column("visits_missing", "flag", "visits are not seen: tracking is blocked, or personalisation off"),
    Column("visits_28d", "", "visits to the app, fading by 1/28 a day"),
    Column("days_since_visit", "days", "since the last visit"),
    *(
        Column(f"category_purchases_112d_{name}", "", f"purchases of {name}, fading by 1/112 a day")
        for name in CATEGORIES
    ),
    *(
        Column(f"days_since_purchase_{name}", "days", f"since the last purchase of {name}")
        for name in CATEGORIES
    ),
    *(
        Column(f"precursor_7d_{name}", "", f"signs of a need of {name}, true or false, fading by 1/7 a day")
        for name in CATEGORIES
    ),
    Column("instalment_balance_cny", "CNY", "owed in instalments"),
    Column("utilisation", "", "`spend_28d_cny` over the limit"),
    Column("overdue", "flag", "a statement is overdue"),
    Column("complaints", "", "complaints so far"),
    Column("margin_28d_cny", "CNY", "margin earned, fading by 1/28 a day"),
    # calendar (the same for everybody)
    Column("weekday", "", "0 is Monday"),
    Column("month", "", "1 to 12"),
    Column("is_festival", "flag", "a festival or a day of sales"),
    Column("days_since_payday", "days", "since pay day"),
)
