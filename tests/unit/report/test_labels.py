"""Names along a line and in a plane keep their distance."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cardarena.benchmarks.report.labels import overlap, place, spread


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=20), st.floats(0.1, 20))
def test_spread_keeps_gap_and_order(wished: list[float], gap: float) -> None:
    placed = spread(wished, gap, -100, 100)
    order = sorted(range(len(wished)), key=lambda i: (wished[i], i))
    steps = [placed[b] - placed[a] for a, b in pairwise(order)]
    assert all(step >= gap - 1e-6 for step in steps)
    assert min(placed) >= -100 - 1e-6
    if gap * (len(wished) - 1) <= 200:
        assert max(placed) <= 100 + 1e-6


def test_spread_leaves_alone_what_does_not_collide() -> None:
    assert spread([1.0, 5.0, 9.0], 2.0, 0, 10) == [1.0, 5.0, 9.0]


def test_place_finds_free_room() -> None:
    points = [(50.0, 50.0), (52.0, 50.0), (50.0, 53.0)]
    sizes = [(30.0, 10.0)] * 3
    corners = place(points, sizes, [], (0, 0, 200, 200))
    boxes = [(x, y, x + 30, y + 10) for x, y in corners]
    assert sum(overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i]) == 0
    assert min(box[0] for box in boxes) >= 0
    assert max(box[2] for box in boxes) <= 200
