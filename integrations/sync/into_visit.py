"""Bringing a record into its visit: the row before, the rules, the row after."""

from dataclasses import replace
from datetime import datetime

from integrations.contract.records import AppointmentRecord, PaymentRecord, Record
from integrations.models import Source, Visit
from integrations.sync import stored
from integrations.sync import visits as visit_rules
from integrations.sync.decide import Settings, is_only_recorded
from integrations.sync.visits import Seen, VisitChange, VisitData
from integrations.sync.work import Found, Work


def visits_around(work: Work, found: Found) -> list[Visit]:
    """The contact's visits, and the record's own even where it was another patient's before."""
    record, who = found.record, found.who
    if not isinstance(record, AppointmentRecord | PaymentRecord):
        return []
    return stored.visits_of(
        work.profile,
        who.contact,
        who.patient,
        found.account.id,
        work.connection.id,
        stored.visit_id(record),
    )


def into_visit(work: Work, found: Found, rows: list[Visit], settings: Settings) -> VisitChange | None:
    """What the record did to its visit, None where it has none; ``rows`` then holds the visit as it is now."""
    record = found.record
    if isinstance(record, PaymentRecord) and not record.proves_visit:
        return None
    if not isinstance(record, AppointmentRecord | PaymentRecord):
        return None
    row = _own_row(work, record, rows)
    row.patient, row.sub_account_id = found.who.patient, found.account.id
    version = record.version or work.event.received_at
    change = _changed(work, record, stored.visit_data(row), version, settings)
    stored.write_visit(row, change.visit)
    key = stored.visit_key(work.connection.id, row.external_id)
    return replace(change, visit=replace(change.visit, external_id=key))


def _own_row(work: Work, record: AppointmentRecord | PaymentRecord, rows: list[Visit]) -> Visit:
    external_id = stored.visit_id(record)
    for row in rows:
        if row.connection_id == work.connection.id and row.external_id == external_id:
            return row
    made = Visit(practice_id=work.profile.id, connection_id=work.connection.id, external_id=external_id)
    rows.append(made)
    return made


def _changed(
    work: Work, record: Record, data: VisitData, version: datetime, settings: Settings
) -> VisitChange:
    if isinstance(record, PaymentRecord):
        return visit_rules.apply_payment(data, record, version)
    assert isinstance(record, AppointmentRecord)
    if is_only_recorded(record, settings):
        return visit_rules.apply_recorded(data, record, version)
    headline = visit_rules.headline_of(work.connection.manifest.name, record)
    seen = visit_rules.seen_in(record, version, headline, work.event.pk)
    if work.event.runs:
        seen = _as_it_was(data, seen)
    is_backfill = work.event.source == Source.BACKFILL
    return visit_rules.apply_appointment(data, record, seen, is_backfill=is_backfill)


def _as_it_was(data: VisitData, seen: Seen) -> Seen:
    """The state that this very event showed when it ran before. What is fetched for it a second time may say more
    than it did then, and that is no new state of that time: it would get a second note."""
    for known in data.states:
        same_time = (known.version, known.outcome) == (seen.version, seen.outcome)
        if known.event_id == seen.event_id and same_time:
            return replace(seen, key=known.key, headline=known.headline, lines=known.lines)
    return seen
