"""`CardArena/Trigger-v0`: the same person, decisions at events: what a policy with `triggers` does in the arena by `react()`."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np

from cardarena.simulator.bank.feature_table import Column
from cardarena.simulator.bank.gate import Parts, make_parts
from cardarena.simulator.behaviour.events import KIND_VISIT
from cardarena.simulator.compilation import compiled
from cardarena.simulator.contracts import Bools, Ints
from cardarena.simulator.envs.cardholder import CardholderEnv
from cardarena.simulator.envs.journeys import COLUMN_TABLE, Journeys, Kernels
from cardarena.simulator.envs.pool import Pool
from cardarena.simulator.envs.rewards import BLOCKED, CONTACT_PRICE, tally
from cardarena.simulator.envs.slots import (
    begin,
    draw_episode,
    live_until,
    observe,
    open_day,
    pass_night,
    request,
)
from cardarena.simulator.envs.vector import CardholderVectorEnv
from cardarena.simulator.names import CATEGORIES, N_CATEGORIES, N_CHANNELS
from cardarena.simulator.triggers import (
    FIRST_MINUTE,
    LAST_MINUTE,
    TRIGGERS,
    WINDOW_MINUTES,
    checked_triggers,
    matched,
    trigger_bits,
)

#: Columns of an observation: Cardholder's, which triggers matched, when it is, and the last event that matched.
TRIGGER_TABLE: Final = (
    *COLUMN_TABLE,
    *(Column(f"trigger_{name}", "flag", f"lately: {meaning}") for name, meaning in TRIGGERS.items()),
    Column("minute_of_day", "minutes", "of the decision; 0 where an episode begins"),
    Column("minutes_since_event", "minutes", "since the last event that matched a trigger"),
    Column("event_amount_cny", "CNY", "amount of that event"),
    *(Column(f"event_{name}", "flag", f"that event is about {name}") for name in CATEGORIES),
)
_N: Final = len(COLUMN_TABLE)
_N_TRIGGERS: Final = len(TRIGGERS)
_MINUTE: Final = _N + _N_TRIGGERS
_SINCE: Final = _MINUTE + 1
_AMOUNT: Final = _MINUTE + 2
_CATEGORY: Final = _MINUTE + 3
_MIDNIGHT: Final = 1440
#: Arguments of `Journeys` that mean nothing where the person's own events time the decisions.
WITHOUT: Final = ("decision_every", "send_minute")

#: What matched in the window just passed.
MOMENT: Final = np.dtype(
    [
        ("triggers", np.int64),  # bit by bit, see `triggers.matched`; 0: nothing to react to
        ("minute", np.int64),  # of the last event that matched
        ("amount_fen", np.int64),  # of it
        ("category", np.int64),  # spending context or offer category of it, -1: none
    ]
)


class Moments(NamedTuple):
    """What slots know beside their journeys, for compiled code."""

    moment: np.ndarray  # (n,) MOMENT
    channels: np.ndarray  # (n, 4, channels) scratch: `Parts.channels` at the present minute
    quiet: np.ndarray  # (borders, channels) whether a channel is quiet at a border
    wanted: np.ndarray  # (1,) bits of the triggers asked for


@compiled(forceinline=True)
def _next_border(minute):
    """Return the border that comes after a border or midnight."""
    if minute < FIRST_MINUTE:
        return FIRST_MINUTE
    border = minute + WINDOW_MINUTES
    return border if border <= LAST_MINUTE else _MIDNIGHT


@compiled(forceinline=True)
def _notice(rows, first, last, account, wanted, moment):
    """Keep what matched among the rows of a window."""
    moment.triggers = 0
    for j in range(first, last):
        row = rows[j]
        bits = matched(row, account) & wanted
        if bits != 0:
            moment.triggers |= bits
            moment.minute = row.minute
            moment.amount_fen = row.amount_fen
            moment.category = -1 if row.kind == KIND_VISIT else row.item


@compiled(forceinline=True)
def _observe_one(slots, at, i, base, rules, choice, setting, moments, observation, mask):
    """Write what may be known, and what may be chosen now: nothing, where there is nothing to react to."""
    minute = slots.journey[i].minute
    moment = moments.moment[i]
    channels = moments.channels[i]
    border = max(0, minute - FIRST_MINUTE) // WINDOW_MINUTES
    for c in range(channels.shape[1]):
        channels[2, c] = moments.quiet[border, c]
    parts = Parts(choice.parts.offers, choice.parts.max_utilisation, channels)
    observe(slots, at, i, base, rules, parts, setting, observation[:_N], mask)
    observation[_N:] = 0.0
    observation[_MINUTE] = minute
    if moment.triggers == 0:
        mask[1:] = 0
        return
    for bit in range(_N_TRIGGERS):
        observation[_N + bit] = (moment.triggers >> bit) & 1
    observation[_SINCE] = minute - moment.minute
    observation[_AMOUNT] = moment.amount_fen * 0.01
    if 0 <= moment.category < N_CATEGORIES:
        observation[_CATEGORY + moment.category] = 1.0


@compiled(forceinline=True)
def _step_one(slots, i, base, rules, choice, setting, moments, actions, out, rows, n, is_kept):
    """React, and live until there is something to react to again; return the number of rows kept."""
    journey, moment = slots.journey[i], moments.moment[i]
    weight = 1.0
    first = n
    began = journey.minute
    if actions[i, 0] == 1:
        at = actions[i, 1]
        if moment.triggers == 0 or slots.menu[i, at] == 0:
            # Nothing to react to, or not stocked: there is nothing that could go out, nor be charged.
            out.costs[BLOCKED, i] += 1
        else:
            offer, channel = choice.offers[at], choice.channels[actions[i, 2]]
            went, n = request(slots, i, rules, setting, offer, channel, actions[i, 3], began, began, rows, n)
            if went:
                out.terms[CONTACT_PRICE, i] -= journey.price
    while True:
        start = journey.minute
        end = _next_border(start)
        if start == 0:
            n = open_day(slots, i, i, base, rules, setting, rows, n)
        n = live_until(slots, i, i, base, rules, setting, start, end, rows, n)
        journey.touch_day = tally(
            rows, first, n, setting.form, weight, journey.touch_day, out.terms, out.costs, i
        )
        _notice(rows, first, n, slots.accounts[i], moments.wanted[0], moment)
        first = n if is_kept else first
        n = first
        if end < _MIDNIGHT:
            journey.minute = end
            if moment.triggers != 0 and slots.people[i].alive == 1:
                break
        else:
            # What happens after the last border is not reacted to.
            moment.triggers = 0
            if pass_night(slots, i, base, rules, setting, weight, out, rows, n):
                break
            weight *= setting.discount
    out.told[0, i] = out.days[i] + (journey.minute - began) / _MIDNIGHT
    out.told[1, i] = out.days[i]
    out.told[2, i] = journey.minute
    return n


@compiled(nogil=True)
def _step(first, last, slots, base, rules, choice, settings, moments, actions, out, rows, is_kept):
    setting = settings[0]
    n = 0
    for i in range(first, last):
        if slots.journey[i].is_over == 1:
            draw_episode(slots.journey[i], base.members, setting, choice.stock, slots.menu[i])
            begin(slots, i, base, setting)
            moments.moment[i].triggers = 0
        else:
            n = _step_one(slots, i, base, rules, choice, setting, moments, actions, out, rows, n, is_kept)
        _observe_one(slots, i, i, base, rules, choice, setting, moments, out.observation[i], out.mask[i])
        out.day[i] = slots.journey[i].day
    return n


@compiled(nogil=True)
def _observe(which, rows, is_twin, slots, base, rules, choice, settings, moments, observation, mask):
    for j in range(which.size):
        i, row = which[j], rows[j]
        at = slots.journey.size + i if is_twin else i
        _observe_one(slots, at, i, base, rules, choice, settings[0], moments, observation[row], mask[row])


class TriggerJourneys(Journeys):
    """Slots whose decisions lie at the borders of the day behind which something matched a trigger.

    States of a slot: empty -> at midnight of day 0, where nothing can be done yet (`reset`) -> at an event (`step`) -> at
    the next -> over (closed, or the horizon) -> at midnight of day 0 again.

    Attributes:
        triggers: names of the triggers asked for.
    """

    observation_table: ClassVar[tuple[Column, ...]] = TRIGGER_TABLE
    told: ClassVar[tuple[tuple[str, type], ...]] = (("dt", float), ("days", int), ("minute", int))
    without: ClassVar[tuple[str, ...]] = WITHOUT
    kernels: ClassVar[Kernels] = Kernels(_step, _observe)

    def __init__(
        self, pool: Pool, n: int, *, triggers: Sequence[str] = tuple(TRIGGERS), **settings: Any
    ) -> None:
        """Make empty slots; `settings` are those of `Journeys`.

        Args:
            pool: whom episodes are about.
            n: slots.
            triggers: names of what is reacted to.
            **settings: see above.

        Raises:
            ValueError: an argument out of range, or no trigger.
            UnknownNameError: an unknown trigger, form or difficulty.
        """
        super().__init__(pool, n, **without_rhythm(settings))
        self.triggers = checked_triggers(triggers)
        if not self.triggers:
            raise ValueError(f"triggers: expected at least one of {list(TRIGGERS)}, found none")
        self.moments = Moments(
            moment=np.zeros(n, dtype=MOMENT),
            channels=np.repeat(self.choice.parts.channels[None], n, axis=0),
            quiet=self._quiet(),
            wanted=np.array([trigger_bits(self.triggers)], dtype=np.int64),
        )

    def _quiet(self) -> Ints:
        """Return whether each channel to choose from is quiet at each border, shape (borders, channels)."""
        borders = range(FIRST_MINUTE, LAST_MINUTE + 1, WINDOW_MINUTES)
        chosen = self.pool.rules, self.codec.offers, self.codec.channels
        return np.stack([make_parts(*chosen, np.full(N_CHANNELS, b)).channels[2] for b in borders])

    def _begin(self, which: Bools) -> None:
        super()._begin(which)
        self.moments.moment["triggers"][which] = 0

    @property
    def _days_kept(self) -> int:
        return self.horizon

    @property
    def _shared(self) -> tuple[Any, ...]:
        return *super()._shared, self.moments


def without_rhythm(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings of journeys whose decisions the person's own events time.

    Raises:
        ValueError: `decision_every` or `send_minute` among them.
    """
    for name in WITHOUT:
        if name in settings:
            raise ValueError(
                f"{name}: expected none where events time the decisions, found {settings[name]!r}"
            )
    return settings


