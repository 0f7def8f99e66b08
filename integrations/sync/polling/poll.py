"""One poll of one resource: ask, read everything, then store mark, hashes and events together.

Whatever stops it before that transaction leaves the mark where it was: the next poll reads the same rows again.
"""

import logging
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from integrations.contract.errors import (
    AuthError,
    ConfigError,
    ContractError,
    MalformedPayload,
    RateLimited,
    RejectedError,
    TransientError,
)
from integrations.contract.protocols import PollClient, Resource
from integrations.models import Connection, Incident, IncidentKind, PollCursor, PollRun, Trigger
from integrations.sync import bell, circuit
from integrations.sync.emr_access import client_for
from integrations.sync.incidents import close_incidents, open_incident
from integrations.sync.polling import cursors, first, marks, nightly, rounds, rows
from integrations.sync.polling.cursors import Claimed, LeaseLost
from integrations.sync.polling.reading import Reading, read_all, read_calmly
from integrations.sync.profile import ConnectionProfile, PracticeProfile

logger = logging.getLogger(__name__)

# A worker holds a set-up that does not name the connection yet: by then it has read it anew.
NOT_KNOWN_YET = timedelta(minutes=1)
# The first poll of a book records visits from so many days ago on.
BOOK_FROM = timedelta(days=30)
OTHERS_FIRST_SECONDS = 5
# A poll that gave up its turn would begin again at its first page, so it waits for it.
PATIENCE_SECONDS = 60.0
# A single failure is no news; after so many in a row somebody is told.
FAILURES_TO_TELL = 3
# Trouble with the EMR as a whole opens the circuit before that, and is told once.
TROUBLES_TO_TELL = 6
MOST_FAILURES_COUNTED = 1000
LONGEST_WAIT_SECONDS = 86_400.0


class Stopped(Exception):
    """The worker was asked to stop: nothing is stored, another one reads again."""


class ShutOut(Exception):
    """Another poll learned that the credentials are refused: no request is made until there are new ones."""


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
        if circuit.needs_reauth(Connection, self.connection.id):
            raise ShutOut
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
    """Poll a claimed cursor and give it back. None when it was taken over, the worker stops, or the connection
    needs new credentials. Raises OperationalError when the database is away: the lease runs out then."""
    cursor = PollCursor.objects.for_practice(profile.id).get(pk=claimed.cursor_id)
    connection = profile.connections.get(claimed.connection_id)
    resource = cursors.resources_of(connection.emr).get(claimed.resource) if connection else None
    if connection is None or resource is None:
        cursors.release(claimed, next_at=None if connection else timezone.now() + NOT_KNOWN_YET)
        return None
    run = PollRun(cursor=cursor, trigger=trigger, started_at=timezone.now())
    work = Poll(claimed, profile, connection, resource, cursor, is_stopping, run)
    began = time.monotonic()
    try:
        try:
            _read_and_store(work, began)
        except (LeaseLost, Stopped, ShutOut, OperationalError, InterfaceError):
            raise
        except Exception as error:
            _failed(work, error, began)
    except LeaseLost:
        logger.warning("the poll of cursor %s went to another worker", claimed.cursor_id)
        return None
    except (Stopped, ShutOut):
        with suppress(LeaseLost):
            cursors.release(claimed, next_at=timezone.now())
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
    if work.result.calls:  # where nobody was to be asked for, the EMR has not shown that it answers
        circuit.succeeded(Connection, work.connection.id, work.profile.id)


# --- what changed since the mark --------------------------------------------------------------------------------


def _poll_changes(work: Poll, began: float, **cursor: object) -> None:
    """``cursor`` are more columns that the cursor gets when all went well."""
    mark, resource, client = work.cursor.watermark, work.resource, work.client()
    assert mark is not None
    since = marks.asked_from(mark, resource)
    reading = read_all(client, resource, since, between_pages=work.go_on)
    passed = timezone.now() - (work.cursor.last_read_at or work.cursor.primed_at or timezone.now())
    if marks.is_ahead(mark, reading, passed):
        mark, since, reading = _read_from_their_clock(work, client, reading, passed)
    after = marks.mark_after(mark, reading, timezone.now())
    if reading.pages > 1 and (reading.has_moved or marks.is_to_be_sure(mark, after, resource)):
        reading = read_calmly(client, resource, since, between_pages=work.go_on, first=reading)
        after = marks.mark_after(mark, reading, timezone.now())
    _store_changes(work, reading, began, watermark=after, **cursor)


def _read_from_their_clock(
    work: Poll, client: PollClient, reading: Reading, passed: timedelta
) -> tuple[datetime, datetime, Reading]:
    """The EMR's clock was put back: the only case in which a mark goes back, to what that clock would have said
    when we read last. Returns mark, since, and what was read from there."""
    then = marks.their_clock(reading, passed)
    assert then is not None
    mark = then - marks.SETTLING
    since = marks.asked_from(mark, work.resource)
    again = read_all(client, work.resource, since, between_pages=work.go_on)
    again.pages += reading.pages
    return mark, since, again


