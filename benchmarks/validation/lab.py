"""The laboratory that all measurements share: worlds burned in once, and the runs that more than one of them reads."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final

import numpy as np

from cardarena.agents.registry import make_policy
from cardarena.benchmarks.validation.findings import Tell
from cardarena.simulator.behaviour.parameters import parameter_names
from cardarena.simulator.log import RunLog
from cardarena.simulator.population.generate import traits
from cardarena.simulator.scenario import Scenario, load_scenario
from cardarena.simulator.world import World

YEAR: Final = 365
MODES: Final = ("survey", "population")


class Lab:
    """Worlds at rest to experiment on. Everything is a function of (overrides, sizes, seeds): nothing is drawn here.

    Measurements fork a burned-in world and play it; nobody may change a world that the lab handed out without forking.
    """

    def __init__(
        self,
        *,
        n_cardholders: int = 20_000,
        seeds: tuple[int, ...] = (9001, 9002, 9003),
        overrides: Mapping[str, Any] | None = None,
        threads: int = 1,
        tell: Tell = lambda text: None,
    ) -> None:
        """Take the sizes.

        Args:
            n_cardholders: people per world.
            seeds: world seeds; validation's own, on which nothing was tuned.
            overrides: put over every scenario, nested or dotted: a candidate parameter set (`parameters`, `channels`).
            threads: compiled threads; nothing that is measured depends on them.
            tell: takes lines of progress.
        """
        self.n_cardholders, self.seeds, self.threads, self.tell = n_cardholders, seeds, threads, tell
        self.overrides = dict(overrides or {})
        self._worlds: dict[tuple[str, str, int], World] = {}
        self._years: dict[tuple[str, int], RunLog] = {}
        self._results: dict[tuple[Any, ...], Any] = {}

    def scenario(self, name: str = "baseline", mode: str = "survey") -> Scenario:
        """Return a scenario with the lab's overrides, in a population mode."""
        merged = {**self.overrides, "population.mode": mode}
        return load_scenario(name, merged, known_parameters=parameter_names())

    def world(self, seed: int, mode: str = "survey", scenario: str = "baseline") -> World:
        """Return a fork of the burned-in world of this seed."""
        key = (scenario, mode, seed)
        if key not in self._worlds:
            self.tell(f"burn-in: {scenario}, {mode} mode, seed {seed}")
            world = World.create(
                self.scenario(scenario, mode), seed, self.n_cardholders, threads=self.threads
            )
            self._worlds[key] = world.burn_in(make_policy)
        return self._worlds[key].fork()

    def year(self, seed: int, mode: str = "survey") -> RunLog:
        """Return the log of 365 days under `status_quo`, the baseline policy of the targets."""
        key = (mode, seed)
        if key not in self._years:
            world = self.world(seed, mode)
            self.tell(f"a year under status_quo: {mode} mode, seed {seed}")
            self._years[key] = world.run(make_policy("status_quo"), YEAR)
        return self._years[key]

    def once(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        """Return what `make` gives, made at the first call with this key: a run that several measurements read."""
        if key not in self._results:
            self._results[key] = make()
        return self._results[key]

    def traits(self, count: int, mode: str = "survey") -> np.ndarray:
        """Return `count` cardholders' traits of the first seed, shape (count,), dtype TRAITS."""
        return traits(self.seeds[0], count, mode, table=self.scenario(mode=mode).population.record())

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What the lab measures with, for the record."""
        return {
            "cardholders": self.n_cardholders,
            "seeds": list(self.seeds),
            "overrides": self.overrides,
        }


def over_seeds(values: Any) -> tuple[float, float]:
    """Return mean and standard error of one value a seed, shape (seeds,); the error is NaN for a single seed."""
    values = np.asarray(values, dtype=np.float64)
    if values.size < 2:
        return float(values.mean()), float("nan")
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size))
