"""The tables and the picture of the section on discrimination."""

from collections.abc import Callable
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from cardarena.benchmarks.validation.detection import (
    bootstrap_ratio,
    detectable,
    paired_variance,
    unpaired_variance,
)
from cardarena.benchmarks.validation.discrimination_runs import VALUES, Scores
from cardarena.benchmarks.validation.drawing import GREY, PUBLISHED, WORLD, draw_panels, legend
from cardarena.benchmarks.validation.findings import Picture, Table

#: Key of the bootstrap over seeds.
KEY: Final = 20_240_901
_SEEDS: Final = np.array([2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64])
_CARDHOLDERS: Final = (500, 2_000, 5_000, 20_000)


def _name(pair: tuple[str, str]) -> str:
    return " and ".join(pair)


def pairing_table(scores: Scores) -> Table:
    """Return what pairing saves: spread of a difference, unpaired and paired, by pair and value."""
    rows = []
    for pair in scores.design.pairs:
        for measure in VALUES:
            a, b = scores.pair(pair, measure)
            low, high = bootstrap_ratio(a, b, key=KEY)
            apart, together = unpaired_variance(a, b), paired_variance(a, b)
            rows.append(
                (
                    _name(pair),
                    measure,
                    round(float((a - b).mean()), 3),
                    round(float(np.sqrt(apart)), 3),
                    round(float(np.sqrt(together)), 3),
                    round(apart / together, 1) if together > 0 else "",
                    f"{low:.1f} to {high:.1f}",
                )
            )
    return Table(
        "What pairing saves",
        (
            "pair",
            "value a head",
            "mean difference, CNY",
            "sd unpaired",
            "sd paired",
            "ratio of variances",
            "95 %",
        ),
        tuple(rows),
        f"Of one run against one; {scores.design.sizes[1]:,} cardholders, {scores.design.n_seeds} seeds. The ratio is by how "
        "many times an unpaired comparison needs more runs.",
    )


def components_table(scores: Scores) -> Table:
    """Return the parts of the spread: what all people of a seed share, and what each has alone."""
    rows = []
    for pair in scores.design.pairs:
        for measure in VALUES:
            apart = scores.components(pair, measure, paired=False)
            together = scores.components(pair, measure, paired=True)
            rows.append(
                (
                    _name(pair),
                    measure,
                    *(
                        round(float(np.sqrt(value)), 3)
                        for value in (apart.shared, apart.person, together.shared, together.person)
                    ),
                )
            )
    few, many = scores.design.sizes
    return Table(
        "Where the spread comes from",
        ("pair", "value a head", "unpaired: seed, sd", "person, sd", "paired: seed, sd", "person, sd"),
        tuple(rows),
        f"Variance of a difference = seed + person / cardholders, from runs of {few:,} and {many:,}; CNY a head. The seed's "
        "part is what all its people share: when the year begins, and what a policy learned. Realised values are known by "
        "person (an upper bound where segments are drawn in fixed shares); the parts of expectations come from the two "
        "sizes, and are rough.",
    )


def detectable_table(scores: Scores) -> Table:
    """Return the smallest detectable difference by pair, cardholders and seeds."""
    rows = []
    for pair in scores.design.pairs:
        for size in _CARDHOLDERS:
            row: list[float] = []
            for measure, paired in (("margin", False), ("margin", True), ("expected INV", True)):
                variance = scores.components(pair, measure, paired=paired).at(size)
                row += [round(float(detectable(variance, seeds, paired=paired)), 2) for seeds in (4, 8, 32)]
            rows.append((_name(pair), f"{size:,}", *row))
    heads = [
        f"{what}, {seeds} seeds" for what in ("unpaired", "realised", "expected") for seeds in (4, 8, 32)
    ]
    return Table(
        "Smallest detectable difference, CNY a head",
        ("pair", "cardholders", *heads),
        tuple(rows),
        "At 80 % power and the 5 % level: unpaired margins, as realised; paired ones; paired expected INV.",
    )


def detectable_picture(scores: Scores) -> Picture:
    """Return the curves of the smallest detectable difference."""
    return draw_panels(
        "discrimination_detectable",
        "Pairing lets few seeds tell policies apart that unpaired runs could not",
        "Smallest difference that a t-test finds with 80 % power at the 5 % level, by seeds, for 500 (thin) to 20,000 (thick) "
        "cardholders. Grey: realised margins of unpaired runs. Dashed: the same, paired. Blue: paired, logged expectations.",
        [_curves(scores, pair) for pair in scores.design.pairs],
    )


def _curves(scores: Scores, pair: tuple[str, str]) -> Callable[[Axes], None]:
    kinds = (
        ("margin", False, GREY, "-", "unpaired"),
        ("margin", True, PUBLISHED, "--", "paired, realised"),
        ("expected margin", True, WORLD, "-", "paired, expected"),
    )

    def plot(axes: Axes) -> None:
        for measure, paired, colour, style, label in kinds:
            parts = scores.components(pair, measure, paired=paired)
            for width, size in zip((0.7, 1.2, 1.9, 2.8), _CARDHOLDERS, strict=True):
                axes.plot(
                    _SEEDS,
                    detectable(parts.at(size), _SEEDS, paired=paired),
                    color=colour,
                    linestyle=style,
                    linewidth=width,
                    label=label if size == _CARDHOLDERS[-1] else None,
                )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.minorticks_off()
        axes.set_xticks([2, 4, 8, 16, 32, 64], ["2", "4", "8", "16", "32", "64"])
        axes.set_ylim(0.01, 300)
        axes.set_yticks([0.01, 0.1, 1, 10, 100], ["0.01", "0.1", "1", "10", "100"])
        axes.set_title("\n".join(pair), fontsize=11)
        axes.set_xlabel("seeds")
        axes.set_ylabel("CNY a head")
        legend(axes, loc="upper right", fontsize=9)

    return plot
