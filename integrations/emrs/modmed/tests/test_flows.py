"""Every flow from the pretend ModMed to its record: what happens there, one poll, what is understood."""

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from integrations.contract.errors import IgnoredEvent
from integrations.contract.protocols import Context
from integrations.contract.records import AppointmentRecord, ChargeRecord, Outcome, PatientRecord
from integrations.emrs.modmed.client import RESOURCES
from integrations.emrs.modmed.enrich import enrich
from integrations.emrs.modmed.manifest import MANIFEST
from integrations.emrs.modmed.mapping import understand
from integrations.emrs.modmed.pretend import cast, shapes
from integrations.emrs.modmed.tests.world import (
    APPOINTMENTS,
    CHARGES,
    NOW,
    PATIENTS,
    TYPES,
    Memory,
    all_ids,
)

ZONES = {"826": ZoneInfo("America/New_York"), "827": ZoneInfo("America/Los_Angeles")}
CONTEXT = Context(received_at=NOW, zone_of=lambda location_id: ZONES.get(location_id, UTC))
# 8 pm of 3/18 in New York, 5 pm in Los Angeles, 3/19 in UTC.
EVENING = datetime(2026, 3, 19, 0, 0, tzinfo=UTC)
PERSON = cast.patient(0)


def polled(world, resource, **wanted):
    """The records of one poll."""
    client, cache, records, token = world.client(), Memory(), [], ""
    while True:
        page = client.page(resource, NOW - timedelta(days=1), token, **wanted)
        for row in page.rows:
            body = enrich(resource.event_kind, row.payload, client, cache)
            records += understand(resource.event_kind, body, CONTEXT)
        token = page.next
        if not token:
            return records


def visit(status, site="826", starts_at=EVENING):
    return shapes.appointment(
        "204865",
        PERSON.id,
        starts_at,
        NOW,
        status=status,
        type=TYPES["Rhinoplasty Consult"],
        practitioner_id="375397",
        location_id=site,
        booked_at=NOW - timedelta(days=2),
    )


@pytest.mark.parametrize(
    ("code", "outcome", "word"),
    [
        ("pending", Outcome.BOOKED, "Pending"),
        ("booked", Outcome.BOOKED, "Confirmed"),
        ("fulfilled", Outcome.COMPLETED, "Checked Out"),
        ("cancelled", Outcome.CANCELLED, "Cancelled"),
        ("noshow", Outcome.NO_SHOW, "No-Show"),
    ],
)
def test_a_status_becomes_its_outcome_fields_and_note(world, code, outcome, word):
    world.patients(0)
    world.door.save(visit(code))
    (record,) = polled(world, APPOINTMENTS)
    assert isinstance(record, AppointmentRecord)
    assert (record.outcome, record.status, record.version) == (outcome, word, NOW)
    assert record.booked_at == NOW - timedelta(days=2)
    assert (record.service, record.type, record.type_id) == (*["Rhinoplasty Consult"] * 2, "1961")
    birthday = {"ModMed Birthday": PERSON.born} if outcome is Outcome.COMPLETED else {}
    assert record.fields == {
        "ModMed Appt Status": word,
        "ModMed Appt Date": date(2026, 3, 18),
        "ModMed Appt Type": "Rhinoplasty Consult",
        "ModMed Appt Description": "Interested in rhinoplasty",
        "ModMed Appt ID": "204865",
        "ModMed Location": "Main Street Clinic",
        "ModMed Provider": "Frances Ashdown",
        "ModMed Patient ID": PERSON.id,
        **birthday,
    }
    assert record.note == (
        ("Status", word),
        ("Type", "Rhinoplasty Consult"),
        ("Description", "Interested in rhinoplasty"),
        ("Provider", "Frances Ashdown"),
        ("Location", "Main Street Clinic"),
        ("Date", "3/18/2026"),
        ("Category", ""),
        ("Appointment ID", "204865"),
    )
    assert record.warnings == ()


@pytest.mark.parametrize(("code", "word"), [("arrived", "Arrived"), ("checked-in", "Checked In")])
def test_a_patient_in_the_building_is_recorded_only(world, code, word):
    world.door.save(visit(code))
    (record,) = polled(world, APPOINTMENTS)
    assert (record.outcome, record.status, record.person.external_id) == (Outcome.OTHER, word, PERSON.id)


