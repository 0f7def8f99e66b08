"""Nextech's Appointment as a record."""

import re
from datetime import date, datetime

from integrations.contract.dates import as_people_write, calendar_date, moment
from integrations.contract.errors import IgnoredEvent, MalformedPayload
from integrations.contract.reading import distinct, joined, text
from integrations.contract.records import AppointmentRecord, FieldValue, LocationRef, NoteLines, Outcome
from integrations.emrs.nextech_cloud.fhir import (
    Json,
    Reference,
    extension_reference,
    extensions,
    objects,
    participants,
)
from integrations.emrs.nextech_cloud.reading import GONE, LONGEST_NAME, Reading, place, place_name
from integrations.emrs.nextech_cloud.statuses import status_of

# A time that is said in UTC: its day is not yet the day at the location.
_IN_UTC = re.compile(r".*\d(?:Z|[+-]00:?00)", re.IGNORECASE)


def appointment_in(reading: Reading) -> AppointmentRecord:
    """The record of an Appointment. Raises IgnoredEvent without a patient, MalformedPayload without an id, or
    for a booking without a day."""
    resource = reading.resource
    external_id = reading.identifier()
    if not reading.patient_ref.id:
        raise IgnoredEvent("Not a patient visit: the appointment names no patient.")
    status = status_of(resource, reading.context.switches.get("status_map"))
    reading.warnings.extend(status.warnings)
    location = next((place(row) for row in participants(resource, "location")), LocationRef())
    visit_on = _visit_day(reading, location, status.outcome)
    kind, purposes = _type_of(resource), _purposes_of(resource)
    purpose, practitioner = joined(purposes), _practitioners(resource)
    if reading.patient_is_gone:
        reading.warnings.append(GONE)
    person = reading.person
    fields: dict[str, FieldValue] = {
        "NXT Appointment Status": status.word,
        "NXT Appointment Date": visit_on,
        "NXT Appointment Type": kind.display,
        "NXT Appointment Purpose": purpose,
        "NXT Appointment Practitioner": practitioner,
        "NXT Appointment Location": place_name(location),
        "NXT Patient ID": person.external_id,
    }
    if status.outcome is Outcome.COMPLETED:
        fields["NXT Birthday"] = person.birth_date
    return AppointmentRecord(
        person=person,
        external_id=external_id,
        outcome=status.outcome,
        status=status.word,
        version=reading.version,
        booked_at=_booked_at(resource),
        visit_on=visit_on,
        type=kind.display,
        type_id=kind.id,
        purposes=tuple(purposes),
        service=purpose or kind.display,
        practitioner=practitioner,
        location=location,
        fields={name: value for name, value in fields.items() if value not in ("", None)},
        note=_note(
            ("Status", status.shown),
            ("Type", kind.display),
            ("Purpose", purpose),
            ("Practitioner", practitioner),
            ("Location", place_name(location)),
            ("Date", as_people_write(visit_on) if visit_on else ""),
        ),
        warnings=tuple(reading.warnings),
    )


def _note(*lines: tuple[str, str]) -> NoteLines:
    """The lines that say something, and the empty one in which the engine puts the category."""
    return (*((label, value) for label, value in lines if value), ("Category", ""))


def _visit_day(reading: Reading, location: LocationRef, outcome: Outcome) -> date | None:
    """The day on the clinic's wall. ``start`` carries the local offset, so its own day counts; only one that is
    said in UTC is moved to the location's zone. A booking without a day says nothing."""
    raw = text(reading.resource.get("start"))
    day = calendar_date(raw, "start", reading.zone(location) if _IN_UTC.fullmatch(raw) else None)
    if day is None and outcome is Outcome.BOOKED:
        raise MalformedPayload('The appointment\'s day is missing: it is expected at "start".', field="start")
    if day is None:
        reading.warnings.append("The appointment has no date.")
    return day


def _booked_at(resource: Json) -> datetime | None:
    try:
        return moment(resource.get("created"), "created")
    except MalformedPayload:
        return None


def _type_of(resource: Json) -> Reference:
    found = [extension_reference(row) for row in extensions(resource, "appointment-type")]
    named = next((row for row in found if row.display), Reference())
    return Reference(named.kind, named.id[:100], named.display[:LONGEST_NAME])


def _purposes_of(resource: Json) -> list[str]:
    """Each purpose once, in order. Several come as several extensions, or as one that holds them."""
    rows = extensions(resource, "appointment-purpose")
    rows += [inner for row in rows for inner in objects(row.get("extension"))]
    return distinct(name for row in rows[:50] if (name := extension_reference(row).display[:LONGEST_NAME]))


def _practitioners(resource: Json) -> str:
    """Names as Nextech writes them, last name first; so a semicolon parts several."""
    names = distinct(row.display for row in participants(resource, "practitioner") if row.display)
    return "; ".join(names)[:LONGEST_NAME]
