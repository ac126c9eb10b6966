"""What the documents show runs, and what they refer to exists."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from cardarena.agents.gymnasium_ids import ENTRY_POINTS
from cardarena.agents.registry import make_policy
from cardarena.simulator.bank.records import ACCOUNT
from cardarena.simulator.behaviour.parameters import parameter_names
from cardarena.simulator.behaviour.person import PERSON
from cardarena.simulator.errors import ScenarioError
from cardarena.simulator.scenario import load_scenario

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if path.is_file()]
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Blocks that need the rl extra; they follow the others of their page.
WITH_RL = re.compile(r"^```\{code-block\} python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
WITH_CODE = [path for path in DOCUMENTS if PYTHON.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("document", WITH_CODE, ids=lambda path: path.name)
def test_code_blocks_run(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in PYTHON.findall(document.read_text(encoding="utf-8")):
        exec(compile(block, document.name, "exec"), names)
    for name, shown in list(names.items()):
        if name.startswith("test_") and callable(shown):
            shown()


@pytest.mark.rl
@pytest.mark.parametrize(
    "document",
    [path for path in DOCUMENTS if WITH_RL.search(path.read_text(encoding="utf-8"))],
    ids=lambda path: path.name,
)
def test_code_blocks_of_learners_run(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("stable_baselines3")
    monkeypatch.chdir(tmp_path)
    page, names = document.read_text(encoding="utf-8"), {}
    for block in (*PYTHON.findall(page)[:1], *WITH_RL.findall(page)):
        exec(compile(block, document.name, "exec"), names)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    targets = LINK.findall(document.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert not missing


SCENARIO = re.compile(r"^```yaml\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)


def _scenario_blocks() -> list[tuple[str, str]]:
    page = (ROOT / "docs" / "write-a-scenario.md").read_text(encoding="utf-8")
    return SCENARIO.findall(page)


@pytest.mark.parametrize(("written", "answer"), _scenario_blocks())
def test_scenarios_load_or_fail_as_shown(
    written: str, answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("spring_push.yaml").write_text(written, encoding="utf-8")
    if not answer:
        assert load_scenario("spring_push.yaml", known_parameters=parameter_names()).name == "spring_push"
        return
    with pytest.raises(ScenarioError) as caught:
        load_scenario("spring_push.yaml")
    assert str(caught.value) == answer.strip()


def test_the_shown_policy_is_a_whole_file(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "write-a-policy.md").read_text(encoding="utf-8")
    file = tmp_path / "my_policy.py"
    file.write_text(PYTHON.findall(page)[0], encoding="utf-8")
    assert make_policy(f"{file}:PushOnNeed").name == "push_on_need"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_pages_that_are_named_exist(document: Path) -> None:
    generated = {f"reference/{name}" for name in re.findall(r"^@page\ndef (\w+)", _generator(), re.MULTILINE)}
    generated = {name.replace("_", "-") for name in generated}
    generated |= {f"reference/environment-{name.split('/')[-1].lower()}" for name in ENTRY_POINTS}
    named = re.findall(r"\{doc\}`(?:[^`<]+<)?([^`>]+)>?`", document.read_text(encoding="utf-8"))
    missing = [
        name for name in named if name not in generated and not (document.parent / f"{name}.md").is_file()
    ]
    assert not missing


def _generator() -> str:
    files = sorted((ROOT / "docs" / "_ext").glob("*.py"))
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


ODD = (ROOT / "docs" / "odd.md").read_text(encoding="utf-8")


def test_the_protocol_names_every_state_variable_of_a_person() -> None:
    assert set(re.findall(r"`person\.(\w+)`", ODD)) == set(PERSON.names or ())
    assert set(re.findall(r"`account\.(\w+)`", ODD)) <= set(ACCOUNT.names or ())


@pytest.mark.parametrize("module", ["life", "midnight", "neighbours", "purchase", "response"])
def test_the_protocol_names_functions_that_exist(module: str) -> None:
    named = re.findall(rf"`{module}\.(\w+)`", ODD)
    behaviour = import_module(f"cardarena.simulator.behaviour.{module}")
    assert named
    assert not [name for name in named if not hasattr(behaviour, name)]


@pytest.mark.parametrize("page", ["odd.md", "model.md"])
def test_parameters_in_formulas_exist(page: str) -> None:
    written = (ROOT / "docs" / page).read_text(encoding="utf-8")
    named = {name.replace("\\_", "_") for name in re.findall(r"\\texttt\{([^}]+)\}", written)}
    assert named
    assert named <= set(parameter_names())


def test_no_page_tells_where_it_was_written() -> None:
    told = [
        path.name
        for path in DOCUMENTS
        if re.search(r"/(home|Users|work|tmp)/", path.read_text(encoding="utf-8"))
    ]
    assert not told
