"""One line per practice: is it alive, does anything wait. Three queries, whatever the number of practices."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Min, OuterRef, Subquery
from django.utils.timezone import now

from integrations.models import EventState, InboundEvent
from integrations.models.narrowing import open_events
from integrations.views.links import list_of, page_of
from tenants.models import Practice
from tenants.roles import Right
from tenants.scoped_admin import rows_with

SHOWN = 12


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is not finished in one practice. ``oldest_waiting_at`` None: nothing waits."""

    waiting: int = 0
    held: int = 0
    parked: int = 0
    oldest_waiting_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """A practice's line. ``delay_seconds``: how long its oldest waiting event has waited."""

    practice: Practice
    backlog: Backlog
    delay_seconds: int
    last_event_at: datetime | None
    last_event_link: str
    link: str
    held_link: str
    parked_link: str

    @property
    def tone(self) -> str:
        """The colour of its dot: success, warning or danger."""
        if self.backlog.parked or self.delay_seconds > 300:
            return "danger"
        return "warning" if self.backlog.held or self.delay_seconds > 60 else "success"


@dataclass(frozen=True, slots=True)
class Practices:
    """The practices that a person may see, and what is not finished in each."""

    rows: tuple[Practice, ...]
    backlogs: dict[int, Backlog]

    @property
    def by_id(self) -> dict[int, Practice]:
        return {row.pk: row for row in self.rows}

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of most of them."""
        counted = Counter(row.time_zone for row in self.rows).most_common(1)
        return ZoneInfo(counted[0][0] if counted else "UTC")

    @property
    def zone_words(self) -> str:
        """The zone as people name it: "New York time"."""
        return f"{self.zone.key.rpartition('/')[2].replace('_', ' ')} time"

    @property
    def waiting(self) -> int:
        return sum(backlog.waiting for backlog in self.backlogs.values())

    @property
    def oldest_waiting_seconds(self) -> int:
        """Age of the event that has waited longest; 0 when none waits."""
        return max((_age(backlog.oldest_waiting_at) for backlog in self.backlogs.values()), default=0)


def practices_of(user: Any) -> Practices:
    """The practices in which ``user`` may see events, by name."""
    shown = ("slug", "name", "state", "time_zone", "country")
    rows = rows_with(user, Practice, Right.SEE).only(*shown).order_by("name")
    counted = (
        open_events(rows_with(user, InboundEvent, Right.SEE))
        .order_by()
        .values_list("practice_id", "state")
        .annotate(count=Count("*"), oldest=Min("received_at"))
    )
    by_practice: dict[int, dict[str, Any]] = {}
    for practice_id, state, count, oldest in counted:
        found = by_practice.setdefault(practice_id, {})
        found[state] = count
        if state == EventState.WAITING:
            found["oldest_waiting_at"] = oldest
    return Practices(
        tuple(rows), {practice_id: Backlog(**found) for practice_id, found in by_practice.items()}
    )


def health(practices: Practices) -> list[Health]:
    """The lines of the practices with most trouble, in the order of their names."""
    worst = sorted(practices.rows, key=lambda row: _trouble(practices.backlogs.get(row.pk)), reverse=True)
    shown = {row.pk for row in worst[:SHOWN]}
    last = _last_events(shown)
    return [
        _line(row, practices, *last.get(row.pk, (None, None))) for row in practices.rows if row.pk in shown
    ]


def _trouble(backlog: Backlog | None) -> tuple[int, int, int]:
    return (backlog.parked, backlog.held, backlog.waiting) if backlog else (0, 0, 0)


def _last_events(practice_ids: set[int]) -> dict[int, tuple[int, datetime]]:
    """Practice id → id and time of its newest event, each from the end of its index."""
    newest = InboundEvent.objects.for_practice(OuterRef("pk")).order_by("-id")  # type: ignore[arg-type]
    rows = (
        Practice.objects.across_practices()
        .filter(pk__in=practice_ids)
        .annotate(
            last_id=Subquery(newest.values("pk")[:1]), last_at=Subquery(newest.values("received_at")[:1])
        )
        .values_list("pk", "last_id", "last_at")
    )
    return {practice_id: (last_id, last_at) for practice_id, last_id, last_at in rows if last_id}


def _line(row: Practice, practices: Practices, last_id: int | None, last_at: datetime | None) -> Health:
    backlog = practices.backlogs.get(row.pk, Backlog())
    of_practice = {"practice": row.pk}
    return Health(
        practice=row,
        backlog=backlog,
        delay_seconds=_age(backlog.oldest_waiting_at),
        last_event_at=last_at,
        last_event_link=page_of(InboundEvent, last_id),
        link=page_of(Practice, row.pk),
        held_link=list_of(InboundEvent, state=EventState.HELD, **of_practice),
        parked_link=list_of(InboundEvent, state=EventState.PARKED, **of_practice),
    )


def _age(at: datetime | None) -> int:
    return max(0, int((now() - at).total_seconds())) if at else 0
