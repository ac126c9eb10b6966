"""What an environment tells predicts the hidden state no better than the bank's own books do, and no key to luck is in it.

The detector regresses hidden targets on the books (the account's columns before and after a step, the action, and what the
log says came of it), then on the books and everything in `info`; people are never in two folds. It fires where the second
explains more than the first beyond noise. That it can fire is tested with leaks put in by hand, and with the paired form of
the reward, which is privileged and says so.
"""

import copy
from typing import Any, NamedTuple

import numpy as np
import pytest
from tests.fakes.small_campaigns import campaign_worlds, settings, small_campaign
from tests.fakes.small_pools import OVERRIDES, drawn_actions

from cardarena.agents.environments import make_pool
from cardarena.simulator.behaviour.person import NEED_ON
from cardarena.simulator.envs.journeys import Journeys
from cardarena.simulator.envs.pool import Pool
from cardarena.simulator.envs.slate import SlateVectorEnv
from cardarena.simulator.envs.terminal import terminal_value
from cardarena.simulator.envs.trigger import TriggerJourneys, TriggerVectorEnv
from cardarena.simulator.envs.vector import CardholderVectorEnv, JourneyVectorEnv
from cardarena.simulator.names import CATEGORIES, Kind

SEED = 987_654_321
WORLD_SEED = 876_543_219
N_PEOPLE = 600
KINDS = (CardholderVectorEnv, TriggerVectorEnv, SlateVectorEnv)
N_FOLDS = 3
#: Weights of the squared coefficients as a share of the rows.
ALPHAS = np.array([3e-3, 3e-2, 3e-1, 3.0])
#: Codes of the log's rows, of any kind.
MOST_CODES = 12
#: Share of a target's variance that the books leave and `info` explains, from which on it is a leak.
LEAST_GAIN = 0.004


class Told(NamedTuple):
    """Rows: one a person and step."""

    person: np.ndarray  # (m,)
    books: np.ndarray  # (m, columns) what the bank knows
    info: np.ndarray  # (m, columns) everything in `info`
    targets: dict[str, np.ndarray]  # (m,) hidden
    spent_tomorrow: np.ndarray  # (m,) what a copy of the environment sees that lives on, contacting nobody


@pytest.fixture(scope="module")
def pool() -> Pool:
    return make_pool(
        "baseline", n_cardholders=N_PEOPLE, world_seeds=(WORLD_SEED,), overrides=OVERRIDES, days=11
    )


def flattened(info: dict[str, Any], n: int) -> np.ndarray:
    """Return every entry of a vector environment's info, shape (n, columns)."""
    columns = []
    for value in info.values():
        if isinstance(value, dict):
            columns.append(flattened(value, n))
        else:
            columns.append(np.asarray(value, dtype=np.float64).reshape(n, -1))
    return np.concatenate(columns, axis=1)


def booked(rows: list[np.ndarray], place: np.ndarray, n: int) -> np.ndarray:
    """Return what a day's log says of each slot: money and number by kind, and number by kind and code, shape (n, columns)."""
    every = np.concatenate(rows)
    at = place[every["cardholder"]]
    columns = []
    for kind in Kind:
        if kind is Kind.VISIT:
            continue  # not of people who block tracking; what is seen of it stands in the account
        own = every["kind"] == kind
        columns.append(np.bincount(at[own], every["value_mfen"][own] * 1e-5, n))
        for code in range(MOST_CODES):
            columns.append(np.bincount(at[own & (every["code"] == code)], minlength=n).astype(float))
    return np.stack(columns, axis=1)


def hidden(env: CardholderVectorEnv) -> dict[str, np.ndarray]:
    """Return the state that nobody may see, a number a slot."""
    people = env.truth()
    return {
        **{f"need_{name}": people["need"][:, k] == NEED_ON for k, name in enumerate(CATEGORIES)},
        "load": people["load"].sum(axis=1),
        **{
            name: people[name]
            for name in (
                "annoyance", "theta", "privacy_limit", "tolerance", "wallet", "satisfaction", "trust", "concern",
            )
        },
    }  # fmt: skip


def lived_today(journeys: Journeys, day: int) -> dict[str, np.ndarray]:
    """Return whether each bought, visited and paid on a day that is over."""
    accounts = journeys.slots.accounts[: journeys.n]
    return {
        "tomorrow_buys": (accounts["last_purchase_day"] == day).any(axis=1),
        "tomorrow_visits": accounts["last_visit_day"] == day,
        "tomorrow_pays": accounts["last_transaction_day"] == day,
    }


