"""G2 as it is measured: held by a desk that has the people, missed by one that has not."""

import math

import numpy as np
import pytest

from cardarena.benchmarks.validation.desk_targets import LIMITS, closed_in_time, complaints_closed
from cardarena.benchmarks.validation.lab import Lab
from cardarena.simulator.log import CASE, RunLog
from cardarena.simulator.names import CASE_STEPS

BAND = 100.0


def a_log(days: int, *cases: tuple[str, int, int, int]) -> RunLog:
    """Return a log of (step, day, day of filing, whether it is simple)."""
    rows = np.zeros(len(cases), dtype=CASE)
    for row, (step, day, filed, is_simple) in zip(rows, cases, strict=True):
        row["step"], row["day"] = CASE_STEPS.index(step), day
        row["filed_day"], row["is_simple"] = filed, is_simple
    log = RunLog(days=days)
    log.append_cases(rows)
    return log


def test_only_complaints_whose_limit_has_passed_are_asked_about() -> None:
    log = a_log(
        100,
        *(("opened", 0, 0, 1), ("closed", 15, 0, 1)),
        *(("opened", 1, 1, 1), ("closed", 17, 1, 1)),  # a day too late
        *(("opened", 39, 39, 0), ("closed", 99, 39, 0)),
        ("opened", 40, 40, 0),  # its 60 days are not over
        ("opened", 84, 84, 1),  # never closed, and its 15 days are over
        ("opened", 85, 85, 1),
        ("closed", 3, -50, 1),  # filed before the run
    )
    assert closed_in_time(log, *LIMITS["simple_within_15_days"]) == (1, 3)
    assert closed_in_time(log, *LIMITS["within_60_days"]) == (3, 3)


@pytest.mark.parametrize(("hours", "is_held"), [(6.0, True), (0.02, False)])
def test_a_short_desk_misses_what_a_staffed_one_holds(hours: float, is_held: bool) -> None:
    overrides = {
        "horizon.burn_in_days": 0,
        "logged_history": False,
        "parameters.complaint_service": 0.0005,
        "capacity.complaint_hours_a_day": hours,
    }
    lab = Lab(n_cardholders=600, seeds=(9001,), overrides=overrides)
    found = {measured.component: measured for measured in complaints_closed(lab)}
    assert set(found) == set(LIMITS)
    for measured in found.values():
        assert (measured.value == BAND) == is_held
        assert int(measured.note.split()[0]) > 20


def test_no_complaint_is_no_answer() -> None:
    class Quiet(Lab):
        def year(self, seed: int, mode: str = "survey") -> RunLog:
            return a_log(365)

    assert all(math.isnan(measured.value) for measured in complaints_closed(Quiet(seeds=(1,))))
