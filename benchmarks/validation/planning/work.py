"""The kinds of work that the ladder asks for: a policy played in a world, twins read, beliefs learnt, a shape looked at."""

import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from cardarena.agents.arms import NEED, Arms, best_arm
from cardarena.agents.beliefs import (
    Belief,
    BeliefPolicy,
    future_lesson,
    learn_future,
    learn_worth,
    lesson,
)
from cardarena.agents.planning import LadderPolicy, Rule, futures
from cardarena.benchmarks.storage import write_atomic
from cardarena.benchmarks.validation.planning import paths, twins
from cardarena.benchmarks.validation.planning.jobs import Answer, Settings, digest
from cardarena.benchmarks.validation.planning.variants import VARIANTS
from cardarena.benchmarks.validation.planning.worlds import (
    burned_in,
    hooked,
    kept_over_night,
    play,
    under_variant,
)
from cardarena.simulator.behaviour.person import NEED_FALSE_PRECURSOR, NEED_ON, NEED_PRECURSOR
from cardarena.simulator.contracts import Contacts, View
from cardarena.simulator.names import N_CHANNELS
from cardarena.simulator.oracle import Truth
from cardarena.simulator.world import World

FULL: Final = "full"
BELIEF: Final = "belief"
#: Load over tolerance, and annoyance, at which the planner's threshold is asked for.
LOAD_GRID: Final = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)
ANNOYANCE_GRID: Final = (0.0, 0.1, 0.2, 0.4, 0.6)
_NEVER: Final = -1_000
_SHAPE_EVERY_DAYS: Final = 30


def _world(settings: Settings, scratch: Path) -> World:
    n, overrides = settings["cardholders"], settings["overrides"]
    folder = scratch / f"worlds-{digest([n, overrides])}"
    base = burned_in(settings["seed"], n, overrides, folder)
    return under_variant(base, VARIANTS[settings["variant"]], overrides)


def _policy(settings: Settings, scratch: Path) -> LadderPolicy:
    rule = Rule.from_json(settings["rule"])
    if settings.get("sight", FULL) == FULL:
        return LadderPolicy(rule=rule)
    return BeliefPolicy(_read(scratch / settings["belief"]), rule=rule)


def _read(path: Path) -> Any:
    # Written by this experiment itself, under its own folder.
    return pickle.loads(path.read_bytes())


def _write(scratch: Path, name: str, content: Any) -> str:
    scratch.mkdir(parents=True, exist_ok=True)
    data = pickle.dumps(content)
    write_atomic(scratch / name, lambda file: file.write(data))
    return name


def prepare(settings: Settings, scratch: Path) -> Answer:
    """Burn a world in, so that no two workers do it at once."""
    world = _world({**settings, "variant": "base"}, scratch)
    return {"open": int((world.state.people["alive"] == 1).sum())}


def played(settings: Settings, scratch: Path) -> Answer:
    """Play a rule in a world; the answer is a `worlds.Played`."""
    variant = VARIANTS[settings["variant"]]
    result = play(
        _world(settings, scratch),
        _policy(settings, scratch),
        settings["horizons"],
        run_out_days=settings["run_out_days"],
        is_placebo=variant.is_placebo,
    )
    return asdict(result)


def read_paths(settings: Settings, scratch: Path) -> Answer:
    """Read shadow prices along paths in a training world; the answer names the file that holds them."""
    variant = VARIANTS[settings["variant"]]
    world = _world(settings, scratch)
    readings = paths.read_world(
        world,
        _policy(settings, scratch),
        settings["fork_days"],
        look_ahead=settings["look_ahead"],
        lasting_days=settings["lasting_days"],
        is_placebo=variant.is_placebo,
    )
    known = (
        {} if variant.is_placebo else paths.analytic(world, kept_over_night(world), settings["lasting_days"])
    )
    name = _write(scratch, f"readings-{digest(settings)}.pickle", readings)
    return {"file": name, "known": known}


def fit_paths(settings: Settings, scratch: Path) -> Answer:
    """Fit shadow prices to the readings of several files; the answer is a `paths.Fit`."""
    readings = paths.joined([_read(scratch / name) for name in settings["files"]])
    return asdict(paths.fit(readings, settings["known"]))


