"""A client for one connection's EMR, with what it needs of ours: tokens that all processes share, the speed
limit, and a cache of what hardly changes."""

import secrets
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from integrations.contract.errors import RateLimited, TransientError
from integrations.contract.manifest import Way
from integrations.contract.protocols import Access, Context
from integrations.emrs import Emr
from integrations.models import CachedRecord, ConnectionToken
from integrations.sync.emr_turns import LONGEST_WAIT_SECONDS, wait_turn
from integrations.sync.profile import ConnectionProfile, PracticeProfile

CACHED_FOR = timedelta(hours=24)
# Longer than any sign-in takes; a process that dies in the middle lets the next one in after this.
RENEWAL_LEASE = timedelta(seconds=60)
RENEWAL_PATIENCE_SECONDS = 75.0
_LOOK_SECONDS = 0.1
# An answer may say "again in 0 seconds".
SHORTEST_WAIT_SECONDS = 0.05


def client_for(
    connection: ConnectionProfile,
    *,
    on_call: Callable[[], None] | None = None,
    patience: float = LONGEST_WAIT_SECONDS,
) -> Any:
    """The EMR folder's client for a connection. Makes no call. ``on_call`` is told of every request before it
    is sent; ``patience`` is how many seconds a request may wait for its turn before it raises RateLimited."""
    part = connection.emr.part("client")

    def take_turn() -> None:
        wait_turn(connection.id, part.CALLS_PER_SECOND, patience=patience)
        if on_call is not None:
            on_call()

    return part.make_client(
        Access(
            base_url=connection.base_url,
            credentials=connection.credentials,
            tokens=StoredTokens(connection.id),
            wait_turn=take_turn,
            allow_private=settings.ALLOW_PRIVATE_HOSTS,
        )
    )


def context_of(profile: PracticeProfile, connection: ConnectionProfile, received_at: datetime) -> Context:
    """What the EMR folder may know of the set-up when it reads a body."""
    return Context(
        received_at=received_at,
        switches=connection.switches,
        field_paths=connection.field_paths,
        zone_of=profile.zone_of,
    )


def enriches(emr: Emr) -> bool:
    """Whether this EMR's bodies have to be completed by calls before they can be understood."""
    return emr.has_part("enrich")


def enriched(
    connection: ConnectionProfile, kind: str, body: Mapping[str, Any], *, with_patient: bool = True
) -> Mapping[str, Any]:
    """The body with what has to be fetched for it. Raises the contract's errors.

    ``with_patient`` False: for rows that are only recorded; the patient stands there by id alone.
    """
    enrich = connection.emr.part("enrich").enrich
    parts = (kind, body, InOneGo(client_for(connection)), StoredCache(connection.id))
    if connection.manifest.way is Way.POLL:
        result: Mapping[str, Any] = enrich(*parts, with_patient=with_patient)
    else:
        result = enrich(*parts, connection.field_paths)
    return result


class InOneGo:
    """An EMR's client for what one event needs: once something was read, a short "too many requests" is sat out,
    ``patience`` seconds in all. Giving the lane back then would throw away what was read and ask for it again, which
    is the last thing that an EMR wants which asks us to slow down. The first call's refusal goes to the caller."""

    def __init__(self, client: Any, patience: float = LONGEST_WAIT_SECONDS) -> None:
        self._client, self._patience, self._has_read = client, patience, False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return partial(self._call, method) if callable(method) else method

    def _call(self, method: Callable[..., Any], *parts: Any, **more: Any) -> Any:
        while True:
            try:
                found = method(*parts, **more)
            except RateLimited as limited:
                if not self._has_read or limited.retry_after > self._patience:
                    raise
                wait = max(SHORTEST_WAIT_SECONDS, limited.retry_after)
                self._patience -= wait
                time.sleep(wait)
            else:
                self._has_read = True
                return found


class StoredTokens:
    """The tokens of one connection, encrypted in its row. One process at a time renews them, under a lease: a
    lock held in the database would make everybody wait for the EMR's sign-in server."""

    def __init__(self, connection_id: int) -> None:
        self._connection_id = connection_id

    def read(self) -> Mapping[str, Any]:
        """What was stored last, {} for nothing."""
        return self._rows().values_list("tokens", flat=True).first() or {}

    def renew(self, make: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Replace what is stored by ``make(stored)``; returns what is stored then.

        Raises TransientError when another process holds the lease for too long, or took it over meanwhile.
        """
        owner = secrets.token_hex(12)
        self._take_lease(owner)
        try:
            fresh = make(self.read())
            if not self._rows().filter(lease_owner=owner).update(tokens=fresh):
                raise TransientError("The sign-in took so long that another process did it.")
        finally:
            self._rows().filter(lease_owner=owner).update(lease_owner="", lease_until=None)
        return fresh

    def forget(self) -> None:
        """Throw the tokens away: new credentials were entered."""
        self._rows().update(tokens={})

    def _rows(self) -> Any:
        return ConnectionToken.objects.across_practices().filter(connection_id=self._connection_id)

    def _take_lease(self, owner: str) -> None:
        if not self._rows().exists():
            row = ConnectionToken(connection_id=self._connection_id)
            ConnectionToken.objects.bulk_create([row], ignore_conflicts=True)
        ends = time.monotonic() + RENEWAL_PATIENCE_SECONDS
        while not self._leased(owner, timezone.now()):
            if time.monotonic() > ends:
                raise TransientError("Another process is still signing in to the EMR.")
            time.sleep(_LOOK_SECONDS)

    def _leased(self, owner: str, now: datetime) -> bool:
        free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
        return bool(self._rows().filter(free).update(lease_owner=owner, lease_until=now + RENEWAL_LEASE))


class StoredCache:
    """Practitioners, locations and the like of one connection, fetched once a day at most."""

    def __init__(self, connection_id: int) -> None:
        self._connection_id = connection_id

    def get(self, kind: str, external_id: str, fetch: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """The object of that kind and id. Raises what ``fetch`` raises; then an older copy serves, if any."""
        rows = CachedRecord.objects.across_practices().filter(
            connection_id=self._connection_id, kind=kind, external_id=external_id
        )
        known: CachedRecord | None = rows.first()
        if known is not None and timezone.now() - known.fetched_at < CACHED_FOR:
            return dict(known.body)
        try:
            body = dict(fetch())
        except TransientError:
            if known is None:
                raise
            return dict(known.body)
        row = CachedRecord(
            connection_id=self._connection_id,
            kind=kind,
            external_id=external_id,
            body=body,
            fetched_at=timezone.now(),
        )
        CachedRecord.objects.bulk_create(
            [row],
            update_conflicts=True,
            unique_fields=["connection", "kind", "external_id"],
            update_fields=["body", "fetched_at"],
        )
        return body
