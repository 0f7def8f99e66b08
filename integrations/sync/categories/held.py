"""Which events wait for which type."""

from collections.abc import Iterable

from django.db.models import Count

from categorization.models import AppointmentType
from integrations.models import EventState, HeldFor, InboundEvent
from integrations.models.narrowing import open_events

# Practice id, connection key, name and purpose.
Place = tuple[int, str, str, str]


def held_by_type(rows: Iterable[AppointmentType]) -> dict[int, int]:
    """Type id → how many events wait for it, in one query for all practices of these types. An event that names
    several purposes waits for each of them, and for the type whatever its purpose."""
    rows = list(rows)
    counts = _counts({row.practice_id for row in rows})
    found = ((row.pk, counts.get((row.practice_id, *row.key), 0)) for row in rows)
    return {pk: count for pk, count in found if count}


def _counts(practice_ids: set[int]) -> dict[Place, int]:
    waiting = (
        open_events(InboundEvent.objects.across_practices())
        .filter(state=EventState.HELD, held_for=HeldFor.CATEGORY, practice_id__in=practice_ids)
        .order_by()
        .values_list("practice_id", "held_key")
        .annotate(count=Count("*"))
    )
    counts: dict[Place, int] = {}
    for practice_id, held_key, count in waiting if practice_ids else ():
        connection_key, name, *purposes = held_key.split("|")
        for purpose in ("", *purposes):
            place = (practice_id, connection_key, name, purpose)
            counts[place] = counts.get(place, 0) + count
    return counts
