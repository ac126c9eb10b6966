"""The shipped agent with its dial turned down until a year's limit of opt-outs is kept.

    cardarena arena --policy docs/examples/careful_agent.py:careful --policy maskable_ppo --scenario full_year

The dial is added to a contact's score, log-odds against nothing. Of 0, -3, -5 and -8, tried on the training seeds 1001 and
1002 of `full_year` with 3,000 cardholders, -8 is the first that keeps every limit with a tenth to spare: of the permissions
2.3, 2.0, 2.0 and 1.5 % are withdrawn, and INV is 69.4, 70.4, 70.3 and 67.5 CNY a head.
"""

from cardarena.agents.registry import make_policy
from cardarena.simulator.contracts import Policy

DIAL = -8.0


def careful() -> Policy:
    """Return the agent, under a name of its own."""
    policy = make_policy("maskable_ppo", DIAL)
    policy.name = "maskable_ppo_careful"
    return policy
