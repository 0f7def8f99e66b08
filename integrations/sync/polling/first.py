"""The first poll of a connection: what stands in the EMR's book is known from now on, and nothing is written."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta

from django.db import DatabaseError

from integrations.contract.errors import (
    AuthError,
    ConfigError,
    IgnoredEvent,
    MalformedPayload,
    RateLimited,
    RejectedError,
    TransientError,
)
from integrations.contract.protocols import Resource
from integrations.contract.records import AppointmentRecord, Outcome, Record
from integrations.models import Patient, Visit
from integrations.sync import stored
from integrations.sync.emr_access import context_of, enriched
from integrations.sync.polling.rows import AT_ONCE, Changed
from integrations.sync.profile import ConnectionProfile, PracticeProfile
from integrations.sync.visits import found_standing, headline_of

logger = logging.getLogger(__name__)

Standing = tuple[AppointmentRecord, datetime]
LONGEST_ID = 100
# What stops the whole poll; anything else is about one row.
_NOT_ONE_ROW = (AuthError, ConfigError, RateLimited, TransientError, DatabaseError)


def standing_visits(
    profile: PracticeProfile,
    connection: ConnectionProfile,
    resource: Resource,
    changed: Sequence[Changed],
    now: datetime,
    day: date,
    go_on: Callable[[], None] = lambda: None,
) -> list[Standing]:
    """The appointments dated from ``day`` on among the rows, each with the version time that counts. Asks the EMR
    who treats and where, never for patients; raises its errors, and what ``go_on`` raises between two rows. What
    cannot be read is left: its next change makes an event."""
    found: list[Standing] = []
    for one in changed:
        go_on()
        found += [
            (record, record.version or now)
            for record in _records(profile, connection, resource, one, now)
            if isinstance(record, AppointmentRecord) and _counts(record, day)
        ]
    return found


def _records(
    profile: PracticeProfile,
    connection: ConnectionProfile,
    resource: Resource,
    one: Changed,
    now: datetime,
) -> Sequence[Record]:
    try:
        body = enriched(connection, resource.event_kind, one.row.payload, with_patient=False)
        records: Sequence[Record] = connection.emr.understand(
            resource.event_kind, body, context_of(profile, connection, now)
        )
    except (IgnoredEvent, MalformedPayload, RejectedError):
        return ()
    except _NOT_ONE_ROW:
        raise
    except Exception as error:  # our bug, with one row: the others are recorded all the same
        logger.error("a row of connection %s cannot be read: %s", connection.id, type(error).__name__)
        return ()
    return records


def _counts(record: AppointmentRecord, day: date) -> bool:
    """A day less is asked for: nobody says in which zone an EMR cuts its days."""
    in_time = record.visit_on is None or record.visit_on >= day - timedelta(days=1)
    ids = (record.external_id, record.person.external_id)
    return in_time and record.outcome is not Outcome.OTHER and all(0 < len(one) <= LONGEST_ID for one in ids)


def record_visits(
    profile: PracticeProfile, connection: ConnectionProfile, standing: Sequence[Standing]
) -> int:
    """Store visits that are not known yet. How many. Call inside a transaction."""
    made = 0
    for start in range(0, len(standing), AT_ONCE):
        rows = standing[start : start + AT_ONCE]
        patients = _patients(profile.id, connection.id, sorted({one.person.external_id for one, _ in rows}))
        ids = [one.external_id for one, _ in rows]
        visits = Visit.objects.for_practice(profile.id).filter(connection_id=connection.id)
        known = set(visits.filter(external_id__in=ids).values_list("external_id", flat=True))
        fresh = {
            record.external_id: _visit(profile, connection, patients, record, version)
            for record, version in rows
            if record.external_id not in known
        }
        made += len(Visit.objects.bulk_create(fresh.values()))
    return made


def _visit(
    profile: PracticeProfile,
    connection: ConnectionProfile,
    patients: Mapping[str, Patient],
    record: AppointmentRecord,
    version: datetime,
) -> Visit:
    account = profile.sub_account_for(profile.location(record.location))
    row = Visit(
        practice_id=profile.id,
        connection_id=connection.id,
        external_id=record.external_id,
        patient=patients[record.person.external_id],
        sub_account_id=account.id if account else None,
    )
    stored.fill_visit(row, found_standing(record, version, headline_of(connection.manifest.name, record)))
    return row


def _patients(practice_id: int, connection_id: int, ids: Sequence[str]) -> dict[str, Patient]:
    rows = [
        Patient(practice_id=practice_id, connection_id=connection_id, external_id=external_id)
        for external_id in ids
    ]
    Patient.objects.bulk_create(rows, ignore_conflicts=True)
    known = Patient.objects.for_practice(practice_id).filter(connection_id=connection_id, external_id__in=ids)
    return {row.external_id: row for row in known}
