"""The runs behind the section on worlds: the same policies, people and luck in every parameter set, and its hard targets."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cardarena.agents.registry import make_policy
from cardarena.benchmarks.facts import Facts, RunFacts
from cardarena.benchmarks.processes import spawned
from cardarena.benchmarks.validation.findings import Finding, Tell
from cardarena.benchmarks.validation.hard import STAGES, measure_hard
from cardarena.benchmarks.validation.lab import Lab
from cardarena.simulator.parameter_sets import TRAIN, load_world, world_names, world_overrides

Floats = NDArray[np.float64]

SILENT: Final = "silent"
#: Policies of every kind that decide for a few thousand people in a second or two.
POLICIES: Final = (
    SILENT,
    "status_quo",
    "blast",
    "cadence",
    "rfm",
    "segment",
    "thompson",
    "capped_propensity",
    "greedy_priced",
    "uplift",
)
#: Name under which the validated parameters themselves appear, in no file.
REFERENCE: Final = "shipped"
TEST: Final = "test"


@dataclass(frozen=True)
class Plan:
    """What is done in one world.

    Attributes:
        name: the world's; `REFERENCE` for the parameters under validation.
        split: what the world is for.
        overrides: its parameters and channels.
        seeds: world seeds on which the policies are played.
        people: cardholders of these.
        checked: cardholders of the world in which the hard targets are measured, 0 for none.
        stages: hard targets that are measured, by stage.
        policies: the policies.
    """

    name: str
    split: str
    overrides: Mapping[str, Any]
    seeds: tuple[int, ...]
    people: int
    checked: int
    stages: tuple[tuple[str, ...], ...] = STAGES
    policies: tuple[str, ...] = POLICIES


@dataclass(frozen=True)
class Standing:
    """What came out in one world.

    Attributes:
        plan: what was done.
        inv: by policy, expected INV by seed, CNY a head, shape (seeds,).
        hard: the hard targets as measured.
    """

    plan: Plan
    inv: Mapping[str, Floats]
    hard: tuple[Finding, ...]

    @property
    def name(self) -> str:
        """Name of the world."""
        return self.plan.name

    @property
    def means(self) -> Floats:
        """Mean INV by policy, in the order of the plan, shape (policies,)."""
        return np.array([self.inv[policy].mean() for policy in self.plan.policies])

    @property
    def ranks(self) -> NDArray[np.int64]:
        """Rank by policy, 1 for the best, in the order of the plan, shape (policies,)."""
        ranks = np.empty(len(self.plan.policies), dtype=np.int64)
        ranks[np.argsort(-self.means, kind="stable")] = np.arange(1, ranks.size + 1)
        return ranks


def plans(lab: Lab, names: Sequence[str] | None = None) -> tuple[Plan, ...]:
    """Return what is done in each world: the one under validation first, then the test worlds, then the others.

    In a small lab only the test worlds are played, each on one seed, and only the cheapest hard targets are measured.

    Args:
        lab: its overrides, seeds and size.
        names: worlds; by default all shipped ones that have a purpose.
    """
    is_small = lab.n_cardholders <= _SMALL
    people, checked = (min(size, lab.n_cardholders) for size in (_PEOPLE, _CHECKED))
    stages = STAGES[:1] if is_small else STAGES
    ranked = lab.seeds[: 1 if is_small else 2]
    made = [Plan(REFERENCE, "reference", lab.overrides, ranked, people, 0, stages)]
    for name in world_names() if names is None else names:
        split = load_world(name).split
        if split == "reference" or (is_small and split != TEST):
            continue
        seeds = ranked if split == TEST else lab.seeds[:1]
        made.append(Plan(name, split, world_overrides(name), seeds, people, checked, stages))
    order = ("reference", TEST, "validation", TRAIN)
    # The variant, whose name has no number, comes after the test worlds that are drawn.
    return tuple(
        sorted(made, key=lambda plan: (order.index(plan.split), not plan.name[-1].isdigit(), plan.name))
    )


_SMALL: Final = 4_096
_PEOPLE: Final = 2_048
_CHECKED: Final = 4_096


def standing(plan: Plan) -> Standing:
    """Play the policies in one world, and measure its hard targets."""
    lab = Lab(n_cardholders=plan.people, seeds=plan.seeds, overrides=plan.overrides)
    by_seed = [_inv(lab, seed, plan.policies) for seed in plan.seeds]
    inv = {policy: np.array([values[policy] for values in by_seed]) for policy in plan.policies}
    hard: tuple[Finding, ...] = ()
    if plan.checked:
        checked = Lab(n_cardholders=plan.checked, seeds=plan.seeds[:1], overrides=plan.overrides)
        hard = measure_hard(checked, lambda text: None, plan.stages)
    return Standing(plan, inv, hard)


def _inv(lab: Lab, seed: int, policies: Sequence[str]) -> dict[str, float]:
    """Return each policy's expected INV on one seed, CNY a head."""
    world = lab.world(seed)
    caretaker = world.scenario.horizon.run_out_policy
    silent = RunFacts(world.fork().run(make_policy(SILENT), run_out_policy=make_policy(caretaker)))
    found = {}
    for name in policies:
        if name == SILENT:
            found[name] = 0.0
            continue
        run = RunFacts(world.fork().run(make_policy(name), run_out_policy=make_policy(caretaker)))
        both = Facts(run, silent)
        found[name] = float(both.per_head(both.expected_gain_by_day))
    return found


def play(made: Sequence[Plan], workers: int, tell: Tell) -> tuple[Standing, ...]:
    """Carry out the plans, over processes where there are several; return what came out, in their order.

    Args:
        made: the plans.
        workers: processes; 1 works in this one.
        tell: takes a line a world.
    """
    found: dict[str, Standing] = {}
    for number, one in enumerate(_carried_out(made, workers), 1):
        tell(f"worlds: {one.name}, {number} of {len(made)}")
        found[one.name] = one
    return tuple(found[plan.name] for plan in made)


def _carried_out(made: Sequence[Plan], workers: int) -> Iterator[Standing]:
    if workers <= 1:
        yield from map(standing, made)
        return
    pool = spawned(workers)
    try:
        for future in as_completed([pool.submit(standing, plan) for plan in made]):
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
