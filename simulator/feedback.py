"""What the bank observed of its own contacts, read from the event rows, by view id."""

import numpy as np

from cardarena.simulator.contracts import Feedback
from cardarena.simulator.names import Kind, Status

_OUTCOMES = {"clicked": (Kind.RESPONSE, 1), "opted_out": (Kind.CONSENT, 0), "complained": (Kind.COMPLAINT, 0)}


def contact_key(rows: np.ndarray) -> np.ndarray:
    """Return one int64 per row that names the contact which it belongs to: (cardholder, decision day, ordinal)."""
    return (
        (rows["cardholder"].astype(np.int64) << 24)
        | ((rows["ref_day"].astype(np.int64) + 4096) << 8)
        | (rows["ref_ordinal"].astype(np.int64) & 255)
    )


def make_feedback(events: np.ndarray, view_id: np.ndarray, is_personal: np.ndarray) -> Feedback:
    """Return the feedback in a stretch of event rows.

    Args:
        events: EVENT rows since the last call.
        view_id: view id of each true row, shape (n,).
        is_personal: whether purchases may be used, shape (n,): false where personalisation is switched off.
    """
    contacts = events[events["kind"] == Kind.CONTACT]
    keys = contact_key(contacts)
    seen = {}
    for name, (kind, code) in _OUTCOMES.items():
        rows = events[(events["kind"] == kind) & (events["code"] == code) & (events["ref_ordinal"] >= 0)]
        seen[name] = np.isin(keys, contact_key(rows))
    bought = events[(events["kind"] == Kind.RESPONSE) & (events["code"] >= 2)]
    bought = bought[is_personal[bought["cardholder"]]]
    return Feedback(
        decided_day=contacts["ref_day"].astype(np.int64),
        cardholder=view_id[contacts["cardholder"]],
        offer=contacts["offer"].astype(np.int64),
        channel=contacts["channel"].astype(np.int64),
        depth=contacts["depth"].astype(np.int64),
        delivered=contacts["code"] == Status.DELIVERED,
        rule=contacts["rule"].astype(np.int64),
        purchase_cardholder=view_id[bought["cardholder"]],
        purchase_day=bought["day"].astype(np.int64),
        purchase_category=bought["item"].astype(np.int64),
        purchase_offer=bought["offer"].astype(np.int64),
        purchase_value_fen=bought["value_mfen"] / 1000.0,
        **seen,
    )
