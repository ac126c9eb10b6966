"""The scoreboard: each estimator on each estimand, held against the truth over several seeds."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from scipy.stats import rankdata

from cardarena.agents.base import one_thread
from cardarena.benchmarks.ope.estimators import (
    ESTIMATORS,
    Estimate,
    cross_fitted,
    dr,
    effective_size,
    fqe,
    ips,
    is_trusted,
    snips,
    summarise,
)
from cardarena.benchmarks.ope.logged import WEEK, WEEKLY_DISCOUNT, WINDOW_DAYS, Log, record
from cardarena.simulator.contracts import Floats, Ints
from cardarena.simulator.scenario import Scenario
from cardarena.simulator.world import World

ESTIMANDS: Final = ("one_decision", "sequence")
MODELS: Final = ("linear", "boosted")
SCORE_COLUMNS: Final = (
    "estimand",
    "estimator",
    "bias",
    "RMSE",
    "coverage",
    "rank",
    "std. error",
    "ESS",
    "trusted",
)
TARGET_COLUMNS: Final = ("estimand", "target", "truth", "±", "ESS", *ESTIMATORS)
#: Folds by cardholder, and the ridge penalty in rows.
FOLDS: Final = 3
PENALTY: Final = 20.0


def run(
    scenario: Scenario,
    make_policy: Callable[..., Any],
    *,
    n_cardholders: int,
    weeks: int,
    seeds: Sequence[int],
    targets: Sequence[str],
    draws: int,
    model: str,
    outcome: str,
    tell: Callable[[str], object],
) -> list[dict[str, Any]]:
    """Return one row a seed, estimand, target and estimator: the estimate of the lift over the status quo, and the truth.

    Args:
        scenario: of the worlds.
        make_policy: makes the burn-in's policies.
        n_cardholders: of each world.
        weeks: decisions of the log.
        seeds: of the worlds.
        targets: names of target policies.
        draws: lucks that the truth is averaged over.
        model: `linear`, or `boosted`: a forecast of what the status quo will bring joins the features.
        outcome: what the log says of the margin, one of `logged.OUTCOMES`.
        tell: receives remarks on progress.
    """
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        tell(f"seed {seed}: burn-in, log and truth")
        world = World.create(scenario, seed, n_cardholders).burn_in(make_policy)
        log = record(world, targets, weeks=weeks, draws=draws, seed=0)
        rows += [{"seed": seed, **row} for row in evaluated(log, model, outcome)]
    return rows


def evaluated(log: Log, model: str, outcome: str) -> list[dict[str, Any]]:
    """Return one row an estimand, target and estimator of a log; see `run` for the arguments."""
    rows: list[dict[str, Any]] = []
    with one_thread():
        for estimand in ESTIMANDS:
            rows += _evaluated(_Sample(log, estimand, model, outcome))
    return rows


class _Sample:
    """A log as trajectories of one estimand.

    Attributes:
        rewards: shape (n, T).
        clusters: shape (n,), the person of each.
        discount: per decision.
        known: of the log's people and decisions, which are meant.
    """

    def __init__(self, log: Log, estimand: str, model: str, outcome: str) -> None:
        self.log, self.estimand = log, estimand
        is_single = estimand == "one_decision"
        self.known = log.known if is_single else log.known[:, :1]
        self.discount = 1.0 if is_single else WEEKLY_DISCOUNT
        self.clusters: Ints = np.nonzero(self.known)[0]
        self.rewards = self.of(log.rewards(outcome, WINDOW_DAYS if is_single else WEEK))
        self._forecast = None
        if model == "boosted":
            state = self.of(log.taken)[:, :, : log.n_state]
            self._forecast = forecast(self.rewards, state, self.clusters, self.discount)

    def of(self, values: Floats) -> Floats:
        """Return what belongs to these trajectories, shape (n, T, ...), from shape (people, weeks, ...)."""
        if self.estimand == "one_decision":
            return values[self.known][:, None]
        return values[self.known[:, 0]]

    def features(self, values: Floats) -> Floats:
        """Return features, with the forecast if there is one, shape (n, T, features)."""
        own = self.of(values)
        return own if self._forecast is None else np.concatenate([own, self._forecast[:, :, None]], axis=2)


def _evaluated(sample: _Sample) -> list[dict[str, Any]]:
    log, rows = sample.log, []
    taken = sample.features(log.taken)
    for target in log.weights:
        weights = sample.of(log.weights[target])
        meant = sample.features(log.target[target])
        found = estimates(sample.rewards, weights, taken, meant, sample.clusters, sample.discount)
        # Fitted Q uses no product of weights, but it extrapolates where a single decision's weights already fail.
        single = all(is_trusted(weights[:, [t]]) for t in range(weights.shape[1]))
        rows += [
            {
                "estimand": sample.estimand,
                "target": target,
                "estimator": name,
                "lift_cny": one.value,
                "error_cny": one.error,
                "low_cny": one.low,
                "high_cny": one.high,
                "truth_cny": float(log.truth[sample.estimand][target][sample.known].mean()),
                "truth_error_cny": log.truth_error[sample.estimand][target],
                "rows": len(weights),
                "ess": float(effective_size(weights)[-1]),
                "is_trusted": single if name == "fqe" else is_trusted(weights),
            }
            for name, one in found.items()
        ]
    return rows


def estimates(
    rewards: Floats, weights: Floats, taken: Floats, target: Floats, clusters: Ints, discount: float
) -> dict[str, Estimate]:
    """Return every estimator's lift of the target over the logging policy, in CNY a trajectory.

    Args:
        rewards: shape (n, T).
        weights: shape (n, T).
        taken: shape (n, T, features).
        target: shape (n, T, features).
        clusters: shape (n,), whose trajectories hang together.
        discount: per decision.
    """
    logged = rewards @ discount ** np.arange(rewards.shape[1])
    q, v = cross_fitted(rewards, taken, target, discount, folds=clusters % FOLDS, penalty=PENALTY)
    made = {
        "ips": ips(rewards, weights, discount),
        "snips": snips(rewards, weights, discount),
        "dr": dr(rewards, weights, q, v, discount),
        "fqe": fqe(rewards, taken, target, discount, penalty=PENALTY),
    }
    return {name: summarise(made[name] - logged, clusters) for name in ESTIMATORS}


def forecast(rewards: Floats, state: Floats, clusters: Ints, discount: float) -> Floats:
    """Return a cross-fitted forecast of what is still to come under the logging policy, shape (n, T).

    It is a feature of the state, so that fitted Q stays linear: the trees take out what the state explains.

    Args:
        rewards: shape (n, T).
        state: shape (n, T, features).
        clusters: shape (n,), the person of each.
        discount: per decision.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    out, to_come = np.zeros(rewards.shape), np.zeros(len(rewards))
    for t in range(rewards.shape[1] - 1, -1, -1):
        to_come = rewards[:, t] + discount * to_come
        for fold in range(FOLDS):
            own = clusters % FOLDS == fold
            trees = HistGradientBoostingRegressor(
                max_iter=60, learning_rate=0.1, max_leaf_nodes=8, min_samples_leaf=100, random_state=0
            )
            with one_thread():  # again: the trees' library is known only now
                trees.fit(state[~own, t], to_come[~own])
                out[own, t] = trees.predict(state[own, t])
    return out


