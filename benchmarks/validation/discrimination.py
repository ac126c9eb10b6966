"""Can the arena tell policies apart: how small a difference it detects, and what it owes to playing them on the same seeds."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardarena.benchmarks.validation.detection import (
    bootstrap_ratio,
    detectable,
    false_alarms,
    paired_variance,
    unpaired_variance,
)
from cardarena.benchmarks.validation.discrimination_page import (
    KEY,
    components_table,
    detectable_picture,
    detectable_table,
    pairing_table,
)
from cardarena.benchmarks.validation.discrimination_runs import (
    COMPLAINTS,
    NULL,
    REFERENCE,
    Design,
    Scores,
    play,
)
from cardarena.benchmarks.validation.findings import Finding, Hardness, Section, Tell
from cardarena.benchmarks.validation.lab import Lab

Floats = NDArray[np.float64]

#: Pairing is to cut the needed runs at least so many times.
LEAST_RATIO: Final = 4.0
#: Sizes of the published arena, for which a difference is stated.
_ARENA: Final = (8, 5_000)
_TEST_SEEDS: Final = 8
_PROMISE: Final = (
    "design: policies meet the same people with the same luck; pairing cuts the needed runs at least fourfold"
)


def run(lab: Lab, tell: Tell) -> Section:
    """Play the pairs over many seeds, and state what can be told apart.

    Args:
        lab: its overrides and seeds; worlds are smaller than the lab's, and there are more of them.
        tell: takes lines of progress.
    """
    many = min(2_048, max(128, lab.n_cardholders))
    design = Design(
        n_seeds=5 * len(lab.seeds), sizes=(max(64, many // 4), many), first_seed=lab.seeds[0] + 1_000
    )
    scores = play(lab, design, tell)
    findings = judge(scores)
    return Section(
        name="discrimination",
        title="Telling policies apart",
        summary=_summary(scores, findings),
        findings=findings,
        pictures=(detectable_picture(scores),),
        tables=(pairing_table(scores), components_table(scores), detectable_table(scores)),
        settings={
            **lab.settings,
            "cardholders": list(design.sizes),
            "seeds": {str(size): list(design.seeds(size)) for size in design.sizes},
            "policies": list(design.policies),
        },
    )


def ratio(a: Floats, b: Floats) -> float:
    """Return how many times the runs an unpaired comparison needs: var a + var b over var (a - b); NaN without spread."""
    paired = paired_variance(a, b)
    return unpaired_variance(a, b) / paired if paired > 0.0 else float("nan")


def judge(scores: Scores) -> tuple[Finding, ...]:
    """Return the findings."""
    return (
        _pairing(scores, "margin", "discrimination.pairing", "hard"),
        _pairing(scores, "expected margin", "discrimination.pairing_expected", "soft"),
        _inv_pairing(scores),
        _expectation_of_value(scores),
        _expectation_of_complaints(scores),
        _false_alarms(scores),
        _smallest(scores),
    )


def _weakest(scores: Scores, measure: str) -> tuple[tuple[str, str], float, tuple[float, float]]:
    """Return the pair whose runs gain least by pairing, its ratio, and the ratio's interval."""
    ratios = {pair: ratio(*scores.pair(pair, measure)) for pair in scores.design.pairs}
    pair = min(ratios, key=lambda name: ratios[name])
    return pair, ratios[pair], bootstrap_ratio(*scores.pair(pair, measure), key=KEY)


def _pairing(scores: Scores, measure: str, name: str, hardness: Hardness) -> Finding:
    pair, value, (low, high) = _weakest(scores, measure)
    return Finding(
        name,
        f"unpaired over paired variance of a difference in {measure} a head, least of {len(scores.design.pairs)} pairs",
        value,
        # The interval is skew, and only its lower side lies toward the band's edge.
        (value - low) / 1.96,
        LEAST_RATIO,
        unit="ratio",
        hardness=hardness,
        source=_PROMISE,
        note=f"{pair[0]} and {pair[1]}: 95 % bootstrap interval over seeds {low:.1f} to {high:.1f}; "
        f"{scores.design.sizes[1]:,} cardholders, {scores.design.n_seeds} seeds",
    )


def _inv_pairing(scores: Scores) -> Finding:
    pair, value, (low, high) = _weakest(scores, "expected INV")
    return Finding(
        "discrimination.pairing_of_inv",
        "the same for expected INV, which the silent arm has paired already",
        value,
        (high - low) / 3.92,
        unit="ratio",
        hardness="context",
        note=f"{pair[0]} and {pair[1]}: {low:.1f} to {high:.1f}. Most of what seeds share went with the silent arm",
    )


