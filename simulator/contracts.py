"""What a policy gets and what it gives: `Brief`, `View`, `Contacts`, `Feedback`, and the `Policy` protocol.

A policy never sees a latent field, a seed or a true id. The ids in a view are positions 0 .. n-1 of a keyed permutation
that is the same for all policies of a seed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cardarena.simulator.errors import PolicyError, UnknownNameError
from cardarena.simulator.names import DEPTHS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: The leagues that the leaderboard keeps apart.
LEAGUES: Final = ("reference", "cold", "logged", "simulator", "privileged")


@dataclass(frozen=True)
class Brief:
    """What a policy may know of the scenario before the first decision; public facts only.

    Attributes:
        scenario: name of the scenario.
        days: number of decision days.
        n_cardholders: number of rows in every view.
        offers: record array of the catalogue's public fields (dtype `bank.catalogue.OFFER`); the index is the offer code.
        channels: record array of the channels' public fields (dtype `bank.catalogue.CHANNEL`).
        offer_names: the catalogue's names, in code order.
        features: names of the view's columns, in order.
        caps: frequency caps in force: `day`, `week`, `month` (contacts over all marketing channels) and
            `channel_week` (per channel, length n channels); -1 means no cap.
        budget_mfen: total marketing budget of the decision days in milli-fen, or -1 for none.
        complaint_cost_mfen: cost of one marketing complaint in milli-fen.
        history: the randomised log of the burn-in (`logged` league), or None (`cold`).
    """

    scenario: str
    days: int
    n_cardholders: int
    offers: np.ndarray
    channels: np.ndarray
    offer_names: tuple[str, ...]
    features: tuple[str, ...]
    caps: Mapping[str, Any]
    budget_mfen: int
    complaint_cost_mfen: int
    history: "History | None" = None


@dataclass(frozen=True)
class History:
    """Randomised logged decisions of the burn-in: what a bank's data team would have, one row a decision.

    A row is one cardholder on one decision day of the randomised status quo, contacted or not (`channel` -1: held out). Rows
    of one `cardholder` in order of `day` are steps of one life: the next row is the next state where it is the next decision
    day, which a large base, of which fewer are sampled, seldom has.

    Attributes:
        cardholder: shape (rows,), a pseudonym that all rows of one cardholder share. It is no view id: whom it means, a policy is
            not told.
        features: float32 array, shape (rows, features), the view's row at the decision.
        day: shape (rows,), day of the decision, negative (before the run).
        offer: shape (rows,), offer code, or -1.
        channel: shape (rows,), channel code, or -1.
        depth: shape (rows,), depth code, or -1.
        propensity: shape (rows,), probability with which this action was drawn.
        delivered: shape (rows,), whether the contact reached the cardholder.
        clicked: shape (rows,), whether it was clicked or answered.
        converted: shape (rows,), whether the cardholder bought in the offer's category on our card within 14 days.
        bought: shape (rows, categories), purchases on our card per category within 14 days.
        value_fen: shape (rows,), the bank's margin on this cardholder within 14 days, contact costs included.
        opted_out: shape (rows,), whether a channel was refused within 14 days.
    """

    cardholder: Ints
    features: NDArray[np.float32]
    day: Ints
    offer: Ints
    channel: Ints
    depth: Ints
    propensity: Floats
    delivered: Bools
    clicked: Bools
    converted: Bools
    bought: NDArray[np.int16]
    value_fen: Floats
    opted_out: Bools

    def __post_init__(self) -> None:
        """Seal the arrays: forks share them, so a policy that writes would move what the next one learns from."""
        for values in vars(self).values():
            values.flags.writeable = False


class View:
    """The bank's sight of its cardholders at one decision: read-only columns in id order, and what is allowed.

    Attributes:
        day: days since the start of the run (0 on the first decision day).
        minute: minute of the day of this decision.
        n: number of cardholders (closed accounts included; see the `is_open` column).
        names: the columns, in order.
        budget_left_mfen: what is left of the marketing budget, or -1 where there is none.
        contact_price_mfen: today's shadow price of one contact, set by the arena so that the budget holds.
        truth: the latent records, for policies marked `oracle`; None for everybody else.
    """

    def __init__(
        self,
        *,
        day: int,
        minute: int,
        names: Sequence[str],
        columns: NDArray[np.float32],
        allowed: Callable[[int, int, int, int, Ints | None], NDArray[np.int8]],
        arms: Callable[[Ints, Ints, Ints, int, Ints | None], Bools] | None = None,
        budget_left_mfen: int = -1,
        contact_price_mfen: int = 0,
        truth: Any = None,
    ) -> None:
        """Wrap the feature matrix, shape (features, n): one contiguous row a column of the view."""
        columns.flags.writeable = False
        self.day, self.minute, self.n = day, minute, columns.shape[1]
        self.names = tuple(names)
        self._index = {name: j for j, name in enumerate(self.names)}
        self._columns = columns
        self._allowed, self._arms = allowed, arms
        self.budget_left_mfen = budget_left_mfen
        self.contact_price_mfen = contact_price_mfen
        self.truth = truth

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        """Return the read-only column `name`, shape (n,).

        Raises:
            UnknownNameError: no such column.
        """
        try:
            return self._columns[self._index[name]]
        except KeyError:
            raise UnknownNameError("feature", name, self.names) from None

    def matrix(self, names: Sequence[str] | None = None) -> NDArray[np.float32]:
        """Return the columns `names` (all by default) side by side, shape (n, len(names)), float32."""
        if names is None:
            return self._columns.T
        return np.ascontiguousarray(self._columns[[self._index[name] for name in names]].T)

    def blocked_by(
        self, offer: int, channel: int, depth: int = 0, minute: int = 600, rows: Ints | None = None
    ) -> NDArray[np.int8]:
        """Return, per cardholder, the `names.Rule` that would block this contact now (0: none), shape (n,).

        The same compiled gate decides at delivery. Budget is not part of it.

        Args:
            offer: offer code.
            channel: channel code.
            depth: 0 generic, 1 segment, 2 individual.
            minute: minute of today at which it would be sent.
            rows: view ids to ask for, shape (m,), in place of everybody: then the answer has shape (m,).
        """
        return self._allowed(offer, channel, depth, minute, rows)

    def allowed(
        self, offer: int, channel: int, depth: int = 0, minute: int = 600, rows: Ints | None = None
    ) -> Bools:
        """Return, per cardholder, whether this contact would pass every rule now; see `blocked_by`."""
        return self.blocked_by(offer, channel, depth, minute, rows) == 0

    def open_arms(
        self, offers: Any, channels: Any, minutes: Any = 600, depth: int = 0, rows: Ints | None = None
    ) -> Bools:
        """Return which offers may go by which channels now, shape (n, offers, channels).

        The same answer as `allowed` for each pair, and much cheaper: a rule about the person is asked once.

        Args:
            offers: offer codes, shape (m,).
            channels: channel codes, shape (c,).
            minutes: minute of today by channel, shape (c,), or one for all.
            depth: 0 generic, 1 segment, 2 individual.
            rows: view ids to ask for, in place of everybody.
        """
        offers, channels = np.asarray(offers, dtype=np.int64), np.asarray(channels, dtype=np.int64)
        at = np.ascontiguousarray(np.broadcast_to(np.asarray(minutes, dtype=np.int64), channels.shape))
        if self._arms is not None:
            return self._arms(offers, channels, at, depth, rows)
        n = self.n if rows is None else len(rows)
        out = np.zeros((n, offers.size, channels.size), dtype=np.bool_)
        for i, offer in enumerate(offers):
            for j, channel in enumerate(channels):
                out[:, i, j] = self.allowed(int(offer), int(channel), depth, int(at[j]), rows)
        return out


def _empty_ints() -> Ints:
    return np.zeros(0, dtype=np.int64)


@dataclass
class Contacts:
    """What a policy asks for: one row a contact, all arrays of the same length.

    Attributes:
        cardholder: view ids (rows of the view).
        offer: offer codes.
        channel: channel codes.
        depth: depth of personalisation, 0 generic, 1 segment, 2 individual.
        minute: minute of today at which to send, not before the decision's minute.
        priority: who goes first when the budget binds; higher first, ties by id.
        propensity: probability with which the policy chose this action, in (0, 1].
        candidates: bit o set: offer o was among the candidates considered.
    """

    cardholder: Ints = field(default_factory=_empty_ints)
    offer: Ints = field(default_factory=_empty_ints)
    channel: Ints = field(default_factory=_empty_ints)
    depth: Ints = field(default_factory=_empty_ints)
    minute: Ints = field(default_factory=_empty_ints)
    priority: Floats | None = None
    propensity: Floats | None = None
    candidates: Ints | None = None

    @classmethod
    def none(cls) -> "Contacts":
        """Return an empty request: contact nobody."""
        return cls()

    @classmethod
    def of(
        cls,
        cardholder: Any,
        offer: Any,
        channel: Any,
        depth: Any = 0,
        minute: Any = 600,
        priority: Any = None,
        propensity: Any = None,
        candidates: Any = None,
    ) -> "Contacts":
        """Build contacts from ids and from scalars or arrays, which are broadcast to the ids' length."""
        ids = np.atleast_1d(np.asarray(cardholder))
        full = lambda x, t: None if x is None else np.broadcast_to(np.asarray(x, dtype=t), ids.shape)  # noqa: E731
        return cls(
            cardholder=ids,
            offer=full(offer, None),  # pyright: ignore[reportArgumentType]
            channel=full(channel, None),  # pyright: ignore[reportArgumentType]
            depth=full(depth, None),  # pyright: ignore[reportArgumentType]
            minute=full(minute, None),  # pyright: ignore[reportArgumentType]
            priority=full(priority, np.float64),
            propensity=full(propensity, np.float64),
            candidates=full(candidates, np.int64),
        )

    def __len__(self) -> int:
        return len(self.cardholder)

    def checked(
        self, *, policy: str, n_cardholders: int, n_offers: int, n_channels: int, minute: int
    ) -> "Contacts":
        """Return the same contacts with exact dtypes, every row within range.

        Raises:
            PolicyError: a column of the wrong length or type, NaN, an unknown cardholder, offer, channel or depth, a
                minute in the past or after midnight, a propensity outside (0, 1]; names the row and the column.
        """
        try:
            n = len(np.atleast_1d(self.cardholder))
        except ValueError as error:
            raise PolicyError(
                f"policy {policy!r}: column 'cardholder': expected one number a row, found {error}"
            ) from None
        bounds = {
            "cardholder": (self.cardholder, 0, n_cardholders - 1),
            "offer": (self.offer, 0, n_offers - 1),
            "channel": (self.channel, 0, n_channels - 1),
            "depth": (self.depth, 0, len(DEPTHS) - 1),
            "minute": (self.minute, minute, 1439),
        }
        whole = {
            name: _whole(policy, name, values, n, low, high) for name, (values, low, high) in bounds.items()
        }
        priority = _real(policy, "priority", self.priority, n, -np.inf, np.inf, 0.0)
        propensity = _real(policy, "propensity", self.propensity, n, 0.0, 1.0, 1.0)
        zero = np.flatnonzero(propensity == 0.0)
        if zero.size:
            raise PolicyError(
                f"policy {policy!r}: contacts row {zero[0]}, column 'propensity': expected (0, 1], found 0"
            )
        candidates = np.zeros(n, np.int64) if self.candidates is None else np.asarray(self.candidates)
        if candidates.shape != (n,) or candidates.dtype.kind not in "iu":
            raise PolicyError(
                f"policy {policy!r}: column 'candidates': expected {n} whole numbers, "
                f"found shape {candidates.shape} of {candidates.dtype}"
            )
        return Contacts(
            **whole, priority=priority, propensity=propensity, candidates=candidates.astype(np.int64)
        )


