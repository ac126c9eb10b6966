"""The nightly census: integer histograms and sums over people, from which every latent metric is computed."""

from typing import Final

import numpy as np
from numba import njit

from cardarena.simulator.compilation import compiled
from cardarena.simulator.names import N_CHANNELS

#: Rows of the census; histograms have 64 bins, sums use bin 0, the per-channel rows use the channel as bin.
STATE_MEASURES: Final = (
    "fatigue",  # floor(16 x load / tolerance)
    "annoyance",  # floor(32 x annoyance)
    "satisfaction",  # floor(64 x satisfaction)
    "trust",
    "wallet",
    "alive",
    "active_30d",
    "expected_value_mfen",
    "expected_complaint_marketing_ppb",
    "expected_complaint_service_ppb",
    "expected_complaint_collection_ppb",
    "expected_opt_out_ppb",
    "marketing_consented",
    "personalised",
    "permission_value_mfen",
    "own_spend_fen",
    "all_spend_fen",
    "permitted",  # by channel
    "delivered",  # by channel
)
N_MEASURES: Final = len(STATE_MEASURES)
N_BINS: Final = 64


@njit(inline="always")
def _bin(x):
    return min(63, max(0, int(x)))


@compiled(forceinline=True)
def count_person(person, account, census):
    """Add one person at the end of a day to `census`, shape (measures, 64), int64."""
    census[7, 0] += person.expected_mfen
    census[8, 0] += person.expected_complaint_ppb[0]
    census[9, 0] += person.expected_complaint_ppb[1]
    census[10, 0] += person.expected_complaint_ppb[2]
    census[11, 0] += person.expected_opt_out_ppb
    census[15, 0] += person.own_spend_fen
    census[16, 0] += person.all_spend_fen
    if account.contacts_today > 0:
        for c in range(N_CHANNELS):
            census[18, c] += person.delivered_today[c]
    if person.alive == 0:
        return
    load = 0.0
    reachable = account.marketing_consent == 1
    for c in range(N_CHANNELS):
        load += person.load[c]
    if reachable:
        for c in range(N_CHANNELS):
            census[17, c] += account.permitted[c]
    census[0, _bin(16.0 * load / person.tolerance)] += 1
    census[1, _bin(32.0 * person.annoyance)] += 1
    census[2, _bin(64.0 * person.satisfaction)] += 1
    census[3, _bin(64.0 * person.trust)] += 1
    census[4, _bin(64.0 * person.wallet)] += 1
    census[5, 0] += 1
    census[6, 0] += 1 if person.idle_days < 30 else 0
    census[12, 0] += 1 if reachable else 0
    census[13, 0] += 1 if account.personalisation_on == 1 else 0


def value_permissions(census: np.ndarray, value_cny: np.ndarray) -> None:
    """Fill the worth of all reachable opt-ins from their counts, whole milli-fen.

    Args:
        census: shape (measures, 64), changed in place.
        value_cny: worth of one opt-in, CNY, shape (channels,).
    """
    counts = census[STATE_MEASURES.index("permitted"), :N_CHANNELS]
    worth = np.floor(value_cny * 1e5 + 0.5).astype(np.int64)
    census[STATE_MEASURES.index("permission_value_mfen"), 0] = int(counts @ worth)
