"""Connections that have gone quiet: polls that do not happen, and events that do not come."""

import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise

from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet
from django.utils import timezone

from integrations.models import Connection, ConnectionState, InboundEvent, Incident, IncidentKind, PollCursor
from integrations.sync.incidents import close_incidents, open_incident
from tenants.models import PracticeState

# How long after its time a poll may begin before somebody is told.
GRACE = timedelta(seconds=120)
# A connection's usual gap is the longest of the last two weeks and half as much again, and never under a day.
LOOK_BACK, SHORTEST_GAP, SLACK = timedelta(days=14), timedelta(hours=24), 1.5
# Fewer events than that say nothing about what is usual.
FEWEST_EVENTS, MOST_EVENTS = 20, 5000
SILENCE_EVERY_SECONDS = 3600.0
_next_look_for_silence = 0.0


def watch() -> None:
    """Open and close what concerns quiet connections. Cheap enough for every minute."""
    global _next_look_for_silence
    now = timezone.now()
    watch_polls(now)
    watch_access()
    if time.monotonic() >= _next_look_for_silence:
        _next_look_for_silence = time.monotonic() + SILENCE_EVERY_SECONDS
        watch_silence(now)


def overdue(now: datetime, grace: timedelta = GRACE) -> Q:
    """Cursors whose poll should have begun, and nothing explains why it did not."""
    answers = Q(connection__circuit_open_until__isnull=True) | Q(connection__circuit_open_until__lte=now)
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    return Q(next_at__lt=now - grace, connection__needs_reauth_since__isnull=True) & answers & free


def watch_polls(now: datetime) -> int:
    """One incident per connection whose polls do not happen; closed when they do. How many are late."""
    rows = PollCursor.objects.across_practices().filter(overdue(now)).order_by()
    late = dict(rows.values_list("connection_id", "practice_id").distinct())
    for connection_id, practice_id in late.items():
        open_incident(
            practice_id,
            IncidentKind.POLLS_MISSED,
            "The EMR is not polled in time: too few workers poll, or none does. Nothing is lost; it is late.",
            connection_id=connection_id,
        )
    _close_for_others(IncidentKind.POLLS_MISSED, late)
    return len(late)


def watch_silence(now: datetime) -> int:
    """One incident per connection of a live practice that is silent for longer than is usual for it; closed by
    its next event. How many are silent."""
    rows = Connection.objects.across_practices().filter(
        state=ConnectionState.ACTIVE, practice__state=PracticeState.LIVE, needs_reauth_since__isnull=True
    )
    last = rows.filter(events__received_at__gte=now - LOOK_BACK).annotate(last=Max("events__received_at"))
    quiet = last.filter(last__lt=now - SHORTEST_GAP).values_list("pk", "practice_id", "last")
    silent: dict[int, int] = {}
    for connection_id, practice_id, last_at in quiet:
        usual = usual_gap(connection_id, now)
        if usual is not None and now - last_at > usual:
            silent[connection_id] = practice_id
            days = max(1, (now - last_at).days)
            open_incident(
                practice_id,
                IncidentKind.SILENT,
                f"Nothing has come for {days} day{'s' if days != 1 else ''}, which is unusual here. Test the "
                "connection, and ask the practice whether they are closed.",
                connection_id=connection_id,
            )
    silent |= _silent_still(rows)
    _close_for_others(IncidentKind.SILENT, silent)
    return len(silent)


def _silent_still(rows: QuerySet[Connection]) -> dict[int, int]:
    """Those of which silence was told and nothing was heard since: by and by no event is recent enough to say what is
    usual."""
    told = Incident.objects.across_practices().filter(
        kind=IncidentKind.SILENT, closed_at=None, connection__in=rows.values("pk")
    )
    # It was silent for that long when it was told.
    since = OuterRef("opened_at") - SHORTEST_GAP
    heard = InboundEvent.objects.across_practices().filter(
        connection_id=OuterRef("connection_id"), received_at__gt=since
    )
    return dict(told.exclude(Exists(heard)).values_list("connection_id", "practice_id"))


def usual_gap(connection_id: int, now: datetime) -> timedelta | None:
    """How long a connection may be silent; None where too little is known of it."""
    rows = InboundEvent.objects.across_practices().filter(
        connection_id=connection_id, received_at__gte=now - LOOK_BACK
    )
    times = list(rows.order_by("-received_at").values_list("received_at", flat=True)[:MOST_EVENTS])
    if len(times) < FEWEST_EVENTS:
        return None
    longest = max(later - earlier for later, earlier in pairwise(times))
    return max(SHORTEST_GAP, longest * SLACK)


def watch_access() -> int:
    """Close "access refused" where an event of that connection got through since. How many."""
    stale = Incident.objects.across_practices().filter(
        kind=IncidentKind.ACCESS_REFUSED, closed_at=None, connection__events__planned_at__gt=F("opened_at")
    )
    rows = list(stale.values_list("practice_id", "connection_id").distinct())
    return sum(
        close_incidents(practice, IncidentKind.ACCESS_REFUSED, connection_id=pk) for practice, pk in rows
    )


def _close_for_others(kind: str, standing: Iterable[int]) -> None:
    rows = Incident.objects.across_practices().filter(kind=kind, closed_at=None)
    for practice_id, connection_id in rows.exclude(connection_id__in=list(standing)).values_list(
        "practice_id", "connection_id"
    ):
        close_incidents(practice_id, kind, connection_id=connection_id)
