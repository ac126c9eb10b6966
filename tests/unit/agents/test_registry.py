"""Making policies from names and files."""

from pathlib import Path

import pytest

from cardarena.agents.registry import make_policy, policy_names, policy_table
from cardarena.simulator.errors import PolicyError, UnknownNameError

GOOD = """
from cardarena.simulator.contracts import Contacts

class Quiet:
    name, league, every_days, decide_minute, oracle = "quiet", "cold", 7, 0, False
    def reset(self, brief, policy_seed): pass
    def decide(self, view): return Contacts.none()
    def learn(self, feedback): pass
    def explain(self, contacts): return []
    def state(self): return {}
    def load_state(self, state): pass

class Dialled(Quiet):
    def __init__(self, dial=1.0): self.dial = dial

class Halved(Quiet):
    decide = None
    every_days = "weekly"

class WrongLeague(Quiet):
    league = "colder"

class Raises(Quiet):
    def __init__(self): raise ValueError("no luck")

class Never(Quiet):
    every_days = 0

class Peeks(Quiet):
    oracle = True

Typed = type("Typed", (Quiet,), {"name": "typed"})
Partial = __import__("functools").partial(Dialled, dial=4.0)
def factory(): return Quiet()
def factory_of_classes(): return Quiet
NUMBER = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(GOOD, encoding="utf-8")
    return path


def test_table_and_names_agree() -> None:
    assert tuple(row["name"] for row in policy_table()) == policy_names()
    assert len(set(policy_names())) == len(policy_names())


def test_unknown_name_says_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'propensity'"):
        make_policy("propensty")


@pytest.mark.parametrize("dial", [-1.0, float("nan"), float("inf")])
def test_wrong_dial(dial: float) -> None:
    with pytest.raises(PolicyError, match=r"dial \(days between contacts\): expected 1 to "):
        make_policy("cadence", dial=dial)


def test_user_file(file: Path) -> None:
    assert make_policy(f"{file}:Quiet").name == "quiet"
    assert make_policy(f"{file}:Dialled", dial=3.0).dial == 3.0  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(("name", "made"), [("Typed", "typed"), ("Partial", "quiet"), ("factory", "quiet")])
def test_whatever_makes_a_policy_will_do(file: Path, name: str, made: str) -> None:
    assert make_policy(f"{file}:{name}").name == made


def test_a_class_that_the_file_imports_will_do(tmp_path: Path) -> None:
    path = tmp_path / "other.py"
    path.write_text("from cardarena.agents.rules import Rfm as Mine\n", encoding="utf-8")
    assert make_policy(f"{path}:Mine").name == "rfm"


@pytest.mark.parametrize(
    ("suffix", "message"),
    [
        (":Quite", "no class 'Quite' in mine.py; did you mean 'Quiet'"),
        (":Contacts", "it lacks reset, decide"),
        (":NUMBER", "no class 'NUMBER'"),
        (":factory_of_classes", "expected a policy, found the class Quiet"),
        (":Halved", "expected the methods reset, decide, .*it lacks decide"),
        (":WrongLeague", "league: expected one of reference, cold, .*, found 'colder'"),
        (":Never", "every_days: expected 1 or more, found 0"),
        (":Peeks", "expected 'privileged' of a policy marked oracle, found 'cold'"),
        (":Raises", r"making Raises: ValueError: no luck \(mine\.py:24\)"),
        ("", "expected FILE.py:Class"),
    ],
)
def test_user_file_that_cannot_be_used(file: Path, suffix: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        make_policy(f"{file}{suffix}")


def test_user_file_that_does_not_run(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import nothing_of_this_name\n", encoding="utf-8")
    with pytest.raises(PolicyError, match=r"running broken\.py: ModuleNotFoundError: .*\(broken\.py:1\)"):
        make_policy(f"{broken}:Any")
    broken.write_text("x = 1\nclass Mine\n", encoding="utf-8")
    with pytest.raises(PolicyError, match=r"SyntaxError: .*\(broken\.py:2\)"):
        make_policy(f"{broken}:Any")
    broken.write_text("raise SystemExit(3)\n", encoding="utf-8")
    with pytest.raises(PolicyError, match=r"SystemExit: 3 \(broken\.py:1\)"):
        make_policy(f"{broken}:Any")
    with pytest.raises(PolicyError, match="no file"):
        make_policy(f"{tmp_path / 'none.py'}:Any")


def test_dial_for_a_class_without_one(file: Path) -> None:
    with pytest.raises(PolicyError, match=r"Quiet\(\) takes no dial"):
        make_policy(f"{file}:Quiet", dial=2.0)
