"""Raking, offline: find the table with which the generated cardholders meet the published marginals.

    python -m cardarena.simulator.population.rake            writes data/fitted.csv and prints what was met
    python -m cardarena.simulator.population.rake --check    only compares with the shipped file

Two steps. The shares of each variable's levels within each segment come from iterative proportional fitting in closed
form: it starts from the tendencies and ends at the published marginal. What no closed form gives (the joint share of
the strict, means, the intercepts of the flags) is solved on 262,144 cardholders made by the kernel itself, so that
there is no second copy of the model. Generation then needs no fitting, and a cardholder stays a function of its id.
"""

import argparse
import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from scipy.optimize import brentq, root
from scipy.stats import norm

from cardarena.simulator import names
from cardarena.simulator.population.kernel import fill_parallel
from cardarena.simulator.population.schema import TRAITS
from cardarena.simulator.population.tables import (
    DATA,
    FITTED_SCALARS,
    FLAGS,
    LEVELS,
    SPEND_EDGES,
    Cells,
    Scores,
    likings,
    marginals,
    pack,
    parameters,
    quotas,
    rows,
    rows_of_mode,
    segment_shares,
)

_SEED: Final = 20220301  # of the people on whom it is fitted, and on whom nothing is tested
_COUNT: Final = 256 * 1024
PRIVACY_ITEMS: Final = ("blocks_tracking", "refuses_secondary_use", "shares_no_preferences")
_DIGITS: Final = 12

Row = dict[str, str | float]
Measure = Callable[[np.ndarray], float]


def iterative_proportional_fit(
    start: np.ndarray, row_sums: np.ndarray, column_sums: np.ndarray
) -> np.ndarray:
    """Return the table nearest to `start` that has the given sums.

    Args:
        start: positive table, shape (rows, columns).
        row_sums: shape (rows,), of the same total as `column_sums`.
        column_sums: shape (columns,).

    References:
        Deming and Stephan, On a least squares adjustment of a sampled frequency table (1940).
    """
    table = start.copy()
    for _ in range(500):
        table *= (row_sums / table.sum(axis=1))[:, None]
        table *= column_sums / table.sum(axis=0)
    return table


def conditional_shares(
    variable: str, marginal: np.ndarray, scale: float = 1.0, quota: np.ndarray | None = None
) -> np.ndarray:
    """Return P(level | segment), shape (6, levels), whose mixture over the segments is the marginal.

    Args:
        variable: a row of `tendencies.csv`.
        marginal: shares of the levels, shape (levels,).
        scale: factor on the tendencies.
        quota: cardholders of each segment in a block, shape (6,); the shipped ones by default.
    """
    lean = next(row for row in rows("tendencies.csv") if row["variable"] == variable)
    slopes = np.array([float(lean[segment]) for segment in names.SEGMENTS])
    # The quotas rather than the published shares: the marginal then holds for the blocks as they are.
    quota = quotas() if quota is None else quota
    shares = quota / quota.sum()
    start = shares[:, None] * marginal * np.exp(scale * np.outer(slopes, np.arange(len(marginal))))
    joint = iterative_proportional_fit(start, shares, marginal)
    return joint / joint.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Figures:
    """Figures that take the place of published ones; what is left out stays.

    Attributes:
        marginals: shares of the levels of a variable, each of shape (levels,), summing to 1.
        segments: shares of S1..S6, shape (6,), summing to 1.
        likings: scores from 1 to 5 by (`channel` or `service`, name).
        flags: shares of the 0/1 traits.
        numbers: names of `parameters.csv` that raking aims at: means and the like.
    """

    marginals: Cells = field(default_factory=dict[str, np.ndarray])
    segments: np.ndarray | None = None
    likings: Scores = field(default_factory=dict[tuple[str, str], float])
    flags: dict[str, float] = field(default_factory=dict[str, float])
    numbers: dict[str, float] = field(default_factory=dict[str, float])


