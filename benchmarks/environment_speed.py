"""How fast the environments step: the native vector version beside Gymnasium's own over the single one."""

import statistics
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

SCENARIO: Final = "baseline"
NATIVE_ENVS: Final = 4096
SYNC_ENVS: Final = 16
#: A contact in every other step: what a trainer's first policy does.
CONTACT_SHARE: Final = 0.5
#: Of both; what is not named is as `gymnasium.make` has it. Neither offers nor a terminal value: the stepping alone is measured.
SETTINGS: Final[dict[str, Any]] = {
    "reward": "gross",
    "decision_every": 1,
    "offer_features": False,
    "terminal_value": False,
}


def measure(
    *,
    threads: int,
    repeats: int,
    native_envs: int = NATIVE_ENVS,
    n_cardholders: int = 2000,
    horizon: int = 90,
) -> dict[str, Any]:
    """Step both with actions drawn beforehand; return steps a second and microseconds of CPU a step.

    Args:
        threads: compiled threads of the native version.
        repeats: runs; medians are reported.
        native_envs: journeys of the native version.
        n_cardholders: people from whom they are drawn.
        horizon: days of an episode; a run is one episode and the reset after it.
    """
    import gymnasium

    from cardarena.agents.gymnasium_ids import register

    register()
    settings = {**SETTINGS, "horizon": horizon}
    arguments = {**settings, "scenario": SCENARIO, "n_cardholders": n_cardholders}
    native = gymnasium.make_vec(
        "CardArena/Cardholder-v0",
        num_envs=native_envs,
        threads=threads,
        autoreset_mode="SameStep",
        **arguments,
    )
    sync = gymnasium.vector.SyncVectorEnv(
        [lambda: gymnasium.make("CardArena/Cardholder-v0", **arguments)] * SYNC_ENVS,
        autoreset_mode="SameStep",
    )
    rows = [
        _row("native vector", native, native_envs, threads, horizon, repeats),
        _row("SyncVectorEnv", sync, SYNC_ENVS, 1, horizon, repeats),
    ]
    return {
        "scenario": SCENARIO,
        "id": "CardArena/Cardholder-v0",
        "cardholders": n_cardholders,
        "settings": settings,
        "contact_share": CONTACT_SHARE,
        "rows": rows,
        "ratio": round(rows[0]["steps_per_second"] / rows[1]["steps_per_second"], 1),
    }


def shown(figures: dict[str, Any]) -> list[str]:
    """Return the figures as lines for a reader."""
    settings = ", ".join(f"{name} {value}" for name, value in figures["settings"].items())
    lines = [
        f"environments: {figures['id']}, {figures['scenario']}, {figures['cardholders']:,} cardholders, "
        f"actions drawn beforehand, {figures['contact_share']:.0%} contacts",
        f"  {settings}",
    ]
    lines.append(f"  {'':<16}{'envs':>7}{'threads':>9}{'steps/s':>13}{'CPU us/step':>13}")
    for row in figures["rows"]:
        lines.append(
            f"  {row['name']:<16}{row['envs']:>7,}{row['threads']:>9}{row['steps_per_second']:>13,}"
            f"{row['cpu_microseconds']:>13.2f}"
        )
    return [*lines, f"  native : SyncVectorEnv = {figures['ratio']} : 1"]


def _row(name: str, env: Any, n: int, threads: int, steps: int, repeats: int) -> dict[str, Any]:
    rng = np.random.Generator(np.random.Philox(n))
    sizes = env.single_action_space.nvec
    actions = np.stack([rng.integers(0, size, (8, n)) for size in sizes], axis=-1)
    actions[:, :, 0] = rng.random((8, n)) < CONTACT_SHARE
    env.reset(seed=1)
    _timed(lambda: [env.step(actions[t % 8]) for t in range(2)])
    runs = [_timed(lambda: [env.step(actions[t % 8])[1] for t in range(steps)]) for _ in range(repeats)]
    return {
        "name": name,
        "envs": n,
        "threads": threads,
        "steps_per_second": round(n * steps / statistics.median(wall for wall, _ in runs)),
        "cpu_microseconds": round(statistics.median(cpu for _, cpu in runs) / (n * steps) * 1e6, 3),
    }


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that some work took, by the clock and of CPU."""
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - cpu
