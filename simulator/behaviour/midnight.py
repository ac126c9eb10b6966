"""Midnight: yesterday's stocks decay, and needs and wallet move to the day that begins."""

import numpy as np

from cardarena.simulator.bank.records import NEVER
from cardarena.simulator.behaviour import randomness
from cardarena.simulator.behaviour.elementary import exp, log
from cardarena.simulator.behaviour.person import (
    CREDIT_CATEGORY,
    NEED_FALSE_PRECURSOR,
    NEED_OFF,
    NEED_ON,
    NEED_PRECURSOR,
)
from cardarena.simulator.behaviour.randomness import CARDHOLDER, draw
from cardarena.simulator.compilation import compiled
from cardarena.simulator.names import N_CATEGORIES, N_CHANNELS, N_CONTEXTS

_KEEP_28 = 1.0 - 1.0 / 28.0
_KEEP_112 = 1.0 - 1.0 / 112.0
_KEEP_7 = 1.0 - 1.0 / 7.0
_BALANCE_KEEP = 1.0 - 1.0 / 180.0  # an instalment plan runs off in about half a year
#: The hazards of all needs together, above this, are taken as this.
MOST_NEEDS = 0.5


@compiled(forceinline=True)
def lowest(bits):
    """Return the position of the lowest bit that is set: the exponent of that power of two."""
    return (np.float64(bits & -bits).view(np.int64) >> 52) - 1023


@compiled()
def exponential_days(u, mean):
    """Return 1 + an exponential number of whole days, mean about `mean`, at uniform `u`."""
    return 1 + int(-log(u) * (mean - 0.5))


@compiled(forceinline=True)
def close_day(person, account, q, tomorrow):
    """Close the day that ends: each stock decays by one multiplication, or goes a step home; counters of the day reset.

    Args:
        person: PERSON record.
        account: ACCOUNT record.
        q: parameter record.
        tomorrow: number of the day that begins; its slots of the cap rings are cleared.
    """
    # Locals, since a store into a person might alias a parameter and keep the compiler from using vectors.
    load_keep, wear_keep, awareness_keep = q.load_keep, q.wear_keep, q.awareness_keep
    interest_keep = q.interest_keep
    for c in range(N_CHANNELS):
        person.load[c] *= load_keep
    if account.contacts_today > 0:
        for c in range(N_CHANNELS):
            person.delivered_today[c] = 0
    if account.last_contact_day > NEVER:
        # Whom no contact ever reached has nothing of this: zero times anything is zero.
        for k in range(N_CATEGORIES):
            person.wear[k] *= wear_keep
            person.awareness[k] *= awareness_keep
            account.category_contacts_28d[k] *= _KEEP_28
            account.category_clicks_28d[k] *= _KEEP_28
        person.blindness *= q.blindness_keep
        account.contacts_28d *= _KEEP_28
        account.opens_28d *= _KEEP_28
        account.clicks_28d *= _KEEP_28
        slot = tomorrow % 7
        for c in range(N_CHANNELS):
            account.week_ring[slot, c] = 0
        account.month_ring[tomorrow % 30] = 0
    for k in range(N_CATEGORIES):
        account.category_purchases_112d[k] *= _KEEP_112
        account.precursor_7d[k] *= _KEEP_7
    still = stirred = np.int64(person.stirred)
    while stirred != 0:
        k = lowest(stirred)
        stirred &= stirred - 1
        if person.interest[k] > 0.0 or person.need[k] == NEED_ON or person.bought_today[k] == 1:
            # No other category can have had a hazard today.
            person.hazard_today[k] = 0.0
            person.planned_today[k] = 0.0
            person.bought_today[k] = 0
        person.interest[k] = person.interest[k] * interest_keep if person.interest[k] > 1e-3 else 0.0
        if person.interest[k] == 0.0 and person.need[k] == NEED_OFF:
            still &= ~(1 << k)
    person.stirred = still
    for k in range(N_CONTEXTS):
        account.context_spend_28d_fen[k] *= _KEEP_28
    person.annoyance *= q.annoyance_keep
    person.benefit *= q.benefit_keep
    person.satisfaction += (person.satisfaction_home - person.satisfaction) * q.satisfaction_return
    person.trust += (person.trust_home - person.trust) * q.trust_return
    person.idle_days += 1
    person.rows_today = 0
    person.expected_mfen = 0
    person.expected_opt_out_ppb = 0
    for j in range(3):
        person.expected_complaint_ppb[j] = 0
    person.own_spend_fen = 0
    person.all_spend_fen = 0
    account.contacts_today = 0
    account.transactions_28d *= _KEEP_28
    account.spend_28d_fen *= _KEEP_28
    account.spend_112d_fen *= _KEEP_112
    account.visits_28d *= _KEEP_28
    account.margin_28d_fen *= _KEEP_28
    account.instalment_balance_fen *= _BALANCE_KEEP


