"""Every parameter, and every field of the records that the kernels read, changes some life; a knob that does nothing is a bug."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.fakes.simple_policies import Scattered
from tests.fakes.small_worlds import small_world, stir

from cardarena.simulator.bank.catalogue import load_offers
from cardarena.simulator.bank.records import CHANNEL, OFFER
from cardarena.simulator.behaviour.parameters import PARAMETERS
from cardarena.simulator.names import CHANNELS, Rule
from cardarena.simulator.oracle import Truth
from cardarena.simulator.rules import COMPLIANCE, MONEY
from cardarena.simulator.setup import make_accounts, make_people, standing_offers
from cardarena.simulator.world import World

N, DAYS = 220, 7
#: What a decision of the oracle depends on, and nothing in a life.
LABELS = {
    "offer": {"dimension"},  # a label of the catalogue
    "channel": {"liking"},  # the column of the survey, read when traits are made
}


def _stressed_world() -> World:
    """A world in which everything happens: breaches let through, stress, idleness, refusals, neighbours, needs."""
    world = small_world(
        N,
        5,
        overrides={
            "compliance.mode": "audit",
            "word_of_mouth": True,
            "parameters.closure_rate": 1e-2,
            "parameters.annoyance_irrelevance": 0.3,
            "parameters.stress_rate": 0.05,
            "parameters.closure_wake": 0.05,
            "parameters.complaint_service": 0.01,
            "parameters.complaint_collection": 0.05,
            "parameters.default_rate": 0.03,
            "parameters.opt_in_rate": 0.3,
            "parameters.consent_rate": 0.3,
            "parameters.personal_off_rate": 0.3,
            "parameters.opt_out_annoyance": 3.0,
            "channels.app_push.p_complaint": 0.02,
            "channels.sms.p_complaint": 0.02,
        },
    )
    people, accounts = world.state.people, world.state.accounts
    some = np.arange(N)
    people["idle_days"][some % 3 == 0] = 150
    people["wallet"][some % 3 == 0] = people["wallet_home"][some % 3 == 0] = 0.02
    people["stress_left"][some % 4 == 1] = 60
    people["stress_days"][some % 4 == 1] = 200
    accounts["overdue"][some % 4 == 1] = 1
    people["need"] = some[:, None] % 4
    people["need_left"] = 1 + some[:, None] % 5
    stir(people)
    people["privacy_limit"][some % 2 == 0] = 0.2
    accounts["marketing_consent"][some % 5 == 0] = 0
    accounts["permitted"][some % 7 == 0] = 0
    accounts["refused_day"][some % 7 == 0] = -20
    accounts["refused_day"][some % 14 == 0] = -200
    people["visit_rate"] += 0.5
    return world


@pytest.fixture(scope="module")
def start() -> World:
    return _stressed_world()


def _digest(world: World) -> str:
    """Return what became of everybody, and what the oracle expected of it."""
    log = world.run(Scattered(1, 0.9, rounds=3, decide_minute=0), DAYS)
    truth = Truth(world.state, world.rules, world.order, 700)
    expected = [truth.expected_one_step_value(o, c, 2).tobytes() for o, c in ((0, 0), (8, 3), (17, 5))]
    return (
        log.digest()
        + str(hash(tuple(expected)))
        + str(hash(world.state.people.tobytes() + world.state.accounts.tobytes()))
    )


@pytest.fixture(scope="module")
def base(start: World) -> str:
    return _digest(start.fork())


def test_the_probe_itself_is_steady(start: World, base: str) -> None:
    assert _digest(start.fork()) == base


@pytest.mark.parametrize("name", [p.name for p in PARAMETERS])
def test_every_parameter_acts(start: World, base: str, name: str) -> None:
    world = start.fork()
    # `make_people` reads parameters too: the records that it fills are made again.
    world.rules.parameter[name] *= 1.7 if name != "false_share" else 1.4
    if name == "attention_form":
        world.rules.parameter[name] = 1.0
    if "_keep" in name:
        world.rules.parameter[name] = 0.5
    fresh = make_people(world.traits, world.rules)
    for field in ("transaction_rate", "context_share", "ticket_scale", "mean_ticket_scale", "branch_rate"):
        world.state.people[field] = fresh[field]
    if name == "visit_rate":
        assert np.any(fresh["visit_rate"] != start.state.people["visit_rate"])
        world.state.people["visit_rate"] = fresh["visit_rate"]
    assert _digest(world) != base


@pytest.mark.parametrize(
    ("name", "entry"),
    [(p.name, k) for p in PARAMETERS if isinstance(p.value, tuple) for k in range(len(p.value))],
)
def test_every_entry_of_a_vector_parameter_acts(start: World, base: str, name: str, entry: int) -> None:
    world = start.fork()
    world.rules.parameter[name][0, entry] *= 1.7
    fresh = make_people(world.traits, world.rules)
    for field in ("transaction_rate", "context_share", "ticket_scale", "mean_ticket_scale"):
        world.state.people[field] = fresh[field]
    assert _digest(world) != base


def _moved(values: np.ndarray, field: str) -> Any:
    if field in ("is_public", "is_credit", "excludes_overdue", "is_voice", "tracks_open") or "needs" in field:
        return 1 - values[field]
    special: dict[str, Callable[[], Any]] = {
        "category": lambda: (values["category"] + 1) % 8,
        "service": lambda: (values["service"] + 1) % 5,
        "offer": lambda: (values["offer"] + 1) % values.size,
        "dimension": lambda: (values["dimension"] + 1) % 4,
        "liking": lambda: (values["liking"] + 1) % 5,
        "channel": lambda: (values["channel"] + 1) % len(CHANNELS),
        "min_age": lambda: values["min_age"] + 20,
        "max_age": lambda: values["max_age"] - 80,
        "min_income_band": lambda: values["min_income_band"] + 3,
        "min_tenure_days": lambda: values["min_tenure_days"] + 1500,
        "max_utilisation": lambda: values["max_utilisation"] * 0.01,
        "contexts": lambda: np.uint8(2),
        "merchant_share_ppm": lambda: values["merchant_share_ppm"] + 100_000,
        "margin_fen": lambda: values["margin_fen"] + 100,
        "at_visit": lambda: (values["at_visit"] + 1) % 3,
        "expires_days": lambda: np.maximum(1, values["expires_days"] // 7),
        "quiet_from_minute": lambda: values["quiet_from_minute"] - 300,
        "quiet_to_minute": lambda: values["quiet_to_minute"] + 300,
        "delay_median_minutes": lambda: values["delay_median_minutes"] + 50,
    }
    if field in special:
        return special[field]()
    return values[field] * 1.7 + (1 if values[field].dtype.kind == "i" else 0.001)


def _sealed_off(world: World, name: str, values: np.ndarray) -> None:
    world.rules = world.rules._replace(**{name: values})


@pytest.mark.parametrize("field", [f for f in OFFER.names or () if f not in LABELS["offer"]])
def test_every_offer_field_acts(start: World, base: str, field: str) -> None:
    world = start.fork()
    offers = world.rules.offers.copy()
    offers[field] = _moved(offers, field)
    if field == "contexts":
        assert np.any(offers[field] != load_offers().records[field])
    if field == "amount_sigma":
        offers["amount_sigma"] += 0.3
    _sealed_off(world, "offers", offers)
    _sealed_off(world, "standing", standing_offers(offers))
    assert _digest(world) != base


@pytest.mark.parametrize("field", [f for f in CHANNEL.names or () if f not in LABELS["channel"]])
def test_every_channel_field_acts(start: World, base: str, field: str) -> None:
    world = start.fork()
    channels = world.rules.channels.copy()
    moved = _moved(channels, field)
    if field.startswith("p_"):
        moved = np.minimum(0.9, moved)
    channels[field] = moved
    _sealed_off(world, "channels", channels)
    assert _digest(world) != base


@pytest.mark.parametrize("field", COMPLIANCE.names or ())
def test_every_compliance_field_acts(start: World, base: str, field: str) -> None:
    world = start.fork()
    compliance = world.rules.compliance.copy()
    values = {"audit": 0, "collide_minute": 600, "word_of_mouth": 0, "dnc_days": 10, "is_on": 0, "cap_day": 2}
    compliance[field] = values.get(field, 1)
    _sealed_off(world, "compliance", compliance)
    assert _digest(world) != base


@pytest.mark.parametrize(
    "rule",
    [r for r in Rule if r not in (Rule.NONE, Rule.BUDGET, Rule.UNREACHABLE, Rule.CLOSED)],
)
def test_every_rules_switch_and_fine_act(start: World, rule: Rule) -> None:
    def probe() -> World:
        world = start.fork()
        compliance = world.rules.compliance
        # An earlier cap would hide a later one.
        caps = {Rule.CAP_DAY: "cap_day", Rule.CAP_WEEK: "cap_week", Rule.CAP_MONTH: "cap_month"}
        for other, name in caps.items():
            compliance[name] = 2 if other == rule else -1
        compliance["cap_channel_week"] = 1
        offers = world.rules.offers.copy()
        offers["needs_explanation"] = 1
        _sealed_off(world, "offers", offers)
        return world

    plain = _digest(probe())
    off = probe()
    off.rules.compliance["is_on"][0, rule] = 0
    assert _digest(off) != plain
    dearer = probe()
    dearer.rules.money["fine_mfen"][0, rule] += 12_345
    assert _digest(dearer) != plain


@pytest.mark.parametrize("field", [f for f in MONEY.names or () if f != "fine_mfen"])
def test_every_money_field_acts(start: World, base: str, field: str) -> None:
    world = start.fork()
    money = world.rules.money.copy()
    money[field] = money[field] * 2 + 1
    _sealed_off(world, "money", money)
    if field == "blocked_mfen":  # audit blocks what is unreachable; that is charged too
        assert np.any(world.state.accounts["permitted"] == 0)
    assert _digest(world) != base


def test_new_holders_and_traits_reach_the_accounts() -> None:
    world = small_world(50)
    scenario = small_world(
        1, overrides={"population.new_share": 1.0, "population.new_consents_off": True}
    ).scenario
    new = make_accounts(world.traits, scenario, world.state.seed)
    assert new["tenure_days"].max() <= scenario.population.new_tenure_max_days
    assert not new["permitted"].any()
