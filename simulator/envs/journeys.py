"""Journeys: many people at once, each on a day of their own, advanced by the functions that advance the world.

The one kernel below the single environments, the vector ones and Stable-Baselines3's; it knows nothing of Gymnasium.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, NamedTuple

import numpy as np

from cardarena.simulator.bank.feature_table import FEATURE_TABLE, Column
from cardarena.simulator.bank.gate import make_parts
from cardarena.simulator.bank.records import ACCOUNT, NEVER
from cardarena.simulator.bank.sending import send_minutes
from cardarena.simulator.behaviour.events import AGENDA_SIZE, ROWS_PER_CONTACT, ROWS_PER_ITEM
from cardarena.simulator.behaviour.person import PERSON
from cardarena.simulator.cache_lines import LINE, zeros
from cardarena.simulator.compilation import compiled
from cardarena.simulator.contracts import Bools, Ints
from cardarena.simulator.envs.actions import ActionCodec
from cardarena.simulator.envs.pool import Pool
from cardarena.simulator.envs.rewards import (
    BLOCKED,
    CONTACT_PRICE,
    COSTS,
    EXPECTED,
    PAIRED,
    TERMS,
    TWIN,
    form_code,
    tally,
)
from cardarena.simulator.envs.slots import (
    CNY,
    JOURNEY,
    MIDNIGHT,
    SETTING,
    Choice,
    Outcome,
    Slots,
    begin,
    draw_episode,
    end_day,
    is_closed,
    live_until,
    observe,
    open_day,
    pass_midnight,
    request,
)
from cardarena.simulator.parallel import in_chunks
from cardarena.simulator.prefetch import prefetch
from cardarena.simulator.rules import EVENT, PENDING
from cardarena.simulator.schedulers.cohort import MOST_THREADS

#: Columns of an observation: the feature function's, and what only an environment says.
COLUMN_TABLE: Final = (
    *FEATURE_TABLE,
    Column(
        "contact_price", "CNY", "what each contact that goes out is charged; the same throughout an episode"
    ),
    Column("days_left", "", "share of the horizon that is left"),
)
COLUMNS: Final = tuple(column.name for column in COLUMN_TABLE)
#: A yearly discount of 10 %, as incremental net value has it.
DAILY_DISCOUNT: Final = 0.9 ** (1.0 / 365.0)
#: A pushed contact arrives at the latest so many days after it was sent.
_LONGEST_DELAY_DAYS: Final = 9
#: Below so many slots a second thread costs more than it brings.
_THREADS_FROM: Final = 1024


@compiled(forceinline=True)
def _step_one(slots, i, base, rules, choice, setting, actions, out, rows, n, is_kept):
    """Decide, live through the step's days, and count what came of it; return the number of rows kept."""
    journey = slots.journey[i]
    form = setting.form
    weight = 1.0
    first = n
    if actions[i, 0] == 1:
        at = actions[i, 1]
        if slots.menu[i, at] == 0:
            # Not stocked: there is nothing that could go out, nor be charged.
            out.costs[BLOCKED, i] += 1
        else:
            offer, channel = choice.offers[at], choice.channels[actions[i, 2]]
            send = choice.minutes[channel]
            went, n = request(slots, i, rules, setting, offer, channel, actions[i, 3], 0, send, rows, n)
            if went:
                out.terms[CONTACT_PRICE, i] -= journey.price
    for _ in range(setting.every):
        for is_twin in range(2 if form == PAIRED else 1):
            at = i + is_twin * slots.journey.size
            n = open_day(slots, at, i, base, rules, setting, rows, n)
            n = live_until(slots, at, i, base, rules, setting, 0, MIDNIGHT, rows, n)
            if is_twin == 0:
                journey.touch_day = tally(
                    rows, first, n, form, weight, journey.touch_day, out.terms, out.costs, i
                )
                first = n if is_kept else first
            n = first
            expected = weight * CNY * end_day(slots, at, rules, setting, journey.day + 1)
            if form == PAIRED:
                out.terms[TWIN if is_twin else EXPECTED, i] += -expected if is_twin else expected
        pass_midnight(slots, i)
        out.days[i] += 1
        if is_closed(slots, i, setting):
            out.terminated[i] = True
            break
        if journey.day >= setting.horizon:
            out.truncated[i] = True
            break
        weight *= setting.discount
    journey.is_over = out.terminated[i] or out.truncated[i]
    return n


