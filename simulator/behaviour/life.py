"""A cardholder's own day: midnight closes yesterday, begins and plans today; each candidate passes through `happen`.

The agent scheduler calls these functions one event at a time, the cohort scheduler in a loop; they are the only model.
"""

import numpy as np

from cardarena.simulator.bank.records import NEVER
from cardarena.simulator.behaviour import events, randomness
from cardarena.simulator.behaviour.elementary import exp, log, normal_quantile
from cardarena.simulator.behaviour.events import (
    AWAKE,
    KIND_COMPLAINT,
    KIND_CONSENT,
    KIND_TRANSACTION,
    KIND_VISIT,
    MAX_TRANSACTIONS,
    WAKES,
    agenda_item,
    sort_agenda,
    write_row,
)
from cardarena.simulator.behaviour.person import (
    CREDIT_CATEGORY,
    NEED_FALSE_PRECURSOR,
    NEED_OFF,
    NEED_ON,
    NEED_PRECURSOR,
)
from cardarena.simulator.behaviour.purchase import (
    buy,
    interest_hazard,
    mean_margin_mfen,
    organic_hazards,
    purchase_amount,
    purchase_uniform,
    redeemable,
    to_int,
)
from cardarena.simulator.behaviour.randomness import CARDHOLDER, draw
from cardarena.simulator.compilation import compiled
from cardarena.simulator.names import N_CATEGORIES, N_CHANNELS, N_CONTEXTS

_KEEP_28 = 1.0 - 1.0 / 28.0
_KEEP_112 = 1.0 - 1.0 / 112.0
_KEEP_7 = 1.0 - 1.0 / 7.0
_BALANCE_KEEP = 1.0 - 1.0 / 180.0  # an instalment plan runs off in about half a year
_SMS = 3
_OWN, _ELSEWHERE, _INTEREST = 0, 1, 2
_APP, _BRANCH = 0, 1
#: The hazards of all needs together, above this, are taken as this.
MOST_NEEDS = 0.5
#: Arrears become a default after half a year at the earliest.
DEFAULT_AFTER_DAYS = 180
#: A closure hazard above this is taken as this.
MAX_CLOSURE_HAZARD = 0.05


@compiled(forceinline=True)
def lowest(bits):
    """Return the position of the lowest bit that is set: the exponent of that power of two."""
    return (np.float64(bits & -bits).view(np.int64) >> 52) - 1023


@compiled(forceinline=True)
def poisson(u, mean, cap):
    """Return the Poisson count of mean `mean` at uniform `u`, at most `cap` (inversion)."""
    if u < 1.0 - mean * (1.0 - mean * (0.5 - mean * (1.0 / 6.0))) - 1e-12:
        return 0  # 1 - m + m^2/2 - m^3/6 < e^-m: no need to know e^-m
    p = exp(-mean)
    total = p
    count = 0
    while u > total and count < cap:
        count += 1
        p *= mean / count
        total += p
    return count


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


@compiled(forceinline=True)
def ticket_fen(person, q, context, u):
    """Return the amount of a transaction in a context at uniform `u`, whole fen."""
    return to_int(
        100.0 * q.ticket_median_cny[context] * person.ticket_scale * exp(q.ticket_sigma * normal_quantile(u))
    )


@compiled(forceinline=True)
def busyness(person, today):
    """Return today's number of transactions over an average day's: the contexts' multipliers, weighted by their shares."""
    busy = 0.0
    for k in range(N_CONTEXTS):
        busy += person.context_share[k] * today.spend_multiplier[k]
    return busy


@compiled(forceinline=True)
def context_of(person, today, busy, u):
    """Return the spending context that a uniform falls into; a context's share moves with its multiplier of the day."""
    total = 0.0
    context = 0
    for k in range(N_CONTEXTS):
        # A sum of conditions, not a search: where it would end cannot be guessed ahead.
        total += person.context_share[k] * today.spend_multiplier[k]
        context += np.int64(u * busy >= total)
    if context == N_CONTEXTS:
        # The sum rounds otherwise than `busy`: the last context that is used.
        context -= 1
        while context > 0 and person.context_share[context] <= 0.0:
            context -= 1
    return context


@compiled(forceinline=True)
def _own_minute(u, compliance):
    """Place an own event in the waking day, 07:30 to 22:30."""
    if compliance.collide_minute >= 0:
        return compliance.collide_minute
    return WAKES + int(u * AWAKE)


@compiled()
def closure_hazard(person, q):
    """Return the hazard a day of closing the account by choice."""
    idle = min(person.idle_days, 365) / 90.0
    return (
        q.closure_rate
        * (1.0 + q.closure_idle * idle)
        * exp(q.closure_annoyance * person.annoyance - q.closure_satisfaction * (person.satisfaction - 0.6))
    )


