"""Purchases: competing hazards on one uniform a day and category; what a purchase is worth, and what it changes.

Within a day the hazards of a category lie one behind the other on the same uniform u: first the organic purchase on our
card, then the one elsewhere, then what standing interest drives, then what today's contacts add. So the same luck meets
every policy, a contact can only add, and who would have bought anyway buys in both worlds.
"""

import numpy as np

from cardarena.simulator.behaviour.elementary import exp, log, normal_quantile
from cardarena.simulator.behaviour.events import KIND_RESPONSE, write_row
from cardarena.simulator.behaviour.person import CREDIT_CATEGORY, NEED_OFF, NEED_ON
from cardarena.simulator.behaviour.randomness import CARDHOLDER, PURCHASE, PURCHASE_AMOUNT, draw
from cardarena.simulator.compilation import compiled
from cardarena.simulator.names import N_CONTEXTS

_PURCHASED = 2
_ORGANIC = 3


@compiled()
def incentive_appeal(person, offer, q):
    """Return the logit that the offer's incentive is worth to this person."""
    return q.click_incentive * person.deal_proneness * log(1.0 + offer.incentive_fen * 1e-3)


@compiled(forceinline=True)
def amount_scale(person, offer):
    """Return by how much this person's purchases exceed the offer's median amount (square root of the ticket scale)."""
    if offer.category < N_CONTEXTS:
        return np.sqrt(person.ticket_scale)
    return 1.0


@compiled(forceinline=True)
def margin_mfen(offer, amount_fen, is_stressed, q, money):
    """Return the bank's margin of one take in milli-fen, before rounding; interchange on spending included."""
    ppm = offer.margin_ppm - offer.credit_loss_ppm * (q.stress_loss if is_stressed else 1.0)
    if offer.category < N_CONTEXTS:
        ppm += money.spend_ppm
    subsidy = offer.incentive_fen * (1.0 - offer.merchant_share_ppm * 1e-6)
    return amount_fen * ppm * 1e-3 + (offer.margin_fen - subsidy) * 1e3


@compiled(forceinline=True)
def to_int(x):
    """Round half up to an integer: the one function in which money becomes whole."""
    if x >= 0.0:
        return int(x + 0.5)
    return -int(0.5 - x)


@compiled(forceinline=True)
def mean_margin_mfen(person, offer, q, money):
    """Return the expected margin of a take by this person in milli-fen."""
    if offer.amount_fen == 0:
        return margin_mfen(offer, 0.0, person.stress_left > 0, q, money)
    mean = offer.mean_amount_fen * amount_scale(person, offer)
    return margin_mfen(offer, mean, person.stress_left > 0, q, money)


@compiled()
def daily_card_margin_mfen(person, q, money):
    """Return the expected interchange net of points on an average day's transactions over all cards, milli-fen."""
    mean_cny = 0.0
    for k in range(N_CONTEXTS):
        mean_cny += person.context_share[k] * q.ticket_median_cny[k]
    return person.transaction_rate * mean_cny * person.mean_ticket_scale * money.spend_ppm * 1e-3


@compiled(forceinline=True)
def redeemable(person, rules, category, day):
    """Return the offer record at which a purchase in this category would be made today."""
    live = person.live_offer[category]
    if live >= 0 and person.live_until[category] >= day:
        return rules.offers[live]
    return rules.standing[category]


@compiled(forceinline=True)
def organic_hazards(person, q, category):
    """Return the hazards a day of an organic purchase on our card and elsewhere while the need is on."""
    if person.need[category] != NEED_ON:
        return 0.0, 0.0
    total = q.purchase_rate[category]
    if category == CREDIT_CATEGORY and person.stress_left > 0:
        total *= 1.0 + q.interest_stress
    return total * person.wallet, total * (1.0 - person.wallet)


@compiled(forceinline=True)
def interest_hazard(person, q, category, interest):
    """Return the purchase hazard that an amount of interest drives; small while the need is off."""
    acts = 1.0 if person.need[category] == NEED_ON else q.interest_off
    return q.contact_rate[category] * interest * acts


@compiled(forceinline=True)
def purchase_uniform(seed, person, day, category):
    """Return the day's purchase uniform of a category, and the lane that places the purchase within the day."""
    u, when, _, _ = draw(seed, person.cardholder, day, CARDHOLDER, PURCHASE, 0, 0, category, 0, 0)
    return u, when


@compiled()
def purchase_amount(person, offer, seed, day, category):
    """Return the amount of a purchase at this offer today, whole fen; the same luck on our card and elsewhere."""
    if offer.amount_fen == 0:
        return 0
    z, _, _, _ = draw(seed, person.cardholder, day, CARDHOLDER, PURCHASE_AMOUNT, 0, 0, category, 0, 0)
    return to_int(
        offer.amount_fen * amount_scale(person, offer) * exp(offer.amount_sigma * normal_quantile(z))
    )


@compiled(forceinline=True)
def buy(
    person, account, rules, seed, day, minute, category, is_organic, contact_day, contact_ordinal, rows, n
):
    """Let the person buy in a category on our card; return the number of rows.

    Args:
        person: PERSON record.
        account: ACCOUNT record.
        rules: the scenario's rules.
        seed: world key.
        day: day of the world.
        minute: minute of the day.
        category: code of names.CATEGORIES.
        is_organic: whether the organic hazard made it (then an offer that is live is redeemed all the same).
        contact_day: day of the decision whose contact made it at once, or any number with `contact_ordinal` -1.
        contact_ordinal: ordinal of that decision, or -1.
        rows: EVENT buffer.
        n: rows already in it.
    """
    q = rules.parameter[0]
    money = rules.money[0]
    offer = redeemable(person, rules, category, day)
    is_live = person.live_offer[category] >= 0 and person.live_until[category] >= day
    amount = purchase_amount(person, offer, seed, day, category)
    value = to_int(margin_mfen(offer, amount, person.stress_left > 0, q, money))
    row = write_row(
        rows,
        n,
        person,
        day,
        minute,
        KIND_RESPONSE,
        _ORGANIC if is_organic and not is_live else _PURCHASED,
        category,
    )
    row.offer = offer.offer
    row.amount_fen = amount
    row.value_mfen = value
    row.ref_day = contact_day
    row.ref_ordinal = contact_ordinal
    person.need[category] = NEED_OFF
    person.need_left[category] = 0
    person.interest[category] = 0.0
    person.live_offer[category] = -1
    person.bought_today[category] = 1
    person.benefit += offer.wallet_benefit
    if is_live:
        gain = q.satisfaction_purchase + offer.satisfaction_gain
        person.satisfaction = min(1.0, person.satisfaction + gain)
    if category < N_CONTEXTS:
        person.own_spend_fen += amount
        person.all_spend_fen += amount
        account.spend_28d_fen += amount
        account.spend_112d_fen += amount
        account.context_spend_28d_fen[category] += amount
        account.last_transaction_day = day
    elif offer.is_credit == 1:
        account.instalment_balance_fen += amount
    person.idle_days = 0
    person.last_event_minute = day * 1440 + minute
    person.last_event_context = category
    account.category_purchases_112d[category] += 1.0
    account.last_purchase_day[category] = day
    account.margin_28d_fen += value * 1e-3
    return n + 1
