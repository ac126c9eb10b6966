"""A cardholder's own day once it has begun: candidates are planned, and each passes through `happen`.

The agent scheduler calls these functions one event at a time, the cohort scheduler in a loop; they are the only model.
"""

import numpy as np

from cardarena.simulator.bank.records import NEVER
from cardarena.simulator.behaviour import events, randomness
from cardarena.simulator.behaviour.elementary import exp, normal_quantile
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
from cardarena.simulator.behaviour.midnight import exponential_days, lowest
from cardarena.simulator.behaviour.person import (
    NEED_OFF,
    NEED_ON,
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
from cardarena.simulator.names import N_CHANNELS, N_CONTEXTS

_SMS = 3
_OWN, _ELSEWHERE, _INTEREST = 0, 1, 2
_APP, _BRANCH = 0, 1
#: Arrears become a default after half a year at the earliest.
DEFAULT_AFTER_DAYS = 180
#: A closure hazard above this is taken as this.
MAX_CLOSURE_HAZARD = 0.05


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
