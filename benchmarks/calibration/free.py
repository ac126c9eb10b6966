"""The parameters that a calibration may move: where they stand, how far they may go, on which scale they move.

A name is a path into a scenario's overrides:

    parameters.need_notice              a parameter that is one number
    parameters.contact_rate.scale       all entries of a row, multiplied by the same factor
    parameters.contact_rate.instalment  one entry of a row, by category, context or channel; a factor leaves it alone
    channels.human_call.interest        a field of a channel
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from cardarena.benchmarks.calibration.sheet import Row, read_sheet
from cardarena.simulator.bank.catalogue import load_channels
from cardarena.simulator.behaviour.parameters import PARAMETERS, parameter_record
from cardarena.simulator.errors import CardArenaError, UnknownNameError
from cardarena.simulator.names import CATEGORIES, CHANNELS, N_CHANNELS
from cardarena.simulator.scenario_model import ChannelOverride

SHIPPED: Final = Path(__file__).parent / "data" / "free.csv"
TRANSFORMS: Final = ("log", "logit", "linear")
#: The bounds lie this many prior standard deviations from each other: a quarter of the range is one.
RANGE_SDS: Final = 4.0
#: Least distance of a value in force from a bound, as a share of the range.
ROOM: Final = 0.15
_CHANNEL_FIELDS: Final = tuple(
    name
    for name in ChannelOverride.model_fields
    if name != "enabled" and not name.endswith("_cny") and name != "delay_median_minutes"
)


@dataclass(frozen=True)
class FreeParameter:
    """One parameter that may move.

    It moves as `u`, a number without unit: 0 is the prior, and a change of 1 is a quarter of the range between the
    bounds on the scale of the transform, which is taken for the prior's standard deviation.

    Attributes:
        name: path into the overrides.
        prior: where it starts, and whereto it is weakly pulled.
        lower: lower bound.
        upper: upper bound.
        transform: scale on which it moves, one of `TRANSFORMS`.
        targets: targets that should move it.
        meaning: what it is.
    """

    name: str
    prior: float
    lower: float
    upper: float
    transform: str = "log"
    targets: tuple[str, ...] = ()
    meaning: str = ""

    @property
    def spread(self) -> float:
        """The prior's standard deviation on the transform's scale."""
        return (self.to_z(self.upper) - self.to_z(self.lower)) / RANGE_SDS

    @property
    def bounds(self) -> tuple[float, float]:
        """The bounds as `u`."""
        return self.to_u(self.lower), self.to_u(self.upper)

    def to_u(self, value: float) -> float:
        """Return the value as `u`; `value_of` is the inverse."""
        return (self.to_z(value) - self.to_z(self.prior)) / self.spread

    def value_of(self, u: float) -> float:
        """Return the parameter's value, inside its bounds whatever rounding does."""
        value = self.from_z(self.to_z(self.prior) + self.spread * u)
        return min(self.upper, max(self.lower, value))

    def to_z(self, value: float) -> float:
        """Return the value on the transform's scale; `from_z` is the inverse."""
        if self.transform == "log":
            return math.log(value)
        return math.log(value / (1.0 - value)) if self.transform == "logit" else value

    def from_z(self, z: float) -> float:
        """Return the value at `z` on the transform's scale."""
        if self.transform == "log":
            return math.exp(z)
        return 1.0 / (1.0 + math.exp(-z)) if self.transform == "logit" else z


def read_free(path: Path = SHIPPED, base: Mapping[str, Any] | None = None) -> tuple[FreeParameter, ...]:
    """Return the free parameters of a table.

    Args:
        path: a CSV with the columns `name`, `lower`, `upper`, `transform`, and, if wanted, `prior`, `targets`
            (separated by spaces), `meaning`; an empty prior is the value in force, around which the bounds widen if they must.
        base: overrides in force, nested: a world's `parameters` and `channels`.

    Raises:
        CardArenaError: a name that is no parameter, bounds in the wrong order or that the prior lies outside of; says
            file and line.
    """
    found: list[FreeParameter] = []
    for row in read_sheet(path, ("name", "lower", "upper", "transform"), ("prior", "targets", "meaning")):
        parameter = _parameter(row, base or {})
        if parameter.name in {other.name for other in found}:
            raise row.error(f"expected {parameter.name!r} once, found it again")
        found.append(parameter)
    return tuple(found)


