"""Training at a tiny scale: determinism, resuming exactly, what is written, and the pieces that a trainer hangs on."""

import csv
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.fakes.agents.small_training import SMALL, equal, lanes_of, settings_of, weights

from cardarena.agents.registry import make_policy
from cardarena.agents.rl.card import Observation
from cardarena.agents.rl.evaluation import worth_of
from cardarena.agents.rl.folder import CURVE, read_agent
from cardarena.agents.rl.settings import AGENTS, TrainingSettings
from cardarena.agents.rl.training import CHECKPOINT, PROGRESS, train
from cardarena.simulator.envs.actions import ActionCodec
from cardarena.simulator.envs.journeys import COLUMNS
from cardarena.simulator.errors import CardArenaError, ResultsError, UnknownNameError
from cardarena.simulator.world import World

pytestmark = pytest.mark.rl
torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")


@pytest.mark.parametrize("agent", AGENTS)
def test_every_agent_trains_resumes_exactly_and_plays(tmp_path: Path, agent: str) -> None:
    settings = settings_of(agent)
    train(settings, tmp_path / "whole")
    train(settings, tmp_path / "parts", stop_after=1)
    assert (tmp_path / "parts" / CHECKPOINT).exists()
    train(settings, tmp_path / "parts", resume=True)
    assert equal(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    timeless = [
        [",".join(cells.split(",")[:1] + cells.split(",")[2:]) for cells in path.read_text().splitlines()]
        for path in (tmp_path / "whole" / CURVE, tmp_path / "parts" / CURVE)
    ]
    assert timeless[0] == timeless[1]
    assert len(timeless[0]) == 4
    best = max(timeless[0][1:], key=lambda line: float(line.split(",")[1])).split(",")
    is_greedy = float(best[timeless[0][0].split(",").index("is_greedy")])
    assert read_agent(tmp_path / "whole").card.actions.choice == ("greedy" if is_greedy else "sampled")
    assert not (tmp_path / "whole" / CHECKPOINT).exists()
    assert not (tmp_path / "whole" / PROGRESS).exists()
    log = World.create("baseline", 1, n_cardholders=40, threads=1).run(
        make_policy(str(tmp_path / "whole")), days=3
    )
    assert log["contacts"] is not None


def bases_of(**arguments: Any) -> Any:
    from tests.fakes.small_campaigns import campaign_worlds, small_campaign

    from cardarena.agents.rl.sb3.bases import Bases, campaign_columns

    worlds = campaign_worlds(n=60)
    envs = [small_campaign(worlds, **{"terminal_value": False, **arguments}) for _ in range(2)]
    return Bases(
        envs, Observation(columns=campaign_columns(envs[0].feature_names, sees_end=False)), bootstraps=True
    )


def test_bases_are_the_environment_encoded_episode_by_episode() -> None:
    from tests.fakes.small_campaigns import campaign_worlds, small_campaign

    from cardarena.agents.rl.encoding import Encoder

    bases = bases_of()
    bases.warm_up(3)
    assert "days_left" not in [column.name for column in bases.observation.columns]
    twins = [small_campaign(campaign_worlds(n=60), terminal_value=False) for _ in range(2)]
    encoder = Encoder(bases.observation, twins[0].feature_names)
    inputs = bases.begin(5)
    rows = np.stack([env.reset(seed=5 + i)[0] for i, env in enumerate(twins)])
    rng = np.random.Generator(np.random.Philox(4))
    for number in range(1, 2 * bases.episode + 1):
        np.testing.assert_array_equal(inputs, encoder(rows))
        actions = rng.uniform(-1, 1, (2, twins[0].codec.size)).astype(np.float32)
        inputs, rewards, ends, infos = bases.step(actions)
        told = [env.step(action) for env, action in zip(twins, actions, strict=True)]
        np.testing.assert_allclose(rewards, [step[1] / bases.reward_scale for step in told], rtol=1e-5)
        assert ends.tolist() == [number % bases.episode == 0] * 2
        rows = np.stack([step[0] for step in told])
        if ends.all():
            for i in range(2):
                np.testing.assert_array_equal(infos[i]["terminal_observation"], encoder(rows)[i])
                assert infos[i]["TimeLimit.truncated"]
            rows = np.stack([env.reset()[0] for env in twins])


def test_a_campaign_begins_as_a_modest_plan(tmp_path: Path) -> None:
    from cardarena.agents.rl.campaign import Actor
    from cardarena.agents.rl.sb3.sac import Sac
    from cardarena.simulator.envs.campaign_plan import CampaignCodec

    train(settings_of("sac", steps=1, learning_rate=1e-30, prior=0.25), tmp_path)
    agent = read_agent(tmp_path)
    card = agent.card
    rng = np.random.Generator(np.random.Philox(6))
    observation = rng.normal(0.0, 1.0, (len(card.observation.columns) + 1)).astype(np.float32)
    plan = CampaignCodec(card.actions.channels).decode(Actor(agent)(observation))
    np.testing.assert_allclose(plan.intensity, 0.25, atol=0.05)
    assert set(plan.cap_a_week.tolist()) == {Sac.CAP}
    assert plan.threshold == pytest.approx(Sac.THRESHOLD, abs=0.05)
    assert plan.price_cny == pytest.approx(Sac.PRICE_CNY, rel=0.2)
    assert card.actions.form == "campaign"


class Asked:
    """Settings that note which of them are asked for."""

    def __init__(self, settings: TrainingSettings) -> None:
        self.settings, self.names = settings, set[str]()

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        return getattr(self.settings, name)


@pytest.mark.parametrize("agent", AGENTS)
def test_every_setting_is_asked_for_in_training_or_refused(agent: str, tmp_path: Path) -> None:
    from cardarena.agents.rl.training import _Course

    settings = settings_of(agent)
    asked: Any = Asked(settings)
    course = _Course(asked, tmp_path, agent, "")
    course.chunk()
    assert course.reason is None
    choice = course.ground.choices[0]
    names = set(asked.names)
    # The card is written of settings without being made by them.
    judged = course._agent(choice)
    asked.names = names
    course.ground.worth(judged)
    unused = set(AGENTS[agent].unused)
    # A rate that falls is told to every learner, whether it learns by rates or not.
    assert {field.name for field in fields(settings)} - asked.names == unused - {"learning_rate"}
    assert not unused & set(judged.card.training.settings)
    for name in unused:
        with pytest.raises(CardArenaError, match=f"{name}: expected none for '{agent}'"):
            TrainingSettings.of(agent, **{name: getattr(settings, name)})


def test_a_campaign_has_no_sampled_form() -> None:
    with pytest.raises(CardArenaError, match="expected 'greedy' of a campaign, found 'sampled'"):
        TrainingSettings.of("sac", choice="sampled")


@pytest.mark.parametrize(("agent", "steps"), [("maskable_ppo", 128), ("sac", 120)])
def test_another_seed_learns_otherwise(tmp_path: Path, agent: str, steps: int) -> None:
    for seed in (0, 1):
        train(settings_of(agent, steps=steps, seed=seed), tmp_path / str(seed))
    assert not equal(weights(tmp_path / "0"), weights(tmp_path / "1"))


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    train(settings_of(), tmp_path, stop_after=1)
    with pytest.raises(ResultsError, match="begun with other settings: gamma_per_day"):
        train(settings_of(gamma_per_day=0.5), tmp_path, resume=True)
    content = bytearray((tmp_path / CHECKPOINT).read_bytes())
    content[-1] ^= 1
    (tmp_path / CHECKPOINT).write_bytes(bytes(content))
    with pytest.raises(ResultsError, match="expected the checkpoint that"):
        train(settings_of(), tmp_path, resume=True)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ResultsError, match=r"expected a new or empty folder, found 'notes\.txt'"):
        train(settings_of(), tmp_path)


