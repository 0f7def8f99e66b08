"""``python -m tests.faults.inside``: a process that looks into the installation for a test and turns its clock on.

One JSON list a line comes in, ``[name, argument…]``; one JSON object a line goes out, ``{"answer": …}`` or
``{"error": …}``. It uses the same models and functions as the service, with the service's settings.
"""

import json
import os
import sys
from typing import Any

import django
from django.db import DatabaseError, close_old_connections, connections
from django.utils import timezone

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "axconnect.settings")
django.setup()

from categorization.confirming import confirm  # noqa: E402
from categorization.models import AppointmentType, ConfirmedVia  # noqa: E402
from integrations.models import (  # noqa: E402
    Contact,
    CreateRequest,
    Effect,
    EventState,
    InboundEvent,
    Incident,
    Lane,
    LedgerRow,
    SubAccount,
)
from integrations.sync import lanes  # noqa: E402
from integrations.sync.categories import moving  # noqa: E402
from tenants.models import Practice  # noqa: E402


def unfinished() -> int:
    """Events that wait, and lanes that somebody holds."""
    waiting = InboundEvent.objects.across_practices().filter(state=EventState.WAITING).count()
    return waiting + len(leases())


def waiting() -> int:
    return InboundEvent.objects.across_practices().filter(state=EventState.WAITING).count()


def hurry() -> int:
    """Cut back-off and open circuits short, so that a test need not sit them out."""
    now = timezone.now()
    SubAccount.objects.across_practices().filter(circuit_open_until__gt=now).update(circuit_open_until=now)
    rows = Lane.objects.across_practices().filter(next_at__gt=now, lease_owner="")
    rows.update(next_at=now)
    return unfinished()


def events(after: int) -> list[dict[str, Any]]:
    """The events stored after this id, oldest first."""
    rows = InboundEvent.objects.across_practices().filter(pk__gt=after).order_by("pk")
    return list(rows.values("id", "kind", "state", "parked_as", "reason", "deliveries", "story"))


def newest_event() -> int:
    return InboundEvent.objects.across_practices().order_by("-pk").values_list("pk", flat=True).first() or 0


def effects(after: int) -> list[dict[str, Any]]:
    """The writes planned for events after this id, in order."""
    rows = Effect.objects.across_practices().filter(event__gt=after).order_by("event_id", "position")
    return list(rows.values("event_id", "kind", "target", "state", "reason"))


def ledger(after: int) -> list[dict[str, Any]]:
    rows = LedgerRow.objects.across_practices().filter(event__gt=after).order_by("pk")
    return [
        {"amount": str(row.amount), "state": row.state, "before": str(row.before), "after": str(row.after)}
        for row in rows
    ]


def creates(contact_id: str) -> list[tuple[str, str, bool]]:
    """State, EMR patient id and whether the contact was told, of each create request of a contact."""
    rows = CreateRequest.objects.across_practices().filter(contact_crm_id=contact_id).order_by("pk")
    return [(row.state, row.external_id, row.answered_at is not None) for row in rows]


def incidents() -> list[dict[str, Any]]:
    """Every incident so far, oldest first."""
    rows = Incident.objects.across_practices().order_by("pk")
    return [{"kind": row.kind, "is_open": row.closed_at is None, "words": row.words} for row in rows]


def confirm_types(practice: str, categories: dict[str, str]) -> int:
    """A person confirms what types count as, by name; the id of the change."""
    owner = Practice.objects.across_practices().get(slug=practice)
    rows = AppointmentType.objects.for_practice(owner).filter(name__in=categories)
    batch = confirm(owner, {row.pk: categories[row.name] for row in rows}, user=None, via=ConfirmedVia.PAGE)
    assert batch is not None
    return int(batch.pk)


def progress(batch_id: int) -> dict[str, Any]:
    """How far a change of categories is carried out."""
    found = moving.progress(batch_id)
    assert found is not None
    return {"total": found.total, "done": found.done, "moved": found.moved, "is_finished": found.is_finished}


def leases() -> list[str]:
    """Who holds lanes."""
    rows = Lane.objects.across_practices().exclude(lease_owner="").order_by("pk")
    return list(rows.values_list("lease_owner", flat=True))


def seconds_left_on_leases() -> float:
    """How long the longest lease has to go."""
    until = Lane.objects.across_practices().exclude(lease_owner="").values_list("lease_until", flat=True)
    return max([(at - timezone.now()).total_seconds() for at in until if at], default=0.0)


def end_leases() -> int:
    """Let every lease run out now, as the clock does a minute after a holder's last sign of life."""
    now = timezone.now()
    Contact.objects.across_practices().exclude(lease_owner="").update(lease_until=now)
    return Lane.objects.across_practices().exclude(lease_owner="").update(lease_until=now)


def release_dead(worker: str) -> int:
    """What a supervisor does when it saw this worker die."""
    return lanes.release_dead(worker)


_CALLS = {
    call.__name__: call
    for call in (
        unfinished,
        waiting,
        hurry,
        events,
        newest_event,
        effects,
        ledger,
        creates,
        incidents,
        confirm_types,
        progress,
        leases,
        seconds_left_on_leases,
        end_leases,
        release_dead,
    )
}


def main() -> None:
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        close_old_connections()
        try:
            said: dict[str, Any] = {"answer": _CALLS[name](*arguments)}
        except DatabaseError as error:
            connections.close_all()
            said = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
