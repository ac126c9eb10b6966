"""From a scenario and a seed to the first midnight: keys, dates, rules, people, accounts."""

import hashlib
import os
from typing import TYPE_CHECKING, Final

import numpy as np
from numba import njit

from cardarena.simulator.bank.catalogue import Catalogue
from cardarena.simulator.bank.economics import Economics
from cardarena.simulator.bank.records import ACCOUNT, NEVER, OFFER
from cardarena.simulator.behaviour import randomness
from cardarena.simulator.behaviour.elementary import exp, power
from cardarena.simulator.behaviour.neighbours import BLOCK
from cardarena.simulator.behaviour.parameters import parameter_record
from cardarena.simulator.behaviour.person import new_people
from cardarena.simulator.behaviour.randomness import SCENARIO, draw, philox4x32
from cardarena.simulator.cache_lines import zeros
from cardarena.simulator.names import CHANNELS, N_CATEGORIES, N_CONTEXTS
from cardarena.simulator.population.tables import tables
from cardarena.simulator.rules import COMPLIANCE, MONEY, Rules

if TYPE_CHECKING:
    from cardarena.simulator.scenario import Scenario

_DAYS_PER_MONTH: Final = 30.4


def world_key(seed: int) -> int:
    """Return the 64-bit key of a world: a one-way function of the user's seed.

    The environment variable `CARDARENA_SALT` joins it, so that the host of a competition can keep worlds that nobody
    can build again from a small number.
    """
    salt = os.environ.get("CARDARENA_SALT", "")
    return int.from_bytes(hashlib.sha256(f"cardarena world {salt} {seed}".encode()).digest()[:8], "little")


def luck_key(key: int, day: int, seed: int, number: int) -> int:
    """Return the key of a luck that is nobody's own: a function of a world's key and of what the luck is for.

    Args:
        key: the world's 64-bit key.
        day: day on which the luck parts, from -4096 to 61439.
        seed: seed of whoever asks, 64 bits.
        number: which of their lucks, 32 bits.
    """
    c1 = (day + 4096) << 16 | SCENARIO << 12 | randomness.OTHER_LUCK
    words = philox4x32(number, c1, seed >> 32 & 0xFFFFFFFF, seed & 0xFFFFFFFF, key & 0xFFFFFFFF, key >> 32)
    return int(words[0]) << 32 | int(words[1])


def policy_seed(key: int) -> int:
    """Return the seed that a policy of a world with this luck gets; the key cannot be found from it."""
    return int.from_bytes(hashlib.sha256(f"cardarena policy {key}".encode()).digest()[:6], "little")


def scenario_uniform(key: int, purpose: int, index: int = 0) -> float:
    """Return the uniform with which a seed draws something of its scenario: the start date, the day of a shock."""
    return draw(np.uint64(key), index, 0, SCENARIO, purpose, 0, 0, 0, 0, 0)[0]


def make_rules(scenario: "Scenario", catalogue: Catalogue, economics: Economics) -> Rules:
    """Return the scenario as the records that the kernels read."""
    money = np.zeros(1, dtype=MONEY)
    revolving = economics.revolving_margin_ppm_per_year * economics.revolving_share_ppm // 12_000_000
    money["spend_ppm"] = (
        economics.interchange_ppm + revolving - economics.network_fee_ppm - economics.rewards_ppm
    )
    money["complaint_mfen"] = economics.expected_complaint_mfen
    money["fine_mfen"] = economics.fine_mfen
    money["blocked_mfen"] = economics.blocked_contact_mfen
    money["loss_given_default_ppm"] = economics.loss_given_default_ppm
    compliance = np.zeros(1, dtype=COMPLIANCE)
    compliance["audit"] = scenario.compliance.mode == "audit"
    for name, cap in scenario.caps().items():
        compliance[f"cap_{name}"] = cap
    compliance["is_on"] = scenario.gates()
    compliance["dnc_days"] = scenario.compliance.dnc_days
    compliance["collide_minute"] = 600 if scenario.collisions else -1
    compliance["word_of_mouth"] = scenario.word_of_mouth
    return Rules(
        parameter=parameter_record(scenario.parameters),
        money=money,
        compliance=compliance,
        offers=np.ascontiguousarray(catalogue.records),
        standing=standing_offers(catalogue.records),
        channels=scenario.channel_records().copy(),
    )


