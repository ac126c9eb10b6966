"""Shapes of people and their ties: they emerge, and each is lost with the mechanism that makes it."""

from typing import Any

import numpy as np
import pytest
from tests.fakes.shape_lab import missed

from cardarena.benchmarks.validation.shapes.loyalty import by_quarter


@pytest.mark.parametrize(
    "experiment", ["personalisation", "four types", "satisfaction", "word of mouth", "inactivity"]
)
def test_emerges(experiment: str) -> None:
    assert missed(experiment) == set()


@pytest.mark.parametrize(
    ("experiment", "parameters", "lost"),
    [
        ("personalisation", {"click_personal_gain": 0.0}, "personalisation_helps"),
        ("personalisation", {"click_personal_loss": 0.0}, "personalisation_backfires"),
        ("personalisation", {"trust_overpersonal": 0.0}, "personalisation_costs_trust"),
        ("four types", {"purchase_rate": 0.0}, "sure_things"),
        ("four types", {"contact_rate": 0.0}, "persuadables"),
        ("four types", {"contact_rate": 3.0, "need_rate": 0.3}, "lost_causes"),
        (
            "four types",
            {
                "annoyance_irrelevance": 0.0,
                "annoyance_overload": 0.0,
                "complaint_power": 0.0,
                "opt_out_irrelevance": -8.0,
                "gratitude": 0.0,
            },
            "sleeping_dogs",
        ),
        ("satisfaction", {"closure_satisfaction": 0.0, "closure_annoyance": 0.0}, "satisfied_stay"),
        ("word of mouth", {"word_of_mouth": 0.0}, "word_of_mouth"),
        ("inactivity", {"closure_idle": 0.0}, "inactive_close"),
    ],
)
def test_is_lost_without_its_mechanism(experiment: str, parameters: dict[str, Any], lost: str) -> None:
    assert lost in missed(experiment, parameters)


def test_quarters_divide_sums_by_sums() -> None:
    mood = np.arange(8.0)
    assert by_quarter(mood, 3.0 * mood, mood + 1e-12) == pytest.approx([3.0] * 4)
    complaints = np.array([4.0, 4.0, 3.0, 3.0, 2.0, 2.0, 1.0, 1.0])
    assert by_quarter(mood, complaints, np.full(8, 2.0)) == pytest.approx([2.0, 1.5, 1.0, 0.5])