def _column(policy: str, name: str, values: Any, n: int) -> np.ndarray:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise PolicyError(
            f"policy {policy!r}: column {name!r}: expected one number a row, found {error}"
        ) from None
    if array.shape != (n,):
        raise PolicyError(
            f"policy {policy!r}: column {name!r}: expected length {n} (that of 'cardholder'), found shape {array.shape}"
        )
    if array.dtype.kind not in "iufb":
        raise PolicyError(f"policy {policy!r}: column {name!r}: expected numbers, found {array.dtype}")
    if array.dtype.kind == "f":
        bad = np.flatnonzero(np.isnan(array))
        if bad.size:
            raise PolicyError(
                f"policy {policy!r}: contacts row {bad[0]}, column {name!r}: expected a number, found NaN"
            )
    return array


def _whole(policy: str, name: str, values: Any, n: int, low: int, high: int) -> Ints:
    array = _column(policy, name, values, n)
    wrong = np.flatnonzero((array < low) | (array > high) | (array != np.floor(array)))
    if wrong.size:
        row = wrong[0]
        hint = " (a time in the past)" if name == "minute" and array[row] < low else ""
        raise PolicyError(
            f"policy {policy!r}: contacts row {row}, column {name!r}: "
            f"expected a whole number from {low} to {high}, found {array[row]}{hint}"
        )
    return array.astype(np.int64)


