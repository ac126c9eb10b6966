"""Where the money goes: contexts beside the survey's, our share of the wallet, and how concentrated spend is."""

from collections.abc import Callable
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from cardarena.benchmarks.validation.drawing import (
    GREY,
    PUBLISHED,
    WORLD,
    draw_panels,
    legend,
    shares_against,
)
from cardarena.benchmarks.validation.findings import Finding, Picture, Table
from cardarena.benchmarks.validation.lab import YEAR, Lab, over_seeds
from cardarena.benchmarks.validation.realism.parts import Events, Floats, Part, purchases, transactions
from cardarena.simulator.names import CATEGORIES, N_CONTEXTS, SPEND_CONTEXTS

#: Share of card holders who use the card in a context, target A12.
SURVEY_USE: Final = (0.77, 0.68, 0.45, 0.40, 0.31)
_PARETO: Final = (
    "Kim, Singh & Winer 2017, McCarthy & Winer 2019: the top fifth makes 67-73 % of sales; band assumed"
)
#: Holders of more cards stand together: there are few.
_MOST_CARDS: Final = 5
_CONTEXT_LABELS: Final = ("daily", "personal", "household", "abroad", "business")


def measure(lab: Lab) -> Part:
    """Measure the mix of contexts, the wallet by cards held, and the concentration of spend."""
    spends = [transactions(lab.year(seed)) for seed in lab.seeds]
    use = np.array([_use(events) for events in spends])
    wallets = [_wallet_by_cards(lab, seed) for seed in lab.seeds]
    findings = (_use_finding(use), _wallet_finding(wallets), *_concentration(spends))
    picture = _picture(use, np.mean([mean for mean, _ in wallets], axis=0), wallets[0][1], spends[0])
    return Part(findings, (picture,), (_category_table(lab),))


def lorenz(amounts: Floats) -> tuple[Floats, Floats]:
    """Return the share of people, poorest first, and the share of the total that they make up, shape (people + 1,)."""
    ordered = np.sort(amounts)
    total = np.concatenate([[0.0], np.cumsum(ordered)])
    return np.linspace(0.0, 1.0, ordered.size + 1), total / total[-1]


def gini(amounts: Floats) -> float:
    """Return the Gini coefficient: 0 where all have the same, near 1 where one has all.

    Example:
        >>> round(gini(np.array([1.0, 1.0, 1.0, 1.0])), 3), round(gini(np.array([0.0, 0.0, 0.0, 1.0])), 3)
        (0.0, 0.75)
    """
    people, share = lorenz(amounts)
    return float(1.0 - 2.0 * np.trapezoid(share, people))


def top_share(amounts: Floats, share: float) -> float:
    """Return the part of the total that the largest `share` of the amounts make up.

    Example:
        >>> top_share(np.array([6.0, 1.0, 1.0, 1.0, 1.0]), 0.2)
        0.6
    """
    ordered = np.sort(amounts)[::-1]
    return float(ordered[: int(np.ceil(share * ordered.size))].sum() / ordered.sum())


def _use(events: Events) -> Floats:
    """Return the share of people with a transaction in each context in the year, shape (contexts,)."""
    return np.array([(events.within(0, YEAR, k).counts() > 0).mean() for k in range(N_CONTEXTS)])


def _use_finding(use: Floats) -> Finding:
    value, error = over_seeds(np.abs(use - np.asarray(SURVEY_USE)).max(axis=1))
    return Finding(
        "realism.mix.contexts",
        "largest gap between the share of holders who used our card in a context within a year and the survey's",
        value,
        error,
        0.0,
        0.08,
        unit="share of people",
        mode="survey",
        source="survey_spend_contexts, target A12: holders who use the card in the context",
        note="ours is one card of a holder's several, so a seldom context may fall on the others",
    )


def _wallet_by_cards(lab: Lab, seed: int) -> tuple[Floats, list[Floats]]:
    """Return the mean share of spend on our card on day 0 by cards held, 1 to 5 and more, and all shares."""
    world = lab.world(seed)
    is_open = world.state.people["alive"] == 1
    wallet = world.state.people["wallet"][is_open]
    cards = np.minimum(world.traits["cards_held"][is_open], _MOST_CARDS)
    shares = [wallet[cards == held] for held in range(1, _MOST_CARDS + 1)]
    return np.array([own.mean() if own.size else np.nan for own in shares]), shares


def _wallet_finding(wallets: list[tuple[Floats, list[Floats]]]) -> Finding:
    fair = 1.0 / np.arange(1, _MOST_CARDS)
    value, error = over_seeds([np.nanmax(np.abs(mean[:-1] / fair - 1.0)) for mean, _ in wallets])
    return Finding(
        "realism.wallet",
        "largest deviation of the mean wallet share from one over the cards held, up to four cards",
        value,
        error,
        0.0,
        0.25,
        unit="share of 1 / cards",
        source="Forrester Technographics 2021: 68 % find all banks the same, so no card dominates; band assumed",
        note="on day 0, after the burn-in",
    )


