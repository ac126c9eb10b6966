"""Shapes of contact volume: they emerge, and each is lost with the mechanism that makes it."""

from typing import Any

import numpy as np
import pytest
from tests.fakes.shape_lab import found, missed

from cardarena.benchmarks.validation.shapes import change, planning, volume

CALM = {
    "annoyance_irrelevance": 0.0,
    "annoyance_overload": 0.0,
    "blindness_gain": 0.0,
    "load_keep": 0.0,
    "gratitude": 0.0,
}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume, "PEOPLE", 1000)
    monkeypatch.setattr(volume, "CONTACT_DAYS", 112)
    monkeypatch.setattr(volume, "RUN_OUT_DAYS", 56)
    monkeypatch.setattr(volume, "TEXT_DAYS", 84)
    monkeypatch.setattr(change, "PEOPLE", 1500)


@pytest.mark.parametrize("experiment", ["complaints", "cut", "growth"])
def test_emerges(experiment: str) -> None:
    assert missed(experiment) == set()


def test_the_best_rate_is_inside_the_range() -> None:
    assert "best_rate_inside" not in missed("best rate")


@pytest.mark.parametrize(
    ("experiment", "parameters", "lost"),
    [
        (
            "complaints",
            {
                "complaint_power": 0.0,
                "complaint_refused": 1.0,
                "satisfaction_annoyed": 0.0,
                "gratitude": 0.0,
            },
            "complaint_elasticity",
        ),
        ("best rate", {"complaint_power": 0.0, **CALM}, "best_rate_inside"),
        ("cut", {"click_shift": -20.0}, "cut_costs_first"),
        (
            "cut",
            {"satisfaction_annoyed": 0.0, "gratitude": 0.0, "closure_annoyance": 0.0, "closure_wake": 0.0},
            "cut_pays_later",
        ),
        ("growth", {"blindness_gain": 0.0}, "effects_grow"),
    ],
)
def test_is_lost_without_its_mechanism(experiment: str, parameters: dict[str, Any], lost: str) -> None:
    assert lost in missed(experiment, parameters)


def test_the_top_of_a_parabola_is_found_and_stays_in_the_range() -> None:
    x = np.log2(volume.RATES[1:])
    margins = np.concatenate([[0.0], 5.0 - (x - 2.5) ** 2])
    assert volume.top_rate(margins) == pytest.approx(2.5)
    rising = np.concatenate([[0.0], x])
    assert volume.top_rate(rising + np.concatenate([[0.0], 0.01 * x**2])) == pytest.approx(x[-1])


def test_the_greedy_lose_and_the_patient_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("foresight", people=2000)["greedy_loses"].verdict == "holds"
    monkeypatch.setattr(planning, "POLICIES", ("capped_propensity", "propensity", "propensity"))
    assert missed("foresight", people=1999) == {"greedy_loses"}
