"""From results to a section: findings with signs and bands, the ladder as a table, and pictures."""

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes

from cardarena.benchmarks.statistics import Paired, paired_difference, t_interval
from cardarena.benchmarks.validation.drawing import (
    GREY,
    INK,
    WHOLE,
    WORLD,
    curve_with_band,
    draw,
    draw_panels,
    legend,
)
from cardarena.benchmarks.validation.findings import Finding, Picture, Section, Table
from cardarena.benchmarks.validation.planning.ladder import Results, Rung
from cardarena.benchmarks.validation.planning.variants import ABLATIONS, VARIANTS
from cardarena.benchmarks.validation.planning.work import ANNOYANCE_GRID, LOAD_GRID

#: Below this share of INV over the longest horizon, planning is said not to pay here.
LEAST_GAP: Final = 0.03
#: The controls' gap must be nothing within this share of the control's own INV.
NOTHING: Final = 0.01
_BOOTSTRAP_SEED: Final = 20_250_602
_PLANNING: Final = "#c8102e"
_TITLES: Final = {
    "greedy": "Naive greedy",
    "price": "Greedy, one tuned price",
    "price_at_volume": "Greedy, priced to the planner's volume",
    "segment_price": "Greedy, a price per segment",
    "index": "Index: constant shadow prices",
    "planner": "Planner, full state",
    "belief_greedy": "Naive greedy, on beliefs",
    "belief_price": "One tuned price, on beliefs",
    "belief_planner": "Planner, on beliefs",
}


def compare(a: Rung, b: Rung, horizon: int = -1) -> Paired:
    """Return the paired difference of INV between two rungs over one horizon, a minus b."""
    first, second = (np.array([row[horizon] for row in rung.inv]) for rung in (a, b))
    return paired_difference(first, second, seed=_BOOTSTRAP_SEED)


def relative(a: Rung, b: Rung, horizon: int = -1) -> tuple[float, float]:
    """Return the difference as a share of b's INV, and its standard error."""
    paired = compare(a, b, horizon)
    level = abs(float(np.mean([row[horizon] for row in b.inv])))
    return (paired.mean / level, paired.se / level) if level > 1e-9 else (math.nan, math.nan)


def stronger(rungs: dict[str, Rung]) -> Rung:
    """Return the better of the tuned price and the price at the planner's volume: what planning must beat."""
    at_volume = rungs.get("price_at_volume")
    tuned = rungs["price"]
    if at_volume is None or at_volume.last.mean() <= tuned.last.mean():
        return tuned
    return at_volume


def findings(results: Results) -> tuple[Finding, ...]:
    """Return what was found, each with a sign or a band."""
    rungs = results.rungs
    days = results.sizes.days
    gap, error = relative(rungs["planner"], stronger(rungs))
    level, level_error = relative(rungs["planner"], rungs["index"])
    out = [
        Finding(
            "planning.gap",
            f"INV of the planner over the tuned price, {days} days, full state",
            100 * gap,
            100 * error,
            low=100 * LEAST_GAP,
            unit="% of INV",
            hardness="context",
            note="at the better of the tuned price and the price that makes as many contacts; reported, not aimed at",
        ),
        Finding(
            "planning.gap_over_index",
            "INV of the planner over constant shadow prices",
            100 * level,
            100 * level_error,
            unit="% of INV",
            hardness="context",
        ),
    ]
    if "belief_planner" in rungs:
        on_beliefs, belief_error = relative(rungs["belief_planner"], rungs["belief_price"])
        out.append(
            Finding(
                "planning.gap_on_beliefs",
                f"INV of the planner on beliefs over the tuned price on beliefs, {days} days",
                100 * on_beliefs,
                100 * belief_error,
                unit="% of INV",
                hardness="context",
            )
        )
    out += [_control(results, name) for name in ("identity", "placebo") if name in results.controls]
    out += _growth(results)
    out += _ablations(results)
    out += _shape(results)
    return tuple(out)


def _control(results: Results, name: str) -> Finding:
    rungs = results.controls[name]
    gap, error = relative(rungs["planner"], rungs["price"])
    slack = 100 * max(NOTHING, 2.0 * error if math.isfinite(error) else 0.0)
    return Finding(
        f"planning.{name}",
        f"the same gap with {VARIANTS[name].title}",
        100 * gap,
        100 * error,
        low=-slack,
        high=slack,
        point=0.0,
        unit="% of INV",
        note="band: one per cent, or two standard errors",
    )


