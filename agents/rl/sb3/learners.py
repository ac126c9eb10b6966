# pyright: reportMissingImports=false
"""Which learner trains which agent."""

from typing import Any, Final

from cardarena.agents.rl.sb3.offline import Cql, Fqi
from cardarena.agents.rl.sb3.online import Dqn, LagrangianPpo, MaskedPpo, Ppo, RecurrentAgent
from cardarena.agents.rl.sb3.sac import Sac

LEARNERS: Final[dict[str, Any]] = {
    "ppo": Ppo,
    "maskable_ppo": MaskedPpo,
    "ppo_lagrangian": LagrangianPpo,
    "ppo_stacked": MaskedPpo,
    "ppo_recurrent": RecurrentAgent,
    "dqn": Dqn,
    "cql": Cql,
    "fqi": Fqi,
    "sac": Sac,
}