def _expectation_of_value(scores: Scores) -> Finding:
    gains = np.array(
        [
            paired_variance(*scores.pair(pair, "INV", size))
            / max(paired_variance(*scores.pair(pair, "expected INV", size)), 1e-12)
            for pair in scores.design.pairs
            for size in scores.design.sizes
        ]
    )
    logs = np.log(np.maximum(gains, 1e-12))
    value = float(np.exp(logs.mean()))
    return Finding(
        "discrimination.expectation_of_value",
        "variance of a paired difference of realised INV over that of expected INV, geometric mean of pairs and sizes",
        value,
        value * float(logs.std(ddof=1)) / np.sqrt(logs.size) if logs.size > 1 else float("nan"),
        1.0,
        unit="ratio",
        source="model: rankings use logged expectations, since what came holds luck beside",
        note="by pair, at either size: " + ", ".join(f"{gain:.1f}" for gain in gains),
    )


def _expectation_of_complaints(scores: Scores) -> Finding:
    """Judge by what counts must scatter: a count of rare events is Poisson about its expectation."""
    size = scores.design.sizes[1]
    gains = {}
    for policy in dict.fromkeys(name for pair in scores.design.pairs for name in pair):
        expected = scores.of(size, COMPLAINTS[1], policy)
        if expected.mean() > 0.0:
            chance = float(expected.mean()) * 1_000.0 / size
            gains[policy] = 1.0 + chance / max(float(expected.var(ddof=1)), 1e-12)
    return Finding(
        "discrimination.expectation_of_complaints",
        "variance of the number of complaints about marketing over that of its logged expectation, least of the policies",
        min(gains.values(), default=float("nan")),
        low=4.0,
        unit="ratio",
        source="model: rare events are ranked and limited by logged expectations, since counts have no power",
        note=", ".join(f"{policy} {gain:.0f}" for policy, gain in gains.items())
        + "; counts are taken as Poisson about their expectation",
    )


def _false_alarms(scores: Scores) -> Finding:
    null = np.subtract(*scores.pair((REFERENCE, NULL), "expected INV"))
    n = min(_TEST_SEEDS, null.size)
    return Finding(
        "discrimination.false_alarms",
        "paired tests at the 5 % level that find a difference between a policy and itself with other draws",
        false_alarms(null, n, key=KEY),
        low=0.02,
        high=0.08,
        point=0.05,
        unit="share",
        source="level of the test",
        note=f"{n} of {null.size} seeds, drawn again and again, the arms in either order; mean difference "
        f"{null.mean():+.3f} CNY with a standard error of {null.std(ddof=1) / np.sqrt(null.size):.3f}",
    )


def _smallest(scores: Scores) -> Finding:
    seeds, size = _ARENA
    sizes = {
        pair: float(
            detectable(scores.components(pair, "expected INV", paired=True).at(size), seeds, paired=True)
        )
        for pair in scores.design.pairs
    }
    return Finding(
        "discrimination.detectable",
        f"smallest difference in expected INV that {seeds} seeds of {size:,} cardholders detect, median of the pairs",
        float(np.median(list(sizes.values()))),
        low=0.0,
        high=2.0,
        unit="CNY a head",
        source="published arena: its best policy is worth about 12 CNY a head more than the status quo; a sixth of that",
        note="by pair "
        + ", ".join(f"{one} and {other} {sizes[one, other]:.2f}" for one, other in sizes)
        + "; from runs of "
        + " and ".join(f"{played:,}" for played in scores.design.sizes)
        + " cardholders. A policy that learns badly on some seeds adds that to all its differences, and more people do not help",
    )


def _summary(scores: Scores, findings: tuple[Finding, ...]) -> str:
    value = {finding.id: finding.value for finding in findings}
    seeds, size = _ARENA
    return (
        f"Playing both policies on the same seeds cuts the runs needed to tell their margins apart at least "
        f"{value['discrimination.pairing']:.1f} times ({value['discrimination.pairing_expected']:.1f} times for logged "
        f"expectations). INV subtracts the silent arm of the same seed, which is a pairing already; pairing once more changes "
        f"its needs by a factor of {value['discrimination.pairing_of_inv']:.1f}. {seeds} seeds of {size:,} cardholders detect "
        f"{value['discrimination.detectable']:.2f} CNY a head. A policy against itself gives a false alarm in "
        f"{100 * value['discrimination.false_alarms']:.1f} % of tests."
    )
