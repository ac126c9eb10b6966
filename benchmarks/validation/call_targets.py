"""Calls: how many are answered, how many sell, and how the sale hazard falls from contact to contact (C10, C11, D1).

The campaign is laid out as the UCI Bank Marketing data are: one easy product, a client is called again until the sale, a
refusal, or the end of the attempts, and only answered calls count as contacts ("unanswered dials are not recorded").
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from cardarena.benchmarks.validation.designs import MINUTE
from cardarena.benchmarks.validation.estimates import Parts, ratio, ratio_of_ratios
from cardarena.benchmarks.validation.expected import expect
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.measures import Measured, measures
from cardarena.benchmarks.validation.response_targets import PER_CENT, untargeted
from cardarena.benchmarks.validation.trial import UNCAPPED, Trial, only, variant
from cardarena.simulator.names import CHANNELS

CALL: Final = CHANNELS.index("human_call")
#: The easy product: 53 % of cardholders would consider a theme card (survey), and it costs them nothing.
PRODUCT: Final = "theme_card"
#: Share of the clients without a sale who are called once more after contact 1, 2, ..., in UCI Bank Marketing: from those at risk
#: (45,211, 27,667, 15,162, 9,641, 6,119, 4,355, 3,064, 2,329, 1,789, 1,462) and the published hazards.
CALLED_AGAIN: Final = (0.649, 0.577, 0.663, 0.656, 0.728, 0.719, 0.772, 0.779, 0.827)
MOST_CONTACTS: Final = len(CALLED_AGAIN) + 1
#: Days between two dials of a client; assumed, the data do not have the days.
DIAL_DAYS: Final = 3
CAMPAIGN_DAYS: Final = 90


@dataclass(frozen=True)
class Campaign:
    """One campaign in one world, by client and number of the contact (answered call), each of shape (n, contacts).

    Attributes:
        contacts: expected answered calls, given that the client was dialled for this contact.
        sales: expected sales of these.
    """

    contacts: np.ndarray
    sales: np.ndarray

    @property
    def whole(self) -> Parts:
        """Return sales and contacts of each client over the campaign, with the source's number of clients called again."""
        kept = np.cumprod([1.0, *CALLED_AGAIN])
        return self.sales @ kept, self.contacts @ kept

    def at(self, number: int) -> Parts:
        """Return sales and contacts of contact `number`, counted from 1."""
        return self.sales[:, number - 1], self.contacts[:, number - 1]


def campaign(lab: Lab, seed: int, dial_days: int = DIAL_DAYS, product: str = PRODUCT) -> Campaign:
    """Run the campaign: dial every so many days; who answers hears the offer, buys, refuses the channel, or is called again.

    At each dial what is expected of it, given the latent state, is added up for the contact that an answer would be: so the
    hazard of a contact is over everybody dialled for it, and not over those few who happened to answer. Nobody is dropped
    without a reason: those whom the source's bank stopped to call are taken out by weight (`whole`), which comes to
    the same and costs no precision.

    Args:
        lab: the laboratory.
        seed: world seed.
        dial_days: days between two dials of a client.
        product: name of the offer.
    """
    key = ("campaign", seed, dial_days, product)
    return lab.once(key, lambda: _campaign(lab, seed, dial_days, product))


def _campaign(lab: Lab, seed: int, dial_days: int, product: str) -> Campaign:
    trial = Trial(variant(lab, seed, UNCAPPED))
    n, world = trial.n, trial.world
    offer = world.catalogue.code(product)
    category = world.rules.offers["category"][offer]
    only(world, np.flatnonzero(trial.open_arms([offer], [CALL])[:, 0, 0]))
    answered = np.zeros(n, dtype=np.int64)
    is_client = np.ones(n, dtype=np.bool_)
    contacts, sales = np.zeros((2, n, MOST_CONTACTS))
    for _ in range(0, CAMPAIGN_DAYS, dial_days):
        who = np.flatnonzero(is_client & trial.open_arms([offer], [CALL])[:, 0, 0])
        hopes = expect(world, who, offer, CALL, 0, MINUTE[CALL])
        contacts[who, answered[who]] += hopes["notice"]
        sales[who, answered[who]] += hopes["notice"] * hopes["click"] * hopes["sale"]
        trial.send(who, offer, CALL)
        tables = trial.play(dial_days)
        responses, calls = tables["responses"], tables["contacts"]
        bought = (responses["action"] >= 2) & (responses["category"] == category)
        answered[calls["cardholder"][(calls["status"] == 0) & (calls["noticed"] == 1)]] += 1
        is_client &= answered < MOST_CONTACTS
        is_client[responses["cardholder"][bought]] = False
    return Campaign(contacts, sales)


def hazard_curve(lab: Lab) -> tuple[np.ndarray, np.ndarray]:
    """Return the sale hazard at contact 1 to 10 and its standard errors, shares of answered calls, each of shape (10,)."""
    runs = [campaign(lab, seed) for seed in lab.seeds]
    pairs = [ratio([run.at(number) for run in runs]) for number in range(1, MOST_CONTACTS + 1)]
    values, errors = np.array(pairs).T
    return values, errors


@measures("D1")
def hazard_ratio(lab: Lab) -> Iterable[Measured]:
    """D1: sale hazard at contact 5 over that at contact 1, among those still called.

    Selection (who buys early leaves) and fatigue together, as in the source.
    """
    runs = [campaign(lab, seed) for seed in lab.seeds]
    value, error = ratio_of_ratios([run.at(5) for run in runs], [run.at(1) for run in runs])
    curve = ", ".join(f"{PER_CENT * x:.2f}" for x in hazard_curve(lab)[0])
    yield Measured("", value, error, f"hazards at contact 1 to {MOST_CONTACTS}, %: {curve}")


@measures("C10")
def connect_rate(lab: Lab) -> Iterable[Measured]:
    """C10: answered calls per dial of a first batch, wrong numbers among the dials.

    Calls by people and by machines in equal parts; the vendors' data do not tell them apart.
    """
    parts, notes = [], []
    for name in ("human_call", "ai_call"):
        batches = [untargeted(lab, seed, ((name, 1.0),)) for seed in lab.seeds]
        own = [(batch.notice * batch.reached, np.ones(batch.holders.size)) for batch in batches]
        parts += own
        notes.append(f"{name} {PER_CENT * ratio(own)[0]:.1f} %")
    value, error = ratio(parts)
    yield Measured("", PER_CENT * value, PER_CENT * error, ", ".join(notes))


@measures("C11")
def call_sales(lab: Lab) -> Iterable[Measured]:
    """C11: sales per answered call and per client reached, of the campaign of D1.

    A sale is a purchase of the product on our card within the attribution window after a yes on the phone.
    """
    runs = [campaign(lab, seed) for seed in lab.seeds]
    value, error = ratio([run.whole for run in runs])
    yield Measured("per_call", PER_CENT * value, PER_CENT * error, f"product: {PRODUCT}")
    # A client is in the data from the first answered call on.
    value, error = ratio([(run.whole[0], run.contacts[:, 0]) for run in runs])
    number = ratio([(run.whole[1], run.contacts[:, 0]) for run in runs])[0]
    yield Measured("per_client", PER_CENT * value, PER_CENT * error, f"{number:.2f} contacts a client")
