"""Once a minute: what could have fallen between two chairs is picked up again."""

import logging

from integrations.models import EventState, HeldFor, InboundEvent
from integrations.sync.release import release_categories

logger = logging.getLogger(__name__)


def run_upkeep() -> int:
    """Release events that were held at the very moment in which their category was confirmed. How many."""
    held = InboundEvent.objects.across_practices().filter(state=EventState.HELD, held_for=HeldFor.CATEGORY)
    practices = list(held.values_list("practice_id", flat=True).distinct())
    return sum(release_categories(practice_id) for practice_id in practices)
