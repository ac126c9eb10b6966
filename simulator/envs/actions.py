"""The action of an environment: contact or not, offer, channel, depth; factored or flat, with masks and a quiet prior.

One codec for environments, trained policies and tests. An action speaks of positions in the lists to choose from; a contact
speaks of codes of the catalogue.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cardarena.simulator.bank.gate import is_never_deepest
from cardarena.simulator.contracts import Bools, Floats, Ints
from cardarena.simulator.errors import UnknownNameError
from cardarena.simulator.names import CHANNELS, DEPTHS, N_CATEGORIES
from cardarena.simulator.rules import Rules

DIFFICULTIES: Final = ("easy", "standard", "hard")
EASY_OFFERS: Final = 6
EASY_CHANNELS: Final = ("app_push", "sms", "human_call")
_DEEPEST: Final = len(DEPTHS) - 1


@dataclass(frozen=True)
class ActionCodec:
    """What may be chosen, and how choices are written.

    The factored form is (contact, offer, channel, depth), the first 0 for nothing; the flat form 0 for nothing, else
    1 + (offer x channels + channel) x depths + depth.

    Attributes:
        offers: codes of the offers to choose from, ascending.
        channels: codes of the channels to choose from, ascending.
        n_depths: depths to choose from, the generic one first.
        is_halved: whether each episode takes a random half of the offers off the menu.
        too_deep: shape (offers, depths), pairs that the gate always blocks.
    """

    offers: Ints
    channels: Ints
    n_depths: int
    is_halved: bool = False
    too_deep: Bools = field(default_factory=lambda: np.zeros((0, 0), dtype=np.bool_))

    @classmethod
    def of(cls, rules: Rules, stocked_channels: Bools, difficulty: str = "standard") -> "ActionCodec":
        """Return the codec of a scenario.

        Args:
            rules: the scenario's rules.
            stocked_channels: shape (channels,), whether the scenario has the channel.
            difficulty: `easy` (an offer a category, three channels, generic only), `standard` (everything), `hard`
                (everything, half of the offers off the menu).

        Raises:
            UnknownNameError: no such difficulty.
        """
        if difficulty not in DIFFICULTIES:
            raise UnknownNameError("difficulty", difficulty, DIFFICULTIES)
        offers = np.arange(rules.offers.size)
        channels = np.flatnonzero(stocked_channels)
        n_depths = len(DEPTHS)
        if difficulty == "easy":
            firsts = [offers[rules.offers["category"] == k][:1] for k in range(N_CATEGORIES)]
            offers = np.concatenate(firsts)[:EASY_OFFERS]
            wanted = [CHANNELS.index(name) for name in EASY_CHANNELS]
            channels = (
                channels[np.isin(channels, wanted)] if np.isin(channels, wanted).any() else channels[:1]
            )
            n_depths = 1
        too_deep = np.zeros((offers.size, n_depths), dtype=np.bool_)
        if n_depths > _DEEPEST:
            compliance = rules.compliance[0]
            too_deep[:, _DEEPEST] = [bool(is_never_deepest(rules.offers[o], compliance)) for o in offers]
        return cls(
            offers=np.sort(offers).astype(np.int64),
            channels=channels.astype(np.int64),
            n_depths=n_depths,
            is_halved=difficulty == "hard",
            too_deep=too_deep,
        )

    def stock(self, names: Sequence[str], held_out: Sequence[str]) -> NDArray[np.int8]:
        """Return which offers to choose from are ever on a menu, shape (offers,).

        Args:
            names: of the catalogue's offers, by code.
            held_out: names of offers that are on none.

        Raises:
            UnknownNameError: no such offer.
            ValueError: none is left.
        """
        for name in held_out:
            if name not in names:
                raise UnknownNameError("offer", name, names)
        stock = np.array([names[code] not in held_out for code in self.offers], dtype=np.int8)
        if not stock.any():
            raise ValueError("held_out_offers: expected at least one offer left to choose from, found none")
        return stock

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Choices of each part of the factored form."""
        return 2, self.offers.size, self.channels.size, self.n_depths

    @property
    def n_mask(self) -> int:
        """Length of the mask of the factored form, its parts one behind the other."""
        return sum(self.sizes)

    @property
    def n_flat(self) -> int:
        """Actions of the flat form."""
        return 1 + self.offers.size * self.channels.size * self.n_depths

    def encode(self, offer: Ints, channel: Ints, depth: Ints) -> Ints:
        """Return factored actions, shape (n, 4), of codes; a negative offer is nothing.

        Raises:
            ValueError: a code that may not be chosen.
        """
        offer, channel, depth = (
            np.atleast_1d(np.asarray(x, dtype=np.int64)) for x in (offer, channel, depth)
        )
        out = np.zeros((offer.size, 4), dtype=np.int64)
        sent = offer >= 0
        for part, codes, known in ((1, offer, self.offers), (2, channel, self.channels)):
            at = np.minimum(np.searchsorted(known, codes[sent]), known.size - 1)
            if not np.array_equal(known[at], codes[sent]):
                raise ValueError(
                    f"expected codes among {known.tolist()}, found {np.unique(codes[sent]).tolist()}"
                )
            out[sent, part] = at
        out[sent, 0], out[sent, 3] = 1, depth[sent]
        return out

    def decode(self, actions: Ints) -> tuple[Ints, Ints, Ints]:
        """Return offer, channel and depth codes of factored actions, shape (n, 4); -1 where nothing is done."""
        actions = np.atleast_2d(actions)
        sent = actions[:, 0] == 1
        return (
            np.where(sent, self.offers[actions[:, 1]], -1),
            np.where(sent, self.channels[actions[:, 2]], -1),
            np.where(sent, actions[:, 3], -1),
        )

    def flatten(self, actions: Ints) -> Ints:
        """Return the flat form of factored actions, shape (..., 4) to (...)."""
        contact, offer, channel, depth = np.moveaxis(np.asarray(actions, dtype=np.int64), -1, 0)
        return contact * (1 + (offer * self.channels.size + channel) * self.n_depths + depth)

    def unflatten(self, flat: Any) -> Ints:
        """Return the factored form of flat actions, shape (...) to (..., 4).

        Raises:
            ValueError: an action out of range.
        """
        flat = np.asarray(flat, dtype=np.int64)
        wrong = (flat < 0) | (flat >= self.n_flat)
        if wrong.any():
            row = f", row {np.flatnonzero(wrong)[0]}" if flat.ndim else ""
            raise ValueError(
                f"flat actions{row}: expected 0 to below {self.n_flat}, found {int(flat[wrong].flat[0])}"
            )
        rest, depth = np.divmod(np.maximum(flat - 1, 0), self.n_depths)
        offer, channel = np.divmod(rest, self.channels.size)
        return np.stack([(flat > 0).astype(np.int64), offer, channel, depth], axis=-1)

    def flat_mask(self, mask: Any) -> Bools:
        """Return the exact mask of the flat form from that of the factored form, shape (..., n_mask) to (..., n_flat)."""
        _, n_offers, n_channels, n_depths = self.sizes
        is_open = np.asarray(mask, dtype=np.bool_)
        offer = is_open[..., 2 : 2 + n_offers, None, None]
        channel = is_open[..., None, 2 + n_offers : 2 + n_offers + n_channels, None]
        depth = is_open[..., None, None, 2 + n_offers + n_channels :]
        joint = offer & channel & depth & ~self.too_deep[:, None, :]
        flat = joint.reshape(*joint.shape[:-3], n_offers * n_channels * n_depths)
        return np.concatenate([is_open[..., :1], flat], axis=-1)

    def prior(self, p: float = 0.05) -> Floats:
        """Return log-probabilities by part, shape (n_mask,), of a policy that contacts with chance `p`, else by lot."""
        parts = [np.log([1.0 - p, p])] + [np.full(n, -np.log(n)) for n in self.sizes[1:]]
        return np.concatenate(parts)

    def flat_prior(self, p: float = 0.05) -> Floats:
        """Return the same over flat actions, shape (n_flat,)."""
        rest = self.n_flat - 1
        return np.concatenate([np.log([1.0 - p]), np.full(rest, np.log(p / rest))])
