"""One delivery while it is being read: where to look, in whose day, and what had to be left out."""

from datetime import date, datetime, tzinfo
from functools import cached_property
from typing import Any

from integrations.contract.dates import calendar_date, moment
from integrations.contract.errors import MalformedPayload
from integrations.contract.protocols import Context
from integrations.contract.reading import Body
from integrations.contract.records import LocationRef
from integrations.emrs.aestheticspro.fields import FIELDS

LONGEST_NAME = 200


class Delivery:
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

    def identifier(self, field: str, words: str, *, expected: str = "") -> str:
        """An id that must be there. Raises MalformedPayload naming ``expected``, else its first place."""
        paths = FIELDS[field]
        return self.body.identifier(field, words, *((expected, *paths) if expected else paths))

    def day(self, field: str) -> date | None:
        """A declared field as a day at the location; None when missing. Raises MalformedPayload otherwise."""
        path, raw = self.located(field)
        return calendar_date(raw, path, self.zone)

    @cached_property
    def location(self) -> LocationRef:
        """The clinic site of the event."""
        return LocationRef(external_id=self.text("location_id")[:100], name=self.name("location_name"))

    @cached_property
    def zone(self) -> tzinfo:
        """The time zone in which this location's days are meant."""
        return self.context.zone_of(self.location.external_id)

    @cached_property
    def version(self) -> datetime | None:
        """When the event happened; None when it does not say so, and then the time of receipt counts."""
        path, raw = self.located("timestamp")
        try:
            return moment(raw, path)
        except MalformedPayload as unreadable:
            self.warnings.append(f"Time of the event left out: {unreadable}")
            return None

    @property
    def happened_on(self) -> date:
        """The event's day at the location; the day of receipt when the event does not say when it was."""
        return (self.version or self.context.received_at).astimezone(self.zone).date()

    @property
    def today(self) -> date:
        """The day on which the event was stored, at the location."""
        return self.context.received_at.astimezone(self.zone).date()
