"""From the merged tables to the leaderboard and the report."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cardarena.benchmarks.arena.plan import REAL_RUNNER, Plan
from cardarena.benchmarks.storage import write_json

if TYPE_CHECKING:
    import pandas as pd

LEADERBOARD: Final = "leaderboard.json"
REPORT: Final = "report.html"


def conclude(
    folder: Path, plan: Plan, frames: Mapping[str, "pd.DataFrame"], manifest: Mapping[str, Any]
) -> tuple[Any, Path | None, list[str]]:
    """Write the leaderboard and the report of an arena whose tables are merged.

    Args:
        folder: the arena's folder, tables on disk.
        plan: what was run.
        frames: the tables.
        manifest: the manifest, as it is on disk.

    Returns:
        The leaderboard, the report's path or None, and notes for the reader.
    """
    if plan.runner != REAL_RUNNER:
        board = {"runs": len(frames["runs"])}
        write_json(folder / LEADERBOARD, board)
        return board, None, []
    from cardarena.benchmarks.leaderboard import leaderboard
    from cardarena.benchmarks.report import write_report

    board = leaderboard(
        frames["runs"],
        {name: said["limits"] for name, said in manifest["scenarios"].items() if said.get("limits")},
    )
    write_json(folder / LEADERBOARD, board)
    try:
        return board, write_report(folder), []
    except OSError:
        raise
    except Exception as error:  # hours of runs are not to be lost to a figure
        note = (
            f"the report could not be made ({type(error).__name__}: {error}); `cardarena report` tries again"
        )
        return board, None, [note]
