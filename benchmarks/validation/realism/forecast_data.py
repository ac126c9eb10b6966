"""Snapshots of a base left alone: what the bank sees on a day, what is true on it, and what the next thirty days bring."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardarena.agents.registry import make_policy
from cardarena.benchmarks.validation.realism.parts import BOUGHT
from cardarena.simulator.bank.features import feature_columns
from cardarena.simulator.behaviour.person import NEED_ON, NEED_PRECURSOR
from cardarena.simulator.log import RunLog
from cardarena.simulator.names import CATEGORIES, N_CATEGORIES
from cardarena.simulator.world import World

#: How far ahead needs are forecast, days.
AHEAD: Final = 30
#: A snapshot every so many days, over a year.
EVERY: Final = 30
SNAPSHOTS: Final = 11

#: What the bank sees of everybody.
PERSON_COLUMNS: Final = (
    "age",
    "income_band",
    "tracked",
    "personalisation_on",
    "recency_days",
    "transactions_28d",
    "spend_28d_cny",
    "spend_112d_cny",
    "spend_trend",
    "visits_28d",
    "days_since_visit",
    "instalment_balance_cny",
    "utilisation",
    "weekday",
    "month",
    "is_festival",
    "days_since_payday",
)
#: And of a category; the name of the category follows.
CATEGORY_COLUMNS: Final = (
    "precursor_7d_",
    "days_since_purchase_",
    "category_purchases_112d_",
    "category_clicks_28d_",
)
#: Columns of `Snapshots.seen` by name, the category's without its name.
COLUMN: Final = {name: j for j, name in enumerate((*PERSON_COLUMNS, *CATEGORY_COLUMNS))}


@dataclass(frozen=True)
class Snapshots:
    """All snapshots of one seed below each other; rows are people on days, open accounts only.

    Attributes:
        seen: shape (categories, rows, columns): what the bank sees, `PERSON_COLUMNS` before `CATEGORY_COLUMNS`.
        latent: shape (categories, rows, 5): whether the need is on, whether a true precursor runs, days left in that state,
            the person's scale of the need, and our share of the wallet.
        month: shape (rows,), 1 to 12.
        bought: shape (categories, rows), whether the person buys on our card within `AHEAD` days.
        needed: shape (categories, rows), whether a need of the person is on within `AHEAD` days.
    """

    seen: NDArray[np.float32]
    latent: NDArray[np.float32]
    month: NDArray[np.int64]
    bought: NDArray[np.bool_]
    needed: NDArray[np.bool_]


def snapshots(world: World) -> Snapshots:
    """Play a burned-in world under `silent`, so that every purchase is organic, and take its snapshots.

    Args:
        world: a fork; it is played.
    """
    policy, log = make_policy("silent"), RunLog(alive_at_start=world.state.people["alive"] == 1)
    days = EVERY * (SNAPSHOTS - 1) + AHEAD
    seen, latent, month, is_open = [], [], [], []
    on = np.empty((days, N_CATEGORIES, world.n), np.bool_)
    for day in range(days):
        if day % EVERY == 0 and day // EVERY < SNAPSHOTS:
            seen.append(_seen(world))
            latent.append(_latent(world))
            is_open.append(world.state.people["alive"] == 1)
            month.append(int(world.today(world.day)["month"][0]))
        world.play(policy, 1, sink=log, reset=day == 0)
        on[day] = (world.state.people["need"] == NEED_ON).T
    rows = np.concatenate(is_open)
    starts = [EVERY * number for number in range(SNAPSHOTS)]
    needed = np.concatenate([on[start : start + AHEAD].any(axis=0) for start in starts], axis=1)
    bought = np.concatenate([_bought(log, world.n, start) for start in starts], axis=1)
    return Snapshots(
        seen=np.concatenate(seen, axis=1)[:, rows],
        latent=np.concatenate(latent, axis=1)[:, rows],
        month=np.repeat(month, world.n)[rows],
        bought=bought[:, rows],
        needed=needed[:, rows],
    )


def _seen(world: World) -> NDArray[np.float32]:
    names = [*PERSON_COLUMNS, *(prefix + name for name in CATEGORIES for prefix in CATEGORY_COLUMNS)]
    order = np.arange(world.n)
    columns = feature_columns(world.state.accounts, order, world.today(world.day), names)
    person, rest = columns[: len(PERSON_COLUMNS)], columns[len(PERSON_COLUMNS) :]
    width = len(CATEGORY_COLUMNS)
    return np.stack(
        [np.concatenate([person, rest[k * width : (k + 1) * width]]).T for k in range(N_CATEGORIES)]
    )


def _latent(world: World) -> NDArray[np.float32]:
    people = world.state.people
    need = people["need"]
    wallet = np.repeat(people["wallet"][:, None], N_CATEGORIES, axis=1)
    columns = (need == NEED_ON, need == NEED_PRECURSOR, people["need_left"], people["need_scale"], wallet)
    return np.stack([np.asarray(column, np.float32).T for column in columns], axis=2)


def _bought(log: RunLog, n: int, start: int) -> NDArray[np.bool_]:
    """Return who buys what within `AHEAD` days of `start`, shape (categories, n)."""
    table = log.table("responses")
    is_here = (table["day"] >= start) & (table["day"] < start + AHEAD) & np.isin(table["action"], BOUGHT)
    found = np.zeros((N_CATEGORIES, n), np.bool_)
    found[table["category"][is_here], table["cardholder"][is_here]] = True
    return found
