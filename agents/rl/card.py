"""What `agent.json` says: of a trained agent, what it observes, its network and its actions; of a tuned policy, its values.

Both say how they came to be in the same words, so that a table can show what each was given.
"""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from cardarena.agents.practice import SimulatedLog
from cardarena.agents.rl.hidden import BELIEVED_COLUMNS, HIDDEN_COLUMNS
from cardarena.simulator.bank.features import FEATURES
from cardarena.simulator.bank.sourced import FrozenDict, Strict
from cardarena.simulator.envs.campaign_plan import CampaignCodec
from cardarena.simulator.envs.campaign_view import CAMPAIGN_OBSERVED, CampaignView
from cardarena.simulator.errors import nearest
from cardarena.simulator.names import CHANNELS, DEPTHS
from cardarena.simulator.scenario_model import Name
from cardarena.simulator.strict_yaml import at_key, problem

#: What an observation holds beside the feature row: the price of a contact in CNY, the share of the horizon that is left.
CONTACT_PRICE: Final = "contact_price"
DAYS_LEFT: Final = "days_left"
OBSERVED: Final = (*FEATURES, CONTACT_PRICE, DAYS_LEFT)
#: What a network may be given: the observables, the hidden record (privileged), and what a filter believes of it.
SHOWN: Final = (*OBSERVED, *HIDDEN_COLUMNS, *BELIEVED_COLUMNS)

FORMAT: Final = 1
MAX_COLUMNS: Final = 512
MAX_UNITS: Final = 1024
MAX_LAYERS: Final = 4
MAX_FRAMES: Final = 16
MAX_ACTIONS: Final = 100_000

Units = Annotated[int, Field(ge=1, le=MAX_UNITS)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]


def _observed(name: str) -> str:
    if name not in SHOWN and name not in CAMPAIGN_OBSERVED:
        known = CAMPAIGN_OBSERVED if "." in name else SHOWN
        raise problem(f"expected a column of the observation, found {name!r}; {nearest(name, known)}")
    return name


def _channel(name: str) -> str:
    if name not in CHANNELS:
        raise problem(f"expected a channel, found {name!r}; {nearest(name, CHANNELS)}")
    return name


class Column(Strict):
    """One input of the network: `(transform(column) - mean) / scale`, cut off at the observation's `clip`.

    Attributes:
        name: column of the observation, of one cardholder's or of a campaign's, of the hidden record (`hidden_...`,
            privileged) or of a belief (`believed_...`).
        transform: `identity`; `log1p`, of the magnitude, with its sign; `sin` and `cos` of the share of `period`.
        period: of `sin` and `cos`, in the column's unit; 0 for the others.
        mean: of the transformed column.
        scale: of the transformed column.
    """

    name: Annotated[str, AfterValidator(_observed)]
    transform: Literal["identity", "log1p", "sin", "cos"] = "identity"
    period: Annotated[float, Field(ge=0.0)] = 0.0
    mean: float = 0.0
    scale: Annotated[float, Field(gt=0.0)] = 1.0

    @model_validator(mode="after")
    def _period_belongs(self) -> "Column":
        if (self.period > 0) != (self.transform in ("sin", "cos")):
            expected = "more than 0" if self.period == 0 else "0"
            raise at_key(
                "period", f"expected {expected} with transform {self.transform!r}, found {self.period:g}"
            )
        return self


class Memory(Strict):
    """A recurrent cell before the layers.

    Attributes:
        cell: `lstm` or `gru`, as PyTorch defines them.
        units: size of its state.
    """

    cell: Literal["lstm", "gru"]
    units: Units


class NetworkShape(Strict):
    """A multilayer perceptron, after a recurrent cell if there is `memory`.

    Attributes:
        layers: units of each hidden layer.
        activation: of the hidden layers.
        memory: the recurrent cell, or null.
    """

    layers: Annotated[tuple[Units, ...], Field(strict=False, max_length=MAX_LAYERS)]
    activation: Literal["tanh", "relu"] = "tanh"
    memory: Memory | None = None


