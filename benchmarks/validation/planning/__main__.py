"""The experiment alone: `python -m cardarena.benchmarks.validation.planning --out out/planning`."""

import argparse
import sys
import time
from pathlib import Path

from cardarena.benchmarks.storage import write_json, write_text
from cardarena.benchmarks.validation.planning import FOLDER, Sizes, measure, section
from cardarena.benchmarks.validation.planning.ladder import plain
from cardarena.benchmarks.validation.planning.variants import VARIANTS


def main(arguments: list[str] | None = None) -> int:
    """Play the experiment and write results, section and pictures."""
    ask = argparse.ArgumentParser(description="Does planning beat greed, and for the right reason?")
    ask.add_argument("--cardholders", type=int, default=1000, help="people a world")
    ask.add_argument("--seeds", type=int, default=6, help="evaluation seeds, from 9001 on")
    ask.add_argument("--days", type=int, default=365, help="decision days")
    ask.add_argument("--control-days", type=int, default=180, help="decision days of controls and ablations")
    ask.add_argument(
        "--control-seeds", type=int, default=4, help="evaluation seeds of controls and ablations"
    )
    ask.add_argument("--run-out-days", type=int, default=180, help="days under the caretaker")
    ask.add_argument("--look-ahead", type=int, default=120, help="days that a twin lives")
    ask.add_argument("--rounds", type=int, default=2, help="rounds of policy improvement")
    ask.add_argument(
        "--variants", nargs="*", choices=[n for n in VARIANTS if n != "base"], help="[default: all]"
    )
    ask.add_argument("--no-beliefs", action="store_true", help="leave out the rungs on beliefs")
    ask.add_argument("--workers", type=int, help="processes [default: one a core]")
    ask.add_argument(
        "--out", type=Path, default=FOLDER, help="folder; an interrupted experiment goes on there"
    )
    given = ask.parse_args(arguments)
    every = tuple(name for name in VARIANTS if name != "base")
    sizes = Sizes(
        cardholders=given.cardholders,
        seeds=tuple(range(9001, 9001 + given.seeds)),
        days=given.days,
        control_days=given.control_days,
        control_seeds=given.control_seeds,
        run_out_days=given.run_out_days,
        look_ahead=given.look_ahead,
        rounds=given.rounds,
        with_beliefs=not given.no_beliefs,
        variants=every if given.variants is None else tuple(given.variants),
    )
    began = time.monotonic()

    def tell(text: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - began:6.0f} s] {text}\n")

    results = measure(sizes, tell, folder=given.out, workers=given.workers)
    page = section(results)
    write_json(given.out / "results.json", plain(results))
    write_json(given.out / "section.json", page.to_json())
    for picture in page.pictures:
        write_text(given.out / f"{picture.name}.svg", picture.svg)
    sys.stdout.write(page.summary + "\n")
    for table in page.tables:
        sys.stdout.write(f"\n{table.title}\n")
        for row in (table.columns, *table.rows):
            sys.stdout.write("  " + " | ".join(str(cell) for cell in row) + "\n")
    for finding in page.findings:
        sys.stdout.write(
            f"{finding.verdict:8s} {finding.id:28s} {finding.value:9.3f} ± {finding.standard_error:.3f} {finding.unit}\n"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
