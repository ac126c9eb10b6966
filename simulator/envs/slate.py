"""`CardArena/Slate-v0`: the same person, a ranked slate of offers at each visit to the app, looked at from the top down."""

from typing import Any, ClassVar, Final, NamedTuple

import numpy as np

from cardarena.simulator.bank.feature_table import Column
from cardarena.simulator.bank.gate import gate, is_stopped
from cardarena.simulator.behaviour.events import KIND_RESPONSE, VISIT
from cardarena.simulator.behaviour.randomness import CARDHOLDER, EXAMINATION, draw
from cardarena.simulator.behaviour.response import deliver
from cardarena.simulator.compilation import compiled
from cardarena.simulator.envs.cardholder import JourneyEnv
from cardarena.simulator.envs.journeys import COLUMN_TABLE, Journeys, Kernels
from cardarena.simulator.envs.pool import Pool
from cardarena.simulator.envs.rewards import BLOCKED, CONTACT_PRICE, tally
from cardarena.simulator.envs.slots import (
    Outcome,
    begin,
    describe,
    draw_episode,
    live_until,
    open_day,
    pass_night,
)
from cardarena.simulator.envs.trigger import WITHOUT, without_rhythm
from cardarena.simulator.envs.vector import JourneyVectorEnv
from cardarena.simulator.errors import CardArenaError
from cardarena.simulator.names import CHANNELS, RESPONSES, Rule
from cardarena.simulator.rules import PENDING, Rules

SLATE_TABLE: Final = (
    *COLUMN_TABLE,
    Column("minute_of_day", "minutes", "of the visit; 0 where an episode begins"),
)
_N: Final = len(COLUMN_TABLE)
_IN_APP: Final = CHANNELS.index("in_app")
_CLICKED: Final = RESPONSES.index("clicked")
_NONE: Final = int(Rule.NONE)
_APP: Final = 0
_MIDNIGHT: Final = 1440
_CAPS: Final = ("cap_day", "cap_week", "cap_month", "cap_channel_week")

#: What is known of a visit.
SCENE: Final = np.dtype(
    [
        ("visits", np.int64),  # to the app today, this one included
        ("n_open", np.int64),  # offers that may be shown now
    ]
)


class Scenes(NamedTuple):
    """What slots know beside their journeys, for compiled code."""

    scene: np.ndarray  # (n,) SCENE
    ranked: np.ndarray  # (n, positions) scratch: codes of the offers shown
    contact: np.ndarray  # (n,) PENDING scratch: the offer that is looked at
    p_examined: np.ndarray  # (positions,)


@compiled(forceinline=True)
def _rule(slots, i, rules, offer):
    """Return the rule against showing an offer now."""
    journey = slots.journey[i]
    return gate(
        slots.accounts[i],
        rules.offers[offer],
        rules.channels[_IN_APP],
        rules.compliance[0],
        0,
        journey.day,
        journey.minute,
    )


@compiled(forceinline=True)
def _next_visit(agenda, at, length):
    """Return the position of the next visit to the app in the day's agenda, or -1."""
    for j in range(at, length):
        item = np.int64(agenda[j])
        if (item >> 12) & 15 == VISIT and item & 4095 == _APP:
            return j
    return -1


@compiled(forceinline=True)
def _rank(slots, i, rules, choice, scenes, slate, costs):
    """Drop what is repeated or may not be shown, let the rest move up, and return how much that is."""
    kept = 0
    for p in range(slate.size):
        is_new = slots.menu[i, slate[p]] == 1
        for q in range(p):
            is_new &= slate[q] != slate[p]
        offer = choice.offers[slate[p]]
        if is_new and not is_stopped(_rule(slots, i, rules, offer), rules.compliance[0]):
            scenes.ranked[i, kept] = offer
            kept += 1
    # Where fewer offers are open than there are positions, some must be dropped whatever is asked for.
    costs[BLOCKED, i] += max(0, min(slate.size, scenes.scene[i].n_open) - kept)
    return kept


