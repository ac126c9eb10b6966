"""The wheel holds every file of the tree, under one import name, and no file knows where it was written."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import cardarena

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("simulator", "agents", "scenarios", "benchmarks")


def build(source: Path, kind: str, out: Path) -> Path:
    """Build a wheel or an sdist of ``source`` with the installed backend; returns the file made."""
    command = [
        sys.executable,
        "-m",
        "build",
        f"--{kind}",
        "--no-isolation",
        "--outdir",
        str(out),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = out.iterdir()
    return made


def files_of_tree() -> set[str]:
    """The files that an installation must have, as paths inside site-packages."""
    files = {"cardarena/__init__.py", "cardarena/envs.py", "cardarena/py.typed"}
    for folder in FOLDERS:
        paths = (path for path in (ROOT / folder).rglob("*") if path.is_file())
        files |= {f"cardarena/{path.relative_to(ROOT)}" for path in paths if "__pycache__" not in path.parts}
    return files


def files_of_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.mark.parametrize("through_sdist", [False, True], ids=["from tree", "through sdist"])
def test_wheel_holds_exactly_the_tree(tmp_path: Path, through_sdist: bool) -> None:
    source = ROOT
    if through_sdist:
        with tarfile.open(build(ROOT, "sdist", tmp_path / "sdist")) as archive:
            archive.extractall(tmp_path / "unpacked", filter="data")
        (source,) = (tmp_path / "unpacked").iterdir()
    wheel = build(source, "wheel", tmp_path / "wheel")
    assert files_of_wheel(wheel) == files_of_tree()
    assert wheel.name.startswith(f"cardarena-{cardarena.__version__}-py3-none-any")


def test_import_name_is_links_and_nothing_else() -> None:
    package = ROOT / "src" / "cardarena"
    entries = {path.name for path in package.iterdir()} - {"__pycache__"}
    assert entries == {"__init__.py", "envs.py", "py.typed", *FOLDERS}
    assert {name: str((package / name).readlink()) for name in FOLDERS} == {
        name: f"../../{name}" for name in FOLDERS
    }


def test_type_checker_is_pointed_at_every_folder() -> None:
    # pyright does not follow a link that it finds by itself: a folder missing here would pass unread.
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert {f"src/cardarena/{folder}" for folder in FOLDERS} <= set(settings["tool"]["pyright"]["include"])


# Put together here, so that this file does not find itself.
FOREIGN = re.compile(
    r"\.\./" + r"shared\b"
    r"|(?<![\w.\-/:}>])/" + r"(?:work|root|home|Users|opt|mnt|tmp)/\w"
    r"|[A-Za-z]:\\" + r"\\?Users"
)


def tracked_files() -> list[Path]:
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name]


def test_no_file_names_a_place_on_a_machine() -> None:
    found = []
    for path in tracked_files():
        if path.is_symlink() or not path.is_file():
            continue
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # binary, such as Parquet
        found += [
            f"{path.relative_to(ROOT)}:{n}: {line.strip()}"
            for n, line in enumerate(lines, 1)
            if FOREIGN.search(line)
        ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "is_foreign"),
    [
        ("read " + "/home" + "/ann/data.csv", True),
        ("open('" + "/work" + "/x')", True),
        ("see .." + "/shared/model.md", True),
        ("data/home/x.csv", False),
        ("results/work/x", False),
    ],
)
def test_the_search_for_places_can_fail(text: str, is_foreign: bool) -> None:
    assert bool(FOREIGN.search(text)) is is_foreign
