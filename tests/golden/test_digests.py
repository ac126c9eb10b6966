"""The log of small worlds, bit for bit, on every machine. A change that is meant: `python -m tests.golden.regenerate`."""

import json

import pytest
from tests.golden.regenerate import FILE, WORLDS, digest


@pytest.mark.golden
@pytest.mark.parametrize("name", WORLDS)
def test_the_log_is_the_stored_one(name: str) -> None:
    assert digest(name) == json.loads(FILE.read_text())[name], (
        "the log of a small world changed; if that was meant, run `python -m tests.golden.regenerate`"
    )
