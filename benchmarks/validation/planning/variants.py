"""The worlds of the experiment: the base, its identity and placebo controls, and one mechanism switched off at a time."""

from dataclasses import dataclass, field
from typing import Any, Final

from cardarena.simulator.names import CHANNELS

#: Placements wait for a visit, which is a coupling through time of its own.
_PLACED: Final = ("in_app", "mini_program", "branch_atm")
_NO_EXITS: Final[dict[str, Any]] = {f"channels.{name}.p_opt_out": 0.0 for name in CHANNELS}
_NO_CAPS: Final[dict[str, Any]] = {
    "compliance.caps.week": None,
    "compliance.caps.month": None,
    **{f"compliance.caps.channel_week.{name}": 7 for name in CHANNELS},
}
_QUIET: Final = {"annoyance_irrelevance": 0.0, "annoyance_overload": 0.0, "annoyance_overpersonal": 0.0}
_NO_CLOSURE: Final = {"closure_wake": 0.0, "closure_annoyance": 0.0, "closure_satisfaction": 0.0}
#: Contacts act by their own share of need, whatever the day: the mean of on and off over time, roughly.
_FLAT_ACT: Final = 0.12


def _parameters(values: dict[str, Any]) -> dict[str, Any]:
    return {f"parameters.{name}": value for name, value in values.items()}


@dataclass(frozen=True)
class Variant:
    """A world in which part of what couples days is off.

    Attributes:
        name: stable name.
        title: what a table shows.
        overrides: put over the base scenario, dotted keys.
        scaled: parameters multiplied by a number, so that contacts stay worth about as much.
        is_placebo: whether stocks are dealt anew among people every midnight.
    """

    name: str
    title: str
    overrides: dict[str, Any] = field(default_factory=dict[str, Any])
    scaled: dict[str, float] = field(default_factory=dict[str, float])
    is_placebo: bool = False


#: Nothing is carried over a night, nobody is lost, no cap is used up, and every offer is on the standing terms.
_IDENTITY: Final[dict[str, Any]] = {
    **_parameters(
        {
            "load_keep": 0.0,
            "blindness_keep": 0.0,
            "wear_keep": 0.0,
            "annoyance_keep": 0.0,
            "awareness_keep": 0.0,
            "interest_keep": 0.0,
            "benefit_keep": 0.0,
            "satisfaction_return": 1.0,
            "trust_return": 1.0,
            "wallet_lag_days": 1e9,
            "personal_off_rate": 0.0,
            **_NO_CLOSURE,
        }
    ),
    **_NO_EXITS,
    **_NO_CAPS,
    **{f"channels.{name}.enabled": False for name in _PLACED},
    "offers.include": [
        "brand_search_placement",
        "appliance_trade_in",
        "travel_guide",
        "bill_instalment",
        "premium_upgrade",
    ],
}

_ALL: Final = (
    Variant("base", "everything on"),
    Variant(
        "identity",
        "all couplings through time off",
        _IDENTITY,
        # The whole of the interest acts on one day in place of 1 / (1 - 0.72) days.
        scaled={"contact_rate": 3.5},
    ),
    Variant("placebo", "stocks dealt anew every midnight", is_placebo=True),
    Variant("no_load", "no load over night", _parameters({"load_keep": 0.0})),
    Variant(
        "no_wear",
        "no creative wear, no blindness",
        _parameters({"wear_exponent": 0.0, "blindness_gain": 0.0, "blindness_relief": 0.0}),
    ),
    Variant("no_annoyance", "no annoyance", _parameters(_QUIET)),
    Variant(
        "no_reactance", "no pleasure in few contacts, none lost by many", _parameters({"gratitude": 0.0})
    ),
    Variant("no_exits", "no opt-outs, no closures by contact", {**_NO_EXITS, **_parameters(_NO_CLOSURE)}),
    Variant(
        "no_timing",
        "needs do not matter for contacts",
        _parameters(
            {"interest_off": 1.0, "click_need_on": 0.0, "click_need_precursor": 0.0, "need_notice": 0.0}
        ),
        scaled={"contact_rate": _FLAT_ACT},
    ),
    Variant("no_caps", "no frequency caps beyond one a day", _NO_CAPS),
    Variant("budget", "with a budget", {"budget.cny_per_cardholder_per_30_days": 0.3}),
)
VARIANTS: Final[dict[str, Variant]] = {variant.name: variant for variant in _ALL}
#: One mechanism off (or, for the budget, on) at a time.
ABLATIONS: Final = (*(name for name in VARIANTS if name.startswith("no_")), "budget")
