"""What each event of the polled EMRs writes: from the pretend EMR's book to the pretend CRM, over HTTP."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from integrations.emrs.modmed.pretend import cast, shapes
from integrations.emrs.nextech_cloud.pretend import cast as nx_cast
from integrations.emrs.nextech_cloud.pretend import resources as nx
from integrations.models import EventState
from tests.polling.offices import (
    events,
    poll_all,
    poll_and_work,
    practice_file,
    set_up,
)

NOW = datetime.now(UTC).replace(microsecond=0)
# Late in the evening in New York is the next day in UTC.
EVENING = (NOW + timedelta(days=4)).replace(hour=1, minute=30, second=0)
DAY = (EVENING - timedelta(days=1)).date().isoformat()
AS_WRITTEN = f"{int(DAY[5:7])}/{int(DAY[8:])}/{DAY[:4]}"
CREDENTIALS = {"username": "fhir_x", "password": "pw", "api_key": "key-1"}
MODMED_FLOW, MODMED_BIRTHDAY = "ModMed Appointments and Pipeline Update", "ModMed Birthday"
RHINO, BOTOX = cast.TYPES[3], cast.TYPES[5]
PERSON = cast.patient(0)
CATEGORIES = {
    "Rhinoplasty Consult": "Surgical Consult",
    "Surgery": "Surgical Appointment",
    "Cosmetic Consult": "Non-Surgical Consult",
    "Botox": "Non-Surgical Appointment",
    "Pre-Op": "Pre-Op Appointment",
    "Post-Op": "Post-Op Appointment",
    "Block": "Blocked",
}
NAMED = {one.name: one for one in cast.TYPES}


def confirmed(connection: str, **names: str) -> list[dict[str, Any]]:
    return [
        {"connection": connection, "type": name, "purpose": "", "category": category, "confirmed": True}
        for name, category in names.items()
    ]


@pytest.fixture
def modmed(db, crm, firm):
    """A plastic surgery on ModMed whose types are confirmed and whose workflows are mapped, polled once."""
    found = set_up(
        practice_file(
            "modmed",
            {"base_url": firm.base_url, "credentials": CREDENTIALS},
            categories=confirmed("modmed", **CATEGORIES),
            workflows={MODMED_FLOW: "WF1", MODMED_BIRTHDAY: "WF2"},
        )
    )
    poll_all(found)
    return found


def visit(status, type=RHINO, external_id="9001", starts=EVENING, at=NOW, person=PERSON, **more):
    return shapes.appointment(
        external_id,
        person.id,
        starts,
        at,
        status=status,
        type=type,
        practitioner_id="375399",
        location_id="826",
        **more,
    )


def enrolled(crm) -> list[str]:
    return sorted(row["workflow_id"] for row in crm.door("GET", "/enrolments")["enrolments"])


MODMED_FIELDS = {
    "ModMed Appt Date": DAY,
    "ModMed Appt Type": "Rhinoplasty Consult",
    "ModMed Appt Description": "Interested in rhinoplasty",
    "ModMed Appt ID": "9001",
    "ModMed Location": "Main Street Clinic",
    "ModMed Provider": "Miles Harcourt",
    "ModMed Patient ID": PERSON.id,
    "Appointment Category": "Surgical Consult",
}
NEXT = {"Next Visit Date": DAY, "Next Visit Service": "Rhinoplasty Consult"}
LAST = {
    "Last Visit Date": DAY,
    "Last Visit Service": "Rhinoplasty Consult",
    "ModMed Birthday": PERSON.born.isoformat(),
}
# EMR status → the CRM's status field, further fields, headline, stage of a surgical consult, workflows enrolled.
MODMED_ROWS = {
    "pending": ("Pending", NEXT, "appointment booked", "Consult Booked", ["WF1"]),
    "booked": ("Confirmed", NEXT, "appointment booked", "Consult Booked", ["WF1"]),
    "fulfilled": ("Checked Out", LAST, "appointment completed", "Consult Complete", ["WF1", "WF2"]),
    "cancelled": ("Cancelled", {}, "appointment cancelled", "Cancelled / No-Show", ["WF1"]),
    "noshow": ("No-Show", {}, "appointment no-show", "Cancelled / No-Show", ["WF1"]),
}


@pytest.mark.parametrize("status", MODMED_ROWS)
def test_modmed_appointments(modmed, firm, crm, status):
    word, more, headline, stage, workflows = MODMED_ROWS[status]
    firm.save(shapes.patient(PERSON, NOW), visit(status))
    poll_and_work(modmed)
    contact = crm.contact()
    assert contact["fields"] == {**MODMED_FIELDS, "ModMed Appt Status": word, **more}
    assert (contact["firstName"], contact["lastName"]) == (PERSON.first_name, PERSON.last_name)
    assert (contact["email"], contact["phone"]) == (PERSON.email, f"+1{PERSON.phone}")
    assert (contact.get("dateOfBirth") or "")[:10] == (
        PERSON.born.isoformat() if status == "fulfilled" else ""
    )
    (note,) = crm.notes(contact["id"])
    lines = note.split("\n")
    assert lines[0] == f"ModMed: {headline}"
    assert lines[-1].startswith("Reference: AX-")
    assert [line for line in lines[1:-1] if not line.startswith("Booked")] == [
        f"Status: {word}",
        "Type: Rhinoplasty Consult",
        "Description: Interested in rhinoplasty",
        "Provider: Miles Harcourt",
        "Location: Main Street Clinic",
        f"Date: {AS_WRITTEN}",
        "Category: Surgical Consult",
        "Appointment ID: 9001",
    ]
    assert crm.cards(contact["id"]) == {"P1": (stage, "open")}
    assert enrolled(crm) == workflows


@pytest.mark.parametrize("status", ["arrived", "checked-in", "checkedin"])
def test_modmed_statuses_in_between_are_recorded_only(modmed, firm, crm, status):
    firm.save(visit(status))
    before = crm.calls()
    poll_and_work(modmed)
    assert [event.state for event in events()] == [EventState.DONE]
    assert crm.contacts() == []
    assert enrolled(crm) == []
    assert before <= crm.calls()


# Category → (pipeline, stage) of booked, completed and cancelled; a lead is won where a visit completes in a final
# stage.
STAGES = {
    "Rhinoplasty Consult": ("P1", "Consult Booked", "Consult Complete", "open"),
    "Surgery": ("P1", "Surgery Scheduled", "Surgery Complete", "won"),
    "Cosmetic Consult": ("P2", "Booked", "Patient", "won"),
    "Botox": ("P2", "Booked", "Patient", "won"),
}


@pytest.mark.parametrize("type_name", STAGES)
def test_modmed_categories_through_a_visits_life(modmed, firm, crm, type_name):
    pipeline, booked, complete, won = STAGES[type_name]
    firm.save(shapes.patient(PERSON, NOW), visit("booked", NAMED[type_name]))
    poll_and_work(modmed)
    contact = crm.contact()
    assert crm.cards(contact["id"]) == {pipeline: (booked, "open")}
    firm.save(visit("noshow", NAMED[type_name], at=NOW + timedelta(minutes=1)))
    poll_and_work(modmed)
    assert crm.cards(contact["id"]) == {pipeline: ("Cancelled / No-Show", "open")}
    firm.save(visit("fulfilled", NAMED[type_name], at=NOW + timedelta(minutes=2)))
    poll_and_work(modmed)
    assert crm.cards(contact["id"]) == {pipeline: (complete, won)}
    assert crm.contact()["fields"].get("Contact Type") == ("Patient" if won == "won" else None)
    assert len(crm.notes(contact["id"])) == 3


@pytest.mark.parametrize("type_name", ["Pre-Op", "Post-Op", "Block"])
@pytest.mark.parametrize("status", ["booked", "fulfilled", "cancelled"])
def test_modmed_types_that_never_move_the_pipeline(modmed, firm, crm, type_name, status):
    firm.save(shapes.patient(PERSON, NOW), visit(status, NAMED[type_name]))
    poll_and_work(modmed)
    contact = crm.contact()
    assert crm.cards(contact["id"]) == {}
    assert len(crm.notes(contact["id"])) == 1


def test_modmed_a_late_cancellation_keeps_the_stage_while_another_visit_is_booked(modmed, firm, crm):
    firm.save(shapes.patient(PERSON, NOW), visit("booked", external_id="9001"))
    poll_and_work(modmed)
    later = EVENING + timedelta(days=7)
    firm.save(visit("booked", external_id="9002", starts=later, at=NOW + timedelta(minutes=1)))
    firm.save(visit("cancelled", external_id="9001", at=NOW + timedelta(minutes=2)))
    poll_and_work(modmed)
    contact = crm.contact()
    assert crm.cards(contact["id"]) == {"P1": ("Consult Booked", "open")}
    assert len(crm.notes(contact["id"])) == 3
    said = [row["text"] for row in events()[-1].story if row["step"] == "pipeline"]
    assert any("Stage kept: another visit is booked" in text for text in said)


def test_modmed_a_moved_visit_says_from_when_to_when(modmed, firm, crm):
    firm.save(shapes.patient(PERSON, NOW), visit("booked"))
    poll_and_work(modmed)
    firm.save(visit("booked", starts=EVENING + timedelta(days=1), at=NOW + timedelta(minutes=1)))
    poll_and_work(modmed)
    notes = crm.notes(crm.contact()["id"])
    assert len(notes) == 2
    assert f"rescheduled from {AS_WRITTEN}" in notes[1]


def test_modmed_the_same_state_in_any_number_of_polls_is_one_note_and_no_call(modmed, firm, crm):
    firm.save(shapes.patient(PERSON, NOW), visit("booked"))
    poll_and_work(modmed)
    contact = crm.contact()["id"]
    calls = crm.calls()
    for minute in range(1, 6):
        firm.save(visit("booked", at=NOW + timedelta(minutes=minute), booked_at=NOW))
        poll_and_work(modmed)
    assert crm.calls() == calls
    assert len(crm.notes(contact)) == 1


def test_modmed_patients_are_kept_in_step_without_a_note(modmed, firm, crm):
    firm.save(shapes.patient(PERSON, NOW))
    poll_and_work(modmed)
    contact = crm.contact()
    assert contact["fields"] == {"ModMed Patient ID": PERSON.id}
    # ModMed writes towns in capitals.
    town = (contact["city"].title(), contact["state"], contact["postalCode"])
    assert town == (PERSON.city, PERSON.state, PERSON.postal_code)
    moved = replace(PERSON, city="Tampa", email="new.address@example.com")
    firm.save(shapes.patient(moved, NOW + timedelta(minutes=1)))
    poll_and_work(modmed)
    contact = crm.contact()
    assert (contact["city"].title(), contact["email"]) == ("Tampa", "new.address@example.com")
    assert crm.notes(contact["id"]) == []
    assert crm.cards(contact["id"]) == {}
    assert enrolled(crm) == []


@pytest.mark.parametrize("status", ["Charged", "Pending"])
def test_modmed_charges_write_two_fields_and_nothing_else(modmed, firm, crm, status):
    firm.save(shapes.patient(PERSON, NOW), visit("booked"))
    poll_and_work(modmed)
    notes = len(crm.notes(crm.contact()["id"]))
    firm.save(shapes.charge(1, PERSON.id, NOW + timedelta(days=1), lines=["Botox", "Filler"], status=status))
    poll_and_work(modmed)
    contact = crm.contact()
    written = {name: contact["fields"].get(name) for name in ("ModMed Charge Type", "ModMed Transaction ID")}
    expected = ("Botox, Filler", "CHG|1") if status == "Charged" else (None, None)
    assert tuple(written.values()) == expected
    assert "Patient Lifetime Value" not in contact["fields"]
    assert len(crm.notes(contact["id"])) == notes


# --- Nextech Cloud ----------------------------------------------------------------------------------------------

NX_PERSON = nx_cast.patient(0, practice="practice-1")
INJECTABLES = nx_cast.TYPE_NAMED["Injectables"]
NX_FLOWS = {
    "NXT Appointments Update": "WF1",
    "NXT Payments Update": "WF2",
    "NXT Birthday": "WF3",
    "NXT Location Assignment": "WF4",
}
NX_VISIT = nx.Visit(
    "7001", NX_PERSON, EVENING, type=INJECTABLES, purposes=INJECTABLES.purposes[:2], created_at=NOW
)
NX_FIELDS = {
    "NXT Appointment Date": DAY,
    "NXT Appointment Type": "Injectables",
    "NXT Appointment Purpose": "Botox, Dermal Filler",
    "NXT Appointment Practitioner": "Davison, Darren",
    "NXT Appointment Location": "South Dermatology",
    "NXT Patient ID": NX_PERSON.id,
    "Appointment Category": "Non-Surgical Appointment",
}
NX_NEXT = {"Next Visit Date": DAY, "Next Visit Service": "Botox, Dermal Filler"}
NX_LAST = {
    "Last Visit Date": DAY,
    "Last Visit Service": "Botox, Dermal Filler",
    "NXT Birthday": NX_PERSON.born.isoformat(),
    "Contact Type": "Patient",
}


def nextech_practice(office, **changes):
    switches = changes.pop("switches", {})
    found = set_up(
        practice_file(
            "nextech_cloud",
            {"base_url": office.base_url, "credentials": office.credentials(), "switches": switches},
            categories=confirmed("nextech_cloud", Injectables="Non-Surgical Appointment"),
            workflows=NX_FLOWS,
            **changes,
        )
    )
    poll_all(found)
    return found


@pytest.fixture
def nextech(db, crm, office):
    return nextech_practice(office, switches={"payments": True})


NX_ROWS = {
    "pending": (nx.pending, "Pending", NX_NEXT, "appointment booked", ("Booked", "open"), ["WF1"]),
    "booked": (nx.confirmed, "Confirmed", NX_NEXT, "appointment booked", ("Booked", "open"), ["WF1"]),
    "fulfilled": (
        nx.fulfilled,
        "Fulfilled",
        NX_LAST,
        "appointment completed",
        ("Patient", "won"),
        ["WF1", "WF3"],
    ),
    "cancelled": (
        nx.cancelled,
        "Cancelled",
        {},
        "appointment cancelled",
        ("Cancelled / No-Show", "open"),
        ["WF1"],
    ),
    "noshow": (nx.no_show, "No-Show", {}, "appointment no-show", ("Cancelled / No-Show", "open"), ["WF1"]),
}


@pytest.mark.parametrize("status", NX_ROWS)
def test_nextech_appointments(nextech, office, crm, status):
    shape, word, more, headline, card, workflows = NX_ROWS[status]
    office.save(nx.patient_saved(NX_PERSON, NOW), shape(NX_VISIT, NOW))
    poll_and_work(nextech)
    contact = crm.contact()
    assert contact["fields"] == {**NX_FIELDS, "NXT Appointment Status": word, **more}
    assert (contact["firstName"], contact["lastName"]) == (NX_PERSON.first_name, NX_PERSON.last_name)
    assert not contact.get("address1")
    (note,) = crm.notes(contact["id"])
    lines = note.split("\n")
    assert (lines[0], lines[1]) == (f"Nextech Cloud: {headline}", f"Status: {word}")
    assert "Purpose: Botox, Dermal Filler" in lines
    assert f"Date: {AS_WRITTEN}" in lines
    assert lines[-1].startswith("Reference: AX-")
    assert crm.cards(contact["id"]) == {"P2": card}
    assert [one for one in enrolled(crm) if one != "WF4"] == workflows


@pytest.mark.parametrize("shape", [nx.arrived, nx.custom])
def test_nextech_statuses_in_between_are_recorded_only(nextech, office, crm, shape):
    office.save(shape(NX_VISIT, at=NOW))
    poll_and_work(nextech)
    assert [event.state for event in events()] == [EventState.DONE]
    assert crm.contacts() == []


def test_nextech_location_assignment_enrols_where_there_are_several_locations(db, crm, office):
    sites = [
        {"external_id": site.id, "name": site.name, "time_zone": None, "sub_account": "main"}
        for site in nx_cast.SITES
    ]
    connection = nextech_practice(office, locations=sites)
    office.save(nx.patient_saved(NX_PERSON, NOW), nx.pending(NX_VISIT, NOW))
    poll_and_work(connection)
    assert "WF4" in enrolled(crm)


def payment(external_id: str = "501", amount: str = "420.00", **more: Any) -> nx.Payment:
    return nx.Payment(external_id, NX_PERSON, Decimal(amount), NOW.date(), **more)


def value_after(crm, office, connection, *rounds) -> tuple[Decimal | None, int]:
    """Lifetime value and notes after each round's entries were polled."""
    office.save(nx.patient_saved(NX_PERSON, NOW))
    for minute, entries in enumerate(rounds, 1):
        at = NOW + timedelta(minutes=minute)
        found = [one(at) for one in entries]
        office.save(
            *(entry for group in found for entry in (group if isinstance(group, tuple) else (group,)))
        )
        poll_and_work(connection)
    contact = crm.contact()
    value = contact["fields"].get("Patient Lifetime Value")
    return (None if value is None else Decimal(str(value))), len(crm.notes(contact["id"]))


