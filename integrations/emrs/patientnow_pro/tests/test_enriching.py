"""What is fetched for a notice without a server, for the cases that no pretend practice brings about."""

import pytest

from integrations.contract.errors import MalformedPayload, NotFoundError
from integrations.emrs.patientnow_pro.enrich import enrich
from integrations.emrs.patientnow_pro.tests.world import Memory


class Shelf:
    """A client that finds what is put into it, and remembers what it was asked for."""

    def __init__(self, **records):
        self.records, self.asked = records, []

    def _find(self, kind, external_id):
        self.asked.append((kind, external_id))
        if kind not in self.records:
            raise NotFoundError(f"no {kind}")
        return self.records[kind]

    def patient(self, external_id):
        return self._find("patient", external_id)

    def appointment(self, external_id):
        return self._find("appointment", external_id)

    def bill(self, external_id):
        return self._find("bill", external_id)

    def membership(self, external_id):
        return self._find("membership", external_id)

    def facilities(self):
        return [self._find("facility", "")]


NOTICE = {"eventType": "AppointmentCreated", "patientId": "5", "appointmentId": "7"}


def test_the_notice_stays_as_it_came():
    shelf = Shelf(patient={"patientId": "5"}, appointment={"appointmentId": "7"})
    body = enrich("appointment.created", NOTICE, shelf, Memory())
    assert {name: body[name] for name in NOTICE} == NOTICE
    assert set(body) - set(NOTICE) == {"appointment", "patient"}
    assert set(NOTICE) == {"eventType", "patientId", "appointmentId"}


def test_enriching_twice_fetches_anew():
    shelf = Shelf(patient={"patientId": "5", "firstName": "Old"}, appointment={"status": "Booked"})
    once = enrich("appointment.created", NOTICE, shelf, Memory())
    shelf.records["patient"] = {"patientId": "5", "firstName": "New"}
    assert enrich("appointment.created", once, shelf, Memory())["patient"]["firstName"] == "New"


def test_the_connection_s_field_paths_say_where_the_ids_stand():
    shelf = Shelf(patient={}, appointment={"patientId": "", "status": "Booked"})
    notice = {"eventType": "AppointmentCreated", "ref": {"visit": "V1", "who": "P1"}}
    paths = {"appointment_id": ["ref.visit"], "patient_id": ["ref.who"]}
    enrich("appointment.created", notice, shelf, Memory(), paths)
    assert shelf.asked == [("appointment", "V1"), ("patient", "P1")]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("patient.created", "patientId"),
        ("appointment.created", "appointmentId"),
        ("appointment.status_changed", "appointmentId"),
        ("bill.completed", "billId"),
        ("membership.created", "membershipId"),
    ],
)
def test_a_notice_without_the_id_to_ask_for_is_malformed_before_any_call(kind, path):
    shelf = Shelf()
    with pytest.raises(MalformedPayload) as fault:
        enrich(kind, {"eventType": kind}, shelf, Memory())
    assert (fault.value.field, shelf.asked) == (path, [])


def test_blocked_time_needs_no_patient():
    shelf = Shelf(appointment={"appointmentId": "7", "status": "Booked"})
    body = enrich("appointment.created", {"appointmentId": "7"}, shelf, Memory())
    assert shelf.asked == [("appointment", "7")]
    assert "patient" not in body


def test_a_bill_that_names_nobody_belongs_to_whom_the_notice_names():
    shelf = Shelf(bill={"total": "1"}, patient={})
    enrich("bill.completed", {"billId": "B", "patientId": "5"}, shelf, Memory())
    assert shelf.asked == [("bill", "B"), ("patient", "5")]


def test_a_status_known_only_from_the_record_brings_the_patient():
    shelf = Shelf(appointment={"status": "Checkout", "patientId": "5"}, patient={})
    enrich("appointment.status_changed", {"appointmentId": "7"}, shelf, Memory())
    assert shelf.asked == [("appointment", "7"), ("patient", "5")]


@pytest.mark.parametrize("missing", ["appointment", "patient"])
def test_what_is_gone_is_raised(missing):
    records = {"appointment": {"status": "Booked"}, "patient": {}}
    del records[missing]
    with pytest.raises(NotFoundError):
        enrich("appointment.created", NOTICE, Shelf(**records), Memory())


@pytest.mark.parametrize("kind", ["test", "InvoiceSent", ""])
def test_nothing_is_fetched_for_what_is_not_used(kind):
    shelf = Shelf()
    assert enrich(kind, {"eventType": kind}, shelf, Memory()) == {"eventType": kind}
    assert shelf.asked == []


def test_facilities_are_fetched_once_for_all_appointments():
    shelf = Shelf(
        appointment={"status": "Booked", "facility": {"id": "F2"}},
        patient={},
        facility={"Id": "F2", "Name": "Coral Gables"},
    )
    cache = Memory()
    bodies = [enrich("appointment.created", NOTICE, shelf, cache) for _ in range(3)]
    assert [body["facility"]["Name"] for body in bodies] == ["Coral Gables"] * 3
    assert shelf.asked.count(("facility", "")) == 1
