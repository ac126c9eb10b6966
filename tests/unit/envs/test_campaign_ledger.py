"""The campaign's ledger: each row's money goes to its term, on its day, and on to the next sink."""

import numpy as np

from cardarena.simulator.envs.campaign_ledger import COSTS, REALISED_TERMS, CampaignLedger, discounted
from cardarena.simulator.log import CASE, RunLog
from cardarena.simulator.names import Kind, Rule, Status
from cardarena.simulator.rules import EVENT


def rows(*given: tuple[int, int, int]) -> np.ndarray:
    """Return rows of (kind, cardholder, value)."""
    out = np.zeros(len(given), dtype=EVENT)
    for row, (kind, cardholder, value) in zip(out, given, strict=True):
        row["kind"], row["cardholder"], row["value_mfen"], row["ordinal"] = kind, cardholder, value, 1
    return out


def test_every_kind_of_row_has_its_term():
    ledger = CampaignLedger(2)
    for kind in (Kind.TRANSACTION, Kind.RESPONSE, Kind.CONTACT, Kind.COMPLAINT, Kind.CONSENT, Kind.VISIT):
        ledger.append([rows((kind, 0, 10 ** int(kind)))], None, None)
    sums = {name: sum(days) for name, days in ledger.terms.items()}
    want = {"spending": 1, "purchases": 1000, "contact_cost": 100, "complaints": 10_000, "defaults": 100_000}
    assert sums == want
    assert [len(ledger.terms[name]) for name in REALISED_TERMS] == [6] * 5
    assert ledger.spent_mfen == -100


def test_a_late_case_costs_on_the_day_on_which_it_is_late():
    ledger = CampaignLedger(2)
    cases = np.zeros(1, dtype=CASE)
    cases["value_mfen"] = -7
    ledger.append([rows((Kind.COMPLAINT, 0, -5))], None, None)
    ledger.append_cases(cases[:0])
    ledger.append([], None, None)
    ledger.append_cases(cases)
    assert ledger.terms["complaints"] == [-5, -7]


def test_rows_go_on_to_the_next_sink():
    log = RunLog()
    ledger = CampaignLedger(2, log)
    ledger.append([rows((Kind.TRANSACTION, 0, 3))], None, None)
    ledger.append_cases(np.zeros(1, dtype=CASE))
    assert log.table("transactions")["value_mfen"].tolist() == [3]
    assert log.table("cases")["day"].size == 1


def test_a_step_counts_its_own_contacts_and_others_hear_of_them():
    heard: list[np.ndarray] = []
    ledger = CampaignLedger(3, hear=heard.append)
    day = rows((Kind.CONTACT, 0, -1), (Kind.CONTACT, 1, -1), (Kind.TRANSACTION, 2, 1))
    ledger.append([day], None, None)
    assert ledger.delivered == 2
    assert np.array_equal(heard[0], day)
    ledger.begin()
    assert ledger.delivered == 0


def test_costs_are_those_of_contacts_of_the_campaign_and_of_what_no_contact_caused():
    day = rows(*[(kind, 0, -1) for kind in (Kind.CONTACT, Kind.COMPLAINT, Kind.CONSENT, Kind.CONSENT)])
    day["code"] = Status.BLOCKED, 0, 0, 2
    day["rule"][0] = Rule.CAP_WEEK
    for decided, count in ((-1, 0), (0, 1), (3, 1)):
        day["ref_day"] = decided
        ledger = CampaignLedger(1)
        ledger.append([day], None, None)
        assert ledger.costs == dict.fromkeys(COSTS, count)


def test_discounting_counts_days_from_the_first():
    assert discounted([8, 4], 0.5) == 10.0