def _parameter(row: Row, base: Mapping[str, Any]) -> FreeParameter:
    name, transform = row.cells["name"], row.cells["transform"]
    if transform not in TRANSFORMS:
        raise row.error(f"column 'transform': expected one of {', '.join(TRANSFORMS)}, found {transform!r}")
    try:
        in_force = value_in_force(name, base)
    except CardArenaError as error:
        raise row.error(f"column 'name': {error}") from None
    for column in ("lower", "upper"):
        if not row.cells[column]:
            raise row.error(f"column '{column}': expected a number, found nothing")
    lower, upper = row.number("lower", math.nan), row.number("upper", math.nan)
    prior = row.number("prior", in_force)
    floor = 0.0 if transform in ("log", "logit") else -math.inf
    ceiling = 1.0 if transform == "logit" else math.inf
    if not row.cells.get("prior") and floor < lower < upper < ceiling and floor < prior < ceiling:
        lower, upper = _widened(lower, prior, upper, transform)
    if not floor < lower < prior < upper < ceiling:
        raise row.error(
            f"expected {floor:g} < lower < prior < upper < {ceiling:g} on the {transform} scale, "
            f"found lower {lower:g}, prior {prior:g}, upper {upper:g}"
        )
    targets = tuple(row.cells.get("targets", "").split())
    return FreeParameter(name, prior, lower, upper, transform, targets, row.cells.get("meaning", ""))


def _widened(lower: float, prior: float, upper: float, transform: str) -> tuple[float, float]:
    """Return bounds that leave the value in force, which a refit may have moved, a share of the range on either side."""
    scale = FreeParameter("", prior, lower, upper, transform)
    low, at, high = (scale.to_z(value) for value in (lower, prior, upper))
    room = ROOM * (high - low)
    return (
        lower if at - low >= room else scale.from_z(at - room),
        upper if high - at >= room else scale.from_z(at + room),
    )


def value_in_force(name: str, base: Mapping[str, Any]) -> float:
    """Return the value that a free parameter has under the overrides `base`; 1 for a factor.

    Raises:
        UnknownNameError: no such parameter, channel, field or entry.
    """
    kind, _, rest = name.partition(".")
    if kind == "parameters":
        row, _, entry = rest.partition(".")
        values = _row_in_force(row, base)
        if values.ndim == 0:
            if entry:
                raise UnknownNameError("free parameter", name, [f"parameters.{row}"])
            return float(values)
        return 1.0 if entry == "scale" else float(values[_entry(row, values.size, entry)])
    if kind == "channels":
        channel, _, field = rest.partition(".")
        if channel not in CHANNELS:
            raise UnknownNameError("channel", channel, CHANNELS)
        if field not in _CHANNEL_FIELDS:
            raise UnknownNameError("field of a channel", field, _CHANNEL_FIELDS)
        written = base.get("channels", {}).get(channel, {}).get(field)
        return float(load_channels()[CHANNELS.index(channel)][field]) if written is None else float(written)
    raise UnknownNameError("kind of free parameter", kind, ("parameters", "channels"))


def _row_in_force(name: str, base: Mapping[str, Any]) -> np.ndarray:
    known = [parameter.name for parameter in PARAMETERS]
    if name not in known:
        raise UnknownNameError("parameter", name, known)
    return np.asarray(parameter_record(base.get("parameters", {}))[name][0])


def _entry(row: str, size: int, entry: str) -> int:
    names = CHANNELS if size == N_CHANNELS else CATEGORIES[:size]
    if entry not in names:
        raise UnknownNameError(f"entry of parameters.{row}", entry, ("scale", *names))
    return names.index(entry)


def overrides_of(
    parameters: Sequence[FreeParameter],
    u: Sequence[float] | np.ndarray,
    base: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return nested scenario overrides for the parameters at `u`, over those of `base`.

    Args:
        parameters: the free parameters.
        u: where each stands, shape (parameters,).
        base: overrides in force.
    """
    base = dict(base or {})
    numbers = dict(base.get("parameters", {}))
    channels = {name: dict(fields) for name, fields in base.get("channels", {}).items()}
    moved = sorted(zip(parameters, u, strict=True), key=lambda pair: not pair[0].name.endswith(".scale"))
    for parameter, at in moved:
        # Rounded, so that a file written with them gives the very same run.
        value = float(f"{parameter.value_of(float(at)):.8g}")
        kind, name, *rest = parameter.name.split(".")
        if kind == "channels":
            channels.setdefault(name, {})[rest[0]] = value
        elif not rest:
            numbers[name] = value
        else:
            row = _row_in_force(name, {"parameters": numbers}).copy()
            if rest[0] == "scale":
                row *= value
            else:
                row[_entry(name, row.size, rest[0])] = value
            numbers[name] = [float(f"{x:.8g}") for x in row]
    return base | {"parameters": numbers, "channels": channels}