@compiled(forceinline=True)
def _show(slots, i, base, rules, choice, scenes, slate, out, rows, n):
    """Let the visitor look at the slate from the top down until something is clicked; return the number of rows."""
    journey, person = slots.journey[i], slots.people[i]
    today = base.today[journey.world, journey.day]
    contact = scenes.contact[i]
    for p in range(_rank(slots, i, rules, choice, scenes, slate, out.costs)):
        u, _, _, _ = draw(
            journey.luck,
            person.cardholder,
            journey.day,
            CARDHOLDER,
            EXAMINATION,
            0,
            _IN_APP,
            0,
            scenes.scene[i].visits,
            p,
        )
        if u >= scenes.p_examined[p]:
            continue
        offer = scenes.ranked[i, p]
        if is_stopped(_rule(slots, i, rules, offer), rules.compliance[0]):
            # What was looked at above has reached a cap, or made the person refuse the app's offers or leave.
            continue
        contact.cardholder = person.cardholder
        contact.due = journey.day * _MIDNIGHT + journey.minute
        contact.ordinal = journey.asked_today
        contact.decided_day = journey.day
        contact.channel_ordinal = journey.sent_today[_IN_APP]
        contact.offer = offer
        contact.channel = _IN_APP
        contact.depth = 0
        journey.asked_today += 1
        journey.sent_today[_IN_APP] += 1
        first = n
        n = deliver(person, slots.accounts[i], rules, today, journey.luck, contact, journey.minute, rows, n)
        out.terms[CONTACT_PRICE, i] -= journey.price
        out.told[3, i] += 1
        for j in range(first, n):
            if rows[j].kind == KIND_RESPONSE and rows[j].code == _CLICKED:
                out.told[4, i] = p + 1
        if out.told[4, i] > 0.0:
            break
    return n


@compiled(forceinline=True)
def _step_one(slots, i, base, rules, choice, setting, scenes, actions, out, rows, n, is_kept):
    """Show the slate, and live until the next visit; return the number of rows kept."""
    journey, scene = slots.journey[i], scenes.scene[i]
    weight = 1.0
    first = n
    began = journey.minute
    if scene.n_open > 0:
        n = _show(slots, i, base, rules, choice, scenes, actions[i], out, rows, n)
    while True:
        start = journey.minute
        if start == 0:
            n = open_day(slots, i, i, base, rules, setting, rows, n)
            scene.visits = 0
        length = slots.length[i]
        visit = _next_visit(slots.agenda[i], slots.position[i], length)
        end = _MIDNIGHT
        if visit >= 0:
            # The visit is the last that happens: what else falls into its minute comes after the slate.
            end = (np.int64(slots.agenda[i, visit]) >> 16) + 1
            slots.length[i] = visit + 1
        n = live_until(slots, i, i, base, rules, setting, start, end, rows, n)
        slots.length[i] = length
        journey.touch_day = tally(
            rows, first, n, setting.form, weight, journey.touch_day, out.terms, out.costs, i
        )
        first = n if is_kept else first
        n = first
        if visit >= 0:
            journey.minute = end - 1
            scene.visits += 1
            if slots.people[i].alive == 1:
                break
        else:
            if pass_night(slots, i, base, rules, setting, weight, out, rows, n):
                break
            weight *= setting.discount
    out.told[0, i] = out.days[i] + (journey.minute - began) / _MIDNIGHT
    out.told[1, i] = out.days[i]
    out.told[2, i] = journey.minute
    return n