#: The bytes of a person that most days read; what lies behind is read of who has a need, or was ever contacted.
_HOT: Final = 448
_AHEAD: Final = 3
_PERSON_BYTES: Final = PERSON.itemsize
_ACCOUNT_BYTES: Final = ACCOUNT.itemsize


@compiled(nogil=True)
def _step(first, last, slots, base, rules, choice, settings, actions, out, rows, is_kept):
    """Advance slots [first, last) by a step, or begin the next episode where one is over; return the rows kept."""
    setting = settings[0]
    n = 0
    for i in range(first, last):
        for byte in range(0, _HOT, LINE):
            prefetch(slots.people, i + _AHEAD, byte)
        for byte in range(0, _ACCOUNT_BYTES, LINE):
            prefetch(slots.accounts, i + _AHEAD, byte)
        prefetch(slots.agenda, i + _AHEAD, 0)
        prefetch(slots.inbox, (i + _AHEAD) * setting.width, 0)
        after = min(i + 1, last - 1)
        if (
            slots.people[after].stirred != 0
            or slots.accounts[after].last_contact_day > NEVER
            or actions[after, 0] == 1
        ):
            for byte in range(_HOT, _PERSON_BYTES, LINE):
                prefetch(slots.people, after, byte)
        if slots.journey[i].is_over == 1:
            draw_episode(slots.journey[i], base.members, setting, choice.stock, slots.menu[i])
            begin(slots, i, base, setting)
        else:
            n = _step_one(slots, i, base, rules, choice, setting, actions, out, rows, n, is_kept)
        observe(slots, i, i, base, rules, choice.parts, setting, out.observation[i], out.mask[i])
        out.day[i] = slots.journey[i].day
    return n


@compiled(nogil=True)
def _draw(which, slots, base, choice, settings):
    for i in range(which.size):
        if which[i]:
            draw_episode(slots.journey[i], base.members, settings[0], choice.stock, slots.menu[i])


@compiled(nogil=True)
def _begin(which, slots, base, settings):
    for i in range(which.size):
        if which[i]:
            begin(slots, i, base, settings[0])


@compiled(nogil=True)
def _observe(which, rows, is_twin, slots, base, rules, choice, settings, observation, mask):
    for j in range(which.size):
        i, row = which[j], rows[j]
        at = slots.journey.size + i if is_twin else i
        observe(slots, at, i, base, rules, choice.parts, settings[0], observation[row], mask[row])


@compiled()
def _out_of_range(actions, sizes):
    """Return the first row with a part outside its range, or -1."""
    for i in range(actions.shape[0]):
        for part in range(sizes.size):
            if not 0 <= actions[i, part] < sizes[part]:
                return i
    return -1


class Kernels(NamedTuple):
    """What differs between kinds of journeys: the compiled loops over slots, both handed the same `_shared` arrays.

    Each kind compiles loops of its own: one loop that is handed a kind's functions would be compiled anew in every process,
    since Numba keeps no code whose arguments are functions.
    """

    step: Callable[..., int]
    observe: Callable[..., None]


