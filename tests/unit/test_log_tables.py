"""The compiled split of event rows into tables says what plain masks say."""

from collections.abc import Sequence

import numpy as np
from tests.fakes.simple_policies import Scattered
from tests.fakes.small_worlds import small_world

from cardarena.simulator.log import EVENT_TABLES, in_order, split_events
from cardarena.simulator.rules import EVENT


class _Kept:
    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []

    def append(self, events: Sequence[np.ndarray], decisions: object, census: object) -> None:
        self.parts += events


def test_an_event_row_has_its_fields_at_multiples_of_their_width_and_no_padding() -> None:
    assert EVENT.fields is not None
    assert all(place[1] % place[0].itemsize == 0 for place in EVENT.fields.values())
    assert EVENT.itemsize % 8 == 0
    assert sum(place[0].itemsize for place in EVENT.fields.values()) == EVENT.itemsize


def test_the_split_is_that_of_masks() -> None:
    kept = _Kept()
    small_world(200).play(Scattered(1, 0.5, rounds=2), 5, sink=kept)
    rows = np.concatenate(in_order(kept.parts))
    tables = split_events(np.array_split(rows, 7))
    assert list(tables) == list(EVENT_TABLES)
    for name, (kind, columns) in EVENT_TABLES.items():
        own = rows[rows["kind"] == kind]
        assert list(tables[name]) == list(columns)
        for column, field in columns.items():
            assert tables[name][column].dtype == EVENT[field]
            assert tables[name][column].flags.c_contiguous
            np.testing.assert_array_equal(tables[name][column], own[field])


def test_no_rows_make_empty_tables() -> None:
    tables = split_events([np.zeros(0, dtype=EVENT)])
    assert all(values.size == 0 for table in tables.values() for values in table.values())


def test_rows_in_any_order_come_into_the_logs_order() -> None:
    kept = _Kept()
    small_world(50).play(Scattered(1, 0.5), 3, sink=kept)
    rows = np.concatenate(in_order(kept.parts))
    parts = np.array_split(rows, 3)
    assert all(mine is theirs for mine, theirs in zip(in_order(parts), parts, strict=True))
    for given in ([np.random.default_rng(1).permutation(rows)], parts[::-1], [rows[:1], rows[5:], rows[1:5]]):
        (mended,) = in_order(given)
        np.testing.assert_array_equal(mended, rows)
