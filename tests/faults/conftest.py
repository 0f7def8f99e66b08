"""An installation in processes of its own, shared by the tests of one test process."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from tests.faults.stack import Stack, postgres_url_for_processes


@contextmanager
def database_for_processes() -> Iterator[str]:
    """DATABASE_URL for processes: a database of their own on the server in use; "" for SQLite."""
    url = postgres_url_for_processes()
    if not url:
        yield ""
        return
    name = f"ax_faults_{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with database_for_processes() as url:
        made = Stack(tmp_path_factory.mktemp("faults"), url)
        try:
            made.build()
            made.serve()
            yield made
        finally:
            made.close()


@pytest.fixture
def stack(shared_stack: Stack) -> Stack:
    """Every part running, one worker, an empty CRM, no faults; workers that a test added end with it."""
    for worker in shared_stack.workers()[1:]:
        worker.kill()
    shared_stack.only_worker()
    shared_stack.fresh()
    return shared_stack
