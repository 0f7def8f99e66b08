"""Once a minute: what could have fallen between two chairs is picked up again."""

import logging
import traceback
from collections.abc import Callable, Sequence
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


def run_upkeep(steps: Sequence[Callable[[], object]] = ()) -> None:
    """Release what was held at the very moment in which its category was confirmed, carry out changes of
    categories, work in bulk and the making of custom fields, sum up how often types are booked, look after connections
    that have gone quiet; once an hour, look for create tags that nobody acted on; once a day, delete what retention
    says.

    ``steps`` are others than these. A step that fails keeps none from its turn; the first failure is raised at the end.
    """
    failures: list[Exception] = []
    for step in steps or STEPS:
        try:
            step()
        except Exception as error:
            failures.append(error)
            # The traceback names lines of code only: the error's own text could hold a patient's data.
            trace = "".join(traceback.format_tb(error.__traceback__))
            logger.error("upkeep: %s (%s)\n%s", step.__name__, type(error).__name__, trace)
    if failures:
        raise failures[0]


def purge_daily() -> bool:
    """Run retention once a day in each worker process. Whether it ran."""
    global _purged_on
    today = timezone.now().date()
    if _purged_on == today:
        return False
    gone = purge()
    _purged_on = today
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


STEPS: tuple[Callable[[], object], ...] = (
    release_categories_due,
    release_overlooked,
    carry_on_bulk,
    carry_on_provisioning,
    refresh_all,
    watch,
    sweep_due,
    purge_daily,
)
