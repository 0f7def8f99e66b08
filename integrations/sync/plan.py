"""From a stored event to planned effects: understand, find the contact, record, decide, all in one transaction.

Calls to the CRM that only read (matching an unlinked patient) happen before the transaction; nothing is
written outside before the plan is committed.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.contract.errors import MalformedPayload
from integrations.contract.records import (
    AmountKind,
    AppointmentRecord,
    MembershipRecord,
    Outcome,
    PatientRecord,
    PaymentRecord,
    Record,
)
from integrations.models import (
    Contact,
    Effect,
    EffectKind,
    EffectState,
    EventState,
    HeldFor,
    InboundEvent,
    LedgerRow,
    LedgerState,
    Opportunity,
    Patient,
    Priority,
    Source,
    SubAccount,
    Visit,
)
from integrations.models.subaccounts import PipelineKind
from integrations.sync import circuit, hot, identity, known_fields, lanes, ledger, stored
from integrations.sync import visits as visit_rules
from integrations.sync.categorize import verdict
from integrations.sync.crm_access import client_for
from integrations.sync.decide import PATIENT, Plan, Settings, Verdict, decide, is_only_recorded
from integrations.sync.emr_access import context_of
from integrations.sync.people import remember_person
from integrations.sync.profile import ConnectionProfile, LocationProfile, PracticeProfile, SubAccountProfile

BUSY_CONTACT_SECONDS = 0.5


class ContactBusy(Exception):
    """Another lane delivers to the same contact right now."""


@dataclass(slots=True)
class Work:
    """One event in the hands of a worker, with the set-up that counts for it."""

    event: InboundEvent
    lane: lanes.Claimed
    profile: PracticeProfile
    connection: ConnectionProfile
    opportunities: dict[PipelineKind, Opportunity] | None = None
    money_is_written: bool = False  # a second run must not count it again
    body: Mapping[str, Any] | None = None  # the payload with what was fetched for it
    # What an earlier record of the same event does already: sub-accounts that it makes the contact in, and
    # whether it makes the contact a patient.
    makes_contact_in: set[int] = field(default_factory=set)
    makes_patient: bool = False

    @property
    def contact_token(self) -> str:
        return self.lane.contact_token

    def workflow_id(self, account: SubAccountProfile, name: str) -> str:
        """The CRM workflow mapped for one of our workflow names, or for what the connection calls it; "" for none."""
        own = self.connection.workflow_names.get(name, name)
        return account.workflows.get(own) or account.workflows.get(name) or ""

    def tell(self, step: str, text: str) -> None:
        """Add a sentence to the event's story."""
        self.event.story.append({"step": step, "text": text})


def understand(work: Work) -> list[Record]:
    """The records in the event's payload. Raises MalformedPayload or IgnoredEvent."""
    event, connection = work.event, work.connection
    if not event.payload and work.body is None:
        raise MalformedPayload("The payload was deleted by retention: there is nothing left to read.")
    body = work.body if work.body is not None else json.loads(event.payload)
    context = context_of(work.profile, connection, event.received_at)
    records: Sequence[Record] = connection.emr.understand(event.kind, body, context)
    return list(records)


def plan(work: Work, records: Sequence[Record]) -> list[Effect]:
    """Record what the event says and store the effects that follow, ready to be delivered.

    Sets the event's state when nothing is to be delivered (skipped, held, done). Raises ContactBusy when
    the contact is being written by another lane, and the contract's errors when matching needs the CRM.
    """
    found: list[_Found] = []
    for record in records:
        placed = _place(work, record)
        if placed is None:
            return []
        location, account = placed
        work.event.sub_account_id = account.id
        writes = _writes(work, record)
        if writes and not account.fields:
            # A patient is looked for by the EMR's id field first, so the fields have to be known before.
            circuit.gate(SubAccount, account.id)
            client = client_for(account, work.event.priority)
            account = known_fields.refreshed(work.profile.id, account, client)
        work.event.sub_account_id = account.id  # trouble from here on is trouble with this sub-account
        person = identity.Reachable.of(record.person, work.profile.country)
        who = _same_person(found, record, account) or identity.find(
            work, record.person, person, account, look=writes
        )
        if who.held:
            _hold(work, HeldFor.IDENTITY, f"patient:{who.patient.pk}:{account.id}", who.words)
            work.event.patient = who.patient
            return []
        if who.unwanted:
            work.event.patient = who.patient
            work.event.state, work.event.reason = EventState.SKIPPED, who.words
            work.tell("skipped", who.words)
            return []
        found.append(_Found(record, person, who, location, account))
    # All records of an event in one transaction: planned whole or not at all.
    with transaction.atomic():
        effects: list[Effect] = []
        for position, row in enumerate(found):
            effects += _record_and_decide(work, row, position)
        work.event.planned_at = timezone.now()
        if not hot.plan_event(work.event, work.lane.id, work.lane.owner):
            raise lanes.LeaseLost
    return effects


