"""Breaches found in a log alone: what was delivered, against quiet hours, refusals and off-switches told by other rows."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from cardarena.simulator.bank.records import NEVER
from cardarena.simulator.log import RunLog
from cardarena.simulator.names import CONSENT_CHANGES, DEPTHS, Status

AFTER: Final = ("after refusal", "after off-switch", "after withdrawal", "after closure")
_GENERIC: Final = DEPTHS.index("generic")
_CONTACT: Final = "contact"


@dataclass
class _Will:
    """What one person has said so far: channels refused, and what else must not be."""

    refused: set[int] = field(default_factory=set[int])
    is_off: bool = False
    has_withdrawn: bool = False
    is_closed: bool = False

    def hear(self, change: str, channel: int) -> None:
        """Take a row of the table of consents."""
        if change == "channel_opt_out":
            self.refused.add(channel)
        elif change == "channel_opt_in":
            self.refused.discard(channel)
        elif change == "personalisation_off":
            self.is_off = True
        elif change in ("marketing_withdrawn", "marketing_given"):
            self.has_withdrawn = change == "marketing_withdrawn"
        elif change.startswith("closed"):
            self.is_closed = True

    def against(self, channel: int, depth: int) -> Iterator[str]:
        """Yield what stands against a contact."""
        broken = (
            channel in self.refused,
            self.is_off and depth > _GENERIC,
            self.has_withdrawn,
            self.is_closed,
        )
        yield from (name for name, is_broken in zip(AFTER, broken, strict=True) if is_broken)


def breaches(log: RunLog, channels: np.ndarray, accounts: np.ndarray | None = None) -> dict[str, int]:
    """Return how many delivered contacts broke a rule, by kind; `told` is what the log itself says.

    The others do not trust that column: a contact in quiet hours, one after the channel was refused and not permitted
    again, a personalised one after the off-switch, one after consent was withdrawn, one after the account closed. Rows
    of a person are in the order in which they happened, so a change counts from its own row on, in the same minute.

    Args:
        log: a run's.
        channels: shape (channels,), dtype CHANNEL, for their quiet hours.
        accounts: shape (people,), dtype ACCOUNT, as the run found them: what was refused before it. Refused calls are
            left out, since they are allowed again after a time.
    """
    contacts = log.table("contacts")
    sent = contacts["status"] == int(Status.DELIVERED)
    rows = {name: values[sent] for name, values in contacts.items()}
    found = {"told": int(np.count_nonzero(rows["rule"])), "quiet hours": int(_is_quiet(rows, channels).sum())}
    found |= dict.fromkeys(AFTER, 0)
    for name in _forbidden(rows, log.table("consents"), _before(accounts, channels)):
        found[name] += 1
    return found


def _is_quiet(rows: dict[str, np.ndarray], channels: np.ndarray) -> np.ndarray:
    """Say which contacts came in their channel's quiet hours, which may span midnight."""
    start = channels["quiet_from_minute"][rows["channel"]].astype(np.int64)
    end = channels["quiet_to_minute"][rows["channel"]].astype(np.int64)
    length = (end - start) % 1440
    return (rows["minute"] - start) % 1440 < length


def _before(accounts: np.ndarray | None, channels: np.ndarray) -> dict[int, _Will]:
    """Return what people had said before the run."""
    if accounts is None:
        return {}
    refused = (accounts["permitted"] == 0) & (accounts["refused_day"] > NEVER) & (channels["is_voice"] == 0)
    said = {
        "refused": refused.any(axis=1),
        "off": accounts["personalisation_on"] == 0,
        "withdrawn": accounts["marketing_consent"] == 0,
        "closed": accounts["is_open"] == 0,
    }
    return {
        int(accounts["cardholder"][i]): _Will(
            set(np.flatnonzero(refused[i]).tolist()),
            bool(said["off"][i]),
            bool(said["withdrawn"][i]),
            bool(said["closed"][i]),
        )
        for i in np.flatnonzero(np.any(list(said.values()), axis=0))
    }


def _forbidden(
    rows: dict[str, np.ndarray], changes: dict[str, np.ndarray], before: dict[int, _Will]
) -> Iterator[str]:
    """Yield the kind of each contact that a person's own word had forbidden."""
    touched = np.union1d(changes["cardholder"], np.array(sorted(before), dtype=np.int64))
    events: list[tuple[Any, ...]] = [
        (*_key(rows, i), _CONTACT, int(rows["channel"][i]), int(rows["depth"][i]))
        for i in np.flatnonzero(np.isin(rows["cardholder"], touched))
    ]
    events += [
        (*_key(changes, i), CONSENT_CHANGES[changes["change"][i]], int(changes["channel"][i]), 0)
        for i in np.arange(changes["cardholder"].size)
    ]
    wills = dict(before)
    for who, _, _, what, channel, depth in sorted(events):
        will = wills.setdefault(who, _Will())
        if what == _CONTACT:
            yield from will.against(channel, depth)
        else:
            will.hear(what, channel)


def _key(rows: dict[str, np.ndarray], i: np.intp) -> tuple[int, int, int]:
    """Return the order of a row: by person, then as things happened."""
    return int(rows["cardholder"][i]), int(rows["day"][i]), int(rows["ordinal"][i])
