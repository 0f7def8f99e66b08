"""Deliveries counted per billing cycle: some EMRs bill each one beyond a free number."""

import zoneinfo
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Sum
from django.utils import timezone

from integrations.contract.manifest import Manifest
from integrations.models import Connection, InboundEvent


@dataclass(frozen=True, slots=True)
class TasksUsed:
    """Tasks since ``since``, out of ``free``; ``cost`` is what those beyond are billed."""

    used: int
    free: int
    since: datetime
    cost: Decimal

    @property
    def percent(self) -> int:
        """Share of the free tasks, 100 at most."""
        return min(100, self.used * 100 // self.free) if self.free else 0

    @property
    def beyond(self) -> int:
        return max(0, self.used - self.free)


def cycle_start(first_day: int, now: datetime, zone_name: str) -> datetime:
    """Midnight, in the practice's zone, of the last time that the month's ``first_day`` (1 to 28) came."""
    local = now.astimezone(zoneinfo.ZoneInfo(zone_name))
    start = local.replace(day=first_day, hour=0, minute=0, second=0, microsecond=0)
    if start <= local:
        return start
    month_before = start.replace(day=1) - timedelta(days=1)
    return month_before.replace(day=first_day)


def tasks_used(connection: Connection, manifest: Manifest, now: datetime | None = None) -> TasksUsed:
    """What a connection has used in its billing cycle: one task per delivery received, repeats included."""
    since = cycle_start(connection.billing_cycle_day, now or timezone.now(), connection.practice.time_zone)
    rows = InboundEvent.objects.for_practice(connection.practice_id).filter(
        connection=connection, received_at__gte=since
    )
    used = rows.aggregate(used=Sum("deliveries"))["used"] or 0
    beyond = max(0, used - manifest.free_tasks_per_cycle)
    return TasksUsed(used, manifest.free_tasks_per_cycle, since, beyond * Decimal(manifest.task_price or 0))
