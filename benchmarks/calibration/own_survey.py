"""A bank's own survey: a small table of what is known of its cardholders, read strictly, and held against what was raked.

    variable,level,value
    age_band,18-29,22
    age_band,30-39,48
    age_band,40-54,30
    has_app,,91
    channel_liking,sms,2
    spend_mean_cny,,18000

Shares are per cent. A variable is given with all its levels or not at all; what is not given stays as published.
"""

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from cardarena.benchmarks.calibration.sheet import Row, read_sheet
from cardarena.benchmarks.storage import read_sealed, write_sealed
from cardarena.benchmarks.validation.findings import Tell
from cardarena.simulator import names
from cardarena.simulator.errors import ResultsError, nearest
from cardarena.simulator.population.rake import Figures, strict_share
from cardarena.simulator.population.survey import MODE, Survey
from cardarena.simulator.population.survey_rake import rake_survey
from cardarena.simulator.population.tables import FLAGS, LEVELS, SPEND_EDGES, parameters

COLUMNS: Final = ("variable", "level", "value")
#: Published shares are rounded; a sum within so many points of 100 is rescaled, anything else is a mistake.
SUM_SLACK: Final = 2.0
SEGMENT: Final = "segment"
#: People on whom a survey is raked: a share is met to a tenth of a point.
PEOPLE: Final = 131_072
_LIKINGS: Final = {"channel_liking": names.CHANNELS, "service_liking": names.SERVICES}
#: Numbers that may be given, with their bounds.
_NUMBERS: Final = {
    "spend_mean_cny": (500.0, 500_000.0),
    "income_mean_cny": (500.0, 2_000_000.0),
    "satisfaction_mean": (0.05, 0.95),
    "satisfaction_top_share": (0.01, 0.95),
    "trust_mean": (0.05, 0.95),
    "deal_mean": (0.02, 0.95),
    "strict_share": (0.001, 0.9),
}
_BINARY: Final = tuple(name for name, levels in LEVELS.items() if levels == ("0", "1"))
#: Who is asked: the published survey's people were active by construction, and the model's `survey` mode is.
_NOT_ASKED: Final = ("is_dormant",)
VARIABLES: Final = (
    *LEVELS,
    SEGMENT,
    *(flag for flag in FLAGS if flag not in _NOT_ASKED),
    *_LIKINGS,
    *_NUMBERS,
)


@dataclass
class _Read:
    """Rows by variable and level, as they come."""

    rows: dict[str, dict[str, Row]] = field(default_factory=dict[str, dict[str, Row]])

    def add(self, row: Row) -> None:
        variable, level = row.cells["variable"], row.cells["level"]
        if variable not in VARIABLES:
            raise row.error(f"expected a variable, found {variable!r}; {nearest(variable, VARIABLES)}")
        known = levels_of(variable)
        if level not in known:
            wanted = nearest(level, known) if any(known) else "expected no level"
            raise row.error(f"variable {variable!r}: expected a level of it, found {level!r}; {wanted}")
        held = self.rows.setdefault(variable, {})
        if level in held:
            raise row.error(f"expected {variable} {level} once, found it again ({held[level].place})")
        if not row.cells["value"]:
            raise row.error("column 'value': expected a number, found nothing")
        low, high = _bounds(variable)
        value = row.number("value", low)
        if not low <= value <= high:
            raise row.error(f"column 'value': expected a number from {low:g} to {high:g}, found {value:g}")
        held[level] = row


def levels_of(variable: str) -> tuple[str, ...]:
    """Return the levels that a variable of the table may have; "" for a variable that is one number."""
    if variable == SEGMENT:
        return names.SEGMENTS
    return LEVELS.get(variable) or _LIKINGS.get(variable) or ("",)


def _bounds(variable: str) -> tuple[float, float]:
    return _NUMBERS.get(variable) or ((1.0, 5.0) if variable in _LIKINGS else (0.0, 100.0))


def read_survey(path: Path) -> Figures:
    """Return the figures of a survey's table.

    Args:
        path: a CSV with the columns `variable`, `level`, `value` and, if wanted, `source`.

    Raises:
        CardArenaError: an unknown variable or level, a number out of bounds, levels that are missing or do not add up;
            says file and line.
    """
    found = _Read()
    for row in read_sheet(path, COLUMNS, ("source",)):
        found.add(row)
    figures = Figures()
    for variable, rows in found.rows.items():
        values = {level: row.number("value", 0.0) for level, row in rows.items()}
        if variable in LEVELS or variable == SEGMENT:
            shares = _shares(variable, rows, values)
            figures = (
                replace(figures, segments=shares)
                if variable == SEGMENT
                else replace(figures, marginals={**figures.marginals, variable: shares})
            )
        elif variable in _LIKINGS:
            kind = variable.partition("_")[0]
            scores = {(kind, level): value for level, value in values.items()}
            figures = replace(figures, likings={**figures.likings, **scores})
        elif variable in FLAGS:
            figures = replace(figures, flags={**figures.flags, variable: values[""] / 100.0})
        else:
            figures = replace(figures, numbers={**figures.numbers, variable: values[""]})
    _check_satisfaction(figures, found.rows)
    return figures


