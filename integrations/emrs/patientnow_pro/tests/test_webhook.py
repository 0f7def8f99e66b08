"""What the door reads of a notice, whatever its style."""

from datetime import UTC, datetime

import pytest

from integrations.emrs.patientnow_pro.kinds import declared_kind
from integrations.emrs.patientnow_pro.webhook import receive

NOTICE = {
    "eventType": "AppointmentCreated",
    "eventId": "e-1001",
    "occurredAt": "2026-03-10T10:04:05-05:00",
    "practiceId": "PN-77",
    "patientId": "40021",
    "appointmentId": "90310",
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("PatientCreated", "patient.created"),
        ("patient_updated", "patient.updated"),
        ("AppointmentCreated", "appointment.created"),
        ("appointment.booked", "appointment.created"),
        ("APPOINTMENT-STATUS-CHANGED", "appointment.status_changed"),
        ("AppointmentStatusChange", "appointment.status_changed"),
        ("BillCompleted", "bill.completed"),
        ("BillVoided", "bill.completed"),
        ("PatientBillCompleted", "bill.completed"),
        ("MembershipCreated", "membership.created"),
        ("Test", "test"),
        ("ping", "test"),
        ("InvoiceSent", ""),
        ("", ""),
    ],
)
def test_an_event_is_known_in_any_spelling(name, kind):
    assert declared_kind(name) == kind


def test_the_door_reads_what_it_needs():
    receipt = receive(NOTICE, {})
    assert (receipt.kind, receipt.event_id, receipt.patient_id) == ("appointment.created", "e-1001", "40021")
    assert receipt.occurred_at == datetime(2026, 3, 10, 15, 4, 5, tzinfo=UTC)
    assert receipt.ignored_because == ""


@pytest.mark.parametrize("patient_id", ["40021", 40021, 40021.0, " 40021 "])
def test_an_id_is_one_id_as_a_text_and_as_a_number(patient_id):
    assert receive(NOTICE | {"patientId": patient_id}, {}).patient_id == "40021"


def test_an_id_that_is_too_long_is_none():
    receipt = receive(NOTICE | {"patientId": "9" * 101, "eventId": "e" * 101}, {})
    assert (receipt.patient_id, receipt.event_id) == ("", "")


def test_a_field_path_says_where_the_patient_stands():
    body = {"eventType": "PatientCreated", "subject": {"ref": "7"}, "patientId": "not this"}
    assert receive(body, {"patient_id": ["subject.ref"]}).patient_id == "7"


def test_an_event_that_we_do_not_use_is_ignored_by_name():
    receipt = receive(NOTICE | {"eventType": "InvoiceSent"}, {})
    assert receipt.ignored_because == 'PatientNow Pro event "InvoiceSent" is not one we use'


@pytest.mark.parametrize("event", [None, "", {"what": "x"}, "Rosa Imbert <rosa@example.com>", "x" * 80])
def test_an_unreadable_event_type_is_stored_and_not_repeated(event):
    receipt = receive(NOTICE | {"eventType": event}, {})
    assert (receipt.kind, receipt.ignored_because) == ("", "")
    assert receipt.patient_id == "40021"


@pytest.mark.parametrize("occurred_at", ["then", None, [], {}, "0001-01-01T00:00:00+14:00"])
def test_an_unreadable_time_is_none(occurred_at):
    assert receive(NOTICE | {"occurredAt": occurred_at}, {}).occurred_at is None
