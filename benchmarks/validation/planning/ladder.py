"""The ladder itself: tune every rung with as many trials, read the shadow prices, play all rungs on seeds of their own.

Nothing is tuned or learnt on an evaluation seed. All rungs of one sight choose among the same candidates, so what separates
the planner from the tuned price is planning; what separates the two sights is knowledge.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np

from cardarena.agents.arms import STOCKS
from cardarena.agents.planning import Rule
from cardarena.benchmarks.validation.findings import Tell
from cardarena.benchmarks.validation.planning.jobs import Answer, Jobs, Task
from cardarena.benchmarks.validation.planning.variants import ABLATIONS, VARIANTS
from cardarena.benchmarks.validation.planning.work import BELIEF, FULL
from cardarena.benchmarks.validation.planning.worlds import N_SEGMENTS, RUN_OUT_DAYS

#: Trials of each rung: five on its grid, two between the best and its neighbours.
PRICE_GRID: Final = (0.0, 0.5, 2.0, 5.0, 12.0)
PLAN_GRID: Final = (0.0, 0.3, 1.0, 2.5, 6.0)
#: A price at which nobody is contacted.
_NOBODY: Final = 1e9


@dataclass(frozen=True)
class Sizes:
    """How large the experiment is.

    Attributes:
        cardholders: people a world.
        seeds: evaluation seeds.
        train_seeds: seeds for tuning and twins; none of the evaluation's.
        days: decision days of the ladder.
        control_days: decision days of the controls and ablations.
        control_seeds: how many of the evaluation seeds they use.
        run_out_days: days under the caretaker.
        fork_every: days between twins.
        look_ahead: days that twins live.
        rounds: rounds of policy improvement of the base; the others start from its planner and take one.
        with_beliefs: whether the rungs on beliefs are played.
        variants: names of the variants beside the base.
        overrides: candidate parameter set, put over every scenario.
    """

    cardholders: int = 1000
    seeds: tuple[int, ...] = (9001, 9002, 9003, 9004, 9005, 9006)
    train_seeds: tuple[int, ...] = (19001, 19002)
    days: int = 365
    control_days: int = 180
    control_seeds: int = 4
    run_out_days: int = RUN_OUT_DAYS
    fork_every: int = 25
    look_ahead: int = 120
    rounds: int = 2
    with_beliefs: bool = True
    variants: tuple[str, ...] = tuple(name for name in VARIANTS if name != "base")
    overrides: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        """Refuse to tune on what is evaluated."""
        both = set(self.seeds) & set(self.train_seeds)
        if both:
            raise ValueError(f"train_seeds: expected none of the evaluation seeds, found {sorted(both)}")

    @property
    def horizons(self) -> tuple[int, ...]:
        """Return the horizons of the base: those of 30, 90, 180 and all days that fit."""
        return tuple(sorted({h for h in (30, 90, 180) if h < self.days} | {self.days}))

    @property
    def fork_days(self) -> tuple[int, ...]:
        """Return the days on which twins are made, within half a year."""
        last = min(self.days, 180)
        first = min(15, last)
        return tuple(range(first, last + 1, self.fork_every))


@dataclass
class Rung:
    """One rung, tuned and played.

    Attributes:
        rule: what it ranks by.
        sight: `full` or `belief`.
        inv: shape (seeds, horizons), INV by evaluation seed, CNY a head.
        delivered: contacts a head over the longest horizon, by seed.
        cost: their cost a head, CNY, by seed.
        refusals: expected refusals a head, by seed.
        daily: shape (seeds, days), delivered contacts a head on each decision day.
        trials: (price, mean INV on the training seeds, contacts a head), in order.
        belief: file of what was learnt, for the sight `belief`.
    """

    rule: Rule
    sight: str
    inv: list[list[float]] = field(default_factory=list[list[float]])
    delivered: list[float] = field(default_factory=list[float])
    cost: list[float] = field(default_factory=list[float])
    refusals: list[float] = field(default_factory=list[float])
    daily: list[list[float]] = field(default_factory=list[list[float]])
    trials: list[tuple[float, float, float]] = field(default_factory=list[tuple[float, float, float]])
    belief: str = ""

    @property
    def last(self) -> np.ndarray:
        """Return INV over the longest horizon, shape (seeds,)."""
        return np.array([row[-1] for row in self.inv])


class Ladder:
    """Plays the rungs in one variant.

    States: nothing known -> silent arms known -> tuned -> planned -> played. Each step asks the desk, which remembers.
    """

    def __init__(self, jobs: Jobs, sizes: Sizes, variant: str, tell: Tell) -> None:
        """Take the desk, the sizes and the variant's name; the base has all horizons and seeds."""
        self.jobs, self.sizes, self.variant, self.tell = jobs, sizes, variant, tell
        is_base = variant == "base"
        self.seeds = sizes.seeds if is_base else sizes.seeds[: sizes.control_seeds]
        control = min(sizes.control_days, sizes.days)
        self.horizons = sizes.horizons if is_base else (control,)
        self.rungs: dict[str, Rung] = {}
        self._silent: dict[int, Answer] = {}
        self.fits: list[Answer] = []

    # --- playing

    def _settings(self, seed: int, rule: Rule, sight: str = FULL, belief: str = "") -> dict[str, Any]:
        more = {"sight": sight, "belief": belief} if sight != FULL else {}
        return {
            "variant": self.variant,
            "seed": seed,
            "cardholders": self.sizes.cardholders,
            "overrides": dict(self.sizes.overrides),
            "rule": rule.to_json(),
            "horizons": list(self.horizons),
            "run_out_days": self.sizes.run_out_days,
            **more,
        }

    def _play(
        self, what: str, rules: Sequence[Rule], seeds: Sequence[int], sight: str, belief: str
    ) -> list[list[Answer]]:
        tasks: list[Task] = [
            ("played", self._settings(seed, _nameless(rule), sight, belief))
            for rule in rules
            for seed in seeds
        ]
        answers = self.jobs.run(f"{self.variant}: {what}", tasks)
        width = len(seeds)
        return [answers[n * width : (n + 1) * width] for n in range(len(rules))]

    def silent(self) -> None:
        """Play the silent arm of every seed."""
        seeds = (*self.sizes.train_seeds, *self.seeds)
        nobody = Rule(price=_NOBODY)
        self._silent = dict(zip(seeds, self._play("silent arms", [nobody], seeds, FULL, "")[0], strict=True))

    def _inv(self, answer: Answer, seed: int) -> np.ndarray:
        return np.array(answer["value"]) - np.array(self._silent[seed]["value"])

    # --- tuning

    def tune(
        self,
        name: str,
        make: Callable[[float], Rule],
        grid: Sequence[float],
        sight: str = FULL,
        belief: str = "",
    ) -> Rung:
        """Choose a rung's price on the training seeds by INV over the longest horizon: the grid, then two between."""
        known: dict[float, tuple[float, float]] = {}
        segments: dict[float, np.ndarray] = {}
        wanted = list(grid)
        for _ in range(2):
            for price, answers in zip(
                wanted,
                self._play(
                    f"tuning {name}", [make(p) for p in wanted], self.sizes.train_seeds, sight, belief
                ),
                strict=True,
            ):
                pairs = list(zip(answers, self.sizes.train_seeds, strict=True))
                known[price] = (
                    float(np.mean([self._inv(a, s)[-1] for a, s in pairs])),
                    float(np.mean([a["delivered"][-1] for a in answers])),
                )
                segments[price] = np.mean(
                    [
                        np.array(a["by_segment"][-1]) - np.array(self._silent[s]["by_segment"][-1])
                        for a, s in pairs
                    ],
                    axis=0,
                )
            wanted = _between(known)
        best = max(known, key=lambda price: (round(known[price][0], 9), -price))
        rung = Rung(make(best), sight, belief=belief)
        rung.trials = [(price, *known[price]) for price in sorted(known)]
        self._segments = segments
        self.rungs[name] = rung
        return rung

    def segment_price(self) -> Rung:
        """Choose a price a segment from the trials of the one price: people do not interact, so they need no more."""
        prices = sorted(self._segments)
        table = np.array([self._segments[price] for price in prices])
        chosen = tuple(float(prices[int(table[:, s].argmax())]) for s in range(N_SEGMENTS))
        rung = Rung(Rule("segment price", segment_prices=chosen), FULL)
        rung.trials = list(self.rungs["price"].trials)
        self.rungs["segment_price"] = rung
        return rung

    # --- planning

    def _reading(self, kind: str, policy: Rung, seed: int, fork_days: Sequence[int]) -> Task:
        settings = self._settings(seed, _nameless(policy.rule), policy.sight, policy.belief)
        del settings["horizons"], settings["run_out_days"]
        # On average half of the horizon is left, and the caretaker makes a third as much of the run-out.
        lasting = self.horizons[-1] / 2 + self.sizes.run_out_days / 3
        asked = {"fork_days": list(fork_days), "look_ahead": self.sizes.look_ahead, "lasting_days": lasting}
        return kind, settings | asked

    def learn(self, policy: Rung) -> Answer:
        """Read shadow prices on the training seeds under a policy, and fit them to the state."""
        # A control asks half as often: it starts from the base's planner.
        days = self.sizes.fork_days if self.variant == "base" else self.sizes.fork_days[::2]
        tasks = [self._reading("read_paths", policy, seed, days) for seed in self.sizes.train_seeds]
        answers = self.jobs.run(f"{self.variant}: reading shadow prices", tasks)
        settings = {"files": [answer["file"] for answer in answers], "known": answers[0]["known"]}
        fit = self.jobs.run(f"{self.variant}: fitting shadow prices", [("fit_paths", settings)])[0]
        self.fits.append(fit)
        return fit

    def check(self, policy: Rung) -> dict[str, list[float]]:
        """Return each stock's mean price by paths and by twins, and the twins' error, under a policy."""
        fit = self.learn(policy)
        self.fits.pop()
        days = self.sizes.fork_days[::2]
        tasks = [self._reading("read_twins", policy, seed, days) for seed in self.sizes.train_seeds]
        answers = self.jobs.run(f"{self.variant}: twins", tasks)
        out = {}
        for stock in STOCKS:
            means, errors, counts = np.array([answer[stock] for answer in answers]).T
            total = max(1.0, counts.sum())
            error = float(np.sqrt(((counts * errors) ** 2).sum()) / total)
            out[stock] = [float(fit["mean"][stock]), float((counts * means).sum() / total), error]
        return out

    def plan(self, first: Rung, rounds: int) -> Rung:
        """Improve a policy by its own shadow prices, a few rounds, then tune its price; and the index beside it."""
        current, fit = first, {}
        for left in range(rounds, 0, -1):
            fit = self.learn(current)
            make = _maker("planner", fit["shadow"])
            # On the way a short grid will do; the last round has as many trials as every other rung.
            current = self.tune("planner", make, PLAN_GRID if left == 1 else PLAN_GRID[:3])
        self.tune("index", _maker("index", fit["constant"]), PLAN_GRID)
        return self.rungs["planner"]

    def plan_on_beliefs(self) -> None:
        """Learn what a bank may believe, tune the price on it, read its shadow prices, and plan with them."""
        price = self.rungs["price"]
        common = {
            "variant": self.variant,
            "cardholders": self.sizes.cardholders,
            "overrides": dict(self.sizes.overrides),
            "seeds": list(self.sizes.train_seeds),
            "days": min(self.sizes.days, 180),
            "every": 15,
        }
        settings = {**common, "rule": _nameless(price.rule).to_json()}
        learnt = self.jobs.run("beliefs: worth", [("learn_belief", settings)])[0]
        belief = learnt["file"]
        self.rungs["belief_greedy"] = Rung(Rule("greedy on beliefs"), BELIEF, belief=belief)
        tuned = self.tune("belief_price", lambda p: Rule("price on beliefs", p), PRICE_GRID, BELIEF, belief)
        fit = self.learn(tuned)
        shadow = _maker("shadow", fit["shadow"])(0.0)
        settings = {
            **common,
            "belief": belief,
            "rule": _nameless(tuned.rule).to_json(),
            "shadow": _nameless(shadow).to_json(),
        }
        with_future = self.jobs.run("beliefs: the future", [("learn_belief_future", settings)])[0]["file"]
        self.tune(
            "belief_planner",
            lambda p: Rule("planner on beliefs", p, weight=1.0),
            PLAN_GRID,
            BELIEF,
            with_future,
        )

    def matched(self) -> None:
        """Add the one price at which the training seeds' volume is the planner's: equal contacts, no planning."""
        planner = self.rungs["planner"]
        volume = next(v for price, _, v in planner.trials if price == planner.rule.price)
        trials = sorted(self.rungs["price"].trials, key=lambda trial: trial[2])
        volumes, roots = [t[2] for t in trials], [np.sqrt(t[0]) for t in trials]
        price = float(np.interp(volume, volumes, roots)) ** 2
        self.rungs["price_at_volume"] = Rung(Rule("price at the planner's volume", round(price, 4)), FULL)

    # --- evaluation

    def evaluate(self) -> None:
        """Play every rung on the evaluation seeds."""
        for name, rung in self.rungs.items():
            answers = self._play(f"evaluating {name}", [rung.rule], self.seeds, rung.sight, rung.belief)[0]
            pairs = list(zip(answers, self.seeds, strict=True))
            rung.inv = [self._inv(a, s).tolist() for a, s in pairs]
            rung.delivered = [a["delivered"][-1] for a in answers]
            rung.cost = [a["cost"][-1] for a in answers]
            rung.refusals = [a["refusals"][-1] for a in answers]
            rung.daily = [[x / a["n0"] for x in a["daily"]] for a in answers]

    def shapes(self) -> dict[str, list[Answer]]:
        """Look at what the tuned price and the planner do, on the evaluation seeds."""
        found = {}
        for name in ("price", "planner"):
            tasks: list[Task] = []
            for seed in self.seeds[:2]:
                settings = self._settings(seed, _nameless(self.rungs[name].rule))
                del settings["horizons"], settings["run_out_days"]
                tasks.append(("shape", {**settings, "days": min(self.sizes.days, 180)}))
            found[name] = self.jobs.run(f"{self.variant}: the shape of {name}", tasks)
        return found

    def by_stock(self) -> dict[str, float]:
        """Return what a contact of the planner does to the future by each stock, CNY, on the evaluation seeds."""
        tasks: list[Task] = []
        for seed in self.seeds[:2]:
            settings = self._settings(seed, _nameless(self.rungs["planner"].rule))
            del settings["horizons"], settings["run_out_days"]
            tasks.append(("future_by_stock", {**settings, "days": min(self.sizes.days, 180)}))
        answers = self.jobs.run(f"{self.variant}: the future by stock", tasks)
        values = [a["by_stock"] for a in answers if a["by_stock"]]
        return dict(zip(STOCKS, np.mean(values, axis=0).tolist(), strict=True)) if values else {}


