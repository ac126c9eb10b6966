"""Tuning: a known optimum is found, limits hold, budgets end it, and what was interrupted goes on to the same folder."""

import csv
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.fakes.agents.fake_bank import make_brief, make_features, make_history, make_view

from cardarena.agents.practice import CONTACTED, SimulatedLog, practice_table
from cardarena.agents.registry import make_policy, tunable_names, tunable_policy
from cardarena.agents.rl.folder import CARD, PROGRESS, TRIALS
from cardarena.benchmarks.arena.entries import make_plan
from cardarena.benchmarks.cli.app import main
from cardarena.benchmarks.tuning import Case, Played, TuningSettings, WorldLaboratory, tune
from cardarena.simulator.errors import CardArenaError, PolicyError, ResultsError, UnknownNameError

SETTINGS = TuningSettings(policy="greedy_priced", trials=60, seed=3)


class Bowl:
    """Worlds that differ by a constant; the best price is 1.3 and the best pace 4 days, and a low price breaks a limit."""

    def __init__(self, least: float = 0.0, stop_after: int | None = None) -> None:
        self.least, self.stop_after, self.played = least, stop_after, 0

    def play(self, case: Case, values: Mapping[str, float]) -> Played:
        if self.played == self.stop_after:
            raise KeyboardInterrupt
        self.played += 1
        bowl = ((values["dial"] - 1.3) / 0.5) ** 2 + ((values["every_days"] - 4.0) / 3.0) ** 2
        over = (self.least - values["dial"]) + (0.5 if case[1] == 1002 else -0.5)
        # A second limit, always kept, must not make up for the first.
        return Played(
            20.0 + case[1] % 10 - bowl, {"harm": over if self.least else -1.0, "breaches": -1.0}, 1000
        )


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / TRIALS).open(encoding="utf-8", newline="") as file:
        return [
            {key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)
        ]


def test_a_known_optimum_is_found(tmp_path: Path) -> None:
    tuned = tune(SETTINGS, tmp_path, laboratory=lambda _: Bowl())
    assert tuned.values["dial"] == pytest.approx(1.3, abs=0.15)
    assert tuned.values["every_days"] == 4
    assert tuned.inv_cny > tuned.shipped_cny + 3.0
    assert tuned.trials == 60
    # Settings around the best are better than those that are spread.
    means = {int(row["trial"]): float(row["inv_cny"]) for row in rows_of(tmp_path) if row["seed"] == "1001"}
    spread, near = ([means[t] for t in range(*span)] for span in ((1, 31), (31, 60)))
    assert np.median(near) > np.median(spread) + 3.0


def test_settings_over_a_limit_are_never_chosen(tmp_path: Path) -> None:
    # The mean over the seeds is judged: 1002 is half a unit worse, the others half a unit better.
    tuned = tune(
        replace(SETTINGS, world_seeds=(1001, 1002)), tmp_path / "a", laboratory=lambda _: Bowl(least=2.0)
    )
    assert 2.0 <= tuned.values["dial"] < 2.5
    with pytest.raises(ResultsError, match="within the limits, found none"):
        tune(SETTINGS, tmp_path / "b", laboratory=lambda _: Bowl(least=9.0))


def test_hopeless_settings_are_left_early(tmp_path: Path) -> None:
    laboratory = Bowl()
    tune(SETTINGS, tmp_path, laboratory=lambda _: laboratory)
    worlds: dict[int, list[float]] = {}
    for row in rows_of(tmp_path):
        worlds.setdefault(int(row["trial"]), []).append(float(row["inv_cny"]))
    whole = [np.mean(inv) for inv in worlds.values() if len(inv) == 3]
    left = [inv[0] for inv in worlds.values() if len(inv) == 1]
    assert laboratory.played < 2.5 * 60
    assert max(left) < max(whole)
    assert len(left) > 10


@pytest.mark.parametrize("stop_after", [0, 1, 5, 50, 100])
def test_an_interrupted_tuning_goes_on_to_the_same_folder(tmp_path: Path, stop_after: int) -> None:
    tune(SETTINGS, tmp_path / "whole", laboratory=lambda _: Bowl())
    with pytest.raises(KeyboardInterrupt):
        tune(SETTINGS, tmp_path / "parts", laboratory=lambda _: Bowl(stop_after=stop_after))
    rest = Bowl()
    tune(SETTINGS, tmp_path / "parts", laboratory=lambda _: rest, resume=True)
    assert rows_of(tmp_path / "whole") == rows_of(tmp_path / "parts")
    assert rest.played == len(rows_of(tmp_path / "whole")) - stop_after
    cards = [json.loads((tmp_path / name / CARD).read_text()) for name in ("whole", "parts")]
    assert cards[0]["values"] == cards[1]["values"]
    assert cards[0]["training"]["cardholder_days"] == cards[1]["training"]["cardholder_days"]
    assert not (tmp_path / "parts" / PROGRESS).exists()


