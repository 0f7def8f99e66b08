"""The demo without its processes: a pretend CRM and our web server over HTTP, the books in a folder."""

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from integrations.demo_sender import demo_connection
from integrations.emrs.modmed import client as modmed_client
from integrations.emrs.nextech_cloud import client as nextech_client
from integrations.emrs.patientnow_pro import client as patientnow_client
from integrations.models import EventState, InboundEvent, Lane
from integrations.sandbox.demo.book import Book
from integrations.sandbox.demo.desk import Desk
from integrations.sandbox.demo.door import Door
from integrations.sandbox.demo.practices import DemoPractice, demo_practices
from integrations.sandbox.server import serve_in_thread
from integrations.sandbox.state import State
from integrations.sync import circuit, crm_access, lanes, profile
from integrations.sync.polling import cursors
from integrations.sync.process import work_lane
from integrations.sync.profile import profiles
from tests.polling.offices import poll_all

KEY = "demo-key"
NOW = datetime(2026, 3, 12, 15, 0, tzinfo=UTC)
MakeDesk = Callable[..., Desk]


@pytest.fixture
def make_desk() -> MakeDesk:
    """A desk of one practice with a book of its own, and chance that always falls the same way."""

    def make(slug: str = "harbor", book: Book | None = None, seed: int = 1, now: datetime = NOW) -> Desk:
        return Desk(demo_practices()[slug], book or Book(), random.Random(seed), now)

    return make


@pytest.fixture
def sandbox(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """A pretend CRM over HTTP, without its request limit; the demo keeps its files in a folder of its own."""
    real = DemoPractice.crm_setup
    limits = {"limits": {"max": 100_000, "interval_ms": 10_000, "daily": 1_000_000}}
    monkeypatch.setattr(DemoPractice, "crm_setup", lambda self, account: real(self, account) | limits)
    monkeypatch.setattr(modmed_client, "CALLS_PER_SECOND", 10_000.0)
    monkeypatch.setattr(nextech_client, "CALLS_PER_SECOND", 10_000.0)
    monkeypatch.setattr(patientnow_client, "CALLS_PER_SECOND", 10_000.0)
    url, stop = serve_in_thread(State(key=KEY))
    settings.DEMO, settings.DATA_DIR = True, tmp_path
    settings.SANDBOX_URL, settings.SANDBOX_KEY = url, KEY
    settings.CRM_API_BASE_URL, settings.ALLOW_PRIVATE_HOSTS = f"{url}/crm", True
    settings.REDIS_URL = "unix:///nobody-listens-here"
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    _forget_everything()
    yield Door(url, KEY)
    stop()
    _forget_everything()


def _forget_everything() -> None:
    crm_access._budget.cache_clear()
    circuit.forget()
    profile._profiles.clear()


@pytest.fixture
def seeded(db: None, sandbox: Door) -> Door:
    """The four practices, set up here and in the sandbox; nothing has happened yet."""
    call_command("seed_demo")
    return sandbox


@pytest.fixture
def running(live_server: Any, sandbox: Door, settings: Any) -> Door:
    """The same with our web server answering, so that webhooks can be posted."""
    settings.PUBLIC_URL = live_server.url
    call_command("seed_demo")
    return sandbox


def poll(slug: str) -> None:
    """What the polling worker does, once: every resource of a practice's connection, the lists first."""
    cursors.set_up_cursors()
    poll_all(demo_connection(demo_practices()[slug]))


def work(seconds: float = 30) -> None:
    """What a worker does, without waiting for back-off, until no event waits."""
    deadline = time.monotonic() + seconds
    waiting = InboundEvent.objects.across_practices().filter(state=EventState.WAITING)
    while waiting.exists() and time.monotonic() < deadline:
        Lane.objects.across_practices().filter(next_at__isnull=False).update(next_at=timezone.now())
        claimed = lanes.claim(lanes.Picker(), "test", 50)
        found = profiles({lane.practice_id for lane in claimed})
        for lane in claimed:
            work_lane(lane, found[lane.practice_id], lambda: False)
