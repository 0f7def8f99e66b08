"""Lanes: who works on what, one worker at a time, in order, fairly across practices.

Claims are conditional updates with a lease. A lease is kept alive by the worker's heartbeat; a worker that
died lets it run out, or its supervisor gives it back at once (``release_dead``).
"""

import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from integrations.models import Contact, EventState, InboundEvent, Lane
from integrations.sync import hot

LEASE = timedelta(seconds=60)
HEARTBEAT_SECONDS = 15.0
TAKEN_IN_AT_ONCE = 500

# Back-off of a lane after transient failures; after the last one the event needs attention.
BACK_OFF = (10, 60, 300, 1800, 7200, 18000, 36000, 86400)


class LeaseLost(Exception):
    """Another worker holds the lane by now: stop, it carries on."""


@dataclass(slots=True)
class Claimed:
    """A lane that this worker holds. ``arrivals`` is what its counter said when it was claimed."""

    id: int
    practice_id: int
    owner: str
    arrivals: int
    attempts: int
    priority: int
    contacts: set[int] = field(default_factory=set)  # whose leases the lane holds

    @property
    def contact_token(self) -> str:
        """The name under which this claim leases contacts."""
        return contact_token(self.id, self.owner)


def contact_token(lane_id: int, owner: str) -> str:
    """One per claim: whoever claims the lane next must not have its contacts given back by this one."""
    return f"lane:{lane_id}:{owner[-16:]}"


def due(now: datetime) -> Q:
    """Lanes that somebody may claim at ``now``."""
    return Q(next_at__lte=now) & (Q(lease_until__isnull=True) | Q(lease_until__lte=now))


