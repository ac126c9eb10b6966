"""The shipped worlds: how they are drawn, mended and rejected, and that those in the folder still hold."""

import math

import numpy as np
import pytest

from cardarena.benchmarks.calibration import make_worlds
from cardarena.benchmarks.calibration.drawn import (
    N_WORLDS,
    SPLITS,
    VARIANT,
    Candidate,
    drawn,
    factors,
    mend,
    missed,
    read_design,
    split_of,
)
from cardarena.benchmarks.calibration.free import value_in_force
from cardarena.benchmarks.calibration.moments import Laboratory, Moments, Settings
from cardarena.benchmarks.validation.hard import clearance, hard_rows, measure_hard
from cardarena.benchmarks.validation.lab import Lab
from cardarena.simulator.behaviour.parameters import parameter_names
from cardarena.simulator.parameter_sets import load_world, world_names
from cardarena.simulator.scenario import load_scenario

DESIGN = read_design()
DRAWN = [name for name in world_names() if name[-2:].isdigit()]


def inside() -> Moments:
    """Return moments in the middle of every hard band."""
    found = {}
    for row in hard_rows():
        low = row.low if math.isfinite(row.low) else 0.5 * row.high
        high = row.high if math.isfinite(row.high) else 2.0 * row.low
        found[row.id] = (0.5 * (low + high), math.nan)
    return found


def test_the_design_stays_within_its_factors_and_does_not_hang_on_how_many_are_drawn():
    many = drawn(DESIGN, 32)
    assert drawn(DESIGN, 5) == many[:5]
    assert drawn(DESIGN, 5, key=1) != many[:5]
    for parameter in DESIGN:
        values = [value_in_force(parameter.name, one.overrides) for one in many]
        if not parameter.name.endswith(".scale"):
            assert (
                parameter.lower * 0.999
                <= min(values)
                < parameter.prior
                < max(values)
                <= parameter.upper * 1.001
            )
    spread = np.log([list(factors(DESIGN, one).values()) for one in many])
    assert abs(np.corrcoef(spread.T) - np.eye(len(DESIGN))).mean() < 0.25


def test_a_miss_that_one_number_sets_is_corrected_once_then_drawn_back_once_then_rejected():
    candidate = drawn(DESIGN, 2)[1]
    assert missed(inside()) == ()
    low = inside() | {"C9.unsubscribe": (0.08, math.nan)}
    second = mend(DESIGN, candidate, low)
    assert second is not None
    now = value_in_force("channels.email.p_opt_out", candidate.overrides)
    assert second.mended == {"channels.email.p_opt_out": pytest.approx(now * 0.15 / 0.08, rel=1e-3)}
    assert (
        value_in_force("channels.email.p_opt_out", second.overrides)
        == second.mended["channels.email.p_opt_out"]
    )
    assert second.overrides["parameters"] == candidate.overrides["parameters"]
    third = mend(DESIGN, second, low)
    assert third is not None
    assert (third.reach, third.mended) == (0.5, {})
    steep = inside() | {"D1": (0.1, 0.01)}
    assert mend(DESIGN, third, steep) is None
    assert mend(DESIGN, Candidate(-1, VARIANT), steep) is None


def test_halfway_is_halfway():
    whole, half = drawn(DESIGN, 1)[0], mend(DESIGN, drawn(DESIGN, 1)[0], {"D1": (0.1, 0.01)})
    assert half is not None
    assert all(
        factors(DESIGN, half)[name] == pytest.approx(math.sqrt(factor), rel=1e-3)
        for name, factor in factors(DESIGN, whole).items()
    )


def test_a_narrow_pass_is_none():
    narrow = {"D1": (0.31, 0.04)}
    assert [one.id for one in missed(narrow)] == ["D1"]
    assert missed({"D1": (0.35, 0.04)}) == ()


def test_of_twenty_worlds_twelve_are_to_learn_in():
    splits = [split_of(place)[1] for place in range(N_WORLDS)]
    assert [splits.count(split) for split in dict.fromkeys(SPLITS)] == [12, 4, 4]
    assert len({split_of(place)[0] for place in range(N_WORLDS)}) == N_WORLDS


def test_the_maker_writes_worlds_and_goes_on_from_what_is_kept(tmp_path):
    asked = []

    def evaluate(settings: Settings, overrides) -> Moments:
        asked.append(overrides)
        # Every other candidate cannot be mended.
        return inside() | ({"D1": (0.1, 0.01)} if len(asked) % 4 in (2, 3) else {})

    settings = Settings(("C1",), 10, (1,))
    for attempt in range(2):
        laboratory = Laboratory(settings, tmp_path / "kept", evaluate=evaluate)
        assert make_worlds.make(laboratory, tmp_path, 3, lambda text: None) == 3
        assert (laboratory.n_made == 0) == (attempt == 1)
    names = sorted(path.stem for path in tmp_path.glob("*.yaml"))
    assert names == ["structural_variant", "train_01", "train_02", "train_03"]
    for name in names:
        path = tmp_path / f"{name}.yaml"
        world = load_world(path)
        load_scenario("baseline", {"world": path}, known_parameters=parameter_names())
        assert world.provenance["checked"].keys() == inside().keys()


def test_the_shipped_worlds_are_told_apart_and_each_says_how_it_was_made():
    assert "structural_variant" in world_names()
    splits = [load_world(name).split for name in DRAWN]
    assert {"train", "validation", "test"} <= set(splits)
    assert len({str(load_world(name).parameters) for name in DRAWN}) == len(DRAWN)
    for name in (*DRAWN, "structural_variant"):
        world = load_world(name)
        assert name.startswith(world.split) or name == "structural_variant"
        checked = world.provenance["checked"]
        assert all(clearance(row.finding(checked[row.id])) > 0 for row in hard_rows()), name
        assert world.provenance["model_fingerprint"]


@pytest.mark.statistical
def test_a_shipped_world_still_gives_what_its_file_says():
    world = load_world("test_01")
    lab = Lab(
        n_cardholders=1_024,
        seeds=(7001,),
        overrides={"world": "test_01", **world.model_dump(mode="json", include={"parameters", "channels"})},
    )
    found = measure_hard(lab, lambda text: None, [("C1", "C9", "B1", "B2")])
    assert len(found) == 10
    for one in found:
        assert clearance(one) > -2.0, f"{one.id}: make the worlds anew, {make_worlds.COMMAND}"
        said = world.provenance["checked"][one.id]
        assert abs(one.value - said) < 4.0 * one.standard_error, f"{one.id}: make the worlds anew"
