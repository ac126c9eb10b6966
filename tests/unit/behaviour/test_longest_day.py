"""A day on which everything happens at once fits the agenda, and touches nobody else's."""

import numpy as np
from tests.fakes.small_worlds import small_world, stir

from cardarena.simulator.behaviour import events
from cardarena.simulator.behaviour.life import plan_day
from cardarena.simulator.names import N_CATEGORIES


def test_the_longest_day_fits() -> None:
    world = small_world(
        1,
        overrides={
            "parameters.purchase_rate": 1000.0,
            "parameters.complaint_service": 1.0,
            "parameters.complaint_collection": 1.0,
            "parameters.default_rate": 1.0,
            "parameters.closure_rate": 1.0,
        },
    )
    person, account = world.state.people[0], world.state.accounts[0]
    person["need"], person["need_left"], person["wallet"] = 3, 9, 1.0
    person["transaction_rate"], person["visit_rate"], person["branch_rate"] = 500.0, 500.0, 1.0
    stir(world.state.people)
    account["overdue"], account["marketing_consent"] = 1, 1
    today = world.today(0)[0]
    today["day_of_month"] = 1 + person["cardholder"] % 28
    today["p_withdraw"] = 1e9
    most = 0
    for seed in range(2000):
        agenda = np.full(events.AGENDA_SIZE + 8, -1, dtype=np.int32)
        person["hazard_today"] = 0.0
        n = plan_day(person, account, world.rules, today, np.uint64(seed), agenda)
        most = max(most, n)
        assert n <= events.AGENDA_SIZE
        assert np.all(agenda[n:] == -1)
        assert np.all(np.diff(agenda[:n]) >= 0)
        if n:
            ranks = (agenda[:n] >> 12) & 15
            assert (ranks == events.TRANSACTION).sum() == events.MAX_TRANSACTIONS, "nothing may be cut"
            assert (ranks == events.PURCHASE).sum() == N_CATEGORIES
    # 12 transactions, 3 + 1 visits, 8 purchases, statement, withdrawal, two complaints, default; closure is seldom drawn.
    assert most >= events.AGENDA_SIZE - 1
