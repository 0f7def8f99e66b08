"""A quick look at what a polled EMR shows: one page of each resource, understood, nothing kept.

``preview`` reads everything, as a poll would, and may take minutes; a person at a page waits for seconds only.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime

from django.utils import timezone

from integrations.contract.errors import (
    ContractError,
    IgnoredEvent,
    MalformedPayload,
    NotFoundError,
    RejectedError,
)
from integrations.contract.protocols import PollClient, Resource, Row
from integrations.contract.records import AppointmentRecord, Record
from integrations.models import Connection
from integrations.sync.categorize import verdict
from integrations.sync.emr_access import client_for, context_of, enriched
from integrations.sync.polling.cursors import resources_of
from integrations.sync.polling.poll import BOOK_FROM
from integrations.sync.profile import ConnectionProfile, PracticeProfile, profiles

MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class SeenVisit:
    """An appointment as AX Connect understands it; of the person only the EMR's id. ``words``: what it counts as."""

    external_id: str
    patient_id: str
    type: str
    status: str
    visit_on: date | None
    location: str
    words: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What one resource shows. ``more``: there are further pages. ``trouble`` says why it shows nothing."""

    label: str
    rows: int = 0
    more: bool = False
    trouble: str = ""
    visits: list[SeenVisit] = field(default_factory=list)


def look_at(connection: Connection) -> list[Seen]:
    """Ask each resource of a polled connection for one page. Writes nothing, here or anywhere. A refusal of one
    resource stands in its line; the others go on."""
    profile = profiles([connection.practice_id])[connection.practice_id]
    own = profile.connections[connection.pk]
    client = client_for(own, patience=30.0)
    return [
        _seen(profile, own, client, resource)
        for resource in resources_of(own.emr).values()
        if not resource.is_by_patient
        and (not resource.needs_switch or own.switches.get(resource.needs_switch))
    ]


def _seen(
    profile: PracticeProfile, connection: ConnectionProfile, client: PollClient, resource: Resource
) -> Seen:
    now = timezone.now()
    from_day = (now - BOOK_FROM).astimezone(profile.zone).date() if resource.has_dates else None
    since = None if resource.has_dates else now - BOOK_FROM
    try:
        page = client.page(resource, since, "", dated_from=from_day)
        visits = list(_visits(profile, connection, resource, page.rows, now))
    except ContractError as error:
        return Seen(resource.label, trouble=f"{error} {error.vendor_words}".strip())
    return Seen(resource.label, len(page.rows), bool(page.next), visits=visits)


def _visits(
    profile: PracticeProfile,
    connection: ConnectionProfile,
    resource: Resource,
    rows: tuple[Row, ...],
    now: datetime,
) -> Iterator[SeenVisit]:
    if not resource.has_dates:
        return
    for row in rows[:MOST_SHOWN]:
        for record in _quietly(lambda row=row: _records(profile, connection, resource, row, now)):  # type: ignore[misc]
            if isinstance(record, AppointmentRecord):
                yield _visit(profile, connection, record)


def _records(
    profile: PracticeProfile, connection: ConnectionProfile, resource: Resource, row: Row, now: datetime
) -> list[Record]:
    body = enriched(connection, resource.event_kind, row.payload, with_patient=False)
    context = context_of(profile, connection, now)
    return list(connection.emr.understand(resource.event_kind, body, context))


def _quietly(read: Callable[[], list[Record]]) -> list[Record]:
    """One record that cannot be read does not spoil the look at the others."""
    try:
        return read()
    except (IgnoredEvent, MalformedPayload, NotFoundError, RejectedError):
        return []


def _visit(profile: PracticeProfile, connection: ConnectionProfile, record: AppointmentRecord) -> SeenVisit:
    found = verdict(profile, connection, record.type, record.purposes)
    return SeenVisit(
        external_id=record.external_id,
        patient_id=record.person.external_id,
        type=record.type or ", ".join(record.purposes),
        status=record.status,
        visit_on=record.visit_on,
        location=record.location.name or record.location.external_id,
        words=found.words,
    )
