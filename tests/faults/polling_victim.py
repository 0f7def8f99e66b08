"""``python -m tests.faults.polling_victim WORD [CONNECTION]``: a process that polls and kills itself on the way.

WORD is a step of STEPS, or ``poll`` (nothing happens to it), ``free`` (leases of the dead are given back), ``ask``
(prints how many events, known rows and open leases there are, and every row's last state), or ``backfill`` with a
step after it.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "axconnect.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402

from integrations.emrs.modmed import client  # noqa: E402
from integrations.emrs.modmed.client import ModMedClient  # noqa: E402
from integrations.models import (  # noqa: E402
    InboundEvent,
    KnownRow,
    PatientRound,
    PollCursor,
    Visit,
)
from integrations.sync import bell  # noqa: E402
from integrations.sync.polling import cursors, poll, rounds, rows  # noqa: E402


def die(*_: Any, **__: Any) -> Any:
    """What `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: Any, name: str) -> None:
    setattr(owner, name, die)


def after(owner: Any, name: str, times: int = 1) -> None:
    """Die when the function has returned for the ``times``-th time."""
    real: Callable[..., Any] = getattr(owner, name)
    left = [times]

    def call(*args: Any, **kwargs: Any) -> Any:
        answer = real(*args, **kwargs)
        left[0] -= 1
        if not left[0]:
            die()
        return answer

    setattr(owner, name, call)


STEPS: dict[str, Callable[[], None]] = {
    "before the first page": lambda: before(ModMedClient, "page"),
    "between two pages": lambda: after(ModMedClient, "page"),
    "when all is read": lambda: after(rows, "compared"),
    "with the mark moved, before the commit": lambda: after(cursors, "release"),
    "with the events inserted, before the commit": lambda: after(rows, "store_events"),
    "with the hashes kept, before the commit": lambda: after(rows, "remember"),
    "after the commit, before the bell": lambda: before(bell, "ring"),
    "in the middle of the patients": lambda: after(rounds, "mark_read"),
}


def ask() -> dict[str, Any]:
    events = InboundEvent.objects.across_practices().order_by("pk")
    return {
        "events": [[event.kind, json.loads(event.payload)["id"]] for event in events],
        "rows": KnownRow.objects.across_practices().count(),
        "rounds": PatientRound.objects.across_practices().count(),
        "visits": Visit.objects.across_practices().count(),
        "primed": PollCursor.objects.across_practices().filter(primed_at__isnull=False).count(),
        "leases": PollCursor.objects.across_practices().exclude(lease_owner="").count(),
    }


def free() -> None:
    """As when the leases run out."""
    held = PollCursor.objects.across_practices().exclude(lease_owner="")
    held.update(lease_until=timezone.now() - timedelta(seconds=1))


def main(word: str, connection: str) -> None:
    client.CALLS_PER_SECOND = 10_000.0  # nobody waits for a turn here
    if word == "ask":
        print(json.dumps(ask()))
    elif word == "free":
        free()
    else:
        if word != "poll":
            STEPS[word]()
        assert poll is not None
        call_command("poll", connection)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "bluestone/modmed")
