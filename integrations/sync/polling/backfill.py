"""Back-fills: past rows brought to the CRM because somebody asked for it, after all that is live.

Each row becomes an event of the lowest priority, whatever is known of it already. Nobody is enrolled.
"""

import logging
import math
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from integrations.contract.errors import (
    AuthError,
    ContractError,
    MalformedPayload,
    RateLimited,
    RejectedError,
    TransientError,
)
from integrations.contract.protocols import Page, Pages, Resource
from integrations.models import (
    Backfill,
    BackfillState,
    Connection,
    KnownRow,
    PollCursor,
    PollRun,
    Trigger,
    Visit,
)
from integrations.sync import bell, circuit
from integrations.sync.emr_access import client_for
from integrations.sync.polling import cursors, rounds, rows
from integrations.sync.polling.cursors import LEASE, LeaseLost
from integrations.sync.polling.poll import PATIENCE_SECONDS, ShutOut, Stopped
from integrations.sync.polling.reading import Reading, read_all, read_calmly
from integrations.sync.profile import ConnectionProfile, PracticeProfile

logger = logging.getLogger(__name__)

OPEN = (BackfillState.WAITING, BackfillState.READING)
ROWS_A_PAGE = 50
# What one event costs: the patient is fetched from the EMR, then contact, note and opportunity are written.
EMR_CALLS_A_ROW, CRM_CALLS_A_ROW = 1, 4
# A back-fill leaves half of the CRM's 100 requests in 10 seconds to live events.
CRM_CALLS_A_SECOND = 5.0
RETRY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Estimate:
    """About what a back-fill will cost. ``minutes`` counts reading and writing, whichever is slower."""

    rows: int
    emr_calls: int
    crm_calls: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A back-fill that this worker holds."""

    backfill_id: int
    practice_id: int
    owner: str


def estimate(cursor: PollCursor, resource: Resource, calls_per_second: float, since: date) -> Estimate:
    """About how many rows and calls a back-fill from ``since`` makes, from how many rows a day are known."""
    expected = _expected(cursor, resource, since)
    emr_calls = math.ceil(expected / ROWS_A_PAGE) + 1 + expected * EMR_CALLS_A_ROW
    crm_calls = expected * CRM_CALLS_A_ROW
    seconds = max(emr_calls / calls_per_second, crm_calls / CRM_CALLS_A_SECOND)
    return Estimate(expected, emr_calls, crm_calls, max(1, math.ceil(seconds / 60)))


def _expected(cursor: PollCursor, resource: Resource, since: date) -> int:
    """About how many rows there are, from how many a day are known."""
    today = timezone.now().date()
    count, days = _known(cursor, resource, since, today)
    wanted = max(1, (today - since).days)
    return count if wanted <= days else math.ceil(count / max(1, days) * wanted)


def _known(cursor: PollCursor, resource: Resource, since: date, today: date) -> tuple[int, int]:
    """Rows known since then, and of how many days anything is known."""
    if resource.has_dates:
        visits = Visit.objects.for_practice(cursor.practice_id).filter(connection_id=cursor.connection_id)
        first = visits.filter(visit_on__isnull=False).order_by("visit_on").values_list("visit_on", flat=True)
        oldest: date = first.first() or today
        return visits.filter(visit_on__gte=max(since, oldest)).count(), max(1, (today - oldest).days)
    known = KnownRow.objects.for_practice(cursor.practice_id).filter(cursor=cursor)
    earliest = known.filter(updated_at__isnull=False).order_by("updated_at").first()
    oldest = earliest.updated_at.date() if earliest else today
    start = datetime.combine(max(since, oldest), time(), UTC)
    return known.filter(Q(updated_at__gte=start) | Q(updated_at=None)).count(), max(1, (today - oldest).days)


def ask(cursor: PollCursor, since: date, user: object) -> Backfill:
    """Ask for a back-fill; it starts within seconds. Raises IntegrityError while one goes on."""
    with transaction.atomic():
        row = Backfill.objects.create(
            practice_id=cursor.practice_id, cursor=cursor, since=since, asked_by=user
        )
    bell.ring(bell.POLLS, waiting_jobs=1)
    return row


def stop(backfill: Backfill) -> bool:
    """Stop one that waits or reads; events that are there already go on. False when it was over."""
    rows_ = Backfill.objects.for_practice(backfill.practice_id).filter(pk=backfill.pk, state__in=OPEN)
    return bool(rows_.update(state=BackfillState.STOPPED, finished_at=timezone.now()))


def _due(now: datetime) -> QuerySet[Backfill]:
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    reachable = Q(cursor__connection__circuit_open_until__isnull=True) | Q(
        cursor__connection__circuit_open_until__lte=now
    )
    found: QuerySet[Backfill] = Backfill.objects.across_practices().filter(free, reachable, state__in=OPEN)
    return found.filter(cursor__connection__needs_reauth_since__isnull=True)


def anything_due(now: datetime) -> bool:
    """Whether a worker would find a back-fill to run."""
    return _due(now).exists()


def claim(worker: str, wanted: int) -> list[Claimed]:
    """Take the lease on waiting back-fills, and on those whose worker died."""
    now = timezone.now()
    owner = f"{worker[:60]}/{secrets.token_hex(8)}"
    ids = list(_due(now).order_by("pk").values_list("pk", flat=True)[:wanted])
    if not ids:
        return []
    every = Backfill.objects.across_practices()
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    every.filter(free, pk__in=ids, state__in=OPEN).update(
        lease_owner=owner, lease_until=now + LEASE, state=BackfillState.READING
    )
    held = every.filter(lease_owner=owner).values_list("pk", "practice_id")
    return [Claimed(pk, practice_id, owner) for pk, practice_id in held]


def run(claimed: Claimed, profile: PracticeProfile, is_stopping: Callable[[], bool]) -> None:
    """Read everything that was asked for and store its events. Trouble with the EMR puts it off."""
    row = Backfill.objects.for_practice(profile.id).select_related("cursor").get(pk=claimed.backfill_id)
    connection = profile.connections[row.cursor.connection_id]
    resource = cursors.resources_of(connection.emr)[row.cursor.resource]
    started = timezone.now()
    result = PollRun(cursor=row.cursor, trigger=Trigger.BACKFILL, started_at=started)

    def count() -> None:
        if circuit.needs_reauth(Connection, connection.id):
            raise ShutOut
        result.calls += 1

    client = _Watched(client_for(connection, on_call=count, patience=PATIENCE_SECONDS))
    patients = _patients(row, resource)

    def go_on() -> None:
        if is_stopping():
            raise Stopped
        _update(claimed, lease_until=timezone.now() + LEASE, **client.seen(expected, patients))

    try:
        expected = _expected(row.cursor, resource, row.since)
        _update(claimed, started_at=started, steps=0, steps_expected=len(patients), rows_seen=0)
        reading = _read(client, row, resource, patients, go_on)
        with transaction.atomic():
            made = _store(row, resource, reading)
            over = _over(_cut_short(reading))
            _update(claimed, rows_seen=len(reading.rows), events=made, **over)
            result.rows_seen, result.events, result.error = len(reading.rows), made, _cut_short(reading)
        bell.ring()
    except LeaseLost:
        return
    except (Stopped, ShutOut):
        with suppress(LeaseLost):
            _update(claimed, lease_owner="", lease_until=None)
        return
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        result.error = _words(error)[:300]
        with suppress(LeaseLost):
            _failed(claimed, error, result.error, connection, profile.id)
    result.seconds = (timezone.now() - started).total_seconds()
    result.save()


def _over(error: str) -> dict[str, object]:
    """What is written to a back-fill that is over."""
    state = BackfillState.FAILED if error else BackfillState.DONE
    return {
        "state": state,
        "error": error,
        "finished_at": timezone.now(),
        "lease_owner": "",
        "lease_until": None,
    }


def _cut_short(reading: Reading) -> str:
    if reading.is_whole:
        return ""
    return f"The EMR sends more than was asked for: reading stopped after {reading.pages} pages."


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, ContractError) else type(error).__name__


def _failed(
    claimed: Claimed, error: Exception, words: str, connection: ConnectionProfile, practice_id: int
) -> None:
    """Trouble with the EMR, and credentials that it refuses, put a back-fill off; anything else ends it."""
    is_refused = isinstance(error, AuthError) and error.status != 403
    if is_refused:
        circuit.refused(Connection, connection.id, practice_id, words, connection.credentials)
    if is_refused or isinstance(error, TransientError | RateLimited):
        _update(claimed, lease_until=timezone.now() + RETRY, error=words)
        return
    logger.error("back-fill %s failed: %s", claimed.backfill_id, type(error).__name__)
    _update(claimed, **_over(words))


def _patients(row: Backfill, resource: Resource) -> list[str]:
    """Those who are read one by one; none where the resource is read as a whole."""
    if not resource.is_by_patient:
        return []
    return rounds.patients_since(row.cursor, datetime.combine(row.since, time(), UTC))


@dataclass
class _Watched:
    """A client that counts what it brings."""

    client: Pages
    pages: int = 0
    patients: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    longest: int = 1

    def page(
        self,
        resource: Resource,
        since: datetime | None,
        token: str,
        *,
        patient_id: str = "",
        dated_from: date | None = None,
    ) -> Page:
        """See Pages."""
        page = self.client.page(resource, since, token, patient_id=patient_id, dated_from=dated_from)
        self.pages += 1
        self.patients.add(patient_id)
        self.ids |= {row.external_id for row in page.rows}
        self.longest = max(self.longest, len(page.rows))
        return page

    def seen(self, expected: int, patients: Sequence[str]) -> dict[str, object]:
        """How far the reading is. A list of several pages is read twice, to be sure of it."""
        seen: dict[str, object] = {"rows_seen": len(self.ids), "error": ""}
        if patients:
            return seen | {"steps": len(self.patients), "steps_expected": len(patients)}
        pages = 2 * math.ceil(max(expected, len(self.ids)) / self.longest)
        return seen | {"steps": self.pages, "steps_expected": max(pages, self.pages + 1)}


def _read(
    client: Pages, row: Backfill, resource: Resource, patients: Sequence[str], go_on: Callable[[], None]
) -> Reading:
    since = datetime.combine(row.since, time(), UTC)
    if resource.has_dates:
        return read_calmly(client, resource, None, dated_from=row.since, between_pages=go_on)
    if not resource.is_by_patient:
        return read_calmly(client, resource, since, between_pages=go_on)
    whole = Reading()
    for patient_id in patients:
        go_on()
        with suppress(RejectedError, MalformedPayload):  # one patient must not stand in the way of the others
            whole.take(read_all(client, resource, None, patient_id=patient_id, between_pages=go_on))
    return whole


def _store(backfill: Backfill, resource: Resource, reading: Reading) -> int:
    """Events in the order of their versions. The key carries the back-fill: another one may bring a row again."""
    found = [rows.Changed(row, rows.digest_of(row, resource), 0) for row in reading.rows.values()]
    cursor = backfill.cursor
    door = rows.door_of(cursor.practice_id, cursor.connection_id, is_backfill=True)
    return rows.store_events(door, resource, rows.in_order(found), f"backfill {backfill.pk}")


def _update(claimed: Claimed, **changes: object) -> None:
    """Write to a back-fill that is still ours. Raises LeaseLost when it is not, or was stopped."""
    held = Backfill.objects.across_practices().filter(pk=claimed.backfill_id, lease_owner=claimed.owner)
    if not held.filter(state=BackfillState.READING).update(**changes):
        raise LeaseLost
