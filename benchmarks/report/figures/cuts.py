"""The same policies cut by step of the funnel, segment, channel and group of people."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.patches import Rectangle

from cardarena.benchmarks.report.canvas import (
    INK,
    Drawing,
    bare,
    canvas,
    colour_of,
    grid,
    label_ends,
    shorten,
)
from cardarena.benchmarks.report.standings import REFERENCE, SILENT, Standings
from cardarena.benchmarks.report.wording import count, money, number, share

FUNNEL = ("intended", "accepted", "delivered", "noticed", "clicked", "purchased")
CHANNEL_COLOURS = {
    "app_push": "#0b5c8a",
    "in_app": "#3f8fbf",
    "mini_program": "#8cc0dd",
    "sms": "#e08e00",
    "email": "#f0c36d",
    "human_call": "#8c2d19",
    "ai_call": "#c96f53",
    "branch_atm": "#77808a",
    "wecom": "#2a9d8f",
    "third_party": "#b9a7cf",
}
PLAIN = {
    "sms": "SMS",
    "in_app": "in-app",
    "wecom": "WeCom",
    "ai_call": "AI call",
    "email": "e-mail",
    "branch_atm": "branch and ATM",
}
FAIRNESS = (
    ("age", "Age"),
    ("gender", "Gender"),
    ("city_tier", "City tier"),
    ("income", "Household income, CNY"),
)
#: Cuts have no intervals; on fewer seeds their titles name no first and no last.
FEW_SEEDS = 3
_DIVERGING = LinearSegmentedColormap.from_list(
    "value", ["#b5543c", "#f1d5c9", "#fbfaf7", "#c3dbe8", "#1f6f9e"]
)


def draw_funnel(standings: Standings) -> Drawing | None:
    """Draw what becomes of a thousand intended contacts, on a logarithmic scale."""
    found = {
        name: one.metrics for name in standings.highlighted if (one := standings.of(name)) and name != SILENT
    }
    steps = [step for step in FUNNEL if any(step in metrics for metrics in found.values())]
    if len(steps) < 2:
        return None
    table = pd.DataFrame(found, dtype=float).reindex(steps).T
    table = table[table[steps[0]] > 0]
    if table.empty:
        return None
    rates = 1000 * table.div(table[steps[0]], axis=0)
    last = rates[steps[-1]].sort_values()
    title = (
        f"Of a thousand contacts {shorten(str(last.index[-1]))} turns {number(last.iloc[-1])} into purchases"
    )
    if len(last) > 1:
        title += f", {shorten(str(last.index[0]))} {number(last.iloc[0])}"
    if steps[-1] != "purchased":
        title = "What becomes of a thousand contacts"
    height = 5.6
    figure, bottom, top = canvas(
        title,
        "Contacts that reach each step, per 1,000 intended, logarithmic scale; mean of all scenarios",
        height,
    )
    cells = grid(figure, 1, 1, bottom + 0.35 / height, top - 0.2 / height, left=0.055, right=0.79)
    axes = bare(figure.add_subplot(cells[0, 0]), lines="y")
    axes.set_yscale("log")
    x = np.arange(len(steps), dtype=float)
    floor = max(float(rates.to_numpy()[rates.to_numpy() > 0].min()) * 0.6, 1e-3)
    for name in rates.index:
        y = np.maximum(rates.loc[name].to_numpy(dtype=float), floor)
        axes.plot(x, y, "-o", color=colour_of(name, standings.arena.policies), linewidth=2.2, markersize=6,
                  markeredgecolor="white")  # fmt: skip
    axes.set_xlim(-0.1, x[-1] + 0.06)
    axes.set_ylim(floor, 1500)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda v, _: f"{v:,g}")
    axes.set_xticks(x, [step.replace("_", " ") for step in steps], fontsize=12)
    # The names are spread in the picture's own scale, which is logarithmic.
    log = np.log10(np.maximum(rates[steps[-1]].to_numpy(dtype=float), floor))
    shadow = axes.twinx()
    bare(shadow).set_ylim(np.log10(floor), np.log10(1500))
    shadow.set_yticks([])
    label_ends(
        shadow,
        [
            (
                x[-1],
                float(v),
                f"{shorten(str(n), 18)}  {number(10**v)}",
                colour_of(str(n), standings.arena.policies),
            )
            for n, v in zip(rates.index, log, strict=True)
        ],
    )
    return Drawing(
        "funnel",
        title,
        "Intended contacts that a rule blocked or a channel lost do not reach “delivered”.",
        figure,
    )


def draw_segments(standings: Standings) -> Drawing | None:
    """Draw a table of policies and privacy segments, coloured by the value per head."""
    measure = _first(standings, "segment", ("inv",))
    table = standings.arena.cut("segment", measure) if measure else pd.DataFrame()
    order = [one.policy for one in standings.all if one.policy in table.index and one.policy != SILENT]
    if table.empty or not order:
        return None
    table = table.loc[order].reindex(columns=sorted(table.columns))
    best = dict(zip(table.columns, table.to_numpy(dtype=float)[0].tolist(), strict=True))
    most, least = max(best, key=lambda name: best[name]), min(best, key=lambda name: best[name])
    title = (
        f"{shorten(order[0])} earns most in segment {most} ({money(best[most])} a head), "
        f"least in {least} ({money(best[least])})"
    )
    if standings.n_seeds < FEW_SEEDS:
        title = f"Value by segment: {count(standings.n_seeds, 'seed')}, so that segments differ within chance"
    height = 1.35 + 0.34 * (len(order) + 1) + 0.2
    figure, bottom, top = canvas(
        title, "Incremental net value by privacy segment, CNY per head; mean of all scenarios", height
    )
    cells = grid(figure, 1, 1, bottom, top - 0.42 / height, left=0.165)
    axes = bare(figure.add_subplot(cells[0, 0]))
    _heat(axes, standings, table)
    return Drawing("segments", title, "Segments are the survey's six privacy segments, S1 to S6.", figure)


def draw_channels(standings: Standings) -> Drawing | None:
    """Draw each policy's contacts by channel, as shares."""
    measure = _first(standings, "channel", ("delivered", "attempts"))
    table = standings.arena.cut("channel", measure) if measure else pd.DataFrame()
    order = [one.policy for one in standings.all if one.policy in table.index and one.policy != SILENT]
    totals = table.sum(axis=1).to_dict()
    order = [name for name in order if totals[name] > 0]
    if table.empty or not order:
        return None
    # Only what marketing channels carry: a share of nothing draws nothing.
    table = table.loc[order]
    parts = table.div(table.sum(axis=1), axis=0).fillna(0.0)
    channels = [name for name in CHANNEL_COLOURS if name in parts.columns]
    channels += [name for name in parts.columns if name not in channels]
    largest = parts.to_numpy(dtype=float).max(axis=0)
    channels = [name for name in channels if largest[list(parts.columns).index(name)] > 0.004]
    first = dict(zip(parts.columns, parts.to_numpy(dtype=float)[0].tolist(), strict=True))
    top_channel = max(first, key=lambda name: first[name])
    most = share(first[top_channel])
    title = f"{shorten(order[0])} puts {most} of its contacts on {_plain(top_channel)}"
    height = 1.55 + 0.32 * len(order) + 0.2
    figure, bottom, top = canvas(title, "Share of contacts by channel; mean of all scenarios", height)
    cells = grid(figure, 1, 1, bottom, top - 0.55 / height, left=0.165)
    axes = bare(figure.add_subplot(cells[0, 0]))
    left = np.zeros(len(order))
    y = -np.arange(len(order), dtype=float)
    for i, channel in enumerate(channels):
        width = parts[channel].to_numpy(dtype=float)
        colour = CHANNEL_COLOURS.get(channel, ("#999999", "#777777")[i % 2])
        axes.barh(y, width, left=left, height=0.74, color=colour, edgecolor="white", linewidth=0.8)
        light = channel in ("mini_program", "email", "third_party")
        for at, start, part in zip(y, left, width, strict=True):
            if part >= 0.05:
                axes.text(start + part / 2, at, f"{100 * part:.0f}", ha="center", va="center", fontsize=10,
                          color=INK if light else "white")  # fmt: skip
        left += width
    axes.set_xlim(0, 1)
    axes.set_ylim(y[-1] - 0.6, 0.6)
    axes.set_xticks([])
    axes.set_yticks(y, [shorten(name, 20) for name in order])
    _key(axes, [(_plain(name), CHANNEL_COLOURS.get(name, "#999999")) for name in channels], height)
    return Drawing(
        "channels", title, "Per cent of each policy's contacts, in the leaderboard's order.", figure
    )


