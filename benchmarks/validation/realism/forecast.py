"""Are needs forecastable from what the bank sees: better than by season and habit, and far from perfectly?"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from cardarena.agents.boosting import boosted, one_thread_learning
from cardarena.benchmarks.validation.drawing import GREY, PUBLISHED, WORLD, draw_panels, legend
from cardarena.benchmarks.validation.findings import Finding, Picture, Table
from cardarena.benchmarks.validation.lab import Lab, over_seeds
from cardarena.benchmarks.validation.realism.forecast_data import AHEAD, COLUMN, Snapshots, snapshots
from cardarena.benchmarks.validation.realism.parts import Floats, Part
from cardarena.simulator.names import CATEGORIES, N_CATEGORIES
from cardarena.simulator.world import World

#: People of a seed; more cost time and change nothing.
_MOST_PEOPLE: Final = 4_096
_TREES, _LEAVES, _LEAST_ROWS = 40, 15, 100
#: Own purchases of the last months, decayed, by which the naive forecast tells people apart.
_HABITS: Final = (0.05, 0.4, 0.8, 1.5)
_SEED: Final = "seed document 004: needs can be forecast 7-30 days ahead"
_OUTCOMES: Final = {
    "purchase": "organic purchase in a category within 30 days",
    "need": "need in a category that is on within 30 days",
}


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of one outcome on a test seed, each of shape (categories, rows).

    Attributes:
        naive: base rate of the category's month, times how much more people of the same habit buy.
        seen: of a learner that is shown what the bank sees.
        latent: of the same learner, shown the latent state too.
        outcome: what came.
        base: shape (categories,), the training seed's base rates.
    """

    naive: Floats
    seen: Floats
    latent: Floats
    outcome: NDArray[np.bool_]
    base: Floats

    def auc(self, which: Floats) -> Floats:
        """Return the area under the curve by category, NaN where an outcome never or always comes."""
        return np.array(
            [
                roc_auc_score(y, p) if 0 < y.sum() < y.size else np.nan
                for y, p in zip(self.outcome, which, strict=True)
            ]
        )

    def skill(self, which: Floats, over: Floats) -> float:
        """Return the Brier skill over all categories: 1 - BS / BS of the forecast `over`."""
        return float(1.0 - ((which - self.outcome) ** 2).sum() / ((over - self.outcome) ** 2).sum())

    @property
    def climate(self) -> Floats:
        """The forecast that gives everybody the base rate, shape (categories, 1)."""
        return np.expand_dims(self.base, 1)


def measure(lab: Lab) -> Part:
    """Train on the first seed, test on the others."""
    parts = [snapshots(_world(lab, seed)) for seed in _seeds(lab)]
    train, tests = parts[0], parts[1:]
    runs = {name: [forecast(train, test, name) for test in tests] for name in _OUTCOMES}
    findings = [finding for name, each in runs.items() for finding in _findings(name, each)]
    return Part(tuple(findings), (_picture(runs, tests[0]),), (_table(runs),))


def _seeds(lab: Lab) -> tuple[int, ...]:
    return (*lab.seeds, lab.seeds[0] + 1) if len(lab.seeds) == 1 else lab.seeds


def _world(lab: Lab, seed: int) -> World:
    if lab.n_cardholders <= _MOST_PEOPLE:
        return lab.world(seed)
    small = Lab(
        n_cardholders=_MOST_PEOPLE, seeds=(seed,), overrides=lab.overrides, threads=lab.threads, tell=lab.tell
    )
    return small.world(seed)


def forecast(train: Snapshots, test: Snapshots, name: str) -> Forecasts:
    """Fit the three forecasts of an outcome on one seed, and apply them to another.

    Args:
        train: snapshots of the training seed.
        test: of the test seed.
        name: `purchase` or `need`.
    """
    came, comes = (part.bought if name == "purchase" else part.needed for part in (train, test))
    shape = comes.shape
    naive, seen, latent = np.empty(shape), np.empty(shape), np.empty(shape)
    for k in range(N_CATEGORIES):
        naive[k] = _naive(train, test, came[k], k)
        seen[k] = _learned(train.seen[k], came[k], test.seen[k])
        latent[k] = _learned(_all_of(train, k), came[k], _all_of(test, k))
    return Forecasts(naive, seen, latent, comes, came.mean(axis=1))


