"""A made-up arena folder that looks like a real one: for tests of what reads it, and for looking at the report.

The numbers come from a toy formula (value saturates in contacts, harm is convex in them), not from the simulator.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

# name: (league, title, contacts per head and month, quality of targeting, care for fatigue, dial)
POLICIES: dict[str, tuple[str, str, float, float, float, str | None]] = {
    "silent": ("reference", "No marketing", 0.0, 0.0, 1.0, None),
    "status_quo": ("reference", "What banks do today", 3.2, 0.42, 0.3, None),
    "caretaker": ("reference", "Modest fixed policy", 1.1, 0.40, 0.8, None),
    "random": ("reference", "Random offers", 3.0, 0.14, 0.2, "contacts_per_week"),
    "blast": ("cold", "Month-end batch", 9.0, 0.22, 0.0, "batches"),
    "cadence": ("cold", "Every k days", 2.4, 0.33, 0.4, "every_days"),
    "rfm": ("cold", "Recency, frequency, money", 2.6, 0.46, 0.4, None),
    "segment": ("cold", "The survey's advice", 2.0, 0.52, 0.7, None),
    "propensity": ("logged", "Gradient boosting, greedy", 7.4, 0.55, 0.0, "threshold"),
    "capped_propensity": ("logged", "Propensity under a cap", 2.7, 0.56, 0.5, "cap_month"),
    "uplift": ("logged", "Doubly robust uplift", 2.2, 0.72, 0.7, "contact_price"),
    "linucb": ("cold", "LinUCB", 3.4, 0.50, 0.3, "contact_price"),
    "thompson": ("cold", "Thompson sampling", 3.1, 0.54, 0.4, "contact_price"),
    "greedy_priced": ("simulator", "Value against a price", 2.4, 0.68, 0.6, "contact_price"),
    "oracle_myopic": ("privileged", "Knows the latent state", 2.5, 0.95, 0.7, None),
}
SCENARIOS: dict[str, tuple[str, float, float, list[str]]] = {
    "baseline": ("An ordinary quarter", 1.0, 1.0, []),
    "fatigued_base": ("A base tired by months of blasting", 0.7, 1.8, []),
    "privacy_tightening": ("Consent withdrawn in a wave", 0.8, 1.2, ["consent_wave"]),
    "cold_start": ("A bank with no history", 0.85, 1.0, []),
    "tight_budget": ("Half the contact budget", 0.9, 0.8, []),
    "rival_attack": ("A rival opens a price war", 0.75, 1.1, ["rival_offer", "push_outage"]),
}
DAYS, RUN_OUT_DAYS = 90, 180
LEVELS = {
    "segment": ["S1", "S2", "S3", "S4", "S5", "S6"],
    "age": ["18-29", "30-39", "40-54"],
    "gender": ["female", "male"],
    "city_tier": ["tier1", "new_tier1", "tier2", "tier3_and_below"],
    "income": ["lt_10000", "10000_19999", "20000_29999", "30000_49999", "50000_99999", "ge_100000"],
}
CHANNELS = ["app_push", "in_app", "mini_program", "sms", "email", "human_call", "ai_call", "wecom"]


def write_arena_folder(
    folder: Path,
    *,
    scenarios: Sequence[str] = tuple(SCENARIOS),
    policies: Sequence[str] = tuple(POLICIES),
    n_seeds: int = 4,
    every_days: int = 3,
    with_dials: bool = True,
    failed: Sequence[str] = (),
    rename: dict[str, str] | None = None,
) -> Path:
    """Write manifest, runs, series, breakdown and timing of a made-up arena into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    new = rename or {}
    runs: list[dict[str, Any]] = []
    series: list[pd.DataFrame] = []
    cuts: list[dict[str, Any]] = []
    timing: list[dict[str, Any]] = []
    for s, scenario in enumerate(scenarios):
        for name in policies:
            dials = [float("nan")]
            if with_dials and POLICIES[name][5] and s == 0:
                dials += [0.3, 0.6, 1.6, 2.4]
            for dial in dials:
                for seed in range(n_seeds if np.isnan(dial) else min(n_seeds, 2)):
                    key = {
                        "scenario": scenario,
                        "policy": new.get(name, name),
                        "dial": dial,
                        "seed": seed + 1,
                    }
                    if name in failed:
                        reason = (
                            f"PolicyError: <{name}> raised ValueError: column 'offer' holds NaN in row 17"
                        )
                        runs.append(_row(key, name, "failed", float("nan"), reason))
                        continue
                    rng = np.random.default_rng(
                        [sorted(POLICIES).index(name), s, seed, int(10 * np.nan_to_num(dial))]
                    )
                    luck = np.random.default_rng([s, seed]).normal()
                    values, lines = _one_run(name, scenario, dial, luck, rng)
                    runs += [_row(key, name, metric, value, "") for metric, value in values.items()]
                    if np.isnan(dial):
                        series.append(_series(key, lines, every_days))
                        cuts += _breakdown(key, name, values, rng)
                        part = {"decisions": 0.3 + 2.4 * POLICIES[name][3], "world": 1.9, "writing": 0.3}
                        timing += [
                            {**key, "stage": k, "seconds": v * rng.uniform(0.9, 1.1)} for k, v in part.items()
                        ]
    manifest = _manifest(scenarios, policies, n_seeds, new)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    pd.DataFrame(runs).to_parquet(folder / "runs.parquet", index=False)
    if series:
        pd.concat(series, ignore_index=True).to_parquet(folder / "series.parquet", index=False)
        pd.DataFrame(cuts).to_parquet(folder / "breakdown.parquet", index=False)
        pd.DataFrame(timing).to_parquet(folder / "timing.parquet", index=False)
    return folder