class Filter(Strict):
    """What turns a person's observables, decision by decision, into beliefs of the hidden record.

    A network with a recurrent cell: each output is the expectation of one column of the hidden record given everything that
    was observed of the person since the first decision. It was fitted where the record was known, and plays without it.

    Attributes:
        columns: its inputs: observables only.
        clip: inputs are cut off at plus and minus this.
        network: its shape.
        believes: its outputs, names of `believed_...` columns, each in the unit of the hidden column.
    """

    columns: Annotated[tuple[Column, ...], Field(strict=False, min_length=1, max_length=MAX_COLUMNS)]
    clip: Annotated[float, Field(gt=0.0, le=1000.0)] = 10.0
    network: NetworkShape
    believes: Annotated[tuple[str, ...], Field(strict=False, min_length=1, max_length=MAX_COLUMNS)]

    @model_validator(mode="after")
    def _looks_at_observables(self) -> "Filter":
        for column in self.columns:
            if column.name not in OBSERVED:
                raise at_key("columns", f"expected an observable, found {column.name!r}")
        for name in self.believes:
            if name not in BELIEVED_COLUMNS:
                raise at_key(
                    "believes", f"expected a belief, found {name!r}; {nearest(name, BELIEVED_COLUMNS)}"
                )
        return self


class Observation(Strict):
    """What the network is given at a decision.

    Attributes:
        columns: its inputs, in order.
        clip: inputs are cut off at plus and minus this.
        frames: how many decisions' inputs are put one after the other, the oldest first; zeros before the first.
        filter: what makes the beliefs among the columns, or null.
    """

    columns: Annotated[tuple[Column, ...], Field(strict=False, min_length=1, max_length=MAX_COLUMNS)]
    clip: Annotated[float, Field(gt=0.0, le=1000.0)] = 10.0
    frames: Annotated[int, Field(ge=1, le=MAX_FRAMES)] = 1
    filter: Filter | None = None

    @model_validator(mode="after")
    def _beliefs_have_a_filter(self) -> "Observation":
        believed = () if self.filter is None else self.filter.believes
        for column in self.columns:
            if column.name in BELIEVED_COLUMNS and column.name not in believed:
                raise at_key(
                    "columns",
                    f"expected a filter that believes {column.name!r}, found none among {len(believed)} beliefs",
                )
        return self


