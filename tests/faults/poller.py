"""``python -m tests.faults.poller NAME``: a worker that polls when it is told to, and hangs where it is told to.

One JSON list a line comes in, ``[name, argument…]``; one JSON object a line goes out: ``{"answer": …}``,
``{"error": …}``, or ``{"there": moment}`` when it has reached the moment at which it is to be killed.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "axconnect.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import close_old_connections  # noqa: E402
from django.utils import timezone  # noqa: E402

from integrations.emrs.modmed import client as modmed_client  # noqa: E402
from integrations.models import (  # noqa: E402
    Backfill,
    Connection,
    ConnectionToken,
    KnownRow,
    PatientRound,
    PollCursor,
    Visit,
)
from integrations.sync import profile as profile_module  # noqa: E402
from integrations.sync.polling import backfill, cursors, rounds, rows  # noqa: E402
from integrations.sync.polling import poll as polling  # noqa: E402
from integrations.sync.profile import profiles  # noqa: E402
from tests.polling import offices  # noqa: E402

NAME = sys.argv[1] if len(sys.argv) > 1 else "poller"
modmed_client.CALLS_PER_SECOND = 100_000.0


def say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


def set_up(document: dict[str, Any]) -> None:
    """An empty database with this practice."""
    call_command("flush", interactive=False, verbosity=0)
    profile_module._profiles.clear()
    offices.set_up(document)


def poll(resource: str) -> str:
    """Poll a resource: "done", its error, or "lost" when it went to another worker."""
    cursor = PollCursor.objects.across_practices().get(resource=resource)
    claimed = cursors.claim_one(cursor.pk, NAME)
    if claimed is None:
        return "taken"
    run = polling.poll(claimed, profiles([claimed.practice_id])[claimed.practice_id])
    return "lost" if run is None else run.error or "done"


def ask_backfill(resource: str, days: int) -> None:
    cursor = PollCursor.objects.across_practices().get(resource=resource)
    backfill.ask(cursor, date.today() - timedelta(days=days), None)


def run_backfill() -> int:
    """Run what waits. How many."""
    claimed = backfill.claim(NAME, 5)
    for one in claimed:
        backfill.run(one, profiles([one.practice_id])[one.practice_id], lambda: False)
    return len(claimed)


def work() -> None:
    """Work off every event."""
    offices.work(120)


def release_dead(worker: str) -> int:
    """What a supervisor does when it saw this worker die."""
    return cursors.release_dead(worker)


def end_leases() -> int:
    """Let every lease run out, as the clock does."""
    now = timezone.now()
    for model in (Backfill, ConnectionToken):
        model.objects.across_practices().filter(lease_until__gt=now).update(lease_until=now)
    return PollCursor.objects.across_practices().filter(lease_until__gt=now).update(lease_until=now)


def state() -> dict[str, Any]:
    """What is stored: (kind, row, state of the row) of events, and how much of everything else."""
    told = [(event.kind, json.loads(event.payload)) for event in offices.events()]
    cursor_rows = PollCursor.objects.across_practices()
    return {
        "events": sorted(f"{kind} {body['id']} {body.get('status', '')}" for kind, body in told),
        "known": KnownRow.objects.across_practices().count(),
        "visits": Visit.objects.across_practices().count(),
        "patients_read": PatientRound.objects.across_practices().count(),
        "primed": sorted(row.resource for row in cursor_rows if row.primed_at),
        "leased": sorted(row.resource for row in cursor_rows if row.lease_owner),
        "backfills": list(Backfill.objects.across_practices().values_list("state", flat=True)),
        "needs_reauth": Connection.objects.across_practices().filter(needs_reauth_since=None).count() != 1,
    }


# --- hanging -----------------------------------------------------------------------------------------------------

MOMENTS: dict[str, tuple[Any, str, bool]] = {
    # moment → whose, which function, whether it is done first
    "asking": (modmed_client.ModMedClient, "page", False),
    "signing in": (modmed_client.ModMedClient, "_sign_in", False),
    "signed in": (modmed_client.ModMedClient, "_sign_in", True),
    "read": (rows, "compared", False),
    "read for a back-fill": (backfill, "_store", False),
    "stored": (rows, "remember", True),
    "stored for a back-fill": (rows, "store_events", True),
    "round stored": (rounds, "mark_read", True),
    "committed": (polling, "_tell_about_filter", False),
    "ringing": (polling.bell, "ring", False),
}


def hang_at(moment: str, skip: int = 0, how: str = "sleep") -> None:
    """Hang when this moment comes for the time after ``skip`` others; "stop" goes on when it is told to."""
    owner, name, after = MOMENTS[moment]
    real: Callable[..., Any] = getattr(owner, name)
    left = skip

    def hanging(*parts: Any, **more: Any) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            return real(*parts, **more)
        setattr(owner, name, real)
        result = real(*parts, **more) if after else None
        say({"there": moment})
        if how == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        else:
            time.sleep(600)
        return result if after else real(*parts, **more)

    setattr(owner, name, hanging)


_CALLS = {
    call.__name__: call
    for call in (set_up, poll, ask_backfill, run_backfill, work, release_dead, end_leases, state, hang_at)
}


def main() -> None:
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        close_old_connections()
        try:
            said: dict[str, Any] = {"answer": _CALLS[name](*arguments)}
        except Exception as error:  # told to the test, which fails with it
            said = {"error": f"{type(error).__name__}: {error}"}
        say(said)


if __name__ == "__main__":
    main()
