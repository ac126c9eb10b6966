"""Agents that learn values: DQN, conservative Q-learning and fitted Q iteration, among what is open and from a log."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.fakes.agents.small_training import SMALL, lanes_of, settings_of

from cardarena.agents.rl.folder import read_agent
from cardarena.agents.rl.training import train

pytestmark = pytest.mark.rl
torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")


def test_conservative_values_fall_where_the_log_shows_nothing() -> None:
    from cardarena.agents.rl.sb3.offline import Cql

    lanes = lanes_of(is_flat=True, reward="attributed", difficulty="easy")
    lanes.warm_up(3)
    learner = Cql(settings_of("cql", lanes=12), lanes)
    learner.algorithm.replay_buffer = type(learner.algorithm.replay_buffer)(
        480, lanes.observation_space, lanes.action_space, "cpu", n_envs=12
    )
    learner.teach(512, 1, 1e-3)
    log = learner.algorithm.replay_buffer
    days = lanes.days
    learner.teach(60 * 512, 2, 1e-3)
    assert lanes.days == days, "it learns from the log, not from the lanes"
    values = learner.algorithm.q_net(torch.as_tensor(log.observations[:, 0])).detach().numpy()
    counts = np.bincount(log.actions.reshape(-1), minlength=values.shape[1])
    assert values.mean(axis=0)[counts.argmax()] > values.mean(axis=0)[counts == counts.min()].mean()


def test_the_log_goes_on_with_the_same_person_and_knows_what_was_open() -> None:
    from cardarena.agents.rl.sb3.offline import logged

    lanes, twin = lanes_of(is_flat=True), lanes_of(is_flat=True)
    for each in (lanes, twin):
        each.warm_up(3)
    ended = others = 0
    for number, step in enumerate(logged(lanes, 0.3, 5)):
        begun, rewards, ends, infos = twin.step(step.actions)
        np.testing.assert_array_equal(step.rewards, rewards)
        assert np.array_equal(step.ends, ends)
        np.testing.assert_array_equal(step.is_open[~ends], twin.action_masks()[~ends])
        np.testing.assert_array_equal(step.following[~ends], begun[~ends])
        for i in np.flatnonzero(ends):
            np.testing.assert_array_equal(step.following[i], infos[i]["terminal_observation"])
            last = twin.codec.flat_mask(infos[i]["terminal_mask"][None])[0]
            np.testing.assert_array_equal(step.is_open[i], last)
            others += int(not np.array_equal(last, twin.action_masks()[i]))
            assert not np.array_equal(step.following[i], begun[i]), "another person's day"
        ended += int(ends.sum())
        if number == 12:
            break
    assert ended >= 12
    assert others > 0, "the next person's mask would do"


@pytest.mark.parametrize("agent", ["dqn", "cql"])
def test_a_target_promises_nothing_that_is_blocked(agent: str) -> None:
    from cardarena.agents.rl.sb3.learners import LEARNERS

    lanes = lanes_of(is_flat=True, reward="attributed", difficulty="easy")
    lanes.warm_up(3)
    learner = LEARNERS[agent](settings_of(agent, lanes=12, reward="attributed"), lanes)
    algorithm = learner.algorithm
    algorithm.replay_buffer = type(algorithm.replay_buffer)(
        480, lanes.observation_space, lanes.action_space, "cpu", n_envs=12
    )
    learner.teach(240, 1, 1e-3)
    buffer = algorithm.replay_buffer
    rows = buffer.sample(256)
    is_open = rows.is_open.numpy()
    assert is_open[:, 0].all()
    assert 0.0 < is_open[:, 1:].mean() < 1.0
    # What is kept as bits is what the sampled rows are given.
    bits = np.unpackbits(buffer.next_open, axis=2, count=lanes.codec.n_flat)
    kept = bits[: buffer.size()].reshape(-1, lanes.codec.n_flat)
    following = buffer.next_observations[: buffer.size()].reshape(len(kept), -1)
    for inputs, own in zip(rows.next_observations.numpy()[:20], is_open, strict=False):
        assert any(np.array_equal(kept[k], own) for k in np.flatnonzero((following == inputs).all(axis=1)))
    with torch.no_grad():
        algorithm.q_net_target.q_net[-1].bias[0] = -1.0  # so that contacts look better than nothing
    values = algorithm.q_net_target(rows.next_observations).detach().numpy()
    best = np.array([row[mask].max() for row, mask in zip(values, is_open, strict=True)])
    goes_on = 1.0 - rows.dones.numpy()[:, 0]
    expected = rows.rewards.numpy()[:, 0] + goes_on * algorithm.gamma * best
    np.testing.assert_allclose(algorithm.targets(rows).numpy()[:, 0], expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(best, values.max(axis=1)), "the best of all would do"


def test_fitted_q_learns_from_the_log_alone_and_plays_what_it_fitted() -> None:
    from cardarena.agents.rl.sb3.offline import Fqi, arm_parts

    lanes = lanes_of(is_flat=True, reward="attributed", difficulty="easy")
    lanes.warm_up(3)
    learner = Fqi(settings_of("fqi", lanes=12, evaluate_every=1200), lanes)
    log, days = learner.iteration.log, lanes.days
    assert len(log) >= 1200
    assert log.goes_on.all(), "nobody of these left; where the horizon cut, nothing is known"
    learner.teach(3 * 1200, 1, 0.0)
    assert learner.steps == 3 * 1200
    assert lanes.days == days, "it learns from the log, not from the lanes"
    tensors = learner.tensors()
    values = log.states.astype(np.float32) @ tensors["output.weight"].T + tensors["output.bias"]
    best = np.where(log.is_open, values, -np.inf).max(axis=1) / lanes.reward_scale
    np.testing.assert_allclose(best, learner.iteration.best(log.states, log.is_open), rtol=1e-3, atol=1e-3)
    # An arm is a contact by one channel with one offer, and nothing has no part but the first.
    parts = arm_parts(lanes.codec)
    assert parts[0].tolist() == [1.0] + [0.0] * (parts.shape[1] - 1)
    assert (parts[1:].sum(axis=1) == 5.0).all()
    assert len(np.unique(parts, axis=0)) == lanes.codec.n_flat


@pytest.mark.parametrize("agent", ["cql", "fqi"])
def test_who_learns_from_a_log_counts_the_log_and_not_how_often_it_was_looked_at(
    tmp_path: Path, agent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cardarena.agents.rl.sb3 import offline

    monkeypatch.setattr(offline.Cql, "BUFFER", 20 * SMALL["lanes"])
    written = []

    def noted(*arguments: Any) -> Any:
        for step in _logged(*arguments):
            written.append(len(step.ends))
            yield step

    _logged = offline.logged
    monkeypatch.setattr(offline, "logged", noted)
    days = {}
    for steps in (128, 384):
        train(settings_of(agent, steps=steps, evaluate_every=128), tmp_path / str(steps))
        days[steps] = read_agent(tmp_path / str(steps)).card.training.cardholder_days
    logs = sum(written) // 2
    judged = SMALL["evaluated"] * (10 + 180) * 2
    assert days[128] == SMALL["lanes"] * 10 + logs + judged
    assert days[384] == days[128] + 2 * judged
