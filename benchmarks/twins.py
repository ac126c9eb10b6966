"""Twins: what every action would come to for each person, from the state in which the world is.

At a midnight the chosen people are copied, many lives each. In one copy nobody is contacted that day; in every other copy each
gets one action, where the rules allow it. Then all copies go on under the same policy. The lives of a person have a luck of
their own, which no run has, and it is the same for all actions: life for life, copies differ by the action alone, so that few
lives tell a small effect. A mean over lives is an expectation. The day's margin is counted by its conditional expectation,
which is integrated over the day's own luck already.

`expected_outcomes` is what a harness may ask for, and whoever fits or checks a planner: it knows nothing of the run's own luck
(policies lie in a layer below and compute expectations of their own). With
`realised_outcomes` the copies keep that luck. It serves scores that pair a run with its twin, and nobody who decides.

People do not interact in a twin: where a scenario has word of mouth, each hears what the neighbours felt yesterday, frozen.
The effect is then the direct one. Budgets, and the desk that works on complaints, stay outside.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import simpy
from numpy.typing import NDArray

from cardarena.agents.market import LATEST_MINUTE, SEND_MINUTE
from cardarena.agents.registry import make_policy
from cardarena.benchmarks.gathering import gathered
from cardarena.benchmarks.run_tables import MFEN_PER_CNY, PPM, discount_ppm
from cardarena.simulator.behaviour.neighbours import mean_mood
from cardarena.simulator.contracts import Bools, Contacts, Feedback, Floats, Ints, Policy, View
from cardarena.simulator.errors import CardArenaError, UnknownNameError
from cardarena.simulator.names import CHANNELS, DEPTHS, RESPONSES, Kind
from cardarena.simulator.rules import Rules
from cardarena.simulator.schedulers import Scheduler
from cardarena.simulator.schedulers.evening import Evening
from cardarena.simulator.setup import luck_key
from cardarena.simulator.state import WorldState
from cardarena.simulator.world import World

if TYPE_CHECKING:
    import pandas as pd

#: Lives that one copy of the world holds; more would not be faster.
LIVES_AT_ONCE: Final = 32_768
#: Discount a year, as in incremental net value.
DISCOUNT: Final = 0.10
NOTHING: Final = "nothing"
_PURCHASED: Final = RESPONSES.index("purchased")
_PPB: Final = 1e-9
_MARKETING: Final = 0


@dataclass(frozen=True, order=True)
class Action:
    """One contact.

    Attributes:
        offer: name of the offer.
        channel: name of the channel.
        depth: depth of personalisation.
    """

    offer: str
    channel: str
    depth: str = DEPTHS[0]

    def __str__(self) -> str:
        """Return `offer:channel`, and `:depth` unless it is generic; `parse` reads it."""
        parts = (self.offer, self.channel, *(() if self.depth == DEPTHS[0] else (self.depth,)))
        return ":".join(parts)

    @classmethod
    def parse(cls, text: str) -> "Action":
        """Read `offer:channel` or `offer:channel:depth`.

        Raises:
            CardArenaError: another form.

        Example:
            >>> Action.parse("double_points:sms")
            Action(offer='double_points', channel='sms', depth='generic')
        """
        parts = text.split(":")
        if not 2 <= len(parts) <= 3 or not all(parts):
            raise CardArenaError(f"action: expected OFFER:CHANNEL or OFFER:CHANNEL:DEPTH, found {text!r}")
        return cls(*parts)

    def codes(self, world: World) -> tuple[int, int, int]:
        """Return the codes of offer, channel and depth in this world.

        Raises:
            UnknownNameError: it has no such offer or channel, or there is no such depth.
        """
        for kind, name, known in (("channel", self.channel, CHANNELS), ("depth", self.depth, DEPTHS)):
            if name not in known:
                raise UnknownNameError(kind, name, known)
        offer = world.catalogue.code(self.offer)
        return offer, CHANNELS.index(self.channel), DEPTHS.index(self.depth)


@dataclass(frozen=True)
class Shares:
    """How a person's lives divide by whether something is bought with the action, and without it; each shape (people,).

    A life with the action and the life without it have the same luck, and the four shares add up to 1.

    Attributes:
        sure_things: bought in both.
        persuadables: bought with the action only.
        sleeping_dogs: bought without the action only.
        lost_causes: bought in neither.
    """

    sure_things: Floats
    persuadables: Floats
    sleeping_dogs: Floats
    lost_causes: Floats


@dataclass(frozen=True)
class TwinOutcomes:
    """What became of each person under each action. The first action is always to do nothing.

    Attributes:
        actions: their names, `nothing` first.
        cardholders: shape (people,), true ids.
        allowed: shape (people, actions), whether the rules allow the action now; whom they do not is left alone.
        category: shape (actions,), category of each action's offer; -1 for nothing.
        lives: shape (people, lives, actions), margin of each life, discounted, CNY.
        bought: of the same shape: bit k set where something of category k was bought on our card.
        complaints: shape (people, actions), marketing complaints expected, undiscounted.
        opt_outs: shape (people, actions), refusals of a channel expected, undiscounted.
        closed: shape (people, actions), share of the lives whose account was closed at the end.
        day: day of the world on which the twins begin.
        horizon_days: days that they live.
        policy_after: who decides from the second day on.
        seed: of their luck; None: the run's own luck.
        is_frozen: whether word of mouth was frozen.
    """

    actions: tuple[str, ...]
    cardholders: Ints
    allowed: Bools
    category: Ints
    lives: Floats
    bought: NDArray[np.uint8]
    complaints: Floats
    opt_outs: Floats
    closed: Floats
    day: int
    horizon_days: int
    policy_after: str
    seed: int | None
    is_frozen: bool

    @property
    def n_draws(self) -> int:
        """Lives of each person under each action."""
        return self.lives.shape[1]

    @cached_property
    def margin(self) -> Floats:
        """Expected discounted margin, CNY, shape (people, actions)."""
        return self.lives.mean(axis=1)

    @cached_property
    def margin_error(self) -> Floats:
        """Monte-Carlo standard error of the margin, shape (people, actions); NaN with one life."""
        return _error(self.lives)

    def code(self, action: Action | str) -> int:
        """Return the place of an action among `actions`.

        Raises:
            UnknownNameError: it was not asked for.
        """
        name = str(action)
        if name not in self.actions:
            raise UnknownNameError("action", name, self.actions)
        return self.actions.index(name)

    def _effects(self, action: Action | str, baseline: Action | str) -> Floats:
        return self.lives[:, :, self.code(action)] - self.lives[:, :, self.code(baseline)]

    def cate(self, action: Action | str, baseline: Action | str = NOTHING) -> Floats:
        """Return each person's expected effect of an action on the margin, CNY, shape (people,).

        Args:
            action: whose effect.
            baseline: against which action.
        """
        return self._effects(action, baseline).mean(axis=1)

    def cate_error(self, action: Action | str, baseline: Action | str = NOTHING) -> Floats:
        """Return the Monte-Carlo standard error of `cate`, shape (people,): small, since the luck is shared."""
        return _error(self._effects(action, baseline))

    def ate(self, action: Action | str, baseline: Action | str = NOTHING) -> tuple[float, float]:
        """Return the mean effect on the people to whom the action is allowed, CNY, and its Monte-Carlo standard error.

        The people are taken as they are: the error is that of the luck alone. NaN if the action is allowed to nobody.
        """
        who = self.allowed[:, self.code(action)]
        if not who.any():
            return float("nan"), float("nan")
        # A life's number names no luck that people share, so people's errors are independent.
        error = float(np.sqrt((self.cate_error(action, baseline)[who] ** 2).sum()) / who.sum())
        return float(self.cate(action, baseline)[who].mean()), error

    def reliability(self, action: Action | str, baseline: Action | str = NOTHING) -> float:
        """Return which share of the variance of `cate` among the allowed is not Monte-Carlo error, in [0, 1]."""
        who = self.allowed[:, self.code(action)]
        effects = self.cate(action, baseline)[who]
        if effects.size < 2 or self.n_draws < 2 or effects.var() == 0.0:
            return float("nan")
        noise = float((self.cate_error(action, baseline)[who] ** 2).mean())
        return max(0.0, 1.0 - noise / float(effects.var(ddof=1)))

    def shares(self, action: Action | str) -> Shares:
        """Return how each person's lives divide into the four types, by purchases in the offer's category.

        Raises:
            CardArenaError: asked of doing nothing.
        """
        a = self.code(action)
        if self.category[a] < 0:
            raise CardArenaError("shares: expected a contact, found 'nothing': it has no category")
        with_, without = ((self.bought[:, :, j] >> self.category[a]) & 1 == 1 for j in (a, 0))
        return Shares(
            sure_things=(with_ & without).mean(axis=1),
            persuadables=(with_ & ~without).mean(axis=1),
            sleeping_dogs=(~with_ & without).mean(axis=1),
            lost_causes=(~with_ & ~without).mean(axis=1),
        )

    def frame(self) -> "pd.DataFrame":
        """Return one row a person and action, to whom it is allowed: the published estimand and what goes with it.

        Raises:
            CardArenaError: nothing was asked for but nothing.
        """
        import pandas as pd

        if len(self.actions) == 1:
            raise CardArenaError("frame: expected at least one contact among the actions, found none")
        parts = []
        for a, name in enumerate(self.actions[1:], start=1):
            who = np.flatnonzero(self.allowed[:, a])
            shares = self.shares(name)
            parts.append(
                pd.DataFrame(
                    {
                        "cardholder": self.cardholders[who],
                        "action": name,
                        "effect_cny": self.cate(name)[who],
                        "effect_error_cny": self.cate_error(name)[who],
                        "margin_cny": self.margin[who, a],
                        "margin_nothing_cny": self.margin[who, 0],
                        "complaints": self.complaints[who, a] - self.complaints[who, 0],
                        "opt_outs": self.opt_outs[who, a] - self.opt_outs[who, 0],
                        **{kind: values[who] for kind, values in vars(shares).items()},
                    }
                )
            )
        frame = pd.concat(parts, ignore_index=True)
        frame["action"] = pd.Categorical(frame["action"], categories=self.actions[1:])
        return frame


def _error(lives: Floats) -> Floats:
    if lives.shape[1] < 2:
        return np.full((lives.shape[0], *lives.shape[2:]), np.nan)
    return lives.std(axis=1, ddof=1) / np.sqrt(lives.shape[1])


def expected_outcomes(
    world: World,
    actions: Iterable[Action | str],
    horizon_days: int,
    policy_after: str | Policy = "caretaker",
    n_draws: int = 32,
    seed: int = 0,
    *,
    cardholders: Any = None,
    discount: float = DISCOUNT,
) -> TwinOutcomes:
    """Return what each action is expected to come to for each person, over luck that is independent of the run's.

    Args:
        world: at a midnight, in any state; it stays as it is.
        actions: contacts, or `offer:channel` as text; nothing is always among them.
        horizon_days: days that the twins live, the day of the action included.
        policy_after: who decides from the second day on, a name or a policy; it is reset, and sees only the lives of the
            chosen people, so it must decide person by person for the answer to be about the whole base.
        n_draws: lives of each person under each action.
        seed: of the twins' luck.
        cardholders: true ids, shape (people,); everybody by default.
        discount: discount a year, 0.10 for 10 %.

    Raises:
        UnknownNameError: no such policy, offer, channel or depth.
        CardArenaError: nobody, no day or no life was asked for, or an id that the world does not have.
    """
    rows = _rows(world, cardholders)
    if n_draws < 1:
        raise CardArenaError(f"n_draws: expected at least 1, found {n_draws}")
    plan = _Plan(world, actions, horizon_days, policy_after, discount)
    at_once = min(n_draws, max(1, LIVES_AT_ONCE // rows.size))
    parts = []
    for number, first in enumerate(range(0, n_draws, at_once)):
        draws = min(at_once, n_draws - first)
        key = luck_key(world.state.seed, world.day, seed, number)
        lives = gathered(world, np.repeat(rows, draws), luck=key, keeps_sent=True)
        parts.append(plan.lived(lives, np.repeat(plan.heard[rows], draws), (rows.size, draws)))
    return plan.outcomes(rows, parts, seed)


def realised_outcomes(
    world: World,
    actions: Iterable[Action | str],
    horizon_days: int,
    policy_after: str | Policy = "caretaker",
    *,
    cardholders: Any = None,
    discount: float = DISCOUNT,
) -> TwinOutcomes:
    """Return what each action comes to for each person *with the run's own luck*: one life each, for scores only.

    Who decides must never see it: it says what tomorrow's draws will be. The margin is what came true, as the log has it, and
    no expectation.

    Args:
        world: as in `expected_outcomes`.
        actions: likewise.
        horizon_days: likewise.
        policy_after: likewise, but it sees everybody.
        cardholders: likewise.
        discount: likewise.

    Raises:
        UnknownNameError: no such policy, offer, channel or depth.
        CardArenaError: nobody or no day was asked for, or an id that the world does not have.
    """
    rows = _rows(world, cardholders)
    plan = _Plan(world, actions, horizon_days, policy_after, discount)
    everybody = plan.lived(world, plan.heard, (world.n, 1), is_realised=True)
    return plan.outcomes(rows, [tuple(part[rows] for part in everybody)], None)


def _rows(world: World, cardholders: Any) -> Ints:
    if cardholders is None:
        return np.arange(world.n)
    rows = np.atleast_1d(np.asarray(cardholders)).astype(np.int64)
    if not rows.size:
        raise CardArenaError("cardholders: expected at least one id, found none")
    wrong = rows[(rows < 0) | (rows >= world.n)]
    if wrong.size:
        raise CardArenaError(f"cardholders: expected ids from 0 to {world.n - 1}, found {wrong[0]}")
    return rows


class _Plan:
    """What is asked of the twins; `lived` lets them live, `outcomes` puts the answer together."""

    def __init__(
        self,
        world: World,
        actions: Iterable[Action | str],
        horizon_days: int,
        policy_after: str | Policy,
        discount: float,
    ) -> None:
        if horizon_days < 1:
            raise CardArenaError(f"horizon_days: expected at least 1, found {horizon_days}")
        named = [Action.parse(one) if isinstance(one, str) else one for one in actions if one != NOTHING]
        self.contacts = tuple(dict.fromkeys(named))
        self.codes = [action.codes(world) for action in self.contacts]
        self.days, self.day = horizon_days, world.day
        self.policy = make_policy(policy_after) if isinstance(policy_after, str) else policy_after
        self.weights = discount_ppm(horizon_days, discount) / PPM
        self.category = world.rules.offers["category"].astype(np.int64)
        self.is_frozen = bool(world.rules.compliance["word_of_mouth"][0])
        self.heard = _heard(world) if self.is_frozen else np.full(world.n, -1.0)

    def lived(
        self, start: World, heard: Floats, shape: tuple[int, int], *, is_realised: bool = False
    ) -> tuple[np.ndarray, ...]:
        """Let the people of a world live once for each action; return the measures, shape (people, lives, actions) each."""
        kept = []
        for codes in [None, *self.codes]:
            meter = _Meter(start, self.weights, is_realised)
            twin = start.fork()
            twin.rules.compliance[:], twin.rules.parameter[:] = start.rules.compliance, start.rules.parameter
            twin.rules.compliance["word_of_mouth"] = 0
            scheduler = _Hearing(twin.scheduler, heard) if self.is_frozen else twin.scheduler
            twin.scheduler = Evening(scheduler, meter.evening)
            first = _First(copy.deepcopy(self.policy), self.day, codes)
            twin.play(first, self.days, sink=meter)
            allowed = np.zeros(twin.n, dtype=np.bool_)
            allowed[twin.order[first.rows]] = True
            closed = twin.state.people["alive"] == 0
            kept.append((meter.margin, meter.bought, meter.complaints, meter.opt_outs, closed, allowed))
        return tuple(np.stack(parts, axis=-1).reshape(*shape, -1) for parts in zip(*kept, strict=True))

    def outcomes(self, rows: Ints, parts: Sequence[tuple[np.ndarray, ...]], seed: int | None) -> TwinOutcomes:
        joined = [np.concatenate(part, axis=1) for part in zip(*parts, strict=True)]
        margin, bought, complaints, opt_outs, closed, allowed = joined
        return TwinOutcomes(
            actions=(NOTHING, *(str(action) for action in self.contacts)),
            cardholders=rows,
            # The rules look at the state, which is the same in all lives.
            allowed=allowed[:, 0],
            category=np.array([-1, *(self.category[offer] for offer, _, _ in self.codes)]),
            lives=margin,
            bought=bought,
            complaints=complaints.mean(axis=1),
            opt_outs=opt_outs.mean(axis=1),
            closed=closed.mean(axis=1),
            day=self.day,
            horizon_days=self.days,
            policy_after=self.policy.name,
            seed=seed,
            is_frozen=self.is_frozen,
        )


class _Meter:
    """Adds up, by true row, what the people of one world come to."""

    def __init__(self, world: World, weights: Floats, is_realised: bool) -> None:
        self.weights, self.step, self.is_realised = weights, 0, is_realised
        self.margin, self.complaints, self.opt_outs = np.zeros((3, world.n))
        self.bought = np.zeros(world.n, dtype=np.uint8)

    def evening(self, state: WorldState) -> None:
        """Read the day's expectations, before midnight clears them."""
        people = state.people
        if not self.is_realised:
            self.margin += people["expected_mfen"] * (self.weights[self.step] / MFEN_PER_CNY)
        self.complaints += people["expected_complaint_ppb"][:, _MARKETING] * _PPB
        self.opt_outs += people["expected_opt_out_ppb"] * _PPB

    def append(
        self, events: Sequence[np.ndarray], decisions: np.ndarray | None, census: np.ndarray | None
    ) -> None:
        """Note the day's purchases, and the margin that came true if that is counted."""
        for rows in events:
            if self.is_realised:
                came = np.bincount(rows["cardholder"], rows["value_mfen"], minlength=self.margin.size)
                self.margin += came * (self.weights[self.step] / MFEN_PER_CNY)
            own = rows[(rows["kind"] == Kind.RESPONSE) & (rows["code"] >= _PURCHASED)]
            bits = np.left_shift(1, own["item"].astype(np.int64)).astype(np.uint8)
            np.bitwise_or.at(self.bought, own["cardholder"].astype(np.int64), bits)
        self.step += 1


