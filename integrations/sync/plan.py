"""From a stored event to planned effects: understand, find the contact, record, decide, all in one transaction.

Calls to the CRM that only read (matching an unlinked patient) happen before the transaction; nothing is
written outside before the plan is committed.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from django.db import transaction
from django.utils import timezone

from integrations.contract.errors import MalformedPayload
from integrations.contract.records import AmountKind, AppointmentRecord, Outcome, PaymentRecord, Record
from integrations.models import Contact, Effect, EffectKind, HeldFor, Opportunity, Priority, SubAccount
from integrations.models.subaccounts import PipelineKind
from integrations.sync import circuit, hot, identity, known_fields, lanes, ledger, stored
from integrations.sync.categorize import verdict
from integrations.sync.crm_access import client_for
from integrations.sync.decide import PATIENT, ContactState, Plan, Settings, Verdict, decide
from integrations.sync.effects import store_effects
from integrations.sync.emr_access import context_of
from integrations.sync.into_visit import into_visit, visits_around
from integrations.sync.people import remember_person
from integrations.sync.place import note_default_use, place
from integrations.sync.profile import SubAccountProfile
from integrations.sync.release import drop_unwritten, identity_key
from integrations.sync.work import Found, Work

__all__ = ["BUSY_CONTACT_SECONDS", "ContactBusy", "Work", "lease_contact", "plan", "understand"]

BUSY_CONTACT_SECONDS = 0.5


class ContactBusy(Exception):
    """Another lane delivers to the same contact right now."""


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
    found = find_all(work, records)
    if found is None:
        return []
    return planned_whole(work, lambda: decide_all(work, found))


def planned_whole(work: Work, decide_it: Callable[[], list[Effect]]) -> list[Effect]:
    """What an event decides and that it is planned, in one transaction: whole or not at all. Raises LeaseLost when
    the lane is somebody else's by then."""
    with transaction.atomic():
        effects = decide_it()
        work.event.planned_at = timezone.now()
        if not hot.plan_event(work.event, work.lane.id, work.lane.owner):
            raise lanes.LeaseLost
    return effects


def find_all(work: Work, records: Sequence[Record]) -> list[Found] | None:
    """Whom each record is about and where it goes; None when the event waits or is left out, which it says then."""
    found: list[Found] = []
    for record in records:
        one = _find(work, record, found)
        if one is None:
            return None
        found.append(one)
    return found


def decide_all(work: Work, found: Sequence[Found]) -> list[Effect]:
    """Bring each record into what is known and store the effects that follow. Call inside a transaction."""
    effects: list[Effect] = []
    for position, one in enumerate(found):
        effects += _record_and_decide(work, one, position)
    return effects


def lease_contact(contact: Contact, work: Work) -> None:
    """Take the contact's lease, since two patients or connections can meet in one contact.

    Raises ContactBusy while another lane has it. What we know of the contact is read again under the lease.
    """
    now = timezone.now()
    if not hot.lease_contact(contact, work.contact_token, now, now + lanes.LEASE):
        raise ContactBusy
    work.lane.contacts.add(contact.pk)


# Whom a record is about


def _find(work: Work, record: Record, before: Sequence[Found]) -> Found | None:
    """Where a record goes and to whom; None when the event waits or is left out, which is said in it then."""
    placed = place(work, record)
    if placed is None:
        return None
    location, account = placed
    work.event.sub_account_id = account.id  # trouble from here on is trouble with this sub-account
    looks = writes(work, record) and work.may_ask
    if looks and not account.fields:
        account = _with_fields(work, account)
    person = identity.Reachable.of(record.person, work.profile.country)
    who = _same_person(before, record, account)
    if who is None:
        who = identity.find(work, record.person, person, account, look=looks)
    if who.held or who.unwanted:
        work.event.patient = who.patient
    if who.held:
        work.hold(HeldFor.IDENTITY, identity_key(who.patient.pk, account.id), who.words)
        return None
    if who.unwanted:
        leave_out(work, who, account)
        return None
    return Found(record, person, who, location, account)


def leave_out(work: Work, who: identity.Who, account: SubAccountProfile) -> None:
    """A person left this patient out of the CRM: another answer finds the event by its key."""
    work.event.patient, work.event.held_key = who.patient, identity_key(who.patient.pk, account.id)
    work.skip(who.words)
    if work.event.runs:
        drop_unwritten(work.profile.id, [work.event.pk])


