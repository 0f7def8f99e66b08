"""Long work in one form, whatever it is: replays and retries, changes of categories, back-fills, custom fields."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F
from django.urls import reverse
from django.utils import timezone

from categorization.admin.changes import words_of
from integrations.emrs import registry
from integrations.models import (
    Backfill,
    BackfillState,
    BulkRun,
    EventState,
    ProvisionRun,
    Release,
    SubAccount,
)
from integrations.sync import provision
from integrations.sync.bulk import BulkProgress
from integrations.sync.bulk import progress as bulk_progress
from integrations.sync.categories.moving import progress_of as release_progress
from integrations.sync.polling.cursors import resources_of
from integrations.sync.provision import FieldsProgress, counts
from integrations.templatetags.human import day_in_words
from tenants.models import Practice
from tenants.roles import Right, may
from tenants.scoped_admin import rows_with

SHOWN = 50
# So long the result of making fields stands where it was asked for.
RESULT_STAYS = timedelta(days=1)
NO_WORKER_YET = "Waits for a worker, which begins within seconds"
LEAVE = "A worker goes through it; you may leave this page."
EVENT_WORDS = {
    EventState.DONE.value: "done",
    EventState.PARKED.value: "parked",
    EventState.HELD.value: "held",
    EventState.SKIPPED.value: "skipped",
    EventState.IGNORED.value: "ignored",
    EventState.WAITING.value: "waiting",
}


@dataclass(frozen=True, slots=True)
class Group:
    """Names with one word for all of them. ``tone``: how the word is drawn, "" for plainly."""

    word: str
    tone: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LongWork:
    """A piece of long work as every page shows it.

    ``key``: unique on a page; ``heading`` stands over the bar, ``words`` under it; ``why``: sentences that ask for a
    person; ``lines``: (how many of what, reason); ``page``: where it has one to itself; ``part``: where the card is
    asked for again, "" when it is over; ``stop``: where it is stopped, "" when it cannot be; ``note``: in small print.
    """

    key: str
    kind: str
    title: str
    heading: str
    words: str
    percent: int
    tone: str
    is_finished: bool
    practice: Practice
    who: str
    at: datetime
    page: str
    part: str = ""
    over: str = "Over"
    why: tuple[str, ...] = ()
    lines: tuple[tuple[str, str], ...] = ()
    groups: tuple[Group, ...] = ()
    stop: str = ""
    note: str = ""

    @property
    def label(self) -> str:
        """How far it is, in a word."""
        return self.over if self.is_finished else f"{self.percent} %"

    @property
    def summary(self) -> str:
        """The words with the first of what asks for a person."""
        return f"{self.words}: {self.why[0].rstrip('.')}" if self.why else self.words

    @property
    def needs_a_look(self) -> bool:
        """Whether something of it asks for a person."""
        return self.tone in ("warning", "danger")


def latest(user: Any) -> list[LongWork]:
    """The newest work of the practices in which a person may read (for replays and retries: may operate); what goes on
    stands first."""
    found = [*_bulk_runs(user), *_releases(user), *_backfills(user), *_provisions(user)]
    found.sort(key=lambda work: work.at, reverse=True)
    found.sort(key=lambda work: work.is_finished)
    return found[:SHOWN]


def _newest(rows: Any) -> Any:
    """What goes on, then the newest."""
    return rows.order_by(F("finished_at").desc(nulls_first=True), "-pk")[:SHOWN]


def _bulk_runs(user: Any) -> Iterator[LongWork]:
    rows = rows_with(user, BulkRun, Right.OPERATE).select_related("practice", "made_by")
    return (of_bulk(run) for run in _newest(rows))


def _releases(user: Any) -> Iterator[LongWork]:
    rows = rows_with(user, Release, Right.SEE).select_related("practice", "batch__made_by")
    return (of_release(row) for row in _newest(rows.annotate(types=Count("batch__changes"))))


def _backfills(user: Any) -> Iterator[LongWork]:
    return (of_backfill(row) for row in _newest(backfills_of(user)))


def _provisions(user: Any) -> Iterator[LongWork]:
    return (of_provision(run) for run in _newest(provisions_of(user)))


def backfills_of(user: Any) -> Any:
    """The back-fills that a person may see."""
    rows = rows_with(user, Backfill, Right.SEE)
    return rows.select_related("practice", "asked_by", "cursor__connection")


def provisions_of(user: Any) -> Any:
    """The runs that make custom fields which a person may see."""
    return rows_with(user, ProvisionRun, Right.SEE).select_related("practice", "made_by", "sub_account")


def _name(person: Any) -> str:
    return str(person) if person is not None else "somebody who left"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


# --- replays and retries ----------------------------------------------------------------------------------------


def of_bulk(run: BulkRun) -> LongWork:
    """Many events put back to work."""
    found = bulk_progress(run)
    stands = bool(found.counts.get(EventState.PARKED) or found.counts.get(EventState.HELD))
    begins = " It begins within seconds." if found.queued else ""
    return LongWork(
        key=f"bulk-{run.pk}",
        kind=run.get_kind_display(),
        title=f"{run.get_kind_display()} of {_count(run.total, 'event')}",
        heading="What came of it" if found.is_finished else f"{found.over} of {found.total} over",
        words=in_words(found),
        percent=found.percent,
        tone="info" if not found.is_finished else "warning" if stands else "success",
        is_finished=found.is_finished,
        practice=run.practice,
        who=_name(run.made_by),
        at=run.made_at,
        page=reverse("bulk-run", args=[run.pk]),
        part="" if found.is_finished else reverse("bulk-run-progress", args=[run.pk]),
        lines=tuple(_reasons(found)),
        note="" if found.is_finished else LEAVE + begins,
    )


def _reasons(found: BulkProgress) -> Iterator[tuple[str, str]]:
    for one in found.reasons:
        yield f"{one.count} {EVENT_WORDS.get(one.state, one.state)}", one.words or "No reason is known."


def in_words(found: BulkProgress) -> str:
    """``38 done, 2 parked again: …reason``."""
    parts = []
    for state, word in EVENT_WORDS.items():
        count = found.waiting if state == EventState.WAITING else found.counts.get(state, 0)
        if state == EventState.PARKED and found.again:
            parts += _parked(found, count)
        elif count:
            parts.append(f"{count} {word}{_because(found, state)}")
    if found.left_out:
        parts.append(f"{found.left_out} left out, as they were put to work otherwise meanwhile")
    if found.queued:
        parts.append(f"{found.queued} to come")
    return ", ".join(parts) or "Nothing to do"


def _parked(found: BulkProgress, count: int) -> list[str]:
    """Those that were parked before, and those that were not."""
    fresh = count - found.again
    because = _because(found, EventState.PARKED)
    return [f"{found.again} parked again" + (f" and {fresh} for the first time" if fresh else "") + because]


def _because(found: BulkProgress, state: str) -> str:
    """The reason that most of them have."""
    first = next((one for one in found.reasons if one.state == state and one.words), None)
    return f": {first.words.rstrip('.')}" if first is not None else ""


# --- changes of categories --------------------------------------------------------------------------------------


def of_release(row: Any) -> LongWork:
    """What followed from a change of categories. ``row`` carries ``types``, how many types were changed."""
    found = release_progress(row)
    percent = min(99, 100 * found.done // found.total) if found.total else 0
    stands = "warning" if found.stopped else "success"
    who = _name(row.batch.made_by) if row.batch.made_by else row.batch.get_via_display()
    return LongWork(
        key=f"categories-{row.pk}",
        kind="Categories",
        title=f"Categories of {_count(row.types, 'type')}",
        heading=f"{found.done} of {_count(found.total, 'event')}",
        words=words_of(found).rstrip("."),
        percent=100 if found.is_finished else percent,
        tone=stands if found.is_finished else "info",
        is_finished=found.is_finished,
        practice=row.practice,
        who=who,
        at=row.made_at,
        page=reverse("admin:categorization_categorybatch_change", args=[row.batch_id]),
    )


# --- back-fills -------------------------------------------------------------------------------------------------


def of_backfill(row: Backfill, user: Any = None) -> LongWork:
    """Past rows that are read. With ``user``, it can be stopped by somebody who may."""
    is_finished = row.finished_at is not None
    connection = row.cursor.connection
    stoppable = not is_finished and user is not None and may(user, Right.CONFIGURE, row.practice_id)
    label, unit = _resource(row)
    return LongWork(
        key=f"back-fill-{row.pk}",
        kind="Back-fill",
        title=f"Back-fill of {connection.key}: {label}",
        heading=f"Back-fill: {label}, from {day_in_words(row.since, row.practice)}",
        words=_backfill_words(row, unit),
        percent=_backfill_percent(row),
        tone=_backfill_tone(row),
        is_finished=is_finished,
        practice=row.practice,
        who=_name(row.asked_by),
        at=row.asked_at,
        page=reverse("back-fill", args=[row.pk]),
        part="" if is_finished else reverse("back-fill-progress", args=[row.pk]),
        over=row.get_state_display(),
        why=(row.error,) if row.error and is_finished else (),
        stop=reverse("back-fill-stop", args=[row.pk]) if stoppable else "",
        note=_backfill_note(row),
    )


def _resource(row: Backfill) -> tuple[str, str]:
    """(what is read, what its progress is counted in)."""
    emr = registry().get(row.cursor.connection.emr)
    found = resources_of(emr).get(row.cursor.resource) if emr is not None else None
    if found is None:
        return row.cursor.resource, "page"
    return found.label, "patient" if found.is_by_patient else "page"


def _backfill_percent(row: Backfill) -> int:
    if row.state == BackfillState.DONE:
        return 100
    return min(99, 100 * row.steps // row.steps_expected) if row.steps_expected else 0


def _backfill_tone(row: Backfill) -> str:
    if row.finished_at is None:
        return "warning" if _stands_in_the_way(row) else "info"
    return {BackfillState.FAILED: "danger", BackfillState.STOPPED: "warning"}.get(
        BackfillState(row.state), "success"
    )


def _stands_in_the_way(row: Backfill) -> str:
    connection = row.cursor.connection
    if connection.needs_reauth_since:
        return "The EMR refuses the credentials: enter new ones, then it goes on"
    if connection.circuit_open_until and connection.circuit_open_until > timezone.now():
        return "The EMR does not answer: it goes on by itself when it does"
    return f"{row.error.rstrip('.')}: it tries again by itself" if row.error else ""


def _backfill_words(row: Backfill, unit: str) -> str:
    brought = f"{_count(row.rows_seen, 'row')} read, {_count(row.events, 'event')} made"
    if row.state == BackfillState.DONE:
        return brought
    if row.finished_at is not None:
        what = "Stopped" if row.state == BackfillState.STOPPED else "Ended early"
        return f"{what}. {brought}"
    if trouble := _stands_in_the_way(row):
        return trouble
    if row.state == BackfillState.WAITING:
        return NO_WORKER_YET
    if not row.steps:
        return "Reading begins"
    about = "" if unit == "patient" else "about "
    read = f"{row.steps} of {about}{_count(row.steps_expected, unit)} read, {_count(row.rows_seen, 'row')}"
    return f"{read}{_left(row)}"


def _left(row: Backfill) -> str:
    """How long the rest may take, once there is something to reckon it from."""
    if row.started_at is None or row.steps < 2 or row.steps_expected <= row.steps:
        return ""
    seconds = (timezone.now() - row.started_at) / row.steps * (row.steps_expected - row.steps)
    minutes = max(1, round(seconds.total_seconds() / 60))
    return f", about {_count(minutes, 'minute')} left"


def _backfill_note(row: Backfill) -> str:
    if row.state == BackfillState.DONE:
        return "Its events are written to the CRM after everything that is live."
    if row.finished_at is not None:
        return ""
    return "Events are made once everything was read. A worker reads; you may leave this page."


# --- custom fields ----------------------------------------------------------------------------------------------


def of_provision(run: ProvisionRun) -> LongWork:
    """Custom fields that are made in a sub-account."""
    found = provision.progress(run)
    is_wrong = bool(found.wrong or found.refused)
    over = "warning" if is_wrong else "success"
    tone = (
        ("danger" if run.error else over) if found.is_finished else "warning" if run.waits_because else "info"
    )
    return LongWork(
        key=f"fields-{run.pk}",
        kind="Custom fields",
        title=f"Custom fields of {run.sub_account.key}",
        heading=_fields_heading(run, found),
        words=_fields_words(run, found),
        percent=found.percent,
        tone=tone,
        is_finished=found.is_finished,
        practice=run.practice,
        who=_name(run.made_by),
        at=run.made_at,
        page=reverse("provision-run", args=[run.pk]),
        part="" if found.is_finished else reverse("provision-run-progress", args=[run.pk]),
        over="Ended early" if run.error else "Over",
        why=(*((run.error,) if run.error else ()), *found.trouble),
        groups=tuple(_groups(found)),
        note=_fields_note(run, found),
    )


def _fields_heading(run: ProvisionRun, found: FieldsProgress) -> str:
    if found.is_finished:
        return f"Custom fields of {run.sub_account.key}"
    making = f"Making custom fields of {run.sub_account.key}"
    return f"{making}: {found.over} of {found.total}" if found.total else making


def _fields_words(run: ProvisionRun, found: FieldsProgress) -> str:
    parts = [f"{count} {word}" for word, count in counts(found).items() if count]
    parts += [f"{len(found.to_come)} to come"] if found.to_come and not run.error else []
    if found.is_finished and not found.made and not found.trouble and not run.error:
        return "Nothing to make: every field is there"
    words = ", ".join(parts)
    if found.is_finished:
        return words or "Nothing was made"
    if run.waits_because:
        because = f"{run.waits_because.rstrip('.')}: it goes on by itself"
        return f"{words}. {because}" if words else because
    return words or NO_WORKER_YET


def _groups(found: FieldsProgress) -> Iterator[Group]:
    for word, tone, names in (
        ("Wrong type", "danger", found.wrong),
        ("Refused", "danger", found.refused),
        ("Made", "success", found.made),
        ("There", "", found.existed),
    ):
        if names and found.is_finished:
            yield Group(word, tone, names)


def _fields_note(run: ProvisionRun, found: FieldsProgress) -> str:
    return " ".join(run.notes) if found.is_finished else LEAVE


def fields_work(accounts: Iterable[SubAccount]) -> list[LongWork]:
    """The making of fields in these sub-accounts that goes on or was over a short while ago."""
    found = [provision.latest(account) for account in accounts]
    since = timezone.now() - RESULT_STAYS
    return [
        of_provision(run) for run in found if run and (run.finished_at is None or run.finished_at > since)
    ]