class Journeys:
    """Slots in which people of a pool live their days, one decision a step.

    States of a slot: empty -> at a decision (`reset`) -> at the next (`step`) -> over (closed, or the horizon) -> at a
    decision again. A slot's episodes are a function of its seed and their number; slots share nothing, so neither the
    number of slots nor of threads changes what one sees.

    Attributes:
        pool: whom episodes are about.
        codec: what may be chosen.
        n: slots.
        slots: the arrays that change.
        setting: what all slots share, shape (1,).
        horizon: decision days of an episode.
        form: name of the form of the reward.
        sizes: choices of each part of an action.
        observation_table: what an observation's columns are.
        told: name and type of what else a step tells, by row of `Outcome.told`.
    """

    observation_table: ClassVar[tuple[Column, ...]] = COLUMN_TABLE
    told: ClassVar[tuple[tuple[str, type], ...]] = ()
    kernels: ClassVar[Kernels] = Kernels(_step, _observe)

    def __init__(
        self,
        pool: Pool,
        n: int,
        *,
        horizon: int | None = None,
        decision_every: int = 1,
        reward: str = "gross",
        difficulty: str = "standard",
        held_out_offers: Sequence[str] = (),
        contact_price: float | tuple[float, float] = 0.0,
        send_minute: int | None = None,
        daily_discount: float = DAILY_DISCOUNT,
        threads: int = 1,
    ) -> None:
        """Make empty slots.

        Args:
            pool: whom episodes are about.
            n: slots.
            horizon: decision days of an episode; the scenario's by default.
            decision_every: days of a step.
            reward: form of the reward: `gross`, `attributed` or `paired`.
            difficulty: `easy`, `standard` or `hard`; see `ActionCodec.of`.
            held_out_offers: names of offers that are on no menu here, though an action can name them: whoever is trained
                without them can be tested with them.
            contact_price: CNY a contact that goes out; two numbers are the range from which each episode draws.
            send_minute: minute of the day at which contacts go out; by default each channel's own, as policies have it.
            daily_discount: weight of a day over that of the day before.
            threads: compiled threads; results do not depend on it.

        Raises:
            ValueError: an argument out of range, or no offer left to choose from.
            UnknownNameError: an unknown form, difficulty or offer.
        """
        self.pool, self.n, self.form = pool, n, reward
        self.horizon = pool.scenario.horizon.days if horizon is None else horizon
        _check(n, "n", 1)
        _check(self.horizon, "horizon", 1, pool.days)
        _check(decision_every, "decision_every", 1)
        low, high = contact_price if isinstance(contact_price, Sequence) else (contact_price, contact_price)
        if not 0.0 <= low <= high:
            raise ValueError(
                f"contact_price: expected CNY from 0 on, the lower first, found {contact_price!r}"
            )
        if not 0.0 < daily_discount <= 1.0:
            raise ValueError(f"daily_discount: expected above 0 up to 1, found {daily_discount!r}")
        self.codec = ActionCodec.of(pool.rules, pool.stocked_channels(), difficulty)
        self.threads = max(1, min(threads, MOST_THREADS)) if n >= _THREADS_FROM else 1
        channels = pool.rules.channels
        offers, codes, minutes = self.codec.offers, self.codec.channels, send_minutes(channels, send_minute)
        stock = self.codec.stock(pool.scenario.catalogue().names, held_out_offers)
        self.choice = Choice(offers, stock, codes, minutes, make_parts(pool.rules, offers, codes, minutes))
        self.setting = np.zeros(1, dtype=SETTING)
        pool_width = pool.base.inbox.size // pool.n
        for name, value in (
            ("form", form_code(reward)),
            ("every", decision_every),
            ("horizon", self.horizon),
            ("width", pool_width + int(channels["expires_days"].max()) + _LONGEST_DELAY_DAYS),
            ("pool_width", pool_width),
            ("n_depths", self.codec.n_depths),
            ("is_halved", self.codec.is_halved),
            ("discount", daily_discount),
            ("price_low", low),
            ("price_high", high),
        ):
            self.setting[name] = value
        self.slots = _empty(n, 2 * n if reward == "paired" else n, int(self.setting["width"][0]), self.codec)
        self.sizes = np.array(self.codec.sizes, dtype=np.int64)
        self._scratch = np.zeros((0, 0), dtype=EVENT)

    # --- episodes

    def seed(self, seeds: Any, which: Bools | None = None) -> None:
        """Begin the sequence of episodes of these slots anew.

        Args:
            seeds: whole numbers, shape (n,).
            which: shape (n,), slots to seed; all by default.
        """
        chosen = np.ones(self.n, dtype=np.bool_) if which is None else which
        keys = np.array(
            [int(seed) & (2**64 - 1) for seed in np.asarray(seeds, dtype=object)], dtype=np.uint64
        )
        self.slots.journey["seed"][chosen] = keys[chosen]
        self.slots.journey["episode"][chosen] = 0

    def reset(
        self,
        which: Bools | None = None,
        *,
        cardholder: int | Ints | None = None,
        luck: int | np.ndarray | None = None,
        into: Outcome | None = None,
    ) -> Outcome:
        """Begin the next episode in these slots.

        Args:
            which: shape (n,), slots to reset; all by default.
            cardholder: person of the pool, in place of the one drawn; or one a slot, shape (n,).
            luck: key of the episode's luck, in place of the one drawn; or one a slot, shape (n,).
            into: an outcome to write into, in place of a new one; only its observation, mask and day are written.

        Returns:
            Observation and mask of these slots; of the others, the present ones.

        Raises:
            ValueError: no such person, or one whose account is closed.
        """
        chosen = np.ones(self.n, dtype=np.bool_) if which is None else which
        asked = None if cardholder is None else self._members(cardholder)
        _draw(chosen, self.slots, self.pool.base, self.choice, self.setting)
        if asked is not None:
            self.slots.journey["member"][chosen] = asked[chosen]
        if luck is not None:
            self.slots.journey["luck"][chosen] = np.broadcast_to(_keys(luck), self.n)[chosen]
        self._begin(chosen)
        out = self._outcome() if into is None else into
        rows = np.flatnonzero(chosen) if into is not None else np.arange(self.n)
        self._observe(rows, rows, False, out.observation, out.mask)
        out.day[rows] = self.slots.journey["day"][rows]
        return out

    def step(self, actions: np.ndarray, rows: list[np.ndarray] | None = None) -> Outcome:
        """Take a decision in every slot and live until the next; a slot whose episode is over begins the next one instead.

        Args:
            actions: factored, shape (n, 4), whole numbers.
            rows: receives the EVENT rows of the step, slot by slot.

        Returns:
            What came of it; zero terms and costs, and no days, where an episode began. Without the terminal value.

        Raises:
            ValueError: actions of another shape or out of range.
        """
        actions = self._checked(actions)
        out = self._outcome()
        is_kept = rows is not None
        threads = 1 if is_kept else self.threads
        step = 1 if is_kept else -(-self.n // (2 * threads if threads > 1 else 1))
        scratch = self._buffer(threads, is_kept)

        def work(slot: int, first: int, last: int) -> None:
            count = self._advance(first, last, actions, out, scratch[slot], is_kept)
            if rows is not None and count:
                rows.append(scratch[slot, :count].copy())

        in_chunks(self.n, step, threads, work)
        return out

    def observed(self, which: Ints, *, is_twin: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Return observation and mask of these slots as they stand, shapes (m, columns) and (m, parts).

        Args:
            which: slots.
            is_twin: look at their silent twins (paired form only).
        """
        which = np.asarray(which, dtype=np.int64)
        observation = np.zeros((which.size, len(self.observation_table)), dtype=np.float32)
        mask = np.zeros((which.size, self.n_mask), dtype=np.int8)
        self._observe(which, np.arange(which.size), is_twin, observation, mask)
        return observation, mask

    def info_of(self, out: Outcome) -> dict[str, np.ndarray]:
        """Return how long each slot's step took, in days (`dt`), and what else it told, arrays of shape (n,)."""
        told = {name: out.told[j].astype(kind) for j, (name, kind) in enumerate(self.told)}
        return {"dt": out.days, **told}

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of an observation's columns."""
        return tuple(column.name for column in self.observation_table)

    @property
    def n_mask(self) -> int:
        """Length of a mask: of an action's parts one behind the other."""
        return int(self.sizes.sum())

    @property
    def is_over(self) -> Bools:
        """Return which slots have come to the end of their episode, shape (n,)."""
        return self.slots.journey["is_over"] == 1

    # --- details

    @property
    def _shared(self) -> tuple[Any, ...]:
        """What every kernel is handed."""
        return self.slots, self.pool.base, self.pool.rules, self.choice, self.setting

    @property
    def _days_kept(self) -> int:
        """Days of which one step can keep rows."""
        return int(self.setting["every"][0])

    def _advance(
        self, first: int, last: int, actions: np.ndarray, out: Outcome, rows: np.ndarray, is_kept: bool
    ) -> int:
        return self.kernels.step(first, last, *self._shared, actions, out, rows, is_kept)

    def _begin(self, which: Bools) -> None:
        """Begin the episodes that were drawn."""
        _begin(which, self.slots, self.pool.base, self.setting)

    def _observe(
        self, which: Ints, rows: Ints, is_twin: bool, observation: np.ndarray, mask: np.ndarray
    ) -> None:
        """Write what is observed at each slot of `which` into its row of `rows`."""
        self.kernels.observe(which, rows, is_twin, *self._shared, observation, mask)

    def _members(self, cardholder: int | Ints) -> Ints:
        asked = np.broadcast_to(np.asarray(cardholder, dtype=np.int64), self.n)
        known = (asked >= 0) & (asked < self.pool.n)
        known[known] = self.pool.base.people["alive"][asked[known]] == 1
        if not known.all():
            raise ValueError(
                f"cardholder: expected 0 to {self.pool.n - 1} with an open account, found {asked[~known][0]}"
            )
        return asked

    def _checked(self, actions: np.ndarray) -> np.ndarray:
        actions = np.ascontiguousarray(actions, dtype=np.int64)
        if actions.shape != (self.n, self.sizes.size):
            raise ValueError(f"actions: expected shape ({self.n}, {self.sizes.size}), found {actions.shape}")
        if (row := _out_of_range(actions, self.sizes)) >= 0:
            raise ValueError(
                f"actions, row {row}: expected parts from 0 to below {self.sizes.tolist()}, "
                f"found {actions[row].tolist()}"
            )
        return actions

    def _outcome(self) -> Outcome:
        n = self.n
        return Outcome(
            observation=np.empty((n, len(self.observation_table)), dtype=np.float32),
            mask=np.empty((n, self.n_mask), dtype=np.int8),
            terms=np.zeros((len(TERMS), n)),
            costs=np.zeros((len(COSTS), n), dtype=np.int64),
            days=np.zeros(n, dtype=np.int64),
            terminated=np.zeros(n, dtype=np.bool_),
            truncated=np.zeros(n, dtype=np.bool_),
            day=np.empty(n, dtype=np.int64),
            told=np.zeros((len(self.told), n)),
        )

    def _buffer(self, threads: int, is_kept: bool) -> np.ndarray:
        width = int(self.setting["width"][0])
        # A day's rows at most, mine and the twin's; all days of a step where they are kept.
        day = AGENDA_SIZE * ROWS_PER_ITEM + 2 + width * (ROWS_PER_CONTACT + 1)
        need = day * (self._days_kept + 1 if is_kept else 2)
        if self._scratch.shape[0] < threads or self._scratch.shape[1] < need:
            self._scratch = np.zeros((threads, need), dtype=EVENT)
        return self._scratch


def _empty(n: int, places: int, width: int, codec: ActionCodec) -> Slots:
    return Slots(
        people=zeros(places, PERSON),
        accounts=zeros(places, ACCOUNT),
        inbox=np.zeros(places * width, dtype=PENDING),
        waiting=np.zeros(places, dtype=np.int64),
        agenda=np.zeros((places, AGENDA_SIZE), dtype=np.int32),
        length=np.zeros(places, dtype=np.int64),
        position=np.zeros(places, dtype=np.int64),
        journey=np.zeros(n, dtype=JOURNEY),
        menu=np.ones((n, codec.offers.size), dtype=np.int8),
    )


def _keys(numbers: Any) -> np.ndarray:
    """Return whole numbers of any size as 64-bit keys."""
    flat = np.atleast_1d(np.asarray(numbers, dtype=object))
    return np.array([int(number) & (2**64 - 1) for number in flat], dtype=np.uint64)


def _check(value: int, name: str, least: int, most: int | None = None) -> None:
    if value < least or (most is not None and value > most):
        upto = "on" if most is None else f"to {most}"
        raise ValueError(f"{name}: expected {least} {upto}, found {value}")