ONE = payment()
MONEY_ROWS = {
    "paid": ([[lambda at: nx.paid(ONE, at)]], "420", 1),
    "paid, then voided": ([[lambda at: nx.paid(ONE, at)], [lambda at: nx.voided(ONE, "502", at)]], "0", 2),
    "voided before it was ever seen": ([[lambda at: nx.voided(ONE, "502", at)]], None, 0),
    "corrected": (
        [[lambda at: nx.paid(ONE, at)], [lambda at: nx.corrected(ONE, Decimal("400"), "502", "503", at)]],
        "400",
        3,
    ),
    "refunded in part": (
        [[lambda at: nx.paid(ONE, at)], [lambda at: nx.refund(ONE, "504", Decimal("20"), at)]],
        "400",
        2,
    ),
    "an adjustment": ([[lambda at: nx.adjustment(ONE, at)]], None, 0),
    "insurance": ([[lambda at: nx.insurance_payment(ONE, "Blue Harbor", at)]], None, 0),
}


@pytest.mark.parametrize("row", MONEY_ROWS)
def test_nextech_payments(nextech, office, crm, row):
    rounds, value, notes = MONEY_ROWS[row]
    found = value_after(crm, office, nextech, *rounds)
    assert found == (None if value is None else Decimal(value), notes)
    assert enrolled(crm).count("WF2") == sum(one is not None for one in [value] if row != "corrected") + 2 * (
        row == "corrected"
    )


