"""Ranks over scenarios: a table of places, with the distance to the best measured in what the seeds can detect."""

import textwrap

import numpy as np

from cardarena.benchmarks.report.canvas import (
    INK,
    SOFT,
    WARN,
    Drawing,
    bare,
    canvas,
    colour_of,
    grid,
    shorten,
)
from cardarena.benchmarks.report.standings import Standings
from cardarena.benchmarks.report.wording import listed, number

STEPS = ((0.0, "#0b5c8a"), (1.0, "#5f9fc4"), (3.0, "#a9cce0"), (8.0, "#dbe8f0"), (np.inf, "#f3f5f7"))


def draw(standings: Standings) -> Drawing | None:
    """Draw the ranked policies by scenario; a cell says the place and how far behind the best."""
    arena = standings.arena
    rows = [one for one in standings.all if not one.is_reference and np.isfinite(one.inv.mean)]
    if len(rows) < 2:
        return None
    values = np.array(
        [[standings.mean(standings.metric, s, one.policy) for s in arena.scenarios] for one in rows]
    )
    fair = np.array(
        [[not any(b.scenario == s for b in one.breaches) for s in arena.scenarios] for one in rows]
    )
    counted = np.where(fair & np.isfinite(values), values, -np.inf)
    places = 1 + (counted[None, :, :] > counted[:, None, :]).sum(axis=1)
    best = np.where(np.isfinite(counted).any(axis=0), counted.max(axis=0), np.nan)
    detectable = np.array([standings.detectable(s) for s in arena.scenarios])

    height = 1.7 + 0.36 * (len(rows) + 2) + 0.35
    title = _title(standings, [one.policy for one in rows], places, counted)
    figure, bottom, top = canvas(
        title,
        "Place by incremental net value, and CNY per head behind the scenario's best; darker is nearer to it",
        height,
        "Ringed: within what these seeds can detect, so not told from the best. ✕: broke a limit there, no place.",
    )
    cells = grid(figure, 1, 1, bottom, top - 0.75 / height, left=0.165, right=0.985)
    axes = bare(figure.add_subplot(cells[0, 0]))
    axes.set_xlim(0, len(arena.scenarios))
    axes.set_ylim(-(len(rows) + 1.4), 0)
    axes.set_xticks([])
    axes.set_yticks([])
    foot = -(len(rows) + 0.85)
    for j, scenario in enumerate(arena.scenarios):
        room = max(int(96 / len(arena.scenarios)), 10)
        words = "\n".join(textwrap.wrap(shorten(arena.title(scenario), int(2.6 * room)), room)[:3])
        axes.annotate(words, (j + 0.5, 0), xytext=(0, 6), textcoords="offset points", ha="center", va="bottom",
                      fontsize=10.5, fontweight="bold")  # fmt: skip
        axes.text(j + 0.5, foot, number(detectable[j]), ha="center", va="center", fontsize=11, color=SOFT)
    axes.annotate("smallest detectable\ndifference, CNY", (0, foot), xytext=(-8, 0), textcoords="offset points",
                  ha="right", va="center", fontsize=10, color=SOFT)  # fmt: skip
    for i, one in enumerate(rows):
        axes.annotate(
            shorten(one.policy, 18), (0, -i - 0.5), xytext=(-8, 0), textcoords="offset points", ha="right", va="center",
            fontsize=11.5, fontweight="bold" if i == 0 and one.rank else "normal",
            color=colour_of(one.policy, arena.policies) if one.policy in standings.highlighted else INK,
        )  # fmt: skip
        for j in range(len(arena.scenarios)):
            _cell(axes, i, j, places[i, j], best[j] - values[i, j], detectable[j], bool(fair[i, j]))
    return Drawing(
        "ranks_over_scenarios",
        title,
        "A rank is worth claiming where its cell is dark in every column and the runner-up's is not ringed; all leagues "
        "stand together here. Last line: the smallest paired difference to the status quo that the seeds would find in "
        "eight cases of ten.",
        figure,
    )


def _cell(axes, i: int, j: int, rank: int, behind: float, detectable: float, fair: bool) -> None:
    from matplotlib.patches import Rectangle

    x, y = j + 0.03, -i - 0.94
    if not np.isfinite(behind):
        axes.text(j + 0.5, -i - 0.5, "not finished", ha="center", va="center", fontsize=9.5, color=WARN)
        return
    if not fair:
        axes.add_patch(Rectangle((x, y), 0.94, 0.88, facecolor="#f7f0ee", edgecolor="none"))
        axes.text(j + 0.5, -i - 0.5, "✕", ha="center", va="center", fontsize=12, color=WARN)
        return
    unit = detectable if np.isfinite(detectable) and detectable > 0 else 1.0
    colour = next(colour for step, colour in STEPS if behind / unit <= step)
    close = 0 < behind <= detectable if np.isfinite(detectable) else False
    axes.add_patch(
        Rectangle((x, y), 0.94, 0.88, facecolor=colour, edgecolor=INK if close else "none", linewidth=1.4)
    )
    dark = colour in (STEPS[0][1], STEPS[1][1])
    axes.text(j + 0.32, -i - 0.5, f"{rank}", ha="center", va="center", fontsize=12.5, fontweight="bold",
              color="white" if dark else INK)  # fmt: skip
    axes.text(j + 0.66, -i - 0.5, "best" if behind == 0 else number(-behind), ha="center", va="center", fontsize=10.5,
              color="white" if dark else SOFT)  # fmt: skip


def _title(standings: Standings, names: list[str], places: np.ndarray, counted: np.ndarray) -> str:
    firsts: dict[str, int] = {}
    for j in range(places.shape[1]):
        for i, name in enumerate(names):
            if places[i, j] == 1 and np.isfinite(counted[i, j]):
                firsts[name] = firsts.get(name, 0) + 1
    n = places.shape[1]
    if not firsts:
        return "No policy finished within the limits"
    order = sorted(firsts, key=lambda name: (-firsts[name], name))
    sure = _sure(standings, names, counted)
    if n == 1:
        return f"{shorten(order[0])} {'comes first' if sure else 'is ahead, within chance'}"
    many = "both" if n == 2 else f"all {n}"
    if len(order) == 1:
        if sure == n:
            return f"{shorten(order[0])} comes first in {many} scenarios"
        return (
            f"{shorten(order[0])} is ahead in {many} scenarios, in {sure or 'none'} of them surer than chance"
        )
    leads = listed([f"{shorten(name)} is ahead in {firsts[name]}" for name in order[:3]])
    return f"The first place changes hands: {leads} of {n}, in {sure or 'none'} of them surer than chance"


def _sure(standings: Standings, names: list[str], counted: np.ndarray) -> int:
    """Return in how many scenarios the best is surely ahead of the second."""
    found = 0
    for j, scenario in enumerate(standings.arena.scenarios):
        order = [i for i in np.argsort(-counted[:, j], kind="stable") if np.isfinite(counted[i, j])]
        found += len(order) > 1 and standings.is_surely_ahead(names[order[0]], names[order[1]], scenario)
    return found
