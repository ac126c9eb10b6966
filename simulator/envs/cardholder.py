"""`CardArena/Cardholder-v0`: one person's journey, and thousands of them at once; two thin shells over `Journeys`."""

from typing import Any, ClassVar, Final

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from cardarena.simulator.bank.feature_table import Column
from cardarena.simulator.contracts import Bools, Floats, Ints
from cardarena.simulator.envs.actions import ActionCodec
from cardarena.simulator.envs.journeys import COLUMN_TABLE, Journeys, Outcome
from cardarena.simulator.envs.pool import Pool
from cardarena.simulator.envs.rewards import COSTS, TERMINAL, TERMS
from cardarena.simulator.envs.terminal import terminal_value
from cardarena.simulator.names import CATEGORIES, CHANNELS, DEPTHS, N_CATEGORIES, SERVICES

#: No amount, count or number of days comes near it.
_MOST: Final = 1e9
#: Public facts of an offer, as a policy's brief shows them, and whether it is on the menu.
OFFER_TABLE: Final = (
    Column("on_menu", "flag", "may be chosen in this episode"),
    *(Column(f"category_{name}", "flag", f"is about {name}") for name in CATEGORIES),
    *(Column(f"service_{name}", "flag", f"belongs to the service {name}") for name in SERVICES),
    Column("is_public", "flag", "every buyer in the category gets it, not only who was contacted"),
    Column("is_credit", "flag", "is credit"),
    Column("needs_explanation", "flag", "needs a decision that can be explained"),
    Column("needs_partner_consent", "flag", "needs the consent to partners' data"),
    Column("needs_sensitive_consent", "flag", "needs the consent to sensitive data"),
    Column("incentive_cny", "CNY", "subsidy that every taker is given"),
    Column("merchant_share", "", "share of the subsidy that the merchant pays"),
    Column("margin_cny", "CNY", "fixed margin of a purchase, before the subsidy"),
    Column("margin_share", "", "margin as a share of the amount"),
    Column("credit_loss_share", "", "expected credit loss as a share of the amount"),
    Column("amount_cny", "CNY", "median amount of a purchase"),
    Column("appeal", "logits", "attractiveness of the content; 0 is an average offer"),
    Column("relevance_off", "", "how relevant it is to somebody without the need, 0 to 1"),
    Column("wallet_benefit", "logits", "utility added to our card while the benefit is live"),
    Column("satisfaction_gain", "", "satisfaction gained, where it is noticed or taken"),
)
OFFER_COLUMNS: Final = tuple(column.name for column in OFFER_TABLE)
METADATA: Final[dict[str, Any]] = {"render_modes": ["ansi"], "render_fps": 1}


