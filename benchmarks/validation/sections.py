"""The sections of the validation, in the order of the page; each is found by name and imported when it is run."""

from importlib import import_module
from typing import Final

from cardarena.benchmarks.validation.findings import Section, Tell
from cardarena.benchmarks.validation.lab import Lab
from cardarena.simulator.errors import UnknownNameError

#: Name of a section and the module whose `run(lab, tell)` makes it.
SECTIONS: Final[dict[str, str]] = {
    "targets": "cardarena.benchmarks.validation.targets",
    "shapes": "cardarena.benchmarks.validation.shapes",
    "realism": "cardarena.benchmarks.validation.realism",
    "discrimination": "cardarena.benchmarks.validation.discrimination",
    "planning": "cardarena.benchmarks.validation.planning",
    "worlds": "cardarena.benchmarks.validation.worlds",
}


def run_section(name: str, lab: Lab, tell: Tell) -> Section:
    """Run one section.

    Raises:
        UnknownNameError: no such section.
    """
    if name not in SECTIONS:
        raise UnknownNameError("section", name, SECTIONS)
    section: Section = import_module(SECTIONS[name]).run(lab, tell)
    return section
