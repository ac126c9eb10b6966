"""A trained agent of the campaign as a policy of the arena: every period its network sets the campaign's plan."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cardarena.agents.base import Dial, one_thread
from cardarena.agents.rl.encoding import Encoder
from cardarena.agents.rl.folder import TrainedAgent, read_agent
from cardarena.simulator.contracts import Brief, Contacts, Feedback, Ints, View
from cardarena.simulator.envs.campaign_plan import CampaignCodec, CampaignPlan, CampaignSettings
from cardarena.simulator.envs.campaign_view import CampaignView, nothing_told, take_in
from cardarena.simulator.errors import PolicyError

DIAL: Final = Dial("factor on every intensity", (0.25, 0.5, 1.0, 2.0), 1.0, 0.0, 100.0)


class Actor:
    """The network of a campaign's agent: a pure function from an observation to an action."""

    def __init__(self, agent: TrainedAgent) -> None:
        """Take the agent's network and scaling."""
        channels = agent.card.actions.channels
        self._encoder = Encoder(agent.card.observation, CampaignView(channels).names)
        self._network = agent.network()

    def __call__(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the action, shape (entries,), each from -1 to 1, of an observation, shape (columns,)."""
        with one_thread():
            outputs, _ = self._network(self._encoder(observation[None]), np.zeros((1, 0), dtype=np.float32))
        # Rounded, so that the last bit of a product does not decide.
        return np.round(np.tanh(outputs[0].astype(np.float64)), 6).astype(np.float32)


class TrainedCampaign(CampaignPlan):
    """Plays a folder that `cardarena train sac` made, or anybody's of that form.

    Every period, the observation of `CardArena/Campaign-v0` is made from the view, the feedback since the last period and the
    brief, by the environment's own function; the network turns it into an action, and `CampaignPlan` turns that into each
    day's contacts, as in the environment.

    Dial: a factor on every intensity, which stays a share.
    """

    wants_feedback = True
    kept = (*CampaignPlan.kept, "action", "told", "segment", "n_start")

    def __init__(self, folder: str | Path | TrainedAgent, dial: float | None = None) -> None:
        """Read the folder, or take an agent.

        Raises:
            PolicyError: it is not a trained agent of a campaign, or the dial is out of range.
        """
        self.agent = folder if isinstance(folder, TrainedAgent) else read_agent(Path(folder))
        card = self.agent.card
        if card.actions.form != "campaign":
            raise PolicyError(f"policy {card.name!r}: expected an agent of a campaign, found one of journeys")
        self.codec, self.observer = CampaignCodec(card.actions.channels), CampaignView(card.actions.channels)
        self.name, self.title, self.summary = card.name, card.title, card.summary
        self.features = tuple(dict.fromkeys((*CampaignPlan.features, *self.observer.features)))
        self.dial = DIAL.checked(self.name, dial)
        silent = CampaignSettings.silent(len(self.codec.channels))
        super().__init__(self.codec.channels, silent, card.training.decision_every)

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Forget everybody."""
        super().reset(brief, policy_seed)
        self._actor = Actor(self.agent)
        self.action = -np.ones(self.codec.size, dtype=np.float32)
        self.told = nothing_told()
        self.segment: Ints = np.full(brief.n_cardholders, -1, dtype=np.int64)
        self.n_start = 0

    def learn(self, feedback: Feedback) -> None:
        """Count what came of the period's contacts."""
        take_in(self.told, feedback, self.segment, self.market)

    def decide(self, view: View) -> Contacts:
        """Ask the network where a period begins, and fill today's quotas."""
        if not self.n_start:
            self.n_start = max(1, int((view["is_open"] > 0).sum()))
        if view.day % self.period_days == 0:
            self.action = self._actor(self._observe(view))
        settings = self.codec.decode(self.action)
        intensity = np.minimum(1.0, settings.intensity * self.dial)
        self.settings = CampaignSettings(
            intensity, settings.cap_a_week, settings.threshold, settings.price_cny
        )
        return super().decide(view)

    def _observe(self, view: View) -> NDArray[np.float32]:
        """Return the observation, and begin to count anew."""
        seen, self.segment = self.observer.look(
            view.__getitem__,
            self.told,
            n_start=self.n_start,
            days_left=max(0.0, (self.brief.days - view.day) / self.brief.days),
            budget_mfen=self.brief.budget_mfen,
            budget_left_mfen=view.budget_left_mfen,
            price_mfen=view.contact_price_mfen,
        )
        self.told = nothing_told()
        return seen

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned; call it after `reset` with the same brief."""
        super().load_state(state)
        self.n_start = int(self.n_start)