def test_nextech_payment_fields(nextech, office, crm):
    value_after(crm, office, nextech, [lambda at: nx.paid(ONE, at)])
    fields = crm.contact()["fields"]
    assert Decimal(str(fields["Invoice Paid Amount"])) == Decimal("420")
    assert fields["NXT Last Payment Date"] == NOW.date().isoformat()
    assert (fields["NXT Payment Status"], fields["NXT Last Payment ID"]) == ("Active", "501")
    (note,) = crm.notes(crm.contact()["id"])
    assert note.split("\n")[1:3] == ["Status: Active", "Amount: $420.00"]


@pytest.mark.parametrize(
    ("switch", "entry", "value"),
    [
        ("count_insurance", lambda at: nx.insurance_payment(ONE, "Blue Harbor", at), "420"),
        ("count_adjustments", lambda at: nx.adjustment(ONE, at), "420"),
    ],
)
def test_nextech_money_that_counts_by_switch(db, crm, office, switch, entry, value):
    connection = nextech_practice(office, switches={"payments": True, switch: True})
    assert value_after(crm, office, connection, [entry])[0] == Decimal(value)


@pytest.mark.parametrize(("kind", "polled"), [("plastic_surgery", False), ("med_spa", True)])
def test_nextech_payments_are_on_by_default_only_where_there_is_no_surgery(db, crm, office, kind, polled):
    connection = nextech_practice(office, kind=kind)
    assert ("payments" in poll_all(connection)) is polled
