# pyright: reportMissingImports=false
"""Beliefs, learnt: a recurrent filter fitted to journeys whose hidden record was known."""

from typing import Final

import numpy as np
import torch

from cardarena.agents.rl.card import CONTACT_PRICE, DAYS_LEFT, Filter, Memory, NetworkShape, Observation
from cardarena.agents.rl.encoding import Encoder, default_columns, scaled
from cardarena.agents.rl.hidden import BELIEVED_COLUMNS
from cardarena.agents.rl.network import FILTER
from cardarena.agents.rl.sb3.lanes import Lanes, Lessons
from cardarena.simulator.envs.journeys import COLUMNS
from cardarena.simulator.errors import CardArenaError

UNITS: Final = 64
#: Journeys of each lane from which it learns: of 2,048 lanes, eight explain half as much again as one.
ROUNDS: Final = 8
#: Most decisions of people from which it learns, for they are all kept at once.
MOST_ROWS: Final = 2_000_000
EPOCHS: Final = 20
#: Journeys in a minibatch.
BATCH: Final = 128
RATE: Final = 3e-3
#: One person in so many is kept from the fit, with all journeys, to tell what it explains.
HELD_OUT: Final = 4


class _Believer(torch.nn.Module):
    """A recurrent cell and one linear layer."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.cell = torch.nn.GRU(inputs, UNITS)
        self.output = torch.nn.Linear(UNITS, outputs)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return beliefs, shape (steps, n, outputs), of inputs, shape (steps, n, inputs)."""
        return self.output(self.cell(inputs)[0])


def rounds_of(lanes: Lanes) -> int:
    """Return how many journeys of each lane a filter is fitted to."""
    return max(1, min(ROUNDS, MOST_ROWS // (lanes.num_envs * lanes.decisions)))


def learn_filter(lessons: Lessons, seed: int) -> tuple[Filter, dict[str, np.ndarray], float]:
    """Fit what is expected of the hidden record to what was observed, by least squares on whole journeys.

    Args:
        lessons: the journeys.
        seed: of weights and minibatches.

    Returns:
        The filter, its tensors as a folder holds them, and which share of the hidden columns' variance it explains of every
        fourth person, whom it was not fitted to, of all columns that vary together. A belief is in standard deviations of the
        hidden column around its mean, so that of what cannot be known it says nothing, 0.

    Raises:
        CardArenaError: too few people to keep some from the fit.
    """
    held_out = lessons.persons % HELD_OUT == HELD_OUT - 1
    if held_out.all() or not held_out.any():
        raise CardArenaError(
            f"beliefs: expected {2 * HELD_OUT} people or more, to fit a filter and to tell what it explains, "
            f"found {len(np.unique(lessons.persons))}"
        )
    torch.manual_seed(seed)
    names = [name for name in COLUMNS if name not in (CONTACT_PRICE, DAYS_LEFT)]
    columns = default_columns(names)
    steps, n = lessons.counts.shape
    flat = lessons.rows.reshape(steps * n, -1)
    met = lessons.rows[:, ~held_out].reshape(-1, flat.shape[1])
    whole = Encoder(Observation(columns=columns), COLUMNS).transformed(met)
    columns = scaled(columns, whole.mean(axis=0), whole.std(axis=0))
    encoder = Encoder(Observation(columns=columns), COLUMNS)
    inputs = torch.as_tensor(encoder(flat).reshape(steps, n, -1))
    known = lessons.hidden[:, ~held_out][lessons.counts[:, ~held_out]].astype(np.float64)
    mean, deviation = known.mean(axis=0), known.std(axis=0)
    varies = deviation > 1e-6
    unit = np.where(varies, deviation, 1.0)
    target = torch.as_tensor(((lessons.hidden - mean) / unit).astype(np.float32))
    weight = torch.as_tensor(lessons.counts.astype(np.float32))[:, :, None]
    model = _Believer(inputs.shape[2], target.shape[2])
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
    is_held_out = torch.as_tensor(held_out)
    fitted = torch.nonzero(~is_held_out)[:, 0]
    batches = max(1, len(fitted) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS * batches)
    for _ in range(EPOCHS):
        for picked in torch.randperm(len(fitted)).chunk(batches):
            rows = fitted[picked]
            error = (model(inputs[:, rows]) - target[:, rows]).square() * weight[:, rows]
            optimiser.zero_grad()
            (error.sum() / weight[:, rows].sum() / target.shape[2]).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
    with torch.no_grad():
        unseen, weight = target[:, is_held_out], weight[:, is_held_out]
        left = (model(inputs[:, is_held_out]) - unseen).square() * weight
        # Of all columns at once: of one that hardly varies among so few people, a share is mostly luck.
        shown = torch.as_tensor(varies)
        explained = float(1.0 - left[:, :, shown].sum() / (unseen.square() * weight)[:, :, shown].sum())
    tensors = {f"memory.{name}": getattr(model.cell, f"{name}_l0") for name in _CELL}
    found = {name: tensor.detach().numpy().astype(np.float32) for name, tensor in tensors.items()}
    found |= {f"output.{name}": part.detach().numpy() for name, part in model.output.named_parameters()}
    shape = NetworkShape(layers=(), memory=Memory(cell="gru", units=UNITS))
    believer = Filter(columns=columns, network=shape, believes=BELIEVED_COLUMNS)
    return believer, {FILTER + name: tensor for name, tensor in found.items()}, explained


_CELL: Final = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
