"""The compiled maker of cardholders: a pure function of (seed, id), written once and run over any range of ids.

Blocks of draws of a cardholder (`channel` of the counter), four lanes each. Append only.
    0-5    the latent normals of the copula
    6      activity normal; first uniforms of the response, activity and credit gammas
    7-9    channel likings
    10-11  service likings, noise of privacy limit, credit limit and tenure
    12     age within its band, cards within their class
    13-16  flags
    20-22  further tries of the three gammas (loop index: the try)
    255    order of the segments inside a block of ids (subject: the block)
"""

from typing import Final

import numpy as np
from numba import njit, prange

from cardarena.simulator.behaviour.elementary import exp, log, logistic, normal_quantile
from cardarena.simulator.names import N_CHANNELS, N_CONTEXTS
from cardarena.simulator.population.latents import (
    LATENTS,
    N_LATENTS,
    correlate,
    fill_normals,
    gamma_mean_one,
    uniforms,
)
from cardarena.simulator.population.tables import AGE_EDGES, BLOCK, FLAGS

_PRIVACY: Final = LATENTS.index("privacy")
_NEED: Final = LATENTS.index("need")
_INCOME: Final = LATENTS.index("income")
_SPEND: Final = LATENTS.index("spend")
_AGE: Final = LATENTS.index("age")
_DEAL: Final = LATENTS.index("deal")
_SATISFACTION: Final = LATENTS.index("satisfaction")
_TRUST: Final = LATENTS.index("trust")
_CARDS: Final = LATENTS.index("cards_held")
_CITY: Final = LATENTS.index("city_tier")
_GENDER: Final = LATENTS.index("gender")
_BLOCKS: Final = LATENTS.index("blocks_tracking")
_REFUSES: Final = LATENTS.index("refuses_secondary_use")
_SHARES_NONE: Final = LATENTS.index("shares_no_preferences")
_CONTEXT: Final = LATENTS.index("context_daily")
_RESPONSE: Final = LATENTS.index("response")
_TOLERANCE: Final = LATENTS.index("tolerance")
_CREDIT: Final = LATENTS.index("credit")
_WALLET: Final = LATENTS.index("wallet")
_CONTACT: Final = LATENTS.index("contact")

_N_FLAGS: Final = len(FLAGS)
_AGES: Final = AGE_EDGES
_ORDER_BLOCK: Final = 255
_CHUNK: Final = 4 * BLOCK


