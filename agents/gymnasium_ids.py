"""The environments' ids, made known to Gymnasium without building anything: `import cardarena.envs` does it."""

from typing import Final

#: Name of each id, and what makes the environment and its vector version.
ENTRY_POINTS: Final = {"CardArena/Cardholder-v0": ("cardholder", "cardholder_vector")}
_MODULE: Final = "cardarena.agents.environments"


def register() -> None:
    """Make the ids known, once. Only their names: what they build is imported when it is first made."""
    from gymnasium.envs.registration import register, registry

    for name, (single, vector) in ENTRY_POINTS.items():
        if name not in registry:
            register(name, entry_point=f"{_MODULE}:{single}", vector_entry_point=f"{_MODULE}:{vector}")
