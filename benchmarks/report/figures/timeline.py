"""Measures over the days of the world: value with the permission asset beneath, and fatigue."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from cardarena.benchmarks.report.canvas import (
    GREY,
    INK,
    SHADE,
    SOFT,
    Drawing,
    bare,
    canvas,
    colour_of,
    grid,
    label_ends,
    shorten,
)
from cardarena.benchmarks.report.standings import SILENT, Standings
from cardarena.benchmarks.report.wording import count, money, share

#: More points than this cannot be told apart at a slide's width.
MAX_POINTS = 140


def draw_value(standings: Standings, scenario: str) -> Drawing | None:
    """Draw cumulative incremental value through the run-out, and beneath it the permissions that are left."""
    arena = standings.arena
    value = arena.lines("inv_expected_cumulative", scenario)
    if value.empty:
        value = arena.lines("inv_cumulative", scenario)
    if value.empty:
        return None
    asset = arena.lines("permitted_share", scenario)
    height = 6.75
    title = _value_title(standings, value, scenario)
    figure, bottom, top = canvas(
        title,
        f"{arena.title(scenario)}: above, incremental net value so far, CNY per head; below, permissions left, "
        "of those on day 0",
        height,
        "Mean over seeds. Grey: the other policies. After the decision days every policy gives way to the caretaker.",
    )
    rows = 1 if asset.empty else 2
    cells = grid(
        figure, rows, 1, bottom + 0.45 / height, top - 0.28 / height,
        left=0.055, right=0.83, height_ratios=[1.75, 1][:rows], hspace=0.12,
    )  # fmt: skip
    upper = bare(figure.add_subplot(cells[0, 0]), lines="y")
    _lines(upper, standings, value, scenario, zero=True)
    axes = [upper]
    if not asset.empty:
        lower = bare(figure.add_subplot(cells[1, 0], sharex=upper), lines="y")
        _lines(lower, standings, asset, scenario, percent=True)
        upper.tick_params(labelbottom=False)
        axes.append(lower)
    axes[-1].set_xlabel("day")
    _phases(axes, standings, scenario, float(value.index.max()))
    return Drawing(
        f"value_over_time_{arena.scenarios.index(scenario) + 1}",
        title,
        "A line that falls right of the decision days is goodwill burnt: the value was borrowed from customers, and "
        "the run-out collects the debt. The permission asset beneath shows the same from the other side.",
        figure,
    )


def draw_fatigue(standings: Standings) -> Drawing | None:
    """Draw mean fatigue and its 95th percentile in the main scenario."""
    arena, scenario = standings.arena, standings.main_scenario
    both = [
        (name, arena.lines(measure, scenario))
        for measure, name in (
            ("fatigue_mean", "Mean"),
            ("fatigue_p95", "The most tired twentieth (95th percentile)"),
        )
    ]
    both = [(name, lines) for name, lines in both if not lines.empty]
    if not both:
        return None
    height = 5.6
    title = _fatigue_title(standings, both[0][1], scenario)
    figure, bottom, top = canvas(
        title,
        f"{arena.title(scenario)}: fatigue, contact load over personal tolerance, decision days",
        height,
        "Mean over seeds.",
    )
    cells = grid(
        figure, 1, len(both), bottom + 0.5 / height, top - 0.5 / height, left=0.045, right=0.83, wspace=0.55
    )
    for i, (name, lines) in enumerate(both):
        days = arena.days(scenario)
        # Afterwards every line falls to the caretaker's, and nothing could be told apart or labelled.
        lines = lines[lines.index <= days] if days else lines
        axes = bare(figure.add_subplot(cells[0, i]), lines="y")
        axes.set_title(name, pad=18)
        _lines(axes, standings, lines, scenario, from_zero=True)
        axes.set_xlabel("day")
        _phases([axes], standings, scenario, float(lines.index.max()), words=i == 0)
    return Drawing(
        "fatigue_over_time", title, "At 1 a person's load equals what that person tolerates.", figure
    )


def _lines(
    axes: Axes,
    standings: Standings,
    lines: pd.DataFrame,
    scenario: str,
    *,
    zero: bool = False,
    percent: bool = False,
    from_zero: bool = False,
) -> None:
    """Draw every policy; the highlighted ones in colour, with their names at the right end."""
    step = max(1, len(lines) // MAX_POINTS)
    keep = sorted({*range(0, len(lines), step), len(lines) - 1})
    lines = lines.iloc[keep]
    strong = [name for name in standings.highlighted if name in lines.columns]
    days = lines.index.to_numpy(dtype=float)
    first = standings.ranked[0].policy if standings.ranked else ""
    for name in lines.columns:
        if name not in strong and not (name == SILENT and zero):
            axes.plot(days, lines[name].to_numpy(), color=GREY, linewidth=0.9, alpha=0.75, zorder=2)
    for name in reversed(strong):
        oracle = standings.oracle is not None and name == standings.oracle.policy
        axes.plot(
            days, lines[name].to_numpy(), color=colour_of(name, standings.arena.policies),
            linewidth=3.0 if name == first else 2.1, linestyle=(0, (4, 1.6)) if oracle else "-", zorder=4,
        )  # fmt: skip
    shown = lines[strong] if strong else lines
    low, high = float(np.nanmin(shown.to_numpy())), float(np.nanmax(shown.to_numpy()))
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
        axes.axhline(0, color=INK, linewidth=0.9, zorder=1)
    if from_zero:
        low = 0.0
    room = 0.07 * max(high - low, 1e-6)
    axes.set_ylim(low - (0 if from_zero else room), high + room)
    axes.set_xlim(days[0], days[-1])
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if percent:
        decimals = 0 if high - low > 0.04 else 1
        axes.yaxis.set_major_formatter(lambda v, _: f"{100 * v:.{decimals}f} %")
    else:
        axes.yaxis.set_major_formatter(lambda v, _: f"{v:,g}".replace("-", "−"))
    ends = [
        (days[-1], float(lines[name].iloc[-1]), shorten(name, 18), colour_of(name, standings.arena.policies))
        for name in strong
        if np.isfinite(lines[name].iloc[-1])
    ]
    label_ends(axes, ends, bold=[shorten(first, 18)])


def _phases(
    axes: Sequence[Axes], standings: Standings, scenario: str, last: float, *, words: bool = True
) -> None:
    """Shade the run-out, name the two phases, and mark the shocks."""
    arena = standings.arena
    days = arena.days(scenario)
    for one in axes:
        if days and days < last:
            one.axvspan(days, last, color=SHADE, zorder=0, linewidth=0)
            one.axvline(days, color=SOFT, linewidth=1.0, zorder=1)
        for _, start, middle, end in arena.shocks(scenario):
            if end > start:
                one.axvspan(start, end, color="#e9c46a", alpha=0.25, zorder=0.5, linewidth=0)
            one.axvline(middle, color="#9a6b00", linewidth=1.1, linestyle=(0, (2, 2)), zorder=1.5)
    top = axes[0]
    if words and days and days < last:
        # In a short run the first name has no room beside the second.
        first = "decision days" if days / last > 0.15 else ""
        for x, text in ((0.0, first), (float(days), "run-out under the caretaker")):
            top.annotate(text, (x, 1), xycoords=("data", "axes fraction"), xytext=(5, 4), textcoords="offset points",
                         fontsize=10, color=SOFT, va="bottom")  # fmt: skip
    for i, (label, _, middle, _) in enumerate(arena.shocks(scenario)):
        top.annotate(shorten(label, 24), (middle, 1), xycoords=("data", "axes fraction"), textcoords="offset points",
                     xytext=(4, -12 - 13 * (i % 3)), fontsize=10, color="#7a5600", va="center",
                     bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
                     zorder=7)  # fmt: skip


def _value_title(standings: Standings, lines: pd.DataFrame, scenario: str) -> str:
    """Name the policy that loses most after the decision days, or the winner where none does."""
    days = standings.arena.days(scenario)
    if days and (lines.index > days).any():
        before = lines[lines.index <= days].iloc[-1]
        lost = (before - lines.iloc[-1]).drop(labels=[SILENT], errors="ignore")
        if not lost.empty and float(lost.max()) > 0.5:
            burner = str(lost.idxmax())
            few = f" (mean of {count(standings.n_seeds, 'seed')})" if standings.n_seeds < 3 else ""
            return (
                f"{shorten(burner)} gives back {money(float(lost.max()))} a head after day {days}: "
                f"the price of goodwill burnt{few}"
            )
    if standings.ranked and standings.ranked[0].policy in lines.columns:
        best = standings.ranked[0].policy
        text = f"{shorten(best)} ends at {money(float(lines[best].iloc[-1]))} a head"
        rivals = [one.policy for one in standings.ranked[1:]]
        close = [name for name in rivals if not standings.is_surely_ahead(best, name, scenario)]
        return f"{text}, within chance of {shorten(close[0])}" if close else text
    return "Incremental net value over time"


def _fatigue_title(standings: Standings, lines: pd.DataFrame, scenario: str) -> str:
    days = standings.arena.days(scenario)
    inside = lines[lines.index <= days] if days else lines
    if inside.empty or not standings.ranked or standings.ranked[0].policy not in inside.columns:
        return "Fatigue over time"
    mean = inside.mean()
    worst, best = str(mean.idxmax()), standings.ranked[0].policy
    if worst == best or mean[best] <= 0:
        return "Fatigue over time"
    less = 1 - float(mean[best]) / float(mean[worst])
    gap = standings.difference(scenario, best, worst, "fatigue_mean")
    chance = "" if gap.is_clear else ", within chance"
    return f"{shorten(best)} tires people {share(less)} less than {shorten(worst)}{chance}"