def _store_changes(work: Poll, reading: Reading, began: float, **cursor: object) -> None:
    """Mark, hashes and events in one transaction; ``cursor`` are the columns that the cursor gets."""
    found = rows.compared(work.cursor.pk, reading.rows.values(), work.resource)
    door = rows.door_of(work.profile.id, work.connection.id)
    with transaction.atomic():
        _give_back(work, reading, **cursor)
        work.events = rows.store_events(door, work.resource, found.changed, _reader(work))
        rows.remember(work.cursor.pk, found.all)
        _save_run(work, reading, began)
    _tell_about_filter(work, reading)


def _reader(work: Poll) -> str:
    return f"cursor {work.cursor.pk}"


# --- the whole book, once a night ------------------------------------------------------------------------------


def _poll_nightly(work: Poll, began: float) -> None:
    """Read the book from yesterday on and compare. The mark stays: the next poll asks for changes as usual."""
    work.result.trigger = Trigger.NIGHTLY
    now, resource, client = timezone.now(), work.resource, work.client()
    day = nightly.first_day(work.profile, now)
    try:
        reading = read_all(client, resource, None, dated_from=day, between_pages=work.go_on)
        if reading.pages > 1 and nightly.missing_ids(work.cursor, reading.rows, work.profile, now):
            # A row that is missing may only have changed its page while the others were read.
            again = read_all(client, resource, None, dated_from=day, between_pages=work.go_on)
            reading.take(again)
    except (TransientError, RejectedError, ConfigError, MalformedPayload) as error:
        # The comparison must not stand in the way of the polls: it has its next turn tomorrow.
        logger.warning("cursor %s was not compared: %s", work.cursor.pk, type(error).__name__)
        work.result.trigger = Trigger.SCHEDULE
        _poll_changes(work, began, swept_at=now)
        return
    if reading.is_whole and not reading.ignored_filter:
        with transaction.atomic():
            cursors.keep(work.claimed)  # first, so that only the holder gets past it
            missing = nightly.mark_missing(work.cursor, reading.rows, work.profile, now)
            nightly.tell(work.cursor, missing, _subject(work), work.connection.manifest.name)
        work.result.missing = missing
    _store_changes(work, reading, began, swept_at=now, next_at=now, last_read_at=work.cursor.last_read_at)


# --- the first poll ---------------------------------------------------------------------------------------------


def _poll_first(work: Poll, began: float) -> None:
    """Record the present state. A book is read by its days; and of everything, what the next poll would read
    again, so that what changed before now makes no event then."""
    work.result.trigger = Trigger.FIRST
    now, resource, client = timezone.now(), work.resource, work.client()
    day = (now - BOOK_FROM).date()
    whole = Reading()
    if resource.has_dates:
        whole = read_calmly(client, resource, None, dated_from=day, between_pages=work.go_on)
    floor = now - marks.SETTLING - marks.A_LITTLE
    if resource.has_dates:
        floor = marks.first_floor(whole, now)
    lately = read_calmly(client, resource, marks.asked_from(floor, resource), between_pages=work.go_on)
    if not resource.has_dates and (told := marks.first_floor(lately, now)) < floor:
        floor = told  # the EMR's clock is behind ours
        since = marks.asked_from(floor, resource)
        lately.take(read_calmly(client, resource, since, between_pages=work.go_on))
    mark = marks.mark_after(floor, whole if resource.has_dates else lately, now)
    whole.take(lately)
    found = rows.compared(work.cursor.pk, whole.rows.values(), resource)
    standing = []
    if resource.has_dates:
        standing = first.standing_visits(
            work.profile, work.connection, resource, found.all, now, day, work.go_on
        )
    with transaction.atomic():
        _give_back(work, whole, watermark=mark, primed_at=now)
        first.record_visits(work.profile, work.connection, standing)
        rows.remember(work.cursor.pk, found.all)
        _save_run(work, whole, began)
    _tell_about_filter(work, whole)


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
    turn = rounds.turn(work.cursor, work.resource.rounds, most, now)
    whole = Reading()
    client, refused = work.client(), ""
    for patient_id in turn.patients:
        work.go_on()
        try:
            reading = read_all(client, work.resource, None, patient_id=patient_id, between_pages=work.go_on)
        except (RejectedError, MalformedPayload) as error:
            # One patient must not stand in the way of the others: they have their next turn like everybody.
            refused = str(error)
            reading = Reading()
        whole.pages += reading.pages
        whole.rows.update(reading.rows)
        whole.ignored_filter = whole.ignored_filter or reading.ignored_filter
        _store_patient(work, patient_id, reading)
    with transaction.atomic():
        primed_at = work.cursor.primed_at or (now if turn.has_all_new else None)
        _give_back(work, whole, primed_at=primed_at, last_error=refused[:300])
        work.result.error = refused[:300]
        _save_run(work, whole, began)
    _tell_about_filter(work, whole)


