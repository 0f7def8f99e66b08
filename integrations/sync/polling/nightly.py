"""Once a night a book is compared with what is known of it: rows that were missed make their events, and booked
visits that the EMR does not show any more are named. EMRs tell nobody when they delete."""

from collections.abc import Collection
from datetime import date, datetime, timedelta

from django.db.models import F, QuerySet
from django.utils import timezone

from integrations.contract.protocols import Resource
from integrations.contract.records import Outcome
from integrations.models import IncidentKind, KnownRow, PollCursor, Visit
from integrations.sync.incidents import close_incidents, open_incident
from integrations.sync.polling.rows import AT_ONCE
from integrations.sync.profile import PracticeProfile

# The hours of the practice's night in which it is done; whoever missed two nights does it at any time.
NIGHT = range(1, 5)
EVERY, AT_THE_LATEST = timedelta(hours=20), timedelta(hours=48)
AHEAD = timedelta(days=90)


def is_due(cursor: PollCursor, resource: Resource, profile: PracticeProfile, now: datetime) -> bool:
    """Whether this poll should compare the whole book instead of asking for changes."""
    if not resource.has_dates or cursor.primed_at is None:
        return False
    since = now - (cursor.swept_at or cursor.primed_at)
    is_night = now.astimezone(profile.zone).hour in NIGHT
    return since > AT_THE_LATEST or (is_night and since > EVERY)


def first_day(profile: PracticeProfile, now: datetime) -> date:
    """From which day on the book is read: yesterday, since nobody says in which zone an EMR cuts its days."""
    return now.astimezone(profile.zone).date() - timedelta(days=1)


def missing_ids(
    cursor: PollCursor, seen: Collection[str], profile: PracticeProfile, began: datetime
) -> list[str]:
    """Booked visits of the days ahead that were not among what the EMR showed.

    Only visits that were known before the comparison began count, and only days well inside those that were read.
    """
    day = began.astimezone(profile.zone).date()
    ids = _booked(cursor, day, began).values_list("external_id", flat=True)
    return [external_id for external_id in ids if external_id not in seen]


def mark_missing(cursor: PollCursor, seen: Collection[str], profile: PracticeProfile, began: datetime) -> int:
    """Note which booked visits are missing, and which are no more. How many are."""
    gone = missing_ids(cursor, seen, profile, began)
    rows = KnownRow.objects.for_practice(profile.id).filter(cursor=cursor)
    absent = rows.filter(missing_since__isnull=False)
    back = [pk for pk, row_id in absent.values_list("pk", "external_id") if row_id not in set(gone)]
    for start in range(0, len(back), AT_ONCE):
        rows.filter(pk__in=back[start : start + AT_ONCE]).update(missing_since=None)
    for start in range(0, len(gone), AT_ONCE):
        part = gone[start : start + AT_ONCE]
        rows.filter(external_id__in=part, missing_since=None).update(missing_since=timezone.now())
    return len(gone)


def _booked(cursor: PollCursor, day: date, began: datetime) -> QuerySet[Visit]:
    visits: QuerySet[Visit] = Visit.objects.for_practice(cursor.practice_id).filter(
        connection_id=cursor.connection_id,
        outcome=Outcome.BOOKED,
        visit_on__gte=day + timedelta(days=1),
        visit_on__lte=day + AHEAD,
        version__lt=began,
    )
    return visits.order_by(F("visit_on"), "pk")


def tell(cursor: PollCursor, missing: int, subject: str, emr_name: str) -> None:
    """One incident while visits are missing, closed when none is."""
    if not missing:
        close_incidents(cursor.practice_id, IncidentKind.ROWS_MISSING, subject=subject)
        return
    what = "1 booked visit is" if missing == 1 else f"{missing} booked visits are"
    open_incident(
        cursor.practice_id,
        IncidentKind.ROWS_MISSING,
        f"{what} not in {emr_name} any more, without having been cancelled. The connection's page lists them: "
        "have the practice cancel them there, or let their contacts stand.",
        subject=subject,
        connection_id=cursor.connection_id,
    )
