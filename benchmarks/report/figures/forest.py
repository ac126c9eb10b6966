"""Incremental net value of every policy in every scenario, with intervals: who wins, and where it is sure."""

import math
from typing import Any

import numpy as np

from cardarena.benchmarks.report.canvas import (
    FAINT,
    GREY,
    INK,
    SOFT,
    WARN,
    Drawing,
    bare,
    canvas,
    colour_of,
    grid,
    marker_of,
    shorten,
)
from cardarena.benchmarks.report.labels import spread
from cardarena.benchmarks.report.standings import REFERENCE, SILENT, Standing, Standings
from cardarena.benchmarks.report.wording import money, tie_of


def draw(standings: Standings) -> Drawing | None:
    """Draw one panel per scenario, policies in the order of the leaderboard, limit-breakers below a line."""
    arena = standings.arena
    rows = [one for one in standings.all if np.isfinite(one.inv.mean)]
    if not rows:
        return None
    above = [one for one in rows if not _is_below(one)]
    below = [one for one in rows if _is_below(one)]
    places = {one.policy: -float(i) for i, one in enumerate(above)}
    places |= {one.policy: -(len(above) + 0.6 + i) for i, one in enumerate(below)}

    n = len(arena.scenarios)
    columns = min(n, 3)
    lines = math.ceil(n / columns)
    height = 1.5 + lines * (0.62 + 0.235 * (len(rows) + 1)) + 0.35
    note = (
        "Bars: 95 % interval of the paired difference to the status quo, drawn about the policy's own mean."
    )
    if all(standings.estimate(s, one.policy).n < 2 for s in arena.scenarios for one in rows):
        note = "One seed: there are no intervals."
    figure, bottom, top = canvas(
        _title(standings, rows),
        "Incremental net value against the silent world, CNY per head, decision days and run-out",
        height,
        note,
    )
    cells = grid(
        figure,
        lines,
        columns,
        bottom + 0.30 / height,
        top - 0.5 / height,
        left=0.155,
        wspace=0.08,
        hspace=0.2,
    )
    low, high = _limits(standings, rows)
    first = None
    for i, scenario in enumerate(arena.scenarios):
        axes = bare(
            figure.add_subplot(cells[i // columns, i % columns], sharex=first, sharey=first), lines="x"
        )
        first = first or axes
        axes.set_title(
            shorten(arena.title(scenario), 36 if columns > 2 else 48),
            pad=16,
            fontsize=11.5 if columns > 2 else 12.5,
        )
        bottom_row = min(places.values()) - 0.7
        axes.set_ylim(bottom_row, 0.8)
        axes.set_xlim(low, high)
        _verticals(axes, standings, scenario, (low, high))
        if below:
            axes.axhline(-(len(above) - 0.2), color=INK, linewidth=0.9)
        for one in rows:
            _row(axes, standings, scenario, one, places[one.policy], (low, high))
        axes.set_yticks([])
        if i % columns == 0:
            for one in rows:
                _name(axes, one, places[one.policy], standings, low)
            if below:
                axes.annotate(
                    "broke a limit",
                    (0, -(len(above) - 0.2)),
                    xycoords=("axes fraction", "data"),
                    xytext=(4, -2),
                    textcoords="offset points",
                    fontsize=9,
                    color=WARN,
                    va="top",
                )
        if i // columns < lines - 1 and i + columns < n:
            axes.tick_params(labelbottom=False)
    return Drawing(
        "inv_by_scenario",
        _title(standings, rows),
        "Each mark is a policy's mean over seeds. Where a bar leaves out the status-quo line, the difference is surer "
        "than chance."
        + (
            " Policies beneath the black line broke a limit of at least one scenario and have no rank."
            if below
            else ""
        ),
        figure,
    )


def _is_below(one: Standing) -> bool:
    return bool(one.breaches) and not one.is_reference


def _title(standings: Standings, rows: list[Standing]) -> str:
    if not standings.ranked:
        return "No policy finished within the limits"
    first = standings.ranked[0]
    name = shorten(first.policy)
    if first.inv.n < 2 and len(rows) > 1:
        return f"{name} has the highest value, {money(first.inv.mean)} a head; one seed cannot tell it from chance"
    if standings.tied:
        second = standings.ranked[1]
        values = [f"{money(first.inv.mean)} and {money(second.inv.mean)} a head"]
        if len(standings.tied) > 1:
            values = [f"{money(first.inv.mean)} a head for {name}"]
        return f"{tie_of(standings)} cannot be told apart: {values[0]}"
    if first.gain is None or not first.gain.n:
        return f"{name} earns {money(first.inv.mean)} a head" + (
            f", the most of {len(rows)} policies" if len(rows) > 1 else ""
        )
    if not first.gain.is_clear:
        return f"{name} is ahead of the status quo by {money(first.gain.mean)} a head, within chance"
    wins = sum(
        max(
            (standings.mean(standings.metric, scenario, one.policy), one.policy)
            for one in standings.ranked
            if np.isfinite(standings.mean(standings.metric, scenario, one.policy))
        )[1]
        == first.policy
        for scenario in standings.arena.scenarios
    )
    n = len(standings.arena.scenarios)
    where = (
        "and leads everywhere"
        if wins == n and n > 1 and first.inv.n > 2 and _leads_surely(standings)
        else f"and leads in {wins} of {n} scenarios"
        if n > 1
        else ""
    )
    return (
        f"{shorten(first.policy)} earns {money(first.gain.mean)} a head over the status quo {where}".strip()
    )


def _leads_surely(standings: Standings) -> bool:
    """Return whether the first is surely ahead of every other ranked policy in every scenario."""
    first = standings.ranked[0].policy
    return all(
        standings.is_surely_ahead(first, one.policy, scenario)
        for scenario in standings.arena.scenarios
        for one in standings.ranked[1:]
    )


def _limits(standings: Standings, rows: list[Standing]) -> tuple[float, float]:
    fair = [one for one in rows if not _is_below(one)] or rows
    values = [
        standings.mean(standings.metric, scenario, one.policy)
        for scenario in standings.arena.scenarios
        for one in fair
    ]
    kept = np.array([value for value in values if np.isfinite(value)] + [0.0])
    # Burners below the line must not press the contenders together: what lies outside is written at the edge.
    margin = 0.09 * max(float(np.ptp(kept)), 1e-6)
    return float(kept.min()) - 2.4 * margin, float(kept.max()) + margin


def _verticals(axes, standings: Standings, scenario: str, limits: tuple[float, float]) -> None:
    marks: list[tuple[float, str, str, Any]] = [(0.0, "silent", FAINT, "-")]
    base = standings.mean(standings.metric, scenario, REFERENCE)
    if np.isfinite(base):
        marks.append((base, "status quo", colour_of(REFERENCE), "-"))
    if standings.oracle:
        best = standings.mean(standings.metric, scenario, standings.oracle.policy)
        if np.isfinite(best):
            marks.append((best, "oracle", colour_of("oracle_myopic"), (0, (1.5, 2))))
    width_pt = axes.get_position().width * 12 * 72
    scale = (limits[1] - limits[0]) / width_pt
    shown = [mark for mark in marks if limits[0] <= mark[0] <= limits[1]]
    at = spread([mark[0] for mark in shown], 56 * scale, limits[0] + 22 * scale, limits[1] - 24 * scale)
    for (x, label, colour, style), text_x in zip(shown, at, strict=True):
        axes.axvline(x, color=colour, linewidth=1.1, linestyle=style, zorder=1.5)
        axes.annotate(
            label,
            (text_x, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=9.5,
            color=colour if label != "silent" else SOFT,
        )


def _row(
    axes, standings: Standings, scenario: str, one: Standing, y: float, limits: tuple[float, float]
) -> None:
    value = standings.mean(standings.metric, scenario, one.policy)
    if not np.isfinite(value):
        axes.annotate("no run finished", (limits[0], y), xytext=(4, 0), textcoords="offset points",
                      fontsize=9, color=WARN, va="center")  # fmt: skip
        return
    breached = any(breach.scenario == scenario for breach in one.breaches) and not one.is_reference
    colour = GREY if _is_below(one) else colour_of(one.policy, standings.arena.policies)
    if value < limits[0]:
        axes.annotate(f"◂ {value:,.0f}".replace("-", "−"), (limits[0], y), xytext=(2, 0), textcoords="offset points",
                      fontsize=9.5, color=SOFT, va="center")  # fmt: skip
        return
    if one.policy not in (REFERENCE, SILENT):
        pair = standings.difference(scenario, one.policy, REFERENCE)
        if not pair.n:
            pair = standings.estimate(scenario, one.policy)
        if pair.has_interval:
            ends = [value + pair.low - pair.mean, value + pair.high - pair.mean]
            axes.plot(ends, [y, y], color=colour, linewidth=2.4, alpha=0.55, zorder=2)
    axes.plot(
        [value], [y], marker="X" if breached else marker_of(one.league), markersize=7.5, color=colour,
        markeredgecolor="white", markeredgewidth=0.8, zorder=3,
    )  # fmt: skip


def _name(axes, one: Standing, y: float, standings: Standings, low: float) -> None:
    strong = one.policy in standings.highlighted and not _is_below(one)
    rank = f"{one.rank}" if one.rank else ""
    axes.annotate(
        shorten(one.policy, 18),
        (0, y),
        xycoords=("axes fraction", "data"),
        xytext=(-8, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=11,
        fontweight="bold" if rank == "1" else "normal",
        color=SOFT if _is_below(one) else colour_of(one.policy, standings.arena.policies) if strong else INK,
    )
