"""Notices are worked on later than they were sent, and records can be read before a change shows: what is kept of an
appointment must not depend on either."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.contract.records import Outcome
from integrations.emrs.patientnow_pro.mapping import understand
from integrations.emrs.patientnow_pro.statuses import State, settle, state_of
from integrations.emrs.patientnow_pro.tests.world import context
from integrations.sync.visits import VisitData, apply_appointment, seen_in

START = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
RECEIVED_AT = START + timedelta(days=30)
EARLIER, LATER = START, START + timedelta(hours=1)


def states(told, found, received_at=RECEIVED_AT):
    return [(one.status, one.version) for one in settle(told, found, received_at)]


@pytest.mark.parametrize(
    ("told", "told_at", "found", "found_at", "settled"),
    [
        # Both say the same: one state, as new as the newer of the two.
        ("Checkout", LATER, "Checkout", EARLIER, [("Checkout", LATER)]),
        ("Checkout", EARLIER, "Checkout", LATER, [("Checkout", LATER)]),
        ("Checkout", None, "Checkout", LATER, [("Checkout", LATER)]),
        ("Checkout", None, "Checkout", None, [("Checkout", None)]),
        # They differ: the record, unless it is older.
        ("Cancelled", EARLIER, "Checkout", LATER, [("Checkout", LATER), ("Cancelled", EARLIER)]),
        ("Cancelled", LATER, "Checkout", EARLIER, [("Cancelled", LATER)]),
        # A word that is only recorded decides nothing.
        ("Arrived", EARLIER, "Checkout", LATER, [("Checkout", LATER)]),
        ("Arrived", LATER, "Booked", EARLIER, [("Arrived", LATER)]),
        ("Cancelled", EARLIER, "Confirmed", LATER, [("Cancelled", EARLIER)]),
        ("Confirmed", EARLIER, "Arrived", LATER, [("Confirmed", EARLIER)]),
        # A notice that does not say a status: the record's.
        ("", LATER, "Checkout", EARLIER, [("Checkout", EARLIER)]),
        ("", LATER, "Arrived", EARLIER, [("Arrived", EARLIER)]),
    ],
)
def test_what_counts_of_notice_and_record(told, told_at, found, found_at, settled):
    assert states(state_of(told, told_at), state_of(found, found_at)) == settled


@pytest.mark.parametrize("told_at", [LATER, LATER + timedelta(hours=1), None])
def test_an_overtaken_notice_is_always_older_than_what_counts(told_at):
    """Of two states of one time the engine would take the one that says more."""
    found = state_of("Cancelled", LATER)
    told = State(Outcome.COMPLETED, "Checkout", min(told_at, LATER) if told_at else None)
    counts, noted = settle(told, found, RECEIVED_AT)
    assert counts.outcome is Outcome.CANCELLED
    assert noted.version < counts.version


def test_a_record_that_does_not_say_when_it_changed_is_as_new_as_the_delivery():
    counts, noted = settle(state_of("Checkout", LATER), state_of("Cancelled", None), RECEIVED_AT)
    assert (counts.version, noted.version) == (RECEIVED_AT, LATER)


WORDS = st.sampled_from(["Booked", "Checkout", "Cancelled", "No-Show"])


@st.composite
def histories(draw):
    """Statuses in order, and for each notice which state its record showed when it was read."""
    statuses = ["Booked", *draw(st.lists(WORDS, min_size=1, max_size=6))]
    reads = [draw(st.integers(0, len(statuses) - 1)) for _ in statuses]
    return statuses, reads, draw(st.permutations(range(len(statuses))))


@given(history=histories())
def test_the_last_status_counts_whatever_was_read_when_and_in_which_order(history):
    statuses, reads, order = history
    visit = VisitData("90310")
    noted = set()
    for at in order:
        for record in records(statuses, at, reads[at]):
            headline = f"{record.outcome}"
            change = apply_appointment(visit, record, seen_in(record, record.version, headline, at))
            visit = change.visit
            noted |= {due.seen.headline for due in change.notes}
    assert visit.status == statuses[-1]
    assert noted == {str(state_of(word, None).outcome) for word in statuses}


def records(statuses, at, shown):
    """What notice no. ``at`` becomes when its record shows status no. ``shown``."""
    changed_at = START + timedelta(minutes=10 * shown)
    told_at = START + timedelta(minutes=10 * at, seconds=2)
    body = {
        "eventType": "AppointmentStatusChanged",
        "occurredAt": told_at.isoformat(),
        "patientId": "40021",
        "appointmentId": "90310",
        "status": statuses[at],
        "appointment": {
            "status": statuses[shown],
            "start": "2026-03-20T10:00:00-04:00",
            "modifiedAt": changed_at.isoformat(),
        },
        "patient": {"patientId": "40021"},
    }
    return understand("appointment.status_changed", body, context(RECEIVED_AT))