@compiled(forceinline=True)
def _observe_one(slots, at, i, base, rules, choice, setting, scenes, observation, mask):
    """Write what may be known, and which offers may be shown, the same at every position: none where nobody visits."""
    describe(slots, at, i, base, setting, observation[:_N])
    observation[_N] = slots.journey[i].minute
    n_offers = choice.offers.size
    n_open = 0
    for o in range(n_offers):
        is_open = (
            slots.journey[i].minute > 0
            and slots.menu[i, o] == 1
            and _rule(slots, i, rules, choice.offers[o]) == _NONE
        )
        n_open += is_open
        for p in range(scenes.p_examined.size):
            mask[p * n_offers + o] = is_open
    scenes.scene[i].n_open = n_open


@compiled(nogil=True)
def _step(first, last, slots, base, rules, choice, settings, scenes, actions, out, rows, is_kept):
    setting = settings[0]
    n = 0
    for i in range(first, last):
        if slots.journey[i].is_over == 1:
            draw_episode(slots.journey[i], base.members, setting, choice.stock, slots.menu[i])
            begin(slots, i, base, setting)
        else:
            n = _step_one(slots, i, base, rules, choice, setting, scenes, actions, out, rows, n, is_kept)
        _observe_one(slots, i, i, base, rules, choice, setting, scenes, out.observation[i], out.mask[i])
        out.day[i] = slots.journey[i].day
    return n


@compiled(nogil=True)
def _observe(which, rows, is_twin, slots, base, rules, choice, settings, scenes, observation, mask):
    for j in range(which.size):
        i, row = which[j], rows[j]
        at = slots.journey.size + i if is_twin else i
        _observe_one(slots, at, i, base, rules, choice, settings[0], scenes, observation[row], mask[row])


class SlateJourneys(Journeys):
    """Slots whose decisions lie at the person's visits to the app.

    States of a slot: empty -> at midnight of day 0, where nobody looks yet (`reset`) -> at a visit (`step`) -> at the next ->
    over (closed, or the horizon) -> at midnight of day 0 again.

    Attributes:
        slate_size: positions.
        rules: the pool's rules, with the caps that hold for slates.
        p_examined: shape (positions,), chance that a visitor looks at a position.
    """

    observation_table: ClassVar[tuple[Column, ...]] = SLATE_TABLE
    told: ClassVar[tuple[tuple[str, type], ...]] = (
        ("dt", float),
        ("days", int),
        ("minute", int),
        ("examined", int),
        ("clicked", int),
    )
    without: ClassVar[tuple[str, ...]] = WITHOUT
    kernels: ClassVar[Kernels] = Kernels(_step, _observe)

    def __init__(
        self,
        pool: Pool,
        n: int,
        *,
        slate_size: int = 5,
        position_bias: float = 1.0,
        capped: bool = False,
        **settings: Any,
    ) -> None:
        """Make empty slots; `settings` are those of `Journeys`.

        Args:
            pool: whom episodes are about.
            n: slots.
            slate_size: positions of a slate.
            position_bias: exponent of the examination, 0 for none: position j, from 0, is looked at with chance
                1 / (j + 1) ** exponent. About 1 in click models (Joachims, Swaminathan and Schnabel, WSDM 2017; on the
                cascade, Craswell, Zoeter, Taylor and Ramsey, WSDM 2008).
            capped: whether the scenario's frequency caps hold for what a visitor looks at. They are made for what a bank
                sends: under a cap of one contact a day nobody would get past the first offer of a slate.
            **settings: see above.

        Raises:
            ValueError: an argument out of range.
            UnknownNameError: an unknown form or difficulty.
            CardArenaError: the scenario has no channel `in_app`.
        """
        super().__init__(pool, n, **without_rhythm(settings))
        if not pool.stocked_channels()[_IN_APP]:
            raise CardArenaError("a slate: expected a scenario with the channel 'in_app', found none")
        n_offers = self.codec.offers.size
        if not 1 <= slate_size <= n_offers:
            raise ValueError(f"slate_size: expected 1 to {n_offers}, found {slate_size}")
        if not position_bias >= 0.0:
            raise ValueError(f"position_bias: expected 0 or more, found {position_bias!r}")
        self.slate_size = slate_size
        self.sizes = np.full(slate_size, n_offers, dtype=np.int64)
        self.rules = pool.rules if capped else _uncapped(pool.rules)
        self.p_examined = (1.0 + np.arange(slate_size)) ** -float(position_bias)
        self.scenes = Scenes(
            scene=np.zeros(n, dtype=SCENE),
            ranked=np.zeros((n, slate_size), dtype=np.int64),
            contact=np.zeros(n, dtype=PENDING),
            p_examined=self.p_examined,
        )

    @property
    def _days_kept(self) -> int:
        return self.horizon

    @property
    def _shared(self) -> tuple[Any, ...]:
        return self.slots, self.pool.base, self.rules, self.choice, self.setting, self.scenes


