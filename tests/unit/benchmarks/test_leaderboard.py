"""The leaderboard on made-up runs whose order, differences and broken limits are known."""

import io
import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from cardarena.benchmarks.leaderboard import leaderboard, render_leaderboard, with_paired_metrics
from cardarena.benchmarks.statistics import holm, paired_difference
from cardarena.simulator.errors import ResultsError, UnknownNameError

POLICIES = {
    "silent": ("reference", 0.0),
    "caretaker": ("reference", 1.0),
    "status_quo": ("cold", 2.0),
    "rfm": ("cold", 3.0),
    "blast": ("cold", 9.0),
    "uplift": ("logged", 4.0),
    "oracle": ("privileged", 99.0),
}
SEEDS = (1, 2, 3, 4)
#: What a seed adds to everybody: people who are worth more.
LUCK = dict(zip(SEEDS, (0.0, 5.0, -3.0, 8.0), strict=True))


def made(scenarios: tuple[str, ...] = ("calm", "storm"), **change: Any) -> pd.DataFrame:
    """Runs where policy i scores its level + the seed's luck + a small own part; `blast` breaks the complaint limit."""
    rng = np.random.default_rng(change.pop("draw", 0))
    levels = {**{name: level for name, (_, level) in POLICIES.items()}, **change}
    rows = []
    for scenario in scenarios:
        for policy, (league, _) in POLICIES.items():
            for seed in SEEDS:
                values = {
                    "inv_expected": levels[policy] + LUCK[seed] + 0.1 * rng.normal(),
                    "marketing_complaints_expected": 5.0 if policy in ("blast", "oracle") else 1.0,
                    "breaches": 0.0,
                }
                key = {
                    "scenario": scenario,
                    "policy": policy,
                    "league": league,
                    "dial": math.nan,
                    "seed": seed,
                }
                rest = {"finished": True, "reason": "", "log_digest": f"{scenario}{policy}{seed}"}
                rows += [key | {"metric": name, "value": value} | rest for name, value in values.items()]
    return pd.DataFrame(rows)


LIMITS = {name: {"marketing_complaints_expected": 2.0, "breaches": 0} for name in ("calm", "storm")}


def row(section: dict[str, Any], policy: str) -> dict[str, Any]:
    return next(each for each in section["rows"] if each["policy"] == policy)


def test_order_leagues_and_the_line():
    board = leaderboard(made(), LIMITS)
    assert board["publishable"]
    for section in (board["overall"], *board["scenarios"].values()):
        ranks = {each["policy"]: (each["status"], each["rank"]) for each in section["rows"]}
        assert ranks == {
            "rfm": ("ranked", 1),
            "uplift": ("ranked", 1),
            "blast": ("below_line", None),
            "status_quo": ("reference", None),
            "silent": ("reference", None),
            "caretaker": ("reference", None),
            "oracle": ("privileged", None),
        }
    broken = row(board["overall"], "blast")["broken"]
    assert [(b["scenario"], b["metric"], b["value"], b["limit"]) for b in broken] == [
        ("calm", "marketing_complaints_expected", 5.0, 2.0),
        ("storm", "marketing_complaints_expected", 5.0, 2.0),
    ]
    without = leaderboard(made())["scenarios"]["calm"]
    assert (row(without, "blast")["rank"], row(without, "rfm")["rank"]) == (1, 2)
    assert row(without, "rfm")["versus_best"]["policy"] == "blast"


def test_differences_are_paired_and_corrected():
    runs = made(("calm",))
    section = leaderboard(runs, LIMITS, n_boot=300, seed=7)["scenarios"]["calm"]
    score = {
        p: g.sort_values("seed")["value"].to_numpy()
        for p, g in runs[runs["metric"] == "inv_expected"].groupby("policy")
    }
    expected = paired_difference(score["rfm"], score["status_quo"], seed=7, n_boot=300)
    versus = row(section, "rfm")["versus_reference"]
    assert (versus["mean"], versus["low"], versus["p"], versus["boot_high"]) == (
        expected.mean,
        expected.low,
        expected.p,
        expected.boot_high,
    )
    names = ("rfm", "blast", "uplift")  # competitors; neither references nor the oracle are hypotheses
    raw = [paired_difference(score[p], score["status_quo"], seed=0).p for p in names]
    adjusted = [row(section, p)["versus_reference"]["p_holm"] for p in names]
    assert adjusted == pytest.approx(holm(raw).tolist())
    assert row(section, "oracle")["versus_reference"]["p_holm"] is None
    assert row(section, "rfm")["probability_of_improvement"]["value"] == 1
    # The seeds' luck has a variance of about 22, the policies' own part 0.01.
    assert row(section, "rfm")["variance_reduction"] > 100
    detectable = row(section, "rfm")["smallest_detectable_difference"]
    assert detectable["paired"] < detectable["unpaired"] / 5
    assert section["rank_stability"]["all"] == 1


