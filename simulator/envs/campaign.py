"""`CampaignEnv`: the whole base under budget, an action a week."""

from collections.abc import Callable, Sequence
from typing import Any, Final, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from cardarena.simulator.bank.features import feature_columns
from cardarena.simulator.border import budget_left
from cardarena.simulator.contracts import Bools, Ints, Policy
from cardarena.simulator.envs.actions import ActionCodec
from cardarena.simulator.envs.campaign_ledger import COSTS, REALISED_TERMS, CampaignLedger, discounted
from cardarena.simulator.envs.campaign_plan import CampaignCodec, CampaignPlan, CampaignSettings
from cardarena.simulator.envs.campaign_view import CampaignView, nothing_told, take_in
from cardarena.simulator.envs.slots import draw_menu
from cardarena.simulator.errors import CardArenaError, UnknownNameError
from cardarena.simulator.feedback import make_feedback
from cardarena.simulator.names import CHANNELS
from cardarena.simulator.play import Sink
from cardarena.simulator.world import World

#: Terms of the reward, the same in every form; what a form does not use is 0.
REWARD_TERMS: Final = (*REALISED_TERMS, "contact_price", "attributed", "expected", "twin", "terminal")
REWARD_FORMS: Final = ("gross", "attributed", "paired")
#: 10 % a year.
DAILY_DISCOUNT: Final = 0.9 ** (1 / 365)
_CNY_PER_MFEN: Final = 1e-5


class CampaignWorld:
    """A world at day 0 from which episodes begin, and its silent twins, each run once.

    Several environments may share one: episodes play forks, and the world stays as it is.

    Attributes:
        world: burned in, at day 0.
        make_run_out: makes the policy under which both arms run out after the horizon.
    """

    def __init__(self, world: World, make_run_out: Callable[[], Policy]) -> None:
        """Keep the world.

        Raises:
            CardArenaError: it does not stand at day 0.
        """
        if world.day != 0:
            raise CardArenaError(f"world: expected one at day 0, found day {world.day}")
        self.world, self.make_run_out = world, make_run_out
        self._silent: dict[tuple[int, int], list[int]] = {}

    def silent(self, horizon: int, run_out_days: int) -> list[int]:
        """Return each day's expected margin where nobody was contacted before the run-out, milli-fen."""
        key = horizon, run_out_days
        if key not in self._silent:
            world, ledger = self.world.fork(), CampaignLedger(self.world.n)
            world.play(CampaignPlan(CHANNELS[:1], CampaignSettings.silent(1)), horizon, sink=ledger)
            self._silent[key] = ledger.expected + self.run_out(world, run_out_days).expected
        return self._silent[key]

    def run_out(self, world: World, days: int) -> CampaignLedger:
        """Return what a world brings in so many days more under the run-out policy; the world is advanced."""
        ledger = CampaignLedger(world.n)
        if days:
            world.play(self.make_run_out(), days, sink=ledger)
        return ledger


