"""What a user writes for a calibration: free parameters, bands, and what is said about mistakes."""

import math

import pytest

from cardarena.benchmarks.calibration.fit import FitSettings
from cardarena.benchmarks.calibration.free import FreeParameter, overrides_of, read_free, value_in_force
from cardarena.benchmarks.calibration.objective import Weights
from cardarena.benchmarks.calibration.request import make_task, world_name
from cardarena.benchmarks.calibration.targets import Band, chosen_bands, read_bands
from cardarena.simulator.behaviour.parameters import parameter_names, parameter_record
from cardarena.simulator.errors import CardArenaError, UnknownNameError
from cardarena.simulator.names import CATEGORIES, CHANNELS
from cardarena.simulator.scenario import load_scenario

HEAD = "target,component,low,point,high\n"


def written(tmp_path, text, name="mine.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("transform", ["log", "logit", "linear"])
def test_u_and_value_are_inverses_and_the_bounds_four_sds_apart(transform):
    p = FreeParameter("parameters.x", 0.2, 0.05, 0.6, transform)
    low, high = p.bounds
    assert p.to_u(p.prior) == 0.0
    assert high - low == pytest.approx(4.0)
    assert (p.value_of(low), p.value_of(high)) == pytest.approx((0.05, 0.6))
    assert p.value_of(p.to_u(0.31)) == pytest.approx(0.31)


def test_every_shipped_parameter_is_known_and_aims_at_a_usable_target():
    bands = read_bands()
    for p in read_free():
        assert p.targets, p.name
        assert chosen_bands(bands, p.targets), p.name
        assert p.meaning


def test_overrides_make_a_scenario_with_these_very_values():
    names = ("parameters.need_notice", "parameters.contact_rate.scale", "parameters.contact_rate.instalment",
             "channels.human_call.interest")  # fmt: skip
    free = [FreeParameter(name, value_in_force(name, {}), 1e-3, 20.0) for name in names]
    u = [0.3, 0.2, 0.4, -0.1]
    overrides = overrides_of(free, u)
    scenario = load_scenario("baseline", overrides, known_parameters=parameter_names())
    record, shipped = parameter_record(scenario.parameters)[0], parameter_record()[0]
    instalment = CATEGORIES.index("instalment")
    expected = shipped["contact_rate"] * free[1].value_of(0.2)
    expected[instalment] = free[2].value_of(0.4)
    assert record["need_notice"] == pytest.approx(free[0].value_of(0.3), rel=1e-7)
    assert record["contact_rate"] == pytest.approx(expected, rel=1e-7)
    found = scenario.channel_records()[CHANNELS.index("human_call")]["interest"]
    assert found == pytest.approx(free[3].value_of(-0.1), rel=1e-7)


def test_overrides_lie_over_the_base_and_leave_it_alone():
    base = {"parameters": {"need_notice": 3.0, "load_keep": 0.8}, "channels": {"sms": {"enabled": False}}}
    free = [FreeParameter("channels.sms.p_click", 0.1, 0.01, 0.5)]
    assert overrides_of(free, [0.0], base) == {
        "parameters": {"need_notice": 3.0, "load_keep": 0.8},
        "channels": {"sms": {"enabled": False, "p_click": 0.1}},
    }
    assert "p_click" not in base["channels"]["sms"]
    assert value_in_force("parameters.need_notice", base) == 3.0


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("parameters.need_notize", "need_notice"),
        ("parameters.contact_rate.instalmint", "instalment"),
        ("parameters.need_notice.scale", "parameters.need_notice"),
        ("channels.smss.p_click", "sms"),
        ("channels.sms.p_clik", "p_click"),
        ("parameter.need_notice", "parameters"),
    ],
)
def test_an_unknown_free_parameter_is_answered_with_the_nearest(tmp_path, name, hint):
    path = written(tmp_path, f"name,lower,upper,transform\n{name},0.1,9,log\n")
    with pytest.raises(CardArenaError, match=rf"mine\.csv:2: column 'name': .*{hint}"):
        read_free(path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("parameters.need_notice,5,9,log,2", "lower < prior < upper"),
        ("parameters.need_notice,9,5,log", "lower < prior < upper"),
        ("parameters.need_notice,-1,9,log", "0 < lower"),
        ("parameters.need_notice,x,9,log", "column 'lower': expected a number, found 'x'"),
        ("parameters.need_notice,,9,log", "column 'lower': expected a number, found nothing"),
        ("parameters.need_notice,1,9,square", "expected one of log, logit, linear"),
    ],
)
def test_a_bad_free_parameter_is_named_by_file_and_line(tmp_path, row, message):
    with pytest.raises(CardArenaError, match=f"mine.csv:2: .*{message}"):
        read_free(written(tmp_path, f"name,lower,upper,transform,prior\n{row}\n"))


@pytest.mark.parametrize("in_force", [0.5, 2.0, 3.0, 4.9, 5.0, 40.0])
def test_bounds_widen_around_a_value_in_force_that_a_refit_moved(tmp_path, in_force):
    path = written(tmp_path, "name,lower,upper,transform\nparameters.need_notice,1,5,log\n")
    (found,) = read_free(path, {"parameters": {"need_notice": in_force}})
    low, high = found.bounds
    assert found.prior == in_force
    assert found.lower <= 1.0
    assert found.upper >= 5.0
    assert min(-low, high) > 0.2
    if in_force in (2.0, 3.0):
        assert (found.lower, found.upper) == (1.0, 5.0)


