"""Once a minute: what could have fallen between two chairs is picked up again."""

import logging
from datetime import date

from django.utils import timezone

from integrations.models import EventState, HeldFor, InboundEvent
from integrations.models.narrowing import open_events
from integrations.sync.bulk import carry_on_bulk
from integrations.sync.categories.moving import release_categories_due
from integrations.sync.categories.use import refresh_all
from integrations.sync.create_back.sweep import sweep_due
from integrations.sync.provision import carry_on_provisioning
from integrations.sync.release import release_categories, release_set_up
from integrations.sync.retention import purge
from integrations.sync.watch import watch

logger = logging.getLogger(__name__)
_purged_on: date | None = None


def run_upkeep() -> None:
    """Release what was held at the very moment in which its category was confirmed, carry out changes of
    categories, work in bulk and the making of custom fields, sum up how often types are booked, look after connections
    that have gone quiet; once an hour, look for create tags that nobody acted on; once a day, delete what retention
    says."""
    release_categories_due()
    release_overlooked()
    carry_on_bulk()
    carry_on_provisioning()
    refresh_all()
    watch()
    sweep_due()
    purge_daily()


def purge_daily() -> bool:
    """Run retention once a day in each worker process. Whether it ran."""
    global _purged_on
    today = timezone.now().date()
    if _purged_on == today:
        return False
    _purged_on = today
    gone = purge()
    logger.info(
        "retention deleted %s payloads, %s bodies, %s incidents, %s pieces of long work",
        gone.payloads,
        gone.bodies,
        gone.incidents,
        gone.long_work,
    )
    return True


def release_overlooked() -> int:
    """Release events whose category was confirmed while they were being held, and those that nobody told of what they
    wait for. How many."""
    waiting_for_set_up = _practices_with_held(HeldFor.LIVE, HeldFor.LOCATION)
    return sum(map(release_categories, _practices_with_held(HeldFor.CATEGORY))) + sum(
        map(release_set_up, waiting_for_set_up)
    )


def _practices_with_held(*held_for: HeldFor) -> list[int]:
    open_now = open_events(InboundEvent.objects.across_practices())
    held = open_now.filter(state=EventState.HELD, held_for__in=held_for)
    return list(held.values_list("practice_id", flat=True).distinct())