def test_another_command_does_not_go_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        tune(SETTINGS, tmp_path, laboratory=lambda _: Bowl(stop_after=3))
    with pytest.raises(ResultsError, match="seed: it has 3, this command 4"):
        tune(replace(SETTINGS, seed=4), tmp_path, laboratory=lambda _: Bowl(), resume=True)
    with pytest.raises(ResultsError, match="expected a new or empty folder"):
        tune(SETTINGS, tmp_path, laboratory=lambda _: Bowl())


def test_the_seed_of_the_settings_matters(tmp_path: Path) -> None:
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        tune(replace(SETTINGS, seed=seed, trials=8), tmp_path / folder, laboratory=lambda _: Bowl())
    a, b, c = (rows_of(tmp_path / name) for name in "abc")
    assert a == b
    assert a != c


def test_budgets_end_it_and_are_written_down(tmp_path: Path) -> None:
    tuned = tune(replace(SETTINGS, max_cardholder_days=20_000), tmp_path, laboratory=lambda _: Bowl())
    assert tuned.reason == "all cardholder-days simulated"
    assert len(rows_of(tmp_path)) == 20
    spent = json.loads((tmp_path / CARD).read_text())["training"]
    assert (spent["cardholder_days"], spent["trials"]) == (20_000, tuned.trials)
    with pytest.raises(ResultsError, match="all the time used"):
        tune(replace(SETTINGS, max_seconds=1e-9), tmp_path / "b", laboratory=lambda _: Bowl())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"world_seeds": (1001, 8)}, "expected 1001 or more"),
        ({"policy": "gready_priced"}, "did you mean 'greedy_priced'"),
        ({"policy": "blast"}, "policy that can be tuned"),
        ({"trials": 0}, "trials: expected more than 0"),
        ({"scenarios": ("baseline", "baseline")}, "expected each once"),
        ({"world_seeds": (1001, 1001)}, "expected each once"),
        ({"log_days": -5}, "expected 14 to 365, or 0"),
        ({"log_days": 5}, "expected 14 to 365, or 0"),
        ({"log_days": 84, "scenarios": ("baseline", "tight_budget")}, "expected one scenario"),
    ],
)
def test_wrong_settings_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CardArenaError, match=message):
        replace(SETTINGS, **changes)


def test_worlds_are_the_same_for_every_trial(tmp_path: Path) -> None:
    settings = TuningSettings("capped_propensity", cardholders=120, world_seeds=(1001,))
    laboratory = WorldLaboratory(settings, settings.subject(tmp_path))
    values = tunable_policy("capped_propensity").values
    first, again = (laboratory.play(("baseline", 1001), values) for _ in range(2))
    other = laboratory.play(("baseline", 1001), {**values, "dial": 1.0})
    assert (first.inv_cny, first.over) == (again.inv_cny, again.over)
    assert other.inv_cny != first.inv_cny
    assert (first.run_days, first.silent_days, first.making_days) == (120 * 270, 120 * 270, 0)


def test_scenarios_with_other_limits_are_tuned_together(tmp_path: Path) -> None:
    free = tmp_path / "free.yaml"
    free.write_text(
        "extends: baseline\nname: free\ntitle: Free\ndescription: No limit of opt-outs.\nlimits:\n  max_opt_out_share: null\n"
    )
    settings = TuningSettings(
        "capped_propensity", (str(free), "baseline"), trials=1, cardholders=60, world_seeds=(1001,)
    )
    tune(settings, tmp_path / "out", name="mine")
    without, limited = rows_of(tmp_path / "out")
    assert without.keys() == limited.keys()
    assert float(without["over_opt_out_share"]) == -1.0
    assert (tmp_path / "out" / CARD).exists()


def test_a_worlds_silent_run_is_spent_once(tmp_path: Path) -> None:
    class Slow(Bowl):
        def play(self, case: Case, values: Mapping[str, float]) -> Played:
            return replace(super().play(case, values), silent_days=70, making_days=5)

    tuned = tune(replace(SETTINGS, trials=6), tmp_path, laboratory=lambda _: Slow())
    rows = rows_of(tmp_path)
    assert tuned.cardholder_days == 1000 * len(rows) + 70 * 3 + 5 * 6
    with pytest.raises(KeyboardInterrupt):
        tune(replace(SETTINGS, trials=6), tmp_path / "parts", laboratory=lambda _: Slow(stop_after=4))
    again = tune(replace(SETTINGS, trials=6), tmp_path / "parts", laboratory=lambda _: Slow(), resume=True)
    assert again.cardholder_days == tuned.cardholder_days


def test_a_limit_that_binds_does_not_push_out_what_keeps_it(tmp_path: Path) -> None:
    """Value rises with the dial, and from 1 on a limit is broken: the best within is found, and what is over is left early."""

    class Steep:
        def play(self, case: Case, values: Mapping[str, float]) -> Played:
            return Played(values["dial"], {"harm": values["dial"] - 1.0}, 1000)

    tuned = tune(replace(SETTINGS, trials=30), tmp_path, laboratory=lambda _: Steep())
    assert 0.8 < tuned.values["dial"] <= 1.0
    worlds: dict[float, int] = {}
    for row in rows_of(tmp_path):
        worlds[float(row["dial"])] = worlds.get(float(row["dial"]), 0) + 1
    assert max(n for dial, n in worlds.items() if dial > 1.1) == 1