def test_a_users_figures_replace_the_numbers_and_inherit_the_words(tmp_path):
    shipped = {band.id: band for band in read_bands()}
    mine = {
        band.id: band for band in read_bands(written(tmp_path, HEAD + "C4,generic,3,6,8\nD10,1_a_week,,,7\n"))
    }
    assert (mine["C4.generic"].low, mine["C4.generic"].point, mine["C4.generic"].high) == (3.0, 6.0, 8.0)
    assert mine["C4.generic"].quantity == shipped["C4.generic"].quantity
    assert mine["D10.1_a_week"].low == -math.inf
    assert mine["C1"] == shipped["C1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("C44,generic,1,2,3", "mine.csv:2: expected a target, found 'C44'; did you mean"),
        (
            "C4,generik,1,2,3",
            "mine.csv:2: target 'C4': expected one of the components 'generic', 'triggered'",
        ),
        ("C1,all,1,2,3", "mine.csv:2: target 'C1': expected no component"),
        ("C1,,4,2,3", "mine.csv:2: expected low <= high, found low 4, high 3"),
        ("C1,,1,7,3", "mine.csv:2: expected a point from low 1 to high 3, found 7"),
        ("C1,,1,two,3", "mine.csv:2: column 'point': expected a number, found 'two'"),
        ("C1,,1,nan,3", "mine.csv:2: column 'point': expected a number, found 'nan'"),
        ("C1,,,2,", "mine.csv:2: expected low, high or both, found neither"),
        ("C1,,1,2,3\nC1,,1,2,3", "mine.csv:3: expected target 'C1' once, found it again"),
        ("C1,,1,2,3,4", "mine.csv:2: expected at most 5 cells, found 6"),
        ('C1,"x,1,2,3', "expected CSV"),
        ("", "found no row"),
    ],
)
def test_a_mistake_in_a_users_figures_is_named_by_file_and_line(tmp_path, text, message):
    with pytest.raises(CardArenaError) as error:
        read_bands(written(tmp_path, HEAD + text + "\n"))
    assert message in str(error.value)


def test_an_unknown_or_missing_column_is_named(tmp_path):
    with pytest.raises(CardArenaError, match="did you mean 'point'"):
        read_bands(written(tmp_path, "target,component,low,piont,high\nC1,,1,2,3\n"))
    with pytest.raises(CardArenaError, match="expected the column 'high'"):
        read_bands(written(tmp_path, "target,component,low,point\nC1,,1,2\n"))


def test_a_spreadsheets_file_with_a_byte_order_mark_and_empty_lines_is_read(tmp_path):
    bands = read_bands(written(tmp_path, "\ufeff" + HEAD + "\nC1, , 1, 2, 3\n\n"))
    assert next(band for band in bands if band.id == "C1").high == 3.0


def test_residuals_are_one_at_the_edges_and_nought_at_the_point():
    skew = Band("X", "", 0.1, 0.15, 0.3)
    assert [skew.residual(x) for x in (0.1, 0.15, 0.3)] == pytest.approx([-1.0, 0.0, 1.0])
    ceiling = Band("X", "", -math.inf, math.nan, 10.0)
    assert [ceiling.residual(x) for x in (5.0, 9.0, 10.0, 11.0)] == pytest.approx([0.0, 0.0, 1.0, 2.0])
    floor = Band("X", "", 1.0, math.nan, math.inf)
    assert [floor.residual(x) for x in (1.2, 1.0, 0.9)] == pytest.approx([0.0, -1.0, -2.0])


def test_a_point_at_an_edge_makes_no_wall():
    assert abs(Band("X", "", 0.0, 1.0, 1.0).residual(1.01)) < 1.0


def test_what_binds_nothing_and_what_is_one_number_cannot_be_aimed_at():
    ids = {band.id for band in chosen_bands(read_bands(), ["F3", "G1", "G2", "C1"])}
    assert ids == {"C1"}
    with pytest.raises(UnknownNameError, match="C4"):
        chosen_bands(read_bands(), ["C44"])


def test_a_task_aims_at_what_its_parameters_should_move_and_at_the_users_own(tmp_path):
    settings = {"cardholders": 100, "seeds": (1,), "fit": FitSettings(), "weights": Weights()}
    task = make_task(
        targets=written(tmp_path, HEAD + "C10,,10,20,30\n"), move=["parameters.wear_exponent"], **settings
    )
    assert {band.target for band in task.bands} == {"D3", "C10"}
    with pytest.raises(UnknownNameError, match="wear_exponent"):
        make_task(move=["parameters.wear_exponnt"], **settings)


@pytest.mark.parametrize("name", ["my bank.yaml", "My.yaml", "bank.json", "../x/.yaml"])
def test_a_file_that_names_no_world_is_refused(tmp_path, name):
    with pytest.raises(CardArenaError, match="expected a file such as"):
        world_name(tmp_path / name)