def _growth(results: Results) -> list[Finding]:
    horizons = results.sizes.horizons
    rungs = results.rungs
    if len(horizons) < 2:
        return []
    gaps = np.array([compare(rungs["planner"], rungs["price"], at).mean for at in range(len(horizons))])
    growth = compare_growth(rungs["planner"], rungs["price"], 0, -1)
    out = [
        Finding(
            "planning.grows",
            f"gap over {horizons[-1]} days minus gap over {horizons[0]} days",
            growth.mean,
            growth.se,
            low=0.0,
            unit="CNY/head",
        )
    ]
    if len(horizons) >= 3:
        rate = np.diff(gaps) / np.diff(horizons)
        out.append(
            Finding(
                "planning.saturates",
                "gap added a day in the last stretch over that in the steepest",
                float(rate[-1] / rate.max()) if rate.max() > 0 else math.nan,
                high=1.0,
                unit="ratio",
                note="at 1 or below the yearly gap grows no faster than time: it has reached its rate",
            )
        )
    return out


def compare_growth(a: Rung, b: Rung, first: int, last: int) -> Paired:
    """Return by how much the difference of two rungs grows from one horizon to another, paired."""
    x, y = np.array(a.inv), np.array(b.inv)
    return paired_difference(x[:, last] - x[:, first], y[:, last] - y[:, first], seed=_BOOTSTRAP_SEED)


def _ablations(results: Results) -> list[Finding]:
    out = []
    for name in ABLATIONS:
        if name not in results.controls:
            continue
        rungs = results.controls[name]
        gap, error = relative(rungs["planner"], rungs["price"])
        out.append(
            Finding(
                f"planning.{name}",
                f"the gap with {VARIANTS[name].title}",
                100 * gap,
                100 * error,
                unit="% of INV",
                hardness="context",
                note=f"over {min(results.sizes.control_days, results.sizes.days)} days",
            )
        )
    return out


def _total(answers: Sequence[Any], key: str) -> np.ndarray:
    return np.sum([np.asarray(a[key], dtype=np.float64) for a in answers], axis=0)


def precursor_share(answers: Sequence[Any]) -> float:
    """Return the share of contacts made during a precursor."""
    off, before, on = (float(_total(answers, key)) for key in ("off", "precursor", "on"))
    return before / max(1.0, off + before + on)


def spacing(answers: Sequence[Any]) -> np.ndarray:
    """Return mean days between two contacts of a person by tercile of tolerance, shape (3,)."""
    return _total(answers, "gap_days") / np.maximum(1.0, _total(answers, "gaps"))


def burst(rung: Rung, days: int = 14) -> float:
    """Return contacts a day in the last fortnight over those of the six weeks before."""
    daily = np.array(rung.daily).mean(axis=0)
    if daily.size < 4 * days:
        return math.nan
    return float(daily[-days:].mean() / max(1e-12, daily[-4 * days : -days].mean()))


def _shape(results: Results) -> list[Finding]:
    planner, price = results.shapes["planner"], results.shapes["price"]
    by_load = np.mean([a["by_load"] for a in planner], axis=0)
    by_annoyance = np.mean([a["by_annoyance"] for a in planner], axis=0)
    gaps = spacing(planner)
    return [
        Finding(
            "planning.threshold_load",
            "rise of the planner's threshold from no load to a load of the tolerance",
            float(by_load[LOAD_GRID.index(1.0)] - by_load[0]),
            low=0.0,
            unit="CNY",
            note="the same people, their load set",
        ),
        Finding(
            "planning.threshold_annoyance",
            "rise of the planner's threshold from no annoyance to 0.4",
            float(by_annoyance[ANNOYANCE_GRID.index(0.4)] - by_annoyance[0]),
            low=0.0,
            unit="CNY",
            note="the same people, their annoyance set",
        ),
        Finding(
            "planning.precursors",
            "share of contacts during a precursor, planner minus tuned price",
            100 * (precursor_share(planner) - precursor_share(price)),
            low=0.0,
            unit="points",
        ),
        Finding(
            "planning.spacing",
            "days between contacts, least tolerant third over the most tolerant",
            float(gaps[0] / max(1e-9, gaps[2])),
            low=1.0,
            unit="ratio",
        ),
        Finding(
            "planning.burst",
            "contacts a day in the last fortnight over the six weeks before, planner",
            burst(results.rungs["planner"]),
            high=1.15,
            unit="ratio",
            note="the season moves it too: beside it stands the tuned price's "
            f"{burst(results.rungs['price']):.2f}",
        ),
    ]


