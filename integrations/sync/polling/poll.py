"""One poll of one resource: ask, read everything, then store mark, hashes and events together.

Whatever stops it before that transaction leaves the mark where it was: the next poll reads the same rows again.
"""

import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from integrations.contract.errors import AuthError, ConfigError, ContractError, RateLimited, TransientError
from integrations.contract.protocols import PollClient, Resource
from integrations.models import Connection, KnownRow, PollCursor, PollRun, Trigger
from integrations.sync import bell, circuit
from integrations.sync.emr_access import client_for
from integrations.sync.incidents import close_incidents, open_incident
from integrations.sync.polling import cursors, first, nightly, rounds, rows
from integrations.sync.polling.cursors import Claimed, LeaseLost
from integrations.sync.polling.reading import Reading, read_all
from integrations.sync.profile import ConnectionProfile, PracticeProfile

logger = logging.getLogger(__name__)

# The first poll of a book records visits from so many days ago on.
BOOK_FROM = timedelta(days=30)
# Where nothing was seen, the mark stays this far behind the EMR's clock: rows get their time before they show.
SETTLING = timedelta(minutes=10)
OTHERS_FIRST_SECONDS = 5
# A poll that gave up its turn would begin again at its first page, so it waits for it.
PATIENCE_SECONDS = 60.0
# A single failure is no news; after so many in a row somebody is told.
FAILURES_TO_TELL = 3


class Stopped(Exception):
    """The worker was asked to stop: nothing is stored, another one reads again."""


@dataclass(slots=True)
class Poll:
    """A poll in the hands of a worker. ``result`` counts what it did."""

    claimed: Claimed
    profile: PracticeProfile
    connection: ConnectionProfile
    resource: Resource
    cursor: PollCursor
    is_stopping: Callable[[], bool]
    result: PollRun
    events: int = 0
    _kept_at: float = field(default_factory=time.monotonic)

    def client(self) -> PollClient:
        """The EMR's client; its requests are counted."""
        found: PollClient = client_for(self.connection, on_call=self._count, patience=PATIENCE_SECONDS)
        return found

    def _count(self) -> None:
        self.result.calls += 1

    def go_on(self) -> None:
        """Between two requests: keep the lease. Raises Stopped or LeaseLost."""
        if self.is_stopping():
            raise Stopped
        if time.monotonic() - self._kept_at > cursors.KEEP_ALIVE_SECONDS:
            cursors.keep(self.claimed)
            self._kept_at = time.monotonic()


def poll(
    claimed: Claimed,
    profile: PracticeProfile,
    *,
    trigger: Trigger = Trigger.SCHEDULE,
    is_stopping: Callable[[], bool] = lambda: False,
) -> PollRun | None:
    """Poll a claimed cursor and give it back. None when it was taken over or the worker stops."""
    cursor = PollCursor.objects.for_practice(profile.id).get(pk=claimed.cursor_id)
    connection = profile.connections.get(claimed.connection_id)
    resource = cursors.resources_of(connection.emr).get(claimed.resource) if connection else None
    if connection is None or resource is None:
        cursors.release(claimed, next_at=None)
        return None
    run = PollRun(cursor=cursor, trigger=trigger, started_at=timezone.now())
    work = Poll(claimed, profile, connection, resource, cursor, is_stopping, run)
    began = time.monotonic()
    try:
        try:
            _read_and_store(work, began)
        except (LeaseLost, Stopped, DatabaseError):
            raise
        except Exception as error:
            _failed(work, error, began)
    except LeaseLost:
        logger.warning("the poll of cursor %s went to another worker", claimed.cursor_id)
        return None
    except Stopped:
        cursors.release(claimed)
        return None
    if work.events:
        bell.ring()
    return run


def _read_and_store(work: Poll, began: float) -> None:
    if work.resource.is_by_patient:
        _poll_by_patient(work, began)
    elif work.cursor.primed_at is None:
        _poll_first(work, began)
    elif nightly.is_due(work.cursor, work.resource, work.profile, timezone.now()):
        _poll_nightly(work, began)
    else:
        _poll_changes(work, began)
    circuit.succeeded(Connection, work.connection.id, work.profile.id)


