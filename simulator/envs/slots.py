"""Slots: the arrays of journeys that are under way, and the compiled functions that move one slot through its days.

Every kind of journeys is made of these; what makes a kind is when it decides, and its own loop over the slots.
"""

from typing import Final, NamedTuple

import numpy as np

from cardarena.simulator.bank.features import FEATURE_INDEX, N_FEATURES, feature_row
from cardarena.simulator.bank.gate import Parts, gate, is_stopped, open_parts
from cardarena.simulator.behaviour.life import plan_day
from cardarena.simulator.behaviour.midnight import begin_day, close_day
from cardarena.simulator.behaviour.randomness import EPISODE, SCENARIO, philox4x32, unit
from cardarena.simulator.behaviour.response import expire
from cardarena.simulator.border import arrival, block
from cardarena.simulator.compilation import compiled
from cardarena.simulator.envs.rewards import EXPECTED, NO_TOUCH, PAIRED, TWIN
from cardarena.simulator.names import N_CHANNELS
from cardarena.simulator.schedulers.cohort import live_through

#: Behind the feature function's columns: see `journeys.COLUMN_TABLE`.
_PRICE: Final = N_FEATURES
_DAYS_LEFT: Final = N_FEATURES + 1
_WEEK: Final = FEATURE_INDEX["contacts_7d"]
MIDNIGHT: Final = 1440
CNY: Final = 1e-5  # a milli-fen

#: What a slot knows of its episode.
JOURNEY: Final = np.dtype(
    [
        ("seed", np.uint64),  # of the slot: what episodes are drawn from
        ("luck", np.uint64),  # key of the episode's luck
        ("episode", np.int64),  # episodes drawn so far
        ("member", np.int64),  # person of the pool
        ("world", np.int64),
        ("day", np.int64),  # that comes next, or that is being lived
        ("minute", np.int64),  # reached in it; 0: it has not begun
        ("touch_day", np.int64),  # of the episode's last delivered contact
        ("price", np.float64),  # CNY a contact
        ("heard", np.float64),  # mean satisfaction of the neighbours, -1: none
        ("asked_today", np.int16),  # contacts asked for today
        ("sent_today", np.int16, (N_CHANNELS,)),  # of them, what went out
        ("is_over", np.int8),
    ]
)

#: What all slots share.
SETTING: Final = np.dtype(
    [
        ("form", np.int64),
        ("every", np.int64),
        ("horizon", np.int64),
        ("width", np.int64),  # contacts that a slot's inbox holds
        ("pool_width", np.int64),
        ("n_depths", np.int64),
        ("is_halved", np.int8),
        ("discount", np.float64),  # a day
        ("price_low", np.float64),
        ("price_high", np.float64),
    ]
)


class Slots(NamedTuple):
    """What changes. In the paired form slot i's silent twin stands at n + i of the first six."""

    people: np.ndarray  # PERSON
    accounts: np.ndarray  # ACCOUNT
    inbox: np.ndarray  # (slots x width,) PENDING, each slot's sorted by when they are due
    waiting: np.ndarray  # how many of them
    agenda: np.ndarray  # (slots, AGENDA_SIZE) the day's agenda
    length: np.ndarray  # its entries
    position: np.ndarray  # the next of them
    journey: np.ndarray  # (n,) JOURNEY
    menu: np.ndarray  # (n, offers) whether the offer is on the episode's menu


class Choice(NamedTuple):
    """What may be chosen, for compiled code."""

    offers: np.ndarray  # codes
    stock: np.ndarray  # (offers,) int8, whether the offer is ever on a menu
    channels: np.ndarray  # codes
    minutes: np.ndarray  # at which each channel of the scenario sends
    parts: Parts  # what the mask reads of them


class Outcome(NamedTuple):
    """What a step or a reset gives: arrays of its own, one entry a slot."""

    observation: np.ndarray  # (n, columns) float32
    mask: np.ndarray  # (n, parts of the factored action) int8
    terms: np.ndarray  # (terms, n) CNY
    costs: np.ndarray  # (costs, n) counts
    days: np.ndarray  # (n,) days lived in this step; 0 where an episode began
    terminated: np.ndarray  # (n,) bool: the account is closed
    truncated: np.ndarray  # (n,) bool: the horizon is reached
    day: np.ndarray  # (n,) day that comes next
    told: np.ndarray  # (`Journeys.told`, n) what else this kind of journey tells of a step