class Rake:
    """The fit of one mode: everything found so far, and the people that it makes.

    States: built with closed-form cells and neutral scalars; each `fit_*` replaces one unknown by its solution. The
    order matters: limits read spend, spend of an active card reads dormancy, flags read the privacy items.
    """

    def __init__(self, mode: str, own: "Figures | None" = None, count: int = _COUNT) -> None:
        """Begin with the published figures of a mode.

        Args:
            mode: one of `MODES`.
            own: figures that take the place of the published ones.
            count: people on whom it is fitted.
        """
        own = own or Figures()
        self.mode, self.count = mode, count
        self.numbers = parameters(mode) | own.numbers
        self.marginals = marginals(mode) | own.marginals
        self.flag_shares = {row["flag"]: float(row["share"]) for row in rows_of_mode("flags.csv", mode)}
        self.flag_shares |= own.flags
        self.shares = segment_shares() if own.segments is None else own.segments
        self.scores = likings() | own.likings
        self.cells: Cells = {name: self._shares(name, share) for name, share in self.marginals.items()}
        self.scalars = {name: self.numbers.get(name, 0.5) for name in FITTED_SCALARS}
        self.logits = dict.fromkeys(FLAGS, 0.0)
        self.rows: list[Row] = []

    def _shares(self, variable: str, marginal: np.ndarray, scale: float = 1.0) -> np.ndarray:
        return conditional_shares(variable, marginal, scale, quotas(self.shares))

    def people(self) -> np.ndarray:
        """Return the people that the present numbers make, shape (count,)."""
        out = np.zeros(self.count, TRAITS)
        table = pack(self.mode, self.cells, self.scalars, self.logits, shares=self.shares, scores=self.scores)
        fill_parallel(np.uint64(_SEED), np.int64(0), out, table)
        return out

    def solve(
        self,
        apply: Callable[[float], None],
        measure: Measure,
        target: float,
        low: float,
        high: float,
    ) -> float:
        """Return the value in [low, high] at which the people meet the target, and leave it applied.

        Raises:
            ValueError: the target is out of reach; says what is within.
        """

        def miss(value: float) -> float:
            apply(value)
            return measure(self.people()) - target

        ends = miss(low), miss(high)
        if ends[0] * ends[1] > 0.0:
            reach = sorted(target + end for end in ends)
            raise ValueError(f"expected a figure from {reach[0]:.6g} to {reach[1]:.6g}, found {target:.6g}")
        value = round(float(brentq(miss, low, high, xtol=1e-5)), _DIGITS)  # pyright: ignore[reportArgumentType]
        apply(value)
        return value

    def fit_scalar(self, name: str, measure: Measure, target: float, low: float, high: float) -> None:
        """Fit one of the kernel's scalars."""

        def apply(value: float) -> None:
            self.scalars[name] = value

        self.note(name, self.solve(apply, measure, target, low, high), target)

    def note(self, name: str, value: float, target: float | str) -> None:
        """Keep a fitted number for the file."""
        self.rows.append({"name": name, "segment": "", "level": "", "value": value, "target": target})

    def fit_privacy(self) -> None:
        """Scale the tendencies of the three privacy items until the strict on all three have their share."""
        target = self.numbers["strict_share"]
        self.note("privacy_scale", self.solve(self.apply_privacy, strict_share, target, 0.0, 3.0), target)

    def apply_privacy(self, scale: float) -> None:
        """Make the cells of the three privacy items with their tendencies scaled."""
        for item in PRIVACY_ITEMS:
            self.cells[item] = self._shares(item, self.marginals[item], scale)

    def fit_daily(self) -> None:
        """Lower the share of daily spenders by those who become one because they ticked nothing."""
        published = float(self.marginals["context_daily"][1])

        def apply(share: float) -> None:
            self.cells["context_daily"] = self._shares("context_daily", np.array([1.0 - share, share]))

        share = self.solve(
            apply, lambda p: float((p["contexts"] & 1).mean()), published, 0.5 * published, published
        )
        self.note("context_daily_ticked", share, published)

    def fit_satisfaction(self) -> None:
        """Fit place and spread of satisfaction to its mean and to the share of the very satisfied."""
        numbers = self.numbers
        top = numbers["satisfaction_top_box"]

        def miss(place_spread: np.ndarray) -> np.ndarray:
            self.scalars["satisfaction_logit"], self.scalars["satisfaction_sd"] = map(float, place_spread)
            home = self.people()["satisfaction_home"]
            # A share of people is a step function; a narrow logistic makes it smooth enough to solve.
            above = (1.0 / (1.0 + np.exp(-(home - top) / 0.002))).mean()
            return np.array(
                [home.mean() - numbers["satisfaction_mean"], above - numbers["satisfaction_top_share"]]
            )

        found = root(miss, np.array([0.5, 0.7]), tol=1e-7)
        if not found.success:
            raise RuntimeError(f"satisfaction has no fit: {found.message}")
        for name, value, target in (
            ("satisfaction_logit", found.x[0], numbers["satisfaction_mean"]),
            ("satisfaction_sd", found.x[1], numbers["satisfaction_top_share"]),
        ):
            self.scalars[name] = round(float(value), _DIGITS)
            self.note(name, self.scalars[name], target)

    def fit_trust(self) -> None:
        """Fit the place of trust to its mean."""
        target = self.numbers["trust_mean"]
        self.fit_scalar("trust_logit", lambda p: p["trust_home"].mean(), target, -2.0, 3.0)

    def fit_deals(self) -> None:
        """Fit the place of deal-proneness to its mean."""
        target = self.numbers["deal_mean"]
        self.fit_scalar("deal_logit", lambda p: p["deal_proneness"].mean(), target, -4.0, 2.0)

    def fit_flags(self) -> None:
        """Fit the intercepts of all flags at once, by bisection: none moves the share of another."""
        wanted = {row["flag"]: row for row in rows_of_mode("flags.csv", self.mode)}
        low, high = dict.fromkeys(FLAGS, -12.0), dict.fromkeys(FLAGS, 12.0)
        for _ in range(26):
            self.logits = {flag: 0.5 * (low[flag] + high[flag]) for flag in FLAGS}
            people = self.people()
            for flag, row in wanted.items():
                asked = people[people[row["given"]] == 1] if row["given"] else people
                bound = low if asked[flag].mean() < self.flag_shares[flag] else high
                bound[flag] = self.logits[flag]
        for flag, share in self.flag_shares.items():
            # A share of nought is nobody, not few: far below any logit that a cardholder's traits could lift.
            self.logits[flag] = round(self.logits[flag], _DIGITS) if share > 0.0 else -700.0
            self.note(f"flag.{flag}", self.logits[flag], share)

    def fit_spend(self) -> None:
        """Fit the upper tail of spend (survey), or a log-normal from which the bands follow (population)."""
        if self.mode == "survey":
            target = self.numbers["spend_mean_cny"]
            self.fit_scalar("spend_high_sd", lambda p: _mean_cny(p["monthly_spend_fen"]), target, 0.2, 2.0)
            return
        sd = self.numbers["spend_log_sd"]
        self.scalars["spend_high_sd"] = sd
        self.note("spend_high_sd", sd, "spend_log_sd")

        def apply(log_mean: float) -> None:
            below = np.concatenate([[0.0], norm.cdf((np.log(SPEND_EDGES) - log_mean) / sd), [1.0]])
            self.cells["spend_band"] = self._shares("spend_band", np.diff(below))

        target = self.numbers["card_spend_cny"]
        self.note("spend_log_mean", self.solve(apply, card_spend_cny, target, 6.0, 10.0), target)

    def fit_income(self) -> None:
        """Fit the upper tail of income (survey) or take the assumed one (population)."""
        if self.mode == "survey":
            target = self.numbers["income_mean_cny"]
            self.fit_scalar("income_high_sd", lambda p: _mean_cny(p["income_fen"]), target, 0.1, 2.0)
        else:
            self.note("income_high_sd", self.scalars["income_high_sd"], "assumed")

    def fit_limit(self, base_cny: float | None) -> None:
        """Fit the scale of credit limits, or take the one that is given."""
        if base_cny is None:
            target = self.numbers["limit_mean_cny"]
            self.fit_scalar("limit_base_cny", lambda p: _mean_cny(p["credit_limit_fen"]), target, 5e3, 2e5)
        else:
            self.scalars["limit_base_cny"] = base_cny
            self.note("limit_base_cny", base_cny, "as in population mode")

    def run(self, limit_base_cny: float | None = None) -> list[Row]:
        """Fit everything and return the rows of the file, cells first."""
        self.cells.setdefault("spend_band", np.full((len(names.SEGMENTS), len(names.SPEND_BANDS)), 1.0 / 6.0))
        self.fit_privacy()
        self.fit_daily()
        self.fit_satisfaction()
        self.fit_trust()
        self.fit_deals()
        self.fit_flags()
        self.fit_spend()
        self.fit_income()
        self.fit_limit(limit_base_cny)
        cells: list[Row] = []
        for name, levels in LEVELS.items():
            for s, segment in enumerate(names.SEGMENTS):
                for k, level in enumerate(levels):
                    value = round(float(self.cells[name][s, k]), _DIGITS)
                    cells.append(
                        {
                            "name": f"cell.{name}",
                            "segment": segment,
                            "level": level,
                            "value": value,
                            "target": "",
                        }
                    )
        return [{"mode": self.mode, **row} for row in (*cells, *self.rows)]