def _same_person(
    found: Sequence["_Found"], record: Record, account: SubAccountProfile
) -> identity.Who | None:
    """Whom an earlier record of the event is about, where this one is about the same: nobody is asked twice."""
    for before in found:
        if (before.record.person, before.account.id) == (record.person, account.id):
            return before.who
    return None


@dataclass(frozen=True, slots=True)
class _Found:
    """A record, whom it is about, and where it goes."""

    record: Record
    person: identity.Reachable
    who: identity.Who
    location: LocationProfile | None
    account: SubAccountProfile


def _writes(work: Work, record: Record) -> bool:
    """False for what is only recorded, so that nobody is looked up for it."""
    if isinstance(record, PaymentRecord):
        return record.kind is not AmountKind.IGNORED
    if not isinstance(record, AppointmentRecord):
        return True
    acts = bool(work.connection.switches.get("act_on_reschedules"))
    return record.outcome is not Outcome.OTHER and (acts or not (record.is_reschedule or record.is_deletion))


def _place(work: Work, record: Record) -> tuple[LocationProfile | None, SubAccountProfile] | None:
    """Location and sub-account of a record; None when it has to wait for a mapping."""
    profile = work.profile
    location = profile.location(record.location)
    if location is None and isinstance(record, PaymentRecord | PatientRecord | MembershipRecord):
        location = _last_location(work, record)
    account = profile.sub_account_for(location)
    if account is None:
        name = record.location.name or record.location.external_id or "this location"
        words = f'Held: "{name}" is not mapped to a sub-account and the practice has no default one.'
        _hold(work, HeldFor.LOCATION, f"location:{record.location.external_id or name}"[:500], words)
        return None
    is_mapped = location is not None and location.sub_account_id is not None
    if (
        not is_mapped
        and (record.location.external_id or record.location.name)
        and len(profile.sub_accounts) > 1
    ):
        work.tell("location", "This location is not mapped yet: the default sub-account was used.")
    return location, account


def _last_location(work: Work, record: Record) -> LocationProfile | None:
    """Where the patient was last seen: a payment or membership without a location belongs there."""
    rows = Patient.objects.for_practice(work.profile.id).filter(
        connection_id=work.connection.id, external_id=record.person.external_id
    )
    location_id = rows.values_list("last_location_id", flat=True).first()
    return next((row for row in work.profile.locations.values() if row.id == location_id), None)


def _hold(work: Work, held_for: HeldFor, key: str, words: str) -> None:
    event = work.event
    event.state, event.held_for, event.held_key, event.reason = EventState.HELD, held_for, key, words[:500]
    work.tell("held", words)


