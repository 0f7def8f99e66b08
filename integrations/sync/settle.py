"""What nobody could tell by asking the CRM, a person tells: a write in doubt happened, or it is made again."""

from contextlib import nullcontext

from django.db import transaction
from django.utils import timezone

from integrations.models import (
    Effect,
    EffectKind,
    EffectState,
    EventState,
    InboundEvent,
    LedgerRow,
    LedgerState,
    ParkedAs,
    Patient,
)
from integrations.sync.release import requeue
from integrations.sync.standstill import standing_still

IS_THERE = "A person looked it up: it is in the CRM."
AGAIN = "A person looked it up: it is not in the CRM, so it is written again."


def is_in_doubt(effect: Effect) -> bool:
    """Whether a person can settle this write: money whose numbers do not fit, an enrolment without an answer."""
    return effect.state == EffectState.IN_DOUBT


def doubted_write(row: LedgerRow) -> Effect | None:
    """The write of a ledger row that needs attention; None when it does not, or the write is not in doubt."""
    if row.state != LedgerState.NEEDS_ATTENTION:
        return None
    rows = Effect.objects.for_practice(row.practice_id).filter(event=row.event_id, kind=EffectKind.CONTACT)
    return rows.filter(state=EffectState.IN_DOUBT).select_related("event").first()


def settle(effect: Effect, *, is_there: bool) -> bool:
    """Close a doubt as a person says: the write happened, or it is made (again) now.

    A payment that is written again is added to what the CRM shows at that moment. False when somebody settled it
    meanwhile. Raises standstill.Busy while a worker has an event of the patient: it would close the event over what
    is to be written again.
    """
    patient = effect.event.patient
    with standing_still(patient, None) if patient is not None else nullcontext(), transaction.atomic():
        state = EffectState.DONE if is_there else EffectState.PLANNED
        words = IS_THERE if is_there else AGAIN
        if not _close_doubt(effect, state, words):
            return False
        if effect.kind == EffectKind.CONTACT:
            _settle_money(effect, is_there=is_there)
        event = InboundEvent.objects.for_practice(effect.practice_id).get(pk=effect.event_id)
        event.story = [*event.story, {"step": "settled", "text": f"{effect.get_kind_display()}: {words}"}]
        event.save(update_fields=["story"])
        if not is_there:
            _go_on(event)
        if event.patient is not None:
            go_on_waiting(event.patient)
    return True


def go_on_waiting(patient: Patient) -> int:
    """Events of a patient that could not be decided while a payment was uncertain are tried again."""
    rows = InboundEvent.objects.for_practice(patient.practice_id).filter(
        patient=patient, state=EventState.PARKED, parked_as=ParkedAs.UNSURE
    )
    return requeue(rows, again=False)


def _close_doubt(effect: Effect, state: EffectState, words: str) -> bool:
    body = dict(effect.body)
    if body.get("money"):
        body["money"] = {**body["money"], "written": state == EffectState.DONE}
    rows = Effect.objects.for_practice(effect.practice_id).filter(pk=effect.pk, state=EffectState.IN_DOUBT)
    confirmed_at = timezone.now() if state == EffectState.DONE else None
    if not rows.update(state=state, reason=words, body=body, confirmed_at=confirmed_at):
        return False
    effect.state, effect.reason, effect.body = state, words, body
    return True


def _settle_money(effect: Effect, *, is_there: bool) -> None:
    rows = LedgerRow.objects.for_practice(effect.practice_id).filter(
        event=effect.event_id, state=LedgerState.NEEDS_ATTENTION
    )
    if is_there:
        rows.update(state=LedgerState.WRITTEN, written_at=timezone.now())
    else:
        rows.update(state=LedgerState.PLANNED, before=None, after=None)
        _write_values_again(effect)


def _write_values_again(effect: Effect) -> None:
    """The cards take over the lifetime value once more; stage and status stay with what decided them since."""
    rows = Effect.objects.for_practice(effect.practice_id).filter(
        event=effect.event_id, kind=EffectKind.OPPORTUNITY, state=EffectState.DONE
    )
    for row in rows:
        if row.body.get("with_value"):
            row.body = {**row.body, "stage": None, "status_of_lead": None, "may_create": False}
            row.state = EffectState.PLANNED
            row.save(update_fields=["body", "state"])


def _go_on(event: InboundEvent) -> None:
    """Deliver what is planned again. An event that stopped for another reason waits for that one's answer."""
    rows = InboundEvent.objects.for_practice(event.practice_id).filter(pk=event.pk)
    if event.held_for:
        requeue(rows, again=True)
    elif event.state != EventState.PARKED:
        # Nothing else of it is open, so it need not be decided anew because newer events came.
        rows.update(planned_at=timezone.now())
        requeue(rows, again=False)
