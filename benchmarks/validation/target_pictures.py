"""Pictures of the targets: simulated distributions over published ones, months over the retail index, click over exposure."""

from collections.abc import Iterator, Sequence
from typing import Final

from matplotlib.axes import Axes

from cardarena.benchmarks.validation.drawing import (
    PUBLISHED,
    WORLD,
    curve_with_band,
    draw,
    legend,
    shares_against,
)
from cardarena.benchmarks.validation.findings import Finding, Picture
from cardarena.benchmarks.validation.lab import Lab

#: Distributions that the evidence gives level by level: target, name, title, and how the levels are written.
_DISTRIBUTIONS: Final = (
    ("A1", "age", "Age", ("18–29", "30–39", "40–54")),
    ("A3", "city", "City tier", ("tier 1", "new tier 1", "tier 2", "tier 3, below")),
    (
        "A5",
        "income",
        "Household income a month, thousand CNY",
        ("< 10", "10–20", "20–30", "30–50", "50–100", "> 100"),
    ),
    (
        "A6",
        "spend",
        "Simulated card spend a month over all cards, thousand CNY",
        ("< 5", "5–10", "10–20", "20–30", "30–50", "> 50"),
    ),
    ("A7", "segments", "Privacy segments", ("S1", "S2", "S3", "S4", "S5", "S6")),
)
_SEASON_NAMES: Final = ("Jan, Feb", "Mar", "Apr, May", "Jun", "Jul–Sep", "Oct")
_WEAR_EXPONENT: Final = -0.43
PERCENT: Final = 100.0
#: Sale hazard at call 1 to 10 of a campaign, UCI Bank Marketing: sales over clients still called.
CALL_HAZARDS: Final = (0.0566, 0.0506, 0.0408, 0.0329, 0.0227, 0.0211, 0.0153, 0.0137, 0.0117, 0.0096)


def pictures(lab: Lab, findings: Sequence[Finding]) -> tuple[Picture, ...]:
    """Return the pictures of the targets that have been measured.

    Args:
        lab: what they were measured in.
        findings: the targets' findings.
    """
    return (*_distributions(findings), *_seasons(findings), *_calls(lab, findings), *_wear(findings))


def _of(findings: Sequence[Finding], target: str) -> list[Finding]:
    """Return the findings of a target, in their order; none unless all have a number."""
    own = [one for one in findings if one.id.split(".")[0] == target]
    return own if all(one.value == one.value for one in own) else []


def _distributions(findings: Sequence[Finding]) -> Iterator[Picture]:
    for target, name, title, levels in _DISTRIBUTIONS:
        own = _of(findings, target)
        if len(own) == len(levels):
            yield _shares(f"target_{name}", title, own, levels)


def _shares(name: str, title: str, own: list[Finding], levels: Sequence[str]) -> Picture:
    missed = [level for level, one in zip(levels, own, strict=True) if not one.low <= one.value <= one.high]
    said = "every level inside its band" if not missed else f"outside: {', '.join(missed)}"

    def plot(axes: Axes) -> None:
        shares_against(
            axes,
            levels,
            [one.value for one in own],
            errors=[one.standard_error for one in own],
            lows=[one.low for one in own],
            highs=[one.high for one in own],
            points=[one.point for one in own],
            unit="% of people",
        )

    return draw(name, f"{title}: {said}", f"{own[0].id.split('.')[0]}. {own[0].source}.", plot)


def _seasons(findings: Sequence[Finding]) -> Iterator[Picture]:
    own = _of(findings, "E12")
    if not own:
        return
    worst = max(own, key=lambda one: abs(one.value - one.point))
    at = list(range(len(own)))

    def plot(axes: Axes) -> None:
        axes.errorbar(
            at,
            [one.point for one in own],
            yerr=[[one.point - one.low for one in own], [one.high - one.point for one in own]],
            fmt="_",
            color=PUBLISHED,
            markersize=16,
            markeredgewidth=2,
            elinewidth=8,
            ecolor="#e7dfcc",
            label="retail sales index, with its band",
        )
        axes.errorbar(
            at,
            [one.value for one in own],
            yerr=[2.0 * one.standard_error for one in own],
            fmt="o",
            color=WORLD,
            markersize=6,
            label="simulated",
        )
        axes.set_xticks(at, _SEASON_NAMES)
        axes.set_ylabel("month over the mean of Jan–Oct")
        legend(axes, loc="upper left")

    title = f"Spending follows the retail year to within {abs(worst.value - worst.point):.3f}"
    yield draw("target_seasons", title, f"E12. {own[0].source}; simulated: {own[0].note}.", plot)


def _calls(lab: Lab, findings: Sequence[Finding]) -> Iterator[Picture]:
    if not _of(findings, "D1"):
        return
    from cardarena.benchmarks.validation.call_targets import hazard_curve

    values, errors = hazard_curve(lab)
    contacts = list(range(1, len(values) + 1))

    def plot(axes: Axes) -> None:
        published = [PERCENT * x for x in CALL_HAZARDS]
        axes.plot(contacts, published, color=PUBLISHED, linewidth=2, marker="_", label="UCI Bank Marketing")
        curve_with_band(axes, contacts, PERCENT * values, PERCENT * errors)
        axes.set_xticks(contacts)
        axes.set_xlabel("call answered in the campaign")
        axes.set_ylabel("sales, % of calls")
        axes.set_ylim(bottom=0.0)
        legend(axes)

    fall = values[4] / values[0]
    yield draw(
        "target_calls",
        f"A campaign's fifth call sells {fall:.2f} times as often as its first",
        "D1. Selection and fatigue together, as in the source: 45,211 clients of a bank, 124,956 calls.",
        plot,
    )


def _wear(findings: Sequence[Finding]) -> Iterator[Picture]:
    own = _of(findings, "D3")
    if not own:
        return
    exposures = [int(one.id.rsplit("_", 1)[1]) for one in own]
    curve = list(range(1, 9))

    def plot(axes: Axes) -> None:
        axes.plot(
            curve,
            [x**_WEAR_EXPONENT for x in curve],
            color=PUBLISHED,
            linewidth=2,
            label="(N+1)^−0.43, N repeats",
        )
        axes.fill_between(
            exposures, [one.low for one in own], [one.high for one in own], color="#e7dfcc", alpha=0.6
        )
        curve_with_band(
            axes,
            [1, *exposures],
            [1.0, *(one.value for one in own)],
            [0.0, *(one.standard_error for one in own)],
        )
        axes.set_xlabel("exposure to the same creative")
        axes.set_ylabel("click over that at the first")
        axes.set_ylim(0.0, 1.1)
        legend(axes)

    yield draw("target_wear", "Clicks on the same creative wear as published", f"D3. {own[0].source}.", plot)
