"""Targets of who the cardholders are: A1-A5, A7-A13, C3."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from cardarena.benchmarks.validation import sampling
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.measures import Measured, measures
from cardarena.benchmarks.validation.observed import observed_year
from cardarena.benchmarks.validation.sampling import over_worlds
from cardarena.simulator import names

#: Traits cost next to nothing, so their shares are counted on more people than are simulated: whole blocks of 1,024.
PEOPLE: Final = 131_072
#: Where "very satisfied" begins; the population is fitted with the same cut.
VERY_SATISFIED: Final = 0.75
PERCENT: Final = 100.0
_CUT_NOTE: Final = f"{PEOPLE:,} generated people"


def _levels(codes: np.ndarray, words: Sequence[str]) -> Iterator[Measured]:
    """Yield the share of each level of a trait, in per cent."""
    for code, word in enumerate(words):
        yield Measured.of(word, sampling.share(codes == code, scale=PERCENT), _CUT_NOTE)


@measures("A1")
def age(lab: Lab) -> Iterator[Measured]:
    """Measure the shares of the age bands."""
    return _levels(lab.traits(PEOPLE)["age_band"], names.AGE_BANDS)


@measures("A2")
def men(lab: Lab) -> Iterator[Measured]:
    """Measure the share of men."""
    is_man = lab.traits(PEOPLE)["gender"] == names.GENDERS.index("male")
    yield Measured.of("", sampling.share(is_man, scale=PERCENT), _CUT_NOTE)


@measures("A3")
def city_tier(lab: Lab) -> Iterator[Measured]:
    """Measure the shares of the city tiers."""
    return _levels(lab.traits(PEOPLE)["city_tier"], names.CITY_TIERS)


@measures("A4")
def cards_held(lab: Lab) -> Iterator[Measured]:
    """Measure how many hold one, two or three, and more cards."""
    cards = lab.traits(PEOPLE)["cards_held"]
    return _levels(np.digitize(cards, (2, 4)), ("1", "2-3", "4+"))


@measures("A5")
def income(lab: Lab) -> Iterator[Measured]:
    """Measure the shares of the bands of household income."""
    return _levels(lab.traits(PEOPLE)["income_band"], names.INCOME_BANDS)


@measures("A7")
def segments(lab: Lab) -> Iterator[Measured]:
    """Measure the shares of the privacy segments."""
    return _levels(lab.traits(PEOPLE)["segment"], names.SEGMENTS)


@measures("A8")
def tracking(lab: Lab) -> Iterator[Measured]:
    """Measure the shares of who blocks tracking."""
    return _levels(lab.traits(PEOPLE)["blocks_tracking"], names.TRACKING)


@measures("A9")
def refusals(lab: Lab) -> Iterator[Measured]:
    """Measure who refuses secondary use, and who shares no preferences."""
    people = lab.traits(PEOPLE)
    for trait in ("refuses_secondary_use", "shares_no_preferences"):
        yield Measured.of(trait, sampling.share(people[trait] == 1, scale=PERCENT), _CUT_NOTE)


@measures("A10")
def strict(lab: Lab) -> Iterator[Measured]:
    """Measure who is strict on all three privacy questions."""
    people = lab.traits(PEOPLE)
    is_strict = (
        (people["blocks_tracking"] == names.TRACKING.index("actively_blocks"))
        & (people["refuses_secondary_use"] == 1)
        & (people["shares_no_preferences"] == 1)
    )
    yield Measured.of("", sampling.share(is_strict, scale=PERCENT), _CUT_NOTE)


@measures("A12")
def contexts(lab: Lab) -> Iterator[Measured]:
    """Measure who uses the card in each spending context."""
    used = lab.traits(PEOPLE)["contexts"]
    for bit, name in enumerate(names.SPEND_CONTEXTS):
        yield Measured.of(name, sampling.share(used >> bit & 1 == 1, scale=PERCENT), _CUT_NOTE)


@measures("A11")
def satisfaction(lab: Lab) -> Iterator[Measured]:
    """Measure who is very satisfied after a year of the status quo.

    The world has one satisfaction; the survey asks about content and about touchpoints. The same share stands against
    both bands.
    """
    parts = []
    for seed in lab.seeds:
        year = observed_year(lab, seed)
        mood = year.world.state.people["satisfaction"][year.is_open]
        parts.append(sampling.share(mood > VERY_SATISFIED, scale=PERCENT))
    estimate = over_worlds(parts)
    note = f"satisfaction above {VERY_SATISFIED} after a year of status_quo; one satisfaction stands for both questions"
    for component in ("content", "touchpoints"):
        yield Measured.of(component, estimate, note)


@measures("A13")
def segment_order(lab: Lab) -> Iterator[Measured]:
    """Measure how clearly the three segments that the survey names lead: the smallest lead over any other."""
    years = [observed_year(lab, seed) for seed in lab.seeds]
    people = lab.traits(PEOPLE)
    moods = [year.world.state.people["satisfaction"][year.is_open] for year in years]
    note = "after a year of status_quo"
    segment = np.concatenate([year.segment[year.is_open] for year in years])
    yield _lead("satisfaction_lowest_in_S2", np.concatenate(moods), segment, "S2", -1.0, note)
    yield _lead("income_highest_in_S6", people["income_fen"], people["segment"], "S6", 1.0, _CUT_NOTE)
    spend = np.concatenate([year.monthly_all_cny for year in years])
    note = "simulated spend over all cards"
    segment = np.concatenate([year.segment for year in years])
    yield _lead("spend_lowest_in_S5", spend, segment, "S5", -1.0, note)


def _lead(component: str, values: Any, segment: np.ndarray, first: str, sign: float, note: str) -> Measured:
    """Return the smallest lead of a segment's mean over another's, as a share of the mean of all.

    Args:
        component: name of the result.
        values: shape (people,).
        segment: shape (people,), codes of names.SEGMENTS.
        first: the segment that ought to lead.
        sign: 1 if the highest mean leads, -1 if the lowest does.
        note: how the values were made.
    """
    values = np.asarray(values, dtype=np.float64)
    keep = np.isfinite(values)
    values, segment = values[keep], segment[keep]
    means = {name: sampling.mean(values[segment == code]) for code, name in enumerate(names.SEGMENTS)}
    rivals = [name for name in names.SEGMENTS if name != first]
    nearest = min(rivals, key=lambda name: sign * (means[first].value - means[name].value))
    scale = float(values.mean())
    lead = sign * (means[first].value - means[nearest].value) / scale
    error = float(np.hypot(means[first].error, means[nearest].error)) / scale
    return Measured(component, lead, error, f"{note}; nearest is {nearest}")


@measures("C3")
def push_reach(lab: Lab) -> Iterator[Measured]:
    """Measure how many app users can be reached by push, after the burn-in."""
    permitted, consented = [], []
    for seed in lab.seeds:
        world = lab.world(seed)
        accounts = world.state.accounts[
            (world.traits["has_app"] == 1) & (world.state.accounts["is_open"] == 1)
        ]
        allows = accounts["permitted"][:, names.CHANNELS.index("app_push")] == 1
        permitted.append(sampling.share(allows, scale=PERCENT))
        consented.append(sampling.share(allows & (accounts["marketing_consent"] == 1), scale=PERCENT))
    with_consent = over_worlds(consented)
    note = (
        f"push allowed on the phone, as push services count; with marketing consent {with_consent.value:.1f}"
    )
    yield Measured.of("", over_worlds(permitted), note)
