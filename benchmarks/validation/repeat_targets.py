"""The same message again and again: clicks wear out from the second exposure, attitude rises first and falls later (D3, D5).

Both sources count exposures, that is messages which were before the eyes of the person. The experiments say so to the world:
a message on the platform is noticed as surely as the model knows (`p_notice` 0.95).
"""

from collections.abc import Iterable
from typing import Final

import numpy as np

from cardarena.benchmarks.validation.designs import MINUTE, chosen_offer, lots
from cardarena.benchmarks.validation.estimates import Parts, of_mean, ratio_of_ratios
from cardarena.benchmarks.validation.expected import expect
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.measures import Measured, measures
from cardarena.benchmarks.validation.trial import UNCAPPED, Trial, only, variant
from cardarena.simulator.names import CHANNELS

PLATFORM: Final = CHANNELS.index("third_party")
_LOOKED_AT: Final = {**UNCAPPED, "channels.third_party.p_notice": 0.95, "channels.third_party.p_fail": 0.0}
#: On the platform one more impression of ours stands in for somebody else's: it adds no load and no annoyance, so that what wears
#: out is the creative.
_AMONG_MANY: Final = {
    **_LOOKED_AT,
    "channels.third_party.load": 0.0,
    "channels.third_party.intrusiveness": 0.0,
    "channels.third_party.p_opt_out": 0.0,
}
#: Exposures of the wear experiment: one a day.
WEAR_EXPOSURES: Final = 10
#: Days between two exposures of the attitude experiment ("spaced"), and how many there are.
SPACING_DAYS: Final = 1
ATTITUDE_EXPOSURES: Final = 30


