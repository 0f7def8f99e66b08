"""What single values of an appointment become, where a fixture for each form would be too much."""

from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from integrations.contract.errors import IgnoredEvent, MalformedPayload
from integrations.contract.protocols import Context
from integrations.emrs.nextech_cloud import sandbox
from integrations.emrs.nextech_cloud.mapping import understand
from integrations.emrs.nextech_cloud.tests.bodies import ALBA, RECEIVED_AT, VISIT, context, enriched, read


@pytest.mark.parametrize(
    "start",
    [
        "2026-03-18T20:30:00-04:00",
        "2026-03-18T23:59:59-04:00",
        "2026-03-18T00:00:00-04:00",
        "2026-03-18T20:30:00-07:00",
        "2026-03-18T20:30:00",
        "2026-03-18",
        "2026-03-19T00:30:00Z",
        "2026-03-19T00:30:00.000Z",
        "2026-03-19T00:30:00+00:00",
        "2026-03-19T03:59:00-00:00",
    ],
)
def test_the_day_is_the_one_on_the_clinic_s_wall(start):
    record = read(sandbox.confirmed(VISIT) | {"start": start})
    assert record.visit_on == record.fields["NXT Appointment Date"] == date(2026, 3, 18)
    assert dict(record.note)["Date"] == "3/18/2026"


def test_a_utc_time_is_moved_to_the_zone_of_its_own_location():
    zones = {"5": ZoneInfo("America/Los_Angeles"), "": UTC}
    body = enriched(sandbox.confirmed(VISIT) | {"start": "2026-03-19T06:30:00Z"})
    (record,) = understand("", body, Context(received_at=RECEIVED_AT, zone_of=zones.__getitem__))
    assert record.visit_on == date(2026, 3, 18)


def test_the_service_is_the_purposes_else_the_type():
    purposes = sandbox.TYPE_NAMED["Injectables"].purposes
    record = read(sandbox.confirmed(replace(VISIT, purposes=purposes)))
    assert record.service == "Botox, Dermal Filler, Kybella"
    assert record.purposes == ("Botox", "Dermal Filler", "Kybella")
    assert record.fields["NXT Appointment Purpose"] == "Botox, Dermal Filler, Kybella"
    assert read(sandbox.confirmed(replace(VISIT, purposes=()))).service == "Injectables"


def test_the_same_purpose_twice_counts_once():
    purpose = VISIT.purposes[0]
    assert read(sandbox.confirmed(replace(VISIT, purposes=(purpose, purpose)))).purposes == ("Botox",)


def test_several_practitioners_are_parted_by_semicolons():
    body = sandbox.confirmed(VISIT)
    body["participant"].append({"actor": {"reference": "Practitioner/3", "display": "Whitlow, Sage"}})
    assert read(body).practitioner == "Davison, Darren; Whitlow, Sage"


@pytest.mark.parametrize(
    "build", [sandbox.pending, sandbox.confirmed, sandbox.cancelled, sandbox.no_show, sandbox.arrived]
)
def test_the_birthday_is_written_at_completion_only(build):
    assert "NXT Birthday" not in read(build(VISIT)).fields
    assert read(sandbox.fulfilled(VISIT)).fields["NXT Birthday"] == ALBA.born


def test_the_note_has_its_lines_in_order_and_a_place_for_the_category():
    labels = [label for label, _ in read(sandbox.confirmed(VISIT)).note]
    assert labels == ["Status", "Type", "Purpose", "Practitioner", "Location", "Date", "Category"]


def test_empty_values_make_no_field_and_no_note_line():
    record = read(sandbox.confirmed(replace(VISIT, purposes=(), clinician=None, site=None)))
    assert set(record.fields) == {
        "NXT Appointment Status",
        "NXT Appointment Date",
        "NXT Appointment Type",
        "NXT Patient ID",
    }
    assert [label for label, _ in record.note] == ["Status", "Type", "Date", "Category"]


def test_a_location_known_by_its_id_only_is_written_by_its_id():
    body = sandbox.confirmed(VISIT) | {"contained": []}
    body["participant"][1] = {"actor": {"reference": "Location/5"}}
    record = read(body)
    assert (record.location.external_id, record.location.name) == ("5", "")
    assert record.fields["NXT Appointment Location"] == "5"


def test_time_that_is_blocked_is_no_patient_visit():
    with pytest.raises(IgnoredEvent, match="Not a patient visit"):
        understand("appointment", sandbox.confirmed(replace(VISIT, patient=None)), context())


def test_the_patient_is_the_same_in_upper_and_lower_case():
    body = sandbox.confirmed(VISIT)
    assert (
        body["participant"][0]["actor"]["reference"] == f"Patient/{ALBA.id.upper()}" != f"Patient/{ALBA.id}"
    )
    record = read(body)
    assert record.person.external_id == record.fields["NXT Patient ID"] == ALBA.id


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": "", "identifier": []}, "id"),
        ({"id": "9" * 101}, "id"),
        ({"start": None}, "start"),
        ({"start": "soon"}, "start"),
        ({"resourceType": "Slot"}, "resourceType"),
        ({"participant": [{"actor": {"reference": "Patient/" + "a" * 101}}]}, "patient"),
    ],
)
def test_what_must_be_there_is_named_by_its_path(change, field):
    with pytest.raises(MalformedPayload) as fault:
        read(sandbox.confirmed(VISIT) | change)
    assert fault.value.field == field


def test_the_version_is_when_nextech_changed_it():
    at = datetime(2026, 3, 14, 13, 23, 0, 550000, tzinfo=UTC)
    assert read(sandbox.confirmed(VISIT, at)).version == at
    for text in ("2026-03-14T13:23:00.55+00:00", "2026-03-14T09:23:00.5500000-04:00"):
        assert read(sandbox.confirmed(VISIT) | {"meta": {"lastUpdated": text}}).version == at
    for meta in ({"lastUpdated": "lately"}, {}, None, "x"):
        assert read(sandbox.confirmed(VISIT) | {"meta": meta}).version is None


def test_when_it_was_booked_is_kept_where_it_can_be_read():
    booked_at = datetime(2026, 3, 10, 21, 9, 19, 913000, tzinfo=UTC)
    assert read(sandbox.confirmed(replace(VISIT, created_at=booked_at))).booked_at == booked_at
    assert read(sandbox.confirmed(VISIT) | {"created": "lately"}).booked_at is None
