"""The environments' ids, made known to Gymnasium without building anything: `import cardarena.envs` does it."""

from typing import Final

_PEOPLE: Final = "cardarena.agents.environments"
#: Name of each id, what makes the environment, and what makes its native vector version, if it has one.
ENTRY_POINTS: Final = {
    "CardArena/Cardholder-v0": (f"{_PEOPLE}:cardholder", f"{_PEOPLE}:cardholder_vector"),
    "CardArena/Trigger-v0": (f"{_PEOPLE}:trigger", f"{_PEOPLE}:trigger_vector"),
    "CardArena/Slate-v0": (f"{_PEOPLE}:slate", f"{_PEOPLE}:slate_vector"),
    "CardArena/Campaign-v0": ("cardarena.agents.campaign_environment:make_campaign", None),
}


def register() -> None:
    """Make the ids known, once. Only their names: what they build is imported when it is first made."""
    from gymnasium.envs.registration import register, registry

    for name, (single, vector) in ENTRY_POINTS.items():
        if name not in registry:
            register(name, entry_point=single, vector_entry_point=vector)
