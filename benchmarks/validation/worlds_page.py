"""The tables and the picture of the section on worlds."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from cardarena.benchmarks.model_fingerprint import model_fingerprint
from cardarena.benchmarks.validation.drawing import GREY, PUBLISHED, SOFT, WHOLE, WORLD, draw
from cardarena.benchmarks.validation.findings import Finding, Picture, Table
from cardarena.benchmarks.validation.hard import clearance, margin
from cardarena.benchmarks.validation.worlds_runs import REFERENCE, TEST, Standing
from cardarena.simulator.parameter_sets import load_world

#: Colours that stay apart for most colour-blind people, and grey for what never leads.
_COLOURS: Final = (WORLD, "#b3261e", "#4f7d3a", "#8a5a00", "#6b4c9a", PUBLISHED)


def tightest(hard: Sequence[Finding]) -> Finding:
    """Return the hard target that lies nearest to an edge of its band, or farthest outside."""
    return min(hard, key=margin)


def hard_table(standings: Sequence[Standing]) -> Table:
    """Return each world's tightest hard target."""
    rows = []
    for one in standings:
        if not one.hard:
            continue
        worst, wavering = tightest(one.hard), min(one.hard, key=clearance)
        rows.append(
            (
                one.name,
                one.plan.split,
                len(one.hard),
                worst.id,
                f"{worst.value:.4g}",
                f"{worst.low:g} to {worst.high:g}",
                round(margin(worst), 3),
                wavering.id,
                round(clearance(wavering), 1),
            )
        )
    made_for = [load_world(one.name).provenance.get("model_fingerprint") for one in standings if one.hard]
    others = sum(fingerprint != model_fingerprint() for fingerprint in made_for)
    return Table(
        "The hard targets in every world",
        (
            "world",
            "split",
            "measured",
            "tightest",
            "value",
            "band",
            "margin",
            "least sure",
            "standard errors inside",
        ),
        tuple(rows),
        "Margin: 1 in the middle of the band, 0 at its edge, negative outside; of a band with an open end, the distance as a "
        "share of the edge. Other people and other luck than those with which the worlds were made. "
        f"Made for a model that behaved otherwise: {others} of {len(made_for)}.",
    )


def rank_table(standings: Sequence[Standing]) -> Table:
    """Return each policy's rank in the shipped world and its range over the test worlds."""
    shipped = next(one for one in standings if one.name == REFERENCE)
    test = [one for one in standings if one.plan.split == TEST]
    rows = []
    for at in np.argsort(shipped.ranks):
        ranks = [int(one.ranks[at]) for one in test] or [int(shipped.ranks[at])]
        values = [float(one.means[at]) for one in test] or [float(shipped.means[at])]
        rows.append(
            (
                shipped.plan.policies[at],
                int(shipped.ranks[at]),
                f"{min(ranks)} to {max(ranks)}" if min(ranks) < max(ranks) else f"{min(ranks)}",
                "yes" if min(ranks) == max(ranks) else "no",
                round(float(shipped.means[at]), 2),
                f"{min(values):.2f} to {max(values):.2f}",
            )
        )
    return Table(
        "Ranks over the test worlds",
        (
            "policy",
            "rank, shipped",
            "rank, test worlds",
            "rank claimed",
            "INV, shipped",
            "INV, test worlds",
        ),
        tuple(rows),
        "Expected INV, CNY a head. A rank is claimed where it is the same in all test worlds, the structural variant among "
        "them.",
    )


def pair_shares(standings: Sequence[Standing]) -> np.ndarray:
    """Return the share of worlds in which one policy is worth more than another, shape (policies, policies)."""
    values = np.array([one.means for one in standings])
    return np.asarray((values[:, :, None] > values[:, None, :]).mean(axis=0))


def pair_table(standings: Sequence[Standing]) -> Table:
    """Return in which share of the test worlds the policy of the row is worth more than that of the column, in per cent."""
    shipped = next(one for one in standings if one.name == REFERENCE)
    test = [one for one in standings if one.plan.split == TEST] or [shipped]
    order, policies = np.argsort(shipped.ranks), shipped.plan.policies
    shares = 100.0 * pair_shares(test)
    return Table(
        "Who is ahead of whom, % of the test worlds",
        ("ahead of", *(policies[at] for at in order)),
        tuple((policies[a], *("" if a == b else round(float(shares[a, b])) for b in order)) for a in order),
        "100 or 0: the order is the same in all of them, and is claimed.",
    )


def bump_chart(standings: Sequence[Standing]) -> Picture:
    """Return each policy's rank from world to world."""
    policies = standings[0].plan.policies
    ranks = np.array([one.ranks for one in standings])

    def plot(axes: Axes) -> None:
        at = np.arange(len(standings))
        leaders = [int(j) for j in np.argsort(ranks[0])][: len(_COLOURS)]
        for j, policy in enumerate(policies):
            colour = _COLOURS[leaders.index(j)] if j in leaders else GREY
            axes.plot(at, ranks[:, j], color=colour, linewidth=2.0, marker="o", markersize=5)
            axes.annotate(
                policy,
                (at[-1], ranks[-1, j]),
                xytext=(10, 0),
                textcoords="offset points",
                color=colour if j in leaders else SOFT,
                va="center",
                fontsize=10,
                annotation_clip=False,
            )
        axes.set_ylim(len(policies) + 0.6, 0.4)
        axes.set_yticks(range(1, len(policies) + 1))
        axes.set_ylabel("rank by INV")
        names = [one.name.replace("_", " ") for one in standings]
        axes.set_xticks(at, names, rotation=35, ha="right", fontsize=9)
        last = sum(one.plan.split in ("reference", TEST) for one in standings) - 0.5
        if last < at[-1]:
            axes.axvline(last, color=SOFT, linewidth=1.2, linestyle=":")

    return draw(
        "worlds_ranks",
        "Where lines run level, a rank does not hang on the parameters",
        "Rank by expected INV, 1 the best, in the shipped world and in others that all meet the hard targets. Left of the "
        "dotted line: the test worlds and the structural variant, over which ranks are claimed; right of it, if played, those "
        "for choosing and learning, on one seed each.",
        plot,
        size=(WHOLE[0], 5.0),
    )