def test_overall_takes_the_mean_over_scenarios_seed_by_seed():
    runs = made()
    overall = leaderboard(runs, LIMITS)["overall"]
    mine = runs[(runs["metric"] == "inv_expected") & (runs["policy"] == "rfm")]
    assert row(overall, "rfm")["mean"] == pytest.approx(mine["value"].mean())
    assert row(overall, "rfm")["n"] == len(SEEDS)  # not 8: scenarios share the seed's people
    assert row(overall, "rfm")["iqm"]["n"] == 8
    assert overall["critical_difference"]["n_scenarios"] == 2
    assert "oracle" not in overall["critical_difference"]["policies"]


def test_a_limit_broken_in_one_scenario_counts_overall():
    board = leaderboard(made(), {"storm": LIMITS["storm"]})
    assert row(board["scenarios"]["calm"], "blast")["status"] == "ranked"
    assert row(board["overall"], "blast")["status"] == "below_line"


def test_one_breach_in_one_seed_breaks_a_limit_of_zero():
    runs = made()
    hit = (
        (runs["policy"] == "rfm")
        & (runs["metric"] == "breaches")
        & (runs["seed"] == 2)
        & (runs["scenario"] == "calm")
    )
    runs.loc[hit, "value"] = 1.0
    assert row(leaderboard(runs, LIMITS)["scenarios"]["calm"], "rfm")["status"] == "below_line"


def test_what_was_not_measured_was_not_kept():
    runs = made()
    runs = runs[(runs["policy"] != "rfm") | (runs["metric"] != "breaches")]
    broken = row(leaderboard(runs, LIMITS)["overall"], "rfm")["broken"]
    assert {(b["metric"], b["value"]) for b in broken} == {("breaches", None)}


def failed(runs: pd.DataFrame, policy: str, seed: int) -> pd.DataFrame:
    """Replace the rows of a run by the one row that a failed run has."""
    mine = (runs["policy"] == policy) & (runs["seed"] == seed) & (runs["scenario"] == "storm")
    row = (
        runs[mine]
        .iloc[:1]
        .assign(metric="failed", value=math.nan, finished=False, reason="time limit", log_digest="")
    )
    return pd.concat([runs[~mine], row], ignore_index=True)


def test_an_unfinished_run_spoils_the_table():
    board = leaderboard(failed(made(), "rfm", 3), LIMITS)
    assert not board["publishable"]
    assert board["unfinished"] == [
        {"scenario": "storm", "policy": "rfm", "dial": None, "seed": 3, "reason": "time limit"}
    ]
    assert row(board["scenarios"]["storm"], "rfm")["status"] == "unfinished"
    assert row(board["scenarios"]["storm"], "rfm")["n"] == 3
    assert row(board["scenarios"]["calm"], "rfm")["rank"] == 1
    assert row(board["overall"], "rfm")["rank"] is None
    assert "time limit" in row(board["overall"], "rfm")["reason"]
    quiet = made()
    quiet = quiet[(quiet["policy"] != "rfm") | (quiet["seed"] != 3)]  # the rows are simply not there
    assert not leaderboard(quiet, LIMITS)["publishable"]


def test_a_failed_reference_leaves_the_ranks():
    runs = made(("storm",))
    for seed in SEEDS:
        runs = failed(runs, "status_quo", seed)
    section = leaderboard(runs, LIMITS)["scenarios"]["storm"]
    assert row(section, "rfm")["rank"] == 1
    assert row(section, "rfm")["versus_reference"] is None
    assert any("status_quo has no finished run" in note for note in section["notes"])


def test_one_seed_has_a_mean_and_no_interval():
    runs = made()
    board = leaderboard(runs[runs["seed"] == 1], LIMITS)
    got = row(board["overall"], "rfm")
    assert got["rank"] == 1
    assert (got["low"], got["boot_low"], got["versus_reference"]["p"], got["note"]) == (
        None,
        None,
        None,
        "one seed: no interval",
    )
    text(board)


def test_ties_share_a_rank():
    runs = made(("calm",))
    copy = runs[runs["policy"] == "rfm"].assign(policy="aaa")
    copy["value"] += 1e-12  # below the rounding
    section = leaderboard(pd.concat([runs, copy]), LIMITS)["scenarios"]["calm"]
    assert [(r["policy"], r["rank"]) for r in section["rows"][:2]] == [("aaa", 1), ("rfm", 1)]


