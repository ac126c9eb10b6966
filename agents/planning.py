"""The planning ladder: one candidate generator, one loop, and rules that differ only in the index they rank by.

A contact is worth its one-step value and what it does to the future. The future enters as *shadow prices*: lambda_s is
what one unit of stock s (load, annoyance, wear, a permission, ...) is worth in margin to come, for a person in this
state, when the policy goes on. A contact is expected to change stock s by d_s, so

    index = one-step value + weight * sum_s lambda_s(state) d_s,    contact with the best candidate if index > price.

Naive greedy is weight 0 and price 0; a tuned price is weight 0; an index policy has one constant lambda a stock; the
planner lets lambda depend on the state: how much a person in need is worth, what is open today, how loaded he is. The
prices are learnt on training seeds (`benchmarks.validation.planning.paths`): expectations over luck that is not the run's.
Contacting today is weighed against waiting: what a contact takes from those of the coming days is in the prices.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from cardarena.agents.arms import (
    BY_CATEGORY,
    BY_CHANNEL,
    STOCKS,
    Arms,
    Generator,
    best_arm,
    opportunity,
)
from cardarena.agents.base import BasePolicy, Dial
from cardarena.agents.oracle import yuan_price
from cardarena.simulator.border import BUDGET_DAYS
from cardarena.simulator.contracts import Bools, Brief, Contacts, Feedback, Floats, View
from cardarena.simulator.names import N_CATEGORIES, N_CHANNELS
from cardarena.simulator.oracle import Truth

#: A person's potential is computed anew after so many days: traits do not move, permissions seldom do.
POTENTIAL_DAYS: Final = 28
#: The rule that `oracle_planner` plays.
RULE_FILE: Final = Path(__file__).with_name("oracle_planner.json")


@dataclass(frozen=True)
class Outlook:
    """What shadow prices may depend on; all money in CNY.

    Attributes:
        potential: shape (n,), value a day of contacts to a rested person, over all categories by the best channel.
        potential_of: shape (n, categories), the same by category.
        potential_by: shape (n, channels), the same of one channel, over all categories.
        potential_without: shape (n, channels), what the person would lose without that channel.
        chance: shape (n,), the best one-step value open today, at least 0.
        chance_of: shape (n, categories), the same by category.
        spell_of: shape (n, categories), value of such contacts day by day for as long as the need lasts or until it is met.
        card: shape (n,), margin a day of the spending on our card.
        exit: shape (n,), hazard a day of closing, times that margin a day.
        at_stake: shape (n,), by how much that margin moves with a unit of wallet utility.
        tolerance: shape (n,), load that halves attention.
        load: shape (n,), load over tolerance.
        annoyance: shape (n,).
    """

    potential: Floats
    potential_of: Floats
    potential_by: Floats
    potential_without: Floats
    chance: Floats
    chance_of: Floats
    spell_of: Floats
    card: Floats
    exit: Floats
    at_stake: Floats
    tolerance: Floats
    load: Floats
    annoyance: Floats


class Lookout:
    """Makes the `Outlook` of a day from the truth; keeps each person's potential for `POTENTIAL_DAYS`."""

    def __init__(self, generator: Generator) -> None:
        """Know the catalogue; nobody's potential yet."""
        self.generator = generator
        self._made = -10_000
        self._fixed: dict[str, Floats] = {}
        self._card: Floats = np.zeros(0)
        self._hazard: Floats = np.zeros(0)

    def _renew(self, truth: Truth, day: int) -> None:
        """Ask anew what everybody is worth when rested and in need."""
        value, self._card, self._hazard = self.generator.potential(truth, day)
        self._made = day
        best = value.max(axis=2)
        by, without = np.zeros((2, len(value), N_CHANNELS))
        for j, c in enumerate(self.generator.channels):
            by[:, c] = value[:, :, j].sum(axis=1)
            rest = np.delete(value, j, axis=2)
            without[:, c] = (best - (rest.max(axis=2) if rest.shape[2] else 0.0)).sum(axis=1)
        self._fixed = {
            "potential": best.sum(axis=1),
            "potential_of": best,
            "potential_by": by,
            "potential_without": without,
        }

    def outlook(self, truth: Truth, arms: Arms, day: int, people: np.ndarray | None = None) -> Outlook:
        """Return what the shadow prices depend on today; `people` in place of the truth's asks what if."""
        people = truth.people if people is None else people
        if day - self._made >= POTENTIAL_DAYS or day < self._made or len(self._card) != len(people):
            self._renew(truth, day)
        chance_of, p_end = opportunity(arms, self.generator.category)
        # A geometric sum over the days left: whoever surely buys today has no further contacts to lose.
        left = np.maximum(people["need_left"], 1)
        spell_of = chance_of * np.where(
            p_end > 1e-9, (1.0 - (1.0 - p_end) ** left) / np.maximum(p_end, 1e-9), left
        )
        wallet = people["wallet"]
        return Outlook(
            **self._fixed,
            chance=chance_of.max(axis=1),
            chance_of=chance_of,
            spell_of=spell_of,
            card=self._card * wallet,
            exit=self._hazard * self._card * wallet,
            at_stake=self._card * wallet * (1.0 - wallet),
            tolerance=people["tolerance"],
            load=people["load"].sum(axis=1) / people["tolerance"],
            annoyance=people["annoyance"],
        )


