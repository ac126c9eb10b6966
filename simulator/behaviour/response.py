"""What a contact does to a cardholder: gate, load, notice, click, purchase, annoyance, refusal, complaint.

The order is fixed and every probability is written once, so that the environment, both schedulers and the oracle's
expectations read the same formulas.
"""

from cardarena.simulator.bank.gate import gate, is_stopped
from cardarena.simulator.behaviour import randomness
from cardarena.simulator.behaviour.elementary import exp, log, power
from cardarena.simulator.behaviour.events import (
    AWAKE,
    KIND_COMPLAINT,
    KIND_CONSENT,
    KIND_CONTACT,
    KIND_RESPONSE,
    WAKES,
    write_row,
)
from cardarena.simulator.behaviour.person import NEED_OFF, NEED_ON
from cardarena.simulator.behaviour.purchase import (
    buy,
    daily_card_margin_mfen,
    incentive_appeal,
    interest_hazard,
    mean_margin_mfen,
    purchase_uniform,
    to_int,
)
from cardarena.simulator.behaviour.randomness import CARDHOLDER, draw
from cardarena.simulator.compilation import compiled
from cardarena.simulator.names import N_CHANNELS

_DELIVERED, _FAILED, _BLOCKED = 0, 1, 2
_OPENED, _CLICKED = 0, 1
_LN2 = 0.6931471805599453
_DEPTH_STEP = 0.5  # generic 0, segment 0.5, individual 1


@compiled()
def relevance(person, offer):
    """Return how relevant the offer is to the person now, in [0, 1]: 1 while the need is on."""
    state = person.need[offer.category]
    if state == NEED_ON:
        return 1.0
    if state != NEED_OFF:
        return max(0.7, offer.relevance_off)
    return offer.relevance_off


@compiled()
def over_personalisation(person, account, q, depth):
    """Return by how much the depth goes beyond the person's privacy limit, which trust and consent raise."""
    limit = (
        person.privacy_limit
        + q.privacy_trust * (person.trust - 0.5)
        + (q.privacy_consent if account.sensitive_consent == 1 else 0.0)
    )
    return max(0.0, depth * _DEPTH_STEP - max(0.0, limit))


@compiled()
def moment_edge(person, q, absolute_minute):
    """Return how fresh the last own event is, from 1 (just now) to 0."""
    age = absolute_minute - person.last_event_minute
    if age < 0 or age > 20.0 * q.moment_minutes:
        return 0.0
    return exp(-age / q.moment_minutes)


@compiled()
def attention(person, q, channel):
    """Return the attention left under the load: a Hill function of load over personal tolerance, or an exponential.

    Both forms are 1 at rest and 1/2 at the tolerance, so that the tolerance means the same.
    """
    total = 0.0
    for c in range(N_CHANNELS):
        total += person.load[c]
    own = person.load[channel]
    felt = own + q.load_spill * (total - own)
    strain = power(felt / person.tolerance, q.attention_power)
    if q.attention_form > 0.5:
        return exp(-_LN2 * strain)
    return 1.0 / (1.0 + strain)


@compiled()
def notice_probability(person, offer, channel, q, edge):
    """Return the probability that a delivered contact is noticed: base x liking x attention x not blind, then odds.

    What is in the subject line counts too: a need, or an event of one's own just now, multiplies the odds. Who picks up a
    telephone does not know yet what it is about.
    """
    c = channel.channel
    p = min(0.95, channel.p_notice * person.liking[c] * attention(person, q, c) * exp(-person.blindness))
    if channel.is_voice == 1:
        return p
    state = person.need[offer.category]
    odds = 1.0 + q.moment_notice * edge
    if state == NEED_ON:
        odds += q.need_notice
    elif state != NEED_OFF:
        odds += 0.5 * q.need_notice
    return p * odds / (1.0 + p * (odds - 1.0))


