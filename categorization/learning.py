"""Getting to know appointment types: from the EMR's own list, and from the first event that names one.

A type that is new gets a suggestion at once. A renamed type keeps its category, by the EMR's id of it. What the EMR
lists no longer is marked, never deleted: its visits are still there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction

from categorization.categories import name_key
from categorization.evidence import evidence_for
from categorization.models import AppointmentType
from categorization.suggest import suggest
from tenants.models import Practice

LONGEST = 255
ROWS_AT_ONCE = 500
FORMER_NAMES = 20


@dataclass(frozen=True, slots=True)
class Named:
    """A type as an EMR's list or an event names it. ``minutes`` is its length where the EMR says so."""

    name: str
    purpose: str = ""
    external_id: str = ""
    type_class: str = ""
    minutes: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        return name_key(self.name)[:LONGEST], name_key(self.purpose)[:LONGEST]


@dataclass(frozen=True, slots=True)
class Taken:
    """What a pulled list brought: how many types are new, renamed, gone, and back again."""

    new: int = 0
    renamed: int = 0
    gone: int = 0
    back: int = 0

    def __bool__(self) -> bool:
        return bool(self.new or self.renamed or self.gone or self.back)


def learn(
    practice: Practice, connection_key: str, seen: Iterable[Named], *, offers_online: bool
) -> list[AppointmentType]:
    """Keep the types that are not known yet, each with its suggestion. Those that are new."""
    wanted = {one.key: one for one in seen if one.key[0]}
    rows = AppointmentType.objects.for_practice(practice).filter(connection_key=connection_key)
    known = {(row.name_key, row.purpose_key) for row in rows.filter(name_key__in={key[0] for key in wanted})}
    fresh = [one for key, one in wanted.items() if key not in known]
    made = [_new(practice, connection_key, one, offers_online) for one in fresh]
    suggest_for(practice, made)
    return [row for row in made if _saved(row)]


def _saved(row: AppointmentType) -> bool:
    """Whether it was new: another worker may have met the same type at the same moment."""
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        return False
    return True


def take_list(
    practice: Practice,
    connection_key: str,
    listed: Sequence[Named],
    *,
    offers_online: bool,
    now: datetime,
) -> Taken:
    """Bring the EMR's own list of types into ours. Saves what is new, renamed, gone or back.

    An empty list is taken for a fault of the EMR's, not for a practice without types: nothing is marked as gone.
    """
    wanted = {one.key: one for one in listed if one.key[0]}
    if not wanted:
        return Taken()
    with transaction.atomic():
        rows = list(
            AppointmentType.objects.for_practice(practice)
            .filter(connection_key=connection_key)
            .select_for_update()
            .order_by("pk")  # as whoever confirms locks them: two orders could wait for each other
        )
        renamed = _rename(rows, wanted)
        by_key = {(row.name_key, row.purpose_key): row for row in rows}
        fresh = [one for key, one in wanted.items() if key not in by_key]
        made = learn(practice, connection_key, fresh, offers_online=offers_online)
        gone = back = 0
        for key, row in by_key.items():
            one = wanted.get(key)
            gone += _mark(row, is_listed=one is not None, now=now)
            back += int(one is not None and row.gone_at is not None)
            _describe(row, one, offers_online)
        for row in by_key.values():
            if (row.name_key, row.purpose_key) in wanted:
                row.listed_at, row.gone_at = now, None
        suggest_for(practice, list(by_key.values()))
        AppointmentType.objects.bulk_update(by_key.values(), _LISTED_FIELDS, batch_size=ROWS_AT_ONCE)
        ids = [row.pk for row in made]
        AppointmentType.objects.for_practice(practice).filter(pk__in=ids).update(listed_at=now)
        return Taken(len(made), renamed, gone, back)


_LISTED_FIELDS = [
    "listed_at",
    "gone_at",
    "external_id",
    "type_class",
    "minutes",
    "offers_online",
    "suggested",
    "confidence",
    "reason",
]


def _mark(row: AppointmentType, *, is_listed: bool, now: datetime) -> bool:
    """Mark a type that the EMR listed before and lists no longer. Whether it was marked now."""
    if is_listed or row.listed_at is None or row.gone_at is not None:
        return False
    row.gone_at = now
    return True


def _describe(row: AppointmentType, one: Named | None, offers_online: bool) -> None:
    row.offers_online = offers_online
    if one is not None:
        row.external_id = one.external_id[:100] or row.external_id
        row.type_class, row.minutes = one.type_class[:60], one.minutes


