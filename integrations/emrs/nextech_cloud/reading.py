"""One stored body while it is being read: the resource, its patient, and what had to be left out."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from functools import cached_property
from typing import Any

from integrations.contract.errors import MalformedPayload
from integrations.contract.protocols import Context
from integrations.contract.reading import LONGEST_ID
from integrations.contract.records import LocationRef, Person
from integrations.emrs.nextech_cloud.fhir import (
    Json,
    Reference,
    patient_of,
    resource_id,
    resource_type,
    updated_at,
)
from integrations.emrs.nextech_cloud.people import person_in

LONGEST_NAME = 200
GONE = "Nextech has no such patient any more: only the name on this record is known."


class Reading:
    """A body as ``enrich`` leaves it, ``{"resource": …, "patient": …}``, or a bare resource. ``warnings``
    collects sentences about what was left out."""

    def __init__(self, body: Any, context: Context) -> None:
        self.resource, self._patient = split(body)
        self.context = context
        self.warnings: list[str] = []

    def identifier(self) -> str:
        """The resource's id. Raises MalformedPayload when there is none, or none that is short enough."""
        found = resource_id(self.resource)
        if not found or len(found) > LONGEST_ID:
            raise MalformedPayload('The id of the record is missing: it is expected at "id".', field="id")
        return found

    @cached_property
    def patient_ref(self) -> Reference:
        """Whom it is about; an empty reference for nobody. Raises MalformedPayload for an id too long to be one."""
        found = patient_of(self.resource)
        if len(found.id) > LONGEST_ID:
            raise MalformedPayload("The id of the patient is too long to be one.", field="patient")
        return found

    @cached_property
    def person(self) -> Person:
        """The patient. Where Nextech has deleted them, what the record itself says."""
        is_patient = resource_type(self.resource) == "patient"
        patient = self.resource if is_patient else self._patient
        today = self.context.received_at.astimezone(self.context.zone_of("")).date()
        return person_in(patient or {}, self.patient_ref, today, self.warnings)

    @property
    def patient_is_gone(self) -> bool:
        """Whether Nextech was asked for the patient and had none."""
        return self._patient is not None and not self._patient

    @cached_property
    def version(self) -> datetime | None:
        """When this state came to be; None when Nextech does not say, and then the time of receipt counts."""
        return updated_at(self.resource)

    def zone(self, location: LocationRef) -> tzinfo:
        """The time zone in which that location's days are meant."""
        return self.context.zone_of(location.external_id)


def split(body: Any) -> tuple[Json, Json | None]:
    """Resource and patient of a stored body. The patient is None before enrichment, {} for one who is gone."""
    if not isinstance(body, Mapping):
        return {}, None
    resource = body.get("resource")
    if not isinstance(resource, Mapping):
        return body, None
    patient = body.get("patient", None)
    return resource, patient if isinstance(patient, Mapping) else None


def place(found: Reference) -> LocationRef:
    """A reference to a Location as a LocationRef."""
    return LocationRef(external_id=found.id[:LONGEST_ID], name=found.display[:LONGEST_NAME])


def place_name(location: LocationRef) -> str:
    """What stands in the CRM's location field."""
    return location.name or location.external_id