@njit(cache=True)
def shuffled_segments(seed, block, quota, out):
    """Fill `out`, shape (1024,), with a block's segments: the quota list in an order keyed by (seed, block).

    Fisher and Yates, from the end; the uniform of position i is lane i mod 4 of loop index i // 4.
    """
    position = 0
    for segment in range(quota.shape[0]):
        for _ in range(quota[segment]):
            out[position] = segment
            position += 1
    lanes = np.empty(4)
    for i in range(BLOCK - 1, 0, -1):
        if i % 4 == 3:
            lanes[0], lanes[1], lanes[2], lanes[3] = uniforms(seed, block, _ORDER_BLOCK, i // 4)
        j = int(lanes[i % 4] * (i + 1))
        out[i], out[j] = out[j], out[i]


@njit(cache=True)
def level(cuts, z):
    """Return how many of the cuts lie below z."""
    found = 0
    for k in range(cuts.shape[0]):
        if z > cuts[k]:
            found += 1
    return found


@njit(cache=True)
def log_amount(cuts, knots, low_sd, high_sd, z):
    """Return the log amount at latent z: straight lines through (cut, log edge), a log-normal tail at either end."""
    last = cuts.shape[0] - 1
    if z <= cuts[0]:
        return knots[0] + low_sd * (z - cuts[0])
    if z >= cuts[last]:
        return knots[last] + high_sd * (z - cuts[last])
    k = 0
    while z > cuts[k + 1]:
        k += 1
    return knots[k] + (knots[k + 1] - knots[k]) * (z - cuts[k]) / (cuts[k + 1] - cuts[k])


@njit(cache=True)
def whole_fen(amount_cny, low_cny, high_cny):
    """Return an amount in fen, rounded, inside its limits."""
    return np.int64(min(max(amount_cny, low_cny), high_cny) * 100.0 + 0.5)


@njit(cache=True)
def _demographics(seed, cardholder, s, t, z, row):
    u_age, u_cards, _, _ = uniforms(seed, cardholder, 12, 0)
    band = level(t.age_band_cuts[s], z[_AGE])
    first, after = _AGES[band], _AGES[band + 1]
    row.age_band = band
    row.age = first + int(u_age * (after - first))
    row.gender = level(t.gender_cuts[s], z[_GENDER])
    row.city_tier = level(t.city_tier_cuts[s], z[_CITY])
    row.income_band = level(t.income_band_cuts[s], z[_INCOME])
    row.income_fen = whole_fen(
        exp(log_amount(t.income_band_cuts[s], t.income_knots, t.income_low_sd, t.income_high_sd, z[_INCOME])),
        t.amount_min_cny,
        t.income_max_cny,
    )
    row.monthly_spend_fen = whole_fen(
        exp(log_amount(t.spend_band_cuts[s], t.spend_knots, t.spend_low_sd, t.spend_high_sd, z[_SPEND])),
        t.amount_min_cny,
        t.spend_max_cny,
    )
    cards = level(t.cards_held_cuts[s], z[_CARDS])
    if cards == 0:
        row.cards_held = 1
    elif cards == 1:
        row.cards_held = 2 if u_cards < t.two_of_two_three else 3
    elif u_cards < t.four_of_open:
        row.cards_held = 4
    else:
        row.cards_held = 5 if u_cards < t.four_of_open + t.five_of_open else 6
    contexts = 0
    for k in range(N_CONTEXTS):
        if z[_CONTEXT + k] > t.context_cuts[s, k]:
            contexts |= 1 << k
    # Everybody spends on something; who ticked nothing is a daily spender (raking allows for them).
    row.contexts = contexts if contexts != 0 else 1


@njit(cache=True)
def _attitudes(s, t, z, noise, row):
    row.blocks_tracking = level(t.blocks_tracking_cuts[s], z[_BLOCKS])
    row.refuses_secondary_use = level(t.refuses_secondary_use_cuts[s], z[_REFUSES])
    row.shares_no_preferences = level(t.shares_no_preferences_cuts[s], z[_SHARES_NONE])
    concern = t.privacy_mean[s] + t.privacy_sd * z[_PRIVACY]
    row.privacy_concern = concern
    row.personalisation_need = logistic(t.need_shift[s] + t.need_sd * z[_NEED])
    row.privacy_limit = logistic(
        t.privacy_limit_logit + t.privacy_limit_slope * concern + t.privacy_limit_sd * noise
    )
    row.frequency_tolerance = t.tolerance_median * exp(t.tolerance_shift[s] + t.tolerance_sd * z[_TOLERANCE])
    row.deal_proneness = logistic(t.deal_logit + t.deal_shift[s] + t.deal_sd * z[_DEAL])
    row.satisfaction_home = logistic(
        t.satisfaction_logit + t.satisfaction_shift[s] + t.satisfaction_sd * z[_SATISFACTION]
    )
    row.trust_home = logistic(t.trust_logit + t.trust_shift[s] + t.trust_sd * z[_TRUST])


@njit(cache=True)
def _likings(t, common, own, row):
    # exp(sd x - sd^2 / 2) has mean 1 for a standard normal x, so the means stay those of the survey's scores.
    share = t.channel_liking_common
    a, b = np.sqrt(share), np.sqrt(1.0 - share)
    sd = t.channel_liking_sd
    for c in range(N_CHANNELS):
        x = a * common + b * own[c]
        row.channel_liking[c] = exp(t.channel_log_mean[c] + sd * x - 0.5 * sd * sd)
    sd = t.service_liking_sd
    for k in range(5):
        x = own[12 + k]
        row.service_liking[k] = exp(t.service_log_mean[k] + sd * x - 0.5 * sd * sd)


@njit(cache=True)
def _frailties(seed, cardholder, t, z, row):
    a, u_response, u_activity, u_credit = uniforms(seed, cardholder, 6, 0)
    row.response_frailty = gamma_mean_one(seed, cardholder, 20, t.response_shape, z[_RESPONSE], u_response)
    # Independent of everything else, so that the mean spend of a group is that of its members.
    row.activity_frailty = gamma_mean_one(
        seed, cardholder, 21, t.activity_shape, normal_quantile(a), u_activity
    )
    row.credit_vulnerability = gamma_mean_one(seed, cardholder, 22, t.credit_shape, z[_CREDIT], u_credit)


@njit(cache=True)
def _account(t, z, limit_noise, tenure_noise, row):
    cards = float(row.cards_held)
    if row.cards_held == 1:
        row.wallet_home = 1.0
    else:
        row.wallet_home = logistic(-log(cards - 1.0) + t.wallet_sd * z[_WALLET])
    # Half a year, since an age in whole years is on average half a year behind.
    most = (float(row.age) - t.first_card_age) * 365.0 + 182.0
    tenure = t.tenure_median_days * exp(t.tenure_sd * tenure_noise)
    row.tenure_days = np.int32(max(min(tenure, most), t.tenure_min_days))
    income, spend = float(row.income_fen) * 0.01, float(row.monthly_spend_fen) * 0.01
    limit = t.limit_base_cny * exp(
        t.limit_elasticity_income * log(income * 1e-4)
        + t.limit_elasticity_spend * log(spend * 1e-4)
        + t.limit_sd * limit_noise
    )
    limit = max(limit, t.limit_cover * spend * row.wallet_home)
    granted = np.ceil(limit / t.limit_step_cny) * t.limit_step_cny
    row.credit_limit_fen = whole_fen(granted, t.limit_min_cny, t.limit_max_cny)


@njit(cache=True)
def _flags(seed, cardholder, t, wallet, row, u, flags):
    for i in range(0, 16, 4):
        u[i], u[i + 1], u[i + 2], u[i + 3] = uniforms(seed, cardholder, 13 + i // 4, 0)
    for i in range(_N_FLAGS):
        p = logistic(
            t.flag_logit[i]
            + t.flag_slopes[i, 0] * row.privacy_concern
            + t.flag_slopes[i, 1] * (row.personalisation_need - 0.5)
            + t.flag_slopes[i, 2] * wallet
        )
        if row.refuses_secondary_use == 1:
            p *= t.flag_refusal_factor[i]
        given = t.flag_given[i]
        flags[i] = 1 if u[i] < p and (given < 0 or flags[given] == 1) else 0
    row.is_dormant, row.has_app, row.push_permitted, row.sms_permitted = (
        flags[0],
        flags[1],
        flags[2],
        flags[3],
    )
    row.email_permitted, row.call_permitted, row.wecom_friend = flags[4], flags[5], flags[6]
    row.third_party_linked, row.mini_program_user, row.marketing_consent = flags[7], flags[8], flags[9]
    row.personalisation_on, row.partner_consent, row.sensitive_consent = flags[10], flags[11], flags[12]


@njit(cache=True)
def fill(seed, first, out, tables):
    """Fill `out` with the cardholders `first`, `first` + 1, ... in order, on one thread.

    Args:
        seed: 64-bit world seed.
        first: id of the first.
        out: array of `TRAITS`, shape (n,).
        tables: array of `TABLES`, shape (1,).
    """
    t = tables[0]
    segments = np.empty(BLOCK, np.int8)
    z, noise = np.empty(N_LATENTS), np.empty(20)
    u, flags = np.empty(16), np.empty(_N_FLAGS, np.int8)
    block = np.int64(-1)
    for i in range(out.shape[0]):
        cardholder = np.int64(first + i)
        if cardholder // BLOCK != block:
            block = cardholder // BLOCK
            shuffled_segments(seed, block, t.quota, segments)
        s = segments[cardholder - block * BLOCK]
        fill_normals(seed, cardholder, 0, z)
        correlate(t.lower, z)
        fill_normals(seed, cardholder, 7, noise)
        row = out[i]
        row.cardholder = cardholder
        row.segment = s
        _demographics(seed, cardholder, s, t, z, row)
        _attitudes(s, t, z, noise[17], row)
        _likings(t, z[_CONTACT], noise, row)
        _frailties(seed, cardholder, t, z, row)
        _account(t, z, noise[18], noise[19], row)
        _flags(seed, cardholder, t, z[_WALLET], row, u, flags)


@njit(cache=True, parallel=True)
def fill_parallel(seed, first, out, tables):
    """Fill `out` as `fill` does, chunk by chunk on all threads; the values are the same."""
    # Chunks begin where blocks of ids do, so that no block's order is made twice within the range.
    skew = first % BLOCK
    n = out.shape[0]
    for chunk in prange((n + skew + _CHUNK - 1) // _CHUNK):
        low = max(chunk * _CHUNK - skew, 0)
        high = min((chunk + 1) * _CHUNK - skew, n)
        fill(seed, first + low, out[low:high], tables)