@compiled()
def click_probability(person, account, offer, channel, q, depth, edge):
    """Return the probability that a noticed contact is clicked: logistic, then worn by repetition of the creative."""
    k = offer.category
    state = person.need[k]
    x = log(channel.p_click / (1.0 - channel.p_click)) + q.click_shift + log(person.theta)
    if state == NEED_ON:
        x += q.click_need_on + q.click_awareness * person.awareness[k]
    elif state != NEED_OFF:
        x += q.click_need_precursor
    x += offer.appeal + incentive_appeal(person, offer, q)
    x += q.click_trust * (person.trust - 0.5) - q.click_annoyance * person.annoyance
    x += q.click_service_liking * log(person.service_liking[offer.service])
    known = 1.0 if account.tracked > 0 else q.blocked_depth
    over = over_personalisation(person, account, q, depth)
    x += q.click_personal_gain * person.personalisation_need * depth * _DEPTH_STEP * known
    x -= q.click_personal_loss * over * over
    if edge > 0.0:
        x += q.moment_gain * edge * (1.0 if person.last_event_context == k else 0.3)
    p = 1.0 / (1.0 + exp(-x))
    return p * power(1.0 + person.wear[k], -q.wear_exponent)


@compiled()
def interest_effect(person, offer, q):
    """Return by how much this offer turns attention into purchases for this person; 1 is the average."""
    return person.theta * exp(0.5 * (offer.appeal + incentive_appeal(person, offer, q)))


@compiled()
def annoyance_added(person, account, channel, q, depth, relevant):
    """Return the annoyance that noticing this contact would add; irrelevance, overload and over-personalisation.

    Overload is the attention that the load has already taken: one curve says when somebody looks away and when it grates.
    """
    overload = 1.0 - attention(person, q, channel.channel)
    return channel.intrusiveness * (
        q.annoyance_irrelevance * (1.0 - relevant) + q.annoyance_overload * overload
    ) + q.annoyance_overpersonal * over_personalisation(person, account, q, depth)


@compiled()
def welcome(person, account, q, channel):
    """Return the satisfaction of being attended to, or the reactance of being attended to too often.

    Being heard from at half the ideal rate pleases half as much; beyond it each message costs, at most twice what the
    first one gave.
    """
    ideal = q.ideal_contacts * person.liking[channel] * person.tolerance
    return q.gratitude * max(-2.0, 1.0 - account.contacts_28d / ideal)


@compiled()
def complaint_probability(person, channel, q, is_refused):
    """Return the probability that a delivered contact makes the person complain; convex in annoyance."""
    p = (
        channel.p_complaint
        * power(1.0 + q.complaint_annoyance * person.annoyance, q.complaint_power)
        * (1.6 - person.satisfaction)
    )
    if is_refused:
        p *= q.complaint_refused
    return min(0.5, p)


@compiled()
def opt_out_probability(person, channel, q, relevant):
    """Return the probability that a delivered contact makes the person refuse the channel."""
    x = q.opt_out_annoyance * person.annoyance + q.opt_out_irrelevance * (0.5 - relevant)
    return min(0.5, channel.p_opt_out * exp(x))


@compiled()
def _count(account, person, channel, k, day):
    """Count a delivered contact where caps and features look for it."""
    c = channel.channel
    account.contacts_today += 1
    account.contacts_28d += 1.0
    account.week_ring[day % 7, c] = min(100, account.week_ring[day % 7, c] + 1)
    account.month_ring[day % 30] = min(100, account.month_ring[day % 30] + 1)
    account.last_contact_day = day
    account.category_contacts_28d[k] += 1.0
    person.delivered_today[c] += 1


@compiled()
def not_bought_yet(before, planned, minute, compliance):
    """Return the probability that no purchase of the category happened earlier today.

    Args:
        before: probability of a purchase today from the hazards so far.
        planned: the part of it that was drawn at midnight and falls into some minute of the waking day; the rest was at once.
        minute: minute of today.
        compliance: COMPLIANCE record.
    """
    passed = 0.0
    if compliance.collide_minute < 0:
        passed = min(1.0, max(0.0, (minute - WAKES) / AWAKE))
    elif minute > compliance.collide_minute:
        passed = 1.0
    return 1.0 - (before - planned) - passed * planned


