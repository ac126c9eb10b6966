"""Worlds at rest under a variant, nights with a measurement in them, and incremental net value by horizon."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from cardarena.agents.registry import make_policy
from cardarena.benchmarks.run_tables import MFEN_PER_CNY, PPM, discount_ppm
from cardarena.benchmarks.validation.planning.variants import Variant
from cardarena.simulator.bank.records import NEVER
from cardarena.simulator.behaviour.census import STATE_MEASURES
from cardarena.simulator.behaviour.parameters import PARAMETERS, parameter_names
from cardarena.simulator.contracts import Policy
from cardarena.simulator.names import Kind, Status
from cardarena.simulator.scenario import Scenario, load_scenario
from cardarena.simulator.schedulers.evening import Evening
from cardarena.simulator.state import WorldState
from cardarena.simulator.world import World

DISCOUNT: Final = 0.10
RUN_OUT_DAYS: Final = 180
#: Stocks that the placebo deals anew; each on its own, so that only their marginals stay.
_DEALT: Final = ("load", "blindness", "wear", "annoyance", "awareness", "benefit")
_DEALT_ABOUT_HOME: Final = ("satisfaction", "trust", "wallet")
_PLACEBO_STREAM: Final = 7_001


def variant_scenario(variant: Variant, overrides: Mapping[str, Any]) -> Scenario:
    """Return the base scenario under a variant, a candidate parameter set beneath it."""
    bare = load_scenario("baseline", overrides, known_parameters=parameter_names())
    given = dict(bare.parameters)
    shipped = {p.name: p.value for p in PARAMETERS}
    scaled = {
        f"parameters.{name}": (np.asarray(given.get(name, shipped[name])) * factor).tolist()
        for name, factor in variant.scaled.items()
    }
    # The learnt log belongs to the burn-in, which the base world brings along.
    merged = {**overrides, "logged_history": False, **variant.overrides, **scaled}
    return load_scenario("baseline", merged, known_parameters=parameter_names())


def under_variant(world: World, variant: Variant, overrides: Mapping[str, Any]) -> World:
    """Return a copy of a burned-in base world that goes on under the variant's rules.

    All variants begin with the same people in the same state, so that their gaps are paired too.
    """
    scenario = variant_scenario(variant, overrides)
    state = world.state.copy()
    closed = ~scenario.enabled_channels()
    state.accounts["permitted"][:, closed] = 0
    state.people["willing"][:, closed] = 0
    if scenario.offers.include != "all":
        # Codes are positions in the catalogue: what was under way has lost its meaning.
        state.people["live_offer"] = -1
        state.pending = state.pending[:0]
    return World(scenario, world.seed, world.traits, state)


def deal_stocks(state: WorldState, at_rest: WorldState, could_reach: np.ndarray) -> None:
    """Draw every stock anew from its marginal distribution on the first day: nothing that a contact did outlives the night.

    Args:
        state: changed in place, after midnight.
        at_rest: the state whose people lend their stocks, each stock from somebody else.
        could_reach: shape (n, channels), whether the channel reached the person before anything was decided.
    """
    luck = np.random.Generator(np.random.Philox(key=[state.luck, _PLACEBO_STREAM + (state.day << 16)]))
    people, accounts = state.people, state.accounts
    alive = np.flatnonzero(people["alive"] == 1)
    lent, had = at_rest.people, at_rest.accounts
    everybody = np.arange(people.size)
    for name in _DEALT:
        people[name][alive] = lent[name][luck.permutation(everybody)][alive]
    for name in _DEALT_ABOUT_HOME:
        about = (lent[name] - lent[f"{name}_home"])[luck.permutation(everybody)]
        people[name][alive] = np.clip(people[f"{name}_home"][alive] + about[alive], 0.0, 1.0)
    for c in range(could_reach.shape[1]):
        # As many have refused as on the first day, but others.
        holders = np.flatnonzero(could_reach[:, c])
        dealt = luck.permutation(holders)
        still = people["alive"][holders] == 1
        for name in ("permitted", "refused_day"):
            accounts[name][holders[still], c] = had[name][dealt[still], c]
    for name in ("week_ring", "month_ring"):
        accounts[name][alive] = had[name][luck.permutation(everybody)][alive]


def kept_over_night(world: World) -> dict[str, float]:
    """Return which share of each stock is left after a night."""
    q = world.rules.parameter[0]
    return {
        "load": float(q["load_keep"]),
        "annoyance": float(q["annoyance_keep"]),
        "blindness": float(q["blindness_keep"]),
        "wear": float(q["wear_keep"]),
        "awareness": float(q["awareness_keep"]),
        "satisfaction": 1.0 - float(q["satisfaction_return"]),
        "permission": 1.0,
        "account": 1.0,
        "need": 1.0,
    }


def could_reach(state: WorldState) -> np.ndarray:
    """Return whether each channel reaches the person or was refused, shape (n, channels): who may share the refusals."""
    return (state.accounts["permitted"] == 1) | (state.accounts["refused_day"] > NEVER)


def hooked(
    world: World,
    *,
    is_placebo: bool = False,
    meter: Callable[[WorldState], None] | None = None,
    at_rest: WorldState | None = None,
) -> World:
    """Attach the placebo and a meter to a world; return the same world.

    Args:
        world: changed in place.
        is_placebo: whether stocks are drawn anew every midnight.
        meter: called before each midnight.
        at_rest: the state from whose marginals they are drawn; the world's own by default.
    """
    after = None
    if is_placebo:
        # Known from the traits: the same at every fork of a run.
        rest = world.state.copy() if at_rest is None else at_rest
        reach = could_reach(rest)

        def deal(state: WorldState) -> None:
            deal_stocks(state, rest, reach)

        after = deal
    if after is not None or meter is not None:
        world.scheduler = Evening(world.scheduler, meter, after)
    return world


def at_forks(
    world: World, policy: Policy, fork_days: Sequence[int], *, is_placebo: bool = False
) -> Iterator[tuple[int, World]]:
    """Play a policy through a copy of a world and yield (number, the copy) on each fork day, for it to be forked.

    Args:
        world: at day 0; forked, not changed.
        policy: who decides.
        fork_days: days after whose midnight the copy is yielded, ascending.
        is_placebo: whether stocks are dealt anew every midnight.
    """
    run = hooked(world.fork(), is_placebo=is_placebo)
    done = 0
    for number, day in enumerate(fork_days):
        run.play(policy, day - done, reset=done == 0)
        done = day
        yield number, run


@dataclass
class Tally:
    """A day-by-day account of a run: sums only, in place of a log.

    Attributes:
        expected_mfen: expected margin of each day.
        delivered: marketing contacts delivered on each day.
        cost_mfen: what contacts cost on each day.
        opt_out_ppb: expected refusals of each day.
    """

    expected_mfen: list[int] = field(default_factory=list[int])
    delivered: list[int] = field(default_factory=list[int])
    cost_mfen: list[int] = field(default_factory=list[int])
    opt_out_ppb: list[int] = field(default_factory=list[int])

    def append(
        self, events: Sequence[np.ndarray], decisions: np.ndarray | None, census: np.ndarray | None
    ) -> None:
        """Take the rows of one day."""
        assert census is not None
        total = {}
        for name in ("expected_value_mfen", "expected_opt_out_ppb", "delivered"):
            total[name] = int(census["count"][census["measure"] == STATE_MEASURES.index(name)].sum())
        contacts = [rows[rows["kind"] == Kind.CONTACT] for rows in events]
        self.expected_mfen.append(total["expected_value_mfen"])
        self.opt_out_ppb.append(total["expected_opt_out_ppb"])
        self.delivered.append(sum(int((rows["code"] == Status.DELIVERED).sum()) for rows in contacts))
        self.cost_mfen.append(-sum(int(rows["value_mfen"].sum()) for rows in contacts))


@dataclass(frozen=True)
class Played:
    """What a policy came to in one world, by horizon; the silent arm is not taken off yet.

    Attributes:
        n0: accounts open on day 0.
        horizons: decision days, ascending.
        value: shape (horizons,), discounted expected margin a head, the run-out under the caretaker included, CNY.
        by_segment: shape (horizons, segments), the same summed over each segment and divided by `n0`.
        delivered: delivered contacts a head in the decision days, by horizon.
        cost: cost of contacts a head in the decision days, CNY, by horizon.
        refusals: expected refusals a head in the decision days, by horizon.
        daily: delivered contacts on each decision day, all heads.
    """

    n0: int
    horizons: tuple[int, ...]
    value: tuple[float, ...]
    by_segment: tuple[tuple[float, ...], ...]
    delivered: tuple[float, ...]
    cost: tuple[float, ...]
    refusals: tuple[float, ...]
    daily: tuple[int, ...]


N_SEGMENTS: Final = 6


def play(
    world: World,
    policy: Policy,
    horizons: Sequence[int],
    *,
    run_out_days: int = RUN_OUT_DAYS,
    is_placebo: bool = False,
) -> Played:
    """Play a policy for the longest horizon, and at the end of each horizon let a copy run out under the caretaker.

    What happens after a horizon is the same as if the policy had stopped there, since no rung looks at the calendar of the
    experiment; so one run serves all horizons.

    Args:
        world: at day 0; forked, not changed.
        policy: who decides.
        horizons: decision days, ascending.
        run_out_days: days under the caretaker after each.
        is_placebo: whether stocks are dealt anew every midnight.
    """
    last = horizons[-1]
    weights = discount_ppm(last + run_out_days, DISCOUNT)
    n = world.n
    person = np.zeros(n)
    start = world.fork()
    n0 = int((start.state.people["alive"] == 1).sum())
    segment = start.state.people["segment"].astype(np.int64)
    days = [0]

    def meter(state: WorldState) -> None:
        person[:] += state.people["expected_mfen"] * (weights[days[0]] / PPM)
        days[0] += 1

    run = hooked(start, is_placebo=is_placebo, meter=meter)
    tally = Tally()
    budget = world.scenario.budget_mfen(n, last)
    rows: dict[str, list[Any]] = {
        name: [] for name in ("value", "by_segment", "delivered", "cost", "refusals")
    }
    done = 0
    for horizon in horizons:
        run.play(policy, horizon - done, sink=tally, budget_mfen=budget, reset=done == 0)
        done = horizon
        rest = Tally()
        before = person.copy()
        after = hooked(run.fork(), is_placebo=is_placebo, meter=meter, at_rest=world.state)
        after.play(make_policy(world.scenario.horizon.run_out_policy), run_out_days, sink=rest)
        sums, person[:] = person.copy(), before
        days[0] = horizon
        expected = tally.expected_mfen + rest.expected_mfen
        total = sum(int(w) * v for w, v in zip(weights[: len(expected)], expected, strict=True))
        rows["value"].append(total / (PPM * MFEN_PER_CNY * n0))
        of_segment = np.bincount(segment, sums, minlength=N_SEGMENTS) / (MFEN_PER_CNY * n0)
        rows["by_segment"].append(tuple(of_segment.tolist()))
        rows["delivered"].append(sum(tally.delivered) / n0)
        rows["cost"].append(sum(tally.cost_mfen) / (MFEN_PER_CNY * n0))
        rows["refusals"].append(sum(tally.opt_out_ppb) * 1e-9 / n0)
    return Played(n0, tuple(horizons), **{k: tuple(v) for k, v in rows.items()}, daily=tuple(tally.delivered))


def burned_in(seed: int, n_cardholders: int, overrides: Mapping[str, Any], folder: Path) -> World:
    """Return the base world of a seed at day 0, from the folder if it is there."""
    path = folder / f"world-{seed}"
    if path.exists():
        return World.load(path)
    # Nobody here learns from the log, and joining it takes as long as the burn-in.
    scenario = load_scenario(
        "baseline", {**overrides, "logged_history": False}, known_parameters=parameter_names()
    )
    world = World.create(scenario, seed, n_cardholders).burn_in(make_policy)
    folder.mkdir(parents=True, exist_ok=True)
    world.save(path)
    return world
