"""What it is worth to choose the offer by data: a recommender against an untargeted choice (C2)."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cardarena.agents.learned import Propensity
from cardarena.benchmarks.validation.designs import MINUTE, lots, mixed_channel
from cardarena.benchmarks.validation.estimates import ratio
from cardarena.benchmarks.validation.expected import ATTRIBUTION_DAYS, expect
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.measures import Measured, measures
from cardarena.benchmarks.validation.response_targets import BANK_MIX
from cardarena.benchmarks.validation.trial import UNCAPPED, Trial, variant


@dataclass(frozen=True)
class Choice:
    """Expected last-click sales of one message to each person; arrays of shape (people,).

    Attributes:
        lot: the offer by lot among those that suit the person.
        learned: the offer that the model of the `propensity` policy ranks first.
        dealt: the learned offers once more, each as often as before, dealt to the people by lot.
        oracle: the best offer, the latent state known.
        oracle_dealt: the oracle's offers, dealt to the people by lot.
    """

    lot: np.ndarray
    learned: np.ndarray
    dealt: np.ndarray
    oracle: np.ndarray
    oracle_dealt: np.ndarray


def choice(lab: Lab, seed: int) -> Choice:
    """Return what each way to choose the offer is expected to sell on day 0, in a batch as banks send it."""
    return lab.once(("choice", seed), lambda: _choice(lab, seed))


def _choice(lab: Lab, seed: int) -> Choice:
    trial = Trial(variant(lab, seed, UNCAPPED))
    offers = np.arange(trial.world.rules.offers.size)
    channel, is_open = mixed_channel(dict(BANK_MIX), trial.open_arms, offers, lots(3, trial.n, 1)[0])
    people = np.flatnonzero(is_open.any(axis=1))
    row, offer = np.nonzero(is_open[people])
    by = channel[people][row]
    hopes = expect(trial.world, people[row], offer, by, 0, MINUTE[by])
    sales = np.zeros((people.size, offers.size))
    sales[row, offer] = hopes["notice"] * hopes["click"] * hopes["sale"]
    suits = is_open[people]
    ranked = np.where(suits, recommender(trial).chances(trial.view())[people], -1.0).argmax(axis=1)
    best = np.where(suits, sales, -1.0).argmax(axis=1)
    each = np.arange(people.size)
    return Choice(
        lot=sales.sum(axis=1) / suits.sum(axis=1),
        learned=sales[each, ranked],
        dealt=_dealt(sales, suits, ranked),
        oracle=sales[each, best],
        oracle_dealt=_dealt(sales, suits, best),
    )


def _dealt(sales: np.ndarray, suits: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return each person's expected sales if the chosen offers were dealt by lot among those whom they suit, shape (people,)."""
    weight = np.bincount(chosen, minlength=sales.shape[1]) / np.maximum(suits.sum(axis=0), 1) * suits
    return (sales * weight).sum(axis=1) / weight.sum(axis=1)


def recommender(trial: Trial) -> Propensity:
    """Return the `propensity` policy, fitted to the logged history of this world's burn-in."""
    policy = Propensity()
    trial.world.fork().play(policy, 1)
    return policy


@measures("C2")
def recommender_over_lot(lab: Lab) -> Iterable[Measured]:
    """C2: last-click sales of the recommender over those of the same offers dealt by lot; same people, channel and volume.

    The recommender is the model of P(purchase | contact) of the policy `propensity`, fitted to the logged history; it chooses
    among the offers that suit the person, not whom to contact. Against an offer by lot it would also be credited with
    leaving out what hardly anybody buys, which no batch of a bank sends either; the note has that ratio, and an oracle's.
    """
    runs = [choice(lab, seed) for seed in lab.seeds]
    value, error = ratio([(run.learned, run.dealt) for run in runs])
    oracle, _ = ratio([(run.oracle, run.oracle_dealt) for run in runs])
    lot, _ = ratio([(run.learned, run.lot) for run in runs])
    note = f"the latent state known: {oracle:.2f}; over any offer by lot: {lot:.2f}; last click, {ATTRIBUTION_DAYS} days"
    yield Measured("", value, error, note)
