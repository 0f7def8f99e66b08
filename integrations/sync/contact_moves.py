"""A patient goes from one contact to another because a person said so: two events of our own, in the patient's lane.

One takes off the contact that was left what this patient's payments added, and decides its cards without the patient.
The other brings to the new contact what the patient's events had written: values, tags, cards and money. The money is
a row of the ledger each, written and confirmed like any other.
"""

from dataclasses import dataclass, replace
from decimal import Decimal

from django.db.models import QuerySet, Sum
from django.utils import timezone

from integrations.contract.errors import RejectedError
from integrations.contract.records import FieldValue, PatientRecord, Person
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
    Patient,
    Source,
    Visit,
)
from integrations.models.subaccounts import PipelineKind
from integrations.sync import identity, ledger, stored
from integrations.sync.categories.again import decided
from integrations.sync.categories.around import Around, around
from integrations.sync.decide import ContactWrite, Note, Plan, StageMove
from integrations.sync.effects import store_effects
from integrations.sync.identity import Reachable, Who
from integrations.sync.intake import Door, lane_key
from integrations.sync.own_kinds import JOIN_CONTACT, LEAVE_CONTACT, OWN_LABELS
from integrations.sync.people import person_of
from integrations.sync.plan import lease_contact, leave_out, planned_whole
from integrations.sync.profile import SubAccountProfile
from integrations.sync.release import identity_key
from integrations.sync.work import Found, Work

CHANGED_AGAIN = "The answer was changed once more before this was written."
GONE = "The contact is gone in the CRM: there is nothing to take off it."
_OPEN = (EventState.WAITING, EventState.HELD, EventState.PARKED)
_ZERO = Decimal("0.00")


# --- what is set in motion by an answer ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Move:
    """A patient in a sub-account who is to be written to another contact. ``key`` tells one change from the next;
    ``target`` None: a contact that is still to be made."""

    patient: Patient
    sub_account_id: int
    key: str
    target: Contact | None


def written_for(patient: Patient, sub_account_id: int) -> dict[int, Decimal]:
    """Contact id → what we added to its lifetime value for this patient, all in all; those with nothing left out."""
    rows = LedgerRow.objects.for_practice(patient.practice_id).filter(
        patient=patient, contact__sub_account_id=sub_account_id, state=LedgerState.WRITTEN
    )
    sums = rows.order_by().values_list("contact_id").annotate(Sum("amount"))
    return {contact_id: amount for contact_id, amount in sums if amount}


def moves_of(patient: Patient, sub_account_id: int) -> QuerySet[InboundEvent]:
    """The events by which changed answers about a patient are carried out."""
    rows: QuerySet[InboundEvent] = InboundEvent.objects.for_practice(patient.practice_id)
    return rows.filter(patient=patient, sub_account_id=sub_account_id, kind__in=[LEAVE_CONTACT, JOIN_CONTACT])


def call_off(patient: Patient, sub_account_id: int) -> set[int]:
    """Moves of an earlier change that were not written yet are not made. Ids of the contacts that were to be left."""
    rows = moves_of(patient, sub_account_id).filter(state__in=_OPEN)
    left: set[int] = set()
    for event in rows:
        row = _row(event)
        if event.kind == LEAVE_CONTACT and row is not None and row.state == LedgerState.WRITTEN:
            continue  # the money is off: what follows from it is written too
        if event.kind == LEAVE_CONTACT and event.contact_id is not None:
            left.add(event.contact_id)
        _close_unwritten(event, CHANGED_AGAIN)
        InboundEvent.objects.for_practice(patient.practice_id).filter(pk=event.pk).update(
            state=EventState.SKIPPED,
            reason=CHANGED_AGAIN,
            held_for="",
            held_key="",
            parked_as="",
            finished_at=timezone.now(),
        )
    return left


def leave(move: Move, contact: Contact, amount: Decimal) -> InboundEvent:
    """The event that takes ``amount`` off a contact and decides its cards without the patient."""
    event = _event(move, LEAVE_CONTACT, contact)
    if amount:
        _enter(move, event, contact, -amount)
    return event


def join(move: Move, amount: Decimal) -> InboundEvent:
    """The event that brings the patient's values and ``amount`` to the contact that counts now."""
    event = _event(move, JOIN_CONTACT, move.target)
    if amount:
        _enter(move, event, move.target, amount)
    return event


