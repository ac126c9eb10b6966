"""The generated cardholders against the survey and the Chinese card base, on seeds that nothing was fitted to."""

import numpy as np
import pytest

from cardarena.simulator import names
from cardarena.simulator.population.generate import traits
from cardarena.simulator.population.tables import FLAGS, SPEND_EDGES, rows_of_mode

pytestmark = pytest.mark.statistical

_N = 50_000
_POINT = (
    0.01  # what a simulator is held to that has the survey as its configuration; four standard errors at 50 %
)


@pytest.fixture(scope="module")
def survey():
    return traits(101, _N)


@pytest.fixture(scope="module")
def population():
    return traits(102, _N, "population")


def _shares(codes, n):
    return np.bincount(codes, minlength=n) / len(codes)


def _published(*per_cent):
    return np.array(per_cent) / sum(per_cent)


@pytest.mark.parametrize(
    ("trait", "published"),
    [
        ("age_band", _published(15, 53, 32)),
        ("gender", _published(40, 60)),
        ("city_tier", _published(54, 23, 20, 4)),
        ("income_band", _published(6, 15, 20, 24, 16, 16)),
        ("blocks_tracking", _published(14, 46, 40)),
        ("refuses_secondary_use", _published(75, 25)),
        ("shares_no_preferences", _published(61, 39)),
        ("segment", _published(17.667, 12, 17.667, 17.667, 20, 16)),
    ],
)
def test_survey_marginals(survey, trait, published):
    assert np.abs(_shares(survey[trait], len(published)) - published).max() < _POINT


def test_survey_cards_and_spend_bands(survey):
    cards = _shares(np.digitize(survey["cards_held"], [2, 4]), 3)
    assert np.abs(cards - _published(36, 43, 21)).max() < _POINT
    spend = _shares(np.digitize(survey["monthly_spend_fen"], 100 * np.array(SPEND_EDGES)), 6)
    assert np.abs(spend - _published(15, 21, 18, 18, 18, 9)).max() < _POINT
    assert 12_000 < np.median(survey["monthly_spend_fen"]) / 100 < 19_000
    assert survey["monthly_spend_fen"].mean() / 100 == pytest.approx(25_323, rel=0.04)


def test_survey_contexts_and_everybody_has_one(survey):
    for k, published in enumerate((0.77, 0.68, 0.45, 0.40, 0.31)):
        assert ((survey["contexts"] >> k) & 1).mean() == pytest.approx(published, abs=_POINT)
    assert (survey["contexts"] > 0).all()


def _strict_on_all_three(people):
    actively = people["blocks_tracking"] == names.TRACKING.index("actively_blocks")
    return actively & (people["refuses_secondary_use"] == 1) & (people["shares_no_preferences"] == 1)


def test_privacy_answers_hang_together(survey):
    assert _strict_on_all_three(survey).mean() == pytest.approx(0.12, abs=_POINT)
    # With the same marginals and no latent concern it would be 3.9 %: shuffling one answer must lose the joint share.
    shuffled = survey.copy()
    order = np.argsort(survey["activity_frailty"])  # independent of every attitude
    for name in ("refuses_secondary_use", "shares_no_preferences"):
        shuffled[name] = survey[name][order]
        order = np.roll(order, 1)
    assert _strict_on_all_three(shuffled).mean() < 0.06


def test_strict_people_are_a_tendency_of_the_second_segment_not_a_rule(survey):
    by_segment = [_strict_on_all_three(survey[survey["segment"] == s]).mean() for s in range(6)]
    assert np.argmax(by_segment) == names.SEGMENTS.index("S2")
    assert 0.3 < by_segment[1] < 0.7
    non_blocking = [(survey["blocks_tracking"][survey["segment"] == s] == 0).mean() for s in range(6)]
    assert np.argmax(non_blocking) == names.SEGMENTS.index("S5")


@pytest.mark.parametrize("mode", ["survey", "population"])
def test_segment_facts(mode):
    people = traits(103, _N, mode)

    def ranked(trait):
        return np.argsort([people[trait][people["segment"] == s].mean() for s in range(6)])

    assert ranked("satisfaction_home")[0] == names.SEGMENTS.index("S2")
    assert ranked("income_fen")[-1] == names.SEGMENTS.index("S6")
    assert ranked("monthly_spend_fen")[0] == names.SEGMENTS.index("S5")
    assert set(ranked("privacy_concern")[-2:]) == {0, 1}
    assert ranked("privacy_concern")[-3] == names.SEGMENTS.index("S6")
    assert ranked("privacy_concern")[0] == names.SEGMENTS.index("S5")
    assert set(ranked("personalisation_need")[:2]) == {1, 2}
    assert set(ranked("personalisation_need")[-2:]) == {4, 5}
    assert set(ranked("frequency_tolerance")[:2]) == {0, 1}
    assert ranked("deal_proneness")[-1] == names.SEGMENTS.index("S5")


