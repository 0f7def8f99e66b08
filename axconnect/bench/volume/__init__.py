"""A database as it stands after three months of many practices, made of people who do not exist."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from axconnect.bench.volume.copying import tidy
from axconnect.bench.volume.events import make_events
from axconnect.bench.volume.open_ends import make_open_ends
from axconnect.bench.volume.people import make_people
from axconnect.bench.volume.practices import PREFIX, make_practices
from axconnect.bench.volume.visits import make_visits
from tenants.models import Practice

EVENTS_PER_VISIT = 4


@dataclass(frozen=True)
class Volume:
    """How much is made."""

    events: int
    contacts: int
    practices: int
    seed: int = 1


def fill(volume: Volume) -> Iterator[tuple[str, int]]:
    """Make it all. Yields what was made and how many rows, part by part, several times for the long ones."""
    rng, now = random.Random(volume.seed), timezone.now()
    with transaction.atomic():
        practices = make_practices(volume.practices, rng)
    yield "practices", len(practices)
    for rows in make_people(practices, volume.contacts, now, rng):
        yield "people", rows
    for rows in make_visits(practices, volume.events // EVENTS_PER_VISIT, now, rng):
        yield "visits", rows
    for rows in make_events(practices, volume.events, now, rng):
        yield "events and writes", rows
    yield "open ends", make_open_ends(practices, now, rng)
    tidy()


def holds_real_data() -> bool:
    """Whether the database has practices that were not made here."""
    return Practice.objects.across_practices().exclude(slug__startswith=PREFIX).exists()