def _nameless(rule: Rule) -> Rule:
    """Return the rule without its name, so that equal rules are played once."""
    return replace(rule, name="")


def _maker(name: str, shadow: Mapping[str, Sequence[float]]) -> Callable[[float], Rule]:
    prices = {stock: tuple(float(b) for b in values) for stock, values in shadow.items()}
    return lambda price: Rule(name, float(price), weight=1.0, shadow=prices)


def _between(known: Mapping[float, tuple[float, float]]) -> list[float]:
    """Return two prices to try next: half way, in square roots, from the best to each neighbour."""
    prices = sorted(known)
    best = max(prices, key=lambda price: known[price][0])
    at = prices.index(best)
    low = prices[at - 1] if at > 0 else None
    high = prices[at + 1] if at + 1 < len(prices) else None
    root = np.sqrt(best)
    if low is None:
        assert high is not None
        steps = [root + (np.sqrt(high) - root) * share for share in (1 / 3, 2 / 3)]
    elif high is None:
        steps = [0.5 * (np.sqrt(low) + root), 1.3 * root]
    else:
        steps = [0.5 * (np.sqrt(low) + root), 0.5 * (np.sqrt(high) + root)]
    return [round(float(step) ** 2, 4) for step in steps]


@dataclass
class Results:
    """Everything that was measured, as plain data.

    Attributes:
        sizes: the settings.
        rungs: the base's rungs by name.
        controls: by variant, the rungs `price` and `planner`.
        fits: the base's shadow prices, round by round.
        shapes: what the price and the planner do.
        by_stock: what the planner's contacts do to the future, CNY a contact.
        checks: by stock, its mean shadow price by paths, by twins, and the twins' standard error.
    """

    sizes: Sizes
    rungs: dict[str, Rung]
    controls: dict[str, dict[str, Rung]]
    fits: list[Answer]
    shapes: dict[str, list[Answer]]
    by_stock: dict[str, float]
    checks: dict[str, list[float]]