def played(pool: Pool, reward: str) -> Told:
    """Return what a person a slot is told under actions drawn by lot, until the horizon."""
    members = pool.base.members
    n = members.size
    luck = np.random.Generator(np.random.Philox(1)).integers(2**62, 2**63, n)
    env = CardholderVectorEnv(pool, n, reward=reward, offer_features=False)
    observation, _ = env.reset(seed=SEED, options={"cardholder": members, "luck": luck})
    days = env.journeys.horizon
    # The same lives, to read the log of; a day longer, so that the last one has a tomorrow.
    ledger = Journeys(pool, n, horizon=days + 1, reward=reward)
    ledger.reset(cardholder=members, luck=luck)
    place = np.zeros(pool.n, dtype=np.int64)
    place[pool.base.people["cardholder"][members]] = np.arange(n)
    over = np.zeros(n, dtype=np.bool_)
    steps: list[tuple[np.ndarray, ...]] = []
    targets: list[dict[str, np.ndarray]] = []
    books: list[np.ndarray] = []
    for day in range(days + 1):
        actions = drawn_actions(env.codec, n, 50 + day)
        rows: list[np.ndarray] = []
        ledger.step(actions, rows)
        if targets:
            targets[-1].update(lived_today(ledger, day))
        if day == days:
            break
        before = observation
        observation, _, terminated, truncated, info = env.step(actions)
        ahead = np.zeros(n)
        if day < days - 1:
            later = copy.deepcopy(env)
            ahead = later.step(np.zeros((n, 4), dtype=np.int64))[4]["reward_terms"]["spending"]
        kept = ~over & ~terminated
        over |= terminated | truncated
        parts = [actions[:, part, None] == np.arange(size) for part, size in enumerate(env.codec.sizes)]
        did = np.concatenate([part & (actions[:, :1] == 1) for part in parts[1:]], axis=1)
        books.append(booked(rows, place, n))
        steps.append((kept, before, observation, did, flattened(info, n), ahead))
        targets.append(hidden(env))
    kept = np.concatenate([step[0] for step in steps])
    return Told(
        np.tile(members, days)[kept],
        np.concatenate([np.hstack([b, *step[1:4]]) for b, step in zip(books, steps, strict=True)])[kept],
        np.concatenate([step[4] for step in steps])[kept],
        {name: np.concatenate([t[name] for t in targets]).astype(float)[kept] for name in targets[0]},
        np.concatenate([step[5] for step in steps])[kept],
    )


# --- the detector


def widened(x: np.ndarray) -> np.ndarray:
    """Return the columns and their logarithms, standardised; without the constant ones."""
    x = np.concatenate([x, np.sign(x) * np.log1p(np.abs(x))], axis=1)
    x = x[:, x.std(axis=0) > 1e-9]
    return (x - x.mean(axis=0)) / x.std(axis=0)


