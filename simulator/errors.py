"""The errors that a user of CardArena may meet; each says what was expected, what came, where, and the nearest right thing."""

from collections.abc import Iterable
from difflib import get_close_matches


class CardArenaError(Exception):
    """Root of every error that is the user's to mend; the command line prints it without a traceback."""


class UnknownNameError(CardArenaError):
    """A name that no registry knows; the message carries the nearest valid ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        """Compose the message from the kind of thing, the name that came and the names that exist."""
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(f"unknown {kind} {name!r}; {nearest(name, self.known)}")


class ScenarioError(CardArenaError):
    """A scenario file that cannot be used: says file, line, key, what was expected and what was found."""


class PolicyError(CardArenaError):
    """A policy that raised, hung, or returned contacts that make no sense: says policy, row and column."""


class SchedulerError(CardArenaError):
    """A combination that a scheduler refuses, such as a custom cardholder kind under `cohort`."""


class ResultsError(CardArenaError):
    """A results folder that is missing, unfinished or written by another version."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known names come nearest to `name`, or list them all when none comes near."""
    known = sorted(known)
    close = get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(repr(word) for word in close) + "?"
    return "expected one of " + ", ".join(known)
