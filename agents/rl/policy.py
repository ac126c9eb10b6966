"""A trained agent as a policy of the arena: NumPy alone, in blocks of people, one float32 product a layer."""

from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from cardarena.agents.base import PRIVILEGED, BasePolicy, Dial, one_thread
from cardarena.agents.market import sendable
from cardarena.agents.rl.arms import ArmChoice, choice_of
from cardarena.agents.rl.card import CONTACT_PRICE, DAYS_LEFT, AgentCard
from cardarena.agents.rl.folder import read_agent
from cardarena.agents.rl.hidden import BELIEVED_COLUMNS, HIDDEN_COLUMNS, hidden_columns
from cardarena.agents.rl.sight import Sight
from cardarena.simulator.bank.features import FEATURE_INDEX
from cardarena.simulator.contracts import Bools, Brief, Contacts, Ints, View
from cardarena.simulator.names import CHANNELS

#: People asked at once: their inputs and the layers between stay in the processor's cache.
BLOCK: Final = 4096
DIAL: Final = Dial("what is added to a contact's score", (-2.0, -1.0, 0.0, 1.0), 0.0, -50.0, 50.0)


class TrainedPolicy(BasePolicy):
    """Plays a folder that `cardarena train` made, or anybody's of that form.

    At each decision every open account's row is encoded as in training, and the network says whether, what, how and how
    deeply. Only what passes every rule now may be chosen. The price of a contact that the network sees is the arena's, cut
    off at the range that it was trained with; messages go out at the channel's usual minute. A recurrent network's state,
    a filter's and a stack's frames are kept a person. One that is shown the hidden record is of the league `privileged`.

    Dial: what is added to a contact's score (log-odds against nothing, or CNY where the outputs are values).
    """

    league = "simulator"
    wants_feedback = False
    dial_spec: ClassVar[Dial] = DIAL
    kept = ("memory",)

    def __init__(self, folder: str | Path, dial: float | None = None) -> None:
        """Read the folder.

        Raises:
            PolicyError: it is not a trained agent, or the dial is out of range.
        """
        self.agent = read_agent(Path(folder))
        card = self.agent.card
        self.name, self.title, self.summary = card.name, card.title, card.summary
        self.every_days = card.training.decision_every
        if card.is_privileged:
            self.league, self.oracle = PRIVILEGED, True
        observation = card.observation
        looks = () if observation.filter is None else observation.filter.columns
        asked = tuple(dict.fromkeys(column.name for column in (*observation.columns, *looks)))
        # What is believed is made by the filter.
        self._columns = tuple(name for name in asked if name not in BELIEVED_COLUMNS)
        asked = [name for name in self._columns if name in FEATURE_INDEX]
        self.features = tuple(dict.fromkeys(["is_open", *asked]))
        super().__init__(dial)

    @property
    def card(self) -> AgentCard:
        """The agent's card."""
        return self.agent.card

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Forget everybody, and find the agent's offers and channels among the bank's."""
        super().reset(brief, policy_seed)
        actions = self.card.actions
        codes = {name: code for code, name in enumerate(brief.offer_names)}
        self._offers: Ints = np.array([codes.get(name, -1) for name in actions.offers], dtype=np.int64)
        self._channels: Ints = np.array([CHANNELS.index(name) for name in actions.channels], dtype=np.int64)
        self._network = self.agent.network()
        self._sight = Sight(self.card.observation, self._columns, self.agent.tensors)
        size = self._sight.kept + self._network.state_size
        self.memory = np.zeros((brief.n_cardholders, size), dtype=np.float32)

    def decide(self, view: View) -> Contacts:
        """Ask the network about everybody, block by block."""
        luck = self.luck(view).random((3, view.n)) if self.card.actions.choice == "sampled" else None
        is_open = view["is_open"] > 0
        people = view.truth.people if self.oracle else None
        chosen: list[ArmChoice] = []
        with one_thread():
            for first in range(0, view.n, BLOCK):
                rows = np.arange(first, min(first + BLOCK, view.n))
                outputs = self._outputs(view, rows, people)
                alive = np.flatnonzero(is_open[rows])
                chosen.append(
                    choice_of(
                        self.card.actions,
                        outputs[alive],
                        rows[alive],
                        None if luck is None else luck[:, rows[alive]],
                        self.dial,
                        lambda who, depth: self._open(view, who, depth),
                    )
                )
        return self._contacts(view, ArmChoice.joined(chosen))

    def _outputs(self, view: View, rows: Ints, people: np.ndarray | None = None) -> np.ndarray:
        """Return the network's outputs for these people, and note what it remembers of them; `people` are everybody's records."""
        observed = np.empty((len(rows), len(self._columns)), dtype=np.float32)
        low, high = self.card.training.contact_price_cny
        hidden = None if people is None else hidden_columns(people[rows])
        for j, name in enumerate(self._columns):
            if name == CONTACT_PRICE:
                observed[:, j] = min(max(view.contact_price_mfen * 1e-5, low), high)
            elif name == DAYS_LEFT:
                observed[:, j] = max(0.0, 1.0 - view.day / self.brief.days)
            elif hidden is not None and name in HIDDEN_COLUMNS:
                observed[:, j] = hidden[:, HIDDEN_COLUMNS.index(name)]
            else:
                observed[:, j] = view[name][rows]
        memory, kept = self.memory[rows], self._sight.kept
        inputs, past = self._sight(observed, memory[:, :kept])
        outputs, state = self._network(inputs, memory[:, kept:])
        if memory.shape[1]:
            self.memory[rows] = np.concatenate([past, state], axis=1)
        return outputs

    def _open(self, view: View, who: Ints, depth: int) -> Bools:
        """Return which of the agent's arms pass every rule now, shape (n, offers, channels)."""
        ok = np.zeros((len(who), len(self._offers), len(self._channels)), dtype=np.bool_)
        stocked = np.flatnonzero(self._offers >= 0)
        channels, minutes = sendable(view, self.market, self._channels)
        at = np.flatnonzero(np.isin(self._channels, channels))
        if len(who) and len(stocked) and len(at):
            offers = self._offers[stocked]
            ok[:, stocked[:, None], at] = view.open_arms(offers, channels, minutes, depth, who)
        return ok

    def _contacts(self, view: View, choice: ArmChoice) -> Contacts:
        channel = self._channels[choice.channel]
        is_value = self.card.actions.scores == "values"
        return self.request(
            view,
            choice.who,
            self._offers[choice.offer],
            channel,
            wanted_depth=choice.depth,
            # Where money is short, the odds are taken for value too: what is as wanted and cheaper goes first.
            priority=self.market.per_yuan(
                choice.score if is_value else np.logaddexp(0.0, choice.score), channel
            ),
            propensity=choice.propensity,
            candidates=self._offers[self._offers >= 0],
            reason="the trained network prefers it to nothing by {score:.2f}"
            + (" CNY" if is_value else " (log-odds)"),
            score=choice.score,
        )
