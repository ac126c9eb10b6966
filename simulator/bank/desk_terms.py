"""On what terms complaints are handled: how many handlers, how much work, which limits of the law; each with its source."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from cardarena.simulator.bank.catalogue import DATA, ppm
from cardarena.simulator.bank.economics import Entry
from cardarena.simulator.bank.sourced import Strict, cite
from cardarena.simulator.names import COMPLAINT_KINDS
from cardarena.simulator.strict_yaml import read_document, validated


class DeskEntries(Strict):
    """The lines of `desk.yaml`, with their sources."""

    handlers_per_100000: Entry
    hours_a_day: Entry
    marketing_simple_share: Entry
    service_simple_share: Entry
    collection_simple_share: Entry
    simple_minutes: Entry
    complex_minutes: Entry
    work_sigma: Entry
    enquiry_days: Entry
    enquiry_sigma: Entry
    enquiry_most_days: Entry
    late_escalation_share: Entry
    simple_limit_days: Entry
    complex_limit_days: Entry
    extended_limit_days: Entry


class DeskTable(Strict):
    """The file `desk.yaml` once its sources are resolved."""

    desk: DeskEntries


@dataclass(frozen=True)
class DeskTerms:
    """The terms in the desk's units. A pair is (complex, simple): it is indexed by `is_simple`.

    Attributes:
        handlers_per_100000: handlers per 100,000 cardholders.
        minutes_a_day: minutes of a working day that each of them gives to cases.
        simple_share: share of complaints that are simple, by `names.COMPLAINT_KINDS`.
        work_minutes: median of a handler's work on a case, a pair.
        work_sigma: spread of the work, log-normal.
        enquiry_days: median days for which a complex case waits before it can be decided.
        enquiry_sigma: spread of that wait, log-normal.
        enquiry_most_days: the longest such wait.
        late_escalation_ppm: share of late cases that go on to the regulator, those included that would have gone anyway.
        limit_days: days from filing within which a case is to be closed, a pair.
        extended_limit_days: the same for a complex case that was extended.
        entries: the table as written: name, value, unit and source.
    """

    handlers_per_100000: float
    minutes_a_day: int
    simple_share: tuple[float, ...]
    work_minutes: tuple[float, float]
    work_sigma: float
    enquiry_days: float
    enquiry_sigma: float
    enquiry_most_days: int
    late_escalation_ppm: int
    limit_days: tuple[int, int]
    extended_limit_days: int
    entries: Mapping[str, Entry]

    def staffed(self, handlers_per_100000: float | None, hours_a_day: float | None) -> "DeskTerms":
        """Return the terms with other handlers, other hours, or both; None leaves what is."""
        terms = self
        if handlers_per_100000 is not None:
            terms = replace(terms, handlers_per_100000=handlers_per_100000)
        if hours_a_day is not None:
            terms = replace(terms, minutes_a_day=_minutes(hours_a_day))
        return terms


def _minutes(hours: float) -> int:
    return max(1, int(60.0 * hours + 0.5))


@lru_cache(maxsize=1)
def load_desk_terms() -> DeskTerms:
    """Return the shipped terms.

    Example:
        >>> load_desk_terms().limit_days
        (30, 15)
    """
    document = cite(read_document(DATA / "desk.yaml", "desk.yaml"))
    entries = validated(DeskTable, document).desk
    table: dict[str, Entry] = {name: getattr(entries, name) for name in DeskEntries.model_fields}
    value = {name: entry.value for name, entry in table.items()}
    return DeskTerms(
        handlers_per_100000=value["handlers_per_100000"],
        minutes_a_day=_minutes(value["hours_a_day"]),
        simple_share=tuple(value[f"{kind}_simple_share"] for kind in COMPLAINT_KINDS),
        work_minutes=(value["complex_minutes"], value["simple_minutes"]),
        work_sigma=value["work_sigma"],
        enquiry_days=value["enquiry_days"],
        enquiry_sigma=value["enquiry_sigma"],
        enquiry_most_days=int(value["enquiry_most_days"]),
        late_escalation_ppm=ppm(value["late_escalation_share"]),
        limit_days=(int(value["complex_limit_days"]), int(value["simple_limit_days"])),
        extended_limit_days=int(value["extended_limit_days"]),
        entries=table,
    )
