"""What the kernels need to know besides the cardholder: the scenario turned into records, passed as one argument."""

from typing import Final, NamedTuple

import numpy as np

from cardarena.simulator.names import N_CATEGORIES, N_CHANNELS, N_CONTEXTS

#: The compliance rules and switches of a scenario; -1 means no cap.
COMPLIANCE: Final = np.dtype(
    [
        ("audit", np.int8),  # 0: a breach is blocked; 1: it is let through, counted and fined
        ("cap_day", np.int32),
        ("cap_week", np.int32),
        ("cap_month", np.int32),
        ("cap_channel_week", np.int32, (N_CHANNELS,)),
        ("is_on", np.int8, (17,)),  # by names.RULES; a scenario may switch a rule off
        ("dnc_days", np.int32),  # a refusal of a voice channel binds so long; of any other channel for good
        ("collide_minute", np.int32),  # all own events and contacts happen in this minute; -1: off
        ("word_of_mouth", np.int8),
    ]
)

#: Money, in milli-fen and ppm, as `bank.economics` documents it.
MONEY: Final = np.dtype(
    [
        ("spend_ppm", np.int64),  # interchange and revolving margin on spending, less network fee and points
        ("complaint_mfen", np.int64, (3,)),
        ("fine_mfen", np.int64, (17,)),  # per breach that was let through, by names.RULES
        ("blocked_mfen", np.int64),
        ("loss_given_default_ppm", np.int64),  # of the open statement
    ]
)

#: One day of the world: calendar and shocks.
TODAY: Final = np.dtype(
    [
        ("day", np.int64),
        ("weekday", np.int8),
        ("month", np.int8),
        ("day_of_month", np.int8),
        ("days_since_payday", np.int8),
        ("is_festival", np.int8),
        ("spend_multiplier", np.float64, (N_CONTEXTS,)),
        ("need_multiplier", np.float64, (N_CATEGORIES,)),
        ("need_hazard", np.float64, (N_CATEGORIES,)),  # of a precursor, true or false, at scale 1
        ("p_withdraw", np.float64),  # chance to withdraw the marketing consent today, at average concern
        ("stress_multiplier", np.float64),
        ("rival", np.float64),  # utility of the rivals' offers
        ("trust_drop", np.float64),
        ("outage", np.int64),  # bit c set: channel c is out
    ]
)

#: A contact on its way to a cardholder. `state`: 0 waiting, 1 done.
PENDING: Final = np.dtype(
    [
        ("cardholder", np.int64),
        ("due", np.int64),  # absolute minute of delivery
        ("ordinal", np.int16),  # of the decision, within (day, cardholder)
        ("decided_day", np.int32),
        ("channel_ordinal", np.int16),  # of the contact, within (day, cardholder, channel)
        ("offer", np.int16),
        ("channel", np.int8),
        ("depth", np.int8),
        ("state", np.int8),
    ]
)

#: A complaint that the desk has not closed yet.
OPEN_CASE: Final = np.dtype(
    [
        ("cardholder", np.int32),
        ("filed_day", np.int32),
        ("filed_ordinal", np.int16),  # of the row in `complaints`
        ("complaint", np.int8),  # by names.COMPLAINT_KINDS
        ("is_simple", np.int8),
        ("ready_day", np.int32),  # a handler may take it up from this day on
        ("due_day", np.int32),  # last day on which closing it is in time
        ("left_minutes", np.int32),  # of a handler's work
        ("is_late", np.int8),
        ("would_escalate", np.int8),  # whether it goes on to the regulator if it is late
    ]
)

#: One row of the unified event stream, before it goes to its table (see `simulator.log`). Each field lies at a multiple of
#: its width and none is followed by padding: `log.split_events` reads the rows as a matrix of each width, and two equal
#: rows are equal bytes.
EVENT: Final = np.dtype(
    [
        ("day", np.int32),
        ("cardholder", np.int32),
        ("minute", np.int16),
        ("ordinal", np.int16),
        ("kind", np.int8),
        ("code", np.int8),
        ("item", np.int8),
        ("channel", np.int8),
        ("offer", np.int16),
        ("depth", np.int8),
        ("rule", np.int8),
        ("noticed", np.int8),
        ("bank", np.int8),
        ("ref_ordinal", np.int16),
        ("ref_day", np.int32),
        ("p_notice_ppb", np.int32),
        ("amount_fen", np.int64),
        ("value_mfen", np.int64),
        ("p_complaint_ppb", np.int32),
        ("p_opt_out_ppb", np.int32),
    ],
    align=True,
)


class Rules(NamedTuple):
    """The arguments that every kernel shares; each an array, of one record where the name is singular."""

    parameter: np.ndarray  # (1,) behaviour.parameters.PARAMETER
    money: np.ndarray  # (1,) MONEY
    compliance: np.ndarray  # (1,) COMPLIANCE
    offers: np.ndarray  # (n offers,) bank.records.OFFER
    standing: (
        np.ndarray
    )  # (categories,) OFFER: what a buyer gets who was not contacted; `offer` -1 if nothing public
    channels: np.ndarray  # (channels,) bank.records.CHANNEL
