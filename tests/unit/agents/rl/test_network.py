"""The NumPy network against PyTorch's, and the encoding against what it says."""

from typing import Any

import numpy as np
import pytest
from tests.fakes.agents.small_agent import random_tensors, small_card

from cardarena.agents.rl.card import AgentCard, Column, Observation
from cardarena.agents.rl.encoding import Encoder, default_columns, scaled
from cardarena.agents.rl.network import Network
from cardarena.simulator.errors import UnknownNameError


def network_of(**changes: Any) -> tuple[AgentCard, dict[str, np.ndarray], Network]:
    plain = small_card(**changes)
    card = AgentCard.model_validate({"format": 1, **plain, "weights_sha256": "0" * 64})
    tensors = random_tensors(plain)
    return card, tensors, Network(card.network, tensors)


def inputs_for(card: AgentCard, n: int, seed: int = 1) -> np.ndarray:
    rng = np.random.Generator(np.random.Philox(seed))
    return rng.normal(size=(n, card.inputs)).astype(np.float32)


@pytest.mark.rl
@pytest.mark.parametrize("cell", [None, "lstm", "gru"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_network_is_torchs(cell: str | None, activation: str) -> None:
    torch = pytest.importorskip("torch")
    memory = None if cell is None else {"cell": cell, "units": 5}
    card, tensors, network = network_of(network__memory=memory, network__activation=activation)
    theirs = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
    kinds = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
    recurrent = None
    if cell is not None:
        recurrent = kinds[cell](card.inputs, 5)
        recurrent.load_state_dict(
            {
                f"{name.removeprefix('memory.')}_l0": t
                for name, t in theirs.items()
                if name.startswith("memory.")
            }
        )
    turn = torch.tanh if activation == "tanh" else torch.relu
    state, held = np.zeros((7, network.state_size), dtype=np.float32), None
    for step in range(4):
        x = inputs_for(card, 7, seed=step)
        found, state = network(x, state)
        with torch.no_grad():
            y = torch.from_numpy(x)
            if recurrent is not None:
                y, held = recurrent(y[None], held)
                y = y[0]
            for i in range(2):
                y = turn(
                    torch.nn.functional.linear(y, theirs[f"layers.{i}.weight"], theirs[f"layers.{i}.bias"])
                )
            y = torch.nn.functional.linear(y, theirs["output.weight"], theirs["output.bias"])
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, y.numpy(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_recurrent_network_remembers(cell: str) -> None:
    card, _, network = network_of(network__memory={"cell": cell, "units": 5})
    x = inputs_for(card, 3)
    fresh = np.zeros((3, network.state_size), dtype=np.float32)
    first, state = network(x, fresh)
    second, _ = network(x, state)
    assert np.abs(first - second).max() > 1e-3
    assert np.array_equal(network(x, fresh)[0], first)


def test_columns_are_transformed_and_scaled() -> None:
    columns = (
        Column(name="age", mean=30.0, scale=10.0),
        Column(name="spend_28d_cny", transform="log1p", mean=1.0, scale=0.5),
        Column(name="weekday", transform="sin", period=7.0),
        Column(name="weekday", transform="cos", period=7.0),
    )
    encoder = Encoder(Observation(columns=columns, clip=3.0), ("weekday", "age", "spend_28d_cny"))
    rows = np.array([[2.0, 45.0, -9.0], [0.0, 95.0, 0.0]], dtype=np.float32)
    turn = 2.0 * np.pi * 2.0 / 7.0
    wanted = [[1.5, -3.0, np.sin(turn), np.cos(turn)], [3.0, -2.0, 0.0, 1.0]]
    assert (-np.log1p(9.0) - 1.0) / 0.5 < -3.0  # cut off
    np.testing.assert_allclose(encoder(rows), wanted, atol=1e-6)


def test_frames_are_kept_oldest_first() -> None:
    observation = Observation(columns=(Column(name="age"), Column(name="is_male")), clip=1000.0, frames=3)
    encoder = Encoder(observation, ("age", "is_male"))
    past = np.zeros((1, 4), dtype=np.float32)
    for t in (1.0, 2.0, 3.0):
        frame = encoder(np.array([[t, 10.0 * t]], dtype=np.float32))
        stacked, past = encoder.stacked(frame, past)
    assert stacked.tolist() == [[1.0, 10.0, 2.0, 20.0, 3.0, 30.0]]
    assert past.tolist() == [[2.0, 20.0, 3.0, 30.0]]


def test_a_column_that_does_not_come_is_said() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'is_mal'"):
        Encoder(Observation(columns=(Column(name="is_male"),)), ("is_mal", "age"))


def test_scaling_freezes_the_moments() -> None:
    columns = default_columns(("age", "is_open"))
    frozen = scaled(columns, np.array([30.0, 1.0]), np.array([10.0, 0.0]))
    assert [(c.mean, c.scale) for c in frozen] == [(30.0, 10.0), (1.0, 1.0)]