class Actions(Strict):
    """What the network's outputs stand for.

    Attributes:
        form: `factored`: two outputs for nothing and a contact, then one an offer, a channel and a depth. `flat`: one
            for nothing, then one for each (offer, channel, depth), the depth running fastest. `campaign`: one for each
            entry of a campaign's action, whose hyperbolic tangent it is.
        scores: outputs are `logits`, or `values` in CNY; values are flat.
        choice: `greedy` or `sampled`; values and campaigns are greedy.
        offers: the offers' names, in the outputs' order; one that a bank does not stock is never chosen. A campaign has none:
            offers are its rule's.
        channels: the channels' names, likewise.
        depths: the depths' names, likewise; a campaign has none.
    """

    form: Literal["factored", "flat", "campaign"]
    scores: Literal["logits", "values"] = "logits"
    choice: Literal["greedy", "sampled"]
    offers: Annotated[tuple[Name, ...], Field(strict=False, max_length=256)] = ()
    channels: Annotated[
        tuple[Annotated[str, AfterValidator(_channel)], ...], Field(strict=False, min_length=1)
    ]
    depths: Annotated[tuple[Literal["generic", "segment", "individual"], ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> "Actions":
        for key in ("offers", "channels", "depths"):
            names = getattr(self, key)
            if len(set(names)) < len(names):
                raise at_key(key, f"expected each name once, found {', '.join(names)}")
        if self.form == "campaign":
            for key in ("offers", "depths"):
                if getattr(self, key):
                    raise at_key(key, f"expected none of a campaign, found {', '.join(getattr(self, key))}")
            if (self.scores, self.choice) != ("logits", "greedy"):
                raise at_key(
                    "choice",
                    f"expected greedy logits of a campaign, found {self.choice} {self.scores}",
                )
            return self
        if not self.offers:
            raise at_key("offers", "expected at least one, found none")
        if self.depths != DEPTHS[: len(self.depths)] or not self.depths:
            raise at_key(
                "depths",
                f"expected the first of {', '.join(DEPTHS)}, found {', '.join(self.depths) or 'none'}",
            )
        if self.scores == "values" and (self.form, self.choice) != ("flat", "greedy"):
            raise at_key(
                "scores", f"expected logits, or flat and greedy values, found {self.form} {self.choice} ones"
            )
        if self.outputs > MAX_ACTIONS:
            raise problem(f"expected at most {MAX_ACTIONS} outputs, found {self.outputs}")
        return self

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many offers, channels and depths there are."""
        return len(self.offers), len(self.channels), len(self.depths)

    @property
    def outputs(self) -> int:
        """How many outputs the network has."""
        if self.form == "campaign":
            return CampaignCodec(self.channels).size
        offers, channels, depths = self.sizes
        return 2 + offers + channels + depths if self.form == "factored" else 1 + offers * channels * depths


class Making(Strict):
    """How the content of a folder was made: told, and read by the arena to refuse what it was made on.

    Attributes:
        algorithm: what made it.
        command: the command line that makes it again.
        scenario: name of the scenario; several with commas between.
        world: name of the parameter set that took the scenario's place, or null.
        world_seeds: seeds of the worlds whose people it learned from or was chosen on.
        seed: of the making.
        cardholder_days: simulated days of a person, twins, evaluations and run-outs included, burn-in left out; 0: not counted.
        trials: settings that were tried.
        seconds: wall-clock time.
        versions: of the packages that it was made with.
        settings: whatever else its values depend on, as plain text.
    """

    algorithm: Text
    command: Text
    scenario: Text
    world: Text | None = None
    world_seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False, max_length=1000)]
    seed: Annotated[int, Field(ge=0)]
    cardholder_days: Annotated[int, Field(ge=0)] = 0
    trials: Annotated[int, Field(ge=1)] = 1
    seconds: Annotated[float, Field(ge=0.0)] = 0.0
    versions: Annotated[dict[str, str], Field(max_length=50)] = Field(default_factory=FrozenDict)
    settings: Annotated[dict[str, str], Field(max_length=50)] = Field(default_factory=FrozenDict)


class Training(Making):
    """How a trained agent was made.

    Attributes:
        steps: environment steps, one a person and decision.
        gamma_per_day: discount of a day.
        reward: form of the reward; `paired` is privileged: it knows the twin who was left alone.
        decision_every: days between decisions.
        contact_price_cny: least and greatest price of a contact in training.
    """

    steps: Annotated[int, Field(ge=0)]
    gamma_per_day: Annotated[float, Field(ge=0.0, le=1.0)]
    reward: Literal["gross", "attributed", "paired"]
    decision_every: Annotated[int, Field(ge=1, le=365)] = 1
    contact_price_cny: Annotated[
        tuple[Annotated[float, Field(ge=0.0)], Annotated[float, Field(ge=0.0)]], Field(strict=False)
    ] = (0.0, 0.0)


class TunedCard(Strict):
    """The whole of `agent.json` where a policy was tuned.

    Attributes:
        format: version of this format.
        name: what the tuned policy is called in tables.
        title: a short title.
        summary: one sentence for tables.
        policy: name of the policy that was tuned.
        values: value of each of its knobs.
        practice: the simulated log that it is fitted to, or null: its bank's own history.
        training: how its values were chosen.
    """

    format: Literal[1]
    name: Name
    title: Annotated[str, Field(min_length=1, max_length=80)]
    summary: Annotated[str, Field(min_length=1, max_length=400, pattern=r"\.$")]
    policy: Name
    values: Annotated[dict[str, float], Field(max_length=50)]
    practice: SimulatedLog | None = None
    training: Making


class AgentCard(Strict):
    """The whole of `agent.json`.

    Attributes:
        format: version of this format.
        name: what the agent is called in tables.
        title: a short title.
        summary: one sentence for tables.
        observation: what the network is given.
        network: its shape.
        actions: what its outputs stand for.
        training: how it was made.
        weights_sha256: digest of `weights.safetensors`.
    """

    format: Literal[1]
    name: Name
    title: Annotated[str, Field(min_length=1, max_length=80)]
    summary: Annotated[str, Field(min_length=1, max_length=400, pattern=r"\.$")]
    observation: Observation
    network: NetworkShape
    actions: Actions
    training: Training
    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @model_validator(mode="after")
    def _observes_what_it_acts_on(self) -> "AgentCard":
        is_campaign = self.actions.form == "campaign"
        known = CampaignView(self.actions.channels).names if is_campaign else SHOWN
        for j, column in enumerate(self.observation.columns):
            if column.name not in known:
                raise at_key(
                    f"observation.columns.#{j}.name",
                    f"expected a column of {'a campaign of these channels' if is_campaign else 'one cardholder'}, "
                    f"found {column.name!r}",
                )
        if is_campaign and (self.network.memory is not None or self.observation.frames > 1):
            raise at_key("network", "expected no memory and one frame of a campaign, found some")
        return self

    @property
    def is_privileged(self) -> bool:
        """Whether it is shown the hidden record."""
        return any(column.name in HIDDEN_COLUMNS for column in self.observation.columns)

    @property
    def inputs(self) -> int:
        """How many numbers the network is given at a decision."""
        return len(self.observation.columns) * self.observation.frames
