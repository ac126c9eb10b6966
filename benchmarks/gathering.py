"""Worlds of chosen people: some of a world's, or one of them many times, to live several lives."""

import numpy as np

from cardarena.simulator.state import WorldState, inbox_starts
from cardarena.simulator.world import World


def gathered(world: World, rows: np.ndarray, *, luck: int | None = None, keeps_sent: bool = False) -> World:
    """Return a world of the people in `rows`, in their present state and under the same rules.

    A row may come more than once: then the same person lives several lives, and a mean over them is an expectation.

    Args:
        world: at a midnight; it stays as it is.
        rows: true rows, shape (m,); they become the ids 0 to m - 1, and an id has the same luck in every world of a luck.
        luck: key of another luck; the world's by default.
        keeps_sent: whether contacts on their way come along; without it what was sent is lost.
    """
    state = world.state
    fresh = WorldState.fresh(state.seed, state.day, state.people[rows], state.accounts[rows])
    traits = world.traits[rows]
    for records in (fresh.people, fresh.accounts, traits):
        records["cardholder"] = np.arange(rows.size)
    fresh.luck = state.luck if luck is None else luck
    fresh.mood = state.mood[rows].copy()
    if keeps_sent:
        fresh.pending = _sent_to(world, rows)
    made = World(world.scenario, world.seed, traits, fresh, threads=world.threads, history=world.history)
    made.rules.compliance[:], made.rules.parameter[:] = world.rules.compliance, world.rules.parameter
    return made


def _sent_to(world: World, rows: np.ndarray) -> np.ndarray:
    """Return the pending contacts of these people, in the order of the new ids."""
    pending = world.state.pending
    starts = inbox_starts(pending, world.n)
    count = np.diff(starts)[rows]
    holder = np.repeat(np.arange(rows.size), count)
    within = np.arange(holder.size) - np.repeat(np.cumsum(count) - count, count)
    sent = pending[starts[rows][holder] + within]
    sent["cardholder"] = holder
    return sent
