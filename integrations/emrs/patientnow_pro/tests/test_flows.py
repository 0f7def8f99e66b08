"""Every flow from the notice through the API to the record, over HTTP: what is written, and what it costs."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from integrations.contract.errors import IgnoredEvent, NotFoundError
from integrations.contract.records import (
    AmountKind,
    AppointmentRecord,
    MembershipRecord,
    Outcome,
    PatientRecord,
    PaymentRecord,
)
from integrations.emrs.patientnow_pro.mapping import understand
from integrations.emrs.patientnow_pro.tests.world import NOW, context
from integrations.emrs.patientnow_pro.webhook import receive

APPOINTMENT_FIELDS = {
    "PNOW ID",
    "PNOW Appt Status",
    "PNOW Primary Employee",
    "PNOW Location",
    "PNOW Appt Comments",
    "PNOW Event Type",
    "PNOW Last Appt ID",
    "PNOW Appt Reason",
}


def patient(world, **changes):
    return world.practice.new_patient(**changes)["patientId"]


def booked(world, **details):
    details = {"type": "Breast Aug Consult", "facility": "F2", "days_ahead": 2, "seed": 4} | details
    return world.practice.book(patient(world), **details)


def test_a_created_patient_brings_demographics_and_the_referral_source(world):
    record = world.one(world.practice.new_patient())
    assert isinstance(record, PatientRecord)
    assert (record.is_new, record.referral_source) == (True, "Instagram")
    assert record.person.email == "rosa.imbert.0@example.com"
    assert (record.person.gender, record.person.city) == ("female", "Miami")
    assert record.fields == {"PNOW ID": record.person.external_id, "PNOW Unsubscribed": "No"}
    assert record.version == NOW


def test_an_updated_patient_brings_no_referral_source(world):
    notice = world.practice.update_patient(patient(world), cellPhone="305-555-0188", unsubscribed=True)
    record = world.one(notice)
    assert (record.is_new, record.referral_source, record.person.phone) == (False, "", "305-555-0188")
    assert record.fields["PNOW Unsubscribed"] == "Yes"


def test_a_patient_without_e_mail_and_phone_is_read_all_the_same(world):
    """The engine skips them: nothing is lost on the way."""
    record = world.one(world.practice.new_patient(email=None, cellPhone=None, homePhone=""))
    assert (record.person.email, record.person.phone) == ("", "")
    assert record.person.external_id


def test_a_booked_appointment_writes_what_the_table_says(world):
    notice = booked(world)
    record = world.one(notice)
    assert isinstance(record, AppointmentRecord)
    assert (record.outcome, record.status, record.visit_on) == (
        Outcome.BOOKED,
        "Booked",
        date(2026, 3, 14),
    )
    assert record.type == record.service == "Breast Aug Consult"
    assert record.location.external_id == "F2"
    assert set(record.fields) <= APPOINTMENT_FIELDS
    assert record.fields["PNOW Location"] == "Coral Gables"
    assert record.fields["PNOW Event Type"] == "Consultation"
    assert record.fields["PNOW Last Appt ID"] == notice["appointmentId"]
    assert record.note == (
        ("Status", "Booked"),
        ("Event type", "Consultation"),
        ("Reason", "Breast augmentation"),
        ("Category", ""),
        ("Appointment ID", notice["appointmentId"]),
    )


@pytest.mark.parametrize(
    ("act", "outcome", "word"),
    [
        ("check_out", Outcome.COMPLETED, "Checkout"),
        ("cancel", Outcome.CANCELLED, "Cancelled"),
        ("no_show", Outcome.NO_SHOW, "No-Show"),
    ],
)
def test_a_status_change_has_the_outcome_of_its_word(world, act, outcome, word):
    notice = booked(world)
    world.tick(hours=2)
    record = world.one(getattr(world.practice, act)(notice["appointmentId"]))
    assert (record.outcome, record.status, record.version) == (outcome, word, NOW + timedelta(hours=2))
    assert record.fields["PNOW Appt Status"] == word
    assert record.person.email


@pytest.mark.parametrize("word", ["Confirmed", "Arrived", "Checked In", "Rescheduled", "In Room"])
def test_any_other_status_is_recorded_only(world, word):
    notice = booked(world)
    world.tick(minutes=5)
    record = world.one(world.practice.set_status(notice["appointmentId"], word))
    assert (record.outcome, record.status) == (Outcome.OTHER, word)


def test_a_bill_brings_its_amount_and_its_line_items_as_the_service(world):
    notice = world.practice.bill(patient(world), ["Botox", "Dysport", "Hydrafacial"])
    record = world.one(notice)
    assert isinstance(record, PaymentRecord)
    assert (record.kind, record.amount) == (AmountKind.PAYMENT, Decimal("1250.00"))
    assert (record.service, record.visit_on, record.paid_on) == (
        "Botox, Dysport, Hydrafacial",
        None,
        date(2026, 3, 12),
    )
    assert not record.proves_visit
    assert set(record.fields) == {"PNOW ID", "PNOW Last Order ID", "PNOW DOB", "PNOW Primary Employee"}
    assert record.fields["PNOW DOB"] == record.person.birth_date
    assert record.note == (
        ("Total", "$1,250.00"),
        ("Line items", "Botox, Dysport, Hydrafacial"),
        ("Order ID", notice["billId"]),
    )


@pytest.mark.parametrize(("act", "word"), [("void", "Voided"), ("refund", "Refunded")])
def test_a_bill_that_is_taken_back_names_what_it_undoes(world, act, word):
    bill = world.practice.bill(patient(world), ["Botox"])["billId"]
    world.tick(hours=1)
    record = world.one(getattr(world.practice, act)(bill))
    assert (record.kind, record.amount, record.status) == (AmountKind.REVERSAL, Decimal("400.00"), word)
    assert (record.external_id, record.undoes) == (bill, bill)
    assert record.fields["PNOW Last Order ID"] == f"{bill} {word.lower()}"
    assert record.note[:2] == (("Status", word), ("Total", "-$400.00"))


def test_a_bill_voided_before_its_first_notice_is_read_adds_nothing(world):
    completed = world.practice.bill(patient(world), ["Botox"])
    world.practice.void(completed["billId"])
    record = world.one(completed)
    assert (record.kind, record.undoes) == (AmountKind.REVERSAL, completed["billId"])


def test_a_membership_brings_program_date_and_amount(world):
    notice = world.practice.membership(patient(world), "VIP Gold")
    record = world.one(notice)
    assert isinstance(record, MembershipRecord)
    assert (record.external_id, record.program) == (notice["membershipId"], "VIP Gold")
    assert record.fields == {
        "PNOW ID": record.person.external_id,
        "PNOW Membership ID": notice["membershipId"],
        "PNOW Membership Program Name": "VIP Gold",
        "PNOW Membership Sold Date": date(2026, 3, 12),
        "PNOW Membership Amount": Decimal("199.00"),
    }


def test_a_test_notice_is_answered_as_ignored(world):
    notice = world.practice.test_notice()
    receipt = receive(notice, {})
    assert (receipt.kind, receipt.ignored_because) == ("test", "Test notice from PatientNow Pro")
    assert world.calls_for(notice) == {}
    with pytest.raises(IgnoredEvent):
        understand("test", notice, context())


# --- what it costs -----------------------------------------------------------------------------------------


def test_each_event_takes_the_calls_that_it_needs_and_no_more(world):
    one = patient(world)
    created = world.practice.new_patient()
    appointment = world.practice.book(one)
    assert world.calls_for(created) == {"GET /patients/{id}": 1}
    assert world.calls_for(world.practice.update_patient(one)) == {"GET /patients/{id}": 1}
    two = {"GET /appointments/{id}": 1, "GET /patients/{id}": 1}
    assert world.calls_for(appointment) == two
    assert world.calls_for(world.practice.check_out(appointment["appointmentId"])) == two
    bill = world.practice.bill(one)
    assert world.calls_for(bill) == {"GET /bills/{id}": 1, "GET /patients/{id}": 1}
    assert world.calls_for(world.practice.void(bill["billId"])) == {
        "GET /bills/{id}": 1,
        "GET /patients/{id}": 1,
    }
    assert world.calls_for(world.practice.membership(one)) == {
        "GET /memberships/{id}": 1,
        "GET /patients/{id}": 1,
    }


def test_a_status_that_is_only_recorded_takes_the_appointment_alone(world):
    notice = world.practice.set_status(booked(world)["appointmentId"], "Arrived")
    assert world.calls_for(notice) == {"GET /appointments/{id}": 1}


def test_a_bill_that_changes_nothing_yet_takes_the_bill_alone(world):
    notice = world.practice.bill(patient(world))
    record = world.practice.record("bills", notice["billId"])
    world.practice.save("bills", {**record, "status": "Open"})
    assert world.calls_for(notice) == {"GET /bills/{id}": 1}
    assert world.one(notice).kind is AmountKind.IGNORED


def test_facilities_are_asked_for_once_and_only_where_the_name_is_missing(world):
    notice = booked(world)
    record = world.practice.record("appointments", notice["appointmentId"])
    world.practice.save("appointments", {**record, "facility": {"id": "F2"}})
    assert world.calls_for(notice)["GET /facilities"] == 1
    assert "GET /facilities" not in world.calls_for(notice)
    assert world.one(notice).location.name == "Coral Gables"


def test_a_facility_that_nobody_knows_is_written_by_its_id(world):
    notice = booked(world)
    record = world.practice.record("appointments", notice["appointmentId"])
    world.practice.save("appointments", {**record, "facility": {"id": "F9"}})
    assert world.one(notice).fields["PNOW Location"] == "F9"


# --- what was fetched is not what was told -----------------------------------------------------------------


def test_the_record_decides_and_the_notice_still_gets_its_note(world):
    created = booked(world)
    world.tick(hours=1)
    cancelled = world.practice.cancel(created["appointmentId"])
    world.tick(hours=1)
    world.practice.check_out(created["appointmentId"])
    counts, noted = world.records(cancelled)
    assert (counts.outcome, counts.version) == (Outcome.COMPLETED, NOW + timedelta(hours=2))
    assert (noted.outcome, noted.version) == (Outcome.CANCELLED, NOW + timedelta(hours=1))
    assert dict(noted.note)["Status"] == "Cancelled"
    assert counts.external_id == noted.external_id == created["appointmentId"]
    assert counts.person == noted.person
    assert "what it says now counts" in counts.warnings[0]


def test_a_booking_worked_on_after_the_checkout_is_noted_and_no_more(world):
    created = booked(world)
    world.tick(hours=1)
    world.practice.check_out(created["appointmentId"])
    counts, noted = world.records(created)
    assert [counts.outcome, noted.outcome] == [Outcome.COMPLETED, Outcome.BOOKED]
    assert noted.version < counts.version


def test_the_notice_decides_where_the_record_is_older(world):
    created = booked(world)
    world.tick(hours=1)
    checked_out = world.practice.check_out(created["appointmentId"])
    world.practice.set_up(stale=1)
    record = world.one(checked_out)
    assert (record.outcome, record.version) == (Outcome.COMPLETED, NOW + timedelta(hours=1))
    assert record.fields["PNOW Appt Status"] == "Checkout"


def test_a_reinstated_appointment_is_booked_again(world):
    created = booked(world)
    world.tick(hours=1)
    cancelled = world.practice.cancel(created["appointmentId"])
    world.tick(hours=1)
    back = world.practice.set_status(created["appointmentId"], "Booked")
    assert [one.outcome for one in world.records(cancelled)] == [Outcome.BOOKED, Outcome.CANCELLED]
    assert world.one(back).outcome is Outcome.BOOKED


def test_a_merged_patient_is_who_the_record_says(world):
    notice, survivor = booked(world), patient(world)
    record = world.practice.record("appointments", notice["appointmentId"])
    world.practice.remove("patients", notice["patientId"])
    world.practice.save("appointments", {**record, "patientId": survivor})
    assert world.one(notice).person.external_id == survivor


# --- gone --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("patients", "no such patient any more: it was deleted or merged"),
        ("appointments", "no such appointment"),
    ],
)
def test_a_record_that_is_gone_after_the_notice_is_said_in_words(world, kind, words):
    notice = booked(world)
    ids = {"patients": notice["patientId"], "appointments": notice["appointmentId"]}
    world.practice.set_up(gone=[f"{kind}/{ids[kind]}"])
    with pytest.raises(NotFoundError, match=words) as fault:
        world.records(notice)
    assert ids[kind] not in str(fault.value)


# --- forms -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "traps",
    [
        {"ids_as_numbers": True},
        {"key_style": "snake"},
        {"key_style": "pascal"},
        {"money": "number"},
        {"money": "dollars"},
        {"dates": "us"},
        {"ids_as_numbers": True, "key_style": "snake", "money": "dollars", "dates": "us"},
    ],
    ids=lambda traps: ",".join(f"{name}-{value}" for name, value in traps.items()),
)
def test_every_form_reads_the_same(world, traps):
    one = world.practice.new_patient(dateOfBirth="1979-11-02")
    external_id = one["patientId"]
    notices = [
        one,
        world.practice.book(external_id, type="Botox", facility="F1", days_ahead=3, seed=1),
        world.practice.bill(external_id, ["Breast Augmentation", "Retinol Serum"], seed=1),
        world.practice.membership(external_id, "Glow Club"),
    ]
    plain = [world.records(notice) for notice in notices]
    world.practice.set_up(**traps)
    assert [world.records(notice) for notice in notices] == plain
    told = receive(world.practice.update_patient(external_id), {})
    assert (told.kind, told.patient_id, told.occurred_at) == ("patient.updated", external_id, NOW)
