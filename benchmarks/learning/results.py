"""From plays to numbers: incremental net value a head, paired differences on people, and the share of the gap closed.

An interval holds two kinds of luck: which people were met, and which seed an agent was trained with. The second is measured
by how far the seeds of an agent lie apart, pooled over all agents, since two or three seeds of one tell little.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from scipy import stats

from cardarena.benchmarks.learning.courses import HEURISTICS, ORACLE, REFERENCE, SCENARIO, Course, Sizes
from cardarena.benchmarks.learning.played import SILENT
from cardarena.benchmarks.learning.reading import GROUPS
from cardarena.benchmarks.statistics import Estimate, t_interval
from cardarena.simulator.scenario import load_scenario

#: What one world gave: by policy, each person's margin in CNY and the metrics of the run.
World = Mapping[str, tuple[np.ndarray, dict[str, float]]]

#: Metrics by the limit of a scenario that they are held against.
LIMITS: Final = {
    "max_marketing_complaints_per_1000_month": "marketing_complaints_expected",
    "max_opt_out_share": "opt_out_share",
    "max_breaches": "breaches",
}


@dataclass(frozen=True)
class Line:
    """What one agent, or rival, came to in one scenario; CNY a head.

    Attributes:
        name: of the course, or of the policy.
        section: of the course; `rival` for a policy of the registry.
        title: for tables and pictures.
        scenario: where it was played.
        inv: incremental net value with its interval over people and training seeds; the mean over training seeds.
        by_seed: the same by training seed, without interval.
        over_reference: paired difference against the reference agent.
        over_heuristic: paired difference against the best heuristic.
        closed: share of the gap between the best heuristic and the oracle planner that is closed.
        contacts: contacts a head and month.
        kept: whether every limit of the scenario is kept on the mean over worlds, by every training seed.
        metrics: means over worlds and training seeds.
    """

    name: str
    section: str
    title: str
    scenario: str
    inv: Estimate
    by_seed: tuple[float, ...]
    over_reference: Estimate
    over_heuristic: Estimate
    closed: Estimate
    contacts: float
    kept: bool
    metrics: dict[str, float]


@dataclass(frozen=True)
class TrainingLuck:
    """How far agents of the same command and another training seed lie apart.

    Attributes:
        variance: of one agent's value, CNY squared; pooled over the agents.
        degrees: degrees of freedom of it; 0 with one seed each, of which nothing can be told.
    """

    variance: float
    degrees: int

    @staticmethod
    def of(by_seed: Sequence[Sequence[float]]) -> "TrainingLuck":
        """Pool over agents: values of each by training seed.

        Example:
            >>> TrainingLuck.of([(1.0, 3.0), (5.0, 5.0)])
            TrainingLuck(variance=1.0, degrees=2)
        """
        degrees = sum(len(values) - 1 for values in by_seed)
        squares = sum(float(np.var(values)) * len(values) for values in by_seed)
        return TrainingLuck(squares / degrees if degrees else 0.0, degrees)

    def widened(self, estimate: Estimate, shares: float) -> Estimate:
        """Return an estimate over people with the luck of training added.

        Args:
            estimate: with a Student-t interval of 95 %.
            shares: how much of `variance` goes into it: 1 / seeds for a mean over seeds, twice that for a difference of two.
        """
        if not self.degrees or not shares or estimate.n < 2:
            return estimate
        people = (estimate.high - estimate.value) / float(stats.t.ppf(0.975, estimate.n - 1))
        own = self.variance * shares
        whole = people**2 + own
        if not whole:
            return estimate
        # Welch and Satterthwaite.
        degrees = whole**2 / (people**4 / (estimate.n - 1) + own**2 / self.degrees)
        half = float(stats.t.ppf(0.975, degrees)) * float(np.sqrt(whole))
        return replace(estimate, low=estimate.value - half, high=estimate.value + half)


@dataclass(frozen=True)
class Results:
    """The experiment's numbers.

    Attributes:
        sizes: how large it was.
        heuristic: the best of the heuristics, by scenario.
        lines: one an agent or rival and scenario.
        differences: further paired differences that the experiment asks for, by name.
        training: luck of the training seeds, by scenario.
        reading: what the reference agent loses when a group of columns (`reading.GROUPS`) is dealt out anew; over people.
    """

    sizes: Sizes
    heuristic: dict[str, str]
    lines: tuple[Line, ...]
    differences: dict[str, Estimate]
    training: dict[str, TrainingLuck]
    reading: dict[str, Estimate]

    def line(self, name: str, scenario: str = SCENARIO) -> Line:
        """Return the line of an agent or rival."""
        return next(line for line in self.lines if (line.name, line.scenario) == (name, scenario))

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return asdict(self)


def gathered(sizes: Sizes, courses: Sequence[Course], plays: Mapping[tuple[str, int], World]) -> Results:
    """Return the numbers of all plays."""
    lines, heuristic, training, reading = [], {}, {}, {}
    values: dict[str, np.ndarray] = {}
    for scenario in dict.fromkeys(scenario for scenario, _ in plays):
        worlds = [plays[scenario, seed] for seed in sizes.seeds]
        gain = {
            name: np.concatenate([world[name][0] - world[SILENT][0] for world in worlds])
            for name in worlds[0]
            if name != SILENT
        }
        metrics = {
            name: {
                key: float(np.mean([world[name][1][key] for world in worlds])) for key in worlds[0][name][1]
            }
            for name in gain
        }
        best = max(HEURISTICS, key=lambda name, gain=gain: gain[name].mean())
        heuristic[scenario] = best
        bounds = _limits(scenario)
        runs = {course.name: [f"{course.name}-{seed}" for seed in sizes.training_seeds] for course in courses}
        known = {name: found for name, found in runs.items() if found[0] in gain}
        titles = {course.name: (course.section, course.title) for course in courses}
        known |= {name: [name] for name in (*HEURISTICS, ORACLE)}
        mean = {name: np.mean([gain[run] for run in found], axis=0) for name, found in known.items()}
        if scenario == SCENARIO:
            values = mean
            reading = _reading(gain, sizes.training_seeds)
        by_seed = {name: tuple(float(gain[run].mean()) for run in found) for name, found in known.items()}
        luck = training[scenario] = TrainingLuck.of(list(by_seed.values()))
        share = {name: 1.0 / len(runs[name]) if name in runs else 0.0 for name in known}
        gap = float((mean[ORACLE] - mean[best]).mean())
        for name, found in known.items():
            both = share[name] + (share[REFERENCE] if name != REFERENCE else -share[REFERENCE])
            section, title = titles.get(name, ("rival", name))
            every = {key: float(np.mean([metrics[run][key] for run in found])) for key in metrics[found[0]]}
            lines.append(
                Line(
                    name=name,
                    section=section,
                    title=title,
                    scenario=scenario,
                    inv=luck.widened(t_interval(mean[name]), share[name]),
                    by_seed=by_seed[name],
                    over_reference=luck.widened(t_interval(mean[name] - mean[REFERENCE]), both),
                    over_heuristic=luck.widened(t_interval(mean[name] - mean[best]), share[name]),
                    closed=luck.widened(
                        closed_share(mean[name], mean[best], mean[ORACLE]), share[name] / max(gap**2, 1e-18)
                    ),
                    contacts=every["contacts_per_head_month"],
                    kept=all(metrics[run][key] <= most for run in found for key, most in bounds.items()),
                    metrics=every,
                )
            )
    seeds = len(sizes.training_seeds)
    differences = {
        name: training[SCENARIO].widened(difference, 2.0 / seeds)
        for name, difference in _differences(values).items()
    }
    return Results(sizes, heuristic, tuple(lines), differences, training, reading)


def dealt_name(group: str, seed: int) -> str:
    """Return what the reference agent of a training seed is called when a group of columns is dealt out anew."""
    return f"dealt-{group}-{seed}"


def _reading(gain: Mapping[str, np.ndarray], seeds: Sequence[int]) -> dict[str, Estimate]:
    """Return what the reference agent loses by each group that was dealt out anew."""
    return {
        group: t_interval(
            np.mean([gain[f"{REFERENCE}-{seed}"] - gain[dealt_name(group, seed)] for seed in seeds], axis=0)
        )
        for group in GROUPS
        if dealt_name(group, seeds[0]) in gain
    }


def closed_share(agent: np.ndarray, heuristic: np.ndarray, oracle: np.ndarray) -> Estimate:
    """Return which share of the gap from a heuristic to the oracle an agent closes, with its interval.

    The ratio of two means over the same people; its error is that of the residuals agent - heuristic - share x (oracle -
    heuristic), as for any ratio estimator.

    Args:
        agent: shape (people,), CNY.
        heuristic: shape (people,).
        oracle: shape (people,).

    Example:
        >>> closed_share(np.array([2.0, 4.0]), np.array([1.0, 1.0]), np.array([3.0, 7.0])).value
        0.5
    """
    up, gap = agent - heuristic, oracle - heuristic
    if agent.size < 2 or abs(gap.mean()) < 1e-9:
        return Estimate(float("nan"), float("nan"), float("nan"), agent.size, "no gap")
    share = float(up.mean() / gap.mean())
    left = up - share * gap
    error = float(left.std(ddof=1) / np.sqrt(left.size) / abs(gap.mean()))
    half = float(stats.t.ppf(0.975, left.size - 1)) * error
    return Estimate(share, share - half, share + half, agent.size)


#: Differences that have a name: who, less whom.
_NAMED: Final = {
    "looking a quarter ahead, over the next decision alone": (REFERENCE, "gamma_0"),
    "full state over observables": ("full_state", REFERENCE),
    "beliefs over observables": ("beliefs", REFERENCE),
    "observables over no history of contacts": (REFERENCE, "memoryless"),
    "paired over gross reward": (REFERENCE, "gross"),
    "paired over attributed reward": (REFERENCE, "attributed"),
}


def _differences(values: Mapping[str, np.ndarray]) -> dict[str, Estimate]:
    return {
        name: t_interval(values[more] - values[less])
        for name, (more, less) in _NAMED.items()
        if more in values and less in values
    }


def _limits(scenario: str) -> dict[str, float]:
    limits = load_scenario(scenario).limits
    found = {metric: getattr(limits, name) for name, metric in LIMITS.items()}
    return {metric: float(most) for metric, most in found.items() if most is not None}