@compiled(forceinline=True)
def wallet_target(person, q, rival):
    """Return the share of spend that our card would have at rest: a softmax over our card and the others'."""
    if person.wallet_home >= 1.0:
        return 1.0
    utility = (
        q.wallet_satisfaction * (person.satisfaction - person.satisfaction_home)
        + q.wallet_trust * (person.trust - person.trust_home)
        + person.benefit
        - q.wallet_annoyance * person.annoyance
        - rival
    )
    ours = person.wallet_home * exp(utility)
    return ours / (ours + 1.0 - person.wallet_home)


@compiled(forceinline=True)
def beginning_need(person, q, today, u):
    """Return the category in which a precursor begins at uniform `u`, true or false, or -1.

    One uniform meets the categories' hazards laid end to end, so at most one need begins a day; whether another need is
    on does not move anybody's luck.
    """
    below = 0.0
    for k in range(N_CATEGORIES):
        hazard = today.need_hazard[k] * person.need_scale[k]
        if k == CREDIT_CATEGORY and person.stress_left > 0:
            hazard *= q.need_stress
        below += hazard
        if u < below:
            return k
    return -1


@compiled(forceinline=True)
def may_begin_need(person, today, u):
    """Return False if no precursor begins at uniform `u`, whatever the order in which the hazards are added."""
    scale, hazard = person.need_scale, today.need_hazard
    total = (
        (scale[0] * hazard[0] + scale[1] * hazard[1]) + (scale[2] * hazard[2] + scale[3] * hazard[3])
    ) + ((scale[4] * hazard[4] + scale[5] * hazard[5]) + (scale[6] * hazard[6] + scale[7] * hazard[7]))
    # Hazards are not negative, so no partial sum exceeds the whole, which rounding moves by less than a part in 10^14.
    # Stress adds to a hazard.
    return not u >= 1.000001 * total or person.stress_left > 0


@compiled(forceinline=True)
def _ripen(person, account, q, seed, day, k):
    """Let the need of one category ripen, end, or leave a trace."""
    i = person.cardholder
    person.need_left[k] -= 1
    if person.need_left[k] <= 0:
        if person.need[k] == NEED_PRECURSOR:
            u, _, _, _ = draw(seed, i, day, CARDHOLDER, randomness.NEED_SPELL, 0, 0, k + 1, 0, 0)
            person.need[k] = NEED_ON
            person.need_left[k] = min(30, 6 + exponential_days(u, q.need_days - 6.0))
        else:
            person.need[k] = NEED_OFF
            return
    if account.tracked > 0:
        u, v, _, _ = draw(seed, i, day, CARDHOLDER, randomness.PRECURSOR, 0, 0, k + 1, 0, 0)
        if u < q.precursor_signal and (account.tracked == 2 or v < 0.5):
            account.precursor_7d[k] += 1.0


@compiled(forceinline=True)
def _move_needs(person, account, q, today, seed, spell):
    """Let needs begin, ripen and end, and leave their observable precursors."""
    u, is_false, length, noise = spell
    stirred = np.int64(person.stirred)
    while stirred != 0:
        k = lowest(stirred)
        stirred &= stirred - 1
        if person.need[k] != NEED_OFF:
            _ripen(person, account, q, seed, today.day, k)
    # Few get past the first comparison, so the processor guesses it right.
    if may_begin_need(person, today, u) and u < MOST_NEEDS:
        k = beginning_need(person, q, today, u)
        if k >= 0 and person.need[k] == NEED_OFF:
            person.need[k] = NEED_FALSE_PRECURSOR if is_false < q.false_share else NEED_PRECURSOR
            person.need_left[k] = exponential_days(length, q.precursor_days)
            person.stirred |= 1 << k
    # Traces without any need; who blocks in part leaves half of them.
    rate = 0.5 * q.precursor_noise * account.tracked * N_CATEGORIES
    if noise < rate:
        account.precursor_7d[int(noise / rate * N_CATEGORIES)] += 1.0


@compiled(forceinline=True)
def begin_day(person, account, rules, today, seed, neighbours_satisfaction):
    """Let needs and wallet move to this day. A closed account stays as it is.

    Args:
        person: PERSON record.
        account: ACCOUNT record.
        rules: the scenario's rules.
        today: TODAY record.
        seed: world key.
        neighbours_satisfaction: yesterday's mean satisfaction of the neighbours (word of mouth), or -1.
    """
    spell = draw(seed, person.cardholder, today.day, CARDHOLDER, randomness.NEED_SPELL, 0, 0, 0, 0, 0)
    begin_drawn(person, account, rules, today, seed, neighbours_satisfaction, spell)


@compiled(forceinline=True)
def begin_drawn(person, account, rules, today, seed, neighbours_satisfaction, spell):
    """Do what `begin_day` does, once the day's draw for NEED_SPELL is made."""
    q = rules.parameter[0]
    if person.alive == 0:
        return
    if today.trust_drop > 0.0:
        person.trust = max(0.0, person.trust - today.trust_drop * (1.0 + max(person.concern, -1.0)))
    if rules.compliance[0].word_of_mouth == 1 and neighbours_satisfaction >= 0.0:
        person.satisfaction += q.word_of_mouth * (neighbours_satisfaction - person.satisfaction)
    _move_needs(person, account, q, today, seed, spell)
    person.wallet += (wallet_target(person, q, today.rival) - person.wallet) / q.wallet_lag_days