class Picker:
    """Picks due lanes in turn over the practices, so that a practice with thousands cannot starve the others."""

    def __init__(self) -> None:
        self._last_practice = 0

    def pick(self, wanted: int, now: datetime) -> list[int]:
        """Ids of at most ``wanted`` due lanes: the same number of each practice, as far as they have any."""
        practices = self._practices_with_work(now)
        if not practices:
            return []
        share = max(1, wanted // len(practices))
        picked: list[int] = []
        for practice_id in practices:
            if len(picked) >= wanted:
                break
            self._last_practice = practice_id
            take = max(share, 1) if practice_id != practices[-1] else wanted - len(picked)
            rows = Lane.objects.for_practice(practice_id).filter(due(now)).order_by("priority", "next_at")
            picked += rows.values_list("pk", flat=True)[: min(take, wanted - len(picked))]
        return picked

    def _practices_with_work(self, now: datetime) -> list[int]:
        """Practices with due lanes, those after the last one served first."""
        rows = Lane.objects.across_practices().filter(due(now)).order_by("practice_id")
        ids = list(rows.values_list("practice_id", flat=True).distinct())
        return [pk for pk in ids if pk > self._last_practice] + [
            pk for pk in ids if pk <= self._last_practice
        ]


def take_in(now: datetime | None = None) -> int:
    """Put what was stored since the last look into its lanes, in the order of arrival. How many."""
    arrived = (
        InboundEvent.objects.across_practices().filter(state=EventState.WAITING, lane=None).order_by("id")
    )
    rows = list(arrived.values_list("pk", "practice_id", "lane_key", "priority")[:TAKEN_IN_AT_ONCE])
    if rows:
        with transaction.atomic():
            hot.put_into_lanes(rows, now or timezone.now())
    return len(rows)


def anything_due(now: datetime) -> bool:
    """Whether a worker would find something to do."""
    arrived = InboundEvent.objects.across_practices().filter(state=EventState.WAITING, lane=None)
    return arrived.exists() or Lane.objects.across_practices().filter(due(now)).exists()


def claim(picker: Picker, worker: str, wanted: int, now: datetime | None = None) -> list[Claimed]:
    """Take the lease on up to ``wanted`` due lanes. Several workers may ask at once; each lane goes to one."""
    now = now or timezone.now()
    take_in(now)
    ids = picker.pick(wanted, now)
    if not ids:
        return []
    owner = f"{worker[:60]}/{uuid.uuid4().hex[:16]}"
    lanes = Lane.objects.across_practices()
    if not lanes.filter(due(now), pk__in=ids).update(lease_owner=owner, lease_until=now + LEASE):
        return []
    rows = lanes.filter(pk__in=ids, lease_owner=owner)
    values = rows.values_list("pk", "practice_id", "arrivals", "attempts", "priority")
    return [
        Claimed(pk, practice, owner, arrivals, tries, prio) for pk, practice, arrivals, tries, prio in values
    ]


def keep_alive(lanes: Iterable[Claimed]) -> None:
    """Prolong the leases of lanes in work, and of the contacts that they deliver to."""
    until = timezone.now() + LEASE
    owners = {lane.owner for lane in lanes}
    ids = [lane.id for lane in lanes]
    Lane.objects.across_practices().filter(pk__in=ids, lease_owner__in=owners).update(lease_until=until)
    # Copied at once: the lanes' threads add to them.
    contacts = [pk for lane in lanes for pk in tuple(lane.contacts)]
    tokens = [lane.contact_token for lane in lanes]
    Contact.objects.across_practices().filter(pk__in=contacts, lease_owner__in=tokens).update(
        lease_until=until
    )


def still_held(lane: Claimed) -> Q:
    """A condition on events and effects' events: their lane is still ours."""
    return Q(lane__lease_owner=lane.owner)


def release(lane: Claimed) -> bool:
    """Give a lane back whose events were all worked on. False when more arrived meanwhile: it stays due."""
    if hot.release_lane(lane.id, lane.owner, lane.arrivals):
        return True
    Lane.objects.across_practices().filter(pk=lane.id, lease_owner=lane.owner).update(
        lease_owner="", lease_until=None, next_at=timezone.now(), attempts=0, waits_because=""
    )
    return False


def postpone(lane: Claimed, seconds: float, because: str, *, is_failure: bool) -> None:
    """Give a lane back until later. ``is_failure`` counts a try; waiting for a budget or a circuit does not."""
    Lane.objects.across_practices().filter(pk=lane.id, lease_owner=lane.owner).update(
        lease_owner="",
        lease_until=None,
        next_at=timezone.now() + timedelta(seconds=seconds),
        attempts=lane.attempts + 1 if is_failure else lane.attempts,
        waits_because=because[:300],
    )


def back_off_seconds(attempts: int, retry_after: float | None = None) -> float | None:
    """Seconds to wait after ``attempts`` earlier failures, with jitter; None when it is time to give up."""
    if attempts >= len(BACK_OFF):
        return None
    base = BACK_OFF[attempts]
    return max(base * random.uniform(0.8, 1.2), retry_after or 0)


def wake(practice_id: int, *, waiting_since_failure: bool = True) -> int:
    """Make a practice's lanes with waiting events due now: settings or credentials changed."""
    waiting = InboundEvent.objects.for_practice(practice_id).filter(
        state=EventState.WAITING, lane__isnull=False
    )
    lanes = Lane.objects.for_practice(practice_id).filter(pk__in=waiting.values("lane_id"))
    return lanes.update(next_at=timezone.now(), arrivals=F("arrivals") + 1, attempts=0, waits_because="")


def release_dead(worker: str) -> int:
    """Give back what a worker held that is known to be dead (its supervisor saw it end). Number of lanes."""
    held = Lane.objects.across_practices().filter(lease_owner__startswith=f"{worker[:60]}/")
    tokens = [contact_token(pk, owner) for pk, owner in held.values_list("pk", "lease_owner")]
    Contact.objects.across_practices().filter(lease_owner__in=tokens).update(lease_owner="", lease_until=None)
    return held.update(lease_owner="", lease_until=None)
