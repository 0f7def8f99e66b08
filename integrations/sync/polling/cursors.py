"""Who polls what and when: cursors, their leases, and the times of the next polls."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from integrations.contract.manifest import Way
from integrations.contract.protocols import Resource
from integrations.emrs import Emr, registry
from integrations.models import Backfill, Connection, IncidentKind, PollCursor, TypePull
from integrations.sync.emr_access import StoredTokens
from integrations.sync.incidents import close_incidents
from tenants.models import Practice

LEASE = timedelta(seconds=120)
# A lease is made longer while a poll goes on, not with every page.
KEEP_ALIVE_SECONDS = 30.0
# Polls in a row that failed → seconds until the next one.
# Slow enough that a resource which fails alone does not look like an EMR that is down: the others succeed between.
BACK_OFF = (10, 60, 180, 300, 600, 900)
REFUSED_SECONDS = 3600
OF_A_RESOURCE = (
    IncidentKind.POLL_FAILING,
    IncidentKind.RESOURCE_REFUSED,
    IncidentKind.FILTER_IGNORED,
    IncidentKind.ROWS_MISSING,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LeaseLost(Exception):
    """Another worker polls this resource by now: nothing of this poll is stored."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A cursor that this worker holds until ``PollCursor.lease_until``."""

    cursor_id: int
    practice_id: int
    connection_id: int
    resource: str
    owner: str


def polled_emrs() -> dict[str, Emr]:
    """Slug → EMR of those that are asked on a schedule."""
    return {slug: emr for slug, emr in registry().items() if emr.manifest.way is Way.POLL}


def resources_of(emr: Emr) -> dict[str, Resource]:
    """Name → resource of a polled EMR."""
    return {resource.name: resource for resource in emr.part("client").RESOURCES}


def subject_of(resource: str, connection_id: int) -> str:
    """What incidents about one resource of a connection are kept under."""
    return f"{resource} of connection {connection_id}"


def interval_of(resource: Resource) -> timedelta:
    """How often a resource is read."""
    return resource.every or timedelta(seconds=settings.POLL_SECONDS)


# --- which cursors there are ------------------------------------------------------------------------------------


def set_up_cursors(practice_id: int | None = None) -> int:
    """Make the cursors that polled connections lack, due at once, and drop those whose switch is off.

    Of one practice, or of all. A resource that is switched on again begins anew: its first poll records and
    writes nothing. How many were made.
    """
    rows = PollCursor.objects.across_practices().filter(connection__emr__in=list(polled_emrs()))
    if practice_id is not None:
        rows = rows.filter(practice_id=practice_id)
    known = {(row.connection_id, row.resource): row for row in rows.only("practice_id", *_PAIR)}
    # After what there is: a cursor that is made while we look must not seem to be switched off.
    wanted = dict(_wanted(practice_id))
    for pair, row in known.items():
        if pair not in wanted:
            _drop(row)
    now = timezone.now()
    fresh = [
        PollCursor(practice_id=owner, connection_id=pair[0], resource=pair[1], next_at=now)
        for pair, owner in wanted.items()
        if pair not in known
    ]
    PollCursor.objects.bulk_create(fresh, ignore_conflicts=True)
    return len(fresh)


_PAIR = ("connection_id", "resource")


def _drop(row: PollCursor) -> None:
    """What was wrong with the resource is over with it: nothing else would ever close it."""
    subject = subject_of(row.resource, row.connection_id)
    with transaction.atomic():
        row.delete()
        close_incidents(row.practice_id, *OF_A_RESOURCE, subject=subject)


def _wanted(practice_id: int | None) -> Iterable[tuple[tuple[int, str], int]]:
    emrs = polled_emrs()
    rows = Connection.objects.across_practices().filter(emr__in=list(emrs))
    if practice_id is not None:
        rows = rows.filter(practice_id=practice_id)
    kinds = dict(Practice.objects.across_practices().values_list("pk", "kind"))
    for pk, owner, slug, switches in rows.values_list("pk", "practice_id", "emr", "switches"):
        on = emrs[slug].manifest.switch_defaults(kinds.get(owner, "")) | switches
        for resource in resources_of(emrs[slug]).values():
            if not resource.needs_switch or on.get(resource.needs_switch):
                yield (pk, resource.name), owner


# --- who holds which --------------------------------------------------------------------------------------------


def due(now: datetime) -> Q:
    """Cursors that somebody may claim: not while credentials are refused or the EMR does not answer."""
    circuit = Q(connection__circuit_open_until__isnull=True) | Q(connection__circuit_open_until__lte=now)
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    return Q(next_at__lte=now) & free & circuit & Q(connection__needs_reauth_since__isnull=True)