def offer_table(pool: Pool, codec: ActionCodec) -> np.ndarray:
    """Return the public facts of the offers to choose from, shape (offers, columns), float32; all on the menu."""
    offers = pool.rules.offers[codec.offers]
    columns = [
        np.ones(offers.size),
        *(offers["category"] == k for k in range(N_CATEGORIES)),
        *(offers["service"] == k for k in range(len(SERVICES))),
        *(
            offers[name]
            for name in (
                "is_public",
                "is_credit",
                "needs_explanation",
                "needs_partner_consent",
                "needs_sensitive_consent",
            )
        ),
        offers["incentive_fen"] * 0.01,
        offers["merchant_share_ppm"] * 1e-6,
        offers["margin_fen"] * 0.01,
        offers["margin_ppm"] * 1e-6,
        offers["credit_loss_ppm"] * 1e-6,
        offers["amount_fen"] * 0.01,
        *(offers[name] for name in ("appeal", "relevance_off", "wallet_benefit", "satisfaction_gain")),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


class Shell:
    """What the single environments, the vector ones and Stable-Baselines3's have in common.

    Attributes:
        journeys: the people.
        adds_terminal: whether the terminal value joins the reward at the horizon.
        offers: shape (offers, columns), public facts of the offers, or None if they are not observed.
    """

    def __init__(
        self,
        pool: Pool,
        n: int,
        *,
        kind: type[Journeys] = Journeys,
        terminal_value: bool = True,
        offer_features: bool = True,
        **settings: Any,
    ) -> None:
        """Make the slots; `settings` go to this kind of journeys.

        Args:
            pool: whom episodes are about.
            n: slots.
            kind: of journeys.
            terminal_value: whether the value of the run-out joins the reward, as the term `terminal`, where the horizon
                cuts the journey.
            offer_features: whether public facts of the offers are observed too.
            **settings: see above.
        """
        self.journeys = kind(pool, n, **settings)
        self.adds_terminal = terminal_value
        self.offers = offer_table(pool, self.journeys.codec) if offer_features else None
        self._shown: np.ndarray | None = None

    @property
    def action_space(self) -> spaces.MultiDiscrete:
        """The parts of a decision."""
        return spaces.MultiDiscrete(self.journeys.sizes)

    @property
    def observation_space(self) -> spaces.Space[Any]:
        """The cardholder's columns, and the offers' where they are observed."""
        columns = self.journeys.columns
        low = np.array([-_MOST if name.endswith("_cny") else 0.0 for name in columns], dtype=np.float32)
        high = np.full(low.size, _MOST, dtype=np.float32)
        cardholder = spaces.Box(low, high, dtype=np.float32)
        if self.offers is None:
            return cardholder
        return spaces.Dict(
            {"cardholder": cardholder, "offers": spaces.Box(-_MOST, _MOST, (self.offers.size,), np.float32)}
        )

    def shown(self, out: Outcome, is_renewed: bool) -> Any:
        """Return the observations of all slots; those of the offers are read-only, and made anew when a menu changes."""
        if self.offers is None:
            return out.observation
        if self._shown is None or (is_renewed and self.journeys.codec.is_halved):
            self._shown = self._menus()
        return {"cardholder": out.observation, "offers": self._shown}

    def _menus(self) -> np.ndarray:
        assert self.offers is not None
        n = self.journeys.n
        if not self.journeys.codec.is_halved:
            return np.broadcast_to(self.offers.reshape(-1), (n, self.offers.size))
        table = np.repeat(self.offers[None], n, axis=0)
        table[:, :, 0] = self.journeys.slots.menu
        table.flags.writeable = False
        return table.reshape(n, -1)

    def close_books(self, out: Outcome) -> tuple[Floats, Floats]:
        """Add the terminal value where the horizon cut a journey; return rewards and terminal values, CNY, shapes (n,)."""
        journeys = self.journeys
        value = np.zeros(journeys.n)
        rows = np.flatnonzero(out.truncated)
        if rows.size:
            discount = float(journeys.setting["discount"][0])
            model = terminal_value(journeys.pool, journeys.horizon, discount)
            world = journeys.slots.journey["world"][rows]
            value[rows] = model.of(out.observation[rows], world)
            if journeys.form == "paired":
                value[rows] -= model.of(journeys.observed(rows, is_twin=True)[0], world)
            if self.adds_terminal:
                out.terms[TERMINAL, rows] = discount ** out.days[rows] * value[rows]
        return out.terms.sum(axis=0), value


class JourneyEnv(gymnasium.Env[Any, np.ndarray]):
    """One journey: a step a decision, until the account closes or the horizon comes. What kind of journey, a subclass says."""

    metadata = METADATA
    kind: ClassVar[type[Journeys]] = Journeys

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
        self.metadata = {**METADATA, "is_privileged": self.journeys.form == "paired"}
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
        out = self.journeys.reset(**_wanted(options))
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
        info = _info_of(self.journeys, out, value)
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
    everything, `hard` everything, but each episode a random half of the offers is off the menu.

    ## Observation space
    `Dict(cardholder=Box(columns), offers=Box(offers x offer columns))`, float32; without `offer_features` the first `Box` alone.
    `feature_names` and `offer_feature_names` name the columns. The cardholder's are those of a policy's view in the arena, so
    that what was learned here runs there, and two more. Money in CNY is unbounded on either side, all else is not negative;
    `days_since_…` and `recency_days` end at 400. What may not be used is 0 and flagged. Facts of the offers tell apart also
    offers that a learner never saw: `on_menu`, category and service as flags, and what a policy's brief says.

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
    `info["costs"]`, counts of the step, only what a bank sees:

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
    `info["terminal_value"]` is then what the account is worth in the scenario's run-out under the caretaker policy, from the
    columns of the observation; with `terminal_value` it joins the reward, discounted, and nothing is to be bootstrapped.

    ## Info
    `reward_terms`, `costs`, `action_mask`, `dt` (days lived in the step), `day` (that comes next), `terminal_value`. Nothing in
    it predicts the hidden state better than the observation and the books do, but for the paired form's terms.

    ## Version history
    - v0: first version.
    """

    observation_table: ClassVar = COLUMN_TABLE
    offer_observation_table: ClassVar = OFFER_TABLE

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


def _wanted(options: dict[str, Any] | None) -> dict[str, Any]:
    """Return the known options.

    Raises:
        ValueError: an unknown option.
    """
    options = dict(options or {})
    unknown = set(options) - {"cardholder", "luck"}
    if unknown:
        raise ValueError(f"options: expected 'cardholder' and 'luck', found {sorted(unknown)}")
    return options


def _info_of(journeys: Journeys, out: Outcome, value: Floats) -> dict[str, Any]:
    return {
        "reward_terms": {name: float(out.terms[j, 0]) for j, name in enumerate(TERMS)},
        "costs": {name: int(out.costs[j, 0]) for j, name in enumerate(COSTS)},
        "action_mask": out.mask[0].copy(),
        **{name: values[0].item() for name, values in journeys.info_of(out).items()},
        "day": int(out.day[0]),
        "terminal_value": float(value[0]),
    }


class JourneyVectorEnv(VectorEnv[Any, np.ndarray, np.ndarray]):
    """Many journeys a step, by one compiled kernel; slot i is the single environment with seed + i."""

    kind: ClassVar[type[Journeys]] = Journeys

    def __init__(
        self,
        pool: Pool,
        num_envs: int = 1,
        *,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        threads: int = 2,
        render_mode: str | None = None,
        **settings: Any,
    ) -> None:
        """Make environments over a pool; `settings` are those of `Shell`. The kind of journeys has more.

        Args:
            pool: whom episodes are about.
            num_envs: journeys.
            autoreset_mode: when an episode that is over begins anew, as Gymnasium has it: `NextStep`, `SameStep`, `Disabled`.
            threads: compiled threads; results do not depend on it.
            render_mode: None.
            **settings: see above.

        Raises:
            ValueError: an argument out of range.
            UnknownNameError: an unknown form of the reward, or difficulty.
        """
        if render_mode is not None:
            raise ValueError(f"render_mode: expected None of a vector environment, found {render_mode!r}")
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.num_envs = num_envs
        self.shell = Shell(pool, num_envs, kind=self.kind, threads=threads, **settings)
        self.journeys = self.shell.journeys
        self.metadata = {
            **METADATA,
            "render_modes": [],
            "autoreset_mode": self.autoreset_mode,
            "is_privileged": self.journeys.form == "paired",
        }
        self.single_action_space = self.shell.action_space
        self.single_observation_space = self.shell.observation_space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.feature_names = self.journeys.columns
        self.offer_feature_names = OFFER_COLUMNS
        self._is_seeded = False
        self._masks = np.zeros((num_envs, self.journeys.n_mask), dtype=np.int8)
        self._everybody = np.ones(num_envs, dtype=np.bool_)
        self._everybody.flags.writeable = False

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin the next episode everywhere, or where `options["reset_mask"]` says.

        Args:
            seed: of the first slot, the others' follow it; or one a slot, None leaving its sequence as it is.
            options: `reset_mask`, shape (num_envs,), bool; `cardholder` and `luck` as in the single environment.

        Raises:
            ValueError: a list of seeds or a mask of another shape, or an empty mask.
            TypeError: a mask that is no array of bools.
        """
        options = dict(options or {})
        which = _reset_mask(options.pop("reset_mask", None), self.num_envs)
        self._seed(seed, which)
        out = self.journeys.reset(which, **_wanted(options))
        self._masks = out.mask
        value = np.zeros(self.num_envs)
        if which is None:
            infos = self._infos(out, value, self._everybody)
        else:
            infos = self._infos(_of(out, np.flatnonzero(which)), value, which)
        return self.shell.shown(out, True), infos

    def step(self, actions: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take a decision in every slot.

        Raises:
            ResetNeeded: an episode is over and nothing resets it by itself.
            ValueError: actions of another shape or out of range.
        """
        is_renewed = False
        if self.autoreset_mode != AutoresetMode.SAME_STEP:
            rows = np.flatnonzero(self.journeys.is_over).tolist()
            if rows and self.autoreset_mode == AutoresetMode.DISABLED:
                raise ResetNeeded(
                    f"episodes are over: reset(options={{'reset_mask': ...}}) slots {rows[:10]}"
                )
            is_renewed = len(rows) > 0
        out = self.journeys.step(actions)
        rewards, value = self.shell.close_books(out)
        over = out.terminated | out.truncated
        final: dict[str, Any] = {}
        terminated, truncated = out.terminated, out.truncated
        if self.autoreset_mode == AutoresetMode.SAME_STEP and over.any():
            final = self._renew(out, value, over)
            is_renewed = True
        self._masks = out.mask
        infos = {**self._infos(out, value, self._everybody), **final}
        return self.shell.shown(out, is_renewed), rewards, terminated, truncated, infos

    def action_masks(self) -> Bools:
        """Return what may be chosen now, shape (num_envs, n_mask), bool."""
        return self._masks.astype(np.bool_)

    def truth(self) -> np.ndarray:
        """Return a copy of the latent records, shape (num_envs,); for scoring and study, never for a policy."""
        return self.journeys.slots.people[: self.num_envs].copy()

    def _seed(self, seed: int | list[int | None] | None, which: Bools | None) -> None:
        n = self.num_envs
        chosen = self._everybody if which is None else which
        if isinstance(seed, list):
            if len(seed) != n:
                raise ValueError(f"seed: expected {n} seeds, found {len(seed)}")
            given = np.array([s is not None for s in seed])
            self.journeys.seed([s or 0 for s in seed], chosen & given)
            seed = None if self._is_seeded or given[chosen].all() else self._drawn_seed()
            chosen = chosen & ~given
        elif seed is None and not self._is_seeded:
            seed = self._drawn_seed()
        if isinstance(seed, int):
            self._np_random, self._np_random_seed = seeding.np_random(seed)
            self.journeys.seed([seed + i for i in range(n)], chosen)
        self._is_seeded = True

    def _drawn_seed(self) -> int:
        seed = self.np_random_seed
        assert isinstance(seed, int)
        return seed

    def _renew(self, out: Outcome, value: Floats, over: Bools) -> dict[str, Any]:
        """Begin the next episode where one is over, in `out` and `value` too; return what the old one's infos were."""
        rows = np.flatnonzero(over)
        final_obs = np.empty(self.num_envs, dtype=object)  # of None
        shown = self.shell.shown(out, False)
        for i in rows:
            if isinstance(shown, dict):
                final_obs[i] = {name: part[i].copy() for name, part in shown.items()}
            else:
                final_obs[i] = shown[i].copy()
        final = {
            "final_obs": final_obs,
            "_final_obs": over,
            "final_info": self._infos(_of(out, rows), _only(value, rows), over),
            "_final_info": over,
        }
        # Nobody else has seen the outcome: the new episodes are written over it.
        out.terms[:, rows] = 0.0
        out.costs[:, rows] = 0
        out.days[rows] = 0
        out.told[:, rows] = 0.0
        value[rows] = 0.0
        self.journeys.reset(over, into=out)
        return final

    def _infos(self, out: Outcome, value: Floats, which: Bools) -> dict[str, Any]:
        """Return the infos of these slots as arrays, each with its mask."""
        told = {
            "reward_terms": _paired({name: out.terms[j] for j, name in enumerate(TERMS)}, which),
            "costs": _paired({name: out.costs[j] for j, name in enumerate(COSTS)}, which),
            "action_mask": out.mask,
            **self.journeys.info_of(out),
            "day": out.day,
            "terminal_value": value,
        }
        return _paired(told, which)


class CardholderVectorEnv(JourneyVectorEnv):
    """Many cardholders' journeys at once; see `CardholderEnv`."""

    @property
    def codec(self) -> ActionCodec:
        """How actions are written."""
        return self.journeys.codec

    def action_prior(self, p: float = 0.05) -> Floats:
        """Return log-probabilities of a policy that contacts with chance `p`; see `ActionCodec.prior`."""
        return self.codec.prior(p)


def _paired(values: dict[str, Any], which: Bools) -> dict[str, Any]:
    return {
        key: value for name, array in values.items() for key, value in ((name, array), (f"_{name}", which))
    }


def _only(values: np.ndarray, rows: Ints) -> np.ndarray:
    """Return a copy of an array that is zero but in some slots, the last axis."""
    only = np.zeros_like(values)
    only[..., rows] = values[..., rows]
    return only


def _of(out: Outcome, rows: Ints) -> Outcome:
    """Return what an outcome says of some slots, zero in the others; for infos, so with their parts only."""
    return out._replace(
        mask=_only(out.mask.T, rows).T,
        terms=_only(out.terms, rows),
        costs=_only(out.costs, rows),
        days=_only(out.days, rows),
        day=_only(out.day, rows),
        told=_only(out.told, rows),
    )


def _reset_mask(mask: Any, n: int) -> Bools | None:
    if mask is None:
        return None
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        raise TypeError(f"options['reset_mask']: expected an array of bools, found {mask!r}")
    if mask.shape != (n,):
        raise ValueError(f"options['reset_mask']: expected shape ({n},), found {mask.shape}")
    if not mask.any():
        raise ValueError("options['reset_mask']: expected at least one slot to reset, found none")
    return mask