def standing_offers(offers: np.ndarray) -> np.ndarray:
    """Return, per category, the terms of somebody who was not contacted: the public offer, or list price without gift."""
    standing = np.zeros(N_CATEGORIES, dtype=OFFER)
    standing["offer"] = -1
    standing["category"] = np.arange(N_CATEGORIES)
    for k in range(N_CATEGORIES):
        own = offers[offers["category"] == k]
        sold = own[own["amount_fen"] > 0] if np.any(own["amount_fen"] > 0) else own
        public = sold[sold["is_public"] == 1]
        if public.size:
            standing[k] = public[0]
        elif sold.size:
            standing[k] = sold[0]
            standing[k]["offer"] = -1
            for field in ("incentive_fen", "merchant_share_ppm", "wallet_benefit", "satisfaction_gain"):
                standing[k][field] = 0
    return standing


@njit(cache=True)
def _rates(spend_fen, activity, contexts, q, rate, share, scale):
    """Fill transactions a day, context shares, and the ticket scale that makes the expected spend come out."""
    for i in range(spend_fen.size):
        total = 0.0
        for k in range(N_CONTEXTS):
            share[i, k] = q.context_weight[k] if (contexts[i] >> k) & 1 else 0.0
            total += share[i, k]
        if total == 0.0:
            share[i, 0] = total = 1.0
        mean_cny = 0.0
        for k in range(N_CONTEXTS):
            share[i, k] /= total
            mean_cny += share[i, k] * q.ticket_median_cny[k]
        month = spend_fen[i] * 0.01
        per_month = q.transactions_month * power(max(month, 100.0) / 15000.0, q.transactions_elasticity)
        rate[i] = min(4.0, max(0.03, per_month * min(4.0, max(0.15, activity[i])) / _DAYS_PER_MONTH))
        mean_ticket = mean_cny * exp(0.5 * q.ticket_sigma * q.ticket_sigma)
        scale[i] = month / (_DAYS_PER_MONTH * rate[i] * mean_ticket)


def make_people(traits: np.ndarray, rules: Rules) -> np.ndarray:
    """Return the latent records of these cardholders, at rest."""
    q = rules.parameter[0]
    n = traits.size
    people = new_people(n)
    people["cardholder"] = traits["cardholder"]
    for field, trait in (
        ("theta", "response_frailty"),
        ("tolerance", "frequency_tolerance"),
        ("privacy_limit", "privacy_limit"),
        ("personalisation_need", "personalisation_need"),
        ("deal_proneness", "deal_proneness"),
        ("concern", "privacy_concern"),
        ("liking", "channel_liking"),
        ("service_liking", "service_liking"),
        ("vulnerability", "credit_vulnerability"),
        ("satisfaction_home", "satisfaction_home"),
        ("trust_home", "trust_home"),
        ("wallet_home", "wallet_home"),
        ("segment", "segment"),
        ("cards", "cards_held"),
        ("satisfaction", "satisfaction_home"),
        ("trust", "trust_home"),
        ("wallet", "wallet_home"),
    ):
        people[field] = traits[trait]
    # The published notice rates already hold what people think of a channel on average; left is who likes it more.
    people["liking"] /= np.array([exp(float(x)) for x in tables("survey")[0]["channel_log_mean"]])
    # A response frailty of exactly zero has no logarithm; the gamma's lowest draws come near it.
    people["theta"] = np.maximum(people["theta"], 1e-3)
    dormant = traits["is_dormant"] == 1
    # A dormant holder spends, but elsewhere.
    people["wallet_home"][dormant] = people["wallet"][dormant] = 0.002
    people["idle_days"][dormant] = 200
    rate, scale = np.zeros(n), np.zeros(n)
    share = np.zeros((n, N_CONTEXTS))
    _rates(traits["monthly_spend_fen"], traits["activity_frailty"], traits["contexts"], q, rate, share, scale)
    people["transaction_rate"], people["context_share"], people["ticket_scale"] = rate, share, scale
    people["mean_ticket_scale"] = (
        100.0 * scale * exp(0.5 * float(q["ticket_sigma"]) * float(q["ticket_sigma"]))
    )
    people["visit_rate"] = q["visit_rate"] * traits["has_app"] * np.minimum(traits["activity_frailty"], 3.0)
    people["branch_rate"] = q["branch_rate"]
    for k in range(N_CONTEXTS):
        uses = (traits["contexts"] >> k) & 1
        people["need_scale"][:, k] = 0.15 + 1.05 * uses
    people["need_scale"][:, 5] = 0.5 + 0.5 * traits["credit_vulnerability"]
    people["need_scale"][:, 6] = 0.5 + traits["deal_proneness"]
    people["need_scale"][:, 7] = 0.4 + 0.25 * traits["income_band"]
    people["alive"] = 1
    people["willing"] = _permissions(traits)
    people["willing_consent"] = traits["marketing_consent"]
    return people


