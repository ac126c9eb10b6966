"""`CardArena/Cardholder-v0`: one person's journey, a thin shell over `Journeys`."""

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded

from cardarena.simulator.bank.feature_table import Column
from cardarena.simulator.contracts import Bools, Floats
from cardarena.simulator.envs.actions import ActionCodec
from cardarena.simulator.envs.journeys import Journeys
from cardarena.simulator.envs.pool import Pool
from cardarena.simulator.envs.rewards import COSTS, TERMS
from cardarena.simulator.envs.shell import METADATA, OFFER_COLUMNS, OFFER_TABLE, Shell, wanted_options
from cardarena.simulator.envs.slots import Outcome
from cardarena.simulator.names import CHANNELS, DEPTHS


class JourneyEnv(gymnasium.Env[Any, np.ndarray]):
    """One journey: a step a decision, until the account closes or the horizon comes. What kind of journey, a subclass says."""

    metadata = METADATA
    reward_form: str
    kind: ClassVar[type[Journeys]] = Journeys
    offer_observation_table: ClassVar[tuple[Column, ...]] = OFFER_TABLE

    def __init__(self, pool: Pool, *, render_mode: str | None = None, **settings: Any) -> None:
        """Make an environment over a pool; `settings` are those of `Shell`. The kind of journeys has more.

        Args:
            pool: whom episodes are about.
            render_mode: `ansi` for a line a step, or None.
            **settings: see above.

        Raises:
            ValueError: an argument out of range.
            UnknownNameError: an unknown form of the reward, or difficulty.
        """
        if render_mode not in (None, *METADATA["render_modes"]):
            raise ValueError(f"render_mode: expected None or 'ansi', found {render_mode!r}")
        self.render_mode = render_mode
        self.shell = Shell(pool, 1, kind=self.kind, threads=1, **settings)
        self.journeys = self.shell.journeys
        self.reward_form = self.journeys.form
        self.metadata = {**METADATA, "is_privileged": self.reward_form == "paired"}
        self.action_space = self.shell.action_space
        self.observation_space = self.shell.observation_space
        self.feature_names = self.journeys.columns
        self.offer_feature_names = OFFER_COLUMNS
        self._is_seeded = False
        self._mask = np.zeros(self.journeys.n_mask, dtype=np.int8)
        self._line = ""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin the next episode.

        Args:
            seed: begins the sequence of episodes anew.
            options: `cardholder`, a person of the pool, and `luck`, the key of the episode's luck, in place of drawn ones.

        Raises:
            ValueError: no such person, or one whose account is closed.
        """
        super().reset(seed=seed)
        if seed is not None or not self._is_seeded:
            self.journeys.seed([self.np_random_seed])
            self._is_seeded = True
        out = self.journeys.reset(**wanted_options(options))
        self._line = "begins"
        return self._told(out, np.zeros(1), True)

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take a decision and live until the next.

        Raises:
            ResetNeeded: the episode is over.
            ValueError: an action out of range.
        """
        if self.journeys.is_over[0]:
            raise ResetNeeded("the episode is over: call reset() before step()")
        out = self.journeys.step(np.asarray(action).reshape(1, -1))
        reward, value = self.shell.close_books(out)
        self._line = self._line_of(action, out, float(reward[0]))
        observation, info = self._told(out, value, False)
        return observation, float(reward[0]), bool(out.terminated[0]), bool(out.truncated[0]), info

    def action_masks(self) -> Bools:
        """Return what may be chosen now, its parts one behind the other, shape (n_mask,), bool."""
        return self._mask.astype(np.bool_)

    def truth(self) -> np.void:
        """Return a copy of the latent record; for scoring and study, never for a policy."""
        return self.journeys.slots.people[0].copy()

    def render(self) -> str | None:
        """Return the last step in a line, if the render mode is `ansi`."""
        return self._line if self.render_mode == "ansi" else None

    def _told(self, out: Outcome, value: Floats, is_new: bool) -> tuple[Any, dict[str, Any]]:
        self._mask = out.mask[0]
        observation = self.shell.shown(out, is_new)
        info = _info_of(self.shell, out, value)
        if isinstance(observation, dict):
            return {name: part[0].copy() for name, part in observation.items()}, info
        return observation[0], info

    def _line_of(self, action: np.ndarray, out: Outcome, reward: float) -> str:
        end = "; closed" if out.terminated[0] else "; horizon" if out.truncated[0] else ""
        return f"day {int(out.day[0])}: {self._done(np.asarray(action), out)}; reward {reward:+.4f} CNY{end}"

    def _done(self, action: np.ndarray, out: Outcome) -> str:
        """Return what the step did, for a reader."""
        raise NotImplementedError


