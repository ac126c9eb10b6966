"""The behavioural parameters, each once: name, value, unit, source. Kernels get them as one record.

`assumed` is said where no figure was found. Survey = Mastercard/Forrester survey of 524 Chinese credit-card holders, 2022.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cardarena.simulator.errors import CardArenaError, UnknownNameError
from cardarena.simulator.names import CATEGORIES


@dataclass(frozen=True)
class Parameter:
    """One number of the model, or one row of numbers by channel, category or context."""

    name: str
    value: float | tuple[float, ...]
    unit: str
    source: str
    meaning: str


_P = Parameter
_UCI = "UCI Bank Marketing, 45,211 clients (sale hazard by contact number)"
_META = "Meta 2022, (N+1)^-0.43"
_SE = "Schmidt & Eisend 2015, doi 10.1080/00913367.2015.1018460"

PARAMETERS: Final[tuple[Parameter, ...]] = (
    # --- attention and fatigue
    _P("load_keep", 0.85, "per day", "assumed: load halves in about four days", "share of the contact load left after a night"),
    _P("load_spill", 0.5, "share", "assumed", "how much load on other channels counts on this one"),
    _P("attention_power", 1.0, "exponent", "Hill; opens fall by 42 % above 3 pushes a day (trade article)", "steepness of attention against load over tolerance"),
    _P("attention_form", 0.0, "0 or 1", "assumed: the structural variant of the model", "0: attention falls as a Hill function; 1: as an exponential, milder on light load and harder on heavy"),
    _P("service_message_load", 0.3, "load", "assumed", "load of one service message"),
    _P("blindness_keep", 0.995, "per day", "assumed: fades over months", "share of the blindness to the sender left after a night"),
    _P("blindness_gain", 0.025, "per notice", f"fitted to D1; {_UCI}", "blindness added by a noticed, irrelevant contact"),
    _P("blindness_relief", 0.10, "share", "assumed", "share of blindness removed by a noticed, relevant contact"),
    _P("wear_keep", 0.97, "per day", "assumed: the creative recovers in a month", "share of creative wear left after a night unseen"),
    _P("wear_exponent", 0.43, "exponent", _META, "clicks are multiplied by (1 + wear)^-exponent"),
    _P("annoyance_keep", 0.968, "per day", "assumed: half-life three weeks", "share of annoyance left after a night"),
    _P("annoyance_irrelevance", 0.093, "per contact", f"fitted to D1, D5, D6 (1 cancels full awareness, {_SE}); 68 % tag poorly matched bank SMS as nuisance", "annoyance of an irrelevant contact of intrusiveness 1"),
    _P("annoyance_overload", 0.04, "per contact", "fitted to D5, D6, D10; Localytics 2017 (stated disable intentions as ceiling)", "annoyance of a contact of intrusiveness 1 when the load has taken all attention"),
    _P("annoyance_unnoticed", 0.20, "share", "assumed", "share of the annoyance that a delivered but unnoticed contact gives"),
    _P("annoyance_overpersonal", 0.04, "per contact", "assumed", "annoyance per unit of over-personalisation"),
    _P("awareness_keep", 0.985, "per day", f"assumed: decays over months; {_SE}", "share of awareness left after a night"),
    _P("awareness_gain", 0.16, "share", f"{_SE}: attitude peaks near ten exposures", "share of the missing awareness that one noticed contact fills"),
    _P("moment_minutes", 240.0, "minutes", "assumed; median time to open a push 48 min (Leanplum)", "how fast the edge of a triggering event fades"),
    _P("moment_gain", 0.7, "logit", "Batch 2025: triggered opens are 3.4 times generic", "click logit added right after an own event of the same context"),
    _P("moment_notice", 2.4, "odds", "targets C4, C5; Batch 2025: triggered pushes are opened 3.4 times as often", "odds of notice added right after an own event"),
    _P("need_notice", 2.0, "odds", "targets C4, C5", "odds of notice added while the need is on; half of it during a precursor"),
    # --- click
    _P("click_need_on", 1.9, "logit", "Hillstrom targeting; seed: recommender +20 %", "click logit added while the need is on"),
    _P("click_need_precursor", 0.9, "logit", "assumed", "click logit added during a precursor, true or false"),
    _P("click_awareness", 0.5, "logit", _SE, "click logit of full awareness while the need is on"),
    _P("click_incentive", 0.30, "logit", "PYMNTS 2024: 40 % ever used a card-linked offer", "click logit per log(1 + incentive / 10 CNY) at full deal-proneness"),
    _P("click_trust", 0.8, "logit", "assumed", "click logit per unit of trust above one half"),
    _P("click_annoyance", 1.4, "logit", "assumed", "click logit lost per unit of annoyance"),
    _P("click_personal_gain", 0.7, "logit", "Alibaba 2024 (-75 % clicks without personal data) as upper bound", "click logit of full depth at full personalisation need"),
    _P("click_personal_loss", 3.5, "logit", "assumed convex penalty", "click logit lost per squared depth beyond the privacy limit"),
    _P("click_service_liking", 0.6, "logit", "survey, services by liking", "click logit per log of the service's liking"),
    _P("click_shift", -0.15, "logit", "fitted to C1, C6, C8", "shift that makes the population's clicks meet the channel's table"),
    _P("privacy_trust", 0.25, "depth", "assumed", "privacy limit gained per unit of trust above one half"),
    _P("privacy_consent", 0.08, "depth", "assumed", "privacy limit gained by consent to sensitive data"),
    _P("blocked_depth", 0.4, "share", "survey: 40 % block tracking", "share of the personalisation gain left where tracking is blocked"),
    # --- need and purchase
    _P("need_rate", (0.010, 0.0045, 0.0022, 0.0035, 0.004, 0.0120, 0.0016, 0.0014), "per day",
       "assumed; survey usage of contexts", "hazard of a need beginning (false precursors as many again), by category"),
    _P("precursor_days", 6.0, "days", "seed 004: needs forecast 7-30 days ahead", "mean length of the precursor"),
    _P("need_days", 18.0, "days", "seed 004: 7-30 days", "mean length of the need, before it is cut at 30 days"),
    _P("false_share", 0.5, "share", "assumed: demand is forecastable, and not trivially", "share of precursors that lead to nothing"),
    _P("precursor_signal", 0.35, "per day", "assumed", "chance that a precursor or a need leaves an observable trace on a day"),
    _P("precursor_noise", 0.015, "per day", "assumed", "chance of such a trace without any need"),
    _P("purchase_rate", (0.10, 0.06, 0.04, 0.05, 0.06, 0.080, 0.02, 0.015), "per day", "assumed", "organic purchase hazard while the need is on, by category"),
    _P("contact_rate", (0.18, 0.11, 0.075, 0.10, 0.10, 0.075, 0.055, 0.05), "per interest", "fitted to C1, C6, C11, E16", "purchase hazard per unit of interest while the need is on, by category"),
    _P("interest_off", 0.06, "share", "assumed", "how much of the interest acts while the need is off"),
    _P("interest_keep", 0.72, "per day", "assumed: two thirds of the effect within three days", "share of interest left after a night"),
    _P("interest_click", 2.2, "interest", "fitted to C6, C11", "interest of a click through an app push"),
    _P("interest_notice", 0.12, "interest", "assumed", "interest of a notice without a click"),
    _P("redeem_days", 14.0, "days", "assumed", "how long a contact-only offer can be redeemed"),
    _P("interest_stress", 0.8, "share", "assumed", "added instalment hazard under credit stress"),
    # --- spending
    _P("ticket_median_cny", (70.0, 420.0, 900.0, 380.0, 260.0), "CNY", "PBoC mean ticket 373-603, by context assumed", "median ticket by context"),
    _P("ticket_sigma", 0.98, "log", "target E3: pooled sd of the log ticket 1.0-1.4", "sd of the log ticket within a context"),
    _P("context_weight", (10.0, 1.6, 0.5, 1.0, 1.2), "weight", "assumed; survey usage of contexts", "frequency of a context among those who use it"),
    _P("transactions_month", 20.0, "per month", "targets E3, E4: 6-30 transactions, survey tickets above PBoC's", "transactions over all cards at a spend of 15,000 CNY a month"),
    _P("transactions_elasticity", 0.45, "exponent", "assumed: who spends more buys more often and dearer", "growth of transactions with spend"),
    _P("visit_rate", 0.22, "per day", "ICBC 44 % monthly active of registered", "app visits a day of an average app user"),
    _P("branch_rate", 0.010, "per day", "assumed", "branch or ATM visits a day"),
    # --- wallet
    _P("wallet_lag_days", 28.0, "days", "assumed: weeks", "time constant with which the wallet follows its target"),
    _P("wallet_satisfaction", 1.6, "utility", "survey: 47 % would use the card more", "utility per unit of satisfaction above home"),
    _P("wallet_trust", 0.6, "utility", "assumed", "utility per unit of trust above home"),
    _P("wallet_annoyance", 0.08, "utility", "fitted to D6", "utility lost per unit of annoyance"),
    _P("benefit_keep", 0.967, "per day", "assumed: a benefit lives a month", "share of the live benefit left after a night"),
    # --- satisfaction and trust
    _P("satisfaction_return", 0.014, "per day", "assumed: months", "share of the way home that satisfaction goes in a night"),
    _P("trust_return", 0.008, "per day", "assumed: months", "share of the way home that trust goes in a night"),
    _P("satisfaction_relevant", 0.006, "per notice", "assumed", "satisfaction of a noticed, relevant contact"),
    _P("gratitude", 0.02, "per notice", "target D6: repurchase is highest near 3 calls, 3-4 e-mails a quarter (Godfrey, Seiders & Voss 2011)", "satisfaction of the first message that is noticed after a long silence"),
    _P("ideal_contacts", 0.27, "in 28 days per tolerance", "target D6 (Godfrey, Seiders & Voss 2011)", "contacts in 28 days per unit of tolerance, at average liking of the channel, beyond which each one costs satisfaction"),
    _P("satisfaction_annoyed", 0.005, "per annoyance", "losses weigh about twice gains", "satisfaction lost per unit of annoyance caused"),
    _P("satisfaction_purchase", 0.010, "per purchase", "assumed", "satisfaction of a redeemed offer"),
    _P("trust_overpersonal", 0.05, "per contact", "assumed", "trust lost per unit of over-personalisation"),
    # --- refusal, complaint, closure
    _P("opt_out_annoyance", 2.0, "log hazard", "fitted to C7, C9, D10; Klaviyo unsubscribe bands", "log opt-out hazard per unit of annoyance"),
    _P("opt_out_irrelevance", 0.5, "log hazard", "assumed", "log opt-out hazard of irrelevance"),
    _P("opt_in_rate", 0.02, "per visit", "assumed", "chance at a satisfied visit to be asked about one channel, drawn evenly, which is won back if it was refused"),
    _P("consent_rate", 0.12, "per visit", "assumed; push opt-in 45-70 % of app users comes within weeks", "chance at a satisfied visit that somebody willing gives the consent which was never asked"),
    _P("personal_off_rate", 0.03, "per contact", "unconfirmed: 1-15 % switch it off", "chance per unit of over-personalisation to switch personalisation off"),
    _P("complaint_power", 2.0, "exponent", "shape: complaints grow faster than volume", "complaint hazard is multiplied by (1 + complaint_annoyance x annoyance)^power"),
    _P("complaint_annoyance", 7.5, "per annoyance", "shape: complaints grow faster than volume", "how much a unit of annoyance weighs in it"),
    _P("complaint_refused", 6.0, "factor", "assumed", "complaint hazard after an ignored refusal"),
    _P("complaint_service", 7.0e-6, "per day", "target F2: 0.0005 per holder-month, all kinds", "background hazard of a service or fee complaint"),
    _P("complaint_collection", 1.5e-4, "per day", "12321 statistics: most are about collection", "hazard of a collection complaint while overdue"),
    _P("complaint_satisfaction", 0.05, "satisfaction", "assumed", "satisfaction lost by a complaint"),
    _P("closure_rate", 1.3e-4, "per day", "target E10: voluntary attrition 4-9 % a year", "closure hazard of an active, content holder"),
    _P("closure_idle", 0.27, "per 90 days", "target E10; an inactive card is likelier to be closed", "closure hazard added per 90 idle days (capped at a year)"),
    _P("closure_annoyance", 1.0, "log hazard", "Localytics: 22-32 % would stop using the app (ceiling)", "log closure hazard per unit of annoyance"),
    _P("closure_satisfaction", 2.0, "log hazard", "assumed", "log closure hazard lost per unit of satisfaction above 0.6"),
    _P("closure_wake", 0.004, "per notice", "assumed: inertia broken", "chance that a noticed message makes a holder idle for 90 days close"),
    # --- credit
    _P("stress_rate", 2.0e-4, "per day", "target E9: 1.4 % of the balance half-year overdue", "hazard of credit stress"),
    _P("stress_days", 270.0, "days", "assumed", "mean length of credit stress"),
    _P("overdue_share", 0.39, "share", "target E9", "share of stressed holders who fall into arrears"),
    _P("need_stress", 3.0, "factor", "assumed: credit stress raises the wish for instalments", "hazard of an instalment need under stress"),
    _P("default_rate", 2.0e-3, "per day", "target E9, E10", "hazard of default of a holder in arrears, from half a year under stress on"),
    _P("stress_loss", 3.0, "factor", "assumed", "expected credit loss under stress"),
    # --- worth of a permission
    _P("permission_value_cny", (2.0, 1.2, 0.8, 2.5, 0.8, 3.0, 1.0, 0.5, 4.0, 1.0), "CNY a year", "assumed: about a tenth of a channel's yearly margin", "worth of one reachable opt-in, by channel"),
    # --- word of mouth (a scenario switch)
    _P("word_of_mouth", 0.02, "per day", "assumed; off by default", "pull of yesterday's neighbours on satisfaction"),
)  # fmt: skip

PARAMETER: Final = np.dtype(
    [
        (p.name, np.float64, (len(p.value),)) if isinstance(p.value, tuple) else (p.name, np.float64)
        for p in PARAMETERS
    ]
)
_BY_NAME: Final = {p.name: p for p in PARAMETERS}


def parameter_names() -> tuple[str, ...]:
    """Return the names of all behavioural parameters."""
    return tuple(_BY_NAME)


def parameter_record(overrides: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> np.ndarray:
    """Return the parameters as an array of one record, with `overrides` put in place.

    A single number for a parameter that goes by channel, category or context multiplies nothing: it replaces every
    entry. A mapping `{"travel": 0.1}`-like by category name replaces the named entries of a category parameter.

    Raises:
        UnknownNameError: an override that is no parameter.
        CardArenaError: a value of the wrong shape, or not finite.
    """
    record = np.zeros(1, dtype=PARAMETER)
    for p in PARAMETERS:
        record[p.name][0] = p.value
    for name, value in dict(overrides).items():
        if name not in _BY_NAME:
            raise UnknownNameError("parameter", name, _BY_NAME)
        if isinstance(value, Mapping):
            for key, entry in value.items():
                if key not in CATEGORIES:
                    raise UnknownNameError("category", str(key), CATEGORIES)
                record[name][0][CATEGORIES.index(key)] = entry
        else:
            try:
                record[name][0] = value
            except (TypeError, ValueError) as error:
                raise CardArenaError(f"parameter {name!r}: {error}") from None
        if not np.all(np.isfinite(record[name])):
            raise CardArenaError(f"parameter {name!r}: expected finite numbers, found {value!r}")
    return record
