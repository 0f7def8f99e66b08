"""What is fetched for a row, and what is not."""

from datetime import timedelta

import pytest

from integrations.contract.errors import AuthError, NotFoundError
from integrations.contract.protocols import Context
from integrations.contract.records import Outcome
from integrations.emrs.modmed.enrich import enrich
from integrations.emrs.modmed.mapping import understand
from integrations.emrs.modmed.pretend import cast, shapes
from integrations.emrs.modmed.tests.world import NOW, TYPES, Memory

PATIENT, DOCTOR, SITE = cast.patient(0), cast.PRACTITIONERS[2], cast.SITES[0]


def appointment(status="booked", patient=PATIENT.id, doctor=DOCTOR.id, site=SITE.id):
    return shapes.appointment(
        "1",
        patient,
        NOW + timedelta(days=1),
        NOW,
        status=status,
        type=TYPES["Botox"],
        practitioner_id=doctor,
        location_id=site,
    )


def fetched(world):
    """How often each resource was read, by its FHIR name."""
    calls = world.door.calls()
    return {name.split("/")[3]: count for name, count in calls.items() if name.startswith("GET /fhir")}


@pytest.mark.parametrize("status", ["pending", "booked", "fulfilled", "cancelled", "noshow"])
def test_a_visit_that_counts_gets_its_patient_practitioner_and_location(world, status):
    world.patients(0)
    body = enrich("appointment", appointment(status), world.client(), Memory())
    (record,) = understand("appointment", body, Context(received_at=NOW))
    assert record.person.email == PATIENT.email
    assert (record.practitioner, record.location.name) == ("Joan Ellery", "Main Street Clinic")


def test_practitioners_and_locations_are_fetched_once_patients_every_time(world):
    world.patients(0)
    client, cache = world.client(), Memory()
    for _ in range(3):
        enrich("appointment", appointment(), client, cache)
    assert fetched(world) == {"Patient": 3, "Practitioner": 1, "Location": 1}


@pytest.mark.parametrize("status", ["arrived", "checked-in", "waitlist", ""])
def test_nothing_is_fetched_for_a_status_that_is_only_recorded(world, status):
    body = enrich("appointment", appointment(status), world.client(), Memory())
    assert list(body) == ["appointment"]
    assert fetched(world) == {}


def test_nothing_is_fetched_for_blocked_time(world):
    assert list(enrich("appointment", appointment(patient=""), world.client(), Memory())) == ["appointment"]
    assert fetched(world) == {}


def test_a_practitioner_or_location_that_is_gone_loses_no_visit(world):
    world.patients(0)
    world.door.remove("Practitioner", DOCTOR.id)
    world.door.remove("Location", SITE.id)
    body = enrich("appointment", appointment(), world.client(), Memory())
    (record,) = understand("appointment", body, Context(received_at=NOW))
    assert (record.outcome, record.practitioner) == (Outcome.BOOKED, "")
    assert (record.location.external_id, record.location.name) == (SITE.id, "")


def test_a_visit_without_practitioner_and_location_needs_neither(world):
    world.patients(0)
    body = enrich("appointment", appointment(doctor="", site=""), world.client(), Memory())
    assert (body["practitioner"], body["location"]) == ({}, {})
    assert fetched(world) == {"Patient": 1}


def test_a_patient_that_is_gone_is_said(world):
    with pytest.raises(NotFoundError, match="no such Patient"):
        enrich("appointment", appointment(), world.client(), Memory())


def test_a_missing_permission_is_not_taken_for_a_missing_practitioner(world):
    world.patients(0)
    world.door.set_up(forbidden=["Practitioner"])
    cache = Memory()
    with pytest.raises(AuthError, match="Practitioner"):
        enrich("appointment", appointment(), world.client(), cache)
    assert cache.kept == {}


def test_a_patient_row_is_all_that_is_needed(world):
    row = shapes.patient(PATIENT, NOW)
    assert enrich("patient", row, world.client(), Memory()) == {"patient": row}
    assert fetched(world) == {}


def test_a_charge_gets_its_patient_and_its_transaction_in_plain_names(world):
    world.patients(0)
    row = shapes.charge(7, PATIENT.id, NOW, lines=["Botox", "Filler"], amount="1110.00", location_id="826")
    body = enrich("charge", row, world.client(), Memory())
    assert body["patient"]["id"] == PATIENT.id
    assert body["transaction"] == {
        "financialTransactionId": "CHG|7",
        "transactionStatus": "Charged",
        "totalCost": {"value": 1110.0, "currency": "USD"},
        "locationId": "826",
        "details": [
            {"quantity": 1, "description": name, "postingDate": "2026-03-15T00:00:00+00:00"}
            for name in ("Botox", "Filler")
        ],
    }


def test_nothing_is_fetched_for_a_charge_that_is_not_charged(world):
    row = shapes.charge(7, PATIENT.id, NOW, lines=["Botox"], status="Pending")
    assert "patient" not in enrich("charge", row, world.client(), Memory())
    assert fetched(world) == {}
