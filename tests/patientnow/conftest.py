"""A sandbox over HTTP for each test, with a practice on PatientNow Pro in it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.emrs.patientnow_pro import client as patientnow_client
from integrations.sandbox.server import serve_in_thread
from integrations.sandbox.state import State
from integrations.sync import bell, circuit, crm_access, emr_turns, profile
from tests.patientnow.clinic import Clinic
from tests.polling.offices import KEY


@pytest.fixture
def sandbox(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The sandbox's address. The speed limit is so high that nobody waits, and there is no bell."""
    url, stop = serve_in_thread(State(key=KEY))
    settings.DATA_DIR, settings.SANDBOX_URL, settings.SANDBOX_KEY = tmp_path, url, KEY
    settings.CRM_API_BASE_URL, settings.ALLOW_PRIVATE_HOSTS = f"{url}/crm", True
    settings.REDIS_URL = "unix:///nobody-listens-here"
    monkeypatch.setattr(patientnow_client, "CALLS_PER_SECOND", 10_000.0)
    monkeypatch.setattr(bell, "_silent_until", time.monotonic() + 3600)
    _forget()
    yield url
    stop()
    _forget()


def _forget() -> None:
    """Caches that outlive a test."""
    crm_access._budget.cache_clear()
    circuit.forget()
    profile._profiles.clear()
    emr_turns._own_slots.clear()


@pytest.fixture
def clinic(db: None, sandbox: str) -> Clinic:
    """Bayside Aesthetics: surgery and med spa, two facilities, one sub-account, live."""
    return Clinic(sandbox)