def table(results: Results) -> Table:
    """Return the ladder as a table."""
    rows = []
    for name, title in _TITLES.items():
        if name not in results.rungs:
            continue
        rung = results.rungs[name]
        against = "belief_price" if name.startswith("belief") else "price"
        paired = compare(rung, results.rungs[against])
        own = t_interval(rung.last)
        rows.append(
            (
                title,
                round(own.value, 2),
                ""
                if name == against
                else f"{paired.mean:+.2f} ({paired.boot_low:+.2f} to {paired.boot_high:+.2f})",
                round(float(np.mean(rung.delivered)), 2),
                round(float(np.mean(rung.cost)), 2),
                round(float(np.mean(rung.refusals)), 3),
                ", ".join(f"{p:g}" for p in rung.rule.segment_prices) or f"{rung.rule.price:g}",
            )
        )
    return Table(
        "The ladder",
        ("rung", "INV", "over the tuned price", "contacts", "cost", "refusals", "price"),
        tuple(rows),
        f"CNY a head over {results.sizes.days} days and the run-out; intervals are paired bootstraps over "
        f"{len(results.sizes.seeds)} seeds. The rungs of a sight share their candidates.",
    )


def controls_table(results: Results) -> Table:
    """Return the gap under each variant as a table."""
    rows = []
    for name, rungs in results.controls.items():
        paired = compare(rungs["planner"], rungs["price"])
        share, _ = relative(rungs["planner"], rungs["price"])
        rows.append(
            (
                VARIANTS[name].title,
                round(float(rungs["price"].last.mean()), 2),
                round(float(rungs["planner"].last.mean()), 2),
                f"{paired.mean:+.2f} ({paired.boot_low:+.2f} to {paired.boot_high:+.2f})",
                f"{100 * share:+.1f} %",
            )
        )
    return Table(
        "Which mechanism carries the gap",
        ("world", "tuned price", "planner", "gap", "share of INV"),
        tuple(rows),
        f"CNY a head over {min(results.sizes.control_days, results.sizes.days)} days and the run-out; "
        "price and planner are tuned anew in each world.",
    )


def checks_table(results: Results) -> Table:
    """Return each stock's shadow price read in two ways as a table."""
    rows = [
        (stock, f"{by_paths:.2f}", f"{by_twins:.2f}", f"{error:.2f}")
        for stock, (by_paths, by_twins, error) in results.checks.items()
    ]
    return Table(
        "What a unit of each stock is worth, read in two ways",
        ("stock", "along paths", "by twins", "error of the twins"),
        tuple(rows),
        "CNY per unit, mean over people under the tuned price. Paths use the model's slopes; twins push the stock and wait, "
        "without any approximation. The need's twin loses organic purchases too, which the one-step value has charged.",
    )


def pictures(results: Results) -> tuple[Picture, ...]:
    """Return the pictures of the section."""
    out = [_ladder_picture(results)]
    if len(results.sizes.horizons) > 1:
        out.append(_horizon_picture(results))
    if results.controls:
        out.append(_control_picture(results))
    out.append(_shape_picture(results))
    if results.by_stock:
        out.append(_stock_picture(results))
    return tuple(out)


def _bars(axes: Axes, names: list[str], values: list[float], errors: list[float], colours: list[str]) -> None:
    at = np.arange(len(names))[::-1]
    axes.grid(False, axis="y")
    axes.barh(at, values, color=colours, height=0.6)
    spread = 2.0 * np.nan_to_num(np.array(errors))
    axes.errorbar(values, at, xerr=spread, fmt="none", ecolor=INK, elinewidth=1.2)
    axes.set_yticks(at, names)
    axes.axvline(0.0, color=INK, linewidth=0.8)


