"""What a poll would store, without storing anything."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from integrations.contract.protocols import PollClient, Resource
from integrations.models import PollCursor
from integrations.sync.emr_access import client_for
from integrations.sync.polling import cursors, marks, rounds
from integrations.sync.polling.poll import BOOK_FROM, PATIENCE_SECONDS
from integrations.sync.polling.reading import read_all
from integrations.sync.polling.rows import compared
from integrations.sync.profile import ConnectionProfile, PracticeProfile

EVENT, RECORDED = "event", "recorded"


@dataclass(frozen=True, slots=True)
class Preview:
    """``would``: (row id, version time, EVENT or RECORDED) of every row that is new or changed."""

    resource: str
    rows_seen: int
    calls: int
    would: tuple[tuple[str, datetime | None, str], ...]


def preview(cursor: PollCursor, profile: PracticeProfile) -> Preview:
    """Ask as a poll would, and store nothing but tokens. Raises the contract's errors."""
    connection = profile.connections[cursor.connection_id]
    resource = cursors.resources_of(connection.emr)[cursor.resource]
    calls: list[None] = []
    client = client_for(connection, on_call=lambda: calls.append(None), patience=PATIENCE_SECONDS)
    if resource.is_by_patient:
        seen, would = _by_patient(cursor, resource, connection, client)
    else:
        seen, would = _listed(cursor, resource, client)
    return Preview(resource.name, seen, len(calls), tuple(would))


Would = list[tuple[str, datetime | None, str]]


def _listed(cursor: PollCursor, resource: Resource, client: PollClient) -> tuple[int, Would]:
    now = timezone.now()
    if cursor.primed_at is None and resource.has_dates:
        reading = read_all(client, resource, None, dated_from=(now - BOOK_FROM).date())
    else:
        reading = read_all(client, resource, marks.asked_from(cursor.watermark or now, resource))
    what = RECORDED if cursor.primed_at is None else EVENT
    found = compared(cursor.pk, reading.rows.values(), resource).changed
    return len(reading.rows), [(one.row.external_id, one.row.updated_at, what) for one in found]


def _by_patient(
    cursor: PollCursor, resource: Resource, connection: ConnectionProfile, client: PollClient
) -> tuple[int, Would]:
    now, seen, would = timezone.now(), 0, Would()
    speed = connection.emr.part("client").CALLS_PER_SECOND
    most = rounds.most_patients(cursors.interval_of(resource).total_seconds(), speed)
    for patient_id in rounds.patients_due(cursor, resource.rounds, most, now):
        rows = read_all(client, resource, None, patient_id=patient_id).rows.values()
        found = compared(cursor.pk, rows, resource).changed
        news = {one.row.external_id for one in rounds.news_of(cursor, patient_id, found)}
        seen += len(rows)
        would += [
            (one.row.external_id, one.row.updated_at, EVENT if one.row.external_id in news else RECORDED)
            for one in found
        ]
    return seen, would