def test_dials_stay_out_and_are_counted():
    runs = made()
    dialled = runs[runs["policy"] == "rfm"].assign(dial=2.0)
    dialled["value"] += 50
    one, other = leaderboard(runs, LIMITS), leaderboard(pd.concat([runs, dialled]), LIMITS)
    assert other["n_dial_runs"] == 8
    assert one["overall"] == other["overall"]


def test_row_order_changes_nothing_and_the_seed_is_used():
    runs = made(draw=4)
    board = leaderboard(runs, LIMITS, n_boot=200)
    shuffled = runs.sample(frac=1, random_state=1)
    again = leaderboard(shuffled, LIMITS, n_boot=200)
    assert board["scenarios"] == again["scenarios"]
    assert leaderboard(runs, LIMITS, n_boot=200, seed=1)["overall"] != board["overall"]


def test_equal_logs_are_pointed_out():
    runs = made()
    runs.loc[runs["policy"] == "blast", "log_digest"] = runs.loc[
        runs["policy"] == "rfm", "log_digest"
    ].to_numpy()
    assert leaderboard(runs, LIMITS)["same_logs"] == [["blast", "rfm"]]


def test_bad_tables_are_refused():
    runs = made()
    with pytest.raises(ResultsError, match="league missing"):
        leaderboard(runs.drop(columns="league"))
    with pytest.raises(ResultsError, match="found twice: scenario=calm, policy=silent"):
        leaderboard(pd.concat([runs, runs.iloc[:1]]))
    with pytest.raises(UnknownNameError, match="did you mean 'breaches'"):
        leaderboard(runs, {"calm": {"breachs": 0}})
    with pytest.raises(UnknownNameError, match="league"):
        leaderboard(runs.assign(league="premier"))


def test_inv_over_status_quo():
    runs = made()
    dialled = runs[runs["policy"] == "rfm"].assign(dial=2.0)
    added = with_paired_metrics(failed(pd.concat([runs, dialled], ignore_index=True), "status_quo", 3))
    new = added[added["metric"] == "inv_over_status_quo"]
    assert len(new) == 8 * 8 - 8  # seven policies and a dial, without those of the seed that has no reference
    assert (new.loc[new["policy"] == "status_quo", "value"] == 0).all()
    assert not ((new["scenario"] == "storm") & (new["seed"] == 3)).any()
    mine = new[(new["policy"] == "rfm") & new["dial"].isna()].set_index(["scenario", "seed"])["value"]
    inv = runs[runs["metric"] == "inv_expected"].set_index(["policy", "scenario", "seed"])["value"].to_dict()
    assert mine["calm", 1] == inv["rfm", "calm", 1] - inv["status_quo", "calm", 1]
    assert len(with_paired_metrics(added)) == len(added)


def test_where_every_run_failed_there_is_nothing_to_pair():
    runs = made().assign(finished=False)
    assert len(with_paired_metrics(runs)) == len(runs)


def text(board: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(render_leaderboard(board))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_few_seeds_say_nothing_of_a_probability():
    row = next(line for line in text(leaderboard(made(("calm",)), LIMITS)).splitlines() if " rfm " in line)
    assert "n/a" in row
    assert "1.00" not in row
    runs = made(("calm",))
    again = runs[runs["seed"] == 1].assign(seed=5)
    row = next(
        line
        for line in text(leaderboard(pd.concat([runs, again], ignore_index=True), LIMITS)).splitlines()
        if " rfm " in line
    )
    assert "n/a" not in row
    assert "1.00" in row


def test_equal_logs_are_explained():
    runs = made(("calm",))
    runs.loc[runs["policy"].isin(["blast", "silent"]), "log_digest"] = "same"
    assert "no contact was sent by blast in the days played" in text(leaderboard(runs, LIMITS))


def test_names_are_no_markup():
    runs = made(("calm",)).replace({"policy": {"rfm": "rfm[bold]"}})
    assert "rfm[bold]" in text(leaderboard(runs, LIMITS))


def test_the_board_is_json_and_can_be_shown():
    board = leaderboard(failed(made(), "rfm", 3), LIMITS)
    assert json.loads(json.dumps(board, allow_nan=False)) == board
    shown = text(json.loads(json.dumps(board)))
    for words in (
        "NOT PUBLISHABLE: 1 unfinished run",
        "all 2 scenarios",
        "calm",
        "below the line",
        "time limit",
    ):
        assert words in shown
    assert "NOT PUBLISHABLE" not in text(leaderboard(made(("calm",)), LIMITS))
