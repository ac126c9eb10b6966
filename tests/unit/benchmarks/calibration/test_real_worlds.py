"""The whole chain on small real worlds: parameters that made the targets are found again, and the record says how."""

import json

import pytest

from cardarena.benchmarks.calibration.fit import FitSettings
from cardarena.benchmarks.calibration.free import FreeParameter
from cardarena.benchmarks.calibration.moments import Settings, measure
from cardarena.benchmarks.calibration.objective import Weights
from cardarena.benchmarks.calibration.outcome import about_fit, world_document, write_record, write_world
from cardarena.benchmarks.calibration.run import Task, calibrate
from cardarena.benchmarks.calibration.targets import Band
from cardarena.simulator.parameter_sets import load_world

FREE = (
    FreeParameter("parameters.transactions_month", 20.0, 6.0, 45.0),
    FreeParameter("parameters.ticket_sigma", 1.05, 0.6, 1.5),
)
TRUTH = {"parameters": {"transactions_month": 12.0, "ticket_sigma": 0.85}, "channels": {}}
SIZE, SEEDS = 300, (8001,)


@pytest.fixture(scope="module")
def outcome():
    found = measure(Settings(("E3", "E4"), SIZE, SEEDS), TRUTH)
    bands = tuple(
        Band(target, component, 0.9 * value, value, 1.1 * value)
        for target, component in (("E3", "sd_log_ticket"), ("E4", ""))
        for value in [found[f"{target}.{component}".rstrip(".")][0]]
    )
    task = Task(FREE, bands, {}, SIZE, SEEDS, FitSettings(steps=5, refresh=5), Weights(ridge=0.02))
    return calibrate(task)


def test_the_parameters_that_made_the_targets_are_found_again(outcome):
    values = [p.value_of(u) for p, u in zip(FREE, outcome.fitted.u, strict=True)]
    assert values == pytest.approx([12.0, 0.85], rel=0.05)
    assert outcome.fitted.loss < 0.02 < outcome.fitted.start_loss
    by_name = {report.name: report for report in outcome.identification.parameters}
    assert by_name["parameters.transactions_month"].pinned_by[0][0] == "E4"
    assert by_name["parameters.ticket_sigma"].pinned_by[0][0] == "E3.sd_log_ticket"


def test_the_world_that_is_written_gives_the_fitted_moments(outcome, tmp_path):
    out = tmp_path / "found.yaml"
    write_world(out, world_document("found", "Found", "test", outcome.overrides, about_fit(outcome)))
    world = load_world(out)
    assert world.parameters == outcome.overrides["parameters"]
    assert world.provenance["held_after"] == "2 of 2"
    assert measure(Settings(("E3", "E4"), SIZE, SEEDS), {"world": str(out)}) == outcome.after


def test_the_record_holds_the_fit_and_what_pins_what(outcome, tmp_path):
    record, picture = write_record(outcome, tmp_path / "found.yaml")
    content = json.loads(record.read_text())
    assert [row["name"] for row in content["parameters"]] == [p.name for p in FREE]
    assert len(content["identification"]["slopes"]) == 2
    assert all(row["holds"] for row in content["fit"])
    assert "ticket_sigma" in picture.read_text()
