"""Is the world to be believed? Targets, shapes, planning, worlds, discrimination and realism, each measured by `validate`.

A section is one module (or folder) with `run(lab, tell) -> Section`; `sections.SECTIONS` lists them in the order of the page.
"""
