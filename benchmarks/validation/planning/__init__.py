"""Does planning beat greed, and for the right reason?

Design. *Rungs*: naive greedy; one tuned price; a price per segment; an index (constant shadow prices); the planner (shadow
prices that depend on the state), each on the full state; greedy, price and planner on beliefs. All of a sight choose among
the same candidates (`agents.arms`, `agents.beliefs`) and differ in the index alone (`agents.planning`), so that a difference
is a difference in planning. Every rung has as many trials on the training seeds. Planning is claimed for what lies above the
better of the tuned price and the price that makes as many contacts.

*Learning*: the price of one unit of each stock is read off paired twins (`twins`): push a stock, go on under the policy with
common luck, compare expected margins. It is policy improvement by costates: one person's contact moves each stock by a
little, and what that is worth is first order in the change. *Controls* (`variants`): the gap must vanish where nothing is
carried over a night (then every change is nothing by construction, and the tuned greedy is optimal), and where stocks are dealt
anew among people at midnight. *Ablations* switch one mechanism off, tune and plan anew. *Horizons* come from one run with a copy
that runs out under the caretaker at each. *Shape*: thresholds for the same people under other loads and annoyances.

`run` makes the section; `python -m cardarena.benchmarks.validation.planning` plays it alone. Work is kept (`jobs`): an
interrupted experiment goes on where it stopped.
"""

from pathlib import Path
from typing import Final

from cardarena.benchmarks.provenance import available_cores
from cardarena.benchmarks.storage import write_json
from cardarena.benchmarks.validation.findings import Section, Tell
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.planning.jobs import Jobs
from cardarena.benchmarks.validation.planning.ladder import Results, Sizes, climb
from cardarena.benchmarks.validation.planning.page import section
from cardarena.benchmarks.validation.planning.work import KINDS

#: Where answers are kept unless somebody says otherwise.
FOLDER: Final = Path("out") / "planning"
#: Evaluation seeds beside the laboratory's own, and those that only ever train.
_MORE_SEEDS: Final = 6
_TRAIN_OFFSET: Final = 10_000
_MOST_CARDHOLDERS: Final = 1_000


def sizes_of(lab: Lab) -> Sizes:
    """Return the sizes that go with a laboratory: its seeds and as many more, and no more people than a ladder needs."""
    first = lab.seeds[0]
    seeds = tuple(dict.fromkeys((*lab.seeds, *range(first, first + _MORE_SEEDS))))[
        : max(_MORE_SEEDS, len(lab.seeds))
    ]
    return Sizes(
        cardholders=min(lab.n_cardholders, _MOST_CARDHOLDERS),
        seeds=seeds,
        train_seeds=(first + _TRAIN_OFFSET, first + _TRAIN_OFFSET + 1),
        overrides=lab.overrides,
    )


def measure(sizes: Sizes, tell: Tell, *, folder: Path = FOLDER, workers: int | None = None) -> Results:
    """Play the experiment, going on where an interrupted one stopped."""
    jobs = Jobs(folder, KINDS, workers=available_cores() if workers is None else workers, tell=tell)
    results = climb(sizes, jobs, tell)
    # What a user may play in an arena: see `agents.planning.read_rule`.
    write_json(folder / "planner.json", results.rungs["planner"].rule.to_json())
    return results


def run(lab: Lab, tell: Tell) -> Section:
    """Measure, and make the section of the validation page."""
    return section(measure(sizes_of(lab), tell))


__all__ = ["Sizes", "measure", "run", "section", "sizes_of"]
