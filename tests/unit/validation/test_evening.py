"""A look in the evening, or after midnight, changes nothing: neither the people nor what works beside them."""

import numpy as np
from tests.fakes.small_worlds import small_world

from cardarena.agents.registry import make_policy
from cardarena.simulator.rules import OPEN_CASE
from cardarena.simulator.schedulers.evening import Evening
from cardarena.simulator.world import World

DAYS = 20


def _run(world: World, looks: list[int] | None) -> dict[str, dict[str, np.ndarray]]:
    if looks is not None:
        world.scheduler = Evening(
            world.scheduler, lambda state: looks.append(1), after=lambda state: looks.append(2)
        )
    log = world.run(make_policy("blast"), DAYS, run_out_policy=make_policy("caretaker"), run_out_days=0)
    return {name: log.table(name) for name in ("contacts", "transactions", "complaints", "cases")}


def test_a_world_that_is_looked_at_is_the_same_world() -> None:
    world = small_world(400, seed=9)
    # The handlers need hours for these, which a hurried clock would not give them.
    world.state.cases = np.zeros(8, dtype=OPEN_CASE)
    world.state.cases["cardholder"] = np.arange(8)
    world.state.cases["filed_day"], world.state.cases["due_day"] = -1, 14
    world.state.cases["left_minutes"] = 300
    looks: list[int] = []
    plain, looked_at = _run(world.fork(), None), _run(world.fork(), looks)
    assert looks == [1, 2] * DAYS
    assert len(np.unique(plain["cases"]["day"])) > 1
    for name, table in plain.items():
        for column, values in table.items():
            assert np.array_equal(values, looked_at[name][column]), (name, column)