def _ladder_picture(results: Results) -> Picture:
    names = [name for name in _TITLES if name in results.rungs]
    rungs = [results.rungs[name] for name in names]
    values = [float(r.last.mean()) for r in rungs]
    errors = [float(r.last.std(ddof=1) / np.sqrt(r.last.size)) if r.last.size > 1 else 0.0 for r in rungs]
    colours = [_PLANNING if "planner" in name else WORLD if "price" in name else GREY for name in names]

    def plot(axes: Axes) -> None:
        _bars(axes, [_TITLES[name] for name in names], values, errors, colours)
        axes.set_xlabel("INV, CNY a head")

    gap, _ = relative(results.rungs["planner"], stronger(results.rungs))
    return draw(
        "planning_ladder",
        f"Planning is worth {100 * gap:.1f} % of INV over a tuned price",
        f"INV over {results.sizes.days} days; lines are two standard errors over seeds. Compare within a sight: "
        "full state above, beliefs below.",
        plot,
        size=WHOLE,
    )


def _horizon_picture(results: Results) -> Picture:
    horizons = results.sizes.horizons
    pairs = [compare(results.rungs["planner"], results.rungs["price"], at) for at in range(len(horizons))]

    def plot(axes: Axes) -> None:
        curve_with_band(
            axes,
            (0, *horizons),
            [0.0, *(p.mean for p in pairs)],
            np.nan_to_num([0.0, *(p.se for p in pairs)]),
            label="planner over tuned price",
            colour=_PLANNING,
        )
        axes.set_xlabel("decision days")
        axes.set_ylabel("CNY a head")
        legend(axes)

    return draw(
        "planning_horizon",
        "What planning is worth against the horizon",
        "Each point runs out for half a year under the same caretaker; the band is two standard errors over seeds.",
        plot,
    )


def _control_picture(results: Results) -> Picture:
    names = list(results.controls)
    shares = [relative(results.controls[n]["planner"], results.controls[n]["price"]) for n in names]
    at_days = min(results.sizes.control_days, results.sizes.days)
    titles = [VARIANTS[name].title for name in names]
    if at_days in results.sizes.horizons:
        place = results.sizes.horizons.index(at_days)
        shares.insert(0, relative(results.rungs["planner"], results.rungs["price"], place))
        titles.insert(0, VARIANTS["base"].title)
        names.insert(0, "base")
    colours = [INK if n == "base" else GREY if n in ("identity", "placebo") else WORLD for n in names]

    def plot(axes: Axes) -> None:
        _bars(axes, titles, [100 * s for s, _ in shares], [100 * e for _, e in shares], colours)
        axes.set_xlabel("planner over tuned price, % of INV")

    return draw(
        "planning_mechanisms",
        "The gap with one mechanism off at a time, and with all of them off",
        f"Over {at_days} days; lines are two standard errors over seeds. Grey: the controls, where nothing may be left.",
        plot,
        size=WHOLE,
    )


