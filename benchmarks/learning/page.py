"""The experiment as a table and a picture."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from cardarena.benchmarks.learning.courses import BUDGET_SCENARIO, ORACLE, REFERENCE, SCENARIO
from cardarena.benchmarks.learning.reading import TITLES
from cardarena.benchmarks.learning.results import Line, Results
from cardarena.benchmarks.statistics import Estimate
from cardarena.benchmarks.validation.drawing import GREY, INK, WORLD, draw_panels
from cardarena.benchmarks.validation.findings import Picture

_SECTIONS: Final = {
    "gamma": "How far it looks ahead",
    "sight": "What it is shown",
    "reward": "What it is rewarded with",
    "agent": "Other agents",
}
_LIMIT_BROKEN: Final = "#c8102e"


def shown(estimate: Estimate, digits: int = 1) -> str:
    """Return a number with its interval."""
    return f"{estimate.value:+.{digits}f} ({estimate.low:+.{digits}f} to {estimate.high:+.{digits}f})"


def table(results: Results) -> list[tuple[str, ...]]:
    """Return the rows of the table, the head first."""
    head = "scenario, agent, INV, by training seed, over the reference, over the best heuristic, gap closed, contacts, limits"
    rows: list[tuple[str, ...]] = [tuple(head.split(", "))]
    for line in results.lines:
        rows.append(
            (
                line.scenario,
                line.title,
                shown(line.inv),
                " ".join(f"{value:.1f}" for value in line.by_seed) if line.section != "rival" else "",
                shown(line.over_reference),
                shown(line.over_heuristic),
                f"{100 * line.closed.value:.0f} % ({100 * line.closed.low:.0f} to {100 * line.closed.high:.0f})",
                f"{line.contacts:.2f}",
                "kept" if line.kept else "broken",
            )
        )
    return rows


def picture(results: Results) -> Picture:
    """Return the picture: a panel a section, each agent's value with its interval, heuristic and oracle as lines."""
    panels = []
    for section, title in _SECTIONS.items():
        lines = [
            line
            for line in results.lines
            if line.scenario == SCENARIO and (line.section == section or line.name == REFERENCE)
        ]
        if len(lines) > 1:
            panels.append(partial(_panel, title=title, lines=lines, results=results, scenario=SCENARIO))
    lines = [
        line for line in results.lines if line.scenario == BUDGET_SCENARIO and line.section in ("", "price")
    ]
    if lines:
        panels.append(
            partial(
                _panel, title="Under a tight budget", lines=lines, results=results, scenario=BUDGET_SCENARIO
            )
        )
    if results.reading:
        panels.append(partial(_reading_panel, reading=results.reading))
    sizes = results.sizes
    return draw_panels(
        "learning",
        "What an agent learns from what",
        f"Incremental net value, CNY a head, on {sizes.cardholders:,} cardholders of each of {len(sizes.seeds)} worlds that no "
        f"agent met; each agent trained for {sizes.steps:,} decisions with {len(sizes.training_seeds)} seeds (hollow points). "
        "Bars are 95 % intervals over people and training seeds; red breaks a limit. The dashed line is the best heuristic, "
        "the solid one the planner that knows the hidden state.",
        panels,
        columns=2,
        size=(12.0, 2.9 * -(-len(panels) // 2)),
    )


def _reading_panel(axes: Axes, *, reading: Mapping[str, Estimate]) -> None:
    at = np.arange(len(reading))[::-1]
    for y, lost in zip(at, reading.values(), strict=True):
        axes.plot([lost.low, lost.high], [y, y], color=WORLD, linewidth=2.2, solid_capstyle="round")
        axes.plot([lost.value], [y], "o", color=WORLD, ms=7)
    _frame(axes, at, [TITLES[group] for group in reading], "What the reference reads")
    axes.set_xlabel("CNY a head lost where it is another person's")


def _frame(axes: Axes, at: np.ndarray, labels: Sequence[str], title: str) -> None:
    """Write what rows of bars have about them: a line at nothing, a label a row, a title, the unit."""
    axes.axvline(0.0, color=GREY, linewidth=0.6, zorder=0)
    axes.set_yticks(at, labels)
    axes.set_ylim(-0.6, len(labels) - 0.1)
    axes.grid(False, axis="y")
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel("CNY a head")


def _panel(axes: Axes, *, title: str, lines: Sequence[Line], results: Results, scenario: str) -> None:
    at = np.arange(len(lines))[::-1]
    for y, line in zip(at, lines, strict=True):
        colour = WORLD if line.kept else _LIMIT_BROKEN
        axes.plot([line.inv.low, line.inv.high], [y, y], color=colour, linewidth=2.2, solid_capstyle="round")
        axes.plot(line.by_seed, np.full(len(line.by_seed), y), "o", mfc="white", mec=colour, ms=4.5, zorder=3)
        axes.plot([line.inv.value], [y], "o", color=colour, ms=7, zorder=2)
    heuristic = results.line(results.heuristic[scenario], scenario)
    oracle = results.line(ORACLE, scenario)
    axes.axvline(heuristic.inv.value, color=GREY, linestyle=(0, (4, 3)), linewidth=1.3, zorder=0)
    axes.axvline(oracle.inv.value, color=INK, linewidth=1.3, zorder=0)
    # One above, one below, since they may stand close together.
    for line, height, side, align in (
        (heuristic, len(lines) - 0.45, 4, "left"),
        (oracle, -0.5, -4, "right"),
    ):
        axes.annotate(
            line.name,
            (line.inv.value, height),
            (side, 0),
            textcoords="offset points",
            ha=align,
            fontsize=8,
            color=GREY,
        )
    _frame(axes, at, [line.title for line in lines], title)
