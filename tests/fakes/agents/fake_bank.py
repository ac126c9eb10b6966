"""A tiny made-up bank for tests of policies: random features, the shipped catalogue, toy truths; oracles see a small world."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from tests.fakes.small_worlds import small_world

from cardarena.agents.market import Market
from cardarena.simulator.bank.catalogue import load_channels, load_offers
from cardarena.simulator.bank.features import FEATURES
from cardarena.simulator.contracts import Brief, Contacts, Feedback, History, View
from cardarena.simulator.names import CATEGORIES, CHANNELS, N_CATEGORIES
from cardarena.simulator.rules import Rules

CAPS = {"day": 1, "week": 3, "month": 8, "channel_week": [2] * len(CHANNELS)}
#: Push, in-app, SMS, e-mail, WeCom.
LOGGED_CHANNELS = np.array([0, 1, 3, 4, 8])
AT = {name: j for j, name in enumerate(FEATURES)}


def make_features(n: int, seed: int = 0, **columns: Any) -> np.ndarray:
    """Return plausible columns, shape (features, n); `columns` overrides by name."""
    rng = np.random.Generator(np.random.Philox(seed))
    x = np.zeros((len(FEATURES), n), dtype=np.float32)
    for j, name in enumerate(FEATURES):
        if name.startswith(("days_since", "recency")):
            most = 7.0 if name.startswith("days_since_contact_") else 400.0
            x[j] = np.minimum(rng.exponential(20.0, n).round(), most)
        elif name.startswith(("precursor", "category_", "clicks", "opens", "contacts", "complaints")):
            x[j] = rng.poisson(0.4, n)
        elif name.endswith("_cny"):
            x[j] = rng.lognormal(6.0, 1.2, n)
        else:
            x[j] = rng.random(n)
    for name in (
        "is_open",
        "marketing_consent",
        "personalisation_on",
        "sensitive_consent",
        "partner_consent",
    ):
        x[AT[name]] = 1.0
    for name in ("behaviour_missing", "visits_missing", "contacts_today", "overdue"):
        x[AT[name]] = 0.0
    for name in CHANNELS:
        x[AT[f"permitted_{name}"]] = 1.0
    x[AT["tracked"]] = rng.integers(0, 3, n)
    x[AT["income_band"]] = rng.integers(0, 6, n)
    x[AT["age"]] = rng.integers(20, 55, n)
    x[AT["transactions_28d"]] = rng.poisson(8.0, n)
    x[AT["days_since_contact"]] = 60.0
    for name, values in columns.items():
        x[AT[name]] = values
    return x


def make_brief(
    n: int, *, history: History | None = None, days: int = 90, offers: Sequence[str] | None = None
) -> Brief:
    """Return a brief over the shipped catalogue, or over the offers named."""
    catalogue = load_offers() if offers is None else load_offers().only(offers)
    return Brief(
        scenario="fake",
        days=days,
        n_cardholders=n,
        offers=catalogue.records,
        channels=load_channels(),
        offer_names=catalogue.names,
        features=FEATURES,
        caps=CAPS,
        budget_mfen=-1,
        complaint_cost_mfen=20_000_000,
        history=history,
    )


def make_view(
    brief: Brief,
    day: int = 0,
    *,
    names: Sequence[str] | None = None,
    features: np.ndarray | None = None,
    permitted: bool = True,
    budget_left_mfen: int = -1,
    contact_price_mfen: int = 0,
    oracle: bool = False,
) -> View:
    """Return a view of everybody; a closed account, depth without consent and quiet hours are refused."""
    n = brief.n_cardholders
    x = make_features(n, seed=day + 1) if features is None else features
    if not permitted:
        x = x.copy()
        x[[AT[f"permitted_{name}"] for name in CHANNELS]] = 0.0
    names = FEATURES if names is None else tuple(names)

    def allowed(offer: int, channel: int, depth: int, minute: int, rows: np.ndarray | None) -> np.ndarray:
        record = brief.channels[channel]
        quiet = not 540 <= minute < 1260
        ok = (x[AT["is_open"]] > 0) & (x[AT[f"permitted_{CHANNELS[channel]}"]] > 0) & (not quiet)
        if depth > 0:
            ok = ok & (x[AT["personalisation_on"]] > 0)
        if depth == 2 or brief.offers[offer]["needs_sensitive_consent"]:
            ok = ok & (x[AT["sensitive_consent"]] > 0)
        if brief.offers[offer]["needs_partner_consent"] or record["needs_partner_consent"]:
            ok = ok & (x[AT["partner_consent"]] > 0)
        rule = np.where(ok, 0, 1).astype(np.int8)
        return rule if rows is None else rule[rows]

    return View(
        day=day,
        minute=0,
        names=names,
        columns=np.ascontiguousarray(x[[AT[name] for name in names]]),
        allowed=allowed,
        budget_left_mfen=budget_left_mfen,
        contact_price_mfen=contact_price_mfen,
        truth=FakeTruth(x) if oracle else None,
    )


@lru_cache
def small_state(n: int) -> tuple[np.ndarray, np.ndarray, Rules]:
    """Return the records of a small world, and its rules."""
    world = small_world(n, seed=5)
    return world.state.people, world.state.accounts, world.rules


class FakeTruth:
    """Records of a small world under the view's permissions; one-step values that grow with the id and fall with the offer."""

    def __init__(self, x: np.ndarray) -> None:
        people, accounts, self.rules = small_state(x.shape[1])
        self.people, self.accounts = people.copy(), accounts.copy()
        self.params = self.rules.parameter[0]
        self.people["alive"] = self.accounts["is_open"] = x[AT["is_open"]] > 0
        for name in ("marketing_consent", "personalisation_on", "sensitive_consent", "partner_consent"):
            self.accounts[name] = x[AT[name]] > 0
        for c, name in enumerate(CHANNELS):
            self.accounts["permitted"][:, c] = x[AT[f"permitted_{name}"]] > 0

    def expected_one_step_value(
        self, offer: int, channel: int, depth: int, minute: int, rows: np.ndarray
    ) -> np.ndarray:
        n = len(self.people)
        return (np.arange(n)[rows] / max(n, 1) - 0.5 - 0.01 * offer + 0.001 * depth) * 1e6


