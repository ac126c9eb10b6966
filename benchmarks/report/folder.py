"""An arena folder as the report reads it: the required files checked, the optional ones read when they are there."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cardarena.benchmarks.storage import read_json, read_parquet
from cardarena.simulator import names
from cardarena.simulator.errors import CardArenaError, ResultsError
from cardarena.simulator.scenario import load_scenario, scenario_digest, scenario_names

LEVELS = {
    "age": names.AGE_BANDS,
    "gender": names.GENDERS,
    "city_tier": names.CITY_TIERS,
    "income": names.INCOME_BANDS,
    "segment": names.SEGMENTS,
    "channel": names.CHANNELS,
    "rule": names.RULES,
}
RUN_COLUMNS = ["scenario", "policy", "league", "seed", "metric", "value", "finished"]


@dataclass(frozen=True)
class ArenaFolder:
    """What an arena left on disk.

    Attributes:
        path: the folder.
        manifest: command, parameters, seeds, versions, scenarios and policies.
        runs: a row per scenario, policy, dial, seed and metric.
        series: the mean over seeds, a row per scenario, policy, measure and day; None where not recorded.
        breakdown: the mean over seeds, a row per scenario, policy, dimension, level and measure; None likewise.
        timing: seconds by stage; None likewise.
    """

    path: Path
    manifest: dict[str, Any]
    runs: pd.DataFrame
    series: pd.DataFrame | None
    breakdown: pd.DataFrame | None
    timing: pd.DataFrame | None

    @cached_property
    def scenarios(self) -> list[str]:
        """Names of the scenarios, in the manifest's order."""
        return _in_order(self.manifest.get("scenarios"), self.runs["scenario"])

    @cached_property
    def policies(self) -> list[str]:
        """Names of the policies, in the manifest's order."""
        return _in_order(self.manifest.get("policies"), self.runs["policy"])

    @cached_property
    def leagues(self) -> dict[str, str]:
        """League of each policy."""
        found = dict(zip(self.runs["policy"], self.runs["league"], strict=True))
        return {name: str(self.policy(name).get("league") or found.get(name) or "") for name in self.policies}

    def scenario(self, name: str) -> dict[str, Any]:
        """Return what the manifest says of a scenario; nothing when it is silent."""
        return _entry(self.manifest.get("scenarios"), name)

    def policy(self, name: str) -> dict[str, Any]:
        """Return what the manifest says of a policy; nothing when it is silent."""
        return _entry(self.manifest.get("policies"), name)

    def title(self, scenario: str) -> str:
        """Return the title of a scenario, or its name in words."""
        return str(self.scenario(scenario).get("title") or scenario.replace("_", " "))

    def days(self, scenario: str) -> int | None:
        """Return the number of decision days of a scenario."""
        days = self.scenario(scenario).get("days", (self.manifest.get("parameters") or {}).get("days"))
        return int(days) if isinstance(days, int | float) else None

    def limits(self, scenario: str) -> dict[str, float]:
        """Return the most that the mean over seeds of a metric may be, by metric."""
        stated = self.scenario(scenario).get("limits")
        found = stated.items() if isinstance(stated, dict) else ()
        return {str(name): float(most) for name, most in found if isinstance(most, int | float)}

    def budget(self, scenario: str) -> float | None:
        """Return the marketing budget of a scenario's decision days, CNY a head; None without one, or where unknown.

        The manifest need not say it: then a shipped scenario does, if its digest is that of the scenario that ran.
        """
        about = self.scenario(scenario)
        stated, days = about.get("budget"), self.days(scenario)
        if not isinstance(stated, dict):
            try:
                shipped = load_scenario(scenario) if scenario in scenario_names() else None
            except CardArenaError:
                shipped = None
            if shipped is None or scenario_digest(shipped) != about.get("digest"):
                return None
            stated = shipped.budget.model_dump()
        month = stated.get("cny_per_cardholder_per_30_days")
        return float(month) * days / 30 if isinstance(month, int | float) and month > 0 and days else None

    def shocks(self, scenario: str) -> list[tuple[str, float, float, float]]:
        """Return label, first, median and last day of each shock of a scenario, over its seeds."""
        found = []
        for shock in self.scenario(scenario).get("shocks") or []:
            days = shock.get("days") if isinstance(shock, dict) else None
            each = days.values() if isinstance(days, dict) else days if isinstance(days, list) else [days]
            at = [float(day) for day in each if isinstance(day, int | float)]
            if at:
                label = str(shock.get("label") or shock.get("kind") or "shock")
                found.append((label, min(at), float(np.median(at)), max(at)))
        return found

    def lines(self, measure: str, scenario: str) -> pd.DataFrame:
        """Return days x policies of one measure in one scenario; empty when it was not recorded."""
        if self.series is None:
            return pd.DataFrame()
        chosen = self.series[(self.series["measure"] == measure) & (self.series["scenario"] == scenario)]
        return chosen.pivot(index="day", columns="policy", values="value").sort_index()

    def cut(self, dimension: str, measure: str, scenario: str | None = None) -> pd.DataFrame:
        """Return policies x levels of one measure, of one scenario or the mean of all; empty when not recorded."""
        if self.breakdown is None:
            return pd.DataFrame()
        rows = self.breakdown[
            (self.breakdown["dimension"] == dimension) & (self.breakdown["measure"] == measure)
        ]
        if scenario is not None:
            rows = rows[rows["scenario"] == scenario]
        # Tables on disk are sorted by name; people read age and income in their own order.
        known = LEVELS.get(dimension, ())
        found = list(dict.fromkeys(rows["level"]))
        levels = [level for level in known if level in found] + [
            level for level in found if level not in known
        ]
        # A level without a number anywhere (a tiny arena has them) keeps its column.
        table = rows.groupby(["policy", "level"], sort=False)["value"].mean().unstack("level")
        return table.reindex(columns=levels)

    def measures(self, dimension: str) -> list[str]:
        """Return the measures that a dimension was recorded with."""
        if self.breakdown is None:
            return []
        return list(dict.fromkeys(self.breakdown.loc[self.breakdown["dimension"] == dimension, "measure"]))