@compiled(forceinline=True)
def _plan_spending(person, rules, today, seed, agenda, n, counts, first, tickets):
    """Plan today's transactions over all cards; only those on ours join the agenda."""
    q, money, rule = rules.parameter[0], rules.money[0], rules.compliance[0]
    i, day = person.cardholder, today.day
    u, v, w, _ = counts
    busy = busyness(person, today)
    mean_cny = 0.0
    for k in range(N_CONTEXTS):
        mean_cny += person.context_share[k] * today.spend_multiplier[k] * q.ticket_median_cny[k]
    rate = person.transaction_rate * busy
    mean_fen = person.transaction_rate * mean_cny * person.mean_ticket_scale
    person.expected_mfen += to_int(person.wallet * mean_fen * money.spend_ppm * 1e-3)
    for j in range(poisson(u, rate, MAX_TRANSACTIONS)):
        when, where, whose, size = (
            first if j == 0 else draw(seed, i, day, CARDHOLDER, randomness.TRANSACTION, 0, 0, 0, 0, j)
        )
        if tickets is not None:
            tickets[j, 0] = where
            tickets[j, 1] = size
        if whose < person.wallet:
            agenda[n] = agenda_item(_own_minute(when, rule), events.TRANSACTION, j)
            n += 1
        else:
            person.all_spend_fen += ticket_fen(person, q, context_of(person, today, busy, where), size)
    for j in range(poisson(v, person.visit_rate * (0.5 + person.satisfaction), 3)):
        when, _, _, _ = draw(seed, i, day, CARDHOLDER, randomness.PLAN_VISIT, 0, 0, 0, 0, j)
        agenda[n] = agenda_item(_own_minute(when, rule), events.VISIT, _APP)
        n += 1
    if w < person.branch_rate:
        agenda[n] = agenda_item(_own_minute(w / person.branch_rate, rule), events.VISIT, _BRANCH)
        n += 1
    return n


@compiled(forceinline=True)
def _plan_purchases(person, rules, today, seed, agenda, n):
    """Plan today's purchases from the organic hazards and from standing interest."""
    q, money, rule = rules.parameter[0], rules.money[0], rules.compliance[0]
    stirred = np.int64(person.stirred)
    while stirred != 0:
        k = lowest(stirred)
        stirred &= stirred - 1
        if person.need[k] != NEED_ON and person.interest[k] == 0.0:
            continue
        ours, elsewhere = organic_hazards(person, q, k)
        driven = interest_hazard(person, q, k, person.interest[k])
        person.hazard_today[k] = ours + elsewhere + driven
        u, when = purchase_uniform(seed, person, today.day, k)
        p_ours = p_else = 0.0
        if person.need[k] == NEED_ON:
            p_ours = 1.0 - exp(-ours)
            p_else = 1.0 - exp(-(ours + elsewhere))
        p_all = 1.0 - exp(-person.hazard_today[k])
        margin = mean_margin_mfen(person, redeemable(person, rules, k, today.day), q, money)
        person.expected_mfen += to_int((p_ours + p_all - p_else) * margin)
        person.planned_today[k] = p_all
        person.planned_margin_mfen[k] = margin
        if u < p_all:
            how = _OWN if u < p_ours else (_ELSEWHERE if u < p_else else _INTEREST)
            agenda[n] = agenda_item(_own_minute(when, rule), events.PURCHASE, k | (how << 4))
            n += 1
    return n


@compiled()
def default_mfen(account, money):
    """Return what a default costs: the open statement (instalments have been charged their expected loss already)."""
    return account.spend_28d_fen * money.loss_given_default_ppm * 1e-3


@compiled()
def _begin_stress(person, account, q, seed, day):
    u, v, _, _ = draw(seed, person.cardholder, day, CARDHOLDER, randomness.CREDIT, 0, 0, 0, 0, 0)
    person.stress_left = min(700, exponential_days(u, q.stress_days))
    person.stress_days = 0
    account.overdue = 1 if v < q.overdue_share else 0


