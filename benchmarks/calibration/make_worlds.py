"""Make the shipped worlds: `python -m cardarena.benchmarks.calibration.make_worlds`.

Evaluations are kept, so that the same command goes on where it stopped. For those who change the model, who then look at
what the new worlds are and commit them.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from cardarena.benchmarks.calibration.drawn import (
    CLEAR_BY,
    KEY,
    N_WORLDS,
    VARIANT,
    Candidate,
    drawn,
    evaluate,
    factors,
    is_whole,
    mend,
    missed,
    read_design,
    split_of,
)
from cardarena.benchmarks.calibration.free import FreeParameter
from cardarena.benchmarks.calibration.moments import Laboratory, Moments, Settings, source_digest
from cardarena.benchmarks.calibration.outcome import world_document, write_world
from cardarena.benchmarks.model_fingerprint import model_fingerprint
from cardarena.benchmarks.validation.hard import hard_rows
from cardarena.simulator.parameter_sets import world_folder

COMMAND: Final = "python -m cardarena.benchmarks.calibration.make_worlds"
MOST_CANDIDATES: Final = 128

Say = Callable[[str], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the worlds; return the exit code, 1 where the design did not hold enough of them."""
    parser = argparse.ArgumentParser(prog="make_worlds", description=__doc__)
    parser.add_argument("--out", type=Path, default=world_folder(), help="where the worlds are written")
    parser.add_argument("--work", type=Path, default=Path("out/worlds"), help="where evaluations are kept")
    parser.add_argument("--cardholders", type=int, default=4_096)
    parser.add_argument("--seeds", type=int, nargs="+", default=[7001])
    parser.add_argument("--worlds", type=int, default=N_WORLDS)
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args(arguments)
    settings = Settings(
        tuple(dict.fromkeys(row.target for row in hard_rows())),
        chosen.cardholders,
        tuple(chosen.seeds),
        source_digest(),
    )

    def say(text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    with Laboratory(
        settings, chosen.work, workers=chosen.workers, evaluate=evaluate, tell=lambda text: None
    ) as laboratory:
        return 0 if make(laboratory, chosen.out, chosen.worlds, say) == chosen.worlds else 1


def make(laboratory: Laboratory, out: Path, n_worlds: int, say: Say) -> int:
    """Write the structural variant and the worlds that the design gives; return the number of the latter."""
    design = read_design()
    variant = accepted(design, Candidate(-1, VARIANT), laboratory, say)
    if variant is not None:
        title = "The structural variant: attention falls exponentially"
        _write(out, design, "structural_variant", "test", title, variant, laboratory.settings)
    count = 0
    for candidate in drawn(design, MOST_CANDIDATES):
        if count == n_worlds:
            break
        found = accepted(design, candidate, laboratory, say)
        if found is not None:
            name, split = split_of(count)
            title = f"Other behaviour, same hard targets: {split} {name[-2:]}"
            _write(out, design, name, split, title, found, laboratory.settings)
            count += 1
            say(f"{name} written, {count} of {n_worlds}")
    return count


_NEXT: Final = ("rejected", "missed, tried again")


def accepted(
    design: Sequence[FreeParameter], candidate: Candidate, laboratory: Laboratory, say: Say
) -> tuple[Candidate, Moments] | None:
    """Return the candidate, mended if it must be, with its measured hard targets; None where it misses one."""
    now: Candidate | None = candidate
    while now is not None:
        (moments,) = laboratory.moments([now.overrides])
        wrong = missed(moments)
        if not wrong and is_whole(moments):
            return now, moments
        listed = ", ".join(f"{one.id} {one.value:.4g}" for one in wrong)
        now = mend(design, now, moments)
        say(f"candidate {candidate.index}: {_NEXT[now is not None]}: {listed}")
    return None


def _write(
    out: Path,
    design: Sequence[FreeParameter],
    name: str,
    split: str,
    title: str,
    found: tuple[Candidate, Moments],
    settings: Settings,
) -> None:
    candidate, moments = found
    about = _made(design, candidate) | {
        "command": COMMAND,
        "cardholders": settings.cardholders,
        "seeds": list(settings.seeds),
        "model_fingerprint": model_fingerprint(),
        "cleared_by_standard_errors": CLEAR_BY,
        "checked": {row.id: float(f"{moments[row.id][0]:.4g}") for row in hard_rows()},
    }
    document = world_document(name, title, split, candidate.overrides, about)
    write_world(out / f"{name}.yaml", document)


def _made(design: Sequence[FreeParameter], candidate: Candidate) -> dict[str, Any]:
    """Return how the candidate came about."""
    mended = {"mended": dict(candidate.mended)} if candidate.mended else {}
    if candidate.index < 0:
        return {"note": "The structural variant: one form exchanged, nothing else drawn."} | mended
    return (
        {"design": {"kind": "Sobol", "key": KEY, "index": candidate.index, "reach": candidate.reach}}
        | mended
        | {"factors": factors(design, candidate)}
    )


if __name__ == "__main__":
    sys.exit(main())
