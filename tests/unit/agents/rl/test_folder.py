"""A trained agent on disk: what is written is what is read, and what is wrong is said."""

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save
from tests.fakes.agents.small_agent import random_tensors, small_agent, small_card

from cardarena.agents.rl import folder as folders
from cardarena.agents.rl.folder import CARD, CURVE, WEIGHTS, read_agent, read_card
from cardarena.simulator.errors import PolicyError


def rewrite_card(folder: Path, **changes: Any) -> None:
    card = {"format": 1, **small_card(**changes)}
    card["weights_sha256"] = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    (folder / CARD).write_text(json.dumps(card, indent=1), encoding="utf-8")


def rewrite_weights(folder: Path, content: bytes) -> None:
    (folder / WEIGHTS).write_bytes(content)
    rewrite_card(folder)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = small_agent(tmp_path / "a")
    read = read_agent(tmp_path / "a")
    assert read.card == written.card
    tensors = random_tensors(small_card())
    assert set(read.tensors) == set(tensors)
    assert all(np.array_equal(read.tensors[name], tensors[name]) for name in tensors)
    assert (tmp_path / "a" / CURVE).read_text() == "steps,value_cny\n0,0.0\n"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"observation__columns": [{"name": "days_since_contacts"}]}, "did you mean 'days_since_contact'"),
        ({"actions__channels": ["app_pusch"]}, "did you mean 'app_push'"),
        ({"actions__offers": ["grocery_coupon"] * 2}, "expected each name once"),
        ({"actions__depths": ["individual"]}, "expected the first of generic, segment, individual"),
        ({"actions__scores": "values"}, "expected logits, or flat and greedy values"),
        ({"actions__form": "factor"}, "did you mean 'factored'"),
        ({"network__layers": [5000]}, "expected at most 1024"),
        ({"network__layers": [8] * 5}, "at most 4 items"),
        ({"network__memory": {"cell": "rnn", "units": 4}}, "expected one of lstm, gru"),
        ({"observation__columns": [{"name": "age", "scale": 0.0}]}, "greater than 0"),
        ({"observation__columns": [{"name": "age", "transform": "sin"}]}, "period"),
        ({"observation__frame": 2}, "did you mean 'frames'"),
        ({"training__gamma_per_day": 1.5}, "expected at most 1"),
        ({"name": "../up"}, "name"),
    ],
)
def test_a_wrong_card_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    small_agent(tmp_path / "a")
    rewrite_card(tmp_path / "a", **changes)
    with pytest.raises(PolicyError, match=r"a/agent\.json") as caught:
        read_card(tmp_path / "a")
    assert message in str(caught.value)


def test_wrong_tensors_are_refused(tmp_path: Path) -> None:
    small_agent(tmp_path)
    good = random_tensors(small_card())

    def refused(message: str, **changes: Any) -> None:
        rewrite_weights(tmp_path, save({k: v for k, v in (good | changes).items() if v is not None}))
        with pytest.raises(PolicyError, match=message):
            read_agent(tmp_path)

    name = "output.bias"
    refused("tensor 'output.bias': expected shape .*, found none", **{name: None})
    refused("expected float32 of shape .*, found float64", **{name: good[name].astype(np.float64)})
    refused(r"found float32 of shape \(3,\)", **{name: good[name][:3].copy()})
    refused("expected finite numbers", **{name: np.full_like(good[name], np.nan)})
    refused("unknown tensor 'output.bios'; did you mean 'output.bias'", **{"output.bios": good[name]})


def test_other_weights_than_the_card_speaks_of_are_refused(tmp_path: Path) -> None:
    small_agent(tmp_path)
    content = bytearray((tmp_path / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (tmp_path / WEIGHTS).write_bytes(bytes(content))
    with pytest.raises(PolicyError, match="expected the digest"):
        read_agent(tmp_path)


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    class Touches:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    small_agent(tmp_path)
    rewrite_weights(tmp_path, pickle.dumps(Touches()))
    with pytest.raises(PolicyError, match="expected a safetensors file"):
        read_agent(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_agent(tmp_path)
    monkeypatch.setattr(folders, "MAX_WEIGHT_BYTES", 100)
    with pytest.raises(PolicyError, match="expected at most 100 bytes"):
        read_agent(tmp_path)


@pytest.mark.parametrize("name", [CARD, WEIGHTS])
def test_a_link_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    small_agent(tmp_path / "inside")
    (tmp_path / "inside" / name).rename(tmp_path / name)
    (tmp_path / "inside" / name).symlink_to(tmp_path / name)
    with pytest.raises(PolicyError, match="a link that leads outside"):
        read_agent(tmp_path / "inside")


@pytest.mark.parametrize("name", [CARD, WEIGHTS])
def test_a_missing_file_is_said(tmp_path: Path, name: str) -> None:
    small_agent(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(PolicyError, match=f"found no {name}"):
        read_agent(tmp_path)


def test_a_write_that_fails_leaves_no_agent(tmp_path: Path) -> None:
    small_agent(tmp_path)
    tensors = random_tensors(small_card())
    del tensors["output.bias"]
    with pytest.raises(PolicyError):
        folders.write_agent(tmp_path, small_card(), tensors)
    with pytest.raises(PolicyError):
        read_agent(tmp_path)
