"""Ranks, limits and sentences follow from the runs."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from cardarena.benchmarks.report import wording
from cardarena.benchmarks.report.figures import forest, ranks, timeline, tradeoff
from cardarena.benchmarks.report.folder import read_folder
from cardarena.benchmarks.report.standings import Standings

POLICIES = ("silent", "status_quo", "blast", "rfm", "uplift", "linucb", "oracle_myopic")


@pytest.fixture
def folder(tmp_path: Path, write_arena_folder: Callable[..., Path]) -> Path:
    return write_arena_folder(
        tmp_path, scenarios=("baseline", "tight_budget"), policies=POLICIES, n_seeds=3, every_days=30
    )


def _set(folder: Path, policy: str, values: list[float], metric: str = "inv_expected") -> None:
    runs = pd.read_parquet(folder / "runs.parquet")
    for seed, value in enumerate(values, start=1):
        mine = (runs["policy"] == policy) & (runs["metric"] == metric) & (runs["seed"] == seed)
        runs.loc[mine & runs["dial"].isna(), "value"] = value
    runs.to_parquet(folder / "runs.parquet", index=False)


def test_pairing_removes_what_the_seeds_share(folder: Path) -> None:
    _set(folder, "status_quo", [1.0, 11.0, 21.0])
    _set(folder, "uplift", [3.0, 13.0, 23.0])
    gain = Standings(read_folder(folder)).overall("uplift", "status_quo")
    assert (gain.mean, gain.low, gain.high) == pytest.approx((2.0, 2.0, 2.0))


def test_the_interval_is_student_t(folder: Path) -> None:
    _set(folder, "uplift", [1.0, 2.0, 3.0])
    found = Standings(read_folder(folder)).estimate("baseline", "uplift")
    half = 4.302653 * 1.0 / 3**0.5  # t(0.975, 2 degrees of freedom) s / sqrt(n)
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half), rel=1e-6)


def test_who_breaks_a_limit_has_no_rank(folder: Path) -> None:
    _set(folder, "blast", [1e3, 1e3, 1e3])
    standings = Standings(read_folder(folder))
    blast = standings.of("blast")
    assert blast is not None
    assert blast.rank is None
    assert not blast.keeps_limits
    assert "blast" not in wording.winner_sentence(standings)


def test_references_have_no_rank_but_are_named_when_they_earn_more(folder: Path) -> None:
    _set(folder, "status_quo", [500.0, 501.0, 502.0])
    standings = Standings(read_folder(folder))
    assert all(one.rank is None for one in standings.all if one.league in ("reference", "privileged"))
    assert "the reference status_quo earned more" in wording.leagues_sentence(standings)


def test_ranks_are_counted_within_a_league(folder: Path) -> None:
    ranks = {one.policy: one.rank for one in Standings(read_folder(folder)).ranked}
    assert ranks["uplift"] == 1
    assert {ranks["rfm"], ranks["linucb"]} == {1, 2}


def test_a_tie_is_called_a_tie(folder: Path) -> None:
    _set(folder, "uplift", [10.0, 12.0, 14.0])
    _set(folder, "linucb", [12.0, 12.1, 11.0])
    _set(folder, "rfm", [1.0, 1.0, 1.0])
    standings = Standings(read_folder(folder))
    said = wording.winner_sentence(standings)
    assert said.startswith(
        "uplift and linucb cannot be told apart: uplift (logged league) is ahead over 2 scenarios"
    )
    assert "within chance" in said
    assert "within chance of the status quo" not in said
    assert standings.tied == ["linucb"]
    assert "within chance: call it a tie" in wording.certainty_sentence(standings)


def test_a_lead_over_the_runner_up_is_no_lead_over_a_status_quo_that_swings(folder: Path) -> None:
    _set(folder, "uplift", [10.0, 12.0, 14.0])
    _set(folder, "linucb", [1.0, 3.1, 5.0])
    _set(folder, "rfm", [1.0, 1.0, 1.0])
    _set(folder, "status_quo", [-40.0, 11.0, 60.0])
    assert wording.winner_sentence(Standings(read_folder(folder))).endswith(
        ", within chance of the status quo."
    )
    _set(folder, "status_quo", [1.0, 3.0, 5.0])
    assert "uplift (logged league) wins over 2 scenarios" in wording.winner_sentence(
        Standings(read_folder(folder))
    )


@pytest.mark.parametrize("name", ["forest", "ranks", "timeline"])
def test_no_title_claims_what_is_within_chance(folder: Path, name: str) -> None:
    def title() -> str:
        standings = Standings(read_folder(folder))
        if name == "timeline":
            found = timeline.draw_value(standings, "baseline")
        else:
            found = {"forest": forest, "ranks": ranks}[name].draw(standings)
        assert found is not None
        return found.title

    for policy in ("linucb", "rfm"):
        _set(folder, policy, [1.0, 1.0, 1.0])
    _set(folder, "status_quo", [0.0, 0.1, 0.0])
    _set(folder, "uplift", [10.0, 10.1, 10.2])
    claims = {"forest": "leads everywhere", "ranks": "comes first in both", "timeline": "gives back"}
    assert claims[name] in title()
    _set(folder, "linucb", [30.0, 10.0, -10.0])
    hedges = {
        "forest": "cannot be told apart",
        "ranks": "in none of them surer than chance",
        "timeline": "gives back",
    }
    assert hedges[name] in title()
    runs = pd.read_parquet(folder / "runs.parquet")
    runs[runs["seed"] == 1].to_parquet(folder / "runs.parquet", index=False)
    hedges |= {"forest": "one seed cannot tell it from chance", "timeline": "(mean of 1 seed)"}
    assert hedges[name] in title()


def test_where_all_did_nothing_the_axes_still_span_something(folder: Path) -> None:
    runs = pd.read_parquet(folder / "runs.parquet")
    runs.loc[
        runs["metric"].isin(["inv_expected", "marketing_complaints_expected", "opt_outs_expected"]), "value"
    ] = 0.0
    runs.to_parquet(folder / "runs.parquet", index=False)
    found = tradeoff.draw(Standings(read_folder(folder)))
    assert found is not None
    for axes in found.figure.axes:
        assert axes.get_ylim()[1] - axes.get_ylim()[0] >= tradeoff.LEAST_VALUE
        assert axes.get_xlim()[1] >= tradeoff.LEAST_HARM


def test_a_leader_at_zero_leaves_everybody_in_the_picture(folder: Path) -> None:
    for i, policy in enumerate(("uplift", "rfm", "linucb", "status_quo", "oracle_myopic", "blast")):
        _set(folder, policy, [-7.0 * i] * 3)
    runs = pd.read_parquet(folder / "runs.parquet")
    runs[runs["dial"].isna()].to_parquet(folder / "runs.parquet", index=False)
    found = tradeoff.draw(Standings(read_folder(folder)))
    assert found is not None
    low, high = found.figure.axes[0].get_ylim()
    written = {text.get_text() for text in found.figure.axes[0].texts}
    assert low < -14.0
    assert high > 0.0
    # Beneath the contenders are the references and who broke a limit: written at the edge.
    assert {"▾ status_quo −21.0", "▾ oracle_myopic −28.0", "▾ blast −35.0"} <= written


def test_an_unfinished_run_costs_the_rank(folder: Path) -> None:
    runs = pd.read_parquet(folder / "runs.parquet")
    lost = (runs["policy"] == "uplift") & (runs["seed"] == 2) & (runs["scenario"] == "baseline")
    runs.loc[lost, ["finished", "reason"]] = [False, "PolicyError: too slow"]
    runs.to_parquet(folder / "runs.parquet", index=False)
    uplift = Standings(read_folder(folder)).of("uplift")
    assert uplift is not None
    assert uplift.rank is None
    assert uplift.failures == [("baseline", 2, "PolicyError: too slow")]


def test_reasons_fit_the_place(folder: Path) -> None:
    standings = Standings(read_folder(folder))
    base, uplift, blast = (standings.of(name) for name in ("status_quo", "uplift", "blast"))
    assert base is not None
    assert uplift is not None
    assert blast is not None
    assert "complaints" in wording.why(uplift, base).partition("though")[0]
    assert "complaints" in wording.why(blast, base).partition("though")[0]
    assert wording.why(base, base) == ""
