"""`manage.py sandbox_day`: a quiet day at the four sandbox practices, without end."""

import random
import signal
import time
from types import FrameType
from typing import Any

import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections

from integrations.contract.demo import Happening
from integrations.demo_sender import deliver, desk, door, is_awake, outage_seconds_left, send_opening
from integrations.models import Connection, EventState, InboundEvent
from integrations.models.narrowing import open_events
from integrations.sandbox.demo.door import DoorError
from integrations.sandbox.demo.practices import DemoPractice, demo_practices
from integrations.sandbox.demo.tidy import forget_contacts

SHORTEST_PAUSE, LONGEST_PAUSE = 3.0, 6.0
RETRY_SECONDS = 2.0


class Command(BaseCommand):
    help = "Lets things happen at the sandbox practices, one every 3 to 6 seconds. Ends on SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--events", type=int, help="end after so many events (default: never)")
        parser.add_argument("--pause", type=float, help="seconds between events (default: 3 to 6)")

    def handle(self, *args: Any, events: int | None, pause: float | None, **options: Any) -> None:
        if not settings.DEMO or not settings.SANDBOX_URL:
            raise CommandError("This makes demo data. Start it with: python manage.py up --demo")
        signal.signal(signal.SIGTERM, _end)
        asleep = list(demo_practices().values())
        happened = 0
        while True:
            # Where the EMR is polled, its day begins once the first poll is over.
            for practice in [one for one in asleep if is_awake(one)]:
                self._patiently(lambda practice=practice: send_opening(practice))  # type: ignore[misc]
                asleep.remove(practice)
            if events is not None and happened >= events:
                return
            time.sleep(random.uniform(SHORTEST_PAUSE, LONGEST_PAUSE) if pause is None else pause)
            self._patiently(outage_seconds_left)
            awake = [one for one in demo_practices().values() if one not in asleep]
            if awake:
                self._one_event(random.choice(awake))
                happened += 1
            close_old_connections()

    def _one_event(self, practice: DemoPractice) -> None:
        # Before the event, when those before it are worked off.
        self._patiently(lambda: make_room(practice))
        told: list[Happening] = []
        self._patiently(lambda: told.extend(desk(practice).step()))
        for one in told:
            if one.body is not None:
                self._patiently(lambda one=one: _accepted(practice, one))  # type: ignore[misc]

    def _patiently(self, do: Any) -> None:
        """``do``, again and again while the web server or the sandbox is being started anew."""
        said = False
        while True:
            try:
                do()
                return
            except (requests.RequestException, DoorError, Connection.DoesNotExist) as error:
                if not said:
                    self.stderr.write(f"The sandbox day waits: {type(error).__name__}")
                said = True
                time.sleep(RETRY_SECONDS)


def _accepted(practice: DemoPractice, happening: Happening) -> None:
    """Deliver as a sender that tries again does: what could not be stored comes again. Raises HTTPError."""
    answer = deliver(practice, happening)
    if answer.status_code == requests.codes.too_many_requests or answer.status_code >= 500:
        answer.raise_for_status()


def make_room(practice: DemoPractice) -> None:
    """Where a practice's book is full, let somebody go whose story is told, and their contact with them.

    Not while events wait: one of them could be about whoever would leave.
    """
    open_now = open_events(InboundEvent.objects.across_practices()).filter(practice__slug=practice.slug)
    if open_now.filter(state=EventState.WAITING).exists():
        return
    staying = desk(practice).let_go()
    if staying is not None:
        forget_contacts(practice, door(), settings.CRM_API_BASE_URL, staying)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
