"""Raking a bank's own figures into a population: the published ones stand where the bank gives none."""

from collections.abc import Callable

import numpy as np

from cardarena.simulator import names
from cardarena.simulator.errors import CardArenaError
from cardarena.simulator.population.rake import PRIVACY_ITEMS, Figures, Rake
from cardarena.simulator.population.survey import MODE, Survey
from cardarena.simulator.population.tables import FITTED_SCALARS, FLAGS, LEVELS, fitted


def rake_survey(
    own: Figures, *, count: int = 131_072, tell: Callable[[str], None] = lambda text: None
) -> tuple[Survey, np.ndarray]:
    """Rake the published figures with a bank's own in their place.

    What belongs together is fitted together only where it was given: new spend bands without a mean keep the shipped
    tail above the last band, new privacy answers without the share of the strict keep their shipped strength.

    Args:
        own: the bank's figures.
        count: people on whom it is fitted.
        tell: takes lines of progress.

    Returns:
        The population, and the people on whom it was fitted, shape (count,), dtype TRAITS.

    Raises:
        CardArenaError: figures that no population of the model's form can have.
    """
    rake = Rake(MODE, own, count)
    _, scalars, _ = fitted(MODE)
    steps: list[tuple[str, Callable[[], None]]] = [
        ("privacy answers", lambda: _privacy(rake, own, scalars)),
        ("contexts", rake.fit_daily),
        ("satisfaction", rake.fit_satisfaction),
        ("trust", rake.fit_trust),
        ("deal-proneness", rake.fit_deals),
        ("permissions", rake.fit_flags),
        ("spend", lambda: _tail(rake, own, scalars, "spend")),
        ("income", lambda: _tail(rake, own, scalars, "income")),
        ("limits", lambda: rake.fit_limit(scalars["limit_base_cny"])),
    ]
    for name, step in steps:
        tell(f"raking: {name}")
        try:
            step()
        except (ValueError, RuntimeError, ArithmeticError) as error:
            raise CardArenaError(
                f"survey: no population of this form has these figures: {name}: {error}"
            ) from None
    return _survey(rake), rake.people()


def _privacy(rake: Rake, own: Figures, scalars: dict[str, float]) -> None:
    if "strict_share" in own.numbers or not any(item in own.marginals for item in PRIVACY_ITEMS):
        rake.fit_privacy()
    else:
        rake.apply_privacy(scalars["privacy_scale"])


def _tail(rake: Rake, own: Figures, scalars: dict[str, float], kind: str) -> None:
    if f"{kind}_mean_cny" in own.numbers or f"{kind}_band" not in own.marginals:
        rake.fit_spend() if kind == "spend" else rake.fit_income()
    else:
        rake.scalars[f"{kind}_high_sd"] = scalars[f"{kind}_high_sd"]


def _survey(rake: Rake) -> Survey:
    def rows_of(table: np.ndarray) -> dict[str, tuple[float, ...]]:
        return {
            segment: tuple(round(float(x), 12) for x in row)
            for segment, row in zip(names.SEGMENTS, table, strict=True)
        }

    return Survey(
        mode=MODE,
        segments=tuple(float(x) for x in rake.shares),
        cells={name: rows_of(rake.cells[name]) for name in LEVELS},
        scalars={name: float(rake.scalars[name]) for name in FITTED_SCALARS},
        flags={name: float(rake.logits[name]) for name in FLAGS},
        channel_likings={name: rake.scores["channel", name] for name in names.CHANNELS},
        service_likings={name: rake.scores["service", name] for name in names.SERVICES},
    )
