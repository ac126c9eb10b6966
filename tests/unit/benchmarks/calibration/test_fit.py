"""The fitting engine on models whose answer is known, resumption, and what it says about identification."""

import math

import numpy as np
import pytest

from cardarena.benchmarks.calibration.fit import METHODS, FitSettings, fit
from cardarena.benchmarks.calibration.free import FreeParameter
from cardarena.benchmarks.calibration.identify import collinear_groups, identify
from cardarena.benchmarks.calibration.moments import Laboratory, Settings
from cardarena.benchmarks.calibration.objective import Objective, Weights
from cardarena.benchmarks.calibration.run import Task, calibrate
from cardarena.benchmarks.calibration.targets import Band
from cardarena.simulator.errors import CardArenaError, UnknownNameError

NEED = FreeParameter("parameters.need_notice", 2.0, 0.3, 8.0)
BLIND = FreeParameter("parameters.blindness_gain", 0.012, 0.002, 0.08)
WEAR = FreeParameter("parameters.wear_exponent", 0.43, 0.15, 1.0)
TRUTH = {"parameters": {"need_notice": 3.5, "blindness_gain": 0.03, "wear_exponent": 0.6}}
SETTINGS = Settings(("X",), 10, (1,))


def closed_form(settings, overrides):
    """Moments that are curved in two parameters and do not know the third."""
    q = overrides["parameters"]
    need, blind = q["need_notice"], q["blindness_gain"]
    return {
        "X.a": (need / (1.0 + 10.0 * blind), 0.1),
        "X.b": (math.log(blind) + 0.1 * need, 0.1),
        "X.c": (100.0 * need * blind, 0.1),
    }


def bands_at(truth, evaluate=closed_form, share=0.1):
    found = evaluate(SETTINGS, truth)
    return tuple(
        Band("X", name[2:], value - share * abs(value), value, value + share * abs(value))
        for name, (value, _) in found.items()
    )


def task(**changes):
    settings = {
        "parameters": (NEED, BLIND),
        "bands": bands_at(TRUTH),
        "weights": Weights(ridge=0.01),
        "seeds": (1,),
        "cardholders": 10,
    }
    return Task(**{**settings, **changes})


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_parameters_that_made_the_targets(method):
    outcome = calibrate(task(fit=FitSettings(method, steps=80)), evaluate=closed_form)
    found = [p.value_of(u) for p, u in zip((NEED, BLIND), outcome.fitted.u, strict=True)]
    assert found == pytest.approx([3.5, 0.03], rel=0.02)
    assert outcome.fitted.loss < 0.01 < outcome.fitted.start_loss
    assert all(row["holds"] for row in outcome.fit_rows())


def test_following_slopes_costs_fewer_evaluations_than_doing_without():
    evaluations = {
        method: calibrate(
            task(fit=FitSettings(method, steps=80)), evaluate=closed_form, identifying=False
        ).evaluations
        for method in ("trf", "powell")
    }
    assert evaluations["trf"] < evaluations["powell"]


def test_parameters_stay_inside_their_bounds_and_the_bound_is_named():
    narrow = FreeParameter("parameters.need_notice", 2.0, 1.5, 2.5)
    outcome = calibrate(task(parameters=(narrow, BLIND), fit=FitSettings(steps=30)), evaluate=closed_form)
    assert outcome.identification
    report = outcome.identification.parameters[0]
    assert 1.5 <= report.value <= 2.5
    assert report.at_bound


def test_a_pull_keeps_what_nothing_identifies_at_its_prior():
    outcome = calibrate(task(parameters=(NEED, BLIND, WEAR)), evaluate=closed_form)
    assert outcome.fitted.u[2] == pytest.approx(0.0, abs=1e-9)
    assert outcome.identification
    assert "parameters.wear_exponent" in outcome.identification.weak
    assert "parameters.need_notice" not in outcome.identification.weak


def test_a_stronger_pull_moves_less():
    moved = [
        np.abs(calibrate(task(weights=Weights(ridge=ridge)), evaluate=closed_form).fitted.u).sum()
        for ridge in (0.01, 20.0)
    ]
    assert moved[1] < 0.5 * moved[0]


def test_a_hard_target_wins_over_a_soft_one_that_contradicts_it():
    def one(settings, overrides):
        value = overrides["parameters"]["need_notice"]
        return {"X.soft": (value, 0.0), "X.hard": (value, 0.0)}

    bands = (Band("X", "soft", 1.0, 1.2, 1.4), Band("X", "hard", 3.8, 4.0, 4.2, hardness="hard"))
    outcome = calibrate(task(parameters=(NEED,), bands=bands, weights=Weights(hard=10.0)), evaluate=one)
    assert abs(NEED.value_of(outcome.fitted.u[0]) - 4.0) < abs(NEED.value_of(outcome.fitted.u[0]) - 1.2)


def test_what_is_mostly_luck_counts_less_and_is_named():
    def noisy(settings, overrides):
        return closed_form(settings, overrides) | {"X.c": (closed_form(settings, overrides)["X.c"][0], 1e3)}

    told = []
    outcome = calibrate(task(), evaluate=noisy, tell=told.append)
    assert any("mostly luck" in line and "X.c" in line for line in told)
    assert outcome.identification
    pinned = {
        name
        for report in outcome.identification.parameters
        for name, share in report.pinned_by
        if share > 0.01
    }
    assert pinned == {"X.a", "X.b"}
    with Laboratory(SETTINGS, evaluate=noisy) as laboratory:
        factors = Objective(laboratory, (NEED, BLIND), bands_at(TRUTH)).factors
    assert factors[2] < 0.01 < factors[0]


