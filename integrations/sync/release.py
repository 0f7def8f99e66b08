"""Held and parked work goes on by itself when what it waited for is there."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from integrations.models import EventState, HeldFor, InboundEvent, ParkedAs, Patient, Release
from integrations.sync import bell, lanes
from integrations.sync.categorize import has_category
from integrations.sync.profile import load_profile

LEFT_OUT = "A person decided to leave this patient out of the CRM."


def requeue(events: QuerySet[InboundEvent], *, again: bool) -> int:
    """Put events back to work and wake their lanes; each in its lane's order. Number of events.

    ``again``: they ran before, so what is known already is written once more; else they go on where they
    stopped.
    """
    rows = list(events.filter(lane__isnull=False).values_list("pk", "practice_id"))
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
            InboundEvent.objects.across_practices().filter(pk__in=chunk).update(**changes)
        for practice_id in {practice for _, practice in rows}:
            lanes.wake(practice_id)
    if rows:
        transaction.on_commit(bell.ring)
    return len(rows)


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


def release_identity(patient: Patient, sub_account_id: int, *, drop: bool) -> int:
    """A person said who a patient is: its events go on, or (``drop``) are left out of the CRM."""
    rows = InboundEvent.objects.for_practice(patient.practice_id).filter(
        state=EventState.HELD, held_for=HeldFor.IDENTITY, held_key=f"patient:{patient.pk}:{sub_account_id}"
    )
    if not drop:
        return requeue(rows, again=True)
    return rows.update(
        state=EventState.SKIPPED,
        held_for="",
        reason=LEFT_OUT,
        finished_at=timezone.now(),
    )