def test_likings_have_the_means_of_the_survey_scores(survey):
    means = dict(zip(names.CHANNELS, survey["channel_liking"].mean(axis=0), strict=True))
    assert means["app_push"] > means["third_party"] > means["branch_atm"] > means["human_call"] > means["sms"]
    published = {"app_push": 1.4, "in_app": 1.4, "mini_program": 1.4, "third_party": 1.2}
    published |= {"branch_atm": 1.0, "human_call": 0.8, "sms": 0.6}
    for channel, mean in published.items():
        found = survey["channel_liking"][:, names.CHANNELS.index(channel)].mean()
        # A log-normal of log spread 0.4 has coefficient of variation 0.417.
        assert found == pytest.approx(mean, abs=4.5 * 0.417 * mean / np.sqrt(_N)), channel
    services = dict(zip(names.SERVICES, survey["service_liking"].mean(axis=0), strict=True))
    order = sorted(services, key=lambda name: -services[name])
    assert order == [
        "offer_push",
        "marketing_communication_style",
        "search_results_page_ranking",
        "product_recommendation",
        "financial_mgmt_spending_advice",
    ]


@pytest.mark.parametrize(
    ("trait", "shape"), [("response_frailty", 1.5), ("activity_frailty", 2.0), ("credit_vulnerability", 1.0)]
)
def test_frailties_are_gammas_of_mean_one(survey, trait, shape):
    from scipy.stats import gamma, kstest

    x = survey[trait]
    assert x.mean() == pytest.approx(1.0, abs=4.5 / np.sqrt(shape * _N))
    # The variance of a sample variance is sd^4 (kurtosis - 1) / n, and a gamma's kurtosis is 3 + 6 / shape.
    assert x.var() == pytest.approx(1.0 / shape, abs=4.5 / shape * np.sqrt((2.0 + 6.0 / shape) / _N))
    assert kstest(x, gamma(shape, scale=1.0 / shape).cdf).pvalue > 1e-4
    assert kstest(x, gamma(shape + 0.2, scale=1.0 / (shape + 0.2)).cdf).pvalue < 1e-4


def test_latent_scales(survey):
    assert survey["privacy_concern"].mean() == pytest.approx(0.0, abs=0.02)
    assert survey["privacy_concern"].std() == pytest.approx(1.0, abs=0.02)
    assert np.corrcoef(survey["privacy_concern"], survey["privacy_limit"])[0, 1] < -0.6
    assert np.median(survey["frequency_tolerance"]) == pytest.approx(6.0, abs=0.2)
    assert survey["satisfaction_home"].mean() == pytest.approx(0.62, abs=_POINT)
    assert (survey["satisfaction_home"] > 0.75).mean() == pytest.approx(0.205, abs=_POINT)
    for cards in range(2, 7):
        mean = survey["wallet_home"][survey["cards_held"] == cards].mean()
        assert mean == pytest.approx(1.0 / cards, abs=0.04)


@pytest.mark.parametrize("mode", ["survey", "population"])
def test_permissions_and_reachability(mode):
    people = traits(104, _N, mode)
    for row in rows_of_mode("flags.csv", mode):
        asked = people[people[row["given"]] == 1] if row["given"] else people
        assert asked[row["flag"]].mean() == pytest.approx(float(row["share"]), abs=_POINT), row["flag"]
    refusing = people["refuses_secondary_use"] == 1
    assert people["marketing_consent"][refusing].mean() < 0.15 < people["marketing_consent"][~refusing].mean()
    concerned = people["privacy_concern"] > 1.0
    for flag in set(FLAGS) - {"is_dormant"}:
        assert people[flag][concerned].mean() < people[flag][~concerned].mean(), flag


def test_population_mode_is_the_chinese_card_base(population):
    active = population[population["is_dormant"] == 0]
    spend = (active["monthly_spend_fen"] * active["wallet_home"]).mean() / 100
    assert spend == pytest.approx(4_000, rel=0.05)
    assert population["cards_held"].mean() == pytest.approx(2.1, abs=0.05)
    assert population["is_dormant"].mean() == pytest.approx(0.27, abs=_POINT)
    assert population["credit_limit_fen"].mean() / 100 == pytest.approx(31_000, rel=0.03)


def test_survey_people_are_richer_than_the_card_base(survey, population):
    for trait in ("income_fen", "monthly_spend_fen", "credit_limit_fen", "cards_held", "has_app"):
        assert survey[trait].mean() > population[trait].mean(), trait