def climb(sizes: Sizes, jobs: Jobs, tell: Tell) -> Results:
    """Play the whole ladder, its controls and its ablations; what is known already is not played again."""
    every = (*sizes.train_seeds, *sizes.seeds)
    shared = {"cardholders": sizes.cardholders, "overrides": dict(sizes.overrides)}
    with jobs.open():
        jobs.run("burn-in", [("prepare", {**shared, "seed": seed}) for seed in every])
        base = Ladder(jobs, sizes, "base", tell)
        base.silent()
        base.rungs["greedy"] = Rung(Rule("greedy"), FULL)
        price = base.tune("price", lambda p: Rule("price", p), PRICE_GRID)
        base.segment_price()
        planner = base.plan(price, sizes.rounds)
        base.matched()
        if sizes.with_beliefs:
            base.plan_on_beliefs()
        base.evaluate()
        controls = {name: control(jobs, sizes, name, planner, tell) for name in sizes.variants}
        checks = base.check(price)
        return Results(sizes, base.rungs, controls, base.fits, base.shapes(), base.by_stock(), checks)


def control(jobs: Jobs, sizes: Sizes, variant: str, start: Rung, tell: Tell) -> dict[str, Rung]:
    """Tune the price and plan anew in another variant, from the base's planner on."""
    ladder = Ladder(jobs, sizes, variant, tell)
    ladder.silent()
    ladder.tune("price", lambda p: Rule("price", p), PRICE_GRID)
    fit = ladder.learn(start)
    ladder.tune("planner", _maker("planner", fit["shadow"]), PLAN_GRID)
    ladder.evaluate()
    return ladder.rungs


def plain(results: Results) -> dict[str, Any]:
    """Return the results as plain data for a file."""
    return asdict(results)


__all__ = ["ABLATIONS", "Ladder", "Results", "Rung", "Sizes", "climb", "control", "plain"]
