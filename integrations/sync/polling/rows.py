"""From rows to events: which say something new, and how they are remembered. Called inside a transaction."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from integrations.contract.protocols import Resource, Row
from integrations.models import EventState, InboundEvent, KnownRow, Priority, Source
from integrations.sync.intake import Door, lane_key

AT_ONCE = 500
LONGEST_ROW_ID, LONGEST_PATIENT_ID = 120, 100
_FIRST = datetime.min.replace(tzinfo=UTC)
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


@dataclass(frozen=True, slots=True)
class Changed:
    """A row that is new or says something else than before."""

    row: Row
    digest: str
    revision: int


@dataclass(frozen=True, slots=True)
class Known:
    """How a row was last seen."""

    updated_at: datetime | None
    digest: str
    revision: int


@dataclass(frozen=True, slots=True)
class Compared:
    """Rows beside what is known of them: ``changed`` say something new, ``touched`` only have a newer version
    time. Both are to be remembered."""

    changed: list[Changed]
    touched: list[Changed]

    @property
    def all(self) -> list[Changed]:
        return [*self.changed, *self.touched]


def clean(row: Row) -> Row:
    """The row with ids and a version time that the database takes, whatever the EMR sent: no row may keep the
    others from being stored."""
    return replace(
        row,
        external_id=_key(row.external_id, LONGEST_ROW_ID),
        patient_id=_key(row.patient_id, LONGEST_PATIENT_ID),
        updated_at=_in_utc(row.updated_at),
    )


def _key(external_id: str, most: int) -> str:
    plain = external_id.replace("\x00", "").encode("utf-8", "replace").decode()
    if len(plain) <= most:
        return plain
    return f"{plain[: most - 33]}#{hashlib.sha256(plain.encode()).hexdigest()[:32]}"


def _in_utc(at: datetime | None) -> datetime | None:
    if at is None:
        return None
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError:
        return None


def digest_of(row: Row, resource: Resource) -> str:
    """A hash of a row's content; what changes without that the row does is left out."""
    content = {name: value for name, value in row.payload.items() if name not in resource.volatile}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def known_rows(cursor_id: int, ids: Sequence[str]) -> dict[str, Known]:
    """Id → how it was last seen, of those ids that are known."""
    found: dict[str, Known] = {}
    for start in range(0, len(ids), AT_ONCE):
        rows = KnownRow.objects.across_practices().filter(
            cursor_id=cursor_id, external_id__in=ids[start : start + AT_ONCE]
        )
        for external_id, *state in rows.values_list("external_id", "updated_at", "digest", "revision"):
            found[external_id] = Known(*state)
    return found


def compared(cursor_id: int, rows: Iterable[Row], resource: Resource) -> Compared:
    """Which rows are new or changed, oldest version first; of equal times by id, so that it is the same order
    every time. A state older than the known one is none: lists may be read from a copy that lags."""
    all_rows = list(rows)
    known = known_rows(cursor_id, [row.external_id for row in all_rows])
    changed, touched = [], []
    for row in all_rows:
        before, digest = known.get(row.external_id), digest_of(row, resource)
        if before is None:
            changed.append(Changed(row, digest, 1))
        elif before.digest == digest and _is_older(before.updated_at, row.updated_at):
            touched.append(Changed(row, digest, before.revision))
        elif before.digest != digest and not _is_older(row.updated_at, before.updated_at):
            changed.append(Changed(row, digest, before.revision + 1))
    return Compared(in_order(changed), touched)


def in_order(changed: Iterable[Changed]) -> list[Changed]:
    """Oldest version first, of equal times by id."""
    return sorted(changed, key=lambda one: (one.row.updated_at or _FIRST, one.row.external_id))


def _is_older(at: datetime | None, than: datetime | None) -> bool:
    return bool(at and than and at < than)


def remember(cursor_id: int, changed: Sequence[Changed]) -> None:
    """Keep the hashes of rows, so that they are known again."""
    for start in range(0, len(changed), AT_ONCE):
        KnownRow.objects.bulk_create(
            [
                KnownRow(
                    cursor_id=cursor_id,
                    external_id=one.row.external_id,
                    patient_id=one.row.patient_id,
                    updated_at=one.row.updated_at,
                    digest=one.digest,
                    revision=one.revision,
                )
                for one in changed[start : start + AT_ONCE]
            ],
            update_conflicts=True,
            unique_fields=["cursor", "external_id"],
            update_fields=["patient_id", "updated_at", "digest", "revision", "missing_since"],
        )


def store_events(door: Door, resource: Resource, changed: Sequence[Changed], reader: str) -> int:
    """One event a row, in the order given. How many; those that are there already are not made again.

    ``reader`` is the cursor or back-fill that counted the revisions.
    """
    now = timezone.now()
    before = InboundEvent.objects.for_practice(door.practice_id).filter(connection_id=door.connection_id)
    keys = [_dedupe_key(resource, one, reader) for one in changed]
    there = _known_keys(before, keys)
    events = [
        InboundEvent(
            practice_id=door.practice_id,
            connection_id=door.connection_id,
            source=door.source,
            kind=resource.event_kind,
            dedupe_key=key,
            lane_key=lane_key(door, one.row.patient_id, key),
            payload=_as_json(one.row.payload),
            occurred_at=one.row.updated_at,
            received_at=now,
            priority=door.priority,
            state=EventState.WAITING,
        )
        for key, one in zip(keys, changed, strict=True)
        if key not in there
    ]
    for start in range(0, len(events), AT_ONCE):
        InboundEvent.objects.bulk_create(events[start : start + AT_ONCE])
    return len(events)


def door_of(practice_id: int, connection_id: int, *, is_backfill: bool = False) -> Door:
    """Where polled rows come in."""
    source, priority = (Source.BACKFILL, Priority.BACKFILL) if is_backfill else (Source.POLL, Priority.LIVE)
    return Door(practice_id, connection_id=connection_id, source=source, priority=priority)


def _known_keys(events: Any, keys: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(keys), AT_ONCE):
        rows = events.filter(dedupe_key__in=keys[start : start + AT_ONCE])
        found.update(rows.values_list("dedupe_key", flat=True))
    return found


def _dedupe_key(resource: Resource, one: Changed, reader: str) -> str:
    """The row in this state, at this revision: a row that returns to a former state makes an event again."""
    at = one.row.updated_at.isoformat() if one.row.updated_at else ""
    parts = (reader, resource.name, one.row.external_id, one.digest, at, str(one.revision))
    return "row:" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def _as_json(payload: Mapping[str, Any]) -> str:
    """The row as text; NUL characters, which the database takes in no text, are left out, and halves of
    characters become question marks."""
    written = json.dumps(payload, ensure_ascii=False, default=str)
    return _NUL.sub(r"\1", written).encode("utf-8", "replace").decode()