def _rename(rows: list[AppointmentType], wanted: dict[tuple[str, str], Named]) -> int:
    """Give types that the EMR calls by another name now that name; they keep what they count as. How many.

    A type that an event made known under the new name meanwhile, and that nobody confirmed, gives way to it.
    """
    by_key = {(row.name_key, row.purpose_key): row for row in rows}
    counts: dict[str, int] = {}
    for one in wanted.values():
        counts[one.external_id] = counts.get(one.external_id, 0) + 1
    by_id = {row.external_id: row for row in rows if row.external_id}
    done = 0
    for key, one in wanted.items():
        row = by_id.get(one.external_id)
        # An id that names several types (a purpose offered for each of them) says nothing about a name.
        if row is None or counts[one.external_id] > 1 or (row.name_key, row.purpose_key) == key:
            continue
        if (row.name_key, row.purpose_key) in wanted or bool(row.purpose) != bool(one.purpose):
            continue
        other = by_key.get(key)
        if other is not None:
            if other.is_confirmed:
                continue
            other.delete()
            rows.remove(other)
        if not row.purpose:
            _rename_pairs(rows, row.name_key, one.name, wanted)
        _call(row, one.name, one.purpose)
        done += 1
    return done


def _rename_pairs(
    rows: list[AppointmentType], former: str, name: str, wanted: dict[tuple[str, str], Named]
) -> None:
    """A renamed type is renamed with each of its purposes, where the list has that pair under the new name."""
    taken = {(row.name_key, row.purpose_key) for row in rows}
    for row in rows:
        key = (name_key(name)[:LONGEST], row.purpose_key)
        if row.purpose and row.name_key == former and key in wanted and key not in taken:
            _call(row, name, row.purpose)


def _call(row: AppointmentType, name: str, purpose: str) -> None:
    row.former_keys = [*row.former_keys, [row.name_key, row.purpose_key]][-FORMER_NAMES:]
    row.name, row.purpose = name.strip()[:LONGEST], purpose.strip()[:LONGEST]
    row.save()


def _new(practice: Practice, connection_key: str, one: Named, offers_online: bool) -> AppointmentType:
    return AppointmentType(
        practice=practice,
        connection_key=connection_key,
        name=one.name.strip()[:LONGEST],
        purpose=one.purpose.strip()[:LONGEST],
        external_id=one.external_id[:100],
        type_class=one.type_class[:60],
        minutes=one.minutes,
        offers_online=offers_online,
    )


def suggest_for(practice: Practice, rows: Sequence[AppointmentType]) -> None:
    """Put a fresh suggestion into each row that nobody confirmed. Saves nothing."""
    open_rows = [row for row in rows if not row.is_confirmed]
    if not open_rows:
        return
    evidence = evidence_for(practice, open_rows)
    for row in open_rows:
        found = suggest(
            row.name,
            purposes=(row.purpose,) if row.purpose else (),
            type_class=row.type_class,
            minutes=row.minutes,
            kind=practice.kind,
            evidence=evidence,
            offers_online=row.offers_online,
        )
        row.suggested = found.category.value if found.category else ""
        row.confidence, row.reason = found.confidence, found.reason[:500]


def suggest_missing(practice: Practice, rows: Iterable[AppointmentType]) -> int:
    """Suggest for types that nobody confirmed and that have no suggestion yet, such as those of a practice file. How
    many."""
    open_rows = [row for row in rows if row.confidence is None and not row.is_confirmed]
    suggest_for(practice, open_rows)
    AppointmentType.objects.bulk_update(
        open_rows, ["suggested", "confidence", "reason"], batch_size=ROWS_AT_ONCE
    )
    return len(open_rows)


@dataclass(frozen=True, slots=True)
class Use:
    """How often a type was booked: the number of its visits, the days of the last one and of the next one."""

    times: int = 0
    last_on: date | None = None
    next_on: date | None = None


def write_uses(rows: Iterable[AppointmentType], uses: dict[int, Use]) -> int:
    """Write down how often types were booked (type id → use). How many rows changed."""
    changed: list[Any] = []
    for row in rows:
        use = uses.get(row.pk, Use())
        if (row.times_seen, row.last_on, row.next_on) != (use.times, use.last_on, use.next_on):
            row.times_seen, row.last_on, row.next_on = use.times, use.last_on, use.next_on
            changed.append(row)
    AppointmentType.objects.bulk_update(
        changed, ["times_seen", "last_on", "next_on"], batch_size=ROWS_AT_ONCE
    )
    return len(changed)
