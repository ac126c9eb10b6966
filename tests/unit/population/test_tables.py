"""The shipped numbers: complete, sourced, and raked to the published marginals exactly."""

import numpy as np
import pytest

from cardarena.simulator import names
from cardarena.simulator.population import rake
from cardarena.simulator.population.rake import conditional_shares, differences, iterative_proportional_fit
from cardarena.simulator.population.tables import (
    LEVELS,
    MODES,
    marginals,
    quotas,
    rows,
    rows_of_mode,
    segment_shares,
    tables,
)

_PRIVACY_ITEMS = ("blocks_tracking", "refuses_secondary_use", "shares_no_preferences")
_SOURCED = ("segments", "marginals", "tendencies", "correlations", "parameters", "flags", "likings")


def _cells(mode, variable):
    shares = np.zeros((len(names.SEGMENTS), len(LEVELS[variable])))
    for row in rows_of_mode("fitted.csv", mode):
        if row["name"] == f"cell.{variable}":
            shares[names.SEGMENTS.index(row["segment"]), LEVELS[variable].index(row["level"])] = float(
                row["value"]
            )
    return shares


@pytest.mark.parametrize("file", _SOURCED)
def test_every_number_has_a_source(file):
    for row in rows(f"{file}.csv"):
        assert None not in row  # a comma outside quotes would put words into a column that has no name
        assert len(row["source"]) >= len("assumed")


@pytest.mark.parametrize("mode", MODES)
def test_cells_mix_to_the_published_marginals(mode):
    weights = quotas() / quotas().sum()
    for variable, published in marginals(mode).items():
        shares = _cells(mode, variable)
        assert np.allclose(shares.sum(axis=1), 1.0, atol=1e-9)
        if variable != "context_daily":  # lower, by those who become daily spenders since they ticked nothing
            assert np.allclose(weights @ shares, published, atol=1e-9), variable


@pytest.mark.parametrize("mode", MODES)
def test_shipped_cells_are_what_raking_finds(mode):
    scalars = {
        row["name"]: float(row["value"]) for row in rows_of_mode("fitted.csv", mode) if not row["segment"]
    }
    for variable, published in marginals(mode).items():
        if variable == "context_daily":
            continue
        scale = scalars["privacy_scale"] if variable in _PRIVACY_ITEMS else 1.0
        assert np.allclose(
            _cells(mode, variable), conditional_shares(variable, published, scale), atol=1e-9
        ), variable


@pytest.mark.parametrize("swapped", ["S1", "S3", "S4"])
def test_marginals_hold_whichever_segment_has_seventeen_per_cent(monkeypatch, swapped):
    # The survey leaves open which of S1, S3 and S4 is 17 % and which are 18 %.
    shares = np.array([18, 12, 18, 18, 20, 16])
    shares[names.SEGMENTS.index(swapped)] = 17
    monkeypatch.setattr(rake, "quotas", lambda: shares)
    for variable, published in marginals("survey").items():
        mixed = (shares / shares.sum()) @ conditional_shares(variable, published)
        assert np.allclose(mixed, published, atol=1e-9)


def test_fitting_meets_both_sums_and_leaves_a_fitting_table_alone():
    start = np.array([[1.0, 2.0], [3.0, 4.0]])
    fitted = iterative_proportional_fit(start, np.array([0.3, 0.7]), np.array([0.6, 0.4]))
    assert np.allclose(fitted.sum(axis=1), [0.3, 0.7])
    assert np.allclose(fitted.sum(axis=0), [0.6, 0.4])
    # The odds ratio is what fitting keeps.
    assert fitted[0, 0] * fitted[1, 1] / (fitted[0, 1] * fitted[1, 0]) == pytest.approx(
        1.0 * 4.0 / (2.0 * 3.0)
    )
    assert np.allclose(iterative_proportional_fit(fitted, np.array([0.3, 0.7]), np.array([0.6, 0.4])), fitted)


def test_concern_has_mean_nought_and_variance_one_by_construction():
    table = tables("survey")[0]
    shares = segment_shares()
    assert shares @ table["privacy_mean"] == pytest.approx(0.0, abs=1e-12)
    assert shares @ table["privacy_mean"] ** 2 + table["privacy_sd"] ** 2 == pytest.approx(1.0)


def test_differences_names_what_changed():
    shipped = rows("fitted.csv")
    assert differences([dict(row) for row in shipped], shipped) == []
    changed = [dict(row) for row in shipped]
    changed[0]["value"] = "0.999"
    assert len(differences(changed, shipped)) == 1
    assert len(differences(changed[1:], shipped)) == 1