@compiled(forceinline=True)
def _plan_rare(person, account, rules, today, seed, agenda, n, seldom):
    """Plan what happens seldom: a withdrawal of consent, a complaint about service or collection, stress, a closure."""
    q, money = rules.parameter[0], rules.money[0]
    i, day = person.cardholder, today.day
    if today.p_withdraw > 0.0 and account.marketing_consent == 1:
        u, _, _, _ = draw(seed, i, day, CARDHOLDER, randomness.CONSENT_CHANGE, 0, 0, 0, 0, 0)
        if u < today.p_withdraw * exp(0.5 * person.concern - 0.125):
            agenda[n] = agenda_item(480, events.PERMISSION_CHANGE, 0)
            n += 1
    service, closure, credit, default = seldom
    p_service = q.complaint_service * (1.6 - person.satisfaction)
    person.expected_complaint_ppb[1] += to_int(p_service * 1e9)
    cost = p_service * money.complaint_mfen[1]
    if service < p_service:
        agenda[n] = agenda_item(1200, events.BACKGROUND_COMPLAINT, 1)
        n += 1
    if account.overdue == 1:
        person.expected_complaint_ppb[2] += to_int(q.complaint_collection * 1e9)
        p_default = q.default_rate if person.stress_days >= DEFAULT_AFTER_DAYS else 0.0
        cost += q.complaint_collection * money.complaint_mfen[2] + p_default * default_mfen(account, money)
        if credit < q.complaint_collection:
            agenda[n] = agenda_item(1201, events.BACKGROUND_COMPLAINT, 2)
            n += 1
        if default < p_default:
            agenda[n] = agenda_item(1439, events.CLOSURE, 1)
            n += 1
    if person.stress_left > 0:
        person.stress_left -= 1
        person.stress_days += 1
        if person.stress_left == 0:
            account.overdue = 0
    elif credit < q.stress_rate * person.vulnerability * today.stress_multiplier:
        _begin_stress(person, account, q, seed, day)
    person.expected_mfen -= to_int(cost)
    # The exponential is worth computing only for the few whose luck could let it matter.
    if closure < MAX_CLOSURE_HAZARD and closure < closure_hazard(person, q):
        agenda[n] = agenda_item(1438, events.CLOSURE, 0)
        n += 1
    return n


@compiled(forceinline=True)
def plan_day(person, account, rules, today, seed, agenda):
    """Draw the day's candidates into `agenda`, shape (AGENDA_SIZE,), sorted; return how many there are."""
    i, day = person.cardholder, today.day
    counts = draw(seed, i, day, CARDHOLDER, randomness.PLAN_COUNT, 0, 0, 0, 0, 0)
    seldom = draw(seed, i, day, CARDHOLDER, randomness.CLOSURE, 0, 0, 0, 0, 0)
    first = draw(seed, i, day, CARDHOLDER, randomness.TRANSACTION, 0, 0, 0, 0, 0)
    return plan_drawn(person, account, rules, today, seed, agenda, counts, seldom, first, None)


@compiled(forceinline=True)
def plan_drawn(person, account, rules, today, seed, agenda, counts, seldom, first, tickets):
    """Do what `plan_day` does, once the day's draws for PLAN_COUNT, for CLOSURE and for the first TRANSACTION are made.

    Unless `tickets` is None, shape (MAX_TRANSACTIONS, 2), it keeps what `transact_drawn` asks for.
    """
    if person.alive == 0:
        return 0
    n = _plan_spending(person, rules, today, seed, agenda, 0, counts, first, tickets)
    n = _plan_purchases(person, rules, today, seed, agenda, n)
    if today.day_of_month == 1 + person.cardholder % 28:
        # The monthly statement goes out in every world, the silent one too.
        agenda[n] = agenda_item(
            600 if rules.compliance[0].collide_minute < 0 else rules.compliance[0].collide_minute,
            events.SERVICE_MESSAGE,
            0,
        )
        n += 1
    n = _plan_rare(person, account, rules, today, seed, agenda, n, seldom)
    sort_agenda(agenda, n)
    return n


@compiled()
def _close(person, account, day, minute, code, rows, n):
    person.alive = 0
    account.is_open = 0
    write_row(rows, n, person, day, minute, KIND_CONSENT, code, 0)
    return n + 1


@compiled(forceinline=True)
def _visit(person, account, rules, today, seed, minute, place, rows, n):
    q = rules.parameter[0]
    write_row(rows, n, person, today.day, minute, KIND_VISIT, place, place)
    n += 1
    person.last_event_minute = today.day * 1440 + minute
    person.last_event_context = -1
    if place != _APP:
        return n
    if account.tracked > 0:
        account.visits_28d += 1.0
        account.last_visit_day = today.day
    if person.satisfaction < 0.5:
        return n
    u, v, w, _ = draw(
        seed, person.cardholder, today.day, CARDHOLDER, randomness.CONSENT_CHANGE, 0, 0, 0, 0, 1
    )
    if u < q.opt_in_rate:
        c = int(v * N_CHANNELS)
        if account.permitted[c] == 0 and account.refused_day[c] > NEVER:
            account.permitted[c] = 1
            account.refused_day[c] = NEVER
            row = write_row(rows, n, person, today.day, minute, KIND_CONSENT, 1, 0)
            row.channel = c
            n += 1
    if account.marketing_consent == 0 and person.willing_consent == 1 and w < q.consent_rate:
        # Never asked before: the app's first prompt. Who has withdrawn is not willing again.
        account.marketing_consent = 1
        for c in range(N_CHANNELS):
            if account.refused_day[c] == NEVER:
                account.permitted[c] = max(account.permitted[c], person.willing[c])
        write_row(rows, n, person, today.day, minute, KIND_CONSENT, 8, 0)
        n += 1
    return n