def make_history(
    brief: Brief, rows: int = 6_000, seed: int = 0, truth: Any = None, features: np.ndarray | None = None
) -> History:
    """Return a randomised log: half held out, offers by lot.

    Args:
        brief: the catalogue.
        rows: number of decisions.
        seed: of the toy.
        features: shape (features, rows), or random ones.
        truth: function (features (F, rows), category (rows,) or -1, strength (rows,)) -> purchase probability
            (rows, categories); strength is that of the contact's channel.
    """
    rng = np.random.Generator(np.random.Philox(seed + 1_000))
    x = make_features(rows, seed=seed + 77) if features is None else features
    contacted = rng.random(rows) < 0.5
    offer = np.where(contacted, rng.integers(0, len(brief.offers), rows), -1)
    category = np.where(contacted, brief.offers["category"][offer], -1)
    channel = np.where(contacted, rng.choice(LOGGED_CHANNELS, rows), -1)
    strength = np.where(contacted, Market(brief).strength[channel], 0.0)
    p = (truth or plain_truth)(x, category, strength)
    bought = (rng.random(p.shape) < p).astype(np.int16)
    value = bought.sum(axis=1) * 5_000.0 + rng.normal(0.0, 500.0, rows)
    own = bought[np.arange(rows), np.maximum(category, 0)] > 0
    return History(
        cardholder=np.arange(rows),
        features=np.ascontiguousarray(x.T),
        day=-7 * rng.integers(1, 20, rows),
        offer=offer.astype(np.int64),
        channel=channel.astype(np.int64),
        depth=np.where(contacted, 0, -1).astype(np.int64),
        propensity=np.where(contacted, 0.5 / len(brief.offers) / len(LOGGED_CHANNELS), 0.5),
        delivered=contacted,
        clicked=contacted & (rng.random(rows) < 0.05),
        converted=contacted & own,
        bought=bought,
        value_fen=value,
        opted_out=np.zeros(rows, dtype=bool),
    )


def plain_truth(x: np.ndarray, category: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Purchases follow precursors, and a contact helps a little."""
    p = np.stack([0.02 + 0.05 * (x[AT[f"precursor_7d_{name}"]] > 0) for name in CATEGORIES], axis=1)
    hit = np.flatnonzero(category >= 0)
    p[hit, category[hit]] *= 1.0 + 10.0 * strength[hit]
    return p


def make_feedback(
    day: int, contacts: Contacts, n: int, seed: int = 0, purchases: tuple[Any, Any, Any] | None = None
) -> Feedback:
    """Return what came of a day's contacts: clicks by lot, and purchases by lot or as given (who, category, fen)."""
    rng = np.random.Generator(np.random.Philox(seed + day + 5))
    m = len(contacts)
    if purchases is None:
        who = np.flatnonzero(rng.random(n) < 0.1)
        purchases = who, rng.integers(0, N_CATEGORIES, len(who)), np.full(len(who), 4_000.0)
    who, category, value = (np.asarray(part) for part in purchases)
    return Feedback(
        decided_day=np.full(m, day, dtype=np.int64),
        cardholder=np.asarray(contacts.cardholder, dtype=np.int64),
        offer=np.asarray(contacts.offer, dtype=np.int64),
        channel=np.asarray(contacts.channel, dtype=np.int64),
        depth=np.asarray(contacts.depth, dtype=np.int64),
        delivered=np.ones(m, dtype=bool),
        rule=np.zeros(m, dtype=np.int64),
        clicked=rng.random(m) < 0.05,
        opted_out=rng.random(m) < 0.01,
        complained=np.zeros(m, dtype=bool),
        purchase_cardholder=who.astype(np.int64),
        purchase_day=np.full(len(who), day + 1, dtype=np.int64),
        purchase_category=category.astype(np.int64),
        purchase_offer=np.full(len(who), -1, dtype=np.int64),
        purchase_value_fen=value.astype(np.float64),
    )
