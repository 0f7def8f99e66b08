"""RQ is only the bell: losing a ring, a job or all of Redis loses no event."""

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import django_rq
import pytest
import redis
from django.db import connections
from django.utils import timezone

from integrations.emrs.aestheticspro import sandbox as apro
from integrations.models import Lane
from integrations.sync import bell, drain, lanes
from integrations.sync.drain import Drain
from integrations.sync.schedule import Scheduler
from tests.engine.world import World, at, visit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def busy(own_redis: redis.Redis, crm_url: str) -> Iterator[World]:
    """The world with a bell; the drains' threads give their database connections back at the end."""
    world = World(crm_url)
    own_redis.flushall()  # setting up rang already
    bell._rung_at.clear()
    yield world
    drain._threads = None
    connections.close_all()


def waiting_jobs(queue: str = bell.EVENTS) -> int:
    return int(django_rq.get_queue(queue).count)


def work_off(seconds: float = 5.0) -> None:
    """Do what a worker does: take each job that waits, and drain."""
    queue = django_rq.get_queue(bell.EVENTS)
    while queue.count:
        queue.pop_job_id()
        Drain(4, lambda: False).run(seconds, linger=0.05)


def pause() -> None:
    """Longer than a ring counts as fresh."""
    time.sleep(2 * bell.FRESH_SECONDS)


# Ringing


def test_a_ring_puts_one_job_on_the_queue_until_it_is_answered(own_redis):
    assert bell.ring()
    pause()
    assert not bell.ring()
    assert waiting_jobs() == 1
    bell.answer()
    pause()
    assert bell.ring()
    assert waiting_jobs() == 2


def test_a_short_queue_is_enough(own_redis):
    for _ in range(6):
        bell.answer()
        pause()
        bell.ring()
    assert waiting_jobs() == 2


def test_queues_have_bells_of_their_own(own_redis):
    assert bell.ring()
    assert bell.ring(bell.UPKEEP, waiting_jobs=1)
    assert (waiting_jobs(), waiting_jobs(bell.UPKEEP)) == (1, 1)


def test_a_job_holds_a_function_name_and_nothing_else(busy, own_redis):
    busy.post(apro.booked(visit(), at(0)))
    job = django_rq.get_queue(bell.EVENTS).get_jobs()[0]
    assert job.func_name == "integrations.sync.jobs.drain"
    assert (job.args, job.kwargs, job.result_ttl) == ((), {}, 0)
    assert 0 < job.failure_ttl <= 3600


def test_a_mark_that_lost_its_job_silences_the_bell_for_seconds_only(own_redis):
    bell.ring()
    django_rq.get_queue(bell.EVENTS).empty()
    assert 0 < own_redis.ttl("ax:bell:events") <= bell.MARK_SECONDS


# Draining


def test_a_drain_works_until_nothing_is_due(busy):
    for number in range(12):
        busy.post(apro.booked(visit(number, client=number), at(number)))
        busy.post(apro.cancelled(visit(number, client=number), at(30 + number)))
    work_off()
    assert busy.states() == {"done": 24}
    assert len(busy.contacts()) == 12
    assert not Lane.objects.across_practices().exclude(lease_owner="").exists()


def test_a_ring_during_a_drain_is_never_lost(busy, monkeypatch):
    """An event arrives after the drain's last look: there is a job for it, or the drain looks again."""
    real, come = lanes.claim, [apro.booked(visit(n, client=n), at(n)) for n in range(1, 4)]

    def claim(*args: Any, **kwargs: Any) -> Any:
        found = real(*args, **kwargs)
        if not found and come:
            pause()
            busy.post(come.pop())
        return found

    monkeypatch.setattr(drain.lanes, "claim", claim)
    busy.post(apro.booked(visit(), at(0)))
    work_off()
    assert come == []
    assert busy.states() == {"done": 4}


def test_a_drain_whose_time_is_over_rings_for_what_is_left(busy):
    for number in range(6):
        busy.post(apro.booked(visit(number, client=number), at(number)))
    django_rq.get_queue(bell.EVENTS).empty()
    bell.answer()
    pause()
    Drain(4, lambda: False).run(seconds=0.0)
    assert waiting_jobs() == 1
    work_off()
    assert busy.states() == {"done": 6}


def test_a_drain_that_is_told_to_stop_leaves_everything_for_the_next_one(busy):
    busy.post(apro.booked(visit(), at(0)))
    assert Drain(4, lambda: True).run(seconds=5) == 0
    assert busy.states() == {"waiting": 1}
    work_off()
    assert busy.states() == {"done": 1}


# Losing Redis


def test_flushing_redis_loses_nothing(busy, own_redis):
    for number in range(4):
        busy.post(apro.booked(visit(number, client=number), at(number)))
    own_redis.flushall()
    assert waiting_jobs() == 0
    pause()
    Scheduler().tick()
    assert waiting_jobs() == 1
    work_off()
    assert busy.states() == {"done": 4}


def test_flushing_redis_during_a_drain_loses_nothing(busy, own_redis, monkeypatch):
    real = lanes.claim

    def claim(*args: Any, **kwargs: Any) -> Any:
        own_redis.flushall()
        return real(*args, **kwargs)

    monkeypatch.setattr(drain.lanes, "claim", claim)
    for number in range(6):
        busy.post(apro.booked(visit(number, client=number), at(number)))
    work_off()
    assert busy.states() == {"done": 6}


def test_without_redis_events_are_taken_in_and_worked_off_when_it_is_back(busy, own_redis, monkeypatch):
    def away(*_: Any, **__: Any) -> Any:
        raise redis.ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(bell, "rq_queue_named", away)
        assert busy.post(apro.booked(visit(), at(0))).status_code == 202
    assert waiting_jobs() == 0
    bell._silent_until = 0.0
    pause()
    Scheduler().tick()
    work_off()
    assert busy.states() == {"done": 1}


# The tick


def test_the_tick_rings_for_what_is_due_and_is_silent_otherwise(busy, own_redis):
    Scheduler().tick()
    assert waiting_jobs() == 0
    busy.post(apro.booked(visit(), at(0)))
    work_off()
    row = Lane.objects.across_practices().get()
    for due, jobs in ((timezone.now() + timedelta(hours=1), 0), (timezone.now(), 1)):
        Lane.objects.across_practices().filter(pk=row.pk).update(next_at=due)
        own_redis.flushall()
        pause()
        Scheduler().tick()
        assert waiting_jobs() == jobs


def test_there_is_one_scheduler_at_a_time(own_redis):
    first, second = Scheduler(), Scheduler()
    assert first._is_leader()
    assert not second._is_leader()
    assert first._is_leader()
    first._step_down()
    assert second._is_leader()


# Nothing of a patient


def test_redis_never_holds_anything_of_a_patient(busy, own_redis):
    busy.post(apro.booked(visit(), at(0)))
    keys = b" ".join(own_redis.keys("*"))
    values = b" ".join(_dump(own_redis, key) for key in own_redis.keys("*"))
    text = (keys + values).decode("utf-8", "replace")
    assert "drain" in text
    assert not re.search(r"alba|winter|5550100|555-0100|5001\b", text, re.IGNORECASE)


def _dump(store: redis.Redis, key: bytes) -> bytes:
    kind = store.type(key).decode()
    if kind == "hash":
        return b" ".join(b"%s=%s" % pair for pair in store.hgetall(key).items())
    if kind in ("list", "set", "zset"):
        read = {"list": lambda: store.lrange(key, 0, -1), "set": lambda: store.smembers(key)}
        return b" ".join(read.get(kind, lambda: store.zrange(key, 0, -1))())
    return store.get(key) or b""