def _record_and_decide(work: Work, found: _Found, position: int) -> list[Effect]:
    event, profile, connection = work.event, work.profile, work.connection
    record, who, account = found.record, found.who, found.account
    if who.contact is not None:
        lease_contact(who.contact, work)
    _remember(work, found)
    event.patient, event.contact, event.sub_account_id = who.patient, who.contact, account.id
    rows = _visits(work, record, who, account)
    settings = _settings(work, account)
    change = _apply(work, record, who.patient, account, rows, settings)
    if isinstance(record, PaymentRecord):
        entry = ledger.enter(record, _ledger_place(work, who, account))
        work.money_is_written = entry.is_written
        if entry.words:
            work.tell("money", entry.words)
        if entry.record is None:
            return []
        record = entry.record
    if change is not None:
        change = replace(change, visit=replace(change.visit, external_id=_key(connection, record)))
    state = stored.contact_state(
        who.contact,
        _opportunities(work, who.contact),
        record.fields.get(connection.manifest.birthday_field),
    )
    if work.makes_patient:
        state = replace(state, contact_type=PATIENT)
    result = decide(
        record,
        change,
        _category(work, record),
        stored.known_visits(rows, profile),
        state,
        settings,
        _label(connection, event.kind),
    )
    for step, text in result.story:
        work.tell(step, text)
    for problem in found.person.problems:
        work.tell("contact", problem)
    person = found.person.without(who.left_out)
    if who.contact is None and result.writes and not person.email and not person.phone:
        _skip(work)
        return []
    if result.held_key:
        event.held_for, event.held_key = HeldFor.CATEGORY, result.held_key
    effects = _store_effects(work, result, found, person, position)
    if who.contact is None and any(effect.kind == EffectKind.CONTACT for effect in effects):
        work.makes_contact_in.add(account.id)
    if result.contact is not None and result.contact.custom.get("Contact Type") == PATIENT:
        work.makes_patient = True
    return effects


def _ledger_place(work: Work, who: identity.Who, account: SubAccountProfile) -> ledger.Place:
    return ledger.Place(
        practice_id=work.profile.id,
        connection_id=work.connection.id,
        sub_account_id=account.id,
        patient=who.patient,
        contact=who.contact,
        event=work.event,
        is_ours=account.moves_pipeline,
    )


def _remember(work: Work, found: _Found) -> None:
    patient, location = found.who.patient, found.location
    remember_person(patient, found.record.person, work.profile.country)
    if location is not None and patient.last_location_id != location.id:
        patient.last_location_id = location.id
        patient.save(update_fields=["last_location"])


def _skip(work: Work) -> None:
    event = work.event
    event.state, event.reason = EventState.SKIPPED, "No usable e-mail or phone: the CRM needs one of them."
    work.tell("skipped", event.reason)
    LedgerRow.objects.for_practice(work.profile.id).filter(event=event).update(state=LedgerState.NOT_WRITTEN)


def _key(connection: ConnectionProfile, record: Record) -> str:
    assert isinstance(record, AppointmentRecord | PaymentRecord)
    return stored.visit_key(connection.id, stored.visit_id(record))


def _label(connection: ConnectionProfile, kind: str) -> str:
    declared = connection.manifest.event(kind)
    return (declared.label if declared else kind).lower()


def lease_contact(contact: Contact, work: Work) -> None:
    """Take the contact's lease, since two patients or connections can meet in one contact.

    Raises ContactBusy while another lane has it. What we know of the contact is read again under the lease.
    """
    now = timezone.now()
    if not hot.lease_contact(contact, work.contact_token, now, now + lanes.LEASE):
        raise ContactBusy
    work.lane.contacts.add(contact.pk)


def _settings(work: Work, account: SubAccountProfile) -> Settings:
    connection, profile = work.connection, work.profile
    manifest = connection.manifest
    mapped = {name for name in manifest.workflows if work.workflow_id(account, name)}
    runs_again = work.event.runs > 0
    return Settings(
        manifest=manifest,
        is_dual=manifest.has_surgical_pipeline and profile.has_surgery,
        zone=profile.zone,
        switches=connection.switches,
        workflows=frozenset(mapped),
        fields=account.field_names,
        moves_pipeline=account.moves_pipeline,
        several_locations=len(profile.locations) > 1,
        may_enrol=work.event.priority not in (Priority.REPLAY, Priority.BACKFILL),
        runs_again=runs_again,
    )


def _category(work: Work, record: Record) -> Verdict:
    if isinstance(record, AppointmentRecord):
        return verdict(work.profile, work.connection, record.type, record.purposes)
    return Verdict(None, "")


