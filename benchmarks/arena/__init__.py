"""The arena: scenarios x policies x seeds over worker processes, resumable, each run in a process that can be killed alone.

`plan` says what is to be run, `runner` plays one run, `pool` keeps the workers, `parts` keeps what was finished on disk,
`match` ties them together, `progress` shows it, `state` reads how far it is.
"""

from cardarena.benchmarks.arena.match import Outcome, play
from cardarena.benchmarks.arena.plan import Entry, Plan, Task
from cardarena.benchmarks.arena.state import arena_status

__all__ = ["Entry", "Outcome", "Plan", "Task", "arena_status", "play"]
