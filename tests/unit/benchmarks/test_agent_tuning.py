"""Tuning an agent: a trial is a training, the best setting is trained to its full length, and all of it is counted."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.agents.small_training import SMALL, equal, weights

from cardarena.agents.registry import make_policy
from cardarena.agents.rl.folder import CARD, CURVE, PROGRESS, TRIALS, read_agent
from cardarena.agents.rl.settings import AGENTS, TrainingSettings
from cardarena.benchmarks.arena.entries import make_plan
from cardarena.benchmarks.tuning import Case, TuningSettings, WorldLaboratory, tune
from cardarena.benchmarks.tuning_subjects import CHOSEN_IN, TRIALS_FOLDER, Subject
from cardarena.simulator.errors import CardArenaError, PolicyError

pytestmark = pytest.mark.rl
pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

SETTINGS = TuningSettings(
    policy="maskable_ppo",
    trials=3,
    seed=1,
    world_seeds=(1001,),
    cardholders=40,
    steps=128,
    final_steps=256,
    training={
        name: SMALL[name]
        for name in SMALL
        if name not in ("steps", "prior", "decision_every", "cardholders", "world_seeds")
    },
)
#: Of a run of the scenario, its run-out included.
DAYS = 270


class Interrupted(WorldLaboratory):
    """Is interrupted after so many runs."""

    left = 0

    def play(self, case: Case, values: Any) -> Any:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return super().play(case, values)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / TRIALS).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuned")
    tune(SETTINGS, folder, name="mine", command="cardarena tune maskable_ppo")
    return folder


def test_the_folder_is_the_best_setting_trained_to_its_full_length(tuned: Path) -> None:
    agent, rows = read_agent(tuned), rows_of(tuned)
    last = [row for row in rows if row["trial"] == "3"]
    assert [int(row["seed"]) for row in last] == list(CHOSEN_IN)
    trained = agent.card.training
    assert (trained.trials, trained.command) == (3, "cardarena tune maskable_ppo")
    with (tuned / CURVE).open(encoding="utf-8", newline="") as file:
        assert [row["steps"] for row in csv.DictReader(file)] == ["128", "256"]
    assert trained.gamma_per_day == float(last[0]["gamma_per_day"])
    assert trained.decision_every == float(last[0]["decision_every"])
    assert trained.settings["trial_steps"] == "128"
    means = {
        t: sum(float(row["inv_cny"]) for row in rows if row["trial"] == t) / 3
        for t in ("0", "1", "2")
        if sum(row["trial"] == t for row in rows) == 3
    }
    best = next(row for row in rows if row["trial"] == max(means, key=lambda t: (means[t], -int(t))))
    assert all(best[knob.name] == last[0][knob.name] for knob in AGENTS["maskable_ppo"].knobs)
    assert not (tuned / TRIALS_FOLDER).exists()
    assert not (tuned / PROGRESS).exists()


def test_every_training_is_counted(tuned: Path) -> None:
    rows, spent = rows_of(tuned), read_agent(tuned).card.training
    assert spent.cardholder_days == sum(int(row["cardholder_days"]) for row in rows)
    played = 40 * DAYS
    # Two runs of the first trial's first world, and the training with its evaluations; of the second world, the runs alone.
    first = [int(row["cardholder_days"]) for row in rows if row["trial"] == "0"]
    assert first[0] > 2 * played + 2 * 3 * 128
    assert first[1] == 2 * played
    own = TrainingSettings.of("maskable_ppo")
    assert float(rows[0]["gamma_per_day"]) == own.gamma_per_day


def test_it_plays_and_the_arena_refuses_the_worlds_that_it_met(tuned: Path) -> None:
    policy = make_policy(str(tuned))
    assert (policy.name, policy.league) == ("mine", "simulator")
    for seeds in (1001, CHOSEN_IN[-1]):
        with pytest.raises(PolicyError, match=str(seeds)):
            make_plan(scenarios=["baseline"], policies=[str(tuned)], n_seeds=seeds)


@pytest.mark.parametrize("runs", [0, 1, 8, 10])
def test_an_interrupted_tuning_goes_on_to_the_same_agent(tmp_path: Path, tuned: Path, runs: int) -> None:
    def interrupted(subject: Subject) -> Interrupted:
        laboratory = Interrupted(SETTINGS, subject)
        laboratory.left = runs
        return laboratory

    with pytest.raises(KeyboardInterrupt):
        tune(SETTINGS, tmp_path, name="mine", laboratory=interrupted)
    tune(SETTINGS, tmp_path, name="mine", command="cardarena tune maskable_ppo", resume=True)
    assert equal(weights(tmp_path), weights(tuned))
    cards = [json.loads((folder / CARD).read_text()) for folder in (tmp_path, tuned)]
    for card in cards:
        del card["training"]["seconds"]
    assert cards[0] == cards[1]


@pytest.mark.parametrize(
    ("policy", "changes", "message"),
    [
        ("greedy_priced", {"steps": 100}, "steps: expected none for 'greedy_priced'"),
        ("maskable_ppo", {"log_days": 84}, "log_days: expected none for 'maskable_ppo'"),
        (
            "maskable_ppo",
            {"world_seeds": (1001, 9002)},
            "expected others than those in which agents are chosen",
        ),
        ("maskabel_ppo", {}, "did you mean 'maskable_ppo'"),
        ("dqn", {}, "policy that can be tuned"),
    ],
)
def test_wrong_settings_are_refused(policy: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CardArenaError, match=message):
        TuningSettings(policy=policy, **changes)