def _apply(
    work: Work,
    record: Record,
    patient: Patient,
    account: SubAccountProfile,
    rows: list[Visit],
    settings: Settings,
) -> visit_rules.VisitChange | None:
    """Bring the record into its visit; ``rows`` then holds the visit as it is now."""
    if not isinstance(record, AppointmentRecord) and not (
        isinstance(record, PaymentRecord) and record.proves_visit
    ):
        return None
    external_id = stored.visit_id(record)
    row = next(
        (row for row in rows if row.connection_id == work.connection.id and row.external_id == external_id),
        None,
    )
    if row is None:
        row = Visit(practice_id=work.profile.id, connection_id=work.connection.id, external_id=external_id)
        rows.append(row)
    row.patient, row.sub_account_id = patient, account.id
    version = record.version or work.event.received_at
    change = _changed(work, record, stored.visit_data(row), version, settings)
    stored.write_visit(row, change.visit)
    return change


def _changed(
    work: Work, record: Record, data: visit_rules.VisitData, version: datetime, settings: Settings
) -> visit_rules.VisitChange:
    if isinstance(record, PaymentRecord):
        return visit_rules.apply_payment(data, record, version)
    assert isinstance(record, AppointmentRecord)
    if is_only_recorded(record, settings):
        return visit_rules.apply_recorded(data, record, version)
    headline = visit_rules.headline_of(work.connection.manifest.name, record)
    seen = visit_rules.seen_in(record, version, headline, work.event.pk)
    is_backfill = work.event.source == Source.BACKFILL
    return visit_rules.apply_appointment(data, record, seen, is_backfill=is_backfill)


def _visits(work: Work, record: Record, who: identity.Who, account: SubAccountProfile) -> list[Visit]:
    """The contact's visits, and the record's own even where it was another patient's before."""
    if not isinstance(record, AppointmentRecord | PaymentRecord):
        return []
    return stored.visits_of(who.contact, who.patient, account.id, work.connection.id, stored.visit_id(record))


def _opportunities(work: Work, contact: Contact | None) -> list[Opportunity]:
    rows = list(Opportunity.objects.across_practices().filter(contact=contact)) if contact else []
    work.opportunities = {PipelineKind(row.pipeline): row for row in rows}
    return rows


def _store_effects(
    work: Work, result: Plan, found: _Found, person: identity.Reachable, position: int
) -> list[Effect]:
    known = _known_effects(work, position) if work.event.runs else {}
    unfinished = [effect for effect in known.values() if effect.state in _UNFINISHED]
    bodies = list(_bodies(work, result, found, person, position, makes_contact=_owes_note(unfinished)))
    now = timezone.now()
    effects: list[Effect] = []
    fresh: list[Effect] = []
    for kind, target, body, reference in bodies:
        effect = known.get((kind, target))
        if effect is None:
            effect = Effect(
                practice_id=work.profile.id,
                event=work.event,
                kind=kind,
                target=target,
                reference=reference,
                position=len(effects) + 100 * position,
            )
            fresh.append(effect)
        elif not _again(effect):
            continue
        elif effect.body.get("money"):
            body["money"] = effect.body["money"]
        effect.contact, effect.body, effect.planned_at = found.who.contact, body, now
        effect.state, effect.reason = EffectState.PLANNED, ""
        effects.append(effect)
    Effect.objects.bulk_create(fresh)
    Effect.objects.bulk_update(
        [effect for effect in effects if effect not in fresh],
        ["contact", "body", "planned_at", "state", "reason"],
    )
    rest = [effect for effect in unfinished if effect not in effects]
    return sorted([*effects, *_still_owed(rest, found)], key=lambda effect: effect.position)


_UNFINISHED = (EffectState.PLANNED, EffectState.SENDING)


def _known_effects(work: Work, position: int) -> dict[tuple[str, str], Effect]:
    """What earlier runs of this event planned for this record."""
    rows = Effect.objects.for_practice(work.profile.id).filter(event=work.event)
    own = rows.filter(position__gte=100 * position, position__lt=100 * (position + 1))
    return {(effect.kind, effect.target): effect for effect in own}


def _owes_note(unfinished: Sequence[Effect]) -> bool:
    return any(effect.kind == EffectKind.NOTE for effect in unfinished)


