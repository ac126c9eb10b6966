"""The ids are known wherever they are asked for, and asking compiles nothing."""

import subprocess
import sys

import gymnasium
import pytest

from cardarena.agents.gymnasium_ids import ENTRY_POINTS
from cardarena.simulator.errors import UnknownNameError

IDS = sorted(ENTRY_POINTS)
CODE = f"""
import sys
import gymnasium
import cardarena.envs
print([gymnasium.spec(name).id for name in {IDS}], sorted({{"numba", "torch", "pandas"}} & set(sys.modules)))
"""


def test_an_import_makes_the_ids_known_and_compiles_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{IDS} []"


@pytest.mark.parametrize("name", IDS)
def test_gymnasium_imports_a_module_that_stands_before_the_id(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(gymnasium.registry, name, raising=False)
    monkeypatch.delitem(sys.modules, "cardarena.envs", raising=False)
    # What is built begins with the scenario, so a wrong one shows that the id was found.
    with pytest.raises(UnknownNameError, match="did you mean 'baseline'"):
        gymnasium.make(f"cardarena.envs:{name}", scenario="baselin")
