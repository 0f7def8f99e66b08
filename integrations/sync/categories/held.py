"""Which events wait for which type."""

from collections.abc import Iterable

from django.db.models import Count

from categorization.models import AppointmentType
from integrations.models import EventState, HeldFor, InboundEvent
from integrations.models.narrowing import open_events


def held_by_type(practice_id: int, rows: Iterable[AppointmentType]) -> dict[int, int]:
    """Type id → how many events wait for it. An event that names several purposes waits for each of them, and for
    the type whatever its purpose."""
    waiting = (
        open_events(InboundEvent.objects.for_practice(practice_id))
        .filter(state=EventState.HELD, held_for=HeldFor.CATEGORY)
        .order_by()
        .values_list("connection_id", "held_key")
        .annotate(Count("pk"))
    )
    counts: dict[tuple[str, str, str], int] = {}
    for _, held_key, count in waiting:
        connection_key, name, *purposes = held_key.split("|")
        for purpose in ("", *purposes):
            key = (connection_key, name, purpose)
            counts[key] = counts.get(key, 0) + count
    return {row.pk: counts[row.key] for row in rows if row.key in counts}
