"""Running stored events again, as a person asks for it."""

from integrations.models import EffectState, EventState, InboundEvent, Priority
from integrations.sync.release import requeue


def retry(event: InboundEvent) -> bool:
    """Go on from the step that failed: what was written stays written. False when nothing waits for a retry.

    Writes that were given up are tried once more; those in doubt are not touched.
    """
    rows = InboundEvent.objects.for_practice(event.practice_id).filter(pk=event.pk, lane__isnull=False)
    rows = rows.filter(state__in=[EventState.PARKED, EventState.HELD])
    if not rows.exists():
        return False
    event.effects.filter(state=EffectState.FAILED).update(state=EffectState.PLANNED)
    return bool(requeue(rows, again=False))


def replay(event: InboundEvent) -> bool:
    """Decide the whole event again under today's settings. Nothing is written twice: notes, money and
    enrolments that were done stay as they are. False for events that never had a lane (test pings)."""
    rows = InboundEvent.objects.for_practice(event.practice_id).filter(pk=event.pk, lane__isnull=False)
    rows = rows.exclude(state=EventState.WAITING)
    if not rows.update(priority=Priority.REPLAY):
        return False
    return bool(requeue(rows, again=True))
