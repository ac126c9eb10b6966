"""What a scenario is: strict, frozen models of its parts, with units in the names.

`simulator.scenario` reads them from files.
"""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from cardarena.simulator.bank.catalogue import (
    MAX_OFFERS,
    Catalogue,
    CategoryName,
    ChannelName,
    Minute,
    Offer,
    OfferName,
    OneOf,
    load_channels,
    load_offers,
    make_catalogue,
    mfen,
)
from cardarena.simulator.bank.desk_terms import DeskTerms, load_desk_terms
from cardarena.simulator.bank.economics import legal_rules
from cardarena.simulator.bank.sourced import FrozenDict as FrozenDict
from cardarena.simulator.bank.sourced import Strict
from cardarena.simulator.calendar import FIRST_YEAR, LAST_YEAR
from cardarena.simulator.errors import nearest
from cardarena.simulator.names import CHANNELS, RULES
from cardarena.simulator.population.survey import Survey
from cardarena.simulator.strict_yaml import at_key, problem, shown

MAX_CARDHOLDERS: Final = 10_000_000


def _from_iso(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise problem(f"expected a date such as 2025-03-03, found {shown(value)}") from None


def _in_calendar(value: date) -> date:
    # A year at each end is left to burn-in and run-out.
    if not FIRST_YEAR < value.year < LAST_YEAR:
        raise problem(f"expected a date from {FIRST_YEAR + 1} to {LAST_YEAR - 1}, found {value}")
    return value


_frozen = AfterValidator(FrozenDict)
Date = Annotated[date, BeforeValidator(_from_iso), AfterValidator(_in_calendar)]
Days = Annotated[int, Field(ge=1, le=730)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Cny = Annotated[float, Field(ge=0.0, le=100_000.0)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
#: A policy may be a registry name with settings (`rfm@0.5`) or a file (`my_policy.py:Mine`); the arena resolves it.
PolicyName = Annotated[str, Field(min_length=1, max_length=200)]
#: What a parameter set is for.
Split = Literal["train", "validation", "test", "reference"]
Cap = Annotated[int, Field(ge=0, le=10_000)]
GateName = Annotated[str, OneOf("rule that can be switched off", legal_rules())]


def _parameter_value(value: Any) -> Any:
    """Return a number, numbers in code order, or numbers by name; which of them fits is the world's to say."""
    if isinstance(value, Mapping):
        return FrozenDict({str(key): _finite(item, str(key)) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return tuple(_finite(item, f"#{position}") for position, item in enumerate(value))
    return _finite(value, "")


def _finite(value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        raise at_key(key, f"expected a number, or numbers in a list or by name, found {shown(value)}")
    return float(value)


_NUMBER: Final = {"type": "number"}
ParameterValue = Annotated[
    Any,
    AfterValidator(_parameter_value),
    WithJsonSchema(
        {
            "anyOf": [
                _NUMBER,
                {"type": "array", "items": _NUMBER},
                {"type": "object", "additionalProperties": _NUMBER},
            ]
        }
    ),
]


class WorldLabel(Strict):
    """The parameter set that a scenario is played with: its name, and what it is for."""

    name: Name
    split: Split


class Population(Strict):
    """Who the cardholders are.

    Attributes:
        mode: `survey`, urban active cardholders as interviewed; `population`, the Chinese card base.
        cardholders: how many.
        new_share: share of cardholders whose account is at most `new_tenure_max_days` old at the start.
        new_tenure_max_days: how old a new account may be.
        new_consents_off: new cardholders begin without consents and permissions, which must be won.
        survey: a bank's own survey, raked, in place of the shipped one; it stands for the `survey` mode alone.
    """

    mode: Literal["survey", "population"] = "survey"
    cardholders: Annotated[int, Field(ge=1, le=MAX_CARDHOLDERS)] = 10_000
    new_share: Fraction = 0.0
    new_tenure_max_days: Annotated[int, Field(ge=1, le=365)] = 60
    new_consents_off: bool = False
    survey: Survey | None = None

    def record(self) -> np.ndarray | None:
        """Return the record from which cardholders are made, shape (1,), or None for the shipped one of the mode."""
        return self.survey.record() if self.survey is not None and self.survey.mode == self.mode else None


class BurnInPhase(Strict):
    """A stretch of the burn-in under one policy, at its own dial unless another is given."""

    policy: PolicyName
    days: Days
    dial: Annotated[float, Field(ge=0.0, le=1e6)] | None = None


class Horizon(Strict):
    """How long the world lives before, during and after the decisions, and under whom.

    Attributes:
        burn_in_days: days before day 0; they begin on day -burn_in_days.
        days: decision days.
        run_out_days: days after the decisions, the same policy for every arm.
        burn_in_policy: what the bank did before.
        burn_in_phases: the burn-in in several parts instead, in order; their days add up to `burn_in_days`.
        run_out_policy: what the bank does after.
    """

    burn_in_days: Annotated[int, Field(ge=0, le=365)] = 180
    days: Days = 90
    run_out_days: Annotated[int, Field(ge=0, le=365)] = 180
    burn_in_policy: PolicyName = "status_quo"
    burn_in_phases: Annotated[tuple[BurnInPhase, ...], Field(strict=False, max_length=12)] | None = None
    run_out_policy: PolicyName = "caretaker"

    @model_validator(mode="after")
    def _phases_add_up(self) -> "Horizon":
        if self.burn_in_phases is not None:
            total = sum(phase.days for phase in self.burn_in_phases)
            if total != self.burn_in_days:
                raise at_key(
                    "burn_in_phases",
                    f"expected days that add up to burn_in_days {self.burn_in_days}, found {total}",
                )
        return self

    def phases(self) -> tuple[BurnInPhase, ...]:
        """Return the burn-in as phases, in order; empty without a burn-in."""
        if self.burn_in_phases is not None:
            return self.burn_in_phases
        return (BurnInPhase(policy=self.burn_in_policy, days=self.burn_in_days),) if self.burn_in_days else ()


class Offers(Strict):
    """What is offered: a selection of the shipped catalogue, or of one that the file brings (`catalogue_file`)."""

    include: Literal["all"] | Annotated[tuple[OfferName, ...], Field(strict=False, min_length=1)] = "all"
    catalogue: (
        Annotated[
            dict[OfferName, Offer], Field(min_length=1, max_length=MAX_OFFERS), AfterValidator(FrozenDict)
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _names_exist(self) -> "Offers":
        known = self.catalogue if self.catalogue is not None else load_offers().names
        for position, name in enumerate(() if self.include == "all" else self.include):
            if name not in known:
                raise at_key(
                    f"include.#{position}", f"expected an offer, found {name!r}; {nearest(name, known)}"
                )
        return self


class ChannelOverride(Strict):
    """What differs from `channels.yaml` for one channel; what is left out stays."""

    enabled: bool = True
    cost_cny: Cny | None = None
    success_cost_cny: Cny | None = None
    p_fail: Fraction | None = None
    delay_median_minutes: Annotated[float, Field(ge=0.0, le=1440.0)] | None = None
    p_notice: Fraction | None = None
    p_click: Fraction | None = None
    intrusiveness: Annotated[float, Field(ge=0.0, le=10.0)] | None = None
    load: Annotated[float, Field(ge=0.0, le=10.0)] | None = None
    p_opt_out: Fraction | None = None
    p_complaint: Fraction | None = None
    interest: Annotated[float, Field(ge=0.0, le=10.0)] | None = None


class Caps(Strict):
    """The most contacts to one cardholder; null means no cap, 0 that nobody may be contacted."""

    day: Cap | None = 2
    week: Cap | None = 5
    month: Cap | None = 15
    channel_week: Annotated[dict[ChannelName, Cap], _frozen] = Field(default_factory=FrozenDict)


class QuietHours(Strict):
    """No marketing from `from_minute` to `to_minute` of the day, over midnight if earlier; equal: never quiet."""

    from_minute: Minute
    to_minute: Minute


class Compliance(Strict):
    """The rules between a policy and a cardholder.

    Attributes:
        mode: `enforce` blocks and counts a breach; `audit` lets it through, counts and fines it.
        caps: frequency caps.
        quiet_hours: by channel, in place of those of `channels.yaml`.
        dnc_days: how long a refusal of calls binds.
        gates: rules switched off (`false`); all others are on.
    """

    mode: Literal["enforce", "audit"] = "enforce"
    caps: Caps = Caps()
    quiet_hours: Annotated[dict[ChannelName, QuietHours], _frozen] = Field(default_factory=FrozenDict)
    dnc_days: Annotated[int, Field(ge=0, le=36_500)] = 180
    gates: Annotated[dict[GateName, bool], _frozen] = Field(default_factory=FrozenDict)


class Budget(Strict):
    """What marketing may cost; null means that there is no budget."""

    cny_per_cardholder_per_30_days: Cny | None = None


class Capacity(Strict):
    """How many people the bank has for what people do; null means as many as `desk.yaml` says.

    Attributes:
        complaint_handlers_per_100000: handlers of complaints per 100,000 cardholders, rounded up to whole ones.
        complaint_hours_a_day: hours of a working day that each of them gives to complaints.
    """

    complaint_handlers_per_100000: Annotated[float, Field(gt=0.0, le=10_000.0)] | None = None
    complaint_hours_a_day: Annotated[float, Field(gt=0.0, le=12.0)] | None = None


class _Shock(Strict):
    """What every shock has: its first day, how far a seed may move it, and how long it lasts."""

    day: Annotated[int, Field(ge=-365, le=1095)]
    day_jitter_days: Annotated[int, Field(ge=0, le=180)] = 0
    duration_days: Annotated[int, Field(ge=1, le=1095)] = 1


class ConsentWithdrawal(_Shock):
    """A wave in which this share of cardholders withdraws the marketing consent, spread evenly over its days."""

    kind: Literal["consent_withdrawal"]
    share: Fraction


class Demand(_Shock):
    """A category's needs arrive this many times as often."""

    kind: Literal["demand"]
    category: CategoryName
    multiplier: Annotated[float, Field(ge=0.0, le=20.0)]


class CreditStress(_Shock):
    """Cardholders run into money trouble this many times as often."""

    kind: Literal["credit_stress"]
    multiplier: Annotated[float, Field(ge=0.0, le=20.0)]


class RivalCampaign(_Shock):
    """A competitor's offers add this utility to its cards (logit units; an own coupon adds 0.1-0.4)."""

    kind: Literal["rival_campaign"]
    strength: Annotated[float, Field(ge=0.0, le=5.0)]


class ChannelOutage(_Shock):
    """A channel delivers nothing."""

    kind: Literal["channel_outage"]
    channel: ChannelName


class PrivacyNews(_Shock):
    """News of a leak: each day of it takes this much of everybody's trust (on a scale of 0 to 1)."""

    kind: Literal["privacy_news"]
    trust_drop: Fraction


Shock = Annotated[
    ConsentWithdrawal | Demand | CreditStress | RivalCampaign | ChannelOutage | PrivacyNews,
    Field(discriminator="kind"),
]


class Expectation(Strict):
    """What CI demands of a policy here: a metric within bounds, by itself or minus another policy's."""

    policy: PolicyName
    metric: Name
    min: float | None = None
    max: float | None = None
    relative_to: PolicyName | None = None

    @model_validator(mode="after")
    def _bounded(self) -> "Expectation":
        if self.min is None and self.max is None:
            raise at_key("min", "expected min, max or both, found neither")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise at_key("max", f"expected at least min {self.min:g}, found {self.max:g}")
        return self


class Limits(Strict):
    """Who breaks one of these has no rank; null means no limit.

    Attributes:
        max_marketing_complaints_per_1000_month: expected marketing complaints per 1,000 open accounts and 30 days.
        max_opt_out_share: refusals in the decision days over the permissions of day 0.
        max_breaches: rules broken and let through (audit mode).
    """

    max_marketing_complaints_per_1000_month: Annotated[float, Field(ge=0.0, le=1000.0)] | None = 2.0
    max_opt_out_share: Fraction | None = 0.25
    max_breaches: Annotated[int, Field(ge=0, le=10**12)] | None = 0


class Scenario(Strict):
    """One world to compete in. Frozen and strict: an unknown key, a wrong unit or an impossible value is refused.

    Attributes:
        name: registry name; of a shipped scenario also the file's.
        title: what a table shows.
        description: what the world is like, and why it is asked.
        is_main: whether the published arena runs it.
        start_date: date of day 0.
        start_date_jitter_days: a seed moves the start by up to so many days either way.
        world: the parameter set under `parameters` and `channels`; a file names it, or one beside itself.
        population: who the cardholders are.
        logged_history: whether policies may learn from the randomised log of the burn-in.
        horizon: how long.
        offers: what is offered.
        channels: what differs from the shipped channels, by name.
        compliance: the rules.
        budget: what marketing may cost.
        capacity: how many people handle complaints.
        shocks: what happens to everybody.
        parameters: behavioural parameters that differ from the fitted ones, by name.
        word_of_mouth: whether neighbours' experience acts.
        cardholder_kind: the kind of cardholder; others than `standard` need the agent scheduler.
        collisions: own events are planned at the minute of contacts, 10:00, to test the order of events.
        expect: what CI demands.
        limits: what a policy must keep to be ranked.
    """

    name: Name
    title: Annotated[str, Field(min_length=1, max_length=80)]
    description: Annotated[str, Field(min_length=1, max_length=1000)]
    is_main: bool = True
    start_date: Date = date(2025, 3, 3)
    start_date_jitter_days: Annotated[int, Field(ge=0, le=180)] = 0
    world: WorldLabel | None = None
    population: Population = Population()
    logged_history: bool = True
    horizon: Horizon = Horizon()
    offers: Offers = Offers()
    channels: Annotated[dict[ChannelName, ChannelOverride], _frozen] = Field(default_factory=FrozenDict)
    compliance: Compliance = Compliance()
    budget: Budget = Budget()
    capacity: Capacity = Capacity()
    shocks: Annotated[tuple[Shock, ...], Field(strict=False, max_length=100)] = ()
    parameters: Annotated[dict[str, ParameterValue], _frozen] = Field(default_factory=FrozenDict)
    word_of_mouth: bool = False
    cardholder_kind: Annotated[str, Field(min_length=1, max_length=200)] = "standard"
    collisions: bool = False
    expect: Annotated[tuple[Expectation, ...], Field(strict=False, max_length=200)] = ()
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _shocks_inside(self) -> "Scenario":
        first, last = -self.horizon.burn_in_days, self.horizon.days + self.horizon.run_out_days - 1
        for position, shock in enumerate(self.shocks):
            low, high = shock.day - shock.day_jitter_days, shock.day + shock.day_jitter_days
            if low < first or high > last:
                found = f"{shock.day}" if low == high else f"{low} to {high} (day and jitter)"
                raise at_key(
                    f"shocks.#{position}.day",
                    f"expected days {first} to {last} of the horizon, found {found}",
                )
        if self.logged_history and self.horizon.burn_in_days == 0:
            raise at_key(
                "horizon.burn_in_days",
                "expected above 0 where logged_history is true, found 0: nothing would be logged",
            )
        if all(name in self.channels and not self.channels[name].enabled for name in CHANNELS):
            raise at_key("channels", "expected at least one enabled channel, found none")
        return self

    def catalogue(self) -> Catalogue:
        """Return the offers of this scenario; codes are positions in it."""
        whole = load_offers() if self.offers.catalogue is None else make_catalogue(self.offers.catalogue)
        return whole if self.offers.include == "all" else whole.only(self.offers.include)

    def channel_records(self) -> np.ndarray:
        """Return the channels with this scenario's overrides and quiet hours, shape (channels,), dtype CHANNEL."""
        records = load_channels().copy()
        for name, override in self.channels.items():
            row = records[CHANNELS.index(name)]
            for field, value in override.model_dump(exclude_none=True, exclude={"enabled"}).items():
                if field.endswith("_cny"):
                    row[field.replace("_cny", "_mfen")] = mfen(value)
                else:
                    row[field] = value
        for name, hours in self.compliance.quiet_hours.items():
            row = records[CHANNELS.index(name)]
            row["quiet_from_minute"], row["quiet_to_minute"] = hours.from_minute, hours.to_minute
        records.flags.writeable = False
        return records

    def enabled_channels(self) -> np.ndarray:
        """Return whether each channel exists at this bank, shape (channels,), bool."""
        return np.array([name not in self.channels or self.channels[name].enabled for name in CHANNELS])

    def caps(self) -> dict[str, Any]:
        """Return the frequency caps as `Brief.caps` has them: day, week, month, channel_week; -1 means no cap."""
        caps = self.compliance.caps
        return {
            "day": -1 if caps.day is None else caps.day,
            "week": -1 if caps.week is None else caps.week,
            "month": -1 if caps.month is None else caps.month,
            "channel_week": np.array([caps.channel_week.get(name, -1) for name in CHANNELS], dtype=np.int64),
        }

    def gates(self) -> np.ndarray:
        """Return whether each of `names.RULES` is in force, shape (rules,), bool."""
        return np.array([self.compliance.gates.get(name, True) for name in RULES])

    def desk_terms(self) -> DeskTerms:
        """Return the terms of the complaint desk, with this scenario's handlers and hours."""
        return load_desk_terms().staffed(
            self.capacity.complaint_handlers_per_100000, self.capacity.complaint_hours_a_day
        )

    def budget_mfen(self, n_cardholders: int, days: int) -> int:
        """Return the marketing budget of so many decision days in milli-fen, or -1 for none."""
        cny = self.budget.cny_per_cardholder_per_30_days
        return -1 if cny is None else mfen(cny) * n_cardholders * days // 30


def drawn_day(day: int, jitter_days: int, u: float) -> int:
    """Return the day within `jitter_days` of `day` that a uniform draw in (0, 1) picks; all days are equally likely.

    Example:
        >>> [drawn_day(10, 1, u) for u in (0.1, 0.5, 0.9)]
        [9, 10, 11]
    """
    return day - jitter_days + int(u * (2 * jitter_days + 1))
