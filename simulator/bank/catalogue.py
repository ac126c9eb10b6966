"""What a bank can offer and through which channels: YAML tables in, record arrays for the kernels out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from cardarena.simulator.bank.records import CHANNEL, EVERYBODY, OFFER
from cardarena.simulator.bank.sourced import NOT_PART, Number, Source, Strict, cite
from cardarena.simulator.behaviour.elementary import exp
from cardarena.simulator.errors import UnknownNameError, nearest
from cardarena.simulator.names import CATEGORIES, CHANNELS, DIMENSIONS, INCOME_BANDS, SERVICES, SPEND_CONTEXTS
from cardarena.simulator.strict_yaml import Document, at_key, problem, read_document, shown, validated

DATA: Final = Path(__file__).resolve().parent / "data"
#: Candidates of a contact are bits of one int64.
MAX_OFFERS: Final = 63


def units(amount: float, per_unit: int) -> int:
    """Return an amount in whole `per_unit`-th parts, half a part rounded up: the only rounding of the tables."""
    # The small shift undoes binary fractions: 0.145 CNY is 14.5 fen and must not become 14.
    return int(np.floor(amount * per_unit + 0.5 + 1e-9))


def fen(cny: float) -> int:
    """Return CNY in fen."""
    return units(cny, 100)


def mfen(cny: float) -> int:
    """Return CNY in milli-fen."""
    return units(cny, 100_000)


def ppm(share: float) -> int:
    """Return a share in parts per million."""
    return units(share, 1_000_000)


@dataclass(frozen=True)
class OneOf:
    """A check that a text is one of the `known`; the answer to a wrong one is the nearest right one.

    Attributes:
        kind: what the text names.
        known: the texts that exist.
    """

    kind: str
    known: tuple[str, ...]

    def _check(self, word: str) -> str:
        if word not in self.known:
            raise problem(f"expected a {self.kind}, found {shown(word)}; {nearest(word, self.known)}")
        return word

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "enum": list(self.known)}


def between(low: float, high: float) -> AfterValidator:
    """Return a check that a sourced number lies in [low, high]."""

    def check(number: Number) -> Number:
        if not low <= number.value <= high:
            raise at_key("value", f"expected {low:g} to {high:g}, found {number.value:g}")
        return number

    return AfterValidator(check)


OfferName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
ChannelName = Annotated[str, OneOf("channel", CHANNELS)]
CategoryName = Annotated[str, OneOf("category", CATEGORIES)]
Share = Annotated[Number, between(0.0, 1.0)]
Money = Annotated[Number, between(0.0, 100_000.0)]
Minute = Annotated[int, Field(ge=0, le=1439)]


class Eligibility(Strict):
    """To whom an offer may be made; what is left out does not restrict."""

    min_age: Annotated[int, Field(ge=18, le=100)] = 18
    max_age: Annotated[int, Field(ge=18, le=120)] = 120
    min_income: Annotated[str, OneOf("income band", INCOME_BANDS)] | None = None
    min_tenure_days: Annotated[int, Field(ge=0, le=36_500)] = 0
    max_utilisation: Annotated[float, Field(gt=0.0, le=10.0)] = 10.0
    excludes_overdue: bool = False
    contexts: (
        Annotated[
            tuple[Annotated[str, OneOf("spending context", SPEND_CONTEXTS)], ...],
            Field(strict=False, min_length=1),
        ]
        | None
    ) = None
    source: Source

    @model_validator(mode="after")
    def _ages_in_order(self) -> "Eligibility":
        if self.min_age > self.max_age:
            raise at_key("max_age", f"expected at least min_age {self.min_age}, found {self.max_age}")
        return self


class Offer(Strict):
    """One offer as the YAML writes it: money in CNY, shares as fractions, each number with its source."""

    title: Annotated[str, Field(min_length=1, max_length=80)]
    description: Annotated[str, Field(min_length=1, max_length=400)]
    category: CategoryName
    service: Annotated[str, OneOf("service", SERVICES)]
    dimension: Annotated[str, OneOf("dimension", DIMENSIONS)]
    reach: Literal["public", "contact_only"]
    is_credit: bool = False
    needs_explanation: bool = False
    needs_partner_consent: bool = False
    needs_sensitive_consent: bool = False
    incentive_cny: Money = NOT_PART
    merchant_share: Share = NOT_PART
    margin_cny: Annotated[Number, between(-10_000.0, 10_000.0)] = NOT_PART
    margin_share: Annotated[Number, between(-1.0, 1.0)] = NOT_PART
    credit_loss_share: Share = NOT_PART
    amount_cny: Annotated[Number, between(0.0, 1_000_000.0)] = NOT_PART
    amount_sigma: Annotated[Number, between(0.0, 2.0)] = NOT_PART
    appeal: Annotated[Number, between(-3.0, 3.0)]
    relevance_off: Share
    wallet_benefit: Annotated[Number, between(0.0, 2.0)] = NOT_PART
    satisfaction_gain: Annotated[Number, between(0.0, 0.2)] = NOT_PART
    eligibility: Eligibility

    @model_validator(mode="after")
    def _parts_fit(self) -> "Offer":
        if self.merchant_share.value > 0.0 and self.incentive_cny.value == 0.0:
            raise at_key(
                "merchant_share.value", "expected 0 where the incentive is 0: there is nothing to share"
            )
        if self.amount_cny.value == 0.0:
            for key in ("margin_share", "credit_loss_share", "amount_sigma"):
                if getattr(self, key).value != 0.0:
                    raise at_key(f"{key}.value", "expected 0 where amount_cny is 0")
        if self.is_credit and self.credit_loss_share.value == 0.0:
            raise at_key(
                "credit_loss_share", "expected above 0: an offer that creates credit loses some of it"
            )
        if self.is_credit and not self.eligibility.excludes_overdue:
            raise at_key("eligibility.excludes_overdue", "expected true: no new credit to somebody overdue")
        return self


class OfferTable(Strict):
    """The file `offers.yaml` once its sources are resolved."""

    offers: Annotated[dict[OfferName, Offer], Field(min_length=1, max_length=MAX_OFFERS)]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The offers of a bank, in code order.

    Attributes:
        records: shape (offers,), dtype OFFER, read-only; the index is the offer's code.
        names: the offers' names.
        titles: what a cardholder reads.
        descriptions: what a marketer reads.
        offers: the offers as written, with the source of every number.
    """

    records: np.ndarray
    names: tuple[str, ...]
    titles: tuple[str, ...]
    descriptions: tuple[str, ...]
    offers: tuple[Offer, ...]

    def __len__(self) -> int:
        return len(self.names)

    def code(self, name: str) -> int:
        """Return the code of the offer `name`.

        Raises:
            UnknownNameError: no such offer.
        """
        try:
            return self.names.index(name)
        except ValueError:
            raise UnknownNameError("offer", name, self.names) from None

    def only(self, names: Iterable[str]) -> "Catalogue":
        """Return the catalogue of these offers alone, in catalogue order; codes are positions in the new one.

        Raises:
            UnknownNameError: no such offer.
        """
        wanted = {self.code(name) for name in names}
        return make_catalogue({self.names[code]: self.offers[code] for code in sorted(wanted)})


