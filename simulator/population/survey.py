"""A bank's own survey as a population: figures over the published ones, raked, and kept as plain data in a world.

It stands for the `survey` mode alone; the card base of the `population` mode has its own figures.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from cardarena.simulator import names
from cardarena.simulator.bank.sourced import FrozenDict, Strict
from cardarena.simulator.errors import nearest
from cardarena.simulator.population.tables import FITTED_SCALARS, FLAGS, LEVELS, pack
from cardarena.simulator.strict_yaml import at_key

MODE: Final = "survey"
_SLACK: Final = 1e-6

_frozen = AfterValidator(FrozenDict)
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Row = Annotated[tuple[Share, ...], Field(strict=False, min_length=2, max_length=8)]
Score = Annotated[float, Field(ge=1.0, le=5.0)]
Logit = Annotated[float, Field(ge=-1000.0, le=1000.0)]
Scalar = Annotated[float, Field(ge=-1e7, le=1e7)]


class Survey(Strict):
    """A raked population: everything that the maker of cardholders needs beside the shipped tables.

    Attributes:
        mode: the population mode whose place it takes.
        segments: shares of S1..S6, summing to 1.
        cells: per variable and segment the shares of the levels, each row summing to 1.
        scalars: the numbers that raking found.
        flags: intercepts of the 0/1 traits, logit.
        channel_likings: scores from 1 to 5 by channel.
        service_likings: scores from 1 to 5 by service.
    """

    mode: Literal["survey"]
    segments: Row
    cells: Annotated[dict[str, Annotated[dict[str, Row], _frozen]], _frozen]
    scalars: Annotated[dict[str, Scalar], _frozen]
    flags: Annotated[dict[str, Logit], _frozen]
    channel_likings: Annotated[dict[str, Score], _frozen]
    service_likings: Annotated[dict[str, Score], _frozen]

    @model_validator(mode="after")
    def _complete(self) -> "Survey":
        _expect_keys("cells", self.cells, LEVELS)
        _expect_keys("scalars", self.scalars, FITTED_SCALARS)
        _expect_keys("flags", self.flags, FLAGS)
        _expect_keys("channel_likings", self.channel_likings, names.CHANNELS)
        _expect_keys("service_likings", self.service_likings, names.SERVICES)
        _expect_sum("segments", self.segments, len(names.SEGMENTS))
        for name, by_segment in self.cells.items():
            _expect_keys(f"cells.{name}", by_segment, names.SEGMENTS)
            for segment, row in by_segment.items():
                _expect_sum(f"cells.{name}.{segment}", row, len(LEVELS[name]))
        return self

    def record(self) -> np.ndarray:
        """Return the record of `TABLES` from which cardholders are made, shape (1,)."""
        cells = {
            name: np.array([by_segment[segment] for segment in names.SEGMENTS])
            for name, by_segment in self.cells.items()
        }
        scores = {("channel", name): score for name, score in self.channel_likings.items()}
        scores |= {("service", name): score for name, score in self.service_likings.items()}
        shares = np.array(self.segments)
        return pack(MODE, cells, dict(self.scalars), dict(self.flags), shares=shares, scores=scores)


def _expect_keys(where: str, found: Mapping[str, Any], wanted: Iterable[str]) -> None:
    wanted = tuple(wanted)
    for key in found:
        if key not in wanted:
            raise at_key(f"{where}.{key}", f"expected a known name, found {key!r}; {nearest(key, wanted)}")
    missing = [key for key in wanted if key not in found]
    if missing:
        raise at_key(where, f"expected {missing[0]!r} among the names, found {len(found)} others")


def _expect_sum(where: str, row: tuple[float, ...], size: int) -> None:
    if len(row) != size or abs(sum(row) - 1.0) > _SLACK:
        raise at_key(
            where, f"expected {size} shares that sum to 1, found {len(row)} that sum to {sum(row):g}"
        )
