"""Offers held out are on no menu and never go out, and the same environment without the argument has them."""

from typing import Any

import numpy as np
import pytest
from tests.fakes.small_pools import small_pool

from cardarena.simulator.envs.cardholder import CardholderEnv, JourneyEnv
from cardarena.simulator.envs.journeys import Journeys
from cardarena.simulator.envs.slate import SlateEnv, SlateJourneys
from cardarena.simulator.envs.trigger import TriggerEnv, TriggerJourneys
from cardarena.simulator.errors import UnknownNameError
from cardarena.simulator.names import Kind

N, STEPS = 150, 6
HELD = ("grocery_coupon", "double_points", "travel_guide", "festival_gift")


def seen(kind: type[Journeys], **settings: Any) -> tuple[Journeys, np.ndarray, np.ndarray, np.ndarray]:
    """Ask for held-out offers, mostly; return the journeys, their codes, which were open, and which went out."""
    made = kind(small_pool(), N, **settings)
    made.seed(range(N))
    out = made.reset()
    names = made.pool.scenario.catalogue().names
    codes = np.array([names.index(name) for name in HELD])
    n_offers = made.codec.offers.size
    # A slate names offers alone, one position behind the other; a contact's first part says whether there is one.
    first = 0 if isinstance(made, SlateJourneys) else 2
    rng = np.random.Generator(np.random.Philox(1))
    was_open, rows = np.zeros(n_offers, dtype=bool), []
    for _ in range(STEPS):
        was_open |= out.mask[:, first : first + n_offers].any(axis=0)
        actions = np.stack([rng.integers(0, size, N) for size in made.sizes], axis=1)
        actions[:, 0 if first == 0 else 1] = rng.choice(codes, N)
        if first:
            actions[:, 0] = 1
        out = made.step(actions, rows)
    every = np.concatenate(rows)
    asked = every[(every["kind"] == Kind.CONTACT) & (every["ref_day"] >= 0)]
    return made, codes, was_open, np.unique(asked["offer"])


@pytest.mark.parametrize("difficulty", ["standard", "hard"])
@pytest.mark.parametrize("kind", [Journeys, TriggerJourneys, SlateJourneys])
def test_what_is_held_out_is_never_open_and_never_goes_out(kind: type[Journeys], difficulty: str) -> None:
    made, codes, was_open, asked = seen(kind, difficulty=difficulty, held_out_offers=HELD)
    assert not made.slots.menu[:, codes].any()
    assert not was_open[codes].any()
    assert was_open.sum() > 5
    assert not np.isin(asked, codes).any()
    left = made.codec.offers.size - len(HELD)
    taken = left // 2 if difficulty == "hard" else 0
    np.testing.assert_array_equal(made.slots.menu.sum(axis=1), left - taken)
    plain, _, was_open, asked = seen(kind, difficulty=difficulty)
    assert plain.sizes.tolist() == made.sizes.tolist()
    assert was_open[codes].all()
    assert np.isin(codes, asked).any()


@pytest.mark.parametrize("env", [CardholderEnv, TriggerEnv, SlateEnv])
def test_the_offers_shown_say_that_they_are_off_the_menu(env: type[JourneyEnv]) -> None:
    for held in ((), HELD):
        made = env(small_pool(), held_out_offers=held)
        offers = made.reset(seed=1)[0]["offers"].reshape(-1, len(made.offer_feature_names))
        off = [
            made.journeys.pool.scenario.catalogue().names[code] for code in np.flatnonzero(offers[:, 0] == 0)
        ]
        assert sorted(off) == sorted(held)


def test_unknown_names_and_an_empty_stock_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown offer 'travel_gide'; did you mean 'travel_guide'"):
        Journeys(small_pool(), 1, held_out_offers=("travel_gide",))
    with pytest.raises(ValueError, match="expected at least one offer left"):
        Journeys(small_pool(), 1, held_out_offers=small_pool().scenario.catalogue().names)
