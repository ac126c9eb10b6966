"""The survey's orders: which channels and which services cardholders like, as their responses reveal it (B1, B2).

The survey asked for liking. Channels differ in the world by much more than liking: a call is answered and a push is swiped away,
however they are liked. So the same neutral message is put to the same people on the same footing, by channels (services) that
differ in nothing but how the person likes them, and what is compared is the response.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

import numpy as np

from cardarena.benchmarks.validation.estimates import Parts, ratio_of_ratios
from cardarena.benchmarks.validation.expected import expect
from cardarena.benchmarks.validation.lab import Lab
from cardarena.benchmarks.validation.measures import Measured, measures
from cardarena.simulator.names import CHANNELS, SERVICES
from cardarena.simulator.rules import Rules

#: The survey's channels and ours behind each of them.
CHANNEL_GROUPS: Final = {
    "app": ("app_push", "in_app", "mini_program"),
    "third_party": ("third_party",),
    "branch": ("branch_atm",),
    "voice": ("human_call", "ai_call"),
    "sms": ("sms",),
}
#: The survey's services, the best liked first, by the names of the targets' components.
SERVICE_ORDER: Final = {
    "offers": "offer_push",
    "style": "marketing_communication_style",
    "ranking": "search_results_page_ranking",
    "recommendation": "product_recommendation",
    "advice": "financial_mgmt_spending_advice",
}
_FOOTING: Final = CHANNELS.index("sms")


def _neutral(rules: Rules) -> np.ndarray:
    """Return one offer of average appeal without an incentive, shape (1,), dtype OFFER."""
    offer = rules.offers[:1].copy()
    offer["appeal"], offer["incentive_fen"] = 0.0, 0
    return offer


def channel_response(lab: Lab, seed: int) -> dict[str, np.ndarray]:
    """Return each person's response to the neutral message by the survey's channels on the footing of an SMS, shape (n,) each."""
    world = lab.world(seed)
    people = world.state.people
    # What people say they like; the world's own notice rates hold the mean of it already.
    people["liking"] = world.traits["channel_liking"]
    people["load"] = 0.0
    channels = np.repeat(world.rules.channels[_FOOTING : _FOOTING + 1], len(CHANNELS))
    channels["channel"] = np.arange(len(CHANNELS))
    rules = world.rules._replace(channels=channels, offers=_neutral(world.rules))
    everybody = np.arange(world.n)

    def response(name: str) -> np.ndarray:
        hopes = expect(world, everybody, 0, CHANNELS.index(name), window=0, rules=rules)
        return hopes["notice"] * hopes["click"]

    return {
        group: np.mean([response(name) for name in names], axis=0) for group, names in CHANNEL_GROUPS.items()
    }


def service_response(lab: Lab, seed: int) -> dict[str, np.ndarray]:
    """Return each person's response by SMS to the neutral message as each service, shape (n,) each."""
    world = lab.world(seed)
    offers = np.repeat(_neutral(world.rules), len(SERVICES))
    offers["service"] = np.arange(len(SERVICES))
    rules = world.rules._replace(offers=offers)
    everybody = np.arange(world.n)
    out = {}
    for name, service in SERVICE_ORDER.items():
        hopes = expect(world, everybody, SERVICES.index(service), _FOOTING, window=0, rules=rules)
        out[name] = hopes["notice"] * hopes["click"]
    return out


def _over(
    component: str, runs: list[dict[str, np.ndarray]], upper: str, lower: str, note: str = ""
) -> Measured:
    def parts(name: str) -> list[Parts]:
        return [(run[name], np.ones(run[name].size)) for run in runs]

    value, error = ratio_of_ratios(parts(upper), parts(lower))
    return Measured(component, value, error, note)


@measures("B1")
def channels_by_liking(lab: Lab) -> Iterable[Measured]:
    """B1: response to the same message by channel: app over third party over branch and voice, in either order, over SMS."""
    runs = [channel_response(lab, seed) for seed in lab.seeds]
    mean = {name: float(np.mean([run[name].mean() for run in runs])) for name in CHANNEL_GROUPS}
    better, worse = sorted(("branch", "voice"), key=lambda name: -mean[name])
    liking = lab.traits(lab.n_cardholders)["channel_liking"].mean(axis=0)
    stated = ", ".join(
        f"{group} {np.mean([liking[CHANNELS.index(name)] for name in names]):.2f}"
        for group, names in CHANNEL_GROUPS.items()
    )
    yield _over("app_over_third_party", runs, "app", "third_party", f"mean stated liking: {stated}")
    yield _over("third_party_over_branch_and_voice", runs, "third_party", better, f"over {better}")
    yield _over("branch_and_voice_over_sms", runs, worse, "sms", f"of {worse}")


@measures("B2")
def services_by_liking(lab: Lab) -> Iterable[Measured]:
    """B2: response to the same message as one service over that as the next less liked, by the same channel."""
    runs = [service_response(lab, seed) for seed in lab.seeds]
    liking = lab.traits(lab.n_cardholders)["service_liking"].mean(axis=0)
    names = list(SERVICE_ORDER)
    for upper, lower in pairwise(names):
        stated = [liking[SERVICES.index(SERVICE_ORDER[name])] for name in (upper, lower)]
        note = f"mean stated liking {stated[0]:.2f} against {stated[1]:.2f}"
        yield _over(f"{upper}_over_{lower}", runs, upper, lower, note)
