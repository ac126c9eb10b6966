"""How much of its speed the environment leaves PPO: what is measured, beside what, and what is said of it."""

import time
from typing import Any

import numpy as np
import pytest
from tests.fakes.agents.small_training import settings_of

pytestmark = pytest.mark.rl
torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")


def test_the_speed_of_ppo_on_journeys_is_measured() -> None:
    from cardarena.agents.rl.sb3.throughput import measure

    told: list[str] = []
    threads = torch.get_num_threads()
    figures = measure(cardholders=40, lanes=64, rollout=4, repeats=2, tell=told.append)
    assert len(told) == 3
    assert torch.get_num_threads() == threads
    for what in ("steps_per_second", "cpu_microseconds"):
        assert figures[what] > 0 < figures[f"{what}_on_nothing"]


def test_an_environment_that_does_nothing_has_the_shapes_of_one_that_does() -> None:
    from cardarena.agents.environments import make_pool
    from cardarena.agents.rl.sb3.lanes import Lanes
    from cardarena.agents.rl.sb3.throughput import IdleLanes, _learner

    pool = make_pool("baseline", n_cardholders=40)
    settings = settings_of(lanes=16, decision_every=2)
    busy, idle = (_learner(kind, pool, settings).lanes for kind in (Lanes, IdleLanes))
    assert (type(busy), type(idle)) == (Lanes, IdleLanes)
    assert busy.observation_space == idle.observation_space
    assert busy.action_space == idle.action_space
    journey = idle.shells[0].journeys.slots.journey
    before = {name: journey[name].copy() for name in ("day", "episode", "asked_today")}
    first = idle._inputs.copy()
    actions = np.zeros((16, 4), dtype=np.int64)
    actions[:, 0] = 1
    rewards, endings, moved = 0.0, 0, False
    for _ in range(50):
        mine, its = busy.step(actions), idle.step(actions)
        for one, other in zip(mine[:3], its[:3], strict=True):
            assert (one.shape, one.dtype) == (other.shape, other.dtype)
        assert len(mine[3]) == len(its[3])
        np.testing.assert_array_equal(its[0], first)
        assert not its[1].any()
        assert not its[2].any()
        moved |= not np.array_equal(mine[0], first)
        rewards, endings = rewards + abs(mine[1]).sum(), endings + int(mine[2].sum())
    assert rewards > 0.0
    assert endings > 0
    assert moved
    for name, then in before.items():
        np.testing.assert_array_equal(journey[name], then)


def test_the_share_that_is_left_is_that_of_cpu_time_pair_by_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    from cardarena.agents.rl.sb3 import throughput

    #: Seconds by the clock and of CPU: on journeys, on nothing. The first pair is for warmth.
    took = [
        ((50.0, 90.0), (1.0, 1.0)),
        ((4.0, 2.0), (1.0, 0.5)),
        ((6.0, 8.0), (5.0, 6.0)),
        ((9.0, 4.0), (8.0, 2.0)),
    ]
    asked: list[tuple[str, int, int]] = []

    def taken(learner: Any, steps: int, turn: int) -> tuple[float, float]:
        kind = type(learner.lanes).__name__
        asked.append((kind, steps, turn))
        return took[turn][kind == "IdleLanes"]

    monkeypatch.setattr(throughput, "_seconds", taken)
    figures = throughput.measure(
        cardholders=40, lanes=8, rollout=4, repeats=3, reward="attributed", decision_every=5
    )
    assert figures == {
        "lanes": 8,
        "reward": "attributed",
        "decision_every": 5,
        "repeats": 3,
        "steps_per_second": round(32 / 6.0),
        "steps_per_second_on_nothing": round(32 / 5.0),
        "cpu_microseconds": 4.0 / 32 * 1e6,
        "cpu_microseconds_on_nothing": 2.0 / 32 * 1e6,
        "share": 0.5,  # of 0.25, 0.75 and 0.5
    }
    # Both are asked for the same steps, each first in every other turn.
    assert {steps for _, steps, _ in asked} == {32}
    assert [kind for kind, _, _ in asked[::2]] == ["IdleLanes", "Lanes"] * 2
    assert [turn for _, _, turn in asked] == [0, 0, 1, 1, 2, 2, 3, 3]


def test_seconds_are_those_of_the_clock_and_of_cpu() -> None:
    from cardarena.agents.rl.sb3.throughput import _seconds

    class Sleeper:
        def teach(self, steps: int, seed: int, learning_rate: float) -> None:
            assert (steps, seed) == (7, 3)
            time.sleep(0.2)

    clock, cpu = _seconds(Sleeper(), 7, 3)  # pyright: ignore[reportArgumentType]
    assert clock >= 0.2
    assert cpu < 0.1


def test_the_command_line_measures_the_speed_at_a_reward_and_a_rhythm(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cardarena.agents.rl.sb3 import throughput
    from cardarena.benchmarks import cli

    measure = throughput.measure
    monkeypatch.setattr(throughput, "measure", lambda **given: measure(**given, cardholders=40, rollout=2))
    words = ["speed", "--rl", "--lanes", "8", "--repeats", "1"]
    for more, reward, every in (([], "gross", 1), (["--reward", "paired", "--every", "3"], "paired", 3)):
        with pytest.raises(SystemExit) as end:
            cli.main([*words, *more])
        assert end.value.code == 0
        assert f"{reward} reward, {every} days a step" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.main([*words, "--reward", "pair"])
    assert "paired" in capsys.readouterr().err