def test_what_is_wrong_is_said_before_anything_runs(tmp_path: Path) -> None:
    bowl = Bowl()
    with pytest.raises(PolicyError, match="found 'My Agent!'"):
        tune(SETTINGS, tmp_path / "a", name="My Agent!", laboratory=lambda _: bowl)
    assert bowl.played == 0
    assert not (tmp_path / "a").exists()


# --- the folder


def tuned_folder(folder: Path, **changes: Any) -> Path:
    tune(replace(SETTINGS, trials=5), folder, name="mine", laboratory=lambda _: Bowl())
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**card, **changes}))
    return folder


def test_a_folder_plays_its_values_under_its_name(tmp_path: Path) -> None:
    folder = tuned_folder(tmp_path / "t", values={"dial": 1.5, "every_days": 3.0})
    policy, plain = make_policy(str(folder)), make_policy("greedy_priced", 1.5)
    assert (policy.name, policy.league, policy.every_days) == ("mine", "simulator", 3)
    brief = make_brief(200, history=make_history(make_brief(400), rows=4_000))
    view = make_view(brief, features=make_features(200))
    for one in (policy, plain):
        one.reset(brief, 5)
    a, b = policy.decide(view), plain.decide(view)
    assert len(a) > 0
    assert np.array_equal(a.cardholder, b.cardholder)
    assert np.array_equal(a.offer, b.offer)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": {"dail": 1.0}}, "did you mean 'dial'"),
        ({"values": {"dial": 40.0}}, "dial: expected 0 to 4, found 40"),
        ({"values": {"every_days": 2.5}}, "expected a whole number"),
        ({"policy": "blast"}, "policy that can be tuned"),
        ({"polices": "x"}, "did you mean 'policy'"),
    ],
)
def test_a_wrong_folder_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    folder = tuned_folder(tmp_path / "t", **changes)
    with pytest.raises((PolicyError, UnknownNameError), match=message):
        make_policy(str(folder))


def test_the_arena_refuses_the_seeds_that_it_was_tuned_on(tmp_path: Path) -> None:
    folder = tuned_folder(tmp_path / "t")
    plan = make_plan(scenarios=["baseline"], policies=[str(folder)], n_seeds=8)
    entry = plan.policies[0]
    assert (entry.label, entry.league) == ("mine", "simulator")
    assert entry.about["budget"]["trials"] == 5
    with pytest.raises(PolicyError, match="found 1001, 1002"):
        make_plan(scenarios=["baseline"], policies=[str(folder)], n_seeds=1002)


@pytest.mark.parametrize("name", tunable_names())
def test_every_knob_is_the_policys_own(name: str) -> None:
    policy = tunable_policy(name)
    for knob in policy.knobs:
        assert knob.low <= policy.values[knob.name] <= knob.high
        policy.turn({knob.name: knob.at(1.0)})
        assert policy.values[knob.name] == knob.high


# --- the simulated log

LOG = SimulatedLog(scenario="baseline", world_seeds=(1001,), cardholders=150, days=42)


def test_a_simulated_log_is_randomised_and_a_function_of_its_seeds() -> None:
    brief = make_brief(5)
    table = practice_table(LOG, brief)
    sent = table.offer >= 0
    assert sent.mean() == pytest.approx(CONTACTED, abs=0.04)
    # Five weeks are ripe: those of the last fortnight are not.
    assert 3 * 150 < len(table) <= 5 * 150
    assert len(np.unique(table.channel[sent])) >= 6
    assert table.bought.sum() > 0
    other = practice_table(LOG.model_copy(update={"world_seeds": (1002,)}), brief)
    assert not np.array_equal(other.offer, table.offer)


def test_a_policy_is_fitted_to_the_simulated_log(tmp_path: Path) -> None:
    log = LOG.model_copy(update={"cardholders": 600})
    folder = tuned_folder(tmp_path / "t", practice=log.model_dump(mode="json"))
    brief = make_brief(200)  # without a history of its own
    policy, cold = make_policy(str(folder)), make_policy("greedy_priced")
    view = make_view(brief, features=make_features(200))
    for one in (policy, cold):
        one.reset(brief, 5)
    assert "add" in policy.explain(policy.decide(view))[0]
    assert "by lot" in cold.explain(cold.decide(view))[0]


def test_the_command_says_what_can_be_tuned_and_refuses_the_arenas_seeds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["tune", "list"])
    assert left.value.code == 0
    assert "price of a contact, CNY" in capsys.readouterr().out
    with pytest.raises(SystemExit) as left:
        main(["tune", "mpc", "--world-seeds", "1,1001"])
    assert left.value.code == 2
    assert "expected 1001 or more" in capsys.readouterr().err