#: What each stock's shadow price is linear in. `ANALYTIC` terms have their coefficients from the model itself, the others
#: are learnt; the index policy has the constant alone, and does not price the need.
TERMS: Final[dict[str, tuple[str, ...]]] = {
    "load": ("potential", "chance", "potential x load", "chance x load", "1"),
    "annoyance": ("potential", "chance", "potential x annoyance", "at stake", "exit", "1"),
    "blindness": ("potential", "chance", "1"),
    "wear": ("potential of it", "chance of it", "1"),
    "awareness": ("potential of it", "chance of it", "1"),
    "satisfaction": ("potential", "chance", "at stake", "exit", "1"),
    "permission": ("lost without it", "potential by it", "1"),
    "account": ("potential", "card", "1"),
    "need": ("spell",),
}
#: What a stock does without any contact: it moves the wallet (`at stake`) and the hazard of closing (`exit`).
ANALYTIC: Final = ("at stake", "exit")


def design(stock: str, outlook: Outlook) -> Floats:
    """Return the terms of a stock's shadow price: shape (n, terms), (n, categories, terms) or (n, channels, terms)."""
    o = outlook
    n = len(o.potential)
    per_tolerance = 1.0 / o.tolerance
    columns: dict[str, Any] = {
        "load": {
            "potential": o.potential * per_tolerance,
            "chance": o.chance * per_tolerance,
            "potential x load": o.potential * o.load * per_tolerance,
            "chance x load": o.chance * o.load * per_tolerance,
            "1": np.ones(n),
        },
        "wear": {
            "potential of it": o.potential_of,
            "chance of it": o.chance_of,
            "1": np.ones((n, N_CATEGORIES)),
        },
        "need": {"spell": o.spell_of},
        "permission": {
            "lost without it": o.potential_without,
            "potential by it": o.potential_by,
            "1": np.ones((n, N_CHANNELS)),
        },
    }
    columns["awareness"] = columns["wear"]
    person = {
        "potential": o.potential,
        "chance": o.chance,
        "potential x annoyance": o.potential * o.annoyance,
        "at stake": o.at_stake,
        "card": o.card,
        "exit": o.exit,
        "1": np.ones(n),
    }
    terms = columns.get(stock, person)
    return np.stack([terms[name] for name in TERMS[stock]], axis=-1)


