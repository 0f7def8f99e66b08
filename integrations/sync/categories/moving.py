"""Carrying out a change of categories: what it puts back to work, how far that is, and what came of it.

The row is made together with the change. A worker then finds the events, all at once, in one transaction: a worker
that dies before leaves nothing half done, and one that dies after leaves events that wait like any others.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from categorization.engine import Progress
from categorization.models import AppointmentType, CategoryBatch, CategoryChange
from integrations.models import (
    EventState,
    HeldFor,
    InboundEvent,
    Opportunity,
    Priority,
    Release,
    ReleasedEvent,
    Source,
)
from integrations.sync import bell
from integrations.sync.categories.around import Around, contacts_of, counting, keys_of, visits_with
from integrations.sync.categories.preview import steps
from integrations.sync.categorize import has_category
from integrations.sync.intake import Door, lane_key
from integrations.sync.own_kinds import DECIDE_AGAIN
from integrations.sync.profile import PracticeProfile, load_profile
from integrations.sync.release import requeue

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 500
STOPPED = "stopped: they need attention"
THERE_ALREADY = "they stood there already"
OTHER_VISIT = "another visit is booked"
NEVER_MOVES = "their category never moves a card"


def begin(batch: CategoryBatch) -> Release:
    """Write down that a change is to be carried out, and ring for a worker once it is committed."""
    release: Release = Release.objects.create(practice=batch.practice, batch=batch)
    transaction.on_commit(lambda: bell.ring(bell.UPKEEP, waiting_jobs=1))
    return release


def release_categories_due() -> int:
    """Carry out what was begun, and look whether what runs is over. How many were carried out."""
    open_ones = Release.objects.across_practices().filter(finished_at=None).order_by("pk")
    done = 0
    for release in open_ones.select_related("batch"):
        if release.prepared_at is None:
            prepare(release)
            done += 1
        _finish_if_over(release)
    return done


def anything_due() -> bool:
    """Whether a change of categories waits to be carried out."""
    return Release.objects.across_practices().filter(finished_at=None, prepared_at=None).exists()


def prepare(release: Release) -> int:
    """Find the events that the change is about and put them to work. How many there are."""
    with transaction.atomic():
        rows = Release.objects.across_practices().filter(pk=release.pk, prepared_at=None)
        if not rows.select_for_update().exists():
            return release.events.count()
        profile = load_profile(release.practice_id)
        changes = list(release.batch.changes.select_related("type"))
        held = list(_ready(profile))
        ids = [pk for pk, _ in held]
        _remember(release, held)
        again = _decide_again(release, profile, changes) if release.batch.moves_contacts else []
        _remember(release, again)
        requeue(InboundEvent.objects.for_practice(release.practice_id).filter(pk__in=ids), again=True)
        release.prepared_at = timezone.now()
        release.save(update_fields=["prepared_at"])
    bell.ring()
    return len(held) + len(again)


# --- what waits for a category ---------------------------------------------------------------------------------


def _ready(profile: PracticeProfile) -> Iterator[tuple[int, int | None]]:
    """Held events whose type has a category by now, with their contact."""
    rows = InboundEvent.objects.for_practice(profile.id).filter(
        state=EventState.HELD, held_for=HeldFor.CATEGORY, lane__isnull=False
    )
    known: dict[tuple[int, str], bool] = {}
    for pk, contact_id, connection_id, key in rows.order_by("pk").values_list(
        "pk", "contact_id", "connection_id", "held_key"
    ):
        pair = (connection_id, key)
        if pair not in known:
            known[pair] = has_category(profile, profile.connections[connection_id], key)
        if known[pair]:
            yield pk, contact_id


# --- whom an earlier category had moved ------------------------------------------------------------------------


def _decide_again(
    release: Release, profile: PracticeProfile, changes: Iterable[CategoryChange]
) -> list[tuple[int, int | None]]:
    """An event for each contact whose cards the change puts elsewhere: it decides them anew in the contact's lane."""
    changed = [change for change in changes if change.was_confirmed and change.before != change.after]
    if not changed:
        return []
    types: list[AppointmentType] = [change.type for change in changed]
    old = keys_of(types, {change.type_id: change.before for change in changed})
    before = counting(profile, old)
    made: list[InboundEvent] = []
    for one in contacts_of(profile, visits_with(profile, old)):
        if any(step.moves for step in steps(one, before, profile)):
            made.append(_event(release, profile, one))
    InboundEvent.objects.bulk_create(made, batch_size=ROWS_AT_ONCE)
    return [(event.pk, event.contact_id) for event in made]