def strict_share(people: np.ndarray) -> float:
    """Return the share who block actively, refuse secondary use and share no preferences."""
    strict = (people["blocks_tracking"] == 2) & (people["refuses_secondary_use"] == 1)
    return float((strict & (people["shares_no_preferences"] == 1)).mean())


def card_spend_cny(people: np.ndarray) -> float:
    """Return the expected spend a month on our card of those whose card is active, CNY."""
    active = people[people["is_dormant"] == 0]
    return float((active["monthly_spend_fen"] * active["wallet_home"]).mean()) / 100.0


def _mean_cny(fen: np.ndarray) -> float:
    return float(fen.mean()) / 100.0


def fit() -> list[Row]:
    """Return the rows of `fitted.csv` for both modes."""
    population = Rake("population")
    found = population.run()
    return found + Rake("survey").run(population.scalars["limit_base_cny"])


def differences(
    found: Sequence[Mapping[str, Any]], shipped: Sequence[Mapping[str, Any]], tolerance: float = 1e-6
) -> list[str]:
    """Return what differs between a fit and the shipped file, relative to the size of each number."""

    def keyed(table: Sequence[Mapping[str, Any]]) -> dict[tuple[str, ...], float]:
        return {
            tuple(str(row[k]) for k in ("mode", "name", "segment", "level")): float(row["value"])
            for row in table
        }

    a, b = keyed(found), keyed(shipped)
    missing = [f"{key} is in one only" for key in sorted(a.keys() ^ b.keys())]
    return missing + [
        f"{key}: found {a[key]}, shipped {b[key]}"
        for key in sorted(a.keys() & b.keys())
        if abs(a[key] - b[key]) > tolerance * max(1.0, abs(b[key]))
    ]


def main() -> int:
    """Fit and write, or fit and compare."""
    parser = argparse.ArgumentParser(description="Fit the population's table to the published marginals.")
    parser.add_argument("--check", action="store_true", help="compare with the shipped table, write nothing")
    arguments = parser.parse_args()
    found = fit()
    if arguments.check:
        wrong = differences(found, rows("fitted.csv"))
        sys.stdout.writelines(f"{line}\n" for line in wrong or ["the shipped table is what raking finds"])
        return 1 if wrong else 0
    with (DATA / "fitted.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(found[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    sys.stdout.writelines(
        f"{row['mode']} {row['name']} {row['value']}\n" for row in found if not row["segment"]
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
