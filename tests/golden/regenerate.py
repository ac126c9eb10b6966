"""Write the golden digests anew: `python -m tests.golden.regenerate`. To be run on purpose, after a change that is meant."""

import json
from pathlib import Path

from tests.fakes.simple_policies import Scattered
from tests.fakes.small_worlds import small_world

FILE = Path(__file__).with_name("digests.json")
WORLDS = ("baseline", "cold_start", "collisions", "mass_market")


def digest(name: str) -> str:
    """Return the digest of five days of a small world of this scenario."""
    overrides = {"horizon.burn_in_days": 0, "shocks": [], "horizon.run_out_days": 1}
    return small_world(64, 1, name=name, overrides=overrides).run(Scattered(1, 0.5, rounds=2), 5).digest()


def digests() -> dict[str, str]:
    """Return the digest of every golden world."""
    return {name: digest(name) for name in WORLDS}


if __name__ == "__main__":
    FILE.write_text(json.dumps(digests(), indent=2, sort_keys=True) + "\n")
