"""The commands about effects: `twins`, the true ones; `ope`, what a log says of a policy that did not make it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cardarena.benchmarks.cli import options
from cardarena.benchmarks.cli.output import remark, say, say_json, say_table


class Model(StrEnum):
    """What the outcome is regressed on."""

    linear = "linear"
    boosted = "boosted"


class Outcome(StrEnum):
    """Which margin the log has."""

    realised = "realised"
    expected = "expected"


def twins(
    scenario: Annotated[
        str, typer.Option("--scenario", metavar="NAME|FILE", help="The scenario.")
    ] = "baseline",
    cardholders: Annotated[
        int, typer.Option("--cardholders", min=1, max=1_000_000, help="Cardholders of the world.")
    ] = 1000,
    days: Annotated[
        int, typer.Option("--days", min=1, max=options.MAX_DAYS, help="Days that the twins live.")
    ] = 28,
    offer: Annotated[
        list[str] | None,
        typer.Option("--offer", metavar="NAME", help="An offer; may be repeated. [default: the public ones]"),
    ] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(
            "--channel", metavar="NAME", help="A channel; may be repeated. [default: sms, app_push]"
        ),
    ] = None,
    depth: Annotated[
        str, typer.Option("--depth", metavar="NAME", help="generic, segment or individual.")
    ] = "generic",
    policy_after: Annotated[
        str, typer.Option("--policy-after", metavar="NAME|FILE.py:Class", help="Who decides from day 2 on.")
    ] = "caretaker",
    draws: Annotated[
        int, typer.Option("--draws", min=2, max=10_000, help="Lives of each person under each action.")
    ] = 16,
    seed: options.Seed = 1,
    luck: Annotated[
        int, typer.Option("--luck", min=0, max=options.MAX_SEED, help="Seed of the twins' own luck.")
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write individual effects: FILE.parquet or FILE.csv."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    as_json: options.Json = False,
) -> None:
    """Show the true effect of one contact by offer and channel, and how it differs between people."""
    from cardarena.benchmarks.cli.world_files import usable_table, write_table

    if out is not None:
        usable_table(out, force=force)
    from cardarena.agents.registry import make_policy
    from cardarena.benchmarks.arena.entries import checked_scenario
    from cardarena.benchmarks.twin_table import COLUMNS, cells, effect_rows
    from cardarena.benchmarks.twins import Action, expected_outcomes
    from cardarena.simulator.world import World

    tell = (lambda text: None) if as_json else remark
    loaded = checked_scenario(scenario)
    world = World.create(loaded, seed, cardholders)
    catalogue = world.catalogue
    public = [
        name
        for name, is_public in zip(catalogue.names, catalogue.records["is_public"], strict=True)
        if is_public
    ]
    actions = [
        Action(name, by, depth) for name in (offer or public) for by in (channel or ["sms", "app_push"])
    ]
    for action in actions:
        action.codes(world)
    after = make_policy(policy_after)
    tell("making the world: burn-in")
    world.burn_in(make_policy)
    tell(f"{len(actions)} actions, {draws} lives each of {cardholders:,} people, {days} days")
    outcomes = expected_outcomes(world, actions, days, after, draws, luck)
    rows = effect_rows(outcomes)
    if out is not None:
        write_table(out, outcomes.frame())
    if as_json:
        say_json(
            {
                "scenario": loaded.name,
                "cardholders": cardholders,
                "days": days,
                "draws": draws,
                "seed": seed,
                "luck": luck,
                "policy_after": outcomes.policy_after,
                "word_of_mouth": "frozen" if outcomes.is_frozen else "off",
                "actions": rows,
                **({} if out is None else {"file": str(out)}),
            }
        )
        return
    say_table(COLUMNS, [cells(row) for row in rows])
    say(
        "effect and quantiles: CNY a person over the days, against no contact; true: share of the spread that is not luck"
    )
    if outcomes.is_frozen:
        say("word of mouth is frozen: these are direct effects")
    if out is not None:
        say(f"written: {out}")


def ope(
    scenario: Annotated[
        str, typer.Option("--scenario", metavar="NAME|FILE", help="The scenario.")
    ] = "baseline",
    cardholders: Annotated[
        int, typer.Option("--cardholders", min=100, max=200_000, help="Cardholders of each world.")
    ] = 2000,
    weeks: Annotated[
        int, typer.Option("--weeks", min=1, max=26, help="Decisions of the log, one a week.")
    ] = 4,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, max=options.MAX_SEEDS, help="Worlds, one log each.")
    ] = 3,
    seed: options.Seed = 1,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", metavar="NAME", help="A target policy; may be repeated. [default: all]"),
    ] = None,
    model: Annotated[
        Model, typer.Option("--model", help="Regression on features, or with a boosted forecast among them.")
    ] = Model.linear,
    outcome: Annotated[
        Outcome,
        typer.Option("--outcome", help="What a bank's log has, or the same with the day's luck taken out."),
    ] = Outcome.realised,
    draws: Annotated[
        int, typer.Option("--draws", min=2, max=10_000, help="Lucks that the truth is averaged over.")
    ] = 2,
    as_json: options.Json = False,
) -> None:
    """Score off-policy estimators: a randomised log's word on other policies, against what these truly come to."""
    from cardarena.agents.registry import make_policy
    from cardarena.benchmarks.arena.entries import checked_scenario
    from cardarena.benchmarks.ope import scoreboard
    from cardarena.benchmarks.ope.targets import TARGETS, make_target

    targets = tuple(dict.fromkeys(target or TARGETS))
    for name in targets:
        make_target(name)
    # The log is made here; joining the burn-in's own would take as long as the burn-in.
    loaded = checked_scenario(scenario).model_copy(update={"logged_history": False})
    rows = scoreboard.run(
        loaded,
        make_policy,
        n_cardholders=cardholders,
        weeks=weeks,
        seeds=range(seed, seed + seeds),
        targets=targets,
        draws=draws,
        model=model.value,
        outcome=outcome.value,
        tell=(lambda text: None) if as_json else remark,
    )
    scores, means = scoreboard.scores(rows), scoreboard.by_target(rows)
    if as_json:
        say_json(
            {
                "scenario": loaded.name,
                "cardholders": cardholders,
                "weeks": weeks,
                "seeds": [seed, seed + seeds - 1],
                "model": model.value,
                "outcome": outcome.value,
                "draws": draws,
                "targets": {name: TARGETS[name].title for name in targets},
                "scores": scores,
                "by_target": means,
                "estimates": rows,
            }
        )
        return
    say_table(scoreboard.SCORE_COLUMNS, [scoreboard.score_cells(row) for row in scores])
    say("")
    say_table(scoreboard.TARGET_COLUMNS, [scoreboard.target_cells(row) for row in means])
    say("lift over the status quo, CNY a person; * not to be trusted: too few trajectories carry the weight")