def _store_patient(work: Poll, patient_id: str, reading: Reading) -> None:
    """One patient's rows, hashes and events together. What was there before we began to look makes no event."""
    found = rows.compared(work.cursor.pk, reading.rows.values(), work.resource)
    with transaction.atomic():
        cursors.keep(work.claimed)
        news = rounds.news_of(work.cursor, patient_id, found.changed)
        door = rows.door_of(work.profile.id, work.connection.id)
        work.events += rows.store_events(door, work.resource, news, _reader(work))
        rows.remember(work.cursor.pk, found.all)
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
    if work.cursor.failures or work.cursor.refused_since or work.cursor.last_error:
        subject = _subject(work)
        close_incidents(
            work.profile.id, IncidentKind.POLL_FAILING, IncidentKind.RESOURCE_REFUSED, subject=subject
        )


def _save_run(work: Poll, reading: Reading, began: float) -> None:
    run = work.result
    run.rows_seen, run.events = len(reading.rows), work.events
    run.seconds = round(time.monotonic() - began, 3)
    run.save()


def _subject(work: Poll) -> str:
    return cursors.subject_of(work.resource.name, work.connection.id)


def _tell_about_filter(work: Poll, reading: Reading) -> None:
    """An EMR that does not heed the filter sends everything it has: slow, and somebody should know. The flag and
    the incident change together: one without the other would stay so for ever."""
    with transaction.atomic():
        if reading.ignored_filter:
            _open_about_filter(work, reading)
        elif work.cursor.filter_ignored and reading.rows:
            _rows_of(work).update(filter_ignored=False)
            close_incidents(work.profile.id, IncidentKind.FILTER_IGNORED, subject=_subject(work))


def _open_about_filter(work: Poll, reading: Reading) -> None:
    if not _rows_of(work).update(filter_ignored=True):  # switched off meanwhile
        return
    cut = "" if reading.is_whole else f" Reading stopped after {reading.pages} pages."
    open_incident(
        work.profile.id,
        IncidentKind.FILTER_IGNORED,
        f"{work.connection.manifest.name} sends {work.resource.label.lower()} that were not asked for: "
        f"it does not heed the filter.{cut} What changed is still found, but slowly.",
        subject=_subject(work),
        connection_id=work.connection.id,
    )


def _rows_of(work: Poll) -> QuerySet[PollCursor]:
    return PollCursor.objects.for_practice(work.profile.id).filter(pk=work.cursor.pk)


def _failed(work: Poll, error: Exception, began: float) -> None:
    """Write down what went wrong and when to try again. Raises LeaseLost."""
    now, failures = timezone.now(), min(work.cursor.failures + 1, MOST_FAILURES_COUNTED)
    words = _words(work, error)
    retry_after = min(getattr(error, "retry_after", None) or 0.0, LONGEST_WAIT_SECONDS)
    told: tuple[IncidentKind, str] | None = None
    changes: dict[str, object] = {"failures": failures, "last_error": words[:300]}
    match error:
        case RateLimited():
            changes = {"next_at": now + timedelta(seconds=max(1.0, retry_after)), "last_error": words[:300]}
        case AuthError(status=403):
            changes |= {
                "refused_since": work.cursor.refused_since or now,
                "next_at": now + timedelta(seconds=cursors.REFUSED_SECONDS),
            }
            more = "The other resources go on; this one is tried hourly."
            told = (IncidentKind.RESOURCE_REFUSED, f"{words} {more}")
        case AuthError():
            used = work.connection.credentials
            circuit.refused(Connection, work.connection.id, work.profile.id, words, used)
            changes["next_at"] = now
        case TransientError():
            circuit.failed(Connection, work.connection.id, work.profile.id, words)
            changes["next_at"] = cursors.after_failure(failures, retry_after, now)
            if failures >= TROUBLES_TO_TELL and not _is_unreachable(work):
                told = (IncidentKind.POLL_FAILING, words)
        case _:
            changes["next_at"] = cursors.after_failure(max(failures, 4), retry_after, now)
            if failures >= FAILURES_TO_TELL or isinstance(error, ConfigError):
                told = (IncidentKind.POLL_FAILING, words)
    # Together, the lease first: the next success closes an incident only where the cursor says that it failed.
    with transaction.atomic():
        cursors.release(work.claimed, **changes)
        if told is not None:
            _open(work, *told)
    work.result.error = words[:300]
    work.result.seconds = round(time.monotonic() - began, 3)
    work.result.save()


def _is_unreachable(work: Poll) -> bool:
    """Whether it stands already that the whole EMR does not answer."""
    rows_ = Incident.objects.for_practice(work.profile.id).filter(
        kind=IncidentKind.UNREACHABLE, closed_at=None
    )
    return bool(rows_.filter(connection_id=work.connection.id).exists())


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
