"""The command that tunes a policy: `tune`."""

from pathlib import Path
from typing import Annotated

import typer

from cardarena.benchmarks.cli import options
from cardarena.benchmarks.cli.output import Interrupted, remark, say, say_json, usable_folder
from cardarena.benchmarks.cli.train_commands import PROVENANCE, world_seeds_of

#: Settings tried unless told otherwise; of an agent each is a training.
TRIALS = 64
AGENT_TRIALS = 8


def tune(
    policy: Annotated[
        str, typer.Argument(metavar="POLICY", help="Which policy or agent; `cardarena tune list` names them.")
    ],
    scenario: Annotated[
        list[str] | None,
        typer.Option("--scenario", metavar="NAME|FILE", help="A scenario; repeat it. [default: baseline]"),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials", min=1, max=10_000, help="Settings tried, at most. [default: 64; of an agent 8]"
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, max=2**31 - 1, help="Seed of the settings tried.")
    ] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The folder. [default: out/POLICY_tuned]")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="What it is called. [default: POLICY_tuned]")
    ] = None,
    world_seeds: Annotated[
        str, typer.Option("--world-seeds", help="Seeds of the worlds, from 1001 on, comma-separated.")
    ] = "1001,1002,1003",
    cardholders: Annotated[
        int, typer.Option("--cardholders", min=1, max=options.MAX_CARDHOLDERS, help="Cardholders per world.")
    ] = 4000,
    log_days: Annotated[
        int,
        typer.Option(
            "--log-days",
            min=0,
            max=365,
            help="Fit it to a simulated randomised log of so many days of each world; 0: its bank's own history.",
        ),
    ] = 0,
    max_cardholder_days: Annotated[
        int | None,
        typer.Option(
            "--max-cardholder-days",
            min=1,
            help="Simulated days after which no run begins; an agent's last training comes on top.",
        ),
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option("--max-seconds", min=0.0, help="Time after which no run begins; likewise.")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps", min=1, help="Of an agent: steps of a trial's training. [default: a quarter of its own]"
        ),
    ] = None,
    final_steps: Annotated[
        int | None,
        typer.Option(
            "--final-steps", min=1, help="Of an agent: steps with the best setting. [default: its own]"
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the same command was interrupted.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Tune a policy's knobs in simulated worlds, into a folder that competes: `cardarena arena --policy DIR`.

    For rules and policies that learn from a log: with the same cardholder-days, trials and time as an agent that was
    trained, they compete with it in the simulator's league. Of an agent, settings of its training are tuned: a trial is a
    short training, and the best setting is trained to its full length. What was spent stands in the folder.
    """
    from cardarena.benchmarks import provenance
    from cardarena.benchmarks.arena.entries import checked_scenario
    from cardarena.benchmarks.storage import write_json
    from cardarena.benchmarks.tuning import TuningSettings
    from cardarena.benchmarks.tuning import tune as run
    from cardarena.benchmarks.tuning_subjects import is_agent, tunable
    from cardarena.simulator.scenario import scenario_digest

    if policy == "list":
        for known, knobs in tunable().items():
            for knob in knobs:
                say(f"{known:20}{knob.name:18}{knob.low:g} to {knob.high:g}: {knob.about}")
        return
    settings = TuningSettings(
        policy=policy,
        scenarios=tuple(scenario or ("baseline",)),
        trials=trials or (AGENT_TRIALS if is_agent(policy) else TRIALS),
        seed=seed,
        world_seeds=world_seeds_of(world_seeds),
        cardholders=cardholders,
        log_days=log_days,
        max_cardholder_days=max_cardholder_days,
        max_seconds=max_seconds,
        steps=steps,
        final_steps=final_steps,
    )
    folder = out or Path("out") / (name or f"{policy}_tuned")
    usable_folder(folder)
    command = provenance.shown_command()
    made = provenance.manifest(
        kind="tuned agent" if is_agent(policy) else "tuned policy",
        parameters={
            "policy": policy,
            "scenarios": list(settings.scenarios),
            "max_cardholder_days": max_cardholder_days,
            "max_seconds": max_seconds,
            "trials": settings.trials,
            "seed": seed,
            "cardholders": cardholders,
            "log_days": log_days,
            "steps": steps,
            "final_steps": final_steps,
        },
        seeds=settings.world_seeds,
        scenario_digests={spec: scenario_digest(checked_scenario(spec)) for spec in settings.scenarios},
        command=command,
    )
    try:
        tuned = run(
            settings,
            folder,
            name=name,
            command=command,
            resume=resume,
            tell=(lambda text: None) if as_json else remark,
        )
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; the trials so far are in {folder}: add --resume to go on") from None
    write_json(folder / PROVENANCE, made | {"finished": True, "finished_at": provenance.now()})
    if as_json:
        say_json({"folder": str(folder), **vars(tuned)})
        return
    say(
        f"{tuned.trials} trials, {tuned.cardholder_days:,} cardholder-days, {tuned.seconds:,.0f} s; {tuned.reason}"
    )
    say(" ".join(f"{name}={value:g}" for name, value in tuned.values.items()))
    first = "its first, short trial" if is_agent(policy) else "the policy as it ships"
    say(
        f"{tuned.inv_cny:+.2f} CNY a head in the worlds that it was chosen in, {tuned.inv_cny - tuned.shipped_cny:+.2f} over "
        f"{first}; new worlds tell what it is worth"
    )
    say(f"cardarena arena --policy {folder}")
