"""Twins as a table: the true average effect of each action, how it is spread over people, and the four types."""

from typing import Any, Final

import numpy as np

from cardarena.benchmarks.twins import TwinOutcomes

QUANTILES: Final = (0.1, 0.5, 0.9)
COLUMNS: Final = (
    "action",
    "people",
    "effect",
    "±",
    "p10",
    "p50",
    "p90",
    "true",
    "losing",
    "sure",
    "persuad.",
    "lost",
    "dogs",
)


def effect_rows(outcomes: TwinOutcomes) -> list[dict[str, Any]]:
    """Return one row an action, its effects being those on the people to whom it is allowed.

    `share_losing` is the share of them whose effect lies more than two Monte-Carlo standard errors below 0; `reliability`
    says which share of the spread of the individual effects is true and not Monte-Carlo error. The four shares are means over
    people and lives.
    """
    rows = []
    for a, name in enumerate(outcomes.actions[1:], start=1):
        who = outcomes.allowed[:, a]
        row: dict[str, Any] = {"action": name, "people": int(who.sum())}
        if who.any():
            effects, errors = outcomes.cate(name)[who], outcomes.cate_error(name)[who]
            mean, error = outcomes.ate(name)
            row |= {"effect_cny": mean, "effect_error_cny": error}
            row |= {f"p{q * 100:.0f}_cny": float(np.quantile(effects, q)) for q in QUANTILES}
            row["reliability"] = outcomes.reliability(name)
            row["share_losing"] = float((effects < -2.0 * errors).mean())
            row |= {
                f"share_{kind}": float(share[who].mean())
                for kind, share in vars(outcomes.shares(name)).items()
            }
            row["complaints"] = float((outcomes.complaints[who, a] - outcomes.complaints[who, 0]).mean())
            row["opt_outs"] = float((outcomes.opt_outs[who, a] - outcomes.opt_outs[who, 0]).mean())
        rows.append(row)
    return rows


def cells(row: dict[str, Any]) -> list[str]:
    """Return a row as the cells of `COLUMNS`; what nobody could be asked is a dash."""
    money = ("effect_cny", "effect_error_cny", *(f"p{q * 100:.0f}_cny" for q in QUANTILES))
    shares = (
        "reliability",
        "share_losing",
        "share_sure_things",
        "share_persuadables",
        "share_lost_causes",
        "share_sleeping_dogs",
    )
    out = [row["action"], f"{row['people']:,}"]
    out += [f"{row[name]:.3f}" if name in row else "-" for name in money]
    out += [f"{100.0 * row[name]:.1f} %" if np.isfinite(row.get(name, np.nan)) else "-" for name in shares]
    return out