# --- what changed since the mark --------------------------------------------------------------------------------


def _poll_changes(work: Poll, began: float) -> None:
    assert work.cursor.watermark is not None
    since = work.cursor.watermark - work.resource.overlap
    reading = read_all(work.client(), work.resource, since, between_pages=work.go_on)
    _store_changes(work, reading, began, watermark=_mark_after(work.cursor.watermark, reading))


def _store_changes(work: Poll, reading: Reading, began: float, **cursor: object) -> None:
    """Mark, hashes and events in one transaction; ``cursor`` are the columns that the cursor gets."""
    changed = rows.changed_rows(work.cursor.pk, reading.rows.values(), work.resource)
    door = rows.door_of(work.profile.id, work.connection.id)
    with transaction.atomic():
        _give_back(work, reading, **cursor)
        work.events = rows.store_events(door, work.resource, changed)
        rows.remember(work.cursor.pk, changed)
        _save_run(work, reading, began)
    _tell_about_filter(work, reading)


def _mark_after(watermark: datetime, reading: Reading) -> datetime:
    """The new mark: the newest version time seen, never beyond the EMR's own clock (a row dated in the future
    would hide all that come before it); without rows, a little behind that clock. It never goes back."""
    if not reading.is_whole:
        return watermark
    newest, asked_at = reading.newest, reading.asked_at
    if newest is None:
        return max(watermark, asked_at - SETTLING) if asked_at else watermark
    return max(watermark, min(newest, asked_at) if asked_at else newest)


# --- the whole book, once a night ------------------------------------------------------------------------------


def _poll_nightly(work: Poll, began: float) -> None:
    """Read the book from yesterday on and compare. The mark stays: the next poll asks for changes as usual."""
    work.result.trigger = Trigger.NIGHTLY
    now = timezone.now()
    day = nightly.first_day(work.profile, now)
    reading = read_all(work.client(), work.resource, None, dated_from=day, between_pages=work.go_on)
    if reading.is_whole and not reading.ignored_filter:
        missing = nightly.mark_missing(work.cursor, reading.rows.keys(), work.profile, now)
        nightly.tell(work.cursor, missing, _subject(work), work.connection.manifest.name)
        work.result.missing = missing
    _store_changes(work, reading, began, swept_at=now, next_at=now)


# --- the first poll ---------------------------------------------------------------------------------------------


def _poll_first(work: Poll, began: float) -> None:
    """Record the present state. A book is read by its days, everything else from just before now on."""
    work.result.trigger = Trigger.FIRST
    now = timezone.now()
    client, resource = work.client(), work.resource
    if resource.has_dates:
        day = (now - BOOK_FROM).date()
        reading = read_all(client, resource, None, dated_from=day, between_pages=work.go_on)
    else:
        reading = read_all(client, resource, now - resource.overlap - SETTLING, between_pages=work.go_on)
    changed = rows.changed_rows(work.cursor.pk, reading.rows.values(), resource)
    standing = (
        first.standing_visits(work.profile, work.connection, resource, changed, now)
        if resource.has_dates
        else []
    )
    with transaction.atomic():
        mark = reading.asked_at or reading.newest or now - timedelta(days=1)
        _give_back(work, reading, watermark=mark, primed_at=now)
        first.record_visits(work.profile, work.connection, standing)
        rows.remember(work.cursor.pk, changed)
        _save_run(work, reading, began)
    _tell_about_filter(work, reading)


# --- patient by patient -----------------------------------------------------------------------------------------


def _poll_by_patient(work: Poll, began: float) -> None:
    now = timezone.now()
    resources = cursors.resources_of(work.connection.emr)
    by_patient = [name for name, resource in resources.items() if resource.is_by_patient]
    if not rounds.are_others_primed(work.cursor, by_patient):
        soon = now + timedelta(seconds=OTHERS_FIRST_SECONDS)
        cursors.release(work.claimed, next_at=soon)
        return
    interval = cursors.interval_of(work.resource)
    speed = work.connection.emr.part("client").CALLS_PER_SECOND
    most = rounds.most_patients(interval.total_seconds(), speed)
    due = rounds.patients_due(work.cursor, work.resource.rounds, most, now)
    whole = Reading(asked_at=None)
    client = work.client()
    for patient_id in due:
        work.go_on()
        reading = read_all(client, work.resource, None, patient_id=patient_id, between_pages=work.go_on)
        whole.pages += reading.pages
        whole.rows.update(reading.rows)
        whole.ignored_filter = whole.ignored_filter or reading.ignored_filter
        _store_patient(work, patient_id, reading)
    with transaction.atomic():
        is_primed = work.cursor.primed_at is not None or len(due) < most
        _give_back(work, whole, primed_at=(work.cursor.primed_at or now) if is_primed else None)
        _save_run(work, whole, began)
    _tell_about_filter(work, whole)


