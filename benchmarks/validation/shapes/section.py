"""The section: every phenomenon that must emerge, one experiment each, in the order of the design."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from cardarena.benchmarks.validation.findings import Picture, Section, Table, Tell, judge
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.shapes import (
    attention,
    change,
    loyalty,
    money,
    people,
    planning,
    uplift,
    volume,
)
from cardarena.benchmarks.validation.shapes.shape import Shape

EXPERIMENTS: Final[dict[str, Callable[[Lab], Shape]]] = {
    "attention": attention.attention,
    "wear": attention.wear,
    "complaints": volume.complaints,
    "cut": change.cut,
    "growth": change.growth,
    "moment": attention.moment,
    "personalisation": people.personalisation,
    "four types": uplift.four_types,
    "satisfaction": loyalty.satisfied,
    "word of mouth": loyalty.word_of_mouth,
    "inactivity": loyalty.inactive,
    "best rate": volume.best_rate,
    "foresight": planning.greedy_loses,
    "credit stress": money.credit_stress,
    "pull-forward": money.pull_forward,
    "wallet": money.wallet,
}


def run(lab: Lab, tell: Tell) -> Section:
    """Run every experiment on the lab's worlds, survey mode, the same people and the same luck in every arm."""
    shapes: list[Shape] = []
    for name, experiment in EXPERIMENTS.items():
        tell(f"shape: {name}")
        shapes.append(experiment(lab))
    findings = tuple(finding for shape in shapes for finding in shape.findings)
    verdict = judge(findings)
    rows = tuple(
        (name, " ".join((experiment.__doc__ or "").split("\n")[0].split()), held(shape))
        for (name, experiment), shape in zip(EXPERIMENTS.items(), shapes, strict=True)
    )
    emerged = sum(row[2] == "emerges" for row in rows)
    summary = (
        f"{emerged} of {len(rows)} phenomena emerge, {verdict.hard_held} of {verdict.hard} findings hold. "
        "Nothing here is wired in as a result: each is measured between twin worlds that differ in one thing."
    )
    if verdict.missed:
        summary += f" Missing: {', '.join(name.removeprefix('shape.') for name in verdict.missed)}."
    return Section(
        name="shapes",
        title="Phenomena that must emerge",
        summary=summary,
        findings=findings,
        pictures=tuple(map(pictured, shapes)),
        tables=(Table("What was asked of the world", ("phenomenon", "claim", "verdict"), rows),),
        settings=lab.settings,
    )


def pictured(shape: Shape) -> Picture:
    """Return a shape's picture; where the phenomenon does not emerge, the title says so, and no longer claims it."""
    if not judge(shape.findings).missed:
        return shape.picture
    title = shape.picture.title
    return replace(shape.picture, title=f"Not in this world: {title[0].lower()}{title[1:]}")


def held(shape: Shape) -> str:
    """Return `emerges` if every finding of a shape holds, else which do not."""
    missed = judge(shape.findings).missed
    return "emerges" if not missed else "misses: " + ", ".join(name.removeprefix("shape.") for name in missed)
