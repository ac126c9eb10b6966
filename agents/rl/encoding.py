"""From observed columns to a network's inputs: the one place where they are transformed and scaled, in training and in play."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardarena.agents.rl.card import CONTACT_PRICE, DAYS_LEFT, OBSERVED, Column, Observation
from cardarena.simulator.errors import UnknownNameError

Array = NDArray[np.float32]
#: A cyclic column and its period.
_CYCLES: Final = {"weekday": 7.0, "month": 12.0}
#: Beginnings and ends of the names of counts, days and amounts, whose tails are long.
_LONG_BEGIN: Final = (
    "contacts_",
    "category_",
    "opens_",
    "clicks_",
    "days_since_",
    "recency_",
    "transactions_",
    "visits_28d",
    "precursor_",
    "tenure_",
    "complaints",
    "spend_",
    "context_spend_",
)
_LONG_END: Final = ("_cny",)


def default_columns(names: Sequence[str] = OBSERVED) -> tuple[Column, ...]:
    """Return the inputs made of observed columns before they are scaled.

    Counts, days and amounts by `log1p`; weekday and month as a point on a circle; everything else as it is.

    Example:
        >>> [(c.name, c.transform) for c in default_columns(("age", "weekday", "spend_28d_cny"))]
        [('age', 'identity'), ('weekday', 'sin'), ('weekday', 'cos'), ('spend_28d_cny', 'log1p')]
    """
    columns = []
    for name in names:
        if name in _CYCLES:
            columns += [Column(name=name, transform=turn, period=_CYCLES[name]) for turn in ("sin", "cos")]
        elif name.startswith(_LONG_BEGIN) or name.endswith(_LONG_END):
            columns.append(Column(name=name, transform="log1p"))
        else:
            columns.append(Column(name=name))
    return tuple(columns)


class Encoder:
    """Turns rows of observed columns into inputs, and keeps the frames of a stack.

    Attributes:
        width: inputs of one frame.
        frames: frames in a stack.
    """

    def __init__(self, observation: Observation, names: Sequence[str]) -> None:
        """Find the observation's columns among `names`, the columns of the rows that will come.

        Raises:
            UnknownNameError: the rows lack one.
        """
        at = {name: j for j, name in enumerate(names)}
        columns = observation.columns
        for column in columns:
            if column.name not in at:
                raise UnknownNameError("column", column.name, names)
        self.width, self.frames = len(columns), observation.frames
        self._at = np.array([at[c.name] for c in columns], dtype=np.int64)
        self._log = np.flatnonzero([c.transform == "log1p" for c in columns])
        self._cycles = [(j, c) for j, c in enumerate(columns) if c.period > 0]
        self._mean = np.array([c.mean for c in columns], dtype=np.float32)
        self._per_scale = np.array([1.0 / c.scale for c in columns], dtype=np.float32)
        self._clip = np.float32(observation.clip)

    def transformed(self, rows: Array) -> Array:
        """Return the columns, transformed and not scaled, shape (n, width).

        Args:
            rows: shape (n, names), float32.
        """
        x = rows[:, self._at]
        part = x[:, self._log]
        x[:, self._log] = np.copysign(np.log1p(np.abs(part)), part)
        for j, column in self._cycles:
            turn = np.sin if column.transform == "sin" else np.cos
            x[:, j] = turn(x[:, j] * np.float32(2.0 * np.pi / column.period))
        return x

    def __call__(self, rows: Array) -> Array:
        """Return one frame of inputs, shape (n, width), float32.

        Args:
            rows: shape (n, names), float32.
        """
        x = self.transformed(rows)
        x -= self._mean
        x *= self._per_scale
        return np.clip(x, -self._clip, self._clip, out=x)

    def stacked(self, frame: Array, past: Array) -> tuple[Array, Array]:
        """Return the network's inputs, and the frames to keep for the next decision.

        Args:
            frame: shape (n, width), the present one.
            past: shape (n, (frames - 1) * width), the ones before it, oldest first.
        """
        if self.frames == 1:
            return frame, past
        whole = np.concatenate([past, frame], axis=1)
        return whole, whole[:, self.width :]


def scaled(
    columns: Sequence[Column], mean: NDArray[np.floating], deviation: NDArray[np.floating]
) -> tuple[Column, ...]:
    """Return the columns with their scaling frozen: a column that never moves is only centred.

    Args:
        columns: what was observed.
        mean: shape (columns,), of the transformed columns.
        deviation: shape (columns,), standard deviation of them.
    """
    return tuple(
        column.model_copy(
            update={"mean": float(np.float32(m)), "scale": float(np.float32(d)) if d > 1e-3 else 1.0}
        )
        for column, m, d in zip(columns, mean, deviation, strict=True)
    )


__all__ = ["CONTACT_PRICE", "DAYS_LEFT", "OBSERVED", "Encoder", "default_columns", "scaled"]