@compiled()
def draw_menu(seed, episode, is_halved, stock, menu):
    """Put what is in stock on an episode's menu, and take a random half of it off again where menus are halved.

    Args:
        seed: uint64, what episodes are drawn from.
        episode: number of the episode.
        is_halved: whether to take half off.
        stock: shape (offers,), whether an offer is in stock at all.
        menu: shape (offers,), filled with whether it may be chosen.
    """
    c1 = np.uint32((SCENARIO << 12) | EPISODE)
    low = np.uint32(seed & np.uint64(0xFFFFFFFF))
    high = np.uint32(seed >> np.uint64(32))
    n_on = 0
    for j in range(menu.size):
        menu[j] = stock[j]
        n_on += stock[j] != 0
    if not is_halved:
        return
    # So many times an offer is drawn among those that are still on the menu.
    for taken in range(n_on // 2):
        word, _, _, _ = philox4x32(np.uint32(episode), c1, np.uint32(0), np.uint32(taken + 1), low, high)
        left = np.int64((np.uint64(word) * np.uint64(n_on - taken)) >> np.uint64(32))
        for j in range(menu.size):
            if menu[j] == 1:
                if left == 0:
                    menu[j] = 0
                    break
                left -= 1


@compiled(forceinline=True)
def draw_episode(journey, members, setting, stock, menu):
    """Draw who is met, under which luck, at which price, and which offers of the stock are on the menu."""
    c1 = np.uint32((SCENARIO << 12) | EPISODE)
    low = np.uint32(journey.seed & np.uint64(0xFFFFFFFF))
    high = np.uint32(journey.seed >> np.uint64(32))
    episode = np.uint32(journey.episode)
    who, a, b, price = philox4x32(episode, c1, np.uint32(0), np.uint32(0), low, high)
    journey.member = members[(np.uint64(who) * np.uint64(members.size)) >> np.uint64(32)]
    journey.luck = (np.uint64(a) << np.uint64(32)) | np.uint64(b)
    journey.price = setting.price_low + unit(price) * (setting.price_high - setting.price_low)
    draw_menu(journey.seed, journey.episode, setting.is_halved == 1, stock, menu)
    journey.episode += 1


@compiled(forceinline=True)
def _place(slots, at, base, setting, member):
    """Put a person of the pool into a slot, or into its twin's place."""
    slots.people[at] = base.people[member]
    slots.accounts[at] = base.accounts[member]
    slots.waiting[at] = base.waiting[member]
    for j in range(base.waiting[member]):
        slots.inbox[at * setting.width + j] = base.inbox[member * setting.pool_width + j]
    slots.length[at] = 0
    slots.position[at] = 0


@compiled(forceinline=True)
def begin(slots, i, base, setting):
    """Begin the episode that was drawn."""
    journey = slots.journey[i]
    member = journey.member
    journey.world = base.world[member]
    journey.heard = base.heard[member]
    journey.day = 0
    journey.minute = 0
    journey.touch_day = NO_TOUCH
    journey.is_over = 0
    journey.asked_today = 0
    for c in range(N_CHANNELS):
        journey.sent_today[c] = 0
    _place(slots, i, base, setting, member)
    if setting.form == PAIRED:
        _place(slots, slots.journey.size + i, base, setting, member)


@compiled(forceinline=True)
def describe(slots, at, i, base, setting, observation):
    """Write what may be known at slot `i` of the person at place `at`."""
    journey = slots.journey[i]
    feature_row(slots.accounts[at], base.today[journey.world, journey.day], observation)
    observation[_PRICE] = journey.price
    observation[_DAYS_LEFT] = (setting.horizon - journey.day) / setting.horizon


@compiled(forceinline=True)
def observe(slots, at, i, base, rules, parts, setting, observation, mask):
    """Write what may be known, as `describe` does, and what may be chosen of `parts`."""
    describe(slots, at, i, base, setting, observation)
    open_parts(
        slots.accounts[at],
        rules.compliance[0],
        parts,
        setting.n_depths,
        slots.menu[i],
        observation[_WEEK : _WEEK + 1 + N_CHANNELS],
        slots.journey[i].day,
        mask,
    )


@compiled(forceinline=True)
def request(slots, i, rules, setting, offer, channel, depth, minute, send, rows, n):
    """Ask for one contact: block it and charge it, or put it on its way.

    Args:
        slots: the slots.
        i: slot.
        rules: the scenario's rules.
        setting: SETTING record.
        offer: code.
        channel: code.
        depth: code.
        minute: minute of the decision.
        send: minute of the day at which it would go out.
        rows: EVENT buffer.
        n: rows already in it.

    Returns:
        Whether it went out, and the number of rows.
    """
    journey, person = slots.journey[i], slots.people[i]
    day = journey.day
    ordinal = journey.asked_today
    journey.asked_today += 1
    if rules.compliance[0].collide_minute >= 0:
        send = rules.compliance[0].collide_minute
    rule = gate(
        slots.accounts[i], rules.offers[offer], rules.channels[channel], rules.compliance[0], depth, day, send
    )
    if is_stopped(rule, rules.compliance[0]):
        cost = rules.money[0].blocked_mfen
        return False, block(person, offer, channel, depth, rule, ordinal, day, minute, cost, rows, n)
    of_channel = journey.sent_today[channel]
    journey.sent_today[channel] += 1
    due = arrival(journey.luck, person.cardholder, day, send, rules.channels[channel], of_channel)
    # Behind whatever is due at the same minute: it was decided earlier.
    low = i * setting.width
    j = low + slots.waiting[i]
    while j > low and slots.inbox[j - 1].due > due:
        slots.inbox[j] = slots.inbox[j - 1]
        j -= 1
    contact = slots.inbox[j]
    contact.cardholder = person.cardholder
    contact.due = due
    contact.ordinal = ordinal
    contact.decided_day = day
    contact.channel_ordinal = of_channel
    contact.offer = offer
    contact.channel = channel
    contact.depth = depth
    contact.state = 0
    slots.waiting[i] += 1
    return True, n


@compiled(forceinline=True)
def open_day(slots, at, i, base, rules, setting, rows, n):
    """Let the day begin for the person at place `at` of slot `i`; return the number of rows."""
    journey = slots.journey[i]
    person, account = slots.people[at], slots.accounts[at]
    today = base.today[journey.world, journey.day]
    begin_day(person, account, rules, today, journey.luck, journey.heard)
    slots.length[at] = plan_day(person, account, rules, today, journey.luck, slots.agenda[at])
    slots.position[at] = 0
    if slots.waiting[at] > 0:
        low = at * setting.width
        n = expire(person, rules, today, slots.inbox, low, low + slots.waiting[at], rows, n)
    return n


@compiled(forceinline=True)
def live_until(slots, at, i, base, rules, setting, start, end, rows, n):
    """Live from minute `start` of a day that has begun to minute `end`; return the number of rows."""
    journey = slots.journey[i]
    low = at * setting.width
    slots.position[at], n = live_through(
        slots.people[at],
        slots.accounts[at],
        slots.agenda[at],
        slots.position[at],
        slots.length[at],
        slots.inbox,
        low,
        low + slots.waiting[at],
        rules,
        base.today[journey.world, journey.day],
        journey.luck,
        start,
        end,
        rows,
        n,
    )
    return n


@compiled(forceinline=True)
def end_day(slots, at, rules, setting, tomorrow):
    """Close the day at place `at` and forget the contacts that are done; return what was expected of it, milli-fen."""
    person = slots.people[at]
    expected = person.expected_mfen
    close_day(person, slots.accounts[at], rules.parameter[0], tomorrow)
    if slots.waiting[at] > 0:
        low = at * setting.width
        kept = low
        for j in range(low, low + slots.waiting[at]):
            if slots.inbox[j].state == 0:
                if kept < j:
                    slots.inbox[kept] = slots.inbox[j]
                kept += 1
        slots.waiting[at] = kept - low
    return expected


@compiled(forceinline=True)
def pass_midnight(slots, i):
    """Step over midnight: the next day has not begun, and nothing has been asked for in it."""
    journey = slots.journey[i]
    journey.day += 1
    journey.minute = 0
    if journey.asked_today > 0:
        journey.asked_today = 0
        for c in range(N_CHANNELS):
            journey.sent_today[c] = 0


@compiled(forceinline=True)
def is_closed(slots, i, setting):
    """Say whether the journey has come to its end: the account is closed, the twin's too where there is one."""
    if setting.form == PAIRED and slots.people[slots.journey.size + i].alive == 1:
        return False
    return slots.people[i].alive == 0


@compiled()
def pass_night(slots, i, base, rules, setting, weight, out, rows, n):
    """Close a day that was lived, let the silent twin live it too, and step over midnight; say whether the journey is over.

    For journeys whose decisions lie within the day. Rows from `n` on are scratch: the twin's.
    """
    journey = slots.journey[i]
    expected = weight * CNY * end_day(slots, i, rules, setting, journey.day + 1)
    if setting.form == PAIRED:
        out.terms[EXPECTED, i] += expected
        twin = slots.journey.size + i
        m = open_day(slots, twin, i, base, rules, setting, rows, n)
        live_until(slots, twin, i, base, rules, setting, 0, MIDNIGHT, rows, m)
        out.terms[TWIN, i] -= weight * CNY * end_day(slots, twin, rules, setting, journey.day + 1)
    pass_midnight(slots, i)
    out.days[i] += 1
    if is_closed(slots, i, setting):
        out.terminated[i] = True
    elif journey.day >= setting.horizon:
        out.truncated[i] = True
    journey.is_over = out.terminated[i] or out.truncated[i]
    return journey.is_over == 1