class Interrupt:
    """Evaluates, and is interrupted at the given call."""

    def __init__(self, at):
        self.calls, self.at = 0, at

    def __call__(self, settings, overrides):
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return closed_form(settings, overrides)


def test_an_interrupted_calibration_goes_on_as_if_nothing_had_happened(tmp_path):
    whole = calibrate(task(), evaluate=closed_form)
    with pytest.raises(KeyboardInterrupt):
        calibrate(task(), tmp_path / "kept", evaluate=Interrupt(at=4))
    second = Interrupt(at=10**6)
    resumed = calibrate(task(), tmp_path / "kept", evaluate=second)
    assert np.array_equal(whole.fitted.u, resumed.fitted.u)
    assert whole.after == resumed.after
    assert second.calls == whole.evaluations - 3


def test_a_damaged_evaluation_is_made_again(tmp_path):
    with Laboratory(SETTINGS, tmp_path, evaluate=closed_form) as laboratory:
        first = laboratory.moments([TRUTH])
    next(tmp_path.glob("*.json")).write_text("{}")
    with Laboratory(SETTINGS, tmp_path, evaluate=closed_form) as laboratory:
        assert laboratory.moments([TRUTH]) == first
        assert laboratory.n_made == 1


def test_other_settings_share_no_evaluation(tmp_path):
    for seeds in ((1,), (2,)):
        with Laboratory(Settings(("X",), 10, seeds), tmp_path, evaluate=closed_form) as laboratory:
            laboratory.moments([TRUTH])
            assert laboratory.n_made == 1


def test_what_cannot_be_measured_is_no_slope_and_no_crash():
    def broken(settings, overrides):
        return closed_form(settings, overrides) | {"X.c": (math.nan, math.nan)}

    outcome = calibrate(task(), evaluate=broken)
    row = next(row for row in outcome.fit_rows() if row["target"] == "X.c")
    assert not row["holds"]
    assert np.isfinite(outcome.fitted.loss)


def test_slopes_step_down_where_up_leads_out():
    with Laboratory(SETTINGS, evaluate=closed_form) as laboratory:
        objective = Objective(laboratory, (NEED, BLIND), bands_at(TRUTH))
        points, steps = objective.stencil(objective.upper)
    assert (steps < 0).all()
    assert (points <= objective.upper + 1e-12).all()


def test_the_identification_names_what_moves_the_targets_alike():
    def product(settings, overrides):
        q = overrides["parameters"]
        return {
            "X.a": (math.log(q["need_notice"]) + math.log(q["blindness_gain"]), 0.0),
            "X.b": (q["wear_exponent"], 0.0),
        }

    bands = (Band("X", "a", -4.0, -3.5, -3.0), Band("X", "b", 0.4, 0.5, 0.6))
    with Laboratory(SETTINGS, evaluate=product) as laboratory:
        objective = Objective(laboratory, (NEED, BLIND, WEAR), bands)
        found = identify(objective.sensitivities(np.zeros(3)), (NEED, BLIND, WEAR), bands, np.zeros(3))
    assert found.collinear == (("parameters.need_notice", "parameters.blindness_gain"),)
    assert found.condition == math.inf
    assert {name for name, _ in found.weak_directions[0]} == {NEED.name, BLIND.name}
    assert found.parameters[2].pinned_by == (("X.b", 1.0),)


def test_an_open_band_pins_only_near_its_edge():
    def alone(settings, overrides):
        return {"X.a": (overrides["parameters"]["need_notice"], 0.0)}

    def slope(low):
        with Laboratory(SETTINGS, evaluate=alone) as laboratory:
            objective = Objective(laboratory, (NEED,), (Band("X", "a", low, math.nan, math.inf),))
            return float(objective.sensitivities(np.zeros(1))[0, 0])

    assert slope(1.99) > 0.0
    assert slope(0.5) == 0.0


def test_standard_errors_follow_the_information():
    # One target, slope s half-widths per prior sd: the variance left is 1 / (1 + s^2).
    slopes = np.array([[2.0, 0.0]])
    found = identify(slopes, (NEED, BLIND), (Band("X", "a", 0.0, 0.5, 1.0),), np.zeros(2))
    assert found.parameters[0].cut == pytest.approx(1.0 - 1.0 / math.sqrt(5.0))
    assert found.parameters[1].cut == pytest.approx(0.0)
    assert NEED.to_u(found.parameters[0].high) == pytest.approx(1.0 / math.sqrt(5.0))


def test_opposite_slopes_are_collinear_too_and_a_dead_column_is_not():
    slopes = np.array([[1.0, -2.0, 0.0, 0.0], [2.0, -4.0, 1.0, 0.0]])
    assert collinear_groups(slopes, ["a", "b", "c", "d"]) == (("a", "b"),)


def test_nothing_to_move_or_to_aim_at_is_refused():
    for changes in ({"parameters": ()}, {"bands": ()}):
        with pytest.raises(CardArenaError, match="at least one"):
            calibrate(task(**changes), evaluate=closed_form)
    with (
        Laboratory(SETTINGS, evaluate=closed_form) as laboratory,
        pytest.raises(UnknownNameError, match="trf"),
    ):
        fit(Objective(laboratory, (NEED,), bands_at(TRUTH)), FitSettings("trg"))
