"""Reading a connection's list of appointment types from its EMR: when it is new, then once a day."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from categorization.learning import Named, Taken, take_list
from integrations.contract.errors import ContractError, RateLimited
from integrations.emrs import registry
from integrations.models import Connection, ConnectionState, TypePull
from integrations.sync.emr_access import client_for
from integrations.sync.profile import ConnectionProfile, PracticeProfile
from tenants.models import Practice

logger = logging.getLogger(__name__)

EVERY = timedelta(days=1)
AFTER_FAILURE = timedelta(hours=1)
# Nobody else pulls while one does; a worker that died is overtaken after this.
LEASE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A pull that this worker does, until then: whoever moved its time since had a reason."""

    connection_id: int
    practice_id: int
    until: datetime


def listing_emrs() -> list[str]:
    """Slugs of the EMRs that can be asked for their appointment types."""
    return [slug for slug, emr in registry().items() if emr.has_part("client")]


def set_up(practice_id: int | None = None) -> int:
    """Make what connections of such EMRs lack, due at once. How many."""
    rows = Connection.objects.across_practices().filter(emr__in=listing_emrs(), type_pull=None)
    if practice_id is not None:
        rows = rows.filter(practice_id=practice_id)
    now = timezone.now()
    fresh = [TypePull(connection_id=pk, next_at=now) for pk in rows.values_list("pk", flat=True)]
    TypePull.objects.bulk_create(fresh, ignore_conflicts=True)
    return len(fresh)


def due(now: datetime) -> QuerySet[TypePull]:
    """Pulls that somebody may do now: not while credentials are refused or the EMR does not answer."""
    answers = Q(connection__circuit_open_until__isnull=True) | Q(connection__circuit_open_until__lte=now)
    rows: QuerySet[TypePull] = TypePull.objects.across_practices().filter(answers, next_at__lte=now)
    return rows.filter(connection__needs_reauth_since__isnull=True, connection__state=ConnectionState.ACTIVE)


def anything_due(now: datetime) -> bool:
    """Whether a worker would find a list to read."""
    return due(now).exists()


def claim(wanted: int, now: datetime | None = None) -> list[Claimed]:
    """Take up to ``wanted`` due pulls; each goes to one worker."""
    now = now or timezone.now()
    found = (
        due(now).order_by("next_at").values_list("pk", "next_at", "connection_id", "connection__practice_id")
    )
    taken: list[Claimed] = []
    for pk, at, connection_id, practice_id in found[:wanted]:
        if TypePull.objects.across_practices().filter(pk=pk, next_at=at).update(next_at=now + LEASE):
            taken.append(Claimed(connection_id, practice_id, now + LEASE))
    return taken


def pull(claimed: Claimed, profile: PracticeProfile) -> Taken:
    """Read one connection's list and bring it into ours. A refusal or failure is written down, not raised."""
    connection = profile.connections.get(claimed.connection_id)
    if connection is None:  # deleted this very moment
        return Taken()
    try:
        taken, count = pull_now(connection, profile.id)
    except RateLimited as limited:
        _write(claimed, next_at=timezone.now() + timedelta(seconds=max(5.0, limited.retry_after)))
        return Taken()
    except ContractError as error:
        # Whether the EMR answers at all is for the polls and deliveries to say; a list of types can wait.
        _write(claimed, next_at=timezone.now() + AFTER_FAILURE, error=str(error)[:300])
        return Taken()
    except Exception as error:
        logger.error("types of connection %s could not be read: %s", connection.id, type(error).__name__)
        words = "Something went wrong on our side while the list was read."
        _write(claimed, next_at=timezone.now() + AFTER_FAILURE, error=words)
        return Taken()
    _write(claimed, next_at=timezone.now() + EVERY, error="", pulled_at=timezone.now(), types=count)
    return taken


def pull_now(
    connection: ConnectionProfile, practice_id: int, *, on_call: Callable[[], None] | None = None
) -> tuple[Taken, int]:
    """Read the list at once: what it brought, and how many types it names. Raises the contract's errors."""
    listed = [
        Named(one.name, one.purpose, one.external_id, one.type_class)
        for one in client_for(connection, on_call=on_call).appointment_types()
    ]
    practice = Practice.objects.across_practices().get(pk=practice_id)
    online = connection.manifest.offers_online
    return take_list(practice, connection.key, listed, offers_online=online, now=timezone.now()), len(listed)


def _write(claimed: Claimed, **values: object) -> None:
    """Nothing where it is to be read anew already, since new credentials were entered."""
    rows = TypePull.objects.across_practices().filter(connection_id=claimed.connection_id)
    rows.filter(next_at=claimed.until).update(**values)
