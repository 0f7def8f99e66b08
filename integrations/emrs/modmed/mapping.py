"""ModMed's enriched bodies as records. Pure: a dictionary in, frozen records out."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from integrations.contract.dates import as_people_write, calendar_date, moment
from integrations.contract.errors import IgnoredEvent, MalformedPayload
from integrations.contract.protocols import Context
from integrations.contract.reading import LONGEST_ID, Body, distinct, joined, names_in, text
from integrations.contract.records import (
    AppointmentRecord,
    ChargeRecord,
    FieldValue,
    LocationRef,
    NoteLines,
    Outcome,
    PatientRecord,
    Person,
    Record,
)
from integrations.emrs.modmed.enrich import CHARGED
from integrations.emrs.modmed.fhir import child, human_name, participant_id, reference_id
from integrations.emrs.modmed.fields import PATHS
from integrations.emrs.modmed.people import LONGEST_NAME, person_in
from integrations.emrs.modmed.statuses import is_known, status_of

LONGEST_DAY = len("2026-03-18")
# The engine puts the category into this line.
CATEGORY_LINE = ("Category", "")


def understand(kind: str, body: Mapping[str, Any], context: Context) -> list[Record]:
    """The records in one enriched body (one, here).

    Raises MalformedPayload naming the path of what is missing or unreadable, and IgnoredEvent for time blocked
    in the book and for charges that are not charged. Dates of birth, genders and version times that cannot be
    read lose no event: they are left out, and the record's ``warnings`` say so.
    """
    reader = _READERS.get(kind)
    if reader is None:
        raise IgnoredEvent("ModMed sends no events of this kind.")
    return [reader(_Reading(body, context))]


class _Reading:
    """A body while it is read: in whose day, and what had to be left out."""

    def __init__(self, payload: Any, context: Context) -> None:
        self.body = Body(payload, context.field_paths)
        self.context = context
        self.warnings: list[str] = []

    def at(self, path: str) -> Any:
        return self.body.at(path)

    def text(self, path: str) -> str:
        return text(self.body.at(path))

    def named(self, field: str) -> str:
        """A declared field as text that fits a name column."""
        return self.body.text(field, *PATHS[field])[:LONGEST_NAME]

    def identifier(self, path: str, words: str) -> str:
        return self.body.identifier(path, words, path)

    def when(self, path: str, words: str) -> datetime | None:
        """A time that may be missing; an unreadable one is left out with a warning."""
        try:
            return moment(self.at(path), path)
        except MalformedPayload as unreadable:
            self.warnings.append(f"{words} left out: {unreadable}")
            return None

    def day(self, path: str, location_id: str) -> date | None:
        """A time in UTC as the day it falls on at the location; None when it is missing."""
        raw, zone = self.text(path), self.context.zone_of(location_id)
        if len(raw) <= LONGEST_DAY:
            return calendar_date(raw, path)
        found = moment(raw, path)
        return found.astimezone(zone).date() if found else None

    def person(self) -> Person:
        today = self.context.received_at.astimezone(self.context.zone_of("")).date()
        return person_in(self.at("patient"), today, self.warnings)


def _appointment(reading: _Reading) -> AppointmentRecord:
    resource = reading.at("appointment")
    external_id = reading.identifier("appointment.id", "appointment id")
    code = reading.identifier("appointment.status", "appointment status")
    outcome, status = status_of(code)
    patient_id = participant_id(resource or {}, "Patient")
    if not patient_id:
        raise IgnoredEvent("An appointment without a patient: time blocked in the book.")
    if not is_known(code):
        reading.warnings.append("The appointment's status is not one that we know: it is only recorded.")
    person = Person(patient_id) if outcome is Outcome.OTHER else reading.person()
    location = _location(reading)
    visit_on = _visit_day(reading, location, outcome)
    type_, practitioner = reading.named("type"), " ".join(human_name(reading.at("practitioner"))).strip()
    description = reading.named("description")
    fields: dict[str, FieldValue] = {
        "ModMed Appt Status": status,
        "ModMed Appt Date": visit_on,
        "ModMed Appt Type": type_,
        "ModMed Appt Description": description,
        "ModMed Appt ID": external_id,
        "ModMed Birthday": person.birth_date if outcome is Outcome.COMPLETED else None,
        "ModMed Location": _place(location),
        "ModMed Provider": practitioner,
        "ModMed Patient ID": person.external_id,
    }
    return AppointmentRecord(
        person=person,
        external_id=external_id,
        outcome=outcome,
        status=status,
        version=_version(reading, "appointment"),
        booked_at=reading.when("appointment.created", "Time of booking"),
        visit_on=visit_on,
        type=type_,
        type_id=reading.text("appointment.appointmentType.coding.0.code")[:LONGEST_ID],
        service=type_,
        practitioner=practitioner,
        location=location,
        fields=_filled(fields),
        note=(
            *_lines(
                ("Status", status),
                ("Type", type_),
                ("Description", description),
                ("Provider", practitioner),
                ("Location", _place(location)),
                ("Date", as_people_write(visit_on) if visit_on else ""),
            ),
            CATEGORY_LINE,
            ("Appointment ID", external_id),
        ),
        warnings=tuple(reading.warnings),
    )


def _patient(reading: _Reading) -> PatientRecord:
    person = reading.person()
    return PatientRecord(
        person=person,
        version=_version(reading, "patient"),
        fields={"ModMed Patient ID": person.external_id},
        warnings=tuple(reading.warnings),
    )


def _charge(reading: _Reading) -> ChargeRecord:
    external_id = reading.identifier("charge.id", "charge id")
    if reading.text("transaction.transactionStatus").lower() != CHARGED:
        raise IgnoredEvent('A charge whose status is not "Charged".')
    if not reference_id(reading.at("charge.subject"), "Patient"):
        raise MalformedPayload("The charge names no patient.", field="charge.subject.reference")
    person = reading.person()
    fields: dict[str, FieldValue] = {
        "ModMed Charge Type": _charge_type(reading),
        "ModMed Transaction ID": reading.named("transaction_id"),
    }
    return ChargeRecord(
        person=person,
        external_id=external_id,
        version=_charged_at(reading),
        location=LocationRef(external_id=reading.text("transaction.locationId")[:LONGEST_ID]),
        fields=_filled(fields),
        warnings=tuple(reading.warnings),
    )


def _visit_day(reading: _Reading, location: LocationRef, outcome: Outcome) -> date | None:
    """The visit's day. A cancellation without one still counts; a booked or completed visit says nothing
    without it."""
    day = reading.day("appointment.start", location.external_id)
    if day is None and outcome in (Outcome.BOOKED, Outcome.COMPLETED):
        message = 'The appointment date is missing: it is expected at "appointment.start".'
        raise MalformedPayload(message, field="appointment.start")
    if day is None:
        reading.warnings.append("The appointment has no date.")
    return day


def _version(reading: _Reading, root: str) -> datetime | None:
    version = reading.when(f"{root}.meta.lastUpdated", "Time of the change")
    if version is None and not reading.at(f"{root}.meta.lastUpdated"):
        reading.warnings.append("ModMed does not say when this changed: the time of receipt counts.")
    return version


def _charged_at(reading: _Reading) -> datetime | None:
    """When the charge was posted; a charge has no version time of its own."""
    for path in ("charge.meta.lastUpdated", "transaction.details.0.postingDate", "charge.occurrenceDateTime"):
        found = reading.when(path, "Time of the charge")
        if found:
            return found
    return None


def _charge_type(reading: _Reading) -> str:
    """The lines that were charged by their descriptions, else the charge's code in words."""
    for path in (*reading.body.overrides("charge_type"), *PATHS["charge_type"]):
        if named := joined(distinct(names_in(reading.at(path), "description"))):
            return named
    return ""


def _location(reading: _Reading) -> LocationRef:
    return LocationRef(
        external_id=participant_id(reading.at("appointment") or {}, "Location"),
        name=text(child(reading.at("location"), "name"))[:LONGEST_NAME],
    )


def _place(location: LocationRef) -> str:
    return location.name or location.external_id


def _filled(fields: Mapping[str, FieldValue]) -> dict[str, FieldValue]:
    return {name: value for name, value in fields.items() if value not in ("", None)}


def _lines(*lines: tuple[str, str]) -> NoteLines:
    return tuple((label, value) for label, value in lines if value)


_READERS: dict[str, Callable[[_Reading], Record]] = {
    "appointment": _appointment,
    "patient": _patient,
    "charge": _charge,
}
