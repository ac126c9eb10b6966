"""The numbers of the population: read from `data/`, checked, and packed into the one record that the kernel receives.

Files, each row with its source:
    segments.csv      share of each privacy segment and its tendencies
    marginals.csv     shares of the levels of each variable, by mode, in per cent as published
    tendencies.csv    log-linear lean of each variable per segment: where raking starts
    correlations.csv  correlations of the latent normals inside a segment; pairs that are not named are 0
    parameters.csv    everything that is one number
    flags.csv         shares of the 0/1 traits and what they lean on (concern, need - 1/2, wallet latent)
    likings.csv       the survey's scores of channels and services
    fitted.csv        written by `python -m cardarena.simulator.population.rake`, never by hand

Modes:
    survey      urban, active cardholders, as they were interviewed in early 2022.
    population  the Chinese card base. It keeps the survey's ages, 18-54: there is no band above them.
"""

import csv
from functools import cache
from math import sqrt
from pathlib import Path
from typing import Any, Final

import numpy as np

from cardarena.simulator import names
from cardarena.simulator.behaviour.elementary import log, normal_quantile
from cardarena.simulator.errors import UnknownNameError
from cardarena.simulator.population.latents import N_LATENTS, cholesky

DATA: Final = Path(__file__).resolve().parent / "data"
MODES: Final = ("survey", "population")
BLOCK: Final = 1024  # ids in which the segments hold exactly

#: The 0/1 traits that hang on a probability, in the order of their draws. Append only.
FLAGS: Final[tuple[str, ...]] = (
    "is_dormant",
    "has_app",
    "push_permitted",
    "sms_permitted",
    "email_permitted",
    "call_permitted",
    "wecom_friend",
    "third_party_linked",
    "mini_program_user",
    "marketing_consent",
    "personalisation_on",
    "partner_consent",
    "sensitive_consent",
)
#: The variables that raking fits, each with its levels from the lowest latent to the highest.
LEVELS: Final[dict[str, tuple[str, ...]]] = {
    "age_band": names.AGE_BANDS,
    "gender": names.GENDERS,
    "city_tier": names.CITY_TIERS,
    "cards_held": ("1", "2-3", "4+"),
    "income_band": names.INCOME_BANDS,
    "spend_band": names.SPEND_BANDS,
    "blocks_tracking": names.TRACKING,
    "refuses_secondary_use": ("0", "1"),
    "shares_no_preferences": ("0", "1"),
    **{f"context_{context}": ("0", "1") for context in names.SPEND_CONTEXTS},
}
#: Lower edges of the bands above the first, CNY.
INCOME_EDGES: Final = (10_000, 20_000, 30_000, 50_000, 100_000)
SPEND_EDGES: Final = (5_000, 10_000, 20_000, 30_000, 50_000)
#: First year of each age band and the year after the last.
AGE_EDGES: Final = (18, 30, 40, 55)

_N: Final = len(names.SEGMENTS)
_SCALARS: Final = (
    "need_sd",
    "privacy_limit_logit",
    "privacy_limit_slope",
    "privacy_limit_sd",
    "tolerance_median",
    "tolerance_sd",
    "deal_sd",
    "trust_sd",
    "wallet_sd",
    "response_shape",
    "activity_shape",
    "credit_shape",
    "channel_liking_sd",
    "channel_liking_common",
    "service_liking_sd",
    "tenure_median_days",
    "tenure_sd",
    "limit_elasticity_income",
    "limit_elasticity_spend",
    "limit_sd",
    "limit_cover",
    "two_of_two_three",
    "four_of_open",
    "five_of_open",
    "income_low_sd",
    "spend_low_sd",
    "amount_min_cny",
    "income_max_cny",
    "spend_max_cny",
    "limit_min_cny",
    "limit_max_cny",
    "limit_step_cny",
    "tenure_min_days",
    "first_card_age",
)
#: Single numbers of the kernel that `rake` finds; their targets stand in `fitted.csv`.
FITTED_SCALARS: Final[tuple[str, ...]] = (
    "satisfaction_logit",
    "satisfaction_sd",
    "trust_logit",
    "deal_logit",
    "income_high_sd",
    "spend_high_sd",
    "limit_base_cny",
)

