"""Nextech's resources as records. Pure: a dictionary in, frozen records out."""

from collections.abc import Callable, Mapping
from typing import Any

from integrations.contract.errors import MalformedPayload
from integrations.contract.protocols import Context
from integrations.contract.records import LocationRef, PatientRecord, Record
from integrations.emrs.nextech_cloud.appointments import appointment_in
from integrations.emrs.nextech_cloud.fhir import extension_reference, extensions, resource_type
from integrations.emrs.nextech_cloud.payments import payment_in
from integrations.emrs.nextech_cloud.reading import Reading, place


def understand(kind: str, body: Mapping[str, Any], context: Context) -> list[Record]:
    """The records in one stored body (one, here), enriched with its patient or not.

    Raises MalformedPayload naming the path of what is missing or unreadable, and IgnoredEvent for what is
    about no patient. Dates of birth and genders that cannot be read lose no event: they are left out, and the
    record's ``warnings`` say so.
    """
    reading = Reading(body, context)
    reader = _READERS.get(resource_type(reading.resource))
    if reader is None:
        raise MalformedPayload(
            'The type of the record is missing: it is expected at "resourceType".', field="resourceType"
        )
    return [reader(reading)]


def patient_in(reading: Reading) -> PatientRecord:
    """The record of a Patient. Raises MalformedPayload without an id."""
    reading.identifier()
    rows = extensions(reading.resource, "patient-location")
    person = reading.person
    return PatientRecord(
        person=person,
        version=reading.version,
        location=next((place(extension_reference(row)) for row in rows), LocationRef()),
        fields={"NXT Patient ID": person.external_id},
        warnings=tuple(reading.warnings),
    )


_READERS: dict[str, Callable[[Reading], Record]] = {
    "appointment": appointment_in,
    "patient": patient_in,
    "paymentreconciliation": payment_in,
}
