"""How much arrived and how fast it was delivered: by hour and outcome, in two queries whatever the number."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django.core.cache import cache
from django.db.models import CharField, Count, FloatField, Func, Q
from django.db.models.sql.compiler import SQLCompiler

from integrations.models import EventState, InboundEvent
from tenants.roles import Right
from tenants.scoped_admin import rows_with

T = TypeVar("T")
HOURS = 24
PROMPT_SECONDS = 60
# What a person tells apart in the chart, from the state of an event.
SERIES: tuple[tuple[str, frozenset[str]], ...] = (
    ("Delivered", frozenset({EventState.DONE})),
    ("Nothing to write", frozenset({EventState.SKIPPED, EventState.IGNORED})),
    ("Waiting", frozenset({EventState.WAITING})),
    ("Held", frozenset({EventState.HELD})),
    ("Parked", frozenset({EventState.PARKED})),
)


class Hour(Func):
    """The UTC hour of a time as text, ``2026-03-12 14``, made by the database itself: many rows pass."""

    output_field = CharField()

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="substr(%(expressions)s, 1, 13)", **extra)

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> Any:
        template = "to_char((%(expressions)s) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24')"
        return self.as_sql(compiler, connection, template=template, **extra)


class Seconds(Func):
    """Seconds from the second time to the first."""

    output_field = FloatField()
    arity = 2

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> Any:
        template = "((julianday(%(expressions)s)) * 86400.0)"
        return self.as_sql(compiler, connection, template=template, arg_joiner=") - julianday(", **extra)

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> Any:
        template = "EXTRACT(EPOCH FROM (%(expressions)s))"
        return self.as_sql(compiler, connection, template=template, arg_joiner=" - ", **extra)


@dataclass(frozen=True, slots=True)
class HourCount:
    """One hour of the last day. ``label``: its local time; ``prompt``: delivered within a minute."""

    label: str
    by_series: tuple[int, ...]
    prompt: int

    @property
    def total(self) -> int:
        return sum(self.by_series)

    @property
    def delivered(self) -> int:
        return self.by_series[0]

    @property
    def waiting(self) -> int:
        """Arrived in this hour and not worked on yet."""
        return self.by_series[2]

    @property
    def stopped(self) -> int:
        """Arrived in this hour and held or parked now."""
        return self.by_series[3] + self.by_series[4]

    @property
    def prompt_share(self) -> float | None:
        """Of what was delivered, how much within a minute (0 to 1); None when nothing was."""
        return self.prompt / self.delivered if self.delivered else None


@dataclass(frozen=True, slots=True)
class Traffic:
    """The last 24 hours, oldest first, and today beside yesterday up to the same time of day."""

    hours: tuple[HourCount, ...] = field(default=())
    today: int = 0
    by_now_yesterday: int = 0
    delivered_today: int = 0
    prompt_today: int = 0

    @property
    def prompt_percent(self) -> int | None:
        """Share of today's delivered events that took less than a minute; None before the first."""
        return self.prompt_today * 100 // self.delivered_today if self.delivered_today else None

    @property
    def change_percent(self) -> int | None:
        """Today against yesterday by this time; None where there was nothing yesterday."""
        if not self.by_now_yesterday:
            return None
        return round((self.today - self.by_now_yesterday) * 100 / self.by_now_yesterday)

    @property
    def in_words(self) -> str:
        """The chart for those who cannot see it."""
        sums = [sum(counts) for counts in self.rows()]
        counted = [f"{count} {name.lower()}" for (name, _), count in zip(SERIES, sums, strict=False) if count]
        return f"Events of the last {HOURS} hours by hour: {', '.join(counted) or 'none'}."

    def rows(self) -> list[tuple[int, ...]]:
        """The counts by hour of each series, oldest first."""
        return list(zip(*(hour.by_series for hour in self.hours), strict=True))


def traffic(user: Any, zone: ZoneInfo, now: datetime) -> Traffic:
    """What arrived in the practices that ``user`` may see, in the words of ``zone``."""
    return kept_briefly(f"traffic/{user.pk}/{zone.key}", lambda: _count(user, zone, now))


def kept_briefly(key: str, make: Callable[[], T]) -> T:
    """The result of ``make``, kept for twenty times as long as it took (a minute at most).

    So a page that asks every few seconds costs a database with millions of rows little, and a small one is
    counted afresh every time.
    """
    found: T | None = cache.get(key)
    if found is None:
        began = time.perf_counter()
        found = make()
        cache.set(key, found, min(60.0, 20 * (time.perf_counter() - began)))
    return found


def _count(user: Any, zone: ZoneInfo, now: datetime) -> Traffic:
    events = rows_with(user, InboundEvent, Right.SEE).order_by()
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    is_prompt = Q(state=EventState.DONE, took__lte=PROMPT_SECONDS)
    took = Seconds("finished_at", "received_at")
    by_hour = (
        events.filter(received_at__gte=first)
        .annotate(hour=Hour("received_at"), took=took)
        .values_list("hour", "state")
        .annotate(count=Count("pk"), prompt=Count("pk", filter=is_prompt))
    )
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    is_today = Q(received_at__gte=midnight)
    day = timedelta(days=1)
    sums = (
        events.filter(received_at__gte=midnight - day)
        .annotate(took=took)
        .aggregate(
            today=Count("pk", filter=is_today),
            by_now_yesterday=Count("pk", filter=Q(received_at__lt=now - day)),
            delivered_today=Count("pk", filter=is_today & Q(state=EventState.DONE)),
            prompt_today=Count("pk", filter=is_today & is_prompt),
        )
    )
    return Traffic(hours=tuple(_hours(by_hour, first, zone)), **sums)


def _hours(rows: Iterable[tuple[str, str, int, int]], first: datetime, zone: ZoneInfo) -> Iterable[HourCount]:
    counted = {(hour, state): (count, prompt) for hour, state, count, prompt in rows}
    for number in range(HOURS):
        at = first + timedelta(hours=number)
        key = f"{at:%Y-%m-%d %H}"
        of_hour = {state: counted.get((key, state), (0, 0)) for state in EventState.values}
        yield HourCount(
            label=_clock(at.astimezone(zone)),
            by_series=tuple(sum(of_hour[state][0] for state in states) for _, states in SERIES),
            prompt=of_hour[EventState.DONE][1],
        )


def _clock(at: datetime) -> str:
    """3 pm, as people say it."""
    return f"{at.hour % 12 or 12} {'am' if at.hour < 12 else 'pm'}"
