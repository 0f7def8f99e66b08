"""The first poll of a connection: what stands in the EMR's book is known from now on, and nothing is written."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from integrations.contract.errors import IgnoredEvent, MalformedPayload
from integrations.contract.protocols import Resource
from integrations.contract.records import AppointmentRecord, Outcome
from integrations.models import Patient, Visit
from integrations.sync import stored
from integrations.sync.emr_access import context_of, enriched
from integrations.sync.polling.rows import AT_ONCE, Changed
from integrations.sync.profile import ConnectionProfile, PracticeProfile
from integrations.sync.visits import found_standing, headline_of

Standing = tuple[AppointmentRecord, datetime]


def standing_visits(
    profile: PracticeProfile,
    connection: ConnectionProfile,
    resource: Resource,
    changed: Sequence[Changed],
    now: datetime,
) -> list[Standing]:
    """The appointments among the rows, each with the version time that counts. Asks the EMR who treats and where,
    never for patients; raises its errors. What cannot be read is left: its next change makes an event."""
    found: list[Standing] = []
    for one in changed:
        body = enriched(connection, resource.event_kind, one.row.payload, with_patient=False)
        try:
            records = connection.emr.understand(
                resource.event_kind, body, context_of(profile, connection, now)
            )
        except (IgnoredEvent, MalformedPayload):
            continue
        found += [
            (record, record.version or now)
            for record in records
            if isinstance(record, AppointmentRecord) and record.outcome is not Outcome.OTHER
        ]
    return found


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