@compiled()
def _engage(person, account, rules, offer, channel, contact, seed, day, minute, dose, rows, n):
    """Turn a notice or a click into interest; it may make the person buy at once, on what is left of the uniform."""
    q = rules.parameter[0]
    k = offer.category
    added = dose * channel.interest * interest_effect(person, offer, q)
    person.interest[k] += added
    person.stirred |= 1 << k
    hazard = interest_hazard(person, q, k, added)
    before = 1.0 - exp(-person.hazard_today[k])
    person.hazard_today[k] += hazard
    after = 1.0 - exp(-person.hazard_today[k])
    if person.bought_today[k] == 1:
        return n
    u, _ = purchase_uniform(seed, person, day, k)
    p = (after - before) / not_bought_yet(before, person.planned_today[k], minute, rules.compliance[0])
    person.expected_mfen += to_int(p * mean_margin_mfen(person, offer, q, rules.money[0]))
    if before <= u < after:
        return buy(
            person, account, rules, seed, day, minute, k, False, contact.decided_day, contact.ordinal, rows, n
        )
    return n


@compiled()
def _respond(person, account, rules, today, seed, contact, minute, edge, rows, n):
    """Let a noticed contact work: awareness, wear, blindness, satisfaction, interest, click."""
    q = rules.parameter[0]
    offer, channel = rules.offers[contact.offer], rules.channels[contact.channel]
    k, c, day = offer.category, contact.channel, today.day
    relevant = relevance(person, offer)
    if channel.tracks_open == 1:
        row = write_row(rows, n, person, day, minute, KIND_RESPONSE, _OPENED, k)
        row.offer, row.channel = contact.offer, c
        row.ref_day, row.ref_ordinal = contact.decided_day, contact.ordinal
        n += 1
        account.opens_28d += 1.0
    p_click = click_probability(person, account, offer, channel, q, contact.depth, edge)
    over = over_personalisation(person, account, q, contact.depth)
    person.awareness[k] += q.awareness_gain * (1.0 - person.awareness[k])
    person.wear[k] += 1.0
    person.blindness += q.blindness_gain * (1.0 - relevant) - q.blindness_relief * relevant * person.blindness
    gain = q.satisfaction_relevant * relevant + offer.satisfaction_gain + welcome(person, account, q, c)
    person.satisfaction = min(1.0, max(0.0, person.satisfaction + gain))
    person.trust = max(0.0, person.trust - q.trust_overpersonal * over)
    person.live_offer[k] = contact.offer
    person.live_until[k] = day + int(q.redeem_days)
    u, _, _, _ = draw(
        seed,
        person.cardholder,
        contact.decided_day,
        CARDHOLDER,
        randomness.CLICK,
        0,
        c,
        k,
        contact.channel_ordinal,
        0,
    )
    if u < p_click:
        row = write_row(rows, n, person, day, minute, KIND_RESPONSE, _CLICKED, k)
        row.offer, row.channel = contact.offer, c
        row.ref_day, row.ref_ordinal = contact.decided_day, contact.ordinal
        n += 1
        account.clicks_28d += 1.0
        account.category_clicks_28d[k] += 1.0
        account.last_click_day = day
        return _engage(
            person, account, rules, offer, channel, contact, seed, day, minute, q.interest_click, rows, n
        )
    return _engage(
        person, account, rules, offer, channel, contact, seed, day, minute, q.interest_notice, rows, n
    )


