"""Shapes of single contacts: they emerge, and each is lost with the mechanism that makes it."""

from typing import Any

import pytest
from tests.fakes.shape_lab import missed


@pytest.mark.parametrize("experiment", ["attention", "wear", "moment"])
def test_emerges(experiment: str) -> None:
    assert missed(experiment) == set()


@pytest.mark.parametrize(
    ("experiment", "parameters", "lost"),
    [
        ("attention", {"load_keep": 0.0, "load_spill": 0.0, "blindness_gain": 0.0}, "attention_falls"),
        ("attention", {"load_keep": 0.999, "blindness_keep": 1.0}, "attention_recovers"),
        ("wear", {"awareness_gain": 0.0}, "wear_in"),
        ("wear", {"annoyance_irrelevance": 0.0, "annoyance_overload": 0.0}, "wear_out"),
        ("wear", {"wear_exponent": 0.0, "click_annoyance": 0.0}, "wear_clicks"),
        ("moment", {"moment_notice": 0.0}, "trigger_edge"),
    ],
)
def test_is_lost_without_its_mechanism(experiment: str, parameters: dict[str, Any], lost: str) -> None:
    assert lost in missed(experiment, parameters)
