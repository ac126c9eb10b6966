"""What all forms of a journey share: the spaces, what is shown of the offers, and what an end is worth."""

from typing import Any, Final

import numpy as np
from gymnasium import spaces

from cardarena.simulator.bank.feature_table import Column
from cardarena.simulator.contracts import Floats, Ints
from cardarena.simulator.envs.actions import ActionCodec
from cardarena.simulator.envs.journeys import Journeys
from cardarena.simulator.envs.pool import Pool
from cardarena.simulator.envs.rewards import TERMINAL
from cardarena.simulator.envs.slots import Outcome
from cardarena.simulator.envs.terminal import TerminalValue, terminal_value
from cardarena.simulator.names import CATEGORIES, N_CATEGORIES, SERVICES

#: No amount, count or number of days comes near it.
_MOST: Final = 1e9
#: Public facts of an offer, as a policy's brief shows them, and whether it is on the menu.
OFFER_TABLE: Final = (
    Column("on_menu", "flag", "may be chosen in this episode"),
    *(Column(f"category_{name}", "flag", f"is about {name}") for name in CATEGORIES),
    *(Column(f"service_{name}", "flag", f"belongs to the service {name}") for name in SERVICES),
    Column("is_public", "flag", "every buyer in the category gets it, not only who was contacted"),
    Column("is_credit", "flag", "is credit"),
    Column("needs_explanation", "flag", "needs a decision that can be explained"),
    Column("needs_partner_consent", "flag", "needs the consent to partners' data"),
    Column("needs_sensitive_consent", "flag", "needs the consent to sensitive data"),
    Column("incentive_cny", "CNY", "subsidy that every taker is given"),
    Column("merchant_share", "", "share of the subsidy that the merchant pays"),
    Column("margin_cny", "CNY", "fixed margin of a purchase, before the subsidy"),
    Column("margin_share", "", "margin as a share of the amount"),
    Column("credit_loss_share", "", "expected credit loss as a share of the amount"),
    Column("amount_cny", "CNY", "median amount of a purchase"),
    Column("appeal", "logits", "attractiveness of the content; 0 is an average offer"),
    Column("relevance_off", "", "how relevant it is to somebody without the need, 0 to 1"),
    Column("wallet_benefit", "logits", "utility added to our card while the benefit is live"),
    Column("satisfaction_gain", "", "satisfaction gained, where it is noticed or taken"),
)
OFFER_COLUMNS: Final = tuple(column.name for column in OFFER_TABLE)
METADATA: Final[dict[str, Any]] = {"render_modes": ["ansi"], "render_fps": 1}


