"""The experiment: `python -m cardarena.benchmarks.learning --out out/learning`."""

import argparse
import shlex
import sys
import time
from pathlib import Path

from cardarena.benchmarks import provenance
from cardarena.benchmarks.learning import COURSES, Sizes, measure
from cardarena.benchmarks.learning.courses import HELD_OUT, REFERENCE
from cardarena.benchmarks.learning.page import picture, shown, table
from cardarena.benchmarks.learning.reading import TITLES
from cardarena.benchmarks.storage import plain, write_json, write_text


def main(arguments: list[str] | None = None) -> int:
    """Train, play, and write results and picture."""
    standard = Sizes()
    ask = argparse.ArgumentParser(description="What does an agent learn from what?")
    ask.add_argument("--steps", type=int, default=standard.steps, help="decisions of each training")
    ask.add_argument(
        "--training-seeds",
        type=int,
        default=len(standard.training_seeds),
        help="seeds of each training, from 0 on",
    )
    ask.add_argument("--cardholders", type=int, default=standard.cardholders, help="people a world")
    ask.add_argument(
        "--seeds", type=int, default=len(standard.seeds), help=f"worlds to play, from {HELD_OUT} on"
    )
    ask.add_argument(
        "--only",
        action="append",
        choices=[course.name for course in COURSES if course.name != REFERENCE],
        help="train only these beside the reference; again for more [default: all]",
    )
    ask.add_argument("--workers", type=int, help="processes [default: one a core]")
    ask.add_argument(
        "--out",
        type=Path,
        default=Path("out") / "learning",
        help="folder; an interrupted experiment goes on there",
    )
    words = sys.argv[1:] if arguments is None else arguments
    given = ask.parse_args(words)
    sizes = Sizes(
        steps=given.steps,
        training_seeds=tuple(range(given.training_seeds)),
        cardholders=given.cardholders,
        seeds=tuple(range(HELD_OUT, HELD_OUT + given.seeds)),
    )
    courses = [course for course in COURSES if not given.only or course.name in (REFERENCE, *given.only)]
    began = time.monotonic()

    def tell(text: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - began:6.0f} s] {text}\n")

    made = provenance.manifest(
        kind="learning",
        parameters=vars(sizes),
        seeds=sizes.seeds,
        scenario_digests={},
        command=shlex.join(["python", "-m", "cardarena.benchmarks.learning", *words]),
    )
    workers = provenance.available_cores() if given.workers is None else given.workers
    results = measure(sizes, tell, folder=given.out, courses=courses, workers=workers)
    drawn = picture(results)
    write_json(given.out / "results.json", plain(results.to_json()))
    write_json(
        given.out / "provenance.json", plain(made | {"finished": True, "finished_at": provenance.now()})
    )
    write_text(given.out / f"{drawn.name}.svg", drawn.svg)
    for row in table(results):
        sys.stdout.write(" | ".join(row) + "\n")
    for name, difference in results.differences.items():
        sys.stdout.write(f"{name}: {shown(difference)} CNY a head\n")
    for group, lost in results.reading.items():
        sys.stdout.write(f"{TITLES[group]}, another person's: {shown(lost)} CNY a head lost\n")
    for scenario, luck in results.training.items():
        sys.stdout.write(f"{scenario}: training seeds lie {luck.variance**0.5:.1f} CNY a head apart\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
