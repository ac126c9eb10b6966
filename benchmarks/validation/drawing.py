"""Pictures of the validation page: axes in the look of the report, turned into SVG text that is the same every time.

The title and the caption stand in the page, not in the drawing. A picture at most `HALF` wide shares its row with another.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cardarena.benchmarks.report.canvas import GREY, INK, SHADE, SOFT, Drawing, bare, settings, svg_of
from cardarena.benchmarks.validation.findings import Picture
from cardarena.simulator.errors import CardArenaError

#: Colours with one meaning on every picture: what the world gave, what was published, and the band about it.
WORLD: Final = "#0067a5"
PUBLISHED: Final = INK
BAND: Final = "#e7dfcc"
#: Sizes in inches, width and height.
HALF: Final = (6.0, 3.6)
WHOLE: Final = (12.0, 4.2)

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def draw(
    name: str,
    title: str,
    caption: str,
    plot: Callable[[Axes], None],
    *,
    size: tuple[float, float] = HALF,
) -> Picture:
    """Return a picture of one pair of axes.

    Args:
        name: lower-case letters, digits and underscores; no two pictures of a page may share it.
        title: what is seen, as a statement.
        caption: how to read it, and where the published values come from.
        plot: draws on empty axes without a frame.
        size: width and height, inches; `HALF` or `WHOLE`.

    Raises:
        CardArenaError: a name that cannot stand in a page.
    """
    return draw_panels(name, title, caption, [plot], size=size)


def draw_panels(
    name: str,
    title: str,
    caption: str,
    plots: Sequence[Callable[[Axes], None]],
    *,
    columns: int = 3,
    size: tuple[float, float] = WHOLE,
    share: bool = False,
) -> Picture:
    """Return a picture of several panels, in rows of `columns`.

    Args:
        name: as for `draw`.
        title: as for `draw`.
        caption: as for `draw`.
        plots: one for each panel; each draws on empty axes without a frame.
        columns: panels in a row.
        size: width and height, inches.
        share: whether all panels have the same axes.

    Raises:
        CardArenaError: a name that cannot stand in a page, or nothing to draw.
    """
    if not _NAME.fullmatch(name):
        raise CardArenaError(f"picture: expected a name of letters, digits and underscores, found {name!r}")
    if not plots:
        raise CardArenaError(f"picture {name!r}: expected at least one plot, found none")
    columns = min(columns, len(plots))
    rows = -(-len(plots) // columns)
    with settings():
        figure = Figure(figsize=size, facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share)
        for axes, plot in zip(grid.flat, plots, strict=False):
            bare(axes, lines="both")
            plot(axes)
        for axes in list(grid.flat)[len(plots) :]:
            axes.set_visible(False)
        return Picture(name, title, caption, svg_of(Drawing(name, title, caption, figure)))


def shares_against(
    axes: Axes,
    names: Sequence[str],
    values: Sequence[float],
    *,
    errors: Sequence[float] | None = None,
    lows: Sequence[float] | None = None,
    highs: Sequence[float] | None = None,
    points: Sequence[float] | None = None,
    unit: str = "",
) -> None:
    """Draw a distribution: a bar for what the world gave, a line for what was published, a box for its band.

    Args:
        axes: where.
        names: shape (levels,), below the bars.
        values: shape (levels,), of the world.
        errors: shape (levels,), standard errors of `values`; drawn twice to either side.
        lows: shape (levels,), lower ends of the bands.
        highs: shape (levels,), upper ends.
        points: shape (levels,), as published.
        unit: name of the vertical axis.
    """
    at = np.arange(len(names))
    axes.grid(False, axis="x")
    axes.bar(at, values, width=0.5, color=WORLD, alpha=0.75, label="simulated")
    if errors is not None:
        axes.errorbar(at, values, yerr=2.0 * np.asarray(errors), fmt="none", ecolor=INK, elinewidth=1.2)
    if lows is not None and highs is not None:
        low, high = np.asarray(lows, dtype=float), np.asarray(highs, dtype=float)
        axes.bar(at, high - low, bottom=low, width=0.8, color=BAND, alpha=0.75, label="band", zorder=0.9)
    if points is not None:
        axes.hlines(points, at - 0.4, at + 0.4, color=PUBLISHED, linewidth=2.0, label="published")
    axes.set_xticks(at, names)
    axes.set_ylabel(unit)
    # Room above the bars for the legend.
    axes.set_ylim(0.0, 1.18 * axes.get_ylim()[1])
    legend(axes, loc="upper center", ncols=3)


def curve_with_band(
    axes: Axes, x: Any, y: Any, error: Any = None, *, label: str = "simulated", colour: str = WORLD
) -> None:
    """Draw a curve of the world, with twice its standard error shaded to either side.

    Args:
        axes: where.
        x: shape (points,).
        y: shape (points,).
        error: shape (points,), standard errors of `y`, or None.
        label: in the legend.
        colour: of line and shade.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if error is not None:
        spread = 2.0 * np.asarray(error, dtype=float)
        axes.fill_between(x, y - spread, y + spread, color=colour, alpha=0.15, linewidth=0)
    axes.plot(x, y, color=colour, linewidth=2.0, marker="o", markersize=4, label=label)


def legend(axes: Axes, **more: Any) -> None:
    """Write a legend without a frame, if anything has a label; `more` goes to matplotlib."""
    if axes.get_legend_handles_labels()[1]:
        axes.legend(**{"frameon": False, "fontsize": 10, "labelcolor": SOFT} | more)


__all__ = [
    "BAND",
    "GREY",
    "HALF",
    "INK",
    "PUBLISHED",
    "SHADE",
    "SOFT",
    "WHOLE",
    "WORLD",
    "curve_with_band",
    "draw",
    "draw_panels",
    "legend",
    "shares_against",
]
