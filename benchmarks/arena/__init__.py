"""The arena: scenarios x policies x seeds over worker processes, each run in a process that can be killed alone.

`plan` says what is to be run, `entries` makes it from names, `schedule` who does what next, `runner` plays one run,
`pool` keeps the workers, `parts` keeps on disk what was finished, `match` ties them together, `progress` shows it,
`conclusion` makes leaderboard and report, `state` reads how far it is.
"""

from cardarena.benchmarks.arena.match import Outcome, play
from cardarena.benchmarks.arena.plan import Entry, Plan, Task
from cardarena.benchmarks.arena.state import arena_status

__all__ = ["Entry", "Outcome", "Plan", "Task", "arena_status", "play"]