def _audience(trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    """Return who may be shown something on the platform, and one offer by lot for each, both of shape (people,).

    Everybody else rests from now on.
    """
    offers = np.arange(trial.world.rules.offers.size)
    is_open = trial.open_arms(offers, [PLATFORM])[:, :, 0]
    (lot,) = lots(31, trial.n, 1)
    offer = chosen_offer(is_open, lot)
    people = np.flatnonzero(offer >= 0)
    only(trial.world, people)
    return people, offer[people]


def _still(trial: Trial, people: np.ndarray, offers: np.ndarray) -> np.ndarray:
    """Return which of the people may still be shown their offer today, shape (people,)."""
    is_open = trial.open_arms(np.unique(offers), [PLATFORM], rows=people)[:, :, 0]
    return is_open[np.arange(people.size), np.searchsorted(np.unique(offers), offers)]


def wear(lab: Lab, seed: int) -> list[Parts]:
    """Return expected clicks and 1 for each person at exposure 1, 2, ... of the same creative, one exposure a day.

    The same people at every exposure: those who saw it so often that the last exposure of interest is theirs.
    """
    return lab.once(("wear", seed), lambda: _wear(lab, seed))


def _wear(lab: Lab, seed: int) -> list[Parts]:
    trial = Trial(variant(lab, seed, _AMONG_MANY))
    people, offers = _audience(trial)
    place = np.full(trial.n, -1)
    place[people] = np.arange(people.size)
    seen = np.zeros(people.size, dtype=np.int64)
    clicks, counts = np.zeros((2, people.size, WEAR_EXPOSURES + 3))
    for _ in range(WEAR_EXPOSURES + 2):
        now = np.flatnonzero(_still(trial, people, offers))
        hopes = expect(trial.world, people[now], offers[now], PLATFORM, 0, MINUTE[PLATFORM], window=0)
        clicks[now, seen[now]] += hopes["click"]
        counts[now, seen[now]] += 1.0
        trial.send(people[now], offers[now], PLATFORM)
        contacts = trial.play()["contacts"]
        saw = contacts["cardholder"][(contacts["status"] == 0) & (contacts["noticed"] == 1)]
        seen[place[saw]] += 1
    same = (counts[:, :WEAR_EXPOSURES] > 0).all(axis=1)
    ones = np.ones(int(same.sum()))
    return [(clicks[same, j] / counts[same, j], ones) for j in range(WEAR_EXPOSURES)]


def wear_curve(lab: Lab) -> tuple[np.ndarray, np.ndarray]:
    """Return clicks at exposure 1 to 10 over those at the first, and their standard errors, each of shape (10,)."""
    runs = [wear(lab, seed) for seed in lab.seeds]
    pairs = [ratio_of_ratios([r[j] for r in runs], [r[0] for r in runs]) for j in range(WEAR_EXPOSURES)]
    values, errors = np.array(pairs).T
    return values, errors


@measures("D3")
def wear_out(lab: Lab) -> Iterable[Measured]:
    """D3: clicks of those who see the same creative for the 2nd, 4th, 8th time over those of the first time; one a day."""
    values, errors = wear_curve(lab)
    for number in (2, 4, 8):
        yield Measured(f"exposure_{number}", values[number - 1], errors[number - 1])


def attitude(lab: Lab, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mean awareness of the category and mean annoyance after 0, 1, ... 30 spaced exposures, each of shape (31,)."""
    return lab.once(("attitude", seed), lambda: _attitude(lab, seed))


def _attitude(lab: Lab, seed: int) -> tuple[np.ndarray, np.ndarray]:
    trial = Trial(variant(lab, seed, _LOOKED_AT))
    people, offers = _audience(trial)
    category = trial.world.rules.offers["category"][offers]
    awareness, annoyance = np.zeros((2, ATTITUDE_EXPOSURES + 1))

    def note(number: int) -> None:
        state = trial.world.state.people[people]
        awareness[number] = state["awareness"][np.arange(people.size), category].mean()
        annoyance[number] = state["annoyance"].mean()

    note(0)
    for number in range(1, ATTITUDE_EXPOSURES + 1):
        now = _still(trial, people, offers)
        trial.send(people[now], offers[now], PLATFORM)
        trial.play(1)
        note(number)
        if number < ATTITUDE_EXPOSURES:
            trial.play(SPACING_DAYS - 1)  # no days at a spacing of one
    return awareness, annoyance


def attitude_curve(lab: Lab) -> np.ndarray:
    """Return attitude after 0 to 30 exposures, one row a seed, shape (seeds, 31): awareness less annoyance, in stock units."""
    return np.array([np.subtract(*attitude(lab, seed)) for seed in lab.seeds])


def peak_of(curve: np.ndarray, x: np.ndarray | None = None) -> float:
    """Return where a curve is highest: the greatest of its points, moved to the summit of the parabola around it.

    Args:
        curve: shape (points,).
        x: shape (points,), where the points lie; 0, 1, ... by default.

    Example:
        >>> round(peak_of(np.array([0.0, 3.0, 4.0, 3.0, 0.0])), 2)
        2.0
    """
    x = np.arange(curve.size, dtype=np.float64) if x is None else np.asarray(x, dtype=np.float64)
    at = int(np.argmax(curve))
    if at in (0, curve.size - 1):
        return float(x[at])
    a, b, _ = np.polyfit(x[at - 1 : at + 2], curve[at - 1 : at + 2], 2)
    return float(-b / (2.0 * a)) if a < 0.0 else float(x[at])


@measures("D5")
def inverted_u(lab: Lab) -> Iterable[Measured]:
    """D5: after how many exposures, one a day, attitude is highest, and how much of it is left after twice as many.

    Attitude is awareness of the category less annoyance, both in the units of their stocks: awareness runs from 0 to 1, and
    annoyance of 1 cancels the whole of it. Spaced is meant against massed: days apart, not within one sitting.
    """
    curves = attitude_curve(lab)
    value, error = of_mean(peak_of, curves)
    yield Measured("peak", value, error, f"{SPACING_DAYS} day(s) between exposures")
    seen = min(2.0 * value, float(ATTITUDE_EXPOSURES))
    value, error = of_mean(_left_at_twice_the_peak, curves)
    yield Measured("fall", value, error, f"after {seen:.0f} exposures")


def _left_at_twice_the_peak(curve: np.ndarray) -> float:
    peak, exposures = peak_of(curve), np.arange(curve.size)
    return float(np.interp(2.0 * peak, exposures, curve) / np.interp(peak, exposures, curve))
