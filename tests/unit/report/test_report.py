"""The report of a made-up arena: escaped, self-contained, the same every time, and patient with what is missing."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from cardarena.benchmarks.report import write_report
from cardarena.benchmarks.report.page import law_places
from cardarena.simulator.bank.economics import load_rules
from cardarena.simulator.errors import ResultsError

SMALL = ("silent", "status_quo", "blast", "uplift", "thompson", "oracle_myopic")
EVIL = "<script>alert('p')</script>"


class _Tags(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, write_arena_folder: Callable[..., Path]) -> Path:
    folder = tmp_path_factory.mktemp("small") / "arena"
    write_arena_folder(
        folder,
        scenarios=("baseline", "rival_attack"),
        policies=SMALL,
        n_seeds=3,
        every_days=10,
        rename={"thompson": EVIL},
    )
    _change(folder, lambda text: text.replace("A rival opens a price war", "<img src=x onerror=alert(1)>"))
    _change(folder, lambda text: text.replace("rival offer", "<b>rival & co</b>"))
    write_report(folder)
    return folder


def _change(folder: Path, change: Callable[[str], str]) -> None:
    path = folder / "manifest.json"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def _page(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def test_first_screen_answers_four_questions(small: Path) -> None:
    text = " ".join(_Tags(_page(small)).text.split())
    assert "uplift (logged league)" in text.partition("By how much")[0]
    assert re.search(r"\+CNY \d+\.\d+ a head over the status quo \(95 % interval", text)
    assert "How sureThe lead over" in text
    assert "Who broke a limit1 policy broke a limit and stands below the line, without a rank: blast" in text


def test_what_came_from_outside_is_escaped(small: Path) -> None:
    pages = [_page(small), *(path.read_text(encoding="utf-8") for path in (small / "figures").glob("*.svg"))]
    for page in pages:
        parsed = _Tags(page)
        assert "script" not in parsed.tags
        assert "img" not in parsed.tags
        assert not [name for name, _ in parsed.attributes if name.startswith("on")]
    assert EVIL in _Tags(pages[0]).text


def test_reasons_are_escaped(tmp_path: Path, write_arena_folder: Callable[..., Path]) -> None:
    write_arena_folder(
        tmp_path, scenarios=("baseline",), policies=SMALL, n_seeds=2, every_days=30, failed=("blast",)
    )
    parsed = _Tags(_page_of(tmp_path))
    assert "<blast> raised ValueError" in parsed.text
    assert "Not publishable." in parsed.text
    assert "blast" not in parsed.tags


def _page_of(folder: Path) -> str:
    return write_report(folder).read_text(encoding="utf-8")


def test_nothing_is_loaded_from_elsewhere(small: Path) -> None:
    page = _page(small)
    parsed = _Tags(page)
    loads = [
        value
        for name, value in parsed.attributes
        if name in ("src", "href", "xlink:href", "srcset", "action")
    ]
    assert loads
    assert all(value.startswith("#") for value in loads)
    assert not {"script", "link", "iframe", "object", "embed"} & set(parsed.tags)
    assert not re.search(r"url\((?!['\"]?#)|@import", page)
    assert "default-src 'none'" in page


def test_every_inner_reference_leads_somewhere(small: Path) -> None:
    page = _page(small)
    names = re.findall(r'\sid="([^"]+)"', page)
    assert len(names) == len(set(names))
    used = set(re.findall(r'href="#([^"]+)"', page)) | set(re.findall(r"url\(#([^)]+)\)", page))
    assert used <= set(names)


def test_figures_are_written_twice(small: Path) -> None:
    figures = small / "figures"
    svg, png = ({path.stem for path in figures.glob(f"*.{end}")} for end in ("svg", "png"))
    assert svg == png
    assert {"inv_by_scenario", "value_against_harm", "value_over_time_1", "ranks_over_scenarios"} <= svg
    assert {"fatigue_over_time", "funnel", "segments", "channels", "fairness"} <= svg
    assert not list(small.rglob(".unfinished-*"))


def test_written_again_it_is_the_same(small: Path) -> None:
    def content() -> dict[str, bytes]:
        paths = [small / "report.html", *sorted((small / "figures").iterdir())]
        return {path.name: path.read_bytes() for path in paths}

    before = content()
    write_report(small)
    assert content() == before


@pytest.mark.parametrize("missing", ["series", "breakdown", "timing"])
def test_a_missing_table_is_said(
    tmp_path: Path, write_arena_folder: Callable[..., Path], missing: str
) -> None:
    write_arena_folder(tmp_path, scenarios=("baseline",), policies=SMALL, n_seeds=2, every_days=30)
    (tmp_path / f"{missing}.parquet").unlink()
    assert "not recorded in this arena" in _page_of(tmp_path)


def test_row_groups_do_not_matter(tmp_path: Path, write_arena_folder: Callable[..., Path]) -> None:
    write_arena_folder(tmp_path, scenarios=("baseline",), policies=SMALL, n_seeds=2, every_days=30)
    before = _page_of(tmp_path)
    for name in ("series", "breakdown"):
        table = pd.read_parquet(tmp_path / f"{name}.parquet")
        table.to_parquet(tmp_path / f"{name}.parquet", index=False, row_group_size=37)
    assert _page_of(tmp_path) == before


def test_one_seed_has_no_intervals(tmp_path: Path, write_arena_folder: Callable[..., Path]) -> None:
    write_arena_folder(tmp_path, scenarios=("baseline",), policies=SMALL, n_seeds=1, every_days=30)
    text = _Tags(_page_of(tmp_path)).text
    assert "One seed." in text
    assert "95 % interval 0" not in text


def test_one_policy_in_one_scenario(tmp_path: Path, write_arena_folder: Callable[..., Path]) -> None:
    write_arena_folder(tmp_path, scenarios=("cold_start",), policies=("uplift",), n_seeds=2, every_days=30)
    assert "uplift (logged league) wins the one scenario that ran" in _page_of(tmp_path)


def _only(folder: Path, **values: float) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["scenarios"]["baseline"]["budget"] = {"cny_per_cardholder_per_30_days": values.pop("budget")}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    runs = pd.read_parquet(folder / "runs.parquet")
    for policy, cost in values.items():
        runs.loc[(runs["policy"] == policy) & (runs["metric"] == "marketing_cost"), "value"] = cost
    runs.to_parquet(folder / "runs.parquet", index=False)


def test_how_much_of_a_budget_was_used_is_said(
    tmp_path: Path, write_arena_folder: Callable[..., Path]
) -> None:
    write_arena_folder(tmp_path, scenarios=("baseline",), policies=SMALL, n_seeds=2, every_days=30)
    assert "Budget." not in _page_of(tmp_path)
    _only(tmp_path, budget=1.0, uplift=2.4, thompson=0.3, status_quo=1.5)
    text = " ".join(_Tags(_page_of(tmp_path)).text.split())
    assert "a budget of CNY 3 a head: uplift used 80.0 %, thompson 10.0 %, status_quo 50.0 %." in text
    assert "It stopped contacts of uplift, thompson and status_quo." in text
    cuts = pd.read_parquet(tmp_path / "breakdown.parquet")
    cuts.loc[cuts["level"] == "budget", "value"] = 0.0
    cuts.to_parquet(tmp_path / "breakdown.parquet", index=False)
    assert "It did not bind: it stopped none" in _page_of(tmp_path)


def test_a_shipped_scenario_lends_its_budget_where_it_is_the_one_that_ran(
    tmp_path: Path, write_arena_folder: Callable[..., Path]
) -> None:
    from cardarena.benchmarks.report.folder import read_folder
    from cardarena.simulator.scenario import load_scenario, scenario_digest

    write_arena_folder(tmp_path, scenarios=("tight_budget",), policies=SMALL, n_seeds=1, every_days=90)
    assert read_folder(tmp_path).budget("tight_budget") is None
    scenario = load_scenario("tight_budget")
    _change(tmp_path, lambda text: text.replace("0" * 16, scenario_digest(scenario)))
    month = scenario.budget.cny_per_cardholder_per_30_days
    assert month is not None
    assert read_folder(tmp_path).budget("tight_budget") == pytest.approx(3 * month)  # the fake's 90 days


def test_an_article_cell_holds_an_article_and_a_mark(small: Path) -> None:
    page = _page(small)
    assert "recalled)" not in page
    assert '<td class="text">Art. 43, 62</td>' in page or "recalled, not checked" not in page
    for law in load_rules().values():
        for _, article in law_places(law.law, law.article):
            assert "recalled" not in article
            assert "near" not in article
    assert law_places("A; B", "29 or near (number recalled); 43") == [("A", "Art. 29*"), ("B", "Art. 43")]


def test_equal_logs_are_explained(tmp_path: Path, write_arena_folder: Callable[..., Path]) -> None:
    write_arena_folder(tmp_path, scenarios=("baseline",), policies=SMALL, n_seeds=2, every_days=30)
    runs = pd.read_parquet(tmp_path / "runs.parquet")
    runs.loc[runs["policy"].isin(["blast", "silent"]), "log_digest"] = "same"
    runs.to_parquet(tmp_path / "runs.parquet", index=False)
    assert "no contact was sent by blast in the days played." in _page_of(tmp_path)


def test_time_is_shown_by_kind_of_work(tmp_path: Path, write_arena_folder: Callable[..., Path]) -> None:
    write_arena_folder(tmp_path, scenarios=("baseline",), policies=SMALL, n_seeds=2, every_days=30)
    timing = pd.read_parquet(tmp_path / "timing.parquet")
    many = [timing.assign(stage=f"stage_{i}") for i in range(20)]
    pd.concat([timing, *many, timing.assign(stage="view")]).to_parquet(
        tmp_path / "timing.parquet", index=False
    )
    table = _page_of(tmp_path).partition('<section id="timing">')[2].partition("</thead>")[0]
    heads = re.findall("<th(?: [^>]*)?>(.*?)</th>", table)
    assert heads == ["Seconds a run, mean", "decisions", "other", "world", "writing", "total"]


def test_labels_have_a_white_rim_and_stay_text(small: Path) -> None:
    svg = (small / "figures" / "value_against_harm.svg").read_text(encoding="utf-8")
    assert re.search(r"paint-order: stroke; stroke: #ffffff[^>]*>uplift</text>", svg)


def test_the_line_is_spoken_of_only_where_it_is_drawn(
    small: Path, tmp_path: Path, write_arena_folder: Callable[..., Path]
) -> None:
    assert "beneath the black line" in _page(small)
    write_arena_folder(
        tmp_path, scenarios=("baseline",), policies=("silent", "uplift"), n_seeds=2, every_days=30
    )
    assert "beneath the" not in _page_of(tmp_path).partition('<section id="time">')[0]


def test_nobody_finished(tmp_path: Path, write_arena_folder: Callable[..., Path]) -> None:
    write_arena_folder(tmp_path, scenarios=("baseline",), policies=SMALL, n_seeds=2, failed=SMALL)
    assert "Nobody wins" in _page_of(tmp_path)


@pytest.mark.parametrize("name", ["manifest.json", "runs.parquet"])
def test_a_required_file_is_named(tmp_path: Path, write_arena_folder: Callable[..., Path], name: str) -> None:
    write_arena_folder(tmp_path, scenarios=("baseline",), policies=("silent",), n_seeds=1, every_days=90)
    (tmp_path / name).write_bytes(b"PAR1 half a file")
    with pytest.raises(ResultsError, match=name):
        write_report(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ResultsError, match=name):
        write_report(tmp_path)


@pytest.mark.parametrize("name", ["series", "breakdown", "timing"])
def test_a_damaged_optional_file_is_named(
    tmp_path: Path, write_arena_folder: Callable[..., Path], name: str
) -> None:
    write_arena_folder(tmp_path, scenarios=("baseline",), policies=("silent",), n_seeds=1, every_days=90)
    (tmp_path / f"{name}.parquet").write_bytes(b"PAR1 half a file")
    with pytest.raises(ResultsError, match=name):
        write_report(tmp_path)


def test_no_folder_at_all(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="expected the folder of an arena"):
        write_report(tmp_path / "nowhere")


def test_a_bare_manifest_is_enough(tmp_path: Path, write_arena_folder: Callable[..., Path]) -> None:
    write_arena_folder(tmp_path, scenarios=("baseline",), policies=SMALL, n_seeds=2, every_days=30)
    (tmp_path / "manifest.json").write_text(json.dumps({"command": "cardarena arena"}), encoding="utf-8")
    text = _Tags(_page_of(tmp_path)).text
    assert "The scenarios state no limits." in text


def test_ranks_come_from_the_default_dial_only(
    tmp_path: Path, write_arena_folder: Callable[..., Path]
) -> None:
    write_arena_folder(tmp_path, scenarios=("baseline",), policies=SMALL, n_seeds=2, every_days=30)
    before = _page_of(tmp_path).partition('<section id="deciding"')[0]
    runs = pd.read_parquet(tmp_path / "runs.parquet")
    runs.loc[runs["dial"].notna() & (runs["metric"] == "inv_expected"), "value"] = 1e6
    runs.to_parquet(tmp_path / "runs.parquet", index=False)
    assert _page_of(tmp_path).partition('<section id="deciding"')[0] == before


def test_only_what_is_clear_of_zero_is_bold(tmp_path: Path, write_arena_folder: Callable[..., Path]) -> None:
    write_arena_folder(tmp_path, scenarios=("baseline",), policies=SMALL, n_seeds=3, every_days=30)
    runs = pd.read_parquet(tmp_path / "runs.parquet")
    mine = (runs["policy"] == "uplift") & (runs["metric"] == "inv_expected") & runs["dial"].isna()
    base = (runs["policy"] == "status_quo") & (runs["metric"] == "inv_expected") & runs["dial"].isna()
    gains = {"clear": [5.0, 5.1, 5.2], "unclear": [-40.0, 1.0, 60.0]}
    for word, values in gains.items():
        runs.loc[mine, "value"] = runs.loc[base, "value"].to_numpy() + values
        runs.to_parquet(tmp_path / "runs.parquet", index=False)
        row = _page_of(tmp_path).partition("</span>uplift</td>")[2].partition("</tr>")[0]
        assert ('<td class="clear">' in row) == (word == "clear")