def scores(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return how each estimator did on each estimand, over all targets and seeds.

    `bias_cny` is the mean of the absolute bias of each target; `coverage` the share of 95 % intervals that hold the truth;
    `rank` the mean over seeds of Spearman's correlation of estimates and truths over the targets, NaN for fewer than three.
    """
    out = []
    for estimand in ESTIMANDS:
        for estimator in ESTIMATORS:
            own = [r for r in rows if (r["estimand"], r["estimator"]) == (estimand, estimator)]
            if not own:
                continue
            off = np.array([r["lift_cny"] - r["truth_cny"] for r in own])
            target = np.array([r["target"] for r in own])
            by_target = [float(off[target == name].mean()) for name in dict.fromkeys(target)]
            out.append(
                {
                    "estimand": estimand,
                    "estimator": estimator,
                    "bias_cny": float(np.abs(by_target).mean()),
                    "rmse_cny": float(np.sqrt((off**2).mean())),
                    "coverage": float(
                        np.mean([r["low_cny"] <= r["truth_cny"] <= r["high_cny"] for r in own])
                    ),
                    "rank": _rank(own),
                    "error_cny": float(np.median([r["error_cny"] for r in own])),
                    "ess": float(np.median([r["ess"] for r in own])),
                    "trusted": float(np.mean([r["is_trusted"] for r in own])),
                    "estimates": len(own),
                }
            )
    return out


def _rank(rows: Sequence[dict[str, Any]]) -> float:
    """Return the mean over seeds of the rank correlation between estimate and truth."""
    found = []
    for seed in sorted({r["seed"] for r in rows}):
        own = [r for r in rows if r["seed"] == seed]
        if len(own) > 2:
            ranks = [rankdata([r[name] for r in own]) for name in ("lift_cny", "truth_cny")]
            found.append(float(np.corrcoef(ranks)[0, 1]))
    return float(np.mean(found)) if found else float("nan")


def by_target(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return, for each estimand and target, the true lift and each estimator's mean over the seeds."""
    out = []
    for estimand in ESTIMANDS:
        for target in dict.fromkeys(r["target"] for r in rows):
            own = [r for r in rows if (r["estimand"], r["target"]) == (estimand, target)]
            row: dict[str, Any] = {"estimand": estimand, "target": target}
            row["truth_cny"] = float(np.mean([r["truth_cny"] for r in own]))
            row["truth_error_cny"] = _mean_error(own)
            row["ess"] = float(np.median([r["ess"] for r in own]))
            for name in ESTIMATORS:
                values = [r for r in own if r["estimator"] == name]
                row[f"{name}_cny"] = float(np.mean([r["lift_cny"] for r in values]))
                row[f"{name}_is_trusted"] = all(r["is_trusted"] for r in values)
            out.append(row)
    return out


def _mean_error(rows: Sequence[dict[str, Any]]) -> float:
    """Return the Monte-Carlo standard error of the mean truth over seeds."""
    by_seed = {r["seed"]: r["truth_error_cny"] for r in rows}
    return float(np.sqrt(np.square(list(by_seed.values())).sum()) / len(by_seed))


def score_cells(row: dict[str, Any]) -> list[str]:
    """Return a row of `scores` as the cells of `SCORE_COLUMNS`."""
    return [
        row["estimand"],
        row["estimator"],
        f"{row['bias_cny']:.3f}",
        f"{row['rmse_cny']:.3f}",
        f"{100.0 * row['coverage']:.0f} %",
        f"{row['rank']:.2f}" if np.isfinite(row["rank"]) else "-",
        f"{row['error_cny']:.3f}",
        f"{row['ess']:,.0f}",
        f"{100.0 * row['trusted']:.0f} %",
    ]


def target_cells(row: dict[str, Any]) -> list[str]:
    """Return a row of `by_target` as the cells of `TARGET_COLUMNS`; a star marks what is not to be trusted."""
    marked = [f"{row[f'{name}_cny']:.3f}{'' if row[f'{name}_is_trusted'] else '*'}" for name in ESTIMATORS]
    return [
        row["estimand"],
        row["target"],
        f"{row['truth_cny']:.3f}",
        f"{row['truth_error_cny']:.3f}",
        f"{row['ess']:,.0f}",
        *marked,
    ]