@compiled()
def _react(person, account, rules, today, seed, contact, minute, relevant, is_refused, at, rows, n):
    """Let the person mind the contact: refuse the channel, switch personalisation off, complain, or wake and close."""
    q, money = rules.parameter[0], rules.money[0]
    channel = rules.channels[contact.channel]
    c, day = contact.channel, today.day
    noticed = rows[at].noticed == 1
    share = 1.0 if noticed else q.annoyance_unnoticed
    annoyed = share * annoyance_added(person, account, channel, q, contact.depth, relevant)
    person.annoyance += annoyed
    person.satisfaction = max(0.0, person.satisfaction - q.satisfaction_annoyed * annoyed)
    p_complaint = complaint_probability(person, channel, q, is_refused)
    p_out = opt_out_probability(person, channel, q, relevant)
    person.expected_complaint_ppb[0] += to_int(p_complaint * 1e9)
    person.expected_opt_out_ppb += to_int(p_out * 1e9)
    person.expected_mfen -= to_int(p_complaint * money.complaint_mfen[0])
    rows[at].p_complaint_ppb = to_int(p_complaint * 1e9)
    rows[at].p_opt_out_ppb = to_int(p_out * 1e9)
    u, v, w, x = draw(
        seed,
        person.cardholder,
        contact.decided_day,
        CARDHOLDER,
        randomness.REACTION,
        0,
        c,
        0,
        contact.channel_ordinal,
        0,
    )
    if u < p_complaint:
        row = write_row(rows, n, person, day, minute, KIND_COMPLAINT, 0, 0)
        row.channel, row.ref_day, row.ref_ordinal = c, contact.decided_day, contact.ordinal
        row.value_mfen = -money.complaint_mfen[0]
        person.satisfaction = max(0.0, person.satisfaction - q.complaint_satisfaction)
        account.complaints += 1
        n += 1
    if v < p_out and (account.permitted[c] == 1 or rows[at].rule == 0):
        account.permitted[c] = 0
        account.refused_day[c] = day
        row = write_row(rows, n, person, day, minute, KIND_CONSENT, 0, 0)
        row.channel, row.ref_day, row.ref_ordinal = c, contact.decided_day, contact.ordinal
        n += 1
    over = over_personalisation(person, account, q, contact.depth)
    if noticed and over > 0.0 and account.personalisation_on == 1 and w < q.personal_off_rate * over:
        account.personalisation_on = 0
        row = write_row(rows, n, person, day, minute, KIND_CONSENT, 2, 0)
        row.ref_day, row.ref_ordinal = contact.decided_day, contact.ordinal
        n += 1
    if noticed and person.idle_days > 90 and x < q.closure_wake:
        person.alive = 0
        account.is_open = 0
        row = write_row(rows, n, person, day, minute, KIND_CONSENT, 6, 0)
        row.ref_day, row.ref_ordinal = contact.decided_day, contact.ordinal
        n += 1
    return n


@compiled()
def deliver(person, account, rules, today, seed, contact, minute, rows, n):
    """Deliver one contact at its minute: check every rule again, then let it work; return the number of rows.

    Args:
        person: PERSON record.
        account: ACCOUNT record.
        rules: the scenario's rules.
        today: TODAY record.
        seed: world key.
        contact: PENDING record; its `state` becomes 1.
        minute: minute of today.
        rows: EVENT buffer.
        n: rows already in it.
    """
    contact.state = 1
    q, money, compliance = rules.parameter[0], rules.money[0], rules.compliance[0]
    offer, channel = rules.offers[contact.offer], rules.channels[contact.channel]
    c, day = contact.channel, today.day
    rule = gate(account, offer, channel, compliance, contact.depth, day, minute)
    row = write_row(rows, n, person, day, minute, KIND_CONTACT, _DELIVERED, 0)
    at = n
    n += 1
    row.offer, row.channel, row.depth, row.rule = contact.offer, c, contact.depth, rule
    row.ref_day, row.ref_ordinal = contact.decided_day, contact.ordinal
    if is_stopped(rule, compliance):
        row.code = _BLOCKED
        row.value_mfen = -money.blocked_mfen
        person.expected_mfen -= money.blocked_mfen
        return n
    cost = channel.cost_mfen + (money.fine_mfen[rule] if rule != 0 else 0)
    fails, notices, _, _ = draw(
        seed,
        person.cardholder,
        contact.decided_day,
        CARDHOLDER,
        randomness.DELIVERY,
        0,
        c,
        0,
        contact.channel_ordinal,
        0,
    )
    if fails < channel.p_fail or (today.outage >> c) & 1:
        row.code = _FAILED
        row.value_mfen = -cost
        person.expected_mfen -= cost
        return n
    is_refused = rule != 0 and account.permitted[c] == 0
    edge = moment_edge(person, q, day * 1440 + minute)
    p_notice = notice_probability(person, offer, channel, q, edge)
    person.load[c] += channel.load
    _count(account, person, channel, offer.category, day)
    is_noticed = notices < p_notice
    row.p_notice_ppb = to_int(p_notice * 1e9)
    row.noticed = 1 if is_noticed else 0
    row.value_mfen = -(cost + (channel.success_cost_mfen if is_noticed else 0))
    person.expected_mfen -= cost + to_int(p_notice * channel.success_cost_mfen)
    account.margin_28d_fen -= cost * 1e-3
    # As it was when it arrived: who buys at once was not bothered with something irrelevant.
    relevant = relevance(person, offer)
    if is_noticed:
        n = _respond(person, account, rules, today, seed, contact, minute, edge, rows, n)
    return _react(person, account, rules, today, seed, contact, minute, relevant, is_refused, at, rows, n)


