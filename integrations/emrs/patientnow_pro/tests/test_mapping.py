"""What single values become, where a fixture for each form would be too much."""

from datetime import date
from decimal import Decimal

import pytest

from integrations.contract.errors import IgnoredEvent, MalformedPayload
from integrations.contract.records import AmountKind, Outcome
from integrations.emrs.patientnow_pro.manifest import MANIFEST
from integrations.emrs.patientnow_pro.mapping import understand
from integrations.emrs.patientnow_pro.tests.world import context

PATIENT = {"patientId": "5", "firstName": "Iris", "email": "iris@example.com"}


def appointment(kind="AppointmentCreated", patient=None, notice=None, **values):
    usual = {"appointmentId": "7", "patientId": "5", "status": "Booked", "start": "2026-03-18T20:00:00"}
    return {
        "eventType": kind,
        "appointmentId": "7",
        **(notice or {}),
        "appointment": {**usual, **values},
        "patient": {**PATIENT, **(patient or {})},
    }


def bill(**values):
    usual = {"billId": "9", "patientId": "5", "total": "10.00", "completedAt": "2026-03-13"}
    return {"eventType": "BillCompleted", "billId": "9", "bill": {**usual, **values}, "patient": PATIENT}


def read(body, **given):
    (record,) = understand(body["eventType"], body, context(**given))
    return record


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-18",
        "2026-03-18T20:00:00",
        "2026-03-19T00:00:00Z",
        "2026-03-18T20:00:00.000-04:00",
        "3/18/2026 8:00 PM",
        "3/18/26",
        "20260318",
        20260318,
        "March 18, 2026 8:00 PM",
        "18-Mar-2026",
    ],
)
def test_a_visit_date_is_read_in_every_form_and_in_the_facility_s_zone(written):
    assert read(appointment(start=written)).visit_on == date(2026, 3, 18)


@pytest.mark.parametrize(
    ("word", "outcome", "status"),
    [
        ("Checkout", Outcome.COMPLETED, "Checkout"),
        ("Checked Out", Outcome.COMPLETED, "Checkout"),
        ("CHECK-OUT", Outcome.COMPLETED, "Checkout"),
        ("Cancelled", Outcome.CANCELLED, "Cancelled"),
        ("canceled", Outcome.CANCELLED, "Cancelled"),
        ("No-Show", Outcome.NO_SHOW, "No-Show"),
        ("no show", Outcome.NO_SHOW, "No-Show"),
        ("Booked", Outcome.BOOKED, "Booked"),
        ("Checked In", Outcome.OTHER, "Checked In"),
        ("Confirmed", Outcome.OTHER, "Confirmed"),
        ("x" * 200, Outcome.OTHER, "x" * 60),
    ],
)
def test_a_status_word_has_its_outcome_in_any_spelling(word, outcome, status):
    record = read(appointment("AppointmentStatusChanged", notice={"status": word}, status=word))
    assert (record.outcome, record.status) == (outcome, status)


@pytest.mark.parametrize(
    ("provider", "name"),
    [({"id": "3", "name": "Dr. Ortiz"}, "Dr. Ortiz"), ("Dr. Ortiz", "Dr. Ortiz"), (None, ""), ({}, "")],
)
def test_a_provider_is_an_object_or_a_name(provider, name):
    record = read(appointment(provider=provider))
    assert record.practitioner == name
    assert record.fields.get("PNOW Primary Employee", "") == name


@pytest.mark.parametrize(
    ("given", "type_"),
    [
        ({"appointmentType": "Botox"}, "Botox"),
        ({"appointmentType": {"code": "INJ", "name": "Botox"}}, "Botox"),
        ({"type": "Botox"}, "Botox"),
        ({}, ""),
    ],
)
def test_the_service_is_the_appointment_type(given, type_):
    record = read(appointment(**given))
    assert record.type == record.service == type_


@pytest.mark.parametrize(
    ("facility", "place"),
    [
        ({"id": "F1", "name": "Miami"}, ("F1", "Miami", "Miami")),
        ({"id": 1}, ("1", "", "1")),
        ("Miami", ("", "Miami", "Miami")),
        (None, ("", "", None)),
    ],
)
def test_a_facility_is_written_by_its_name_else_its_id(facility, place):
    record = read(appointment(facility=facility))
    assert (
        record.location.external_id,
        record.location.name,
        record.fields.get("PNOW Location"),
    ) == place