#: Everything that the kernel needs to know, for one mode. First axis of what is per segment: S1..S6.
TABLES: Final = np.dtype(
    [
        ("quota", np.int64, (_N,)),  # cardholders of each segment in a block
        ("lower", np.float64, (N_LATENTS, N_LATENTS)),
        ("privacy_mean", np.float64, (_N,)),
        ("privacy_sd", np.float64),
        *(
            (f"{name}_shift", np.float64, (_N,))
            for name in ("need", "satisfaction", "trust", "tolerance", "deal")
        ),
        # a level is the number of its variable's cuts that lie below the latent
        *(
            (f"{name}_cuts", np.float64, (_N, len(levels) - 1))
            for name, levels in LEVELS.items()
            if "context" not in name
        ),
        ("context_cuts", np.float64, (_N, names.N_CONTEXTS)),
        ("income_knots", np.float64, (len(INCOME_EDGES),)),  # log CNY
        ("spend_knots", np.float64, (len(SPEND_EDGES),)),
        *((name, np.float64) for name in (*_SCALARS, *FITTED_SCALARS)),
        ("flag_logit", np.float64, (len(FLAGS),)),
        ("flag_slopes", np.float64, (len(FLAGS), 3)),  # concern, need - 1/2, wallet latent
        ("flag_refusal_factor", np.float64, (len(FLAGS),)),
        ("flag_given", np.int64, (len(FLAGS),)),  # flag without which it is 0; -1: none
        ("channel_log_mean", np.float64, (names.N_CHANNELS,)),
        ("service_log_mean", np.float64, (len(names.SERVICES),)),
    ]
)

Cells = dict[str, np.ndarray]  # variable -> P(level | segment), shape (6, levels)
Scores = dict[tuple[str, str], float]  # (kind, name) -> survey score of liking, 1 to 5


def rows(file: str) -> list[dict[str, str]]:
    """Return the rows of a file in `data/`."""
    with (DATA / file).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def rows_of_mode(file: str, mode: str) -> list[dict[str, str]]:
    """Return the rows of a file that hold for a mode."""
    return [row for row in rows(file) if row["mode"] in (mode, "both")]


def check_mode(mode: str) -> None:
    """Refuse a mode that does not exist."""
    if mode not in MODES:
        raise UnknownNameError("population mode", mode, MODES)


def parameters(mode: str) -> dict[str, float]:
    """Return the single numbers of a mode, fitted ones left out."""
    return {row["name"]: float(row["value"]) for row in rows_of_mode("parameters.csv", mode)}


def marginals(mode: str) -> Cells:
    """Return the published shares of a mode's variables, renormalised, each of shape (levels,)."""
    shares: dict[str, dict[str, float]] = {}
    for row in rows_of_mode("marginals.csv", mode):
        shares.setdefault(row["variable"], {})[row["level"]] = float(row["share"])
    return {
        name: np.array([found[level] for level in LEVELS[name]]) / sum(found.values())
        for name, found in shares.items()
    }


def segment_shares() -> np.ndarray:
    """Return the shares of S1..S6, shape (6,), summing to 1."""
    shares = np.array([float(row["share"]) for row in rows("segments.csv")])
    return shares / shares.sum()


def quotas(shares: np.ndarray | None = None) -> np.ndarray:
    """Return how many of each segment a block holds, by largest remainder, shape (6,), summing to `BLOCK`.

    Args:
        shares: of the segments, shape (6,), summing to 1; the shipped ones by default.
    """
    exact = (segment_shares() if shares is None else shares) * BLOCK
    quota = np.floor(exact).astype(np.int64)
    # Sorted by remainder, ties by segment: a tie may not depend on the sort.
    order = sorted(range(_N), key=lambda s: (-(exact[s] - quota[s]), s))
    for s in order[: BLOCK - int(quota.sum())]:
        quota[s] += 1
    return quota


def _cuts(shares: np.ndarray) -> list[float]:
    """Return the normal quantiles that divide a segment into the shares of its levels."""
    cuts, below = [], 0.0
    for share in shares[:-1]:
        below += float(share)
        # A level that nobody has would lie at infinity, and the knots of the amounts need finite cuts.
        cuts.append(normal_quantile(min(max(below, 1e-9), 1.0 - 1e-9)))
    return cuts


def likings() -> Scores:
    """Return the shipped scores of liking from 1 to 5, by (`channel` or `service`, name)."""
    return {(row["kind"], row["name"]): float(row["score"]) for row in rows("likings.csv")}


