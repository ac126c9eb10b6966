"""The trained network in NumPy: a recurrent cell if there is one, hidden layers, one output layer; float32, in batches.

Shapes follow PyTorch: a weight is (outputs, inputs); an LSTM's gates are stacked as input, forget, cell, output, a GRU's as
reset, update, new. So tensors travel between the two without a change.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cardarena.agents.rl.card import AgentCard, NetworkShape

Array = NDArray[np.float32]
_GATES = {"lstm": 4, "gru": 3}


#: Names of a filter's tensors begin so.
FILTER: Final = "filter."


def tensor_shapes(card: AgentCard) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every tensor that the agent's network has, in order; then its filter's, if it has one."""
    shapes = layer_shapes(card.network, card.inputs, card.actions.outputs)
    believer = card.observation.filter
    if believer is not None:
        found = layer_shapes(believer.network, len(believer.columns), len(believer.believes))
        shapes |= {FILTER + name: shape for name, shape in found.items()}
    return shapes


def layer_shapes(network: NetworkShape, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every tensor of a network between so many inputs and outputs, in order."""
    shapes: dict[str, tuple[int, ...]] = {}
    width = inputs
    memory = network.memory
    if memory is not None:
        rows = _GATES[memory.cell] * memory.units
        shapes |= {
            "memory.weight_ih": (rows, width),
            "memory.weight_hh": (rows, memory.units),
            "memory.bias_ih": (rows,),
            "memory.bias_hh": (rows,),
        }
        width = memory.units
    for i, units in enumerate(network.layers):
        shapes |= {f"layers.{i}.weight": (units, width), f"layers.{i}.bias": (units,)}
        width = units
    return shapes | {"output.weight": (outputs, width), "output.bias": (outputs,)}


class Network:
    """A network that was trained: a pure function of (inputs, state).

    Attributes:
        state_size: numbers of recurrent state a person; 0 without a recurrent cell.
    """

    def __init__(self, network: NetworkShape, tensors: Mapping[str, Array], prefix: str = "") -> None:
        """Take the tensors that `layer_shapes` names; weights are turned once, so that each layer is one product.

        Args:
            network: the shape.
            tensors: the tensors by name.
            prefix: what the names of this network's tensors begin with.
        """
        tensors = {name.removeprefix(prefix): tensors[name] for name in tensors if name.startswith(prefix)}
        memory = network.memory
        self._cell = None if memory is None else memory.cell
        self._units = 0 if memory is None else memory.units
        self.state_size = self._units * (2 if self._cell == "lstm" else 1)
        self._relu = network.activation == "relu"
        self._layers = [
            _turned(tensors, f"layers.{i}.weight", f"layers.{i}.bias") for i in range(len(network.layers))
        ]
        self._output = _turned(tensors, "output.weight", "output.bias")
        if self._cell is not None:
            self._in = _turned(tensors, "memory.weight_ih", "memory.bias_ih")
            self._own = _turned(tensors, "memory.weight_hh", "memory.bias_hh")

    def __call__(self, inputs: Array, state: Array) -> tuple[Array, Array]:
        """Return the outputs, shape (n, outputs), and the new state, shape (n, state_size).

        Args:
            inputs: shape (n, inputs), encoded.
            state: shape (n, state_size), zeros at first.
        """
        x = inputs
        if self._cell == "lstm":
            state = self._lstm(x, state)
        elif self._cell == "gru":
            state = self._gru(x, state)
        if self._cell is not None:
            x = state[:, : self._units]
        for weight, bias in self._layers:
            x = x @ weight
            x += bias
            x = np.maximum(x, np.float32(0.0)) if self._relu else np.tanh(x)
        weight, bias = self._output
        return x @ weight + bias, state

    def _lstm(self, x: Array, state: Array) -> Array:
        units = self._units
        gates = x @ self._in[0] + self._in[1] + (state[:, :units] @ self._own[0] + self._own[1])
        keep, forget, new, show = (gates[:, i * units : (i + 1) * units] for i in range(4))
        cell = _sigmoid(forget) * state[:, units:] + _sigmoid(keep) * np.tanh(new)
        return np.concatenate([_sigmoid(show) * np.tanh(cell), cell], axis=1)

    def _gru(self, x: Array, state: Array) -> Array:
        units = self._units
        seen = x @ self._in[0] + self._in[1]
        own = state @ self._own[0] + self._own[1]
        reset = _sigmoid(seen[:, :units] + own[:, :units])
        update = _sigmoid(seen[:, units : 2 * units] + own[:, units : 2 * units])
        new = np.tanh(seen[:, 2 * units :] + reset * own[:, 2 * units :])
        return (np.float32(1.0) - update) * new + update * state


def _turned(tensors: Mapping[str, Array], weight: str, bias: str) -> tuple[Array, Array]:
    return np.ascontiguousarray(tensors[weight].T), tensors[bias]


def _sigmoid(x: Any) -> Any:
    # By the tangent, which cannot overflow.
    half = np.float32(0.5)
    return np.tanh(x * half) * half + half