def test_an_appointment_writes_no_date_of_birth_and_no_referral_source():
    record = read(appointment(patient={"dateOfBirth": "1979-11-02", "referralSource": "Instagram"}))
    assert record.person.birth_date == date(1979, 11, 2)
    assert not {"PNOW DOB", "PNOW Unsubscribed", "Referral Source"} & set(record.fields)


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (True, "Yes"),
        (False, "No"),
        ("true", "Yes"),
        ("N", "No"),
        (1, "Yes"),
        (0, "No"),
        (None, None),
        ("", None),
        ("maybe", None),
        ([True], None),
    ],
)
def test_unsubscribed_is_written_where_the_record_says_it(said, written):
    body = {"eventType": "PatientUpdated", "patient": {**PATIENT, "unsubscribed": said}}
    assert read(body).fields.get("PNOW Unsubscribed") == written


@pytest.mark.parametrize(
    ("code", "gender", "warned"),
    [
        ("Female", "female", False),
        ("m", "male", False),
        ("Non-Binary", "other", False),
        ("Unknown", "", False),
        ("Q7", "", True),
    ],
)
def test_a_gender_code_becomes_one_of_three_words(code, gender, warned):
    record = read({"eventType": "PatientCreated", "patient": {**PATIENT, "gender": code}})
    assert (record.person.gender, bool(record.warnings)) == (gender, warned)


@pytest.mark.parametrize(
    ("cell", "home", "phone"),
    [
        ("305-555-0119", "305-555-0120", "305-555-0119"),
        ("none", "305-555-0120", "305-555-0120"),
        (None, 3055550120, "3055550120"),
        ("", "", ""),
    ],
)
def test_the_mobile_number_comes_before_the_one_at_home(cell, home, phone):
    patient = {**PATIENT, "cellPhone": cell, "homePhone": home}
    assert read({"eventType": "PatientCreated", "patient": patient}).person.phone == phone


@pytest.mark.parametrize(
    ("total", "amount"),
    [
        ("1250.00", "1250.00"),
        ("$1,250.00", "1250.00"),
        (1250, "1250.00"),
        (1250.5, "1250.50"),
        ("1,250", "1250.00"),
        ("0", "0.00"),
    ],
)
def test_a_total_is_read_in_every_form(total, amount):
    record = read(bill(total=total))
    assert (record.amount, record.kind) == (Decimal(amount), AmountKind.PAYMENT)


@pytest.mark.parametrize(
    ("status", "kind", "undoes"),
    [
        ("Completed", AmountKind.PAYMENT, ""),
        ("paid", AmountKind.PAYMENT, ""),
        (None, AmountKind.PAYMENT, ""),
        ("Voided", AmountKind.REVERSAL, "9"),
        ("VOID", AmountKind.REVERSAL, "9"),
        ("Refunded", AmountKind.REVERSAL, "9"),
        ("Open", AmountKind.IGNORED, ""),
        ("PartiallyRefunded", AmountKind.IGNORED, ""),
    ],
)
def test_a_bill_s_status_says_what_its_money_does(status, kind, undoes):
    record = read(bill(status=status))
    assert (record.kind, record.undoes) == (kind, undoes)
    assert bool(record.ignored_because) == (kind is AmountKind.IGNORED)


@pytest.mark.parametrize(
    ("items", "service"),
    [
        ([{"name": "Botox"}, {"name": "Dysport"}], "Botox, Dysport"),
        ([{"description": "Botox"}], "Botox"),
        (["Botox", "Dysport"], "Botox, Dysport"),
        ("Botox", "Botox"),
        ([], ""),
        ([{"quantity": 1}], ""),
    ],
)
def test_the_service_of_a_bill_is_its_line_items(items, service):
    assert read(bill(lineItems=items)).service == service


def test_a_bill_never_dates_a_visit():
    record = read(bill())
    assert (record.visit_on, record.proves_visit, record.visit_external_id) == (None, False, "")


def test_epoch_seconds_are_the_facility_s_day_too():
    record = read(bill(completedAt=1773450000))  # 2026-03-14 01:00 UTC
    assert record.paid_on == date(2026, 3, 13)


def test_overrides_are_read_first_and_named_in_what_is_missing():
    paths = {"total": ["bill.grandTotal"], "program": ["membership.plan.title"]}
    assert read(bill(grandTotal="99.00"), field_paths=paths).amount == Decimal("99.00")
    with pytest.raises(MalformedPayload) as fault:
        read(bill(total=None), field_paths=paths)
    assert fault.value.field == "bill.grandTotal"


def test_an_unknown_kind_is_ignored_and_a_missing_one_is_said():
    with pytest.raises(IgnoredEvent, match="is not one we use"):
        understand("InvoiceSent", {"eventType": "InvoiceSent"}, context())
    with pytest.raises(MalformedPayload) as fault:
        understand("", {}, context())
    assert fault.value.field == "eventType"


def test_every_field_written_is_one_of_the_folder():
    declared = {field.name for field in MANIFEST.fields}
    bodies = [appointment(reason="x", comments="y", eventType="z"), bill(provider="Dr. Ortiz")]
    for body in bodies:
        assert set(read(body).fields) <= declared