@compiled()
def waiting_contact(contacts, low, high, kind, channels):
    """Return the index of the first waiting contact for a visit of this kind (0 app, 1 branch), or -1."""
    for j in range(low, high):
        if contacts[j].state == 0 and channels[contacts[j].channel].at_visit == kind + 1:
            return j
    return -1


@compiled()
def expire(person, rules, today, contacts, low, high, rows, n):
    """Let contacts lapse that waited too long for a visit; return the number of rows."""
    for j in range(low, high):
        contact = contacts[j]
        channel = rules.channels[contact.channel]
        if (
            contact.state == 0
            and channel.at_visit > 0
            and today.day - contact.decided_day >= channel.expires_days
        ):
            contact.state = 1
            row = write_row(rows, n, person, today.day, 0, KIND_CONTACT, 3, 0)
            row.offer, row.channel, row.depth = contact.offer, contact.channel, contact.depth
            row.ref_day, row.ref_ordinal = contact.decided_day, contact.ordinal
            n += 1
    return n


@compiled()
def expected_one_step(person, account, rules, day, minute, offer_code, channel_code, depth):
    """Return the expected incremental margin of one contact in milli-fen, the stocks held as they are (oracle only).

    It counts the interest's whole decaying kernel, the complaint, and the price of a lost permission; not what load,
    annoyance and wear do to later contacts: that is what makes it myopic.
    """
    q, money = rules.parameter[0], rules.money[0]
    offer, channel = rules.offers[offer_code], rules.channels[channel_code]
    k = offer.category
    edge = moment_edge(person, q, day * 1440 + minute)
    p_notice = (1.0 - channel.p_fail) * notice_probability(person, offer, channel, q, edge)
    p_click = click_probability(person, account, offer, channel, q, depth, edge)
    dose = (p_click * q.interest_click + (1.0 - p_click) * q.interest_notice) * channel.interest
    hazard = interest_hazard(person, q, k, dose * interest_effect(person, offer, q))
    # Interest fades by `interest_keep` a day and dies with the need; organic purchases compete for the same need.
    fade = q.interest_keep
    if person.need[k] == NEED_ON:
        fade *= exp(-q.purchase_rate[k])
    p_buy = 1.0 - exp(-hazard / (1.0 - fade))
    margin = mean_margin_mfen(person, offer, q, money)
    gain = p_buy * margin
    if person.need[k] == NEED_ON:
        # Part of these buyers would have come anyway, at the standing terms; they redeem the offer's incentive now.
        p_anyway = person.wallet * (1.0 - exp(-q.purchase_rate[k] * max(1, person.need_left[k])))
        gain = (1.0 - p_anyway) * p_buy * margin
        gain += p_anyway * (margin - mean_margin_mfen(person, rules.standing[k], q, money))
    swing = offer.wallet_benefit / (1.0 - q.benefit_keep) * person.wallet * (1.0 - person.wallet)
    value = p_notice * (gain + p_buy * swing * daily_card_margin_mfen(person, q, money))
    relevant = relevance(person, offer)
    share = p_notice + (1.0 - p_notice) * q.annoyance_unnoticed
    later = person.annoyance + share * annoyance_added(person, account, channel, q, depth, relevant)
    p_complaint = (
        channel.p_complaint
        * power(1.0 + q.complaint_annoyance * later, q.complaint_power)
        * (1.6 - person.satisfaction)
    )
    p_out = opt_out_probability(person, channel, q, relevant)
    return (
        value
        - channel.cost_mfen
        - p_notice * channel.success_cost_mfen
        - p_complaint * money.complaint_mfen[0]
        - p_out * q.permission_value_cny[channel_code] * 1e5
    )