def writes(work: Work, record: Record) -> bool:
    """False for what is only recorded, so that nobody is looked up for it."""
    if isinstance(record, PaymentRecord):
        return record.kind is not AmountKind.IGNORED
    if not isinstance(record, AppointmentRecord):
        return True
    acts = bool(work.connection.switches.get("act_on_reschedules"))
    return record.outcome is not Outcome.OTHER and (acts or not (record.is_reschedule or record.is_deletion))


def _with_fields(work: Work, account: SubAccountProfile) -> SubAccountProfile:
    """A patient is looked for by the EMR's id field first, so the fields have to be known before."""
    circuit.gate(SubAccount, account.id)
    return known_fields.refreshed(work.profile.id, account, client_for(account, work.claims_as))


def _same_person(before: Sequence[Found], record: Record, account: SubAccountProfile) -> identity.Who | None:
    """Whom an earlier record of the event is about, where this one is about the same: nobody is asked twice."""
    for one in before:
        if (one.record.person, one.account.id) == (record.person, account.id):
            return one.who
    return None


# What follows from it


def _record_and_decide(work: Work, found: Found, position: int) -> list[Effect]:
    event, who, account = work.event, found.who, found.account
    if who.contact is not None and work.may_ask:
        lease_contact(who.contact, work)
    _remember(work, found)
    event.patient, event.contact, event.sub_account_id = who.patient, who.contact, account.id
    result = _decide(work, found)
    if result is None:
        return []
    for step, text in result.story:
        work.tell(step, text)
    for problem in found.person.problems:
        work.tell("contact", problem)
    person = found.person.without(who.left_out)
    if who.contact is None and result.writes and not person.email and not person.phone:
        work.skip("No usable e-mail or phone: the CRM needs one of them.")
        ledger.leave_out(event)
        return []
    if result.writes:
        note_default_use(work, found)
    if result.held_key:
        event.held_for, event.held_key = HeldFor.CATEGORY, result.held_key
    effects = store_effects(work, result, found, person, position)
    if who.contact is None and any(effect.kind == EffectKind.CONTACT for effect in effects):
        work.makes_contact_in.add(account.id)
    if result.contact is not None and result.contact.custom.get("Contact Type") == PATIENT:
        work.makes_patient = True
    return effects


def _remember(work: Work, found: Found) -> None:
    patient, location = found.who.patient, found.location
    remember_person(patient, found.record.person, work.profile.country)
    if location is not None and patient.last_location_id != location.id:
        patient.last_location_id = location.id
        patient.save(update_fields=["last_location"])


def _decide(work: Work, found: Found) -> Plan | None:
    """Bring the record into visit and ledger, and decide. None for a payment that counted before."""
    record = found.record
    rows = visits_around(work, found)
    settings = _settings(work, found.account)
    change = into_visit(work, found, rows, settings)
    if isinstance(record, PaymentRecord):
        entry = ledger.enter(record, _ledger_place(work, found))
        work.money_is_written = entry.is_written
        if entry.words:
            work.tell("money", entry.words)
        if entry.record is None:
            return None
        record = entry.record
    return decide(
        record,
        change,
        _category(work, record),
        stored.known_visits(rows, work.profile),
        _contact_state(work, found),
        settings,
        _label(work, record),
    )


def _ledger_place(work: Work, found: Found) -> ledger.Place:
    return ledger.Place(
        practice_id=work.profile.id,
        connection_id=work.connection.id,
        sub_account_id=found.account.id,
        patient=found.who.patient,
        contact=found.who.contact,
        event=work.event,
        is_ours=found.account.moves_pipeline,
    )


def _category(work: Work, record: Record) -> Verdict:
    if isinstance(record, AppointmentRecord):
        return verdict(work.profile, work.connection, record.type, record.purposes)
    return Verdict(None, "")


def _contact_state(work: Work, found: Found) -> ContactState:
    contact = found.who.contact
    rows = list(Opportunity.objects.across_practices().filter(contact=contact)) if contact else []
    work.opportunities = {PipelineKind(row.pipeline): row for row in rows}
    born = found.record.fields.get(work.connection.manifest.birthday_field)
    state = stored.contact_state(contact, rows, born)
    return replace(state, contact_type=PATIENT) if work.makes_patient else state


def _label(work: Work, record: Record) -> str:
    """What happened, as the note's first line says it."""
    if isinstance(record, PaymentRecord) and record.undoes:
        return f"payment {record.status.lower()}"
    kind = work.event.kind
    declared = work.connection.manifest.event(kind)
    return (declared.label if declared else kind).lower()


def _settings(work: Work, account: SubAccountProfile) -> Settings:
    connection, profile = work.connection, work.profile
    manifest = connection.manifest
    mapped = {name for name in manifest.workflows if work.workflow_id(account, name)}
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
        runs_again=work.event.runs > 0,
    )