def _still_owed(unfinished: Sequence[Effect], found: _Found) -> list[Effect]:
    """Of what an earlier run left and this one did not plan: notes and tags are written all the same, a write in
    doubt is settled; a stage or field that a newer event decided meanwhile is not."""
    owed: list[Effect] = []
    for effect in unfinished:
        in_doubt = effect.state == EffectState.SENDING
        is_settled_by_asking = effect.kind == EffectKind.ENROL or bool(effect.body.get("money"))
        is_written_anyway = effect.kind in (EffectKind.NOTE, EffectKind.TAG)
        if is_written_anyway or (in_doubt and (found.who.contact is None or is_settled_by_asking)):
            owed.append(effect)
        else:
            effect.state, effect.reason = EffectState.SKIPPED, "A newer event decided this meanwhile."
            effect.save(update_fields=["state", "reason"])
    return owed


def _again(effect: Effect) -> bool:
    """Whether a second run of the event writes this effect once more: never notes, money and enrolments."""
    if effect.state in (EffectState.PLANNED, EffectState.SKIPPED, EffectState.FAILED):
        return True
    if effect.state != EffectState.DONE or effect.kind in (EffectKind.NOTE, EffectKind.ENROL):
        return False
    return not effect.body.get("money")


def _bodies(
    work: Work,
    result: Plan,
    found: _Found,
    person: identity.Reachable,
    position: int,
    *,
    makes_contact: bool,
) -> Iterator[tuple[EffectKind, str, dict[str, Any], str]]:
    """(kind, target, body, our reference) of each effect, in the order in which they are sent."""
    prefix = f"{position}:" if position else ""
    is_to_be_made = found.who.contact is None and found.account.id not in work.makes_contact_in
    if result.contact is not None or (is_to_be_made and (result.writes or makes_contact)):
        yield (
            EffectKind.CONTACT,
            f"{prefix}{found.account.id}",
            _contact_body(work, result, found, person),
            "",
        )
    for note in result.notes:
        reference = _reference(work.event.pk, f"{prefix}{note.key}")
        lines = [
            note.headline,
            *(f"{label}: {value}" for label, value in note.lines if value),
            f"Reference: {reference}",
        ]
        target = f"{prefix}{hashlib.sha256(note.key.encode()).hexdigest()[:24]}"
        yield EffectKind.NOTE, target, {"text": "\n".join(lines)}, reference
    for move in result.moves:
        body = asdict(move) | {"pipeline": move.pipeline.value}
        yield EffectKind.OPPORTUNITY, f"{prefix}{move.pipeline.value}", body, ""
    for tag in result.tags:
        yield EffectKind.TAG, f"{prefix}{tag}"[:120], {"tag": tag}, ""
    for name in result.enrol:
        yield EffectKind.ENROL, f"{prefix}{name}", {"workflow": name}, ""
    if result.enrol_birthday:
        name = work.connection.manifest.birthday_workflow
        yield EffectKind.ENROL, f"{prefix}{name}", {"workflow": name, "birthday": result.enrol_birthday}, ""


def _contact_body(work: Work, result: Plan, found: _Found, person: identity.Reachable) -> dict[str, Any]:
    write, raw = result.contact, found.record.person
    native = {
        "firstName": raw.first_name,
        "lastName": raw.last_name,
        "email": person.email,
        "phone": person.phone,
    }
    if write is not None and write.with_address:
        native |= {
            "address1": raw.address1,
            "city": raw.city,
            "state": raw.state,
            "postalCode": raw.postal_code,
        }
    body: dict[str, Any] = {
        "native": {name: value for name, value in native.items() if value},
        "custom": {name: stored.pack(value) for name, value in (write.custom if write else {}).items()},
        "gender": raw.gender,
        "patient_id": raw.external_id,
    }
    # A contact that is made new carries its patient id in any case: it is found by it later.
    body["custom"].setdefault(work.connection.manifest.patient_id_field, raw.external_id)
    if write is not None and write.birth_date is not None:
        body["birth_date"] = write.birth_date.isoformat()
    if write is not None and write.money is not None and not work.money_is_written:
        body["money"] = {"amount": str(write.money)}
    return body


def _reference(event_id: int, key: str) -> str:
    """Our mark in a note: short, and the same for the same event and state, so that a repetition finds it."""
    digest = hashlib.sha256(f"{event_id}:{key}".encode()).digest()
    return "AX-" + base64.b32encode(digest)[:10].decode()
