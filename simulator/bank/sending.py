"""When each channel sends, where nobody says otherwise: policies and environments place their contacts alike."""

from typing import Final

import numpy as np

from cardarena.simulator.bank.gate import in_quiet_hours
from cardarena.simulator.names import CHANNELS

#: Minute of the day at which each channel sends: inside 09:00-20:59, messages before lunch, calls in office hours.
SEND_MINUTE: Final = {
    "app_push": 725,
    "in_app": 545,
    "mini_program": 560,
    "sms": 610,
    "email": 580,
    "human_call": 630,
    "ai_call": 900,
    "branch_atm": 550,
    "wecom": 1140,
    "third_party": 1170,
}
LATEST_MINUTE: Final = 1259


def send_minutes(channels: np.ndarray, minute: int | None = None) -> np.ndarray:
    """Return the minute of the day at which each channel sends, shape (channels,), int64.

    Args:
        channels: CHANNEL records.
        minute: one for all, moved to the end of a channel's quiet hours where it lies in them; by default each channel's own.

    Raises:
        ValueError: a minute outside the day.

    Example:
        >>> send_minutes(np.zeros(0), 600)
        array([], dtype=int64)
    """
    if minute is None:
        return np.array([SEND_MINUTE[name] for name in CHANNELS[: channels.size]], dtype=np.int64)
    if not 0 <= minute < 1440:
        raise ValueError(f"send_minute: expected 0 to 1439, found {minute}")
    return np.array(
        [
            int(c["quiet_to_minute"])
            if in_quiet_hours(minute, int(c["quiet_from_minute"]), int(c["quiet_to_minute"]))
            else minute
            for c in channels
        ],
        dtype=np.int64,
    )
