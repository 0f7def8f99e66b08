"""The world that engine tests run in."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django_rq.settings
import pytest
import redis

from axconnect.embedded_redis import EmbeddedRedis
from integrations.sandbox.server import serve_in_thread
from integrations.sandbox.state import State
from integrations.sync import bell, circuit, crm_access, profile
from tests.engine.world import SANDBOX_KEY, SANDBOXES, World


@pytest.fixture
def crm_url(settings: Any) -> Iterator[str]:
    """A pretend CRM over HTTP that the settings point to."""
    state = State(key=SANDBOX_KEY)
    url, stop = serve_in_thread(state)
    SANDBOXES[url] = state
    settings.CRM_API_BASE_URL, settings.ALLOW_PRIVATE_HOSTS = f"{url}/crm", True
    settings.REDIS_URL = "unix:///nobody-listens-here"
    crm_access._budget.cache_clear()
    circuit.forget()
    profile._profiles.clear()
    bell._silent_until = time.monotonic() + 3600  # there is no bell here: the tests work by hand
    yield url
    bell._silent_until = 0.0
    del SANDBOXES[url]
    stop()
    crm_access._budget.cache_clear()


@pytest.fixture
def world(db: None, crm_url: str) -> World:
    return World(crm_url)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A Redis of this test process's own."""
    server = EmbeddedRedis.plan(Path(tmp_path_factory.mktemp("redis")))
    process = subprocess.Popen(server.command(), stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 15
        while not server.answers() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def own_redis(
    redis_server: EmbeddedRedis, crm_url: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[redis.Redis]:
    """An empty Redis that bell, queues and budget use."""
    queues = {name: {**queue, "URL": redis_server.url} for name, queue in settings.RQ_QUEUES.items()}
    settings.REDIS_URL, settings.RQ_QUEUES = redis_server.url, queues
    monkeypatch.setattr(django_rq.settings, "QUEUES", queues)
    bell._silent_until = 0.0
    bell._rung_at.clear()
    with redis.Redis.from_url(redis_server.url) as connection:
        connection.flushall()
        yield connection
