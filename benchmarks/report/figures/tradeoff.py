"""Value against what it costs in goodwill: each policy a curve over its dial, the efficient frontier behind."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cardarena.benchmarks.report.canvas import (
    FAINT,
    GREY,
    INK,
    SOFT,
    Drawing,
    bare,
    canvas,
    colour_of,
    grid,
    marker_of,
    shorten,
)
from cardarena.benchmarks.report.labels import Box, overlap, place
from cardarena.benchmarks.report.standings import PRIVILEGED, Standings, interval
from cardarena.benchmarks.report.wording import money, number

PANELS = (
    ("marketing_complaints_expected", "Marketing complaints", "expected, per 1,000 holders and month"),
    ("opt_outs_expected", "Unsubscribes", "expected, per 1,000 holders and month"),
)


#: The least that the axes span: where all did nothing there is nothing to enlarge.
LEAST_HARM = 0.05
LEAST_VALUE = 0.5


def draw(standings: Standings) -> Drawing | None:
    """Draw value against complaints and against opt-outs in the scenario that has the dials."""
    runs = standings.arena.runs
    runs = runs[runs["finished"] & np.isfinite(runs["value"])]
    dialled = runs[runs["dial"].notna()]
    counts = dialled.groupby("scenario")["policy"].nunique()
    scenario = standings.main_scenario
    if not counts.empty and scenario not in counts.index:
        scenario = str(counts.idxmax())
    panels = [panel for panel in PANELS if panel[0] in set(runs["metric"])]
    points = _points(standings, runs[runs["scenario"] == scenario], [metric for metric, _, _ in panels])
    if points.empty or not panels:
        return None

    height = 6.75
    title = _title(standings, points, panels[0][0], scenario)
    what = "curves run over each policy's dial" if len(dialled) else "no dial was swept in this arena"
    figure, bottom, top = canvas(
        title,
        f"{standings.arena.title(scenario)}: incremental net value, CNY per head, against harm; {what}",
        height,
        "Large mark: the policy as ranked. Small marks: other settings of its dial. Bars: 95 % intervals over seeds. "
        "Grey line: the efficient frontier.",
    )
    cells = grid(figure, 1, len(panels), bottom + 0.62 / height, top - 0.35 / height, left=0.06, wspace=0.13)
    first = None
    for i, (metric, name, unit) in enumerate(panels):
        axes = bare(figure.add_subplot(cells[0, i], sharey=first), lines="both", keep=["bottom"])
        first = first or axes
        axes.set_title(name, pad=8)
        axes.set_xlabel(unit)
        _panel(axes, standings, points, metric, scenario)
    return Drawing(
        "value_against_harm",
        title,
        "Up and to the left is better. A policy whose curve stays near the frontier gives the bank a choice of volume; "
        "one that turns down at the right earns less the more it sends.",
        figure,
    )


def _points(standings: Standings, runs: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    """Return a row per policy and dial with the mean and interval of the value and of each harm."""
    wanted = runs[runs["metric"].isin([standings.metric, *metrics])]
    rows: list[dict[str, Any]] = []
    for (policy, dial), part in wanted.groupby(["policy", "dial"], dropna=False, sort=True):
        row: dict[str, Any] = {"policy": policy, "dial": dial}
        for metric in [standings.metric, *metrics]:
            found = interval(part.loc[part["metric"] == metric, "value"].to_numpy(dtype=np.float64))
            row[metric], row[metric + " low"], row[metric + " high"] = found.mean, found.low, found.high
        rows.append(row)
    frame = pd.DataFrame(rows)
    return frame[np.isfinite(frame[standings.metric])] if len(frame) else frame


def _title(standings: Standings, points: pd.DataFrame, harm: str, scenario: str) -> str:
    default = points[points["dial"].isna()]
    harms = dict(zip(default["policy"], default[harm].tolist(), strict=True))
    values = dict(zip(default["policy"], default[standings.metric].tolist(), strict=True))
    worst = next((name for name in reversed(standings.highlighted) if name in harms), None)
    best = standings.ranked[0].policy if standings.ranked else None
    if best and worst and best != worst and harms.get(best, 0.0) > 0:
        times, less = harms[worst] / harms[best], values[best] - values[worst]
        if times > 1.2 and less > 0 and standings.difference(scenario, worst, best, harm).is_clear:
            text = f"{shorten(worst)} draws {number(times)} times the complaints of {shorten(best)}"
            if standings.is_surely_ahead(best, worst, scenario):
                return f"{text} and earns {money(less)} a head less"
            return f"{text}; what they earn cannot be told apart"
    return "What each policy's value costs in complaints and unsubscribes"


def _panel(axes: Axes, standings: Standings, points: pd.DataFrame, harm: str, scenario: str) -> None:
    value = standings.metric
    known = points[np.isfinite(points[harm])]
    x = known[harm].to_numpy()
    if x.size == 0:
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", color=SOFT)
        return
    # The far ends of some dials lie beyond anything a bank would do; the curves run out of the picture there.
    ranked = known["dial"].isna().to_numpy()
    shown_x = x[ranked] if ranked.any() else x
    right = 1.12 * max(float(shown_x.max()), LEAST_HARM)
    if x.min() >= 0 and right > 4 * max(float(np.median(x)), LEAST_HARM):
        axes.set_xscale("function", functions=(lambda v: np.sqrt(np.maximum(v, 0)), np.square))
        axes.set_xlabel(axes.get_xlabel() + "; square-root scale")
    axes.set_xlim(0 if x.min() >= 0 else x.min() * 1.05, right)
    low, high = _heights(standings, known)
    axes.set_ylim(low - 0.08 * (high - low), high + 0.1 * (high - low))
    _frontier(axes, standings, known, harm)
    limit = standings.arena.limits(scenario).get(harm)
    if limit is not None and limit <= axes.get_xlim()[1]:
        axes.axvspan(limit, axes.get_xlim()[1], color="#f7e9e7", zorder=0, linewidth=0)
        axes.annotate("over the limit", (limit, 0), xycoords=("data", "axes fraction"), xytext=(4, 5),
                      textcoords="offset points", fontsize=9.5, color="#b3261e")  # fmt: skip
    axes.axhline(0, color=FAINT, linewidth=1)
    strong = set(standings.highlighted)
    anchors: list[tuple[str, float, float]] = []
    obstacles: list[tuple[float, float]] = []
    order = sorted(known["policy"].unique(), key=lambda name: (name in strong, name))
    for policy in order:
        mine = known[known["policy"] == policy]
        curve = mine[mine["dial"].notna()].sort_values("dial")
        colour = colour_of(policy, standings.arena.policies) if policy in strong else GREY
        z = 4 if policy in strong else 3
        path = mine.sort_values(harm)
        if len(curve):
            axes.plot(
                path[harm], path[value], color=colour, linewidth=2.2 if policy in strong else 1.3, zorder=z
            )
            axes.plot(curve[harm], curve[value], "o", color=colour, markersize=3.5, zorder=z)
            xs, ys = path[harm].to_numpy(), path[value].to_numpy()
            for t in np.linspace(0, 1, 6):
                obstacles += list(
                    zip(xs[:-1] * (1 - t) + xs[1:] * t, ys[:-1] * (1 - t) + ys[1:] * t, strict=True)
                )
        for row in mine[mine["dial"].isna()].to_dict("records"):
            _mark(axes, row, value, harm, colour, marker_of(standings.arena.leagues.get(policy, "")), z)
            anchors.append((policy, row[harm], row[value]))
    anchors.sort(key=lambda one: (one[0] not in strong, one[0]))
    _names(axes, anchors, obstacles, standings)
    _beneath(axes, [one for one in anchors if one[2] < axes.get_ylim()[0]], standings)


def _heights(standings: Standings, known: pd.DataFrame) -> tuple[float, float]:
    """Return the lowest and highest value that the picture shows: every contender's, and 0."""
    value = known[standings.metric].to_numpy(dtype=float)
    default = known["dial"].isna().to_numpy()
    fair = {one.policy for one in standings.ranked}
    contends = value[default & known["policy"].isin(fair).to_numpy()]
    shown = value[default] if default.any() else value
    high = max(float(value.max()), 0.0)
    # Burners must not press the contenders together: what lies deeper is written at the lower edge.
    least = min(float(contends.min()) if contends.size else float(shown.min()), -0.8 * high)
    low = min(max(float(shown.min()), least), 0.0)
    lack = max(LEAST_VALUE - (high - low), 0.0)
    return low - lack / 2, high + lack / 2


