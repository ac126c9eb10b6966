"""Does the base behave like real ones: counts, repeats, gaps, tickets, seasons, wallets, and needs that can be forecast?"""

from typing import Final

from cardarena.benchmarks.validation.findings import MISSES, Finding, Section, Tell
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.realism import counts, forecast, holdout, money, rhythm
from cardarena.benchmarks.validation.realism.forecast_data import AHEAD, SNAPSHOTS

_PARTS: Final = {
    "counts per person": counts.measure,
    "the next half-year": holdout.measure,
    "gaps, week, year, tickets": rhythm.measure,
    "contexts, wallets, concentration": money.measure,
    "forecasts of needs": forecast.measure,
}


def run(lab: Lab, tell: Tell) -> Section:
    """Measure realism on the lab's years under `status_quo`, and forecasts under `silent`.

    Args:
        lab: worlds and years; the first seed trains the forecasts and is the one in the pictures.
        tell: takes lines of progress.
    """
    parts = []
    for name, measure in _PARTS.items():
        tell(f"realism: {name}")
        parts.append(measure(lab))
    findings = tuple(finding for part in parts for finding in part.findings)
    return Section(
        name="realism",
        title="Realism",
        summary=_summary(findings),
        findings=findings,
        pictures=tuple(picture for part in parts for picture in part.pictures),
        tables=tuple(table for part in parts for table in part.tables),
        settings={**lab.settings, "mode": "survey", "days_ahead": AHEAD, "snapshots": SNAPSHOTS},
    )


def _summary(findings: tuple[Finding, ...]) -> str:
    value = {finding.id.removeprefix("realism."): finding.value for finding in findings}
    missed = [finding.id for finding in findings if finding.verdict == MISSES]
    return (
        f"Transactions per quarter lie {value['transactions.nbd']:.2f} from a negative binomial with k = "
        f"{value['transactions.k']:.2f}, {value['transactions.over_poisson']:.0f} times nearer than a Poisson; a model of "
        f"repeat buying fitted to half a year predicts {value['holdout.transactions.total']:.2f} times the next one's. "
        f"What the bank sees forecasts purchases {AHEAD} days ahead with an area under the curve of "
        f"{value['forecast.purchase.auc']:.2f}, and explains {100 * value['forecast.purchase.share_of_latent']:.0f} % of what "
        f"the latent state would. "
        + (f"Missed: {', '.join(missed)}." if missed else "Nothing misses its band.")
    )