def anything_due(now: datetime) -> bool:
    """Whether a worker would find something to poll."""
    return PollCursor.objects.across_practices().filter(due(now)).exists()


def claim(worker: str, wanted: int, now: datetime | None = None) -> list[Claimed]:
    """Take the lease on up to ``wanted`` due cursors, those due for longest first; each goes to one worker."""
    now = now or timezone.now()
    rows = PollCursor.objects.across_practices()
    ids = list(rows.filter(due(now)).order_by("next_at").values_list("pk", flat=True)[:wanted])
    if not ids:
        return []
    # Whoever was quicker may have polled it already: then it is not due any more.
    return _lease(rows.filter(pk__in=ids, next_at__lte=now), worker, now)


def claim_one(cursor_id: int, worker: str) -> Claimed | None:
    """Take the lease on one cursor whether it is due or not; None while somebody else polls it."""
    rows = PollCursor.objects.across_practices().filter(pk=cursor_id)
    return next(iter(_lease(rows, worker, timezone.now())), None)


def _lease(rows: QuerySet[PollCursor], worker: str, now: datetime) -> list[Claimed]:
    owner = f"{worker[:60]}/{secrets.token_hex(8)}"
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    rows.filter(free).update(lease_owner=owner, lease_until=now + LEASE, last_started_at=now)
    taken = PollCursor.objects.across_practices().filter(lease_owner=owner)
    found = taken.values_list("pk", "practice_id", "connection_id", "resource").order_by("next_at")
    return [Claimed(pk, practice, connection, name, owner) for pk, practice, connection, name in found]


def keep(claimed: Claimed) -> None:
    """Make the lease longer. Raises LeaseLost when it is not ours any more."""
    if not _held(claimed).update(lease_until=timezone.now() + LEASE):
        raise LeaseLost


def release(claimed: Claimed, **changes: object) -> None:
    """Give the cursor back, with these columns written. Raises LeaseLost when it is not ours any more."""
    if not _held(claimed).update(lease_owner="", lease_until=None, **changes):
        raise LeaseLost


def release_dead(worker: str) -> int:
    """Free what a worker held that is no more: due at once, its back-fills too. Number of cursors."""
    fills = Backfill.objects.across_practices().filter(lease_owner__startswith=f"{worker[:60]}/")
    fills.update(lease_owner="", lease_until=None)
    held = PollCursor.objects.across_practices().filter(lease_owner__startswith=f"{worker[:60]}/")
    return held.update(lease_owner="", lease_until=None, next_at=timezone.now())


def _held(claimed: Claimed) -> QuerySet[PollCursor]:
    return PollCursor.objects.across_practices().filter(pk=claimed.cursor_id, lease_owner=claimed.owner)


# --- when the next one is ---------------------------------------------------------------------------------------


def next_slot(cursor_id: int, interval: timedelta, now: datetime) -> datetime:
    """The cursor's next turn after ``now``: each has its own moment of the interval, so that not all start at
    once, and never less than half an interval away."""
    seconds = max(1.0, interval.total_seconds())
    digest = hashlib.sha256(f"cursor {cursor_id}".encode()).digest()
    offset = int.from_bytes(digest[:4], "big") / 2**32 * seconds
    since_epoch = (now - _EPOCH).total_seconds() + seconds / 2
    turns = -((offset - since_epoch) // seconds)
    return _EPOCH + timedelta(seconds=offset + turns * seconds)


def after_failure(failures: int, retry_after: float | None, now: datetime) -> datetime:
    """When to try again after that many failures in a row; later where the EMR says so."""
    pause = BACK_OFF[min(failures, len(BACK_OFF)) - 1]
    return now + timedelta(seconds=max(pause, retry_after or 0.0))


def poll_now(cursor_ids: Iterable[int]) -> int:
    """Make cursors due at once. How many."""
    rows = PollCursor.objects.across_practices().filter(pk__in=list(cursor_ids))
    return rows.update(next_at=timezone.now(), failures=0)


def credentials_changed(connection_id: int) -> int:
    """New credentials were entered: forget the tokens of the old ones, and read everything at once. How many
    cursors. Call it after ``circuit.reauthenticated``."""
    StoredTokens(connection_id).forget()
    return read_everything(connection_id)


def read_everything(connection_id: int) -> int:
    """Read the list of appointment types and poll everything at once, resources that were refused too. How many
    cursors."""
    TypePull.objects.across_practices().filter(connection_id=connection_id).update(next_at=timezone.now())
    rows = PollCursor.objects.across_practices().filter(connection_id=connection_id)
    return rows.update(next_at=timezone.now(), failures=0)
