"""From a network's outputs to one arm a person: nothing, or an offer, a channel and a depth that pass the rules."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardarena.agents.rl.card import Actions
from cardarena.simulator.contracts import Bools, Floats, Ints

#: Which arms are open to these people at this depth: (view ids (n,), depth) -> (n, offers, channels).
Open = Callable[[Ints, int], Bools]
_NEVER = -np.inf
_LEAST_PROPENSITY = 1e-12


@dataclass(frozen=True)
class ArmChoice:
    """Who is contacted and how, in the card's own order of offers and channels.

    Attributes:
        who: shape (m,), view ids, ascending.
        offer: shape (m,), position among the card's offers.
        channel: shape (m,), position among the card's channels.
        depth: shape (m,), depth code; of factored actions the wish, which the rules may lower.
        score: shape (m,), by how much a contact is preferred to nothing, the dial included.
        propensity: shape (m,), probability of this arm.
    """

    who: Ints
    offer: Ints
    channel: Ints
    depth: Ints
    score: Floats
    propensity: Floats

    @classmethod
    def joined(cls, parts: "Sequence[ArmChoice]") -> "ArmChoice":
        """Return the choices about several blocks as one."""
        return cls(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)))


def choice_of(
    actions: Actions, outputs: NDArray[Any], who: Ints, luck: Floats | None, dial: float, is_open: Open
) -> ArmChoice:
    """Choose for each person; rules are asked only about those for whom they matter.

    Args:
        actions: what the outputs stand for.
        outputs: shape (n, outputs).
        who: shape (n,), view ids.
        luck: shape (3, n), uniform draws for contact, arm and depth; None: greedy.
        dial: added to a contact's score.
        is_open: the rules.
    """
    # Scores are rounded, so that the last bit of a product does not decide.
    scores = np.round(outputs.astype(np.float64), 6)
    if actions.form == "factored":
        return _factored(actions, scores, who, luck, dial, is_open)
    return _flat(actions, scores, who, luck, dial, is_open)


def _factored(
    actions: Actions, scores: Floats, who: Ints, luck: Floats | None, dial: float, is_open: Open
) -> ArmChoice:
    n_offers, n_channels, _ = actions.sizes
    odds = scores[:, 1] - scores[:, 0] + dial
    p_contact = 1.0 / (1.0 + np.exp(-np.clip(odds, -700.0, 700.0)))
    rows = np.flatnonzero(odds > 0 if luck is None else luck[0] < p_contact)
    ok = is_open(who[rows], 0)
    some = ok.any(axis=(1, 2))
    rows, ok = rows[some], ok[some]
    offers = scores[rows, 2 : 2 + n_offers]
    channels = scores[rows, 2 + n_offers : 2 + n_offers + n_channels]
    pairs = np.where(ok, offers[:, :, None] + channels[:, None, :], _NEVER).reshape(
        len(rows), n_offers * n_channels
    )
    depths = scores[rows, 2 + n_offers + n_channels :]
    pair, p_pair = _drawn(pairs, None if luck is None else luck[1, rows])
    depth, p_depth = _drawn(depths, None if luck is None else luck[2, rows])
    p = np.ones(len(rows)) if luck is None else p_contact[rows] * p_pair * p_depth
    return ArmChoice(
        who[rows], pair // n_channels, pair % n_channels, depth, odds[rows], np.maximum(p, _LEAST_PROPENSITY)
    )


def _flat(
    actions: Actions, scores: Floats, who: Ints, luck: Floats | None, dial: float, is_open: Open
) -> ArmChoice:
    _, n_channels, n_depths = actions.sizes
    nothing, arms = scores[:, 0], scores[:, 1:] + dial
    # Drawn, the chance of nothing depends on what else is open; compared, only a better arm matters.
    rows = np.arange(len(who)) if luck is not None else np.flatnonzero(arms.max(axis=1) > nothing)
    ok = np.stack([is_open(who[rows], depth) for depth in range(n_depths)], axis=3)
    arms = np.where(ok.reshape(len(rows), arms.shape[1]), arms[rows], _NEVER)
    every = np.concatenate([nothing[rows, None], arms], axis=1)
    # The first of equals wins, so nothing does.
    arm, p = _drawn(every, None if luck is None else luck[0, rows])
    some = arm > 0
    rows, arm, every = rows[some], arm[some] - 1, every[some]
    score = every[np.arange(len(rows)), arm + 1] - nothing[rows]
    return ArmChoice(
        who[rows],
        arm // (n_channels * n_depths),
        arm // n_depths % n_channels,
        arm % n_depths,
        score,
        np.maximum(p[some], _LEAST_PROPENSITY),
    )


def _drawn(scores: Floats, luck: Floats | None) -> tuple[Ints, Floats]:
    """Return a column of each row and its probability: the best, or one drawn by its share of exp(score)."""
    n = len(scores)
    if luck is None or not n:
        return scores.argmax(axis=1) if n else np.zeros(0, dtype=np.int64), np.ones(n)
    weight = np.exp(scores - scores.max(axis=1, keepdims=True))
    up_to = np.cumsum(weight, axis=1)
    wanted = luck * up_to[:, -1]
    # The last column with weight, where rounding would lead past it.
    last = scores.shape[1] - 1 - (weight[:, ::-1] > 0).argmax(axis=1)
    drawn = np.minimum((up_to <= wanted[:, None]).sum(axis=1), last)
    return drawn, weight[np.arange(n), drawn] / up_to[:, -1]
