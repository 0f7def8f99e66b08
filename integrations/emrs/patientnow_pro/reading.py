"""One enriched notice while it is being read: where to look, in whose day, and what had to be left out."""

from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from functools import cached_property
from typing import Any

from integrations.contract.dates import calendar_date, moment
from integrations.contract.errors import MalformedPayload
from integrations.contract.protocols import Context
from integrations.contract.reading import Body
from integrations.contract.records import FieldValue, LocationRef, NoteLines
from integrations.emrs.patientnow_pro.fields import FIELDS

LONGEST_NAME = 200


class Reading:
    """A body with its context. ``warnings`` collects sentences about what was left out."""

    def __init__(self, body: Any, context: Context) -> None:
        self.body = Body(body, context.field_paths)
        self.context = context
        self.warnings: list[str] = []

    def value(self, field: str) -> Any:
        """The first non-empty value of a declared field, of any type."""
        return self.body.value(field, *FIELDS[field])

    def text(self, field: str) -> str:
        """A declared field as one line of text; "" when missing."""
        return self.body.text(field, *FIELDS[field])

    def located(self, field: str) -> tuple[str, str]:
        """A declared field's path and text; ("", "") when missing."""
        return self.body.located(field, *FIELDS[field])

    def name(self, field: str) -> str:
        """A text that fits a name column."""
        return self.text(field)[:LONGEST_NAME]

    def identifier(self, field: str, words: str) -> str:
        """An id that must be there. Raises MalformedPayload naming its first place."""
        return self.body.identifier(field, words, *FIELDS[field])

    def fetched(self, record: str) -> None:
        """Raises MalformedPayload when ``record`` (``patient``, ``bill`` …) was not fetched for this event."""
        if not isinstance(self.body.at(record), Mapping):
            raise MalformedPayload(f"The {record} was not fetched from PatientNow Pro.", field=record)

    def day(self, field: str) -> date | None:
        """A declared field as a day at the location; None when missing. Raises MalformedPayload otherwise."""
        path, raw = self.located(field)
        return calendar_date(raw, path, self.zone)

    def when(self, field: str, words: str) -> datetime | None:
        """A time that may be missing; an unreadable one is left out with a warning that names it ``words``."""
        path, raw = self.located(field)
        try:
            return moment(raw, path)
        except MalformedPayload as unreadable:
            self.warnings.append(f"{words} left out: {unreadable}")
            return None

    @cached_property
    def occurred_at(self) -> datetime | None:
        """When the event happened; None when the notice does not say so."""
        return self.when("occurred_at", "Time of the event")

    @cached_property
    def location(self) -> LocationRef:
        """The facility of the event; empty where nothing names one."""
        return LocationRef(external_id=self.text("facility_id")[:100], name=self.name("facility_name"))

    @cached_property
    def zone(self) -> tzinfo:
        """The time zone in which this facility's days are meant."""
        return self.context.zone_of(self.location.external_id)

    @property
    def today(self) -> date:
        """The day on which the event was stored, at the facility."""
        return self.context.received_at.astimezone(self.zone).date()


def filled(fields: Mapping[str, FieldValue]) -> dict[str, FieldValue]:
    """The fields that hold something."""
    return {name: value for name, value in fields.items() if value not in ("", None)}


def lines(*pairs: tuple[str, str]) -> NoteLines:
    """The lines of a note that say something."""
    return tuple((label, value) for label, value in pairs if value)


def place(location: LocationRef) -> str:
    """What the CRM's location field gets."""
    return location.name or location.external_id
