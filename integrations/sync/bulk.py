"""Many events put back to work at once: begun by a person, carried out by a worker, a part at a time.

Each part is put to work and ticked off in one transaction: a worker that dies in between leaves the rest for the next
look, and no event is put to work twice.
"""

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils import timezone

from integrations.models import BulkItem, BulkKind, BulkRun, EventState, InboundEvent
from integrations.sync import bell
from integrations.sync.replay import replay_all, replayable, retry_all, retryable

if TYPE_CHECKING:
    from tenants.models import User

logger = logging.getLogger(__name__)

EVENTS_AT_ONCE = 200
# What one person may ask for at a time: some hours of the CRM's request budget.
MOST_EVENTS = 10_000
REASONS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Reason:
    """Why so many events stand as they do. ``state``: the one in which they are."""

    state: str
    words: str
    count: int


@dataclass(frozen=True, slots=True)
class BulkProgress:
    """How far a run is. ``counts``: events that ran, by state; ``again``: those of the parked that were parked before.

    ``left_out``: events that could not be put to work when it was their turn; ``waiting``: put to work and not
    over, ``queued``: not put to work yet.
    """

    total: int
    queued: int = 0
    waiting: int = 0
    left_out: int = 0
    again: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    is_finished: bool = False

    @property
    def over(self) -> int:
        """Events with which nothing happens any more."""
        return self.total - self.queued - self.waiting

    @property
    def percent(self) -> int:
        """How much is over, 0 to 100; 100 only when all is."""
        return 100 * self.over // self.total if self.total else 100


def fitting(kind: BulkKind, events: QuerySet[InboundEvent]) -> QuerySet[InboundEvent]:
    """Those of the events that work of this kind is for."""
    return retryable(events, [EventState.PARKED]) if kind == BulkKind.RETRY else replayable(events)


def begin(kind: BulkKind, events: Iterable[tuple[int, int]], user: "User | None") -> list[BulkRun]:
    """Write down what is to be done, one run for each practice, and ring for a worker once it is committed.

    ``events``: (practice id, event id).
    """
    runs: list[BulkRun] = []
    with transaction.atomic():
        for practice_id, rows in groupby(sorted(set(events)), key=lambda pair: pair[0]):
            ids = [pk for _, pk in rows]
            run: BulkRun = BulkRun.objects.create(
                practice_id=practice_id, kind=kind, made_by=user, total=len(ids)
            )
            items = [BulkItem(run=run, event_id=pk) for pk in ids]
            BulkItem.objects.bulk_create(items, batch_size=EVENTS_AT_ONCE)
            runs.append(run)
        transaction.on_commit(lambda: bell.ring(bell.UPKEEP, waiting_jobs=1))
    return runs


def carry_on_bulk() -> int:
    """Carry on with every run that is not over. How many events were put to work."""
    put = 0
    for run in BulkRun.objects.across_practices().filter(finished_at=None).order_by("pk"):
        put += prepare(run)
        _finish_if_over(run)
    return put


def anything_due() -> bool:
    """Whether a run waits to be put to work."""
    return BulkRun.objects.across_practices().filter(finished_at=None, prepared_at=None).exists()


def prepare(run: BulkRun) -> int:
    """Put the run's events to work, those that are left of it. How many were."""
    put = 0
    while run.prepared_at is None:
        with transaction.atomic():
            rows = BulkRun.objects.across_practices().filter(pk=run.pk, prepared_at=None)
            if not rows.select_for_update().exists():
                run.refresh_from_db()
                break
            put += _next_part(run)
    return put


def _next_part(run: BulkRun) -> int:
    items = BulkItem.objects.for_practice(run.practice_id).filter(run=run, taken_at=None)
    part = list(items.order_by("event_id").values_list("event_id", flat=True)[:EVENTS_AT_ONCE])
    if not part:
        run.prepared_at = timezone.now()
        run.save(update_fields=["prepared_at"])
        return 0
    events = InboundEvent.objects.for_practice(run.practice_id).filter(pk__in=part)
    states = dict(events.values_list("pk", "state"))
    if run.kind == BulkKind.RETRY:
        put = retry_all(events, [EventState.PARKED])
    else:
        put = replay_all(events)
    taken = list(items.filter(event_id__in=part))
    for item in taken:
        item.taken_at, item.is_put, item.was = timezone.now(), item.event_id in put, states[item.event_id]
    BulkItem.objects.bulk_update(taken, ["taken_at", "is_put", "was"])
    return len(put)


# --- how far it is ---------------------------------------------------------------------------------------------


def progress(run: BulkRun) -> BulkProgress:
    """How far a run is, or what came of it."""
    return _from_json(run.result) if run.finished_at is not None else _read(run)


def _read(run: BulkRun) -> BulkProgress:
    items = BulkItem.objects.for_practice(run.practice_id).filter(run=run)
    put = items.filter(is_put=True)
    counts: dict[str, int] = {}
    again = 0
    for state, was, count in put.values_list("event__state", "was").annotate(Count("pk")).order_by():
        counts[state] = counts.get(state, 0) + count
        again += count if state == was == EventState.PARKED else 0
    waiting = counts.pop(EventState.WAITING, 0)
    queued = items.filter(taken_at=None).count()
    return BulkProgress(
        total=run.total,
        queued=queued,
        waiting=waiting,
        left_out=items.filter(is_put=False, taken_at__isnull=False).count(),
        again=again,
        counts=counts,
        reasons=tuple(_reasons(put)),
        is_finished=run.prepared_at is not None and not waiting and not queued,
    )


def _reasons(put: QuerySet[BulkItem]) -> list[Reason]:
    """Why what is not done is not, the most frequent reasons first; of what waits, what its lane waits for."""
    stopped = put.filter(event__state__in=[EventState.PARKED, EventState.HELD, EventState.SKIPPED])
    rows = stopped.values_list("event__state", "event__reason").annotate(count=Count("pk"))
    found = [Reason(*row) for row in rows.order_by("-count")[:REASONS_SHOWN]]
    waiting = put.filter(event__state=EventState.WAITING).exclude(event__lane__waits_because="")
    lanes = waiting.values_list("event__state", "event__lane__waits_because").annotate(count=Count("pk"))
    return found + [Reason(*row) for row in lanes.order_by("-count")[:REASONS_SHOWN]]


def _finish_if_over(run: BulkRun) -> None:
    found = _read(run)
    if not found.is_finished:
        return
    run.finished_at, run.result = timezone.now(), asdict(found)
    run.save(update_fields=["finished_at", "result"])
    logger.info("bulk run %s: %s of %s events over", run.pk, found.over, found.total)


def _from_json(values: dict[str, Any]) -> BulkProgress:
    reasons = tuple(Reason(**one) for one in values.get("reasons", ()))
    return BulkProgress(**{**values, "reasons": reasons})
