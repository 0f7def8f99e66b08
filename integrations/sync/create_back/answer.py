"""What the contact is told: a note, the tag taken off, and the EMR's patient id. Keyed writes, as of any event."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from integrations.contract.records import Person
from integrations.models import CreateRequest, CreateState, Effect, EffectKind, EffectState, SubAccount
from integrations.sync import circuit, identity
from integrations.sync.create_back.tags import matching
from integrations.sync.deliver import Delivery
from integrations.sync.plan import lease_contact
from integrations.sync.profile import SubAccountProfile
from integrations.sync.recipient import ContactGone, Recipient
from integrations.sync.work import Work

if TYPE_CHECKING:
    from integrations.sync.create_back.attempt import Attempt

Body = dict[str, Any]


class _VeryContact(Recipient):
    """The very contact that was asked about: one that is gone is not looked for again."""

    def contact_is_gone(self) -> None:
        """Raises ContactGone."""
        assert self.contact is not None
        identity.unlink(self.contact)
        raise ContactGone


class _Answer(Delivery):
    """Writes to the very contact that was asked about."""

    def __init__(self, work: Work, account: SubAccountProfile, person: Person) -> None:
        super().__init__(work, account, person)
        self.recipient = _VeryContact(work, account, person)


def tell_contact(attempt: "Attempt") -> None:
    """Write what is still owed to the contact. Raises what delivery raises."""
    request, event = attempt.request, attempt.event
    if attempt.contact is None:
        _gone(attempt)
    elif request.answered_at is None:
        contact = attempt.known_contact()
        work = Work(event, attempt.lane, attempt.profile, attempt.connection)
        lease_contact(contact, work)
        event.contact = contact
        circuit.gate(SubAccount, attempt.account.id)
        _Answer(work, attempt.account, Person(request.external_id)).run(_effects(attempt))
        circuit.succeeded(SubAccount, attempt.account.id, attempt.profile.id)
    _answered(request)


def _answered(request: CreateRequest) -> None:
    request.answered_at = request.answered_at or timezone.now()
    request.save(update_fields=["answered_at"])


def _gone(attempt: "Attempt") -> None:
    """There is nobody to tell: the page of failed creates, or the patient's own events, take it from here."""
    row = attempt.request.contact
    if row is not None and not row.is_gone:
        identity.unlink(row)
    attempt.tell("contact", "The contact was deleted or merged in the CRM: no note could be written.")


@dataclass(frozen=True, slots=True)
class _Wanted:
    kind: EffectKind
    target: str
    body: Body
    reference: str = ""


def _effects(attempt: "Attempt") -> list[Effect]:
    """The writes of this answer, made where they are new; in the order in which they are sent."""
    rows = Effect.objects.for_practice(attempt.profile.id).filter(event=attempt.event)
    known = {(effect.kind, effect.target): effect for effect in rows}
    first = max([effect.position for effect in known.values()], default=-1) + 1
    found = []
    for place, wanted in enumerate(_wanted(attempt)):
        effect = known.get((wanted.kind, wanted.target))
        if effect is None:
            effect = _new(attempt, wanted, first + place)
        found.append(effect)
    return found


def _new(attempt: "Attempt", wanted: _Wanted, position: int) -> Effect:
    effect = Effect(
        practice_id=attempt.profile.id,
        event=attempt.event,
        contact=attempt.event.contact,
        kind=wanted.kind,
        target=wanted.target[:120],
        position=position,
        body=wanted.body,
        reference=wanted.reference,
        planned_at=timezone.now(),
    )
    if wanted.reference and (twin := _begun_elsewhere(attempt, wanted.reference)):
        # Another delivery about this request wrote, or may have written, this very note: look before writing.
        effect.state, effect.sent_at = EffectState.SENDING, twin.sent_at
    effect.save()
    return effect


def _begun_elsewhere(attempt: "Attempt", reference: str) -> Effect | None:
    rows = Effect.objects.for_practice(attempt.profile.id).filter(kind=EffectKind.NOTE, reference=reference)
    found: Effect | None = rows.exclude(event=attempt.event).exclude(state=EffectState.PLANNED).first()
    return found


def _wanted(attempt: "Attempt") -> Iterator[_Wanted]:
    request, manifest = attempt.request, attempt.connection.manifest
    mark = f"{request.pk}:{request.attempts}:{request.state}"
    reference = _reference(mark)
    lines = [*note_lines(attempt), f"Reference: {reference}"]
    yield _Wanted(EffectKind.NOTE, mark, {"text": "\n".join(lines)}, reference)
    tags = [str(tag) for tag in (attempt.contact or {}).get("tags") or ()]
    for tag in matching(attempt.connection, tags):
        yield _Wanted(EffectKind.TAG, f"{mark}:{tag}", {"tag": tag, "remove": True})
    if request.external_id and request.state in (CreateState.CREATED, CreateState.LINKED):
        custom = {manifest.patient_id_field: request.external_id}
        yield _Wanted(EffectKind.CONTACT, mark, {"native": {}, "custom": custom})


def note_lines(attempt: "Attempt") -> list[str]:
    """The note: what happened in the first line, then a line for each thing to know or to do."""
    request, emr = attempt.request, attempt.emr
    again = f"Then: add the tag {request.tag} again." if request.tag else "Then: add the tag again."
    if request.state == CreateState.CREATED:
        return [f"{emr}: patient created", f"Patient ID: {request.external_id}"]
    if request.state == CreateState.LINKED:
        lines = [f"{emr}: linked to a patient who was there already", f"Patient ID: {request.external_id}"]
        return [*lines, f"Why: {request.why}"] if request.why else lines
    if request.state == CreateState.NEEDS_DECISION:
        lines = [f"{emr}: patient not created, a decision is needed", f"Why: {request.why}"]
        return [*lines, "Then: AX Connect support is shown the patients in question and decides."]
    problems = [f"To fix: {problem['words']}" for problem in request.problems]
    return [f"{emr}: patient not created", *problems, again]


def _reference(mark: str) -> str:
    """Our mark in the note: the same for the same answer, so that a repetition finds it."""
    digest = hashlib.sha256(f"create:{mark}".encode()).digest()
    return "AX-" + base64.b32encode(digest)[:10].decode()
