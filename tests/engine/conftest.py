"""The world that engine tests run in."""

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.sandbox.server import serve_in_thread
from integrations.sandbox.state import State
from integrations.sync import circuit, crm_access, profile
from tests.engine.world import SANDBOX_KEY, World


@pytest.fixture
def crm_url(settings: Any) -> Iterator[str]:
    """A pretend CRM over HTTP that the settings point to."""
    url, stop = serve_in_thread(State(key=SANDBOX_KEY))
    settings.CRM_API_BASE_URL, settings.ALLOW_PRIVATE_HOSTS = f"{url}/crm", True
    settings.REDIS_URL = "unix:///nobody-listens-here"
    crm_access._budget.cache_clear()
    circuit.forget()
    profile._profiles.clear()
    yield url
    stop()
    crm_access._budget.cache_clear()


@pytest.fixture
def world(db: None, crm_url: str) -> World:
    return World(crm_url)