@pytest.mark.parametrize(
    ("site", "starts_at", "day"),
    [
        ("826", EVENING, date(2026, 3, 18)),
        ("827", EVENING, date(2026, 3, 18)),
        ("", EVENING, date(2026, 3, 19)),
        ("826", datetime(2026, 3, 18, 4, 0, tzinfo=UTC), date(2026, 3, 18)),
        ("827", datetime(2026, 3, 18, 4, 0, tzinfo=UTC), date(2026, 3, 17)),
    ],
)
def test_a_visit_is_on_the_day_of_its_location(world, site, starts_at, day):
    world.patients(0)
    world.door.save(visit("booked", site, starts_at))
    (record,) = polled(world, APPOINTMENTS)
    assert record.visit_on == record.fields["ModMed Appt Date"] == day


def test_a_patient_is_demographics_with_the_address(world):
    world.patients(0)
    (record,) = polled(world, PATIENTS)
    assert isinstance(record, PatientRecord)
    assert record.fields == {"ModMed Patient ID": PERSON.id}
    assert record.version == NOW
    person = record.person
    assert (person.first_name, person.last_name, person.email, person.phone) == (
        "Adele",
        "Brook",
        "adele.brook.0@example.com",
        "5615550100",
    )
    assert (person.address1, person.city, person.state, person.postal_code) == (
        "1 ALDER STREET",
        "BOCA RATON",
        "FL",
        "33431",
    )
    assert (person.birth_date, person.gender) == (PERSON.born, "female")


def test_a_charge_is_its_type_and_its_id_and_nothing_of_money(world):
    world.patients(0)
    world.door.save(shapes.charge(1722, PERSON.id, NOW, lines=["Botox"], amount="83.63", location_id="826"))
    (record,) = polled(world, CHARGES, patient_id=PERSON.id)
    assert isinstance(record, ChargeRecord)
    assert (record.external_id, record.location.external_id) == ("CHG|1722", "826")
    assert record.fields == {"ModMed Charge Type": "Botox", "ModMed Transaction ID": "CHG|1722"}
    assert record.person.email == PERSON.email


def test_a_charge_that_is_not_charged_is_ignored(world):
    world.door.save(shapes.charge(1722, PERSON.id, NOW, lines=["Botox"], status="Pending"))
    with pytest.raises(IgnoredEvent):
        polled(world, CHARGES, patient_id=PERSON.id)


def test_another_kind_of_event_is_ignored():
    with pytest.raises(IgnoredEvent, match="no events of this kind"):
        understand("claim", {}, CONTEXT)


def test_a_quiet_week_at_the_practice_is_read_without_a_warning(world):
    """Whatever happens at the pretend front desk is understood: appointments, patients and charges."""
    world.door.day(steps=300, seed=4)
    outcomes = set()
    for record in polled(world, APPOINTMENTS):
        assert record.warnings == ()
        outcomes.add(record.outcome)
    assert outcomes == set(Outcome)
    patients = polled(world, PATIENTS)
    charges = [
        record
        for patient in patients
        for record in polled(world, CHARGES, patient_id=patient.person.external_id)
    ]
    assert len(patients) > 20
    assert charges
    assert all(record.fields["ModMed Charge Type"] in TYPES for record in charges)


def test_what_changes_while_pages_are_read_is_not_lost(world):
    """Rows that move between pages: what one poll misses, the next finds, since its window overlaps."""
    world.door.set_up(newest_first=True)
    world.appointments(130, changed_at=NOW - timedelta(hours=1))
    client, chance = world.client(), random.Random(2)
    seen: set[str] = set()
    for _ in range(2):
        token = ""
        while True:
            page = client.page(APPOINTMENTS, NOW - timedelta(days=1), token)
            seen.update(row.external_id for row in page.rows)
            token = page.next
            if not token:
                break
            moved = f"A{chance.randrange(1, 131):04d}"
            world.door.save({**visit("cancelled"), "id": moved, "meta": {"lastUpdated": shapes.stamp(NOW)}})
    assert len(seen) == 130
    assert sorted(seen) == sorted(all_ids(client, APPOINTMENTS, NOW - timedelta(days=1)))


def test_every_resource_makes_events_that_the_manifest_declares():
    assert all(MANIFEST.event(resource.event_kind) for resource in RESOURCES)