def make_catalogue(offers: Mapping[str, Offer]) -> Catalogue:
    """Return the catalogue of these offers; their order gives the codes."""
    records = np.zeros(len(offers), dtype=OFFER)
    for code, offer in enumerate(offers.values()):
        for field, value in _offer_row(code, offer).items():
            records[code][field] = value
    records.flags.writeable = False
    return Catalogue(
        records=records,
        names=tuple(offers),
        titles=tuple(offer.title for offer in offers.values()),
        descriptions=tuple(offer.description for offer in offers.values()),
        offers=tuple(offers.values()),
    )


def _offer_row(code: int, offer: Offer) -> dict[str, Any]:
    who = offer.eligibility
    bits = (
        EVERYBODY
        if who.contexts is None
        else sum(1 << SPEND_CONTEXTS.index(name) for name in set(who.contexts))
    )
    return {
        "offer": code,
        "category": CATEGORIES.index(offer.category),
        "service": SERVICES.index(offer.service),
        "dimension": DIMENSIONS.index(offer.dimension),
        "is_public": offer.reach == "public",
        "is_credit": offer.is_credit,
        "needs_explanation": offer.needs_explanation,
        "needs_partner_consent": offer.needs_partner_consent,
        "needs_sensitive_consent": offer.needs_sensitive_consent,
        "incentive_fen": fen(offer.incentive_cny.value),
        "merchant_share_ppm": ppm(offer.merchant_share.value),
        "margin_fen": fen(offer.margin_cny.value),
        "margin_ppm": ppm(offer.margin_share.value),
        "credit_loss_ppm": ppm(offer.credit_loss_share.value),
        "amount_fen": fen(offer.amount_cny.value),
        "amount_sigma": offer.amount_sigma.value,
        "mean_amount_fen": fen(offer.amount_cny.value) * exp(0.5 * offer.amount_sigma.value**2),
        "appeal": offer.appeal.value,
        "relevance_off": offer.relevance_off.value,
        "wallet_benefit": offer.wallet_benefit.value,
        "satisfaction_gain": offer.satisfaction_gain.value,
        "min_age": who.min_age,
        "max_age": who.max_age,
        "min_income_band": -1 if who.min_income is None else INCOME_BANDS.index(who.min_income),
        "min_tenure_days": who.min_tenure_days,
        "max_utilisation": who.max_utilisation,
        "excludes_overdue": who.excludes_overdue,
        "contexts": bits,
    }