def offer_table(pool: Pool, codec: ActionCodec, stock: np.ndarray) -> np.ndarray:
    """Return the public facts of the offers to choose from, shape (offers, columns), float32; all in stock on the menu."""
    offers = pool.rules.offers[codec.offers]
    columns = [
        stock,
        *(offers["category"] == k for k in range(N_CATEGORIES)),
        *(offers["service"] == k for k in range(len(SERVICES))),
        *(
            offers[name]
            for name in (
                "is_public",
                "is_credit",
                "needs_explanation",
                "needs_partner_consent",
                "needs_sensitive_consent",
            )
        ),
        offers["incentive_fen"] * 0.01,
        offers["merchant_share_ppm"] * 1e-6,
        offers["margin_fen"] * 0.01,
        offers["margin_ppm"] * 1e-6,
        offers["credit_loss_ppm"] * 1e-6,
        offers["amount_fen"] * 0.01,
        *(offers[name] for name in ("appeal", "relevance_off", "wallet_benefit", "satisfaction_gain")),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


class Shell:
    """What the single environments, the vector ones and Stable-Baselines3's have in common.

    Attributes:
        journeys: the people.
        adds_terminal: whether the terminal value joins the reward at the horizon, and is told.
        offers: shape (offers, columns), public facts of the offers, or None if they are not observed.
    """

    def __init__(
        self,
        pool: Pool,
        n: int,
        *,
        kind: type[Journeys] = Journeys,
        terminal_value: bool = True,
        offer_features: bool = True,
        **settings: Any,
    ) -> None:
        """Make the slots; `settings` go to this kind of journeys.

        Args:
            pool: whom episodes are about.
            n: slots.
            kind: of journeys.
            terminal_value: whether the value of the run-out joins the reward, as the term `terminal`, where the horizon
                cuts the journey, and is told in `info`. It is fitted at the first such end.
            offer_features: whether public facts of the offers are observed too.
            **settings: see above.

        Raises:
            ValueError: a terminal value that is neither True nor False.
        """
        if not isinstance(terminal_value, bool):
            raise ValueError(f"terminal_value: expected True or False, found {terminal_value!r}")
        self.journeys = kind(pool, n, **settings)
        self.adds_terminal = terminal_value
        chosen = self.journeys.codec, self.journeys.choice.stock
        self.offers = offer_table(pool, *chosen) if offer_features else None
        self._shown: np.ndarray | None = None

    @property
    def action_space(self) -> spaces.MultiDiscrete:
        """The parts of a decision."""
        return spaces.MultiDiscrete(self.journeys.sizes)

    @property
    def observation_space(self) -> spaces.Space[Any]:
        """The cardholder's columns, and the offers' where they are observed."""
        columns = self.journeys.columns
        low = np.array([-_MOST if name.endswith("_cny") else 0.0 for name in columns], dtype=np.float32)
        high = np.full(low.size, _MOST, dtype=np.float32)
        cardholder = spaces.Box(low, high, dtype=np.float32)
        if self.offers is None:
            return cardholder
        return spaces.Dict(
            {"cardholder": cardholder, "offers": spaces.Box(-_MOST, _MOST, (self.offers.size,), np.float32)}
        )

    def shown(self, out: Outcome, is_renewed: bool) -> Any:
        """Return the observations of all slots; those of the offers are read-only, and made anew when a menu changes."""
        if self.offers is None:
            return out.observation
        if self._shown is None or (is_renewed and self.journeys.codec.is_halved):
            self._shown = self._menus()
        return {"cardholder": out.observation, "offers": self._shown}

    def _menus(self) -> np.ndarray:
        assert self.offers is not None
        n = self.journeys.n
        if not self.journeys.codec.is_halved:
            return np.broadcast_to(self.offers.reshape(-1), (n, self.offers.size))
        table = np.repeat(self.offers[None], n, axis=0)
        table[:, :, 0] = self.journeys.slots.menu
        table.flags.writeable = False
        return table.reshape(n, -1)

    def close_books(self, out: Outcome) -> tuple[Floats, Floats]:
        """Pay the terminal value where the horizon cut a journey; return rewards and terminal values, CNY, shapes (n,).

        The values are zero where none is paid.
        """
        value = np.zeros(self.journeys.n)
        if self.adds_terminal and out.truncated.any():
            rows = np.flatnonzero(out.truncated)
            value[rows] = self._terminal_values(out, rows)
            out.terms[TERMINAL, rows] = self._discount ** out.days[rows] * value[rows]
        return out.terms.sum(axis=0), value

    @property
    def terminal_value(self) -> TerminalValue:
        """The pool's terminal value at this horizon, fitted when first asked for."""
        return terminal_value(self.journeys.pool, self.journeys.horizon, self._discount)

    @property
    def _discount(self) -> float:
        return float(self.journeys.setting["discount"][0])

    def _terminal_values(self, out: Outcome, rows: Ints) -> Floats:
        journeys, model = self.journeys, self.terminal_value
        world = journeys.slots.journey["world"][rows]
        value = model.of(out.observation[rows], world)
        if journeys.form == "paired":
            value -= model.of(journeys.observed(rows, is_twin=True)[0], world)
        return value


def wanted_options(options: dict[str, Any] | None) -> dict[str, Any]:
    """Return the known options.

    Raises:
        ValueError: an unknown option.
    """
    options = dict(options or {})
    unknown = set(options) - {"cardholder", "luck"}
    if unknown:
        raise ValueError(f"options: expected 'cardholder' and 'luck', found {sorted(unknown)}")
    return options
