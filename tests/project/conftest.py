"""A Redis of our own for the tests that ask for one."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from axconnect.embedded_redis import EmbeddedRedis


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A private Redis for this test process."""
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
def own_redis(redis_server: EmbeddedRedis, settings: Any) -> Iterator[redis.Redis]:
    """An empty Redis that the settings point at."""
    settings.REDIS_URL = redis_server.url
    settings.RQ_QUEUES = {
        name: {**queue, "URL": redis_server.url} for name, queue in settings.RQ_QUEUES.items()
    }
    with redis.Redis.from_url(redis_server.url) as connection:
        connection.flushall()
        yield connection