class TriggerEnv(CardholderEnv):
    """One cardholder, and a decision whenever something happens that a bank may react to.

    ## Description
    A step lives on until the next border of the day (every hour from 08:00 to 21:00) behind which one of the triggers matched,
    or until the account closes or the horizon comes, however long that takes. What the bank may not use is not seen: visits
    and clicks of who blocks tracking, transactions without the consent to sensitive data. It is what an arena policy with
    `triggers` does by `react()`.

    ## Action space
    Cardholder-v0's, and its masks. A contact is sent at the minute of the decision, and the mask asks the rules about that
    minute.

    ## Observation space
    Cardholder-v0's columns, which triggers matched, the minute of the day, and of the last event that matched the minutes since,
    the amount and the category.

    ## Rewards
    CNY: the sum of `info["reward_terms"]`, whose terms and forms are Cardholder-v0's: `spending`, `purchases`, `contact_cost`,
    `complaints`, `defaults`, `contact_price`, `attributed`, `expected`, `twin`, `terminal`. Each midnight crossed discounts
    by `daily_discount`, so a learner bootstraps with `daily_discount ** info["days"]`. `expected` and `twin` are counted at
    midnight, for the whole day.

    ## Costs
    `info["costs"]`, as in Cardholder-v0: `over_cap`, `unsubscribes`, `off_switches`, `complaints`, `blocked`.

    ## Starting state
    As in Cardholder-v0, at midnight of day 0, before anything has happened: only `nothing` can be chosen there; a contact asked
    for all the same counts as `blocked` and costs nothing.

    ## Episode end
    As in Cardholder-v0: *terminated* when the account closes, *truncated* at the horizon, where `info["terminal_value"]` is
    what the account is worth, if that is paid. A step in which nothing happens ends there too.

    ## Info
    `reward_terms`, `costs`, `action_mask`, `dt` (days that the step took, a float), `days` (midnights crossed), `minute` (of the
    day), `day`, `terminal_value`.

    ## Version history
    - v0: first version.
    """

    kind: ClassVar[type[Journeys]] = TriggerJourneys


class TriggerVectorEnv(CardholderVectorEnv):
    """Many cardholders' events at once; see `TriggerEnv`."""

    kind: ClassVar[type[Journeys]] = TriggerJourneys
