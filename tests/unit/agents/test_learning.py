"""What the learning policies learn, in toy worlds whose answer is known."""

import numpy as np
import pytest
from tests.fakes.agents.fake_bank import AT, make_brief, make_features, make_feedback, make_history, make_view

from cardarena.agents import effects
from cardarena.agents.bandits import LinearBandit, LinUcb, Thompson
from cardarena.agents.effects import logistic, orthogonal, ridge
from cardarena.agents.learned import CappedPropensity, LoggedPolicy, Propensity, shrunk_ratio
from cardarena.agents.priced import GreedyPriced, Uplift
from cardarena.simulator.names import CATEGORIES

N = 600
OFFERS = ("bill_instalment", "premium_upgrade")
#: One public offer a category, so that whoever buys anyway buys it at the same terms.
PUBLIC = (
    "brand_search_placement",
    "appliance_trade_in",
    "travel_guide",
    "bill_instalment",
    "premium_upgrade",
)


def sure_or_persuadable(x: np.ndarray, category: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Frequent buyers buy anyway; people with a precursor buy if contacted; a contact does nothing to the others."""
    rows = x.shape[1]
    p = np.full((rows, len(CATEGORIES)), 0.02)
    for k, name in enumerate(CATEGORIES):
        p[x[AT[f"category_purchases_112d_{name}"]] >= 3, k] = 0.6
        persuaded = (category == k) & (x[AT[f"precursor_7d_{name}"]] >= 1)
        persuaded &= x[AT[f"category_purchases_112d_{name}"]] < 3
        p[persuaded, k] += 20.0 * strength[persuaded]
    return p


def toy_features(n: int = N) -> np.ndarray:
    """Return three equal groups: sure things, persuadables, and people whom nothing moves."""
    x = make_features(n, seed=5)
    group = np.arange(n) % 3
    for name in CATEGORIES:
        x[AT[f"category_purchases_112d_{name}"]] = np.where(group == 0, 4.0, 0.0)
        x[AT[f"precursor_7d_{name}"]] = np.where(group == 1, 2.0, 0.0)
    return x


def contacted_by_group(policy: LoggedPolicy) -> np.ndarray:
    """Return the share of sure things, persuadables and the unmoved that the policy contacts."""
    rows = 12_000
    log = make_history(
        make_brief(N, offers=PUBLIC), rows=rows, truth=sure_or_persuadable, features=toy_features(rows)
    )
    brief = make_brief(N, history=log, offers=PUBLIC)
    policy.reset(brief, 1)
    contacts = policy.decide(make_view(brief, names=policy.features, features=toy_features()))
    return np.bincount(contacts.cardholder % 3, minlength=3) / (N / 3)


@pytest.mark.parametrize("policy", [Uplift(dial=25.0), GreedyPriced(dial=25.0)], ids=lambda p: p.name)
def test_increment_learners_leave_sure_things_alone(
    policy: LoggedPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The toy's log is short and its effects are plain: less shrinkage than a bank's noise asks for.
    monkeypatch.setattr(effects, "OTHER_PENALTY", 100.0)
    monkeypatch.setattr(effects, "NEED_PENALTY", 100.0)
    sure, persuadable, unmoved = contacted_by_group(policy)
    assert persuadable > 0.9
    assert sure < 0.1
    assert unmoved < 0.1


def test_propensity_contacts_sure_things() -> None:
    sure, _, _ = contacted_by_group(Propensity(dial=0.3))
    assert sure > 0.9


@pytest.mark.parametrize("dial", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("cold", [False, True])
def test_capped_never_exceeds_its_cap(dial: float, cold: bool) -> None:
    brief = make_brief(N, history=None if cold else make_history(make_brief(N), rows=4_000))
    policy = CappedPropensity(dial=dial)
    policy.reset(brief, 1)
    log = np.zeros((112, N), dtype=int)
    for day in range(0, 112, 7):
        contacts = policy.decide(make_view(brief, day, names=policy.features))
        log[day, contacts.cardholder] += 1
        policy.learn(make_feedback(day, contacts, N))
    month = np.array([log[max(0, d - 27) : d + 1].sum(axis=0) for d in range(112)])
    assert month.max() == dial


def test_ratios_that_differ_by_luck_alone_are_shrunk_to_one() -> None:
    """Beside a prior of a hundred rows, luck alone makes a ratio of two offers fall below 0.75 often."""
    rng = np.random.Generator(np.random.Philox(4))
    rows, rate = 400, 0.07
    found = rng.binomial(rows, rate, size=(400, 29)).astype(np.float64)
    ratios = np.array([shrunk_ratio(one, np.full(29, rows * rate)) for one in found])
    weak = (found + 100 * rate) / ((rows + 100) * rate)
    assert (weak[:, 0] / weak[:, 1] < 0.75).mean() > 0.05
    assert (ratios[:, 0] / ratios[:, 1] < 0.75).mean() < 0.01


def test_ratios_that_truly_differ_are_kept() -> None:
    truth = np.linspace(0.5, 1.5, 29)
    rng = np.random.Generator(np.random.Philox(5))
    found = rng.poisson(400.0 * truth).astype(np.float64)
    assert np.allclose(shrunk_ratio(found, np.full(29, 400.0)), truth, atol=0.2)


def test_ratios_without_counts_are_one() -> None:
    assert (shrunk_ratio(np.zeros(3), np.zeros(3)) == 1.0).all()


def play_bandit(policy: LinearBandit, weeks: int) -> list[float]:
    """Play a toy in which of two offers the less promising one sells; return its share of the contacts by week."""
    brief = make_brief(N, offers=OFFERS)
    good = brief.offer_names.index("premium_upgrade")
    category = int(brief.offers["category"][good])
    policy.reset(brief, 3)
    shares = []
    for week in range(weeks):
        rng = np.random.Generator(np.random.Philox(week))
        x = make_features(N, seed=week, precursor_7d_instalment=1.0, precursor_7d_card_product=1.0)
        contacts = policy.decide(make_view(brief, 7 * week, names=policy.features, features=x))
        shares.append(float((contacts.offer == good).mean()))
        effect = np.zeros(N)
        effect[contacts.cardholder] = (
            5.0 * policy.market.strength[contacts.channel] * (contacts.offer == good)
        )
        who = np.flatnonzero(rng.random(N) < 0.01 + effect)
        sales = who, np.full(len(who), category), np.full(len(who), 12_000.0)
        policy.learn(make_feedback(7 * week, contacts, N, purchases=sales))
    return shares


@pytest.mark.parametrize("kind", [LinUcb, Thompson])
def test_bandits_learn_the_better_arm(kind: type[LinearBandit]) -> None:
    shares = play_bandit(kind(dial=0.0), weeks=22)
    assert shares[0] < 0.3
    assert np.mean(shares[-4:]) > 0.8


def test_thompson_reports_the_share_of_draws() -> None:
    policy = Thompson()
    brief = make_brief(N)
    policy.reset(brief, 1)
    contacts = policy.decide(make_view(brief, names=policy.features))
    assert contacts.propensity is not None
    assert np.isin(
        np.round(contacts.propensity / 0.9 * policy.draws, 6), np.arange(1, policy.draws + 1)
    ).all()


@pytest.mark.parametrize("rows", [0, 60])
@pytest.mark.parametrize("kind", [Propensity, CappedPropensity, Uplift, GreedyPriced])
def test_cold_start_explores_a_slice_then_fits(kind: type[LoggedPolicy], rows: int) -> None:
    """Without a log, or with one too short to fit to."""
    n = 2_000
    brief = make_brief(n, history=make_history(make_brief(n), rows=rows) if rows else None)
    policy = kind(dial=4.0) if kind is CappedPropensity else kind()
    policy.reset(brief, 1)
    for day in range(0, 63, 7):
        contacts = policy.decide(make_view(brief, day, names=policy.features))
        if day < 21:
            assert 0 < len(contacts) < 0.3 * n
            assert contacts.propensity is not None
            assert contacts.propensity.max() < 0.3
        policy.learn(make_feedback(day, contacts, n))
    assert len(policy.state()["fit_days"]) == 2


def test_ridge_is_least_squares_without_a_penalty() -> None:
    rng = np.random.Generator(np.random.Philox(1))
    x, slope = rng.normal(size=(200, 3)), np.array([1.0, -2.0, 0.5])
    assert np.allclose(ridge(x, x @ slope, np.ones(200), 0.0), slope, atol=1e-6)
    assert np.allclose(ridge(x, x @ slope, np.ones(200), 200.0), slope / 2, atol=0.15)


def test_logistic_recovers_the_chance() -> None:
    rng = np.random.Generator(np.random.Philox(2))
    x = rng.normal(size=(20_000, 2))
    p = 1.0 / (1.0 + np.exp(-(0.5 + x[:, 0] - 0.5 * x[:, 1])))
    assert np.abs(logistic(x, rng.random(20_000) < p) - p).mean() < 0.01


def test_orthogonal_regression_is_unbiased_under_confounding() -> None:
    """The contacted are better customers; the naive difference is more than twice the effect."""
    rng = np.random.Generator(np.random.Philox(3))
    x = rng.normal(size=(20_000, 3)).astype(np.float32)
    contacted = rng.random(20_000) < 1.0 / (1.0 + np.exp(-x[:, 0]))
    y = 2.0 * x[:, 0] + 1.0 * contacted + rng.normal(size=20_000)
    naive = y[contacted].mean() - y[~contacted].mean()
    left, moved = orthogonal(x, contacted.astype(np.float64), y)
    assert naive > 2.0
    assert (left @ moved) / (moved @ moved) == pytest.approx(1.0, abs=0.06)
