"""What a calibration leaves behind: the parameter file (a world), the record, the picture, and what is printed."""

import math
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from matplotlib.axes import Axes

from cardarena.benchmarks import provenance
from cardarena.benchmarks.calibration.identify import Identification
from cardarena.benchmarks.calibration.run import Outcome, held
from cardarena.benchmarks.storage import plain, write_json, write_text
from cardarena.simulator.parameter_sets import ParameterSet
from cardarena.simulator.strict_yaml import parse_document, validated

SCHEMA_VERSION: Final = 1
#: Slopes beyond it look alike in the picture: the target leaves its band within half a prior standard deviation.
_FULL_COLOUR: Final = 2.0


def world_document(
    name: str, title: str, split: str, overrides: Mapping[str, Any], about: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a world: plain data in the form of `scenarios/worlds/*.yaml`.

    Args:
        name: registry name of the world.
        title: what a table shows.
        split: `train`, `validation`, `test` or `reference`.
        overrides: scenario overrides that it stands for: parameters, channels, a survey.
        about: what its provenance says beside who made it, when and how.
    """
    document: dict[str, Any] = {"name": name, "title": title, "split": split}
    document |= {kind: overrides[kind] for kind in ("parameters", "channels") if overrides.get(kind)}
    if survey := overrides.get("population", {}).get("survey"):
        document["survey"] = survey
    document["provenance"] = {
        "command": provenance.shown_command(),
        "cardarena": provenance.package_version(),
        "python": platform.python_version(),
        "made": provenance.now(),
        **about,
    }
    return plain(document)


def about_fit(outcome: Outcome) -> dict[str, Any]:
    """Return what a world's provenance says of the fit that made it."""
    rows = outcome.fit_rows()
    task = outcome.task
    begun = {"begun_with": provenance.shown_path(task.base["world"])} if "world" in task.base else {}
    return begun | {
        "source_digest": outcome.source,
        "targets_digest": task.targets_digest(),
        "targets": sorted({band.target for band in task.bands}, key=_natural),
        "seeds": task.seeds,
        "cardholders": task.cardholders,
        "objective_before": _rounded(outcome.fitted.start_loss),
        "objective_after": _rounded(outcome.fitted.loss),
        "held_before": _of(held(rows, "held_before")),
        "held_after": _of(held(rows)),
        "moved": {
            p.name: _rounded(p.value_of(float(u)))
            for p, u in zip(task.parameters, outcome.fitted.u, strict=True)
        },
    }


def _natural(target: str) -> tuple[str, int]:
    return target[:1], int(target[1:] or 0)


def _of(pair: tuple[int, int]) -> str:
    return f"{pair[0]} of {pair[1]}"


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def record(outcome: Outcome) -> dict[str, Any]:
    """Return everything that was found, for `calibration.json`."""
    task, found = outcome.task, outcome.identification
    return {
        "schema_version": SCHEMA_VERSION,
        "command": provenance.shown_command(),
        "versions": {"cardarena": provenance.package_version(), **provenance.dependency_versions()},
        "source_digest": outcome.source,
        "targets_digest": task.targets_digest(),
        "settings": {
            "cardholders": task.cardholders, "seeds": task.seeds, "method": task.fit.method,
            "steps": task.fit.steps, "refresh": task.fit.refresh, "hard": task.weights.hard,
            "ridge": task.weights.ridge,
        },
        "objective": {"before": outcome.fitted.start_loss, "after": outcome.fitted.loss},
        "message": outcome.fitted.message,
        "evaluation_seconds": outcome.seconds,
        "steps": [
            {"loss": step.loss, "farthest": [{"target": t, "residual": r} for t, r in step.worst]}
            for step in outcome.fitted.steps
        ],
        "fit": outcome.fit_rows(),
        "parameters": _parameter_rows(outcome),
        "identification": None if found is None else _identification(found, outcome),
        "overrides": outcome.overrides,
    }  # fmt: skip


def _parameter_rows(outcome: Outcome) -> list[dict[str, Any]]:
    rows = []
    reports = outcome.identification.parameters if outcome.identification else ()
    for j, p in enumerate(outcome.task.parameters):
        row: dict[str, Any] = {
            "name": p.name, "meaning": p.meaning, "prior": p.prior, "lower": p.lower, "upper": p.upper,
            "value": p.value_of(float(outcome.fitted.u[j])), "u": float(outcome.fitted.u[j]),
            "expected_targets": p.targets,
        }  # fmt: skip
        if reports:
            r = reports[j]
            row |= {
                "low": r.low, "high": r.high, "cut": r.cut, "is_weak": r.is_weak, "at_bound": r.at_bound,
                "pinned_by": [{"target": t, "share": share} for t, share in r.pinned_by],
            }  # fmt: skip
        rows.append(row)
    return rows


def _identification(found: Identification, outcome: Outcome) -> dict[str, Any]:
    return {
        "targets": [band.id for band in outcome.task.bands],
        "parameters": [p.name for p in outcome.task.parameters],
        "slopes": found.slopes,
        "singular_values": found.singular_values,
        "condition": found.condition,
        "collinear": found.collinear,
        "weak": found.weak,
        "weak_directions": [
            [{"parameter": name, "loading": loading} for name, loading in direction]
            for direction in found.weak_directions
        ],
    }


def picture(outcome: Outcome) -> str:
    """Return the slopes as a heat map, SVG text.

    Raises:
        ValueError: the slopes were not measured.
    """
    from cardarena.benchmarks.validation.drawing import draw

    found = outcome.identification
    if found is None:
        raise ValueError("the slopes were not measured")
    parameters = [p.name.split(".", 1)[1] for p in outcome.task.parameters]
    bands = [band.id for band in outcome.task.bands]

    def plot(axes: Axes) -> None:
        shown = np.clip(found.slopes, -_FULL_COLOUR, _FULL_COLOUR)
        image = axes.imshow(shown, cmap="RdBu_r", vmin=-_FULL_COLOUR, vmax=_FULL_COLOUR, aspect="auto")
        axes.grid(False)
        axes.set_xticks(range(len(parameters)), parameters, rotation=60, ha="right", fontsize=8)
        axes.set_yticks(range(len(bands)), bands, fontsize=8)
        assert axes.figure is not None
        axes.figure.colorbar(image, ax=axes, label="half-widths of the band per prior standard deviation")

    drawn = draw(
        "calibration_slopes",
        "What each parameter moves",
        "Rows are targets, columns parameters; an empty column is a parameter that nothing pins.",
        plot,
        size=(max(6.0, 2.5 + 0.32 * len(parameters)), max(3.6, 2.4 + 0.2 * len(bands))),
    )
    return drawn.svg


def write_world(out: Path, document: Mapping[str, Any]) -> Path:
    """Write a world to its file, short rows of numbers on one line.

    Raises:
        ScenarioError: it is no world that could be read again; nothing is written.
    """
    text = yaml.dump(dict(document), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=110)
    validated(ParameterSet, parse_document(text, out.name))
    return write_text(out, text)


class _Dumper(yaml.SafeDumper):
    """Writes lists of numbers in a row."""


def _represent_list(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.Node:
    is_row = all(isinstance(value, int | float) for value in values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=is_row)


_Dumper.add_representer(list, _represent_list)


def write_record(outcome: Outcome, out: Path) -> list[Path]:
    """Write the record of a fit and its picture beside the world file; return the paths."""
    paths = [write_json(beside(out, "calibration.json"), record(outcome))]
    if outcome.identification is not None:
        paths.append(write_text(beside(out, "calibration.svg"), picture(outcome)))
    return paths


def beside(out: Path, suffix: str) -> Path:
    """Return the path beside the world file: `my_bank.yaml` -> `my_bank.calibration.json`."""
    return out.with_name(f"{out.stem}.{suffix}")


def number(value: Any) -> str:
    """Return a number as a table shows it: four digits, `-` for none and for an open end."""
    return f"{value:.4g}" if isinstance(value, int | float) and math.isfinite(value) else "-"


def fit_table(rows: Iterable[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return the fit as a table: head and cells, the worst residual first."""
    ordered = sorted(rows, key=lambda row: -_size(row["residual_after"]))
    head = ["target", "binds", "low", "point", "high", "before", "after", "residual", "noise", "verdict"]
    cells = [
        [
            row["target"],
            row["hardness"],
            *(number(row[key]) for key in ("low", "point", "high", "before", "after")),
            f"{row['residual_after']:+.2f}",
            number(row["noise"]),
            "not measured" if math.isnan(row["after"]) else "holds" if row["holds"] else "misses",
        ]
        for row in ordered
    ]
    return head, cells


def _size(residual: float) -> float:
    return math.inf if math.isnan(residual) else abs(residual)


def parameter_table(outcome: Outcome) -> tuple[list[str], list[list[str]]]:
    """Return the parameters as a table: head and cells, in the order of the free parameters."""
    head = ["parameter", "prior", "value", "from", "to", "cut", "pinned by", "remark"]
    cells = []
    for row in _parameter_rows(outcome):
        pinned = " ".join(f"{one['target']} {one['share']:.0%}" for one in row.get("pinned_by", ())[:3])
        remark = "at bound" if row.get("at_bound") else "weak" if row.get("is_weak") else ""
        numbers = [number(row.get(key)) for key in ("prior", "value", "low", "high")]
        cut = f"{row['cut']:.0%}" if "cut" in row else "-"
        cells.append([row["name"], *numbers, cut, pinned or "-", remark])
    return head, cells
