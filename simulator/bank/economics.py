"""What a cardholder's day earns and costs: one frozen table with sources, and the same as a record for the kernels."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from cardarena.simulator.bank.catalogue import DATA, OneOf, mfen, ppm
from cardarena.simulator.bank.sourced import Number, Source, Strict, cite
from cardarena.simulator.behaviour.elementary import exp, log
from cardarena.simulator.names import COMPLAINT_KINDS, RULES, Rule
from cardarena.simulator.strict_yaml import at_key, read_document, validated

#: The economics of a run in one row. `mfen` are milli-fen (a thousandth of 0.01 CNY), `ppm` parts per million.
ECONOMICS = np.dtype(
    [
        ("interchange_ppm", np.int64),  # of every purchase on our card
        ("network_fee_ppm", np.int64),  # of every purchase on our card, a cost
        ("rewards_ppm", np.int64),  # points, of every purchase on our card, a cost
        ("revolving_margin_ppm_per_year", np.int64),  # of the revolving balance, net of funding
        ("revolving_share_ppm", np.int64),  # of a statement balance that revolves
        ("loss_given_default_ppm", np.int64),  # of a defaulted balance
        ("complaint_mfen", np.int64, (len(COMPLAINT_KINDS),)),  # a complaint to the bank, by kind
        ("regulator_complaint_mfen", np.int64),  # on top, where it goes on to the regulator
        ("regulator_complaint_ppm", np.int64),  # share that goes on
        ("expected_complaint_mfen", np.int64, (len(COMPLAINT_KINDS),)),  # both levels together
        ("fine_mfen", np.int64, (len(RULES),)),  # expected fine of one breach in audit mode, by rule
        ("blocked_contact_mfen", np.int64),
        ("discount_ppm_per_year", np.int64),
        ("discount_per_day", np.float64),  # factor: value of tomorrow's yuan today
        ("run_out_days", np.int64),
    ]
)
DAYS_PER_YEAR: Final = 365


class Entry(Number):
    """One line of the table: what it is worth, in which unit, and who says so."""

    unit: Annotated[str, Field(min_length=3, max_length=120)]


def _within(low: float, high: float) -> AfterValidator:
    def check(entry: Entry) -> Entry:
        if not low <= entry.value <= high:
            raise at_key("value", f"expected {low:g} to {high:g}, found {entry.value:g}")
        return entry

    return AfterValidator(check)


_Share = Annotated[Entry, _within(0.0, 1.0)]
_Cost = Annotated[Entry, _within(0.0, 1_000_000.0)]


class EconomicsEntries(Strict):
    """The lines of `economics.yaml`, with their sources."""

    interchange_share: _Share
    network_fee_share: _Share
    rewards_share: _Share
    revolving_margin_share_per_year: _Share
    revolving_share: _Share
    loss_given_default_share: _Share
    marketing_complaint_cny: _Cost
    service_complaint_cny: _Cost
    collection_complaint_cny: _Cost
    regulator_complaint_cny: _Cost
    regulator_complaint_share: _Share
    sanction_probability: _Share
    blocked_contact_cny: _Cost
    discount_per_year: _Share
    run_out_days: Annotated[Entry, _within(1, 730)]


class EconomicsTable(Strict):
    """The file `economics.yaml` once its sources are resolved."""

    economics: EconomicsEntries


class RuleEntry(Strict):
    """A rule between policy and cardholder, and the law that it comes from."""

    title: str
    title_zh: str
    law: str
    law_zh: str
    article: str
    legal: bool
    statutory_fine_cny: Annotated[float, Field(ge=0.0, le=50_000_000.0)]
    source: Source


class RuleTable(Strict):
    """The file `rules.yaml`."""

    rules: dict[Annotated[str, OneOf("rule", RULES)], RuleEntry]

    @model_validator(mode="after")
    def _all_there(self) -> "RuleTable":
        for name in RULES:
            if name not in self.rules:
                raise at_key(f"rules.{name}", "expected an entry, found nothing")
        return self


@dataclass(frozen=True, eq=False)
class Economics:
    """What things earn and cost, in the kernels' units.

    Attributes:
        interchange_ppm: issuer's share of a purchase on our card.
        network_fee_ppm: clearing fee of a purchase on our card, a cost.
        rewards_ppm: points on a purchase on our card, a cost.
        revolving_margin_ppm_per_year: margin on a revolving balance, net of funding, before default.
        revolving_share_ppm: share of a statement balance that revolves.
        loss_given_default_ppm: lost share of a defaulted balance.
        complaint_mfen: a complaint to the bank, by `names.COMPLAINT_KINDS`.
        regulator_complaint_mfen: on top, where it goes on to the regulator.
        regulator_complaint_ppm: share of complaints that go on to the regulator.
        expected_complaint_mfen: a complaint with both levels, in expectation, by `names.COMPLAINT_KINDS`.
        fine_mfen: expected fine of one breach in audit mode, by `names.RULES`.
        blocked_contact_mfen: a contact that a rule blocked.
        discount_ppm_per_year: yearly discount of the head metric.
        discount_per_day: the factor of one day, (1 + yearly discount)^(-1/365).
        run_out_days: days after the decisions that still count.
        entries: the table as written: name, value, unit and source.
        record: the same numbers, shape (1,), dtype ECONOMICS, read-only.
    """

    interchange_ppm: int
    network_fee_ppm: int
    rewards_ppm: int
    revolving_margin_ppm_per_year: int
    revolving_share_ppm: int
    loss_given_default_ppm: int
    complaint_mfen: tuple[int, ...]
    regulator_complaint_mfen: int
    regulator_complaint_ppm: int
    expected_complaint_mfen: tuple[int, ...]
    fine_mfen: tuple[int, ...]
    blocked_contact_mfen: int
    discount_ppm_per_year: int
    discount_per_day: float
    run_out_days: int
    entries: Mapping[str, Entry]
    record: np.ndarray


def load_economics(path: str | Path | None = None) -> Economics:
    """Return the economics in a YAML file; the shipped ones without `path`.

    Raises:
        ScenarioError: a file that is not such a table; says file, line, key, what was expected and what was found.

    Example:
        >>> economics = load_economics()
        >>> economics.interchange_ppm
        4500
        >>> int(economics.record["interchange_ppm"][0])
        4500
    """
    if path is None:
        return _shipped_economics()
    return make_economics(validated(EconomicsTable, cite(read_document(Path(path)))).economics)


@lru_cache(maxsize=1)
def _shipped_economics() -> Economics:
    document = cite(read_document(DATA / "economics.yaml", "economics.yaml"))
    return make_economics(validated(EconomicsTable, document).economics)


def make_economics(entries: EconomicsEntries) -> Economics:
    """Return the economics of these entries, converted once to whole milli-fen and parts per million."""
    complaint = tuple(mfen(getattr(entries, f"{kind}_complaint_cny").value) for kind in COMPLAINT_KINDS)
    regulator, goes_on = (
        mfen(entries.regulator_complaint_cny.value),
        ppm(entries.regulator_complaint_share.value),
    )
    sanctioned = ppm(entries.sanction_probability.value)
    discount = entries.discount_per_year.value
    values: dict[str, Any] = {
        "interchange_ppm": ppm(entries.interchange_share.value),
        "network_fee_ppm": ppm(entries.network_fee_share.value),
        "rewards_ppm": ppm(entries.rewards_share.value),
        "revolving_margin_ppm_per_year": ppm(entries.revolving_margin_share_per_year.value),
        "revolving_share_ppm": ppm(entries.revolving_share.value),
        "loss_given_default_ppm": ppm(entries.loss_given_default_share.value),
        "complaint_mfen": complaint,
        "regulator_complaint_mfen": regulator,
        "regulator_complaint_ppm": goes_on,
        "expected_complaint_mfen": tuple(cost + regulator * goes_on // 1_000_000 for cost in complaint),
        "fine_mfen": tuple(
            mfen(load_rules()[name].statutory_fine_cny) * sanctioned // 1_000_000 for name in RULES
        ),
        "blocked_contact_mfen": mfen(entries.blocked_contact_cny.value),
        "discount_ppm_per_year": ppm(discount),
        "discount_per_day": float(exp(-log(1.0 + discount) / DAYS_PER_YEAR)),
        "run_out_days": int(entries.run_out_days.value),
    }
    record = np.zeros(1, dtype=ECONOMICS)
    for field, value in values.items():
        record[field][0] = value
    record.flags.writeable = False
    table = {name: getattr(entries, name) for name in EconomicsEntries.model_fields}
    return Economics(**values, entries=table, record=record)


@lru_cache(maxsize=1)
def load_rules() -> Mapping[str, RuleEntry]:
    """Return the rules in the order of `names.RULES`, each with its law, article and statutory fine.

    Example:
        >>> load_rules()["personalisation_off"].article
        '24 para 2; 17; 42'
    """
    rules = validated(RuleTable, read_document(DATA / "rules.yaml", "rules.yaml")).rules
    return {name: rules[name] for name in RULES}


def legal_rules() -> tuple[str, ...]:
    """Return the rules that a scenario may switch off: those of law and caps, not those of physics or money."""
    return tuple(rule.name.lower() for rule in Rule if load_rules()[rule.name.lower()].legal)