def _all_of(part: Snapshots, k: int) -> NDArray[np.float32]:
    return np.concatenate([part.seen[k], part.latent[k]], axis=1)


def _learned(x: NDArray[np.float32], y: NDArray[np.bool_], at: NDArray[np.float32]) -> Floats:
    if not 0 < y.sum() < y.size:
        return np.full(len(at), float(y.mean()))
    with one_thread_learning():
        return boosted(True, _TREES, _LEAVES, _LEAST_ROWS).fit(x, y).predict_proba(at)[:, 1]


def _naive(train: Snapshots, test: Snapshots, came: NDArray[np.bool_], k: int) -> Floats:
    """Return the seasonal naive forecast: the month's rate, times the rate of people of the same habit over everybody's."""
    overall = max(float(came.mean()), 1e-9)
    month = _rates(train.month, came, 13, overall)
    habit = _rates(_habit(train, k), came, len(_HABITS) + 2, overall)
    return np.clip(month[test.month] * habit[_habit(test, k)] / overall, 0.0, 1.0)


def _rates(group: NDArray[np.int64], came: NDArray[np.bool_], n: int, overall: float) -> Floats:
    """Return the share that came in each group, drawn to the overall share by the weight of ten outcomes."""
    weight = 10.0 / overall
    return (np.bincount(group, came, n) + weight * overall) / (np.bincount(group, minlength=n) + weight)


def _habit(part: Snapshots, k: int) -> NDArray[np.int64]:
    """Return the group of each row by its own purchases in the category; the last is that of people who are not shown."""
    seen = part.seen[k]
    habit = np.searchsorted(_HABITS, seen[:, COLUMN["category_purchases_112d_"]])
    return np.where(seen[:, COLUMN["personalisation_on"]] > 0, habit, len(_HABITS) + 1).astype(np.int64)


def _findings(name: str, runs: list[Forecasts]) -> tuple[Finding, ...]:
    what = _OUTCOMES[name]
    auc, auc_error = over_seeds([np.nanmean(run.auc(run.seen)) for run in runs])
    naive_auc = float(np.mean([np.nanmean(run.auc(run.naive)) for run in runs]))
    skill, skill_error = over_seeds([run.skill(run.seen, run.naive) for run in runs])
    shares = [run.skill(run.seen, run.climate) / run.skill(run.latent, run.climate) for run in runs]
    share, share_error = over_seeds(shares)
    latent_auc = float(np.mean([np.nanmean(run.auc(run.latent)) for run in runs]))
    return (
        Finding(
            f"realism.forecast.{name}.skill",
            f"{what}: Brier skill of what the bank sees over a seasonal naive forecast",
            skill,
            skill_error,
            0.005,
            0.3,
            unit="share",
            source=_SEED + "; band assumed: better than season and habit, with a margin",
            note="gradient boosting, trained on one seed and tested on others; naive: the category's month and own purchases",
        ),
        Finding(
            f"realism.forecast.{name}.auc",
            f"{what}: area under the curve, mean over categories",
            auc,
            auc_error,
            0.6,
            0.9,
            unit="AUC",
            source=_SEED + "; band assumed: a forecast worth having, and far from perfect",
            note=f"naive {naive_auc:.3f}, shown the latent state too {latent_auc:.3f}",
        ),
        Finding(
            f"realism.forecast.{name}.share_of_latent",
            f"{what}: explained share of what the bank sees over that of the latent state",
            share,
            share_error,
            0.05,
            0.7,
            unit="ratio",
            source="assumed: traces of needs are noisy, half of the precursors false, part of the people not tracked",
            note="Brier skill over the base rate, of the same learner",
        ),
    )