def _permissions(traits: np.ndarray) -> np.ndarray:
    """Return which channels reach a cardholder who has refused none, shape (n, channels)."""
    everybody = np.ones(traits.size, dtype=np.int8)
    flags = {
        "app_push": traits["push_permitted"],
        "in_app": traits["has_app"],
        "mini_program": traits["mini_program_user"],
        "sms": traits["sms_permitted"],
        "email": traits["email_permitted"],
        "human_call": traits["call_permitted"],
        "ai_call": traits["call_permitted"],
        "branch_atm": everybody,
        "wecom": traits["wecom_friend"],
        "third_party": traits["third_party_linked"],
    }
    return np.stack([flags[name] for name in CHANNELS], axis=1)


@njit(cache=True)
def _new_holders(seed, share, max_days, tenure_days, is_new):
    for i in range(is_new.size):
        u, v, _, _ = draw(seed, i, 0, 0, randomness.NEW_ACCOUNT, 0, 0, 0, 0, 0)
        is_new[i] = u < share
        if is_new[i]:
            tenure_days[i] = int(v * (max_days + 1))


def make_accounts(traits: np.ndarray, scenario: "Scenario", key: int) -> np.ndarray:
    """Return what the bank knows of these cardholders on the first day: the file, the permissions, and no history."""
    accounts = zeros(traits.size, ACCOUNT)
    for field in ("cardholder", "age", "gender", "city_tier", "income_band", "tenure_days"):
        accounts[field] = traits[field]
    accounts["limit_fen"] = traits["credit_limit_fen"]
    accounts["is_open"] = 1
    accounts["permitted"] = _permissions(traits)
    # A channel that the scenario switched off reaches nobody.
    accounts["permitted"][:, ~scenario.enabled_channels()] = 0
    accounts["refused_day"] = NEVER
    for field in ("marketing_consent", "personalisation_on", "partner_consent", "sensitive_consent"):
        accounts[field] = traits[field]
    accounts["tracked"] = 2 - traits["blocks_tracking"]
    for field in (
        "last_contact_day",
        "last_click_day",
        "last_transaction_day",
        "last_visit_day",
        "last_purchase_day",
    ):
        accounts[field] = NEVER
    population = scenario.population
    if population.new_share > 0.0:
        is_new = np.zeros(traits.size, dtype=np.bool_)
        tenure = accounts["tenure_days"].copy()
        _new_holders(np.uint64(key), population.new_share, population.new_tenure_max_days, tenure, is_new)
        accounts["tenure_days"] = tenure
        if population.new_consents_off:
            for field in ("marketing_consent", "partner_consent", "sensitive_consent", "permitted"):
                accounts[field][is_new] = 0
    return accounts


@njit(cache=True)
def _view_keys(seed, ids, out):
    for j in range(ids.size):
        u, _, _, _ = draw(seed, ids[j], 0, 0, randomness.VIEW_ORDER, 0, 0, 0, 0, 0)
        out[j] = u


def view_order(key: int, n: int) -> np.ndarray:
    """Return the true row of each view id, shape (n,): a keyed permutation inside blocks of 1,024 ids.

    Blocks keep a view's memory access local, and a shard of whole blocks keeps its own order.
    """
    ids = np.arange(n, dtype=np.int64)
    keys = np.empty(n)
    _view_keys(np.uint64(key), ids, keys)
    return np.lexsort((ids, keys, ids // BLOCK)).astype(np.int64)
