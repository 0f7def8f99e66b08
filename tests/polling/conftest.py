"""A sandbox over HTTP for each test, with a ModMed firm and a Nextech practice set up in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.emrs.modmed import client as modmed_client
from integrations.emrs.modmed.sandbox import Door as Firm
from integrations.emrs.nextech_cloud import client as nextech_client
from integrations.emrs.nextech_cloud.sandbox import Office
from integrations.models import Connection
from integrations.sandbox.server import serve_in_thread
from integrations.sandbox.state import State
from integrations.sync import circuit, crm_access, emr_turns, profile
from tenants.models import Practice
from tests.polling.offices import KEY, Crm, practice_file, set_up


@pytest.fixture
def sandbox(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The sandbox's address. Speed limits are so high that nobody waits."""
    url, stop = serve_in_thread(State(key=KEY))
    settings.DATA_DIR, settings.SANDBOX_URL, settings.SANDBOX_KEY = tmp_path, url, KEY
    settings.CRM_API_BASE_URL, settings.ALLOW_PRIVATE_HOSTS = f"{url}/crm", True
    settings.REDIS_URL = "unix:///nobody-listens-here"
    monkeypatch.setattr(modmed_client, "CALLS_PER_SECOND", 10_000.0)
    monkeypatch.setattr(nextech_client, "CALLS_PER_SECOND", 10_000.0)
    forget()
    yield url
    stop()
    forget()


def forget() -> None:
    """Caches that outlive a test."""
    crm_access._budget.cache_clear()
    circuit.forget()
    profile._profiles.clear()
    emr_turns._own_slots.clear()


@pytest.fixture
def crm(sandbox: str) -> Crm:
    found = Crm(sandbox)
    found.reset()
    return found


@pytest.fixture
def firm(sandbox: str) -> Firm:
    """A ModMed firm with locations and practitioners and nobody in its book."""
    found = Firm(f"{sandbox}/emr/modmed", KEY, "bluestone")
    found.set_up({"username": "fhir_x", "password": "pw", "api_key": "key-1"}, with_cast=True)
    return found


@pytest.fixture
def office(sandbox: str) -> Office:
    """A Nextech practice with locations, types and an API user."""
    found = Office(sandbox, KEY, "practice-1")
    found.open()
    return found


@pytest.fixture
def bare(db: None, settings: Any) -> Iterator[Connection]:
    """A connection with nothing around it, for polls of lists in memory."""
    settings.REDIS_URL = "unix:///nobody-listens-here"
    forget()
    practice = Practice.objects.create(slug="bare", name="Bare", kind="med_spa", country="US")
    yield Connection.objects.create(practice=practice, key="bare", emr="modmed")
    forget()


@pytest.fixture
def modmed(db: None, crm: Crm, firm: Firm) -> Connection:
    """A plastic surgery on ModMed, live, not polled yet."""
    credentials = {"username": "fhir_x", "password": "pw", "api_key": "key-1"}
    return set_up(practice_file("modmed", {"base_url": firm.base_url, "credentials": credentials}))


@pytest.fixture
def nextech(db: None, crm: Crm, office: Office) -> Connection:
    """A plastic surgery on Nextech with payments switched on, live, not polled yet."""
    connection = {
        "base_url": office.base_url,
        "credentials": office.credentials(),
        "switches": {"payments": True},
    }
    return set_up(practice_file("nextech_cloud", connection))
