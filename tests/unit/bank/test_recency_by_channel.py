"""How long ago the last contact by each channel was, as a view tells it, is what the log of deliveries tells."""

from typing import Any

import numpy as np
import pytest
from tests.fakes.simple_policies import Scattered
from tests.fakes.small_worlds import small_world

from cardarena.simulator.bank.features import feature_columns
from cardarena.simulator.contracts import Contacts, View
from cardarena.simulator.log import RunLog
from cardarena.simulator.names import CHANNELS, Status

BURN_IN, DAYS = 20, 16
EVENING = 1170
NAMES = tuple(f"days_since_contact_{name}" for name in CHANNELS)
COUNTS = tuple(f"contacts_7d_{name}" for name in CHANNELS)


class Watching(Scattered):
    """Scattered, deciding in the evening, and keeps what it sees."""

    features = ("is_open", "days_since_contact", "contacts_7d", *COUNTS, *NAMES)

    def __init__(self) -> None:
        super().__init__(1, 0.4, decide_minute=EVENING)
        self.seen: dict[int, dict[str, np.ndarray]] = {}

    def decide(self, view: View) -> Contacts:
        self.seen[view.day] = {name: view[name].copy() for name in self.features}
        return super().decide(view)


@pytest.fixture(scope="module", params=["cohort", "agent"])
def played(request: pytest.FixtureRequest) -> tuple[dict[int, dict[str, np.ndarray]], dict[int, np.ndarray]]:
    """Return what was seen of each day, and from the log when the last delivery before it was, (n, channels)."""
    world = small_world(120, 5, scheduler=request.param, overrides={"horizon.burn_in_days": BURN_IN})
    policy, log = Watching(), RunLog(offer_category=world.rules.offers["category"])
    world.play(policy, BURN_IN, sink=log)
    assert world.day == 0
    world.play(policy, DAYS, sink=log, reset=False)
    table = log.table("contacts")
    went = table["status"] == Status.DELIVERED
    who, channel, day, minute = (
        table[name][went].astype(np.int64) for name in ("cardholder", "channel", "day", "minute")
    )
    last = {}
    for today in policy.seen:
        before = (day < today) | ((day == today) & (minute < EVENING))
        latest = np.full((world.n, len(CHANNELS)), -1000)
        np.maximum.at(latest, (who[before], channel[before]), day[before])
        last[today] = latest[world.order]
    return policy.seen, last


def test_it_is_the_days_since_the_last_delivery_and_seven_at_most(played: Any) -> None:
    seen, last = played
    assert min(seen) == -BURN_IN
    assert max(seen) == DAYS - 1
    ago = np.concatenate([today - last[today] for today in seen])
    told = np.concatenate([np.stack([seen[today][name] for name in NAMES], axis=1) for today in seen])
    np.testing.assert_array_equal(told, np.minimum(7, ago))
    # Every age is met, that of just a week and contacts of the same day too, and every channel.
    for age in range(9):
        assert (ago == age).any(), age
    assert (told < 7).any(axis=0).all()
    # So are contacts of the burn-in, seen after it.
    assert ((last[3] < 0) & (last[3] >= 3 - 6)).any()


def test_it_agrees_with_the_other_columns(played: Any) -> None:
    seen, _ = played
    for row in seen.values():
        by_channel = np.stack([row[name] for name in NAMES])
        np.testing.assert_array_equal(by_channel < 7, np.stack([row[name] for name in COUNTS]) > 0)
        np.testing.assert_array_equal(by_channel.min(axis=0), np.minimum(7, row["days_since_contact"]))


def test_whom_nobody_ever_contacted_has_seven_everywhere() -> None:
    world = small_world(50)
    columns = feature_columns(world.state.accounts, world.order, world.today(world.day), NAMES)
    assert (columns == 7.0).all()