def _beneath(axes: Axes, below: list[tuple[str, float, float]], standings: Standings) -> None:
    """Write the policies that lie beneath the picture at its lower edge, each with its value."""
    for i, (name, _, y) in enumerate(sorted(below, key=lambda one: -one[2])):
        axes.annotate(
            f"▾ {shorten(name, 18)} {number(y)}", (1, 0), xycoords="axes fraction",
            xytext=(-4, 6 + 13 * i), textcoords="offset points", ha="right", va="bottom", fontsize=9.5,
            color=colour_of(name, standings.arena.policies), zorder=6,
        )  # fmt: skip


def _mark(axes: Axes, row: dict[str, Any], value: str, harm: str, colour: str, marker: str, z: int) -> None:
    for lows, highs, other, is_x in (
        (row[harm + " low"], row[harm + " high"], row[value], True),
        (row[value + " low"], row[value + " high"], row[harm], False),
    ):
        if np.isfinite(lows) and np.isfinite(highs):
            ends, still = [lows, highs], [other, other]
            xs, ys = (ends, still) if is_x else (still, ends)
            axes.plot(xs, ys, color=colour, linewidth=1.2, alpha=0.7, zorder=z)
    axes.plot([row[harm]], [row[value]], marker, color=colour, markersize=8.5, markeredgecolor="white",
              markeredgewidth=0.9, zorder=z + 1, clip_on=False)  # fmt: skip