def read_folder(path: Path) -> ArenaFolder:
    """Read an arena folder.

    Raises:
        ResultsError: `manifest.json` or `runs.parquet` is missing, damaged or lacks a column, or an optional table is
            there and cannot be read; the message names the file.
    """
    if not path.is_dir():
        raise ResultsError(f"{path}: expected the folder of an arena, found none")
    manifest = read_json(path / "manifest.json")
    if not isinstance(manifest, dict):
        raise ResultsError(f"{path / 'manifest.json'}: expected an object, found {type(manifest).__name__}")
    runs = read_parquet(path / "runs.parquet", RUN_COLUMNS)
    if runs.empty:
        raise ResultsError(f"{path / 'runs.parquet'}: expected at least one run, found none")
    for column, value in {"dial": np.nan, "reason": ""}.items():
        if column not in runs.columns:
            runs[column] = value
    for column in ("scenario", "policy", "league", "metric", "reason"):
        runs[column] = runs[column].astype(object).where(runs[column].notna(), "")
    runs["dial"] = pd.to_numeric(runs["dial"], errors="coerce")
    runs["finished"] = runs["finished"].fillna(False).astype(bool)
    return ArenaFolder(
        path=path,
        manifest=manifest,
        runs=runs,
        series=_mean_over_seeds(path / "series.parquet", ["scenario", "policy", "measure", "day"]),
        breakdown=_mean_over_seeds(
            path / "breakdown.parquet", ["scenario", "policy", "dimension", "level", "measure"]
        ),
        timing=read_parquet(path / "timing.parquet") if (path / "timing.parquet").is_file() else None,
    )


def _mean_over_seeds(path: Path, keys: list[str]) -> pd.DataFrame | None:
    """Return the mean of `value` over seeds at the default dial, or None where there is no such file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        return None
    words = [key for key in keys if key != "day"]
    try:
        # A daily series has millions of rows: words stay codes, and the mean is taken before anything becomes pandas.
        table = pq.read_table(path, read_dictionary=words).unify_dictionaries()
        missing = [key for key in [*keys, "value"] if key not in table.column_names]
        if missing:
            raise ResultsError(
                f"{path}: expected column {missing[0]!r}, found {', '.join(table.column_names)}"
            )
        if "dial" in table.column_names:
            dial = table["dial"].cast(pa.float64()).to_numpy()
            table = table.filter(pa.array(np.isnan(dial)))
        # One thread: the order of a float sum must not depend on how many cores were free.
        mean = table.select([*keys, "value"]).group_by(keys, use_threads=False).aggregate([("value", "mean")])
        frame = mean.to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise ResultsError(f"{path}: not a readable Parquet file: {str(error).splitlines()[0]}") from None
    for key in words:
        frame[key] = frame[key].astype(object)
    return frame.rename(columns={"value_mean": "value"})


def _entry(section: Any, name: str) -> dict[str, Any]:
    entry = section.get(name) if isinstance(section, dict) else None
    return entry if isinstance(entry, dict) else {}


def _in_order(section: Any, found: pd.Series) -> list[str]:
    present = list(dict.fromkeys(found))
    stated = [name for name in section if name in set(present)] if isinstance(section, dict | list) else []
    return stated + sorted(set(present) - set(stated))