def test_training_ends_when_nothing_gets_better(tmp_path: Path) -> None:
    finished = train(settings_of(learning_rate=1e-30, steps=10_000, patience=2), tmp_path)
    assert finished.reason == "no better in 2 evaluations"
    assert finished.steps == 3 * 128


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"world_seeds": (3,)}, CardArenaError, "expected 1001 or more"),
        ({"evaluation_seeds": (1001,)}, CardArenaError, "found 1001 in both"),
        ({"gamma_per_day": 1.5}, CardArenaError, "expected 0 to 1"),
        ({"lanes": 0}, CardArenaError, "lanes: expected 1 or more"),
        ({"terminal": "boot"}, UnknownNameError, "did you mean 'bootstrap'"),
        ({"observe": "beleifs"}, UnknownNameError, "did you mean 'beliefs'"),
        ({"scenarios": ("baseline", "baseline")}, CardArenaError, "each once, found baseline, baseline"),
        ({"contact_price_cny": (2.0, 1.0)}, CardArenaError, "the lower first, found 2,1"),
        ({"world_seeds": (1001, 1002, 1001)}, CardArenaError, "each once, found 1001, 1002, 1001"),
        ({"evaluation_seeds": (9001, 9001)}, CardArenaError, "each once, found 9001, 9001"),
        ({"reward": "atributed"}, UnknownNameError, "did you mean 'attributed'"),
        ({"difficulty": "esay"}, UnknownNameError, "did you mean 'easy'"),
        ({"learning_rate": 0.0}, CardArenaError, "learning_rate: expected more than 0, found 0"),
        ({"learning_rate": float("nan")}, CardArenaError, "learning_rate: expected more than 0, found nan"),
        ({"entropy": -0.1}, CardArenaError, "entropy: expected 0 or more, found -0.1"),
        ({"agent": "ppo_lagrangian", "harm_limit": -1.0}, CardArenaError, "harm_limit: expected 0 or more"),
        ({"prior": 0.0}, CardArenaError, "prior: expected a chance above 0 and below 1, found 0"),
        ({"prior": 1.0}, CardArenaError, "prior: expected a chance above 0 and below 1, found 1"),
        ({"agent": "sac", "prior": 1.1}, CardArenaError, "prior: expected 0 to 1, found 1.1"),
        ({"agent": "cql", "reward": "paired"}, CardArenaError, "'gross' or 'attributed' of 'cql'"),
        ({"agent": "fqi", "reward": "paired"}, CardArenaError, "'gross' or 'attributed' of 'fqi'"),
    ],
)
def test_wrong_settings_are_refused(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        settings_of(**changes)


def test_a_campaign_may_begin_with_no_or_full_intensity() -> None:
    assert [settings_of("sac", prior=prior).prior for prior in (0.0, 1.0)] == [0.0, 1.0]


def test_an_unknown_agent_and_a_ranked_world_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'ppo'"):
        TrainingSettings.of("pppo")
    with pytest.raises(CardArenaError, match="found one of the test worlds"):
        train(settings_of(world="test_01"), tmp_path)


def test_lanes_are_the_environment_encoded_and_out_of_step() -> None:
    from cardarena.agents.environments import make_pool
    from cardarena.agents.rl.encoding import Encoder
    from cardarena.agents.rl.sb3.lanes import prior_actions
    from cardarena.simulator.envs.shell import Shell

    lanes = lanes_of()
    lanes.warm_up(3)
    days = lanes.shells[0].journeys.slots.journey["day"].copy()
    assert len(set(days.tolist())) > 3
    twin = Shell(
        make_pool("baseline", n_cardholders=40, world_seeds=(1001,)), 12, offer_features=False, horizon=10
    )
    for name in twin.journeys.slots._fields:
        getattr(twin.journeys.slots, name)[...] = getattr(lanes.shells[0].journeys.slots, name)
    encoder = Encoder(lanes.observation, COLUMNS)
    rng = np.random.Generator(np.random.Philox(4))
    ended = 0
    for _ in range(12):
        mask = np.asarray(lanes.action_masks())
        actions = prior_actions(lanes.codec, mask.astype(np.int8), rng.random((12, 4)), 0.3)
        inputs, rewards, ends, infos = lanes.step(actions)
        out = twin.journeys.step(actions)
        np.testing.assert_allclose(rewards, out.terms.sum(axis=0) / lanes.reward_scale, rtol=1e-5)
        over = out.terminated | out.truncated
        assert np.array_equal(ends, over)
        for i in np.flatnonzero(over):
            np.testing.assert_array_equal(infos[i]["terminal_observation"], encoder(out.observation)[i])
            assert infos[i]["TimeLimit.truncated"] == bool(out.truncated[i])
        assert all(not infos[i] for i in np.flatnonzero(~over))
        ended += int(over.sum())
        if over.any():
            twin.journeys.reset(over, into=out)
        np.testing.assert_array_equal(inputs, encoder(out.observation))
    assert ended >= 12


def test_frames_begin_anew_with_an_episode() -> None:
    lanes = lanes_of(frames=3)
    lanes.warm_up(3)
    width = lanes._sight.width
    for _ in range(11):
        before = lanes.reset()
        inputs, _, ends, _ = lanes.step(np.zeros((12, 4), dtype=np.int64))
        assert (inputs[ends, : 2 * width] == 0.0).all()
        assert np.array_equal(inputs[~ends, : 2 * width], before[~ends, width:])


def test_inputs_are_scaled_by_what_the_prior_meets() -> None:
    lanes = lanes_of()
    lanes.warm_up(3)
    names = [column.name for column in lanes.observation.columns]
    assert "days_left" not in names
    assert "contact_price" not in names
    age = lanes.observation.columns[names.index("age")]
    assert 20.0 < age.mean < 60.0
    assert 3.0 < age.scale < 20.0


def test_a_contact_counts_its_parts_and_nothing_does_not() -> None:
    from cardarena.agents.rl.sb3.heads import Hierarchical

    sizes = [2, 3, 2, 2]
    rng = np.random.Generator(np.random.Philox(5))
    logits = torch.as_tensor(rng.normal(size=(1, 9)), dtype=torch.float64)
    dist = Hierarchical(sizes).proba_distribution(logits)
    probability, entropy = 0.0, 0.0
    for offer in range(3):
        for channel in range(2):
            for depth in range(2):
                p = float(dist.log_prob(torch.tensor([[1, offer, channel, depth]])).exp())
                probability, entropy = probability + p, entropy - p * np.log(p)
    nothing = [float(dist.log_prob(torch.tensor([[0, o, c, 0]])).exp()) for o in range(3) for c in range(2)]
    assert len({round(p, 12) for p in nothing}) == 1
    assert probability + nothing[0] == pytest.approx(1.0)
    assert float(dist.entropy()) == pytest.approx(entropy - nothing[0] * np.log(nothing[0]))


@pytest.mark.parametrize("reward", ["paired", "gross"])
def test_the_card_counts_what_was_simulated(tmp_path: Path, reward: str) -> None:
    finished = train(settings_of(reward=reward, decision_every=2), tmp_path)
    spent = read_agent(tmp_path).card.training
    evaluations = (tmp_path / CURVE).read_text().count("\n") - 1
    # 10 days and 180 of run-out, of greedy and sampled agents, with a twin; in learning the twin comes with the reward.
    judged = evaluations * 2 * SMALL["evaluated"] * (10 + 180) * 2
    # Every lane warms up for an episode.
    learned = SMALL["lanes"] * 10 + finished.steps * 2
    assert spent.cardholder_days == learned * (2 if reward == "paired" else 1) + judged
    assert spent.trials == 1


def test_an_actor_begins_as_the_prior(tmp_path: Path) -> None:
    train(settings_of(steps=16, evaluate_every=16, rollout=1, batches=1, learning_rate=1e-30), tmp_path)
    agent = read_agent(tmp_path)
    rng = np.random.Generator(np.random.Philox(6))
    x = rng.normal(size=(500, agent.card.inputs)).astype(np.float32)
    outputs, _ = agent.network()(x, np.zeros((500, 0), dtype=np.float32))
    chance = 1.0 / (1.0 + np.exp(outputs[:, 0] - outputs[:, 1]))
    assert chance.mean() == pytest.approx(0.3, abs=0.01)
    assert chance.std() < 0.02


def test_the_price_of_harm_rises_above_the_limit_and_falls_below_it() -> None:
    from cardarena.agents.rl.sb3.online import LagrangianPpo

    learner = LagrangianPpo(settings_of("ppo_lagrangian", harm_limit=10.0), lanes_of())
    lanes = learner.lanes
    lanes.harm, lanes.harm_days = 30, 30_000  # 30 in 1,000 people and 30 days
    learner.move_price()
    assert lanes.harm_price == pytest.approx(20.0 * LagrangianPpo.RATE)
    lanes.harm, lanes.harm_days = 0, 30_000
    learner.move_price()
    assert lanes.harm_price == pytest.approx(10.0 * LagrangianPpo.RATE)


def test_moving_the_price_leaves_the_curve_its_counts(tmp_path: Path) -> None:
    rows = []
    for agent in ("ppo_lagrangian", "maskable_ppo"):
        # A limit that is never reached: the price stays at nought, and both learn the same.
        limit = {"harm_limit": 1e9} if agent == "ppo_lagrangian" else {}
        train(settings_of(agent, **limit), tmp_path / agent)
        with (tmp_path / agent / CURVE).open() as file:
            rows.append([row["training_cny_a_day"] for row in csv.DictReader(file)])
    assert rows[0] == rows[1]
    assert all(float(value) != 0.0 for value in rows[0])


def test_harm_is_charged_at_its_price() -> None:
    from cardarena.agents.rl.sb3.lanes import HARM

    plain, charged = lanes_of(), lanes_of()
    for lanes in (plain, charged):
        lanes.warm_up(3)
    charged.harm_price = 1000.0
    rng = np.random.Generator(np.random.Philox(7))
    total = 0
    for _ in range(200):
        actions = np.stack([rng.integers(0, size, 12) for size in plain.codec.sizes], axis=1)
        actions[:, 0] = 1
        before = plain.harm
        a, b = plain.step(actions)[1], charged.step(actions)[1]
        harm = plain.harm - before
        total += harm
        assert (a - b).sum() * plain.reward_scale == pytest.approx(1000.0 * harm, rel=1e-4, abs=1e-2)
    assert HARM.sum() == 3
    assert total > 0


@pytest.mark.parametrize("choice", ["greedy", "sampled"])
def test_a_choice_that_is_given_is_kept(tmp_path: Path, choice: str) -> None:
    train(settings_of(steps=128, choice=choice), tmp_path)
    assert read_agent(tmp_path).card.actions.choice == choice


def test_doing_nothing_is_worth_nothing(tmp_path: Path) -> None:
    from cardarena.agents.environments import make_pool

    train(settings_of(steps=128), tmp_path)
    agent = read_agent(tmp_path)
    quiet = dict(agent.tensors)
    quiet["output.bias"] = quiet["output.bias"].copy()
    quiet["output.bias"][:2] = 100.0, -100.0
    pool = make_pool("baseline", n_cardholders=40, world_seeds=(9001,), days=30)
    worth = worth_of(replace(agent, tensors=quiet), pool, n=8, seed=1, days=10, run_out_days=20)
    assert (worth.value_cny, worth.contacts, worth.blocked) == (0.0, 0.0, 0.0)


def test_prior_actions_keep_the_mask() -> None:
    codec = ActionCodec(offers=np.arange(3), channels=np.arange(2), n_depths=2)
    from cardarena.agents.rl.sb3.lanes import prior_actions

    rng = np.random.Generator(np.random.Philox(8))
    masks = (rng.random((5000, codec.n_mask)) < 0.6).astype(np.int8)
    masks[:, 0] = 1
    actions = prior_actions(codec, masks, rng.random((5000, 4)), 0.3)
    sent = actions[:, 0] == 1
    assert sent[masks[:, 1] == 1].mean() == pytest.approx(0.3, abs=0.03)
    assert not sent[masks[:, 1] == 0].any()
    first = 2
    for part, size in enumerate(codec.sizes[1:], start=1):
        is_open = masks[:, first : first + size]
        some = is_open.any(axis=1)
        assert is_open[np.arange(5000), actions[:, part]][some].all()
        first += size


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--price", "cheap"), "--price: expected HIGH or LOW,HIGH in CNY, found 'cheap'"),
        (("--price", "2,1"), "the lower first, found 2,1"),
        (("--observe", "beleifs"), "did you mean 'beliefs'"),
        (("--scenario", "baseline", "--scenario", "baseline"), "each once"),
    ],
)
def test_the_command_line_says_what_is_wrong(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    from cardarena.benchmarks import cli

    with pytest.raises(SystemExit):
        cli.main(["train", "maskable_ppo", *words])
    assert message in " ".join(capsys.readouterr().err.split())


def test_the_command_line_asks_for_a_sight_in_two_scenarios_at_a_price(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cardarena.agents.rl import training
    from cardarena.benchmarks import cli

    asked: list[TrainingSettings] = []

    def noted(settings: TrainingSettings, *_: Any, **__: Any) -> Any:
        asked.append(settings)
        raise CardArenaError("noted")

    monkeypatch.setattr(training, "train", noted)
    words = [
        "train",
        "maskable_ppo",
        "--scenario",
        "baseline",
        "--scenario",
        "tight_budget",
        "--price",
        "0.5",
    ]
    for price in (["--observe", "full_state"], ["--price", "0.1,2"]):
        with pytest.raises(SystemExit):
            cli.main([*words, *price, "--out", str(tmp_path / "mine")])
    assert [s.scenarios for s in asked] == [("baseline", "tight_budget")] * 2
    assert [s.contact_price_cny for s in asked] == [(0.0, 0.5), (0.1, 2.0)]
    assert [s.observe for s in asked] == ["full_state", "observables"]


def test_the_best_agent_is_one_that_keeps_its_limit_of_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values and harm of three evaluations: the second is worth most, and over the limit."""
    from cardarena.agents.rl.evaluation import Worth
    from cardarena.agents.rl.sb3.grounds import JourneyGround

    def script(*harms: float) -> None:
        told = iter([Worth(v, 0.1, 1.0, h, 0.0) for v, h in zip((1.0, 9.0, 5.0), harms, strict=True)])
        monkeypatch.setattr(JourneyGround, "worth", lambda *_: next(told))

    limited = settings_of("ppo_lagrangian", harm_limit=3.0, choice="greedy")
    script(1.0, 4.0, 2.0)
    finished = train(limited, tmp_path / "limited")
    assert (finished.worth.value_cny, finished.agent.card.training.steps) == (5.0, 384)
    script(1.0, 4.0, 2.0)
    assert train(settings_of(choice="greedy"), tmp_path / "free").worth.value_cny == 9.0
    script(4.0, 5.0, 6.0)
    with pytest.raises(ResultsError, match=r"within the limit of harm, 3 per 1,000 .* the least being 4\.0"):
        train(limited, tmp_path / "none")
