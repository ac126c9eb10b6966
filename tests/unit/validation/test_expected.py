"""What is expected of contacts: the counts of the same contacts agree, and asking leaves no trace."""

import numpy as np
import pytest

from cardarena.benchmarks.validation.designs import MINUTE, chosen_offer, lots
from cardarena.benchmarks.validation.expected import ATTRIBUTION_DAYS, expect
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.trial import UNCAPPED, Trial, only, variant
from cardarena.simulator.names import CHANNELS

EMAIL = CHANNELS.index("email")
SHORT = {"horizon.burn_in_days": 28, "logged_history": False}
#: Enough clicks and sales for counts to say something.
LIVELY = {"channels.email.p_click": 0.6, "parameters.need_rate": 0.02, "parameters.contact_rate": 0.2}


@pytest.fixture(scope="module")
def lab() -> Lab:
    return Lab(n_cardholders=12_000, seeds=(9001,), overrides={**SHORT, **LIVELY})


def test_counts_of_a_batch_agree_with_what_was_expected(lab: Lab) -> None:
    trial = Trial(variant(lab, 9001, UNCAPPED))
    offers = np.arange(trial.world.rules.offers.size)
    offer = chosen_offer(trial.open_arms(offers, [EMAIL])[:, :, 0], lots(99, trial.n, 1)[0])
    people = np.flatnonzero(offer >= 0)
    hopes = np.zeros(trial.n, dtype=expect(trial.world, people[:1], 0, EMAIL).dtype)
    hopes[people] = expect(trial.world, people, offer[people], EMAIL, 0, MINUTE[EMAIL])
    trial.send(people, offer[people], EMAIL)
    tables = trial.play(1 + ATTRIBUTION_DAYS)
    contacts, responses = tables["contacts"], tables["responses"]
    arrived = contacts["cardholder"][contacts["status"] == 0]
    assert arrived.size > 0.9 * people.size
    _agree(hopes["notice"][arrived], int((responses["action"] == 0).sum()))
    clicked = responses["cardholder"][responses["action"] == 1]
    _agree((hopes["notice"] * hopes["click"])[arrived], clicked.size)
    category = trial.world.rules.offers["category"]
    bought = responses["action"] >= 2
    in_category = np.zeros(trial.n, dtype=np.bool_)
    who = responses["cardholder"][bought]
    in_category[who[responses["category"][bought] == category[offer[who]]]] = True
    _agree(hopes["sale"][clicked], int(in_category[clicked].sum()), slack=0.05)


def _agree(expected: np.ndarray, counted: int, slack: float = 0.0) -> None:
    """The count lies within four standard errors, and `slack` for what the expectation leaves out."""
    total = float(expected.sum())
    assert total > 60.0
    assert abs(counted - total) < 4.0 * np.sqrt(total) + slack * total


def test_asking_leaves_no_trace(lab: Lab) -> None:
    world = lab.world(9001)
    before = world.state.people.tobytes()
    everybody = np.arange(world.n)
    for channel in (EMAIL, CHANNELS.index("in_app")):
        expect(world, everybody, 3, channel, 2)
    assert world.state.people.tobytes() == before


def test_nobody_is_moved_by_the_rest_of_others(lab: Lab) -> None:
    def rows(rests: bool) -> dict[str, np.ndarray]:
        trial = Trial(variant(lab, 9001, UNCAPPED))
        people = np.arange(0, trial.n, 3)
        if rests:
            only(trial.world, people)
        trial.send(people, 0, EMAIL)
        table = trial.play(5)["responses"]
        mine = table["cardholder"] % 3 == 0
        return {name: values[mine] for name, values in table.items()}

    with_others, alone = rows(False), rows(True)
    for name, values in with_others.items():
        np.testing.assert_array_equal(values, alone[name])


def test_fewer_people_live_through_the_same(lab: Lab) -> None:
    whole, part = Trial(variant(lab, 9001)), Trial(variant(lab, 9001, people=2048))
    a, b = whole.play(3)["transactions"], part.play(3)["transactions"]
    mine = a["cardholder"] < 2048
    assert b["day"].size > 1000
    for name, values in a.items():
        np.testing.assert_array_equal(values[mine], b[name])