def draw_fairness(standings: Standings) -> Drawing | None:
    """Draw the value and the contacts that each group gets, against its share of the base."""
    arena = standings.arena
    names = [one.policy for one in standings.ranked[:1]] + [REFERENCE]
    names = [name for name in dict.fromkeys(names) if name in arena.policies]
    tables = {}
    for dimension, label in FAIRNESS:
        people = arena.cut(dimension, "people_share")
        value = arena.cut(dimension, "value_share")
        touch = arena.cut(dimension, "contact_share")
        if people.empty or value.empty or touch.empty:
            continue
        tables[label] = (people, value, touch)
    if not tables or not names:
        return None
    gaining = {
        name
        for _, value, _ in tables.values()
        for name in value.index
        if np.isfinite(value.loc[[name]].to_numpy()).any()
    }
    names = [name for name in names if name in gaining]
    if not names:
        return None
    best = names[0]
    gaps = []
    for label, (people, value, _) in tables.items():
        if best in value.index:
            ratio = _relative(value, people, best)
            gaps += [(v, _group(label, level)) for level, v in ratio.items() if np.isfinite(v)]
    title = "Who gets the value and who gets the contacts"
    # Where a group loses, shares of the value mean nothing to a reader.
    if gaps and min(gaps)[0] >= 0 and standings.n_seeds >= FEW_SEEDS:
        low, high = min(gaps), max(gaps)
        title = (
            f"{shorten(best)}: value leans to {high[1]}, {number(high[0], 2)} of parity, "
            f"away from {low[1]}, {number(low[0], 2)}"
        )
    n_levels = [len(tables[label][0].columns) for label in tables]
    height = (
        1.6 + 0.36 * (max(sum(n_levels[::2]), sum(n_levels[1::2])) + 1.6 * ((len(tables) + 1) // 2)) + 0.4
    )
    figure, bottom, top = canvas(
        title,
        "Share of value (filled) and of contacts (ring) over share of the base, mean of all scenarios; 1: parity",
        height,
    )
    outer = grid(figure, 1, 2, bottom + 0.3 / height, top - 0.55 / height, left=0.13, wspace=0.34)
    marks = []
    for column in (0, 1):
        mine = list(tables.items())[column::2]
        if not mine:
            continue
        inner = outer[0, column].subgridspec(
            len(mine), 1, height_ratios=[len(t[0].columns) for _, t in mine], hspace=0.32
        )
        for row, (label, (people, value, touch)) in enumerate(mine):
            axes = bare(figure.add_subplot(inner[row, 0]), lines="x")
            axes.set_title(label, fontsize=11.5, pad=5)
            levels = list(people.columns)
            axes.axvline(1, color=INK, linewidth=1)
            for k, name in enumerate(names):
                if name not in value.index:
                    continue
                y = -np.arange(len(levels)) - (0.26 * k - 0.13 * (len(names) - 1))
                v, c = (list(_relative(part, people, name).values()) for part in (value, touch))
                colour = colour_of(name, arena.policies)
                for at, a, b in zip(y, v, c, strict=True):
                    axes.plot([a, b], [at, at], color=colour, linewidth=1, alpha=0.5)
                axes.plot(v, y, "o", color=colour, markersize=7.5)
                axes.plot(c, y, "o", markerfacecolor="white", markeredgecolor=colour, markersize=6.5)
                marks += [float(m) for m in [*v, *c] if np.isfinite(m)]
            axes.set_yticks(-np.arange(len(levels), dtype=float), [_level(str(level)) for level in levels])
            axes.set_ylim(-len(levels) + 0.4, 0.6)
    reach = max([abs(mark - 1) for mark in marks] or [0.5])
    for axes in figure.axes:
        axes.set_xlim(1 - 1.12 * reach, 1 + 1.12 * reach)
    _key(
        figure.axes[0], [(shorten(name), colour_of(name, arena.policies)) for name in names], height, lift=24
    )
    reading = "A contact share above the value share means that a group is bothered more than it is served."
    return Drawing("fairness", title, reading, figure)


def _relative(table: pd.DataFrame, people: pd.DataFrame, name: str) -> dict[str, float]:
    """Return each level's share of `table` over its share of people."""
    levels = [str(level) for level in people.columns]
    base = (people.loc[[name]] if name in people.index else people).to_numpy(dtype=float).mean(axis=0)
    mine = table.loc[[name]].reindex(columns=levels).to_numpy(dtype=float)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (mine / np.nansum(mine)) / (base / np.nansum(base))
    return dict(zip(levels, ratio.tolist(), strict=True))


def _heat(axes: Axes, standings: Standings, table: pd.DataFrame) -> None:
    values = table.to_numpy(dtype=float)
    # The oracle and the burners would take all the colour: the scale is the contenders'.
    fair = [i for i, name in enumerate(table.index) if (one := standings.of(str(name))) and one.rank]
    high = float(np.nanmax(values[fair] if fair else values))
    low = min(float(np.nanquantile(values, 0.1)), -1e-6)
    norm = TwoSlopeNorm(0.0, vmin=max(low, -max(high, 1e-6)), vmax=max(high, 1e-6))
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            colour = (
                _DIVERGING(float(np.clip(norm(values[i, j]), 0, 1))) if np.isfinite(values[i, j]) else "white"
            )
            axes.add_patch(Rectangle((j + 0.02, -i - 0.96), 0.96, 0.92, facecolor=colour, edgecolor="none"))
            bright = (
                0.3 * colour[0] + 0.6 * colour[1] + 0.1 * colour[2] if not isinstance(colour, str) else 1.0
            )
            axes.text(j + 0.5, -i - 0.5, number(values[i, j]), ha="center", va="center", fontsize=11,
                      color="white" if bright < 0.5 else INK)  # fmt: skip
    axes.set_xlim(0, values.shape[1])
    axes.set_ylim(-values.shape[0], 0)
    axes.xaxis.tick_top()
    axes.set_xticks(np.arange(values.shape[1]) + 0.5, list(table.columns), fontsize=12)
    axes.set_yticks(-np.arange(values.shape[0]) - 0.5, [shorten(str(name), 20) for name in table.index])
    for tick, name in zip(axes.get_yticklabels(), table.index, strict=True):
        strong = name in standings.highlighted
        tick.set_color(colour_of(str(name), standings.arena.policies) if strong else INK)


def _key(axes: Axes, entries: list[tuple[str, str]], height: float, lift: float = 10) -> None:
    """Write a line of coloured words above the axes, in place of a legend."""
    x = 0.0
    for text, colour in entries:
        axes.annotate("■ " + text, (0, 1), xycoords="axes fraction", xytext=(x, lift), textcoords="offset points",
                      fontsize=10.5, color=colour, va="bottom")  # fmt: skip
        x += 6.3 * len(text) + 24


def _first(standings: Standings, dimension: str, wished: tuple[str, ...]) -> str | None:
    there = standings.arena.measures(dimension)
    return next((name for name in wished if name in there), None)


def _plain(word: str) -> str:
    return PLAIN.get(word, word.replace("_", " "))


def _group(label: str, level: str) -> str:
    """Return a group's name that stands without its heading."""
    kind = {"Age": "ages ", "Household income, CNY": "incomes "}.get(label, "")
    return kind + {"female": "women", "male": "men"}.get(level, _level(level))


def _level(level: str) -> str:
    named = {
        "tier1": "tier 1",
        "new_tier1": "new tier 1",
        "tier2": "tier 2",
        "tier3_and_below": "tier 3 and below",
    }
    if level in named:
        return named[level]
    for prefix, sign in (("lt_", "under "), ("ge_", "from ")):
        if level.startswith(prefix) and level[3:].isdigit():
            return f"{sign}{int(level[3:]):,}"
    low, _, high = level.partition("_")
    if low.isdigit() and high.isdigit():
        return f"{int(low):,}–{int(high):,}"
    return level
