"""The learning curve for TensorBoard, read back from its event file."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.rl
pytest.importorskip("torch")
pytest.importorskip("tensorboard")


# TensorBoard and what it hangs on warn of themselves when they are imported.
@pytest.mark.filterwarnings("ignore")
def test_a_board_holds_what_was_written(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from cardarena.agents.rl.sb3.board import Board

    board = Board(tmp_path)
    board.write(128, {"value_cny": 1.5, "harm": 0.25})
    board.write(256, {"value_cny": -2.5, "harm": 0.5})
    board.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"value_cny", "harm"}
    assert [(row.step, row.value) for row in events.Scalars("value_cny")] == [(128, 1.5), (256, -2.5)]
    assert [(row.step, row.value) for row in events.Scalars("harm")] == [(128, 0.25), (256, 0.5)]