def _real(policy: str, name: str, values: Any, n: int, low: float, high: float, default: float) -> Floats:
    if values is None:
        return np.full(n, default)
    array = _column(policy, name, values, n).astype(np.float64)
    wrong = np.flatnonzero((array < low) | (array > high))
    if wrong.size:
        row = wrong[0]
        raise PolicyError(
            f"policy {policy!r}: contacts row {row}, column {name!r}: expected {low} to {high}, found {array[row]}"
        )
    return array


@dataclass(frozen=True)
class Feedback:
    """What the bank observed of this policy's own contacts since the last call; one row a contact outcome, by view id.

    Attributes:
        decided_day: shape (rows,), the day on which the contact was decided.
        cardholder: shape (rows,), view ids.
        offer: shape (rows,), offer codes.
        channel: shape (rows,), channel codes.
        depth: shape (rows,), depth codes.
        delivered: shape (rows,), reached the cardholder (False: failed, blocked or expired).
        rule: shape (rows,), `names.Rule` of a block, else 0.
        clicked: shape (rows,), clicked or answered.
        opted_out: shape (rows,), refused the channel because of it.
        complained: shape (rows,), complained because of it.
        purchase_cardholder: shape (purchases,), view ids of purchases on our card since the last call.
        purchase_day: shape (purchases,), days of those purchases.
        purchase_category: shape (purchases,), category codes of those purchases.
        purchase_offer: shape (purchases,), the offer that was redeemed, or -1.
        purchase_value_fen: shape (purchases,), their margin in fen.
    """

    decided_day: Ints
    cardholder: Ints
    offer: Ints
    channel: Ints
    depth: Ints
    delivered: Bools
    rule: Ints
    clicked: Bools
    opted_out: Bools
    complained: Bools
    purchase_cardholder: Ints
    purchase_day: Ints
    purchase_category: Ints
    purchase_offer: Ints
    purchase_value_fen: Floats


@runtime_checkable
class Policy(Protocol):
    """Anything of this shape competes.

    Attributes:
        name: the registry name.
        league: one of `LEAGUES`.
        every_days: decide every so many days (1 daily, 7 weekly).
        decide_minute: minute of the day of the decision; 0 is the batch run after midnight.
        oracle: whether views carry the latent truth (privileged reference policies only).
    """

    name: str
    league: str
    every_days: int
    decide_minute: int
    oracle: bool

    def reset(self, brief: Brief, policy_seed: int) -> None:
        """Forget everything and prepare for a run."""
        ...

    def decide(self, view: View) -> Contacts:
        """Return today's contacts."""
        ...

    def learn(self, feedback: Feedback) -> None:
        """Take in what happened to earlier contacts; called before each decision after the first."""
        ...

    def explain(self, contacts: Contacts) -> list[str]:
        """Return one plain reason a contact."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what must be kept to go on later: plain numbers, strings and arrays."""
        ...

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned."""
        ...
