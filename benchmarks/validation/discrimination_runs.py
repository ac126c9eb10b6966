"""The runs behind the section on discrimination: pairs of policies close in value, over many seeds, at two sizes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardarena.agents.reference import StatusQuo
from cardarena.agents.registry import make_policy
from cardarena.benchmarks.facts import Facts, RunFacts
from cardarena.benchmarks.run_tables import MFEN_PER_CNY, PPM, discount_ppm
from cardarena.benchmarks.validation.detection import (
    Components,
    components,
    paired_variance,
    unpaired_variance,
)
from cardarena.benchmarks.validation.findings import Tell
from cardarena.benchmarks.validation.lab import Lab
from cardarena.simulator.contracts import Brief, Policy
from cardarena.simulator.names import COMPLAINT_KINDS
from cardarena.simulator.world import World

Floats = NDArray[np.float64]

#: What a run is worth, CNY a head: the margin as it came, its logged expectation, and both over the silent arm's.
VALUES: Final = ("margin", "expected margin", "INV", "expected INV")
#: Complaints about marketing in a thousand people over the whole run, as they came, and their logged expectation.
COMPLAINTS: Final = ("complaints", "expected complaints")
SILENT, REFERENCE, NULL = "silent", "status_quo", "status_quo, another lot"
#: Policies close in value: neighbouring dials, two rules, two that learn from the same log.
PAIRS: Final = (
    ("status_quo", "status_quo@3.3"),
    ("rfm", "segment"),
    ("capped_propensity", "greedy_priced"),
)


@dataclass(frozen=True)
class Design:
    """What is played: `n_seeds` seeds at each of two sizes, every policy of the pairs on each.

    Seeds of the two sizes differ, so that the variances at both are independent.
    """

    n_seeds: int
    sizes: tuple[int, int]
    first_seed: int
    pairs: tuple[tuple[str, str], ...] = PAIRS

    @property
    def policies(self) -> tuple[str, ...]:
        """All policies of the pairs, each once, and what shows chance alone: the status quo twice."""
        return tuple(
            dict.fromkeys((SILENT, REFERENCE, *(name for pair in self.pairs for name in pair), NULL))
        )

    def seeds(self, size: int) -> range:
        """Return the seeds of a size."""
        first = self.first_seed + self.n_seeds * self.sizes.index(size)
        return range(first, first + self.n_seeds)


@dataclass
class Scores:
    """Values of runs.

    Attributes:
        design: what was played.
        values: by (size, measure, policy), one number a seed, CNY a head.
        people: by (size, policy), one array a seed: each person's realised margin, CNY, shape (people,).
    """

    design: Design
    values: dict[tuple[int, str, str], list[float]] = field(
        default_factory=dict[tuple[int, str, str], list[float]]
    )
    people: dict[tuple[int, str], list[Floats]] = field(default_factory=dict[tuple[int, str], list[Floats]])

    def of(self, size: int, measure: str, policy: str) -> Floats:
        """Return one policy's values, in the order of the seeds."""
        return np.asarray(self.values[size, measure, policy])

    def pair(self, pair: tuple[str, str], measure: str, size: int | None = None) -> tuple[Floats, Floats]:
        """Return the two policies' values at a size, the larger by default."""
        size = self.design.sizes[1] if size is None else size
        return self.of(size, measure, pair[0]), self.of(size, measure, pair[1])

    def components(self, pair: tuple[str, str], measure: str, *, paired: bool) -> Components:
        """Return the variance components of the difference between the two policies' runs.

        Realised values are known person by person, so the people's part is their variance within a seed. Expectations are
        logged for all people together, so their parts come from the variances at two sizes.
        """
        variance = paired_variance if paired else unpaired_variance
        sizes = self.design.sizes
        few, many = (variance(*self.pair(pair, measure, size)) for size in sizes)
        if measure not in ("margin", "INV"):
            return components(sizes, (few, many))
        person = self._person(pair, measure, variance)
        shared = 0.5 * (few - person / sizes[0] + many - person / sizes[1])
        return Components(max(0.0, shared), person)

    def _person(
        self, pair: tuple[str, str], measure: str, variance: Callable[[Floats, Floats], float]
    ) -> float:
        """Return the mean over seeds of the variance between people of a seed, at the larger size."""
        size = self.design.sizes[1]
        runs = zip(*(self.people[size, name] for name in (*pair, SILENT)), strict=True)
        return float(
            np.mean([variance(*((a, b) if measure == "margin" else (a - c, b - c))) for a, b, c in runs])
        )


class AnotherLot(StatusQuo):
    """The status quo with other draws of its own: the same policy, so that every difference is chance."""

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Begin with another seed of the policy's own."""
        super().reset(brief, policy_seed ^ 0x5DEECE66D)


def make(label: str) -> Policy:
    """Return the policy of a label: a name, or a name, @ and the dial."""
    if label == NULL:
        return AnotherLot()
    name, _, dial = label.partition("@")
    return make_policy(name, float(dial) if dial else None)


def play(lab: Lab, design: Design, tell: Tell) -> Scores:
    """Play every policy of the design on every seed at both sizes."""
    scores = Scores(design)
    for size in design.sizes:
        for number, seed in enumerate(design.seeds(size)):
            if number % 4 == 0:
                tell(f"discrimination: {size:,} cardholders, seed {number + 1} of {design.n_seeds}")
            world = World.create(lab.scenario(), seed, size, threads=lab.threads).burn_in(make_policy)
            for policy, (values, people) in _played(world, design.policies).items():
                scores.people.setdefault((size, policy), []).append(people)
                for measure, value in values.items():
                    scores.values.setdefault((size, measure, policy), []).append(value)
    return scores


def _played(world: World, policies: Iterable[str]) -> Mapping[str, tuple[dict[str, float], Floats]]:
    """Return each policy's values by measure, and its people's margins."""
    runs = {}
    for name in policies:
        caretaker = make_policy(world.scenario.horizon.run_out_policy)
        runs[name] = RunFacts(world.fork().run(make(name), run_out_policy=caretaker))
    return {name: _measured(facts, runs[SILENT]) for name, facts in runs.items()}


def _measured(facts: RunFacts, silent: RunFacts) -> tuple[dict[str, float], Floats]:
    both = Facts(facts, silent)
    daily = (facts.value_by_day, facts.expected_value_by_day, both.gain_by_day, both.expected_gain_by_day)
    values = {measure: both.per_head(by_day) for measure, by_day in zip(VALUES, daily, strict=True)} | dict(
        zip(COMPLAINTS, _complaints(facts), strict=True)
    )
    people = facts.value_by_person(discount_ppm(facts.horizon, both.discount))
    return values, people[facts.alive_at_start] / (PPM * MFEN_PER_CNY)


def _complaints(facts: RunFacts) -> tuple[float, float]:
    """Return complaints about marketing in a thousand people over the whole run: counted, and expected."""
    counted = int((facts.run.table("complaints")["complaint"] == COMPLAINT_KINDS.index("marketing")).sum())
    expected = int(facts.state("expected_complaint_marketing_ppb").sum()) * 1e-9
    return 1_000.0 * counted / facts.n0, 1_000.0 * expected / facts.n0