def read_offers(path: Path, shown_as: str | None = None) -> Document:
    """Read a catalogue file and resolve its sources, without making the models.

    Raises:
        ScenarioError: unreadable, not strict YAML, or a source that names no reference.
    """
    return cite(read_document(path, shown_as))


def load_offers(path: str | Path | None = None) -> Catalogue:
    """Return the catalogue in a YAML file; the shipped one without `path`.

    Raises:
        ScenarioError: a file that is not such a catalogue; says file, line, key, what was expected and what was found.

    Example:
        >>> catalogue = load_offers()
        >>> catalogue.names[:2]
        ('grocery_coupon', 'dining_half_price')
        >>> int(catalogue.records["incentive_fen"][0])
        1000
    """
    if path is None:
        return _shipped_offers()
    return make_catalogue(validated(OfferTable, read_offers(Path(path))).offers)


@lru_cache(maxsize=1)
def _shipped_offers() -> Catalogue:
    return make_catalogue(validated(OfferTable, read_offers(DATA / "offers.yaml", "offers.yaml")).offers)


class QuietHours(Strict):
    """No marketing from `from_minute` to `to_minute` of the day, over midnight if earlier; equal: never quiet."""

    from_minute: Minute
    to_minute: Minute
    source: Source


class Channel(Strict):
    """One channel as the YAML writes it; what is left out is zero or no."""

    liking: Annotated[int, Field(ge=0, le=4)]
    shown: Literal["at_once", "app_visit", "branch_visit"] = "at_once"
    is_voice: bool = False
    needs_partner_consent: bool = False
    tracks_open: bool = False
    cost_cny: Money = NOT_PART
    success_cost_cny: Money = NOT_PART
    p_fail: Share = NOT_PART
    delay_median_minutes: Annotated[Number, between(0.0, 1440.0)] = NOT_PART
    delay_sigma: Annotated[Number, between(0.0, 3.0)] = NOT_PART
    p_notice: Share
    p_click: Share
    intrusiveness: Annotated[Number, between(0.0, 10.0)]
    load: Annotated[Number, between(0.0, 10.0)]
    p_opt_out: Share
    p_complaint: Share
    interest: Annotated[Number, between(0.0, 10.0)]
    quiet_hours: QuietHours
    expires_days: Annotated[Number, between(0.0, 365.0)] = NOT_PART

    @model_validator(mode="after")
    def _placements_expire(self) -> "Channel":
        if (self.shown != "at_once") != (self.expires_days.value > 0.0):
            raise at_key("expires_days", "expected above 0 exactly where the channel waits for a visit")
        return self


class ChannelTable(Strict):
    """The file `channels.yaml` once its sources are resolved."""

    channels: dict[ChannelName, Channel]

    @model_validator(mode="after")
    def _all_there(self) -> "ChannelTable":
        for name in CHANNELS:
            if name not in self.channels:
                raise at_key(f"channels.{name}", "expected an entry, found nothing")
        return self


def load_channels(path: str | Path | None = None) -> np.ndarray:
    """Return the channels, shape (channels,), dtype CHANNEL, read-only, in the order of `names.CHANNELS`.

    Raises:
        ScenarioError: a file that is not such a table; says file, line, key, what was expected and what was found.

    Example:
        >>> channels = load_channels()
        >>> int(channels["cost_mfen"][CHANNELS.index("sms")])
        4000
    """
    return make_channels(load_channel_table(path))


def load_channel_table(path: str | Path | None = None) -> Mapping[str, Channel]:
    """Return the channels as written, with the source of every number."""
    if path is None:
        return _shipped_channels()
    return validated(ChannelTable, cite(read_document(Path(path)))).channels


@lru_cache(maxsize=1)
def _shipped_channels() -> Mapping[str, Channel]:
    return validated(ChannelTable, cite(read_document(DATA / "channels.yaml", "channels.yaml"))).channels


def make_channels(channels: Mapping[str, Channel]) -> np.ndarray:
    """Return channels as records, shape (channels,), dtype CHANNEL, read-only."""
    records = np.zeros(len(CHANNELS), dtype=CHANNEL)
    for code, name in enumerate(CHANNELS):
        channel = channels[name]
        row: dict[str, Any] = {
            "channel": code,
            "cost_mfen": mfen(channel.cost_cny.value),
            "success_cost_mfen": mfen(channel.success_cost_cny.value),
            "quiet_from_minute": channel.quiet_hours.from_minute,
            "quiet_to_minute": channel.quiet_hours.to_minute,
            "at_visit": ("at_once", "app_visit", "branch_visit").index(channel.shown),
            "expires_days": int(channel.expires_days.value),
            "liking": channel.liking,
            "is_voice": channel.is_voice,
            "needs_partner_consent": channel.needs_partner_consent,
            "tracks_open": channel.tracks_open,
        }
        for field in CHANNEL.names or ():
            records[code][field] = row[field] if field in row else getattr(channel, field).value
    records.flags.writeable = False
    return records
