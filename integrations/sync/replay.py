"""Running stored events again, as a person asks for it."""

from collections.abc import Iterable

from django.db.models import QuerySet

from integrations.models import Effect, EffectState, EventState, InboundEvent, Priority
from integrations.sync.release import requeue

STOPPED = (EventState.PARKED, EventState.HELD)


def retry(event: InboundEvent) -> bool:
    """Go on from the step that failed: what was written stays written. False when nothing waits for a retry.

    Writes that were given up are tried once more; those in doubt are not touched.
    """
    return bool(retry_all(InboundEvent.objects.for_practice(event.practice_id).filter(pk=event.pk)))


def replay(event: InboundEvent) -> bool:
    """Decide the whole event again under today's settings. Nothing is written twice: notes, money and
    enrolments that were done stay as they are. False for events that never had a lane (test pings)."""
    return bool(replay_all(InboundEvent.objects.for_practice(event.practice_id).filter(pk=event.pk)))


def retry_all(events: QuerySet[InboundEvent], states: Iterable[EventState] = STOPPED) -> list[int]:
    """Retry those of the events that stopped in one of these states. Their ids."""
    ids = list(retryable(events, states).values_list("pk", flat=True))
    rows = retryable(InboundEvent.objects.across_practices().filter(pk__in=ids), states)
    Effect.objects.across_practices().filter(event__in=ids, state=EffectState.FAILED).update(
        state=EffectState.PLANNED
    )
    requeue(rows, again=False)
    return ids


def replay_all(events: QuerySet[InboundEvent]) -> list[int]:
    """Replay those of the events that can run again. Their ids."""
    ids = list(replayable(events).values_list("pk", flat=True))
    rows = replayable(InboundEvent.objects.across_practices().filter(pk__in=ids))
    rows.update(priority=Priority.REPLAY)
    requeue(rows, again=True)
    return ids


def retryable(
    events: QuerySet[InboundEvent], states: Iterable[EventState] = STOPPED
) -> QuerySet[InboundEvent]:
    """Those that a retry puts back to work."""
    return events.filter(lane__isnull=False, state__in=list(states))


def replayable(events: QuerySet[InboundEvent]) -> QuerySet[InboundEvent]:
    """Those that a replay puts back to work: not what waits to run anyway, nor test pings, which never had a lane."""
    return events.filter(lane__isnull=False).exclude(state=EventState.WAITING)
