"""What is deleted when: payloads and the bodies of writes after PAYLOAD_DAYS, closed incidents after 90 days, long work
that has been over for 90 days (replays, retries, back-fills, the making of custom fields), and what the polls need not
know any longer.

What became of an event stays, and so do the copies of notes. Nothing is deleted while somebody or something
still waits for it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, QuerySet, TextField, Value
from django.db.models.functions import Cast
from django.utils import timezone

from integrations.models import (
    Backfill,
    BulkItem,
    BulkRun,
    Effect,
    EffectKind,
    EffectState,
    EventState,
    InboundEvent,
    Incident,
    ProvisionRun,
)
from integrations.sync.polling.forgetting import old_rounds, old_rows, old_runs

INCIDENT_DAYS = LONG_WORK_DAYS = 90
BATCH = 1000
FINISHED = (EventState.DONE, EventState.SKIPPED, EventState.IGNORED)
_OPEN_EFFECTS = (EffectState.PLANNED, EffectState.SENDING, EffectState.IN_DOUBT)


@dataclass(frozen=True)
class Purged:
    """How many were (or, in a dry run, would be) deleted. ``polls`` counts runs, ``rows`` what was known of an
    EMR's rows and of patients who were read one by one, ``long_work`` replays, retries, back-fills and the making of
    custom fields."""

    payloads: int
    bodies: int
    incidents: int
    polls: int = 0
    rows: int = 0
    long_work: int = 0


def purge(*, dry_run: bool = False, batch: int = BATCH) -> Purged:
    """Delete what retention says, ``batch`` rows at a time, so that no lock is held for long."""
    now = timezone.now()
    before = now - timedelta(days=settings.PAYLOAD_DAYS)
    payloads, bodies = _payloads(before), _bodies(before)
    incidents = _incidents(now - timedelta(days=INCIDENT_DAYS))
    over_before = now - timedelta(days=LONG_WORK_DAYS)
    polls, rows = old_runs(now), [*old_rows(now), *old_rounds(now)]
    if dry_run:
        known = sum(found.count() for found in rows)
        works = sum(found.count() for found in _long_work(over_before))
        return Purged(payloads.count(), bodies.count(), incidents.count(), polls.count(), known, works)
    return Purged(
        _in_batches(payloads, lambda rows: rows.update(payload=""), batch),
        _in_batches(bodies, lambda rows: rows.update(body=Value("", TextField())), batch),
        _in_batches(incidents, lambda rows: rows.delete()[0], batch),
        _in_batches(polls, lambda rows: rows.delete()[0], batch),
        sum(_in_batches(found, lambda rows: rows.delete()[0], batch) for found in rows),
        _delete_long_work(over_before, batch),
    )


def _payloads(before: datetime) -> QuerySet[InboundEvent]:
    rows = InboundEvent.objects.across_practices().filter(received_at__lt=before, state__in=FINISHED)
    return rows.exclude(payload="")


def _bodies(before: datetime) -> QuerySet[Effect]:
    rows = Effect.objects.across_practices().filter(event__received_at__lt=before, event__state__in=FINISHED)
    rows = rows.exclude(kind=EffectKind.NOTE).exclude(state__in=_OPEN_EFFECTS)
    # The stored text, not the value: an empty object is encrypted too.
    return rows.annotate(raw=Cast(F("body"), TextField())).exclude(raw="")


def _incidents(before: datetime) -> QuerySet[Incident]:
    return Incident.objects.across_practices().filter(closed_at__lt=before)


def _long_work(before: datetime) -> list[QuerySet[Any]]:
    """What was over before then. What is not over has no ``finished_at``."""
    models: tuple[Any, ...] = (BulkRun, ProvisionRun, Backfill)
    return [model.objects.across_practices().filter(finished_at__lt=before) for model in models]


def _delete_long_work(before: datetime, batch: int) -> int:
    """The many events of a run first, so that no lock is held for long; its result does not need them."""
    items = BulkItem.objects.across_practices().filter(run__finished_at__lt=before)
    _in_batches(items, lambda rows: rows.delete()[0], batch)
    return sum(_in_batches(rows, lambda rows: rows.delete()[0], batch) for rows in _long_work(before))


def _in_batches(rows: QuerySet[Any], do: Callable[[QuerySet[Any]], int], batch: int) -> int:
    done, last = 0, 0
    while ids := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:batch]):
        last = ids[-1]
        done += do(rows.filter(pk__in=ids))  # those that are still for it: some may have gone to work since
    return done