def _shape_picture(results: Results) -> Picture:
    planner, price = results.shapes["planner"], results.shapes["price"]
    by_load = np.mean([a["by_load"] for a in planner], axis=0)
    by_annoyance = np.mean([a["by_annoyance"] for a in planner], axis=0)
    tuned = results.rungs["price"].rule.price

    def threshold(axes: Axes, grid: Sequence[float], values: np.ndarray, name: str) -> None:
        curve_with_band(axes, grid, values, label="planner", colour=_PLANNING)
        axes.axhline(tuned, color=WORLD, linewidth=2.0, label="tuned price")
        axes.set_xlabel(name)
        axes.set_ylabel("least one-step value, CNY")
        legend(axes)

    def needs(axes: Axes) -> None:
        for offset, (name, answers, colour) in enumerate(
            (("tuned price", price, WORLD), ("planner", planner, _PLANNING))
        ):
            parts = np.array([float(_total(answers, key)) for key in ("off", "precursor", "on")])
            at = np.arange(3) + 0.4 * offset - 0.2
            axes.bar(at, 100 * parts / max(1.0, parts.sum()), width=0.38, color=colour, label=name)
        axes.set_xticks(range(3), ["no need", "precursor", "need"])
        axes.set_ylabel("% of contacts")
        legend(axes)

    def apart(axes: Axes) -> None:
        for name, answers, colour in (("tuned price", price, WORLD), ("planner", planner, _PLANNING)):
            curve_with_band(axes, range(3), spacing(answers), label=name, colour=colour)
        axes.set_xticks(range(3), ["low", "middle", "high"])
        axes.set_xlabel("tolerance")
        axes.set_ylabel("days between contacts")
        legend(axes)

    def by_week(axes: Axes) -> None:
        for name, colour in (("price", WORLD), ("planner", _PLANNING)):
            daily = np.array(results.rungs[name].daily).mean(axis=0)
            weeks = daily[: daily.size // 7 * 7].reshape(-1, 7).mean(axis=1)
            axes.plot(np.arange(weeks.size), 1000 * weeks, color=colour, linewidth=2.0, label=name)
        axes.set_xlabel("week")
        axes.set_ylabel("contacts a day per 1,000")
        axes.set_ylim(bottom=0.0)
        legend(axes)

    return draw_panels(
        "planning_shape",
        "What the planner does: its threshold, its moments, its rhythm",
        "Thresholds: the same people with their load (over tolerance) or annoyance set. Terciles of tolerance; contacts by week "
        "up to the horizon.",
        [
            lambda axes: threshold(axes, LOAD_GRID, by_load, "load over tolerance"),
            lambda axes: threshold(axes, ANNOYANCE_GRID, by_annoyance, "annoyance"),
            needs,
            apart,
            by_week,
        ],
        size=(12.0, 7.2),
    )


def _stock_picture(results: Results) -> Picture:
    names = list(results.by_stock)
    values = [results.by_stock[name] for name in names]

    def plot(axes: Axes) -> None:
        colours = [_PLANNING if value < 0 else WORLD for value in values]
        _bars(axes, names, values, [0.0] * len(names), colours)
        axes.set_xlabel("CNY a contact")

    return draw(
        "planning_future",
        "What a contact of the planner does to the future, by stock",
        "Shadow price times the expected change, mean over the contacts that the planner makes.",
        plot,
    )


def summary(results: Results) -> str:
    """Return a few sentences made from the numbers."""
    rungs = results.rungs
    gap, error = relative(rungs["planner"], stronger(rungs))
    paired = compare(rungs["planner"], stronger(rungs))
    text = [
        f"Over {results.sizes.days} days the planner on the full state is worth {paired.mean:+.2f} CNY a head "
        f"({100 * gap:+.1f} % of INV, standard error {100 * error:.1f}) over the best price at its own or at equal volume."
    ]
    if gap < LEAST_GAP:
        text.append(
            "That is below three per cent of INV: greedy with a tuned price is nearly enough in this world."
        )
    for name in ("identity", "placebo"):
        if name in results.controls:
            share, spread = relative(results.controls[name]["planner"], results.controls[name]["price"])
            text.append(f"With {VARIANTS[name].title} it is {100 * share:+.1f} % ({100 * spread:.1f}).")
    carried = strongest_ablation(results)
    if carried:
        text.append(carried)
    return " ".join(text)


def strongest_ablation(results: Results) -> str:
    """Say without which mechanism least is left of the gap, or nothing."""
    left = {
        name: relative(results.controls[name]["planner"], results.controls[name]["price"])[0]
        for name in ABLATIONS
        if name in results.controls and name != "budget"
    }
    if not left:
        return ""
    name = min(left, key=lambda n: (left[n], n))
    return f"Least is left of it with {VARIANTS[name].title}: {100 * left[name]:+.1f} %."


def section(results: Results) -> Section:
    """Return the section of the validation page."""
    sizes = results.sizes
    tables = [table(results)]
    if results.controls:
        tables.append(controls_table(results))
    tables.append(checks_table(results))
    return Section(
        name="planning",
        title="Does planning beat greed, and for the right reason?",
        summary=summary(results),
        findings=findings(results),
        pictures=pictures(results),
        tables=tuple(tables),
        settings={
            "cardholders": sizes.cardholders,
            "seeds": list(sizes.seeds),
            "train_seeds": list(sizes.train_seeds),
            "days": sizes.days,
            "overrides": dict(sizes.overrides),
        },
    )
