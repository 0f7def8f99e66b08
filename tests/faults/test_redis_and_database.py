"""Redis forgets or is away, the bell is not rung, the database is locked or away: nothing lost, nothing doubled."""

import contextlib
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
import requests

from axconnect.bench.processes import postgres, postgres_programs
from axconnect.embedded_redis import free_port
from integrations.emrs.aestheticspro import sandbox as apro
from tests.faults.programs import PostgresServer
from tests.faults.stack import Stack, postgres_url_for_processes, web_command
from tests.faults.stories import Body, story

pytestmark = pytest.mark.faults


def _is_fine(stack: Stack, clean: Body, everybody: list[apro.Client]) -> None:
    assert [stack.picture(who) for who in everybody] == [clean] * len(everybody)
    assert stack.totals()["contacts"] == len(everybody)


def test_flushing_redis_in_the_middle_of_a_stream_loses_nothing(stack: Stack) -> None:
    clean, everybody = stack.clean_picture(), [stack.patient() for _ in range(6)]
    stack.faults(latency_ms=20)
    with redis.Redis.from_url(stack.redis.url) as store:
        for events in zip(*(story(who) for who in everybody), strict=True):
            for event in events:
                stack.tell(event)
                store.flushall()
    stack.settle()
    _is_fine(stack, clean, everybody)


def test_while_redis_is_dead_events_are_accepted_and_then_delivered(stack: Stack) -> None:
    clean, everybody = stack.clean_picture(), [stack.patient() for _ in range(3)]
    stack.faults(latency_ms=20)
    told = [events for who in everybody for events in story(who)]
    stack.tell(*told[:4])
    stack.programs["redis"].kill()
    answers = [stack.post(event) for event in told[4:]]
    assert {answer.status_code for answer in answers} == {202}
    # In a request nobody waits for a Redis that is not there (the first who notices may, a little).
    assert sorted(answer.elapsed.total_seconds() for answer in answers)[len(answers) // 2] < 1
    assert requests.get(f"{stack.url}/readyz", timeout=30).json()["redis"] != "ok"

    stack.start_redis()
    stack.only_worker()  # one that gave up is started again, as its supervisor would
    stack.settle()
    _is_fine(stack, clean, everybody)
    assert stack.programs["scheduler"].is_running


def test_where_the_bell_could_not_be_rung_the_tick_rings_it(stack: Stack) -> None:
    """Committed, and then Redis could not be reached from the web process: the same as dying in between."""
    clean, who = stack.clean_picture(), stack.patient()
    port = free_port()
    dead = {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    deaf = stack.start("deaf web", web_command(port), **dead)
    url = f"http://127.0.0.1:{port}"
    try:
        stack.until(lambda: _answers(f"{url}/healthz"), "the second web server answers")
        stack.settle()
        for event in story(who):
            assert stack.post(event, url=url).status_code == 202
        stack.settle()
    finally:
        deaf.end()
    _is_fine(stack, clean, [who])
    assert deaf.said("the bell could not be rung")


def test_what_a_killed_web_process_stored_is_delivered_and_what_it_did_not_comes_again(stack: Stack) -> None:
    clean, everybody = stack.clean_picture(), [stack.patient() for _ in range(8)]
    first, *later = zip(*(story(who) for who in everybody), strict=True)
    with ThreadPoolExecutor(4) as senders:
        sent = [senders.submit(_post_or_none, stack, event) for event in first]
        stack.until(lambda: sent[1].done(), "something was stored")
        stack.programs["web"].kill()
    stack.start_web()
    stored = {future.result() for future in sent}
    assert 202 in stored
    stack.tell(*first)  # who got no answer sends again; who does so needlessly doubles nothing
    for events in later:
        stack.tell(*events)
    stack.settle()
    _is_fine(stack, clean, everybody)
    assert len(stack.events()) == 5 * len(everybody)


def _post_or_none(stack: Stack, event: Body) -> int | None:
    with contextlib.suppress(requests.RequestException):
        return stack.post(event).status_code
    return None


@pytest.mark.skipif(bool(postgres_url_for_processes()), reason="SQLite locks the whole file")
def test_a_locked_database_is_a_429_and_later_a_202(stack: Stack) -> None:
    clean, everybody = stack.clean_picture(), [stack.patient() for _ in range(3)]
    stack.faults(latency_ms=50)
    first, *later = [events for who in everybody for events in story(who)]
    stack.tell(first)
    stack.until(lambda: stack.door("GET", "/requests")["total"], "the worker is at work")
    with _locked(stack):
        answer = stack.post(later[0])
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "send it again" in answer.json()["error"]
    stack.tell(*later)
    stack.settle(hurry=True)
    _is_fine(stack, clean, everybody)


@contextlib.contextmanager
def _locked(stack: Stack) -> Iterator[None]:
    """Another process writes for a long time: nobody else can."""
    path = Path(stack.environment["DATA_DIR"]) / "axconnect.sqlite3"
    with contextlib.closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def _answers(url: str) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.get(url, timeout=5).ok
    return False


@pytest.fixture
def postgres_stack() -> Iterator[tuple[Stack, PostgresServer]]:
    """An installation on a PostgreSQL server of its own, in a folder that the server's user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="axfaults-"))
    try:
        with postgres(folder) as (url, _):
            own = Path(tempfile.mkdtemp(prefix="axfaults-"))
            stack = Stack(own, url)
            try:
                stack.build()
                stack.serve()
                stack.start_worker()
                yield stack, PostgresServer(folder)
            finally:
                stack.close()
                shutil.rmtree(own)
    finally:
        shutil.rmtree(folder)


@pytest.mark.skipif(postgres_programs() is None, reason="PostgreSQL is not installed")
def test_postgresql_stops_in_the_middle_of_work(postgres_stack: tuple[Stack, PostgresServer]) -> None:
    stack, server = postgres_stack
    worker = stack.only_worker()
    clean, everybody = stack.clean_picture(), [stack.patient() for _ in range(4)]
    told = [event for events in zip(*(story(who) for who in everybody), strict=True) for event in events]
    stack.faults(latency_ms=100)
    stack.tell(*told[:12])
    stack.until(lambda: stack.happened("note_created") >= 2, "work has begun")
    server.stop()
    answer = stack.post(told[12])
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0

    server.start()
    _until_taken(stack, told[12])
    stack.tell(*told[13:])
    stack.settle(hurry=True, seconds=240)
    _is_fine(stack, clean, everybody)
    assert stack.programs["scheduler"].is_running
    assert [worker.name for worker in stack.workers()] == [worker.name]


def _until_taken(stack: Stack, event: Body) -> None:
    """Send again as a sender does that was asked to."""
    paused = threading.Event()
    for _ in range(60):
        if stack.post(event).status_code in (200, 202):
            return
        paused.wait(1)
    raise AssertionError("the event was never taken")