def _event(release: Release, profile: PracticeProfile, one: Around) -> InboundEvent:
    newest = max(one.visits, key=lambda row: (row.version is not None, row.version, row.pk))
    door = Door(profile.id, connection_id=newest.connection_id, source=Source.SETTINGS)
    dedupe = f"again:{release.pk}:{one.contact_id}"
    now = timezone.now()
    return InboundEvent(
        practice_id=profile.id,
        connection_id=newest.connection_id,
        sub_account_id=one.sub_account_id,
        patient_id=newest.patient_id,
        contact_id=one.contact_id,
        source=Source.SETTINGS,
        kind=DECIDE_AGAIN,
        dedupe_key=dedupe,
        lane_key=lane_key(door, newest.patient.external_id, dedupe),
        occurred_at=now,
        received_at=now,
        priority=Priority.REPLAY,
    )


# --- how far it is ---------------------------------------------------------------------------------------------


def _remember(release: Release, events: list[tuple[int, int | None]]) -> None:
    contacts = {contact for _, contact in events if contact}
    stages = _stages(contacts)
    ReleasedEvent.objects.bulk_create(
        [
            ReleasedEvent(
                release=release, event_id=pk, contact_id=contact, before=stages.get(contact or 0, {})
            )
            for pk, contact in events
        ],
        batch_size=ROWS_AT_ONCE,
        ignore_conflicts=True,
    )


def _stages(contact_ids: Iterable[int]) -> dict[int, dict[str, str]]:
    ids = sorted(contact_ids)
    found: dict[int, dict[str, str]] = {}
    for start in range(0, len(ids), ROWS_AT_ONCE):
        part = ids[start : start + ROWS_AT_ONCE]
        rows = Opportunity.objects.across_practices().filter(contact_id__in=part)
        for contact_id, pipeline, stage in rows.values_list("contact_id", "pipeline", "stage"):
            found.setdefault(contact_id, {})[pipeline] = stage
    return found


def progress(batch_id: int) -> Progress | None:
    """How far a change of categories is carried out; None where it was none of ours."""
    release = Release.objects.across_practices().filter(batch_id=batch_id).first()
    return progress_of(release) if release is not None else None


def progress_of(release: Release) -> Progress:
    """How far it is, or what came of it."""
    if release.finished_at is not None:
        return _from_json(release.result)
    return _read(release)


def _read(release: Release) -> Progress:
    rows: QuerySet[ReleasedEvent] = ReleasedEvent.objects.across_practices().filter(release=release)
    events = list(
        rows.order_by("event_id").values_list(
            "event__state", "event__contact_id", "before", "event__story", "event__held_for"
        )
    )
    waiting = sum(state == EventState.WAITING for state, *_ in events)
    stopped = sum(state == EventState.PARKED for state, *_ in events)
    last: dict[int, tuple[dict[str, str], list[dict[str, str]]]] = {}
    for state, contact_id, before, story, _held_for in events:
        if contact_id is not None and state not in (EventState.WAITING, EventState.PARKED):
            first = last.get(contact_id, (before, story))[0]
            last[contact_id] = (first, story)
    now = _stages(last)
    moved, kept = 0, Counter[str]()
    for contact_id, (before, story) in last.items():
        if now.get(contact_id, {}) != before:
            moved += 1
        else:
            kept[_why_kept(story)] += 1
    return Progress(
        total=len(events),
        done=len(events) - waiting,
        moved=moved,
        kept=dict(kept.most_common()),
        waiting=waiting,
        stopped=stopped,
        is_finished=release.prepared_at is not None and not waiting,
    )


def _why_kept(story: list[dict[str, str]]) -> str:
    words = " ".join(str(row.get("text", "")) for row in story if row.get("step") == "pipeline")
    if "another visit is booked" in words.lower():
        return OTHER_VISIT
    return NEVER_MOVES if "never moves" in words else THERE_ALREADY


def _finish_if_over(release: Release) -> None:
    if release.prepared_at is None:
        return
    found = _read(release)
    if not found.is_finished:
        return
    release.finished_at, release.result = timezone.now(), _as_json(found)
    release.save(update_fields=["finished_at", "result"])
    logger.info("release %s: %s events, %s contacts moved", release.pk, found.total, found.moved)


def _as_json(found: Progress) -> dict[str, object]:
    return {
        "total": found.total,
        "done": found.done,
        "moved": found.moved,
        "kept": dict(found.kept),
        "waiting": found.waiting,
        "stopped": found.stopped,
        "is_finished": found.is_finished,
    }


def _from_json(values: dict[str, object]) -> Progress:
    return Progress(**values)  # type: ignore[arg-type]