def pack(
    mode: str,
    cells: Cells,
    scalars: dict[str, float],
    flag_logits: dict[str, float],
    *,
    shares: np.ndarray | None = None,
    scores: Scores | None = None,
) -> np.ndarray:
    """Pack a mode's numbers into an array of one record of `TABLES`, shape (1,).

    An array, because Numba cannot carry a bare record into a parallel loop.

    Args:
        mode: one of `MODES`.
        cells: P(level | segment) per variable, shape (6, levels).
        scalars: the values of `FITTED_SCALARS`.
        flag_logits: intercept per flag, logit.
        shares: of the segments, shape (6,), summing to 1; the shipped ones by default.
        scores: of liking; the shipped ones by default.
    """
    shares = segment_shares() if shares is None else shares
    tables_of_one = np.zeros(1, TABLES)
    table = tables_of_one[0]
    table["quota"] = quotas(shares)
    table["lower"] = cholesky((row["a"], row["b"], float(row["value"])) for row in rows("correlations.csv"))
    _pack_segments(table, shares)
    for name, shares in cells.items():
        cuts = [_cuts(row) for row in shares]
        if name.startswith("context_"):
            table["context_cuts"][:, names.SPEND_CONTEXTS.index(name[8:])] = [row[0] for row in cuts]
        else:
            table[f"{name}_cuts"] = cuts
    table["income_knots"] = [log(float(edge)) for edge in INCOME_EDGES]
    table["spend_knots"] = [log(float(edge)) for edge in SPEND_EDGES]
    numbers = parameters(mode) | scalars
    for name in (*_SCALARS, *FITTED_SCALARS):
        table[name] = numbers[name]
    _pack_flags(table, mode, flag_logits)
    _pack_likings(table, numbers, likings() if scores is None else scores)
    return tables_of_one


def _pack_segments(table: Any, shares: np.ndarray) -> None:
    segments = rows("segments.csv")
    mean = np.array([float(row["privacy_mean"]) for row in segments])
    centred = mean - sum(float(a) * float(b) for a, b in zip(shares, mean, strict=True))
    table["privacy_mean"] = centred
    # What the segments do not explain stays inside them, so that concern has variance 1 over all.
    between = sum(float(a) * float(b) * float(b) for a, b in zip(shares, centred, strict=True))
    table["privacy_sd"] = sqrt(1.0 - between)
    table["need_shift"] = [float(row["need_logit"]) for row in segments]
    for name in ("satisfaction", "trust", "tolerance", "deal"):
        table[f"{name}_shift"] = [float(row[f"{name}_shift"]) for row in segments]


def _pack_flags(table: Any, mode: str, logits: dict[str, float]) -> None:
    found = {row["flag"]: row for row in rows_of_mode("flags.csv", mode)}
    for i, flag in enumerate(FLAGS):
        row = found[flag]
        table["flag_logit"][i] = logits[flag]
        table["flag_slopes"][i] = [float(row[f"slope_{name}"]) for name in ("privacy", "need", "wallet")]
        table["flag_refusal_factor"][i] = float(row["refusal_factor"])
        table["flag_given"][i] = FLAGS.index(row["given"]) if row["given"] else -1


def _pack_likings(table: Any, numbers: dict[str, float], scores: Scores) -> None:
    low, high = numbers["liking_of_score_1"], numbers["liking_of_score_5"]
    log_means = {key: log(low + (high - low) * (score - 1.0) / 4.0) for key, score in scores.items()}
    table["channel_log_mean"] = [log_means["channel", name] for name in names.CHANNELS]
    table["service_log_mean"] = [log_means["service", name] for name in names.SERVICES]


@cache
def tables(mode: str) -> np.ndarray:
    """Return the shipped record of a mode, shape (1,).

    Raises:
        UnknownNameError: there is no such mode.
    """
    return pack(mode, *fitted(mode))


def fitted(mode: str) -> tuple[Cells, dict[str, float], dict[str, float]]:
    """Return what raking found for the shipped figures of a mode: cells, scalars, intercepts of the flags.

    Raises:
        UnknownNameError: there is no such mode.
    """
    check_mode(mode)
    cells: Cells = {name: np.zeros((_N, len(levels))) for name, levels in LEVELS.items()}
    scalars: dict[str, float] = {}
    logits: dict[str, float] = {}
    for row in rows_of_mode("fitted.csv", mode):
        kind, _, name = row["name"].partition(".")
        value = float(row["value"])
        if kind == "cell":
            cells[name][names.SEGMENTS.index(row["segment"]), LEVELS[name].index(row["level"])] = value
        elif kind == "flag":
            logits[name] = value
        else:
            scalars[row["name"]] = value
    return cells, scalars, logits
