"""Held and parked work goes on by itself when what it waited for is there."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from integrations.contract.records import LocationRef
from integrations.models import (
    Effect,
    EffectState,
    EventState,
    HeldFor,
    InboundEvent,
    LedgerRow,
    LedgerState,
    ParkedAs,
    Patient,
    Release,
)
from integrations.sync import bell, lanes
from integrations.sync.categorize import has_category
from integrations.sync.profile import PracticeProfile, load_profile
from tenants.models import Practice

# What an event is held by until its location is mapped: this and the location's id or name.
LOCATION_KEY = "location:"
LEFT_OUT = "A person decided to leave this patient out of the CRM."


def requeue(events: QuerySet[InboundEvent], *, again: bool) -> int:
    """Put events back to work and wake their lanes; each in its lane's order. Number of events.

    ``again``: they ran before, so what is known already is written once more; else they go on where they
    stopped. One that is not among ``events`` any more, since somebody else put it to work, is left alone.
    """
    events = events.filter(lane__isnull=False)
    rows = list(events.values_list("pk", "practice_id"))
    count = 0
    with transaction.atomic():
        for chunk in _chunks([pk for pk, _ in rows]):
            changes: dict[str, object] = {
                "state": EventState.WAITING,
                "held_for": "",
                "held_key": "",
                "parked_as": "",
                "reason": "",
                "finished_at": None,
            }
            if again:
                changes |= {"planned_at": None, "runs": F("runs") + 1}
            count += events.filter(pk__in=chunk).update(**changes)
        for practice_id in {practice for _, practice in rows}:
            lanes.wake(practice_id)
    if rows:
        transaction.on_commit(bell.ring)
    return count


def _chunks(ids: list[int], size: int = 500) -> Iterable[list[int]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def settings_changed(practice_id: int) -> int:
    """A practice's set-up changed: everything that waited for it is looked at again. Number of events."""
    rows = InboundEvent.objects.for_practice(practice_id)
    count = requeue(
        rows.filter(state=EventState.HELD, held_for__in=[HeldFor.LOCATION, HeldFor.LIVE]), again=False
    )
    count += requeue(rows.filter(state=EventState.PARKED, parked_as=ParkedAs.CONFIG), again=False)
    count += release_categories(practice_id)
    lanes.wake(practice_id)
    transaction.on_commit(bell.ring)
    return count


def release_categories(practice_id: int) -> int:
    """Release the pipeline steps whose appointment type has a confirmed category by now.

    None while a change of categories waits to be carried out: it releases them itself, and keeps what came of it.
    """
    if Release.objects.for_practice(practice_id).filter(prepared_at=None).exists():
        return 0
    held = InboundEvent.objects.for_practice(practice_id).filter(
        state=EventState.HELD, held_for=HeldFor.CATEGORY
    )
    keys = set(held.values_list("connection_id", "held_key").distinct())
    if not keys:
        return 0
    profile = load_profile(practice_id)
    ready = [
        key for connection_id, key in keys if has_category(profile, profile.connections[connection_id], key)
    ]
    return requeue(held.filter(held_key__in=ready), again=True) if ready else 0


def release_set_up(practice_id: int) -> int:
    """Release what waits for going live, or for a mapping, that is there by now: whoever saw to it may have died
    before the events were told. Number of events."""
    held = InboundEvent.objects.for_practice(practice_id).filter(state=EventState.HELD)
    profile = load_profile(practice_id)
    count = requeue(held.filter(held_for=HeldFor.LIVE), again=False) if profile.is_live else 0
    unmapped = held.filter(held_for=HeldFor.LOCATION)
    keys = unmapped.values_list("held_key", flat=True).distinct()
    ready = [key for key in keys if _has_destination(profile, key.removeprefix(LOCATION_KEY))]
    return count + (requeue(unmapped.filter(held_key__in=ready), again=False) if ready else 0)


def _has_destination(profile: PracticeProfile, named: str) -> bool:
    return profile.sub_account_for(profile.location(LocationRef(named, named))) is not None


def go_on_if_changed(event: InboundEvent, profile: PracticeProfile) -> None:
    """An event that was put aside under a set-up which has changed since goes on: whoever changed it may have looked
    for what waits just before the event did."""
    waits = event.held_for in (HeldFor.LIVE, HeldFor.LOCATION) or event.parked_as == ParkedAs.CONFIG
    if not waits:
        return
    rows = Practice.objects.across_practices().filter(pk=profile.id, config_version=profile.version)
    if not rows.exists():
        stands = {"pk": event.pk, "state": event.state}
        requeue(InboundEvent.objects.for_practice(event.practice_id).filter(**stands), again=False)


def identity_key(patient_id: int, sub_account_id: int) -> str:
    """What events wait for while nobody knows who their patient is in a sub-account, and by which those that were left
    out for the answer are found again."""
    return f"patient:{patient_id}:{sub_account_id}"


def release_identity(patient: Patient, sub_account_id: int, *, drop: bool) -> int:
    """A person said who a patient is: its events go on, or (``drop``) are left out of the CRM."""
    rows = InboundEvent.objects.for_practice(patient.practice_id).filter(
        state=EventState.HELD,
        held_for=HeldFor.IDENTITY,
        held_key=identity_key(patient.pk, sub_account_id),
    )
    if not drop:
        return requeue(rows, again=True)
    drop_unwritten(patient.practice_id, list(rows.values_list("pk", flat=True)))
    return rows.update(
        state=EventState.SKIPPED,
        held_for="",
        reason=LEFT_OUT,
        finished_at=timezone.now(),
    )


def left_out_events(patient: Patient, sub_account_id: int) -> QuerySet[InboundEvent]:
    """The events of a patient that an answer left out of the CRM."""
    rows: QuerySet[InboundEvent] = InboundEvent.objects.for_practice(patient.practice_id)
    return rows.filter(
        patient=patient, state=EventState.SKIPPED, held_key=identity_key(patient.pk, sub_account_id)
    )


def take_back_in(patient: Patient, sub_account_id: int) -> int:
    """Events that were left out go to work after all, those whose payload retention has not deleted. How many."""
    return requeue(left_out_events(patient, sub_account_id).exclude(payload=""), again=True)


def drop_unwritten(practice_id: int, event_ids: list[int]) -> None:
    """Of events that are left out, what was planned and not sent is not written any more."""
    Effect.objects.for_practice(practice_id).filter(event__in=event_ids, state=EffectState.PLANNED).update(
        state=EffectState.SKIPPED, reason=LEFT_OUT
    )
    LedgerRow.objects.for_practice(practice_id).filter(event__in=event_ids, state=LedgerState.PLANNED).update(
        state=LedgerState.NOT_WRITTEN
    )