def _event(move: Move, kind: str, contact: Contact | None) -> InboundEvent:
    patient = move.patient
    door = Door(patient.practice_id, connection_id=patient.connection_id, source=Source.SETTINGS)
    dedupe = f"{kind}:{move.key}:{contact.pk if contact is not None else 'new'}"
    now = timezone.now()
    return InboundEvent.objects.create(
        practice_id=patient.practice_id,
        connection_id=patient.connection_id,
        sub_account_id=move.sub_account_id,
        patient=patient,
        contact=contact,
        source=Source.SETTINGS,
        kind=kind,
        dedupe_key=dedupe[:80],
        lane_key=lane_key(door, patient.external_id, dedupe),
        occurred_at=now,
        received_at=now,
    )


def _enter(move: Move, event: InboundEvent, contact: Contact | None, amount: Decimal) -> None:
    LedgerRow.objects.create(
        practice_id=event.practice_id,
        connection_id=event.connection_id,
        external_id=f"moved:{event.pk}",
        patient=move.patient,
        sub_account_id=move.sub_account_id,
        contact=contact,
        event=event,
        amount=amount,
    )


# --- carrying it out -------------------------------------------------------------------------------------------


def plan_move(work: Work) -> list[Effect]:
    """The effects of one of the two events. Raises ContactBusy, RejectedError, and what matching raises."""
    work.event.story = [
        {"step": "received", "text": f"{OWN_LABELS[work.event.kind]}: a person changed the answer."}
    ]
    found = _leaving(work) if work.event.kind == LEAVE_CONTACT else _joining(work)
    if found is None:
        return []
    return planned_whole(work, lambda: decide_move(work, found))


def preview_move(work: Work) -> list[Effect]:
    """The same for a preview: nobody is asked and nothing is leased."""
    found = _leaving(work) if work.event.kind == LEAVE_CONTACT else _joining(work)
    return [] if found is None else decide_move(work, found)


def decide_move(work: Work, found: Found) -> list[Effect]:
    """Store the effects of one of the two events. Call inside a transaction."""
    is_leaving = work.event.kind == LEAVE_CONTACT
    work.event.contact = found.who.contact
    result = _leaving_plan(work, found) if is_leaving else _joining_plan(work, found)
    for step, text in result.story:
        work.tell(step, text)
    person = found.person.without(found.who.left_out)
    return store_effects(work, result, found, person, 0)


def _leaving(work: Work) -> Found | None:
    """The contact that was left; None when it is gone."""
    event = work.event
    contact, account = event.contact, _account(work)
    if contact is None or event.patient is None:
        raise RejectedError("The contact is not known any more: there is nothing to take off it.")
    if contact.is_gone:
        _close_unwritten(event, GONE)
        work.skip(GONE)
        return None
    if work.may_ask:
        lease_contact(contact, work)
    # Nothing of the person is written there: only what their payments and visits had done to it.
    who = Who(event.patient, contact)
    return Found(PatientRecord(Person("")), Reachable("", "", ()), who, None, account)


def _joining(work: Work) -> Found | None:
    """The contact that counts now; None when the event waits or is left out."""
    event, account = work.event, _account(work)
    if event.patient is None:
        raise RejectedError("The patient is not known any more.")
    person = person_of(event.patient)
    reachable = Reachable.of(person, work.profile.country)
    who = identity.find(work, person, reachable, account, look=work.may_ask)
    if who.held:
        work.hold(HeldFor.IDENTITY, identity_key(who.patient.pk, account.id), who.words)
        return None
    if who.unwanted:
        leave_out(work, who, account)
        return None
    written = reachable.without(who.left_out)
    if who.contact is None and not written.email and not written.phone:
        _close_unwritten(event, "No usable e-mail or phone.")
        work.skip("No usable e-mail or phone: the CRM needs one of them.")
        return None
    if who.contact is not None and work.may_ask:
        lease_contact(who.contact, work)
    return Found(PatientRecord(person), reachable, who, None, account)


def _account(work: Work) -> SubAccountProfile:
    account = work.profile.sub_accounts.get(work.event.sub_account_id or 0)
    if account is None:
        raise RejectedError("The sub-account is there no more.")
    return account


def _leaving_plan(work: Work, found: Found) -> Plan:
    contact = found.who.contact
    assert contact is not None
    result = decided(work, contact, found.account, around(work.profile, contact))
    amount = _amount(work)
    if not amount:
        return result
    return _with_money(
        work,
        result,
        found,
        amount,
        result.contact or ContactWrite(),
        "taken off with a patient who was linked here",
    )