def _frontier(axes: Axes, standings: Standings, known: pd.DataFrame, harm: str) -> None:
    fair = known[[standings.arena.leagues.get(p) != PRIVILEGED for p in known["policy"]]]
    best, xs, ys = -np.inf, [], []
    for x, y in fair.sort_values([harm, standings.metric])[[harm, standings.metric]].to_numpy():
        if y > best:
            best = y
            xs.append(x)
            ys.append(y)
    axes.plot([*xs, axes.get_xlim()[1]], [*ys, best], color="#e3e7ea", linewidth=5, zorder=1, solid_joinstyle="round",
              solid_capstyle="butt")  # fmt: skip


def _names(
    axes: Axes,
    anchors: list[tuple[str, float, float]],
    lines: list[tuple[float, float]],
    standings: Standings,
) -> None:
    """Write each policy's name beside its mark, in points of the figure, where it covers least."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    to_pt = 72 / figure.dpi

    def at(x: float, y: float) -> tuple[float, float]:
        px, py = axes.transData.transform((x, y))
        return float(px) * to_pt, float(py) * to_pt

    (low, high), right = axes.get_ylim(), axes.get_xlim()[1]
    inside = [one for one in anchors if low <= one[2] <= high and one[1] <= right]
    strong = set(standings.highlighted)
    points = [at(x, y) for _, x, y in inside]
    sizes = [(0.60 * (11 if name in strong else 9.5) * len(shorten(name, 20)), 12.5) for name, _, _ in inside]
    obstacles = [(px - 5, py - 5, px + 5, py + 5) for px, py in points]
    obstacles += [(px - 2, py - 2, px + 2, py + 2) for px, py in (at(x, y) for x, y in lines)]
    box = axes.bbox
    frame = (box.x0 * to_pt, box.y0 * to_pt, box.x1 * to_pt, box.y1 * to_pt)
    written: list[Box] = []
    corners = place(points, sizes, obstacles, frame)
    for (name, x, y), (px, py), (left, bottom), (width, height) in zip(
        inside, points, corners, sizes, strict=True
    ):
        colour = colour_of(name, standings.arena.policies) if name in strong else SOFT
        box = (left, bottom, left + width, bottom + height)
        leader = {"arrowstyle": "-", "color": colour, "lw": 0.6, "shrinkA": 0, "shrinkB": 4}
        away = max(abs(left + width / 2 - px) - width / 2, abs(bottom + height / 2 - py) - height / 2)
        if name not in strong and (
            away > 12 or any(overlap(box, other) > 12 for other in [*obstacles, *written])
        ):
            continue  # an unreadable name helps nobody; the table has them all
        written.append(box)
        axes.annotate(
            shorten(name, 20),
            (x, y),
            xytext=(left + width / 2 - px, bottom + height / 2 - py),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=11 if name in strong else 9.5,
            fontweight="bold" if standings.ranked and name == standings.ranked[0].policy else "normal",
            color=colour if colour != FAINT else INK,
            zorder=6,
            arrowprops=leader if away > 14 else None,
        )