@compiled(forceinline=True)
def _transact(person, account, rules, today, seed, minute, j, rows, n):
    _, where, _, size = draw(
        seed, person.cardholder, today.day, CARDHOLDER, randomness.TRANSACTION, 0, 0, 0, 0, j
    )
    return transact_drawn(person, account, rules, today, minute, where, size, rows, n)


@compiled(forceinline=True)
def transact_drawn(person, account, rules, today, minute, where, size, rows, n):
    """Let a transaction on our card happen whose uniforms of context and amount are known; return the number of rows."""
    q, money = rules.parameter[0], rules.money[0]
    context = context_of(person, today, busyness(person, today), where)
    amount = ticket_fen(person, q, context, size)
    person.all_spend_fen += amount
    person.own_spend_fen += amount
    value = to_int(amount * money.spend_ppm * 1e-3)
    row = write_row(rows, n, person, today.day, minute, KIND_TRANSACTION, 0, context)
    row.amount_fen = amount
    row.value_mfen = value
    person.idle_days = 0
    person.last_event_minute = today.day * 1440 + minute
    person.last_event_context = context
    account.last_transaction_day = today.day
    account.transactions_28d += 1.0
    account.spend_28d_fen += amount
    account.spend_112d_fen += amount
    account.context_spend_28d_fen[context] += amount
    account.margin_28d_fen += value * 1e-3
    return n + 1


@compiled(forceinline=True)
def happen(person, account, rules, today, seed, item, rows, n):
    """Let one agenda entry happen at its minute, or drop it; return the number of rows written so far.

    Args:
        person: PERSON record.
        account: ACCOUNT record.
        rules: the scenario's rules.
        today: TODAY record.
        seed: world key.
        item: packed agenda entry, see `events.agenda_item`.
        rows: EVENT buffer.
        n: rows already in it.
    """
    minute, rank, payload = item >> 16, (item >> 12) & 15, item & 4095
    day = today.day
    if person.alive == 0:
        return n
    if rank == events.TRANSACTION:
        return _transact(person, account, rules, today, seed, minute, payload, rows, n)
    if rank == events.VISIT:
        return _visit(person, account, rules, today, seed, minute, payload, rows, n)
    if rank == events.PURCHASE:
        k, how = payload & 15, payload >> 4
        if person.bought_today[k] == 1:
            return n
        if how == _ELSEWHERE:
            # The need is met on another card; the bank sees nothing.
            person.need[k] = NEED_OFF
            person.need_left[k] = 0
            person.interest[k] = 0.0
            person.bought_today[k] = 1
            if k < N_CONTEXTS:
                person.all_spend_fen += purchase_amount(person, rules.standing[k], seed, day, k)
            return n
        # A contact of today may have changed the terms on which midnight's expectation was formed.
        terms = redeemable(person, rules, k, day)
        margin = mean_margin_mfen(person, terms, rules.parameter[0], rules.money[0])
        person.expected_mfen += to_int(margin - person.planned_margin_mfen[k])
        return buy(person, account, rules, seed, day, minute, k, how == _OWN, 0, -1, rows, n)
    if rank == events.SERVICE_MESSAGE:
        person.load[_SMS] += rules.parameter[0].service_message_load
        return n
    if rank == events.PERMISSION_CHANGE:
        account.marketing_consent = 0
        person.willing_consent = 0
        write_row(rows, n, person, day, minute, KIND_CONSENT, 4, 0)
        if account.partner_consent == 0:
            return n + 1
        account.partner_consent = 0
        write_row(rows, n + 1, person, day, minute, KIND_CONSENT, 5, 0)
        return n + 2
    if rank == events.BACKGROUND_COMPLAINT:
        q = rules.parameter[0]
        row = write_row(rows, n, person, day, minute, KIND_COMPLAINT, payload, 0)
        row.value_mfen = -rules.money[0].complaint_mfen[payload]
        person.satisfaction = max(0.0, person.satisfaction - q.complaint_satisfaction)
        account.complaints += 1
        return n + 1
    n = _close(person, account, day, minute, 6 + payload, rows, n)
    if payload == 1:
        rows[n - 1].value_mfen = -to_int(default_mfen(account, rules.money[0]))
    return n
