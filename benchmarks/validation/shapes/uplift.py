"""The four types of uplift: who would have bought anyway, only because contacted, never; and who is driven away."""

from typing import Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from cardarena.agents.registry import make_policy
from cardarena.benchmarks.gathering import gathered
from cardarena.benchmarks.validation.drawing import GREY, draw, legend
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.shapes.campaign import SMS, Campaign
from cardarena.benchmarks.validation.shapes.shape import Shape, finding
from cardarena.benchmarks.validation.shapes.worlds import played, uncapped
from cardarena.simulator.contracts import Policy
from cardarena.simulator.names import RESPONSES, Kind
from cardarena.simulator.world import World

PEOPLE: Final = 240
#: Lives of each person: half of them tell the types apart, the other half say what the types are like.
LIVES: Final = 48
CONTACT_DAYS: Final = 42
EVERY: Final = 3
AFTER_DAYS: Final = 42
#: A merchant-funded dining offer: the bank earns when it is taken.
_OFFER: Final = 3
_SMS_PERMISSION_YEARS: Final = 1.0
_PURCHASED: Final = RESPONSES.index("purchased")
_CNY: Final = 1e-5


class Lives(NamedTuple):
    """What became of each life in one arm, shape (people, lives).

    Attributes:
        bought: whether something was bought on our card in the offer's category.
        value_cny: margin, less expected complaints and the worth of permissions expected to be lost; message costs left out.
    """

    bought: np.ndarray
    value_cny: np.ndarray


def _lived(world: World, policy: Policy, n_people: int) -> Lives:
    kinds = (Kind.CONTACT, Kind.RESPONSE, Kind.TRANSACTION)
    _, log = played(world, [(policy, CONTACT_DAYS), (make_policy("silent"), AFTER_DAYS)], kinds)
    responses, contacts, card = (log.table(name) for name in ("responses", "contacts", "transactions"))
    buys = responses["action"] >= _PURCHASED
    own = buys & (responses["category"] == world.rules.offers["category"][_OFFER])
    value = _summed(responses, "value_mfen", world.n) + _summed(card, "value_mfen", world.n)
    complaint = world.rules.money["complaint_mfen"][0, 0]
    permission = world.rules.parameter["permission_value_cny"][0, SMS] * _SMS_PERMISSION_YEARS / _CNY
    for column, price in (("p_complaint_ppb", complaint), ("p_opt_out_ppb", permission)):
        value -= _summed(contacts, column, world.n) * 1e-9 * price
    bought = np.bincount(responses["cardholder"][own], minlength=world.n) > 0
    shape = (n_people, -1)
    return Lives(bought.reshape(shape).astype(float), (value * _CNY).reshape(shape))


def _summed(table: dict[str, np.ndarray], column: str, n: int) -> np.ndarray:
    return np.bincount(table["cardholder"], table[column].astype(np.float64), minlength=n)


class Types(NamedTuple):
    """Per person of one seed, from the lives that did not choose the types: shape (people,)."""

    anyway: np.ndarray
    gained: np.ndarray
    value_cny: np.ndarray
    held_out: tuple[float, float, float, float]


def _types(world: World) -> Types:
    """Let the reachable live many lives with and without a campaign; return expectations, and the held-out types."""
    accounts = world.state.accounts
    reached = (accounts["permitted"][:, SMS] == 1) & (accounts["marketing_consent"] == 1)
    reached &= (accounts["sensitive_consent"] == 1) & (accounts["is_open"] == 1)
    chosen = np.flatnonzero(reached)[:PEOPLE]
    lives = gathered(world, np.repeat(chosen, LIVES))
    silent = _lived(lives, make_policy("silent"), chosen.size)
    sent = range(lives.day, lives.day + CONTACT_DAYS, EVERY)
    asked = _lived(lives, Campaign(_OFFER, SMS, sent), chosen.size)
    gain, value = asked.bought - silent.bought, asked.value_cny - silent.value_cny
    half = LIVES // 2
    tenth = max(1, chosen.size // 10)

    def extreme(scores: np.ndarray, held: np.ndarray) -> float:
        return float(held[np.argsort(-scores[:, :half].mean(axis=1), kind="stable")[:tenth], half:].mean())

    held_out = (
        extreme(silent.bought, silent.bought),
        extreme(gain, gain),
        extreme(-asked.bought, asked.bought),
        extreme(-value, -value),
    )
    return Types(silent.bought.mean(axis=1), gain.mean(axis=1), value.mean(axis=1), held_out)


def four_types(lab: Lab) -> Shape:
    """Sure things, persuadables, lost causes and sleeping dogs all exist.

    Design: reachable people live 48 lives each, with luck of their own, once with a text message every third day for six weeks
    and once without; six weeks follow. Estimator: on half of the lives, each person's chance of a purchase and value; of the
    tenth of people that is most of a type by these, the mean over the other half of the lives, so that luck makes no type.
    """
    seen = [_types(uncapped(lab, seed, 8 * PEOPLE)) for seed in lab.seeds]
    sure, persuaded, lost, harmed = np.array([types.held_out for types in seen]).T
    anyway = np.concatenate([types.anyway for types in seen]) * 100.0
    gained = np.concatenate([types.gained for types in seen]) * 100.0
    value = np.concatenate([types.value_cny for types in seen])

    def plot(axes: Axes) -> None:
        axes.axhline(0.0, color=GREY, linewidth=1.0)
        dogs = value < 0.0
        axes.scatter(
            anyway[~dogs], gained[~dogs], s=14, color="#2a9d8f", alpha=0.6, linewidths=0, label="gains value"
        )
        axes.scatter(
            anyway[dogs], gained[dogs], s=14, color="#c8102e", alpha=0.6, linewidths=0, label="loses value"
        )
        axes.set_xlabel("buys if left alone, % of lives")
        axes.set_ylabel("buys more if contacted, points")
        legend(axes)

    return Shape(
        (
            finding(
                "sure_things",
                "chance of a purchase without any contact, of the tenth with the highest",
                sure,
                low=0.4,
                unit="probability",
            ),
            finding(
                "persuadables",
                "rise of that chance by the campaign, of the tenth with the greatest rise",
                persuaded,
                low=0.05,
                unit="probability",
            ),
            finding(
                "lost_causes",
                "chance of a purchase in spite of the campaign, of the tenth with the lowest",
                lost,
                high=0.15,
                unit="probability",
            ),
            finding(
                "sleeping_dogs",
                "value that the campaign destroys, message costs left out, of the tenth that loses most",
                harmed,
                low=0.56,
                unit="CNY/head",
                note="More than the 14 messages cost. Complaints and permissions by their logged expectations.",
            ),
        ),
        draw(
            "shape_four_types",
            "Some would have bought anyway, some only because contacted, some never; some are driven away",
            "Each point is a person who lived 48 lives with and 48 without a campaign of 14 text messages; red: the "
            "campaign destroys value with this person.",
            plot,
        ),
    )