def _row(key: dict[str, Any], name: str, metric: str, value: float, reason: str) -> dict[str, Any]:
    league = POLICIES[name][0]
    return {**key, "league": league, "metric": metric, "value": value, "finished": not reason, "reason": reason,
            "log_digest": f"{sorted(POLICIES).index(name):016x}"}  # fmt: skip


def _one_run(
    name: str, scenario: str, dial: float, luck: float, rng: np.random.Generator
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    _, _, contacts, quality, care, _ = POLICIES[name]
    _, wealth, harm, _ = SCENARIOS[scenario]
    contacts = contacts * (1.0 if np.isnan(dial) else dial) * (0.6 if scenario == "tight_budget" else 1.0)
    if scenario == "cold_start" and name in {"propensity", "uplift", "linucb", "thompson"}:
        quality *= 0.72
    load = contacts * (1 - 0.45 * care)
    burn = harm * 0.0125 * load**1.9
    gain = wealth * 46 * quality * (1 - np.exp(-contacts / 1.6))
    day = np.arange(DAYS + RUN_OUT_DAYS + 1)
    on = np.minimum(day, DAYS) / DAYS
    after = np.clip(day - DAYS, 0, None) / RUN_OUT_DAYS
    noise = rng.normal(0, 0.25, day.size).cumsum() * 0.32 * (contacts > 0)
    cumulative = gain * (0.72 * on**1.15 + 0.28 * (1 - np.exp(-2.5 * after)))
    cumulative = (
        cumulative - 31 * burn * (0.35 * on**2 + 0.65 * after) + noise + 0.5 * luck * on * (contacts > 0)
    )
    permitted = (
        0.82 - 0.24 * (1 - np.exp(-2.2 * burn * (on**1.3 + 0.35 * after))) + 0.02 * after * (burn < 0.1)
    )
    if scenario == "privacy_tightening":
        permitted = permitted - 0.14 / (1 + np.exp(-(day - 45) / 2.0))
    fatigue = 0.15 + 0.28 * load * (1 - np.exp(-day / 12)) * np.where(
        day <= DAYS, 1, np.exp(-(day - DAYS) / 14)
    )
    fatigue = fatigue + 0.02 * np.sin(day / 2.2) + 0.1
    complaints = 0.22 * load + 0.17 * harm * load**2
    opt_outs = 14 * burn + 1.2 * contacts
    lines = {
        "inv_expected_cumulative": cumulative,
        "permitted_share": permitted,
        "fatigue_mean": fatigue,
        "fatigue_p95": 2.4 * fatigue + 0.1,
        "contacts_per_head": np.full(day.size, contacts / 30),
        "complaints_expected_cumulative": complaints * np.minimum(day, DAYS) / 30,
        "alive_share": 1 - 0.0002 * day - 0.01 * burn * after,
        "wallet_share": 0.34 + 0.02 * quality * on - 0.03 * burn * after,
    }
    gross = 0.012 + 0.03 * quality * contacts**0.7 / 5
    intended = 15000.0 * contacts
    kept = (1.0, 0.7 + 0.2 * care, 0.62 + 0.25 * care, 0.26 + 0.2 * quality)
    steps = [intended * part for part in (*kept, 0.02 + 0.05 * quality, 0.006 + 0.02 * quality)]
    value = float(cumulative[-1])
    values = {
        "inv_expected": value,
        "inv": value + rng.normal(0, 1.2) * (contacts > 0),
        "permission_asset": float(4.1 * permitted[DAYS]),
        "permissions_kept": float(permitted[DAYS]),
        **dict(
            zip(("intended", "accepted", "delivered", "noticed", "clicked", "purchased"), steps, strict=True)
        ),
        "permission_asset_value": float(permitted[-1] * 38),
        "marketing_complaints_expected": complaints * rng.uniform(0.97, 1.03),
        "late_complaints": max(0.0, complaints - 4.0),
        "opt_outs_expected": opt_outs * rng.uniform(0.97, 1.03),
        "opt_out_share": float(0.82 - permitted[DAYS]),
        "conversion_gross": gross,
        "conversion_incremental": 0.8 * (gross - 0.012) + 1e-5,
        "fatigue_mean": float(fatigue[: DAYS + 1].mean()),
        "fatigue_p95": float(lines["fatigue_p95"][: DAYS + 1].mean()),
        "beyond_tolerance_share": float(0.02 * load**1.4 / (1 + 0.02 * load**1.4)),
        "satisfaction_mean": 0.66 - 0.05 * burn,
        "nps": 21 - 18 * burn,
        "activity": 0.71 + 0.03 * quality,
        "attrition": 0.031 + 0.02 * burn,
        "wallet_share": float(lines["wallet_share"][-1]),
        "marketing_cost": 0.9 * contacts,
        "marketing_cost_ratio": 0.9 * contacts / max(gain, 1.0),
        "roi": (gain - 0.9 * contacts) / max(0.9 * contacts, 0.1),
        "breaches": 0.0 if care > 0.1 else 40.0 * contacts,
        "contacts_per_head_month": contacts,
    }
    return {metric: float(value) for metric, value in values.items()}, lines


def _series(key: dict[str, Any], lines: dict[str, np.ndarray], every_days: int) -> pd.DataFrame:
    parts = []
    for measure, line in lines.items():
        days = np.arange(0, line.size, every_days)
        parts.append(pd.DataFrame({**key, "measure": measure, "day": days, "value": line[days]}))
    return pd.concat(parts, ignore_index=True)


def _breakdown(
    key: dict[str, Any], name: str, values: dict[str, float], rng: np.random.Generator
) -> list[dict[str, Any]]:
    _, _, contacts, quality, care, _ = POLICIES[name]
    rows: list[dict[str, Any]] = []

    def add(dimension: str, level: str, measure: str, value: float) -> None:
        rows.append(
            {**key, "dimension": dimension, "level": level, "measure": measure, "value": float(value)}
        )

    for dimension, levels in LEVELS.items():
        people = np.linspace(1.4, 0.7, len(levels))
        people = people / people.sum()
        tilt = 1 + quality * np.linspace(-0.3, 0.35, len(levels)) + rng.normal(0, 0.02, len(levels))
        touch = 1 + 0.5 * quality * np.linspace(-0.3, 0.3, len(levels))
        for level, p, v, c in zip(levels, people, tilt, touch, strict=True):
            add(dimension, level, "people_share", p)
            add(dimension, level, "value_share", p * v)
            add(dimension, level, "contact_share", p * c)
            add(dimension, level, "inv", values["inv_expected"] * v)
            add(dimension, level, "contacts_per_head", contacts * c)
    mix = np.array([5, 3, 1.5, 4, 1, 0.3, 0.8, 1.2]) ** (0.6 + quality)
    for channel, share in zip(CHANNELS, mix / mix.sum(), strict=True):
        add("channel", channel, "delivered", 15000 * contacts * share)
    intended = 15000.0 * contacts
    for rule, share in {
        "consent": 0.05,
        "cap_week": 0.2 * (1 - care),
        "quiet_hours": 0.01,
        "budget": 0.04,
    }.items():
        add("rule", rule, "blocked", intended * share)
    return rows


def _manifest(
    scenarios: Sequence[str], policies: Sequence[str], n_seeds: int, new: dict[str, str]
) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "command": "cardarena arena --seeds 4 --cardholders 5000 --days 90 --out results/standard",
        "parameters": {"cardholders": 5000, "days": DAYS, "run_out_days": RUN_OUT_DAYS, "scheduler": "cohort"},
        "seeds": list(range(1, n_seeds + 1)),
        "kind": "arena",
        "cardarena": "0.1.0",
        "dependencies": {"numpy": "2.4.1", "pandas": "3.1.1"},
        "code_digest": "f" * 16,
        "git_commit": "4a8867b",
        "machine": {"cores": 2, "os": "Linux", "python": "CPython 3.11.2"},
        "finished": True,
        "started": "2026-01-05T10:00:00Z",
        "scenarios": {
            name: {
                "title": SCENARIOS[name][0],
                "description": f"{SCENARIOS[name][0]}, with everything else as in the baseline.",
                "digest": "0" * 16,
                "limits": {"marketing_complaints_expected": 6.0, "breaches": 0.0},
                "shocks": [
                    {"kind": kind, "label": kind.replace("_", " "),
                     "days": {str(seed): 30 + 25 * i + 2 * seed for seed in range(1, n_seeds + 1)}}
                    for i, kind in enumerate(SCENARIOS[name][3])
                ],
                "days": DAYS,
                "run_out_days": RUN_OUT_DAYS,
            }
            for name in scenarios
        },
        "policies": {
            new.get(name, name): {
                "league": POLICIES[name][0],
                "title": POLICIES[name][1],
                "description": f"{POLICIES[name][1]}.",
                "dial": POLICIES[name][5],
            }
            for name in policies
        },
    }  # fmt: skip
