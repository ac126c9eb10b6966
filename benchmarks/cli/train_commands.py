"""The command that makes a trained agent: `train`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from cardarena.benchmarks.cli import options
from cardarena.benchmarks.cli.output import Interrupted, remark, say, say_json, usable_folder
from cardarena.simulator.errors import CardArenaError

PROVENANCE = "provenance.json"


def train(
    agent: Annotated[
        str, typer.Argument(metavar="AGENT", help="Which agent; `cardarena train list` names them.")
    ],
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario",
            metavar="NAME|FILE",
            help="The scenario to train in; given again, one more, side by side. [default: baseline]",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps",
            min=1,
            help="Environment steps: decisions about one cardholder, or a base. [default: 6000000; sac: 20000]",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**31 - 1, help="Seed of the training.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The agent's folder. [default: out/AGENT]")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="What the agent is called. [default: AGENT]")
    ] = None,
    world: Annotated[
        str | None,
        typer.Option("--world", metavar="NAME|FILE", help="A training or reference world to train in."),
    ] = None,
    world_seeds: Annotated[
        str | None,
        typer.Option("--world-seeds", help="Seeds of the worlds to train in, from 1001 on, comma-separated."),
    ] = None,
    cardholders: options.Cardholders = None,
    horizon: Annotated[
        int | None,
        typer.Option(
            "--horizon", min=1, max=options.MAX_DAYS, help="Days of an episode. [default: the scenario's]"
        ),
    ] = None,
    every: Annotated[
        int | None, typer.Option("--every", min=1, max=90, help="Days between decisions.")
    ] = None,
    gamma: Annotated[
        float | None, typer.Option("--gamma", min=0.0, max=1.0, help="Discount of a day; 0 is greedy.")
    ] = None,
    reward: Annotated[
        str | None,
        typer.Option(
            "--reward", help="gross, attributed, or paired (privileged: it knows the twin; not cql, fqi)."
        ),
    ] = None,
    observe: Annotated[
        str | None,
        typer.Option(
            "--observe",
            help="observables, memoryless, beliefs, or full_state (privileged: it sees the hidden record).",
        ),
    ] = None,
    difficulty: Annotated[str | None, typer.Option("--difficulty", help="easy, standard or hard.")] = None,
    price: Annotated[
        str | None,
        typer.Option(
            "--price",
            metavar="[LOW,]HIGH",
            help="Contact prices met in training, CNY; from 0 if one is given.",
        ),
    ] = None,
    lanes: Annotated[
        int | None, typer.Option("--lanes", min=1, max=65536, help="Journeys, or bases, at once.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="At the beginning; more than 0.")
    ] = None,
    entropy: Annotated[
        float | None, typer.Option("--entropy", min=0.0, help="Weight of the entropy bonus.")
    ] = None,
    rollout: Annotated[
        int | None, typer.Option("--rollout", min=1, help="Decisions of each journey between two updates.")
    ] = None,
    prior: Annotated[
        float | None,
        typer.Option(
            "--prior",
            help="Chance of a contact at the beginning, above 0 and below 1; sac: intensity, 0 to 1.",
        ),
    ] = None,
    harm_limit: Annotated[
        float | None,
        typer.Option(
            "--harm-limit",
            min=0.0,
            help="ppo_lagrangian: refusals and complaints in 1,000 people and 30 days.",
        ),
    ] = None,
    evaluate_every: Annotated[
        int | None, typer.Option("--evaluate-every", min=1, help="Steps between two evaluations.")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option("--patience", min=1, help="Evaluations without a better one after which it ends."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, max=64, help="PyTorch's threads; values depend on it.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the same command was interrupted.")
    ] = False,
    tensorboard: Annotated[
        Path | None,
        typer.Option("--tensorboard", metavar="DIR", help="Also write the learning curve for TensorBoard."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Train an agent into a folder that competes: `cardarena arena --policy DIR`.

    Needs the extra `rl`. The best agent of all evaluations is kept; an interrupted training goes on with --resume.
    """
    from cardarena.agents.rl.settings import AGENTS, TrainingSettings
    from cardarena.agents.rl.training import require_extra
    from cardarena.agents.rl.training import train as run
    from cardarena.benchmarks import provenance
    from cardarena.benchmarks.arena.entries import checked_scenario
    from cardarena.benchmarks.storage import write_json
    from cardarena.simulator.scenario import scenario_digest

    if agent == "list":
        for kind, about in AGENTS.items():
            say(f"{kind:16}{about.summary}")
        return
    given: dict[str, Any] = {
        "scenarios": tuple(scenario) if scenario else None,
        "steps": steps,
        "seed": seed,
        "world": world,
        "world_seeds": None if world_seeds is None else world_seeds_of(world_seeds),
        "cardholders": cardholders,
        "horizon": horizon,
        "decision_every": every,
        "gamma_per_day": gamma,
        "reward": reward,
        "observe": observe,
        "difficulty": difficulty,
        "contact_price_cny": None if price is None else _prices(price),
        "lanes": lanes,
        "learning_rate": learning_rate,
        "entropy": entropy,
        "rollout": rollout,
        "prior": prior,
        "harm_limit": harm_limit,
        "evaluate_every": evaluate_every,
        "patience": patience,
        "threads": threads,
    }
    settings = TrainingSettings.of(agent, **{key: value for key, value in given.items() if value is not None})
    require_extra()
    digests = {name: scenario_digest(checked_scenario(name, world)) for name in settings.scenarios}
    folder = out or Path("out") / (name or agent)
    usable_folder(folder)
    command = provenance.shown_command()
    made = provenance.manifest(
        kind="agent",
        parameters={"agent": agent, **{k: v for k, v in given.items() if v is not None}},
        seeds=settings.world_seeds,
        scenario_digests=digests,
        command=command,
    )
    watch, close = _board(tensorboard)
    try:
        finished = run(
            settings,
            folder,
            name=name,
            command=command,
            resume=resume,
            tell=(lambda text: None) if as_json else remark,
            watch=watch,
        )
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; what was learned until the last evaluation is in {folder}: add --resume to go on"
        ) from None
    finally:
        close()
    write_json(folder / PROVENANCE, made | {"finished": True, "finished_at": provenance.now()})
    if as_json:
        say_json(
            {
                "folder": str(folder),
                "steps": finished.steps,
                "reason": finished.reason,
                "worth": vars(finished.worth),
            }
        )
        return
    worth = finished.worth
    say(f"{finished.steps:,} steps; {finished.reason}")
    say(
        f"the best evaluation: {worth.value_cny:+.2f} CNY a person beyond nothing (standard error {worth.error_cny:.2f}), "
        f"{worth.contacts:.2f} contacts in 30 days"
    )
    say(f"cardarena arena --policy {folder}")