def _store_patient(work: Poll, patient_id: str, reading: Reading) -> None:
    """One patient's rows, hashes and events together. What was there before we began to look makes no event."""
    changed = rows.changed_rows(work.cursor.pk, reading.rows.values(), work.resource)
    began_at = work.cursor.primed_at
    with transaction.atomic():
        cursors.keep(work.claimed)
        if began_at is not None:
            news = changed
            if not rounds.has_been_read(work.cursor.pk, patient_id):
                news = [
                    one for one in changed if one.row.updated_at is None or one.row.updated_at >= began_at
                ]
            door = rows.door_of(work.profile.id, work.connection.id)
            work.events += rows.store_events(door, work.resource, news)
        rows.remember(work.cursor.pk, changed)
        rounds.mark_read(work.cursor.pk, patient_id)


# --- afterwards -------------------------------------------------------------------------------------------------


def _give_back(work: Poll, reading: Reading, **changes: object) -> None:
    """Release the cursor with its new state: first in the transaction, so that only the holder gets past it."""
    now = timezone.now()
    state: dict[str, object] = {
        "next_at": cursors.next_slot(work.cursor.pk, cursors.interval_of(work.resource), now),
        "failures": 0,
        "refused_since": None,
        "last_error": "",
    }
    if reading.is_whole:
        state["last_read_at"] = now
    cursors.release(work.claimed, **(state | changes))
    # Nothing to close where nothing was open: most polls.
    if work.cursor.failures or work.cursor.refused_since:
        subject = _subject(work)
        close_incidents(work.profile.id, "poll_failing", "resource_refused", subject=subject)


def _save_run(work: Poll, reading: Reading, began: float) -> None:
    run = work.result
    run.rows_seen, run.events = len(reading.rows), work.events
    run.seconds = round(time.monotonic() - began, 3)
    run.save()


def _subject(work: Poll) -> str:
    return f"{work.resource.name} of connection {work.connection.id}"


def _tell_about_filter(work: Poll, reading: Reading) -> None:
    """An EMR that does not heed the filter sends everything it has: slow, and somebody should know."""
    if not reading.ignored_filter:
        if work.cursor.filter_ignored and reading.rows:
            _rows_of(work).update(filter_ignored=False)
            close_incidents(work.profile.id, "filter_ignored", subject=_subject(work))
        return
    _rows_of(work).update(filter_ignored=True)
    cut = "" if reading.is_whole else f" Reading stopped after {reading.pages} pages."
    open_incident(
        work.profile.id,
        "filter_ignored",
        f"{work.connection.manifest.name} sends {work.resource.label.lower()} that were not asked for: "
        f"it does not heed the filter.{cut} What changed is still found, but slowly.",
        subject=_subject(work),
        connection_id=work.connection.id,
    )


def _rows_of(work: Poll) -> QuerySet[PollCursor]:
    return PollCursor.objects.for_practice(work.profile.id).filter(pk=work.cursor.pk)