def errors(x: np.ndarray, y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return out-of-fold squared errors of a ridge regression, the best of `ALPHAS`, shape (m, targets)."""
    out = np.empty((ALPHAS.size, *y.shape))
    for k in range(N_FOLDS):
        train, test = fold != k, fold == k
        centre = y[train].mean(axis=0)
        values, vectors = np.linalg.eigh(x[train].T @ x[train])
        inner = vectors.T @ (x[train].T @ (y[train] - centre))
        outer = x[test] @ vectors
        for j, alpha in enumerate(ALPHAS):
            guess = outer @ (inner / (np.maximum(values, 0.0) + alpha * train.sum())[:, None])
            out[j, test] = (y[test] - centre - guess) ** 2
    best = out.sum(axis=1).argmin(axis=0)
    return np.stack([out[j, :, t] for t, j in enumerate(best)], axis=1)


class Detector:
    """Compares what further columns explain with what the books do; the books' part is computed once.

    Attributes:
        told: the rows.
    """

    def __init__(self, told: Told) -> None:
        self.told = told
        self._people, self._at = np.unique(told.person, return_inverse=True)
        self._fold = self._at % N_FOLDS
        self._books = widened(told.books)
        self._y = np.stack(list(told.targets.values()), axis=1)
        self._errors = errors(self._books, self._y, self._fold)

    def explained(self) -> dict[str, float]:
        """Return by target the share of its variance that the books explain."""
        share = 1.0 - self._errors.sum(axis=0) / ((self._y - self._y.mean(axis=0)) ** 2).sum(axis=0)
        return dict(zip(self.told.targets, share.tolist(), strict=True))

    def leaks(self, extra: np.ndarray) -> set[str]:
        """Return the targets of which `extra` tells more than the books do, beyond the chance of 1 in 1,000."""
        both = np.hstack([self._books, widened(extra)])
        spare = self._errors - errors(both, self._y, self._fold)
        total = (self._y - self._y.mean(axis=0)) ** 2
        n = self._people.size
        weight = np.random.Generator(np.random.Philox(2)).multinomial(n, np.full(n, 1 / n), 2000)
        found = set()
        for t, name in enumerate(self.told.targets):
            mine, whole = np.bincount(self._at, spare[:, t], n), np.bincount(self._at, total[:, t], n)
            low = np.quantile((weight @ mine) / (weight @ whole), 0.001)
            if mine.sum() / whole.sum() > LEAST_GAIN and low > 0.0:
                found.add(name)
        return found


@pytest.fixture(scope="module")
def gross(pool: Pool) -> Detector:
    return Detector(played(pool, "gross"))


def test_books_explain_some_of_the_hidden_state(gross: Detector) -> None:
    # Otherwise there would be nothing that info could fail to add to.
    share = gross.explained()
    assert share["load"] > 0.8
    assert share["annoyance"] > 0.4
    assert share["wallet"] > 0.2


@pytest.mark.parametrize("reward", ["gross", "attributed"])
def test_info_tells_no_more_than_the_books(pool: Pool, gross: Detector, reward: str) -> None:
    told = gross.told if reward == "gross" else played(pool, reward)
    np.testing.assert_array_equal(told.books, gross.told.books)
    assert gross.leaks(told.info) == set()


def test_the_paired_form_leaks_and_says_so(pool: Pool, gross: Detector) -> None:
    told = played(pool, "paired")
    np.testing.assert_array_equal(told.person, gross.told.person)
    # The expectation of the margin is taken given the state: whoever is in need of credit is worth much today.
    assert gross.leaks(told.info) >= {"need_instalment", "tomorrow_buys"}
    for reward, is_privileged in (("paired", True), ("gross", False), ("attributed", False)):
        assert CardholderVectorEnv(pool, 1, reward=reward).metadata["is_privileged"] is is_privileged


@pytest.mark.parametrize("name", ["annoyance", "theta", "need_daily", "privacy_limit"])
def test_a_noisy_hidden_number_in_info_is_found(gross: Detector, name: str) -> None:
    hidden_number = gross.told.targets[name]
    noise = np.random.Generator(np.random.Philox(3)).normal(0.0, hidden_number.std(), hidden_number.size)
    assert name in gross.leaks(np.column_stack([gross.told.info, hidden_number + noise]))


def test_a_look_at_tomorrows_luck_in_info_is_found(gross: Detector) -> None:
    assert "tomorrow_pays" in gross.leaks(np.column_stack([gross.told.info, gross.told.spent_tomorrow]))


# --- identities and keys


def numbers(thing: Any) -> list[np.ndarray]:
    """Return every array of numbers in an observation or an info, however deep."""
    if isinstance(thing, dict):
        return [array for value in thing.values() for array in numbers(value)]
    return [np.asarray(thing)]


def names_somebody(columns: np.ndarray, ids: np.ndarray) -> bool:
    """Say whether a column rises or falls with the ids."""
    columns = columns[:, columns.std(axis=0) > 0.0]
    return bool((np.abs(np.corrcoef(columns.T, ids)[-1, :-1]) > 0.5).any())


def holds(values: list[np.ndarray], keys: list[int]) -> bool:
    """Say whether one of the keys is among the values, whole or as the nearest number of their type."""
    return any((array == np.array(key).astype(array.dtype)).any() for array in values for key in keys)


def drawn_of(env: JourneyVectorEnv, seed: int) -> np.ndarray:
    """Return actions drawn by lot, of whatever shape this kind has, shape (n, parts)."""
    rng = np.random.Generator(np.random.Philox(seed))
    return np.stack([rng.integers(0, size, env.num_envs) for size in env.journeys.sizes], axis=1)


@pytest.mark.parametrize("kind", KINDS)
def test_no_id_and_no_seed_is_told(pool: Pool, kind: type[JourneyVectorEnv]) -> None:
    members = pool.base.members
    luck = 2**62 + 12_345_678
    env = kind(pool, members.size, difficulty="hard", contact_price=(0.0, 1.0))
    told = [env.reset(seed=SEED, options={"cardholder": members, "luck": luck})]
    for turn in range(3):
        answer = env.step(drawn_of(env, turn))
        told.append((answer[0], {**answer[4], "reward": answer[1]}))
    values = [array for both in told for part in both for array in numbers(part)]
    wide = [array for array in values if array.dtype.itemsize > 1]
    keys = [WORLD_SEED, int(pool.worlds[0].state.seed), luck, *range(SEED, SEED + members.size)]
    assert not holds(wide, keys)
    assert holds([*wide, np.array([1.0, SEED + 3.0])], keys)
    assert all(array.dtype.names is None for array in values)
    ids = pool.base.people["cardholder"][members].astype(float)
    columns = np.column_stack([array.reshape(members.size, -1).astype(float) for array in values])
    assert not names_somebody(columns, ids)
    assert names_somebody(np.column_stack([columns, 3.0 - ids]), ids)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_told_stays_when_the_hidden_records_are_dealt_out_anew(
    pool: Pool, kind: type[JourneyVectorEnv]
) -> None:
    """In the middle of a journey: what came of the step is in the books already, and nothing is read from elsewhere."""
    members = pool.base.members
    env = kind(pool, members.size, contact_price=(0.0, 1.0))
    env.reset(seed=SEED, options={"cardholder": members})
    journeys, everybody = env.journeys, np.arange(members.size)
    out = [journeys.step(drawn_of(env, turn)) for turn in range(3)][-1]
    assert (journeys.slots.journey["minute"] > 0).any() == (kind is not CardholderVectorEnv)

    def told() -> list[np.ndarray]:
        observation, mask = journeys.observed(everybody)
        now = out._replace(observation=observation, mask=mask)
        rewards, value = env.shell.close_books(now._replace(terms=out.terms.copy()))
        infos = env._infos(now, value, env._everybody)
        return [observation, rewards, *numbers(env.shell.shown(now, True)), *numbers(infos)]

    before = told()
    # Nothing is lost by looking: what the step itself told is what is told now.
    np.testing.assert_array_equal(before[0], out.observation)
    np.testing.assert_array_equal(journeys.observed(everybody)[1], out.mask)
    people = journeys.slots.people
    for name in people.dtype.names or ():
        if name != "cardholder":
            people[name] = people[name][::-1].copy()
    for then, now in zip(before, told(), strict=True):
        np.testing.assert_array_equal(then, now)
    journeys.slots.accounts["opens_28d"] += 1.0
    assert not np.array_equal(told()[0], before[0])


@pytest.mark.parametrize("kind", KINDS)
def test_equal_accounts_are_told_alike_whatever_is_hidden(pool: Pool, kind: type[JourneyVectorEnv]) -> None:
    journeys = kind.kind(pool, 2)
    a, b = pool.base.members[:2]
    journeys.reset(cardholder=np.array([a, b]), luck=np.array([5, 6], dtype=object))
    people, accounts = journeys.slots.people, journeys.slots.accounts
    assert people["theta"][0] != people["theta"][1]
    accounts[1] = accounts[0]
    observation, mask = journeys.observed(np.arange(2))
    np.testing.assert_array_equal(observation[0], observation[1])
    np.testing.assert_array_equal(mask[0], mask[1])
    if kind is not CardholderVectorEnv:
        # At an event, too: the mask is another one there.
        journeys.slots.journey["minute"] = 600
        if isinstance(journeys, TriggerJourneys):
            journeys.moments.moment[:] = (1, 590, 12_300, 2)
        observation, mask = journeys.observed(np.arange(2))
        assert mask[:, 1:].any()
        np.testing.assert_array_equal(observation[0], observation[1])
        np.testing.assert_array_equal(mask[0], mask[1])
    value = terminal_value(pool, journeys.horizon, 0.999).of(observation, np.zeros(2, dtype=np.int64))
    assert value[0] == value[1] != 0.0
    accounts["opens_28d"][1] += 1.0
    assert not np.array_equal(*journeys.observed(np.arange(2))[0])


def test_a_campaign_is_told_nothing_of_the_hidden_records() -> None:
    env = small_campaign(campaign_worlds(seeds=(WORLD_SEED,)), terminal_value=False)
    told: list[Any] = [env.reset(seed=SEED)]
    action = env.codec.encode(settings(intensity=1.0, cap=4))
    for _ in range(2):
        answer = env.step(action)
        told.append((answer[0], answer[4]))
    assert env.world is not None
    state = env.world.state
    values = [array for both in told for part in both for array in numbers(part)]
    assert not holds(values, [SEED, WORLD_SEED, int(state.seed)])
    seen = env._look()
    for name in state.people.dtype.names or ():
        if name != "cardholder":
            state.people[name] = state.people[name][::-1].copy()
    np.testing.assert_array_equal(env._look(), seen)
    state.accounts["opens_28d"] += 1.0
    assert not np.array_equal(env._look(), seen)
