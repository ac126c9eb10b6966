"""The section on realism as a whole, small."""

import json

import numpy as np
import pytest

from cardarena.benchmarks.validation import realism
from cardarena.benchmarks.validation.findings import Section
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.realism.forecast import Forecasts
from cardarena.benchmarks.validation.realism.parts import purchases, transactions


@pytest.fixture(scope="module")
def lab() -> Lab:
    return Lab(n_cardholders=384, seeds=(9001,))


@pytest.fixture(scope="module")
def section(lab: Lab) -> Section:
    return realism.run(lab, lambda text: None)


def test_it_measures_everything_it_promises(section: Section):
    ids = [finding.id for finding in section.findings]
    assert len(ids) == len(set(ids))
    for name in ("transactions.nbd", "purchases.nbd", "gaps.own", "year", "wallet", "forecast.purchase.auc"):
        assert f"realism.{name}" in ids
    assert all(np.isfinite(finding.value) for finding in section.findings)
    assert all(finding.source or finding.hardness == "context" for finding in section.findings)
    assert {picture.name for picture in section.pictures} >= {"realism_counts", "realism_forecast"}
    text = json.dumps(section.to_json())
    assert json.dumps(Section.from_json(json.loads(text)).to_json()) == text


def test_a_base_without_differences_between_people_would_miss(lab: Lab):
    events = transactions(lab.year(9001))
    found = realism.counts.fit_counts(events.within(0, 91).counts())
    assert found.poisson_distance > 3 * found.distance
    shuffled = np.random.Generator(np.random.Philox(key=1)).integers(0, events.n, events.who.size)
    equal = realism.counts.fit_counts(np.bincount(shuffled, minlength=events.n))
    assert equal.poisson_distance < 2 * equal.distance


def test_events_are_those_of_people_alive_on_day_0(lab: Lab):
    log = lab.year(9001)
    for events in (transactions(log), purchases(log)):
        assert events.n == int(log.alive_at_start.sum())
        assert events.counts().sum() == events.who.size > 0
        assert events.within(0, 100).who.size + events.within(100, 365).who.size == events.who.size
    bought = log.table("responses")["action"] >= 2
    assert purchases(log).who.size == int(bought.sum())


def test_skill_is_one_for_the_truth_and_nought_for_the_base_rate():
    came = np.array([[True, False, False, True]])
    rate = np.full((1, 4), 0.5)
    run = Forecasts(rate, came.astype(float), rate, came, np.array([0.5]))
    assert run.skill(run.seen, run.climate) == 1.0
    assert run.skill(run.naive, run.climate) == 0.0
    assert (run.auc(run.seen)[0], run.auc(run.naive)[0]) == (1.0, 0.5)