def _failed(work: Poll, error: Exception, began: float) -> None:
    """Write down what went wrong and when to try again. Raises LeaseLost."""
    now, failures = timezone.now(), work.cursor.failures + 1
    words = _words(work, error)
    retry_after = getattr(error, "retry_after", None)
    changes: dict[str, object] = {"failures": failures, "last_error": words[:300]}
    match error:
        case RateLimited():
            wait = timedelta(seconds=max(1.0, error.retry_after))
            changes = {"next_at": now + wait, "last_error": words[:300]}
        case AuthError(status=403):
            changes |= {
                "refused_since": work.cursor.refused_since or now,
                "next_at": now + timedelta(seconds=cursors.REFUSED_SECONDS),
            }
            _open(work, "resource_refused", f"{words} The other resources go on; this one is tried hourly.")
        case AuthError():
            circuit.refused(Connection, work.connection.id, work.profile.id, words)
            changes["next_at"] = now
        case TransientError():
            circuit.failed(Connection, work.connection.id, work.profile.id, words)
            changes["next_at"] = cursors.after_failure(failures, retry_after, now)
        case _:
            changes["next_at"] = cursors.after_failure(max(failures, 4), retry_after, now)
            if failures >= FAILURES_TO_TELL or isinstance(error, ConfigError):
                _open(work, "poll_failing", words)
    cursors.release(work.claimed, **changes)
    work.result.error = words[:300]
    work.result.seconds = round(time.monotonic() - began, 3)
    work.result.save()


def _words(work: Poll, error: Exception) -> str:
    if isinstance(error, ContractError):
        return f"{error} {error.vendor_words}".strip() if error.vendor_words else str(error)
    # The traceback names lines of code only: the error's own text could hold a patient's data.
    logger.error("poll of cursor %s\n%s", work.cursor.pk, "".join(traceback.format_tb(error.__traceback__)))
    return f"Something went wrong on our side ({type(error).__name__}, cursor {work.cursor.pk})."


def _open(work: Poll, kind: str, words: str) -> None:
    open_incident(
        work.profile.id,
        kind,
        f"{work.resource.label}: {words}",
        subject=_subject(work),
        connection_id=work.connection.id,
    )


# --- without storing --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Preview:
    """What a poll would store: rows seen, and (row id, version time, what it would be) of those that changed."""

    resource: str
    rows_seen: int
    calls: int
    would: tuple[tuple[str, datetime | None, str], ...]


def preview(cursor: PollCursor, profile: PracticeProfile) -> Preview:
    """Ask as a poll would, and store nothing. Raises the contract's errors."""
    connection = profile.connections[cursor.connection_id]
    resource = cursors.resources_of(connection.emr)[cursor.resource]
    claimed = Claimed(cursor.pk, profile.id, connection.id, resource.name, "")
    run = PollRun(cursor=cursor, started_at=timezone.now())
    work = Poll(claimed, profile, connection, resource, cursor, lambda: False, run)
    client, now = work.client(), timezone.now()
    reading = Reading()
    if resource.is_by_patient:
        most = rounds.most_patients(
            cursors.interval_of(resource).total_seconds(), connection.emr.part("client").CALLS_PER_SECOND
        )
        for patient_id in rounds.patients_due(cursor, resource.rounds, most, now):
            reading.rows.update(read_all(client, resource, None, patient_id=patient_id).rows)
    elif cursor.primed_at is None and resource.has_dates:
        reading = read_all(client, resource, None, dated_from=(now - BOOK_FROM).date())
    else:
        mark = cursor.watermark or now
        reading = read_all(client, resource, mark - resource.overlap)
    changed = rows.changed_rows(cursor.pk, reading.rows.values(), resource)
    what = "recorded, nothing written" if cursor.primed_at is None else "event"
    would = tuple((one.row.external_id, one.row.updated_at, what) for one in changed)
    return Preview(resource.name, len(reading.rows), run.calls, would)


def forget_old_rows(now: datetime, batch: int = 1000) -> int:
    """Delete the hashes of rows that are so old that no poll reads them again. How many."""
    gone = 0
    resources = {
        (slug, name): resource
        for slug, emr in cursors.polled_emrs().items()
        for name, resource in cursors.resources_of(emr).items()
    }
    listed = PollCursor.objects.across_practices().values_list(
        "pk", "connection__emr", "resource", "watermark"
    )
    for pk, slug, name, watermark in listed:
        resource = resources.get((slug, name))
        if resource is None or resource.remember_for is None or watermark is None:
            continue
        old = KnownRow.objects.across_practices().filter(
            cursor_id=pk, updated_at__lt=watermark - resource.remember_for
        )
        while ids := list(old.values_list("pk", flat=True)[:batch]):
            gone += KnownRow.objects.across_practices().filter(pk__in=ids).delete()[0]
    return gone
