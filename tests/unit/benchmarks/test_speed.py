"""What `cardarena speed` says of tiny worlds; never how fast they are."""

from typing import Any

import gymnasium
import pytest

from cardarena.benchmarks import environment_speed, speed
from cardarena.benchmarks.cli.measure_commands import _numbers
from cardarena.simulator.errors import CardArenaError


def test_the_table_of_sizes_has_a_row_each_with_its_ratio_to_the_smallest() -> None:
    rows = speed._sizes([200, 100], days=2, repeats=1, threads=1, tell=lambda text: None)
    assert [row["cardholders"] for row in rows] == [100, 200]
    assert rows[0]["ratio"] == 1.0
    assert rows[1]["ratio"] == pytest.approx(rows[1]["nanoseconds"] / rows[0]["nanoseconds"], abs=0.01)
    assert all(row["peak_memory_gb"] > 0 for row in rows)
    shown = speed._shown_sizes(rows)
    assert len(shown) == 3
    assert len({len(line) for line in shown}) == 1


def test_a_run_says_what_it_costs_with_and_without_the_policy_and_how_fast_rows_are_written() -> None:
    figures = speed.play(scheduler="cohort", n=300, days=2, repeats=1, threads=1)
    assert figures["cardholder_days_per_second_without_policy"] >= figures["cardholder_days_per_second"] > 0
    assert figures["log_rows_per_second"] > 0
    assert {"transactions", "visits", "decisions", "state_daily"} <= set(figures["tables"])


def test_sizes_are_numbers() -> None:
    assert _numbers("") == []
    assert _numbers("1000, 2_000") == [1000, 2000]
    for wrong in ("many", "0", "1e6"):
        with pytest.raises(CardArenaError, match="--sizes"):
            _numbers(wrong)


def test_the_environments_are_measured_beside_gymnasiums_own_vector() -> None:
    figures = environment_speed.measure(threads=1, repeats=1, native_envs=32, n_cardholders=100, horizon=6)
    native, sync = figures["rows"]
    assert (native["envs"], sync["envs"]) == (32, environment_speed.SYNC_ENVS)
    assert native["cpu_microseconds"] > 0
    assert figures["ratio"] == pytest.approx(native["steps_per_second"] / sync["steps_per_second"], abs=0.06)
    shown = environment_speed.shown(figures)
    assert len({len(line) for line in shown[2:5]}) == 1


def test_the_environments_figures_say_the_settings_they_were_measured_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[dict[str, Any]] = []
    make, make_vec = gymnasium.make, gymnasium.make_vec
    monkeypatch.setattr(gymnasium, "make", lambda name, **given: made.append(given) or make(name, **given))
    monkeypatch.setattr(
        gymnasium, "make_vec", lambda name, **given: made.append(given) or make_vec(name, **given)
    )
    figures = environment_speed.measure(threads=1, repeats=1, native_envs=8, n_cardholders=100, horizon=3)
    said = {**figures["settings"], "scenario": figures["scenario"], "n_cardholders": figures["cardholders"]}
    assert said == {"scenario": "baseline", "n_cardholders": 100, "horizon": 3, **environment_speed.SETTINGS}
    # Nothing that both were given is left unsaid: the one is given its threads and mode beside it.
    assert len(made) == 1 + environment_speed.SYNC_ENVS
    of_one = {"num_envs", "threads", "autoreset_mode"}
    assert all({k: v for k, v in given.items() if k not in of_one} == said for given in made)
    told = "\n".join(environment_speed.shown(figures)[:2])
    assert all(f"{name} {value}" in told for name, value in figures["settings"].items())
    assert "100 cardholders" in told
