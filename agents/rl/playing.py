"""Which policy plays a trained agent's folder: one of cardholders' journeys, or one of a campaign."""

from pathlib import Path
from typing import Any

from cardarena.agents.base import PRIVILEGED
from cardarena.agents.rl.campaign import DIAL as CAMPAIGN_DIAL
from cardarena.agents.rl.campaign import TrainedCampaign
from cardarena.agents.rl.card import AgentCard
from cardarena.agents.rl.policy import DIAL, TrainedPolicy


def _is_campaign(card: AgentCard) -> bool:
    return card.actions.form == "campaign"


def trained_policy(
    card: AgentCard, folder: Path, dial: float | None = None
) -> TrainedPolicy | TrainedCampaign:
    """Return the policy that plays the folder of this card.

    Raises:
        PolicyError: it is not a trained agent, or the dial is out of range.
    """
    if _is_campaign(card):
        return TrainedCampaign(folder, dial)
    return TrainedPolicy(folder, dial)


def trained_card(card: AgentCard) -> dict[str, Any]:
    """Return what the registry's table says of a trained agent."""
    dial = CAMPAIGN_DIAL if _is_campaign(card) else DIAL
    return {
        "name": card.name,
        "league": PRIVILEGED if card.is_privileged else TrainedPolicy.league,
        "title": card.title,
        "description": card.summary,
        "dial": dial.name,
        "dial_values": dial.values,
        "dial_default": dial.default,
        "every_days": TrainedCampaign.every_days if _is_campaign(card) else card.training.decision_every,
    }
