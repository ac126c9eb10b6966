"""The fingerprint of the model: the same for the same behaviour, another for any other."""

import pytest

from cardarena.benchmarks.model_fingerprint import fingerprint_of, model_fingerprint


def test_the_fingerprint_is_that_of_the_shipped_model_every_time() -> None:
    assert model_fingerprint() == fingerprint_of({}) == fingerprint_of({})
    assert len(model_fingerprint()) == 16


@pytest.mark.parametrize(
    "overrides",
    [
        {"parameters.load_keep": 0.851},
        {"parameters.wear_exponent": 0.44},
        {"parameters.wallet_annoyance": 0.09},
        {"parameters.click_awareness": 0.55},
        {"channels.sms.p_click": 0.09},
        {"horizon.burn_in_policy": "caretaker"},
    ],
)
def test_another_behaviour_has_another_fingerprint(overrides: dict[str, float | str]) -> None:
    assert fingerprint_of(overrides) != model_fingerprint()


def test_what_nobody_lives_by_leaves_it_alone() -> None:
    assert fingerprint_of({"title": "Another title", "limits.max_breaches": 3}) == model_fingerprint()
