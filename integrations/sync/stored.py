"""Rows ↔ the frozen forms that the rules work on."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from integrations.contract.records import AppointmentRecord, FieldValue, LocationRef, Outcome, PaymentRecord
from integrations.models import Contact, ContactLink, Opportunity, Patient, Visit
from integrations.models.subaccounts import PipelineKind
from integrations.sync.categorize import verdict
from integrations.sync.decide import ContactState, KnownOpportunity, KnownVisit
from integrations.sync.people import birthday_marks
from integrations.sync.profile import PracticeProfile
from integrations.sync.visits import Seen, VisitData


def visit_data(row: Visit) -> VisitData:
    """A visit row as the rules see it."""
    return VisitData(
        external_id=row.external_id,
        version=row.version,
        outcome=Outcome(row.outcome) if row.outcome else None,
        status=row.status,
        visit_on=row.visit_on,
        type=row.type,
        purposes=tuple(row.purposes),
        practitioner=row.practitioner,
        location_name=row.location_name,
        moved_on=row.moved_on,
        moved_at=row.moved_at,
        removed_at=row.removed_at,
        ever_completed=row.ever_completed,
        states=tuple(Seen.from_json(state) for state in row.states or ()),
    )


def write_visit(row: Visit, data: VisitData) -> None:
    """Save what the rules made of a visit."""
    fill_visit(row, data)
    row.save()


def fill_visit(row: Visit, data: VisitData) -> None:
    """Put what the rules made of a visit into its row."""
    row.version, row.outcome = data.version, data.outcome.value if data.outcome else ""
    row.status, row.visit_on = data.status[:60], data.visit_on
    row.type, row.purposes = data.type[:500], list(data.purposes)
    row.practitioner, row.location_name = data.practitioner[:200], data.location_name[:200]
    row.moved_on, row.moved_at, row.removed_at = data.moved_on, data.moved_at, data.removed_at
    row.ever_completed = data.ever_completed
    row.states = [state.as_json() for state in data.states]


def known_visits(rows: Sequence[Visit], profile: PracticeProfile) -> list[KnownVisit]:
    """Visits with the category that counts for each today."""
    known = []
    for row in rows:
        connection = profile.connections[row.connection_id]
        category = verdict(profile, connection, row.type, tuple(row.purposes)).category
        separate = bool(connection.switches.get("separate_consult_stages"))
        known.append(
            KnownVisit(visit_key(row.connection_id, row.external_id), visit_data(row), category, separate)
        )
    return known


def visit_key(connection_id: int, external_id: str) -> str:
    """A visit's identity across connections: two EMRs may use the same appointment id."""
    return f"{connection_id}:{external_id}"


def contact_state(
    contact: Contact | None, opportunities: Sequence[Opportunity], born: FieldValue
) -> ContactState:
    """What is known of a contact; of a new one, nothing. ``born`` is the birth date in the record at hand."""
    if contact is None:
        return ContactState()
    mark, day = contact.birthday_enrolled_for, born.isoformat() if isinstance(born, date) else ""
    birthday_known = day if mark and day and mark in birthday_marks(contact.pk, day) else ""
    known = {PipelineKind(row.pipeline): KnownOpportunity(row.stage, row.status) for row in opportunities}
    return ContactState(contact.contact_type, known, birthday_known)


def visits_of(
    profile: PracticeProfile,
    contact: Contact | None,
    patient: Patient,
    sub_account_id: int,
    connection_id: int,
    visit: str,
) -> list[Visit]:
    """All visits known for a contact in its sub-account (those of every patient linked to it), and the visit
    of that id whoever had it so far."""
    who = contact.pk if contact is not None else None
    values = [sub_account_id, patient.pk, who, sub_account_id, connection_id, visit]
    rows = Visit.objects.across_practices().raw(_VISITS, values)
    own = (connection_id, visit)
    return [
        row
        for row in rows
        if (row.connection_id, row.external_id) == own or sub_account_of(row, profile) == sub_account_id
    ]


def sub_account_of(row: Visit, profile: PracticeProfile) -> int | None:
    """The sub-account that a visit belongs to. One that was recorded before its location was mapped (a first poll
    waits for no mapping) belongs to where its location goes now."""
    if row.sub_account_id is not None:
        return int(row.sub_account_id)
    account = profile.sub_account_for(profile.location(LocationRef(row.location_name, row.location_name)))
    return account.id if account is not None else None


# In SQL because every appointment event asks it: building it costs the ORM more than running it.
_VISITS = f"""
SELECT * FROM {Visit._meta.db_table}
WHERE ((sub_account_id = %s OR sub_account_id IS NULL) AND (patient_id = %s OR patient_id IN (
           SELECT patient_id FROM {ContactLink._meta.db_table} WHERE contact_id = %s AND sub_account_id = %s)))
   OR (connection_id = %s AND external_id = %s)
"""


def visit_id(record: AppointmentRecord | PaymentRecord) -> str:
    """The visit that a record is about: the appointment's id, or the payment's own for retail."""
    if isinstance(record, AppointmentRecord):
        return record.external_id
    return record.visit_external_id or f"payment:{record.external_id}"


def pack(value: FieldValue) -> Any:
    """A field value as JSON that remembers whether it is a date or an amount."""
    if isinstance(value, Decimal):
        return {"n": str(value)}
    if isinstance(value, date):
        return {"d": value.isoformat()}
    return value


def unpack(value: Any) -> FieldValue:
    """The value behind ``pack``."""
    if isinstance(value, dict):
        return Decimal(value["n"]) if "n" in value else date.fromisoformat(value["d"])
    return None if value is None else str(value)
