"""A world can be saved, loaded and forked at every midnight and goes on equally; what is played in a copy stays there."""

import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from tests.fakes.simple_policies import Scattered, Silent
from tests.fakes.small_worlds import rows_of, same_rows, small_world

from cardarena.simulator.errors import ResultsError
from cardarena.simulator.log import RunLog
from cardarena.simulator.state import WorldState
from cardarena.simulator.world import World

DAYS = 5
POLICY = Scattered(2, 0.6, rounds=2)


def _state(world: World) -> dict[str, bytes]:
    return {
        f.name: value.tobytes()
        if isinstance(value := getattr(world.state, f.name), np.ndarray)
        else bytes(str(value), "ascii")
        for f in fields(WorldState)
    }


def _rest(world: World, days: int) -> str:
    log = RunLog()
    world.play(POLICY, days, sink=log)
    return log.digest()


def test_save_load_and_fork_at_every_midnight(tmp_path: Path) -> None:
    world = small_world(120, word_of_mouth=True)
    for day in range(DAYS):
        before = _state(world)
        loaded = World.load(world.save(tmp_path / f"{day}.world"))
        assert _state(loaded) == before
        fork = world.fork()
        rests = {
            _rest(fork, DAYS - day),
            _rest(loaded, DAYS - day),
            _rest(fork.fork().__class__.load(tmp_path / f"{day}.world"), DAYS - day),
        }
        assert len(rests) == 1
        assert _state(world) == before, "what is played in a fork moved the original"
        expected = _rest(world.fork(), DAYS - day)
        assert rests == {expected}
        world.play(POLICY, 1)


def test_contacts_on_their_way_are_part_of_the_state() -> None:
    world = small_world(300)
    world.play(Scattered(2, 0.9, channels=(1, 2, 7), rounds=3), 1)
    assert world.state.pending.size > 0
    with_them, without = world.fork(), world.fork()
    without.state.pending = without.state.pending[:0]
    logs = [RunLog(), RunLog()]
    for w, log in zip((with_them, without), logs, strict=True):
        w.play(Silent(), 10, sink=log, reset=False)
    assert logs[0].table("contacts")["day"].size > logs[1].table("contacts")["day"].size


def test_who_takes_over_takes_the_last_ones_placements_down() -> None:
    world = small_world(300)
    world.play(Scattered(2, 0.9, channels=(1, 2, 7), rounds=3), 1)
    assert world.state.pending.size > 0
    log = world.run(Silent(), 10)
    assert log.table("contacts")["day"].size == 0


def test_a_fork_of_a_fork_is_itself() -> None:
    world = small_world(150)
    world.play(POLICY, 2)
    logs = [w.run(POLICY, 4) for w in (world.fork(), world.fork().fork())]
    assert logs[0].digest() == logs[1].digest()


def test_a_loaded_world_runs_under_the_other_scheduler(tmp_path: Path) -> None:
    world = small_world(60)
    world.play(POLICY, 2)
    path = world.save(tmp_path / "a.world")
    assert World.load(path, scheduler="agent").run(POLICY, 2).digest() == world.run(POLICY, 2).digest()


def test_the_logged_history_is_kept(tmp_path: Path) -> None:
    world = small_world(100, overrides={"logged_history": True, "horizon.burn_in_days": 30})
    world.burn_in(lambda _: Scattered(1, 0.2))
    assert world.history is not None
    loaded = World.load(world.save(tmp_path / "b.world")).history
    assert loaded is not None
    for name, values in vars(world.history).items():
        np.testing.assert_array_equal(values, getattr(loaded, name), err_msg=name)


def test_no_pickle_is_written(tmp_path: Path) -> None:
    path = small_world(20).save(tmp_path / "c.world")
    with zipfile.ZipFile(path) as members:
        names = members.namelist()
        assert names
        assert all(name.endswith(".npy") for name in names)
        for name in names:
            assert b"'|O'" not in members.read(name)[:4096]
    with np.load(path, allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"not a world",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: _flip(data, len(data) // 2),
        lambda data: _flip(data, 200),
    ],
    ids=["empty", "text", "half", "one_byte_short", "flipped_middle", "flipped_header"],
)
def test_a_damaged_file_is_said_to_be_one(tmp_path: Path, damage: object) -> None:
    path = small_world(20).save(tmp_path / "d.world")
    path.write_bytes(damage(path.read_bytes()))  # pyright: ignore[reportCallIssue]
    with pytest.raises(ResultsError, match=r"d\.world"):
        World.load(path)


@pytest.mark.parametrize("meta", [b"{}", b"[]", b'{"version": 99}', b"7"])
def test_a_file_of_another_kind_or_version_is_refused(tmp_path: Path, meta: bytes) -> None:
    path = tmp_path / "e.npz"
    np.savez(path, meta=np.frombuffer(meta, dtype=np.uint8))
    with pytest.raises(ResultsError, match=r"e\.npz"):
        World.load(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="nowhere"):
        World.load(tmp_path / "nowhere.world")


def test_a_contact_removed_for_one_person_changes_only_this_persons_rows() -> None:
    world = small_world(300, overrides={"compliance.mode": "audit"})
    view_id = 17
    log = world.fork().run(Scattered(5, 0.8, rounds=2), 8)
    twin = world.fork().run(Scattered(5, 0.8, rounds=2, skip=(view_id,)), 8)
    person = world.order[view_id]
    others = np.ones(world.n, dtype=np.bool_)
    others[person] = False
    assert same_rows(rows_of(log, others), rows_of(twin, others))
    assert not same_rows(rows_of(log, ~others), rows_of(twin, ~others))
