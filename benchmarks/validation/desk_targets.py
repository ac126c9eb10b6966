"""G2: are complaints closed within the limits of the law? Counted in the cases of a year under `status_quo`."""

from collections.abc import Iterable
from typing import Final

from cardarena.benchmarks.run_tables import ratio
from cardarena.benchmarks.validation.lab import Lab, over_seeds
from cardarena.benchmarks.validation.measures import Measured, measures
from cardarena.simulator.log import RunLog
from cardarena.simulator.names import CASE_STEPS

_OPENED: Final = CASE_STEPS.index("opened")
_CLOSED: Final = CASE_STEPS.index("closed")
#: Component: limit in days, and whether only simple complaints are asked about.
LIMITS: Final = {"within_60_days": (60, False), "simple_within_15_days": (15, True)}


def closed_in_time(log: RunLog, limit_days: int, only_simple: bool) -> tuple[int, int]:
    """Return (closed in time, all) of the complaints filed in a run so early that their limit has passed in it.

    Whatever is open at the end counts as not closed; what was filed before the run is not asked about.
    """
    cases = log.table("cases")
    asked = (cases["filed_day"] >= 0) & (cases["filed_day"] + limit_days < log.days)
    if only_simple:
        asked &= cases["is_simple"] == 1
    in_time = (cases["step"] == _CLOSED) & (cases["day"] - cases["filed_day"] <= limit_days)
    return int((asked & in_time).sum()), int((asked & (cases["step"] == _OPENED)).sum())


@measures("G2")
def complaints_closed(lab: Lab) -> Iterable[Measured]:
    """Yield the shares closed within 60 days, and of simple complaints within 15."""
    logs = [lab.year(seed) for seed in lab.seeds]
    for component, (limit_days, only_simple) in LIMITS.items():
        found = [closed_in_time(log, limit_days, only_simple) for log in logs]
        value, error = over_seeds([100.0 * ratio(in_time, total) for in_time, total in found])
        n = sum(total for _, total in found)
        yield Measured(
            component, value, error, f"{n} complaints of a year whose {limit_days} days had passed"
        )
