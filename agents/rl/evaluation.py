"""What a trained agent is worth to people whom it never met: played with NumPy on paired journeys, run-out included."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from cardarena.agents.base import one_thread
from cardarena.agents.rl.arms import choice_of
from cardarena.agents.rl.campaign import TrainedCampaign
from cardarena.agents.rl.card import DAYS_LEFT
from cardarena.agents.rl.folder import TrainedAgent
from cardarena.agents.rl.hidden import HIDDEN_COLUMNS, hidden_columns
from cardarena.agents.rl.sight import Sight
from cardarena.simulator.contracts import Bools, Ints
from cardarena.simulator.envs.campaign import CampaignWorld
from cardarena.simulator.envs.campaign_ledger import CampaignLedger, discounted
from cardarena.simulator.envs.journeys import COLUMNS, DAILY_DISCOUNT, Journeys
from cardarena.simulator.envs.pool import Pool
from cardarena.simulator.envs.rewards import COSTS

_HARM = np.array([name in ("unsubscribes", "off_switches", "complaints") for name in COSTS])
_LEFT = COLUMNS.index(DAYS_LEFT)


@dataclass(frozen=True)
class Worth:
    """What came of an evaluation.

    Attributes:
        value_cny: expected margin a person beyond a silent twin's, discounted, over decision days and run-out; less the price
            of contacts, where the agent was trained with one, drawn as in training.
        error_cny: its standard error.
        contacts: contacts asked for in 30 days, a person.
        harm: refusals, off-switches and complaints in 1,000 people and 30 days.
        blocked: share of the contacts asked for that the rules stopped.
    """

    value_cny: float
    error_cny: float
    contacts: float
    harm: float
    blocked: float

    @classmethod
    def mean(cls, found: "Sequence[Worth]") -> "Worth":
        """Return the mean over scenarios, each with the same weight."""
        values = np.array([astuple(worth) for worth in found])
        means = values.mean(axis=0).tolist()
        error = float(np.sqrt((values[:, 1] ** 2).sum()) / len(found))
        return cls(means[0], error, *means[2:])


def worth_of(
    agent: TrainedAgent,
    pool: Pool,
    *,
    n: int,
    seed: int,
    days: int,
    run_out_days: int,
    difficulty: str = "standard",
) -> Worth:
    """Play an agent for `days`, then let people alone for `run_out_days`, beside twins who are never contacted.

    Args:
        agent: the agent.
        pool: people whom it never met, of a calendar that reaches so far.
        n: journeys.
        seed: of the journeys; the same for every agent that is compared.
        days: decision days.
        run_out_days: days without contacts after them.
        difficulty: of the environment that the agent was trained in.
    """
    every = agent.card.training.decision_every
    journeys = Journeys(
        pool,
        n,
        horizon=days + run_out_days,
        decision_every=every,
        reward="paired",
        difficulty=difficulty,
        contact_price=agent.card.training.contact_price_cny,
    )
    journeys.seed([seed * n + i for i in range(n)])
    out = journeys.reset()
    luck = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 2])))
    is_privileged = agent.card.is_privileged
    columns = (*COLUMNS, *HIDDEN_COLUMNS) if is_privileged else COLUMNS
    sight, network = Sight(agent.card.observation, columns, agent.tensors), agent.network()
    kept = sight.nothing(n)
    state = np.zeros((n, network.state_size), dtype=np.float32)
    total, alive = np.zeros(n), np.ones(n, dtype=np.bool_)
    asked = blocked = harm = lived = 0
    with one_thread():
        for day in range(0, days + run_out_days, every):
            actions = np.zeros((n, 4), dtype=np.int64)
            if day < days:
                rows = out.observation.copy()
                rows[:, _LEFT] = 1.0 - day / days
                if is_privileged:
                    rows = np.concatenate([rows, hidden_columns(journeys.slots.people[:n])], axis=1)
                inputs, kept = sight(rows, kept)
                outputs, state = network(inputs, state)
                who = np.flatnonzero(alive)
                choice = choice_of(
                    agent.card.actions,
                    outputs[who],
                    who,
                    luck.random((3, n))[:, who] if agent.card.actions.choice == "sampled" else None,
                    0.0,
                    _Masks(out.mask, journeys.codec.sizes),
                )
                actions[choice.who, 0] = 1
                actions[choice.who, 1] = choice.offer
                actions[choice.who, 2] = choice.channel
                # The mask says which depths are open to the person; a deeper wish is lowered, as the arena does it.
                actions[choice.who, 3] = _lowered(out.mask[choice.who], choice.depth)
                asked += len(choice.who)
                lived += int(alive.sum()) * every
            out = journeys.step(actions)
            total += np.where(alive, out.terms.sum(axis=0), 0.0) * DAILY_DISCOUNT**day
            if day < days:
                blocked += int(out.costs[COSTS.index("blocked"), alive].sum())
                harm += int(out.costs[_HARM][:, alive].sum())
            alive &= ~(out.terminated | out.truncated)
    months = max(1, lived) / 30.0
    return Worth(
        value_cny=float(total.mean()),
        error_cny=float(total.std() / np.sqrt(n)),
        contacts=asked / months,
        harm=1000.0 * harm / months,
        blocked=blocked / max(1, asked),
    )


def campaign_worth(
    agent: TrainedAgent, bases: Sequence[CampaignWorld], *, days: int, run_out_days: int
) -> Worth:
    """Play an agent of the campaign for `days` in each world as the arena does, then the run-out, beside silent twins.

    The standard error is over worlds: NaN for one.

    Args:
        agent: the agent.
        bases: worlds that it never met.
        days: decision days.
        run_out_days: days after them, under the run-out's policy in both arms.
    """
    values: list[float] = []
    asked = blocked = harm = months = 0.0
    for base in bases:
        world, ledger = base.world.fork(), CampaignLedger(base.world.n)
        n_start = max(1, int(world.state.accounts["is_open"].sum()))
        budget = world.scenario.budget_mfen(world.n, days)
        world.play(TrainedCampaign(agent), days, sink=ledger, budget_mfen=budget)
        expected = ledger.expected + base.run_out(world, run_out_days).expected
        gains = np.subtract(expected, base.silent(days, run_out_days))
        values.append(discounted(gains.tolist(), DAILY_DISCOUNT) * 1e-5 / n_start)
        asked += ledger.delivered + ledger.costs["blocked"]
        blocked += ledger.costs["blocked"]
        harm += sum(ledger.costs[name] for name in ("unsubscribes", "off_switches", "complaints"))
        months += n_start * days / 30.0
    return Worth(
        value_cny=float(np.mean(values)),
        error_cny=float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan"),
        contacts=asked / months,
        harm=1000.0 * harm / months,
        blocked=blocked / max(1.0, asked),
    )


class _Masks:
    """What an environment's mask says of pairs: every open offer by every open channel."""

    def __init__(self, mask: np.ndarray, sizes: tuple[int, int, int, int]) -> None:
        _, offers, channels, _ = sizes
        self._offer = mask[:, 2 : 2 + offers] > 0
        self._channel = mask[:, 2 + offers : 2 + offers + channels] > 0
        self._depth = mask[:, 2 + offers + channels :] > 0

    def __call__(self, who: Ints, depth: int) -> Bools:
        return (
            self._offer[who][:, :, None]
            & self._channel[who][:, None, :]
            & self._depth[who, depth, None, None]
        )


def _lowered(mask: np.ndarray, depth: Ints) -> Ints:
    """Return the deepest open depth up to the one wished for."""
    n_depths = int(depth.max(initial=0)) + 1
    is_open = mask[:, mask.shape[1] - 3 :] if n_depths > 1 else np.ones((len(mask), 1))
    out = np.zeros(len(depth), dtype=np.int64)
    for level in range(1, n_depths):
        out = np.where((depth >= level) & (is_open[:, level] > 0), level, out)
    return out
