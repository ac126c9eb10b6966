"""Who does what next: a world is prepared once, its runs follow, and nobody idles while a run waits."""

from collections import deque
from collections.abc import Iterable

from cardarena.benchmarks.arena.plan import Task

Group = tuple[str, int]


class Schedule:
    """The tasks that are left.

    The life of a world: *untouched* -> *in preparation* -> *prepared*, or *lost*, and then its runs are lost with it.

    Args:
        tasks: the runs that are left, world by world.

    Example:
        >>> schedule = Schedule([Task("a", 1, "rfm"), Task("a", 1, "blast"), Task("b", 1, "rfm")])
        >>> first = schedule.next_for(None)
        >>> print(first), print(schedule.next_for(None))
        a, seed 1: world
        b, seed 1: world
        (None, None)
        >>> schedule.prepared(first)
        >>> print(schedule.next_for(("a", 1)))
        a, seed 1: rfm
    """

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._waiting: dict[Group, deque[Task]] = {}
        for task in tasks:
            self._waiting.setdefault(task.group, deque()).append(task)
        self._untouched = deque(self._waiting)
        self._prepared: set[Group] = set()
        self._running: dict[Group, int] = dict.fromkeys(self._waiting, 0)

    def next_for(self, last: Group | None) -> Task | None:
        """Return the next task of a worker that last worked in the world `last`, or None where it has to wait.

        It stays in its world (which it has in memory), else prepares the next one, else helps where most is left.
        """
        group = last if last in self._prepared and self._waiting.get(last) else None
        if group is None and self._untouched:
            return Task(*self._untouched.popleft())
        if group is None:
            left = [name for name in self._prepared if self._waiting[name]]
            if not left:
                return None
            group = max(sorted(left), key=lambda name: len(self._waiting[name]))
        self._running[group] += 1
        return self._waiting[group].popleft()

    def prepared(self, task: Task) -> None:
        """Take note that the task's world is ready."""
        self._prepared.add(task.group)

    def lost(self, task: Task) -> list[Task]:
        """Take note that the task's world cannot be made; return the runs that are lost with it."""
        runs = list(self._waiting[task.group])
        self._waiting[task.group].clear()
        return runs

    def ended(self, task: Task) -> bool:
        """Take note that a run ended; return whether its world is needed no more."""
        self._running[task.group] -= 1
        return not self._waiting[task.group] and not self._running[task.group]