class CampaignEnv(gym.Env[np.ndarray, np.ndarray]):
    """The bank's whole base under one budget: an agent sets volumes, caps, a threshold and a price, week by week.

    ## Description
    One world, as the arena runs it: people, rules, calendar, budget and complaint desk are the scenario's. An episode begins
    on day 0, after the burn-in, in the next of several worlds. An action holds for one decision period. The fixed inner
    rule of `CampaignPlan` turns it into contacts: whom inside a segment, and with which offer. Money and price follow the
    arena: the budget is released month by month, and the shadow price that the arena's adapter sets joins the action's.

    ## Action space
    `Box(-1, 1, (5 C + C + 2,), float32)`, C the channels. With u = (a + 1) / 2:

    | entries | meaning | in units |
    |---|---|---|
    | 5 C: `intensity_<segment>_<channel>` | share of its reachable people contacted in a period, evenly by day | u², 0 to 1 |
    | C: `cap_<channel>` | most contacts by the channel a person and seven days | 4 u rounded, 0 to 4 |
    | `threshold` | score of need below which nobody is contacted | u, 0 to 1 |
    | `price` | what a contact must be worth beyond its cost | 10^(-3 + 5 u) CNY, 0.001 to 100 |

    `difficulty` says what the rule has to send: `easy` an offer a category, three channels and depth 0, `standard` everything,
    `hard` everything, but each episode a random half of the offers is off the menu, which shows in what comes of contacts
    alone (`env.unwrapped.menu`). C is the difficulty's, unless `channels` are named. `held_out_offers` are on no menu.

    `action_names` names the entries; `codec.encode(CampaignSettings(...))` makes an action from units. Segments are public,
    `CAMPAIGN_SEGMENTS`: inactive (behaviour not to be used, or nothing bought for 28 days), instalment user (owes
    instalments), and by spend in 112 days low (under 10,000 CNY), mid (under 40,000 CNY) and high value.

    ## Observation space
    A `Box`, float32; `feature_names` names its entries, in order. A policy of the arena can make it from its view, its
    feedback and its brief, so that an agent trained here plays there. For each segment, `<segment>.` and:

    | name | meaning | min | max |
    |---|---|---|---|
    | `share` | people of the segment over accounts open on day 0 | 0 | 1 |
    | `contacts_7d`, `contacts_28d` | mean contacts a person, the second decayed | 0 | 70, 280 |
    | `opens_28d`, `clicks_28d` | mean a person, decayed | 0 | 280 |
    | `days_since_contact_100` | mean, in hundreds of days | 0 | 4 |
    | `precursors` | mean sum over categories of the signs of need of seven days | 0 | 100 |
    | `spend_28d_10000_cny` | mean spend on our card, 10,000 CNY | 0 | 1000 |
    | `margin_28d_100_cny` | mean margin, 100 CNY | -1000 | 1000 |
    | `complaints` | mean complaints so far | 0 | 100 |
    | `personalised` | share whose personalisation is on | 0 | 1 |
    | `permitted_<channel>` | share that may be reached | 0 | 1 |
    | `contacts_7d_<channel>` | mean contacts by the channel | 0 | 70 |
    | `last_delivered_per_1000` | contacts delivered in the last step, per 1,000 people of the segment | 0 | 100,000 |
    | `last_unsubscribes_per_1000` | of the contacts, those over which a channel was refused | 0 | 100,000 |
    | `last_complaints_per_1000` | those over which somebody complained | 0 | 100,000 |

    and for the base:

    | name | meaning | min | max |
    |---|---|---|---|
    | `unsubscribes_per_1000`, `complaints_per_1000` | the same two over all segments | 0 | 100,000 |
    | `over_cap_per_1000`, `blocked_per_1000` | contacts of the last step that a cap, or any rule, blocked | 0 | 100,000 |
    | `spent_cny_per_head` | what those delivered are expected to cost, CNY a cardholder | 0 | 10,000 |
    | `has_budget` | whether the scenario has one | 0 | 1 |
    | `budget_left` | what may be spent now, as a share of the whole budget; 1 where there is none | 0 | 1 |
    | `budget_left_cny_per_head` | the same in CNY a cardholder; 0 where there is none | 0 | 10,000 |
    | `contact_price_cny` | the arena's shadow price | 0 | 100 |
    | `days_left` | share of the horizon | 0 | 1 |
    | `weekday`, `month`, `is_festival`, `days_since_payday` | the calendar, over 6, 12, 1 and 31 | 0 | 1 |

    ## Rewards
    CNY a cardholder open on day 0: the sum of `info["reward_terms"]`, whose keys are `REWARD_TERMS` in every form. Days inside
    a step are discounted by `daily_discount`; the next step's reward stands `info["dt"]` days later.
    - `gross`: `spending`, `purchases`, `contact_cost`, `complaints` (late cases too) and `defaults` as they happened.
    - `attributed`: purchases within 14 days of a delivered contact of this campaign, whole, and `contact_cost`. Biased, as
      banks do it.
    - `paired`: `expected` margin and, less it, the silent `twin`'s, same people, same luck. Privileged: no bank can compute it.
    - `terminal`, on the last step: `info["terminal_value"]`, discounted.
    - `contact_price` is 0: the price steers the rule and is no money.

    ## Costs
    `info["costs"]`, what a bank sees in the step, per 1,000 cardholders open on day 0: `over_cap` (contacts that a frequency cap
    blocked), `unsubscribes`, `off_switches`, `complaints` (marketing), `blocked` (by any rule). What a contact of the burn-in
    causes is left out.

    ## Starting state
    `reset(seed=s)` begins in world s modulo their number, each further `reset()` in the next one; `options={"world": i}` picks
    one. The menu of `hard` is drawn from the seed and the episode's number.

    ## Episode end
    Never terminated: a base outlives its accounts. Truncated at the horizon, where `info["terminal_value"]` is what the base
    then brings in the run-out, CNY a cardholder open on day 0. A learner that sees it paid must not bootstrap there once
    more (Stable-Baselines3: `replay_buffer_kwargs={"handle_timeout_termination": False}`). With `terminal_value=False` it is
    neither paid nor told, and no run-out is played.

    ## Info
    `dt`, `day`, `reward_terms`, `costs`, `contacts` delivered and `spent_cny` in the step, and where it is paid
    `terminal_value`, zero but at the horizon.

    ## Vector version
    `gymnasium.make_vec` steps single environments, one after the other (`vectorization_mode="sync"`, the default) or one process
    each (`"async"`; give `vector_kwargs={"context": "spawn"}` where threads are running). There is no native one: each
    environment is a whole base, and its days are compiled loops over people already. A week of 2,000 cardholders takes 31 ms of
    one core, of which 8 ms are the same for any number of people: one kernel for several bases could save no more than
    these, a factor of 1.4 at best, where a second process has a second core.

    ## Version history
    - v0: first version.

    Attributes:
        world: the world of this episode, or None before the first reset.
        plan: the policy that plays it.
        codec: between actions and units.
        stocked: offers, channels and depths of the difficulty.
        menu: shape (offers of `stocked`,), whether the rule may send the offer in this episode.
        sink: takes the rows of the log of each step too, if it is set; a `RunLog` for one.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012 - Gymnasium's name and shape

    def __init__(
        self,
        worlds: Sequence[CampaignWorld],
        *,
        difficulty: str = "standard",
        held_out_offers: Sequence[str] = (),
        channels: Sequence[str] | None = None,
        decision_every: int = 7,
        horizon: int | None = None,
        reward: str = "gross",
        terminal_value: str | bool = True,
        run_out_days: int | None = None,
        daily_discount: float = DAILY_DISCOUNT,
        render_mode: str | None = None,
    ) -> None:
        """Lay out the spaces; see the class.

        Args:
            worlds: at day 0, burned in; episodes play forks of them.
            difficulty: `easy`, `standard` or `hard`; see `ActionCodec.of`.
            held_out_offers: names of offers that the rule never sends.
            channels: names of the channels to use; by default all that the difficulty has and that need no partner data.
            decision_every: days of a step.
            horizon: decision days of an episode; the scenario's by default.
            reward: form of the reward: `gross`, `attributed` or `paired`.
            terminal_value: whether the value of the run-out joins the reward, as the term `terminal`, where the horizon
                comes, and is told in `info`. Both arms are played on under the run-out policy, and the value is what they
                bring, realised or expected as the form is. `run_out` is another name for True.
            run_out_days: days of it; the scenario's by default.
            daily_discount: weight of a day over that of the day before.
            render_mode: `ansi` for a line a step, or None.

        Raises:
            UnknownNameError: an unknown form of reward, difficulty, offer, channel or render mode.
            CardArenaError: no world, or a number out of range.
            ValueError: no offer left.
        """
        if not worlds:
            raise CardArenaError("worlds: expected one or more, found none")
        if reward not in REWARD_FORMS:
            raise UnknownNameError("reward", reward, REWARD_FORMS)
        if terminal_value != "run_out" and not isinstance(terminal_value, bool):
            raise CardArenaError(
                f"terminal_value: expected True, 'run_out' or False, found {terminal_value!r}"
            )
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise UnknownNameError("render mode", render_mode, self.metadata["render_modes"])
        scenario = worlds[0].world.scenario
        self.worlds = tuple(worlds)
        self.decision_every = _at_least(1, "decision_every", decision_every)
        self.horizon = _at_least(1, "horizon", scenario.horizon.days if horizon is None else horizon)
        after = scenario.horizon.run_out_days if run_out_days is None else run_out_days
        self.adds_terminal = bool(terminal_value)
        self.run_out_days = _at_least(0, "run_out_days", after) if self.adds_terminal else 0
        if not 0.0 < daily_discount <= 1.0:
            raise CardArenaError(f"daily_discount: expected above 0 and at most 1, found {daily_discount}")
        self.reward_form, self.daily_discount, self.render_mode = reward, daily_discount, render_mode
        self.metadata = {**self.metadata, "is_privileged": reward == "paired"}
        self.stocked = ActionCodec.of(worlds[0].world.rules, _usable_channels(worlds[0].world), difficulty)
        self._stock = self.stocked.stock(scenario.catalogue().names, held_out_offers)
        self.menu = self._stock.copy()
        usable = [CHANNELS[code] for code in self.stocked.channels] if channels is None else channels
        self.codec = CampaignCodec(usable)
        self.view = CampaignView(self.codec.channels)
        self.action_space = spaces.Box(-1.0, 1.0, (self.codec.size,), np.float32)
        self.observation_space = spaces.Box(self.view.low, self.view.high, dtype=np.float32)
        self.world: World | None = None
        self.sink: Sink | None = None
        self._episode, self._offset = -1, None
        self._line = "not reset"

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the observation's entries."""
        return self.view.names

    @property
    def action_names(self) -> tuple[str, ...]:
        """Names of the action's entries."""
        return self.codec.names

    def truth(self) -> np.ndarray:
        """Return the latent records of everybody, PERSON, shape (n,), a copy; for analysis, not for an agent."""
        return self._playing().state.people.copy()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode in the next world; see the class.

        Raises:
            CardArenaError: an option other than `world`, or no such world.
        """
        super().reset(seed=seed)
        if seed is not None or self._offset is None:
            drawn = int(self.np_random.integers(len(self.worlds))) if seed is None else seed
            self._offset, self._episode = drawn % len(self.worlds), -1
        self._episode += 1
        self._at = self._chosen(options)
        self.base = self.worlds[self._at]
        self.world = self.base.world.fork()
        self._n_start = max(1, int(self.world.state.accounts["is_open"].sum()))
        self._budget = self.world.scenario.budget_mfen(self.world.n, self.horizon)
        silent = CampaignSettings.silent(len(self.codec.channels))
        self.plan = CampaignPlan(
            self.codec.channels,
            silent,
            self.decision_every,
            offers=self._drawn_offers(),
            n_depths=self.stocked.n_depths,
        )
        self.world.take_over(self.plan, self.horizon, budget_mfen=self._budget)
        self._ledger = CampaignLedger(self.world.n, self.sink, self._hear)
        self._counts = nothing_told()
        self._is_over = False
        self._line = f"world {self._at}, day 0 of {self.horizon}"
        return self._look(), self._info(0, dict.fromkeys(REWARD_TERMS, 0.0), 0.0)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, SupportsFloat, bool, bool, dict[str, Any]]:
        """Play one decision period under `action`.

        Raises:
            CardArenaError: an action of the wrong shape or not finite, or an episode that is over or has not begun.
        """
        world = self._playing()
        if self._is_over:
            raise CardArenaError("step: expected a reset first, found an episode that is over")
        self.plan.settings = self.codec.decode(action)
        first = world.day
        dt = min(self.decision_every, self.horizon - first)
        self._ledger.sink = self.sink
        self._ledger.begin()
        self._counts = nothing_told()
        world.play(self.plan, dt, sink=self._ledger, budget_mfen=self._budget, reset=False)
        self._is_over = world.day >= self.horizon
        terms = self._terms(self._ledger, self._twin(first, dt))
        value = self._terminal() if self._is_over else 0.0
        terms["terminal"] = self.daily_discount**dt * value
        reward = float(sum(terms.values()))
        observation, info = self._look(), self._info(dt, terms, value)
        self._line = self._told(info, reward)
        return observation, reward, False, self._is_over, info

    def render(self) -> str | None:
        """Return the last step in one line."""
        return self._line if self.render_mode == "ansi" else None

    # --- parts of a step

    def _playing(self) -> World:
        if self.world is None:
            raise CardArenaError("expected a reset first, found an environment that has no world yet")
        return self.world

    def _chosen(self, options: dict[str, Any] | None) -> int:
        unknown = set(options or {}) - {"world"}
        if unknown:
            raise CardArenaError(f"reset: expected the option 'world', found {sorted(unknown)}")
        if not options:
            assert self._offset is not None
            return (self._offset + self._episode) % len(self.worlds)
        chosen = options["world"]
        if isinstance(chosen, bool) or chosen not in range(len(self.worlds)):
            raise CardArenaError(
                f"reset: option 'world': expected 0 to {len(self.worlds) - 1}, found {chosen!r}"
            )
        return int(chosen)

    def _drawn_offers(self) -> Ints:
        """Draw the episode's menu, as a journey of this seed and number has it; return the codes on it."""
        seed = np.uint64(int(self.np_random_seed or 0) & (2**64 - 1))
        draw_menu(seed, self._episode, self.stocked.is_halved, self._stock, self.menu)
        return self.stocked.offers[self.menu == 1]

    def _look(self) -> np.ndarray:
        world = self._playing()
        names = self.view.features
        columns = feature_columns(
            world.state.accounts, world.order, world.today(world.day), names, world.threads
        )
        seen, self._segment = self.view.look(
            dict(zip(names, columns, strict=True)).__getitem__,
            self._counts,
            n_start=self._n_start,
            days_left=(self.horizon - world.day) / self.horizon,
            budget_mfen=self._budget,
            budget_left_mfen=budget_left(world.state, world.rules, self._budget),
            price_mfen=world.state.price_mfen,
        )
        return seen

    def _hear(self, rows: np.ndarray) -> None:
        """Take in what the arena would tell a policy of a day."""
        world = self._playing()
        is_personal = world.state.accounts["personalisation_on"] == 1
        heard = make_feedback(rows, world.view_id, is_personal)
        take_in(self._counts, heard, self._segment, self.plan.market)

    def _twin(self, first: int, days: int) -> list[int]:
        """Return what the silent twin is expected to bring on these days, or nothing where no form asks for it."""
        if self.reward_form != "paired":
            return []
        return self.base.silent(self.horizon, self.run_out_days)[first : first + days]

    def _sum(self, daily: Sequence[int]) -> float:
        return discounted(daily, self.daily_discount) * _CNY_PER_MFEN / self._n_start

    def _terms(self, ledger: CampaignLedger, twin: Sequence[int]) -> dict[str, float]:
        terms = dict.fromkeys(REWARD_TERMS, 0.0)
        if self.reward_form == "gross":
            for name in REALISED_TERMS:
                terms[name] = self._sum(ledger.terms[name])
        elif self.reward_form == "attributed":
            terms["attributed"] = self._sum(ledger.attributed)
            terms["contact_cost"] = self._sum(ledger.terms["contact_cost"])
        else:
            terms["expected"] = self._sum(ledger.expected)
            terms["twin"] = -self._sum(twin)
        return terms

    def _terminal(self) -> float:
        """Return what the run-out brings, seen from its first day."""
        if not self.run_out_days:
            return 0.0
        world = self._playing().fork()
        day = world.day
        ledger = self.base.run_out(world, self.run_out_days)
        if self.reward_form == "paired":
            twin = self._twin(day, self.run_out_days)
            return self._sum(ledger.expected) - self._sum(twin)
        return sum(self._sum(ledger.terms[name]) for name in REALISED_TERMS)

    def _info(self, dt: int, terms: dict[str, float], value: float) -> dict[str, Any]:
        world, ledger = self._playing(), self._ledger
        info = {
            "dt": dt,
            "day": world.day,
            "reward_terms": terms,
            "costs": {name: 1000.0 * ledger.costs[name] / self._n_start for name in COSTS},
            "contacts": ledger.delivered,
            "spent_cny": ledger.spent_mfen * _CNY_PER_MFEN,
        }
        return {**info, "terminal_value": value} if self.adds_terminal else info

    def _told(self, info: dict[str, Any], reward: float) -> str:
        left = (
            ""
            if self._budget < 0
            else f", {self._playing().state.spent_mfen / max(1, self._budget):.0%} spent"
        )
        return (
            f"world {self._at}, day {info['day']} of {self.horizon}: {info['contacts']} contacts for "
            f"{info['spent_cny']:.2f} CNY{left}, reward {reward:+.4f} CNY/head, {self._ledger.costs['unsubscribes']} "
            f"unsubscribed, {self._ledger.costs['complaints']} complained"
        )


def _usable_channels(world: World) -> Bools:
    """Return which channels the scenario has and need no partner data, shape (channels,)."""
    return world.scenario.enabled_channels() & (world.rules.channels["needs_partner_consent"] == 0)


def _at_least(low: int, name: str, value: int) -> int:
    if isinstance(value, bool) or int(value) != value or value < low:
        raise CardArenaError(f"{name}: expected a whole number from {low} on, found {value!r}")
    return int(value)
