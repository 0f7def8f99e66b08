"""What the polls need not know any longer: hashes of rows that nobody reads again, old runs, old rounds."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet

from integrations.contract.protocols import Resource
from integrations.models import KnownRow, PatientRound, PollCursor, PollRun, Visit
from integrations.sync.polling import cursors

RUN_DAYS = 3
# The nightly comparison reads the book from the day before on, wherever that day is cut.
STILL_IN_THE_BOOK = timedelta(days=3)
ROUND_MARGIN = timedelta(days=7)


def old_rows(now: datetime) -> Iterator[QuerySet[KnownRow]]:
    """For each cursor, rows that did not change for longer than their resource says and whose visit is over."""
    for cursor, resource in _cursors():
        if resource.remember_for is None or cursor.watermark is None:
            continue
        ahead = Visit.objects.across_practices().filter(
            connection_id=cursor.connection_id,
            external_id=OuterRef("external_id"),
            visit_on__gte=(now - STILL_IN_THE_BOOK).date(),
        )
        rows = KnownRow.objects.across_practices().filter(
            cursor=cursor, updated_at__lt=cursor.watermark - resource.remember_for
        )
        yield rows.exclude(Exists(ahead)) if resource.has_dates else rows


def old_rounds(now: datetime) -> Iterator[QuerySet[PatientRound]]:
    """For each cursor, patients whose turn does not come again unless something new happens."""
    for cursor, resource in _cursors():
        if resource.is_by_patient:
            longest = max(one.changed_within for one in resource.rounds)
            rounds = PatientRound.objects.across_practices().filter(cursor=cursor)
            yield rounds.filter(read_at__lt=now - longest - ROUND_MARGIN)


def old_runs(now: datetime) -> QuerySet[PollRun]:
    """Polls of more than RUN_DAYS ago."""
    return PollRun.objects.across_practices().filter(started_at__lt=now - timedelta(days=RUN_DAYS))


def _cursors() -> Iterator[tuple[PollCursor, Resource]]:
    resources = {
        (slug, name): resource
        for slug, emr in cursors.polled_emrs().items()
        for name, resource in cursors.resources_of(emr).items()
    }
    for cursor in PollCursor.objects.across_practices().select_related("connection").order_by("pk"):
        resource = resources.get((cursor.connection.emr, cursor.resource))
        if resource is not None:
            yield cursor, resource