def _concentration(spends: list[Events]) -> tuple[Finding, ...]:
    amounts = [events.spend() for events in spends]
    fifth, fifth_error = over_seeds([top_share(amount, 0.2) for amount in amounts])
    tenth, tenth_error = over_seeds([top_share(amount, 0.1) for amount in amounts])
    inequality, inequality_error = over_seeds([gini(amount) for amount in amounts])
    return (
        Finding(
            "realism.spend.top_fifth",
            "share of a year's card spend that the top fifth of holders makes",
            fifth,
            fifth_error,
            0.55,
            0.8,
            0.7,
            "share",
            source=_PARETO,
        ),
        Finding(
            "realism.spend.top_tenth",
            "share of a year's card spend that the top tenth of holders makes",
            tenth,
            tenth_error,
            unit="share",
            hardness="context",
        ),
        Finding(
            "realism.spend.gini",
            "Gini coefficient of a year's card spend",
            inequality,
            inequality_error,
            unit="",
            hardness="context",
        ),
    )


def _picture(use: Floats, wallet: Floats, shares: list[Floats], events: Events) -> Picture:
    return draw_panels(
        "realism_money",
        "Contexts, wallets and concentration",
        "Left: holders who used our card in a context within a year, beside the survey. Middle: wallet share on day 0 by "
        "cards held; the bar spans the middle 80 % of people. Right: Lorenz curve of a year's spend on our card, first seed.",
        [_use_panel(use), _wallet_panel(wallet, shares), _lorenz_panel(events.spend())],
    )


def _use_panel(use: Floats) -> Callable[[Axes], None]:
    def plot(axes: Axes) -> None:
        errors = [100 * over_seeds(column)[1] if use.shape[0] > 1 else 0.0 for column in use.T]
        survey = 100 * np.asarray(SURVEY_USE)
        shares_against(
            axes,
            _CONTEXT_LABELS,
            list(100 * use.mean(axis=0)),
            errors=errors,
            lows=list(survey - 4),
            highs=list(survey + 4),
            points=list(survey),
            unit="% of holders",
        )
        axes.tick_params(axis="x", labelsize=9)
        axes.set_title("Contexts in which our card is used")

    return plot


def _wallet_panel(wallet: Floats, shares: list[Floats]) -> Callable[[Axes], None]:
    def plot(axes: Axes) -> None:
        at = np.arange(1, _MOST_CARDS + 1)
        for held, own in zip(at, shares, strict=True):
            if own.size:
                low, high = np.quantile(own, [0.1, 0.9])
                axes.plot(
                    [held, held], [low, high], color=WORLD, linewidth=9, alpha=0.3, solid_capstyle="butt"
                )
        axes.plot(
            at, 1.0 / at, color=PUBLISHED, linewidth=1.5, linestyle="--", label="one over the cards held"
        )
        axes.plot(at, wallet, "o", color=WORLD, markersize=7, label="mean")
        axes.set_xticks(at, [*(str(held) for held in at[:-1]), f"{_MOST_CARDS}+"])
        axes.set_ylim(0.0, 1.05)
        axes.set_title("Our share of the wallet")
        axes.set_xlabel("cards held")
        legend(axes, loc="upper right")

    return plot


def _lorenz_panel(spend: Floats) -> Callable[[Axes], None]:
    people, share = lorenz(spend)
    step = max(1, people.size // 400)

    def plot(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1.2, linestyle="--")
        axes.plot([*people[::step], 1.0], [*share[::step], 1.0], color=WORLD, linewidth=2.5)
        axes.plot(0.8, 1.0 - top_share(spend, 0.2), "o", color=PUBLISHED, markersize=6)
        axes.annotate(
            f"the top fifth makes {100 * top_share(spend, 0.2):.0f} %",
            (0.8, 1.0 - top_share(spend, 0.2)),
            (0.12, 0.6),
            arrowprops={"arrowstyle": "-", "color": PUBLISHED, "lw": 0.8},
        )
        axes.set_title("Concentration of spend")
        axes.set_xlabel("share of holders, lowest spend first")
        axes.set_ylabel("share of spend")

    return plot


def _category_table(lab: Lab) -> Table:
    events = [purchases(lab.year(seed)) for seed in lab.seeds]
    total = sum(stream.who.size for stream in events)
    rows = []
    for k, name in enumerate(CATEGORIES):
        own = [stream.within(0, YEAR, k) for stream in events]
        n = sum(stream.who.size for stream in own)
        amount = np.concatenate([stream.amount_cny for stream in own])
        rows.append(
            (
                name,
                "context" if name in SPEND_CONTEXTS else "product",
                round(n / sum(stream.n for stream in events), 3),
                round(n / max(1, total), 3),
                round(float(np.mean([(stream.counts() > 0).mean() for stream in own])), 3),
                round(float(amount.mean())) if n else 0,
            )
        )
    return Table(
        "Purchases by category, a year under status_quo",
        (
            "category",
            "kind",
            "purchases a head",
            "share of purchases",
            "share of holders",
            "mean amount, CNY",
        ),
        tuple(rows),
        "With and without a redeemed offer, on our card; means over the seeds.",
    )
