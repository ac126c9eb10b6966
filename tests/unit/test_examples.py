"""The training examples of the documentation run, at a small scale."""

import subprocess
import sys
from pathlib import Path

import pytest

from cardarena.agents.rl.folder import read_agent
from cardarena.agents.rl.policy import TrainedPolicy
from cardarena.simulator.world import World

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"

pytestmark = pytest.mark.rl


def run(name: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_one_file_example_makes_an_agent_that_plays(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    small = [
        "--steps",
        "1000",
        "--envs",
        "16",
        "--cardholders",
        "40",
        "--rollout",
        "8",
        "--epochs",
        "1",
        "--batches",
        "2",
    ]
    said = run("cleanrl_ppo.py", *small, "--out", str(tmp_path / "mine"))
    assert "1,024 steps" in said
    assert read_agent(tmp_path / "mine").card.training.steps == 1024
    world = World.create("baseline", 1, n_cardholders=40, threads=1)
    assert len(world.run(TrainedPolicy(tmp_path / "mine"), days=14)["contacts"])


def test_the_stable_baselines_example_judges_itself() -> None:
    pytest.importorskip("sb3_contrib")
    said = run("sb3_ppo.py", "--steps", "400", "--envs", "8", "--cardholders", "40")
    assert "CNY a person beyond doing nothing" in said