def _uncapped(rules: Rules) -> Rules:
    compliance = rules.compliance.copy()
    for name in _CAPS:
        compliance[name] = -1
    return rules._replace(compliance=compliance)


class SlateEnv(JourneyEnv):
    """One cardholder, and a ranked slate of offers at each visit to the app.

    ## Description
    A step shows the slate and lives on until the person's next visit, or until the account closes or the horizon comes. The
    visitor looks at position j, from 0, with chance 1 / (j + 1) ** `position_bias`, from the top down, and stops at the first
    click. An offer that is looked at is a contact by `in_app` at that minute, generic in depth, like any other: it may fail,
    go unnoticed, be clicked, sell, wear and annoy, and it costs what a contact costs. Below it, what a rule has come to
    forbid is not shown. Placements of the burn-in's policy are taken down at day 0. The app knows a visitor also where
    tracking is blocked; the behaviour of such people stays missing in the columns.

    ## Action space
    `MultiDiscrete([offers] * slate_size)`, best first. What is repeated or may not be shown is dropped, the rest moves up, and
    each position lost that way counts as `blocked`. The mask has every position's offers one behind the other.

    ## Observation space
    Cardholder-v0's columns and the minute of the day.

    ## Rewards
    CNY: the sum of `info["reward_terms"]`, whose terms and forms are Cardholder-v0's: `spending`, `purchases`, `contact_cost`,
    `complaints`, `defaults`, `contact_price`, `attributed`, `expected`, `twin`, `terminal`. Each midnight crossed discounts
    by `daily_discount`, so a learner bootstraps with `daily_discount ** info["days"]`. `expected` and `twin` are counted at
    midnight, for the whole day.

    ## Costs
    `info["costs"]`, as in Cardholder-v0: `over_cap`, `unsubscribes`, `off_switches`, `complaints`, `blocked`.

    ## Starting state
    As in Cardholder-v0, at midnight of day 0, before any visit: what is chosen there is shown to nobody.

    ## Episode end
    As in Cardholder-v0: *terminated* when the account closes, *truncated* at the horizon, where `info["terminal_value"]` is
    what the account is worth, if that is paid. A step in which nothing happens ends there too.

    ## Info
    `reward_terms`, `costs`, `action_mask`, `dt` (days that the step took, a float), `days` (midnights crossed), `minute` (of the
    day), `day`, `examined` (positions looked
    at), `clicked` (the position clicked, from 1, or 0), `terminal_value`.

    ## Version history
    - v0: first version.
    """

    kind: ClassVar[type[Journeys]] = SlateJourneys

    def _done(self, action: np.ndarray, out: Outcome) -> str:
        examined, clicked = int(out.told[3, 0]), int(out.told[4, 0])
        looked = f"{examined} looked at" + (f", position {clicked} clicked" if clicked else "")
        return f"slate {' '.join(str(self.journeys.codec.offers[a]) for a in action)}: {looked}"


class SlateVectorEnv(JourneyVectorEnv):
    """Many cardholders' visits at once; see `SlateEnv`."""

    kind: ClassVar[type[Journeys]] = SlateJourneys
