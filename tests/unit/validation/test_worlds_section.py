"""The section on worlds: what counts as a miss, as agreement, as a claim; and the section as a whole, small."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from cardarena.benchmarks.validation import worlds
from cardarena.benchmarks.validation.findings import Finding, Section
from cardarena.benchmarks.validation.hard import clearance, hard_rows, margin
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.worlds_page import pair_shares, rank_table, tightest
from cardarena.benchmarks.validation.worlds_runs import Plan, Standing, plans
from cardarena.simulator.parameter_sets import load_world, world_names

POLICIES = ("silent", "a", "b", "c")


def standing(
    name: str, values: tuple[float, ...], split: str = "test", hard: tuple[Finding, ...] = ()
) -> Standing:
    plan = Plan(name, split, {}, (1, 2), 10, 10, policies=POLICIES)
    return Standing(plan, {p: np.array([v, v]) for p, v in zip(POLICIES, values, strict=True)}, hard)


def hard(value: float, error: float = math.nan, low: float = 1.0, high: float = 3.0) -> Finding:
    return Finding("X", "x", value, error, low, high, hardness="hard")


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        (hard(2.0), 1.0),
        (hard(1.0), 0.0),
        (hard(0.0), -1.0),
        (hard(12.0, low=10.0, high=math.inf), 0.2),
        (hard(12.0, low=-math.inf, high=10.0), -0.2),
        (hard(0.0, low=0.0, high=0.0), 1.0),
        (hard(0.1, low=0.0, high=0.0), -1.0),
    ],
)
def test_margin_is_one_in_the_middle_and_nought_at_an_edge(finding, expected):
    assert margin(finding) == pytest.approx(expected)


def test_clearance_is_in_standard_errors_and_all_or_nothing_without_one():
    assert clearance(hard(1.5, 0.25)) == pytest.approx(2.0)
    assert clearance(hard(0.5, 0.25)) == pytest.approx(-2.0)
    assert clearance(hard(1.0)) == math.inf
    assert clearance(hard(0.99)) == clearance(hard(math.nan)) == -math.inf


def test_only_what_luck_cannot_explain_is_a_miss():
    sure, unsure, fine = hard(0.5, 0.1), hard(0.9, 0.1), hard(2.0, 0.1)
    assert worlds.missed(standing("w", (0, 1, 2, 3), hard=(sure, unsure, fine))) == (sure,)
    shipped = standing("shipped", (0, 1, 2, 3), "reference")
    good, bad = (standing(name, (0, 1, 2, 3), hard=(one,)) for name, one in (("g", fine), ("b", sure)))
    (count, *_) = worlds.judge((shipped, good))
    assert (count.value, count.verdict) == (0.0, "holds")
    (count, *_) = worlds.judge((shipped, good, bad))
    assert (count.value, count.verdict) == (1.0, "misses")
    assert "b: X" in count.note
    assert tightest(bad.hard) is sure


def test_agreement_is_one_for_the_same_order_and_minus_one_for_the_reverse():
    shipped = standing("shipped", (0, 1, 2, 3), "reference")
    for values, expected in (((0, 10, 20, 30), 1.0), ((3, 2, 1, 0), -1.0), ((0, 2, 1, 3), 4 / 6)):
        stability = worlds.judge((shipped, standing("w", values, hard=(hard(2.0),))))[1]
        assert stability.value == pytest.approx(expected)
        assert stability.verdict == ("holds" if expected >= worlds.LEAST_TAU else "misses")


def test_a_rank_is_claimed_only_where_all_test_worlds_agree():
    shipped = standing("shipped", (0, 1, 2, 3), "reference")
    same, other = standing("t1", (0, 1, 2, 3)), standing("t2", (0, 2, 1, 3))
    learned_in = standing("l", (3, 2, 1, 0), "train")
    claimed = worlds.judge((shipped, same, other, learned_in))[2]
    assert claimed.value == pytest.approx(100 * 5 / 6)
    assert claimed.note == "left open: a and b"
    assert {row[0]: row[3] for row in rank_table((shipped, same, other, learned_in)).rows} == {
        "c": "yes",
        "b": "no",
        "a": "no",
        "silent": "yes",
    }
    assert pair_shares((same, other))[1, 2] == 0.5


def test_without_a_test_world_nothing_is_claimed():
    findings = worlds.judge((standing("shipped", (0, 1, 2, 3), "reference"),))
    assert all(finding.verdict != "holds" for finding in findings)


def test_a_small_lab_leaves_the_worlds_to_learn_in_alone():
    small, whole = (plans(Lab(n_cardholders=n, seeds=(1, 2, 3))) for n in (2_048, 20_000))
    assert {plan.split for plan in small} <= {"reference", "test"}
    assert [plan.name for plan in small] == [plan.name for plan in whole][: len(small)]
    assert {plan.name for plan in whole} - {"shipped"} == {
        name for name in world_names() if load_world(name).split != "reference"
    }
    assert small[-1].name == "structural_variant"
    assert all(len(plan.seeds) == (1 if plan.split in ("train", "validation") else 2) for plan in whole)


def test_the_hard_targets_are_those_that_behaviour_moves():
    targets = {row.target for row in hard_rows()}
    assert {"C1", "C9", "D1", "D10", "E8", "F1"} <= targets
    assert not any(target.startswith("A") or target == "G1" for target in targets)


def test_the_section_is_whole_and_says_the_same_twice(monkeypatch):
    lab = Lab(n_cardholders=192, seeds=(9001,))
    few = [
        replace(plan, policies=("silent", "status_quo", "rfm"), stages=(("C1", "C9"),))
        for plan in plans(lab)
        if plan.name in ("shipped", "structural_variant")
    ]
    monkeypatch.setattr(worlds, "plans", lambda lab: few)
    section = worlds.run(lab, lambda text: None)
    assert [finding.id for finding in section.findings][:2] == [
        "worlds.hard_targets",
        "worlds.rank_stability",
    ]
    assert section.settings["worlds"] == ["shipped", "structural_variant"]
    assert all(finding.source or finding.hardness == "context" for finding in section.findings)
    assert section.pictures[0].svg.startswith("<svg") or "<svg" in section.pictures[0].svg
    text = json.dumps(section.to_json())
    assert json.dumps(Section.from_json(json.loads(text)).to_json()) == text
    assert json.dumps(worlds.run(lab, lambda text: None).to_json()) == text