class CardholderEnv(JourneyEnv):
    """One cardholder's journey: a decision every day or every few days, until the account closes or the horizon comes.

    ## Description
    A bank decides each midnight, or every `decision_every` days, whether to contact one person: with which offer, by which
    channel, how personal. The person lives by the functions that advance the whole world: needs come and go, attention and
    patience wear, permissions are withdrawn, purchases happen with and without contacts, and at last an account may close.
    The right offer at the right time pays at once; what a contact costs in goodwill is paid later. Greed loses.

    What the person feels is hidden. `env.unwrapped.truth()` returns it for scoring and study, and is no input of a policy.

    ## Action space
    `MultiDiscrete([2, offers, channels, depths])`, the offers and channels that the scenario stocks:

    | part | meaning | values |
    |---|---|---|
    | 0 | contact | 0 nothing, 1 one contact; at 0 the other parts mean nothing |
    | 1 | offer | position in `codec.offers`, codes of the catalogue |
    | 2 | channel | position in `codec.channels`, codes of the channels |
    | 3 | depth of personalisation | 0 generic, 1 segment, 2 individual |

    `info["action_mask"]`, int8, and `action_masks()`, bool, say what passes the gate at the decision, the parts one behind the
    other. A pair whose parts are open may still be blocked; `FlatAction` has one action a triple and the exact mask. What is
    blocked is charged a little and counted. `action_prior(p)` returns log-probabilities to begin with: nothing, mostly.
    A contact goes out at its channel's minute of the day, arrives after the channel's delay, and is checked again then.

    `difficulty` says what there is to choose from: `easy` an offer a category, three channels and depth 0, `standard`
    everything, `hard` everything, but each episode a random half of the offers is off the menu: another half each time, so that
    in the long run every offer is met. `held_out_offers` are on no menu, though the action has a place for them: who learned
    without them can be tried on them. What was sent before the episode still arrives.

    ## Observation space
    `Dict(cardholder=Box(columns), offers=Box(offers x offer columns))`, float32; without `offer_features` the first `Box` alone.
    `feature_names` and `offer_feature_names` name the columns. The cardholder's are those of a policy's view in the arena, so
    that what was learned here runs there, and two more. Money in CNY is unbounded on either side, all else is not negative;
    `days_since_…` and `recency_days` end at 400, `days_since_contact_<channel>` at 7. What may not be used is 0 and flagged.
    Facts of the offers tell apart also offers that a learner never saw: `on_menu`, category and service as flags, and what a
    policy's brief says.

    ## Rewards
    CNY: the sum of `info["reward_terms"]`. Days inside a step are discounted by `daily_discount`, and the next step's reward
    stands `info["dt"]` days later. The keys are the same in every form:

    | term | gross | attributed | paired | meaning |
    |---|---|---|---|---|
    | `spending` | yes | | | interchange and revolving margin on transactions |
    | `purchases` | yes | | | margin of purchases, subsidies taken off |
    | `contact_cost` | yes | yes | | attempts, talks, blocked requests, fines |
    | `complaints` | yes | | | what complaints cost |
    | `defaults` | yes | | | what is lost by default |
    | `contact_price` | yes | yes | yes | `contact_price` for each contact that went out |
    | `attributed` | | yes | | purchases within 14 days of a delivered contact, whole |
    | `expected` | | | yes | conditional expectation of each day's margin |
    | `twin` | | | yes | less the same of a silent twin with the same luck |
    | `terminal` | yes | yes | yes | value of the run-out, at the horizon |

    - `gross` is what the books say. Most of it would have come anyway: the signal of one contact drowns in it.
    - `attributed` is what banks credit a campaign with, and is biased: it pays for purchases that would have come anyway.
    - `paired` is privileged, and `env.unwrapped.metadata["is_privileged"]` says so: no bank can compute it, and its terms
      `expected` and `twin` give the hidden state away. Learn from it as a reward if you must; never observe it.

    ## Costs
    `info["costs"]`, counts of the step, only what a bank sees; what a contact causes that was sent before the episode is left
    out, as its cost is:

    | cost | meaning |
    |---|---|
    | `over_cap` | requests that a frequency cap blocked |
    | `unsubscribes` | channels refused |
    | `off_switches` | personalisation switched off |
    | `complaints` | complaints about marketing |
    | `blocked` | requests that any rule blocked, or an offer off the menu |

    ## Starting state
    Day 0 of a person who has lived through the scenario's burn-in under what banks do today, with contacts on their way. Who,
    under which luck, at which price and menu, is drawn from the seed and the episode's number. `reset(options={"cardholder":
    i, "luck": key})` chooses.

    ## Episode end
    *Terminated* when the account closes; in the paired form, when the twin's is closed too. *Truncated* at the horizon.
    What the account is then worth in the scenario's run-out under the caretaker policy, read from the columns of the
    observation, joins the reward, discounted, and stands in `info["terminal_value"]`; nothing is to be bootstrapped. It is
    right within 3 % on average, over pools of 2,000 people and policies unlike those of the fit, and one pool may be 6 % off;
    `env.unwrapped.shell.terminal_value.error` says how precise it is. With `terminal_value=False` it is neither paid nor told,
    and not even fitted.

    ## Info
    `reward_terms`, `costs`, `action_mask`, `dt` (days lived in the step), `day` (that comes next), and where it is paid
    `terminal_value`, zero but at the horizon. Nothing in it predicts the hidden state better than the observation and the
    books do, but for the paired form's terms.

    ## Version history
    - v0: first version.
    """

    @property
    def codec(self) -> ActionCodec:
        """How actions are written."""
        return self.journeys.codec

    def action_prior(self, p: float = 0.05) -> Floats:
        """Return log-probabilities of a policy that contacts with chance `p`; see `ActionCodec.prior`."""
        return self.codec.prior(p)

    def _done(self, action: np.ndarray, out: Outcome) -> str:
        offer, channel, depth = (int(x[0]) for x in self.codec.decode(action))
        if offer < 0:
            return "nothing"
        return f"offer {offer} by {CHANNELS[channel]}, {DEPTHS[depth]}"


def _info_of(shell: Shell, out: Outcome, value: Floats) -> dict[str, Any]:
    info = {
        "reward_terms": {name: float(out.terms[j, 0]) for j, name in enumerate(TERMS)},
        "costs": {name: int(out.costs[j, 0]) for j, name in enumerate(COSTS)},
        "action_mask": out.mask[0].copy(),
        **{name: values[0].item() for name, values in shell.journeys.info_of(out).items()},
        "day": int(out.day[0]),
    }
    return {**info, "terminal_value": float(value[0])} if shell.adds_terminal else info
