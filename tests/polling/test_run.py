"""The polling worker's loop: everything due is started, several at once, and a stop gives back what is held."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.utils import timezone

from integrations.emrs.modmed.sandbox import Door as Firm
from integrations.models import Backfill, BackfillState, Connection, PollCursor
from integrations.sync.drain import worker_name
from integrations.sync.polling import backfill, cursors, run
from integrations.sync.polling.run import Polls
from tests.polling.offices import cursor_of, events, people_at, poll_all, visit_at


@pytest.fixture
def shared(transactional_db: None, modmed: Connection) -> Iterator[Connection]:
    """A connection that the threads see, and no threads left behind that use its database."""
    yield modmed
    connections.close_all()


def feed(polls: Polls, seconds: float = 15.0) -> int:
    started = polls.feed(lambda: False, seconds)
    assert polls.wait(30)
    return started


def test_everything_due_is_polled_and_then_the_job_ends(shared: Connection, firm: Firm) -> None:
    people_at(firm, 2)
    visit_at(firm, 1)
    polls = Polls(4)
    feed(polls)
    cursors.poll_now([cursor_of(shared, "charges").pk])  # it may have waited for the others
    feed(polls)
    rows = PollCursor.objects.across_practices()
    assert [row.primed_at is None for row in rows] == [False] * 3
    assert [row.lease_owner for row in rows] == [""] * 3
    began = time.monotonic()
    assert feed(polls) == 0
    assert time.monotonic() - began < 5

    visit_at(firm, 1, status="booked")
    backfill.ask(cursor_of(shared, "patients"), timezone.now().date().replace(year=2025), None)
    cursors.poll_now([cursor_of(shared, "appointments").pk])
    assert feed(polls) == 2
    assert Backfill.objects.across_practices().get().state == BackfillState.DONE
    assert sorted(event.kind for event in events()) == ["appointment", "patient", "patient"]


def test_as_many_run_at_once_as_it_says(shared: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def poll(claimed: cursors.Claimed, profile: Any, **more: Any) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.2)
        cursors.release(claimed, next_at=None)
        with lock:
            running -= 1
        connections.close_all()

    monkeypatch.setattr(run, "poll", poll)
    assert feed(Polls(2)) == 3
    assert most == 2


@pytest.mark.parametrize("error", [OperationalError("gone"), ValueError("a bug")])
def test_a_poll_that_breaks_frees_its_place(
    shared: Connection, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def poll(*parts: Any, **more: Any) -> None:
        connections.close_all()
        raise error

    monkeypatch.setattr(run, "poll", poll)
    polls = Polls(1)
    assert feed(polls, 5) == 3
    assert not polls._running


def test_a_stop_in_the_middle_gives_the_cursors_back(
    shared: Connection, firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping, in_the_middle = threading.Event(), threading.Event()
    monkeypatch.setattr(run, "STOP_SECONDS", 0.3)
    people_at(firm, 1)
    poll_all(shared)

    def poll(claimed: cursors.Claimed, profile: Any, is_stopping: Callable[[], bool], **more: Any) -> None:
        in_the_middle.set()
        stopping.wait(20)
        time.sleep(1)
        connections.close_all()

    monkeypatch.setattr(run, "poll", poll)
    cursors.poll_now([cursor_of(shared, "patients").pk])
    polls = Polls(1)
    monkeypatch.setattr(run, "_polls", polls)
    worker = threading.Thread(target=lambda: (polls.feed(stopping.is_set), connections.close_all()))
    worker.start()
    assert in_the_middle.wait(20)
    assert cursor_of(shared, "patients").lease_owner.startswith(f"{worker_name()}/")
    stopping.set()
    run.finish()
    cursor = cursor_of(shared, "patients")
    assert cursor.lease_owner == ""
    assert cursor.next_at <= timezone.now()
    worker.join(20)
    assert polls.wait(20)


def test_a_practice_that_was_deleted_this_very_moment_is_left_out(
    shared: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "profiles", lambda practices: {})
    assert feed(Polls(2), 2) == 3
    assert PollCursor.objects.across_practices().filter(primed_at=None).count() == 3