def read_twins(settings: Settings, scratch: Path) -> Answer:
    """Push stocks in a training world; the answer is the mean price of each stock, its error, and the number of readings."""
    readings = twins.read_world(
        _world(settings, scratch),
        _policy(settings, scratch),
        settings["fork_days"],
        look_ahead=settings["look_ahead"],
        lasting_days=settings["lasting_days"],
        is_placebo=VARIANTS[settings["variant"]].is_placebo,
    )
    out = {}
    for name, price in readings.items():
        n = len(price)
        error = float(price.std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0
        out[name] = [float(price.mean()) if n else 0.0, error, n]
    return out


class _Watch(LadderPolicy):
    """Keeps what lessons need: the day's view, seen by the bank and in truth, every so many days."""

    def __init__(self, rule: Rule, every: int) -> None:
        super().__init__(rule=rule)
        self.features = BeliefPolicy.features
        self.every, self.lessons, self.rows = every, [], 0

    def seen(self, view: View, arms: Any, outlook: Any, contacts: Contacts) -> None:
        if view.day % self.every == 0:
            allowed = np.flatnonzero((view["is_open"] > 0) & np.isfinite(arms.value).any(axis=1))
            self.lessons.append(lesson(self.generator, view.truth, view, allowed))


def learn_belief(settings: Settings, scratch: Path) -> Answer:
    """Learn what a contact is worth from what the bank sees, on training worlds under a tuned price."""
    lessons = []
    for seed in settings["seeds"]:
        policy = _Watch(Rule.from_json(settings["rule"]), settings["every"])
        _world({**settings, "seed": seed}, scratch).play(policy, settings["days"])
        lessons += policy.lessons
    belief = learn_worth(lessons)
    held = lessons[-1]
    guess = belief.worth.predict(held.x)
    fit = float(np.corrcoef(guess, held.gain)[0, 1])
    return {"file": _write(scratch, f"belief-{digest(settings)}.pickle", belief), "correlation": fit}


class _FutureWatch(BeliefPolicy):
    """Plays on beliefs and keeps what lessons about the future need; looks at the truth, so it never competes."""

    def __init__(self, belief: Belief, rule: Rule, shadow: Rule, every: int) -> None:
        super().__init__(belief, rule=rule)
        self.oracle, self.league = True, "privileged"
        self.shadow, self.every, self.lessons = shadow, every, []

    def decide(self, view: View) -> Contacts:
        if view.day % self.every == 0:
            self.lessons.append(future_lesson(self, self.shadow, view.truth, view))
        return super().decide(view)


def learn_belief_future(settings: Settings, scratch: Path) -> Answer:
    """Learn what a contact does to the future from what the bank sees, with shadow prices read under the belief policy."""
    belief = _read(scratch / settings["belief"])
    rule, shadow = Rule.from_json(settings["rule"]), Rule.from_json(settings["shadow"])
    lessons = []
    for seed in settings["seeds"]:
        policy = _FutureWatch(belief, rule, shadow, settings["every"])
        _world({**settings, "seed": seed}, scratch).play(policy, settings["days"])
        lessons += policy.lessons
    learnt = learn_future(belief, lessons, N_CHANNELS)
    return {"file": _write(scratch, f"belief-future-{digest(settings)}.pickle", learnt)}


class _ShapeWatch(LadderPolicy):
    """Counts what kind of contacts a rung makes, and asks for its threshold under other loads and annoyances."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule=rule)
        self.by_need = np.zeros(4, dtype=np.int64)
        self.gap_days = np.zeros(3)
        self.gaps = np.zeros(3, dtype=np.int64)
        self.by_load = np.zeros(len(LOAD_GRID))
        self.by_annoyance = np.zeros(len(ANNOYANCE_GRID))
        self.asked = 0
        self.last: Any = None

    def seen(self, view: View, arms: Any, outlook: Any, contacts: Contacts) -> None:
        people = view.truth.people
        if self.last is None:
            self.last = np.full(view.n, _NEVER)
            self.tercile = np.searchsorted(
                np.quantile(people["tolerance"], [1 / 3, 2 / 3]), people["tolerance"]
            )
        who = contacts.cardholder
        need = people["need"][who, self.market.category[contacts.offer]]
        self.by_need += np.bincount(need, minlength=4)
        before = self.last[who]
        again = before > _NEVER
        np.add.at(self.gaps, self.tercile[who[again]], 1)
        np.add.at(self.gap_days, self.tercile[who[again]], view.day - before[again])
        self.last[who] = view.day
        if self.rule.plans and view.day % _SHAPE_EVERY_DAYS == 0:
            self._ask(view)

    def _ask(self, view: View) -> None:
        """Add the mean threshold of the same people under each load and each annoyance."""
        self.asked += 1
        arms, outlook = self.look(view.truth, view.day, view)
        assert outlook is not None
        # Who would be worth a thought as things are; the question must not change who is asked.
        who = np.flatnonzero(outlook.chance > 1.0)
        channels = self.generator.channels
        for at, load in enumerate(LOAD_GRID):
            people = view.truth.people
            share = load * people["tolerance"] / len(channels)
            people["load"] = 0.0
            people["load"][:, channels] = share[:, None]
            self.by_load[at] += self._threshold(view, people, arms, who)
        for at, annoyance in enumerate(ANNOYANCE_GRID):
            people = view.truth.people
            people["annoyance"] = annoyance
            self.by_annoyance[at] += self._threshold(view, people, arms, who)

    def _threshold(self, view: View, people: np.ndarray, as_is: Arms, who: np.ndarray) -> float:
        """Return the least one-step value, CNY, at which these people would be contacted, over the same contacts.

        A contact whose category is no longer among a person's candidates is left out.
        """
        arms = self.generator.arms(view.truth, view.day, view=view, taken=self.waiting, people=people)
        outlook = self.lookout.outlook(view.truth, arms, view.day, people)
        future = futures(self.rule, arms, outlook, self.generator.category)
        # What ends the need is part of what the contact achieves, and no cost of load or annoyance.
        lasting = future.sum(axis=2) - future[:, :, NEED]
        best, _ = best_arm(as_is.value)
        rows = np.arange(len(best))
        offer, channel = as_is.offer[rows, best], as_is.channel[rows, best]
        same = (arms.offer == offer[:, None]) & (arms.channel == channel[:, None]) & np.isfinite(arms.value)
        asked = who[same[who].any(axis=1)]
        if not asked.size:
            return 0.0
        cost = lasting[asked, same[asked].argmax(axis=1)]
        return float(self.rule.price - self.rule.weight * cost.mean())


def shape(settings: Settings, scratch: Path) -> Answer:
    """Look at what a rung does: when in a need, how far apart, up to which load, and how much near the end."""
    policy = _ShapeWatch(Rule.from_json(settings["rule"]))
    world = hooked(_world(settings, scratch))
    world.play(policy, settings["days"])
    need = policy.by_need
    return {
        "off": int(need[0]),
        "precursor": int(need[NEED_PRECURSOR] + need[NEED_FALSE_PRECURSOR]),
        "on": int(need[NEED_ON]),
        "gaps": policy.gaps.tolist(),
        "gap_days": policy.gap_days.tolist(),
        "by_load": (policy.by_load / max(1, policy.asked)).tolist(),
        "by_annoyance": (policy.by_annoyance / max(1, policy.asked)).tolist(),
    }


def future_by_stock(settings: Settings, scratch: Path) -> Answer:
    """Return what the contacts that a planner makes do to the future by each stock, CNY a contact, on one day a month."""
    rule = Rule.from_json(settings["rule"])
    policy = LadderPolicy(rule=rule)
    world = hooked(_world(settings, scratch))
    total, count = None, 0
    for start in range(0, settings["days"], _SHAPE_EVERY_DAYS):
        world.play(policy, min(_SHAPE_EVERY_DAYS, settings["days"] - start), reset=start == 0)
        truth = Truth(world.state, world.rules, world.order, 0)
        arms, outlook = policy.look(truth, world.day)
        if outlook is None:
            break
        future = futures(rule, arms, outlook, policy.generator.category)
        arm, best = best_arm(arms.value + rule.weight * future.sum(axis=2))
        rows = np.flatnonzero(best > rule.price)
        sums = future[rows, arm[rows]].sum(axis=0)
        total = sums if total is None else total + sums
        count += rows.size
    return {"by_stock": [] if total is None else (total / max(1, count)).tolist(), "contacts": count}


KINDS: Final = {
    "prepare": prepare,
    "played": played,
    "read_paths": read_paths,
    "fit_paths": fit_paths,
    "read_twins": read_twins,
    "learn_belief": learn_belief,
    "learn_belief_future": learn_belief_future,
    "shape": shape,
    "future_by_stock": future_by_stock,
}
