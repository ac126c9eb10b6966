"""Metrics of a run: `run_metrics` (one number each), `run_series` (one a day), `run_breakdown` (by group).

All are pure functions of a run's log and of the silent arm's of the same scenario and seed.

Example:
    >>> get_metric("inv_expected").unit
    'CNY/head'
    >>> get_metric("inv_expcted")
    Traceback (most recent call last):
    cardarena.simulator.errors.UnknownNameError: unknown metric 'inv_expcted'; did you mean 'inv_expected' ...
"""

from typing import Final

from cardarena.benchmarks import metric_contact, metric_customer, metric_value
from cardarena.benchmarks.breakdown import run_breakdown
from cardarena.benchmarks.facts import Facts, RunFacts
from cardarena.benchmarks.metric_registry import GROUPS, REGISTERED, Metric
from cardarena.benchmarks.run_tables import Run, RunTables
from cardarena.benchmarks.series import run_series
from cardarena.simulator.errors import UnknownNameError

__all__ = [
    "GROUPS",
    "METRICS",
    "RANKING_METRIC",
    "Facts",
    "Metric",
    "Run",
    "RunFacts",
    "RunTables",
    "get_metric",
    "run_breakdown",
    "run_metrics",
    "run_series",
]

#: The metric by which policies are ranked.
RANKING_METRIC: Final = "inv_expected"

# Importing these modules is what fills the registry.
_FORMULAS = (metric_value, metric_contact, metric_customer)

#: Every metric by name, group by group.
METRICS: Final[dict[str, Metric]] = {
    metric.name: metric for group in GROUPS for metric in REGISTERED.values() if metric.group == group
}


def get_metric(name: str) -> Metric:
    """Return the metric `name`.

    Raises:
        UnknownNameError: no such metric; the message carries the nearest names.
    """
    try:
        return METRICS[name]
    except KeyError:
        raise UnknownNameError("metric", name, METRICS) from None


def run_metrics(
    run: Run | RunFacts, silent_run: Run | RunFacts, economics_discount: float = 0.10
) -> dict[str, float]:
    """Return every metric of a run that does not need other policies' runs, by name; NaN where undefined.

    Args:
        run: the run under the policy, or its facts.
        silent_run: the silent arm of the same scenario and seed, or its facts (many policies share them).
        economics_discount: discount a year of the head metric.

    Raises:
        ResultsError: the two runs do not have the same people and days, or a table is not as it should be.
    """
    facts = Facts(run, silent_run, economics_discount)
    return {
        name: float(metric.compute(facts)) for name, metric in METRICS.items() if metric.compute is not None
    }
