"""Sphinx configuration."""

import os
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
# Compiled functions are documented as the plain Python functions they are made from.
os.environ["NUMBA_DISABLE_JIT"] = "1"

import cardarena

project = "CardArena"
author = "The CardArena contributors"
project_copyright = "2026, the CardArena contributors"
release = version = cardarena.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "mathml",
    "registries",
    "evidence",
    "environments",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]
templates_path = ["_templates"]
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_math_renderer = "mathml"
html_title = f"CardArena {release}"
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
# A class that two modules export is found under either name.
suppress_warnings = ["ref.python"]

autosummary_generate = True
autodoc_default_options = {"members": True, "member-order": "bysource", "exclude-members": "model_config"}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True


def _as_code(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Read single backticks in docstrings as code; also keeps a colon between them from being read as a type's end."""
    lines[:] = [re.sub(r"(?<![`:\w])`([^`<>]+)`(?![`_])", r"``\1``", line) for line in lines]


def _without_page(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Leave out the sections of an environment's docstring: they are a page of their own, in Markdown."""
    begins = [at for at, line in enumerate(lines) if line.startswith("## ")]
    if begins:
        ends = lines.index("Attributes:") if "Attributes:" in lines else len(lines)
        lines[begins[0] : ends] = ["Its own page, under :doc:`/environments`, says the rest.", ""]


def setup(app: Any) -> None:
    """Mend docstrings before napoleon reads them."""
    app.connect("autodoc-process-docstring", _without_page, priority=300)
    app.connect("autodoc-process-docstring", _as_code, priority=400)
