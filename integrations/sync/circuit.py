"""A circuit per connection and per sub-account: when the other side is down, lanes wait, once, with one incident.

Transport trouble, 5xx and refused credentials count; a bad record does not.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from integrations.models import Connection, IncidentKind, SubAccount
from integrations.sync.incidents import close_incidents, open_incident

NO_CREDENTIALS_SECONDS = 300.0
FAILURES_TO_OPEN = 5
OPEN_SECONDS = (15, 30, 60, 120, 300)
# How long a worker trusts what it read about a circuit.
FRESH_SECONDS = 1.0

Side = type[Connection] | type[SubAccount]


class ClosedOff(Exception):
    """The other side is not to be called now: look again in ``seconds``."""

    def __init__(self, seconds: float, because: str) -> None:
        super().__init__(because)
        self.seconds = seconds


@dataclass(slots=True)
class _Known:
    read_at: float
    open_until: datetime | None
    needs_reauth: bool
    failures: int


_known: dict[tuple[str, int], _Known] = {}
# Grows whenever something known is dropped: what was read before that is not kept.
_dropped = 0
_lock = threading.Lock()


def _state(side: Side, pk: int) -> _Known:
    key = (side.__name__, pk)
    known = _known.get(key)
    if known is None or time.monotonic() - known.read_at > FRESH_SECONDS:
        dropped, read_at = _dropped, time.monotonic()
        row = (
            side.objects.across_practices()
            .filter(pk=pk)
            .values_list("circuit_open_until", "needs_reauth_since", "failures_in_a_row")
            .first()
        )
        open_until, reauth, failures = row or (None, None, 0)
        known = _Known(read_at, open_until, reauth is not None, failures)
        with _lock:
            if dropped == _dropped:
                _known[key] = known
    return known


def forget() -> None:
    """Read every circuit again (a test or a settings change asks for it)."""
    global _dropped
    with _lock:
        _known.clear()
        _dropped += 1


def seconds_closed_off(side: Side, pk: int) -> float:
    """How long work for this side must wait: 0 when the circuit is closed."""
    known = _state(side, pk)
    if known.open_until is None:
        return 0.0
    return max(0.0, (known.open_until - timezone.now()).total_seconds())


def needs_reauth(side: Side, pk: int) -> bool:
    """Whether credentials were refused and nobody has entered new ones yet."""
    return _state(side, pk).needs_reauth


def gate(side: Side, pk: int) -> None:
    """Raises ClosedOff while credentials are refused or the circuit is open."""
    if needs_reauth(side, pk):
        raise ClosedOff(NO_CREDENTIALS_SECONDS, "Waiting for new credentials.")
    closed_off = seconds_closed_off(side, pk)
    if closed_off > 0:
        raise ClosedOff(closed_off, "The other side does not answer; waiting for it.")


def succeeded(side: Side, pk: int, practice_id: int) -> None:
    """The other side answered: close the circuit if it was not closed."""
    if not _state(side, pk).failures:
        return
    with _changing(side, pk) as rows:
        rows.update(failures_in_a_row=0, circuit_open_until=None, last_error="")
        close_incidents(practice_id, IncidentKind.UNREACHABLE, **_subject(side, pk))


def failed(side: Side, pk: int, practice_id: int, words: str) -> None:
    """Transport trouble or a 5xx: after five in a row the circuit opens, for longer each time."""
    with _changing(side, pk) as rows:
        rows.update(failures_in_a_row=F("failures_in_a_row") + 1, last_error=words[:300])
        row = rows.values_list("failures_in_a_row", "circuit_open_until").first()
        if row is None or row[0] < FAILURES_TO_OPEN:
            return
        failures, open_until = row
        if open_until and open_until > timezone.now():
            return
        step = min((failures - FAILURES_TO_OPEN) // 4, len(OPEN_SECONDS) - 1)
        rows.update(circuit_open_until=timezone.now() + timedelta(seconds=OPEN_SECONDS[step]))
        open_incident(
            practice_id,
            IncidentKind.UNREACHABLE,
            f"{words} Work waits and goes on by itself.",
            **_subject(side, pk),
        )


def refused(side: Side, pk: int, practice_id: int, words: str, used: Any = None) -> bool:
    """Credentials were refused: stop this side until somebody enters new ones.

    ``used``: those that were refused. Where others are stored by now nothing is stopped, and the caller tries again
    with these. Whether it stopped.
    """
    with _changing(side, pk) as rows:
        column = "credentials" if side is Connection else "token"
        if used is not None and rows.values_list(column, flat=True).first() != used:
            return False
        rows.filter(needs_reauth_since=None).update(needs_reauth_since=timezone.now(), last_error=words[:300])
        open_incident(
            practice_id,
            IncidentKind.NEEDS_REAUTH,
            f"{words} Enter new credentials; waiting work goes on.",
            **_subject(side, pk),
        )
    return True


def reauthenticated(side: Side, pk: int, practice_id: int) -> None:
    """New credentials were entered: let work through again."""
    with _changing(side, pk) as rows:
        rows.update(needs_reauth_since=None, failures_in_a_row=0, circuit_open_until=None, last_error="")
        close_incidents(
            practice_id,
            IncidentKind.NEEDS_REAUTH,
            IncidentKind.UNREACHABLE,
            IncidentKind.ACCESS_REFUSED,
            **_subject(side, pk),
        )


@contextmanager
def _changing(side: Side, pk: int) -> Iterator[QuerySet[Any]]:
    """Change a circuit and its incident as one, one thread after the other: a success between a failure's
    count and its incident would leave an incident that no later success finds a reason to close."""
    rows = side.objects.across_practices().filter(pk=pk)
    try:
        with transaction.atomic():
            rows.select_for_update().values_list("pk").first()
            yield rows
    finally:
        _forget_one(side, pk)


def _subject(side: Side, pk: int) -> dict[str, Any]:
    return {"connection_id": pk} if side is Connection else {"sub_account_id": pk}


def _forget_one(side: Side, pk: int) -> None:
    global _dropped
    with _lock:
        _known.pop((side.__name__, pk), None)
        _dropped += 1
