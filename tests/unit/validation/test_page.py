"""The page stands alone, escapes what it is told, is the same every time, and shows what misses."""

import math
import re
from pathlib import Path

import pytest
from matplotlib.axes import Axes

from cardarena.benchmarks.validation.drawing import HALF, WHOLE, draw, draw_panels, shares_against
from cardarena.benchmarks.validation.findings import Finding, Picture, Section, Table
from cardarena.benchmarks.validation.page import write_page
from cardarena.benchmarks.validation.strip import strip
from cardarena.simulator.errors import CardArenaError

SETTINGS = {"cardholders": 2048, "seeds": [1, 2], "overrides": {}}
EVIL = "<script>alert('x')</script>"


def _plot(axes: Axes) -> None:
    shares_against(
        axes, ["a", EVIL], [40.0, 60.0], errors=[1.0, 1.0], lows=[35, 55], highs=[45, 65], points=[41, 59]
    )


def _section(**more: object) -> Section:
    parts: dict[str, object] = {
        "name": "targets",
        "title": f"Title {EVIL}",
        "summary": EVIL,
        "findings": (
            Finding("A1", EVIL, 2.0, 0.1, 1.0, 3.0, 2.0, "%", "hard", "survey", EVIL, "a note"),
            Finding("A2.low", "a miss", 9.0, 0.1, 1.0, 3.0, 2.0, "%", "soft", "population", "s", ""),
            Finding("A3", "nothing", math.nan, source="s"),
        ),
        "pictures": (draw("first", EVIL, "caption", _plot),),
        "tables": (Table("Table", ("name", "number"), ((EVIL, 1.5), ("none", None))),),
    }
    return Section(**(parts | more))  # type: ignore[arg-type]


def test_the_page_asks_nothing_of_anybody_and_escapes_what_it_is_told(tmp_path: Path) -> None:
    page = write_page([_section()], SETTINGS, tmp_path).read_text(encoding="utf-8")
    assert EVIL not in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    outside = {link for link in re.findall(r'(?:href|src)="([^"]*)"', page) if not link.startswith("#")}
    assert outside == set()
    assert "@import" not in page
    assert set(re.findall(r"url\(([^)]*)\)", page)) == set(re.findall(r"url\((#[^)]*)\)", page))
    assert "default-src 'none'" in page


def test_the_same_sections_give_the_same_bytes(tmp_path: Path) -> None:
    first = write_page([_section()], SETTINGS, tmp_path / "a").read_bytes()
    assert write_page([_section()], SETTINGS, tmp_path / "b").read_bytes() == first


def test_what_misses_stands_above_and_in_its_row(tmp_path: Path) -> None:
    page = write_page([_section()], SETTINGS, tmp_path).read_text(encoding="utf-8")
    assert "1 of 1 hard numbers hold, and 0 of 2 soft ones" in page
    assert "not passed" in page
    assert "A2.low 9 ± 0.1 (band 1 – 3 %)" in page
    assert '<tr class="soft missed">' in page
    assert "population mode" in page


def test_pictures_that_share_a_name_or_have_a_bad_one_are_refused(tmp_path: Path) -> None:
    one = draw("first", "t", "c", _plot)
    with pytest.raises(CardArenaError, match="each once"):
        write_page([_section(pictures=(one, one))], SETTINGS, tmp_path)
    with pytest.raises(CardArenaError, match="letters, digits"):
        write_page([_section(pictures=(Picture('a" onload="x', "t", "c", one.svg),))], SETTINGS, tmp_path)
    with pytest.raises(CardArenaError, match="letters, digits"):
        draw("Not so", "t", "c", _plot)
    with pytest.raises(CardArenaError, match="at least one plot"):
        draw_panels("empty", "t", "c", [])


def test_a_wide_picture_has_a_row_to_itself(tmp_path: Path) -> None:
    pictures = (
        draw("narrow", "t", "c", _plot, size=HALF),
        draw_panels("wide", "t", "c", [_plot] * 4, size=WHOLE),
    )
    page = write_page([_section(pictures=pictures)], SETTINGS, tmp_path).read_text(encoding="utf-8")
    assert re.findall(r'<figure class="(\w+)"', page) == ["half", "whole"]


def test_the_strip_puts_the_value_where_the_band_says() -> None:
    inside = strip(Finding("A", "q", 2.0, 0.1, 1.0, 3.0, 2.0))
    assert 'cx="84.0"' in inside  # the middle of the band is the middle of the strip
    assert "<circle" not in strip(Finding("A", "q", 99.0, 0.1, 1.0, 3.0))  # beyond it, an arrow
    assert strip(Finding("A", "q", math.nan, low=1.0)) == ""
    for low, high in ((1.0, math.inf), (-math.inf, 1.0), (0.0, 0.0), (-math.inf, math.inf), (0.0, math.inf)):
        for value in (-5.0, 0.0, 1.0, 7.0):
            drawn = strip(Finding("A", "q", value, math.nan, low, high))
            assert "nan" not in drawn
            assert "inf" not in drawn.replace("infinity", "")
