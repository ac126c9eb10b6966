"""The environments: ``import cardarena.envs`` makes their ids known to ``gymnasium.make``."""

from cardarena.agents.gymnasium_ids import ENTRY_POINTS, register

register()

__all__ = ["ENTRY_POINTS", "register"]