def _table(runs: dict[str, list[Forecasts]]) -> Table:
    rows = []
    for name, each in runs.items():
        for k, category in enumerate(CATEGORIES):
            aucs = [
                float(np.mean([run.auc(which(run))[k] for run in each]))
                for which in (lambda run: run.naive, lambda run: run.seen, lambda run: run.latent)
            ]
            share = float(np.mean([run.outcome[k].mean() for run in each]))
            rows.append((f"{name}, {category}", round(share, 4), *(round(value, 3) for value in aucs)))
    return Table(
        f"Forecasts {AHEAD} days ahead",
        ("outcome", "share", "AUC, naive", "AUC, what the bank sees", "AUC, latent state too"),
        tuple(rows),
        "Under silent, so that every purchase is organic; snapshots a month apart over a year; mean over the test seeds.",
    )


def _picture(runs: dict[str, list[Forecasts]], test: Snapshots) -> Picture:
    purchase = runs["purchase"][0]
    return draw_panels(
        "realism_forecast",
        "Needs are forecast better than by season and habit, and far from perfectly",
        "Left: area under the curve by category for an organic purchase within 30 days. Middle: people in twentieths by the "
        "forecast from what the bank sees, all categories; on the line it is true. Right: needs that are on within 30 days, "
        "by the traces of the last week. First test seed.",
        [_auc_panel(purchase), _reliability_panel(purchase), _trace_panel(test)],
    )


def _auc_panel(run: Forecasts) -> Callable[[Axes], None]:
    def plot(axes: Axes) -> None:
        at = np.arange(N_CATEGORIES)[::-1]
        for which, colour, label in (
            (run.naive, GREY, "season and habit"),
            (run.seen, WORLD, "what the bank sees"),
            (run.latent, PUBLISHED, "latent state too"),
        ):
            axes.plot(run.auc(which), at, "o", color=colour, markersize=7, label=label)
        axes.set_yticks(at, [name.replace("_", " ") for name in CATEGORIES], fontsize=9)
        axes.set_xlim(0.45, 1.0)
        axes.set_ylim(-0.6, N_CATEGORIES + 1.6)
        axes.set_title("Purchases, by category")
        axes.set_xlabel("area under the curve")
        legend(axes, loc="upper right", fontsize=9)

    return plot


def _reliability_panel(run: Forecasts) -> Callable[[Axes], None]:
    p, y = run.seen.ravel(), run.outcome.ravel()
    cell = np.searchsorted(np.quantile(p, np.arange(1, 20) / 20), p)
    size = np.maximum(np.bincount(cell, minlength=20), 1)

    def plot(axes: Axes) -> None:
        said, came = np.bincount(cell, p, 20) / size, np.bincount(cell, y, 20) / size
        edge = 1.1 * float(max(said.max(), came.max()))
        axes.plot([0, edge], [0, edge], color=PUBLISHED, linewidth=1.2, linestyle="--", label="true")
        axes.plot(said, came, "o", color=WORLD, markersize=6, label="simulated")
        axes.set_title("Is the forecast true?")
        axes.set_xlabel("forecast")
        axes.set_ylabel("share that bought")
        legend(axes, loc="upper left")

    return plot


def _trace_panel(test: Snapshots) -> Callable[[Axes], None]:
    traces = test.seen[:, :, COLUMN["precursor_7d_"]]
    tracked = test.seen[:, :, COLUMN["tracked"]] * test.seen[:, :, COLUMN["personalisation_on"]] > 0

    def plot(axes: Axes) -> None:
        edges = (0.0, 0.2, 0.6, 1.2, 2.0, 100.0)
        names = ("not\ntracked", "none", "0.2", "0.6", "1.2", "2.0+")
        groups = [~tracked, tracked & (traces < edges[1])]
        groups += [tracked & (traces >= low) & (traces < high) for low, high in pairwise(edges[1:])]
        shares = [100 * float(test.needed[group].mean()) if group.any() else 0.0 for group in groups]
        axes.grid(False, axis="x")
        axes.bar(range(len(groups)), shares, width=0.6, color=[GREY, *[WORLD] * (len(groups) - 1)])
        axes.set_xticks(range(len(groups)), names)
        axes.set_title("Needs, by traces")
        axes.set_xlabel("decayed traces of the last week, from")
        axes.set_ylabel("% with a need on")

    return plot
