"""The bands that a calibration aims at: the shipped table, with a user's own figures put over it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, get_args

from cardarena.benchmarks.calibration.sheet import Row, read_sheet
from cardarena.benchmarks.validation.findings import Hardness
from cardarena.benchmarks.validation.targets import COLUMNS, Target, read_targets
from cardarena.simulator.errors import UnknownNameError, nearest

_REQUIRED: Final = ("target", "component", "low", "point", "high")
_OTHERS: Final = tuple(name for name in COLUMNS if name not in _REQUIRED)
#: Width of a one-sided band's edge, as a share of the edge; and where the edge is at nought.
EDGE_SHARE: Final = 0.1
EDGE_AT_NOUGHT: Final = 0.05


@dataclass(frozen=True)
class Band:
    """One component of a target: where it should lie.

    Attributes:
        target: id of the target: `C4`.
        component: which part of it, or "".
        low: lower end, -inf if open.
        point: what to aim at, NaN for the middle of the band.
        high: upper end, inf if open.
        hardness: `hard`, `soft` or `context`.
        quantity: what it is, in words.
        unit: unit of the numbers.
        source: where the band comes from.
    """

    target: str
    component: str
    low: float
    point: float
    high: float
    hardness: str = "soft"
    quantity: str = ""
    unit: str = ""
    source: str = ""

    @property
    def id(self) -> str:
        """`C4.generic`, or `C1` where there is only one component."""
        return f"{self.target}.{self.component}" if self.component else self.target

    @property
    def is_one_sided(self) -> bool:
        """Whether one end is open."""
        return not (math.isfinite(self.low) and math.isfinite(self.high))

    @property
    def half_width(self) -> float:
        """What a residual of 1 is worth: half the band, or the width of the edge of a one-sided band."""
        if not self.is_one_sided:
            return 0.5 * (self.high - self.low)
        edge = self.low if math.isfinite(self.low) else self.high
        return EDGE_SHARE * abs(edge) or EDGE_AT_NOUGHT

    @property
    def is_usable(self) -> bool:
        """Whether a fit can aim at it: it binds, and its band is more than one number."""
        is_open = math.isinf(self.low) and math.isinf(self.high)
        return self.hardness != "context" and not is_open and self.half_width > 0.0

    def holds(self, value: float) -> bool:
        """Return whether the value lies in the band."""
        return self.low <= value <= self.high

    def residual(self, value: float) -> float:
        """Return the distance from the point: 0 there, -1 and 1 at the edges of the band; one-sided, 0 well inside."""
        if self.is_one_sided:
            beyond = self.low - value if math.isfinite(self.low) else value - self.high
            size = max(0.0, 1.0 + beyond / self.half_width)
            return -size if math.isfinite(self.low) else size
        aim = 0.5 * (self.low + self.high) if math.isnan(self.point) else self.point
        # A point near an edge would make that side a wall: no side is narrower than a quarter of the half-width.
        side = self.high - aim if value > aim else aim - self.low
        return (value - aim) / max(side, 0.25 * self.half_width)


def read_bands(path: Path | None = None) -> tuple[Band, ...]:
    """Return the shipped bands, with those of a user's table in their place.

    Args:
        path: a CSV with the columns `target`, `component`, `low`, `point`, `high`; any others of the shipped table may
            be given, and are inherited from its row where they are not.

    Raises:
        CardArenaError: a target or component that is not in the shipped table, or bad numbers; says file and line.
    """
    shipped = {(row.target, row.component): _shipped(row) for row in read_targets()}
    if path is None:
        return tuple(shipped.values())
    seen: dict[tuple[str, str], str] = {}
    for row in read_sheet(path, _REQUIRED, _OTHERS):
        key = row.cells["target"], row.cells["component"]
        _check_known(row, key, shipped)
        if key in seen:
            raise row.error(
                f"expected target {'.'.join(filter(None, key))!r} once, found it again ({seen[key]})"
            )
        seen[key] = row.place
        shipped[key] = _band(row, shipped[key])
    return tuple(shipped.values())


def own_bands(path: Path) -> tuple[str, ...]:
    """Return the ids of the bands that a user's table gives."""
    rows = read_sheet(path, _REQUIRED, _OTHERS)
    return tuple(".".join(filter(None, (row.cells["target"], row.cells["component"]))) for row in rows)


def _check_known(row: Row, key: tuple[str, str], shipped: Iterable[tuple[str, str]]) -> None:
    shipped = list(shipped)
    if key in shipped:
        return
    components = [component for target, component in shipped if target == key[0]]
    if not components:
        raise row.error(f"expected a target, found {key[0]!r}; {nearest(key[0], {t for t, _ in shipped})}")
    expected = (
        "no component" if components == [""] else "one of the components " + ", ".join(map(repr, components))
    )
    raise row.error(f"target {key[0]!r}: expected {expected}, found {key[1]!r}")


def _shipped(row: Target) -> Band:
    return Band(
        row.target,
        row.component,
        row.low,
        row.point,
        row.high,
        row.hardness,
        row.quantity,
        row.unit,
        row.source,
    )


def _band(row: Row, inherited: Band) -> Band:
    """Return the row as a band; its numbers are its own, its words are inherited where it has none."""
    low, high = row.number("low", -math.inf), row.number("high", math.inf)
    point = row.number("point", math.nan)
    if low > high:
        raise row.error(f"expected low <= high, found low {low:g}, high {high:g}")
    if math.isinf(low) and math.isinf(high):
        raise row.error("expected low, high or both, found neither")
    if not math.isnan(point) and not low <= point <= high:
        raise row.error(f"expected a point from low {low:g} to high {high:g}, found {point:g}")
    words = {
        name: row.cells[name] for name in ("hardness", "quantity", "unit", "source") if row.cells.get(name)
    }
    if words.get("hardness", "soft") not in get_args(Hardness):
        known = ", ".join(get_args(Hardness))
        raise row.error(f"column 'hardness': expected one of {known}, found {words['hardness']!r}")
    return replace(inherited, low=low, point=point, high=high, **words)


def chosen_bands(bands: Sequence[Band], wanted: Iterable[str]) -> tuple[Band, ...]:
    """Return the usable bands of the targets or components that are named.

    Args:
        bands: all bands.
        wanted: ids of targets (`C4`: all its components) or of components (`C4.generic`).

    Raises:
        UnknownNameError: a name that is neither.
    """
    names = set(wanted)
    known = {band.target for band in bands} | {band.id for band in bands}
    for name in sorted(names - known):
        raise UnknownNameError("target", name, known)
    return tuple(band for band in bands if band.is_usable and not names.isdisjoint((band.target, band.id)))