def world_seeds_of(text: str) -> tuple[int, ...]:
    """Return comma-separated seeds.

    Raises:
        CardArenaError: not such numbers.
    """
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise CardArenaError(
            f"--world-seeds: expected whole numbers with commas between, found {text!r}"
        ) from None


def _prices(text: str) -> tuple[float, float]:
    """Return the least and the greatest price.

    Raises:
        CardArenaError: not such numbers.
    """
    try:
        low, high = (float(part) for part in (text if "," in text else f"0,{text}").split(","))
    except ValueError:
        raise CardArenaError(f"--price: expected HIGH or LOW,HIGH in CNY, found {text!r}") from None
    return low, high


def _board(folder: Path | None) -> tuple[Callable[[int, dict[str, float]], object], Callable[[], object]]:
    """Return what writes a row of the curve for TensorBoard, and what ends it.

    Raises:
        CardArenaError: TensorBoard is not installed.
    """
    if folder is None:
        return lambda steps, row: None, lambda: None
    from importlib.util import find_spec

    if find_spec("tensorboard") is None:
        raise CardArenaError(
            "--tensorboard: expected TensorBoard, found none installed: pip install 'cardarena[rl]'"
        )
    from cardarena.agents.rl.sb3.board import Board

    board = Board(folder)
    return board.write, board.close