def _shares(variable: str, rows: Mapping[str, Row], values: dict[str, float]) -> np.ndarray:
    first = next(iter(rows.values()))
    if variable in _BINARY and set(values) == {"1"}:
        values["0"] = 100.0 - values["1"]
    levels = levels_of(variable)
    missing = [level for level in levels if level not in values]
    if missing:
        raise first.error(f"variable {variable!r}: expected all its levels, found none for {missing[0]!r}")
    total = sum(values.values())
    if abs(total - 100.0) > SUM_SLACK:
        raise first.error(
            f"variable {variable!r}: expected shares that add up to 100 within {SUM_SLACK:g}, found {total:g}"
        )
    return np.array([values[level] for level in levels]) / total


def _check_satisfaction(figures: Figures, rows: Mapping[str, Mapping[str, Row]]) -> None:
    """Refuse a mean of satisfaction that its share of the very satisfied cannot have."""
    numbers = parameters(MODE) | figures.numbers
    if not {"satisfaction_mean", "satisfaction_top_share"} & figures.numbers.keys():
        return
    mean, top, share = (numbers[f"satisfaction_{name}"] for name in ("mean", "top_box", "top_share"))
    if not top * share < mean < top * (1.0 - share) + share:
        row = next(iter((rows.get("satisfaction_mean") or rows["satisfaction_top_share"]).values()))
        raise row.error(
            f"expected a mean from {top * share:.2f} to {top * (1.0 - share) + share:.2f} with "
            f"{share:.0%} above {top:g}, found {mean:g}"
        )


@dataclass(frozen=True)
class Met:
    """One figure of the survey, and what the raked people make of it; shares in per cent."""

    variable: str
    level: str
    wanted: float
    found: float


def met(figures: Figures, people: np.ndarray) -> list[Met]:
    """Return every figure that was given beside what it became.

    Args:
        figures: what was given.
        people: raked, shape (n,), dtype TRAITS.
    """
    rows: list[Met] = []
    for variable, shares in figures.marginals.items():
        counts = np.bincount(_codes(people, variable), minlength=shares.size) / people.size
        for level, wanted, found in zip(LEVELS[variable], shares, counts, strict=True):
            rows.append(Met(variable, level, 100.0 * float(wanted), 100.0 * float(found)))
    if figures.segments is not None:
        counts = np.bincount(people["segment"], minlength=len(names.SEGMENTS)) / people.size
        for level, wanted, found in zip(names.SEGMENTS, figures.segments, counts, strict=True):
            rows.append(Met(SEGMENT, level, 100.0 * float(wanted), 100.0 * float(found)))
    for flag, wanted in figures.flags.items():
        asked = people[people["has_app"] == 1] if flag == "push_permitted" else people
        rows.append(Met(flag, "", 100.0 * wanted, 100.0 * float(asked[flag].mean())))
    rows += [Met(name, "", wanted, _NUMBER_OF[name](people)) for name, wanted in figures.numbers.items()]
    return rows


def _codes(people: np.ndarray, variable: str) -> np.ndarray:
    if variable.startswith("context_"):
        return (people["contexts"] >> names.SPEND_CONTEXTS.index(variable[8:])) & 1
    if variable == "spend_band":
        return np.searchsorted(_SPEND_EDGES_FEN, people["monthly_spend_fen"], side="right")
    if variable == "cards_held":
        return np.searchsorted((2, 4), people["cards_held"], side="right")
    return people[variable].astype(np.int64)


def _top_share(people: np.ndarray) -> float:
    return float((people["satisfaction_home"] > parameters(MODE)["satisfaction_top_box"]).mean())


_SPEND_EDGES_FEN: Final = tuple(100 * edge for edge in SPEND_EDGES)
_NUMBER_OF: Final[dict[str, Callable[[np.ndarray], float]]] = {
    "spend_mean_cny": lambda p: float(p["monthly_spend_fen"].mean()) / 100.0,
    "income_mean_cny": lambda p: float(p["income_fen"].mean()) / 100.0,
    "satisfaction_mean": lambda p: float(p["satisfaction_home"].mean()),
    "satisfaction_top_share": _top_share,
    "trust_mean": lambda p: float(p["trust_home"].mean()),
    "deal_mean": lambda p: float(p["deal_proneness"].mean()),
    "strict_share": strict_share,
}


def raked(
    figures: Figures, folder: Path, source: str, tell: Tell, count: int | None = None
) -> tuple[Survey, list[Met]]:
    """Return the population of a survey and what became of its figures, from the folder where it was made before.

    Args:
        figures: what was given.
        folder: where it is kept.
        source: digest of the code that makes it; another one makes it anew.
        tell: takes lines of progress.
        count: people on whom it is fitted; `PEOPLE` by default.

    Raises:
        CardArenaError: figures that no population of the model's form can have.
    """
    count = count or PEOPLE
    key = hashlib.sha256(f"{source} {count} {figures!r}".encode()).hexdigest()[:24]
    path = folder / f"survey-{key}.json"
    if path.exists():
        with contextlib.suppress(ResultsError, LookupError, TypeError, ValueError):
            kept = read_sealed(path)
            return Survey.model_validate(kept["survey"]), [Met(**row) for row in kept["met"]]
    survey, people = rake_survey(figures, count=count, tell=tell)
    rows = met(figures, people)
    write_sealed(path, {"survey": survey.model_dump(mode="json"), "met": [asdict(row) for row in rows]})
    return survey, rows
