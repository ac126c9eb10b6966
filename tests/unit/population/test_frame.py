"""A population as a frame: words for codes, columns for vectors, nothing lost."""

import numpy as np
import pytest

from cardarena.simulator import names
from cardarena.simulator.errors import CardArenaError
from cardarena.simulator.population.frame import to_frame
from cardarena.simulator.population.generate import traits
from cardarena.simulator.population.identities import identities


@pytest.fixture(scope="module")
def people():
    return traits(4, 200)


def test_codes_become_words(people):
    frame = to_frame(people)
    assert frame["segment"].tolist() == [names.SEGMENTS[s] for s in people["segment"]]
    assert frame["blocks_tracking"].tolist() == [names.TRACKING[s] for s in people["blocks_tracking"]]
    assert frame["has_app"].dtype == bool
    assert frame["cards_held"].tolist() == people["cards_held"].tolist()


def test_vectors_and_contexts_become_columns(people):
    frame = to_frame(people)
    for k, channel in enumerate(names.CHANNELS):
        assert (frame[f"channel_liking_{channel}"] == people["channel_liking"][:, k]).all()
    bits = sum(frame[f"context_{word}"].astype(int) * 2**k for k, word in enumerate(names.SPEND_CONTEXTS))
    assert (bits == people["contexts"]).all()


def test_nothing_is_lost_through_parquet(people, tmp_path):
    import pandas as pd

    frame = to_frame(people, identities=True, seed=4)
    frame.to_parquet(tmp_path / "people.parquet")
    back = pd.read_parquet(tmp_path / "people.parquet")
    assert back["monthly_spend_fen"].dtype == np.int64
    assert (back["card_number"] == frame["card_number"]).all()
    assert list(back.columns) == list(frame.columns)


def test_identities_stand_beside_their_ids(people):
    frame = to_frame(people[50:60], identities=True, seed=4)
    expected = identities(4, range(50, 60))
    for column in expected.columns:
        assert frame[column].tolist() == expected[column].tolist()


def test_misuse_is_refused(people):
    with pytest.raises(CardArenaError, match="seed"):
        to_frame(people, identities=True)
    with pytest.raises(CardArenaError, match="TRAITS"):
        to_frame(np.zeros(3))