@dataclass(frozen=True)
class Rule:
    """What a rung of the ladder ranks by; plain numbers, so that it can be written down.

    Attributes:
        name: of the rung.
        price: what a contact's index must exceed, CNY.
        segment_prices: shape (segments,), added to `price` by segment; empty for one price.
        weight: of the future; 0 does not plan.
        shadow: coefficients of each stock's `TERMS`, CNY per unit of the stock; a stock left out is worth nothing.
    """

    name: str = "greedy"
    price: float = 0.0
    segment_prices: tuple[float, ...] = ()
    weight: float = 0.0
    shadow: dict[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])

    @property
    def plans(self) -> bool:
        """Whether the future enters at all."""
        return self.weight > 0.0 and bool(self.shadow)

    def with_price(self, price: float) -> "Rule":
        """Return the same rule at another price."""
        return replace(self, price=float(price))

    def to_json(self) -> dict[str, Any]:
        """Return the rule as plain data; `from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Rule":
        """Return the rule that `to_json` described."""
        shadow = {name: tuple(values) for name, values in data["shadow"].items()}
        return cls(data["name"], data["price"], tuple(data["segment_prices"]), data["weight"], shadow)


def futures(rule: Rule, arms: Arms, outlook: Outlook, category: np.ndarray) -> Floats:
    """Return what each candidate does to the future by each stock, CNY, shape (n, width, stocks)."""
    out = np.zeros_like(arms.change)
    rows = np.arange(len(arms.value))[:, None]
    for s, stock in enumerate(STOCKS):
        slopes = rule.shadow.get(stock)
        if slopes is None:
            continue
        price = design(stock, outlook) @ np.array(slopes)
        if stock in BY_CATEGORY:
            price = price[rows, category[arms.offer]]
        elif stock in BY_CHANNEL:
            price = price[rows, arms.channel]
        else:
            price = price[:, None]
        out[:, :, s] = price * arms.change[:, :, s]
    return out


class LadderPolicy(BasePolicy):
    """A rung: the candidates of the day, an index, a price. It sees the full state, and no luck.

    A placement that waits for a visit is not sent again before it was seen or lapsed; the bank knows that from feedback.

    Dial: price of a contact in CNY, in place of the rule's.
    """

    name, league = "ladder", "privileged"
    title = "A rung of the planning ladder"
    summary = "Ranks the common candidates by one-step value and the shadow prices of what they leave behind."
    oracle = True
    every_days = 1
    wants_feedback = True
    features = ("is_open",)
    kept = ("waiting",)
    dial_spec: ClassVar[Dial] = Dial("contact price, CNY", (0.0, 0.1, 0.5, 2.0), 0.0, 0.0)

    def __init__(self, dial: float | None = None, rule: Rule | None = None) -> None:
        """Take the rule; naive greedy without one."""
        super().__init__(dial)
        rule = Rule() if rule is None else rule
        self.rule = rule if dial is None else rule.with_price(dial)

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Forget what was placed."""
        super().reset(brief, policy_seed)
        self.generator = Generator(self.market)
        self.lookout = Lookout(self.generator)
        self.waiting: Bools = np.zeros((brief.n_cardholders, N_CHANNELS), dtype=np.bool_)
        self._placed = brief.channels["at_visit"] > 0

    def learn(self, feedback: Feedback) -> None:
        """Take note of placements that were seen, or lapsed."""
        self.waiting[feedback.cardholder, feedback.channel] = False

    def look(self, truth: Truth, day: int, view: View | None = None) -> tuple[Arms, Outlook | None]:
        """Return the candidates and, if the rule plans, what the shadow prices depend on."""
        people = truth.people
        arms = self.generator.arms(
            truth, day, view=view, taken=self.waiting, with_change=self.rule.plans, people=people
        )
        return arms, self.lookout.outlook(truth, arms, day, people) if self.rule.plans else None

    def index(self, arms: Arms, outlook: Outlook | None) -> Floats:
        """Return what each candidate is worth to this rule, CNY, shape (n, width)."""
        if outlook is None:
            return arms.one_step
        future = futures(self.rule, arms, outlook, self.generator.category).sum(axis=2)
        # A planner knows what a permission is worth to it, and does not need the assumed price.
        return np.round(arms.value + self.rule.weight * future, 9)

    def decide(self, view: View) -> Contacts:
        """Contact with the best candidate where its index exceeds the price."""
        arms, outlook = self.look(view.truth, view.day, view)
        index = self.index(arms, outlook)
        price = self.rule.price + view.contact_price_mfen * 1e-5
        if self.rule.segment_prices:
            price = price + np.array(self.rule.segment_prices)[view.truth.people["segment"]]
        price = np.broadcast_to(price, (view.n,))
        cost = self.market.budget_cny[arms.channel]
        share = view.budget_left_mfen * 1e-5 * self.every_days / BUDGET_DAYS
        rate = yuan_price(index, cost, price, share)
        arm, best = best_arm(index - rate * cost)
        rows = np.flatnonzero(best > price)
        chosen = arm[rows]
        contacts = self.request(
            view,
            rows,
            arms.offer[rows, chosen],
            arms.channel[rows, chosen],
            wanted_depth=arms.depth[rows, chosen],
            priority=self.market.per_yuan(index[rows, chosen], arms.channel[rows, chosen]),
            reason="index {index:.2f} CNY, of which one step {value:.2f} (price {price:.2f})",
            index=index[rows, chosen],
            value=arms.one_step[rows, chosen],
            price=price[rows],
        )
        return self.noted(view, arms, outlook, contacts)

    def noted(self, view: View, arms: Arms, outlook: Outlook | None, contacts: Contacts) -> Contacts:
        """Remember what was placed, let a measurement see the decision, and return its contacts."""
        placed = self._placed[contacts.channel]
        self.waiting[contacts.cardholder[placed], contacts.channel[placed]] = True
        self.seen(view, arms, outlook, contacts)
        return contacts

    def seen(self, view: View, arms: Arms, outlook: Outlook | None, contacts: Contacts) -> None:
        """Do nothing; a measurement may look over the policy's shoulder here."""


def read_rule(path: Path) -> Rule:
    """Return the rule in a JSON file that `benchmarks.validation.planning` wrote."""
    return Rule.from_json(json.loads(path.read_text(encoding="utf-8")))


class OraclePlanner(LadderPolicy):
    """The top of the planning ladder: sees the full state, knows what a contact costs the future, and no luck.

    Its rule is the file `agents/oracle_planner.json`: shadow prices learnt on training seeds over a year of `baseline`, by
    `python -m cardarena.benchmarks.validation.planning`, which writes such a file as `planner.json`; put another in its place
    and the policy plays that. It is no upper bound: the rule is linear and learnt where the horizon was a year.

    Dial: price of a contact in CNY, on top of the rule's and of the arena's.
    """

    name, league = "oracle_planner", "privileged"
    title = "Planning oracle"
    summary = "Knows the latent state and ranks contacts by one-step value and learnt shadow prices of what they leave behind."
    dial_spec: ClassVar[Dial] = Dial("contact price, CNY", (0.0, 0.5, 2.0, 5.0), 0.0, 0.0)

    def __init__(self, dial: float | None = None) -> None:
        """Read the shipped rule."""
        rule = read_rule(RULE_FILE)
        super().__init__(dial, rule)
        self.rule = rule.with_price(rule.price + self.dial)
