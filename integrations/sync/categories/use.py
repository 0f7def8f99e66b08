"""How often each type is booked: summed up from the visits, now and then."""

import time
from collections.abc import Iterator
from datetime import date

from django.db.models import Count, Max, Min, Q
from django.utils import timezone

from categorization.categories import name_key
from categorization.learning import LONGEST, Named, Use, learn, suggest_missing, write_uses
from categorization.models import AppointmentType
from integrations.models import InboundEvent, Visit
from integrations.sync.categories.sighting import unknown
from integrations.sync.profile import PracticeProfile, load_profile
from tenants.models import Practice

EVERY_SECONDS = 300.0
_next_at: dict[int, float] = {}
_newest_event: dict[int, int] = {}

# Connection id, type, purposes, how many, last day, next day.
Sum = tuple[int, str, list[str], int, date | None, date | None]


def refresh_all() -> int:
    """Sum up every practice whose turn it is (each every five minutes) and of which something was heard since. How
    many types changed."""
    now, changed = time.monotonic(), 0
    for practice in Practice.objects.across_practices():
        if now >= _next_at.get(practice.pk, 0.0):
            _next_at[practice.pk] = now + EVERY_SECONDS
            changed += refresh(practice) if _has_news(practice) else 0
    return changed


def _has_news(practice: Practice) -> bool:
    """Whether an event came, or a day went by, since it was asked last: visits that were coming are over then."""
    events = InboundEvent.objects.for_practice(practice)
    newest = events.order_by("-id").values_list("pk", flat=True).first() or 0
    mark = newest * 1000 + timezone.now().timetuple().tm_yday
    is_news = _newest_event.get(practice.pk) != mark
    _newest_event[practice.pk] = mark
    return is_news


def refresh(practice: Practice) -> int:
    """Write down how often each type was booked, last and next; keep types that only visits name. How many rows
    changed."""
    profile = load_profile(practice.pk)
    today = timezone.now().astimezone(profile.zone).date()
    sums = list(_sums(practice.pk, today))
    for connection_id, type_name, purposes, *_ in sums:
        connection = profile.connections[connection_id]
        fresh: list[Named] = unknown(profile, connection.key, type_name, purposes)
        learn(practice, connection.key, fresh, offers_online=connection.manifest.offers_online)
    rows = list(AppointmentType.objects.for_practice(practice))
    suggest_missing(practice, rows)
    return write_uses(rows, _uses(profile, rows, sums))


def _sums(practice_id: int, today: date) -> Iterator[Sum]:
    rows = Visit.objects.for_practice(practice_id).exclude(type="").order_by()
    found = rows.values_list("connection_id", "type", "purposes").annotate(
        times=Count("pk"),
        last=Max("visit_on", filter=Q(visit_on__lt=today)),
        coming=Min("visit_on", filter=Q(visit_on__gte=today)),
    )
    yield from found.iterator()


def _uses(profile: PracticeProfile, rows: list[AppointmentType], sums: list[Sum]) -> dict[int, Use]:
    by_key: dict[tuple[str, str, str], AppointmentType] = {}
    for row in rows:
        for name, purpose in row.former_keys:
            by_key.setdefault((row.connection_key, name, purpose), row)
    by_key |= {row.key: row for row in rows}
    uses: dict[int, Use] = {}
    for connection_id, type_name, purposes, times, last_on, next_on in sums:
        key = (profile.connections[connection_id].key, name_key(type_name)[:LONGEST])
        named = {by_key.get((*key, name_key(one)[:LONGEST])) for one in ("", *purposes)}
        for row in (one for one in named if one is not None):
            uses[row.pk] = _added(uses.get(row.pk, Use()), times, last_on, next_on)
    return uses


def _added(use: Use, times: int, last_on: date | None, next_on: date | None) -> Use:
    last = [day for day in (use.last_on, last_on) if day]
    coming = [day for day in (use.next_on, next_on) if day]
    return Use(use.times + times, max(last, default=None), min(coming, default=None))