class _First:
    """The first day's action, and from the second day on another policy. States: before the action -> after it."""

    every_days = 1

    def __init__(self, after: Policy, day: int, codes: tuple[int, int, int] | None) -> None:
        self._after, self._day, self._codes = after, day, codes
        self.name, self.league, self.oracle = after.name, after.league, after.oracle
        self.decide_minute = after.decide_minute
        self.features = getattr(after, "features", None)
        self.triggers = getattr(after, "triggers", ())
        self.wants_feedback = bool(getattr(after, "wants_feedback", True))
        self._has_decided = False
        #: View ids of those who were contacted on the first day.
        self.rows: Ints = np.zeros(0, dtype=np.int64)

    def reset(self, brief: Any, policy_seed: int) -> None:
        """Reset the policy that follows."""
        self._after.reset(brief, policy_seed)

    def decide(self, view: View) -> Contacts:
        """Send the action to everybody whom the rules allow it, or let the other decide where its day has come."""
        if view.day != self._day:
            if view.day % max(1, self._after.every_days):
                return Contacts.none()
            self._has_decided = True
            return self._after.decide(view)
        if self._codes is None:
            return Contacts.none()
        offer, channel, depth = self._codes
        minute = max(SEND_MINUTE[CHANNELS[channel]], view.minute)
        if minute > LATEST_MINUTE:
            return Contacts.none()
        self.rows = np.flatnonzero(view.allowed(offer, channel, depth, minute))
        return Contacts.of(self.rows, offer, channel, depth, minute)

    def react(self, events: Any) -> Contacts:
        """Let the other react once it has decided."""
        return self._after.react(events) if self._has_decided else Contacts.none()  # pyright: ignore[reportAttributeAccessIssue]

    def learn(self, feedback: Feedback) -> None:
        """Let the other learn."""
        self._after.learn(feedback)

    def explain(self, contacts: Contacts) -> list[str]:
        """Let the other explain."""
        return self._after.explain(contacts)

    def state(self) -> dict[str, Any]:
        """Return the other's state."""
        return self._after.state()

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back the other's state."""
        self._after.load_state(state)


def _heard(world: World) -> Floats:
    """Return what each person hears of the neighbours' satisfaction, in [0, 1]; -1 where there are too few."""
    return np.array([mean_mood(world.state.mood, i, 1) for i in range(world.n)])


class _Hearing:
    """A scheduler whose people hear the same of their neighbours every morning: word of mouth, frozen."""

    def __init__(self, scheduler: Scheduler, heard: Floats) -> None:
        self._scheduler, self._heard = scheduler, heard

    def window(
        self,
        clock: simpy.Environment,
        state: WorldState,
        rules: Rules,
        today: np.ndarray,
        start: int,
        end: int,
    ) -> simpy.Event:
        """Let everybody hear, and advance to minute `end`; see `schedulers.Scheduler`."""
        if start == 0:
            people = state.people
            moved = (people["alive"] == 1) & (self._heard >= 0.0)
            drift = rules.parameter["word_of_mouth"][0] * (self._heard - people["satisfaction"])
            people["satisfaction"][moved] += drift[moved]
        return self._scheduler.window(clock, state, rules, today, start, end)