def _joining_plan(work: Work, found: Found) -> Plan:
    contact, account = found.who.contact, found.account
    result = decided(work, contact, account, _visits(work, found))
    custom = _values(work, found)
    custom |= result.contact.custom if result.contact else {}
    born = found.record.person.birth_date if work.connection.manifest.birthday_field in custom else None
    write = ContactWrite(
        custom, with_address=bool(work.connection.switches.get("sync_address")), birth_date=born
    )
    result = replace(result, contact=write, tags=_tags(work) if account.moves_pipeline else ())
    amount = _amount(work)
    if not amount:
        return result
    words = "taken over from the contact that this patient was linked to; earlier notes are there"
    return _with_money(work, result, found, amount, write, words)


def _with_money(
    work: Work, result: Plan, found: Found, amount: Decimal, write: ContactWrite, words: str
) -> Plan:
    note = Note(f"AX Connect: lifetime value {amount:+.2f}", (("Why", words),), f"moved {work.event.pk}")
    return replace(
        result,
        contact=replace(write, money=amount),
        notes=(note,),
        moves=_with_value(work, result.moves),
        story=(*result.story, ("money", f"Lifetime value changes by {amount:.2f}, once.")),
    )


def _with_value(work: Work, moves: tuple[StageMove, ...]) -> tuple[StageMove, ...]:
    """The cards that show the lifetime value take it over, as after a payment."""
    shows = [PipelineKind.NON_SURGICAL]
    is_dual = work.connection.manifest.has_surgical_pipeline and work.profile.has_surgery
    if work.connection.switches.get("surgical_value") and is_dual:
        shows.append(PipelineKind.SURGICAL)
    moved = {move.pipeline for move in moves}
    return (
        *(replace(move, with_value=move.pipeline in shows) for move in moves),
        *(
            StageMove(kind, None, None, with_value=True, may_create=False)
            for kind in shows
            if kind not in moved
        ),
    )


def _visits(work: Work, found: Found) -> Around:
    contact, patient = found.who.contact, found.who.patient
    if contact is not None:
        return around(work.profile, contact)
    rows = Visit.objects.for_practice(work.profile.id).filter(patient=patient)
    own = [row for row in rows if stored.sub_account_of(row, work.profile) == found.account.id]
    return Around(0, found.account.id, own)


def _values(work: Work, found: Found) -> dict[str, FieldValue]:
    """What the patient's events wrote last into each field, unless somebody else's event wrote it since at the
    contact that counts now."""
    patient, contact = found.who.patient, found.who.contact
    rows = Effect.objects.for_practice(work.profile.id).filter(
        kind=EffectKind.CONTACT, state=EffectState.DONE, event__sub_account_id=found.account.id
    )
    own = rows.filter(event__patient=patient)
    theirs = rows.filter(contact=contact).exclude(event__patient=patient) if contact else rows.none()
    newest: dict[str, tuple[bool, FieldValue]] = {}
    # Two reads by index rather than one that no index serves.
    both = [(effect, True) for effect in own] + [(effect, False) for effect in theirs]
    for effect, is_own in sorted(both, key=lambda pair: (pair[0].event_id, pair[0].position)):
        if effect.event_id == work.event.pk:
            continue
        for name, value in (effect.body or {}).get("custom", {}).items():
            if value not in ("", None):
                newest[name] = (is_own, stored.unpack(value))
    id_field = work.connection.manifest.patient_id_field
    return {name: value for name, (is_own, value) in newest.items() if is_own and name != id_field}


def _tags(work: Work) -> tuple[str, ...]:
    rows = Effect.objects.for_practice(work.profile.id).filter(
        kind=EffectKind.TAG,
        state=EffectState.DONE,
        event__patient=work.event.patient,
        event__sub_account_id=work.event.sub_account_id,
    )
    named = [str((effect.body or {}).get("tag") or "") for effect in rows.order_by("event_id", "position")]
    return tuple(dict.fromkeys(tag for tag in named if tag))


def _amount(work: Work) -> Decimal:
    """By how much this event changes the lifetime value; 0 once it was called off or is left to the CRM."""
    row = _row(work.event)
    if row is None or row.state == LedgerState.NOT_WRITTEN:
        return _ZERO
    work.money_is_written = row.state == LedgerState.WRITTEN
    return row.amount


def _row(event: InboundEvent) -> LedgerRow | None:
    row: LedgerRow | None = LedgerRow.objects.for_practice(event.practice_id).filter(event=event).first()
    return row


def _close_unwritten(event: InboundEvent, words: str) -> None:
    """What was planned of an event and not sent is not sent any more."""
    rows = Effect.objects.for_practice(event.practice_id).filter(event=event, state=EffectState.PLANNED)
    rows.update(state=EffectState.SKIPPED, reason=words)
    row = _row(event)
    if row is not None and row.state == LedgerState.PLANNED:
        ledger.leave_out(event)
